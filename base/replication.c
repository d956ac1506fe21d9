/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of replication.
 */
#include "base/replication.h"

static const char *const role_names[] = { "source", "target" };
const struct ud_enum ud_relation_roles = { "relation_role", role_names, UD_LEN(role_names) };
static const char *const leg_names[] = { "primary", "extended" };
const struct ud_enum ud_legs = { "leg", leg_names, UD_LEN(leg_names) };
static const char *const relation_state_names[] = { "active", "paused", "removed" };
const struct ud_enum ud_relation_states = { "relation_state", relation_state_names,
	UD_LEN(relation_state_names) };
static const char *const compression_names[] = { "auto", "none", "zstd1", "zstd3" };
const struct ud_enum ud_compressions = { "compression", compression_names,
	UD_LEN(compression_names) };
static const char *const authentication_names[] = { "certificate", "kerberos" };
const struct ud_enum ud_authentications = { "authentication", authentication_names,
	UD_LEN(authentication_names) };
static const char *const initial_names[] = { "network", "existing", "external_media", "reverse" };
const struct ud_enum ud_initial_methods = { "initial_method", initial_names,
	UD_LEN(initial_names) };
static const char *const resync_names[] = { "auto", "hashes", "full" };
const struct ud_enum ud_resync_methods = { "resync_method", resync_names, UD_LEN(resync_names) };
static const char *const state_names[] = {
	[UD_REPLICATION_UNKNOWN] = "unknown",
	[UD_REPLICATION_DISABLED] = "disabled",
	[UD_REPLICATION_PREFLIGHT_FAILED] = "preflight_failed",
	[UD_REPLICATION_READY_FOR_SEED] = "ready_for_seed",
	[UD_REPLICATION_SEEDING] = "seeding",
	[UD_REPLICATION_REPLICATING] = "replicating",
	[UD_REPLICATION_PREPARED] = "prepared",
	[UD_REPLICATION_FAILING_OVER] = "failing_over",
	[UD_REPLICATION_FAILED_OVER_UNCOMMITTED] = "failed_over_uncommitted",
	[UD_REPLICATION_COMMITTED] = "committed",
	[UD_REPLICATION_FAILING_BACK] = "failing_back",
	[UD_REPLICATION_PAUSED] = "paused",
	[UD_REPLICATION_ERROR] = "error",
	[UD_REPLICATION_RESYNC_REQUIRED] = "resync_required",
	[UD_REPLICATION_RESYNCING] = "resyncing",
	[UD_REPLICATION_RESYNC_PAUSED] = "resync_paused",
	[UD_REPLICATION_DISK_UPDATE] = "disk_update",
	[UD_REPLICATION_DISK_UPDATE_ERROR] = "disk_update_error",
	[UD_REPLICATION_BUSY] = "busy",
};
_Static_assert(UD_LEN(state_names) == UD_REPLICATION_STATE_COUNT, "a name for every state");
const struct ud_enum ud_replication_states = { "replication_state", state_names,
	UD_REPLICATION_STATE_COUNT };
static const char *const consistency_names[] = { "crash", "application" };
const struct ud_enum ud_consistencies = { "consistency", consistency_names,
	UD_LEN(consistency_names) };
static const char *const point_state_names[] = { "receiving", "complete", "verified", "expiring",
	"deleted", "corrupt" };
const struct ud_enum ud_point_states = { "recovery_point_state", point_state_names,
	UD_LEN(point_state_names) };
static const char *const day_names[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };
static const struct ud_enum days = { "day", day_names, UD_LEN(day_names) };

/* bounds of texts, and of lists that are kept as text */
enum { ID = 30, UUID = 36, ADDRESS = 100, WORD = 64, TEXT = 500, LIST = 1 << 16, ALL = 1 << 19 };
enum { DAY_MINUTES = 1440, DISKS = 64, KEPT_MAX = 1000, INTERVAL_MAX = 86400, HOURS = 168 };
static const int64_t rate_max = INT64_C(1) << 40;

/* clang-format off */
static const struct ud_field window_fields[] = {
	UD_FIELD(ud_transfer_window, days,                  .values = &days, .max = UD_LEN(day_names), .about = "Days it holds on; none = every day."),
	UD_FIELD(ud_transfer_window, from_minute,           .max = DAY_MINUTES - 1, .about = "Minute of the day it begins, by the source host's clock."),
	UD_FIELD(ud_transfer_window, until_minute,          .flags = UD_REQUIRED, .min = 1, .max = DAY_MINUTES, .about = "Minute of the day it ends; before from_minute: the next day."),
	UD_FIELD(ud_transfer_window, rate_bytes_per_second, .flags = UD_NULLABLE, .min = 1024, .max = rate_max, .about = "How fast then; null = as the relation says."),
};
static const struct ud_field initial_fields[] = {
	UD_FIELD(ud_relation_initial, method,   .values = &ud_initial_methods, .about = "How the first full copy comes to the target."),
	UD_FIELD(ud_relation_initial, start_at, .about = "Not before; null = at once."),
};
static const struct ud_field relation_fields[] = {
	UD_FIELD(ud_relation, replication_id,             .flags = UD_REQUIRED, .max = ID, .about = "The replication it is an end of."),
	UD_FIELD(ud_relation, vm_id,                      .flags = UD_REQUIRED, .max = ID, .about = "VM that is copied."),
	UD_FIELD(ud_relation, uuid,                       .flags = UD_REQUIRED, .max = UUID, .about = "Its UUID at the hypervisor."),
	UD_FIELD(ud_relation, role,                       .flags = UD_REQUIRED, .values = &ud_relation_roles, .about = "Which end this host is."),
	UD_FIELD(ud_relation, leg,                        .values = &ud_legs, .about = "First copy, or copy of a copy."),
	UD_FIELD(ud_relation, state,                      .values = &ud_relation_states, .about = "What is wanted of it."),
	UD_FIELD(ud_relation, peer_host_id,               .flags = UD_REQUIRED, .max = ID, .about = "Host of the other end."),
	UD_FIELD(ud_relation, peer_agent_id,              .flags = UD_REQUIRED, .max = ID, .about = "Name in the certificate of the other end."),
	UD_FIELD(ud_relation, peer_address,               .max = ADDRESS, .about = "Address and port where the other end takes replication."),
	UD_FIELD(ud_relation, epoch,                      .flags = UD_REQUIRED, .min = 0, .about = "Fencing epoch that points carry."),
	UD_FIELD(ud_relation, schedule_interval_seconds,  .flags = UD_REQUIRED, .min = 1, .max = INTERVAL_MAX, .about = "Seconds from one cycle to the next."),
	UD_FIELD(ud_relation, recovery_points_kept,       .min = 0, .max = KEPT_MAX, .about = "Points kept beside the newest."),
	UD_FIELD(ud_relation, app_consistent_every_hours, .flags = UD_NULLABLE, .min = 1, .max = HOURS, .about = "Hours between points of a frozen guest; null = none."),
	UD_FIELD(ud_relation, compression,                .values = &ud_compressions, .about = "Compression on the wire."),
	UD_FIELD(ud_relation, authentication,             .values = &ud_authentications, .about = "How the ends know each other."),
	UD_FIELD(ud_relation, rate_bytes_per_second,      .flags = UD_NULLABLE, .min = 1024, .max = rate_max, .about = "Bytes a second at most; null = no limit."),
	UD_FIELD(ud_relation, windows,                    .max = LIST, .about = "Times at which it may send; none = always."),
	UD_FIELD(ud_relation, excluded_disks,             .max = DISKS, .about = "Disks that are not copied, by their names in the definition."),
	UD_FIELD(ud_relation, pinned_points,              .max = KEPT_MAX, .about = "Points that are not merged away."),
	UD_FIELD(ud_relation, initial,                    .max = LIST, .about = "The first full copy."),
	UD_FIELD(ud_relation, generation,                 .flags = UD_REQUIRED, .min = 1, .about = "Grows with every change; an older one is refused."),
	UD_FIELD(ud_relation, fencing_policy,             .values = &ud_fencing_policies, .standard = UD_POLICY_ATTEST, .about = "Fencing policy of the VM."),
	UD_FIELD(ud_relation, lease_seconds,              .min = 1, .max = 3600, .standard = 30, .about = "Length of a lease."),
	UD_FIELD(ud_relation, break_glass,                .about = "True when break-glass is allowed."),
};
static const struct ud_field result_fields[] = {
	UD_FIELD(ud_relation_result, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "The replication."),
	UD_FIELD(ud_relation_result, generation,     .flags = UD_NULLABLE, .about = "Generation that stands now."),
	UD_FIELD(ud_relation_result, state,          .values = &ud_replication_states, .about = "Where it stands now."),
};
static const struct ud_field resync_fields[] = {
	UD_FIELD(ud_relation_resync, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "The replication."),
	UD_FIELD(ud_relation_resync, method,         .values = &ud_resync_methods, .about = "How to find what differs."),
	UD_FIELD(ud_relation_resync, start_at,       .about = "Not before; null = at once."),
};
static const struct ud_field drop_fields[] = {
	UD_FIELD(ud_relation_drop, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "The replication."),
	UD_FIELD(ud_relation_drop, keep_replica,   .about = "Leave the replica's files where they are."),
};
static const struct ud_field test_fields[] = {
	UD_FIELD(ud_relation_test, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "The replication."),
	UD_FIELD(ud_relation_test, peer_agent_id,  .flags = UD_REQUIRED, .max = ID, .about = "Name in the certificate of the other end."),
	UD_FIELD(ud_relation_test, peer_address,   .max = ADDRESS, .about = "Address and port of the other end."),
	UD_FIELD(ud_relation_test, authentication, .values = &ud_authentications, .about = "How the ends know each other."),
};
static const struct ud_field tested_fields[] = {
	UD_FIELD(ud_relation_tested, reachable,                   .flags = UD_REQUIRED, .about = "Did the other end answer and prove who it is?"),
	UD_FIELD(ud_relation_tested, encrypted,                   .about = "Is what goes over the wire encrypted?"),
	UD_FIELD(ud_relation_tested, latency_ms,                  .flags = UD_NULLABLE, .about = "Time there and back."),
	UD_FIELD(ud_relation_tested, bytes_per_second,            .flags = UD_NULLABLE, .about = "Throughput measured."),
	UD_FIELD(ud_relation_tested, peer_certificate_expires_at, .about = "When the other end's certificate ends."),
	UD_FIELD(ud_relation_tested, code,                        .max = WORD, .about = "Short code of what is wrong."),
	UD_FIELD(ud_relation_tested, text,                        .max = TEXT, .about = "What is wrong."),
};
static const struct ud_field verify_fields[] = {
	UD_FIELD(ud_point_verify, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "The replication."),
	UD_FIELD(ud_point_verify, point_id,       .flags = UD_REQUIRED, .max = ID, .about = "The point to read back."),
};
static const struct ud_field verified_fields[] = {
	UD_FIELD(ud_point_verified, point_id, .flags = UD_REQUIRED, .max = ID, .about = "The point."),
	UD_FIELD(ud_point_verified, intact,   .flags = UD_REQUIRED, .about = "Is every block what it was when it came?"),
	UD_FIELD(ud_point_verified, roots,    .max = LIST, .about = "Merkle roots per disk as read now."),
	UD_FIELD(ud_point_verified, text,     .max = TEXT, .about = "What was found."),
};
static const struct ud_field point_fields[] = {
	UD_FIELD(ud_point, id,          .flags = UD_REQUIRED, .refers = "rpt", .about = "Name, given by the source."),
	UD_FIELD(ud_point, n,           .flags = UD_REQUIRED, .min = 0, .about = "Number, growing by one."),
	UD_FIELD(ud_point, taken_at,    .flags = UD_REQUIRED, .about = "When it was taken, by the source's clock."),
	UD_FIELD(ud_point, age_ms,      .flags = UD_REQUIRED, .min = 0, .about = "Milliseconds since it was taken, by the agents' own clocks."),
	UD_FIELD(ud_point, consistency, .values = &ud_consistencies, .about = "What it can be trusted with."),
	UD_FIELD(ud_point, requested,   .values = &ud_consistencies, .about = "What it was to be."),
	UD_FIELD(ud_point, reason,      .max = TEXT, .about = "Why it is less than was asked for."),
	UD_FIELD(ud_point, bytes,       .min = 0, .about = "Bytes that changed since the point before."),
	UD_FIELD(ud_point, roots,       .max = LIST, .about = "Merkle root per disk."),
	UD_FIELD(ud_point, parent,      .refers = "rpt", .about = "The point before; null = it stands alone."),
	UD_FIELD(ud_point, epoch,       .min = 0, .about = "Fencing epoch it was made in."),
	UD_FIELD(ud_point, state,       .values = &ud_point_states, .standard = UD_POINT_COMPLETE, .about = "Where it stands."),
};
static const struct ud_field report_fields[] = {
	UD_FIELD(ud_replication_report, replication_id,      .flags = UD_REQUIRED, .max = ID, .about = "The replication."),
	UD_FIELD(ud_replication_report, role,                .flags = UD_REQUIRED, .values = &ud_relation_roles, .about = "Which end tells."),
	UD_FIELD(ud_replication_report, state,               .flags = UD_REQUIRED, .values = &ud_replication_states, .about = "Where it stands."),
	UD_FIELD(ud_replication_report, raw,                 .max = TEXT, .about = "The hypervisor's own words."),
	UD_FIELD(ud_replication_report, generation,          .flags = UD_NULLABLE, .about = "Generation of the relation it works with."),
	UD_FIELD(ud_replication_report, progress_percent,    .flags = UD_NULLABLE, .min = 0, .max = 100, .about = "How much of a full copy or resynchronisation is done."),
	UD_FIELD(ud_replication_report, eta_seconds,         .flags = UD_NULLABLE, .min = 0, .about = "How long it will take yet."),
	UD_FIELD(ud_replication_report, newest_point_age_ms, .flags = UD_NULLABLE, .min = 0, .about = "Age of the newest durable point's content."),
	UD_FIELD(ud_replication_report, pending_bytes,       .flags = UD_NULLABLE, .min = 0, .about = "Bytes waiting to be sent."),
	UD_FIELD(ud_replication_report, last_cycle_ms,       .flags = UD_NULLABLE, .min = 0, .about = "Duration of the last cycle."),
	UD_FIELD(ud_replication_report, cycles_total,        .flags = UD_NULLABLE, .min = 0, .about = "Cycles that were due."),
	UD_FIELD(ud_replication_report, cycles_missed,       .flags = UD_NULLABLE, .min = 0, .about = "Cycles that did not come to pass."),
	UD_FIELD(ud_replication_report, latency_ms,          .flags = UD_NULLABLE, .min = 0, .about = "Mean time from a cycle's begin to its acknowledgement."),
	UD_FIELD(ud_replication_report, bytes_sent,          .flags = UD_NULLABLE, .min = 0, .about = "Bytes on the wire."),
	UD_FIELD(ud_replication_report, error,               .max = LIST, .about = "What is wrong: code and detail."),
	UD_FIELD(ud_replication_report, points,              .max = ALL, .about = "Points that are new or changed."),
	UD_FIELD(ud_replication_report, dropped,             .max = UD_REPORT_POINTS, .about = "Points that are gone."),
};
static const struct ud_field error_fields[] = {
	UD_FIELD(ud_replication_error, code,   .flags = UD_REQUIRED, .max = WORD, .about = "Short code."),
	UD_FIELD(ud_replication_error, detail, .max = TEXT, .about = "What is wrong, for people."),
};
static const struct ud_field reports_fields[] = {
	UD_FIELD(ud_replication_reports, agent_boot, .flags = UD_REQUIRED, .max = WORD, .about = "Process that tells."),
	UD_FIELD(ud_replication_reports, listen,     .max = ADDRESS, .about = "Where it takes replication; null = nowhere."),
	UD_FIELD(ud_replication_reports, items,      .flags = UD_REQUIRED, .max = ALL, .about = "One for each relation."),
};
static const struct ud_field acks_fields[] = {
	UD_FIELD(ud_replication_acks, points,  .max = UD_REPORT_POINTS, .about = "Points that are stored."),
	UD_FIELD(ud_replication_acks, dropped, .max = UD_REPORT_POINTS * UD_REPORT_RELATIONS, .about = "Points that are known to be gone."),
	UD_FIELD(ud_replication_acks, unknown, .max = UD_REPORT_RELATIONS, .about = "Relations that this host is no end of."),
};
static const struct ud_field blocker_fields[] = {
	UD_FIELD(ud_blocker, code,     .flags = UD_REQUIRED, .max = WORD, .about = "Short code."),
	UD_FIELD(ud_blocker, text,     .flags = UD_REQUIRED, .max = TEXT, .about = "What stands in the way."),
	UD_FIELD(ud_blocker, fix,      .max = TEXT, .about = "What to do about it."),
	UD_FIELD(ud_blocker, warning,  .about = "It is worth knowing, and forbids nothing."),
	UD_FIELD(ud_blocker, waivable, .about = "The request may set it aside."),
	UD_FIELD(ud_blocker, subject,  .max = TEXT, .about = "What it is about: an id, or a disk."),
};
/* clang-format on */

const struct ud_shape ud_transfer_window_shape = { UD_SHAPE(ud_transfer_window, window_fields),
	.bare = true };
const struct ud_shape ud_relation_initial_shape = { UD_SHAPE(ud_relation_initial, initial_fields),
	.bare = true };
const struct ud_shape ud_relation_shape = { UD_SHAPE(ud_relation, relation_fields), .bare = true };
const struct ud_shape ud_relation_result_shape = { UD_SHAPE(ud_relation_result, result_fields),
	.bare = true };
const struct ud_shape ud_relation_resync_shape = { UD_SHAPE(ud_relation_resync, resync_fields),
	.bare = true };
const struct ud_shape ud_relation_drop_shape = { UD_SHAPE(ud_relation_drop, drop_fields),
	.bare = true };
const struct ud_shape ud_relation_test_shape = { UD_SHAPE(ud_relation_test, test_fields),
	.bare = true };
const struct ud_shape ud_relation_tested_shape = { UD_SHAPE(ud_relation_tested, tested_fields),
	.bare = true };
const struct ud_shape ud_point_verify_shape = { UD_SHAPE(ud_point_verify, verify_fields),
	.bare = true };
const struct ud_shape ud_point_verified_shape = { UD_SHAPE(ud_point_verified, verified_fields),
	.bare = true };
const struct ud_shape ud_point_shape = { UD_SHAPE(ud_point, point_fields), .bare = true };
const struct ud_shape ud_replication_report_shape = {
	UD_SHAPE(ud_replication_report, report_fields), .bare = true
};
const struct ud_shape ud_replication_error_shape = { UD_SHAPE(ud_replication_error, error_fields),
	.bare = true };
const struct ud_shape ud_replication_reports_shape = {
	UD_SHAPE(ud_replication_reports, reports_fields), .bare = true
};
const struct ud_shape ud_replication_acks_shape = { UD_SHAPE(ud_replication_acks, acks_fields),
	.bare = true };
const struct ud_shape ud_blocker_shape = { UD_SHAPE(ud_blocker, blocker_fields), .bare = true };
