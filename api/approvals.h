/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may say yes to a ticket, and what is still missing. The house's own least is a table in
 * approvals.c; policies only add to it.
 */
#ifndef API_APPROVALS_H
#define API_APPROVALS_H

#include "api/tickets.h"
#include "db/approvals.h"

/* What a ticket needs: the strictest of the house and of all policies that fit. */
struct ud_approval_need {
	int64_t customer, staff, total; /* people; all 0 = no approval */
	unsigned requester;             /* enum ud_requester_rule */
	uint32_t roles;                 /* who may approve */
	bool step_up, destructive;
	int64_t expires_after_seconds;
	struct ud_texts approvers[2]; /* by enum ud_side; empty = whoever has the role */
};
enum ud_code ud_approval_need(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_approval_need *ret) UD_USE;

/* Is the customer's person of that id, with these roles (UD_R), one of those who approve such a
 * ticket? */
enum ud_code ud_approval_is_approver(struct ud_ctx *cx, const struct ud_ticket *t,
	const char *user_id, uint32_t roles, bool *ret) UD_USE;
/* A ticket that was just opened may have all its approvals already, by a standing order: then its
 * run is approved, unless something stands in the way. As the system itself. */
enum ud_code ud_approval_all_given(struct ud_ctx *cx, const char *ticket_id) UD_USE;

/* Guards of ticket_moves.c. */
ud_ticket_guard ud_may_approve, ud_may_reject, ud_may_attest;

/* The hash of what is approved of a ticket without a run: type, subject, text, form and
 * things. */
const char *ud_ticket_hash(struct ud_ctx *cx, const struct ud_ticket *t);
/* Whether a ticket needs approval at all, into t->approval and t->plan_hash. For new tickets, and
 * for those whose words changed: approvals of the old ones are void. */
enum ud_code ud_approval_settle(struct ud_ctx *cx, struct ud_ticket *t) UD_USE;

#endif
