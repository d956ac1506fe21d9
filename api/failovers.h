/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tickets ask of failovers. A failover is a ticket (type "failover"); its run is a row of its
 * own, made with the ticket and moved by the workflow engine. Tickets decide who approves; what
 * happens then is decided here. All functions write rows alone and belong into the caller's
 * transaction on the writer.
 */
#ifndef API_FAILOVERS_H
#define API_FAILOVERS_H

#include "db/commands.h"
#include "db/failovers.h"

/* The member "failover" of POST /v1/tickets; decode it with this shape. */
extern const struct ud_shape ud_failover_request_shape;
struct ud_failover_request {
	unsigned kind;          /* enum ud_failover_kind */
	struct ud_texts vm_ids; /* or plan_id */
	const char *plan_id;
	const char *reason_code;
	const char *recovery_point_id; /* of one VM; NULL = the newest when it runs */
	struct ud_time scheduled_at;
	struct ud_time window_ends_at; /* of a planned one that is to come back */
	const char *chain; /* "keep", "reverse"; required where there is an extended replica */
	bool allow_hard_stop;
	/* virus_attack: the newest point is wanted although it may carry the damage */
	bool acknowledge_latest;
	const char *commit_policy; /* "none", "commit", "rollback" when commit_minutes are over */
	int64_t commit_minutes;
	int64_t max_duration_seconds; /* of a test; 4 h when not given */
	struct ud_json checks; /* {"services":[…],"program":…,"arguments":[…]} inside the guest */
};

/* What a dry run found; the members go into the ticket's answer. Texts in cx->arena. */
struct ud_failover_planned {
	const char *failover_id, *customer_id, *plan_hash; /* "sha256:…" */
	unsigned kind;
	struct ud_texts vm_ids;
	/* list of ud_blocker (base/replication.h); one that is no warning forbids approval (409
	 * invalid_state). subject is the VM */
	struct ud_json blockers;
	/* {"rpo_seconds","rto_seconds","rto_low_seconds","rto_high_seconds","downtime_seconds",
	 *  "data_loss","points":[…]} */
	struct ud_json predicted;
	bool blocked; /* there is an error among the blockers */
};

/* Check the member "checks" of a request or a plan, and write it out; NULL stays NULL. */
enum ud_code ud_failover_checks(struct ud_ctx *cx, struct ud_json *checks) UD_USE;

/*
 * Check a request and make its run in state awaiting_approval: the dry run is part of it.
 * customer_id is the one of the VMs (the caller's scope must see them). With store false nothing is
 * written and failover_id is NULL (?dry_run=true). UD_E_VALIDATION, UD_E_NOT_FOUND for what cannot
 * be asked at all; what could be mended is a blocker.
 */
enum ud_code ud_failover_plan(struct ud_ctx *cx, const char *ticket_id,
	const struct ud_failover_request *request, bool store, struct ud_failover_planned *ret)
	UD_USE;
/*
 * Do the dry run again (before an approval, or when somebody looks). *ret_changed: the plan hash is
 * another one than before, so approvals given are void. UD_E_INVALID_STATE when it has begun.
 */
enum ud_code ud_failover_replan(struct ud_ctx *cx, const char *failover_id,
	struct ud_failover_planned *ret, bool *ret_changed) UD_USE;

/* The last approval is there: begins at once, or waits for scheduled_at. */
enum ud_code ud_failover_approved(struct ud_ctx *cx, const char *failover_id) UD_USE;
/* The ticket was rejected, withdrawn or its approvals expired, before the run began: verb is
 * "rejected", "cancelled" or "expired". */
enum ud_code ud_failover_dropped(struct ud_ctx *cx, const char *failover_id, const char *verb)
	UD_USE;
/* Two people have stated that the source of this VM is off: the effect of the second statement. */
enum ud_code ud_failover_attested(struct ud_ctx *cx, const char *failover_id, const char *vm_id)
	UD_USE;

/*
 * The close gate: what still stands between the ticket and "solved", as
 * [{"code","text","who","vm_id"}]; *ret_open how many. An empty list lets it pass.
 */
enum ud_code ud_failover_gate(
	struct ud_ctx *cx, const char *failover_id, struct ud_json *ret, size_t *ret_open) UD_USE;
/* Has a VM of the run (this one, or with NULL any) moved and is not protected at its new place?
 * That is what people of both sides may accept for a time. */
enum ud_code ud_failover_lacks_protection(
	struct ud_ctx *cx, const char *failover_id, const char *vm_id, bool *ret) UD_USE;
/* The ticket was solved: the run is solved, too. */
enum ud_code ud_failover_solved(struct ud_ctx *cx, const char *failover_id) UD_USE;

/* Fill in a run's computed members: its steps, and what the caller may do with it. */
enum ud_code ud_failover_complete(struct ud_ctx *cx, struct ud_failover *f) UD_USE;

/* A tick: runs that were approved and whose time has come begin. */
enum ud_code ud_failovers_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_failovers_begin(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
