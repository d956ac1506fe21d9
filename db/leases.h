/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the server has granted to hosts: leave to run a VM, for some seconds (base/lease.h). A gate
 * per VM says whether more may be granted; a failover shuts it, waits the grants out, and commits.
 * Everything here is part of the caller's write.
 */
#ifndef DB_LEASES_H
#define DB_LEASES_H

#include "base/lease.h"
#include "db/engine/engine.h"

/* What may be granted for a VM to the owner of its epoch. */
enum ud_lease_gate {
	UD_GATE_OPEN,
	UD_GATE_KEEP,       /* a planned failover is stopping it: no start */
	UD_GATE_SHUT,       /* an unplanned failover waits the grants out: nothing */
	UD_GATE_RECOVERING, /* our rows come from a backup: nothing until the agents were heard */
	UD_GATE_CONFLICT,   /* two hosts claim it: nothing until people have chosen */
};
extern const struct ud_enum ud_lease_gates;

/* Is break-glass allowed for a VM? The caller has read it with its own scope. */
enum ud_code ud_vm_break_glass(struct ud_ctx *cx, const char *vm_id, bool *ret) UD_USE;
/* Allow it, or not. */
enum ud_code ud_vm_break_glass_set(struct ud_ctx *cx, const char *vm_id, bool on) UD_USE;

/* Move the gate of a VM; the caller has read it with its own scope. UD_E_NOT_FOUND. */
enum ud_code ud_lease_gate_set(struct ud_ctx *cx, const char *vm_id, enum ud_lease_gate gate)
	UD_USE;
enum ud_code ud_lease_gate_get(struct ud_ctx *cx, const char *vm_id, enum ud_lease_gate *ret)
	UD_USE;

/*
 * A host says that it took the next epoch by break-glass: it becomes the owner, and whatever was
 * going on finds the epoch moved. Any other such epoch is a conflict: the gate says so, and nobody
 * is granted anything. *ret_event = the event's type for what was changed, NULL = nothing.
 */
enum ud_code ud_lease_reconcile(struct ud_ctx *cx, const char *host_id,
	const struct ud_lease_ask *ask, const char **ret_event) UD_USE;

/*
 * Answer a host's question, and store what is granted: with the same epoch, to the owner, through
 * the gate. may_start false: the host's agent is quarantined. The word's texts are in the arena or
 * the question's.
 */
enum ud_code ud_lease_grant(struct ud_ctx *cx, const char *host_id, bool may_start,
	int64_t lease_seconds, const struct ud_lease_ask *ask, struct ud_lease_word *ret) UD_USE;

/*
 * Does the host live by leases under this epoch? Only after it has kept one that its guard ends
 * (ud_lease_ask.guarded): a VM whose policy was just set to lease may run without anybody to end
 * it, and so may one that was off.
 */
enum ud_code ud_lease_in_force(struct ud_ctx *cx, const char *vm_id, const char *host_id, bool *ret)
	UD_USE;

/* The VM's policy is another one: no lease is in force before its host has kept one under it. The
 * caller has read the VM with its own scope. */
enum ud_code ud_lease_policy_set(struct ud_ctx *cx, const char *vm_id, const char *policy) UD_USE;

/*
 * How long until every grant for a VM to another host than this (NULL = to any) has surely ended:
 * *ret_ms, 0 = now. A grant that was made by the clock of another machine, or before a reboot of
 * this one, is waited out in full from the first time this machine asks; asking notes that time.
 */
enum ud_code ud_lease_wait(
	struct ud_ctx *cx, const char *vm_id, const char *but_host_id, int64_t *ret_ms) UD_USE;

#endif
