/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process as agent and guard hold it: a pidfd on Linux, a handle on Windows (of which 32 bits
 * count). Never a number alone: that may have gone to another process since.
 */
#ifndef AGENT_GUARD_PROCESS_H
#define AGENT_GUARD_PROCESS_H

#include "base/ud.h"

/* Hold the process that has this number now; -1 and errno when there is none. */
int ud_guard_hold(int pid);
/* Let go of it; it goes on. */
void ud_guard_let_go(int process);
/* Is this a hold of a process at all? */
bool ud_guard_is_process(int process);
/* Has it ended? */
bool ud_guard_has_ended(int process);
/* End it at once; one that has ended cannot be hit. */
void ud_guard_kill(int process);

#endif
