/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rates and levels. Above about 2 Gbit/s compressing costs more than it saves, below 0.2 Gbit/s the
 * better level pays.
 */
#include "agent/replication/pace.h"

#include <string.h>

static const double fast = 250e6, slow = 25e6; /* bytes per second */

enum { LOOK_BYTES = 4 << 20 };

static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

static bool has_day(const struct ud_transfer_window *w, int weekday)
{
	if (w->days.count == 0)
		return true;
	for (size_t i = 0; i < w->days.count; i++)
		if (strcmp(w->days.items[i], days[weekday]) == 0)
			return true;
	return false;
}

/* A window over midnight belongs to the day it begins on. */
static bool holds(const struct ud_transfer_window *w, int weekday, int minute)
{
	if (w->from_minute <= w->until_minute)
		return has_day(w, weekday) && minute >= w->from_minute && minute < w->until_minute;
	return (has_day(w, weekday) && minute >= w->from_minute) ||
		(has_day(w, (weekday + 6) % 7) && minute < w->until_minute);
}

int64_t ud_pace_rate(const struct ud_transfer_window *windows, size_t count, int64_t standard,
	int weekday, int minute)
{
	if (count == 0)
		return standard;
	for (size_t i = 0; i < count; i++)
		if (holds(&windows[i], weekday, minute))
			return windows[i].rate_bytes_per_second == UD_NONE
				? standard
				: windows[i].rate_bytes_per_second;
	return 0;
}

int64_t ud_bucket_take(struct ud_bucket *bucket, int64_t rate, int64_t n, int64_t now_us)
{
	double most = (double)rate / 4;

	if (rate == UD_NONE || rate <= 0) {
		*bucket = (struct ud_bucket){ .at_us = now_us };
		return 0;
	}
	if (bucket->at_us)
		bucket->bytes += (double)rate * (double)(now_us - bucket->at_us) / 1e6;
	if (bucket->bytes > most)
		bucket->bytes = most;
	bucket->at_us = now_us;
	bucket->bytes -= (double)n;
	return bucket->bytes >= 0 ? 0 : (int64_t)(-bucket->bytes / (double)rate * 1e6);
}

void ud_link_sent(struct ud_link_speed *speed, int64_t n, int64_t took_us)
{
	speed->bytes += n;
	speed->busy_us += took_us;
	if (speed->bytes < LOOK_BYTES)
		return;
	double now = (double)speed->bytes * 1e6 / (double)(speed->busy_us ? speed->busy_us : 1);

	speed->bytes_per_second =
		speed->bytes_per_second > 0 ? (3 * speed->bytes_per_second + now) / 4 : now;
	speed->bytes = speed->busy_us = 0;
}

int ud_link_level(const struct ud_link_speed *speed, unsigned compression, int64_t rate)
{
	static const int levels[] = {
		[UD_COMPRESSION_NONE] = 0, [UD_COMPRESSION_ZSTD1] = 1, [UD_COMPRESSION_ZSTD3] = 3
	};
	double link = speed->bytes_per_second;

	if (compression != UD_COMPRESSION_AUTO)
		return levels[compression < UD_LEN(levels) ? compression : UD_COMPRESSION_NONE];
	if (rate != UD_NONE && rate > 0 && (link == 0 || (double)rate < link))
		link = (double)rate;
	if (link == 0)
		return 1; /* not known: the middle way */
	return link > fast ? 0 : link > slow ? 1 : 3;
}
