/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On Windows the agent is one process, which makes its calls itself (agent/link.h): nothing starts
 * a network part, and there is none.
 */
#include "agent/relay.h"

enum ud_code ud_relay_start(struct ud_ctx *cx, const struct ud_agent_config *config,
	const char *program, struct ud_relay **ret)
{
	(void)config, (void)program, (void)ret;
	return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "the agent has no network part on Windows");
}

void ud_relay_stop(struct ud_relay *relay)
{
	(void)relay;
}

void ud_relay_release(struct ud_relay **relay)
{
	(void)relay;
}

enum ud_code ud_relay_call(struct ud_ctx *cx, struct ud_relay *relay, const char *path,
	const char *body, int64_t timeout_ms, struct ud_link_answer *ret, int64_t *ret_asked_ms)
{
	(void)relay, (void)path, (void)body, (void)timeout_ms, (void)ret, (void)ret_asked_ms;
	return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "the agent has no network part on Windows");
}
