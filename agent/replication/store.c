/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening a store and listing its points. What has no manifest was never committed, or is being
 * removed: it goes. The rest is read, checked as a chain, and its hashes are brought up to date.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/replication/store_inside.h"

static const char *const folders[] = { "base", "head", "p", "clone" };

/* ---- paths ---- */

const char *ud_store_point_path(struct ud_ctx *cx, int64_t n, const char *name)
{
	return ud_printf(cx->arena, "p/%06lld/%s", (long long)n, name);
}

const char *ud_store_layer_path(struct ud_ctx *cx, int64_t layer, const char *disk)
{
	if (layer == 0)
		return ud_printf(cx->arena, "base/%s.raw", disk);
	return ud_printf(cx->arena, "p/%06lld/%s.qcow2", (long long)layer, disk);
}

int ud_store_open_layer(
	struct ud_ctx *cx, ud_store *store, int64_t layer, const char *disk, int flags)
{
	return ud_beneath_open(store->root, ud_store_layer_path(cx, layer, disk), flags, 0600);
}

const char *ud_store_path(const ud_store *store)
{
	return store->path;
}

/* ---- condition ---- */

void ud_store_stepped(const ud_store *store, const char *step)
{
	if (store->settings.step)
		store->settings.step(store->settings.step_data, step);
}

static void set_condition(ud_store *store, enum ud_store_condition condition, const char *words)
{
	pthread_mutex_lock(&store->mutex);
	if (store->condition != UD_STORE_FAILED) {
		store->condition = condition;
		snprintf(store->reason, sizeof(store->reason), "%s", words);
	}
	pthread_mutex_unlock(&store->mutex);
}

void ud_store_fail(ud_store *store, const char *words)
{
	set_condition(store, UD_STORE_FAILED, words);
}

enum ud_code ud_store_failed(
	struct ud_ctx *cx, ud_store *store, int error, const char *path, bool synced)
{
	enum ud_code code = ud_beneath_fail(cx, error, path);

	if (code == UD_E_STORAGE_FULL)
		set_condition(store, UD_STORE_FULL, cx->problem.detail);
	else if (synced && error == -EIO)
		set_condition(store, UD_STORE_FAILED, cx->problem.detail);
	return code;
}

int64_t ud_store_free_bytes(ud_store *store)
{
	struct statvfs v;

	if (fstatvfs(store->root, &v) != 0)
		return 0;
	int64_t left = (int64_t)v.f_bavail * (int64_t)v.f_frsize - store->settings.reserve_bytes;

	return left > 0 ? left : 0;
}

enum ud_code ud_store_ready(struct ud_ctx *cx, ud_store *store)
{
	if (store->condition == UD_STORE_FAILED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s", store->reason);
	if (ud_store_free_bytes(store) > 0) {
		store->condition = UD_STORE_GOOD;
		store->reason[0] = 0;
		return UD_OK;
	}
	store->condition = UD_STORE_FULL;
	snprintf(store->reason, sizeof(store->reason),
		"less than the reserve of %lld bytes is free",
		(long long)store->settings.reserve_bytes);
	return ud_fail(cx, UD_E_STORAGE_FULL, NULL, "%s", store->reason);
}

enum ud_store_condition ud_store_state(struct ud_ctx *cx, ud_store *store, const char **ret_reason)
{
	pthread_mutex_lock(&store->mutex);
	enum ud_store_condition condition = store->condition;

	*ret_reason = ud_strdup(cx->arena, store->reason);
	pthread_mutex_unlock(&store->mutex);
	return condition;
}

/* ---- entries ---- */

enum ud_code ud_store_manifest(struct ud_ctx *cx, const struct ud_store_entry *entry,
	struct ud_manifest *ret, const struct ud_manifest_disk **ret_disks, size_t *ret_n)
{
	UD_TRY(ud_manifest_read(cx, entry->text, strlen(entry->text), ret));
	ret->n = entry->n;
	return ret_disks ? ud_manifest_disks(cx, ret, ret_disks, ret_n) : UD_OK;
}

struct ud_store_entry *ud_store_find(ud_store *store, const char *id)
{
	for (size_t i = 0; i < store->count; i++)
		if (strcmp(store->points[i].id, id) == 0)
			return &store->points[i];
	return NULL;
}

const struct ud_manifest_disk *ud_store_disk(
	const struct ud_manifest_disk *disks, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(disks[i].name, name) == 0)
			return &disks[i];
	return NULL;
}

void ud_store_append(ud_store *store, const struct ud_manifest *manifest, const char *text)
{
	struct ud_store_entry *e = &store->points[store->count++];

	*e = (struct ud_store_entry){
		.n = manifest->n, .epoch = manifest->epoch, .text = ud_heap_strdup(text)
	};
	snprintf(e->id, sizeof(e->id), "%s", manifest->id);
}

void ud_store_forget(ud_store *store, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		ud_free(store->points[i].text);
		ud_free(store->points[i].bad);
	}
	memmove(&store->points[from], &store->points[to],
		(store->count - to) * sizeof(store->points[0]));
	store->count -= to - from;
}

/* ---- opening ---- */

static bool is_number(const char *name)
{
	size_t n = strspn(name, "0123456789");

	return n >= 6 && n <= 15 && !name[n];
}

/* Names have six digits and more: sorted as text they are not in their order for ever. */
static int by_number(const void *a, const void *b)
{
	long long x = atoll(*(const char *const *)a), y = atoll(*(const char *const *)b);

	return x < y ? -1 : x > y;
}

static void mark_bad(struct ud_store_entry *e, const char *words)
{
	if (!e->bad)
		e->bad = ud_heap_strdup(words);
}

/* A point as its folder has it; a manifest that nobody understands stops the store from taking
 * more, and nothing is removed. */
static enum ud_code load_point(struct ud_ctx *cx, ud_store *store, const char *name)
{
	int64_t n = strtoll(name, NULL, 10);
	const char *path = ud_store_point_path(cx, n, "manifest.json"), *text = NULL;
	struct ud_manifest m = { 0 };
	size_t length = 0;
	int rc = ud_beneath_read(cx, store->root, path, UD_MANIFEST_MAX, &text, &length);

	if (rc == -ENOENT) {
		rc = ud_beneath_clear(store->root, ud_printf(cx->arena, "p/%s", name));
		return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, path);
	}
	if (rc < 0)
		return ud_beneath_fail(cx, rc, path);
	if (store->count == UD_STORE_POINTS)
		return ud_fail(cx, UD_E_INTERNAL, NULL, "%s: too many points", store->path);
	if (ud_manifest_read(cx, text, length, &m) != UD_OK || m.n != n) {
		ud_ctx_clear(cx);
		set_condition(store, UD_STORE_FAILED,
			ud_printf(cx->arena, "%s cannot be understood", path));
		return UD_OK;
	}
	ud_store_append(store, &m, text);
	return UD_OK;
}

/* Every point's parent is the one before it; the files are there and can be read. */
static enum ud_code check_point(struct ud_ctx *cx, ud_store *store, size_t i)
{
	struct ud_store_entry *e = &store->points[i];
	const struct ud_manifest_disk *disks = NULL;
	struct ud_manifest m = { 0 };
	size_t n = 0;

	UD_TRY(ud_store_manifest(cx, e, &m, &disks, &n));
	if (i > 0 && strcmp(m.parent, store->points[i - 1].id) != 0)
		mark_bad(e, "the point before it is missing");
	if (i > 0 && store->points[i - 1].bad && !e->bad)
		mark_bad(e, store->points[i - 1].bad);
	for (size_t k = 0; k < n; k++) {
		int fd = ud_store_open_layer(cx, store, e->n, disks[k].name, O_RDONLY);
		ud_qcow2_reader *r = NULL;
		int rc = fd < 0 ? fd : ud_qcow2_open(fd, &r);

		if (rc < 0)
			mark_bad(e,
				ud_printf(cx->arena, "%s: %s",
					ud_store_layer_path(cx, e->n, disks[k].name),
					strerror(-rc)));
		ud_qcow2_reader_release(&r);
		if (fd >= 0)
			close(fd);
	}
	return UD_OK;
}

static enum ud_code load_points(struct ud_ctx *cx, ud_store *store)
{
	const char *const *names = NULL;
	size_t n = 0;
	int rc = ud_beneath_list(cx, store->root, "p", &names, &n);

	if (rc < 0)
		return ud_beneath_fail(cx, rc, "p");
	const char **sorted = ud_alloc(cx->arena, (n + 1) * sizeof(*sorted));
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (is_number(names[i]))
			sorted[count++] = names[i];
	if (count)
		qsort(sorted, count, sizeof(*sorted), by_number);
	for (size_t i = 0; i < count; i++)
		UD_TRY(load_point(cx, store, sorted[i]));
	for (size_t i = 0; i < store->count; i++)
		UD_TRY(check_point(cx, store, i));
	return UD_OK;
}

static enum ud_code load(struct ud_ctx *cx, ud_store *store)
{
	int rc = 0;

	for (size_t i = 0; i < UD_LEN(folders) && rc == 0; i++)
		rc = ud_beneath_make(store->root, folders[i]);
	if (rc < 0)
		return ud_beneath_fail(cx, rc, store->path);
	UD_TRY(load_points(cx, store));
	UD_TRY(ud_store_tidy_clones(cx, store));
	UD_TRY(ud_store_heads(cx, store));
	UD_TRY(ud_store_load_wrong(cx, store));
	return ud_store_judge(cx, store);
}

static int take_lock(ud_store *store)
{
	store->lock = ud_beneath_open(store->root, "lock", O_RDWR | O_CREAT, 0600);
	if (store->lock < 0)
		return store->lock;
	return flock(store->lock, LOCK_EX | LOCK_NB) == 0 ? 0 : -errno;
}

enum ud_code ud_store_open(
	struct ud_ctx *cx, const struct ud_store_settings *settings, ud_store **ret)
{
	ud_store *s = ud_malloc(sizeof(*s));
	enum ud_code code = UD_OK;

	memset(s, 0, sizeof(*s));
	s->path = ud_heap_strdup(settings->path);
	s->settings = *settings;
	s->settings.path = s->path;
	s->lock = -1;
	pthread_mutex_init(&s->layout, NULL);
	pthread_mutex_init(&s->mutex, NULL);
	s->root = ud_beneath_root(s->path);
	int rc = s->root < 0 ? s->root : take_lock(s);

	if (rc == -EWOULDBLOCK)
		code = ud_fail(cx, UD_E_IN_USE, NULL, "%s is in use by another process", s->path);
	else if (rc < 0)
		code = ud_beneath_fail(cx, rc, s->path);
	else
		code = load(cx, s);
	if (code != UD_OK)
		ud_store_release(&s);
	else
		*ret = s;
	return code;
}

void ud_store_release(ud_store **store)
{
	ud_store *s = *store;

	*store = NULL;
	if (!s)
		return;
	ud_incoming_abandon(&s->incoming);
	ud_store_close_heads(s);
	ud_store_forget(s, 0, s->count);
	if (s->lock >= 0)
		close(s->lock);
	if (s->root >= 0)
		close(s->root);
	pthread_mutex_destroy(&s->layout);
	pthread_mutex_destroy(&s->mutex);
	ud_free(s->path);
	ud_free(s);
}

/* ---- points ---- */

bool ud_store_is_pinned(struct ud_ctx *cx, ud_store *store, const struct ud_store_entry *entry)
{
	const char *const *names = NULL;
	size_t n = 0;
	int rc = ud_beneath_list(
		cx, store->root, ud_store_point_path(cx, entry->n, "pins"), &names, &n);

	return entry->holds > 0 || rc < 0 || n > 0;
}

static enum ud_code stored(struct ud_ctx *cx, ud_store *store, const struct ud_store_entry *e,
	struct ud_stored_point *ret)
{
	struct ud_manifest m = { 0 };

	UD_TRY(ud_store_manifest(cx, e, &m, NULL, NULL));
	*ret = (struct ud_stored_point){ .point = m,
		.pinned = ud_store_is_pinned(cx, store, e),
		.bad = e->bad ? ud_strdup(cx->arena, e->bad) : "" };
	return UD_OK;
}

enum ud_code ud_store_points(
	struct ud_ctx *cx, ud_store *store, ud_stored_point_visitor *visit, void *data)
{
	enum ud_code code = UD_OK;

	pthread_mutex_lock(&store->mutex);
	size_t n = store->count;
	struct ud_stored_point *all = ud_alloc(cx->arena, (n + 1) * sizeof(*all));

	for (size_t i = 0; i < n && code == UD_OK; i++)
		code = stored(cx, store, &store->points[i], &all[i]);
	pthread_mutex_unlock(&store->mutex);
	for (size_t i = 0; i < n && code == UD_OK; i++)
		code = visit(cx, data, &all[i]);
	return code;
}

enum ud_code ud_store_newest(struct ud_ctx *cx, ud_store *store, struct ud_stored_point *ret)
{
	enum ud_code code;

	pthread_mutex_lock(&store->mutex);
	if (store->count)
		code = stored(cx, store, &store->points[store->count - 1], ret);
	else
		code = ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no point yet");
	pthread_mutex_unlock(&store->mutex);
	return code;
}

static enum ud_code no_point(struct ud_ctx *cx, const char *id)
{
	return ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no point %s", id);
}

enum ud_code ud_store_point(
	struct ud_ctx *cx, ud_store *store, const char *id, struct ud_stored_point *ret)
{
	pthread_mutex_lock(&store->mutex);
	const struct ud_store_entry *e = ud_store_find(store, id);
	enum ud_code code = e ? stored(cx, store, e, ret) : no_point(cx, id);

	pthread_mutex_unlock(&store->mutex);
	return code;
}

enum ud_code ud_store_file(struct ud_ctx *cx, ud_store *store, const char *id, const char *name,
	const char **ret, size_t *ret_n)
{
	const struct ud_manifest_file *files = NULL, *file = NULL;
	struct ud_stored_point p = { 0 };
	char sum[UD_SHA256_HEX];
	size_t n = 0;

	UD_TRY(ud_store_point(cx, store, id, &p));
	UD_TRY(ud_manifest_files(cx, &p.point, &files, &n));
	for (size_t i = 0; i < n && !file; i++)
		file = strcmp(files[i].name, name) == 0 ? &files[i] : NULL;
	if (!file)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "the point has no file %s", name);
	const char *path = ud_store_point_path(cx, p.point.n, file->name);
	int rc = ud_beneath_read(cx, store->root, path, UD_MANIFEST_FILE, ret, ret_n);

	if (rc < 0)
		return ud_beneath_fail(cx, rc, path);
	ud_sha256_hex(*ret, *ret_n, sum);
	if (strcmp(sum, file->sha256) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s is not what it was", path);
	return UD_OK;
}

enum ud_code ud_store_files(struct ud_ctx *cx, ud_store *store, const char *id, struct ud_json *ret)
{
	const struct ud_manifest_file *files = NULL;
	struct ud_stored_point p = { 0 };
	struct ud_manifest whole = { 0 };
	size_t n = 0, count = 0;

	UD_TRY(ud_store_point(cx, store, id, &p));
	UD_TRY(ud_manifest_files(cx, &p.point, &files, &n));
	struct ud_manifest_file *found = ud_alloc(cx->arena, (n + 1) * sizeof(*found));

	for (size_t i = 0; i < n; i++) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx own = { .arena = arena, .env = cx->env };
		const char *data = NULL;
		size_t size = 0;

		if (ud_store_file(&own, store, id, files[i].name, &data, &size) == UD_OK)
			found[count++] = files[i];
	}
	ud_manifest_set_files(cx, &whole, found, count);
	*ret = whole.files;
	return UD_OK;
}

/* ---- pins ---- */

static enum ud_code pin_path(struct ud_ctx *cx, ud_store *store, const char *id, const char *name,
	const char **ret_folder, const char **ret)
{
	if (!ud_disk_name_valid(name))
		return ud_fail(cx, UD_E_VALIDATION, "name", "%s is no name for a pin", name);
	pthread_mutex_lock(&store->mutex);
	const struct ud_store_entry *e = ud_store_find(store, id);
	int64_t n = e ? e->n : 0;

	pthread_mutex_unlock(&store->mutex);
	if (!n)
		return no_point(cx, id);
	*ret_folder = ud_store_point_path(cx, n, "pins");
	*ret = ud_printf(cx->arena, "%s/%s", *ret_folder, name);
	return UD_OK;
}

static enum ud_code pin(struct ud_ctx *cx, ud_store *store, const char *id, const char *name)
{
	const char *folder = NULL, *path = NULL;

	UD_TRY(pin_path(cx, store, id, name, &folder, &path));
	int rc = ud_beneath_make(store->root, folder);

	if (rc == 0)
		rc = ud_beneath_write(store->root, path, "", 0);
	return rc == 0 ? UD_OK : ud_store_failed(cx, store, rc, path, true);
}

enum ud_code ud_store_pin(struct ud_ctx *cx, ud_store *store, const char *id, const char *name)
{
	pthread_mutex_lock(&store->layout); /* a merge may just be taking it */
	enum ud_code code = pin(cx, store, id, name);

	pthread_mutex_unlock(&store->layout);
	return code;
}

enum ud_code ud_store_unpin(struct ud_ctx *cx, ud_store *store, const char *id, const char *name)
{
	const char *folder = NULL, *path = NULL;

	UD_TRY(pin_path(cx, store, id, name, &folder, &path));
	int rc = ud_beneath_remove(store->root, path);

	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, path);
}
