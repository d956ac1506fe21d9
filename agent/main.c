/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy-agent: enroll, and run until a signal ends it.
 */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/breakglass.h"
#include "agent/drivers/libvirt/libvirt.h"
#include "agent/enroll.h"
#include "agent/relay.h"
#include "base/env.h"
#include "base/log.h"

enum { LOG_BYTES = 1 << 20 };

const struct ud_driver *const ud_drivers[] = { &ud_driver_libvirt, NULL };

struct flag {
	const char *name;
	const char **value;
	bool required;
};

/* Read NAME VALUE pairs; false after a message. The table ends with a NULL name. */
static bool read_flags(int argc, char **argv, const struct flag *flags)
{
	for (int i = 0; i < argc; i += 2) {
		const struct flag *f = flags;

		while (f->name && strcmp(f->name, argv[i]) != 0)
			f++;
		if (!f->name || i + 1 == argc) {
			fprintf(stderr,
				f->name ? "understudy-agent: %s needs a value\n"
					: "understudy-agent: there is no flag %s here\n",
				argv[i]);
			return false;
		}
		*f->value = argv[i + 1];
	}
	for (const struct flag *f = flags; f->name; f++)
		if (f->required && !*f->value) {
			fprintf(stderr, "understudy-agent: %s is required\n", f->name);
			return false;
		}
	return true;
}

static int failed(const struct ud_ctx *cx, const char *what)
{
	fprintf(stderr, "understudy-agent: %s: %s\n", what,
		cx->problem.detail ? cx->problem.detail : "failed");
	return 1;
}

static int command_enroll(struct ud_ctx *cx, int argc, char **argv)
{
	struct ud_enrolment in = { 0 };
	struct ud_agent_config config = { 0 };
	const struct flag flags[] = { { "--server", &in.server_url, true },
		{ "--ca-sha256", &in.root_sha256, true }, { "--token", &in.token, true },
		{ "--dir", &in.dir, true }, { "--host", &in.host_id, false },
		{ "--hypervisor-uri", &in.hypervisor_uri, false },
		{ "--replication-listen", &in.replication_listen, false }, { 0 } };

	if (!read_flags(argc, argv, flags))
		return 2;
	if (ud_agent_enroll(cx, &in, &config) != UD_OK)
		return failed(cx, "enroll");
	printf("Enrolled as %s of %s.\nStart it:  understudy-agent run --config %s/agent.conf\n",
		config.agent_id, config.host_id, in.dir);
	return 0;
}

/* ---- running ---- */

static void wait_for_end(void)
{
	sigset_t ends;
	int which;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	while (sigwait(&ends, &which) == EINTR)
		;
}

/* Where this program lies: it starts itself once more for the network. */
static enum ud_code own_program(struct ud_ctx *cx, const char **ret)
{
	char *path = ud_alloc(cx->arena, PATH_MAX + 1);
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);

	if (n <= 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot tell where this program lies");
	*ret = path;
	return UD_OK;
}

static enum ud_code run(struct ud_ctx *cx, const char *path)
{
	struct ud_agent_config config = { 0 };
	struct ud_agent_run *agent = NULL;

	UD_TRY(ud_agent_config_load(cx, path, &config));
	UD_TRY(own_program(cx, &config.network));
	ud_log_set_level((enum ud_log_level)ud_log_level_named(config.log_level));
	ud_log_keep(LOG_BYTES);
	UD_TRY(ud_agent_begin(cx, &config, ud_drivers, cx->env, &agent));
	ud_log(UD_LOG_INFO, "running", "agent", config.agent_id, "host", config.host_id, "server",
		config.server_url, "version", UD_VERSION, NULL);
	wait_for_end();
	ud_log(UD_LOG_INFO, "stopping", NULL);
	ud_agent_end(&agent);
	return UD_OK;
}

static int command_run(struct ud_ctx *cx, int argc, char **argv)
{
	const char *config = NULL;
	const struct flag flags[] = { { "--config", &config, true }, { 0 } };
	sigset_t ends;

	if (!read_flags(argc, argv, flags))
		return 2;
	/* blocked here, before any thread: only wait_for_end takes them */
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	return run(cx, config) == UD_OK ? 0 : failed(cx, "run");
}

/* ---- break-glass ---- */

enum { LINE = 4096 };

/* A line from whoever sits there, without its end; false at the end of input. */
static bool read_line(char line[LINE])
{
	if (!fgets(line, LINE, stdin))
		return false;
	line[strcspn(line, "\r\n")] = 0;
	return true;
}

static int command_breakglass(struct ud_ctx *cx, int argc, char **argv)
{
	const char *path = NULL, *vm = NULL;
	const struct flag flags[] = { { "--config", &path, true }, { "--vm", &vm, true }, { 0 } };
	UD_AUTO(ud_journal) *journal = NULL;
	struct ud_agent_config config = { 0 };
	struct ud_journal_vm taken = { 0 };
	char envelope[LINE], words[LINE];

	if (!read_flags(argc, argv, flags))
		return 2;
	if (ud_agent_config_load(cx, path, &config) != UD_OK ||
		ud_journal_open(cx, ud_agent_path(cx, &config, "journal.db"), &journal) != UD_OK)
		return failed(cx, "breakglass");
	printf("The envelope's line:\n");
	if (!read_line(envelope))
		return 2;
	printf("Two VMs that run are worse than none. When it is so, type:\n  %s\n",
		ud_breakglass_words(cx, vm));
	if (!read_line(words))
		return 2;
	if (ud_breakglass(cx, &config, journal, vm, envelope, words, &taken) != UD_OK)
		return failed(cx, "breakglass");
	printf("%s is this host's under epoch %lld. The running agent starts it within seconds.\n",
		vm, (long long)taken.epoch);
	return 0;
}

/* Not for people: run starts it with the socketpair's end as standard input. */
static int command_network(struct ud_ctx *cx, int argc, char **argv)
{
	struct ud_agent_config config = { 0 };
	const char *path = NULL;
	const struct flag flags[] = { { "--config", &path, true }, { 0 } };

	if (!read_flags(argc, argv, flags))
		return 2;
	signal(SIGPIPE, SIG_IGN);
	if (ud_agent_config_load(cx, path, &config) != UD_OK)
		return failed(cx, "network");
	ud_log_set_level((enum ud_log_level)ud_log_level_named(config.log_level));
	return ud_network_run(cx, &config, STDIN_FILENO) == UD_OK ? 0 : failed(cx, "network");
}

static const struct {
	const char *name;
	int (*run)(struct ud_ctx *cx, int argc, char **argv);
	const char *use;
} commands[] = {
	{ "enroll", command_enroll,
		"enroll --server URL --ca-sha256 PIN --token T --dir DIR [--host ID] [--hypervisor-uri U] [--replication-listen A:P]" },
	{ "run", command_run, "run --config DIR/agent.conf" },
	{ "breakglass", command_breakglass, "breakglass --config DIR/agent.conf --vm VM" },
	{ "network", command_network, NULL },
};

static int usage(FILE *out, int code)
{
	fprintf(out, "understudy-agent %s\n", UD_VERSION);
	for (size_t i = 0; i < UD_LEN(commands); i++)
		if (commands[i].use)
			fprintf(out, "  understudy-agent %s\n", commands[i].use);
	return code;
}

int main(int argc, char **argv)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena,
		.env = &ud_env_real,
		.now_ms = ud_now_ms(&ud_env_real),
		.request_id = "command" };

	if (argc < 2)
		return usage(stderr, 2);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return usage(stdout, 0);
	if (strcmp(argv[1], "--version") == 0)
		return puts(UD_VERSION) < 0;
	for (size_t i = 0; i < UD_LEN(commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(&cx, argc - 2, argv + 2);
	fprintf(stderr, "understudy-agent: there is no command %s\n", argv[1]);
	return usage(stderr, 2);
}
