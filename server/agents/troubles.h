/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands around a host's VMs and is not whole: a card of a team is down, storage is not
 * healthy, a path to a file server has failed. When that begins the log says so and the provider's
 * leads and engineers are told; when it is over the log says so, too.
 */
#ifndef SERVER_AGENTS_TROUBLES_H
#define SERVER_AGENTS_TROUBLES_H

#include "base/machine.h"
#include "db/hosts.h"

/* Compare what a host tells with what it told before (before NULL = nothing yet); events
 * `host.team_degraded`, `host.storage_degraded`, `host.path_failed` with the name of the part, and
 * `host.team_whole`, `host.storage_whole`, `host.path_whole`. In the caller's transaction. */
enum ud_code ud_troubles_follow(struct ud_ctx *cx, const struct ud_host *host,
	const struct ud_host_facts *before, const struct ud_host_facts *now) UD_USE;

/* A host keeps a seal of the log that does not fit ours: said once per host, as event
 * `host.log_doubted` and to the same people. In the caller's transaction. */
enum ud_code ud_troubles_seal(
	struct ud_ctx *cx, const char *host_id, int64_t number, const char *digest) UD_USE;

#endif
