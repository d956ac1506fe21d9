/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PostgreSQL over libpq: text parameters, statements prepared once per connection and content. A
 * commit whose answer does not come, or that comes with the warning of a cancelled wait for the
 * standby, has an unknown outcome (rule A): nobody is told that it is stored.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "db/engine/engine.h"

enum { CACHE_SLOTS = 512, MAX_PARAMS = 64, COMMIT_MS = 10000 };

struct cached {
	char *sql;
	uint64_t hash;
	unsigned number; /* of its name on the server */
};

struct conn {
	struct ud_conn head;
	PGconn *pg;
	struct cached cache[CACHE_SLOTS];
	unsigned next_number;
	bool wait_cancelled; /* the warning of rule A was seen */
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

static enum ud_code fail(struct ud_ctx *cx, struct conn *c, const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
	const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;

	if (PQstatus(c->pg) != CONNECTION_OK || !state)
		c->head.broken = true;
	enum ud_code code = c->head.broken ? UD_E_UNAVAILABLE : code_of(state);

	return ud_fail(cx, code, NULL, "%s%s%s", message ? message : PQerrorMessage(c->pg),
		detail ? ": " : "", detail ? detail : "");
}

static void on_notice(void *data, const PGresult *result)
{
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (text && strstr(text, "canceling wait for synchronous replication"))
		((struct conn *)data)->wait_cancelled = true;
}

static void close_conn(ud_conn *head)
{
	struct conn *c = UD_OUTER(head, struct conn, head);

	for (size_t i = 0; i < CACHE_SLOTS; i++)
		ud_free(c->cache[i].sql);
	PQfinish(c->pg);
	ud_free(c);
}

static enum ud_code run(struct ud_ctx *cx, struct conn *c, const char *sql)
{
	PGresult *result = PQexec(c->pg, sql);
	ExecStatusType status = PQresultStatus(result);
	enum ud_code code = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
		? UD_OK
		: fail(cx, c, result);

	PQclear(result);
	return code;
}

/* What is set on every connection unless the URL says otherwise. */
static PGconn *connect_to(const char *url, unsigned flags)
{
	const char *const keys[] = { "connect_timeout", "tcp_user_timeout", "keepalives_idle",
		"target_session_attrs", "application_name", "dbname", NULL };
	const char *const values[] = { "5", "5000", "5",
		flags & UD_CONN_READ ? "any" : "read-write", "understudyd", url, NULL };

	return PQconnectdbParams(keys, values, 1);
}

static enum ud_code open_conn(struct ud_ctx *cx, const char *url, unsigned flags, ud_conn **ret)
{
	struct conn *c = ud_malloc(sizeof(*c));

	c->head.engine = &ud_engine_postgresql;
	c->head.flags = flags;
	c->pg = connect_to(url, flags);
	enum ud_code code = UD_OK;

	if (PQstatus(c->pg) != CONNECTION_OK)
		code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "PostgreSQL: %s", PQerrorMessage(c->pg));
	if (code == UD_OK) {
		PQsetNoticeReceiver(c->pg, on_notice, c);
		code = run(cx, c,
			"SET client_min_messages = warning; SET synchronous_commit = on; SET TIME ZONE 'UTC'");
	}
	if (code == UD_OK && flags & UD_CONN_READ)
		code = run(cx, c, "SET default_transaction_read_only = on");
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
		write ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"));
	conn->in_transaction = true;
	return UD_OK;
}

static void rollback(ud_conn *conn)
{
	struct conn *c = UD_OUTER(conn, struct conn, head);

	conn->in_transaction = false;
	if (conn->broken || PQtransactionStatus(c->pg) == PQTRANS_IDLE)
		return;
	PGresult *result = PQexec(c->pg, "ROLLBACK");

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		conn->broken = true;
	PQclear(result);
}

/* Wait for the commit's answer until the deadline; never cancel: a cancelled wait looks like
 * success. */
static bool answer_arrives(struct conn *c, const struct ud_env *env)
{
	int64_t end = ud_mono_ms(env) + COMMIT_MS;

	while (PQconsumeInput(c->pg)) {
		if (!PQisBusy(c->pg))
			return true;
		struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN };
		int64_t left = end - ud_mono_ms(env);

		if (left <= 0)
			return false;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return false;
	}
	return false;
}

static enum ud_code unknown(struct ud_ctx *cx, struct conn *c, const char *why)
{
	c->head.broken = true;
	return ud_fail(cx, UD_E_OUTCOME_UNKNOWN, NULL, "commit: %s", why);
}

static enum ud_code commit(struct ud_ctx *cx, ud_conn *conn)
{
	struct conn *c = UD_OUTER(conn, struct conn, head);
	enum ud_code code = UD_OK;

	conn->in_transaction = false;
	c->wait_cancelled = false;
	if (!PQsendQuery(c->pg, "COMMIT"))
		return unknown(cx, c, "could not be sent");
	if (!answer_arrives(c, cx->env))
		return unknown(cx, c, "no answer");
	for (PGresult *result; (result = PQgetResult(c->pg)); PQclear(result)) {
		if (PQresultStatus(result) != PGRES_COMMAND_OK)
			code = PQstatus(c->pg) != CONNECTION_OK
				? unknown(cx, c, "the connection ended")
				: fail(cx, c, result);
		else if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
			code = ud_fail(cx, UD_E_RETRY, NULL, "the transaction had failed: %s",
				PQcmdStatus(result));
	}
	if (code == UD_OK && c->wait_cancelled)
		return unknown(cx, c, "the wait for the standby was cancelled");
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
	return run(cx, c, sql);
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
		PGresult *result = PQprepare(c->pg, name, sql, 0, NULL);
		enum ud_code code =
			PQresultStatus(result) == PGRES_COMMAND_OK ? UD_OK : fail(cx, c, result);

		PQclear(result);
		UD_TRY(code);
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
	PGresult *result;

	if (is_control(sql)) {
		/* a failed transaction still takes these, but prepares nothing */
		result = PQexec(c->pg, sql);
	} else {
		UD_TRY(prepared(cx, c, sql, name));
		result = PQexecPrepared(c->pg, name, (int)n, texts, NULL, NULL, 0);
	}
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
		enum ud_code code = fail(cx, c, result);

		PQclear(result);
		return code;
	}
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

static enum ud_code script(struct ud_ctx *cx, ud_conn *conn, const char *sql)
{
	return run(cx, UD_OUTER(conn, struct conn, head), sql);
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
	.script = script,
};
