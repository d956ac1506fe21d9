/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Having a host switched off by its fence device, and asking a device. Both are operations that
 * the runner of jobs does (server/jobs/jobs.h): they outlast a server, and are followed like any
 * other. What makes one is part of the caller's write.
 */
#ifndef SERVER_FENCING_FENCING_H
#define SERVER_FENCING_FENCING_H

#include "server/jobs/jobs.h"

#define UD_FENCE_OFF_KIND "fence_off"
#define UD_FENCE_CHECK_KIND "fence_check"

/* Ask for one. */
enum ud_code ud_fencing_begin(
	struct ud_ctx *cx, const char *kind, const char *host_id, struct ud_operation *ret) UD_USE;

/*
 * Switch the host off, and ask until the device says twice in a row that it is: then the host is
 * fenced, and the operation has succeeded. Anything less has failed. Done again from its start it
 * finds the host off.
 */
ud_job_run ud_fencing_off;
/* Ask the device how the host is; succeeds when it knows. */
ud_job_run ud_fencing_check;

/* The password as it is stored: tied to the host. NULL stays NULL. */
const char *ud_fencing_seal(
	struct ud_ctx *cx, const unsigned char *seal, const char *host_id, const char *password);

#endif
