/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making points go: the oldest into the base, or the newest altogether. While the oldest is merged
 * it still covers all that changes in the base, so every other point reads the same bytes, and a
 * merge that was cut is done again from its beginning.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/replication/store_inside.h"

enum ud_code ud_store_remove_point(struct ud_ctx *cx, ud_store *store, int64_t n)
{
	const char *folder = ud_printf(cx->arena, "p/%06lld", (long long)n);
	int rc = ud_beneath_remove(store->root, ud_store_point_path(cx, n, "manifest.json"));

	if (rc == 0)
		rc = ud_beneath_sync(store->root, folder);
	if (rc == -ENOENT)
		return UD_OK;
	ud_store_stepped(store, "uncommit");
	if (rc == 0)
		rc = ud_beneath_clear(store->root, folder);
	if (rc == 0)
		rc = ud_beneath_sync(store->root, "p");
	return rc == 0 ? UD_OK : ud_store_failed(cx, store, rc, folder, true);
}

/* ---- merging ---- */

struct merge {
	ud_store *store;
	const char *disk;
	int64_t layer;
	int from, to;
	int64_t size;
	unsigned char *buf;
	bool found_wrong;
};

static int punch(int fd, int64_t offset, int64_t n)
{
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, n) == 0)
		return 0;
	return -errno;
}

/* Copy one extent of the point into the base. A wrong one is noted, and copied as it is: the base
 * keeps the hash that it should have, so that it stays found. */
static int merge_sum(void *data, const struct ud_sum *sum)
{
	struct merge *m = data;
	int64_t at = sum->extent * UD_EXTENT;
	unsigned char hash[UD_SHA256];

	if (sum->place == 0)
		return punch(m->to, at, sum->count * UD_EXTENT);
	int rc = ud_read_at(m->from, m->buf, UD_EXTENT, sum->place);

	if (rc < 0)
		return rc;
	ud_extent_hash(m->buf, hash);
	if (memcmp(hash, sum->hash, UD_SHA256) != 0) {
		ud_store_note_wrong(m->store, m->disk, sum->extent, m->layer);
		m->found_wrong = true;
	}
	return ud_write_at(
		m->to, m->buf, m->size - at < UD_EXTENT ? (size_t)(m->size - at) : UD_EXTENT, at);
}

static int sync_fd(int fd)
{
	return fdatasync(fd) == 0 ? 0 : -errno;
}

/* A disk grew: so does the base, and never becomes smaller. */
static int grow(int fd, int64_t size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return -errno;
	return st.st_size >= size || ftruncate(fd, size) == 0 ? 0 : -errno;
}

static int merge_hashes(
	struct ud_ctx *cx, ud_store *store, const struct ud_manifest_disk *d, int sums, int64_t n)
{
	ud_tree *t = NULL;
	int rc = ud_tree_open(
		store->root, ud_printf(cx->arena, "base/%s.tree", d->name), d->size_bytes, &t);

	if (rc == 0)
		rc = ud_tree_apply(t, d->size_bytes, sums);
	if (rc == 0)
		rc = ud_tree_commit(t, n);
	ud_tree_release(&t);
	return rc;
}

static int merge_disk(struct ud_ctx *cx, ud_store *store, const struct ud_manifest_disk *d,
	int64_t n, bool *found_wrong)
{
	const char *sums_path =
		ud_store_point_path(cx, n, ud_printf(cx->arena, "%s.sums", d->name));
	struct merge m = { .store = store, .disk = d->name, .layer = n, .size = d->size_bytes };
	int sums = ud_beneath_open(store->root, sums_path, O_RDONLY, 0);

	m.from = ud_store_open_layer(cx, store, n, d->name, O_RDONLY);
	m.to = ud_store_open_layer(cx, store, 0, d->name, O_RDWR);
	m.buf = ud_malloc(UD_EXTENT);
	int rc = sums < 0    ? sums
		: m.from < 0 ? m.from
		: m.to < 0   ? m.to
			     : grow(m.to, d->size_bytes);

	if (rc == 0)
		rc = ud_sums_visit(sums, ud_extents(d->size_bytes), merge_sum, &m);
	if (rc == 0)
		rc = sync_fd(m.to);
	ud_store_stepped(store, "merge.data");
	if (rc == 0)
		rc = merge_hashes(cx, store, d, sums, n);
	ud_store_stepped(store, "merge.hashes");
	for (int i = 0; i < 3; i++) {
		int fd = (int[]){ sums, m.from, m.to }[i];

		if (fd >= 0)
			close(fd);
	}
	ud_free(m.buf);
	*found_wrong |= m.found_wrong;
	return rc;
}

/* Put the next point onto the base. */
static int rebase_disk(struct ud_ctx *cx, ud_store *store, int64_t n, const char *disk)
{
	int fd = ud_store_open_layer(cx, store, n, disk, O_RDWR);
	int rc = fd < 0
		? fd
		: ud_qcow2_rebase(fd, ud_printf(cx->arena, "../../base/%s.raw", disk), "raw");

	if (fd >= 0)
		close(fd);
	ud_store_stepped(store, "merge.rebase");
	return rc;
}

/* Hashes of the newest point must not need the sums that go. */
static int settle_heads(struct ud_ctx *cx, ud_store *store)
{
	const struct ud_manifest_disk *disks = NULL;
	int64_t newest = store->points[store->count - 1].n;
	struct ud_manifest m = { 0 };
	size_t n = 0;
	int rc = 0;

	if (ud_store_manifest(cx, &store->points[store->count - 1], &m, &disks, &n) != UD_OK)
		return -EBADMSG;
	for (size_t i = 0; i < n && rc == 0; i++) {
		ud_tree *t = NULL;

		rc = ud_store_head(cx, store, disks[i].name, disks[i].size_bytes, &t);
		if (rc == 0)
			rc = ud_tree_commit(t, newest);
	}
	return rc;
}

/* After a merge what was wrong in the point is wrong in the base. */
static void move_wrong(ud_store *store, int64_t from)
{
	for (size_t i = 0; i < store->wrong_count; i++)
		if (store->wrong[i].layer == from)
			store->wrong[i].layer = 0;
}

/* What the point covers was wrong below it, and is not any more. */
static enum ud_code clear_covered(struct ud_ctx *cx, ud_store *store, int64_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < store->wrong_count; i++) {
		struct ud_store_wrong_one *w = &store->wrong[i];
		int fd = w->layer ? -1 : ud_store_open_layer(cx, store, n, w->disk, O_RDONLY);
		ud_qcow2_reader *r = NULL;
		int64_t place = -1;

		if (fd >= 0 && ud_qcow2_open(fd, &r) == 0 &&
			ud_qcow2_find(r, w->extent, &place) < 0)
			place = -1;
		ud_qcow2_reader_release(&r);
		if (fd >= 0)
			close(fd);
		if (place < 0)
			store->wrong[kept++] = *w;
	}
	store->wrong_count = kept;
	return UD_OK;
}

static enum ud_code merge_files(struct ud_ctx *cx, ud_store *store, bool *found_wrong)
{
	const struct ud_store_entry *oldest = &store->points[0], *next = &store->points[1];
	const struct ud_manifest_disk *disks = NULL, *above = NULL;
	struct ud_manifest m = { 0 }, m_next = { 0 };
	size_t n = 0, n_next = 0;

	UD_TRY(ud_store_manifest(cx, oldest, &m, &disks, &n));
	UD_TRY(ud_store_manifest(cx, next, &m_next, &above, &n_next));
	int rc = settle_heads(cx, store);

	ud_store_stepped(store, "merge.heads");
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = merge_disk(cx, store, &disks[i], oldest->n, found_wrong);
	for (size_t i = 0; i < n_next && rc == 0; i++)
		if (ud_store_disk(disks, n, above[i].name))
			rc = rebase_disk(cx, store, next->n, above[i].name);
	return rc == 0 ? UD_OK : ud_store_failed(cx, store, rc, "merge", true);
}

/* Merge the oldest point. Under layout. */
static enum ud_code merge_oldest(struct ud_ctx *cx, ud_store *store)
{
	int64_t n = store->points[0].n;
	bool found_wrong = false;

	UD_TRY(merge_files(cx, store, &found_wrong));
	UD_TRY(clear_covered(cx, store, n));
	pthread_mutex_lock(&store->mutex);
	ud_store_forget(store, 0, 1);
	pthread_mutex_unlock(&store->mutex);
	UD_TRY(ud_store_remove_point(cx, store, n));
	move_wrong(store, n);
	ud_store_stepped(store, "merge.end");
	return found_wrong || store->wrong_count ? ud_store_judge(cx, store) : UD_OK;
}

enum ud_code ud_store_keep(struct ud_ctx *cx, ud_store *store, size_t keep, size_t *ret_left)
{
	enum ud_code code = UD_OK;

	if (keep == 0)
		keep = 1;
	for (bool more = true; more && code == UD_OK;) {
		/* the lock is given up between two merges: a point may be committed meanwhile */
		pthread_mutex_lock(&store->layout);
		pthread_mutex_lock(&store->mutex);
		more = store->count > keep && !ud_store_is_pinned(cx, store, &store->points[0]) &&
			store->condition != UD_STORE_FAILED;
		pthread_mutex_unlock(&store->mutex);
		if (more)
			code = merge_oldest(cx, store);
		if (ret_left)
			*ret_left = store->count;
		pthread_mutex_unlock(&store->layout);
	}
	return code;
}

/* ---- dropping ---- */

/* Under both locks: the points behind this one may go. */
static enum ud_code may_drop(struct ud_ctx *cx, ud_store *store, const char *id, size_t *ret_first)
{
	const struct ud_store_entry *e = ud_store_find(store, id);

	if (!e)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no point %s", id);
	*ret_first = (size_t)(e - store->points) + 1;
	for (size_t i = *ret_first; i < store->count; i++)
		if (ud_store_is_pinned(cx, store, &store->points[i]))
			return ud_fail(cx, UD_E_IN_USE, NULL, "%s is pinned", store->points[i].id);
	return ud_store_drop_incoming(cx, store);
}

/* The newest first, so that what is left is a chain at any time. */
static enum ud_code drop_newest(struct ud_ctx *cx, ud_store *store)
{
	int64_t n = store->points[store->count - 1].n;
	size_t kept = 0;

	pthread_mutex_lock(&store->mutex);
	ud_store_forget(store, store->count - 1, store->count);
	pthread_mutex_unlock(&store->mutex);
	for (size_t i = 0; i < store->wrong_count; i++)
		if (store->wrong[i].layer != n)
			store->wrong[kept++] = store->wrong[i];
	store->wrong_count = kept;
	return ud_store_remove_point(cx, store, n);
}

/* The trees are ahead of the points that will be left. */
static enum ud_code forget_heads(struct ud_ctx *cx, ud_store *store)
{
	ud_store_close_heads(store);
	int rc = ud_beneath_clear(store->root, "head");

	if (rc == 0)
		rc = ud_beneath_make(store->root, "head");
	if (rc == 0)
		rc = ud_beneath_sync(store->root, ".");
	ud_store_stepped(store, "drop.heads");
	return rc == 0 ? UD_OK : ud_store_failed(cx, store, rc, "head", true);
}

static enum ud_code drop_newer(struct ud_ctx *cx, ud_store *store, const char *id)
{
	size_t first = 0;

	pthread_mutex_lock(&store->mutex);
	enum ud_code code = may_drop(cx, store, id, &first);

	pthread_mutex_unlock(&store->mutex);
	UD_TRY(code);
	if (first == store->count)
		return UD_OK;
	UD_TRY(forget_heads(cx, store));
	while (store->count > first)
		UD_TRY(drop_newest(cx, store));
	UD_TRY(ud_store_heads(cx, store));
	return ud_store_judge(cx, store);
}

enum ud_code ud_store_drop_newer(struct ud_ctx *cx, ud_store *store, const char *id)
{
	pthread_mutex_lock(&store->layout);
	enum ud_code code = drop_newer(cx, store, id);

	pthread_mutex_unlock(&store->layout);
	return code;
}

static enum ud_code clear(struct ud_ctx *cx, ud_store *store)
{
	static const char *const folders[] = { "head", "clone", "p", "base" };
	const char *const *clones = NULL;
	size_t n = 0;
	int rc = ud_beneath_list(cx, store->root, "clone", &clones, &n);

	if (rc == 0 && n > 0)
		return ud_fail(cx, UD_E_IN_USE, NULL, "the clone %s is there", clones[0]);
	pthread_mutex_lock(&store->mutex);
	enum ud_code code = ud_store_drop_incoming(cx, store);

	for (size_t i = 0; i < store->count && code == UD_OK; i++)
		if (store->points[i].holds)
			code = ud_fail(
				cx, UD_E_IN_USE, NULL, "%s is being read", store->points[i].id);
	pthread_mutex_unlock(&store->mutex);
	UD_TRY(code);
	UD_TRY(forget_heads(cx, store));
	while (store->count)
		UD_TRY(drop_newest(cx, store));
	for (size_t i = 0; i < UD_LEN(folders) && rc == 0; i++) {
		rc = ud_beneath_clear(store->root, folders[i]);
		if (rc == 0)
			rc = ud_beneath_make(store->root, folders[i]);
	}
	store->wrong_count = 0;
	UD_TRY(ud_store_judge(cx, store));
	if (rc == 0)
		rc = ud_beneath_remove(store->root, UD_STORE_SCRUB_PLACE);
	return rc == 0 ? UD_OK : ud_store_failed(cx, store, rc, store->path, true);
}

enum ud_code ud_store_clear(struct ud_ctx *cx, ud_store *store)
{
	pthread_mutex_lock(&store->layout);
	enum ud_code code = clear(cx, store);

	pthread_mutex_unlock(&store->layout);
	return code;
}
