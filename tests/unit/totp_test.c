/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-time passwords against the vectors of RFC 6238, appendix B (last six of eight digits).
 */
#include "base/totp.h"

#include <string.h>

#include "support/context.h"

static const char rfc[] = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"; /* "12345678901234567890" */

static void codes_are_those_of_the_rfc(void **state)
{
	static const struct {
		int64_t seconds;
		const char *code;
	} rows[] = { { 59, "287082" }, { 1111111109, "081804" }, { 1111111111, "050471" },
		{ 1234567890, "005924" }, { 2000000000, "279037" }, { 20000000000, "353130" } };
	char code[7];

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		assert_true(ud_totp_code(rfc, rows[i].seconds / 30, code));
		assert_string_equal(code, rows[i].code);
		assert_true(ud_totp_match(rfc, rows[i].code, rows[i].seconds * 1000, -1) ==
			rows[i].seconds / 30);
	}
}

static void a_code_is_good_one_step_early_and_late(void **state)
{
	const int64_t step = 1000, now = step * 30000 + 15000;
	char code[7];

	(void)state;
	for (int64_t s = step - 3; s <= step + 3; s++) {
		ud_totp_code(rfc, s, code);
		assert_true(ud_totp_match(rfc, code, now, -1) ==
			(s >= step - 1 && s <= step + 1 ? s : -1));
	}
}

static void a_code_works_once(void **state)
{
	const int64_t now = 1111111109000;
	int64_t step = ud_totp_match(rfc, "081804", now, -1);

	(void)state;
	assert_true(step > 0);
	assert_int_equal(ud_totp_match(rfc, "081804", now, step), -1);
	assert_int_equal(ud_totp_match(rfc, "081804", now, step + 1), -1);
	assert_true(ud_totp_match(rfc, "081804", now, step - 1) == step);
}

static void what_is_no_code_is_refused(void **state)
{
	static const char *const codes[] = { "", "08180", "0818040", "81804", " 81804", "abcdef" };

	(void)state;
	for (size_t i = 0; i < UD_LEN(codes); i++)
		assert_int_equal(ud_totp_match(rfc, codes[i], 1111111109000, -1), -1);
}

static void what_is_no_secret_gives_no_code(void **state)
{
	char code[7], longest[200];

	(void)state;
	memset(longest, 'A', sizeof(longest));
	longest[199] = 0;
	assert_false(ud_totp_code("", 1, code));
	assert_false(ud_totp_code("gezd", 1, code));
	assert_false(ud_totp_code("GEZ1", 1, code));
	assert_false(ud_totp_code(longest, 1, code));
	assert_int_equal(ud_totp_match("GEZ1", "000000", 0, -1), -1);
}

static void secrets_are_fresh_and_have_160_bits(void **state)
{
	struct ud_ctx *cx = *state;
	const char *a = ud_totp_secret(cx->arena, cx->env), *b = ud_totp_secret(cx->arena, cx->env);
	char code[7];

	assert_int_equal(strlen(a), 32);
	assert_string_not_equal(a, b);
	assert_true(ud_totp_code(a, 1, code));
	assert_int_equal(strlen(code), 6);
}

static void the_address_names_account_and_secret(void **state)
{
	struct ud_ctx *cx = *state;

	assert_string_equal(ud_totp_uri(cx->arena, "a+b@example.net\xc3\xa9", rfc),
		"otpauth://totp/Understudy:a%2Bb%40example.net%C3%A9?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
		"&issuer=Understudy&algorithm=SHA1&digits=6&period=30");
}

/* Each byte value in turn, so that each letter comes equally often. */
static void counting_random(const struct ud_env *env, void *buf, size_t n)
{
	unsigned *next = env->data;

	for (size_t i = 0; i < n; i++)
		((unsigned char *)buf)[i] = (unsigned char)(*next)++;
}

static void recovery_codes_use_32_letters_equally(void **state)
{
	struct ud_ctx *cx = *state;
	unsigned next = 0, seen[256] = { 0 }, kinds = 0;
	struct ud_env env = *cx->env;

	env.random = counting_random;
	env.data = &next;
	for (int i = 0; i < 64; i++) {
		const char *code = ud_recovery_code(cx->arena, &env);

		assert_int_equal(strlen(code), 23);
		assert_true(code[5] == '-' && code[11] == '-' && code[17] == '-');
		for (; *code; code++)
			seen[(unsigned char)*code] += *code != '-';
	}
	for (unsigned c = 0; c < 256; c++) {
		assert_true(seen[c] == 0 || seen[c] == 64 * 20 / 32);
		kinds += seen[c] != 0;
	}
	assert_int_equal(kinds, 32);
	assert_int_equal(seen['0'] + seen['i'] + seen['l'] + seen['o'], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(codes_are_those_of_the_rfc),
		cmocka_unit_test(a_code_is_good_one_step_early_and_late),
		cmocka_unit_test(a_code_works_once),
		cmocka_unit_test(what_is_no_code_is_refused),
		cmocka_unit_test(what_is_no_secret_gives_no_code),
		cmocka_unit_test(secrets_are_fresh_and_have_160_bits),
		cmocka_unit_test(the_address_names_account_and_secret),
		cmocka_unit_test(recovery_codes_use_32_letters_equally),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
