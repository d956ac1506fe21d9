/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals of the log: each is a document (ud_seal_make) that names the heads of the chains that grew
 * since the seal before, and that one's digest. Whoever keeps the newest one notices when the next
 * does not follow: then the log went back, or there are two of it.
 */
#ifndef BASE_AUDIT_SEAL_H
#define BASE_AUDIT_SEAL_H

#include "base/ctx.h"
#include "base/ud.h"

#define UD_AUDIT_SEAL_SCHEMA "understudy.audit_seal/1"

/* Heads in one seal at most; what else grew is in the next one. */
enum { UD_AUDIT_SEAL_HEADS = 200 };

struct ud_audit_seal {
	int64_t number;     /* from 1, without gaps */
	int64_t generation; /* of the database; a restored one has a higher */
	const char *previous, *digest, *public_key; /* hex; previous "" = the first of all */
};

/*
 * Read a document and check its form and its seal. key: who must have sealed it, hex; NULL =
 * anybody. False when something is wrong with it. Texts are in the arena.
 */
bool ud_audit_seal_read(
	struct ud_ctx *cx, const char *document, const char *key, struct ud_audit_seal *ret);

/* Visit the heads that it names: of each chain the number and hash of its last record; "" = the
 * installation's own chain. What cannot be read names none. */
typedef enum ud_code ud_seal_head_visitor(
	struct ud_ctx *cx, void *data, const char *customer_id, int64_t seq, const char *hash);
enum ud_code ud_audit_seal_heads(
	struct ud_ctx *cx, const char *document, ud_seal_head_visitor *visit, void *data) UD_USE;

enum ud_seal_step {
	UD_SEAL_NEXT,     /* it follows what was kept */
	UD_SEAL_KNOWN,    /* it is what was kept */
	UD_SEAL_RESTORED, /* it is of a restored database: another log may begin */
	/* it neither follows nor is it kept: the log went back, or there are two */
	UD_SEAL_BREAKS,
};
/* What a seal is to who keeps one; kept NULL = nothing was kept yet, and any seal follows. */
enum ud_seal_step ud_audit_seal_step(
	const struct ud_audit_seal *kept, const struct ud_audit_seal *seal);

#endif
