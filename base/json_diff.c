/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two versions of a document say differently: a list of paths, each with both values. Items of
 * lists are compared by what they are called, so one more at the front is one change.
 */
#include "base/json_diff.h"

#include <string.h>

/* Members of an object that name it in its list. */
static const char *const keys[] = { "vm_id", "group", "name" };

struct diff {
	struct ud_ctx *cx;
	struct ud_buf *out;
	size_t count;
};

static void add(struct diff *d, const char *path, const json_t *from, const json_t *to)
{
	ud_buf_puts(d->out, d->count++ ? ",{\"path\":" : "{\"path\":");
	ud_buf_json(d->out, path);
	ud_buf_printf(d->out, ",\"from\":%s,\"to\":%s}",
		ud_json_text(d->cx->arena, from, JSON_ENCODE_ANY | JSON_COMPACT),
		ud_json_text(d->cx->arena, to, JSON_ENCODE_ANY | JSON_COMPACT));
}

/* What an item of a list is called, or NULL. */
static const char *name_of(struct diff *d, const json_t *item)
{
	for (size_t k = 0; k < UD_LEN(keys); k++) {
		const json_t *v = json_object_get(item, keys[k]);

		if (json_is_string(v))
			return json_string_value(v);
		if (json_is_integer(v))
			return ud_printf(d->cx->arena, "%lld", (long long)json_integer_value(v));
	}
	return NULL;
}

static const json_t *item_named(struct diff *d, const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *item = json_array_get(list, i);
		const char *own = name_of(d, item);

		if (own && strcmp(own, name) == 0)
			return item;
	}
	return NULL;
}

/* Has every item of a list a name? Lists of texts have none. */
static bool named(struct diff *d, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!name_of(d, json_array_get(list, i)))
			return false;
	return json_is_array(list);
}

/* The names of the items that the other list has as well, in order. */
static json_t *common(struct diff *d, const json_t *list, const json_t *other)
{
	json_t *names = json_array();

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *name = name_of(d, json_array_get(list, i));

		if (item_named(d, other, name))
			json_array_append_new(names, json_string(name));
	}
	return names;
}

static void compare(struct diff *d, const char *path, const json_t *from, const json_t *to);

static void compare_lists(struct diff *d, const char *path, const json_t *from, const json_t *to)
{
	json_t *before = common(d, from, to), *after = common(d, to, from);

	for (size_t i = 0; i < json_array_size(from); i++) {
		const json_t *item = json_array_get(from, i);
		const char *name = name_of(d, item);

		compare(d, ud_printf(d->cx->arena, "%s/%s", path, name), item,
			item_named(d, to, name));
	}
	for (size_t i = 0; i < json_array_size(to); i++) {
		const json_t *item = json_array_get(to, i);
		const char *name = name_of(d, item);

		if (!item_named(d, from, name))
			add(d, ud_printf(d->cx->arena, "%s/%s", path, name), NULL, item);
	}
	if (!json_equal(before, after))
		add(d, path, before, after);
	json_decref(before);
	json_decref(after);
}

static void compare_objects(struct diff *d, const char *path, const json_t *from, const json_t *to)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)from, key, value) compare(
		d, ud_printf(d->cx->arena, "%s/%s", path, key), value, json_object_get(to, key));
	json_object_foreach((json_t *)to, key, value) if (!json_object_get(from, key))
		add(d, ud_printf(d->cx->arena, "%s/%s", path, key), NULL, value);
}

static bool is_null(const json_t *v)
{
	return !v || json_is_null(v);
}

static void compare(struct diff *d, const char *path, const json_t *from, const json_t *to)
{
	if ((is_null(from) && is_null(to)) || json_equal(from, to))
		return;
	if (json_is_object(from) && json_is_object(to))
		compare_objects(d, path, from, to);
	else if (named(d, from) && named(d, to))
		compare_lists(d, path, from, to);
	else
		add(d, path, from, to);
}

enum ud_code ud_json_diff(struct ud_ctx *cx, const char *from, const char *to,
	const struct ud_shape *shape, struct ud_buf *b)
{
	struct diff d = { .cx = cx, .out = b };
	json_t *a = NULL, *z = NULL;

	if (from)
		UD_TRY(ud_json_parse(cx, from, strlen(from), UD_JSON_MEMBERS, &a));
	enum ud_code code = ud_json_parse(cx, to, strlen(to), UD_JSON_MEMBERS, &z);

	for (size_t i = 0; code == UD_OK && i < shape->field_count; i++) {
		const struct ud_field *f = &shape->fields[i];

		if (!(f->flags & (UD_SERVER | UD_COMPUTED)))
			compare(&d, ud_printf(cx->arena, "/%s", f->name),
				json_object_get(a, f->name), json_object_get(z, f->name));
	}
	json_decref(a);
	json_decref(z);
	return code;
}
