/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed records of runs (base/evidence.h). A row is written once, when its run has ended.
 */
#ifndef DB_EVIDENCE_H
#define DB_EVIDENCE_H

#include "db/failovers.h"

struct ud_evidence {
	struct ud_row row;
	const char *failover_id, *ticket_id;
	unsigned kind; /* enum ud_failover_kind */
	const char *verdict, *sha256, *public_key;
	int64_t size_bytes;
};
extern const struct ud_table ud_evidence_table;

/* Runs that have ended and have no record yet, a batch. Every tenant's. */
enum ud_code ud_evidence_missing(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;
/* The record of a run; *ret_found false = none yet. */
enum ud_code ud_evidence_of(struct ud_ctx *cx, const char *failover_id, bool *ret_found,
	struct ud_evidence *ret) UD_USE;

/* The document itself, which no list carries. */
enum ud_code ud_evidence_keep(struct ud_ctx *cx, const char *id, const char *bundle) UD_USE;
enum ud_code ud_evidence_bundle(struct ud_ctx *cx, const struct ud_evidence *e, const char **ret)
	UD_USE;

#endif
