/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's pipe on Windows. Its name is new at each start and stands in the folder's lock file:
 * who may not read the folder cannot guess it, nor be taken for the guard.
 */
#ifndef AGENT_GUARD_PIPE_H
#define AGENT_GUARD_PIPE_H

#include "base/ctx.h"

enum { UD_GUARD_PIPE_NAME = 96 };

/* The pipe of the guard that has, or had, the folder. False: there never was one. */
bool ud_guard_pipe_name(const char *dir, char ret[UD_GUARD_PIPE_NAME]);
/*
 * Serve until the event (a HANDLE) is set and no process lives by a lease any more; with end_idle
 * also when there was nothing to guard and nobody to talk to for a while. ready is called before
 * the first request. UD_E_CONFLICT: another guard has the folder; UD_E_UNAVAILABLE.
 */
enum ud_code ud_guard_serve_pipe(struct ud_ctx *cx, const char *dir, void *stop, bool end_idle,
	void (*ready)(void *data), void *data) UD_USE;

#endif
