/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of agents and the statements of the agents' port.
 */
#include "db/agents.h"

#include <string.h>

static const char *const state_names[] = { "active", "quarantined", "replaced", "revoked" };
const struct ud_enum ud_agent_states = { "agent_state", state_names, UD_LEN(state_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_agent, host_id,                .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .about = "Host it runs on."),
	UD_FIELD(ud_agent, state,                  .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_agent_states, .about = "Where it stands: a quarantined agent goes on working but may not promote; replaced and revoked ones are refused."),
	UD_FIELD(ud_agent, may_promote,            .flags = UD_SERVER | UD_BRIEF, .about = "False until a person has looked at an alarm."),
	UD_FIELD(ud_agent, alarm,                  .flags = UD_SERVER, .about = "Why it is quarantined."),
	UD_FIELD(ud_agent, agent_version,          .flags = UD_SERVER | UD_BRIEF, .about = "Version of the program that was enrolled or renewed last."),
	UD_FIELD(ud_agent, certificate_serial,     .flags = UD_SERVER, .about = "Serial number of its certificate."),
	UD_FIELD(ud_agent, certificate_expires_at, .flags = UD_SERVER | UD_BRIEF, .about = "When its certificate ends; the agent renews it by itself after two thirds of its life."),
	UD_FIELD(ud_agent, spki_sha256,            .flags = UD_SERVER, .about = "SHA-256 of its public key (SPKI, DER)."),
	UD_FIELD(ud_agent, confirmed,              .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_agent, previous_serial,        .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_agent, previous_spki_sha256,   .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_agent, previous_until,         .flags = UD_SERVER, .about = "Until when the certificate before this one is accepted."),
	UD_FIELD(ud_agent, statement_key,          .flags = UD_SERVER, .about = "Ed25519 key that it signs with what it saw in failovers, hex; null for one that does not sign."),
	UD_FIELD(ud_agent, address,                .flags = UD_SERVER, .about = "Address it was last seen at."),
	UD_FIELD(ud_agent, runs,                   .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_agent, last_seen_at,           .flags = UD_SERVER | UD_BRIEF, .about = "When it was last heard of, to a few seconds."),
	UD_FIELD(ud_agent, connected,              .flags = UD_COMPUTED | UD_BRIEF, .about = "True when it was heard of within the last minute."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "agent",
	.prefix = "agt",
	.table = "agents",
	UD_SHAPE(ud_agent, fields),
	.about = "The program on a host that does what the server asks." };
const struct ud_table ud_agents_table = { .shape = &shape };

bool ud_agent_alive(const struct ud_agent *a)
{
	return a->state == UD_AGENT_ACTIVE || a->state == UD_AGENT_QUARANTINED;
}

/* An agent by the id that a statement yields, read under our own scope. */
static enum ud_code agent_by(struct ud_ctx *cx, const char *sql, const char *value, bool *ret_found,
	struct ud_agent *ret)
{
	const struct ud_scope all = ud_scope_system("agents"), *before = cx->scope;
	const char *id = NULL;

	UD_TRY(ud_query_text(cx, ret_found, &id, sql, UD_VALS(ud_t(value))));
	if (!*ret_found)
		return UD_OK;
	cx->scope = &all;
	enum ud_code code = ud_row_get(cx, &ud_agents_table, id, ret);

	cx->scope = before;
	return code;
}

enum ud_code ud_agent_by_key(
	struct ud_ctx *cx, const char *spki_sha256, bool *ret_found, struct ud_agent *ret)
{
	/* every tenant: whoever shows a certificate has no scope yet */
	return agent_by(cx,
		"SELECT id FROM agents WHERE spki_sha256 = $1"
		" UNION ALL SELECT id FROM agents WHERE previous_spki_sha256 = $1"
		" ORDER BY id DESC LIMIT 1",
		spki_sha256, ret_found, ret);
}

enum ud_code ud_agent_of_host(
	struct ud_ctx *cx, const char *host_id, bool *ret_found, struct ud_agent *ret)
{
	/* every tenant: the caller has read the host under its own scope */
	return agent_by(cx,
		"SELECT id FROM agents WHERE host_id = $1 AND state IN ('active', 'quarantined')",
		host_id, ret_found, ret);
}

/* ---- sightings ---- */

/* Position of a run among those seen before, or -1. */
static int run_index(const struct ud_agent *a, const char *run)
{
	for (size_t i = 0; i < a->runs.count; i++)
		if (strcmp(a->runs.items[i], run) == 0)
			return (int)i;
	return -1;
}

/*
 * A run is a process's own number: one that comes back after another was seen belongs to a second
 * machine. So does the certificate before the current one, once that was seen, from elsewhere.
 */
static const char *find_alarm(const struct ud_agent *a, const struct ud_sighting *s)
{
	if (*s->run && run_index(a, s->run) > 0)
		return "Two copies of this agent take turns.";
	if (a->confirmed && strcmp(s->serial, a->certificate_serial) != 0 && a->address &&
		strcmp(s->address, a->address) != 0)
		return "Two certificates of this agent are in use, from two addresses.";
	return NULL;
}

/* The runs with this one in front, as they are stored; each is at most 64 harmless characters. */
static const char *runs_with(struct ud_ctx *cx, const struct ud_agent *a, const char *run)
{
	const char *out = ud_printf(cx->arena, "[\"%s\"", run);
	size_t n = 1;

	for (size_t i = 0; i < a->runs.count && n < UD_AGENT_RUNS; i++)
		if (strcmp(a->runs.items[i], run) != 0) {
			out = ud_printf(cx->arena, "%s,\"%s\"", out, a->runs.items[i]);
			n++;
		}
	return ud_printf(cx->arena, "%s]", out);
}

enum ud_code ud_agent_sighted(
	struct ud_ctx *cx, const struct ud_sighting *s, const char **ret_alarm)
{
	struct ud_agent a = { 0 };
	const char *runs = NULL;

	UD_TRY(ud_row_get(cx, &ud_agents_table, s->agent_id, &a));
	*ret_alarm = find_alarm(&a, s);
	if (*s->run)
		runs = runs_with(cx, &a, s->run);
	/* every tenant: the agent was just authenticated by its certificate */
	return ud_exec(cx, NULL,
		"UPDATE agents SET last_seen_at = $2, address = $3, runs = COALESCE($4, runs),"
		" confirmed = CASE WHEN certificate_serial = $5 THEN 1 ELSE confirmed END"
		" WHERE id = $1",
		UD_VALS(ud_t(s->agent_id), ud_i(s->at_ms), ud_t(s->address), ud_t(runs),
			ud_t(s->serial)));
}

/* ---- tokens ---- */

enum ud_code ud_enrolment_add(struct ud_ctx *cx, const char *token_hash, const char *host_id,
	const char *customer_id, int64_t expires_at)
{
	return ud_exec(cx, NULL,
		"INSERT INTO enrolments(token_hash, customer_id, host_id, created_at, expires_at)"
		" VALUES ($1, $2, $3, $4, $5)",
		UD_VALS(ud_t(token_hash), ud_t(customer_id), ud_t(host_id), ud_i(cx->now_ms),
			ud_i(expires_at)));
}

enum ud_code ud_enrolment_use(struct ud_ctx *cx, const char *token_hash, const char *wanted_host_id,
	const char *agent_id, const char **ret_host_id)
{
	bool found = false;

	*ret_host_id = NULL;
	/* every tenant: the token is all that its bearer has */
	return ud_query_text(cx, &found, ret_host_id,
		"UPDATE enrolments SET used_at = $2, agent_id = $3"
		" WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2"
		" AND host_id = COALESCE($4, host_id) RETURNING host_id",
		UD_VALS(ud_t(token_hash), ud_i(cx->now_ms), ud_t(agent_id), ud_t(wanted_host_id)));
}

enum ud_code ud_enrolments_expire(struct ud_ctx *cx, int64_t before_ms)
{
	/* every tenant: housekeeping by age */
	return ud_exec(
		cx, NULL, "DELETE FROM enrolments WHERE expires_at < $1", UD_VALS(ud_i(before_ms)));
}

/* ---- what changed ---- */

static enum ud_code end_of_log(struct ud_ctx *cx, int64_t *ret)
{
	bool found = false;

	*ret = 0;
	/* every tenant: the agents' port serves all */
	return ud_query_int(
		cx, &found, ret, "SELECT n FROM events ORDER BY n DESC LIMIT 1", UD_NO_VALS);
}

enum ud_code ud_agents_changed(
	struct ud_ctx *cx, int64_t *n, void (*each)(void *data, const char *host_id), void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = true;

	if (*n == UD_NONE)
		return end_of_log(cx, n);
	/* every tenant: the agents' port serves all */
	UD_TRY(ud_query(cx, &rows,
		"SELECT e.n, a.host_id FROM events e"
		" LEFT JOIN agents a ON e.subject_object = 'agent' AND a.id = e.subject_id"
		" WHERE e.n > $1 ORDER BY e.n",
		UD_VALS(ud_i(*n))));
	for (;;) {
		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			return UD_OK;
		if (!ud_col_null(rows, 1))
			each(data, ud_col_text(rows, 1));
		*n = ud_col_int(rows, 0);
	}
}
