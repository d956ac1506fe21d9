/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine: how a step begins, ends, fails and waits, whatever it does. An arrow is made of these
 * calls inside one transaction: open, turn, leave or jump or failed, settle, close.
 */
#include <assert.h>
#include <string.h>

#include "base/failover.h"
#include "base/id.h"
#include "base/log.h"
#include "db/events.h"
#include "db/leases.h"
#include "server/agents/ca.h"
#include "server/workflow/steps.h"

/* Arrows that one transaction may make for one VM: more is a table that runs in a circle. */
enum { ARROWS_MAX = 64, LOOK_MS = 1000, GRACE_MS = 5000 };
/* A standing order waits for its host for ten years. */
enum { STANDING_SECONDS = 10 * 365 * 86400, STANDING_DOING_SECONDS = 600 };

enum ud_code ud_flow_open(
	struct ud_ctx *cx, const struct ud_commanding *c, const char *failover_id, struct flow *ret)
{
	*ret = (struct flow){ .commanding = c };
	UD_TRY(ud_failover_take(cx, failover_id, &ret->f));
	ret->old = ret->f;
	UD_TRY(ud_workflow_all(cx, failover_id, &ret->all));
	ret->read = ud_alloc(cx->arena, sizeof(*ret->read) * (ret->all.count + 1));
	memcpy(ret->read, ret->all.items, sizeof(*ret->read) * ret->all.count);
	return UD_OK;
}

enum ud_code ud_flow_turn(struct ud_ctx *cx, struct flow *fl, size_t i, bool *ret)
{
	struct ud_workflow *w = &fl->all.items[i];
	bool found = false;

	*ret = false;
	if (ud_workflow_closed(w))
		return UD_OK;
	UD_TRY(ud_workflow_take(cx, w, ret));
	fl->read[i].fence = w->fence;
	fl->w = w;
	fl->again = fl->unknown = false;
	if (!*ret)
		return UD_OK;
	return ud_step_get(cx, w, ud_flow_row_name(cx, w), &found, &fl->step);
}

enum ud_code ud_flow_close(struct ud_ctx *cx, struct flow *fl)
{
	UD_TRY(ud_flow_gates_release(cx, fl));
	for (size_t i = 0; i < fl->all.count; i++)
		if (!ud_shape_equal(ud_workflows.shape, &fl->read[i], &fl->all.items[i]))
			UD_TRY(ud_row_update(cx, &ud_workflows, &fl->read[i], &fl->all.items[i]));
	return ud_flow_summary(cx, fl);
}

void ud_flow_reason(struct flow *fl, const char *code, const char *text, const char *who)
{
	fl->w->reason_code = code;
	fl->w->reason_text = text;
	fl->w->waiting_on = who;
}

/* ---- the record ---- */

static enum ud_code tell(struct ud_ctx *cx, struct flow *fl, const char *verb)
{
	struct ud_workflow *w = fl->w;
	struct ud_buf b = { 0 };

	ud_buf_printf(&b, "{\"vm_id\":\"%s\",\"step\":\"%s\",\"phase\":\"%s\"", w->vm_id, w->step,
		ud_flow_step(w->kind, w->step)->phase);
	if (fl->step.title) {
		ud_buf_puts(&b, ",\"title\":");
		ud_buf_json(&b, fl->step.title);
	}
	if (fl->step.host_id)
		ud_buf_printf(&b, ",\"host_id\":\"%s\"", fl->step.host_id);
	if (w->reason_code) {
		ud_buf_puts(&b, ",\"reason_code\":");
		ud_buf_json(&b, w->reason_code);
		ud_buf_puts(&b, ",\"text\":");
		ud_buf_json(&b, w->reason_text ? w->reason_text : "");
	}
	ud_buf_putc(&b, '}');
	const char *data = ud_buf_take(cx->arena, &b);

	ud_log(UD_LOG_INFO, "failover_step", "failover", fl->f.row.id, "vm", w->vm_id, "step",
		w->step, "event", verb, "reason", w->reason_code, NULL);
	return ud_event_add_plain(cx, ud_printf(cx->arena, "failover.step_%s", verb),
		fl->f.row.customer_id, "failover", fl->f.row.id, data);
}

static enum ud_code log_line(
	struct ud_ctx *cx, struct flow *fl, const char *event, const char *detail)
{
	const char *title = fl->step.title;

	/* a plan's own steps are all one row of the table: their lines name them */
	if (title)
		detail = detail ? ud_printf(cx->arena, "%s: %s", title, detail) : title;
	return ud_step_log(cx, fl->w, event, fl->step.host_id, fl->step.seq, detail);
}

static const char *error_json(struct ud_ctx *cx, const struct ud_workflow *w)
{
	struct ud_buf b = { 0 };

	ud_buf_puts(&b, "{\"code\":");
	ud_buf_json(&b, w->reason_code ? w->reason_code : "failed");
	ud_buf_puts(&b, ",\"detail\":");
	ud_buf_json(&b, w->reason_text ? w->reason_text : "");
	ud_buf_putc(&b, '}');
	return ud_buf_take(cx->arena, &b);
}

/* ---- arrows ---- */

/* What the present step waits for is not waited for any more. */
static enum ud_code drop_command(struct ud_ctx *cx, struct flow *fl)
{
	struct ud_workflow *w = fl->w;
	bool was_delivered = true;

	if (w->seq == UD_NONE)
		return UD_OK;
	UD_TRY(ud_command_supersede(cx, w->vm_id, w->seq, &was_delivered));
	/* what never left us has stopped nothing */
	if (!was_delivered && fl->step.seq == w->seq &&
		(strcmp(w->step, "stop") == 0 || strcmp(w->step, "isolate") == 0))
		w->stop_sent = false;
	w->seq = UD_NONE;
	return UD_OK;
}

enum ud_code ud_flow_enter(struct ud_ctx *cx, struct flow *fl, const char *name)
{
	struct ud_workflow *w = fl->w;
	const struct step *s = ud_flow_step(w->kind, name);
	bool found = false;

	UD_TRY(drop_command(cx, fl));
	w->step = s->name;
	w->state = UD_WORKFLOW_RUNNING;
	w->tries = 0;
	w->wake_at.ms = w->deadline_at.ms = 0;
	w->plan_operation_id = NULL;
	fl->unknown = false;
	const char *row = ud_flow_row_name(cx, w);

	UD_TRY(ud_step_get(cx, w, row, &found, &fl->step));
	if (!found || fl->step.state != UD_STEP_PENDING) {
		fl->step = (struct ud_workflow_step){ .name = row, .phase = s->phase };
		UD_TRY(ud_flow_row_title(cx, fl, &fl->step.title));
		UD_TRY(ud_step_next(cx, w, &fl->step.n));
	}
	fl->step.state = UD_STEP_RUNNING;
	fl->step.started_at.ms = cx->now_ms;
	fl->step.seq = UD_NONE;
	fl->step.host_id = s->host == SOURCE ? w->source_host_id
		: s->host == TARGET          ? w->target_host_id
					     : NULL;
	fl->again = true;
	UD_TRY(ud_step_put(cx, w, &fl->step));
	UD_TRY(log_line(cx, fl, "entered", NULL));
	return tell(cx, fl, "started");
}

/* The present step has ended. */
static enum ud_code end_step(struct ud_ctx *cx, struct flow *fl, enum ud_step_state state,
	const char *word, const char *detail)
{
	fl->step.state = state;
	fl->step.ended_at.ms = cx->now_ms;
	fl->step.error.text = state == UD_STEP_FAILED ? error_json(cx, fl->w) : NULL;
	UD_TRY(ud_step_put(cx, fl->w, &fl->step));
	UD_TRY(log_line(cx, fl, word, detail));
	return tell(cx, fl, state == UD_STEP_FAILED ? "failed" : "completed");
}

static void forget_reason(struct ud_workflow *w)
{
	w->reason_code = w->reason_text = w->waiting_on = NULL;
	w->waiting_since.ms = 0;
}

enum ud_code ud_flow_leave(struct ud_ctx *cx, struct flow *fl, enum ud_step_state state,
	const char *word, const char *detail)
{
	const struct step *s = ud_flow_step(fl->w->kind, fl->w->step);
	const char *next = NULL;

	UD_TRY(end_step(cx, fl, state, word, detail));
	forget_reason(fl->w);
	UD_TRY(ud_flow_next(cx, fl, s, &next));
	return ud_flow_enter(cx, fl, next);
}

enum ud_code ud_flow_jump(struct ud_ctx *cx, struct flow *fl, const char *name,
	enum ud_step_state state, const char *word)
{
	UD_TRY(end_step(cx, fl, state, word, name));
	fl->w->waiting_since.ms = 0;
	return ud_flow_enter(cx, fl, name);
}

enum ud_code ud_flow_undo(struct ud_ctx *cx, struct flow *fl, const char *word)
{
	struct ud_workflow *w = fl->w;

	assert(!w->committed_at.ms || w->committed_at.ms == UD_NONE);
	UD_TRY(drop_command(cx, fl));
	if (w->kind == UD_FAILOVER_TEST)
		return ud_flow_jump(cx, fl,
			strcmp(w->step, "test_start") == 0 ? "undo_test" : "undone", UD_STEP_FAILED,
			word);
	/* nothing will be committed any more: the source needs leave to start again */
	UD_TRY(ud_lease_gate_set(cx, w->vm_id, UD_GATE_OPEN));
	return ud_flow_jump(cx, fl, w->stop_sent ? "resume" : "undone", UD_STEP_FAILED, word);
}

static enum ud_code wait_for_person(struct ud_ctx *cx, struct flow *fl)
{
	struct ud_workflow *w = fl->w;

	w->state = UD_WORKFLOW_WAITING;
	w->wake_at.ms = w->deadline_at.ms = 0;
	w->waiting_since.ms = cx->now_ms;
	if (!w->waiting_on)
		w->waiting_on = "support";
	fl->step.state = UD_STEP_WAITING;
	fl->step.error.text = error_json(cx, w);
	UD_TRY(ud_step_put(cx, w, &fl->step));
	UD_TRY(log_line(cx, fl, "waiting", w->reason_text));
	return tell(cx, fl, "waiting");
}

enum ud_code ud_flow_failed(struct ud_ctx *cx, struct flow *fl)
{
	struct ud_workflow *w = fl->w;
	const struct step *s = ud_flow_step(w->kind, w->step);
	bool held = false;

	w->tries++;
	if (w->tries < s->tries) {
		UD_TRY(log_line(cx, fl, "again", w->reason_text));
		UD_TRY(drop_command(cx, fl));
		fl->again = true;
		return UD_OK;
	}
	if (s->items != NO_ITEMS) {
		UD_TRY(ud_flow_item_failed(cx, fl, &held));
		return held ? wait_for_person(cx, fl)
			    : ud_flow_leave(cx, fl, UD_STEP_FAILED, "failed", w->reason_text);
	}
	switch (s->failure) {
	case UNDO:
		return ud_flow_undo(cx, fl, "failed");
	case GO_ON:
		UD_TRY(ud_flow_gate_holds(cx, fl, &held));
		if (held)
			break;
		if (ud_flow_is_check(s))
			return ud_flow_gate_pass(cx, fl, "failed", w->reason_text);
		return ud_flow_leave(cx, fl, UD_STEP_FAILED, "failed", w->reason_text);
	case STAFF:
		break;
	}
	return wait_for_person(cx, fl);
}

enum ud_code ud_flow_anew(struct ud_ctx *cx, struct flow *fl, const char *word)
{
	struct ud_workflow *w = fl->w;

	UD_TRY(drop_command(cx, fl));
	forget_reason(w);
	w->state = UD_WORKFLOW_RUNNING;
	w->tries = 0;
	w->deadline_at.ms = 0;
	fl->step.state = UD_STEP_RUNNING;
	fl->step.error.text = NULL;
	fl->again = true;
	return log_line(cx, fl, word, NULL);
}

/* ---- acting ---- */

enum ud_code ud_flow_command(
	struct ud_ctx *cx, struct flow *fl, const char *verb, const char *args, int64_t seconds)
{
	struct ud_workflow *w = fl->w;
	struct ud_command_new in = { .host_id = fl->step.host_id,
		.vm_id = w->vm_id,
		.verb = verb,
		.args = args,
		.ticket_id = fl->f.ticket_id,
		.plan_hash = fl->f.plan_hash,
		.timeout_seconds = seconds ? seconds : STANDING_DOING_SECONDS,
		.wait_seconds = seconds ? seconds : STANDING_SECONDS };

	UD_TRY(ud_command_send(cx, fl->commanding, &in, &w->seq));
	fl->step.seq = w->seq;
	fl->step.attempts++;
	w->stop_sent |= strcmp(verb, UD_VERB_STOP) == 0;
	if (seconds)
		w->deadline_at.ms = w->wake_at.ms = cx->now_ms + seconds * 1000 + GRACE_MS;
	UD_TRY(ud_step_put(cx, w, &fl->step));
	return log_line(cx, fl, "commanded", verb);
}

static enum ud_code command(struct ud_ctx *cx, struct flow *fl, const struct step *s)
{
	struct ud_buf b = { 0 };
	enum ud_code code = s->args ? s->args(cx, fl, &b) : UD_OK;
	const char *args = b.len ? ud_strndup(cx->arena, b.data, b.len) : "{}";
	int64_t seconds = 0;

	ud_buf_free(&b);
	UD_TRY(code);
	UD_TRY(ud_flow_step_seconds(cx, fl, s, &seconds));
	return ud_flow_command(cx, fl, s->verb, args, seconds);
}

/* A step that waits is looked at again; its deadline runs from its beginning. */
static void stay(struct ud_ctx *cx, struct flow *fl, const struct step *s)
{
	struct ud_workflow *w = fl->w;

	if (w->deadline_at.ms <= 0 && s->timeout_seconds)
		w->deadline_at.ms = cx->now_ms + s->timeout_seconds * 1000;
	if (w->wake_at.ms <= cx->now_ms)
		w->wake_at.ms = cx->now_ms + LOOK_MS;
}

static enum ud_code close_workflow(struct ud_ctx *cx, struct flow *fl, const struct step *s)
{
	struct ud_workflow *w = fl->w;

	w->state = s->closes;
	w->wake_at.ms = w->deadline_at.ms = 0;
	w->ended_at.ms = cx->now_ms;
	UD_TRY(end_step(cx, fl, UD_STEP_DONE, "closed", NULL));
	return ud_steps_skip(cx, w);
}

static enum ud_code act_on(struct ud_ctx *cx, struct flow *fl, const struct step *s,
	enum found found, const char *jump)
{
	switch (found) {
	case NEXT:
		return ud_flow_leave(cx, fl, UD_STEP_DONE, "done", NULL);
	case PASS:
		return ud_flow_leave(cx, fl, UD_STEP_SKIPPED, "passed", NULL);
	case JUMP:
		return ud_flow_jump(cx, fl, jump, UD_STEP_DONE, "done");
	case ASK:
		return wait_for_person(cx, fl);
	case FAIL:
		return ud_flow_failed(cx, fl);
	case STAY:
		break;
	}
	if (s->verb)
		return command(cx, fl, s);
	stay(cx, fl, s);
	return UD_OK;
}

static enum ud_code act(struct ud_ctx *cx, struct flow *fl)
{
	const struct step *s = ud_flow_step(fl->w->kind, fl->w->step);
	enum found found = STAY;
	const char *jump = NULL;

	if (s->closes)
		return close_workflow(cx, fl, s);
	if (s->look)
		UD_TRY(s->look(cx, fl, &found, &jump));
	return act_on(cx, fl, s, found, jump);
}

enum ud_code ud_flow_settle(struct ud_ctx *cx, struct flow *fl)
{
	for (int arrows = 0; fl->again; arrows++) {
		assert(arrows < ARROWS_MAX);
		fl->again = false;
		UD_TRY(act(cx, fl));
	}
	return UD_OK;
}
