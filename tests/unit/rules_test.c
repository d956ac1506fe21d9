/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules on single texts, each with what it takes and what it refuses.
 */
#include "base/rules.h"

#include <string.h>
#include <unistd.h>

#include "support/context.h"

#define LABEL63 "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij123"

static const struct {
	ud_text_rule *rule;
	const char *text;
	bool fine;
} rows[] = {
	{ ud_rule_line, "s3same, open!", true },
	{ ud_rule_line, "a\nb", false },
	{ ud_rule_line, "a\x1b[2J", false },
	{ ud_rule_line, "a\x7f", false },
	{ ud_rule_line, " a", false },
	{ ud_rule_word, "bmc-7.example.net", true },
	{ ud_rule_word, "2001:db8::7", true },
	{ ud_rule_word, "-v", false },
	{ ud_rule_word, "a b", false },
	{ ud_rule_word, "a;b", false },
	{ ud_rule_word, "", false },
	{ ud_rule_email, "a@example.net", true },
	{ ud_rule_email, "first.last+tag@mail.example.co.uk", true },
	{ ud_rule_email, "", false },
	{ ud_rule_email, "a", false },
	{ ud_rule_email, "@example.net", false },
	{ ud_rule_email, "a@", false },
	{ ud_rule_email, "a@example", false },
	{ ud_rule_email, "a@.net", false },
	{ ud_rule_email, "a@example.", false },
	{ ud_rule_email, "a@example..net", false },
	{ ud_rule_email, "a@b@example.net", false },
	{ ud_rule_email, "a b@example.net", false },
	{ ud_rule_email, "a@example.net\nBcc: b@example.net", false },
	{ ud_rule_email, "<a@example.net>", false },
	{ ud_rule_email, LABEL63 "12@example.net", false },
	{ ud_rule_name, "", true },
	{ ud_rule_name, "Acme Ltd", true },
	{ ud_rule_name, " Acme", false },
	{ ud_rule_name, "Acme ", false },
	{ ud_rule_name, "Acme\nLtd", false },
	{ ud_rule_name, "Acme\tLtd", false },
	{ ud_rule_host_name, "lon-a", true },
	{ ud_rule_host_name, "7.Host_x", true },
	{ ud_rule_host_name, LABEL63, true },
	{ ud_rule_host_name, LABEL63 "4", false },
	{ ud_rule_host_name, "", false },
	{ ud_rule_host_name, "-a", false },
	{ ud_rule_host_name, ".a", false },
	{ ud_rule_host_name, "a b", false },
	{ ud_rule_host_name, "a/b", false },
	{ ud_rule_host_name, "\xc3\xa9", false },
	{ ud_rule_code, "lo", true },
	{ ud_rule_code, "lon-2", true },
	{ ud_rule_code, "abcdefghijklmnop", true },
	{ ud_rule_code, "abcdefghijklmnopq", false },
	{ ud_rule_code, "l", false },
	{ ud_rule_code, "", false },
	{ ud_rule_code, "2lon", false },
	{ ud_rule_code, "-lon", false },
	{ ud_rule_code, "Lon", false },
	{ ud_rule_time_zone, "UTC", true },
	{ ud_rule_time_zone, "Europe/London", true },
	{ ud_rule_time_zone, "America/Argentina/Buenos_Aires", true },
	{ ud_rule_time_zone, "Etc/GMT+5", true },
	{ ud_rule_time_zone, "", false },
	{ ud_rule_time_zone, "/etc/passwd", false },
	{ ud_rule_time_zone, "../../../etc/passwd", false },
	{ ud_rule_time_zone, "Europe/", false },
	{ ud_rule_time_zone, "Europe London", false },
	{ ud_rule_uuid, "6f1c8a52-3a0e-4f0b-9f83-0123456789ab", true },
	{ ud_rule_uuid, "6F1c8a52-3a0e-4f0b-9f83-0123456789ab", false },
	{ ud_rule_uuid, "6f1c8a52-3a0e-4f0b-9f83-0123456789a", false },
	{ ud_rule_uuid, "6f1c8a52-3a0e-4f0b-9f83-0123456789abc", false },
	{ ud_rule_uuid, "6f1c8a5203a0e-4f0b-9f83-0123456789ab", false },
	{ ud_rule_uuid, "", false },
	{ ud_rule_scope, "*", true },
	{ ud_rule_scope, "hosts:read", true },
	{ ud_rule_scope, "ip-blocks:allocate-address", true },
	{ ud_rule_scope, "hosts:*", true },
	{ ud_rule_scope, "", false },
	{ ud_rule_scope, "hosts", false },
	{ ud_rule_scope, "hosts:", false },
	{ ud_rule_scope, ":read", false },
	{ ud_rule_scope, "hosts:read:all", false },
	{ ud_rule_scope, "Hosts:read", false },
	{ ud_rule_scope, "**", false },
};

static void each_rule_takes_and_refuses(void **state)
{
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		const char *sentence = rows[i].rule(cx, rows[i].text);

		if (!sentence != rows[i].fine)
			fail_msg("row %zu: \"%s\": %s", i, rows[i].text,
				sentence ? sentence : "taken");
		if (sentence)
			assert_int_equal(sentence[strlen(sentence) - 1], '.');
	}
}

/* Only where the database is: without it the form is all that can be told. */
static void a_time_zone_is_a_zone_of_the_database(void **state)
{
	static const char *const no_zones[] = { "Europe", "Europe/Lodnon", "tzdata", "zone",
		"leapseconds", "Mars/Olympus" };

	if (access("/usr/share/zoneinfo", R_OK) != 0)
		skip();
	for (size_t i = 0; i < UD_LEN(no_zones); i++)
		if (!ud_rule_time_zone(*state, no_zones[i]))
			fail_msg("%s", no_zones[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_rule_takes_and_refuses),
		cmocka_unit_test(a_time_zone_is_a_zone_of_the_database),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
