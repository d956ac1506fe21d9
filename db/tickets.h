/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tickets: what people ask for, and where it stands. Which state follows which is
 * api/ticket_moves.c; what hangs on a ticket (comments, watchers, files) is db/ticket_parts.h.
 */
#ifndef DB_TICKETS_H
#define DB_TICKETS_H

#include "db/rows.h"

enum ud_ticket_type {
	UD_TICKET_INCIDENT,
	UD_TICKET_REQUEST,
	UD_TICKET_CHANGE,
	UD_TICKET_FAILOVER,
	UD_TICKET_DRILL,
	UD_TICKET_FIREWALL_CHANGE,
	UD_TICKET_HARDWARE,
	UD_TICKET_CONSULTATION,
	UD_TICKET_ACCOUNT,
	UD_TICKET_BILLING,
	UD_TICKET_TYPE_COUNT
};
extern const struct ud_enum ud_ticket_types;

enum ud_ticket_state {
	UD_TICKET_NEW,
	UD_TICKET_OPEN,
	UD_TICKET_PENDING_CUSTOMER,
	UD_TICKET_PENDING_VENDOR,
	UD_TICKET_PENDING_MAINTENANCE,
	UD_TICKET_PENDING_MACHINE,
	UD_TICKET_SOLVED,
	UD_TICKET_CLOSED,
	UD_TICKET_MERGED,
	UD_TICKET_TRANSFERRED,
	UD_TICKET_REJECTED,
	UD_TICKET_STATE_COUNT
};
extern const struct ud_enum ud_ticket_states;

enum ud_ticket_severity {
	UD_SEVERITY_LOW,
	UD_SEVERITY_NORMAL,
	UD_SEVERITY_HIGH,
	UD_SEVERITY_URGENT,
	UD_SEVERITY_COUNT
};
extern const struct ud_enum ud_ticket_severities;

enum ud_ticket_channel { UD_CHANNEL_PORTAL, UD_CHANNEL_API, UD_CHANNEL_EMAIL, UD_CHANNEL_SYSTEM };
extern const struct ud_enum ud_ticket_channels;

/* What is asked for by a ticket of type failover. */
enum ud_ticket_failover {
	UD_TICKET_NO_FAILOVER,
	UD_TICKET_TEST,
	UD_TICKET_PLANNED,
	UD_TICKET_UNPLANNED,
	UD_TICKET_FAILOVER_COUNT
};
extern const struct ud_enum ud_ticket_failovers; /* "none", "test", "planned", "unplanned" */

enum ud_ticket_approval {
	UD_APPROVAL_NONE, /* nobody needs to */
	UD_APPROVAL_AWAITING,
	UD_APPROVAL_APPROVED,
	UD_APPROVAL_REJECTED
};
extern const struct ud_enum ud_ticket_approvals;

/* Whose turn it is. */
enum ud_ticket_waiting {
	UD_WAITING_NOBODY,
	UD_WAITING_CUSTOMER,
	UD_WAITING_SUPPORT,
	UD_WAITING_VENDOR,
	UD_WAITING_MACHINE
};
extern const struct ud_enum ud_ticket_waitings;

enum ud_ticket_resolution {
	UD_RESOLUTION_NONE,
	UD_RESOLUTION_SOLVED,
	UD_RESOLUTION_CANCELED,
	UD_RESOLUTION_REJECTED,
	UD_RESOLUTION_MERGED,
	UD_RESOLUTION_TRANSFERRED
};
extern const struct ud_enum ud_ticket_resolutions;

/* What a ticket asks for by a form (api/ticket_forms.h), as it is stored and shown. */
struct ud_ticket_form {
	const char *key;             /* of the form: "add_cpu" */
	struct ud_json values;       /* of its fields, an object */
	struct ud_time preferred_at; /* when the work suits best; UD_NONE = at any time */
	int64_t window_minutes;      /* how long it may take from then on; UD_NONE = not told */
};
extern const struct ud_shape ud_ticket_form_shape;

struct ud_ticket {
	struct ud_row row;
	const char *number; /* "261125-lon-0000123" */
	unsigned type;      /* enum ud_ticket_type */
	unsigned state;     /* enum ud_ticket_state */
	unsigned severity;  /* enum ud_ticket_severity */
	const char *subject, *body;
	struct ud_json form; /* a struct ud_ticket_form; NULL = none */
	const char *category_id, *site_id;
	struct ud_texts resource_ids;
	const char *language;
	unsigned channel; /* enum ud_ticket_channel */
	const char *requester_id, *requester_name, *on_behalf_of_id;
	const char *queue_id, *assignee_id, *assignee_name;
	unsigned waiting_on; /* computed: enum ud_ticket_waiting */
	struct ud_time waiting_since, acknowledged_at;
	int64_t escalation;
	struct ud_time snoozed_until;
	unsigned failover_kind; /* enum ud_ticket_failover */
	const char *failover_id, *plan_hash;
	unsigned approval; /* enum ud_ticket_approval */
	/* the clocks, as they were promised when the ticket was opened */
	const char *sla_id;
	int64_t sla_version;
	const char *calendar_id;
	int64_t response_seconds;
	struct ud_time response_due_at, responded_at;
	bool response_breached;
	int64_t resolve_seconds;
	struct ud_time resolve_due_at;
	int64_t resolve_left_seconds; /* while the clock stands still */
	bool resolve_breached;
	struct ud_time due_at; /* the next end of a clock that runs */
	int64_t urgency;       /* 0 = first of all */
	struct ud_time solved_at, closed_at;
	unsigned resolution; /* enum ud_ticket_resolution */
	const char *merged_into_id, *continues_id;
	/* computed, and null in lists */
	struct ud_json blockers, predicted, allowed_operations, blocked_operations;
};
extern const struct ud_table ud_tickets;

/* due_at of a ticket without a running clock: 9999-12-31T23:59:59Z. */
#define UD_TICKET_NEVER INT64_C(253402300799000)

/* The next number of a site (its code) on the day of cx->now_ms, UTC, in the arena. */
enum ud_code ud_ticket_number(struct ud_ctx *cx, const char *site_code, const char **ret) UD_USE;
/* The site that a VM's host stands in; NULL when it has no host. Looks at every tenant's VMs: the
 * caller has checked that the VM may be named. */
enum ud_code ud_ticket_vm_site(struct ud_ctx *cx, const char *vm_id, const char **ret) UD_USE;
/* The code of a site, NULL when it is gone. */
enum ud_code ud_ticket_site_code(struct ud_ctx *cx, const char *site_id, const char **ret) UD_USE;
/* Bind a ticket that was just made to its run: failover_id, plan_hash and approval of the row. */
enum ud_code ud_ticket_bind(struct ud_ctx *cx, const struct ud_ticket *t) UD_USE;
/* The name of a user who works for the provider and is active; NULL when there is none such. */
enum ud_code ud_ticket_staff_name(struct ud_ctx *cx, const char *user_id, const char **ret) UD_USE;

/* What a tick finds: ids of at most UD_TICKETS_PER_TICK tickets whose time has come. */
enum { UD_TICKETS_PER_TICK = 100 };
enum ud_ticket_due {
	UD_DUE_CLOCK,  /* a response or resolve clock ran out and nobody noted it */
	UD_DUE_SNOOZE, /* it was laid aside until now */
	UD_DUE_CLOSE,  /* solved so long ago that it closes */
	UD_DUE_COUNT
};
/* Days after which a solved ticket closes. */
enum { UD_TICKET_GRACE_DAYS = 7 };
enum ud_code ud_tickets_due(struct ud_ctx *cx, enum ud_ticket_due what, struct ud_texts *ret)
	UD_USE;

#endif
