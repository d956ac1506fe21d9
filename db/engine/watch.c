/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The set of transactions that one can see is a short text, and it is another one whenever a commit
 * became visible. The position in the log would not do: it moves before the commit can be seen.
 */
#include "db/engine/watch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/env.h"

enum { LOOK_MS = 500, SNAPSHOT_TEXT = 256 };

struct ud_watch {
	ud_database *db;
	const struct ud_env *env;
	void (*changed)(ud_database *db);
	ud_reader *reader;
	char seen[SNAPSHOT_TEXT]; /* cut off when very many are open: the front part changes, too */
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stop;
};

static enum ud_code snapshot(struct ud_ctx *cx, ud_watch *w, const char **ret)
{
	bool found;

	if (!w->reader)
		UD_TRY(ud_reader_open(cx, w->db, &w->reader));
	UD_TRY(ud_read_begin(cx, w->reader));
	enum ud_code code =
		ud_query_text(cx, &found, ret, "SELECT pg_current_snapshot()::text", UD_NO_VALS);

	ud_read_end(cx, w->reader);
	return code;
}

static void look(ud_watch *w, ud_arena *arena)
{
	struct ud_ctx cx = { .arena = arena, .env = w->env };
	char now[SNAPSHOT_TEXT];
	const char *text = "";

	if (snapshot(&cx, w, &text) != UD_OK)
		return;
	snprintf(now, sizeof(now), "%s", text);
	if (strcmp(now, w->seen) == 0)
		return;
	memcpy(w->seen, now, sizeof(now));
	w->changed(w->db);
}

static bool wait_for_next(ud_watch *w)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(LOOK_MS, &until);
	pthread_mutex_lock(&w->mutex);
	while (!w->stop && rc == 0)
		rc = pthread_cond_timedwait(&w->wake, &w->mutex, &until);
	bool go_on = !w->stop;

	pthread_mutex_unlock(&w->mutex);
	return go_on;
}

static void *run(void *data)
{
	ud_watch *w = data;
	UD_AUTO(ud_arena) *arena = ud_arena_new();

	do {
		look(w, arena);
		ud_arena_reset(arena);
	} while (wait_for_next(w));
	return NULL;
}

static void discard(ud_watch *w)
{
	ud_reader_release(&w->reader);
	pthread_mutex_destroy(&w->mutex);
	pthread_cond_destroy(&w->wake);
	ud_free(w);
}

ud_watch *ud_watch_start(
	ud_database *db, const struct ud_env *env, void (*changed)(ud_database *db))
{
	ud_watch *w = ud_malloc(sizeof(*w));
	pthread_condattr_t monotonic;

	w->db = db;
	w->env = env;
	w->changed = changed;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&w->thread, NULL, run, w) == 0)
		return w;
	discard(w);
	return NULL;
}

void ud_watch_release(ud_watch **watch)
{
	ud_watch *w = *watch;

	if (!w)
		return;
	pthread_mutex_lock(&w->mutex);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
	pthread_join(w->thread, NULL);
	discard(w);
	*watch = NULL;
}
