/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread; a row's own failure is told to the log and tried again at its next time.
 */
#include "server/jobs/ticks.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/env.h"
#include "base/id.h"
#include "base/log.h"
#include "db/duties.h"

/* A claim outlasts several looks; a row that is late is looked at within WAIT_MAX_MS. */
enum { CLAIM_MS = 10000, WAIT_MAX_MS = 1000 };

struct ud_ticks {
	ud_database *db;
	ud_reader *reader;
	const struct ud_tick *rows;
	const struct ud_commanding *commanding;
	const struct ud_env *env;
	int64_t *next_ms; /* steady clock, per row */
	bool shared;      /* other servers may be on the same database */
	char owner[UD_ULID_TEXT];
	pthread_t thread;
	bool running;
	pthread_mutex_t mutex; /* the two below */
	pthread_cond_t wake;
	bool stop, committed;
};

/* The write of one row. */
struct doing {
	struct ud_ticks *ticks;
	const struct ud_tick *row;
	bool mine;
};

static enum ud_code apply(struct ud_ctx *cx, void *data)
{
	struct doing *d = data;

	d->mine = true;
	if (d->ticks->shared)
		UD_TRY(ud_duty_take(cx, "ticks", d->ticks->owner, CLAIM_MS, &d->mine));
	return d->mine ? d->row->apply(cx, d->ticks->commanding) : UD_OK;
}

/* Is it ours to do, and is there something to do? */
static enum ud_code ask(
	struct ud_ctx *cx, const struct ud_ticks *t, const struct ud_tick *row, bool *ret)
{
	bool elsewhere = false;

	*ret = true;
	if (t->shared)
		UD_TRY(ud_duty_elsewhere(cx, "ticks", t->owner, &elsewhere));
	if (elsewhere || !row->due) {
		*ret = !elsewhere;
		return UD_OK;
	}
	return row->due(cx, ret);
}

static enum ud_code look(
	struct ud_ctx *cx, struct ud_ticks *t, const struct ud_tick *row, bool *ret)
{
	*ret = false;
	UD_TRY(ud_read_begin(cx, t->reader));
	enum ud_code code = ask(cx, t, row, ret);

	ud_read_end(cx, t->reader);
	return code;
}

/* True when it had work and did it. */
static bool run_row(struct ud_ticks *t, const struct ud_tick *row)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_scope scope = ud_scope_system(row->name);
	struct ud_ctx cx = { .arena = arena,
		.env = t->env,
		.now_ms = ud_now_ms(t->env),
		.request_id = row->name,
		.scope = &scope };
	struct doing d = { t, row, false };
	bool due = false;
	enum ud_code code = look(&cx, t, row, &due);

	if (code == UD_OK && due)
		code = ud_database_write(t->db, &cx, apply, &d);
	if (code != UD_OK)
		ud_log(UD_LOG_WARNING, "tick_failed", "tick", row->name, "code",
			ud_error_info(code)->name, "reason", cx.problem.detail, NULL);
	return code == UD_OK && due && d.mine;
}

size_t ud_ticks_step(struct ud_ticks *t)
{
	size_t n = 0;

	for (const struct ud_tick *row = t->rows; row->name; row++)
		n += run_row(t, row);
	return n;
}

/* Run what is late, or follows commits; the steady clock's time of the next. */
static int64_t run_due(struct ud_ticks *t, bool committed)
{
	int64_t next = ud_mono_ms(t->env) + WAIT_MAX_MS;

	for (size_t i = 0; t->rows[i].name; i++) {
		const struct ud_tick *row = &t->rows[i];

		if (ud_mono_ms(t->env) >= t->next_ms[i] || (committed && row->on_commit)) {
			run_row(t, row);
			t->next_ms[i] = ud_mono_ms(t->env) + row->every_ms;
		}
		next = t->next_ms[i] < next ? t->next_ms[i] : next;
	}
	return next;
}

/* Wait until then, or for a commit; false = stop. */
static bool wait_until(struct ud_ticks *t, int64_t next_ms, bool *ret_committed)
{
	int64_t left = next_ms - ud_mono_ms(t->env);
	struct timespec until;
	int rc = 0;

	ud_deadline(left > 0 ? left : 1, &until);
	pthread_mutex_lock(&t->mutex);
	while (!t->stop && !t->committed && rc == 0)
		rc = pthread_cond_timedwait(&t->wake, &t->mutex, &until);
	bool go_on = !t->stop;

	*ret_committed = t->committed;
	t->committed = false;
	pthread_mutex_unlock(&t->mutex);
	return go_on;
}

static void *run(void *data)
{
	struct ud_ticks *t = data;
	bool committed = true;
	int64_t next;

	do
		next = run_due(t, committed);
	while (wait_until(t, next, &committed));
	return NULL;
}

static size_t count_of(const struct ud_tick *rows)
{
	size_t n = 0;

	while (rows[n].name)
		n++;
	return n;
}

enum ud_code ud_ticks_start(struct ud_ctx *cx, ud_database *db, const struct ud_tick *ticks,
	const struct ud_commanding *commanding, const struct ud_env *env, bool by_hand,
	struct ud_ticks **ret)
{
	struct ud_ticks *t = ud_malloc(sizeof(*t));
	pthread_condattr_t monotonic;

	*ret = t;
	t->db = db;
	t->rows = ticks;
	t->commanding = commanding;
	t->env = env;
	t->next_ms = ud_malloc((count_of(ticks) + 1) * sizeof(*t->next_ms));
	t->shared = strcmp(ud_database_engine(db), ud_engine_sqlite.name) != 0;
	for (size_t i = 0; ticks[i].name; i++)
		t->next_ms[i] = ud_mono_ms(env) + ticks[i].after_ms;
	ud_ulid(env, cx->now_ms, t->owner);
	pthread_mutex_init(&t->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	UD_TRY(ud_reader_open(cx, db, &t->reader));
	if (by_hand)
		return UD_OK;
	if (pthread_create(&t->thread, NULL, run, t) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	t->running = true;
	return UD_OK;
}

void ud_ticks_wake(struct ud_ticks *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->mutex);
	t->committed = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->mutex);
}

void ud_ticks_release(struct ud_ticks **pticks)
{
	struct ud_ticks *t = *pticks;

	if (!t)
		return;
	pthread_mutex_lock(&t->mutex);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->mutex);
	if (t->running)
		pthread_join(t->thread, NULL);
	ud_reader_release(&t->reader);
	pthread_mutex_destroy(&t->mutex);
	pthread_cond_destroy(&t->wake);
	ud_free(t->next_ms);
	ud_free(t);
	*pticks = NULL;
}
