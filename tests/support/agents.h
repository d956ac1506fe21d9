/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents' port of a world, hosts to enrol, and clients that show whatever certificate a test
 * likes.
 */
#ifndef TESTS_SUPPORT_AGENTS_H
#define TESTS_SUPPORT_AGENTS_H

#include "agent/agent.h"
#include "server/agents/agents.h"
#include "server/agents/ca.h"
#include "support/harness.h"

struct port {
	struct world *w;
	struct ud_agents *agents;
	const char *url, *pin; /* of the port */
	const char *site;
	int hosts; /* made so far */
};

/* Make the authority and open the port with these routes; the world's API knows of it. Release with
 * port_end, before world_end. */
struct port *port_begin(struct world *w, const struct ud_routes *const *routes);
void port_end(struct port *p);

/* A new host; its id. */
const char *port_host(struct port *p);
/* A token for it, by the API. */
const char *port_token(struct port *p, const char *host_id);

/* What a client shows, PEM; NULL = nothing. certificate may hold the whole chain. */
struct shown {
	const char *id; /* of the agent, where there is one */
	const char *host_id;
	const char *certificate, *key;
	const char *run;       /* NULL = not told */
	const char *interface; /* address to call from; NULL = any */
};

/* Become a host's agent. */
struct shown port_enroll(struct port *p, const char *host_id);
/* A certificate signed by the port's own authority for agents, whatever the wish says. */
const char *port_issue(struct port *p, struct ud_x509_wish wish, const char *key);
/* Call the port; status 0 = no answer came (then body is curl's word for it). */
struct reply port_call(struct port *p, const struct shown *shown, const char *method,
	const char *path, const char *body);

/* A real agent inside the test: its folder, journal, runner and line to the port, on a scripted
 * hypervisor. */
struct agent {
	struct port *p;
	struct shown shown;
	const char *dir;
	struct ud_agent_config config;
	struct ud_agent_run *run; /* NULL = it does not run */
	/* where it dies next; see agent_dies */
	const char *_Atomic verb, *_Atomic point;
};

/*
 * Enrol an agent for a host and let it run on a hypervisor ("scripted:NAME", or what box_host
 * says). End it before the port.
 */
struct agent *agent_begin(struct port *p, const char *host_id, const char *uri);
/* End it for good. */
void agent_end(struct agent *a);
/* End the process and begin another in the same folder: what was held is in the journal alone. */
void agent_stop(struct agent *a);
void agent_start(struct agent *a);
/*
 * From now on, the next command with this verb kills the agent at a crash point (agent/verbs.h), as
 * SIGKILL would: nothing is stored or sent any more. Then call agent_restart, which waits for it.
 */
void agent_dies(struct agent *a, const char *verb, const char *point);
/* Has it died? Waits up to 20 s for it. */
bool agent_died(struct agent *a);
/* Begin another after it died. */
void agent_restart(struct agent *a);

#endif
