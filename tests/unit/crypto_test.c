/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cryptography against published vectors, and what sealing promises.
 */
#include "base/crypto.h"

#include <string.h>

#include "support/context.h"

static void sha256_is_that_of_fips_180(void **state)
{
	char hex[UD_SHA256_HEX];

	(void)state;
	ud_sha256_hex("abc", 3, hex);
	assert_string_equal(
		hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ud_sha256_hex(NULL, 0, hex);
	assert_string_equal(
		hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void hmacs_are_those_of_the_rfcs(void **state)
{
	static const char data[] = "what do ya want for nothing?";
	struct ud_ctx *cx = *state;
	unsigned char mac[UD_SHA256];

	ud_hmac_sha256("Jefe", 4, data, strlen(data), mac); /* RFC 4231 4.3 */
	assert_string_equal(ud_hex(cx->arena, mac, 32),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	ud_hmac_sha1("Jefe", 4, data, strlen(data), mac); /* RFC 2202 3 */
	assert_string_equal(ud_hex(cx->arena, mac, 20), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}

static void crc32_is_that_of_ieee(void **state)
{
	(void)state;
	assert_int_equal(ud_crc32("123456789", 9), 0xcbf43926);
	assert_int_equal(ud_crc32("", 0), 0);
}

static void base64url_goes_there_and_back(void **state)
{
	static const struct {
		const char *data, *text;
		size_t n;
	} rows[] = { { "", "", 0 }, { "f", "Zg", 1 }, { "fo", "Zm8", 2 }, { "foo", "Zm9v", 3 },
		{ "foob", "Zm9vYg", 4 }, { "foobar", "Zm9vYmFy", 6 },
		{ "\xfb\xff\xfe", "-__-", 3 } };
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		size_t n = 99;

		assert_string_equal(ud_base64url(cx->arena, rows[i].data, rows[i].n), rows[i].text);
		unsigned char *back = ud_base64url_decode(cx->arena, rows[i].text, &n);

		assert_int_equal(n, rows[i].n);
		assert_memory_equal(back, rows[i].data, n);
	}
}

static void what_is_no_base64url_is_refused(void **state)
{
	static const char *const texts[] = { "Z", "Zm9vY", "Zg==", "Zm+v", "Zm/v", "Zm v",
		"Zm9v\n" };
	struct ud_ctx *cx = *state;
	size_t n;

	for (size_t i = 0; i < UD_LEN(texts); i++)
		assert_null(ud_base64url_decode(cx->arena, texts[i], &n));
}

static void texts_are_compared_whole(void **state)
{
	(void)state;
	assert_true(ud_equal_text("abc", "abc"));
	assert_false(ud_equal_text("abc", "abd"));
	assert_false(ud_equal_text("abc", "abcd"));
	assert_true(ud_equal_text("", ""));
	assert_true(ud_equal("a\0b", "a\0b", 3));
	assert_false(ud_equal("a\0b", "a\0c", 3));
}

static void what_is_sealed_opens_with_key_and_place_only(void **state)
{
	static const unsigned char key[UD_SEAL_KEY] = { 1, 2, 3 }, other[UD_SEAL_KEY] = { 1, 2, 4 };
	struct ud_ctx *cx = *state;
	const char *sealed = ud_seal(cx->arena, cx->env, key, "usr_1", "a secret");

	assert_null(strstr(sealed, "secret"));
	assert_string_equal(ud_unseal(cx->arena, key, "usr_1", sealed), "a secret");
	assert_null(ud_unseal(cx->arena, other, "usr_1", sealed));
	assert_null(ud_unseal(cx->arena, key, "usr_2", sealed));
	assert_string_not_equal(sealed, ud_seal(cx->arena, cx->env, key, "usr_1", "a secret"));
}

static void an_empty_text_is_sealed_too(void **state)
{
	static const unsigned char key[UD_SEAL_KEY] = { 9 };
	struct ud_ctx *cx = *state;
	const char *sealed = ud_seal(cx->arena, cx->env, key, "", "");

	assert_string_equal(ud_unseal(cx->arena, key, "", sealed), "");
}

static void a_seal_with_one_changed_bit_stays_shut(void **state)
{
	static const unsigned char key[UD_SEAL_KEY] = { 5 };
	struct ud_ctx *cx = *state;
	size_t n = 0;
	unsigned char *raw =
		ud_base64url_decode(cx->arena, ud_seal(cx->arena, cx->env, key, "a", "text"), &n);

	assert_int_equal(n, 12 + 4 + 16);
	for (size_t bit = 0; bit < n * 8; bit++) {
		raw[bit / 8] ^= (unsigned char)(1 << bit % 8);
		assert_null(ud_unseal(cx->arena, key, "a", ud_base64url(cx->arena, raw, n)));
		raw[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	assert_null(ud_unseal(cx->arena, key, "a", ud_base64url(cx->arena, raw, 27)));
	assert_null(ud_unseal(cx->arena, key, "a", "not base64url!"));
	assert_null(ud_unseal(cx->arena, key, "a", ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_is_that_of_fips_180),
		cmocka_unit_test(hmacs_are_those_of_the_rfcs),
		cmocka_unit_test(crc32_is_that_of_ieee),
		cmocka_unit_test(base64url_goes_there_and_back),
		cmocka_unit_test(what_is_no_base64url_is_refused),
		cmocka_unit_test(texts_are_compared_whole),
		cmocka_unit_test(what_is_sealed_opens_with_key_and_place_only),
		cmocka_unit_test(an_empty_text_is_sealed_too),
		cmocka_unit_test(a_seal_with_one_changed_bit_stays_shut),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
