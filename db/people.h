/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users, service accounts, their sessions and tokens; finding who stands behind a secret. The
 * questions of the authenticator are asked before there is a scope, so they look at every tenant.
 */
#ifndef DB_PEOPLE_H
#define DB_PEOPLE_H

#include "db/rows.h"

enum ud_user_state { UD_USER_INVITED, UD_USER_ACTIVE, UD_USER_DEACTIVATED };
extern const struct ud_enum ud_user_states;

struct ud_user {
	struct ud_row row;
	const char *email, *display_name;
	unsigned state;       /* enum ud_user_state */
	struct ud_json roles; /* computed: [{"role","scope"}] */
	struct ud_texts role_names;
	const char *locale, *time_zone;
	bool mail_muted;
	struct ud_texts mail_off, portal_off; /* kinds of ud_news_kinds */
	bool factor_enrolled;
	const char *password_hash, *totp_sealed;
	int64_t totp_step; /* of the last code used */
	struct ud_texts recovery_hashes;
	const char *invitation_hash;
	struct ud_time invitation_expires_at, last_seen_at;
	const char *invitation_url; /* computed: once, to the inviter */
};
extern const struct ud_table ud_users;

enum ud_account_state { UD_ACCOUNT_ACTIVE, UD_ACCOUNT_DISABLED };
extern const struct ud_enum ud_account_states;

struct ud_service_account {
	struct ud_row row;
	const char *name;
	unsigned state;
	struct ud_json roles;
	struct ud_texts role_names;
};
extern const struct ud_table ud_service_accounts;

struct ud_session {
	struct ud_row row;
	const char *user_id, *secret_hash;
	/* the secret before the last step-up; NULL once the new one came */
	const char *earlier_hash;
	const char *csrf_hash, *address, *user_agent;
	struct ud_time last_seen_at, expires_at, factor_at;
	bool current; /* computed: the one that asks */
};
extern const struct ud_table ud_sessions;

struct ud_token {
	struct ud_row row;
	const char *principal_id, *name;
	struct ud_texts scopes, addresses;
	const char *secret_hash;
	struct ud_time expires_at, last_used_at;
	const char *parent_id; /* of a short one: the token that it was got for, and goes with */
	const char *token;     /* computed: once, at creation */
};
extern const struct ud_table ud_tokens;

/* Bits of the roles in a list of names. */
uint32_t ud_role_bits(const struct ud_texts *names);
/* [{"role":…,"scope":"installation"|customer id}] in the arena. */
const char *ud_roles_json(struct ud_ctx *cx, const struct ud_texts *names, const char *customer_id);

/* The live user with this e-mail (any case), whoever asks. *ret_found false when there is none. */
enum ud_code ud_user_by_email(
	struct ud_ctx *cx, const char *email, bool *ret_found, struct ud_user *ret) UD_USE;
/* The user whose invitation this is; the caller checks its end. */
enum ud_code ud_user_by_invitation(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_user *ret) UD_USE;

/* Who a secret belongs to. */
struct ud_bearer {
	const char *id; /* of the session or token */
	const char *principal_id, *name, *customer_id;
	struct ud_texts role_names, scopes, addresses;
	bool active, factor_enrolled;
	int64_t expires_at, last_seen_at, factor_at;
	const char *csrf_hash;
	bool earlier;     /* of a session: known by the secret before its last step-up */
	bool has_earlier; /* of a session: that secret is still good */
};
enum ud_code ud_bearer_by_session(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret) UD_USE;
/*
 * A session by the secret that it had before its last step-up, for a browser that never got the
 * answer with the new one. It is known as if the step-up had not been: factor_at is UD_NONE.
 */
enum ud_code ud_bearer_by_earlier_secret(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret) UD_USE;
enum ud_code ud_bearer_by_user_token(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret) UD_USE;
enum ud_code ud_bearer_by_service_token(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret) UD_USE;
/* Is a session or token still there, its time not up, and its principal active? */
enum ud_code ud_bearer_alive(struct ud_ctx *cx, const char *id, bool *ret) UD_USE;
/* Note that a session or token was used; at most once a minute each. */
enum ud_code ud_bearer_seen(struct ud_ctx *cx, const char *id) UD_USE;
/* A session's secret has come in: the one before it is good no longer. */
enum ud_code ud_session_settled(struct ud_ctx *cx, const char *id, const char *hash) UD_USE;

/* End all sessions (and, with tokens, all tokens) of a principal but one (NULL = none is spared).
 */
enum ud_code ud_sessions_end(
	struct ud_ctx *cx, const char *principal_id, const char *spared_id, bool tokens) UD_USE;
/* Short tokens of a token end at an instant, those that would go on longer. */
enum ud_code ud_tokens_shorten(struct ud_ctx *cx, const char *parent_id, int64_t end_ms) UD_USE;
/* Forget an account's short tokens whose time is up, and tell which of the others, the oldest ones,
 * stand in the way of having `keep` of them at most. */
enum ud_code ud_tokens_over(
	struct ud_ctx *cx, const char *principal_id, int64_t keep, struct ud_texts *ret) UD_USE;
/* How many other live active users with a role are there, in a customer (NULL = of the provider)?
 */
enum ud_code ud_users_with_role(struct ud_ctx *cx, const char *role, const char *customer_id,
	const char *but_id, int64_t *ret) UD_USE;
/* The provider's active leads and engineers, 100 at most, by id: who is told of trouble. */
enum ud_code ud_users_on_duty(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;
/* Forget sessions that ended before an instant. */
enum ud_code ud_sessions_expire(struct ud_ctx *cx, int64_t before_ms) UD_USE;

/* Failed sign-ins by key ("account:…", "address:…"): count and instant of the last. 0 and 0 when
 * there are none. */
enum ud_code ud_sign_in_failures(
	struct ud_ctx *cx, const char *key, int64_t *ret_count, int64_t *ret_last_at) UD_USE;
enum ud_code ud_sign_in_failed(struct ud_ctx *cx, const char *key) UD_USE;
enum ud_code ud_sign_in_succeeded(struct ud_ctx *cx, const char *key) UD_USE;

#endif
