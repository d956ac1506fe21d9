/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables of people and the authenticator's statements.
 */
#include "db/people.h"

#include <string.h>

#include "base/rules.h"

static const char *const user_state_names[] = { "invited", "active", "deactivated" };
const struct ud_enum ud_user_states = { "user_state", user_state_names, UD_LEN(user_state_names) };

static const char *const account_state_names[] = { "active", "disabled" };
const struct ud_enum ud_account_states = { "account_state", account_state_names,
	UD_LEN(account_state_names) };

/* clang-format off */
static const struct ud_field user_fields[] = {
	UD_FIELD(ud_user, email,                 .flags = UD_SERVER | UD_UNIQUE | UD_SEARCH | UD_BRIEF, .about = "Address the person signs in with."),
	UD_FIELD(ud_user, display_name,          .flags = UD_REQUIRED | UD_SEARCH | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name shown to others."),
	UD_FIELD(ud_user, state,                 .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_user_states, .about = "Where the account stands."),
	UD_FIELD(ud_user, roles,                 .flags = UD_COMPUTED, .about = "Roles the person has, each with the customer or installation it holds for."),
	UD_FIELD(ud_user, role_names,            .flags = UD_SECRET | UD_SERVER, .values = &ud_roles, .about = "Stored names of the roles."),
	UD_FIELD(ud_user, locale,                .max = 35, .about = "Language tag (BCP 47) for pages and mail."),
	UD_FIELD(ud_user, time_zone,             .max = 64, .rule = ud_rule_time_zone, .about = "IANA time zone for times shown to the person."),
	UD_FIELD(ud_user, mail_muted,            .about = "True when the person wants no letters about tickets."),
	UD_FIELD(ud_user, mail_off,              .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_user, portal_off,            .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_user, factor_enrolled,       .flags = UD_SERVER, .about = "True when a second factor is set up."),
	UD_FIELD(ud_user, password_hash,         .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_user, totp_sealed,           .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_user, totp_step,             .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_user, recovery_hashes,       .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_user, invitation_hash,       .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_user, invitation_expires_at, .flags = UD_SERVER, .about = "When the open invitation ends."),
	UD_FIELD(ud_user, last_seen_at,          .flags = UD_SERVER, .about = "Last sign-in."),
	UD_FIELD(ud_user, invitation_url,        .flags = UD_COMPUTED, .about = "Address to accept the invitation at; shown once, to the inviter."),
};
static const struct ud_shape user_shape = { .object = "user", .prefix = "usr", .table = "users",
	UD_SHAPE(ud_user, user_fields), .about = "A person who signs in." };
const struct ud_table ud_users = { .shape = &user_shape, .soft = true };

static const struct ud_field account_fields[] = {
	UD_FIELD(ud_service_account, name,       .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name, unique inside the customer."),
	UD_FIELD(ud_service_account, state,      .flags = UD_BRIEF, .values = &ud_account_states, .about = "A disabled account's tokens are refused."),
	UD_FIELD(ud_service_account, roles,      .flags = UD_COMPUTED, .about = "Roles the account has, each with the customer or installation it holds for."),
	UD_FIELD(ud_service_account, role_names, .flags = UD_SECRET | UD_SERVER, .values = &ud_roles),
};
static const struct ud_shape account_shape = { .object = "service_account", .prefix = "sva", .table = "service_accounts",
	UD_SHAPE(ud_service_account, account_fields), .about = "A program that calls the API with tokens of its own." };
const struct ud_table ud_service_accounts = { .shape = &account_shape };

static const struct ud_field session_fields[] = {
	UD_FIELD(ud_session, user_id,      .flags = UD_SERVER, .about = "Whose session it is."),
	UD_FIELD(ud_session, secret_hash,  .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_session, earlier_hash, .flags = UD_SECRET | UD_SERVER | UD_NULLABLE),
	UD_FIELD(ud_session, csrf_hash,    .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_session, address,      .flags = UD_SERVER | UD_BRIEF, .about = "Address it was opened from."),
	UD_FIELD(ud_session, user_agent,   .flags = UD_SERVER | UD_BRIEF, .about = "Program it was opened with."),
	UD_FIELD(ud_session, last_seen_at, .flags = UD_SERVER | UD_BRIEF, .about = "Last use, to the minute."),
	UD_FIELD(ud_session, expires_at,   .flags = UD_SERVER | UD_BRIEF, .about = "When it ends at the latest."),
	UD_FIELD(ud_session, factor_at,    .flags = UD_SERVER, .about = "Last time the person proved who they are again."),
	UD_FIELD(ud_session, current,      .flags = UD_COMPUTED, .about = "True for the session that asks."),
};
static const struct ud_shape session_shape = { .object = "session", .prefix = "ses", .table = "sessions",
	UD_SHAPE(ud_session, session_fields), .about = "A signed-in browser." };
const struct ud_table ud_sessions = { .shape = &session_shape };

static const struct ud_field token_fields[] = {
	UD_FIELD(ud_token, principal_id, .flags = UD_SERVER, .about = "User or service account it acts as."),
	UD_FIELD(ud_token, name,         .flags = UD_REQUIRED | UD_SEARCH | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "What it is for."),
	UD_FIELD(ud_token, scopes,       .flags = UD_REQUIRED | UD_BRIEF, .min = 1, .max = 50, .rule = ud_rule_scope, .about = "What it may do: * or RESOURCE:VERB."),
	UD_FIELD(ud_token, addresses,    .max = 20, .about = "Addresses it is accepted from; empty = any."),
	UD_FIELD(ud_token, secret_hash,  .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_token, expires_at,   .flags = UD_BRIEF, .about = "When it ends: at most a year ahead, 90 days when not given."),
	UD_FIELD(ud_token, last_used_at, .flags = UD_SERVER | UD_BRIEF, .about = "Last use, to the minute."),
	UD_FIELD(ud_token, parent_id,    .flags = UD_SERVER | UD_BRIEF, .about = "Of a short token that a program got for its own one (grant client_credentials): that one, with which it ends."),
	UD_FIELD(ud_token, token,        .flags = UD_COMPUTED, .about = "The secret; shown once, at creation."),
};
static const struct ud_shape token_shape = { .object = "token", .prefix = "tok", .table = "tokens",
	UD_SHAPE(ud_token, token_fields), .about = "A secret that programs send as bearer." };
const struct ud_table ud_tokens = { .shape = &token_shape };
/* clang-format on */

uint32_t ud_role_bits(const struct ud_texts *names)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < names->count; i++) {
		int role = ud_enum_index(&ud_roles, names->items[i]);

		bits |= role >= 0 ? 1U << role : 0;
	}
	return bits;
}

const char *ud_roles_json(struct ud_ctx *cx, const struct ud_texts *names, const char *customer_id)
{
	const char *scope = customer_id ? customer_id : "installation", *out = "[";

	for (size_t i = 0; i < names->count; i++)
		out = ud_printf(cx->arena, "%s%s{\"role\":\"%s\",\"scope\":\"%s\"}", out,
			i ? "," : "", names->items[i], scope);
	return ud_printf(cx->arena, "%s]", out);
}

/* A user by the id that a statement yields, read under our own scope. */
static enum ud_code user_by(
	struct ud_ctx *cx, const char *sql, const char *value, bool *ret_found, struct ud_user *ret)
{
	const struct ud_scope all = ud_scope_system("sign-in"), *before = cx->scope;
	const char *id = NULL;

	UD_TRY(ud_query_text(cx, ret_found, &id, sql, UD_VALS(ud_t(value))));
	if (!*ret_found)
		return UD_OK;
	cx->scope = &all;
	enum ud_code code = ud_row_get(cx, &ud_users, id, ret);

	cx->scope = before;
	return code;
}

enum ud_code ud_user_by_email(
	struct ud_ctx *cx, const char *email, bool *ret_found, struct ud_user *ret)
{
	/* every tenant: whoever signs in has no scope yet */
	return user_by(cx,
		"SELECT id FROM users WHERE LOWER(email) = LOWER($1) AND deleted_at IS NULL", email,
		ret_found, ret);
}

enum ud_code ud_user_by_invitation(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_user *ret)
{
	/* every tenant: whoever accepts has no scope yet */
	return user_by(cx, "SELECT id FROM users WHERE invitation_hash = $1 AND deleted_at IS NULL",
		hash, ret_found, ret);
}

/* Columns of every bearer statement, in this order. */
static enum ud_code read_bearer(struct ud_ctx *cx, const char *sql, const char *hash,
	bool *ret_found, struct ud_bearer *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;

	UD_TRY(ud_query(cx, &rows, sql, UD_VALS(ud_t(hash))));
	UD_TRY(ud_next(cx, rows, ret_found));
	if (!*ret_found)
		return UD_OK;
	ret->id = ud_col_dup(cx, rows, 0);
	ret->principal_id = ud_col_dup(cx, rows, 1);
	ret->name = ud_col_dup(cx, rows, 2);
	ret->customer_id = ud_col_dup(cx, rows, 3);
	ud_texts_read(cx, ud_col_text(rows, 4), &ret->role_names);
	ud_texts_read(cx, ud_col_text(rows, 5), &ret->scopes);
	ud_texts_read(cx, ud_col_text(rows, 6), &ret->addresses);
	ret->active = strcmp(ud_col_text(rows, 7), "active") == 0;
	ret->factor_enrolled = ud_col_int(rows, 8) != 0;
	ret->expires_at = ud_col_int(rows, 9);
	ret->last_seen_at = ud_col_int_or_none(rows, 10);
	ret->factor_at = ud_col_int_or_none(rows, 11);
	ret->csrf_hash = ud_col_dup(cx, rows, 12);
	ret->has_earlier = ud_col_int(rows, 13) != 0;
	return UD_OK;
}

/* every tenant: whoever shows a secret has no scope yet */
enum ud_code ud_bearer_by_session(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret)
{
	return read_bearer(cx,
		"SELECT s.id, u.id, u.display_name, u.customer_id, u.role_names, NULL, NULL, u.state, u.factor_enrolled,"
		" s.expires_at, s.last_seen_at, s.factor_at, s.csrf_hash,"
		" CASE WHEN s.earlier_hash IS NULL THEN 0 ELSE 1 END"
		" FROM sessions s JOIN users u ON u.id = s.user_id"
		" WHERE s.secret_hash = $1 AND u.deleted_at IS NULL",
		hash, ret_found, ret);
}

/* every tenant: whoever shows a secret has no scope yet */
enum ud_code ud_bearer_by_earlier_secret(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret)
{
	UD_TRY(read_bearer(cx,
		"SELECT s.id, u.id, u.display_name, u.customer_id, u.role_names, NULL, NULL, u.state, u.factor_enrolled,"
		" s.expires_at, s.last_seen_at, NULL, s.csrf_hash, 1"
		" FROM sessions s JOIN users u ON u.id = s.user_id"
		" WHERE s.earlier_hash = $1 AND u.deleted_at IS NULL",
		hash, ret_found, ret));
	ret->earlier = *ret_found;
	return UD_OK;
}

/* every tenant: whoever shows a secret has no scope yet */
enum ud_code ud_bearer_by_user_token(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret)
{
	return read_bearer(cx,
		"SELECT t.id, u.id, u.display_name, u.customer_id, u.role_names, t.scopes, t.addresses, u.state,"
		" u.factor_enrolled, t.expires_at, t.last_used_at, NULL, NULL, 0"
		" FROM tokens t JOIN users u ON u.id = t.principal_id"
		" WHERE t.secret_hash = $1 AND u.deleted_at IS NULL",
		hash, ret_found, ret);
}

/* every tenant: whoever shows a secret has no scope yet */
enum ud_code ud_bearer_by_service_token(
	struct ud_ctx *cx, const char *hash, bool *ret_found, struct ud_bearer *ret)
{
	return read_bearer(cx,
		"SELECT t.id, a.id, a.name, a.customer_id, a.role_names, t.scopes, t.addresses, a.state, 1,"
		" t.expires_at, t.last_used_at, NULL, NULL, 0"
		" FROM tokens t JOIN service_accounts a ON a.id = t.principal_id"
		" WHERE t.secret_hash = $1",
		hash, ret_found, ret);
}

enum ud_code ud_bearer_alive(struct ud_ctx *cx, const char *id, bool *ret)
{
	int64_t one;

	/* every tenant: the bearer was authenticated by this id when its stream began */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id"
		" WHERE s.id = $1 AND s.expires_at > $2 AND u.state = 'active' AND u.deleted_at IS NULL"
		" UNION ALL SELECT 1 FROM tokens t JOIN users u ON u.id = t.principal_id"
		" WHERE t.id = $1 AND t.expires_at > $2 AND u.state = 'active' AND u.deleted_at IS NULL"
		" UNION ALL SELECT 1 FROM tokens t JOIN service_accounts a ON a.id = t.principal_id"
		" WHERE t.id = $1 AND t.expires_at > $2 AND a.state = 'active'",
		UD_VALS(ud_t(id), ud_i(cx->now_ms)));
}

enum ud_code ud_bearer_seen(struct ud_ctx *cx, const char *id)
{
	/* every tenant: the bearer was just authenticated by this id */
	return ud_exec(cx, NULL,
		strncmp(id, "ses_", 4) == 0 ? "UPDATE sessions SET last_seen_at = $2 WHERE id = $1"
					    : "UPDATE tokens SET last_used_at = $2 WHERE id = $1",
		UD_VALS(ud_t(id), ud_i(cx->now_ms)));
}

enum ud_code ud_session_settled(struct ud_ctx *cx, const char *id, const char *hash)
{
	/* every tenant: the session was just authenticated by this secret */
	return ud_exec(cx, NULL,
		"UPDATE sessions SET earlier_hash = NULL WHERE id = $1 AND secret_hash = $2",
		UD_VALS(ud_t(id), ud_t(hash)));
}

enum ud_code ud_sessions_end(
	struct ud_ctx *cx, const char *principal_id, const char *spared_id, bool tokens)
{
	/* every tenant: the caller has read the principal under its own scope */
	UD_TRY(ud_exec(cx, NULL, "DELETE FROM sessions WHERE user_id = $1 AND id <> $2",
		UD_VALS(ud_t(principal_id), ud_t(spared_id ? spared_id : ""))));
	if (!tokens)
		return UD_OK;
	/* every tenant: as above */
	return ud_exec(cx, NULL, "DELETE FROM tokens WHERE principal_id = $1",
		UD_VALS(ud_t(principal_id)));
}

enum ud_code ud_tokens_shorten(struct ud_ctx *cx, const char *parent_id, int64_t end_ms)
{
	/* every tenant: the caller has read the parent under its own scope */
	return ud_exec(cx, NULL,
		"UPDATE tokens SET expires_at = $2 WHERE parent_id = $1 AND expires_at > $2",
		UD_VALS(ud_t(parent_id), ud_i(end_ms)));
}

enum ud_code ud_tokens_over(
	struct ud_ctx *cx, const char *principal_id, int64_t keep, struct ud_texts *ret)
{
	enum { OVER_MAX = 100 };
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = (struct ud_texts){ ud_alloc(cx->arena, sizeof(char *) * OVER_MAX), 0 };
	/* every tenant: the principal was just authenticated */
	UD_TRY(ud_exec(cx, NULL,
		"DELETE FROM tokens WHERE principal_id = $1 AND parent_id IS NOT NULL"
		" AND expires_at <= $2",
		UD_VALS(ud_t(principal_id), ud_i(cx->now_ms))));
	/* every tenant: as above */
	UD_TRY(ud_query(cx, &rows,
		"SELECT id FROM tokens WHERE principal_id = $1 AND parent_id IS NOT NULL"
		" ORDER BY id DESC LIMIT $2 OFFSET $3",
		UD_VALS(ud_t(principal_id), ud_i(OVER_MAX), ud_i(keep))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more && ret->count < OVER_MAX) {
		ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_users_with_role(struct ud_ctx *cx, const char *role, const char *customer_id,
	const char *but_id, int64_t *ret)
{
	bool found;

	return ud_query_int(cx, &found, ret,
		"SELECT COUNT(*) FROM users"
		" WHERE COALESCE(customer_id, '') = $1 AND role_names LIKE $2 AND id <> $3"
		" AND state = 'active' AND deleted_at IS NULL",
		UD_VALS(ud_t(customer_id ? customer_id : ""),
			ud_t(ud_printf(cx->arena, "%%\"%s\"%%", role)), ud_t(but_id)));
}

enum ud_code ud_users_on_duty(struct ud_ctx *cx, struct ud_texts *ret)
{
	enum { TOLD_MAX = 100 };
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	ret->items = ud_alloc(cx->arena, sizeof(char *) * TOLD_MAX);
	ret->count = 0;
	UD_TRY(ud_query(cx, &rows,
		"SELECT id FROM users WHERE customer_id IS NULL AND state = 'active' AND deleted_at IS NULL"
		" AND (role_names LIKE '%\"support_lead\"%' OR role_names LIKE '%\"support_engineer\"%')"
		" ORDER BY id LIMIT 100",
		UD_NO_VALS));
	UD_TRY(ud_next(cx, rows, &more));
	while (more && ret->count < TOLD_MAX) {
		ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_sessions_expire(struct ud_ctx *cx, int64_t before_ms)
{
	/* every tenant: housekeeping by age */
	return ud_exec(
		cx, NULL, "DELETE FROM sessions WHERE expires_at < $1", UD_VALS(ud_i(before_ms)));
}

enum { FAILURES_KEPT_MS = 24 * 3600 * 1000 };

enum ud_code ud_sign_in_failures(
	struct ud_ctx *cx, const char *key, int64_t *ret_count, int64_t *ret_last_at)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_count = *ret_last_at = 0;
	/* every tenant: whoever signs in has no scope yet */
	UD_TRY(ud_query(cx, &rows, "SELECT count, last_at FROM sign_in_failures WHERE key = $1",
		UD_VALS(ud_t(key))));
	UD_TRY(ud_next(cx, rows, &more));
	if (more && ud_col_int(rows, 1) >= cx->now_ms - FAILURES_KEPT_MS) {
		*ret_count = ud_col_int(rows, 0);
		*ret_last_at = ud_col_int(rows, 1);
	}
	return UD_OK;
}

enum ud_code ud_sign_in_failed(struct ud_ctx *cx, const char *key)
{
	/* every tenant: what is forgotten may go */
	UD_TRY(ud_exec(cx, NULL, "DELETE FROM sign_in_failures WHERE last_at < $1",
		UD_VALS(ud_i(cx->now_ms - FAILURES_KEPT_MS))));
	/* every tenant: whoever signs in has no scope yet */
	return ud_exec(cx, NULL,
		"INSERT INTO sign_in_failures(key, count, last_at) VALUES ($1, 1, $2)"
		" ON CONFLICT(key) DO UPDATE SET count = sign_in_failures.count + 1, last_at = $2",
		UD_VALS(ud_t(key), ud_i(cx->now_ms)));
}

enum ud_code ud_sign_in_succeeded(struct ud_ctx *cx, const char *key)
{
	/* every tenant: as above */
	return ud_exec(cx, NULL, "DELETE FROM sign_in_failures WHERE key = $1", UD_VALS(ud_t(key)));
}
