/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Subscriptions, and what they entitle a customer to.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "db/customers.h"
#include "db/subscriptions.h"
#include "db/vms.h"
#include "server/http/list.h"

static enum ud_code before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	struct ud_subscription *s = row;

	(void)given;
	if (!s)
		return UD_OK;
	if (!old_row && (s->starts_at.ms == 0 || s->starts_at.ms == UD_NONE))
		s->starts_at.ms = cx->now_ms;
	if (s->ends_at.ms && s->ends_at.ms != UD_NONE && s->ends_at.ms <= s->starts_at.ms)
		return ud_fail_field(cx, "ends_at", "out_of_range", "ends_at is after starts_at.");
	return UD_OK;
}

static const struct ud_resource subscriptions = { .table = &ud_subscriptions, .before = before };

static enum ud_code cancel(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_subscription old = { 0 }, s;

	UD_TRY(ud_row_get(cx, &ud_subscriptions, rq->arg[0], &old));
	UD_TRY(ud_check_match(cx, rq, old.row.version));
	if (old.state == UD_SUBSCRIPTION_ENDED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The subscription has ended.");
	s = old;
	s.state = UD_SUBSCRIPTION_ENDED;
	s.ends_at.ms = cx->now_ms;
	UD_TRY(ud_rest_change(cx, &subscriptions, &rq->given, "canceled", &old, &s));
	return ud_answer(cx, rq, ud_subscriptions.shape, &s);
}

/* Every feature that is sold by an add-on. hypervisor: the hosts it needs; NULL = any. */
static const struct {
	const char *feature;
	enum ud_add_on add_on;
	const char *hypervisor, *reason;
} features[] = {
	{ "replication", UD_ADD_ON_HYPERV_REPLICA, NULL, NULL },
	{ "extended_replication", UD_ADD_ON_EXTENDED_REPLICATION, NULL, NULL },
	{ "cloud_replication", UD_ADD_ON_CLOUD_REPLICATION, "hyperv",
		"Cloud replication works from Hyper-V hosts; the VMs run on others." },
	{ "file_backup", UD_ADD_ON_FILE_BACKUP, NULL, NULL },
	{ "dedicated_nas", UD_ADD_ON_DEDICATED_NAS, NULL, NULL },
	{ "dedicated_san", UD_ADD_ON_DEDICATED_SAN, NULL, NULL },
	{ "shared_san", UD_ADD_ON_SHARED_SAN, NULL, NULL },
};

/* A host that cannot do it counts only when VMs are there and none is on a fitting one. */
static enum ud_code unsupported(
	struct ud_ctx *cx, const char *customer_id, const char *hypervisor, bool *ret)
{
	bool fitting = true, other = false;

	*ret = false;
	if (!hypervisor)
		return UD_OK;
	UD_TRY(ud_vms_on(cx, customer_id, hypervisor, &fitting));
	UD_TRY(ud_vms_on(
		cx, customer_id, strcmp(hypervisor, "hyperv") == 0 ? "kvm" : "hyperv", &other));
	*ret = other && !fitting;
	return UD_OK;
}

static enum ud_code list_features(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_customer c = { 0 };

	UD_TRY(ud_row_get(cx, &ud_customers, rq->arg[0], &c));
	ud_page_open(rq);
	for (size_t i = 0; i < UD_LEN(features); i++) {
		bool bought = false, no = false;

		UD_TRY(ud_subscribed(cx, c.row.id, features[i].add_on, &bought));
		UD_TRY(unsupported(cx, c.row.id, features[i].hypervisor, &no));
		ud_buf_printf(&rq->out,
			"%s{\"object\":\"feature\",\"feature\":\"%s\",\"state\":\"%s\",\"add_on\":\"%s\",\"reason\":",
			i ? "," : "", features[i].feature,
			no               ? "unsupported_by_host"
				: bought ? "entitled"
					 : "not_subscribed",
			ud_add_ons.names[features[i].add_on]);
		ud_buf_json(&rq->out, no ? features[i].reason : NULL);
		ud_buf_putc(&rq->out, '}');
	}
	return ud_page_close(cx, rq, NULL, UD_NONE);
}

enum { CHANGE = UD_OPERATOR | UD_R(SUPPORT_LEAD) };

/* clang-format off */
static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/subscriptions", "subscriptions", "a subscription", "subscriptions", UD_PEOPLE, CHANGE, &subscriptions),
	{ "POST", "/v1/subscriptions/{id}/cancel", "subscriptions.cancel", CHANGE,    "subscriptions:write", UD_WRITE, .resource = &subscriptions, .handle = cancel, .about = "End a subscription now." },
	{ "GET",  "/v1/customers/{id}/features",   "customers.features",   UD_PEOPLE, "customers:read",      UD_WHOLE, .answer = &ud_feature_shape, .handle = list_features, .about = "Tell for every feature whether the customer has it, and if not, why." },
};
/* clang-format on */
const struct ud_routes ud_api_subscriptions = { "Subscriptions", rows, UD_LEN(rows) };
