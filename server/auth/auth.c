/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authentication and authorisation of requests. Reads run on the loop's connection; noting that a
 * session or token was used is a write of its own that nobody waits for, once a minute; that the
 * new secret of a session came in ends the earlier one the same way, at once.
 */
#include "server/auth/auth.h"

#include <string.h>
#include <strings.h>

#include "base/crypto.h"
#include "base/id.h"
#include "db/people.h"
#include "server/agents/identity.h"
#include "server/auth/bearers.h"
#include "server/http/forms.h"
#include "server/http/server.h"

enum { SEEN_MS = 60000 };

static bool over_tls(const struct ud_server *s)
{
	return s->settings.tls_cert || strncmp(s->base_url, "https:", 6) == 0;
}

const char *ud_auth_cookie_name(const struct ud_server *server)
{
	return over_tls(server) ? "__Host-us_session" : "us_session";
}

const char *ud_auth_cookie(struct ud_ctx *cx, const struct ud_server *server, const char *secret)
{
	return ud_printf(cx->arena, "%s=%s; Path=/; HttpOnly; SameSite=Lax%s%s",
		ud_auth_cookie_name(server), secret ? secret : "",
		over_tls(server) ? "; Secure" : "", secret ? "" : "; Max-Age=0");
}

const char *ud_auth_hash(struct ud_ctx *cx, const char *secret)
{
	char *hex = ud_alloc(cx->arena, UD_SHA256_HEX);

	ud_sha256_hex(secret, strlen(secret), hex);
	return hex;
}

/* Value of the session cookie, or NULL (RFC 6265 4.2.1). */
static const char *find_cookie(struct ud_ctx *cx, const struct ud_request *rq)
{
	const char *header = ud_request_header(rq, "Cookie"),
		   *name = ud_auth_cookie_name(rq->server);
	size_t n = strlen(name);

	for (const char *p = header; p && *p; p += strcspn(p, ";") + (p[strcspn(p, ";")] == ';')) {
		p += strspn(p, " ");
		if (strncmp(p, name, n) == 0 && p[n] == '=')
			return ud_strndup(cx->arena, p + n + 1, strcspn(p + n + 1, "; "));
	}
	return NULL;
}

/* The bearer's text, or NULL. */
static const char *find_token(const struct ud_request *rq)
{
	const char *header = ud_request_header(rq, "Authorization");

	if (header && strncasecmp(header, "Bearer ", 7) == 0)
		return header + 7;
	return header ? "" : ud_request_header(rq, "X-Auth-Token");
}

static enum ud_code refuse(struct ud_ctx *cx)
{
	return ud_fail(cx, UD_E_UNAUTHENTICATED, NULL,
		"The session or token is unknown, ended or revoked.");
}

static bool address_allowed(const struct ud_texts *allowed, const char *address)
{
	for (size_t i = 0; i < allowed->count; i++)
		if (strcmp(allowed->items[i], address) == 0)
			return true;
	return allowed->count == 0;
}

struct seen_write {
	struct ud_write write;
	struct ud_ctx cx;
	struct ud_scope scope;
	char *id, *settled; /* settled: hash of a new secret that came in, or NULL */
};

static enum ud_code apply_seen(struct ud_write *w)
{
	const struct seen_write *s = UD_OUTER(w, struct seen_write, write);

	UD_TRY(ud_bearer_seen(w->cx, s->id));
	return s->settled ? ud_session_settled(w->cx, s->id, s->settled) : UD_OK;
}

static void seen_done(struct ud_write *w, enum ud_code code)
{
	struct seen_write *s = UD_OUTER(w, struct seen_write, write);

	(void)code; /* tried again within a minute */
	ud_arena_release(&s->cx.arena);
	ud_free(s->id);
	ud_free(s->settled);
	ud_free(s);
}

/* hash: of the secret that was shown. */
static void note_seen(
	struct ud_ctx *cx, const struct ud_request *rq, const struct ud_bearer *b, const char *hash)
{
	bool settled = b->has_earlier && !b->earlier;

	if (!settled && b->last_seen_at != UD_NONE && cx->now_ms - b->last_seen_at < SEEN_MS)
		return;
	struct seen_write *s = ud_malloc(sizeof(*s));

	s->scope = ud_scope_system("authenticator");
	s->cx = (struct ud_ctx){
		.arena = ud_arena_new(), .env = cx->env, .now_ms = cx->now_ms, .scope = &s->scope
	};
	s->id = ud_heap_strdup(b->id);
	s->settled = settled ? ud_heap_strdup(hash) : NULL;
	s->write = (struct ud_write){ .cx = &s->cx, .apply = apply_seen, .done = seen_done };
	if (!ud_database_post(rq->server->db, &s->write))
		seen_done(&s->write, UD_E_OVERLOADED);
}

static void fill_scope(
	struct ud_request *rq, const struct ud_bearer *b, enum ud_principal_kind kind)
{
	struct ud_scope *s = &rq->scope;

	s->kind = kind;
	s->id = b->principal_id;
	s->name = b->name;
	s->customer_id = s->home_customer_id = b->customer_id;
	s->roles = ud_role_bits(&b->role_names);
	s->factor_at_ms = b->factor_at;
}

/* Staff without a factor, or everybody where the installation says so. */
static bool factor_missing(const struct ud_server *server, const struct ud_bearer *b)
{
	const char *who = server->settings.require_mfa;

	if (b->factor_enrolled || strcmp(who, "none") == 0)
		return false;
	return strcmp(who, "all") == 0 || !b->customer_id;
}

static enum ud_code session_scope(struct ud_ctx *cx, struct ud_request *rq, const char *secret)
{
	struct ud_bearer *b = ud_alloc(cx->arena, sizeof(*b));
	int64_t idle_ms = (int64_t)rq->server->settings.idle_minutes * 60000;
	const char *hash = ud_auth_hash(cx, secret);
	bool found = false;

	UD_TRY(ud_bearers_find(
		cx, rq->bearers, rq->commits, ud_bearer_by_session, hash, &found, b));
	if (!found)
		UD_TRY(ud_bearers_find(cx, rq->bearers, rq->commits, ud_bearer_by_earlier_secret,
			hash, &found, b));
	if (!found || !b->active || b->expires_at <= cx->now_ms ||
		cx->now_ms - b->last_seen_at > idle_ms + SEEN_MS)
		return refuse(cx);
	fill_scope(rq, b, UD_PRINCIPAL_USER);
	rq->scope.session_id = b->id;
	rq->scope.csrf_sha256 = b->csrf_hash;
	rq->scope.earlier_secret = b->earlier;
	rq->scope.factor_missing = factor_missing(rq->server, b);
	note_seen(cx, rq, b, hash);
	return UD_OK;
}

enum ud_code ud_auth_token(struct ud_ctx *cx, struct ud_request *rq, const char *secret)
{
	struct ud_bearer *b = ud_alloc(cx->arena, sizeof(*b));
	bool service = ud_secret_formed(secret, "uss"), found = false;

	if (!service && !ud_secret_formed(secret, "usp"))
		return refuse(cx);
	UD_TRY(ud_bearers_find(cx, rq->bearers, rq->commits,
		service ? ud_bearer_by_service_token : ud_bearer_by_user_token,
		ud_auth_hash(cx, secret), &found, b));
	if (!found || !b->active || b->expires_at <= cx->now_ms ||
		!address_allowed(&b->addresses, rq->scope.address))
		return refuse(cx);
	fill_scope(rq, b, service ? UD_PRINCIPAL_SERVICE_ACCOUNT : UD_PRINCIPAL_USER);
	rq->scope.token_id = b->id;
	rq->scope.token_scopes = &b->scopes;
	note_seen(cx, rq, b, NULL);
	return UD_OK;
}

/* Whoever acts for a customer stays who they are: /v1/me and signing out mean themselves. */
static bool own_account(const struct ud_route *r)
{
	return strncmp(r->scope, "me:", 3) == 0 || strncmp(r->scope, "sessions:", 9) == 0;
}

/* Staff may act for one customer: then only that customer's rows are seen, and the record says so.
 */
static enum ud_code act_for(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *customer = ud_request_header(rq, "Understudy-On-Behalf-Of");

	if (!customer)
		return UD_OK;
	if (!ud_scope_is_staff(&rq->scope))
		return ud_fail(
			cx, UD_E_ROLE_MISSING, NULL, "Only staff act on behalf of a customer.");
	if (own_account(rq->route))
		return UD_OK;
	if (!ud_id_valid(customer, "cus"))
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "Understudy-On-Behalf-Of",
			"It is the id of a customer.");
	rq->scope.on_behalf_of = rq->scope.customer_id = ud_strdup(cx->arena, customer);
	return UD_OK;
}

enum ud_code ud_auth_scope(struct ud_ctx *cx, struct ud_request *rq)
{
	rq->scope.kind = UD_PRINCIPAL_NOBODY;
	rq->scope.customer_id = ""; /* a tenant without rows: NULL would be all of them */
	if (rq->server->settings.agents)
		return ud_agent_scope(cx, rq);
	if (rq->route->roles & UD_ANYONE)
		return UD_OK; /* bad credentials must not close the door to signing in anew */
	const char *token = find_token(rq), *cookie = token ? NULL : find_cookie(cx, rq);

	if (token)
		UD_TRY(ud_auth_token(cx, rq, token));
	else if (cookie && *cookie)
		UD_TRY(session_scope(cx, rq, cookie));
	return act_for(cx, rq);
}

bool ud_auth_scope_covers(const struct ud_texts *scopes, const char *need)
{
	size_t resource = strcspn(need, ":");

	for (size_t i = 0; i < scopes->count; i++) {
		const char *s = scopes->items[i];

		if (strcmp(s, "*") == 0 || strcmp(s, need) == 0)
			return true;
		if (strncmp(s, need, resource + 1) == 0 &&
			(strcmp(s + resource, ":*") == 0 ||
				(strcmp(s + resource, ":write") == 0 &&
					strcmp(need + resource, ":read") == 0)))
			return true;
	}
	return false;
}

/* "operator, support_lead" */
static const char *role_list(struct ud_ctx *cx, uint32_t roles)
{
	const char *all = "";

	for (int i = 0; i < UD_ROLE_COUNT; i++)
		if (roles >> i & 1)
			all = ud_printf(
				cx->arena, "%s%s%s", all, *all ? ", " : "", ud_roles.names[i]);
	return all;
}

/* A browser says where a request comes from; one from another origin is refused whatever cookie it
 * brings. */
static enum ud_code check_origin(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *site = ud_request_header(rq, "Sec-Fetch-Site"),
		   *origin = ud_request_header(rq, "Origin");
	const char *host = ud_request_header(rq, "Host");

	if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return ud_fail(cx, UD_E_CSRF_FAILED, NULL, "Sec-Fetch-Site is %s.", site);
	if (!origin)
		return UD_OK;
	const char *at = strstr(origin, "://");

	if (strcmp(origin, rq->server->base_url) == 0 ||
		(at && host && strcasecmp(at + 3, host) == 0))
		return UD_OK;
	return ud_fail(cx, UD_E_CSRF_FAILED, NULL, "Origin is not ours.");
}

static enum ud_code check_csrf(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *token = ud_request_header(rq, "X-CSRF-Token");

	UD_TRY(check_origin(cx, rq));
	if (rq->form && rq->form->csrf &&
		ud_equal_text(rq->form->csrf, ud_form_token(cx, rq->server, rq->scope.session_id)))
		return UD_OK;
	if (!token || !ud_equal_text(ud_auth_hash(cx, token), rq->scope.csrf_sha256))
		return ud_fail(cx, UD_E_CSRF_FAILED, NULL, "X-CSRF-Token is missing or wrong.");
	return UD_OK;
}

enum ud_code ud_auth_step_up(struct ud_ctx *cx)
{
	const struct ud_scope *s = cx->scope;

	if (!s->session_id)
		return UD_OK;
	if (s->factor_at_ms == UD_NONE || cx->now_ms - s->factor_at_ms > UD_STEP_UP_MS)
		return ud_fail(cx, UD_E_STEP_UP_REQUIRED, NULL,
			"The last proof is older than 300 seconds.");
	return UD_OK;
}

static enum ud_code check_person(struct ud_ctx *cx, const struct ud_request *rq)
{
	const struct ud_scope *s = &rq->scope;
	unsigned flags = rq->route->flags;

	if (s->factor_missing && !(flags & UD_FACTOR_EXEMPT))
		return ud_fail(cx, UD_E_FACTOR_REQUIRED, NULL,
			"Until a second factor is set up, only that can be done.");
	if (flags & UD_PERSON && s->kind != UD_PRINCIPAL_USER)
		return ud_fail(cx, UD_E_PERSON_REQUIRED, NULL, "Service accounts may not do this.");
	return flags & UD_STEP_UP ? ud_auth_step_up(cx) : UD_OK;
}

enum ud_code ud_auth_allow(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_route *r = rq->route;
	const struct ud_scope *s = &rq->scope;
	bool changes = strcmp(r->method, "GET") != 0;

	if (r->roles & UD_ANYONE)
		return changes ? check_origin(cx, rq) : UD_OK;
	if (s->kind == UD_PRINCIPAL_NOBODY)
		return ud_fail(cx, UD_E_UNAUTHENTICATED, NULL, "No credentials were sent.");
	if (s->session_id && changes)
		UD_TRY(check_csrf(cx, rq));
	if (!(r->roles & s->roles))
		return ud_fail(cx, UD_E_ROLE_MISSING, NULL, "This needs one of these roles: %s.",
			role_list(cx, r->roles));
	if (s->token_scopes && !ud_auth_scope_covers(s->token_scopes, r->scope))
		return ud_fail(cx, UD_E_SCOPE_MISSING, NULL, "This needs the scope %s.", r->scope);
	return check_person(cx, rq);
}
