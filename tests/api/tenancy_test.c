/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No customer sees another's data: every row of the route table is called by every kind of
 * principal with its own, a foreign and a missing id in each place of the path. What is expected
 * follows from the row. Every text of the other tenant's rows holds a canary, and no answer to
 * somebody who may not see it holds one.
 */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/id.h"
#include "db/addresses.h"
#include "db/customers.h"
#include "db/events.h"
#include "db/networks.h"
#include "db/operations.h"
#include "db/people.h"
#include "db/sites.h"
#include "db/subscriptions.h"
#include "db/vms.h"
#include "server/auth/auth.h"
#include "support/harness.h"

#define CANARY "canary"

enum owner { OWN, FOREIGN, MISSING, OWNER_COUNT };

/* One row of each kind for both tenants. */
struct pair {
	const char *prefix, *ids[2];
};

static struct pair pairs[24];
static size_t pair_count;

static enum ud_code add(struct ud_ctx *cx, const struct ud_table *t, void *row, int side)
{
	struct ud_row *common = row;

	UD_TRY(ud_row_insert(cx, t, row));
	UD_TRY(ud_event_add(cx, "created", t->shape, NULL, row));
	for (size_t i = 0; i < pair_count; i++)
		if (strcmp(pairs[i].prefix, t->shape->prefix) == 0) {
			pairs[i].ids[side] = common->id;
			return UD_OK;
		}
	pairs[pair_count].prefix = t->shape->prefix;
	pairs[pair_count++].ids[side] = common->id;
	return UD_OK;
}

/* A text that gives its tenant away. */
static const char *mark(struct world *w, int side, const char *what)
{
	return side ? fmt(w, CANARY "-%s", what) : fmt(w, "plain-%s", what);
}

static enum ud_code fill_side(struct ud_ctx *cx, struct world *w, int side)
{
	const char *customer = side ? w->other : w->own,
		   *labels = side ? "{\"l\":\"canary\"}" : "{}";
	struct ud_site site = { .row = { .customer_id = customer, .labels.text = labels },
		.name = mark(w, side, "site"),
		.code = side ? "canary" : "plain",
		.time_zone = "UTC",
		.address = mark(w, side, "address") };

	UD_TRY(add(cx, &ud_sites, &site, side));
	struct ud_network net = { .row = { .customer_id = customer, .labels.text = labels },
		.name = mark(w, side, "net"),
		.site_id = site.row.id,
		.vlan = UD_NONE,
		.switch_name = mark(w, side, "switch"),
		.note = mark(w, side, "note") };

	UD_TRY(add(cx, &ud_networks, &net, side));
	struct ud_vm vm = { .row = { .customer_id = customer, .labels.text = labels },
		.name = mark(w, side, "vm"),
		.guest_os = mark(w, side, "os"),
		.vcpus = UD_NONE,
		.memory_bytes = UD_NONE,
		.disk_bytes = UD_NONE };

	UD_TRY(add(cx, &ud_vms, &vm, side));
	struct ud_ip_block block = { .row = { .customer_id = customer, .labels.text = labels },
		.prefix = "10.0.0.0/24",
		.kind = UD_BLOCK_PRIVATE,
		.site_id = site.row.id,
		.note = mark(w, side, "block"),
		.realm = customer,
		.first_hex = "00000000000000000000ffff0a000000",
		.last_hex = "00000000000000000000ffff0a0000ff",
		.next_hex = "00000000000000000000ffff0a000000" };

	UD_TRY(add(cx, &ud_ip_blocks, &block, side));
	struct ud_ip_address address = { .row = { .customer_id = customer, .labels.text = labels },
		.block_id = block.row.id,
		.address = "10.0.0.9",
		.note = mark(w, side, "ip"),
		.vm_id = vm.row.id,
		.address_hex = "00000000000000000000ffff0a000009" };

	UD_TRY(add(cx, &ud_ip_addresses, &address, side));
	struct ud_subscription sub = { .row = { .customer_id = customer, .labels.text = labels } };

	UD_TRY(add(cx, &ud_subscriptions, &sub, side));
	const char *role[] = { "customer_viewer" };
	struct ud_service_account account = { .row = { .customer_id = customer,
						      .labels.text = labels },
		.name = mark(w, side, "account"),
		.role_names = { role, 1 } };

	UD_TRY(add(cx, &ud_service_accounts, &account, side));
	struct ud_token token = { .row = { .customer_id = customer },
		.principal_id = account.row.id,
		.name = mark(w, side, "token"),
		.secret_hash = mark(w, side, "hash"),
		.expires_at.ms = cx->now_ms + 1000000 };

	UD_TRY(add(cx, &ud_tokens, &token, side));
	struct ud_operation op = { .row = { .customer_id = customer },
		.kind = mark(w, side, "kind"),
		.state = UD_OPERATION_SUCCEEDED,
		.result.text = side ? "{\"x\":\"canary\"}" : "{}" };

	UD_TRY(add(cx, &ud_operations, &op, side));
	struct ud_session session = { .row = { .customer_id = customer },
		.user_id = w->principal[side ? OTHER_VIEWER : OWN_VIEWER],
		.secret_hash = mark(w, side, "secret"),
		.csrf_hash = "x",
		.last_seen_at.ms = cx->now_ms,
		.user_agent = mark(w, side, "agent"),
		.expires_at.ms = cx->now_ms + 1000000 };

	return add(cx, &ud_sessions, &session, side);
}

static enum ud_code last_event(struct ud_ctx *cx, const char *customer, const char **ret)
{
	bool found;

	return ud_query_text(cx, &found, ret,
		"SELECT id FROM events WHERE customer_id = $1 ORDER BY n DESC LIMIT 1",
		UD_VALS(ud_t(customer)));
}

static enum ud_code fill(struct ud_ctx *cx, void *data)
{
	struct world *w = data;

	pair_count = 0;
	pairs[pair_count++] = (struct pair){ "cus", { w->own, w->other } };
	pairs[pair_count++] =
		(struct pair){ "usr", { w->principal[OWN_VIEWER], w->principal[OTHER_VIEWER] } };
	UD_TRY(fill_side(cx, w, 0));
	UD_TRY(fill_side(cx, w, 1));
	struct pair *e = &pairs[pair_count++];

	e->prefix = "evt";
	UD_TRY(last_event(cx, w->own, &e->ids[0]));
	return last_event(cx, w->other, &e->ids[1]);
}

static int begin(void **state)
{
	struct world *w = world_begin();

	world_write(w, fill, w);
	*state = w;
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

/* Prefix of the ids that a path takes, by its collection. */
static const struct {
	const char *part, *prefix;
} collections[] = {
	{ "/customers/{", "cus" },
	{ "/subscriptions/{", "sub" },
	{ "/sites/{", "sit" },
	{ "/fault-domains/{", "fdm" },
	{ "/hosts/{", "hst" },
	{ "/agents/{", "agt" },
	{ "/vms/{", "vm" },
	{ "/networks/{", "net" },
	{ "/ip-blocks/{", "ipb" },
	{ "/ip-addresses/{", "ipa" },
	{ "/users/{", "usr" },
	{ "/service-accounts/{", "sva" },
	{ "/me/sessions/{", "ses" },
	{ "/tokens/{", "tok" },
	{ "/operations/{", "op" },
	{ "/events/{", "evt" },
	{ "/audit-records/{", "evt" },
};

static const char *prefix_at(const char *path, const char *brace)
{
	for (size_t i = 0; i < UD_LEN(collections); i++) {
		size_t n = strlen(collections[i].part);

		if (brace + 1 - path >= (long)n &&
			strncmp(brace + 1 - n, collections[i].part, n) == 0)
			return collections[i].prefix;
	}
	return NULL;
}

/* Id of a kind for a side; a well-formed one of nothing for MISSING or when there is no such row.
 */
static const char *id_for(struct world *w, const char *prefix, enum owner owner)
{
	for (size_t i = 0; i < pair_count; i++)
		if (owner != MISSING && strcmp(pairs[i].prefix, prefix) == 0)
			return pairs[i].ids[owner];
	return fmt(w, "%s_00000000000000000000000000", prefix);
}

static const char *fill_path(struct world *w, const char *path, enum owner owner)
{
	const char *out = "";

	for (const char *brace; (brace = strchr(path, '{')); path = strchr(brace, '}') + 1) {
		const char *prefix = prefix_at(path, brace);

		out = fmt(w, "%s%.*s%s", out, (int)(brace - path), path,
			prefix ? id_for(w, prefix, owner) : "not_found");
	}
	return fmt(w, "%s%s", out, path);
}

static uint32_t roles_of(enum who who)
{
	static const uint32_t roles[WHO_COUNT] = {
		[OPERATOR] = UD_OPERATOR,
		[LEAD] = UD_R(SUPPORT_LEAD),
		[ENGINEER] = UD_R(SUPPORT_ENGINEER),
		[AUDITOR] = UD_R(AUDITOR),
		[OWN_ADMIN] = UD_CUSTOMER_ADMIN,
		[OWN_APPROVER] = UD_R(CUSTOMER_APPROVER),
		[OWN_OPERATOR] = UD_R(CUSTOMER_OPERATOR),
		[OWN_VIEWER] = UD_R(CUSTOMER_VIEWER),
		[OTHER_ADMIN] = UD_CUSTOMER_ADMIN,
		[OTHER_VIEWER] = UD_R(CUSTOMER_VIEWER),
		[READ_ONLY_TOKEN] = UD_CUSTOMER_ADMIN,
	};

	return roles[who];
}

static bool is_customer(enum who who)
{
	return who >= OWN_ADMIN;
}

static bool sees(enum who who, enum owner owner)
{
	if (owner == MISSING)
		return false;
	if (!is_customer(who))
		return true;
	return (owner == OWN) == (who != OTHER_ADMIN && who != OTHER_VIEWER);
}

/* What the row says: the status this call must have, or 0 when it depends on body and state. */
static int expected(const struct ud_route *r, enum who who, enum owner owner)
{
	const char *read_only[] = { "customers:read" };
	const struct ud_texts scopes = { read_only, 1 };

	if (r->roles & UD_ANYONE)
		return 0;
	if (who == NOBODY)
		return 401;
	if (!(r->roles & roles_of(who)))
		return 403;
	if (who == READ_ONLY_TOKEN && !ud_auth_scope_covers(&scopes, r->scope))
		return 403;
	return strchr(r->path, '{') && !sees(who, owner) ? 404 : 0;
}

/* Streams stay open, and calls that end the test's own sessions or change it are tested elsewhere.
 */
static bool left_out(const struct ud_route *r)
{
	static const char *const operations[] = { "me.password", "me.totp.create" };

	for (size_t i = 0; i < UD_LEN(operations); i++)
		if (strcmp(r->operation, operations[i]) == 0)
			return true;
	return r->flags & UD_STREAM;
}

/* Does the call need a body before it looks for the object? Then one that is fine for decoding. */
static const char *body_for(const struct ud_route *r)
{
	static const struct {
		const char *operation, *body;
	} bodies[] = {
		{ "ip-blocks.allocate-block", "{\"prefix_length\":28}" },
		{ "service-accounts.tokens.create", "{\"name\":\"x\",\"scopes\":[\"*\"]}" },
	};

	for (size_t i = 0; i < UD_LEN(bodies); i++)
		if (strcmp(bodies[i].operation, r->operation) == 0)
			return bodies[i].body;
	return r->flags & UD_WRITE ? "{}" : NULL;
}

/* Writes are tried dry, so that every cell meets the same rows. */
static const char *path_for(struct world *w, const struct ud_route *r, enum owner owner)
{
	const char *path = fill_path(w, r->path, owner);

	if (strcmp(r->operation, "search") == 0)
		return fmt(w, "%s?q=" CANARY, path);
	return r->flags & UD_WRITE ? fmt(w, "%s?dry_run=true", path) : path;
}

static void check_cell(struct world *w, const struct ud_route *r, enum who who, enum owner owner)
{
	const char *any[] = { "If-Match: *", NULL };
	struct reply got = call(w, who, r->method, path_for(w, r, owner), body_for(r), any);
	int want = expected(r, who, owner);

	if (got.status >= 500)
		fail_msg("%s: %s %s: %d %s", who_names[who], r->method, r->path, got.status,
			got.body);
	/* 422 before 404 is fine where the body is looked at first: it tells nothing of the object
	 */
	if (want && got.status != want &&
		!(want == 404 && (got.status == 422 || got.status == 400)))
		fail_msg("%s (%s id): %s %s: wanted %d, got %d %s", who_names[who],
			owner == OWN               ? "own"
				: owner == FOREIGN ? "other"
						   : "missing",
			r->method, r->path, want, got.status, got.body);
	bool other_side = who == OTHER_ADMIN || who == OTHER_VIEWER;

	if ((who == NOBODY || (is_customer(who) && !other_side)) && strstr(got.body, CANARY) &&
		strcmp(r->operation, "search") != 0)
		fail_msg("%s: %s %s tells of the other tenant: %s", who_names[who], r->method,
			r->path, got.body);
	if (who == NOBODY || !is_customer(who) || !other_side)
		return;
	if (strstr(got.body, "plain-") || strstr(got.body, w->own))
		if (!strstr(r->path, "{") || owner != OWN)
			fail_msg("%s: %s %s tells of the other tenant: %s", who_names[who],
				r->method, r->path, got.body);
}

static void every_route_keeps_tenants_apart(void **state)
{
	struct world *w = *state;
	size_t cells = 0;

	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++) {
			const struct ud_route *r = &(*part)->rows[i];
			int owners = strchr(r->path, '{') ? OWNER_COUNT : 1;

			for (int who = 0; who < WHO_COUNT && !left_out(r); who++)
				for (int owner = 0; owner < owners; owner++, cells++)
					check_cell(w, r, (enum who)who, (enum owner)owner);
		}
	printf("# %zu cells of route, principal and id\n", cells);
	assert_true(cells > 2000);
}

/* The same words for an id of somebody else and one of nobody. */
static void a_foreign_id_answers_as_a_missing_one(void **state)
{
	struct world *w = *state;

	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++) {
			const struct ud_route *r = &(*part)->rows[i];

			if (strcmp(r->method, "GET") != 0 || !strchr(r->path, '{') || left_out(r) ||
				!(r->roles & UD_CUSTOMER_ADMIN))
				continue;
			struct reply foreign = call(
				w, OWN_ADMIN, "GET", fill_path(w, r->path, FOREIGN), NULL, NULL);
			struct reply missing = call(
				w, OWN_ADMIN, "GET", fill_path(w, r->path, MISSING), NULL, NULL);

			assert_int_equal(foreign.status, 404);
			assert_string_equal(
				text_at(foreign.json, "detail"), text_at(missing.json, "detail"));
			assert_string_equal(
				text_at(foreign.json, "code"), text_at(missing.json, "code"));
		}
}

static void filters_and_references_reach_nobody_else(void **state)
{
	struct world *w = *state;
	static const char *const lists[] = { "vms", "networks", "ip-blocks", "ip-addresses",
		"subscriptions", "users", "service-accounts", "operations", "sites" };

	for (size_t i = 0; i < UD_LEN(lists); i++) {
		struct reply r = expect(w, OWN_ADMIN, "GET",
			fmt(w, "/v1/%s?customer_id=%s&count=exact", lists[i], w->other), NULL, 200);

		assert_int_equal(number_at(r.json, "total"), 0);
	}
	struct reply r = callf(w, OWN_OPERATOR, "POST",
		fmt(w, "/v1/ip-blocks/%s/allocate-address", id_for(w, "ipb", OWN)),
		"{\"vm_id\":\"%s\"}", id_for(w, "vm", FOREIGN));

	expect_code(&r, 422, "validation_failed");
	r = callf(w, OWN_ADMIN, "POST", "/v1/users",
		"{\"email\":\"x@example.net\",\"display_name\":\"X\",\"role\":\"customer_viewer\","
		"\"customer_id\":\"%s\"}",
		w->other);
	assert_string_not_equal(text_at(r.json, "customer_id"), w->other);
	r = expect(w, OWN_ADMIN, "GET", "/v1/events?limit=200", NULL, 200);
	assert_null(strstr(r.body, CANARY));
	r = expect(w, OWN_ADMIN, "GET",
		fmt(w, "/v1/events?subject_id=%s", id_for(w, "vm", FOREIGN)), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
	r = expect(w, OWN_ADMIN, "GET", "/v1/search?q=" CANARY, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_keeps_tenants_apart),
		cmocka_unit_test(a_foreign_id_answers_as_a_missing_one),
		cmocka_unit_test(filters_and_references_reach_nobody_else),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
