/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two lists in an arena of their own, which goes away with what was taken.
 */
#include "server/agents/due.h"

#include <pthread.h>
#include <string.h>

#include "db/commands.h"

struct ud_due {
	pthread_mutex_t mutex;
	ud_arena *arena;
	struct ud_due_batch batch;
};

struct ud_due *ud_due_new(void)
{
	struct ud_due *due = ud_malloc(sizeof(*due));

	pthread_mutex_init(&due->mutex, NULL);
	due->arena = ud_arena_new();
	return due;
}

void ud_due_release(struct ud_due **pdue)
{
	struct ud_due *due = *pdue;

	if (!due)
		return;
	ud_arena_release(&due->arena);
	pthread_mutex_destroy(&due->mutex);
	ud_free(due);
	*pdue = NULL;
}

/* Under the mutex. */
static void add_delivery(
	ud_arena *arena, struct ud_due_batch *b, const char *host_id, bool promotes)
{
	struct ud_due_delivery *d = b->deliveries;

	while (d && strcmp(d->host_id, host_id) != 0)
		d = d->next;
	if (!d) {
		d = ud_alloc(arena, sizeof(*d));
		*d = (struct ud_due_delivery){ b->deliveries, ud_strdup(arena, host_id), promotes };
		b->deliveries = d;
	}
	d->promotes = promotes;
}

static void add_progress(ud_arena *arena, struct ud_due_batch *b, const char *host_id,
	const struct ud_wire_progress *p)
{
	struct ud_due_progress *d = b->progress;

	while (d &&
		(d->progress.seq != p->seq || strcmp(d->progress.subject_id, p->subject_id) != 0 ||
			strcmp(d->host_id, host_id) != 0))
		d = d->next;
	if (!d) {
		d = ud_alloc(arena, sizeof(*d));
		*d = (struct ud_due_progress){ .next = b->progress,
			.host_id = ud_strdup(arena, host_id) };
		d->progress = *p;
		d->progress.subject_id = ud_strdup(arena, p->subject_id);
		b->progress = d;
	}
	d->progress.percent = p->percent;
	d->progress.steps.text = ud_strdup(arena, p->steps.text);
}

void ud_due_delivery(struct ud_due *due, const char *host_id, bool promotes)
{
	pthread_mutex_lock(&due->mutex);
	add_delivery(due->arena, &due->batch, host_id, promotes);
	pthread_mutex_unlock(&due->mutex);
}

void ud_due_progress(struct ud_due *due, const char *host_id, const struct ud_wire_progress *p)
{
	pthread_mutex_lock(&due->mutex);
	add_progress(due->arena, &due->batch, host_id, p);
	pthread_mutex_unlock(&due->mutex);
}

/* The lists are copied: their arena is used up by calls that come meanwhile. */
bool ud_due_take(struct ud_due *due, struct ud_ctx *cx, struct ud_due_batch *ret)
{
	*ret = (struct ud_due_batch){ 0 };
	pthread_mutex_lock(&due->mutex);
	for (const struct ud_due_delivery *d = due->batch.deliveries; d; d = d->next)
		add_delivery(cx->arena, ret, d->host_id, d->promotes);
	for (const struct ud_due_progress *d = due->batch.progress; d; d = d->next)
		add_progress(cx->arena, ret, d->host_id, &d->progress);
	if (ret->deliveries || ret->progress) {
		ud_arena_release(&due->arena);
		due->arena = ud_arena_new();
		due->batch = (struct ud_due_batch){ 0 };
	}
	pthread_mutex_unlock(&due->mutex);
	return ret->deliveries || ret->progress;
}

void ud_due_return(struct ud_due *due, const struct ud_due_batch *batch)
{
	for (const struct ud_due_delivery *d = batch->deliveries; d; d = d->next)
		ud_due_delivery(due, d->host_id, d->promotes);
}

enum ud_code ud_due_store(struct ud_ctx *cx, void *data)
{
	const struct ud_due_batch *batch = data;

	for (const struct ud_due_delivery *d = batch->deliveries; d; d = d->next)
		UD_TRY(ud_command_deliver(cx, d->host_id, d->promotes));
	for (const struct ud_due_progress *d = batch->progress; d; d = d->next)
		UD_TRY(ud_command_progress(cx, d->host_id, &d->progress));
	return UD_OK;
}
