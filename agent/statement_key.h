/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's own Ed25519 key: what it saw is signed with it (base/statement.h). It lies in
 * statement.key beside the identity, readable by the owner alone, and never leaves the host.
 */
#ifndef AGENT_STATEMENT_KEY_H
#define AGENT_STATEMENT_KEY_H

#include "agent/config.h"
#include "base/sign.h"

/* Make a new key in place of what is there: an enrolment begins with one of its own.
 * UD_E_UNAVAILABLE, UD_E_STORAGE_FULL. */
enum ud_code ud_statement_key_make(struct ud_ctx *cx, const struct ud_agent_config *config) UD_USE;
/* Read it; one that is missing or damaged is made. False: there is none and none can be stored;
 * the log says why, and the agent works on without signing. Wipe it after use. */
bool ud_statement_key(
	struct ud_ctx *cx, const struct ud_agent_config *config, unsigned char ret[UD_SIGN_KEY]);

#endif
