/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Repeated calls whose first answer held a secret: the secret comes again, and the database never
 * shows it. What holds for all keys stands in customers_test.c.
 */
#include <stdio.h>
#include <string.h>

#include "db/engine/engine.h"
#include "db/idempotency.h"
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

/* Everything a kept row says, as one text. */
struct kept {
	const char *key, *text;
	int64_t rows;
};

static enum ud_code read_kept(struct ud_ctx *cx, void *data)
{
	struct kept *k = data;
	UD_AUTO(ud_rows) *rows = NULL;
	bool more;

	UD_TRY(ud_query(cx, &rows,
		"SELECT principal_id, key, COALESCE(customer_id, ''), request_hash, headers, body"
		" FROM idempotency_keys WHERE key = $1",
		UD_VALS(ud_t(k->key))));
	k->text = "";
	k->rows = 0;
	for (;;) {
		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			return UD_OK;
		k->rows++;
		for (int i = 0; i < 6; i++)
			k->text = ud_printf(cx->arena, "%s%s\n", k->text, ud_col_dup(cx, rows, i));
	}
}

static struct kept kept(struct world *w, const char *key)
{
	struct kept k = { .key = key };

	world_write(w, read_kept, &k);
	return k;
}

/* Call twice with a key: the same answer, by the book, and nothing of it to read in the row. */
static struct reply twice(struct world *w, enum who who, const char *path, const char *body,
	const char *key, const char *secret)
{
	const char *headers[] = { fmt(w, "Idempotency-Key: %s", key), NULL };
	struct reply first = call(w, who, "POST", path, body, headers),
		     again = call(w, who, "POST", path, body, headers);

	if (first.status / 100 != 2)
		fail_msg("%s: %d %s", path, first.status, first.body);
	assert_int_equal(first.status, again.status);
	assert_string_equal(first.body, again.body);
	assert_null(header_of(w, &first, "Idempotency-Replayed"));
	assert_string_equal(header_of(w, &again, "Idempotency-Replayed"), "true");
	for (const char *const *h =
			(const char *const[]){ "Location", "ETag", "Content-Type", NULL };
		*h; h++) {
		const char *a = header_of(w, &first, *h), *b = header_of(w, &again, *h);

		assert_string_equal(a ? a : "none", b ? b : "none");
	}
	struct kept k = kept(w, key);
	const char *shown = text_at(first.json, secret);

	assert_int_equal(k.rows, 1);
	assert_true(strlen(shown) > 8);
	assert_null(strstr(k.text, shown));
	assert_null(strstr(k.text, shown + strlen(shown) / 2));
	assert_null(strchr(k.text, '{'));
	return first;
}

static void a_secret_is_told_again_and_not_kept_readable(void **state)
{
	struct world *w = *state;
	const char *token = "{\"name\":\"again\",\"scopes\":[\"me:read\"]}";
	struct reply r = twice(w, OWN_ADMIN, "/v1/me/tokens", token, "k-token", "token");
	const char *bearer[] = { fmt(w, "X-Auth-Token: %s", text_at(r.json, "token")), NULL };

	assert_int_equal(call(w, NOBODY, "GET", "/v1/me", NULL, bearer).status, 200);
	r = expect(w, OPERATOR, "POST", "/v1/service-accounts",
		"{\"name\":\"again\",\"role\":\"support_lead\"}", 201);
	const char *tokens = fmt(w, "/v1/service-accounts/%s/tokens", text_at(r.json, "id"));

	twice(w, OPERATOR, tokens, "{\"name\":\"t\",\"scopes\":[\"*\"]}", "k-service", "token");
	r = expect(w, OPERATOR, "GET", tokens, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	r = twice(w, OWN_ADMIN, "/v1/users",
		"{\"email\":\"again@example.net\",\"display_name\":\"A\",\"role\":\"customer_viewer\"}",
		"k-user", "invitation_url");
	twice(w, OWN_ADMIN, fmt(w, "/v1/users/%s/invite", text_at(r.json, "id")), "{}", "k-invite",
		"invitation_url");
	twice(w, OWN_VIEWER, "/v1/me/totp", "{}", "k-totp", "secret");
}

static enum ud_code move_row(struct ud_ctx *cx, void *data)
{
	return ud_exec(cx, NULL,
		"UPDATE idempotency_keys SET principal_id = $1 WHERE key = 'k-moved'",
		UD_VALS(ud_t(data)));
}

static void a_sealed_answer_opens_in_its_own_place_only(void **state)
{
	struct world *w = *state;
	const char *body = "{\"name\":\"moved\",\"scopes\":[\"me:read\"]}";
	const char *key[] = { "Idempotency-Key: k-moved", NULL };

	twice(w, OWN_ADMIN, "/v1/me/tokens", body, "k-moved", "token");
	world_write(w, move_row, (void *)w->principal[OTHER_ADMIN]);
	struct reply r = call(w, OTHER_ADMIN, "POST", "/v1/me/tokens", body, key);

	expect_code(&r, 410, "expired");
	assert_null(strstr(r.body, "usp_"));
}

static void a_call_for_another_customer_is_another_call(void **state)
{
	struct world *w = *state;
	const char *body = "{\"name\":\"for-whom\"}";
	const char *own[] = { "Idempotency-Key: k-for",
		fmt(w, "Understudy-On-Behalf-Of: %s", w->own), NULL };
	const char *other[] = { own[0], fmt(w, "Understudy-On-Behalf-Of: %s", w->other), NULL };
	struct reply r = call(w, LEAD, "POST", "/v1/vms", body, own);

	assert_int_equal(r.status, 201);
	assert_string_equal(text_at(r.json, "customer_id"), w->own);
	r = call(w, LEAD, "POST", "/v1/vms", body, other);
	expect_code(&r, 409, "idempotency_key_in_use");
	r = call(w, LEAD, "POST", "/v1/vms", body, own);
	assert_string_equal(text_at(r.json, "customer_id"), w->own);
	assert_string_equal(header_of(w, &r, "Idempotency-Replayed"), "true");
}

static enum ud_code expire(struct ud_ctx *cx, void *data)
{
	int64_t n;

	(void)data;
	return ud_idempotent_expire(cx, cx->now_ms - INT64_C(7) * 86400000, &n);
}

static void a_sealed_answer_goes_with_its_key(void **state)
{
	struct world *w = *state;
	const char *body = "{\"name\":\"gone\",\"scopes\":[\"me:read\"]}";
	const char *key[] = { "Idempotency-Key: k-gone", NULL };
	struct reply first = twice(w, OWN_APPROVER, "/v1/me/tokens", body, "k-gone", "token");

	w->clock_ms = INT64_C(7) * 86400000 - 60000;
	world_write(w, expire, NULL);
	assert_int_equal(kept(w, "k-gone").rows, 1);
	w->clock_ms = INT64_C(7) * 86400000 + 60000;
	world_write(w, expire, NULL);
	assert_int_equal(kept(w, "k-gone").rows, 0);
	struct reply r = call(w, OWN_APPROVER, "POST", "/v1/me/tokens", body, key);

	assert_int_equal(r.status, 201);
	assert_null(header_of(w, &r, "Idempotency-Replayed"));
	assert_string_not_equal(text_at(r.json, "token"), text_at(first.json, "token"));
	w->clock_ms = 0;
}

/* The password is another one by then: the second call must not count as a wrong guess. */
static void an_empty_answer_comes_again_empty(void **state)
{
	struct world *w = *state;
	struct reply r = expect(w, OPERATOR, "POST", "/v1/users",
		"{\"email\":\"empty@example.net\",\"display_name\":\"E\",\"role\":\"support_agent\","
		"\"password\":\"quite a Long passphrase\"}",
		201);

	r = expect(w, NOBODY, "POST", "/v1/sessions",
		"{\"email\":\"empty@example.net\",\"password\":\"quite a Long passphrase\"}", 201);
	const char *set = header_of(w, &r, "Set-Cookie");
	const char *headers[] = { fmt(w, "Cookie: %.*s", (int)strcspn(set, ";"), set),
		fmt(w, "X-CSRF-Token: %s", text_at(r.json, "csrf_token")),
		"Idempotency-Key: k-empty", NULL };

	for (int i = 0; i < 2; i++) {
		r = call(w, NOBODY, "POST", "/v1/me/password",
			"{\"current_password\":\"quite a Long passphrase\","
			"\"new_password\":\"another Good phrase\"}",
			headers);
		assert_int_equal(r.status, 204);
		assert_int_equal(r.size, 0);
		assert_null(header_of(w, &r, "Content-Type"));
	}
	assert_string_equal(header_of(w, &r, "Idempotency-Replayed"), "true");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_told_again_and_not_kept_readable),
		cmocka_unit_test(a_sealed_answer_opens_in_its_own_place_only),
		cmocka_unit_test(a_call_for_another_customer_is_another_call),
		cmocka_unit_test(a_sealed_answer_goes_with_its_key),
		cmocka_unit_test(an_empty_answer_comes_again_empty),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
