/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The box of box.h: everything is asked of the site's own program.
 */
#include "support/box.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent/drivers/hyperv/hyperv.h"
#include "base/buf.h"
#include "base/env.h"
#include "base/process.h"
#include "support/context.h"

enum { WORDS = 16, RUN_MS = 120000 };

const struct ud_driver *const box_drivers[] = { &ud_driver_hyperv, NULL };

void box_begin(struct ud_ctx *cx, struct box *ret)
{
	int in[2], out[2];
	char ready[8] = "";

	cx->env = &ud_env_real;
	cx->now_ms = ud_now_ms(cx->env);
	*ret = (struct box){ .cx = cx, .socket = context_path(cx, "site") };
	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC), 0);
	const char *const argv[] = { "/usr/bin/python3", "-B",
		UD_SOURCE_DIR "/tests/hyperv/powershell.py", ret->socket, NULL };
	const struct ud_program program = {
		.argv = argv, .in = in[0], .out = out[1], .err = STDERR_FILENO
	};

	assert_int_equal(ud_env_real.processes->start(&program, &ret->pid), 0);
	close(in[0]);
	close(out[1]);
	ret->in = in[1];
	assert_true(read(out[0], ready, sizeof(ready)) > 0);
	close(out[0]);
}

/* ---- words with the site ---- */

static void put(int fd, const void *data, size_t n)
{
	const char *p = data;

	for (ssize_t k; n > 0; p += k, n -= (size_t)k) {
		k = send(fd, p, n, MSG_NOSIGNAL);
		assert_true(k > 0);
	}
}

/* As the stub does it: words, a line, what is read from in (-1 = nothing); and the whole answer. */
static void exchange(
	const char *path, const char *const *words, size_t n, int in, struct ud_buf *ret)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char piece[4096];
	ssize_t k;

	assert_true(strlen(path) < sizeof(at.sun_path));
	memcpy(at.sun_path, path, strlen(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	for (size_t i = 0; i < n; i++)
		put(fd, words[i], strlen(words[i]) + 1);
	put(fd, "\n", 1);
	while (in >= 0 && (k = read(in, piece, sizeof(piece))) > 0)
		put(fd, piece, (size_t)k);
	shutdown(fd, SHUT_WR);
	while ((k = read(fd, piece, sizeof(piece))) > 0)
		ud_buf_add(ret, piece, (size_t)k);
	close(fd);
}

const char *box_do(struct box *b, const char *what, ...)
{
	const char *words[WORDS] = { "!", what };
	struct ud_buf said = { 0 };
	size_t n = 2;
	va_list ap;

	va_start(ap, what);
	for (const char *word; n < WORDS && (word = va_arg(ap, const char *));)
		words[n++] = word;
	va_end(ap);
	exchange(b->socket, words, n, -1, &said);
	const char *text = ud_strndup(b->cx->arena, ud_buf_text(&said), said.len);

	ud_buf_free(&said);
	if (!*text || strncmp(text, "ERROR", 5) == 0)
		fail_msg("%s: %s", what, text);
	return ud_strndup(b->cx->arena, text, strcspn(text, "\n"));
}

/* ---- PowerShell without a process ---- */

static const struct box *near_box;
static int near_status;
static int64_t near_late_ms; /* that the program which was started last still takes */

/* "!late 1500" before the answer: it takes so long, by the test's clock. */
static void take_lateness(struct ud_buf *said)
{
	static const char mark[] = "!late ";
	const char *text = ud_buf_text(said), *end = strchr(text, '\n');

	near_late_ms = 0;
	if (strncmp(text, mark, strlen(mark)) != 0 || !end)
		return;
	near_late_ms = strtoll(text + strlen(mark), NULL, 10);
	size_t n = (size_t)(end + 1 - text);

	memmove(said->data, said->data + n, said->len - n);
	said->len -= n;
}

static int near_start(const struct ud_program *p, int *ret_pid)
{
	enum { NEVER = 1 << 22, PIPE = 1 << 20, DIED = 7 };
	const char *words[WORDS] = { strstr(p->argv[0], "powershell-") + strlen("powershell-") };
	struct ud_buf said = { 0 };
	size_t n = 1;

	for (size_t i = 1; p->argv[i] && n < WORDS; i++)
		words[n++] = p->argv[i];
	fcntl(p->out, F_SETPIPE_SZ, PIPE);
	exchange(near_box->socket, words, n, p->in, &said);
	take_lateness(&said);
	near_status = said.len ? 0 : DIED;
	assert_true(said.len < PIPE);
	if (said.len)
		assert_int_equal(write(p->out, said.data, said.len), said.len);
	ud_buf_free(&said);
	*ret_pid = NEVER;
	return 0;
}

static int near_wait(int pid, int64_t timeout_ms, int *ret_status)
{
	bool over = near_late_ms > timeout_ms;

	(void)pid;
	if (near_late_ms)
		near_box->pass(near_box->pass_data, over ? timeout_ms : near_late_ms);
	near_late_ms = 0;
	*ret_status = near_status;
	return over ? ETIMEDOUT : 0;
}

static int near_kill(int pid, int signal)
{
	(void)pid, (void)signal;
	return 0;
}

const struct ud_processes *box_near(struct box *b, void (*pass)(void *data, int64_t ms), void *data)
{
	static const struct ud_processes near = {
		.start = near_start, .wait = near_wait, .kill = near_kill
	};

	near_box = b;
	b->pass = pass;
	b->pass_data = data;
	box_do(b, "world", "near", "true", NULL);
	return &near;
}

const char *box_host(struct box *b, const char *name)
{
	struct ud_ctx *cx = b->cx;
	const char *program = context_file(cx, ud_printf(cx->arena, "powershell-%s", name),
		ud_printf(cx->arena, "#!/bin/sh\nexec '%s' '%s' %s \"$@\"\n",
			UD_BINARY_DIR "/hyperv-stub", b->socket, name));

	assert_int_equal(chmod(program, 0700), 0);
	box_do(b, "host", name, NULL);
	return ud_printf(
		cx->arena, "hyperv:local?dir=%s&powershell=%s", context_path(cx, name), program);
}

void box_end(struct box *b)
{
	const char *violations = box_do(b, "violations", NULL);
	int status;

	close(b->in);
	assert_int_equal(ud_env_real.processes->wait(b->pid, RUN_MS, &status), 0);
	assert_string_equal(violations, "");
}
