/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements and the keys that agents sign them with.
 */
#include "db/statements.h"

#include <string.h>

/* ---- keys ---- */

/* A key is one host's: a copy of a folder on another machine makes its own when it is enrolled. */
static enum ud_code check_own(struct ud_ctx *cx, const struct ud_agent *a, const char *public_key)
{
	const char *other = NULL;
	bool found = false;

	/* every tenant: the agents' port serves all */
	UD_TRY(ud_query_text(cx, &found, &other,
		"SELECT host_id FROM agent_keys WHERE public_key = $1 AND host_id <> $2 LIMIT 1",
		UD_VALS(ud_t(public_key), ud_t(a->host_id))));
	return found ? ud_fail(cx, UD_E_ALREADY_EXISTS, "public_key",
			       "The key is that of another host's agent.")
		     : UD_OK;
}

enum ud_code ud_agent_key_set(
	struct ud_ctx *cx, const struct ud_agent *a, const char *public_key, bool *ret_changed)
{
	*ret_changed = !a->statement_key || strcmp(a->statement_key, public_key) != 0;
	if (!*ret_changed)
		return UD_OK;
	UD_TRY(check_own(cx, a, public_key));
	/* every tenant: the agent was authenticated by its certificate */
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE agent_keys SET ended_at = $2 WHERE agent_id = $1 AND ended_at IS NULL",
		UD_VALS(ud_t(a->row.id), ud_i(cx->now_ms))));
	return ud_exec(cx, NULL,
		"INSERT INTO agent_keys(agent_id, public_key, host_id, customer_id, created_at)"
		" VALUES ($1, $2, $3, $4, $5)"
		" ON CONFLICT (agent_id, public_key) DO UPDATE SET ended_at = NULL",
		UD_VALS(ud_t(a->row.id), ud_t(public_key), ud_t(a->host_id),
			ud_t(a->row.customer_id), ud_i(cx->now_ms)));
}

enum ud_code ud_agent_key_known(struct ud_ctx *cx, const char *agent_id, const char *host_id,
	const char *public_key, bool *ret)
{
	int64_t n = 0;

	/* every tenant: the agents' port serves all */
	return ud_query_int(cx, ret, &n,
		"SELECT 1 FROM agent_keys WHERE agent_id = $1 AND host_id = $2 AND public_key = $3",
		UD_VALS(ud_t(agent_id), ud_t(host_id), ud_t(public_key)));
}

enum ud_code ud_agent_keys(
	struct ud_ctx *cx, const char *host_id, ud_agent_key_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: the caller has read the host with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT agent_id, host_id, public_key, created_at, ended_at FROM agent_keys"
		" WHERE host_id = $1 ORDER BY created_at, agent_id, public_key LIMIT 200",
		UD_VALS(ud_t(host_id))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		const struct ud_agent_key key = { .agent_id = ud_col_text(rows, 0),
			.host_id = ud_col_text(rows, 1),
			.public_key = ud_col_text(rows, 2),
			.created_at.ms = ud_col_int(rows, 3),
			.ended_at.ms = ud_col_int_or_none(rows, 4) };

		UD_TRY(visit(cx, data, &key));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

/* ---- statements ---- */

enum ud_code ud_statement_keep(
	struct ud_ctx *cx, const struct ud_statement_row *r, const char *customer_id)
{
	return ud_exec(cx, NULL,
		"INSERT INTO statements(subject_id, seq, host_id, customer_id, verb, agent_id, verdict,"
		" reason, statement, signature, took_ms, taken_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
		" ON CONFLICT (subject_id, seq, host_id) DO NOTHING",
		UD_VALS(ud_t(r->subject_id), ud_i(r->seq), ud_t(r->host_id), ud_t(customer_id),
			ud_t(r->verb), ud_t(r->agent_id), ud_t(ud_statement_verdicts[r->verdict]),
			ud_t(r->reason), ud_t(r->text), ud_t(r->signature), ud_i(r->took_ms),
			ud_i(cx->now_ms)));
}

static unsigned verdict_of(const char *name)
{
	unsigned i = 0;

	while (i < UD_STATEMENT_MISSING && strcmp(ud_statement_verdicts[i], name) != 0)
		i++;
	return i;
}

enum ud_code ud_statement_visit(
	struct ud_ctx *cx, const char *failover_id, ud_statement_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: the caller has read the failover with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT s.subject_id, s.seq, s.host_id, s.verb, s.agent_id, s.verdict, s.reason,"
		" s.statement, s.signature, s.took_ms, COALESCE(c.delivered_at, c.created_at)"
		" FROM statements s JOIN commands c ON c.subject_id = s.subject_id AND c.seq = s.seq"
		" AND c.host_id = s.host_id WHERE EXISTS (SELECT 1 FROM workflows w"
		" JOIN step_log l ON l.workflow_id = w.id WHERE w.failover_id = $1"
		" AND w.vm_id = s.subject_id AND l.seq = s.seq) ORDER BY s.subject_id, s.seq, s.host_id"
		" LIMIT 20000",
		UD_VALS(ud_t(failover_id))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		const struct ud_statement_row row = { .subject_id = ud_col_text(rows, 0),
			.seq = ud_col_int(rows, 1),
			.host_id = ud_col_text(rows, 2),
			.verb = ud_col_text(rows, 3),
			.agent_id = ud_col_text(rows, 4),
			.verdict = verdict_of(ud_col_text(rows, 5)),
			.reason = ud_col_text(rows, 6),
			.text = ud_col_text(rows, 7),
			.signature = ud_col_text(rows, 8),
			.took_ms = ud_col_int_or_none(rows, 9),
			.given_at = ud_col_int(rows, 10) };

		UD_TRY(visit(cx, data, &row));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_command_verb(struct ud_ctx *cx, const char *subject_id, int64_t seq,
	const char *host_id, const char **ret_verb, const char **ret_customer_id)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool found = false;

	*ret_verb = *ret_customer_id = NULL;
	/* every tenant: the agents' port serves all */
	UD_TRY(ud_query(cx, &rows,
		"SELECT verb, customer_id FROM commands WHERE subject_id = $1 AND seq = $2"
		" AND host_id = $3",
		UD_VALS(ud_t(subject_id), ud_i(seq), ud_t(host_id))));
	UD_TRY(ud_next(cx, rows, &found));
	if (found) {
		*ret_verb = ud_col_dup(cx, rows, 0);
		*ret_customer_id = ud_col_dup(cx, rows, 1);
	}
	return UD_OK;
}
