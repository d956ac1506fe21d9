/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a host keeps of the server's log: the newest seal of its heads (base/audit_seal.h), in the
 * journal. A seal that does not follow is not taken, and said: in the agent's log, and to the
 * server, whose people may be the last to know.
 */
#ifndef AGENT_SEALS_H
#define AGENT_SEALS_H

#include "agent/journal.h"
#include "base/wire_inventory.h"

/* Names of notes: the newest seal, that of before a restored copy, the newest that was refused. */
#define UD_NOTE_SEAL "seal of the log"
#define UD_NOTE_SEAL_BEFORE "seal of the log before it was restored"
#define UD_NOTE_SEAL_REFUSED "seal of the log that was refused"

/* Say in a sign of life what is kept. */
enum ud_code ud_seals_tell(struct ud_ctx *cx, ud_journal *journal, struct ud_wire_heartbeat *in)
	UD_USE;
/* Take what came in its answer, up to the first that is refused. */
enum ud_code ud_seals_take(
	struct ud_ctx *cx, ud_journal *journal, const struct ud_wire_heard *heard) UD_USE;

#endif
