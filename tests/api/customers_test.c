/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The general handlers seen through customers: create, read, change, delete, preconditions,
 * replays, lists, tenants.
 */
#include "support/harness.h"

#include <string.h>

static int begin(void **state)
{
	*state = world_begin();
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

static const char *make(struct world *w, const char *number)
{
	struct reply r = callf(w, LEAD, "POST", "/v1/customers",
		"{\"name\":\"Acme\",\"account_number\":\"%s\",\"time_zone\":\"Europe/London\"}",
		number);

	assert_int_equal(r.status, 201);
	return text_at(r.json, "id");
}

static void a_customer_is_created_read_changed_and_deleted(void **state)
{
	struct world *w = *state;
	const char *id = make(w, "C-1"), *path = fmt(w, "/v1/customers/%s", id);
	struct reply r = expect(w, LEAD, "GET", path, NULL, 200);

	assert_string_equal(text_at(r.json, "object"), "customer");
	assert_string_equal(text_at(r.json, "customer_id"), id);
	assert_string_equal(text_at(r.json, "state"), "active");
	assert_string_equal(header_of(w, &r, "ETag"), "\"v1\"");
	r = expect(w, LEAD, "PATCH", path, "{\"name\":\"Acme Ltd\",\"labels\":{\"tier\":\"gold\"}}",
		200);
	assert_int_equal(number_at(r.json, "version"), 2);
	assert_string_equal(text_at(r.json, "labels.tier"), "gold");
	expect(w, LEAD, "DELETE", path, NULL, 204);
	r = expect(w, LEAD, "GET", path, NULL, 404);
	assert_string_equal(text_at(r.json, "code"), "not_found");
	make(w, "C-1"); /* the number is free again */
}

static void bad_input_is_answered_by_field(void **state)
{
	static const struct {
		const char *body;
		int status;
		const char *code, *pointer;
	} rows[] = {
		{ "{", 400, "malformed", "" },
		{ "[]", 400, "malformed", "" },
		{ "{\"name\":\"a\",\"name\":\"b\"}", 400, "malformed", "" },
		{ "{\"name\":1.5}", 400, "malformed", "" },
		{ "{\"nam\":\"x\"}", 400, "unknown_field", "/nam" },
		{ "{\"name\":1,\"account_number\":\"x\",\"time_zone\":\"UTC\"}", 422,
			"validation_failed", "/name" },
		{ "{\"name\":\"x\",\"time_zone\":\"UTC\"}", 422, "validation_failed",
			"/account_number" },
		{ "{\"name\":\"\",\"account_number\":\"x\",\"time_zone\":\"UTC\"}", 422,
			"validation_failed", "/name" },
		{ "{\"name\":\"x\",\"account_number\":\"x\",\"time_zone\":\"Mars/Base\"}", 422,
			"validation_failed", "/time_zone" },
		{ "{\"name\":\"x\",\"account_number\":\"x\",\"time_zone\":\"UTC\",\"state\":\"closed\"}",
			422, "validation_failed", "/state" },
		{ "{\"name\":\"x\",\"account_number\":\"x\",\"time_zone\":\"UTC\",\"labels\":{\"A\":\"x\"}}",
			422, "validation_failed", "/labels/A" },
		{ "{\"name\":\"x\",\"account_number\":\"x\",\"time_zone\":\"UTC\",\"labels\":[]}",
			422, "validation_failed", "/labels" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = call(w, LEAD, "POST", "/v1/customers", rows[i].body, NULL);

		expect_code(&r, rows[i].status, rows[i].code);
		assert_string_equal(text_at(r.json, "errors.0.pointer"), rows[i].pointer);
		assert_string_equal(header_of(w, &r, "Content-Type"), "application/problem+json");
	}
}

static void a_change_needs_the_version_that_was_read(void **state)
{
	struct world *w = *state;
	const char *path = fmt(w, "/v1/customers/%s", make(w, "C-2"));
	const char *stale[] = { "If-Match: \"v7\"", NULL }, *fresh[] = { "If-Match: \"v1\"", NULL };
	struct reply r = call(w, LEAD, "PATCH", path, "{\"name\":\"x\"}", NULL);

	expect_code(&r, 428, "precondition_required");
	r = call(w, LEAD, "PATCH", path, "{\"name\":\"x\"}", stale);
	expect_code(&r, 412, "stale_version");
	assert_int_equal(call(w, LEAD, "PATCH", path, "{\"name\":\"x\"}", fresh).status, 200);
	r = call(w, LEAD, "PATCH", path, "{\"name\":\"y\"}", fresh);
	expect_code(&r, 412, "stale_version");
	r = call(w, LEAD, "DELETE", path, NULL, fresh);
	expect_code(&r, 412, "stale_version");
}

static void an_unchanged_object_is_not_sent_again(void **state)
{
	struct world *w = *state;
	const char *path = fmt(w, "/v1/customers/%s", make(w, "C-3"));
	const char *same[] = { "If-None-Match: \"v1\"", NULL },
		   *old[] = { "If-None-Match: \"v0\"", NULL };
	struct reply r = call(w, LEAD, "GET", path, NULL, same);

	assert_int_equal(r.status, 304);
	assert_int_equal(r.size, 0);
	assert_int_equal(call(w, LEAD, "GET", path, NULL, old).status, 200);
}

static void a_repeated_key_gives_the_first_answer(void **state)
{
	struct world *w = *state;
	const char *key[] = { "Idempotency-Key: k-1", NULL };
	const char *body = "{\"name\":\"Once\",\"account_number\":\"C-4\",\"time_zone\":\"UTC\"}";
	struct reply first = call(w, LEAD, "POST", "/v1/customers", body, key);
	struct reply again = call(w, LEAD, "POST", "/v1/customers", body, key);

	assert_int_equal(first.status, 201);
	assert_int_equal(again.status, 201);
	assert_string_equal(first.body, again.body);
	assert_null(header_of(w, &first, "Idempotency-Replayed"));
	assert_string_equal(header_of(w, &again, "Idempotency-Replayed"), "true");
	assert_string_equal(header_of(w, &first, "Location"), header_of(w, &again, "Location"));
	struct reply r = call(w, LEAD, "POST", "/v1/customers",
		"{\"name\":\"Other\",\"account_number\":\"C-5\",\"time_zone\":\"UTC\"}", key);

	expect_code(&r, 409, "idempotency_key_in_use");
	/* another principal's keys are its own */
	r = call(w, OPERATOR, "POST", "/v1/customers",
		"{\"name\":\"Other\",\"account_number\":\"C-5\",\"time_zone\":\"UTC\"}", key);
	assert_int_equal(r.status, 201);
}

static void who_wants_no_object_back_gets_none(void **state)
{
	struct world *w = *state;
	const char *body = "{\"name\":\"Brief\",\"account_number\":\"C-21\",\"time_zone\":\"UTC\"}",
		   *change = "{\"name\":\"Briefer\"}", *wish = "Prefer: wait=1, Return=\"minimal\"";
	const char *brief[] = { wish, "Idempotency-Key: k-brief", NULL },
		   *whole[] = { "Prefer: return=representation", "Idempotency-Key: k-brief", NULL },
		   *patch[] = { "Prefer: x=\"a, return=y\"", wish, "If-Match: *", NULL };
	struct reply r = call(w, LEAD, "POST", "/v1/customers", body, brief);
	const char *path = header_of(w, &r, "Location");

	assert_int_equal(r.status, 201);
	assert_int_equal(r.size, 0);
	assert_null(header_of(w, &r, "Content-Type"));
	assert_string_equal(header_of(w, &r, "ETag"), "\"v1\"");
	assert_string_equal(header_of(w, &r, "Preference-Applied"), "return=minimal");
	assert_string_equal(text_at(expect(w, LEAD, "GET", path, NULL, 200).json, "name"), "Brief");
	/* the same call again may want more */
	r = call(w, LEAD, "POST", "/v1/customers", body, whole);
	assert_string_equal(text_at(r.json, "name"), "Brief");
	assert_null(header_of(w, &r, "Preference-Applied"));
	r = call(w, LEAD, "PATCH", path, change, patch);
	assert_int_equal(r.status, 204);
	assert_int_equal(r.size, 0);
	assert_string_equal(header_of(w, &r, "ETag"), "\"v2\"");
	assert_string_equal(header_of(w, &r, "Preference-Applied"), "return=minimal");
	/* problems, dry runs and secrets are told whatever is wished */
	r = call(w, LEAD, "PATCH", path, "{\"name\":1}", patch);
	expect_code(&r, 422, "validation_failed");
	r = call(w, LEAD, "PATCH", fmt(w, "%s?dry_run=true", path), change, patch);
	assert_int_equal(r.status, 200);
	assert_true(json_is_true(json_object_get(r.json, "dry_run")));
	r = call(w, LEAD, "POST", "/v1/me/tokens", "{\"name\":\"t\",\"scopes\":[\"*\"]}",
		(const char *[]){ wish, NULL });
	assert_int_equal(r.status, 201);
	assert_int_equal(strncmp(text_at(r.json, "token"), "usp_", 4), 0);
}

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN "00f067aa0ba902b7"

static void a_trace_names_what_it_did(void **state)
{
	static const struct {
		const char *parent, *id; /* NULL = one of ours */
	} rows[] = {
		{ "00-" TRACE "-" SPAN "-01", TRACE "-" SPAN },
		{ "cc-" TRACE "-" SPAN "-00-what-comes-later", TRACE "-" SPAN },
		{ "00-" TRACE "-" SPAN "-01-more", NULL },
		{ "cc-" TRACE "-" SPAN "-01.more", NULL },
		{ "ff-" TRACE "-" SPAN "-01", NULL },
		{ "00-" TRACE "-" SPAN "-0", NULL },
		{ "00-" TRACE "-" SPAN "-0x", NULL },
		{ "00-" TRACE "_" SPAN "-01", NULL },
		{ "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01", NULL },
		{ "00-00000000000000000000000000000000-" SPAN "-01", NULL },
		{ "00-" TRACE "-0000000000000000-01", NULL },
		{ "00-" TRACE "-01", NULL },
		{ "0", NULL },
	};
	struct world *w = *state;
	const char *path = fmt(w, "/v1/customers/%s", make(w, "C-22"));

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		const char *headers[] = { fmt(w, "traceparent: %s", rows[i].parent), "If-Match: *",
			NULL };
		struct reply r = call(
			w, LEAD, "PATCH", path, fmt(w, "{\"name\":\"Traced %zu\"}", i), headers);
		const char *id = header_of(w, &r, "X-Request-Id");

		assert_int_equal(r.status, 200);
		assert_null(header_of(w, &r, "traceparent"));
		if (rows[i].id)
			assert_string_equal(id, rows[i].id);
		else
			assert_int_equal(strncmp(id, "req_", 4), 0);
		const char *said = fmt(w, "%s", id);

		r = expect(w, LEAD, "GET", "/v1/audit-records?limit=1", NULL, 200);
		assert_string_equal(text_at(r.json, "data.0.request_id"), said);
	}
	const char *both[] = { "X-Request-Id: mine", fmt(w, "traceparent: %s", rows[0].parent),
		NULL };
	struct reply r = call(w, LEAD, "GET", path, NULL, both);

	assert_string_equal(header_of(w, &r, "X-Request-Id"), "mine");
}

static void a_dry_run_checks_and_changes_nothing(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, LEAD, "POST", "/v1/customers?dry_run=true",
		"{\"name\":\"Dry\",\"account_number\":\"C-6\",\"time_zone\":\"UTC\"}", 200);

	assert_true(json_is_true(json_object_get(r.json, "dry_run")));
	r = expect(w, LEAD, "GET", "/v1/customers?account_number=C-6", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
	make(w, "C-6");
	r = expect(w, LEAD, "POST", "/v1/customers?dry_run=true",
		"{\"name\":\"Dry\",\"account_number\":\"C-6\",\"time_zone\":\"UTC\"}", 409);
	assert_string_equal(text_at(r.json, "errors.0.pointer"), "/account_number");
}

static void pages_hold_every_row_once_while_others_write(void **state)
{
	struct world *w = *state;
	const char *path = "/v1/customers?limit=3&sort=-created_at&q=Paged";
	int seen = 0;

	for (int i = 0; i < 10; i++)
		callf(w, LEAD, "POST", "/v1/customers",
			"{\"name\":\"Paged %d\",\"account_number\":\"P-%d\",\"time_zone\":\"UTC\"}",
			i, i);
	for (;;) {
		struct reply r = expect(w, LEAD, "GET", path, NULL, 200);

		seen += (int)json_array_size(json_object_get(r.json, "data"));
		callf(w, LEAD, "POST", "/v1/customers",
			"{\"name\":\"Paged late\",\"account_number\":\"L-%d\",\"time_zone\":\"UTC\"}",
			seen);
		if (!json_is_true(json_object_get(r.json, "has_more")))
			break;
		assert_non_null(header_of(w, &r, "Link"));
		path = fmt(w, "/v1/customers?limit=3&sort=-created_at&q=Paged&cursor=%s",
			text_at(r.json, "next_cursor"));
	}
	assert_int_equal(seen, 10);
}

static void wrong_list_parameters_are_named(void **state)
{
	static const struct {
		const char *query;
		int status;
		const char *code;
	} rows[] = {
		{ "limit=0", 400, "parameter_invalid" },
		{ "limit=201", 400, "parameter_invalid" },
		{ "limit=x", 400, "parameter_invalid" },
		{ "sort=labels", 400, "parameter_invalid" },
		{ "colour=red", 400, "unknown_parameter" },
		{ "state=purple", 400, "parameter_invalid" },
		{ "fields=nope", 400, "parameter_invalid" },
		{ "cursor=xyz", 400, "cursor_invalid" },
		{ "count=about", 400, "parameter_invalid" },
		{ "limit=1&limit=2", 400, "malformed" },
		{ "created_at[gte]=yesterday", 400, "parameter_invalid" },
		{ "created_at[gte]=2026-01-01T00:00:00Z,2026-01-02T00:00:00Z", 400,
			"parameter_invalid" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r =
			call(w, LEAD, "GET", fmt(w, "/v1/customers?%s", rows[i].query), NULL, NULL);

		expect_code(&r, rows[i].status, rows[i].code);
	}
	struct reply r = expect(w, LEAD, "GET", "/v1/customers?limit=1", NULL, 200);

	r = call(w, LEAD, "GET",
		fmt(w, "/v1/customers?limit=1&sort=name&cursor=%s", text_at(r.json, "next_cursor")),
		NULL, NULL);
	expect_code(&r, 400, "cursor_mismatch");
	r = expect(w, LEAD, "GET", "/v1/customers?limit=1", NULL, 200);
	w->clock_ms += INT64_C(25) * 3600 * 1000;
	r = call(w, LEAD, "GET",
		fmt(w, "/v1/customers?limit=1&cursor=%s", text_at(r.json, "next_cursor")), NULL,
		NULL);
	w->clock_ms = 0;
	expect_code(&r, 410, "cursor_expired");
}

static void lists_filter_by_field_label_and_instant(void **state)
{
	struct world *w = *state;

	expect(w, LEAD, "POST", "/v1/customers",
		"{\"name\":\"F1\",\"account_number\":\"F-1\",\"time_zone\":\"UTC\",\"labels\":{\"zone\":\"a_b\"}}",
		201);
	expect(w, LEAD, "POST", "/v1/customers",
		"{\"name\":\"F2\",\"account_number\":\"F-2\",\"time_zone\":\"UTC\",\"labels\":{\"zone\":\"aXb\"}}",
		201);
	static const struct {
		const char *query;
		int64_t total;
	} rows[] = {
		{ "account_number=F-1,F-2", 2 },
		{ "label[zone]=a_b", 1 },
		{ "label[zone]=none", 0 },
		{ "account_number=F-1&state=suspended", 0 },
		{ "account_number=F-1,F-2&account_number[ne]=F-1", 1 },
		{ "created_at[lt]=2020-01-01T00:00:00Z", 0 },
		{ "account_number=F-1,F-2&created_at[gte]=2020-01-01T00:00:00Z", 2 },
		{ "q=f-2", 1 },
		{ "q=%25", 0 },
	};

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = expect(w, LEAD, "GET",
			fmt(w, "/v1/customers?count=exact&%s", rows[i].query), NULL, 200);

		if (number_at(r.json, "total") != rows[i].total)
			fail_msg("%s: %s", rows[i].query, r.body);
	}
	struct reply r =
		expect(w, LEAD, "GET", "/v1/customers?fields=name&account_number=F-1", NULL, 200);

	assert_string_equal(text_at(r.json, "data.0.name"), "F1");
	assert_null(json_object_get(json_array_get(json_object_get(r.json, "data"), 0), "state"));
}

/* What belongs to nobody is found, too: machines that no customer has yet. */
static void null_finds_what_has_none(void **state)
{
	struct world *w = *state;
	static const struct {
		const char *query, *names;
	} rows[] = {
		{ "customer_id=null", "nul-free" },
		{ "customer_id[ne]=null", "nul-given" },
		{ "host_id=null", "nul-free nul-given" },
		{ "host_id[ne]=null", "" },
	};

	expect(w, LEAD, "POST", "/v1/vms", "{\"name\":\"nul-free\"}", 201);
	expect(w, LEAD, "POST", "/v1/vms",
		fmt(w, "{\"name\":\"nul-given\",\"customer_id\":\"%s\"}", w->own), 201);
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = expect(w, LEAD, "GET",
			fmt(w, "/v1/vms?sort=name&q=nul-&%s", rows[i].query), NULL, 200);
		const char *names = "";

		for (size_t k = 0; k < json_array_size(json_object_get(r.json, "data")); k++)
			names = fmt(w, "%s%s%s", names, *names ? " " : "",
				text_at(r.json, fmt(w, "data.%zu.name", k)));
		if (strcmp(names, rows[i].names) != 0)
			fail_msg("%s: %s", rows[i].query, r.body);
	}
	/* a bound is a value */
	struct reply r = call(w, LEAD, "GET", "/v1/vms?created_at[gte]=null", NULL, NULL);

	expect_code(&r, 400, "parameter_invalid");
}

static void a_customer_sees_itself_and_nobody_else(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OWN_VIEWER, "GET", "/v1/customers", NULL, 200);

	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	assert_string_equal(text_at(r.json, "data.0.id"), w->own);
	expect(w, OWN_ADMIN, "GET", fmt(w, "/v1/customers/%s", w->other), NULL, 404);
	r = expect(
		w, OWN_ADMIN, "PATCH", fmt(w, "/v1/customers/%s", w->own), "{\"name\":\"x\"}", 403);
	assert_string_equal(text_at(r.json, "code"), "role_missing");
	expect(w, NOBODY, "GET", "/v1/customers", NULL, 401);
	expect(w, AUDITOR, "POST", "/v1/customers", "{}", 403);
}

static void states_move_by_verbs(void **state)
{
	struct world *w = *state;
	const char *id = make(w, "C-7");
	struct reply r = expect(w, LEAD, "POST", fmt(w, "/v1/customers/%s/suspend", id), NULL, 200);

	assert_string_equal(text_at(r.json, "state"), "suspended");
	r = expect(w, LEAD, "POST", fmt(w, "/v1/customers/%s/suspend", id), NULL, 409);
	assert_string_equal(text_at(r.json, "code"), "invalid_state");
	expect(w, LEAD, "POST", fmt(w, "/v1/customers/%s/resume", id), "{}", 200);
}

static void addresses_and_methods_that_do_not_exist_are_problems(void **state)
{
	struct world *w = *state;
	struct reply r = call(w, LEAD, "GET", "/v1/nothing", NULL, NULL);

	expect_code(&r, 404, "not_found");
	r = call(w, LEAD, "PUT", "/v1/customers", "{}", NULL);
	expect_code(&r, 405, "method_not_allowed");
	assert_non_null(strstr(header_of(w, &r, "Allow"), "GET"));
	r = call(w, LEAD, "GET", "/problems/not_found", NULL, NULL);
	assert_int_equal(r.status, 200);
	r = call(w, NOBODY, "GET", "/metrics", NULL, NULL);
	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.body, "understudy_http_requests_total"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_customer_is_created_read_changed_and_deleted),
		cmocka_unit_test(bad_input_is_answered_by_field),
		cmocka_unit_test(a_change_needs_the_version_that_was_read),
		cmocka_unit_test(an_unchanged_object_is_not_sent_again),
		cmocka_unit_test(a_repeated_key_gives_the_first_answer),
		cmocka_unit_test(who_wants_no_object_back_gets_none),
		cmocka_unit_test(a_trace_names_what_it_did),
		cmocka_unit_test(a_dry_run_checks_and_changes_nothing),
		cmocka_unit_test(pages_hold_every_row_once_while_others_write),
		cmocka_unit_test(wrong_list_parameters_are_named),
		cmocka_unit_test(lists_filter_by_field_label_and_instant),
		cmocka_unit_test(null_finds_what_has_none),
		cmocka_unit_test(a_customer_sees_itself_and_nobody_else),
		cmocka_unit_test(states_move_by_verbs),
		cmocka_unit_test(addresses_and_methods_that_do_not_exist_are_problems),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
