/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of contents of the agents' port.
 */
#include "server/agents/routes.h"

#include "server/agents/agents.h"

const struct ud_routes *const ud_agent_routes[] = {
	&ud_agent_enrolment,
	&ud_agent_commands,
	&ud_agent_inventory,
	&ud_agent_leases,
	&ud_agent_replication,
	&ud_agent_statements,
	NULL,
};
