/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the steps do: functions that the tables (tables.c) name. A look only reads rows and says
 * what it found, except that the commit point and orders that stand write theirs.
 */
#ifndef SERVER_WORKFLOW_STEPS_H
#define SERVER_WORKFLOW_STEPS_H

#include "server/workflow/flow.h"

struct ud_fence_result;

typedef enum ud_code step_args(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b);
typedef enum ud_code step_took(struct ud_ctx *cx, struct flow *fl, const char *result);
typedef enum ud_code step_look(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump);

/* steps.c: arguments and results */
step_args ud_args_stop, ud_args_stop_hard, ud_args_relation, ud_args_promote, ud_args_promote_back,
	ud_args_test_start, ud_args_test_drop, ud_args_check, ud_args_addresses;
step_took ud_took_stop, ud_took_sync, ud_took_fence, ud_took_promote, ud_took_test_start,
	ud_took_test_drop, ud_took_check, ud_took_addresses, ud_took_revert, ud_took_plan;

/* looks.c and proofs.c: what can be seen in the rows */
step_look ud_look_precheck_test, ud_look_precheck_planned, ud_look_stop_gate, ud_look_start_gate,
	ud_look_published, ud_look_assess, ud_look_isolate, ud_look_evidence, ud_look_point,
	ud_look_check, ud_look_addresses, ud_look_test_running, ud_look_validate,
	ud_look_source_return, ud_look_undone, ud_look_reverted, ud_look_wait, ud_look_plan;

/* moves.c: what writes */
step_look ud_look_commit_epoch, ud_look_demote, ud_look_reverse, ud_look_reprotect,
	ud_look_protected, ud_look_hand_back, ud_look_commit_again, ud_look_relate;

/* points.c: when a replica that was fenced read its points, at the earliest. */
enum ud_code ud_flow_points_read_at(struct ud_ctx *cx, const struct ud_workflow *w,
	const struct ud_workflow_step *fence, const struct ud_fence_result *r, int64_t *ret_ms)
	UD_USE;
/* The point that the present VM is to start from; *ret_id NULL = the newest. STAY or ASK
 * when it cannot be told. */
enum ud_code ud_flow_choose_point(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_id) UD_USE;
/* The old primary has answered the standing order. */
enum ud_code ud_flow_demoted(struct ud_ctx *cx, struct flow *fl, const char *result) UD_USE;
/* Only a person can help: why, and who. */
enum ud_code ud_flow_ask(struct flow *fl, enum found *ret, const char *code, const char *text,
	const char *who) UD_USE;

#endif
