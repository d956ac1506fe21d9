/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow of a ship: one thread reads, a few hash and pack, and the caller's sends, in the order
 * of the plan. A ring of chunks stands between them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/sender_inside.h"

enum { RING = 16, WORKERS_MAX = 4, READ_MS = 60000 };

enum chunk_state { CHUNK_FREE, CHUNK_READING, CHUNK_READ, CHUNK_WORKING, CHUNK_READY };

/* A chunk in the ring. */
struct slot {
	enum chunk_state state;
	struct ud_plan_run run;
	struct ud_read read;
	int level;
	unsigned char *data, *packed;
	/* what came of it */
	unsigned char all[UD_CHUNK_EXTENTS * UD_SHA256];    /* hash of each extent */
	unsigned char hashes[UD_CHUNK_EXTENTS * UD_SHA256]; /* of those that travel */
	struct ud_chunk chunk;
	unsigned codec;
	unsigned char *payload;
	size_t payload_n;
	bool nothing; /* the target has all of it */
	bool all_zero;
};

struct flow {
	struct ud_flow *f;
	const struct ud_env *env;
	struct slot ring[RING];
	pthread_mutex_t mutex;
	pthread_cond_t wake;
	int64_t planned, sent; /* chunks that entered the ring, and left it */
	bool plan_over, stop;
	int level;         /* for chunks to come */
	enum ud_code code; /* of the reading thread */
	char words[256];
	size_t workers;
	pthread_t reader, worker[WORKERS_MAX];
};

static struct slot *slot_at(struct flow *w, int64_t n)
{
	return &w->ring[n % RING];
}

static void lock(struct flow *w)
{
	pthread_mutex_lock(&w->mutex);
}

static void unlock(struct flow *w)
{
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->mutex);
}

static void fail_flow(struct flow *w, enum ud_code code, const char *words)
{
	lock(w);
	if (w->code == UD_OK) {
		w->code = code;
		strncpy(w->words, words ? words : "", sizeof(w->words) - 1);
	}
	w->stop = true;
	unlock(w);
}

/* ---- reading ---- */

/* A free slot for the next chunk; NULL when there is none now. wait: until there is one. */
static struct slot *take_slot(struct flow *w, bool wait)
{
	lock(w);
	struct slot *s = slot_at(w, w->planned);

	while (wait && !w->stop && s->state != CHUNK_FREE)
		pthread_cond_wait(&w->wake, &w->mutex);
	if (w->stop || s->state != CHUNK_FREE)
		s = NULL;
	unlock(w);
	return s;
}

/* Put a chunk of the plan into the ring; data is read, zeros need not be. */
static enum ud_code enter(struct ud_ctx *cx, struct flow *w, struct slot *s,
	const struct ud_plan_run *run, int *in_flight)
{
	const struct ud_source_disk *d = &w->f->source->disks[run->disk];
	int64_t at = run->extent * UD_EXTENT, n = run->count * UD_EXTENT;

	s->run = *run;
	lock(w);
	s->state = run->zero ? CHUNK_READ : CHUNK_READING;
	s->level = w->level;
	w->planned++;
	unlock(w);
	if (run->zero)
		return UD_OK;
	if (n > d->size_bytes - at) {
		n = d->size_bytes - at;
		memset(s->data + n, 0, (size_t)(run->count * UD_EXTENT - n));
	}
	s->read = (struct ud_read){ run->disk, at, (size_t)n, s->data, 0, NULL };
	UD_TRY(w->f->source->ops->submit(cx, w->f->source, &s->read));
	++*in_flight;
	return UD_OK;
}

static enum ud_code reap_one(struct ud_ctx *cx, struct flow *w, int *in_flight)
{
	struct ud_read *done = NULL;

	UD_TRY(w->f->source->ops->reap(cx, w->f->source, READ_MS, &done));
	--*in_flight;
	if (done->error)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "reading %s: %s",
			w->f->source->disks[done->disk].name, strerror(done->error));
	struct slot *s = UD_OUTER(done, struct slot, read);

	lock(w);
	s->state = CHUNK_READ;
	w->f->read_bytes += (int64_t)done->n;
	unlock(w);
	return UD_OK;
}

static enum ud_code read_plan(struct ud_ctx *cx, struct flow *w, int *in_flight)
{
	struct ud_plan_at at = { 0 };
	struct ud_plan_run run;

	while (ud_plan_next(w->f->plan, &at, &run)) {
		struct slot *s = NULL;

		while (!s) {
			if (*in_flight == UD_SOURCE_IN_FLIGHT)
				UD_TRY(reap_one(cx, w, in_flight));
			s = take_slot(w, *in_flight == 0);
			if (!s && *in_flight)
				UD_TRY(reap_one(cx, w, in_flight));
			else if (!s)
				return UD_OK; /* stopped */
		}
		UD_TRY(enter(cx, w, s, &run, in_flight));
	}
	while (*in_flight)
		UD_TRY(reap_one(cx, w, in_flight));
	return UD_OK;
}

static void *reader_thread(void *data)
{
	struct flow *w = data;
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = w->env };
	struct ud_read *done = NULL;
	int in_flight = 0;
	enum ud_code code = read_plan(&cx, w, &in_flight);

	if (code != UD_OK)
		fail_flow(w, code, cx.problem.detail);
	/* buffers must not be written to when they are gone */
	while (in_flight > 0 && w->f->source->ops->reap(&cx, w->f->source, READ_MS, &done) == UD_OK)
		in_flight--;
	lock(w);
	w->plan_over = true;
	unlock(w);
	ud_arena_release(&arena);
	return NULL;
}

/* ---- hashing and packing ---- */

/* Which extents travel: not zeros, and not what the target has. True for what differs. */
static bool differs(const unsigned char *ours, const unsigned char *theirs)
{
	return memcmp(ours, theirs, UD_SHA256) != 0;
}

/* Zeros of a run, of any length: does the target show anything else there? */
static int zeros_differ(struct flow *w, const struct ud_plan_run *run, bool *ret)
{
	const char *disk = w->f->source->disks[run->disk].name;
	unsigned char *theirs = ud_malloc(UD_HASHES_MAX * UD_SHA256);
	int rc = 0;

	*ret = false;
	for (int64_t e = 0; e < run->count && rc == 0 && !*ret; e += UD_HASHES_MAX) {
		int64_t n = run->count - e < UD_HASHES_MAX ? run->count - e : UD_HASHES_MAX;

		rc = ud_hashes_theirs(w->f->sender, disk, run->extent + e, n, theirs);
		*ret = rc == 0 && !ud_all_zero(theirs, (size_t)n * UD_SHA256);
	}
	ud_free(theirs);
	return rc;
}

/* Leave out what the target has at either end of the chunk; what is in between goes along. */
static int narrow(struct flow *w, struct slot *s, int64_t *first, int64_t *count)
{
	unsigned char theirs[UD_CHUNK_EXTENTS * UD_SHA256];
	int64_t end = s->run.count;
	int rc = ud_hashes_theirs(w->f->sender, w->f->source->disks[s->run.disk].name,
		s->run.extent, s->run.count, theirs);

	*first = 0;
	while (rc == 0 && *first < end &&
		!differs(s->all + *first * UD_SHA256, theirs + *first * UD_SHA256))
		++*first;
	while (rc == 0 && end > *first &&
		!differs(s->all + (end - 1) * UD_SHA256, theirs + (end - 1) * UD_SHA256))
		end--;
	*count = end - *first;
	return rc;
}

/* Put the extents that travel together at the front of the data. */
static void gather(struct slot *s, int64_t first, int64_t count)
{
	size_t n = 0;

	s->chunk = (struct ud_chunk){ .disk = s->run.disk,
		.extent = s->run.extent + first,
		.count = count,
		.hashes = s->hashes };
	for (int64_t i = 0; i < count; i++) {
		const unsigned char *hash = s->all + (first + i) * UD_SHA256;

		if (ud_all_zero(hash, UD_SHA256)) {
			s->chunk.zeros |= 1U << i;
			continue;
		}
		memcpy(s->hashes + n * UD_SHA256, hash, UD_SHA256);
		if ((int64_t)n != first + i)
			memmove(s->data + n * UD_EXTENT, s->data + (first + i) * UD_EXTENT,
				UD_EXTENT);
		n++;
	}
	s->chunk.data_n = n * UD_EXTENT;
	s->all_zero = n == 0;
	s->nothing = count == 0;
}

static int work_zero(struct flow *w, struct slot *s)
{
	bool other = true;
	int rc = w->f->compare ? zeros_differ(w, &s->run, &other) : 0;

	s->chunk = (struct ud_chunk){
		.disk = s->run.disk, .extent = s->run.extent, .count = s->run.count
	};
	s->all_zero = true;
	s->nothing = !other;
	return rc;
}

static int work_on(struct flow *w, struct slot *s, ud_packer *packer)
{
	int64_t first = 0, count = s->run.count;
	int rc = 0;

	s->payload_n = 0;
	if (s->run.zero)
		return work_zero(w, s);
	for (int64_t i = 0; i < count; i++)
		ud_extent_hash(s->data + i * UD_EXTENT, s->all + i * UD_SHA256);
	if (w->f->compare)
		rc = narrow(w, s, &first, &count);
	gather(s, first, count);
	if (rc < 0 || s->all_zero || s->nothing)
		return rc;
	size_t n = ud_pack(packer, s->level, s->data, s->chunk.data_n, s->packed);

	s->codec = n ? UD_CODEC_ZSTD : UD_CODEC_RAW;
	s->payload = n ? s->packed : s->data;
	s->payload_n = n ? n : s->chunk.data_n;
	return 0;
}

/* The oldest chunk that was read and nobody works on; NULL when there will be none. */
static struct slot *take_work(struct flow *w)
{
	for (;;) {
		for (int64_t n = w->sent; n < w->planned; n++)
			if (slot_at(w, n)->state == CHUNK_READ)
				return slot_at(w, n);
		if (w->stop || w->plan_over)
			return NULL;
		pthread_cond_wait(&w->wake, &w->mutex);
	}
}

static void *worker_thread(void *data)
{
	struct flow *w = data;
	ud_packer *packer = ud_packer_new();
	struct slot *s;

	lock(w);
	while ((s = take_work(w))) {
		s->state = CHUNK_WORKING;
		unlock(w);
		int rc = work_on(w, s, packer);

		if (rc < 0)
			fail_flow(w, UD_E_UNAVAILABLE, strerror(-rc));
		lock(w);
		s->state = CHUNK_READY;
		pthread_cond_broadcast(&w->wake);
	}
	unlock(w);
	ud_packer_release(&packer);
	return NULL;
}

/* ---- sending ---- */

/* The next chunk that is ready; NULL at the end, or when something failed. */
static struct slot *next_ready(struct flow *w)
{
	struct slot *s = slot_at(w, w->sent);

	lock(w);
	while (!w->stop && s->state != CHUNK_READY && !(w->plan_over && w->sent == w->planned))
		pthread_cond_wait(&w->wake, &w->mutex);
	if (w->stop || s->state != CHUNK_READY)
		s = NULL;
	unlock(w);
	return s;
}

static void give_back(struct flow *w, struct slot *s)
{
	lock(w);
	s->state = CHUNK_FREE;
	w->sent++;
	unlock(w);
}

/* The target has something to say while we send: it can only be a refusal. */
static enum ud_code look_for_refusal(struct ud_ctx *cx, struct flow *w)
{
	struct ud_record record;

	if (w->f->file || ud_stream_wait(w->f->sender->stream, 0) != 0)
		return UD_OK;
	ud_record_init(&record);
	enum ud_code code = ud_sender_answer(cx, w->f->sender, UD_RECORD_TYPES, &record);

	ud_record_free(&record);
	return code;
}

static enum ud_code put(struct ud_ctx *cx, struct flow *w, struct slot *s)
{
	unsigned char meta[UD_CHUNK_META];
	ud_sender *sender = w->f->sender;
	struct ud_record r = { .type = s->all_zero ? UD_RECORD_ZERO : UD_RECORD_DATA,
		.codec = s->all_zero ? UD_CODEC_RAW : s->codec,
		.meta = meta,
		.payload = s->payload,
		.payload_n = s->all_zero ? 0 : s->payload_n };

	if (s->all_zero)
		s->chunk.zeros = 0;
	r.meta_n = ud_chunk_write(&s->chunk, meta);
	int64_t n = (int64_t)(UD_RECORD_HEADER + r.meta_n + r.payload_n);

	if (!w->f->file)
		UD_TRY(ud_sender_pace(cx, sender, n));
	int64_t began = ud_stopwatch_us();
	int rc = ud_record_send(w->f->carrier, &r);

	w->f->wire_bytes += n;
	if (rc != 0 && w->f->file)
		return ud_fail(cx, rc == ENOSPC ? UD_E_STORAGE_FULL : UD_E_UNAVAILABLE, NULL,
			"the folder: %s", strerror(rc));
	if (rc != 0) {
		/* it may have said why before it hung up */
		UD_TRY(look_for_refusal(cx, w));
		return ud_sender_lost(cx, sender, rc);
	}
	ud_link_sent(&sender->speed, n, ud_stopwatch_us() - began);
	return UD_OK;
}

static void choose_level(struct flow *w)
{
	ud_sender *s = w->f->sender;

	pthread_mutex_lock(&s->mutex);
	int64_t rate = s->rate;

	pthread_mutex_unlock(&s->mutex);
	int level = ud_link_level(&s->speed, s->settings.compression, rate);

	lock(w);
	w->level = level;
	unlock(w);
}

static void tell_progress(struct flow *w, int64_t bytes)
{
	ud_sender *s = w->f->sender;

	pthread_mutex_lock(&s->mutex);
	s->progress.done_bytes += bytes;
	s->progress.wire_bytes = w->f->wire_bytes;
	pthread_mutex_unlock(&s->mutex);
}

static enum ud_code send_chunk(struct ud_ctx *cx, struct flow *w, struct slot *s)
{
	bool zeros = s->run.zero || (s->all_zero && !w->f->compare);
	int64_t bytes = s->run.count * UD_EXTENT;

	UD_TRY(ud_hashes_note(cx, w->f->pending, s->run.disk, s->run.extent, s->run.count,
		zeros ? NULL : s->all));
	tell_progress(w, bytes);
	if (w->f->skip > 0) {
		w->f->skip--;
		w->f->resumed_bytes += bytes;
		return UD_OK;
	}
	if (s->nothing)
		return UD_OK;
	UD_TRY(look_for_refusal(cx, w));
	return put(cx, w, s);
}

static enum ud_code send_all(struct ud_ctx *cx, struct flow *w)
{
	struct slot *s;

	while ((s = next_ready(w))) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx own = { .arena = arena, .env = cx->env };
		enum ud_code code = send_chunk(&own, w, s);

		if (code != UD_OK)
			return ud_fail(
				cx, code, NULL, "%s", own.problem.detail ? own.problem.detail : "");
		choose_level(w);
		give_back(w, s);
	}
	return w->code == UD_OK ? UD_OK : ud_fail(cx, w->code, NULL, "%s", w->words);
}

/* ---- the whole ---- */

static size_t worker_count(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > WORKERS_MAX ? WORKERS_MAX : (size_t)cores;
}

static void begin_threads(struct flow *w)
{
	if (pthread_create(&w->reader, NULL, reader_thread, w) != 0)
		abort();
	w->workers = worker_count();
	for (size_t i = 0; i < w->workers; i++)
		if (pthread_create(&w->worker[i], NULL, worker_thread, w) != 0)
			abort();
}

static void end_threads(struct flow *w)
{
	lock(w);
	w->stop = true;
	unlock(w);
	pthread_join(w->reader, NULL);
	for (size_t i = 0; i < w->workers; i++)
		pthread_join(w->worker[i], NULL);
}

enum ud_code ud_flow_run(struct ud_ctx *cx, struct ud_flow *flow)
{
	struct flow *w = ud_malloc(sizeof(*w));

	memset(w, 0, sizeof(*w));
	w->f = flow;
	w->env = cx->env;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->wake, NULL);
	for (size_t i = 0; i < RING; i++) {
		w->ring[i].data = ud_malloc(UD_CHUNK);
		w->ring[i].packed = ud_malloc(UD_CHUNK);
	}
	choose_level(w);
	begin_threads(w);
	enum ud_code code = send_all(cx, w);

	end_threads(w);
	for (size_t i = 0; i < RING; i++) {
		ud_free(w->ring[i].data);
		ud_free(w->ring[i].packed);
	}
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->mutex);
	ud_free(w);
	return code;
}
