/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that recovery plans make to other people's servers: https with a certificate that the
 * system trusts, never to addresses of inner networks, no redirects, unless the installation allows
 * a host by name. Each carries an Idempotency-Key and is signed. An operation that the runner of
 * jobs does; one that was begun when a server ended is made again with the same key.
 */
#ifndef SERVER_WEBHOOKS_WEBHOOKS_H
#define SERVER_WEBHOOKS_WEBHOOKS_H

#include "server/jobs/jobs.h"

#define UD_WEBHOOK_KIND "plan_webhook"
/* A shorter key signs nothing; a call takes no longer. */
enum { UD_WEBHOOK_KEY_LEAST = 16, UD_WEBHOOK_SECONDS = 25 };

struct ud_webhook {
	const char *url, *idempotency_key, *body; /* body: JSON */
	int64_t timeout_seconds;
};

/* Ask for a call, as part of the caller's write; about: the failover it belongs to. */
enum ud_code ud_webhook_begin(struct ud_ctx *cx, const struct ud_webhook *hook,
	const char *failover_id, const char *customer_id, struct ud_operation *ret) UD_USE;

/* How a call ended. */
enum ud_webhook_end {
	UD_WEBHOOK_UNKNOWN, /* it was sent, and no answer came */
	UD_WEBHOOK_DONE,    /* answered with a 2xx */
	UD_WEBHOOK_FAILED,  /* answered with anything else, or not sent at all */
};
/* Of an operation that has ended. text: what was answered, or why not; in the arena. */
enum ud_code ud_webhook_ended(struct ud_ctx *cx, const struct ud_operation *op,
	enum ud_webhook_end *ret, const char **ret_text) UD_USE;

/* The work. */
ud_job_run ud_webhook_send;

/*
 * "t=SECONDS,v1=HEX": HMAC-SHA-256 with the key of "SECONDS.BODY", so that whoever has the key can
 * tell that it is ours and how old it is. In the arena.
 */
const char *ud_webhook_signature(
	struct ud_ctx *cx, const char *key, int64_t seconds, const char *body);

#endif
