/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replications: the table of what may be done with one, and the verbs. A verb changes what is
 * wanted and tells the hosts; how it stands is what they report.
 */
#include "api/replications.h"

#include <string.h>

#include "db/events.h"
#include "db/hosts.h"
#include "db/policies.h"
#include "db/subscriptions.h"
#include "db/vms.h"
#include "server/http/server.h"
#include "server/replication/judge.h"
#include "server/replication/relations.h"

#define S(state) (UINT32_C(1) << UD_REPLICATION_##state)
#define W(state) (UINT32_C(1) << UD_RELATION_##state)
enum {
	/* a failover has it: tickets alone move it */
	TAKEN = S(PREPARED) | S(FAILING_OVER) | S(FAILED_OVER_UNCOMMITTED) | S(FAILING_BACK),
	ALL = (UINT32_C(1) << UD_REPLICATION_STATE_COUNT) - 1,
	CALM = ALL & ~(TAKEN | S(COMMITTED) | S(DISABLED)),
	BROKEN = S(ERROR) | S(RESYNC_REQUIRED) | S(RESYNC_PAUSED) | S(REPLICATING) | S(PAUSED) |
		S(DISK_UPDATE_ERROR),
	LIVE = W(ACTIVE) | W(PAUSED),
};

/* clang-format off */
const struct ud_replication_rule ud_replication_rules[UD_RPL_OP_COUNT] = {
	/*                           name               who                states                                   seeded wanted      unblock              who */
	[UD_RPL_SEED] =            { "seed",            UD_RPL_SUPPORT,   S(READY_FOR_SEED) | S(ERROR) | S(PREFLIGHT_FAILED), false, W(ACTIVE), "resync",   "support" },
	[UD_RPL_PAUSE] =           { "pause",           UD_RPL_CUSTOMERS, CALM,                                      false, W(ACTIVE), "resume",            "customer" },
	[UD_RPL_RESUME] =          { "resume",          UD_RPL_CUSTOMERS, CALM,                                      false, W(PAUSED), "pause",             "customer" },
	[UD_RPL_RESYNC] =          { "resync",          UD_RPL_SUPPORT,   BROKEN,                                    true,  LIVE,      "wait",              "support" },
	[UD_RPL_TEST_CONNECTION] = { "test_connection", UD_RPL_SUPPORT,   ALL & ~S(DISABLED),                        false, LIVE,      NULL,                "support" },
	[UD_RPL_EXTEND] =          { "extend",          UD_RPL_CUSTOMERS, CALM,                                      true,  LIVE,      "seed",              "support" },
	[UD_RPL_REVERSE] =         { "reverse",         UD_RPL_ENGINEERS, S(COMMITTED),                              false, LIVE,      "failover",          "customer" },
	[UD_RPL_REMOVE] =          { "remove",          UD_RPL_ENGINEERS, ALL & ~TAKEN,                              false, LIVE,      "finish_failover",   "support" },
	[UD_RPL_EDIT] =            { "edit",            UD_RPL_SUPPORT,   ALL & ~TAKEN,                              false, LIVE,      "finish_failover",   "support" },
	[UD_RPL_RESET_HEALTH] =    { "reset_health",    UD_RPL_SUPPORT,   ALL,                                       false, LIVE,      NULL,                "support" },
	[UD_RPL_AGREE] =           { "agree_to_deletion", UD_RPL_APPROVERS, S(DISABLED),                             false, W(REMOVED), "remove",           "customer" },
	[UD_RPL_DELETE_REPLICA] =  { "delete_replica",  UD_RPL_ENGINEERS, S(DISABLED),                               false, W(REMOVED), "agree_to_deletion", "support" },
};
/* clang-format on */

/* ---- may it? ---- */

static enum ud_code may_extend(struct ud_ctx *cx, const struct ud_replication *r)
{
	struct ud_replication other = { 0 };
	bool found = false, bought = false;

	if (r->leg == UD_LEG_EXTENDED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"It is the extended leg itself: a VM has one third copy.");
	UD_TRY(ud_replication_of_vm(cx, r->vm_id, UD_LEG_EXTENDED, &found, &other));
	if (found)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "It is extended by %s already.",
			other.row.id);
	UD_TRY(ud_subscribed(cx, r->row.customer_id, UD_ADD_ON_EXTENDED_REPLICATION, &bought));
	return bought ? UD_OK
		      : ud_fail(cx, UD_E_NOT_ENTITLED, NULL,
				"The customer has no subscription in force with the add-on %s.",
				ud_add_ons.names[UD_ADD_ON_EXTENDED_REPLICATION]);
}

/* What was not paid for is not begun again. */
static enum ud_code may_run(struct ud_ctx *cx, const struct ud_replication *r)
{
	enum ud_add_on needed = r->leg == UD_LEG_EXTENDED ? UD_ADD_ON_EXTENDED_REPLICATION
							  : UD_ADD_ON_HYPERV_REPLICA;
	bool bought = false;

	UD_TRY(ud_subscribed(cx, r->row.customer_id, needed, &bought));
	return bought ? UD_OK
		      : ud_fail(cx, UD_E_NOT_ENTITLED, NULL,
				"The customer has no subscription in force with the add-on %s.",
				ud_add_ons.names[needed]);
}

static enum ud_code may_begin(struct ud_ctx *cx, const struct ud_replication *r)
{
	bool working = false;

	UD_TRY(ud_replication_working(cx, r, &working));
	return working ? ud_fail(cx, UD_E_INVALID_STATE, NULL,
				 "Operation %s of this replication goes on.", r->operation_id)
		       : UD_OK;
}

static enum ud_code may_seed(struct ud_ctx *cx, const struct ud_replication *r)
{
	if (r->seeded_at.ms && r->seeded_at.ms != UD_NONE)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The first full copy is complete: resynchronise instead.");
	UD_TRY(may_begin(cx, r));
	return may_run(cx, r);
}

static enum ud_code may_remove(struct ud_ctx *cx, const struct ud_replication *r)
{
	struct ud_replication other = { 0 };
	bool found = false;

	if (r->leg == UD_LEG_EXTENDED)
		return UD_OK;
	UD_TRY(ud_replication_of_vm(cx, r->vm_id, UD_LEG_EXTENDED, &found, &other));
	return found
		? ud_fail(cx, UD_E_IN_USE, NULL,
			  "Its replica is extended by %s: remove that one first.", other.row.id)
		: UD_OK;
}

static enum ud_code may_agree(struct ud_ctx *cx, const struct ud_replication *r)
{
	if (r->replica_deleted_at.ms > 0)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The replica's disks are deleted.");
	if (r->deletion_agreed_by)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The customer has agreed already.");
	return UD_OK;
}

/* The customer and support, and before its time a lead. */
static enum ud_code may_delete(struct ud_ctx *cx, const struct ud_replication *r)
{
	bool working = false;

	if (r->replica_deleted_at.ms > 0)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The replica's disks are deleted.");
	if (!r->deletion_agreed_by)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The customer has not agreed to the deletion of the replica's disks.");
	if (cx->now_ms < r->replica_kept_until.ms && !(cx->scope->roles & UD_R(SUPPORT_LEAD)))
		return ud_fail(cx, UD_E_ROLE_MISSING, NULL,
			"Before replica_kept_until only a lead of support deletes the replica's disks.");
	UD_TRY(ud_replication_working(cx, r, &working));
	return working ? ud_fail(cx, UD_E_INVALID_STATE, NULL,
				 "Operation %s of this replication goes on.", r->operation_id)
		       : UD_OK;
}

/* The ends are swapped when the VM has moved. */
static enum ud_code may_reverse(struct ud_ctx *cx, const struct ud_replication *r)
{
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, r->vm_id, &vm));
	if (!vm.host_id || strcmp(vm.host_id, r->target_host_id) != 0)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The VM does not run at the target of this replication.");
	return may_remove(cx, r);
}

static enum ud_code (*const guards[UD_RPL_OP_COUNT])(
	struct ud_ctx *cx, const struct ud_replication *r) = {
	[UD_RPL_SEED] = may_seed,
	[UD_RPL_RESUME] = may_run,
	[UD_RPL_RESYNC] = may_begin,
	[UD_RPL_EXTEND] = may_extend,
	[UD_RPL_REVERSE] = may_reverse,
	[UD_RPL_REMOVE] = may_remove,
	[UD_RPL_AGREE] = may_agree,
	[UD_RPL_DELETE_REPLICA] = may_delete,
};

static enum ud_code wrong_state(struct ud_ctx *cx, const struct ud_replication *r)
{
	return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The replication is %s%s.",
		r->wanted == UD_RELATION_REMOVED          ? "removed"
			: r->wanted == UD_RELATION_PAUSED ? "paused, and "
							  : "",
		r->wanted == UD_RELATION_REMOVED ? "" : ud_replication_states.names[r->state]);
}

enum ud_code ud_replication_may(
	struct ud_ctx *cx, const struct ud_replication *r, enum ud_replication_op op)
{
	const struct ud_replication_rule *rule = &ud_replication_rules[op];

	if (!(cx->scope->roles & rule->roles))
		return ud_fail(cx, UD_E_ROLE_MISSING, NULL, "Your roles do not allow this.");
	if (!(rule->wanted & UINT32_C(1) << r->wanted) || !(rule->states & UINT32_C(1) << r->state))
		return wrong_state(cx, r);
	if (rule->seeded && (!r->seeded_at.ms || r->seeded_at.ms == UD_NONE))
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "The first full copy is not complete.");
	return guards[op] ? guards[op](cx, r) : UD_OK;
}

static void add_blocked(struct ud_ctx *cx, struct ud_buf *b, const struct ud_replication_rule *rule,
	enum ud_code code)
{
	ud_buf_printf(b, "%s{\"op\":\"%s\",\"reason_code\":\"%s\",\"text\":", b->len > 1 ? "," : "",
		rule->name, ud_error_info(code)->name);
	ud_buf_json(b, cx->problem.detail);
	ud_buf_puts(b, ",\"unblock_action\":");
	ud_buf_json(b,
		code == UD_E_NOT_ENTITLED           ? "subscribe"
			: code == UD_E_IN_USE       ? "remove_extended"
			: code == UD_E_ROLE_MISSING ? NULL
						    : rule->unblock);
	ud_buf_puts(b, ",\"who\":");
	ud_buf_json(b, rule->who);
	ud_buf_putc(b, '}');
}

/* The buttons: each asked for as a call would be. */
static enum ud_code list_operations(struct ud_ctx *cx, struct ud_replication *r, struct ud_buf *b)
{
	r->allowed_operations.items = ud_alloc(cx->arena, UD_RPL_OP_COUNT * sizeof(char *));
	r->allowed_operations.count = 0;
	ud_buf_putc(b, '[');
	for (int op = 0; op < UD_RPL_OP_COUNT; op++) {
		enum ud_code code = ud_replication_may(cx, r, (enum ud_replication_op)op);

		if (code >= UD_E_INTERNAL)
			return code;
		if (code == UD_OK)
			r->allowed_operations.items[r->allowed_operations.count++] =
				ud_replication_rules[op].name;
		else
			add_blocked(cx, b, &ud_replication_rules[op], code);
		ud_ctx_clear(cx);
	}
	ud_buf_putc(b, ']');
	r->blocked_operations.text = ud_strndup(cx->arena, b->data, b->len);
	return UD_OK;
}

enum ud_code ud_replication_complete(struct ud_ctx *cx, void *row)
{
	struct ud_replication *r = row;
	struct ud_replication_ends ends;
	struct ud_judgement j;
	struct ud_buf b = { 0 };

	UD_TRY(ud_replication_ends(cx, r, &ends));
	ud_judge(cx, r, &ends, &j);
	ud_judge_show(cx, &ends, &j, r);
	enum ud_code code = list_operations(cx, r, &b);

	ud_buf_free(&b);
	return code;
}

enum ud_code ud_replication_open(struct ud_ctx *cx, struct ud_request *rq,
	enum ud_replication_op op, struct ud_replication *ret_old, struct ud_replication *ret)
{
	UD_TRY(ud_row_get(cx, &ud_replications, rq->arg[0], ret_old));
	UD_TRY(ud_check_match(cx, rq, ret_old->row.version));
	*ret = *ret_old;
	UD_TRY(ud_replication_complete(cx, ret));
	return ud_replication_may(cx, ret, op);
}

static const struct ud_resource replications = { .table = &ud_replications,
	.complete = ud_replication_complete };
static const struct ud_resource operations = { .table = &ud_operations };

/* ---- verbs ---- */

enum ud_code ud_replication_accepted(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_operation *op)
{
	static const char *cancel[] = { "cancel" };

	op->allowed_operations = (struct ud_texts){ cancel, 1 };
	UD_TRY(ud_answer(cx, rq, ud_operations.shape, op));
	ud_answer_header(rq, "Location", ud_printf(cx->arena, "/v1/operations/%s", op->row.id));
	return UD_OK;
}

/* Store what is wanted now, tell the hosts, and answer with the row. */
static enum ud_code change(struct ud_ctx *cx, struct ud_request *rq, const char *verb,
	const struct ud_replication *old, struct ud_replication *r)
{
	r->generation = old->generation + 1;
	UD_TRY(ud_row_update(cx, &ud_replications, old, r));
	UD_TRY(ud_event_add(cx, verb, ud_replications.shape, old, r));
	UD_TRY(ud_relation_send_both(cx, &rq->server->commanding, r));
	UD_TRY(ud_replication_complete(cx, r));
	return ud_answer(cx, rq, ud_replications.shape, r);
}

static enum ud_code pause(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_PAUSE, &old, &r));
	r = old;
	r.wanted = UD_RELATION_PAUSED;
	return change(cx, rq, "paused", &old, &r);
}

static enum ud_code resume(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_RESUME, &old, &r));
	r = old;
	r.wanted = UD_RELATION_ACTIVE;
	return change(cx, rq, "resumed", &old, &r);
}

/* Begin work that an operation follows, and answer with it. */
static enum ud_code begin(struct ud_ctx *cx, struct ud_request *rq, const char *verb,
	enum ud_replication_work work, const struct ud_relation_resync *resync,
	const struct ud_replication *old, struct ud_replication *r)
{
	struct ud_operation op;

	UD_TRY(ud_replication_begin(cx, &rq->server->commanding, r, work, resync, &op));
	UD_TRY(ud_row_update(cx, &ud_replications, old, r));
	UD_TRY(ud_event_add(cx, verb, ud_replications.shape, old, r));
	return ud_replication_accepted(cx, rq, &op);
}

static enum ud_code seed(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_SEED, &old, &r));
	r = old;
	r.generation++;
	r.error.text = NULL;
	return begin(cx, rq, "seed_requested", UD_WORK_SETUP, NULL, &old, &r);
}

struct resync_body {
	unsigned method;
	struct ud_time start_at;
};
/* clang-format off */
static const struct ud_field resync_fields[] = {
	UD_FIELD(resync_body, method,   .values = &ud_resync_methods, .about = "How to find what differs: bitmaps where they are sound, hashes of all blocks, or everything."),
	UD_FIELD(resync_body, start_at, .about = "Not before; null = at once."),
};
/* clang-format on */
static const struct ud_shape resync_shape = { UD_SHAPE(resync_body, resync_fields), .bare = true };

static enum ud_code resync(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct resync_body *in = rq->in;
	struct ud_replication old = { 0 }, r;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_RESYNC, &old, &r));
	const struct ud_relation_resync args = { old.row.id, in->method, in->start_at };

	r = old;
	return begin(cx, rq, "resync_requested", UD_WORK_RESYNC, &args, &old, &r);
}

static enum ud_code take_away(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_REMOVE, &old, &r));
	r = old;
	r.wanted = UD_RELATION_REMOVED;
	r.state = UD_REPLICATION_DISABLED;
	r.state_since = r.removed_at = (struct ud_time){ cx->now_ms };
	r.health = UD_HEALTH_NOT_APPLICABLE;
	r.health_reasons.text = "[]";
	r.rpo_breached_at.ms = UD_NONE;
	r.replica_kept_until.ms = cx->now_ms + INT64_C(86400000) * UD_REPLICA_KEPT_DAYS;
	r.generation++;
	if (r.leg == UD_LEG_PRIMARY)
		UD_TRY(ud_vm_unprotect(cx, r.vm_id));
	return begin(cx, rq, "removed", UD_WORK_REMOVE, NULL, &old, &r);
}

static enum ud_code agree(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_AGREE, &old, &r));
	r = old;
	r.deletion_agreed_by = rq->scope.id;
	r.deletion_agreed_at.ms = cx->now_ms;
	UD_TRY(ud_row_update(cx, &ud_replications, &old, &r));
	UD_TRY(ud_event_add(cx, "deletion_agreed", ud_replications.shape, &old, &r));
	UD_TRY(ud_replication_complete(cx, &r));
	return ud_answer(cx, rq, ud_replications.shape, &r);
}

static enum ud_code delete_replica(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_DELETE_REPLICA, &old, &r));
	r = old;
	return begin(cx, rq, "deletion_requested", UD_WORK_DELETE, NULL, &old, &r);
}

static enum ud_code reverse(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_REVERSE, &old, &r));
	r = old;
	UD_TRY(ud_replication_reverse(cx, &rq->server->commanding, &r));
	UD_TRY(ud_replication_complete(cx, &r));
	return ud_answer(cx, rq, ud_replications.shape, &r);
}

static enum ud_code test_connection(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;
	struct ud_relation relation;
	struct ud_operation op;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_TEST_CONNECTION, &old, &r));
	UD_TRY(ud_relation_of(cx, &old, UD_RELATION_SOURCE, &relation));
	const struct ud_relation_test args = { old.row.id, relation.peer_agent_id,
		relation.peer_address, old.authentication };

	op = (struct ud_operation){ .row.customer_id = old.row.customer_id,
		.kind = "replication_test_connection",
		.state = UD_OPERATION_WAITING,
		.requested_by = rq->scope.id,
		.steps.text = "[{\"name\":\"connect\",\"state\":\"running\"}]",
		.resource.text = ud_printf(
			cx->arena, "{\"object\":\"replication\",\"id\":\"%s\"}", old.row.id) };
	UD_TRY(ud_row_insert(cx, &ud_operations, &op));
	UD_TRY(ud_event_add(cx, "created", ud_operations.shape, NULL, &op));
	UD_TRY(ud_relation_command(cx, &rq->server->commanding, &old, UD_RELATION_SOURCE,
		UD_VERB_RELATION_TEST, &ud_relation_test_shape, &args, op.row.id));
	return ud_replication_accepted(cx, rq, &op);
}

/* ---- changes ---- */

static bool is_hyperv(struct ud_ctx *cx, const struct ud_replication *r, enum ud_code *ret_code)
{
	const struct ud_scope *asker = cx->scope, system = ud_scope_system("replications");
	struct ud_host host = { 0 };

	cx->scope = &system;
	*ret_code = ud_row_get(cx, &ud_hosts, r->source_host_id, &host);
	cx->scope = asker;
	return host.hypervisor == UD_HYPERVISOR_HYPERV;
}

/* The rules that the preflight has for a new one. */
static enum ud_code check_interval(struct ud_ctx *cx, const struct ud_replication *r, bool hyperv)
{
	struct ud_replication other = { 0 };
	int64_t s = r->schedule_interval_seconds;
	bool found = false;

	if (hyperv && s != 30 && s != 300 && s != 900)
		return ud_fail_field(cx, "schedule_interval_seconds", "interval_not_supported",
			"Hyper-V replicates every 30, 300 or 900 seconds.");
	if (r->leg == UD_LEG_EXTENDED && s < 300)
		return ud_fail_field(cx, "schedule_interval_seconds", "interval_not_supported",
			"An extended replica is brought up to date every 300 seconds at most.");
	UD_TRY(ud_replication_of_vm(cx, r->vm_id,
		r->leg == UD_LEG_EXTENDED ? UD_LEG_PRIMARY : UD_LEG_EXTENDED, &found, &other));
	if (found &&
		(r->leg == UD_LEG_EXTENDED ? s < other.schedule_interval_seconds
					   : s > other.schedule_interval_seconds))
		return ud_fail_field(cx, "schedule_interval_seconds", "interval_not_supported",
			"An extended replica is not faster than the first leg.");
	return UD_OK;
}

static enum ud_code check_change(struct ud_ctx *cx, const struct ud_replication *r)
{
	enum ud_code code;
	bool hyperv = is_hyperv(cx, r, &code);

	UD_TRY(code);
	UD_TRY(ud_windows_check(cx, "windows", r->windows.text));
	if (r->leg == UD_LEG_EXTENDED && r->app_consistent_every_hours != UD_NONE)
		return ud_fail_field(cx, "app_consistent_every_hours",
			"app_consistency_not_supported",
			"Points of an extended replica are crash-consistent.");
	if (hyperv && r->recovery_points_kept > 24)
		return ud_fail_field(cx, "recovery_points_kept", "points_not_supported",
			"Hyper-V keeps 24 additional points at most.");
	return check_interval(cx, r, hyperv);
}

static enum ud_code edit(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_EDIT, &old, &r));
	r = old;
	UD_TRY(ud_shape_decode(cx, ud_replications.shape, UD_PATCH, rq->json, &r, &rq->given));
	if (rq->given.customer_id)
		return ud_fail_field(cx, "customer_id", "read_only",
			"A replication belongs to its VM's customer.");
	UD_TRY(check_change(cx, &r));
	return change(cx, rq, "updated", &old, &r);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",   "/v1/replications",                      "replications.list",            UD_PEOPLE,        "replications:read",  UD_LIST, .resource = &replications, .handle = ud_rest_list, .about = "List replications." },
	{ "GET",   "/v1/replications/{id}",                 "replications.show",            UD_PEOPLE,        "replications:read",  0, .resource = &replications, .handle = ud_rest_show, .about = "Show a replication as it stands now." },
	{ "PATCH", "/v1/replications/{id}",                 "replications.edit",            UD_RPL_SUPPORT,   "replications:write", UD_WRITE | UD_MATCH_REQUIRED, .resource = &replications, .handle = edit, .about = "Change interval, points, targets, rate or windows; both hosts are told." },
	{ "POST",  "/v1/vms/{id}/replications",             "vms.protect",                  UD_RPL_CUSTOMERS, "replications:write", UD_WRITE, .body = &ud_replication_new_shape, .status = 202, .resource = &operations, .handle = ud_replications_create, .about = "Protect a VM by a running copy at another host; with dry_run=true tell all that stands in the way instead." },
	{ "POST",  "/v1/replications/{id}/extend",          "replications.extend",          UD_RPL_CUSTOMERS, "replications:write", UD_WRITE, .body = &ud_replication_extend_shape, .status = 202, .resource = &operations, .handle = ud_replications_extend, .about = "Copy the replica on to a third host; with dry_run=true tell all that stands in the way instead." },
	{ "POST",  "/v1/replications/{id}/seed",            "replications.seed",            UD_RPL_SUPPORT,   "replications:write", UD_WRITE, .status = 202, .resource = &operations, .handle = seed, .about = "Set it up once more and begin the first full copy, after that has failed." },
	{ "POST",  "/v1/replications/{id}/pause",           "replications.pause",           UD_RPL_CUSTOMERS, "replications:write", UD_WRITE, .resource = &replications, .handle = pause, .about = "Send nothing until it is resumed." },
	{ "POST",  "/v1/replications/{id}/resume",          "replications.resume",          UD_RPL_CUSTOMERS, "replications:write", UD_WRITE, .resource = &replications, .handle = resume, .about = "Go on after a pause." },
	{ "POST",  "/v1/replications/{id}/resync",          "replications.resync",          UD_RPL_SUPPORT,   "replications:write", UD_WRITE, .body = &resync_shape, .status = 202, .resource = &operations, .handle = resync, .about = "Compare both ends and send what differs." },
	{ "POST",  "/v1/replications/{id}/test-connection", "replications.test-connection", UD_RPL_SUPPORT,   "replications:write", UD_WRITE, .status = 202, .resource = &operations, .handle = test_connection, .about = "Let the source reach the target as a cycle would." },
	{ "POST",  "/v1/replications/{id}/reverse",         "replications.reverse",         UD_RPL_ENGINEERS, "replications:write", UD_WRITE, .resource = &replications, .handle = reverse, .about = "After a committed failover: copy back to the former host from now on." },
	{ "POST",  "/v1/replications/{id}/remove",          "replications.remove",          UD_RPL_ENGINEERS, "replications:write", UD_WRITE, .status = 202, .resource = &operations, .handle = take_away, .about = "Stop protecting; the replica's disks are kept for 14 days." },
	{ "POST",  "/v1/replications/{id}/agree-to-deletion", "replications.agree-to-deletion", UD_RPL_APPROVERS, "replications:write", UD_WRITE | UD_PERSON, .resource = &replications, .handle = agree, .about = "As the customer, agree that the removed replica's disks are deleted." },
	{ "POST",  "/v1/replications/{id}/delete-replica",  "replications.delete-replica",  UD_RPL_ENGINEERS, "replications:write", UD_WRITE, .status = 202, .resource = &operations, .handle = delete_replica, .about = "Delete the removed replica's disks, after the customer has agreed; before 14 days are over, a lead alone." },
};
/* clang-format on */
const struct ud_routes ud_api_replications = { "Replications", rows, UD_LEN(rows) };
