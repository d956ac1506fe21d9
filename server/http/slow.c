/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: one queue, four threads, each with a read connection of its own.
 */
#include "server/http/slow.h"

#include <pthread.h>

#include "server/http/io.h"

enum { THREADS = 4, QUEUE_MAX = 256 };

struct ud_slow {
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	struct ud_io *head, **tail;
	int queued;
	bool stop;
	pthread_t threads[THREADS];
	ud_reader *readers[THREADS];
	int running;
	int next_reader;
};

static struct ud_io *take(struct ud_slow *s)
{
	pthread_mutex_lock(&s->mutex);
	while (!s->head && !s->stop)
		pthread_cond_wait(&s->wake, &s->mutex);
	struct ud_io *io = s->head;

	if (io) {
		s->head = io->next;
		if (!s->head)
			s->tail = &s->head;
		s->queued--;
	}
	pthread_mutex_unlock(&s->mutex);
	return io;
}

static void work(struct ud_io *io, ud_reader *reader)
{
	struct ud_request *rq = &io->rq;
	enum ud_code code = ud_read_begin(&rq->cx, reader);

	if (code == UD_OK) {
		code = rq->route->prepare(&rq->cx, rq);
		ud_read_end(&rq->cx, reader);
	}
	if (code == UD_OK) {
		ud_dispatch_post(io);
		return;
	}
	ud_answer_problem(rq, code);
	ud_loop_finish(io);
}

static void *run(void *data)
{
	struct ud_slow *s = data;
	struct ud_io *io;

	pthread_mutex_lock(&s->mutex);
	ud_reader *reader = s->readers[s->next_reader++];

	pthread_mutex_unlock(&s->mutex);
	while ((io = take(s)))
		work(io, reader);
	return NULL;
}

enum ud_code ud_slow_start(struct ud_ctx *cx, ud_database *db, struct ud_slow **ret)
{
	struct ud_slow *s = ud_malloc(sizeof(*s));

	*ret = s;
	s->tail = &s->head;
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->wake, NULL);
	for (int i = 0; i < THREADS; i++)
		UD_TRY(ud_reader_open(cx, db, &s->readers[i]));
	for (; s->running < THREADS; s->running++)
		if (pthread_create(&s->threads[s->running], NULL, run, s) != 0)
			return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	return UD_OK;
}

void ud_slow_release(struct ud_slow **slow)
{
	struct ud_slow *s = *slow;

	if (!s)
		return;
	pthread_mutex_lock(&s->mutex);
	s->stop = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->mutex);
	for (int i = 0; i < s->running; i++)
		pthread_join(s->threads[i], NULL);
	for (int i = 0; i < THREADS; i++)
		ud_reader_release(&s->readers[i]);
	pthread_mutex_destroy(&s->mutex);
	pthread_cond_destroy(&s->wake);
	ud_free(s);
	*slow = NULL;
}

bool ud_slow_post(struct ud_slow *s, struct ud_io *io)
{
	pthread_mutex_lock(&s->mutex);
	bool room = s->queued < QUEUE_MAX && !s->stop;

	if (room) {
		io->next = NULL;
		*s->tail = io;
		s->tail = &io->next;
		s->queued++;
		pthread_cond_signal(&s->wake);
	}
	pthread_mutex_unlock(&s->mutex);
	return room;
}
