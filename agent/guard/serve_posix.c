/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One epoll, one timer on CLOCK_BOOTTIME that is set to the earliest end of a lease. A pidfd is
 * watched edge-triggered: whoever sent it may hold it open as well, so closing ours would not take
 * it out of the epoll.
 */
#include "agent/guard/serve.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "agent/guard/table.h"
#include "base/arena.h"
#include "base/log.h"

enum { CALLERS = 8, EVENTS = 16, PET_MS = 500, IDLE_MS = 5000 };
/* What an event is about; callers are numbered from FIRST_CALLER on. */
enum { LISTENER, TIMER, PET, SIGNALS, PROCESS, FIRST_CALLER };

struct guard {
	const struct ud_env *env;
	struct ud_guard_ends ends;
	int epoll, timer, pet;
	int callers[CALLERS];
	bool ending; /* asked to end */
	struct ud_guard_table table;
};

static void watch(const struct guard *g, int fd, uint32_t events, uint64_t what)
{
	struct epoll_event e = { .events = events, .data.u64 = what };

	epoll_ctl(g->epoll, EPOLL_CTL_ADD, fd, &e);
}

/* ---- time ---- */

static void set_timer(const struct guard *g)
{
	int64_t next = ud_guard_table_next(&g->table);
	struct itimerspec when = { .it_value = { next / 1000, next % 1000 * 1000000 } };

	timerfd_settime(g->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void tell_killed(uint32_t killed)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", killed);
	ud_log(UD_LOG_WARNING, "lease_ended", "killed", text, NULL);
}

static void on_timer(struct guard *g)
{
	uint64_t times;
	uint32_t killed = 0;

	if (read(g->timer, &times, sizeof(times)) < 0 && errno != EAGAIN)
		return;
	ud_guard_table_expire(&g->table, ud_mono_ms(g->env), &killed);
	set_timer(g);
	if (killed)
		tell_killed(killed);
}

/* A machine that cannot end a process is better off without power. */
static void on_pet(struct guard *g)
{
	uint64_t times;

	if (read(g->pet, &times, sizeof(times)) < 0)
		return;
	if (ud_guard_table_stuck(&g->table, ud_mono_ms(g->env)))
		return;
	if (write(g->ends.watchdog, "", 1) < 0)
		ud_log(UD_LOG_ERROR, "watchdog_not_petted", "reason", strerror(errno), NULL);
}

/* ---- callers ---- */

/* The request and the descriptor that came along: 1; 0 = nothing is there; -1 = the caller is gone,
 * or sends nonsense. */
static int receive(int fd, struct ud_guard_request *rq, int *ret_pidfd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec text = { rq, sizeof(*rq) };
	struct msghdr m = { .msg_iov = &text,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n >= 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*ret_pidfd = -1;
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_pidfd, CMSG_DATA(c), sizeof(int));
	if (n == (ssize_t)sizeof(*rq) && !(m.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 1;
	if (*ret_pidfd >= 0)
		close(*ret_pidfd);
	return -1;
}

static void hang_up(struct guard *g, size_t i)
{
	close(g->callers[i]);
	g->callers[i] = -1;
}

static void on_caller(struct guard *g, size_t i)
{
	struct ud_guard_request rq;
	struct ud_guard_reply reply;
	struct ud_guard_entry *added = NULL;
	int pidfd = -1;

	int got = g->callers[i] < 0 ? 0 : receive(g->callers[i], &rq, &pidfd);

	if (got < 0)
		hang_up(g, i);
	if (got <= 0)
		return;
	ud_guard_table_do(&g->table, &rq, pidfd, ud_mono_ms(g->env), &reply, &added);
	if (added)
		watch(g, added->process, EPOLLIN | EPOLLET, PROCESS);
	set_timer(g);
	if (send(g->callers[i], &reply, sizeof(reply), MSG_DONTWAIT | MSG_NOSIGNAL) !=
		(ssize_t)sizeof(reply))
		hang_up(g, i);
}

/* One too many means that the one who came first has died without our noticing, or is frozen. */
static size_t place(struct guard *g)
{
	for (size_t i = 0; i < CALLERS; i++)
		if (g->callers[i] < 0)
			return i;
	hang_up(g, 0);
	memmove(g->callers, g->callers + 1, sizeof(g->callers) - sizeof(g->callers[0]));
	g->callers[CALLERS - 1] = -1;
	for (size_t i = 0; i + 1 < CALLERS; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.u64 = FIRST_CALLER + i };

		epoll_ctl(g->epoll, EPOLL_CTL_MOD, g->callers[i], &e);
	}
	return CALLERS - 1;
}

static void on_listener(struct guard *g)
{
	struct ucred who = { 0 };
	socklen_t n = sizeof(who);
	int fd = accept4(g->ends.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 ||
		(who.uid != 0 && who.uid != geteuid())) {
		close(fd);
		return;
	}
	size_t i = place(g);

	g->callers[i] = fd;
	watch(g, fd, EPOLLIN, FIRST_CALLER + i);
}

static void on_signals(struct guard *g)
{
	struct signalfd_siginfo s;

	if (read(g->ends.signals, &s, sizeof(s)) == (ssize_t)sizeof(s))
		g->ending = true;
	if (ud_guard_table_armed(&g->table))
		ud_log(UD_LOG_WARNING, "end_waits", "reason", "processes live by a lease", NULL);
}

/* ---- all ---- */

static void handle(struct guard *g, uint64_t what)
{
	switch (what) {
	case LISTENER:
		on_listener(g);
		break;
	case TIMER:
		on_timer(g);
		break;
	case PET:
		on_pet(g);
		break;
	case SIGNALS:
		on_signals(g);
		break;
	case PROCESS:
		ud_guard_table_sweep(&g->table);
		set_timer(g);
		break;
	default:
		on_caller(g, what - FIRST_CALLER);
	}
}

static void open_watchdog(struct guard *g)
{
	const struct itimerspec often = { { 0, PET_MS * 1000000L }, { 0, 1 } };

	if (g->ends.watchdog < 0)
		return;
	timerfd_settime(g->pet, 0, &often, NULL);
	watch(g, g->pet, EPOLLIN, PET);
}

/* How long to wait for the next event: for ever, unless nothing would be missed. */
static int patience(const struct guard *g)
{
	if (!g->ends.end_idle || g->table.count)
		return -1;
	for (size_t i = 0; i < CALLERS; i++)
		if (g->callers[i] >= 0)
			return -1;
	return IDLE_MS;
}

void ud_guard_serve(const struct ud_env *env, const struct ud_guard_ends *ends, void (*ready)(void))
{
	struct guard *g = ud_malloc(sizeof(*g));
	struct epoll_event events[EVENTS];

	g->env = env;
	g->ends = *ends;
	g->ending = false;
	ud_guard_table_init(&g->table);
	for (size_t i = 0; i < CALLERS; i++)
		g->callers[i] = -1;
	g->epoll = epoll_create1(EPOLL_CLOEXEC);
	g->timer = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	g->pet = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	watch(g, ends->listener, EPOLLIN, LISTENER);
	watch(g, ends->signals, EPOLLIN, SIGNALS);
	watch(g, g->timer, EPOLLIN, TIMER);
	open_watchdog(g);
	ready();
	while (!g->ending || ud_guard_table_armed(&g->table)) {
		int n = epoll_wait(g->epoll, events, EVENTS, patience(g));

		if (n == 0)
			break;
		for (int i = 0; i < n; i++)
			handle(g, events[i].data.u64);
	}
	/* told in the watchdog's own way that it is not needed now */
	if (g->ends.watchdog >= 0 && write(g->ends.watchdog, "V", 1) == 1)
		close(g->ends.watchdog);
	ud_free(g);
}
