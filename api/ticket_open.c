/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a ticket begins: what was asked for is checked, and where it goes, what number it has, what
 * is promised and who must approve it is settled, in one transaction.
 */
#include <string.h>

#include "api/approvals.h"
#include "api/standing_orders.h"
#include "api/ticket_forms.h"
#include "api/ticket_run.h"
#include "base/id.h"
#include "db/events.h"
#include "db/queues.h"
#include "db/references.h"

/* Things a ticket can be about. */
static const char *const about[] = { "vm", "hst", "net", "ipb", "sit" };

static const char *prefix_of(const char *id)
{
	for (size_t i = 0; i < UD_LEN(about); i++)
		if (ud_id_valid(id, about[i]))
			return about[i];
	return NULL;
}

static enum ud_code check_resources(struct ud_ctx *cx, const struct ud_ticket *t)
{
	bool fine = true;

	for (size_t i = 0; i < t->resource_ids.count; i++) {
		const char *id = t->resource_ids.items[i], *prefix = prefix_of(id);

		if (!prefix)
			return ud_fail_field(cx, "resource_ids", "not_an_id",
				"resource_ids names VMs, hosts, networks, IP blocks and sites.");
		UD_TRY(ud_reference_check(
			cx, "resource_ids", prefix, id, t->row.customer_id, &fine));
	}
	return fine ? UD_OK : cx->problem.code;
}

/* The site of a ticket: named, or that of the first thing which has one. */
static enum ud_code find_site(struct ud_ctx *cx, struct ud_ticket *t)
{
	for (size_t i = 0; i < t->resource_ids.count && !t->site_id; i++) {
		const char *id = t->resource_ids.items[i];

		if (ud_id_valid(id, "vm"))
			UD_TRY(ud_ticket_vm_site(cx, id, &t->site_id));
		else if (ud_id_valid(id, "sit"))
			t->site_id = id;
	}
	return UD_OK;
}

static enum ud_code set_number(struct ud_ctx *cx, struct ud_ticket *t)
{
	const char *code = NULL;

	if (t->site_id)
		UD_TRY(ud_ticket_site_code(cx, t->site_id, &code));
	/* what belongs to no site is counted under a word that no site may have as its code */
	return ud_ticket_number(cx, code ? code : "x", &t->number);
}

static void set_requester(const struct ud_ctx *cx, struct ud_ticket *t)
{
	if (t->requester_id)
		return;
	t->requester_id = cx->scope->id;
	t->requester_name = cx->scope->name;
}

/* Instants and integers that are not there yet. */
static void clear(const struct ud_ctx *cx, struct ud_ticket *t)
{
	t->state = UD_TICKET_NEW;
	t->resolution = UD_RESOLUTION_NONE;
	t->approval = UD_APPROVAL_NONE;
	t->waiting_since.ms = cx->now_ms;
	t->acknowledged_at.ms = t->snoozed_until.ms = t->responded_at.ms = t->solved_at.ms =
		t->closed_at.ms = UD_NONE;
}

/* A ticket of a run is stored before its run, which refers to it, and bound to it then. */
static enum ud_code plan(struct ud_ctx *cx, struct ud_ticket *t, void *request)
{
	UD_TRY(ud_ticket_run_plan(cx, request, t));
	UD_TRY(ud_approval_settle(cx, t));
	UD_TRY(ud_ticket_bind(cx, t));
	return ud_standing_apply(cx, t);
}

enum ud_code ud_ticket_open(struct ud_ctx *cx, struct ud_ticket *t, void *request)
{
	if (cx->scope->customer_id)
		t->row.customer_id = cx->scope->customer_id;
	clear(cx, t);
	UD_TRY(ud_ticket_form_settle(cx, t));
	UD_TRY(check_resources(cx, t));
	UD_TRY(find_site(cx, t));
	UD_TRY(set_number(cx, t));
	set_requester(cx, t);
	if (!t->queue_id)
		UD_TRY(ud_queue_route(
			cx, t->row.customer_id, t->type, t->category_id, &t->queue_id));
	UD_TRY(ud_ticket_start_clocks(cx, t));
	if (!request)
		UD_TRY(ud_approval_settle(cx, t));
	UD_TRY(ud_row_insert(cx, &ud_tickets, t));
	if (request)
		UD_TRY(plan(cx, t, request));
	return ud_event_add(cx, "created", ud_tickets.shape, NULL, t);
}

/* Changed words, form, severity or things: clocks by the new severity, and approvals of the old
 * ones are void. */
enum ud_code ud_ticket_changed(struct ud_ctx *cx, const struct ud_ticket *old, struct ud_ticket *t)
{
	if (t->form.text != old->form.text) /* it was given anew */
		UD_TRY(ud_ticket_form_settle(cx, t));
	UD_TRY(check_resources(cx, t));
	if (old->severity != t->severity)
		UD_TRY(ud_ticket_start_clocks(cx, t));
	if (t->failover_id)
		return UD_OK; /* its plan is the run's, and so is its hash */
	return t->approval == UD_APPROVAL_REJECTED ? UD_OK : ud_approval_settle(cx, t);
}

enum ud_code ud_ticket_plan_changed(struct ud_ctx *cx, const char *ticket_id, const char *plan_hash)
{
	struct ud_scope system = ud_scope_system("tickets");
	const struct ud_scope *before = cx->scope;
	struct ud_ticket old = { 0 }, t;

	cx->scope = &system;
	enum ud_code code = ud_row_get(cx, &ud_tickets, ticket_id, &old);

	t = old;
	bool same = old.plan_hash && strcmp(old.plan_hash, plan_hash) == 0;

	if (code == UD_OK && !(same && old.approval != UD_APPROVAL_APPROVED)) {
		t.plan_hash = plan_hash;
		if (t.approval != UD_APPROVAL_NONE)
			t.approval = UD_APPROVAL_AWAITING;
		code = ud_approvals_void(cx, ticket_id, "the plan changed", false, NULL);
		if (code == UD_OK)
			code = ud_row_update(cx, &ud_tickets, &old, &t);
		if (code == UD_OK)
			code = ud_event_add(cx, "plan_changed", ud_tickets.shape, &old, &t);
		if (code == UD_OK)
			code = ud_ticket_tell(cx, &t, "plan_changed");
	}
	cx->scope = before;
	return code;
}
