/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery plans: their rules, versions, readiness, and drills that are overdue.
 */
#include "db/recovery_plans.h"

#include <stdlib.h>
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "api/failover_plan.h"
#include "api/networks.h"
#include "api/plan_facts.h"
#include "api/recovery_plans.h"
#include "api/standing_orders.h"
#include "api/tickets.h"
#include "base/json_diff.h"
#include "db/events.h"
#include "db/plan_groups.h"
#include "db/references.h"
#include "db/vms.h"

enum { STALE_MS = 31 * INT64_C(86400000), COMPARED_MS = 600000 };
#define DAY_MS INT64_C(86400000)

static bool runs_on_hosts(const struct ud_plan_steps *steps)
{
	for (size_t i = 0; i < steps->count; i++)
		if (steps->items[i].kind == UD_PLAN_SCRIPT_HOST)
			return true;
	return false;
}

/* What runs on the provider's hosts is put in by the provider's people. */
static enum ud_code check_hosts(
	struct ud_ctx *cx, const struct ud_recovery_plan *old, const struct ud_recovery_plan *p)
{
	struct ud_plan_group *groups = NULL;
	size_t n = 0;

	if ((cx->scope->roles & ~UD_CUSTOMER) || !p->groups.text ||
		(old && old->groups.text && strcmp(old->groups.text, p->groups.text) == 0))
		return UD_OK;
	UD_TRY(ud_plan_groups_read(cx, p->groups.text, &groups, &n));
	for (size_t i = 0; i < n; i++)
		if (runs_on_hosts(&groups[i].before) || runs_on_hosts(&groups[i].after))
			return ud_fail_field(cx, "groups", "not_allowed",
				"Steps of kind script_host are put in by the provider's people; groups"
				" that have some are changed by them, too.");
	return UD_OK;
}

static enum ud_code check(struct ud_ctx *cx, const void *old_row, void *row)
{
	struct ud_recovery_plan *p = row;
	struct ud_plan_order order = { 0 };

	UD_TRY(ud_failover_checks(cx, &p->checks));
	if (p->commit_policy != UD_COMMIT_NONE && p->commit_minutes == UD_NONE)
		return ud_fail_field(cx, "commit_minutes", "required",
			"Say after how many minutes the timer decides.");
	if ((p->point_policy == UD_POINTS_COMMON) != (p->point_within_seconds != UD_NONE))
		return ud_fail_field(cx, "point_within_seconds",
			p->point_policy == UD_POINTS_COMMON ? "required" : "not_allowed",
			"point_within_seconds belongs to the policy common, and to no other.");
	UD_TRY(ud_plan_order(cx, p->members.text, &order));
	UD_TRY(ud_plan_groups_check(cx, &order, &p->groups));
	return check_hosts(cx, old_row, p);
}

/* Where customers' people may plug VMs in: networks of their own. The provider's are put in by the
 * provider's people. */
static enum ud_code check_owner(struct ud_ctx *cx, const char *network_id)
{
	struct ud_network n = { 0 };

	if (!network_id)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_networks, network_id, &n));
	return n.row.customer_id
		? UD_OK
		: ud_fail_field(cx, "network_map", "not_allowed",
			  "Networks of the provider are put in by the provider's people.");
}

static enum ud_code check_network(struct ud_ctx *cx, const struct ud_recovery_plan *p,
	const struct ud_plan_network *said, size_t i)
{
	const struct ud_plan_network *s = &said[i];
	const struct ud_network_map_entry e = { s->target_site_id, s->real_network_id,
		s->test_network_id };
	bool fine = true;

	for (size_t k = 0; k < i; k++)
		if (strcmp(said[k].network_id, s->network_id) == 0 &&
			strcmp(said[k].target_site_id, s->target_site_id) == 0)
			return ud_fail_field(cx, "network_map", "duplicate",
				"A network has one entry for a site.");
	UD_TRY(ud_reference_check(
		cx, "network_id", "net", s->network_id, p->row.customer_id, &fine));
	if (!fine)
		return UD_E_VALIDATION;
	UD_TRY(ud_network_map_check(cx, p->row.customer_id, &e));
	if (cx->scope->roles & ~UD_CUSTOMER)
		return UD_OK;
	UD_TRY(check_owner(cx, e.real_network_id));
	return check_owner(cx, e.test_network_id);
}

static enum ud_code check_networks(
	struct ud_ctx *cx, const struct ud_recovery_plan *old, const struct ud_recovery_plan *p)
{
	struct ud_plan_network *said = NULL;
	size_t n = 0;

	if (old && old->network_map.text && p->network_map.text &&
		strcmp(old->network_map.text, p->network_map.text) == 0)
		return UD_OK;
	UD_TRY(ud_plan_networks_read(cx, p->network_map.text, &said, &n));
	for (size_t i = 0; i < n; i++)
		UD_TRY(check_network(cx, p, said, i));
	return UD_OK;
}

/* The VMs are the customer's. */
static enum ud_code before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	struct ud_recovery_plan *p = row;
	struct ud_plan_order order = { 0 };

	(void)given;
	if (!p)
		return UD_OK;
	UD_TRY(check_networks(cx, old_row, p));
	UD_TRY(ud_plan_order(cx, p->members.text, &order));
	for (size_t i = 0; i < order.count; i++) {
		struct ud_vm vm = { 0 };

		if (ud_row_get(cx, &ud_vms, order.vm_ids[i], &vm) != UD_OK || !vm.row.customer_id ||
			(p->row.customer_id &&
				strcmp(vm.row.customer_id, p->row.customer_id) != 0)) {
			ud_ctx_clear(cx);
			return ud_fail_field(cx, "members", "not_found",
				"members names a VM that you cannot use here.");
		}
	}
	return UD_OK;
}

static void add_reason(struct ud_ctx *cx, struct ud_recovery_plan *p, const char *reason)
{
	const char **items = ud_alloc(cx->arena, sizeof(char *) * (p->stale_because.count + 1));

	for (size_t i = 0; i < p->stale_because.count; i++)
		items[i] = p->stale_because.items[i];
	items[p->stale_because.count++] = reason;
	p->stale_because.items = items;
}

static void complete_readiness(struct ud_ctx *cx, struct ud_recovery_plan *p)
{
	p->readiness = "unverified";
	if (p->verified_at.ms <= 0) {
		p->stale_because.count = 0;
		return;
	}
	if (p->verified_version != p->row.version)
		add_reason(cx, p, "plan");
	if (cx->now_ms - p->verified_at.ms >= STALE_MS)
		add_reason(cx, p, "age");
	p->readiness = p->stale_because.count ? "stale" : "verified";
}

static enum ud_code complete(struct ud_ctx *cx, void *row)
{
	struct ud_recovery_plan *p = row;
	int64_t last = 0;

	complete_readiness(cx, p);
	UD_TRY(ud_plan_last_drill(cx, p->row.id, &last));
	p->last_drill_at.ms = last > 0 ? last : UD_NONE;
	p->next_drill_due_at.ms = p->drill_interval_days == UD_NONE
		? UD_NONE
		: (last > 0 ? last : p->row.created_at.ms) + p->drill_interval_days * DAY_MS;
	return UD_OK;
}

static const struct ud_resource plans = {
	.table = &ud_recovery_plans, .check = check, .before = before, .complete = complete
};

static enum ud_code create(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_recovery_plan p = *(const struct ud_recovery_plan *)rq->in;

	UD_TRY(ud_rest_store(cx, &plans, &rq->given, &p));
	UD_TRY(ud_plan_version_add(cx, &p));
	UD_TRY(complete(cx, &p));
	return ud_answer(cx, rq, ud_recovery_plans.shape, &p);
}

static enum ud_code edit(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_recovery_plan p = { 0 };

	UD_TRY(ud_rest_edit(cx, rq));
	UD_TRY(ud_row_get(cx, &ud_recovery_plans, rq->arg[0], &p));
	return ud_plan_version_add(cx, &p);
}

/* ---- versions ---- */

struct versions {
	struct ud_request *rq;
	size_t count;
};

static enum ud_code add_version(struct ud_ctx *cx, void *data, int64_t version, int64_t at,
	const char *by, const char *document)
{
	struct versions *v = data;
	char text[UD_TIME_TEXT];

	(void)cx;
	ud_time_format(at, text);
	ud_buf_printf(&v->rq->out,
		"%s{\"version\":%lld,\"created_at\":\"%s\",\"created_by\":", v->count++ ? "," : "",
		(long long)version, text);
	ud_buf_json(&v->rq->out, by);
	ud_buf_printf(&v->rq->out, ",\"document\":%s}", document);
	return UD_OK;
}

static enum ud_code versions(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_recovery_plan p = { 0 };
	struct versions v = { .rq = rq };

	UD_TRY(ud_row_get(cx, &ud_recovery_plans, rq->arg[0], &p));
	ud_buf_puts(&rq->out, "{\"object\":\"list\",\"data\":[");
	UD_TRY(ud_plan_versions(cx, p.row.id, add_version, &v));
	ud_buf_puts(&rq->out, "],\"has_more\":false}");
	return ud_answer_text(cx, rq, 200, "application/json");
}

static enum ud_code read_version(
	struct ud_ctx *cx, const char *name, const char *text, int64_t *ret)
{
	char *end = NULL;

	*ret = strtoll(text, &end, 10);
	if (end == text || *end || *ret < 1)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, name,
			"A version is named by its number in the list of versions.");
	return UD_OK;
}

static enum ud_code document_of(struct ud_ctx *cx, const char *plan_id, int64_t version,
	const char **ret, int64_t *ret_before)
{
	UD_TRY(ud_plan_version_get(cx, plan_id, version, ret, ret_before));
	return *ret ? UD_OK
		    : ud_fail(cx, UD_E_NOT_FOUND, NULL, "The plan has no version %lld.",
			      (long long)version);
}

/* What a version says that another one does not: the one before it, or ?against=. */
static enum ud_code diff(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_recovery_plan p = { 0 };
	const char *to = NULL, *from = NULL, *wanted = ud_request_param(rq, "against");
	int64_t version = 0, against = 0, unused;

	UD_TRY(ud_row_get(cx, &ud_recovery_plans, rq->arg[0], &p));
	UD_TRY(read_version(cx, "n", rq->arg[1], &version));
	UD_TRY(document_of(cx, p.row.id, version, &to, &against));
	if (wanted)
		UD_TRY(read_version(cx, "against", wanted, &against));
	if (against)
		UD_TRY(document_of(cx, p.row.id, against, &from, &unused));
	ud_buf_printf(&rq->out,
		"{\"object\":\"plan_diff\",\"plan_id\":\"%s\",\"version\":%lld,\"against\":%lld,"
		"\"changes\":[",
		p.row.id, (long long)version, (long long)against);
	UD_TRY(ud_json_diff(cx, from, to, ud_recovery_plans.shape, &rq->out));
	ud_buf_puts(&rq->out, "]}");
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* ---- readiness ---- */

/* The dry run of a planned failover of the whole plan. */
static enum ud_code dry_run(struct ud_ctx *cx, const struct ud_recovery_plan *p,
	struct ud_failover *f, bool *ret_blocked)
{
	ud_shape_init(ud_failovers.shape, f);
	f->kind = UD_FAILOVER_PLANNED;
	f->reason_code = "host_maintenance";
	f->chain = UD_CHAIN_KEEP;
	UD_TRY(ud_failover_of_plan(cx, p, f));
	return ud_failover_dry_run(cx, f, ret_blocked);
}

static enum ud_code answer_readiness(struct ud_ctx *cx, struct ud_request *rq,
	const struct ud_recovery_plan *p, const struct ud_failover *f, bool blocked)
{
	ud_buf_printf(&rq->out,
		"{\"object\":\"plan_readiness\",\"plan_id\":\"%s\",\"version\":%lld,"
		"\"readiness\":\"%s\",\"stale_because\":",
		p->row.id, (long long)p->row.version, p->readiness);
	ud_texts_write(&rq->out, &p->stale_because);
	ud_buf_printf(&rq->out, ",\"blocked\":%s,\"blockers\":%s,\"predicted\":%s}",
		blocked ? "true" : "false", f->blockers.text, f->predicted.text);
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* What a verified plan stood on, and is another now; a reason that was seen stays. */
static enum ud_code compare(struct ud_ctx *cx, struct ud_recovery_plan *p)
{
	const char *before = NULL, *now = NULL;

	if (p->verified_version != p->row.version || p->stale_because.count)
		return UD_OK;
	UD_TRY(ud_plan_verified_facts(cx, p->row.id, &before));
	if (!before)
		return UD_OK;
	UD_TRY(ud_plan_facts(cx, p, &now));
	return ud_plan_facts_compare(cx, before, now, &p->stale_because);
}

static enum ud_code readiness(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_recovery_plan p = { 0 };
	struct ud_failover f = { 0 };
	bool blocked = false;

	UD_TRY(ud_row_get(cx, &ud_recovery_plans, rq->arg[0], &p));
	UD_TRY(compare(cx, &p));
	UD_TRY(complete(cx, &p));
	UD_TRY(dry_run(cx, &p, &f, &blocked));
	return answer_readiness(cx, rq, &p, &f, blocked);
}

/* The same, and what it found is kept: a plan with nothing in its way counts as verified. */
static enum ud_code validate(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_recovery_plan old = { 0 }, p;
	struct ud_failover f = { 0 };
	const char *facts = NULL;
	bool blocked = false;

	UD_TRY(ud_row_get(cx, &ud_recovery_plans, rq->arg[0], &old));
	UD_TRY(dry_run(cx, &old, &f, &blocked));
	UD_TRY(ud_plan_facts(cx, &old, &facts));
	p = old;
	p.stale_because.count = 0;
	p.verified_at.ms = blocked ? UD_NONE : cx->now_ms;
	p.verified_version = blocked ? UD_NONE : old.row.version + 1;
	UD_TRY(ud_row_update(cx, &ud_recovery_plans, &old, &p));
	UD_TRY(ud_plan_verified(cx, p.row.id, blocked ? NULL : facts));
	UD_TRY(ud_event_add(
		cx, blocked ? "blocked" : "verified", ud_recovery_plans.shape, &old, &p));
	UD_TRY(complete(cx, &p));
	return answer_readiness(cx, rq, &p, &f, blocked);
}

enum ud_code ud_plans_stale_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_plans_to_compare(cx, cx->now_ms - COMPARED_MS, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

static enum ud_code look_again(struct ud_ctx *cx, const char *plan_id)
{
	struct ud_recovery_plan old = { 0 }, p;

	UD_TRY(ud_row_get(cx, &ud_recovery_plans, plan_id, &old));
	p = old;
	UD_TRY(compare(cx, &p));
	UD_TRY(ud_plan_compared(cx, plan_id, &p.stale_because));
	return p.stale_because.count ? ud_event_add(cx, "stale", ud_recovery_plans.shape, &old, &p)
				     : UD_OK;
}

enum ud_code ud_plans_stale_apply(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts ids = { 0 };

	(void)c;
	UD_TRY(ud_plans_to_compare(cx, cx->now_ms - COMPARED_MS, &ids));
	for (size_t i = 0; i < ids.count; i++)
		UD_TRY(look_again(cx, ids.items[i]));
	return UD_OK;
}

/* ---- drills ---- */

enum ud_code ud_drills_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_plans_with_drills(cx, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

/* A drill that is due opens a ticket by itself, once per interval: its test where the customer has
 * agreed to that beforehand, else one that asks people for it. */
static enum ud_code open_ticket(struct ud_ctx *cx, const char *plan_id)
{
	struct ud_recovery_plan p = { 0 };
	bool opened = false;

	UD_TRY(ud_row_get(cx, &ud_recovery_plans, plan_id, &p));
	UD_TRY(ud_plan_told(cx, plan_id));
	UD_TRY(ud_standing_drill(cx, plan_id, p.name, &opened));
	if (opened)
		return ud_event_add(cx, "drill_begun", ud_recovery_plans.shape, NULL, &p);
	struct ud_ticket t = { .row.customer_id = p.row.customer_id,
		.type = UD_TICKET_DRILL,
		.subject = ud_printf(cx->arena, "Drill of recovery plan %s is overdue", p.name),
		.body = ud_printf(cx->arena,
			"No test of plan %s has passed for %lld days. Ask for a test failover of the"
			" plan, or give it another interval.",
			p.name, (long long)p.drill_interval_days),
		.channel = UD_CHANNEL_API };

	UD_TRY(ud_ticket_open(cx, &t, NULL));
	return ud_event_add(cx, "drill_overdue", ud_recovery_plans.shape, NULL, &p);
}

enum ud_code ud_drills_apply(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts ids = { 0 };

	(void)c;
	UD_TRY(ud_plans_with_drills(cx, &ids));
	for (size_t i = 0; i < ids.count; i++)
		UD_TRY(open_ticket(cx, ids.items[i]));
	return UD_OK;
}

enum {
	CHANGE = UD_R(CUSTOMER_APPROVER) | UD_CUSTOMER_ADMIN | UD_SUPPORT,
};

/* clang-format off */
static const struct ud_parameter compared[] = {
	{ "against", "integer", "Version it is compared with; the one before when not given." },
	{ NULL, NULL, NULL },
};
static const struct ud_route rows[] = {
	{ "GET",    "/v1/recovery-plans",                "recovery-plans.list",      UD_PEOPLE, "plans:read",  UD_LIST, .resource = &plans, .handle = ud_rest_list, .about = "List recovery plans." },
	{ "POST",   "/v1/recovery-plans",                "recovery-plans.create",    CHANGE,    "plans:write", UD_WRITE, .status = 201, .resource = &plans, .handle = create, .about = "Create a recovery plan." },
	{ "GET",    "/v1/recovery-plans/{id}",           "recovery-plans.show",      UD_PEOPLE, "plans:read",  0, .resource = &plans, .handle = ud_rest_show, .about = "Show a recovery plan." },
	{ "PATCH",  "/v1/recovery-plans/{id}",           "recovery-plans.edit",      CHANGE,    "plans:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &plans, .handle = edit, .about = "Change a recovery plan; the version before is kept." },
	{ "DELETE", "/v1/recovery-plans/{id}",           "recovery-plans.delete",    CHANGE,    "plans:write", UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = &plans, .handle = ud_rest_delete, .about = "Delete a recovery plan." },
	{ "GET",    "/v1/recovery-plans/{id}/versions",  "recovery-plans.versions",  UD_PEOPLE, "plans:read",  UD_WHOLE, .answer = &ud_plan_version_shape, .handle = versions, .about = "List the versions of a recovery plan, newest first, each in full." },
	{ "GET",    "/v1/recovery-plans/{id}/versions/{n}/diff", "recovery-plans.diff", UD_PEOPLE, "plans:read", 0, .answer = &ud_plan_diff_shape, .handle = diff, .parameters = compared, .about = "Tell what a version of a recovery plan says differently from the one before it: path, from, to of each change." },
	{ "GET",    "/v1/recovery-plans/{id}/readiness", "recovery-plans.readiness", UD_PEOPLE, "plans:read",  0, .answer = &ud_plan_readiness_shape, .handle = readiness, .about = "Tell what stands in the way of a plan, and what it would cost." },
	{ "POST",   "/v1/recovery-plans/{id}/validate",  "recovery-plans.validate",  CHANGE,    "plans:write", UD_WRITE, .answer = &ud_plan_readiness_shape, .handle = validate, .about = "Do the dry run of a plan; with nothing in its way it counts as verified for 31 days." },
};
/* clang-format on */
const struct ud_routes ud_api_recovery_plans = { "Recovery plans", rows, UD_LEN(rows) };
