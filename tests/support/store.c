/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fresh databases on both engines.
 */
#include "support/store.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "support/programs.h"

static void first_line(int fd, char *ret, size_t n)
{
	char text[512];
	size_t have = 0;
	ssize_t got;

	while ((got = read(fd, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)got;
	text[have] = 0;
	if (ret)
		snprintf(ret, n, "%.*s", (int)strcspn(text, "\n"), text);
}

int postgres_run(const char *verb, const char *a, const char *b, char *ret, size_t n)
{
	static const char script[] = UD_SOURCE_DIR "/tests/support/postgres.sh";
	const char *const argv[] = { "/bin/bash", script, verb, a, b, NULL };
	int out[2];

	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid_t pid = program_start(argv, out[1]);

	close(out[1]);
	first_line(out[0], ret, n);
	close(out[0]);
	return program_wait(pid);
}

static void remove_tree(const char *dir)
{
	const char *const argv[] = { "/bin/rm", "-rf", "--", dir, NULL };

	(void)program_run(argv);
}

/* A folder that PostgreSQL's user can walk to. */
static void make_folder(char *dir, size_t n, const char *what)
{
	snprintf(dir, n, "/tmp/understudy-%s.XXXXXX", what);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
}

void cluster_start(struct cluster *c, bool fsync)
{
	char data[96];

	make_folder(c->dir, sizeof(c->dir), "cluster");
	snprintf(data, sizeof(data), "%s/pg", c->dir);
	assert_int_equal(
		postgres_run("start", data, fsync ? "--fsync" : NULL, c->url, sizeof(c->url)), 0);
}

void cluster_end(struct cluster *c)
{
	char data[96];

	if (!c->dir[0])
		return;
	snprintf(data, sizeof(data), "%s/pg", c->dir);
	postgres_run("stop", data, NULL, NULL, 0);
	remove_tree(c->dir);
	c->dir[0] = 0;
}

void cluster_script(const char *url, const char *sql)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	ud_conn *conn = NULL;

	if (ud_conn_open(&cx, url, 0, &conn) != UD_OK ||
		conn->engine->script(&cx, conn, sql) != UD_OK)
		fail_msg("%s: %s", sql, cx.problem.detail);
	ud_conn_release(&conn);
}

void cluster_database(const struct cluster *c, const char *name, char *ret, size_t n)
{
	const char *slash = strrchr(c->url, '/');
	char sql[160];

	snprintf(sql, sizeof(sql),
		"CREATE DATABASE %s TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'", name);
	cluster_script(c->url, sql);
	snprintf(ret, n, "%.*s/%s", (int)(slash - c->url), c->url, name);
}

void store_begin(struct store *s, const char *engine, struct cluster *cluster)
{
	char name[64];

	memset(s, 0, sizeof(*s));
	ud_log_set_level(UD_LOG_ERROR);
	s->engine = engine;
	s->cluster = cluster;
	s->arena = ud_arena_new();
	s->cx = (struct ud_ctx){
		.arena = s->arena, .env = &ud_env_real, .now_ms = ud_now_ms(&ud_env_real)
	};
	make_folder(s->dir, sizeof(s->dir), "store");
	if (store_is_postgresql(s)) {
		if (!cluster->dir[0])
			cluster_start(cluster, false);
		snprintf(name, sizeof(name), "t%d_%lld", getpid(), (long long)ud_stopwatch_us());
		cluster_database(cluster, name, s->url, sizeof(s->url));
	} else {
		snprintf(s->url, sizeof(s->url), "sqlite:%s/test.db", s->dir);
	}
	store_wants(s, UD_OK, ud_conn_open(&s->cx, s->url, UD_CONN_CREATE, &s->cx.conn));
}

void store_end(struct store *s)
{
	ud_conn_release(&s->cx.conn);
	ud_arena_release(&s->arena);
	remove_tree(s->dir);
}

bool store_is_postgresql(const struct store *s)
{
	return strcmp(s->engine, ud_engine_postgresql.name) == 0;
}

void store_wants(struct store *s, enum ud_code wanted, enum ud_code code)
{
	if (code != wanted)
		fail_msg("wanted %s, got %s: %s", ud_error_info(wanted)->name,
			ud_error_info(code)->name,
			s->cx.problem.detail ? s->cx.problem.detail : "");
}

int64_t store_number(struct store *s, const char *sql)
{
	bool found = false;
	int64_t n = -1;

	store_wants(s, UD_OK, ud_query_int(&s->cx, &found, &n, sql, UD_NO_VALS));
	return n;
}

void store_script(struct store *s, const char *sql)
{
	store_wants(s, UD_OK, s->cx.conn->engine->script(&s->cx, s->cx.conn, sql));
}

/* One test on one engine. */
struct placed {
	const struct store_test *test;
	const char *engine;
	struct cluster *cluster;
	struct store store;
	char name[160];
};

static int set_up(void **state)
{
	struct placed *p = *state;

	store_begin(&p->store, p->engine, p->cluster);
	return 0;
}

static int tear_down(void **state)
{
	struct placed *p = *state;

	store_end(&p->store);
	return 0;
}

static void run(void **state)
{
	struct placed *p = *state;

	p->test->run(&p->store);
}

int store_tests(const struct store_test *tests, size_t n)
{
	const char *const engines[] = { ud_engine_sqlite.name, ud_engine_postgresql.name };
	struct placed *placed = ud_malloc(2 * n * sizeof(*placed));
	struct CMUnitTest *list = ud_malloc(2 * n * sizeof(*list));
	struct cluster cluster = { 0 };
	size_t count = 0;

	for (size_t i = 0; i < 2 * n; i++) {
		struct placed *p = &placed[count];

		*p = (struct placed){
			.test = &tests[i / 2], .engine = engines[i % 2], .cluster = &cluster
		};
		if (p->test->only && strcmp(p->test->only, p->engine) != 0)
			continue;
		snprintf(p->name, sizeof(p->name), "%s@%s", p->test->name, p->engine);
		list[count++] = (struct CMUnitTest){ p->name, run, set_up, tear_down, p };
	}
	int failed = _cmocka_run_group_tests("store", list, count, NULL, NULL);

	cluster_end(&cluster);
	ud_free(placed);
	ud_free(list);
	return failed;
}
