/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent is two processes: one that speaks with the network and has no rights, and one that has
 * rights at the hypervisor and never touches the network for commands. Between them lies a
 * socketpair with frames: a length, then JSON. The side with rights (ud_relay…) asks for calls; the
 * side without (ud_network_run) makes them over TLS and hands back what was answered. What comes
 * back is believed no more than the network is: commands are signed.
 */
#ifndef AGENT_RELAY_H
#define AGENT_RELAY_H

#include "agent/link.h"

struct ud_relay;

/*
 * Start the network part (the program, as "network --config FILE") and keep it running: one that
 * ends is started anew. UD_E_UNAVAILABLE when it cannot be started at all. Release with
 * ud_relay_release.
 */
enum ud_code ud_relay_start(struct ud_ctx *cx, const struct ud_agent_config *config,
	const char *program, struct ud_relay **ret) UD_USE;
/* Calls that are going on end; from now on all do. Any thread. */
void ud_relay_stop(struct ud_relay *relay);
/* Takes NULL. */
void ud_relay_release(struct ud_relay **relay);
/* As ud_link_call; *ret_asked_ms: how long the server asked us to wait. Any thread. */
enum ud_code ud_relay_call(struct ud_ctx *cx, struct ud_relay *relay, const char *path,
	const char *body, int64_t timeout_ms, struct ud_link_answer *ret, int64_t *ret_asked_ms)
	UD_USE;

/*
 * The network part: read the identity, give up all rights, and serve the descriptor until the other
 * side is gone. Renews the certificate; the other side stores it.
 */
enum ud_code ud_network_run(struct ud_ctx *cx, const struct ud_agent_config *config, int fd) UD_USE;

#endif
