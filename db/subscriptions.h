/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What customers have bought.
 */
#ifndef DB_SUBSCRIPTIONS_H
#define DB_SUBSCRIPTIONS_H

#include "db/rows.h"

enum ud_subscription_kind { UD_SUBSCRIPTION_MANAGED, UD_SUBSCRIPTION_UNMANAGED };
extern const struct ud_enum ud_subscription_kinds;
enum ud_subscription_state {
	UD_SUBSCRIPTION_PENDING,
	UD_SUBSCRIPTION_ACTIVE,
	UD_SUBSCRIPTION_PAST_DUE,
	UD_SUBSCRIPTION_ENDING,
	UD_SUBSCRIPTION_ENDED,
};
extern const struct ud_enum ud_subscription_states;
enum ud_add_on {
	UD_ADD_ON_FILE_BACKUP,
	UD_ADD_ON_DEDICATED_NAS,
	UD_ADD_ON_DEDICATED_SAN,
	UD_ADD_ON_SHARED_SAN,
	UD_ADD_ON_HYPERV_REPLICA,
	UD_ADD_ON_EXTENDED_REPLICATION,
	UD_ADD_ON_CLOUD_REPLICATION,
};
extern const struct ud_enum ud_add_ons;

struct ud_subscription {
	struct ud_row row;
	unsigned kind; /* enum ud_subscription_kind */
	struct ud_texts add_ons;
	unsigned state; /* enum ud_subscription_state */
	struct ud_time starts_at, ends_at;
};
extern const struct ud_table ud_subscriptions;

/* Has the customer a managed subscription in force? */
enum ud_code ud_subscribed_managed(struct ud_ctx *cx, const char *customer_id, bool *ret) UD_USE;
/* Has the customer a subscription in force (active, past due or ending) with this add-on? */
enum ud_code ud_subscribed(
	struct ud_ctx *cx, const char *customer_id, enum ud_add_on add_on, bool *ret) UD_USE;

#endif
