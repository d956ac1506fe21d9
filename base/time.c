/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3339 reading and writing on the proleptic Gregorian calendar, without time_t and locale.
 */
#include "base/time.h"

#include <string.h>

/* Days since 1970-01-01 of a civil date; counting years from March puts the leap day last. */
int64_t ud_days_from_civil(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

void ud_civil_from_days(int64_t days, int *y, int *m, int *d)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t doe = days - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = (int)(yoe + era * 400 + (*m <= 2));
}

int ud_weekday(int64_t days)
{
	int64_t n = (days + 3) % 7; /* 1970-01-01 was a Thursday */

	return (int)(n < 0 ? n + 7 : n);
}

static char *put(char *p, int v, int digits)
{
	for (int i = digits - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + digits;
}

size_t ud_time_format(int64_t ms, char text[UD_TIME_TEXT])
{
	int64_t days = ms / 86400000 - (ms % 86400000 < 0);
	int rest = (int)(ms - days * 86400000), y, m, d;
	char *p = text;

	ud_civil_from_days(days, &y, &m, &d);
	p = put(p, y, 4), *p++ = '-';
	p = put(p, m, 2), *p++ = '-';
	p = put(p, d, 2), *p++ = 'T';
	p = put(p, rest / 3600000, 2), *p++ = ':';
	p = put(p, rest / 60000 % 60, 2), *p++ = ':';
	p = put(p, rest / 1000 % 60, 2), *p++ = '.';
	p = put(p, rest % 1000, 3), *p++ = 'Z';
	*p = 0;
	return (size_t)(p - text);
}

/* Exactly n digits at *s; advances. -1 otherwise. */
static int digits(const char **s, int n)
{
	int v = 0;

	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

static bool skip(const char **s, const char *set)
{
	if (!**s || !strchr(set, **s))
		return false;
	(*s)++;
	return true;
}

static int days_in_month(int y, int m)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;

	return days[m - 1] + (m == 2 && leap);
}

/* Optional ".123456789", cut to milliseconds; -1 when malformed. */
static int fraction(const char **s)
{
	int ms = 0, n = 0;

	if (**s != '.')
		return 0;
	for ((*s)++; **s >= '0' && **s <= '9'; (*s)++, n++)
		if (n < 3)
			ms = ms * 10 + (**s - '0');
	if (n < 1 || n > 9)
		return -1;
	for (; n < 3; n++)
		ms *= 10;
	return ms;
}

/* Offset in minutes at *s; false when malformed. */
static bool offset(const char **s, int *ret_minutes)
{
	if (skip(s, "Zz")) {
		*ret_minutes = 0;
		return true;
	}
	int sign = **s == '-' ? -1 : 1;

	if (!skip(s, "+-"))
		return false;
	int h = digits(s, 2);
	if (h < 0 || h > 23 || !skip(s, ":"))
		return false;
	int m = digits(s, 2);
	if (m < 0 || m > 59)
		return false;
	*ret_minutes = sign * (h * 60 + m);
	return true;
}

bool ud_time_parse(const char *s, int64_t *ret_ms)
{
	int y = digits(&s, 4), mo, d, h, mi, sec, ms, minutes;

	if (y < 1 || !skip(&s, "-") || (mo = digits(&s, 2)) < 1 || mo > 12 || !skip(&s, "-"))
		return false;
	if ((d = digits(&s, 2)) < 1 || d > days_in_month(y, mo) || !skip(&s, "Tt "))
		return false;
	if ((h = digits(&s, 2)) < 0 || h > 23 || !skip(&s, ":"))
		return false;
	if ((mi = digits(&s, 2)) < 0 || mi > 59 || !skip(&s, ":"))
		return false;
	if ((sec = digits(&s, 2)) < 0 || sec > 60 || (ms = fraction(&s)) < 0)
		return false;
	if (!offset(&s, &minutes) || *s)
		return false;
	*ret_ms = ((ud_days_from_civil(y, mo, d) * 24 + h) * 60 + mi - minutes) * 60000 +
		sec * 1000 + ms;
	return true;
}
