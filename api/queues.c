/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of the support team and the categories that lead to them: who may arrange them, taking the
 * next ticket, figures for the board.
 */
#include "db/queues.h"

#include "api/api.h"
#include "api/tickets.h"
#include "server/http/list.h"

/* One queue takes what has no other place, and stays it until another one is. */
static enum ud_code before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	const struct ud_queue *old = old_row, *q = row;
	bool circle = false;

	(void)given;
	if (old && old->standard && !(q && q->standard))
		return ud_fail(cx, UD_E_INVALID_STATE, "standard",
			"Make another queue the standard one first.");
	if (!q)
		return UD_OK;
	if (q->escalates_to_id && q->row.id)
		UD_TRY(ud_queue_circle(cx, q->row.id, q->escalates_to_id, &circle));
	if (circle)
		return ud_fail_field(
			cx, "escalates_to_id", "circle", "Tickets would come back to this queue.");
	if (q->standard && !(old && old->standard))
		return ud_queue_standard(cx, q->row.customer_id, q->row.id);
	return UD_OK;
}

static const struct ud_resource queues = { .table = &ud_queues, .before = before };

static enum ud_code complete_ticket(struct ud_ctx *cx, void *row)
{
	(void)cx;
	ud_ticket_complete_brief(row);
	return UD_OK;
}

static const struct ud_resource tickets = {
	.table = &ud_tickets, .complete = complete_ticket, .parent_column = "queue_id"
};

static enum ud_code list_tickets(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_queue q = { 0 };

	UD_TRY(ud_row_get(cx, &ud_queues, rq->arg[0], &q));
	return ud_rest_list(cx, rq);
}

/* The writer takes one after the other; of several servers, who comes second looks again. */
static enum ud_code take_next(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket old = { 0 }, t;
	struct ud_queue q = { 0 };
	const char *id = NULL;

	UD_TRY(ud_row_get(cx, &ud_queues, rq->arg[0], &q));
	UD_TRY(ud_queue_next(cx, q.row.id, &id));
	if (!id)
		return ud_fail(cx, UD_E_EXHAUSTED, NULL, "Nobody waits in this queue.");
	UD_TRY(ud_row_get(cx, &ud_tickets, id, &old));
	t = old;
	UD_TRY(ud_ticket_fire(cx, UD_TICKET_CLAIM, &old, &t));
	return ud_ticket_answer(cx, rq, &t);
}

static enum ud_code stats(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_queue_stats s = { 0 };
	struct ud_queue q = { 0 };

	UD_TRY(ud_row_get(cx, &ud_queues, rq->arg[0], &q));
	UD_TRY(ud_queue_figures(cx, q.row.id, &s));
	return ud_answer(cx, rq, &ud_queue_stats_shape, &s);
}

static const struct ud_resource categories = { .table = &ud_ticket_categories };

enum { ARRANGE = UD_R(SUPPORT_LEAD) | UD_OPERATOR };

/* clang-format off */
static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/queues", "queues", "a queue", "queues", UD_STAFF, ARRANGE, &queues),
	{ "GET",  "/v1/queues/{id}/tickets", "queues.tickets", UD_STAFF,   "queues:read",  UD_LIST, .resource = &tickets, .handle = list_tickets, .about = "List the tickets of a queue." },
	{ "GET",  "/v1/queues/{id}/stats",   "queues.stats",   UD_STAFF,   "queues:read",  0, .answer = &ud_queue_stats_shape, .handle = stats, .about = "Show figures of a queue." },
	{ "POST", "/v1/queues/{id}/next",    "queues.next",    UD_SUPPORT, "tickets:write", UD_WRITE | UD_PERSON, .resource = &ud_tickets_resource, .handle = take_next, .about = "Take the ticket that is to be worked on next." },
	UD_REST_ROWS("/v1/ticket-categories", "ticket-categories", "a ticket category", "ticket categories", UD_PEOPLE, ARRANGE, &categories),
};
/* clang-format on */
const struct ud_routes ud_api_queues = { "Queues", rows, UD_LEN(rows) };
