/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: one table of options a program (understudyd's stands in options.c) from which come
 * reading, checking, defaults and the manual. Files are INI: understudyd.conf and then
 * conf.d/NAME.conf beside it in the order of their names; a later value wins.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include "base/buf.h"
#include "base/ctx.h"

enum ud_option_name {
	UD_O_SERVER_LISTEN,
	UD_O_SERVER_PUBLIC_URL,
	UD_O_SERVER_TLS_CERT,
	UD_O_SERVER_TLS_KEY,
	UD_O_SERVER_TRUSTED_PROXIES,
	UD_O_SERVER_WORKERS,
	UD_O_SERVER_ATTACHMENTS,
	UD_O_AGENTS_LISTEN,
	UD_O_AGENTS_PUBLIC_URL,
	UD_O_DATABASE_URL,
	UD_O_AUTH_REQUIRE_MFA,
	UD_O_AUTH_SESSION_HOURS,
	UD_O_AUTH_IDLE_MINUTES,
	UD_O_FAILOVER_LEASE_SECONDS,
	UD_O_FAILOVER_FENCE_AGENTS,
	UD_O_WEBHOOKS_KEY_FILE,
	UD_O_WEBHOOKS_ALLOW,
	UD_O_WEBHOOKS_CA_FILE,
	UD_O_MAIL_SERVER,
	UD_O_MAIL_FROM,
	UD_O_MAIL_USER,
	UD_O_MAIL_PASSWORD_FILE,
	UD_O_MAIL_TLS,
	UD_O_MAIL_CA_FILE,
	UD_O_LIMITS_CONNECTIONS,
	UD_O_LIMITS_AGENTS,
	UD_O_LIMITS_PER_ADDRESS,
	UD_O_LIMITS_REQUESTS_PER_MINUTE,
	UD_O_LIMITS_BURST,
	UD_O_LIMITS_STREAMS_PER_USER,
	UD_O_RETENTION_IDEMPOTENCY_DAYS,
	UD_O_METRICS_ALLOW,
	UD_O_METRICS_TOKEN_FILE,
	UD_O_LOG_LEVEL,
	UD_O_COUNT
};

enum ud_option_kind {
	UD_OPTION_TEXT,
	UD_OPTION_INT,
	UD_OPTION_CHOICE,
	UD_OPTION_ADDRESS,
	UD_OPTION_PORT,      /* an address with a port, or "" = closed */
	UD_OPTION_ADDRESSES, /* of peers, comma-separated; "unix" for those of a Unix socket */
	UD_OPTION_DATABASE,
	UD_OPTION_URL
};

struct ud_option {
	const char *section, *key;
	enum ud_option_kind kind;
	const char *standard; /* "" = not set */
	int64_t min, max;     /* of integers */
	const char *choices;  /* "none staff all" */
	const char *about;    /* one sentence for the manual */
};

struct ud_options {
	const char *text[UD_O_COUNT];
	int64_t number[UD_O_COUNT];
};

/* The table's row. */
const struct ud_option *ud_option(enum ud_option_name name);
/* Defaults only. */
void ud_options_init(struct ud_options *ret);
/*
 * Read path and conf.d beside it. Mistakes are gathered, a line each ("file:3: [server] lsten:
 * there is no such key; did you mean listen?"), in cx->problem.detail with UD_E_VALIDATION;
 * UD_E_UNAVAILABLE when path cannot be read.
 */
enum ud_code ud_options_load(struct ud_ctx *cx, const char *path, struct ud_options *ret) UD_USE;
/*
 * The same for another program's table of count options: values into text, and into number where
 * it is not NULL.
 */
enum ud_code ud_options_load_table(struct ud_ctx *cx, const char *path,
	const struct ud_option *options, size_t count, const char **text, int64_t *number) UD_USE;
/* Append a sample file with every key, its default and its sentence. */
void ud_options_sample(struct ud_buf *b);

#endif
