/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many calls about one collection in one. A batch may be sent by whoever may send one of its items;
 * each item's own row decides about it. A test compares the roles.
 */
#include "server/http/batch.h"
#include "api/api.h"

enum {
	LEAD = UD_R(SUPPORT_LEAD),
	ARRANGE = LEAD | UD_OPERATOR,
	PLACES = ARRANGE | UD_R(SUPPORT_ENGINEER),
	APPROVE = UD_R(CUSTOMER_APPROVER) | UD_CUSTOMER_ADMIN,
	ANY_WRITE = UD_CUSTOMER_WRITE | UD_STAFF_WRITE,
};

/* clang-format off */
#define BATCH(collection_, roles_, scope_, many_)                                           \
	{ "POST", "/v1/" collection_ "/batch", collection_ ".batch", roles_, scope_,        \
		UD_WRITE | UD_BATCH, .body = &ud_batch_shape, .answer = &ud_batch_results,  \
		.status = 207, .handle = ud_batch_read,                                     \
		.about = "Make up to 200 calls about " many_ " in one, each by itself." }

static const struct ud_route rows[] = {
	BATCH("customers",         ARRANGE | UD_CUSTOMER_ADMIN,              "customers:write",         "customers"),
	BATCH("subscriptions",     ARRANGE,                                  "subscriptions:write",     "subscriptions"),
	BATCH("users",             ARRANGE | UD_CUSTOMER_ADMIN,              "users:write",             "people"),
	BATCH("service-accounts",  ARRANGE | UD_CUSTOMER_ADMIN,              "service-accounts:write",  "service accounts"),
	BATCH("sites",             PLACES,                                   "sites:write",             "sites"),
	BATCH("fault-domains",     PLACES,                                   "fault-domains:write",     "fault domains"),
	BATCH("hosts",             UD_STAFF_WRITE,                           "hosts:write",             "hosts"),
	BATCH("agents",            UD_STAFF_WRITE,                           "agents:write",            "agents"),
	BATCH("vms",               ANY_WRITE,                                "vms:write",               "VMs"),
	BATCH("checkpoints",       ANY_WRITE & ~UD_R(SUPPORT_AGENT),         "vms:checkpoint",          "checkpoints"),
	BATCH("networks",          UD_STAFF_WRITE,                           "networks:write",          "networks"),
	BATCH("ip-blocks",         ANY_WRITE,                                "ip-blocks:write",         "IP blocks"),
	BATCH("ip-addresses",      ANY_WRITE,                                "ip-addresses:write",      "IP addresses"),
	BATCH("policies",          UD_STAFF_WRITE,                           "policies:write",          "policies"),
	BATCH("replications",      ANY_WRITE,                                "replications:write",      "replications"),
	BATCH("recovery-points",   UD_STAFF_WRITE,                           "replications:write",      "recovery points"),
	BATCH("recovery-plans",    APPROVE | UD_SUPPORT,                     "plans:write",             "recovery plans"),
	BATCH("failovers",         UD_CUSTOMER_WRITE | UD_SUPPORT,           "failovers:write",         "failovers"),
	BATCH("tickets",           UD_CUSTOMER_WRITE | UD_SUPPORT,           "tickets:write",           "tickets"),
	BATCH("standing-orders",   APPROVE | LEAD,                           "tickets:approve",         "standing orders"),
	BATCH("approval-policies", LEAD | UD_CUSTOMER_ADMIN,                 "approval-policies:write", "approval policies"),
	BATCH("queues",            UD_STAFF_WRITE,                           "queues:write",            "queues"),
	BATCH("ticket-categories", ARRANGE,                                  "ticket-categories:write", "ticket categories"),
	BATCH("macros",            ARRANGE,                                  "macros:write",            "macros"),
	BATCH("calendars",         ARRANGE,                                  "calendars:write",         "calendars"),
	BATCH("slas",              ARRANGE,                                  "slas:write",              "agreements on tickets"),
	BATCH("operations",        UD_STAFF_WRITE | UD_CUSTOMER_ADMIN,       "operations:write",        "operations"),
};
/* clang-format on */
const struct ud_routes ud_api_batch = { "Batches", rows, UD_LEN(rows) };
