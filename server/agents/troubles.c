/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lists of troubles, before and now; what differs is told.
 */
#include "server/agents/troubles.h"

#include "base/host_troubles.h"
#include "base/log.h"
#include "db/audit_seals.h"
#include "db/events.h"
#include "db/notifications.h"
#include "db/people.h"

static const struct {
	const char *began, *ended, *what, *how;
} kinds[UD_TROUBLE_KINDS] = {
	[UD_TROUBLE_TEAM] = { "host.team_degraded", "host.team_whole", "a card of team",
		"is down" },
	[UD_TROUBLE_STORAGE] = { "host.storage_degraded", "host.storage_whole", "storage",
		"is not healthy" },
	[UD_TROUBLE_PATH] = { "host.path_failed", "host.path_whole", "a path to file server",
		"has failed" },
};

static enum ud_code record(
	struct ud_ctx *cx, const struct ud_host *host, const char *type, const char *name)
{
	struct ud_buf b = { 0 };

	ud_buf_puts(&b, "{\"name\":");
	ud_buf_json(&b, name);
	ud_buf_putc(&b, '}');
	const char *data = ud_buf_take(cx->arena, &b);

	return ud_event_add_plain(cx, type, NULL, "host", host->row.id, data);
}

static enum ud_code began(
	struct ud_ctx *cx, const struct ud_host *host, const struct ud_host_trouble *t)
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
	struct ud_host_troubles old = { 0 }, new = { 0 };

	if (before)
		ud_host_troubles(cx, before, &old);
	ud_host_troubles(cx, now, &new);
	for (size_t i = 0; i < new.count; i++)
		if (!ud_host_troubled(&old, &new.items[i]))
			UD_TRY(began(cx, host, &new.items[i]));
	for (size_t i = 0; i < old.count; i++)
		if (!ud_host_troubled(&new, &old.items[i]))
			UD_TRY(record(cx, host, kinds[old.items[i].kind].ended, old.items[i].name));
	return UD_OK;
}

enum ud_code ud_troubles_seal(
	struct ud_ctx *cx, const char *host_id, int64_t number, const char *digest)
{
	struct ud_texts hearers = { 0 };
	struct ud_host host = { 0 };
	bool new = false;

	UD_TRY(ud_audit_seal_doubt(cx, host_id, number, digest, &new));
	if (!new)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_hosts, host_id, &host));
	const struct ud_news news = { "host.log_doubted", host_id, NULL,
		ud_printf(cx->arena,
			"%s keeps seal %lld of the log, and ours is another: the log went back, or"
			" there are two",
			host.name, (long long)number) };

	ud_log(UD_LOG_ERROR, "log_doubted", "host", host_id, "digest", digest, NULL);
	UD_TRY(ud_event_add_plain(cx, "host.log_doubted", NULL, "host", host_id,
		ud_printf(cx->arena, "{\"number\":%lld,\"digest\":\"%s\"}", (long long)number,
			digest)));
	UD_TRY(ud_users_on_duty(cx, &hearers));
	return ud_notify(cx, &news, &hearers);
}
