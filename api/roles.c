/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roles there are, and what each may call: read off the route table that the calls obey.
 */
#include <string.h>

#include "api/api.h"
#include "api/people.h"
#include "db/scope.h"
#include "server/http/list.h"

static const char *const side_names[] = { "customer", "provider" };
static const struct ud_enum sides = { "side", side_names, UD_LEN(side_names) };

/* Those that people and programs have; agent is no row, it comes with a certificate. */
static const struct {
	enum ud_role role;
	unsigned side; /* of sides */
	const char *about;
} all[] = {
	{ UD_ROLE_CUSTOMER_VIEWER, 0, "Sees what is the customer's." },
	{ UD_ROLE_CUSTOMER_OPERATOR, 0,
		"Also works with the customer's VMs, addresses and tickets." },
	{ UD_ROLE_CUSTOMER_APPROVER, 0, "Also signs, and reads the customer's audit records." },
	{ UD_ROLE_CUSTOMER_ADMIN, 0, "Also manages the customer's people and service accounts." },
	{ UD_ROLE_SUPPORT_AGENT, 1, "Sees all customers, works on tickets, keeps records." },
	{ UD_ROLE_SUPPORT_ENGINEER, 1, "Also manages hosts, sites and replication." },
	{ UD_ROLE_SUPPORT_LEAD, 1, "Also manages customers, subscriptions and people." },
	{ UD_ROLE_AUDITOR, 1, "Sees everything and changes nothing." },
	{ UD_ROLE_OPERATOR, 1, "Runs the installation: settings, people, hosts, sites." },
	{ UD_ROLE_SCHEDULER, 1, "A program that starts what is due." },
};

struct role {
	const char *name, *about;
	unsigned side; /* of sides */
	bool may_give;
	struct ud_texts operations;
};

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(role, name,       .flags = UD_REQUIRED | UD_COMPUTED | UD_BRIEF, .about = "Its name, as bodies want it."),
	UD_FIELD(role, side,       .flags = UD_REQUIRED | UD_COMPUTED | UD_BRIEF, .values = &sides, .about = "Whose people have it."),
	UD_FIELD(role, about,      .flags = UD_REQUIRED | UD_COMPUTED | UD_BRIEF, .about = "What it is for."),
	UD_FIELD(role, may_give,   .flags = UD_COMPUTED | UD_BRIEF, .about = "The caller may give it to somebody."),
	UD_FIELD(role, operations, .flags = UD_COMPUTED, .max = 1000, .about = "Calls it may make, by their operationId."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "role",
	.bare = true,
	UD_SHAPE(role, fields),
	.about = "A set of rights that somebody has." };

/* Visit the calls of a role, in the order of the table. */
static struct ud_texts operations(struct ud_ctx *cx, uint32_t bit)
{
	struct ud_texts out = { 0 };
	size_t n = 0;

	for (const struct ud_routes *const *part = ud_api; *part; part++)
		n += (*part)->count;
	out.items = ud_alloc(cx->arena, n * sizeof(*out.items));
	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++) {
			const struct ud_route *r = &(*part)->rows[i];

			if (r->roles & bit && !(r->flags & UD_UNLISTED))
				out.items[out.count++] = r->operation;
		}
	return out;
}

/* Customers are told of their own. */
static enum ud_code list(struct ud_ctx *cx, struct ud_request *rq)
{
	uint32_t giving = ud_roles_may_give(cx->scope);
	bool any = false;

	ud_page_open(rq);
	for (size_t i = 0; i < UD_LEN(all); i++) {
		uint32_t bit = 1U << all[i].role;
		struct role r = { .name = ud_roles.names[all[i].role],
			.about = all[i].about,
			.side = all[i].side,
			.may_give = giving & bit };

		if (cx->scope->home_customer_id && all[i].side)
			continue;
		r.operations = operations(cx, bit);
		if (any)
			ud_buf_putc(&rq->out, ',');
		any = true;
		ud_shape_encode(&rq->out, &shape, &r, NULL);
	}
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/v1/roles", "roles.list", UD_PEOPLE, "users:read", UD_WHOLE, .answer = &shape, .handle = list, .about = "List the roles there are, what they may call, and whether one may give them." },
};
/* clang-format on */
const struct ud_routes ud_api_roles = { "Roles", rows, UD_LEN(rows) };
