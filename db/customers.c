/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of customers.
 */
#include "db/customers.h"

#include "base/rules.h"

static const char *const state_names[] = {
	[UD_CUSTOMER_PROSPECT] = "prospect",
	[UD_CUSTOMER_ONBOARDING] = "onboarding",
	[UD_CUSTOMER_ACTIVE] = "active",
	[UD_CUSTOMER_SUSPENDED] = "suspended",
	[UD_CUSTOMER_OFFBOARDING] = "offboarding",
	[UD_CUSTOMER_CLOSED] = "closed",
};
const struct ud_enum ud_customer_states = { "customer_state", state_names, UD_LEN(state_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_customer, name,           .flags = UD_REQUIRED | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 120, .rule = ud_rule_name, .about = "Name of the customer."),
	UD_FIELD(ud_customer, account_number, .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_FILTER | UD_BRIEF, .max = 40, .rule = ud_rule_name, .about = "Number of the customer's account; unique."),
	UD_FIELD(ud_customer, time_zone,      .flags = UD_REQUIRED, .max = 64, .rule = ud_rule_time_zone, .about = "IANA time zone of the customer's calendar rules."),
	UD_FIELD(ud_customer, state,          .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_customer_states, .standard = UD_CUSTOMER_ACTIVE, .about = "Where the customer stands."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "customer",
	.prefix = "cus",
	.table = "customers",
	UD_SHAPE(ud_customer, fields),
	.about = "A tenant: whose VMs, people and tickets they are." };
const struct ud_table ud_customers = { .shape = &shape, .soft = true };

/* clang-format off */
static const struct {
	size_t offset;
	const char *sql;
} counts[] = {
	{ offsetof(struct ud_customer_counts, users),          "SELECT COUNT(*) FROM users WHERE customer_id = $1 AND deleted_at IS NULL" },
	{ offsetof(struct ud_customer_counts, subscriptions),  "SELECT COUNT(*) FROM subscriptions WHERE customer_id = $1 AND state <> 'ended'" },
	{ offsetof(struct ud_customer_counts, vms),            "SELECT COUNT(*) FROM vms WHERE customer_id = $1" },
	{ offsetof(struct ud_customer_counts, vms_running),    "SELECT COUNT(*) FROM vms WHERE customer_id = $1 AND power = 'running'" },
	{ offsetof(struct ud_customer_counts, vms_replicated), "SELECT COUNT(DISTINCT vm_id) FROM replications WHERE customer_id = $1 AND wanted <> 'removed'" },
	{ offsetof(struct ud_customer_counts, replications),   "SELECT COUNT(*) FROM replications WHERE customer_id = $1 AND wanted <> 'removed'" },
	{ offsetof(struct ud_customer_counts, replications_critical), "SELECT COUNT(*) FROM replications WHERE customer_id = $1 AND wanted <> 'removed' AND health = 'critical'" },
	{ offsetof(struct ud_customer_counts, ip_addresses),   "SELECT COUNT(*) FROM ip_addresses WHERE customer_id = $1" },
	{ offsetof(struct ud_customer_counts, recovery_plans), "SELECT COUNT(*) FROM recovery_plans WHERE customer_id = $1" },
	{ offsetof(struct ud_customer_counts, tickets_open),   "SELECT COUNT(*) FROM tickets WHERE customer_id = $1 AND state NOT IN ('solved', 'closed', 'merged', 'transferred', 'rejected')" },
	{ offsetof(struct ud_customer_counts, failovers_under_way), "SELECT COUNT(*) FROM failovers WHERE customer_id = $1 AND state IN ('approved', 'scheduled', 'running', 'waiting', 'test_running', 'customer_validation', 'committed_unprotected')" },
};
/* clang-format on */

enum ud_code ud_customer_count(
	struct ud_ctx *cx, const char *customer_id, struct ud_customer_counts *ret)
{
	for (size_t i = 0; i < UD_LEN(counts); i++) {
		int64_t *to = (int64_t *)(void *)((char *)ret + counts[i].offset);
		bool found;

		UD_TRY(ud_query_int(cx, &found, to, counts[i].sql, UD_VALS(ud_t(customer_id))));
	}
	return UD_OK;
}
