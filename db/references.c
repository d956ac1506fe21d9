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
	bool shared; /* the provider's are everybody's to name */
} targets[] = {
	{ "cus",
		"SELECT COALESCE(customer_id, '') FROM customers WHERE id = $1 AND deleted_at IS NULL" },
	{ "usr",
		"SELECT COALESCE(customer_id, '') FROM users WHERE id = $1 AND deleted_at IS NULL" },
	{ "sit", "SELECT COALESCE(customer_id, '') FROM sites WHERE id = $1", true },
	{ "fdm", "SELECT COALESCE(customer_id, '') FROM fault_domains WHERE id = $1", true },
	{ "hst", "SELECT COALESCE(customer_id, '') FROM hosts WHERE id = $1" },
	{ "agt", "SELECT COALESCE(customer_id, '') FROM agents WHERE id = $1" },
	{ "vm", "SELECT COALESCE(customer_id, '') FROM vms WHERE id = $1" },
	{ "net", "SELECT COALESCE(customer_id, '') FROM networks WHERE id = $1", true },
	{ "pol", "SELECT COALESCE(customer_id, '') FROM policies WHERE id = $1", true },
	{ "pln", "SELECT COALESCE(customer_id, '') FROM recovery_plans WHERE id = $1" },
	{ "rpl", "SELECT COALESCE(customer_id, '') FROM replications WHERE id = $1" },
	{ "sto", "SELECT COALESCE(customer_id, '') FROM standing_orders WHERE id = $1" },
	{ "tkt", "SELECT COALESCE(customer_id, '') FROM tickets WHERE id = $1" },
	{ "tca", "SELECT COALESCE(customer_id, '') FROM ticket_categories WHERE id = $1", true },
	{ "que", "SELECT COALESCE(customer_id, '') FROM queues WHERE id = $1" },
	{ "cal", "SELECT COALESCE(customer_id, '') FROM calendars WHERE id = $1", true },
	{ "ipb", "SELECT COALESCE(customer_id, '') FROM ip_blocks WHERE id = $1" },
};

static size_t target_of(const char *prefix)
{
	size_t i = 0;

	while (i < UD_LEN(targets) && strcmp(targets[i].prefix, prefix) != 0)
		i++;
	assert(i < UD_LEN(targets));
	return i;
}

/* owner "" = the provider's: staff name it, also for a customer. */
static bool allowed(
	const struct ud_scope *scope, const char *owner, const char *customer_id, bool shared)
{
	if (!*owner)
		return shared || !scope->home_customer_id;
	if (scope->customer_id && strcmp(scope->customer_id, owner) != 0)
		return false;
	return !customer_id || strcmp(customer_id, owner) == 0;
}

enum ud_code ud_reference_check(struct ud_ctx *cx, const char *field, const char *prefix,
	const char *id, const char *customer_id, bool *ret_fine)
{
	size_t i = target_of(prefix);
	const char *owner = NULL;
	bool found = false;

	UD_TRY(ud_query_text(cx, &found, &owner, targets[i].sql, UD_VALS(ud_t(id))));
	if (found && allowed(cx->scope, owner, customer_id, targets[i].shared))
		return UD_OK;
	*ret_fine = false;
	ud_fail_field(cx, field, "not_found", "%s names nothing that you can use here.", field);
	return UD_OK;
}
