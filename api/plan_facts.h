/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plan stood on when it was verified: its VMs as they are defined, the hosts at both ends,
 * their agents' certificates, and what cards are connected to and get as addresses. When any of it
 * is another, nobody has looked at the plan as it would run now.
 */
#ifndef API_PLAN_FACTS_H
#define API_PLAN_FACTS_H

#include "db/recovery_plans.h"

/* These facts now, in a few words for ud_plan_facts_compare. The caller has read the plan with its
 * scope. */
enum ud_code ud_plan_facts(struct ud_ctx *cx, const struct ud_recovery_plan *p, const char **ret)
	UD_USE;
/* Which of them differ between two times, by their names in ud_stale_reasons. */
enum ud_code ud_plan_facts_compare(
	struct ud_ctx *cx, const char *before, const char *now, struct ud_texts *ret) UD_USE;

#endif
