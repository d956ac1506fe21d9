/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay: one thread, one connection after the other.
 */
#include "support/relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/env.h"
#include "base/socket.h"

enum { PIECE = 16384, WAIT_MS = 20, SEND_MS = 20000 };

struct relay {
	int fd, target_port;
	char address[40];
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	bool stop;
	struct relay_faults faults;
	int64_t bytes;
};

static bool stopped(struct relay *r)
{
	pthread_mutex_lock(&r->mutex);
	bool stop = r->stop;

	pthread_mutex_unlock(&r->mutex);
	return stop;
}

static void wait_ms(struct relay *r, int64_t ms)
{
	struct timespec until;

	if (ms <= 0)
		return;
	ud_deadline(ms, &until);
	pthread_mutex_lock(&r->mutex);
	while (!r->stop && pthread_cond_timedwait(&r->wake, &r->mutex, &until) == 0)
		continue;
	pthread_mutex_unlock(&r->mutex);
}

/* Do to a piece what is to be done: false = cut. */
static bool spoil(struct relay *r, unsigned char *data, size_t *n, int64_t *ret_wait_ms)
{
	bool go_on = true;

	pthread_mutex_lock(&r->mutex);
	struct relay_faults *f = &r->faults;

	while (f->stall && !r->stop)
		pthread_cond_wait(&r->wake, &r->mutex);
	if (f->corrupt_at && r->bytes + (int64_t)*n > f->corrupt_at) {
		data[f->corrupt_at - r->bytes] ^= 4;
		f->corrupt_at = 0;
	}
	if (f->cut_after && r->bytes + (int64_t)*n >= f->cut_after) {
		*n = (size_t)(f->cut_after - r->bytes);
		f->cut_after = 0;
		go_on = false;
	}
	*ret_wait_ms = f->delay_ms;
	if (f->bytes_per_second)
		*ret_wait_ms += (int64_t)*n * 1000 / f->bytes_per_second;
	r->bytes += (int64_t)*n;
	pthread_mutex_unlock(&r->mutex);
	return go_on;
}

/* One piece from a to b; false at the end. */
static bool pass(struct relay *r, int a, int b, bool faulty)
{
	const struct ud_sockets *net = &ud_sockets_real;
	unsigned char data[PIECE];
	int64_t ms = 0;
	size_t n = 0;
	bool go_on = true;

	if (net->receive(a, data, sizeof(data), 0, &n) != 0 || n == 0)
		return false;
	if (faulty)
		go_on = spoil(r, data, &n, &ms);
	wait_ms(r, ms);
	return (n == 0 || net->send(b, data, n, SEND_MS) == 0) && go_on;
}

static void serve(struct relay *r, int from)
{
	int to = -1;
	char target[40];

	pthread_mutex_lock(&r->mutex);
	snprintf(target, sizeof(target), "127.0.0.1:%d", r->target_port);
	pthread_mutex_unlock(&r->mutex);
	if (ud_sockets_real.connect(target, SEND_MS, &to) == 0) {
		struct pollfd p[2] = { { from, POLLIN, 0 }, { to, POLLIN, 0 } };
		bool more = true;

		while (more && !stopped(r)) {
			if (poll(p, 2, WAIT_MS) <= 0)
				continue;
			if (p[1].revents)
				more = pass(r, to, from, false);
			if (more && p[0].revents)
				more = pass(r, from, to, true);
		}
		ud_sockets_real.close(to);
	}
	ud_sockets_real.close(from);
}

static void *relay_thread(void *data)
{
	struct relay *r = data;

	while (!stopped(r)) {
		int fd = -1;

		if (ud_sockets_real.accept(r->fd, WAIT_MS, &fd) == 0)
			serve(r, fd);
	}
	return NULL;
}

struct relay *relay_new(int target_port)
{
	struct relay *r = ud_malloc(sizeof(*r));
	pthread_condattr_t attributes;
	int port = 0;

	memset(r, 0, sizeof(*r));
	r->target_port = target_port;
	pthread_mutex_init(&r->mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&r->wake, &attributes);
	if (ud_sockets_real.listen("127.0.0.1:0", &r->fd, &port) != 0 ||
		pthread_create(&r->thread, NULL, relay_thread, r) != 0)
		abort();
	snprintf(r->address, sizeof(r->address), "127.0.0.1:%d", port);
	return r;
}

void relay_free(struct relay *relay)
{
	pthread_mutex_lock(&relay->mutex);
	relay->stop = true;
	pthread_cond_broadcast(&relay->wake);
	pthread_mutex_unlock(&relay->mutex);
	pthread_join(relay->thread, NULL);
	ud_sockets_real.close(relay->fd);
	pthread_cond_destroy(&relay->wake);
	pthread_mutex_destroy(&relay->mutex);
	ud_free(relay);
}

const char *relay_address(const struct relay *relay)
{
	return relay->address;
}

void relay_set(struct relay *relay, struct relay_faults faults)
{
	pthread_mutex_lock(&relay->mutex);
	relay->faults = faults;
	relay->bytes = 0;
	pthread_cond_broadcast(&relay->wake);
	pthread_mutex_unlock(&relay->mutex);
}

void relay_target(struct relay *relay, int target_port)
{
	pthread_mutex_lock(&relay->mutex);
	relay->target_port = target_port;
	pthread_mutex_unlock(&relay->mutex);
}

int64_t relay_bytes(struct relay *relay)
{
	pthread_mutex_lock(&relay->mutex);
	int64_t n = relay->bytes;

	pthread_mutex_unlock(&relay->mutex);
	return n;
}
