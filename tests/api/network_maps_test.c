/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the cards of a VM are plugged in at its other host: failover maps, on both databases.
 */
#include <string.h>

#include "db/network_maps.h"
#include "support/replicas.h"

static const char *network(struct scene *s, int site, const char *name, const char *purpose)
{
	return text_at(
		expect(s->w, LEAD, "POST", "/v1/networks",
			fmt(s->w,
				"{\"name\":\"%s\",\"site_id\":\"%s\",\"purpose\":\"%s\",\"isolated\":%s,"
				"\"switch_name\":\"br-%s\"}",
				name, s->sites[site], purpose,
				strcmp(purpose, "test") == 0 ? "true" : "false", name),
			201)
			.json,
		"id");
}

struct cards {
	struct scene *s;
	bool test;
	const char *plan_map;
	struct ud_json json;
	struct ud_texts unmapped;
};

static struct ud_network_way way_of(const struct cards *c)
{
	return (struct ud_network_way){ c->s->vm, c->s->agents[HOST_A].host_id,
		c->s->agents[HOST_B].host_id, c->test, c->plan_map };
}

static enum ud_code ask(struct ud_ctx *cx, void *data)
{
	struct cards *c = data;
	struct scene *s = c->s;

	const struct ud_network_way way = way_of(c);

	UD_TRY(ud_network_map_cards(cx, &way, &c->json, &c->unmapped));
	c->json.text = ud_strdup(s->w->arena, c->json.text);
	return UD_OK;
}

static void a_map_says_where_cards_are_plugged_in(void **state)
{
	struct scene *s = *state;
	const char *front = network(s, HOST_A, "front", "production");
	const char *there = network(s, HOST_B, "front-b", "production");
	const char *bubble = network(s, HOST_B, "bubble-b", "test");
	const char *path = fmt(s->w, "/v1/networks/%s/failover-map", front);
	const char *format =
		"{\"entries\":[{\"target_site_id\":\"%s\",\"real_network_id\":\"%s\",\"test_network_id\":\"%s\"}]}";
	const char *b = s->sites[HOST_B];
	struct cards c = { .s = s };

	expect(s->w, LEAD, "PUT", path, fmt(s->w, format, b, bubble, bubble), 422);
	expect(s->w, LEAD, "PUT", path, fmt(s->w, format, b, there, there), 422);
	expect(s->w, LEAD, "PUT", path, fmt(s->w, format, s->sites[HOST_C], there, bubble), 422);
	expect(s->w, LEAD, "PUT", path, fmt(s->w, "{\"entries\":[{\"target_site_id\":\"%s\"}]}", b),
		422);
	expect(s->w, OWN_ADMIN, "PUT", path, fmt(s->w, format, b, there, bubble), 403);
	struct reply r = expect(s->w, LEAD, "PUT", path, fmt(s->w, format, b, there, bubble), 200);

	assert_string_equal(text_at(r.json, "object"), "failover_map");
	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_string_equal(text_at(r.json, "entries.0.real_network_id"), there);
	assert_string_equal(text_at(r.json, "entries.0.test_network_id"), bubble);
	scene_vm(s);
	scene_machine(s, s->vm,
		"\"nics\":[{\"mac\":\"52:54:00:00:00:01\",\"source\":\"br-front\"},"
		"{\"mac\":\"52:54:00:00:00:02\",\"source\":\"br-back\"}]");
	world_write(s->w, ask, &c);
	assert_string_equal(
		c.json.text, "[{\"mac\":\"52:54:00:00:00:01\",\"network\":\"br-front-b\"}]");
	assert_int_equal(c.unmapped.count, 1);
	c.test = true;
	world_write(s->w, ask, &c);
	assert_string_equal(
		c.json.text, "[{\"mac\":\"52:54:00:00:00:01\",\"network\":\"br-bubble-b\"}]");
	expect(s->w, LEAD, "DELETE", fmt(s->w, "/v1/networks/%s", there), NULL, 409);
	expect(s->w, LEAD, "PUT", path, "{}", 200);
	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "entries")), 0);
}

static enum ud_code ask_addresses(struct ud_ctx *cx, void *data)
{
	struct cards *c = data;
	struct scene *s = c->s;

	const struct ud_network_way way = way_of(c);

	UD_TRY(ud_network_map_addresses(cx, &way, &c->json));
	c->json.text = ud_strdup(s->w->arena, c->json.text);
	return UD_OK;
}

static const char *addresses(struct scene *s, bool test)
{
	struct cards c = { .s = s, .test = test };

	world_write(s->w, ask_addresses, &c);
	return c.json.text;
}

static void keep(struct scene *s, const char *block, const char *address, const char *purpose,
	const char *mac, int status)
{
	expect(s->w, LEAD, "POST", "/v1/ip-addresses",
		fmt(s->w,
			"{\"block_id\":\"%s\",\"address\":\"%s\",\"purpose\":\"%s\",\"vm_id\":\"%s\","
			"\"mac\":%s,\"customer_id\":\"%s\"}",
			block, address, purpose, s->vm, mac, s->w->own),
		status);
}

static const char *block(
	struct scene *s, const char *prefix, const char *network_id, const char *more, int status)
{
	return text_at(expect(s->w, LEAD, "POST", "/v1/ip-blocks",
			       fmt(s->w,
				       "{\"prefix\":\"%s\",\"kind\":\"private\",\"site_id\":\"%s\","
				       "\"network_id\":\"%s\"%s}",
				       prefix, s->sites[HOST_B], network_id, more),
			       status)
			       .json,
		status == 201 ? "id" : "code");
}

/* What is kept for a VM becomes its cards' addresses: by the card that it names, and by none where
 * there is but one. */
static void a_card_gets_the_address_that_is_kept_for_it(void **state)
{
	struct scene *s = *state;
	const char *back = network(s, HOST_A, "mid", "production");
	const char *there = network(s, HOST_B, "mid-b", "production");
	const char *bubble = network(s, HOST_B, "mid-t", "test");
	const char *b = s->sites[HOST_B];

	expect(s->w, LEAD, "PUT", fmt(s->w, "/v1/networks/%s/failover-map", back),
		fmt(s->w,
			"{\"entries\":[{\"target_site_id\":\"%s\",\"real_network_id\":\"%s\",\"test_network_id\":\"%s\"}]}",
			b, there, bubble),
		200);
	scene_machine(s, s->vm, "\"nics\":[{\"mac\":\"52:54:00:00:00:0a\",\"source\":\"br-mid\"}]");
	block(s, "10.9.0.0/24", there, ",\"dns\":[\"ten\"]", 422);
	const char *real = block(s, "10.9.0.0/24", there,
		",\"gateway\":\"10.9.0.1\",\"dns\":[\"10.9.0.2\",\"10.9.0.3\"]", 201);
	const char *test = block(s, "10.8.0.0/24", bubble, "", 201);

	assert_string_equal(addresses(s, false), "[]");
	keep(s, real, "10.9.0.6", "production", "\"52:54\"", 422);
	keep(s, real, "10.9.0.6", "production", "null", 201);
	keep(s, test, "10.8.0.7", "test", "null", 201);
	assert_non_null(strstr(addresses(s, false), "\"addresses\":[\"10.9.0.6/24\"]"));
	/* kept for this, it goes before the usual one; and once only */
	keep(s, real, "10.9.0.7", "failover_reserved", "null", 201);
	keep(s, real, "10.9.0.7", "failover_reserved", "null", 409);
	assert_string_equal(addresses(s, false),
		"[{\"mac\":\"52:54:00:00:00:0a\",\"addresses\":[\"10.9.0.7/24\"],"
		"\"gateways\":[\"10.9.0.1\"],\"dns\":[\"10.9.0.2\",\"10.9.0.3\"]}]");
	assert_string_equal(addresses(s, true),
		"[{\"mac\":\"52:54:00:00:00:0a\",\"addresses\":[\"10.8.0.7/24\"],"
		"\"gateways\":[],\"dns\":[]}]");
	/* two cards in one network: which of them is meant must be said */
	scene_machine(s, s->vm,
		"\"nics\":[{\"mac\":\"52:54:00:00:00:0a\",\"source\":\"br-mid\"},"
		"{\"mac\":\"52:54:00:00:00:0b\",\"source\":\"br-mid\"}]");
	assert_string_equal(addresses(s, false), "[]");
	keep(s, real, "10.9.0.8", "failover_reserved", "\"52:54:00:00:00:0B\"", 201);
	assert_non_null(strstr(addresses(s, false), "\"52:54:00:00:00:0b\""));
	assert_non_null(strstr(addresses(s, false), "10.9.0.8/24"));
	assert_null(strstr(addresses(s, false), "10.9.0.7/24"));
}

/* What a plan says of a network and site goes before the network's own map; what it does not say is
 * as that one says; a network that is gone is as one that was not said. */
static void a_plan_goes_before_the_network(void **state)
{
	struct scene *s = *state;
	const char *here = network(s, HOST_A, "edge", "production");
	const char *usual = network(s, HOST_B, "edge-b", "production");
	const char *bubble = network(s, HOST_B, "edge-t", "test");
	const char *special = network(s, HOST_B, "edge-s", "production");
	const char *b = s->sites[HOST_B];
	struct cards c = { .s = s };

	expect(s->w, LEAD, "PUT", fmt(s->w, "/v1/networks/%s/failover-map", here),
		fmt(s->w,
			"{\"entries\":[{\"target_site_id\":\"%s\",\"real_network_id\":\"%s\",\"test_network_id\":\"%s\"}]}",
			b, usual, bubble),
		200);
	scene_machine(
		s, s->vm, "\"nics\":[{\"mac\":\"52:54:00:00:00:0c\",\"source\":\"br-edge\"}]");
	c.plan_map = fmt(s->w,
		"[{\"network_id\":\"%s\",\"target_site_id\":\"%s\",\"real_network_id\":\"%s\"}]",
		here, b, special);
	world_write(s->w, ask, &c);
	assert_non_null(strstr(c.json.text, "\"br-edge-s\""));
	c.test = true;
	world_write(s->w, ask, &c);
	assert_non_null(strstr(c.json.text, "\"br-edge-t\""));
	c.test = false;
	expect(s->w, LEAD, "DELETE", fmt(s->w, "/v1/networks/%s", special), NULL, 204);
	world_write(s->w, ask, &c);
	assert_non_null(strstr(c.json.text, "\"br-edge-b\""));
}

static bool warns(struct scene *s, const char *vm, const char *kind, const char *reason)
{
	const char *headers[] = { fmt(s->w, "Idempotency-Key: %s-%s", vm, kind), NULL };
	struct reply r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets?dry_run=true",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"%s\",\"reason_code\":\"%s\","
			"\"vm_ids\":[\"%s\"]}}",
			kind, reason, vm),
		headers);

	assert_non_null(strstr(r.body, "plan_hash"));
	return strstr(r.body, "network_unmapped") != NULL;
}

/* Before anybody approves it is said which card will have no network. */
static void a_card_without_a_network_is_told_before(void **state)
{
	struct scene *s = *state;
	const char *vm = scene_vm(s);

	scene_protect(s, vm);
	scene_machine(s, vm, "\"nics\":[{\"mac\":\"52:54:00:00:00:0d\"}]");
	assert_false(warns(s, vm, "test", "validate_replication"));
	scene_machine(s, vm, "\"nics\":[{\"mac\":\"52:54:00:00:00:0d\",\"source\":\"br-lone\"}]");
	assert_true(warns(s, vm, "test", "validate_replication"));
	assert_true(warns(s, vm, "planned", "host_maintenance"));
	const char *here = network(s, HOST_A, "lone", "production");
	const char *there = network(s, HOST_B, "lone-b", "production");

	expect(s->w, LEAD, "PUT", fmt(s->w, "/v1/networks/%s/failover-map", here),
		fmt(s->w, "{\"entries\":[{\"target_site_id\":\"%s\",\"real_network_id\":\"%s\"}]}",
			s->sites[HOST_B], there),
		200);
	assert_true(warns(s, vm, "test", "validate_replication"));
	assert_false(warns(s, vm, "planned", "host_maintenance"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_map_says_where_cards_are_plugged_in),
		cmocka_unit_test(a_card_gets_the_address_that_is_kept_for_it),
		cmocka_unit_test(a_plan_goes_before_the_network),
		cmocka_unit_test(a_card_without_a_network_is_told_before),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
