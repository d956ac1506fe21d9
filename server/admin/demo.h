/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The invented installation that demo-seed loads: its places in demo_places.c, copies in
 * demo_copies.c, ninety days of work in demo_history.c and demo_runs.c. Everything follows from
 * the seed and the instant at which it ends; nobody in it is a person.
 */
#ifndef SERVER_ADMIN_DEMO_H
#define SERVER_ADMIN_DEMO_H

#include "base/env.h"
#include "db/recovery_plans.h"
#include "db/vms.h"

enum {
	UD_DEMO_CUSTOMERS = 6,
	UD_DEMO_HOSTS = 24,
	UD_DEMO_VMS_EACH = 30,
	UD_DEMO_PROTECTED_EACH = 26, /* of them */
	UD_DEMO_VMS = UD_DEMO_CUSTOMERS * UD_DEMO_VMS_EACH,
	UD_DEMO_TICKETS = 400,
	UD_DEMO_DAYS = 90,
	UD_DEMO_STAFF = 4,
	UD_DEMO_PLANS_EACH = 2,
	UD_DEMO_PLAN_VMS = 4,
};
enum ud_demo_site { UD_DEMO_LONDON, UD_DEMO_AMSTERDAM, UD_DEMO_FRANKFURT, UD_DEMO_SITES };
/* Accounts of a customer, by what they do there. */
enum ud_demo_account { UD_DEMO_LEAD, UD_DEMO_APPROVER, UD_DEMO_OPERATOR, UD_DEMO_ACCOUNTS };

struct ud_demo_person {
	const char *id, *name;
	uint32_t roles;
};
struct ud_demo_customer {
	const char *id, *name, *prefix;
	struct ud_demo_person people[UD_DEMO_ACCOUNTS];
	const char *production_id; /* network */
	struct ud_recovery_plan plans[UD_DEMO_PLANS_EACH];
};
struct ud_demo_vm {
	const char *id, *name, *customer_id, *replication_id;
	const char *source_id, *target_id; /* hosts of its first copy */
};

struct ud_demo {
	int64_t until_ms;          /* what the last day ends with */
	const char *password_hash; /* of all accounts; NULL = nobody can sign in */
	uint64_t chance;
	struct ud_env env; /* the real one but for its chance */
	const char *site_ids[UD_DEMO_SITES];
	const char *test_network_ids[UD_DEMO_SITES];
	const char *host_ids[UD_DEMO_HOSTS];
	struct ud_demo_person staff[UD_DEMO_STAFF];
	struct ud_demo_customer customers[UD_DEMO_CUSTOMERS];
	struct ud_demo_vm vms[UD_DEMO_VMS];
};

/* A number below n that follows from the seed. */
int64_t ud_demo_below(struct ud_demo *d, int64_t n);
/* An instant so many minutes before the end. */
int64_t ud_demo_ago(const struct ud_demo *d, int64_t minutes);
/* Store a row of the demo with its label, and tell the log. */
enum ud_code ud_demo_put(struct ud_ctx *cx, const struct ud_table *t, void *row) UD_USE;
/* The same of a row that has changed. */
enum ud_code ud_demo_change(struct ud_ctx *cx, const struct ud_table *t, const char *verb,
	const void *old_row, void *row) UD_USE;
/* The person as whom things are done from now on; scope lives with the caller. */
void ud_demo_act(struct ud_ctx *cx, struct ud_scope *scope, const struct ud_demo_person *who,
	const char *customer_id);

/* Customers with their people and subscriptions, sites, hosts, networks, addresses, VMs. */
enum ud_code ud_demo_places(struct ud_ctx *cx, struct ud_demo *d) UD_USE;
/* Policies, replications with their figures and points, recovery plans. */
enum ud_code ud_demo_copies(struct ud_ctx *cx, struct ud_demo *d) UD_USE;
/* Tickets and runs, in the order in which they happened. */
enum ud_code ud_demo_history(struct ud_ctx *cx, struct ud_demo *d) UD_USE;

/* What a run of the history was. */
struct ud_demo_run {
	unsigned kind;    /* enum ud_failover_kind */
	unsigned end;     /* enum ud_failover_state it came to, or stands in */
	bool failed;      /* its checks */
	int64_t customer; /* index */
	int64_t plan;     /* index of the customer's plan */
	const char *reason_code;
};
/* Ask for a run: the ticket is stored, and its failover, as of cx->now_ms. */
enum ud_code ud_demo_run_ask(struct ud_ctx *cx, struct ud_demo *d, const struct ud_demo_run *run,
	const char **ret_ticket_id) UD_USE;
/* Both sides say yes. */
enum ud_code ud_demo_run_approve(struct ud_ctx *cx, struct ud_demo *d,
	const struct ud_demo_run *run, const char *ticket_id) UD_USE;
/* It has come to its end: steps, figures, the customer's word, the ticket's end. */
enum ud_code ud_demo_run_end(struct ud_ctx *cx, struct ud_demo *d, const struct ud_demo_run *run,
	const char *ticket_id) UD_USE;

#endif
