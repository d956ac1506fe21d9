/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standing orders: what a customer's approver has agreed to beforehand. One holds for what it was
 * given for, by the hash of that plan, and until it ends; then it never holds again.
 */
#ifndef DB_STANDING_ORDERS_H
#define DB_STANDING_ORDERS_H

#include "db/rows.h"

enum ud_standing_state {
	UD_STANDING_IN_FORCE,
	UD_STANDING_REVOKED, /* by a person */
	UD_STANDING_VOID,    /* what it was given for has changed */
	UD_STANDING_EXPIRED
};
extern const struct ud_enum ud_standing_states;
/* Reasons of an unplanned failover that can be agreed to before they come to pass. */
extern const struct ud_enum ud_outage_classes;

struct ud_standing_order {
	struct ud_row row;
	const char *name;
	unsigned kind;                  /* enum ud_failover_kind: test or unplanned */
	struct ud_texts outage_classes; /* of ud_outage_classes; of an unplanned one */
	const char *plan_id;            /* or vm_ids: these VMs, and any of them */
	struct ud_texts vm_ids;
	unsigned chain; /* enum ud_chain */
	const char *statement;
	struct ud_time expires_at;
	unsigned state; /* enum ud_standing_state */
	const char *plan_hash;
	const char *given_by_id, *given_by_name;
	struct ud_time ended_at;
	const char *ended_by_name, *end_reason;
	/* computed */
	struct ud_texts allowed_operations;
};
extern const struct ud_table ud_standing_orders;

/* Ids of a customer's orders in force, the oldest first, at most UD_STANDING_MAX. */
enum { UD_STANDING_MAX = 100 };
enum ud_code ud_standing_in_force(struct ud_ctx *cx, const char *customer_id, struct ud_texts *ret)
	UD_USE;
/* The id of an order in force for the tests of a plan; NULL = there is none. */
enum ud_code ud_standing_of_plan(struct ud_ctx *cx, const char *plan_id, const char **ret) UD_USE;
/* Every tenant's orders that count as in force and have expired, or were not compared with what
 * they were given for since an instant: a handful of ids. It was compared. */
enum ud_code ud_standing_to_look_at(struct ud_ctx *cx, int64_t before_ms, struct ud_texts *ret)
	UD_USE;
enum ud_code ud_standing_looked_at(struct ud_ctx *cx, const char *id) UD_USE;
/* The order has ended: what it has approved of tickets that still await approval is void. */
enum ud_code ud_standing_withdraw(struct ud_ctx *cx, const char *id, const char *reason) UD_USE;

#endif
