/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets: opening, reading, changing, and the verbs that need no more than a row of the table in
 * ticket_moves.c. Comments and other parts are ticket_parts.c, approvals are approvals.c.
 */
#include "api/tickets.h"

#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "api/ticket_run.h"
#include "base/rules.h"
#include "db/events.h"
#include "db/references.h"
#include "db/ticket_parts.h"
#include "server/events/stream.h"
#include "server/http/list.h"

static enum ud_code complete(struct ud_ctx *cx, void *row)
{
	(void)cx;
	ud_ticket_complete_brief(row);
	return UD_OK;
}

const struct ud_resource ud_tickets_resource = { .table = &ud_tickets, .complete = complete };

enum ud_code ud_ticket_answer(struct ud_ctx *cx, struct ud_request *rq, struct ud_ticket *t)
{
	UD_TRY(ud_ticket_complete(cx, t));
	return ud_answer(cx, rq, ud_tickets.shape, t);
}

enum ud_code ud_ticket_load(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_ticket *old, struct ud_ticket *t)
{
	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], old));
	UD_TRY(ud_check_match(cx, rq, old->row.version));
	*t = *old;
	return UD_OK;
}

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket t = { 0 };

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	return ud_ticket_answer(cx, rq, &t);
}

/* ---- opening ---- */

struct create_body {
	const char *customer_id;
	unsigned type, severity;
	const char *subject, *body, *category_id, *site_id, *on_behalf_of_id, *language;
	struct ud_texts resource_ids;
	struct ud_json failover, form;
};
/* clang-format off */
static const struct ud_field create_fields[] = {
	UD_FIELD(create_body, customer_id,     .refers = "cus", .about = "Customer it is for; the caller's own when not given, null = the provider's own affair."),
	UD_FIELD(create_body, type,            .flags = UD_REQUIRED, .values = &ud_ticket_types, .about = "What kind of ticket it is."),
	UD_FIELD(create_body, severity,        .values = &ud_ticket_severities, .standard = UD_SEVERITY_NORMAL, .about = "How bad it is."),
	UD_FIELD(create_body, subject,         .max = 200, .rule = ud_rule_name, .about = "What it is about, in a line; a failover and a form have one by themselves."),
	UD_FIELD(create_body, body,            .max = 20000, .about = "What is asked for."),
	UD_FIELD(create_body, category_id,     .refers = "tca", .about = "Category."),
	UD_FIELD(create_body, site_id,         .refers = "sit", .about = "Site it is about; that of the first VM when not given."),
	UD_FIELD(create_body, on_behalf_of_id, .refers = "usr", .about = "Whom it is opened for."),
	UD_FIELD(create_body, language,        .max = 35, .about = "Language to answer in (BCP 47)."),
	UD_FIELD(create_body, resource_ids,    .max = 200, .about = "Ids of the VMs and other things it is about."),
	UD_FIELD(create_body, failover,        .about = "For type failover: kind, vm_ids or plan_id, reason_code, and what else the request needs."),
	UD_FIELD(create_body, form,            .flags = UD_NULLABLE, .part = &ud_ticket_form_shape, .about = "What is asked for by a form of GET /v1/ticket-forms; what it names is added to resource_ids."),
};
/* clang-format on */
static const struct ud_shape create_shape = { .bare = true, UD_SHAPE(create_body, create_fields) };

static enum ud_code check_create(struct ud_ctx *cx, const struct create_body *in)
{
	bool failover = in->type == UD_TICKET_FAILOVER;

	if (failover != (in->failover.text != NULL))
		return ud_fail_field(cx, "failover", failover ? "required" : "not_allowed",
			"failover goes with the type failover, and only with it.");
	if (!failover && !in->subject && !in->form.text)
		return ud_fail_field(cx, "subject", "required", "subject is required.");
	return UD_OK;
}

/* The same for everybody, so that lists can be read. */
static const char *subject_of(struct ud_ctx *cx, const struct ud_ticket *t)
{
	const char *kind = ud_ticket_failovers.names[t->failover_kind];

	return ud_printf(cx->arena, "%c%s failover of %zu VM%s", kind[0] - 32, kind + 1,
		t->resource_ids.count, t->resource_ids.count == 1 ? "" : "s");
}

static enum ud_code create(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct create_body *in = rq->in;
	void *request = NULL;
	struct ud_ticket t = { .row.customer_id = in->customer_id,
		.type = in->type,
		.severity = in->severity,
		.subject = in->subject,
		.body = in->body,
		.form = in->form,
		.category_id = in->category_id,
		.site_id = in->site_id,
		.on_behalf_of_id = in->on_behalf_of_id,
		.language = in->language,
		.resource_ids = in->resource_ids,
		.channel = rq->scope.session_id ? UD_CHANNEL_PORTAL : UD_CHANNEL_API };

	UD_TRY(check_create(cx, in));
	if (in->failover.text)
		UD_TRY(ud_ticket_run_read(cx, in->failover.text, &t, &request));
	if (in->failover.text && !t.subject)
		t.subject = subject_of(cx, &t);
	UD_TRY(ud_ticket_open(cx, &t, request));
	return ud_ticket_answer(cx, rq, &t);
}

/* ---- changing ---- */

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* What a ticket is about may be mended while it lives; whose it is stays. */
static enum ud_code edit(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_shape_decode(cx, ud_tickets.shape, UD_PATCH, rq->json, &t, &rq->given));
	if (!same(t.row.customer_id, old.row.customer_id))
		return ud_fail_field(
			cx, "customer_id", "fixed", "customer_id is set at creation and stays.");
	UD_TRY(ud_ticket_changed(cx, &old, &t));
	UD_TRY(ud_ticket_fire(cx, UD_TICKET_EDIT, &old, &t));
	return ud_ticket_answer(cx, rq, &t);
}

/* The operation of the route, by its last part. */
static enum ud_ticket_event event_of(const struct ud_request *rq)
{
	return (enum ud_ticket_event)ud_enum_index(
		&ud_ticket_events, strrchr(rq->route->path, '/') + 1);
}

/* Verbs that say all by their name. */
static enum ud_code move(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_ticket_fire(cx, event_of(rq), &old, &t));
	return ud_ticket_answer(cx, rq, &t);
}

/* ---- verbs with a word ---- */

struct note_body {
	const char *note;
};
struct ask_body {
	const char *question;
};
struct assign_body {
	const char *assignee_id, *queue_id;
};
struct snooze_body {
	struct ud_time until;
};
struct wait_body {
	unsigned waiting_for;
};
struct transfer_body {
	const char *to;
};

static const char *const cause_names[] = { "vendor", "maintenance", "machine" };
static const struct ud_enum causes = { "ticket_wait", cause_names, UD_LEN(cause_names) };

/* clang-format off */
static const struct ud_field note_fields[] = {
	UD_FIELD(note_body, note, .max = 2000, .about = "What was done, for the customer to read."),
};
static const struct ud_shape note_shape = { .bare = true, UD_SHAPE(note_body, note_fields) };
static const struct ud_field ask_fields[] = {
	UD_FIELD(ask_body, question, .flags = UD_REQUIRED, .max = 20000, .about = "What the customer is asked; it becomes a public comment."),
};
static const struct ud_shape ask_shape = { .bare = true, UD_SHAPE(ask_body, ask_fields) };
static const struct ud_field assign_fields[] = {
	UD_FIELD(assign_body, assignee_id, .refers = "usr", .about = "Who shall work on it; null = nobody in particular; oneself when neither is given."),
	UD_FIELD(assign_body, queue_id,    .refers = "que", .about = "Queue it goes to."),
};
static const struct ud_shape assign_shape = { .bare = true, UD_SHAPE(assign_body, assign_fields) };
static const struct ud_field snooze_fields[] = {
	UD_FIELD(snooze_body, until, .flags = UD_REQUIRED, .about = "Until when it is laid aside, ten years at most."),
};
static const struct ud_shape snooze_shape = { .bare = true, UD_SHAPE(snooze_body, snooze_fields) };
static const struct ud_field wait_fields[] = {
	UD_FIELD(wait_body, waiting_for, .flags = UD_REQUIRED, .values = &causes, .about = "What it waits for; a customer is asked with request-info."),
};
static const struct ud_shape wait_shape = { .bare = true, UD_SHAPE(wait_body, wait_fields) };
static const struct ud_field transfer_fields[] = {
	UD_FIELD(transfer_body, to, .flags = UD_REQUIRED, .max = 500, .about = "Where it goes on: another desk, firm or system, with its number there."),
};
static const struct ud_shape transfer_shape = { .bare = true, UD_SHAPE(transfer_body, transfer_fields) };
/* clang-format on */

/* A note for the customer, in its own words. */
static enum ud_code say(struct ud_ctx *cx, const struct ud_ticket *t, const char *text)
{
	struct ud_ticket_comment c = { .row.customer_id = t->row.customer_id,
		.ticket_id = t->row.id,
		.body = text,
		.side = cx->scope->home_customer_id ? UD_SIDE_CUSTOMER : UD_SIDE_STAFF,
		.author_id = cx->scope->id,
		.author_name = cx->scope->name };

	if (!text)
		return UD_OK;
	UD_TRY(ud_row_insert(cx, &ud_ticket_comments, &c));
	return ud_event_add(cx, "created", ud_ticket_comments.shape, NULL, &c);
}

static enum ud_code move_with_note(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct note_body *in = rq->in;
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_ticket_fire(cx, event_of(rq), &old, &t));
	UD_TRY(say(cx, &t, in->note));
	return ud_ticket_answer(cx, rq, &t);
}

static enum ud_code request_info(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ask_body *in = rq->in;
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_ticket_fire(cx, UD_TICKET_REQUEST_INFO, &old, &t));
	UD_TRY(say(cx, &t, in->question));
	return ud_ticket_answer(cx, rq, &t);
}

static enum ud_code assign(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct assign_body *in = rq->in;
	struct ud_ticket old = { 0 }, t;
	bool given = ud_given_name(&rq->given, &assign_shape, "assignee_id"), fine = true;
	bool person = given || !in->queue_id;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	if (!given && person && cx->scope->kind != UD_PRINCIPAL_USER)
		return ud_fail(cx, UD_E_PERSON_REQUIRED, NULL, "Tickets are taken by people.");
	if (person) {
		t.assignee_id = given ? in->assignee_id : cx->scope->id;
		t.assignee_name = NULL;
	}
	if (t.assignee_id && person) {
		UD_TRY(ud_ticket_staff_name(cx, t.assignee_id, &t.assignee_name));
		if (!t.assignee_name)
			return ud_fail_field(cx, "assignee_id", "not_found",
				"assignee_id names nobody of the support team.");
	}
	if (in->queue_id) {
		UD_TRY(ud_reference_check(cx, "queue_id", "que", in->queue_id, NULL, &fine));
		if (!fine)
			return cx->problem.code;
		t.queue_id = in->queue_id;
	}
	UD_TRY(ud_ticket_fire(cx, UD_TICKET_ASSIGN, &old, &t));
	return ud_ticket_answer(cx, rq, &t);
}

static enum ud_code snooze(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct snooze_body *in = rq->in;
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	if (in->until.ms <= cx->now_ms || in->until.ms > cx->now_ms + 3660 * INT64_C(86400000))
		return ud_fail_field(
			cx, "until", "out_of_range", "until is ahead by ten years at most.");
	t.snoozed_until = in->until;
	UD_TRY(ud_ticket_fire(cx, UD_TICKET_SNOOZE, &old, &t));
	return ud_ticket_answer(cx, rq, &t);
}

static enum ud_code wait(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct wait_body *in = rq->in;
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_ticket_fire(
		cx, (enum ud_ticket_event)(UD_TICKET_WAIT_VENDOR + in->waiting_for), &old, &t));
	return ud_ticket_answer(cx, rq, &t);
}

static enum ud_code transfer(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct transfer_body *in = rq->in;
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_ticket_fire(cx, UD_TICKET_TRANSFER, &old, &t));
	UD_TRY(say(cx, &t, ud_printf(cx->arena, "This goes on elsewhere: %s", in->to)));
	return ud_ticket_answer(cx, rq, &t);
}

/* ---- merging and splitting ---- */

struct merge_body {
	const char *into_id;
};
struct split_body {
	const char *subject, *body;
	struct ud_texts comment_ids;
};
/* clang-format off */
static const struct ud_field merge_fields[] = {
	UD_FIELD(merge_body, into_id, .flags = UD_REQUIRED, .refers = "tkt", .about = "Ticket of the same customer that goes on."),
};
static const struct ud_shape merge_shape = { .bare = true, UD_SHAPE(merge_body, merge_fields) };
static const struct ud_field split_fields[] = {
	UD_FIELD(split_body, subject,     .flags = UD_REQUIRED, .max = 200, .rule = ud_rule_name, .about = "What the new ticket is about."),
	UD_FIELD(split_body, body,        .max = 20000, .about = "What it asks for."),
	UD_FIELD(split_body, comment_ids, .max = 200, .about = "Comments that go along."),
};
static const struct ud_shape split_shape = { .bare = true, UD_SHAPE(split_body, split_fields) };
/* clang-format on */

static enum ud_code merge(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct merge_body *in = rq->in;
	struct ud_ticket old = { 0 }, t, into = { 0 };

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	if (strcmp(in->into_id, old.row.id) == 0)
		return ud_fail(
			cx, UD_E_INVALID_STATE, "into_id", "A ticket is not merged into itself.");
	if (ud_row_get(cx, &ud_tickets, in->into_id, &into) != UD_OK) {
		ud_ctx_clear(cx);
		return ud_fail_field(
			cx, "into_id", "not_found", "into_id names no ticket that you can see.");
	}
	if (!same(into.row.customer_id, old.row.customer_id))
		return ud_fail_field(
			cx, "into_id", "other_customer", "Both belong to one customer.");
	if (into.state >= UD_TICKET_CLOSED)
		return ud_fail(cx, UD_E_INVALID_STATE, "into_id", "The other ticket is %s.",
			ud_ticket_states.names[into.state]);
	t.merged_into_id = into.row.id;
	UD_TRY(ud_ticket_fire(cx, UD_TICKET_MERGE, &old, &t));
	UD_TRY(ud_ticket_link_up(cx, &t, into.row.id, UD_DUPLICATES));
	UD_TRY(ud_watchers_copy(cx, t.row.id, into.row.id));
	UD_TRY(say(cx, &into, ud_printf(cx->arena, "%s was merged into this.", t.number)));
	return ud_ticket_answer(cx, rq, &t);
}

static enum ud_code split(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct split_body *in = rq->in;
	struct ud_ticket old = { 0 }, t;
	int64_t moved = 0;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	struct ud_ticket part = { .row.customer_id = old.row.customer_id,
		.type = old.type == UD_TICKET_FAILOVER ? UD_TICKET_INCIDENT : old.type,
		.severity = old.severity,
		.subject = in->subject,
		.body = in->body,
		.category_id = old.category_id,
		.site_id = old.site_id,
		.queue_id = old.queue_id,
		.channel = old.channel,
		.language = old.language,
		.requester_id = old.requester_id,
		.requester_name = old.requester_name,
		.on_behalf_of_id = old.on_behalf_of_id };

	UD_TRY(ud_ticket_fire(cx, UD_TICKET_SPLIT, &old, &t));
	UD_TRY(ud_ticket_open(cx, &part, NULL));
	UD_TRY(ud_ticket_link_up(cx, &part, old.row.id, UD_IS_PART_OF));
	UD_TRY(ud_comments_move(cx, old.row.id, part.row.id, &in->comment_ids, &moved));
	if (moved != (int64_t)in->comment_ids.count)
		return ud_fail_field(cx, "comment_ids", "not_found",
			"comment_ids names comments that this ticket does not have.");
	UD_TRY(ud_watchers_copy(cx, old.row.id, part.row.id));
	return ud_ticket_answer(cx, rq, &part);
}

/* ---- history ---- */

struct history {
	struct ud_request *rq;
	bool any;
};

static enum ud_code add_change(struct ud_ctx *cx, void *data, const struct ud_event *e)
{
	struct history *h = data;

	if (h->any)
		ud_buf_putc(&h->rq->out, ',');
	h->any = true;
	ud_event_encode(cx, h->rq->server, &h->rq->out, e);
	return UD_OK;
}

static enum ud_code history(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_event_query q = { .newest_first = true, .subject_id = rq->arg[0] };
	struct history h = { rq, false };
	struct ud_ticket t = { 0 };
	bool more = false;

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	UD_TRY(ud_page_limit(cx, rq, &q.limit));
	ud_page_open(rq);
	UD_TRY(ud_event_list(cx, &q, add_change, &h, &more));
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

enum { WRITE = UD_CUSTOMER_WRITE | UD_SUPPORT };

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",   "/v1/tickets",                   "tickets.list",         UD_PEOPLE,            "tickets:read",  UD_LIST, .resource = &ud_tickets_resource, .handle = ud_rest_list, .about = "List tickets." },
	{ "POST",  "/v1/tickets",                   "tickets.create",       WRITE,                "tickets:write", UD_WRITE | UD_KEY_REQUIRED, &create_shape, .status = 201, .resource = &ud_tickets_resource, .handle = create, .about = "Open a ticket; a failover begins in no other way." },
	{ "GET",   "/v1/tickets/{id}",              "tickets.show",         UD_PEOPLE,            "tickets:read",  0, .resource = &ud_tickets_resource, .handle = show, .about = "Show a ticket, with what the caller may do and what is in the way." },
	{ "PATCH", "/v1/tickets/{id}",              "tickets.edit",         WRITE,                "tickets:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &ud_tickets_resource, .handle = edit, .about = "Change what a ticket is about; approvals given before are void." },
	{ "POST",  "/v1/tickets/{id}/acknowledge",  "tickets.acknowledge",  UD_SUPPORT,           "tickets:write", UD_WRITE, .resource = &ud_tickets_resource, .handle = move, .about = "Say that somebody has seen it." },
	{ "POST",  "/v1/tickets/{id}/claim",        "tickets.claim",        UD_SUPPORT,           "tickets:write", UD_WRITE | UD_PERSON, .resource = &ud_tickets_resource, .handle = move, .about = "Take a ticket that nobody has." },
	{ "POST",  "/v1/tickets/{id}/assign",       "tickets.assign",       UD_SUPPORT,           "tickets:write", UD_WRITE, &assign_shape, .resource = &ud_tickets_resource, .handle = assign, .about = "Give a ticket to somebody of the support team or to another queue." },
	{ "POST",  "/v1/tickets/{id}/release",      "tickets.release",      UD_SUPPORT,           "tickets:write", UD_WRITE, .resource = &ud_tickets_resource, .handle = move, .about = "Put a ticket back into its queue." },
	{ "POST",  "/v1/tickets/{id}/escalate",     "tickets.escalate",     UD_SUPPORT,           "tickets:write", UD_WRITE, .resource = &ud_tickets_resource, .handle = move, .about = "Escalate a ticket to the queue above." },
	{ "POST",  "/v1/tickets/{id}/snooze",       "tickets.snooze",       UD_SUPPORT,           "tickets:write", UD_WRITE, &snooze_shape, .resource = &ud_tickets_resource, .handle = snooze, .about = "Lay a ticket aside until an instant, or until the customer answers." },
	{ "POST",  "/v1/tickets/{id}/request-info", "tickets.request-info", UD_SUPPORT,           "tickets:write", UD_WRITE, &ask_shape, .resource = &ud_tickets_resource, .handle = request_info, .about = "Ask the customer; the clock until the solution stands still." },
	{ "POST",  "/v1/tickets/{id}/wait",         "tickets.wait",         UD_SUPPORT,           "tickets:write", UD_WRITE, &wait_shape, .resource = &ud_tickets_resource, .handle = wait, .about = "Say what a ticket waits for." },
	{ "POST",  "/v1/tickets/{id}/resume",       "tickets.resume",       UD_SUPPORT,           "tickets:write", UD_WRITE, .resource = &ud_tickets_resource, .handle = move, .about = "Say that a ticket waits no longer." },
	{ "POST",  "/v1/tickets/{id}/solve",        "tickets.solve",        WRITE,                "tickets:write", UD_WRITE, &note_shape, .resource = &ud_tickets_resource, .handle = move_with_note, .about = "Say that it is solved; a failover must have been put in order before." },
	{ "POST",  "/v1/tickets/{id}/reopen",       "tickets.reopen",       WRITE,                "tickets:write", UD_WRITE, &note_shape, .resource = &ud_tickets_resource, .handle = move_with_note, .about = "Say within seven days that it is not solved." },
	{ "POST",  "/v1/tickets/{id}/close",        "tickets.close",        WRITE,                "tickets:write", UD_WRITE, .resource = &ud_tickets_resource, .handle = move, .about = "Close a solved ticket for good before its seven days are over." },
	{ "POST",  "/v1/tickets/{id}/cancel",       "tickets.cancel",       WRITE,                "tickets:write", UD_WRITE, &note_shape, .resource = &ud_tickets_resource, .handle = move_with_note, .about = "Withdraw a ticket." },
	{ "POST",  "/v1/tickets/{id}/merge",        "tickets.merge",        UD_SUPPORT,           "tickets:write", UD_WRITE, &merge_shape, .resource = &ud_tickets_resource, .handle = merge, .about = "Let another ticket go on for this one, too." },
	{ "POST",  "/v1/tickets/{id}/split",        "tickets.split",        UD_SUPPORT,           "tickets:write", UD_WRITE, &split_shape, .status = 201, .resource = &ud_tickets_resource, .handle = split, .about = "Make a ticket of its own of a part of this one." },
	{ "POST",  "/v1/tickets/{id}/transfer",     "tickets.transfer",     UD_R(SUPPORT_LEAD),   "tickets:write", UD_WRITE, &transfer_shape, .resource = &ud_tickets_resource, .handle = transfer, .about = "Hand a ticket over to somebody outside." },
	{ "GET",   "/v1/tickets/{id}/history",      "tickets.history",      UD_PEOPLE,            "tickets:read",  UD_WHOLE, .answer = &ud_event_shape, .handle = history, .about = "List what happened to a ticket, newest first." },
};
/* clang-format on */
const struct ud_routes ud_api_tickets = { "Tickets", rows, UD_LEN(rows) };
