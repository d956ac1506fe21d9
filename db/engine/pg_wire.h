/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to PostgreSQL: sending, waiting with a deadline, errors by SQLSTATE, and savepoints that
 * travel with the next statement. For postgresql.c alone.
 */
#ifndef DB_ENGINE_PG_WIRE_H
#define DB_ENGINE_PG_WIRE_H

#include <libpq-fe.h>

#include "base/env.h"
#include "db/engine/engine.h"

/* Milliseconds; UD_PG_NO_LIMIT: a migration takes as long as it takes. */
enum { UD_PG_COMMIT_MS = 10000, UD_PG_STATEMENT_MS = 30000, UD_PG_NO_LIMIT = -1 };

enum ud_pg_mark { UD_PG_SET, UD_PG_RELEASE };

/* The wire of one connection. */
struct ud_pg {
	struct ud_conn head;
	PGconn *pg;
	const struct ud_env *env;
	bool committing, warned; /* a warning came while a commit was under way (rule A) */
	/* savepoints not sent yet: at most a release and the next one's beginning */
	const char *marks[2];
	int mark_count;
	bool fresh; /* the last of them begins a part */
};

/* True when the connection is of no more use after this answer (NULL = none came): gone, going, or
 * to a server that became a standby. */
bool ud_pg_ends_connection(const struct ud_pg *c, const PGresult *result);
/* The answer's code with the server's words; marks the connection broken if need be. */
enum ud_code ud_pg_fail(struct ud_ctx *cx, struct ud_pg *c, const PGresult *result) UD_USE;
/* Notice receiver; data is the struct ud_pg. Warnings are told by severity, not by words: a server
 * may speak any language. */
void ud_pg_notice(void *data, const PGresult *result);

/* The last result of what was sent (0 = it could not be); NULL, and a broken connection, when none
 * came in time. */
PGresult *ud_pg_result(struct ud_pg *c, int sent, int64_t limit_ms);
/* Clear the result; its code, with words when it is an error. */
enum ud_code ud_pg_settle(struct ud_ctx *cx, struct ud_pg *c, PGresult *result) UD_USE;
/* Run statements without parameters. */
enum ud_code ud_pg_run(struct ud_ctx *cx, struct ud_pg *c, const char *sql, int64_t limit_ms)
	UD_USE;
/* Run a prepared statement, the waiting marks before it in the same round trip. As ud_pg_result. */
PGresult *ud_pg_execute(struct ud_pg *c, const char *name, int n, const char *const *texts);

/* Begin a part, or end it: it waits for the next statement. The transaction must not have failed,
 * so that it cannot fail later. */
void ud_pg_mark(struct ud_pg *c, enum ud_pg_mark mark);
/* True when a part was begun and nothing was run in it yet. */
bool ud_pg_fresh(const struct ud_pg *c);
/* Send the waiting marks by themselves. */
enum ud_code ud_pg_flush(struct ud_ctx *cx, struct ud_pg *c) UD_USE;

#endif
