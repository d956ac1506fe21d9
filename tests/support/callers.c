/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Principals and credentials are put into the database directly; what is revoked later is used once
 * before, so that whatever the server remembers of it must be forgotten.
 */
#include "support/callers.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/id.h"
#include "db/people.h"
#include "server/auth/auth.h"

static const struct kind kinds[] = {
	{ "nobody", NOTHING, NULL, PROVIDER, FINE, NULL, 0 },
	{ "operator", TOKEN, "operator", PROVIDER, FINE, NULL, 0 },
	{ "support lead", TOKEN, "support_lead", PROVIDER, FINE, NULL, 0 },
	{ "support engineer", TOKEN, "support_engineer", PROVIDER, FINE, NULL, 0 },
	{ "support agent", TOKEN, "support_agent", PROVIDER, FINE, NULL, 0 },
	{ "auditor", TOKEN, "auditor", PROVIDER, FINE, NULL, 0 },
	{ "admin", TOKEN, "customer_admin", FIRST, FINE, NULL, 0 },
	{ "approver", TOKEN, "customer_approver", FIRST, FINE, NULL, 0 },
	{ "customer's operator", TOKEN, "customer_operator", FIRST, FINE, NULL, 0 },
	{ "viewer", TOKEN, "customer_viewer", FIRST, FINE, NULL, 0 },
	{ "other's admin", TOKEN, "customer_admin", SECOND, FINE, NULL, 0 },
	{ "other's viewer", TOKEN, "customer_viewer", SECOND, FINE, NULL, 0 },
	{ "staff's program", SERVICE, "support_lead", PROVIDER, FINE, NULL, 0 },
	{ "operator's program", SERVICE, "operator", PROVIDER, FINE, NULL, 0 },
	{ "admin's program", SERVICE, "customer_admin", FIRST, FINE, NULL, 0 },
	{ "viewer's program", SERVICE, "customer_viewer", FIRST, FINE, NULL, 0 },
	{ "other's program", SERVICE, "customer_admin", SECOND, FINE, NULL, 0 },
	{ "scheduler", SERVICE, "scheduler", PROVIDER, FINE, NULL, 0 },
	{ "agent", SERVICE, "agent", PROVIDER, FINE, NULL, 0 },
	{ "lead's session", SESSION, "support_lead", PROVIDER, FINE, NULL, 0 },
	{ "operator's session", SESSION, "operator", PROVIDER, FINE, NULL, 0 },
	{ "admin's session", SESSION, "customer_admin", FIRST, FINE, NULL, 0 },
	{ "viewer's session", SESSION, "customer_viewer", FIRST, FINE, NULL, 0 },
	{ "other's session", SESSION, "customer_admin", SECOND, FINE, NULL, 0 },
	{ "session without CSRF token", SESSION, "customer_admin", FIRST, CSRF_MISSING, NULL, 0 },
	{ "session with another's CSRF token", SESSION, "customer_admin", FIRST, CSRF_FOREIGN, NULL,
		0 },
	{ "session from elsewhere", SESSION, "support_lead", PROVIDER, ORIGIN_FOREIGN, NULL, 0 },
	{ "session with an old factor", SESSION, "customer_admin", FIRST, FACTOR_OLD, NULL, 0 },
	{ "staff session with an old factor", SESSION, "operator", PROVIDER, FACTOR_OLD, NULL, 0 },
	{ "reader of customers", TOKEN, "customer_admin", FIRST, FINE, "customers:read", 0 },
	{ "writer of VMs", TOKEN, "customer_admin", FIRST, FINE, "vms:write", 0 },
	{ "staff's reader of VMs", TOKEN, "support_lead", PROVIDER, FINE, "vms:read", 0 },
	{ "lead for the first", TOKEN, "support_lead", PROVIDER, FINE, NULL, 1 + FIRST },
	{ "lead for the second", TOKEN, "support_lead", PROVIDER, FINE, NULL, 1 + SECOND },
	{ "lead for nobody", TOKEN, "support_lead", PROVIDER, FINE, NULL, -1 },
	{ "agent of support for the first", TOKEN, "support_agent", PROVIDER, FINE, NULL,
		1 + FIRST },
	{ "operator's session for the first", SESSION, "operator", PROVIDER, FINE, NULL,
		1 + FIRST },
	{ "program for the second", SERVICE, "support_lead", PROVIDER, FINE, NULL, 1 + SECOND },
	{ "admin for the other", TOKEN, "customer_admin", FIRST, FINE, NULL, 1 + SECOND },
	{ "program for the other", SERVICE, "customer_admin", FIRST, FINE, NULL, 1 + SECOND },
	{ "expired token", TOKEN, "operator", PROVIDER, EXPIRED, NULL, 0 },
	{ "expired program", SERVICE, "support_lead", PROVIDER, EXPIRED, NULL, 0 },
	{ "expired session", SESSION, "customer_admin", FIRST, EXPIRED, NULL, 0 },
	{ "idle session", SESSION, "customer_admin", FIRST, IDLE, NULL, 0 },
	{ "revoked token", TOKEN, "operator", PROVIDER, REVOKED, NULL, 0 },
	{ "revoked program", SERVICE, "customer_admin", FIRST, REVOKED, NULL, 0 },
	{ "ended session", SESSION, "support_lead", PROVIDER, REVOKED, NULL, 0 },
	{ "deactivated person", TOKEN, "operator", PROVIDER, DISABLED, NULL, 0 },
	{ "disabled program", SERVICE, "customer_admin", FIRST, DISABLED, NULL, 0 },
	{ "deactivated person's session", SESSION, "customer_admin", FIRST, DISABLED, NULL, 0 },
	{ "garbled token", TOKEN, "operator", PROVIDER, GARBLED, NULL, 0 },
	{ "garbled session", SESSION, "operator", PROVIDER, GARBLED, NULL, 0 },
};

static const char *customer_of(const struct callers *all, const struct kind *k)
{
	return all->tenants->customer[k->side];
}

static enum ud_code add_principal(struct ud_ctx *cx, struct callers *all, struct caller *c)
{
	const struct kind *k = c->kind;
	const char **role = ud_alloc(cx->arena, sizeof(*role));

	*role = k->role;
	if (k->means == SERVICE) {
		struct ud_service_account a = { .row.customer_id = customer_of(all, k),
			.name = k->name,
			.role_names = { role, 1 } };

		UD_TRY(ud_row_insert(cx, &ud_service_accounts, &a));
		c->principal = a.row.id;
		return UD_OK;
	}
	struct ud_user u = { .row.customer_id = customer_of(all, k),
		.email = fmt(all->tenants->world, "caller%td@example.net", c - all->all),
		.display_name = k->name,
		.state = UD_USER_ACTIVE,
		.role_names = { role, 1 } };

	UD_TRY(ud_row_insert(cx, &ud_users, &u));
	c->principal = u.row.id;
	return UD_OK;
}

static void header(struct caller *c, const char *line)
{
	size_t i = 0;

	while (c->headers[i])
		i++;
	assert_true(i + 1 < UD_LEN(c->headers));
	c->headers[i] = line;
}

static enum ud_code add_token(struct ud_ctx *cx, struct callers *all, struct caller *c)
{
	const struct kind *k = c->kind;
	const char *secret = ud_secret_new(cx->arena, cx->env, k->means == SERVICE ? "uss" : "usp"),
		   **scope = ud_alloc(cx->arena, sizeof(*scope));
	struct ud_token t = { .row.customer_id = customer_of(all, k),
		.principal_id = c->principal,
		.name = k->name,
		.scopes = { scope, 1 },
		.secret_hash = ud_auth_hash(cx, secret),
		.expires_at.ms = cx->now_ms + (k->fault == EXPIRED ? -1 : 3600000) };

	*scope = k->scope ? k->scope : "*";
	UD_TRY(ud_row_insert(cx, &ud_tokens, &t));
	c->credential = t.row.id;
	header(c,
		fmt(all->tenants->world, "Authorization: Bearer %s%s", secret,
			k->fault == GARBLED ? "x" : ""));
	return UD_OK;
}

static enum ud_code add_session(struct ud_ctx *cx, struct callers *all, struct caller *c)
{
	const struct kind *k = c->kind;
	const char *secret = ud_secret_new(cx->arena, cx->env, "uses"),
		   *csrf = ud_secret_new(cx->arena, cx->env, "ucsrf");
	int64_t hour = 3600000;
	struct ud_session s = { .row.customer_id = customer_of(all, k),
		.user_id = c->principal,
		.secret_hash = ud_auth_hash(cx, secret),
		.csrf_hash = ud_auth_hash(cx, csrf),
		.last_seen_at.ms = cx->now_ms - (k->fault == IDLE ? hour : 0),
		.factor_at.ms = cx->now_ms - (k->fault == FACTOR_OLD ? hour : 0),
		.expires_at.ms = cx->now_ms + (k->fault == EXPIRED ? -1 : hour) };

	UD_TRY(ud_row_insert(cx, &ud_sessions, &s));
	c->credential = s.row.id;
	header(c,
		fmt(all->tenants->world, "Cookie: us_session=%s%s", secret,
			k->fault == GARBLED ? "x" : ""));
	if (k->fault == CSRF_FOREIGN)
		csrf = all->csrf_of_others;
	all->csrf_of_others = csrf;
	if (k->fault != CSRF_MISSING)
		header(c, fmt(all->tenants->world, "X-CSRF-Token: %s", csrf));
	if (k->fault == ORIGIN_FOREIGN)
		header(c, "Origin: https://elsewhere.example");
	return UD_OK;
}

static enum ud_code add_callers(struct ud_ctx *cx, void *data)
{
	struct callers *all = data;

	for (size_t i = 0; i < UD_LEN(kinds); i++) {
		struct caller *c = &all->all[i];
		const struct kind *k = c->kind = &kinds[i];
		int role = k->role ? ud_enum_index(&ud_roles, k->role) : -1;

		c->roles = role >= 0 ? 1U << role : 0;
		c->bound = k->side != PROVIDER || k->on_behalf;
		c->base = k->side != PROVIDER ? k->side
			: k->on_behalf > 0    ? (enum side)(k->on_behalf - 1)
					      : FIRST;
		if (k->means == NOTHING)
			continue;
		UD_TRY(add_principal(cx, all, c));
		UD_TRY(k->means == SESSION ? add_session(cx, all, c) : add_token(cx, all, c));
		if (k->on_behalf)
			header(c,
				fmt(all->tenants->world, "Understudy-On-Behalf-Of: %s",
					k->on_behalf > 0 ? all->tenants->customer[k->on_behalf - 1]
							 : tenants_missing(all->tenants, "cus")));
	}
	return UD_OK;
}

/* Take away what the callers of these kinds used a moment ago. */
static enum ud_code spoil(struct ud_ctx *cx, void *data)
{
	struct callers *all = data;

	for (size_t i = 0; i < UD_LEN(kinds); i++) {
		const struct caller *c = &all->all[i];
		bool service = c->kind->means == SERVICE;

		if (c->kind->fault == REVOKED)
			UD_TRY(ud_exec(cx, NULL,
				c->kind->means == SESSION ? "DELETE FROM sessions WHERE id = $1"
							  : "DELETE FROM tokens WHERE id = $1",
				UD_VALS(ud_t(c->credential))));
		if (c->kind->fault == DISABLED)
			UD_TRY(ud_exec(cx, NULL,
				service ? "UPDATE service_accounts SET state = 'disabled' WHERE id = $1"
					: "UPDATE users SET state = 'deactivated' WHERE id = $1",
				UD_VALS(ud_t(c->principal))));
	}
	return UD_OK;
}

struct reply callers_call(struct callers *all, const struct caller *c, const char *method,
	const char *path, const char *body, bool key)
{
	const char *headers[UD_LEN(c->headers) + 2] = { "If-Match: *" };
	size_t n = 1;

	for (size_t i = 0; c->headers[i]; i++)
		headers[n++] = c->headers[i];
	if (key)
		headers[n++] = "Idempotency-Key: tried-dry";
	return call(all->tenants->world, NOBODY, method, path, body, headers);
}

void callers_add(struct callers *all, const struct tenants *t)
{
	struct world *w = t->world;

	*all = (struct callers){ .tenants = t, .count = UD_LEN(kinds) };
	_Static_assert(UD_LEN(kinds) <= UD_LEN(all->all), "room for every kind");
	world_write(w, add_callers, all);
	for (size_t i = 0; i < UD_LEN(kinds); i++)
		if (kinds[i].fault == REVOKED || kinds[i].fault == DISABLED)
			assert_int_equal(
				callers_call(all, &all->all[i], "GET", "/v1/me", NULL, false)
					.status,
				200);
	world_write(w, spoil, all);
}

/* The body of a chunked answer as far as it has come; a word may be cut in two by a chunk's end. */
static const char *body_of(struct world *w, const char *text)
{
	const char *p = strstr(text, "\r\n\r\n"), *body = "";
	size_t left = p ? strlen(p += 4) : 0;

	while (left) {
		char *end = NULL;
		size_t n = strtoul(p, &end, 16), frame = (size_t)(end - p) + 2;

		if (!n || left <= frame)
			break;
		n = n < left - frame ? n : left - frame;
		body = fmt(w, "%s%.*s", body, (int)n, end + 2);
		p = end + 2 + n;
		left -= frame + n;
		p += left >= 2 ? 2 : left;
		left -= left >= 2 ? 2 : left;
	}
	return body;
}

const char *callers_follow(
	struct callers *all, const struct caller *c, const char *path, const char *until)
{
	struct world *w = all->tenants->world;
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)w->server->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const char *request = fmt(w, "GET %s HTTP/1.1\r\nHost: localhost\r\n", path), *text = "";
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char part[4096];

	for (size_t i = 0; c->headers[i]; i++)
		request = fmt(w, "%s%s\r\n", request, c->headers[i]);
	request = fmt(w, "%s\r\n", request);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (long)strlen(request));
	while (!strstr(body_of(w, text), until)) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got = poll(&p, 1, 60000) > 0 ? recv(fd, part, sizeof(part) - 1, 0) : 0;

		if (got <= 0) {
			close(fd);
			fail_msg("%s: the stream does not say %s: %s", c->kind->name, until, text);
		}
		part[got] = 0;
		text = fmt(w, "%s%s", text, part);
	}
	close(fd);
	return body_of(w, text);
}
