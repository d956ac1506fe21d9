/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts in processes of their own; see hosts.h. Both ends are the same program, so that a pointer
 * to a function means the same to them.
 */
#include "support/hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/drivers/libvirt/libvirt.h"
#include "base/env.h"
#include "base/log.h"
#include "support/context.h"

enum { TEXT = 1 << 20, LOOK_MS = 20 };

struct message {
	host_work *work; /* NULL = end */
	enum ud_code code;
	size_t n;
};

static bool whole(ssize_t (*move)(int, void *, size_t), int fd, void *data, size_t n)
{
	char *at = data;

	while (n > 0) {
		ssize_t got = move(fd, at, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		at += got;
		n -= (size_t)got;
	}
	return true;
}

static ssize_t put(int fd, void *data, size_t n)
{
	return send(fd, data, n, MSG_NOSIGNAL);
}

static ssize_t get(int fd, void *data, size_t n)
{
	return recv(fd, data, n, 0);
}

static bool send_message(int fd, host_work *work, enum ud_code code, const char *text)
{
	struct message m = { work, code, strlen(text) };

	return whole(put, fd, &m, sizeof(m)) && whole(put, fd, (void *)text, m.n);
}

static bool receive_message(int fd, struct message *m, char *text)
{
	if (!whole(get, fd, m, sizeof(*m)) || m->n >= TEXT || !whole(get, fd, text, m->n))
		return false;
	text[m->n] = '\0';
	return true;
}

/* ---- traps ---- */

/* Over there: the trap, the folder of what libvirt knows of guests that run, and the marker. */
static struct {
	pthread_mutex_t mutex;
	char step[40], run[120], sprung[120];
	int left, late_us;
	unsigned victims;
} trap = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void kill_qemu(void)
{
	char path[140];
	int pid = 0;

	snprintf(path, sizeof(path), "%s/guest.pid", trap.run);
	FILE *f = fopen(path, "r");

	if (f && fscanf(f, "%d", &pid) == 1 && pid > 1)
		kill(pid, SIGKILL);
	if (f)
		fclose(f);
}

static void spring(void)
{
	int fd = open(trap.sprung, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	if (trap.victims & HOST_QEMU)
		kill_qemu();
	if (trap.victims & HOST_ITSELF)
		kill(getpid(), SIGKILL);
}

/* Has libvirt written down that it begins a backup? */
static bool backup_is_noted(void)
{
	static char text[1 << 18];
	char path[140];

	snprintf(path, sizeof(path), "%s/guest.xml", trap.run);
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f)
		fclose(f);
	return strstr(text, "async='backup'") != NULL;
}

/* It is told of each file that takes its place in the folder. */
static void *spring_later(void *data)
{
	int fd = (int)(intptr_t)data;
	char told[4096];

	while (!backup_is_noted())
		if (read(fd, told, sizeof(told)) <= 0)
			break;
	const struct timespec late = { .tv_nsec = trap.late_us * 1000L };

	(void)ppoll(NULL, 0, &late, NULL);
	spring();
	close(fd);
	return NULL;
}

static void begin_later(void)
{
	int fd = inotify_init1(IN_CLOEXEC);
	pthread_t thread;

	if (fd < 0 || inotify_add_watch(fd, trap.run, IN_MOVED_TO) < 0 ||
		pthread_create(&thread, NULL, spring_later, (void *)(intptr_t)fd) != 0)
		_exit(4);
	pthread_detach(thread);
}

/* Called in the midst of the work: nothing of it may be done any more when it springs. */
static void on_step(void *data, const char *step)
{
	(void)data;
	pthread_mutex_lock(&trap.mutex);
	if (strcmp(step, trap.step) == 0 && --trap.left == 0) {
		trap.step[0] = '\0';
		if (trap.victims & HOST_LATER)
			begin_later();
		else
			spring();
	}
	pthread_mutex_unlock(&trap.mutex);
}

static void lay(const struct host *h, const struct host_trap *t)
{
	pthread_mutex_lock(&trap.mutex);
	snprintf(trap.step, sizeof(trap.step), "%s", t->step ? t->step : "");
	snprintf(trap.run, sizeof(trap.run), "%s/%s/run/qemu", h->guests->dir, h->name);
	snprintf(trap.sprung, sizeof(trap.sprung), "%s/%s.sprung", h->guests->dir, h->name);
	trap.left = t->nth;
	trap.victims = t->victims;
	trap.late_us = t->late_us;
	unlink(trap.sprung);
	pthread_mutex_unlock(&trap.mutex);
}

static enum ud_code work_arm(struct host_inside *in, const char *text, const char **ret_out)
{
	struct host_trap t = { 0 };
	char step[40] = "";

	(void)ret_out;
	if (sscanf(text, "%39s %d %u %d", step, &t.nth, &t.victims, &t.late_us) != 4)
		return ud_fail(in->cx, UD_E_VALIDATION, NULL, "no trap: %s", text);
	t.step = step;
	lay(in->host, &t);
	return UD_OK;
}

/* ---- over there ---- */

static enum ud_code open_host(struct ud_ctx *cx, const struct host *h, struct host_inside *in)
{
	static const struct ud_driver *const drivers[] = { &ud_driver_libvirt, NULL };
	const struct ud_hv_replication with = { .agent_id = h->agent_id,
		.listen = "127.0.0.1:0",
		.identity = h->identity,
		.root = h->root,
		.media = ud_printf(cx->arena, "%s/media-%s", h->guests->dir, h->name),
		.scrub_every_ms = h->scrub_every_ms,
		.step = on_step };

	UD_TRY(ud_hv_open(cx, drivers, guests_uri(cx, h->guests, h->name), NULL, NULL, &in->hv));
	return ud_hv_replicate(cx, in->hv, &with, &in->port);
}

static void serve_one(struct host_inside *in, const struct message *m, const char *text, int fd)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena,
		.env = &ud_env_real,
		.now_ms = ud_now_ms(&ud_env_real),
		.request_id = "work" };
	const char *out = NULL;

	in->cx = &cx;
	enum ud_code code = m->work(in, text, &out);

	if (code != UD_OK)
		out = cx.problem.detail;
	if (!send_message(fd, NULL, code, out ? out : ""))
		_exit(3);
}

/* What the test program has open beside that is not a host's: a relay's connections would stay up
 * as long as we hold them. */
static void close_others(int fd)
{
	enum { FIRST = STDERR_FILENO + 1 };

	if (fd > FIRST)
		(void)close_range(FIRST, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0U, 0);
}

/* A host that crashes leaves a core and its signal; cmocka would make it an ordinary end. */
static void crash_as_usual(void)
{
	static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS };

	for (size_t i = 0; i < UD_LEN(signals); i++)
		signal(signals[i], SIG_DFL);
}

static _Noreturn void serve(const struct host *h, int fd)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = {
		.arena = arena, .env = &ud_env_real, .now_ms = ud_now_ms(&ud_env_real)
	};
	struct host_inside in = { 0 };
	struct message m = { 0 };
	char *text = ud_malloc(TEXT);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	crash_as_usual();
	/* as the agent's own main does: QEMU and qemu-nbd go in these tests */
	signal(SIGPIPE, SIG_IGN);
	in.host = h;
	lay(h, &h->trap);
	enum ud_code code = open_host(&cx, h, &in);

	snprintf(text, TEXT, "%d %s", in.port, cx.problem.detail ? cx.problem.detail : "");
	if (send_message(fd, NULL, code, text) && code == UD_OK) {
		errno = 0;
		while (receive_message(fd, &m, text) && m.work)
			serve_one(&in, &m, text, fd);
		if (m.work) /* nobody said that it is the end */
			ud_log(UD_LOG_ERROR, "host_left", "name", h->name, "error", strerror(errno),
				NULL);
	}
	if (in.hv)
		ud_hv_close(&in.hv);
	ud_free(text);
	_exit(0); /* without the test program's own ends */
}

/* ---- over here ---- */

void host_again(struct ud_ctx *cx, struct host *h)
{
	struct message m = { 0 };
	char *text = ud_alloc(cx->arena, TEXT);
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	h->pid = fork();
	assert_true(h->pid >= 0);
	if (h->pid == 0) {
		close_others(pair[1]);
		serve(h, pair[1]);
	}
	close(pair[1]);
	h->fd = pair[0];
	assert_true(receive_message(h->fd, &m, text));
	if (m.code != UD_OK)
		fail_msg("host %s: %s", h->name, text);
	h->port = atoi(text);
}

void host_begin(struct ud_ctx *cx, const struct guests *g, const struct ends_authority *a,
	const char *name, const char *agent_id, struct host *ret)
{
	enum { VALID_MS = 3600000 };

	*ret = (struct host){ .name = name,
		.agent_id = agent_id,
		.identity = ends_identity(cx, a, UD_X509_AGENT, agent_id, cx->now_ms + VALID_MS),
		.root = a->root,
		.guests = g };
	host_again(cx, ret);
}

/* It has ended, or ends: its wait status. */
static int gone(struct host *h)
{
	int status = 0;

	close(h->fd);
	waitpid(h->pid, &status, 0);
	h->pid = 0;
	return status;
}

void host_end(struct host *h)
{
	if (h->pid <= 0)
		return;
	(void)!send_message(h->fd, NULL, UD_OK, "");
	(void)gone(h);
}

void host_kill(struct host *h)
{
	if (h->pid <= 0)
		return;
	kill(h->pid, SIGKILL);
	(void)gone(h);
}

void host_arm(struct ud_ctx *cx, struct host *h, struct host_trap t)
{
	host_must(cx, h, work_arm,
		ud_printf(cx->arena, "%s %d %u %d", t.step, t.nth, t.victims, t.late_us));
}

bool host_sprung(struct host *h, int64_t timeout_ms)
{
	int64_t until = ud_mono_ms(&ud_env_real) + timeout_ms;
	char path[120];

	snprintf(path, sizeof(path), "%s/%s.sprung", h->guests->dir, h->name);
	while (access(path, F_OK) != 0) {
		if (ud_mono_ms(&ud_env_real) >= until)
			return false;
		poll(NULL, 0, LOOK_MS);
	}
	return true;
}

enum ud_code host_do(
	struct ud_ctx *cx, struct host *h, host_work *work, const char *in, const char **ret_out)
{
	struct message m = { 0 };
	char *text = ud_malloc(TEXT);

	errno = 0;
	if (!send_message(h->fd, work, UD_OK, in) || !receive_message(h->fd, &m, text)) {
		int error = errno;

		fail_msg("host %s is gone, %s, wait status %#x", h->name, strerror(error), gone(h));
	}
	if (ret_out)
		*ret_out = ud_strdup(cx->arena, text);
	ud_free(text);
	return m.code;
}

const char *host_must(struct ud_ctx *cx, struct host *h, host_work *work, const char *in)
{
	const char *out = NULL;
	enum ud_code code = host_do(cx, h, work, in, &out);

	if (code != UD_OK)
		fail_msg("host %s: %s: %s", h->name, ud_error_info(code)->name, out);
	return out;
}
