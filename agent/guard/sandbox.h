/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the guard gives up, and what it claims, before it serves.
 */
#ifndef AGENT_GUARD_SANDBOX_H
#define AGENT_GUARD_SANDBOX_H

#include "base/ud.h"

/* Memory that is never swapped out, the right to run before others, and to be spared when memory is
 * short; as far as the system lets us. */
void ud_guard_claim(void);
/* From now on only the system calls of the loop; anything else ends the process. False: the kernel
 * has no seccomp. */
bool ud_guard_confine(void) UD_USE;

#endif
