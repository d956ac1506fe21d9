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
	UD_FAILOVER_ROLLED_BACK,
	UD_FAILOVER_FAILED,
	UD_FAILOVER_SOLVED,
};
extern const struct ud_enum ud_failover_states;

enum ud_commit_policy { UD_COMMIT_NONE, UD_COMMIT_COMMIT, UD_COMMIT_ROLLBACK };
extern const struct ud_enum ud_commit_policies;
enum ud_validation {
	UD_VALIDATION_OPEN,
	UD_VALIDATION_PASS,
	UD_VALIDATION_FAIL,
	UD_VALIDATION_TIMEOUT
};
extern const struct ud_enum ud_validations;

struct ud_failover {
	struct ud_row row;
	const char *ticket_id;
	unsigned kind, state; /* enum ud_failover_kind, ud_failover_state */
	const char *phase;    /* finer: "quiescing", "final_sync", … */
	const char *reason_code, *plan_id, *chain;
	struct ud_texts vm_ids;
	const char *recovery_point_id;
	bool allow_hard_stop, acknowledge_latest;
	unsigned commit_policy; /* enum ud_commit_policy */
	int64_t commit_minutes, max_duration_seconds;
	struct ud_time scheduled_at;
	const char *plan_hash;
	struct ud_json plan, blockers, predicted; /* as approved */
	const char *requested_by;
	struct ud_time approved_at, started_at, ended_at;
	struct ud_json waiting_for; /* {"who","what","since","actions":[…]} */
	/* measured (domain.md D.7); UD_NONE = not yet */
	int64_t rpo_measured_seconds, rto_measured_seconds, downtime_seconds;
	const char *data_loss; /* "none" or a sentence */
	struct ud_json phases; /* {"fence":ms,…,"machine":ms,"human":ms} */
	const char *verdict;   /* of the checks: "passed", "failed", "inconclusive" */
	unsigned validation;   /* the customer's word: enum ud_validation */
	const char *validation_notes, *validated_by;
	struct ud_time commit_at, test_ends_at; /* when the timer acts */
	/* computed */
	struct ud_json steps, allowed_operations, blocked_operations;
};
extern const struct ud_table ud_failovers;

/* True for states in which nothing of the run goes on any more. */
bool ud_failover_ended(const struct ud_failover *f);

#endif
