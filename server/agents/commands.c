/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How commands come to agents and answers come back: poll, result, progress.
 */
#include <string.h>

#include "base/env.h"
#include "db/commands.h"
#include "server/agents/agents.h"
#include "server/agents/identity.h"
#include "server/agents/recovery.h"
#include "server/agents/routes.h"
#include "server/agents/statements.h"

/* ---- poll ---- */

/* What a poll finds for its host. */
struct found {
	const struct ud_request *rq;
	const char *working; /* as the agent says */
	struct ud_buf out;   /* the commands to send, as JSON */
	size_t count;
	bool queued; /* something bears no mark yet that counts */
};

/* Does the agent's journal have it already? It lists them as it got them: one object per line of
 * ours, numbers and ids without anything to escape. */
static bool works_on(struct ud_ctx *cx, const char *working, const struct ud_command_pending *p)
{
	return working &&
		strstr(working,
			ud_printf(cx->arena, "\"%s/%lld\"", p->subject_id, (long long)p->seq));
}

static enum ud_code consider(struct ud_ctx *cx, void *data, const struct ud_command_pending *p)
{
	struct found *f = data;

	/* also one that was delivered before the quarantine: who asks now may be the other copy */
	if (!f->rq->agent->may_promote && strcmp(p->verb, UD_VERB_PROMOTE) == 0)
		return UD_OK;
	if (!p->delivered || !ud_agents_counts(f->rq->server->settings.agents, p->mark)) {
		f->queued = true;
		return UD_OK;
	}
	if (f->count == UD_COMMANDS_PER_POLL || works_on(cx, f->working, p))
		return UD_OK;
	if (f->count++)
		ud_buf_putc(&f->out, ',');
	ud_shape_encode(&f->out, &ud_wire_signed_shape, &p->message, NULL);
	return UD_OK;
}

static enum ud_code answer_found(struct ud_ctx *cx, struct ud_request *rq, struct found *f)
{
	if (f->queued) {
		/* nothing leaves before it is marked; then we are woken */
		ud_agents_deliver(
			rq->server->settings.agents, rq->agent->host_id, rq->agent->may_promote);
	} else if (f->count) {
		ud_buf_puts(&rq->out, "{\"commands\":[");
		ud_buf_add(&rq->out, f->out.data, f->out.len);
		ud_buf_puts(&rq->out, "]}");
		return ud_answer_text(cx, rq, 200, "application/json");
	}
	if (!rq->wait_until_ms)
		return ud_answer_none(cx, rq);
	rq->wait_key = rq->agent->host_id;
	rq->waiting = true;
	return UD_OK;
}

/* A host that knows more than we do is heard before anything else. */
static enum ud_code compare(struct ud_ctx *cx, struct ud_request *rq, const char *heads)
{
	bool news = false;

	if (!rq->agent->first)
		return UD_OK;
	UD_TRY(ud_recovery_look(cx, rq->agent->host_id, heads, &news));
	if (news)
		ud_agents_heads(rq->server->settings.agents, rq->agent->host_id, heads);
	return UD_OK;
}

static enum ud_code poll(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_wire_poll *in = rq->in;
	struct found f = { .rq = rq, .working = in->working.text };

	UD_TRY(compare(cx, rq, in->heads.text));
	enum ud_code code = ud_command_visit(cx, rq->agent->host_id, consider, &f);

	if (code == UD_OK)
		code = answer_found(cx, rq, &f);
	ud_buf_free(&f.out);
	return code;
}

/* ---- answers ---- */

struct taken {
	bool fresh;
};
/* clang-format off */
static const struct ud_field taken_fields[] = {
	UD_FIELD(taken, fresh, .about = "False: the command had ended before, or was never one of this host."),
};
/* clang-format on */
static const struct ud_shape taken_shape = { UD_SHAPE(taken, taken_fields), .bare = true };

static enum ud_code result(struct ud_ctx *cx, struct ud_request *rq)
{
	struct taken out = { 0 };

	UD_TRY(ud_command_answer(
		cx, &rq->server->commanding, rq->agent->host_id, rq->in, &out.fresh));
	if (out.fresh)
		UD_TRY(ud_statement_take(cx, rq->agent->host_id, rq->in));
	return ud_answer(cx, rq, &taken_shape, &out);
}

static enum ud_code progress(struct ud_ctx *cx, struct ud_request *rq)
{
	ud_agents_progress(rq->server->settings.agents, rq->agent->host_id, rq->in);
	return ud_answer_none(cx, rq);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/agent/poll",     "agent.poll",     UD_R(AGENT), "agent:read",  UD_WAIT, &ud_wire_poll_shape, .handle = poll, .about = "Wait for commands; 204 when there is none." },
	{ "POST", "/v1/agent/result",   "agent.result",   UD_R(AGENT), "agent:write", UD_WRITE, &ud_wire_result_shape, &taken_shape, .handle = result, .about = "Take the answer to a command, under its own number." },
	{ "POST", "/v1/agent/progress", "agent.progress", UD_R(AGENT), "agent:read",  0, &ud_wire_progress_shape, .status = 204, .handle = progress, .about = "Take how far a command is." },
};
/* clang-format on */
const struct ud_routes ud_agent_commands = { "Commands", rows, UD_LEN(rows) };
