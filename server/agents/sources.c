/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What wakes agents. One row each; see agents.h.
 */
#include "db/agents.h"
#include "db/commands.h"
#include "server/agents/agents.h"

/* Hosts that something is queued for; they are told after each commit until they fetched it. */
static enum ud_code commands_queued(struct ud_ctx *cx, int64_t *cursor,
	void (*wake)(void *data, const char *host_id), void *data)
{
	struct ud_texts hosts = { 0 };

	*cursor = 0;
	UD_TRY(ud_command_hosts(cx, &hosts));
	for (size_t i = 0; i < hosts.count; i++)
		wake(data, hosts.items[i]);
	return UD_OK;
}

const struct ud_agent_source ud_agent_sources[] = {
	{ "events", ud_agents_changed },
	{ "commands", commands_queued },
};
const size_t ud_agent_source_count = UD_LEN(ud_agent_sources);
_Static_assert(UD_LEN(ud_agent_sources) <= UD_AGENT_SOURCES_MAX, "room for every cursor");
