/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program on the host itself, for a step of a plan: one of those that the host's administrator
 * has put into a folder, named by its file name. Never a path, never a shell's line, never anything
 * that somebody else than the administrator could have changed.
 */
#include <string.h>

#include "agent/script.h"
#include "agent/verbs.h"
#include "base/process.h"
#include "base/verbs.h"

enum { OUTPUT_KEPT = 16 << 10 };

/* Letters, digits, '-', '_' and '.', and no '.' in front: it names a file and nothing else. */
static bool is_file_name(const char *name)
{
	return *name && *name != '.' &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		strlen(name);
}

static const char **argv_of(struct ud_ctx *cx, const char *path, const struct ud_texts *arguments)
{
	const char **argv = ud_alloc(cx->arena, sizeof(*argv) * (arguments->count + 2));

	argv[0] = path;
	for (size_t i = 0; i < arguments->count; i++)
		argv[i + 1] = arguments->items[i];
	return argv;
}

enum ud_code ud_do_step_script(struct ud_ctx *cx, struct ud_act *act)
{
	static const char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"LC_ALL=C.UTF-8", NULL
	};
	const struct ud_guest_args *args = act->args;
	const char *folder = act->station->config->scripts, *path = NULL;
	struct ud_ran ran = { 0 };

	if (!folder || !*folder)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL,
			"This host has no folder of programs for plans: option scripts of section"
			" agent.");
	if (!is_file_name(args->program))
		return ud_fail(cx, UD_E_VALIDATION, "program",
			"A program of this host is named by its file name alone.");
	UD_TRY(ud_script_find(cx, folder, args->program, &path));
	const struct ud_run run = { .argv = argv_of(cx, path, &args->arguments),
		.environment = environment,
		.output_max = OUTPUT_KEPT,
		.timeout_ms = args->timeout_seconds * 1000 };

	act->begun = true;
	UD_TRY(ud_process_run(cx, &run, &ran));
	const struct ud_guest_result r = { ran.status, ud_script_text(cx, ran.output, ran.output_n),
		ud_script_text(cx, ran.error, ran.error_n), ran.cut };

	ud_act_leave(cx, act, &ud_guest_result_shape, &r);
	return UD_OK;
}

/* Programs write any bytes; what is told is ASCII. */
const char *ud_script_text(struct ud_ctx *cx, const char *data, size_t n)
{
	char *text = ud_alloc(cx->arena, n + 1);

	for (size_t i = 0; i < n; i++)
		text[i] = (data[i] >= ' ' && data[i] < 127) || data[i] == '\n' || data[i] == '\t'
			? data[i]
			: '?';
	return text;
}
