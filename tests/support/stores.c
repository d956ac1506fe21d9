/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stores for tests; see stores.h.
 */
#include "support/stores.h"

#include <string.h>

#include "agent/replication/tree.h"
#include "support/context.h"

struct ud_manifest stores_manifest(struct ud_ctx *cx, const struct disks *disks, const char *id,
	const char *parent, int64_t epoch)
{
	struct ud_manifest m = { .id = id,
		.parent = parent,
		.replication_id = "rep_1",
		.vm_id = "vm_1",
		.reason = "",
		.kind = *parent ? UD_MANIFEST_DELTA : UD_MANIFEST_FULL,
		.epoch = epoch,
		.taken_at = { cx->now_ms },
		.age_ms = 40 };
	struct ud_manifest_disk list[DISKS_MAX];

	for (size_t i = 0; i < disks->count; i++) {
		char *root = ud_alloc(cx->arena, UD_SHA256_HEX);

		disks_root(disks, i, root);
		list[i] = (struct ud_manifest_disk){ .name = disks->disk[i].name,
			.size_bytes = disks->disk[i].size,
			.root = root,
			.parent_root = "" };
	}
	ud_manifest_set_disks(cx, &m, list, disks->count);
	return m;
}

static enum ud_code feed_extent(
	struct ud_ctx *cx, ud_incoming *in, const struct disks *disks, size_t disk, int64_t e)
{
	const unsigned char *data = disks->disk[disk].data + e * UD_EXTENT;
	unsigned char hash[UD_SHA256];
	int64_t place = 0;

	ud_extent_hash(data, hash);
	if (ud_all_zero(hash, UD_SHA256))
		return ud_incoming_zero(cx, in, disk, e, 1);
	UD_TRY(ud_incoming_place(cx, in, disk, e, hash, &place));
	int rc = ud_incoming_write(in, disk, place, data, UD_EXTENT);

	(void)rc; /* as for a receiver: it shows when the point is published */
	return UD_OK;
}

enum ud_code stores_begin(struct ud_ctx *cx, ud_store *store, const struct disks *disks,
	const struct ud_manifest *manifest, ud_incoming **ret)
{
	bool whole = !*manifest->parent;
	ud_incoming *in = NULL;
	int64_t records = 0;

	UD_TRY(ud_incoming_begin(cx, store, manifest, "plan", &in, &records));
	for (size_t i = 0; i < disks->count; i++)
		for (int64_t e = 0; e < ud_extents(disks->disk[i].size); e++) {
			enum ud_code code = UD_OK;

			if (whole || disks->disk[i].dirty[e])
				code = feed_extent(cx, in, disks, i, e);
			if (code != UD_OK) {
				ud_incoming_abandon(&in);
				return code;
			}
		}
	*ret = in;
	return UD_OK;
}

enum ud_code stores_feed(struct ud_ctx *cx, ud_store *store, const struct disks *disks,
	const char *id, const char *parent, int64_t epoch)
{
	struct ud_manifest m = stores_manifest(cx, disks, id, parent, epoch), stored = { 0 };
	ud_incoming *in = NULL;

	UD_TRY(stores_begin(cx, store, disks, &m, &in));
	return ud_incoming_publish(cx, &in, &m, &stored);
}

static bool same_disk(struct ud_ctx *cx, ud_source *source, size_t k, const struct disks *disks)
{
	const struct disk_in_memory *d = &disks->disk[k];
	unsigned char *buf = ud_malloc(UD_CHUNK);
	bool same = source->disks[k].size_bytes == d->size &&
		strcmp(source->disks[k].name, d->name) == 0;

	for (int64_t at = 0; at < d->size && same; at += UD_CHUNK) {
		size_t n = d->size - at < UD_CHUNK ? (size_t)(d->size - at) : UD_CHUNK;
		struct ud_read read = { k, at, n, buf, 0, NULL }, *done = NULL;

		same = source->ops->submit(cx, source, &read) == UD_OK &&
			source->ops->reap(cx, source, 1000, &done) == UD_OK && read.error == 0 &&
			memcmp(buf, d->data + at, n) == 0;
	}
	ud_free(buf);
	return same;
}

static bool same_roots(
	struct ud_ctx *cx, ud_store *store, const char *id, const struct disks *disks)
{
	const struct ud_manifest_disk *list = NULL;
	struct ud_stored_point p = { 0 };
	char root[UD_SHA256_HEX];
	size_t n = 0;

	if (ud_store_point(cx, store, id, &p) != UD_OK ||
		ud_manifest_disks(cx, &p.point, &list, &n) != UD_OK || n != disks->count)
		return false;
	for (size_t i = 0; i < n; i++) {
		disks_root(disks, i, root);
		if (strcmp(root, list[i].root) != 0)
			return false;
	}
	return true;
}

bool stores_equal(struct ud_ctx *cx, ud_store *store, const char *id, const struct disks *disks)
{
	ud_source *source = NULL;
	bool same = ud_store_source(cx, store, "", id, &source) == UD_OK &&
		source->disk_count == disks->count;

	for (size_t i = 0; i < disks->count && same; i++)
		same = same_disk(cx, source, i, disks);
	ud_source_release(&source);
	return same && same_roots(cx, store, id, disks);
}

void stores_check(struct ud_ctx *cx, ud_store *store, const char *id, const struct disks *disks)
{
	if (!stores_equal(cx, store, id, disks))
		fail_msg("%s is not what its source was", id);
}

static enum ud_code count_point(struct ud_ctx *cx, void *data, const struct ud_stored_point *point)
{
	(void)cx;
	(void)point;
	++*(size_t *)data;
	return UD_OK;
}

size_t stores_count(struct ud_ctx *cx, ud_store *store)
{
	size_t n = 0;

	assert_int_equal(ud_store_points(cx, store, count_point, &n), UD_OK);
	return n;
}
