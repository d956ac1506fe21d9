/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store's points as a source. A map says for each extent which layer has it: the newest wins. The
 * points it needs are held, so nothing is merged below it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/replication/store_inside.h"

enum { LAYERS_MAX = 16000 };

/* A layer of one disk. */
struct layer {
	int fd;
	ud_qcow2_reader *reader;
};

struct layered {
	char name[UD_DISK_NAME];
	int64_t size;
	int base_fd;
	size_t layer_count;
	struct layer *layers;
	/* per extent: 0 = not changed; else 2 * (number of the layer + 1), plus 1 for zeros */
	uint16_t *map;
};

struct store_source {
	ud_source source;
	ud_store *store;
	int64_t first_n, last_n; /* held, both and what lies between */
	bool from_base;
	size_t count;
	struct layered disks[UD_MANIFEST_DISKS];
	struct ud_source_disk list[UD_MANIFEST_DISKS];
	struct ud_read *done;
};

static struct store_source *store_source_of(ud_source *source)
{
	return UD_OUTER(source, struct store_source, source);
}

static void hold(ud_store *store, int64_t first, int64_t last, int by)
{
	pthread_mutex_lock(&store->mutex);
	for (size_t i = 0; i < store->count; i++)
		if (store->points[i].n >= first && store->points[i].n <= last)
			store->points[i].holds += by;
	pthread_mutex_unlock(&store->mutex);
}

static void source_close(ud_source *source)
{
	struct store_source *s = store_source_of(source);

	for (size_t i = 0; i < s->count; i++) {
		struct layered *d = &s->disks[i];

		for (size_t k = 0; k < d->layer_count; k++) {
			ud_qcow2_reader_release(&d->layers[k].reader);
			close(d->layers[k].fd);
		}
		ud_free(d->layers);
		ud_free(d->map);
		if (d->base_fd >= 0)
			close(d->base_fd);
	}
	hold(s->store, s->first_n, s->last_n, -1);
	ud_free(s);
}

/* ---- reading ---- */

/* The base ends where the disk ended when it was filled; behind it are zeros. */
static int read_base(int fd, unsigned char *buf, size_t n, int64_t offset)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	size_t have = st.st_size <= offset         ? 0
		: st.st_size - offset < (int64_t)n ? (size_t)(st.st_size - offset)
						   : n;

	memset(buf + have, 0, n - have);
	return ud_read_at(fd, buf, have, offset);
}

static int read_extent(struct layered *d, int64_t extent, unsigned char *buf, size_t n)
{
	uint16_t m = d->map[extent];
	int64_t place = 0;
	int rc = 0;

	if (m & 1) {
		memset(buf, 0, n);
		return 0;
	}
	if (m == 0) {
		return read_base(d->base_fd, buf, n, extent * UD_EXTENT);
	}
	struct layer *l = &d->layers[m / 2 - 1];

	rc = ud_qcow2_find(l->reader, extent, &place);
	if (rc == 0 && place <= 0)
		rc = -EBADMSG;
	return rc == 0 ? ud_read_at(l->fd, buf, n, place) : rc;
}

static enum ud_code source_submit(struct ud_ctx *cx, ud_source *source, struct ud_read *read)
{
	struct store_source *s = store_source_of(source);
	struct layered *d = &s->disks[read->disk];
	size_t done = 0;
	int rc = 0;

	(void)cx;
	while (done < read->n && rc == 0) {
		int64_t at = read->offset + (int64_t)done;
		size_t in = (size_t)(at % UD_EXTENT), n = UD_EXTENT - in;

		if (n > read->n - done)
			n = read->n - done;
		/* senders read whole extents; only the disk's end cuts one */
		rc = in ? -EINVAL : read_extent(d, at / UD_EXTENT, read->buf + done, n);
		done += n;
	}
	read->error = -rc;
	read->next = s->done;
	s->done = read;
	return UD_OK;
}

static enum ud_code source_reap(
	struct ud_ctx *cx, ud_source *source, int64_t timeout_ms, struct ud_read **ret)
{
	struct store_source *s = store_source_of(source);

	(void)timeout_ms;
	if (!s->done)
		return ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "no read is under way");
	*ret = s->done;
	s->done = s->done->next;
	return UD_OK;
}

/* ---- extents ---- */

static enum ud_extent_kind kind_of(const struct layered *d, int64_t extent, bool whole)
{
	uint16_t m = d->map[extent];

	if (m)
		return m & 1 ? UD_EXTENT_ZERO : UD_EXTENT_DATA;
	if (!whole)
		return UD_EXTENT_CLEAN;
	int64_t at = extent * UD_EXTENT;
	off_t data = lseek(d->base_fd, at, SEEK_DATA);

	return data < 0 || data >= at + UD_EXTENT ? UD_EXTENT_ZERO : UD_EXTENT_DATA;
}

static enum ud_code source_extents(struct ud_ctx *cx, ud_source *source, size_t disk, bool whole,
	ud_extent_visitor *visit, void *data)
{
	struct store_source *s = store_source_of(source);
	struct layered *d = &s->disks[disk];
	int64_t end = ud_extents(d->size), first = 0;

	whole = whole || s->from_base;
	while (first < end) {
		enum ud_extent_kind kind = kind_of(d, first, whole);
		int64_t next = first + 1;

		while (next < end && kind_of(d, next, whole) == kind)
			next++;
		int64_t to = next * UD_EXTENT < d->size ? next * UD_EXTENT : d->size;

		UD_TRY(visit(cx, data, first * UD_EXTENT, to - first * UD_EXTENT, kind));
		first = next;
	}
	return UD_OK;
}

/* ---- opening ---- */

struct mapping {
	struct layered *disk;
	uint16_t value;
};

static int map_run(void *data, int64_t extent, int64_t count, int64_t place)
{
	struct mapping *m = data;

	if (extent + count > ud_extents(m->disk->size))
		return -EBADMSG;
	for (int64_t i = 0; i < count; i++)
		m->disk->map[extent + i] = m->value | (place == 0);
	return 0;
}

static struct layered *layered_of(struct store_source *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->disks[i].name, name) == 0)
			return &s->disks[i];
	return NULL;
}

static int add_layer(struct ud_ctx *cx, struct store_source *s, int64_t n, const char *disk)
{
	struct layered *d = layered_of(s, disk);

	if (!d)
		return 0; /* a disk that the newest does not have */
	int fd = ud_store_open_layer(cx, s->store, n, disk, O_RDONLY);

	if (fd < 0)
		return fd;
	struct layer *l = &d->layers[d->layer_count];

	*l = (struct layer){ .fd = fd };
	d->layer_count++;
	int rc = ud_qcow2_open(fd, &l->reader);

	if (rc < 0)
		return rc;
	struct mapping m = { d, (uint16_t)(2 * d->layer_count) };

	return ud_qcow2_visit(l->reader, map_run, &m);
}

static int add_disk(struct ud_ctx *cx, struct store_source *s, const struct ud_manifest_disk *disk)
{
	struct layered *d = &s->disks[s->count];
	size_t extents = (size_t)ud_extents(disk->size_bytes);

	*d = (struct layered){ .size = disk->size_bytes };
	snprintf(d->name, sizeof(d->name), "%s", disk->name);
	d->layers = ud_malloc((s->store->count + 1) * sizeof(*d->layers));
	d->map = ud_malloc(extents * sizeof(*d->map));
	memset(d->map, 0, extents * sizeof(*d->map));
	d->base_fd = ud_store_open_layer(cx, s->store, 0, disk->name, O_RDONLY);
	s->list[s->count] = (struct ud_source_disk){ d->name, d->size };
	s->count++;
	return d->base_fd < 0 ? d->base_fd : 0;
}

static enum ud_code add_layers(struct ud_ctx *cx, struct store_source *s)
{
	const struct ud_manifest_disk *disks = NULL;
	ud_store *store = s->store;
	struct ud_manifest m = { 0 };
	size_t n = 0;
	int rc = 0;

	for (size_t i = 0; i < store->count; i++)
		if (store->points[i].n == s->last_n)
			UD_TRY(ud_store_manifest(cx, &store->points[i], &m, &disks, &n));
	for (size_t k = 0; k < n && rc == 0; k++)
		rc = add_disk(cx, s, &disks[k]);
	for (size_t i = 0; i < store->count && rc == 0; i++) {
		int64_t number = store->points[i].n;

		if (number > s->last_n || (!s->from_base && number <= s->first_n))
			continue;
		UD_TRY(ud_store_manifest(cx, &store->points[i], &m, &disks, &n));
		for (size_t k = 0; k < n && rc == 0; k++)
			rc = add_layer(cx, s, number, disks[k].name);
	}
	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, store->path);
}

/* Under layout. */
static enum ud_code open_points(
	struct ud_ctx *cx, struct store_source *s, const char *from, const char *to)
{
	ud_store *store = s->store;

	pthread_mutex_lock(&store->mutex);
	const struct ud_store_entry *a = *from ? ud_store_find(store, from) : &store->points[0];
	const struct ud_store_entry *b = ud_store_find(store, to);
	enum ud_code code = UD_OK;

	if (!a || !b || a > b)
		code = ud_fail(
			cx, UD_E_NOT_FOUND, NULL, "there is no point %s before %s", from, to);
	else if (b->bad)
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s must not be used: %s", to, b->bad);
	if (code == UD_OK) {
		s->first_n = a->n;
		s->last_n = b->n;
	}
	pthread_mutex_unlock(&store->mutex);
	UD_TRY(code);
	hold(store, s->first_n, s->last_n, 1);
	return add_layers(cx, s);
}

enum ud_code ud_store_source(
	struct ud_ctx *cx, ud_store *store, const char *from, const char *to, ud_source **ret)
{
	static const struct ud_source_ops ops = { source_extents, source_submit, source_reap,
		source_close };
	struct store_source *s = ud_malloc(sizeof(*s));

	memset(s, 0, sizeof(*s));
	s->store = store;
	s->from_base = !*from;
	s->last_n = -1; /* nothing is held yet */
	pthread_mutex_lock(&store->layout);
	enum ud_code code =
		store->count < LAYERS_MAX ? open_points(cx, s, from, to) : UD_E_INTERNAL;

	pthread_mutex_unlock(&store->layout);
	s->source = (ud_source){ &ops, s->list, s->count };
	if (code != UD_OK)
		source_close(&s->source);
	else
		*ret = &s->source;
	return code;
}

/* ---- seeding ---- */

/* A copy of an image that is here already is brought in like a point, and left in the base. */
struct seed {
	ud_incoming *in;
	ud_source *source;
	size_t disk;
	unsigned char *buf;
};

static enum ud_code seed_extent(struct ud_ctx *cx, struct seed *s, int64_t extent, size_t n)
{
	struct ud_read read = { s->disk, extent * UD_EXTENT, n, s->buf, 0, NULL }, *done = NULL;
	unsigned char hash[UD_SHA256];
	int64_t place = 0;

	memset(s->buf, 0, UD_EXTENT);
	UD_TRY(s->source->ops->submit(cx, s->source, &read));
	UD_TRY(s->source->ops->reap(cx, s->source, 30000, &done));
	if (read.error)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "the image: %s", strerror(read.error));
	ud_extent_hash(s->buf, hash);
	if (ud_all_zero(hash, UD_SHA256))
		return ud_incoming_zero(cx, s->in, s->disk, extent, 1);
	UD_TRY(ud_incoming_place(cx, s->in, s->disk, extent, hash, &place));
	int rc = ud_incoming_write(s->in, s->disk, place, s->buf, UD_EXTENT);

	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, "base");
}

/* Whole extents that the piece reaches into; one that two pieces share is taken with the first. */
static enum ud_code seed_piece(
	struct ud_ctx *cx, void *data, int64_t offset, int64_t length, enum ud_extent_kind kind)
{
	struct seed *s = data;
	int64_t size = s->source->disks[s->disk].size_bytes;
	int64_t first = (offset + UD_EXTENT - 1) / UD_EXTENT;
	int64_t end = (offset + length + UD_EXTENT - 1) / UD_EXTENT;

	for (int64_t e = first; e < end; e++) {
		int64_t at = e * UD_EXTENT, left = size - at;
		bool inside = at + UD_EXTENT <= offset + length || offset + length == size;

		if (kind == UD_EXTENT_ZERO && inside)
			UD_TRY(ud_incoming_zero(cx, s->in, s->disk, e, 1));
		else
			UD_TRY(seed_extent(cx, s, e, left < UD_EXTENT ? (size_t)left : UD_EXTENT));
	}
	return UD_OK;
}

/* An epoch that has not passed anywhere: no point comes of it. */
static const int64_t any_epoch = INT64_C(1) << 52;

enum ud_code ud_store_seed(struct ud_ctx *cx, ud_store *store, ud_source *source)
{
	struct ud_manifest m = { .id = ud_manifest_id(cx),
		.parent = "",
		.reason = "",
		.replication_id = "seed",
		.vm_id = "seed",
		.kind = UD_MANIFEST_FULL,
		.epoch = any_epoch };
	struct ud_manifest_disk *disks =
		ud_alloc(cx->arena, (source->disk_count + 1) * sizeof(*disks));
	struct seed s = { .source = source };
	enum ud_code code = UD_OK;
	int64_t records = 0;

	for (size_t i = 0; i < source->disk_count; i++)
		disks[i] = (struct ud_manifest_disk){ .name = source->disks[i].name,
			.size_bytes = source->disks[i].size_bytes,
			.root = "",
			.parent_root = "" };
	ud_manifest_set_disks(cx, &m, disks, source->disk_count);
	code = ud_incoming_begin(cx, store, &m, "", &s.in, &records);
	if (code == UD_E_CONFLICT)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s", cx->problem.detail);
	UD_TRY(code);
	s.buf = ud_malloc(UD_EXTENT);
	for (s.disk = 0; s.disk < source->disk_count && code == UD_OK; s.disk++)
		code = source->ops->extents(cx, source, s.disk, true, seed_piece, &s);
	ud_free(s.buf);
	ud_incoming_abandon(&s.in);
	return code;
}
