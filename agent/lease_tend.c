/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking after VMs beside what the guard holds: what runs and what does not, what may not, what a
 * boot or the end of a lease took down, and what break-glass brings up.
 */
#include <string.h>

#include "agent/lease_inside.h"
#include "base/env.h"
#include "base/log.h"

/* What must not run here is switched off, whatever brought it up. */
static void tend_forbidden(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, enum ud_power power)
{
	if (power == UD_POWER_OFF || power == UD_POWER_SAVED || power == UD_POWER_UNKNOWN)
		return;
	ud_log(UD_LOG_WARNING, "may_not_run", "vm", vm->vm_id, "role", ud_vm_roles.names[vm->role],
		NULL);
	if (ud_hv_power_off(cx, *l->s.hv, vm->uuid) == UD_OK)
		ud_leases_stopped(cx, l, vm);
	ud_ctx_clear(cx);
}

static enum ud_code stop_wanting(
	struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	(void)data;
	if (!found || !vm->wanted)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "it was not wanted");
	vm->wanted = false;
	return UD_OK;
}

/*
 * A primary that is off: it is started again when the host's boot or the end of its lease took it
 * down, and not when its own guest, or a person, ended it.
 */
static void tend_off(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm,
	const struct ud_lease_held *held, int64_t *next)
{
	bool booted = !vm->host_boot || strcmp(vm->host_boot, l->s.host_boot) != 0;
	bool taken = booted || vm->breakglass || vm->fast_start || vm->permit_ms != UD_NONE ||
		(held && held->killed);

	if (!vm->wanted || vm->hold)
		return;
	if (!taken && ud_lease_slot_read(l, vm->vm_id).ran) {
		(void)!ud_journal_vm_change(cx, l->s.journal, vm->vm_id, stop_wanting, NULL);
		ud_leases_stopped(cx, l, vm);
		return;
	}
	if (!taken || !ud_lease_is_due(l, vm, ud_lease_seconds(vm) * 1000 / 4, next))
		return;
	if (ud_lease_start_with_leave(cx, l, vm) != UD_OK)
		ud_log(UD_LOG_WARNING, "not_started", "vm", vm->vm_id, "reason", cx->problem.detail,
			NULL);
	ud_ctx_clear(cx);
}

/* The leave to start has ended, and nobody is using it. */
static enum ud_code end_permit(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	const int64_t *now = data;

	if (!found || vm->permit_ms == UD_NONE || vm->permit_ms > *now)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "it may still be started");
	vm->permit_ms = UD_NONE;
	return UD_OK;
}

static bool permit_ended(ud_leases *l, const struct ud_journal_vm *vm)
{
	return vm->permit_ms != UD_NONE && vm->permit_ms <= ud_mono_ms(l->env);
}

/* What it was started for is over, one way or the other. */
static void forget_permit(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	int64_t now = ud_mono_ms(l->env);

	(void)!ud_journal_vm_change(cx, l->s.journal, vm->vm_id, end_permit, &now);
	ud_ctx_clear(cx);
}

/*
 * A start that was cut off left it standing still, and its command did not go on while the leave
 * lasted: nobody wants it to run, so it is off. A pause that somebody ordered has no leave beside
 * it.
 */
static void tend_standing(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	struct ud_journal_vm now = { 0 };
	enum ud_power power = UD_POWER_UNKNOWN;
	bool found = false;

	if (!permit_ended(l, vm) || !ud_lease_begin_start(l, vm->vm_id))
		return;
	/* looked at again, now that no start can come between */
	enum ud_code code = ud_journal_vm_get(cx, l->s.journal, vm->vm_id, &found, &now);

	if (code == UD_OK && found && permit_ended(l, &now))
		code = ud_lease_power_of(cx, l, vm, &power);
	if (code == UD_OK && power == UD_POWER_PAUSED) {
		ud_log(UD_LOG_WARNING, "start_cut_off", "vm", vm->vm_id, NULL);
		code = ud_hv_power_off(cx, *l->s.hv, vm->uuid);
		if (code == UD_OK)
			forget_permit(cx, l, vm);
	}
	ud_ctx_clear(cx);
	ud_lease_end_start(l, vm->vm_id, false);
}

static void saw_running(ud_leases *l, const char *vm_id)
{
	pthread_mutex_lock(&l->mutex);
	ud_lease_slot_of(l, vm_id)->ran = true;
	pthread_mutex_unlock(&l->mutex);
}

/*
 * A primary that runs and that the guard does not hold. Under policy lease it is handed over with
 * the end that we know; when nobody knows it, the first answer decides whether it gets a lease, or
 * its end. Under the other policies the question is whether a newer epoch exists.
 */
static void tend_running(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm,
	const struct ud_lease_held *held, int64_t *next)
{
	struct ud_lease_round *r = ud_alloc(cx->arena, sizeof(*r));
	bool guarded = vm->policy == UD_POLICY_LEASE && !vm->breakglass;

	saw_running(l, vm->vm_id);
	if (permit_ended(l, vm))
		forget_permit(cx, l, vm);
	if (guarded && held && !held->killed)
		return;
	if (!guarded && held && !held->killed) /* it got going in time, or the guard had ended it */
		(void)!l->s.calls.disarm(cx, l->s.calls.data, vm);
	if (!guarded && !ud_lease_is_due(l, vm, ud_lease_seconds(vm) * 1000, next))
		return;
	int64_t until = ud_lease_slot_read(l, vm->vm_id).until_ms;

	if (guarded && until > ud_mono_ms(l->env)) {
		if (l->s.calls.arm(cx, l->s.calls.data, vm, until) != UD_OK)
			ud_log(UD_LOG_ERROR, "not_guarded", "vm", vm->vm_id, "reason",
				cx->problem.detail, NULL);
		ud_ctx_clear(cx);
		return;
	}
	ud_lease_add_ask(r, vm, UD_LEASE_KEEP);
	ud_lease_keep_all(cx, l, r);
	if (guarded && !ud_lease_answered(&r->word[0])) {
		ud_log(UD_LOG_WARNING, "no_lease", "vm", vm->vm_id, NULL);
		(void)!l->s.calls.arm(cx, l->s.calls.data, vm, ud_mono_ms(l->env));
	}
	ud_ctx_clear(cx);
}

/* ---- break-glass ---- */

static enum ud_code take_newest(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	const char **newest = data;

	if (!*newest && (p->state == UD_POINT_COMPLETE || p->state == UD_POINT_VERIFIED))
		*newest = ud_strdup(cx->arena, p->id);
	return UD_OK;
}

/* The newest point becomes the VM's disks; what is so already stays. */
static enum ud_code bring_up(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	struct ud_hv_promotion promotion = { 0 };
	struct ud_hv_promoted promoted = { 0 };

	UD_TRY(ud_journal_noted(cx, l->s.journal, ud_printf(cx->arena, UD_NOTE_RELATION, vm->vm_id),
		&promotion.replication_id));
	if (!promotion.replication_id)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "the VM has no replication here");
	UD_TRY(ud_hv_points(
		cx, *l->s.hv, promotion.replication_id, take_newest, &promotion.point_id));
	if (!promotion.point_id)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "the VM has no whole point here");
	UD_TRY(ud_hv_fail_over(cx, *l->s.hv, &promotion, &promoted));
	return ud_lease_start_with_leave(cx, l, vm);
}

static void tend_breakglass(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	enum ud_code code = bring_up(cx, l, vm);

	ud_log(code == UD_OK ? UD_LOG_WARNING : UD_LOG_ERROR, "breakglass", "vm", vm->vm_id,
		"started", code == UD_OK ? "yes" : "no", "reason",
		code == UD_OK ? NULL : cx->problem.detail, NULL);
	ud_ctx_clear(cx);
}

/* A pause that somebody ordered can be ended by anybody at the hypervisor, and would then run: it
 * lives by its lease as if it did. */
static bool pauses_by_lease(const struct ud_journal_vm *vm, enum ud_power power)
{
	return power == UD_POWER_PAUSED && vm->policy == UD_POLICY_LEASE && vm->wanted &&
		!vm->hold && vm->permit_ms == UD_NONE;
}

static void tend(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm,
	const struct ud_lease_held *held, int64_t *next)
{
	enum ud_power power;

	if (vm->role == UD_VM_ROLE_FREE)
		return;
	if (vm->role == UD_VM_ROLE_PRIMARY && vm->breakglass && !vm->wanted) {
		tend_breakglass(cx, l, vm);
		return;
	}
	if (ud_lease_power_of(cx, l, vm, &power) != UD_OK) {
		ud_ctx_clear(cx); /* a replica need not be known to the hypervisor */
		return;
	}
	if (vm->role != UD_VM_ROLE_PRIMARY)
		tend_forbidden(cx, l, vm, power);
	else if (power == UD_POWER_RUNNING || pauses_by_lease(vm, power))
		tend_running(cx, l, vm, held, next);
	else if (power == UD_POWER_PAUSED && (!vm->wanted || vm->hold))
		tend_standing(cx, l, vm);
	else if (power == UD_POWER_OFF || (power == UD_POWER_PAUSED && vm->permit_ms != UD_NONE))
		tend_off(cx, l, vm, held, next);
}

enum ud_code ud_leases_tend(struct ud_ctx *cx, ud_leases *l, int64_t *ret_next_ms)
{
	int64_t next = UD_LEASE_LOOK_MS;
	struct ud_lease_holdings h;
	struct ud_lease_vms v;

	UD_TRY(ud_lease_stock(cx, l, &v, &h));
	for (size_t i = 0; i < v.n; i++)
		tend(cx, l, &v.at[i], ud_lease_held_for(&h, v.at[i].uuid), &next);
	*ret_next_ms = ud_lease_bounded(next);
	return UD_OK;
}
