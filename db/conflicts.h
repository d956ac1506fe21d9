/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hosts that claim one VM: what each claims, and whom people have chosen. A conflict stands as
 * the gate UD_GATE_CONFLICT (db/leases.h); nobody is granted anything until it is settled.
 */
#ifndef DB_CONFLICTS_H
#define DB_CONFLICTS_H

#include "db/rows.h"

/* A host that says the VM is its own. */
struct ud_epoch_claim {
	const char *host_id;
	int64_t epoch;
	struct ud_time claimed_at; /* last */
};
extern const struct ud_shape ud_epoch_claim_shape;
enum { UD_EPOCH_CLAIMS_MAX = 16 };

/* Keep a claim. */
enum ud_code ud_epoch_claim(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, int64_t epoch) UD_USE;
/* Have people decided about this claim already? It goes on until its host has heard of it. */
enum ud_code ud_epoch_claim_settled(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, int64_t epoch, bool *ret) UD_USE;
/* All open claims for a VM, which the caller has read with its own scope. */
enum ud_code ud_epoch_claims(struct ud_ctx *cx, const char *vm_id,
	struct ud_epoch_claim ret[UD_EPOCH_CLAIMS_MAX], size_t *ret_n) UD_USE;

/* What one person has chosen. */
struct ud_owner_choice {
	struct ud_row row;
	const char *vm_id, *host_id;
	int64_t epoch; /* of the VM when the conflict stood: it marks the conflict */
	const char *statement, *user_id, *user_name;
	bool effective; /* the second of two people */
};
extern const struct ud_table ud_owner_choices;

/* In the VM's present conflict: how many others have chosen this host; has the caller chosen? */
enum ud_code ud_owner_choices_count(struct ud_ctx *cx, const char *vm_id, int64_t epoch,
	const char *host_id, int64_t *ret_others, bool *ret_mine) UD_USE;

/* The VM is this host's under this epoch, or a higher one that *epoch becomes; its claims are
 * settled, leases are granted again. The caller has read it with its own scope. */
enum ud_code ud_owner_settle(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, int64_t *epoch) UD_USE;

#endif
