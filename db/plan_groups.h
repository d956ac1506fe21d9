/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a recovery plan says of each of its groups: the gate that the group must pass before the
 * next one starts, and what is done before it starts and after it did.
 */
#ifndef DB_PLAN_GROUPS_H
#define DB_PLAN_GROUPS_H

#include "db/failovers.h"

/* How far the VMs of a group are looked at before the next group starts. */
enum ud_gate_level { UD_LEVEL_POWER, UD_LEVEL_OS, UD_LEVEL_SERVICE, UD_LEVEL_PROBE };
/* When a look fails, or what a plan asks for does. */
enum ud_on_fail {
	UD_ON_FAIL_PAUSE,    /* people may try again, or go on without */
	UD_ON_FAIL_STOP,     /* people may try again; nothing goes on without it */
	UD_ON_FAIL_CONTINUE, /* it is noted */
};

struct ud_gate {
	unsigned level; /* enum ud_gate_level */
	int64_t timeout_seconds;
	unsigned on_fail; /* enum ud_on_fail */
};

enum ud_plan_kind {
	UD_PLAN_SCRIPT_GUEST, /* a program inside a guest, by its guest agent */
	UD_PLAN_SCRIPT_HOST,  /* a program of the host that the group's first VM starts on */
	UD_PLAN_WEBHOOK,      /* a signed call to somebody's server */
	UD_PLAN_MANUAL,       /* people do it and say so */
	UD_PLAN_KINDS
};
/* Who does a manual step. */
enum ud_plan_owner { UD_OWNER_STAFF, UD_OWNER_CUSTOMER };

/* One thing that is done before a group starts or after it did. */
struct ud_plan_step {
	const char *name;
	unsigned kind;        /* enum ud_plan_kind */
	struct ud_texts runs; /* kinds of failover that it is done in */
	const char *vm_id;    /* whose guest; NULL = the group's first */
	int64_t timeout_seconds;
	unsigned on_fail;    /* enum ud_on_fail */
	const char *program; /* of scripts */
	struct ud_texts arguments;
	const char *url;  /* of webhooks */
	unsigned owner;   /* of manual ones: enum ud_plan_owner */
	const char *text; /* what people are to do */
};
struct ud_plan_steps {
	struct ud_plan_step *items;
	size_t count;
};
enum { UD_PLAN_STEPS = 10 };

struct ud_plan_group {
	int64_t group;
	struct ud_json gate_text; /* member "gate" of the document */
	/* of a run: the waves that the group's VMs start in; UD_NONE in plans */
	int64_t first_wave, last_wave;
	struct ud_gate gate;
	struct ud_json before_text, after_text; /* members "before" and "after" */
	struct ud_plan_steps before, after;
};
enum { UD_PLAN_GROUPS = 100 };

/* Read the groups of a plan or of a run; NULL gives none. UD_E_VALIDATION naming what is wrong.
 * Steps of a kind have what that kind needs, and nothing else. */
enum ud_code ud_plan_groups_read(
	struct ud_ctx *cx, const char *text, struct ud_plan_group **ret, size_t *ret_n) UD_USE;
/* The same groups as a text in the arena, everything said that was left to the standard. */
const char *ud_plan_groups_text(struct ud_ctx *cx, const struct ud_plan_group *groups, size_t n);
/* The group with this number among n, or NULL. */
const struct ud_plan_group *ud_plan_group_find(
	const struct ud_plan_group *groups, size_t n, int64_t group);
/* Is a step done in this kind of failover? */
bool ud_plan_step_runs(const struct ud_plan_step *s, enum ud_failover_kind kind);
/* What a group is that nothing was said of. */
struct ud_plan_group ud_plan_group_standard(int64_t group);

#endif
