/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database that was put back knows less than the hosts do: epochs, owners and numbers that were
 * given out after the copy was made. Until the hosts of a VM were heard, nothing is granted,
 * commanded or moved for it (gate UD_GATE_RECOVERING; db/commands.c and db/workflows.c look at it
 * as well). Then the highest epoch wins.
 *
 * Every function here looks at all tenants: hosts carry VMs of several. Writes are part of the
 * caller's.
 */
#ifndef DB_RECOVERY_H
#define DB_RECOVERY_H

#include "base/wire.h"
#include "db/leases.h"
#include "db/rows.h"

/* The database was restored and nobody has begun to ask the hosts: close all gates. *ret_begun
 * false = it was not, or that was done. */
enum ud_code ud_recovery_begin(struct ud_ctx *cx, bool *ret_begun) UD_USE;
/* Is the installation as a whole waiting for its hosts? */
enum ud_code ud_recovery_on(struct ud_ctx *cx, bool *ret) UD_USE;
/* Nothing is waited for any more. *ret_ended false = something is, or it had ended before. */
enum ud_code ud_recovery_end(struct ud_ctx *cx, bool *ret_ended) UD_USE;

/* Do these heads of a host tell what is not known here, or is the host being waited for? A read. */
enum ud_code ud_recovery_news(struct ud_ctx *cx, const char *host_id,
	const struct ud_wire_head *heads, size_t n, bool *ret) UD_USE;
/* Keep what a host knows: it was heard. Numbers never become smaller than its own; the gate of a
 * VM whose epoch is behind is closed, and its other hosts are waited for, too. */
enum ud_code ud_recovery_heard(
	struct ud_ctx *cx, const char *host_id, const struct ud_wire_head *heads, size_t n) UD_USE;

/* VMs whose gate is closed though all of their hosts were heard or are gone on without: ids after
 * one, 200 at most. host_id NULL = all, else those that have to do with it. */
enum ud_code ud_recovery_ripe(
	struct ud_ctx *cx, const char *host_id, const char *after, struct ud_texts *ret_vms) UD_USE;

/* What the hosts of a VM have said, weighed. */
struct ud_recovery_verdict {
	const char *customer_id;
	int64_t epoch, newest; /* ours; the highest that a host knows */
	const char *owner;     /* host under newest; NULL = nobody says so, or several do */
	int contenders;        /* hosts that say they are */
};
enum ud_code ud_recovery_weigh(
	struct ud_ctx *cx, const char *vm_id, struct ud_recovery_verdict *ret) UD_USE;
/* Is any host at all still waited for? */
enum ud_code ud_recovery_waits(struct ud_ctx *cx, bool *ret) UD_USE;

/* Our row was right: the gate stands where it stood. */
enum ud_code ud_recovery_open(struct ud_ctx *cx, const char *vm_id) UD_USE;
/* The VM belongs to the host that has the newest epoch. */
enum ud_code ud_recovery_adopt(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, int64_t epoch) UD_USE;
/* Nobody can tell: people choose among those who spoke of the newest epoch. */
enum ud_code ud_recovery_dispute(struct ud_ctx *cx, const char *vm_id, int64_t epoch) UD_USE;

/* A host that is waited for, or was. */
struct ud_recovery_host {
	const char *host_id, *name;
	struct ud_time since, heard_at, waived_at;
	const char *stated_by, *stated_by_name, *waived_by_name;
};
extern const struct ud_shape ud_recovery_host_shape;
/* All of them, 1000 at most. */
enum ud_code ud_recovery_hosts(struct ud_ctx *cx, struct ud_recovery_host **ret, size_t *ret_n)
	UD_USE;
/* How many VMs' gates are closed. */
enum ud_code ud_recovery_held(struct ud_ctx *cx, int64_t *ret) UD_USE;
/*
 * The caller's principal says that a host cannot be heard. The second person's word takes effect
 * (*ret_effective): VMs that are held get their next epoch far above what the host may have had.
 * UD_E_INVALID_STATE: nobody waits for it, or the same person twice.
 */
enum ud_code ud_recovery_waive(struct ud_ctx *cx, const char *host_id, bool *ret_effective) UD_USE;

#endif
