/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two open hash tables under one mutex: connection counts by address and token buckets by
 * principal. A bucket that is full again says nothing and may be overwritten.
 */
#include "server/http/limits.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { SLOTS = 16384, PROBES = 16, NAME = 64 };

struct address {
	char name[NAME];
	int count;
};

struct bucket {
	char name[NAME];
	int64_t tokens_milli; /* thousandths of a request */
	int64_t at_ms;
};

struct ud_limits {
	pthread_mutex_t mutex;
	int connections, per_address, requests_per_minute, burst;
	int total;
	struct address addresses[SLOTS];
	struct bucket buckets[SLOTS];
};

struct ud_limits *ud_limits_new(
	int connections, int per_address, int requests_per_minute, int burst)
{
	struct ud_limits *l = ud_malloc(sizeof(*l));

	pthread_mutex_init(&l->mutex, NULL);
	l->connections = connections;
	l->per_address = per_address;
	l->requests_per_minute = requests_per_minute;
	l->burst = burst > 0 ? burst : 1;
	return l;
}

void ud_limits_release(struct ud_limits **limits)
{
	if (!*limits)
		return;
	pthread_mutex_destroy(&(*limits)->mutex);
	ud_free(*limits);
	*limits = NULL;
}

static size_t slot_of(const char *s)
{
	uint64_t h = 14695981039346656037ULL; /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	return (size_t)(h % SLOTS);
}

/* The entry of an address, or a free one for it; NULL when all near ones are taken. */
static struct address *find_address(struct ud_limits *l, const char *name)
{
	struct address *empty = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		struct address *a = &l->addresses[(slot_of(name) + i) % SLOTS];

		if (a->count && strncmp(a->name, name, NAME - 1) == 0)
			return a;
		if (!a->count && !empty)
			empty = a;
	}
	if (empty)
		snprintf(empty->name, NAME, "%s", name);
	return empty;
}

bool ud_limits_connect(struct ud_limits *l, const char *address, bool exempt)
{
	pthread_mutex_lock(&l->mutex);
	struct address *a = exempt || !l->per_address ? NULL : find_address(l, address);
	bool fine = l->total < l->connections &&
		(exempt || !l->per_address || (a && a->count < l->per_address));

	if (fine) {
		l->total++;
		if (a)
			a->count++;
	}
	pthread_mutex_unlock(&l->mutex);
	return fine;
}

void ud_limits_disconnect(struct ud_limits *l, const char *address, bool exempt)
{
	pthread_mutex_lock(&l->mutex);
	l->total--;
	if (!exempt && l->per_address) {
		struct address *a = find_address(l, address);

		if (a && a->count)
			a->count--;
	}
	pthread_mutex_unlock(&l->mutex);
}

/* The bucket of a name, filled up to now; a full or old one is taken over. */
static struct bucket *find_bucket(struct ud_limits *l, const char *name, int64_t now)
{
	int64_t full = (int64_t)l->burst * 1000;
	struct bucket *spare = NULL;

	for (size_t i = 0; i < PROBES; i++) {
		struct bucket *b = &l->buckets[(slot_of(name) + i) % SLOTS];
		int64_t grown = b->tokens_milli + (now - b->at_ms) * l->requests_per_minute / 60;

		if (b->name[0] && strncmp(b->name, name, NAME - 1) == 0) {
			b->tokens_milli = grown > full ? full : grown;
			b->at_ms = now;
			return b;
		}
		if (!spare || !b->name[0] || grown >= full)
			spare = b;
	}
	snprintf(spare->name, NAME, "%s", name);
	spare->tokens_milli = full;
	spare->at_ms = now;
	return spare;
}

struct ud_limit_state ud_limits_take(struct ud_limits *l, const char *who, int64_t now)
{
	struct ud_limit_state s = {
		.allowed = true, .quota = l->requests_per_minute, .window_seconds = 60
	};

	if (!l->requests_per_minute)
		return s;
	pthread_mutex_lock(&l->mutex);
	struct bucket *b = find_bucket(l, who, now);
	int64_t full = (int64_t)l->burst * 1000;

	s.allowed = b->tokens_milli >= 1000;
	if (s.allowed)
		b->tokens_milli -= 1000;
	s.remaining = b->tokens_milli > 0 ? b->tokens_milli / 1000 : 0;
	int64_t missing = s.allowed ? full - b->tokens_milli : 1000 - b->tokens_milli;

	s.reset_seconds = (missing * 60 / l->requests_per_minute + 999) / 1000;
	pthread_mutex_unlock(&l->mutex);
	return s;
}

void ud_limits_charge(struct ud_limits *l, const char *who, int64_t n, int64_t now)
{
	if (!l->requests_per_minute)
		return;
	pthread_mutex_lock(&l->mutex);
	find_bucket(l, who, now)->tokens_milli -= n * 1000;
	pthread_mutex_unlock(&l->mutex);
}
