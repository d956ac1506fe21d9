/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which passwords are taken, and that hashes answer to the right one only.
 */
#include "base/password.h"

#include <stdio.h>
#include <string.h>

#include "support/context.h"

static const unsigned char pepper[UD_PEPPER] = { 1 }, other_pepper[UD_PEPPER] = { 2 };

static void good_passwords_are_taken(void **state)
{
	static const char *const good[] = { "violet tram over nine hills", "xK9$mQ2!vL7&",
		"\xd0\xba\xd0\xb8\xd1\x82 \xd0\xb7\xd0\xb0 \xd0\xbe\xd0\xba\xd0\xbd\xd0\xbe\xd0\xbc",
		"password of a whole sentence", "qwerty makes good coffee" };

	(void)state;
	for (size_t i = 0; i < UD_LEN(good); i++)
		if (ud_password_rule(good[i], "nobody@example.net"))
			fail_msg("%s", good[i]);
	assert_null(ud_password_rule(good[0], NULL));
}

static void length_is_counted_in_characters(void **state)
{
	char text[300];

	(void)state;
	assert_non_null(ud_password_rule("elevenchars", NULL));
	assert_null(ud_password_rule("twelve-chars", NULL));
	/* eleven characters of 22 bytes */
	assert_non_null(ud_password_rule("\xc3\xa0\xc3\xa1\xc3\xa2\xc3\xa3\xc3\xa4\xc3\xa5"
					 "\xc3\xa6\xc3\xa7\xc3\xa8\xc3\xa9\xc3\xaa",
		NULL));
	for (int i = 0; i < 129; i++)
		text[i] = (char)('a' + i * 7 % 26);
	text[129] = 0;
	assert_non_null(ud_password_rule(text, NULL));
	text[128] = 0;
	assert_null(ud_password_rule(text, NULL));
}

static void well_known_passwords_are_refused(void **state)
{
	static const char *const bad[] = { "password1234", "Password123!", "PASSWORDPASSWORD",
		"p@ssw0rd2026!", "qwertyuiop123", "qwertyuiop[]", "1q2w3e4r5t6y", "1qaz2wsx3edc",
		"123456789012", "1234567890123456", "0987654321098", "administrator",
		"administrator1", "letmein12345", "letmeinletmein", "welcome12345!", "changeme1234",
		"correcthorsebatterystaple", "understudy2026", "iloveyou1234", "qwerty123456",
		"abcdefghijkl", "abc123abc123", "asdfghjkl123", "zaq12wsxcde3", "q1w2e3r4t5y6",
		"qazwsxedcrfv", "trustno1trustno1", "1234qwerasdf", "adminadmin12",
		"thisisapassword", "mypassword123", "iamthebest123", "abcd1234abcd" };

	(void)state;
	for (size_t i = 0; i < UD_LEN(bad); i++)
		if (!ud_password_rule(bad[i], NULL))
			fail_msg("%s", bad[i]);
}

/* First, last and others of the file, long enough by themselves or with what people put behind. */
static void passwords_of_the_list_are_refused(void **state)
{
	static const char *const bad[] = { "mailcreated5240", "MailCreated5240", "polniypizdec0211",
		"leavemealone", "finalfantasy", "sonyericsson2", "ghjcnjgfhjkm", "websolutions!",
		"!qaz2wsx!qaz2wsx", "zzzzzz1234567", "leavemealoneleavemealone1" };
	static const char *const good[] = { "leavemealonf", "leavemealone please",
		"mailcreatex5240", "eavemealone-tram", "~~tilde~~first",
		"\xc3\xa9t\xc3\xa9 leavemealone" };

	(void)state;
	for (size_t i = 0; i < UD_LEN(bad); i++)
		if (!ud_password_rule(bad[i], NULL))
			fail_msg("%s", bad[i]);
	for (size_t i = 0; i < UD_LEN(good); i++)
		if (ud_password_rule(good[i], NULL))
			fail_msg("%s", good[i]);
}

/* Every line of the file that is long enough is found, whatever its place. */
static void every_line_of_the_list_is_found(void **state)
{
	FILE *f = fopen(UD_SOURCE_DIR "/data/known-passwords.txt", "r");
	char line[256];
	size_t lines = 0;

	(void)state;
	assert_non_null(f);
	for (; fgets(line, sizeof(line), f); lines++) {
		size_t n = strcspn(line, "\n");

		/* digits behind it make each long enough and never the same four only */
		snprintf(line + n, sizeof(line) - n, "%s", "1234567");
		if (!ud_password_rule(line, NULL))
			fail_msg("%s", line);
	}
	fclose(f);
	assert_int_equal(lines, 100000);
}

static void repeated_characters_are_refused(void **state)
{
	(void)state;
	assert_non_null(ud_password_rule("aaaaaaaaaaaaaaaa", NULL));
	assert_non_null(ud_password_rule("xyxyxyxyxyxyxyxy", NULL));
	assert_non_null(ud_password_rule("abcdabcdabcdabcd", NULL));
}

static void a_password_made_from_the_email_is_refused(void **state)
{
	(void)state;
	assert_non_null(ud_password_rule("my-Operator-is-me", "operator@example.net"));
	assert_null(ud_password_rule("my-Operator-is-me", "else@example.net"));
	/* a short name would forbid too much */
	assert_null(ud_password_rule("violets and trams", "tra@example.net"));
}

static void a_hash_answers_to_its_password_and_pepper_only(void **state)
{
	struct ud_ctx *cx = *state;
	const char *hash = NULL, *again = NULL;

	assert_int_equal(
		ud_password_hash(cx, pepper, UD_COST_CUSTOMER, "violet tram nine", &hash), UD_OK);
	assert_memory_equal(hash, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
	assert_true(ud_password_verify(pepper, hash, "violet tram nine"));
	assert_false(ud_password_verify(pepper, hash, "violet tram ninf"));
	assert_false(ud_password_verify(pepper, hash, ""));
	assert_false(ud_password_verify(other_pepper, hash, "violet tram nine"));
	assert_int_equal(
		ud_password_hash(cx, pepper, UD_COST_CUSTOMER, "violet tram nine", &again), UD_OK);
	assert_string_not_equal(hash, again);
}

static void the_end_of_a_long_password_counts(void **state)
{
	struct ud_ctx *cx = *state;
	char text[129];
	const char *hash = NULL;

	memset(text, 'a', 128);
	text[128] = 0;
	assert_int_equal(ud_password_hash(cx, pepper, UD_COST_CUSTOMER, text, &hash), UD_OK);
	text[127] = 'b';
	assert_false(ud_password_verify(pepper, hash, text));
}

static void a_hash_of_another_cost_is_outdated(void **state)
{
	struct ud_ctx *cx = *state;
	const char *hash = NULL;

	assert_int_equal(
		ud_password_hash(cx, pepper, UD_COST_STAFF, "violet tram nine", &hash), UD_OK);
	assert_memory_equal(hash, "$argon2id$v=19$m=65536,t=3,p=1$", 31);
	assert_true(ud_password_verify(pepper, hash, "violet tram nine"));
	assert_false(ud_password_outdated(hash, UD_COST_STAFF));
	assert_true(ud_password_outdated(hash, UD_COST_CUSTOMER));
	assert_true(ud_password_outdated("not a hash", UD_COST_STAFF));
}

static void nobody_has_the_hash_of_nobody(void **state)
{
	(void)state;
	for (int cost = UD_COST_CUSTOMER; cost <= UD_COST_STAFF; cost++) {
		const char *hash = ud_password_nobody((enum ud_password_cost)cost);

		assert_false(ud_password_outdated(hash, (enum ud_password_cost)cost));
		assert_false(ud_password_verify(pepper, hash, ""));
		assert_false(ud_password_verify(pepper, hash, "violet tram nine"));
	}
	assert_false(ud_password_verify(pepper, "", "violet tram nine"));
	assert_false(ud_password_verify(pepper, "$argon2id$", "violet tram nine"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_passwords_are_taken),
		cmocka_unit_test(length_is_counted_in_characters),
		cmocka_unit_test(well_known_passwords_are_refused),
		cmocka_unit_test(passwords_of_the_list_are_refused),
		cmocka_unit_test(every_line_of_the_list_is_found),
		cmocka_unit_test(repeated_characters_are_refused),
		cmocka_unit_test(a_password_made_from_the_email_is_refused),
		cmocka_unit_test(a_hash_answers_to_its_password_and_pepper_only),
		cmocka_unit_test(the_end_of_a_long_password_counts),
		cmocka_unit_test(a_hash_of_another_cost_is_outdated),
		cmocka_unit_test(nobody_has_the_hash_of_nobody),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
