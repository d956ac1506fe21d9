/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of notifications, telling, and forgetting.
 */
#include "db/notifications.h"

#include <string.h>

#include "base/id.h"

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_notification, user_id,    .flags = UD_SERVER, .about = "Who is told."),
	UD_FIELD(ud_notification, event,      .flags = UD_SERVER | UD_BRIEF, .about = "What happened: the type of an event."),
	UD_FIELD(ud_notification, subject_id, .flags = UD_SERVER | UD_FILTER, .about = "What it is about."),
	UD_FIELD(ud_notification, title,      .flags = UD_SERVER | UD_BRIEF, .about = "It in a line."),
	UD_FIELD(ud_notification, actor_name, .flags = UD_SERVER | UD_BRIEF, .about = "Who did it; null = nobody in person."),
	UD_FIELD(ud_notification, seen,       .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .about = "True when the person has seen it."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "notification",
	.prefix = "ntf",
	.table = "notifications",
	UD_SHAPE(ud_notification, fields),
	.about = "Something that somebody is told." };
const struct ud_table ud_notifications = { .shape = &shape };

/* The row is the hearer's: an active user of this customer or of the provider. */
static enum ud_code tell(struct ud_ctx *cx, const struct ud_news *news, const char *user_id)
{
	/* every tenant: the statement itself compares whose person it is */
	return ud_exec(cx, NULL,
		"INSERT INTO notifications(id, customer_id, version, created_at, updated_at, labels, user_id,"
		" event, subject_id, title, actor_name, seen)"
		" SELECT $1, users.customer_id, 1, $2, $2, '{}', users.id, $3, $4, $5, $6, 0 FROM users"
		" WHERE users.id = $7 AND users.deleted_at IS NULL AND users.state = 'active'"
		" AND COALESCE(users.customer_id, $8) = $8",
		UD_VALS(ud_t(ud_id_new(cx->arena, cx->env, cx->now_ms, "ntf")), ud_i(cx->now_ms),
			ud_t(news->event), ud_t(news->subject_id), ud_t(news->title),
			ud_t(cx->scope->kind == UD_PRINCIPAL_SYSTEM ? NULL : cx->scope->name),
			ud_t(user_id), ud_t(news->customer_id ? news->customer_id : "")));
}

enum ud_code ud_notify(
	struct ud_ctx *cx, const struct ud_news *news, const struct ud_texts *user_ids)
{
	for (size_t i = 0; i < user_ids->count; i++)
		if (!cx->scope->id || strcmp(cx->scope->id, user_ids->items[i]) != 0)
			UD_TRY(tell(cx, news, user_ids->items[i]));
	return UD_OK;
}

/* every tenant: a person's own */
enum ud_code ud_notifications_see(struct ud_ctx *cx, const char *user_id, int64_t *ret)
{
	return ud_exec(cx, ret,
		"UPDATE notifications SET seen = 1, version = version + 1, updated_at = $2"
		" WHERE user_id = $1 AND seen = 0",
		UD_VALS(ud_t(user_id), ud_i(cx->now_ms)));
}

/* every tenant: time is the same for all */
enum ud_code ud_notifications_forget(struct ud_ctx *cx, int64_t before_ms)
{
	return ud_exec(cx, NULL, "DELETE FROM notifications WHERE created_at < $1 AND seen = 1",
		UD_VALS(ud_i(before_ms)));
}

/* every tenant: as above */
enum ud_code ud_notifications_old(struct ud_ctx *cx, int64_t before_ms, bool *ret)
{
	int64_t one;

	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM notifications WHERE created_at < $1 AND seen = 1 LIMIT 1",
		UD_VALS(ud_i(before_ms)));
}
