/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents as people see them: tokens to enrol with, revocation, and letting one go on after an
 * alarm. What agents themselves call stands in server/agents.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "base/id.h"
#include "db/agents.h"
#include "db/events.h"
#include "db/hosts.h"
#include "db/statements.h"
#include "server/auth/auth.h"
#include "server/http/server.h"

enum { TOKEN_MS = 3600 * 1000, CONNECTED_MS = 60000 };

struct enrolment {
	const char *host_id, *token, *server_url, *ca_sha256, *command;
	struct ud_time expires_at;
};
/* clang-format off */
static const struct ud_field enrolment_fields[] = {
	UD_FIELD(enrolment, host_id,    .about = "Host that the token is for."),
	UD_FIELD(enrolment, token,      .about = "One-time token; shown once."),
	UD_FIELD(enrolment, server_url, .about = "Address of the agents' port."),
	UD_FIELD(enrolment, ca_sha256,  .about = "SHA-256 of the root certificate's DER, in hex: by it the agent knows the server."),
	UD_FIELD(enrolment, expires_at, .about = "When the token ends."),
	UD_FIELD(enrolment, command,    .about = "Command to paste on the host, as root."),
};
/* clang-format on */
static const struct ud_shape enrolment_shape = {
	.object = "enrolment", .bare = true, UD_SHAPE(enrolment, enrolment_fields)
};

static enum ud_code complete(struct ud_ctx *cx, void *row)
{
	struct ud_agent *a = row;

	a->connected = ud_agent_alive(a) && a->last_seen_at.ms != UD_NONE &&
		cx->now_ms - a->last_seen_at.ms < CONNECTED_MS;
	return UD_OK;
}

static const struct ud_resource agents = { .table = &ud_agents_table, .complete = complete };

static enum ud_code enroll(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_server_settings *s = &rq->server->settings;
	struct ud_host host = { 0 };

	UD_TRY(ud_row_get(cx, &ud_hosts, rq->arg[0], &host));
	if (!s->agents_url)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"This server has no port for agents ([agents] listen).");
	if (host.state == UD_HOST_RETIRED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The host is retired.");
	struct enrolment out = { .host_id = host.row.id,
		.token = ud_secret_new(cx->arena, cx->env, "usa"),
		.server_url = s->agents_url,
		.ca_sha256 = s->ca_sha256,
		.expires_at.ms = cx->now_ms + TOKEN_MS };

	out.command = ud_printf(cx->arena,
		"understudy-agent enroll --server %s --ca-sha256 %s --token %s --dir /var/lib/understudy-agent",
		out.server_url, out.ca_sha256, out.token);
	UD_TRY(ud_enrolment_add(cx, ud_auth_hash(cx, out.token), host.row.id, host.row.customer_id,
		out.expires_at.ms));
	UD_TRY(ud_event_add_plain(
		cx, "host.enrolment_created", host.row.customer_id, "host", host.row.id, NULL));
	return ud_answer(cx, rq, &enrolment_shape, &out);
}

/* Store a change of state with its event. */
static enum ud_code move(struct ud_ctx *cx, struct ud_request *rq, const char *verb,
	const struct ud_agent *old, struct ud_agent *a)
{
	UD_TRY(ud_row_update(cx, &ud_agents_table, old, a));
	UD_TRY(ud_event_add(cx, verb, ud_agents_table.shape, old, a));
	UD_TRY(complete(cx, a));
	return ud_answer(cx, rq, ud_agents_table.shape, a);
}

static enum ud_code revoke(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_agent old = { 0 };

	UD_TRY(ud_row_get(cx, &ud_agents_table, rq->arg[0], &old));
	UD_TRY(ud_check_match(cx, rq, old.row.version));
	if (!ud_agent_alive(&old))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The agent is %s already.",
			ud_agent_states.names[old.state]);
	struct ud_agent a = old;

	a.state = UD_AGENT_REVOKED;
	a.may_promote = false;
	a.previous_until.ms = UD_NONE;
	return move(cx, rq, "revoked", &old, &a);
}

/* A person has looked: from now on the run that was seen last is the agent. */
static enum ud_code release(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_agent old = { 0 };

	UD_TRY(ud_row_get(cx, &ud_agents_table, rq->arg[0], &old));
	UD_TRY(ud_check_match(cx, rq, old.row.version));
	if (old.state != UD_AGENT_QUARANTINED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The agent is %s.",
			ud_agent_states.names[old.state]);
	struct ud_agent a = old;

	a.state = UD_AGENT_ACTIVE;
	a.may_promote = true;
	a.alarm = NULL;
	a.runs.count = a.runs.count ? 1 : 0;
	return move(cx, rq, "released", &old, &a);
}

/* What is still believed is revoked first. */
static enum ud_code forget(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_agent a = { 0 };

	UD_TRY(ud_row_get(cx, &ud_agents_table, rq->arg[0], &a));
	if (ud_agent_alive(&a))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The agent is %s: revoke it before it is deleted.",
			ud_agent_states.names[a.state]);
	return ud_rest_delete(cx, rq);
}

enum { CHANGE = UD_OPERATOR | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD) };

/* ---- keys of statements ---- */

struct keys {
	struct ud_buf *out;
	const char *agent_id;
	size_t n;
};

static void put_time(struct ud_buf *b, const char *name, struct ud_time t)
{
	char at[UD_TIME_TEXT];

	if (t.ms <= 0) {
		ud_buf_printf(b, ",\"%s\":null", name);
		return;
	}
	ud_time_format(t.ms, at);
	ud_buf_printf(b, ",\"%s\":\"%s\"", name, at);
}

static enum ud_code add_key(struct ud_ctx *cx, void *data, const struct ud_agent_key *key)
{
	struct keys *k = data;

	(void)cx;
	if (strcmp(key->agent_id, k->agent_id) != 0)
		return UD_OK;
	ud_buf_printf(k->out, "%s{\"algorithm\":\"ed25519\",\"public_key\":\"%s\"",
		k->n++ ? "," : "", key->public_key);
	put_time(k->out, "since", key->created_at);
	put_time(k->out, "until", key->ended_at);
	ud_buf_putc(k->out, '}');
	return UD_OK;
}

static enum ud_code list_keys(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_agent a = { 0 };

	UD_TRY(ud_row_get(cx, &ud_agents_table, rq->arg[0], &a));
	struct keys k = { &rq->out, a.row.id, 0 };

	ud_buf_puts(&rq->out, "{\"object\":\"list\",\"data\":[");
	UD_TRY(ud_agent_keys(cx, a.host_id, add_key, &k));
	ud_buf_puts(&rq->out, "],\"has_more\":false}");
	return ud_answer_text(cx, rq, 200, "application/json");
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST",   "/v1/hosts/{id}/enroll",   "hosts.enroll",   CHANGE,   "agents:write", UD_WRITE | UD_STEP_UP | UD_NO_BODY_LOG, .answer = &enrolment_shape, .status = 201, .handle = enroll, .about = "Make a one-time token that turns a machine into this host's agent within the hour." },
	{ "GET",    "/v1/agents",              "agents.list",    UD_STAFF, "agents:read",  UD_LIST, .resource = &agents, .handle = ud_rest_list, .about = "List agents." },
	{ "GET",    "/v1/agents/{id}",         "agents.show",    UD_STAFF, "agents:read",  0, .resource = &agents, .handle = ud_rest_show, .about = "Show an agent." },
	{ "GET",    "/v1/agents/{id}/statement-keys", "agents.statement-keys", UD_STAFF, "agents:read", UD_WHOLE, .answer = &ud_statement_key_shape, .handle = list_keys, .about = "List the public keys that an agent's statements are or were signed with, the oldest first." },
	{ "POST",   "/v1/agents/{id}/revoke",  "agents.revoke",  CHANGE,   "agents:write", UD_WRITE | UD_STEP_UP, .resource = &agents, .handle = revoke, .about = "Believe the agent's certificate no more; what it is asking now is refused within seconds." },
	{ "POST",   "/v1/agents/{id}/release", "agents.release", CHANGE,   "agents:write", UD_WRITE | UD_STEP_UP | UD_PERSON, .resource = &agents, .handle = release, .about = "Let an agent in quarantine promote again, after a person has looked." },
	{ "DELETE", "/v1/agents/{id}",         "agents.delete",  CHANGE,   "agents:write", UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = &agents, .handle = forget, .about = "Delete the record of an agent that was revoked or replaced." },
};
/* clang-format on */
const struct ud_routes ud_api_agents = { "Agents", rows, UD_LEN(rows) };
