/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Promoting a replica by hand while no server can be reached: an envelope that the server made
 * beforehand, and a statement that a person types. The journal has it in one transaction; the
 * running agent does the rest (agent/lease.h), and tells the server when it is back.
 */
#ifndef AGENT_BREAKGLASS_H
#define AGENT_BREAKGLASS_H

#include "agent/config.h"
#include "agent/journal.h"

/* The words that a person must type, exactly. In the arena. */
const char *ud_breakglass_words(struct ud_ctx *cx, const char *vm_id);
/*
 * Take a VM over under the epoch after the one it has: role primary, no more grants to the peer,
 * and a note of who said what. UD_E_VALIDATION: envelope or words are wrong; UD_E_EXPIRED;
 * UD_E_INVALID_STATE: this host is not the VM's replica, or it knows another epoch than the
 * envelope. ret: as it is stored now.
 */
enum ud_code ud_breakglass(struct ud_ctx *cx, const struct ud_agent_config *config,
	ud_journal *journal, const char *vm_id, const char *envelope, const char *words,
	struct ud_journal_vm *ret) UD_USE;

#endif
