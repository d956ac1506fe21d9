/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Zones and working time: offsets of real zones around their changes, years behind the table, and
 * deadlines across weekends, holidays and both changes of the clocks.
 */
#include "support/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/calendar.h"
#include "base/file.h"
#include "base/time.h"

static int64_t ms(const char *text)
{
	int64_t v = 0;

	if (!ud_time_parse(text, &v))
		fail_msg("%s is no instant", text);
	return v;
}

static void offsets_follow_the_zone(void **state)
{
	static const struct {
		const char *zone, *at;
		int minutes;
	} rows[] = {
		{ "UTC", "2026-07-01T00:00:00Z", 0 },
		{ "Europe/London", "2026-01-01T00:00:00Z", 0 },
		{ "Europe/London", "2026-03-29T00:59:59Z", 0 },
		{ "Europe/London", "2026-03-29T01:00:00Z", 60 },
		{ "Europe/London", "2026-10-25T00:59:59Z", 60 },
		{ "Europe/London", "2026-10-25T01:00:00Z", 0 },
		{ "Europe/London", "2099-07-01T00:00:00Z", 60 }, /* by the rule */
		{ "Europe/London", "2099-12-01T00:00:00Z", 0 },
		{ "America/New_York", "2026-03-08T06:59:59Z", -300 },
		{ "America/New_York", "2026-03-08T07:00:00Z", -240 },
		{ "America/New_York", "2090-11-05T05:59:59Z", -240 },
		{ "America/New_York", "2090-11-05T06:00:00Z", -300 },
		{ "Australia/Sydney", "2080-01-15T00:00:00Z", 660 }, /* summer around New Year */
		{ "Australia/Sydney", "2080-07-15T00:00:00Z", 600 },
		{ "Asia/Kolkata", "2026-07-01T00:00:00Z", 330 },
		{ "Asia/Kathmandu", "2050-07-01T00:00:00Z", 345 },
		{ "Pacific/Auckland", "2026-04-04T13:59:59Z", 780 },
		{ "Pacific/Auckland", "2026-04-04T14:00:00Z", 720 },
	};
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct ud_zone z = { 0 };

		assert_int_equal(ud_zone_load(cx, rows[i].zone, &z), UD_OK);
		int32_t got = ud_zone_offset(&z, ms(rows[i].at) / 1000);

		if (got != rows[i].minutes * 60)
			fail_msg("%s at %s: %d minutes, wanted %d", rows[i].zone, rows[i].at,
				got / 60, rows[i].minutes);
	}
}

static void local_times_that_are_skipped_or_doubled_have_an_instant(void **state)
{
	static const struct {
		const char *zone, *local, *first, *later;
	} rows[] = {
		{ "Europe/London", "2026-06-01T09:00:00Z", "2026-06-01T08:00:00Z",
			"2026-06-01T08:00:00Z" },
		/* 01:30 does not come */
		{ "Europe/London", "2026-03-29T01:30:00Z", "2026-03-29T01:00:00Z",
			"2026-03-29T01:00:00Z" },
		/* 01:30 comes twice */
		{ "Europe/London", "2026-10-25T01:30:00Z", "2026-10-25T00:30:00Z",
			"2026-10-25T01:30:00Z" },
		{ "America/New_York", "2026-11-01T01:00:00Z", "2026-11-01T05:00:00Z",
			"2026-11-01T06:00:00Z" },
	};
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct ud_zone z = { 0 };
		int64_t local = ms(rows[i].local) / 1000;

		assert_int_equal(ud_zone_load(cx, rows[i].zone, &z), UD_OK);
		assert_int_equal(ud_zone_utc(&z, local, false), ms(rows[i].first) / 1000);
		assert_int_equal(ud_zone_utc(&z, local, true), ms(rows[i].later) / 1000);
	}
}

static void damaged_zones_are_refused(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_zone z = { 0 };
	const char *data = NULL;
	size_t n = 0;

	assert_int_equal(ud_zone_load(cx, "Europe/Nowhere", &z), UD_E_UNAVAILABLE);
	assert_int_equal(ud_zone_load(cx, "../../../etc/passwd", &z), UD_E_UNAVAILABLE);
	ud_ctx_clear(cx);
	assert_int_equal(
		ud_file_read(cx, "/usr/share/zoneinfo/Europe/London", 65536, &data, &n), UD_OK);
	/* every cut is refused, but for the one at the end of the first block of an old file */
	for (size_t cut = 0; cut < n; cut++)
		assert_false(ud_zone_read(cx->arena, data, cut, &z));
	assert_true(ud_zone_read(cx->arena, data, n, &z));
	/* no changed byte makes it read beyond its end */
	char *copy = malloc(n);

	for (size_t at = 0; at < n; at++) {
		memcpy(copy, data, n);
		copy[at] = (char)~copy[at];
		if (ud_zone_read(cx->arena, copy, n, &z))
			(void)ud_zone_offset(&z, 1900000000);
	}
	free(copy);
}

static struct ud_calendar_rules office(struct ud_ctx *cx, const char *zone)
{
	const char *items[] = { "08:00-12:00", "13:00-17:00" };
	const struct ud_texts hours = { items, 2 };
	struct ud_calendar_rules c = { 0 };

	assert_int_equal(ud_zone_load(cx, zone, &c.zone), UD_OK);
	for (size_t day = 0; day < 5; day++)
		assert_true(ud_hours_read(&hours, c.hours[day], &c.counts[day]));
	assert_true(ud_date_read("2026-12-25", &c.holidays[0]));
	c.holiday_count = 1;
	return c;
}

static struct ud_calendar_rules always(struct ud_ctx *cx, const char *zone)
{
	const char *items[] = { "00:00-24:00" };
	const struct ud_texts hours = { items, 1 };
	struct ud_calendar_rules c = { 0 };

	assert_int_equal(ud_zone_load(cx, zone, &c.zone), UD_OK);
	for (size_t day = 0; day < UD_WEEK; day++)
		assert_true(ud_hours_read(&hours, c.hours[day], &c.counts[day]));
	return c;
}

static void working_time_skips_nights_weekends_and_holidays(void **state)
{
	static const struct {
		const char *from, *due;
		int64_t seconds;
	} rows[] = {
		/* Wednesday morning: over lunch */
		{ "2026-11-25T11:00:00Z", "2026-11-25T14:00:00Z", 2 * 3600 },
		/* before the day begins */
		{ "2026-11-25T03:00:00Z", "2026-11-25T09:00:00Z", 3600 },
		/* Friday evening: Monday */
		{ "2026-11-27T16:30:00Z", "2026-11-30T08:30:00Z", 3600 },
		/* the end of a shift belongs to it */
		{ "2026-11-25T16:00:00Z", "2026-11-25T17:00:00Z", 3600 },
		/* nothing to do: the next begin */
		{ "2026-11-28T12:00:00Z", "2026-11-30T08:00:00Z", 0 },
		/* over a holiday, a Friday, and its weekend */
		{ "2026-12-24T16:00:00Z", "2026-12-28T09:00:00Z", 2 * 3600 },
	};
	struct ud_ctx *cx = *state;
	struct ud_calendar_rules c = office(cx, "Europe/London");

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		int64_t due = 0;

		assert_true(ud_calendar_due(&c, ms(rows[i].from), rows[i].seconds, &due));
		if (due != ms(rows[i].due))
			fail_msg("row %zu: %lld, wanted %s", i, (long long)due, rows[i].due);
		assert_int_equal(ud_calendar_between(&c, ms(rows[i].from), due), rows[i].seconds);
	}
	assert_int_equal(
		ud_calendar_between(&c, ms("2026-11-25T12:00:00Z"), ms("2026-11-25T11:00:00Z")), 0);
}

static void clocks_that_change_are_counted_as_lived(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_calendar_rules c = office(cx, "Europe/London"), day = always(cx, "Europe/London");
	int64_t due = 0;

	/* Friday to Monday over the change of spring: 08:00 is an hour earlier in UTC */
	assert_true(ud_calendar_due(&c, ms("2026-03-27T16:30:00Z"), 3600, &due));
	assert_int_equal(due, ms("2026-03-30T07:30:00Z"));
	assert_true(ud_calendar_due(&c, ms("2026-10-23T15:30:00Z"), 3600, &due));
	assert_int_equal(due, ms("2026-10-26T08:30:00Z"));
	/* a day of 23 hours and one of 25 */
	assert_int_equal(
		ud_calendar_between(&day, ms("2026-03-29T00:00:00Z"), ms("2026-03-29T23:00:00Z")),
		23 * 3600);
	assert_int_equal(
		ud_calendar_between(&day, ms("2026-10-24T23:00:00Z"), ms("2026-10-26T00:00:00Z")),
		25 * 3600);
	assert_true(ud_calendar_due(&day, ms("2026-10-24T23:00:00Z"), 25 * 3600, &due));
	assert_int_equal(due, ms("2026-10-26T00:00:00Z"));
}

/* What is due after so long, and how long it was until then, agree at every hour of a year. */
static void due_and_between_agree(void **state)
{
	static const char *const zones[] = { "Europe/London", "America/New_York",
		"Australia/Lord_Howe" };
	struct ud_ctx *cx = *state;

	for (size_t z = 0; z < UD_LEN(zones); z++) {
		struct ud_calendar_rules c = office(cx, zones[z]);

		for (int hour = 0; hour < 366 * 24; hour += 5) {
			int64_t from = ms("2026-01-01T00:17:00Z") + hour * INT64_C(3600000);
			int64_t seconds = (hour * INT64_C(977)) % 400000, due = 0;

			assert_true(ud_calendar_due(&c, from, seconds, &due));
			assert_true(due >= from);
			assert_int_equal(ud_calendar_between(&c, from, due), seconds);
		}
	}
}

static void hours_and_days_are_checked(void **state)
{
	static const char *const wrong[] = { "8:00-12:00", "08:00-08:00", "12:00-08:00",
		"08:00-24:01", "08:60-12:00", "08:00_12:00", "08:00-12:00 ", "-1:00-12:00" };
	const char *twice[] = { "08:00-12:00", "11:00-13:00" };
	const struct ud_texts overlapping = { twice, 2 };
	struct ud_hours hours[UD_HOURS_MAX];
	struct ud_calendar_rules none = { 0 };
	int64_t day, due;
	size_t n;

	for (size_t i = 0; i < UD_LEN(wrong); i++) {
		const char *item[] = { wrong[i] };
		const struct ud_texts one = { item, 1 };

		if (ud_hours_read(&one, hours, &n))
			fail_msg("%s is taken", wrong[i]);
	}
	assert_false(ud_hours_read(&overlapping, hours, &n));
	assert_false(ud_date_read("2026-02-29", &day));
	assert_false(ud_date_read("2026-2-1", &day));
	assert_true(ud_date_read("1970-01-02", &day));
	assert_int_equal(day, 1);
	assert_int_equal(ud_zone_load(*state, "UTC", &none.zone), UD_OK);
	assert_false(ud_calendar_due(&none, 0, 1, &due)); /* nobody ever works */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			offsets_follow_the_zone, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			local_times_that_are_skipped_or_doubled_have_an_instant, context_begin,
			context_end),
		cmocka_unit_test_setup_teardown(
			damaged_zones_are_refused, context_begin, context_end),
		cmocka_unit_test_setup_teardown(working_time_skips_nights_weekends_and_holidays,
			context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			clocks_that_change_are_counted_as_lived, context_begin, context_end),
		cmocka_unit_test_setup_teardown(due_and_between_agree, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			hours_and_days_are_checked, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
