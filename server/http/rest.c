/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The general handlers. What differs between resources stands in their tables.
 */
#include "server/http/rest.h"

#include <string.h>

#include "db/events.h"
#include "server/http/expand.h"
#include "server/http/list.h"

static enum ud_code complete(struct ud_ctx *cx, const struct ud_resource *res, void *row)
{
	return res->complete ? res->complete(cx, row) : UD_OK;
}

struct listing {
	struct ud_request *rq;
	const struct ud_resource *res;
	struct ud_page page;
	struct ud_expand expand;
	size_t n;
	void *last;
};

static enum ud_code add_row(struct ud_ctx *cx, void *data, const void *row)
{
	struct listing *l = data;
	const struct ud_shape *shape = l->res->table->shape;

	memcpy(l->last, row, shape->size);
	UD_TRY(complete(cx, l->res, l->last));
	if (l->n++)
		ud_buf_putc(&l->rq->out, ',');
	ud_shape_encode(&l->rq->out, shape, l->last, l->page.some_fields ? &l->page.only : NULL);
	return ud_expand_add(cx, l->rq, &l->expand, l->last);
}

enum ud_code ud_rest_list(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_resource *res = rq->route->resource;
	struct listing l = {
		.rq = rq, .res = res, .last = ud_alloc(cx->arena, res->table->shape->size)
	};
	int64_t total = UD_NONE;
	bool more = false;

	UD_TRY(ud_expand_read(cx, rq, res->table->shape, &l.expand));
	UD_TRY(ud_page_read(cx, rq, res->table, &l.page));
	if (res->parent_column)
		ud_list_where(&l.page.list, res->parent_column, UD_OP_EQ, ud_t(rq->arg[0]));
	if (l.page.count)
		UD_TRY(ud_row_count(cx, res->table, &l.page.list, &total));
	ud_page_open(rq);
	UD_TRY(ud_row_list(cx, res->table, &l.page.list, add_row, &l, &more));
	return ud_page_close(
		cx, rq, more ? ud_page_cursor(cx, rq, res->table, &l.page, l.last) : NULL, total);
}

/* The last {…} of the path names the object. */
static const char *object_id(const struct ud_request *rq)
{
	size_t i = 0;

	while (i + 1 < UD_MAX_ARGS && rq->arg[i + 1])
		i++;
	return rq->arg[i];
}

enum ud_code ud_rest_show(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_resource *res = rq->route->resource;
	void *row = ud_alloc(cx->arena, res->table->shape->size);

	struct ud_expand expand;

	UD_TRY(ud_expand_read(cx, rq, res->table->shape, &expand));
	UD_TRY(ud_row_get(cx, res->table, object_id(rq), row));
	UD_TRY(complete(cx, res, row));
	size_t headers = rq->header_count;

	UD_TRY(ud_answer(cx, rq, res->table->shape, row));
	if (expand.count) /* the version is the row's alone, no tag of all this */
		rq->header_count = headers;
	return ud_expand_add(cx, rq, &expand, row);
}

enum ud_code ud_rest_store(
	struct ud_ctx *cx, const struct ud_resource *res, const struct ud_given *given, void *row)
{
	if (res->check)
		UD_TRY(res->check(cx, NULL, row));
	if (res->before)
		UD_TRY(res->before(cx, given, NULL, row));
	UD_TRY(ud_row_insert(cx, res->table, row));
	return ud_event_add(cx, "created", res->table->shape, NULL, row);
}

enum ud_code ud_rest_create(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_resource *res = rq->route->resource;
	const struct ud_shape *shape = res->table->shape;
	void *row = ud_alloc(cx->arena, shape->size);

	/* the write may run twice: start from the body each time */
	memcpy(row, rq->in, shape->size);
	UD_TRY(ud_rest_store(cx, res, &rq->given, row));
	UD_TRY(complete(cx, res, row));
	return ud_answer(cx, rq, shape, row);
}

enum ud_code ud_rest_change(struct ud_ctx *cx, const struct ud_resource *res,
	const struct ud_given *given, const char *verb, const void *old_row, void *row)
{
	if (res->check)
		UD_TRY(res->check(cx, old_row, row));
	if (res->before)
		UD_TRY(res->before(cx, given, old_row, row));
	UD_TRY(ud_row_update(cx, res->table, old_row, row));
	return ud_event_add(cx, verb, res->table->shape, old_row, row);
}

/* A tenant may not give its rows away, nor take others'. */
static enum ud_code check_owner(struct ud_ctx *cx, const struct ud_given *given,
	const struct ud_row *old_row, const struct ud_row *row)
{
	if (!given->customer_id || !cx->scope->customer_id)
		return UD_OK;
	if (row->customer_id && old_row->customer_id &&
		strcmp(row->customer_id, old_row->customer_id) == 0)
		return UD_OK;
	return ud_fail_field(
		cx, "customer_id", "fixed", "customer_id can be changed by staff only.");
}

/* Shared rows are the provider's: customers see them and leave them alone. */
static enum ud_code check_shared(
	struct ud_ctx *cx, const struct ud_table *t, const struct ud_row *row)
{
	if (cx->scope->customer_id && !row->customer_id)
		return ud_fail(cx, UD_E_ROLE_MISSING, NULL, "This %s belongs to the provider.",
			t->shape->object);
	return UD_OK;
}

enum ud_code ud_rest_edit(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_resource *res = rq->route->resource;
	const struct ud_shape *shape = res->table->shape;
	void *old_row = ud_alloc(cx->arena, shape->size), *row = ud_alloc(cx->arena, shape->size);

	UD_TRY(ud_row_get(cx, res->table, object_id(rq), old_row));
	UD_TRY(check_shared(cx, res->table, old_row));
	UD_TRY(ud_check_match(cx, rq, ((struct ud_row *)old_row)->version));
	memcpy(row, old_row, shape->size);
	UD_TRY(ud_shape_decode(cx, shape, UD_PATCH, rq->json, row, &rq->given));
	UD_TRY(check_owner(cx, &rq->given, old_row, row));
	UD_TRY(ud_rest_change(cx, res, &rq->given, "updated", old_row, row));
	UD_TRY(complete(cx, res, row));
	return ud_answer(cx, rq, shape, row);
}

enum ud_code ud_rest_delete(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_resource *res = rq->route->resource;
	void *row = ud_alloc(cx->arena, res->table->shape->size);

	UD_TRY(ud_row_get(cx, res->table, object_id(rq), row));
	UD_TRY(check_shared(cx, res->table, row));
	UD_TRY(ud_check_match(cx, rq, ((struct ud_row *)row)->version));
	if (res->before)
		UD_TRY(res->before(cx, &rq->given, row, NULL));
	UD_TRY(ud_row_delete(cx, res->table, row));
	UD_TRY(ud_event_add(cx, "deleted", res->table->shape, row, NULL));
	return ud_answer_none(cx, rq);
}
