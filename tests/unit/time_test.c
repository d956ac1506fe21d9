/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants, and the clocks.
 */
#include "base/time.h"

#include <string.h>
#include <time.h>

#include "support/context.h"

static void instants_are_written_in_utc(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ 951782399999, "2000-02-28T23:59:59.999Z" },
		{ 951782400000, "2000-02-29T00:00:00.000Z" },
		{ 1795426867250, "2026-11-23T09:41:07.250Z" },
		{ 4107542399999, "2100-02-28T23:59:59.999Z" },
		{ 4107542400000, "2100-03-01T00:00:00.000Z" },
		{ 253402300799999, "9999-12-31T23:59:59.999Z" },
		{ -62135596800000, "0001-01-01T00:00:00.000Z" },
	};
	char text[UD_TIME_TEXT];
	int64_t back;

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		assert_int_equal(ud_time_format(rows[i].ms, text), 24);
		assert_string_equal(text, rows[i].text);
		assert_true(ud_time_parse(text, &back));
		assert_true(back == rows[i].ms);
	}
}

static void every_day_of_four_centuries_comes_back(void **state)
{
	char text[UD_TIME_TEXT], before[UD_TIME_TEXT] = "";
	int64_t back;

	(void)state;
	for (int64_t day = -80000; day < 80000; day++) {
		ud_time_format(day * 86400000 + 1, text);
		assert_true(ud_time_parse(text, &back));
		assert_true(back == day * 86400000 + 1);
		assert_true(memcmp(before, text, sizeof("2026-11-23")) != 0);
		memcpy(before, text, sizeof(text));
	}
}

static void offsets_and_fractions_are_read(void **state)
{
	static const char *const same[] = { "2026-11-23T09:41:07.250Z", "2026-11-23t09:41:07.25z",
		"2026-11-23T10:41:07.250+01:00", "2026-11-23T04:11:07.2509-05:30",
		"2026-11-24T09:40:07.250000001+23:59", "2026-11-22T09:42:07.25-23:59" };
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < UD_LEN(same); i++) {
		if (!ud_time_parse(same[i], &ms) || ms != INT64_C(1795426867250))
			fail_msg("%s", same[i]);
	}
	assert_true(ud_time_parse("2016-12-31T23:59:60Z", &ms));
	assert_true(ms == INT64_C(1483228800000));
}

static void what_is_no_instant_is_refused(void **state)
{
	static const char *const texts[] = { "", "2026", "2026-11-23", "2026-11-23T09:41",
		"2026-11-23T09:41:07", "2026-11-23 9:41:07Z", "2026-13-01T00:00:00Z",
		"2026-00-01T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z",
		"2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00+1:00",
		"2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60",
		"2026-01-01T00:00:00+0000", "2026-01-01T00:00:00ZZ", "2026-01-01T00:00:00Z ",
		" 2026-01-01T00:00:00Z", "02026-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
		"-001-01-01T00:00:00Z", "2026-1-01T00:00:00Z", "2026/01/01T00:00:00Z",
		"1795426867" };
	int64_t ms = 42;

	(void)state;
	for (size_t i = 0; i < UD_LEN(texts); i++)
		if (ud_time_parse(texts[i], &ms) || ms != 42)
			fail_msg("%s", texts[i]);
}

static void clocks_go_on(void **state)
{
	int64_t mono = ud_mono_ms(&ud_env_real), us = ud_stopwatch_us();
	struct timespec at, later;

	(void)state;
	assert_true(ud_now_ms(&ud_env_real) > INT64_C(1700000000000));
	assert_true(ud_mono_ms(&ud_env_real) >= mono);
	assert_true(ud_stopwatch_us() >= us);
	ud_deadline(0, &at);
	ud_deadline(1999, &later);
	int64_t gap = (later.tv_sec - at.tv_sec) * 1000 + (later.tv_nsec - at.tv_nsec) / 1000000;

	assert_true(gap >= 1998 && later.tv_nsec >= 0 && later.tv_nsec < 1000000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instants_are_written_in_utc),
		cmocka_unit_test(every_day_of_four_centuries_comes_back),
		cmocka_unit_test(offsets_and_fractions_are_read),
		cmocka_unit_test(what_is_no_instant_is_refused),
		cmocka_unit_test(clocks_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
