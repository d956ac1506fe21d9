/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer: groups, failures inside them, retries, overload, lost connections; readers that see
 * what was acknowledged; databases that are older than one seen before.
 */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "db/engine/database.h"
#include "db/engine/history.h"
#include "support/store.h"

/* A database with one table, opened by the store's URL. */
static ud_database *open_database(struct store *s)
{
	ud_database *db = NULL;

	store_script(s,
		"CREATE TABLE t (k TEXT NOT NULL PRIMARY KEY, n BIGINT NOT NULL);"
		"CREATE TABLE installation (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);"
		"INSERT INTO installation(key, value) VALUES ('generation', '3')");
	store_wants(s, UD_OK, ud_database_open(&s->cx, s->url, &ud_env_real, &db));
	return db;
}

static enum ud_code insert(struct ud_ctx *cx, void *key)
{
	return ud_exec(cx, NULL, "INSERT INTO t(k, n) VALUES ($1, 1)", UD_VALS(ud_t(key)));
}

static void a_write_is_there_for_the_next_read(struct store *s)
{
	ud_database *db = open_database(s);
	ud_reader *reader = NULL;
	ud_conn *mine = s->cx.conn;
	bool found;

	store_wants(s, UD_OK, ud_reader_open(&s->cx, db, &reader));
	for (int i = 0; i < 5; i++) {
		char key[16];
		int64_t n = -1;

		snprintf(key, sizeof(key), "k%d", i);
		store_wants(s, UD_OK, ud_database_write(db, &s->cx, insert, key));
		store_wants(s, UD_OK, ud_read_begin(&s->cx, reader));
		store_wants(s, UD_OK,
			ud_query_int(&s->cx, &found, &n, "SELECT COUNT(*) FROM t", UD_NO_VALS));
		ud_read_end(&s->cx, reader);
		assert_int_equal(n, i + 1);
	}
	s->cx.conn = mine;
	ud_reader_release(&reader);
	ud_database_release(&db);
}

/* Writes that the test posts by hand: what each does, and what came of it. */
struct posted {
	struct ud_write write;
	struct ud_ctx cx;
	ud_arena *arena;
	const char *key;
	pthread_barrier_t *entered, *leave; /* of a write that holds the writer; NULL = none */
	int fail_times;                     /* apply answers retry so often */
	bool swallows;                      /* takes a clash for no error */
	int runs;
	enum ud_code code;
	_Atomic int *open; /* writes whose done has not run */
};

static enum ud_code apply_posted(struct ud_write *w)
{
	struct posted *p = UD_OUTER(w, struct posted, write);

	p->runs++;
	if (p->entered) {
		pthread_barrier_wait(p->entered);
		pthread_barrier_wait(p->leave);
	}
	if (p->swallows)
		(void)!insert(w->cx, (void *)(uintptr_t)p->key);
	else if (p->key)
		UD_TRY(insert(w->cx, (void *)(uintptr_t)p->key));
	if (p->runs <= p->fail_times)
		return ud_fail(w->cx, UD_E_RETRY, NULL, "made to run again");
	return UD_OK;
}

static void done_posted(struct ud_write *w, enum ud_code code)
{
	struct posted *p = UD_OUTER(w, struct posted, write);

	p->code = code;
	atomic_fetch_sub(p->open, 1);
}

static bool post(ud_database *db, struct posted *p, _Atomic int *open)
{
	p->arena = ud_arena_new();
	p->cx = (struct ud_ctx){ .arena = p->arena, .env = &ud_env_real };
	p->write = (struct ud_write){ .cx = &p->cx, .apply = apply_posted, .done = done_posted };
	p->open = open;
	atomic_fetch_add(open, 1);
	return ud_database_post(db, &p->write);
}

/* Hold the writer inside a write's apply; the test lets it go by the second barrier. */
struct hold {
	pthread_barrier_t entered, leave;
	struct posted posted;
};

static void hold_writer(ud_database *db, struct hold *h, _Atomic int *open)
{
	pthread_barrier_init(&h->entered, NULL, 2);
	pthread_barrier_init(&h->leave, NULL, 2);
	h->posted = (struct posted){ .entered = &h->entered, .leave = &h->leave };
	assert_true(post(db, &h->posted, open));
	pthread_barrier_wait(&h->entered);
}

/* Let the writer go, and end the database: it finishes what is queued. */
static void let_go(ud_database **db, struct hold *h)
{
	pthread_barrier_wait(&h->leave);
	ud_database_release(db);
	pthread_barrier_destroy(&h->entered);
	pthread_barrier_destroy(&h->leave);
	ud_arena_release(&h->posted.arena);
}

static void what_queues_meanwhile_is_one_group_and_failures_stay_their_own(struct store *s)
{
	static const char *const keys[] = { "a", "b", "a", "c", "b", "d" };
	static const enum ud_code wanted[] = { UD_OK, UD_OK, UD_E_ALREADY_EXISTS, UD_OK,
		UD_E_ALREADY_EXISTS, UD_OK };
	ud_database *db = open_database(s);
	struct posted posted[UD_LEN(keys)] = { 0 };
	struct hold hold;
	_Atomic int open = 0;

	hold_writer(db, &hold, &open);
	for (size_t i = 0; i < UD_LEN(keys); i++) {
		posted[i].key = keys[i];
		assert_true(post(db, &posted[i], &open));
	}
	assert_int_equal(ud_database_stats(db).queued, UD_LEN(keys));
	let_go(&db, &hold);
	assert_int_equal(atomic_load(&open), 0);
	for (size_t i = 0; i < UD_LEN(keys); i++) {
		assert_int_equal(posted[i].code, wanted[i]);
		assert_int_equal(posted[i].runs, 1); /* in one group: nobody ran again */
		ud_arena_release(&posted[i].arena);
	}
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM t"), 4);
}

static void what_lost_a_deadlock_runs_again(struct store *s)
{
	ud_database *db = open_database(s);
	struct posted posted[] = { { .key = "first" }, { .key = "again", .fail_times = 3 },
		{ .key = "never", .fail_times = 1000 }, { .key = "last" } };
	static const enum ud_code wanted[] = { UD_OK, UD_OK, UD_E_RETRY, UD_OK };
	struct hold hold;
	_Atomic int open = 0;

	hold_writer(db, &hold, &open);
	for (size_t i = 0; i < UD_LEN(posted); i++)
		assert_true(post(db, &posted[i], &open));
	let_go(&db, &hold);
	for (size_t i = 0; i < UD_LEN(posted); i++) {
		assert_int_equal(posted[i].code, wanted[i]);
		ud_arena_release(&posted[i].arena);
	}
	assert_int_equal(posted[1].runs, 4);
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM t"), 3);
}

/* PostgreSQL ends a transaction with the first error. A write that ignores one must not be taken
 * for stored, nor harm those beside it. */
static void an_ignored_error_harms_nobody_else(struct store *s)
{
	ud_database *db = open_database(s);
	struct posted posted[] = { { .key = "a" }, { .key = "b" }, { .key = "a", .swallows = true },
		{ .key = "c" }, { .key = "b" }, { .key = NULL }, { .key = "d" } };
	static const enum ud_code wanted[] = { UD_OK, UD_OK, UD_E_RETRY, UD_OK, UD_E_ALREADY_EXISTS,
		UD_OK, UD_OK };
	struct hold hold;
	_Atomic int open = 0;

	hold_writer(db, &hold, &open);
	for (size_t i = 0; i < UD_LEN(posted); i++)
		assert_true(post(db, &posted[i], &open));
	let_go(&db, &hold);
	for (size_t i = 0; i < UD_LEN(posted); i++) {
		assert_int_equal(posted[i].code, wanted[i]);
		ud_arena_release(&posted[i].arena);
	}
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM t"), 4);
}

static void too_many_waiting_writes_are_refused(struct store *s)
{
	enum { ROOM = 10000 };
	ud_database *db = open_database(s);
	struct posted *posted = ud_malloc((ROOM + 1) * sizeof(*posted));
	struct hold hold;
	_Atomic int open = 0;

	hold_writer(db, &hold, &open);
	for (int i = 0; i < ROOM; i++)
		assert_true(post(db, &posted[i], &open));
	assert_false(post(db, &posted[ROOM], &open));
	let_go(&db, &hold);
	assert_int_equal(atomic_load(&open), 1); /* the refused one is not kept */
	for (int i = 0; i <= ROOM; i++)
		ud_arena_release(&posted[i].arena);
	ud_free(posted);
}

/* Four threads, rows of their own; every acknowledged one is there. */
enum { THREADS = 4, ROWS = 150 };
struct adder {
	ud_database *db;
	int number;
	int stored;
};

static void *add_rows(void *data)
{
	struct adder *a = data;
	UD_AUTO(ud_arena) *arena = ud_arena_new();

	for (int i = 0; i < ROWS; i++) {
		struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
		char key[32];

		snprintf(key, sizeof(key), "%d-%d", a->number, i);
		a->stored += ud_database_write(a->db, &cx, insert, key) == UD_OK;
		ud_arena_reset(arena);
	}
	return NULL;
}

static void many_writers_store_every_row(struct store *s)
{
	ud_database *db = open_database(s);
	struct adder adders[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		adders[i] = (struct adder){ db, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, add_rows, &adders[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(adders[i].stored, ROWS);
	}
	struct ud_database_stats stats = ud_database_stats(db);

	assert_int_equal(stats.writes, THREADS * ROWS);
	assert_int_equal(stats.queued, 0);
	assert_int_equal(stats.failures, 0);
	assert_true(stats.commits <= stats.writes);
	ud_database_release(&db);
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM t"), THREADS * ROWS);
}

static void commits_are_told(void *data)
{
	atomic_fetch_add((_Atomic int *)data, 1);
}

static void a_listener_hears_of_each_commit(struct store *s)
{
	ud_database *db = open_database(s);
	_Atomic int heard = 0;

	ud_database_on_commit(db, commits_are_told, &heard);
	for (int i = 0; i < 3; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%d", i);
		store_wants(s, UD_OK, ud_database_write(db, &s->cx, insert, key));
	}
	assert_int_equal(ud_database_commits(db), 3);
	ud_database_release(&db); /* after its threads ended nothing is told any more */
	if (store_is_postgresql(s))
		assert_true(atomic_load(&heard) >= 3); /* what it sees of its own is told twice */
	else
		assert_int_equal(atomic_load(&heard), 3);
}

static void until_more(_Atomic int *heard, int than)
{
	int64_t end = ud_mono_ms(&ud_env_real) + 60000;

	while (atomic_load(heard) <= than) {
		assert_true(ud_mono_ms(&ud_env_real) < end);
		poll(NULL, 0, 1); /* the event is a count that another thread raises */
	}
}

static void another_program_s_commit_is_told(struct store *s)
{
	ud_database *mine = open_database(s), *theirs = NULL;
	_Atomic int heard = 0;

	store_wants(s, UD_OK, ud_database_open(&s->cx, s->url, &ud_env_real, &theirs));
	ud_database_on_commit(mine, commits_are_told, &heard);
	until_more(&heard, 0); /* it looked for the first time */
	for (int i = 0; i < 3; i++) {
		char key[16];
		int before = atomic_load(&heard);

		snprintf(key, sizeof(key), "%d", i);
		store_wants(s, UD_OK, ud_database_write(theirs, &s->cx, insert, key));
		until_more(&heard, before);
	}
	ud_database_off_commit(mine, &heard);
	int end = atomic_load(&heard);

	store_wants(s, UD_OK, ud_database_write(theirs, &s->cx, insert, "unheard"));
	assert_int_equal(atomic_load(&heard), end);
	ud_database_release(&theirs);
	ud_database_release(&mine);
}

/* A page limit stands for the full disk. SQLite may roll all of a group back then. */
static enum ud_code limit_pages(struct ud_ctx *cx, void *data)
{
	(void)data;
	return cx->conn->engine->script(cx, cx->conn, "PRAGMA max_page_count = 64");
}

static enum ud_code lose_connection(struct ud_ctx *cx, void *data)
{
	(void)data;
	cx->conn->broken = true;
	return UD_OK;
}

static enum ud_code insert_much(struct ud_ctx *cx, void *data)
{
	const int *number = data;
	char *text = ud_alloc(cx->arena, 100001);

	memset(text, 'x', 100000);
	return ud_exec(cx, NULL, "INSERT INTO t(k, n) VALUES ($1 || $2, 1)",
		UD_VALS(ud_t(ud_printf(cx->arena, "%d ", *number)), ud_t(text)));
}

static void a_full_disk_loses_nothing_and_checkpoints_go_on(struct store *s)
{
	ud_database *db = open_database(s);
	enum ud_code code = UD_OK;
	int stored = 0;

	store_wants(s, UD_OK, ud_database_write(db, &s->cx, limit_pages, NULL));
	for (; code == UD_OK && stored < 100; stored += code == UD_OK)
		code = ud_database_write(db, &s->cx, insert_much, &stored);
	store_wants(s, UD_E_STORAGE_FULL, code);
	assert_true(stored > 0);
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM t"), stored);
	/* somebody made room: the limit goes with the connection, which is opened again */
	store_wants(s, UD_E_UNAVAILABLE, ud_database_write(db, &s->cx, lose_connection, NULL));
	for (int end = stored + 200; stored < end; stored++) {
		ud_arena_reset(s->arena);
		store_wants(s, UD_OK, ud_database_write(db, &s->cx, insert_much, &stored));
	}
	assert_true(ud_database_stats(db).checkpoints > 0);
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM t"), stored);
	ud_database_release(&db);
}

/* Everybody's connections end while nobody uses them: the next write and read do not notice. */
static void lost_idle_connections_are_opened_again(struct store *s)
{
	ud_database *db = open_database(s);
	ud_reader *reader = NULL;
	ud_conn *mine = s->cx.conn;
	int64_t n = -1;
	bool found;

	store_wants(s, UD_OK, ud_database_write(db, &s->cx, insert, "before"));
	store_wants(s, UD_OK, ud_reader_open(&s->cx, db, &reader));
	store_script(s,
		"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
		" WHERE pid <> pg_backend_pid() AND datname = current_database()");
	store_wants(s, UD_OK, ud_database_write(db, &s->cx, insert, "after"));
	store_wants(s, UD_OK, ud_read_begin(&s->cx, reader));
	store_wants(
		s, UD_OK, ud_query_int(&s->cx, &found, &n, "SELECT COUNT(*) FROM t", UD_NO_VALS));
	ud_read_end(&s->cx, reader);
	s->cx.conn = mine;
	assert_int_equal(n, 2);
	ud_reader_release(&reader);
	ud_database_release(&db);
}

static const char *history_of(struct store *s)
{
	return ud_printf(s->arena, "%s/history", s->dir);
}

static void an_older_generation_is_refused(struct store *s)
{
	ud_database *db = open_database(s);

	store_wants(s, UD_OK, ud_database_remember(&s->cx, db, history_of(s)));
	ud_database_release(&db);
	store_script(s, "UPDATE installation SET value = '4' WHERE key = 'generation'");
	store_wants(s, UD_OK, ud_history_check(&s->cx, history_of(s)));
	int64_t seen = 0;

	store_wants(s, UD_OK, ud_history_generation(&s->cx, history_of(s), &seen));
	assert_int_equal(seen, 4);
	store_script(s, "UPDATE installation SET value = '3' WHERE key = 'generation'");
	store_wants(s, UD_OK, ud_database_open(&s->cx, s->url, &ud_env_real, &db));
	store_wants(s, UD_E_UNAVAILABLE, ud_database_remember(&s->cx, db, history_of(s)));
	assert_non_null(strstr(s->cx.problem.detail, "generation"));
	ud_reader *reader = NULL;

	assert_int_equal(ud_reader_open(&s->cx, db, &reader), UD_E_UNAVAILABLE);
	ud_database_release(&db);
}

static void write_history(struct store *s, const char *format, const char *system, int generation)
{
	const char *text = ud_printf(s->arena, "%s %s %d\n", system, format, generation);

	store_wants(s, UD_OK, ud_file_write(&s->cx, history_of(s), text, strlen(text), 0600));
}

/* The file has seen a promotion that this server knows nothing of: it is the old primary. */
static void an_older_timeline_or_another_cluster_is_refused(struct store *s)
{
	ud_database *db = open_database(s);
	const char *system = NULL;
	bool found;

	ud_database_release(&db);
	store_wants(s, UD_OK,
		ud_query_text(&s->cx, &found, &system,
			"SELECT CAST(system_identifier AS TEXT) FROM pg_control_system()",
			UD_NO_VALS));
	write_history(s, "1", system, 3);
	store_wants(s, UD_OK, ud_history_check(&s->cx, history_of(s)));
	write_history(s, "2", system, 3);
	store_wants(s, UD_E_UNAVAILABLE, ud_history_check(&s->cx, history_of(s)));
	assert_non_null(strstr(s->cx.problem.detail, "timeline"));
	write_history(s, "9", "123", 3);
	store_wants(s, UD_E_UNAVAILABLE, ud_history_check(&s->cx, history_of(s)));
	assert_non_null(strstr(s->cx.problem.detail, "another database"));
	write_history(s, "9", "123", 2); /* restored over there, so its generation was raised */
	store_wants(s, UD_OK, ud_history_check(&s->cx, history_of(s)));
	write_history(s, "x", "y", 3);
	store_wants(s, UD_E_UNAVAILABLE, ud_history_check(&s->cx, history_of(s)));
}

int main(void)
{
	static const struct store_test tests[] = {
		{ "a_write_is_there_for_the_next_read", a_write_is_there_for_the_next_read, NULL },
		{ "what_queues_meanwhile_is_one_group_and_failures_stay_their_own",
			what_queues_meanwhile_is_one_group_and_failures_stay_their_own, NULL },
		{ "what_lost_a_deadlock_runs_again", what_lost_a_deadlock_runs_again, NULL },
		{ "an_ignored_error_harms_nobody_else", an_ignored_error_harms_nobody_else,
			"postgresql" },
		{ "too_many_waiting_writes_are_refused", too_many_waiting_writes_are_refused,
			NULL },
		{ "many_writers_store_every_row", many_writers_store_every_row, NULL },
		{ "a_listener_hears_of_each_commit", a_listener_hears_of_each_commit, NULL },
		{ "another_program_s_commit_is_told", another_program_s_commit_is_told,
			"postgresql" },
		{ "a_full_disk_loses_nothing_and_checkpoints_go_on",
			a_full_disk_loses_nothing_and_checkpoints_go_on, "sqlite" },
		{ "lost_idle_connections_are_opened_again", lost_idle_connections_are_opened_again,
			"postgresql" },
		{ "an_older_generation_is_refused", an_older_generation_is_refused, NULL },
		{ "an_older_timeline_or_another_cluster_is_refused",
			an_older_timeline_or_another_cluster_is_refused, "postgresql" },
	};

	return store_tests(tests, UD_LEN(tests));
}
