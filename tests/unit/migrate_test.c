/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Migrations run once, in order, whole or not at all, and never over a changed history.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "db/engine/migrate.h"
#include "db/migrations.h"
#include "support/store.h"

static const char sql_one[] =
	"CREATE TABLE one (a BIGINT NOT NULL); INSERT INTO one(a) VALUES (1);";
static const char sql_two[] =
	"CREATE TABLE two (engine TEXT NOT NULL); INSERT INTO two(engine) VALUES ('any')";
static const char sql_one_3[] = "CREATE TABLE one (a BIGINT)";
static const char sql_good[] = "CREATE TABLE good (a BIGINT)";
static const char sql_bad[] = "CREATE TABLE half (a BIGINT); INSERT INTO nowhere(a) VALUES (1)";
static const char sql_x_pg[] = "CREATE TABLE x (a TEXT); INSERT INTO x(a) VALUES ('postgresql')";
static const char sql_x[] = "CREATE TABLE x (a TEXT); INSERT INTO x(a) VALUES ('sqlite')";

static const struct ud_embedded two[] = {
	{ "0001_one.sql", sql_one, sizeof(sql_one) - 1 },
	{ "0002_two.sql", sql_two, sizeof(sql_two) - 1 },
	{ 0 },
};

static struct ud_migration_plan *plan(
	struct store *s, const struct ud_embedded *files, enum ud_code wanted)
{
	struct ud_migration_plan *p = ud_alloc(s->arena, sizeof(*p));

	store_wants(s, wanted, ud_migrate_plan(&s->cx, files, p));
	return p;
}

static void a_plan_lists_what_is_pending(struct store *s)
{
	struct ud_migration_plan *before = plan(s, two, UD_OK);

	assert_int_equal(before->count, 2);
	assert_int_equal(before->current, 0);
	assert_string_equal(before->pending[1].sql, two[1].data);
	store_wants(s, UD_OK, ud_migrate(&s->cx, two));
	struct ud_migration_plan *after = plan(s, two, UD_OK);

	assert_int_equal(after->count, 0);
	assert_int_equal(after->current, 2);
}

static void a_second_run_does_nothing(struct store *s)
{
	store_wants(s, UD_OK, ud_migrate(&s->cx, two));
	store_wants(s, UD_OK, ud_migrate(&s->cx, two));
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM one"), 1);
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM schema_migrations"), 2);
}

static void a_changed_migration_is_refused(struct store *s)
{
	static const struct ud_embedded changed[] = {
		{ "0001_one.sql", sql_one_3, sizeof(sql_one_3) - 1 }, { 0 }
	};

	store_wants(s, UD_OK, ud_migrate(&s->cx, two));
	plan(s, changed, UD_E_CONFLICT);
	store_wants(s, UD_E_CONFLICT, ud_migrate(&s->cx, changed));
}

static void an_older_program_refuses_a_newer_database(struct store *s)
{
	struct ud_embedded older[] = { two[0], { 0 } };

	store_wants(s, UD_OK, ud_migrate(&s->cx, two));
	plan(s, older, UD_E_CONFLICT);
}

static void a_failing_migration_leaves_nothing_behind(struct store *s)
{
	static const struct ud_embedded bad[] = { { "0001_good.sql", sql_good,
							  sizeof(sql_good) - 1 },
		{ "0002_bad.sql", sql_bad, sizeof(sql_bad) - 1 }, { 0 } };

	assert_int_not_equal(ud_migrate(&s->cx, bad), UD_OK);
	assert_non_null(strstr(s->cx.problem.detail, "0002_bad.sql"));
	assert_int_equal(store_number(s, "SELECT COUNT(*) FROM schema_migrations"), 1);
	assert_int_not_equal(ud_exec(&s->cx, NULL, "SELECT a FROM half", UD_NO_VALS), UD_OK);
}

static void postgresql_may_have_a_file_of_its_own(struct store *s)
{
	static const struct ud_embedded files[] = { { "0001_x.pg.sql", sql_x_pg,
							    sizeof(sql_x_pg) - 1 },
		{ "0001_x.sql", sql_x, sizeof(sql_x) - 1 }, { 0 } };
	const char *a = NULL;
	bool found;

	store_wants(s, UD_OK, ud_migrate(&s->cx, files));
	store_wants(s, UD_OK, ud_query_text(&s->cx, &found, &a, "SELECT a FROM x", UD_NO_VALS));
	assert_string_equal(a, s->engine);
	assert_int_equal(plan(s, files, UD_OK)->count, 0);
}

struct racer {
	struct store *store;
	pthread_barrier_t *start;
	enum ud_code code;
};

static void *race(void *data)
{
	struct racer *r = data;
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };

	r->code = ud_conn_open(&cx, r->store->url, 0, &cx.conn);
	pthread_barrier_wait(r->start);
	if (r->code == UD_OK)
		r->code = ud_migrate(&cx, ud_migrations);
	ud_conn_release(&cx.conn);
	return NULL;
}

static void several_programs_at_once_do_it_once(struct store *s)
{
	enum { RACERS = 4 };
	pthread_barrier_t start;
	struct racer racers[RACERS];
	pthread_t threads[RACERS];

	pthread_barrier_init(&start, NULL, RACERS);
	for (int i = 0; i < RACERS; i++) {
		racers[i] = (struct racer){ s, &start, UD_OK };
		assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
	}
	for (int i = 0; i < RACERS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	for (int i = 0; i < RACERS; i++)
		store_wants(s, UD_OK, racers[i].code);
	assert_int_equal(plan(s, ud_migrations, UD_OK)->count, 0);
}

/* cmake/embed.cmake: every byte, in order of names, a NUL behind. */
static void the_program_carries_the_files_of_the_tree(struct store *s)
{
	const char *before = "";
	size_t files = 0;

	for (const struct ud_embedded *f = ud_migrations; f->name; f++, files++) {
		const char *text,
			*path = ud_printf(s->arena, "%s/migrations/%s", UD_SOURCE_DIR, f->name);
		size_t n;

		store_wants(s, UD_OK, ud_file_read(&s->cx, path, 1 << 20, &text, &n));
		assert_int_equal(n, f->size);
		assert_memory_equal(text, f->data, n);
		assert_int_equal(f->data[f->size], 0);
		assert_true(strcmp(before, f->name) < 0);
		before = f->name;
	}
	assert_true(files > 0);
}

static void a_database_in_a_language_s_order_is_refused(struct store *s)
{
	ud_conn *other = NULL, *mine = s->cx.conn;
	char url[160];

	snprintf(url, sizeof(url), "%s", s->cluster->url);
	cluster_script(url,
		"CREATE DATABASE worldly TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en'");
	snprintf(strrchr(url, '/'), 12, "/worldly");
	store_wants(s, UD_OK, ud_conn_open(&s->cx, url, 0, &other));
	s->cx.conn = other;
	enum ud_code code = ud_migrate(&s->cx, two);

	s->cx.conn = mine;
	ud_conn_release(&other);
	store_wants(s, UD_E_UNAVAILABLE, code);
	assert_non_null(strstr(s->cx.problem.detail, "binary order"));
}

int main(void)
{
	static const struct store_test tests[] = {
		{ "a_plan_lists_what_is_pending", a_plan_lists_what_is_pending, NULL },
		{ "a_second_run_does_nothing", a_second_run_does_nothing, NULL },
		{ "a_changed_migration_is_refused", a_changed_migration_is_refused, NULL },
		{ "an_older_program_refuses_a_newer_database",
			an_older_program_refuses_a_newer_database, NULL },
		{ "a_failing_migration_leaves_nothing_behind",
			a_failing_migration_leaves_nothing_behind, NULL },
		{ "postgresql_may_have_a_file_of_its_own", postgresql_may_have_a_file_of_its_own,
			NULL },
		{ "several_programs_at_once_do_it_once", several_programs_at_once_do_it_once,
			NULL },
		{ "the_program_carries_the_files_of_the_tree",
			the_program_carries_the_files_of_the_tree, "sqlite" },
		{ "a_database_in_a_language_s_order_is_refused",
			a_database_in_a_language_s_order_is_refused, "postgresql" },
	};

	return store_tests(tests, UD_LEN(tests));
}
