/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The box of box.h: everything is asked of the site's own program.
 */
#include "support/box.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/drivers/hyperv/hyperv.h"
#include "base/env.h"
#include "base/process.h"
#include "support/context.h"

enum { WORDS = 16, RUN_MS = 120000, OUTPUT = 1 << 20 };

const struct ud_driver *const box_drivers[] = { &ud_driver_hyperv, NULL };

void box_begin(struct ud_ctx *cx, struct box *ret)
{
	int in[2], out[2];
	char ready[8] = "";

	cx->env = &ud_env_real;
	cx->now_ms = ud_now_ms(cx->env);
	*ret = (struct box){ .cx = cx, .socket = context_path(cx, "site") };
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
	const char *const argv[] = { "/usr/bin/python3", "-B",
		UD_SOURCE_DIR "/tests/hyperv/powershell.py", ret->socket, NULL };
	const struct ud_program program = {
		.argv = argv, .in = in[0], .out = out[1], .err = STDERR_FILENO
	};

	assert_int_equal(ud_env_real.processes->start(&program, &ret->pid), 0);
	close(in[0]);
	close(out[1]);
	ret->in = in[1];
	assert_true(read(out[0], ready, sizeof(ready)) > 0);
	close(out[0]);
}

const char *box_do(struct box *b, const char *what, ...)
{
	const char *argv[WORDS] = { UD_BINARY_DIR "/hyperv-stub", b->socket, "!", what };
	const struct ud_run run = { .argv = argv, .output_max = OUTPUT, .timeout_ms = RUN_MS };
	struct ud_ran ran = { 0 };
	size_t n = 4;
	va_list ap;

	va_start(ap, what);
	for (const char *word; n < WORDS - 1 && (word = va_arg(ap, const char *));)
		argv[n++] = word;
	va_end(ap);
	assert_int_equal(ud_process_run(b->cx, &run, &ran), UD_OK);
	if (ran.status != 0 || strncmp(ran.output, "ERROR", 5) == 0)
		fail_msg("%s: %s", what, ran.output);
	return ud_strndup(b->cx->arena, ran.output, strcspn(ran.output, "\n"));
}

const char *box_host(struct box *b, const char *name)
{
	struct ud_ctx *cx = b->cx;
	const char *program = context_file(cx, ud_printf(cx->arena, "powershell-%s", name),
		ud_printf(cx->arena, "#!/bin/sh\nexec '%s' '%s' %s \"$@\"\n",
			UD_BINARY_DIR "/hyperv-stub", b->socket, name));

	assert_int_equal(chmod(program, 0700), 0);
	box_do(b, "host", name, NULL);
	return ud_printf(
		cx->arena, "hyperv:local?dir=%s&powershell=%s", context_path(cx, name), program);
}

void box_end(struct box *b)
{
	const char *violations = box_do(b, "violations", NULL);
	int status;

	close(b->in);
	assert_int_equal(ud_env_real.processes->wait(b->pid, RUN_MS, &status), 0);
	assert_string_equal(violations, "");
}
