/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people may do with a run, and doing it. The same rules tell what is allowed and carry it
 * out, so a button that is shown works, and one that is not says why.
 */
#include <assert.h>
#include <string.h>

#include "db/events.h"
#include "server/workflow/steps.h"

static const char *const op_names[] = { [UD_FLOW_VERIFY] = "verify",
	[UD_FLOW_COMMIT] = "commit",
	[UD_FLOW_ROLLBACK] = "rollback",
	[UD_FLOW_REVERSE] = "reverse",
	[UD_FLOW_CLEANUP] = "cleanup-test",
	[UD_FLOW_CANCEL] = "cancel",
	[UD_FLOW_EXTEND] = "extend-commit-timer",
	[UD_FLOW_RETRY] = "retry",
	[UD_FLOW_SKIP] = "skip",
	[UD_FLOW_CONFIRM] = "confirm" };
_Static_assert(UD_LEN(op_names) == UD_FLOW_OPS, "a name for every operation");
const struct ud_enum ud_flow_ops = { "failover_operation", op_names, UD_LEN(op_names) };

static const char customer[] = "customer", support[] = "support";

/* Why nothing of a run takes an operation, by kind; text NULL = the general sentence. */
/* clang-format off */
static const struct ud_flow_block general[UD_FLOW_OPS] = {
	[UD_FLOW_VERIFY] =   { "nothing_to_verify", "There is nothing to look at yet, or not any more.", NULL, customer },
	[UD_FLOW_COMMIT] =   { "nothing_to_commit", "No failover of this run waits for its commit.", NULL, support },
	[UD_FLOW_ROLLBACK] = { "nothing_to_roll_back", "No failover of this run can be rolled back now.", NULL, support },
	[UD_FLOW_REVERSE] =  { "not_committed", "Replication is reversed after the failover was committed.", "commit", support },
	[UD_FLOW_CLEANUP] =  { "no_test_running", "No test VM of this run is there to be cleaned up.", NULL, support },
	[UD_FLOW_CANCEL] =   { "epoch_committed", "The VM belongs to the replica's host by now: there is only forward.", NULL, support },
	[UD_FLOW_EXTEND] =   { "no_timer", "No timer is running.", NULL, support },
	[UD_FLOW_RETRY] =    { "not_waiting", "No step waits to be tried again.", NULL, support },
	[UD_FLOW_SKIP] =     { "not_waiting", "No step waits that may be skipped.", NULL, support },
	[UD_FLOW_CONFIRM] =  { "not_waiting", "No step waits for a person's work.", NULL, support },
};
static const struct ud_flow_block not_of_kind = { "not_of_this_kind", "This kind of failover does not have it.", NULL, support };
static const struct ud_flow_block needs_failback = { "needs_failback", "A planned failover is undone by one in the other direction, with a ticket of its own.", NULL, customer };
static const struct ud_flow_block not_begun = { "not_begun", "The run has not begun; the ticket decides.", NULL, support };
static const struct ud_flow_block ended = { "ended", "The run has ended.", NULL, support };
static const struct ud_flow_block not_verified = { "not_verified", "The customer has not said yet whether the service works.", "verify", customer };
static const struct ud_flow_block not_attested = { "attestation_needed", "Two people must state that the primary is off before this may be passed over.", "attest-down", customer };
static const struct ud_flow_block not_returned = { "source_not_returned", "The old primary's host has not come back, or has not been demoted yet.", NULL, support };
static const struct ud_flow_block must_pass = { "gate_shut", "The plan says that nothing goes on here until this is done: have it tried again, or cancel the VMs that wait.", "retry", support };
static const struct ud_flow_block by_people = { "manual_step", "People do this step: it is confirmed.", "confirm", support };
static const struct ud_flow_block staff_step = { "manual_step", "This step is not the customer's to confirm.", NULL, support };
static const struct ud_flow_block no_timer = { "no_timer", "Nobody asked for a timer: it stands until people decide.", NULL, support };
/* clang-format on */

/* Operations that belong to one kind or two. */
static bool of_kind(enum ud_failover_kind kind, enum ud_flow_op op)
{
	switch (op) {
	case UD_FLOW_COMMIT:
	case UD_FLOW_REVERSE:
		return kind != UD_FAILOVER_TEST;
	case UD_FLOW_ROLLBACK:
		return kind == UD_FAILOVER_UNPLANNED;
	case UD_FLOW_CLEANUP:
		return kind == UD_FAILOVER_TEST;
	default:
		return true;
	}
}

static bool is_manual(const struct ud_workflow *w)
{
	return w->reason_code && strncmp(w->reason_code, "manual_", 7) == 0;
}

/* People know what nobody else does: that they did it, or that it was done. */
static bool confirmable(const struct ud_workflow *w)
{
	return is_manual(w) || (w->reason_code && strcmp(w->reason_code, "outcome_unknown") == 0);
}

/* Does this workflow take it now from them (NULL = from anybody)? NULL, or the reason why not. */
static const struct ud_flow_block *takes(const struct ud_scope *who, const struct ud_failover *f,
	const struct ud_workflow *w, enum ud_flow_op op)
{
	const struct step *s = ud_flow_step(w->kind, w->step);
	bool waits = w->state == UD_WORKFLOW_WAITING;

	if (ud_workflow_closed(w))
		return &ended;
	if (op == UD_FLOW_REVERSE && strcmp(w->step, "source_return") == 0)
		return &not_returned;
	if (!(s->accepts & (1U << op)))
		return &general[op];
	if ((op == UD_FLOW_RETRY || op == UD_FLOW_SKIP) && !waits)
		return &general[op];
	if (op == UD_FLOW_SKIP && ud_flow_must_pass(w))
		return &must_pass;
	if (op == UD_FLOW_CONFIRM && !(waits && confirmable(w)))
		return &general[op];
	if (op == UD_FLOW_CONFIRM && who && !(who->roles & ~UD_CUSTOMER) &&
		strcmp(w->waiting_on, "customer") != 0)
		return &staff_step;
	if (op == UD_FLOW_RETRY && is_manual(w))
		return &by_people;
	if (op == UD_FLOW_SKIP && strcmp(w->step, "assess") == 0 && w->attested_at.ms <= 0)
		return &not_attested;
	if (op == UD_FLOW_COMMIT && f->validation == UD_VALIDATION_OPEN)
		return &not_verified;
	if (op == UD_FLOW_EXTEND && f->kind != UD_FAILOVER_TEST &&
		f->commit_policy == UD_COMMIT_NONE)
		return &no_timer;
	if (op == UD_FLOW_ROLLBACK && strcmp(w->step, "validate") != 0 && !waits)
		return &general[op];
	if (op == UD_FLOW_REVERSE && !waits && strcmp(w->step, "await_reverse") != 0)
		return &general[op];
	return NULL;
}

/* The reason that holds for the run as a whole, or NULL: its workflows decide. */
static const struct ud_flow_block *for_all(const struct ud_failover *f, enum ud_flow_op op)
{
	if (f->state < UD_FAILOVER_RUNNING)
		return &not_begun;
	if (f->kind == UD_FAILOVER_PLANNED && op == UD_FLOW_ROLLBACK)
		return &needs_failback;
	if (!of_kind(f->kind, op))
		return &not_of_kind;
	return ud_failover_ended(f) ? &ended : NULL;
}

/* The workflow of a listed step, which must be the one it stands at; or -1. */
static enum ud_code meant(
	struct ud_ctx *cx, const struct ud_workflow_list *all, int64_t step, int64_t *ret_position)
{
	struct ud_workflow_step now = { 0 };
	bool found = false;

	*ret_position = -1;
	for (size_t i = 0; i < all->count; i++) {
		if (all->items[i].position != step / 100)
			continue;
		UD_TRY(ud_step_get(
			cx, &all->items[i], ud_flow_row_name(cx, &all->items[i]), &found, &now));
		if (found && now.n == step % 100)
			*ret_position = all->items[i].position;
	}
	return UD_OK;
}

static bool reason(const struct ud_scope *who, const struct ud_failover *f,
	const struct ud_workflow_list *all, enum ud_flow_op op, int64_t position,
	const struct ud_flow_block **ret)
{
	*ret = for_all(f, op);
	if (*ret)
		return false;
	*ret = &general[op];
	for (size_t i = 0; i < all->count; i++) {
		const struct ud_workflow *w = &all->items[i];
		const struct ud_flow_block *b = takes(who, f, w, op);

		if (position >= 0 && w->position != position)
			continue;
		if (!b)
			return true;
		if (b != &ended)
			*ret = b;
	}
	return false;
}

enum ud_code ud_flow_may(struct ud_ctx *cx, const struct ud_failover *f, enum ud_flow_op op,
	int64_t step, bool *ret, struct ud_flow_block *ret_block)
{
	struct ud_workflow_list all = { 0 };
	const struct ud_flow_block *block = &general[op];
	int64_t position = -1;

	*ret = false;
	UD_TRY(ud_workflow_all(cx, f->row.id, &all));
	if (step)
		UD_TRY(meant(cx, &all, step, &position));
	if (!step || position >= 0 || for_all(f, op))
		*ret = reason(cx->scope, f, &all, op, position, &block);
	*ret_block = *block;
	return UD_OK;
}

/* ---- doing it ---- */

static enum ud_code verify(struct ud_ctx *cx, struct flow *fl, const struct ud_flow_press *press)
{
	fl->f.validation = press->validation;
	fl->f.validation_notes = press->notes;
	fl->f.validated_by = cx->scope->id;
	UD_TRY(ud_step_log(cx, fl->w,
		press->validation == UD_VALIDATION_PASS ? "verified_pass" : "verified_fail", NULL,
		UD_NONE, press->notes));
	/* a planned failover goes on either way: what is wrong is undone by another ticket */
	if (fl->f.kind == UD_FAILOVER_PLANNED)
		return ud_flow_leave(cx, fl, UD_STEP_DONE, "done", NULL);
	return UD_OK;
}

static enum ud_code extend(struct ud_ctx *cx, struct flow *fl, const struct ud_flow_press *press)
{
	struct ud_time *at =
		fl->f.kind == UD_FAILOVER_TEST ? &fl->f.test_ends_at : &fl->f.commit_at;

	/* once for the run, whatever the number of its VMs */
	if (at->ms ==
		(fl->f.kind == UD_FAILOVER_TEST ? fl->old.test_ends_at : fl->old.commit_at).ms)
		at->ms += press->minutes * 60000;
	fl->w->wake_at = *at;
	return ud_step_log(cx, fl->w, "extended", NULL, UD_NONE, press->notes);
}

static enum ud_code call_off(struct ud_ctx *cx, struct flow *fl)
{
	ud_flow_reason(fl, "cancelled", "A person called it off.", NULL);
	return ud_flow_undo(cx, fl, "cancelled");
}

static enum ud_code do_press(struct ud_ctx *cx, struct flow *fl, const struct ud_flow_press *press)
{
	struct ud_workflow *w = fl->w;

	switch (press->op) {
	case UD_FLOW_VERIFY:
		return verify(cx, fl, press);
	case UD_FLOW_COMMIT:
		return ud_flow_leave(cx, fl, UD_STEP_DONE, "committed", press->notes);
	case UD_FLOW_ROLLBACK:
		w->recovery_point_id = press->recovery_point_id;
		return ud_flow_jump(cx, fl, "revert", UD_STEP_UNDONE, "rolled_back");
	case UD_FLOW_REVERSE:
		if (strcmp(w->step, "await_reverse") == 0)
			return ud_flow_leave(cx, fl, UD_STEP_DONE, "reversed", press->notes);
		return ud_flow_jump(cx, fl,
			w->kind == UD_FAILOVER_PLANNED ? "reprotect" : "reverse", UD_STEP_UNDONE,
			"again");
	case UD_FLOW_CLEANUP:
		/* no copy of it has been made */
		if (ud_flow_step(w->kind, w->step)->undo)
			return call_off(cx, fl);
		return ud_flow_jump(cx, fl, "cleanup", UD_STEP_DONE, "cleanup_asked");
	case UD_FLOW_CANCEL:
		return call_off(cx, fl);
	case UD_FLOW_EXTEND:
		return extend(cx, fl, press);
	case UD_FLOW_RETRY:
		return ud_flow_anew(cx, fl, "retried");
	case UD_FLOW_SKIP:
		w->gate_open = ud_flow_at_gate(w);
		if (w->gate_open)
			return ud_flow_gate_pass(cx, fl, "skipped", press->notes);
		return ud_flow_leave(cx, fl, UD_STEP_SKIPPED, "skipped", press->notes);
	case UD_FLOW_CONFIRM:
		return ud_flow_leave(cx, fl, UD_STEP_DONE, "confirmed", press->notes);
	case UD_FLOW_OPS:
		break;
	}
	assert(false);
	return UD_OK;
}

enum ud_code ud_flow_press(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *failover_id, const struct ud_flow_press *press)
{
	struct flow fl;
	const struct ud_flow_block *block = NULL;
	int64_t position = -1;

	UD_TRY(ud_flow_open(cx, c, failover_id, &fl));
	if (press->step)
		UD_TRY(meant(cx, &fl.all, press->step, &position));
	if (press->step && position < 0 && !for_all(&fl.f, press->op))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s", general[press->op].text);
	if (!reason(cx->scope, &fl.f, &fl.all, press->op, position, &block))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s", block->text);
	if (press->operation_id)
		fl.f.operation_id = press->operation_id;
	for (size_t i = 0; i < fl.all.count; i++) {
		bool open = false;

		if (takes(cx->scope, &fl.f, &fl.all.items[i], press->op) ||
			(position >= 0 && fl.all.items[i].position != position))
			continue;
		UD_TRY(ud_flow_turn(cx, &fl, i, &open));
		if (!open)
			continue;
		UD_TRY(do_press(cx, &fl, press));
		UD_TRY(ud_flow_settle(cx, &fl));
	}
	UD_TRY(ud_event_add_plain(cx,
		ud_printf(cx->arena, "failover.%s_asked", op_names[press->op]),
		fl.f.row.customer_id, "failover", fl.f.row.id, NULL));
	return ud_flow_close(cx, &fl);
}

void ud_flow_actions(struct ud_buf *b, const struct ud_failover *f, const struct ud_workflow *w)
{
	bool any = false;

	for (enum ud_flow_op op = 0; op < UD_FLOW_OPS; op++) {
		if (takes(NULL, f, w, op))
			continue;
		ud_buf_printf(b, "%s\"%s\"", any ? "," : "", op_names[op]);
		any = true;
	}
	if (strcmp(w->step, "evidence") == 0 && w->attested_at.ms <= 0)
		ud_buf_printf(b, "%s\"attest-down\"", any ? "," : "");
}
