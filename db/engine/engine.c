/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What both engines share: choosing one by URL, the one-value queries, savepoints, fault injection.
 */
#include "db/engine/engine.h"

#include <string.h>

struct ud_val ud_i(int64_t v)
{
	return v == UD_NONE ? (struct ud_val){ UD_V_NULL, 0, NULL }
			    : (struct ud_val){ UD_V_INT, v, NULL };
}

struct ud_val ud_t(const char *s)
{
	return (struct ud_val){ s ? UD_V_TEXT : UD_V_NULL, 0, s };
}

enum ud_code ud_conn_open(struct ud_ctx *cx, const char *url, unsigned flags, ud_conn **ret)
{
	for (const struct ud_engine *const *e = ud_engines; *e; e++)
		if (strncmp(url, (*e)->scheme, strlen((*e)->scheme)) == 0)
			return (*e)->open(cx, url, flags, ret);
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
		"the database url must start with sqlite: or postgresql:");
}

void ud_conn_release(ud_conn **conn)
{
	if (*conn)
		(*conn)->engine->close(*conn);
	*conn = NULL;
}

/* True when the test asked that this call fails. */
static bool injected(ud_conn *conn)
{
	return conn->fail_after > 0 && --conn->fail_after == 0;
}

enum ud_code ud_query(
	struct ud_ctx *cx, ud_rows **ret, const char *sql, const struct ud_val *vals, size_t n)
{
	if (injected(cx->conn))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "injected failure");
	return cx->conn->engine->query(cx, cx->conn, sql, vals, n, ret);
}

enum ud_code ud_next(struct ud_ctx *cx, ud_rows *rows, bool *ret_more)
{
	return rows->conn->engine->next(cx, rows, ret_more);
}

void ud_rows_release(ud_rows **rows)
{
	if (*rows)
		(*rows)->conn->engine->rows_close(*rows);
	*rows = NULL;
}

enum ud_code ud_exec(struct ud_ctx *cx, int64_t *ret_changes, const char *sql,
	const struct ud_val *vals, size_t n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = true;

	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	while (more)
		UD_TRY(ud_next(cx, rows, &more));
	if (ret_changes)
		*ret_changes = rows->conn->engine->changes(rows);
	return UD_OK;
}

enum ud_code ud_query_int(struct ud_ctx *cx, bool *ret_found, int64_t *ret, const char *sql,
	const struct ud_val *vals, size_t n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	UD_TRY(ud_next(cx, rows, &more));
	*ret_found = more && !ud_col_null(rows, 0);
	if (*ret_found)
		*ret = ud_col_int(rows, 0);
	while (more)
		UD_TRY(ud_next(cx, rows, &more));
	return UD_OK;
}

enum ud_code ud_query_text(struct ud_ctx *cx, bool *ret_found, const char **ret, const char *sql,
	const struct ud_val *vals, size_t n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	UD_TRY(ud_next(cx, rows, &more));
	*ret_found = more && !ud_col_null(rows, 0);
	if (*ret_found)
		*ret = ud_col_dup(cx, rows, 0);
	while (more)
		UD_TRY(ud_next(cx, rows, &more));
	return UD_OK;
}

enum ud_code ud_query_texts(struct ud_ctx *cx, size_t max, struct ud_texts *ret, const char *sql,
	const struct ud_val *vals, size_t n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = (struct ud_texts){ ud_alloc(cx->arena, sizeof(char *) * max), 0 };
	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	UD_TRY(ud_next(cx, rows, &more));
	while (more && ret->count < max) {
		ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

bool ud_col_null(const ud_rows *rows, int column)
{
	return rows->conn->engine->is_null(rows, column);
}

int64_t ud_col_int(const ud_rows *rows, int column)
{
	return rows->conn->engine->col_int(rows, column);
}

int64_t ud_col_int_or_none(const ud_rows *rows, int column)
{
	return ud_col_null(rows, column) ? UD_NONE : ud_col_int(rows, column);
}

const char *ud_col_text(const ud_rows *rows, int column)
{
	return rows->conn->engine->col_text(rows, column);
}

const char *ud_col_dup(struct ud_ctx *cx, const ud_rows *rows, int column)
{
	return ud_strdup(cx->arena, ud_col_text(rows, column));
}

enum ud_code ud_begin(struct ud_ctx *cx, bool write)
{
	if (injected(cx->conn))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "injected failure");
	return cx->conn->engine->begin(cx, cx->conn, write);
}

enum ud_code ud_commit(struct ud_ctx *cx)
{
	if (injected(cx->conn)) {
		ud_rollback(cx);
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "injected failure");
	}
	return cx->conn->engine->commit(cx, cx->conn);
}

void ud_rollback(struct ud_ctx *cx)
{
	cx->conn->engine->rollback(cx->conn);
}

enum ud_code ud_savepoint(struct ud_ctx *cx)
{
	return ud_exec(cx, NULL, "SAVEPOINT part", UD_NO_VALS);
}

enum ud_code ud_savepoint_release(struct ud_ctx *cx)
{
	return ud_exec(cx, NULL, "RELEASE SAVEPOINT part", UD_NO_VALS);
}

enum ud_code ud_savepoint_rollback(struct ud_ctx *cx)
{
	UD_TRY(ud_exec(cx, NULL, "ROLLBACK TO SAVEPOINT part", UD_NO_VALS));
	return ud_savepoint_release(cx);
}
