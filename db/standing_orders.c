/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of standing orders, and which of them hold.
 */
#include "db/standing_orders.h"

#include "base/rules.h"
#include "db/failovers.h"

enum { HANDFUL = 20, VMS_MAX = 500, STATEMENT_MIN = 20 };

static const char *const state_names[] = { "in_force", "revoked", "void", "expired" };
const struct ud_enum ud_standing_states = { "standing_state", state_names, UD_LEN(state_names) };
static const char *const class_names[] = { "site_outage" };
const struct ud_enum ud_outage_classes = { "outage_class", class_names, UD_LEN(class_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_standing_order, name,               .flags = UD_REQUIRED | UD_SEARCH | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name of the order."),
	UD_FIELD(ud_standing_order, kind,               .flags = UD_REQUIRED | UD_BRIEF, .values = &ud_failover_kinds, .about = "What is agreed to: unplanned failovers, or the tests of a plan when a drill is due."),
	UD_FIELD(ud_standing_order, outage_classes,     .flags = UD_BRIEF, .max = 8, .values = &ud_outage_classes, .about = "Of unplanned failovers: the reasons that it holds for."),
	UD_FIELD(ud_standing_order, plan_id,            .flags = UD_FILTER | UD_BRIEF, .refers = "pln", .about = "Recovery plan that it is for; or vm_ids."),
	UD_FIELD(ud_standing_order, vm_ids,             .flags = UD_BRIEF, .max = VMS_MAX, .about = "VMs that it is for, all or some of them; or plan_id."),
	UD_FIELD(ud_standing_order, chain,              .values = &ud_chains, .about = "keep or reverse, where the replica has an extended one."),
	UD_FIELD(ud_standing_order, statement,          .flags = UD_REQUIRED, .min = STATEMENT_MIN, .max = 2000, .about = "What you agree to, in your own words."),
	UD_FIELD(ud_standing_order, expires_at,         .flags = UD_REQUIRED | UD_BRIEF, .about = "Until when it holds, a year from now at most."),
	UD_FIELD(ud_standing_order, state,              .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_standing_states, .about = "Whether it holds; what has ended never holds again."),
	UD_FIELD(ud_standing_order, plan_hash,          .flags = UD_SERVER, .about = "Hash of the plan that it was given for; when that is another one it is void."),
	UD_FIELD(ud_standing_order, given_by_id,        .flags = UD_SERVER, .about = "Who gave it."),
	UD_FIELD(ud_standing_order, given_by_name,      .flags = UD_SERVER | UD_BRIEF, .about = "Name of that person at that time."),
	UD_FIELD(ud_standing_order, ended_at,           .flags = UD_SERVER, .about = "When it ended."),
	UD_FIELD(ud_standing_order, ended_by_name,      .flags = UD_SERVER, .about = "Who revoked it."),
	UD_FIELD(ud_standing_order, end_reason,         .flags = UD_SERVER, .about = "Why it ended."),
	UD_FIELD(ud_standing_order, allowed_operations, .flags = UD_COMPUTED, .max = 4, .about = "What you may do with it now."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "standing_order",
	.prefix = "sto",
	.table = "standing_orders",
	UD_SHAPE(ud_standing_order, fields),
	.about = "What a customer's approver has agreed to beforehand." };
const struct ud_table ud_standing_orders = { .shape = &shape };

enum ud_code ud_standing_in_force(struct ud_ctx *cx, const char *customer_id, struct ud_texts *ret)
{
	return ud_query_texts(cx, UD_STANDING_MAX, ret,
		"SELECT id FROM standing_orders WHERE customer_id = $1 AND state = 'in_force'"
		" AND expires_at > $2 ORDER BY id LIMIT $3",
		UD_VALS(ud_t(customer_id), ud_i(cx->now_ms), ud_i(UD_STANDING_MAX)));
}

enum ud_code ud_standing_of_plan(struct ud_ctx *cx, const char *plan_id, const char **ret)
{
	bool found = false;

	*ret = NULL;
	/* every tenant: the caller has read the plan with its scope */
	return ud_query_text(cx, &found, ret,
		"SELECT id FROM standing_orders WHERE plan_id = $1 AND kind = 'test'"
		" AND state = 'in_force' AND expires_at > $2 ORDER BY id LIMIT 1",
		UD_VALS(ud_t(plan_id), ud_i(cx->now_ms)));
}

enum ud_code ud_standing_to_look_at(struct ud_ctx *cx, int64_t before_ms, struct ud_texts *ret)
{
	/* every tenant: the clock is the same for all */
	return ud_query_texts(cx, HANDFUL, ret,
		"SELECT id FROM standing_orders WHERE state = 'in_force'"
		" AND (expires_at <= $1 OR looked_at <= $2) ORDER BY looked_at, id LIMIT $3",
		UD_VALS(ud_i(cx->now_ms), ud_i(before_ms), ud_i(HANDFUL)));
}

/* every tenant: as above */
enum ud_code ud_standing_looked_at(struct ud_ctx *cx, const char *id)
{
	return ud_exec(cx, NULL, "UPDATE standing_orders SET looked_at = $2 WHERE id = $1",
		UD_VALS(ud_t(id), ud_i(cx->now_ms)));
}

/* every tenant: the caller has read the order with its scope */
enum ud_code ud_standing_withdraw(struct ud_ctx *cx, const char *id, const char *reason)
{
	return ud_exec(cx, NULL,
		"UPDATE approvals SET voided_at = $2, void_reason = $3, version = version + 1,"
		" updated_at = $2 WHERE standing_order_id = $1 AND voided_at IS NULL"
		" AND ticket_id IN (SELECT id FROM tickets WHERE approval = 'awaiting')",
		UD_VALS(ud_t(id), ud_i(cx->now_ms), ud_t(reason)));
}
