/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place that decides whether an agent is who it says. The words for the caller name what is
 * wrong with its certificate, and nothing about other agents.
 */
#include "server/agents/identity.h"

#include <string.h>

#include "base/wire_identity.h"
#include "db/agents.h"
#include "server/agents/agents.h"
#include "server/http/peer.h"
#include "server/http/server.h"

static enum ud_code refuse(struct ud_ctx *cx, const char *why)
{
	return ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL, "The certificate is refused: %s.", why);
}

/* NULL when the certificate as such is fine now. */
static const char *wrong_certificate(const struct ud_peer *p, int64_t now_ms)
{
	if (!p->shown)
		return "none was shown";
	if (p->refused)
		return p->refused;
	if (now_ms < p->not_before_ms)
		return "its time has not come";
	return now_ms >= p->not_after_ms ? "its time is up" : NULL;
}

/* NULL when the agent's row knows this certificate and lets it in. */
static const char *wrong_agent(
	const struct ud_agent *a, const struct ud_peer *p, int64_t now_ms, bool *ret_current)
{
	*ret_current = strcmp(p->serial, a->certificate_serial) == 0;
	if (a->state == UD_AGENT_REVOKED)
		return "it was revoked";
	if (!ud_agent_alive(a))
		return "its host was enrolled anew";
	if (strcmp(p->name, a->row.id) != 0)
		return "it names another agent than its key";
	if (*ret_current)
		return strcmp(p->spki_sha256, a->spki_sha256) == 0
			? NULL
			: "its key is not the one that was enrolled";
	if (!a->previous_serial || strcmp(p->serial, a->previous_serial) != 0 ||
		strcmp(p->spki_sha256, a->previous_spki_sha256) != 0)
		return "it is not the agent's newest";
	return now_ms < a->previous_until.ms ? NULL : "it was renewed";
}

/* The run that the agent names, when it is harmless. */
static const char *read_run(struct ud_ctx *cx, const struct ud_request *rq)
{
	const char *given = ud_request_header(rq, UD_RUN_HEADER);
	size_t n = given ? strlen(given) : 0;

	if (!n || n > UD_AGENT_RUN_MAX || strspn(given, "0123456789abcdef") != n)
		return "";
	return ud_strdup(cx->arena, given);
}

static void remember(const struct ud_request *rq, const struct ud_agent_identity *id)
{
	struct ud_sighting seen = { .agent_id = id->agent_id,
		.serial = id->serial,
		.address = rq->scope.address ? rq->scope.address : "",
		.run = id->run,
		.at_ms = rq->cx.now_ms };

	ud_agents_saw(rq->server->settings.agents, &seen);
}

static void fill(struct ud_ctx *cx, struct ud_request *rq, const struct ud_agent *a,
	const struct ud_peer *p, bool current)
{
	struct ud_agent_identity *id = ud_alloc(cx->arena, sizeof(*id));

	*id = (struct ud_agent_identity){ .agent_id = a->row.id,
		.host_id = a->host_id,
		.serial = ud_strdup(cx->arena, p->serial),
		.run = read_run(cx, rq),
		.current = current,
		.confirmed = a->confirmed,
		.first = !rq->agent,
		.may_promote = a->may_promote && a->state == UD_AGENT_ACTIVE };
	/* a poll that is looked at again says nothing new: its process may be gone by now, and the
	 * next one known already */
	rq->agent = id;
	rq->scope.kind = UD_PRINCIPAL_AGENT;
	rq->scope.id = a->row.id;
	rq->scope.name = a->row.id;
	rq->scope.customer_id = NULL; /* a host carries VMs of several customers */
	rq->scope.roles = UD_R(AGENT);
	if (id->first)
		remember(rq, id);
}

enum ud_code ud_agent_scope(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_agent a = { 0 };
	bool found = false, current = false;

	if (rq->route->roles & UD_ANYONE)
		return UD_OK;
	const struct ud_peer *p = ud_request_peer(cx, rq);
	const char *why = wrong_certificate(p, cx->now_ms);

	if (why)
		return refuse(cx, why);
	UD_TRY(ud_agent_by_key(cx, p->spki_sha256, &found, &a));
	if (!found)
		return refuse(cx, "nobody was enrolled with this key");
	why = wrong_agent(&a, p, cx->now_ms, &current);
	if (why)
		return refuse(cx, why);
	fill(cx, rq, &a, p, current);
	return UD_OK;
}
