/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals of the log as rows (base/audit_seal.h), and hosts that keep another one.
 */
#ifndef DB_AUDIT_SEALS_H
#define DB_AUDIT_SEALS_H

#include "db/engine/engine.h"

struct ud_seal_row {
	int64_t number, generation, sealed_at;
	const char *digest, *document;
};

/* Has any chain grown since it was sealed last? */
enum ud_code ud_audit_seals_due(struct ud_ctx *cx, bool *ret) UD_USE;
/*
 * Visit the heads of chains that have grown, UD_AUDIT_SEAL_HEADS at most, and mark them sealed; in
 * a write. "" = the installation's own chain.
 */
typedef enum ud_code ud_grown_visitor(
	struct ud_ctx *cx, void *data, const char *customer_id, int64_t seq, const char *hash);
enum ud_code ud_audit_seals_grown(struct ud_ctx *cx, ud_grown_visitor *visit, void *data) UD_USE;
/* The newest seal; *ret_found false = there is none. */
enum ud_code ud_audit_seal_last(struct ud_ctx *cx, bool *ret_found, struct ud_seal_row *ret) UD_USE;
/* The seal of a number. */
enum ud_code ud_audit_seal_get(
	struct ud_ctx *cx, int64_t number, bool *ret_found, struct ud_seal_row *ret) UD_USE;
/* The number before the first seal of a generation, or of the next one there is. */
enum ud_code ud_audit_seal_before(struct ud_ctx *cx, int64_t generation, int64_t *ret) UD_USE;
enum ud_code ud_audit_seal_add(struct ud_ctx *cx, const struct ud_seal_row *row) UD_USE;
/* Visit seals after a number, oldest first, limit at most. */
typedef enum ud_code ud_seal_visitor(struct ud_ctx *cx, void *data, const struct ud_seal_row *row);
enum ud_code ud_audit_seal_list(
	struct ud_ctx *cx, int64_t after, size_t limit, ud_seal_visitor *visit, void *data) UD_USE;
/* Is this the hash of that record of that chain? */
enum ud_code ud_audit_seal_holds(struct ud_ctx *cx, const char *customer_id, int64_t seq,
	const char *hash, bool *ret) UD_USE;
/* Keep that a host has another seal; *ret_new: this was not known of it. */
enum ud_code ud_audit_seal_doubt(struct ud_ctx *cx, const char *host_id, int64_t number,
	const char *digest, bool *ret_new) UD_USE;

#endif
