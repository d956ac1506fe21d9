/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of leases, for their own files (lease*.c) and nobody else. The mutex covers the slots
 * and is never held across a call to anybody.
 */
#ifndef AGENT_LEASE_INSIDE_H
#define AGENT_LEASE_INSIDE_H

#include <pthread.h>

#include "agent/lease.h"

/* Standard length of a lease where the journal has none; a look comes at least so often. */
enum { UD_LEASE_SECONDS = 30, UD_LEASE_ID = 40, UD_LEASE_LOOK_MS = 1000 };

/* What is remembered of a VM beside the journal. */
struct ud_lease_slot {
	struct ud_lease_slot *next;
	char vm_id[UD_LEASE_ID];
	int64_t asked_ms;   /* when its lease was asked for last; UD_NONE = never */
	int64_t until_ms;   /* when the lease ends that it has; UD_NONE = it has none */
	int64_t granted_ms; /* when the peer was granted one last; UD_NONE = not by this process */
	int64_t peer_ms;    /* when the peer asked last; UD_NONE = never */
	bool ran;           /* this process saw it running */
	bool starting;      /* somebody is about to start it */
};

struct ud_leases {
	const struct ud_env *env;
	struct ud_lease_settings s;
	int64_t began_ms;
	pthread_mutex_t mutex;
	struct ud_lease_slot *slots;
};

/* ---- lease.c ---- */

/* The slot of a VM; under the mutex. */
struct ud_lease_slot *ud_lease_slot_of(ud_leases *l, const char *vm_id);
/* A copy of it, as it is now. */
struct ud_lease_slot ud_lease_slot_read(ud_leases *l, const char *vm_id);
/* Length of the VM's leases. */
int64_t ud_lease_seconds(const struct ud_journal_vm *vm);

/* The VMs of the journal. */
struct ud_lease_vms {
	struct ud_journal_vm *at;
	size_t n, room;
};

/* What the guard holds. */
struct ud_lease_holdings {
	struct ud_ctx *cx;
	struct ud_lease_held *at;
	size_t n, room;
};

/* Journal and guard, as they are now. Without a primary the guard has nothing of ours. */
enum ud_code ud_lease_stock(struct ud_ctx *cx, ud_leases *l, struct ud_lease_vms *ret,
	struct ud_lease_holdings *ret_held) UD_USE;
/* What of it is for this VM, or NULL. */
const struct ud_lease_held *ud_lease_held_for(const struct ud_lease_holdings *h, const char *uuid);

/* Questions that go out together, and what came back for each. */
struct ud_lease_round {
	struct ud_journal_vm vm[UD_LEASE_ASKS];
	unsigned purpose[UD_LEASE_ASKS];
	bool guarded[UD_LEASE_ASKS];              /* policy lease, and the guard holds it */
	struct ud_lease_word word[UD_LEASE_ASKS]; /* vm_id NULL: no answer */
	int64_t sent_ms;
	size_t n;
};

/* One more question; where there is no room its turn comes at the next look, which is at once. */
void ud_lease_add_ask(
	struct ud_lease_round *r, const struct ud_journal_vm *vm, enum ud_lease_purpose purpose);
/* Ask the server all of them; who gives no answer has no word. */
void ud_lease_ask_server(struct ud_ctx *cx, ud_leases *l, struct ud_lease_round *r);
/* The peer is asked about one VM; *ret_sent = when. */
enum ud_code ud_lease_ask_peer(struct ud_ctx *cx, ud_leases *l, struct ud_lease_round *r, size_t i,
	int64_t *ret_sent) UD_USE;
/* Any answer will do to go on, and a newer epoch at either counts. */
bool ud_lease_answered(const struct ud_lease_word *w);
/* Ask for leave to go on: the server's, else the peer's; and act on what they say. */
void ud_lease_keep_all(struct ud_ctx *cx, ud_leases *l, struct ud_lease_round *r);
/* A newer epoch exists: it may not run here any more. */
void ud_lease_step_down(struct ud_ctx *cx, ud_leases *l, const char *vm_id, int64_t epoch);
/* Is it time to ask again? *next: when that is, where it is earlier. */
bool ud_lease_is_due(ud_leases *l, const struct ud_journal_vm *vm, int64_t every_ms, int64_t *next);
/* The time of the next look within its bounds. */
int64_t ud_lease_bounded(int64_t ms);
/* Remember the end of a lease, unless a later one is known. */
void ud_lease_note_until(ud_leases *l, const char *vm_id, int64_t until_ms);
/* Tell the guard; what it does not hold (it was started anew) is handed to it. */
enum ud_code ud_lease_put_off(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t until_ms) UD_USE;

/* ---- lease_start.c ---- */

/* What the hypervisor says of it. */
enum ud_code ud_lease_power_of(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, enum ud_power *ret) UD_USE;
/* One at a time for each VM; false: somebody else is at it. */
bool ud_lease_begin_start(ud_leases *l, const char *vm_id);
/* ran: it runs now. */
void ud_lease_end_start(ud_leases *l, const char *vm_id, bool ran);
/* Start a primary, with leave. */
enum ud_code ud_lease_start_with_leave(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm) UD_USE;

#endif
