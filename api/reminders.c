/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time brings to runs and to protected VMs: tables of what is asked, and the tickets that ask
 * it. Nothing here moves a VM: people approve what these tickets ask for.
 */
#include "api/reminders.h"

#include <string.h>

#include "api/ticket_run.h"
#include "base/time.h"
#include "db/events.h"
#include "db/reminders.h"

/* ---- runs ---- */

/* The customer's own ticket hears of it; one that was erased does not. */
static enum ud_code tell(struct ud_ctx *cx, const struct ud_failover *f, enum ud_ticket_event event)
{
	enum ud_code code = ud_ticket_happen(cx, f->ticket_id, event);

	if (code != UD_E_NOT_FOUND)
		return code;
	ud_ctx_clear(cx);
	return UD_OK;
}

static enum ud_code window_over(struct ud_ctx *cx, const struct ud_failover *f)
{
	UD_TRY(ud_event_add(cx, "window_over", ud_failovers.shape, NULL, f));
	return tell(cx, f, UD_TICKET_WINDOW_OVER);
}

static enum ud_code ask_again(struct ud_ctx *cx, const struct ud_failover *f)
{
	UD_TRY(ud_event_add(cx, "asked_again", ud_failovers.shape, NULL, f));
	return tell(cx, f, UD_TICKET_ASKED_AGAIN);
}

static const char *return_request(struct ud_ctx *cx, const struct ud_failover *f)
{
	char at[UD_TIME_TEXT];
	struct ud_buf b = { 0 };

	ud_time_format(f->window_ends_at.ms > cx->now_ms ? f->window_ends_at.ms : cx->now_ms, at);
	ud_buf_printf(&b,
		"{\"kind\":\"planned\",\"reason_code\":\"failback\",\"scheduled_at\":\"%s\",", at);
	if (f->plan_id)
		ud_buf_printf(&b, "\"plan_id\":\"%s\"", f->plan_id);
	else
		ud_buf_puts(&b, "\"vm_ids\":[");
	for (size_t i = 0; !f->plan_id && i < f->vm_ids.count; i++)
		ud_buf_printf(&b, "%s\"%s\"", i ? "," : "", f->vm_ids.items[i]);
	ud_buf_puts(&b, f->plan_id ? "}" : "]}");
	return ud_buf_take(cx->arena, &b);
}

/* The way home of a rotation, a day before it ends, in the name of whoever asked for the rotation.
 * It is approved like any other. What cannot be asked any more is told as a window that is over. */
static enum ud_code open_return(struct ud_ctx *cx, const struct ud_failover *f)
{
	struct ud_ticket first = { 0 };
	void *request = NULL;
	enum ud_code code = ud_row_get(cx, &ud_tickets, f->ticket_id, &first);

	if (code == UD_E_NOT_FOUND) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(code);
	struct ud_ticket t = { .row.customer_id = f->row.customer_id,
		.type = UD_TICKET_FAILOVER,
		.subject = ud_printf(cx->arena, "Way home of the rotation %s", first.number),
		.body = "The rotation ends; this is its way home. It begins at the end of the"
			" window once it is approved.",
		.requester_id = first.requester_id,
		.requester_name = first.requester_name,
		.channel = UD_CHANNEL_SYSTEM };

	code = ud_ticket_run_read(cx, return_request(cx, f), &t, &request);
	if (code != UD_OK && ud_error_info(code)->status < 500) {
		ud_ctx_clear(cx);
		return window_over(cx, f);
	}
	UD_TRY(code);
	UD_TRY(ud_ticket_open(cx, &t, request));
	return ud_event_add(cx, "return_asked", ud_failovers.shape, NULL, f);
}

static enum ud_code (*const say[])(struct ud_ctx *cx, const struct ud_failover *f) = {
	[UD_REMIND_WINDOW] = window_over,
	[UD_REMIND_RETURN] = open_return,
	[UD_REMIND_WEEK] = ask_again,
};

enum ud_code ud_reminders_any(struct ud_ctx *cx, bool *ret)
{
	*ret = false;
	for (enum ud_reminder r = 0; r < UD_REMINDER_COUNT && !*ret; r++) {
		struct ud_texts ids = { 0 };

		UD_TRY(ud_reminders_due(cx, r, &ids));
		*ret = ids.count > 0;
	}
	return UD_OK;
}

enum ud_code ud_reminders_apply(struct ud_ctx *cx, const struct ud_commanding *c)
{
	(void)c;
	for (enum ud_reminder r = 0; r < UD_REMINDER_COUNT; r++) {
		struct ud_texts ids = { 0 };

		UD_TRY(ud_reminders_due(cx, r, &ids));
		for (size_t i = 0; i < ids.count; i++) {
			struct ud_failover f = { 0 };

			UD_TRY(ud_row_get(cx, &ud_failovers, ids.items[i], &f));
			UD_TRY(ud_reminder_given(cx, r, f.row.id));
			UD_TRY(say[r](cx, &f));
		}
	}
	return UD_OK;
}

/* ---- VMs ---- */

/* How often a protected VM is failed over. */
/* clang-format off */
static const struct cadence {
	enum ud_failover_kind kind;
	int64_t days, late_days; /* a ticket after days, escalated after late_days (0 = never) */
	const char *subject, *body;
} cadences[] = {
	{ UD_FAILOVER_TEST, 31, 45, "A test failover is overdue: %zu VM%s",
		"No test failover of these VMs has passed for %lld days, or none ever has:%s. Ask for one; a recovery plan with drills of its own takes its VMs from here." },
	{ UD_FAILOVER_PLANNED, 182, 0, "A planned failover is overdue: %zu VM%s",
		"No planned failover of these VMs was made for %lld days, or none ever was:%s. Ask for one, best as a rotation of a week." },
};
/* clang-format on */

static enum ud_code open_ticket(
	struct ud_ctx *cx, const struct cadence *c, const struct ud_drill_due *due, size_t n)
{
	struct ud_ticket t = { .row.customer_id = due[0].customer_id,
		.type = UD_TICKET_DRILL,
		.channel = UD_CHANNEL_SYSTEM };
	struct ud_buf vms = { 0 };

	t.resource_ids.items = ud_alloc(cx->arena, sizeof(char *) * n);
	for (size_t i = 0; i < n; i++) {
		ud_buf_printf(&vms, "%s %s", i ? "," : "", due[i].vm_name);
		t.resource_ids.items[t.resource_ids.count++] = due[i].vm_id;
	}
	t.subject = ud_printf(cx->arena, c->subject, n, n == 1 ? "" : "s");
	t.body = ud_printf(cx->arena, c->body, (long long)c->days, ud_buf_take(cx->arena, &vms));
	UD_TRY(ud_ticket_open(cx, &t, NULL));
	for (size_t i = 0; i < n; i++)
		UD_TRY(ud_drill_told(cx, &due[i], c->kind, t.row.id));
	return UD_OK;
}

static enum ud_code open_tickets(struct ud_ctx *cx, const struct cadence *c)
{
	struct ud_drill_due *due = ud_alloc(cx->arena, sizeof(*due) * UD_DRILLS_DUE);
	size_t n = 0, from = 0;

	UD_TRY(ud_drills_overdue(cx, c->kind, c->days, due, &n));
	for (size_t i = 1; i <= n; i++) {
		if (i < n && strcmp(due[i].customer_id, due[from].customer_id) == 0)
			continue;
		UD_TRY(open_ticket(cx, c, due + from, i - from));
		from = i;
	}
	return UD_OK;
}

static enum ud_code escalate(struct ud_ctx *cx, const struct cadence *c)
{
	struct ud_texts ids = { 0 };

	if (c->late_days)
		UD_TRY(ud_drills_late(cx, c->kind, c->late_days, &ids));
	for (size_t i = 0; i < ids.count; i++) {
		UD_TRY(ud_drill_escalated(cx, ids.items[i]));
		enum ud_code code = ud_ticket_happen(cx, ids.items[i], UD_TICKET_DRILL_LATE);

		if (code == UD_E_NOT_FOUND)
			ud_ctx_clear(cx); /* the ticket was erased */
		else
			UD_TRY(code);
	}
	return UD_OK;
}

enum ud_code ud_cadences_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_drill_due *due = ud_alloc(cx->arena, sizeof(*due) * UD_DRILLS_DUE);

	*ret = false;
	for (size_t i = 0; i < UD_LEN(cadences) && !*ret; i++) {
		const struct cadence *c = &cadences[i];
		struct ud_texts late = { 0 };
		size_t n = 0;

		UD_TRY(ud_drills_overdue(cx, c->kind, c->days, due, &n));
		if (c->late_days)
			UD_TRY(ud_drills_late(cx, c->kind, c->late_days, &late));
		*ret = n || late.count;
	}
	return UD_OK;
}

enum ud_code ud_cadences_apply(struct ud_ctx *cx, const struct ud_commanding *commanding)
{
	(void)commanding;
	for (size_t i = 0; i < UD_LEN(cadences); i++) {
		UD_TRY(open_tickets(cx, &cadences[i]));
		UD_TRY(escalate(cx, &cadences[i]));
	}
	return UD_OK;
}
