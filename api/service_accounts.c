/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Service accounts and their tokens: programs that file and read, and never approve.
 */
#include <string.h>

#include "api/api.h"
#include "api/people.h"
#include "base/rules.h"
#include "db/events.h"
#include "server/http/list.h"

struct account_body {
	const char *name, *customer_id, *role;
	struct ud_texts roles;
};
/* clang-format off */
static const struct ud_field create_fields[] = {
	UD_FIELD(account_body, name,        .flags = UD_REQUIRED, .max = 100, .rule = ud_rule_name, .about = "Name, unique inside the customer."),
	UD_FIELD(account_body, customer_id, .refers = "cus", .about = "The customer it works for; null = the provider."),
	UD_FIELD(account_body, role,        .max = 40, .about = "One role; or send roles."),
	UD_FIELD(account_body, roles,       .max = 11, .values = &ud_roles, .about = "Several roles."),
};
/* clang-format on */
static const struct ud_shape create_shape = { .bare = true, UD_SHAPE(account_body, create_fields) };

static enum ud_code complete(struct ud_ctx *cx, void *row)
{
	struct ud_service_account *a = row;

	a->roles.text = ud_roles_json(cx, &a->role_names, a->row.customer_id);
	return UD_OK;
}

static const struct ud_resource accounts = { .table = &ud_service_accounts, .complete = complete };
static const struct ud_resource tokens = { .table = &ud_tokens, .parent_column = "principal_id" };

static enum ud_code create_account(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct account_body *in = rq->in;
	struct ud_service_account a = { .name = in->name, .row.customer_id = in->customer_id };

	if (cx->scope->customer_id)
		a.row.customer_id = cx->scope->customer_id;
	UD_TRY(ud_roles_settle(cx, in->role, &in->roles, a.row.customer_id, &a.role_names));
	UD_TRY(ud_rest_store(cx, &accounts, &rq->given, &a));
	UD_TRY(complete(cx, &a));
	return ud_answer(cx, rq, ud_service_accounts.shape, &a);
}

/* Whoever handles an account's tokens could use them: its roles must be among those the caller may
 * give. */
static enum ud_code load(struct ud_ctx *cx, struct ud_request *rq, struct ud_service_account *ret)
{
	struct ud_texts ignored;

	UD_TRY(ud_row_get(cx, &ud_service_accounts, rq->arg[0], ret));
	return ud_roles_settle(cx, NULL, &ret->role_names, ret->row.customer_id, &ignored);
}

static enum ud_code edit_account(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_service_account a = { 0 };

	UD_TRY(load(cx, rq, &a));
	return ud_rest_edit(cx, rq);
}

static enum ud_code delete_account(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_service_account a = { 0 };

	UD_TRY(load(cx, rq, &a));
	UD_TRY(ud_check_match(cx, rq, a.row.version));
	UD_TRY(ud_sessions_end(cx, a.row.id, NULL, true));
	return ud_rest_delete(cx, rq);
}

static enum ud_code list_tokens(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_service_account a = { 0 };

	UD_TRY(ud_row_get(cx, &ud_service_accounts, rq->arg[0], &a));
	return ud_rest_list(cx, rq);
}

static enum ud_code create_token(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_token t = *(const struct ud_token *)rq->in;
	struct ud_service_account a = { 0 };

	UD_TRY(load(cx, rq, &a));
	UD_TRY(ud_token_make(cx, "uss", a.row.id, a.row.customer_id, &t));
	return ud_answer(cx, rq, ud_tokens.shape, &t);
}

struct rotate_body {
	int64_t overlap_seconds;
};
static const struct ud_field rotate_fields[] = {
	UD_FIELD(rotate_body, overlap_seconds, .max = 7 * 24 * 3600, .standard = 3600,
		.about = "How long the old secret goes on; 0 = it ends at once."),
};
static const struct ud_shape rotate_shape = { .bare = true, UD_SHAPE(rotate_body, rotate_fields) };

/* One of the account's tokens. */
static enum ud_code load_token(struct ud_ctx *cx, struct ud_request *rq,
	struct ud_service_account *ret_account, struct ud_token *ret)
{
	UD_TRY(load(cx, rq, ret_account));
	UD_TRY(ud_row_get(cx, &ud_tokens, rq->arg[1], ret));
	if (strcmp(ret->principal_id, ret_account->row.id) != 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no token with this id.");
	return UD_OK;
}

/* A new secret that may what the old one may and lasts as long; the old one ends after a while, so
 * that the program can be told. */
static enum ud_code rotate_token(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct rotate_body *in = rq->in;
	int64_t end = cx->now_ms + in->overlap_seconds * 1000;
	struct ud_service_account a = { 0 };
	struct ud_token old = { 0 };

	UD_TRY(load_token(cx, rq, &a, &old));
	if (old.parent_id)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"It is a short token: the program gets another one by itself.");
	struct ud_token ending = old,
			t = { .name = old.name,
				.scopes = old.scopes,
				.addresses = old.addresses,
				.expires_at.ms =
					cx->now_ms + old.expires_at.ms - old.row.created_at.ms };

	UD_TRY(ud_token_make(cx, "uss", a.row.id, a.row.customer_id, &t));
	if (end < old.expires_at.ms) {
		ending.expires_at.ms = end;
		UD_TRY(ud_row_update(cx, &ud_tokens, &old, &ending));
		UD_TRY(ud_event_add(cx, "rotated", ud_tokens.shape, &old, &ending));
		UD_TRY(ud_tokens_shorten(cx, old.row.id, end));
	}
	return ud_answer(cx, rq, ud_tokens.shape, &t);
}

static enum ud_code delete_token(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_service_account a = { 0 };
	struct ud_token t = { 0 };

	UD_TRY(load_token(cx, rq, &a, &t));
	UD_TRY(ud_row_delete(cx, &ud_tokens, &t));
	UD_TRY(ud_event_add(cx, "deleted", ud_tokens.shape, &t, NULL));
	return ud_answer_none(cx, rq);
}

enum {
	MANAGE = UD_CUSTOMER_ADMIN | UD_R(SUPPORT_LEAD) | UD_OPERATOR,
	SEE = MANAGE | UD_R(AUDITOR)
};

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",    "/v1/service-accounts",                       "service-accounts.list",          SEE,    "service-accounts:read",  UD_LIST, .resource = &accounts, .handle = ud_rest_list, .about = "List service accounts." },
	{ "POST",   "/v1/service-accounts",                       "service-accounts.create",        MANAGE, "service-accounts:write", UD_WRITE | UD_STEP_UP, &create_shape, NULL, 201, &accounts, NULL, create_account, "Create a service account." },
	{ "GET",    "/v1/service-accounts/{id}",                  "service-accounts.show",          SEE,    "service-accounts:read",  0, .resource = &accounts, .handle = ud_rest_show, .about = "Show one service account." },
	{ "PATCH",  "/v1/service-accounts/{id}",                  "service-accounts.edit",          MANAGE, "service-accounts:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &accounts, .handle = edit_account, .about = "Rename, disable or enable a service account." },
	{ "DELETE", "/v1/service-accounts/{id}",                  "service-accounts.delete",        MANAGE, "service-accounts:write", UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = &accounts, .handle = delete_account, .about = "Delete a service account with its tokens." },
	{ "GET",    "/v1/service-accounts/{id}/tokens",           "service-accounts.tokens.list",   SEE,    "service-accounts:read",  UD_LIST, .resource = &tokens, .handle = list_tokens, .about = "List the tokens of a service account." },
	{ "POST",   "/v1/service-accounts/{id}/tokens",           "service-accounts.tokens.create", MANAGE, "service-accounts:write", UD_WRITE | UD_STEP_UP | UD_NO_BODY_LOG, .status = 201, .resource = &tokens, .handle = create_token, .about = "Make a token of a service account; its secret is shown once." },
	{ "POST",   "/v1/service-accounts/{id}/tokens/{token_id}/rotate", "service-accounts.tokens.rotate", MANAGE, "service-accounts:write", UD_WRITE | UD_STEP_UP | UD_NO_BODY_LOG, &rotate_shape, .resource = &tokens, .handle = rotate_token, .about = "Make a new secret for a token, shown once; the old one ends after overlap_seconds." },
	{ "DELETE", "/v1/service-accounts/{id}/tokens/{token_id}", "service-accounts.tokens.delete", MANAGE, "service-accounts:write", UD_WRITE, .status = 204, .handle = delete_token, .about = "Revoke a token of a service account." },
};
/* clang-format on */
const struct ud_routes ud_api_service_accounts = { "Service accounts", rows, UD_LEN(rows) };
