/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of subscriptions, and the one question everybody asks of them.
 */
#include "db/subscriptions.h"

static const char *const kind_names[] = { "managed", "unmanaged" };
const struct ud_enum ud_subscription_kinds = { "subscription_kind", kind_names,
	UD_LEN(kind_names) };
static const char *const state_names[] = { "pending", "active", "past_due", "ending", "ended" };
const struct ud_enum ud_subscription_states = { "subscription_state", state_names,
	UD_LEN(state_names) };
static const char *const add_on_names[] = { "file_backup", "dedicated_nas", "dedicated_san",
	"shared_san", "hyperv_replica", "extended_replication", "cloud_replication" };
const struct ud_enum ud_add_ons = { "add_on", add_on_names, UD_LEN(add_on_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_subscription, kind,      .flags = UD_REQUIRED | UD_FILTER | UD_BRIEF, .values = &ud_subscription_kinds, .about = "Whether the provider looks after the guests."),
	UD_FIELD(ud_subscription, add_ons,   .flags = UD_BRIEF, .max = 7, .values = &ud_add_ons, .about = "What was bought beside it."),
	UD_FIELD(ud_subscription, state,     .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_subscription_states, .standard = UD_SUBSCRIPTION_ACTIVE, .about = "Where the subscription stands."),
	UD_FIELD(ud_subscription, starts_at, .about = "When it begins; now when not given."),
	UD_FIELD(ud_subscription, ends_at,   .about = "When it ends; null = open."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "subscription",
	.prefix = "sub",
	.table = "subscriptions",
	UD_SHAPE(ud_subscription, fields),
	.about = "What a customer has bought." };
const struct ud_table ud_subscriptions = { .shape = &shape, .customer_required = true };

enum ud_code ud_subscribed(
	struct ud_ctx *cx, const char *customer_id, enum ud_add_on add_on, bool *ret)
{
	int64_t one;

	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM subscriptions"
		" WHERE customer_id = $1 AND state IN ('active', 'past_due', 'ending') AND add_ons LIKE $2 LIMIT 1",
		UD_VALS(ud_t(customer_id),
			ud_t(ud_printf(cx->arena, "%%\"%s\"%%", add_on_names[add_on]))));
}

enum ud_code ud_subscribed_managed(struct ud_ctx *cx, const char *customer_id, bool *ret)
{
	int64_t one;

	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM subscriptions"
		" WHERE customer_id = $1 AND state IN ('active', 'past_due', 'ending')"
		" AND kind = 'managed' LIMIT 1",
		UD_VALS(ud_t(customer_id)));
}
