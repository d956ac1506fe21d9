/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A point becomes one: everything durable and read back in samples, its roots those that the sender
 * reckoned, then its manifest gets its name, and the hashes of the newest point follow.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/incoming_inside.h"

enum { SAMPLE = 100 };

/* Read one extent of a hundred back and compare it with its hash. */
struct sample {
	int fd;
	int64_t seen;
	unsigned char *data;
};

static int sample_sum(void *data, const struct ud_sum *sum)
{
	struct sample *s = data;
	unsigned char hash[UD_SHA256];

	if (sum->place == 0 || s->seen++ % SAMPLE)
		return 0;
	int rc = ud_read_at(s->fd, s->data, UD_EXTENT, sum->place);

	if (rc < 0)
		return rc;
	ud_extent_hash(s->data, hash);
	return memcmp(hash, sum->hash, UD_SHA256) == 0 ? 0 : -EIO;
}

static int read_back(struct in_disk *d)
{
	struct sample s = { d->fd, 0, ud_malloc(UD_EXTENT) };
	int rc = ud_sums_visit(d->sums_fd, ud_extents(d->size), sample_sum, &s);

	ud_free(s.data);
	return rc;
}

/* The layer below a point's file, seen from its folder. */
static enum ud_code backing_of(struct ud_ctx *cx, ud_store *store, const char *disk,
	const char **ret, const char **ret_format)
{
	const struct ud_manifest_disk *disks = NULL;
	struct ud_manifest m = { 0 };
	size_t n = 0;

	*ret = ud_printf(cx->arena, "../../base/%s.raw", disk);
	*ret_format = "raw";
	if (store->count == 0)
		return UD_OK;
	const struct ud_store_entry *e = &store->points[store->count - 1];

	UD_TRY(ud_store_manifest(cx, e, &m, &disks, &n));
	if (ud_store_disk(disks, n, disk)) {
		*ret = ud_printf(cx->arena, "../%06lld/%s.qcow2", (long long)e->n, disk);
		*ret_format = "qcow2";
	}
	return UD_OK;
}

static int sync_fd(int fd)
{
	return fdatasync(fd) == 0 ? 0 : -errno;
}

/* Make a disk's files whole and durable, and reckon the root. */
static enum ud_code finish_delta(
	struct ud_ctx *cx, ud_incoming *in, struct in_disk *d, char root[UD_SHA256_HEX])
{
	const char *backing = NULL, *format = NULL;
	ud_tree *head = NULL;

	UD_TRY(backing_of(cx, in->store, d->name, &backing, &format));
	int rc = ud_qcow2_finish(d->writer, backing, format);

	if (rc == 0)
		rc = ud_sums_finish(d->sums);
	if (rc < 0)
		return ud_store_failed(cx, in->store, rc, d->name, true);
	ud_store_stepped(in->store, "disk");
	rc = read_back(d);
	if (rc == 0)
		rc = ud_store_head(cx, in->store, d->name, d->size, &head);
	if (rc == 0)
		rc = ud_tree_preview(head, d->size, d->sums_fd, root);
	return rc == 0 ? UD_OK : ud_store_failed(cx, in->store, rc, d->name, true);
}

/* The base is the first point: an empty file over it, so that all points look alike. */
static enum ud_code finish_base(
	struct ud_ctx *cx, ud_incoming *in, struct in_disk *d, char root[UD_SHA256_HEX])
{
	const char *backing = ud_printf(cx->arena, "../../base/%s.raw", d->name);
	ud_store *store = in->store;
	int rc = sync_fd(d->fd);

	if (rc == 0)
		rc = ud_tree_root(d->tree, root);
	if (rc == 0)
		rc = ud_tree_commit(d->tree, in->n);
	if (rc < 0)
		return ud_store_failed(cx, store, rc, d->name, true);
	ud_store_stepped(store, "base");
	int fd = ud_incoming_open_new(store, ud_incoming_path(cx, in, "qcow2", d->name));
	int sums = ud_incoming_open_new(store, ud_incoming_path(cx, in, "sums", d->name));

	rc = fd < 0 ? fd : sums < 0 ? sums : ud_qcow2_empty(fd, d->size, backing, "raw");
	if (rc == 0)
		rc = sync_fd(sums);
	if (fd >= 0)
		close(fd);
	if (sums >= 0)
		close(sums);
	return rc == 0 ? UD_OK : ud_store_failed(cx, store, rc, d->name, true);
}

/* All disks durable, with the roots that the sender wants. */
static enum ud_code finish_disks(
	struct ud_ctx *cx, ud_incoming *in, const struct ud_manifest *want, struct ud_manifest *ret)
{
	const struct ud_manifest_disk *disks = NULL;
	const struct ud_manifest_file *files = NULL;
	size_t n = 0;

	UD_TRY(ud_manifest_disks(cx, want, &disks, &n));
	struct ud_manifest_disk *out = ud_alloc(cx->arena, n * sizeof(*out));

	if (n != in->disk_count || strcmp(want->id, in->head.id) != 0)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "the end is not that of its beginning");
	ret->changed_bytes = 0;
	for (size_t i = 0; i < n; i++) {
		struct in_disk *d = &in->disks[i];
		char *root = ud_alloc(cx->arena, UD_SHA256_HEX);

		if (strcmp(disks[i].name, d->name) != 0)
			return ud_fail(cx, UD_E_MALFORMED, NULL, "the disks are not the same");
		UD_TRY(in->base ? finish_base(cx, in, d, root) : finish_delta(cx, in, d, root));
		if (strcmp(root, disks[i].root) != 0)
			return ud_fail(cx, UD_E_CONFLICT, NULL,
				"%s: its root here is %s, the sender's is %s", d->name, root,
				disks[i].root);
		out[i] = (struct ud_manifest_disk){ .name = d->name,
			.size_bytes = d->size,
			.changed_bytes = d->extents * UD_EXTENT,
			.root = root,
			.parent_root = disks[i].parent_root };
		ret->changed_bytes += out[i].changed_bytes;
	}
	ud_manifest_set_disks(cx, ret, out, n);
	ud_manifest_set_files(cx, ret, in->files, in->file_count);
	/* none has the name of a file of ours */
	return ud_manifest_files(cx, ret, &files, &n);
}

/* The manifest gets its name, if the gate is still open. Under layout and mutex. */
static enum ud_code commit(struct ud_ctx *cx, ud_incoming *in, const struct ud_manifest *m)
{
	const char *path = ud_store_point_path(cx, in->n, "manifest.json");
	const char *text = ud_manifest_text(cx, m);
	ud_store *store = in->store;

	UD_TRY(ud_incoming_ask_gate(cx, store, m->epoch));
	int rc = ud_beneath_write(store->root, path, text, strlen(text));

	if (rc < 0)
		return ud_store_failed(cx, store, rc, path, true);
	ud_store_append(store, m, text);
	return UD_OK;
}

/* The hashes of the newest point follow its commit. When they cannot, the point stays what it is:
 * they are made anew at the next opening, and nothing comes in until then. */
static void follow(struct ud_ctx *cx, ud_incoming *in)
{
	enum ud_code code = UD_OK;
	int rc = 0;

	for (size_t i = 0; i < in->disk_count && rc == 0 && !in->base; i++) {
		const struct in_disk *d = &in->disks[i];
		ud_tree *head = NULL;

		rc = ud_store_head(cx, in->store, d->name, d->size, &head);
		if (rc == 0)
			rc = ud_tree_apply(head, d->size, d->sums_fd);
	}
	if (rc == 0 && in->base)
		code = ud_store_heads(cx, in->store);
	if (rc == 0 && code == UD_OK && in->store->wrong_count)
		code = ud_store_judge(cx, in->store);
	if (rc < 0 || code != UD_OK)
		ud_store_fail(in->store, "the hashes of the newest point could not be stored");
	ud_ctx_clear(cx);
}

static enum ud_code publish(
	struct ud_ctx *cx, ud_incoming *in, const struct ud_manifest *want, struct ud_manifest *ret)
{
	struct ud_manifest m = *want;
	const char *folder = ud_printf(cx->arena, "p/%06lld", (long long)in->n);
	ud_store *store = in->store;
	int rc = __atomic_load_n(&in->error, __ATOMIC_ACQUIRE);

	if (rc < 0)
		return ud_store_failed(cx, store, rc, "the point", false);
	m.n = in->n;
	m.kind = in->head.kind;
	m.parent = ud_strdup(cx->arena, in->head.parent);
	m.epoch = in->head.epoch;
	if (in->base)
		rc = ud_beneath_make(store->root, folder);
	if (rc < 0)
		return ud_store_failed(cx, store, rc, folder, true);
	UD_TRY(finish_disks(cx, in, want, &m));
	rc = ud_beneath_sync(store->root, folder);
	if (rc == 0)
		rc = ud_beneath_sync(store->root, "p");
	if (rc < 0)
		return ud_store_failed(cx, store, rc, folder, true);
	ud_store_stepped(store, "folder");
	pthread_mutex_lock(&store->mutex);
	enum ud_code code = commit(cx, in, &m);

	pthread_mutex_unlock(&store->mutex);
	UD_TRY(code);
	ud_store_stepped(store, "manifest");
	*ret = m;
	return UD_OK;
}

enum ud_code ud_incoming_publish(struct ud_ctx *cx, ud_incoming **incoming,
	const struct ud_manifest *manifest, struct ud_manifest *ret)
{
	ud_incoming *in = *incoming;
	ud_store *store = in->store;

	*incoming = NULL;
	pthread_mutex_lock(&store->layout);
	enum ud_code code = publish(cx, in, manifest, ret);

	if (code == UD_OK)
		follow(cx, in);
	ud_incoming_detach(in);
	if (code == UD_OK)
		ud_incoming_destroy(in);
	else
		ud_incoming_discard(in);
	pthread_mutex_unlock(&store->layout);
	if (code == UD_OK)
		ud_store_stepped(store, "published");
	return code;
}
