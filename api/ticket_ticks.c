/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time does to tickets: clocks run out, what was laid aside comes back, what was solved
 * closes, approvals cease to count. Each tick takes some tickets; what is left is due again at
 * once.
 */
#include "api/ticket_ticks.h"
#include "api/approvals.h"
#include "db/events.h"
#include "db/notifications.h"

static enum ud_code any(struct ud_ctx *cx, enum ud_ticket_due what, bool *ret)
{
	struct ud_texts ids;

	UD_TRY(ud_tickets_due(cx, what, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

static enum ud_code each(struct ud_ctx *cx, enum ud_ticket_due what, enum ud_ticket_event event)
{
	struct ud_texts ids;

	UD_TRY(ud_tickets_due(cx, what, &ids));
	for (size_t i = 0; i < ids.count; i++)
		UD_TRY(ud_ticket_happen(cx, ids.items[i], event));
	return UD_OK;
}

enum ud_code ud_ticket_clocks_due(struct ud_ctx *cx, bool *ret)
{
	return any(cx, UD_DUE_CLOCK, ret);
}

enum ud_code ud_ticket_clocks_apply(struct ud_ctx *cx, const struct ud_commanding *c)
{
	(void)c;
	return each(cx, UD_DUE_CLOCK, UD_TICKET_OVERDUE);
}

enum ud_code ud_ticket_snooze_due(struct ud_ctx *cx, bool *ret)
{
	return any(cx, UD_DUE_SNOOZE, ret);
}

enum ud_code ud_ticket_snooze_apply(struct ud_ctx *cx, const struct ud_commanding *c)
{
	(void)c;
	return each(cx, UD_DUE_SNOOZE, UD_TICKET_WAKE);
}

enum ud_code ud_ticket_grace_due(struct ud_ctx *cx, bool *ret)
{
	return any(cx, UD_DUE_CLOSE, ret);
}

enum ud_code ud_ticket_grace_apply(struct ud_ctx *cx, const struct ud_commanding *c)
{
	(void)c;
	return each(cx, UD_DUE_CLOSE, UD_TICKET_GRACE_OVER);
}

static const int64_t kept_ms = INT64_C(90) * 86400000;

enum ud_code ud_notifications_forget_due(struct ud_ctx *cx, bool *ret)
{
	return ud_notifications_old(cx, cx->now_ms - kept_ms, ret);
}

enum ud_code ud_notifications_forget_apply(struct ud_ctx *cx, const struct ud_commanding *c)
{
	(void)c;
	return ud_notifications_forget(cx, cx->now_ms - kept_ms);
}

enum ud_code ud_approvals_expiry_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids;

	UD_TRY(ud_approvals_overdue(cx, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

enum ud_code ud_approvals_expiry_apply(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts ids;

	(void)c;
	UD_TRY(ud_approvals_overdue(cx, &ids));
	for (size_t i = 0; i < ids.count; i++) {
		struct ud_ticket t = { 0 };

		UD_TRY(ud_approvals_void(cx, ids.items[i], "its time was up", true, NULL));
		UD_TRY(ud_row_get(cx, &ud_tickets, ids.items[i], &t));
		UD_TRY(ud_event_add(cx, "approval_expired", ud_tickets.shape, NULL, &t));
	}
	return UD_OK;
}
