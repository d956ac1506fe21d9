/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of PostgreSQL by its own programs: pg_dump of a snapshot that we count as well, pg_restore
 * and psql in one transaction. A password of the URL goes by the environment, never by arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/process.h"
#include "db/engine/copy.h"

extern char **environ;

enum { ENVIRON_MAX = 64, LONGEST_MS = 24 * 3600 * 1000, WORDS_MAX = 16384 };

/* Whom the programs talk to: a connection string without the password, and their environment. */
struct target {
	const char *name;
	const char *env[ENVIRON_MAX];
};

/* 'text' with quotes and backslashes escaped, as libpq reads it. */
static void add_option(struct ud_buf *b, const char *key, const char *value)
{
	ud_buf_printf(b, "%s='", key);
	for (; *value; value++) {
		if (*value == '\'' || *value == '\\')
			ud_buf_putc(b, '\\');
		ud_buf_putc(b, *value);
	}
	ud_buf_puts(b, "' ");
}

/* What of our environment the programs may see: libpq's settings, and how to find and speak. */
static bool is_theirs(const char *variable)
{
	static const char *const names[] = { "PG", "PATH=", "HOME=", "LANG=", "LC_" };

	for (size_t i = 0; i < UD_LEN(names); i++)
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void take_options(struct ud_ctx *cx, const PQconninfoOption *options, struct target *ret)
{
	struct ud_buf b = { 0 };
	size_t n = 0;

	for (const PQconninfoOption *o = options; o->keyword; o++) {
		if (!o->val || !*o->val)
			continue;
		if (strcmp(o->keyword, "password") == 0)
			ret->env[n++] = ud_printf(cx->arena, "PGPASSWORD=%s", o->val);
		else
			add_option(&b, o->keyword, o->val);
	}
	/* of several hosts the primary: a standby may lack what was acknowledged */
	ret->env[n++] = ud_strdup(cx->arena, "PGTARGETSESSIONATTRS=read-write");
	for (char **e = environ; *e && n < ENVIRON_MAX - 1; e++)
		if (is_theirs(*e))
			ret->env[n++] = *e;
	ret->env[n] = NULL;
	ret->name = ud_buf_take(cx->arena, &b);
}

static enum ud_code target_of(struct ud_ctx *cx, const char *url, struct target *ret)
{
	char *why = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &why);

	if (!options) {
		enum ud_code code = ud_fail(
			cx, UD_E_UNAVAILABLE, NULL, "database url: %s", why ? why : "not valid");

		PQfreemem(why);
		return code;
	}
	take_options(cx, options, ret);
	PQconninfoFree(options);
	return UD_OK;
}

/* The program's full name, by PATH; its bare name when it is nowhere. */
static const char *find_program(struct ud_ctx *cx, const char *name)
{
	const char *path = getenv("PATH");

	while (path && *path) {
		size_t n = strcspn(path, ":");
		const char *full = ud_printf(cx->arena, "%.*s/%s", (int)n, path, name);

		if (n && access(full, X_OK) == 0)
			return full;
		path += n + (path[n] == ':');
	}
	return name;
}

/* Run argv, whose first is a name to be found, to its end; its words when it fails. */
static enum ud_code run_program(struct ud_ctx *cx, const struct target *t, const char *const *argv)
{
	size_t n = 0;

	while (argv[n])
		n++;
	const char **full = ud_alloc(cx->arena, (n + 1) * sizeof(*full));

	memcpy(full, argv, n * sizeof(*full));
	full[0] = find_program(cx, argv[0]);
	const struct ud_run run = { .argv = full,
		.environment = t->env,
		.output_max = WORDS_MAX,
		.timeout_ms = LONGEST_MS };
	struct ud_ran ran = { 0 };

	if (*full[0] != '/')
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"%s is not in PATH: install PostgreSQL's client programs", argv[0]);
	UD_TRY(ud_process_run(cx, &run, &ran));
	return ran.status == 0 ? UD_OK
			       : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s failed (%d): %s", argv[0],
					 ran.status, ran.error);
}

/* Within the snapshot's transaction on cx->conn. */
static enum ud_code dump(
	struct ud_ctx *cx, const struct target *t, const char *file, struct ud_copy_manifest *m)
{
	const char *snapshot = "";
	bool found;

	UD_TRY(ud_query_text(cx, &found, &snapshot, "SELECT pg_export_snapshot()", UD_NO_VALS));
	UD_TRY(ud_copy_describe(cx, m));
	const char *const argv[] = { "pg_dump", "--format=custom", "--no-owner", "--no-privileges",
		"--lock-wait-timeout=60s", "--snapshot", snapshot, "--file", file, "--dbname",
		t->name, NULL };

	return run_program(cx, t, argv);
}

static enum ud_code save(
	struct ud_ctx *cx, const char *url, const char *file, struct ud_copy_manifest *m)
{
	const char *const read_back[] = { "pg_restore", "--file", "/dev/null", file, NULL };
	struct target t;
	ud_conn *conn = NULL;

	UD_TRY(target_of(cx, url, &t));
	UD_TRY(ud_conn_open(cx, url, UD_CONN_READ, &conn));
	cx->conn = conn;
	enum ud_code code = ud_begin(cx, false);

	if (code == UD_OK)
		code = dump(cx, &t, file, m);
	cx->conn = NULL;
	ud_conn_release(&conn);
	UD_TRY(code);
	return run_program(cx, &t, read_back);
}

/* The dump as SQL in a file that only we can read. */
static enum ud_code to_script(
	struct ud_ctx *cx, const struct target *t, const char *file, const char *script)
{
	const char *const argv[] = { "pg_restore", "--clean", "--if-exists", "--no-owner",
		"--no-privileges", "--file", script, file, NULL };
	int fd = open(script, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	if (fd < 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", script, strerror(errno));
	close(fd);
	return run_program(cx, t, argv);
}

/* every tenant: the installation's own row. All in one transaction: a restored database is never
 * seen with its old generation. */
static enum ud_code run_script(
	struct ud_ctx *cx, const struct target *t, const char *script, int64_t seen)
{
	static const char raise_generation[] =
		"UPDATE installation SET value = (GREATEST(value::bigint,"
		" current_setting('understudy.seen')::bigint) + 1)::text WHERE key = 'generation'";
	static const char mark_recovery[] =
		"INSERT INTO installation(key, value) VALUES ('recovery', '1')"
		" ON CONFLICT(key) DO UPDATE SET value = '1'";
	const char *const argv[] = { "psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1",
		"--single-transaction", "--file", script, "--command", "RESET search_path",
		"--command",
		ud_printf(cx->arena, "SET LOCAL understudy.seen = '%lld'", (long long)seen),
		"--command", raise_generation, "--command", mark_recovery, "--dbname", t->name,
		NULL };

	return run_program(cx, t, argv);
}

static enum ud_code load(struct ud_ctx *cx, const char *file, const char *url, int64_t seen)
{
	const char *script = ud_printf(cx->arena, "%s.sql.part", file);
	struct target t;

	UD_TRY(target_of(cx, url, &t));
	enum ud_code code = to_script(cx, &t, file, script);

	if (code == UD_OK)
		code = run_script(cx, &t, script, seen);
	unlink(script);
	return code;
}

const struct ud_copier ud_copier_postgresql = { save, load };
