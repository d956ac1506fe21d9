/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of roles and principals, and the scope of our own work.
 */
#include "db/scope.h"

static const char *const role_names[] = {
	[UD_ROLE_CUSTOMER_VIEWER] = "customer_viewer",
	[UD_ROLE_CUSTOMER_OPERATOR] = "customer_operator",
	[UD_ROLE_CUSTOMER_APPROVER] = "customer_approver",
	[UD_ROLE_CUSTOMER_ADMIN] = "customer_admin",
	[UD_ROLE_SUPPORT_AGENT] = "support_agent",
	[UD_ROLE_SUPPORT_ENGINEER] = "support_engineer",
	[UD_ROLE_SUPPORT_LEAD] = "support_lead",
	[UD_ROLE_AUDITOR] = "auditor",
	[UD_ROLE_OPERATOR] = "operator",
	[UD_ROLE_AGENT] = "agent",
	[UD_ROLE_SCHEDULER] = "scheduler",
};
_Static_assert(UD_LEN(role_names) == UD_ROLE_COUNT, "a name for every role");

const struct ud_enum ud_roles = { "role", role_names, UD_ROLE_COUNT };

static const char *const principal_names[] = {
	[UD_PRINCIPAL_NOBODY] = "nobody",
	[UD_PRINCIPAL_USER] = "user",
	[UD_PRINCIPAL_SERVICE_ACCOUNT] = "service_account",
	[UD_PRINCIPAL_SYSTEM] = "system",
	[UD_PRINCIPAL_AGENT] = "agent",
};

const struct ud_enum ud_principal_kinds = { "principal_kind", principal_names,
	UD_LEN(principal_names) };

struct ud_scope ud_scope_system(const char *name)
{
	return (struct ud_scope){
		.kind = UD_PRINCIPAL_SYSTEM, .name = name, .factor_at_ms = UD_NONE
	};
}

bool ud_scope_is_staff(const struct ud_scope *scope)
{
	return !scope->home_customer_id && scope->kind != UD_PRINCIPAL_NOBODY;
}
