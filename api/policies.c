/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Policies of replication.
 */
#include "db/policies.h"

#include "api/api.h"

static enum ud_code check(struct ud_ctx *cx, const void *old_row, void *row)
{
	const struct ud_policy *p = row;

	(void)old_row;
	return ud_windows_check(cx, "windows", p->windows.text);
}

static const struct ud_resource policies = { .table = &ud_policies_table, .check = check };

static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/policies", "policies", "a policy", "policies", UD_PEOPLE, UD_STAFF_WRITE,
		&policies),
};
const struct ud_routes ud_api_policies = { "Policies", rows, UD_LEN(rows) };
