/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dry runs. One function per rule; each adds what it finds and stops no other: people want to see
 * all of it at once. Hosts and agents are looked at as ourselves, once the VMs were read with the
 * scope of whoever asks.
 */
#include "api/failover_plan.h"

#include <string.h>

#include "api/failover_place.h"
#include "api/failover_predict.h"
#include "base/crypto.h"
#include "base/machine.h"
#include "base/pool_quorum.h"
#include "base/replication.h"
#include "db/agents.h"
#include "db/fence_devices.h"
#include "db/hosts.h"
#include "db/inventory.h"
#include "db/network_maps.h"
#include "db/recovery_points.h"
#include "db/replications.h"
#include "db/vms.h"
#include "db/workflows.h"

enum { SILENT_MS = 60000, CERTIFICATE_WARNING_MS = 7 * 86400 * 1000, BLOCKERS_MAX = 200 };

/* clang-format off */
static const struct ud_field vm_fields[] = {
	UD_FIELD(ud_plan_vm, vm_id),
	UD_FIELD(ud_plan_vm, name),
	UD_FIELD(ud_plan_vm, replication_id),
	UD_FIELD(ud_plan_vm, source_host_id),
	UD_FIELD(ud_plan_vm, target_host_id),
	UD_FIELD(ud_plan_vm, leg, .values = &ud_legs),
	UD_FIELD(ud_plan_vm, fencing_policy),
	UD_FIELD(ud_plan_vm, boot_group),
	UD_FIELD(ud_plan_vm, epoch),
};
/* clang-format on */
const struct ud_shape ud_plan_vm_shape = { UD_SHAPE(ud_plan_vm, vm_fields), .bare = true };

/* A VM while it is looked at. */
struct looked {
	struct ud_plan_vm vm;
	struct ud_vm row;
	struct ud_replication r;
	struct ud_replication_ends ends;
	bool related;
	int64_t age_ms; /* of its newest point; UD_NONE = not known */
};

struct dry {
	struct ud_failover *f;
	struct looked *vms;
	size_t count;
	struct ud_blocker blockers[BLOCKERS_MAX];
	size_t blocker_count;
	bool blocked;
};

static void take_blocker(void *data, const struct ud_blocker *b)
{
	struct dry *d = data;

	d->blocked |= !b->warning;
	if (d->blocker_count < BLOCKERS_MAX)
		d->blockers[d->blocker_count++] = *b;
}

static void block(struct dry *d, const struct looked *l, const char *code, const char *text,
	const char *fix, bool warning)
{
	const struct ud_blocker b = { .code = code,
		.text = text,
		.fix = fix,
		.warning = warning,
		.subject = l ? l->vm.vm_id : NULL };

	take_blocker(d, &b);
}

/* ---- rules, per VM ---- */

static enum ud_code check_protection(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	(void)cx;
	if (!l->related)
		block(d, l, "not_protected", "The VM is not replicated.", "Protect it first.",
			false);
	else if (d->f->kind == UD_FAILOVER_PLANNED && l->r.state != UD_REPLICATION_REPLICATING)
		block(d, l, "not_replicating", "The VM is not replicating at present.",
			"Mend the replication first.", false);
	else if (l->r.health == UD_HEALTH_CRITICAL)
		block(d, l, "replication_critical", "The replication's health is critical.",
			"Look at its reasons.", true);
	return UD_OK;
}

static enum ud_code check_points(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	const char *wanted = d->f->recovery_point_id, *newest = NULL;
	struct ud_recovery_point p = { 0 };
	bool found = false;

	if (!l->related)
		return UD_OK;
	if (wanted) {
		UD_TRY(ud_recovery_point_find(cx, wanted, &found, &p));
		if (!found || strcmp(p.vm_id, l->vm.vm_id) != 0)
			block(d, l, "point_gone", "The recovery point is not there any more.",
				"Choose another one.", false);
		else if (p.state != UD_POINT_COMPLETE && p.state != UD_POINT_VERIFIED)
			block(d, l, "point_unusable", "The recovery point is not complete.",
				"Choose another one.", false);
		return UD_OK;
	}
	if (d->f->point_policy == UD_POINTS_CHOSEN && d->f->kind != UD_FAILOVER_PLANNED)
		block(d, l, "choose_point", "The plan wants a recovery point to be chosen.",
			"Choose a recovery point with the request.", false);
	UD_TRY(ud_recovery_point_newest(cx, l->vm.replication_id, &newest));
	if (!newest && d->f->kind != UD_FAILOVER_PLANNED)
		block(d, l, "no_recovery_point", "There is no complete recovery point.",
			"Wait for the first copy to end.", false);
	return UD_OK;
}

static enum ud_code seen(struct ud_ctx *cx, const char *host_id, bool *ret)
{
	int64_t last = 0;

	UD_TRY(ud_host_last_seen(cx, host_id, &last));
	*ret = last && cx->now_ms - last < SILENT_MS;
	return UD_OK;
}

static enum ud_code check_hosts(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	bool source = false, target = false;

	if (!l->related)
		return UD_OK;
	UD_TRY(seen(cx, l->vm.source_host_id, &source));
	UD_TRY(seen(cx, l->vm.target_host_id, &target));
	if (!target)
		block(d, l, "target_unreachable", "The replica's host does not answer.",
			"Bring its agent back.", false);
	if (d->f->kind == UD_FAILOVER_PLANNED && !source)
		block(d, l, "source_unreachable",
			"The primary's host does not answer, so nothing could be carried over.",
			"Ask for an unplanned failover if the host is lost.", false);
	if (d->f->kind == UD_FAILOVER_UNPLANNED && source &&
		strcmp(d->f->reason_code, "virus_attack") != 0)
		block(d, l, "source_answers",
			"The primary's host answers: a planned failover would lose nothing.",
			"Ask for a planned failover; this one refuses as long as it answers.",
			true);
	return UD_OK;
}

static enum ud_code check_agent(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	struct ud_agent a = { 0 };
	bool found = false;

	if (!l->related)
		return UD_OK;
	UD_TRY(ud_agent_of_host(cx, l->vm.target_host_id, &found, &a));
	if (found && !a.may_promote)
		block(d, l, "agent_quarantined",
			"The replica's agent may not promote: somebody"
			" may be using a copy of its identity.",
			"Release it, or enrol it anew.", false);
	if (found && a.certificate_expires_at.ms > 0 &&
		a.certificate_expires_at.ms - cx->now_ms < CERTIFICATE_WARNING_MS)
		block(d, l, "certificate_expires",
			"The certificate of the replica's agent expires"
			" within a week.",
			"See why it is not renewed.", true);
	return UD_OK;
}

/* Facts as they were told; false = what cannot be read is not known. */
static bool read_facts(struct ud_ctx *cx, const char *text, struct ud_host_facts *ret)
{
	if (text && ud_shape_read(cx, &ud_host_facts_shape, text, strlen(text), ret) == UD_OK)
		return true;
	ud_ctx_clear(cx);
	return false;
}

/* A VM whose definition was brought up may be too new for its replica's host. When the primary is
 * lost that forbids nothing: what hosts told may be old. */
static enum ud_code check_board(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	struct ud_host_facts host = { 0 };
	struct ud_machine machine = { 0 };
	const char *facts = NULL, *seen_as = NULL;
	int64_t at;

	if (!l->related)
		return UD_OK;
	UD_TRY(ud_inventory_host_facts(cx, l->vm.target_host_id, &facts, &at));
	UD_TRY(ud_inventory_vm_facts(cx, l->vm.vm_id, l->vm.source_host_id, &seen_as, &at));
	if (!read_facts(cx, facts, &host) || !seen_as)
		return UD_OK;
	if (ud_shape_read(cx, &ud_machine_shape, seen_as, strlen(seen_as), &machine) != UD_OK) {
		ud_ctx_clear(cx); /* what cannot be read is not known */
		return UD_OK;
	}
	if (ud_machine_lacks_kvm(&machine, &host))
		block(d, l, "kvm_missing",
			"The VM runs with KVM, which does not work on the replica's host.",
			"Switch virtualization on in that host's firmware.",
			d->f->kind == UD_FAILOVER_UNPLANNED);
	if (!ud_machine_fits(&machine, &host))
		block(d, l, "machine_type_unknown",
			ud_printf(cx->arena, "The replica's host cannot run machines of type %s.",
				machine.machine_type),
			"Bring its hypervisor to the release of the primary's.",
			d->f->kind == UD_FAILOVER_UNPLANNED);
	return UD_OK;
}

static enum ud_code check_other_runs(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	const char *id = NULL, *run = NULL;

	UD_TRY(ud_workflow_of(cx, l->vm.vm_id, UD_NONE, &id, &run));
	if (id && strcmp(run, d->f->row.id ? d->f->row.id : "") != 0)
		block(d, l, "run_open",
			ud_printf(cx->arena, "Failover %s of the VM has not ended.", run),
			"End that one first.", false);
	return UD_OK;
}

/* Hyper-V refuses to reverse a VM that has an onward relationship, paused or not. */
static enum ud_code check_onward(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	struct ud_host target = { 0 };

	if (ud_row_get(cx, &ud_hosts, l->vm.target_host_id, &target) != UD_OK)
		ud_ctx_clear(cx);
	else if (target.hypervisor == UD_HYPERVISOR_HYPERV)
		block(d, l, "third_copy_bars_reverse",
			"On Hyper-V the way back cannot begin while the replica has an extended replica:"
			" the run waits before it.",
			"Remove the extended replication first, or once the run waits.", true);
	return UD_OK;
}

static enum ud_code check_chain(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	struct ud_replication onward = { 0 };
	bool found = false;

	if (!l->related || d->f->kind == UD_FAILOVER_TEST || l->vm.leg != UD_LEG_PRIMARY)
		return UD_OK;
	UD_TRY(ud_replication_of_vm(cx, l->vm.vm_id, UD_LEG_EXTENDED, &found, &onward));
	if (found && d->f->chain == UD_CHAIN_UNSAID)
		block(d, l, "chain_unsaid",
			"The replica has an extended replica of its own: what becomes of it must be said.",
			"Say chain keep (the extended replica goes on from the new primary) or reverse"
			" (it is paused once the way back begins).",
			false);
	return found ? check_onward(cx, d, l) : UD_OK;
}

static enum ud_code check_reason(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	const struct ud_failover *f = d->f;

	(void)cx;
	if (strcmp(f->reason_code, "virus_attack") == 0 && !f->recovery_point_id &&
		!f->acknowledge_latest)
		block(d, l, "choose_point",
			"After a virus attack the newest point may carry the damage.",
			"Choose a recovery point, or acknowledge the latest.", false);
	return UD_OK;
}

/* A node of a cluster is not switched off when the pool of all its nodes would stop with it. What
 * its neighbours see of it counts; a host that was told of by itself alone, and is silent now, may
 * have gone down since. */
static enum ud_code check_pool(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	struct ud_host_facts own = { 0 }, near = { 0 };
	struct ud_texts told = { 0 };
	struct ud_host host = { 0 };
	const char *facts = NULL;
	bool seen_by_others = false, answers = false;
	int64_t at;

	if (ud_row_get(cx, &ud_hosts, l->vm.source_host_id, &host) != UD_OK) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(ud_inventory_host_facts(cx, host.row.id, &facts, &at));
	if (!read_facts(cx, facts, &own) || !own.cluster.text || !own.spaces.text)
		return UD_OK;
	UD_TRY(seen(cx, host.row.id, &answers));
	UD_TRY(ud_inventory_near_facts(cx, host.row.id, cx->now_ms - SILENT_MS, &told));
	for (size_t i = 0; i < told.count && !seen_by_others; i++)
		seen_by_others =
			read_facts(cx, told.items[i], &near) && ud_same_cluster(&own, &near);
	const struct ud_pool_outlook o = ud_pool_outlook(seen_by_others ? &near : &own, host.name);

	if (o.fate != UD_POOL_SAFE)
		block(d, l, o.fate == UD_POOL_LOST ? "pool_loses_quorum" : "pool_needs_witness",
			ud_printf(cx->arena,
				"Switching the primary's host off leaves %zu of the %zu nodes of its"
				" cluster: their pool of Storage Spaces stops%s, with every VM in it.",
				o.left, o.all,
				o.fate == UD_POOL_LOST ? "" : " unless the cluster has a witness"),
			"Bring another node back first; or let two people state that the primary is"
			" off.",
			o.fate != UD_POOL_LOST || !(seen_by_others || answers));
	return UD_OK;
}

/* What stonith will need, and what it will do to others: said before anybody approves. */
static enum ud_code check_device(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	struct ud_fence_device device = { 0 };
	bool found = false;

	if (!l->related || d->f->kind != UD_FAILOVER_UNPLANNED ||
		strcmp(l->vm.fencing_policy, "stonith") != 0)
		return UD_OK;
	UD_TRY(ud_fence_device_of(cx, l->vm.source_host_id, &found, &device));
	if (!found) {
		block(d, l, "no_fence_device",
			"The primary's host has no fence device that could switch it off.",
			"Set one, or let two people state that the primary is off.", true);
		return UD_OK;
	}
	block(d, l, "host_is_fenced",
		"The primary's host is switched off by its fence device, with all VMs on it.",
		"Make sure that nothing else there is still of use.", true);
	if (device.problem)
		block(d, l, "fence_device_failing",
			"The fence device of the primary's host could not tell anything when it was"
			" asked last.",
			"Test it; or let two people state that the primary is off.", true);
	return check_pool(cx, d, l);
}

/* What is gone is not known to be another site. */
static bool is_one_site(struct ud_ctx *cx, const char *host_id, const char *other_id)
{
	struct ud_host a = { 0 }, b = { 0 };

	if (ud_row_get(cx, &ud_hosts, host_id, &a) == UD_OK &&
		ud_row_get(cx, &ud_hosts, other_id, &b) == UD_OK)
		return strcmp(a.site_id, b.site_id) == 0;
	ud_ctx_clear(cx);
	return true;
}

/* A card without a network there stays as it is, and in a test has no link. */
static enum ud_code check_cards(struct ud_ctx *cx, struct dry *d, struct looked *l)
{
	const struct ud_network_way way = { l->vm.vm_id, l->vm.source_host_id, l->vm.target_host_id,
		d->f->kind == UD_FAILOVER_TEST, d->f->network_map.text };
	struct ud_texts unmapped = { 0 };
	struct ud_json cards = { 0 };

	if (!l->related || is_one_site(cx, way.from_host_id, way.to_host_id))
		return UD_OK;
	UD_TRY(ud_network_map_cards(cx, &way, &cards, &unmapped));
	for (size_t i = 0; i < unmapped.count; i++)
		block(d, l, "network_unmapped",
			ud_printf(cx->arena,
				"Nothing says what the network of card %s is there: %s.",
				unmapped.items[i],
				way.test ? "in the test it has no link"
					 : "it is connected to what has the same name"),
			"Say it in the network's failover map or in the plan's network_map.", true);
	return UD_OK;
}

static enum ud_code (*const rules[])(struct ud_ctx *cx, struct dry *d,
	struct looked *l) = { check_protection, check_points, check_hosts, check_agent, check_board,
	check_other_runs, check_chain, check_reason, check_device, check_cards };

/* ---- looking ---- */

/* The leg whose target takes over: that of the point asked for, else the first one. */
static enum ud_code leg_of(struct ud_ctx *cx, const struct ud_failover *f, enum ud_leg *ret)
{
	struct ud_recovery_point p = { 0 };
	struct ud_replication r = { 0 };
	bool found = false;

	*ret = UD_LEG_PRIMARY;
	if (!f->recovery_point_id)
		return UD_OK;
	UD_TRY(ud_recovery_point_find(cx, f->recovery_point_id, &found, &p));
	if (found)
		UD_TRY(ud_replication_find(cx, p.replication_id, &found, &r));
	if (found)
		*ret = (enum ud_leg)r.leg;
	return UD_OK;
}

static int64_t newest_age(struct ud_ctx *cx, const struct ud_replication_end *end)
{
	if (!end->known || end->told.newest_point_age_ms == UD_NONE)
		return UD_NONE;
	return end->told.newest_point_age_ms + (cx->now_ms - end->observed_at.ms);
}

static enum ud_code look(struct ud_ctx *cx, struct dry *d, const char *vm_id, struct looked *l)
{
	enum ud_leg leg;

	UD_TRY(ud_row_get(cx, &ud_vms, vm_id, &l->row));
	UD_TRY(leg_of(cx, d->f, &leg));
	UD_TRY(ud_replication_of_vm(cx, vm_id, leg, &l->related, &l->r));
	l->vm = (struct ud_plan_vm){ .vm_id = l->row.row.id,
		.name = l->row.name,
		.leg = leg,
		.source_host_id = l->row.host_id };
	UD_TRY(ud_vm_epoch(cx, vm_id, &l->vm.epoch, &l->vm.fencing_policy));
	l->age_ms = UD_NONE;
	if (!l->related)
		return UD_OK;
	l->vm.replication_id = l->r.row.id;
	l->vm.target_host_id = l->r.target_host_id;
	UD_TRY(ud_replication_ends(cx, &l->r, &l->ends));
	l->age_ms = newest_age(cx, &l->ends.target);
	if (l->age_ms == UD_NONE)
		l->age_ms = newest_age(cx, &l->ends.source);
	return UD_OK;
}

static struct ud_plan_vm *planned_vms(struct ud_ctx *cx, const struct dry *d)
{
	struct ud_plan_vm *vms = ud_alloc(cx->arena, sizeof(*vms) * (d->count + 1));

	for (size_t i = 0; i < d->count; i++)
		vms[i] = d->vms[i].vm;
	return vms;
}

/* What it will cost: the oldest of their newest points counts. */
static enum ud_code predict(struct ud_ctx *cx, struct dry *d)
{
	int64_t age_ms = UD_NONE;

	for (size_t i = 0; i < d->count; i++)
		age_ms = d->vms[i].age_ms > age_ms ? d->vms[i].age_ms : age_ms;
	return ud_failover_predict(cx, d->f, planned_vms(cx, d), d->count, age_ms);
}

/* ---- the plan ---- */

/* What is hashed: everything that the run will do, nothing that only time changes. */
static void write_plan(struct ud_ctx *cx, struct dry *d)
{
	const struct ud_failover *f = d->f;
	struct ud_buf b = { 0 };
	char hash[UD_SHA256_HEX];

	ud_buf_printf(&b, "{\"kind\":\"%s\",\"reason_code\":\"%s\",\"plan_id\":",
		ud_failover_kinds.names[f->kind], f->reason_code);
	ud_buf_json(&b, f->plan_id);
	ud_buf_printf(&b, ",\"plan_version\":%lld,\"recovery_point_id\":",
		(long long)(f->plan_version == UD_NONE ? 0 : f->plan_version));
	ud_buf_json(&b, f->recovery_point_id);
	ud_buf_printf(&b, ",\"scheduled_at_ms\":%lld,\"chain\":\"%s\"",
		(long long)(f->scheduled_at.ms > 0 ? f->scheduled_at.ms : 0),
		ud_chains.names[f->chain]);
	ud_buf_printf(&b, ",\"allow_hard_stop\":%s,\"acknowledge_latest\":%s",
		f->allow_hard_stop ? "true" : "false", f->acknowledge_latest ? "true" : "false");
	ud_buf_printf(&b, ",\"commit_policy\":\"%s\",\"commit_minutes\":%lld",
		ud_commit_policies.names[f->commit_policy],
		(long long)(f->commit_minutes == UD_NONE ? 0 : f->commit_minutes));
	if (f->point_policy != UD_POINTS_LATEST)
		ud_buf_printf(&b, ",\"point_policy\":\"%s\",\"point_within_seconds\":%lld",
			ud_point_policies.names[f->point_policy],
			(long long)(f->point_within_seconds == UD_NONE ? 0
								       : f->point_within_seconds));
	if (f->network_map.text)
		ud_buf_printf(&b, ",\"network_map\":%s", f->network_map.text);
	if (f->window_ends_at.ms > 0)
		ud_buf_printf(&b, ",\"window_ends_at_ms\":%lld", (long long)f->window_ends_at.ms);
	ud_buf_printf(&b,
		",\"max_duration_seconds\":%lld,\"checks\":%s,\"groups\":%s,\"members\":[",
		(long long)f->max_duration_seconds, f->checks.text ? f->checks.text : "null",
		f->groups.text ? f->groups.text : "null");
	for (size_t i = 0; i < d->count; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_plan_vm_shape, &d->vms[i].vm, NULL);
	}
	ud_buf_puts(&b, "]}");
	ud_sha256_hex(b.data, b.len, hash);
	d->f->plan.text = ud_strndup(cx->arena, b.data, b.len);
	d->f->plan_hash = ud_printf(cx->arena, "sha256:%s", hash);
	ud_buf_free(&b);
}

static void write_blockers(struct ud_ctx *cx, struct dry *d)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < d->blocker_count; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_blocker_shape, &d->blockers[i], NULL);
	}
	ud_buf_putc(&b, ']');
	d->f->blockers.text = ud_buf_take(cx->arena, &b);
}

/* As ourselves: hosts and what can switch them off are the provider's, and customers ask. */
static enum ud_code apply_rules(struct ud_ctx *cx, struct dry *d)
{
	const struct ud_scope *asker = cx->scope, system = ud_scope_system("failover plan");
	enum ud_code code = UD_OK;

	cx->scope = &system;
	for (size_t i = 0; i < d->count; i++)
		for (size_t k = 0; k < UD_LEN(rules) && code == UD_OK; k++)
			code = rules[k](cx, d, &d->vms[i]);
	if (code == UD_OK)
		code = ud_failover_check_place(
			cx, d->f, planned_vms(cx, d), d->count, take_blocker, d);
	cx->scope = asker;
	return code;
}

static enum ud_code find_waves(struct ud_ctx *cx, struct dry *d);

enum ud_code ud_failover_dry_run(struct ud_ctx *cx, struct ud_failover *f, bool *ret_blocked)
{
	struct dry *d = ud_alloc(cx->arena, sizeof(*d));

	d->f = f;
	d->count = f->vm_ids.count;
	d->vms = ud_alloc(cx->arena, sizeof(*d->vms) * (d->count + 1));
	for (size_t i = 0; i < d->count; i++)
		UD_TRY(look(cx, d, f->vm_ids.items[i], &d->vms[i]));
	if (d->count)
		f->row.customer_id = d->vms[0].row.row.customer_id;
	UD_TRY(apply_rules(cx, d));
	UD_TRY(find_waves(cx, d));
	UD_TRY(predict(cx, d));
	write_plan(cx, d);
	write_blockers(cx, d);
	*ret_blocked = d->blocked;
	return UD_OK;
}

enum ud_code ud_failover_of_plan(
	struct ud_ctx *cx, const struct ud_recovery_plan *p, struct ud_failover *f)
{
	struct ud_plan_order order = { 0 };

	UD_TRY(ud_plan_order(cx, p->members.text, &order));
	f->plan_id = p->row.id;
	f->plan_version = p->row.version;
	f->row.customer_id = p->row.customer_id;
	f->vm_ids = (struct ud_texts){ order.vm_ids, order.count };
	f->point_policy = p->point_policy;
	f->point_within_seconds = p->point_within_seconds;
	f->network_map = p->network_map;
	f->allow_hard_stop |= p->allow_hard_stop;
	if (!f->checks.text)
		f->checks = p->checks;
	if (f->commit_policy == UD_COMMIT_NONE && f->kind != UD_FAILOVER_TEST &&
		(p->commit_policy != UD_COMMIT_ROLLBACK || f->kind == UD_FAILOVER_UNPLANNED)) {
		f->commit_policy = p->commit_policy;
		f->commit_minutes = p->commit_minutes;
	}
	return UD_OK;
}

/* The wave of each VM by the plan as it is now; a plan that is gone leaves one wave. */
static enum ud_code find_waves(struct ud_ctx *cx, struct dry *d)
{
	struct ud_recovery_plan p = { 0 };
	struct ud_plan_order order = { 0 };

	if (!d->f->plan_id)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_recovery_plans, d->f->plan_id, &p));
	d->f->plan_version = p.row.version;
	UD_TRY(ud_plan_order(cx, p.members.text, &order));
	d->f->groups = p.groups;
	d->f->point_policy = p.point_policy;
	d->f->point_within_seconds = p.point_within_seconds;
	d->f->network_map = p.network_map;
	UD_TRY(ud_plan_groups_of_run(cx, &order, &d->f->groups));
	for (size_t i = 0; i < d->count; i++)
		for (size_t k = 0; k < order.count; k++)
			if (strcmp(order.vm_ids[k], d->vms[i].vm.vm_id) == 0)
				d->vms[i].vm.boot_group = order.waves[k];
	return UD_OK;
}

/* ---- for the engine ---- */

/* The plan's last member is the list; what stands before it is for people and the hash. */
static const char *members_text(struct ud_ctx *cx, const struct ud_failover *f)
{
	static const char key[] = ",\"members\":";
	const char *at = strstr(f->plan.text, key), *list = at + sizeof(key) - 1;

	return ud_strndup(cx->arena, list, strlen(list) - 1);
}

enum ud_code ud_failover_members(
	struct ud_ctx *cx, const struct ud_failover *f, struct ud_flow_member **ret, size_t *ret_n)
{
	struct ud_plan_vm *vms = NULL;

	UD_TRY(ud_shape_read_list(cx, &ud_plan_vm_shape, members_text(cx, f), UD_WORKFLOWS_MAX,
		(void **)&vms, ret_n));
	*ret = ud_alloc(cx->arena, sizeof(**ret) * (*ret_n + 1));
	for (size_t i = 0; i < *ret_n; i++)
		(*ret)[i] = (struct ud_flow_member){ .vm_id = vms[i].vm_id,
			.customer_id = f->row.customer_id,
			.replication_id = vms[i].replication_id,
			.source_host_id = vms[i].source_host_id,
			.target_host_id = vms[i].target_host_id,
			.fencing_policy = vms[i].fencing_policy,
			.boot_group = vms[i].boot_group,
			.epoch = vms[i].epoch };
	return UD_OK;
}
