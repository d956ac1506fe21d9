/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs of power. Each looks first: what is so already is done, and the answer carries what was
 * seen afterwards. For a VM of a relation the journal remembers whether it should run here.
 */
#include "agent/lease.h"
#include "agent/verbs.h"
#include "base/verbs.h"

enum { TRIES = 3 };

enum ud_code ud_may_start(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_journal_vm vm = { 0 };
	bool known = false;

	UD_TRY(ud_journal_vm_get(cx, act->station->journal, act->command->subject_id, &known, &vm));
	if (!known)
		return UD_OK;
	if (vm.role == UD_VM_ROLE_REPLICA || vm.role == UD_VM_ROLE_DISPLACED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The VM is a %s on this host: only a failover starts it here.",
			vm.role == UD_VM_ROLE_REPLICA ? "replica" : "former primary");
	if (vm.hold)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"A failover has stopped the VM and holds it.");
	return UD_OK;
}

static enum ud_code power_of(struct ud_ctx *cx, struct ud_act *act, struct ud_power_result *ret)
{
	enum ud_power power = UD_POWER_UNKNOWN;

	UD_TRY(ud_hv_power(cx, act->station->hv, act->command->uuid, &power, &ret->power_raw));
	ret->power = power;
	return UD_OK;
}

/* Answer with what is seen now. */
static enum ud_code tell(struct ud_ctx *cx, struct ud_act *act, struct ud_power_result *r)
{
	UD_TRY(power_of(cx, act, r));
	ud_act_leave(cx, act, &ud_power_result_shape, r);
	return UD_OK;
}

/* A VM that the journal knows should run here from now on, or should not. */
static enum ud_code want(struct ud_ctx *cx, struct ud_act *act, bool wanted)
{
	struct ud_journal_vm *vm = ud_alloc(cx->arena, sizeof(*vm));
	bool known = false;

	UD_TRY(ud_journal_vm_get(cx, act->station->journal, act->command->subject_id, &known, vm));
	if (!known || vm->wanted == wanted)
		return UD_OK;
	vm->wanted = wanted;
	act->vm = vm;
	return UD_OK;
}

static enum ud_code wrong_power(
	struct ud_ctx *cx, const struct ud_power_result *r, const char *wanted)
{
	return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not %s.",
		ud_powers.names[r->power], wanted);
}

/* A protected VM starts with leave alone. */
static enum ud_code start(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_station *s = act->station;
	struct ud_journal_vm vm = { 0 };
	bool known = false;

	UD_TRY(ud_journal_vm_get(cx, s->journal, act->command->subject_id, &known, &vm));
	if (known && vm.role != UD_VM_ROLE_FREE)
		return ud_leases_start(cx, s->leases, vm.vm_id);
	return ud_hv_start(cx, s->hv, act->command->uuid, 0);
}

/*
 * A hypervisor that was cut off with us may still be clearing away what we had begun, and take a
 * guest that was just started along: then it is started once more.
 */
static enum ud_code start_guest(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_power_result r = { 0 };
	enum ud_code code = UD_OK;

	for (int tries = act->again ? TRIES : 1; tries > 0; tries--) {
		ud_ctx_clear(cx);
		code = start(cx, act);
		if (code == UD_OK)
			UD_TRY(power_of(cx, act, &r));
		if (code == UD_OK && r.power == UD_POWER_RUNNING)
			break;
	}
	return code;
}

enum ud_code ud_do_vm_start(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_power_result r = { 0 };

	UD_TRY(ud_may_start(cx, act));
	UD_TRY(power_of(cx, act, &r));
	/* what a start that was cut off left stands still, and is no one's pause */
	if (r.power == UD_POWER_PAUSED && !act->again)
		return wrong_power(cx, &r, "off");
	UD_TRY(want(cx, act, true));
	if (r.power != UD_POWER_RUNNING) {
		act->begun = true;
		UD_TRY(start_guest(cx, act));
	}
	return tell(cx, act, &r);
}

/* Ask the guest, and switch it off when it may be and does not obey. */
static enum ud_code end_guest(struct ud_ctx *cx, struct ud_act *act,
	const struct ud_shutdown_args *args, bool *ret_forced)
{
	struct ud_station *s = act->station;
	enum ud_code code =
		ud_hv_shutdown(cx, s->hv, act->command->uuid, args->timeout_seconds * 1000);

	if (code == UD_OK || !args->hard)
		return code;
	if (code != UD_E_NOT_IN_TIME && code != UD_E_UNSUPPORTED)
		return code;
	ud_ctx_clear(cx);
	*ret_forced = true;
	return ud_hv_power_off(cx, s->hv, act->command->uuid);
}

enum ud_code ud_do_vm_shutdown(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_power_result r = { 0 };

	UD_TRY(power_of(cx, act, &r));
	UD_TRY(want(cx, act, false));
	if (r.power == UD_POWER_SAVED)
		return wrong_power(cx, &r, "running");
	if (r.power != UD_POWER_OFF) {
		act->begun = true;
		UD_TRY(end_guest(cx, act, act->args, &r.forced));
	}
	return tell(cx, act, &r);
}

enum ud_code ud_do_vm_power_off(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_power_result r = { 0 };

	UD_TRY(power_of(cx, act, &r));
	UD_TRY(want(cx, act, false));
	if (r.power != UD_POWER_OFF) {
		act->begun = true;
		UD_TRY(ud_hv_power_off(cx, act->station->hv, act->command->uuid));
	}
	return tell(cx, act, &r);
}

enum ud_code ud_do_vm_save(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_power_result r = { 0 };

	UD_TRY(power_of(cx, act, &r));
	if (r.power == UD_POWER_OFF)
		return wrong_power(cx, &r, "running");
	UD_TRY(want(cx, act, false));
	if (r.power != UD_POWER_SAVED) {
		act->begun = true;
		UD_TRY(ud_hv_save(cx, act->station->hv, act->command->uuid));
	}
	return tell(cx, act, &r);
}

enum ud_code ud_do_vm_pause(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_power_result r = { 0 };

	UD_TRY(power_of(cx, act, &r));
	if (r.power == UD_POWER_OFF || r.power == UD_POWER_SAVED)
		return wrong_power(cx, &r, "running");
	if (r.power != UD_POWER_PAUSED) {
		act->begun = true;
		UD_TRY(ud_hv_pause(cx, act->station->hv, act->command->uuid));
	}
	return tell(cx, act, &r);
}

enum ud_code ud_do_vm_resume(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_power_result r = { 0 };

	UD_TRY(ud_may_start(cx, act));
	UD_TRY(power_of(cx, act, &r));
	if (r.power == UD_POWER_OFF || r.power == UD_POWER_SAVED)
		return wrong_power(cx, &r, "paused");
	if (r.power != UD_POWER_RUNNING) {
		act->begun = true;
		UD_TRY(ud_hv_resume(cx, act->station->hv, act->command->uuid));
	}
	return tell(cx, act, &r);
}

/* Twice is not once here: a guest that was reset must not be reset again for a crash of ours. */
enum ud_code ud_do_vm_reset(struct ud_ctx *cx, struct ud_act *act)
{
	struct ud_power_result r = { 0 };

	UD_TRY(power_of(cx, act, &r));
	if (r.power != UD_POWER_RUNNING && r.power != UD_POWER_CRITICAL)
		return wrong_power(cx, &r, "running");
	act->begun = true;
	UD_TRY(ud_hv_reset(cx, act->station->hv, act->command->uuid));
	return tell(cx, act, &r);
}
