/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wakes agents. One row each; see agents.h.
 */
#include "db/agents.h"
#include "server/agents/agents.h"

const struct ud_agent_source ud_agent_sources[] = {
	{ "events", ud_agents_changed },
};
const size_t ud_agent_source_count = UD_LEN(ud_agent_sources);
_Static_assert(UD_LEN(ud_agent_sources) <= UD_AGENT_SOURCES_MAX, "room for every cursor");
