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

#endif
