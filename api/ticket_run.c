/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failovers as tickets see them, and tickets as runs move them: the ticket waits for whom its run
 * waits.
 */
#include "api/ticket_run.h"

#include <string.h>

#include "api/failovers.h"
#include "base/replication.h"
#include "server/workflow/workflow.h"

enum ud_code ud_ticket_run_read(
	struct ud_ctx *cx, const char *failover, struct ud_ticket *t, void **ret)
{
	struct ud_failover_request *rq = ud_alloc(cx->arena, sizeof(*rq));
	struct ud_failover_planned planned = { 0 };

	UD_TRY(ud_shape_read(cx, &ud_failover_request_shape, failover, strlen(failover), rq));
	UD_TRY(ud_failover_plan(cx, "", rq, false, &planned));
	t->failover_kind = UD_TICKET_TEST + rq->kind;
	if (!t->row.customer_id)
		t->row.customer_id = planned.customer_id;
	if (!t->row.customer_id || strcmp(t->row.customer_id, planned.customer_id) != 0)
		return ud_fail_field(
			cx, "customer_id", "other_customer", "The VMs belong to another customer.");
	t->resource_ids = planned.vm_ids;
	*ret = rq;
	return UD_OK;
}

static void take(struct ud_ticket *t, const struct ud_failover_planned *planned)
{
	t->failover_id = planned->failover_id;
	t->plan_hash = planned->plan_hash;
	t->blockers = planned->blockers;
	t->predicted = planned->predicted;
}

enum ud_code ud_ticket_run_plan(struct ud_ctx *cx, void *request, struct ud_ticket *t)
{
	struct ud_failover_planned planned = { 0 };

	UD_TRY(ud_failover_plan(cx, t->row.id, request, true, &planned));
	take(t, &planned);
	return UD_OK;
}

enum ud_code ud_ticket_run_show(struct ud_ctx *cx, struct ud_ticket *t)
{
	struct ud_failover f = { 0 };

	UD_TRY(ud_row_get(cx, &ud_failovers, t->failover_id, &f));
	t->blockers = f.blockers;
	t->predicted = f.predicted;
	return UD_OK;
}

/* ---- guards ---- */

static enum ud_code no(
	struct ud_ticket_verdict *v, const char *text, const char *unblock, const char *who)
{
	*v = (struct ud_ticket_verdict){ UD_E_INVALID_STATE, text, unblock, who };
	return UD_OK;
}

enum ud_code ud_ticket_run_ready(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	struct ud_failover f = { 0 };
	struct ud_blocker *blockers = NULL;
	size_t n = 0;

	UD_TRY(ud_row_get(cx, &ud_failovers, t->failover_id, &f));
	UD_TRY(ud_shape_read_list(
		cx, &ud_blocker_shape, f.blockers.text, 200, (void **)&blockers, &n));
	for (size_t i = 0; i < n; i++)
		if (!blockers[i].warning)
			return no(v, blockers[i].text, NULL, "support");
	return UD_OK;
}

/* One of the close gate's points. */
struct point {
	const char *code, *text, *who, *vm_id;
};
/* clang-format off */
static const struct ud_field point_fields[] = {
	UD_FIELD(point, code,  .max = 100),
	UD_FIELD(point, text,  .max = 2000),
	UD_FIELD(point, who,   .max = 100),
	UD_FIELD(point, vm_id, .max = 100),
};
/* clang-format on */
static const struct ud_shape point_shape = { .bare = true, UD_SHAPE(point, point_fields) };

enum ud_code ud_ticket_run_gate(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	struct ud_json list = { 0 };
	struct point *points = NULL;
	const char *texts = "";
	size_t open = 0, n = 0;

	UD_TRY(ud_failover_gate(cx, t->failover_id, &list, &open));
	if (!open)
		return UD_OK;
	UD_TRY(ud_shape_read_list(cx, &point_shape, list.text, 2000, (void **)&points, &n));
	for (size_t i = 0; i < n; i++)
		if (!strstr(texts, points[i].text)) /* the same of many VMs is said once */
			texts = ud_printf(cx->arena, "%s %s", texts, points[i].text);
	return no(v,
		ud_printf(cx->arena, "%zu point%s of the run still open:%s", open,
			open == 1 ? " is" : "s are", texts),
		NULL, n ? points[0].who : NULL);
}

enum ud_code ud_ticket_run_idle(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	struct ud_failover f = { 0 };

	UD_TRY(ud_row_get(cx, &ud_failovers, t->failover_id, &f));
	if (f.state <= UD_FAILOVER_SCHEDULED)
		return UD_OK;
	return no(v, "The run has begun; it is called off or ended by its own operations.", NULL,
		"support");
}

/* ---- decisions ---- */

enum ud_code ud_ticket_run_replan(struct ud_ctx *cx, struct ud_ticket *t, bool *ret_changed)
{
	struct ud_failover_planned planned = { 0 };

	UD_TRY(ud_failover_replan(cx, t->failover_id, &planned, ret_changed));
	if (*ret_changed)
		UD_TRY(ud_ticket_plan_changed(cx, t->row.id, planned.plan_hash));
	take(t, &planned);
	return UD_OK;
}

enum ud_code ud_ticket_run_approved(struct ud_ctx *cx, const struct ud_ticket *t)
{
	UD_TRY(ud_failover_approved(cx, t->failover_id));
	return ud_ticket_happen(cx, t->row.id, UD_TICKET_RUN);
}

enum ud_code ud_ticket_run_dropped(struct ud_ctx *cx, const struct ud_ticket *t, const char *verb)
{
	return ud_failover_dropped(cx, t->failover_id, verb);
}

enum ud_code ud_ticket_run_solved(struct ud_ctx *cx, const struct ud_ticket *t)
{
	return ud_failover_solved(cx, t->failover_id);
}

enum ud_code ud_ticket_run_concerns(
	struct ud_ctx *cx, const struct ud_ticket *t, const char *vm_id, bool *ret)
{
	struct ud_failover f = { 0 };

	*ret = false;
	UD_TRY(ud_row_get(cx, &ud_failovers, t->failover_id, &f));
	for (size_t i = 0; i < f.vm_ids.count; i++)
		*ret |= strcmp(f.vm_ids.items[i], vm_id) == 0;
	return UD_OK;
}

enum ud_code ud_ticket_run_attested(struct ud_ctx *cx, const struct ud_ticket *t, const char *vm_id)
{
	return ud_failover_attested(cx, t->failover_id, vm_id);
}

/* ---- runs move tickets ---- */

/* Whom the ticket of a run in this state waits for. */
static enum ud_ticket_event event_of(const struct ud_failover *f)
{
	bool customer = f->waiting_for.text && strstr(f->waiting_for.text, "\"who\":\"customer\"");

	switch (f->state) {
	case UD_FAILOVER_APPROVED:
	case UD_FAILOVER_SCHEDULED:
	case UD_FAILOVER_RUNNING:
		return UD_TICKET_RUN;
	case UD_FAILOVER_TEST_RUNNING:
	case UD_FAILOVER_CUSTOMER_VALIDATION:
		return UD_TICKET_RUN_ASKS;
	case UD_FAILOVER_WAITING:
		return customer ? UD_TICKET_RUN_ASKS : UD_TICKET_RUN_STOPS;
	case UD_FAILOVER_COMMITTED_UNPROTECTED:
		return UD_TICKET_RUN_STOPS;
	default:
		return UD_TICKET_RUN_DONE;
	}
}

static enum ud_code tell_ticket(struct ud_ctx *cx, const char *failover_id)
{
	struct ud_failover f = { 0 };
	enum ud_code code;

	UD_TRY(ud_row_get(cx, &ud_failovers, failover_id, &f));
	UD_TRY(ud_failover_told(cx, &f));
	if (f.state == UD_FAILOVER_AWAITING_APPROVAL)
		code = ud_ticket_plan_changed(cx, f.ticket_id, f.plan_hash);
	else
		code = ud_ticket_happen(cx, f.ticket_id, event_of(&f));
	if (code != UD_E_NOT_FOUND)
		return code;
	ud_ctx_clear(cx); /* the ticket was erased */
	return UD_OK;
}

/* A drill that failed is no end: somebody finds out why. */
static enum ud_code open_incident(
	struct ud_ctx *cx, const struct ud_failover *f, const struct ud_ticket *drill)
{
	struct ud_ticket t = { .row.customer_id = drill->row.customer_id,
		.type = UD_TICKET_INCIDENT,
		.severity = drill->severity,
		.site_id = drill->site_id,
		.resource_ids = f->vm_ids,
		.channel = UD_CHANNEL_SYSTEM };

	t.subject = ud_printf(cx->arena, "A test failover failed: %.170s", drill->subject);
	t.body = ud_printf(cx->arena,
		"The checks of test failover %s (ticket %s) failed. Its record says which. Until"
		" this is cleared up a real failover is likely to fail in the same way.",
		f->row.id, drill->number);
	UD_TRY(ud_ticket_open(cx, &t, NULL));
	UD_TRY(ud_ticket_link_up(cx, &t, drill->row.id, UD_IS_CAUSED_BY));
	return ud_watchers_copy(cx, drill->row.id, t.row.id);
}

/* The close gate has the last word: what it holds back stays open for people. */
enum ud_code ud_ticket_run_sealed(struct ud_ctx *cx, const struct ud_failover *f)
{
	struct ud_ticket t = { 0 };

	if (f->state != UD_FAILOVER_SOLVED)
		return UD_OK;
	enum ud_code code = ud_row_get(cx, &ud_tickets, f->ticket_id, &t);

	if (code == UD_E_NOT_FOUND) {
		ud_ctx_clear(cx); /* the ticket was erased */
		return UD_OK;
	}
	UD_TRY(code);
	UD_TRY(ud_ticket_happen(cx, f->ticket_id, UD_TICKET_SOLVE));
	return f->kind == UD_FAILOVER_TEST && strcmp(f->verdict ? f->verdict : "", "failed") == 0
		? open_incident(cx, f, &t)
		: UD_OK;
}

enum ud_code ud_ticket_runs_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_failovers_untold(cx, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

enum ud_code ud_ticket_runs_tell(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts ids = { 0 };

	(void)c;
	UD_TRY(ud_failovers_untold(cx, &ids));
	for (size_t i = 0; i < ids.count; i++)
		UD_TRY(tell_ticket(cx, ids.items[i]));
	return UD_OK;
}
