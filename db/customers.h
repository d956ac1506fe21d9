/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Customers: the tenants. A customer's customer_id is its own id, so one rule serves all tables.
 */
#ifndef DB_CUSTOMERS_H
#define DB_CUSTOMERS_H

#include "db/rows.h"

enum ud_customer_state {
	UD_CUSTOMER_PROSPECT,
	UD_CUSTOMER_ONBOARDING,
	UD_CUSTOMER_ACTIVE,
	UD_CUSTOMER_SUSPENDED,
	UD_CUSTOMER_OFFBOARDING,
	UD_CUSTOMER_CLOSED,
};
extern const struct ud_enum ud_customer_states;

struct ud_customer {
	struct ud_row row;
	const char *name, *account_number, *time_zone;
	unsigned state; /* enum ud_customer_state */
};
extern const struct ud_table ud_customers;

/* How many of what a customer has. */
struct ud_customer_counts {
	int64_t users, subscriptions, vms, vms_running, vms_replicated, replications,
		replications_critical, ip_addresses, recovery_plans, tickets_open,
		failovers_under_way;
};
/* Count them; the caller has read the customer with its scope. */
enum ud_code ud_customer_count(
	struct ud_ctx *cx, const char *customer_id, struct ud_customer_counts *ret) UD_USE;

#endif
