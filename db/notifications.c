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

static const char *const kind_names[] = {
	"ticket.answered",
	"ticket.replied",
	"ticket.info_requested",
	"ticket.assigned",
	"ticket.escalated",
	"ticket.overdue",
	"ticket.woken",
	"ticket.approval_given",
	"ticket.waiver_signed",
	"ticket.waiver_over",
	"ticket.window_over",
	"ticket.still_unprotected",
	"ticket.rejected",
	"ticket.plan_changed",
	"ticket.run_asked",
	"ticket.run_stopped",
	"ticket.run_ended",
	"ticket.solved",
	"ticket.reopened",
	"ticket.closed",
	"ticket.canceled",
	"ticket.merged",
	"ticket.transferred",
	"host.team_degraded",
	"host.storage_degraded",
	"host.path_failed",
	"host.log_doubted",
	"standing_order.expired",
	"standing_order.revoked",
	"standing_order.void",
};
const struct ud_enum ud_news_kinds = { "news_kind", kind_names, UD_LEN(kind_names) };
const char *const ud_news_words[] = {
	"the support team answered",
	"the customer answered",
	"the support team asks something",
	"somebody else works on it",
	"it was escalated",
	"a clock ran out",
	"it is no longer laid aside",
	"somebody approved it",
	"somebody signed that a VM stays unprotected",
	"a VM is unprotected, and the time that was signed for is over",
	"its window is over, and the VMs are not back",
	"a VM is still unprotected: does its old host come back?",
	"it was rejected",
	"its plan changed; it is to be approved again",
	"the failover waits for the customer",
	"the failover needs the support team",
	"the failover has ended",
	"it was solved",
	"it was opened again",
	"it was closed",
	"it was withdrawn",
	"it was merged into another",
	"it goes on elsewhere",
	"a card of a host's team is down",
	"storage of a host is not healthy",
	"a host's path to a file server has failed",
	"a host keeps another seal of the log than the server",
	"its time is up, and it holds no longer",
	"it was revoked",
	"what it was given for has changed, and it holds no longer",
};
_Static_assert(UD_LEN(ud_news_words) == UD_LEN(kind_names), "words for every kind");

const char *ud_news_word(const char *kind)
{
	for (size_t i = 0; i < UD_LEN(kind_names); i++)
		if (strcmp(kind_names[i], kind) == 0)
			return ud_news_words[i];
	return "";
}

/* The row is the hearer's: an active user of this customer or of the provider. */
static enum ud_code tell(struct ud_ctx *cx, const struct ud_news *news, const char *user_id)
{
	/* every tenant: the statement itself compares whose person it is */
	return ud_exec(cx, NULL,
		"INSERT INTO notifications(id, customer_id, version, created_at, updated_at, labels, user_id,"
		" event, subject_id, title, actor_name, seen, mail_due_at)"
		" SELECT $1, users.customer_id, 1, $2, $2, '{}', users.id, $3, $4, $5, $6,"
		" CASE WHEN replace(users.portal_off, $9, '') = users.portal_off THEN 0 ELSE 1 END,"
		" CASE WHEN users.mail_muted = 0 AND replace(users.mail_off, $9, '') = users.mail_off"
		" THEN CAST($2 AS BIGINT) END FROM users"
		" WHERE users.id = $7 AND users.deleted_at IS NULL AND users.state = 'active'"
		" AND COALESCE(users.customer_id, $8) = $8",
		UD_VALS(ud_t(ud_id_new(cx->arena, cx->env, cx->now_ms, "ntf")), ud_i(cx->now_ms),
			ud_t(news->event), ud_t(news->subject_id), ud_t(news->title),
			ud_t(cx->scope->kind == UD_PRINCIPAL_SYSTEM ? NULL : cx->scope->name),
			ud_t(user_id), ud_t(news->customer_id ? news->customer_id : ""),
			ud_t(ud_printf(cx->arena, "\"%s\"", news->event))));
}

enum ud_code ud_notify(
	struct ud_ctx *cx, const struct ud_news *news, const struct ud_texts *user_ids)
{
	for (size_t i = 0; i < user_ids->count; i++)
		if (!cx->scope->id || strcmp(cx->scope->id, user_ids->items[i]) != 0)
			UD_TRY(tell(cx, news, user_ids->items[i]));
	return UD_OK;
}

/* ---- letters ---- */

enum { DAY_MS = 86400000, TRY_MS = 60000, DOUBLINGS = 6 };

/* every tenant: letters go to the persons themselves */
enum ud_code ud_letters_due(struct ud_ctx *cx, bool *ret)
{
	int64_t one;

	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM notifications WHERE mail_due_at <= $1 AND created_at > $2 LIMIT 1",
		UD_VALS(ud_i(cx->now_ms), ud_i(cx->now_ms - DAY_MS)));
}

/* every tenant: as above */
static enum ud_code put_off(struct ud_ctx *cx, const char *id, int64_t tries)
{
	int64_t wait_ms = (int64_t)TRY_MS << (tries < DOUBLINGS ? tries : DOUBLINGS);

	return ud_exec(cx, NULL,
		"UPDATE notifications SET mail_due_at = $2, mail_tries = mail_tries + 1 WHERE id = $1",
		UD_VALS(ud_t(id), ud_i(cx->now_ms + wait_ms)));
}

/* every tenant: as above */
static enum ud_code read_letters(
	struct ud_ctx *cx, struct ud_letter *ret, int64_t *tries, size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	UD_TRY(ud_query(cx, &rows,
		"SELECT n.id, users.email, users.display_name, n.title, n.actor_name, n.subject_id,"
		" n.created_at, n.mail_tries FROM notifications n JOIN users ON users.id = n.user_id"
		" WHERE n.mail_due_at <= $1 AND n.created_at > $2 AND users.mail_muted = 0"
		" AND replace(users.mail_off, '\"' || n.event || '\"', '') = users.mail_off"
		" AND users.state = 'active' AND users.deleted_at IS NULL"
		" ORDER BY n.mail_due_at, n.id LIMIT $3",
		UD_VALS(ud_i(cx->now_ms), ud_i(cx->now_ms - DAY_MS), ud_i(UD_LETTERS_MAX))));
	for (*ret_n = 0;; (*ret_n)++) {
		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			return UD_OK;
		ret[*ret_n] = (struct ud_letter){ ud_col_dup(cx, rows, 0), ud_col_dup(cx, rows, 1),
			ud_col_dup(cx, rows, 2), ud_col_dup(cx, rows, 3), ud_col_dup(cx, rows, 4),
			ud_col_dup(cx, rows, 5), ud_col_int(rows, 6) };
		tries[*ret_n] = ud_col_int(rows, 7);
	}
}

enum ud_code ud_letters_claim(struct ud_ctx *cx, struct ud_letter *ret, size_t *ret_n)
{
	int64_t tries[UD_LETTERS_MAX];

	UD_TRY(read_letters(cx, ret, tries, ret_n));
	for (size_t i = 0; i < *ret_n; i++)
		UD_TRY(put_off(cx, ret[i].notification_id, tries[i]));
	/* every tenant: what is left can go to nobody: gone, or they want no letters */
	if (*ret_n == 0)
		return ud_exec(cx, NULL,
			"UPDATE notifications SET mail_due_at = NULL WHERE mail_due_at <= $1",
			UD_VALS(ud_i(cx->now_ms)));
	return UD_OK;
}

/* every tenant: the letter was taken above */
enum ud_code ud_letter_settle(struct ud_ctx *cx, const char *notification_id, bool sent)
{
	if (!sent)
		return UD_OK;
	return ud_exec(cx, NULL, "UPDATE notifications SET mail_due_at = NULL WHERE id = $1",
		UD_VALS(ud_t(notification_id)));
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
