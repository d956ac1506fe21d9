/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which recovery point each VM of a plan starts from, when the plan says more than "the newest".
 * For one that is lost the points are those that its replica told when it was fenced; for tests
 * those that are known. Real failovers with nothing lost have one point only.
 */
#include <string.h>

#include "base/failover.h"
#include "base/replication.h"
#include "db/commands.h"
#include "db/recovery_points.h"
#include "server/workflow/steps.h"

/* A point of one VM. at_ms: when it was taken, by one clock for all of them. */
struct candidate {
	const char *id;
	int64_t at_ms;
	unsigned consistency;
};
/* Newest first; now: the one that is chosen at present. */
struct choice {
	struct candidate *items;
	size_t count, now;
};

/* So late as the replica says after it was given the command, and not when its answer came, which
 * may be long after. Too early makes a loss larger than it is, never smaller. */
enum ud_code ud_flow_points_read_at(struct ud_ctx *cx, const struct ud_workflow *w,
	const struct ud_workflow_step *fence, const struct ud_fence_result *r, int64_t *ret_ms)
{
	int64_t given = 0, at;

	*ret_ms = fence->ended_at.ms;
	if (fence->seq != UD_NONE && fence->host_id)
		UD_TRY(ud_command_given(cx, w->vm_id, fence->seq, fence->host_id, &given));
	at = given + (r->after_ms != UD_NONE ? r->after_ms : 0);
	if (given > 0 && at < *ret_ms)
		*ret_ms = at;
	return UD_OK;
}

static enum ud_code of_fence(
	struct ud_ctx *cx, const struct ud_workflow *w, bool *ret_known, struct choice *ret)
{
	struct ud_workflow_step fence = { 0 };
	struct ud_fence_result r = { 0 };
	struct ud_point *points = NULL;
	int64_t read_ms = 0;
	size_t n = 0;

	UD_TRY(ud_step_get(cx, w, "fence", ret_known, &fence));
	*ret_known = *ret_known && fence.state == UD_STEP_DONE && fence.result.text;
	if (!*ret_known)
		return UD_OK;
	UD_TRY(ud_shape_read(
		cx, &ud_fence_result_shape, fence.result.text, strlen(fence.result.text), &r));
	UD_TRY(ud_shape_read_list(
		cx, &ud_point_shape, r.points.text, UD_REPORT_POINTS, (void **)&points, &n));
	UD_TRY(ud_flow_points_read_at(cx, w, &fence, &r, &read_ms));
	ret->items = ud_alloc(cx->arena, sizeof(*ret->items) * (n + 1));
	for (size_t i = 0; i < n; i++)
		if (points[i].state == UD_POINT_COMPLETE || points[i].state == UD_POINT_VERIFIED)
			ret->items[ret->count++] = (struct candidate){ points[i].id,
				read_ms - points[i].age_ms, points[i].consistency };
	return UD_OK;
}

static enum ud_code of_rows(struct ud_ctx *cx, const struct ud_workflow *w, struct choice *ret)
{
	struct ud_recovery_point *points = NULL;
	size_t n = 0;

	UD_TRY(ud_recovery_points_usable(cx, w->replication_id, &points, &n));
	ret->items = ud_alloc(cx->arena, sizeof(*ret->items) * (n + 1));
	for (size_t i = 0; i < n; i++)
		ret->items[ret->count++] = (struct candidate){ points[i].row.id,
			points[i].taken_at.ms, points[i].consistency };
	return UD_OK;
}

/* What was chosen stays chosen once it was begun. */
static void keep_chosen(const struct ud_workflow *w, struct choice *c)
{
	bool begun = w->kind == UD_FAILOVER_TEST ? w->test_id != NULL : w->committed_at.ms > 0;

	for (size_t i = 0; begun && w->recovery_point_id && i < c->count; i++)
		if (strcmp(c->items[i].id, w->recovery_point_id) == 0) {
			c->items += i;
			c->count = 1;
		}
}

static enum ud_code candidates(
	struct ud_ctx *cx, const struct ud_workflow *w, bool *ret_known, struct choice *ret)
{
	*ret = (struct choice){ 0 };
	*ret_known = true;
	if (w->kind == UD_FAILOVER_TEST)
		UD_TRY(of_rows(cx, w, ret));
	else
		UD_TRY(of_fence(cx, w, ret_known, ret));
	keep_chosen(w, ret);
	return UD_OK;
}

/* ---- policies ---- */

static enum ud_code choose_consistent(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_id)
{
	struct choice c;
	bool known = false;

	UD_TRY(candidates(cx, fl->w, &known, &c));
	for (size_t i = 0; i < c.count && !*ret_id; i++)
		if (c.items[i].consistency == UD_CONSISTENCY_APPLICATION)
			*ret_id = c.items[i].id;
	if (*ret_id)
		return UD_OK;
	return ud_flow_ask(fl, ret, "no_consistent_point",
		"The plan wants a point that the applications agreed to, and there is none. Ask for a"
		" run that names a point.",
		"support");
}

/* Step back with whichever point is the newest until all lie together. False: they never do. */
static bool step_together(struct choice *all, size_t n, int64_t within_ms)
{
	for (;;) {
		size_t newest = 0;
		int64_t first = INT64_MAX, last = INT64_MIN;

		for (size_t i = 0; i < n; i++) {
			if (all[i].now == all[i].count)
				return false;
			int64_t at = all[i].items[all[i].now].at_ms;

			first = at < first ? at : first;
			newest = at > last ? i : newest;
			last = at > last ? at : last;
		}
		if (last - first <= within_ms)
			return true;
		all[newest].now++;
	}
}

/* Of all VMs that are still in the run: one that has not been fenced yet is waited for. */
static enum ud_code choose_common(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_id)
{
	struct choice *all = ud_alloc(cx->arena, sizeof(*all) * (fl->all.count + 1));
	size_t n = 0, mine = 0;

	for (size_t i = 0; i < fl->all.count; i++) {
		const struct ud_workflow *o = &fl->all.items[i];
		bool known = false;

		if (o->state == UD_WORKFLOW_ABORTED || o->state == UD_WORKFLOW_FAILED)
			continue;
		if (o == fl->w)
			mine = n;
		UD_TRY(candidates(cx, o, &known, &all[n++]));
		if (!known) {
			*ret = STAY;
			return UD_OK;
		}
	}
	if (step_together(all, n, fl->f.point_within_seconds * 1000)) {
		*ret_id = all[mine].items[all[mine].now].id;
		return UD_OK;
	}
	return ud_flow_ask(fl, ret, "no_common_point",
		ud_printf(cx->arena,
			"The plan wants points of all its VMs within %lld s, and there are none. Ask for"
			" runs that name points.",
			(long long)fl->f.point_within_seconds),
		"support");
}

enum ud_code ud_flow_choose_point(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_id)
{
	*ret = NEXT;
	*ret_id = fl->f.recovery_point_id;
	if (*ret_id)
		return UD_OK;
	if (fl->f.point_policy == UD_POINTS_CONSISTENT)
		return choose_consistent(cx, fl, ret, ret_id);
	if (fl->f.point_policy == UD_POINTS_COMMON)
		return choose_common(cx, fl, ret, ret_id);
	return UD_OK;
}
