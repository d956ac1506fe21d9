/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease guard's program on Windows: child.c stands in for the worker processes of VMs.
 */
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/guard/guard.h"
#include "agent/guard/process.h"
#include "base/file.h"
#include "base/process.h"
#include "base/wide.h"
#include "support/context.h"

#define UUID "12345678-9abc-def0-1234-56789abcdef0"
#define UUID2 "12345678-9abc-def0-1234-56789abcdef1"

/* SOON: time enough for a busy machine to ask the guard a few things before */
enum { SOON_MS = 4000, FAR_MS = 600000, EVENT_MS = 120000 };

static const char *beside(struct ud_ctx *cx, const char *name)
{
	const char *own = NULL;

	assert_int_equal(ud_own_program(cx, &own), UD_OK);
	return ud_printf(cx->arena, "%.*s%s", (int)ud_path_head(own), own, name);
}

/* A VM's process, held. */
struct guest {
	int pid, process;
};

static struct guest guest_begin(struct ud_ctx *cx)
{
	const char *const argv[] = { beside(cx, "child.exe"), "hang", NULL };
	const struct ud_program program = { argv, NULL, -1, -1, -1 };
	struct guest g = { 0 };

	assert_int_equal(ud_processes_real.start(&program, &g.pid), 0);
	g.process = ud_guard_hold(g.pid);
	assert_true(g.process >= 0);
	return g;
}

static void guest_end(struct guest *g)
{
	int status;

	(void)!ud_processes_real.kill(g->pid, 9);
	(void)!ud_processes_real.wait(g->pid, EVENT_MS, &status);
	ud_guard_let_go(g->process);
}

/* When it ended by itself, by our clock. */
static int64_t gone_at(struct ud_ctx *cx, const struct guest *g)
{
	assert_int_equal(
		WaitForSingleObject((HANDLE)(intptr_t)g->process, EVENT_MS), WAIT_OBJECT_0);
	return ud_mono_ms(cx->env);
}

static const char *folder(struct ud_ctx *cx, const char *name)
{
	const char *dir = context_path(cx, name);

	assert_int_equal(ud_files_real.make_folder(dir, 0700), 0);
	return dir;
}

static ud_guard *guard_of(struct ud_ctx *cx, const char *dir)
{
	const struct ud_guard_place place = { dir, beside(cx, "understudy-guard.exe"), NULL };

	return ud_guard_new(&place);
}

static DWORD guard_pid(struct ud_ctx *cx, const char *dir)
{
	const char *text = NULL;
	size_t n = 0;

	assert_int_equal(
		ud_file_read(cx, ud_printf(cx->arena, "%s/guard.lock", dir), 256, &text, &n),
		UD_OK);
	return strtoul(text, NULL, 10);
}

/* As a crash would. The folder is free when it has gone. */
static void guard_end(struct ud_ctx *cx, const char *dir)
{
	HANDLE h = OpenProcess(PROCESS_TERMINATE | SYNCHRONIZE, FALSE, guard_pid(cx, dir));

	if (!h)
		return;
	TerminateProcess(h, 1);
	assert_int_equal(WaitForSingleObject(h, EVENT_MS), WAIT_OBJECT_0);
	CloseHandle(h);
}

static void the_end_of_a_lease_ends_the_process(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "end");
	int64_t worst = 0;
	int rounds = getenv("UD_TEST_LONG") ? 100 : 3;
	ud_guard *g = guard_of(cx, dir);

	assert_int_equal(ud_guard_start(cx, g), UD_OK);
	for (int i = 0; i < rounds; i++) {
		struct guest guest = guest_begin(cx);
		int64_t deadline = ud_mono_ms(cx->env) + SOON_MS;

		assert_int_equal(ud_guard_arm(cx, g, UUID, guest.process, i + 1, deadline), UD_OK);
		int64_t late = gone_at(cx, &guest) - deadline;

		assert_true(late >= 0);
		worst = late > worst ? late : worst;
		assert_int_equal(
			ud_guard_renew(cx, g, UUID, i + 1, deadline + FAR_MS), UD_E_NOT_FOUND);
		guest_end(&guest);
	}
	print_message("# %d of %d ended, none early; at most %d ms after their lease\n", rounds,
		rounds, (int)worst);
	ud_guard_release(&g);
	guard_end(cx, dir);
}

static void a_renewed_lease_is_not_the_end(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "renew");
	struct guest guest = guest_begin(cx), other = guest_begin(cx);
	ud_guard *g = guard_of(cx, dir);

	assert_int_equal(ud_guard_start(cx, g), UD_OK);
	int64_t soon = ud_mono_ms(cx->env) + SOON_MS;

	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.process, 4, soon), UD_OK);
	assert_int_equal(ud_guard_arm(cx, g, UUID2, other.process, 1, soon), UD_OK);
	assert_int_equal(ud_guard_renew(cx, g, UUID, 3, soon + FAR_MS), UD_E_CONFLICT);
	assert_int_equal(ud_guard_renew(cx, g, UUID, 5, soon + FAR_MS), UD_OK);
	/* the other one's end shows that the time has passed */
	assert_true(gone_at(cx, &other) >= soon);
	assert_false(ud_guard_has_ended(guest.process));
	assert_int_equal(ud_guard_disarm(cx, g, UUID, 4), UD_E_CONFLICT);
	assert_int_equal(ud_guard_disarm(cx, g, UUID, 5), UD_OK);
	assert_int_equal(ud_guard_disarm(cx, g, UUID, 5), UD_E_NOT_FOUND);
	guest_end(&guest);
	guest_end(&other);
	ud_guard_release(&g);
	guard_end(cx, dir);
}

static enum ud_code count(struct ud_ctx *cx, void *data, const struct ud_guarded *g)
{
	(void)cx;
	assert_string_equal(g->uuid, UUID);
	assert_int_equal(g->epoch, 7);
	++*(int *)data;
	return UD_OK;
}

/* The agent goes and comes again: the guard has what it was given, and needs nobody for it. */
static void the_guard_stands_by_itself(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "alone");
	struct guest guest = guest_begin(cx);
	int64_t deadline = ud_mono_ms(cx->env) + 2 * SOON_MS;
	ud_guard *g = guard_of(cx, dir);
	int n = 0;

	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.process, 7, deadline), UD_OK);
	DWORD pid = guard_pid(cx, dir);

	ud_guard_release(&g);
	g = guard_of(cx, dir);
	assert_int_equal(ud_guard_visit(cx, g, count, &n), UD_OK);
	assert_int_equal(n, 1);
	assert_int_equal(guard_pid(cx, dir), pid);
	ud_guard_release(&g);
	assert_true(gone_at(cx, &guest) >= deadline);
	guest_end(&guest);
	guard_end(cx, dir);
}

/* The number of a process is no hold of it, and that of no handle is none. */
static void what_is_no_process_is_not_taken(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "none");
	struct guest guest = guest_begin(cx);
	HANDLE event = CreateEventW(NULL, TRUE, FALSE, NULL);
	int64_t later = ud_mono_ms(cx->env) + FAR_MS;
	ud_guard *g = guard_of(cx, dir);
	int status = 0;

	assert_int_equal(
		ud_guard_arm(cx, g, UUID, (int)(intptr_t)event, 1, later), UD_E_INVALID_STATE);
	assert_int_equal(ud_guard_arm(cx, g, UUID, 0x7ffffffc, 1, later), UD_E_INTERNAL);
	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.process, 1, 0), UD_E_INTERNAL);
	assert_int_equal(ud_processes_real.kill(guest.pid, 9), 0);
	assert_int_equal(ud_processes_real.wait(guest.pid, EVENT_MS, &status), 0);
	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.process, 1, later), UD_E_INVALID_STATE);
	CloseHandle(event);
	ud_guard_let_go(guest.process);
	ud_guard_release(&g);
	guard_end(cx, dir);
}

static void a_folder_has_one_guard(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "one");
	ud_guard *g = guard_of(cx, dir);

	assert_int_equal(
		ud_guard_renew(cx, g, UUID, 1, ud_mono_ms(cx->env) + FAR_MS), UD_E_NOT_FOUND);
	assert_int_equal(ud_guard_start(cx, g), UD_OK);
	DWORD pid = guard_pid(cx, dir);
	const char *const argv[] = { beside(cx, "understudy-guard.exe"), "--dir", dir,
		"--foreground", NULL };
	const struct ud_run run = { .argv = argv, .output_max = 1000, .timeout_ms = EVENT_MS };
	struct ud_ran ran = { 0 };

	assert_int_equal(ud_process_run(cx, &run, &ran), UD_OK);
	assert_int_equal(ran.status, 0);
	assert_int_equal(guard_pid(cx, dir), pid);
	/* one that dies is started again by the next who needs it */
	guard_end(cx, dir);
	struct guest guest = guest_begin(cx);

	assert_int_equal(
		ud_guard_arm(cx, g, UUID, guest.process, 1, ud_mono_ms(cx->env) + FAR_MS), UD_OK);
	assert_int_not_equal(guard_pid(cx, dir), pid);
	guest_end(&guest);
	ud_guard_release(&g);
	guard_end(cx, dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_end_of_a_lease_ends_the_process, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_renewed_lease_is_not_the_end, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			the_guard_stands_by_itself, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			what_is_no_process_is_not_taken, context_begin, context_end),
		cmocka_unit_test_setup_teardown(a_folder_has_one_guard, context_begin, context_end),
	};

	return cmocka_run_group_tests_name("tests", tests, NULL, NULL);
}
