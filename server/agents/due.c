/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists in an arena of their own, which goes away with what was taken.
 */
#include "server/agents/due.h"

#include <pthread.h>
#include <string.h>

#include "base/env.h"
#include "base/id.h"
#include "db/inventory.h"
#include "server/agents/recovery.h"
#include "server/agents/troubles.h"

struct ud_due {
	const struct ud_env *env;
	pthread_mutex_t mutex; /* all below */
	ud_arena *arena;
	struct ud_due_batch batch;
	char by[UD_ULID_TEXT]; /* of the marks; another one after each doubt */
	int64_t made, counting;
};

/* Under the mutex, or before there is a second thread. */
static void begin_marks(struct ud_due *due)
{
	ud_ulid(due->env, ud_now_ms(due->env), due->by);
	due->counting = due->made;
}

struct ud_due *ud_due_new(const struct ud_env *env)
{
	struct ud_due *due = ud_malloc(sizeof(*due));

	due->env = env;
	pthread_mutex_init(&due->mutex, NULL);
	due->arena = ud_arena_new();
	begin_marks(due);
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

static void add_heartbeat(
	ud_arena *arena, struct ud_due_batch *b, const struct ud_due_heartbeat *heard)
{
	struct ud_due_heartbeat *h = ud_alloc(arena, sizeof(*h));
	struct ud_sample *samples = ud_alloc(arena, (heard->count + 1) * sizeof(*samples));

	*h = *heard;
	for (size_t i = 0; i < h->count; i++) {
		samples[i] = heard->samples[i];
		samples[i].uuid = ud_strdup(arena, heard->samples[i].uuid);
	}
	h->host_id = ud_strdup(arena, heard->host_id);
	h->samples = samples;
	h->next = b->heartbeats;
	b->heartbeats = h;
}

static void add_heads(
	ud_arena *arena, struct ud_due_batch *b, const char *host_id, const char *heads)
{
	struct ud_due_heads *h = b->heads;

	while (h && strcmp(h->host_id, host_id) != 0)
		h = h->next;
	if (!h) {
		h = ud_alloc(arena, sizeof(*h));
		*h = (struct ud_due_heads){ .next = b->heads,
			.host_id = ud_strdup(arena, host_id) };
		b->heads = h;
	}
	h->heads = ud_strdup(arena, heads);
}

void ud_due_heads(struct ud_due *due, const char *host_id, const char *heads)
{
	pthread_mutex_lock(&due->mutex);
	add_heads(due->arena, &due->batch, host_id, heads);
	pthread_mutex_unlock(&due->mutex);
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

void ud_due_heartbeat(struct ud_due *due, const char *host_id, int64_t at_ms,
	const struct ud_sample *samples, size_t n)
{
	const struct ud_due_heartbeat heard = {
		.host_id = host_id, .at_ms = at_ms, .samples = samples, .count = n
	};

	pthread_mutex_lock(&due->mutex);
	add_heartbeat(due->arena, &due->batch, &heard);
	pthread_mutex_unlock(&due->mutex);
}

static void add_doubt(ud_arena *arena, struct ud_due_batch *b, const struct ud_due_doubt *doubt)
{
	struct ud_due_doubt *d = ud_alloc(arena, sizeof(*d));

	*d = (struct ud_due_doubt){ b->doubts, ud_strdup(arena, doubt->host_id),
		ud_strdup(arena, doubt->digest), doubt->number };
	b->doubts = d;
}

void ud_due_doubt(struct ud_due *due, const char *host_id, int64_t number, const char *digest)
{
	const struct ud_due_doubt doubt = { NULL, host_id, digest, number };

	pthread_mutex_lock(&due->mutex);
	add_doubt(due->arena, &due->batch, &doubt);
	pthread_mutex_unlock(&due->mutex);
}

static bool any(const struct ud_due_batch *b)
{
	return b->deliveries || b->progress || b->heartbeats || b->heads || b->doubts;
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
	for (const struct ud_due_heartbeat *h = due->batch.heartbeats; h; h = h->next)
		add_heartbeat(cx->arena, ret, h);
	for (const struct ud_due_heads *h = due->batch.heads; h; h = h->next)
		add_heads(cx->arena, ret, h->host_id, h->heads);
	for (const struct ud_due_doubt *d = due->batch.doubts; d; d = d->next)
		add_doubt(cx->arena, ret, d);
	if (any(ret)) {
		ret->mark = (struct ud_command_mark){ ud_strdup(cx->arena, due->by), ++due->made };
		ud_arena_release(&due->arena);
		due->arena = ud_arena_new();
		due->batch = (struct ud_due_batch){ 0 };
	}
	pthread_mutex_unlock(&due->mutex);
	return any(ret);
}

void ud_due_stored(struct ud_due *due, const struct ud_due_batch *batch)
{
	pthread_mutex_lock(&due->mutex);
	due->counting = batch->mark.n;
	pthread_mutex_unlock(&due->mutex);
}

bool ud_due_counts(struct ud_due *due, struct ud_command_mark mark)
{
	pthread_mutex_lock(&due->mutex);
	bool counts = mark.n <= due->counting && strcmp(mark.by, due->by) == 0;

	pthread_mutex_unlock(&due->mutex);
	return counts;
}

void ud_due_return(struct ud_due *due, const struct ud_due_batch *batch)
{
	pthread_mutex_lock(&due->mutex);
	begin_marks(due);
	pthread_mutex_unlock(&due->mutex);
	for (const struct ud_due_delivery *d = batch->deliveries; d; d = d->next)
		ud_due_delivery(due, d->host_id, d->promotes);
}

enum ud_code ud_due_store(struct ud_ctx *cx, void *data)
{
	const struct ud_due_batch *batch = data;

	/* first what hosts know: it may close gates that deliveries look at */
	for (const struct ud_due_heads *h = batch->heads; h; h = h->next)
		UD_TRY(ud_recovery_take(cx, h->host_id, h->heads));
	for (const struct ud_due_delivery *d = batch->deliveries; d; d = d->next)
		UD_TRY(ud_command_deliver(cx, d->host_id, d->promotes, batch->mark));
	for (const struct ud_due_progress *d = batch->progress; d; d = d->next)
		UD_TRY(ud_command_progress(cx, d->host_id, &d->progress));
	for (const struct ud_due_doubt *d = batch->doubts; d; d = d->next)
		UD_TRY(ud_troubles_seal(cx, d->host_id, d->number, d->digest));
	for (const struct ud_due_heartbeat *h = batch->heartbeats; h; h = h->next) {
		UD_TRY(ud_inventory_heartbeat(cx, h->host_id, h->at_ms));
		for (size_t i = 0; i < h->count; i++)
			if (h->samples[i].uuid)
				UD_TRY(ud_inventory_sample(
					cx, h->host_id, h->at_ms, &h->samples[i]));
	}
	return UD_OK;
}
