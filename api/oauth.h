/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one address where programs get tokens (RFC 6749 3.2), and what its grants share.
 */
#ifndef API_OAUTH_H
#define API_OAUTH_H

#include "db/people.h"
#include "server/http/http.h"

/* Answer with a token that was just made, as RFC 6749 5.1 wants it. */
enum ud_code ud_oauth_answer(struct ud_ctx *cx, struct ud_request *rq, const struct ud_token *token)
	UD_USE;

/*
 * devices.c: the token of a request that somebody has approved. UD_E_EXPIRED when there is none
 * with this secret, UD_E_ACCESS_DENIED; rq->verdict tells UD_E_AUTHORIZATION_PENDING and
 * UD_E_SLOW_DOWN.
 */
enum ud_code ud_device_fetch(struct ud_ctx *cx, struct ud_request *rq, const char *device_code)
	UD_USE;

#endif
