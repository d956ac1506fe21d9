/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Customers: who may see and change tenants, and the verbs that move their state.
 */
#include <string.h>

#include "api/api.h"
#include "base/id.h"
#include "db/customers.h"
#include "db/events.h"

/* A customer is its own tenant: the id must be known before the row is stored. */
static enum ud_code before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	struct ud_customer *c = row;

	(void)given;
	if (!c || old_row)
		return UD_OK;
	if (cx->scope->customer_id)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "Understudy-On-Behalf-Of",
			"No customer is made on behalf of another.");
	c->row.id = c->row.customer_id = ud_id_new(cx->arena, cx->env, cx->now_ms, "cus");
	return UD_OK;
}

static enum ud_code check(struct ud_ctx *cx, const void *old_row, void *row)
{
	const struct ud_customer *c = row;

	if (!old_row && c->row.customer_id)
		return ud_fail_field(
			cx, "customer_id", "read_only", "customer_id is the customer's own id.");
	if (old_row && (!c->row.customer_id || strcmp(c->row.customer_id, c->row.id) != 0))
		return ud_fail_field(
			cx, "customer_id", "fixed", "customer_id is the customer's own id.");
	return UD_OK;
}

static const struct ud_resource customers = {
	.table = &ud_customers, .check = check, .before = before
};

/* One state move: from, verb, to. */
static const struct {
	const char *operation;
	enum ud_customer_state from, to;
	const char *verb;
} moves[] = {
	{ "customers.suspend", UD_CUSTOMER_ACTIVE, UD_CUSTOMER_SUSPENDED, "suspended" },
	{ "customers.resume", UD_CUSTOMER_SUSPENDED, UD_CUSTOMER_ACTIVE, "resumed" },
};

static enum ud_code move(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_customer old = { 0 }, c;
	size_t i = 0;

	while (strcmp(moves[i].operation, rq->route->operation) != 0)
		i++;
	UD_TRY(ud_row_get(cx, &ud_customers, rq->arg[0], &old));
	UD_TRY(ud_check_match(cx, rq, old.row.version));
	if (old.state != moves[i].from)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The customer is %s.",
			ud_customer_states.names[old.state]);
	c = old;
	c.state = moves[i].to;
	UD_TRY(ud_rest_change(cx, &customers, &rq->given, moves[i].verb, &old, &c));
	return ud_answer(cx, rq, ud_customers.shape, &c);
}

/* ---- summary ---- */

struct summary {
	const char *customer_id;
	struct ud_customer_counts n; /* its fields are fields of the answer */
};
/* clang-format off */
#define COUNTED(member, text) { .name = #member, .type = UD_INT, .offset = offsetof(struct summary, n.member), .flags = UD_COMPUTED, .about = text }
static const struct ud_field summary_fields[] = {
	UD_FIELD(summary, customer_id, .flags = UD_COMPUTED | UD_REQUIRED, .about = "The customer."),
	COUNTED(users, "People who may sign in."),
	COUNTED(subscriptions, "Subscriptions that have not ended."),
	COUNTED(vms, "VMs."),
	COUNTED(vms_running, "Those that run."),
	COUNTED(vms_replicated, "Those that are copied elsewhere."),
	COUNTED(replications, "Replications, third hosts counted."),
	COUNTED(replications_critical, "Those whose health is critical."),
	COUNTED(ip_addresses, "Addresses that were given out."),
	COUNTED(recovery_plans, "Recovery plans."),
	COUNTED(tickets_open, "Tickets that were not solved."),
	COUNTED(failovers_under_way, "Failovers that have not ended."),
};
/* clang-format on */
static const struct ud_shape summary_shape = { .object = "customer_summary",
	.bare = true,
	UD_SHAPE(summary, summary_fields),
	.about = "How many of what a customer has." };

static enum ud_code summary(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_customer c = { 0 };
	struct summary out = { 0 };

	UD_TRY(ud_row_get(cx, &ud_customers, rq->arg[0], &c));
	out.customer_id = c.row.id;
	UD_TRY(ud_customer_count(cx, c.row.id, &out.n));
	return ud_answer(cx, rq, &summary_shape, &out);
}

/* clang-format off */
static const struct ud_route rows[] = {
	/* method   path                            operation            roles                                    scope              flags                         */
	{ "GET",    "/v1/customers",                "customers.list",    UD_PEOPLE,                               "customers:read",  UD_LIST, .resource = &customers, .handle = ud_rest_list, .about = "List customers; a customer sees itself." },
	{ "POST",   "/v1/customers",                "customers.create",  UD_R(SUPPORT_LEAD) | UD_OPERATOR,        "customers:write", UD_WRITE, .status = 201, .resource = &customers, .handle = ud_rest_create, .about = "Create a customer." },
	{ "GET",    "/v1/customers/{id}",           "customers.show",    UD_PEOPLE,                               "customers:read",  0, .resource = &customers, .handle = ud_rest_show, .about = "Show one customer." },
	{ "PATCH",  "/v1/customers/{id}",           "customers.edit",    UD_R(SUPPORT_LEAD) | UD_OPERATOR,        "customers:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &customers, .handle = ud_rest_edit, .about = "Change a customer." },
	{ "DELETE", "/v1/customers/{id}",           "customers.delete",  UD_R(SUPPORT_LEAD) | UD_OPERATOR,        "customers:write", UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = &customers, .handle = ud_rest_delete, .about = "Close a customer that nothing refers to any more." },
	{ "GET",    "/v1/customers/{id}/summary",   "customers.summary", UD_PEOPLE,                               "customers:read",  0, .answer = &summary_shape, .handle = summary, .about = "Count what a customer has: people, VMs, copies, tickets, failovers." },
	{ "POST",   "/v1/customers/{id}/suspend",   "customers.suspend", UD_R(SUPPORT_LEAD) | UD_OPERATOR,        "customers:write", UD_WRITE, .resource = &customers, .handle = move, .about = "Suspend an active customer." },
	{ "POST",   "/v1/customers/{id}/resume",    "customers.resume",  UD_R(SUPPORT_LEAD) | UD_OPERATOR,        "customers:write", UD_WRITE, .resource = &customers, .handle = move, .about = "Resume a suspended customer." },
};
/* clang-format on */
const struct ud_routes ud_api_customers = { "Customers", rows, UD_LEN(rows) };
