/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's line to the server: calls over mutual TLS with the agent's own certificate, trusting
 * the installation's root alone. Connections are kept open and shared: any thread may call, six at
 * once at most (a poll, two for leases, the rest for answers and reports). Waiting between tries
 * and renewing the certificate belong here, too.
 */
#ifndef AGENT_LINK_H
#define AGENT_LINK_H

#include "agent/config.h"
#include "base/shape.h"

typedef struct ud_link ud_link;

/* What a call got. Texts in the caller's arena. */
struct ud_link_answer {
	int status;       /* 200 to 299 */
	const char *body; /* "" at 204 */
	size_t n;
};

/* Read the identity from the agent's folder; nothing is sent yet. With config->network start that
 * program's network part instead: it has the identity, and renews it. UD_E_UNAVAILABLE with the
 * reason. config must outlive the link. Release with ud_link_release when no call is going on. */
enum ud_code ud_link_open(struct ud_ctx *cx, const struct ud_agent_config *config, ud_link **ret)
	UD_USE;
void ud_link_release(ud_link **link);
/* From now on a renewed identity (PEM) is stored by this function, not in the agent's folder: for
 * the network part, which may write no file. */
void ud_link_store_by(ud_link *link,
	enum ud_code (*store)(struct ud_ctx *cx, void *data, const char *pem), void *data);
/* How long the server asked us to wait with its last answer. Any thread. */
int64_t ud_link_asked_ms(ud_link *link);
/* End the calls and waits that are going on, and all later ones at once. Any thread. */
void ud_link_stop(ud_link *link);
bool ud_link_stopped(ud_link *link);

/* This process's number: 32 hex digits, new at each start. It goes along with every call. */
const char *ud_link_run(const ud_link *link);

/*
 * POST a JSON text (NULL body = a GET) and take the answer. timeout_ms bounds all of it: for a call
 * with ?wait=25 give 35 s. UD_OK for 200 to 299. Else the server's own code and words
 * (UD_E_CERTIFICATE_REFUSED: this agent is not believed any more), or UD_E_UNAVAILABLE: no answer;
 * nobody knows whether the server acted. Any thread.
 */
enum ud_code ud_link_call(struct ud_ctx *cx, ud_link *link, const char *path, const char *body,
	int64_t timeout_ms, struct ud_link_answer *ret) UD_USE;
/*
 * The same with a message of a shape, and an answer of one. in NULL = a GET; out_shape NULL = the
 * answer's body does not matter. *ret_none (may be NULL) true = 204, *out is untouched.
 */
enum ud_code ud_link_send(struct ud_ctx *cx, ud_link *link, const char *path,
	const struct ud_shape *in_shape, const void *in, int64_t timeout_ms,
	const struct ud_shape *out_shape, void *out, bool *ret_none) UD_USE;

/* The code and words of a refusal that the server wrote; UD_E_UNAVAILABLE when it is none of its.
 */
enum ud_code ud_link_refusal(struct ud_ctx *cx, int status, const char *body, size_t n) UD_USE;

/*
 * Wait before the next try: none after a success, else a random time up to a bound that doubles
 * with every failure in a row (a minute at most; not less than the server asked for). code: how the
 * call ended. False when the link was stopped.
 */
bool ud_link_pause(struct ud_ctx *cx, ud_link *link, enum ud_code code);
/* The bound of that time after so many failures in a row. */
int64_t ud_link_pause_bound_ms(int failures);
/* Wait so long, or until the link is stopped: then false. */
bool ud_link_wait(ud_link *link, int64_t ms);

/* Renew the certificate when two thirds of its life are over; else do nothing. Codes of
 * ud_link_call, and UD_E_STORAGE_FULL. */
enum ud_code ud_link_keep(struct ud_ctx *cx, ud_link *link) UD_USE;
/* Renew it now. */
enum ud_code ud_link_renew(struct ud_ctx *cx, ud_link *link) UD_USE;

/* Store an identity atomically, readable by the owner alone: certificate, chain and key in one
 * file, so that they always belong together. */
enum ud_code ud_link_store_identity(struct ud_ctx *cx, const struct ud_agent_config *config,
	const char *certificate, const char *chain, const char *key) UD_USE;

#endif
