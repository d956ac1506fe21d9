/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guarded.h.
 */
#include "support/guarded.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

struct guarded guarded_start(void)
{
	struct guarded g = { .pid = fork() };

	if (g.pid == 0)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (g.pid == 0)
		pause();
	g.pidfd = pidfd_open(g.pid, 0);
	assert_true(g.pidfd >= 0);
	return g;
}

bool guarded_runs(const struct guarded *g)
{
	struct pollfd p = { .fd = g->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

int64_t guarded_ended(struct ud_ctx *cx, struct guarded *g)
{
	struct pollfd p = { .fd = g->pidfd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, GUARDED_EVENT_MS), 1);
	int64_t at = ud_mono_ms(cx->env);

	assert_int_equal(waitpid(g->pid, NULL, 0), g->pid);
	close(g->pidfd);
	return at;
}

void guarded_kill(struct ud_ctx *cx, struct guarded *g)
{
	kill(g->pid, SIGKILL);
	guarded_ended(cx, g);
}

pid_t guard_pid(struct ud_ctx *cx, const char *dir)
{
	const char *text = NULL;
	size_t n = 0;

	if (ud_file_read(cx, ud_printf(cx->arena, "%s/guard.lock", dir), 64, &text, &n) == UD_OK)
		return (pid_t)strtol(text, NULL, 10);
	ud_ctx_clear(cx);
	return 0;
}

void guard_end(struct ud_ctx *cx, const char *dir, int how)
{
	int fd = pidfd_open(guard_pid(cx, dir), 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_true(fd >= 0);
	assert_int_equal(pidfd_send_signal(fd, how, NULL, 0), 0);
	assert_int_equal(poll(&p, 1, GUARDED_EVENT_MS), 1);
	close(fd);
}
