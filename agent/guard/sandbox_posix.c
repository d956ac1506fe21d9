/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of system calls is what serve.c needs, and what the C library needs for a line of log.
 * No socket can be made, no file opened, no program started.
 */
#include "agent/guard/sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

void ud_guard_claim(void)
{
	const struct sched_param first = { .sched_priority = 1 };
	struct rlimit files;
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	/* without the right to it the guard is as any other */
	if (fd >= 0 && write(fd, "-1000", 5) <= 5)
		close(fd);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &first);
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static const int calls[] = { SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl),
	SCMP_SYS(accept4), SCMP_SYS(getsockopt), SCMP_SYS(recvmsg), SCMP_SYS(sendto),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close),
	SCMP_SYS(timerfd_settime), SCMP_SYS(clock_gettime), SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(geteuid),
	/* the C library's memory, and its way out */
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex), SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall), SCMP_SYS(exit),
	SCMP_SYS(exit_group) };

bool ud_guard_confine(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	bool all = filter != NULL;

	for (size_t i = 0; all && i < UD_LEN(calls); i++)
		all = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) == 0;
	all = all && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && seccomp_load(filter) == 0;
	seccomp_release(filter);
	return all;
}
