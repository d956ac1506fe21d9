/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking a point in. A first point goes straight into the base, whose hashes are kept beside it: a
 * copy that was cut goes on by comparing them. Every later point becomes a file per disk. Nothing
 * of it counts until its manifest has its name.
 */
#include "agent/replication/incoming_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FLUSH_BYTES = 8 << 20, LOOK_BYTES = 64 << 20 };

const char *ud_incoming_path(
	struct ud_ctx *cx, const ud_incoming *in, const char *format, const char *name)
{
	char file[2 * UD_DISK_NAME];

	snprintf(file, sizeof(file), "%s.%s", name, format);
	return ud_store_point_path(cx, in->n, file);
}

/* ---- letting go ---- */

static void close_disk(struct in_disk *d)
{
	ud_qcow2_writer_release(&d->writer);
	ud_sums_release(&d->sums);
	ud_tree_release(&d->tree);
	if (d->fd >= 0)
		close(d->fd);
	if (d->sums_fd >= 0)
		close(d->sums_fd);
	d->fd = d->sums_fd = -1;
}

void ud_incoming_destroy(ud_incoming *in)
{
	for (size_t i = 0; i < in->disk_count; i++)
		close_disk(&in->disks[i]);
	ud_arena_release(&in->arena);
	ud_free(in);
}

/* Close it and remove its files; an image that grows in the base stays. */
void ud_incoming_discard(ud_incoming *in)
{
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena };

	/* what cannot be removed now is removed when the store is opened */
	if (ud_store_remove_point(&cx, in->store, in->n) != UD_OK)
		ud_ctx_clear(&cx);
	ud_incoming_destroy(in);
	ud_arena_release(&arena);
}

/* Nobody finds it any more. */
void ud_incoming_detach(ud_incoming *in)
{
	pthread_mutex_lock(&in->store->mutex);
	if (in->store->incoming == in)
		in->store->incoming = NULL;
	pthread_mutex_unlock(&in->store->mutex);
}

void ud_incoming_abandon(ud_incoming **incoming)
{
	ud_incoming *in = *incoming;

	*incoming = NULL;
	if (!in)
		return;
	ud_incoming_detach(in);
	ud_incoming_discard(in);
}

void ud_incoming_leave(ud_incoming **incoming)
{
	ud_incoming *in = *incoming;

	*incoming = NULL;
	if (!in)
		return;
	if (__atomic_load_n(&in->error, __ATOMIC_ACQUIRE) || in->base) {
		ud_incoming_abandon(&in);
		return;
	}
	pthread_mutex_lock(&in->store->mutex);
	in->attached = false;
	pthread_mutex_unlock(&in->store->mutex);
}

enum ud_code ud_store_drop_incoming(struct ud_ctx *cx, ud_store *store)
{
	ud_incoming *in = store->incoming;

	if (!in)
		return UD_OK;
	if (in->attached)
		return ud_fail(cx, UD_E_IN_USE, NULL, "a point is coming in just now");
	store->incoming = NULL;
	ud_incoming_discard(in);
	return UD_OK;
}

const char *ud_store_receiving(struct ud_ctx *cx, ud_store *store)
{
	pthread_mutex_lock(&store->mutex);
	const ud_incoming *in = store->incoming;
	const char *id = in && !in->attached ? ud_strdup(cx->arena, in->head.id) : "";

	pthread_mutex_unlock(&store->mutex);
	return id;
}

/* ---- beginning ---- */

enum ud_code ud_incoming_ask_gate(struct ud_ctx *cx, ud_store *store, int64_t epoch)
{
	if (store->count && epoch < store->points[store->count - 1].epoch)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"epoch %lld has passed: the newest point has %lld", (long long)epoch,
			(long long)store->points[store->count - 1].epoch);
	if (!store->settings.gate)
		return UD_OK;
	return store->settings.gate(cx, store->settings.gate_data, epoch);
}

/* A disk must continue what the parent has of it. */
static enum ud_code check_disk(struct ud_ctx *cx, const struct ud_manifest_disk *d,
	const struct ud_manifest_disk *parent, size_t parent_count)
{
	const struct ud_manifest_disk *p = ud_store_disk(parent, parent_count, d->name);

	if (d->size_bytes % 512)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "%s: a size has whole sectors", d->name);
	if (p && d->size_bytes < p->size_bytes)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "%s became smaller: it needs a full copy",
			d->name);
	if (p && *d->parent_root && strcmp(d->parent_root, p->root) != 0)
		return ud_fail(cx, UD_E_CONFLICT, NULL,
			"%s: the sender's parent is another image than ours", d->name);
	return UD_OK;
}

static enum ud_code check_parent(
	struct ud_ctx *cx, ud_store *store, const struct ud_manifest *m, bool base)
{
	const struct ud_manifest_disk *disks = NULL, *parent = NULL;
	const struct ud_store_entry *newest = NULL;
	size_t n = 0, parent_count = 0;
	struct ud_manifest p = { 0 };

	if (store->count)
		newest = &store->points[store->count - 1];
	if (base && newest)
		return ud_fail(cx, UD_E_CONFLICT, NULL, "there are points here: %s is the newest",
			newest->id);
	if (!base && (!newest || strcmp(newest->id, m->parent) != 0))
		return ud_fail(cx, UD_E_CONFLICT, NULL,
			"the parent %s is not the newest point (%s)", m->parent,
			newest ? newest->id : "there is none");
	if (newest)
		UD_TRY(ud_store_manifest(cx, newest, &p, &parent, &parent_count));
	UD_TRY(ud_manifest_disks(cx, m, &disks, &n));
	for (size_t i = 0; i < n; i++)
		UD_TRY(check_disk(cx, &disks[i], parent, parent_count));
	return UD_OK;
}

/* Everything that speaks against it. Under the mutex. */
static enum ud_code admit(struct ud_ctx *cx, ud_store *store, const struct ud_manifest *m)
{
	if (ud_store_find(store, m->id))
		return ud_fail(cx, UD_E_ALREADY_EXISTS, NULL, "the point %s is here", m->id);
	UD_TRY(ud_store_ready(cx, store));
	UD_TRY(ud_incoming_ask_gate(cx, store, m->epoch));
	if (store->count >= UD_STORE_POINTS)
		return ud_fail(cx, UD_E_STORAGE_FULL, NULL, "%d points are the most there can be",
			UD_STORE_POINTS);
	return check_parent(cx, store, m, !*m->parent);
}

int ud_incoming_open_new(ud_store *store, const char *path)
{
	int rc = ud_beneath_remove(store->root, path);

	return rc < 0 ? rc : ud_beneath_open(store->root, path, O_RDWR | O_CREAT | O_EXCL, 0600);
}

/* The base's image and tree; both are made when the disk is new. */
static int open_base(struct ud_ctx *cx, ud_store *store, struct in_disk *d)
{
	const char *tree = ud_printf(cx->arena, "base/%s.tree", d->name);
	int rc = 0;

	d->fd = ud_store_open_layer(cx, store, 0, d->name, O_RDWR | O_CREAT);
	if (d->fd < 0)
		return d->fd;
	off_t have = lseek(d->fd, 0, SEEK_END);

	if (have < 0 || (have != d->size && ftruncate(d->fd, d->size) != 0))
		return -errno;
	if (have > d->size)
		rc = ud_store_reckon_disk(store, d->name);
	return rc < 0 ? rc : ud_tree_open(store->root, tree, d->size, &d->tree);
}

/* A disk that is new gets an empty base. */
static int need_base(struct ud_ctx *cx, ud_store *store, const struct in_disk *d)
{
	struct in_disk fresh = *d;

	if (ud_beneath_exists(store->root, ud_store_layer_path(cx, 0, d->name)))
		return 0;
	int rc = open_base(cx, store, &fresh);

	close_disk(&fresh);
	return rc < 0 ? rc : ud_beneath_sync(store->root, "base");
}

/* A file for the point over what is there. */
static int open_delta(struct ud_ctx *cx, ud_incoming *in, struct in_disk *d)
{
	ud_store *store = in->store;
	int rc = need_base(cx, store, d);

	if (rc < 0)
		return rc;
	d->fd = ud_incoming_open_new(store, ud_incoming_path(cx, in, "qcow2", d->name));
	rc = d->fd < 0 ? d->fd : ud_qcow2_begin(d->fd, d->size, &d->writer);
	if (rc < 0)
		return rc;
	d->sums_fd = ud_incoming_open_new(store, ud_incoming_path(cx, in, "sums", d->name));
	if (d->sums_fd < 0)
		return d->sums_fd;
	d->sums = ud_sums_begin(d->sums_fd);
	return 0;
}

static enum ud_code open_disks(struct ud_ctx *cx, ud_incoming *in)
{
	const struct ud_manifest_disk *disks = NULL;
	ud_store *store = in->store;
	size_t n = 0;
	int rc = 0;

	UD_TRY(ud_manifest_disks(cx, &in->head, &disks, &n));
	if (in->base && !store->reckoned)
		UD_TRY(ud_store_reckon(cx, store));
	if (!in->base)
		rc = ud_beneath_make(
			store->root, ud_printf(cx->arena, "p/%06lld", (long long)in->n));
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct in_disk *d = &in->disks[in->disk_count++];

		*d = (struct in_disk){ .size = disks[i].size_bytes, .fd = -1, .sums_fd = -1 };
		snprintf(d->name, sizeof(d->name), "%s", disks[i].name);
		rc = in->base ? open_base(cx, store, d) : open_delta(cx, in, d);
	}
	return rc == 0 ? UD_OK : ud_store_failed(cx, store, rc, "a file of the point", false);
}

static ud_incoming *create(ud_store *store, const struct ud_manifest *m, const char *digest)
{
	ud_incoming *in = ud_malloc(sizeof(*in));

	memset(in, 0, sizeof(*in));
	in->store = store;
	in->base = !*m->parent;
	in->attached = true;
	in->n = store->count ? store->points[store->count - 1].n + 1 : 1;
	in->arena = ud_arena_new();
	struct ud_ctx own = { .arena = in->arena };
	const char *text = ud_manifest_text(&own, m);

	if (ud_manifest_read(&own, text, strlen(text), &in->head) != UD_OK)
		abort(); /* it was read from just such a text */
	snprintf(in->digest, sizeof(in->digest), "%s", digest);
	return in;
}

/* Under layout and mutex: the one that was left, or a new one without files. */
static enum ud_code choose(struct ud_ctx *cx, ud_store *store, const struct ud_manifest *m,
	const char *digest, ud_incoming **ret, bool *ret_new)
{
	ud_incoming *in = store->incoming;

	UD_TRY(admit(cx, store, m));
	if (in && in->attached)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "another sender is at it: %s", in->head.id);
	*ret_new = !in || strcmp(in->head.id, m->id) != 0 || strcmp(in->digest, digest) != 0;
	if (*ret_new) {
		UD_TRY(ud_store_drop_incoming(cx, store));
		store->incoming = create(store, m, digest);
	}
	store->incoming->attached = true;
	*ret = store->incoming;
	return UD_OK;
}

enum ud_code ud_incoming_begin(struct ud_ctx *cx, ud_store *store,
	const struct ud_manifest *manifest, const char *digest, ud_incoming **ret,
	int64_t *ret_records)
{
	ud_incoming *in = NULL;
	bool fresh = false;

	pthread_mutex_lock(&store->layout);
	pthread_mutex_lock(&store->mutex);
	enum ud_code code = choose(cx, store, manifest, digest, &in, &fresh);

	pthread_mutex_unlock(&store->mutex);
	if (code == UD_OK && fresh)
		code = open_disks(cx, in);
	pthread_mutex_unlock(&store->layout);
	if (code != UD_OK) {
		ud_incoming_abandon(&in);
		return code;
	}
	ud_store_stepped(store, "begin");
	*ret = in;
	*ret_records = in->records;
	return UD_OK;
}

size_t ud_incoming_disks(const ud_incoming *incoming)
{
	return incoming->disk_count;
}

int64_t ud_incoming_size(const ud_incoming *incoming, size_t disk)
{
	return incoming->disks[disk].size;
}

/* ---- extents ---- */

void ud_incoming_spoil(ud_incoming *incoming, int error)
{
	int none = 0;

	__atomic_compare_exchange_n(
		&incoming->error, &none, error, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static enum ud_code check_order(struct ud_ctx *cx, ud_incoming *in, size_t disk, int64_t extent,
	int64_t count, struct in_disk **ret)
{
	if (disk >= in->disk_count)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "an extent of a disk that is not there");
	struct in_disk *d = &in->disks[disk];

	if (extent < d->next || count < 1 || count > ud_extents(d->size) - extent)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "%s: extents do not ascend", d->name);
	d->next = extent + count;
	d->extents += count;
	*ret = d;
	return UD_OK;
}

static enum ud_code own_failure(struct ud_ctx *cx, ud_incoming *in, int rc, const char *name)
{
	ud_incoming_spoil(in, rc);
	return ud_store_failed(cx, in->store, rc, name, false);
}

enum ud_code ud_incoming_place(struct ud_ctx *cx, ud_incoming *incoming, size_t disk,
	int64_t extent, const unsigned char hash[UD_SHA256], int64_t *ret_place)
{
	struct in_disk *d = NULL;
	struct ud_sum sum = { .extent = extent, .count = 1 };

	UD_TRY(check_order(cx, incoming, disk, extent, 1, &d));
	if (ud_all_zero(hash, UD_SHA256))
		return ud_fail(cx, UD_E_MALFORMED, NULL, "%s: data with the hash of none", d->name);
	memcpy(sum.hash, hash, UD_SHA256);
	sum.place = incoming->base ? extent * UD_EXTENT : ud_qcow2_place(d->writer, extent);
	int rc =
		incoming->base ? ud_tree_set(d->tree, extent, 1, hash) : ud_sums_add(d->sums, &sum);

	*ret_place = sum.place;
	return rc == 0 ? UD_OK : own_failure(cx, incoming, rc, d->name);
}

static int punch(int fd, int64_t offset, int64_t n)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, n) == 0)
		return 0;
	return -errno;
}

enum ud_code ud_incoming_zero(
	struct ud_ctx *cx, ud_incoming *incoming, size_t disk, int64_t extent, int64_t count)
{
	struct in_disk *d = NULL;
	const struct ud_sum sum = { .extent = extent, .count = count };
	int rc;

	UD_TRY(check_order(cx, incoming, disk, extent, count, &d));
	if (incoming->base) {
		rc = punch(d->fd, extent * UD_EXTENT, count * UD_EXTENT);
		if (rc == 0)
			rc = ud_tree_set(d->tree, extent, count, NULL);
	} else {
		ud_qcow2_zero(d->writer, extent, count);
		rc = ud_sums_add(d->sums, &sum);
	}
	return rc == 0 ? UD_OK : own_failure(cx, incoming, rc, d->name);
}

void ud_incoming_record(ud_incoming *incoming)
{
	incoming->records++;
}

/* Let the kernel begin to write, so that the sync at the end finds little; and look whether the
 * reserve is touched. */
static int keep_moving(ud_incoming *in, struct in_disk *d, int64_t place, size_t n)
{
	int64_t unflushed = __atomic_add_fetch(&d->unflushed, (int64_t)n, __ATOMIC_RELAXED);
	int64_t written = __atomic_add_fetch(&in->written, (int64_t)n, __ATOMIC_RELAXED);

	if (unflushed >= FLUSH_BYTES) {
		__atomic_store_n(&d->unflushed, 0, __ATOMIC_RELAXED);
		int64_t from = place + (int64_t)n - 2 * FLUSH_BYTES;

		sync_file_range(d->fd, from > 0 ? from : 0, 2 * FLUSH_BYTES, SYNC_FILE_RANGE_WRITE);
	}
	if (written / LOOK_BYTES != (written - (int64_t)n) / LOOK_BYTES &&
		in->store->settings.reserve_bytes > 0 && ud_store_free_bytes(in->store) == 0)
		return -ENOSPC;
	return 0;
}

int ud_incoming_write(
	ud_incoming *incoming, size_t disk, int64_t place, const unsigned char *data, size_t n)
{
	struct in_disk *d = &incoming->disks[disk];
	size_t size = n;

	/* a raw image ends where the disk ends */
	if (incoming->base && (int64_t)n > d->size - place)
		size = (size_t)(d->size - place);
	int rc = ud_write_at(d->fd, data, size, place);

	if (rc == 0)
		rc = keep_moving(incoming, d, place, n);
	if (rc < 0)
		ud_incoming_spoil(incoming, rc);
	ud_store_stepped(incoming->store, "data");
	return rc;
}

/* The place of a file in the list, which may be there from before a cut; NULL = the problem says
 * why not. */
static struct ud_manifest_file *file_place(struct ud_ctx *cx, ud_incoming *in, const char *name)
{
	const char *folder = ud_printf(cx->arena, "p/%06lld", (long long)in->n);
	size_t i = 0;

	while (i < in->file_count && strcmp(in->files[i].name, name) != 0)
		i++;
	enum ud_code code = UD_OK;

	if (!ud_disk_name_valid(name) || i == UD_MANIFEST_FILES) {
		code = ud_fail(cx, UD_E_VALIDATION, NULL,
			"a point has at most %d files, each with a name of its own",
			UD_MANIFEST_FILES);
	} else {
		int rc = ud_beneath_make(in->store->root, folder);

		if (rc < 0)
			code = own_failure(cx, in, rc, folder);
	}
	return code == UD_OK ? &in->files[i] : NULL;
}

/* It is there: it counts. */
static void note_file(ud_incoming *in, struct ud_manifest_file *place, const char *name,
	int64_t bytes, const char *sha256)
{
	in->file_count += place == &in->files[in->file_count];
	*place = (struct ud_manifest_file){ ud_strdup(in->arena, name), bytes,
		ud_strdup(in->arena, sha256) };
}

enum ud_code ud_incoming_file(
	struct ud_ctx *cx, ud_incoming *incoming, const char *name, const void *data, size_t n)
{
	char sum[UD_SHA256_HEX];

	if (n > UD_MANIFEST_FILE)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "a file of a point is too large");
	struct ud_manifest_file *place = file_place(cx, incoming, name);

	if (!place)
		return cx->problem.code;
	const char *path = ud_store_point_path(cx, incoming->n, name);
	int rc = ud_beneath_write(incoming->store->root, path, data, n);

	if (rc < 0)
		return own_failure(cx, incoming, rc, path);
	ud_sha256_hex(data, n, sum);
	note_file(incoming, place, name, (int64_t)n, sum);
	return UD_OK;
}

enum ud_code ud_incoming_same(struct ud_ctx *cx, ud_incoming *incoming, const char *name)
{
	const struct ud_manifest_file *files = NULL, *file = NULL;
	struct ud_stored_point parent = { 0 };
	size_t n = 0;

	UD_TRY(ud_store_point(cx, incoming->store, incoming->head.parent, &parent));
	UD_TRY(ud_manifest_files(cx, &parent.point, &files, &n));
	for (size_t i = 0; i < n && !file; i++)
		file = strcmp(files[i].name, name) == 0 ? &files[i] : NULL;
	if (!file)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "the parent has no such file");
	struct ud_manifest_file *place = file_place(cx, incoming, name);

	if (!place)
		return cx->problem.code;
	const char *from = ud_store_point_path(cx, parent.point.n, file->name);
	int rc = ud_beneath_link(
		incoming->store->root, from, ud_store_point_path(cx, incoming->n, file->name));

	if (rc < 0)
		return own_failure(cx, incoming, rc, from);
	note_file(incoming, place, name, file->bytes, file->sha256);
	return UD_OK;
}

enum ud_code ud_incoming_parent_files(
	struct ud_ctx *cx, const ud_incoming *incoming, struct ud_json *ret)
{
	*ret = (struct ud_json){ "[]" };
	return *incoming->head.parent
		? ud_store_files(cx, incoming->store, incoming->head.parent, ret)
		: UD_OK;
}
