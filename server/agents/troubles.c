/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lists of troubles, before and now; what differs is told.
 */
#include "server/agents/troubles.h"

#include <jansson.h>
#include <string.h>

#include "db/events.h"
#include "db/notifications.h"
#include "db/people.h"

enum kind { TEAM, STORAGE, PATH, KINDS };

static const struct {
	const char *began, *ended, *what, *how;
} kinds[KINDS] = {
	[TEAM] = { "host.team_degraded", "host.team_whole", "a card of team", "is down" },
	[STORAGE] = { "host.storage_degraded", "host.storage_whole", "storage", "is not healthy" },
	[PATH] = { "host.path_failed", "host.path_whole", "a path to file server", "has failed" },
};

/* A host has few of them; more than these are told as these. */
enum { TROUBLES_MAX = 32 };

struct troubles {
	struct trouble {
		enum kind kind;
		const char *name;
	} items[TROUBLES_MAX];
	size_t count;
};

static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}

static bool has(const struct troubles *all, const struct trouble *t)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->items[i].kind == t->kind && strcmp(all->items[i].name, t->name) == 0)
			return true;
	return false;
}

static void add(struct ud_ctx *cx, struct troubles *ret, enum kind kind, const char *name)
{
	const struct trouble t = { kind, ud_strdup(cx->arena, name) };

	if (ret->count < TROUBLES_MAX && !has(ret, &t))
		ret->items[ret->count++] = t;
}

static void add_teams(struct ud_ctx *cx, const json_t *teams, struct troubles *ret)
{
	const json_t *team, *member;
	size_t i, k;

	json_array_foreach(teams, i, team) json_array_foreach(json_object_get(team, "members"), k,
		member) if (json_is_false(json_object_get(member, "up")))
		add(cx, ret, TEAM, text_of(team, "name"));
}

/* A pool or a volume; its disks are why. Health that nobody knows is none. */
static void add_storage(struct ud_ctx *cx, const json_t *spaces, struct troubles *ret)
{
	static const char *const parts[] = { "pools", "volumes" };
	const json_t *part;
	size_t i;

	for (size_t p = 0; p < UD_LEN(parts); p++)
		json_array_foreach(json_object_get(spaces, parts[p]), i,
			part) if (strcmp(text_of(part, "health"), "healthy") != 0)
			add(cx, ret, STORAGE, text_of(part, "name"));
}

static void add_paths(struct ud_ctx *cx, const json_t *paths, struct troubles *ret)
{
	const json_t *path;
	size_t i;

	json_array_foreach(paths, i, path) if (json_is_true(json_object_get(path, "failed")))
		add(cx, ret, PATH, text_of(path, "server"));
}

static void find(struct ud_ctx *cx, const struct ud_host_facts *facts, struct troubles *ret)
{
	const struct {
		const char *text;
		void (*add)(struct ud_ctx *cx, const json_t *json, struct troubles *ret);
	} parts[] = { { facts->teams.text, add_teams }, { facts->spaces.text, add_storage },
		{ facts->smb.text, add_paths } };

	for (size_t i = 0; i < UD_LEN(parts); i++) {
		json_t *json = parts[i].text ? json_loads(parts[i].text, 0, NULL) : NULL;

		parts[i].add(cx, json, ret);
		json_decref(json);
	}
}

static enum ud_code record(
	struct ud_ctx *cx, const struct ud_host *host, const char *type, const char *name)
{
	struct ud_buf b = { 0 };

	ud_buf_puts(&b, "{\"name\":");
	ud_buf_json(&b, name);
	ud_buf_putc(&b, '}');
	const char *data = ud_strndup(cx->arena, b.data, b.len);

	ud_buf_free(&b);
	return ud_event_add_plain(cx, type, NULL, "host", host->row.id, data);
}

static enum ud_code began(struct ud_ctx *cx, const struct ud_host *host, const struct trouble *t)
{
	struct ud_texts hearers = { 0 };
	const struct ud_news news = { kinds[t->kind].began, host->row.id, NULL,
		ud_printf(cx->arena, "%s: %s %s %s", host->name, kinds[t->kind].what, t->name,
			kinds[t->kind].how) };

	UD_TRY(record(cx, host, kinds[t->kind].began, t->name));
	UD_TRY(ud_users_on_duty(cx, &hearers));
	return ud_notify(cx, &news, &hearers);
}

enum ud_code ud_troubles_follow(struct ud_ctx *cx, const struct ud_host *host,
	const struct ud_host_facts *before, const struct ud_host_facts *now)
{
	struct troubles old = { 0 }, new = { 0 };

	if (before)
		find(cx, before, &old);
	find(cx, now, &new);
	for (size_t i = 0; i < new.count; i++)
		if (!has(&old, &new.items[i]))
			UD_TRY(began(cx, host, &new.items[i]));
	for (size_t i = 0; i < old.count; i++)
		if (!has(&new, &old.items[i]))
			UD_TRY(record(cx, host, kinds[old.items[i].kind].ended, old.items[i].name));
	return UD_OK;
}
