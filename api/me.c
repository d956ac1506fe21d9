/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signed-in person's own account: profile, password, sessions, tokens, second factor, step-up.
 */
#include <string.h>

#include "api/api.h"
#include "api/people.h"
#include "base/crypto.h"
#include "base/id.h"
#include "base/password.h"
#include "base/rules.h"
#include "base/totp.h"
#include "db/events.h"
#include "server/auth/auth.h"
#include "server/http/list.h"
#include "server/http/server.h"

/* Service accounts have no profile: they get the same words about themselves. */
enum ud_code ud_own_user(struct ud_ctx *cx, const struct ud_request *rq, struct ud_user *ret)
{
	if (rq->scope.kind != UD_PRINCIPAL_USER)
		return ud_fail(
			cx, UD_E_PERSON_REQUIRED, NULL, "A service account has no such thing.");
	return ud_row_get(cx, &ud_users, rq->scope.id, ret);
}

enum ud_code ud_user_complete(struct ud_ctx *cx, void *row)
{
	struct ud_user *u = row;

	u->roles.text = ud_roles_json(cx, &u->role_names, u->row.customer_id);
	return UD_OK;
}

static enum ud_code account_complete(struct ud_ctx *cx, void *row)
{
	struct ud_service_account *a = row;

	a->roles.text = ud_roles_json(cx, &a->role_names, a->row.customer_id);
	return UD_OK;
}

static const struct ud_resource me_user = { .table = &ud_users, .complete = ud_user_complete };

static enum ud_code show_me(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_service_account a = { 0 };
	struct ud_user u = { 0 };

	if (rq->scope.kind == UD_PRINCIPAL_SERVICE_ACCOUNT) {
		UD_TRY(ud_row_get(cx, &ud_service_accounts, rq->scope.id, &a));
		UD_TRY(account_complete(cx, &a));
		return ud_answer(cx, rq, ud_service_accounts.shape, &a);
	}
	UD_TRY(ud_own_user(cx, rq, &u));
	UD_TRY(ud_user_complete(cx, &u));
	return ud_answer(cx, rq, ud_users.shape, &u);
}

static enum ud_code edit_me(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;

	UD_TRY(ud_own_user(cx, rq, &old));
	UD_TRY(ud_check_match(cx, rq, old.row.version));
	u = old;
	UD_TRY(ud_shape_decode(cx, ud_users.shape, UD_PATCH, rq->json, &u, &rq->given));
	if (rq->given.customer_id)
		return ud_fail_field(
			cx, "customer_id", "fixed", "customer_id cannot be changed here.");
	UD_TRY(ud_rest_change(cx, &me_user, &rq->given, "updated", &old, &u));
	UD_TRY(ud_user_complete(cx, &u));
	return ud_answer(cx, rq, ud_users.shape, &u);
}

/* ---- password ---- */

struct password_body {
	const char *current_password, *new_password;
};
/* clang-format off */
static const struct ud_field password_fields[] = {
	UD_FIELD(password_body, current_password, .flags = UD_REQUIRED, .max = 128, .about = "The password until now."),
	UD_FIELD(password_body, new_password,     .flags = UD_REQUIRED, .max = 128, .about = "The password from now on: 12 to 128 characters."),
};
/* clang-format on */
static const struct ud_shape password_shape = { .bare = true,
	UD_SHAPE(password_body, password_fields) };

static enum ud_password_cost cost_of(const struct ud_user *u)
{
	return u->row.customer_id ? UD_COST_CUSTOMER : UD_COST_STAFF;
}

/* hash NULL: the current password was wrong. */
struct new_password {
	const char *hash;
};

static enum ud_code password_prepare(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct password_body *in = rq->in;
	const unsigned char *pepper = rq->server->keys.pepper;
	struct new_password *p = ud_alloc(cx->arena, sizeof(*p));
	struct ud_user u = { 0 };

	rq->prepared = p;
	UD_TRY(ud_own_user(cx, rq, &u));
	UD_TRY(ud_throttle_check(cx, ud_throttle_account(cx, u.email)));
	const char *rule = ud_password_rule(in->new_password, u.email);

	if (rule)
		return ud_fail_field(cx, "new_password", "weak", "new_password %s", rule);
	if (!u.password_hash || !ud_password_verify(pepper, u.password_hash, in->current_password))
		return UD_OK; /* counted and told by the write */
	return ud_password_hash(cx, pepper, cost_of(&u), in->new_password, &p->hash);
}

/* All other sessions end: whoever knew the old password is out. */
static enum ud_code change_password(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct new_password *p = rq->prepared;
	struct ud_user old = { 0 }, u;

	UD_TRY(ud_own_user(cx, rq, &old));
	if (!p->hash) {
		UD_TRY(ud_throttle_count(cx, rq, ud_throttle_account(cx, old.email)));
		rq->verdict = ud_fail(cx, UD_E_INVALID_CREDENTIALS, "current_password",
			"The current password is wrong.");
		return UD_OK;
	}
	u = old;
	u.password_hash = p->hash;
	UD_TRY(ud_row_update(cx, &ud_users, &old, &u));
	UD_TRY(ud_sessions_end(cx, u.row.id, rq->scope.session_id, false));
	UD_TRY(ud_event_add(cx, "password_changed", ud_users.shape, &old, &u));
	return ud_answer_none(cx, rq);
}

/* ---- sessions ---- */

struct own_list {
	struct ud_request *rq;
	size_t n;
};

static enum ud_code add_session(struct ud_ctx *cx, void *data, const void *row)
{
	struct own_list *l = data;
	struct ud_session s = *(const struct ud_session *)row;

	(void)cx;
	s.current = l->rq->scope.session_id && strcmp(s.row.id, l->rq->scope.session_id) == 0;
	if (l->n++)
		ud_buf_putc(&l->rq->out, ',');
	ud_shape_encode(&l->rq->out, ud_sessions.shape, &s, NULL);
	return UD_OK;
}

static enum ud_code add_token(struct ud_ctx *cx, void *data, const void *row)
{
	struct own_list *l = data;

	(void)cx;
	if (l->n++)
		ud_buf_putc(&l->rq->out, ',');
	ud_shape_encode(&l->rq->out, ud_tokens.shape, row, NULL);
	return UD_OK;
}

/* One page of what belongs to a principal; nobody has hundreds of them. */
static enum ud_code list_own(struct ud_ctx *cx, struct ud_request *rq, const struct ud_table *t,
	const char *column, const char *principal, ud_row_visitor *add)
{
	struct ud_list list = { 0 };
	struct own_list l = { .rq = rq };
	bool more = false;

	UD_TRY(ud_page_limit(cx, rq, &list.limit));
	ud_list_where(&list, column, UD_OP_EQ, ud_t(principal));
	ud_page_open(rq);
	UD_TRY(ud_row_list(cx, t, &list, add, &l, &more));
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

static enum ud_code list_sessions(struct ud_ctx *cx, struct ud_request *rq)
{
	return list_own(cx, rq, &ud_sessions, "user_id", rq->scope.id, add_session);
}

static enum ud_code delete_session(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_session s = { 0 };

	UD_TRY(ud_row_get(cx, &ud_sessions, rq->arg[0], &s));
	if (strcmp(s.user_id, rq->scope.id) != 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no session with this id.");
	UD_TRY(ud_row_delete(cx, &ud_sessions, &s));
	UD_TRY(ud_event_add(cx, "deleted", ud_sessions.shape, &s, NULL));
	return ud_answer_none(cx, rq);
}

/* ---- tokens ---- */

static enum ud_code list_tokens(struct ud_ctx *cx, struct ud_request *rq)
{
	return list_own(cx, rq, &ud_tokens, "principal_id", rq->scope.id, add_token);
}

static enum ud_code create_token(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_token t = *(const struct ud_token *)rq->in;
	struct ud_user u = { 0 };

	UD_TRY(ud_own_user(cx, rq, &u));
	UD_TRY(ud_token_make(cx, "usp", u.row.id, u.row.customer_id, &t));
	return ud_answer(cx, rq, ud_tokens.shape, &t);
}

static enum ud_code delete_token(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_token t = { 0 };

	UD_TRY(ud_row_get(cx, &ud_tokens, rq->arg[0], &t));
	if (strcmp(t.principal_id, rq->scope.id) != 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no token with this id.");
	UD_TRY(ud_row_delete(cx, &ud_tokens, &t));
	UD_TRY(ud_event_add(cx, "deleted", ud_tokens.shape, &t, NULL));
	return ud_answer_none(cx, rq);
}

/* ---- second factor ---- */

struct totp_answer {
	const char *secret, *uri;
};
/* clang-format off */
static const struct ud_field totp_answer_fields[] = {
	UD_FIELD(totp_answer, secret, .about = "The seed in base32, for typing in."),
	UD_FIELD(totp_answer, uri,    .about = "The seed as otpauth address, for a QR code."),
};
/* clang-format on */
static const struct ud_shape totp_answer_shape = {
	.object = "totp", .bare = true, UD_SHAPE(totp_answer, totp_answer_fields)
};

struct code_body {
	const char *code;
};
/* clang-format off */
static const struct ud_field code_fields[] = {
	UD_FIELD(code_body, code, .flags = UD_REQUIRED, .min = 6, .max = 6, .about = "Six digits of the authenticator."),
};
/* clang-format on */
static const struct ud_shape code_shape = { .bare = true, UD_SHAPE(code_body, code_fields) };

struct codes_answer {
	struct ud_texts recovery_codes;
};
/* clang-format off */
static const struct ud_field codes_fields[] = {
	UD_FIELD(codes_answer, recovery_codes, .about = "Ten codes, each good once when the authenticator is lost; shown once."),
};
/* clang-format on */
static const struct ud_shape codes_shape = {
	.object = "recovery_codes", .bare = true, UD_SHAPE(codes_answer, codes_fields)
};

/* A new seed; it counts once its first code was shown. An enrolled factor is replaced only by
 * somebody who has it. */
static enum ud_code begin_totp(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;

	UD_TRY(ud_own_user(cx, rq, &old));
	if (old.factor_enrolled)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"A factor is set up; remove it first with DELETE /v1/me/totp.");
	u = old;
	struct totp_answer out = { .secret = ud_totp_secret(cx->arena, cx->env) };

	out.uri = ud_totp_uri(cx->arena, u.email, out.secret);
	u.totp_sealed = ud_seal(cx->arena, cx->env, rq->server->keys.seal, u.row.id, out.secret);
	u.totp_step = 0;
	UD_TRY(ud_row_update(cx, &ud_users, &old, &u));
	return ud_answer(cx, rq, &totp_answer_shape, &out);
}

static enum ud_code verify_totp(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct code_body *in = rq->in;
	struct ud_user old = { 0 }, u;
	struct codes_answer out = { { ud_alloc(cx->arena, UD_RECOVERY_CODES * sizeof(char *)),
		UD_RECOVERY_CODES } };
	const char *recovery;
	int64_t step;

	UD_TRY(ud_own_user(cx, rq, &old));
	if (old.factor_enrolled || !old.totp_sealed)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"There is no new seed to verify; POST /v1/me/totp makes one.");
	if (!ud_factor_matches(cx, rq->server, &old, in->code, &step, &recovery))
		return ud_fail(cx, UD_E_INVALID_CREDENTIALS, "code",
			"The code is wrong; check the clock of the authenticator.");
	u = old;
	u.factor_enrolled = true;
	u.totp_step = step;
	u.recovery_hashes =
		(struct ud_texts){ ud_alloc(cx->arena, UD_RECOVERY_CODES * sizeof(char *)),
			UD_RECOVERY_CODES };
	for (size_t i = 0; i < UD_RECOVERY_CODES; i++) {
		out.recovery_codes.items[i] = ud_recovery_code(cx->arena, cx->env);
		u.recovery_hashes.items[i] = ud_auth_hash(cx, out.recovery_codes.items[i]);
	}
	UD_TRY(ud_row_update(cx, &ud_users, &old, &u));
	UD_TRY(ud_sessions_end(cx, u.row.id, rq->scope.session_id, false));
	UD_TRY(ud_event_add(cx, "factor_enrolled", ud_users.shape, &old, &u));
	return ud_answer(cx, rq, &codes_shape, &out);
}

static enum ud_code remove_totp(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user old = { 0 }, u;

	UD_TRY(ud_own_user(cx, rq, &old));
	u = old;
	u.factor_enrolled = false;
	u.totp_sealed = NULL;
	u.recovery_hashes = (struct ud_texts){ 0 };
	UD_TRY(ud_row_update(cx, &ud_users, &old, &u));
	UD_TRY(ud_event_add(cx, "factor_removed", ud_users.shape, &old, &u));
	return ud_answer_none(cx, rq);
}

/* ---- step-up ---- */

struct step_up_body {
	const char *password, *totp;
};
/* clang-format off */
static const struct ud_field step_up_fields[] = {
	UD_FIELD(step_up_body, password, .flags = UD_REQUIRED, .max = 128, .about = "The password."),
	UD_FIELD(step_up_body, totp,     .max = 30, .about = "A code, where a second factor is set up."),
};
/* clang-format on */
static const struct ud_shape step_up_shape = { .bare = true,
	UD_SHAPE(step_up_body, step_up_fields) };

struct step_up_answer {
	struct ud_time expires_at;
};
/* clang-format off */
static const struct ud_field step_up_answer_fields[] = {
	UD_FIELD(step_up_answer, expires_at, .about = "Until when the proof is good."),
};
/* clang-format on */
static const struct ud_shape step_up_answer_shape = {
	.object = "step_up", .bare = true, UD_SHAPE(step_up_answer, step_up_answer_fields)
};

struct proof {
	int64_t step;
	const char *recovery;
	bool right;
};

static enum ud_code step_up_prepare(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct step_up_body *in = rq->in;
	struct proof *p = ud_alloc(cx->arena, sizeof(*p));
	struct ud_user u = { 0 };

	rq->prepared = p;
	UD_TRY(ud_own_user(cx, rq, &u));
	UD_TRY(ud_throttle_check(cx, ud_throttle_account(cx, u.email)));
	p->step = -1;
	p->right = u.password_hash &&
		ud_password_verify(rq->server->keys.pepper, u.password_hash, in->password) &&
		(!u.factor_enrolled ||
			ud_factor_matches(cx, rq->server, &u, in->totp, &p->step, &p->recovery));
	return UD_OK;
}

/* The session gets a new secret, so that one stolen before is of no use for what the proof opens.
 * The one that was shown stays good, without the proof, until the new one comes in: its answer may
 * get lost. */
static enum ud_code step_up(struct ud_ctx *cx, struct ud_request *rq)
{
	struct proof *p = rq->prepared;
	struct ud_user old_user = { 0 }, u;
	struct ud_session old = { 0 }, s;

	if (!rq->scope.session_id)
		return ud_fail(cx, UD_E_PERSON_REQUIRED, NULL, "A token never steps up.");
	UD_TRY(ud_own_user(cx, rq, &old_user));
	if (!p->right || (p->step >= 0 && old_user.totp_step >= p->step)) {
		UD_TRY(ud_throttle_count(cx, rq, ud_throttle_account(cx, old_user.email)));
		rq->verdict = ud_fail(
			cx, UD_E_INVALID_CREDENTIALS, NULL, "The password or the code is wrong.");
		return UD_OK;
	}
	u = old_user;
	ud_factor_use(cx, &u, p->step, p->recovery);
	if (u.factor_enrolled)
		UD_TRY(ud_row_update(cx, &ud_users, &old_user, &u));
	UD_TRY(ud_row_get(cx, &ud_sessions, rq->scope.session_id, &old));
	s = old;
	const char *secret = ud_secret_new(cx->arena, cx->env, "uses");

	if (!rq->scope.earlier_secret)
		s.earlier_hash = old.secret_hash;
	s.secret_hash = ud_auth_hash(cx, secret);
	s.factor_at.ms = cx->now_ms;
	UD_TRY(ud_row_update(cx, &ud_sessions, &old, &s));
	UD_TRY(ud_event_add(cx, "stepped_up", ud_sessions.shape, &old, &s));
	ud_answer_header(rq, "Set-Cookie", ud_auth_cookie(cx, rq->server, secret));
	struct step_up_answer out = { { cx->now_ms + UD_STEP_UP_MS } };

	return ud_answer(cx, rq, &step_up_answer_shape, &out);
}

static const struct ud_resource own_sessions = { .table = &ud_sessions };
static const struct ud_resource own_tokens = { .table = &ud_tokens };

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",    "/v1/me",               "me.show",             UD_PEOPLE | UD_R(SCHEDULER), "me:read",  UD_FACTOR_EXEMPT, .resource = &me_user, .answer_else = &ud_service_accounts.shape, .handle = show_me, .about = "Show who asks." },
	{ "PATCH",  "/v1/me",               "me.edit",             UD_PEOPLE, "me:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &me_user, .handle = edit_me, .about = "Change one's own profile." },
	{ "POST",   "/v1/me/password",      "me.password",         UD_PEOPLE, "me:write", UD_WRITE | UD_SLOW | UD_PERSON | UD_FACTOR_EXEMPT | UD_NO_BODY_LOG, &password_shape, .status = 204, .prepare = password_prepare, .handle = change_password, .about = "Change one's own password; other sessions end." },
	{ "POST",   "/v1/me/step-up",       "me.step-up",          UD_PEOPLE, "me:write", UD_WRITE | UD_SLOW | UD_PERSON | UD_NO_BODY_LOG, &step_up_shape, &step_up_answer_shape, .prepare = step_up_prepare, .handle = step_up, .about = "Prove again who one is, for 300 seconds." },
	{ "GET",    "/v1/me/sessions",      "me.sessions.list",    UD_PEOPLE, "me:read",  UD_FACTOR_EXEMPT | UD_WHOLE, .resource = &own_sessions, .handle = list_sessions, .about = "List one's own sessions." },
	{ "DELETE", "/v1/me/sessions/{id}", "me.sessions.delete",  UD_PEOPLE, "me:write", UD_WRITE, .status = 204, .handle = delete_session, .about = "End one of one's own sessions." },
	{ "GET",    "/v1/me/tokens",        "me.tokens.list",      UD_PEOPLE, "me:read",  UD_WHOLE, .resource = &own_tokens, .handle = list_tokens, .about = "List one's own tokens." },
	{ "POST",   "/v1/me/tokens",        "me.tokens.create",    UD_PEOPLE, "me:write", UD_WRITE | UD_PERSON | UD_STEP_UP | UD_NO_BODY_LOG, .status = 201, .resource = &own_tokens, .handle = create_token, .about = "Make a token that acts as oneself; its secret is shown once." },
	{ "DELETE", "/v1/me/tokens/{id}",   "me.tokens.delete",    UD_PEOPLE, "me:write", UD_WRITE, .status = 204, .handle = delete_token, .about = "Revoke one of one's own tokens." },
	{ "POST",   "/v1/me/totp",          "me.totp.create",      UD_PEOPLE, "me:write", UD_WRITE | UD_PERSON | UD_FACTOR_EXEMPT | UD_NO_BODY_LOG, .answer = &totp_answer_shape, .handle = begin_totp, .about = "Make the seed of a second factor." },
	{ "POST",   "/v1/me/totp/verify",   "me.totp.verify",      UD_PEOPLE, "me:write", UD_WRITE | UD_PERSON | UD_FACTOR_EXEMPT | UD_NO_BODY_LOG, &code_shape, &codes_shape, .handle = verify_totp, .about = "Show the first code: the factor counts from now on, and recovery codes are given." },
	{ "DELETE", "/v1/me/totp",          "me.totp.delete",      UD_PEOPLE, "me:write", UD_WRITE | UD_PERSON | UD_STEP_UP, .status = 204, .handle = remove_totp, .about = "Remove the second factor." },
};
/* clang-format on */
const struct ud_routes ud_api_me = { "Me", rows, UD_LEN(rows) };
