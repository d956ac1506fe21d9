/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failovers: one row per run, bound to its ticket. A run moves one or more VMs; how far each of
 * them is stands in its workflow (db/workflows.h), and the state of the run is that of the slowest.
 */
#ifndef DB_FAILOVERS_H
#define DB_FAILOVERS_H

#include "db/rows.h"

enum ud_failover_kind { UD_FAILOVER_TEST, UD_FAILOVER_PLANNED, UD_FAILOVER_UNPLANNED };
extern const struct ud_enum ud_failover_kinds;

enum ud_failover_state {
	UD_FAILOVER_AWAITING_APPROVAL,
	UD_FAILOVER_APPROVED,
	UD_FAILOVER_SCHEDULED,
	UD_FAILOVER_RUNNING,
	UD_FAILOVER_WAITING, /* for a person; waiting_for says whom and what */
	UD_FAILOVER_TEST_RUNNING,
	UD_FAILOVER_CUSTOMER_VALIDATION,
	UD_FAILOVER_COMMITTED_UNPROTECTED,
	UD_FAILOVER_PROTECTED,
	UD_FAILOVER_CLOSED_UNPROTECTED, /* people of both sides have signed that it may */
	UD_FAILOVER_ROLLED_BACK,
	UD_FAILOVER_FAILED,
	UD_FAILOVER_SOLVED,
	UD_FAILOVER_STATE_COUNT
};
extern const struct ud_enum ud_failover_states;

/* Why it is asked for; each reason belongs to one kind. */
struct ud_failover_reason {
	const char *code;
	enum ud_failover_kind kind;
	const char *about;
};
/* Ended by a NULL code. */
extern const struct ud_failover_reason ud_failover_reasons[];

/* Which points VMs start from when the request names none. */
enum ud_point_policy {
	UD_POINTS_LATEST,
	UD_POINTS_CONSISTENT, /* the newest that applications agreed to */
	UD_POINTS_COMMON,     /* the newest of all VMs that lie together */
	UD_POINTS_CHOSEN      /* the request must name it */
};
extern const struct ud_enum ud_point_policies;
/* What happens when nobody has decided in time. */
enum ud_commit_policy { UD_COMMIT_NONE, UD_COMMIT_COMMIT, UD_COMMIT_ROLLBACK };
extern const struct ud_enum ud_commit_policies;
/* The customer's word on the result. */
enum ud_validation {
	UD_VALIDATION_OPEN,
	UD_VALIDATION_PASS,
	UD_VALIDATION_FAIL,
	UD_VALIDATION_TIMEOUT
};
extern const struct ud_enum ud_validations;
/* Onward relation of a replica that takes over. */
enum ud_chain { UD_CHAIN_UNSAID, UD_CHAIN_KEEP, UD_CHAIN_REVERSE };
extern const struct ud_enum ud_chains;

struct ud_failover {
	struct ud_row row;
	const char *ticket_id;
	unsigned kind, state; /* enum ud_failover_kind, ud_failover_state */
	const char *phase;    /* finer: "quiescing", "final_sync", … */
	const char *reason_code, *plan_id;
	int64_t plan_version; /* UD_NONE without a plan */
	struct ud_texts vm_ids;
	const char *recovery_point_id;
	struct ud_time scheduled_at;
	struct ud_time window_ends_at; /* of a planned one: when its VMs are to be back */
	unsigned chain;                /* enum ud_chain */
	bool allow_hard_stop, acknowledge_latest;
	unsigned commit_policy; /* enum ud_commit_policy */
	int64_t commit_minutes, max_duration_seconds;
	struct ud_json checks; /* {"services":[…],"program":…,"arguments":[…]} */
	unsigned point_policy; /* enum ud_point_policy */
	int64_t point_within_seconds;
	struct ud_json groups;      /* of its plan (db/plan_groups.h), each with its waves */
	struct ud_json network_map; /* of its plan (db/network_maps.h); NULL = none */
	const char *plan_hash;
	struct ud_json plan, blockers, predicted; /* as approved */
	const char *requested_by;
	struct ud_time approved_at, started_at, ended_at;
	struct ud_json waiting_for; /* {"who","what","text","since","actions":[…]} */
	/* measured; UD_NONE = not yet */
	int64_t rpo_measured_seconds, rto_measured_seconds, downtime_seconds;
	const char *data_loss; /* "none", or which changes are lost */
	struct ud_json phases; /* {"fence_ms":…,"machine_ms":…,"human_ms":…} */
	const char *verdict;   /* of the checks: "passed", "failed", "inconclusive" */
	unsigned validation;   /* enum ud_validation */
	const char *validation_notes, *validated_by;
	struct ud_time commit_at, test_ends_at; /* when the timer acts */
	const char *operation_id;               /* the call that waits for the next stop */
	/* computed */
	struct ud_json steps, allowed_operations, blocked_operations;
};
extern const struct ud_table ud_failovers;

/* True for states in which nothing of the run goes on any more. */
bool ud_failover_ended(const struct ud_failover *f);

/* Read a run and keep others from it until the end of this transaction. UD_E_NOT_FOUND. */
enum ud_code ud_failover_take(struct ud_ctx *cx, const char *id, struct ud_failover *ret) UD_USE;
/* Ids of runs that were approved and whose time has come. Every tenant's. */
enum ud_code ud_failovers_scheduled(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;

/* Ids of runs whose tickets have not been told of their state yet, a batch; and: it was told. */
enum ud_code ud_failovers_untold(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;
enum ud_code ud_failover_told(struct ud_ctx *cx, const struct ud_failover *f) UD_USE;

/* What an earlier run of a kind came to, and what had been predicted of it. */
struct ud_failover_past {
	int64_t rto_seconds, rpo_seconds; /* measured; the latter UD_NONE = not known */
	const char *predicted;            /* JSON as it was approved */
};
enum { UD_FAILOVERS_PAST = 39 };
/* Those of f's customer and kind that came to serve, of exactly f's VMs or of any: the newest
 * UD_FAILOVERS_PAST. */
enum ud_code ud_failovers_past(struct ud_ctx *cx, const struct ud_failover *f, bool same_vms,
	struct ud_failover_past *ret, size_t *ret_n) UD_USE;

/* A picture that a check took. */
enum ud_code ud_picture_add(struct ud_ctx *cx, const struct ud_failover *f, const char *workflow_id,
	const char *step, const char *sha256, const char *png) UD_USE;
typedef enum ud_code ud_picture_visitor(struct ud_ctx *cx, void *data, const char *workflow_id,
	const char *step, int64_t at, const char *sha256, const char *png);
/* Visit the pictures of a run in the order they were taken. */
enum ud_code ud_picture_visit(
	struct ud_ctx *cx, const char *failover_id, ud_picture_visitor *visit, void *data) UD_USE;

#endif
