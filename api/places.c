/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sites and fault domains. A domain's parent stands one or more levels above it in the same site,
 * so the tree has no cycles; that is checked against the stored parent.
 */
#include <string.h>

#include "api/api.h"
#include "db/sites.h"

static const struct ud_resource sites = { .table = &ud_sites };

static enum ud_code domain_before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	const struct ud_fault_domain *d = row;
	struct ud_fault_domain parent = { 0 };

	(void)given, (void)old_row;
	if (!d || !d->parent_id)
		return UD_OK;
	if (ud_row_get(cx, &ud_fault_domains, d->parent_id, &parent) != UD_OK) {
		ud_ctx_clear(cx);
		return ud_fail_field(cx, "parent_id", "not_found",
			"parent_id names nothing that you can use here.");
	}
	if (strcmp(parent.site_id, d->site_id) != 0)
		return ud_fail_field(
			cx, "parent_id", "other_site", "The parent stands in another site.");
	if (parent.type >= d->type)
		return ud_fail_field(cx, "parent_id", "wrong_level", "A %s cannot be part of a %s.",
			ud_fault_domain_types.names[d->type],
			ud_fault_domain_types.names[parent.type]);
	return UD_OK;
}

static const struct ud_resource domains = { .table = &ud_fault_domains, .before = domain_before };

enum { CHANGE = UD_OPERATOR | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD) };

static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/sites", "sites", "a site", "sites", UD_PEOPLE, CHANGE, &sites),
	UD_REST_ROWS("/v1/fault-domains", "fault-domains", "a fault domain", "fault domains",
		UD_STAFF, CHANGE, &domains),
};
const struct ud_routes ud_api_places = { "Places", rows, UD_LEN(rows) };
