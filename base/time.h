/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants: milliseconds since 1970 UTC in C and SQL, RFC 3339 with Z and milliseconds on the wire.
 * Not for reading the clock (env.h) and not for calendar rules (calendar.h). Any thread.
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include "base/ud.h"

/* An instant in a row; ms = UD_NONE or 0 means absent. */
struct ud_time {
	int64_t ms;
};

enum { UD_TIME_TEXT = 32 }; /* room for one formatted instant */

/* Write "2026-11-23T09:41:07.250Z" (RFC 3339 5.6) and a NUL; returns the length without it. Years 1
 * to 9999. */
size_t ud_time_format(int64_t ms, char text[UD_TIME_TEXT]);
/*
 * Read an RFC 3339 date-time with any offset and up to nine decimals (cut to milliseconds); a leap
 * second counts as the next second. False, *ret_ms untouched, for anything else.
 */
bool ud_time_parse(const char *text, int64_t *ret_ms);

/* Days since 1970-01-01 of a civil date, and back. Any year. */
int64_t ud_days_from_civil(int64_t y, int m, int d);
void ud_civil_from_days(int64_t days, int *y, int *m, int *d);
/* The day of the week: 0 = Monday. */
int ud_weekday(int64_t days);

#endif
