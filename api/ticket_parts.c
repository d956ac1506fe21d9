/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hangs on tickets: comments, watchers, links and working time. A customer's answer moves the
 * ticket; after its end it opens a new one that goes on from the old.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "api/macros.h"
#include "api/tickets.h"
#include "db/events.h"
#include "db/ticket_parts.h"
#include "server/http/list.h"
#include "server/http/server.h"
#include "server/http/viewers.h"

static enum ud_code load_ticket(
	struct ud_ctx *cx, const struct ud_request *rq, struct ud_ticket *ret)
{
	return ud_row_get(cx, &ud_tickets, rq->arg[0], ret);
}

static enum ud_code list_of_ticket(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket t = { 0 };

	UD_TRY(load_ticket(cx, rq, &t));
	return ud_rest_list(cx, rq);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_me(const struct ud_ctx *cx, const char *id)
{
	return id && same(id, cx->scope->id);
}

/* ---- comments ---- */

static const struct ud_resource comments = { .table = &ud_ticket_comments,
	.parent_column = "ticket_id" };

struct comment_body {
	const char *body, *macro_id;
	unsigned visibility;
};
/* clang-format off */
static const struct ud_field comment_fields[] = {
	UD_FIELD(comment_body, body,       .max = 20000, .about = "What you say; or macro_id."),
	UD_FIELD(comment_body, macro_id,   .max = 40, .about = "Macro that says it, with the ticket's words filled in; for the provider's people."),
	UD_FIELD(comment_body, visibility, .values = &ud_visibilities, .about = "internal = only for the provider's people."),
};
static const struct ud_shape comment_shape = { .bare = true, UD_SHAPE(comment_body, comment_fields) };

struct comment_edit {
	const char *body;
};
static const struct ud_field edit_fields[] = {
	UD_FIELD(comment_edit, body, .min = 1, .max = 20000, .about = "What you say."),
};
static const struct ud_shape edit_shape = { .bare = true, UD_SHAPE(comment_edit, edit_fields) };
/* clang-format on */

enum ud_code ud_ticket_internal(struct ud_ctx *cx)
{
	if (!ud_ticket_by_staff(cx))
		return ud_fail(cx, UD_E_ROLE_MISSING, "visibility",
			"Internal comments are the provider's.");
	if (cx->scope->customer_id)
		return ud_fail_field(cx, "visibility", "not_allowed",
			"On behalf of a customer there is nothing internal.");
	return UD_OK;
}

static enum ud_code add_comment(struct ud_ctx *cx, const struct ud_ticket *t,
	const struct comment_body *in, struct ud_ticket_comment *ret)
{
	bool internal = in->visibility == UD_VISIBILITY_INTERNAL;

	*ret = (struct ud_ticket_comment){ .row.customer_id = internal ? NULL : t->row.customer_id,
		.ticket_id = t->row.id,
		.body = in->body,
		.visibility = in->visibility,
		.side = ud_ticket_by_staff(cx) ? UD_SIDE_STAFF : UD_SIDE_CUSTOMER,
		.author_id = cx->scope->id,
		.author_name = cx->scope->name,
		.edited_at.ms = UD_NONE };
	UD_TRY(ud_row_insert(cx, &ud_ticket_comments, ret));
	return ud_event_add(cx, "created", ud_ticket_comments.shape, NULL, ret);
}

enum ud_code ud_ticket_link_up(struct ud_ctx *cx, const struct ud_ticket *t, const char *other_id,
	enum ud_ticket_relation relation)
{
	struct ud_ticket_link l = { .row.customer_id = t->row.customer_id,
		.ticket_id = t->row.id,
		.other_id = other_id,
		.relation = relation };

	UD_TRY(ud_row_insert(cx, &ud_ticket_links, &l));
	return ud_event_add(cx, "created", ud_ticket_links.shape, NULL, &l);
}

/* A late answer does not revive what is over: it begins anew, and says where it comes from. */
static enum ud_code go_on(struct ud_ctx *cx, const struct ud_ticket *old,
	const struct comment_body *in, struct ud_ticket *ret)
{
	bool again = strncmp(old->subject, "Re: ", 4) == 0;

	*ret = (struct ud_ticket){ .row.customer_id = old->row.customer_id,
		.type = old->type == UD_TICKET_FAILOVER || old->type == UD_TICKET_DRILL
			? UD_TICKET_INCIDENT
			: old->type,
		.severity = old->severity,
		.subject = again ? old->subject : ud_printf(cx->arena, "Re: %.190s", old->subject),
		.body = in->body,
		.category_id = old->category_id,
		.site_id = old->site_id,
		.resource_ids = old->resource_ids,
		.language = old->language,
		.channel = old->channel,
		.on_behalf_of_id = old->on_behalf_of_id,
		.continues_id = old->row.id };
	UD_TRY(ud_ticket_open(cx, ret, NULL));
	UD_TRY(ud_ticket_link_up(cx, ret, old->row.id, UD_CONTINUES));
	return ud_watchers_copy(cx, old->row.id, ret->row.id);
}

/* What a public comment does to its ticket; *t becomes the one it belongs to. */
static enum ud_code reply(struct ud_ctx *cx, const struct comment_body *in, struct ud_ticket *t)
{
	bool customer = !ud_ticket_by_staff(cx);
	enum ud_ticket_event event = customer ? UD_TICKET_CUSTOMER_REPLY : UD_TICKET_STAFF_REPLY;
	struct ud_ticket old = *t;
	struct ud_ticket_verdict v;
	const struct ud_ticket_move *m = NULL;

	UD_TRY(ud_ticket_ask(cx, &old, event, &v, &m));
	if (v.code == UD_OK)
		return ud_ticket_move(cx, m, &old, t);
	return customer ? go_on(cx, &old, in, t) : UD_OK;
}

/* What is said: in one's own words, or in a macro's. */
static enum ud_code find_words(
	struct ud_ctx *cx, const struct ud_ticket *t, struct comment_body *in)
{
	if (in->body && in->macro_id)
		return ud_fail_field(
			cx, "macro_id", "not_allowed", "Send body or macro_id, not both.");
	if (in->macro_id)
		return ud_macro_fill(cx, in->macro_id, t, &in->body);
	return in->body && *in->body ? UD_OK
				     : ud_fail_field(cx, "body", "required", "body is required.");
}

static enum ud_code create_comment(struct ud_ctx *cx, struct ud_request *rq)
{
	struct comment_body said = *(const struct comment_body *)rq->in, *in = &said;
	struct ud_ticket_comment c;
	struct ud_ticket t = { 0 };
	struct ud_ticket_verdict v;
	const struct ud_ticket_move *m = NULL;

	UD_TRY(load_ticket(cx, rq, &t));
	UD_TRY(find_words(cx, &t, in));
	UD_TRY(ud_ticket_ask(cx, &t, UD_TICKET_COMMENT, &v, &m));
	if (v.code != UD_OK)
		return ud_fail(cx, v.code, NULL, "%s", v.text);
	if (in->visibility == UD_VISIBILITY_INTERNAL)
		UD_TRY(ud_ticket_internal(cx));
	else
		UD_TRY(reply(cx, in, &t));
	UD_TRY(add_comment(cx, &t, in, &c));
	return ud_answer(cx, rq, ud_ticket_comments.shape, &c);
}

/* A comment of this ticket, seen and written by the caller. */
static enum ud_code load_comment(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_ticket_comment *ret)
{
	struct ud_ticket t = { 0 };

	UD_TRY(load_ticket(cx, rq, &t));
	UD_TRY(ud_row_get(cx, &ud_ticket_comments, rq->arg[1], ret));
	if (strcmp(ret->ticket_id, t.row.id) != 0)
		return ud_fail(
			cx, UD_E_NOT_FOUND, NULL, "There is no ticket_comment with this id.");
	UD_TRY(ud_check_match(cx, rq, ret->row.version));
	if (!is_me(cx, ret->author_id))
		return ud_fail(cx, UD_E_ROLE_MISSING, NULL, "Only its author changes a comment.");
	return UD_OK;
}

static enum ud_code edit_comment(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket_comment old = { 0 }, c;
	struct comment_edit in;

	UD_TRY(load_comment(cx, rq, &old));
	c = old;
	in.body = old.body;
	UD_TRY(ud_shape_decode(cx, &edit_shape, UD_PATCH, rq->json, &in, &rq->given));
	if (!in.body)
		return ud_fail_field(cx, "body", "required", "body cannot be null.");
	c.body = in.body;
	c.edited_at.ms = cx->now_ms;
	UD_TRY(ud_rest_change(cx, &comments, &rq->given, "updated", &old, &c));
	return ud_answer(cx, rq, ud_ticket_comments.shape, &c);
}

/* ---- watchers ---- */

static const struct ud_resource watchers = { .table = &ud_ticket_watchers,
	.parent_column = "ticket_id" };

struct watch_body {
	const char *user_id;
};
/* clang-format off */
static const struct ud_field watch_fields[] = {
	UD_FIELD(watch_body, user_id, .refers = "usr", .about = "Who watches; oneself when not given."),
};
static const struct ud_shape watch_shape = { .bare = true, UD_SHAPE(watch_body, watch_fields) };
/* clang-format on */

static enum ud_code no_such_user(struct ud_ctx *cx)
{
	return ud_fail_field(
		cx, "user_id", "not_found", "user_id names nobody who may see this ticket.");
}

/* The ticket's own company's people, and the provider's. A row of one of the provider's people is
 * the provider's, so that customers do not see who of them looks on. */
static enum ud_code watch(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct watch_body *in = rq->in;
	struct ud_ticket t = { 0 };
	struct ud_ticket_watcher w = { .user_id = in->user_id ? in->user_id : cx->scope->id };
	bool found = false;

	UD_TRY(load_ticket(cx, rq, &t));
	if (!in->user_id && cx->scope->kind != UD_PRINCIPAL_USER)
		return ud_fail(cx, UD_E_PERSON_REQUIRED, NULL, "Only people watch tickets.");
	UD_TRY(ud_watcher_name(cx, w.user_id, &found, &w.user_name, &w.row.customer_id));
	if (found && is_me(cx, w.user_id) && cx->scope->on_behalf_of)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"Watch it in your own name, not on behalf of a customer.");
	if (!found || (w.row.customer_id && !same(w.row.customer_id, t.row.customer_id)) ||
		(!w.row.customer_id && cx->scope->customer_id))
		return no_such_user(cx);
	w.ticket_id = t.row.id;
	UD_TRY(ud_row_insert(cx, &ud_ticket_watchers, &w));
	UD_TRY(ud_event_add(cx, "created", ud_ticket_watchers.shape, NULL, &w));
	return ud_answer(cx, rq, ud_ticket_watchers.shape, &w);
}

static enum ud_code foreign_part(struct ud_ctx *cx, const struct ud_table *t)
{
	return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no %s with this id.", t->shape->object);
}

static enum ud_code unwatch(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket_watcher w = { 0 };
	struct ud_ticket t = { 0 };

	UD_TRY(load_ticket(cx, rq, &t));
	UD_TRY(ud_row_get(cx, &ud_ticket_watchers, rq->arg[1], &w));
	if (strcmp(w.ticket_id, t.row.id) != 0)
		return foreign_part(cx, &ud_ticket_watchers);
	return ud_rest_delete(cx, rq);
}

/* ---- links ---- */

static enum ud_code complete_link(struct ud_ctx *cx, void *row)
{
	struct ud_ticket_link *l = row;
	struct ud_ticket other = { 0 };

	if (ud_row_get(cx, &ud_tickets, l->other_id, &other) != UD_OK) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	l->other_number = other.number;
	l->other_state = other.state;
	return UD_OK;
}

static const struct ud_resource links = {
	.table = &ud_ticket_links, .parent_column = "ticket_id", .complete = complete_link
};

struct link_body {
	const char *other_id;
	unsigned relation;
};
/* clang-format off */
static const struct ud_field link_fields[] = {
	UD_FIELD(link_body, other_id, .flags = UD_REQUIRED, .refers = "tkt", .about = "Ticket it has to do with."),
	UD_FIELD(link_body, relation, .values = &ud_ticket_relations, .about = "What this one is to the other."),
};
static const struct ud_shape link_shape = { .bare = true, UD_SHAPE(link_body, link_fields) };
/* clang-format on */

static enum ud_code create_link(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct link_body *in = rq->in;
	struct ud_ticket t = { 0 }, other = { 0 };
	struct ud_ticket_link l = { .other_id = in->other_id, .relation = in->relation };

	UD_TRY(load_ticket(cx, rq, &t));
	if (strcmp(in->other_id, t.row.id) == 0)
		return ud_fail(
			cx, UD_E_INVALID_STATE, "other_id", "A ticket is not linked with itself.");
	if (ud_row_get(cx, &ud_tickets, in->other_id, &other) != UD_OK ||
		!same(other.row.customer_id, t.row.customer_id)) {
		ud_ctx_clear(cx);
		return ud_fail_field(
			cx, "other_id", "not_found", "other_id names no ticket of this customer.");
	}
	l.row.customer_id = t.row.customer_id;
	l.ticket_id = t.row.id;
	UD_TRY(ud_row_insert(cx, &ud_ticket_links, &l));
	UD_TRY(ud_event_add(cx, "created", ud_ticket_links.shape, NULL, &l));
	UD_TRY(complete_link(cx, &l));
	return ud_answer(cx, rq, ud_ticket_links.shape, &l);
}

static enum ud_code delete_link(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket_link l = { 0 };
	struct ud_ticket t = { 0 };

	UD_TRY(load_ticket(cx, rq, &t));
	UD_TRY(ud_row_get(cx, &ud_ticket_links, rq->arg[1], &l));
	if (strcmp(l.ticket_id, t.row.id) != 0)
		return foreign_part(cx, &ud_ticket_links);
	return ud_rest_delete(cx, rq);
}

/* ---- working time ---- */

static const struct ud_resource entries = { .table = &ud_time_entries,
	.parent_column = "ticket_id" };

struct entry_body {
	int64_t minutes;
	struct ud_time started_at;
	const char *note;
};
/* clang-format off */
static const struct ud_field entry_fields[] = {
	UD_FIELD(entry_body, minutes,    .flags = UD_REQUIRED, .min = 1, .max = 1440, .about = "How long."),
	UD_FIELD(entry_body, started_at, .about = "From when on."),
	UD_FIELD(entry_body, note,       .max = 500, .about = "At what."),
};
static const struct ud_shape entry_shape = { .bare = true, UD_SHAPE(entry_body, entry_fields) };
/* clang-format on */

static enum ud_code create_entry(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct entry_body *in = rq->in;
	struct ud_ticket t = { 0 };
	struct ud_time_entry e = { .minutes = in->minutes,
		.started_at = in->started_at,
		.note = in->note,
		.user_id = cx->scope->id,
		.user_name = cx->scope->name };

	UD_TRY(load_ticket(cx, rq, &t));
	e.row.customer_id = t.row.customer_id;
	e.ticket_id = t.row.id;
	UD_TRY(ud_row_insert(cx, &ud_time_entries, &e));
	UD_TRY(ud_event_add(cx, "created", ud_time_entries.shape, NULL, &e));
	return ud_answer(cx, rq, ud_time_entries.shape, &e);
}

/* The path's entry, of this ticket and by the caller. */
static enum ud_code check_entry(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_time_entry e = { 0 };
	struct ud_ticket t = { 0 };

	UD_TRY(load_ticket(cx, rq, &t));
	UD_TRY(ud_row_get(cx, &ud_time_entries, rq->arg[1], &e));
	if (strcmp(e.ticket_id, t.row.id) != 0)
		return foreign_part(cx, &ud_time_entries);
	if (!is_me(cx, e.user_id))
		return ud_fail(cx, UD_E_ROLE_MISSING, NULL, "Only who worked changes this.");
	return UD_OK;
}

static enum ud_code edit_entry(struct ud_ctx *cx, struct ud_request *rq)
{
	UD_TRY(check_entry(cx, rq));
	return ud_rest_edit(cx, rq);
}

static enum ud_code delete_entry(struct ud_ctx *cx, struct ud_request *rq)
{
	UD_TRY(check_entry(cx, rq));
	return ud_rest_delete(cx, rq);
}

/* ---- who is looking ---- */

enum { VIEWERS_SHOWN = 50 };

/* Whoever asks looks, too; programs look at nothing. */
static enum ud_code viewers(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_viewer all[VIEWERS_SHOWN];
	struct ud_ticket t = { 0 };
	bool person = cx->scope->kind == UD_PRINCIPAL_USER;

	UD_TRY(load_ticket(cx, rq, &t));
	size_t n = ud_viewers_look(cx, rq->server->viewers, t.row.id, person ? cx->scope->id : NULL,
		cx->scope->name, all, UD_LEN(all));

	ud_page_open(rq);
	for (size_t i = 0; i < n; i++) {
		ud_buf_puts(&rq->out, i ? ",{\"user_id\":" : "{\"user_id\":");
		ud_buf_json(&rq->out, all[i].id);
		ud_buf_puts(&rq->out, ",\"user_name\":");
		ud_buf_json(&rq->out, all[i].name);
		ud_buf_puts(&rq->out, ",\"since\":");
		ud_buf_time(&rq->out, all[i].since_ms);
		ud_buf_putc(&rq->out, '}');
	}
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

enum { WRITE = UD_CUSTOMER_WRITE | UD_SUPPORT };

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",    "/v1/tickets/{id}/comments",                   "tickets.comments.list",       UD_PEOPLE,  "tickets:read",  UD_LIST, .resource = &comments, .handle = list_of_ticket, .about = "List the comments of a ticket, oldest first." },
	{ "POST",   "/v1/tickets/{id}/comments",                   "tickets.comments.create",     WRITE,      "tickets:write", UD_WRITE, &comment_shape, .status = 201, .resource = &comments, .handle = create_comment, .about = "Say something; a customer's answer to a ticket that is over opens a new one, which the comment names." },
	{ "PATCH",  "/v1/tickets/{id}/comments/{comment_id}",      "tickets.comments.edit",       WRITE,      "tickets:write", UD_WRITE | UD_MATCH_REQUIRED, &edit_shape, .resource = &comments, .handle = edit_comment, .about = "Change a comment of one's own." },
	{ "GET",    "/v1/tickets/{id}/watchers",                   "tickets.watchers.list",       UD_PEOPLE,  "tickets:read",  UD_LIST, .resource = &watchers, .handle = list_of_ticket, .about = "List who watches a ticket." },
	{ "POST",   "/v1/tickets/{id}/watchers",                   "tickets.watchers.create",     WRITE,      "tickets:write", UD_WRITE, &watch_shape, .status = 201, .resource = &watchers, .handle = watch, .about = "Let somebody hear of a ticket." },
	{ "DELETE", "/v1/tickets/{id}/watchers/{watcher_id}",      "tickets.watchers.delete",     WRITE,      "tickets:write", UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = &watchers, .handle = unwatch, .about = "Let somebody hear of a ticket no longer." },
	{ "GET",    "/v1/tickets/{id}/links",                      "tickets.links.list",          UD_PEOPLE,  "tickets:read",  UD_LIST, .resource = &links, .handle = list_of_ticket, .about = "List what a ticket has to do with others." },
	{ "POST",   "/v1/tickets/{id}/links",                      "tickets.links.create",        WRITE,      "tickets:write", UD_WRITE, &link_shape, .status = 201, .resource = &links, .handle = create_link, .about = "Say what a ticket has to do with another." },
	{ "DELETE", "/v1/tickets/{id}/links/{link_id}",            "tickets.links.delete",        WRITE,      "tickets:write", UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = &links, .handle = delete_link, .about = "Remove a link." },
	{ "GET",    "/v1/tickets/{id}/time-entries",               "tickets.time-entries.list",   UD_PEOPLE,  "tickets:read",  UD_LIST, .resource = &entries, .handle = list_of_ticket, .about = "List the time that was worked on a ticket." },
	{ "POST",   "/v1/tickets/{id}/time-entries",               "tickets.time-entries.create", UD_SUPPORT, "tickets:write", UD_WRITE, &entry_shape, .status = 201, .resource = &entries, .handle = create_entry, .about = "Note time that one has worked on a ticket." },
	{ "PATCH",  "/v1/tickets/{id}/time-entries/{entry_id}",    "tickets.time-entries.edit",   UD_SUPPORT, "tickets:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &entries, .handle = edit_entry, .about = "Change a note of one's own time." },
	{ "DELETE", "/v1/tickets/{id}/time-entries/{entry_id}",    "tickets.time-entries.delete", UD_SUPPORT, "tickets:write", UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = &entries, .handle = delete_entry, .about = "Remove a note of one's own time." },
	{ "GET",    "/v1/tickets/{id}/viewers",                    "tickets.viewers",             UD_STAFF,   "tickets:read",  UD_WHOLE, .answer = &ud_viewer_shape, .handle = viewers, .about = "List who of the provider's people looks at a ticket just now; asking is looking, for 30 seconds." },
};
/* clang-format on */
const struct ud_routes ud_api_ticket_parts = { "Ticket parts", rows, UD_LEN(rows) };
