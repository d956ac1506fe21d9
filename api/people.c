/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about people that more than one resource needs.
 */
#include "api/people.h"

#include <string.h>

#include "base/id.h"
#include "db/events.h"
#include "server/auth/auth.h"
#include "server/http/server.h"

static const int64_t day_ms = INT64_C(86400000);

const char *ud_lower(ud_arena *arena, const char *text)
{
	char *copy = ud_strdup(arena, text);

	for (char *p = copy; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return copy;
}

bool ud_factor_wanted(const struct ud_server *server, const struct ud_user *u)
{
	const char *who = server->settings.require_mfa;

	return strcmp(who, "all") == 0 || (strcmp(who, "staff") == 0 && !u->row.customer_id);
}

/*
 * Who may give which roles: people give what their office decides on, service accounts nothing that
 * is more than they have themselves.
 */
static const struct {
	uint32_t giver, by_people, by_programs;
} grants[] = {
	{ UD_R(CUSTOMER_ADMIN), UD_CUSTOMER, UD_CUSTOMER },
	{ UD_R(SUPPORT_LEAD), UD_CUSTOMER | UD_SUPPORT | UD_R(AUDITOR),
		UD_CUSTOMER | UD_SUPPORT | UD_R(AUDITOR) },
	{ UD_R(OPERATOR),
		UD_CUSTOMER | UD_SUPPORT | UD_R(AUDITOR) | UD_R(OPERATOR) | UD_R(SCHEDULER),
		UD_CUSTOMER | UD_R(AUDITOR) | UD_R(OPERATOR) | UD_R(SCHEDULER) },
};

uint32_t ud_roles_may_give(const struct ud_scope *scope)
{
	bool program = scope->kind == UD_PRINCIPAL_SERVICE_ACCOUNT;
	uint32_t roles = 0;

	if (scope->kind == UD_PRINCIPAL_SYSTEM)
		return UINT32_MAX;
	for (size_t i = 0; i < UD_LEN(grants); i++)
		if (scope->roles & grants[i].giver)
			roles |= program ? grants[i].by_programs : grants[i].by_people;
	return roles;
}

enum ud_code ud_roles_settle(struct ud_ctx *cx, const char *role, const struct ud_texts *roles,
	const char *customer_id, struct ud_texts *ret)
{
	struct ud_texts all = *roles;

	if (role && roles->count)
		return ud_fail_field(cx, "role", "excludes", "Send role or roles, not both.");
	if (role) {
		all.items = ud_alloc(cx->arena, sizeof(*all.items));
		all.items[0] = role;
		all.count = 1;
	}
	uint32_t bits = ud_role_bits(&all),
		 fitting = customer_id ? UD_CUSTOMER : UD_STAFF | UD_R(SCHEDULER);

	for (size_t i = 0; i < all.count; i++)
		if (ud_enum_index(&ud_roles, all.items[i]) < 0)
			return ud_fail_field(cx, role ? "role" : "roles", "not_allowed",
				"There is no role %s.", all.items[i]);
	if (!all.count)
		return ud_fail_field(cx, "role", "required", "role or roles is required.");
	if (bits & ~fitting)
		return ud_fail_field(cx, role ? "role" : "roles", "not_allowed",
			customer_id ? "Somebody of a customer has customer roles."
				    : "Somebody of the provider has staff roles.");
	if (bits & ~ud_roles_may_give(cx->scope))
		return ud_fail(cx, UD_E_ROLE_MISSING, role ? "role" : "roles",
			"You may not give this role.");
	*ret = all;
	return UD_OK;
}

void ud_become(struct ud_request *rq, const struct ud_user *u)
{
	rq->scope.kind = UD_PRINCIPAL_USER;
	rq->scope.id = u->row.id;
	rq->scope.name = u->display_name;
	rq->scope.customer_id = rq->scope.home_customer_id = u->row.customer_id;
	rq->scope.roles = ud_role_bits(&u->role_names);
}

enum ud_code ud_token_scopes(struct ud_ctx *cx, const struct ud_texts *wanted)
{
	const struct ud_texts *own = cx->scope->token_scopes;

	for (size_t i = 0; own && i < wanted->count; i++)
		if (!ud_auth_scope_covers(own, wanted->items[i]))
			return ud_fail(cx, UD_E_SCOPE_MISSING, "scopes",
				"The token you use does not have %s itself.", wanted->items[i]);
	return UD_OK;
}

enum ud_code ud_token_make(struct ud_ctx *cx, const char *prefix, const char *principal_id,
	const char *customer_id, struct ud_token *t)
{
	int64_t end = t->expires_at.ms;

	UD_TRY(ud_token_scopes(cx, &t->scopes));
	if (end == 0 || end == UD_NONE)
		end = cx->now_ms + 90 * day_ms;
	if (end <= cx->now_ms || end > cx->now_ms + 366 * day_ms)
		return ud_fail_field(
			cx, "expires_at", "out_of_range", "expires_at is ahead by a year at most.");
	t->expires_at.ms = end;
	t->principal_id = principal_id;
	t->row.customer_id = customer_id;
	t->token = ud_secret_new(cx->arena, cx->env, prefix);
	t->secret_hash = ud_auth_hash(cx, t->token);
	UD_TRY(ud_row_insert(cx, &ud_tokens, t));
	const char *secret = t->token;

	t->token = NULL; /* the record must not know it */
	enum ud_code code = ud_event_add(cx, "created", ud_tokens.shape, NULL, t);

	t->token = secret;
	return code;
}
