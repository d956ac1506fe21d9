/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workflows: how far one VM of a failover is. A row is changed only by whoever has taken it in the
 * same transaction; taking raises its fence, so of two servers that believe it is their turn the
 * later finds a step that has moved. Nothing of a workflow lives in memory between transactions.
 * Beside it stand its steps as they are now, and the log of its arrows, which only grows.
 */
#ifndef DB_WORKFLOWS_H
#define DB_WORKFLOWS_H

#include "db/failovers.h"

enum ud_workflow_state {
	UD_WORKFLOW_RUNNING,
	UD_WORKFLOW_WAITING, /* for a person */
	UD_WORKFLOW_DONE,    /* from here on it is closed */
	UD_WORKFLOW_ABORTED, /* nothing has changed for the VM */
	UD_WORKFLOW_ROLLED_BACK,
	UD_WORKFLOW_FAILED, /* a person closed it */
	/* overtaken by an epoch that people made at the host */
	UD_WORKFLOW_OVERTAKEN,
	/* it runs at the target, and two people have signed that it stays unprotected */
	UD_WORKFLOW_WAIVED,
};
extern const struct ud_enum ud_workflow_states;

struct ud_workflow {
	struct ud_row row;
	const char *failover_id, *vm_id;
	int64_t position, boot_group; /* of the VM in the plan: 0, 1, …; groups start in order */
	unsigned kind, state;         /* enum ud_failover_kind, ud_workflow_state */
	const char *step;
	const char *source_host_id, *target_host_id, *replication_id;
	const char *fencing_policy;
	int64_t seq;                           /* command it waits for; UD_NONE = none */
	int64_t tries;                         /* of this step so far */
	struct ud_time wake_at;                /* when it is looked at again */
	struct ud_time deadline_at;            /* of this step */
	int64_t fence, log_n;                  /* lines of its log so far */
	const char *reason_code, *reason_text; /* why it waits or has failed */
	const char *waiting_on;                /* "customer", "support" */
	struct ud_time waiting_since;
	const char *recovery_point_id;
	int64_t point_age_ms; /* of that point when the source was known to be gone */
	struct ud_time point_taken_at;
	const char *test_id, *test_uuid;
	int64_t source_epoch,
		epoch;  /* before, and committed by this workflow (UD_NONE = not yet) */
	bool stop_sent; /* the source was told to stop: undoing means telling it to resume */
	struct ud_time attested_at, fenced_at, committed_at;
	const char *fence_operation_id; /* has the source's host switched off; NULL = none */
	struct ud_time device_off_at;   /* when the device had confirmed it */
	int64_t demote_seq;             /* standing order to the old primary; UD_NONE = none */
	struct ud_time demoted_at;
	const char *divergent; /* disks the old primary has kept */
	struct ud_time reversed_at;
	bool reverse_pending; /* one end has the swapped relation, the other not yet */
	struct ud_time outage_at, stopped_at, serving_at;
	int64_t checks_passed, checks_failed;
	const char *plan_operation_id; /* that it waits for; NULL = none */
	int64_t plan_item;             /* which of the plan's own steps it is at, from 0 */
	bool gate_open; /* people let those after it start although its checks fail */
	struct ud_time ended_at;
};
extern const struct ud_table ud_workflows;

/* True for states after which nothing happens. */
bool ud_workflow_closed(const struct ud_workflow *w);

/*
 * Take a workflow for an arrow: raises its fence; others who want it wait for the end of this
 * transaction. *ret false: it was closed meanwhile.
 */
enum ud_code ud_workflow_take(struct ud_ctx *cx, struct ud_workflow *w, bool *ret) UD_USE;
/*
 * The workflow that a command belongs to: the VM's open one, or the closed one whose standing order
 * it is (seq; UD_NONE = the open one alone). *ret_id and the id of its run are NULL when there is
 * none.
 */
enum ud_code ud_workflow_of(struct ud_ctx *cx, const char *vm_id, int64_t seq, const char **ret_id,
	const char **ret_failover_id) UD_USE;
/* All of a failover, in order; at most UD_WORKFLOWS_MAX. */
enum { UD_WORKFLOWS_MAX = 500 };
struct ud_workflow_list {
	struct ud_workflow *items;
	size_t count;
};
enum ud_code ud_workflow_all(
	struct ud_ctx *cx, const char *failover_id, struct ud_workflow_list *ret) UD_USE;
/* Ids of runs with a workflow whose wake_at has come, a batch. Every tenant's. */
enum ud_code ud_workflow_due(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;

/* ---- steps ---- */

enum ud_step_state {
	UD_STEP_PENDING,
	UD_STEP_RUNNING,
	UD_STEP_WAITING,
	UD_STEP_DONE,
	UD_STEP_FAILED,
	UD_STEP_SKIPPED,
	UD_STEP_UNDONE
};
extern const struct ud_enum ud_step_states;

struct ud_workflow_step {
	int64_t n;
	const char *workflow_id, *vm_id, *name, *phase;
	const char *title; /* of a plan's own step: what people call it; else NULL */
	unsigned state;    /* enum ud_step_state */
	const char *host_id;
	int64_t seq, attempts;
	struct ud_time started_at, ended_at;
	struct ud_json result, error;
	/* when visited: is what its host answered signed by the agent there (one of
	 * ud_statement_verdicts; NULL = it has no answer), and how long it took by that host's
	 * steady clock (UD_NONE = not told) */
	const char *signature;
	int64_t took_ms;
};

/* Store a step under its number; replaces what stands there. */
enum ud_code ud_step_put(
	struct ud_ctx *cx, const struct ud_workflow *w, const struct ud_workflow_step *step) UD_USE;
/* The newest step of that name; *ret_found false = it has none. */
enum ud_code ud_step_get(struct ud_ctx *cx, const struct ud_workflow *w, const char *name,
	bool *ret_found, struct ud_workflow_step *ret) UD_USE;
/* The number after the last one. */
enum ud_code ud_step_next(struct ud_ctx *cx, const struct ud_workflow *w, int64_t *ret) UD_USE;
/* Steps that are still pending will not be done. */
enum ud_code ud_steps_skip(struct ud_ctx *cx, const struct ud_workflow *w) UD_USE;
typedef enum ud_code ud_step_visitor(
	struct ud_ctx *cx, void *data, const struct ud_workflow_step *step);
/* Visit the steps of a whole failover in order. */
enum ud_code ud_step_visit(
	struct ud_ctx *cx, const char *failover_id, ud_step_visitor *visit, void *data) UD_USE;

/* ---- log ---- */

struct ud_step_line {
	const char *workflow_id, *vm_id, *step, *event, *host_id, *actor_id, *detail;
	int64_t n, seq, at;
};
/* Write one line: "entered", "done", "failed", "waiting", "skipped", "stale", … Counts w->log_n. */
enum ud_code ud_step_log(struct ud_ctx *cx, struct ud_workflow *w, const char *event,
	const char *host_id, int64_t seq, const char *detail) UD_USE;
typedef enum ud_code ud_step_line_visitor(
	struct ud_ctx *cx, void *data, const struct ud_step_line *line);
/* Visit the log of a whole failover, oldest first. */
enum ud_code ud_step_lines(
	struct ud_ctx *cx, const char *failover_id, ud_step_line_visitor *visit, void *data) UD_USE;

/* ---- the VM and its hosts ---- */

/* When the live agent of a host was last heard of; 0 = never. */
enum ud_code ud_host_last_seen(struct ud_ctx *cx, const char *host_id, int64_t *ret_ms) UD_USE;

/*
 * The commit point: the VM's epoch grows by one and belongs to this host from now on, where it is
 * still expected. UD_E_CONFLICT when somebody else has moved it.
 */
enum ud_code ud_epoch_commit(struct ud_ctx *cx, const char *vm_id, int64_t expected,
	const char *host_id, int64_t *ret_epoch) UD_USE;

#endif
