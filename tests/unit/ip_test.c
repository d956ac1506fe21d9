/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and prefixes.
 */
#include "base/ip.h"

#include <string.h>

#include "support/context.h"

static void addresses_have_one_spelling(void **state)
{
	static const struct {
		const char *text, *canonical;
		bool v4;
	} rows[] = {
		{ "192.0.2.7", "192.0.2.7", true },
		{ "0.0.0.0", "0.0.0.0", true },
		{ "255.255.255.255", "255.255.255.255", true },
		{ "2001:DB8:0:0:0:0:0:7", "2001:db8::7", false },
		{ "::", "::", false },
		{ "::1", "::1", false },
		{ "fe80::1:0:0:1", "fe80::1:0:0:1", false },
	};

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		char text[UD_IP_TEXT], hex[UD_IP_HEX];
		ud_ip ip;
		bool v4;

		assert_true(ud_ip_parse(rows[i].text, &ip, &v4));
		assert_int_equal(v4, rows[i].v4);
		ud_ip_format(ip, text);
		assert_string_equal(text, rows[i].canonical);
		ud_ip_hex(ip, hex);
		assert_int_equal(strlen(hex), 32);
		assert_true(ud_ip_unhex(hex) == ip);
	}
	assert_true(ud_ip_unhex("") == 0);
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = { "", "192.0.2", "192.0.2.256", "192.0.2.1 ",
		"192.0.2.01x", "::ffff:192.0.2.7", "1::2::3", "2001:db8::g", "fe80::1%eth0",
		"[::1]", "192.0.2.7/32" };
	ud_ip ip;
	bool v4;

	(void)state;
	for (size_t i = 0; i < UD_LEN(texts); i++)
		if (ud_ip_parse(texts[i], &ip, &v4))
			fail_msg("%s", texts[i]);
}

static void prefixes_have_a_first_a_last_and_usable_addresses(void **state)
{
	static const struct {
		const char *text, *first, *last, *usable_first, *usable_last;
	} rows[] = {
		{ "192.0.2.0/24", "192.0.2.0", "192.0.2.255", "192.0.2.1", "192.0.2.254" },
		{ "192.0.2.4/30", "192.0.2.4", "192.0.2.7", "192.0.2.5", "192.0.2.6" },
		{ "192.0.2.6/31", "192.0.2.6", "192.0.2.7", "192.0.2.6", "192.0.2.7" },
		{ "192.0.2.7/32", "192.0.2.7", "192.0.2.7", "192.0.2.7", "192.0.2.7" },
		{ "0.0.0.0/0", "0.0.0.0", "255.255.255.255", "0.0.0.1", "255.255.255.254" },
		{ "2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::1",
			"2001:db8::ffff:ffff:ffff:ffff" },
		{ "2001:db8::2/127", "2001:db8::2", "2001:db8::3", "2001:db8::2", "2001:db8::3" },
		{ "2001:db8::7/128", "2001:db8::7", "2001:db8::7", "2001:db8::7", "2001:db8::7" },
		{ "::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	};

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		const char *const right[] = { rows[i].first, rows[i].last, rows[i].usable_first,
			rows[i].usable_last };
		char text[UD_IP_TEXT];
		struct ud_prefix p;
		ud_ip usable[2];

		assert_true(ud_prefix_parse(rows[i].text, &p));
		ud_prefix_format(&p, text);
		assert_string_equal(text, rows[i].text);
		ud_prefix_usable(&p, &usable[0], &usable[1]);
		const ud_ip found[] = { p.first, p.last, usable[0], usable[1] };

		for (size_t j = 0; j < UD_LEN(found); j++) {
			ud_ip_format(found[j], text);
			assert_string_equal(text, right[j]);
		}
		assert_true(p.last - p.first + 1 == ud_prefix_size(p.length, p.v4));
	}
}

static void what_is_no_prefix_is_refused(void **state)
{
	static const char *const texts[] = { "", "/", "192.0.2.0", "192.0.2.0/", "192.0.2.0/33",
		"192.0.2.1/24", "192.0.2.0/-1", "192.0.2.0/+24", "192.0.2.0/ 24", "192.0.2.0/24x",
		"192.0.2.0/024", "2001:db8::/129", "2001:db8::1/64", "::1/0", "example/24",
		"192.0.2.0/99999999999999999999",
		"00000000000000000000000000000000000000000000000000000000000000000000000/8" };
	struct ud_prefix p;

	(void)state;
	for (size_t i = 0; i < UD_LEN(texts); i++)
		if (ud_prefix_parse(texts[i], &p))
			fail_msg("%s", texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_have_one_spelling),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(prefixes_have_a_first_a_last_and_usable_addresses),
		cmocka_unit_test(what_is_no_prefix_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
