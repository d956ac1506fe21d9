/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where tickets meet their failovers: the one file of tickets that knows api/failovers.h. Each
 * function is for tickets that have a failover_id, but for the first.
 */
#ifndef API_TICKET_RUN_H
#define API_TICKET_RUN_H

#include "api/tickets.h"
#include "db/commands.h"
#include "db/failovers.h"

/*
 * Decode the member "failover" of a new ticket and set what follows from it: kind, and the customer
 * of its VMs where none was named. The ticket is not stored yet.
 */
enum ud_code ud_ticket_run_read(
	struct ud_ctx *cx, const char *failover, struct ud_ticket *t, void **ret) UD_USE;
/* Plan it: makes the run of a stored ticket and puts its id, hash and dry run into *t. */
enum ud_code ud_ticket_run_plan(struct ud_ctx *cx, void *request, struct ud_ticket *t) UD_USE;
/* Fill in blockers and predicted. */
enum ud_code ud_ticket_run_show(struct ud_ctx *cx, struct ud_ticket *t) UD_USE;

/* Guards: nothing blocks it; everything is put back so that it may be solved; it has not begun. */
ud_ticket_guard ud_ticket_run_ready, ud_ticket_run_gate, ud_ticket_run_idle;

/* The dry run again, before somebody approves. *ret_changed: the plan is another one now; what was
 * approved is void. */
enum ud_code ud_ticket_run_replan(struct ud_ctx *cx, struct ud_ticket *t, bool *ret_changed) UD_USE;
/* All approvals are there. */
enum ud_code ud_ticket_run_approved(struct ud_ctx *cx, const struct ud_ticket *t) UD_USE;
/* It was "rejected", "cancelled" or "expired" before it began. */
enum ud_code ud_ticket_run_dropped(struct ud_ctx *cx, const struct ud_ticket *t, const char *verb)
	UD_USE;
/* The ticket is solved. */
enum ud_code ud_ticket_run_solved(struct ud_ctx *cx, const struct ud_ticket *t) UD_USE;
/* Is this one of its VMs? */
enum ud_code ud_ticket_run_concerns(
	struct ud_ctx *cx, const struct ud_ticket *t, const char *vm_id, bool *ret) UD_USE;
/* Two people have stated that the VM's source is off. */
enum ud_code ud_ticket_run_attested(struct ud_ctx *cx, const struct ud_ticket *t, const char *vm_id)
	UD_USE;

/* The record of a run is sealed: the ticket of a drill that left nothing behind is solved. */
enum ud_code ud_ticket_run_sealed(struct ud_ctx *cx, const struct ud_failover *f) UD_USE;
/* A tick: tickets follow what their runs have come to. */
enum ud_code ud_ticket_runs_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_ticket_runs_tell(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
