/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time zones of the IANA database as the system keeps them (TZif, RFC 9636), read through the
 * context's files: no process-wide TZ, no locale, any thread. Knows offsets alone; calendars are
 * base/calendar.h.
 */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/ctx.h"

/* When the clocks change in years after the table: day and second of it, local time. */
struct ud_zone_rule {
	enum { UD_ZONE_WEEKDAY, UD_ZONE_JULIAN, UD_ZONE_DAY } kind;
	int month, week, day; /* WEEKDAY: 1-12, 1-5 (5 = last), 0-6 (0 = Sunday); else day alone */
	int seconds;          /* after midnight; may be negative or beyond the day */
};

/* A zone; its arrays live in the arena it was loaded into. */
struct ud_zone {
	const int64_t *at;      /* transitions, UTC seconds, rising */
	const int32_t *offsets; /* count + 1: before the first one, and after each */
	size_t count;
	bool ruled; /* after the last transition these hold */
	int32_t standard, summer;
	bool has_summer;
	struct ud_zone_rule begins, ends;
};

/* Load a zone by its name ("Europe/London"; "UTC" needs no file). UD_E_UNAVAILABLE when it is not
 * there or is damaged. */
enum ud_code ud_zone_load(struct ud_ctx *cx, const char *name, struct ud_zone *ret) UD_USE;
/* Read one from the bytes of a file; false when they are not one. */
bool ud_zone_read(ud_arena *arena, const void *data, size_t n, struct ud_zone *ret) UD_USE;

/* Seconds that local time is ahead of UTC at an instant (UTC seconds). */
int32_t ud_zone_offset(const struct ud_zone *zone, int64_t utc);
/*
 * The instant at which local clocks show a time (seconds since 1970 as if it were UTC). A time that
 * comes twice gives its first or, with later, its second instant; one that is skipped gives the
 * instant of the jump.
 */
int64_t ud_zone_utc(const struct ud_zone *zone, int64_t local, bool later);

#endif
