/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what is forgotten, and in which order: whatever refers to a row goes before it. A
 * test holds it against the tables of the database.
 */
#include "db/erasure.h"

#include <string.h>

enum { PAGE = 500, HEAVY = 20, FILES = 200 };

#define OWN "customer_id = $1"
#define TICKETS "(SELECT id FROM tickets WHERE customer_id = $1)"
#define FAILOVERS "(SELECT id FROM failovers WHERE customer_id = $1)"
#define WORKFLOWS "(SELECT id FROM workflows WHERE failover_id IN " FAILOVERS ")"
#define USERS "(SELECT id FROM users WHERE customer_id = $1)"
#define VMS "(SELECT id FROM vms WHERE customer_id = $1)"
#define NETWORKS "(SELECT id FROM networks WHERE customer_id = $1)"
#define OF_TICKET "ticket_id IN " TICKETS
#define OF_FAILOVER "failover_id IN " FAILOVERS
#define OF_VM "vm_id IN " VMS
/* No row there refers to this one: what is another's stays, and what it refers to, too. */
#define NOBODYS(table, column, own) \
	" AND NOT EXISTS (SELECT 1 FROM " table " x WHERE x." column " = " own ".id)"
#define COMMAND_KEY "subject_id, seq, host_id"
/* Sent or stated while the VM was nobody's, too. */
#define OF_VM_OR_OWN OWN " OR (customer_id IS NULL AND subject_id IN " VMS ")"

/*
 * A table and its rows. What is left of them afterwards is referred to by somebody else's: it goes
 * on as the provider's, without a word of the customer (rest).
 */
struct forgotten {
	const char *table, *rows, *key; /* key NULL = id; rows NULL = none, all is rest */
	const char *before;             /* run first: rows that refer to each other */
	const char *rest;
	int page; /* rows at once; 0 = PAGE */
	bool files;
};
/* every tenant: $1 is the customer of each */
/* clang-format off */
static const struct forgotten forgotten[] = {
	{ "approvals",              OF_TICKET },
	{ "attestations",           OF_TICKET },
	{ "waivers",                OF_TICKET },
	{ "ticket_comments",        OF_TICKET },
	{ "ticket_watchers",        OF_TICKET },
	{ "ticket_watchers",        "user_id IN " USERS },
	{ "ticket_links",           OF_TICKET },
	{ "ticket_links",           "other_id IN " TICKETS },
	{ "time_entries",           OF_TICKET },
	{ "ticket_attachments",     OF_TICKET, .files = true },
	{ "notifications",          OWN },
	{ "notifications",          "user_id IN " USERS },
	{ "notifications",          "subject_id IN " TICKETS },
	{ "notifications",          "subject_id IN " FAILOVERS },
	{ "notifications",          "subject_id IN " VMS },
	{ "notifications",          "subject_id IN (SELECT id FROM standing_orders WHERE customer_id = $1)" },
	{ "reminders",              OF_FAILOVER, "failover_id, what" },
	{ "failover_pictures",      OF_FAILOVER, .page = HEAVY },
	{ "step_log",               "workflow_id IN " WORKFLOWS, "workflow_id, n" },
	{ "workflow_steps",         "workflow_id IN " WORKFLOWS, "workflow_id, n" },
	{ "workflows",              OF_FAILOVER },
	{ "evidence",               OF_FAILOVER, .page = HEAVY },
	{ "failovers",              OWN },
	{ "standing_orders",        OWN },
	{ "statements",             OF_VM_OR_OWN, COMMAND_KEY },
	{ "drill_notices",          OF_VM, "vm_id, kind" },
	{ "drill_notices",          OWN, "vm_id, kind" },
	{ "tickets",                OWN,
		.before = "UPDATE tickets SET merged_into_id = NULL, continues_id = NULL WHERE customer_id = $1" },
	{ "recovery_plan_versions", OWN, "plan_id, version" },
	{ "recovery_plans",         OWN },
	{ "recovery_points",        OWN },
	{ "replication_minutes",    "replication_id IN (SELECT id FROM replications WHERE customer_id = $1)", "replication_id, minute" },
	{ "replications",           OWN,
		.before = "UPDATE replications SET parent_id = NULL WHERE customer_id = $1" },
	{ "checkpoints",            OWN },
	{ "samples",                OF_VM, "vm_id, taken_at" },
	{ "vm_facts",               OF_VM, "vm_id, host_id" },
	{ "owner_choices",          OWN },
	{ "commands",               OF_VM_OR_OWN, COMMAND_KEY },
	{ "operations",             OWN NOBODYS("replications", "operation_id", "operations") NOBODYS("commands", "operation_id", "operations"),
		.rest = "UPDATE operations SET customer_id = NULL, labels = '{}', resource = NULL, input = NULL, result = NULL, error = NULL, steps = NULL, waiting_for = NULL, requested_by = NULL WHERE customer_id = $1" },
	{ "ip_addresses",           NULL,
		.rest = "UPDATE ip_addresses SET customer_id = NULL, labels = '{}', note = NULL, vm_id = NULL WHERE customer_id = $1" },
	{ "network_maps",           "network_id IN " NETWORKS, "network_id, target_site_id" },
	{ "network_maps",           "real_network_id IN " NETWORKS " OR test_network_id IN " NETWORKS, "network_id, target_site_id" },
	{ "networks",               OWN NOBODYS("ip_blocks", "network_id", "networks"),
		.rest = "UPDATE networks SET customer_id = NULL, name = id, labels = '{}', note = NULL, switch_name = NULL WHERE customer_id = $1" },
	{ "vms",                    OWN NOBODYS("workflows", "vm_id", "vms") NOBODYS("recovery_points", "vm_id", "vms") NOBODYS("replications", "vm_id", "vms") NOBODYS("attestations", "vm_id", "vms") NOBODYS("waivers", "vm_id", "vms") NOBODYS("ip_addresses", "vm_id", "vms") NOBODYS("checkpoints", "vm_id", "vms") NOBODYS("owner_choices", "vm_id", "vms"),
		.rest = "UPDATE vms SET customer_id = NULL, name = id, labels = '{}', guest_os = NULL, hypervisor_uuid = NULL WHERE customer_id = $1" },
	{ "subscriptions",          OWN },
	{ "ticket_categories",      OWN NOBODYS("ticket_categories", "parent_id", "ticket_categories") NOBODYS("tickets", "category_id", "ticket_categories"),
		.rest = "UPDATE ticket_categories SET customer_id = NULL, name = id, labels = '{}', note = NULL WHERE customer_id = $1" },
	{ "slas",                   OWN },
	{ "calendars",              OWN NOBODYS("slas", "calendar_id", "calendars") NOBODYS("tickets", "calendar_id", "calendars"),
		.rest = "UPDATE calendars SET customer_id = NULL, name = id, labels = '{}' WHERE customer_id = $1" },
	{ "queues",                 OWN NOBODYS("queues", "escalates_to_id", "queues") NOBODYS("tickets", "queue_id", "queues") NOBODYS("ticket_categories", "queue_id", "queues"),
		.rest = "UPDATE queues SET customer_id = NULL, name = id, labels = '{}', note = NULL, standard = 0 WHERE customer_id = $1" },
	{ "macros",                 OWN },
	{ "approval_policies",      OWN },
	{ "policies",               OWN NOBODYS("replications", "policy_id", "policies"),
		.rest = "UPDATE policies SET customer_id = NULL, name = id, labels = '{}', note = NULL WHERE customer_id = $1" },
	{ "saved_views",            OWN },
	{ "saved_views",            "user_id IN " USERS },
	{ "device_requests",        "user_id IN " USERS },
	{ "sessions",               OWN },
	{ "tokens",                 OWN },
	{ "service_accounts",       OWN },
	{ "idempotency_keys",       OWN, "principal_id, key" },
	{ "settings",               OWN },
	{ "users",                  OWN },
	/* what belongs to hosts goes on as the provider's */
	{ "agents",                 NULL, .rest = "UPDATE agents SET customer_id = NULL WHERE customer_id = $1" },
	{ "agent_keys",             NULL, .rest = "UPDATE agent_keys SET customer_id = NULL WHERE customer_id = $1" },
	{ "enrolments",             NULL, .rest = "UPDATE enrolments SET customer_id = NULL WHERE customer_id = $1" },
	{ "fence_devices",          NULL, .rest = "UPDATE fence_devices SET customer_id = NULL WHERE customer_id = $1" },
};
/* clang-format on */

const char *ud_erasure_table(size_t i)
{
	return i < UD_LEN(forgotten) ? forgotten[i].table : NULL;
}

bool ud_erasure_of_files(size_t i)
{
	return forgotten[i].files;
}

/* ---- before it begins ---- */

enum ud_code ud_erasable(struct ud_ctx *cx, const char *customer_id, struct ud_erasable *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	const char *own = cx->scope->customer_id;
	bool more = false;

	*ret = (struct ud_erasable){ 0 };
	if (own && strcmp(own, customer_id) != 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no customer with this id.");
	UD_TRY(ud_query(cx, &rows,
		"SELECT c.name, CASE WHEN c.deleted_at IS NULL AND c.state IN ('active',"
		" 'onboarding') THEN 1 ELSE 0 END,"
		" CASE WHEN e.customer_id IS NULL THEN 0 ELSE 1 END, o.id"
		" FROM customers c LEFT JOIN erasures e ON e.customer_id = c.id"
		" LEFT JOIN operations o ON o.id = e.operation_id AND o.state IN ('queued',"
		" 'running', 'waiting') WHERE c.customer_id = $1",
		UD_VALS(ud_t(customer_id))));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no customer with this id.");
	ret->name = ud_col_dup(cx, rows, 0);
	ret->serving = ud_col_int(rows, 1) != 0;
	ret->begun = ud_col_int(rows, 2) != 0;
	ret->operation_id = ud_col_dup(cx, rows, 3);
	return ud_next(cx, rows, &more);
}

/* clang-format off */
static const struct {
	const char *sql, *one, *several;
} hindrances[] = {
	{ "SELECT COUNT(*) FROM subscriptions WHERE customer_id = $1 AND state <> 'ended'",
		"subscription that has not ended", "subscriptions that have not ended" },
	{ "SELECT COUNT(*) FROM vms WHERE customer_id = $1 AND host_id IS NOT NULL AND missing = 0",
		"VM that a host has", "VMs that hosts have" },
	{ "SELECT COUNT(*) FROM replications WHERE customer_id = $1 AND wanted <> 'removed'",
		"replication", "replications" },
	{ "SELECT COUNT(*) FROM replications WHERE customer_id = $1 AND wanted = 'removed' AND seeded_at > 0 AND COALESCE(replica_deleted_at, 0) <= 0",
		"replica whose disks are kept", "replicas whose disks are kept" },
	{ "SELECT COUNT(*) FROM ip_addresses WHERE customer_id = $1 AND state <> 'quarantined'",
		"address that is given out", "addresses that are given out" },
	{ "SELECT COUNT(*) FROM ip_blocks WHERE customer_id = $1",
		"block of addresses", "blocks of addresses" },
	{ "SELECT COUNT(*) FROM tickets WHERE customer_id = $1 AND state NOT IN ('solved', 'closed', 'merged', 'transferred', 'rejected')",
		"ticket that is not solved", "tickets that are not solved" },
	{ "SELECT COUNT(*) FROM failovers WHERE customer_id = $1 AND state IN ('approved', 'scheduled', 'running', 'waiting', 'test_running', 'customer_validation', 'committed_unprotected')",
		"failover under way", "failovers under way" },
	{ "SELECT COUNT(*) FROM operations WHERE customer_id = $1 AND state IN ('queued', 'running', 'waiting')",
		"operation under way", "operations under way" },
	{ "SELECT (SELECT COUNT(*) FROM hosts WHERE customer_id = $1) + (SELECT COUNT(*) FROM sites WHERE customer_id = $1) + (SELECT COUNT(*) FROM fault_domains WHERE customer_id = $1)",
		"host, site or fault domain of its own", "hosts, sites or fault domains of its own" },
};
/* clang-format on */

enum ud_code ud_erasure_hindrance(struct ud_ctx *cx, const char *customer_id, const char **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < UD_LEN(hindrances); i++) {
		int64_t n = 0;
		bool found;

		UD_TRY(ud_query_int(cx, &found, &n, hindrances[i].sql, UD_VALS(ud_t(customer_id))));
		if (n)
			*ret = ud_printf(cx->arena, "%s%s%lld %s", *ret ? *ret : "",
				*ret ? ", " : "", (long long)n,
				n == 1 ? hindrances[i].one : hindrances[i].several);
	}
	return UD_OK;
}

enum ud_code ud_erasure_begin(struct ud_ctx *cx, const char *customer_id, const char *operation_id)
{
	UD_TRY(ud_exec(cx, NULL,
		"INSERT INTO erasures(customer_id, operation_id) VALUES ($1, $2)"
		" ON CONFLICT(customer_id) DO UPDATE SET operation_id = EXCLUDED.operation_id",
		UD_VALS(ud_t(customer_id), ud_t(operation_id))));
	UD_TRY(ud_exec(cx, NULL, "DELETE FROM sessions WHERE customer_id = $1",
		UD_VALS(ud_t(customer_id))));
	UD_TRY(ud_exec(
		cx, NULL, "DELETE FROM tokens WHERE customer_id = $1", UD_VALS(ud_t(customer_id))));
	return ud_exec(cx, NULL,
		"UPDATE customers SET state = 'closed', deleted_at = COALESCE(deleted_at, $2)"
		" WHERE customer_id = $1",
		UD_VALS(ud_t(customer_id), ud_i(cx->now_ms)));
}

/* ---- rows ---- */

static enum ud_code delete_rows(
	struct ud_ctx *cx, const char *customer_id, const struct forgotten *f, int64_t *ret)
{
	const char *key = f->key ? f->key : "id";

	/* every tenant: rows of the table above name the customer; sql parts: they do, too */
	return ud_exec(cx, ret,
		ud_printf(cx->arena,
			"DELETE FROM %s WHERE (%s) IN"
			" (SELECT %s FROM %s WHERE %s ORDER BY %s LIMIT %d)",
			f->table, key, key, f->table, f->rows, key, f->page ? f->page : PAGE),
		UD_VALS(ud_t(customer_id)));
}

enum ud_code ud_erasure_page(struct ud_ctx *cx, const char *customer_id, size_t i, int64_t *ret)
{
	const struct forgotten *f = &forgotten[i];

	*ret = 0;
	if (f->before)
		UD_TRY(ud_exec(cx, NULL, f->before, UD_VALS(ud_t(customer_id))));
	if (f->rows)
		UD_TRY(delete_rows(cx, customer_id, f, ret));
	if (!*ret && f->rest)
		UD_TRY(ud_exec(cx, NULL, f->rest, UD_VALS(ud_t(customer_id))));
	return UD_OK;
}

enum ud_code ud_erasure_files(struct ud_ctx *cx, const char *customer_id, struct ud_texts *ret)
{
	return ud_query_texts(cx, FILES, ret,
		"SELECT id FROM ticket_attachments WHERE ticket_id IN"
		" (SELECT id FROM tickets WHERE customer_id = $1) ORDER BY id",
		UD_VALS(ud_t(customer_id)));
}

enum ud_code ud_erasure_drop_files(
	struct ud_ctx *cx, const char *customer_id, const struct ud_texts *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		UD_TRY(ud_exec(cx, NULL,
			"DELETE FROM ticket_attachments WHERE id = $2 AND ticket_id IN"
			" (SELECT id FROM tickets WHERE customer_id = $1)",
			UD_VALS(ud_t(customer_id), ud_t(ids->items[i]))));
	return UD_OK;
}

/* ---- the log, and the end ---- */

enum ud_code ud_erasure_log(struct ud_ctx *cx, const char *customer_id, int64_t place, int64_t *ret)
{
	int64_t end = 0;
	bool found;

	UD_TRY(ud_query_int(cx, &found, &end, "SELECT seq FROM log_heads WHERE customer_id = $1",
		UD_VALS(ud_t(customer_id))));
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE events SET actor_name = NULL, address = NULL, data = NULL, previous = NULL,"
		" salt = NULL WHERE COALESCE(customer_id, '') = $1 AND seq > $2 AND seq <= $3"
		" AND salt IS NOT NULL AND type NOT IN ('" UD_ERASURE_BEGUN "', '" UD_ERASURE_ENDED
		"')",
		UD_VALS(ud_t(customer_id), ud_i(place), ud_i(place + PAGE))));
	*ret = place + PAGE >= end ? UD_NONE : place + PAGE;
	return UD_OK;
}

enum ud_code ud_erasure_end(
	struct ud_ctx *cx, const char *customer_id, bool *ret_gone, int64_t *ret_kept)
{
	int64_t rows = 0;
	bool found;

	*ret_kept = 0;
	UD_TRY(ud_query_int(cx, &found, ret_kept,
		"SELECT COUNT(*) FROM events WHERE COALESCE(customer_id, '') = $1"
		" AND personal_digest IS NULL",
		UD_VALS(ud_t(customer_id))));
	UD_TRY(ud_exec(cx, &rows, "DELETE FROM customers WHERE customer_id = $1",
		UD_VALS(ud_t(customer_id))));
	*ret_gone = rows > 0;
	return UD_OK;
}
