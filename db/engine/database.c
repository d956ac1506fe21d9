/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group commit: whatever queued while the last commit synced is the next group; no timer. Readers
 * keep a transaction open (a read outside one spends more on locks than on the row) and renew it
 * when the commit counter moved; the writer ends idle ones before it checkpoints.
 */
#include "db/engine/database.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "db/engine/history.h"
#include "db/engine/sqlite.h"
#include "db/engine/watch.h"

enum { QUEUE_MAX = 10000, CHECKPOINT_PAGES = 4096 /* 16 MiB of 4 KiB pages */ };

struct ud_reader {
	ud_reader *next;
	ud_database *db;
	ud_conn *conn;
	pthread_mutex_t mutex; /* held while reading */
	uint64_t seen;         /* commit counter of the open snapshot */
	bool open;
};

struct listener {
	void (*hear)(void *data);
	void *data;
};

struct ud_database {
	const struct ud_env *env;
	char *url;
	char *history;                 /* path of the file of rule C; NULL = none */
	pthread_mutex_t history_mutex; /* held while the file is read or written */
	ud_conn *conn;                 /* the writer's */
	pthread_t thread;
	pthread_mutex_t mutex; /* queue, stop, readers */
	pthread_cond_t wake;
	struct ud_write *head, **tail;
	bool stop;
	ud_reader *readers;
	struct listener listeners[UD_LISTENERS_MAX];
	size_t listener_count;
	ud_watch *watch; /* of other programs' commits; PostgreSQL with a listener */
	/* of SQLite's log now, and at the last checkpoint; the writer's */
	int wal_pages, wal_checked;
	_Atomic uint64_t commits;
	_Atomic int64_t writes, failures, queued, largest, checkpoints;
};

/* Rule C on cx->conn. */
static enum ud_code check_history(struct ud_ctx *cx, void *data)
{
	ud_database *db = data;

	pthread_mutex_lock(&db->history_mutex);
	enum ud_code code = db->history ? ud_history_check(cx, db->history) : UD_OK;

	pthread_mutex_unlock(&db->history_mutex);
	return code;
}

static enum ud_code open_checked(struct ud_ctx *cx, ud_database *db, unsigned flags, ud_conn **ret)
{
	ud_conn *conn = NULL, *before = cx->conn;

	UD_TRY(ud_conn_open(cx, db->url, flags, &conn));
	cx->conn = conn;
	enum ud_code code = check_history(cx, db);

	cx->conn = before;
	if (code == UD_OK)
		*ret = conn;
	else
		ud_conn_release(&conn);
	return code;
}

/* Pages now in the write-ahead log, told by SQLite after each commit. */
static int on_wal(void *data, sqlite3 *handle, const char *name, int pages)
{
	(void)handle, (void)name;
	*(int *)data = pages;
	return SQLITE_OK;
}

static void watch_log(ud_database *db)
{
	if (ud_sqlite_handle(db->conn))
		sqlite3_wal_hook(ud_sqlite_handle(db->conn), on_wal, &db->wal_pages);
}

/* A connection that broke (PostgreSQL gone, SQLite's disk full) is opened again before the next
 * group. */
static enum ud_code writer_conn(struct ud_ctx *cx, ud_database *db)
{
	if (db->conn && db->conn->broken)
		ud_conn_release(&db->conn);
	if (db->conn)
		return UD_OK;
	UD_TRY(open_checked(cx, db, 0, &db->conn));
	watch_log(db);
	return UD_OK;
}

/* Begin on a connection that lives: one that died while nobody used it is found out here. */
static enum ud_code begin_group(struct ud_ctx *cx, ud_database *db)
{
	UD_TRY(writer_conn(cx, db));
	cx->conn = db->conn;
	enum ud_code code = ud_begin(cx, true);

	if (code == UD_OK || !db->conn->broken)
		return code;
	UD_TRY(writer_conn(cx, db));
	cx->conn = db->conn;
	return ud_begin(cx, true);
}

/* Run one write inside the open transaction, on a mark of its own unless it is alone there. */
static void apply_one(ud_database *db, struct ud_write *w, bool alone)
{
	ud_conn *before = w->cx->conn;

	w->cx->conn = db->conn;
	w->code = alone ? UD_OK : ud_savepoint(w->cx);
	if (w->code == UD_OK) {
		w->code = w->apply(w);
		if (!alone && w->code == UD_OK)
			w->code = ud_savepoint_release(w->cx);
		if (!alone && w->code != UD_OK && !db->conn->broken &&
			ud_savepoint_rollback(w->cx) != UD_OK)
			db->conn->broken = true;
	}
	w->cx->conn = before;
}

/* Run a list (or its first alone) in one transaction; each w->code is its own, the result the
 * commit's. */
static enum ud_code run_group(struct ud_ctx *cx, ud_database *db, struct ud_write *list, bool alone)
{
	bool any = false;

	for (struct ud_write *w = list; w; w = alone ? NULL : w->next)
		w->code = UD_OK;
	UD_TRY(begin_group(cx, db));
	for (struct ud_write *w = list; w && !db->conn->broken; w = alone ? NULL : w->next) {
		apply_one(db, w, alone);
		any |= w->code == UD_OK;
	}
	if (!db->conn->broken && any)
		return ud_commit(cx);
	ud_rollback(cx);
	return db->conn->broken
		? ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the connection to the database was lost")
		: UD_OK;
}

/* Give the words of a failed commit to a write it took along; one that had failed by itself keeps
 * its own. */
static void spread_failure(const struct ud_ctx *cx, struct ud_write *w, enum ud_code code)
{
	if (w->code != UD_OK && w->code != UD_E_RETRY)
		return;
	w->code = code;
	ud_fail(w->cx, code, NULL, "%s",
		cx->problem.detail ? cx->problem.detail : ud_error_info(code)->title);
}

/* Writes that lost a deadlock run again, each in a transaction of its own, a few times. */
static void run_again(struct ud_ctx *cx, ud_database *db, struct ud_write *w)
{
	for (int tries = 0; tries < 5 && w->code == UD_E_RETRY; tries++) {
		ud_ctx_clear(w->cx);
		enum ud_code code = run_group(cx, db, w, true);

		if (code != UD_OK)
			spread_failure(cx, w, code);
	}
}

static void tell(ud_database *db)
{
	pthread_mutex_lock(&db->mutex);
	for (size_t i = 0; i < db->listener_count; i++)
		db->listeners[i].hear(db->listeners[i].data);
	pthread_mutex_unlock(&db->mutex);
}

static void commit_list(struct ud_ctx *cx, ud_database *db, struct ud_write *list, int64_t n)
{
	enum ud_code code = run_group(cx, db, list, n == 1);

	if (code != UD_OK)
		for (struct ud_write *w = list; w; w = w->next)
			spread_failure(cx, w, code);
	for (struct ud_write *w = list; w; w = w->next)
		run_again(cx, db, w);
	atomic_fetch_add(&db->commits, 1);
	atomic_fetch_add(&db->writes, n);
	if (n > atomic_load(&db->largest))
		atomic_store(&db->largest, n);
	for (struct ud_write *w = list, *next; w; w = next) {
		next = w->next; /* done may free w */
		if (w->code >= UD_E_INTERNAL)
			atomic_fetch_add(&db->failures, 1);
		w->done(w, w->code);
	}
	tell(db);
}

/* End the snapshots of idle readers, so that a checkpoint can go to the end of the log. */
static void end_idle_snapshots(ud_database *db)
{
	pthread_mutex_lock(&db->mutex);
	for (ud_reader *r = db->readers; r; r = r->next) {
		if (pthread_mutex_trylock(&r->mutex) != 0)
			continue; /* reading just now */
		if (r->open && r->conn)
			r->conn->engine->rollback(r->conn);
		r->open = false;
		pthread_mutex_unlock(&r->mutex);
	}
	pthread_mutex_unlock(&db->mutex);
}

/*
 * Each time the log has grown by CHECKPOINT_PAGES, not at each commit once it is that long: readers
 * may keep it from beginning anew. Those that began while the checkpoint ran do that, so they are
 * ended, too; the next ones find everything in the database's file and leave the log alone.
 */
static void checkpoint(ud_database *db)
{
	if (db->wal_pages < db->wal_checked)
		db->wal_checked = 0; /* it began anew */
	if (!db->conn || db->wal_pages - db->wal_checked < CHECKPOINT_PAGES)
		return;
	end_idle_snapshots(db);
	sqlite3_wal_checkpoint_v2(
		ud_sqlite_handle(db->conn), NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	atomic_fetch_add(&db->checkpoints, 1);
	db->wal_checked = db->wal_pages;
	end_idle_snapshots(db);
}

/* Wait for work; the list in order, or NULL when the database is to stop. */
static struct ud_write *take(ud_database *db, int64_t *ret_n)
{
	pthread_mutex_lock(&db->mutex);
	while (!db->head && !db->stop)
		pthread_cond_wait(&db->wake, &db->mutex);
	struct ud_write *list = db->head, **end = &db->head;

	for (*ret_n = 0; *end && *ret_n < UD_GROUP_MAX; end = &(*end)->next)
		++*ret_n;
	db->head = *end;
	*end = NULL;
	if (!db->head)
		db->tail = &db->head;
	atomic_fetch_sub(&db->queued, *ret_n);
	pthread_mutex_unlock(&db->mutex);
	return list;
}

static void *writer(void *data)
{
	ud_database *db = data;
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_write *list;
	int64_t n;

	watch_log(db);
	while ((list = take(db, &n))) {
		struct ud_ctx cx = { .arena = arena, .env = db->env, .now_ms = ud_now_ms(db->env) };

		commit_list(&cx, db, list, n);
		checkpoint(db);
		ud_arena_reset(arena);
	}
	return NULL;
}

enum ud_code ud_database_open(
	struct ud_ctx *cx, const char *url, const struct ud_env *env, ud_database **ret)
{
	ud_conn *conn = NULL;

	UD_TRY(ud_conn_open(cx, url, UD_CONN_CREATE, &conn));
	ud_database *db = ud_malloc(sizeof(*db));

	db->env = env;
	db->url = ud_heap_strdup(url);
	db->conn = conn;
	db->tail = &db->head;
	pthread_mutex_init(&db->mutex, NULL);
	pthread_mutex_init(&db->history_mutex, NULL);
	pthread_cond_init(&db->wake, NULL);
	if (pthread_create(&db->thread, NULL, writer, db) != 0) {
		ud_conn_release(&db->conn);
		ud_free(db->url);
		ud_free(db);
		return ud_fail(cx, UD_E_INTERNAL, NULL, "cannot start the writer's thread");
	}
	*ret = db;
	return UD_OK;
}

void ud_database_release(ud_database **pdb)
{
	ud_database *db = *pdb;

	if (!db)
		return;
	ud_watch_release(&db->watch);
	pthread_mutex_lock(&db->mutex);
	db->stop = true;
	pthread_cond_signal(&db->wake);
	pthread_mutex_unlock(&db->mutex);
	pthread_join(db->thread, NULL);
	ud_conn_release(&db->conn);
	pthread_mutex_destroy(&db->mutex);
	pthread_mutex_destroy(&db->history_mutex);
	pthread_cond_destroy(&db->wake);
	ud_free(db->history);
	ud_free(db->url);
	ud_free(db);
	*pdb = NULL;
}

const char *ud_database_engine(const ud_database *db)
{
	return strncmp(db->url, ud_engine_sqlite.scheme, strlen(ud_engine_sqlite.scheme)) == 0
		? ud_engine_sqlite.name
		: ud_engine_postgresql.name;
}

const char *ud_database_url(const ud_database *db)
{
	return db->url;
}

bool ud_database_post(ud_database *db, struct ud_write *w)
{
	pthread_mutex_lock(&db->mutex);
	bool room = atomic_load(&db->queued) < QUEUE_MAX && !db->stop;

	if (room) {
		w->next = NULL;
		*db->tail = w;
		db->tail = &w->next;
		atomic_fetch_add(&db->queued, 1);
		pthread_cond_signal(&db->wake);
	}
	pthread_mutex_unlock(&db->mutex);
	return room;
}

/* A write that somebody waits for. */
struct waited {
	struct ud_write write;
	enum ud_code (*apply)(struct ud_ctx *cx, void *data);
	void *data;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool finished;
};

static enum ud_code waited_apply(struct ud_write *w)
{
	struct waited *wt = UD_OUTER(w, struct waited, write);

	return wt->apply(w->cx, wt->data);
}

static void waited_done(struct ud_write *w, enum ud_code code)
{
	struct waited *wt = UD_OUTER(w, struct waited, write);

	(void)code;
	pthread_mutex_lock(&wt->mutex);
	wt->finished = true;
	pthread_cond_signal(&wt->wake);
	pthread_mutex_unlock(&wt->mutex);
}

enum ud_code ud_database_write(ud_database *db, struct ud_ctx *cx,
	enum ud_code (*apply)(struct ud_ctx *cx, void *data), void *data)
{
	struct waited wt = { .write = { .cx = cx, .apply = waited_apply, .done = waited_done },
		.apply = apply,
		.data = data,
		.mutex = PTHREAD_MUTEX_INITIALIZER,
		.wake = PTHREAD_COND_INITIALIZER };

	if (!ud_database_post(db, &wt.write))
		return ud_fail(cx, UD_E_OVERLOADED, NULL, "too many writes are waiting");
	pthread_mutex_lock(&wt.mutex);
	while (!wt.finished)
		pthread_cond_wait(&wt.wake, &wt.mutex);
	pthread_mutex_unlock(&wt.mutex);
	return wt.write.code;
}

enum ud_code ud_database_remember(struct ud_ctx *cx, ud_database *db, const char *path)
{
	pthread_mutex_lock(&db->history_mutex);
	db->history = ud_heap_strdup(path);
	pthread_mutex_unlock(&db->history_mutex);
	return ud_database_write(db, cx, check_history, db);
}

void ud_database_on_commit(ud_database *db, void (*listener)(void *data), void *data)
{
	assert(db->listener_count < UD_LISTENERS_MAX);
	pthread_mutex_lock(&db->mutex);
	db->listeners[db->listener_count++] = (struct listener){ listener, data };
	pthread_mutex_unlock(&db->mutex);
	if (!db->watch && strcmp(ud_database_engine(db), ud_engine_postgresql.name) == 0)
		db->watch = ud_watch_start(db, db->env, tell);
}

void ud_database_off_commit(ud_database *db, const void *data)
{
	size_t n = 0;

	pthread_mutex_lock(&db->mutex);
	for (size_t i = 0; i < db->listener_count; i++)
		if (db->listeners[i].data != data)
			db->listeners[n++] = db->listeners[i];
	db->listener_count = n;
	pthread_mutex_unlock(&db->mutex);
	if (!n)
		ud_watch_release(&db->watch);
}

uint64_t ud_database_commits(const ud_database *db)
{
	return atomic_load(&db->commits);
}

struct ud_database_stats ud_database_stats(const ud_database *db)
{
	return (struct ud_database_stats){
		.commits = (int64_t)atomic_load(&db->commits),
		.writes = atomic_load(&db->writes),
		.failures = atomic_load(&db->failures),
		.queued = atomic_load(&db->queued),
		.largest_group = atomic_load(&db->largest),
		.checkpoints = atomic_load(&db->checkpoints),
	};
}

enum ud_code ud_reader_open(struct ud_ctx *cx, ud_database *db, ud_reader **ret)
{
	ud_reader *r = ud_malloc(sizeof(*r));

	r->db = db;
	pthread_mutex_init(&r->mutex, NULL);
	enum ud_code code = open_checked(cx, db, UD_CONN_READ, &r->conn);

	if (code != UD_OK) {
		ud_free(r);
		return code;
	}
	pthread_mutex_lock(&db->mutex);
	r->next = db->readers;
	db->readers = r;
	pthread_mutex_unlock(&db->mutex);
	*ret = r;
	return UD_OK;
}

void ud_reader_release(ud_reader **reader)
{
	ud_reader *r = *reader;

	if (!r)
		return;
	pthread_mutex_lock(&r->db->mutex);
	for (ud_reader **p = &r->db->readers; *p; p = &(*p)->next)
		if (*p == r) {
			*p = r->next;
			break;
		}
	pthread_mutex_unlock(&r->db->mutex);
	ud_conn_release(&r->conn);
	pthread_mutex_destroy(&r->mutex);
	ud_free(r);
	*reader = NULL;
}

/*
 * PostgreSQL readers take a statement's own snapshot: other instances commit too, and an open
 * transaction would hide that. SQLite keeps its snapshot until this process committed again.
 */
static enum ud_code renew(struct ud_ctx *cx, ud_reader *r)
{
	uint64_t now = ud_database_commits(r->db);

	if (!ud_sqlite_handle(r->conn) || (r->open && r->seen == now))
		return UD_OK;
	if (r->open)
		r->conn->engine->rollback(r->conn);
	r->open = false;
	UD_TRY(ud_begin(cx, false));
	r->open = true;
	r->seen = now;
	return UD_OK;
}

enum ud_code ud_read_begin(struct ud_ctx *cx, ud_reader *r)
{
	pthread_mutex_lock(&r->mutex);
	if (r->conn && r->conn->engine->check)
		r->conn->engine->check(r->conn);
	if (r->conn && r->conn->broken)
		ud_conn_release(&r->conn);
	enum ud_code code = r->conn ? UD_OK : open_checked(cx, r->db, UD_CONN_READ, &r->conn);

	cx->conn = r->conn;
	if (code == UD_OK)
		code = renew(cx, r);
	if (code != UD_OK) {
		cx->conn = NULL;
		pthread_mutex_unlock(&r->mutex);
	}
	return code;
}

void ud_read_end(struct ud_ctx *cx, ud_reader *r)
{
	cx->conn = NULL;
	pthread_mutex_unlock(&r->mutex);
}
