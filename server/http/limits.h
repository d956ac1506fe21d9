/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting: connections per address, requests per principal. Shared by the loops; every function
 * may be called from any thread. Bounded memory: entries that no longer matter are reused.
 */
#ifndef SERVER_HTTP_LIMITS_H
#define SERVER_HTTP_LIMITS_H

#include "base/ctx.h"

struct ud_limits;

/* requests_per_minute 0 = no rate limit; per_address 0 = no connection limit. */
struct ud_limits *ud_limits_new(
	int connections, int per_address, int requests_per_minute, int burst);
void ud_limits_release(struct ud_limits **limits);

/*
 * Count a connection. exempt = loopback, Unix socket or trusted proxy: only the total counts. False
 * = refuse it; then nothing was counted.
 */
bool ud_limits_connect(struct ud_limits *limits, const char *address, bool exempt);
void ud_limits_disconnect(struct ud_limits *limits, const char *address, bool exempt);

struct ud_limit_state {
	bool allowed;
	int64_t quota, window_seconds; /* for RateLimit-Policy */
	int64_t remaining;             /* requests left just now */
	/* until the bucket is full, or until the next request when not allowed */
	int64_t reset_seconds;
};
/* Take one request of a principal's (or address's) token bucket. quota 0 = unlimited. */
struct ud_limit_state ud_limits_take(struct ud_limits *limits, const char *who, int64_t mono_ms);
/*
 * Take n more of a call that was let in and does the work of many. The bucket may owe them: the
 * next calls wait for it.
 */
void ud_limits_charge(struct ud_limits *limits, const char *who, int64_t n, int64_t mono_ms);

#endif
