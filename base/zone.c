/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading TZif: the second, 64-bit block where there is one, and the rule behind it for the years
 * that the table no longer lists. Every count is checked against the bytes that are there.
 */
#include "base/zone.h"

#include <string.h>

#include "base/env.h"
#include "base/file.h"
#include "base/time.h"

enum { HEADER = 44, FILE_MAX = 65536, DAY = 86400, TYPES_MAX = 256 };

/* Bytes yet to be read. */
struct cut {
	const unsigned char *at;
	size_t left;
};

static const unsigned char *bytes(struct cut *c, size_t n)
{
	const unsigned char *p = c->at;

	if (n > c->left)
		return NULL;
	c->at += n;
	c->left -= n;
	return p;
}

static int64_t big_endian(const unsigned char *p, int n)
{
	uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

struct counts {
	uint32_t utc, standard, leap, time, type, chars;
	char version;
};

static bool header(struct cut *c, struct counts *ret)
{
	const unsigned char *p = bytes(c, HEADER);

	if (!p || memcmp(p, "TZif", 4) != 0)
		return false;
	uint32_t *const numbers[] = { &ret->utc, &ret->standard, &ret->leap, &ret->time, &ret->type,
		&ret->chars };

	for (size_t i = 0; i < UD_LEN(numbers); i++)
		*numbers[i] = (uint32_t)big_endian(p + 20 + 4 * i, 4);
	ret->version = (char)p[4];
	return ret->type >= 1 && ret->type <= TYPES_MAX && ret->time < FILE_MAX &&
		ret->leap < FILE_MAX && ret->chars < FILE_MAX && ret->utc <= ret->type &&
		ret->standard <= ret->type;
}

static size_t block_size(const struct counts *n, size_t time_size)
{
	return n->time * (time_size + 1) + n->type * 6 + n->chars + n->leap * (time_size + 4) +
		n->standard + n->utc;
}

static bool block(
	ud_arena *arena, struct cut *c, const struct counts *n, int time_size, struct ud_zone *ret)
{
	const unsigned char *times = bytes(c, (size_t)n->time * (size_t)time_size);
	const unsigned char *which = bytes(c, n->time), *types = bytes(c, (size_t)n->type * 6);
	int64_t *at = ud_alloc(arena, (n->time + 1) * sizeof(*at));
	int32_t *offsets = ud_alloc(arena, (n->time + 1) * sizeof(*offsets));

	if (!times || !which || !types)
		return false;
	offsets[0] = (int32_t)big_endian(types, 4);
	for (uint32_t i = 0; i < n->time; i++) {
		at[i] = big_endian(times + (size_t)i * (size_t)time_size, time_size);
		if (which[i] >= n->type || (i && at[i] <= at[i - 1]))
			return false;
		offsets[i + 1] = (int32_t)big_endian(types + which[i] * 6, 4);
	}
	for (uint32_t i = 0; i <= n->time; i++)
		if (offsets[i] < -26 * 3600 || offsets[i] > 26 * 3600)
			return false;
	ret->at = at;
	ret->offsets = offsets;
	ret->count = n->time;
	return bytes(c, n->chars + n->leap * ((size_t)time_size + 4) + n->standard + n->utc) !=
		NULL;
}

/* ---- the rule behind the table: POSIX TZ ---- */

static bool number(const char **s, int least, int most, int *ret)
{
	int v = 0, digits = 0;

	for (; **s >= '0' && **s <= '9' && digits < 5; (*s)++, digits++)
		v = v * 10 + (**s - '0');
	*ret = v;
	return digits && v >= least && v <= most;
}

static bool take(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* [+-]h[:m[:s]] as seconds. */
static bool clock_time(const char **s, int most_hours, int *ret)
{
	int sign = 1, h = 0, m = 0, sec = 0;

	if (take(s, '-'))
		sign = -1;
	else
		take(s, '+');
	if (!number(s, 0, most_hours, &h) || (take(s, ':') && !number(s, 0, 59, &m)) ||
		(take(s, ':') && !number(s, 0, 59, &sec)))
		return false;
	*ret = sign * (h * 3600 + m * 60 + sec);
	return true;
}

static bool skip_name(const char **s)
{
	const char *begin = *s;

	if (take(s, '<')) {
		*s += strcspn(*s, ">");
		return take(s, '>') && *s - begin > 2;
	}
	while ((**s >= 'A' && **s <= 'Z') || (**s >= 'a' && **s <= 'z'))
		(*s)++;
	return *s - begin >= 3;
}

static bool change_day(const char **s, struct ud_zone_rule *r)
{
	if (take(s, 'M')) {
		r->kind = UD_ZONE_WEEKDAY;
		return number(s, 1, 12, &r->month) && take(s, '.') && number(s, 1, 5, &r->week) &&
			take(s, '.') && number(s, 0, 6, &r->day);
	}
	r->kind = take(s, 'J') ? UD_ZONE_JULIAN : UD_ZONE_DAY;
	return number(s, r->kind == UD_ZONE_JULIAN, 365, &r->day);
}

static bool change(const char **s, struct ud_zone_rule *r)
{
	r->seconds = 2 * 3600;
	return take(s, ',') && change_day(s, r) &&
		(!take(s, '/') || clock_time(s, 167, &r->seconds));
}

static bool rule(const char *s, struct ud_zone *z)
{
	int west = 0;

	if (!skip_name(&s) || !clock_time(&s, 24, &west))
		return false;
	z->standard = -west;
	z->has_summer = *s != 0;
	if (!z->has_summer)
		return z->ruled = true;
	if (!skip_name(&s))
		return false;
	z->summer = z->standard + 3600;
	if (*s && *s != ',') {
		if (!clock_time(&s, 24, &west))
			return false;
		z->summer = -west;
	}
	return z->ruled = change(&s, &z->begins) && change(&s, &z->ends) && !*s;
}

/* The line behind the second block; an empty one means that the table is all. */
static bool footer(ud_arena *arena, struct cut *c, struct ud_zone *ret)
{
	const unsigned char *end;

	if (c->left < 2 || c->at[0] != '\n')
		return false;
	end = memchr(c->at + 1, '\n', c->left - 1);
	if (!end)
		return false;
	const char *text = ud_strndup(arena, (const char *)c->at + 1, (size_t)(end - c->at) - 1);

	return !*text || rule(text, ret);
}

bool ud_zone_read(ud_arena *arena, const void *data, size_t n, struct ud_zone *ret)
{
	struct cut c = { data, n };
	struct counts counts = { 0 };
	struct ud_zone z = { 0 };

	if (!header(&c, &counts))
		return false;
	if (counts.version < '2') {
		if (!block(arena, &c, &counts, 4, &z))
			return false;
	} else if (!bytes(&c, block_size(&counts, 4)) || !header(&c, &counts) ||
		!block(arena, &c, &counts, 8, &z) || !footer(arena, &c, &z)) {
		return false;
	}
	*ret = z;
	return true;
}

enum ud_code ud_zone_load(struct ud_ctx *cx, const char *name, struct ud_zone *ret)
{
	static const int32_t utc[] = { 0 };
	const char *data = NULL;
	size_t n = 0;

	if (strcmp(name, "UTC") == 0) {
		*ret = (struct ud_zone){ .offsets = utc };
		return UD_OK;
	}
	if (strstr(name, "..") || name[0] == '/')
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s is no time zone", name);
	UD_TRY(ud_file_read(
		cx, ud_printf(cx->arena, "/usr/share/zoneinfo/%s", name), FILE_MAX, &data, &n));
	return ud_zone_read(cx->arena, data, n, ret)
		? UD_OK
		: ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the file of %s is damaged", name);
}

/* ---- offsets ---- */

static bool is_leap(int y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* The local second at which a rule takes hold in a year, by the clock in force before it. */
static int64_t change_at(const struct ud_zone_rule *r, int year)
{
	int64_t first = ud_days_from_civil(year, 1, 1), day;

	if (r->kind == UD_ZONE_DAY) {
		day = first + r->day;
	} else if (r->kind == UD_ZONE_JULIAN) { /* 29 February is not counted */
		day = first + r->day - 1 + (is_leap(year) && r->day >= 60);
	} else {
		int64_t month = ud_days_from_civil(year, r->month, 1);
		int64_t next = r->month == 12 ? ud_days_from_civil(year + 1, 1, 1)
					      : ud_days_from_civil(year, r->month + 1, 1);
		int weekday = ud_weekday(month); /* 0 = Monday */

		day = month + (r->day + 6 - weekday) % 7 + 7 * (r->week - 1);
		if (day >= next)
			day -= 7;
	}
	return day * DAY + r->seconds;
}

static int64_t floor_day(int64_t seconds)
{
	return seconds / DAY - (seconds % DAY < 0);
}

static int32_t ruled_offset(const struct ud_zone *z, int64_t utc)
{
	int y, m, d;

	if (!z->has_summer)
		return z->standard;
	ud_civil_from_days(floor_day(utc + z->standard), &y, &m, &d);
	int64_t begins = change_at(&z->begins, y) - z->standard;
	int64_t ends = change_at(&z->ends, y) - z->summer;
	/* south of the equator summer is around New Year */
	bool summer = begins < ends ? utc >= begins && utc < ends : utc >= begins || utc < ends;

	return summer ? z->summer : z->standard;
}

int32_t ud_zone_offset(const struct ud_zone *z, int64_t utc)
{
	size_t low = 0, high = z->count; /* transitions before low have happened */

	if (z->ruled && (!z->count || utc >= z->at[z->count - 1]))
		return ruled_offset(z, utc);
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (z->at[mid] <= utc)
			low = mid + 1;
		else
			high = mid;
	}
	return z->offsets[low];
}

/* The first second between two with the offset of the second. */
static int64_t jump_between(const struct ud_zone *z, int64_t low, int64_t high)
{
	int32_t after = ud_zone_offset(z, high);

	while (high - low > 1) {
		int64_t mid = low + (high - low) / 2;

		if (ud_zone_offset(z, mid) == after)
			high = mid;
		else
			low = mid;
	}
	return high;
}

int64_t ud_zone_utc(const struct ud_zone *z, int64_t local, bool later)
{
	int32_t before = ud_zone_offset(z, local - DAY), after = ud_zone_offset(z, local + DAY);
	int64_t first = local - before, second = local - after;
	bool first_fits = ud_zone_offset(z, first) == before;
	bool second_fits = ud_zone_offset(z, second) == after;

	if (first_fits && (!later || !second_fits))
		return first;
	return second_fits ? second : jump_between(z, second, first);
}
