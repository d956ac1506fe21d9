/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables of sites and fault domains.
 */
#include "db/sites.h"

#include "base/rules.h"

static const char *const site_kind_names[] = { "customer_dc", "provider_dc", "cloud" };
const struct ud_enum ud_site_kinds = { "site_kind", site_kind_names, UD_LEN(site_kind_names) };
static const char *const site_state_names[] = { "active", "degraded", "declared_down", "retired" };
const struct ud_enum ud_site_states = { "site_state", site_state_names, UD_LEN(site_state_names) };
static const char *const domain_type_names[] = { "site", "rack", "chassis", "node" };
const struct ud_enum ud_fault_domain_types = { "fault_domain_type", domain_type_names,
	UD_LEN(domain_type_names) };

/* clang-format off */
static const struct ud_field site_fields[] = {
	UD_FIELD(ud_site, name,      .flags = UD_REQUIRED | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name of the site."),
	UD_FIELD(ud_site, code,      .flags = UD_REQUIRED | UD_UNIQUE | UD_FIXED | UD_SEARCH | UD_FILTER | UD_BRIEF, .rule = ud_rule_code, .about = "Short code, part of ticket numbers; unique."),
	UD_FIELD(ud_site, kind,      .flags = UD_REQUIRED | UD_FILTER | UD_BRIEF, .values = &ud_site_kinds, .about = "Whose house it is."),
	UD_FIELD(ud_site, time_zone, .flags = UD_REQUIRED, .max = 64, .rule = ud_rule_time_zone, .about = "IANA time zone of the site."),
	UD_FIELD(ud_site, state,     .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_site_states, .about = "Where the site stands."),
	UD_FIELD(ud_site, address,   .max = 500, .about = "Postal address, for people."),
};
static const struct ud_shape site_shape = { .object = "site", .prefix = "sit", .table = "sites", UD_SHAPE(ud_site, site_fields),
	.about = "A place with hosts: a data centre or a cloud region." };
const struct ud_table ud_sites = { .shape = &site_shape, .tenancy = UD_SHARED };

static const struct ud_field domain_fields[] = {
	UD_FIELD(ud_fault_domain, name,      .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name, unique beside its siblings."),
	UD_FIELD(ud_fault_domain, type,      .flags = UD_REQUIRED | UD_FIXED | UD_FILTER | UD_BRIEF, .values = &ud_fault_domain_types, .about = "Level in the tree."),
	UD_FIELD(ud_fault_domain, site_id,   .flags = UD_REQUIRED | UD_FIXED | UD_FILTER | UD_BRIEF, .refers = "sit", .about = "Site it stands in."),
	UD_FIELD(ud_fault_domain, parent_id, .flags = UD_FILTER | UD_BRIEF, .refers = "fdm", .about = "Domain it is part of; null = the site itself."),
	UD_FIELD(ud_fault_domain, location,  .max = 500, .about = "Where to find it, for people."),
};
/* clang-format on */
static const struct ud_shape domain_shape = { .object = "fault_domain",
	.prefix = "fdm",
	.table = "fault_domains",
	UD_SHAPE(ud_fault_domain, domain_fields),
	.about = "Things that fail together: a site, a rack, a chassis or a node." };
const struct ud_table ud_fault_domains = { .shape = &domain_shape, .tenancy = UD_SHARED };
