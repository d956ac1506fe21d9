/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An agent without its threads and sockets: journal, driver, leases and runner, put together as
 * agent/agent.c does. What it says and hears goes through the test.
 */
#ifndef TESTS_SUPPORT_BARE_H
#define TESTS_SUPPORT_BARE_H

#include "agent/lease.h"
#include "agent/runner.h"

struct bare {
	struct ud_station *station; /* filled: journal, hypervisor, boot, leases */
	const struct ud_env *env;   /* of its leases */
	const char *journal, *uri, *host_boot;
	const struct ud_driver *const *drivers;
	const struct ud_hv_replication *with;
	const struct ud_lease_settings *leases; /* calls and crash points: the rest is filled in */
	const struct ud_runner_settings *runner;
};

/* Begin it; *ret_runner. */
enum ud_code bare_up(struct ud_ctx *cx, const struct bare *b, struct ud_runner **ret_runner) UD_USE;
/* End it as if killed. Takes one that is down. */
void bare_down(struct ud_station *station, struct ud_runner **runner);

#endif
