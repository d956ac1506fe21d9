/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP to one server over libcurl, for programs that speak JSON: one handle, its connection kept
 * open between calls. Trusts exactly one authority: a root certificate, or whatever root the server
 * shows that has the pinned digest. Not for the public web. One thread at a time, but for
 * ud_http_client_stop.
 */
#ifndef BASE_HTTP_CLIENT_H
#define BASE_HTTP_CLIENT_H

#include "base/crypto.h"
#include "base/ctx.h"

typedef struct ud_http_client ud_http_client;

struct ud_http_settings {
	const char *url;         /* "https://dr.example.net:8443", without a path */
	const char *root;        /* PEM of the only root that is trusted, or NULL */
	const char *root_sha256; /* with root NULL: hex SHA-256 of the root's DER */
	/* PEM of the chain and key shown to the server; NULL = none */
	const char *certificate, *key;
	const char *user_agent;
};

struct ud_http_answer {
	int status;
	const char *body; /* in cx->arena, NUL-terminated */
	size_t n;
	int64_t retry_after_seconds; /* 0 = the server did not say */
};

/* Longer answers are refused. */
enum { UD_HTTP_ANSWER_MAX = 4 << 20 };

/* Ready to call; nothing is sent yet. settings' texts are copied. UD_E_VALIDATION for an address
 * that is not https. */
enum ud_code ud_http_client_open(
	struct ud_ctx *cx, const struct ud_http_settings *settings, ud_http_client **ret) UD_USE;
/* Close the connection; takes NULL. */
void ud_http_client_release(ud_http_client **client);
/*
 * One call with a JSON body (NULL = a GET), header one more line "Name: value" or NULL. An answer
 * of any status is UD_OK. UD_E_UNAVAILABLE with the reason when none came within timeout_ms: then
 * nobody knows whether the server acted. UD_E_UNAUTHENTICATED when the server is not who it should
 * be: then nothing was sent.
 */
enum ud_code ud_http_client_call(struct ud_ctx *cx, ud_http_client *client, const char *path,
	const char *body, const char *header, int64_t timeout_ms, struct ud_http_answer *ret)
	UD_USE;
/* End the call that is going on, and all later ones at once. Any thread. */
void ud_http_client_stop(ud_http_client *client);

#endif
