/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents report of replication, taken into the database: states and figures of each end, new
 * points, points that are gone. Idempotent: the same report twice changes nothing twice.
 */
#ifndef SERVER_REPLICATION_REPORTS_H
#define SERVER_REPLICATION_REPORTS_H

#include "db/commands.h"
#include "db/replications.h"

/*
 * Take a report of a host's agent, inside a write. Relations that this host is no end of come back
 * as unknown, and it is told to let go of them; of the others, points that were stored come back.
 * UD_E_VALIDATION when the report is not what base/replication.h says; nothing of it is kept then.
 */
enum ud_code ud_replication_take(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *host_id, const struct ud_replication_reports *in,
	struct ud_replication_acks *ret) UD_USE;

#endif
