/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field access and encoding. Encoding runs for each row of each list: straight appends, no
 * formatting calls.
 */
#include "base/shape.h"

#include <string.h>

int ud_enum_index(const struct ud_enum *e, const char *name)
{
	for (int i = 0; i < e->count; i++)
		if (e->names[i] && strcmp(e->names[i], name) == 0)
			return i;
	return -1;
}

bool ud_given_has(const struct ud_given *given, size_t i)
{
	return given->bits[i / 64] >> (i % 64) & 1;
}

int ud_shape_find(const struct ud_shape *shape, const char *name)
{
	for (size_t i = 0; i < shape->field_count; i++)
		if (strcmp(shape->fields[i].name, name) == 0)
			return (int)i;
	return -1;
}

bool ud_given_name(const struct ud_given *given, const struct ud_shape *shape, const char *name)
{
	int i = ud_shape_find(shape, name);

	return i >= 0 && ud_given_has(given, (size_t)i);
}

static void *member(const struct ud_field *f, const void *row)
{
	return (char *)(uintptr_t)row + f->offset;
}

const char **ud_field_text(const struct ud_field *f, const void *row)
{
	return member(f, row);
}

int64_t *ud_field_int(const struct ud_field *f, const void *row)
{
	return member(f, row);
}

bool *ud_field_bool(const struct ud_field *f, const void *row)
{
	return member(f, row);
}

unsigned *ud_field_enum(const struct ud_field *f, const void *row)
{
	return member(f, row);
}

struct ud_time *ud_field_time(const struct ud_field *f, const void *row)
{
	return member(f, row);
}

struct ud_json *ud_field_json(const struct ud_field *f, const void *row)
{
	return member(f, row);
}

struct ud_texts *ud_field_texts(const struct ud_field *f, const void *row)
{
	return member(f, row);
}

void ud_shape_init(const struct ud_shape *shape, void *row)
{
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct ud_field *f = &shape->fields[i];

		if (f->type == UD_INT)
			*ud_field_int(f, row) = f->flags & UD_NULLABLE ? UD_NONE : f->standard;
		else if (f->type == UD_BOOL)
			*ud_field_bool(f, row) = f->standard != 0;
		else if (f->type == UD_ENUM)
			*ud_field_enum(f, row) = (unsigned)f->standard;
	}
}

void ud_texts_write(struct ud_buf *b, const struct ud_texts *t)
{
	ud_buf_putc(b, '[');
	for (size_t i = 0; i < t->count; i++) {
		if (i)
			ud_buf_putc(b, ',');
		ud_buf_json(b, t->items[i]);
	}
	ud_buf_putc(b, ']');
}

void ud_texts_read(struct ud_ctx *cx, const char *text, struct ud_texts *ret)
{
	json_t *list = text ? json_loads(text, 0, NULL) : NULL;
	size_t n = json_array_size(list);

	ret->items = ud_alloc(cx->arena, sizeof(*ret->items) * (n + 1));
	ret->count = n;
	for (size_t i = 0; i < n; i++) {
		const char *item = json_string_value(json_array_get(list, i));

		ret->items[i] = ud_strdup(cx->arena, item ? item : "");
	}
	json_decref(list);
}

void ud_field_encode(struct ud_buf *b, const struct ud_field *f, const void *row)
{
	const char *text;

	switch (f->type) {
	case UD_TEXT:
		ud_buf_json(b, *ud_field_text(f, row));
		break;
	case UD_INT:
		if (*ud_field_int(f, row) == UD_NONE)
			ud_buf_add(b, "null", 4);
		else
			ud_buf_int(b, *ud_field_int(f, row));
		break;
	case UD_BOOL:
		ud_buf_puts(b, *ud_field_bool(f, row) ? "true" : "false");
		break;
	case UD_ENUM:
		ud_buf_json(b, f->values->names[*ud_field_enum(f, row)]);
		break;
	case UD_INSTANT:
		ud_buf_time(b, ud_field_time(f, row)->ms);
		break;
	case UD_JSON:
		text = ud_field_json(f, row)->text;
		ud_buf_puts(b, text ? text : "null");
		break;
	case UD_TEXTS:
		ud_texts_write(b, ud_field_texts(f, row));
		break;
	}
}

/* True when ?fields= asks for the member, or nobody asked. */
static bool wanted(const struct ud_texts *only, const char *name)
{
	for (size_t i = 0; only && i < only->count; i++)
		if (strcmp(only->items[i], name) == 0)
			return true;
	return !only;
}

static void encode_common(struct ud_buf *b, const struct ud_shape *shape, const struct ud_row *row,
	const struct ud_texts *only, bool *first)
{
	if (row->id) {
		ud_buf_key(b, first, "id");
		ud_buf_json(b, row->id);
	}
	ud_buf_key(b, first, "object");
	ud_buf_json(b, shape->object);
	if (wanted(only, "customer_id")) {
		ud_buf_key(b, first, "customer_id");
		ud_buf_json(b, row->customer_id);
	}
	if (wanted(only, "version")) {
		ud_buf_key(b, first, "version");
		ud_buf_int(b, row->version);
	}
	if (wanted(only, "created_at")) {
		ud_buf_key(b, first, "created_at");
		ud_buf_time(b, row->created_at.ms);
	}
	if (wanted(only, "updated_at")) {
		ud_buf_key(b, first, "updated_at");
		ud_buf_time(b, row->updated_at.ms);
	}
	if (wanted(only, "labels")) {
		ud_buf_key(b, first, "labels");
		ud_buf_puts(b, row->labels.text ? row->labels.text : "{}");
	}
}

void ud_shape_encode(struct ud_buf *b, const struct ud_shape *shape, const void *row,
	const struct ud_texts *only)
{
	bool first = true;

	ud_buf_putc(b, '{');
	if (!shape->bare) {
		encode_common(b, shape, row, only, &first);
	} else if (shape->object) {
		ud_buf_key(b, &first, "object");
		ud_buf_json(b, shape->object);
	}
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct ud_field *f = &shape->fields[i];

		if (f->flags & (UD_SECRET | UD_INPUT) || !wanted(only, f->name))
			continue;
		ud_buf_key(b, &first, f->name);
		ud_field_encode(b, f, row);
	}
	ud_buf_putc(b, '}');
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool ud_field_equal(const struct ud_field *f, const void *a, const void *b)
{
	const struct ud_texts *x, *y;

	switch (f->type) {
	case UD_TEXT:
		return same(*ud_field_text(f, a), *ud_field_text(f, b));
	case UD_INT:
		return *ud_field_int(f, a) == *ud_field_int(f, b);
	case UD_BOOL:
		return *ud_field_bool(f, a) == *ud_field_bool(f, b);
	case UD_ENUM:
		return *ud_field_enum(f, a) == *ud_field_enum(f, b);
	case UD_INSTANT:
		return ud_field_time(f, a)->ms == ud_field_time(f, b)->ms;
	case UD_JSON:
		return same(ud_field_json(f, a)->text, ud_field_json(f, b)->text);
	case UD_TEXTS:
		break;
	}
	x = ud_field_texts(f, a);
	y = ud_field_texts(f, b);
	if (x->count != y->count)
		return false;
	for (size_t i = 0; i < x->count; i++)
		if (!same(x->items[i], y->items[i]))
			return false;
	return true;
}

bool ud_shape_equal(const struct ud_shape *shape, const void *a, const void *b)
{
	for (size_t i = 0; i < shape->field_count; i++)
		if (!(shape->fields[i].flags & UD_COMPUTED) &&
			!ud_field_equal(&shape->fields[i], a, b))
			return false;
	return true;
}

void ud_shape_encode_changes(
	struct ud_buf *b, const struct ud_shape *shape, const void *old_row, const void *new_row)
{
	bool first = true;

	ud_buf_putc(b, '{');
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct ud_field *f = &shape->fields[i];

		if (f->flags & (UD_SECRET | UD_INPUT | UD_COMPUTED) ||
			ud_field_equal(f, old_row, new_row))
			continue;
		ud_buf_key(b, &first, f->name);
		ud_field_encode(b, f, old_row);
	}
	ud_buf_putc(b, '}');
}
