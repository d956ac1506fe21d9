/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies: what a replication is made with unless its request says otherwise. A replication takes
 * a copy of the figures; a policy changed later changes nothing that stands.
 */
#ifndef DB_POLICIES_H
#define DB_POLICIES_H

#include "base/replication.h"
#include "db/rows.h"

struct ud_policy {
	struct ud_row row;
	const char *name, *note;
	int64_t schedule_interval_seconds, rpo_target_seconds, rto_target_seconds;
	int64_t recovery_points_kept, app_consistent_every_hours;
	unsigned compression, authentication; /* of base/replication.h */
	int64_t rate_bytes_per_second;
	struct ud_json windows;
	struct ud_texts excluded_disk_ids;
};
extern const struct ud_table ud_policies_table;

/* A rule on a list of transfer windows as JSON text: UD_E_VALIDATION naming the field. NULL is
 * fine. */
enum ud_code ud_windows_check(struct ud_ctx *cx, const char *field, const char *text) UD_USE;

#endif
