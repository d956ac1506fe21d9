/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy: from words to a call. The few commands that are not an operation stand in a table;
 * everything else is looked up in the specification.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/embed.h"
#include "base/env.h"
#include "cli/cli.h"

extern const struct ud_embedded cli_files[];

static int print_version(struct cli *c)
{
	(void)c;
	return puts(UD_VERSION) < 0;
}

static const struct {
	const char *words;
	int (*run)(struct cli *c);
	bool offline; /* needs no server */
} own[] = {
	{ "auth can", ud_cli_run_can, true },
	{ "auth", ud_cli_auth_run, true },
	{ "context", ud_cli_context_run, true },
	{ "api", ud_cli_run_api, false },
	{ "operation wait", ud_cli_run_wait, false },
	{ "ticket attach", ud_cli_run_attach, false },
	{ "ticket watch", ud_cli_run_watch_ticket, false },
	{ "audit export", ud_cli_run_audit_export, false },
	{ "failover evidence", ud_cli_run_evidence, false },
	{ "failover request", ud_cli_run_request, false },
	{ "failover preview-failback", ud_cli_run_preview, false },
	{ "failover watch", ud_cli_run_watch_run, false },
	{ "drill", ud_cli_run_drill, false },
	{ "apply", ud_cli_run_apply, false },
	{ "diff", ud_cli_run_apply, false },
	{ "import", ud_cli_run_import, false },
	{ "event follow", ud_cli_run_follow, false },
	{ "replication top", ud_cli_run_top, false },
	{ "vm unprotect", ud_cli_run_unprotect, false },
	{ "status", ud_cli_run_status, false },
	{ "verify", ud_cli_verify, true },
	{ "completion", ud_cli_completion, true },
	{ "help", ud_cli_help, true },
	{ "version", print_version, true },
};

int ud_cli_fail(int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("understudy: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	return code;
}

/* Do the words begin with these? */
static size_t begins(const struct cli *c, const char *words)
{
	size_t n = 0;

	while (*words) {
		size_t len = strcspn(words, " ");

		if (n >= c->word_count || strlen(c->words[n]) != len ||
			strncmp(c->words[n], words, len) != 0)
			return 0;
		n++;
		words += len + (words[len] == ' ');
	}
	return n;
}

static int interrupted_at_once(void)
{
	signal(SIGPIPE, SIG_DFL);
	return 0;
}

/* Other names of commands, the longer first. */
static const struct {
	const char *words, *is;
} aliases[] = {
	{ "auth token revoke", "token delete" },
	{ "auth token", "token" },
	{ "auth whoami", "whoami" },
	{ "token revoke", "token delete" },
	{ "session revoke", "session delete" },
	{ "plan history", "plan versions" },
};

/* Put a command's own name in the place of another one. */
static void take_alias(struct cli *c)
{
	for (size_t i = 0; i < UD_LEN(aliases); i++) {
		size_t n = begins(c, aliases[i].words), to = 0;
		const char *is = aliases[i].is;

		if (!n)
			continue;
		for (; *is; is += strcspn(is, " ") + (is[strcspn(is, " ")] == ' '))
			c->words[to++] = ud_strndup(c->cx.arena, is, strcspn(is, " "));
		memmove(c->words + to, c->words + n, (c->word_count - n) * sizeof(*c->words));
		c->word_count -= n - to;
		return;
	}
}

static bool takes_zone(struct cli *c, const struct cli_command *cmd)
{
	json_t *schema = ud_cli_body_schema(c, cmd);

	return json_object_get(json_object_get(schema, "properties"), "time_zone") != NULL;
}

static int run(struct cli *c)
{
	struct cli_command cmd;
	size_t used;
	int code;

	take_alias(c);
	if (c->word_count == 0 || ud_cli_flag(c, "help"))
		return ud_cli_help(c);
	for (size_t i = 0; i < UD_LEN(own); i++)
		if (begins(c, own[i].words)) {
			code = ud_cli_zone(c, false);
			if (code == CLI_DONE && !own[i].offline)
				code = ud_cli_context_load(c);
			return code ? code : own[i].run(c);
		}
	if (!ud_cli_command_find(c, &cmd, &used))
		return ud_cli_fail(CLI_USAGE, "there is no command %s%s%s; see understudy help",
			c->words[0], c->word_count > 1 ? " " : "",
			c->word_count > 1 ? c->words[1] : "");
	code = ud_cli_zone(c, takes_zone(c, &cmd));
	if (code == CLI_DONE)
		code = ud_cli_context_load(c);
	return code ? code : ud_cli_run_operation(c, &cmd, used);
}

int main(int argc, char **argv)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct cli c = {
		.cx = { .arena = arena, .env = &ud_env_real, .now_ms = ud_now_ms(&ud_env_real) }
	};

	interrupted_at_once();
	c.spec = json_loadb(cli_files[0].data, cli_files[0].size, 0, NULL);
	if (!c.spec)
		return ud_cli_fail(
			CLI_UNEXPECTED, "the specification inside the program is damaged");
	if (argc > 1 && strcmp(argv[1], "__complete") == 0) {
		for (int i = 2; i < argc && c.word_count < CLI_MAX_WORDS; i++)
			c.words[c.word_count++] = argv[i];
		ud_cli_complete(&c);
		json_decref(c.spec);
		return CLI_DONE;
	}
	int code = ud_cli_args(&c, argc - 1, argv + 1);

	if (code == CLI_DONE)
		code = run(&c);
	json_decref(c.spec);
	if (fflush(stdout) != 0 && code == CLI_DONE)
		code = CLI_UNEXPECTED;
	return code;
}
