/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiver: a thread that accepts, one for each connection, and the pool that writes.
 */
#include "agent/replication/receiver.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/session.h"
#include "base/log.h"
#include "base/socket.h"

enum { CONNECTIONS = 64, CONNECTIONS_MAX = 1024, ACCEPT_MS = 200, GREETING_MS = 20000 };

/* A connection's place. */
struct seat {
	ud_receiver *receiver;
	bool taken, over; /* over: its thread waits to be joined */
	int fd;
	pthread_t thread;
	ud_stream *stream;
	struct ud_session_state state;
};

struct ud_receiver {
	ud_arena *arena;
	const struct ud_env *env;
	struct ud_receiver_settings settings;
	int fd, port;
	ud_intake_pool *pool;
	pthread_t thread;
	pthread_mutex_t mutex; /* of what follows, seats included */
	pthread_cond_t wake;
	bool stop;
	ud_peers *peers;
	int handshakes; /* that use peers without the lock */
	int seat_count;
	struct seat *seats;
};

/* ---- one connection ---- */

static ud_peers *borrow_peers(ud_receiver *r)
{
	pthread_mutex_lock(&r->mutex);
	r->handshakes++;
	ud_peers *peers = r->peers;

	pthread_mutex_unlock(&r->mutex);
	return peers;
}

static void return_peers(ud_receiver *r)
{
	pthread_mutex_lock(&r->mutex);
	r->handshakes--;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->mutex);
}

/* Agree with the other end; then it can be cut by others. */
static ud_stream *welcome(struct ud_ctx *cx, struct seat *seat)
{
	ud_receiver *r = seat->receiver;
	ud_stream *stream = NULL;
	enum ud_code code = ud_stream_accept(cx, borrow_peers(r), seat->fd, GREETING_MS, &stream);

	return_peers(r);
	if (code != UD_OK)
		ud_log(UD_LOG_WARNING, "replication.refused", "code", ud_error_info(code)->name,
			"reason", cx->problem.detail, NULL);
	pthread_mutex_lock(&r->mutex);
	seat->stream = stream;
	if (stream && r->stop)
		ud_stream_cut(stream);
	pthread_mutex_unlock(&r->mutex);
	return stream;
}

static void *seat_thread(void *data)
{
	struct seat *seat = data;
	ud_receiver *r = seat->receiver;
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = r->env, .now_ms = ud_now_ms(r->env) };
	ud_stream *stream = welcome(&cx, seat);

	if (stream)
		ud_session_run(r->env, &r->settings.calls, r->pool, stream, r->settings.timeout_ms,
			&seat->state);
	pthread_mutex_lock(&r->mutex);
	seat->stream = NULL;
	seat->over = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->mutex);
	ud_stream_release(&stream);
	return NULL;
}

/* ---- accepting ---- */

static void join_seat(struct seat *seat)
{
	pthread_join(seat->thread, NULL);
	ud_session_state_end(&seat->state);
	seat->taken = seat->over = false;
}

static struct seat *free_seat(ud_receiver *r)
{
	struct seat *found = NULL;

	pthread_mutex_lock(&r->mutex);
	for (int i = 0; i < r->seat_count; i++) {
		struct seat *seat = &r->seats[i];

		if (seat->taken && seat->over)
			join_seat(seat);
		if (!seat->taken && !found)
			found = seat;
	}
	if (found) {
		found->taken = true;
		found->receiver = r;
		ud_session_state_begin(&found->state);
	}
	pthread_mutex_unlock(&r->mutex);
	return found;
}

static bool stopped(ud_receiver *r)
{
	pthread_mutex_lock(&r->mutex);
	bool stop = r->stop;

	pthread_mutex_unlock(&r->mutex);
	return stop;
}

static void seat_connection(ud_receiver *r, int fd)
{
	struct seat *seat = free_seat(r);

	if (!seat) {
		ud_log(UD_LOG_WARNING, "replication.full", NULL);
		r->env->sockets->close(fd);
		return;
	}
	seat->fd = fd;
	if (pthread_create(&seat->thread, NULL, seat_thread, seat) != 0)
		abort();
}

static void *accept_thread(void *data)
{
	ud_receiver *r = data;

	while (!stopped(r)) {
		int fd = -1;

		if (r->env->sockets->accept(r->fd, ACCEPT_MS, &fd) == 0)
			seat_connection(r, fd);
	}
	return NULL;
}

/* ---- opening ---- */

static enum ud_code begin(struct ud_ctx *cx, ud_receiver *r, const struct ud_receiver_settings *s)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	UD_TRY(ud_peers_open(cx, &s->peer, &r->peers));
	int rc = cx->env->sockets->listen(s->listen, &r->fd, &r->port);

	if (rc != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", s->listen, strerror(rc));
	r->pool = ud_intake_pool_new(s->workers ? s->workers : (int)cores);
	if (pthread_create(&r->thread, NULL, accept_thread, r) != 0)
		abort();
	return UD_OK;
}

enum ud_code ud_receiver_open(
	struct ud_ctx *cx, const struct ud_receiver_settings *settings, ud_receiver **ret)
{
	ud_receiver *r = ud_malloc(sizeof(*r));

	memset(r, 0, sizeof(*r));
	r->arena = ud_arena_new();
	r->env = cx->env;
	r->settings = *settings;
	r->fd = -1;
	if (!r->settings.timeout_ms)
		r->settings.timeout_ms = 60000;
	r->seat_count = settings->connections ? settings->connections : CONNECTIONS;
	if (r->seat_count > CONNECTIONS_MAX)
		r->seat_count = CONNECTIONS_MAX;
	r->seats = ud_malloc((size_t)r->seat_count * sizeof(*r->seats));
	memset(r->seats, 0, (size_t)r->seat_count * sizeof(*r->seats));
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->wake, NULL);
	enum ud_code code = begin(cx, r, settings);

	if (code != UD_OK)
		ud_receiver_release(&r);
	else
		*ret = r;
	return code;
}

void ud_receiver_release(ud_receiver **receiver)
{
	ud_receiver *r = *receiver;

	*receiver = NULL;
	if (!r)
		return;
	pthread_mutex_lock(&r->mutex);
	r->stop = true;
	for (int i = 0; i < r->seat_count; i++)
		if (r->seats[i].stream)
			ud_stream_cut(r->seats[i].stream);
	pthread_mutex_unlock(&r->mutex);
	if (r->pool)
		pthread_join(r->thread, NULL);
	for (int i = 0; i < r->seat_count; i++)
		if (r->seats[i].taken)
			join_seat(&r->seats[i]);
	if (r->fd >= 0)
		r->env->sockets->close(r->fd);
	ud_intake_pool_release(&r->pool);
	ud_peers_release(&r->peers);
	ud_free(r->seats);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->mutex);
	ud_arena_release(&r->arena);
	ud_free(r);
}

int ud_receiver_port(const ud_receiver *receiver)
{
	return receiver->port;
}

enum ud_code ud_receiver_set_peer(
	struct ud_ctx *cx, ud_receiver *receiver, const struct ud_peer *peer)
{
	ud_peers *fresh = NULL;

	UD_TRY(ud_peers_open(cx, peer, &fresh));
	pthread_mutex_lock(&receiver->mutex);
	ud_peers *old = receiver->peers;

	receiver->peers = fresh;
	/* streams keep what they need; only beginnings read it */
	while (receiver->handshakes > 0)
		pthread_cond_wait(&receiver->wake, &receiver->mutex);
	pthread_mutex_unlock(&receiver->mutex);
	ud_peers_release(&old);
	return UD_OK;
}

void ud_receiver_cut(ud_receiver *receiver, const char *replication_id)
{
	bool any = true;

	pthread_mutex_lock(&receiver->mutex);
	while (any) {
		any = false;
		for (int i = 0; i < receiver->seat_count; i++) {
			struct seat *seat = &receiver->seats[i];

			if (!seat->taken || seat->over || !seat->stream ||
				!ud_session_is(&seat->state, replication_id))
				continue;
			ud_stream_cut(seat->stream);
			any = true;
		}
		if (any)
			pthread_cond_wait(&receiver->wake, &receiver->mutex);
	}
	pthread_mutex_unlock(&receiver->mutex);
}

void ud_receiver_progress(
	ud_receiver *receiver, const char *replication_id, struct ud_progress *ret)
{
	*ret = (struct ud_progress){ .eta_seconds = UD_NONE };
	pthread_mutex_lock(&receiver->mutex);
	for (int i = 0; i < receiver->seat_count && !ret->active; i++) {
		struct seat *seat = &receiver->seats[i];

		if (seat->taken && !seat->over && ud_session_is(&seat->state, replication_id))
			ud_session_progress(&seat->state, ret);
	}
	pthread_mutex_unlock(&receiver->mutex);
	ret->point_id = ret->id;
}
