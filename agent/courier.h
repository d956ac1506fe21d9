/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the line to the server and the runner: one thread polls for commands, another sends
 * answers and progress. What cannot be sent stays in the journal and is sent later.
 */
#ifndef AGENT_COURIER_H
#define AGENT_COURIER_H

#include "agent/link.h"
#include "agent/reporter.h"
#include "agent/runner.h"

struct ud_courier;

/* Start both threads; link, runner, reporter and station outlive them. ud_link_stop ends their
 * calls: stop the link, then release. */
enum ud_code ud_courier_start(struct ud_ctx *cx, struct ud_station *station, ud_link *link,
	struct ud_runner *runner, struct ud_reporter *reporter, struct ud_courier **ret) UD_USE;
/* Wait for both threads; it may still be woken after that, until it is released. */
void ud_courier_stop(struct ud_courier *courier);
/* Stop and release. Takes NULL. */
void ud_courier_release(struct ud_courier **courier);
/* There is something to send; any thread, never blocks. data is the courier: ud_runner's changed.
 */
void ud_courier_wake(void *courier);

#endif
