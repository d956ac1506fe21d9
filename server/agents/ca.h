/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The installation's own authority: a root, one intermediate for servers and one for agents, and
 * the key that commands are signed with. They lie in the database, so that equal servers share
 * them; private keys are sealed with the installation's key.
 */
#ifndef SERVER_AGENTS_CA_H
#define SERVER_AGENTS_CA_H

#include "base/sign.h"
#include "base/x509.h"
#include "db/commands.h"

struct ud_ca {
	const char *root, *servers, *agents; /* certificates, PEM, in the arena */
	const char *servers_key, *agents_key;
	char pin[UD_SHA256_HEX]; /* SHA-256 of the root's DER */
};

/* Make the authority and the command key unless they are there. Inside a write. */
enum ud_code ud_ca_ensure(struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY]) UD_USE;
/* Read and unseal what the agents' port needs. UD_E_UNAVAILABLE when it is missing or was sealed
 * with another key. */
enum ud_code ud_ca_load(struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY], struct ud_ca *ret)
	UD_USE;
/* The private key that commands are signed with (base/sign.h). Wipe it after use. */
enum ud_code ud_command_key(struct ud_ctx *cx, const unsigned char seal[UD_SEAL_KEY],
	unsigned char ret[UD_SIGN_KEY]) UD_USE;

/* Store a command, signed: ud_command_add with the installation's key. */
enum ud_code ud_command_send(struct ud_ctx *cx, const struct ud_commanding *c,
	const struct ud_command_new *in, int64_t *ret_seq) UD_USE;

/* A fresh key and certificate for a server with these names and addresses: the chain with the root
 * at its end, and the key. */
enum ud_code ud_ca_server(struct ud_ctx *cx, const struct ud_ca *ca, const struct ud_texts *hosts,
	const char **ret_chain, const char **ret_key) UD_USE;
/* A certificate for an agent's public key, good for 30 days from now. */
enum ud_code ud_ca_agent(struct ud_ctx *cx, const struct ud_ca *ca, const char *agent_id,
	const char *public_key, const char **ret) UD_USE;

#endif
