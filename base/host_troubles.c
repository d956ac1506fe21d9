/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host's parts as its agent tells them, searched for what is not whole.
 */
#include "base/host_troubles.h"

#include <jansson.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

bool ud_host_troubled(const struct ud_host_troubles *all, const struct ud_host_trouble *t)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].kind == t->kind && strcmp(all->items[i].name, t->name) == 0)
			return true;
	return false;
}

static void add(struct ud_ctx *cx, struct ud_host_troubles *ret, enum ud_host_trouble_kind kind,
	const char *name)
{
	const struct ud_host_trouble t = { kind, ud_strdup(cx->arena, name) };

	if (ret->count < UD_TROUBLES_MAX && !ud_host_troubled(ret, &t))
		ret->items[ret->count++] = t;
}

static void add_teams(struct ud_ctx *cx, const json_t *teams, struct ud_host_troubles *ret)
{
	const json_t *team, *member;
	size_t i, k;

	json_array_foreach(teams, i, team) json_array_foreach(json_object_get(team, "members"), k,
		member) if (json_is_false(json_object_get(member, "up")))
		add(cx, ret, UD_TROUBLE_TEAM, text_of(team, "name"));
}

/* A pool or a volume; its disks are why. Health that nobody knows is none. */
static void add_storage(struct ud_ctx *cx, const json_t *spaces, struct ud_host_troubles *ret)
{
	static const char *const parts[] = { "pools", "volumes" };
	const json_t *part;
	size_t i;

	for (size_t p = 0; p < UD_LEN(parts); p++)
		json_array_foreach(json_object_get(spaces, parts[p]), i,
			part) if (strcmp(text_of(part, "health"), "healthy") != 0)
			add(cx, ret, UD_TROUBLE_STORAGE, text_of(part, "name"));
}

static void add_paths(struct ud_ctx *cx, const json_t *paths, struct ud_host_troubles *ret)
{
	const json_t *path;
	size_t i;

	json_array_foreach(paths, i, path) if (json_is_true(json_object_get(path, "failed")))
		add(cx, ret, UD_TROUBLE_PATH, text_of(path, "server"));
}

void ud_host_troubles(
	struct ud_ctx *cx, const struct ud_host_facts *facts, struct ud_host_troubles *ret)
{
	const struct {
		const char *text;
		void (*add)(struct ud_ctx *cx, const json_t *json, struct ud_host_troubles *ret);
	} parts[] = { { facts->teams.text, add_teams }, { facts->spaces.text, add_storage },
		{ facts->smb.text, add_paths } };

	ret->count = 0;
	for (size_t i = 0; i < UD_LEN(parts); i++) {
		json_t *json = parts[i].text ? json_loads(parts[i].text, 0, NULL) : NULL;

		parts[i].add(cx, json, ret);
		json_decref(json);
	}
}
