/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming an agent, and staying one. Of a request only the public key is taken; every name in the
 * certificate is ours. A token is used up in the transaction that makes the agent.
 */
#include <string.h>

#include "base/crypto.h"
#include "base/id.h"
#include "base/wire_identity.h"
#include "db/agents.h"
#include "db/events.h"
#include "db/hosts.h"
#include "server/agents/agents.h"
#include "server/agents/ca.h"
#include "server/agents/identity.h"
#include "server/agents/routes.h"
#include "server/auth/auth.h"

/* What prepare worked out on the loop. */
struct issued {
	const char *agent_id, *certificate;
	struct ud_x509_info info;
};

static const struct ud_ca *authority(const struct ud_request *rq)
{
	return ud_agents_ca(rq->server->settings.agents);
}

/* A certificate for the key of a request. */
static enum ud_code make_certificate(
	struct ud_ctx *cx, struct ud_request *rq, const char *agent_id, const char *request)
{
	struct issued *made = ud_alloc(cx->arena, sizeof(*made));
	const char *public_key = NULL;

	if (ud_x509_request_key(cx, request, &public_key) != UD_OK) {
		const char *why = cx->problem.detail;

		ud_ctx_clear(cx);
		return ud_fail_field(cx, "request", "invalid", "%s", why);
	}
	made->agent_id = agent_id;
	UD_TRY(ud_ca_agent(cx, authority(rq), agent_id, public_key, &made->certificate));
	UD_TRY(ud_x509_read(cx, made->certificate, &made->info));
	rq->prepared = made;
	return UD_OK;
}

/* A key belongs to one agent, once and for ever. */
static enum ud_code check_new_key(struct ud_ctx *cx, const char *spki, const char *own_id)
{
	struct ud_agent other = { 0 };
	bool found = false;

	UD_TRY(ud_agent_by_key(cx, spki, &found, &other));
	if (!found || (own_id && strcmp(own_id, other.row.id) == 0))
		return UD_OK;
	return ud_fail(cx, UD_E_ALREADY_EXISTS, "request", "The key was enrolled before.");
}

static enum ud_code answer_credentials(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_agent *a)
{
	const struct issued *made = rq->prepared;
	unsigned char key[UD_SIGN_KEY], public_key[UD_SIGN_PUBLIC];

	UD_TRY(ud_command_key(cx, rq->server->keys.seal, key));
	ud_sign_public(key, public_key);
	ud_wipe(key, sizeof(key));
	struct ud_wire_credentials out = { .agent_id = a->row.id,
		.host_id = a->host_id,
		.certificate = made->certificate,
		.chain = authority(rq)->agents,
		.root = authority(rq)->root,
		.command_key = ud_base64url(cx->arena, public_key, sizeof(public_key)),
		.expires_at = a->certificate_expires_at };

	return ud_answer(cx, rq, &ud_wire_credentials_shape, &out);
}

/* ---- enrolment ---- */

static enum ud_code prepare_enroll(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_wire_enroll *in = rq->in;

	if (!ud_secret_formed(in->token, "usa"))
		return ud_fail(cx, UD_E_INVALID_CREDENTIALS, NULL,
			"The token is unknown, used, too old, or for another host.");
	return make_certificate(
		cx, rq, ud_id_new(cx->arena, cx->env, cx->now_ms, "agt"), in->request);
}

/* The host's earlier agent, if any, is not believed any more. */
static enum ud_code replace_old(struct ud_ctx *cx, const char *host_id)
{
	struct ud_agent old = { 0 };
	bool found = false;

	UD_TRY(ud_agent_of_host(cx, host_id, &found, &old));
	if (!found)
		return UD_OK;
	struct ud_agent a = old;

	a.state = UD_AGENT_REPLACED;
	a.may_promote = false;
	UD_TRY(ud_row_update(cx, &ud_agents_table, &old, &a));
	return ud_event_add(cx, "replaced", ud_agents_table.shape, &old, &a);
}

static enum ud_code note_host(struct ud_ctx *cx, const struct ud_host *old)
{
	struct ud_host h = *old;

	if (h.state != UD_HOST_DISCOVERED)
		return UD_OK;
	h.state = UD_HOST_ENROLLED;
	UD_TRY(ud_row_update(cx, &ud_hosts, old, &h));
	return ud_event_add(cx, "enrolled", ud_hosts.shape, old, &h);
}

static enum ud_code add_agent(
	struct ud_ctx *cx, struct ud_request *rq, const char *host_id, struct ud_agent *ret)
{
	const struct ud_wire_enroll *in = rq->in;
	const struct issued *made = rq->prepared;
	struct ud_host host = { 0 };

	UD_TRY(check_new_key(cx, made->info.spki_sha256, NULL));
	UD_TRY(ud_row_get(cx, &ud_hosts, host_id, &host));
	UD_TRY(replace_old(cx, host_id));
	*ret = (struct ud_agent){ .row = { .id = made->agent_id,
					  .customer_id = host.row.customer_id },
		.host_id = host_id,
		.state = UD_AGENT_ACTIVE,
		.may_promote = true,
		.agent_version = in->agent_version,
		.certificate_serial = made->info.serial,
		.certificate_expires_at.ms = made->info.not_after_ms,
		.spki_sha256 = made->info.spki_sha256,
		.previous_until.ms = UD_NONE,
		.address = cx->scope->address,
		.last_seen_at.ms = UD_NONE };
	UD_TRY(ud_row_insert(cx, &ud_agents_table, ret));
	UD_TRY(ud_event_add(cx, "enrolled", ud_agents_table.shape, NULL, ret));
	return note_host(cx, &host);
}

static enum ud_code use_token(struct ud_ctx *cx, struct ud_request *rq, struct ud_agent *ret)
{
	const struct ud_wire_enroll *in = rq->in;
	const struct issued *made = rq->prepared;
	const char *host_id = NULL;

	UD_TRY(ud_enrolment_use(
		cx, ud_auth_hash(cx, in->token), in->host_id, made->agent_id, &host_id));
	if (!host_id)
		return ud_fail(cx, UD_E_INVALID_CREDENTIALS, NULL,
			"The token is unknown, used, too old, or for another host.");
	return add_agent(cx, rq, host_id, ret);
}

static enum ud_code enroll(struct ud_ctx *cx, struct ud_request *rq)
{
	/* whoever enrols has no scope: what the token allows is done by us, and the record says so
	 */
	struct ud_scope scope = ud_scope_system("enrolment");
	const struct ud_scope *before = cx->scope;
	struct ud_agent a = { 0 };

	scope.address = before->address;
	cx->scope = &scope;
	enum ud_code code = use_token(cx, rq, &a);

	cx->scope = before;
	UD_TRY(code);
	return answer_credentials(cx, rq, &a);
}

/* ---- renewal ---- */

static enum ud_code prepare_renew(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_wire_renew *in = rq->in;

	return make_certificate(cx, rq, rq->agent->agent_id, in->request);
}

/*
 * The certificate that asks becomes the one before. It is the newest one, or the one before when
 * the newest never arrived; once that was shown, the one before renews nothing, or whoever has a
 * copy could push the agent out.
 */
static enum ud_code check_asker(
	struct ud_ctx *cx, const struct ud_agent *a, const struct ud_agent_identity *asks)
{
	bool newest = strcmp(asks->serial, a->certificate_serial) == 0;
	bool before = a->previous_serial && strcmp(asks->serial, a->previous_serial) == 0;

	if (ud_agent_alive(a) && (newest || (before && !a->confirmed)))
		return UD_OK;
	return ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL,
		"The certificate is refused: it is not the agent's newest.");
}

static enum ud_code renew(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_wire_renew *in = rq->in;
	const struct issued *made = rq->prepared;
	struct ud_agent old = { 0 };

	UD_TRY(ud_row_get(cx, &ud_agents_table, rq->agent->agent_id, &old));
	UD_TRY(check_asker(cx, &old, rq->agent));
	UD_TRY(check_new_key(cx, made->info.spki_sha256, old.row.id));
	struct ud_agent a = old;
	bool newest = strcmp(rq->agent->serial, old.certificate_serial) == 0;

	if (newest) {
		a.previous_serial = old.certificate_serial;
		a.previous_spki_sha256 = old.spki_sha256;
		a.previous_until.ms = cx->now_ms + UD_AGENT_GRACE_MS;
	}
	a.confirmed = false;
	a.certificate_serial = made->info.serial;
	a.spki_sha256 = made->info.spki_sha256;
	a.certificate_expires_at.ms = made->info.not_after_ms;
	if (in->agent_version)
		a.agent_version = in->agent_version;
	UD_TRY(ud_row_update(cx, &ud_agents_table, &old, &a));
	UD_TRY(ud_event_add(cx, "renewed", ud_agents_table.shape, &old, &a));
	return answer_credentials(cx, rq, &a);
}

static enum ud_code self(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_agent a = { 0 };

	UD_TRY(ud_row_get(cx, &ud_agents_table, rq->agent->agent_id, &a));
	struct ud_wire_self out = { .agent_id = a.row.id,
		.host_id = a.host_id,
		.state = ud_agent_states.names[a.state],
		.alarm = a.alarm,
		.may_promote = rq->agent->may_promote,
		.certificate_expires_at = a.certificate_expires_at,
		.server_time.ms = cx->now_ms };

	return ud_answer(cx, rq, &ud_wire_self_shape, &out);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/agent/self",   "agent.self",   UD_R(AGENT), "agent:read",  0, .answer = &ud_wire_self_shape, .handle = self, .about = "Tell the agent how it is seen." },
	{ "POST", "/v1/agent/enroll", "agent.enroll", UD_ANYONE,   NULL,          UD_WRITE | UD_NO_BODY_LOG, &ud_wire_enroll_shape, &ud_wire_credentials_shape, 201, .prepare = prepare_enroll, .handle = enroll, .about = "Become a host's agent with a one-time token." },
	{ "POST", "/v1/agent/renew",  "agent.renew",  UD_R(AGENT), "agent:write", UD_WRITE, &ud_wire_renew_shape, &ud_wire_credentials_shape, 201, .prepare = prepare_renew, .handle = renew, .about = "Get a new certificate; the one before is accepted for 24 more hours." },
};
/* clang-format on */
const struct ud_routes ud_agent_enrolment = { "Enrolment", rows, UD_LEN(rows) };
