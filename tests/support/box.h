/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Hyper-V site in a box, for tests: hosts, VMs and their relationships in a process of its own,
 * and for each host a program that stands in for PowerShell over it (tests/hyperv). Its context has
 * the real clock, because the site's copies take time.
 */
#ifndef TESTS_SUPPORT_BOX_H
#define TESTS_SUPPORT_BOX_H

#include "agent/driver.h"

struct box {
	struct ud_ctx *cx;
	const char *socket;
	int pid, in; /* of the site's process; it ends when its input does */
	void (*pass)(void *data, int64_t ms); /* box_near */
	void *pass_data;
};

extern const struct ud_driver *const box_drivers[];

/* An empty site in the context's folder; the context is given the real clock. */
void box_begin(struct ud_ctx *cx, struct box *ret);
/* Its VMs end; fails the test when a call was made that Windows would not have taken, or that went
 * where nobody has described. */
void box_end(struct box *b);
/* Do something to the site (do_… of tests/hyperv/hyperv_site.py), or ask it; what it says. */
const char *box_do(struct box *b, const char *what, ...) __attribute__((sentinel));
/*
 * In place of processes, for one thread: PowerShell answers at once, and the time that a fault of
 * the site takes goes by through pass, up to the caller's deadline. One box at a time.
 */
const struct ud_processes *box_near(
	struct box *b, void (*pass)(void *data, int64_t ms), void *data);
/* A new host; the address that opens it as a hypervisor. */
const char *box_host(struct box *b, const char *name);

#endif
