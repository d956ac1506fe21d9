/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host's modules really are like, against what this driver was written by: names.txt, made
 * of the published data. Only looks.
 */
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/embed.h"
#include "base/env.h"

enum { NAMES_MAX = 1 << 20, LISTS = 256 };

/* Names of one thing: parameters of a cmdlet, values of an enumeration, properties of an object. */
struct list {
	const char *kind, *name;
	struct ud_texts names;
};
static const struct ud_field list_fields[] = { UD_FIELD(list, kind, .flags = UD_REQUIRED),
	UD_FIELD(list, name, .flags = UD_REQUIRED), UD_FIELD(list, names, .max = UD_HY_LIST) };
static const struct ud_shape list_shape = { UD_SHAPE(list, list_fields), .bare = true };

struct lists {
	struct list items[LISTS];
	size_t count;
};

static enum ud_code read_lists(struct ud_ctx *cx, const char *text, size_t size, struct lists **ret)
{
	struct lists *all = ud_alloc(cx->arena, sizeof(*all));
	const char *end = text + size;

	all->count = 0;
	for (const char *at = text; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t n = (size_t)((stop ? stop : end) - at);

		if (n > 0 && all->count < LISTS) {
			struct list *l = &all->items[all->count++];

			*l = (struct list){ 0 };
			UD_TRY(ud_shape_read(cx, &list_shape, at, n, l));
		}
		at += n + 1;
	}
	*ret = all;
	return UD_OK;
}

static const struct list *find(const struct lists *all, const char *kind, const char *name)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->items[i].kind, kind) == 0 && strcmp(all->items[i].name, name) == 0)
			return &all->items[i];
	return NULL;
}

static bool has(const struct list *l, const char *name)
{
	for (size_t i = 0; i < l->names.count; i++)
		if (strcmp(l->names.items[i], name) == 0)
			return true;
	return false;
}

struct comparing {
	struct ud_ctx *cx;
	ud_hv_differed *visit;
	void *data;
};

static enum ud_code tell(
	const struct comparing *c, const struct list *of, const char *which, bool missing)
{
	const struct ud_hv_difference d = {
		.kind = of->kind, .name = of->name, .which = which, .missing = missing
	};

	return c->visit(c->cx, c->data, &d);
}

static enum ud_code compare(
	const struct comparing *c, const struct list *known, const struct list *told)
{
	for (size_t i = 0; i < known->names.count; i++)
		if (!has(told, known->names.items[i]))
			UD_TRY(tell(c, known, known->names.items[i], true));
	for (size_t i = 0; i < told->names.count; i++)
		if (!has(known, told->names.items[i]))
			UD_TRY(tell(c, known, told->names.items[i], false));
	return UD_OK;
}

static void add_names(
	struct ud_buf *b, const char *key, const struct lists *known, const char *kind)
{
	bool first = true;

	ud_buf_printf(b, "\"%s\":[", key);
	for (size_t i = 0; i < known->count; i++) {
		if (strcmp(known->items[i].kind, kind) != 0)
			continue;
		if (!first)
			ud_buf_putc(b, ',');
		ud_buf_json(b, known->items[i].name);
		first = false;
	}
	ud_buf_putc(b, ']');
}

static enum ud_code ask(
	struct ud_ctx *cx, struct ud_hv *hv, const struct lists *known, struct lists **ret)
{
	struct ud_buf b = { 0 };
	const char *said = NULL;

	ud_buf_putc(&b, '{');
	add_names(&b, "cmdlets", known, "cmdlet");
	ud_buf_putc(&b, ',');
	add_names(&b, "enums", known, "enum");
	ud_buf_putc(&b, '}');
	enum ud_code code =
		ud_hy_script(cx, hv, "selftest.ps1", ud_buf_text(&b), UD_HY_CHANGE_MS, &said);

	ud_buf_free(&b);
	UD_TRY(code);
	UD_TRY(read_lists(cx, said, strlen(said), ret));
	if (!find(*ret, "end", "Hyper-V"))
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"The look at the modules ended before its end: %.400s", said);
	return UD_OK;
}

enum ud_code ud_hy_selftest(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_differed *visit, void *data,
	size_t *ret_compared)
{
	const struct ud_embedded *shipped = ud_hy_embedded("names.txt");
	const struct comparing c = { cx, visit, data };
	struct lists *known = NULL, *told = NULL;

	*ret_compared = 0;
	if (!shipped)
		return ud_fail(cx, UD_E_INTERNAL, NULL, "names.txt was not built in");
	UD_TRY(read_lists(cx, (const char *)shipped->data, shipped->size, &known));
	UD_TRY(ask(cx, hv, known, &told));
	for (size_t i = 0; i < known->count; i++) {
		const struct list *k = &known->items[i], *t = find(told, k->kind, k->name);

		/* of what this host has none nothing can be said */
		if (find(told, "none", k->name))
			continue;
		*ret_compared += 1;
		UD_TRY(t ? compare(&c, k, t) : tell(&c, k, NULL, true));
	}
	return UD_OK;
}
