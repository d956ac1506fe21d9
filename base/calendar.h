/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Working time: hours of the week in a time zone, without holidays; when so many seconds of it are
 * over, and how many lie between two instants. Pure once it is made; the changes of clocks are
 * counted as people live them (a night shift of the autumn's change is an hour longer).
 */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include "base/shape.h"
#include "base/zone.h"

enum { UD_HOURS_MAX = 6, UD_WEEK = 7, UD_HOLIDAYS_MAX = 366 };

struct ud_hours {
	int begin, end; /* minutes after midnight; end up to 1440 */
};

struct ud_calendar_rules {
	struct ud_zone zone;
	struct ud_hours hours[UD_WEEK][UD_HOURS_MAX]; /* from Monday, in their order */
	size_t counts[UD_WEEK];
	int64_t holidays[UD_HOLIDAYS_MAX]; /* days since 1970, rising */
	size_t holiday_count;
};

/*
 * Read the hours of one day ("08:00-12:30", "13:00-24:00"): they rise and do not overlap. False
 * when they are none.
 */
bool ud_hours_read(const struct ud_texts *texts, struct ud_hours ret[UD_HOURS_MAX], size_t *ret_n)
	UD_USE;
/* Read "2026-12-25" as days since 1970; false when it is none. */
bool ud_date_read(const char *text, int64_t *ret_days) UD_USE;

/*
 * The instant (milliseconds) at which seconds of working time since from are over; 0 seconds give
 * the first instant of working time at or after from. False when that is more than ten years ahead.
 */
bool ud_calendar_due(const struct ud_calendar_rules *c, int64_t from_ms, int64_t seconds,
	int64_t *ret_ms) UD_USE;
/* Whole seconds of working time between two instants; 0 when to is not after from. */
int64_t ud_calendar_between(const struct ud_calendar_rules *c, int64_t from_ms, int64_t to_ms);

#endif
