/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease guard's process is killed before and after each of its system calls, from its first one
 * to the end of a lease: whatever it does, it does by these. The agent's end of the line goes on as
 * the agent does: what a guard that is gone does not know is handed to the next one. Always the
 * guest ends with its lease, never before, and nothing else is ever hit. Ordinarily some moments,
 * with UD_TEST_LONG all.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guard/guard.h"
#include "base/file.h"
#include "support/guarded.h"

#define UUID "8f3c1d52-4b7e-4c19-9a51-0f2e6d7c8b9a"
#define PROGRAM UD_BINARY_DIR "/understudy-guard"

enum { FAR_MS = 600000, LEASE_MS = 150, STEP = 37, MOMENTS_MAX = 4000, LOOKS = 3 };

/* ---- a guard under somebody who kills it ---- */

/* One that stops at its calls; which child it is, and of whom, does not matter. */
static void go_on(pid_t pid, int status)
{
	int signal = WSTOPSIG(status);
	bool ours = signal == (SIGTRAP | 0x80) || signal == SIGTRAP || signal == SIGSTOP;

	ptrace(PTRACE_SYSCALL, pid, NULL, ours ? 0L : (long)signal);
}

/* Start a guard, and kill it as it comes to its n-th moment: each call has one before and one
 * after. Ends with 0 when it was killed so. */
static int strike(const char *dir, int n)
{
	int status, moments = 0;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execl(PROGRAM, PROGRAM, "--dir", dir, (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return 2;
	ptrace(PTRACE_SETOPTIONS, pid, NULL,
		(long)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEFORK | PTRACE_O_EXITKILL));
	ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		if (!WIFSTOPPED(status))
			continue;
		if (WSTOPSIG(status) == (SIGTRAP | 0x80) && ++moments == n)
			kill(pid, SIGKILL);
		go_on(pid, status);
	}
	return moments >= n ? 0 : 1;
}

static pid_t start_striker(const char *dir, int n)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(strike(dir, n));
	}
	return pid;
}

/* The guard that is to be struck has the folder, or has been struck before it came to that. */
static void await_guard(struct ud_ctx *cx, const char *dir, pid_t striker, int *ret_status)
{
	int64_t last = ud_mono_ms(cx->env) + GUARDED_EVENT_MS;

	*ret_status = -1;
	while (guard_pid(cx, dir) == 0 && waitpid(striker, ret_status, WNOHANG) == 0) {
		if (ud_mono_ms(cx->env) > last)
			fail_msg("the guard comes to nothing");
		poll(NULL, 0, 1); /* it tells nobody but its folder */
	}
}

/* ---- an agent's life with it ---- */

/*
 * Put the end off as the agent does: what no guard holds is handed to one. One that falls while it
 * is asked gives no answer: the agent looks again.
 */
static enum ud_code put_off(
	struct ud_ctx *cx, ud_guard *g, const struct guarded *guest, int64_t until)
{
	enum ud_code code = ud_guard_renew(cx, g, UUID, 1, until);

	if (code == UD_E_NOT_FOUND)
		code = ud_guard_arm(cx, g, UUID, guest->pidfd, 1, until);
	ud_ctx_clear(cx);
	/* once its lease is over it is on its way out */
	if (code != UD_OK && code != UD_E_UNAVAILABLE && ud_mono_ms(cx->env) < until)
		fail_msg("not guarded: %s", ud_error_info(code)->name);
	return code;
}

static enum ud_code count(struct ud_ctx *cx, void *data, const struct ud_guarded *held)
{
	size_t *n = data;

	(void)cx;
	assert_string_equal(held->uuid, UUID);
	(*n)++;
	return UD_OK;
}

/* The one that is there now, unless it was struck at the very last. */
static void end_last(struct ud_ctx *cx, const char *dir)
{
	struct pollfd p = { .fd = pidfd_open(guard_pid(cx, dir), 0), .events = POLLIN };

	if (p.fd < 0)
		return;
	pidfd_send_signal(p.fd, SIGTERM, NULL, 0);
	assert_int_equal(poll(&p, 1, GUARDED_EVENT_MS), 1);
	close(p.fd);
}

/* Armed, let go, armed again and put off; then the lease ends. */
static void live(struct ud_ctx *cx, const char *dir, int n)
{
	const struct ud_guard_place place = { .dir = dir, .program = PROGRAM };
	struct guarded guest = guarded_start(), other = guarded_start();
	ud_guard *g = ud_guard_new(&place);
	size_t held = 0;

	int looks = 0;

	while (put_off(cx, g, &guest, ud_mono_ms(cx->env) + FAR_MS) != UD_OK)
		if (++looks > LOOKS)
			fail_msg("moment %d: it is not guarded", n);
	enum ud_code code = ud_guard_disarm(cx, g, UUID, 1);

	assert_true(code == UD_OK || code == UD_E_NOT_FOUND || code == UD_E_UNAVAILABLE);
	ud_ctx_clear(cx);
	assert_true(guarded_runs(&guest));
	int64_t until = ud_mono_ms(cx->env) + LEASE_MS;

	/* a guard that falls takes the end along: the agent looks, and hands it to the next */
	do {
		(void)!put_off(cx, g, &guest, until);
		poll(NULL, 0, 20); /* the agent's rest between two looks */
	} while (guarded_runs(&guest) && ud_mono_ms(cx->env) < until + GUARDED_EVENT_MS);
	int64_t at = guarded_ended(cx, &guest);

	if (at < until)
		fail_msg("moment %d: gone %lld ms early", n, (long long)(until - at));
	if (ud_guard_visit(cx, g, count, &held) != UD_OK)
		ud_ctx_clear(cx); /* struck at that */
	assert_true(held <= 1);
	assert_true(guarded_runs(&other));
	guarded_kill(cx, &other);
	ud_guard_release(&g);
	end_last(cx, dir);
}

/* False: the guard's life has fewer moments. */
static bool strike_at(struct ud_ctx *cx, int n)
{
	const char *dir = context_path(cx, ud_printf(cx->arena, "at-%d", n));
	int status;

	assert_int_equal(cx->env->files->make_folder(dir, 0700), 0);
	pid_t striker = start_striker(dir, n);

	await_guard(cx, dir, striker, &status);
	live(cx, dir, n);
	if (status == -1)
		assert_int_equal(waitpid(striker, &status, 0), striker);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) < 2);
	return WEXITSTATUS(status) == 0;
}

static void struck_at_any_call_it_ends_the_guest_with_its_lease(void **state)
{
	int step = getenv("UD_TEST_LONG") ? 1 : STEP, n = 1 + step / 2, struck = 0;

	for (; n < MOMENTS_MAX && strike_at(*state, n); n += step)
		struck++;
	printf("# the guard was killed at %d moments of its system calls: each guest ended with its lease, none early\n",
		struck);
	assert_true(struck >= 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(struck_at_any_call_it_ends_the_guest_with_its_lease,
			context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
