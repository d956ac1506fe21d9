/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A person's saved views: nobody else's to see or to change, also not inside the tenant.
 */
#include "db/saved_views.h"

#include <string.h>

#include "api/api.h"
#include "api/people.h"

enum { VIEWS_MAX = 100 };

/* A person's things do not change hands. */
static enum ud_code check(struct ud_ctx *cx, const void *old_row, void *row)
{
	const struct ud_saved_view *old = old_row, *v = row;
	const char *before = old && old->row.customer_id ? old->row.customer_id : "",
		   *now = v->row.customer_id ? v->row.customer_id : "";

	return !old || strcmp(before, now) == 0
		? UD_OK
		: ud_fail_field(cx, "customer_id", "fixed", "customer_id stays as it is.");
}

static const struct ud_resource views = {
	.table = &ud_saved_views, .check = check, .parent_column = "user_id"
};

static enum ud_code list(struct ud_ctx *cx, struct ud_request *rq)
{
	rq->arg[0] = cx->scope->id;
	return ud_rest_list(cx, rq);
}

static enum ud_code create(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_saved_view v = *(const struct ud_saved_view *)rq->in;
	struct ud_list mine = { .limit = 1 };
	struct ud_user u = { 0 };
	int64_t n = 0;

	UD_TRY(ud_own_user(cx, rq, &u));
	ud_list_where(&mine, "user_id", UD_OP_EQ, ud_t(u.row.id));
	UD_TRY(ud_row_count(cx, &ud_saved_views, &mine, &n));
	if (n >= VIEWS_MAX)
		return ud_fail(
			cx, UD_E_EXHAUSTED, NULL, "A person keeps at most %d views.", VIEWS_MAX);
	v.user_id = u.row.id;
	v.row.customer_id = u.row.customer_id;
	UD_TRY(ud_rest_store(cx, &views, &rq->given, &v));
	return ud_answer(cx, rq, ud_saved_views.shape, &v);
}

/* The general handlers, for one's own alone. */
static enum ud_code own(struct ud_ctx *cx, struct ud_request *rq, ud_handler *handle)
{
	struct ud_saved_view v = { 0 };

	UD_TRY(ud_row_get(cx, &ud_saved_views, rq->arg[0], &v));
	if (!cx->scope->id || strcmp(v.user_id, cx->scope->id) != 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no saved_view with this id.");
	return handle(cx, rq);
}

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	return own(cx, rq, ud_rest_show);
}

static enum ud_code edit(struct ud_ctx *cx, struct ud_request *rq)
{
	return own(cx, rq, ud_rest_edit);
}

static enum ud_code drop(struct ud_ctx *cx, struct ud_request *rq)
{
	return own(cx, rq, ud_rest_delete);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",    "/v1/me/saved-views",      "me.saved-views.list",   UD_PEOPLE, "me:read",  UD_LIST, .resource = &views, .handle = list, .about = "List one's own saved views." },
	{ "POST",   "/v1/me/saved-views",      "me.saved-views.create", UD_PEOPLE, "me:write", UD_WRITE, .status = 201, .resource = &views, .handle = create, .about = "Keep a filter and order of a list under a name." },
	{ "GET",    "/v1/me/saved-views/{id}", "me.saved-views.show",   UD_PEOPLE, "me:read",  0, .resource = &views, .handle = show, .about = "Show one of one's own saved views." },
	{ "PATCH",  "/v1/me/saved-views/{id}", "me.saved-views.edit",   UD_PEOPLE, "me:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &views, .handle = edit, .about = "Change one of one's own saved views." },
	{ "DELETE", "/v1/me/saved-views/{id}", "me.saved-views.delete", UD_PEOPLE, "me:write", UD_WRITE, .status = 204, .resource = &views, .handle = drop, .about = "Forget one of one's own saved views." },
};
/* clang-format on */
const struct ud_routes ud_api_saved_views = { "Saved views", rows, UD_LEN(rows) };
