/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of the failover verbs.
 */
#include "base/failover.h"

#include <string.h>

static const char *const level_names[] = { [UD_CHECK_POWER] = "power",
	[UD_CHECK_GUEST_AGENT] = "guest_agent",
	[UD_CHECK_SERVICES] = "services",
	[UD_CHECK_SCRIPT] = "script" };
_Static_assert(UD_LEN(level_names) == UD_CHECK_COUNT, "a name for every level");
const struct ud_enum ud_check_levels = { "check_level", level_names, UD_LEN(level_names) };

static const char *const outcome_names[] = {
	[UD_CARD_SET] = "set", [UD_CARD_ALREADY] = "already", [UD_CARD_FAILED] = "failed"
};
const struct ud_enum ud_card_outcomes = { "card_outcome", outcome_names, UD_LEN(outcome_names) };

enum { ID = 40, UUID = 36, DAY = 86400, PICTURE = 768 << 10 };

/* clang-format off */
static const struct ud_field stop_args[] = {
	UD_FIELD(ud_stop_args, timeout_seconds, .flags = UD_REQUIRED, .min = 1, .max = DAY, .about = "Time for the guest to shut down by itself."),
	UD_FIELD(ud_stop_args, hard,            .about = "True to switch it off when it does not."),
};
static const struct ud_field stop_result[] = {
	UD_FIELD(ud_stop_result, forced,     .about = "True when it was switched off."),
	UD_FIELD(ud_stop_result, stopped_at, .about = "When it was off, by the host's clock."),
};
static const struct ud_field sync_args[] = {
	UD_FIELD(ud_sync_args, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "Relation to bring up to date."),
};
static const struct ud_field sync_result[] = {
	UD_FIELD(ud_sync_result, point, .flags = UD_REQUIRED, .about = "The final point as published at the replica."),
};
static const struct ud_field fence_args[] = {
	UD_FIELD(ud_fence_args, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "Relation whose points are told."),
};
static const struct ud_field fence_result[] = {
	UD_FIELD(ud_fence_result, points,      .flags = UD_REQUIRED, .about = "Points at hand, newest first."),
	UD_FIELD(ud_fence_result, newest,      .max = ID, .about = "The newest complete one."),
	UD_FIELD(ud_fence_result, source_seen, .about = "True when the source answered within a lease time."),
	UD_FIELD(ud_fence_result, after_ms,    .flags = UD_NULLABLE, .min = 0, .about = "Time from the command's beginning to the reading of the points."),
};
static const struct ud_field promote_args[] = {
	UD_FIELD(ud_promote_args, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "Relation of the VM."),
	UD_FIELD(ud_promote_args, point_id,       .max = ID, .about = "Point to start from; null = the host's own disks."),
	UD_FIELD(ud_promote_args, networks,       .about = "Network of each card, by its MAC."),
	UD_FIELD(ud_promote_args, peer_fenced,    .about = "True when the server's word is enough to start."),
};
static const struct ud_field promote_result[] = {
	UD_FIELD(ud_promote_result, point_id,   .max = ID, .about = "Point it was started from."),
	UD_FIELD(ud_promote_result, roots,      .about = "Root of each disk at that point."),
	UD_FIELD(ud_promote_result, started_at, .about = "When it ran, by the host's clock."),
};
static const struct ud_field demote_args[] = {
	UD_FIELD(ud_demote_args, keep_disk, .flags = UD_REQUIRED, .about = "True to keep the disks as a divergent set."),
};
static const struct ud_field demote_result[] = {
	UD_FIELD(ud_demote_result, was_running,     .about = "True when the guest still ran."),
	UD_FIELD(ud_demote_result, divergent,       .max = 128, .about = "Name of the kept set."),
	UD_FIELD(ud_demote_result, divergent_bytes, .flags = UD_NULLABLE, .about = "What it has beyond the last point."),
	UD_FIELD(ud_demote_result, stopped_at,      .about = "When the guest was off, by the host's clock."),
};
static const struct ud_field resume_result[] = {
	UD_FIELD(ud_resume_result, started_at, .about = "When the guest ran again, by the host's clock."),
};
static const struct ud_field relation_args[] = {
	UD_FIELD(ud_relation_args, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "Relation of the VM."),
};
static const struct ud_field revert_result[] = {
	UD_FIELD(ud_revert_result, stopped_at, .about = "When the guest was off, by the host's clock."),
};
static const struct ud_field test_start_args[] = {
	UD_FIELD(ud_test_start_args, test_id,        .flags = UD_REQUIRED, .max = ID, .about = "Names the copy from now on."),
	UD_FIELD(ud_test_start_args, replication_id, .flags = UD_REQUIRED, .max = ID, .about = "Relation of the VM."),
	UD_FIELD(ud_test_start_args, point_id,       .flags = UD_REQUIRED, .max = ID, .about = "Point to copy."),
	UD_FIELD(ud_test_start_args, name,           .flags = UD_REQUIRED, .max = 100, .about = "Name of the copy."),
	UD_FIELD(ud_test_start_args, networks,       .about = "Network of each card, by its MAC; others get no link."),
};
static const struct ud_field test_start_result[] = {
	UD_FIELD(ud_test_start_result, uuid,       .flags = UD_REQUIRED, .max = UUID, .about = "UUID of the copy."),
	UD_FIELD(ud_test_start_result, roots,      .about = "Root of each disk at that point."),
	UD_FIELD(ud_test_start_result, started_at, .about = "When it ran, by the host's clock."),
};
static const struct ud_field test_args[] = {
	UD_FIELD(ud_test_args, test_id, .flags = UD_REQUIRED, .max = ID, .about = "The copy."),
};
static const struct ud_field test_drop_result[] = {
	UD_FIELD(ud_test_drop_result, left, .max = 32, .about = "What could not be removed."),
};
static const struct ud_field check_args[] = {
	UD_FIELD(ud_check_args, level,        .flags = UD_REQUIRED, .values = &ud_check_levels, .about = "How far to look."),
	UD_FIELD(ud_check_args, test_id,      .max = ID, .about = "Copy of a test; null = the VM itself."),
	UD_FIELD(ud_check_args, wait_seconds, .flags = UD_REQUIRED, .min = 0, .max = 3600, .about = "How long to wait for it."),
	UD_FIELD(ud_check_args, services,     .max = 32, .about = "Services that must run."),
	UD_FIELD(ud_check_args, program,      .about = "Program inside the guest."),
	UD_FIELD(ud_check_args, arguments,    .max = 32, .about = "Its arguments."),
	UD_FIELD(ud_check_args, screenshot,   .about = "True to take a picture."),
};
static const struct ud_field check_result[] = {
	UD_FIELD(ud_check_result, passed,     .about = "True when it is as it should be."),
	UD_FIELD(ud_check_result, skipped,    .about = "True when nobody can tell; the text says why."),
	UD_FIELD(ud_check_result, text,       .max = 4000, .about = "What was seen."),
	UD_FIELD(ud_check_result, screenshot, .max = PICTURE, .about = "The screen as PNG in base64url."),
	UD_FIELD(ud_check_result, seen_at,    .about = "When it was seen, by the host's clock."),
};
static const struct ud_field card_addresses[] = {
	UD_FIELD(ud_card_addresses, mac,       .flags = UD_REQUIRED, .max = 17, .about = "Card of the VM."),
	UD_FIELD(ud_card_addresses, addresses, .flags = UD_REQUIRED, .max = UD_CARD_ADDRESSES, .about = "Addresses with their lengths."),
	UD_FIELD(ud_card_addresses, gateways,  .max = 2, .about = "Router of each family."),
	UD_FIELD(ud_card_addresses, dns,       .max = UD_CARD_ADDRESSES, .about = "Servers of names; none = as they are."),
};
static const struct ud_field addresses_args[] = {
	UD_FIELD(ud_addresses_args, test_id,      .max = ID, .about = "Copy of a test; null = the VM itself."),
	UD_FIELD(ud_addresses_args, wait_seconds, .flags = UD_REQUIRED, .min = 0, .max = 3600, .about = "How long to wait for the guest agent."),
	UD_FIELD(ud_addresses_args, cards,        .flags = UD_REQUIRED, .about = "What each card is to have."),
};
static const struct ud_field card_told[] = {
	UD_FIELD(ud_card_told, mac,       .flags = UD_REQUIRED, .max = 17, .about = "Card of the VM."),
	UD_FIELD(ud_card_told, addresses, .max = UD_CARD_ADDRESSES, .about = "Addresses that were to be set."),
	UD_FIELD(ud_card_told, outcome,   .flags = UD_REQUIRED, .values = &ud_card_outcomes, .about = "What became of it."),
	UD_FIELD(ud_card_told, detail,    .max = 1000, .about = "Why not; null = they stand."),
};
static const struct ud_field addresses_result[] = {
	UD_FIELD(ud_addresses_result, cards,   .flags = UD_REQUIRED, .about = "What became of each card."),
	UD_FIELD(ud_addresses_result, seen_at, .about = "When it was seen, by the host's clock."),
};
/* clang-format on */

const struct ud_shape ud_stop_args_shape = { UD_SHAPE(ud_stop_args, stop_args), .bare = true };
const struct ud_shape ud_stop_result_shape = { UD_SHAPE(ud_stop_result, stop_result),
	.bare = true };
const struct ud_shape ud_sync_args_shape = { UD_SHAPE(ud_sync_args, sync_args), .bare = true };
const struct ud_shape ud_sync_result_shape = { UD_SHAPE(ud_sync_result, sync_result),
	.bare = true };
const struct ud_shape ud_fence_args_shape = { UD_SHAPE(ud_fence_args, fence_args), .bare = true };
const struct ud_shape ud_fence_result_shape = { UD_SHAPE(ud_fence_result, fence_result),
	.bare = true };
const struct ud_shape ud_promote_args_shape = { UD_SHAPE(ud_promote_args, promote_args),
	.bare = true };
const struct ud_shape ud_promote_result_shape = { UD_SHAPE(ud_promote_result, promote_result),
	.bare = true };
const struct ud_shape ud_demote_args_shape = { UD_SHAPE(ud_demote_args, demote_args),
	.bare = true };
const struct ud_shape ud_demote_result_shape = { UD_SHAPE(ud_demote_result, demote_result),
	.bare = true };
const struct ud_shape ud_resume_result_shape = { UD_SHAPE(ud_resume_result, resume_result),
	.bare = true };
const struct ud_shape ud_relation_args_shape = { UD_SHAPE(ud_relation_args, relation_args),
	.bare = true };
const struct ud_shape ud_revert_result_shape = { UD_SHAPE(ud_revert_result, revert_result),
	.bare = true };
const struct ud_shape ud_test_start_args_shape = { UD_SHAPE(ud_test_start_args, test_start_args),
	.bare = true };
const struct ud_shape ud_test_start_result_shape = {
	UD_SHAPE(ud_test_start_result, test_start_result), .bare = true
};
const struct ud_shape ud_test_args_shape = { UD_SHAPE(ud_test_args, test_args), .bare = true };
const struct ud_shape ud_test_drop_result_shape = { UD_SHAPE(ud_test_drop_result, test_drop_result),
	.bare = true };
const struct ud_shape ud_check_args_shape = { UD_SHAPE(ud_check_args, check_args), .bare = true };
const struct ud_shape ud_check_result_shape = { UD_SHAPE(ud_check_result, check_result),
	.bare = true };
const struct ud_shape ud_card_addresses_shape = { UD_SHAPE(ud_card_addresses, card_addresses),
	.bare = true };
const struct ud_shape ud_addresses_args_shape = { UD_SHAPE(ud_addresses_args, addresses_args),
	.bare = true };
const struct ud_shape ud_card_told_shape = { UD_SHAPE(ud_card_told, card_told), .bare = true };
const struct ud_shape ud_addresses_result_shape = { UD_SHAPE(ud_addresses_result, addresses_result),
	.bare = true };

/* clang-format off */
const struct ud_failover_verb ud_failover_verbs[] = {
	/* verb                arguments                  result                     raises the epoch */
	{ UD_VERB_STOP,       &ud_stop_args_shape,       &ud_stop_result_shape,       false },
	{ UD_VERB_SYNC,       &ud_sync_args_shape,       &ud_sync_result_shape,       false },
	{ UD_VERB_FENCE,      &ud_fence_args_shape,      &ud_fence_result_shape,      false },
	{ UD_VERB_PROMOTE,    &ud_promote_args_shape,    &ud_promote_result_shape,    true  },
	{ UD_VERB_DEMOTE,     &ud_demote_args_shape,     &ud_demote_result_shape,     true  },
	{ UD_VERB_RESUME,     NULL,                      &ud_resume_result_shape,     false },
	{ UD_VERB_COMPLETE,   &ud_relation_args_shape,   NULL,                        false },
	{ UD_VERB_REVERT,     &ud_relation_args_shape,   &ud_revert_result_shape,     false },
	{ UD_VERB_TEST_START, &ud_test_start_args_shape, &ud_test_start_result_shape, false },
	{ UD_VERB_TEST_DROP,  &ud_test_args_shape,       &ud_test_drop_result_shape,  false },
	{ UD_VERB_BOOT_CHECK, &ud_check_args_shape,      &ud_check_result_shape,      false },
	{ UD_VERB_SET_ADDRESSES, &ud_addresses_args_shape, &ud_addresses_result_shape, false },
	{ NULL,               NULL,                      NULL,                        false },
};
/* clang-format on */

const struct ud_failover_verb *ud_failover_verb(const char *verb)
{
	for (const struct ud_failover_verb *v = ud_failover_verbs; v->verb; v++)
		if (strcmp(v->verb, verb) == 0)
			return v;
	return NULL;
}
