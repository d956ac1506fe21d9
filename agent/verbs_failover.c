/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of a failover on this host. Each looks first whether its work is done, and stores in the
 * journal what it has come to before it acts on it: what may run here is decided by the journal and
 * by whoever grants leave (agent/lease.h), never by how far a command came. A step is refused from
 * any role or state but the ones it is for; the runner has refused it already without ticket and
 * plan, and under another epoch.
 */
#include <string.h>

#include "agent/hold.h"
#include "agent/lease.h"
#include "agent/verbs.h"
#include "base/env.h"
#include "base/log.h"

/* How often a wait looks up. */
enum { LOOK_MS = 200, POINTS_MAX = 64 };

/* How long bringing a VM up may take. */
enum { BRING_UP_MS = 600000 };

static const char *subject(const struct ud_act *act)
{
	return act->command->subject_id;
}

/* ---- the journal's row ---- */

/* What a step wants of the row, and what it makes of it. */
struct turn {
	const struct ud_act *act;
	const void *args;
	struct ud_journal_vm vm; /* as it is stored now */
};

static enum ud_code wrong_role(struct ud_ctx *cx, const struct ud_act *act, unsigned role)
{
	return ud_fail(cx, UD_E_INVALID_STATE, NULL, "This host is %s for the VM: no %s here.",
		ud_vm_roles.names[role], act->command->verb);
}

/* The row, as the step sees it first; without one the VM is not protected here. */
static enum ud_code read_row(struct ud_ctx *cx, struct ud_act *act, struct ud_journal_vm *ret)
{
	bool found = false;

	UD_TRY(ud_journal_vm_get(cx, act->station->journal, subject(act), &found, ret));
	if (!found)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "This host does not protect the VM.");
	return UD_OK;
}

static enum ud_code need_role(
	struct ud_ctx *cx, struct ud_act *act, enum ud_vm_role role, struct ud_journal_vm *ret)
{
	UD_TRY(read_row(cx, act, ret));
	return ret->role == role ? UD_OK : wrong_role(cx, act, ret->role);
}

static enum ud_code change_row(
	struct ud_ctx *cx, struct ud_act *act, ud_journal_change *change, struct ud_journal_vm *ret)
{
	struct turn t = { .act = act, .args = act->args };

	UD_TRY(ud_journal_vm_change(cx, act->station->journal, subject(act), change, &t));
	*ret = t.vm;
	return UD_OK;
}

static enum ud_code power_of(
	struct ud_ctx *cx, struct ud_act *act, const char *uuid, enum ud_power *ret)
{
	const char *raw = NULL;
	enum ud_code code = ud_hv_power(cx, act->station->hv, uuid, ret, &raw);

	if (code != UD_E_NOT_FOUND)
		return code;
	/* the hypervisor has no such VM: it surely does not run */
	ud_ctx_clear(cx);
	*ret = UD_POWER_OFF;
	return UD_OK;
}

/* ---- stop, sync, resume: at the source, before the commit ---- */

static enum ud_code set_hold(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct turn *t = data;

	if (!found || vm->role != UD_VM_ROLE_PRIMARY)
		return wrong_role(cx, t->act, vm->role);
	vm->hold = true;
	vm->permit_ms = UD_NONE;
	t->vm = *vm;
	return UD_OK;
}

static enum ud_code end_guest(struct ud_ctx *cx, struct ud_act *act, const struct ud_journal_vm *vm,
	const struct ud_stop_args *a, bool *ret_forced)
{
	struct ud_hv *hv = act->station->hv;
	enum ud_power power = UD_POWER_UNKNOWN;

	UD_TRY(power_of(cx, act, vm->uuid, &power));
	if (power == UD_POWER_OFF)
		return UD_OK;
	enum ud_code code = power == UD_POWER_RUNNING
		? ud_hv_shutdown(cx, hv, vm->uuid, a->timeout_seconds * 1000)
		: ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s: it cannot shut down.",
			  ud_powers.names[power]);

	if (code == UD_OK || !a->hard || code == UD_E_HYPERVISOR)
		return code;
	ud_ctx_clear(cx);
	*ret_forced = true;
	return ud_hv_power_off(cx, hv, vm->uuid);
}

enum ud_code ud_do_stop(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_stop_result r = { 0 };
	struct ud_journal_vm vm;

	UD_TRY(need_role(cx, act, UD_VM_ROLE_PRIMARY, &vm));
	UD_TRY(change_row(cx, act, set_hold, &vm));
	act->begun = true;
	UD_TRY(ud_act_point(cx, act, "held"));
	UD_TRY(end_guest(cx, act, &vm, act->args, &r.forced));
	UD_TRY(ud_act_point(cx, act, "stopped"));
	ud_leases_stopped(cx, act->station->leases, &vm);
	r.stopped_at.ms = ud_now_ms(cx->env);
	ud_act_leave(cx, act, &ud_stop_result_shape, &r);
	return UD_OK;
}

static const char *point_json(struct ud_ctx *cx, const struct ud_point *p)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &ud_point_shape, p, NULL);
	return ud_buf_take(cx->arena, &b);
}

enum ud_code ud_do_sync(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_sync_args *a = act->args;
	struct ud_sync_result r = { 0 };
	struct ud_point point = { 0 };
	struct ud_journal_vm vm;
	enum ud_power power = UD_POWER_UNKNOWN;

	UD_TRY(need_role(cx, act, UD_VM_ROLE_PRIMARY, &vm));
	if (!vm.hold)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is not held by a failover.");
	UD_TRY(power_of(cx, act, vm.uuid, &power));
	if (power != UD_POWER_OFF)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not off.",
			ud_powers.names[power]);
	act->begun = true;
	UD_TRY(ud_hv_prepare(cx, act->station->hv, a->replication_id, &point));
	UD_TRY(ud_act_point(cx, act, "synced"));
	r.point.text = point_json(cx, &point);
	ud_act_leave(cx, act, &ud_sync_result_shape, &r);
	return UD_OK;
}

static enum ud_code clear_hold(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct turn *t = data;

	if (!found || vm->role != UD_VM_ROLE_PRIMARY)
		return wrong_role(cx, t->act, vm->role);
	vm->hold = false;
	t->vm = *vm;
	return UD_OK;
}

/* What was off before the failover stays off. */
enum ud_code ud_do_resume(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_resume_result r = { 0 };
	struct ud_journal_vm vm;

	UD_TRY(need_role(cx, act, UD_VM_ROLE_PRIMARY, &vm));
	UD_TRY(change_row(cx, act, clear_hold, &vm));
	act->begun = true;
	UD_TRY(ud_act_point(cx, act, "released"));
	if (vm.wanted) {
		UD_TRY(ud_leases_start(cx, act->station->leases, vm.vm_id));
		UD_TRY(ud_act_point(cx, act, "started"));
		r.started_at.ms = ud_now_ms(cx->env);
	}
	ud_act_leave(cx, act, &ud_resume_result_shape, &r);
	return UD_OK;
}

/* ---- fence and promote: at the replica ---- */

struct gathered {
	struct ud_buf list;
	const char *newest;
	size_t n;
};

static enum ud_code gather(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	struct gathered *g = data;
	bool usable = p->state == UD_POINT_COMPLETE || p->state == UD_POINT_VERIFIED;

	if (g->n == POINTS_MAX)
		return UD_OK;
	ud_buf_putc(&g->list, g->n++ ? ',' : '[');
	ud_shape_encode(&g->list, &ud_point_shape, p, NULL);
	if (usable && !g->newest)
		g->newest = ud_strdup(cx->arena, p->id);
	return UD_OK;
}

static enum ud_code gather_points(struct ud_ctx *cx, struct ud_act *act, const char *replication_id,
	struct ud_fence_result *ret)
{
	struct gathered g = { 0 };
	enum ud_code code = ud_hv_points(cx, act->station->hv, replication_id, gather, &g);

	ud_buf_puts(&g.list, g.n ? "]" : "[]");
	ret->points.text = ud_strdup(cx->arena, ud_buf_text(&g.list));
	ret->newest = g.newest;
	ud_buf_free(&g.list);
	return code;
}

/* The promise first; then what was granted before it is waited out. */
static enum ud_code promise(struct ud_ctx *cx, struct ud_act *act, bool *ret_seen)
{
	int64_t left = 0;
	bool seen = false;

	UD_TRY(ud_leases_promise(cx, act->station->leases, subject(act), &left, ret_seen));
	act->begun = true;
	UD_TRY(ud_act_point(cx, act, "promised"));
	while (left > 0) {
		UD_TRY(ud_act_wait(cx, act, left < LOOK_MS ? left : LOOK_MS));
		UD_TRY(ud_leases_promise(cx, act->station->leases, subject(act), &left, &seen));
	}
	return ud_act_point(cx, act, "waited");
}

enum ud_code ud_do_fence(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_fence_args *a = act->args;
	struct ud_fence_result r = { 0 };
	struct ud_journal_vm vm;
	int64_t begun = ud_mono_ms(cx->env);

	UD_TRY(need_role(cx, act, UD_VM_ROLE_REPLICA, &vm));
	UD_TRY(promise(cx, act, &r.source_seen));
	/* before the points, whose ages grow while they are read */
	r.after_ms = ud_mono_ms(cx->env) - begun;
	UD_TRY(gather_points(cx, act, a->replication_id, &r));
	ud_act_leave(cx, act, &ud_fence_result_shape, &r);
	return UD_OK;
}

/*
 * Who may be promoted: a replica from a point; and whoever goes on with its own disks: the former
 * source, displaced or held, or a primary that people have chosen of two. Or nobody else than
 * before: the same epoch, asked again.
 */
static enum ud_code may_promote(
	struct ud_ctx *cx, const struct turn *t, bool found, const struct ud_journal_vm *vm)
{
	const struct ud_promote_args *a = t->args;
	int64_t epoch = t->act->command->epoch;

	if (!found)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "This host does not protect the VM.");
	if (vm->role == UD_VM_ROLE_PRIMARY && vm->epoch == epoch && !vm->hold)
		return UD_OK;
	if (epoch <= vm->epoch)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"A promotion brings a higher epoch than %lld.", (long long)vm->epoch);
	if (vm->role == UD_VM_ROLE_REPLICA && a->point_id)
		return UD_OK;
	if (vm->role == UD_VM_ROLE_DISPLACED && !a->point_id)
		return UD_OK;
	if (vm->role == UD_VM_ROLE_PRIMARY && !a->point_id)
		return UD_OK;
	return wrong_role(cx, t->act, vm->role);
}

/* It is wanted only once its disks are those of the point: until then nobody else starts it. */
static enum ud_code take_over(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct turn *t = data;
	const struct ud_promote_args *a = t->args;

	UD_TRY(may_promote(cx, t, found, vm));
	if (vm->epoch != t->act->command->epoch) {
		vm->wanted = false;
		vm->permit_ms = UD_NONE;
		vm->fast_start = a->peer_fenced;
	}
	vm->epoch = t->act->command->epoch;
	vm->role = UD_VM_ROLE_PRIMARY;
	vm->hold = vm->breakglass = false;
	t->vm = *vm;
	return UD_OK;
}

enum ud_code ud_do_promote(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_promote_args *a = act->args;
	const struct ud_hv_promotion promotion = { .replication_id = a->replication_id,
		.point_id = a->point_id,
		.networks = a->networks };
	struct ud_hv_promoted promoted = { 0 };
	struct ud_promote_result r = { 0 };
	struct ud_journal_vm vm;

	UD_TRY(change_row(cx, act, take_over, &vm));
	act->begun = true;
	UD_TRY(ud_act_point(cx, act, "promoted"));
	/* it comes up standing still; leave to run is asked for after that */
	UD_TRY(ud_hold_pass(
		cx, act->station->journal, vm.vm_id, act->station->host_boot, BRING_UP_MS));
	UD_TRY(ud_hv_fail_over(cx, act->station->hv, &promotion, &promoted));
	UD_TRY(ud_hold_end(cx, act->station->journal, vm.vm_id));
	UD_TRY(ud_act_point(cx, act, "brought_up"));
	UD_TRY(ud_leases_start(cx, act->station->leases, vm.vm_id));
	UD_TRY(ud_act_point(cx, act, "started"));
	r.point_id = promoted.point_id;
	r.roots = promoted.roots;
	r.started_at.ms = ud_now_ms(cx->env);
	ud_act_leave(cx, act, &ud_promote_result_shape, &r);
	return UD_OK;
}

/* ---- demote: at the old primary ---- */

static enum ud_code give_up(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct turn *t = data;
	int64_t epoch = t->act->command->epoch;

	if (!found || vm->role == UD_VM_ROLE_FREE)
		return wrong_role(cx, t->act, UD_VM_ROLE_FREE);
	if (vm->role == UD_VM_ROLE_PRIMARY && vm->epoch == epoch)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"This host owns the VM under this very epoch.");
	vm->epoch = epoch;
	if (vm->role == UD_VM_ROLE_PRIMARY)
		vm->role = UD_VM_ROLE_DISPLACED;
	vm->hold = vm->wanted = vm->fast_start = vm->breakglass = false;
	vm->permit_ms = UD_NONE;
	t->vm = *vm;
	return UD_OK;
}

/*
 * Whoever is demoted while it runs is a second primary: it is switched off at once. What it had not
 * written through is lost to the divergent set, as in a power cut.
 */
static enum ud_code end_now(
	struct ud_ctx *cx, struct ud_act *act, const struct ud_journal_vm *vm, bool *ret_ran)
{
	enum ud_power power = UD_POWER_UNKNOWN;

	UD_TRY(power_of(cx, act, vm->uuid, &power));
	if (power == UD_POWER_OFF)
		return UD_OK;
	*ret_ran = true;
	return ud_hv_power_off(cx, act->station->hv, vm->uuid);
}

static enum ud_code keep_disks(struct ud_ctx *cx, struct ud_act *act,
	const struct ud_journal_vm *vm, struct ud_demote_result *r)
{
	struct ud_hv_displaced d = { .divergent_bytes = UD_NONE };
	enum ud_code code = vm->role == UD_VM_ROLE_DISPLACED
		? ud_hv_displace(cx, act->station->hv, vm->uuid, &d)
		: UD_OK;

	/* the hypervisor knows it no more: it was displaced before */
	if (code == UD_E_NOT_FOUND) {
		ud_ctx_clear(cx);
		code = UD_OK;
	}
	r->divergent = d.divergent;
	r->divergent_bytes = d.divergent_bytes;
	return code;
}

enum ud_code ud_do_demote(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_demote_args *a = act->args;
	struct ud_demote_result r = { .divergent_bytes = UD_NONE };
	struct ud_journal_vm vm;

	if (!a->keep_disk)
		return ud_fail(cx, UD_E_VALIDATION, "keep_disk",
			"The disks are kept; people decide about them later.");
	UD_TRY(change_row(cx, act, give_up, &vm));
	act->begun = true;
	UD_TRY(ud_act_point(cx, act, "given_up"));
	UD_TRY(end_now(cx, act, &vm, &r.was_running));
	UD_TRY(ud_act_point(cx, act, "stopped"));
	ud_leases_stopped(cx, act->station->leases, &vm);
	UD_TRY(keep_disks(cx, act, &vm, &r));
	UD_TRY(ud_act_point(cx, act, "displaced"));
	r.stopped_at.ms = ud_now_ms(cx->env);
	ud_act_leave(cx, act, &ud_demote_result_shape, &r);
	return UD_OK;
}

/* ---- complete, revert: at the new primary ---- */

enum ud_code ud_do_complete(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_relation_args *a = act->args;
	struct ud_journal_vm vm;

	UD_TRY(need_role(cx, act, UD_VM_ROLE_PRIMARY, &vm));
	act->begun = true;
	UD_TRY(ud_hv_complete(cx, act->station->hv, a->replication_id));
	return ud_act_point(cx, act, "completed");
}

static enum ud_code step_back(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct turn *t = data;

	if (!found || (vm->role != UD_VM_ROLE_PRIMARY && vm->role != UD_VM_ROLE_REPLICA))
		return wrong_role(cx, t->act, vm->role);
	vm->role = UD_VM_ROLE_REPLICA;
	vm->hold = vm->wanted = vm->fast_start = vm->breakglass = false;
	vm->permit_ms = UD_NONE;
	t->vm = *vm;
	return UD_OK;
}

/* From the first step on it may not run here; then its disks since the failover go. */
enum ud_code ud_do_revert(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_relation_args *a = act->args;
	struct ud_revert_result r = { 0 };
	struct ud_journal_vm vm;

	UD_TRY(change_row(cx, act, step_back, &vm));
	act->begun = true;
	UD_TRY(ud_act_point(cx, act, "stepped_back"));
	UD_TRY(ud_hv_cancel(cx, act->station->hv, a->replication_id));
	UD_TRY(ud_act_point(cx, act, "cancelled"));
	ud_leases_stopped(cx, act->station->leases, &vm);
	r.stopped_at.ms = ud_now_ms(cx->env);
	ud_act_leave(cx, act, &ud_revert_result_shape, &r);
	return UD_OK;
}

/* ---- tests ---- */

static const char *test_note(struct ud_ctx *cx, const char *test_id)
{
	return ud_printf(cx->arena, "test %s", test_id);
}

enum ud_code ud_test_uuid(
	struct ud_ctx *cx, struct ud_act *act, const char *test_id, const char **ret)
{
	return ud_journal_noted(cx, act->station->journal, test_note(cx, test_id), ret);
}

enum ud_code ud_do_test_start(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_test_start_args *a = act->args;
	const struct ud_hv_test test = { .test_id = a->test_id,
		.replication_id = a->replication_id,
		.point_id = a->point_id,
		.name = a->name,
		.networks = a->networks };
	struct ud_hv_tested tested = { 0 };
	struct ud_test_start_result r = { 0 };
	struct ud_journal_vm vm;

	UD_TRY(need_role(cx, act, UD_VM_ROLE_REPLICA, &vm));
	act->begun = true;
	UD_TRY(ud_hv_test_start(cx, act->station->hv, &test, &tested));
	UD_TRY(ud_act_point(cx, act, "brought_up"));
	UD_TRY(ud_journal_note(cx, act->station->journal, test_note(cx, a->test_id), tested.uuid));
	UD_TRY(ud_act_point(cx, act, "noted"));
	r.uuid = tested.uuid;
	r.roots = tested.roots;
	r.started_at.ms = ud_now_ms(cx->env);
	ud_act_leave(cx, act, &ud_test_start_result_shape, &r);
	return UD_OK;
}

/* In any role: a test outlives the failover that began beside it. */
enum ud_code ud_do_test_drop(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_test_args *a = act->args;
	const struct ud_test_drop_result r = { 0 };

	act->begun = true;
	UD_TRY(ud_hv_test_drop(cx, act->station->hv, a->test_id));
	UD_TRY(ud_act_point(cx, act, "dropped"));
	UD_TRY(ud_journal_note(cx, act->station->journal, test_note(cx, a->test_id), NULL));
	ud_act_leave(cx, act, &ud_test_drop_result_shape, &r);
	return UD_OK;
}
