/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents' keys for statements, and statements as they come in.
 */
#include "server/agents/statements.h"

#include <string.h>

#include "base/log.h"
#include "db/events.h"
#include "db/statements.h"
#include "server/agents/identity.h"
#include "server/agents/routes.h"
#include "server/http/respond.h"

/* ---- keys ---- */

static bool is_key(const char *text)
{
	return strlen(text) == UD_STATEMENT_KEY_HEX &&
		strspn(text, "0123456789abcdef") == UD_STATEMENT_KEY_HEX;
}

static enum ud_code set_key(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_wire_key *in = rq->in;
	struct ud_agent old = { 0 };
	bool changed = false;

	if (!is_key(in->public_key))
		return ud_fail_field(
			cx, "public_key", "invalid", "An Ed25519 key has 64 hexadecimal digits.");
	UD_TRY(ud_row_get(cx, &ud_agents_table, rq->agent->agent_id, &old));
	UD_TRY(ud_agent_key_set(cx, &old, in->public_key, &changed));
	if (!changed)
		return ud_answer_none(cx, rq);
	struct ud_agent a = old;

	a.statement_key = in->public_key;
	UD_TRY(ud_row_update(cx, &ud_agents_table, &old, &a));
	UD_TRY(ud_event_add(cx, old.statement_key ? "statement_key_changed" : "statement_key_told",
		ud_agents_table.shape, &old, &a));
	return ud_answer_none(cx, rq);
}

/* ---- statements ---- */

/* The key that it names, when one of the host's agents told it. */
static enum ud_code check_signature(struct ud_ctx *cx, const char *key,
	const struct ud_wire_result *answer, struct ud_statement_row *row)
{
	bool known = false;

	if (key && row->agent_id)
		UD_TRY(ud_agent_key_known(cx, row->agent_id, row->host_id, key, &known));
	if (!known)
		row->reason = "No agent of this host has told this key.";
	else if (!ud_statement_signed(cx, key, answer->statement, answer->signature))
		row->reason = "The owner of the key did not sign it.";
	return UD_OK;
}

static enum ud_code judge(
	struct ud_ctx *cx, const struct ud_wire_result *answer, struct ud_statement_row *row)
{
	const struct ud_statement like = { .host_id = row->host_id,
		.subject_id = row->subject_id,
		.seq = row->seq,
		.verb = row->verb,
		.outcome = ud_outcomes.names[answer->outcome],
		.result = answer->result.text };
	struct ud_statement_told told = { 0 };

	row->reason = ud_statement_answers(cx, answer->statement, &like, &told);
	row->agent_id = told.agent_id;
	row->took_ms = told.took_ms;
	if (!row->reason)
		UD_TRY(check_signature(cx, told.key, answer, row));
	row->verdict = row->reason ? UD_STATEMENT_INVALID : UD_STATEMENT_VALID;
	return UD_OK;
}

enum ud_code ud_statement_take(
	struct ud_ctx *cx, const char *host_id, const struct ud_wire_result *answer)
{
	struct ud_statement_row row = { .subject_id = answer->subject_id,
		.seq = answer->seq,
		.host_id = host_id,
		.verdict = UD_STATEMENT_MISSING,
		.text = answer->statement,
		.signature = answer->signature,
		.took_ms = UD_NONE };
	const char *customer_id = NULL;

	UD_TRY(ud_command_verb(
		cx, answer->subject_id, answer->seq, host_id, &row.verb, &customer_id));
	if (!row.verb || !ud_statement_wanted(row.verb) ||
		(!answer->statement && answer->outcome == UD_OUTCOME_REFUSED))
		return UD_OK;
	if (answer->statement)
		UD_TRY(judge(cx, answer, &row));
	if (row.verdict == UD_STATEMENT_INVALID)
		ud_log(UD_LOG_WARNING, "statement_invalid", "host", host_id, "subject",
			answer->subject_id, "verb", row.verb, "reason", row.reason, NULL);
	return ud_statement_keep(cx, &row, customer_id);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/agent/statement-key", "agent.statement-key", UD_R(AGENT), "agent:write", UD_WRITE, &ud_wire_key_shape, .status = 204, .handle = set_key, .about = "Tell the key that the agent's statements are signed with from now on." },
};
/* clang-format on */
const struct ud_routes ud_agent_statements = { "Statements", rows, UD_LEN(rows) };
