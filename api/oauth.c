/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens for programs (RFC 6749): of a person who approved on another device (devices.c), or of a
 * service account, which shows one of its own tokens and gets a short one that may not more. A
 * short one ends with the token that it was got for, and gets none itself.
 */
#include "api/oauth.h"

#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "api/people.h"
#include "base/crypto.h"
#include "base/id.h"
#include "base/rules.h"
#include "db/events.h"
#include "server/auth/auth.h"
#include "server/http/target.h"

enum {
	SHORT_SECONDS = 3600,
	SHORT_MAX = 100, /* live ones of an account: the oldest one ends for one more */
	SCOPES_MAX = 50
};

struct token_body {
	const char *grant_type, *device_code, *client_id, *client_secret, *scope;
};
struct token_answer {
	const char *access_token, *token_type, *token_id, *scope;
	int64_t expires_in;
};
/* clang-format off */
static const struct ud_field body_fields[] = {
	UD_FIELD(token_body, grant_type,    .max = 100, .about = "client_credentials, or urn:ietf:params:oauth:grant-type:device_code, which it is when not given."),
	UD_FIELD(token_body, device_code,   .max = 100, .about = "Of the device grant: the secret of the request."),
	UD_FIELD(token_body, client_id,     .max = 100, .about = "Of client_credentials: the service account's id. Id and secret may come as HTTP Basic instead."),
	UD_FIELD(token_body, client_secret, .max = 200, .about = "Of client_credentials: one of its tokens."),
	UD_FIELD(token_body, scope,         .max = 4000, .about = "Of client_credentials: what the short token may do, between spaces; all that the secret may when not given."),
};
static const struct ud_shape body_shape = { .bare = true, UD_SHAPE(token_body, body_fields) };
static const struct ud_field answer_fields[] = {
	UD_FIELD(token_answer, access_token, .about = "The token; shown once."),
	UD_FIELD(token_answer, token_type,   .about = "Bearer."),
	UD_FIELD(token_answer, token_id,     .about = "Its id, to revoke it by."),
	UD_FIELD(token_answer, scope,        .about = "What it may do, between spaces."),
	UD_FIELD(token_answer, expires_in,   .about = "Seconds until it ends."),
};
/* clang-format on */
static const struct ud_shape answer_shape = {
	.object = "access_token", .bare = true, UD_SHAPE(token_answer, answer_fields)
};

enum ud_code ud_oauth_answer(struct ud_ctx *cx, struct ud_request *rq, const struct ud_token *t)
{
	struct token_answer out = { .access_token = t->token,
		.token_type = "Bearer",
		.token_id = t->row.id,
		.scope = "",
		.expires_in = (t->expires_at.ms - cx->now_ms) / 1000 };

	for (size_t i = 0; i < t->scopes.count; i++)
		out.scope =
			ud_printf(cx->arena, "%s%s%s", out.scope, i ? " " : "", t->scopes.items[i]);
	return ud_answer(cx, rq, &answer_shape, &out);
}

/* ---- who asks ---- */

/* A program as it shows itself; NULLs when it does not. */
struct client {
	const char *id, *secret;
	bool known; /* the secret is that of id, and rq->scope is theirs */
};

/* Undo the form's escapes that RFC 6749 2.3.1 has inside HTTP Basic. NULL = they are none. */
static const char *unescape(struct ud_ctx *cx, const char *text)
{
	struct ud_param p[UD_MAX_PARAMS] = { 0 };
	size_t n = 0;

	if (ud_target_query(cx, ud_printf(cx->arena, "v=%s", text), p, &n) == UD_OK && n == 1)
		return p[0].value;
	ud_ctx_clear(cx);
	return NULL;
}

/* The credentials of "Basic …" (RFC 7617); false when it is none that can be read. */
static bool read_basic(struct ud_ctx *cx, const char *header, struct client *ret)
{
	char *text = ud_strdup(cx->arena, header + strcspn(header, " "));
	size_t n = 0;

	text += strspn(text, " ");
	for (char *p = text; *p; p++)
		*p = (char)(*p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? 0 : *p);
	const unsigned char *plain = ud_base64url_decode(cx->arena, text, &n);
	const char *colon = plain ? memchr(plain, ':', n) : NULL;

	if (!colon)
		return false;
	const char *pair = ud_strndup(cx->arena, (const char *)plain, n);
	size_t id = strcspn(pair, ":");

	ret->id = unescape(cx, ud_strndup(cx->arena, pair, id));
	ret->secret = pair[id] ? unescape(cx, pair + id + 1) : NULL;
	return ret->id && ret->secret;
}

/* One way to show oneself, not two (RFC 6749 2.3). */
static enum ud_code read_client(struct ud_ctx *cx, const struct ud_request *rq, struct client *ret)
{
	const struct token_body *in = rq->in;
	const char *header = ud_request_header(rq, "Authorization");

	*ret = (struct client){ .id = in->client_id, .secret = in->client_secret };
	if (!header)
		return UD_OK;
	if (in->client_secret)
		return ud_fail_field(cx, "client_secret", "excludes",
			"Send the secret in the body or as HTTP Basic, not both.");
	if (strncasecmp(header, "Basic ", 6) != 0 || !read_basic(cx, header, ret))
		*ret = (struct client){ 0 };
	if (ret->id && in->client_id && strcmp(ret->id, in->client_id) != 0)
		return ud_fail_field(
			cx, "client_id", "differs", "It is another one than that of HTTP Basic.");
	return UD_OK;
}

/*
 * Whose secret it is is looked up on the loop; what follows from it happens on the writer. One that
 * is another account's makes nobody of the caller: the refusal is told to whom id names.
 */
static enum ud_code prepare(struct ud_ctx *cx, struct ud_request *rq)
{
	struct client *c = ud_alloc(cx->arena, sizeof(*c));
	const struct ud_scope nobody = rq->scope;

	rq->prepared = c;
	UD_TRY(read_client(cx, rq, c));
	if (!c->id || !c->secret || !ud_secret_formed(c->secret, "uss"))
		return UD_OK;
	enum ud_code code = ud_auth_token(cx, rq, c->secret);

	c->known = code == UD_OK && strcmp(rq->scope.id, c->id) == 0;
	if (code == UD_E_UNAUTHENTICATED)
		ud_ctx_clear(cx);
	if (!c->known)
		rq->scope = nobody;
	return code == UD_E_UNAUTHENTICATED ? UD_OK : code;
}

/* ---- client_credentials ---- */

static enum ud_code wrong(struct ud_ctx *cx)
{
	return ud_fail(cx, UD_E_INVALID_CLIENT, NULL,
		"The service account or its token is unknown, ended or disabled.");
}

/* Under what a failure counts; ended by NULL. */
static void fill_keys(
	struct ud_ctx *cx, const struct ud_request *rq, const struct client *c, const char *keys[3])
{
	*keys++ = ud_printf(cx->arena, "client:%s", ud_auth_hash(cx, c->id));
	if (*rq->scope.address)
		*keys++ = ud_printf(cx->arena, "address:%s", rq->scope.address);
	*keys = NULL;
}

/* The failure is stored, then told; with the account, when there is one. */
static enum ud_code refuse(
	struct ud_ctx *cx, struct ud_request *rq, const struct client *c, const char *const *keys)
{
	const struct ud_scope all = ud_scope_system("token"), *mine = cx->scope;
	struct ud_service_account a = { 0 };
	enum ud_code code = UD_E_NOT_FOUND;

	for (; *keys; keys++)
		UD_TRY(ud_throttle_count(cx, rq, *keys));
	cx->scope = &all;
	if (ud_id_valid(c->id, "sva"))
		code = ud_row_get(cx, &ud_service_accounts, c->id, &a);
	cx->scope = mine;
	if (code != UD_OK && code != UD_E_NOT_FOUND)
		return code;
	ud_ctx_clear(cx);
	UD_TRY(ud_event_add_plain(
		cx, "token.refused", a.row.customer_id, "service_account", a.row.id, NULL));
	rq->verdict = wrong(cx);
	return UD_OK;
}

/* The token whose secret was shown, if it is still good and may get others. */
static enum ud_code load_parent(struct ud_ctx *cx, const struct ud_request *rq,
	const struct client *c, bool *ret_found, struct ud_token *ret)
{
	bool alive = false;

	*ret_found = false;
	if (!c->known)
		return UD_OK;
	UD_TRY(ud_bearer_alive(cx, rq->scope.token_id, &alive));
	if (!alive)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_tokens, rq->scope.token_id, ret));
	*ret_found = !ret->parent_id;
	return UD_OK;
}

/* What is asked for, between spaces, which the parent has itself; all of it when nothing is. */
static enum ud_code settle_scopes(
	struct ud_ctx *cx, const char *asked, const struct ud_texts *parents, struct ud_texts *ret)
{
	char *rest = ud_strdup(cx->arena, asked ? asked : ""), *word;

	*ret = (struct ud_texts){ ud_alloc(cx->arena, SCOPES_MAX * sizeof(char *)), 0 };
	while ((word = strtok_r(rest, " ", &rest))) {
		if (ret->count == SCOPES_MAX || ud_rule_scope(cx, word) ||
			!ud_auth_scope_covers(parents, word))
			return ud_fail(cx, UD_E_INVALID_SCOPE, "scope",
				"The secret does not have %s.", word);
		ret->items[ret->count++] = word;
	}
	if (!ret->count)
		*ret = *parents;
	return UD_OK;
}

/* An account has so many short tokens at most, and those whose time is up are forgotten. */
static enum ud_code make_room(struct ud_ctx *cx, const char *account_id)
{
	struct ud_texts over = { 0 };

	UD_TRY(ud_tokens_over(cx, account_id, SHORT_MAX - 1, &over));
	for (size_t i = 0; i < over.count; i++) {
		struct ud_token t = { 0 };

		UD_TRY(ud_row_get(cx, &ud_tokens, over.items[i], &t));
		UD_TRY(ud_row_delete(cx, &ud_tokens, &t));
		UD_TRY(ud_event_add(cx, "deleted", ud_tokens.shape, &t, NULL));
	}
	return UD_OK;
}

static enum ud_code make_short(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_token *parent)
{
	const struct token_body *in = rq->in;
	int64_t end = cx->now_ms + SHORT_SECONDS * 1000;
	struct ud_token t = { .name = parent->name,
		.addresses = parent->addresses,
		.parent_id = parent->row.id,
		.expires_at.ms = end < parent->expires_at.ms ? end : parent->expires_at.ms };

	UD_TRY(settle_scopes(cx, in->scope, &parent->scopes, &t.scopes));
	UD_TRY(make_room(cx, parent->principal_id));
	UD_TRY(ud_token_make(cx, "uss", parent->principal_id, parent->row.customer_id, &t));
	return ud_oauth_answer(cx, rq, &t);
}

static enum ud_code grant_client(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct client *c = rq->prepared;
	struct ud_token parent = { 0 };
	const char *keys[3];
	bool found = false;

	if (!c->id || !c->secret)
		return ud_fail(cx, UD_E_INVALID_CLIENT, NULL, "No client_id and secret were sent.");
	fill_keys(cx, rq, c, keys);
	for (const char **key = keys; *key; key++)
		UD_TRY(ud_throttle_check(cx, *key));
	UD_TRY(load_parent(cx, rq, c, &found, &parent));
	if (!found)
		return refuse(cx, rq, c, keys);
	UD_TRY(ud_sign_in_succeeded(cx, keys[0]));
	return make_short(cx, rq, &parent);
}

static enum ud_code grant_device(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct token_body *in = rq->in;

	if (!in->device_code)
		return ud_fail_field(cx, "device_code", "required", "device_code is required.");
	return ud_device_fetch(cx, rq, in->device_code);
}

/* ---- the address ---- */

static enum ud_code give(struct ud_ctx *cx, struct ud_request *rq)
{
	static const struct {
		const char *grant_type;
		ud_handler *handle;
	} grants[] = { { "urn:ietf:params:oauth:grant-type:device_code", grant_device },
		{ "client_credentials", grant_client } };
	const struct token_body *in = rq->in;
	const char *asked = in->grant_type ? in->grant_type : grants[0].grant_type;

	for (size_t i = 0; i < UD_LEN(grants); i++)
		if (strcmp(grants[i].grant_type, asked) == 0)
			return grants[i].handle(cx, rq);
	return ud_fail(
		cx, UD_E_UNSUPPORTED_GRANT_TYPE, "grant_type", "There is no grant %s.", asked);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/oauth/token", "device-requests.fetch", UD_ANYONE, NULL, UD_WRITE | UD_NO_BODY_LOG | UD_OAUTH, &body_shape, &answer_shape, .prepare = prepare, .handle = give, .about = "Get a token: that of a request that was approved, or with grant_type client_credentials a short one of a service account. Problems carry error and error_description of RFC 6749, too." },
};
/* clang-format on */
const struct ud_routes ud_api_oauth = { "OAuth", rows, UD_LEN(rows) };
