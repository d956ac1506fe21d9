/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard's loop: requests, the timer, the machine's watchdog. It never waits for anybody: who
 * does not take its reply is hung up on.
 */
#ifndef AGENT_GUARD_SERVE_H
#define AGENT_GUARD_SERVE_H

#include "base/env.h"

/* Open descriptors that the loop owns from now on. */
struct ud_guard_ends {
	int listener; /* Unix, SOCK_SEQPACKET */
	int signals;  /* signalfd of SIGTERM and SIGINT */
	int watchdog; /* of the machine, or -1 */
	/* end by ourselves when there was nothing to guard and nobody to talk to for a while */
	bool end_idle;
};

/*
 * Serve until SIGTERM or SIGINT, which waits until no process lives by a lease any more. The
 * watchdog is petted twice a second, except when a killed process does not go: then the machine is
 * left to it. ready is called once all that is needed is open, before the first request.
 */
void ud_guard_serve(
	const struct ud_env *env, const struct ud_guard_ends *ends, void (*ready)(void));

#endif
