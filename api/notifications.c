/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A person's notifications: listing them, saying that they were seen, choosing among their kinds.
 * What is told of tickets is ud_ticket_tell, called where tickets change.
 */
#include "db/notifications.h"

#include <string.h>

#include "api/api.h"
#include "api/people.h"
#include "api/tickets.h"
#include "db/events.h"
#include "db/ticket_parts.h"
#include "server/http/list.h"

static const struct ud_resource notifications = { .table = &ud_notifications,
	.parent_column = "user_id" };

static enum ud_code list(struct ud_ctx *cx, struct ud_request *rq)
{
	rq->arg[0] = cx->scope->id;
	return ud_rest_list(cx, rq);
}

static enum ud_code see(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_notification old = { 0 }, n;

	UD_TRY(ud_row_get(cx, &ud_notifications, rq->arg[0], &old));
	if (!cx->scope->id || strcmp(old.user_id, cx->scope->id) != 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no notification with this id.");
	n = old;
	n.seen = true;
	if (!old.seen)
		UD_TRY(ud_row_update(cx, &ud_notifications, &old, &n));
	return ud_answer(cx, rq, ud_notifications.shape, &n);
}

static enum ud_code see_all(struct ud_ctx *cx, struct ud_request *rq)
{
	int64_t n;

	UD_TRY(ud_notifications_see(cx, cx->scope->id ? cx->scope->id : "", &n));
	return ud_answer_none(cx, rq);
}

/* ---- what is told of tickets ---- */

enum ud_code ud_ticket_tell(struct ud_ctx *cx, const struct ud_ticket *t, const char *verb)
{
	const char *event = ud_printf(cx->arena, "ticket.%s", verb);
	int kind = ud_enum_index(&ud_news_kinds, event);
	struct ud_texts hearers;

	if (kind < 0)
		return UD_OK;
	UD_TRY(ud_ticket_hearers(cx, t, &hearers));
	const struct ud_news news = { event, t->row.id, t->row.customer_id,
		ud_printf(cx->arena, "%s %s: %s", t->number, t->subject, ud_news_words[kind]) };

	return ud_notify(cx, &news, &hearers);
}

/* ---- what one wants to be told ---- */

struct kind {
	const char *event, *about;
};
struct preferences {
	bool mail_muted;
	struct ud_texts mail_off, portal_off;
	struct ud_json kinds;
};
/* clang-format off */
static const struct ud_field kind_fields[] = {
	UD_FIELD(kind, event, .flags = UD_REQUIRED | UD_COMPUTED, .about = "Its name: the type of an event."),
	UD_FIELD(kind, about, .flags = UD_REQUIRED | UD_COMPUTED, .about = "It in words."),
};
static const struct ud_shape kind_shape = { .bare = true, UD_SHAPE(kind, kind_fields) };
static const struct ud_field preference_fields[] = {
	UD_FIELD(preferences, mail_muted, .about = "True when the person wants no letters at all."),
	UD_FIELD(preferences, mail_off,   .max = 50, .values = &ud_news_kinds, .about = "Kinds that no letter is sent about."),
	UD_FIELD(preferences, portal_off, .max = 50, .values = &ud_news_kinds, .about = "Kinds that come as seen: they stand in the list, and nothing calls for attention."),
	UD_FIELD(preferences, kinds,      .flags = UD_COMPUTED, .part = &kind_shape, .many = true, .about = "Kinds there are."),
};
/* clang-format on */
static const struct ud_shape preferences_shape = { .object = "notification_preferences",
	.bare = true,
	UD_SHAPE(preferences, preference_fields),
	.about = "Which kinds of notifications a person wants by mail and in the portal." };

static const char *kinds_json(struct ud_ctx *cx)
{
	struct ud_buf b = { 0 };

	for (int i = 0; i < ud_news_kinds.count; i++) {
		struct kind k = { ud_news_kinds.names[i], ud_news_words[i] };

		ud_buf_putc(&b, i ? ',' : '[');
		ud_shape_encode(&b, &kind_shape, &k, NULL);
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

static enum ud_code answer_preferences(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_user *u)
{
	struct preferences p = { u->mail_muted, u->mail_off, u->portal_off, { kinds_json(cx) } };

	return ud_answer(cx, rq, &preferences_shape, &p);
}

static enum ud_code show_preferences(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_user u = { 0 };

	UD_TRY(ud_own_user(cx, rq, &u));
	return answer_preferences(cx, rq, &u);
}

static enum ud_code put_preferences(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct preferences *in = rq->in;
	struct ud_user old = { 0 }, u;

	UD_TRY(ud_own_user(cx, rq, &old));
	u = old;
	u.mail_muted = in->mail_muted;
	u.mail_off = in->mail_off;
	u.portal_off = in->portal_off;
	UD_TRY(ud_row_update(cx, &ud_users, &old, &u));
	UD_TRY(ud_event_add(cx, "preferences_changed", ud_users.shape, &old, &u));
	return answer_preferences(cx, rq, &u);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/me/notifications",           "me.notifications.list",     UD_PEOPLE, "me:read",  UD_LIST, .resource = &notifications, .handle = list, .about = "List what one is told." },
	{ "POST", "/v1/me/notifications/{id}/seen", "me.notifications.seen",     UD_PEOPLE, "me:write", UD_WRITE, .resource = &notifications, .handle = see, .about = "Say that one has seen it." },
	{ "GET",  "/v1/me/notification-preferences", "me.notification-preferences.show", UD_PEOPLE, "me:read",  0, .answer = &preferences_shape, .handle = show_preferences, .about = "Show which kinds of notifications one wants, and which there are." },
	{ "PUT",  "/v1/me/notification-preferences", "me.notification-preferences.edit", UD_PEOPLE, "me:write", UD_WRITE, &preferences_shape, &preferences_shape, .handle = put_preferences, .about = "Say which kinds of notifications one wants; replaces what was said." },
	{ "POST", "/v1/me/notifications/seen",      "me.notifications.seen-all", UD_PEOPLE, "me:write", UD_WRITE, .status = 204, .handle = see_all, .about = "Say that one has seen all." },
};
/* clang-format on */
const struct ud_routes ud_api_notifications = { "Notifications", rows, UD_LEN(rows) };
