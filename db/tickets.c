/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of tickets, their numbers, and what ticks look for.
 */
#include "db/tickets.h"

#include <stdio.h>

#include "base/rules.h"

static const char *const type_names[] = { "incident", "request", "change", "failover", "drill",
	"firewall_change", "hardware", "consultation", "account", "billing" };
const struct ud_enum ud_ticket_types = { "ticket_type", type_names, UD_LEN(type_names) };
_Static_assert(UD_LEN(type_names) == UD_TICKET_TYPE_COUNT, "a name for every type");
static const char *const state_names[] = { "new", "open", "pending_customer", "pending_vendor",
	"pending_maintenance", "pending_machine", "solved", "closed", "merged", "transferred",
	"rejected" };
const struct ud_enum ud_ticket_states = { "ticket_state", state_names, UD_LEN(state_names) };
_Static_assert(UD_LEN(state_names) == UD_TICKET_STATE_COUNT, "a name for every state");
static const char *const severity_names[] = { "low", "normal", "high", "urgent" };
const struct ud_enum ud_ticket_severities = { "ticket_severity", severity_names,
	UD_LEN(severity_names) };
static const char *const channel_names[] = { "portal", "api", "email", "system" };
const struct ud_enum ud_ticket_channels = { "ticket_channel", channel_names,
	UD_LEN(channel_names) };
static const char *const failover_names[] = { "none", "test", "planned", "unplanned" };
const struct ud_enum ud_ticket_failovers = { "ticket_failover", failover_names,
	UD_LEN(failover_names) };
static const char *const approval_names[] = { "none", "awaiting", "approved", "rejected" };
const struct ud_enum ud_ticket_approvals = { "ticket_approval", approval_names,
	UD_LEN(approval_names) };
static const char *const waiting_names[] = { "nobody", "customer", "support", "vendor", "machine" };
const struct ud_enum ud_ticket_waitings = { "ticket_waiting", waiting_names,
	UD_LEN(waiting_names) };
static const char *const resolution_names[] = { "none", "solved", "canceled", "rejected", "merged",
	"transferred" };
const struct ud_enum ud_ticket_resolutions = { "ticket_resolution", resolution_names,
	UD_LEN(resolution_names) };

/* clang-format off */
static const struct ud_field form_fields[] = {
	UD_FIELD(ud_ticket_form, key,            .flags = UD_REQUIRED, .max = 63, .about = "Which form: a key of GET /v1/ticket-forms, one of the ticket's type."),
	UD_FIELD(ud_ticket_form, values,         .about = "What was filled in, by the form's schema."),
	UD_FIELD(ud_ticket_form, preferred_at,   .about = "When the work suits best; null = at any time."),
	UD_FIELD(ud_ticket_form, window_minutes, .flags = UD_NULLABLE, .min = 5, .max = 7 * 24 * 60, .about = "How many minutes it may take from then on; null = not told."),
};
const struct ud_shape ud_ticket_form_shape = { .bare = true, UD_SHAPE(ud_ticket_form, form_fields) };

static const struct ud_field fields[] = {
	UD_FIELD(ud_ticket, number,               .flags = UD_SERVER | UD_FILTER | UD_SORT | UD_SEARCH | UD_BRIEF, .about = "Number for people: date, site and a count of its own."),
	UD_FIELD(ud_ticket, type,                 .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_ticket_types, .about = "What kind of ticket it is."),
	UD_FIELD(ud_ticket, state,                .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_ticket_states, .about = "Where it stands."),
	UD_FIELD(ud_ticket, severity,             .flags = UD_FILTER | UD_BRIEF, .values = &ud_ticket_severities, .standard = UD_SEVERITY_NORMAL, .about = "How bad it is."),
	UD_FIELD(ud_ticket, subject,              .flags = UD_REQUIRED | UD_SEARCH | UD_BRIEF, .max = 200, .rule = ud_rule_name, .about = "What it is about, in a line."),
	UD_FIELD(ud_ticket, body,                 .flags = UD_SEARCH, .max = 20000, .about = "What is asked for."),
	UD_FIELD(ud_ticket, form,                 .flags = UD_NULLABLE, .part = &ud_ticket_form_shape, .about = "What is asked for by a form; null = in words alone. A change gives it whole."),
	UD_FIELD(ud_ticket, category_id,          .flags = UD_FILTER, .refers = "tca", .about = "Category it was put into."),
	UD_FIELD(ud_ticket, site_id,              .flags = UD_SERVER | UD_FILTER, .refers = "sit", .about = "Site it is about."),
	UD_FIELD(ud_ticket, resource_ids,         .max = 200, .about = "Ids of the VMs and other things it is about."),
	UD_FIELD(ud_ticket, language,             .max = 35, .about = "Language to answer in (BCP 47)."),
	UD_FIELD(ud_ticket, channel,              .flags = UD_SERVER, .values = &ud_ticket_channels, .about = "How it came in."),
	UD_FIELD(ud_ticket, requester_id,         .flags = UD_SERVER | UD_FILTER, .about = "Who opened it."),
	UD_FIELD(ud_ticket, requester_name,       .flags = UD_SERVER | UD_BRIEF, .about = "Name of who opened it."),
	UD_FIELD(ud_ticket, on_behalf_of_id,      .flags = UD_SERVER, .refers = "usr", .about = "Whom it was opened for."),
	UD_FIELD(ud_ticket, queue_id,             .flags = UD_SERVER | UD_FILTER, .about = "Queue of the support team that it waits in."),
	UD_FIELD(ud_ticket, assignee_id,          .flags = UD_SERVER | UD_FILTER, .about = "Who of the support team works on it."),
	UD_FIELD(ud_ticket, assignee_name,        .flags = UD_SERVER | UD_BRIEF, .about = "Name of who works on it."),
	UD_FIELD(ud_ticket, waiting_on,           .flags = UD_COMPUTED, .values = &ud_ticket_waitings, .about = "Whose turn it is."),
	UD_FIELD(ud_ticket, waiting_since,        .flags = UD_SERVER, .about = "Since when it is in this state."),
	UD_FIELD(ud_ticket, acknowledged_at,      .flags = UD_SERVER, .about = "When somebody of the support team saw it first."),
	UD_FIELD(ud_ticket, escalation,           .flags = UD_SERVER, .max = 100, .about = "How often it was escalated."),
	UD_FIELD(ud_ticket, snoozed_until,        .flags = UD_SERVER, .about = "Until when it is laid aside."),
	UD_FIELD(ud_ticket, failover_kind,        .flags = UD_SERVER, .values = &ud_ticket_failovers, .about = "The failover that is asked for."),
	UD_FIELD(ud_ticket, failover_id,          .flags = UD_SERVER | UD_FILTER, .about = "The run that is bound to it."),
	UD_FIELD(ud_ticket, plan_hash,            .flags = UD_SERVER, .about = "Hash of what approvers approve; it changes with every change of the plan."),
	UD_FIELD(ud_ticket, approval,             .flags = UD_SERVER | UD_FILTER, .values = &ud_ticket_approvals, .about = "Whether somebody must approve it, and whether that is done."),
	UD_FIELD(ud_ticket, sla_id,               .flags = UD_SERVER, .about = "Agreement whose clocks run."),
	UD_FIELD(ud_ticket, sla_version,          .flags = UD_SERVER | UD_NULLABLE, .about = "Version of it that the ticket was opened under."),
	UD_FIELD(ud_ticket, calendar_id,          .flags = UD_SERVER, .about = "Calendar the clocks go by."),
	UD_FIELD(ud_ticket, response_seconds,     .flags = UD_SERVER | UD_NULLABLE, .about = "Working time promised until the first answer."),
	UD_FIELD(ud_ticket, response_due_at,      .flags = UD_SERVER, .about = "Until when the first answer is due."),
	UD_FIELD(ud_ticket, responded_at,         .flags = UD_SERVER, .about = "When the support team answered first."),
	UD_FIELD(ud_ticket, response_breached,    .flags = UD_SERVER, .about = "True when the first answer came too late."),
	UD_FIELD(ud_ticket, resolve_seconds,      .flags = UD_SERVER | UD_NULLABLE, .about = "Working time promised until it is solved."),
	UD_FIELD(ud_ticket, resolve_due_at,       .flags = UD_SERVER, .about = "Until when it is to be solved; null while the clock stands still."),
	UD_FIELD(ud_ticket, resolve_left_seconds, .flags = UD_SERVER | UD_NULLABLE, .about = "Working time left while the clock stands still."),
	UD_FIELD(ud_ticket, resolve_breached,     .flags = UD_SERVER, .about = "True when it was not solved in time."),
	UD_FIELD(ud_ticket, due_at,               .flags = UD_SERVER | UD_SORT, .about = "The next end of a clock that runs; the last second of 9999 when none does."),
	UD_FIELD(ud_ticket, urgency,              .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_ticket, solved_at,            .flags = UD_SERVER, .about = "When it was solved."),
	UD_FIELD(ud_ticket, closed_at,            .flags = UD_SERVER, .about = "When it was closed for good."),
	UD_FIELD(ud_ticket, resolution,           .flags = UD_SERVER | UD_FILTER, .values = &ud_ticket_resolutions, .about = "How it ended."),
	UD_FIELD(ud_ticket, merged_into_id,       .flags = UD_SERVER, .refers = "tkt", .about = "Ticket it was merged into."),
	UD_FIELD(ud_ticket, continues_id,         .flags = UD_SERVER, .refers = "tkt", .about = "Closed ticket it goes on from."),
	UD_FIELD(ud_ticket, blockers,             .flags = UD_COMPUTED, .about = "What keeps the failover from starting, each with a way out; null in lists."),
	UD_FIELD(ud_ticket, predicted,            .flags = UD_COMPUTED, .about = "What the failover is expected to cost; null in lists."),
	UD_FIELD(ud_ticket, allowed_operations,   .flags = UD_COMPUTED, .about = "What the caller may do with it now; null in lists."),
	UD_FIELD(ud_ticket, blocked_operations,   .flags = UD_COMPUTED, .about = "What the caller may not do now, and why; null in lists."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "ticket",
	.prefix = "tkt",
	.table = "tickets",
	UD_SHAPE(ud_ticket, fields),
	.about = "What somebody asks for." };
const struct ud_table ud_tickets = { .shape = &shape };

enum ud_code ud_ticket_number(struct ud_ctx *cx, const char *site_code, const char **ret)
{
	char now[UD_TIME_TEXT];
	int64_t n = 0;

	ud_time_format(cx->now_ms, now); /* 2026-11-25T… */
	const char *day = ud_printf(cx->arena, "%.2s%.2s%.2s", now + 2, now + 5, now + 8);

	UD_TRY(ud_counter_next(cx, ud_printf(cx->arena, "ticket:%s:%s", site_code, day), &n));
	*ret = ud_printf(cx->arena, "%s-%s-%07lld", day, site_code, (long long)n);
	return UD_OK;
}

enum ud_code ud_ticket_vm_site(struct ud_ctx *cx, const char *vm_id, const char **ret)
{
	bool found;

	*ret = NULL;
	/* every tenant: a customer's VM runs on the provider's host */
	return ud_query_text(cx, &found, ret,
		"SELECT hosts.site_id FROM vms JOIN hosts ON hosts.id = vms.host_id WHERE vms.id = $1",
		UD_VALS(ud_t(vm_id)));
}

enum ud_code ud_ticket_site_code(struct ud_ctx *cx, const char *site_id, const char **ret)
{
	bool found;

	*ret = NULL;
	/* every tenant: sites are the provider's */
	return ud_query_text(
		cx, &found, ret, "SELECT code FROM sites WHERE id = $1", UD_VALS(ud_t(site_id)));
}

enum ud_code ud_ticket_bind(struct ud_ctx *cx, const struct ud_ticket *t)
{
	/* every tenant: the row was stored in this very transaction */
	return ud_exec(cx, NULL,
		"UPDATE tickets SET failover_id = $2, plan_hash = $3, approval = $4 WHERE id = $1",
		UD_VALS(ud_t(t->row.id), ud_t(t->failover_id), ud_t(t->plan_hash),
			ud_t(approval_names[t->approval])));
}

enum ud_code ud_ticket_staff_name(struct ud_ctx *cx, const char *user_id, const char **ret)
{
	bool found;

	*ret = NULL;
	return ud_query_text(cx, &found, ret,
		"SELECT display_name FROM users WHERE id = $1 AND customer_id IS NULL AND state = 'active'"
		" AND deleted_at IS NULL",
		UD_VALS(ud_t(user_id)));
}

enum ud_code ud_tickets_due(struct ud_ctx *cx, enum ud_ticket_due what, struct ud_texts *ret)
{
	/* every tenant: ticks serve all */
	static const char *const questions[] = {
		[UD_DUE_CLOCK] =
			"SELECT id FROM tickets WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2",
		[UD_DUE_SNOOZE] =
			"SELECT id FROM tickets WHERE snoozed_until IS NOT NULL AND snoozed_until <= $1"
			" ORDER BY snoozed_until LIMIT $2",
		[UD_DUE_CLOSE] = "SELECT id FROM tickets WHERE state = 'solved' AND solved_at <= $1"
				 " ORDER BY solved_at LIMIT $2",
	};
	_Static_assert(
		UD_LEN(questions) == UD_DUE_COUNT, "a question for everything that comes due");
	UD_AUTO(ud_rows) *rows = NULL;
	int64_t until = cx->now_ms;
	bool more = true;

	if (what == UD_DUE_CLOSE)
		until -= UD_TICKET_GRACE_DAYS * INT64_C(86400000);
	*ret = (struct ud_texts){ ud_alloc(cx->arena, UD_TICKETS_PER_TICK * sizeof(char *)), 0 };
	UD_TRY(ud_query(
		cx, &rows, questions[what], UD_VALS(ud_i(until), ud_i(UD_TICKETS_PER_TICK))));
	while (more) {
		UD_TRY(ud_next(cx, rows, &more));
		if (more)
			ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
	}
	return UD_OK;
}
