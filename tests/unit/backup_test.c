/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups are whole, described, private and refused when damaged; a restore raises the generation
 * or leaves nothing.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "db/engine/backup.h"
#include "db/engine/database.h"
#include "db/engine/migrate.h"
#include "db/migrations.h"
#include "support/store.h"

static enum ud_code add_event(struct ud_ctx *cx, void *data)
{
	int64_t n = *(int64_t *)data;

	return ud_exec(cx, NULL,
		"INSERT INTO events(n, id, customer_id, seq, type, created_at, actor_kind, subject_object, previous_hash, hash)"
		" VALUES ($1, $2, NULL, $1, 'x', 0, 'system', 'x', '', '')",
		UD_VALS(ud_i(n), ud_t(ud_printf(cx->arena, "evt_%lld", (long long)n))));
}

/* An installation with rows in it. */
static void install(struct store *s, int64_t events)
{
	store_wants(s, UD_OK, ud_migrate(&s->cx, ud_migrations));
	store_script(s, "INSERT INTO installation(key, value) VALUES ('generation', '5')");
	for (int64_t n = 1; n <= events; n++)
		store_wants(s, UD_OK, add_event(&s->cx, &n));
}

/* Where to restore to: another empty database of the same engine. */
static const char *other_url(struct store *s)
{
	char url[192], name[64];

	if (!store_is_postgresql(s))
		return ud_printf(s->arena, "sqlite:%s/other.db", s->dir);
	snprintf(name, sizeof(name), "r%d_%lld", getpid(), (long long)ud_stopwatch_us());
	cluster_database(s->cluster, name, url, sizeof(url));
	return ud_strdup(s->arena, url);
}

static const char *in_dir(struct store *s, const char *name)
{
	return ud_printf(s->arena, "%s/%s", s->dir, name);
}

static int64_t number_at_url(struct store *s, const char *url, const char *sql)
{
	ud_conn *mine = s->cx.conn, *conn = NULL;

	store_wants(s, UD_OK, ud_conn_open(&s->cx, url, UD_CONN_READ, &conn));
	s->cx.conn = conn;
	int64_t n = store_number(s, sql);

	s->cx.conn = mine;
	ud_conn_release(&conn);
	return n;
}

static const char generation_sql[] =
	"SELECT CAST(value AS BIGINT) FROM installation WHERE key = 'generation'";

/* ud_backup and ud_restore use connections of their own and leave cx->conn NULL. */
static void backup(struct store *s, const char *file, enum ud_code wanted)
{
	ud_conn *mine = s->cx.conn;
	enum ud_code code = ud_backup(&s->cx, s->url, file);

	s->cx.conn = mine;
	store_wants(s, wanted, code);
}

static void restore(struct store *s, const char *file, const char *url, enum ud_code wanted)
{
	ud_conn *mine = s->cx.conn;
	enum ud_code code = ud_restore(&s->cx, file, url, in_dir(s, "history"));

	s->cx.conn = mine;
	store_wants(s, wanted, code);
}

static void a_copy_comes_back_with_a_higher_generation(struct store *s)
{
	const char *file = in_dir(s, "copy"), *url = other_url(s);
	struct stat st;

	install(s, 7);
	backup(s, file, UD_OK);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	backup(s, file, UD_E_ALREADY_EXISTS);
	restore(s, file, url, UD_OK);
	assert_int_equal(number_at_url(s, url, "SELECT COUNT(*) FROM events"), 7);
	assert_int_equal(number_at_url(s, url, generation_sql), 6);
	assert_int_equal(
		number_at_url(s, url,
			"SELECT COUNT(*) FROM installation WHERE key = 'recovery' AND value = '1'"),
		1);
	restore(s, file, url, UD_E_INVALID_STATE);
}

/* What init makes has a schema and no events: a restore may take its place. */
static void a_fresh_installation_may_be_replaced(struct store *s)
{
	const char *file = in_dir(s, "copy"), *url = other_url(s);
	ud_conn *mine = s->cx.conn, *fresh = NULL;

	install(s, 4);
	backup(s, file, UD_OK);
	store_wants(s, UD_OK, ud_conn_open(&s->cx, url, UD_CONN_CREATE, &fresh));
	s->cx.conn = fresh;
	enum ud_code code = ud_migrate(&s->cx, ud_migrations);

	ud_conn_release(&fresh);
	s->cx.conn = mine;
	store_wants(s, UD_OK, code);
	restore(s, file, url, UD_OK);
	assert_int_equal(number_at_url(s, url, "SELECT COUNT(*) FROM events"), 4);
	assert_int_equal(number_at_url(s, url, generation_sql), 6);
}

/* The same copy twice: the second restore must not give the first one's generation again. */
static void a_generation_that_was_seen_is_not_given_again(struct store *s)
{
	const char *file = in_dir(s, "copy"), *url = other_url(s), *seen = "- 0 41\n";

	install(s, 1);
	backup(s, file, UD_OK);
	store_wants(
		s, UD_OK, ud_file_write(&s->cx, in_dir(s, "history"), seen, strlen(seen), 0600));
	restore(s, file, url, UD_OK);
	assert_int_equal(number_at_url(s, url, generation_sql), 42);
}

static void flip_a_byte(const char *file)
{
	FILE *f = fopen(file, "r+");

	assert_non_null(f);
	assert_int_equal(fseek(f, -100, SEEK_END), 0);
	int c = fgetc(f);

	assert_int_equal(fseek(f, -1, SEEK_CUR), 0);
	fputc(c ^ 4, f);
	assert_int_equal(fclose(f), 0);
}

static void a_damaged_copy_is_refused(struct store *s)
{
	const char *file = in_dir(s, "copy"), *url = other_url(s);

	install(s, 3);
	backup(s, file, UD_OK);
	flip_a_byte(file);
	restore(s, file, url, UD_E_UNAVAILABLE);
	assert_non_null(strstr(s->cx.problem.detail, "damaged"));
	flip_a_byte(file);
	restore(s, file, url, UD_OK);
}

static void a_copy_of_the_other_engine_is_refused(struct store *s)
{
	const char *file = in_dir(s, "copy");
	const char *url = store_is_postgresql(s) ? ud_printf(s->arena, "sqlite:%s/x.db", s->dir)
						 : "postgresql://ud@127.0.0.1:1/none";

	install(s, 1);
	backup(s, file, UD_OK);
	restore(s, file, url, UD_E_INVALID_STATE);
}

static void nothing_is_left_of_a_backup_that_failed(struct store *s)
{
	backup(s, in_dir(s, "copy"), UD_E_INTERNAL); /* there is no schema to describe */
	assert_int_not_equal(access(in_dir(s, "copy"), F_OK), 0);
	assert_int_not_equal(access(in_dir(s, "copy.part"), F_OK), 0);
}

static void write_program(struct store *s, const char *name, const char *text)
{
	store_wants(s, UD_OK, ud_file_write(&s->cx, in_dir(s, name), text, strlen(text), 0700));
}

static void a_failing_program_says_why(struct store *s)
{
	char *path = ud_strdup(s->arena, getenv("PATH"));

	install(s, 1);
	store_script(s, "CREATE TABLE locked (a BIGINT)");
	setenv("PATH", s->dir, 1);
	backup(s, in_dir(s, "copy"), UD_E_UNAVAILABLE);
	setenv("PATH", path, 1);
	assert_non_null(strstr(s->cx.problem.detail, "pg_dump is not in PATH"));
	write_program(s, "pg_dump", "#!/bin/sh\necho 'no luck today' >&2\nexit 3\n");
	setenv("PATH", s->dir, 1);
	backup(s, in_dir(s, "copy"), UD_E_UNAVAILABLE);
	setenv("PATH", path, 1);
	assert_non_null(strstr(s->cx.problem.detail, "pg_dump failed (3): no luck today"));
	assert_int_not_equal(access(in_dir(s, "copy.part"), F_OK), 0);
	backup(s, in_dir(s, "copy"), UD_OK);
}

/* Writes go on while the copy is made. */
struct busy {
	ud_database *db;
	_Atomic bool stop;
	_Atomic int64_t written;
};

static void *keep_writing(void *data)
{
	struct busy *b = data;
	UD_AUTO(ud_arena) *arena = ud_arena_new();

	for (int64_t n = 1000; !atomic_load(&b->stop); n++) {
		struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };

		if (ud_database_write(b->db, &cx, add_event, &n) == UD_OK)
			atomic_fetch_add(&b->written, 1);
		ud_arena_reset(arena);
	}
	return NULL;
}

static void a_copy_under_writes_is_one_instant(struct store *s)
{
	const char *file = in_dir(s, "copy"), *url = other_url(s);
	struct busy busy = { 0 };
	pthread_t thread;

	install(s, 50);
	store_wants(s, UD_OK, ud_database_open(&s->cx, s->url, &ud_env_real, &busy.db));
	assert_int_equal(pthread_create(&thread, NULL, keep_writing, &busy), 0);
	while (atomic_load(&busy.written) < 20)
		sched_yield();
	int64_t before = atomic_load(&busy.written);

	backup(s, file, UD_OK);
	int64_t after = atomic_load(&busy.written);

	atomic_store(&busy.stop, true);
	pthread_join(thread, NULL);
	ud_database_release(&busy.db);
	restore(s, file, url, UD_OK); /* counts the rows against the manifest */
	int64_t n = number_at_url(s, url, "SELECT COUNT(*) FROM events") - 50;

	assert_true(n >= before);
	assert_true(n <= after + 1);
	assert_int_equal(
		number_at_url(s, url, "SELECT MAX(n) FROM events") - 999, n); /* without gaps */
}

int main(void)
{
	static const struct store_test tests[] = {
		{ "a_copy_comes_back_with_a_higher_generation",
			a_copy_comes_back_with_a_higher_generation, NULL },
		{ "a_fresh_installation_may_be_replaced", a_fresh_installation_may_be_replaced,
			NULL },
		{ "a_generation_that_was_seen_is_not_given_again",
			a_generation_that_was_seen_is_not_given_again, NULL },
		{ "a_damaged_copy_is_refused", a_damaged_copy_is_refused, NULL },
		{ "a_copy_of_the_other_engine_is_refused", a_copy_of_the_other_engine_is_refused,
			NULL },
		{ "nothing_is_left_of_a_backup_that_failed",
			nothing_is_left_of_a_backup_that_failed, NULL },
		{ "a_failing_program_says_why", a_failing_program_says_why, "postgresql" },
		{ "a_copy_under_writes_is_one_instant", a_copy_under_writes_is_one_instant, NULL },
	};

	return store_tests(tests, UD_LEN(tests));
}
