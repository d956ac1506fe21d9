/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing a schema forward. On PostgreSQL a lock keeps two programs apart; on SQLite the write
 * lock does.
 */
#include "db/engine/migrate.h"

#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"

static bool postgresql(const struct ud_ctx *cx)
{
	return cx->conn->engine == &ud_engine_postgresql;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n >= m && strcmp(s + n - m, end) == 0;
}

/* The engine's variant: NNNN_x.pg.sql replaces NNNN_x.sql on PostgreSQL and does not exist for
 * SQLite. */
static bool for_engine(
	const struct ud_ctx *cx, const struct ud_embedded *files, const struct ud_embedded *f)
{
	if (ends_with(f->name, ".pg.sql"))
		return postgresql(cx);
	const char *other = ud_printf(cx->arena, "%.*s.pg.sql", (int)strlen(f->name) - 4, f->name);

	for (; files->name; files++)
		if (postgresql(cx) && strcmp(files->name, other) == 0)
			return false;
	return true;
}

static enum ud_code check_order(struct ud_ctx *cx)
{
	bool found;
	int64_t binary = 1;

	if (!postgresql(cx))
		return UD_OK;
	UD_TRY(ud_query_int(
		cx, &found, &binary, "SELECT CASE WHEN 'a' > 'B' THEN 1 ELSE 0 END", UD_NO_VALS));
	if (binary)
		return UD_OK;
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
		"the PostgreSQL database must sort in binary order: create it with TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
}

static enum ud_code applied(
	struct ud_ctx *cx, int64_t version, bool *ret_found, const char **ret_sha256)
{
	return ud_query_text(cx, ret_found, ret_sha256,
		"SELECT sha256 FROM schema_migrations WHERE version = $1", UD_VALS(ud_i(version)));
}

static const char *checksum(struct ud_ctx *cx, const struct ud_embedded *f)
{
	char *hex = ud_alloc(cx->arena, UD_SHA256_HEX);

	ud_sha256_hex(f->data, f->size, hex);
	return hex;
}

static enum ud_code make_table(struct ud_ctx *cx)
{
	return cx->conn->engine->script(cx, cx->conn,
		"CREATE TABLE IF NOT EXISTS schema_migrations ("
		" version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL, applied_at BIGINT NOT NULL)");
}

static enum ud_code has_table(struct ud_ctx *cx, bool *ret)
{
	int64_t ignored;

	return ud_query_int(cx, ret, &ignored,
		postgresql(cx) ? "SELECT 1 WHERE to_regclass('schema_migrations') IS NOT NULL"
			       : "SELECT 1 FROM sqlite_schema WHERE name = 'schema_migrations'",
		UD_NO_VALS);
}

enum ud_code ud_migrate_plan(
	struct ud_ctx *cx, const struct ud_embedded *files, struct ud_migration_plan *ret)
{
	bool table = false, found = false;
	int64_t newest = 0;

	memset(ret, 0, sizeof(*ret));
	UD_TRY(check_order(cx));
	UD_TRY(has_table(cx, &table));
	if (table)
		UD_TRY(ud_query_int(cx, &found, &ret->current,
			"SELECT MAX(version) FROM schema_migrations", UD_NO_VALS));
	for (const struct ud_embedded *f = files; f->name; f++) {
		int64_t version = strtoll(f->name, NULL, 10);
		const char *sha256 = NULL;

		newest = version > newest ? version : newest;
		if (!for_engine(cx, files, f))
			continue;
		found = false;
		if (table)
			UD_TRY(applied(cx, version, &found, &sha256));
		if (found && strcmp(sha256, checksum(cx, f)) != 0)
			return ud_fail(cx, UD_E_CONFLICT, NULL,
				"migration %s was applied with other content", f->name);
		if (!found && ret->count < UD_MIGRATIONS_MAX)
			ret->pending[ret->count++] =
				(struct ud_migration){ version, f->name, f->data };
	}
	if (ret->current > newest)
		return ud_fail(cx, UD_E_CONFLICT, NULL,
			"the database is at version %lld, this program knows %lld",
			(long long)ret->current, (long long)newest);
	return UD_OK;
}

static enum ud_code run_one(
	struct ud_ctx *cx, const struct ud_embedded *files, const struct ud_migration *m)
{
	const struct ud_embedded *f = files;
	bool done = false;
	const char *ignored;

	while (strcmp(f->name, m->name) != 0)
		f++;
	UD_TRY(make_table(cx));
	UD_TRY(applied(cx, m->version, &done, &ignored)); /* somebody else may have been faster */
	if (done)
		return UD_OK;
	UD_TRY(cx->conn->engine->script(cx, cx->conn, m->sql));
	return ud_exec(cx, NULL,
		"INSERT INTO schema_migrations(version, name, sha256, applied_at) VALUES ($1, $2, $3, $4)",
		UD_VALS(ud_i(m->version), ud_t(m->name), ud_t(checksum(cx, f)), ud_i(cx->now_ms)));
}

static enum ud_code run_in_transaction(
	struct ud_ctx *cx, const struct ud_embedded *files, const struct ud_migration *m)
{
	enum ud_code code = ud_begin(cx, true);

	if (code == UD_OK &&
		postgresql(cx)) /* one program at a time; the number is ours by choice */
		code = cx->conn->engine->script(
			cx, cx->conn, "SELECT pg_advisory_xact_lock(781500911)");
	if (code == UD_OK)
		code = run_one(cx, files, m);

	if (code == UD_OK)
		return ud_commit(cx);
	const char *why = cx->problem.detail;

	ud_rollback(cx);
	return ud_fail(cx, code, NULL, "%s: %s", m->name, why ? why : "");
}

enum ud_code ud_migrate(struct ud_ctx *cx, const struct ud_embedded *files)
{
	struct ud_migration_plan *plan = ud_alloc(cx->arena, sizeof(*plan));

	UD_TRY(ud_migrate_plan(cx, files, plan));
	for (size_t i = 0; i < plan->count; i++)
		UD_TRY(run_in_transaction(cx, files, &plan->pending[i]));
	return UD_OK;
}
