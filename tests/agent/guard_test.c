/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease guard as a process: what becomes of a guest's process when its agent is frozen, killed
 * or comes back. Guests are processes that wait for ever; agents are processes of this program.
 * Ordinarily 20 frozen agents, with UD_TEST_LONG 200; mean and worst are printed. With UD_TEST_HOGS
 * that many processes keep the machine busy meanwhile. This program itself, which only waits and
 * looks at the clock, goes before them, or it would measure how late it looks.
 */
#include "agent/guard/guard.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guard/wire.h"
#include "base/file.h"
#include "base/process.h"
#include "support/context.h"
#include "support/guarded.h"

#define UUID "8f3c1d52-4b7e-4c19-9a51-0f2e6d7c8b9a"
#define UUID2 "8f3c1d52-4b7e-4c19-9a51-0f2e6d7c8b9b"

/* An hour that no test waits for; the bound of a frozen agent's guest; a long wait that fails. */
enum { FAR_MS = 600000, BOUND_MS = 250, EVENT_MS = GUARDED_EVENT_MS, LEASE_MS = 800 };

static enum ud_code try_open(
	struct ud_ctx *cx, const char *dir, const char *watchdog, ud_guard **ret)
{
	const struct ud_guard_place place = {
		.dir = dir, .program = UD_BINARY_DIR "/understudy-guard", .watchdog = watchdog
	};

	*ret = ud_guard_new(&place);
	return ud_guard_start(cx, *ret);
}

static const char *folder(struct ud_ctx *cx, const char *name)
{
	const char *path = context_path(cx, name);

	assert_int_equal(cx->env->files->make_folder(path, 0700), 0);
	return path;
}

static ud_guard *open_guard(struct ud_ctx *cx, const char *dir)
{
	ud_guard *g = NULL;

	if (try_open(cx, dir, NULL, &g) != UD_OK)
		fail_msg("%s", cx->problem.detail);
	return g;
}

/* ---- agents ---- */

/* A process that lives as an agent does: it arms, renews some times, tells each deadline, goes on
 * renewing until something happens to it. */
struct agent {
	pid_t pid;
	int told; /* deadlines come here */
};

static void be_agent(struct ud_ctx *cx, const char *dir, const struct guarded *guest, int to)
{
	ud_guard *g = NULL;

	/* a test that fails leaves none behind that is frozen */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enum ud_code code = try_open(cx, dir, NULL, &g);
	int64_t deadline = ud_mono_ms(cx->env) + LEASE_MS;

	if (code == UD_OK)
		code = ud_guard_arm(cx, g, UUID, guest->pidfd, 1, deadline);
	while (code == UD_OK && write(to, &deadline, sizeof(deadline)) == sizeof(deadline)) {
		poll(NULL, 0, LEASE_MS / 8); /* the work between two renewals */
		deadline = ud_mono_ms(cx->env) + LEASE_MS;
		code = ud_guard_renew(cx, g, UUID, 1, deadline);
	}
	_exit(code == UD_OK ? 0 : 1);
}

static struct agent agent_start(struct ud_ctx *cx, const char *dir, const struct guarded *guest)
{
	struct agent a = { 0 };
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	a.pid = fork();
	if (a.pid == 0)
		be_agent(cx, dir, guest, ends[1]);
	close(ends[1]);
	a.told = ends[0];
	return a;
}

static int64_t agent_deadline(const struct agent *a)
{
	int64_t deadline = 0;

	assert_int_equal(read(a->told, &deadline, sizeof(deadline)), sizeof(deadline));
	return deadline;
}

/* Stop it by a signal after some renewals; the newest deadline it told. */
static int64_t agent_strike(struct agent *a, int how)
{
	struct pollfd more = { .fd = a->told, .events = POLLIN };
	int64_t deadline = 0;

	for (int i = 0; i < 4; i++)
		deadline = agent_deadline(a);
	assert_int_equal(kill(a->pid, how), 0);
	assert_int_equal(waitpid(a->pid, NULL, WUNTRACED), a->pid);
	while (poll(&more, 1, 0) == 1 && (more.revents & POLLIN))
		deadline = agent_deadline(a);
	return deadline;
}

static void agent_end(struct agent *a)
{
	kill(a->pid, SIGKILL);
	waitpid(a->pid, NULL, 0);
	close(a->told);
}

/* ---- what the guard holds ---- */

struct held {
	size_t n;
	struct ud_guarded last;
};

static enum ud_code note(struct ud_ctx *cx, void *data, const struct ud_guarded *g)
{
	struct held *h = data;

	(void)cx;
	h->n++;
	h->last = *g;
	return UD_OK;
}

static struct held held_by(struct ud_ctx *cx, ud_guard *g)
{
	struct held h = { 0 };

	assert_int_equal(ud_guard_visit(cx, g, note, &h), UD_OK);
	return h;
}

/* ---- frozen and killed agents ---- */

struct figures {
	int64_t worst, sum, n, worst_kill;
};

/* Only a machine that has time for it lets go of a process at once. */
static int64_t gone_bound(void)
{
	return getenv("UD_TEST_HOGS") || !getenv("UD_TEST_LONG") ? EVENT_MS : BOUND_MS;
}

/* One life. The guard keeps the deadline it went by until it is disarmed. */
static void strike_one(struct ud_ctx *cx, const char *dir, ud_guard *g, int how, struct figures *f)
{
	struct guarded guest = guarded_start();
	struct agent agent = agent_start(cx, dir, &guest);
	int64_t told = agent_strike(&agent, how), at = guarded_ended(cx, &guest);
	struct held h = held_by(cx, g);

	assert_int_equal(h.n, 1);
	assert_string_equal(h.last.uuid, UUID);
	/* one more renewal may have reached the guard, but not the pipe */
	assert_true(h.last.deadline_ms >= told && h.last.deadline_ms < told + LEASE_MS);
	int64_t late = at - h.last.deadline_ms;
	int64_t killed = h.last.killed_ms - h.last.deadline_ms;

	/* what has been killed runs no instruction more; when it is gone is the scheduler's */
	if (killed < 0 || killed > BOUND_MS || late < 0 || late > gone_bound())
		fail_msg("killed %lld ms after its lease ended, gone after %lld", (long long)killed,
			(long long)late);
	f->worst_kill = killed > f->worst_kill ? killed : f->worst_kill;
	f->worst = late > f->worst ? late : f->worst;
	f->sum += late;
	f->n++;
	assert_int_equal(ud_guard_disarm(cx, g, UUID, 1), UD_OK);
	agent_end(&agent);
}

static void strike(struct ud_ctx *cx, const char *name, int how, int times)
{
	const char *dir = folder(cx, name);
	ud_guard *g = open_guard(cx, dir);
	struct figures f = { 0 };

	for (int i = 0; i < times; i++)
		strike_one(cx, dir, g, how, &f);
	printf("# %s: %lld of %d guests gone in time, none early; killed at most %lld ms after their lease, gone after %.1f ms on average, %lld at worst\n",
		name, (long long)f.n, times, (long long)f.worst_kill, (double)f.sum / (double)f.n,
		(long long)f.worst);
	ud_guard_release(&g);
	guard_end(cx, dir, SIGTERM);
}

static int times(int ordinary)
{
	return getenv("UD_TEST_LONG") ? ordinary * 10 : ordinary;
}

static void the_guest_of_a_frozen_agent_ends_with_its_lease(void **state)
{
	strike(*state, "frozen", SIGSTOP, times(20));
}

static void so_does_that_of_a_killed_one(void **state)
{
	strike(*state, "killed", SIGKILL, times(5));
}

/* ---- rules ---- */

static void a_renewal_postpones_and_never_brings_forward(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "renewal");
	ud_guard *g = open_guard(cx, dir);
	struct guarded guest = guarded_start();
	int64_t first = ud_mono_ms(cx->env) + FAR_MS;

	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.pidfd, 3, first), UD_OK);
	assert_int_equal(ud_guard_renew(cx, g, UUID, 3, first + 7), UD_OK);
	assert_int_equal(held_by(cx, g).last.deadline_ms, first + 7);
	assert_int_equal(ud_guard_renew(cx, g, UUID, 3, first), UD_OK);
	assert_int_equal(held_by(cx, g).last.deadline_ms, first + 7);
	/* arming again is a renewal, too */
	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.pidfd, 4, first + 9), UD_OK);
	assert_int_equal(held_by(cx, g).n, 1);
	assert_int_equal(held_by(cx, g).last.deadline_ms, first + 9);
	assert_int_equal(held_by(cx, g).last.epoch, 4);
	/* what an older epoch says counts for nothing */
	assert_int_equal(ud_guard_renew(cx, g, UUID, 3, first + 11), UD_E_CONFLICT);
	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.pidfd, 3, first + 11), UD_E_CONFLICT);
	assert_int_equal(ud_guard_disarm(cx, g, UUID, 3), UD_E_CONFLICT);
	assert_int_equal(held_by(cx, g).last.deadline_ms, first + 9);
	assert_true(guarded_runs(&guest));
	assert_int_equal(ud_guard_disarm(cx, g, UUID, 4), UD_OK);
	assert_int_equal(ud_guard_disarm(cx, g, UUID, 4), UD_E_NOT_FOUND);
	assert_int_equal(held_by(cx, g).n, 0);
	guarded_kill(cx, &guest);
	ud_guard_release(&g);
	guard_end(cx, dir, SIGTERM);
}

static void a_dead_process_is_not_guarded(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "dead");
	ud_guard *g = open_guard(cx, dir);
	struct guarded guest = guarded_start(), dead = guarded_start();
	int64_t far = ud_mono_ms(cx->env) + FAR_MS;
	int pidfd = dup(dead.pidfd);

	guarded_kill(cx, &dead);
	assert_int_equal(ud_guard_arm(cx, g, UUID, pidfd, 1, far), UD_E_INVALID_STATE);
	assert_int_equal(held_by(cx, g).n, 0);
	/* one that ends by itself is forgotten, and cannot be renewed */
	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.pidfd, 1, far), UD_OK);
	guarded_kill(cx, &guest);
	assert_int_equal(ud_guard_renew(cx, g, UUID, 1, far + 1), UD_E_NOT_FOUND);
	assert_int_equal(held_by(cx, g).n, 0);
	close(pidfd);
	ud_guard_release(&g);
	guard_end(cx, dir, SIGTERM);
}

/* The number of a guarded process goes to another one; the entry's pidfd is no use against that. */
static void a_number_that_is_used_again_is_safe(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "reuse");
	ud_guard *g = open_guard(cx, dir);
	struct guarded first = guarded_start(), second = guarded_start();
	int64_t soon = ud_mono_ms(cx->env) + LEASE_MS;

	/* the guard is handed the first; whatever stands at any number later, only it can be hit */
	assert_int_equal(ud_guard_arm(cx, g, UUID, first.pidfd, 1, soon), UD_OK);
	guarded_kill(cx, &first);
	assert_int_equal(ud_guard_arm(cx, g, UUID2, second.pidfd, 1, soon), UD_OK);
	int64_t at = guarded_ended(cx, &second);

	assert_true(at >= soon && at <= soon + BOUND_MS);
	assert_int_equal(held_by(cx, g).n, 1);
	ud_guard_release(&g);
	guard_end(cx, dir, SIGTERM);
}

static void a_restarted_agent_finds_its_entries(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "restart");
	ud_guard *g = open_guard(cx, dir), *second;
	struct guarded guest = guarded_start();
	int64_t far = ud_mono_ms(cx->env) + FAR_MS;
	pid_t pid = guard_pid(cx, dir);

	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.pidfd, 7, far), UD_OK);
	ud_guard_release(&g);
	second = open_guard(cx, dir);
	assert_int_equal(guard_pid(cx, dir), pid);
	struct held h = held_by(cx, second);

	assert_int_equal(h.n, 1);
	assert_string_equal(h.last.uuid, UUID);
	assert_int_equal(h.last.epoch, 7);
	assert_int_equal(h.last.deadline_ms, far);
	assert_int_equal(h.last.killed_ms, 0);
	assert_int_equal(ud_guard_disarm(cx, second, UUID, 7), UD_OK);
	guarded_kill(cx, &guest);
	ud_guard_release(&second);
	guard_end(cx, dir, SIGTERM);
}

/* It has no session, group or parent of the agent's, so that what ends them does not end it. */
static void the_guard_stands_by_itself(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "session");
	ud_guard *g = open_guard(cx, dir);
	pid_t pid = guard_pid(cx, dir);
	char text[512] = "", status[4096] = "", state_of, name[64];
	int parent, group, session, fd;

	fd = open(ud_printf(cx->arena, "/proc/%d/stat", (int)pid), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_int_equal(sscanf(text, "%*d (%63[^)]) %c %d %d %d", name, &state_of, &parent, &group,
				 &session),
		5);
	assert_string_equal(name, "understudy-guar");
	assert_int_not_equal(parent, getpid());
	assert_int_equal(group, pid);
	assert_int_equal(session, pid);
	/* and may do nothing but its work, once it answers */
	assert_int_equal(
		ud_guard_renew(cx, g, UUID, 1, ud_mono_ms(cx->env) + FAR_MS), UD_E_NOT_FOUND);
	fd = open(ud_printf(cx->arena, "/proc/%d/status", (int)pid), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0 && read(fd, status, sizeof(status) - 1) > 0);
	close(fd);
	assert_non_null(strstr(status, "\nNoNewPrivs:\t1\n"));
	assert_non_null(strstr(status, "\nSeccomp:\t2\n"));
	ud_guard_release(&g);
	guard_end(cx, dir, SIGTERM);
}

static void a_killed_guard_is_started_anew_and_armed_again(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "anew");
	ud_guard *g = open_guard(cx, dir);
	struct guarded guest = guarded_start();
	int64_t soon = ud_mono_ms(cx->env) + LEASE_MS;

	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.pidfd, 1, soon + FAR_MS), UD_OK);
	guard_end(cx, dir, SIGKILL);
	assert_int_equal(ud_guard_renew(cx, g, UUID, 1, soon + FAR_MS), UD_E_NOT_FOUND);
	soon = ud_mono_ms(cx->env) + LEASE_MS;
	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.pidfd, 1, soon), UD_OK);
	int64_t at = guarded_ended(cx, &guest);

	assert_true(at >= soon && at <= soon + BOUND_MS);
	ud_guard_release(&g);
	guard_end(cx, dir, SIGTERM);
}

static void an_end_waits_for_the_last_lease(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "end");
	ud_guard *g = open_guard(cx, dir);
	struct guarded guest = guarded_start();
	int64_t soon = ud_mono_ms(cx->env) + 3 * LEASE_MS;
	struct pollfd p = { .fd = pidfd_open(guard_pid(cx, dir), 0), .events = POLLIN };

	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.pidfd, 1, soon), UD_OK);
	assert_int_equal(pidfd_send_signal(p.fd, SIGTERM, NULL, 0), 0);
	assert_true(guarded_ended(cx, &guest) >= soon);
	assert_int_equal(poll(&p, 1, EVENT_MS), 1);
	close(p.fd);
	ud_guard_release(&g);
}

static void a_second_guard_of_a_folder_ends_at_once(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "second");
	ud_guard *g = open_guard(cx, dir);
	pid_t pid = guard_pid(cx, dir);
	const char *const argv[] = { UD_BINARY_DIR "/understudy-guard", "--dir", dir,
		"--foreground", NULL };
	const struct ud_run run = { .argv = argv, .output_max = 1000, .timeout_ms = EVENT_MS };
	struct ud_ran ran = { 0 };

	assert_int_equal(ud_process_run(cx, &run, &ran), UD_OK);
	assert_int_equal(ran.status, 0);
	assert_int_equal(guard_pid(cx, dir), pid);
	assert_int_equal(held_by(cx, g).n, 0);
	ud_guard_release(&g);
	guard_end(cx, dir, SIGTERM);
}

static void the_watchdog_is_petted(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "watchdog"), *fifo = context_path(cx, "watchdog.fifo");
	ud_guard *g = NULL;
	char last = 0;
	int n = 0;

	assert_int_equal(mkfifo(fifo, 0600), 0);
	struct pollfd p = { .fd = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC), .events = POLLIN };

	assert_int_equal(try_open(cx, dir, fifo, &g), UD_OK);
	for (; n < 3; n++) {
		assert_int_equal(poll(&p, 1, EVENT_MS), 1);
		assert_int_equal(read(p.fd, &last, 1), 1);
		assert_int_equal(last, 0);
	}
	/* told at the end that the machine need not be reset */
	ud_guard_release(&g);
	guard_end(cx, dir, SIGTERM);
	while (read(p.fd, &last, 1) == 1)
		n++;
	assert_int_equal(last, 'V');
	close(p.fd);
}

static void nonsense_harms_nobody(void **state)
{
	struct ud_ctx *cx = *state;
	const char *dir = folder(cx, "nonsense");
	ud_guard *g = open_guard(cx, dir);
	struct guarded guest = guarded_start();
	int64_t now = ud_mono_ms(cx->env), far = now + FAR_MS;
	int no_process = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_int_equal(ud_guard_arm(cx, g, UUID, no_process, 1, far), UD_E_INVALID_STATE);
	assert_int_equal(ud_guard_arm(cx, g, UUID, -1, 1, far), UD_E_INTERNAL);
	assert_int_equal(ud_guard_arm(cx, g, UUID, guest.pidfd, 1, 0), UD_E_INTERNAL);
	assert_int_equal(
		ud_guard_arm(cx, g, UUID, guest.pidfd, 1, now + UD_GUARD_LONGEST_MS + EVENT_MS),
		UD_E_INTERNAL);
	assert_int_equal(ud_guard_renew(cx, g, "not-a-uuid", 1, far), UD_E_VALIDATION);
	assert_int_equal(ud_guard_renew(cx, g, UUID "00", 1, far), UD_E_VALIDATION);
	assert_int_equal(ud_guard_renew(cx, g, UUID, 1, far), UD_E_NOT_FOUND);
	assert_int_equal(held_by(cx, g).n, 0);
	assert_true(guarded_runs(&guest));
	guarded_kill(cx, &guest);
	close(no_process);
	ud_guard_release(&g);
	guard_end(cx, dir, SIGTERM);
}

/* Processes of ordinary rank that do nothing, and that all the time. */
static size_t start_hogs(pid_t *hogs, size_t max)
{
	const char *text = getenv("UD_TEST_HOGS");
	size_t n = text ? strtoul(text, NULL, 10) : 0;

	n = n < max ? n : max;
	for (size_t i = 0; i < n; i++) {
		hogs[i] = fork();
		if (hogs[i] == 0)
			prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (hogs[i] == 0)
			;
	}
	return n;
}

static void end_hogs(const pid_t *hogs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		kill(hogs[i], SIGKILL);
		waitpid(hogs[i], NULL, 0);
	}
}

int main(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	pid_t hogs[32];
	size_t n = start_hogs(hogs, UD_LEN(hogs));

	/* its children are ordinary again; without the right to it, it is as any other */
	sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first);
#define LIFE(test_) cmocka_unit_test_setup_teardown(test_, context_begin, context_end)
	const struct CMUnitTest tests[] = {
		LIFE(the_guest_of_a_frozen_agent_ends_with_its_lease),
		LIFE(so_does_that_of_a_killed_one),
		LIFE(a_renewal_postpones_and_never_brings_forward),
		LIFE(a_dead_process_is_not_guarded),
		LIFE(a_number_that_is_used_again_is_safe),
		LIFE(a_restarted_agent_finds_its_entries),
		LIFE(the_guard_stands_by_itself),
		LIFE(a_killed_guard_is_started_anew_and_armed_again),
		LIFE(an_end_waits_for_the_last_lease),
		LIFE(a_second_guard_of_a_folder_ends_at_once),
		LIFE(the_watchdog_is_petted),
		LIFE(nonsense_harms_nobody),
	};
#undef LIFE
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	end_hogs(hogs, n);
	return failed;
}
