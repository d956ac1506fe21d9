/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of chains under one mutex. A suspended request stays where it is until its own loop
 * resumes it, so whoever takes it out of its chain may hand it over safely.
 */
#include "server/http/waiters.h"

#include <string.h>

enum { SLOTS = 4096 };

struct slot {
	struct ud_io *first;
	uint64_t woken; /* the count at the last wake of one of its keys */
};

struct ud_waiters {
	pthread_mutex_t mutex;
	_Atomic uint64_t count;
	struct slot slots[SLOTS];
};

struct ud_waiters *ud_waiters_new(void)
{
	struct ud_waiters *w = ud_malloc(sizeof(*w));

	pthread_mutex_init(&w->mutex, NULL);
	return w;
}

void ud_waiters_release(struct ud_waiters **waiters)
{
	if (!*waiters)
		return;
	pthread_mutex_destroy(&(*waiters)->mutex);
	ud_free(*waiters);
	*waiters = NULL;
}

uint64_t ud_waiters_count(const struct ud_waiters *w)
{
	return atomic_load(&w->count);
}

static struct slot *slot_of(struct ud_waiters *w, const char *key)
{
	uint64_t h = 14695981039346656037ULL; /* FNV-1a */

	for (; *key; key++)
		h = (h ^ (unsigned char)*key) * 1099511628211ULL;
	return &w->slots[h % SLOTS];
}

static void unlink_key(struct ud_io *io)
{
	*io->key_link = io->key_next;
	if (io->key_next)
		io->key_next->key_link = io->key_link;
	io->key_link = NULL;
}

bool ud_waiters_add(struct ud_waiters *w, struct ud_io *io)
{
	struct slot *s = slot_of(w, io->rq.wait_key);

	pthread_mutex_lock(&w->mutex);
	bool quiet = s->woken <= io->rq.wakes;

	if (quiet) {
		io->key_next = s->first;
		io->key_link = &s->first;
		if (s->first)
			s->first->key_link = &io->key_next;
		s->first = io;
	}
	pthread_mutex_unlock(&w->mutex);
	return quiet;
}

bool ud_waiters_take(struct ud_waiters *w, struct ud_io *io)
{
	pthread_mutex_lock(&w->mutex);
	bool there = io->key_link != NULL;

	if (there)
		unlink_key(io);
	pthread_mutex_unlock(&w->mutex);
	return there;
}

void ud_waiters_wake(struct ud_waiters *w, const char *key)
{
	struct slot *s = slot_of(w, key);

	pthread_mutex_lock(&w->mutex);
	s->woken = atomic_fetch_add(&w->count, 1) + 1;
	for (struct ud_io *io = s->first, *next; io; io = next) {
		next = io->key_next;
		if (strcmp(io->rq.wait_key, key) != 0)
			continue;
		unlink_key(io);
		ud_loop_finish(io);
	}
	pthread_mutex_unlock(&w->mutex);
}
