/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proof that a store holds what it was given: every extent of every layer against its hash, every
 * point's root against its manifest. A wrong extent makes bad the points that show it, and those
 * alone: what a later point covers harms nobody. The list of wrong extents outlives the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/store_inside.h"

enum {
	SLICE = 256,
	LIST_BYTES = UD_STORE_WRONG * 2 * UD_DISK_NAME,
	PLACE_BYTES = 256,
	KEEP_SLICES = 16, /* the place is written down so often */
	STEP_MS = 200
};

static const char list_name[] = "wrong", place_name[] = UD_STORE_SCRUB_PLACE;

/* ---- the list ---- */

void ud_store_note_wrong(ud_store *store, const char *disk, int64_t extent, int64_t layer)
{
	for (size_t i = 0; i < store->wrong_count; i++) {
		const struct ud_store_wrong_one *w = &store->wrong[i];

		if (w->extent == extent && w->layer == layer && strcmp(w->disk, disk) == 0)
			return;
	}
	if (store->wrong_count == UD_STORE_WRONG)
		return; /* the points are bad by the others */
	struct ud_store_wrong_one *w = &store->wrong[store->wrong_count++];

	*w = (struct ud_store_wrong_one){ .extent = extent, .layer = layer };
	snprintf(w->disk, sizeof(w->disk), "%s", disk);
}

static enum ud_code store_list(struct ud_ctx *cx, ud_store *store)
{
	struct ud_buf b = { 0 };

	for (size_t i = 0; i < store->wrong_count; i++)
		ud_buf_printf(&b, "%s %lld %lld\n", store->wrong[i].disk,
			(long long)store->wrong[i].extent, (long long)store->wrong[i].layer);
	int rc = store->wrong_count ? ud_beneath_write(store->root, list_name, b.data, b.len)
				    : ud_beneath_remove(store->root, list_name);

	ud_buf_free(&b);
	return rc == 0 ? UD_OK : ud_store_failed(cx, store, rc, list_name, true);
}

enum ud_code ud_store_load_wrong(struct ud_ctx *cx, ud_store *store)
{
	const char *text = NULL;
	size_t n = 0;
	int rc = ud_beneath_read(cx, store->root, list_name, LIST_BYTES, &text, &n);

	if (rc == -ENOENT)
		return UD_OK;
	if (rc < 0)
		return ud_beneath_fail(cx, rc, list_name);
	for (char disk[UD_DISK_NAME]; *text; text += strcspn(text, "\n") + 1) {
		long long extent = 0, layer = 0;

		if (sscanf(text, "%63s %lld %lld\n", disk, &extent, &layer) != 3 ||
			!ud_disk_name_valid(disk) || extent < 0 || layer < 0)
			return ud_fail(
				cx, UD_E_INTERNAL, NULL, "%s cannot be understood", list_name);
		ud_store_note_wrong(store, disk, extent, layer);
	}
	return UD_OK;
}

/* ---- judging ---- */

/* Mark the wrong extents that a point's file covers: later points do not show them. */
static void cover(struct ud_ctx *cx, ud_store *store, int64_t n, const char *disk, bool *covered)
{
	int fd = ud_store_open_layer(cx, store, n, disk, O_RDONLY);
	ud_qcow2_reader *r = NULL;

	if (fd >= 0 && ud_qcow2_open(fd, &r) == 0) {
		for (size_t i = 0; i < store->wrong_count; i++) {
			const struct ud_store_wrong_one *w = &store->wrong[i];
			int64_t place = -1;

			if (w->layer < n && strcmp(w->disk, disk) == 0 &&
				ud_qcow2_find(r, w->extent, &place) == 0 && place >= 0)
				covered[i] = true;
		}
	}
	ud_qcow2_reader_release(&r);
	if (fd >= 0)
		close(fd);
}

/* The first wrong extent that a point shows, or NULL. */
static const struct ud_store_wrong_one *shown(ud_store *store, int64_t n,
	const struct ud_manifest_disk *disks, size_t disk_count, const bool *covered)
{
	for (size_t i = 0; i < store->wrong_count; i++) {
		const struct ud_store_wrong_one *w = &store->wrong[i];

		if (w->layer <= n && !covered[i] && ud_store_disk(disks, disk_count, w->disk))
			return w;
	}
	return NULL;
}

static enum ud_code judge_point(
	struct ud_ctx *cx, ud_store *store, struct ud_store_entry *e, bool *covered)
{
	const struct ud_manifest_disk *disks = NULL;
	struct ud_manifest m = { 0 };
	size_t n = 0;

	UD_TRY(ud_store_manifest(cx, e, &m, &disks, &n));
	for (size_t i = 0; i < n && store->wrong_count; i++)
		cover(cx, store, e->n, disks[i].name, covered);
	const struct ud_store_wrong_one *w = shown(store, e->n, disks, n, covered);

	pthread_mutex_lock(&store->mutex);
	if (e->judged) {
		ud_free(e->bad);
		e->bad = NULL;
		e->judged = false;
	}
	if (w && !e->bad) {
		e->bad = ud_heap_strdup(ud_printf(cx->arena,
			"extent %lld of %s is not what its hash says (in %s)", (long long)w->extent,
			w->disk, ud_store_layer_path(cx, w->layer, w->disk)));
		e->judged = true;
	}
	pthread_mutex_unlock(&store->mutex);
	return UD_OK;
}

enum ud_code ud_store_judge(struct ud_ctx *cx, ud_store *store)
{
	bool *covered = ud_alloc(cx->arena, store->wrong_count + 1);

	for (size_t i = 0; i < store->count; i++)
		UD_TRY(judge_point(cx, store, &store->points[i], covered));
	return store_list(cx, store);
}

/* ---- how far it came ---- */

/* Where to go on. */
struct place {
	int64_t whole_ms;      /* when all was read last; 0 = never */
	int64_t layer, extent; /* layer -1 = at the beginning */
	char disk[UD_DISK_NAME];
};

/* A place that cannot be read is the beginning. */
static struct place read_place(struct ud_ctx *cx, ud_store *store)
{
	struct place p = { .layer = -1 };
	long long whole = 0, layer = 0, extent = 0;
	const char *text = NULL;
	size_t n = 0;

	if (ud_beneath_read(cx, store->root, place_name, PLACE_BYTES, &text, &n) < 0 ||
		sscanf(text, "%lld %lld %lld %63s", &whole, &layer, &extent, p.disk) != 4 ||
		whole < 0 || layer < -1 || extent < 0)
		return (struct place){ .layer = -1 };
	p.whole_ms = whole;
	p.layer = layer;
	p.extent = extent;
	return p;
}

static enum ud_code write_place(struct ud_ctx *cx, ud_store *store, const struct place *p)
{
	const char *text = ud_printf(cx->arena, "%lld %lld %lld %s\n", (long long)p->whole_ms,
		(long long)p->layer, (long long)p->extent, *p->disk ? p->disk : "-");
	int rc = ud_beneath_write(store->root, place_name, text, strlen(text));

	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, place_name);
}

int64_t ud_store_scrubbed_ms(struct ud_ctx *cx, ud_store *store)
{
	return read_place(cx, store).whole_ms;
}

/* ---- scrubbing ---- */

struct scrub {
	ud_store *store;
	const struct ud_scrub *how;
	struct ud_scrubbed *ret;
	const char *disk;
	int64_t layer;
	int fd;
	unsigned char *buf;
	int64_t began_us, bytes, slices;
	struct place at;
	bool stopped;
	pthread_mutex_t mutex; /* to wait on, nothing else */
	pthread_cond_t never;
};

/* Not faster than allowed, and not longer than wanted. Without locks. */
static void pace(struct scrub *s)
{
	int64_t rate = s->how->rate_bytes_per_second;
	int64_t due_us = rate > 0 ? (int64_t)((double)s->bytes / (double)rate * 1e6) : 0;
	struct timespec until;

	for (;;) {
		int64_t ahead_ms = (due_us - (ud_stopwatch_us() - s->began_us)) / 1000;

		s->stopped = s->how->go_on && !s->how->go_on(s->how->data, s->bytes);
		if (s->stopped || ahead_ms <= 0)
			return;
		ud_deadline(ahead_ms < STEP_MS ? ahead_ms : STEP_MS, &until);
		pthread_mutex_lock(&s->mutex);
		while (pthread_cond_timedwait(&s->never, &s->mutex, &until) == 0)
			continue;
		pthread_mutex_unlock(&s->mutex);
	}
}

static int check_extent(
	struct scrub *s, int64_t extent, int64_t place, size_t n, const unsigned char *want)
{
	unsigned char hash[UD_SHA256];

	memset(s->buf, 0, UD_EXTENT);
	int rc = ud_read_at(s->fd, s->buf, n, place);

	/* what cannot be read is wrong, too */
	ud_extent_hash(s->buf, hash);
	s->bytes += UD_EXTENT;
	s->ret->extents++;
	if (rc == 0 && memcmp(hash, want, UD_SHA256) == 0)
		return 0;
	s->ret->bad_extents++;
	ud_store_note_wrong(s->store, s->disk, extent, s->layer);
	return 0;
}

/* The sums of a point that lie in the slice. */
struct slice {
	struct scrub *s;
	int64_t from, to;
	int64_t more; /* the first behind it; -1 = none */
};

static int slice_sum(void *data, const struct ud_sum *sum)
{
	struct slice *slice = data;

	if (sum->extent >= slice->to) {
		slice->more = sum->extent;
		return 1; /* enough */
	}
	if (sum->extent < slice->from || sum->place == 0)
		return 0;
	return check_extent(slice->s, sum->extent, sum->place, UD_EXTENT, sum->hash);
}

/* One slice of a point's file; *next = where to go on, -1 = done. */
static int scrub_point_slice(
	struct ud_ctx *cx, struct scrub *s, int64_t size, int64_t from, int64_t *next)
{
	const char *path =
		ud_store_point_path(cx, s->layer, ud_printf(cx->arena, "%s.sums", s->disk));
	struct slice slice = { s, from, from + SLICE, -1 };
	int sums = ud_beneath_open(s->store->root, path, O_RDONLY, 0);
	int rc = sums < 0 ? sums : ud_sums_visit(sums, ud_extents(size), slice_sum, &slice);

	if (sums >= 0)
		close(sums);
	*next = slice.more;
	return rc > 0 ? 0 : rc;
}

/* What the oldest point covers may just be changing below it, and matters to nobody. */
static bool is_covered(ud_qcow2_reader *oldest, int64_t extent)
{
	int64_t place = -1;

	return oldest && (ud_qcow2_find(oldest, extent, &place) < 0 || place >= 0);
}

static int scrub_base_slice(
	struct ud_ctx *cx, struct scrub *s, int64_t size, int64_t from, int64_t *next)
{
	const char *path = ud_printf(cx->arena, "base/%s.tree", s->disk);
	int64_t end = ud_extents(size), to = from + SLICE < end ? from + SLICE : end;
	unsigned char *hashes = ud_alloc(cx->arena, SLICE * UD_SHA256);
	int fd = ud_store_open_layer(cx, s->store, s->store->points[0].n, s->disk, O_RDONLY);
	ud_qcow2_reader *oldest = NULL;
	int rc = fd < 0 ? 0 : ud_qcow2_open(fd, &oldest);

	if (rc == 0)
		rc = ud_tree_peek(s->store->root, path, from, to - from, hashes);
	for (int64_t e = from; e < to && rc == 0; e++) {
		const unsigned char *want = hashes + (e - from) * UD_SHA256;
		int64_t at = e * UD_EXTENT;
		off_t data = lseek(s->fd, at, SEEK_DATA);
		bool hole = data < 0 || data >= at + UD_EXTENT;

		if (is_covered(oldest, e) || (hole && ud_all_zero(want, UD_SHA256)))
			continue;
		rc = check_extent(
			s, e, at, size - at < UD_EXTENT ? (size_t)(size - at) : UD_EXTENT, want);
	}
	ud_qcow2_reader_release(&oldest);
	if (fd >= 0)
		close(fd);
	*next = to < end ? to : -1;
	return rc;
}

/* One slice under the lock, if the layer is still there. */
static int scrub_slice(
	struct ud_ctx *cx, struct scrub *s, int64_t size, int64_t from, int64_t *next)
{
	int rc;

	*next = -1;
	if (from >= ud_extents(size))
		return 0;
	if (s->store->count == 0 || (s->layer && s->store->points[0].n > s->layer))
		return 0; /* merged meanwhile: its extents are the base's */
	s->fd = ud_store_open_layer(cx, s->store, s->layer, s->disk, O_RDONLY);
	if (s->fd < 0)
		return s->fd == -ENOENT ? 0 : s->fd;
	rc = s->layer ? scrub_point_slice(cx, s, size, from, next)
		      : scrub_base_slice(cx, s, size, from, next);
	close(s->fd);
	return rc;
}

/* What was found is judged at once: a pass may take days. Under layout. */
static enum ud_code judge_found(struct ud_ctx *cx, struct scrub *s, int64_t bad_before)
{
	if (s->ret->bad_extents == bad_before)
		return UD_OK;
	UD_TRY(ud_store_judge(cx, s->store));
	if (s->how->found)
		s->how->found(s->how->data);
	return UD_OK;
}

/* Remember where to go on: now and then, and when it is to stop. */
static enum ud_code keep_place(struct ud_ctx *cx, struct scrub *s, int64_t next)
{
	if (!s->how->resume || (++s->slices % KEEP_SLICES != 0 && !s->stopped))
		return UD_OK;
	s->at.layer = s->layer;
	s->at.extent = next >= 0 ? next : INT64_MAX;
	snprintf(s->at.disk, sizeof(s->at.disk), "%s", s->disk);
	return write_place(cx, s->store, &s->at);
}

static enum ud_code scrub_layer(struct ud_ctx *cx, struct scrub *s, const char *disk, int64_t size,
	int64_t layer, int64_t next)
{
	s->disk = disk;
	s->layer = layer;
	while (next >= 0 && !s->stopped) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx own = { .arena = arena, .env = cx->env };
		int64_t bad = s->ret->bad_extents;

		pthread_mutex_lock(&s->store->layout);
		int rc = scrub_slice(&own, s, size, next, &next);
		enum ud_code code = rc < 0 ? UD_OK : judge_found(cx, s, bad);

		pthread_mutex_unlock(&s->store->layout);
		if (rc < 0)
			return ud_beneath_fail(cx, rc, ud_store_layer_path(cx, layer, disk));
		UD_TRY(code);
		pace(s);
		UD_TRY(keep_place(cx, s, next));
	}
	return UD_OK;
}

/* Does the chain of hashes, from the base's on, give every point's root? Under layout. */
static enum ud_code check_roots(struct ud_ctx *cx, ud_store *store)
{
	if (store->count == 0)
		return UD_OK;
	ud_store_close_heads(store);
	int rc = ud_beneath_clear(store->root, "head");

	if (rc == 0)
		rc = ud_beneath_make(store->root, "head");
	if (rc < 0)
		return ud_store_failed(cx, store, rc, "head", false);
	return ud_store_heads(cx, store);
}

struct layer {
	const char *disk;
	int64_t size, n;
};

/* The disks of a point, as files of that layer. */
static enum ud_code add_layers(struct ud_ctx *cx, ud_store *store, size_t i, int64_t layer,
	struct layer *all, size_t *count)
{
	const struct ud_manifest_disk *disks = NULL;
	struct ud_manifest m = { 0 };
	size_t n = 0;

	UD_TRY(ud_store_manifest(cx, &store->points[i], &m, &disks, &n));
	for (size_t k = 0; k < n; k++)
		all[(*count)++] = (struct layer){ disks[k].name, disks[k].size_bytes, layer };
	return UD_OK;
}

/* The base of each disk, and then each point's files from the oldest on, as they are now. */
static enum ud_code list_layers(
	struct ud_ctx *cx, ud_store *store, struct layer **ret, size_t *ret_n)
{
	struct layer *all =
		ud_alloc(cx->arena, (store->count + 1) * UD_MANIFEST_DISKS * sizeof(*all));
	size_t count = 0;

	if (store->count > 0)
		UD_TRY(add_layers(cx, store, 0, 0, all, &count));
	for (size_t i = 0; i < store->count; i++)
		UD_TRY(add_layers(cx, store, i, store->points[i].n, all, &count));
	*ret = all;
	*ret_n = count;
	return UD_OK;
}

/* The first layer that is still to be read, and where in it. */
static size_t first_layer(
	const struct place *at, const struct layer *layers, size_t n, int64_t *ret_extent)
{
	size_t i = 0;

	*ret_extent = 0;
	while (i < n && layers[i].n < at->layer)
		i++;
	for (size_t k = i; k < n && layers[k].n == at->layer; k++)
		if (strcmp(layers[k].disk, at->disk) == 0) {
			bool read = at->extent >= ud_extents(layers[k].size);

			*ret_extent = read ? 0 : at->extent;
			return read ? k + 1 : k;
		}
	return i;
}

static enum ud_code scrub_all(struct ud_ctx *cx, struct scrub *s)
{
	struct layer *layers = NULL;
	size_t n = 0;

	pthread_mutex_lock(&s->store->layout);
	enum ud_code code = list_layers(cx, s->store, &layers, &n);

	pthread_mutex_unlock(&s->store->layout);
	int64_t next = 0;
	size_t first = code == UD_OK ? first_layer(&s->at, layers, n, &next) : 0;

	for (size_t i = first; i < n && code == UD_OK && !s->stopped; i++, next = 0)
		code = scrub_layer(cx, s, layers[i].disk, layers[i].size, layers[i].n, next);
	pthread_mutex_lock(&s->store->layout);
	if (code == UD_OK && !s->stopped)
		code = check_roots(cx, s->store);
	if (code == UD_OK)
		code = ud_store_judge(cx, s->store);
	for (size_t i = 0; i < s->store->count && code == UD_OK && !*s->ret->words; i++)
		if (s->store->points[i].bad)
			s->ret->words = ud_printf(cx->arena, "%s: %s", s->store->points[i].id,
				s->store->points[i].bad);
	pthread_mutex_unlock(&s->store->layout);
	return code;
}

enum ud_code ud_store_scrub(
	struct ud_ctx *cx, ud_store *store, const struct ud_scrub *scrub, struct ud_scrubbed *ret)
{
	pthread_condattr_t attributes;
	struct scrub s = {
		.store = store, .how = scrub, .ret = ret, .fd = -1, .at = { .layer = -1 }
	};

	*ret = (struct ud_scrubbed){ .words = "" };
	s.buf = ud_malloc(UD_EXTENT);
	s.began_us = ud_stopwatch_us();
	pthread_mutex_init(&s.mutex, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&s.never, &attributes);
	pthread_condattr_destroy(&attributes);
	if (scrub->resume)
		s.at = read_place(cx, store);
	enum ud_code code = scrub_all(cx, &s);

	if (code == UD_OK && !s.stopped && scrub->resume)
		code = write_place(
			cx, store, &(struct place){ .whole_ms = ud_now_ms(cx->env), .layer = -1 });
	pthread_cond_destroy(&s.never);
	pthread_mutex_destroy(&s.mutex);
	ud_free(s.buf);
	ret->whole = code == UD_OK && !s.stopped;
	return code;
}

/* ---- repair ---- */

/* The layer in which the newest point finds an extent. Under layout. */
static int64_t layer_of(
	struct ud_ctx *cx, ud_store *store, const char *disk, int64_t extent, int64_t *ret_place)
{
	for (size_t i = store->count; i-- > 0;) {
		int fd = ud_store_open_layer(cx, store, store->points[i].n, disk, O_RDONLY);
		ud_qcow2_reader *r = NULL;
		int rc = fd < 0 ? fd : ud_qcow2_open(fd, &r);

		*ret_place = -1;
		if (rc == 0 && ud_qcow2_find(r, extent, ret_place) < 0)
			*ret_place = -1;
		ud_qcow2_reader_release(&r);
		if (fd >= 0)
			close(fd);
		if (*ret_place >= 0)
			return store->points[i].n;
	}
	*ret_place = extent * UD_EXTENT;
	return 0;
}

bool ud_store_is_wrong(ud_store *store)
{
	return store->wrong_count > 0;
}

enum ud_code ud_store_wrong(
	struct ud_ctx *cx, ud_store *store, const struct ud_piece **ret, size_t *ret_n)
{
	const struct ud_manifest_disk *disks = NULL;
	struct ud_stored_point newest = { 0 };
	size_t n = 0, count = 0;
	enum ud_code code = ud_store_newest(cx, store, &newest);

	if (code == UD_OK)
		code = ud_manifest_disks(cx, &newest.point, &disks, &n);
	else
		ud_ctx_clear(cx);
	if (code == UD_E_NOT_FOUND)
		code = UD_OK;
	pthread_mutex_lock(&store->layout);
	struct ud_piece *pieces = ud_alloc(cx->arena, (store->wrong_count + 1) * sizeof(*pieces));

	for (size_t i = 0; i < store->wrong_count && code == UD_OK; i++) {
		const struct ud_store_wrong_one *w = &store->wrong[i];
		const struct ud_manifest_disk *d = ud_store_disk(disks, n, w->disk);
		int64_t place = 0;

		if (d && layer_of(cx, store, w->disk, w->extent, &place) == w->layer)
			pieces[count++] = (struct ud_piece){ (size_t)(d - disks),
				w->extent * UD_EXTENT, UD_EXTENT };
	}
	pthread_mutex_unlock(&store->layout);
	*ret = pieces;
	*ret_n = count;
	return code;
}

/* Under layout. */
static enum ud_code mend(struct ud_ctx *cx, ud_store *store, const struct ud_manifest_disk *d,
	int64_t extent, const unsigned char *data)
{
	const char *tree = ud_printf(cx->arena, "head/%s.tree", d->name);
	unsigned char want[UD_SHA256], have[UD_SHA256];
	int64_t place = 0, layer = layer_of(cx, store, d->name, extent, &place);
	size_t n = UD_EXTENT, kept = 0;
	int rc = ud_tree_peek(store->root, tree, extent, 1, want);

	ud_extent_hash(data, have);
	if (rc == 0 && memcmp(want, have, UD_SHA256) != 0)
		return ud_fail(cx, UD_E_CONFLICT, NULL,
			"extent %lld of %s: these are not the bytes that belong there",
			(long long)extent, d->name);
	if (layer == 0 && d->size_bytes - place < UD_EXTENT)
		n = (size_t)(d->size_bytes - place);
	int fd = rc < 0 ? rc : ud_store_open_layer(cx, store, layer, d->name, O_RDWR);

	if (fd < 0)
		return ud_beneath_fail(cx, fd, d->name);
	/* a zero cluster has no bytes that could be wrong */
	rc = place == 0 && layer != 0 ? 0 : ud_write_at(fd, data, n, place);
	if (rc == 0 && fdatasync(fd) != 0)
		rc = -errno;
	close(fd);
	if (rc < 0)
		return ud_store_failed(cx, store, rc, d->name, true);
	for (size_t i = 0; i < store->wrong_count; i++) {
		const struct ud_store_wrong_one *w = &store->wrong[i];

		if (w->extent != extent || w->layer != layer || strcmp(w->disk, d->name) != 0)
			store->wrong[kept++] = *w;
	}
	store->wrong_count = kept;
	return ud_store_judge(cx, store);
}

enum ud_code ud_store_mend(struct ud_ctx *cx, ud_store *store, const char *disk, int64_t extent,
	const unsigned char *data)
{
	const struct ud_manifest_disk *disks = NULL, *d = NULL;
	struct ud_manifest m = { 0 };
	enum ud_code code = UD_OK;
	size_t n = 0;

	pthread_mutex_lock(&store->layout);
	if (store->count)
		code = ud_store_manifest(cx, &store->points[store->count - 1], &m, &disks, &n);
	if (code == UD_OK)
		d = ud_store_disk(disks, n, disk);
	if (code == UD_OK && (!d || extent < 0 || extent >= ud_extents(d->size_bytes)))
		code = ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no such extent");
	if (code == UD_OK)
		code = mend(cx, store, d, extent, data);
	pthread_mutex_unlock(&store->layout);
	return code;
}
