/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 of a process that writes to SQLite, at a random point of its progress: 20 times in the
 * ordinary run, 200 with UD_TEST_LONG. Below HTTP, so that a kill falls into groups and checkpoints
 * more often than with the whole server.
 */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/engine/database.h"
#include "support/store.h"

enum { WRITERS = 4, KEYS_MAX = 4000000 };

/* One writer of the killed process: writes a row and tells its number through the pipe. */
struct writer {
	ud_database *db;
	int pipe;
	int64_t key; /* of the row being written */
};

static enum ud_code insert(struct ud_ctx *cx, void *data)
{
	const struct writer *w = data;

	UD_TRY(ud_exec(cx, NULL, "UPDATE counter SET n = n + 1", UD_NO_VALS));
	return ud_exec(cx, NULL, "INSERT INTO t(k, filler) VALUES ($1, $2)",
		UD_VALS(ud_i(w->key),
			ud_t("enough text that a group of rows fills pages of the log")));
}

static void *write_rows(void *data)
{
	struct writer *w = data;
	UD_AUTO(ud_arena) *arena = ud_arena_new();

	for (;; w->key += WRITERS) {
		struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };

		if (ud_database_write(w->db, &cx, insert, w) == UD_OK &&
			write(w->pipe, &w->key, sizeof(w->key)) != sizeof(w->key))
			_exit(1);
		ud_arena_reset(arena);
	}
	return NULL;
}

/* The process that will be killed; it never returns. */
static void write_until_killed(const char *url, int64_t first_key, int out)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS];
	ud_database *db = NULL;

	if (ud_database_open(&cx, url, &ud_env_real, &db) != UD_OK)
		_exit(1);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ db, out, first_key + i };
		if (pthread_create(&threads[i], NULL, write_rows, &writers[i]) != 0)
			_exit(1);
	}
	pthread_join(threads[0], NULL);
	_exit(1);
}

/* What was acknowledged: by key. */
struct acks {
	bool *have;
	int64_t count, highest;
};

static bool take_ack(struct acks *a, int in)
{
	int64_t key;

	if (read(in, &key, sizeof(key)) != sizeof(key))
		return false;
	assert_true(key >= 0 && key < KEYS_MAX);
	a->have[key] = true;
	a->count++;
	a->highest = key > a->highest ? key : a->highest;
	return true;
}

/* Kill after so many acknowledgements; those still in the pipe count, too. */
static void kill_after(struct store *s, struct acks *a, int64_t acks)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid_t pid = fork();

	if (pid == 0) {
		close(fds[0]);
		write_until_killed(s->url, a->highest + 1000, fds[1]);
	}
	close(fds[1]);
	for (int64_t i = 0; i < acks; i++)
		assert_true(take_ack(a, fds[0]));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (take_ack(a, fds[0]))
		;
	close(fds[0]);
}

/* The file is whole, its counter equals its rows, and no acknowledged row is missing. */
static int64_t check(struct store *s, const struct acks *a)
{
	UD_AUTO(ud_rows) *rows = NULL;
	int64_t missing = a->count;
	const char *answer = NULL;
	bool found, more = true;

	store_wants(s, UD_OK,
		ud_query_text(&s->cx, &found, &answer, "PRAGMA integrity_check", UD_NO_VALS));
	assert_string_equal(answer, "ok");
	assert_int_equal(store_number(s, "SELECT n FROM counter"),
		store_number(s, "SELECT COUNT(*) FROM t"));
	store_wants(s, UD_OK, ud_query(&s->cx, &rows, "SELECT k FROM t", UD_NO_VALS));
	for (;;) {
		store_wants(s, UD_OK, ud_next(&s->cx, rows, &more));
		if (!more)
			return missing;
		missing -= a->have[ud_col_int(rows, 0)];
	}
}

static void a_killed_writer_loses_nothing_that_was_acknowledged(struct store *s)
{
	const char *is_long = getenv("UD_TEST_LONG");
	int kills = is_long && *is_long ? 200 : 20;
	struct acks acks = { .have = ud_malloc(KEYS_MAX * sizeof(bool)) };
	int64_t missing = 0;

	store_script(s,
		"CREATE TABLE t (k BIGINT NOT NULL PRIMARY KEY, filler TEXT NOT NULL);"
		"CREATE TABLE counter (n BIGINT NOT NULL); INSERT INTO counter(n) VALUES (0)");
	for (int i = 0; i < kills && !missing; i++) {
		uint32_t progress;

		ud_random(s->cx.env, &progress, sizeof(progress));
		kill_after(s, &acks, progress % 700);
		missing = check(s, &acks);
	}
	printf("# %d kills of the writer: %lld acknowledged, %lld lost, integrity checked after each\n",
		kills, (long long)acks.count, (long long)missing);
	ud_free(acks.have);
	assert_int_equal(missing, 0);
}

int main(void)
{
	static const struct store_test tests[] = {
		{ "a_killed_writer_loses_nothing_that_was_acknowledged",
			a_killed_writer_loses_nothing_that_was_acknowledged, "sqlite" },
	};

	return store_tests(tests, UD_LEN(tests));
}
