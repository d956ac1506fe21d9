/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents, the certificates they may show, and the one-time tokens that make them. Who shows a
 * certificate has no scope yet, so the questions of the agents' port look at every tenant.
 */
#ifndef DB_AGENTS_H
#define DB_AGENTS_H

#include "db/rows.h"

enum ud_agent_state {
	UD_AGENT_ACTIVE,
	UD_AGENT_QUARANTINED, /* may talk, may not promote: somebody may be using a copy of it */
	UD_AGENT_REPLACED,    /* its host was enrolled anew */
	UD_AGENT_REVOKED,
};
extern const struct ud_enum ud_agent_states;

struct ud_agent {
	struct ud_row row;
	const char *host_id;
	unsigned state; /* enum ud_agent_state */
	bool may_promote;
	const char *alarm; /* why it is quarantined */
	const char *agent_version;
	const char *certificate_serial;
	struct ud_time certificate_expires_at;
	const char *spki_sha256; /* of the current key */
	bool confirmed;          /* the current certificate was shown to us */
	/* the certificate before, good until previous_until */
	const char *previous_serial, *previous_spki_sha256;
	struct ud_time previous_until;
	const char *statement_key; /* public half, hex: db/statements.h has those before it */
	const char *address;       /* last seen */
	struct ud_texts runs;      /* the last ones seen, the newest first */
	struct ud_time last_seen_at;
	bool connected; /* computed */
};
extern const struct ud_table ud_agents_table;

enum { UD_AGENT_RUNS = 4, UD_AGENT_GRACE_MS = 24 * 3600 * 1000 };

/* True for active and quarantined: it may talk to us. */
bool ud_agent_alive(const struct ud_agent *a);

/* The agent whose current or previous key this is; any state. *ret_found false = none. */
enum ud_code ud_agent_by_key(
	struct ud_ctx *cx, const char *spki_sha256, bool *ret_found, struct ud_agent *ret) UD_USE;
/* The live agent of a host. *ret_found false = none. */
enum ud_code ud_agent_of_host(
	struct ud_ctx *cx, const char *host_id, bool *ret_found, struct ud_agent *ret) UD_USE;

/* Where and as what an agent was seen. */
struct ud_sighting {
	const char *agent_id, *serial, *address;
	const char *run; /* of the agent's process: random, never the same twice; "" = not told */
	int64_t at_ms;
};
/*
 * Note a sighting: last_seen_at, address, run, and that the current certificate arrived. *ret_alarm
 * is the sentence when this one and an earlier one cannot be the same machine, else NULL; the row
 * is not changed for it.
 */
enum ud_code ud_agent_sighted(
	struct ud_ctx *cx, const struct ud_sighting *seen, const char **ret_alarm) UD_USE;

/* Keep a token's hash for a host. */
enum ud_code ud_enrolment_add(struct ud_ctx *cx, const char *token_hash, const char *host_id,
	const char *customer_id, int64_t expires_at) UD_USE;
/* Use a token up for an agent: of two at once one succeeds. *ret_host_id NULL: it is unknown, used,
 * too old, or not for the wanted host (NULL = any). */
enum ud_code ud_enrolment_use(struct ud_ctx *cx, const char *token_hash, const char *wanted_host_id,
	const char *agent_id, const char **ret_host_id) UD_USE;
/* Forget tokens that ended before an instant. */
enum ud_code ud_enrolments_expire(struct ud_ctx *cx, int64_t before_ms) UD_USE;

/*
 * Hosts whose agents records after *n speak of ("agent.…"), one call each; *n moves to the last
 * record read. The first call with *n = UD_NONE only finds the end of the log.
 */
enum ud_code ud_agents_changed(struct ud_ctx *cx, int64_t *n,
	void (*each)(void *data, const char *host_id), void *data) UD_USE;

#endif
