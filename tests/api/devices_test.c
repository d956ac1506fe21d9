/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that are let in by a person: codes, approval, fetching, and what must not work.
 */
#include <ctype.h>
#include <string.h>

#include "db/devices.h"
#include "support/harness.h"

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

static enum ud_code forget(struct ud_ctx *cx, void *data)
{
	(void)data;
	UD_TRY(ud_exec(cx, NULL, "DELETE FROM device_requests", UD_NO_VALS));
	return ud_exec(cx, NULL, "DELETE FROM sign_in_failures", UD_NO_VALS);
}

static int fresh(void **state)
{
	struct world *w = *state;

	w->clock_ms = 0;
	world_write(w, forget, NULL);
	return 0;
}

struct asked {
	const char *secret, *code;
};

static struct asked ask(struct world *w)
{
	struct reply r = expect(w, NOBODY, "POST", "/v1/oauth/device",
		"{\"client_name\":\"understudy on build-7\"}", 201);

	assert_int_equal(number_at(r.json, "expires_in"), 600);
	assert_int_equal(number_at(r.json, "interval"), 5);
	assert_non_null(strstr(text_at(r.json, "verification_uri"), "/app/device"));
	return (struct asked){ fmt(w, "%s", text_at(r.json, "device_code")),
		fmt(w, "%s", text_at(r.json, "user_code")) };
}

static struct reply fetch(struct world *w, const char *secret)
{
	return callf(w, NOBODY, "POST", "/v1/oauth/token",
		"{\"grant_type\":\"urn:ietf:params:oauth:grant-type:device_code\",\"device_code\":\"%s\"}",
		secret);
}

static struct reply approve(struct world *w, enum who who, const char *code, const char *body)
{
	return call(w, who, "POST", fmt(w, "/v1/oauth/device/%s/approve", code), body, NULL);
}

static struct reply with_token(struct world *w, const char *token, const char *path)
{
	const char *headers[] = { fmt(w, "Authorization: Bearer %s", token), NULL };

	return call(w, NOBODY, "GET", path, NULL, headers);
}

static void a_program_is_let_in_as_whoever_approved(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);
	struct reply r = fetch(w, a.secret);

	expect_code(&r, 400, "authorization_pending");
	assert_string_equal(header_of(w, &r, "Retry-After"), "5");
	r = expect(w, OWN_ADMIN, "GET", fmt(w, "/v1/oauth/device/%s", a.code), NULL, 200);
	assert_string_equal(text_at(r.json, "client_name"), "understudy on build-7");
	r = approve(w, OWN_ADMIN, a.code, "{}");
	assert_int_equal(r.status, 200);
	w->clock_ms += 5000;
	r = fetch(w, a.secret);
	assert_int_equal(r.status, 200);
	assert_string_equal(text_at(r.json, "token_type"), "Bearer");
	assert_string_equal(text_at(r.json, "scope"), "*");
	const char *token = fmt(w, "%s", text_at(r.json, "access_token")),
		   *id = fmt(w, "%s", text_at(r.json, "token_id"));

	r = with_token(w, token, "/v1/me");
	assert_int_equal(r.status, 200);
	assert_string_equal(text_at(r.json, "id"), w->principal[OWN_ADMIN]);
	/* it is that person's, to be seen and revoked */
	r = expect(w, OWN_ADMIN, "GET", "/v1/me/tokens", NULL, 200);
	assert_non_null(strstr(r.body, id));
	r = fetch(w, a.secret);
	expect_code(&r, 410, "expired");
	expect(w, OWN_ADMIN, "DELETE", fmt(w, "/v1/me/tokens/%s", id), NULL, 204);
	assert_int_equal(with_token(w, token, "/v1/me").status, 401);
}

static void the_record_tells_both_and_the_other_customer_hears_nothing(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);
	struct reply r = approve(w, OTHER_ADMIN, a.code, "{}");

	assert_int_equal(r.status, 200);
	assert_int_equal(fetch(w, a.secret).status, 200);
	r = expect(w, OTHER_ADMIN, "GET", "/v1/events?types=device_request.*", NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.type"), "device_request.approved");
	assert_string_equal(text_at(r.json, "data.0.actor.id"), w->principal[OTHER_ADMIN]);
	assert_string_equal(text_at(r.json, "data.0.data.client_name"), "understudy on build-7");
	r = expect(w, OWN_VIEWER, "GET", "/v1/events?types=device_request.*", NULL, 200);
	assert_null(strstr(r.body, w->principal[OTHER_ADMIN]));
	r = expect(w, OTHER_ADMIN, "GET", "/v1/events?types=token.created", NULL, 200);
	assert_non_null(strstr(r.body, "understudy on build-7"));
	assert_null(strstr(r.body, "usp_"));
}

static void codes_are_taken_as_people_type_them(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);
	char typed[16], *p = typed;

	assert_int_equal(strlen(a.code), 9);
	assert_int_equal(a.code[4], '-');
	for (const char *c = a.code; *c; c++)
		if (*c != '-')
			*p++ = (char)tolower((unsigned char)*c);
	*p = 0;
	assert_int_equal(approve(w, OWN_VIEWER, typed, "{}").status, 200);
}

static void a_refusal_is_told_once(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);

	expect(w, OWN_ADMIN, "POST", fmt(w, "/v1/oauth/device/%s/deny", a.code), "{}", 200);
	struct reply r = approve(w, OWN_ADMIN, a.code, "{}");

	expect_code(&r, 404, "not_found");
	r = fetch(w, a.secret);
	expect_code(&r, 403, "access_denied");
	r = fetch(w, a.secret);
	expect_code(&r, 410, "expired");
}

static void a_code_ends_after_ten_minutes(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w), b = ask(w);

	assert_int_equal(approve(w, OWN_ADMIN, b.code, "{}").status, 200);
	w->clock_ms += 601000;
	struct reply r = approve(w, OWN_ADMIN, a.code, "{}");

	expect_code(&r, 404, "not_found");
	r = fetch(w, a.secret);
	expect_code(&r, 410, "expired");
	r = fetch(w, b.secret); /* approved, and not fetched in time */
	expect_code(&r, 410, "expired");
	r = fetch(w, "udev_nothing");
	expect_code(&r, 410, "expired");
}

static void asking_too_often_makes_the_interval_longer(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);
	struct reply r = fetch(w, a.secret);

	expect_code(&r, 400, "authorization_pending");
	r = fetch(w, a.secret);
	expect_code(&r, 429, "slow_down");
	assert_string_equal(header_of(w, &r, "Retry-After"), "10");
	w->clock_ms += 6000;
	r = fetch(w, a.secret);
	expect_code(&r, 429, "slow_down");
	w->clock_ms += 16000;
	r = fetch(w, a.secret);
	expect_code(&r, 400, "authorization_pending");
}

static void one_address_keeps_ten_waiting(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 10; i++)
		ask(w);
	struct reply r =
		call(w, NOBODY, "POST", "/v1/oauth/device", "{\"client_name\":\"one more\"}", NULL);

	expect_code(&r, 429, "throttled");
	w->clock_ms += 601000;
	ask(w);
}

static void who_tries_codes_must_wait(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);
	struct reply r;

	for (int i = 0; i < 5; i++) {
		r = approve(w, OWN_ADMIN, "BBBB-BBBB", "{}");
		expect_code(&r, 404, "not_found");
	}
	r = approve(w, OWN_ADMIN, a.code, "{}");
	expect_code(&r, 429, "throttled");
	r = call(w, OWN_ADMIN, "GET", fmt(w, "/v1/oauth/device/%s", a.code), NULL, NULL);
	expect_code(&r, 429, "throttled");
	/* nobody else waits for that */
	assert_int_equal(approve(w, OWN_APPROVER, a.code, "{}").status, 200);
}

/* Looking is trying, too; so is a dry run; and codes of one's own buy no more tries. */
static void codes_are_tried_in_no_other_way(void **state)
{
	struct world *w = *state;
	static const char *const tries[] = { "GET /v1/oauth/device/BBBB-BBBB",
		"POST /v1/oauth/device/BBBB-BBBB/approve?dry_run=true",
		"POST /v1/oauth/device/BBBB-BBBB/deny?dry_run=true" };
	struct asked a = ask(w), own = ask(w);
	struct reply r;

	for (int i = 0; i < 4; i++) {
		const char *path = strchr(tries[i % 3], '/');
		bool reads = i % 3 == 0;

		r = call(w, OWN_ADMIN, reads ? "GET" : "POST", path, reads ? NULL : "{}", NULL);
		expect_code(&r, 404, "not_found");
	}
	assert_int_equal(approve(w, OWN_ADMIN, own.code, "{}").status, 200);
	r = approve(w, OWN_ADMIN, "BBBB-BBBB", "{}");
	expect_code(&r, 404, "not_found");
	r = approve(w, OWN_ADMIN, a.code, "{}");
	expect_code(&r, 429, "throttled");
}

/* From addresses without number. */
static enum ud_code crowd(struct ud_ctx *cx, void *data)
{
	(void)data;
	for (int i = 0; i < 2000; i++) {
		const char *n = ud_printf(cx->arena, "n%d", i);
		struct ud_device_request row = { .id = n,
			.client_name = "crowd",
			.address = n,
			.created_at = cx->now_ms,
			.expires_at = cx->now_ms + 600000,
			.interval_seconds = 5,
			.polled_at = UD_NONE };

		UD_TRY(ud_device_add(cx, &row, n, n));
	}
	return UD_OK;
}

static void all_together_keep_two_thousand_waiting(void **state)
{
	struct world *w = *state;

	world_write(w, crowd, NULL);
	struct reply r =
		call(w, NOBODY, "POST", "/v1/oauth/device", "{\"client_name\":\"one more\"}", NULL);

	expect_code(&r, 429, "throttled");
	w->clock_ms += 601000;
	ask(w);
}

static enum ud_code deactivate(struct ud_ctx *cx, void *data)
{
	return ud_exec(cx, NULL, "UPDATE users SET state = 'deactivated' WHERE id = $1",
		UD_VALS(ud_t(data)));
}

static enum ud_code activate(struct ud_ctx *cx, void *data)
{
	return ud_exec(
		cx, NULL, "UPDATE users SET state = 'active' WHERE id = $1", UD_VALS(ud_t(data)));
}

static void whoever_left_lets_nobody_in(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);

	assert_int_equal(approve(w, OWN_OPERATOR, a.code, "{}").status, 200);
	world_write(w, deactivate, (void *)w->principal[OWN_OPERATOR]);
	struct reply r = fetch(w, a.secret);

	world_write(w, activate, (void *)w->principal[OWN_OPERATOR]);
	expect_code(&r, 403, "access_denied");
}

static void nobody_gives_more_than_they_have(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);
	struct reply r = approve(w, NOBODY, a.code, "{}");

	expect_code(&r, 401, "unauthenticated");
	r = approve(w, READ_ONLY_TOKEN, a.code, "{}");
	assert_int_equal(r.status, 403);
	/* a token that may approve, but not everything */
	r = expect(w, OWN_ADMIN, "POST", "/v1/me/tokens",
		"{\"name\":\"narrow\",\"scopes\":[\"me:write\",\"vms:read\"]}", 201);
	const char *narrow[] = { fmt(w, "Authorization: Bearer %s", text_at(r.json, "token")),
		NULL };
	const char *path = fmt(w, "/v1/oauth/device/%s/approve", a.code);

	r = call(w, NOBODY, "POST", path, "{}", narrow);
	expect_code(&r, 403, "scope_missing");
	r = call(w, NOBODY, "POST", path, "{\"scopes\":[\"vms:read\"]}", narrow);
	assert_int_equal(r.status, 200);
	r = fetch(w, a.secret);
	assert_string_equal(text_at(r.json, "scope"), "vms:read");
	const char *token = fmt(w, "%s", text_at(r.json, "access_token"));

	assert_int_equal(with_token(w, token, "/v1/vms").status, 200);
	assert_int_equal(with_token(w, token, "/v1/customers").status, 403);
}

static void a_session_must_have_proved_itself_just_now(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);

	expect(w, OPERATOR, "POST", "/v1/users",
		"{\"email\":\"dev@example.net\",\"display_name\":\"D\",\"role\":\"customer_viewer\","
		"\"customer_id\":null,\"password\":\"quite a Long passphrase\"}",
		422);
	callf(w, OPERATOR, "POST", "/v1/users",
		"{\"email\":\"dev@example.net\",\"display_name\":\"D\",\"role\":\"customer_viewer\","
		"\"customer_id\":\"%s\",\"password\":\"quite a Long passphrase\"}",
		w->own);
	struct reply r = expect(w, NOBODY, "POST", "/v1/sessions",
		"{\"email\":\"dev@example.net\",\"password\":\"quite a Long passphrase\"}", 201);
	const char *set = header_of(w, &r, "Set-Cookie");
	const char *headers[] = { fmt(w, "Cookie: %.*s", (int)strcspn(set, ";"), set),
		fmt(w, "X-CSRF-Token: %s", text_at(r.json, "csrf_token")), NULL };
	const char *path = fmt(w, "/v1/oauth/device/%s/approve", a.code);

	r = call(w, NOBODY, "POST", path, "{}", headers);
	expect_code(&r, 401, "step_up_required");
	r = call(w, NOBODY, "POST", "/v1/me/step-up", "{\"password\":\"quite a Long passphrase\"}",
		headers);
	assert_int_equal(r.status, 200);
	set = header_of(w, &r, "Set-Cookie");
	headers[0] = fmt(w, "Cookie: %.*s", (int)strcspn(set, ";"), set);
	r = call(w, NOBODY, "POST", path, "{}", headers);
	assert_int_equal(r.status, 200);
	assert_int_equal(fetch(w, a.secret).status, 200);
}

struct stored {
	const char *text;
};

static enum ud_code read_stored(struct ud_ctx *cx, void *data)
{
	bool found;

	return ud_query_text(cx, &found, &((struct stored *)data)->text,
		"SELECT device_hash || code_hash || client_name || scopes FROM device_requests",
		UD_NO_VALS);
}

static void the_database_tells_no_code(void **state)
{
	struct world *w = *state;
	struct asked a = ask(w);
	struct stored s = { "" };

	world_write(w, read_stored, &s);
	assert_true(strlen(s.text) > 128);
	assert_null(strstr(s.text, a.code));
	assert_null(strstr(s.text, a.secret + 10));
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup(name, fresh)
	const struct CMUnitTest tests[] = {
		STORY(a_program_is_let_in_as_whoever_approved),
		STORY(the_record_tells_both_and_the_other_customer_hears_nothing),
		STORY(codes_are_taken_as_people_type_them),
		STORY(a_refusal_is_told_once),
		STORY(a_code_ends_after_ten_minutes),
		STORY(asking_too_often_makes_the_interval_longer),
		STORY(one_address_keeps_ten_waiting),
		STORY(who_tries_codes_must_wait),
		STORY(codes_are_tried_in_no_other_way),
		STORY(all_together_keep_two_thousand_waiting),
		STORY(whoever_left_lets_nobody_in),
		STORY(nobody_gives_more_than_they_have),
		STORY(a_session_must_have_proved_itself_just_now),
		STORY(the_database_tells_no_code),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
