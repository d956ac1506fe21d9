/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ids and secrets.
 */
#include "base/id.h"

#include <string.h>

#include "base/crypto.h"
#include "support/context.h"

static void an_id_carries_its_prefix_and_instant(void **state)
{
	struct ud_ctx *cx = *state;
	/* 01ARZ3NDEK is 1469922850259 ms: the ULID specification's example */
	const char *id = ud_id_new(cx->arena, cx->env, INT64_C(1469922850259), "vm");

	assert_memory_equal(id, "vm_01arz3ndek", 13);
	assert_int_equal(strlen(id), 29);
	assert_true(ud_id_valid(id, "vm"));
	assert_true(ud_id_valid(id, NULL));
	assert_false(ud_id_valid(id, "cus"));
}

static void ids_sort_by_their_instant(void **state)
{
	struct ud_ctx *cx = *state;
	const char *before = ud_id_new(cx->arena, cx->env, 0, "op");

	for (int64_t ms = 1; ms < INT64_C(1) << 47; ms *= 3) {
		const char *id = ud_id_new(cx->arena, cx->env, ms, "op");

		assert_true(strcmp(before, id) < 0);
		before = id;
	}
}

static void no_two_ids_are_equal(void **state)
{
	struct ud_ctx *cx = *state;
	char text[200][UD_ULID_TEXT];

	for (size_t i = 0; i < UD_LEN(text); i++) {
		ud_ulid(cx->env, cx->now_ms, text[i]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(text[i], text[j]);
	}
}

static void what_is_no_id_is_refused(void **state)
{
	static const char *const texts[] = { "", "_", "vm", "vm_", "_01arz3ndektsv4rrffq69g5fav",
		"v_01arz3ndektsv4rrffq69g5fav", "toolong_01arz3ndektsv4rrffq69g5fav",
		"VM_01arz3ndektsv4rrffq69g5fav", "v1_01arz3ndektsv4rrffq69g5fav",
		"vm_01arz3ndektsv4rrffq69g5fa", "vm_01arz3ndektsv4rrffq69g5favv",
		"vm_01ARZ3NDEKTSV4RRFFQ69G5FAV", "vm_01arz3ndektsv4rrffq69g5fau",
		"vm_01arz3ndektsv4rrffq69g5fa ", "vm-01arz3ndektsv4rrffq69g5fav" };

	(void)state;
	for (size_t i = 0; i < UD_LEN(texts); i++)
		if (ud_id_valid(texts[i], NULL))
			fail_msg("%s", texts[i]);
}

static void a_secret_is_known_by_its_crc(void **state)
{
	struct ud_ctx *cx = *state;
	char *secret = ud_secret_new(cx->arena, cx->env, "usp");
	size_t n = strlen(secret);

	assert_int_equal(n, 3 + 1 + 8 + 43 + 6);
	assert_true(ud_secret_formed(secret, "usp"));
	assert_false(ud_secret_formed(secret, "uss"));
	for (size_t i = 0; i < n; i++) {
		char was = secret[i];

		secret[i] = was == 'a' ? 'b' : 'a';
		assert_false(ud_secret_formed(secret, "usp"));
		secret[i] = was;
	}
	assert_false(ud_secret_formed(ud_strndup(cx->arena, secret, n - 1), "usp"));
	assert_false(ud_secret_formed(ud_printf(cx->arena, "%sa", secret), "usp"));
	assert_false(ud_secret_formed("", "usp"));
}

/* Bytes at and above 248 would favour the first characters: they are drawn again. */
static void counting_random(const struct ud_env *env, void *buf, size_t n)
{
	unsigned *next = env->data;

	for (size_t i = 0; i < n; i++)
		((unsigned char *)buf)[i] = (unsigned char)(*next)++;
}

static void all_characters_of_a_secret_are_equally_likely(void **state)
{
	struct ud_ctx *cx = *state;
	unsigned next = 0, seen[256] = { 0 };
	struct ud_env env = *cx->env;

	env.random = counting_random;
	env.data = &next;
	/* 248 characters come of each 256 bytes; 51 of chance in a secret: 248 secrets are whole */
	for (int i = 0; i < 248; i++) {
		const char *s = ud_secret_new(cx->arena, &env, "x") + 2;

		for (int j = 0; j < 51; j++)
			seen[(unsigned char)s[j]]++;
	}
	for (unsigned c = 0; c < 256; c++)
		assert_true(seen[c] == 0 || seen[c] == 248 * 51 / 62);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_carries_its_prefix_and_instant),
		cmocka_unit_test(ids_sort_by_their_instant),
		cmocka_unit_test(no_two_ids_are_equal),
		cmocka_unit_test(what_is_no_id_is_refused),
		cmocka_unit_test(a_secret_is_known_by_its_crc),
		cmocka_unit_test(all_characters_of_a_secret_are_equally_likely),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
