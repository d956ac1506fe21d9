/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a run is as a whole, from its workflows: the state of the slowest, who is waited for, and
 * the measured numbers. Partial success is never averaged: it stands per VM in the steps.
 */
#include <assert.h>
#include <string.h>

#include "base/failover.h"
#include "db/events.h"
#include "db/operations.h"
#include "server/workflow/steps.h"

/* ---- state ---- */

/* How far an open workflow is: one that waits for people comes first, one on its way back next. */
static int64_t rank(const struct ud_workflow *w)
{
	const struct step *s = ud_flow_step(w->kind, w->step);

	if (w->state == UD_WORKFLOW_WAITING)
		return -2;
	return s->side ? -1 : s - ud_flow_steps(w->kind);
}

static const struct ud_workflow *slowest(const struct flow *fl)
{
	const struct ud_workflow *w = NULL;

	for (size_t i = 0; i < fl->all.count; i++) {
		const struct ud_workflow *o = &fl->all.items[i];

		if (!ud_workflow_closed(o) && (!w || rank(o) < rank(w)))
			w = o;
	}
	return w;
}

/* The worst end of all. */
static unsigned end_state(const struct flow *fl, const struct ud_workflow **ret)
{
	/* clang-format off */
	static const struct { unsigned closed, state; } ends[] = {
		{ UD_WORKFLOW_FAILED,      UD_FAILOVER_FAILED },
		{ UD_WORKFLOW_OVERTAKEN,   UD_FAILOVER_FAILED },
		{ UD_WORKFLOW_WAIVED,      UD_FAILOVER_CLOSED_UNPROTECTED },
		{ UD_WORKFLOW_ROLLED_BACK, UD_FAILOVER_ROLLED_BACK },
		{ UD_WORKFLOW_ABORTED,     UD_FAILOVER_ROLLED_BACK },
	};
	/* clang-format on */
	assert(fl->all.count > 0 && fl->all.items);
	for (size_t e = 0; e < UD_LEN(ends); e++)
		for (size_t i = 0; i < fl->all.count; i++)
			if (fl->all.items[i].state == ends[e].closed) {
				*ret = &fl->all.items[i];
				return ends[e].state;
			}
	*ret = &fl->all.items[0];
	return fl->f.kind == UD_FAILOVER_TEST ? UD_FAILOVER_SOLVED : UD_FAILOVER_PROTECTED;
}

static const char *waiting_json(
	struct ud_ctx *cx, const struct flow *fl, const struct ud_workflow *w)
{
	const struct step *s = ud_flow_step(w->kind, w->step);
	bool person = w->state == UD_WORKFLOW_WAITING;
	int64_t since = person && w->waiting_since.ms > 0 ? w->waiting_since.ms : cx->now_ms;
	char at[UD_TIME_TEXT];
	struct ud_buf b = { 0 };

	ud_time_format(since, at);
	ud_buf_puts(&b, "{\"who\":");
	ud_buf_json(&b, person ? w->waiting_on : s->who);
	ud_buf_printf(&b, ",\"what\":\"%s\",\"code\":", w->step);
	ud_buf_json(&b, person ? w->reason_code : s->phase);
	ud_buf_puts(&b, ",\"text\":");
	ud_buf_json(&b, person ? w->reason_text : s->what);
	ud_buf_printf(&b, ",\"since\":\"%s\",\"vm_id\":\"%s\",\"actions\":[", at, w->vm_id);
	ud_flow_actions(&b, &fl->f, w);
	ud_buf_puts(&b, "]}");
	return ud_buf_take(cx->arena, &b);
}

static void set_state(struct ud_ctx *cx, struct flow *fl)
{
	const struct ud_workflow *w = slowest(fl);
	struct ud_failover *f = &fl->f;
	const struct step *s;

	if (!w) {
		f->state = end_state(fl, &w);
		f->phase = ud_flow_step(w->kind, w->step)->phase;
		f->waiting_for.text = NULL;
		f->ended_at.ms = f->ended_at.ms > 0 ? f->ended_at.ms : cx->now_ms;
		return;
	}
	s = ud_flow_step(w->kind, w->step);
	f->state = w->state == UD_WORKFLOW_WAITING ? UD_FAILOVER_WAITING
		: s->state                         ? s->state
						   : UD_FAILOVER_RUNNING;
	f->phase = s->phase;
	bool same = fl->old.state == f->state && fl->old.waiting_for.text &&
		strcmp(fl->old.phase, f->phase) == 0;

	if (w->state != UD_WORKFLOW_WAITING && !s->who)
		f->waiting_for.text = NULL;
	else if (w->state == UD_WORKFLOW_WAITING || !same)
		f->waiting_for.text = waiting_json(cx, fl, w);
}

/* ---- numbers ---- */

static int64_t larger(int64_t a, int64_t b)
{
	return a == UD_NONE || b > a ? b : a;
}

static void measure_vm(struct ud_failover *f, const struct ud_workflow *w)
{
	bool test = f->kind == UD_FAILOVER_TEST;
	int64_t from = test ? f->approved_at.ms : w->outage_at.ms;

	if (f->kind == UD_FAILOVER_PLANNED && w->committed_at.ms > 0)
		f->rpo_measured_seconds = larger(f->rpo_measured_seconds, 0);
	else if (w->point_age_ms != UD_NONE && (test || w->committed_at.ms > 0))
		f->rpo_measured_seconds =
			larger(f->rpo_measured_seconds, (w->point_age_ms + 999) / 1000);
	if (w->serving_at.ms > 0 && from > 0) {
		int64_t took = (w->serving_at.ms - from + 999) / 1000;

		f->rto_measured_seconds = larger(f->rto_measured_seconds, took > 0 ? took : 0);
	}
}

static void measure(struct ud_ctx *cx, struct flow *fl)
{
	struct ud_failover *f = &fl->f;
	int64_t passed = 0, failed = 0, taken = UD_NONE;
	bool committed = false, checked = true;

	f->rpo_measured_seconds = f->rto_measured_seconds = UD_NONE;
	for (size_t i = 0; i < fl->all.count; i++) {
		const struct ud_workflow *w = &fl->all.items[i];

		measure_vm(f, w);
		passed += w->checks_passed;
		failed += w->checks_failed;
		committed |= w->committed_at.ms > 0;
		checked &= ud_workflow_closed(w) || ud_flow_is_past(w, "check_script");
		if (w->point_taken_at.ms > 0 && (taken == UD_NONE || w->point_taken_at.ms < taken))
			taken = w->point_taken_at.ms;
	}
	f->downtime_seconds = f->kind == UD_FAILOVER_TEST && checked ? 0 : f->rto_measured_seconds;
	if (f->kind != UD_FAILOVER_UNPLANNED) {
		f->data_loss = "none";
	} else if (committed && taken != UD_NONE) {
		char at[UD_TIME_TEXT];

		ud_time_format(taken, at);
		f->data_loss = ud_printf(cx->arena, "Changes after %s are lost.", at);
	}
	if (checked)
		f->verdict = failed ? "failed" : passed ? "passed" : "inconclusive";
}

/* ---- where the time went ---- */

enum { PHASES_MAX = 32 };
struct spent {
	const struct ud_failover *f;
	const struct ud_workflow *w;
	const char *step; /* of the line before */
	bool waited;      /* since then a person was waited for */
	int64_t at;
	struct {
		const char *phase;
		int64_t ms;
	} phases[PHASES_MAX];
	size_t count;
	int64_t machine, human;
};

static void spend(struct spent *s, const char *phase, int64_t ms, bool human)
{
	size_t i = 0;

	while (i < s->count && strcmp(s->phases[i].phase, phase) != 0)
		i++;
	if (i == PHASES_MAX)
		return;
	if (i == s->count)
		s->phases[s->count++].phase = phase;
	s->phases[i].ms += ms;
	*(human ? &s->human : &s->machine) += ms;
}

static enum ud_code spend_line(struct ud_ctx *cx, void *data, const struct ud_step_line *line)
{
	struct spent *s = data;

	if (strcmp(line->workflow_id, s->w->row.id) != 0)
		return UD_OK;
	if (s->step) {
		const struct step *step = ud_flow_step(s->w->kind, s->step);

		spend(s, step->phase, line->at - s->at, s->waited || step->who);
	}
	s->step = ud_strdup(cx->arena, line->step);
	s->at = line->at;
	s->waited = strcmp(line->event, "waiting") == 0;
	return UD_OK;
}

/* Of the VM that took longest; people's deciding before the start counts as theirs. */
static enum ud_code phases_json(struct ud_ctx *cx, struct flow *fl)
{
	struct spent s = { .f = &fl->f, .w = &fl->all.items[0] };
	struct ud_buf b = { 0 };

	for (size_t i = 1; i < fl->all.count; i++)
		if (fl->all.items[i].serving_at.ms > s.w->serving_at.ms)
			s.w = &fl->all.items[i];
	UD_TRY(ud_step_lines(cx, fl->f.row.id, spend_line, &s));
	int64_t decide = fl->f.approved_at.ms - fl->f.row.created_at.ms, human = s.human + decide;

	ud_buf_printf(&b, "{\"decide_ms\":%lld", (long long)decide);
	for (size_t i = 0; i < s.count; i++)
		ud_buf_printf(&b, ",\"%s_ms\":%lld", s.phases[i].phase, (long long)s.phases[i].ms);
	ud_buf_printf(&b, ",\"machine_ms\":%lld,\"human_ms\":%lld}", (long long)s.machine,
		(long long)human);
	fl->f.phases.text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

/* ---- the call that waits ---- */

static enum ud_code end_operation(struct ud_ctx *cx, struct ud_failover *f)
{
	struct ud_operation old = { 0 }, op;

	if (!f->operation_id || f->state == UD_FAILOVER_RUNNING)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_operations, f->operation_id, &old));
	f->operation_id = NULL;
	if (ud_operation_ended(&old))
		return UD_OK;
	op = old;
	bool fine = f->state != UD_FAILOVER_WAITING && f->state != UD_FAILOVER_FAILED;

	op.state = fine ? UD_OPERATION_SUCCEEDED : UD_OPERATION_FAILED;
	op.progress_percent = fine ? 100 : op.progress_percent;
	op.ended_at.ms = cx->now_ms;
	if (!fine)
		op.error.text = "{\"code\":\"failover_waiting\",\"status\":409,"
				"\"title\":\"The failover stands and needs a person\","
				"\"detail\":\"See waiting_for of the failover.\"}";
	UD_TRY(ud_row_update(cx, &ud_operations, &old, &op));
	return ud_event_add(
		cx, ud_operation_states.names[op.state], ud_operations.shape, &old, &op);
}

enum ud_code ud_flow_summary(struct ud_ctx *cx, struct flow *fl)
{
	struct ud_failover *f = &fl->f;

	if (!fl->all.count)
		return UD_OK;
	set_state(cx, fl);
	measure(cx, fl);
	if (f->state != fl->old.state && f->state > UD_FAILOVER_WAITING)
		UD_TRY(phases_json(cx, fl));
	UD_TRY(end_operation(cx, f));
	if (ud_shape_equal(ud_failovers.shape, f, &fl->old))
		return UD_OK;
	UD_TRY(ud_row_update(cx, &ud_failovers, &fl->old, f));
	if (f->state == fl->old.state)
		return UD_OK;
	return ud_event_add(
		cx, ud_failover_states.names[f->state], ud_failovers.shape, &fl->old, f);
}
