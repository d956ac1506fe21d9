/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables of queues and categories, and the questions that routing, claiming and the board
 * ask.
 */
#include "db/queues.h"

#include "base/rules.h"

/* clang-format off */
static const struct ud_field queue_fields[] = {
	UD_FIELD(ud_queue, name,            .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 63, .rule = ud_rule_name, .about = "Name of the queue."),
	UD_FIELD(ud_queue, types,           .flags = UD_BRIEF, .max = UD_TICKET_TYPE_COUNT, .values = &ud_ticket_types, .about = "Types of tickets that come here by themselves."),
	UD_FIELD(ud_queue, standard,        .flags = UD_BRIEF, .about = "True for the queue of whatever has no other place; setting it takes it from the one that had it."),
	UD_FIELD(ud_queue, escalates_to_id, .refers = "que", .about = "Queue that escalated tickets go to."),
	UD_FIELD(ud_queue, note,            .max = 500, .about = "Words for people."),
};
static const struct ud_shape queue_shape = { .object = "queue",
	.prefix = "que",
	.table = "queues",
	UD_SHAPE(ud_queue, queue_fields),
	.about = "A queue of the support team; with a customer_id it is for that customer's tickets." };
const struct ud_table ud_queues = { .shape = &queue_shape };

static const struct ud_field category_fields[] = {
	UD_FIELD(ud_ticket_category, name,      .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 63, .rule = ud_rule_name, .about = "Name, unique under its parent."),
	UD_FIELD(ud_ticket_category, parent_id, .flags = UD_FIXED | UD_FILTER | UD_BRIEF, .refers = "tca", .about = "Category it belongs to."),
	UD_FIELD(ud_ticket_category, queue_id,  .flags = UD_BRIEF, .refers = "que", .about = "Queue that its tickets come into."),
	UD_FIELD(ud_ticket_category, note,      .max = 500, .about = "Words for people."),
};
static const struct ud_shape category_shape = { .object = "ticket_category",
	.prefix = "tca",
	.table = "ticket_categories",
	UD_SHAPE(ud_ticket_category, category_fields),
	.about = "What tickets are about." };
const struct ud_table ud_ticket_categories = { .shape = &category_shape, .tenancy = UD_SHARED };

static const struct ud_field stats_fields[] = {
	UD_FIELD(ud_queue_stats, waiting,          .about = "Tickets that nobody has taken."),
	UD_FIELD(ud_queue_stats, taken,            .about = "Tickets that somebody works on."),
	UD_FIELD(ud_queue_stats, snoozed,          .about = "Tickets that are laid aside."),
	UD_FIELD(ud_queue_stats, breached,         .about = "Tickets with a clock that ran out."),
	UD_FIELD(ud_queue_stats, pending_customer, .about = "Tickets that wait for the customer."),
	UD_FIELD(ud_queue_stats, unacknowledged,   .about = "Tickets that nobody has seen."),
	UD_FIELD(ud_queue_stats, arrived,          .about = "Tickets opened in the last 24 hours."),
	UD_FIELD(ud_queue_stats, solved,           .about = "Tickets solved in the last 24 hours."),
	UD_FIELD(ud_queue_stats, oldest_at,        .about = "When the oldest free ticket was opened."),
	UD_FIELD(ud_queue_stats, due_at,           .about = "The next end of a clock."),
};
const struct ud_shape ud_queue_stats_shape = { .object = "queue_stats",
	.bare = true,
	UD_SHAPE(ud_queue_stats, stats_fields),
	.about = "Figures of a queue." };
/* clang-format on */

enum ud_code ud_queue_route(struct ud_ctx *cx, const char *customer_id, unsigned type,
	const char *category_id, const char **ret)
{
	const char *quoted = ud_printf(cx->arena, "%%\"%s\"%%", ud_ticket_types.names[type]);
	bool found = false;

	*ret = NULL;
	/* every tenant: queues are the provider's, whoever's ticket comes */
	if (category_id)
		UD_TRY(ud_query_text(cx, &found, ret,
			"SELECT queue_id FROM ticket_categories WHERE id = $1",
			UD_VALS(ud_t(category_id))));
	if (found)
		return UD_OK;
	return ud_query_text(cx, &found, ret,
		"SELECT id FROM queues WHERE COALESCE(customer_id, '') IN ($2, '')"
		" AND (types LIKE $1 OR standard = 1)"
		" ORDER BY COALESCE(customer_id, '') DESC, standard, id LIMIT 1",
		UD_VALS(ud_t(quoted), ud_t(customer_id ? customer_id : "")));
}

enum ud_code ud_queue_above(struct ud_ctx *cx, const char *queue_id, const char **ret)
{
	bool found;

	*ret = NULL;
	/* every tenant: queues are the provider's */
	return ud_query_text(cx, &found, ret, "SELECT escalates_to_id FROM queues WHERE id = $1",
		UD_VALS(ud_t(queue_id)));
}

enum ud_code ud_queue_standard(struct ud_ctx *cx, const char *customer_id, const char *queue_id)
{
	return ud_exec(cx, NULL,
		"UPDATE queues SET standard = 0, version = version + 1, updated_at = $2"
		" WHERE standard = 1 AND COALESCE(customer_id, '') = $3 AND id <> $1",
		UD_VALS(ud_t(queue_id ? queue_id : ""), ud_i(cx->now_ms),
			ud_t(customer_id ? customer_id : "")));
}

enum ud_code ud_queue_circle(
	struct ud_ctx *cx, const char *queue_id, const char *above_id, bool *ret)
{
	int64_t one;

	/* every tenant: queues are the provider's */
	return ud_query_int(cx, ret, &one,
		"WITH RECURSIVE up(id) AS (SELECT CAST($2 AS TEXT)"
		" UNION SELECT queues.escalates_to_id FROM queues JOIN up ON queues.id = up.id"
		" WHERE queues.escalates_to_id IS NOT NULL)"
		" SELECT 1 FROM up WHERE id = $1 LIMIT 1",
		UD_VALS(ud_t(queue_id), ud_t(above_id)));
}

enum ud_code ud_queue_next(struct ud_ctx *cx, const char *queue_id, const char **ret)
{
	bool found;

	*ret = NULL;
	/* every tenant: the queue is the provider's and has everybody's tickets */
	return ud_query_text(cx, &found, ret,
		"SELECT id FROM tickets WHERE queue_id = $1 AND assignee_id IS NULL AND state IN ('new', 'open')"
		" AND snoozed_until IS NULL ORDER BY urgency, due_at, id LIMIT 1",
		UD_VALS(ud_t(queue_id)));
}

enum ud_code ud_queue_figures(struct ud_ctx *cx, const char *queue_id, struct ud_queue_stats *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: as above */
	UD_TRY(ud_query(cx, &rows,
		"SELECT COUNT(CASE WHEN live = 1 AND assignee_id IS NULL THEN 1 END),"
		" COUNT(CASE WHEN live = 1 AND assignee_id IS NOT NULL THEN 1 END),"
		" COUNT(CASE WHEN live = 1 AND snoozed_until IS NOT NULL THEN 1 END),"
		" COUNT(CASE WHEN live = 1 AND (response_breached = 1 OR resolve_breached = 1) THEN 1 END),"
		" COUNT(CASE WHEN state = 'pending_customer' THEN 1 END),"
		" COUNT(CASE WHEN live = 1 AND acknowledged_at IS NULL THEN 1 END),"
		" COUNT(CASE WHEN created_at > $2 THEN 1 END), COUNT(CASE WHEN solved_at > $2 THEN 1 END),"
		" MIN(CASE WHEN live = 1 AND assignee_id IS NULL THEN created_at END),"
		" MIN(CASE WHEN live = 1 AND due_at < $3 THEN due_at END)"
		" FROM (SELECT CASE WHEN state IN ('solved', 'closed', 'merged', 'transferred', 'rejected') THEN 0 ELSE 1 END"
		" AS live, state, assignee_id, snoozed_until, response_breached, resolve_breached, acknowledged_at,"
		" created_at, solved_at, due_at FROM tickets WHERE queue_id = $1) AS t",
		UD_VALS(ud_t(queue_id), ud_i(cx->now_ms - 86400000), ud_i(UD_TICKET_NEVER))));
	UD_TRY(ud_next(cx, rows, &more));
	int64_t *const figures[] = { &ret->waiting, &ret->taken, &ret->snoozed, &ret->breached,
		&ret->pending_customer, &ret->unacknowledged, &ret->arrived, &ret->solved,
		&ret->oldest_at.ms, &ret->due_at.ms };

	for (size_t i = 0; more && i < UD_LEN(figures); i++)
		*figures[i] = ud_col_int_or_none(rows, (int)i);
	return UD_OK;
}
