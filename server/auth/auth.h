/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks, and may they: session cookies and bearer tokens become a scope; roles, token scopes,
 * step-up and the origin of browser requests are checked against the route row. The only maker of
 * scopes of callers.
 */
#ifndef SERVER_AUTH_AUTH_H
#define SERVER_AUTH_AUTH_H

#include "server/http/http.h"

enum { UD_STEP_UP_MS = 300000 };

/* Make rq->scope from cookie or bearer. No credentials = kind nobody. UD_E_UNAUTHENTICATED for bad
 * ones. */
enum ud_code ud_auth_scope(struct ud_ctx *cx, struct ud_request *rq) UD_USE;
/*
 * Roles, token scope, second factor, step-up and, for cookies, the CSRF token and origin, against
 * rq->route. UD_E_UNAUTHENTICATED, UD_E_ROLE_MISSING, UD_E_SCOPE_MISSING, UD_E_FACTOR_REQUIRED,
 * UD_E_STEP_UP_REQUIRED, UD_E_PERSON_REQUIRED, UD_E_CSRF_FAILED.
 */
enum ud_code ud_auth_allow(struct ud_ctx *cx, struct ud_request *rq) UD_USE;

/*
 * Whose token is this? Then rq->scope is theirs, as in a call that was made with it.
 * UD_E_UNAUTHENTICATED when it is unknown, ended, of somebody who is not active or not for this
 * address; then the scope is as it was. On the loop: in prepare.
 */
enum ud_code ud_auth_token(struct ud_ctx *cx, struct ud_request *rq, const char *secret) UD_USE;
/*
 * The same proof for a handler that needs it only at times: UD_E_STEP_UP_REQUIRED when the
 * session's last one is too old. Tokens have none to give and pass.
 */
enum ud_code ud_auth_step_up(struct ud_ctx *cx) UD_USE;

/* The session cookie's name: "__Host-us_session" behind TLS, "us_session" on plain loopback. */
const char *ud_auth_cookie_name(const struct ud_server *server);
/* Set-Cookie's value that sets the secret, or with NULL removes the cookie; in the arena. */
const char *ud_auth_cookie(struct ud_ctx *cx, const struct ud_server *server, const char *secret);
/* True when a token with these scopes may call something that needs need ("hosts:read"). */
bool ud_auth_scope_covers(const struct ud_texts *scopes, const char *need);
/* SHA-256 of a secret in hex, in the arena: the form secrets are stored in. */
const char *ud_auth_hash(struct ud_ctx *cx, const char *secret);

#endif
