/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standing orders: an approval of the customer that was given beforehand. It stands for one
 * approval of the customer, of a ticket that asks for exactly what it was given for; what the
 * provider's people have to say to it, fencing and statements that a source is off are as ever.
 */
#ifndef API_STANDING_ORDERS_H
#define API_STANDING_ORDERS_H

#include "api/tickets.h"
#include "db/commands.h"

/*
 * A ticket with a run was just made: when an order of its customer covers it, the approval that
 * follows from that is recorded. None of the requester's own counts, and one for tests holds for
 * drills that open by themselves.
 */
enum ud_code ud_standing_apply(struct ud_ctx *cx, const struct ud_ticket *t) UD_USE;
/*
 * The drill of a plan is due: open its test by the plan's order. *ret_opened false: there is none
 * in force, or the test cannot be asked for.
 */
enum ud_code ud_standing_drill(
	struct ud_ctx *cx, const char *plan_id, const char *plan_name, bool *ret_opened) UD_USE;

/* A tick: orders whose time is up, or whose plan is another one, end. */
enum ud_code ud_standing_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_standing_end(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
