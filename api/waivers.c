/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waivers: the first signature waits for the other side's, which has the effect; then time runs.
 */
#include "api/waivers.h"

#include <string.h>

#include "api/api.h"
#include "api/failovers.h"
#include "api/ticket_run.h"
#include "db/approvals.h"
#include "db/events.h"
#include "db/waivers.h"
#include "server/http/list.h"
#include "server/workflow/workflow.h"

enum {
	SIGNERS = UD_R(CUSTOMER_APPROVER) | UD_CUSTOMER_ADMIN | UD_R(SUPPORT_LEAD),
	STATEMENT_MIN = 20,
	DAYS_MAX = 90,
};
#define DAY_MS INT64_C(86400000)

static enum ud_code no(struct ud_ticket_verdict *v, enum ud_code code, const char *text)
{
	*v = (struct ud_ticket_verdict){ code, text, NULL, NULL };
	return UD_OK;
}

enum ud_code ud_may_waive(struct ud_ctx *cx, const struct ud_ticket *t, struct ud_ticket_verdict *v)
{
	bool lacks = false;

	if (!t->failover_id)
		return no(v, UD_E_INVALID_STATE, "Only a failover leaves a VM unprotected.");
	if (cx->scope->kind != UD_PRINCIPAL_USER)
		return no(v, UD_E_PERSON_REQUIRED, "A person must sign this.");
	UD_TRY(ud_failover_lacks_protection(cx, t->failover_id, NULL, &lacks));
	return lacks ? UD_OK
		     : no(v, UD_E_INVALID_STATE,
			       "No VM of this run has moved and lacks nothing but protection.");
}

/* ---- signing ---- */

struct waive_body {
	const char *vm_id, *statement;
	struct ud_time expires_at;
};
/* clang-format off */
static const struct ud_field waive_fields[] = {
	UD_FIELD(waive_body, vm_id,      .flags = UD_REQUIRED, .refers = "vm", .about = "VM that stays unprotected."),
	UD_FIELD(waive_body, statement,  .flags = UD_REQUIRED, .min = STATEMENT_MIN, .max = 2000, .about = "Why you accept that, in your own words."),
	UD_FIELD(waive_body, expires_at, .flags = UD_REQUIRED, .about = "Until when, 90 days from now at most; then the ticket opens again."),
};
/* clang-format on */
static const struct ud_shape waive_shape = { .bare = true, UD_SHAPE(waive_body, waive_fields) };

static enum ud_code check(struct ud_ctx *cx, const struct ud_ticket *t, const struct waive_body *in)
{
	bool concerned = false, lacks = false;

	if (in->expires_at.ms <= cx->now_ms || in->expires_at.ms > cx->now_ms + DAYS_MAX * DAY_MS)
		return ud_fail_field(cx, "expires_at", "out_of_range",
			"expires_at is in the future, and not more than %d days from now.",
			DAYS_MAX);
	UD_TRY(ud_ticket_run_concerns(cx, t, in->vm_id, &concerned));
	if (!concerned)
		return ud_fail_field(
			cx, "vm_id", "not_found", "vm_id is not one of this failover's VMs.");
	UD_TRY(ud_failover_lacks_protection(cx, t->failover_id, in->vm_id, &lacks));
	return lacks ? UD_OK
		     : ud_fail(cx, UD_E_INVALID_STATE, NULL,
			       "This VM is protected, or has not moved yet.");
}

/* The signature that this one completes, if any; one that nobody completed in its time counts as
 * none. */
static enum ud_code complete(struct ud_ctx *cx, struct ud_waiver *w)
{
	struct ud_waiver_standing s = { 0 };

	UD_TRY(ud_waiver_standing(cx, w->ticket_id, w->vm_id, &s));
	if (!s.waiting_id)
		return UD_OK;
	if (s.waiting_until > cx->now_ms && s.waiting_side == w->side)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"Your side has signed it; the other side must, too.");
	UD_TRY(ud_waiver_paired(cx, s.waiting_id));
	if (s.waiting_until <= cx->now_ms)
		return UD_OK;
	w->effective = true;
	w->holds_until.ms = s.waiting_until < w->expires_at.ms ? s.waiting_until : w->expires_at.ms;
	return UD_OK;
}

static enum ud_code waive(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct waive_body *in = rq->in;
	struct ud_ticket old = { 0 }, t;
	struct ud_ticket_verdict v;
	const struct ud_ticket_move *m = NULL;

	UD_TRY(ud_ticket_load(cx, rq, &old, &t));
	UD_TRY(ud_ticket_ask(cx, &old, UD_TICKET_WAIVE, &v, &m));
	if (v.code != UD_OK)
		return ud_fail(cx, v.code, NULL, "%s", v.text);
	UD_TRY(check(cx, &old, in));
	struct ud_waiver w = { .row.customer_id = old.row.customer_id,
		.ticket_id = old.row.id,
		.vm_id = in->vm_id,
		.statement = in->statement,
		.side = cx->scope->home_customer_id ? UD_SIDE_CUSTOMER : UD_SIDE_STAFF,
		.user_id = cx->scope->id,
		.user_name = cx->scope->name,
		.expires_at = in->expires_at,
		.holds_until.ms = UD_NONE,
		.ended_at.ms = UD_NONE };

	UD_TRY(complete(cx, &w));
	UD_TRY(ud_row_insert(cx, &ud_waiver_table, &w));
	UD_TRY(ud_event_add(cx, "created", ud_waiver_table.shape, NULL, &w));
	UD_TRY(ud_ticket_move(cx, m, &old, &t));
	if (w.effective)
		UD_TRY(ud_flow_waived(cx, old.failover_id, w.vm_id));
	return ud_answer(cx, rq, ud_waiver_table.shape, &w);
}

/* ---- its end ---- */

enum ud_code ud_waivers_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_waivers_over(cx, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

/* The VM may be protected by now, or signed for anew. */
static enum ud_code end_one(struct ud_ctx *cx, const char *id)
{
	struct ud_waiver old = { 0 }, w;
	struct ud_waiver_standing s = { 0 };
	struct ud_ticket t = { 0 };
	bool lacks = false;

	UD_TRY(ud_row_get(cx, &ud_waiver_table, id, &old));
	w = old;
	w.ended_at.ms = cx->now_ms;
	UD_TRY(ud_row_update(cx, &ud_waiver_table, &old, &w));
	UD_TRY(ud_event_add(cx, "ended", ud_waiver_table.shape, &old, &w));
	UD_TRY(ud_row_get(cx, &ud_tickets, w.ticket_id, &t));
	UD_TRY(ud_waiver_standing(cx, w.ticket_id, w.vm_id, &s));
	UD_TRY(ud_failover_lacks_protection(cx, t.failover_id, w.vm_id, &lacks));
	return lacks && !s.holds_until ? ud_ticket_happen(cx, t.row.id, UD_TICKET_WAIVER_OVER)
				       : UD_OK;
}

enum ud_code ud_waivers_apply(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts ids = { 0 };

	(void)c;
	UD_TRY(ud_waivers_over(cx, &ids));
	for (size_t i = 0; i < ids.count; i++)
		UD_TRY(end_one(cx, ids.items[i]));
	return UD_OK;
}

/* ---- routes ---- */

static const struct ud_resource waivers = { .table = &ud_waiver_table,
	.parent_column = "ticket_id" };

/* A list under a ticket that the caller sees. */
static enum ud_code list(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket t = { 0 };

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	return ud_rest_list(cx, rq);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/tickets/{id}/waivers", "tickets.waivers.list", UD_PEOPLE, "tickets:read",    UD_LIST, .resource = &waivers, .handle = list, .about = "List the signatures that VMs stay unprotected." },
	{ "POST", "/v1/tickets/{id}/waive",   "tickets.waive",        SIGNERS,   "tickets:approve", UD_WRITE | UD_PERSON | UD_STEP_UP, &waive_shape, .resource = &waivers, .handle = waive, .about = "Sign that a VM stays unprotected until a date; a person of each side must." },
};
/* clang-format on */
const struct ud_routes ud_api_waivers = { "Waivers", rows, UD_LEN(rows) };
