/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents' reports of replication.
 */
#include "server/agents/identity.h"
#include "server/agents/routes.h"
#include "server/http/server.h"
#include "server/replication/reports.h"

static enum ud_code take(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication_acks acks;

	UD_TRY(ud_replication_take(cx, &rq->server->commanding, rq->agent->host_id, rq->in, &acks));
	return ud_answer(cx, rq, &ud_replication_acks_shape, &acks);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/agent/replication", "agent.replication", UD_R(AGENT), "agent:write", UD_WRITE, &ud_replication_reports_shape, &ud_replication_acks_shape, .handle = take, .about = "Take what an agent tells of its relations and their points; answers what need not be told again." },
};
/* clang-format on */
const struct ud_routes ud_agent_replication = { "Replication", rows, UD_LEN(rows) };
