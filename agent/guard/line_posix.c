/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Unix socket in the folder. The folder is reached through its descriptor: a socket's path may
 * have 107 bytes, a folder's more.
 */
#include "agent/guard/line.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/guard/guard.h"
#include "base/process.h"

enum { START_MS = 5000 };

int ud_guard_connect(const char *dir)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int folder = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC), why = errno;
	int fd = folder < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0) {
		snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", folder,
			UD_GUARD_SOCKET);
		if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
			why = errno;
			close(fd);
			fd = -1;
		}
	}
	if (folder >= 0)
		close(folder);
	errno = why;
	return fd;
}

void ud_guard_hang_up(int line)
{
	close(line);
}

bool ud_guard_send(int line, const struct ud_guard_request *rq, int process)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
			      .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS } };
	struct iovec text = { (void *)(uintptr_t)rq, sizeof(*rq) };
	struct msghdr m = { .msg_iov = &text, .msg_iovlen = 1 };

	if (process >= 0) {
		memcpy(CMSG_DATA(&control.head), &process, sizeof(int));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
	}
	return sendmsg(line, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(*rq);
}

bool ud_guard_take(int line, struct ud_guard_reply *ret, int timeout_ms)
{
	struct pollfd p = { .fd = line, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1 &&
		recv(line, ret, sizeof(*ret), MSG_DONTWAIT) == (ssize_t)sizeof(*ret);
}

enum ud_code ud_guard_launch(struct ud_ctx *cx, const struct ud_guard_place *place)
{
	const char *const argv[] = { place->program, "--dir", place->dir,
		place->watchdog ? "--watchdog" : NULL, place->watchdog, NULL };
	const struct ud_run run = { .argv = argv, .output_max = 4096, .timeout_ms = START_MS };
	struct ud_ran ran = { 0 };

	UD_TRY(ud_process_run(cx, &run, &ran));
	return ran.status == 0 ? UD_OK
			       : ud_fail(cx, UD_E_UNAVAILABLE, NULL,
					 "the lease guard does not start: %s", ran.error);
}

void ud_guard_rest(int ms)
{
	poll(NULL, 0, ms);
}
