/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What steps see when they look: only rows, and never a guess. Silence of a host proves nothing;
 * that it answers is a reason to refuse.
 */
#include <string.h>

#include "base/failover.h"
#include "base/replication.h"
#include "db/leases.h"
#include "db/recovery_points.h"
#include "db/replications.h"
#include "server/workflow/steps.h"

/* An agent that has not spoken for so long is not there: two polls and a bit. */
enum { SILENT_MS = 60000 };

enum ud_code ud_flow_host_answers(
	struct ud_ctx *cx, const char *host_id, bool *ret, int64_t *ret_last_ms)
{
	*ret_last_ms = 0;
	UD_TRY(ud_host_last_seen(cx, host_id, ret_last_ms));
	*ret = *ret_last_ms && cx->now_ms - *ret_last_ms < SILENT_MS;
	return UD_OK;
}

enum ud_code ud_flow_ask(
	struct flow *fl, enum found *ret, const char *code, const char *text, const char *who)
{
	ud_flow_reason(fl, code, text, who);
	*ret = ASK;
	return UD_OK;
}

enum ud_code ud_look_wait(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	(void)cx, (void)fl, (void)ret_jump;
	*ret = STAY;
	return UD_OK;
}

/* ---- before it begins ---- */

static enum ud_code needs_host(struct ud_ctx *cx, struct flow *fl, const char *host_id,
	const char *code, const char *text, enum found *ret)
{
	bool there = false;
	int64_t last;

	UD_TRY(ud_flow_host_answers(cx, host_id, &there, &last));
	return there ? UD_OK : ud_flow_ask(fl, ret, code, text, "support");
}

enum ud_code ud_look_precheck_test(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_workflow *w = fl->w;
	struct ud_recovery_point p = { 0 };
	const char *id = NULL;
	bool found = false;

	(void)ret_jump;
	*ret = NEXT;
	UD_TRY(needs_host(cx, fl, w->target_host_id, "target_unreachable",
		"The replica's host does not answer.", ret));
	if (*ret != NEXT)
		return UD_OK;
	UD_TRY(ud_flow_choose_point(cx, fl, ret, &id));
	if (*ret != NEXT)
		return UD_OK;
	if (!id)
		UD_TRY(ud_recovery_point_newest(cx, w->replication_id, &id));
	if (id)
		UD_TRY(ud_recovery_point_find(cx, id, &found, &p));
	if (!found || strcmp(p.replication_id, w->replication_id) != 0 ||
		(p.state != UD_POINT_COMPLETE && p.state != UD_POINT_VERIFIED))
		return ud_flow_ask(fl, ret, "no_recovery_point",
			"There is no complete recovery point to test.", "support");
	w->recovery_point_id = p.row.id;
	w->point_taken_at = p.taken_at;
	w->test_id = ud_printf(cx->arena, "tst_%s", w->row.id + 4);
	return UD_OK;
}

enum ud_code ud_look_precheck_planned(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_workflow *w = fl->w;
	struct ud_replication r = { 0 };
	bool found = false;

	(void)ret_jump;
	*ret = NEXT;
	UD_TRY(needs_host(cx, fl, w->source_host_id, "source_unreachable",
		"The primary's host does not answer. A failover without it is an unplanned one.",
		ret));
	if (*ret == NEXT)
		UD_TRY(needs_host(cx, fl, w->target_host_id, "target_unreachable",
			"The replica's host does not answer.", ret));
	if (*ret != NEXT)
		return UD_OK;
	UD_TRY(ud_replication_find(cx, w->replication_id, &found, &r));
	if (!found || r.wanted != UD_RELATION_ACTIVE || r.state != UD_REPLICATION_REPLICATING)
		return ud_flow_ask(fl, ret, "not_replicating",
			"The VM is not replicating at present; its last changes could not be carried"
			" over.",
			"support");
	return ud_lease_gate_set(cx, w->vm_id, UD_GATE_KEEP);
}

/* ---- order inside a plan ---- */

/* Has every VM that comes first got past this step? until NULL: past the gate of its group. */
static enum ud_code gate(
	struct ud_ctx *cx, struct flow *fl, bool later_first, const char *until, enum found *ret)
{
	const struct ud_workflow *w = fl->w;
	const char *step = until;

	*ret = NEXT;
	for (size_t i = 0; i < fl->all.count; i++) {
		const struct ud_workflow *o = &fl->all.items[i];
		bool before =
			later_first ? o->boot_group > w->boot_group : o->boot_group < w->boot_group;

		if (!before || o->state == UD_WORKFLOW_DONE)
			continue;
		if (!until)
			UD_TRY(ud_flow_gate_until(cx, fl, o, &step));
		if (ud_flow_is_past(o, step))
			continue;
		*ret = STAY;
		/* at its own gate people are asked there, and nowhere else */
		if ((o->state == UD_WORKFLOW_WAITING && !ud_flow_asks_itself(o)) ||
			ud_workflow_closed(o))
			return ud_flow_ask(fl, ret, "plan_member_stuck",
				"A VM that comes first in the plan has not got there.", "support");
	}
	return UD_OK;
}

/* VMs stop in the opposite order of their start. */
enum ud_code ud_look_stop_gate(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	(void)ret_jump;
	return gate(cx, fl, true, "stop", ret);
}

enum ud_code ud_look_start_gate(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	(void)ret_jump;
	UD_TRY(gate(cx, fl, false, NULL, ret));
	return *ret == NEXT ? ud_flow_before_done(cx, fl, ret) : UD_OK;
}

/* ---- planned ---- */

/* The final point counts when the replica has told it, not when the source says it was sent. */
enum ud_code ud_look_published(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_recovery_point p = { 0 };
	bool found = false;

	(void)ret_jump;
	*ret = STAY;
	UD_TRY(ud_recovery_point_find(cx, fl->w->recovery_point_id, &found, &p));
	if (found && strcmp(p.host_id, fl->w->target_host_id) == 0 &&
		(p.state == UD_POINT_COMPLETE || p.state == UD_POINT_VERIFIED))
		*ret = NEXT;
	return UD_OK;
}

/* ---- unplanned ---- */

enum ud_code ud_look_assess(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_workflow *w = fl->w;
	bool answers = false;
	int64_t last = 0;

	(void)ret_jump;
	UD_TRY(ud_flow_host_answers(cx, w->source_host_id, &answers, &last));
	w->outage_at.ms = last ? last : fl->f.row.created_at.ms;
	*ret = NEXT;
	/* a host that has been silent since the run began may be gone: wait until that is plain */
	if (answers && last < fl->f.started_at.ms &&
		strcmp(fl->f.reason_code, "virus_attack") != 0) {
		*ret = STAY;
		return UD_OK;
	}
	if (answers && strcmp(fl->f.reason_code, "virus_attack") != 0)
		return ud_flow_ask(fl, ret, "source_answers",
			"The primary's host answers. A planned failover loses nothing: cancel this and"
			" ask for that one.",
			"support");
	return ud_lease_gate_set(cx, w->vm_id, UD_GATE_SHUT);
}

/* A source that answers is told to stop: what it says itself is the best proof. */
enum ud_code ud_look_isolate(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	bool answers = false;
	int64_t last = 0;

	(void)ret_jump;
	UD_TRY(ud_flow_host_answers(cx, fl->w->source_host_id, &answers, &last));
	*ret = answers ? STAY : PASS;
	return UD_OK;
}

/* How old a point was when the source was seen last: what is lost. told_ms: when its age was told.
 */
static int64_t age_at_outage(const struct ud_workflow *w, int64_t age_ms, int64_t told_ms)
{
	int64_t since = w->outage_at.ms > 0 && told_ms > 0 ? told_ms - w->outage_at.ms : 0;

	return age_ms == UD_NONE || since < 0 ? age_ms : age_ms > since ? age_ms - since : 0;
}

/* Take one of the points that the replica has told when it was fenced; wanted NULL = the newest.
 * *ret false: it has not told it. */
static enum ud_code take_told(struct ud_ctx *cx, struct flow *fl, const char *wanted, bool *ret)
{
	struct ud_workflow_step fence = { 0 };
	struct ud_fence_result r = { 0 };
	struct ud_point *points = NULL;
	int64_t told_ms = 0;
	size_t n = 0, i = 0;
	bool found = false;

	UD_TRY(ud_step_get(cx, fl->w, "fence", &found, &fence));
	const char *text = found && fence.result.text ? fence.result.text : "{\"points\":[]}";

	UD_TRY(ud_shape_read(cx, &ud_fence_result_shape, text, strlen(text), &r));
	UD_TRY(ud_shape_read_list(
		cx, &ud_point_shape, r.points.text, UD_REPORT_POINTS, (void **)&points, &n));
	if (!wanted)
		wanted = r.newest;
	while (i < n && (!wanted || strcmp(points[i].id, wanted) != 0))
		i++;
	*ret = i < n;
	if (!*ret)
		return UD_OK;
	UD_TRY(ud_flow_points_read_at(cx, fl->w, &fence, &r, &told_ms));
	fl->w->recovery_point_id = points[i].id;
	fl->w->point_age_ms = age_at_outage(fl->w, points[i].age_ms, told_ms);
	fl->w->point_taken_at = points[i].taken_at;
	return UD_OK;
}

enum ud_code ud_look_point(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	const char *wanted = NULL;
	bool found = false;

	(void)ret_jump;
	*ret = NEXT;
	UD_TRY(ud_flow_choose_point(cx, fl, ret, &wanted));
	if (*ret != NEXT)
		return UD_OK;
	UD_TRY(take_told(cx, fl, wanted, &found));
	return found ? UD_OK
		     : ud_flow_ask(fl, ret, "no_recovery_point",
			       "The replica does not have the recovery point that was asked for.",
			       "support");
}

/* ---- while people look ---- */

enum ud_code ud_look_test_running(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	(void)ret_jump;
	if (fl->f.test_ends_at.ms <= 0)
		fl->f.test_ends_at.ms = cx->now_ms + fl->f.max_duration_seconds * 1000;
	fl->w->wake_at = fl->f.test_ends_at;
	*ret = fl->f.test_ends_at.ms <= cx->now_ms ? NEXT : STAY;
	return UD_OK;
}

enum ud_code ud_look_validate(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_failover *f = &fl->f;

	*ret = STAY;
	if (f->commit_policy != UD_COMMIT_NONE && f->commit_at.ms <= 0)
		f->commit_at.ms = cx->now_ms + f->commit_minutes * 60000;
	if (f->commit_policy == UD_COMMIT_NONE) {
		fl->w->wake_at.ms = cx->now_ms + 24 * 3600 * 1000;
		return UD_OK;
	}
	fl->w->wake_at = f->commit_at;
	if (f->commit_at.ms > cx->now_ms)
		return UD_OK;
	if (f->validation == UD_VALIDATION_OPEN)
		f->validation = UD_VALIDATION_TIMEOUT;
	*ret = NEXT;
	if (f->commit_policy == UD_COMMIT_ROLLBACK && f->kind == UD_FAILOVER_UNPLANNED) {
		*ret_jump = "revert";
		*ret = JUMP;
	}
	return UD_OK;
}

/* ---- ways back ---- */

enum ud_code ud_look_undone(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	const char *code = fl->w->reason_code;

	*ret = JUMP;
	*ret_jump = code && strcmp(code, "cancelled") == 0 ? "cancelled" : "failed";
	return fl->f.kind == UD_FAILOVER_TEST ? UD_OK
					      : ud_lease_gate_set(cx, fl->w->vm_id, UD_GATE_OPEN);
}

/* After a revert: another point at the same host, or the source again. */
enum ud_code ud_look_reverted(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_workflow *w = fl->w;
	struct ud_recovery_point p = { 0 };
	bool told = false, found = false;

	*ret = JUMP;
	*ret_jump = w->recovery_point_id ? "commit_again" : "hand_back";
	if (!w->recovery_point_id)
		return UD_OK;
	/* what is lost is another's now */
	UD_TRY(take_told(cx, fl, w->recovery_point_id, &told));
	if (told)
		return UD_OK;
	w->point_age_ms = UD_NONE;
	w->point_taken_at.ms = UD_NONE;
	UD_TRY(ud_recovery_point_find(cx, w->recovery_point_id, &found, &p));
	if (found)
		w->point_taken_at = p.taken_at;
	return UD_OK;
}
