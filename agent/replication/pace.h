/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast and how small: the rate that holds now, and the compression that the link wants. Sums
 * only; who waits is the sender.
 */
#ifndef AGENT_REPLICATION_PACE_H
#define AGENT_REPLICATION_PACE_H

#include "base/replication.h"

/*
 * Bytes per second that may be sent at a time of the week (0 = Monday, minute of the day): UD_NONE
 * = as many as go, 0 = nothing. Without windows the standard holds; else only inside one, at its
 * own rate or the standard. Pure.
 */
int64_t ud_pace_rate(const struct ud_transfer_window *windows, size_t count, int64_t standard,
	int weekday, int minute);

/* A bucket that fills at a rate and holds a quarter of a second. Times are of a steady clock. */
struct ud_bucket {
	int64_t at_us;
	double bytes;
};
/* Take n bytes; microseconds to wait before they are sent. rate UD_NONE = none. */
int64_t ud_bucket_take(struct ud_bucket *bucket, int64_t rate, int64_t n, int64_t now_us);

/* What the link was seen to do. */
struct ud_link_speed {
	int64_t bytes, busy_us;  /* since the last look */
	double bytes_per_second; /* 0 = not known yet */
};
/* n bytes went out in so much time, waiting for the other side included. */
void ud_link_sent(struct ud_link_speed *speed, int64_t n, int64_t took_us);
/* The level of zstd for the next chunk: 0 none, 1, 3. rate as above: it bounds the link, too. */
int ud_link_level(const struct ud_link_speed *speed, unsigned compression, int64_t rate);

#endif
