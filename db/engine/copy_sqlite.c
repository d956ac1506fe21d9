/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of SQLite: its online backup, checked by opening the copy. A restored database is finished
 * under another name and then takes its place.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "db/engine/copy.h"
#include "db/engine/sqlite.h"

enum { STEP_PAGES = 256, BUSY_STEP_MS = 10, CHUNK = 1 << 20 };

/* Run a check that answers "ok", or no row at all. */
static enum ud_code check_pragma(struct ud_ctx *cx, const char *sql)
{
	const char *answer = "ok";
	bool found;

	UD_TRY(ud_query_text(cx, &found, &answer, sql, UD_NO_VALS));
	return strcmp(answer, "ok") == 0
		? UD_OK
		: ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", sql, answer);
}

static enum ud_code check(struct ud_ctx *cx)
{
	UD_TRY(check_pragma(cx, "PRAGMA integrity_check"));
	return check_pragma(cx, "PRAGMA foreign_key_check");
}

/* On cx->conn: one file, without a log beside it. */
static enum ud_code make_single(struct ud_ctx *cx)
{
	return cx->conn->engine->script(
		cx, cx->conn, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE");
}

static enum ud_code copy_pages(struct ud_ctx *cx, sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
	int rc = SQLITE_ERROR;

	do {
		rc = b ? sqlite3_backup_step(b, STEP_PAGES) : SQLITE_ERROR;
		if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
			sqlite3_sleep(BUSY_STEP_MS); /* somebody holds a lock */
	} while (rc == SQLITE_OK || rc == SQLITE_BUSY || rc == SQLITE_LOCKED);
	bool done = rc == SQLITE_DONE;

	if (sqlite3_backup_finish(b) == SQLITE_OK && done)
		return UD_OK;
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "backup: %s", sqlite3_errmsg(to));
}

/* One read transaction for the whole copy: a writer in another process would make it begin anew
 * with every commit. */
static enum ud_code copy(struct ud_ctx *cx, const char *from_url, const char *to_url)
{
	ud_conn *from = NULL, *to = NULL;
	enum ud_code code = ud_conn_open(cx, from_url, UD_CONN_READ, &from);

	if (code == UD_OK)
		code = ud_conn_open(cx, to_url, UD_CONN_CREATE, &to);
	if (code == UD_OK)
		code = from->engine->script(
			cx, from, "BEGIN; SELECT COUNT(*) FROM schema_migrations");
	if (code == UD_OK)
		code = copy_pages(cx, ud_sqlite_handle(from), ud_sqlite_handle(to));
	ud_conn_release(&from);
	ud_conn_release(&to);
	return code;
}

static enum ud_code save(
	struct ud_ctx *cx, const char *url, const char *file, struct ud_copy_manifest *m)
{
	const char *to = ud_printf(cx->arena, "%s%s", ud_engine_sqlite.scheme, file);
	ud_conn *conn = NULL;

	UD_TRY(copy(cx, url, to));
	UD_TRY(ud_conn_open(cx, to, 0, &conn));
	cx->conn = conn;
	enum ud_code code = check(cx);

	if (code == UD_OK)
		code = ud_copy_describe(cx, m);
	if (code == UD_OK)
		code = make_single(cx);
	cx->conn = NULL;
	ud_conn_release(&conn);
	return code;
}

/* every tenant: the installation's own row */
static enum ud_code raise_generation(struct ud_ctx *cx, int64_t seen)
{
	UD_TRY(ud_begin(cx, true));
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE installation SET value = CAST(MAX(CAST(value AS BIGINT), $1) + 1 AS TEXT)"
		" WHERE key = 'generation'",
		UD_VALS(ud_i(seen))));
	UD_TRY(ud_exec(cx, NULL,
		"INSERT INTO installation(key, value) VALUES ('recovery', '1')"
		" ON CONFLICT(key) DO UPDATE SET value = '1'",
		UD_NO_VALS));
	return ud_commit(cx);
}

static enum ud_code finish(struct ud_ctx *cx, const char *url, int64_t seen)
{
	ud_conn *conn = NULL;

	UD_TRY(ud_conn_open(cx, url, 0, &conn));
	cx->conn = conn;
	enum ud_code code = check(cx);

	if (code == UD_OK)
		code = raise_generation(cx, seen);
	if (code == UD_OK)
		code = make_single(cx);
	cx->conn = NULL;
	ud_conn_release(&conn);
	return code;
}

/* Byte by byte: opening it would change its header, and it may lie on a read-only medium. */
static enum ud_code copy_bytes(struct ud_ctx *cx, const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out = open(to, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	ssize_t n = in < 0 || out < 0 ? -1 : 1;

	while (n > 0)
		n = sendfile(out, in, NULL, CHUNK);
	enum ud_code code = n == 0 ? UD_OK
				   : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s",
					     in < 0 ? from : to, strerror(errno));

	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	return code;
}

/* The empty database that init made goes with its log; rename is the moment of the restore. */
static enum ud_code take_place(struct ud_ctx *cx, const char *part, const char *path)
{
	UD_TRY(ud_copy_sync(cx, part));
	unlink(ud_printf(cx->arena, "%s-wal", path));
	unlink(ud_printf(cx->arena, "%s-shm", path));
	if (rename(part, path) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", path, strerror(errno));
	return ud_copy_sync_folder(cx, path);
}

static enum ud_code load(struct ud_ctx *cx, const char *file, const char *url, int64_t seen)
{
	const char *path = url + strlen(ud_engine_sqlite.scheme);
	const char *part = ud_printf(cx->arena, "%s.part", path);

	unlink(part);
	enum ud_code code = copy_bytes(cx, file, part);

	if (code == UD_OK)
		code = finish(
			cx, ud_printf(cx->arena, "%s%s", ud_engine_sqlite.scheme, part), seen);
	if (code == UD_OK)
		code = take_place(cx, part, path);
	if (code != UD_OK)
		unlink(part);
	return code;
}

const struct ud_copier ud_copier_sqlite = { save, load };
