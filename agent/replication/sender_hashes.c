/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes at the sender's end: what makes the root that a target must come to by itself. They follow
 * the target, never lead it: what was sent is kept beside until the target has it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/sender_inside.h"
#include "base/log.h"

static const char *path_of(struct ud_ctx *cx, const char *disk, const char *kind)
{
	return ud_printf(cx->arena, "%s.%s", disk, kind);
}

/* A small text of the folder; "" when it is not there. */
static const char *read_text(struct ud_ctx *cx, ud_sender *s, const char *name)
{
	const char *text = "";
	size_t n = 0;

	return ud_beneath_read(cx, s->root, name, UD_MANIFEST_MAX, &text, &n) == 0 ? text : "";
}

/* ---- settling ---- */

/* A line of "pending": kind, disk and size. Take one disk in. */
static int settle_disk(
	struct ud_ctx *cx, ud_sender *s, const char *kind, const char *disk, int64_t size)
{
	const char *tree = path_of(cx, disk, "tree");
	ud_tree *t = NULL;

	if (strcmp(kind, "whole") == 0) {
		int rc = ud_beneath_rename(s->root, path_of(cx, disk, "next"), tree);

		/* it was renamed before we stopped the last time */
		return rc == -ENOENT && ud_beneath_exists(s->root, tree) ? 0 : rc;
	}
	int fd = ud_beneath_open(s->root, path_of(cx, disk, "sums"), O_RDONLY, 0);
	int rc = fd < 0 ? fd : ud_tree_open(s->root, tree, size, &t);

	if (rc == 0)
		rc = ud_tree_apply(t, size, fd);
	if (rc == 0)
		rc = ud_tree_commit(t, 1);
	ud_tree_release(&t);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int settle_lines(struct ud_ctx *cx, ud_sender *s, const char *text)
{
	char kind[8], disk[UD_DISK_NAME];
	long long size = 0;
	int rc = 0;

	for (; *text && rc == 0; text += strcspn(text, "\n") + 1) {
		if (sscanf(text, "%7s %63s %lld\n", kind, disk, &size) != 3 ||
			!ud_disk_name_valid(disk) || size <= 0 || size > UD_DISK_MAX)
			return -EBADMSG;
		rc = settle_disk(cx, s, kind, disk, size);
	}
	return rc;
}

enum ud_code ud_hashes_settle(struct ud_ctx *cx, ud_sender *sender, const char *newest_id)
{
	const char *text = read_text(cx, sender, "pending");
	size_t n = strcspn(text, "\n");
	const char *id = ud_strndup(cx->arena, text, n);

	if (!*text || strcmp(id, newest_id) != 0)
		return UD_OK;
	int rc = settle_lines(cx, sender, text + n + 1);

	if (rc == 0)
		rc = ud_beneath_write(sender->root, "parent", id, n);
	if (rc == 0)
		rc = ud_beneath_remove(sender->root, "pending");
	if (rc == 0)
		return UD_OK;
	/* hashes that cannot be had are found to be missing at the next delta */
	ud_log(UD_LOG_WARNING, "replication.hashes_lost", "replication",
		sender->settings.replication_id, "reason", strerror(-rc), NULL);
	rc = ud_beneath_remove(sender->root, "parent");
	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, "parent");
}

/* ---- on the way ---- */

static int open_sums(struct ud_ctx *cx, ud_sender *s, struct ud_pending_disk *d)
{
	const char *path = path_of(cx, d->name, "sums");
	int rc = ud_beneath_remove(s->root, path);

	d->sums_fd = rc < 0 ? rc : ud_beneath_open(s->root, path, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (d->sums_fd < 0)
		return d->sums_fd;
	d->sums = ud_sums_begin(d->sums_fd);
	return 0;
}

/* A delta: over the parent's tree. A disk that is new begins with zeros. */
static enum ud_code begin_delta(
	struct ud_ctx *cx, ud_sender *s, struct ud_pending_disk *d, const char **ret_root)
{
	const char *path = path_of(cx, d->name, "tree");
	char *root = ud_alloc(cx->arena, UD_SHA256_HEX);
	int rc = ud_tree_open(s->root, path, 0, &d->tree);
	bool fresh = rc == -ENOENT;

	if (fresh)
		rc = ud_tree_open(s->root, path, d->size, &d->tree);
	if (rc == 0)
		rc = ud_tree_root(d->tree, root);
	if (rc == 0)
		rc = open_sums(cx, s, d);
	if (rc == -EBADMSG)
		return ud_fail(cx, UD_E_CONFLICT, NULL, "the hashes of %s are lost", d->name);
	if (rc < 0)
		return ud_beneath_fail(cx, rc, path);
	if (d->size < ud_tree_size(d->tree))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "%s became smaller: it needs a full copy",
			d->name);
	*ret_root = fresh ? "" : root;
	return UD_OK;
}

/* Take the target's hashes over: what is not sent stays as it has it. */
static int take_theirs(ud_sender *s, struct ud_pending_disk *d)
{
	unsigned char *hashes = ud_malloc((size_t)UD_HASHES_MAX * UD_SHA256);
	int64_t end = ud_extents(d->size);
	int rc = 0;

	for (int64_t e = 0; e < end && rc == 0; e += UD_HASHES_MAX) {
		int64_t n = end - e < UD_HASHES_MAX ? end - e : UD_HASHES_MAX;

		rc = ud_hashes_theirs(s, d->name, e, n, hashes);
		if (rc == 0)
			rc = ud_tree_set(d->tree, e, n, hashes);
	}
	ud_free(hashes);
	return rc;
}

static enum ud_code begin_whole(
	struct ud_ctx *cx, ud_sender *s, struct ud_pending_disk *d, bool onto)
{
	const char *path = path_of(cx, d->name, "next");
	int rc = ud_beneath_remove(s->root, path);

	if (rc == 0)
		rc = ud_tree_open(s->root, path, d->size, &d->tree);
	if (rc == 0 && onto)
		rc = take_theirs(s, d);
	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, path);
}

enum ud_code ud_hashes_begin(struct ud_ctx *cx, ud_sender *sender, const ud_source *source,
	const char *parent, struct ud_pending *ret, struct ud_manifest_disk *ret_disks)
{
	bool whole = ret->whole;

	if (!whole && strcmp(read_text(cx, sender, "parent"), parent) != 0)
		return ud_fail(cx, UD_E_CONFLICT, NULL,
			"the hashes here are not those of the parent %s", parent);
	int rc = ud_beneath_remove(sender->root, "pending");

	if (rc < 0)
		return ud_beneath_fail(cx, rc, "pending");
	for (size_t i = 0; i < source->disk_count; i++) {
		struct ud_pending_disk *d = &ret->disks[ret->count++];
		const struct ud_source_disk *from = &source->disks[i];

		*d = (struct ud_pending_disk){ .size = from->size_bytes, .sums_fd = -1 };
		if (!ud_disk_name_valid(from->name))
			return ud_fail(
				cx, UD_E_VALIDATION, NULL, "%s is no name of a disk", from->name);
		snprintf(d->name, sizeof(d->name), "%s", from->name);
		ret_disks[i] = (struct ud_manifest_disk){ .name = from->name,
			.size_bytes = from->size_bytes,
			.root = "",
			.parent_root = "" };
		UD_TRY(whole ? begin_whole(cx, sender, d, ret->onto)
			     : begin_delta(cx, sender, d, &ret_disks[i].parent_root));
	}
	return UD_OK;
}

/* A chunk of a delta: one sum for zeros in a row, one for each other extent. */
static int note_sums(
	struct ud_pending_disk *d, int64_t extent, int64_t count, const unsigned char *hashes)
{
	int rc = 0;

	for (int64_t i = 0; i < count && rc == 0;) {
		struct ud_sum sum = { .extent = extent + i, .count = 1 };

		if (!hashes) {
			sum.count = count;
		} else {
			memcpy(sum.hash, hashes + i * UD_SHA256, UD_SHA256);
			/* where does not matter */
			sum.place = ud_all_zero(sum.hash, UD_SHA256) ? 0 : 1;
		}
		i += sum.count;
		rc = ud_sums_add(d->sums, &sum);
	}
	return rc;
}

static int set_zeros(ud_tree *tree, int64_t extent, int64_t count)
{
	unsigned char *zeros = ud_malloc((size_t)UD_HASHES_MAX * UD_SHA256);
	int rc = 0;

	memset(zeros, 0, (size_t)UD_HASHES_MAX * UD_SHA256);
	for (int64_t n; count > 0 && rc == 0; extent += n, count -= n) {
		n = count < UD_HASHES_MAX ? count : UD_HASHES_MAX;
		rc = ud_tree_set(tree, extent, n, zeros);
	}
	ud_free(zeros);
	return rc;
}

enum ud_code ud_hashes_note(struct ud_ctx *cx, struct ud_pending *pending, size_t disk,
	int64_t extent, int64_t count, const unsigned char *hashes)
{
	struct ud_pending_disk *d = &pending->disks[disk];
	int rc = 0;

	d->extents += count;
	if (!pending->whole)
		rc = note_sums(d, extent, count, hashes);
	else if (hashes)
		rc = ud_tree_set(d->tree, extent, count, hashes);
	else if (pending->onto) /* else the tree is made of zeros */
		rc = set_zeros(d->tree, extent, count);
	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, d->name);
}

static int finish_disk(struct ud_pending *p, struct ud_pending_disk *d, char root[UD_SHA256_HEX])
{
	int rc;

	if (p->whole) {
		rc = ud_tree_root(d->tree, root);
		return rc < 0 ? rc : ud_tree_commit(d->tree, 1);
	}
	rc = ud_sums_finish(d->sums);
	return rc < 0 ? rc : ud_tree_preview(d->tree, d->size, d->sums_fd, root);
}

enum ud_code ud_hashes_finish(struct ud_ctx *cx, ud_sender *sender, struct ud_pending *pending,
	const char *id, struct ud_manifest_disk *disks)
{
	struct ud_buf b = { 0 };
	int rc = 0;

	ud_buf_printf(&b, "%s\n", id);
	for (size_t i = 0; i < pending->count && rc == 0; i++) {
		struct ud_pending_disk *d = &pending->disks[i];
		char *root = ud_alloc(cx->arena, UD_SHA256_HEX);

		rc = finish_disk(pending, d, root);
		disks[i].root = root;
		disks[i].changed_bytes = d->extents * UD_EXTENT;
		ud_buf_printf(&b, "%s %s %lld\n", pending->whole ? "whole" : "delta", d->name,
			(long long)d->size);
	}
	if (rc == 0)
		rc = ud_beneath_write(sender->root, "pending", b.data, b.len);
	ud_buf_free(&b);
	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, sender->settings.folder);
}

void ud_hashes_end(struct ud_pending *pending)
{
	for (size_t i = 0; i < pending->count; i++) {
		struct ud_pending_disk *d = &pending->disks[i];

		ud_tree_release(&d->tree);
		ud_sums_release(&d->sums);
		if (d->sums_fd >= 0)
			close(d->sums_fd);
	}
	pending->count = 0;
}

/* ---- the target's ---- */

static enum ud_code fetch_range(struct ud_ctx *cx, ud_sender *s, ud_tree *t,
	const struct ud_range *range, struct ud_record *record)
{
	UD_TRY(ud_sender_ask(
		cx, s, UD_RECORD_HASHES, &ud_range_shape, range, UD_RECORD_HASHES, record));
	/* a disk that it does not have yet has no hashes */
	if (record->payload_n == 0)
		return UD_OK;
	if (record->payload_n != (size_t)range->count * UD_SHA256)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "the target sent too few hashes");
	int rc = ud_tree_set(t, range->extent, range->count, record->payload);

	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, range->disk);
}

static enum ud_code fetch_disk(
	struct ud_ctx *cx, ud_sender *s, const struct ud_source_disk *d, struct ud_record *record)
{
	const char *path = path_of(cx, d->name, "theirs");
	int64_t end = ud_extents(d->size_bytes);
	ud_tree *t = NULL;
	enum ud_code code = UD_OK;
	int rc = ud_beneath_remove(s->root, path);

	if (rc == 0)
		rc = ud_tree_open(s->root, path, d->size_bytes, &t);
	if (rc < 0)
		return ud_beneath_fail(cx, rc, path);
	for (int64_t e = 0; e < end && code == UD_OK; e += UD_HASHES_MAX) {
		const struct ud_range range = { .disk = d->name,
			.extent = e,
			.count = end - e < UD_HASHES_MAX ? end - e : UD_HASHES_MAX };

		code = fetch_range(cx, s, t, &range, record);
	}
	ud_tree_release(&t);
	return code;
}

enum ud_code ud_hashes_fetch(struct ud_ctx *cx, ud_sender *sender, const ud_source *source)
{
	enum ud_code code = UD_OK;
	struct ud_record record;

	ud_record_init(&record);
	for (size_t i = 0; i < source->disk_count && code == UD_OK; i++)
		code = fetch_disk(cx, sender, &source->disks[i], &record);
	ud_record_free(&record);
	return code;
}

int ud_hashes_theirs(
	ud_sender *sender, const char *disk, int64_t extent, int64_t count, unsigned char *ret)
{
	char path[2 * UD_DISK_NAME];

	snprintf(path, sizeof(path), "%s.theirs", disk);
	return ud_tree_peek(sender->root, path, extent, count, ret);
}
