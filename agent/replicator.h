/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication as the agent sees it: it gives the driver what it needs of the agent (identity,
 * address, the journal's word), and tells the server how each relation stands and which points are
 * new, until the server has said that it knows. What was told and acknowledged is kept in memory
 * alone: after a start everything is told again, which changes nothing at the server.
 */
#ifndef AGENT_REPLICATOR_H
#define AGENT_REPLICATOR_H

#include "agent/link.h"
#include "agent/verbs.h"

struct ud_replicator;

/* Begin; station and link outlive it. A driver that cannot replicate is left alone. */
enum ud_code ud_replicator_start(struct ud_ctx *cx, struct ud_station *station, ud_link *link,
	struct ud_replicator **ret) UD_USE;
/* Wait for its thread; the link has been stopped. It may be woken until it is released. */
void ud_replicator_stop(struct ud_replicator *replicator);
/* Stop and release, when the driver is closed. Takes NULL. */
void ud_replicator_release(struct ud_replicator **replicator);
/* Something has changed: report soon. Any thread, never blocks. */
void ud_replicator_wake(struct ud_replicator *replicator);
/* Where points of other hosts are taken; 0 = nowhere. */
int ud_replicator_port(struct ud_replicator *replicator);

#endif
