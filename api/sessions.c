/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing in and out. A sign-in spends the same time and gives the same answer whether the account,
 * the password or the code was wrong, but for one thing: with the right password a missing code is
 * asked for. Failures are counted per account and per address; they slow guessing down and never
 * lock anybody out for good.
 */
#include <string.h>

#include "api/api.h"
#include "api/people.h"
#include "base/crypto.h"
#include "base/id.h"
#include "base/log.h"
#include "base/password.h"
#include "base/rules.h"
#include "base/totp.h"
#include "db/events.h"
#include "db/people.h"
#include "server/auth/auth.h"
#include "server/http/server.h"

enum { STAFF_HOURS = 8 };

/*
 * What failures are counted under: how many are free, and the longest wait. An office or a proxy is
 * one address for many people, so it gets more room than an account. A domain of mail stands for
 * the customer: whether an address belongs to one must not show. Its wait is short, since whoever
 * guesses must not keep all people of a customer out. The codes of programs that wait are tried by
 * somebody who is signed in. A service account's id is no secret, and its tokens are too long to be
 * guessed: its program must not be kept out for long, either.
 */
static const struct {
	const char *kind;
	int64_t free, wait_max_seconds;
} throttles[] = {
	{ "account:", 5, 900 },
	{ "address:", 20, 900 },
	{ "domain:", 50, 30 },
	{ "device:", 5, 900 },
	{ "client:", 20, 30 },
};

struct sign_in_body {
	const char *email, *password, *totp;
};
/* clang-format off */
static const struct ud_field sign_in_fields[] = {
	UD_FIELD(sign_in_body, email,    .flags = UD_REQUIRED, .max = 254, .about = "Address of the account."),
	UD_FIELD(sign_in_body, password, .flags = UD_REQUIRED, .max = 128, .about = "Its password."),
	UD_FIELD(sign_in_body, totp,     .max = 30, .about = "Six digits of the authenticator, or a recovery code."),
};
/* clang-format on */
static const struct ud_shape sign_in_shape = { .bare = true,
	UD_SHAPE(sign_in_body, sign_in_fields) };

struct sign_in_answer {
	const char *id, *user_id, *csrf_token;
	struct ud_time expires_at;
	bool factor_required;
};
/* clang-format off */
static const struct ud_field answer_fields[] = {
	UD_FIELD(sign_in_answer, id,              .about = "Id of the session."),
	UD_FIELD(sign_in_answer, user_id,         .about = "Who signed in."),
	UD_FIELD(sign_in_answer, csrf_token,      .about = "Value for X-CSRF-Token in everything but GET."),
	UD_FIELD(sign_in_answer, expires_at,      .about = "When the session ends at the latest."),
	UD_FIELD(sign_in_answer, factor_required, .about = "True when only a second factor may be set up before anything else."),
};
/* clang-format on */
static const struct ud_shape answer_shape = {
	.object = "session", .bare = true, UD_SHAPE(sign_in_answer, answer_fields)
};

/* What prepare found out on the slow pool. */
struct attempt {
	struct ud_user user;
	bool found, password_right, factor_right;
	int64_t totp_step;                       /* of the code that was right; -1 = none */
	const char *recovery_used;               /* hash of the recovery code that was right */
	const char *new_hash;                    /* when the stored one is outdated */
	const char *keys[UD_LEN(throttles) + 1]; /* of the throttles; the account's is the first */
};

/* Seconds that must pass after n failures: none for the free ones, then doubling. */
static int64_t wait_after(const char *key, int64_t failures)
{
	size_t i = 0;

	while (strncmp(key, throttles[i].kind, strlen(throttles[i].kind)) != 0)
		i++;
	int64_t over = failures - throttles[i].free, max = throttles[i].wait_max_seconds;

	if (over < 0)
		return 0;
	return over >= 10 || (1 << over) > max ? max : 1 << over;
}

const char *ud_throttle_account(struct ud_ctx *cx, const char *email)
{
	return ud_printf(cx->arena, "account:%s", ud_auth_hash(cx, ud_lower(cx->arena, email)));
}

enum ud_code ud_throttle_check(struct ud_ctx *cx, const char *key)
{
	int64_t count, last, left;

	UD_TRY(ud_sign_in_failures(cx, key, &count, &last));
	left = last + wait_after(key, count) * 1000 - cx->now_ms;
	if (!count || left <= 0)
		return UD_OK;
	cx->problem.retry_after_seconds = (left + 999) / 1000;
	return ud_fail(cx, UD_E_THROTTLED, NULL, "Try again in %lld seconds.",
		(long long)((left + 999) / 1000));
}

enum ud_code ud_throttle_count(struct ud_ctx *cx, struct ud_request *rq, const char *key)
{
	rq->counted = true;
	return ud_sign_in_failed(cx, key);
}

struct count_write {
	struct ud_write write;
	struct ud_ctx cx;
	struct ud_scope scope;
	char *key;
};

static enum ud_code apply_count(struct ud_write *w)
{
	return ud_sign_in_failed(w->cx, UD_OUTER(w, struct count_write, write)->key);
}

static void count_done(struct ud_write *w, enum ud_code code)
{
	struct count_write *c = UD_OUTER(w, struct count_write, write);

	if (code != UD_OK)
		ud_log(UD_LOG_WARNING, "failure_not_counted", "code", ud_error_info(code)->name,
			NULL);
	ud_arena_release(&c->cx.arena);
	ud_free(c->key);
	ud_free(c);
}

void ud_throttle_count_later(struct ud_ctx *cx, const struct ud_request *rq, const char *key)
{
	struct count_write *c = ud_malloc(sizeof(*c));

	c->scope = ud_scope_system("throttle");
	c->cx = (struct ud_ctx){
		.arena = ud_arena_new(), .env = cx->env, .now_ms = cx->now_ms, .scope = &c->scope
	};
	c->key = ud_heap_strdup(key);
	c->write = (struct ud_write){ .cx = &c->cx, .apply = apply_count, .done = count_done };
	if (!ud_database_post(rq->server->db, &c->write))
		count_done(&c->write, UD_E_OVERLOADED);
}

/* Under what a failure of this request counts; ended by NULL. */
static void fill_keys(
	struct ud_ctx *cx, const struct ud_request *rq, const char *email, const char **keys)
{
	const char *at = strrchr(email, '@');

	*keys++ = ud_throttle_account(cx, email);
	if (*rq->scope.address)
		*keys++ = ud_printf(cx->arena, "address:%s", rq->scope.address);
	if (at)
		*keys++ = ud_printf(
			cx->arena, "domain:%s", ud_auth_hash(cx, ud_lower(cx->arena, at)));
	*keys = NULL;
}

static enum ud_password_cost cost_of(const struct ud_user *u)
{
	return u->row.customer_id ? UD_COST_CUSTOMER : UD_COST_STAFF;
}

bool ud_factor_matches(struct ud_ctx *cx, const struct ud_server *server, const struct ud_user *u,
	const char *code, int64_t *ret_step, const char **ret_recovery)
{
	const char *secret = u->totp_sealed
		? ud_unseal(cx->arena, server->keys.seal, u->row.id, u->totp_sealed)
		: NULL;
	const char *hash;

	*ret_step = -1;
	*ret_recovery = NULL;
	if (!secret || !code)
		return false;
	if (strlen(code) == 6) {
		*ret_step = ud_totp_match(secret, code, cx->now_ms, u->totp_step);
		return *ret_step >= 0;
	}
	hash = ud_auth_hash(cx, code);
	for (size_t i = 0; i < u->recovery_hashes.count; i++)
		if (ud_equal_text(u->recovery_hashes.items[i], hash))
			*ret_recovery = u->recovery_hashes.items[i];
	return *ret_recovery != NULL;
}

void ud_factor_use(struct ud_ctx *cx, struct ud_user *u, int64_t step, const char *recovery)
{
	struct ud_texts left = {
		ud_alloc(cx->arena, (u->recovery_hashes.count + 1) * sizeof(char *)), 0
	};

	if (step >= 0)
		u->totp_step = step;
	if (!recovery)
		return;
	for (size_t i = 0; i < u->recovery_hashes.count; i++)
		if (strcmp(u->recovery_hashes.items[i], recovery) != 0)
			left.items[left.count++] = u->recovery_hashes.items[i];
	u->recovery_hashes = left;
}

static enum ud_code sign_in_prepare(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct sign_in_body *in = rq->in;
	struct attempt *a = ud_alloc(cx->arena, sizeof(*a));
	const unsigned char *pepper = rq->server->keys.pepper;

	rq->prepared = a;
	fill_keys(cx, rq, in->email, a->keys);
	for (const char **key = a->keys; *key; key++)
		UD_TRY(ud_throttle_check(cx, *key));
	UD_TRY(ud_user_by_email(cx, in->email, &a->found, &a->user));
	bool usable = a->found && a->user.state == UD_USER_ACTIVE && a->user.password_hash;
	const char *hash = usable ? a->user.password_hash : ud_password_nobody(UD_COST_CUSTOMER);

	a->password_right = ud_password_verify(pepper, hash, in->password) && usable;
	a->totp_step = -1;
	a->factor_right = !a->user.factor_enrolled ||
		ud_factor_matches(
			cx, rq->server, &a->user, in->totp, &a->totp_step, &a->recovery_used);
	if (a->password_right && ud_password_outdated(hash, cost_of(&a->user)))
		UD_TRY(ud_password_hash(cx, pepper, cost_of(&a->user), in->password, &a->new_hash));
	return UD_OK;
}

/* The failure is stored, then told. */
static enum ud_code failed(struct ud_ctx *cx, struct ud_request *rq, const struct attempt *a)
{
	const struct sign_in_body *in = rq->in;
	bool code_missing = a->password_right && !in->totp;

	if (!code_missing) {
		for (const char *const *key = a->keys; *key; key++)
			UD_TRY(ud_throttle_count(cx, rq, *key));
		UD_TRY(ud_event_add_plain(cx, "session.refused",
			a->found ? a->user.row.customer_id : NULL, "user",
			a->found ? a->user.row.id : NULL, NULL));
	}
	rq->verdict = UD_E_INVALID_CREDENTIALS;
	ud_fail(cx, UD_E_INVALID_CREDENTIALS, NULL,
		"The e-mail address, the password or the code is wrong.");
	if (code_missing)
		ud_fail_field(cx, "totp", "totp_required",
			"The account has a second factor: send its code.");
	return UD_OK;
}

enum ud_code ud_session_open(struct ud_ctx *cx, struct ud_request *rq, const struct ud_user *u,
	bool factor, struct ud_session *ret, const char **ret_csrf)
{
	int64_t hours = rq->server->settings.session_hours;
	const char *secret = ud_secret_new(cx->arena, cx->env, "uses");

	if (!u->row.customer_id && hours > STAFF_HOURS)
		hours = STAFF_HOURS;
	*ret_csrf = ud_secret_new(cx->arena, cx->env, "ucsrf");
	*ret = (struct ud_session){
		.row.customer_id = u->row.customer_id,
		.user_id = u->row.id,
		.secret_hash = ud_auth_hash(cx, secret),
		.csrf_hash = ud_auth_hash(cx, *ret_csrf),
		.address = rq->scope.address,
		.user_agent = rq->user_agent,
		.last_seen_at.ms = cx->now_ms,
		.expires_at.ms = cx->now_ms + hours * 3600000,
		.factor_at.ms = factor ? cx->now_ms : UD_NONE,
	};
	UD_TRY(ud_row_insert(cx, &ud_sessions, ret));
	ud_answer_header(rq, "Set-Cookie", ud_auth_cookie(cx, rq->server, secret));
	return ud_event_add(cx, "created", ud_sessions.shape, NULL, ret);
}

static enum ud_code sign_in(struct ud_ctx *cx, struct ud_request *rq)
{
	struct attempt *a = rq->prepared;
	struct ud_session s;
	const char *csrf;

	if (!a->password_right || !a->factor_right)
		return failed(cx, rq, a);
	struct ud_user old = { 0 }, u;

	ud_become(rq, &a->user);
	/* a code is used up by one of two racing sign-ins only */
	UD_TRY(ud_row_get(cx, &ud_users, a->user.row.id, &old));
	u = old;
	if (a->totp_step >= 0 && old.totp_step >= a->totp_step)
		return failed(cx, rq, a);
	ud_factor_use(cx, &u, a->totp_step, a->recovery_used);
	u.last_seen_at.ms = cx->now_ms;
	if (a->new_hash)
		u.password_hash = a->new_hash;
	UD_TRY(ud_row_update(cx, &ud_users, &old, &u));
	UD_TRY(ud_sign_in_succeeded(cx, a->keys[0]));
	UD_TRY(ud_session_open(cx, rq, &u, u.factor_enrolled, &s, &csrf));
	struct sign_in_answer out = { .id = s.row.id,
		.user_id = u.row.id,
		.csrf_token = csrf,
		.expires_at = s.expires_at,
		.factor_required = !u.factor_enrolled && ud_factor_wanted(rq->server, &u) };

	return ud_answer(cx, rq, &answer_shape, &out);
}

static enum ud_code sign_out(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_session s = { 0 };

	if (!rq->scope.session_id)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"There is no session to end: a token was used.");
	UD_TRY(ud_row_get(cx, &ud_sessions, rq->scope.session_id, &s));
	UD_TRY(ud_row_delete(cx, &ud_sessions, &s));
	UD_TRY(ud_event_add(cx, "deleted", ud_sessions.shape, &s, NULL));
	ud_answer_header(rq, "Set-Cookie", ud_auth_cookie(cx, rq->server, NULL));
	return ud_answer_none(cx, rq);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST",   "/v1/sessions",         "sessions.create", UD_ANYONE, NULL,             UD_WRITE | UD_SLOW | UD_NO_BODY_LOG, &sign_in_shape, &answer_shape, 201, .prepare = sign_in_prepare, .handle = sign_in, .about = "Sign in with e-mail, password and, where set up, a code." },
	{ "DELETE", "/v1/sessions/current", "sessions.delete", UD_PEOPLE, "sessions:write", UD_WRITE | UD_FACTOR_EXEMPT, .status = 204, .handle = sign_out, .about = "Sign out." },
};
/* clang-format on */
const struct ud_routes ud_api_sessions = { "Sessions", rows, UD_LEN(rows) };
