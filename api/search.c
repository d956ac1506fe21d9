/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One box for everything: the same lists that have a q, a few rows of each. What a role may not
 * list it does not find.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "db/addresses.h"
#include "db/customers.h"
#include "db/hosts.h"
#include "db/networks.h"
#include "db/people.h"
#include "db/sites.h"
#include "db/tickets.h"
#include "db/vms.h"
#include "server/auth/auth.h"
#include "server/http/list.h"

enum { EACH = 10 };

static const struct {
	const struct ud_table *table;
	uint32_t roles;
	const char *scope, *title; /* field shown as title */
} places[] = {
	{ &ud_customers, UD_PEOPLE, "customers:read", "name" },
	{ &ud_vms, UD_PEOPLE, "vms:read", "name" },
	{ &ud_hosts, UD_STAFF, "hosts:read", "name" },
	{ &ud_sites, UD_PEOPLE, "sites:read", "name" },
	{ &ud_networks, UD_PEOPLE, "networks:read", "name" },
	{ &ud_ip_blocks, UD_PEOPLE, "ip-blocks:read", "prefix" },
	{ &ud_ip_addresses, UD_PEOPLE, "ip-addresses:read", "address" },
	{ &ud_tickets, UD_PEOPLE, "tickets:read", "subject" },
	{ &ud_users, UD_STAFF | UD_CUSTOMER_ADMIN, "users:read", "display_name" },
};

struct finding {
	struct ud_request *rq;
	const struct ud_table *table;
	const char *title;
	bool any;
};

static enum ud_code add(struct ud_ctx *cx, void *data, const void *row)
{
	struct finding *f = data;
	const struct ud_row *common = row;
	const struct ud_shape *shape = f->table->shape;
	struct ud_buf *b = &f->rq->out;

	(void)cx;
	ud_buf_puts(b, f->any ? ",{\"object\":" : "{\"object\":");
	f->any = true;
	ud_buf_json(b, shape->object);
	ud_buf_puts(b, ",\"id\":");
	ud_buf_json(b, common->id);
	ud_buf_puts(b, ",\"customer_id\":");
	ud_buf_json(b, common->customer_id);
	ud_buf_puts(b, ",\"title\":");
	ud_field_encode(b, &shape->fields[ud_shape_find(shape, f->title)], row);
	ud_buf_putc(b, '}');
	return UD_OK;
}

static enum ud_code search(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *q = ud_request_param(rq, "q");
	struct finding f = { .rq = rq };
	bool more;

	if (!q || strlen(q) < 2 || strlen(q) > 255)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "q", "q has 2 to 255 bytes.");
	ud_page_open(rq);
	for (size_t i = 0; i < UD_LEN(places); i++) {
		struct ud_list list = { .limit = EACH, .search = q };

		if (!(places[i].roles & rq->scope.roles) ||
			(rq->scope.token_scopes &&
				!ud_auth_scope_covers(rq->scope.token_scopes, places[i].scope)))
			continue;
		f.table = places[i].table;
		f.title = places[i].title;
		UD_TRY(ud_row_list(cx, places[i].table, &list, add, &f, &more));
	}
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

static const struct ud_parameter looked_for[] = {
	{ "q", "string", "Text to look for, 2 to 255 bytes." },
	{ NULL, NULL, NULL },
};

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/v1/search", "search", UD_PEOPLE, "search:read", UD_WHOLE, .answer = &ud_finding_shape, .handle = search, .parameters = looked_for, .about = "Find customers, VMs, hosts, sites, networks, addresses and people by a part of their names; q is required." },
};
/* clang-format on */
const struct ud_routes ud_api_search = { "Search", rows, UD_LEN(rows) };
