/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places are given in the order of the records, by the thread that reads them; unpacking, checking
 * and writing happens on the pool. A bounded number of chunks is under way for each intake.
 */
#include "agent/replication/intake.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "agent/replication/tree.h"

enum { UNDER_WAY = 8, WORKERS_MAX = 8 };

/* A chunk to be written. */
struct job {
	ud_intake *intake;
	size_t disk, count; /* of extents with data */
	unsigned codec;
	unsigned char *payload;
	size_t payload_n;
	unsigned char hashes[UD_CHUNK_EXTENTS * UD_SHA256];
	int64_t places[UD_CHUNK_EXTENTS];
	struct job *next;
};

struct ud_intake_pool {
	pthread_mutex_t mutex;
	pthread_cond_t work, done;
	struct job *first, **last;
	bool stop;
	int count;
	pthread_t threads[WORKERS_MAX];
};

struct ud_intake {
	ud_intake_pool *pool;
	ud_store *store;
	ud_incoming *in;
	struct job jobs[UNDER_WAY];
	struct job *idle; /* under the pool's mutex */
	int under_way;
	int64_t bytes;
	char id[UD_DISK_NAME];
};

/* ---- the pool ---- */

/* Unpack, compare every hash, write what lies together at once. */
static int write_job(struct job *j, ud_packer *packer, unsigned char *buf)
{
	ud_incoming *in = j->intake->in;
	const unsigned char *data = j->payload;
	unsigned char hash[UD_SHA256];
	int rc = 0;

	if (j->codec != UD_CODEC_RAW) {
		if (!ud_unpack(
			    packer, j->codec, j->payload, j->payload_n, buf, j->count * UD_EXTENT))
			return -EBADMSG;
		data = buf;
	}
	for (size_t i = 0; i < j->count; i++) {
		ud_extent_hash(data + i * UD_EXTENT, hash);
		if (memcmp(hash, j->hashes + i * UD_SHA256, UD_SHA256) != 0)
			return -EBADMSG;
	}
	for (size_t i = 0; i < j->count && rc == 0;) {
		size_t n = 1;

		while (i + n < j->count &&
			j->places[i + n] == j->places[i] + (int64_t)n * UD_EXTENT)
			n++;
		rc = ud_incoming_write(
			in, j->disk, j->places[i], data + i * UD_EXTENT, n * UD_EXTENT);
		i += n;
	}
	return rc;
}

static struct job *take_job(ud_intake_pool *p)
{
	while (!p->first && !p->stop)
		pthread_cond_wait(&p->work, &p->mutex);
	struct job *j = p->first;

	if (j) {
		p->first = j->next;
		if (!p->first)
			p->last = &p->first;
	}
	return j;
}

static void *pool_thread(void *data)
{
	ud_intake_pool *p = data;
	ud_packer *packer = ud_packer_new();
	unsigned char *buf = ud_malloc(UD_CHUNK);
	struct job *j;

	pthread_mutex_lock(&p->mutex);
	while ((j = take_job(p))) {
		pthread_mutex_unlock(&p->mutex);
		int rc = write_job(j, packer, buf);

		if (rc < 0)
			ud_incoming_spoil(j->intake->in, rc);
		pthread_mutex_lock(&p->mutex);
		j->next = j->intake->idle;
		j->intake->idle = j;
		j->intake->under_way--;
		pthread_cond_broadcast(&p->done);
	}
	pthread_mutex_unlock(&p->mutex);
	ud_free(buf);
	ud_packer_release(&packer);
	return NULL;
}

ud_intake_pool *ud_intake_pool_new(int workers)
{
	ud_intake_pool *p = ud_malloc(sizeof(*p));

	memset(p, 0, sizeof(*p));
	p->last = &p->first;
	p->count = workers < 1 ? 1 : workers > WORKERS_MAX ? WORKERS_MAX : workers;
	pthread_mutex_init(&p->mutex, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->done, NULL);
	for (int i = 0; i < p->count; i++)
		if (pthread_create(&p->threads[i], NULL, pool_thread, p) != 0)
			abort();
	return p;
}

void ud_intake_pool_release(ud_intake_pool **pool)
{
	ud_intake_pool *p = *pool;

	*pool = NULL;
	if (!p)
		return;
	pthread_mutex_lock(&p->mutex);
	p->stop = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->mutex);
	for (int i = 0; i < p->count; i++)
		pthread_join(p->threads[i], NULL);
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->done);
	pthread_mutex_destroy(&p->mutex);
	ud_free(p);
}

/* ---- an intake ---- */

ud_intake *ud_intake_new(ud_intake_pool *pool, ud_store *store)
{
	ud_intake *t = ud_malloc(sizeof(*t));

	memset(t, 0, sizeof(*t));
	t->pool = pool;
	t->store = store;
	for (size_t i = 0; i < UNDER_WAY; i++) {
		t->jobs[i] = (struct job){ .intake = t, .next = t->idle };
		t->jobs[i].payload = ud_malloc(UD_RECORD_PAYLOAD);
		t->idle = &t->jobs[i];
	}
	return t;
}

/* Until nothing is under way. */
static void settle(ud_intake *t)
{
	pthread_mutex_lock(&t->pool->mutex);
	while (t->under_way > 0)
		pthread_cond_wait(&t->pool->done, &t->pool->mutex);
	pthread_mutex_unlock(&t->pool->mutex);
}

void ud_intake_abandon(ud_intake *intake)
{
	settle(intake);
	ud_incoming_abandon(&intake->in);
}

void ud_intake_release(ud_intake **intake)
{
	ud_intake *t = *intake;

	*intake = NULL;
	if (!t)
		return;
	settle(t);
	ud_incoming_leave(&t->in);
	for (size_t i = 0; i < UNDER_WAY; i++)
		ud_free(t->jobs[i].payload);
	ud_free(t);
}

bool ud_intake_active(const ud_intake *intake)
{
	return intake->in != NULL;
}

int64_t ud_intake_bytes(const ud_intake *intake)
{
	return intake->bytes;
}

const char *ud_intake_id(const ud_intake *intake)
{
	return intake->id;
}

enum ud_code ud_intake_begin(
	struct ud_ctx *cx, ud_intake *intake, const struct ud_record *record, struct ud_ready *ret)
{
	struct ud_begin begin = { 0 };
	struct ud_manifest m = { 0 };

	if (intake->in)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "a point begins inside another");
	UD_TRY(ud_record_read(cx, record, &ud_begin_shape, &begin));
	UD_TRY(ud_manifest_read(cx, begin.manifest.text, strlen(begin.manifest.text), &m));
	UD_TRY(ud_incoming_begin(cx, intake->store, &m, begin.digest, &intake->in, &ret->records));
	UD_TRY(ud_incoming_parent_files(cx, intake->in, &ret->files));
	intake->bytes = 0;
	strncpy(intake->id, m.id, sizeof(intake->id) - 1);
	return UD_OK;
}

static struct job *idle_job(ud_intake *t)
{
	pthread_mutex_lock(&t->pool->mutex);
	while (!t->idle)
		pthread_cond_wait(&t->pool->done, &t->pool->mutex);
	struct job *j = t->idle;

	t->idle = j->next;
	pthread_mutex_unlock(&t->pool->mutex);
	return j;
}

static void submit(ud_intake *t, struct job *j)
{
	ud_intake_pool *p = t->pool;

	pthread_mutex_lock(&p->mutex);
	j->next = NULL;
	*p->last = j;
	p->last = &j->next;
	t->under_way++;
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->mutex);
}

static void give_back(ud_intake *t, struct job *j)
{
	pthread_mutex_lock(&t->pool->mutex);
	j->next = t->idle;
	t->idle = j;
	pthread_mutex_unlock(&t->pool->mutex);
}

/* Give the chunk's extents their places. */
static enum ud_code place_chunk(
	struct ud_ctx *cx, ud_intake *t, const struct ud_chunk *c, struct job *j)
{
	j->disk = c->disk;
	j->count = 0;
	for (int64_t i = 0; i < c->count; i++) {
		if (c->zeros >> i & 1) {
			UD_TRY(ud_incoming_zero(cx, t->in, c->disk, c->extent + i, 1));
			continue;
		}
		const unsigned char *hash = c->hashes + j->count * UD_SHA256;

		UD_TRY(ud_incoming_place(
			cx, t->in, c->disk, c->extent + i, hash, &j->places[j->count]));
		memcpy(j->hashes + j->count * UD_SHA256, hash, UD_SHA256);
		j->count++;
	}
	return UD_OK;
}

static enum ud_code take_data(
	struct ud_ctx *cx, ud_intake *t, const struct ud_chunk *c, struct ud_record *record)
{
	struct job *j = idle_job(t);
	enum ud_code code = place_chunk(cx, t, c, j);

	if (code != UD_OK) {
		give_back(t, j);
		return code;
	}
	unsigned char *payload = j->payload;

	j->payload = record->payload;
	j->payload_n = record->payload_n;
	j->codec = record->codec;
	record->payload = payload;
	submit(t, j);
	return UD_OK;
}

enum ud_code ud_intake_take(struct ud_ctx *cx, ud_intake *intake, struct ud_record *record)
{
	struct ud_chunk c;

	if (!intake->in)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "data without a point");
	if (record->type == UD_RECORD_FILE)
		return ud_incoming_file(cx, intake->in, (const char *)record->meta, record->payload,
			record->payload_n);
	if (record->type == UD_RECORD_SAME)
		return ud_incoming_same(cx, intake->in, (const char *)record->meta);
	if (!ud_chunk_read(record, &c))
		return ud_fail(cx, UD_E_MALFORMED, NULL, "a chunk is broken");
	if (record->type == UD_RECORD_ZERO)
		UD_TRY(ud_incoming_zero(cx, intake->in, c.disk, c.extent, c.count));
	else
		UD_TRY(take_data(cx, intake, &c, record));
	intake->bytes += c.count * UD_EXTENT;
	ud_incoming_record(intake->in);
	return UD_OK;
}

enum ud_code ud_intake_end(struct ud_ctx *cx, ud_intake *intake, const struct ud_record *record,
	struct ud_manifest *ret)
{
	struct ud_manifest m = { 0 };

	if (!intake->in)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "an end without a beginning");
	settle(intake);
	enum ud_code code = ud_manifest_read(cx, (const char *)record->meta, record->meta_n, &m);

	if (code != UD_OK) {
		ud_incoming_abandon(&intake->in);
		return code;
	}
	return ud_incoming_publish(cx, &intake->in, &m, ret);
}
