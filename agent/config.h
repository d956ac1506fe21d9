/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's folder: agent.conf, which people may change, and identity.pem and ca.pem, which only
 * the agent writes.
 */
#ifndef AGENT_CONFIG_H
#define AGENT_CONFIG_H

#include "base/ctx.h"

struct ud_agent_config {
	const char *dir; /* of agent.conf: journal, keys and the rest lie there */
	const char *server_url;
	const char *agent_id, *host_id;
	const char *command_key;          /* Ed25519, base64url: what commands are signed with */
	const char *hypervisor_uri;       /* "qemu:///system" */
	const char *replication_listen;   /* ADDRESS:PORT, or "" */
	const char *keytab;               /* for Kerberos between agents; "" = none */
	const char *media;                /* folder of first copies; "" = none */
	const char *scrub_days;           /* replicas are read through so often; "0" = never */
	const char *scrub_mib_per_second; /* not faster than that; "0" = as fast as it goes */
	const char *scripts;              /* folder of programs that plans may run; "" = none */
	const char *guard_program;        /* "" = beside this program */
	const char *watchdog;             /* of the machine, for the lease guard; "" = none */
	const char *log_level;
	/* not in the file: the program whose network part makes the calls (agent/relay.h); NULL =
	 * this process makes them itself */
	const char *network;
};

/* Read DIR/agent.conf. Texts live in the arena. UD_E_UNAVAILABLE, UD_E_VALIDATION with the lines
 * that are wrong. */
enum ud_code ud_agent_config_load(struct ud_ctx *cx, const char *path, struct ud_agent_config *ret)
	UD_USE;
/* How often replicas are read through, in milliseconds, and how fast in bytes per second; 0 =
 * never, no bound. What the config does not say is as its table says. */
int64_t ud_agent_scrub_every_ms(const struct ud_agent_config *config);
int64_t ud_agent_scrub_rate(const struct ud_agent_config *config);
/* Write agent.conf into config->dir. UD_E_UNAVAILABLE. */
enum ud_code ud_agent_config_store(struct ud_ctx *cx, const struct ud_agent_config *config) UD_USE;
/* Path of a file in the agent's folder, in the arena. */
const char *ud_agent_path(
	struct ud_ctx *cx, const struct ud_agent_config *config, const char *name);

#endif
