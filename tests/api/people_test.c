/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in, sessions, tokens, factors, step-up, users, service accounts.
 */
#include "support/harness.h"

#include <string.h>

#include "base/totp.h"

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

static enum ud_code forget_failures(struct ud_ctx *cx, void *data)
{
	(void)data;
	return ud_exec(cx, NULL, "DELETE FROM sign_in_failures", UD_NO_VALS);
}

/* Stories share one address, and failures of one must not slow the next. */
static int fresh(void **state)
{
	struct world *w = *state;

	w->clock_ms = 0;
	world_write(w, forget_failures, NULL);
	return 0;
}

static const char *const password = "quite a Long passphrase";

/* A user with the password, made by the operator. */
static const char *make_user(
	struct world *w, const char *email, const char *role, const char *customer)
{
	struct reply r = callf(w, OPERATOR, "POST", "/v1/users",
		"{\"email\":\"%s\",\"display_name\":\"Some Body\",\"customer_id\":%s,\"role\":\"%s\","
		"\"password\":\"%s\"}",
		email, customer ? fmt(w, "\"%s\"", customer) : "null", role, password);

	if (r.status != 201)
		fail_msg("%s", r.body);
	return text_at(r.json, "id");
}

struct login {
	const char *cookie, *csrf;
};

/* Sign in and keep cookie and CSRF token as header lines. */
static struct login sign_in(struct world *w, const char *email, const char *totp)
{
	struct reply r =
		callf(w, NOBODY, "POST", "/v1/sessions", "{\"email\":\"%s\",\"password\":\"%s\"%s}",
			email, password, totp ? fmt(w, ",\"totp\":\"%s\"", totp) : "");

	if (r.status != 201)
		fail_msg("%s", r.body);
	const char *set = header_of(w, &r, "Set-Cookie");

	assert_non_null(strstr(set, "HttpOnly"));
	assert_non_null(strstr(set, "SameSite=Lax"));
	return (struct login){ fmt(w, "Cookie: %.*s", (int)strcspn(set, ";"), set),
		fmt(w, "X-CSRF-Token: %s", text_at(r.json, "csrf_token")) };
}

static struct reply as(
	struct world *w, struct login l, const char *method, const char *path, const char *body)
{
	const char *headers[] = { l.cookie, l.csrf, "If-Match: *", NULL };

	return call(w, NOBODY, method, path, body, headers);
}

static void a_person_signs_in_and_out(void **state)
{
	struct world *w = *state;
	const char *id = make_user(w, "ada@example.net", "customer_admin", w->own);
	struct login l = sign_in(w, "ADA@example.net", NULL);
	struct reply r = as(w, l, "GET", "/v1/me", NULL);

	assert_int_equal(r.status, 200);
	assert_string_equal(text_at(r.json, "id"), id);
	assert_string_equal(text_at(r.json, "roles.0.role"), "customer_admin");
	assert_string_equal(text_at(r.json, "roles.0.scope"), w->own);
	assert_null(strstr(r.body, "password"));
	r = as(w, l, "GET", "/v1/me/sessions", NULL);
	assert_true(json_is_true(
		json_object_get(json_array_get(json_object_get(r.json, "data"), 0), "current")));
	assert_int_equal(as(w, l, "DELETE", "/v1/sessions/current", NULL).status, 204);
	assert_int_equal(as(w, l, "GET", "/v1/me", NULL).status, 401);
}

static void wrong_credentials_give_one_answer_and_slow_down(void **state)
{
	struct world *w = *state;
	struct reply r;

	make_user(w, "bob@example.net", "customer_viewer", w->own);
	for (int i = 0; i < 5; i++) {
		r = call(w, NOBODY, "POST", "/v1/sessions",
			"{\"email\":\"bob@example.net\",\"password\":\"wrong wrong wrong\"}", NULL);
		expect_code(&r, 401, "invalid_credentials");
	}
	r = call(w, NOBODY, "POST", "/v1/sessions",
		fmt(w, "{\"email\":\"bob@example.net\",\"password\":\"%s\"}", password), NULL);
	expect_code(&r, 429, "throttled");
	assert_non_null(header_of(w, &r, "Retry-After"));
	w->clock_ms += 1000000; /* a quarter of an hour at most */
	sign_in(w, "bob@example.net", NULL);
	const char *unknown =
		"{\"email\":\"nobody@example.net\",\"password\":\"wrong wrong wrong\"}";
	struct reply u = call(w, NOBODY, "POST", "/v1/sessions", unknown, NULL);

	expect_code(&u, 401, "invalid_credentials");
	assert_string_equal(text_at(u.json, "detail"),
		"The e-mail address, the password or the code is wrong.");
}

static struct reply guess(struct world *w, const char *email)
{
	return call(w, NOBODY, "POST", "/v1/sessions",
		fmt(w, "{\"email\":\"%s\",\"password\":\"wrong wrong wrong\"}", email), NULL);
}

/* What a dry run undoes is not the count of who guesses. */
static void guesses_in_dry_runs_are_counted(void **state)
{
	struct world *w = *state;
	struct reply r;

	make_user(w, "kim@example.net", "customer_viewer", w->own);
	struct login l = sign_in(w, "kim@example.net", NULL);

	for (int i = 0; i < 5; i++) {
		static const char *const paths[] = { "/v1/sessions", "/v1/me/step-up",
			"/v1/me/password" };
		static const char *const bodies[] = {
			"{\"email\":\"kim@example.net\",\"password\":\"wrong wrong wrong\"}",
			"{\"password\":\"wrong wrong wrong\"}",
			"{\"current_password\":\"wrong wrong wrong\",\"new_password\":\"another Good phrase\"}"
		};
		const char *path = fmt(w, "%s?dry_run=true", paths[i % 3]);

		r = i % 3 ? as(w, l, "POST", path, bodies[i % 3])
			  : call(w, NOBODY, "POST", path, bodies[0], NULL);
		expect_code(&r, 401, "invalid_credentials");
	}
	r = guess(w, "kim@example.net");
	expect_code(&r, 429, "throttled");
	r = as(w, l, "POST", "/v1/me/step-up?dry_run=true",
		fmt(w, "{\"password\":\"%s\"}", password));
	expect_code(&r, 429, "throttled");
}

static enum ud_code many_failures(struct ud_ctx *cx, void *data)
{
	(void)data;
	return ud_exec(cx, NULL,
		"UPDATE sign_in_failures SET count = 200 WHERE key LIKE 'domain:%'", UD_NO_VALS);
}

static enum ud_code forget_address(struct ud_ctx *cx, void *data)
{
	(void)data;
	return ud_exec(
		cx, NULL, "DELETE FROM sign_in_failures WHERE key LIKE 'address:%'", UD_NO_VALS);
}

/* One guess at each of many accounts of a customer, each from an address of its own. */
static void guesses_at_a_domain_slow_down_but_lock_nobody_out(void **state)
{
	struct world *w = *state;
	struct reply r = { 0 };
	int n = 0;

	make_user(w, "dora@spray.example", "customer_viewer", w->own);
	for (; n < 100 && r.status != 429; n++) {
		world_write(w, forget_address, NULL);
		r = guess(w, fmt(w, "person%d@SPRAY.example", n));
	}
	assert_int_equal(n, 51);
	expect_code(&r, 429, "throttled");
	world_write(w, forget_address, NULL);
	r = guess(w, "somebody@elsewhere.example");
	expect_code(&r, 401, "invalid_credentials");
	world_write(w, many_failures, NULL);
	r = guess(w, "dora@spray.example");
	assert_true(atoi(header_of(w, &r, "Retry-After")) <= 30);
	w->clock_ms += 31000;
	sign_in(w, "dora@spray.example", NULL);
	/* and a day later all is forgotten */
	w->clock_ms += INT64_C(86401000);
	for (int i = 0; i < 4; i++) {
		r = guess(w, fmt(w, "again%d@spray.example", i));
		expect_code(&r, 401, "invalid_credentials");
	}
}

static void a_change_by_cookie_needs_token_and_origin(void **state)
{
	struct world *w = *state;

	make_user(w, "cid@example.net", "customer_admin", w->own);
	struct login l = sign_in(w, "cid@example.net", NULL);
	const char *no_token[] = { l.cookie, "If-Match: *", NULL };
	const char *bad_token[] = { l.cookie, "X-CSRF-Token: x", "If-Match: *", NULL };
	const char *foreign[] = { l.cookie, l.csrf, "Origin: https://evil.example", "If-Match: *",
		NULL };
	const char *cross[] = { l.cookie, l.csrf, "Sec-Fetch-Site: cross-site", "If-Match: *",
		NULL };
	const char *const *sets[] = { no_token, bad_token, foreign, cross };

	for (size_t i = 0; i < UD_LEN(sets); i++) {
		struct reply r = call(w, NOBODY, "PATCH", "/v1/me", "{\"locale\":\"en\"}", sets[i]);

		expect_code(&r, 403, "csrf_failed");
	}
	assert_int_equal(as(w, l, "PATCH", "/v1/me", "{\"locale\":\"en\"}").status, 200);
}

static void sessions_end_by_idleness_age_and_revocation(void **state)
{
	struct world *w = *state;

	make_user(w, "dora@example.net", "customer_admin", w->own);
	struct login l = sign_in(w, "dora@example.net", NULL);

	w->clock_ms += 32 * 60000;
	assert_int_equal(as(w, l, "GET", "/v1/me", NULL).status, 401);
	w->clock_ms = 0;
	l = sign_in(w, "dora@example.net", NULL);
	struct login other = sign_in(w, "dora@example.net", NULL);
	struct reply r = as(w, other, "GET", "/v1/me/sessions", NULL);
	const char *path = NULL;
	size_t i;
	json_t *s;

	json_array_foreach(json_object_get(r.json, "data"), i,
		s) if (!json_is_true(json_object_get(s, "current"))) path =
		fmt(w, "/v1/me/sessions/%s", text_at(s, "id"));
	assert_non_null(path);
	while (as(w, other, "DELETE", path, NULL).status == 204) {
		r = as(w, other, "GET", "/v1/me/sessions", NULL);
		json_array_foreach(json_object_get(r.json, "data"), i,
			s) if (!json_is_true(json_object_get(s, "current"))) path =
			fmt(w, "/v1/me/sessions/%s", text_at(s, "id"));
	}
	assert_int_equal(as(w, l, "GET", "/v1/me", NULL).status, 401);
	assert_int_equal(as(w, other, "GET", "/v1/me", NULL).status, 200);
}

/* The code of now, by the secret. */
static const char *code_of(struct world *w, const char *secret, int step)
{
	char *code = ud_alloc(w->arena, 7);

	assert_true(ud_totp_code(secret, ud_now_ms(&w->env) / 30000 + step, code));
	return code;
}

static void a_second_factor_is_enrolled_used_once_and_recovered(void **state)
{
	struct world *w = *state;

	make_user(w, "eve@example.net", "customer_admin", w->own);
	struct login l = sign_in(w, "eve@example.net", NULL);
	struct reply r = as(w, l, "POST", "/v1/me/totp", "{}");
	const char *secret = text_at(r.json, "secret");

	assert_non_null(
		strstr(text_at(r.json, "uri"), "otpauth://totp/Understudy:eve%40example.net"));
	r = as(w, l, "POST", "/v1/me/totp/verify", "{\"code\":\"000000\"}");
	expect_code(&r, 401, "invalid_credentials");
	r = as(w, l, "POST", "/v1/me/totp/verify",
		fmt(w, "{\"code\":\"%s\"}", code_of(w, secret, -1)));
	assert_int_equal(r.status, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "recovery_codes")), 10);
	const char *recovery = text_at(r.json, "recovery_codes.3");

	r = call(w, NOBODY, "POST", "/v1/sessions",
		fmt(w, "{\"email\":\"eve@example.net\",\"password\":\"%s\"}", password), NULL);
	expect_code(&r, 401, "invalid_credentials");
	assert_string_equal(text_at(r.json, "errors.0.code"), "totp_required");
	const char *code = code_of(w, secret, 0);

	sign_in(w, "eve@example.net", code);
	r = call(w, NOBODY, "POST", "/v1/sessions",
		fmt(w, "{\"email\":\"eve@example.net\",\"password\":\"%s\",\"totp\":\"%s\"}",
			password, code),
		NULL);
	expect_code(&r, 401, "invalid_credentials"); /* a code works once */
	sign_in(w, "eve@example.net", recovery);
	r = call(w, NOBODY, "POST", "/v1/sessions",
		fmt(w, "{\"email\":\"eve@example.net\",\"password\":\"%s\",\"totp\":\"%s\"}",
			password, recovery),
		NULL);
	expect_code(&r, 401, "invalid_credentials");
}

static void marked_calls_need_a_fresh_proof(void **state)
{
	struct world *w = *state;
	const char *body = "{\"name\":\"t\",\"scopes\":[\"*\"]}";

	make_user(w, "fay@example.net", "customer_admin", w->own);
	struct login l = sign_in(w, "fay@example.net", NULL);
	struct reply r = as(w, l, "POST", "/v1/me/tokens", body);

	expect_code(&r, 401, "step_up_required");
	assert_non_null(
		strstr(header_of(w, &r, "WWW-Authenticate"), "insufficient_user_authentication"));
	r = as(w, l, "POST", "/v1/me/step-up", "{\"password\":\"nope nope nope\"}");
	expect_code(&r, 401, "invalid_credentials");
	r = as(w, l, "POST", "/v1/me/step-up", fmt(w, "{\"password\":\"%s\"}", password));
	assert_int_equal(r.status, 200);
	const char *set = header_of(w, &r, "Set-Cookie");
	struct login fresh = { fmt(w, "Cookie: %.*s", (int)strcspn(set, ";"), set), l.csrf };

	r = as(w, fresh, "POST", "/v1/me/tokens", body);
	assert_int_equal(r.status, 201);
	const char *made = fmt(w, "%s", r.body);

	assert_int_equal(as(w, l, "GET", "/v1/me", NULL).status, 401); /* the old secret is gone */
	r.json = json_loads(made, 0, NULL);
	json_array_append_new(w->replies, r.json);
	assert_memory_equal(text_at(r.json, "token"), "usp_", 4);
	const char *bearer = fmt(w, "Authorization: Bearer %s", text_at(r.json, "token"));
	const char *headers[] = { bearer, NULL };
	const char *id = text_at(r.json, "id");

	assert_int_equal(call(w, NOBODY, "GET", "/v1/me", NULL, headers).status, 200);
	r = as(w, fresh, "GET", "/v1/me/tokens", NULL);
	assert_null(strstr(r.body, "usp_"));
	w->clock_ms += 301000;
	r = as(w, fresh, "POST", "/v1/me/tokens", body);
	expect_code(&r, 401, "step_up_required");
	w->clock_ms = 0;
	assert_int_equal(as(w, fresh, "DELETE", fmt(w, "/v1/me/tokens/%s", id), NULL).status, 204);
	assert_int_equal(call(w, NOBODY, "GET", "/v1/me", NULL, headers).status, 401);
}

/* Step up; the session with its new secret. */
static struct login step_up(struct world *w, struct login l)
{
	struct reply r =
		as(w, l, "POST", "/v1/me/step-up", fmt(w, "{\"password\":\"%s\"}", password));

	if (r.status != 200)
		fail_msg("%s", r.body);
	const char *set = header_of(w, &r, "Set-Cookie");

	return (struct login){ fmt(w, "Cookie: %.*s", (int)strcspn(set, ";"), set), l.csrf };
}

static void a_step_up_whose_answer_is_lost_signs_nobody_out(void **state)
{
	struct world *w = *state;
	const char *body = "{\"name\":\"t\",\"scopes\":[\"*\"]}";

	make_user(w, "gwen@example.net", "customer_admin", w->own);
	struct login l = sign_in(w, "gwen@example.net", NULL), lost = step_up(w, l);
	struct reply r = as(w, l, "GET", "/v1/me", NULL);

	assert_int_equal(r.status, 200);
	r = as(w, l, "POST", "/v1/me/tokens", body); /* without the proof */
	expect_code(&r, 401, "step_up_required");
	struct login fresh = step_up(w, l);

	assert_int_equal(as(w, lost, "GET", "/v1/me", NULL).status, 401);
	assert_int_equal(as(w, l, "GET", "/v1/me", NULL).status, 200);
	assert_int_equal(as(w, fresh, "POST", "/v1/me/tokens", body).status, 201);
	assert_int_equal(as(w, l, "GET", "/v1/me", NULL).status, 401);
	step_up(w, fresh); /* lost, too, and then the password is changed */
	r = as(w, fresh, "POST", "/v1/me/password",
		fmt(w, "{\"current_password\":\"%s\",\"new_password\":\"another Long passphrase\"}",
			password));
	assert_int_equal(r.status, 204);
	assert_int_equal(as(w, fresh, "GET", "/v1/me", NULL).status, 200);
	assert_int_equal(as(w, l, "GET", "/v1/me", NULL).status, 401);
}

static json_t *role_named(const struct reply *r, const char *name)
{
	json_t *role, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(r->json, "data"), i,
		role) if (strcmp(text_at(role, "name"), name) == 0) found = role;
	return found;
}

static bool may(json_t *role, const char *operation)
{
	json_t *op;
	size_t i;
	bool found = false;

	json_array_foreach(json_object_get(role, "operations"), i, op) found |=
		strcmp(json_string_value(op), operation) == 0;
	return found;
}

static void roles_say_what_they_may(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OPERATOR, "GET", "/v1/roles", NULL, 200);
	json_t *lead = role_named(&r, "support_lead");

	assert_int_equal(json_array_size(json_object_get(r.json, "data")), UD_ROLE_COUNT - 1);
	assert_true(may(lead, "customers.create"));
	assert_false(may(lead, "settings.edit"));
	assert_true(may(role_named(&r, "operator"), "settings.edit"));
	assert_false(may(role_named(&r, "auditor"), "customers.create"));
	assert_true(json_is_true(json_object_get(lead, "may_give")));
	r = expect(w, OWN_ADMIN, "GET", "/v1/roles", NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 4);
	assert_true(json_is_true(json_object_get(role_named(&r, "customer_approver"), "may_give")));
	r = expect(w, OWN_VIEWER, "GET", "/v1/roles", NULL, 200);
	assert_true(json_is_false(json_object_get(role_named(&r, "customer_viewer"), "may_give")));
}

static void a_token_is_bound_by_scope_end_and_address(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OPERATOR, "POST", "/v1/service-accounts",
		"{\"name\":\"ci\",\"customer_id\":null,\"role\":\"support_lead\"}", 201);
	const char *path = fmt(w, "/v1/service-accounts/%s/tokens", text_at(r.json, "id"));

	r = expect(w, OPERATOR, "POST", path,
		"{\"name\":\"a\",\"scopes\":[\"customers:read\"],\"addresses\":[\"127.0.0.1\"]}",
		201);
	const char *good[] = { fmt(w, "X-Auth-Token: %s", text_at(r.json, "token")), NULL };

	assert_int_equal(call(w, NOBODY, "GET", "/v1/customers", NULL, good).status, 200);
	r = call(w, NOBODY, "GET", "/v1/sites", NULL, good);
	expect_code(&r, 403, "scope_missing");
	r = call(w, NOBODY, "POST", "/v1/customers", "{}", good);
	expect_code(&r, 403, "scope_missing");
	w->clock_ms += INT64_C(91) * 86400000;
	r = call(w, NOBODY, "GET", "/v1/customers", NULL, good);
	expect_code(&r, 401, "unauthenticated");
	w->clock_ms = 0;
	r = expect(w, OPERATOR, "POST", path,
		"{\"name\":\"b\",\"scopes\":[\"*\"],\"addresses\":[\"192.0.2.1\"]}", 201);
	const char *elsewhere[] = { fmt(w, "X-Auth-Token: %s", text_at(r.json, "token")), NULL };

	assert_int_equal(call(w, NOBODY, "GET", "/v1/customers", NULL, elsewhere).status, 401);
	expect(w, OPERATOR, "POST", path, "{\"name\":\"c\",\"scopes\":[\"All\"]}", 422);
	expect(w, OPERATOR, "POST", path,
		"{\"name\":\"c\",\"scopes\":[\"*\"],\"expires_at\":\"2099-01-01T00:00:00Z\"}", 422);
	const char *broken[] = { "Authorization: Bearer usp_nonsense", NULL };

	assert_int_equal(call(w, NOBODY, "GET", "/v1/customers", NULL, broken).status, 401);
}

static int with_token(struct world *w, const char *token)
{
	const char *headers[] = { fmt(w, "X-Auth-Token: %s", token), NULL };

	return call(w, NOBODY, "GET", "/v1/customers", NULL, headers).status;
}

static void a_token_gets_a_new_secret_and_ends_later(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OPERATOR, "POST", "/v1/service-accounts",
		"{\"name\":\"turning\",\"role\":\"support_lead\"}", 201);
	const char *account = text_at(r.json, "id"),
		   *tokens = fmt(w, "/v1/service-accounts/%s/tokens", account);

	r = expect(w, OPERATOR, "POST", tokens, "{\"name\":\"t\",\"scopes\":[\"customers:read\"]}",
		201);
	const char *first = text_at(r.json, "token"),
		   *rotate = fmt(w, "%s/%s/rotate", tokens, text_at(r.json, "id"));

	r = expect(w, OPERATOR, "POST", rotate, "{\"overlap_seconds\":600}", 200);
	const char *second = text_at(r.json, "token");

	assert_string_equal(text_at(r.json, "name"), "t");
	assert_string_equal(text_at(r.json, "scopes.0"), "customers:read");
	assert_int_equal(with_token(w, first), 200);
	assert_int_equal(with_token(w, second), 200);
	w->clock_ms += 601 * 1000;
	assert_int_equal(with_token(w, first), 401);
	assert_int_equal(with_token(w, second), 200);
	w->clock_ms = 0;
	rotate = fmt(w, "%s/%s/rotate", tokens, text_at(r.json, "id"));
	expect(w, OPERATOR, "POST", rotate, "{\"overlap_seconds\":0}", 200);
	assert_int_equal(with_token(w, second), 401);
	expect(w, OPERATOR, "POST", rotate, "{\"overlap_seconds\":-1}", 422);
	/* another account's token is none of this one's */
	r = expect(w, OPERATOR, "POST", "/v1/service-accounts",
		"{\"name\":\"other\",\"role\":\"support_lead\"}", 201);
	expect(w, OPERATOR, "POST",
		fmt(w, "/v1/service-accounts/%s/tokens/%s/rotate", text_at(r.json, "id"),
			strrchr(fmt(w, "%.*s", (int)(strlen(rotate) - 7), rotate), '/') + 1),
		"{}", 404);
}

static void a_token_makes_none_stronger_than_itself(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OPERATOR, "POST", "/v1/service-accounts",
		"{\"name\":\"maker\",\"role\":\"support_lead\"}", 201);
	const char *tokens = fmt(w, "/v1/service-accounts/%s/tokens", text_at(r.json, "id"));

	r = expect(w, OPERATOR, "POST", tokens,
		"{\"name\":\"m\",\"scopes\":[\"service-accounts:write\"]}", 201);
	const char *maker[] = { fmt(w, "X-Auth-Token: %s", text_at(r.json, "token")), NULL };

	r = call(w, NOBODY, "POST", tokens, "{\"name\":\"x\",\"scopes\":[\"*\"]}", maker);
	expect_code(&r, 403, "scope_missing");
	r = call(w, NOBODY, "POST", tokens,
		"{\"name\":\"x\",\"scopes\":[\"service-accounts:read\"]}", maker);
	assert_int_equal(r.status, 201);
	r = call(w, NOBODY, "POST", "/v1/service-accounts",
		"{\"name\":\"boss\",\"role\":\"operator\"}", maker);
	expect_code(&r, 403, "role_missing");
	/* nor does it get the secret of a stronger one that there is */
	r = expect(w, OPERATOR, "POST", tokens, "{\"name\":\"all\",\"scopes\":[\"*\"]}", 201);
	const char *strong[] = { fmt(w, "X-Auth-Token: %s", text_at(r.json, "token")), NULL };

	r = call(w, NOBODY, "POST", fmt(w, "%s/%s/rotate", tokens, text_at(r.json, "id")), "{}",
		maker);
	expect_code(&r, 403, "scope_missing");
	assert_int_equal(call(w, NOBODY, "GET", "/v1/customers", NULL, strong).status, 200);
}

/* The first token of an installation sets it up: customers' people, staff of support, and no more.
 */
static void a_first_token_makes_what_an_installation_needs(void **state)
{
	static const struct {
		const char *roles, *role;
		bool of_own;
		int status;
	} rows[] = {
		{ "[\"operator\",\"support_lead\"]", "customer_admin", true, 201 },
		{ "[\"operator\",\"support_lead\"]", "support_engineer", false, 201 },
		{ "[\"operator\",\"support_lead\"]", "operator", false, 201 },
		{ "[\"operator\"]", "support_lead", false, 403 },
		{ "[\"support_lead\"]", "operator", false, 403 },
		{ "[\"support_agent\"]", "customer_viewer", true, 403 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = callf(w, OPERATOR, "POST", "/v1/service-accounts",
			"{\"name\":\"first %zu\",\"roles\":%s}", i, rows[i].roles);
		r = expect(w, OPERATOR, "POST",
			fmt(w, "/v1/service-accounts/%s/tokens", text_at(r.json, "id")),
			"{\"name\":\"t\",\"scopes\":[\"*\"]}", 201);
		const char *token[] = { fmt(w, "X-Auth-Token: %s", text_at(r.json, "token")),
			NULL };

		r = call(w, NOBODY, "POST", "/v1/users",
			fmt(w,
				"{\"email\":\"f%zu@example.net\",\"display_name\":\"F\",\"customer_id\":%s,"
				"\"role\":\"%s\"}",
				i, rows[i].of_own ? fmt(w, "\"%s\"", w->own) : "null",
				rows[i].role),
			token);
		if (r.status != rows[i].status)
			fail_msg("row %zu: %d %s", i, r.status, r.body);
	}
}

static void people_are_invited_and_accept(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OWN_ADMIN, "POST", "/v1/users",
		"{\"email\":\"gus@example.net\",\"display_name\":\"Gus\",\"role\":\"customer_viewer\"}",
		201);
	const char *url = text_at(r.json, "invitation_url"), *id = text_at(r.json, "id");

	assert_string_equal(text_at(r.json, "state"), "invited");
	assert_string_equal(text_at(r.json, "customer_id"), w->own);
	assert_non_null(strchr(url, '#'));
	const char *secret = strchr(url, '#') + 1;

	r = expect(w, OWN_ADMIN, "GET", fmt(w, "/v1/users/%s", id), NULL, 200);
	assert_null(strstr(r.body, secret));
	r = callf(w, NOBODY, "POST", "/v1/invitations/accept",
		"{\"token\":\"%s\",\"password\":\"short\"}", secret);
	expect_code(&r, 422, "validation_failed");
	r = callf(w, NOBODY, "POST", "/v1/invitations/accept",
		"{\"token\":\"%s\",\"password\":\"%s\"}", secret, password);
	assert_int_equal(r.status, 200);
	r = callf(w, NOBODY, "POST", "/v1/invitations/accept",
		"{\"token\":\"%s\",\"password\":\"%s\"}", secret, password);
	expect_code(&r, 410, "expired");
	sign_in(w, "gus@example.net", NULL);
}

static void roles_are_given_by_those_who_may(void **state)
{
	static const struct {
		enum who who;
		const char *role;
		bool of_own;
		int status;
	} rows[] = {
		{ OWN_ADMIN, "customer_admin", true, 201 },
		{ OWN_ADMIN, "support_lead", true, 422 },
		{ OWN_ADMIN, "operator", false, 422 },
		{ OWN_VIEWER, "customer_viewer", true, 403 },
		{ LEAD, "support_agent", false, 201 },
		{ LEAD, "operator", false, 403 },
		{ LEAD, "customer_admin", false, 422 },
		{ OPERATOR, "operator", false, 201 },
		{ OPERATOR, "nonsense", false, 422 },
		{ OPERATOR, "customer_admin", true, 201 },
		{ ENGINEER, "customer_viewer", true, 403 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = callf(w, rows[i].who, "POST", "/v1/users",
			"{\"email\":\"r%zu@example.net\",\"display_name\":\"R\",\"customer_id\":%s,\"role\":"
			"\"%s\"}",
			i, rows[i].of_own ? fmt(w, "\"%s\"", w->own) : "null", rows[i].role);

		if (r.status != rows[i].status)
			fail_msg("row %zu: %d %s", i, r.status, r.body);
	}
}

static void the_last_administrator_stays(void **state)
{
	struct world *w = *state;
	struct reply r =
		expect(w, OTHER_ADMIN, "PATCH", fmt(w, "/v1/users/%s", w->principal[OTHER_ADMIN]),
			"{\"role\":\"customer_viewer\"}", 409);

	assert_string_equal(text_at(r.json, "code"), "last_administrator");
	expect(w, OPERATOR, "POST", fmt(w, "/v1/users/%s/disable", w->principal[OTHER_ADMIN]), "{}",
		409);
	expect(w, OPERATOR, "DELETE", fmt(w, "/v1/users/%s", w->principal[OTHER_ADMIN]), NULL, 409);
}

static void a_disabled_user_is_out_at_once(void **state)
{
	struct world *w = *state;
	const char *id = make_user(w, "hal@example.net", "customer_viewer", w->own);
	struct login l = sign_in(w, "hal@example.net", NULL);

	expect(w, OWN_ADMIN, "POST", fmt(w, "/v1/users/%s/disable", id), "{}", 200);
	assert_int_equal(as(w, l, "GET", "/v1/me", NULL).status, 401);
	struct reply r = callf(w, NOBODY, "POST", "/v1/sessions",
		"{\"email\":\"hal@example.net\",\"password\":\"%s\"}", password);

	expect_code(&r, 401, "invalid_credentials");
	expect(w, OWN_ADMIN, "POST", fmt(w, "/v1/users/%s/enable", id), "{}", 200);
	sign_in(w, "hal@example.net", NULL);
}

static void weak_passwords_are_refused(void **state)
{
	static const char *const weak[] = { "short", "aaaaaaaaaaaaaaaa", "password1234",
		"qwertyuiop12", "ivan.petrov-2026" };
	struct world *w = *state;

	for (size_t i = 0; i < UD_LEN(weak); i++) {
		struct reply r = callf(w, OPERATOR, "POST", "/v1/users",
			"{\"email\":\"ivan.petrov@example.net\",\"display_name\":\"I\",\"role\":"
			"\"support_agent\",\"password\":\"%s\"}",
			weak[i]);

		expect_code(&r, 422, "validation_failed");
		assert_string_equal(text_at(r.json, "errors.0.pointer"), "/password");
	}
}

static void a_changed_password_ends_other_sessions(void **state)
{
	struct world *w = *state;

	make_user(w, "jo@example.net", "customer_viewer", w->own);
	struct login first = sign_in(w, "jo@example.net", NULL),
		     l = sign_in(w, "jo@example.net", NULL);
	struct reply r = as(w, l, "POST", "/v1/me/password",
		fmt(w, "{\"current_password\":\"%s\",\"new_password\":\"another Good phrase\"}",
			password));

	assert_int_equal(r.status, 204);
	assert_int_equal(as(w, first, "GET", "/v1/me", NULL).status, 401);
	assert_int_equal(as(w, l, "GET", "/v1/me", NULL).status, 200);
	const char *guess =
		"{\"current_password\":\"a wrong guess\",\"new_password\":\"yet another Good phrase\"}";

	for (int i = 0; i < 5; i++) {
		r = as(w, l, "POST", "/v1/me/password", guess);
		expect_code(&r, 401, "invalid_credentials");
	}
	r = as(w, l, "POST", "/v1/me/password", guess);
	expect_code(&r, 429, "throttled");
}

static void a_person_keeps_views_that_nobody_else_sees(void **state)
{
	static const char *const any[] = { "If-Match: *", NULL };
	static const char *const all = "/v1/me/saved-views";
	struct world *w = *state;
	struct reply r = expect(w, OWN_OPERATOR, "POST", all,
		"{\"name\":\"Mine, open\",\"page\":\"/app/tickets\",\"query\":\"state=open\"}",
		201);
	const char *path = fmt(w, "%s/%s", all, text_at(r.json, "id"));

	assert_string_equal(text_at(r.json, "user_id"), w->principal[OWN_OPERATOR]);
	r = call(w, OWN_OPERATOR, "PATCH", path, "{\"query\":\"state=open,new\"}", any);
	assert_int_equal(r.status, 200);
	r = call(w, OWN_OPERATOR, "PATCH", path, "{\"page\":\"/app/vms\"}", any);
	assert_int_equal(r.status, 422);
	r = expect(w, OWN_OPERATOR, "GET", fmt(w, "%s?page=/app/tickets", all), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.query"), "state=open,new");
	r = expect(w, OWN_OPERATOR, "GET", fmt(w, "%s?page=/app/vms", all), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
	/* not a colleague's, not the staff's */
	static const enum who others[] = { OWN_ADMIN, LEAD, OTHER_ADMIN };

	for (size_t i = 0; i < UD_LEN(others); i++) {
		r = expect(w, others[i], "GET", all, NULL, 200);
		assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
		expect(w, others[i], "GET", path, NULL, 404);
		r = call(w, others[i], "PATCH", path, "{\"name\":\"x\"}", any);
		assert_int_equal(r.status, 404);
		expect(w, others[i], "DELETE", path, NULL, 404);
	}
	expect(w, OWN_OPERATOR, "DELETE", path, NULL, 204);
	expect(w, OWN_OPERATOR, "GET", path, NULL, 404);
}

static void a_person_keeps_a_bounded_number_of_views(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 100; i++)
		callf(w, OWN_VIEWER, "POST", "/v1/me/saved-views",
			"{\"name\":\"%d\",\"page\":\"vms\",\"query\":\"q=x\"}", i);
	struct reply r = callf(w, OWN_VIEWER, "POST", "/v1/me/saved-views",
		"{\"name\":\"%s\",\"page\":\"vms\",\"query\":\"q=x\"}", "more");

	expect_code(&r, 409, "exhausted");
	r = expect(w, OWN_VIEWER, "GET", "/v1/me/saved-views?count=exact&limit=1", NULL, 200);
	assert_int_equal(number_at(r.json, "total"), 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_person_signs_in_and_out, fresh),
		cmocka_unit_test_setup(wrong_credentials_give_one_answer_and_slow_down, fresh),
		cmocka_unit_test_setup(guesses_in_dry_runs_are_counted, fresh),
		cmocka_unit_test_setup(guesses_at_a_domain_slow_down_but_lock_nobody_out, fresh),
		cmocka_unit_test_setup(a_change_by_cookie_needs_token_and_origin, fresh),
		cmocka_unit_test_setup(sessions_end_by_idleness_age_and_revocation, fresh),
		cmocka_unit_test_setup(a_second_factor_is_enrolled_used_once_and_recovered, fresh),
		cmocka_unit_test_setup(marked_calls_need_a_fresh_proof, fresh),
		cmocka_unit_test_setup(a_step_up_whose_answer_is_lost_signs_nobody_out, fresh),
		cmocka_unit_test_setup(roles_say_what_they_may, fresh),
		cmocka_unit_test_setup(a_token_is_bound_by_scope_end_and_address, fresh),
		cmocka_unit_test_setup(a_token_gets_a_new_secret_and_ends_later, fresh),
		cmocka_unit_test_setup(a_token_makes_none_stronger_than_itself, fresh),
		cmocka_unit_test_setup(a_first_token_makes_what_an_installation_needs, fresh),
		cmocka_unit_test_setup(people_are_invited_and_accept, fresh),
		cmocka_unit_test_setup(roles_are_given_by_those_who_may, fresh),
		cmocka_unit_test_setup(the_last_administrator_stays, fresh),
		cmocka_unit_test_setup(a_disabled_user_is_out_at_once, fresh),
		cmocka_unit_test_setup(weak_passwords_are_refused, fresh),
		cmocka_unit_test_setup(a_changed_password_ends_other_sessions, fresh),
		cmocka_unit_test_setup(a_person_keeps_views_that_nobody_else_sees, fresh),
		cmocka_unit_test_setup(a_person_keeps_a_bounded_number_of_views, fresh),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
