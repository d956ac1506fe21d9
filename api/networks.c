/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Networks: a VLAN belongs to production or to a test, and a test network is isolated.
 */
#include "db/networks.h"
#include "api/api.h"

static enum ud_code check(struct ud_ctx *cx, const void *old_row, void *row)
{
	const struct ud_network *n = row;

	(void)old_row;
	if (n->purpose == UD_NETWORK_TEST && !n->isolated)
		return ud_fail_field(cx, "isolated", "must_be_true", "A test network is isolated.");
	return UD_OK;
}

static const struct ud_resource networks = { .table = &ud_networks, .check = check };

static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/networks", "networks", "a network", "networks", UD_PEOPLE, UD_STAFF_WRITE,
		&networks),
};
const struct ud_routes ud_api_networks = { "Networks", rows, UD_LEN(rows) };
