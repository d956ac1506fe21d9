/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents' port: a server of its own beside the API's, with its own threads and limits, whose
 * callers are agents with certificates of our authority.
 *
 * To add a call of agents:
 * 1. A row in the table of routes.c and a handler in a file of this folder:
 *
 *      { "POST", "/v1/agent/result", "agent.result", UD_R(AGENT), "agent:write", UD_WRITE,
 *              &result_shape, .handle = result, .about = "Take a command's result." },
 *
 *    When the handler runs, the certificate was checked: rq->agent tells whose it is (agent_id,
 *    host_id, run, may_promote; identity.h). cx->scope sees all tenants, since a host carries VMs
 *    of several: a handler looks at nothing but what belongs to rq->agent->host_id. Reads run on a
 *    loop, UD_WRITE rows on the writer, as everywhere. All is UTF-8 JSON; bodies have a shape.
 * 2. A call that waits has UD_WAIT and no UD_WRITE, whatever its method. The agent says how long
 *    by ?wait=SECONDS (25 at most). Its handler:
 *
 *      if (there is something for rq->agent->host_id)
 *              return ud_answer(…);
 *      if (!rq->wait_until_ms)
 *              return ud_answer_none(cx, rq);      — the time is up: nothing
 *      rq->wait_key = rq->agent->host_id;
 *      rq->waiting = true;                         — run me again when I am woken
 *      return UD_OK;
 *
 *    It is woken by ud_agents_wake with that key, and then the certificate, and the agent's state,
 *    are looked at anew: a revoked agent's poll ends with 403 within moments. A wake between look
 *    and sleep is not lost. A handler may run any number of times: it changes nothing.
 * 3. Who makes news wakes the host's agent after the commit: add a row to the table of sources
 *    (sources.c) that reads what is new after a cursor of its own and calls wake for each host
 *    that it is for. Sources are asked after every commit, also of other servers, and at least once
 *    a second. Events whose subject is an agent ("agent.…") wake its host already.
 */
#ifndef SERVER_AGENTS_AGENTS_H
#define SERVER_AGENTS_AGENTS_H

#include "db/commands.h"
#include "server/http/server.h"

struct ud_agents;
struct ud_ca;
struct ud_sample;
struct ud_sighting;
struct ud_wire_progress;
struct ud_work;

/* All calls of agents; ended by NULL. */
extern const struct ud_routes *const ud_agent_routes[];

/*
 * Open the port with these calls (ud_agent_routes, ended by NULL) and the reactions of work; both
 * outlive it. settings:
 * listen, public_url, workers, connections and the other limits of this port; TLS is filled in
 * here. The authority must be there (ud_ca_ensure). UD_E_UNAVAILABLE with the reason. Release
 * before the database.
 */
enum ud_code ud_agents_start(struct ud_ctx *cx, ud_database *db,
	const struct ud_server_settings *settings, const struct ud_keys *keys,
	const struct ud_routes *const *routes, const struct ud_work *work, const struct ud_env *env,
	struct ud_agents **ret) UD_USE;
/* Waiting calls are answered, then the port closes. Takes NULL. */
void ud_agents_release(struct ud_agents **agents);

/* Wake the polls of a host. Any thread, after the commit of what they are to find. */
void ud_agents_wake(struct ud_agents *agents, const char *host_id);
/* Address for enrolment commands, and the pin of the root; as long as the port. */
const char *ud_agents_url(const struct ud_agents *agents);
const char *ud_agents_pin(const struct ud_agents *agents);
const struct ud_ca *ud_agents_ca(const struct ud_agents *agents);
/* The HTTP server that is the port. */
struct ud_server *ud_agents_server(const struct ud_agents *agents);

/* Keep a sighting in memory; it is stored within five seconds, and at once when the agent's run,
 * address or certificate is another than before. Any thread. */
void ud_agents_saw(struct ud_agents *agents, const struct ud_sighting *seen);

/* Mark what waits for a host as delivered, then wake its polls: a poll sends nothing whose mark
 * does not count. Any thread. */
void ud_agents_deliver(struct ud_agents *agents, const char *host_id, bool promotes);
/* Does the mark count: is it this server's, and was its commit acknowledged? Any thread. */
bool ud_agents_counts(struct ud_agents *agents, struct ud_command_mark mark);
/* Keep how far a command is; stored within a second with what else is due. Any thread. */
void ud_agents_progress(
	struct ud_agents *agents, const char *host_id, const struct ud_wire_progress *progress);

/* Keep what a host's journal has and the server does not know (a JSON list of ud_wire_head). Any
 * thread. */
void ud_agents_heads(struct ud_agents *agents, const char *host_id, const char *heads);

/* Keep a host's sign of life and its figures; stored with what else is due. Any thread. */
void ud_agents_heartbeat(struct ud_agents *agents, const char *host_id, int64_t at_ms,
	const struct ud_sample *samples, size_t n);

/* Keep that a host's seal of the log does not fit ours; told with what else is due. Any thread. */
void ud_agents_doubt(
	struct ud_agents *agents, const char *host_id, int64_t number, const char *digest);

/* What wakes agents: a table that is asked for news after each commit. */
struct ud_agent_source {
	const char *name; /* for the log */
	/* Call wake for each host that has news after *cursor, and move it; *cursor is UD_NONE the
	 * first time: only find the place to begin at. Runs on a read connection. */
	enum ud_code (*look)(struct ud_ctx *cx, int64_t *cursor,
		void (*wake)(void *data, const char *host_id), void *data);
};
enum { UD_AGENT_SOURCES_MAX = 8 };
extern const struct ud_agent_source ud_agent_sources[];
extern const size_t ud_agent_source_count;

#endif
