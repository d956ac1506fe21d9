/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/process.h with a test's own environment.
 */
#include "support/programs.h"

#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "support/harness.h"

extern char **environ;

pid_t program_start(const char *const *argv, int out)
{
	const struct ud_program program = { .argv = argv,
		.environment = (const char *const *)environ,
		.in = -1,
		.out = out >= 0 ? out : STDOUT_FILENO,
		.err = STDERR_FILENO };
	int pid = 0, why = ud_processes_real.start(&program, &pid);

	if (why)
		fail_msg("%s does not start: %s", argv[0], strerror(why));
	return pid;
}

int program_wait(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void print_first_line(const char *folder, const char *name)
{
	char path[300], text[200] = "?";
	FILE *f = NULL;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) < sizeof(path))
		f = fopen(path, "r");
	if (f && !fgets(text, sizeof(text), f))
		snprintf(text, sizeof(text), "-");
	if (f)
		fclose(f);
	printf(" %.*s", (int)strcspn(text, "\n"), text);
}

void program_describe(pid_t pid)
{
	char pattern[64];
	glob_t threads;

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*", (int)pid);
	if (glob(pattern, 0, NULL, &threads) != 0)
		return;
	for (size_t i = 0; i < threads.gl_pathc; i++) {
		printf("#");
		print_first_line(threads.gl_pathv[i], "stat");
		print_first_line(threads.gl_pathv[i], "wchan");
		printf("\n");
	}
	globfree(&threads);
}

int program_run(const char *const *argv)
{
	return program_wait(program_start(argv, -1));
}
