/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of runs: putting the record together when a run has ended, and what else uses it.
 */
#ifndef API_EVIDENCE_H
#define API_EVIDENCE_H

#include "base/sign.h"
#include "db/commands.h"
#include "db/evidence.h"

/* The record of a run as JSON text, not sealed yet, under the id that it will have. */
enum ud_code ud_evidence_write(
	struct ud_ctx *cx, const struct ud_failover *f, const char *id, const char **ret) UD_USE;
/* The page that prints a sealed record. */
enum ud_code ud_evidence_page(struct ud_ctx *cx, const struct ud_evidence *e,
	const struct ud_failover *f, const char **ret) UD_USE;

/*
 * The steps of a run as a picture, actual against the run before, and the same as a table; nothing
 * for a run that never began. names: those of f->vm_ids, in their order.
 */
enum ud_code ud_evidence_picture(struct ud_ctx *cx, struct ud_buf *b, const struct ud_failover *f,
	const char *const *names) UD_USE;

/* The key that evidence is sealed with; made when there is none yet, so only in writes. */
enum ud_code ud_evidence_key(
	struct ud_ctx *cx, const unsigned char *seal, unsigned char ret[UD_SIGN_KEY]) UD_USE;

/* A tick: runs that have ended get their record. */
enum ud_code ud_evidence_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_evidence_make(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
