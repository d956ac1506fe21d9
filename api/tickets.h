/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of a ticket as one table, and what other files of the rulebook do with tickets. The
 * table is in ticket_moves.c; tests walk it.
 */
#ifndef API_TICKETS_H
#define API_TICKETS_H

#include "db/ticket_parts.h"
#include "db/tickets.h"
#include "server/http/rest.h"

/*
 * What can happen to a ticket. Those in the first group are operations that callers name by the
 * last part of a route; the rest happen by other calls, by runs and by time.
 */
enum ud_ticket_event {
	UD_TICKET_EDIT,
	UD_TICKET_COMMENT,
	UD_TICKET_ACKNOWLEDGE,
	UD_TICKET_CLAIM,
	UD_TICKET_ASSIGN,
	UD_TICKET_RELEASE,
	UD_TICKET_ESCALATE,
	UD_TICKET_SNOOZE,
	UD_TICKET_REQUEST_INFO,
	UD_TICKET_WAIT,
	UD_TICKET_RESUME,
	UD_TICKET_APPROVE,
	UD_TICKET_REJECT,
	UD_TICKET_ATTEST,
	UD_TICKET_WAIVE,
	UD_TICKET_SOLVE,
	UD_TICKET_REOPEN,
	UD_TICKET_CLOSE,
	UD_TICKET_CANCEL,
	UD_TICKET_MERGE,
	UD_TICKET_SPLIT,
	UD_TICKET_TRANSFER,
	UD_TICKET_OPERATION_COUNT,
	/* WAIT, by what for */
	UD_TICKET_WAIT_VENDOR = UD_TICKET_OPERATION_COUNT,
	UD_TICKET_WAIT_MAINTENANCE,
	UD_TICKET_WAIT_MACHINE,
	/* COMMENT, by who */
	UD_TICKET_CUSTOMER_REPLY,
	UD_TICKET_STAFF_REPLY,
	/* of a run and of time */
	UD_TICKET_RUN,
	UD_TICKET_RUN_ASKS,
	UD_TICKET_RUN_STOPS,
	UD_TICKET_RUN_DONE,
	UD_TICKET_WAKE,
	UD_TICKET_OVERDUE,
	UD_TICKET_GRACE_OVER,
	UD_TICKET_WAIVER_OVER,
	UD_TICKET_WINDOW_OVER,
	UD_TICKET_ASKED_AGAIN,
	UD_TICKET_DRILL_LATE,
	UD_TICKET_EVENT_COUNT
};
/* Their names; for operations those of routes ("request-info"). */
extern const struct ud_enum ud_ticket_events;

/* Why not, in words for the caller; code UD_OK = it is allowed. */
struct ud_ticket_verdict {
	enum ud_code code;
	const char *text;
	const char *unblock; /* operation that would help, or NULL */
	const char *who;     /* who could do that: "customer", "support", "requester"; or NULL */
};

/* Looks only. Returns the database's error alone; what it decides stands in the verdict, which is
 * "allowed" before. */
typedef enum ud_code ud_ticket_guard(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v);
/* Changes members of the row that is about to be stored. */
typedef enum ud_code ud_ticket_action(struct ud_ctx *cx, struct ud_ticket *t);

enum { UD_TICKET_SAME = -1 };
struct ud_ticket_move {
	unsigned from; /* bits of enum ud_ticket_state */
	enum ud_ticket_event event;
	uint32_t roles; /* of people; the system itself may do all */
	ud_ticket_guard *guard;
	int to; /* enum ud_ticket_state or UD_TICKET_SAME */
	ud_ticket_action *action;
	const char *verb; /* of the event in the log */
};
/* For route tables: answers are tickets. */
extern const struct ud_resource ud_tickets_resource;

extern const struct ud_ticket_move ud_ticket_moves[];
extern const size_t ud_ticket_move_count;

/* Roles that some row gives an operation: those of its route. */
uint32_t ud_ticket_roles(enum ud_ticket_event event);

/* May cx->scope do this now? Looks up role, state and guard. */
enum ud_code ud_ticket_ask(struct ud_ctx *cx, const struct ud_ticket *t, enum ud_ticket_event event,
	struct ud_ticket_verdict *ret, const struct ud_ticket_move **ret_move) UD_USE;
/*
 * Let it happen: old is the row as it is stored, *t what it is to be (the caller may have changed
 * members already); state, times and clocks follow from the table, the row is stored and the log
 * told. UD_E_INVALID_STATE or the guard's code when it may not be. When somebody else changed the
 * row meanwhile and the caller sent no If-Match the write runs again (UD_E_RETRY).
 */
enum ud_code ud_ticket_fire(struct ud_ctx *cx, enum ud_ticket_event event,
	const struct ud_ticket *old, struct ud_ticket *t) UD_USE;
/* The same when ud_ticket_ask has allowed this row of the table already. */
enum ud_code ud_ticket_move(struct ud_ctx *cx, const struct ud_ticket_move *m,
	const struct ud_ticket *old, struct ud_ticket *t) UD_USE;
/* Read a ticket and let it happen as the system itself (runs, ticks), whoever's scope cx has. What
 * the state does not allow is passed over: UD_OK. */
enum ud_code ud_ticket_happen(struct ud_ctx *cx, const char *ticket_id, enum ud_ticket_event event)
	UD_USE;

/*
 * The plan of a ticket changed, or what was approved could not begin: approvals given so far are
 * void, and it awaits new ones under this hash. For whoever owns the plan (runs); does nothing when
 * it awaits them under the same hash already.
 */
enum ud_code ud_ticket_plan_changed(struct ud_ctx *cx, const char *ticket_id, const char *plan_hash)
	UD_USE;

/* Fill in the computed members that follow from the row alone. */
void ud_ticket_complete_brief(struct ud_ticket *t);
/* Fill in the computed members, those that need the database included. */
enum ud_code ud_ticket_complete(struct ud_ctx *cx, struct ud_ticket *t) UD_USE;
/* Answer with the whole ticket. */
enum ud_code ud_ticket_answer(struct ud_ctx *cx, struct ud_request *rq, struct ud_ticket *t) UD_USE;
/* Read the ticket that the path names first, and check If-Match. */
enum ud_code ud_ticket_load(struct ud_ctx *cx, struct ud_request *rq, struct ud_ticket *old,
	struct ud_ticket *t) UD_USE;

/* Set the clocks of a new ticket, or of one whose severity changed, by the agreement it has. */
enum ud_code ud_ticket_start_clocks(struct ud_ctx *cx, struct ud_ticket *t) UD_USE;
/* Let the clocks follow the state: the resolve clock stands still while the customer is asked. */
enum ud_code ud_ticket_run_clocks(
	struct ud_ctx *cx, const struct ud_ticket *old, struct ud_ticket *t) UD_USE;

/*
 * Put a new ticket into the database: number, queue, category, clocks, approvals and requester are
 * settled here, then the log is told. *t holds what was asked for; request is a failover's
 * (ud_ticket_run_read) or NULL. For calls, and for whatever opens tickets by itself (drills,
 * alerts).
 */
enum ud_code ud_ticket_open(struct ud_ctx *cx, struct ud_ticket *t, void *request) UD_USE;
/* Store what a ticket is to another of the same customer, and tell the log. */
enum ud_code ud_ticket_link_up(struct ud_ctx *cx, const struct ud_ticket *t, const char *other_id,
	enum ud_ticket_relation relation) UD_USE;

/* What follows when the words, the severity or the things of a ticket are changed, before it is
 * stored. */
enum ud_code ud_ticket_changed(struct ud_ctx *cx, const struct ud_ticket *old, struct ud_ticket *t)
	UD_USE;

/* Tell whoever hears of a ticket what happened to it, when it is worth telling. */
enum ud_code ud_ticket_tell(struct ud_ctx *cx, const struct ud_ticket *t, const char *verb) UD_USE;

/* May the caller add something internal? UD_E_ROLE_MISSING for customers, UD_E_VALIDATION on behalf
 * of one. */
enum ud_code ud_ticket_internal(struct ud_ctx *cx) UD_USE;

/* Is the caller one of the provider's people, whomever they act for? */
bool ud_ticket_by_staff(const struct ud_ctx *cx);

#endif
