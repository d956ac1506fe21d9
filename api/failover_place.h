/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is there a place for VMs where they are to come up: memory of the host, addresses of the network.
 */
#ifndef API_FAILOVER_PLACE_H
#define API_FAILOVER_PLACE_H

#include "api/failover_plan.h"
#include "base/replication.h"

typedef void ud_blocker_taker(void *data, const struct ud_blocker *b);
/*
 * Tell what is missing there for these VMs of a run, texts in cx->arena. What hosts have not told
 * is not known and forbids nothing; for an unplanned failover all of it are warnings, since what
 * they told may be old. cx->scope sees all hosts; f->row.customer_id is set: other customers' VMs
 * are not named.
 *
 * target_memory_short: the host's memory, less a sixteenth for itself and the memory of the VMs
 * that run there, is less than that of the VMs to come. A test counts them twice: their real
 * failover stays possible beside it.
 * ip_conflict: an address that a card is to have is its router's, or a running VM of that site,
 * not of this run, has it in the same network, as its guest tells.
 */
enum ud_code ud_failover_check_place(struct ud_ctx *cx, const struct ud_failover *f,
	const struct ud_plan_vm *vms, size_t n, ud_blocker_taker *take, void *data) UD_USE;

#endif
