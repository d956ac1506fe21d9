/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who must say yes to what: policies, the decisions of people, and what two of them have stated of
 * a source that nobody can reach. A decision holds for one plan hash and one time; what no longer
 * counts is marked, never taken away.
 */
#ifndef DB_APPROVALS_H
#define DB_APPROVALS_H

#include "db/tickets.h"

/* What the requester of a ticket may do about it. */
enum ud_requester_rule {
	UD_REQUESTER_ALONE,  /* approve it like anybody */
	UD_REQUESTER_ONE_OF, /* be one of those who approve it */
	UD_REQUESTER_NEVER
};
extern const struct ud_enum ud_requester_rules;

struct ud_approval_policy {
	struct ud_row row;
	const char *name;
	unsigned ticket_type;    /* enum ud_ticket_type */
	unsigned failover_kind;  /* enum ud_ticket_failover; none = whatever kind */
	unsigned least_severity; /* enum ud_ticket_severity: from this one on */
	int64_t customer_approvals, staff_approvals, approvals; /* of each side; of both together */
	unsigned requester;                                     /* enum ud_requester_rule */
	struct ud_texts approver_ids; /* empty = everybody whose role allows it */
	int64_t expires_after_seconds;
	bool enabled;
};
extern const struct ud_table ud_approval_policies;

/* Enabled policies for a type, of a customer and of the provider, at most 100. */
typedef enum ud_code ud_policy_visitor(
	struct ud_ctx *cx, void *data, const struct ud_approval_policy *policy);
enum ud_code ud_policies_for(struct ud_ctx *cx, const char *customer_id, unsigned ticket_type,
	ud_policy_visitor *visit, void *data) UD_USE;

enum ud_decision { UD_DECISION_APPROVED, UD_DECISION_REJECTED };
extern const struct ud_enum ud_decisions;
enum ud_side { UD_SIDE_CUSTOMER, UD_SIDE_STAFF };
extern const struct ud_enum ud_sides;

struct ud_approval {
	struct ud_row row;
	const char *ticket_id, *plan_hash;
	unsigned decision; /* enum ud_decision */
	unsigned side;     /* enum ud_side */
	const char *user_id, *user_name, *note;
	struct ud_time expires_at, voided_at;
	const char *void_reason;
	/* that it follows from; NULL = it was given for this ticket */
	const char *standing_order_id;
};
extern const struct ud_table ud_approvals;

/* What counts now of a ticket's approvals under a hash. */
struct ud_approval_count {
	int64_t customer, staff;
	bool mine; /* one of them is the caller's */
};
enum ud_code ud_approvals_count(struct ud_ctx *cx, const char *ticket_id, const char *plan_hash,
	struct ud_approval_count *ret) UD_USE;
/* Mark those of a ticket that count as void; with only_expired those whose time is up. *ret = how
 * many (may be NULL). */
enum ud_code ud_approvals_void(struct ud_ctx *cx, const char *ticket_id, const char *reason,
	bool only_expired, int64_t *ret) UD_USE;
/* Tickets that await approval and have some whose time is up, at most UD_TICKETS_PER_TICK. */
enum ud_code ud_approvals_overdue(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;

struct ud_attestation {
	struct ud_row row;
	const char *ticket_id, *vm_id, *statement;
	unsigned side; /* enum ud_side */
	const char *user_id, *user_name;
	bool effective; /* the second of two people: from here on the source counts as off */
};
extern const struct ud_table ud_attestations;

/* How many people have stated this of a VM under a ticket, and is the caller among them? */
enum ud_code ud_attestations_count(struct ud_ctx *cx, const char *ticket_id, const char *vm_id,
	int64_t *ret_people, bool *ret_mine) UD_USE;

#endif
