/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backup and restore on both engines.
 */
#include "db/engine/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/engine/sqlite.h"

extern char **environ;

enum { STEP_PAGES = 256 };

static bool is_sqlite(const char *url)
{
	return strncmp(url, ud_engine_sqlite.scheme, strlen(ud_engine_sqlite.scheme)) == 0;
}

static enum ud_code sync_path(struct ud_ctx *cx, const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0 || fsync(fd) != 0) {
		int why = errno;

		if (fd >= 0)
			close(fd);
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", path, strerror(why));
	}
	close(fd);
	return UD_OK;
}

/* Give a finished file its name, durably. */
static enum ud_code put_in_place(struct ud_ctx *cx, const char *part, const char *file)
{
	const char *slash = strrchr(file, '/');

	UD_TRY(sync_path(cx, part, O_RDONLY));
	if (rename(part, file) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", file, strerror(errno));
	return sync_path(cx, slash ? ud_strndup(cx->arena, file, (size_t)(slash - file + 1)) : ".",
		O_RDONLY | O_DIRECTORY);
}

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

static enum ud_code check_sqlite(struct ud_ctx *cx, const char *file)
{
	ud_conn *conn = NULL;

	UD_TRY(ud_conn_open(cx, ud_printf(cx->arena, "sqlite:%s", file), 0, &conn));
	cx->conn = conn;
	enum ud_code code = check_pragma(cx, "PRAGMA integrity_check");

	if (code == UD_OK)
		code = check_pragma(cx, "PRAGMA foreign_key_check");
	/* one file, without a log beside it */
	if (code == UD_OK)
		code = conn->engine->script(
			cx, conn, "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE");
	cx->conn = NULL;
	ud_conn_release(&conn);
	return code;
}

static enum ud_code copy_sqlite(struct ud_ctx *cx, const char *from_url, const char *to_url)
{
	ud_conn *from = NULL, *to = NULL;
	enum ud_code code = ud_conn_open(cx, from_url, 0, &from);

	if (code == UD_OK)
		code = ud_conn_open(cx, to_url, UD_CONN_CREATE, &to);
	sqlite3_backup *b = code == UD_OK
		? sqlite3_backup_init(ud_sqlite_handle(to), "main", ud_sqlite_handle(from), "main")
		: NULL;
	int rc = SQLITE_ERROR;

	while (b &&
		((rc = sqlite3_backup_step(b, STEP_PAGES)) == SQLITE_OK || rc == SQLITE_BUSY ||
			rc == SQLITE_LOCKED))
		if (rc != SQLITE_OK)
			sqlite3_sleep(10); /* somebody holds a lock; SQLite's own waiting */
	if (code == UD_OK && (sqlite3_backup_finish(b) != SQLITE_OK || rc != SQLITE_DONE))
		code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "backup: %s",
			sqlite3_errmsg(ud_sqlite_handle(to)));
	ud_conn_release(&from);
	ud_conn_release(&to);
	return code;
}

/* Run a program and wait; its messages go where ours go. */
static enum ud_code run_program(struct ud_ctx *cx, const char *const *argv, bool quiet)
{
	posix_spawn_file_actions_t actions;
	pid_t pid;
	int status = 0;

	posix_spawn_file_actions_init(&actions);
	if (quiet)
		posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	int why = posix_spawnp(
		&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);

	posix_spawn_file_actions_destroy(&actions);
	if (why)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", argv[0], strerror(why));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s ended with status %d", argv[0],
			WEXITSTATUS(status));
	return UD_OK;
}

static enum ud_code dump_postgresql(struct ud_ctx *cx, const char *url, const char *part)
{
	const char *const dump[] = { "pg_dump", "--format=custom", "--no-owner", "--no-privileges",
		"--file", part, "--dbname", url, NULL };
	const char *const list[] = { "pg_restore", "--list", part, NULL };

	UD_TRY(run_program(cx, dump, false));
	return run_program(cx, list, true);
}

enum ud_code ud_backup(struct ud_ctx *cx, const char *url, const char *file)
{
	const char *part = ud_printf(cx->arena, "%s.part", file);

	if (access(file, F_OK) == 0)
		return ud_fail(cx, UD_E_ALREADY_EXISTS, NULL, "%s is there already", file);
	unlink(part);
	enum ud_code code = is_sqlite(url)
		? copy_sqlite(cx, url, ud_printf(cx->arena, "sqlite:%s", part))
		: dump_postgresql(cx, url, part);

	if (code == UD_OK && is_sqlite(url))
		code = check_sqlite(cx, part);
	if (code == UD_OK)
		code = put_in_place(cx, part, file);
	if (code != UD_OK)
		unlink(part);
	return code;
}

/* The target may be missing or empty; an installation in it is not overwritten. */
static enum ud_code check_empty(struct ud_ctx *cx, const char *url)
{
	ud_conn *conn = NULL;
	bool found = false;
	int64_t n = 0;

	UD_TRY(ud_conn_open(cx, url, UD_CONN_CREATE, &conn));
	cx->conn = conn;
	enum ud_code code = ud_query_int(cx, &found, &n,
		is_sqlite(url)
			? "SELECT COUNT(*) FROM sqlite_schema WHERE name = 'users'"
			: "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'users'",
		UD_NO_VALS);

	if (code == UD_OK && n > 0)
		code = ud_query_int(cx, &found, &n, "SELECT COUNT(*) FROM events", UD_NO_VALS);
	cx->conn = NULL;
	ud_conn_release(&conn);
	UD_TRY(code);
	return n > 0 ? ud_fail(cx, UD_E_INVALID_STATE, NULL,
			       "there is an installation in that database already")
		     : UD_OK;
}

static enum ud_code raise_generation(struct ud_ctx *cx, const char *url)
{
	ud_conn *conn = NULL;

	UD_TRY(ud_conn_open(cx, url, 0, &conn));
	cx->conn = conn;
	enum ud_code code = ud_begin(cx, true);

	if (code == UD_OK)
		code = ud_exec(cx, NULL,
			"UPDATE installation SET value = CAST(CAST(value AS BIGINT) + 1 AS TEXT) WHERE key = 'generation'",
			UD_NO_VALS);
	if (code == UD_OK)
		code = ud_exec(cx, NULL,
			"INSERT INTO installation(key, value) VALUES ('recovery', '1') ON CONFLICT(key) DO UPDATE SET value = '1'",
			UD_NO_VALS);
	if (code == UD_OK)
		code = ud_commit(cx);
	else
		ud_rollback(cx);
	cx->conn = NULL;
	ud_conn_release(&conn);
	return code;
}

enum ud_code ud_restore(struct ud_ctx *cx, const char *file, const char *url)
{
	const char *const load[] = { "pg_restore", "--clean", "--if-exists", "--no-owner",
		"--no-privileges", "--exit-on-error", "--single-transaction", "--dbname", url, file,
		NULL };

	if (access(file, R_OK) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", file, strerror(errno));
	UD_TRY(check_empty(cx, url));
	if (is_sqlite(url))
		UD_TRY(copy_sqlite(cx, ud_printf(cx->arena, "sqlite:%s", file), url));
	else
		UD_TRY(run_program(cx, load, false));
	return raise_generation(cx, url);
}
