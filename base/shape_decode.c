/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a JSON object to a row: every wrong field is reported, not only the first. One function per
 * type; the rules come from the field table.
 */
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/shape.h"

enum { MAX_LABELS = 32, MAX_ITEMS = 200 };

static const int64_t safe_integer = INT64_C(9007199254740992); /* 2^53, RFC 8259 6 */

typedef enum ud_code decode_value(
	struct ud_ctx *cx, const struct ud_field *f, json_t *v, void *row);

/* Code points of UTF-8 text. */
static int64_t length_of(const char *s)
{
	int64_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static const char *control_character(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 32 && *s != '\n' && *s != '\t') || *s == 127)
			return s;
	return NULL;
}

static int64_t text_max(const struct ud_field *f)
{
	return f->max ? f->max : 255;
}

/* Rules on one text, whatever list it stands in. */
static enum ud_code check_text(struct ud_ctx *cx, const struct ud_field *f, const char *s)
{
	int64_t n = length_of(s), min = f->min ? f->min : f->flags & UD_REQUIRED ? 1 : 0;

	if (control_character(s))
		return ud_fail_field(
			cx, f->name, "control_character", "%s has a control character.", f->name);
	if (n < min)
		return ud_fail_field(cx, f->name, "too_short", "%s has at least %lld characters.",
			f->name, (long long)min);
	if (n > text_max(f))
		return ud_fail_field(cx, f->name, "too_long", "%s has at most %lld characters.",
			f->name, (long long)text_max(f));
	if (f->refers && !ud_id_valid(s, f->refers))
		return ud_fail_field(cx, f->name, "not_an_id", "%s is an id that starts with %s_.",
			f->name, f->refers);
	const char *sentence = f->rule ? f->rule(cx, s) : NULL;

	return sentence ? ud_fail_field(cx, f->name, "format", "%s %s", f->name, sentence) : UD_OK;
}

static enum ud_code wrong_type(struct ud_ctx *cx, const struct ud_field *f, const char *what)
{
	return ud_fail_field(cx, f->name, "wrong_type", "%s is %s.", f->name, what);
}

static enum ud_code decode_text(struct ud_ctx *cx, const struct ud_field *f, json_t *v, void *row)
{
	if (!json_is_string(v))
		return wrong_type(cx, f, "a string");
	if (check_text(cx, f, json_string_value(v)) != UD_OK)
		return UD_E_VALIDATION;
	*ud_field_text(f, row) = ud_strdup(cx->arena, json_string_value(v));
	return UD_OK;
}

static enum ud_code decode_int(struct ud_ctx *cx, const struct ud_field *f, json_t *v, void *row)
{
	int64_t max = f->max ? f->max : safe_integer;

	if (!json_is_integer(v))
		return wrong_type(cx, f, "an integer");
	if (json_integer_value(v) < f->min || json_integer_value(v) > max)
		return ud_fail_field(cx, f->name, "out_of_range", "%s is between %lld and %lld.",
			f->name, (long long)f->min, (long long)max);
	*ud_field_int(f, row) = json_integer_value(v);
	return UD_OK;
}

static enum ud_code decode_bool(struct ud_ctx *cx, const struct ud_field *f, json_t *v, void *row)
{
	if (!json_is_boolean(v))
		return wrong_type(cx, f, "true or false");
	*ud_field_bool(f, row) = json_is_true(v);
	return UD_OK;
}

/* "a, b or c" */
static const char *names_of(struct ud_ctx *cx, const struct ud_enum *e)
{
	const char *all = NULL;

	for (int i = 0; i < e->count; i++)
		all = all ? ud_printf(cx->arena, "%s%s%s", all, i == e->count - 1 ? " or " : ", ",
				    e->names[i])
			  : e->names[i];
	return all;
}

static enum ud_code decode_enum(struct ud_ctx *cx, const struct ud_field *f, json_t *v, void *row)
{
	int i = json_is_string(v) ? ud_enum_index(f->values, json_string_value(v)) : -1;

	if (i < 0)
		return ud_fail_field(
			cx, f->name, "not_allowed", "%s is %s.", f->name, names_of(cx, f->values));
	*ud_field_enum(f, row) = (unsigned)i;
	return UD_OK;
}

static enum ud_code decode_time(struct ud_ctx *cx, const struct ud_field *f, json_t *v, void *row)
{
	if (!json_is_string(v) || !ud_time_parse(json_string_value(v), &ud_field_time(f, row)->ms))
		return wrong_type(cx, f, "an instant such as 2026-11-23T09:41:07Z");
	return UD_OK;
}

static enum ud_code decode_json(struct ud_ctx *cx, const struct ud_field *f, json_t *v, void *row)
{
	char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);

	if (!text)
		return wrong_type(cx, f, "a JSON object or list");
	if ((int64_t)strlen(text) > (f->max ? f->max : 65536)) {
		free(text);
		return ud_fail_field(cx, f->name, "too_long", "%s has at most %lld bytes.", f->name,
			(long long)(f->max ? f->max : 65536));
	}
	ud_field_json(f, row)->text = ud_strdup(cx->arena, text);
	free(text);
	return UD_OK;
}

static enum ud_code decode_item(
	struct ud_ctx *cx, const struct ud_field *f, json_t *v, const char **ret)
{
	const char *s = json_string_value(v);

	if (!s)
		return wrong_type(cx, f, "a list of strings");
	if (f->values && ud_enum_index(f->values, s) < 0)
		return ud_fail_field(cx, f->name, "not_allowed", "Each of %s is %s.", f->name,
			names_of(cx, f->values));
	struct ud_field one = *f; /* max counts items; an item has the ordinary length */

	one.max = 0;
	one.min = 1;
	UD_TRY(check_text(cx, &one, s));
	*ret = ud_strdup(cx->arena, s);
	return UD_OK;
}

static enum ud_code decode_texts(struct ud_ctx *cx, const struct ud_field *f, json_t *v, void *row)
{
	struct ud_texts t = { .count = json_array_size(v) };

	if (!json_is_array(v))
		return wrong_type(cx, f, "a list of strings");
	if ((int64_t)t.count < f->min || (int64_t)t.count > (f->max ? f->max : MAX_ITEMS))
		return ud_fail_field(cx, f->name, "out_of_range",
			"%s has between %lld and %lld items.", f->name, (long long)f->min,
			(long long)(f->max ? f->max : MAX_ITEMS));
	t.items = ud_alloc(cx->arena, (t.count + 1) * sizeof(*t.items));
	for (size_t i = 0; i < t.count; i++) {
		UD_TRY(decode_item(cx, f, json_array_get(v, i), &t.items[i]));
		for (size_t j = 0; j < i; j++)
			if (strcmp(t.items[j], t.items[i]) == 0)
				return ud_fail_field(cx, f->name, "duplicate", "%s names %s twice.",
					f->name, t.items[i]);
	}
	*ud_field_texts(f, row) = t;
	return UD_OK;
}

static decode_value *const decoders[] = {
	[UD_TEXT] = decode_text,
	[UD_INT] = decode_int,
	[UD_BOOL] = decode_bool,
	[UD_ENUM] = decode_enum,
	[UD_INSTANT] = decode_time,
	[UD_JSON] = decode_json,
	[UD_TEXTS] = decode_texts,
};

static bool nullable(const struct ud_field *f)
{
	static const bool by_type[] = {
		[UD_TEXT] = true, [UD_INSTANT] = true, [UD_JSON] = true, [UD_TEXTS] = true
	};

	return !(f->flags & UD_REQUIRED) &&
		((f->type < UD_LEN(by_type) && by_type[f->type]) || f->flags & UD_NULLABLE);
}

static void set_null(const struct ud_field *f, void *row)
{
	switch (f->type) {
	case UD_TEXT:
		*ud_field_text(f, row) = NULL;
		break;
	case UD_INT:
		*ud_field_int(f, row) = UD_NONE;
		break;
	case UD_INSTANT:
		ud_field_time(f, row)->ms = UD_NONE;
		break;
	case UD_JSON:
		ud_field_json(f, row)->text = NULL;
		break;
	default:
		*ud_field_texts(f, row) = (struct ud_texts){ 0 };
	}
}

/* One member of the body; before is the object as it was, NULL at creation. */
static enum ud_code decode_field(
	struct ud_ctx *cx, const struct ud_field *f, const void *before, json_t *v, void *row)
{
	if (f->flags & (UD_SERVER | UD_COMPUTED))
		return ud_fail_field(cx, f->name, "read_only", "%s is set by the server.", f->name);
	if (json_is_null(v)) {
		if (!nullable(f))
			return ud_fail_field(
				cx, f->name, "required", "%s cannot be null.", f->name);
		set_null(f, row);
	} else {
		UD_TRY(decoders[f->type](cx, f, v, row));
	}
	if (before && f->flags & UD_FIXED && !ud_field_equal(f, before, row))
		return ud_fail_field(
			cx, f->name, "fixed", "%s is set at creation and stays.", f->name);
	return UD_OK;
}

static bool label_key(const char *s)
{
	size_t n = strlen(s);

	return n >= 1 && n <= 63 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._/-") == n &&
		!strchr("._/-", s[0]);
}

static bool label_text(const char *s)
{
	return s && length_of(s) <= 255 && !control_character(s);
}

static enum ud_code labels_fail(struct ud_ctx *cx)
{
	return ud_fail_field(cx, "labels", "wrong_type",
		"labels is an object of at most %d pairs of strings.", MAX_LABELS);
}

/* Put the given labels into all; null removes one (RFC 7396). */
static enum ud_code merge_labels(struct ud_ctx *cx, json_t *v, json_t *all)
{
	const char *key;
	json_t *value;

	json_object_foreach(v, key, value)
	{
		if (!label_key(key) ||
			!(json_is_null(value) || label_text(json_string_value(value))))
			return ud_fail_field(cx, ud_printf(cx->arena, "labels/%s", key), "format",
				"A label is a key of a-z, 0-9 and ._/- with at most 63 characters, and a string of at most 255.");
		if (json_is_null(value))
			json_object_del(all, key);
		else
			json_object_set(all, key, value);
	}
	return json_object_size(all) > MAX_LABELS ? labels_fail(cx) : UD_OK;
}

static enum ud_code decode_labels(
	struct ud_ctx *cx, json_t *v, const char *before, struct ud_row *row)
{
	if (json_is_null(v)) {
		row->labels.text = NULL;
		return UD_OK;
	}
	if (!json_is_object(v))
		return labels_fail(cx);
	json_t *stored = before ? json_loads(before, 0, NULL) : NULL;
	json_t *all = stored ? stored : json_object();
	enum ud_code code = merge_labels(cx, v, all);

	if (code == UD_OK) {
		char *text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);

		row->labels.text = ud_strdup(cx->arena, text);
		free(text);
	}
	json_decref(all);
	return code;
}

static void decode_customer(struct ud_ctx *cx, json_t *v, struct ud_row *row)
{
	const char *id = json_string_value(v);

	if (json_is_null(v))
		row->customer_id = NULL;
	else if (id && ud_id_valid(id, "cus"))
		row->customer_id = ud_strdup(cx->arena, id);
	else
		ud_fail_field(cx, "customer_id", "not_an_id",
			"customer_id is an id that starts with cus_, or null.");
}

/* Members that every stored object has. False for any other key. */
static bool decode_common(struct ud_ctx *cx, const struct ud_shape *shape, const char *key,
	json_t *v, const void *before, void *row, struct ud_given *given)
{
	if (shape->bare)
		return false;
	if (strcmp(key, "labels") == 0) {
		const struct ud_row *old = before;

		given->labels = true;
		/* recorded in cx->problem */
		(void)!decode_labels(cx, v, old ? old->labels.text : NULL, row);
		return true;
	}
	if (strcmp(key, "customer_id") == 0) {
		given->customer_id = true;
		decode_customer(cx, v, row);
		return true;
	}
	return false;
}

static void check_required(
	struct ud_ctx *cx, const struct ud_shape *shape, const struct ud_given *given)
{
	for (size_t i = 0; i < shape->field_count; i++) {
		const struct ud_field *f = &shape->fields[i];

		if (f->flags & UD_REQUIRED && !(f->flags & (UD_SERVER | UD_COMPUTED)) &&
			!ud_given_has(given, i))
			ud_fail_field(cx, f->name, "required", "%s is required.", f->name);
	}
}

enum ud_code ud_shape_decode(struct ud_ctx *cx, const struct ud_shape *shape,
	enum ud_decode_mode mode, json_t *body, void *row, struct ud_given *ret_given)
{
	const char *key;
	json_t *v;
	enum ud_code unknown = UD_OK;
	void *before = NULL;

	if (!json_is_object(body))
		return ud_fail(cx, UD_E_MALFORMED, NULL, "The body is a JSON object.");
	ud_ctx_clear(cx);
	*ret_given = (struct ud_given){ 0 };
	if (mode == UD_CREATE)
		ud_shape_init(shape, row);
	else
		before = memcpy(ud_alloc(cx->arena, shape->size), row, shape->size);
	json_object_foreach(body, key, v)
	{
		int i = ud_shape_find(shape, key);

		if (i >= 0) {
			ret_given->bits[i / 64] |= UINT64_C(1) << (i % 64);
			/* recorded in cx->problem */
			(void)!decode_field(cx, &shape->fields[i], before, v, row);
		} else if (!decode_common(cx, shape, key, v, before, row, ret_given)) {
			unknown = ud_fail(
				cx, UD_E_UNKNOWN_FIELD, key, "There is no field %s here.", key);
		}
	}
	if (mode == UD_CREATE && unknown == UD_OK)
		check_required(cx, shape, ret_given);
	return unknown != UD_OK ? unknown : cx->problem.code;
}

enum ud_code ud_shape_read(
	struct ud_ctx *cx, const struct ud_shape *shape, const char *text, size_t n, void *row)
{
	struct ud_given given = { 0 };
	json_t *tree = NULL;

	UD_TRY(ud_json_parse(cx, text, n, UD_JSON_MEMBERS, &tree));
	enum ud_code code = ud_shape_decode(cx, shape, UD_CREATE, tree, row, &given);

	json_decref(tree);
	return code;
}

static enum ud_code decode_list(
	struct ud_ctx *cx, const struct ud_shape *shape, json_t *list, char *rows)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		struct ud_given given = { 0 };

		UD_TRY(ud_shape_decode(cx, shape, UD_CREATE, item, rows + i * shape->size, &given));
	}
	return UD_OK;
}

enum ud_code ud_shape_read_list(struct ud_ctx *cx, const struct ud_shape *shape, const char *text,
	size_t max, void *ret_rows, size_t *ret_n)
{
	json_t *list = NULL;

	if (text)
		UD_TRY(ud_json_parse(cx, text, strlen(text), UD_JSON_MEMBERS, &list));
	size_t n = json_array_size(list);
	char *rows = ud_alloc(cx->arena, (n + 1) * shape->size);
	enum ud_code code = UD_OK;

	if ((list && !json_is_array(list)) || n > max)
		code = ud_fail(
			cx, UD_E_VALIDATION, NULL, "This is a list of at most %zu objects.", max);
	else
		code = decode_list(cx, shape, list, rows);
	json_decref(list);
	UD_TRY(code);
	*(void **)ret_rows = rows;
	*ret_n = n;
	return UD_OK;
}
