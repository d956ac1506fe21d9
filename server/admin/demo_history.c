/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ninety days of tickets. What happens is put into one list and done in the order of its time, so
 * that the log reads like one that grew.
 */
#include <stdlib.h>
#include <string.h>

#include "api/tickets.h"
#include "db/demo.h"
#include "db/events.h"
#include "db/replications.h"
#include "db/ticket_parts.h"
#include "server/admin/demo.h"

enum {
	DAY = 1440,
	UNSEEN = 120, /* minutes: what came later nobody has looked at yet */
	MINUTE_MS = 60000,
	HAPPENINGS = UD_DEMO_TICKETS * 8
};

enum what {
	OPENS,
	IS_TAKEN,
	IS_ANSWERED,
	ASKS_BACK,
	CUSTOMER_ANSWERS,
	IS_SOLVED,
	IS_CLOSED,
	RUN_IS_ASKED_FOR,
	RUN_IS_APPROVED,
	RUN_ENDS,
	RPO_BREAKS,
	RPO_IS_BACK,
};

struct happening {
	int64_t at; /* minutes before the end */
	enum what what;
	size_t n; /* of the ticket, or the customer of a breach */
};

struct told {
	const char *id;
	unsigned type, severity;
	size_t customer, vm, person;
	const char *subject, *body, *answer;
	const struct ud_demo_run *run;
};

struct history {
	struct ud_demo *d;
	struct told tickets[UD_DEMO_TICKETS];
	size_t ticket_count;
	struct happening list[HAPPENINGS];
	size_t count;
};

/* ---- runs ---- */

enum { RUNS_MAX = 64 };
struct planned_run {
	struct ud_demo_run run;
	int64_t at; /* minutes before the end */
	int stage;  /* how far it came: 1 asked for, 2 approved, 3 ended or standing */
};

static void add(struct history *h, int64_t at, enum what what, size_t n)
{
	if (at > 0 && h->count < HAPPENINGS)
		h->list[h->count++] = (struct happening){ at, what, n };
}

static void add_run(struct history *h, const struct planned_run *p)
{
	size_t n = h->ticket_count++;

	h->tickets[n] = (struct told){ .customer = (size_t)p->run.customer, .run = &p->run };
	add(h, p->at, RUN_IS_ASKED_FOR, n);
	if (p->stage > 1)
		add(h, p->at - 12 - ud_demo_below(h->d, 60), RUN_IS_APPROVED, n);
	if (p->stage > 2) {
		int64_t end = p->at - 90 - ud_demo_below(h->d, 60);

		add(h, end, RUN_ENDS, n);
		if (p->run.end == UD_FAILOVER_SOLVED || p->run.end == UD_FAILOVER_PROTECTED)
			add(h, end - 7 * DAY - 1, IS_CLOSED, n);
	}
}

static struct planned_run test(int64_t customer, int64_t plan, int64_t days, bool failed)
{
	return (struct planned_run){ { UD_FAILOVER_TEST, UD_FAILOVER_SOLVED, failed, customer, plan,
					     "test_recovery_plan" },
		days * DAY + 300 + customer * 47, 3 };
}

static struct planned_run real(
	int64_t customer, unsigned kind, int64_t days, unsigned end, const char *reason)
{
	return (struct planned_run){ { kind, end, false, customer, 0, reason },
		days * DAY + 500 + customer * 31, 3 };
}

/* A drill a month for each customer's first plan and one a quarter for the other; one failed. Two
 * pairs of planned moves, one outage; one stands at the customer's word; two await approval. */
static void plan_runs(struct history *h, struct planned_run *runs)
{
	size_t n = 0;

	for (int64_t c = 0; c < UD_DEMO_CUSTOMERS; c++) {
		for (int64_t month = 0; month < 3; month++)
			runs[n++] = test(c, 0, 80 - month * 30, c == 2 && month == 1);
		runs[n++] = test(c, 1, 61, false);
	}
	runs[n++] = test(2, 0, 48, false); /* the failed one, repeated */
	runs[n++] = real(0, UD_FAILOVER_PLANNED, 40, UD_FAILOVER_PROTECTED, "host_maintenance");
	runs[n++] = real(0, UD_FAILOVER_PLANNED, 38, UD_FAILOVER_PROTECTED, "failback");
	runs[n++] = real(3, UD_FAILOVER_PLANNED, 30, UD_FAILOVER_PROTECTED, "host_maintenance");
	runs[n++] = real(3, UD_FAILOVER_PLANNED, 29, UD_FAILOVER_PROTECTED, "failback");
	runs[n++] = real(1, UD_FAILOVER_UNPLANNED, 12, UD_FAILOVER_PROTECTED, "site_outage");
	runs[n++] = real(
		5, UD_FAILOVER_PLANNED, 0, UD_FAILOVER_CUSTOMER_VALIDATION, "host_maintenance");
	runs[n - 1].at = 180;
	runs[n++] =
		real(4, UD_FAILOVER_PLANNED, 0, UD_FAILOVER_AWAITING_APPROVAL, "host_maintenance");
	runs[n - 1].at = 75;
	runs[n - 1].stage = 1;
	runs[n++] = test(0, 1, 0, false);
	runs[n - 1].at = 42;
	runs[n - 1].stage = 1;
	for (size_t i = 0; i < n; i++)
		add_run(h, &runs[i]);
}

/* ---- tickets ---- */

static const struct {
	unsigned type, severity;
	const char *subject, *body, *answer;
} texts[] = {
	{ UD_TICKET_INCIDENT, UD_SEVERITY_HIGH, "%s answers slowly",
		"Pages take more than ten seconds since this morning.",
		"The disk queue was long while a report ran; we moved the report to the night." },
	{ UD_TICKET_INCIDENT, UD_SEVERITY_URGENT, "%s cannot be reached",
		"Nobody can sign in. The console shows the sign-in screen.",
		"The guest's network card had lost its link; it was connected again." },
	{ UD_TICKET_INCIDENT, UD_SEVERITY_NORMAL, "Replication of %s is behind",
		"The portal says that the newest point is older than promised.",
		"The line between the sites was full during the backup; the window was moved." },
	{ UD_TICKET_INCIDENT, UD_SEVERITY_LOW, "Clock of %s is two minutes late",
		"The log's times do not match those of the other servers.",
		"The guest asks the right time servers now." },
	{ UD_TICKET_REQUEST, UD_SEVERITY_NORMAL, "More memory for %s",
		"Please give it 16 GiB more in the next window.",
		"Done in tonight's window; the guest sees it." },
	{ UD_TICKET_REQUEST, UD_SEVERITY_LOW, "A larger disk for %s",
		"The data disk has 8 % left. 100 GiB more, please.",
		"The disk is larger; the file system was grown." },
	{ UD_TICKET_CHANGE, UD_SEVERITY_NORMAL, "Exclude the scratch disk of %s",
		"It holds temporary files alone and need not be copied.",
		"It is left out from the next cycle on." },
	{ UD_TICKET_CHANGE, UD_SEVERITY_NORMAL, "Shorter cycles for %s",
		"The shop goes live next week; five minutes are too long for it.",
		"It is copied every 30 seconds now; the line carries it." },
	{ UD_TICKET_HARDWARE, UD_SEVERITY_HIGH, "Predicted failure of a disk below %s",
		"The host reports a disk with growing errors.",
		"The disk was replaced; the array is whole again." },
	{ UD_TICKET_CONSULTATION, UD_SEVERITY_LOW, "What would a drill of %s cost us?",
		"We would like to know before the quarter ends.",
		"A test touches nothing of production; it takes about half an hour of your people." },
	{ UD_TICKET_ACCOUNT, UD_SEVERITY_LOW, "A second approver",
		"We need one more account that may approve failovers.",
		"You can invite one yourselves under People; we have done it together." },
	{ UD_TICKET_BILLING, UD_SEVERITY_LOW, "Question about last month's invoice",
		"The third host does not appear on it.",
		"It is on the next one; the copy of the copy began on the 28th." },
};

/* How a ticket went on after it was opened: spread by its age, the last ones still stand. */
static void go_on(struct history *h, size_t n, int64_t at)
{
	struct ud_demo *d = h->d;
	bool asks = ud_demo_below(d, 4) == 0, forgotten = ud_demo_below(d, 40) == 0;
	int64_t taken = at - 3 - ud_demo_below(d, 50), answered = taken - ud_demo_below(d, 40);
	int64_t solved = answered - 60 - ud_demo_below(d, 1500);

	add(h, at, OPENS, n);
	add(h, taken, IS_TAKEN, n);
	add(h, answered, asks ? ASKS_BACK : IS_ANSWERED, n);
	if (forgotten)
		return;
	if (asks)
		add(h, answered - 20 - ud_demo_below(d, 300), CUSTOMER_ANSWERS, n);
	if (asks)
		solved -= 320;
	add(h, solved, IS_SOLVED, n);
	add(h, solved - 7 * DAY - 1, IS_CLOSED, n);
}

static void plan_tickets(struct ud_ctx *cx, struct history *h)
{
	struct ud_demo *d = h->d;
	size_t first = h->ticket_count;

	for (size_t n = first; n < UD_DEMO_TICKETS; n++) {
		size_t text = (size_t)ud_demo_below(d, UD_LEN(texts));
		struct told *t = &h->tickets[n];

		t->customer = (size_t)ud_demo_below(d, UD_DEMO_CUSTOMERS);
		t->vm = t->customer * UD_DEMO_VMS_EACH +
			(size_t)ud_demo_below(d, UD_DEMO_PROTECTED_EACH);
		t->person = (size_t)ud_demo_below(d, UD_DEMO_ACCOUNTS);
		t->type = texts[text].type;
		t->severity = texts[text].severity;
		t->subject = strstr(texts[text].subject, "%s")
			? ud_printf(cx->arena, "%.*s%s%s", (int)strcspn(texts[text].subject, "%"),
				  texts[text].subject, d->vms[t->vm].name,
				  strchr(texts[text].subject, '%') + 2)
			: texts[text].subject;
		t->body = texts[text].body;
		t->answer = texts[text].answer;
		/* twelve came within the last hours, the rest at any time since the first day */
		int64_t at = n < first + 12 ? 8 + (int64_t)(n - first) * 19
					    : 300 + ud_demo_below(d, 89 * DAY);

		go_on(h, n, n + 1 == UD_DEMO_TICKETS ? UD_DEMO_DAYS * DAY - 10 : at);
	}
	h->ticket_count = UD_DEMO_TICKETS;
}

/* ---- doing it ---- */

static enum ud_code open_ticket(struct ud_ctx *cx, struct history *h, struct told *told)
{
	const struct ud_demo_customer *own = &h->d->customers[told->customer];
	const char **about = ud_alloc(cx->arena, sizeof(*about));
	struct ud_scope scope;
	struct ud_ticket t = { 0 };

	ud_demo_act(cx, &scope, &own->people[told->person], own->id);
	ud_shape_init(ud_tickets.shape, &t);
	about[0] = h->d->vms[told->vm].id;
	t.row.customer_id = own->id;
	t.row.labels.text = UD_DEMO_LABELS;
	t.type = told->type;
	t.severity = told->severity;
	t.subject = told->subject;
	t.body = told->body;
	if (strstr(told->subject, h->d->vms[told->vm].name))
		t.resource_ids = (struct ud_texts){ about, 1 };
	UD_TRY(ud_ticket_open(cx, &t, NULL));
	told->id = t.row.id;
	return UD_OK;
}

static enum ud_code comment(
	struct ud_ctx *cx, const struct ud_ticket *t, unsigned side, const char *text)
{
	struct ud_ticket_comment c = { .row.customer_id = t->row.customer_id,
		.ticket_id = t->row.id,
		.body = text,
		.side = side,
		.author_id = cx->scope->id,
		.author_name = cx->scope->name };

	return ud_demo_put(cx, &ud_ticket_comments, &c);
}

static enum ud_code fire(struct ud_ctx *cx, const struct told *told, enum ud_ticket_event event,
	unsigned side, const char *words)
{
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_row_get(cx, &ud_tickets, told->id, &old));
	t = old;
	if (words)
		UD_TRY(comment(cx, &t, side, words));
	return ud_ticket_fire(cx, event, &old, &t);
}

static enum ud_code by_staff(struct ud_ctx *cx, struct history *h, const struct told *told,
	enum ud_ticket_event event, const char *words)
{
	struct ud_scope scope;

	ud_demo_act(cx, &scope, &h->d->staff[told->vm % 3], NULL);
	return fire(cx, told, event, UD_SIDE_STAFF, words);
}

static enum ud_code by_customer(struct ud_ctx *cx, struct history *h, const struct told *told)
{
	const struct ud_demo_customer *own = &h->d->customers[told->customer];
	struct ud_scope scope;

	ud_demo_act(cx, &scope, &own->people[told->person], own->id);
	return fire(cx, told, UD_TICKET_CUSTOMER_REPLY, UD_SIDE_CUSTOMER,
		"Since about nine o'clock; nothing was changed on our side.");
}

static enum ud_code tell_breach(struct ud_ctx *cx, struct history *h, size_t customer, bool back)
{
	struct ud_scope system = ud_scope_system("demo-seed");
	struct ud_replication r = { 0 };

	cx->scope = &system;
	UD_TRY(ud_row_get(
		cx, &ud_replications, h->d->vms[customer * UD_DEMO_VMS_EACH].replication_id, &r));
	return ud_event_add(
		cx, back ? "rpo_restored" : "rpo_breached", ud_replications.shape, NULL, &r);
}

static enum ud_code happen(struct ud_ctx *cx, struct history *h, const struct happening *e)
{
	struct told *t = &h->tickets[e->n];

	switch (e->what) {
	case OPENS:
		return open_ticket(cx, h, t);
	case IS_TAKEN:
		return by_staff(cx, h, t, UD_TICKET_CLAIM, NULL);
	case IS_ANSWERED:
		return by_staff(
			cx, h, t, UD_TICKET_STAFF_REPLY, "Thank you, we are looking at it.");
	case ASKS_BACK:
		return by_staff(
			cx, h, t, UD_TICKET_REQUEST_INFO, "Since when, and was anything changed?");
	case CUSTOMER_ANSWERS:
		return by_customer(cx, h, t);
	case IS_SOLVED:
		return by_staff(cx, h, t, UD_TICKET_SOLVE, t->answer);
	case IS_CLOSED:
		return ud_ticket_happen(cx, t->id, UD_TICKET_GRACE_OVER);
	case RUN_IS_ASKED_FOR:
		return ud_demo_run_ask(cx, h->d, t->run, &t->id);
	case RUN_IS_APPROVED:
		return ud_demo_run_approve(cx, h->d, t->run, t->id);
	case RUN_ENDS:
		return ud_demo_run_end(cx, h->d, t->run, t->id);
	case RPO_BREAKS:
	case RPO_IS_BACK:
		return tell_breach(cx, h, e->n, e->what == RPO_IS_BACK);
	}
	return UD_OK;
}

/* The oldest first; of one minute in the order of the story. */
static int by_time(const void *a, const void *b)
{
	const struct happening *x = a, *y = b;

	if (x->at != y->at)
		return x->at > y->at ? -1 : 1;
	if (x->n != y->n)
		return x->n < y->n ? -1 : 1;
	return (int)x->what - (int)y->what;
}

enum ud_code ud_demo_history(struct ud_ctx *cx, struct ud_demo *d)
{
	struct history *h = ud_alloc(cx->arena, sizeof(*h));
	struct planned_run *runs = ud_alloc(cx->arena, sizeof(*runs) * RUNS_MAX);
	struct ud_scope system = ud_scope_system("demo-seed");

	h->d = d;
	plan_runs(h, runs);
	plan_tickets(cx, h);
	add(h, 12 * DAY + 400, RPO_BREAKS, 0);
	add(h, 12 * DAY + 220, RPO_IS_BACK, 0);
	add(h, 25 * DAY + 400, RPO_BREAKS, 3);
	add(h, 25 * DAY + 350, RPO_IS_BACK, 3);
	qsort(h->list, h->count, sizeof(*h->list), by_time);
	for (size_t i = 0; i < h->count; i++) {
		cx->now_ms = ud_demo_ago(d, h->list[i].at);
		UD_TRY(happen(cx, h, &h->list[i]));
	}
	cx->scope = &system;
	cx->now_ms = d->until_ms;
	return ud_demo_see(cx, ud_demo_ago(d, UNSEEN));
}
