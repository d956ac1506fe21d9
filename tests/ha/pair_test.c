/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PostgreSQL pair with a synchronous standby, used as the server uses it: the primary is killed
 * under writes and the standby promoted (3 rounds, 20 with UD_TEST_LONG); the old primary is left
 * alive and cut off; the wait for the standby is cancelled. Nothing that was acknowledged is lost,
 * and nothing that may be lost is acknowledged.
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

#include "db/engine/database.h"
#include "support/store.h"

enum { WRITERS = 4, ROWS_MAX = 500000, PATIENCE_MS = 60000 };

/* Two clusters; which of them is the primary changes. */
struct pair {
	struct cluster cluster; /* owns the folder both are in */
	char dir[2][96];
	char url[2][192]; /* of the tests' database on each */
	char both[256];   /* of both */
	char history[96];
	int primary;
};

static int64_t deadline(void)
{
	return ud_mono_ms(&ud_env_real) + PATIENCE_MS;
}

/* One step of waiting for something that tells nobody when it happens. */
static void wait_a_little(int64_t end, const char *what)
{
	if (ud_mono_ms(&ud_env_real) > end)
		fail_msg("waited too long for %s", what);
	poll(NULL, 0, 1);
}

static int64_t number_at_url(const char *url, const char *sql)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	int64_t n = -1;
	bool found;

	if (ud_conn_open(&cx, url, UD_CONN_READ, &cx.conn) == UD_OK &&
		ud_query_int(&cx, &found, &n, sql, UD_NO_VALS) != UD_OK)
		n = -1;
	ud_conn_release(&cx.conn);
	return n;
}

static void until(const char *url, const char *sql, int64_t wanted)
{
	for (int64_t end = deadline(); number_at_url(url, sql) != wanted;)
		wait_a_little(end, sql);
}

/* The standby is known to the primary as synchronous. */
static void until_synchronous(const struct pair *p)
{
	until(p->url[p->primary],
		"SELECT COUNT(*) FROM pg_stat_replication WHERE sync_state = 'sync' AND state = 'streaming'",
		1);
}

static int port_of(const char *url)
{
	return atoi(strrchr(url, ':') + 1);
}

static int set_up(void **state)
{
	struct pair *p = ud_malloc(sizeof(*p));
	char url[128];

	cluster_start(&p->cluster, true);
	snprintf(p->dir[0], sizeof(p->dir[0]), "%s/pg", p->cluster.dir);
	snprintf(p->dir[1], sizeof(p->dir[1]), "%s/b", p->cluster.dir);
	snprintf(p->history, sizeof(p->history), "%s/history", p->cluster.dir);
	cluster_database(&p->cluster, "pair", p->url[0], sizeof(p->url[0]));
	cluster_script(p->url[0],
		"CREATE TABLE t (writer BIGINT NOT NULL, n BIGINT NOT NULL, PRIMARY KEY (writer, n));"
		"CREATE TABLE installation (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL);"
		"INSERT INTO installation(key, value) VALUES ('generation', '1')");
	assert_int_equal(postgres_run("standby", p->dir[1], p->dir[0], url, sizeof(url)), 0);
	snprintf(p->url[1], sizeof(p->url[1]), "postgresql://ud@127.0.0.1:%d/pair", port_of(url));
	snprintf(p->both, sizeof(p->both), "postgresql://ud@127.0.0.1:%d,127.0.0.1:%d/pair",
		port_of(p->url[0]), port_of(p->url[1]));
	until_synchronous(p);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;

	postgres_run("stop", p->dir[1], NULL, NULL, 0);
	cluster_end(&p->cluster);
	ud_free(p);
	return 0;
}

/* Writers with rows of their own, and which of them were acknowledged. */
struct writers {
	ud_database *db;
	_Atomic bool stop;
	_Atomic int64_t acknowledged, refused, unknown;
	_Atomic int64_t last_us, longest_gap_us; /* between acknowledgements */
	pthread_t threads[WRITERS];
	struct one {
		struct writers *all;
		int64_t number, tried;
		bool *acknowledged;
	} one[WRITERS];
};

static enum ud_code insert(struct ud_ctx *cx, void *data)
{
	const struct one *o = data;

	return ud_exec(cx, NULL, "INSERT INTO t(writer, n) VALUES ($1, $2)",
		UD_VALS(ud_i(o->number), ud_i(o->tried)));
}

static void note(struct writers *w)
{
	int64_t now = ud_stopwatch_us(), gap = now - atomic_exchange(&w->last_us, now);

	if (gap > atomic_load(&w->longest_gap_us))
		atomic_store(&w->longest_gap_us, gap);
	atomic_fetch_add(&w->acknowledged, 1);
}

static void *write_rows(void *data)
{
	struct one *o = data;
	struct writers *w = o->all;
	UD_AUTO(ud_arena) *arena = ud_arena_new();

	for (; !atomic_load(&w->stop) && o->tried < ROWS_MAX; o->tried++) {
		struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
		enum ud_code code = ud_database_write(w->db, &cx, insert, o);

		o->acknowledged[o->tried] = code == UD_OK;
		if (code == UD_OK)
			note(w);
		else
			atomic_fetch_add(
				code == UD_E_OUTCOME_UNKNOWN ? &w->unknown : &w->refused, 1);
		ud_arena_reset(arena);
	}
	return NULL;
}

static struct writers *writers_start(const char *url, const char *history, int64_t first_number)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	struct writers *w = ud_malloc(sizeof(*w));

	assert_int_equal(ud_database_open(&cx, url, &ud_env_real, &w->db), UD_OK);
	if (history)
		assert_int_equal(ud_database_remember(&cx, w->db, history), UD_OK);
	atomic_store(&w->last_us, ud_stopwatch_us());
	for (int i = 0; i < WRITERS; i++) {
		w->one[i] =
			(struct one){ w, first_number + i, 0, ud_malloc(ROWS_MAX * sizeof(bool)) };
		assert_int_equal(pthread_create(&w->threads[i], NULL, write_rows, &w->one[i]), 0);
	}
	return w;
}

static void writers_stop(struct writers *w)
{
	atomic_store(&w->stop, true);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(w->threads[i], NULL);
	ud_database_release(&w->db);
}

static void writers_free(struct writers *w)
{
	for (int i = 0; i < WRITERS; i++)
		ud_free(w->one[i].acknowledged);
	ud_free(w);
}

static void let_write(struct writers *w, int64_t more)
{
	int64_t wanted = atomic_load(&w->acknowledged) + more, end = deadline();

	while (atomic_load(&w->acknowledged) < wanted)
		wait_a_little(end, "acknowledgements");
}

/* Acknowledged rows that the database has not. The writers have stopped. */
static int64_t count_lost(struct writers *w, const char *url)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	ud_rows *rows = NULL;
	int64_t lost = 0;
	bool more = true;

	for (int i = 0; i < WRITERS; i++)
		for (int64_t n = 0; n < w->one[i].tried; n++)
			lost += w->one[i].acknowledged[n];
	assert_int_equal(ud_conn_open(&cx, url, UD_CONN_READ, &cx.conn), UD_OK);
	assert_int_equal(ud_query(&cx, &rows, "SELECT writer, n FROM t", UD_NO_VALS), UD_OK);
	for (;;) {
		assert_int_equal(ud_next(&cx, rows, &more), UD_OK);
		if (!more)
			break;
		int64_t i = ud_col_int(rows, 0) - w->one[0].number;

		lost -= i >= 0 && i < WRITERS && w->one[i].acknowledged[ud_col_int(rows, 1)];
	}
	ud_rows_release(&rows);
	ud_conn_release(&cx.conn);
	return lost;
}

static int64_t chance(int64_t below)
{
	uint32_t n;

	ud_random(&ud_env_real, &n, sizeof(n));
	return n % below;
}

static int64_t ms_since(int64_t us)
{
	return (ud_stopwatch_us() - us) / 1000;
}

/* Kill the primary, promote the standby, write on, bring the killed one back as the standby. */
static void one_round(struct pair *p, struct writers *w, int round)
{
	int old = p->primary, now = 1 - old;

	let_write(w, 50 + chance(200));
	atomic_store(&w->longest_gap_us, 0);
	assert_int_equal(postgres_run("kill", p->dir[old], NULL, NULL, 0), 0);
	int64_t began = ud_stopwatch_us();

	assert_int_equal(postgres_run("promote", p->dir[now], NULL, NULL, 0), 0);
	int64_t promoted_ms = ms_since(began);

	let_write(w, 25);
	p->primary = now;
	began = ud_stopwatch_us();
	assert_int_equal(postgres_run("rejoin", p->dir[old], p->dir[now], NULL, 0), 0);
	until_synchronous(p);
	printf("# round %d: promoted after %lld ms, longest gap between acknowledgements %lld ms, "
	       "redundant again after %lld ms\n",
		round, (long long)promoted_ms, (long long)atomic_load(&w->longest_gap_us) / 1000,
		(long long)ms_since(began));
}

static void a_killed_primary_loses_nothing_that_was_acknowledged(void **state)
{
	struct pair *p = *state;
	const char *is_long = getenv("UD_TEST_LONG");
	int rounds = is_long && *is_long ? 20 : 3;
	struct writers *w = writers_start(p->both, p->history, 0);

	for (int i = 1; i <= rounds; i++)
		one_round(p, w, i);
	let_write(w, 50);
	writers_stop(w);
	int64_t lost = count_lost(w, p->url[p->primary]);

	printf("# %d kills of the primary: %lld acknowledged, %lld lost; %lld refused, %lld of unknown outcome\n",
		rounds, (long long)w->acknowledged, (long long)lost, (long long)w->refused,
		(long long)w->unknown);
	writers_free(w);
	assert_int_equal(lost, 0);
}

/* The network between the sites is gone: the standby is promoted while the old primary, and clients
 * that reach only it, live on. */
static void an_old_primary_that_is_cut_off_acknowledges_nothing(void **state)
{
	struct pair *p = *state;
	int old = p->primary, now = 1 - old;
	struct writers *w = writers_start(p->url[old], NULL, 100);
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };

	let_write(w, 50);
	assert_int_equal(postgres_run("promote", p->dir[now], NULL, NULL, 0), 0);
	int64_t before = atomic_load(&w->acknowledged);

	/* the writer gives up on its commit, reconnects to the old primary and tries again */
	for (int64_t end = deadline(); atomic_load(&w->unknown) < 2 * WRITERS;)
		wait_a_little(end, "unknown outcomes");
	int64_t after = atomic_load(&w->acknowledged) - before;

	writers_stop(w);
	int64_t lost = count_lost(w, p->url[now]);

	/* who has seen the successor refuses the old primary, though it takes writes */
	ud_database *db = NULL;

	assert_int_equal(ud_database_open(&cx, p->url[now], &ud_env_real, &db), UD_OK);
	assert_int_equal(ud_database_remember(&cx, db, p->history), UD_OK);
	ud_database_release(&db);
	assert_int_equal(ud_database_open(&cx, p->url[old], &ud_env_real, &db), UD_OK);
	enum ud_code refused = ud_database_remember(&cx, db, p->history);

	ud_database_release(&db);
	printf("# cut off: %lld acknowledged before, %lld of them lost; %lld after the promotion, %lld of unknown outcome\n",
		(long long)before, (long long)lost, (long long)after, (long long)w->unknown);
	writers_free(w);
	assert_int_equal(after, 0);
	assert_int_equal(lost, 0);
	assert_int_equal(refused, UD_E_UNAVAILABLE);
	assert_non_null(strstr(cx.problem.detail, "timeline"));
}

/* A write that somebody else interrupts while it waits for the standby. */
struct interrupted {
	ud_database *db;
	struct one row;
	enum ud_code code;
};

static void *write_one(void *data)
{
	struct interrupted *w = data;
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };

	w->code = ud_database_write(w->db, &cx, insert, &w->row);
	return NULL;
}

static void interrupt_with(struct pair *p, const char *sql, int64_t number)
{
	struct interrupted w = { .row = { .number = number } };
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	const char *url = p->url[p->primary];
	char rows[80];
	pthread_t thread;

	assert_int_equal(ud_database_open(&cx, url, &ud_env_real, &w.db), UD_OK);
	assert_int_equal(pthread_create(&thread, NULL, write_one, &w), 0);
	until(url, "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", 1);
	assert_int_equal(number_at_url(url, sql), 1);
	pthread_join(thread, NULL);
	ud_database_release(&w.db);
	snprintf(rows, sizeof(rows), "SELECT COUNT(*) FROM t WHERE writer = %d", (int)number);
	/* stored here and nowhere else: why nobody may act on a row he did not commit himself */
	assert_int_equal(number_at_url(url, rows), 1);
	assert_int_equal(w.code, UD_E_OUTCOME_UNKNOWN);
}

static void a_cancelled_wait_is_no_acknowledgement(void **state)
{
	struct pair *p = *state;

	assert_int_equal(postgres_run("stop", p->dir[1 - p->primary], NULL, NULL, 0), 0);
	interrupt_with(p,
		"SELECT COUNT(*) FILTER (WHERE pg_cancel_backend(pid)) FROM pg_stat_activity"
		" WHERE wait_event = 'SyncRep'",
		200);
	interrupt_with(p,
		"SELECT COUNT(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity"
		" WHERE wait_event = 'SyncRep'",
		201);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_killed_primary_loses_nothing_that_was_acknowledged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			an_old_primary_that_is_cut_off_acknowledges_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_cancelled_wait_is_no_acknowledgement, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
