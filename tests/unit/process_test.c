/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running other programs: /bin/sh stands in for all of them.
 */
#include "base/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/context.h"

static enum ud_code run_script(
	struct ud_ctx *cx, const char *script, const char *input, int64_t ms, struct ud_ran *ret)
{
	const char *const argv[] = { "/bin/sh", "-c", script, "sh", "two words; exit 9", NULL };
	const struct ud_run run = { .argv = argv,
		.input = input,
		.input_n = strlen(input),
		.output_max = 1000,
		.timeout_ms = ms };

	return ud_process_run(cx, &run, ret);
}

static void output_error_and_status_come_back(void **state)
{
	struct ud_ran ran = { 0 };

	assert_int_equal(
		run_script(*state, "cat; echo oops >&2; exit 3", "hello", 60000, &ran), UD_OK);
	assert_int_equal(ran.status, 3);
	assert_string_equal(ran.output, "hello");
	assert_int_equal(ran.output_n, 5);
	assert_string_equal(ran.error, "oops\n");
	assert_false(ran.cut);
}

static void an_argument_is_no_text_for_a_shell(void **state)
{
	struct ud_ran ran = { 0 };

	assert_int_equal(run_script(*state, "printf '%s' \"$1\"", "", 60000, &ran), UD_OK);
	assert_int_equal(ran.status, 0);
	assert_string_equal(ran.output, "two words; exit 9");
}

static void nothing_of_ours_is_handed_down(void **state)
{
	struct ud_ran ran = { 0 };
	const char *const argv[] = { "/usr/bin/env", NULL };
	const char *const environment[] = { "LANG=C", NULL };
	struct ud_run run = { .argv = argv, .output_max = 1000, .timeout_ms = 60000 };

	setenv("UD_TEST_CANARY", "1", 1);
	assert_int_equal(ud_process_run(*state, &run, &ran), UD_OK);
	assert_string_equal(ran.output, "");
	run.environment = environment;
	assert_int_equal(ud_process_run(*state, &run, &ran), UD_OK);
	assert_string_equal(ran.output, "LANG=C\n");

	int leak = dup(STDERR_FILENO); /* without FD_CLOEXEC */
	struct ud_ctx *cx = *state;
	const char *script =
		ud_printf(cx->arena, "if true >&%d; then echo open; else echo closed; fi", leak);

	assert_int_equal(run_script(cx, script, "", 60000, &ran), UD_OK);
	close(leak);
	assert_null(strstr(ran.output, "open"));
}

static void output_beyond_the_bound_is_dropped_but_read(void **state)
{
	struct ud_ran ran = { 0 };

	/* far more than a pipe holds: the program ends all the same */
	assert_int_equal(run_script(*state, "head -c 300000 /dev/zero", "", 60000, &ran), UD_OK);
	assert_int_equal(ran.status, 0);
	assert_int_equal(ran.output_n, 1000);
	assert_true(ran.cut);
}

static void input_that_nobody_reads_harms_nobody(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_ran ran = { 0 };
	char *much = ud_alloc(cx->arena, 300001);

	memset(much, 'x', 300000);
	assert_int_equal(run_script(cx, "exec <&-; exit 0", much, 60000, &ran), UD_OK);
	assert_int_equal(ran.status, 0);
	assert_int_equal(run_script(cx, "wc -c", much, 60000, &ran), UD_OK);
	assert_int_equal(atoi(ran.output), 300000);
}

static void a_signal_shows_in_the_status(void **state)
{
	struct ud_ran ran = { 0 };

	assert_int_equal(run_script(*state, "kill -KILL $$", "", 60000, &ran), UD_OK);
	assert_int_equal(ran.status, 128 + SIGKILL);
}

static void what_takes_too_long_is_killed_with_all_it_started(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_ran ran = { 0 };

	/* the grandchild would hold the output open for a minute */
	assert_int_equal(
		run_script(cx, "sleep 60 & echo $!; wait", "", 50, &ran), UD_E_UNAVAILABLE);
	assert_string_equal(cx->problem.detail, "/bin/sh did not end within 50 ms");
	/* it may also close its outputs and stay */
	assert_int_equal(run_script(cx, "exec >&- 2>&-; sleep 60", "", 50, &ran), UD_E_UNAVAILABLE);
}

static void a_program_that_is_not_there_is_unavailable(void **state)
{
	struct ud_ctx *cx = *state;
	const char *const argv[] = { "/no/such/program", NULL };
	const struct ud_run run = { .argv = argv, .timeout_ms = 1000 };
	struct ud_ran ran;

	assert_int_equal(ud_process_run(cx, &run, &ran), UD_E_UNAVAILABLE);
	assert_string_equal(cx->problem.detail, "/no/such/program: No such file or directory");
}

static void a_started_program_is_waited_for_and_killed(void **state)
{
	struct ud_ctx *cx = *state;
	const struct ud_processes *processes = cx->env->processes;
	const char *const argv[] = { "/bin/sh", "-c", "exec sleep 60", NULL };
	const struct ud_program program = { argv, NULL, -1, -1, -1 };
	int pid = 0, status = 0;

	assert_int_equal(processes->start(&program, &pid), 0);
	assert_int_equal(processes->wait(pid, 0, &status), ETIMEDOUT);
	assert_int_equal(processes->kill(pid, SIGTERM), 0);
	assert_int_equal(processes->wait(pid, 60000, &status), 0);
	assert_int_equal(status, 128 + SIGTERM);
	assert_int_equal(processes->kill(pid, SIGTERM), ESRCH);
	assert_int_not_equal(processes->wait(pid, 0, &status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(output_error_and_status_come_back),
		cmocka_unit_test(an_argument_is_no_text_for_a_shell),
		cmocka_unit_test(nothing_of_ours_is_handed_down),
		cmocka_unit_test(output_beyond_the_bound_is_dropped_but_read),
		cmocka_unit_test(input_that_nobody_reads_harms_nobody),
		cmocka_unit_test(a_signal_shows_in_the_status),
		cmocka_unit_test(what_takes_too_long_is_killed_with_all_it_started),
		cmocka_unit_test(a_program_that_is_not_there_is_unavailable),
		cmocka_unit_test(a_started_program_is_waited_for_and_killed),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
