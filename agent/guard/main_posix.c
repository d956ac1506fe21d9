/* SPDX-License-Identifier: Apache-2.0 */
/*
 * understudy-guard --dir DIR [--watchdog DEVICE] [--foreground]: end QEMU processes whose lease is
 * over, whatever has become of the agent. Its socket lies in the agent's folder; a second guard
 * there ends at once, with success. Without --foreground it is ready when the first process exits,
 * and lives in a session of its own, out of reach of what ends the agent, until there is nothing to
 * guard and nobody is connected.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/guard/guard.h"
#include "agent/guard/sandbox.h"
#include "agent/guard/serve.h"
#include "base/log.h"

static int failed(const char *what)
{
	fprintf(stderr, "understudy-guard: %s: %s\n", what, strerror(errno));
	return 1;
}

/* Ours alone; the lock stays as long as the process. EWOULDBLOCK: another guard has it. */
static int take_folder(const char *dir)
{
	umask(077);
	if (chdir(dir) != 0)
		return -1;
	int fd = open(UD_GUARD_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 ? fd : -1;
}

/* Who we are, for people and tests. */
static void sign(int lock)
{
	if (ftruncate(lock, 0) == 0)
		dprintf(lock, "%d\n", (int)getpid());
}

static int listen_here(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = UD_GUARD_SOCKET };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	unlink(UD_GUARD_SOCKET);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(fd, 8) == 0)
		return fd;
	return -1;
}

/* Whoever started us waits for the first process; the second one stays. */
static bool leave_session(void)
{
	pid_t pid = fork();

	if (pid > 0)
		_exit(0);
	return pid == 0 && setsid() > 0;
}

static void leave_outputs(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int log = open(UD_GUARD_LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	dup2(null, 0);
	dup2(null, 1);
	dup2(log >= 0 ? log : null, 2);
}

static int open_signals(void)
{
	sigset_t ends;

	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	sigprocmask(SIG_BLOCK, &ends, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void ready(void)
{
	if (!ud_guard_confine())
		ud_log(UD_LOG_WARNING, "not_confined", "reason", "no seccomp here", NULL);
	ud_log(UD_LOG_INFO, "guarding", "version", UD_VERSION, NULL);
}

static int serve(const char *dir, const char *watchdog, bool foreground)
{
	struct ud_guard_ends ends = { .watchdog = -1, .end_idle = !foreground && !watchdog };

	int lock = take_folder(dir);

	if (lock < 0)
		return errno == EWOULDBLOCK ? 0 : failed(dir);
	if (watchdog && (ends.watchdog = open(watchdog, O_WRONLY | O_CLOEXEC)) < 0)
		return failed(watchdog);
	ends.listener = listen_here();
	if (ends.listener < 0)
		return failed(UD_GUARD_SOCKET);
	if (!foreground && !leave_session())
		return failed("session");
	sign(lock);
	if (!foreground)
		leave_outputs();
	ends.signals = open_signals();
	ud_guard_claim();
	ud_guard_serve(&ud_env_real, &ends, ready);
	_exit(0);
}

static int usage(void)
{
	fputs("usage: understudy-guard --dir DIR [--watchdog DEVICE] [--foreground]\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *dir = NULL, *watchdog = NULL;
	bool foreground = false;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--foreground") == 0)
			foreground = true;
		else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc)
			dir = argv[++i];
		else if (strcmp(argv[i], "--watchdog") == 0 && i + 1 < argc)
			watchdog = argv[++i];
		else
			return usage();
	}
	return dir ? serve(dir, watchdog, foreground) : usage();
}
