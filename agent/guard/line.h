/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's way to the guard of a folder: a Unix socket, or on Windows a pipe with a name that
 * only readers of the folder know. For guard.c alone, which has a mutex around each call.
 */
#ifndef AGENT_GUARD_LINE_H
#define AGENT_GUARD_LINE_H

#include "agent/guard/wire.h"
#include "base/ctx.h"

struct ud_guard_place;

/* A line to the guard that runs for a folder; -1 and errno when there is none. */
int ud_guard_connect(const char *dir);
/* End it. */
void ud_guard_hang_up(int line);
/* One request, with the hold of a process or -1. False: the guard is gone. */
bool ud_guard_send(int line, const struct ud_guard_request *rq, int process);
/* Its reply; false when none comes within timeout_ms. */
bool ud_guard_take(int line, struct ud_guard_reply *ret, int timeout_ms);
/* Start a guard for the folder; it may not listen yet. UD_E_UNAVAILABLE with the reason. */
enum ud_code ud_guard_launch(struct ud_ctx *cx, const struct ud_guard_place *place) UD_USE;
/* Let so much time pass before looking again. */
void ud_guard_rest(int ms);

#endif
