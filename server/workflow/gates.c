/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gates of groups: a VM whose guest does not come up holds those of its plan that start after it,
 * until people have tried again or let them pass.
 */
#include <string.h>

#include "base/failover.h"
#include "server/workflow/steps.h"

/* From a look's own time to the end of its command: the agent comes back with what it saw. */
enum { ANSWER_SECONDS = 60 };

/* clang-format off */
static const char *const checks[] = {
	[UD_LEVEL_POWER] = "check_power",
	[UD_LEVEL_OS] = "check_guest_agent",
	[UD_LEVEL_SERVICE] = "check_services",
	[UD_LEVEL_PROBE] = "check_script",
};
/* clang-format on */

bool ud_flow_is_check(const struct step *s)
{
	return s->verb && strcmp(s->verb, UD_VERB_BOOT_CHECK) == 0;
}

/* The groups stay what they were when the run was approved: read once for all its VMs. */
static enum ud_code read_groups(struct ud_ctx *cx, struct flow *fl)
{
	if (fl->groups)
		return UD_OK;
	return ud_plan_groups_read(cx, fl->f.groups.text, &fl->groups, &fl->group_count);
}

enum ud_code ud_flow_group(
	struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w, struct ud_plan_group *ret)
{
	*ret = ud_plan_group_standard(0);
	UD_TRY(read_groups(cx, fl));
	for (size_t i = 0; i < fl->group_count; i++)
		if (w->boot_group >= fl->groups[i].first_wave &&
			w->boot_group <= fl->groups[i].last_wave)
			*ret = fl->groups[i];
	return UD_OK;
}

/* A VM that has not left its start gate: everything it does still depends on those before it. */
static bool before_start(const struct ud_workflow *w)
{
	return !ud_workflow_closed(w) && !ud_flow_step(w->kind, w->step)->side &&
		!ud_flow_is_past(w, "start_gate");
}

bool ud_flow_holds_any(const struct flow *fl, const struct ud_workflow *w)
{
	for (size_t i = 0; i < fl->all.count; i++)
		if (fl->all.items[i].boot_group > w->boot_group && before_start(&fl->all.items[i]))
			return true;
	return false;
}

/* Between groups what the plan does after the first one is done, too. */
enum ud_code ud_flow_gate_until(
	struct ud_ctx *cx, struct flow *fl, const struct ud_workflow *w, const char **ret)
{
	struct ud_plan_group g;
	int64_t item = -1;

	UD_TRY(ud_flow_group(cx, fl, w, &g));
	*ret = checks[g.gate.level];
	if (fl->w->boot_group <= g.last_wave)
		return UD_OK;
	UD_TRY(ud_flow_item_next(cx, fl, w, ud_flow_step(w->kind, "plan_after"), 0, &item));
	if (item >= 0)
		*ret = "plan_after";
	return UD_OK;
}

enum ud_code ud_flow_gate_seconds(struct ud_ctx *cx, struct flow *fl, int64_t *ret)
{
	struct ud_plan_group g;

	UD_TRY(ud_flow_group(cx, fl, fl->w, &g));
	*ret = g.gate.timeout_seconds;
	return UD_OK;
}

enum ud_code ud_flow_step_seconds(
	struct ud_ctx *cx, struct flow *fl, const struct step *s, int64_t *ret)
{
	int64_t wait = 0;

	*ret = s->timeout_seconds;
	if (!ud_flow_is_check(s))
		return UD_OK;
	UD_TRY(ud_flow_gate_seconds(cx, fl, &wait));
	if (wait + ANSWER_SECONDS > *ret)
		*ret = wait + ANSWER_SECONDS;
	return UD_OK;
}

static bool waits_for(const struct ud_workflow *w, const char *code)
{
	return w->state == UD_WORKFLOW_WAITING && w->reason_code &&
		strcmp(w->reason_code, code) == 0;
}

bool ud_flow_at_gate(const struct ud_workflow *w)
{
	return (w->state == UD_WORKFLOW_WAITING &&
		       ud_flow_is_check(ud_flow_step(w->kind, w->step))) ||
		waits_for(w, "gate_shut");
}

bool ud_flow_asks_itself(const struct ud_workflow *w)
{
	return w->state == UD_WORKFLOW_WAITING &&
		(ud_flow_at_gate(w) || ud_flow_step(w->kind, w->step)->items != NO_ITEMS);
}

bool ud_flow_must_pass(const struct ud_workflow *w)
{
	return waits_for(w, "gate_shut") || waits_for(w, "step_shut") ||
		waits_for(w, "manual_needed");
}

enum ud_code ud_flow_gate_holds(struct ud_ctx *cx, struct flow *fl, bool *ret)
{
	struct ud_workflow *w = fl->w;
	struct ud_plan_group g;

	*ret = false;
	if (!ud_flow_is_check(ud_flow_step(w->kind, w->step)) || w->gate_open ||
		!ud_flow_holds_any(fl, w))
		return UD_OK;
	UD_TRY(ud_flow_group(cx, fl, w, &g));
	const struct step *last = ud_flow_step(w->kind, checks[g.gate.level]);

	if (g.gate.on_fail == UD_ON_FAIL_CONTINUE || ud_flow_step(w->kind, w->step) > last)
		return UD_OK;
	*ret = true;
	ud_flow_reason(fl, g.gate.on_fail == UD_ON_FAIL_STOP ? "gate_shut" : "gate_failed",
		ud_printf(cx->arena, "The VMs that start after this one wait. %s",
			w->reason_text ? w->reason_text : ""),
		"support");
	return UD_OK;
}

enum ud_code ud_flow_gate_pass(
	struct ud_ctx *cx, struct flow *fl, const char *word, const char *detail)
{
	fl->w->checks_failed += ud_flow_is_check(ud_flow_step(fl->w->kind, fl->w->step));
	return ud_flow_leave(cx, fl, UD_STEP_FAILED, word, detail);
}

enum ud_code ud_flow_gates_release(struct ud_ctx *cx, struct flow *fl)
{
	for (size_t i = 0; i < fl->all.count; i++) {
		const struct ud_workflow *w = &fl->all.items[i];
		bool open = false;

		if (!ud_flow_at_gate(w) || ud_flow_holds_any(fl, w))
			continue;
		UD_TRY(ud_flow_turn(cx, fl, i, &open));
		if (!open)
			continue;
		if (!fl->commanding) { /* the next tick has one */
			fl->w->wake_at.ms = cx->now_ms;
			continue;
		}
		UD_TRY(ud_flow_gate_pass(cx, fl, "failed", fl->w->reason_text));
		UD_TRY(ud_flow_settle(cx, fl));
	}
	return UD_OK;
}
