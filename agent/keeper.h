/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the leases of a running agent: two threads (one renews, one looks after what runs and what
 * does not), the line to the server, and the lease guard's process. What is decided is in lease.h.
 */
#ifndef AGENT_KEEPER_H
#define AGENT_KEEPER_H

#include "agent/lease.h"
#include "agent/link.h"
#include "agent/verbs.h"

struct ud_keeper;
struct ud_guard;

struct ud_keeper_settings {
	struct ud_station *station; /* its leases are set here */
	ud_link *link;
};

/*
 * Begin; entries that a guard of the folder still has are taken over. What settings point to
 * outlives it; the link must be stopped before ud_keeper_release.
 */
enum ud_code ud_keeper_start(struct ud_ctx *cx, const struct ud_keeper_settings *settings,
	struct ud_keeper **ret) UD_USE;
/* Takes NULL. The guard goes on. */
void ud_keeper_release(struct ud_keeper **keeper);
/* Look now: the journal has changed. Any thread, never blocks. */
void ud_keeper_wake(struct ud_keeper *keeper);
/* keeper_guard.c: the guard's part of ud_lease_calls. */
struct ud_guard *ud_keeper_open_guard(struct ud_ctx *cx, const struct ud_agent_config *config);
/* End the connection to it. Takes NULL. */
void ud_keeper_close_guard(struct ud_guard **guard);
/* The process behind a VM, as the hypervisor names it before and after we have a hold of it. */
enum ud_code ud_keeper_arm(struct ud_ctx *cx, struct ud_guard *guard, struct ud_hv *hv,
	const struct ud_journal_vm *vm, int64_t deadline_ms) UD_USE;
/* Put the end of a lease off. */
enum ud_code ud_keeper_renew(struct ud_ctx *cx, struct ud_guard *guard,
	const struct ud_journal_vm *vm, int64_t deadline_ms) UD_USE;
/* Let go; UD_OK also when nothing was held. */
enum ud_code ud_keeper_disarm(
	struct ud_ctx *cx, struct ud_guard *guard, const struct ud_journal_vm *vm) UD_USE;
/* Tell all that the guard holds. */
enum ud_code ud_keeper_held(
	struct ud_ctx *cx, struct ud_guard *guard, ud_lease_holding *each, void *data) UD_USE;

#endif
