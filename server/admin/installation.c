/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading an installation's folder.
 */
#include "server/admin/installation.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/env.h"
#include "base/file.h"

/* The key file: one line of hex per key, in the order of struct ud_keys. */
enum { KEY_COUNT = 3 };

enum ud_code ud_installation_make_keys(struct ud_ctx *cx, const char *dir)
{
	struct ud_keys keys;
	struct ud_buf b = { 0 };
	const unsigned char *const parts[KEY_COUNT] = { keys.pepper, keys.cursor, keys.seal };

	ud_random(cx->env, &keys, sizeof(keys));
	for (size_t i = 0; i < KEY_COUNT; i++)
		ud_buf_printf(&b, "%s\n", ud_hex(cx->arena, parts[i], UD_SEAL_KEY));
	enum ud_code code =
		ud_file_write(cx, ud_printf(cx->arena, "%s/keys", dir), b.data, b.len, 0600);

	ud_buf_free(&b);
	return code;
}

static bool read_hex(const char *text, unsigned char *out, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned v;

		if (sscanf(text + 2 * i, "%2x", &v) != 1)
			return false;
		out[i] = (unsigned char)v;
	}
	return text[2 * n] == '\n';
}

enum ud_code ud_installation_keys(struct ud_ctx *cx, const char *dir, struct ud_keys *ret)
{
	const char *path = ud_printf(cx->arena, "%s/keys", dir), *text;
	unsigned char *const parts[KEY_COUNT] = { ret->pepper, ret->cursor, ret->seal };
	size_t n, line = 2 * UD_SEAL_KEY + 1;

	UD_TRY(ud_file_read(cx, path, 4096, &text, &n));
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (n < (i + 1) * line || !read_hex(text + i * line, parts[i], UD_SEAL_KEY))
			return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s is damaged", path);
	return UD_OK;
}

enum ud_code ud_installation_options(
	struct ud_ctx *cx, const char *config, struct ud_installation *ret)
{
	const char *slash = strrchr(config, '/');

	memset(ret, 0, sizeof(*ret));
	ret->dir = slash ? ud_strndup(cx->arena, config, (size_t)(slash - config)) : ".";
	UD_TRY(ud_options_load(cx, config, &ret->options));
	ret->database_url = ret->options.text[UD_O_DATABASE_URL];
	if (!*ret->database_url)
		ret->database_url = ud_printf(cx->arena, "sqlite:%s/understudy.db", ret->dir);
	return UD_OK;
}

enum ud_code ud_installation_load(
	struct ud_ctx *cx, const char *config, struct ud_installation *ret)
{
	UD_TRY(ud_installation_options(cx, config, ret));
	return ud_installation_keys(cx, ret->dir, &ret->keys);
}

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

enum ud_code ud_installation_secret(struct ud_ctx *cx, const char *path, const char **ret)
{
	size_t n;

	if (!*path)
		return UD_OK;
	UD_TRY(ud_file_read(cx, path, 4096, ret, &n));
	*ret = ud_strndup(cx->arena, *ret, strcspn(*ret, "\r\n"));
	return UD_OK;
}

enum ud_code ud_installation_mail(
	struct ud_ctx *cx, const struct ud_options *o, struct ud_smtp *ret)
{
	const char *server = or_null(o->text[UD_O_MAIL_SERVER]);

	*ret = (struct ud_smtp){ .server = server,
		.from = o->text[UD_O_MAIL_FROM],
		.name = "Understudy",
		.user = or_null(o->text[UD_O_MAIL_USER]),
		.ca_file = or_null(o->text[UD_O_MAIL_CA_FILE]),
		.plain = strcmp(o->text[UD_O_MAIL_TLS], "offered") == 0 };
	if (!server)
		return UD_OK;
	if (strncmp(server, "smtp://", 7) != 0 && strncmp(server, "smtps://", 8) != 0)
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"[mail] server is smtp://HOST:PORT or smtps://HOST:PORT, not %s", server);
	if (!strchr(ret->from, '@') || strpbrk(ret->from, "<> \t\r\n"))
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"[mail] from is the address that letters come from, not '%s'", ret->from);
	return ud_installation_secret(cx, o->text[UD_O_MAIL_PASSWORD_FILE], &ret->password);
}

enum ud_code ud_installation_settings(
	struct ud_ctx *cx, const struct ud_installation *in, struct ud_server_settings *ret)
{
	const struct ud_options *o = &in->options;

	*ret = (struct ud_server_settings){
		.listen = o->text[UD_O_SERVER_LISTEN],
		.public_url = or_null(o->text[UD_O_SERVER_PUBLIC_URL]),
		.tls_cert = or_null(o->text[UD_O_SERVER_TLS_CERT]),
		.tls_key = or_null(o->text[UD_O_SERVER_TLS_KEY]),
		.trusted_proxies = o->text[UD_O_SERVER_TRUSTED_PROXIES],
		.workers = (int)o->number[UD_O_SERVER_WORKERS],
		.attachments = *o->text[UD_O_SERVER_ATTACHMENTS]
			? o->text[UD_O_SERVER_ATTACHMENTS]
			: ud_printf(cx->arena, "%s/attachments", in->dir),
		.connections = (int)o->number[UD_O_LIMITS_CONNECTIONS],
		.per_address = (int)o->number[UD_O_LIMITS_PER_ADDRESS],
		.requests_per_minute = (int)o->number[UD_O_LIMITS_REQUESTS_PER_MINUTE],
		.burst = (int)o->number[UD_O_LIMITS_BURST],
		.streams_per_user = (int)o->number[UD_O_LIMITS_STREAMS_PER_USER],
		.require_mfa = o->text[UD_O_AUTH_REQUIRE_MFA],
		.session_hours = (int)o->number[UD_O_AUTH_SESSION_HOURS],
		.idle_minutes = (int)o->number[UD_O_AUTH_IDLE_MINUTES],
		.idempotency_days = (int)o->number[UD_O_RETENTION_IDEMPOTENCY_DAYS],
		.lease_seconds = (int)o->number[UD_O_FAILOVER_LEASE_SECONDS],
		.fence_agents = o->text[UD_O_FAILOVER_FENCE_AGENTS],
		.webhook_allow = o->text[UD_O_WEBHOOKS_ALLOW],
		.webhook_ca_file = or_null(o->text[UD_O_WEBHOOKS_CA_FILE]),
		.metrics_allow = o->text[UD_O_METRICS_ALLOW],
	};
	UD_TRY(ud_installation_secret(cx, o->text[UD_O_WEBHOOKS_KEY_FILE], &ret->webhook_key));
	UD_TRY(ud_installation_mail(cx, o, &ret->smtp));
	return ud_installation_secret(cx, o->text[UD_O_METRICS_TOKEN_FILE], &ret->metrics_token);
}

enum ud_code ud_installation_agents(struct ud_ctx *cx, const struct ud_installation *in,
	bool *ret_open, struct ud_server_settings *ret)
{
	const struct ud_options *o = &in->options;

	*ret_open = *o->text[UD_O_AGENTS_LISTEN];
	UD_TRY(ud_installation_settings(cx, in, ret));
	ret->listen = o->text[UD_O_AGENTS_LISTEN];
	ret->public_url = or_null(o->text[UD_O_AGENTS_PUBLIC_URL]);
	ret->tls_cert = ret->tls_key = NULL;
	ret->workers = 2;
	ret->connections = (int)o->number[UD_O_LIMITS_AGENTS];
	ret->per_address = 0; /* a site's hosts may share one address */
	return UD_OK;
}

bool ud_flags_read(int argc, char **argv, const struct ud_flag *flags)
{
	for (int i = 0; i < argc; i++) {
		const struct ud_flag *f = flags;

		while (f->name && strcmp(f->name, argv[i]) != 0)
			f++;
		if (!f->name || (f->value && i + 1 == argc)) {
			fprintf(stderr,
				f->name ? "understudyd: %s needs a value\n"
					: "understudyd: there is no flag %s here\n",
				argv[i]);
			return false;
		}
		if (f->given)
			*f->given = true;
		if (f->value)
			*f->value = argv[++i];
	}
	return true;
}

int ud_command_failed(const struct ud_ctx *cx, const char *what)
{
	fprintf(stderr, "understudyd: %s: %s\n", what,
		cx->problem.detail ? cx->problem.detail : "failed");
	return 1;
}
