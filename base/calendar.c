/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Working time is walked day by day, shift by shift: each shift's begin and end become instants
 * first, so that sums are of real time.
 */
#include "base/calendar.h"

#include <string.h>

enum { DAY = 86400, DAYS_MAX = 3660 };

/* "08:00" as minutes; 24:00 is the end of the day. -1 when it is none. */
static int minutes(const char *s)
{
	for (int i = 0; i < 5; i++)
		if (i == 2 ? s[i] != ':' : s[i] < '0' || s[i] > '9')
			return -1;
	int h = (s[0] - '0') * 10 + s[1] - '0', m = (s[3] - '0') * 10 + s[4] - '0';

	return m > 59 || h * 60 + m > DAY / 60 ? -1 : h * 60 + m;
}

bool ud_hours_read(const struct ud_texts *texts, struct ud_hours ret[UD_HOURS_MAX], size_t *ret_n)
{
	int last = 0;

	if (texts->count > UD_HOURS_MAX)
		return false;
	for (size_t i = 0; i < texts->count; i++) {
		const char *s = texts->items[i];

		if (strlen(s) != 11 || s[5] != '-')
			return false;
		ret[i] = (struct ud_hours){ minutes(s), minutes(s + 6) };
		if (ret[i].begin < last || ret[i].end <= ret[i].begin)
			return false;
		last = ret[i].end;
	}
	*ret_n = texts->count;
	return true;
}

bool ud_date_read(const char *text, int64_t *ret_days)
{
	char instant[32];
	int64_t ms;

	if (strlen(text) != 10)
		return false;
	memcpy(instant, text, 10);
	memcpy(instant + 10, "T00:00:00Z", 11);
	if (!ud_time_parse(instant, &ms))
		return false;
	*ret_days = ms / (DAY * INT64_C(1000));
	return true;
}

static bool is_holiday(const struct ud_calendar_rules *c, int64_t day)
{
	for (size_t i = 0; i < c->holiday_count; i++)
		if (c->holidays[i] == day)
			return true;
	return false;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* The local day of an instant. */
static int64_t local_day(const struct ud_calendar_rules *c, int64_t ms)
{
	int64_t utc = floor_div(ms, 1000);

	return floor_div(utc + ud_zone_offset(&c->zone, utc), DAY);
}

/* A shift as instants, in milliseconds. */
struct shift {
	int64_t begin, end;
};

static struct shift shift_of(
	const struct ud_calendar_rules *c, int64_t day, const struct ud_hours *h)
{
	return (struct shift){
		ud_zone_utc(&c->zone, day * DAY + h->begin * 60, false) * 1000,
		ud_zone_utc(&c->zone, day * DAY + h->end * 60, h->end < DAY / 60) * 1000,
	};
}

bool ud_calendar_due(
	const struct ud_calendar_rules *c, int64_t from_ms, int64_t seconds, int64_t *ret_ms)
{
	int64_t left = seconds * 1000, first = local_day(c, from_ms) - 1;

	for (int64_t day = first; day < first + DAYS_MAX; day++) {
		int week_day = ud_weekday(day);

		for (size_t i = 0; !is_holiday(c, day) && i < c->counts[week_day]; i++) {
			struct shift s = shift_of(c, day, &c->hours[week_day][i]);

			if (s.begin < from_ms)
				s.begin = from_ms;
			if (s.end <= s.begin)
				continue;
			if (left <= s.end - s.begin) {
				*ret_ms = s.begin + left;
				return true;
			}
			left -= s.end - s.begin;
		}
	}
	return false;
}

int64_t ud_calendar_between(const struct ud_calendar_rules *c, int64_t from_ms, int64_t to_ms)
{
	int64_t sum = 0, last = local_day(c, to_ms), first = local_day(c, from_ms) - 1;

	for (int64_t day = first; day <= last && day < first + DAYS_MAX; day++) {
		int week_day = ud_weekday(day);

		for (size_t i = 0; !is_holiday(c, day) && i < c->counts[week_day]; i++) {
			struct shift s = shift_of(c, day, &c->hours[week_day][i]);

			s.begin = s.begin < from_ms ? from_ms : s.begin;
			s.end = s.end > to_ms ? to_ms : s.end;
			if (s.end > s.begin)
				sum += s.end - s.begin;
		}
	}
	return sum / 1000;
}
