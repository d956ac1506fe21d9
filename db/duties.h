/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Duties: work that one of several equal servers does at a time. Whoever takes a duty inside the
 * transaction of its work holds the row until the commit, so two never do it at once; the time of
 * the claim only says who does it next, and decides nothing.
 */
#ifndef DB_DUTIES_H
#define DB_DUTIES_H

#include "db/engine/engine.h"

/* Has somebody else the duty now? A read. */
enum ud_code ud_duty_elsewhere(struct ud_ctx *cx, const char *name, const char *owner, bool *ret)
	UD_USE;
/* Take or keep a duty, inside the write that does its work. *ret_mine false: somebody else has it.
 * The fence grows with each change of owner. */
enum ud_code ud_duty_take(struct ud_ctx *cx, const char *name, const char *owner, int64_t claim_ms,
	bool *ret_mine) UD_USE;

#endif
