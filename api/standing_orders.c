/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standing orders. What one was given for is the dry run of what it would allow: its hash is kept,
 * and a ticket is covered when the same request gives the ticket's own hash. A request that asks
 * for anything more (a recovery point, a timer that commits) has another one.
 */
#include "api/standing_orders.h"

#include <string.h>

#include "api/api.h"
#include "api/approvals.h"
#include "api/failovers.h"
#include "api/ticket_run.h"
#include "base/error.h"
#include "base/replication.h"
#include "db/events.h"
#include "db/notifications.h"
#include "db/people.h"
#include "db/standing_orders.h"
#include "server/http/list.h"

enum {
	GIVERS = UD_R(CUSTOMER_APPROVER) | UD_CUSTOMER_ADMIN,
	REVOKERS = GIVERS | UD_R(SUPPORT_LEAD),
	DAYS_MAX = 366,
	LOOKED_AT_MS = 600000,
	BLOCKERS_MAX = 200,
};
#define DAY_MS INT64_C(86400000)

static const char drill_reason[] = "test_recovery_plan";

/* ---- what it is for ---- */

static enum ud_code plan_of(struct ud_ctx *cx, const struct ud_standing_order *o,
	const char *reason, const struct ud_texts *vm_ids, struct ud_failover_planned *ret)
{
	struct ud_failover_request rq = { .kind = o->kind,
		.plan_id = o->plan_id,
		.reason_code = reason,
		.chain = ud_chains.names[o->chain],
		.commit_minutes = UD_NONE };

	if (!o->plan_id)
		rq.vm_ids = *vm_ids;
	return ud_failover_plan(cx, "", &rq, false, ret);
}

/* The reason that its own hash is made with. */
static const char *reason_of(const struct ud_standing_order *o)
{
	return o->kind == UD_FAILOVER_TEST ? drill_reason : o->outage_classes.items[0];
}

/* Is what it was given for as it was? What cannot be asked for any more is not. */
static enum ud_code find_same(struct ud_ctx *cx, const struct ud_standing_order *o, bool *ret)
{
	struct ud_failover_planned planned = { 0 };
	enum ud_code code = plan_of(cx, o, reason_of(o), &o->vm_ids, &planned);

	*ret = false;
	if (code != UD_OK && ud_error_info(code)->status < 500) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(code);
	*ret = strcmp(planned.plan_hash, o->plan_hash) == 0;
	return UD_OK;
}

/* ---- giving ---- */

static enum ud_code check(struct ud_ctx *cx, const struct ud_standing_order *o)
{
	bool test = o->kind == UD_FAILOVER_TEST;

	if (o->kind == UD_FAILOVER_PLANNED)
		return ud_fail_field(cx, "kind", "not_allowed",
			"A planned failover is approved once it is asked for.");
	if (test == (o->outage_classes.count > 0))
		return ud_fail_field(cx, "outage_classes", test ? "not_allowed" : "required",
			"An order for unplanned failovers names outage classes, one for tests"
			" none.");
	if (test && !o->plan_id)
		return ud_fail_field(
			cx, "plan_id", "required", "Drills are due of recovery plans.");
	return o->expires_at.ms > cx->now_ms && o->expires_at.ms <= cx->now_ms + DAYS_MAX * DAY_MS
		? UD_OK
		: ud_fail_field(cx, "expires_at", "out_of_range",
			  "expires_at is in the future, and not more than %d days from now.",
			  DAYS_MAX);
}

/* Whoever may approve any such ticket of the customer. */
static enum ud_code check_giver(struct ud_ctx *cx, const struct ud_standing_order *o)
{
	const struct ud_ticket t = { .row.customer_id = o->row.customer_id,
		.type = UD_TICKET_FAILOVER,
		.severity = UD_SEVERITY_URGENT,
		.failover_kind = UD_TICKET_TEST + o->kind };
	bool fine = false;

	UD_TRY(ud_approval_is_approver(cx, &t, cx->scope->id, cx->scope->roles, &fine));
	return fine
		? UD_OK
		: ud_fail(cx, UD_E_ROLE_MISSING, NULL, "You are not among those who approve this.");
}

static enum ud_code complete(struct ud_ctx *cx, void *row)
{
	static const char *revoke_name[] = { "revoke" };
	struct ud_standing_order *o = row;
	bool may = o->state == UD_STANDING_IN_FORCE && cx->scope->kind == UD_PRINCIPAL_USER &&
		(cx->scope->roles & REVOKERS);

	o->allowed_operations = (struct ud_texts){ revoke_name, may };
	return UD_OK;
}

static const struct ud_resource orders = { .table = &ud_standing_orders, .complete = complete };

/* What stands in the way now would stand there then. */
static enum ud_code refuse(struct ud_ctx *cx, const struct ud_failover_planned *planned)
{
	struct ud_blocker *found = NULL;
	size_t n = 0, i = 0;

	UD_TRY(ud_shape_read_list(
		cx, &ud_blocker_shape, planned->blockers.text, BLOCKERS_MAX, (void **)&found, &n));
	while (i + 1 < n && found[i].warning)
		i++;
	ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s", found[i].text);
	cx->problem.remedy = found[i].fix;
	return UD_E_INVALID_STATE;
}

static enum ud_code give(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_standing_order o = *(const struct ud_standing_order *)rq->in;
	struct ud_failover_planned planned = { 0 };

	UD_TRY(check(cx, &o));
	UD_TRY(plan_of(cx, &o, reason_of(&o), &o.vm_ids, &planned));
	o.row.customer_id = planned.customer_id;
	UD_TRY(check_giver(cx, &o));
	if (planned.blocked)
		return refuse(cx, &planned);
	o.state = UD_STANDING_IN_FORCE;
	o.plan_hash = planned.plan_hash;
	o.given_by_id = cx->scope->id;
	o.given_by_name = cx->scope->name;
	o.ended_at.ms = UD_NONE;
	UD_TRY(ud_rest_store(cx, &orders, &rq->given, &o));
	UD_TRY(complete(cx, &o));
	return ud_answer(cx, rq, ud_standing_orders.shape, &o);
}

/* ---- its end ---- */

/* Whoever gave it may want to give another. */
static enum ud_code tell_giver(struct ud_ctx *cx, const struct ud_standing_order *o)
{
	const char *kind =
		ud_printf(cx->arena, "standing_order.%s", ud_standing_states.names[o->state]);
	const struct ud_news news = { kind, o->row.id, o->row.customer_id,
		ud_printf(cx->arena, "Standing order \"%s\": %s", o->name, ud_news_word(kind)) };
	const char *giver[] = { o->given_by_id };

	return ud_notify(cx, &news, &(struct ud_texts){ giver, 1 });
}

static enum ud_code end(struct ud_ctx *cx, const struct ud_standing_order *old,
	enum ud_standing_state state, const char *reason, struct ud_standing_order *o)
{
	*o = *old;
	o->state = state;
	o->ended_at.ms = cx->now_ms;
	o->ended_by_name = state == UD_STANDING_REVOKED ? cx->scope->name : NULL;
	o->end_reason = reason;
	UD_TRY(ud_row_update(cx, &ud_standing_orders, old, o));
	UD_TRY(ud_event_add(cx, ud_standing_states.names[state], ud_standing_orders.shape, old, o));
	UD_TRY(tell_giver(cx, o));
	return ud_standing_withdraw(cx, o->row.id, "the standing order ended");
}

struct revoke_body {
	const char *reason;
};
/* clang-format off */
static const struct ud_field revoke_fields[] = {
	UD_FIELD(revoke_body, reason, .flags = UD_REQUIRED, .max = 2000, .about = "Why."),
};
static const struct ud_shape revoke_shape = { .bare = true, UD_SHAPE(revoke_body, revoke_fields) };
/* clang-format on */

static enum ud_code revoke(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct revoke_body *in = rq->in;
	struct ud_standing_order old = { 0 }, o;

	UD_TRY(ud_row_get(cx, &ud_standing_orders, rq->arg[0], &old));
	if (old.state != UD_STANDING_IN_FORCE)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "It has ended already: %s.",
			ud_standing_states.names[old.state]);
	UD_TRY(end(cx, &old, UD_STANDING_REVOKED, in->reason, &o));
	UD_TRY(complete(cx, &o));
	return ud_answer(cx, rq, ud_standing_orders.shape, &o);
}

enum ud_code ud_standing_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_standing_to_look_at(cx, cx->now_ms - LOOKED_AT_MS, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

static enum ud_code look_at(struct ud_ctx *cx, const char *id)
{
	struct ud_standing_order old = { 0 }, o;
	bool same = false;

	UD_TRY(ud_row_get(cx, &ud_standing_orders, id, &old));
	if (old.expires_at.ms <= cx->now_ms)
		return end(cx, &old, UD_STANDING_EXPIRED, "its time was up", &o);
	UD_TRY(find_same(cx, &old, &same));
	return same ? ud_standing_looked_at(cx, id)
		    : end(cx, &old, UD_STANDING_VOID, "what it was given for has changed", &o);
}

enum ud_code ud_standing_end(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts ids = { 0 };

	(void)c;
	UD_TRY(ud_standing_to_look_at(cx, cx->now_ms - LOOKED_AT_MS, &ids));
	for (size_t i = 0; i < ids.count; i++)
		UD_TRY(look_at(cx, ids.items[i]));
	return UD_OK;
}

/* ---- using it ---- */

static bool is_among(const char *text, const struct ud_texts *list)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

static bool is_same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* By what stands in both; the hash decides. */
static bool may_cover(const struct ud_ctx *cx, const struct ud_standing_order *o,
	const struct ud_ticket *t, const struct ud_failover *f)
{
	if (o->kind != f->kind || is_same(o->given_by_id, t->requester_id) ||
		is_same(o->given_by_id, t->on_behalf_of_id))
		return false;
	if (o->kind == UD_FAILOVER_TEST)
		return cx->scope->kind == UD_PRINCIPAL_SYSTEM && is_same(o->plan_id, f->plan_id);
	if (!is_among(f->reason_code, &o->outage_classes))
		return false;
	if (o->plan_id || f->plan_id)
		return is_same(o->plan_id, f->plan_id);
	for (size_t i = 0; i < f->vm_ids.count; i++)
		if (!is_among(f->vm_ids.items[i], &o->vm_ids))
			return false;
	return true;
}

/* Who gave it is still there, and one of those whom such a ticket asks. */
static enum ud_code giver_may(
	struct ud_ctx *cx, const struct ud_standing_order *o, const struct ud_ticket *t, bool *ret)
{
	struct ud_user giver = { 0 };
	enum ud_code code = ud_row_get(cx, &ud_users, o->given_by_id, &giver);

	*ret = false;
	if (code == UD_E_NOT_FOUND) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(code);
	if (giver.state != UD_USER_ACTIVE)
		return UD_OK;
	return ud_approval_is_approver(cx, t, giver.row.id, ud_role_bits(&giver.role_names), ret);
}

static enum ud_code covers(struct ud_ctx *cx, const struct ud_standing_order *o,
	const struct ud_ticket *t, const struct ud_failover *f, bool *ret)
{
	struct ud_failover_planned planned = { 0 };

	*ret = may_cover(cx, o, t, f);
	if (*ret)
		UD_TRY(giver_may(cx, o, t, ret));
	if (*ret)
		UD_TRY(find_same(cx, o, ret));
	if (!*ret)
		return UD_OK;
	UD_TRY(plan_of(cx, o, f->reason_code, &f->vm_ids, &planned));
	*ret = strcmp(planned.plan_hash, t->plan_hash) == 0;
	return UD_OK;
}

/* The customer's approval, in the words and the name of who gave the order. */
static enum ud_code record(
	struct ud_ctx *cx, const struct ud_standing_order *o, const struct ud_ticket *t)
{
	struct ud_approval_need need;

	UD_TRY(ud_approval_need(cx, t, &need));
	int64_t until = cx->now_ms + need.expires_after_seconds * 1000;
	struct ud_approval a = { .row.customer_id = t->row.customer_id,
		.ticket_id = t->row.id,
		.plan_hash = t->plan_hash,
		.decision = UD_DECISION_APPROVED,
		.side = UD_SIDE_CUSTOMER,
		.user_id = o->given_by_id,
		.user_name = o->given_by_name,
		.note = ud_printf(cx->arena, "Standing order \"%s\": %s", o->name, o->statement),
		.standing_order_id = o->row.id,
		.expires_at.ms = o->expires_at.ms < until ? o->expires_at.ms : until,
		.voided_at.ms = UD_NONE };

	UD_TRY(ud_row_insert(cx, &ud_approvals, &a));
	return ud_event_add(cx, "created", ud_approvals.shape, NULL, &a);
}

enum ud_code ud_standing_apply(struct ud_ctx *cx, const struct ud_ticket *t)
{
	struct ud_texts ids = { 0 };
	struct ud_failover f = { 0 };
	bool covered = false;

	if (t->approval != UD_APPROVAL_AWAITING || !t->row.customer_id)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_failovers, t->failover_id, &f));
	UD_TRY(ud_standing_in_force(cx, t->row.customer_id, &ids));
	for (size_t i = 0; i < ids.count && !covered; i++) {
		struct ud_standing_order o = { 0 };

		UD_TRY(ud_row_get(cx, &ud_standing_orders, ids.items[i], &o));
		UD_TRY(covers(cx, &o, t, &f, &covered));
		if (covered)
			UD_TRY(record(cx, &o, t));
	}
	return UD_OK;
}

enum ud_code ud_standing_drill(
	struct ud_ctx *cx, const char *plan_id, const char *plan_name, bool *ret_opened)
{
	const char *order = NULL;
	void *request = NULL;
	struct ud_ticket t = { .type = UD_TICKET_FAILOVER,
		.subject = ud_printf(cx->arena, "Drill of recovery plan %s", plan_name),
		.body = "The drill of the plan is due. A standing order of the customer lets its"
			" test begin by itself.",
		.channel = UD_CHANNEL_SYSTEM };

	*ret_opened = false;
	UD_TRY(ud_standing_of_plan(cx, plan_id, &order));
	if (!order)
		return UD_OK;
	enum ud_code code = ud_ticket_run_read(cx,
		ud_printf(cx->arena,
			"{\"kind\":\"test\",\"reason_code\":\"%s\",\"plan_id\":\"%s\"}",
			drill_reason, plan_id),
		&t, &request);

	if (code != UD_OK && ud_error_info(code)->status < 500) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(code);
	UD_TRY(ud_ticket_open(cx, &t, request));
	*ret_opened = true;
	return ud_approval_all_given(cx, t.row.id);
}

/* ---- routes ---- */

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/standing-orders",             "standing-orders.list",   UD_PEOPLE, "tickets:read",    UD_LIST, .resource = &orders, .handle = ud_rest_list, .about = "List what customers have agreed to beforehand." },
	{ "POST", "/v1/standing-orders",             "standing-orders.create", GIVERS,    "tickets:approve", UD_WRITE | UD_PERSON | UD_STEP_UP, .status = 201, .resource = &orders, .handle = give, .about = "Agree beforehand to unplanned failovers of VMs or a plan for named outage classes, or to the tests of a plan." },
	{ "GET",  "/v1/standing-orders/{id}",        "standing-orders.show",   UD_PEOPLE, "tickets:read",    0, .resource = &orders, .handle = ud_rest_show, .about = "Show a standing order." },
	{ "POST", "/v1/standing-orders/{id}/revoke", "standing-orders.revoke", REVOKERS,  "tickets:approve", UD_WRITE | UD_PERSON, &revoke_shape, .resource = &orders, .handle = revoke, .about = "End a standing order at once; tickets that still await approval need the customer's anew." },
};
/* clang-format on */
const struct ud_routes ud_api_standing_orders = { "Standing orders", rows, UD_LEN(rows) };
