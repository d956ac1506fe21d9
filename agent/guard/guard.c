/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's end of the line: starting a guard, finding it again, asking it.
 */
#include "agent/guard/guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "agent/guard/line.h"
#include "base/env.h"
#include "base/log.h"

enum { START_MS = 5000, AGAIN_MS = 250, REPLY_MS = 2000, LOOK_MS = 10 };

struct ud_guard {
	char *dir, *program, *watchdog;
	int fd; /* -1 = not connected */
	pthread_mutex_t mutex;
};

/* ---- the way to it ---- */

/*
 * Start one, and wait until it answers. One that holds the folder's lock and does not listen yet is
 * waited for; one that held it and was just ending has kept ours from beginning: then another is
 * started.
 */
static enum ud_code launch(struct ud_ctx *cx, struct ud_guard *g)
{
	const struct ud_guard_place place = { g->dir, g->program, g->watchdog };
	int64_t now = ud_mono_ms(cx->env), last = now + START_MS, again = now;

	for (; g->fd < 0 && now < last; now = ud_mono_ms(cx->env)) {
		if (now >= again) {
			UD_TRY(ud_guard_launch(cx, &place));
			ud_log(UD_LOG_INFO, "guard_started", "dir", g->dir, NULL);
			again = now + AGAIN_MS;
		}
		g->fd = ud_guard_connect(g->dir);
		if (g->fd < 0)
			ud_guard_rest(LOOK_MS);
	}
	return g->fd >= 0 ? UD_OK
			  : ud_fail(cx, UD_E_UNAVAILABLE, NULL,
				    "the lease guard is not reached: %s", strerror(errno));
}

static enum ud_code reach(struct ud_ctx *cx, struct ud_guard *g, bool may_start)
{
	if (g->fd >= 0 || (g->fd = ud_guard_connect(g->dir)) >= 0)
		return UD_OK;
	return may_start ? launch(cx, g)
			 : ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no lease guard");
}

static void lose(struct ud_guard *g)
{
	if (g->fd >= 0)
		ud_guard_hang_up(g->fd);
	g->fd = -1;
}

/* ---- one call ---- */

static bool exchange(struct ud_guard *g, const struct ud_guard_request *rq, int process,
	struct ud_guard_reply *ret)
{
	bool done = ud_guard_send(g->fd, rq, process) && ud_guard_take(g->fd, ret, REPLY_MS) &&
		ret->version == UD_GUARD_VERSION;

	if (!done)
		lose(g); /* a late reply must not be taken for another one's */
	return done;
}

static enum ud_code call_locked(struct ud_ctx *cx, struct ud_guard *g,
	const struct ud_guard_request *rq, int process, struct ud_guard_reply *ret)
{
	for (int tries = 0; tries < 2; tries++) {
		UD_TRY(reach(cx, g, rq->verb == UD_GUARD_ARM));
		if (exchange(g, rq, process, ret))
			return UD_OK;
	}
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the lease guard does not answer");
}

static enum ud_code call(struct ud_ctx *cx, struct ud_guard *g, const struct ud_guard_request *rq,
	int process, struct ud_guard_reply *ret)
{
	pthread_mutex_lock(&g->mutex);
	enum ud_code code = call_locked(cx, g, rq, process, ret);

	pthread_mutex_unlock(&g->mutex);
	return code;
}

/* ---- UUIDs ---- */

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_uuid(const char *text, unsigned char out[UD_GUARD_UUID])
{
	size_t n = 0;

	for (; *text; text++) {
		int v = nibble(*text);

		if (v < 0 && *text == '-')
			continue;
		if (v < 0 || n == (size_t)UD_GUARD_UUID * 2)
			return false;
		out[n / 2] = (unsigned char)(n % 2 ? out[n / 2] | v : v << 4);
		n++;
	}
	return n == (size_t)UD_GUARD_UUID * 2;
}

static void write_uuid(const unsigned char *u, char out[37])
{
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12],
		u[13], u[14], u[15]);
}

/* ---- the calls ---- */

ud_guard *ud_guard_new(const struct ud_guard_place *place)
{
	ud_guard *g = ud_malloc(sizeof(*g));

	*g = (struct ud_guard){ .dir = ud_heap_strdup(place->dir),
		.program = ud_heap_strdup(place->program),
		.watchdog = ud_heap_strdup(place->watchdog),
		.fd = -1 };
	pthread_mutex_init(&g->mutex, NULL);
	return g;
}

enum ud_code ud_guard_start(struct ud_ctx *cx, ud_guard *g)
{
	pthread_mutex_lock(&g->mutex);
	enum ud_code code = reach(cx, g, true);

	pthread_mutex_unlock(&g->mutex);
	return code;
}

void ud_guard_release(ud_guard **guard)
{
	ud_guard *g = *guard;

	if (!g)
		return;
	lose(g);
	pthread_mutex_destroy(&g->mutex);
	ud_free(g->dir);
	ud_free(g->program);
	ud_free(g->watchdog);
	ud_free(g);
	*guard = NULL;
}

/* The guard's word as a code of ours; none: what "it has no such thing" means for this call. */
static enum ud_code told(
	struct ud_ctx *cx, const struct ud_guard_reply *r, const char *uuid, enum ud_code none)
{
	switch (r->result) {
	case UD_GUARD_DONE:
		return UD_OK;
	case UD_GUARD_NONE:
		return ud_fail(cx, none, NULL, "%s has no process that lives by a lease", uuid);
	case UD_GUARD_OLDER:
		return ud_fail(cx, UD_E_CONFLICT, NULL, "%s is guarded under epoch %lld", uuid,
			(long long)r->epoch);
	case UD_GUARD_FULL:
		return ud_fail(cx, UD_E_EXHAUSTED, NULL, "the lease guard has no room left");
	default:
		return ud_fail(cx, UD_E_INTERNAL, NULL, "the lease guard takes no such request");
	}
}

static enum ud_code about(struct ud_ctx *cx, ud_guard *guard, enum ud_guard_verb verb,
	const char *uuid, int process, int64_t epoch, int64_t deadline_ms)
{
	struct ud_guard_request rq = { .version = UD_GUARD_VERSION,
		.verb = verb,
		.epoch = epoch,
		.deadline_ms = deadline_ms };
	struct ud_guard_reply r = { 0 };

	if (!read_uuid(uuid, rq.uuid))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "%s is no UUID", uuid);
	UD_TRY(call(cx, guard, &rq, process, &r));
	return told(cx, &r, uuid, verb == UD_GUARD_ARM ? UD_E_INVALID_STATE : UD_E_NOT_FOUND);
}

enum ud_code ud_guard_arm(struct ud_ctx *cx, ud_guard *guard, const char *uuid, int process,
	int64_t epoch, int64_t deadline_ms)
{
	return about(cx, guard, UD_GUARD_ARM, uuid, process, epoch, deadline_ms);
}

enum ud_code ud_guard_renew(
	struct ud_ctx *cx, ud_guard *guard, const char *uuid, int64_t epoch, int64_t deadline_ms)
{
	return about(cx, guard, UD_GUARD_RENEW, uuid, -1, epoch, deadline_ms);
}

enum ud_code ud_guard_disarm(struct ud_ctx *cx, ud_guard *guard, const char *uuid, int64_t epoch)
{
	return about(cx, guard, UD_GUARD_DISARM, uuid, -1, epoch, 0);
}

enum ud_code ud_guard_visit(struct ud_ctx *cx, ud_guard *guard, ud_guard_visitor *visit, void *data)
{
	struct ud_guard_request rq = { .version = UD_GUARD_VERSION, .verb = UD_GUARD_SHOW };
	struct ud_guard_reply r = { 0 };

	for (;; rq.index++) {
		enum ud_code code = call(cx, guard, &rq, -1, &r);

		if (code == UD_E_NOT_FOUND) {
			ud_ctx_clear(cx);
			return UD_OK;
		}
		UD_TRY(code);
		if (r.result != UD_GUARD_DONE)
			return UD_OK;
		struct ud_guarded g = {
			.epoch = r.epoch, .deadline_ms = r.deadline_ms, .killed_ms = r.killed_ms
		};

		write_uuid(r.uuid, g.uuid);
		UD_TRY(visit(cx, data, &g));
	}
}
