/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Short tokens of service accounts (RFC 6749 4.4): what they may, when they end, and what must not
 * work.
 */
#include <string.h>

#include "base/crypto.h"
#include "support/harness.h"

static const char *const form[] = { "Content-Type: application/x-www-form-urlencoded", NULL };

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
	return ud_exec(cx, NULL, "DELETE FROM sign_in_failures", UD_NO_VALS);
}

static int fresh(void **state)
{
	struct world *w = *state;

	w->clock_ms = 0;
	world_write(w, forget, NULL);
	return 0;
}

/* A service account with a token of its own. */
struct program {
	enum who owner;
	const char *id, *token_id, *secret, *tokens;
};

static struct program program_of(
	struct world *w, enum who owner, const char *name, const char *token)
{
	struct program p = { .owner = owner };
	struct reply r = callf(w, owner, "POST", "/v1/service-accounts",
		"{\"name\":\"%s\",\"role\":\"customer_operator\"}", name);

	assert_int_equal(r.status, 201);
	p.id = fmt(w, "%s", text_at(r.json, "id"));
	p.tokens = fmt(w, "/v1/service-accounts/%s/tokens", p.id);
	r = expect(w, owner, "POST", p.tokens, token, 201);
	p.token_id = fmt(w, "%s", text_at(r.json, "id"));
	p.secret = fmt(w, "%s", text_at(r.json, "token"));
	return p;
}

static struct program program(struct world *w, const char *name)
{
	return program_of(w, OWN_ADMIN, name,
		"{\"name\":\"build\",\"scopes\":[\"vms:read\",\"tickets:write\"]}");
}

static struct reply post(struct world *w, const char *fields)
{
	return call(w, NOBODY, "POST", "/v1/oauth/token", fields, form);
}

static struct reply ask(struct world *w, const struct program *p, const char *more)
{
	return post(w,
		fmt(w, "grant_type=client_credentials&client_id=%s&client_secret=%s%s", p->id,
			p->secret, more));
}

static const char *get(struct world *w, const struct program *p)
{
	struct reply r = ask(w, p, "");

	assert_int_equal(r.status, 200);
	return fmt(w, "%s", text_at(r.json, "access_token"));
}

static int status_with(struct world *w, const char *token, const char *path)
{
	const char *headers[] = { fmt(w, "Authorization: Bearer %s", token), NULL };

	return call(w, NOBODY, "GET", path, NULL, headers).status;
}

static void refused(const struct reply *r, int status, const char *code, const char *error)
{
	expect_code(r, status, code);
	assert_string_equal(text_at(r->json, "error"), error);
	assert_true(strlen(text_at(r->json, "error_description")) > 0);
}

/* How many short tokens an account has. */
static int shorts(struct world *w, const struct program *p)
{
	struct reply r = expect(w, p->owner, "GET", fmt(w, "%s?limit=200", p->tokens), NULL, 200);
	json_t *token;
	size_t i;
	int n = 0;

	json_array_foreach(json_object_get(r.json, "data"), i, token)
	{
		const char *parent = text_at(token, "parent_id");

		if (*parent)
			assert_string_equal(parent, p->token_id);
		n += *parent != 0;
	}
	return n;
}

static void a_program_gets_a_short_token(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "short");
	struct reply r = ask(w, &p, "&audience=ignored&scope=");

	assert_int_equal(r.status, 200);
	assert_string_equal(header_of(w, &r, "Cache-Control"), "no-store");
	assert_string_equal(text_at(r.json, "token_type"), "Bearer");
	assert_string_equal(text_at(r.json, "scope"), "vms:read tickets:write");
	assert_in_range(number_at(r.json, "expires_in"), 3590, 3600);
	const char *token = fmt(w, "%s", text_at(r.json, "access_token"));

	assert_int_equal(status_with(w, token, "/v1/vms"), 200);
	assert_int_equal(status_with(w, token, "/v1/tickets"), 200);
	assert_int_equal(status_with(w, token, "/v1/sites"), 403);
	assert_int_equal(shorts(w, &p), 1);
	w->clock_ms += 3601000;
	assert_int_equal(status_with(w, token, "/v1/vms"), 401);
	assert_int_equal(status_with(w, p.secret, "/v1/vms"), 200);
}

static void it_shows_itself_by_http_basic_or_json_as_well(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "basic");
	const char *pair = fmt(w, "%s:%s", p.id, p.secret);
	char *coded = ud_base64url(w->arena, pair, strlen(pair));

	for (char *s = coded; *s; s++)
		*s = *s == '-' ? '+' : *s == '_' ? '/' : *s;
	const char *basic[] = { form[0],
		fmt(w, "Authorization: Basic %s%.*s", coded, (int)(-strlen(coded) % 4 & 3), "=="),
		NULL };
	const char *path = "/v1/oauth/token";
	struct reply r = call(w, NOBODY, "POST", path, "grant_type=client_credentials", basic);

	assert_int_equal(r.status, 200);
	assert_int_equal(status_with(w, text_at(r.json, "access_token"), "/v1/vms"), 200);
	r = callf(w, NOBODY, "POST", path,
		"{\"grant_type\":\"client_credentials\",\"client_id\":\"%s\",\"client_secret\":\"%s\"}",
		p.id, p.secret);
	assert_int_equal(r.status, 200);
	/* one way, not two, and one program */
	r = call(w, NOBODY, "POST", path,
		fmt(w, "grant_type=client_credentials&client_secret=%s", p.secret), basic);
	refused(&r, 422, "validation_failed", "invalid_request");
	r = call(w, NOBODY, "POST", path, "grant_type=client_credentials&client_id=sva_other",
		basic);
	refused(&r, 422, "validation_failed", "invalid_request");
}

static void it_may_less_and_never_more(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "narrow");
	struct reply r = ask(w, &p, "&scope=tickets:read");
	static const char *const more[] = { "*", "vms:write", "vms:*", "vms:read%20sites:read",
		"tickets", "me:read" };

	assert_int_equal(r.status, 200);
	assert_string_equal(text_at(r.json, "scope"), "tickets:read");
	const char *token = fmt(w, "%s", text_at(r.json, "access_token"));

	assert_int_equal(status_with(w, token, "/v1/tickets"), 200);
	assert_int_equal(status_with(w, token, "/v1/vms"), 403);
	for (size_t i = 0; i < UD_LEN(more); i++) {
		r = ask(w, &p, fmt(w, "&scope=%s", more[i]));
		refused(&r, 400, "invalid_scope", "invalid_scope");
	}
	assert_int_equal(shorts(w, &p), 1);
}

static void it_ends_with_its_secret(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "revoked");
	const char *token = get(w, &p);

	assert_int_equal(status_with(w, token, "/v1/vms"), 200);
	expect(w, OWN_ADMIN, "DELETE", fmt(w, "%s/%s", p.tokens, p.token_id), NULL, 204);
	assert_int_equal(status_with(w, token, "/v1/vms"), 401);
	assert_int_equal(shorts(w, &p), 0);
	struct reply r = ask(w, &p, "");

	refused(&r, 401, "invalid_client", "invalid_client");
}

static void it_ends_when_a_rotated_secret_does(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "rotated");
	const char *token = get(w, &p), *path = fmt(w, "%s/%s/rotate", p.tokens, p.token_id);

	expect(w, OWN_ADMIN, "POST", path, "{\"overlap_seconds\":60}", 200);
	assert_int_equal(status_with(w, token, "/v1/vms"), 200);
	struct reply r = ask(w, &p, "");

	assert_in_range(number_at(r.json, "expires_in"), 50, 60);
	/* only the secret gets a new one */
	path = fmt(w, "%s/%s/rotate", p.tokens, text_at(r.json, "token_id"));
	r = call(w, OWN_ADMIN, "POST", path, "{}", NULL);
	expect_code(&r, 409, "invalid_state");
	w->clock_ms += 61000;
	assert_int_equal(status_with(w, token, "/v1/vms"), 401);
}

static void it_stops_while_its_account_is_disabled(void **state)
{
	static const char *const any[] = { "If-Match: *", NULL };
	struct world *w = *state;
	struct program p = program(w, "disabled");
	const char *token = get(w, &p), *path = fmt(w, "/v1/service-accounts/%s", p.id);
	struct reply r = call(w, OWN_ADMIN, "PATCH", path, "{\"state\":\"disabled\"}", any);

	assert_int_equal(r.status, 200);
	assert_int_equal(status_with(w, token, "/v1/vms"), 401);
	r = ask(w, &p, "");
	refused(&r, 401, "invalid_client", "invalid_client");
	r = call(w, OWN_ADMIN, "DELETE", path, NULL, any);
	assert_int_equal(r.status, 204);
	assert_int_equal(status_with(w, token, "/v1/vms"), 401);
}

static void a_secret_is_good_where_it_is_bound_to(void **state)
{
	struct world *w = *state;
	struct program p = program_of(w, OWN_ADMIN, "elsewhere",
		"{\"name\":\"t\",\"scopes\":[\"*\"],\"addresses\":[\"192.0.2.1\"]}");
	struct program here = program_of(w, OWN_ADMIN, "here",
		"{\"name\":\"t\",\"scopes\":[\"*\"],\"addresses\":[\"127.0.0.1\"]}");
	struct reply r = ask(w, &p, "");

	refused(&r, 401, "invalid_client", "invalid_client");
	assert_int_equal(status_with(w, get(w, &here), "/v1/vms"), 200);
	r = expect(w, OWN_ADMIN, "GET", here.tokens, NULL, 200);
	assert_string_equal(text_at(r.json, "data.1.addresses.0"), "127.0.0.1");
}

static void a_short_token_gets_no_other(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "chain"), q = p;

	q.secret = get(w, &p);
	struct reply r = ask(w, &q, "");

	refused(&r, 401, "invalid_client", "invalid_client");
	assert_string_equal(header_of(w, &r, "WWW-Authenticate"), "Basic realm=\"understudy\"");
}

static void what_is_wrong_is_told_in_the_words_of_oauth(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "wrong");
	static const struct {
		const char *fields;
		int status;
		const char *code, *error;
	} all[] = {
		{ "grant_type=password", 400, "unsupported_grant_type", "unsupported_grant_type" },
		{ "grant_type=client_credentials", 401, "invalid_client", "invalid_client" },
		{ "grant_type=client_credentials&client_id=sva_1", 401, "invalid_client",
			"invalid_client" },
		{ "grant_type=client_credentials&client_id=x&client_secret=y", 401,
			"invalid_client", "invalid_client" },
		{ "grant_type=client_credentials&client_id=x&client_id=y", 400, "malformed",
			"invalid_request" },
		{ "grant_type=%zz", 400, "malformed", "invalid_request" },
		{ "x=y", 400, "malformed", "invalid_request" },
		{ "grant_type=urn:ietf:params:oauth:grant-type:device_code", 422,
			"validation_failed", "invalid_request" },
		{ "grant_type=urn:ietf:params:oauth:grant-type:device_code&device_code=udev_x", 410,
			"expired", "expired_token" },
	};

	for (size_t i = 0; i < UD_LEN(all); i++) {
		struct reply r = post(w, all[i].fields);

		refused(&r, all[i].status, all[i].code, all[i].error);
	}
	assert_int_equal(shorts(w, &p), 0);
	/* a form is for this address alone */
	struct reply r = call(w, OWN_ADMIN, "POST", "/v1/service-accounts", "name=x", form);

	expect_code(&r, 415, "unsupported_media_type");
}

static void who_tries_secrets_must_wait(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "tried"), wrong = p;
	struct reply r;

	wrong.secret = "uss_nothing";
	for (int i = 0; i < 20; i++) {
		r = ask(w, &wrong, "");
		refused(&r, 401, "invalid_client", "invalid_client");
	}
	r = ask(w, &p, "");
	refused(&r, 429, "throttled", "slow_down");
	assert_non_null(header_of(w, &r, "Retry-After"));
	w->clock_ms += 2000;
	assert_int_equal(ask(w, &p, "").status, 200);
}

/* The log of the account's customer tells who was refused, and no other's does. */
static void the_record_tells_of_tokens_and_refusals(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "recorded"), q = p;
	const char *token = get(w, &p);
	struct reply r =
		expect(w, OWN_ADMIN, "GET", "/v1/events?types=token.created&limit=200", NULL, 200);

	assert_non_null(strstr(r.body, p.id));
	assert_null(strstr(r.body, token));
	/* the secret of another customer's program: that one is not named */
	struct program foreign =
		program_of(w, OTHER_ADMIN, "foreign", "{\"name\":\"t\",\"scopes\":[\"*\"]}");

	q.secret = foreign.secret;
	r = ask(w, &q, "");
	refused(&r, 401, "invalid_client", "invalid_client");
	r = expect(w, OWN_ADMIN, "GET", "/v1/events?types=token.refused&limit=200", NULL, 200);
	assert_non_null(strstr(r.body, p.id));
	assert_null(strstr(r.body, foreign.id));
	r = expect(w, OTHER_ADMIN, "GET", "/v1/events?types=token.*&limit=200", NULL, 200);
	assert_null(strstr(r.body, p.id));
	assert_null(strstr(r.body, "token.refused"));
}

static void an_account_has_a_hundred_at_most(void **state)
{
	struct world *w = *state;
	struct program p = program(w, "many");
	const char *first = get(w, &p), *second = get(w, &p);

	for (int i = 2; i < 100; i++)
		get(w, &p);
	assert_int_equal(shorts(w, &p), 100);
	assert_int_equal(status_with(w, first, "/v1/vms"), 200);
	get(w, &p);
	assert_int_equal(shorts(w, &p), 100);
	assert_int_equal(status_with(w, first, "/v1/vms"), 401);
	assert_int_equal(status_with(w, second, "/v1/vms"), 200);
	/* what has ended is forgotten */
	w->clock_ms += 3601000;
	get(w, &p);
	assert_int_equal(shorts(w, &p), 1);
}

int main(void)
{
#define STORY(name) cmocka_unit_test_setup(name, fresh)
	const struct CMUnitTest tests[] = {
		STORY(a_program_gets_a_short_token),
		STORY(it_shows_itself_by_http_basic_or_json_as_well),
		STORY(it_may_less_and_never_more),
		STORY(it_ends_with_its_secret),
		STORY(it_ends_when_a_rotated_secret_does),
		STORY(it_stops_while_its_account_is_disabled),
		STORY(a_secret_is_good_where_it_is_bound_to),
		STORY(a_short_token_gets_no_other),
		STORY(what_is_wrong_is_told_in_the_words_of_oauth),
		STORY(who_tries_secrets_must_wait),
		STORY(the_record_tells_of_tokens_and_refusals),
		STORY(an_account_has_a_hundred_at_most),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
