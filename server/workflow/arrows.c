/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who makes arrows: agents by their answers, time, and two people who attest or waive. What people
 * press stands in press.c.
 */
#include <string.h>

#include "server/workflow/steps.h"

/* ---- the beginning ---- */

static enum ud_code insert_pending(struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w)
{
	int64_t n = 1;

	for (const struct step *s = ud_flow_steps(w->kind); s->name; s++) {
		struct ud_workflow_step step = {
			.n = n, .name = s->name, .phase = s->phase, .seq = UD_NONE
		};

		if (s->items != NO_ITEMS)
			UD_TRY(ud_flow_items_pending(cx, fl, w, s, &n));
		if (s->side || s->items != NO_ITEMS)
			continue;
		UD_TRY(ud_step_put(cx, w, &step));
		n++;
	}
	return UD_OK;
}

static enum ud_code insert_member(struct ud_ctx *cx, const struct ud_failover *f,
	const struct ud_flow_member *m, int64_t position)
{
	const struct step *steps = ud_flow_steps(f->kind);
	struct ud_workflow w = { .row.customer_id = m->customer_id };

	ud_shape_init(ud_workflows.shape, &w);
	w.row.customer_id = m->customer_id;
	w.failover_id = f->row.id;
	w.vm_id = m->vm_id;
	w.position = position;
	w.boot_group = m->boot_group;
	w.kind = f->kind;
	w.state = UD_WORKFLOW_RUNNING;
	w.step = steps[0].name;
	w.source_host_id = m->source_host_id;
	w.target_host_id = m->target_host_id;
	w.replication_id = m->replication_id;
	w.fencing_policy = m->fencing_policy;
	w.tries = w.fence = w.log_n = w.checks_passed = w.checks_failed = 0;
	w.seq = w.demote_seq = w.epoch = w.point_age_ms = UD_NONE;
	w.source_epoch = m->epoch;
	enum ud_code code = ud_row_insert(cx, &ud_workflows, &w);

	if (code == UD_E_ALREADY_EXISTS) {
		ud_ctx_clear(cx);
		return ud_fail(cx, UD_E_IN_USE, NULL, "VM %s is in another run.", m->vm_id);
	}
	return code;
}

enum ud_code ud_flow_begin(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *failover_id, const struct ud_flow_member *members, size_t count)
{
	struct flow fl;
	struct ud_failover f = { 0 };

	UD_TRY(ud_failover_take(cx, failover_id, &f));
	for (size_t i = 0; i < count; i++)
		UD_TRY(insert_member(cx, &f, &members[i], (int64_t)i));
	UD_TRY(ud_flow_open(cx, c, failover_id, &fl));
	for (size_t i = 0; i < fl.all.count; i++)
		UD_TRY(insert_pending(cx, &fl, &fl.all.items[i]));
	fl.f.started_at.ms = cx->now_ms;
	for (size_t i = 0; i < fl.all.count; i++) {
		bool open = false;

		UD_TRY(ud_flow_turn(cx, &fl, i, &open));
		UD_TRY(ud_flow_enter(cx, &fl, fl.w->step));
		UD_TRY(ud_flow_settle(cx, &fl));
	}
	return ud_flow_close(cx, &fl);
}

/* ---- answers ---- */

/* A problem as agents and the server tell it. */
struct said {
	const char *code, *title, *detail, *field;
	int64_t status;
};
/* clang-format off */
static const struct ud_field said_fields[] = {
	UD_FIELD(said, code),
	UD_FIELD(said, title),
	UD_FIELD(said, detail, .max = 4000),
	UD_FIELD(said, field),
	UD_FIELD(said, status),
};
/* clang-format on */
static const struct ud_shape said_shape = { UD_SHAPE(said, said_fields), .bare = true };

/* An agent's error as the reason of the step; what cannot be read is told as the bare outcome. */
static void reason_of(struct ud_ctx *cx, struct flow *fl, const struct ud_command_ended *e)
{
	struct said said = { 0 };

	if (e->error && ud_shape_read(cx, &said_shape, e->error, strlen(e->error), &said) != UD_OK)
		ud_ctx_clear(cx);
	ud_flow_reason(fl, said.code ? said.code : ud_command_states.names[e->state],
		said.detail          ? said.detail
			: said.title ? said.title
				     : "The host did not do what it was asked for.",
		"support");
}

/* What a done command brought. A result that says "not so" is the step's failure. */
static enum ud_code take_result(struct ud_ctx *cx, struct flow *fl, const char *result)
{
	const struct step *s = ud_flow_step(fl->w->kind, fl->w->step);

	fl->w->seq = UD_NONE;
	fl->step.result.text = result;
	enum ud_code code = s->took ? s->took(cx, fl, result) : UD_OK;

	if (code == UD_OK)
		return ud_flow_leave(cx, fl, UD_STEP_DONE, "done", NULL);
	if (ud_error_info(code)->status >= 500)
		return code;
	ud_flow_reason(fl, ud_error_info(code)->name,
		cx->problem.detail ? cx->problem.detail : "The host's answer cannot be read.",
		"support");
	ud_ctx_clear(cx);
	return ud_flow_failed(cx, fl);
}

static enum ud_code answered(struct ud_ctx *cx, struct flow *fl, const struct ud_command_ended *e)
{
	if (e->state == UD_COMMAND_DONE)
		return take_result(cx, fl, e->result);
	/* never fetched: the guest was not touched */
	if (e->state == UD_COMMAND_EXPIRED && strcmp(e->verb, "stop") == 0)
		fl->w->stop_sent = false;
	fl->w->seq = UD_NONE;
	fl->unknown = e->state == UD_COMMAND_UNKNOWN;
	reason_of(cx, fl, e);
	return ud_flow_failed(cx, fl);
}

enum { ORDER_AGAIN_MS = 20000 };

/* The answer to the order that stands may come long after the run has closed. */
static enum ud_code order_answered(
	struct ud_ctx *cx, struct flow *fl, const struct ud_command_ended *e)
{
	if (e->state != UD_COMMAND_DONE) {
		reason_of(cx, fl, e);
		/* whoever waits for it gives it again, after a pause */
		fl->w->demote_seq = UD_NONE;
		if (!ud_workflow_closed(fl->w) && fl->w->state == UD_WORKFLOW_RUNNING &&
			fl->w->seq == UD_NONE)
			fl->w->wake_at.ms = cx->now_ms + ORDER_AGAIN_MS;
		return ud_step_log(
			cx, fl->w, "demote_failed", e->host_id, e->seq, fl->w->reason_text);
	}
	UD_TRY(ud_flow_demoted(cx, fl, e->result));
	fl->again = !ud_workflow_closed(fl->w) && fl->w->state == UD_WORKFLOW_RUNNING &&
		fl->w->seq == UD_NONE;
	return UD_OK;
}

enum ud_code ud_flow_answered(struct ud_ctx *cx, const struct ud_command_ended *e)
{
	const char *id, *failover_id;
	struct flow fl;
	bool open = false;
	size_t i = 0;

	if (e->state == UD_COMMAND_WITHDRAWN || strncmp(e->subject_id, "vm_", 3) != 0)
		return UD_OK;
	UD_TRY(ud_workflow_of(cx, e->subject_id, e->seq, &id, &failover_id));
	if (!id)
		return UD_OK;
	UD_TRY(ud_flow_open(cx, e->commanding, failover_id, &fl));
	while (strcmp(fl.all.items[i].row.id, id) != 0)
		i++;
	UD_TRY(ud_flow_turn(cx, &fl, i, &open));
	fl.w = &fl.all.items[i];
	if (fl.w->demote_seq == e->seq)
		UD_TRY(order_answered(cx, &fl, e));
	else if (open && fl.w->seq == e->seq)
		UD_TRY(answered(cx, &fl, e));
	else
		return UD_OK; /* another's command for the same VM */
	UD_TRY(ud_flow_settle(cx, &fl));
	return ud_flow_close(cx, &fl);
}

/* ---- time ---- */

enum ud_code ud_flow_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_workflow_due(cx, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

static enum ud_code look_again(struct ud_ctx *cx, struct flow *fl)
{
	struct ud_workflow *w = fl->w;
	bool late = w->deadline_at.ms > 0 && w->deadline_at.ms <= cx->now_ms;

	/* it only waits to be let go on, which comes with the end of this transaction */
	if (ud_flow_at_gate(w)) {
		w->wake_at.ms = 0;
		return UD_OK;
	}
	if (!late) {
		fl->again = w->seq == UD_NONE;
		return ud_flow_settle(cx, fl);
	}
	ud_flow_reason(fl, "not_in_time",
		ud_printf(cx->arena, "Step %s has not ended in time.", w->step), "support");
	w->wake_at.ms = 0;
	fl->unknown = w->seq != UD_NONE;
	UD_TRY(ud_flow_failed(cx, fl));
	return ud_flow_settle(cx, fl);
}

static enum ud_code tick_run(
	struct ud_ctx *cx, const struct ud_commanding *c, const char *failover_id)
{
	struct flow fl;

	UD_TRY(ud_flow_open(cx, c, failover_id, &fl));
	for (size_t i = 0; i < fl.all.count; i++) {
		const struct ud_workflow *w = &fl.all.items[i];
		bool open = false;

		if (w->wake_at.ms <= 0 || w->wake_at.ms > cx->now_ms)
			continue;
		UD_TRY(ud_flow_turn(cx, &fl, i, &open));
		if (open)
			UD_TRY(look_again(cx, &fl));
	}
	return ud_flow_close(cx, &fl);
}

enum ud_code ud_flow_tick(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_workflow_due(cx, &ids));
	for (size_t i = 0; i < ids.count; i++)
		UD_TRY(tick_run(cx, c, ids.items[i]));
	return UD_OK;
}

/* ---- epochs that people made ---- */

enum ud_code ud_flow_overtaken(struct ud_ctx *cx, const char *vm_id)
{
	const char *id = NULL, *failover_id = NULL;
	struct flow fl;

	UD_TRY(ud_workflow_of(cx, vm_id, UD_NONE, &id, &failover_id));
	if (!id)
		return UD_OK;
	UD_TRY(ud_flow_open(cx, NULL, failover_id, &fl));
	for (size_t i = 0; i < fl.all.count; i++) {
		bool open = false;

		if (strcmp(fl.all.items[i].row.id, id) != 0)
			continue;
		UD_TRY(ud_flow_turn(cx, &fl, i, &open));
		if (!open)
			continue;
		ud_flow_reason(&fl, "overtaken", "The VM was moved to another epoch meanwhile.",
			"support");
		UD_TRY(ud_flow_jump(cx, &fl, "overtaken", UD_STEP_UNDONE, "overtaken"));
		UD_TRY(ud_flow_settle(cx, &fl));
	}
	return ud_flow_close(cx, &fl);
}

/* ---- two people ---- */

enum ud_code ud_flow_attested(struct ud_ctx *cx, const char *failover_id, const char *vm_id)
{
	struct flow fl;

	UD_TRY(ud_flow_open(cx, NULL, failover_id, &fl));
	for (size_t i = 0; i < fl.all.count; i++) {
		bool open = false;

		if (strcmp(fl.all.items[i].vm_id, vm_id) != 0)
			continue;
		UD_TRY(ud_flow_turn(cx, &fl, i, &open));
		if (!open || fl.w->attested_at.ms > 0)
			continue;
		fl.w->attested_at.ms = cx->now_ms;
		if (strcmp(fl.w->step, "evidence") == 0)
			fl.w->wake_at.ms = cx->now_ms;
		UD_TRY(ud_step_log(cx, fl.w, "attested", NULL, UD_NONE, NULL));
	}
	return ud_flow_close(cx, &fl);
}

bool ud_flow_waivable(const struct ud_workflow *w)
{
	if (w->committed_at.ms <= 0 || w->kind == UD_FAILOVER_TEST)
		return false;
	return ud_workflow_closed(w) || ud_flow_step(w->kind, w->step)->waivable;
}

/* The order to the old primary stands on: when its host comes back it is demoted all the same. */
enum ud_code ud_flow_waived(struct ud_ctx *cx, const char *failover_id, const char *vm_id)
{
	struct flow fl;

	UD_TRY(ud_flow_open(cx, NULL, failover_id, &fl));
	for (size_t i = 0; i < fl.all.count; i++) {
		bool open = false;

		if (strcmp(fl.all.items[i].vm_id, vm_id) != 0 ||
			!ud_flow_waivable(&fl.all.items[i]))
			continue;
		UD_TRY(ud_flow_turn(cx, &fl, i, &open));
		if (!open)
			continue;
		ud_flow_reason(&fl, "waived",
			"People of both sides have signed that it stays unprotected.", NULL);
		UD_TRY(ud_flow_jump(cx, &fl, "waived", UD_STEP_SKIPPED, "waived"));
		UD_TRY(ud_flow_settle(cx, &fl));
	}
	return ud_flow_close(cx, &fl);
}
