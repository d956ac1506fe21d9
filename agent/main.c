/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy-agent: enroll, break-glass, and the table of commands.
 */
#include "agent/main.h"

#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/breakglass.h"
#include "agent/enroll.h"
#include "agent/hold.h"
#include "base/env.h"
#include "base/log.h"

enum { LOG_BYTES = 1 << 20 };

bool ud_command_flags(int argc, char **argv, const struct ud_command_flag *flags)
{
	for (int i = 0; i < argc; i += 2) {
		const struct ud_command_flag *f = flags;

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
	for (const struct ud_command_flag *f = flags; f->name; f++)
		if (f->required && !*f->value) {
			fprintf(stderr, "understudy-agent: %s is required\n", f->name);
			return false;
		}
	return true;
}

int ud_command_failed(const struct ud_ctx *cx, const char *what)
{
	fprintf(stderr, "understudy-agent: %s: %s\n", what,
		cx->problem.detail ? cx->problem.detail : "failed");
	return 1;
}

static int command_enroll(struct ud_ctx *cx, int argc, char **argv)
{
	struct ud_enrolment in = { 0 };
	struct ud_agent_config config = { 0 };
	const struct ud_command_flag flags[] = { { "--server", &in.server_url, true },
		{ "--ca-sha256", &in.root_sha256, true }, { "--token", &in.token, true },
		{ "--dir", &in.dir, true }, { "--host", &in.host_id, false },
		{ "--hypervisor-uri", &in.hypervisor_uri, false },
		{ "--replication-listen", &in.replication_listen, false }, { 0 } };

	if (!ud_command_flags(argc, argv, flags))
		return 2;
	if (ud_agent_enroll(cx, &in, &config) != UD_OK)
		return ud_command_failed(cx, "enroll");
	printf("Enrolled as %s of %s.\nStart it:  understudy-agent run --config %s/agent.conf\n",
		config.agent_id, config.host_id, in.dir);
	return 0;
}

/* ---- running ---- */

enum ud_code ud_command_serve(
	struct ud_ctx *cx, const struct ud_agent_config *config, void (*wait)(void *), void *data)
{
	struct ud_agent_run *agent = NULL;

	ud_log_set_level((enum ud_log_level)ud_log_level_named(config->log_level));
	ud_log_keep(LOG_BYTES);
	UD_TRY(ud_agent_begin(cx, config, ud_drivers, cx->env, NULL, &agent));
	ud_log(UD_LOG_INFO, "running", "agent", config->agent_id, "host", config->host_id, "server",
		config->server_url, "version", UD_VERSION, NULL);
	wait(data);
	ud_log(UD_LOG_INFO, "stopping", NULL);
	ud_agent_end(&agent);
	return UD_OK;
}

/* ---- boot hold ---- */

enum { DEFINITION_MAX = 1 << 20 };

/* For the hypervisor's hook: its definition comes on standard input. Exit status 0 = it may. */
static int command_may_start(struct ud_ctx *cx, int argc, char **argv)
{
	const char *path = NULL, *uuid;
	const struct ud_command_flag flags[] = { { "--config", &path, true }, { 0 } };
	UD_AUTO(ud_journal) *journal = NULL;
	struct ud_agent_config config = { 0 };
	char *text = ud_alloc(cx->arena, DEFINITION_MAX + 1), boot[UD_CLOCK_NAME];

	if (!ud_command_flags(argc, argv, flags))
		return 2;
	text[fread(text, 1, DEFINITION_MAX, stdin)] = 0;
	uuid = ud_hold_uuid(cx, text);
	if (!uuid) {
		fputs("understudy-agent: there is no VM's definition on standard input\n", stderr);
		return 2;
	}
	ud_boot_name(cx->env, boot);
	if (ud_agent_config_load(cx, path, &config) != UD_OK ||
		ud_journal_open(cx, ud_agent_path(cx, &config, "journal.db"), &journal) != UD_OK ||
		ud_hold_judge(cx, journal, uuid, boot) != UD_OK)
		return ud_command_failed(cx, "may-start");
	return 0;
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
	const struct ud_command_flag flags[] = { { "--config", &path, true }, { "--vm", &vm, true },
		{ 0 } };
	UD_AUTO(ud_journal) *journal = NULL;
	struct ud_agent_config config = { 0 };
	struct ud_journal_vm taken = { 0 };
	char envelope[LINE], words[LINE];

	if (!ud_command_flags(argc, argv, flags))
		return 2;
	if (ud_agent_config_load(cx, path, &config) != UD_OK ||
		ud_journal_open(cx, ud_agent_path(cx, &config, "journal.db"), &journal) != UD_OK)
		return ud_command_failed(cx, "breakglass");
	printf("The envelope's line:\n");
	if (!read_line(envelope))
		return 2;
	printf("Two VMs that run are worse than none. When it is so, type:\n  %s\n",
		ud_breakglass_words(cx, vm));
	if (!read_line(words))
		return 2;
	if (ud_breakglass(cx, &config, journal, vm, envelope, words, &taken) != UD_OK)
		return ud_command_failed(cx, "breakglass");
	printf("%s is this host's under epoch %lld. The running agent starts it within seconds.\n",
		vm, (long long)taken.epoch);
	return 0;
}

/* ---- the hypervisor's names ---- */

struct differing {
	size_t missing, more;
};

static enum ud_code print_difference(
	struct ud_ctx *cx, void *data, const struct ud_hv_difference *d)
{
	struct differing *n = data;

	(void)cx;
	*(d->missing ? &n->missing : &n->more) += 1;
	printf("%s %s %s%s%s\n", d->missing ? "missing:" : "beyond: ", d->kind, d->name,
		d->which ? " " : "", d->which ? d->which : "");
	return UD_OK;
}

/* Exit status 0 = all that the driver was written by is there. */
static int command_selftest(struct ud_ctx *cx, int argc, char **argv)
{
	const char *uri = NULL;
	const struct ud_command_flag flags[] = { { "--hypervisor-uri", &uri, true }, { 0 } };
	struct differing n = { 0 };
	struct ud_hv *hv = NULL;
	size_t compared = 0;

	if (!ud_command_flags(argc, argv, flags))
		return 2;
	if (ud_hv_open(cx, ud_drivers, uri, NULL, NULL, &hv) != UD_OK)
		return ud_command_failed(cx, "selftest");
	enum ud_code code = ud_hv_selftest(cx, hv, print_difference, &n, &compared);

	ud_hv_close(&hv);
	if (code != UD_OK)
		return ud_command_failed(cx, "selftest");
	printf("%zu lists of names compared: %zu missing, %zu beyond what is known.\n", compared,
		n.missing, n.more);
	return n.missing ? 1 : 0;
}

static const struct ud_command commands[] = {
	{ "enroll", command_enroll,
		"enroll --server URL --ca-sha256 PIN --token T --dir DIR [--host ID] [--hypervisor-uri U] [--replication-listen A:P]" },
	{ "may-start", command_may_start, "may-start --config DIR/agent.conf < DEFINITION" },
	{ "breakglass", command_breakglass, "breakglass --config DIR/agent.conf --vm VM" },
	{ "selftest", command_selftest, "selftest --hypervisor-uri hyperv:local" },
	{ 0 },
};
static const struct ud_command *const tables[] = { commands, ud_system_commands };

static int usage(FILE *out, int code)
{
	fprintf(out, "understudy-agent %s\n", UD_VERSION);
	for (size_t i = 0; i < UD_LEN(tables); i++)
		for (const struct ud_command *c = tables[i]; c->name; c++)
			if (c->use)
				fprintf(out, "  understudy-agent %s\n", c->use);
	return code;
}

static const struct ud_command *find(const char *name)
{
	for (size_t i = 0; i < UD_LEN(tables); i++)
		for (const struct ud_command *c = tables[i]; c->name; c++)
			if (strcmp(c->name, name) == 0)
				return c;
	return NULL;
}

int main(int argc, char **argv)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena,
		.env = &ud_env_real,
		.now_ms = ud_now_ms(&ud_env_real),
		.request_id = "command" };

	ud_system_arguments(&cx, &argc, &argv);
	if (argc < 2)
		return usage(stderr, 2);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return usage(stdout, 0);
	if (strcmp(argv[1], "--version") == 0)
		return puts(UD_VERSION) < 0;
	const struct ud_command *command = find(argv[1]);

	if (command)
		return command->run(&cx, argc - 2, argv + 2);
	fprintf(stderr, "understudy-agent: there is no command %s\n", argv[1]);
	return usage(stderr, 2);
}
