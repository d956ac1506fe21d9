/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to PostgreSQL without waiting for ever: every answer has a deadline, every failure a
 * code.
 */
#include "db/engine/pg_wire.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

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
		/* an earlier statement of the transaction had failed, perhaps a neighbour's */
		{ "25P02", UD_E_RETRY },
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

bool ud_pg_ends_connection(const struct ud_pg *c, const PGresult *result)
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

enum ud_code ud_pg_fail(struct ud_ctx *cx, struct ud_pg *c, const PGresult *result)
{
	const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
	const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
	enum ud_code code = code_of(state);

	if (ud_pg_ends_connection(c, result)) {
		c->head.broken = true;
		code = code == UD_E_READ_ONLY ? code : UD_E_UNAVAILABLE;
	}
	if (!message)
		message = *PQerrorMessage(c->pg) ? PQerrorMessage(c->pg) : "no answer in time";
	return ud_fail(cx, code, NULL, "%s%s%.*s", message, detail ? ": " : "",
		detail_length(detail), detail ? detail : "");
}

/* 25P01 says that there was nothing to commit. */
void ud_pg_notice(void *data, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	struct ud_pg *c = data;

	if (c->committing && severity && strcmp(severity, "WARNING") == 0 && state &&
		strcmp(state, "25P01") != 0)
		c->warned = true;
}

/* Wait until PQgetResult does not block; false when the connection ends or time is up. Never
 * cancel: a cancelled wait for the standby looks like success. */
static bool answer_arrives(struct ud_pg *c, int64_t end)
{
	while (PQisBusy(c->pg)) {
		struct pollfd p = { .fd = PQsocket(c->pg), .events = POLLIN };
		int64_t left = end == UD_PG_NO_LIMIT ? -1 : end - ud_mono_ms(c->env);

		if (end != UD_PG_NO_LIMIT && left <= 0)
			return false;
		if (poll(&p, 1, (int)left) < 0 && errno != EINTR)
			return false;
		if (p.revents && !PQconsumeInput(c->pg))
			return false;
	}
	return true;
}

PGresult *ud_pg_result(struct ud_pg *c, int sent, int64_t limit_ms)
{
	int64_t end = limit_ms == UD_PG_NO_LIMIT ? UD_PG_NO_LIMIT : ud_mono_ms(c->env) + limit_ms;
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

enum ud_code ud_pg_settle(struct ud_ctx *cx, struct ud_pg *c, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	enum ud_code code = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK
		? UD_OK
		: ud_pg_fail(cx, c, result);

	PQclear(result);
	return code;
}

enum ud_code ud_pg_run(struct ud_ctx *cx, struct ud_pg *c, const char *sql, int64_t limit_ms)
{
	return ud_pg_settle(cx, c, ud_pg_result(c, PQsendQuery(c->pg, sql), limit_ms));
}

/* Marks are sent as the protocol's own statements: only those can go in a pipeline. */
static int send_marks(struct ud_pg *c)
{
	int sent = 1;

	for (int i = 0; i < c->mark_count; i++)
		sent &= PQsendQueryParams(c->pg, c->marks[i], 0, NULL, NULL, NULL, NULL, 0);
	c->mark_count = 0;
	return sent;
}

/* The first error of a pipeline, or its last result; NULL, and a broken connection, when it does
 * not end in time. */
static PGresult *pipeline_result(struct ud_pg *c, int sent)
{
	int64_t end = ud_mono_ms(c->env) + UD_PG_STATEMENT_MS;
	PGresult *kept = NULL;

	while (sent && PQstatus(c->pg) == CONNECTION_OK && answer_arrives(c, end)) {
		PGresult *result = PQgetResult(c->pg);
		ExecStatusType status = PQresultStatus(result);

		if (!result)
			continue; /* between two statements */
		if (status == PGRES_PIPELINE_SYNC) {
			PQclear(result);
			return kept;
		}
		if (status == PGRES_PIPELINE_ABORTED ||
			(kept && PQresultStatus(kept) == PGRES_FATAL_ERROR)) {
			PQclear(result);
			continue;
		}
		PQclear(kept);
		kept = result;
	}
	c->head.broken = true;
	PQclear(kept);
	return NULL;
}

PGresult *ud_pg_execute(struct ud_pg *c, const char *name, int n, const char *const *texts)
{
	if (!c->mark_count)
		return ud_pg_result(c, PQsendQueryPrepared(c->pg, name, n, texts, NULL, NULL, 0),
			UD_PG_STATEMENT_MS);
	int sent = PQenterPipelineMode(c->pg) && send_marks(c) &&
		PQsendQueryPrepared(c->pg, name, n, texts, NULL, NULL, 0) && PQpipelineSync(c->pg);
	PGresult *result = pipeline_result(c, sent);

	if (!PQexitPipelineMode(c->pg))
		c->head.broken = true;
	return result;
}

/* A part that was begun and ended without a statement leaves no trace. */
void ud_pg_mark(struct ud_pg *c, enum ud_pg_mark mark)
{
	static const char *const sql[] = {
		[UD_PG_SET] = "SAVEPOINT part", [UD_PG_RELEASE] = "RELEASE SAVEPOINT part"
	};

	if (mark == UD_PG_RELEASE && ud_pg_fresh(c))
		c->mark_count--;
	else
		c->marks[c->mark_count++] = sql[mark];
	c->fresh = mark == UD_PG_SET;
}

bool ud_pg_fresh(const struct ud_pg *c)
{
	return c->mark_count && c->fresh;
}

enum ud_code ud_pg_flush(struct ud_ctx *cx, struct ud_pg *c)
{
	while (c->mark_count) {
		const char *sql = c->marks[0];

		c->marks[0] = c->marks[1];
		c->mark_count--;
		UD_TRY(ud_pg_run(cx, c, sql, UD_PG_STATEMENT_MS));
	}
	return UD_OK;
}
