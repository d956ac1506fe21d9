/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudyd check-config: what reading the files alone does not show. Each check looks at what
 * one section names: files, folders, addresses. All of them are made, and each failure is told.
 */
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/x509.h"
#include "server/admin/installation.h"
#include "server/webhooks/webhooks.h"

enum { CERTIFICATES_MAX = 1 << 20 };

static enum ud_code check_keys(struct ud_ctx *cx, const struct ud_installation *in)
{
	struct ud_keys keys;

	return ud_installation_keys(cx, in->dir, &keys);
}

/* Only what the address needs: no file is read. */
static enum ud_code check_listen(struct ud_ctx *cx, const struct ud_installation *in)
{
	const struct ud_options *o = &in->options;
	const struct ud_server_settings s = { .listen = o->text[UD_O_SERVER_LISTEN],
		.tls_cert = *o->text[UD_O_SERVER_TLS_CERT] ? o->text[UD_O_SERVER_TLS_CERT] : NULL };

	return ud_server_check_plain(cx, &s);
}

/* Do the two files belong together? */
static bool is_pair(const char *cert, const char *key)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
	bool fits = tls && SSL_CTX_use_certificate_chain_file(tls, cert) == 1 &&
		SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) == 1 &&
		SSL_CTX_check_private_key(tls) == 1;

	SSL_CTX_free(tls);
	return fits;
}

static enum ud_code check_certificate(struct ud_ctx *cx, const struct ud_installation *in)
{
	const char *cert = in->options.text[UD_O_SERVER_TLS_CERT],
		   *key = in->options.text[UD_O_SERVER_TLS_KEY], *pem, *ignored;
	struct ud_x509_info info;
	size_t n;

	if (!*cert)
		return UD_OK;
	UD_TRY(ud_file_read(cx, cert, CERTIFICATES_MAX, &pem, &n));
	UD_TRY(ud_file_read(cx, key, CERTIFICATES_MAX, &ignored, &n));
	if (ud_x509_read(cx, pem, &info) != UD_OK)
		return ud_fail(
			cx, UD_E_VALIDATION, NULL, "tls_cert: %s holds no certificate", cert);
	if (!is_pair(cert, key))
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"tls_key: %s is not the key of the certificate in %s", key, cert);
	if (info.not_after_ms <= cx->now_ms)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "tls_cert: %s is no longer valid", cert);
	return UD_OK;
}

static enum ud_code check_folder(struct ud_ctx *cx, const char *key, const char *path)
{
	struct stat st;

	if (!*path || (stat(path, &st) == 0 && S_ISDIR(st.st_mode)))
		return UD_OK;
	return ud_fail(cx, UD_E_VALIDATION, NULL, "%s: %s is no folder", key, path);
}

static enum ud_code check_attachments(struct ud_ctx *cx, const struct ud_installation *in)
{
	return check_folder(cx, "attachments", in->options.text[UD_O_SERVER_ATTACHMENTS]);
}

static enum ud_code check_fence_agents(struct ud_ctx *cx, const struct ud_installation *in)
{
	return check_folder(cx, "fence_agents", in->options.text[UD_O_FAILOVER_FENCE_AGENTS]);
}

/* A file that SQLite makes needs its folder. PostgreSQL is not asked: doctor does that. */
static enum ud_code check_database(struct ud_ctx *cx, const struct ud_installation *in)
{
	const char *url = in->database_url, *path = url + strlen("sqlite:");

	if (strncmp(url, "sqlite:", strlen("sqlite:")) != 0 || !strchr(path, '/'))
		return UD_OK;
	return check_folder(
		cx, "url", ud_strndup(cx->arena, path, (size_t)(strrchr(path, '/') + 1 - path)));
}

static enum ud_code check_mail(struct ud_ctx *cx, const struct ud_installation *in)
{
	struct ud_smtp smtp;

	return ud_installation_mail(cx, &in->options, &smtp);
}

static enum ud_code check_metrics(struct ud_ctx *cx, const struct ud_installation *in)
{
	const char *token = NULL;

	UD_TRY(ud_installation_secret(cx, in->options.text[UD_O_METRICS_TOKEN_FILE], &token));
	if (token && !*token)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "token_file: its first line is empty");
	return UD_OK;
}

static enum ud_code check_webhooks(struct ud_ctx *cx, const struct ud_installation *in)
{
	const char *key = NULL;

	UD_TRY(ud_installation_secret(cx, in->options.text[UD_O_WEBHOOKS_KEY_FILE], &key));
	if (key && strlen(key) < UD_WEBHOOK_KEY_LEAST)
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"key_file: its first line has fewer than %d characters",
			UD_WEBHOOK_KEY_LEAST);
	return UD_OK;
}

static const struct {
	const char *section;
	enum ud_code (*check)(struct ud_ctx *cx, const struct ud_installation *in);
} checks[] = {
	{ "keys", check_keys },
	{ "server", check_listen },
	{ "server", check_certificate },
	{ "server", check_attachments },
	{ "database", check_database },
	{ "failover", check_fence_agents },
	{ "webhooks", check_webhooks },
	{ "mail", check_mail },
	{ "metrics", check_metrics },
};

/* What serve says, too, names its section by itself. */
static void tell(const char *config, const char *section, const char *words)
{
	if (*words == '[')
		fprintf(stderr, "%s: %s\n", config, words);
	else
		fprintf(stderr, "%s: [%s] %s\n", config, section, words);
}

static int check(struct ud_ctx *cx, const char *config)
{
	struct ud_installation in;
	int bad = 0;

	if (ud_installation_options(cx, config, &in) != UD_OK) {
		fprintf(stderr, "%s\n", cx->problem.detail);
		return 1;
	}
	for (size_t i = 0; i < UD_LEN(checks); i++) {
		ud_ctx_clear(cx);
		if (checks[i].check(cx, &in) == UD_OK)
			continue;
		tell(config, checks[i].section, cx->problem.detail);
		bad = 1;
	}
	if (!bad)
		puts("The configuration is fine.");
	return bad;
}

int ud_command_check_config(struct ud_ctx *cx, int argc, char **argv)
{
	const char *config = NULL;
	bool defaults = false;
	const struct ud_flag flags[] = { { "--config", &config, NULL },
		{ "--print-defaults", NULL, &defaults }, { 0 } };
	struct ud_buf b = { 0 };

	if (!ud_flags_read(argc, argv, flags))
		return 2;
	if (!defaults && !config) {
		fputs("understudyd: --config is required\n", stderr);
		return 2;
	}
	if (!defaults)
		return check(cx, config);
	ud_options_sample(&b);
	fputs(ud_buf_text(&b), stdout);
	ud_buf_free(&b);
	return 0;
}
