/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leave to run, on the host: asks server and peer, tells the lease guard, starts what may be
 * started and stops what may not run any more; and as a replica's host grants leases to the peer.
 * Of all that is decided here nothing rests on a wall clock, and nothing on silence.
 *
 * Any thread; calls about one VM may come while others wait for an answer. What must outlive a
 * crash is in the journal; the end of a lease is with the guard; the times of grants need not be
 * kept, since after a restart each counts as granted at the start.
 */
#ifndef AGENT_LEASE_H
#define AGENT_LEASE_H

#include "agent/driver.h"
#include "agent/journal.h"
#include "base/lease.h"

typedef struct ud_leases ud_leases;

/* A process that the guard holds. */
struct ud_lease_held {
	const char *uuid;
	int64_t epoch, deadline_ms;
	bool killed; /* its lease ended */
};
typedef void ud_lease_holding(void *data, const struct ud_lease_held *held);

/* The world around it; tests have their own. */
struct ud_lease_calls {
	/* ask the server; UD_E_UNAVAILABLE: no answer */
	enum ud_code (*server)(struct ud_ctx *cx, void *data, const struct ud_wire_lease *ask,
		struct ud_wire_leases *ret);
	/* ask the host at the other end of the VM's replication; NULL = there is never one */
	enum ud_code (*peer)(struct ud_ctx *cx, void *data, const char *vm_id,
		const struct ud_wire_lease *ask, struct ud_wire_leases *ret);
	/* the guard: hold the VM's process until then; put it off (UD_E_NOT_FOUND: it has no
	 * living process of it); hold it no longer; tell all that it holds */
	enum ud_code (*arm)(
		struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms);
	enum ud_code (*renew)(
		struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms);
	enum ud_code (*disarm)(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm);
	enum ud_code (*held)(
		struct ud_ctx *cx, void *data, ud_lease_holding *each, void *each_data);
	void *data;
};

struct ud_lease_settings {
	ud_journal *journal;
	struct ud_hv *_Atomic *hv; /* the one in use */
	const char *host_boot;     /* of the machine */
	struct ud_lease_calls calls;
	/* crash points, for tests; NULL in the program: true = the agent is dead from here on */
	bool (*dies)(void *data, const char *point);
	void *dies_data;
};

/* settings are copied; what they point to outlives it. Release with ud_leases_release. */
ud_leases *ud_leases_new(const struct ud_env *env, const struct ud_lease_settings *settings);
void ud_leases_release(ud_leases **leases);

/*
 * One look at the VMs that the guard holds: renew what is due. Calls no driver, so that a
 * hypervisor that hangs costs no VM its lease. *ret_next_ms: when to look again, from now.
 */
enum ud_code ud_leases_renew(struct ud_ctx *cx, ud_leases *leases, int64_t *ret_next_ms) UD_USE;
/*
 * One look at all others: hand what runs to the guard, switch off what may not run here, start what
 * was running before the host's boot, or before its lease ended, once that is permitted.
 */
enum ud_code ud_leases_tend(struct ud_ctx *cx, ud_leases *leases, int64_t *ret_next_ms) UD_USE;

/*
 * Start a VM of the journal, with leave: the server's for every protected one, and the peer's where
 * break-glass is allowed, unless the VM was just promoted with the peer fenced. Under policy lease
 * it does not run before the guard holds it. UD_OK when it runs already. Free VMs need no leave.
 * UD_E_INVALID_STATE: role, hold or a grantor forbid it; UD_E_UNAVAILABLE: a grantor does not
 * answer.
 */
enum ud_code ud_leases_start(struct ud_ctx *cx, ud_leases *leases, const char *vm_id) UD_USE;
/*
 * Get a first lease for a VM that runs, and hand it to the guard: before policy lease counts for
 * it. UD_E_INVALID_STATE, UD_E_UNAVAILABLE: nobody grants one.
 */
enum ud_code ud_leases_adopt(struct ud_ctx *cx, ud_leases *leases, const struct ud_journal_vm *vm)
	UD_USE;
/* The VM was stopped on purpose: the guard forgets it. */
void ud_leases_stopped(struct ud_ctx *cx, ud_leases *leases, const struct ud_journal_vm *vm);

/*
 * Answer the peer of a VM's replication: granted when this host is its replica, knows no newer
 * epoch and has not promised otherwise. message and answer are JSON of base/lease.h.
 */
enum ud_code ud_leases_answer(struct ud_ctx *cx, ud_leases *leases, const char *vm_id,
	const char *message, const char **ret_answer) UD_USE;
/*
 * Promise to grant the peer nothing more for this epoch, and tell how long the grants so far last:
 * *ret_wait_ms, 0 = none does. *ret_seen: the peer asked within the last lease time. The promise is
 * stored when it returns. UD_E_INVALID_STATE when this host is not the replica.
 */
enum ud_code ud_leases_promise(struct ud_ctx *cx, ud_leases *leases, const char *vm_id,
	int64_t *ret_wait_ms, bool *ret_seen) UD_USE;

#endif
