/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL over libpq: text parameters, statements prepared once per connection and content. A
 * commit whose answer does not come in time, or that comes with a warning (the wait for the standby
 * was cancelled), has an unknown outcome (rule A): nobody is told that it is stored. No statement
 * waits for ever; one whose answer does not come ends the connection.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/engine/pg_wire.h"

enum { CACHE_SLOTS = 512, MAX_PARAMS = 64 };

struct cached {
	char *sql;
	uint64_t hash;
	unsigned number; /* of its name on the server */
};

struct conn {
	struct ud_pg wire;
	struct cached cache[CACHE_SLOTS];
	unsigned next_number;
};

struct rows {
	struct ud_rows head;
	PGresult *result;
	int row, count;
	int64_t changes;
};

static void close_conn(ud_conn *head)
{
	struct conn *c = UD_OUTER(head, struct conn, wire.head);

	for (size_t i = 0; i < CACHE_SLOTS; i++)
		ud_free(c->cache[i].sql);
	PQfinish(c->wire.pg);
	ud_free(c);
}

/*
 * What is set on every connection unless the URL says otherwise. Of several hosts only the primary
 * serves us, readers too: a standby may be behind what we acknowledged.
 */
static PGconn *connect_to(const char *url, unsigned flags)
{
	static const char *const keys[] = { "connect_timeout", "tcp_user_timeout",
		"keepalives_idle", "keepalives_interval", "keepalives_count", "application_name",
		"target_session_attrs", "dbname", NULL };
	const char *const values[] = { "2", "5000", "5", "2", "3", "understudyd",
		flags & UD_CONN_READ ? "primary" : "read-write", url, NULL };

	return PQconnectdbParams(keys, values, 1);
}

static enum ud_code open_conn(struct ud_ctx *cx, const char *url, unsigned flags, ud_conn **ret)
{
	struct conn *c = ud_malloc(sizeof(*c));

	c->wire.head.engine = &ud_engine_postgresql;
	c->wire.head.flags = flags;
	c->wire.env = cx->env;
	c->wire.pg = connect_to(url, flags);
	enum ud_code code = UD_OK;

	if (PQstatus(c->wire.pg) != CONNECTION_OK)
		code = ud_fail(
			cx, UD_E_UNAVAILABLE, NULL, "PostgreSQL: %s", PQerrorMessage(c->wire.pg));
	if (code == UD_OK) {
		PQsetNoticeReceiver(c->wire.pg, ud_pg_notice, &c->wire);
		code = ud_pg_run(cx, &c->wire,
			"SET client_min_messages = warning; SET synchronous_commit = on; SET TIME ZONE 'UTC'",
			UD_PG_STATEMENT_MS);
	}
	if (code == UD_OK && flags & UD_CONN_READ)
		code = ud_pg_run(
			cx, &c->wire, "SET default_transaction_read_only = on", UD_PG_STATEMENT_MS);
	if (code != UD_OK) {
		close_conn(&c->wire.head);
		return code;
	}
	*ret = &c->wire.head;
	return UD_OK;
}

static enum ud_code begin(struct ud_ctx *cx, ud_conn *conn, bool write)
{
	UD_TRY(ud_pg_run(cx, UD_OUTER(conn, struct ud_pg, head),
		write ? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
		      : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		UD_PG_STATEMENT_MS));
	conn->in_transaction = true;
	return UD_OK;
}

static void rollback(ud_conn *conn)
{
	struct conn *c = UD_OUTER(conn, struct conn, wire.head);

	conn->in_transaction = false;
	c->wire.mark_count = 0;
	if (conn->broken || PQtransactionStatus(c->wire.pg) == PQTRANS_IDLE)
		return;
	PGresult *result =
		ud_pg_result(&c->wire, PQsendQuery(c->wire.pg, "ROLLBACK"), UD_PG_STATEMENT_MS);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		conn->broken = true;
	PQclear(result);
}

static enum ud_code unknown(struct ud_ctx *cx, struct conn *c, const char *why)
{
	c->wire.head.broken = true;
	return ud_fail(cx, UD_E_OUTCOME_UNKNOWN, NULL, "commit: %s", why);
}

/* Only an answer without a warning is a promise; only an error on a living connection is a
 * rollback. */
static enum ud_code outcome(struct ud_ctx *cx, struct conn *c, const PGresult *result)
{
	if (!result)
		return unknown(cx, c, "no answer");
	if (c->wire.warned)
		return unknown(cx, c, "the wait for the standby was cancelled");
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		return ud_pg_ends_connection(&c->wire, result)
			? unknown(cx, c, "the connection ended")
			: ud_pg_fail(cx, &c->wire, result);
	if (strcmp(PQcmdStatus((PGresult *)(uintptr_t)result), "COMMIT") != 0)
		return ud_fail(cx, UD_E_RETRY, NULL, "the transaction had failed");
	return UD_OK;
}

static enum ud_code commit(struct ud_ctx *cx, ud_conn *conn)
{
	struct conn *c = UD_OUTER(conn, struct conn, wire.head);

	conn->in_transaction = false;
	c->wire.mark_count = 0; /* the end of the last part */
	c->wire.warned = false;
	c->wire.committing = true;
	PGresult *result =
		ud_pg_result(&c->wire, PQsendQuery(c->wire.pg, "COMMIT"), UD_PG_COMMIT_MS);
	enum ud_code code = outcome(cx, c, result);

	c->wire.committing = false;
	PQclear(result);
	return code;
}

/* FNV-1a, 64 bits. */
static uint64_t hash_of(const char *s)
{
	uint64_t h = 14695981039346656037ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211ULL;
	return h;
}

static enum ud_code forget(struct ud_ctx *cx, struct conn *c, struct cached *slot)
{
	char sql[48];

	if (!slot->sql)
		return UD_OK;
	snprintf(sql, sizeof(sql), "DEALLOCATE s%u", slot->number);
	ud_free(slot->sql);
	slot->sql = NULL;
	return ud_pg_run(cx, &c->wire, sql, UD_PG_STATEMENT_MS);
}

/* The server's name of a statement, prepared now if need be. */
static enum ud_code prepared(struct ud_ctx *cx, struct conn *c, const char *sql, char name[16])
{
	uint64_t hash = hash_of(sql);
	struct cached *slot = &c->cache[hash % CACHE_SLOTS];

	if (!slot->sql || slot->hash != hash || strcmp(slot->sql, sql) != 0) {
		UD_TRY(ud_pg_flush(cx, &c->wire)); /* an error shall fall into its own part */
		UD_TRY(forget(cx, c, slot));
		slot->number = ++c->next_number;
		snprintf(name, 16, "s%u", slot->number);
		UD_TRY(ud_pg_settle(cx, &c->wire,
			ud_pg_result(&c->wire, PQsendPrepare(c->wire.pg, name, sql, 0, NULL),
				UD_PG_STATEMENT_MS)));
		slot->sql = ud_heap_strdup(sql);
		slot->hash = hash;
	}
	snprintf(name, 16, "s%u", slot->number);
	return UD_OK;
}

static bool begins(const char *sql, const char *word)
{
	return strncmp(sql, word, strlen(word)) == 0;
}

/*
 * Savepoints wait for the next statement, so that a part costs no round trips of its own. In a
 * transaction that has failed they are refused at once: put off, they would fail among somebody
 * else's statements.
 */
static enum ud_code control(struct ud_ctx *cx, struct conn *c, const char *sql, PGresult **ret)
{
	if (begins(sql, "ROLLBACK") && !ud_pg_fresh(&c->wire)) {
		*ret = ud_pg_result(&c->wire, PQsendQuery(c->wire.pg, sql), UD_PG_STATEMENT_MS);
		return UD_OK;
	}
	if (PQtransactionStatus(c->wire.pg) != PQTRANS_INTRANS)
		return ud_fail(cx, UD_E_RETRY, NULL, "an earlier statement had failed");
	if (!begins(sql, "ROLLBACK"))
		ud_pg_mark(&c->wire, begins(sql, "RELEASE") ? UD_PG_RELEASE : UD_PG_SET);
	*ret = PQmakeEmptyPGresult(c->wire.pg, PGRES_COMMAND_OK);
	return UD_OK;
}

static bool is_control(const char *sql)
{
	return begins(sql, "SAVEPOINT") || begins(sql, "RELEASE") || begins(sql, "ROLLBACK");
}

/* Parameters as texts. */
static void write_texts(struct ud_ctx *cx, const struct ud_val *vals, size_t n, const char **texts)
{
	for (size_t i = 0; i < n; i++)
		texts[i] = vals[i].kind == UD_V_TEXT ? vals[i].s
			: vals[i].kind == UD_V_INT
			? ud_printf(cx->arena, "%lld", (long long)vals[i].i)
			: NULL;
}

static enum ud_code execute(struct ud_ctx *cx, struct conn *c, const char *sql,
	const struct ud_val *vals, size_t n, PGresult **ret)
{
	const char *texts[MAX_PARAMS];
	char name[16];

	if (n >= MAX_PARAMS)
		return ud_fail(cx, UD_E_INTERNAL, NULL, "more than %d parameters", MAX_PARAMS);
	if (is_control(sql))
		return control(cx, c, sql, ret);
	UD_TRY(prepared(cx, c, sql, name));
	write_texts(cx, vals, n, texts);
	*ret = ud_pg_execute(&c->wire, name, (int)n, texts);
	return UD_OK;
}

static enum ud_code query(struct ud_ctx *cx, ud_conn *conn, const char *sql,
	const struct ud_val *vals, size_t n, ud_rows **ret)
{
	struct conn *c = UD_OUTER(conn, struct conn, wire.head);
	PGresult *result = NULL;

	UD_TRY(execute(cx, c, sql, vals, n, &result));
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		return ud_pg_settle(cx, &c->wire, result);
	struct rows *r = ud_alloc(cx->arena, sizeof(*r));

	r->head.conn = conn;
	r->result = result;
	r->row = -1;
	r->count = PQntuples(result);
	r->changes = strtoll(PQcmdTuples(result), NULL, 10);
	*ret = &r->head;
	return UD_OK;
}

static enum ud_code next(struct ud_ctx *cx, ud_rows *head, bool *ret_more)
{
	struct rows *r = UD_OUTER(head, struct rows, head);

	(void)cx;
	*ret_more = r->row + 1 < r->count;
	r->row += *ret_more;
	return UD_OK;
}

static void rows_close(ud_rows *head)
{
	PQclear(UD_OUTER(head, struct rows, head)->result);
}

static int64_t changes(const ud_rows *head)
{
	return UD_OUTER(head, const struct rows, head)->changes;
}

static bool is_null(const ud_rows *head, int column)
{
	const struct rows *r = UD_OUTER(head, const struct rows, head);

	return PQgetisnull(r->result, r->row, column);
}

static const char *col_text(const ud_rows *head, int column)
{
	const struct rows *r = UD_OUTER(head, const struct rows, head);

	return is_null(head, column) ? NULL : PQgetvalue(r->result, r->row, column);
}

static int64_t col_int(const ud_rows *head, int column)
{
	const char *text = col_text(head, column);

	return text ? strtoll(text, NULL, 10) : 0;
}

/* An idle server has nothing to say but a farewell, after which its end of the socket is closed. */
static void check(ud_conn *conn)
{
	struct conn *c = UD_OUTER(conn, struct conn, wire.head);
	struct pollfd p = { .fd = PQsocket(c->wire.pg), .events = POLLIN };

	while (!conn->broken && poll(&p, 1, 0) > 0)
		conn->broken = !PQconsumeInput(c->wire.pg);
}

static enum ud_code script(struct ud_ctx *cx, ud_conn *conn, const char *sql)
{
	struct ud_pg *c = UD_OUTER(conn, struct ud_pg, head);

	UD_TRY(ud_pg_flush(cx, c));
	return ud_pg_run(cx, c, sql, UD_PG_NO_LIMIT);
}

const struct ud_engine ud_engine_postgresql = {
	.name = "postgresql",
	.scheme = "postgresql:",
	.open = open_conn,
	.close = close_conn,
	.begin = begin,
	.commit = commit,
	.rollback = rollback,
	.query = query,
	.next = next,
	.rows_close = rows_close,
	.changes = changes,
	.is_null = is_null,
	.col_int = col_int,
	.col_text = col_text,
	.check = check,
	.script = script,
};
