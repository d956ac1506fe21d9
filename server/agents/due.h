/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents' calls leave to be written, in memory: deliveries that polls wait for, and how far
 * commands are. A poll or a report of progress costs no write of its own; the port's thread stores
 * what has come together in one commit. And which marks of deliveries count: those of our own
 * acknowledged commits. Rows that we did not write after we read them may be lost with the
 * database's machine, and a number that an agent knows would be given out twice.
 */
#ifndef SERVER_AGENTS_DUE_H
#define SERVER_AGENTS_DUE_H

#include "base/machine.h"
#include "db/commands.h"

struct ud_due;

struct ud_due_delivery {
	struct ud_due_delivery *next;
	const char *host_id;
	bool promotes;
};
struct ud_due_progress {
	struct ud_due_progress *next;
	const char *host_id;
	struct ud_wire_progress progress;
};
struct ud_due_heartbeat {
	struct ud_due_heartbeat *next;
	const char *host_id;
	int64_t at_ms;
	const struct ud_sample *samples;
	size_t count;
};
struct ud_due_heads {
	struct ud_due_heads *next;
	const char *host_id, *heads; /* JSON list of ud_wire_head */
};
struct ud_due_doubt {
	struct ud_due_doubt *next;
	const char *host_id, *digest; /* of a seal of the log that does not fit those of the host */
	int64_t number;
};
/* What one commit stores; in the arena of whoever took it. */
struct ud_due_batch {
	struct ud_command_mark mark;
	struct ud_due_delivery *deliveries;
	struct ud_due_progress *progress;
	struct ud_due_heartbeat *heartbeats;
	struct ud_due_heads *heads;
	struct ud_due_doubt *doubts;
};

/* Nothing is due, and no mark counts. Release with ud_due_release. */
struct ud_due *ud_due_new(const struct ud_env *env);
/* Takes NULL. */
void ud_due_release(struct ud_due **due);
/* Any thread. The newest progress of a command replaces what was there. */
void ud_due_delivery(struct ud_due *due, const char *host_id, bool promotes);
void ud_due_progress(
	struct ud_due *due, const char *host_id, const struct ud_wire_progress *progress);
void ud_due_heartbeat(struct ud_due *due, const char *host_id, int64_t at_ms,
	const struct ud_sample *samples, size_t n);
/* The newest heads of a host replace what was there. */
void ud_due_heads(struct ud_due *due, const char *host_id, const char *heads);
void ud_due_doubt(struct ud_due *due, const char *host_id, int64_t number, const char *digest);
/* Take all that is due; false = nothing. */
bool ud_due_take(struct ud_due *due, struct ud_ctx *cx, struct ud_due_batch *ret);
/* The batch's commit was acknowledged: its mark counts. */
void ud_due_stored(struct ud_due *due, const struct ud_due_batch *batch);
/* Give deliveries back of which nobody knows that they are stored: no mark made so far counts any
 * more. Progress comes anew by itself. */
void ud_due_return(struct ud_due *due, const struct ud_due_batch *batch);
/* Does the mark count? Any thread. */
bool ud_due_counts(struct ud_due *due, struct ud_command_mark mark);
/* Store a batch; inside a write. */
enum ud_code ud_due_store(struct ud_ctx *cx, void *batch) UD_USE;

#endif
