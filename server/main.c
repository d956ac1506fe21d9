/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudyd: the table of its commands.
 */
#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "server/admin/installation.h"

static const struct {
	const char *name;
	int (*run)(struct ud_ctx *cx, int argc, char **argv);
	const char *use;
} commands[] = {
	{ "init", ud_command_init,
		"init --dir DIR [--admin-email E --admin-password-file F] [--admin-token-file F] [--database URL] [--demo]" },
	{ "serve", ud_command_serve, "serve --config DIR/understudyd.conf" },
	{ "migrate", ud_command_migrate, "migrate --config DIR/understudyd.conf [--plan]" },
	{ "check-config", ud_command_check_config,
		"check-config --config DIR/understudyd.conf [--print-defaults]" },
	{ "openapi", ud_command_openapi, "openapi" },
	{ "backup", ud_command_backup, "backup --config DIR/understudyd.conf --to FILE" },
	{ "restore", ud_command_restore, "restore --from FILE --dir DIR [--database URL]" },
	{ "doctor", ud_command_doctor, "doctor --config DIR/understudyd.conf" },
	{ "demo-seed", ud_command_demo_seed,
		"demo-seed --config DIR/understudyd.conf [--password-file F] [--seed N] [--until INSTANT]" },
};

static int usage(FILE *out, int code)
{
	fprintf(out, "understudyd %s\n", UD_VERSION);
	for (size_t i = 0; i < UD_LEN(commands); i++)
		fprintf(out, "  understudyd %s\n", commands[i].use);
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
	fprintf(stderr, "understudyd: there is no command %s\n", argv[1]);
	return usage(stderr, 2);
}
