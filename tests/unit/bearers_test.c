/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a loop remembers of secrets: how long, and what not. The lookups here count how often they
 * are asked.
 */
#include "server/auth/bearers.h"

#include <string.h>

#include "support/context.h"

static const char known[] = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
static const char unknown[] = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752";

/* One row for `known`; cx->conn, which nobody else looks at here, counts. */
static enum ud_code look(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret)
{
	static const char *roles[] = { "operator" };

	++*(int *)(void *)cx->conn;
	*ret_found = strcmp(hash, known) == 0;
	if (*ret_found)
		*ret = (struct ud_bearer){
			.id = "tok_1", .role_names = { roles, 1 }, .active = true
		};
	return UD_OK;
}

static enum ud_code refuse(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret)
{
	(void)hash, (void)ret_found, (void)ret;
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "gone");
}

/* Lookups that it takes to find a hash. */
static int asked(struct ud_ctx *cx, struct ud_bearers *b, uint64_t commits, const char *hash)
{
	struct ud_bearer who = { 0 };
	int count = 0;
	bool found = false;

	cx->conn = (void *)&count;
	assert_int_equal(ud_bearers_find(cx, b, commits, look, hash, &found, &who), UD_OK);
	cx->conn = NULL;
	assert_int_equal(found, strcmp(hash, known) == 0);
	if (found) {
		assert_string_equal(who.id, "tok_1");
		assert_int_equal(who.role_names.count, 1);
		assert_string_equal(who.role_names.items[0], "operator");
		assert_null(who.customer_id);
	}
	return count;
}

static void a_secret_is_looked_up_once_until_a_commit_or_a_second(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_bearers *b = ud_bearers_new();

	assert_int_equal(asked(cx, b, 7, known), 1);
	assert_int_equal(asked(cx, b, 7, known), 0);
	assert_int_equal(asked(cx, b, 8, known), 1);
	cx->now_ms += 999;
	assert_int_equal(asked(cx, b, 8, known), 0);
	cx->now_ms += 1;
	assert_int_equal(asked(cx, b, 8, known), 1);
	cx->now_ms -= 1; /* a clock set back says nothing about age */
	assert_int_equal(asked(cx, b, 8, known), 1);
	ud_bearers_release(&b);
}

static void refusals_and_failures_are_not_remembered(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_bearers *b = ud_bearers_new();
	struct ud_bearer who = { 0 };
	bool found = false;

	assert_int_equal(asked(cx, b, 7, unknown), 1);
	assert_int_equal(asked(cx, b, 7, unknown), 1);
	assert_int_equal(ud_bearers_find(cx, b, 7, refuse, known, &found, &who), UD_E_UNAVAILABLE);
	assert_int_equal(asked(cx, b, 7, known), 1);
	/* a hash is remembered for the lookup that knew it, not for another kind of secret */
	assert_int_equal(ud_bearers_find(cx, b, 7, refuse, known, &found, &who), UD_E_UNAVAILABLE);
	ud_bearers_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_secret_is_looked_up_once_until_a_commit_or_a_second, context_begin,
			context_end),
		cmocka_unit_test_setup_teardown(
			refusals_and_failures_are_not_remembered, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
