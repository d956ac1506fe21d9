/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the lease guard: processes that wait for ever, as guests for it to hold, and the
 * guard's own process.
 */
#ifndef TESTS_SUPPORT_GUARDED_H
#define TESTS_SUPPORT_GUARDED_H

#include <sys/types.h>

#include "support/context.h"

/* How long a test waits for what must happen. */
enum { GUARDED_EVENT_MS = 60000 };

struct guarded {
	pid_t pid;
	int pidfd;
};

/* Start one. It ends with the test. */
struct guarded guarded_start(void);
bool guarded_runs(const struct guarded *g);
/* When it ended; the test fails when it does not. It is gone then. */
int64_t guarded_ended(struct ud_ctx *cx, struct guarded *g);
/* End it. */
void guarded_kill(struct ud_ctx *cx, struct guarded *g);

/* The number of the process of a folder's guard, as its lock tells it; 0 = it tells none. */
pid_t guard_pid(struct ud_ctx *cx, const char *dir);
/* Send it a signal, and wait until it has gone. */
void guard_end(struct ud_ctx *cx, const char *dir, int how);

#endif
