/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy-agent enroll.
 */
#include "agent/enroll.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "agent/link.h"
#include "agent/statement_key.h"
#include "base/file.h"
#include "base/http_client.h"
#include "base/sign.h"
#include "base/wire_identity.h"
#include "base/x509.h"

enum { CALL_MS = 30000 };

static enum ud_code make_folder(struct ud_ctx *cx, const char *dir)
{
	int why = cx->env->files->make_folder(dir, 0700);

	if (why && why != EEXIST)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", dir, strerror(why));
	return UD_OK;
}

static bool is_pin(const char *text)
{
	return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

/* The pin as people paste it: any case, with or without colons. */
static const char *plain_pin(struct ud_ctx *cx, const char *text)
{
	char *out = ud_strdup(cx->arena, text), *to = out;

	for (; *text; text++)
		if (*text != ':')
			*to++ = *text >= 'A' && *text <= 'F' ? (char)(*text + 32) : *text;
	*to = 0;
	return out;
}

static enum ud_code ask(struct ud_ctx *cx, const struct ud_enrolment *in, const char *pin,
	const struct ud_wire_enroll *body, struct ud_wire_credentials *ret)
{
	const struct ud_http_settings s = { .url = in->server_url,
		.root_sha256 = pin,
		.user_agent = "understudy-agent/" UD_VERSION };
	ud_http_client *client = NULL;
	struct ud_http_answer a = { 0 };
	struct ud_buf b = { 0 };

	UD_TRY(ud_http_client_open(cx, &s, &client));
	ud_shape_encode(&b, &ud_wire_enroll_shape, body, NULL);
	enum ud_code code = ud_http_client_call(
		cx, client, "/v1/agent/enroll", ud_buf_text(&b), NULL, CALL_MS, &a);

	ud_wipe(b.data, b.len);
	ud_buf_free(&b);
	ud_http_client_release(&client);
	UD_TRY(code);
	if (a.status != 201)
		return ud_link_refusal(cx, a.status, a.body, a.n);
	return ud_shape_read(cx, &ud_wire_credentials_shape, a.body, a.n, ret);
}

/* What came must be for our key and end in our root: a server that mixes things up is found out
 * here, not at the first command. */
static enum ud_code check(
	struct ud_ctx *cx, const struct ud_wire_credentials *got, const char *pin, const char *key)
{
	struct ud_x509_info leaf = { 0 };
	const char *public_key = NULL, *ours = NULL;
	char root[UD_SHA256_HEX];

	if (!got->agent_id || !got->host_id || !got->certificate || !got->chain || !got->root ||
		!got->command_key)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the server's answer is incomplete");
	UD_TRY(ud_x509_pin(cx, got->root, root));
	UD_TRY(ud_x509_read(cx, got->certificate, &leaf));
	UD_TRY(ud_x509_public(cx, key, &public_key));
	UD_TRY(ud_x509_spki(cx, public_key, &ours));
	if (strcmp(root, pin) != 0 || strcmp(ours, leaf.spki_sha256) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"the server's answer is not for this key or not of this authority");
	return UD_OK;
}

/* Settings of an earlier enrolment into the same folder. */
static void load_old(struct ud_ctx *cx, const char *dir, struct ud_agent_config *ret)
{
	*ret = (struct ud_agent_config){ 0 };
	if (ud_agent_config_load(cx, ud_printf(cx->arena, "%s/agent.conf", dir), ret) != UD_OK)
		ud_ctx_clear(cx);
	ret->dir = dir;
}

static enum ud_code keep(struct ud_ctx *cx, const struct ud_enrolment *in,
	const struct ud_wire_credentials *got, const char *key, struct ud_agent_config *c)
{
	assert(got->root && got->certificate && got->chain); /* check() saw them */
	load_old(cx, in->dir, c);
	c->server_url = in->server_url;
	c->agent_id = got->agent_id;
	c->host_id = got->host_id;
	c->command_key = got->command_key;
	if (in->hypervisor_uri)
		c->hypervisor_uri = in->hypervisor_uri;
	if (in->replication_listen)
		c->replication_listen = in->replication_listen;
	UD_TRY(ud_file_write(
		cx, ud_agent_path(cx, c, "ca.pem"), got->root, strlen(got->root), 0644));
	UD_TRY(ud_link_store_identity(cx, c, got->certificate, got->chain, key));
	UD_TRY(ud_statement_key_make(cx, c));
	return ud_agent_config_store(cx, c);
}

enum ud_code ud_agent_enroll(
	struct ud_ctx *cx, const struct ud_enrolment *in, struct ud_agent_config *ret)
{
	const char *pin = plain_pin(cx, in->root_sha256), *key;
	struct ud_wire_enroll body = {
		.token = in->token, .host_id = in->host_id, .agent_version = UD_VERSION
	};
	struct ud_wire_credentials got = { 0 };

	if (!is_pin(pin))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "--ca-sha256 has 64 hexadecimal digits");
	/* first of all: a folder that cannot be written must not cost the token */
	UD_TRY(make_folder(cx, in->dir));
	key = ud_x509_key(cx);
	UD_TRY(ud_x509_request(cx, key, "understudy-agent", &body.request));
	UD_TRY(ask(cx, in, pin, &body, &got));
	UD_TRY(check(cx, &got, pin, key));
	return keep(cx, in, &got, key, ret);
}
