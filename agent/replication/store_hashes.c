/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes of a store's images: base/DISK.tree is what base/DISK.raw holds; head/DISK.tree is the
 * newest point, made from the base's tree and the sums of the points in between. Only the base's is
 * kept durable step by step; the other can always be made again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/replication/store_inside.h"

static const char *tree_path(struct ud_ctx *cx, const char *folder, const char *disk)
{
	return ud_printf(cx->arena, "%s/%s.tree", folder, disk);
}

/* ---- reckoning ---- */

/* Hash what a raw image holds, skipping its holes. */
static int reckon_image(int fd, int64_t size, ud_tree *t)
{
	unsigned char *data = ud_malloc(UD_EXTENT), hash[UD_SHA256];
	int rc = 0;

	for (int64_t e = 0; e < ud_extents(size) && rc == 0; e++) {
		int64_t at = e * UD_EXTENT, next = lseek(fd, at, SEEK_DATA);
		size_t n = size - at < UD_EXTENT ? (size_t)(size - at) : UD_EXTENT;

		if (next < 0 && errno == ENXIO)
			break;
		if (next >= at + UD_EXTENT) {
			e = next / UD_EXTENT - 1;
			continue;
		}
		memset(data, 0, UD_EXTENT);
		rc = ud_read_at(fd, data, n, at);
		ud_extent_hash(data, hash);
		if (rc == 0 && !ud_all_zero(hash, UD_SHA256))
			rc = ud_tree_set(t, e, 1, hash);
	}
	ud_free(data);
	return rc;
}

int ud_store_reckon_disk(ud_store *store, const char *disk)
{
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena };
	const char *path = tree_path(&cx, "base", disk);
	int fd = ud_store_open_layer(&cx, store, 0, disk, O_RDONLY);
	ud_tree *t = NULL;
	struct stat st;
	int rc = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : ud_beneath_remove(store->root, path);

	/* one that has no size yet was begun and no more */
	if (rc == 0 && st.st_size > 0)
		rc = ud_tree_open(store->root, path, st.st_size, &t);
	if (t)
		rc = reckon_image(fd, st.st_size, t);
	ud_tree_release(&t);
	if (fd >= 0)
		close(fd);
	ud_arena_release(&arena);
	return rc;
}

/* The disk's name when this is the name of a base image, else NULL. */
static const char *image_name(struct ud_ctx *cx, const char *file)
{
	size_t n = strlen(file);

	if (n < 5 || strcmp(file + n - 4, ".raw") != 0)
		return NULL;
	const char *name = ud_strndup(cx->arena, file, n - 4);

	return ud_disk_name_valid(name) ? name : NULL;
}

enum ud_code ud_store_reckon(struct ud_ctx *cx, ud_store *store)
{
	const char *const *names = NULL;
	size_t n = 0;
	int rc = ud_beneath_list(cx, store->root, "base", &names, &n);

	for (size_t i = 0; i < n && rc == 0; i++) {
		const char *disk = image_name(cx, names[i]);

		if (disk)
			rc = ud_store_reckon_disk(store, disk);
	}
	if (rc < 0)
		return ud_beneath_fail(cx, rc, "base");
	store->reckoned = true;
	return UD_OK;
}

bool ud_store_seeded(ud_store *store)
{
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena };
	const char *const *names = NULL;
	bool found = false;
	size_t n = 0;

	pthread_mutex_lock(&store->mutex);
	size_t points = store->count;

	pthread_mutex_unlock(&store->mutex);
	if (points == 0 && ud_beneath_list(&cx, store->root, "base", &names, &n) == 0)
		for (size_t i = 0; i < n && !found; i++)
			found = image_name(&cx, names[i]) != NULL;
	ud_arena_release(&arena);
	return found;
}

/* ---- the newest point's ---- */

/* Copy a tree's file; both are small beside the disk. */
static int copy_tree(int root, const char *from, const char *to)
{
	int in = ud_beneath_open(root, from, O_RDONLY, 0), out = -1;
	unsigned char *buf = ud_malloc(UD_CHUNK);
	int64_t at = 0;
	struct stat st;
	int rc = in < 0 ? in : fstat(in, &st) < 0 ? -errno : ud_beneath_remove(root, to);

	if (rc == 0)
		out = ud_beneath_open(root, to, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (rc == 0 && out < 0)
		rc = out;
	while (rc == 0 && at < st.st_size) {
		int64_t next = lseek(in, at, SEEK_DATA);

		if (next < 0)
			break;
		at = next / UD_EXTENT * UD_EXTENT;
		size_t n = st.st_size - at < UD_CHUNK ? (size_t)(st.st_size - at) : UD_CHUNK;

		rc = ud_read_at(in, buf, n, at);
		if (rc == 0)
			rc = ud_write_at(out, buf, n, at);
		at += (int64_t)n;
	}
	if (rc == 0 && ftruncate(out, st.st_size) != 0)
		rc = -errno;
	if (in >= 0)
		close(in);
	if (out >= 0)
		close(out);
	ud_free(buf);
	return rc;
}

/* Take the sums of a point into a tree. */
static int replay(
	struct ud_ctx *cx, ud_store *store, ud_tree *t, int64_t n, const struct ud_manifest_disk *d)
{
	const char *path = ud_store_point_path(cx, n, ud_printf(cx->arena, "%s.sums", d->name));
	int fd = ud_beneath_open(store->root, path, O_RDONLY, 0);
	int rc = fd < 0 ? fd : ud_tree_apply(t, d->size_bytes, fd);

	if (fd >= 0)
		close(fd);
	return rc;
}

/* Replay the points behind the tree's own number; *ret_same tells whether the root came out right.
 */
static int bring_up(struct ud_ctx *cx, ud_store *store, ud_tree *t, const char *disk,
	const char *want, bool *ret_same)
{
	char root[UD_SHA256_HEX];
	int rc = 0;

	for (size_t i = 0; i < store->count && rc == 0; i++) {
		const struct ud_manifest_disk *disks = NULL, *d;
		struct ud_manifest m = { 0 };
		size_t n = 0;

		if (store->points[i].n <= ud_tree_number(t))
			continue;
		if (ud_store_manifest(cx, &store->points[i], &m, &disks, &n) != UD_OK)
			return -EBADMSG;
		d = ud_store_disk(disks, n, disk);
		if (d)
			rc = replay(cx, store, t, store->points[i].n, d);
	}
	if (rc == 0)
		rc = ud_tree_root(t, root);
	*ret_same = rc == 0 && strcmp(root, want) == 0;
	return rc;
}

enum { FROM_HEAD, FROM_BASE, FROM_BYTES, WAYS };

/* One way to come by the newest point's tree: what is there; the base's; the base's bytes. */
static int try_way(struct ud_ctx *cx, ud_store *store, const struct ud_manifest_disk *d, int way,
	bool *ret_same)
{
	const char *head = tree_path(cx, "head", d->name), *base = tree_path(cx, "base", d->name);
	int64_t newest = store->points[store->count - 1].n;
	ud_tree *t = NULL;
	int rc = 0;

	if (way == FROM_BYTES)
		rc = ud_store_reckon_disk(store, d->name);
	if (rc == 0 && way != FROM_HEAD)
		rc = copy_tree(store->root, base, head);
	if (rc == 0)
		rc = ud_tree_open(store->root, head, 0, &t);
	if (rc == 0 && ud_tree_number(t) > newest)
		rc = -EBADMSG;
	if (rc == 0)
		rc = bring_up(cx, store, t, d->name, d->root, ret_same);
	if (rc == 0 && *ret_same)
		rc = ud_tree_commit(t, newest);
	ud_tree_release(&t);
	return rc;
}

int ud_store_head(struct ud_ctx *cx, ud_store *store, const char *disk, int64_t size, ud_tree **ret)
{
	const char *path = tree_path(cx, "head", disk);

	for (size_t i = 0; i < store->head_count; i++)
		if (strcmp(store->heads[i].disk, disk) == 0) {
			*ret = store->heads[i].tree;
			return 0;
		}
	if (store->head_count == UD_LEN(store->heads))
		return -ENOSPC;
	struct ud_store_head *h = &store->heads[store->head_count];
	int rc = ud_tree_open(store->root, path, 0, &h->tree);

	if (rc == -ENOENT)
		rc = ud_tree_open(store->root, path, size, &h->tree);
	if (rc < 0)
		return rc;
	snprintf(h->disk, sizeof(h->disk), "%s", disk);
	store->head_count++;
	*ret = h->tree;
	return 0;
}

void ud_store_close_heads(ud_store *store)
{
	for (size_t i = 0; i < store->head_count; i++)
		ud_tree_release(&store->heads[i].tree);
	store->head_count = 0;
}

enum ud_code ud_store_heads(struct ud_ctx *cx, ud_store *store)
{
	const struct ud_manifest_disk *disks = NULL;
	struct ud_manifest m = { 0 };
	size_t n = 0;

	ud_store_close_heads(store);
	if (store->count == 0)
		return UD_OK;
	struct ud_store_entry *e = &store->points[store->count - 1];

	UD_TRY(ud_store_manifest(cx, e, &m, &disks, &n));
	for (size_t i = 0; i < n; i++) {
		bool same = false;
		int rc = 0;

		for (int way = 0; way < WAYS && !same; way++)
			rc = try_way(cx, store, &disks[i], way, &same);
		if (rc == -ENOSPC || rc == -EIO)
			return ud_beneath_fail(cx, rc, disks[i].name);
		if (!same && !e->bad)
			e->bad = ud_heap_strdup(ud_printf(
				cx->arena, "the hashes of %s do not give its root", disks[i].name));
	}
	return UD_OK;
}

enum ud_code ud_store_hashes(struct ud_ctx *cx, ud_store *store, const char *disk, int64_t extent,
	int64_t count, unsigned char *ret)
{
	enum ud_code code = UD_OK;

	if (!ud_disk_name_valid(disk) || extent < 0 || count < 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no such disk");
	pthread_mutex_lock(&store->layout);
	if (store->count == 0 && !store->reckoned)
		code = ud_store_reckon(cx, store);
	const char *path = tree_path(cx, store->count ? "head" : "base", disk);
	int rc = code == UD_OK ? ud_tree_peek(store->root, path, extent, count, ret) : 0;

	pthread_mutex_unlock(&store->layout);
	UD_TRY(code);
	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, path);
}
