/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every replica on this host is read through from time to time, one after the other, not faster
 * than allowed: what rots is found while the source can still send it again. It holds no lock but
 * for moments, and gives way as soon as the store is to be closed or the VM is brought up from it;
 * the store remembers how far it came.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/log.h"

enum { LOOK_MS = 30000 };

/* One replica under way. */
struct scrubbing {
	struct ud_lv_relation *r;
	ud_store *store; /* borrowed */
};

/* Is it a replica, and has one store for long? Under the book's lock. */
static bool fits(const struct ud_lv_relation *r)
{
	return !r->gone && r->store && r->relation.role == UD_RELATION_TARGET &&
		r->relation.state != UD_RELATION_REMOVED && !*r->state.failed_over &&
		!r->state.seed;
}

static bool borrow(struct scrubbing *s)
{
	struct ud_lv_book *book = s->r->lv->book;

	pthread_mutex_lock(&book->lock);
	s->store = fits(s->r) ? s->r->store : NULL;
	if (s->store)
		s->r->borrowed++;
	pthread_mutex_unlock(&book->lock);
	return s->store != NULL;
}

/* Who closes the store has taken it from the relation already. */
static bool go_on(void *data, int64_t bytes_done)
{
	const struct scrubbing *s = data;
	struct ud_lv_book *book = s->r->lv->book;

	(void)bytes_done;
	pthread_mutex_lock(&book->lock);
	bool on = !book->scrubs_no_more && fits(s->r) && s->r->store == s->store;

	pthread_mutex_unlock(&book->lock);
	return on;
}

static void found(void *data)
{
	const struct scrubbing *s = data;

	ud_log(UD_LOG_ERROR, "replica_wrong", "relation", s->r->id, NULL);
	ud_lv_relation_changed(s->r);
}

static bool is_due(struct ud_ctx *cx, const struct scrubbing *s, int64_t every_ms)
{
	int64_t last = ud_store_scrubbed_ms(cx, s->store), now = ud_now_ms(cx->env);

	return now < last || now - last >= every_ms;
}

static void scrub_one(struct scrubbing *s, const struct ud_hv_replication *with)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	const struct ud_scrub how = { .rate_bytes_per_second = with->scrub_bytes_per_second,
		.go_on = go_on,
		.found = found,
		.data = s,
		.resume = true };
	struct ud_scrubbed ret = { 0 };

	if (!is_due(&cx, s, with->scrub_every_ms))
		return;
	enum ud_code code = ud_store_scrub(&cx, s->store, &how, &ret);

	ud_log(code == UD_OK ? UD_LOG_INFO : UD_LOG_WARNING, "scrubbed", "relation", s->r->id,
		"extents", ud_printf(cx.arena, "%lld", (long long)ret.extents), "bad",
		ud_printf(cx.arena, "%lld", (long long)ret.bad_extents), "whole",
		ret.whole ? "yes" : "no", "reason", code == UD_OK ? ret.words : cx.problem.detail,
		NULL);
}

/* All replicas, one after the other. The book only grows at its head. */
static void scrub_all(struct ud_lv *lv, const struct ud_hv_replication *with)
{
	pthread_mutex_lock(&lv->book->lock);
	struct ud_lv_relation *r = lv->book->relations;

	pthread_mutex_unlock(&lv->book->lock);
	for (; r; r = r->next) {
		struct scrubbing s = { .r = r };

		if (!borrow(&s))
			continue;
		scrub_one(&s, with);
		ud_lv_store_return(s.r);
	}
}

/* Wait for the next look; false: it ends. *ret: what is set now. */
static bool wait_look(struct ud_lv_book *book, int64_t ms, struct ud_hv_replication *ret)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(ms, &until);
	pthread_mutex_lock(&book->lock);
	while (!book->scrubs_no_more && rc == 0)
		rc = pthread_cond_timedwait(&book->moved, &book->lock, &until);
	bool on = !book->scrubs_no_more;

	*ret = book->with;
	pthread_mutex_unlock(&book->lock);
	return on;
}

static void *run(void *data)
{
	struct ud_lv *lv = data;
	struct ud_hv_replication with = { 0 };
	int64_t ms = 0;

	while (wait_look(lv->book, ms, &with)) {
		if (with.scrub_every_ms > 0)
			scrub_all(lv, &with);
		ms = with.scrub_every_ms > 0 && with.scrub_every_ms < LOOK_MS ? with.scrub_every_ms
									      : LOOK_MS;
	}
	return NULL;
}

enum ud_code ud_lv_scrubs_begin(struct ud_ctx *cx, struct ud_lv *lv)
{
	struct ud_lv_book *book = lv->book;

	if (book->scrubs)
		return UD_OK;
	if (pthread_create(&book->scrubber, NULL, run, lv) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	book->scrubs = true;
	return UD_OK;
}

void ud_lv_scrubs_end(struct ud_lv *lv)
{
	struct ud_lv_book *book = lv->book;

	if (!book->scrubs)
		return;
	pthread_mutex_lock(&book->lock);
	book->scrubs_no_more = true;
	pthread_cond_broadcast(&book->moved);
	pthread_mutex_unlock(&book->lock);
	pthread_join(book->scrubber, NULL);
	book->scrubs = false;
}
