/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Approvals: what a ticket needs, who may give it, and what follows when the last one is there.
 */
#include "api/approvals.h"

#include <string.h>

#include "api/api.h"
#include "api/ticket_run.h"
#include "base/crypto.h"
#include "base/id.h"
#include "db/events.h"
#include "db/references.h"
#include "server/auth/auth.h"
#include "server/http/list.h"

enum {
	CUSTOMERS = UD_R(CUSTOMER_APPROVER) | UD_CUSTOMER_ADMIN,
	ENGINEERS = UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
	APPROVERS = CUSTOMERS | ENGINEERS,
	ANYBODY = UD_CUSTOMER_WRITE | UD_SUPPORT,
	STATEMENT_MIN = 20,
};

/*
 * The least that the house asks for, by kind of failover (domain.md D.1): a drill is repeated and
 * harms nobody, the others end the life of a running system.
 */
/* clang-format off */
static const struct ud_approval_need least[] = {
	/*                            customer  staff  total  requester                        roles                 step-up              destructive */
	[UD_TICKET_NO_FAILOVER] = { .requester = UD_REQUESTER_ONE_OF, .roles = APPROVERS },
	[UD_TICKET_TEST] =        { 0, 0, 1, UD_REQUESTER_ALONE,  ANYBODY,   .step_up = false, .destructive = false },
	[UD_TICKET_PLANNED] =     { 1, 1, 2, UD_REQUESTER_ONE_OF, APPROVERS, .step_up = true,  .destructive = true },
	[UD_TICKET_UNPLANNED] =   { 1, 1, 2, UD_REQUESTER_NEVER,  APPROVERS, .step_up = true,  .destructive = true },
};
/* clang-format on */
_Static_assert(UD_LEN(least) == UD_TICKET_FAILOVER_COUNT, "a least for every kind");
static const int64_t day_seconds = 86400;

/* ---- what is needed ---- */

struct needing {
	const struct ud_ticket *t;
	struct ud_approval_need *need;
};

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static enum ud_code add_policy(struct ud_ctx *cx, void *data, const struct ud_approval_policy *p)
{
	const struct needing *n = data;
	struct ud_approval_need *need = n->need;
	enum ud_side side = p->row.customer_id ? UD_SIDE_CUSTOMER : UD_SIDE_STAFF;

	(void)cx;
	if ((p->failover_kind != UD_TICKET_NO_FAILOVER &&
		    p->failover_kind != n->t->failover_kind) ||
		n->t->severity < p->least_severity)
		return UD_OK;
	need->customer = larger(need->customer, p->customer_approvals);
	need->staff = larger(need->staff, p->staff_approvals);
	need->total = larger(need->total, p->approvals);
	if (p->requester > need->requester)
		need->requester = p->requester;
	if (p->expires_after_seconds < need->expires_after_seconds)
		need->expires_after_seconds = p->expires_after_seconds;
	if (!need->approvers[side].count)
		need->approvers[side] = p->approver_ids;
	return UD_OK;
}

enum ud_code ud_approval_need(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_approval_need *ret)
{
	struct needing n = { t, ret };

	*ret = least[t->failover_kind];
	ret->expires_after_seconds = day_seconds;
	UD_TRY(ud_policies_for(cx, t->row.customer_id, t->type, add_policy, &n));
	ret->total = larger(ret->total, ret->customer + ret->staff);
	/* the provider's own tickets have no customer to ask */
	if (!t->row.customer_id) {
		ret->total = larger(ret->total - ret->customer, ret->staff);
		ret->customer = 0;
	}
	return UD_OK;
}

const char *ud_ticket_hash(struct ud_ctx *cx, const struct ud_ticket *t)
{
	char hex[UD_SHA256_HEX];
	struct ud_buf b = { 0 };

	ud_buf_json(&b, ud_ticket_types.names[t->type]);
	ud_buf_json(&b, ud_ticket_severities.names[t->severity]);
	ud_buf_json(&b, t->subject);
	ud_buf_json(&b, t->body);
	if (t->form.text)
		ud_buf_json(&b, t->form.text);
	for (size_t i = 0; i < t->resource_ids.count; i++)
		ud_buf_json(&b, t->resource_ids.items[i]);
	ud_sha256_hex(b.data, b.len, hex);
	ud_buf_free(&b);
	return ud_printf(cx->arena, "sha256:%s", hex);
}

enum ud_code ud_approval_settle(struct ud_ctx *cx, struct ud_ticket *t)
{
	struct ud_approval_need need;
	const char *hash = t->failover_id ? t->plan_hash : ud_ticket_hash(cx, t);

	UD_TRY(ud_approval_need(cx, t, &need));
	if (!need.total) {
		t->approval = UD_APPROVAL_NONE;
		t->plan_hash = t->failover_id ? t->plan_hash : NULL;
		return UD_OK;
	}
	if (t->approval != UD_APPROVAL_NONE && t->plan_hash && strcmp(t->plan_hash, hash) == 0)
		return UD_OK;
	t->approval = UD_APPROVAL_AWAITING;
	t->plan_hash = hash;
	return ud_approvals_void(cx, t->row.id ? t->row.id : "", "the ticket changed", false, NULL);
}

/* ---- guards ---- */

static enum ud_code no(struct ud_ticket_verdict *v, enum ud_code code, const char *text,
	const char *unblock, const char *who)
{
	*v = (struct ud_ticket_verdict){ code, text, unblock, who };
	return UD_OK;
}

static enum ud_side side_of(const struct ud_ctx *cx)
{
	return cx->scope->home_customer_id ? UD_SIDE_CUSTOMER : UD_SIDE_STAFF;
}

static bool is_me(const struct ud_ctx *cx, const char *id)
{
	return id && cx->scope->id && strcmp(id, cx->scope->id) == 0;
}

/* Whoever opened it, and whoever it was opened for. */
static bool is_requester(const struct ud_ctx *cx, const struct ud_ticket *t)
{
	return is_me(cx, t->requester_id) || is_me(cx, t->on_behalf_of_id);
}

/* An empty list has everybody. */
static bool is_among(const char *id, const struct ud_texts *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		if (id && strcmp(id, ids->items[i]) == 0)
			return true;
	return !ids->count;
}

enum ud_code ud_approval_is_approver(struct ud_ctx *cx, const struct ud_ticket *t,
	const char *user_id, uint32_t roles, bool *ret)
{
	struct ud_approval_need need;

	UD_TRY(ud_approval_need(cx, t, &need));
	*ret = (roles & need.roles) && is_among(user_id, &need.approvers[UD_SIDE_CUSTOMER]);
	return UD_OK;
}

/* Who decides at all: the same for yes and no. */
static enum ud_code may_decide(struct ud_ctx *cx, const struct ud_ticket *t,
	struct ud_ticket_verdict *v, struct ud_approval_need *need)
{
	UD_TRY(ud_approval_need(cx, t, need));
	if (t->approval == UD_APPROVAL_NONE)
		return no(v, UD_E_INVALID_STATE, "It needs no approval.", NULL, NULL);
	if (t->approval != UD_APPROVAL_AWAITING)
		return no(v, UD_E_INVALID_STATE,
			ud_printf(cx->arena, "It is %s already.",
				ud_ticket_approvals.names[t->approval]),
			NULL, NULL);
	if (cx->scope->kind != UD_PRINCIPAL_USER)
		return no(v, UD_E_PERSON_REQUIRED, "A person must decide this.", NULL, NULL);
	if (!(cx->scope->roles & need->roles) ||
		!is_among(cx->scope->id, &need->approvers[side_of(cx)]))
		return no(v, UD_E_ROLE_MISSING, "You are not among those who approve this.", NULL,
			NULL);
	return UD_OK;
}

enum ud_code ud_may_approve(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	struct ud_approval_need need;
	struct ud_approval_count count;

	UD_TRY(may_decide(cx, t, v, &need));
	if (v->code != UD_OK)
		return UD_OK;
	if (is_requester(cx, t) && need.requester == UD_REQUESTER_NEVER)
		return no(v, UD_E_OWN_REQUEST, "Whoever asked for it does not approve it.", NULL,
			NULL);
	if (is_requester(cx, t) && need.requester == UD_REQUESTER_ONE_OF && need.total < 2)
		return no(v, UD_E_OWN_REQUEST, "Somebody else must approve what you asked for.",
			NULL, NULL);
	UD_TRY(ud_approvals_count(cx, t->row.id, t->plan_hash, &count));
	if (count.mine)
		return no(v, UD_E_INVALID_STATE, "You have approved it; somebody else must, too.",
			NULL, count.staff < need.staff ? "support" : "customer");
	return t->failover_id ? ud_ticket_run_ready(cx, t, v) : UD_OK;
}

enum ud_code ud_may_reject(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	struct ud_approval_need need;

	return may_decide(cx, t, v, &need);
}

/* Only an unplanned failover has a source that nobody can reach; stating so begins when somebody
 * asks for it and ends with the ticket. */
enum ud_code ud_may_attest(
	struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	if (t->failover_kind != UD_TICKET_UNPLANNED)
		return no(v, UD_E_INVALID_STATE,
			"Only an unplanned failover needs to know that its source is off.", NULL,
			NULL);
	if (cx->scope->kind != UD_PRINCIPAL_USER)
		return no(v, UD_E_PERSON_REQUIRED, "A person must state this.", NULL, NULL);
	return UD_OK;
}

/* ---- deciding ---- */

struct approve_body {
	const char *plan_hash, *note;
};
/* clang-format off */
static const struct ud_field approve_fields[] = {
	UD_FIELD(approve_body, plan_hash, .flags = UD_REQUIRED, .max = 100, .about = "plan_hash of the ticket as you saw it."),
	UD_FIELD(approve_body, note,      .max = 2000, .about = "Words for the record."),
};
static const struct ud_shape approve_shape = { .bare = true, UD_SHAPE(approve_body, approve_fields) };

struct reject_body {
	const char *note;
};
static const struct ud_field reject_fields[] = {
	UD_FIELD(reject_body, note, .flags = UD_REQUIRED, .max = 2000, .about = "Why not."),
};
static const struct ud_shape reject_shape = { .bare = true, UD_SHAPE(reject_body, reject_fields) };

struct attest_body {
	const char *vm_id, *statement;
};
static const struct ud_field attest_fields[] = {
	UD_FIELD(attest_body, vm_id,     .flags = UD_REQUIRED, .refers = "vm", .about = "VM whose source is off."),
	UD_FIELD(attest_body, statement, .flags = UD_REQUIRED, .min = STATEMENT_MIN, .max = 2000, .about = "What you have checked yourself, in your own words."),
};
static const struct ud_shape attest_shape = { .bare = true, UD_SHAPE(attest_body, attest_fields) };
/* clang-format on */

static enum ud_code record(struct ud_ctx *cx, const struct ud_ticket *t, enum ud_decision decision,
	const char *note, int64_t expires_after_seconds)
{
	struct ud_approval a = { .row.customer_id = t->row.customer_id,
		.ticket_id = t->row.id,
		.plan_hash = t->plan_hash,
		.decision = decision,
		.side = side_of(cx),
		.user_id = cx->scope->id,
		.user_name = cx->scope->name,
		.note = note,
		.expires_at.ms =
			expires_after_seconds ? cx->now_ms + expires_after_seconds * 1000 : UD_NONE,
		.voided_at.ms = UD_NONE };

	UD_TRY(ud_row_insert(cx, &ud_approvals, &a));
	return ud_event_add(cx, "created", ud_approvals.shape, NULL, &a);
}

static bool is_enough(const struct ud_approval_need *need, const struct ud_approval_count *count)
{
	return count->customer >= need->customer && count->staff >= need->staff &&
		count->customer + count->staff >= need->total;
}

enum ud_code ud_approval_all_given(struct ud_ctx *cx, const char *ticket_id)
{
	struct ud_ticket_verdict v = { 0 };
	struct ud_approval_need need;
	struct ud_approval_count count;
	struct ud_ticket old = { 0 }, t;

	UD_TRY(ud_row_get(cx, &ud_tickets, ticket_id, &old));
	UD_TRY(ud_approval_need(cx, &old, &need));
	UD_TRY(ud_approvals_count(cx, old.row.id, old.plan_hash, &count));
	UD_TRY(ud_ticket_run_ready(cx, &old, &v));
	if (!is_enough(&need, &count) || v.code != UD_OK)
		return UD_OK;
	t = old;
	t.approval = UD_APPROVAL_APPROVED;
	UD_TRY(ud_row_update(cx, &ud_tickets, &old, &t));
	UD_TRY(ud_event_add(cx, "approved", ud_tickets.shape, NULL, &t));
	return ud_ticket_run_approved(cx, &t);
}

/* One more yes. The row of the ticket is what two who come at once meet at: the second runs again
 * and sees the first. */
static enum ud_code approve(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct approve_body *in = rq->in;
	struct ud_approval_need need;
	struct ud_approval_count count;
	struct ud_ticket old = { 0 }, t;
	bool changed = false;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_approval_need(cx, &old, &need));
	if (old.failover_id && old.approval == UD_APPROVAL_AWAITING)
		UD_TRY(ud_ticket_run_replan(cx, &old, &changed));
	if (changed) { /* the new plan is kept, and told of by refusing this */
		rq->verdict = ud_fail(cx, UD_E_PLAN_CHANGED, "plan_hash",
			"The dry run found another plan than you looked at.");
		return UD_OK;
	}
	if (old.plan_hash && strcmp(old.plan_hash, in->plan_hash) != 0)
		return ud_fail(cx, UD_E_PLAN_CHANGED, "plan_hash",
			"The plan is another one than you looked at.");
	struct ud_ticket_verdict v;
	const struct ud_ticket_move *m = NULL;

	UD_TRY(ud_ticket_ask(cx, &old, UD_TICKET_APPROVE, &v, &m));
	if (v.code != UD_OK)
		return ud_fail(cx, v.code, NULL, "%s", v.text);
	if (need.step_up)
		UD_TRY(ud_auth_step_up(cx));
	/* what was given too long ago makes room */
	UD_TRY(ud_approvals_void(cx, old.row.id, "its time was up", true, NULL));
	UD_TRY(record(cx, &old, UD_DECISION_APPROVED, in->note, need.expires_after_seconds));
	UD_TRY(ud_approvals_count(cx, old.row.id, old.plan_hash, &count));
	bool enough = is_enough(&need, &count);

	if (enough)
		t.approval = UD_APPROVAL_APPROVED;
	UD_TRY(ud_ticket_move(cx, m, &old, &t));
	if (enough)
		UD_TRY(ud_event_add(cx, "approved", ud_tickets.shape, NULL, &t));
	if (enough && t.failover_id) {
		UD_TRY(ud_ticket_run_approved(cx, &t));
		UD_TRY(ud_row_get(cx, &ud_tickets, old.row.id, &t)); /* the run has moved it */
	}
	return ud_ticket_answer(cx, rq, &t);
}

static enum ud_code reject(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct reject_body *in = rq->in;
	struct ud_ticket old = { 0 }, t;
	struct ud_ticket_verdict v;
	const struct ud_ticket_move *m = NULL;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_ticket_ask(cx, &old, UD_TICKET_REJECT, &v, &m));
	if (v.code != UD_OK)
		return ud_fail(cx, v.code, NULL, "%s", v.text);
	UD_TRY(ud_approvals_void(cx, old.row.id, "the ticket was rejected", false, NULL));
	UD_TRY(record(cx, &old, UD_DECISION_REJECTED, in->note, 0));
	UD_TRY(ud_ticket_move(cx, m, &old, &t));
	return ud_ticket_answer(cx, rq, &t);
}

/* The first statement is kept; the second, by somebody else, has the effect. */
static enum ud_code attest(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct attest_body *in = rq->in;
	struct ud_attestation a = { .vm_id = in->vm_id, .statement = in->statement };
	struct ud_ticket old = { 0 }, t;
	struct ud_ticket_verdict v;
	const struct ud_ticket_move *m = NULL;
	int64_t people;
	bool mine, concerned = false;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_ticket_ask(cx, &old, UD_TICKET_ATTEST, &v, &m));
	if (v.code != UD_OK)
		return ud_fail(cx, v.code, NULL, "%s", v.text);
	UD_TRY(ud_ticket_run_concerns(cx, &old, in->vm_id, &concerned));
	if (!concerned)
		return ud_fail_field(
			cx, "vm_id", "not_found", "vm_id is not one of this failover's VMs.");
	UD_TRY(ud_attestations_count(cx, old.row.id, in->vm_id, &people, &mine));
	if (mine)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"You have stated it; somebody else must, too.");
	a.row.customer_id = old.row.customer_id;
	a.ticket_id = old.row.id;
	a.side = side_of(cx);
	a.user_id = cx->scope->id;
	a.user_name = cx->scope->name;
	a.effective = people == 1;
	UD_TRY(ud_row_insert(cx, &ud_attestations, &a));
	UD_TRY(ud_event_add(cx, "created", ud_attestations.shape, NULL, &a));
	UD_TRY(ud_ticket_move(cx, m, &old, &t));
	if (a.effective)
		UD_TRY(ud_ticket_run_attested(cx, &t, in->vm_id));
	return ud_answer(cx, rq, ud_attestations.shape, &a);
}

static const struct ud_resource approvals = { .table = &ud_approvals,
	.parent_column = "ticket_id" };
static const struct ud_resource attestations = { .table = &ud_attestations,
	.parent_column = "ticket_id" };

/* A list under a ticket that the caller sees. */
static enum ud_code list_of_ticket(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket t = { 0 };

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	return ud_rest_list(cx, rq);
}

/* ---- policies ---- */

/* A policy cannot ask for less than the house: that is said, not silently mended. */
static enum ud_code check_policy(struct ud_ctx *cx, const void *old_row, void *row)
{
	const struct ud_approval_policy *p = row;
	const struct ud_approval_need *floor = &least[p->failover_kind];

	(void)old_row;
	if (p->failover_kind != UD_TICKET_NO_FAILOVER && p->ticket_type != UD_TICKET_FAILOVER)
		return ud_fail_field(cx, "failover_kind", "not_allowed",
			"Only tickets of type failover have a kind.");
	if (p->failover_kind == UD_TICKET_NO_FAILOVER || !p->enabled)
		return UD_OK;
	if (p->customer_approvals < floor->customer)
		ud_fail_field(cx, "customer_approvals", "out_of_range",
			"This kind of failover needs %lld of the customer at least.",
			(long long)floor->customer);
	if (p->staff_approvals < floor->staff)
		ud_fail_field(cx, "staff_approvals", "out_of_range",
			"This kind of failover needs %lld of the provider at least.",
			(long long)floor->staff);
	if (p->requester < floor->requester)
		ud_fail_field(cx, "requester", "out_of_range",
			"For this kind of failover the requester is %s at most.",
			ud_requester_rules.names[floor->requester]);
	return cx->problem.code;
}

/* Approvers are people that the writer of the policy sees. */
static enum ud_code check_approvers(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	const struct ud_approval_policy *p = row;
	bool fine = true;

	(void)given, (void)old_row;
	for (size_t i = 0; p && i < p->approver_ids.count; i++) {
		if (!ud_id_valid(p->approver_ids.items[i], "usr"))
			return ud_fail_field(
				cx, "approver_ids", "not_an_id", "Each starts with usr_.");
		UD_TRY(ud_reference_check(cx, "approver_ids", "usr", p->approver_ids.items[i],
			p->row.customer_id, &fine));
	}
	return fine ? UD_OK : cx->problem.code;
}

static const struct ud_resource policies = {
	.table = &ud_approval_policies, .check = check_policy, .before = check_approvers
};

struct evaluate_body {
	const char *ticket_id;
};
/* clang-format off */
static const struct ud_field evaluate_fields[] = {
	UD_FIELD(evaluate_body, ticket_id, .flags = UD_REQUIRED, .refers = "tkt", .about = "Ticket to try it on."),
};
static const struct ud_shape evaluate_shape = { .bare = true, UD_SHAPE(evaluate_body, evaluate_fields) };

struct evaluation {
	const char *ticket_id;
	bool applies, enough;
	int64_t customer_needed, staff_needed, needed, customer_given, staff_given;
	unsigned requester;
};
static const struct ud_field evaluation_fields[] = {
	UD_FIELD(evaluation, ticket_id,       .about = "Ticket it was tried on."),
	UD_FIELD(evaluation, applies,         .about = "True when this policy counts for the ticket."),
	UD_FIELD(evaluation, enough,          .about = "True when the ticket has all the approvals it needs."),
	UD_FIELD(evaluation, customer_needed, .about = "People of the customer who must approve, by all policies."),
	UD_FIELD(evaluation, staff_needed,    .about = "People of the provider who must approve."),
	UD_FIELD(evaluation, needed,          .about = "People who must approve in all."),
	UD_FIELD(evaluation, customer_given,  .about = "People of the customer whose approval counts now."),
	UD_FIELD(evaluation, staff_given,     .about = "People of the provider whose approval counts now."),
	UD_FIELD(evaluation, requester,       .values = &ud_requester_rules, .about = "Whether the requester may approve."),
};
static const struct ud_shape evaluation_shape = { .object = "evaluation", .bare = true,
	UD_SHAPE(evaluation, evaluation_fields), .about = "What approvals a ticket needs and has." };
/* clang-format on */

static enum ud_code evaluate(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct evaluate_body *in = rq->in;
	struct ud_approval_policy p = { 0 };
	struct ud_ticket t = { 0 };
	struct ud_approval_need need;
	struct ud_approval_count count;

	UD_TRY(ud_row_get(cx, &ud_approval_policies, rq->arg[0], &p));
	if (ud_row_get(cx, &ud_tickets, in->ticket_id, &t) != UD_OK) {
		ud_ctx_clear(cx);
		return ud_fail_field(cx, "ticket_id", "not_found",
			"ticket_id names nothing that you can use here.");
	}
	UD_TRY(ud_approval_need(cx, &t, &need));
	UD_TRY(ud_approvals_count(cx, t.row.id, t.plan_hash, &count));
	struct evaluation e = { .ticket_id = t.row.id,
		.applies = p.enabled && p.ticket_type == t.type && t.severity >= p.least_severity &&
			(p.failover_kind == UD_TICKET_NO_FAILOVER ||
				p.failover_kind == t.failover_kind),
		.customer_needed = need.customer,
		.staff_needed = need.staff,
		.needed = need.total,
		.customer_given = count.customer,
		.staff_given = count.staff,
		.requester = need.requester };

	e.enough = is_enough(&need, &count);
	return ud_answer(cx, rq, &evaluation_shape, &e);
}

enum { POLICY = UD_CUSTOMER_ADMIN | UD_R(SUPPORT_LEAD) };

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",    "/v1/tickets/{id}/approvals",            "tickets.approvals.list",     UD_PEOPLE, "tickets:read",            UD_LIST, .resource = &approvals, .handle = list_of_ticket, .about = "List what people decided about a ticket, void decisions included." },
	{ "POST",   "/v1/tickets/{id}/approve",              "tickets.approve",            ANYBODY,   "tickets:approve",         UD_WRITE | UD_PERSON, &approve_shape, .resource = &ud_tickets_resource, .handle = approve, .about = "Approve a ticket as you saw it; planned and unplanned failovers need a fresh step-up." },
	{ "POST",   "/v1/tickets/{id}/reject",               "tickets.reject",             ANYBODY,   "tickets:approve",         UD_WRITE | UD_PERSON, &reject_shape, .resource = &ud_tickets_resource, .handle = reject, .about = "Reject a ticket that awaits approval." },
	{ "GET",    "/v1/tickets/{id}/attestations",         "tickets.attestations.list",  UD_PEOPLE, "tickets:read",            UD_LIST, .resource = &attestations, .handle = list_of_ticket, .about = "List the statements that sources are off." },
	{ "POST",   "/v1/tickets/{id}/attest-down",          "tickets.attest-down",        APPROVERS, "tickets:approve",         UD_WRITE | UD_PERSON | UD_STEP_UP, &attest_shape, .resource = &attestations, .handle = attest, .about = "State that the source of a VM is off; two different people must." },
	UD_REST_ROWS("/v1/approval-policies", "approval-policies", "an approval policy", "approval policies", UD_PEOPLE, POLICY, &policies),
	{ "POST",   "/v1/approval-policies/{id}/evaluate",   "approval-policies.evaluate", POLICY,    "approval-policies:read",  UD_WRITE, &evaluate_shape, &evaluation_shape, .handle = evaluate, .about = "Show what a ticket needs by all policies, and whether this one counts for it." },
};
/* clang-format on */
const struct ud_routes ud_api_approvals = { "Approvals", rows, UD_LEN(rows) };
