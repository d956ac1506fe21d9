/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the workflow engine: a step as a row of a table, and the run that a transaction works on.
 * For server/workflow alone.
 */
#ifndef SERVER_WORKFLOW_FLOW_H
#define SERVER_WORKFLOW_FLOW_H

#include "db/plan_groups.h"
#include "server/workflow/workflow.h"

/* A run inside one transaction. w points to the VM whose turn it is. */
struct flow {
	const struct ud_commanding *commanding;
	struct ud_failover f, old; /* as it becomes, as it was read */
	struct ud_workflow_list all;
	struct ud_workflow *read; /* as they were read, in the order of all */
	struct ud_workflow *w;
	struct ud_workflow_step step; /* of w, as stored */
	bool again;                   /* the step has just begun: act */
	bool unknown;                 /* nobody knows whether what it asked for was done */
	struct ud_plan_group *groups; /* of the run, once they were read (gates.c) */
	size_t group_count;
};

enum host { NOBODY, SOURCE, TARGET };

/* What a step that commands nothing finds when it looks. */
enum found {
	NEXT, /* it is done */
	STAY, /* not yet; look again soon */
	ASK,  /* only a person can help: reason is in the workflow */
	FAIL, /* it cannot be done: reason is in the workflow */
	JUMP, /* go on at the step named in *ret_jump */
	PASS, /* there is nothing to do here */
};

/* What follows when all tries have failed. */
enum failure {
	STAFF, /* wait for a person */
	UNDO,  /* go back: the source runs again, or a test's copy is dropped */
	GO_ON, /* it is noted, and the next step begins */
};

/* Steps that a plan brings along: the row stands for all of its list. */
enum items { NO_ITEMS, BEFORE, AFTER };

#define UD_FLOW_BIT(op) (1U << UD_FLOW_##op)

struct step {
	const char *name, *phase;
	enum host host;   /* who is commanded */
	const char *verb; /* NULL = nobody: look decides */
	enum ud_code (*args)(struct ud_ctx *cx, struct flow *fl, struct ud_buf *b);
	/* takes the result of a command that was done; may be NULL */
	enum ud_code (*took)(struct ud_ctx *cx, struct flow *fl, const char *result);
	/* commanding: asked first; NEXT = its work is done already. May be NULL there */
	enum ud_code (*look)(
		struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump);
	int64_t timeout_seconds; /* 0 = it may stand for ever: its end is another's */
	int tries;               /* 1 = once */
	enum failure failure;
	bool undo;        /* before the commit: it can be called off here */
	unsigned state;   /* of the run meanwhile; 0 = running */
	const char *who;  /* whose turn it is while it stands: NULL = the machine's */
	const char *what; /* what that person is to do */
	unsigned accepts; /* operations that this step takes */
	const char *then; /* NULL = the next row; else the step's name */
	unsigned closes;  /* enum ud_workflow_state of a row that ends the workflow; 0 = none */
	bool side;        /* not on the main way: listed only once it was entered */
	enum items items; /* of the plan's own */
	bool waivable;    /* protection is all that is missing here: two people may do without */
};

/* The table of a kind, ended by a NULL name. */
const struct step *ud_flow_steps(enum ud_failover_kind kind);
/* The row of a step; never NULL: names come from the tables. */
const struct step *ud_flow_step(enum ud_failover_kind kind, const char *name);
/* Is a step of the main way behind this workflow? */
bool ud_flow_is_past(const struct ud_workflow *w, const char *name);

/* ---- engine.c ---- */

/* Take a run with all its workflows; others wait for the end of this transaction. */
enum ud_code ud_flow_open(struct ud_ctx *cx, const struct ud_commanding *c, const char *failover_id,
	struct flow *ret) UD_USE;
/* Turn to one of the workflows and take it; *ret false: it is closed. */
enum ud_code ud_flow_turn(struct ud_ctx *cx, struct flow *fl, size_t i, bool *ret) UD_USE;
/* Store what has changed, and what follows for the run as a whole. */
enum ud_code ud_flow_close(struct ud_ctx *cx, struct flow *fl) UD_USE;
/* Begin a step; what it does comes with ud_flow_settle. */
enum ud_code ud_flow_enter(struct ud_ctx *cx, struct flow *fl, const char *name) UD_USE;
/* End the present step in this state, with this word in the log, and begin the next one. */
enum ud_code ud_flow_leave(struct ud_ctx *cx, struct flow *fl, enum ud_step_state state,
	const char *word, const char *detail) UD_USE;
/* End the present step and begin the named one. */
enum ud_code ud_flow_jump(struct ud_ctx *cx, struct flow *fl, const char *name,
	enum ud_step_state state, const char *word) UD_USE;
/* The present step has failed: again, or what its row says. The reason is in the workflow. */
enum ud_code ud_flow_failed(struct ud_ctx *cx, struct flow *fl) UD_USE;
/* Call off what has not been committed. */
enum ud_code ud_flow_undo(struct ud_ctx *cx, struct flow *fl, const char *word) UD_USE;
/* Command the present step's host, and wait for its answer; seconds 0 = for as long as it takes. */
enum ud_code ud_flow_command(struct ud_ctx *cx, struct flow *fl, const char *verb, const char *args,
	int64_t seconds) UD_USE;
/* The present step is taken up once more, as if it had just begun. */
enum ud_code ud_flow_anew(struct ud_ctx *cx, struct flow *fl, const char *word) UD_USE;
/* Go on as far as it goes by itself. */
enum ud_code ud_flow_settle(struct ud_ctx *cx, struct flow *fl) UD_USE;
/* Why the present step asks or fails, and who is to help. Texts in the arena. */
void ud_flow_reason(struct flow *fl, const char *code, const char *text, const char *who);

/* ---- gates.c ---- */

/* Does this step look at the guest? */
bool ud_flow_is_check(const struct step *s);
/* The group of its plan that a VM belongs to; what stands for any group when there is no plan. */
enum ud_code ud_flow_group(struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w,
	struct ud_plan_group *ret) UD_USE;
/* The step that this VM must be past before those start that come after it. */
enum ud_code ud_flow_gate_until(
	struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w, const char **ret) UD_USE;
/* Is there a VM that starts after this one and has not begun to? */
bool ud_flow_holds_any(const struct flow *fl, const struct ud_workflow *w);
/* How long a look at the present VM waits for what it wants to see. */
enum ud_code ud_flow_gate_seconds(struct ud_ctx *cx, struct flow *fl, int64_t *ret) UD_USE;
/* How long the command of a step may take; 0 = it stands for ever. */
enum ud_code ud_flow_step_seconds(
	struct ud_ctx *cx, struct flow *fl, const struct step *s, int64_t *ret) UD_USE;
/* Does the failed present step hold VMs that start later? Then the reason says so. */
enum ud_code ud_flow_gate_holds(struct ud_ctx *cx, struct flow *fl, bool *ret) UD_USE;
/* Does this VM wait for people because of its gate; at a step of its own that later ones wait for;
 * and must that step be passed? */
bool ud_flow_at_gate(const struct ud_workflow *w);
bool ud_flow_asks_itself(const struct ud_workflow *w);
bool ud_flow_must_pass(const struct ud_workflow *w);
/* The present look stays failed, and the next step begins. */
enum ud_code ud_flow_gate_pass(
	struct ud_ctx *cx, struct flow *fl, const char *word, const char *detail) UD_USE;
/* VMs that wait at their gates go on when nobody is held by them any more. */
enum ud_code ud_flow_gates_release(struct ud_ctx *cx, struct flow *fl) UD_USE;

/* ---- plan_steps.c ---- */

/* The next item of a list that this VM carries, from this one on; -1 = there is none. */
enum ud_code ud_flow_item_next(struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w,
	const struct step *s, int64_t from, int64_t *ret) UD_USE;
/* The step after this one, which may be the same row with its next item; takes up that item. */
enum ud_code ud_flow_next(
	struct ud_ctx *cx, struct flow *fl, const struct step *s, const char **ret) UD_USE;
/* What the row of the present step is called, and what people call it (NULL = no plan's). */
const char *ud_flow_row_name(struct ud_ctx *cx, const struct ud_workflow *w);
enum ud_code ud_flow_row_title(struct ud_ctx *cx, struct flow *fl, const char **ret) UD_USE;
/* Write rows for the items of a list that this VM will carry, numbered from *n. */
enum ud_code ud_flow_items_pending(struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w,
	const struct step *s, int64_t *n) UD_USE;
/* Was done what comes before the present VM's group? STAY, or ASK when it never will be. */
enum ud_code ud_flow_before_done(struct ud_ctx *cx, struct flow *fl, enum found *ret) UD_USE;
/* The present item has failed: the reason says so, and *ret_ask whether people decide. */
enum ud_code ud_flow_item_failed(struct ud_ctx *cx, struct flow *fl, bool *ret_ask) UD_USE;

/* ---- press.c ---- */

/* Append the names of what people may do with this workflow now, as items of a JSON list. */
void ud_flow_actions(struct ud_buf *b, const struct ud_failover *f, const struct ud_workflow *w);

/* ---- summary.c ---- */

/* What the run as a whole is now: state, phase, waiting_for, measured numbers. */
enum ud_code ud_flow_summary(struct ud_ctx *cx, struct flow *fl) UD_USE;

#endif
