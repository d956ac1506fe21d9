/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pidfds.
 */
#include "agent/guard/process.h"

#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

int ud_guard_hold(int pid)
{
	return pidfd_open(pid, 0);
}

void ud_guard_let_go(int process)
{
	close(process);
}

bool ud_guard_is_process(int process)
{
	return pidfd_send_signal(process, 0, NULL, 0) == 0;
}

bool ud_guard_has_ended(int process)
{
	struct pollfd p = { .fd = process, .events = POLLIN };

	return poll(&p, 1, 0) != 0;
}

void ud_guard_kill(int process)
{
	pidfd_send_signal(process, SIGKILL, NULL, 0);
}
