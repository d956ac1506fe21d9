/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two clocks of a ticket. They run by the agreement as it was when the ticket was opened, in
 * the working time of its calendar; the one until the solution stands still while the customer is
 * asked and while the ticket counts as solved.
 */
#include "api/tickets.h"
#include "db/calendars.h"

static bool is_live(unsigned state)
{
	return state < UD_TICKET_SOLVED;
}

static bool runs(unsigned state)
{
	return is_live(state) && state != UD_TICKET_PENDING_CUSTOMER;
}

static int64_t present(int64_t ms)
{
	return ms > 0 ? ms : UD_NONE;
}

/* The next end that somebody should be told of. */
static void set_next(struct ud_ticket *t)
{
	int64_t next = UD_TICKET_NEVER;

	if (is_live(t->state) && present(t->responded_at.ms) == UD_NONE && !t->response_breached &&
		present(t->response_due_at.ms) != UD_NONE)
		next = t->response_due_at.ms;
	if (runs(t->state) && !t->resolve_breached && present(t->resolve_due_at.ms) != UD_NONE &&
		t->resolve_due_at.ms < next)
		next = t->resolve_due_at.ms;
	t->due_at.ms = next;
}

/* Nothing promised, or a calendar without working time: no end. */
static int64_t due(const struct ud_calendar_rules *rules, int64_t from_ms, int64_t seconds)
{
	int64_t at;

	return seconds != UD_NONE && ud_calendar_due(rules, from_ms, seconds, &at) ? at : UD_NONE;
}

static void set_urgency(struct ud_ticket *t)
{
	/* failovers before all else, then by severity */
	t->urgency = (t->type == UD_TICKET_FAILOVER ? 0 : 10) + UD_SEVERITY_URGENT -
		(int64_t)t->severity;
}

enum ud_code ud_ticket_start_clocks(struct ud_ctx *cx, struct ud_ticket *t)
{
	struct ud_calendar_rules *rules = ud_alloc(cx->arena, sizeof(*rules));
	int64_t from = t->row.created_at.ms ? t->row.created_at.ms : cx->now_ms;
	struct ud_promise p = { .response_seconds = UD_NONE, .resolve_seconds = UD_NONE };
	bool found = false;

	set_urgency(t);
	t->resolve_left_seconds = t->sla_version = UD_NONE;
	UD_TRY(ud_sla_promise(cx, t->row.customer_id, t->severity, &found, &p));
	t->response_seconds = p.response_seconds;
	t->resolve_seconds = p.resolve_seconds;
	t->response_due_at.ms = t->resolve_due_at.ms = UD_NONE;
	if (found) {
		t->sla_id = p.sla_id;
		t->sla_version = p.sla_version;
		t->calendar_id = p.calendar_id;
		UD_TRY(ud_calendar_load(cx, p.calendar_id, rules));
		t->response_due_at.ms = due(rules, from, p.response_seconds);
		t->resolve_due_at.ms = due(rules, from, p.resolve_seconds);
	}
	set_next(t);
	return UD_OK;
}

static enum ud_code stop(struct ud_ctx *cx, struct ud_ticket *t)
{
	struct ud_calendar_rules *rules = ud_alloc(cx->arena, sizeof(*rules));

	if (present(t->resolve_due_at.ms) == UD_NONE)
		return UD_OK;
	UD_TRY(ud_calendar_load(cx, t->calendar_id, rules));
	t->resolve_breached |= cx->now_ms > t->resolve_due_at.ms;
	t->resolve_left_seconds = ud_calendar_between(rules, cx->now_ms, t->resolve_due_at.ms);
	t->resolve_due_at.ms = UD_NONE;
	return UD_OK;
}

static enum ud_code go_on(struct ud_ctx *cx, struct ud_ticket *t)
{
	struct ud_calendar_rules *rules = ud_alloc(cx->arena, sizeof(*rules));

	if (t->resolve_left_seconds == UD_NONE)
		return UD_OK;
	UD_TRY(ud_calendar_load(cx, t->calendar_id, rules));
	t->resolve_due_at.ms = due(rules, cx->now_ms, t->resolve_left_seconds);
	t->resolve_left_seconds = UD_NONE;
	return UD_OK;
}

enum ud_code ud_ticket_run_clocks(
	struct ud_ctx *cx, const struct ud_ticket *old, struct ud_ticket *t)
{
	if (present(old->responded_at.ms) == UD_NONE && present(t->responded_at.ms) != UD_NONE &&
		present(t->response_due_at.ms) != UD_NONE)
		t->response_breached |= t->responded_at.ms > t->response_due_at.ms;
	if (runs(old->state) && !runs(t->state))
		UD_TRY(stop(cx, t));
	else if (!runs(old->state) && runs(t->state))
		UD_TRY(go_on(cx, t));
	set_next(t);
	return UD_OK;
}
