/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The side without rights: a few threads make calls, one keeps the certificate young, the first one
 * reads what is asked. It knows no hypervisor and no journal.
 */
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent/relay.h"
#include "agent/relay_frame.h"
#include "base/env.h"
#include "base/log.h"

enum { WORKERS = 7, KEEP_MS = 60000, STORE_MS = 30000, ASKED_MAX = 64, NOBODY = 65534 };

/* A call that waits for a thread. */
struct asked {
	struct asked *next;
	struct ud_frame frame; /* texts on the heap */
};

struct network {
	const struct ud_env *env;
	ud_link *link;
	int fd;
	pthread_mutex_t sending;
	pthread_mutex_t mutex; /* all below */
	pthread_cond_t wake;
	struct asked *first, *last;
	size_t count;
	bool stop, stored; /* stored: the answer to an identity came */
	enum ud_code store_code;
};

static struct ud_ctx context(const struct network *n, ud_arena *arena)
{
	return (struct ud_ctx){
		.arena = arena, .env = n->env, .now_ms = ud_now_ms(n->env), .request_id = "network"
	};
}

/* ---- rights ---- */

/* The user that owns nothing: understudy where there is one. */
static enum ud_code drop_rights(struct ud_ctx *cx)
{
	const struct passwd *user = getpwnam("understudy");
	uid_t uid = user ? user->pw_uid : NOBODY;
	gid_t gid = user ? user->pw_gid : NOBODY;

	if (getuid() == 0 &&
		(setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
			setresuid(uid, uid, uid) != 0))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot give up the rights of root");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot forbid new rights");
	/* a key in memory is nobody else's to read */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	return UD_OK;
}

/* ---- calls ---- */

static bool send_frame(struct network *n, const struct ud_frame *f)
{
	pthread_mutex_lock(&n->sending);
	bool fine = ud_frame_send(n->fd, f);

	pthread_mutex_unlock(&n->sending);
	return fine;
}

static void free_asked(struct asked *a)
{
	ud_free((void *)(uintptr_t)a->frame.path);
	ud_free((void *)(uintptr_t)a->frame.body);
	ud_free(a);
}

static void make_call(struct network *n, const struct ud_frame *f)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = context(n, arena);
	struct ud_link_answer a = { 0 };
	enum ud_code code = ud_link_call(&cx, n->link, f->path, f->body, f->timeout_ms, &a);
	const struct ud_frame answer = { .kind = UD_FRAME_ANSWER,
		.id = f->id,
		.status = a.status,
		.body = code == UD_OK ? a.body : NULL,
		.asked_ms = ud_link_asked_ms(n->link),
		.code = code == UD_OK ? NULL : ud_error_info(code)->name,
		.detail = code == UD_OK ? NULL : cx.problem.detail };

	(void)!send_frame(n, &answer);
}

static void *work(void *data)
{
	struct network *n = data;

	pthread_mutex_lock(&n->mutex);
	while (!n->stop) {
		struct asked *a = n->first;

		if (!a) {
			pthread_cond_wait(&n->wake, &n->mutex);
			continue;
		}
		n->first = a->next;
		n->last = n->first ? n->last : NULL;
		n->count--;
		pthread_mutex_unlock(&n->mutex);
		make_call(n, &a->frame);
		free_asked(a);
		pthread_mutex_lock(&n->mutex);
	}
	pthread_mutex_unlock(&n->mutex);
	return NULL;
}

/* ---- the certificate ---- */

static enum ud_code store(struct ud_ctx *cx, void *data, const char *pem)
{
	struct network *n = data;
	const struct ud_frame f = { .kind = UD_FRAME_IDENTITY, .body = pem };
	struct timespec until;
	int rc = 0;

	n->stored = false;
	if (!send_frame(n, &f))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the other process is gone");
	ud_deadline(STORE_MS, &until);
	pthread_mutex_lock(&n->mutex);
	while (!n->stored && !n->stop && rc == 0)
		rc = pthread_cond_timedwait(&n->wake, &n->mutex, &until);
	enum ud_code code = n->stored ? n->store_code : UD_E_UNAVAILABLE;

	pthread_mutex_unlock(&n->mutex);
	return code == UD_OK ? UD_OK
			     : ud_fail(cx, code, NULL, "the renewed certificate was not stored");
}

static void *keep(void *data)
{
	struct network *n = data;

	for (bool go_on = true; go_on;) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = context(n, arena);
		enum ud_code code = ud_link_keep(&cx, n->link);

		if (code != UD_OK && !ud_link_stopped(n->link))
			ud_log(UD_LOG_WARNING, "not_renewed", "code", ud_error_info(code)->name,
				"reason", cx.problem.detail, NULL);
		go_on = code == UD_OK ? ud_link_wait(n->link, KEEP_MS)
				      : ud_link_pause(&cx, n->link, code);
	}
	return NULL;
}

/* ---- serving ---- */

static void take_call(struct network *n, const struct ud_frame *f)
{
	struct asked *a = ud_malloc(sizeof(*a));

	a->frame = *f;
	a->frame.path = ud_heap_strdup(f->path ? f->path : "");
	a->frame.body = f->body ? ud_heap_strdup(f->body) : NULL;
	pthread_mutex_lock(&n->mutex);
	bool room = n->count < ASKED_MAX;

	if (room) {
		if (n->last)
			n->last->next = a;
		else
			n->first = a;
		n->last = a;
		n->count++;
		pthread_cond_broadcast(&n->wake);
	}
	pthread_mutex_unlock(&n->mutex);
	if (!room)
		free_asked(a);
}

static bool serve_one(struct network *n)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = context(n, arena);
	struct ud_frame f = { 0 };

	if (ud_frame_read(&cx, n->fd, &f) != UD_OK)
		return false;
	if (f.kind == UD_FRAME_CALL)
		take_call(n, &f);
	if (f.kind == UD_FRAME_STORED) {
		pthread_mutex_lock(&n->mutex);
		n->store_code = f.code ? UD_E_UNAVAILABLE : UD_OK;
		n->stored = true;
		pthread_cond_broadcast(&n->wake);
		pthread_mutex_unlock(&n->mutex);
	}
	return true;
}

static enum ud_code serve(struct ud_ctx *cx, struct network *n)
{
	pthread_t threads[WORKERS + 1];
	size_t count = 0;

	while (count <= WORKERS &&
		pthread_create(&threads[count], NULL, count < WORKERS ? work : keep, n) == 0)
		count++;
	while (count > WORKERS && serve_one(n))
		;
	pthread_mutex_lock(&n->mutex);
	n->stop = true;
	pthread_cond_broadcast(&n->wake);
	pthread_mutex_unlock(&n->mutex);
	ud_link_stop(n->link);
	bool started = count > WORKERS;

	while (count)
		pthread_join(threads[--count], NULL);
	return started ? UD_OK : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
}

enum ud_code ud_network_run(struct ud_ctx *cx, const struct ud_agent_config *config, int fd)
{
	struct network n = { .env = cx->env,
		.fd = fd,
		.sending = PTHREAD_MUTEX_INITIALIZER,
		.mutex = PTHREAD_MUTEX_INITIALIZER };
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&n.wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	UD_TRY(ud_link_open(cx, config, &n.link));
	ud_link_store_by(n.link, store, &n);
	enum ud_code code = drop_rights(cx);

	if (code == UD_OK)
		code = serve(cx, &n);
	ud_link_release(&n.link);
	while (n.first) {
		struct asked *a = n.first;

		n.first = a->next;
		free_asked(a);
	}
	return code;
}
