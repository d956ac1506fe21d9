/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks, and whose rows it may see. Made only by server/auth (and ud_scope_system for our own
 * work); db/ puts the tenant into every statement, so a handler cannot forget it.
 */
#ifndef DB_SCOPE_H
#define DB_SCOPE_H

#include "base/shape.h"

/* Roles on the wire, in this order. A set of them is a bit mask of 1 << role. */
enum ud_role {
	UD_ROLE_CUSTOMER_VIEWER,
	UD_ROLE_CUSTOMER_OPERATOR,
	UD_ROLE_CUSTOMER_APPROVER,
	UD_ROLE_CUSTOMER_ADMIN,
	UD_ROLE_SUPPORT_AGENT,
	UD_ROLE_SUPPORT_ENGINEER,
	UD_ROLE_SUPPORT_LEAD,
	UD_ROLE_AUDITOR,
	UD_ROLE_OPERATOR,
	UD_ROLE_AGENT,
	UD_ROLE_SCHEDULER,
	UD_ROLE_COUNT
};

extern const struct ud_enum ud_roles;

/* Sets of roles that route tables use. UD_ANYONE = no sign-in needed. */
#define UD_R(role) (1U << UD_ROLE_##role)
enum {
	UD_CUSTOMER_ADMIN = UD_R(CUSTOMER_ADMIN),
	UD_CUSTOMER_WRITE =
		UD_R(CUSTOMER_OPERATOR) | UD_R(CUSTOMER_APPROVER) | UD_R(CUSTOMER_ADMIN),
	UD_CUSTOMER = UD_CUSTOMER_WRITE | UD_R(CUSTOMER_VIEWER),
	UD_OPERATOR = UD_R(OPERATOR),
	UD_SUPPORT = UD_R(SUPPORT_AGENT) | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
	UD_STAFF_WRITE = UD_SUPPORT | UD_OPERATOR,
	UD_STAFF = UD_STAFF_WRITE | UD_R(AUDITOR),
	UD_PEOPLE = UD_CUSTOMER | UD_STAFF,
	UD_ANYONE = 1U << 31,
};

enum ud_principal_kind {
	UD_PRINCIPAL_NOBODY,
	UD_PRINCIPAL_USER,
	UD_PRINCIPAL_SERVICE_ACCOUNT,
	UD_PRINCIPAL_SYSTEM,
	UD_PRINCIPAL_AGENT
};

extern const struct ud_enum ud_principal_kinds; /* "nobody", "user", "service_account", "system",
						   "agent" */

struct ud_scope {
	enum ud_principal_kind kind;
	const char *id, *name; /* of the principal; NULL for nobody */
	/* the tenant whose rows are seen; NULL = all of them (staff, system) */
	const char *customer_id;
	/* the principal's own; differs from customer_id when staff act for a customer */
	const char *home_customer_id;
	const char *on_behalf_of; /* customer named by Understudy-On-Behalf-Of, else NULL */
	uint32_t roles;           /* bits of enum ud_role */
	const struct ud_texts *token_scopes; /* NULL = a session: everything its roles allow */
	const char *session_id, *token_id;
	const char *csrf_sha256; /* of a cookie session */
	bool earlier_secret;     /* known by a session's secret before its last step-up */
	int64_t factor_at_ms;    /* last step-up; UD_NONE = never */
	bool factor_missing;     /* staff session that may only enrol a factor */
	const char *address;     /* the caller's, for the audit record */
};

/* The scope of our own jobs, timers and tools: all tenants, kind system. name says which ("init",
 * "scheduler"). */
struct ud_scope ud_scope_system(const char *name);
/* True for principals that see all tenants. */
bool ud_scope_is_staff(const struct ud_scope *scope);

#endif
