/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What hosts say of themselves against what the server knows: after a restore, and whenever an
 * agent's journal is ahead of us. See db/recovery.h.
 */
#ifndef SERVER_AGENTS_RECOVERY_H
#define SERVER_AGENTS_RECOVERY_H

#include "base/ctx.h"

/* Begin to wait for the hosts when the database was restored; part of a write. */
enum ud_code ud_recovery_enter(struct ud_ctx *cx, void *unused) UD_USE;
/* Do a poll's heads (a JSON list of ud_wire_head) tell something new? A read. Heads that cannot be
 * read tell nothing. */
enum ud_code ud_recovery_look(struct ud_ctx *cx, const char *host_id, const char *heads, bool *ret)
	UD_USE;
/* Take them, and settle what waited for this host; part of a write. */
enum ud_code ud_recovery_take(struct ud_ctx *cx, const char *host_id, const char *heads) UD_USE;
/* Settle the VMs that wait for nobody any more (host_id NULL = all), and end it when that was the
 * last; part of a write. */
enum ud_code ud_recovery_settle(struct ud_ctx *cx, const char *host_id) UD_USE;

#endif
