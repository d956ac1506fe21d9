/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Becoming a host's agent: a key made here, a token shown once, and the server believed only when
 * its chain ends in the pinned root.
 */
#ifndef AGENT_ENROLL_H
#define AGENT_ENROLL_H

#include "agent/config.h"

struct ud_enrolment {
	const char *server_url, *root_sha256, *token, *dir;
	const char *host_id;                             /* expected host, or NULL */
	const char *hypervisor_uri, *replication_listen; /* NULL = as it was, or the standard */
};

/*
 * Enrol and write the agent's folder. A folder that is there keeps its journal and settings.
 * *ret is what agent.conf says now. UD_E_UNAUTHENTICATED when the server is not the pinned one:
 * then the token was not sent. The server's own codes otherwise.
 */
enum ud_code ud_agent_enroll(
	struct ud_ctx *cx, const struct ud_enrolment *in, struct ud_agent_config *ret) UD_USE;

#endif
