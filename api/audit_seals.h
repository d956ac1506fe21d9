/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals of the log: made each minute in which it has grown, and compared with it.
 */
#ifndef API_AUDIT_SEALS_H
#define API_AUDIT_SEALS_H

#include "db/commands.h"
#include "db/events.h"

/* A tick: seal the chains that have grown. */
enum ud_code ud_seals_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_seals_make(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

/*
 * Walk all seals: each follows the one before, is sealed with the installation's key, and the heads
 * that it names are in the log. What is wrong goes into the report; *ret = how many there were. For
 * those who may see all chains.
 */
enum ud_code ud_seals_verify(struct ud_ctx *cx, struct ud_chain_report *report, int64_t *ret)
	UD_USE;

#endif
