/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of networks.
 */
#include "db/networks.h"

#include "base/rules.h"

static const char *const purpose_names[] = { "production", "test", "replication", "management" };
const struct ud_enum ud_network_purposes = { "network_purpose", purpose_names,
	UD_LEN(purpose_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_network, name,        .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 63, .rule = ud_rule_name, .about = "Name, unique in its site."),
	UD_FIELD(ud_network, site_id,     .flags = UD_REQUIRED | UD_FIXED | UD_FILTER | UD_BRIEF, .refers = "sit", .about = "Site it belongs to."),
	UD_FIELD(ud_network, purpose,     .flags = UD_REQUIRED | UD_FILTER | UD_BRIEF, .values = &ud_network_purposes, .about = "What it is for."),
	UD_FIELD(ud_network, vlan,        .flags = UD_NULLABLE | UD_BRIEF, .min = 1, .max = 4094, .about = "VLAN number (IEEE 802.1Q)."),
	UD_FIELD(ud_network, switch_name, .max = 100, .rule = ud_rule_name, .about = "Virtual switch or bridge that carries it."),
	UD_FIELD(ud_network, isolated,    .about = "True when nothing outside can be reached from it."),
	UD_FIELD(ud_network, note,        .max = 500, .about = "Words for people."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "network",
	.prefix = "net",
	.table = "networks",
	UD_SHAPE(ud_network, fields),
	.about = "A network that VMs are attached to." };
const struct ud_table ud_networks = { .shape = &shape, .tenancy = UD_SHARED };
