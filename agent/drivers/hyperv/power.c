/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power: each call looks first, acts, and looks again, because a cmdlet that was ended may have
 * done its work all the same.
 */
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"

static const struct {
	const char *state;
	enum ud_power power;
} states[] = {
	{ "Running", UD_POWER_RUNNING },
	{ "Off", UD_POWER_OFF },
	{ "Stopping", UD_POWER_STOPPING },
	{ "Saved", UD_POWER_SAVED },
	{ "FastSaved", UD_POWER_SAVED },
	{ "Hibernated", UD_POWER_SAVED },
	{ "Paused", UD_POWER_PAUSED },
	{ "Starting", UD_POWER_STARTING },
	{ "Reset", UD_POWER_STARTING },
	{ "Resuming", UD_POWER_STARTING },
	{ "Saving", UD_POWER_STOPPING },
	{ "FastSaving", UD_POWER_STOPPING },
	{ "Pausing", UD_POWER_STOPPING },
	{ "ForceShutdown", UD_POWER_STOPPING },
	{ "ForceReboot", UD_POWER_STARTING },
	{ "RunningCritical", UD_POWER_CRITICAL },
	{ "OffCritical", UD_POWER_CRITICAL },
	{ "StoppingCritical", UD_POWER_CRITICAL },
	{ "SavedCritical", UD_POWER_CRITICAL },
	{ "PausedCritical", UD_POWER_CRITICAL },
	{ "StartingCritical", UD_POWER_CRITICAL },
	{ "ResetCritical", UD_POWER_CRITICAL },
	{ "SavingCritical", UD_POWER_CRITICAL },
	{ "PausingCritical", UD_POWER_CRITICAL },
	{ "ResumingCritical", UD_POWER_CRITICAL },
	{ "FastSavedCritical", UD_POWER_CRITICAL },
	{ "FastSavingCritical", UD_POWER_CRITICAL },
};

enum ud_power ud_hy_power_of(const char *state)
{
	for (size_t i = 0; state && i < UD_LEN(states); i++)
		if (strcmp(states[i].state, state) == 0)
			return states[i].power;
	return UD_POWER_UNKNOWN;
}

void ud_hy_tell(struct ud_hv *hv, const char *uuid)
{
	struct ud_hy *hy = ud_hy_of(hv);

	if (hy->changed)
		hy->changed(hy->data, uuid);
}

void ud_hy_begin_vm(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hy_batch *ret)
{
	ud_hy_begin(cx, hv, ret);
	ud_hy_call(ret, "Get-VM", &ud_hy_vms);
	ud_hy_guid(ret, "Id", uuid);
}

enum ud_code ud_hy_look(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hy_vm *ret)
{
	struct ud_hy_batch b;
	bool found = false;

	ud_hy_begin_vm(cx, hv, uuid, &b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, 0, &found, ret));
	if (!found)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no VM %s.", uuid);
	return UD_OK;
}

enum ud_code ud_hy_power(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, enum ud_power *ret,
	const char **ret_raw)
{
	struct ud_hy_vm vm = { 0 };

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	*ret = ud_hy_power_of(vm.state);
	*ret_raw = vm.state ? vm.state : "";
	return UD_OK;
}

/* One way to another power. */
struct move {
	const char *cmdlets[2];
	const char *option;
	unsigned from;
	enum ud_power to;
	bool asks; /* has Force */
	int64_t timeout_ms;
};
#define FROM(power_) (1u << UD_POWER_##power_)

/* The look afterwards decides: a call that failed may have done its work. */
static enum ud_code seen(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, enum ud_power to, enum ud_code code)
{
	struct ud_problem why = cx->problem;
	struct ud_hy_vm vm = { 0 };

	ud_hy_tell(hv, uuid);
	if (ud_hy_look(cx, hv, uuid, &vm) == UD_OK && ud_hy_power_of(vm.state) == to)
		return UD_OK;
	if (code != UD_OK) {
		cx->problem = why;
		return code;
	}
	return ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "The VM is %s and does not become %s.",
		vm.state ? vm.state : "not known", ud_powers.names[to]);
}

static enum ud_code go(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const struct move *move)
{
	struct ud_hy_vm vm = { 0 };
	struct ud_hy_batch b;

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	enum ud_power power = ud_hy_power_of(vm.state);

	if (power == move->to && move->from != FROM(RUNNING) + FROM(PAUSED))
		return UD_OK;
	if (!(move->from & 1u << power))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s.",
			vm.state ? vm.state : "in no known state");
	ud_hy_begin_vm(cx, hv, uuid, &b);
	for (size_t i = 0; i < UD_LEN(move->cmdlets) && move->cmdlets[i]; i++) {
		ud_hy_call(&b, move->cmdlets[i], NULL);
		ud_hy_ref(&b, "VM", 0);
		if (move->option)
			ud_hy_switch(&b, move->option);
		if (move->asks)
			ud_hy_switch(&b, "Force");
		ud_hy_unasked(&b);
	}
	enum ud_code code = ud_hy_run(&b, move->timeout_ms);

	if (code != UD_OK || move->to != power)
		return seen(cx, hv, uuid, move->to, code);
	ud_hy_tell(hv, uuid);
	return UD_OK;
}

/* A source that was prepared for a failover is let go first: whoever starts it has called it off.
 */
static enum ud_code unprepare(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	struct ud_relation relation = { 0 };
	struct ud_hy_note note = { 0 };
	struct ud_hy_link link = { 0 };
	struct ud_hy_batch b;
	bool found = false;

	UD_TRY(ud_hy_note_of_vm(cx, hv, uuid, &found, &note, &relation));
	if (!found || relation.role != UD_RELATION_SOURCE)
		return UD_OK;
	UD_TRY(ud_hy_link(cx, hv, &relation, &found, &link));
	if (!found || strcmp(link.mode, "Primary") != 0 ||
		strcmp(link.state, "PreparedForFailover") != 0)
		return UD_OK;
	ud_hy_begin_vm(cx, hv, uuid, &b);
	ud_hy_call(&b, "Stop-VMFailover", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_unasked(&b);
	return ud_hy_run(&b, UD_HY_CHANGE_MS);
}

/*
 * There is no starting into a pause: both calls are in one batch, and what the machine does between
 * them is its firmware's first steps.
 */
enum ud_code ud_hy_start(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, unsigned flags)
{
	static const struct move run = { .cmdlets = { "Start-VM" },
		.from = FROM(OFF) | FROM(SAVED),
		.to = UD_POWER_RUNNING,
		.timeout_ms = UD_HY_CHANGE_MS };
	static const struct move stand = { .cmdlets = { "Start-VM", "Suspend-VM" },
		.from = FROM(OFF) | FROM(SAVED),
		.to = UD_POWER_PAUSED,
		.timeout_ms = UD_HY_CHANGE_MS };
	struct ud_hy_vm vm = { 0 };

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	if (ud_hy_power_of(vm.state) == UD_POWER_PAUSED && !(flags & UD_START_PAUSED))
		return ud_hy_resume(cx, hv, uuid);
	if (ud_hy_power_of(vm.state) == UD_POWER_OFF)
		UD_TRY(unprepare(cx, hv, uuid));
	return go(cx, hv, uuid, flags & UD_START_PAUSED ? &stand : &run);
}

enum ud_code ud_hy_shutdown(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms)
{
	const struct move move = { .cmdlets = { "Stop-VM" },
		.from = FROM(RUNNING),
		.to = UD_POWER_OFF,
		.asks = true,
		.timeout_ms = timeout_ms };
	enum ud_code code = go(cx, hv, uuid, &move);

	if (code == UD_E_NOT_IN_TIME)
		return ud_fail(cx, code, NULL, "The guest still runs after %lld ms.",
			(long long)timeout_ms);
	return code;
}

enum ud_code ud_hy_power_off(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	static const struct move move = { .cmdlets = { "Stop-VM" },
		.option = "TurnOff",
		.from = ~FROM(OFF),
		.to = UD_POWER_OFF,
		.timeout_ms = UD_HY_CHANGE_MS };
	struct ud_hy_vm vm = { 0 };

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	return ud_hy_power_of(vm.state) == UD_POWER_SAVED ? ud_hy_quiet(cx, hv, uuid)
							  : go(cx, hv, uuid, &move);
}

enum ud_code ud_hy_save(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	static const struct move move = { .cmdlets = { "Save-VM" },
		.from = FROM(RUNNING) | FROM(PAUSED),
		.to = UD_POWER_SAVED,
		.timeout_ms = UD_HY_CHANGE_MS };

	return go(cx, hv, uuid, &move);
}

enum ud_code ud_hy_pause(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	static const struct move move = { .cmdlets = { "Suspend-VM" },
		.from = FROM(RUNNING),
		.to = UD_POWER_PAUSED,
		.timeout_ms = UD_HY_READ_MS };

	return go(cx, hv, uuid, &move);
}

enum ud_code ud_hy_resume(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	static const struct move move = { .cmdlets = { "Resume-VM" },
		.from = FROM(PAUSED),
		.to = UD_POWER_RUNNING,
		.timeout_ms = UD_HY_READ_MS };

	return go(cx, hv, uuid, &move);
}

enum ud_code ud_hy_reset(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	static const struct move move = { .cmdlets = { "Restart-VM" },
		.from = FROM(RUNNING) + FROM(PAUSED),
		.to = UD_POWER_RUNNING,
		.asks = true,
		.timeout_ms = UD_HY_CHANGE_MS };

	return go(cx, hv, uuid, &move);
}

enum ud_code ud_hy_quiet(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	struct ud_hy_vm vm = { 0 };
	struct ud_hy_batch b;

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	ud_hy_begin_vm(cx, hv, uuid, &b);
	if (ud_hy_power_of(vm.state) == UD_POWER_SAVED) {
		ud_hy_call(&b, "Remove-VMSavedState", NULL);
		ud_hy_ref(&b, "VM", 0);
	}
	ud_hy_call(&b, "Set-VM", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_text(&b, "AutomaticStartAction", "Nothing");
	ud_hy_unasked(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_CHANGE_MS));
	ud_hy_tell(hv, uuid);
	return UD_OK;
}

enum ud_code ud_hy_autostart(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, bool on)
{
	struct ud_hy_batch b;

	ud_hy_begin_vm(cx, hv, uuid, &b);
	ud_hy_call(&b, "Set-VM", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_text(&b, "AutomaticStartAction", on ? "Start" : "Nothing");
	ud_hy_unasked(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_CHANGE_MS));
	ud_hy_tell(hv, uuid);
	return UD_OK;
}

/* The worker process of a VM, as WMI numbers it. */
struct worker {
	int64_t process;
};
static const struct ud_field worker_fields[] = { UD_FIELD(worker, process, .flags = UD_NULLABLE) };
static const struct ud_shape worker_shape = { UD_SHAPE(worker, worker_fields), .object = "worker",
	.bare = true };
static const char *const worker_paths[] = { "ProcessID" };
static const struct ud_hy_class workers = { &worker_shape, worker_paths };

enum ud_code ud_hy_pid(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int *ret)
{
	struct worker w = { .process = UD_NONE };
	struct ud_hy_batch b;
	bool found = false;

	ud_hy_begin_vm(cx, hv, uuid, &b);
	int call = ud_hy_call(&b, "Get-CimInstance", &workers);

	ud_hy_text(&b, "Namespace", "root\\virtualization\\v2");
	ud_hy_text(&b, "ClassName", "Msvm_ComputerSystem");
	/* the UUID was checked to be one: nothing of a filter's language is in it */
	ud_hy_text(&b, "Filter", ud_printf(cx->arena, "Name='%s'", uuid));
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, call, &found, &w));
	if (!found || w.process <= 0 || w.process > INT32_MAX)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "No process runs the VM.");
	*ret = (int)w.process;
	return UD_OK;
}

enum ud_code ud_hy_undefine(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	struct ud_hy_vm vm = { 0 };
	struct ud_hy_batch b;

	UD_TRY(ud_hy_look(cx, hv, uuid, &vm));
	enum ud_power power = ud_hy_power_of(vm.state);

	if (power != UD_POWER_OFF && power != UD_POWER_SAVED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not off.", vm.state);
	ud_hy_begin_vm(cx, hv, uuid, &b);
	ud_hy_call(&b, "Remove-VM", NULL);
	ud_hy_ref(&b, "VM", 0);
	ud_hy_switch(&b, "Force");
	ud_hy_unasked(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_CHANGE_MS));
	ud_hy_tell(hv, uuid);
	return UD_OK;
}
