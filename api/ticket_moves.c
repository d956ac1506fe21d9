/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of a ticket's life and the machine that walks it. A guard only looks and answers with a
 * sentence; an action only changes the row. What callers may do next is computed from the same
 * table, so what is listed and what happens agree.
 */
#include <string.h>

#include "api/approvals.h"
#include "api/ticket_run.h"
#include "api/tickets.h"
#include "api/waivers.h"
#include "db/events.h"
#include "db/queues.h"

static const char *const event_names[] = {
	[UD_TICKET_EDIT] = "edit",
	[UD_TICKET_COMMENT] = "comment",
	[UD_TICKET_ACKNOWLEDGE] = "acknowledge",
	[UD_TICKET_CLAIM] = "claim",
	[UD_TICKET_ASSIGN] = "assign",
	[UD_TICKET_RELEASE] = "release",
	[UD_TICKET_ESCALATE] = "escalate",
	[UD_TICKET_SNOOZE] = "snooze",
	[UD_TICKET_REQUEST_INFO] = "request-info",
	[UD_TICKET_WAIT] = "wait",
	[UD_TICKET_RESUME] = "resume",
	[UD_TICKET_APPROVE] = "approve",
	[UD_TICKET_REJECT] = "reject",
	[UD_TICKET_ATTEST] = "attest-down",
	[UD_TICKET_WAIVE] = "waive",
	[UD_TICKET_SOLVE] = "solve",
	[UD_TICKET_REOPEN] = "reopen",
	[UD_TICKET_CLOSE] = "close",
	[UD_TICKET_CANCEL] = "cancel",
	[UD_TICKET_MERGE] = "merge",
	[UD_TICKET_SPLIT] = "split",
	[UD_TICKET_TRANSFER] = "transfer",
	[UD_TICKET_WAIT_VENDOR] = "wait for a vendor",
	[UD_TICKET_WAIT_MAINTENANCE] = "wait for a maintenance window",
	[UD_TICKET_WAIT_MACHINE] = "wait for a machine",
	[UD_TICKET_CUSTOMER_REPLY] = "answer of the customer",
	[UD_TICKET_STAFF_REPLY] = "answer of the support team",
	[UD_TICKET_RUN] = "run goes on",
	[UD_TICKET_RUN_ASKS] = "run asks the customer",
	[UD_TICKET_RUN_STOPS] = "run needs the support team",
	[UD_TICKET_RUN_DONE] = "run has ended",
	[UD_TICKET_WAKE] = "wake",
	[UD_TICKET_OVERDUE] = "clock ran out",
	[UD_TICKET_GRACE_OVER] = "grace is over",
	[UD_TICKET_WAIVER_OVER] = "waiver is over",
	[UD_TICKET_WINDOW_OVER] = "window is over",
	[UD_TICKET_ASKED_AGAIN] = "asked again",
	[UD_TICKET_DRILL_LATE] = "drill is late",
};
const struct ud_enum ud_ticket_events = { "ticket_event", event_names, UD_LEN(event_names) };
_Static_assert(UD_LEN(event_names) == UD_TICKET_EVENT_COUNT, "a name for every event");

/* ---- guards ---- */

static enum ud_code no(
	struct ud_ticket_verdict *v, const char *text, const char *unblock, const char *who)
{
	*v = (struct ud_ticket_verdict){ UD_E_INVALID_STATE, text, unblock, who };
	return UD_OK;
}

static enum ud_code not_seen(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	(void)cx;
	return t->acknowledged_at.ms > 0
		? no(v, "Somebody of the support team has seen it already.", NULL, NULL)
		: UD_OK;
}

/* Work is done by people: a program is nobody's colleague. */
static enum ud_code nobody_has_it(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	if (cx->scope->kind != UD_PRINCIPAL_USER)
		*v = (struct ud_ticket_verdict){ UD_E_PERSON_REQUIRED,
			"Tickets are taken by people.", NULL, "support" };
	else if (t->assignee_id)
		return no(v,
			ud_printf(cx->arena, "%s works on it.",
				t->assignee_name ? t->assignee_name : "Somebody"),
			"release", "support");
	return UD_OK;
}

static enum ud_code somebody_has_it(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	(void)cx;
	return t->assignee_id ? UD_OK : no(v, "Nobody works on it.", "claim", "support");
}

static enum ud_code may_escalate(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	(void)cx;
	return t->escalation < 100 ? UD_OK : no(v, "It cannot go higher.", NULL, NULL);
}

static enum ud_code in_grace(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	const int64_t grace = UD_TICKET_GRACE_DAYS * INT64_C(86400000);

	return cx->now_ms - t->solved_at.ms <= grace
		? UD_OK
		: no(v, "It was solved more than seven days ago.", "comment", "requester");
}

static enum ud_code nothing_open(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	if (t->approval == UD_APPROVAL_AWAITING)
		return no(v, "It awaits approval.", "approve", NULL);
	return t->failover_id ? ud_ticket_run_gate(cx, t, v) : UD_OK;
}

/* A run that has begun is ended by its own ways back, not by its ticket. */
static enum ud_code not_running(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	return t->failover_id ? ud_ticket_run_idle(cx, t, v) : UD_OK;
}

static enum ud_code no_run(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	(void)cx;
	return t->failover_id
		? no(v, "A failover keeps the ticket it was asked for by.", NULL, NULL)
		: UD_OK;
}

/* ---- actions ---- */

static enum ud_code see(struct ud_ctx *cx, struct ud_ticket *t)
{
	if (t->acknowledged_at.ms <= 0)
		t->acknowledged_at.ms = cx->now_ms;
	return UD_OK;
}

static enum ud_code answered(struct ud_ctx *cx, struct ud_ticket *t)
{
	if (t->responded_at.ms <= 0)
		t->responded_at.ms = cx->now_ms;
	return see(cx, t);
}

static enum ud_code take(struct ud_ctx *cx, struct ud_ticket *t)
{
	t->assignee_id = cx->scope->id;
	t->assignee_name = cx->scope->name;
	return see(cx, t);
}

static enum ud_code leave(struct ud_ctx *cx, struct ud_ticket *t)
{
	(void)cx;
	t->assignee_id = t->assignee_name = NULL;
	return UD_OK;
}

static enum ud_code raise_it(struct ud_ctx *cx, struct ud_ticket *t)
{
	const char *next = NULL;

	t->escalation++;
	if (t->queue_id)
		UD_TRY(ud_queue_above(cx, t->queue_id, &next));
	if (!next)
		return UD_OK;
	t->queue_id = next;
	return leave(cx, t); /* somebody of the other team takes it */
}

/* As high as it goes. */
static enum ud_code raise_more(struct ud_ctx *cx, struct ud_ticket *t)
{
	return t->escalation < 100 ? raise_it(cx, t) : UD_OK;
}

/* A clock ran out: that is noted once, and somebody above hears of it. */
static enum ud_code overdue(struct ud_ctx *cx, struct ud_ticket *t)
{
	if (t->responded_at.ms <= 0 && t->response_due_at.ms > 0)
		t->response_breached |= cx->now_ms >= t->response_due_at.ms;
	if (t->resolve_due_at.ms > 0)
		t->resolve_breached |= cx->now_ms >= t->resolve_due_at.ms;
	return raise_more(cx, t);
}

static enum ud_code wake(struct ud_ctx *cx, struct ud_ticket *t)
{
	(void)cx;
	t->snoozed_until.ms = UD_NONE;
	return UD_OK;
}

static enum ud_code end(struct ud_ctx *cx, struct ud_ticket *t, enum ud_ticket_resolution how)
{
	t->resolution = how;
	t->closed_at.ms = cx->now_ms;
	return wake(cx, t);
}

static enum ud_code solve(struct ud_ctx *cx, struct ud_ticket *t)
{
	t->resolution = UD_RESOLUTION_SOLVED;
	t->solved_at.ms = cx->now_ms;
	UD_TRY(wake(cx, t));
	if (ud_ticket_by_staff(cx))
		UD_TRY(answered(cx, t));
	return t->failover_id ? ud_ticket_run_solved(cx, t) : UD_OK;
}

static enum ud_code reopen(struct ud_ctx *cx, struct ud_ticket *t)
{
	(void)cx;
	t->resolution = UD_RESOLUTION_NONE;
	t->solved_at.ms = UD_NONE;
	return UD_OK;
}

/* Also of one that had closed. */
static enum ud_code take_up(struct ud_ctx *cx, struct ud_ticket *t)
{
	t->closed_at.ms = UD_NONE;
	return reopen(cx, t);
}

static enum ud_code close_it(struct ud_ctx *cx, struct ud_ticket *t)
{
	return end(cx, t, UD_RESOLUTION_SOLVED);
}

static enum ud_code cancel(struct ud_ctx *cx, struct ud_ticket *t)
{
	UD_TRY(end(cx, t, UD_RESOLUTION_CANCELED));
	return t->failover_id ? ud_ticket_run_dropped(cx, t, "cancelled") : UD_OK;
}

static enum ud_code reject(struct ud_ctx *cx, struct ud_ticket *t)
{
	t->approval = UD_APPROVAL_REJECTED;
	UD_TRY(end(cx, t, UD_RESOLUTION_REJECTED));
	return t->failover_id ? ud_ticket_run_dropped(cx, t, "rejected") : UD_OK;
}

static enum ud_code merged(struct ud_ctx *cx, struct ud_ticket *t)
{
	return end(cx, t, UD_RESOLUTION_MERGED);
}

static enum ud_code transferred(struct ud_ctx *cx, struct ud_ticket *t)
{
	return end(cx, t, UD_RESOLUTION_TRANSFERRED);
}

/* ---- the table ---- */

enum {
	B_NEW = 1 << UD_TICKET_NEW,
	B_OPEN = 1 << UD_TICKET_OPEN,
	B_ASKED = 1 << UD_TICKET_PENDING_CUSTOMER,
	B_VENDOR = 1 << UD_TICKET_PENDING_VENDOR,
	B_WINDOW = 1 << UD_TICKET_PENDING_MAINTENANCE,
	B_MACHINE = 1 << UD_TICKET_PENDING_MACHINE,
	B_SOLVED = 1 << UD_TICKET_SOLVED,
	B_CLOSED = 1 << UD_TICKET_CLOSED,
	B_REJECTED = 1 << UD_TICKET_REJECTED,
	B_TRANSFERRED = 1 << UD_TICKET_TRANSFERRED,
	B_WAITING = B_ASKED | B_VENDOR | B_WINDOW | B_MACHINE,
	B_BEGUN = B_OPEN | B_WAITING,
	B_LIVE = B_NEW | B_BEGUN,
	B_ENDED = B_CLOSED | B_REJECTED | B_TRANSFERRED,
	WRITE = UD_CUSTOMER_WRITE | UD_SUPPORT,
	APPROVERS = UD_R(CUSTOMER_APPROVER) | UD_CUSTOMER_ADMIN | UD_R(SUPPORT_ENGINEER) |
		UD_R(SUPPORT_LEAD),
	SIGNERS = UD_R(CUSTOMER_APPROVER) | UD_CUSTOMER_ADMIN | UD_R(SUPPORT_LEAD),
};

/* clang-format off */
const struct ud_ticket_move ud_ticket_moves[] = {
	/* from                       event                       roles                 guard             to                             action       verb */
	{ B_LIVE,                     UD_TICKET_EDIT,             WRITE,                NULL,             UD_TICKET_SAME,                NULL,        "updated" },
	{ B_LIVE | B_SOLVED | B_ENDED, UD_TICKET_COMMENT,         WRITE,                NULL,             UD_TICKET_SAME,                NULL,        "commented" },
	{ B_NEW,                      UD_TICKET_ACKNOWLEDGE,      UD_SUPPORT,           not_seen,         UD_TICKET_OPEN,                see,         "acknowledged" },
	{ B_BEGUN,                    UD_TICKET_ACKNOWLEDGE,      UD_SUPPORT,           not_seen,         UD_TICKET_SAME,                see,         "acknowledged" },
	{ B_NEW,                      UD_TICKET_CLAIM,            UD_SUPPORT,           nobody_has_it,    UD_TICKET_OPEN,                take,        "claimed" },
	{ B_BEGUN,                    UD_TICKET_CLAIM,            UD_SUPPORT,           nobody_has_it,    UD_TICKET_SAME,                take,        "claimed" },
	{ B_NEW,                      UD_TICKET_ASSIGN,           UD_SUPPORT,           NULL,             UD_TICKET_OPEN,                see,         "assigned" },
	{ B_BEGUN,                    UD_TICKET_ASSIGN,           UD_SUPPORT,           NULL,             UD_TICKET_SAME,                see,         "assigned" },
	{ B_LIVE,                     UD_TICKET_RELEASE,          UD_SUPPORT,           somebody_has_it,  UD_TICKET_SAME,                leave,       "released" },
	{ B_LIVE,                     UD_TICKET_ESCALATE,         UD_SUPPORT,           may_escalate,     UD_TICKET_SAME,                raise_it,    "escalated" },
	{ B_LIVE,                     UD_TICKET_SNOOZE,           UD_SUPPORT,           NULL,             UD_TICKET_SAME,                see,         "snoozed" },
	{ B_LIVE & ~B_ASKED,          UD_TICKET_REQUEST_INFO,     UD_SUPPORT,           NULL,             UD_TICKET_PENDING_CUSTOMER,    answered,    "info_requested" },
	{ B_LIVE,                     UD_TICKET_WAIT,             UD_SUPPORT,           NULL,             UD_TICKET_SAME,                NULL,        "waiting" },
	{ B_LIVE,                     UD_TICKET_WAIT_VENDOR,      UD_SUPPORT,           NULL,             UD_TICKET_PENDING_VENDOR,      see,         "waiting" },
	{ B_LIVE,                     UD_TICKET_WAIT_MAINTENANCE, UD_SUPPORT,           NULL,             UD_TICKET_PENDING_MAINTENANCE, see,         "waiting" },
	{ B_LIVE,                     UD_TICKET_WAIT_MACHINE,     UD_SUPPORT,           NULL,             UD_TICKET_PENDING_MACHINE,     see,         "waiting" },
	{ B_WAITING,                  UD_TICKET_RESUME,           UD_SUPPORT,           NULL,             UD_TICKET_OPEN,                NULL,        "resumed" },
	{ B_LIVE,                     UD_TICKET_APPROVE,          WRITE,                ud_may_approve,   UD_TICKET_SAME,                NULL,        "approval_given" },
	{ B_LIVE,                     UD_TICKET_REJECT,           WRITE,                ud_may_reject,    UD_TICKET_REJECTED,            reject,      "rejected" },
	{ B_LIVE,                     UD_TICKET_ATTEST,           APPROVERS,            ud_may_attest,    UD_TICKET_SAME,                NULL,        "attested" },
	{ B_LIVE,                     UD_TICKET_WAIVE,            SIGNERS,              ud_may_waive,     UD_TICKET_SAME,                NULL,        "waiver_signed" },
	{ B_LIVE,                     UD_TICKET_SOLVE,            WRITE,                nothing_open,     UD_TICKET_SOLVED,              solve,       "solved" },
	{ B_SOLVED,                   UD_TICKET_REOPEN,           WRITE,                in_grace,         UD_TICKET_OPEN,                reopen,      "reopened" },
	{ B_SOLVED,                   UD_TICKET_CLOSE,            WRITE,                NULL,             UD_TICKET_CLOSED,              close_it,    "closed" },
	{ B_LIVE,                     UD_TICKET_CANCEL,           WRITE,                not_running,      UD_TICKET_CLOSED,              cancel,      "canceled" },
	{ B_LIVE,                     UD_TICKET_MERGE,            UD_SUPPORT,           no_run,           UD_TICKET_MERGED,              merged,      "merged" },
	{ B_LIVE,                     UD_TICKET_SPLIT,            UD_SUPPORT,           NULL,             UD_TICKET_SAME,                see,         "split" },
	{ B_LIVE,                     UD_TICKET_TRANSFER,         UD_R(SUPPORT_LEAD),   no_run,           UD_TICKET_TRANSFERRED,         transferred, "transferred" },
	{ B_ASKED,                    UD_TICKET_CUSTOMER_REPLY,   UD_CUSTOMER_WRITE,    NULL,             UD_TICKET_OPEN,                NULL,        "replied" },
	{ B_SOLVED,                   UD_TICKET_CUSTOMER_REPLY,   UD_CUSTOMER_WRITE,    in_grace,         UD_TICKET_OPEN,                reopen,      "reopened" },
	{ B_LIVE & ~B_ASKED,          UD_TICKET_CUSTOMER_REPLY,   UD_CUSTOMER_WRITE,    NULL,             UD_TICKET_SAME,                wake,        "replied" },
	{ B_NEW,                      UD_TICKET_STAFF_REPLY,      UD_SUPPORT,           NULL,             UD_TICKET_OPEN,                answered,    "answered" },
	{ B_BEGUN | B_SOLVED,         UD_TICKET_STAFF_REPLY,      UD_SUPPORT,           NULL,             UD_TICKET_SAME,                answered,    "answered" },
	{ B_LIVE & ~B_MACHINE,        UD_TICKET_RUN,              0,                    NULL,             UD_TICKET_PENDING_MACHINE,     NULL,        "run_went_on" },
	{ B_LIVE & ~B_ASKED,          UD_TICKET_RUN_ASKS,         0,                    NULL,             UD_TICKET_PENDING_CUSTOMER,    NULL,        "run_asked" },
	{ B_LIVE & ~B_OPEN,           UD_TICKET_RUN_STOPS,        0,                    NULL,             UD_TICKET_OPEN,                NULL,        "run_stopped" },
	{ B_LIVE & ~B_OPEN,           UD_TICKET_RUN_DONE,         0,                    NULL,             UD_TICKET_OPEN,                NULL,        "run_ended" },
	{ B_LIVE,                     UD_TICKET_WAKE,             0,                    NULL,             UD_TICKET_SAME,                wake,        "woken" },
	{ B_LIVE,                     UD_TICKET_OVERDUE,          0,                    NULL,             UD_TICKET_SAME,                overdue,     "overdue" },
	{ B_SOLVED,                   UD_TICKET_GRACE_OVER,       0,                    NULL,             UD_TICKET_CLOSED,              close_it,    "closed" },
	{ B_SOLVED | B_CLOSED,        UD_TICKET_WAIVER_OVER,      0,                    NULL,             UD_TICKET_OPEN,                take_up,     "waiver_over" },
	{ B_LIVE | B_SOLVED | B_CLOSED, UD_TICKET_WINDOW_OVER,    0,                    NULL,             UD_TICKET_SAME,                NULL,        "window_over" },
	{ B_LIVE,                     UD_TICKET_ASKED_AGAIN,      0,                    NULL,             UD_TICKET_SAME,                NULL,        "still_unprotected" },
	{ B_LIVE,                     UD_TICKET_DRILL_LATE,       0,                    NULL,             UD_TICKET_SAME,                raise_more,  "escalated" },
};
/* clang-format on */
const size_t ud_ticket_move_count = UD_LEN(ud_ticket_moves);

uint32_t ud_ticket_roles(enum ud_ticket_event event)
{
	uint32_t roles = 0;

	for (size_t i = 0; i < UD_LEN(ud_ticket_moves); i++)
		if (ud_ticket_moves[i].event == event)
			roles |= ud_ticket_moves[i].roles;
	return roles;
}

bool ud_ticket_by_staff(const struct ud_ctx *cx)
{
	return cx->scope->kind == UD_PRINCIPAL_SYSTEM || !cx->scope->home_customer_id;
}

static bool may_by_role(const struct ud_ctx *cx, const struct ud_ticket_move *m)
{
	return cx->scope->kind == UD_PRINCIPAL_SYSTEM || m->roles & cx->scope->roles;
}

enum ud_code ud_ticket_ask(struct ud_ctx *cx, const struct ud_ticket *t, enum ud_ticket_event event,
	struct ud_ticket_verdict *ret, const struct ud_ticket_move **ret_move)
{
	*ret = (struct ud_ticket_verdict){ UD_E_INVALID_STATE,
		ud_printf(cx->arena, "The ticket is %s.", ud_ticket_states.names[t->state]), NULL,
		NULL };
	for (size_t i = 0; i < UD_LEN(ud_ticket_moves); i++) {
		const struct ud_ticket_move *m = &ud_ticket_moves[i];

		if (m->event != event || !(m->from >> t->state & 1))
			continue;
		*ret_move = m;
		if (!may_by_role(cx, m)) {
			*ret = (struct ud_ticket_verdict){ UD_E_ROLE_MISSING,
				"Your role does not allow this.", NULL, NULL };
			return UD_OK;
		}
		*ret = (struct ud_ticket_verdict){ UD_OK, NULL, NULL, NULL };
		return m->guard ? m->guard(cx, t, ret) : UD_OK;
	}
	return UD_OK;
}

/* Somebody else came first: without a promise to the caller (If-Match) the write is tried anew. */
static enum ud_code store(
	struct ud_ctx *cx, const struct ud_ticket *old, struct ud_ticket *t, const char *verb)
{
	enum ud_code code = ud_row_update(cx, &ud_tickets, old, t);

	if (code == UD_E_STALE_VERSION) {
		ud_ctx_clear(cx);
		return ud_fail(cx, UD_E_RETRY, NULL, "ticket %s changed meanwhile", old->row.id);
	}
	UD_TRY(code);
	UD_TRY(ud_event_add(cx, verb, ud_tickets.shape, old, t));
	return ud_ticket_tell(cx, t, verb);
}

enum ud_code ud_ticket_move(struct ud_ctx *cx, const struct ud_ticket_move *m,
	const struct ud_ticket *old, struct ud_ticket *t)
{
	if (m->to != UD_TICKET_SAME)
		t->state = (unsigned)m->to;
	if (t->state != old->state)
		t->waiting_since.ms = cx->now_ms;
	if (m->action)
		UD_TRY(m->action(cx, t));
	UD_TRY(ud_ticket_run_clocks(cx, old, t));
	return store(cx, old, t, m->verb);
}

enum ud_code ud_ticket_fire(struct ud_ctx *cx, enum ud_ticket_event event,
	const struct ud_ticket *old, struct ud_ticket *t)
{
	struct ud_ticket_verdict v;
	const struct ud_ticket_move *m = NULL;

	UD_TRY(ud_ticket_ask(cx, old, event, &v, &m));
	if (v.code != UD_OK)
		return ud_fail(cx, v.code, NULL, "%s", v.text);
	return ud_ticket_move(cx, m, old, t);
}

enum ud_code ud_ticket_happen(struct ud_ctx *cx, const char *ticket_id, enum ud_ticket_event event)
{
	struct ud_scope system = ud_scope_system("tickets");
	const struct ud_scope *before = cx->scope;
	struct ud_ticket old = { 0 }, t;
	struct ud_ticket_verdict v = { 0 };
	const struct ud_ticket_move *m = NULL;

	cx->scope = &system;
	enum ud_code code = ud_row_get(cx, &ud_tickets, ticket_id, &old);

	if (code == UD_OK)
		code = ud_ticket_ask(cx, &old, event, &v, &m);
	t = old;
	if (code == UD_OK && v.code == UD_OK)
		code = ud_ticket_move(cx, m, &old, &t);
	cx->scope = before;
	return code;
}

/* ---- what is shown ---- */

static const enum ud_ticket_waiting turns[] = {
	[UD_TICKET_NEW] = UD_WAITING_SUPPORT,
	[UD_TICKET_OPEN] = UD_WAITING_SUPPORT,
	[UD_TICKET_PENDING_CUSTOMER] = UD_WAITING_CUSTOMER,
	[UD_TICKET_PENDING_VENDOR] = UD_WAITING_VENDOR,
	[UD_TICKET_PENDING_MAINTENANCE] = UD_WAITING_SUPPORT,
	[UD_TICKET_PENDING_MACHINE] = UD_WAITING_MACHINE,
	[UD_TICKET_STATE_COUNT - 1] = UD_WAITING_NOBODY,
};

void ud_ticket_complete_brief(struct ud_ticket *t)
{
	t->waiting_on = turns[t->state];
}

static void add_blocked(
	struct ud_buf *b, bool *first, const char *op, const struct ud_ticket_verdict *v)
{
	ud_buf_puts(b, *first ? "{\"op\":" : ",{\"op\":");
	*first = false;
	ud_buf_json(b, op);
	ud_buf_puts(b, ",\"reason_code\":");
	ud_buf_json(b, ud_error_info(v->code)->name);
	ud_buf_puts(b, ",\"text\":");
	ud_buf_json(b, v->text);
	ud_buf_puts(b, ",\"unblock_action\":");
	ud_buf_json(b, v->unblock);
	ud_buf_puts(b, ",\"who\":");
	ud_buf_json(b, v->who);
	ud_buf_putc(b, '}');
}

static enum ud_code list_operations(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_buf *may, struct ud_buf *may_not)
{
	bool none_allowed = true, none_blocked = true;

	for (int op = 0; op < UD_TICKET_OPERATION_COUNT; op++) {
		struct ud_ticket_verdict v;
		const struct ud_ticket_move *m = NULL;

		if (!(ud_ticket_roles((enum ud_ticket_event)op) & cx->scope->roles))
			continue; /* no right at all: not worth a word */
		UD_TRY(ud_ticket_ask(cx, t, (enum ud_ticket_event)op, &v, &m));
		if (v.code != UD_OK) {
			add_blocked(may_not, &none_blocked, event_names[op], &v);
			continue;
		}
		if (!none_allowed)
			ud_buf_putc(may, ',');
		none_allowed = false;
		ud_buf_json(may, event_names[op]);
	}
	return UD_OK;
}

static const char *bracketed(struct ud_ctx *cx, struct ud_buf *b)
{
	const char *text = ud_printf(cx->arena, "[%.*s]", (int)b->len, b->data ? b->data : "");

	ud_buf_free(b);
	return text;
}

enum ud_code ud_ticket_complete(struct ud_ctx *cx, struct ud_ticket *t)
{
	struct ud_buf may = { 0 }, may_not = { 0 };

	ud_ticket_complete_brief(t);
	if (t->failover_id)
		UD_TRY(ud_ticket_run_show(cx, t));
	enum ud_code code = list_operations(cx, t, &may, &may_not);

	t->allowed_operations.text = bracketed(cx, &may);
	t->blocked_operations.text = bracketed(cx, &may_not);
	return code;
}
