/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of policies.
 */
#include "db/policies.h"

#include "base/rules.h"

enum { WINDOWS = 4096, WINDOWS_MAX = 28, DISKS = 64 };
static const int64_t rate_max = INT64_C(1) << 40;

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_policy, name,                       .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name of the policy; unique."),
	UD_FIELD(ud_policy, note,                       .max = 500, .about = "What it is for."),
	UD_FIELD(ud_policy, schedule_interval_seconds,  .flags = UD_REQUIRED | UD_BRIEF, .min = 5, .max = 86400, .about = "Seconds from one cycle to the next; 30, 300 and 900 work on every hypervisor."),
	UD_FIELD(ud_policy, rpo_target_seconds,         .flags = UD_REQUIRED | UD_BRIEF, .min = 5, .max = 604800, .about = "Age of the newest recovery point that is promised."),
	UD_FIELD(ud_policy, rto_target_seconds,         .flags = UD_REQUIRED | UD_BRIEF, .min = 1, .max = 604800, .about = "Time to be running again that is promised."),
	UD_FIELD(ud_policy, recovery_points_kept,       .flags = UD_BRIEF, .max = 240, .standard = 24, .about = "Points kept beside the newest; Hyper-V keeps 24 at most."),
	UD_FIELD(ud_policy, app_consistent_every_hours, .flags = UD_NULLABLE, .min = 1, .max = 12, .about = "Hours between application-consistent points; null = none."),
	UD_FIELD(ud_policy, compression,                .values = &ud_compressions, .about = "Compression on the wire."),
	UD_FIELD(ud_policy, authentication,             .values = &ud_authentications, .about = "How the hosts know each other; data is encrypted with certificates alone."),
	UD_FIELD(ud_policy, rate_bytes_per_second,      .flags = UD_NULLABLE, .min = 1024, .max = rate_max, .about = "Bytes a second at most; null = no limit."),
	UD_FIELD(ud_policy, windows,                    .max = WINDOWS, .about = "Times at which it may send: days, from_minute, until_minute, rate_bytes_per_second; none = always."),
	UD_FIELD(ud_policy, excluded_disk_ids,          .max = DISKS, .about = "Disks that are not copied, by their names in the VM."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "policy",
	.prefix = "pol",
	.table = "policies",
	UD_SHAPE(ud_policy, fields),
	.about = "Figures that replications are made with." };
const struct ud_table ud_policies_table = { .shape = &shape, .tenancy = UD_SHARED };

enum ud_code ud_windows_check(struct ud_ctx *cx, const char *field, const char *text)
{
	struct ud_transfer_window *w = NULL;
	size_t n = 0;

	if (ud_shape_read_list(cx, &ud_transfer_window_shape, text, WINDOWS_MAX, &w, &n) == UD_OK)
		return UD_OK;
	const char *why = cx->problem.field_count ? cx->problem.fields[0].detail : "";

	ud_ctx_clear(cx);
	return ud_fail_field(cx, field, "format",
		"%s is a list of at most %d objects with days, from_minute, until_minute and rate_bytes_per_second. %s",
		field, WINDOWS_MAX, why);
}
