/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A running agent: journal, hypervisor, line to the server, runner and courier put together, and a
 * thread that keeps the certificate young and learns how the server sees us. The program makes one;
 * tests make several beside each other.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include "agent/link.h"
#include "agent/runner.h"

struct ud_agent_run;

/* Crash points, for tests; see struct ud_station. */
struct ud_agent_hooks {
	bool (*dies)(void *data, const struct ud_wire_command *command, const char *point);
	void *data;
};

/*
 * Open everything and begin. The configuration, drivers and env outlive it. hooks: NULL in the
 * program; they hold from the first command on. A hypervisor that does
 * not answer is tried again every minute; until then its calls fail. UD_E_UNAVAILABLE,
 * UD_E_VALIDATION with the reason.
 */
enum ud_code ud_agent_begin(struct ud_ctx *cx, const struct ud_agent_config *config,
	const struct ud_driver *const *drivers, const struct ud_env *env,
	const struct ud_agent_hooks *hooks, struct ud_agent_run **ret) UD_USE;
/* End it: calls are cut, verbs that run are waited for. VMs go on. Takes NULL. */
void ud_agent_end(struct ud_agent_run **agent);
/* What its verbs work with; for tests' crash points. */
struct ud_station *ud_agent_station(struct ud_agent_run *agent);

#endif
