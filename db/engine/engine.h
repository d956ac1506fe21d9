/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One SQL dialect over two engines. $1, $2 … parameters, TEXT and BIGINT columns, no engine names
 * above this folder. A connection belongs to one thread at a time. Statements are cached by their
 * content. Rows, texts and blobs that a query yields are valid until the next ud_next or
 * ud_rows_release.
 */
#ifndef DB_ENGINE_ENGINE_H
#define DB_ENGINE_ENGINE_H

#include "base/ctx.h"
#include "base/shape.h"

typedef struct ud_conn ud_conn;
typedef struct ud_rows ud_rows;

/* A parameter. Texts are not copied: they must live until the call returns. */
struct ud_val {
	enum { UD_V_NULL, UD_V_INT, UD_V_TEXT } kind;
	int64_t i;
	const char *s;
};

/* An integer, instant or boolean; UD_NONE gives NULL. */
struct ud_val ud_i(int64_t v);
/* A text; NULL gives NULL. */
struct ud_val ud_t(const char *s);

/* Parameters of a query in their order: UD_VALS(ud_t(id), ud_i(now)). */
#define UD_VALS(...) \
	((const struct ud_val[]){ __VA_ARGS__ }), UD_LEN(((const struct ud_val[]){ __VA_ARGS__ }))
/* No parameters. */
#define UD_NO_VALS NULL, 0

enum ud_conn_flags {
	UD_CONN_READ = 1,   /* refuse writes */
	UD_CONN_CREATE = 2, /* SQLite: make the file */
};

/*
 * Slots of an engine; everything above calls the wrappers below. Codes every slot may return:
 * UD_E_UNAVAILABLE (no connection, locked too long), UD_E_STORAGE_FULL, UD_E_READ_ONLY,
 * UD_E_ALREADY_EXISTS (unique), UD_E_IN_USE (foreign key), UD_E_RETRY (deadlock or serialisation:
 * run the transaction again), UD_E_OUTCOME_UNKNOWN (commit only: rule A of the durability rules),
 * UD_E_INTERNAL (a bug: bad SQL, type).
 */
struct ud_engine {
	const char *name;   /* "sqlite", "postgresql" */
	const char *scheme; /* of its URLs: "sqlite:", "postgresql:" */
	enum ud_code (*open)(struct ud_ctx *cx, const char *url, unsigned flags, ud_conn **ret);
	void (*close)(ud_conn *conn);
	enum ud_code (*begin)(struct ud_ctx *cx, ud_conn *conn, bool write);
	enum ud_code (*commit)(struct ud_ctx *cx, ud_conn *conn);
	/* also when none is open; never fails: a broken connection is marked so */
	void (*rollback)(ud_conn *conn);
	enum ud_code (*query)(struct ud_ctx *cx, ud_conn *conn, const char *sql,
		const struct ud_val *vals, size_t n, ud_rows **ret);
	enum ud_code (*next)(struct ud_ctx *cx, ud_rows *rows, bool *ret_more);
	void (*rows_close)(ud_rows *rows);
	/* rows an INSERT, UPDATE or DELETE touched, after the last ud_next */
	int64_t (*changes)(const ud_rows *rows);
	bool (*is_null)(const ud_rows *rows, int column);
	int64_t (*col_int)(const ud_rows *rows, int column);
	const char *(*col_text)(const ud_rows *rows, int column); /* NULL for NULL */
	/* mark an idle connection broken when the server has closed it; NULL = cannot happen */
	void (*check)(ud_conn *conn);
	/* several statements */
	enum ud_code (*script)(struct ud_ctx *cx, ud_conn *conn, const char *sql);
};

extern const struct ud_engine ud_engine_sqlite, ud_engine_postgresql;
/* Those of this build, ended by NULL: a Windows agent has a journal, but no PostgreSQL. */
extern const struct ud_engine *const ud_engines[];

/* The head of each engine's own connection and rows structs. */
struct ud_conn {
	const struct ud_engine *engine;
	unsigned flags;
	bool in_transaction;
	bool broken; /* must be closed and opened again */
	/* fault injection of tests: the call that brings this to 0 fails; 0 = off */
	int64_t fail_after;
};
struct ud_rows {
	ud_conn *conn;
};

/* Open a connection by URL, with the settings of the engine (durability first). UD_E_UNAVAILABLE
 * with the reason. */
enum ud_code ud_conn_open(struct ud_ctx *cx, const char *url, unsigned flags, ud_conn **ret) UD_USE;
/* Close; takes NULL; sets *conn to NULL. An open transaction is rolled back. */
void ud_conn_release(ud_conn **conn);

/*
 * Run a statement on cx->conn. A statement that yields no rows must be run to its end, too: ud_exec
 * does. *ret is released by ud_rows_release or UD_AUTO(ud_rows).
 */
enum ud_code ud_query(struct ud_ctx *cx, ud_rows **ret, const char *sql, const struct ud_val *vals,
	size_t n) UD_USE;
/* Step to the next row; *ret_more false at the end. */
enum ud_code ud_next(struct ud_ctx *cx, ud_rows *rows, bool *ret_more) UD_USE;
void ud_rows_release(ud_rows **rows);
/* Run a statement to its end; *ret_changes (may be NULL) = rows touched. */
enum ud_code ud_exec(struct ud_ctx *cx, int64_t *ret_changes, const char *sql,
	const struct ud_val *vals, size_t n) UD_USE;
/*
 * Run a query for one integer, or one text (into cx->arena). *ret_found false, *ret untouched when
 * there is no row or it is NULL.
 */
enum ud_code ud_query_int(struct ud_ctx *cx, bool *ret_found, int64_t *ret, const char *sql,
	const struct ud_val *vals, size_t n) UD_USE;
enum ud_code ud_query_text(struct ud_ctx *cx, bool *ret_found, const char **ret, const char *sql,
	const struct ud_val *vals, size_t n) UD_USE;
/* Run a query for the texts of its first column (ids, mostly), at most max of them; into cx->arena.
 */
enum ud_code ud_query_texts(struct ud_ctx *cx, size_t max, struct ud_texts *ret, const char *sql,
	const struct ud_val *vals, size_t n) UD_USE;

/* Columns of the row that ud_next stepped to, counted from 0. NULL reads as 0, UD_NONE
 * (ud_col_int_or_none) or NULL. */
bool ud_col_null(const ud_rows *rows, int column);
int64_t ud_col_int(const ud_rows *rows, int column);
int64_t ud_col_int_or_none(const ud_rows *rows, int column);
const char *ud_col_text(const ud_rows *rows, int column);
/* The text copied into the arena. */
const char *ud_col_dup(struct ud_ctx *cx, const ud_rows *rows, int column);

/* Transactions on cx->conn. write = take the write lock at once. After an error roll back. */
enum ud_code ud_begin(struct ud_ctx *cx, bool write) UD_USE;
/* Durable when it returns UD_OK; UD_E_OUTCOME_UNKNOWN when nobody can know. */
enum ud_code ud_commit(struct ud_ctx *cx) UD_USE;
void ud_rollback(struct ud_ctx *cx);
/* A nested mark: what a failed part did is undone without the rest. One level. */
enum ud_code ud_savepoint(struct ud_ctx *cx) UD_USE;
enum ud_code ud_savepoint_release(struct ud_ctx *cx) UD_USE;
enum ud_code ud_savepoint_rollback(struct ud_ctx *cx) UD_USE;

#endif
