/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy-agent on a POSIX system: run until a signal ends it, and the network part.
 */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "agent/drivers/libvirt/libvirt.h"
#include "agent/main.h"
#include "agent/relay.h"
#include "base/log.h"
#include "base/process.h"

const struct ud_driver *const ud_drivers[] = { &ud_driver_libvirt, NULL };

void ud_system_arguments(struct ud_ctx *cx, int *argc, char ***argv)
{
	(void)cx, (void)argc, (void)argv;
}

static void wait_for_end(void *data)
{
	sigset_t ends;
	int which;

	(void)data;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	while (sigwait(&ends, &which) == EINTR)
		;
}

static enum ud_code run(struct ud_ctx *cx, const char *path)
{
	struct ud_agent_config config = { 0 };

	UD_TRY(ud_agent_config_load(cx, path, &config));
	/* this program starts itself once more for the network */
	UD_TRY(ud_own_program(cx, &config.network));
	return ud_command_serve(cx, &config, wait_for_end, NULL);
}

static int command_run(struct ud_ctx *cx, int argc, char **argv)
{
	const char *config = NULL;
	const struct ud_command_flag flags[] = { { "--config", &config, true }, { 0 } };
	sigset_t ends;

	if (!ud_command_flags(argc, argv, flags))
		return 2;
	/* blocked here, before any thread: only wait_for_end takes them */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	return run(cx, config) == UD_OK ? 0 : ud_command_failed(cx, "run");
}

/* Not for people: run starts it with the socketpair's end as standard input. */
static int command_network(struct ud_ctx *cx, int argc, char **argv)
{
	struct ud_agent_config config = { 0 };
	const char *path = NULL;
	const struct ud_command_flag flags[] = { { "--config", &path, true }, { 0 } };

	if (!ud_command_flags(argc, argv, flags))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	if (ud_agent_config_load(cx, path, &config) != UD_OK)
		return ud_command_failed(cx, "network");
	ud_log_set_level((enum ud_log_level)ud_log_level_named(config.log_level));
	return ud_network_run(cx, &config, STDIN_FILENO) == UD_OK
		? 0
		: ud_command_failed(cx, "network");
}

const struct ud_command ud_system_commands[] = {
	{ "run", command_run, "run --config DIR/agent.conf" },
	{ "network", command_network, NULL },
	{ 0 },
};
