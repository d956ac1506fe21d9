/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SQLite: WAL and synchronous=FULL (NORMAL lost acknowledged commits in power-cut tests), hardened
 * settings, statements cached by content. The writer checkpoints (database.c); connections never do
 * by themselves.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "db/engine/engine.h"
#include "db/engine/sqlite.h"

enum { CACHE_SLOTS = 512, BUSY_MS = 10000, MAX_PARAMS = 64 };

struct cached {
	char *sql;
	uint64_t hash;
	sqlite3_stmt *stmt;
	bool busy;
	unsigned char index[MAX_PARAMS]; /* SQLite's number of $1, $2 …; 0 = not used */
	int params;
};

struct conn {
	struct ud_conn head;
	sqlite3 *db;
	struct cached cache[CACHE_SLOTS];
};

struct rows {
	struct ud_rows head;
	struct conn *conn;
	struct cached *slot; /* NULL: stmt is not cached */
	sqlite3_stmt *stmt;
	int64_t changes;
};

static enum ud_code code_of(int extended)
{
	static const struct {
		int sqlite;
		enum ud_code code;
	} map[] = {
		{ SQLITE_CONSTRAINT_UNIQUE, UD_E_ALREADY_EXISTS },
		{ SQLITE_CONSTRAINT_PRIMARYKEY, UD_E_ALREADY_EXISTS },
		{ SQLITE_CONSTRAINT_FOREIGNKEY, UD_E_IN_USE },
		{ SQLITE_CONSTRAINT_TRIGGER, UD_E_INVALID_STATE },
		{ SQLITE_FULL, UD_E_STORAGE_FULL },
		{ SQLITE_READONLY, UD_E_READ_ONLY },
		{ SQLITE_BUSY, UD_E_UNAVAILABLE },
		{ SQLITE_LOCKED, UD_E_UNAVAILABLE },
		{ SQLITE_IOERR, UD_E_UNAVAILABLE },
		{ SQLITE_CANTOPEN, UD_E_UNAVAILABLE },
		{ SQLITE_CORRUPT, UD_E_UNAVAILABLE },
		{ SQLITE_NOTADB, UD_E_UNAVAILABLE },
	};

	for (size_t i = 0; i < UD_LEN(map); i++)
		if (map[i].sqlite == extended || map[i].sqlite == (extended & 0xff))
			return map[i].code;
	return UD_E_INTERNAL;
}

static enum ud_code fail(struct ud_ctx *cx, struct conn *c)
{
	return ud_fail(
		cx, code_of(sqlite3_extended_errcode(c->db)), NULL, "%s", sqlite3_errmsg(c->db));
}

static void sqlite_close_conn(ud_conn *head)
{
	struct conn *c = UD_OUTER(head, struct conn, head);

	for (size_t i = 0; i < CACHE_SLOTS; i++) {
		sqlite3_finalize(c->cache[i].stmt);
		ud_free(c->cache[i].sql);
	}
	sqlite3_close(c->db);
	ud_free(c);
}

/* Settings of every connection; a failing one refuses the connection. */
static bool configure(struct conn *c)
{
	static const char settings[] = "PRAGMA journal_mode=WAL;"
				       "PRAGMA synchronous=FULL;"
				       "PRAGMA foreign_keys=ON;"
				       "PRAGMA trusted_schema=OFF;"
				       "PRAGMA cell_size_check=ON;"
				       "PRAGMA wal_autocheckpoint=0;"
				       "PRAGMA mmap_size=0;"
				       "PRAGMA cache_size=-32768;"
				       "PRAGMA temp_store=MEMORY;";

	sqlite3_busy_timeout(c->db, BUSY_MS);
	sqlite3_extended_result_codes(c->db, 1);
	sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	if (sqlite3_exec(c->db, settings, NULL, NULL, NULL) != SQLITE_OK)
		return false;
	return !(c->head.flags & UD_CONN_READ) ||
		sqlite3_exec(c->db, "PRAGMA query_only=ON", NULL, NULL, NULL) == SQLITE_OK;
}

static enum ud_code sqlite_open_conn(
	struct ud_ctx *cx, const char *url, unsigned flags, ud_conn **ret)
{
	struct conn *c = ud_malloc(sizeof(*c));
	const char *path = url + strlen(ud_engine_sqlite.scheme);
	int mode = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		(flags & UD_CONN_CREATE ? SQLITE_OPEN_CREATE : 0);

	c->head.engine = &ud_engine_sqlite;
	c->head.flags = flags;
	/* SQLite's count of its memory costs a lock at each allocation; refused, and needless, once
	 * it runs */
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	if (sqlite3_open_v2(path, &c->db, mode, NULL) != SQLITE_OK || !configure(c)) {
		enum ud_code code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", path,
			c->db ? sqlite3_errmsg(c->db) : "out of memory");

		sqlite_close_conn(&c->head);
		return code;
	}
	*ret = &c->head;
	return UD_OK;
}

sqlite3 *ud_sqlite_handle(ud_conn *conn)
{
	return conn->engine == &ud_engine_sqlite ? UD_OUTER(conn, struct conn, head)->db : NULL;
}

static enum ud_code run(struct ud_ctx *cx, struct conn *c, const char *sql)
{
	return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? UD_OK : fail(cx, c);
}

static enum ud_code sqlite_begin(struct ud_ctx *cx, ud_conn *conn, bool write)
{
	UD_TRY(run(cx, UD_OUTER(conn, struct conn, head), write ? "BEGIN IMMEDIATE" : "BEGIN"));
	conn->in_transaction = true;
	return UD_OK;
}

static void sqlite_rollback(ud_conn *conn)
{
	struct conn *c = UD_OUTER(conn, struct conn, head);

	if (!sqlite3_get_autocommit(c->db))
		sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
	conn->in_transaction = false;
}

static enum ud_code sqlite_commit(struct ud_ctx *cx, ud_conn *conn)
{
	enum ud_code code = run(cx, UD_OUTER(conn, struct conn, head), "COMMIT");

	if (code != UD_OK)
		sqlite_rollback(conn);
	conn->in_transaction = false;
	return code;
}

/* Eight bytes at a time: statements are some hundred bytes long and looked up with each request. */
static uint64_t hash_of(const char *s)
{
	uint64_t h = 14695981039346656037ULL, word;
	size_t n = strlen(s);

	for (; n >= sizeof(word); n -= sizeof(word), s += sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
		h ^= h >> 32;
	}
	for (; n; n--, s++)
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	return h;
}

/* Which of SQLite's numbers each $n has: it counts by first appearance. */
static void number_parameters(struct cached *slot)
{
	slot->params = sqlite3_bind_parameter_count(slot->stmt);
	memset(slot->index, 0, sizeof(slot->index));
	for (int i = 1; i < MAX_PARAMS; i++) {
		char name[8];

		snprintf(name, sizeof(name), "$%d", i);
		slot->index[i - 1] = (unsigned char)sqlite3_bind_parameter_index(slot->stmt, name);
	}
}

/* A free cache slot for the statement, prepared; a collision evicts an idle one. NULL with
 * *ret_code. */
static struct cached *prepare(
	struct ud_ctx *cx, struct conn *c, const char *sql, enum ud_code *ret_code)
{
	uint64_t hash = hash_of(sql);
	struct cached *slot = NULL;

	for (size_t i = 0; i < 8; i++) {
		struct cached *s = &c->cache[(hash + i) % CACHE_SLOTS];

		if (s->stmt && !s->busy && s->hash == hash && strcmp(s->sql, sql) == 0)
			return s;
		if (!s->busy && (!slot || !s->stmt))
			slot = slot && !slot->stmt ? slot : s;
	}
	if (!slot) {
		*ret_code = ud_fail(cx, UD_E_INTERNAL, NULL, "too many statements open at once");
		return NULL;
	}
	sqlite3_finalize(slot->stmt);
	ud_free(slot->sql);
	slot->stmt = NULL;
	slot->sql = NULL;
	if (sqlite3_prepare_v3(c->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &slot->stmt, NULL) !=
		SQLITE_OK) {
		*ret_code = ud_fail(cx, UD_E_INTERNAL, NULL, "%s: %s", sqlite3_errmsg(c->db), sql);
		return NULL;
	}
	slot->sql = ud_heap_strdup(sql);
	slot->hash = hash;
	number_parameters(slot);
	return slot;
}

static void bind(struct cached *slot, const struct ud_val *vals, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int at = slot->index[i];

		if (at && vals[i].kind == UD_V_INT)
			sqlite3_bind_int64(slot->stmt, at, vals[i].i);
		else if (at && vals[i].kind == UD_V_TEXT)
			sqlite3_bind_text(slot->stmt, at, vals[i].s, -1, SQLITE_STATIC);
	}
}

static enum ud_code sqlite_query(struct ud_ctx *cx, ud_conn *conn, const char *sql,
	const struct ud_val *vals, size_t n, ud_rows **ret)
{
	struct conn *c = UD_OUTER(conn, struct conn, head);
	enum ud_code code = UD_OK;

	if (n >= MAX_PARAMS)
		return ud_fail(cx, UD_E_INTERNAL, NULL, "more than %d parameters", MAX_PARAMS);
	struct cached *slot = prepare(cx, c, sql, &code);

	if (!slot)
		return code;
	bind(slot, vals, n);
	slot->busy = true;
	struct rows *r = ud_alloc(cx->arena, sizeof(*r));

	r->head.conn = conn;
	r->conn = c;
	r->slot = slot;
	r->stmt = slot->stmt;
	*ret = &r->head;
	return UD_OK;
}

static enum ud_code sqlite_next(struct ud_ctx *cx, ud_rows *head, bool *ret_more)
{
	struct rows *r = UD_OUTER(head, struct rows, head);
	int rc = sqlite3_step(r->stmt);

	if (rc == SQLITE_ROW) {
		*ret_more = true;
		return UD_OK;
	}
	*ret_more = false;
	if (rc != SQLITE_DONE)
		return fail(cx, r->conn);
	r->changes = sqlite3_changes64(r->conn->db);
	return UD_OK;
}

static void sqlite_rows_close(ud_rows *head)
{
	struct rows *r = UD_OUTER(head, struct rows, head);

	sqlite3_reset(r->stmt);
	sqlite3_clear_bindings(r->stmt);
	r->slot->busy = false;
}

static int64_t sqlite_changes(const ud_rows *head)
{
	return UD_OUTER(head, const struct rows, head)->changes;
}

static bool sqlite_is_null(const ud_rows *head, int column)
{
	return sqlite3_column_type(UD_OUTER(head, const struct rows, head)->stmt, column) ==
		SQLITE_NULL;
}

static int64_t sqlite_col_int(const ud_rows *head, int column)
{
	return sqlite3_column_int64(UD_OUTER(head, const struct rows, head)->stmt, column);
}

static const char *sqlite_col_text(const ud_rows *head, int column)
{
	return (const char *)sqlite3_column_text(
		UD_OUTER(head, const struct rows, head)->stmt, column);
}

static enum ud_code sqlite_script(struct ud_ctx *cx, ud_conn *conn, const char *sql)
{
	return run(cx, UD_OUTER(conn, struct conn, head), sql);
}

const struct ud_engine ud_engine_sqlite = {
	.name = "sqlite",
	.scheme = "sqlite:",
	.open = sqlite_open_conn,
	.close = sqlite_close_conn,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.query = sqlite_query,
	.next = sqlite_next,
	.rows_close = sqlite_rows_close,
	.changes = sqlite_changes,
	.is_null = sqlite_is_null,
	.col_int = sqlite_col_int,
	.col_text = sqlite_col_text,
	.script = sqlite_script,
};
