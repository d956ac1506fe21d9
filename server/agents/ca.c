/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making, keeping and using the authority. The root's key signs the two intermediates when they are
 * made and is never unsealed again.
 */
#include "server/agents/ca.h"

#include <stdio.h>
#include <string.h>

#include "db/installation.h"

static const int64_t day_ms = INT64_C(86400000);
enum {
	ROOT_DAYS = 7300,
	AUTHORITY_DAYS = 3650,
	SERVER_DAYS = 825,
	AGENT_DAYS = 30,
	/* clocks of hosts are not ours */
	SKEW_MS = 300000
};

static enum ud_code issue(struct ud_ctx *cx, struct ud_x509_wish *w, int64_t days, const char **ret)
{
	w->not_before_ms = cx->now_ms - SKEW_MS;
	w->not_after_ms = cx->now_ms + days * day_ms;
	return ud_x509_issue(cx, w, ret);
}

/* Store a certificate and its sealed key under "<name>" and "<name>_key". */
static enum ud_code keep(struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY], const char *name,
	const char *certificate, const char *key)
{
	const char *key_name = ud_printf(cx->arena, "%s_key", name);

	UD_TRY(ud_installation_set(cx, name, certificate));
	return ud_installation_set(cx, key_name, ud_seal(cx->arena, cx->env, seal, key_name, key));
}

static enum ud_code make_root(struct ud_ctx *cx, const char **ret_root, const char **ret_key)
{
	struct ud_x509_wish w = { .kind = UD_X509_ROOT, .name = "Understudy root" };

	*ret_key = w.issuer_key = ud_x509_key(cx);
	UD_TRY(ud_x509_public(cx, *ret_key, &w.public_key));
	return issue(cx, &w, ROOT_DAYS, ret_root);
}

static enum ud_code make_authority(struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY],
	enum ud_x509_kind kind, const char *name, const char *root, const char *root_key)
{
	const char *key = ud_x509_key(cx), *certificate = NULL;
	struct ud_x509_wish w = { .kind = kind,
		.name = kind == UD_X509_SERVERS ? "Understudy servers" : "Understudy agents",
		.issuer = root,
		.issuer_key = root_key };

	UD_TRY(ud_x509_public(cx, key, &w.public_key));
	UD_TRY(issue(cx, &w, AUTHORITY_DAYS, &certificate));
	return keep(cx, seal, name, certificate, key);
}

static enum ud_code make_command_key(struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY])
{
	unsigned char key[UD_SIGN_KEY];

	ud_sign_key(cx->env, key);
	char *hex = ud_hex(cx->arena, key, sizeof(key));
	enum ud_code code = ud_installation_set(
		cx, "command_key", ud_seal(cx->arena, cx->env, seal, "command_key", hex));

	ud_wipe(key, sizeof(key));
	ud_wipe(hex, strlen(hex));
	return code;
}

enum ud_code ud_ca_ensure(struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY])
{
	const char *root = NULL, *root_key = NULL;
	bool found = false;

	UD_TRY(ud_installation_get(cx, "ca_root", &found, &root));
	if (found)
		return UD_OK;
	UD_TRY(make_root(cx, &root, &root_key));
	UD_TRY(keep(cx, seal, "ca_root", root, root_key));
	UD_TRY(make_authority(cx, seal, UD_X509_SERVERS, "ca_servers", root, root_key));
	UD_TRY(make_authority(cx, seal, UD_X509_AGENTS, "ca_agents", root, root_key));
	return make_command_key(cx, seal);
}

static enum ud_code load(struct ud_ctx *cx, const char *name, const char **ret)
{
	bool found = false;

	UD_TRY(ud_installation_get(cx, name, &found, ret));
	return found ? UD_OK
		     : ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			       "the installation has no %s: its authority was never made", name);
}

static enum ud_code load_sealed(struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY],
	const char *name, const char **ret)
{
	const char *sealed = NULL;

	UD_TRY(load(cx, name, &sealed));
	*ret = ud_unseal(cx->arena, seal, name, sealed);
	return *ret ? UD_OK
		    : ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			      "%s was sealed with another installation's keys", name);
}

enum ud_code ud_ca_load(struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY], struct ud_ca *ret)
{
	UD_TRY(load(cx, "ca_root", &ret->root));
	UD_TRY(load(cx, "ca_servers", &ret->servers));
	UD_TRY(load(cx, "ca_agents", &ret->agents));
	UD_TRY(load_sealed(cx, seal, "ca_servers_key", &ret->servers_key));
	UD_TRY(load_sealed(cx, seal, "ca_agents_key", &ret->agents_key));
	return ud_x509_pin(cx, ret->root, ret->pin);
}

enum ud_code ud_command_key(
	struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY], unsigned char ret[UD_SIGN_KEY])
{
	const char *hex = NULL;

	UD_TRY(load_sealed(cx, seal, "command_key", &hex));
	for (size_t i = 0; i < UD_SIGN_KEY; i++) {
		unsigned v;

		if (sscanf(hex + 2 * i, "%2x", &v) != 1)
			return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "command_key is damaged");
		ret[i] = (unsigned char)v;
	}
	return UD_OK;
}

enum ud_code ud_command_send(struct ud_ctx *cx, const struct ud_commanding *c,
	const struct ud_command_new *in, int64_t *ret_seq)
{
	unsigned char key[UD_SIGN_KEY];

	UD_TRY(ud_command_key(cx, c->seal, key));
	enum ud_code code = ud_command_add(cx, key, in, ret_seq);

	ud_wipe(key, sizeof(key));
	return code;
}

enum ud_code ud_ca_server(struct ud_ctx *cx, const struct ud_ca *ca, const struct ud_texts *hosts,
	const char **ret_chain, const char **ret_key)
{
	const char *leaf = NULL;
	struct ud_x509_wish w = { .kind = UD_X509_SERVER,
		.name = "Understudy",
		.hosts = *hosts,
		.issuer = ca->servers,
		.issuer_key = ca->servers_key };

	*ret_key = ud_x509_key(cx);
	UD_TRY(ud_x509_public(cx, *ret_key, &w.public_key));
	UD_TRY(issue(cx, &w, SERVER_DAYS, &leaf));
	/* the root goes along: whoever enrols knows its digest only */
	*ret_chain = ud_printf(cx->arena, "%s%s%s", leaf, ca->servers, ca->root);
	return UD_OK;
}

enum ud_code ud_ca_agent(struct ud_ctx *cx, const struct ud_ca *ca, const char *agent_id,
	const char *public_key, const char **ret)
{
	struct ud_x509_wish w = { .kind = UD_X509_AGENT,
		.name = agent_id,
		.uri = ud_printf(cx->arena, "understudy://agent/%s", agent_id),
		.public_key = public_key,
		.issuer = ca->agents,
		.issuer_key = ca->agents_key };

	return issue(cx, &w, AGENT_DAYS, ret);
}
