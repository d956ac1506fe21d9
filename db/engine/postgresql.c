/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL over libpq: text parameters, statements prepared once per connection and content. A
 * commit whose answer does not come in time, or that comes with a warning (the wait for the standby
 * was cancelled), has an unknown outcome (rule A): nobody is told that it is stored. No statement
 * waits for ever; one whose answer does not come ends the connection.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "db/engine/engine.h"

/* NO_LIMIT: a migration takes as long as it takes. */
enum { CACHE_SLOTS = 512, MAX_PARAMS = 64, COMMIT_MS = 10000, STATEMENT_MS = 30000, NO_LIMIT = -1 };

struct cached {
	char *sql;
	uint64_t hash;
	unsigned number; /* of its name on the server */
};

struct conn {
	struct ud_conn head;
	PGconn *pg;
	const struct ud_env *env;
	struct cached cache[CACHE_SLOTS];
	unsigned next_number;
	bool committing, warned; /* a warning came while a commit was under way (rule A) */
};

struct rows {
	struct ud_rows head;
	PGresult *result;
	int row, count;
	int64_t changes;
};

/* SQLSTATEs that mean something to us (PostgreSQL documentation, appendix A); a class stands for
 * all of its codes. */
static enum ud_code code_of(const char *state)
{
	static const struct {
		const char *state;
		enum ud_code code;
	} map[] = {
		{ "23505", UD_E_ALREADY_EXISTS },
		{ "23503", UD_E_IN_USE },
		{ "40001", UD_E_RETRY },
		{ "40P01", UD_E_RETRY },
		{ "53100", UD_E_STORAGE_FULL },
		{ "25006", UD_E_READ_ONLY },
		{ "08", UD_E_UNAVAILABLE },
		{ "57P", UD_E_UNAVAILABLE },
		{ "53", UD_E_UNAVAILABLE },
		{ "55P03", UD_E_UNAVAILABLE },
	};

	for (size_t i = 0; state && i < UD_LEN(map); i++)
		if (strncmp(map[i].state, state, strlen(map[i].state)) == 0)
			return map[i].code;
	return UD_E_INTERNAL;
}

/* The connection is of no more use: gone, going, or to a server that became a standby. */
static bool ends_connection(const struct conn *c, const PGresult *result)
{
	static const char *const states[] = { "08", "57P", "25006" };
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;

	if (!state || PQstatus(c->pg) != CONNECTION_OK)
		return true;
	for (size_t i = 0; i < UD_LEN(states); i++)
		if (strncmp(states[i], state, strlen(states[i])) == 0)
			return !(c->head.flags & UD_CONN_READ) || state[0] != '2';
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

/* The columns of a clash without their values: callers look for names in it. */
static int detail_length(const char *detail)
{
	const char *values = detail ? strstr(detail, ")=(") : NULL;

	return values ? (int)(values - detail) + 1 : detail ? (int)strlen(detail) : 0;
}

static enum ud_code fail(struct ud_ctx *cx, struct conn *c, const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
	const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	enum ud_code code = code_of(state);

	if (ends_connection(c, result)) {
		c->head.broken = true;
		code = code == UD_E_READ_ONLY ? code : UD_E_UNAVAILABLE;
	}
	if (!message)
		message = *PQerrorMessage(c->pg) ? PQerrorMessage(c->pg) : "no answer in time";
	return ud_fail(cx, code, NULL, "%s%s%.*s", message, detail ? ": " : "",
		detail_length(detail), detail ? detail : "");
}

/* Told by severity, not by words: a server may speak any language. 25P01 says that there was
 * nothing to commit. */
static void on_notice(void *data, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	struct conn *c = data;

	if (c->committing && severity && strcmp(severity, "WARNING") == 0 && state &&
		strcmp(state, "25P01") != 0)
		c->warned = true;
}

static void close_conn(ud_conn *head)
{
	struct conn *c = UD_OUTER(head, struct conn, head);

	for (size_t i = 0; i < CACHE_SLOTS; i++)
		ud_free(c->cache[i].sql);
	PQfinish(c->pg);
	ud_free(c);
}

/* Wait until PQgetResult does not block; false when the connection ends or time is up. Never
 * cancel: a cancelled wait for the standby looks like success. */
static bool answer_arrives(struct conn *c, int64_t end)
{
	while (PQisBusy(c->pg)) {
		struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN };
		int64_t left = end == NO_LIMIT ? -1 : end - ud_mono_ms(c->env);

		if (end != NO_LIMIT && left <= 0)
			return false;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return false;
		if (p.revents && !PQconsumeInput(c->pg))
			return false;
	}
	return true;
}

/* The last result of what was sent; NULL, and a broken connection, when none came in time. */
static PGresult *result_of(struct conn *c, int sent, int64_t limit_ms)
{
	int64_t end = limit_ms == NO_LIMIT ? NO_LIMIT : ud_mono_ms(c->env) + limit_ms;
	PGresult *last = NULL, *result;

	while (sent && answer_arrives(c, end)) {
		result = PQgetResult(c->pg);
		if (!result)
			return last;
		PQclear(last);
		last = result;
	}
	c->head.broken = true;
	PQclear(last);
	return NULL;
}

/* Clear the result; its code, with words when it is an error. */
static enum ud_code settle(struct ud_ctx *cx, struct conn *c, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	enum ud_code code = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
		? UD_OK
		: fail(cx, c, result);

	PQclear(result);
	return code;
}

static enum ud_code run(struct ud_ctx *cx, struct conn *c, const char *sql, int64_t limit_ms)
{
	return settle(cx, c, result_of(c, PQsendQuery(c->pg, sql), limit_ms));
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

	c->head.engine = &ud_engine_postgresql;
	c->head.flags = flags;
	c->env = cx->env;
	c->pg = connect_to(url, flags);
	enum ud_code code = UD_OK;

	if (PQstatus(c->pg) != CONNECTION_OK)
		code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "PostgreSQL: %s", PQerrorMessage(c->pg));
	if (code == UD_OK) {
		PQsetNoticeReceiver(c->pg, on_notice, c);
		code = run(cx, c,
			"SET client_min_messages = warning; SET synchronous_commit = on; SET TIME ZONE 'UTC'",
			STATEMENT_MS);
	}
	if (code == UD_OK && flags & UD_CONN_READ)
		code = run(cx, c, "SET default_transaction_read_only = on", STATEMENT_MS);
	if (code != UD_OK) {
		close_conn(&c->head);
		return code;
	}
	*ret = &c->head;
	return UD_OK;
}

static enum ud_code begin(struct ud_ctx *cx, ud_conn *conn, bool write)
{
	UD_TRY(run(cx, UD_OUTER(conn, struct conn, head),
		write ? "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
		      : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
		STATEMENT_MS));
	conn->in_transaction = true;
	return UD_OK;
}

static void rollback(ud_conn *conn)
{
	struct conn *c = UD_OUTER(conn, struct conn, head);

	conn->in_transaction = false;
	if (conn->broken || PQtransactionStatus(c->pg) == PQTRANS_IDLE)
		return;
	PGresult *result = result_of(c, PQsendQuery(c->pg, "ROLLBACK"), STATEMENT_MS);

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		conn->broken = true;
	PQclear(result);
}

static enum ud_code unknown(struct ud_ctx *cx, struct conn *c, const char *why)
{
	c->head.broken = true;
	return ud_fail(cx, UD_E_OUTCOME_UNKNOWN, NULL, "commit: %s", why);
}

/* Only an answer without a warning is a promise; only an error on a living connection is a
 * rollback. */
static enum ud_code outcome(struct ud_ctx *cx, struct conn *c, const PGresult *result)
{
	if (!result)
		return unknown(cx, c, "no answer");
	if (c->warned)
		return unknown(cx, c, "the wait for the standby was cancelled");
	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		return ends_connection(c, result) ? unknown(cx, c, "the connection ended")
						  : fail(cx, c, result);
	if (strcmp(PQcmdStatus((PGresult *)(uintptr_t)result), "COMMIT") != 0)
		return ud_fail(cx, UD_E_RETRY, NULL, "the transaction had failed");
	return UD_OK;
}

static enum ud_code commit(struct ud_ctx *cx, ud_conn *conn)
{
	struct conn *c = UD_OUTER(conn, struct conn, head);

	conn->in_transaction = false;
	c->warned = false;
	c->committing = true;
	PGresult *result = result_of(c, PQsendQuery(c->pg, "COMMIT"), COMMIT_MS);
	enum ud_code code = outcome(cx, c, result);

	c->committing = false;
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
	return run(cx, c, sql, STATEMENT_MS);
}

/* The server's name of a statement, prepared now if need be. */
static enum ud_code prepared(struct ud_ctx *cx, struct conn *c, const char *sql, char name[16])
{
	uint64_t hash = hash_of(sql);
	struct cached *slot = &c->cache[hash % CACHE_SLOTS];

	if (!slot->sql || slot->hash != hash || strcmp(slot->sql, sql) != 0) {
		UD_TRY(forget(cx, c, slot));
		slot->number = ++c->next_number;
		snprintf(name, 16, "s%u", slot->number);
		UD_TRY(settle(cx, c,
			result_of(c, PQsendPrepare(c->pg, name, sql, 0, NULL), STATEMENT_MS)));
		slot->sql = ud_heap_strdup(sql);
		slot->hash = hash;
	}
	snprintf(name, 16, "s%u", slot->number);
	return UD_OK;
}

static bool is_control(const char *sql)
{
	return strncmp(sql, "SAVEPOINT", 9) == 0 || strncmp(sql, "RELEASE", 7) == 0 ||
		strncmp(sql, "ROLLBACK", 8) == 0;
}

static enum ud_code query(struct ud_ctx *cx, ud_conn *conn, const char *sql,
	const struct ud_val *vals, size_t n, ud_rows **ret)
{
	struct conn *c = UD_OUTER(conn, struct conn, head);
	const char *texts[MAX_PARAMS];
	char name[16];

	if (n >= MAX_PARAMS)
		return ud_fail(cx, UD_E_INTERNAL, NULL, "more than %d parameters", MAX_PARAMS);
	for (size_t i = 0; i < n; i++)
		texts[i] = vals[i].kind == UD_V_TEXT ? vals[i].s
			: vals[i].kind == UD_V_INT
			? ud_printf(cx->arena, "%lld", (long long)vals[i].i)
			: NULL;
	int sent;

	if (is_control(sql)) {
		/* a failed transaction still takes these, but prepares nothing */
		sent = PQsendQuery(c->pg, sql);
	} else {
		UD_TRY(prepared(cx, c, sql, name));
		sent = PQsendQueryPrepared(c->pg, name, (int)n, texts, NULL, NULL, 0);
	}
	PGresult *result = result_of(c, sent, STATEMENT_MS);
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		return settle(cx, c, result);
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
	struct conn *c = UD_OUTER(conn, struct conn, head);
	struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN };

	while (!conn->broken && poll(&p, 1, 0) > 0)
		conn->broken = !PQconsumeInput(c->pg);
}

static enum ud_code script(struct ud_ctx *cx, ud_conn *conn, const char *sql)
{
	return run(cx, UD_OUTER(conn, struct conn, head), sql, NO_LIMIT);
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
