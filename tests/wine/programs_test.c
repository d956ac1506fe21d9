/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running other programs on Windows: child.c stands in for all of them.
 */
#include <windows.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/process.h"
#include "support/context.h"

enum { LONG_MS = 120000, SHORT_MS = 1500 };

static const char *child(struct ud_ctx *cx)
{
	const char *own = NULL;

	assert_int_equal(ud_own_program(cx, &own), UD_OK);
	return ud_printf(cx->arena, "%.*schild.exe", (int)ud_path_head(own), own);
}

static enum ud_code run(struct ud_ctx *cx, const char *what, const char *word, struct ud_run rest,
	struct ud_ran *ret)
{
	const char *const argv[] = { child(cx), what, word, NULL };

	rest.argv = argv;
	rest.output_max = rest.output_max ? rest.output_max : 4096;
	rest.timeout_ms = rest.timeout_ms ? rest.timeout_ms : LONG_MS;
	return ud_process_run(cx, &rest, ret);
}

/* What a shell, or a careless joining of texts, would take apart. */
static void arguments_arrive_as_they_are(void **state)
{
	static const char *const hard[] = { "", " ", "two words", "\"", "\\", "a\\", "a\\\\",
		"\\\"", "a\\\\\"b c", "\"quoted\"", "tab\there", "%PATH%", "^&|<>()!", "*", "/c",
		"-", "'", "Zürich", "東京 雪", "\xf0\x9f\x98\x80", "$(whoami)", "`x`", ";rm",
		"a=b" };
	struct ud_ctx *cx = *state;
	const char *argv[UD_LEN(hard) + 3] = { child(cx), "args" };
	struct ud_run run = { .argv = argv, .output_max = 4096, .timeout_ms = LONG_MS };
	struct ud_buf want = { 0 };
	struct ud_ran ran = { 0 };

	for (size_t i = 0; i < UD_LEN(hard); i++) {
		argv[i + 2] = hard[i];
		ud_buf_puts(&want, hard[i]);
		ud_buf_putc(&want, '\n');
	}
	assert_int_equal(ud_process_run(cx, &run, &ran), UD_OK);
	assert_string_equal(ran.output, ud_buf_text(&want));
	ud_buf_free(&want);
}

static void what_goes_in_comes_out(void **state)
{
	enum { MUCH = 1 << 20 };
	struct ud_ctx *cx = *state;
	char *data = ud_alloc(cx->arena, MUCH);
	struct ud_ran ran = { 0 };

	for (size_t i = 0; i < MUCH; i++)
		data[i] = (char)(i * 2654435761U >> 13);
	assert_int_equal(
		run(cx, "cat", "",
			(struct ud_run){ .input = data, .input_n = MUCH, .output_max = MUCH },
			&ran),
		UD_OK);
	assert_int_equal(ran.status, 0);
	assert_int_equal(ran.output_n, MUCH);
	assert_memory_equal(ran.output, data, MUCH);
	assert_false(ran.cut);
	assert_string_equal(ran.error, "");
}

/* It reads nothing of what we have for it. */
static void input_that_nobody_reads_blocks_nobody(void **state)
{
	struct ud_ctx *cx = *state;
	char *data = ud_alloc(cx->arena, 1 << 20);
	struct ud_ran ran = { 0 };

	assert_int_equal(
		run(cx, "exit", "3", (struct ud_run){ .input = data, .input_n = 1 << 20 }, &ran),
		UD_OK);
	assert_int_equal(ran.status, 3);
}

static void what_is_too_much_is_cut(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_ran ran = { 0 };

	assert_int_equal(
		run(cx, "flood", "300000", (struct ud_run){ .output_max = 1000 }, &ran), UD_OK);
	assert_true(ran.cut);
	assert_int_equal(ran.output_n, 1000);
	assert_int_equal(ran.error_n, 1000);
	assert_int_equal(strspn(ran.output, "o"), 1000);
	assert_int_equal(strspn(ran.error, "e"), 1000);
}

/* Nobody holds the mutex any more: its process is gone. */
static bool is_gone(const char *name)
{
	HANDLE h = OpenMutexA(SYNCHRONIZE, FALSE, name);

	if (h)
		CloseHandle(h);
	return !h;
}

static void one_that_hangs_ends_with_all_it_started(void **state)
{
	struct ud_ctx *cx = *state;
	const char *name = ud_printf(cx->arena, "ud-tree-%lu", GetCurrentProcessId());
	int64_t began = ud_mono_ms(cx->env), took;
	struct ud_ran ran = { 0 };

	assert_int_equal(run(cx, "tree", name, (struct ud_run){ .timeout_ms = SHORT_MS }, &ran),
		UD_E_UNAVAILABLE);
	took = ud_mono_ms(cx->env) - began;
	assert_non_null(strstr(cx->problem.detail, "did not end within 1500 ms"));
	assert_true(took >= SHORT_MS && took < LONG_MS);
	for (int64_t end = ud_mono_ms(cx->env) + LONG_MS; !is_gone(name); SleepEx(10, FALSE))
		assert_true(ud_mono_ms(cx->env) < end);
}

/* The second one is there before the first one is killed, so that the test means something. */
static void a_kill_reaches_what_was_started(void **state)
{
	struct ud_ctx *cx = *state;
	const char *name = ud_printf(cx->arena, "ud-kill-%lu", GetCurrentProcessId());
	const char *const argv[] = { child(cx), "tree", name, NULL };
	const struct ud_program program = { argv, NULL, -1, -1, -1 };
	int64_t end = ud_mono_ms(cx->env) + LONG_MS;
	int pid = 0, status = 0;

	assert_int_equal(ud_processes_real.start(&program, &pid), 0);
	for (; is_gone(name); SleepEx(10, FALSE))
		assert_true(ud_mono_ms(cx->env) < end);
	assert_int_equal(ud_processes_real.wait(pid, 0, &status), ETIMEDOUT);
	assert_int_equal(ud_processes_real.kill(pid, 9), 0);
	assert_int_equal(ud_processes_real.wait(pid, LONG_MS, &status), 0);
	assert_int_equal(status, 128 + 9);
	for (; !is_gone(name); SleepEx(10, FALSE))
		assert_true(ud_mono_ms(cx->env) < end);
	assert_int_equal(ud_processes_real.kill(pid, 9), ESRCH);
	assert_int_equal(ud_processes_real.wait(pid, 0, &status), ECHILD);
}

static void nothing_of_ours_is_handed_down(void **state)
{
	struct ud_ctx *cx = *state;
	const char *const given[] = { "UD_GIVEN=Zürich", NULL };
	SECURITY_ATTRIBUTES inherit = { .nLength = sizeof(inherit), .bInheritHandle = TRUE };
	HANDLE ours[500]; /* so many that the last one's number is nobody else's in the child */
	struct ud_ran ran = { 0 };

	for (size_t i = 0; i < UD_LEN(ours); i++)
		ours[i] = CreateEventW(&inherit, TRUE, FALSE, NULL);
	SetEnvironmentVariableA("UD_TEST_CANARY", "1");
	assert_int_equal(run(cx, "env", "", (struct ud_run){ .environment = given }, &ran), UD_OK);
	assert_null(strstr(ran.output, "UD_TEST_CANARY"));
	assert_null(strstr(ran.output, "\nPATH="));
	assert_non_null(strstr(ran.output, "UD_GIVEN=Zürich"));
	assert_non_null(strstr(ran.output, "SystemRoot="));
	assert_int_equal(
		run(cx, "handle", ud_printf(cx->arena, "%d", (int)(intptr_t)ours[UD_LEN(ours) - 1]),
			(struct ud_run){ 0 }, &ran),
		UD_OK);
	for (size_t i = 0; i < UD_LEN(ours); i++)
		CloseHandle(ours[i]);
	assert_string_equal(ran.output, "no\n");
}

static void what_is_no_program_is_told(void **state)
{
	struct ud_ctx *cx = *state;
	const char *const argv[] = { context_path(cx, "none.exe"), NULL };
	const struct ud_run none = { .argv = argv, .output_max = 10, .timeout_ms = LONG_MS };
	struct ud_ran ran = { 0 };

	assert_int_equal(ud_process_run(cx, &none, &ran), UD_E_UNAVAILABLE);
	assert_non_null(strstr(cx->problem.detail, "none.exe: No such file"));
}

static void a_hundred_leave_nothing_behind(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_ran ran = { 0 };
	DWORD before = 0, after = 0;

	assert_int_equal(run(cx, "exit", "0", (struct ud_run){ 0 }, &ran), UD_OK);
	GetProcessHandleCount(GetCurrentProcess(), &before);
	for (int i = 0; i < 100; i++) {
		char n[8];

		snprintf(n, sizeof(n), "%d", i);
		assert_int_equal(run(cx, "exit", n, (struct ud_run){ 0 }, &ran), UD_OK);
		assert_int_equal(ran.status, i);
	}
	GetProcessHandleCount(GetCurrentProcess(), &after);
	assert_true(after <= before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			arguments_arrive_as_they_are, context_begin, context_end),
		cmocka_unit_test_setup_teardown(what_goes_in_comes_out, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			input_that_nobody_reads_blocks_nobody, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			what_is_too_much_is_cut, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			one_that_hangs_ends_with_all_it_started, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_kill_reaches_what_was_started, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			nothing_of_ours_is_handed_down, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			what_is_no_program_is_told, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_hundred_leave_nothing_behind, context_begin, context_end),
	};

	return cmocka_run_group_tests_name("tests", tests, NULL, NULL);
}
