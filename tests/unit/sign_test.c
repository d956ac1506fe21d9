/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signatures against the vectors of RFC 8032, 7.1.
 */
#include "base/sign.h"

#include <string.h>

#include "base/crypto.h"
#include "support/context.h"

static void unhex(const char *hex, unsigned char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (; *hex; hex += 2)
		*out++ = (unsigned char)((strchr(digits, hex[0]) - digits) << 4 |
			(strchr(digits, hex[1]) - digits));
}

static void signatures_are_those_of_the_rfc(void **state)
{
	static const struct {
		const char *key, *public_key, *message, *signature;
	} rows[] = {
		{ "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
			"5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
		{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "r",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
			"085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
	};
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		unsigned char key[UD_SIGN_KEY], public_key[UD_SIGN_PUBLIC], out[UD_SIGNATURE];

		unhex(rows[i].key, key);
		ud_sign_public(key, public_key);
		assert_string_equal(ud_hex(cx->arena, public_key, 32), rows[i].public_key);
		ud_sign(key, rows[i].message, strlen(rows[i].message), out);
		assert_string_equal(ud_hex(cx->arena, out, 64), rows[i].signature);
		assert_true(
			ud_sign_verify(public_key, rows[i].message, strlen(rows[i].message), out));
	}
}

static void whatever_was_changed_does_not_verify(void **state)
{
	struct ud_ctx *cx = *state;
	unsigned char key[UD_SIGN_KEY], public_key[UD_SIGN_PUBLIC], out[UD_SIGNATURE];
	char text[] = "promote vm_1 epoch 7";

	ud_sign_key(cx->env, key);
	ud_sign_public(key, public_key);
	ud_sign(key, text, sizeof(text), out);
	assert_true(ud_sign_verify(public_key, text, sizeof(text), out));
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] ^= 1;
		assert_false(ud_sign_verify(public_key, text, sizeof(text), out));
		text[i] ^= 1;
	}
	for (size_t i = 0; i < sizeof(out); i++) {
		out[i] ^= 1;
		assert_false(ud_sign_verify(public_key, text, sizeof(text), out));
		out[i] ^= 1;
	}
	assert_false(ud_sign_verify(public_key, text, sizeof(text) - 1, out));
	public_key[0] ^= 1;
	assert_false(ud_sign_verify(public_key, text, sizeof(text), out));
}

static void keys_are_fresh_and_can_be_wiped(void **state)
{
	struct ud_ctx *cx = *state;
	unsigned char a[UD_SIGN_KEY], b[UD_SIGN_KEY];

	ud_sign_key(cx->env, a);
	ud_sign_key(cx->env, b);
	assert_memory_not_equal(a, b, sizeof(a));
	ud_wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signatures_are_those_of_the_rfc),
		cmocka_unit_test(whatever_was_changed_does_not_verify),
		cmocka_unit_test(keys_are_fresh_and_can_be_wiped),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
