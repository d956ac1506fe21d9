/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease guard as the agent uses it: a process of its own that kills a QEMU at the end of its
 * lease, also when the agent is frozen, dead or being replaced. A restarted agent finds the guard
 * of its folder again, with its entries. Calls wait for each other; any thread. On Windows a VM's
 * process is its worker process, and the guard a service of its own where it was installed.
 */
#ifndef AGENT_GUARD_GUARD_H
#define AGENT_GUARD_GUARD_H

#include "base/ctx.h"

#define UD_GUARD_SOCKET "guard.sock"
#define UD_GUARD_LOCK "guard.lock"
#define UD_GUARD_LOG "guard.log"
#define UD_GUARD_SERVICE "understudy-guard" /* of Windows */

typedef struct ud_guard ud_guard;

struct ud_guard_place {
	const char *dir;      /* the agent's folder: socket, lock and log of the guard lie there */
	const char *program;  /* absolute path of understudy-guard */
	const char *watchdog; /* the machine's watchdog device; NULL = none */
};

/* What the guard holds for a VM. */
struct ud_guarded {
	char uuid[37];
	int64_t epoch, deadline_ms; /* by ud_mono_ms */
	int64_t killed_ms;          /* when its lease ended and it was killed; 0 = it was not */
};

/*
 * The way to the guard of a folder. Arming starts one when there is none; for the other calls none
 * means that nothing is held (UD_E_NOT_FOUND), and the caller arms again. One that dies takes its
 * entries along. UD_E_UNAVAILABLE with the reason when it does not start or answer. Release with
 * ud_guard_release; the guard goes on while it has something to guard.
 */
ud_guard *ud_guard_new(const struct ud_guard_place *place);
void ud_guard_release(ud_guard **guard);
/* Make sure that one runs. */
enum ud_code ud_guard_start(struct ud_ctx *cx, ud_guard *guard) UD_USE;

/*
 * Guard a process (a hold of guard/process.h, which stays the caller's) until an instant of
 * ud_mono_ms. A process that is guarded already keeps the later of both. UD_E_INVALID_STATE: it has
 * ended, or its lease has; UD_E_CONFLICT: the guard knows a higher epoch; UD_E_EXHAUSTED.
 */
enum ud_code ud_guard_arm(struct ud_ctx *cx, ud_guard *guard, const char *uuid, int process,
	int64_t epoch, int64_t deadline_ms) UD_USE;
/* Put the end off. UD_E_NOT_FOUND: the guard has no living process of it; UD_E_CONFLICT. */
enum ud_code ud_guard_renew(struct ud_ctx *cx, ud_guard *guard, const char *uuid, int64_t epoch,
	int64_t deadline_ms) UD_USE;
/* Guard it no longer. UD_E_NOT_FOUND: it was not; UD_E_CONFLICT. */
enum ud_code ud_guard_disarm(struct ud_ctx *cx, ud_guard *guard, const char *uuid, int64_t epoch)
	UD_USE;
/* Visit what the guard holds. */
typedef enum ud_code ud_guard_visitor(
	struct ud_ctx *cx, void *data, const struct ud_guarded *guarded);
enum ud_code ud_guard_visit(struct ud_ctx *cx, ud_guard *guard, ud_guard_visitor *visit, void *data)
	UD_USE;

#endif
