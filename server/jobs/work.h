/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a server does beside answering requests: three tables that the rulebook fills and the server
 * is started with (ud_api_work).
 */
#ifndef SERVER_JOBS_WORK_H
#define SERVER_JOBS_WORK_H

#include "db/commands.h"
#include "server/jobs/jobs.h"
#include "server/jobs/ticks.h"

struct ud_work {
	const struct ud_job_kind *jobs;              /* operations; ended by a NULL kind */
	const struct ud_tick *ticks;                 /* what time brings; ended by a NULL name */
	const struct ud_command_reaction *reactions; /* ended by a NULL function */
};

#endif
