/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both engines keep the same promises: parameters, codes, marks, transactions, broken connections.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "db/engine/health.h"
#include "support/store.h"

static void numbered_parameters_may_stand_in_any_order(struct store *s)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	store_wants(s, UD_OK,
		ud_query(&s->cx, &rows,
			"SELECT CAST($2 AS TEXT), CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT)",
			UD_VALS(ud_i(INT64_MAX), ud_t("it's \"quoted\" \xe2\x82\xac"),
				ud_t(NULL))));
	store_wants(s, UD_OK, ud_next(&s->cx, rows, &more));
	assert_true(more);
	assert_string_equal(ud_col_text(rows, 0), "it's \"quoted\" \xe2\x82\xac");
	assert_true(ud_col_int(rows, 1) == INT64_MAX);
	assert_string_equal(ud_col_text(rows, 2), ud_col_text(rows, 0));
	assert_true(ud_col_null(rows, 3));
	assert_null(ud_col_text(rows, 3));
	assert_true(ud_col_int_or_none(rows, 3) == UD_NONE);
	assert_int_equal(ud_col_int(rows, 3), 0);
	store_wants(s, UD_OK, ud_next(&s->cx, rows, &more));
	assert_false(more);
}

static void changes_are_counted(struct store *s)
{
	int64_t n = -1;

	store_script(s, "CREATE TABLE t (a BIGINT NOT NULL)");
	store_wants(s, UD_OK,
		ud_exec(&s->cx, &n, "INSERT INTO t(a) VALUES ($1), ($2), ($2)",
			UD_VALS(ud_i(1), ud_i(2))));
	assert_int_equal(n, 3);
	store_wants(
		s, UD_OK, ud_exec(&s->cx, &n, "UPDATE t SET a = 3 WHERE a = $1", UD_VALS(ud_i(2))));
	assert_int_equal(n, 2);
	store_wants(s, UD_OK, ud_exec(&s->cx, &n, "DELETE FROM t WHERE a = $1", UD_VALS(ud_i(9))));
	assert_int_equal(n, 0);
}

/* More statements than the cache has room for, then the first ones again. */
static void more_statements_than_the_cache_holds(struct store *s)
{
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 700; i++) {
			char sql[32];

			snprintf(sql, sizeof(sql), "SELECT %d", i);
			assert_int_equal(store_number(s, sql), i);
		}
}

static void make_parent_and_child(struct store *s)
{
	store_script(s,
		"CREATE TABLE parents (id TEXT NOT NULL PRIMARY KEY, code TEXT NOT NULL);"
		"CREATE UNIQUE INDEX parents_code ON parents(code);"
		"CREATE TABLE children (id TEXT NOT NULL PRIMARY KEY, parent TEXT REFERENCES parents(id));"
		"INSERT INTO parents(id, code) VALUES ('p', 'c')");
}

static void a_clash_names_the_column_and_not_the_value(struct store *s)
{
	make_parent_and_child(s);
	store_wants(s, UD_E_ALREADY_EXISTS,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('q', $1)",
			UD_VALS(ud_t("c"))));
	assert_non_null(strstr(s->cx.problem.detail, "code"));
	store_wants(s, UD_OK,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('r', $1)",
			UD_VALS(ud_t("secret"))));
	store_wants(s, UD_E_ALREADY_EXISTS,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('t', $1)",
			UD_VALS(ud_t("secret"))));
	assert_null(strstr(s->cx.problem.detail, "secret"));
	assert_false(s->cx.conn->broken);
}

static void a_row_that_is_referred_to_is_in_use(struct store *s)
{
	make_parent_and_child(s);
	store_wants(s, UD_OK,
		ud_exec(&s->cx, NULL, "INSERT INTO children(id, parent) VALUES ('k', 'p')",
			UD_NO_VALS));
	store_wants(s, UD_E_IN_USE,
		ud_exec(&s->cx, NULL, "DELETE FROM parents WHERE id = 'p'", UD_NO_VALS));
}

static void bad_sql_is_our_bug(struct store *s)
{
	store_wants(s, UD_E_INTERNAL, ud_exec(&s->cx, NULL, "SELEKT 1", UD_NO_VALS));
	assert_int_equal(store_number(s, "SELECT 1"), 1);
	assert_false(s->cx.conn->broken);
}

static void a_failed_part_is_undone_without_the_rest(struct store *s)
{
	make_parent_and_child(s);
	store_wants(s, UD_OK, ud_begin(&s->cx, true));
	store_wants(s, UD_OK, ud_savepoint(&s->cx));
	store_wants(s, UD_OK,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('kept', '1')",
			UD_NO_VALS));
	store_wants(s, UD_OK, ud_savepoint_release(&s->cx));
	store_wants(s, UD_OK, ud_savepoint(&s->cx));
	store_wants(s, UD_OK,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('undone', '2')",
			UD_NO_VALS));
	store_wants(s, UD_E_ALREADY_EXISTS,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('p', '3')",
			UD_NO_VALS));
	store_wants(s, UD_OK, ud_savepoint_rollback(&s->cx));
	store_wants(s, UD_OK, ud_commit(&s->cx));
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM parents WHERE id = 'kept'"), 1);
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM parents WHERE id = 'undone'"), 0);
}

/* Parts without a statement, and a statement that was never seen before as the first of a part. */
static void empty_parts_and_new_statements(struct store *s)
{
	make_parent_and_child(s);
	store_wants(s, UD_OK, ud_begin(&s->cx, true));
	for (int i = 0; i < 3; i++) {
		store_wants(s, UD_OK, ud_savepoint(&s->cx));
		store_wants(s, UD_OK,
			i == 1 ? ud_savepoint_rollback(&s->cx) : ud_savepoint_release(&s->cx));
	}
	store_wants(s, UD_OK, ud_savepoint(&s->cx));
	store_wants(s, UD_OK,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('1', '1')",
			UD_NO_VALS));
	store_wants(s, UD_OK, ud_savepoint_release(&s->cx));
	store_wants(s, UD_OK, ud_savepoint(&s->cx));
	store_wants(s, UD_E_INTERNAL,
		ud_exec(&s->cx, NULL, "INSERT INTO nowhere(id) VALUES ('2')", UD_NO_VALS));
	store_wants(s, UD_OK, ud_savepoint_rollback(&s->cx));
	store_wants(s, UD_OK, ud_savepoint(&s->cx));
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM parents"), 2);
	store_wants(s, UD_OK, ud_savepoint_release(&s->cx));
	store_wants(s, UD_OK, ud_commit(&s->cx));
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM parents"), 2);
}

static void a_rolled_back_transaction_leaves_nothing(struct store *s)
{
	make_parent_and_child(s);
	store_wants(s, UD_OK, ud_begin(&s->cx, true));
	store_wants(s, UD_OK,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('x', 'x')",
			UD_NO_VALS));
	ud_rollback(&s->cx);
	ud_rollback(&s->cx); /* also when none is open */
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM parents"), 1);
}

static void an_injected_failure_rolls_the_commit_back(struct store *s)
{
	make_parent_and_child(s);
	store_wants(s, UD_OK, ud_begin(&s->cx, true));
	store_wants(s, UD_OK,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('x', 'x')",
			UD_NO_VALS));
	s->cx.conn->fail_after = 1;
	store_wants(s, UD_E_UNAVAILABLE, ud_commit(&s->cx));
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM parents"), 1);
}

static void a_read_connection_refuses_writes(struct store *s)
{
	ud_conn *writer = s->cx.conn, *reader = NULL;

	make_parent_and_child(s);
	store_wants(s, UD_OK, ud_conn_open(&s->cx, s->url, UD_CONN_READ, &reader));
	s->cx.conn = reader;
	enum ud_code code = ud_exec(&s->cx, NULL, "DELETE FROM parents WHERE id = 'p'", UD_NO_VALS);
	int64_t n = store_number(s, "SELECT COUNT(*) FROM parents");
	bool broken = reader->broken;

	ud_conn_release(&reader);
	s->cx.conn = writer;
	store_wants(s, UD_E_READ_ONLY, code);
	assert_int_equal(n, 1);
	assert_false(broken);
}

static void what_cannot_be_opened_says_why(struct store *s)
{
	ud_conn *none = NULL;

	store_wants(s, UD_E_UNAVAILABLE, ud_conn_open(&s->cx, "mysql://x", 0, &none));
	store_wants(s, UD_E_UNAVAILABLE,
		ud_conn_open(&s->cx, "sqlite:/nowhere/at/all.db", UD_CONN_CREATE, &none));
	store_wants(s, UD_E_UNAVAILABLE,
		ud_conn_open(
			&s->cx, ud_printf(s->arena, "sqlite:%s/missing.db", s->dir), 0, &none));
	store_wants(s, UD_E_UNAVAILABLE,
		ud_conn_open(&s->cx, "postgresql://ud@127.0.0.1:1/none", 0, &none));
	assert_null(none);
	assert_non_null(s->cx.problem.detail);
}

static const struct ud_finding *finding(struct store *s, struct ud_health *h, const char *what)
{
	store_wants(s, UD_OK, ud_health_check(&s->cx, h));
	for (size_t i = 0; i < h->count; i++)
		if (strcmp(h->findings[i].what, what) == 0)
			return &h->findings[i];
	fail_msg("there is no finding %s", what);
	return NULL;
}

static void rows_that_refer_to_nothing_are_found(struct store *s)
{
	struct ud_health h;

	make_parent_and_child(s);
	assert_true(finding(s, &h, "integrity_check")->good);
	assert_true(finding(s, &h, "rows that refer to nothing")->good);
	store_script(s,
		"PRAGMA foreign_keys=OFF; INSERT INTO children(id, parent) VALUES ('k', 'gone')");
	assert_false(finding(s, &h, "rows that refer to nothing")->good);
}

/* The tests' clusters have checksums, and run without fsync. */
static void unsafe_settings_are_found(struct store *s)
{
	struct ud_health h;

	assert_true(finding(s, &h, "data_checksums")->good);
	assert_false(finding(s, &h, "fsync")->good);
	assert_true(finding(s, &h, "synchronous_standby_names")->good);
}

/* Another connection ends ours, as an operator would. */
static void an_ended_connection_is_broken(struct store *s)
{
	char sql[80];
	int64_t pid = store_number(s, "SELECT pg_backend_pid()");

	snprintf(sql, sizeof(sql), "SELECT pg_terminate_backend(%lld)", (long long)pid);
	cluster_script(s->cluster->url, sql);
	store_wants(s, UD_E_UNAVAILABLE, ud_exec(&s->cx, NULL, "SELECT 1", UD_NO_VALS));
	assert_true(s->cx.conn->broken);
}

/* The server rolls back what had failed, whoever swallowed the error. */
static void a_commit_after_a_swallowed_error_is_to_be_retried(struct store *s)
{
	make_parent_and_child(s);
	store_wants(s, UD_OK, ud_begin(&s->cx, true));
	store_wants(s, UD_E_ALREADY_EXISTS,
		ud_exec(&s->cx, NULL, "INSERT INTO parents(id, code) VALUES ('p', '3')",
			UD_NO_VALS));
	store_wants(s, UD_E_RETRY, ud_commit(&s->cx));
	assert_false(s->cx.conn->broken);
}

/* One side of a deadlock: locks its row, meets the other, then wants the other's row. */
struct side {
	struct store *store;
	const char *mine, *other;
	pthread_barrier_t *meet;
	enum ud_code code;
};

static enum ud_code lock_both(struct ud_ctx *cx, struct side *d)
{
	UD_TRY(ud_begin(cx, true));
	UD_TRY(ud_exec(
		cx, NULL, "UPDATE parents SET code = id WHERE id = $1", UD_VALS(ud_t(d->mine))));
	pthread_barrier_wait(d->meet);
	return ud_exec(
		cx, NULL, "UPDATE parents SET code = id WHERE id = $1", UD_VALS(ud_t(d->other)));
}

static void *one_side(void *data)
{
	struct side *d = data;
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };

	d->code = ud_conn_open(&cx, d->store->url, 0, &cx.conn);
	if (d->code == UD_OK)
		d->code = lock_both(&cx, d);
	else
		pthread_barrier_wait(d->meet);
	if (cx.conn)
		ud_rollback(&cx);
	ud_conn_release(&cx.conn);
	return NULL;
}

static void one_of_a_deadlock_is_told_to_retry(struct store *s)
{
	pthread_barrier_t meet;
	struct side sides[] = { { s, "p", "q", &meet, UD_OK }, { s, "q", "p", &meet, UD_OK } };
	pthread_t threads[2];

	make_parent_and_child(s);
	store_script(s, "INSERT INTO parents(id, code) VALUES ('q', 'q')");
	pthread_barrier_init(&meet, NULL, 2);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_side, &sides[i]), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&meet);
	assert_true((sides[0].code == UD_E_RETRY && sides[1].code == UD_OK) ||
		(sides[0].code == UD_OK && sides[1].code == UD_E_RETRY));
}

int main(void)
{
	static const struct store_test tests[] = {
		{ "numbered_parameters_may_stand_in_any_order",
			numbered_parameters_may_stand_in_any_order, NULL },
		{ "changes_are_counted", changes_are_counted, NULL },
		{ "more_statements_than_the_cache_holds", more_statements_than_the_cache_holds,
			NULL },
		{ "a_clash_names_the_column_and_not_the_value",
			a_clash_names_the_column_and_not_the_value, NULL },
		{ "a_row_that_is_referred_to_is_in_use", a_row_that_is_referred_to_is_in_use,
			NULL },
		{ "bad_sql_is_our_bug", bad_sql_is_our_bug, NULL },
		{ "a_failed_part_is_undone_without_the_rest",
			a_failed_part_is_undone_without_the_rest, NULL },
		{ "empty_parts_and_new_statements", empty_parts_and_new_statements, NULL },
		{ "a_rolled_back_transaction_leaves_nothing",
			a_rolled_back_transaction_leaves_nothing, NULL },
		{ "an_injected_failure_rolls_the_commit_back",
			an_injected_failure_rolls_the_commit_back, NULL },
		{ "a_read_connection_refuses_writes", a_read_connection_refuses_writes, NULL },
		{ "what_cannot_be_opened_says_why", what_cannot_be_opened_says_why, "sqlite" },
		{ "rows_that_refer_to_nothing_are_found", rows_that_refer_to_nothing_are_found,
			"sqlite" },
		{ "unsafe_settings_are_found", unsafe_settings_are_found, "postgresql" },
		{ "an_ended_connection_is_broken", an_ended_connection_is_broken, "postgresql" },
		{ "a_commit_after_a_swallowed_error_is_to_be_retried",
			a_commit_after_a_swallowed_error_is_to_be_retried, "postgresql" },
		{ "one_of_a_deadlock_is_told_to_retry", one_of_a_deadlock_is_told_to_retry,
			"postgresql" },
	};

	return store_tests(tests, UD_LEN(tests));
}
