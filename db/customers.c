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
