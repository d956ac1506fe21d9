/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The side with rights: calls wait in a list for their answers; one thread reads these, and starts
 * the network part anew when it has ended.
 */
#include "agent/relay.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/relay_frame.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"
#include "base/process.h"

enum { SLACK_MS = 5000, AGAIN_MS = 1000, END_MS = 3000 };

/* A call that waits, on its caller's stack. */
struct waiting {
	struct waiting *next;
	int64_t id;
	bool done;
	struct ud_ctx *cx; /* the caller's: the answer goes into its arena */
	struct ud_frame answer;
};

struct ud_relay {
	const struct ud_agent_config *config;
	const struct ud_env *env;
	const char *program; /* as long as the relay */
	pthread_t thread;
	bool running;
	pthread_mutex_t sending; /* one frame at a time */
	pthread_mutex_t mutex;   /* all below */
	pthread_cond_t wake;
	int fd, pid; /* of the network part; -1 = there is none */
	int64_t last_id;
	struct waiting *first;
	bool stop;
};

/* ---- the process ---- */

/* Both under the mutex. */
static enum ud_code start_network(struct ud_ctx *cx, struct ud_relay *r)
{
	const char *const argv[] = { r->program, "network", "--config",
		ud_agent_path(cx, r->config, "agent.conf"), NULL };
	int pair[2], pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot make a socketpair");
	const struct ud_program program = {
		.argv = argv, .in = pair[1], .out = -1, .err = STDERR_FILENO
	};
	int e = r->env->processes->start(&program, &pid);

	close(pair[1]);
	if (e != 0) {
		close(pair[0]);
		return ud_fail(
			cx, UD_E_UNAVAILABLE, NULL, "cannot start %s: %s", r->program, strerror(e));
	}
	r->fd = pair[0];
	r->pid = pid;
	return UD_OK;
}

/* The calls that wait learn that nobody knows what became of them. */
static void drop_network(struct ud_relay *r)
{
	for (struct waiting *w = r->first; w; w = w->next) {
		w->answer = (struct ud_frame){ .code = "unavailable",
			.detail = "the network part of the agent ended" };
		w->done = true;
	}
	r->first = NULL;
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	pthread_cond_broadcast(&r->wake);
}

static void end_process(struct ud_relay *r, int pid)
{
	int status;

	/* it ends by itself when the socket does */
	if (r->env->processes->wait(pid, END_MS, &status) == 0)
		return;
	(void)!r->env->processes->kill(pid, SIGKILL);
	(void)!r->env->processes->wait(pid, END_MS, &status);
}

/* ---- reading ---- */

/* Give an answer to its caller. */
static void give(struct ud_relay *r, const struct ud_frame *f)
{
	pthread_mutex_lock(&r->mutex);
	for (struct waiting **at = &r->first; *at; at = &(*at)->next) {
		struct waiting *w = *at;

		if (w->id != f->id)
			continue;
		*at = w->next;
		w->answer = *f;
		/* the caller sleeps: its arena is ours for the moment */
		w->answer.body = ud_strdup(w->cx->arena, f->body);
		w->answer.code = ud_strdup(w->cx->arena, f->code);
		w->answer.detail = ud_strdup(w->cx->arena, f->detail);
		w->done = true;
		break;
	}
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->mutex);
}

/* A renewed identity: the network part may write no file. */
static void store(struct ud_ctx *cx, struct ud_relay *r, int fd, const struct ud_frame *f)
{
	const char *pem = f->body ? f->body : "";
	enum ud_code code = ud_file_write(
		cx, ud_agent_path(cx, r->config, "identity.pem"), pem, strlen(pem), 0600);
	const struct ud_frame answer = { .kind = UD_FRAME_STORED,
		.id = f->id,
		.code = code == UD_OK ? NULL : ud_error_info(code)->name,
		.detail = code == UD_OK ? NULL : cx->problem.detail };

	pthread_mutex_lock(&r->sending);
	(void)!ud_frame_send(fd, &answer);
	pthread_mutex_unlock(&r->sending);
}

static bool read_one(struct ud_relay *r, int fd)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = {
		.arena = arena, .env = r->env, .now_ms = ud_now_ms(r->env), .request_id = "relay"
	};
	struct ud_frame f = { 0 };

	if (ud_frame_read(&cx, fd, &f) != UD_OK)
		return false;
	if (f.kind == UD_FRAME_ANSWER)
		give(r, &f);
	else if (f.kind == UD_FRAME_IDENTITY)
		store(&cx, r, fd, &f);
	return true;
}

/* Wait before the next start; false = stop. Under the mutex. */
static bool wait_again(struct ud_relay *r)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(AGAIN_MS, &until);
	while (!r->stop && rc == 0)
		rc = pthread_cond_timedwait(&r->wake, &r->mutex, &until);
	return !r->stop;
}

static void start_again(struct ud_relay *r)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = {
		.arena = arena, .env = r->env, .now_ms = ud_now_ms(r->env), .request_id = "relay"
	};

	if (start_network(&cx, r) != UD_OK)
		ud_log(UD_LOG_ERROR, "network_part_not_started", "reason", cx.problem.detail, NULL);
}

static void *run(void *data)
{
	struct ud_relay *r = data;

	pthread_mutex_lock(&r->mutex);
	while (!r->stop) {
		int fd = r->fd, pid = r->pid;

		pthread_mutex_unlock(&r->mutex);
		while (fd >= 0 && read_one(r, fd))
			;
		pthread_mutex_lock(&r->mutex);
		drop_network(r);
		r->pid = -1;
		pthread_mutex_unlock(&r->mutex);
		if (pid > 0)
			end_process(r, pid);
		pthread_mutex_lock(&r->mutex);
		if (r->stop)
			break;
		ud_log(UD_LOG_WARNING, "network_part_ended", NULL);
		if (wait_again(r))
			start_again(r);
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

/* ---- calling ---- */

/* Under the mutex; false when it did not come in time. */
static bool wait_for(struct ud_relay *r, struct waiting *w, int64_t timeout_ms)
{
	struct timespec until;
	int rc = 0;

	ud_deadline(timeout_ms + SLACK_MS, &until);
	while (!w->done && !r->stop && rc == 0)
		rc = pthread_cond_timedwait(&r->wake, &r->mutex, &until);
	for (struct waiting **at = &r->first; !w->done && *at; at = &(*at)->next)
		if (*at == w) {
			*at = w->next;
			break;
		}
	return w->done;
}

/* Join the list; the descriptor to send on, or -1. */
static int join(struct ud_relay *r, struct waiting *w)
{
	pthread_mutex_lock(&r->mutex);
	int fd = r->stop ? -1 : r->fd;

	w->id = ++r->last_id;
	if (fd >= 0) {
		w->next = r->first;
		r->first = w;
	}
	pthread_mutex_unlock(&r->mutex);
	return fd;
}

enum ud_code ud_relay_call(struct ud_ctx *cx, struct ud_relay *r, const char *path,
	const char *body, int64_t timeout_ms, struct ud_link_answer *ret, int64_t *ret_asked_ms)
{
	struct waiting w = { .cx = cx };
	int fd = join(r, &w);

	*ret_asked_ms = 0;
	if (fd < 0)
		return ud_fail(
			cx, UD_E_UNAVAILABLE, NULL, "the network part of the agent is not there");
	const struct ud_frame f = { .kind = UD_FRAME_CALL,
		.id = w.id,
		.path = path,
		.body = body,
		.timeout_ms = timeout_ms };

	pthread_mutex_lock(&r->sending);
	bool sent = ud_frame_send(fd, &f);

	pthread_mutex_unlock(&r->sending);
	pthread_mutex_lock(&r->mutex);
	bool done = wait_for(r, &w, sent ? timeout_ms : 0);

	pthread_mutex_unlock(&r->mutex);
	if (!done)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"the network part of the agent does not answer");
	*ret_asked_ms = w.answer.asked_ms;
	if (w.answer.code) {
		enum ud_code code = ud_error_by_name(w.answer.code);

		return ud_fail(cx, code == UD_CODE_COUNT || code == UD_OK ? UD_E_UNAVAILABLE : code,
			NULL, "%s", w.answer.detail ? w.answer.detail : w.answer.code);
	}
	*ret = (struct ud_link_answer){ .status = (int)w.answer.status,
		.body = w.answer.body ? w.answer.body : "",
		.n = w.answer.body ? strlen(w.answer.body) : 0 };
	return UD_OK;
}

/* ---- start and end ---- */

enum ud_code ud_relay_start(struct ud_ctx *cx, const struct ud_agent_config *config,
	const char *program, struct ud_relay **ret)
{
	struct ud_relay *r = ud_malloc(sizeof(*r));
	pthread_condattr_t monotonic;

	r->config = config;
	r->env = cx->env;
	r->program = program;
	r->fd = r->pid = -1;
	pthread_mutex_init(&r->sending, NULL);
	pthread_mutex_init(&r->mutex, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	enum ud_code code = start_network(cx, r);

	if (code == UD_OK && pthread_create(&r->thread, NULL, run, r) != 0)
		code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	r->running = code == UD_OK;
	if (code != UD_OK) {
		ud_relay_release(&r);
		return code;
	}
	*ret = r;
	return UD_OK;
}

void ud_relay_stop(struct ud_relay *r)
{
	pthread_mutex_lock(&r->mutex);
	r->stop = true;
	/* the reader sees the end, and the other side does */
	if (r->fd >= 0)
		shutdown(r->fd, SHUT_RDWR);
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->mutex);
}

void ud_relay_release(struct ud_relay **pr)
{
	struct ud_relay *r = *pr;

	if (!r)
		return;
	ud_relay_stop(r);
	if (r->running)
		pthread_join(r->thread, NULL);
	else if (r->fd >= 0)
		close(r->fd);
	pthread_mutex_destroy(&r->sending);
	pthread_mutex_destroy(&r->mutex);
	pthread_cond_destroy(&r->wake);
	ud_free(r);
	*pr = NULL;
}
