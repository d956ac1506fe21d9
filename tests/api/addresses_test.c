/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks and addresses: parallel requests get different ones, nothing overlaps, what is released
 * rests.
 */
#include "support/harness.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static const char *site;

static int begin(void **state)
{
	struct world *w = world_begin();
	struct reply r = expect(w, LEAD, "POST", "/v1/sites",
		"{\"name\":\"London\",\"code\":\"lon\",\"kind\":\"provider_dc\",\"time_zone\":\"Europe/London\"}",
		201);

	site = text_at(r.json, "id");
	*state = w;
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

static const char *make_block(
	struct world *w, const char *prefix, const char *kind, const char *customer)
{
	struct reply r = callf(w, LEAD, "POST", "/v1/ip-blocks",
		"{\"prefix\":\"%s\",\"kind\":\"%s\",\"site_id\":\"%s\",\"customer_id\":%s}", prefix,
		kind, site, customer ? fmt(w, "\"%s\"", customer) : "null");

	if (r.status != 201)
		fail_msg("%s", r.body);
	return text_at(r.json, "id");
}

static size_t ignore(char *data, size_t size, size_t n, void *to)
{
	ud_buf_add(to, data, size * n);
	return size * n;
}

struct taker {
	pthread_t thread;
	const char *url, *token;
	long status;
	struct ud_buf body;
};

static void *take(void *data)
{
	struct taker *t = data;
	CURL *c = curl_easy_init();
	struct curl_slist *list = curl_slist_append(NULL, t->token);

	list = curl_slist_append(list, "Content-Type: application/json");
	curl_easy_setopt(c, CURLOPT_URL, t->url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, "{}");
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ignore);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &t->body);
	if (curl_easy_perform(c) == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &t->status);
	curl_slist_free_all(list);
	curl_easy_cleanup(c);
	return NULL;
}

static void sixty_four_parallel_requests_get_sixty_four_addresses(void **state)
{
	struct world *w = *state;
	const char *block = make_block(w, "203.0.113.0/25", "public", w->own);
	struct taker takers[64] = { 0 };
	bool seen[128] = { false };

	for (size_t i = 0; i < UD_LEN(takers); i++) {
		takers[i].url =
			fmt(w, "%s/v1/ip-blocks/%s/allocate-address", w->server->base_url, block);
		takers[i].token = fmt(w, "Authorization: Bearer %s", w->token[OWN_OPERATOR]);
	}
	for (size_t i = 0; i < UD_LEN(takers); i++)
		assert_int_equal(pthread_create(&takers[i].thread, NULL, take, &takers[i]), 0);
	for (size_t i = 0; i < UD_LEN(takers); i++)
		pthread_join(takers[i].thread, NULL);
	for (size_t i = 0; i < UD_LEN(takers); i++) {
		json_t *j = json_loads(ud_buf_text(&takers[i].body), 0, NULL);
		const char *address = text_at(j, "address");

		assert_int_equal(takers[i].status, 201);
		assert_memory_equal(address, "203.0.113.", 10);
		int last = atoi(address + 10);

		assert_in_range(last, 1, 126);
		assert_false(seen[last]);
		seen[last] = true;
		json_decref(j);
		ud_buf_free(&takers[i].body);
	}
}

static void a_block_gives_out_all_it_has_and_no_more(void **state)
{
	static const struct {
		const char *prefix, *first, *last;
		int count;
	} rows[] = {
		{ "198.51.100.0/29", "198.51.100.1", "198.51.100.6", 6 },
		{ "198.51.100.8/31", "198.51.100.8", "198.51.100.9", 2 },
		{ "198.51.100.10/32", "198.51.100.10", "198.51.100.10", 1 },
		{ "2001:db8::/126", "2001:db8::1", "2001:db8::3", 3 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		const char *path = fmt(w, "/v1/ip-blocks/%s/allocate-address",
			make_block(w, rows[i].prefix, "public", NULL));
		const char *last = "";

		for (int n = 0; n < rows[i].count; n++) {
			struct reply r = expect(w, LEAD, "POST", path, "{}", 201);

			last = text_at(r.json, "address");
			if (n == 0)
				assert_string_equal(last, rows[i].first);
		}
		assert_string_equal(last, rows[i].last);
		struct reply r = expect(w, LEAD, "POST", path, "{}", 409);

		assert_string_equal(text_at(r.json, "code"), "exhausted");
	}
}

static void a_released_address_rests_and_comes_back(void **state)
{
	struct world *w = *state;
	const char *path = fmt(w, "/v1/ip-blocks/%s/allocate-address",
		make_block(w, "192.0.2.0/30", "public", w->own));
	struct reply r = expect(w, OWN_OPERATOR, "POST", path, "{\"note\":\"one\"}", 201);
	const char *id = text_at(r.json, "id");

	assert_string_equal(header_of(w, &r, "Location"), fmt(w, "/v1/ip-addresses/%s", id));
	expect(w, OWN_OPERATOR, "POST", path, "{}", 201);
	expect(w, OWN_OPERATOR, "POST", path, "{}", 409);
	r = expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/ip-addresses/%s/release", id), "{}", 200);
	assert_string_equal(text_at(r.json, "state"), "quarantined");
	expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/ip-addresses/%s/release", id), "{}", 409);
	expect(w, OWN_OPERATOR, "POST", path, "{}", 409); /* it rests */
	w->clock_ms += INT64_C(7) * 86400000 + 1000;
	r = expect(w, OWN_OPERATOR, "POST", path, "{}", 201);
	w->clock_ms = 0;
	assert_string_equal(text_at(r.json, "address"), "192.0.2.1");
}

static void parts_of_a_block_do_not_overlap(void **state)
{
	struct world *w = *state;
	const char *block = make_block(w, "10.20.0.0/24", "private", NULL);
	const char *parts = fmt(w, "/v1/ip-blocks/%s/allocate-block", block);
	struct reply r = expect(w, LEAD, "POST", parts, "{\"prefix_length\":28}", 201);

	assert_string_equal(text_at(r.json, "prefix"), "10.20.0.0/28");
	const char *first = text_at(r.json, "id");

	r = expect(w, LEAD, "POST", parts, "{\"prefix_length\":26}", 201);
	assert_string_equal(text_at(r.json, "prefix"), "10.20.0.64/26");
	r = expect(w, LEAD, "POST", parts, "{\"prefix_length\":28}", 201);
	assert_string_equal(text_at(r.json, "prefix"), "10.20.0.16/28");
	r = expect(w, LEAD, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", block), "{}", 201);
	assert_string_equal(text_at(r.json, "address"), "10.20.0.32");
	r = expect(w, LEAD, "POST", parts, "{\"prefix_length\":27}", 201);
	assert_string_equal(text_at(r.json, "prefix"), "10.20.0.128/27");
	expect(w, LEAD, "POST", parts, "{\"prefix_length\":24}", 422);
	expect(w, LEAD, "POST", parts, "{\"prefix_length\":33}", 422);
	r = expect(w, LEAD, "GET", fmt(w, "/v1/ip-blocks/%s/map", block), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "cells")), 5);
	expect(w, LEAD, "DELETE", fmt(w, "/v1/ip-blocks/%s", block), NULL, 409);
	expect(w, LEAD, "DELETE", fmt(w, "/v1/ip-blocks/%s", first), NULL, 204);
	r = expect(w, LEAD, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", block), "{}", 201);
	assert_string_equal(text_at(r.json, "address"), "10.20.0.1");
}

static void blocks_of_one_realm_do_not_overlap(void **state)
{
	static const struct {
		const char *prefix, *kind;
		bool own;
		int status;
	} rows[] = {
		{ "100.64.0.0/16", "public", false, 201 },
		{ "100.64.0.0/16", "public", false, 409 },
		{ "100.64.1.0/24", "public", true, 409 },
		{ "100.0.0.0/8", "public", false, 409 },
		{ "10.99.0.0/16", "private", false, 201 },
		{ "10.99.0.0/16", "private", true, 201 }, /* a customer's own inside */
		{ "10.99.1.0/24", "private", true, 409 },
		{ "10.99.0.1/16", "private", true, 422 },
		{ "10.99.0.0/33", "private", true, 422 },
		{ "banana", "private", true, 422 },
		{ "::ffff:10.0.0.0/104", "private", true, 422 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = callf(w, LEAD, "POST", "/v1/ip-blocks",
			"{\"prefix\":\"%s\",\"kind\":\"%s\",\"site_id\":\"%s\",\"customer_id\":%s}",
			rows[i].prefix, rows[i].kind, site,
			rows[i].own ? fmt(w, "\"%s\"", w->own) : "null");

		if (r.status != rows[i].status)
			fail_msg("row %zu: %d %s", i, r.status, r.body);
	}
}

static void a_chosen_address_is_taken_once(void **state)
{
	struct world *w = *state;
	const char *block = make_block(w, "192.0.2.64/28", "public", w->own);
	const char *format = "{\"block_id\":\"%s\",\"address\":\"%s\"}";

	assert_int_equal(
		callf(w, OWN_OPERATOR, "POST", "/v1/ip-addresses", format, block, "192.0.2.70")
			.status,
		201);
	assert_int_equal(
		callf(w, OWN_OPERATOR, "POST", "/v1/ip-addresses", format, block, "192.0.2.70")
			.status,
		409);
	assert_int_equal(
		callf(w, OWN_OPERATOR, "POST", "/v1/ip-addresses", format, block, "192.0.2.64")
			.status,
		422);
	assert_int_equal(
		callf(w, OWN_OPERATOR, "POST", "/v1/ip-addresses", format, block, "192.0.2.99")
			.status,
		422);
	assert_int_equal(
		callf(w, OTHER_ADMIN, "POST", "/v1/ip-addresses", format, block, "192.0.2.71")
			.status,
		422);
	for (int i = 65; i < 70; i++)
		expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", block),
			"{}", 201);
	struct reply r = expect(w, OWN_OPERATOR, "POST",
		fmt(w, "/v1/ip-blocks/%s/allocate-address", block), "{}", 201);

	/* steps over the chosen one */
	assert_string_equal(text_at(r.json, "address"), "192.0.2.71");
}

static void a_block_is_split_and_its_parts_given_back(void **state)
{
	struct world *w = *state;
	const char *block = make_block(w, "10.77.0.0/28", "private", w->own);
	struct reply r = expect(w, LEAD, "POST", fmt(w, "/v1/ip-blocks/%s/split", block),
		"{\"prefix_length\":30}", 201);

	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 4);
	assert_string_equal(text_at(r.json, "data.3.prefix"), "10.77.0.12/30");
	const char *part = text_at(r.json, "data.1.id");

	expect(w, LEAD, "POST", fmt(w, "/v1/ip-blocks/%s/split", block), "{\"prefix_length\":30}",
		409);
	expect(w, LEAD, "POST", fmt(w, "/v1/ip-blocks/%s/split", block), "{\"prefix_length\":28}",
		422);
	r = expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", part), "{}",
		201);
	const char *id = text_at(r.json, "id");

	expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/ip-blocks/%s/release", part), "{}", 409);
	expect(w, LEAD, "POST", fmt(w, "/v1/ip-addresses/%s/quarantine", id), "{}", 200);
	r = expect(w, OWN_OPERATOR, "GET", fmt(w, "/v1/ip-addresses/%s/history", id), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.type"), "ip_address.quarantined");
	assert_string_equal(text_at(r.json, "data.1.type"), "ip_address.allocated");
	expect(w, LEAD, "DELETE", fmt(w, "/v1/ip-addresses/%s", id), NULL, 204);
	expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/ip-blocks/%s/release", part), "{}", 204);
	expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/ip-blocks/%s/release", block), "{}", 409);
	r = expect(w, LEAD, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-block", block),
		"{\"prefix_length\":30}", 201);
	assert_string_equal(text_at(r.json, "prefix"), "10.77.0.4/30");
}

static void a_customer_takes_from_its_own_blocks_only(void **state)
{
	struct world *w = *state;
	const char *own = make_block(w, "172.16.1.0/24", "private", w->own);
	const char *providers = make_block(w, "172.16.2.0/24", "private", NULL);

	expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", own), "{}",
		201);
	expect(w, OWN_VIEWER, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", own), "{}", 403);
	expect(w, OTHER_ADMIN, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", own), "{}", 404);
	expect(w, OWN_OPERATOR, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", providers),
		"{}", 404);
	struct reply r = callf(w, LEAD, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", own),
		"{\"customer_id\":\"%s\"}", w->other);

	expect_code(&r, 422, "validation_failed");
	r = callf(w, LEAD, "POST", fmt(w, "/v1/ip-blocks/%s/allocate-address", providers),
		"{\"customer_id\":\"%s\"}", w->other);
	assert_int_equal(r.status, 201);
	expect(w, OTHER_VIEWER, "GET", fmt(w, "/v1/ip-addresses/%s", text_at(r.json, "id")), NULL,
		200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sixty_four_parallel_requests_get_sixty_four_addresses),
		cmocka_unit_test(a_block_gives_out_all_it_has_and_no_more),
		cmocka_unit_test(a_released_address_rests_and_comes_back),
		cmocka_unit_test(parts_of_a_block_do_not_overlap),
		cmocka_unit_test(blocks_of_one_realm_do_not_overlap),
		cmocka_unit_test(a_chosen_address_is_taken_once),
		cmocka_unit_test(a_block_is_split_and_its_parts_given_back),
		cmocka_unit_test(a_customer_takes_from_its_own_blocks_only),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
