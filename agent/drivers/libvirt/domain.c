/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding VMs, their power, and moving it: each call waits until the hypervisor shows the new
 * state.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/process.h"

enum { MOVE_MS = 60000, LOOK_MS = 500, CONNECT_MS = 45000, CONNECT_STEP_MS = 50 };

void ud_lv_domain_release(ud_lv_domain **domain)
{
	if (*domain)
		virDomainFree(*domain);
	*domain = NULL;
}

void ud_lv_snapshot_release(ud_lv_snapshot **snapshot)
{
	if (*snapshot)
		virDomainSnapshotFree(*snapshot);
	*snapshot = NULL;
}

void ud_lv_checkpoint_release(ud_lv_checkpoint **checkpoint)
{
	if (*checkpoint)
		virDomainCheckpointFree(*checkpoint);
	*checkpoint = NULL;
}

void ud_lv_stream_release(ud_lv_stream **stream)
{
	if (*stream)
		virStreamFree(*stream);
	*stream = NULL;
}

/* libvirt's code -> ours; the rest is UD_E_HYPERVISOR */
static const struct {
	int from;
	enum ud_code to;
} codes[] = {
	{ VIR_ERR_NO_DOMAIN, UD_E_NOT_FOUND },
	{ VIR_ERR_NO_DOMAIN_SNAPSHOT, UD_E_NOT_FOUND },
	{ VIR_ERR_NO_DOMAIN_CHECKPOINT, UD_E_NOT_FOUND },
	{ VIR_ERR_NO_DOMAIN_METADATA, UD_E_NOT_FOUND },
	{ VIR_ERR_DOM_EXIST, UD_E_ALREADY_EXISTS },
	{ VIR_ERR_OPERATION_INVALID, UD_E_INVALID_STATE },
	{ VIR_ERR_OPERATION_TIMEOUT, UD_E_NOT_IN_TIME },
	{ VIR_ERR_AGENT_UNRESPONSIVE, UD_E_NOT_IN_TIME },
	{ VIR_ERR_AGENT_UNSYNCED, UD_E_NOT_IN_TIME },
	{ VIR_ERR_NO_SUPPORT, UD_E_UNSUPPORTED },
	{ VIR_ERR_CONFIG_UNSUPPORTED, UD_E_UNSUPPORTED },
	{ VIR_ERR_OPERATION_UNSUPPORTED, UD_E_UNSUPPORTED },
	{ VIR_ERR_ARGUMENT_UNSUPPORTED, UD_E_UNSUPPORTED },
	{ VIR_ERR_CHECKPOINT_INCONSISTENT, UD_E_CONFLICT },
};

enum ud_code ud_lv_fail(struct ud_ctx *cx, const char *what)
{
	const virError *e = virGetLastError();
	enum ud_code code = UD_E_HYPERVISOR;

	for (size_t i = 0; e && i < UD_LEN(codes); i++)
		if (codes[i].from == e->code)
			code = codes[i].to;
	return ud_fail(cx, code, NULL, "cannot %s: %s", what,
		e && e->message ? e->message : "no reason given");
}

const char *ud_lv_take(struct ud_ctx *cx, char *text)
{
	const char *copy = ud_strdup(cx->arena, text);

	ud_free(text);
	return copy;
}

enum ud_code ud_lv_run(
	struct ud_ctx *cx, const char *const *argv, int64_t timeout_ms, const char **ret_output)
{
	static const char *const environment[] = { "LANG=C", "PATH=/usr/bin:/bin", NULL };
	struct ud_run run = { .argv = argv,
		.environment = environment,
		.output_max = 1 << 20,
		.timeout_ms = timeout_ms };
	struct ud_ran ran = { 0 };

	UD_TRY(ud_process_run(cx, &run, &ran));
	if (ran.status != 0)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "%s ends with %d: %s", argv[0],
			ran.status, ran.error);
	if (ret_output)
		*ret_output = ran.output;
	return UD_OK;
}

enum ud_code ud_lv_find(struct ud_ctx *cx, struct ud_lv *lv, const char *uuid, ud_lv_domain **ret)
{
	virDomainPtr d = virDomainLookupByUUIDString(lv->conn, uuid);

	if (!d)
		return ud_lv_fail(cx, "find the VM");
	*ret = d;
	return UD_OK;
}

/* ---- power ---- */

static const char *const pause_reasons[] = { "unknown", "by a person", "migration", "save", "dump",
	"I/O error", "watchdog", "from snapshot", "shutting down", "snapshot", "crashed",
	"starting up", "post-copy", "post-copy failed", "API error" };

static enum ud_power paused_as(struct ud_ctx *cx, int reason, const char **ret_raw)
{
	bool known = reason >= 0 && (size_t)reason < UD_LEN(pause_reasons);

	*ret_raw = ud_printf(cx->arena, "paused (%s)", known ? pause_reasons[reason] : "unknown");
	switch (reason) {
	case VIR_DOMAIN_PAUSED_IOERROR:
	case VIR_DOMAIN_PAUSED_CRASHED:
		return UD_POWER_CRITICAL;
	case VIR_DOMAIN_PAUSED_SHUTTING_DOWN:
		return UD_POWER_STOPPING;
	default:
		return UD_POWER_PAUSED;
	}
}

enum ud_code ud_lv_power(
	struct ud_ctx *cx, virDomainPtr d, enum ud_power *ret, const char **ret_raw)
{
	int state = 0, reason = 0;

	if (virDomainGetState(d, &state, &reason, 0) < 0)
		return ud_lv_fail(cx, "ask for the VM's state");
	*ret_raw = "unknown";
	*ret = UD_POWER_UNKNOWN;
	switch (state) {
	case VIR_DOMAIN_RUNNING:
	case VIR_DOMAIN_BLOCKED:
		*ret_raw = "running";
		*ret = UD_POWER_RUNNING;
		break;
	case VIR_DOMAIN_PAUSED:
		*ret = paused_as(cx, reason, ret_raw);
		break;
	case VIR_DOMAIN_PMSUSPENDED:
		*ret_raw = "pmsuspended";
		*ret = UD_POWER_PAUSED;
		break;
	case VIR_DOMAIN_SHUTDOWN:
		*ret_raw = "shutdown";
		*ret = UD_POWER_STOPPING;
		break;
	case VIR_DOMAIN_SHUTOFF:
	case VIR_DOMAIN_CRASHED:
		*ret_raw = state == VIR_DOMAIN_CRASHED ? "crashed" : "shut off";
		*ret = virDomainHasManagedSaveImage(d, 0) == 1 ? UD_POWER_SAVED : UD_POWER_OFF;
		if (*ret == UD_POWER_SAVED)
			*ret_raw = "shut off (saved)";
		break;
	default:
		break;
	}
	return UD_OK;
}

enum ud_code ud_lv_must_run(struct ud_ctx *cx, virDomainPtr d, bool paused)
{
	enum ud_power power = UD_POWER_UNKNOWN;
	const char *raw = NULL;

	UD_TRY(ud_lv_power(cx, d, &power, &raw));
	if (power == UD_POWER_RUNNING ||
		(paused && (power == UD_POWER_PAUSED || power == UD_POWER_CRITICAL)))
		return UD_OK;
	return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not running.", raw);
}

enum ud_code ud_lv_wait_active(
	struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, bool active, int64_t timeout_ms)
{
	int64_t last = ud_mono_ms(cx->env) + timeout_ms;

	for (;;) {
		size_t seen = ud_lv_events(lv);
		int is = virDomainIsActive(d);
		int64_t left = last - ud_mono_ms(cx->env);

		if (is == (active ? 1 : 0))
			return UD_OK;
		if (is < 0)
			return ud_lv_fail(cx, "ask for the VM's state");
		if (left <= 0)
			return ud_fail(cx, UD_E_NOT_IN_TIME, NULL,
				"The VM is still %s after %lld ms.", active ? "off" : "running",
				(long long)timeout_ms);
		ud_lv_wait_event(lv, seen, left < LOOK_MS ? left : LOOK_MS);
	}
}

enum ud_code ud_lv_power_slot(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	enum ud_power *ret, const char **ret_raw)
{
	UD_AUTO(ud_lv_domain) *d = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	return ud_lv_power(cx, d, ret, ret_raw);
}

/*
 * Let a VM's processors go on. Just after our start libvirt may still be connecting to a QEMU that
 * was there before, and then says that an argument (its monitor) is invalid: it is asked again
 * until it has. One whose start was cut off before it listened libvirt gives up after 30 s, and the
 * VM is off.
 */
static enum ud_code go_on(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d)
{
	int64_t last = ud_mono_ms(cx->env) + CONNECT_MS;

	for (;;) {
		size_t seen = ud_lv_events(lv);

		if (virDomainResume(d) == 0)
			return UD_OK;
		const virError *error = virGetLastError();

		if (!error || error->code != VIR_ERR_INVALID_ARG || ud_mono_ms(cx->env) >= last)
			return ud_lv_fail(cx, "resume the VM");
		ud_lv_wait_event(lv, seen, CONNECT_STEP_MS);
	}
}

enum ud_code ud_lv_start(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, unsigned flags)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	bool paused = flags & UD_START_PAUSED;
	enum ud_power power = UD_POWER_UNKNOWN;
	const char *raw = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(ud_lv_power(cx, d, &power, &raw));
	if (power == UD_POWER_RUNNING || (power == UD_POWER_PAUSED && paused))
		return paused && power == UD_POWER_RUNNING
			? ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM runs already.")
			: UD_OK;
	if (power == UD_POWER_PAUSED || power == UD_POWER_CRITICAL) {
		enum ud_code code = go_on(cx, ud_lv_of(hv), d);

		if (code == UD_OK || virDomainIsActive(d) != 0)
			return code;
		ud_ctx_clear(cx); /* it ended meanwhile: started anew */
	}
	ud_lv_start_begin(ud_lv_of(hv), uuid);
	int rc = virDomainCreateWithFlags(d, paused ? VIR_DOMAIN_START_PAUSED : 0);

	ud_lv_start_end(ud_lv_of(hv), uuid);
	return rc < 0 ? ud_lv_fail(cx, "start the VM") : UD_OK;
}

/* The button first; a guest that does not heed it is asked by its agent half way. */
enum ud_code ud_lv_shutdown(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int64_t timeout_ms)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	enum ud_power power = UD_POWER_UNKNOWN;
	const char *raw = NULL;

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(ud_lv_power(cx, d, &power, &raw));
	if (power == UD_POWER_OFF)
		return UD_OK;
	if (power != UD_POWER_RUNNING && power != UD_POWER_STOPPING)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not running.", raw);
	if (virDomainShutdownFlags(d, VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) < 0 &&
		virDomainIsActive(d) == 1)
		return ud_lv_fail(cx, "press the VM's power button");
	enum ud_code code = ud_lv_wait_active(cx, lv, d, false, timeout_ms / 2);

	if (code != UD_E_NOT_IN_TIME)
		return code;
	ud_ctx_clear(cx);
	/* what the agent answers does not matter: the VM's end does */
	(void)virDomainShutdownFlags(d, VIR_DOMAIN_SHUTDOWN_GUEST_AGENT);
	return ud_lv_wait_active(cx, lv, d, false, timeout_ms - timeout_ms / 2);
}

enum ud_code ud_lv_power_off(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	enum ud_power power = UD_POWER_UNKNOWN;
	const char *raw = NULL;

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(ud_lv_power(cx, d, &power, &raw));
	if (power == UD_POWER_SAVED && virDomainManagedSaveRemove(d, 0) < 0)
		return ud_lv_fail(cx, "throw the saved memory away");
	if (power == UD_POWER_OFF || power == UD_POWER_SAVED)
		return UD_OK;
	if (virDomainDestroy(d) < 0 && virDomainIsActive(d) == 1)
		return ud_lv_fail(cx, "switch the VM off");
	return ud_lv_wait_active(cx, lv, d, false, MOVE_MS);
}

enum ud_code ud_lv_save(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	enum ud_power power = UD_POWER_UNKNOWN;
	const char *raw = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(ud_lv_power(cx, d, &power, &raw));
	if (power == UD_POWER_SAVED)
		return UD_OK;
	UD_TRY(ud_lv_must_run(cx, d, true));
	/* started again, it runs, even if it was paused when it was saved */
	if (virDomainManagedSave(d, VIR_DOMAIN_SAVE_RUNNING) < 0)
		return ud_lv_fail(cx, "save the VM");
	return UD_OK;
}

enum ud_code ud_lv_pause(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	UD_AUTO(ud_lv_domain) *d = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(ud_lv_must_run(cx, d, true));
	if (virDomainSuspend(d) < 0)
		return ud_lv_fail(cx, "pause the VM");
	return UD_OK;
}

enum ud_code ud_lv_resume(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	enum ud_power power = UD_POWER_UNKNOWN;
	const char *raw = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(ud_lv_power(cx, d, &power, &raw));
	if (power == UD_POWER_RUNNING)
		return UD_OK;
	UD_TRY(ud_lv_must_run(cx, d, true));
	return go_on(cx, ud_lv_of(hv), d);
}

enum ud_code ud_lv_reset(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	UD_AUTO(ud_lv_domain) *d = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(ud_lv_must_run(cx, d, true));
	if (virDomainReset(d, 0) < 0)
		return ud_lv_fail(cx, "reset the VM");
	if (ud_lv_must_run(cx, d, false) == UD_OK)
		return UD_OK;
	ud_ctx_clear(cx);
	return go_on(cx, ud_lv_of(hv), d);
}

enum ud_code ud_lv_autostart(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, bool on)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	int is = 0;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	if (virDomainGetAutostart(d, &is) == 0 && is == (on ? 1 : 0))
		return UD_OK;
	if (virDomainSetAutostart(d, on) < 0)
		return ud_lv_fail(cx, "set the VM's autostart");
	return UD_OK;
}

/* libvirt has no call for it; the pid file is checked against the process's own command line. */
enum ud_code ud_lv_pid(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, int *ret)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	const char *text, *line;
	size_t n;

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(ud_lv_must_run(cx, d, true));
	UD_TRY(ud_file_read(cx,
		ud_printf(cx->arena, "%s%s/%s.pid", lv->root ? lv->root : "",
			lv->root ? "/run/qemu" : "/run/libvirt/qemu", virDomainGetName(d)),
		64, &text, &n));
	char *end;
	long pid = strtol(text, &end, 10);

	if (end == text || pid < 2)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "The VM's pid file says %s.", text);
	UD_TRY(ud_file_read(
		cx, ud_printf(cx->arena, "/proc/%ld/cmdline", pid), 1 << 20, &line, &n));
	if (!memmem(line, n, uuid, strlen(uuid)))
		return ud_fail(cx, UD_E_HYPERVISOR, NULL,
			"Process %ld of the VM's pid file is not the VM.", pid);
	*ret = (int)pid;
	return UD_OK;
}
