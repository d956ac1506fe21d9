/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are looked up in the field tables, objects by the rows of the routes that show them: their
 * roles, their scope and their tenancy hold here, too. An object that many rows of a list name is
 * read once.
 */
#include "server/http/expand.h"

#include <string.h>

#include "server/auth/auth.h"
#include "server/http/rest.h"
#include "server/http/server.h"

/* An object as it was written, for the next row that names it. */
struct ud_expanded {
	const char *id, *text;
	int wanted;
	struct ud_expanded *next;
};

/* The route that shows one object with ids of this prefix. */
static const struct ud_route *shower(const struct ud_server *server, const char *prefix)
{
	for (const struct ud_routes *const *part = server->routes; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++) {
			const struct ud_route *r = &(*part)->rows[i];
			const char *of = r->resource ? r->resource->table->shape->prefix : NULL;

			if (of && r->handle == ud_rest_show && strcmp(of, prefix) == 0)
				return r;
		}
	return NULL;
}

/* The field that a name stands for; *ret_prefix of the ids in it, NULL when there is none. */
static const struct ud_field *named(
	struct ud_ctx *cx, const struct ud_shape *shape, const char *name, const char **ret_prefix)
{
	int i = ud_shape_find(shape, ud_printf(cx->arena, "%s_id", name));
	bool shown = i >= 0 && !(shape->fields[i].flags & (UD_SECRET | UD_INPUT));

	*ret_prefix = shown ? shape->fields[i].refers : NULL;
	if (strcmp(name, "customer") == 0 && !shape->bare)
		*ret_prefix = "cus";
	return shown ? &shape->fields[i] : NULL;
}

static enum ud_code may_read(
	struct ud_ctx *cx, const struct ud_request *rq, const struct ud_route *r)
{
	const struct ud_scope *s = &rq->scope;

	if (!(r->roles & s->roles))
		return ud_fail(cx, UD_E_ROLE_MISSING, "expand",
			"%s shows you nothing: your role may not read it.", r->path);
	if (s->token_scopes && !ud_auth_scope_covers(s->token_scopes, r->scope))
		return ud_fail(
			cx, UD_E_SCOPE_MISSING, "expand", "This needs the scope %s.", r->scope);
	return UD_OK;
}

/* One name below a parent (-1 = the answer itself); *ret = where it stands, old or new. */
static enum ud_code want(struct ud_ctx *cx, struct ud_request *rq, const struct ud_shape *shape,
	const char *name, struct ud_expand *e, int *ret)
{
	struct ud_expansion x = { .name = name, .parent = *ret };
	const char *prefix = NULL;

	for (size_t i = 0; i < e->count; i++)
		if (e->wanted[i].parent == x.parent && strcmp(e->wanted[i].name, name) == 0) {
			*ret = (int)i;
			return UD_OK;
		}
	x.field = named(cx, shape, name, &prefix);
	x.shows = prefix ? shower(rq->server, prefix) : NULL;
	if (!x.shows)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "expand",
			"%s cannot be expanded: it names no object of its own here.", name);
	if (e->count == UD_EXPAND_MAX)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "expand", "expand has at most %d names.",
			UD_EXPAND_MAX);
	UD_TRY(may_read(cx, rq, x.shows));
	e->wanted[e->count] = x;
	*ret = (int)e->count++;
	return UD_OK;
}

enum ud_code ud_expand_read(struct ud_ctx *cx, struct ud_request *rq, const struct ud_shape *shape,
	struct ud_expand *ret)
{
	const char *text = ud_request_param(rq, "expand");

	memset(ret, 0, sizeof(*ret));
	for (; text && *text; text += strcspn(text, ",") + (text[strcspn(text, ",")] == ',')) {
		size_t n = strcspn(text, ","), first = strcspn(text, ".,");
		int at = -1;

		UD_TRY(want(cx, rq, shape, ud_strndup(cx->arena, text, first), ret, &at));
		if (first == n)
			continue;
		const char *second = ud_strndup(cx->arena, text + first + 1, n - first - 1);

		if (strchr(second, '.'))
			return ud_fail(cx, UD_E_PARAMETER_INVALID, "expand",
				"expand goes two levels deep.");
		UD_TRY(want(
			cx, rq, ret->wanted[at].shows->resource->table->shape, second, ret, &at));
	}
	return UD_OK;
}

static const struct ud_expanded *find_known(const struct ud_expand *e, int wanted, const char *id)
{
	const struct ud_expanded *k = e->known;

	while (k && (k->wanted != wanted || strcmp(k->id, id) != 0))
		k = k->next;
	return k;
}

static enum ud_code add_members(
	struct ud_ctx *cx, struct ud_buf *b, struct ud_expand *e, int parent, const void *row);

/* The object with this id as text, in the arena; "null" when the caller does not see it. */
static enum ud_code text_of(
	struct ud_ctx *cx, struct ud_expand *e, int wanted, const char *id, const char **ret)
{
	const struct ud_resource *res = e->wanted[wanted].shows->resource;
	void *row = ud_alloc(cx->arena, res->table->shape->size);
	struct ud_problem before = cx->problem;
	struct ud_buf b = { 0 };
	enum ud_code code = ud_row_get(cx, res->table, id, row);

	*ret = "null";
	if (code == UD_E_NOT_FOUND) {
		cx->problem = before;
		return UD_OK;
	}
	if (code == UD_OK && res->complete)
		code = res->complete(cx, row);
	if (code == UD_OK) {
		ud_shape_encode(&b, res->table->shape, row, NULL);
		code = add_members(cx, &b, e, wanted, row);
	}
	if (code == UD_OK)
		*ret = ud_buf_take(cx->arena, &b);
	return code;
}

static enum ud_code member(
	struct ud_ctx *cx, struct ud_expand *e, int wanted, const char *id, const char **ret)
{
	const struct ud_expanded *known = find_known(e, wanted, id);

	if (!known) {
		struct ud_expanded *k = ud_alloc(cx->arena, sizeof(*k));

		UD_TRY(text_of(cx, e, wanted, id, &k->text));
		k->id = ud_strdup(cx->arena, id);
		k->wanted = wanted;
		k->next = e->known;
		known = e->known = k;
	}
	*ret = known->text;
	return UD_OK;
}

/* Into an object that ends the buffer: everything wanted inside of it. */
static enum ud_code add_members(
	struct ud_ctx *cx, struct ud_buf *b, struct ud_expand *e, int parent, const void *row)
{
	for (size_t i = 0; i < e->count; i++) {
		const struct ud_expansion *x = &e->wanted[i];

		if (x->parent != parent)
			continue;
		const char *text = "null",
			   *id = x->field ? *ud_field_text(x->field, row)
					  : ((const struct ud_row *)row)->customer_id;

		if (id)
			UD_TRY(member(cx, e, (int)i, id, &text));
		b->len--;
		ud_buf_printf(b, ",\"%s\":", x->name);
		ud_buf_puts(b, text);
		ud_buf_putc(b, '}');
	}
	return UD_OK;
}

enum ud_code ud_expand_add(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_expand *expand, const void *row)
{
	return expand->count ? add_members(cx, &rq->out, expand, -1, row) : UD_OK;
}
