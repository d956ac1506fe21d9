/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks that VMs are attached to.
 */
#ifndef DB_NETWORKS_H
#define DB_NETWORKS_H

#include "db/rows.h"

enum ud_network_purpose {
	UD_NETWORK_PRODUCTION,
	UD_NETWORK_TEST,
	UD_NETWORK_REPLICATION,
	UD_NETWORK_MANAGEMENT
};
extern const struct ud_enum ud_network_purposes;

struct ud_network {
	struct ud_row row;
	const char *name, *site_id;
	unsigned purpose; /* enum ud_network_purpose */
	int64_t vlan;
	const char *switch_name;
	bool isolated;
	const char *note;
};
extern const struct ud_table ud_networks;

#endif
