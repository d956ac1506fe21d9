/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of a guest's cards, set through the guest's own agent: ip on Linux, netsh on Windows,
 * each by its arguments, never by a line for a shell. What is set holds until the guest sets its
 * cards anew.
 */
#ifndef AGENT_GUEST_CARDS_H
#define AGENT_GUEST_CARDS_H

#include "agent/driver.h"
#include "base/failover.h"

struct ud_guest_kit;

/* A guest that answers: what it sets its cards with, and which it has. */
struct ud_guest_net {
	const struct ud_guest_kit *kit;
	const char *program; /* path in the guest */
	const char *listing; /* its cards, in the program's words */
};

/*
 * Ask the guest. UD_E_UNSUPPORTED: it has no program that we know, or the hypervisor cannot ask;
 * other codes: it does not answer, which may pass.
 */
enum ud_code ud_guest_net_ask(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_guest_net *ret) UD_USE;
/* Set one card; what became of it is in *ret, which never is a failure of the call. */
void ud_guest_card_set(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const struct ud_guest_net *net, const struct ud_card_addresses *card,
	struct ud_card_told *ret);

#endif
