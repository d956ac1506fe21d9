/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix_spawn, pidfd and poll. The input is a file in memory rather than a pipe: a program that
 * does not read it can neither block us nor raise SIGPIPE.
 */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"

enum { GRACE_MS = 2000 }; /* between asking to end and ending */

static void set_descriptors(posix_spawn_file_actions_t *actions, const struct ud_program *p)
{
	const int given[] = { p->in, p->out, p->err };

	for (int i = 0; i < 3; i++) {
		if (given[i] >= 0)
			posix_spawn_file_actions_adddup2(actions, given[i], i);
		else
			posix_spawn_file_actions_addopen(
				actions, i, "/dev/null", i == 0 ? O_RDONLY : O_WRONLY, 0);
	}
	posix_spawn_file_actions_addclosefrom_np(actions, 3);
}

static void set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attributes, &none);
	posix_spawnattr_setsigdefault(attributes, &all);
	posix_spawnattr_setpgroup(attributes, 0);
	posix_spawnattr_setflags(
		attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int real_start(const struct ud_program *p, int *ret_pid)
{
	static const char *const empty[] = { NULL };
	const char *const *environment = p->environment ? p->environment : empty;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	set_descriptors(&actions, p);
	set_attributes(&attributes);
	int why = posix_spawn(&pid, p->argv[0], &actions, &attributes,
		(char *const *)(uintptr_t)p->argv, (char *const *)(uintptr_t)environment);

	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	if (why == 0)
		*ret_pid = pid;
	return why;
}

static int real_wait(int pid, int64_t timeout_ms, int *ret_status)
{
	struct pollfd end = { .fd = pidfd_open(pid, 0), .events = POLLIN };
	int status, n;

	if (end.fd < 0)
		return errno;
	do {
		n = poll(&end, 1, (int)(timeout_ms > INT32_MAX ? INT32_MAX : timeout_ms));
	} while (n < 0 && errno == EINTR);
	close(end.fd);
	if (n == 0)
		return ETIMEDOUT;
	if (waitpid(pid, &status, 0) != pid)
		return errno;
	*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return 0;
}

static int real_kill(int pid, int signal)
{
	return kill(-pid, signal) == 0 ? 0 : errno;
}

const struct ud_processes ud_processes_real = {
	.start = real_start, .wait = real_wait, .kill = real_kill
};

/* One output while it is gathered. */
struct output {
	int fd; /* our end; -1 = closed */
	struct ud_buf kept;
	size_t max;
	bool cut;
};

/* Descriptors of a run; both ends of the pipes. */
struct ends {
	int in, out[2], err[2];
};

static void close_ends(struct ends *e)
{
	int *const all[] = { &e->in, &e->out[0], &e->out[1], &e->err[0], &e->err[1] };

	for (size_t i = 0; i < UD_LEN(all); i++) {
		if (*all[i] >= 0)
			close(*all[i]);
		*all[i] = -1;
	}
}

static int input_file(const void *data, size_t n)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	const char *p = data;

	for (size_t done = 0; fd >= 0 && done < n;) {
		ssize_t put = write(fd, p + done, n - done);

		if (put < 0 && errno != EINTR) {
			close(fd);
			return -1;
		}
		done += put > 0 ? (size_t)put : 0;
	}
	if (fd >= 0)
		lseek(fd, 0, SEEK_SET);
	return fd;
}

static int open_ends(const struct ud_run *run, struct ends *e)
{
	*e = (struct ends){ -1, { -1, -1 }, { -1, -1 } };
	e->in = input_file(run->input, run->input_n);
	if (e->in >= 0 && pipe2(e->out, O_CLOEXEC) == 0 && pipe2(e->err, O_CLOEXEC) == 0)
		return 0;
	int why = errno;

	close_ends(e);
	return why;
}

/* Read once; what is beyond the bound is thrown away, so that the program can go on. */
static void take(struct output *o)
{
	char piece[4096];
	ssize_t got = read(o->fd, piece, sizeof(piece));

	if (got < 0 && errno == EINTR)
		return;
	if (got <= 0) {
		o->fd = -1;
		return;
	}
	size_t room = o->max - o->kept.len, fits = room < (size_t)got ? room : (size_t)got;

	ud_buf_add(&o->kept, piece, fits);
	o->cut |= fits < (size_t)got;
}

/* Until both are closed. False: the time is over. */
static bool gather(struct ud_ctx *cx, struct output o[2], int64_t end_ms)
{
	while (o[0].fd >= 0 || o[1].fd >= 0) {
		struct pollfd fds[] = { { o[0].fd, POLLIN, 0 }, { o[1].fd, POLLIN, 0 } };
		int64_t left = end_ms - ud_mono_ms(cx->env);

		if (left <= 0)
			return false;
		if (poll(fds, 2, (int)(left > INT32_MAX ? INT32_MAX : left)) <= 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				take(&o[i]);
	}
	return true;
}

/* Ask it to end, then make it. */
static void put_down(const struct ud_processes *processes, int pid)
{
	int status;

	processes->kill(pid, SIGTERM);
	if (processes->wait(pid, GRACE_MS, &status) == 0) {
		processes->kill(pid, SIGKILL); /* what it left behind in its group */
		return;
	}
	processes->kill(pid, SIGKILL);
	processes->wait(pid, GRACE_MS, &status);
}

/* Wait for a started program and gather what it writes. 0 or an errno. */
static int attend(
	struct ud_ctx *cx, const struct ud_run *run, int pid, struct output o[2], int *ret_status)
{
	const struct ud_processes *processes = cx->env->processes;
	int64_t end_ms = ud_mono_ms(cx->env) + run->timeout_ms;
	int why = ETIMEDOUT;

	if (gather(cx, o, end_ms)) {
		int64_t left = end_ms - ud_mono_ms(cx->env);

		why = processes->wait(pid, left > 0 ? left : 0, ret_status);
	}
	if (why)
		put_down(processes, pid);
	return why;
}

static int run_once(
	struct ud_ctx *cx, const struct ud_run *run, struct output o[2], int *ret_status)
{
	struct ends e;
	int pid = 0, why = open_ends(run, &e);

	if (why)
		return why;
	const struct ud_program program = { run->argv, run->environment, e.in, e.out[1], e.err[1] };

	why = cx->env->processes->start(&program, &pid);
	/* ours must be closed, or the program's end would not show */
	close(e.out[1]);
	close(e.err[1]);
	e.out[1] = e.err[1] = -1;
	o[0].fd = e.out[0];
	o[1].fd = e.err[0];
	if (why == 0)
		why = attend(cx, run, pid, o, ret_status);
	close_ends(&e);
	return why;
}

static const char *text_of(struct ud_ctx *cx, const struct output *o)
{
	return ud_strndup(cx->arena, o->kept.data ? o->kept.data : "", o->kept.len);
}

enum ud_code ud_process_run(struct ud_ctx *cx, const struct ud_run *run, struct ud_ran *ret)
{
	struct output o[2] = { { .max = run->output_max }, { .max = run->output_max } };
	int status = 0;

	int why = run_once(cx, run, o, &status);

	*ret = (struct ud_ran){ .status = status,
		.output = text_of(cx, &o[0]),
		.error = text_of(cx, &o[1]),
		.output_n = o[0].kept.len,
		.error_n = o[1].kept.len,
		.cut = o[0].cut || o[1].cut };
	for (int i = 0; i < 2; i++)
		ud_buf_free(&o[i].kept);
	if (why == ETIMEDOUT)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s did not end within %lld ms",
			run->argv[0], (long long)run->timeout_ms);
	if (why)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", run->argv[0], strerror(why));
	return UD_OK;
}

enum ud_code ud_own_program(struct ud_ctx *cx, const char **ret)
{
	char *path = ud_alloc(cx->arena, PATH_MAX + 1);
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX);

	if (n <= 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot tell where this program lies");
	*ret = path;
	return UD_OK;
}
