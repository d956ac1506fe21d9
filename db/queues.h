/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where tickets wait for the support team: queues, and the categories that lead to them. Customers
 * see no queues; one with a customer_id is kept for that customer's tickets.
 */
#ifndef DB_QUEUES_H
#define DB_QUEUES_H

#include "db/tickets.h"

struct ud_queue {
	struct ud_row row;
	const char *name;
	struct ud_texts types; /* of tickets that come here */
	bool standard;         /* whatever has no other place comes here; one queue is */
	const char *escalates_to_id, *note;
};
extern const struct ud_table ud_queues;

struct ud_ticket_category {
	struct ud_row row;
	const char *name, *parent_id, *queue_id, *note;
};
extern const struct ud_table ud_ticket_categories;

/* The queue a new ticket comes into: its category's, else one of its customer's, else one of all;
 * there one that takes its type, else the standard one. NULL when there is none. */
enum ud_code ud_queue_route(struct ud_ctx *cx, const char *customer_id, unsigned type,
	const char *category_id, const char **ret) UD_USE;
/* The queue that this one escalates to, or NULL. */
enum ud_code ud_queue_above(struct ud_ctx *cx, const char *queue_id, const char **ret) UD_USE;
/* No queue of this customer (NULL = of all) is the standard one but this. */
enum ud_code ud_queue_standard(struct ud_ctx *cx, const char *customer_id, const char *queue_id)
	UD_USE;
/* Would the queue above make a circle? */
enum ud_code ud_queue_circle(
	struct ud_ctx *cx, const char *queue_id, const char *above_id, bool *ret) UD_USE;

/* The ticket of a queue that is to be taken next (failovers, then by severity and clock), NULL when
 * nobody waits. Two who ask at once may get the same: the claim decides. */
enum ud_code ud_queue_next(struct ud_ctx *cx, const char *queue_id, const char **ret) UD_USE;

struct ud_queue_stats {
	int64_t waiting, taken, snoozed, breached; /* live tickets: free, with somebody, … */
	int64_t pending_customer, unacknowledged;
	int64_t arrived, solved; /* in the last 24 hours */
	struct ud_time oldest_at, due_at;
};
extern const struct ud_shape ud_queue_stats_shape;
/* Figures of a queue. */
enum ud_code ud_queue_figures(struct ud_ctx *cx, const char *queue_id, struct ud_queue_stats *ret)
	UD_USE;

#endif
