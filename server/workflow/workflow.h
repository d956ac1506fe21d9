/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workflow engine: moves the VMs of a failover along tables of steps. Every arrow is one
 * transaction that also takes the command's number and writes the log; nothing is kept in memory
 * between two of them, so any server may make the next one. Arrows are made by answers of agents
 * (ud_flow_answered), by time (ud_flow_tick) and by people (ud_flow_press).
 *
 * Until the epoch is committed a step that fails is undone; after it there is only forward. What
 * the machine cannot decide waits for a person, with the names of what that person may do.
 *
 * All functions write rows alone and run on the writer, inside the caller's transaction; cx->scope
 * is whoever acts, and what it must not see it was refused before.
 */
#ifndef SERVER_WORKFLOW_WORKFLOW_H
#define SERVER_WORKFLOW_WORKFLOW_H

#include "db/commands.h"
#include "db/workflows.h"

/* One VM of a run that is to begin, as it was approved. */
struct ud_flow_member {
	const char *vm_id, *customer_id, *replication_id, *source_host_id, *target_host_id;
	const char *fencing_policy;
	int64_t boot_group, epoch;
};

/* Begin a run that was approved: a workflow for each member. UD_E_IN_USE when one of the VMs is in
 * another run. */
enum ud_code ud_flow_begin(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *failover_id, const struct ud_flow_member *members, size_t count) UD_USE;

/* What people do with a run; a bit each in sets. */
enum ud_flow_op {
	UD_FLOW_VERIFY,
	UD_FLOW_COMMIT,
	UD_FLOW_ROLLBACK,
	UD_FLOW_REVERSE,
	UD_FLOW_CLEANUP,
	UD_FLOW_CANCEL,
	UD_FLOW_EXTEND,
	UD_FLOW_RETRY,   /* a step again */
	UD_FLOW_SKIP,    /* go on without it */
	UD_FLOW_CONFIRM, /* a step that people do is done */
	UD_FLOW_OPS
};
/* How operations are called in lists: "verify", "cleanup-test", … */
extern const struct ud_enum ud_flow_ops;

/* Why an operation cannot be done now. */
struct ud_flow_block {
	const char *code, *text, *unblock, *who; /* unblock: the operation that helps, or NULL */
};
/*
 * May this be done with the run now, whoever asks? step: number of the step meant (UD_FLOW_RETRY,
 * SKIP, CONFIRM), or 0 = any. True, or false with the reason.
 */
enum ud_code ud_flow_may(struct ud_ctx *cx, const struct ud_failover *f, enum ud_flow_op op,
	int64_t step, bool *ret, struct ud_flow_block *ret_block) UD_USE;

/* What an operation needs beside its name. */
struct ud_flow_press {
	enum ud_flow_op op;
	int64_t step;                  /* position * 100 + n, as it is listed; 0 = none */
	unsigned validation;           /* verify */
	const char *notes;             /* verify, skip, confirm */
	const char *recovery_point_id; /* rollback to another point; NULL = to the source */
	int64_t minutes;               /* extend */
	const char *operation_id;      /* to be ended when the run stands again; NULL = none */
};
/* Do it. UD_E_INVALID_STATE with the reason that ud_flow_may tells. */
enum ud_code ud_flow_press(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *failover_id, const struct ud_flow_press *press) UD_USE;

/* Two people have stated that this VM's source is off; the next tick goes on from there. */
enum ud_code ud_flow_attested(struct ud_ctx *cx, const char *failover_id, const char *vm_id) UD_USE;

/* Has the agent of this host spoken within a poll and a half? *ret_last_ms: when it last did, or 0.
 */
enum ud_code ud_flow_host_answers(
	struct ud_ctx *cx, const char *host_id, bool *ret, int64_t *ret_last_ms) UD_USE;
/* Is protection all that is missing of this VM's part of the run, or was it closed without? */
bool ud_flow_waivable(const struct ud_workflow *w);
/* People of both sides have signed that this VM stays unprotected: its workflow is closed where it
 * is waivable; else nothing happens. */
enum ud_code ud_flow_waived(struct ud_ctx *cx, const char *failover_id, const char *vm_id) UD_USE;

/* A reaction (db/commands.h): goes on from the end of a command. */
enum ud_code ud_flow_answered(struct ud_ctx *cx, const struct ud_command_ended *ended) UD_USE;
/* A tick (server/jobs/ticks.h): what time brings. */
enum ud_code ud_flow_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_flow_tick(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

/* The VM's epoch was moved by people (break-glass, a conflict settled), or is what a restored
 * server heard: its open workflow is closed as overtaken, and commands nobody any more. */
enum ud_code ud_flow_overtaken(struct ud_ctx *cx, const char *vm_id) UD_USE;

#endif
