/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases and the guard's process.
 */
#include <errno.h>
#include <string.h>

#include "agent/guard/guard.h"
#include "agent/guard/process.h"
#include "agent/keeper.h"
#include "base/file.h"
#include "base/process.h"

#ifdef _WIN32
#define GUARD "understudy-guard.exe"
#else
#define GUARD "understudy-guard"
#endif

/* Beside our own program, wherever that lies; "" when nobody knows. */
static const char *own_guard(struct ud_ctx *cx)
{
	const char *own = "";

	if (ud_own_program(cx, &own) != UD_OK)
		ud_ctx_clear(cx);
	return ud_printf(cx->arena, "%.*s%s", (int)ud_path_head(own), own, GUARD);
}

struct ud_guard *ud_keeper_open_guard(struct ud_ctx *cx, const struct ud_agent_config *config)
{
	const struct ud_guard_place place = { .dir = config->dir,
		.program = config->guard_program && *config->guard_program ? config->guard_program
									   : own_guard(cx),
		.watchdog = config->watchdog && *config->watchdog ? config->watchdog : NULL };

	return ud_guard_new(&place);
}

void ud_keeper_close_guard(struct ud_guard **guard)
{
	ud_guard_release(guard);
}

static enum ud_code hand_over(struct ud_ctx *cx, struct ud_guard *guard, struct ud_hv *hv,
	const struct ud_journal_vm *vm, int pid, int64_t deadline_ms)
{
	int fd = ud_guard_hold(pid), again = 0;

	if (fd < 0)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "process %d: %s", pid, strerror(errno));
	/* the number may have gone to another process between the answer and our hold of it */
	enum ud_code code = ud_hv_pid(cx, hv, vm->uuid, &again);

	if (code == UD_OK && again != pid)
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "the VM has another process now");
	if (code == UD_OK)
		code = ud_guard_arm(cx, guard, vm->uuid, fd, vm->epoch, deadline_ms);
	ud_guard_let_go(fd);
	return code;
}

enum ud_code ud_keeper_arm(struct ud_ctx *cx, struct ud_guard *guard, struct ud_hv *hv,
	const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	int pid = 0;

	UD_TRY(ud_hv_pid(cx, hv, vm->uuid, &pid));
	return hand_over(cx, guard, hv, vm, pid, deadline_ms);
}

enum ud_code ud_keeper_renew(struct ud_ctx *cx, struct ud_guard *guard,
	const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	return ud_guard_renew(cx, guard, vm->uuid, vm->epoch, deadline_ms);
}

enum ud_code ud_keeper_disarm(
	struct ud_ctx *cx, struct ud_guard *guard, const struct ud_journal_vm *vm)
{
	enum ud_code code = ud_guard_disarm(cx, guard, vm->uuid, vm->epoch);

	if (code != UD_E_NOT_FOUND)
		return code;
	ud_ctx_clear(cx);
	return UD_OK;
}

struct telling {
	ud_lease_holding *each;
	void *data;
};

static enum ud_code tell(struct ud_ctx *cx, void *data, const struct ud_guarded *g)
{
	const struct telling *t = data;
	const struct ud_lease_held h = { g->uuid, g->epoch, g->deadline_ms, g->killed_ms != 0 };

	(void)cx;
	t->each(t->data, &h);
	return UD_OK;
}

enum ud_code ud_keeper_held(
	struct ud_ctx *cx, struct ud_guard *guard, ud_lease_holding *each, void *data)
{
	struct telling t = { each, data };

	return ud_guard_visit(cx, guard, tell, &t);
}
