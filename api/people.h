/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files about people share: factors, sessions, rights over roles.
 */
#ifndef API_PEOPLE_H
#define API_PEOPLE_H

#include "db/people.h"
#include "server/http/http.h"

/* The text in ASCII lower case, in the arena. */
const char *ud_lower(ud_arena *arena, const char *text);
/* The key failures of an account are counted under, in the arena. */
const char *ud_throttle_account(struct ud_ctx *cx, const char *email);
/* UD_E_THROTTLED with the seconds to wait when there were too many failures under a key just now.
 */
enum ud_code ud_throttle_check(struct ud_ctx *cx, const char *key) UD_USE;
/* Count a failure under a key, in a dry run as well: nobody tries secrets for nothing. The handler
 * sets rq->verdict and ends well. */
enum ud_code ud_throttle_count(struct ud_ctx *cx, struct ud_request *rq, const char *key) UD_USE;
/* The same from a call that only reads; nobody waits for it. */
void ud_throttle_count_later(struct ud_ctx *cx, const struct ud_request *rq, const char *key);
/* Fill in the computed members of a struct ud_user. */
enum ud_code ud_user_complete(struct ud_ctx *cx, void *row) UD_USE;

/*
 * Does a six-digit code or a recovery code belong to the user's factor? *ret_step = the code's time
 * step or -1, *ret_recovery = the stored hash of the recovery code or NULL.
 */
bool ud_factor_matches(struct ud_ctx *cx, const struct ud_server *server, const struct ud_user *u,
	const char *code, int64_t *ret_step, const char **ret_recovery);
/* Use up what ud_factor_matches found, in the row. */
void ud_factor_use(struct ud_ctx *cx, struct ud_user *u, int64_t step, const char *recovery);
/* Must this user set up a factor by the installation's rule? */
bool ud_factor_wanted(const struct ud_server *server, const struct ud_user *u);

/* Store a new session, set its cookie, record it. *ret_csrf = its CSRF token. factor = a second
 * factor was shown. */
enum ud_code ud_session_open(struct ud_ctx *cx, struct ud_request *rq, const struct ud_user *u,
	bool factor, struct ud_session *ret, const char **ret_csrf) UD_USE;

/*
 * Settle which roles a body asks for (role or roles) and whether the caller may give them to
 * somebody of this customer: customer roles to people of a customer, staff roles to the provider's,
 * and nobody gives more than their kind may. *ret = names. UD_E_VALIDATION, UD_E_ROLE_MISSING.
 */
enum ud_code ud_roles_settle(struct ud_ctx *cx, const char *role, const struct ud_texts *roles,
	const char *customer_id, struct ud_texts *ret) UD_USE;

/* Whoever asks, as a row. UD_E_PERSON_REQUIRED for service accounts. */
enum ud_code ud_own_user(struct ud_ctx *cx, const struct ud_request *rq, struct ud_user *ret)
	UD_USE;

/* Bits of the roles that a caller may give. */
uint32_t ud_roles_may_give(const struct ud_scope *scope);
/* The scope of somebody who has just proved who they are. */
void ud_become(struct ud_request *rq, const struct ud_user *u);
/* A token gives no rights that it has not itself. UD_E_SCOPE_MISSING. */
enum ud_code ud_token_scopes(struct ud_ctx *cx, const struct ud_texts *wanted) UD_USE;
/*
 * Make a token for a principal: bounds its end (a year at most, 90 days when not given), hashes the
 * secret, stores and records it. prefix "usp" or "uss". in holds name, scopes, addresses,
 * expires_at; the rest is filled in.
 */
enum ud_code ud_token_make(struct ud_ctx *cx, const char *prefix, const char *principal_id,
	const char *customer_id, struct ud_token *in) UD_USE;

#endif
