/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of the three kinds, in order. Rows before the commit of the epoch say where an undo
 * begins; rows after it never do. A row that is "side" is reached by a jump alone.
 */
#include <assert.h>
#include <string.h>

#include "base/failover.h"
#include "server/workflow/steps.h"

#define B(op) UD_FLOW_BIT(op)
enum { MIN = 60, HOUR = 3600, DAY = 86400 };

/* The looks at a guest that has just begun to run, and the addresses it is to have here; what comes
 * of them is kept. None of them stops it, but a look that fails may hold the VMs that start after
 * it (gates.c). */
#define CHECKS(accepts_)                                                                          \
	{ .name = "check_power",                                                                  \
		.phase = "verifying",                                                             \
		.host = TARGET,                                                                   \
		.verb = UD_VERB_BOOT_CHECK,                                                       \
		.args = ud_args_check,                                                            \
		.took = ud_took_check,                                                            \
		.look = ud_look_check,                                                            \
		.timeout_seconds = 3 * MIN,                                                       \
		.tries = 1,                                                                       \
		.failure = GO_ON,                                                                 \
		.accepts = accepts_ },                                                            \
		{ .name = "check_guest_agent",                                                    \
			.phase = "verifying",                                                     \
			.host = TARGET,                                                           \
			.verb = UD_VERB_BOOT_CHECK,                                               \
			.args = ud_args_check,                                                    \
			.took = ud_took_check,                                                    \
			.look = ud_look_check,                                                    \
			.timeout_seconds = 5 * MIN,                                               \
			.tries = 1,                                                               \
			.failure = GO_ON,                                                         \
			.accepts = accepts_ },                                                    \
		{ .name = "set_addresses",                                                        \
			.phase = "verifying",                                                     \
			.host = TARGET,                                                           \
			.verb = UD_VERB_SET_ADDRESSES,                                            \
			.args = ud_args_addresses,                                                \
			.took = ud_took_addresses,                                                \
			.look = ud_look_addresses,                                                \
			.timeout_seconds = 5 * MIN,                                               \
			.tries = 1,                                                               \
			.failure = GO_ON,                                                         \
			.accepts = accepts_ },                                                    \
		{ .name = "check_services",                                                       \
			.phase = "verifying",                                                     \
			.host = TARGET,                                                           \
			.verb = UD_VERB_BOOT_CHECK,                                               \
			.args = ud_args_check,                                                    \
			.took = ud_took_check,                                                    \
			.look = ud_look_check,                                                    \
			.timeout_seconds = 5 * MIN,                                               \
			.tries = 1,                                                               \
			.failure = GO_ON,                                                         \
			.accepts = accepts_ },                                                    \
	{                                                                                         \
		.name = "check_script", .phase = "verifying", .host = TARGET,                     \
		.verb = UD_VERB_BOOT_CHECK, .args = ud_args_check, .took = ud_took_check,         \
		.look = ud_look_check, .timeout_seconds = 10 * MIN, .tries = 1, .failure = GO_ON, \
		.accepts = accepts_                                                               \
	}

/* clang-format off */
static const struct step test_steps[] = {
	{ .name = "precheck", .phase = "precheck", .look = ud_look_precheck_test, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) },
	{ .name = "start_gate", .phase = "precheck", .look = ud_look_start_gate, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(CLEANUP) | B(RETRY) | B(SKIP) },
	{ .name = "plan_before", .phase = "plan_steps", .host = TARGET, .look = ud_look_plan, .took = ud_took_plan, .tries = 1, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(CLEANUP) | B(RETRY) | B(SKIP) | B(CONFIRM), .items = BEFORE },
	{ .name = "test_start", .phase = "creating_test_vm", .host = TARGET, .verb = UD_VERB_TEST_START, .args = ud_args_test_start, .took = ud_took_test_start, .timeout_seconds = 10 * MIN, .tries = 2, .failure = UNDO, .undo = true, .accepts = B(CANCEL) },
	CHECKS(B(CLEANUP) | B(RETRY) | B(SKIP)),
	{ .name = "plan_after", .phase = "plan_steps", .host = TARGET, .look = ud_look_plan, .took = ud_took_plan, .tries = 1, .failure = STAFF, .accepts = B(CLEANUP) | B(RETRY) | B(SKIP) | B(CONFIRM), .items = AFTER },
	{ .name = "test_running", .phase = "test_running", .look = ud_look_test_running, .state = UD_FAILOVER_TEST_RUNNING, .who = "customer", .what = "look at the test VM, then have it cleaned up", .accepts = B(VERIFY) | B(CLEANUP) | B(EXTEND) },
	{ .name = "cleanup", .phase = "cleaning_up", .host = TARGET, .verb = UD_VERB_TEST_DROP, .args = ud_args_test_drop, .took = ud_took_test_drop, .timeout_seconds = 5 * MIN, .tries = 3, .failure = STAFF, .accepts = B(RETRY) },
	{ .name = "done", .phase = "evidence_ready", .closes = UD_WORKFLOW_DONE },

	{ .name = "undo_test", .phase = "cleaning_up", .host = TARGET, .verb = UD_VERB_TEST_DROP, .args = ud_args_test_drop, .took = ud_took_test_drop, .timeout_seconds = 5 * MIN, .tries = 3, .failure = STAFF, .accepts = B(RETRY), .side = true },
	{ .name = "undone", .phase = "cleaning_up", .look = ud_look_undone, .side = true },
	{ .name = "cancelled", .phase = "cancelled", .closes = UD_WORKFLOW_ABORTED, .side = true },
	{ .name = "failed", .phase = "failed", .closes = UD_WORKFLOW_FAILED, .side = true },
	{ .name = "overtaken", .phase = "failed", .closes = UD_WORKFLOW_OVERTAKEN, .side = true },
	{ .name = NULL },
};

static const struct step planned_steps[] = {
	{ .name = "precheck", .phase = "precheck", .look = ud_look_precheck_planned, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) },
	{ .name = "stop_gate", .phase = "quiescing", .look = ud_look_stop_gate, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) | B(SKIP) },
	{ .name = "stop", .phase = "quiescing", .host = SOURCE, .verb = UD_VERB_STOP, .args = ud_args_stop, .took = ud_took_stop, .timeout_seconds = 10 * MIN, .tries = 1, .failure = UNDO, .undo = true, .accepts = B(CANCEL) },
	{ .name = "sync", .phase = "final_sync", .host = SOURCE, .verb = UD_VERB_SYNC, .args = ud_args_relation, .took = ud_took_sync, .timeout_seconds = 2 * HOUR, .tries = 2, .failure = UNDO, .undo = true, .accepts = B(CANCEL) },
	{ .name = "published", .phase = "final_sync", .look = ud_look_published, .timeout_seconds = 5 * MIN, .tries = 1, .failure = UNDO, .undo = true, .accepts = B(CANCEL) },
	{ .name = "start_gate", .phase = "lease_handover", .look = ud_look_start_gate, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) | B(SKIP) },
	{ .name = "plan_before", .phase = "plan_steps", .host = TARGET, .look = ud_look_plan, .took = ud_took_plan, .tries = 1, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) | B(SKIP) | B(CONFIRM), .items = BEFORE },
	{ .name = "commit_epoch", .phase = "lease_handover", .look = ud_look_commit_epoch, .failure = UNDO, .undo = true },
	{ .name = "promote", .phase = "failing_over", .host = TARGET, .verb = UD_VERB_PROMOTE, .args = ud_args_promote, .took = ud_took_promote, .timeout_seconds = 10 * MIN, .tries = 1, .failure = STAFF, .accepts = B(RETRY) },
	{ .name = "demote", .phase = "reversing", .look = ud_look_demote, .timeout_seconds = MIN, .tries = 1, .failure = GO_ON },
	{ .name = "reverse", .phase = "reversing", .look = ud_look_reverse, .timeout_seconds = 5 * MIN, .tries = 1, .failure = GO_ON },
	CHECKS(B(RETRY) | B(SKIP)),
	{ .name = "plan_after", .phase = "plan_steps", .host = TARGET, .look = ud_look_plan, .took = ud_took_plan, .tries = 1, .failure = STAFF, .accepts = B(RETRY) | B(SKIP) | B(CONFIRM), .items = AFTER },
	{ .name = "validate", .phase = "customer_validation", .look = ud_look_validate, .state = UD_FAILOVER_CUSTOMER_VALIDATION, .who = "customer", .what = "verify: say whether the service works", .accepts = B(VERIFY) | B(COMMIT) | B(EXTEND) },
	{ .name = "reprotect", .phase = "reprotecting", .look = ud_look_reprotect, .timeout_seconds = 10 * MIN, .tries = 2, .failure = STAFF, .accepts = B(RETRY) | B(REVERSE), .waivable = true },
	{ .name = "protect", .phase = "protected_reversed", .look = ud_look_protected, .timeout_seconds = DAY, .tries = 1, .failure = STAFF, .accepts = B(RETRY) | B(REVERSE), .waivable = true },
	{ .name = "done", .phase = "evidence_ready", .closes = UD_WORKFLOW_DONE },

	{ .name = "resume", .phase = "aborting", .host = SOURCE, .verb = UD_VERB_RESUME, .timeout_seconds = 10 * MIN, .tries = 2, .failure = STAFF, .accepts = B(RETRY), .side = true },
	{ .name = "undone", .phase = "aborting", .look = ud_look_undone, .side = true },
	{ .name = "cancelled", .phase = "cancelled", .closes = UD_WORKFLOW_ABORTED, .side = true },
	{ .name = "failed", .phase = "aborted", .closes = UD_WORKFLOW_FAILED, .side = true },
	{ .name = "overtaken", .phase = "failed", .closes = UD_WORKFLOW_OVERTAKEN, .side = true },
	{ .name = "waived", .phase = "closed_unprotected", .closes = UD_WORKFLOW_WAIVED, .side = true },
	{ .name = NULL },
};

static const struct step unplanned_steps[] = {
	{ .name = "assess", .phase = "assessing", .look = ud_look_assess, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) | B(SKIP) },
	{ .name = "isolate", .phase = "fencing", .host = SOURCE, .verb = UD_VERB_STOP, .args = ud_args_stop_hard, .took = ud_took_stop, .look = ud_look_isolate, .timeout_seconds = 5 * MIN, .tries = 2, .failure = GO_ON, .undo = true, .accepts = B(CANCEL) },
	{ .name = "fence", .phase = "fencing", .host = TARGET, .verb = UD_VERB_FENCE, .args = ud_args_relation, .took = ud_took_fence, .timeout_seconds = 6 * MIN, .tries = 1, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) },
	{ .name = "evidence", .phase = "fencing", .look = ud_look_evidence, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) },
	{ .name = "start_gate", .phase = "fencing", .look = ud_look_start_gate, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) | B(SKIP) },
	{ .name = "plan_before", .phase = "plan_steps", .host = TARGET, .look = ud_look_plan, .took = ud_took_plan, .tries = 1, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) | B(SKIP) | B(CONFIRM), .items = BEFORE },
	{ .name = "point", .phase = "point_selected", .look = ud_look_point, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) },
	{ .name = "commit_epoch", .phase = "failing_over", .look = ud_look_commit_epoch, .failure = STAFF, .undo = true, .accepts = B(CANCEL) | B(RETRY) },
	{ .name = "promote", .phase = "starting", .host = TARGET, .verb = UD_VERB_PROMOTE, .args = ud_args_promote, .took = ud_took_promote, .timeout_seconds = 10 * MIN, .tries = 1, .failure = STAFF, .accepts = B(RETRY) | B(ROLLBACK) },
	{ .name = "demote", .phase = "starting", .look = ud_look_demote },
	CHECKS(B(RETRY) | B(SKIP) | B(ROLLBACK)),
	{ .name = "plan_after", .phase = "plan_steps", .host = TARGET, .look = ud_look_plan, .took = ud_took_plan, .tries = 1, .failure = STAFF, .accepts = B(ROLLBACK) | B(RETRY) | B(SKIP) | B(CONFIRM), .items = AFTER },
	{ .name = "validate", .phase = "customer_validation", .look = ud_look_validate, .state = UD_FAILOVER_CUSTOMER_VALIDATION, .who = "customer", .what = "verify: say whether the service works; then commit or roll back", .accepts = B(VERIFY) | B(COMMIT) | B(ROLLBACK) | B(EXTEND) },
	{ .name = "complete", .phase = "committing", .host = TARGET, .verb = UD_VERB_COMPLETE, .args = ud_args_relation, .timeout_seconds = HOUR, .tries = 3, .failure = STAFF, .accepts = B(RETRY) },
	{ .name = "source_return", .phase = "committed_unprotected", .look = ud_look_source_return, .state = UD_FAILOVER_COMMITTED_UNPROTECTED, .who = "support", .what = "bring the old primary's host back; it is demoted by itself", .waivable = true },
	{ .name = "await_reverse", .phase = "source_returned", .look = ud_look_wait, .state = UD_FAILOVER_COMMITTED_UNPROTECTED, .who = "support", .what = "reverse: replicate back to the old primary's host", .accepts = B(REVERSE), .waivable = true },
	{ .name = "reverse", .phase = "reprotecting", .look = ud_look_reprotect, .timeout_seconds = 10 * MIN, .tries = 2, .failure = STAFF, .accepts = B(RETRY) | B(REVERSE), .waivable = true },
	{ .name = "protect", .phase = "reprotecting", .look = ud_look_protected, .timeout_seconds = DAY, .tries = 1, .failure = STAFF, .accepts = B(RETRY) | B(REVERSE), .waivable = true },
	{ .name = "done", .phase = "evidence_ready", .closes = UD_WORKFLOW_DONE },

	{ .name = "revert", .phase = "reverting", .host = TARGET, .verb = UD_VERB_REVERT, .args = ud_args_relation, .took = ud_took_revert, .timeout_seconds = 10 * MIN, .tries = 2, .failure = STAFF, .accepts = B(RETRY), .side = true },
	{ .name = "reverted", .phase = "reverting", .look = ud_look_reverted, .side = true },
	{ .name = "commit_again", .phase = "failing_over", .look = ud_look_commit_again, .failure = STAFF, .accepts = B(RETRY), .then = "promote", .side = true },
	{ .name = "hand_back", .phase = "reverting", .look = ud_look_hand_back, .failure = STAFF, .accepts = B(RETRY), .side = true },
	/* stands until the old primary's host is back, however long that is */
	{ .name = "promote_back", .phase = "reverting", .host = SOURCE, .verb = UD_VERB_PROMOTE, .args = ud_args_promote_back, .timeout_seconds = 0, .tries = 1, .failure = STAFF, .who = "support", .what = "bring the old primary's host back; the VM starts there by itself", .accepts = B(RETRY), .side = true },
	{ .name = "relate", .phase = "reverting", .look = ud_look_relate, .timeout_seconds = 5 * MIN, .tries = 1, .failure = GO_ON, .side = true },
	{ .name = "rolled_back", .phase = "rolled_back", .closes = UD_WORKFLOW_ROLLED_BACK, .side = true },
	{ .name = "resume", .phase = "aborting", .host = SOURCE, .verb = UD_VERB_RESUME, .timeout_seconds = 10 * MIN, .tries = 2, .failure = STAFF, .accepts = B(RETRY), .side = true },
	{ .name = "undone", .phase = "aborting", .look = ud_look_undone, .side = true },
	{ .name = "cancelled", .phase = "cancelled", .closes = UD_WORKFLOW_ABORTED, .side = true },
	{ .name = "failed", .phase = "failed", .closes = UD_WORKFLOW_FAILED, .side = true },
	{ .name = "overtaken", .phase = "failed", .closes = UD_WORKFLOW_OVERTAKEN, .side = true },
	{ .name = "waived", .phase = "closed_unprotected", .closes = UD_WORKFLOW_WAIVED, .side = true },
	{ .name = NULL },
};
/* clang-format on */

const struct step *ud_flow_steps(enum ud_failover_kind kind)
{
	static const struct step *const tables[] = { [UD_FAILOVER_TEST] = test_steps,
		[UD_FAILOVER_PLANNED] = planned_steps,
		[UD_FAILOVER_UNPLANNED] = unplanned_steps };

	return tables[kind];
}

const struct step *ud_flow_step(enum ud_failover_kind kind, const char *name)
{
	const struct step *s = ud_flow_steps(kind);

	while (s->name && strcmp(s->name, name) != 0)
		s++;
	assert(s->name);
	return s;
}

bool ud_flow_is_past(const struct ud_workflow *w, const char *name)
{
	const struct step *now = ud_flow_step(w->kind, w->step);

	return !now->side && now > ud_flow_step(w->kind, name);
}
