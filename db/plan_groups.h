/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a recovery plan says of each of its groups: the gate that the group must pass before the
 * next one starts.
 */
#ifndef DB_PLAN_GROUPS_H
#define DB_PLAN_GROUPS_H

#include "base/shape.h"

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

struct ud_plan_group {
	int64_t group;
	struct ud_json gate_text; /* member "gate" of the document */
	/* of a run: the waves that the group's VMs start in; UD_NONE in plans */
	int64_t first_wave, last_wave;
	struct ud_gate gate;
};
enum { UD_PLAN_GROUPS = 100 };

/* Read the groups of a plan or of a run; NULL gives none. UD_E_VALIDATION naming what is wrong. */
enum ud_code ud_plan_groups_read(
	struct ud_ctx *cx, const char *text, struct ud_plan_group **ret, size_t *ret_n) UD_USE;
/* The same groups as a text in the arena, everything said that was left to the standard. */
const char *ud_plan_groups_text(struct ud_ctx *cx, const struct ud_plan_group *groups, size_t n);
/* The group with this number among n, or NULL. */
const struct ud_plan_group *ud_plan_group_find(
	const struct ud_plan_group *groups, size_t n, int64_t group);
/* What a group is that nothing was said of. */
struct ud_plan_group ud_plan_group_standard(int64_t group);

#endif
