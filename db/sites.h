/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sites and the fault domains inside them: where things stand.
 */
#ifndef DB_SITES_H
#define DB_SITES_H

#include "db/rows.h"

enum ud_site_kind { UD_SITE_CUSTOMER_DC, UD_SITE_PROVIDER_DC, UD_SITE_CLOUD };
extern const struct ud_enum ud_site_kinds;
enum ud_site_state { UD_SITE_ACTIVE, UD_SITE_DEGRADED, UD_SITE_DECLARED_DOWN, UD_SITE_RETIRED };
extern const struct ud_enum ud_site_states;

struct ud_site {
	struct ud_row row;
	const char *name, *code;
	unsigned kind; /* enum ud_site_kind */
	const char *time_zone;
	unsigned state; /* enum ud_site_state */
	const char *address;
};
extern const struct ud_table ud_sites;

/* In the order of the tree: a domain's parent has a smaller type. The names of Windows' own fault
 * domains. */
enum ud_fault_domain_type { UD_DOMAIN_SITE, UD_DOMAIN_RACK, UD_DOMAIN_CHASSIS, UD_DOMAIN_NODE };
extern const struct ud_enum ud_fault_domain_types;

struct ud_fault_domain {
	struct ud_row row;
	const char *name;
	unsigned type; /* enum ud_fault_domain_type */
	const char *site_id, *parent_id, *location;
};
extern const struct ud_table ud_fault_domains;

#endif
