/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A person's notifications: listing them, saying that they were seen. What is told of tickets is
 * ud_ticket_tell, called where tickets change.
 */
#include "db/notifications.h"

#include <string.h>

#include "api/api.h"
#include "api/tickets.h"
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

/* Events that people want to hear of, and how they are put. */
static const struct {
	const char *verb, *words;
} told[] = {
	{ "answered", "the support team answered" },
	{ "replied", "the customer answered" },
	{ "info_requested", "the support team asks something" },
	{ "assigned", "somebody else works on it" },
	{ "escalated", "it was escalated" },
	{ "overdue", "a clock ran out" },
	{ "woken", "it is no longer laid aside" },
	{ "approval_given", "somebody approved it" },
	{ "waiver_signed", "somebody signed that a VM stays unprotected" },
	{ "waiver_over", "a VM is unprotected, and the time that was signed for is over" },
	{ "window_over", "its window is over, and the VMs are not back" },
	{ "still_unprotected", "a VM is still unprotected: does its old host come back?" },
	{ "rejected", "it was rejected" },
	{ "plan_changed", "its plan changed; it is to be approved again" },
	{ "run_asked", "the failover waits for the customer" },
	{ "run_stopped", "the failover needs the support team" },
	{ "run_ended", "the failover has ended" },
	{ "solved", "it was solved" },
	{ "reopened", "it was opened again" },
	{ "closed", "it was closed" },
	{ "canceled", "it was withdrawn" },
	{ "merged", "it was merged into another" },
	{ "transferred", "it goes on elsewhere" },
};

enum ud_code ud_ticket_tell(struct ud_ctx *cx, const struct ud_ticket *t, const char *verb)
{
	struct ud_texts hearers;
	size_t i = 0;

	while (i < UD_LEN(told) && strcmp(told[i].verb, verb) != 0)
		i++;
	if (i == UD_LEN(told))
		return UD_OK;
	UD_TRY(ud_ticket_hearers(cx, t, &hearers));
	const struct ud_news news = { ud_printf(cx->arena, "ticket.%s", verb), t->row.id,
		t->row.customer_id,
		ud_printf(cx->arena, "%s %s: %s", t->number, t->subject, told[i].words) };

	return ud_notify(cx, &news, &hearers);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/me/notifications",           "me.notifications.list",     UD_PEOPLE, "me:read",  UD_LIST, .resource = &notifications, .handle = list, .about = "List what one is told." },
	{ "POST", "/v1/me/notifications/{id}/seen", "me.notifications.seen",     UD_PEOPLE, "me:write", UD_WRITE, .resource = &notifications, .handle = see, .about = "Say that one has seen it." },
	{ "POST", "/v1/me/notifications/seen",      "me.notifications.seen-all", UD_PEOPLE, "me:write", UD_WRITE, .status = 204, .handle = see_all, .about = "Say that one has seen all." },
};
/* clang-format on */
const struct ud_routes ud_api_notifications = { "Notifications", rows, UD_LEN(rows) };
