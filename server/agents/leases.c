/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /v1/agent/lease: a host asks for leave to run its VMs. The answer leaves after the grant is
 * stored, as every answer does.
 */
#include <string.h>

#include "base/lease.h"
#include "db/events.h"
#include "db/leases.h"
#include "db/vms.h"
#include "server/agents/identity.h"
#include "server/agents/routes.h"
#include "server/http/respond.h"
#include "server/http/server.h"
#include "server/workflow/workflow.h"

/* What a host did by itself is looked at before it is granted anything. */
static enum ud_code reconcile(
	struct ud_ctx *cx, const struct ud_request *rq, const struct ud_lease_ask *ask)
{
	struct ud_vm vm = { 0 };
	const char *event = NULL;

	UD_TRY(ud_lease_reconcile(cx, rq->agent->host_id, ask, &event));
	if (!event)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_vms, ask->vm_id, &vm));
	UD_TRY(ud_flow_overtaken(cx, ask->vm_id));
	return ud_event_add_plain(cx, event, vm.row.customer_id, "vm", ask->vm_id,
		ud_printf(cx->arena, "{\"epoch\":%lld,\"host_id\":\"%s\"}", (long long)ask->epoch,
			rq->agent->host_id));
}

static enum ud_code answer_each(struct ud_ctx *cx, const struct ud_request *rq,
	const struct ud_lease_ask *asks, size_t n, struct ud_buf *words)
{
	struct ud_lease_word word;

	for (size_t i = 0; i < n; i++) {
		UD_TRY(reconcile(cx, rq, &asks[i]));
		UD_TRY(ud_lease_grant(cx, rq->agent->host_id, rq->agent->may_promote,
			rq->server->settings.lease_seconds, &asks[i], &word));
		ud_buf_puts(words, i ? "," : "[");
		ud_shape_encode(words, &ud_lease_word_shape, &word, NULL);
	}
	ud_buf_puts(words, n ? "]" : "[]");
	return UD_OK;
}

static enum ud_code lease(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_wire_lease *in = rq->in;
	struct ud_wire_leases out = { .nonce = in->nonce };
	struct ud_lease_ask *asks = NULL;
	struct ud_buf words = { 0 };
	size_t n = 0;

	UD_TRY(ud_shape_read_list(
		cx, &ud_lease_ask_shape, in->asks.text, UD_LEASE_ASKS, (void **)&asks, &n));
	enum ud_code code = answer_each(cx, rq, asks, n, &words);

	out.words.text = ud_buf_take(cx->arena, &words);
	UD_TRY(code);
	return ud_answer(cx, rq, &ud_wire_leases_shape, &out);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/agent/lease", "agent.lease", UD_R(AGENT), "agent:write", UD_WRITE, &ud_wire_lease_shape, &ud_wire_leases_shape, .handle = lease, .about = "Grant leave to run or start VMs for some seconds." },
};
/* clang-format on */
const struct ud_routes ud_agent_leases = { "Leases", rows, UD_LEN(rows) };
