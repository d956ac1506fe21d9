/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting connections and requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "server/http/limits.h"

static void an_address_has_so_many_connections(void **state)
{
	struct ud_limits *l = ud_limits_new(100, 3, 0, 1);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(ud_limits_connect(l, "192.0.2.1", false));
	assert_false(ud_limits_connect(l, "192.0.2.1", false));
	assert_true(ud_limits_connect(l, "192.0.2.2", false));
	ud_limits_disconnect(l, "192.0.2.1", false);
	assert_true(ud_limits_connect(l, "192.0.2.1", false));
	ud_limits_release(&l);
}

static void an_exempt_address_counts_in_the_total_only(void **state)
{
	struct ud_limits *l = ud_limits_new(10, 3, 0, 1);

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_true(ud_limits_connect(l, "127.0.0.1", true));
	assert_false(ud_limits_connect(l, "127.0.0.1", true));
	assert_false(ud_limits_connect(l, "192.0.2.2", false));
	ud_limits_release(&l);
}

static void many_addresses_do_not_crowd_out_one(void **state)
{
	struct ud_limits *l = ud_limits_new(1000000, 2, 0, 1);
	char name[32];

	(void)state;
	for (int i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name), "10.0.%d.%d", i / 250, i % 250);
		assert_true(ud_limits_connect(l, name, false));
	}
	for (int i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name), "10.0.%d.%d", i / 250, i % 250);
		assert_true(ud_limits_connect(l, name, false));
		assert_false(ud_limits_connect(l, name, false));
	}
	ud_limits_release(&l);
}

static void a_bucket_empties_and_fills_again(void **state)
{
	struct ud_limits *l = ud_limits_new(10, 0, 60, 5);
	struct ud_limit_state s = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++) {
		s = ud_limits_take(l, "tok_1", 1000);
		assert_true(s.allowed);
		assert_int_equal(s.remaining, 4 - i);
	}
	s = ud_limits_take(l, "tok_1", 1000);
	assert_false(s.allowed);
	assert_int_equal(s.reset_seconds, 1);
	assert_true(ud_limits_take(l, "tok_2", 1000).allowed);
	assert_false(ud_limits_take(l, "tok_1", 1500).allowed);
	assert_true(ud_limits_take(l, "tok_1", 2001).allowed);
	s = ud_limits_take(l, "tok_1", 3600000);
	assert_int_equal(s.remaining, 4);
	ud_limits_release(&l);
}

static void many_calls_in_one_are_owed(void **state)
{
	struct ud_limits *l = ud_limits_new(10, 0, 60, 5);

	(void)state;
	assert_true(ud_limits_take(l, "tok_1", 1000).allowed);
	ud_limits_charge(l, "tok_1", 10, 1000); /* 4 were left: 6 are owed, one a second */
	struct ud_limit_state s = ud_limits_take(l, "tok_1", 7900);

	assert_false(s.allowed);
	assert_int_equal(s.remaining, 0);
	assert_int_equal(s.reset_seconds, 1);
	s = ud_limits_take(l, "tok_1", 1000000);
	assert_true(s.allowed);
	assert_int_equal(s.remaining, 4);
	ud_limits_release(&l);
}

static void no_limit_is_no_limit(void **state)
{
	struct ud_limits *l = ud_limits_new(10, 0, 0, 1);

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(ud_limits_take(l, "x", 0).allowed);
	ud_limits_charge(l, "x", 1000, 0);
	assert_int_equal(ud_limits_take(l, "x", 0).quota, 0);
	ud_limits_release(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_so_many_connections),
		cmocka_unit_test(an_exempt_address_counts_in_the_total_only),
		cmocka_unit_test(many_addresses_do_not_crowd_out_one),
		cmocka_unit_test(a_bucket_empties_and_fills_again),
		cmocka_unit_test(many_calls_in_one_are_owed),
		cmocka_unit_test(no_limit_is_no_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
