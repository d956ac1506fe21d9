/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading list parameters against the field table. A column name that reaches SQL always comes from
 * the table.
 */
#include "server/http/list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "server/http/respond.h"
#include "server/http/server.h"
#include "server/http/target.h"

enum { CURSOR_MAC = 16 };

/* Members every row has, as fields, so that filters and orders treat them alike. */
static const struct ud_field common[] = {
	{ .name = "id",
		.type = UD_TEXT,
		.offset = offsetof(struct ud_row, id),
		.flags = UD_FILTER | UD_SORT },
	{ .name = "customer_id",
		.type = UD_TEXT,
		.offset = offsetof(struct ud_row, customer_id),
		.refers = "cus",
		.flags = UD_FILTER },
	{ .name = "created_at",
		.type = UD_INSTANT,
		.offset = offsetof(struct ud_row, created_at),
		.flags = UD_FILTER | UD_SORT },
	{ .name = "updated_at",
		.type = UD_INSTANT,
		.offset = offsetof(struct ud_row, updated_at),
		.flags = UD_FILTER | UD_SORT },
};

static const struct ud_field *find_field(
	const struct ud_shape *shape, const char *name, unsigned flag)
{
	for (size_t i = 0; i < UD_LEN(common); i++)
		if (strcmp(common[i].name, name) == 0)
			return common[i].flags & flag ? &common[i] : NULL;
	int i = ud_shape_find(shape, name);

	return i >= 0 && shape->fields[i].flags & flag ? &shape->fields[i] : NULL;
}

static enum ud_code invalid(struct ud_ctx *cx, const char *name, const char *rule)
{
	return ud_fail(cx, UD_E_PARAMETER_INVALID, name, "%s %s", name, rule);
}

enum ud_code ud_page_limit(struct ud_ctx *cx, struct ud_request *rq, size_t *ret)
{
	const char *text = ud_request_param(rq, "limit");
	char *end = NULL;
	long n = text ? strtol(text, &end, 10) : 50;

	if (text && (end == text || *end || n < 1 || n > UD_LIST_MAX))
		return invalid(cx, "limit", "is between 1 and 200.");
	*ret = (size_t)n;
	return UD_OK;
}

/* One value of a filter, as the column stores it. */
static enum ud_code read_value(
	struct ud_ctx *cx, const struct ud_field *f, const char *text, struct ud_val *ret)
{
	int64_t ms;
	char *end;

	switch (f->type) {
	case UD_INT:
		*ret = ud_i(strtoll(text, &end, 10));
		return *text && !*end ? UD_OK : invalid(cx, f->name, "is an integer.");
	case UD_BOOL:
		*ret = ud_i(strcmp(text, "true") == 0);
		return strcmp(text, "true") == 0 || strcmp(text, "false") == 0
			? UD_OK
			: invalid(cx, f->name, "is true or false.");
	case UD_ENUM:
		*ret = ud_t(text);
		return ud_enum_index(f->values, text) >= 0
			? UD_OK
			: invalid(cx, f->name, ud_printf(cx->arena, "has no value %s.", text));
	case UD_INSTANT:
		if (!ud_time_parse(text, &ms))
			return invalid(cx, f->name, "is an instant such as 2026-11-23T09:41:07Z.");
		*ret = ud_i(ms);
		return UD_OK;
	default:
		*ret = ud_t(text);
		return UD_OK;
	}
}

static enum ud_code add_values(
	struct ud_ctx *cx, const struct ud_field *f, struct ud_condition *c, const char *text)
{
	while (c->count < UD_MAX_VALUES) {
		size_t n = strcspn(text, ",");

		UD_TRY(read_value(cx, f, ud_strndup(cx->arena, text, n), &c->values[c->count++]));
		if (!text[n])
			return UD_OK;
		text += n + 1;
	}
	return invalid(cx, f->name, "has at most 20 values.");
}

static enum ud_code add_label(
	struct ud_ctx *cx, struct ud_list *list, const char *key, size_t n, const char *value)
{
	struct ud_buf b = { 0 };

	ud_buf_json(&b, ud_strndup(cx->arena, key, n));
	ud_buf_putc(&b, ':');
	ud_buf_json(&b, value);
	ud_list_where(list, "labels", UD_OP_LABEL, ud_t(ud_buf_take(cx->arena, &b)));
	return UD_OK;
}

/* "created_at[gte]" into field and operator. */
/* "null" asks for rows without a value where it cannot be one: of ids, instants and integers. */
static bool asks_for_none(const struct ud_field *f, const struct ud_condition *c, const char *text)
{
	return strcmp(text, "null") == 0 && (c->op == UD_OP_EQ || c->op == UD_OP_NE) &&
		(f->refers || f->type == UD_INSTANT || f->type == UD_INT);
}

static enum ud_code add_filter(
	struct ud_ctx *cx, struct ud_list *list, const struct ud_shape *shape, struct ud_param *p)
{
	static const struct {
		const char *name;
		enum ud_op op;
	} operators[] = { { "", UD_OP_EQ }, { "[ne]", UD_OP_NE }, { "[gte]", UD_OP_GTE },
		{ "[gt]", UD_OP_GT }, { "[lte]", UD_OP_LTE }, { "[lt]", UD_OP_LT } };
	size_t n = strcspn(p->name, "[");
	const char *name = ud_strndup(cx->arena, p->name, n), *rest = p->name + n;
	size_t rest_n = strlen(rest);

	if (list->condition_count >= UD_MAX_CONDITIONS - 2)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, p->name, "At most %d filters at once.",
			UD_MAX_CONDITIONS - 2);
	if (strcmp(name, "label") == 0 && rest_n > 2 && rest[rest_n - 1] == ']')
		return add_label(cx, list, rest + 1, rest_n - 2, p->value);
	const struct ud_field *f = find_field(shape, name, UD_FILTER);

	for (size_t i = 0; f && i < UD_LEN(operators); i++) {
		if (strcmp(operators[i].name, rest) != 0)
			continue;
		struct ud_condition *c = &list->conditions[list->condition_count++];

		c->column = f->name;
		c->op = operators[i].op;
		if (asks_for_none(f, c, p->value)) {
			c->op = c->op == UD_OP_EQ ? UD_OP_NULL : UD_OP_NOT_NULL;
			return UD_OK;
		}
		UD_TRY(add_values(cx, f, c, p->value));
		bool single = c->op != UD_OP_EQ && c->op != UD_OP_NE;

		return single && c->count > 1 ? invalid(cx, p->name, "takes one value.") : UD_OK;
	}
	return ud_fail(
		cx, UD_E_UNKNOWN_PARAMETER, p->name, "There is no parameter %s here.", p->name);
}

static enum ud_code read_filters(struct ud_ctx *cx, struct ud_request *rq,
	const struct ud_shape *shape, struct ud_list *list)
{
	static const char *const others[] = { "limit", "cursor", "sort", "fields", "count", "q",
		"expand" };

	for (size_t i = 0; i < rq->param_count; i++) {
		struct ud_param *p = &rq->params[i];
		bool other = false;

		for (size_t j = 0; j < UD_LEN(others); j++)
			other |= strcmp(p->name, others[j]) == 0;
		if (other || p->used)
			continue;
		p->used = true;
		UD_TRY(add_filter(cx, list, shape, p));
	}
	return UD_OK;
}

static enum ud_code read_sort(
	struct ud_ctx *cx, const char *text, const struct ud_shape *shape, struct ud_list *list)
{
	while (text && *text) {
		bool down = *text == '-';
		size_t n = strcspn(text + down, ",");
		const char *name = ud_strndup(cx->arena, text + down, n);
		const struct ud_field *f = find_field(shape, name, UD_SORT);

		if (!f || list->sort_count == UD_MAX_SORT)
			return ud_fail(cx, UD_E_PARAMETER_INVALID, "sort",
				f ? "sort has at most three fields."
				  : "Lists cannot be sorted by %s.",
				name);
		if (strcmp(f->name, "id") != 0 || down)
			list->sort[list->sort_count++] = (struct ud_sort){ f->name, down };
		text += down + n;
		text += *text == ',';
	}
	return UD_OK;
}

/* Filter and order as text: what a cursor must have been made for. */
static const char *binding_of(struct ud_ctx *cx, struct ud_request *rq, const struct ud_table *t)
{
	const char *out = ud_printf(cx->arena, "%s %s", rq->path, t->shape->table);

	for (size_t i = 0; i < rq->param_count; i++) {
		const struct ud_param *p = &rq->params[i];

		if (strcmp(p->name, "cursor") != 0 && strcmp(p->name, "limit") != 0 &&
			strcmp(p->name, "count") != 0 && strcmp(p->name, "fields") != 0 &&
			strcmp(p->name, "expand") != 0)
			out = ud_printf(cx->arena, "%s\n%s=%s", out, p->name, p->value);
	}
	return out;
}

static void cursor_mac(struct ud_ctx *cx, const struct ud_request *rq, const char *binding,
	const char *text, size_t n, unsigned char mac[UD_SHA256])
{
	const char *all = ud_printf(cx->arena, "list %s\n%s\n%.*s",
		cx->scope->customer_id ? cx->scope->customer_id : "*", binding, (int)n, text);

	ud_hmac_sha256(
		rq->server->keys.cursor, sizeof(rq->server->keys.cursor), all, strlen(all), mac);
}

/* A sort value as a JSON value of the cursor. */
static void cursor_value(struct ud_buf *b, const struct ud_field *f, const void *row)
{
	if (f->type == UD_INSTANT)
		ud_buf_int(b, ud_field_time(f, row)->ms);
	else
		ud_field_encode(b, f, row);
}

const char *ud_page_cursor(struct ud_ctx *cx, const struct ud_request *rq, const struct ud_table *t,
	const struct ud_page *page, const void *row)
{
	struct ud_buf b = { 0 };
	unsigned char mac[UD_SHA256];

	ud_buf_printf(&b, "[%lld", (long long)cx->now_ms);
	for (size_t i = 0; i < page->list.sort_count; i++) {
		ud_buf_putc(&b, ',');
		cursor_value(&b, find_field(t->shape, page->list.sort[i].column, UD_SORT), row);
	}
	ud_buf_printf(&b, ",\"%s\"]", ((const struct ud_row *)row)->id);
	cursor_mac(cx, rq, page->binding, b.data, b.len, mac);
	ud_buf_add(&b, mac, CURSOR_MAC);
	const char *text = ud_base64url(cx->arena, b.data, b.len);

	ud_buf_free(&b);
	return text;
}

static enum ud_code bad_cursor(struct ud_ctx *cx, const char *detail)
{
	return ud_fail(cx, UD_E_CURSOR_INVALID, "cursor", "%s", detail);
}

/* The values of a parsed cursor; its MAC was right, so only a bug of ours could make it not fit. */
static enum ud_code take_values(struct ud_ctx *cx, json_t *values, struct ud_list *list)
{
	size_t n = json_array_size(values);

	if (n != list->sort_count + 2)
		return bad_cursor(cx, "The cursor does not fit the order.");
	if (cx->now_ms - json_integer_value(json_array_get(values, 0)) > UD_CURSOR_MS)
		return ud_fail(
			cx, UD_E_CURSOR_EXPIRED, "cursor", "The cursor is older than 24 hours.");
	for (size_t i = 1; i < n; i++) {
		json_t *v = json_array_get(values, i);

		list->after[i - 1] = json_is_integer(v) ? ud_i(json_integer_value(v))
			: json_is_boolean(v)            ? ud_i(json_is_true(v))
					     : ud_t(ud_strdup(cx->arena, json_string_value(v)));
	}
	list->has_after = true;
	return UD_OK;
}

static enum ud_code read_cursor(struct ud_ctx *cx, const struct ud_request *rq, const char *text,
	const char *binding, struct ud_list *list)
{
	size_t n = 0;
	unsigned char *raw = ud_base64url_decode(cx->arena, text, &n), mac[UD_SHA256];
	json_t *values = NULL;

	if (!raw || n <= CURSOR_MAC)
		return bad_cursor(cx, "The cursor is not one of ours.");
	n -= CURSOR_MAC;
	values = json_loadb((char *)raw, n, 0, NULL);
	if (!json_is_array(values)) {
		json_decref(values);
		return bad_cursor(cx, "The cursor is not one of ours.");
	}
	cursor_mac(cx, rq, binding, (char *)raw, n, mac);
	enum ud_code code = ud_equal(mac, raw + n, CURSOR_MAC)
		? take_values(cx, values, list)
		: ud_fail(cx, UD_E_CURSOR_MISMATCH, "cursor",
			  "The cursor was made for another filter, order or reader.");

	json_decref(values);
	return code;
}

enum ud_code ud_page_read(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_table *t, struct ud_page *ret)
{
	const char *sort = ud_request_param(rq, "sort"), *cursor = ud_request_param(rq, "cursor");
	const char *fields = ud_request_param(rq, "fields"), *count = ud_request_param(rq, "count");

	memset(ret, 0, sizeof(*ret));
	UD_TRY(ud_page_limit(cx, rq, &ret->list.limit));
	ret->list.search = ud_request_param(rq, "q");
	if (ret->list.search && strlen(ret->list.search) > 255)
		return invalid(cx, "q", "has at most 255 bytes.");
	if (count && strcmp(count, "exact") != 0)
		return invalid(cx, "count", "is exact.");
	ret->count = count != NULL;
	ret->some_fields = fields != NULL;
	if (fields)
		UD_TRY(ud_split_fields(cx, t->shape, fields, &ret->only));
	UD_TRY(read_filters(cx, rq, t->shape, &ret->list));
	if (!sort && rq->route->resource)
		sort = rq->route->resource->order;
	UD_TRY(read_sort(cx, sort, t->shape, &ret->list));
	ret->binding = binding_of(cx, rq, t);
	return cursor ? read_cursor(cx, rq, cursor, ret->binding, &ret->list) : UD_OK;
}

void ud_page_open(struct ud_request *rq)
{
	rq->out.len = 0;
	ud_buf_puts(&rq->out, "{\"object\":\"list\",\"data\":[");
}

/* The list's own address with its parameters, and with another cursor. */
static const char *address(struct ud_ctx *cx, const struct ud_request *rq, const char *cursor)
{
	const char *out = rq->path, *glue = "?";

	for (size_t i = 0; i < rq->param_count; i++) {
		const struct ud_param *p = &rq->params[i];

		if (strcmp(p->name, "cursor") == 0)
			continue;
		out = ud_printf(cx->arena, "%s%s%s=%s", out, glue, ud_percent(cx->arena, p->name),
			ud_percent(cx->arena, p->value));
		glue = "&";
	}
	return cursor ? ud_printf(cx->arena, "%s%scursor=%s", out, glue, cursor) : out;
}

enum ud_code ud_page_close(
	struct ud_ctx *cx, struct ud_request *rq, const char *next, int64_t total)
{
	struct ud_buf *b = &rq->out;

	ud_buf_puts(b,
		next ? "],\"has_more\":true,\"next_cursor\":"
		     : "],\"has_more\":false,\"next_cursor\":");
	ud_buf_json(b, next);
	ud_buf_puts(b, ",\"url\":");
	ud_buf_json(b, address(cx, rq, NULL));
	if (total != UD_NONE) {
		ud_buf_puts(b, ",\"total\":");
		ud_buf_int(b, total);
	}
	ud_buf_putc(b, '}');
	if (next)
		ud_answer_header(rq, "Link",
			ud_printf(cx->arena, "<%s>; rel=\"next\"", address(cx, rq, next)));
	return ud_answer_text(cx, rq, 200, "application/json");
}
