/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables of policies, approvals and attestations, and what is counted of them.
 */
#include "db/approvals.h"

#include <string.h>

#include "base/rules.h"

static const char *const rule_names[] = { "alone", "one_of", "never" };
const struct ud_enum ud_requester_rules = { "requester_rule", rule_names, UD_LEN(rule_names) };
static const char *const decision_names[] = { "approved", "rejected" };
const struct ud_enum ud_decisions = { "decision", decision_names, UD_LEN(decision_names) };
static const char *const side_names[] = { "customer", "staff" };
const struct ud_enum ud_sides = { "side", side_names, UD_LEN(side_names) };

/* clang-format off */
static const struct ud_field policy_fields[] = {
	UD_FIELD(ud_approval_policy, name,                  .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name of the policy."),
	UD_FIELD(ud_approval_policy, ticket_type,           .flags = UD_REQUIRED | UD_FIXED | UD_FILTER | UD_BRIEF, .values = &ud_ticket_types, .about = "Tickets it is for."),
	UD_FIELD(ud_approval_policy, failover_kind,         .flags = UD_FIXED | UD_BRIEF, .values = &ud_ticket_failovers, .about = "For tickets of type failover: the kind it is for; none = every kind."),
	UD_FIELD(ud_approval_policy, least_severity,        .values = &ud_ticket_severities, .about = "Severity from which on it counts."),
	UD_FIELD(ud_approval_policy, customer_approvals,    .flags = UD_BRIEF, .max = 20, .about = "How many of the customer's people must approve."),
	UD_FIELD(ud_approval_policy, staff_approvals,       .flags = UD_BRIEF, .max = 20, .about = "How many of the provider's people must approve."),
	UD_FIELD(ud_approval_policy, approvals,             .flags = UD_BRIEF, .max = 40, .about = "How many people must approve in all, of whatever side."),
	UD_FIELD(ud_approval_policy, requester,             .flags = UD_BRIEF, .values = &ud_requester_rules, .standard = UD_REQUESTER_ONE_OF, .about = "Whether the requester may approve: alone, as one of several, or never."),
	UD_FIELD(ud_approval_policy, approver_ids,          .max = 50, .about = "Users who may approve; empty = everybody whose role allows it."),
	UD_FIELD(ud_approval_policy, expires_after_seconds, .min = 300, .max = 2592000, .standard = 86400, .about = "How long an approval counts while others are still missing."),
	UD_FIELD(ud_approval_policy, enabled,               .flags = UD_BRIEF, .standard = 1, .about = "False = not asked for."),
};
static const struct ud_shape policy_shape = { .object = "approval_policy",
	.prefix = "apl",
	.table = "approval_policies",
	UD_SHAPE(ud_approval_policy, policy_fields),
	.about = "Who must approve which tickets; it can ask for more than the house does, never for less." };
const struct ud_table ud_approval_policies = { .shape = &policy_shape, .tenancy = UD_SHARED };

static const struct ud_field approval_fields[] = {
	UD_FIELD(ud_approval, ticket_id,   .flags = UD_SERVER, .refers = "tkt", .about = "Ticket it is about."),
	UD_FIELD(ud_approval, plan_hash,   .flags = UD_SERVER, .about = "What was approved."),
	UD_FIELD(ud_approval, decision,    .flags = UD_SERVER | UD_BRIEF, .values = &ud_decisions, .about = "What was decided."),
	UD_FIELD(ud_approval, side,        .flags = UD_SERVER | UD_BRIEF, .values = &ud_sides, .about = "For whom."),
	UD_FIELD(ud_approval, user_id,     .flags = UD_SERVER, .about = "By whom."),
	UD_FIELD(ud_approval, user_name,   .flags = UD_SERVER | UD_BRIEF, .about = "Name of that person at that time."),
	UD_FIELD(ud_approval, note,        .flags = UD_SERVER | UD_BRIEF, .max = 2000, .about = "Why."),
	UD_FIELD(ud_approval, expires_at,  .flags = UD_SERVER, .about = "Until when it counts."),
	UD_FIELD(ud_approval, voided_at,   .flags = UD_SERVER | UD_BRIEF, .about = "When it ceased to count; null = it counts."),
	UD_FIELD(ud_approval, void_reason, .flags = UD_SERVER, .about = "Why it ceased to count."),
	UD_FIELD(ud_approval, standing_order_id, .flags = UD_SERVER, .refers = "sto", .about = "Standing order that it follows from; null = it was given for this ticket."),
};
static const struct ud_shape approval_shape = { .object = "approval",
	.prefix = "apv",
	.table = "approvals",
	UD_SHAPE(ud_approval, approval_fields),
	.about = "What somebody decided about a ticket." };
const struct ud_table ud_approvals = { .shape = &approval_shape };

static const struct ud_field attestation_fields[] = {
	UD_FIELD(ud_attestation, ticket_id, .flags = UD_SERVER, .refers = "tkt", .about = "Ticket it is about."),
	UD_FIELD(ud_attestation, vm_id,     .flags = UD_SERVER | UD_BRIEF, .refers = "vm", .about = "VM whose source is stated to be off."),
	UD_FIELD(ud_attestation, statement, .flags = UD_SERVER | UD_BRIEF, .about = "What that person has checked, in own words."),
	UD_FIELD(ud_attestation, side,      .flags = UD_SERVER | UD_BRIEF, .values = &ud_sides, .about = "For whom."),
	UD_FIELD(ud_attestation, user_id,   .flags = UD_SERVER, .about = "By whom."),
	UD_FIELD(ud_attestation, user_name, .flags = UD_SERVER | UD_BRIEF, .about = "Name of that person at that time."),
	UD_FIELD(ud_attestation, effective, .flags = UD_SERVER | UD_BRIEF, .about = "True when it was the second of two people: from then on the source counts as off."),
};
static const struct ud_shape attestation_shape = { .object = "attestation",
	.prefix = "att",
	.table = "attestations",
	UD_SHAPE(ud_attestation, attestation_fields),
	.about = "The statement of a person that a VM's source is off." };
const struct ud_table ud_attestations = { .shape = &attestation_shape };
/* clang-format on */

enum ud_code ud_policies_for(struct ud_ctx *cx, const char *customer_id, unsigned ticket_type,
	ud_policy_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = true;

	UD_TRY(ud_query(cx, &rows,
		"SELECT id, customer_id, failover_kind, least_severity, customer_approvals, staff_approvals,"
		" approvals, requester, approver_ids, expires_after_seconds FROM approval_policies"
		" WHERE ticket_type = $1 AND enabled = 1 AND (customer_id = $2 OR customer_id IS NULL)"
		" ORDER BY id LIMIT 100",
		UD_VALS(ud_t(ud_ticket_types.names[ticket_type]), ud_t(customer_id))));
	while (more) {
		struct ud_approval_policy p = { .ticket_type = ticket_type, .enabled = true };

		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			break;
		p.row.id = ud_col_dup(cx, rows, 0);
		p.row.customer_id = ud_col_dup(cx, rows, 1);
		p.failover_kind =
			(unsigned)ud_enum_index(&ud_ticket_failovers, ud_col_text(rows, 2));
		p.least_severity =
			(unsigned)ud_enum_index(&ud_ticket_severities, ud_col_text(rows, 3));
		p.customer_approvals = ud_col_int(rows, 4);
		p.staff_approvals = ud_col_int(rows, 5);
		p.approvals = ud_col_int(rows, 6);
		p.requester = (unsigned)ud_enum_index(&ud_requester_rules, ud_col_text(rows, 7));
		ud_texts_read(cx, ud_col_text(rows, 8), &p.approver_ids);
		p.expires_after_seconds = ud_col_int(rows, 9);
		UD_TRY(visit(cx, data, &p));
	}
	return UD_OK;
}

/* every tenant: the caller has read the ticket with its own scope */
enum ud_code ud_approvals_count(struct ud_ctx *cx, const char *ticket_id, const char *plan_hash,
	struct ud_approval_count *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = true;

	*ret = (struct ud_approval_count){ 0 };
	UD_TRY(ud_query(cx, &rows,
		"SELECT side, user_id FROM approvals WHERE ticket_id = $1 AND plan_hash = $2"
		" AND decision = 'approved' AND voided_at IS NULL AND expires_at > $3 LIMIT 1000",
		UD_VALS(ud_t(ticket_id), ud_t(plan_hash), ud_i(cx->now_ms))));
	while (more) {
		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			break;
		bool staff = ud_enum_index(&ud_sides, ud_col_text(rows, 0)) == UD_SIDE_STAFF;

		ret->staff += staff;
		ret->customer += !staff;
		ret->mine |= cx->scope->id && strcmp(cx->scope->id, ud_col_text(rows, 1)) == 0;
	}
	return UD_OK;
}

/* every tenant: as above */
enum ud_code ud_approvals_void(struct ud_ctx *cx, const char *ticket_id, const char *reason,
	bool only_expired, int64_t *ret)
{
	return ud_exec(cx, ret,
		"UPDATE approvals SET voided_at = $2, void_reason = $3, version = version + 1, updated_at = $2"
		" WHERE ticket_id = $1 AND voided_at IS NULL AND decision = 'approved' AND expires_at <= $4",
		UD_VALS(ud_t(ticket_id), ud_i(cx->now_ms), ud_t(reason),
			ud_i(only_expired ? cx->now_ms : INT64_MAX)));
}

enum ud_code ud_approvals_overdue(struct ud_ctx *cx, struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = true;

	*ret = (struct ud_texts){ ud_alloc(cx->arena, UD_TICKETS_PER_TICK * sizeof(char *)), 0 };
	/* every tenant: ticks serve all */
	UD_TRY(ud_query(cx, &rows,
		"SELECT DISTINCT approvals.ticket_id FROM approvals JOIN tickets ON tickets.id = approvals.ticket_id"
		" WHERE approvals.voided_at IS NULL AND approvals.expires_at <= $1 AND tickets.approval = 'awaiting'"
		" LIMIT $2",
		UD_VALS(ud_i(cx->now_ms), ud_i(UD_TICKETS_PER_TICK))));
	while (more) {
		UD_TRY(ud_next(cx, rows, &more));
		if (more)
			ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
	}
	return UD_OK;
}

/* every tenant: as above */
enum ud_code ud_attestations_count(struct ud_ctx *cx, const char *ticket_id, const char *vm_id,
	int64_t *ret_people, bool *ret_mine)
{
	int64_t mine = 0;
	bool found;

	*ret_people = 0;
	UD_TRY(ud_query_int(cx, &found, ret_people,
		"SELECT COUNT(*) FROM attestations WHERE ticket_id = $1 AND vm_id = $2",
		UD_VALS(ud_t(ticket_id), ud_t(vm_id))));
	UD_TRY(ud_query_int(cx, &found, &mine,
		"SELECT COUNT(*) FROM attestations WHERE ticket_id = $1 AND vm_id = $2 AND user_id = $3",
		UD_VALS(ud_t(ticket_id), ud_t(vm_id), ud_t(cx->scope->id))));
	*ret_mine = mine > 0;
	return UD_OK;
}
