/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells the server what is seen here: all of it once, then what changed, within moments of an event
 * of the hypervisor and at least every UD_HEARTBEAT_SECONDS; and a sign of life with figures.
 */
#ifndef AGENT_REPORTER_H
#define AGENT_REPORTER_H

#include "agent/link.h"
#include "agent/verbs.h"

struct ud_reporter;

/* Start its thread; station and link outlive it. Stop the link first, then this. */
enum ud_code ud_reporter_start(struct ud_ctx *cx, struct ud_station *station, ud_link *link,
	struct ud_reporter **ret) UD_USE;
/* Wait for the thread; it may still be woken after that, until it is released. */
void ud_reporter_stop(struct ud_reporter *reporter);
/* Stop and release. Takes NULL. */
void ud_reporter_release(struct ud_reporter **reporter);
/* Something changed: look now. Any thread, never blocks. */
void ud_reporter_wake(struct ud_reporter *reporter);
/*
 * Look now, and wait until the server was told what such a look saw, or the time is over, or the
 * reporter ends; what fails is done anew meanwhile. A look that is under way does not count: it may
 * have seen what was before. Looks follow each other, so nothing older is told after that. Any
 * thread but the reporter's own.
 */
void ud_reporter_tell(struct ud_reporter *reporter, int64_t timeout_ms);

#endif
