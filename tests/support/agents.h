/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents' port of a world, hosts to enrol, and clients that show whatever certificate a test
 * likes.
 */
#ifndef TESTS_SUPPORT_AGENTS_H
#define TESTS_SUPPORT_AGENTS_H

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

#endif
