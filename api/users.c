/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users: who may make people, give them roles, and take them away again. A user made without a
 * password gets an invitation; accepting it sets the password.
 */
#include <string.h>

#include "api/api.h"
#include "api/people.h"
#include "base/id.h"
#include "base/password.h"
#include "base/rules.h"
#include "db/events.h"
#include "server/auth/auth.h"
#include "server/http/list.h"
#include "server/http/server.h"

static const int64_t invitation_ms = INT64_C(7) * 86400000;

struct user_body {
	const char *email, *display_name, *customer_id, *role, *password, *locale, *time_zone;
	struct ud_texts roles;
};
/* clang-format off */
static const struct ud_field create_fields[] = {
	UD_FIELD(user_body, email,        .flags = UD_REQUIRED, .max = 254, .rule = ud_rule_email, .about = "Address the person will sign in with."),
	UD_FIELD(user_body, display_name, .flags = UD_REQUIRED, .max = 100, .rule = ud_rule_name, .about = "Name shown to others."),
	UD_FIELD(user_body, customer_id,  .refers = "cus", .about = "The customer the person belongs to; null = the provider."),
	UD_FIELD(user_body, role,         .max = 40, .about = "One role; or send roles."),
	UD_FIELD(user_body, roles,        .max = 11, .values = &ud_roles, .about = "Several roles."),
	UD_FIELD(user_body, password,     .max = 128, .about = "Password; without one an invitation is made."),
	UD_FIELD(user_body, locale,       .max = 35, .about = "Language tag (BCP 47)."),
	UD_FIELD(user_body, time_zone,    .max = 64, .rule = ud_rule_time_zone, .about = "IANA time zone."),
};
static const struct ud_shape create_shape = { .bare = true, UD_SHAPE(user_body, create_fields) };

struct user_edit {
	const char *display_name, *role, *locale, *time_zone;
	struct ud_texts roles;
};
static const struct ud_field edit_fields[] = {
	UD_FIELD(user_edit, display_name, .max = 100, .min = 1, .rule = ud_rule_name, .about = "Name shown to others."),
	UD_FIELD(user_edit, role,         .max = 40, .about = "One role instead of all until now; or send roles."),
	UD_FIELD(user_edit, roles,        .max = 11, .values = &ud_roles, .about = "The roles from now on."),
	UD_FIELD(user_edit, locale,       .max = 35, .about = "Language tag (BCP 47)."),
	UD_FIELD(user_edit, time_zone,    .max = 64, .rule = ud_rule_time_zone, .about = "IANA time zone."),
};
static const struct ud_shape edit_shape = { .bare = true, UD_SHAPE(user_edit, edit_fields) };

struct accept_body {
	const char *token, *password;
};
static const struct ud_field accept_fields[] = {
	UD_FIELD(accept_body, token,    .flags = UD_REQUIRED, .max = 100, .about = "Secret of the invitation's address."),
	UD_FIELD(accept_body, password, .flags = UD_REQUIRED, .max = 128, .about = "The password to set: 12 to 128 characters."),
};
static const struct ud_shape accept_shape = { .bare = true, UD_SHAPE(accept_body, accept_fields) };
/* clang-format on */

static const struct ud_resource users = { .table = &ud_users, .complete = ud_user_complete };

static enum ud_code hash_password(struct ud_ctx *cx, const struct ud_request *rq,
	const char *password, const char *email, bool staff, const char **ret)
{
	const char *rule = ud_password_rule(password, email);

	if (rule)
		return ud_fail_field(cx, "password", "weak", "password %s", rule);
	return ud_password_hash(cx, rq->server->keys.pepper,
		staff ? UD_COST_STAFF : UD_COST_CUSTOMER, password, ret);
}

static enum ud_code create_prepare(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct user_body *in = rq->in;
	bool staff = !in->customer_id && !cx->scope->customer_id;
	const char *hash = NULL;

	if (in->password)
		UD_TRY(hash_password(cx, rq, in->password, in->email, staff, &hash));
	rq->prepared = (void *)(uintptr_t)hash;
	return UD_OK;
}

/* A fresh invitation; the address is shown once, to whoever made it. */
static void invite(struct ud_ctx *cx, const struct ud_request *rq, struct ud_user *u)
{
	const char *secret = ud_secret_new(cx->arena, cx->env, "uinv");

	u->state = UD_USER_INVITED;
	u->invitation_hash = ud_auth_hash(cx, secret);
	u->invitation_expires_at.ms = cx->now_ms + invitation_ms;
	u->invitation_url = ud_printf(cx->arena, "%s/invitation#%s", rq->server->base_url, secret);
}

static enum ud_code create_user(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct user_body *in = rq->in;
	struct ud_user u = { .email = in->email,
		.display_name = in->display_name,
		.locale = in->locale,
		.time_zone = in->time_zone,
		.row.customer_id = in->customer_id,
		.password_hash = rq->prepared,
		.state = UD_USER_ACTIVE };
	bool exists = false;
	struct ud_user other = { 0 };

	if (cx->scope->customer_id)
		u.row.customer_id = cx->scope->customer_id;
	UD_TRY(ud_roles_settle(cx, in->role, &in->roles, u.row.customer_id, &u.role_names));
	UD_TRY(ud_user_by_email(cx, u.email, &exists, &other));
	if (exists)
		return ud_fail(cx, UD_E_ALREADY_EXISTS, "email", "Another user has this e-mail.");
	if (!u.password_hash)
		invite(cx, rq, &u);
	const char *url = u.invitation_url;

	u.invitation_url = NULL; /* not for the record */
	UD_TRY(ud_rest_store(cx, &users, &rq->given, &u));
	u.invitation_url = url;
	UD_TRY(ud_user_complete(cx, &u));
	return ud_answer(cx, rq, ud_users.shape, &u);
}

/* Nobody may be locked out: the last administrator of a customer, or operator of the installation,
 * stays. */
static enum ud_code keep_one(
	struct ud_ctx *cx, const struct ud_user *old, const struct ud_user *now)
{
	const char *role = old->row.customer_id ? "customer_admin" : "operator";
	uint32_t bit = old->row.customer_id ? UD_CUSTOMER_ADMIN : UD_OPERATOR;
	bool had = ud_role_bits(&old->role_names) & bit && old->state == UD_USER_ACTIVE;
	bool has = now && ud_role_bits(&now->role_names) & bit && now->state == UD_USER_ACTIVE;
	int64_t others;

	if (!had || has)
		return UD_OK;
	UD_TRY(ud_users_with_role(cx, role, old->row.customer_id, old->row.id, &others));
	if (others > 0)
		return UD_OK;
	return ud_fail(cx, UD_E_LAST_ADMINISTRATOR, NULL, "This is the last active %s.", role);
}

/* Whoever changes a person must be allowed to give the roles that the person has. */
static enum ud_code may_touch(struct ud_ctx *cx, const struct ud_user *u)
{
	struct ud_texts ignored;

	if (cx->scope->id && strcmp(cx->scope->id, u->row.id) == 0)
		return UD_OK;
	return ud_roles_settle(cx, NULL, &u->role_names, u->row.customer_id, &ignored);
}

/* A state or role change ends sessions: the next sign-in has the new rights. */
static enum ud_code store_change(struct ud_ctx *cx, struct ud_request *rq, const char *verb,
	const struct ud_user *old, struct ud_user *u, bool end_sessions)
{
	UD_TRY(keep_one(cx, old, u));
	UD_TRY(ud_rest_change(cx, &users, &rq->given, verb, old, u));
	if (end_sessions)
		UD_TRY(ud_sessions_end(cx, u->row.id, NULL, u->state == UD_USER_DEACTIVATED));
	return UD_OK;
}

static enum ud_code load(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_user *old, struct ud_user *u)
{
	UD_TRY(ud_row_get(cx, &ud_users, rq->arg[0], old));
	UD_TRY(ud_check_match(cx, rq, old->row.version));
	UD_TRY(may_touch(cx, old));
	*u = *old;
	return UD_OK;
}

static enum ud_code answer(struct ud_ctx *cx, struct ud_request *rq, struct ud_user *u)
{
	UD_TRY(ud_user_complete(cx, u));
	return ud_answer(cx, rq, ud_users.shape, u);
}

static enum ud_code edit_user(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;
	struct user_edit in;

	UD_TRY(load(cx, rq, &old, &u));
	in = (struct user_edit){
		.display_name = u.display_name, .locale = u.locale, .time_zone = u.time_zone
	};
	UD_TRY(ud_shape_decode(cx, &edit_shape, UD_PATCH, rq->json, &in, &rq->given));
	if (!in.display_name)
		return ud_fail_field(
			cx, "display_name", "required", "display_name cannot be null.");
	u.display_name = in.display_name;
	u.locale = in.locale;
	u.time_zone = in.time_zone;
	bool roles = in.role || ud_given_name(&rq->given, &edit_shape, "roles");

	if (roles)
		UD_TRY(ud_roles_settle(cx, in.role, &in.roles, u.row.customer_id, &u.role_names));
	UD_TRY(store_change(cx, rq, roles ? "roles_changed" : "updated", &old, &u, roles));
	return answer(cx, rq, &u);
}

static enum ud_code delete_user(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;

	UD_TRY(load(cx, rq, &old, &u));
	UD_TRY(keep_one(cx, &old, NULL));
	UD_TRY(ud_sessions_end(cx, old.row.id, NULL, true));
	UD_TRY(ud_row_delete(cx, &ud_users, &old));
	UD_TRY(ud_event_add(cx, "deleted", ud_users.shape, &old, NULL));
	return ud_answer_none(cx, rq);
}

static enum ud_code invite_again(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;

	UD_TRY(load(cx, rq, &old, &u));
	if (old.state != UD_USER_INVITED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The user is %s.",
			ud_user_states.names[old.state]);
	invite(cx, rq, &u);
	const char *url = u.invitation_url;

	u.invitation_url = NULL;
	UD_TRY(store_change(cx, rq, "invited", &old, &u, false));
	u.invitation_url = url;
	return answer(cx, rq, &u);
}

static enum ud_code disable(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;

	UD_TRY(load(cx, rq, &old, &u));
	if (old.state == UD_USER_DEACTIVATED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The user is deactivated.");
	u.state = UD_USER_DEACTIVATED;
	u.invitation_hash = NULL;
	UD_TRY(store_change(cx, rq, "disabled", &old, &u, true));
	return answer(cx, rq, &u);
}

static enum ud_code enable(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;

	UD_TRY(load(cx, rq, &old, &u));
	if (old.state != UD_USER_DEACTIVATED || !old.password_hash)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"Only a deactivated user with a password can be enabled.");
	u.state = UD_USER_ACTIVE;
	UD_TRY(store_change(cx, rq, "enabled", &old, &u, false));
	return answer(cx, rq, &u);
}

static enum ud_code reset_mfa(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;

	UD_TRY(load(cx, rq, &old, &u));
	u.factor_enrolled = false;
	u.totp_sealed = NULL;
	u.recovery_hashes = (struct ud_texts){ 0 };
	UD_TRY(store_change(cx, rq, "factor_reset", &old, &u, true));
	return answer(cx, rq, &u);
}

/* ---- accepting ---- */

struct acceptance {
	struct ud_user user;
	const char *hash;
};

static enum ud_code accept_prepare(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct accept_body *in = rq->in;
	struct acceptance *a = ud_alloc(cx->arena, sizeof(*a));
	bool found = false;

	rq->prepared = a;
	if (ud_secret_formed(in->token, "uinv"))
		UD_TRY(ud_user_by_invitation(cx, ud_auth_hash(cx, in->token), &found, &a->user));
	if (!found || a->user.state != UD_USER_INVITED ||
		a->user.invitation_expires_at.ms < cx->now_ms)
		return ud_fail(cx, UD_E_EXPIRED, "token",
			"The invitation is unknown, used or older than seven days.");
	return hash_password(
		cx, rq, in->password, a->user.email, !a->user.row.customer_id, &a->hash);
}

static enum ud_code accept(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct acceptance *a = rq->prepared;
	struct ud_user u = a->user;

	rq->scope.kind = UD_PRINCIPAL_USER;
	rq->scope.id = u.row.id;
	rq->scope.name = u.display_name;
	rq->scope.customer_id = rq->scope.home_customer_id = u.row.customer_id;
	u.state = UD_USER_ACTIVE;
	u.password_hash = a->hash;
	u.invitation_hash = NULL;
	u.invitation_expires_at.ms = UD_NONE;
	UD_TRY(ud_rest_change(cx, &users, &rq->given, "accepted", &a->user, &u));
	return answer(cx, rq, &u);
}

/* ---- a user's sessions ---- */

static const struct ud_resource sessions = { .table = &ud_sessions, .parent_column = "user_id" };

static enum ud_code list_sessions(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user u = { 0 };

	UD_TRY(ud_row_get(cx, &ud_users, rq->arg[0], &u));
	return ud_rest_list(cx, rq);
}

static enum ud_code end_sessions(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;

	UD_TRY(load(cx, rq, &old, &u));
	UD_TRY(ud_sessions_end(cx, old.row.id, NULL, false));
	UD_TRY(ud_event_add(cx, "sessions_ended", ud_users.shape, NULL, &old));
	return ud_answer_none(cx, rq);
}

enum { MANAGE = UD_CUSTOMER_ADMIN | UD_R(SUPPORT_LEAD) | UD_OPERATOR, SEE = MANAGE | UD_STAFF };

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",    "/v1/users",                 "users.list",            SEE,       "users:read",  UD_LIST, .resource = &users, .handle = ud_rest_list, .about = "List users." },
	{ "POST",   "/v1/users",                 "users.create",          MANAGE,    "users:write", UD_WRITE | UD_SLOW | UD_STEP_UP | UD_NO_BODY_LOG, &create_shape, NULL, 201, &users, create_prepare, create_user, "Create a user; without a password an invitation is made." },
	{ "GET",    "/v1/users/{id}",            "users.show",            SEE,       "users:read",  0, .resource = &users, .handle = ud_rest_show, .about = "Show one user." },
	{ "PATCH",  "/v1/users/{id}",            "users.edit",            MANAGE,    "users:write", UD_WRITE | UD_MATCH_REQUIRED | UD_STEP_UP, &edit_shape, .resource = &users, .handle = edit_user, .about = "Change a user's profile or roles." },
	{ "DELETE", "/v1/users/{id}",            "users.delete",          MANAGE,    "users:write", UD_WRITE | UD_MATCH_REQUIRED | UD_STEP_UP, .status = 204, .handle = delete_user, .about = "Delete a user; records keep the name." },
	{ "POST",   "/v1/users/{id}/invite",     "users.invite",          MANAGE,    "users:write", UD_WRITE | UD_NO_BODY_LOG, .resource = &users, .handle = invite_again, .about = "Make a new invitation for a user that has not accepted yet." },
	{ "POST",   "/v1/users/{id}/disable",    "users.disable",         MANAGE,    "users:write", UD_WRITE, .resource = &users, .handle = disable, .about = "Deactivate a user; sessions and tokens end." },
	{ "POST",   "/v1/users/{id}/enable",     "users.enable",          MANAGE,    "users:write", UD_WRITE | UD_STEP_UP, .resource = &users, .handle = enable, .about = "Let a deactivated user in again." },
	{ "POST",   "/v1/users/{id}/reset-mfa",  "users.reset-mfa",       MANAGE,    "users:write", UD_WRITE | UD_STEP_UP | UD_PERSON, .resource = &users, .handle = reset_mfa, .about = "Remove a user's second factor, for somebody who lost it." },
	{ "GET",    "/v1/users/{id}/sessions",   "users.sessions.list",   MANAGE,    "users:read",  UD_LIST, .resource = &sessions, .handle = list_sessions, .about = "List a user's sessions." },
	{ "DELETE", "/v1/users/{id}/sessions",   "users.sessions.delete", MANAGE,    "users:write", UD_WRITE, .status = 204, .handle = end_sessions, .about = "End all sessions of a user." },
	{ "POST",   "/v1/invitations/accept",    "invitations.accept",    UD_ANYONE, NULL,          UD_WRITE | UD_SLOW | UD_NO_BODY_LOG, &accept_shape, .resource = &users, .prepare = accept_prepare, .handle = accept, .about = "Accept an invitation by setting a password." },
};
/* clang-format on */
const struct ud_routes ud_api_users = { "Users", rows, UD_LEN(rows) };
