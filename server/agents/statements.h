/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an agent states beside an answer, taken in: checked, marked and kept. Nothing of a recovery
 * hangs on it.
 */
#ifndef SERVER_AGENTS_STATEMENTS_H
#define SERVER_AGENTS_STATEMENTS_H

#include "base/wire.h"

/* Keep what came with an answer that was fresh, with its verdict; part of its write. Answers to
 * verbs that are not stated, and refusals without a statement, leave nothing. */
enum ud_code ud_statement_take(
	struct ud_ctx *cx, const char *host_id, const struct ud_wire_result *answer) UD_USE;

#endif
