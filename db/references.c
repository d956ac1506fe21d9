/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of references, and the one question asked of each.
 */
#include "db/references.h"

#include <assert.h>
#include <string.h>

#include "db/scope.h"

/* every tenant: the answer is whose the row is, which the caller compares */
static const struct {
	const char *prefix, *sql;
} targets[] = {
	{ "cus",
		"SELECT COALESCE(customer_id, '') FROM customers WHERE id = $1 AND deleted_at IS NULL" },
	{ "usr",
		"SELECT COALESCE(customer_id, '') FROM users WHERE id = $1 AND deleted_at IS NULL" },
	{ "sit", "SELECT COALESCE(customer_id, '') FROM sites WHERE id = $1" },
	{ "fdm", "SELECT COALESCE(customer_id, '') FROM fault_domains WHERE id = $1" },
	{ "hst", "SELECT COALESCE(customer_id, '') FROM hosts WHERE id = $1" },
	{ "agt", "SELECT COALESCE(customer_id, '') FROM agents WHERE id = $1" },
	{ "vm", "SELECT COALESCE(customer_id, '') FROM vms WHERE id = $1" },
	{ "net", "SELECT COALESCE(customer_id, '') FROM networks WHERE id = $1" },
	{ "ipb", "SELECT COALESCE(customer_id, '') FROM ip_blocks WHERE id = $1" },
};

static const char *statement_for(const char *prefix)
{
	for (size_t i = 0; i < UD_LEN(targets); i++)
		if (strcmp(targets[i].prefix, prefix) == 0)
			return targets[i].sql;
	assert(!"a reference to a prefix without a table");
	return NULL;
}

/* owner "" = the provider's. */
static bool allowed(const struct ud_scope *scope, const char *owner, const char *customer_id)
{
	if (!*owner)
		return true;
	if (scope->customer_id && strcmp(scope->customer_id, owner) != 0)
		return false;
	return !customer_id || strcmp(customer_id, owner) == 0;
}

enum ud_code ud_reference_check(struct ud_ctx *cx, const char *field, const char *prefix,
	const char *id, const char *customer_id, bool *ret_fine)
{
	const char *owner = NULL;
	bool found = false;

	UD_TRY(ud_query_text(cx, &found, &owner, statement_for(prefix), UD_VALS(ud_t(id))));
	if (found && allowed(cx->scope, owner, customer_id))
		return UD_OK;
	*ret_fine = false;
	ud_fail_field(cx, field, "not_found", "%s names nothing that you can use here.", field);
	return UD_OK;
}
