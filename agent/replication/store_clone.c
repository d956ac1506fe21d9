/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlays for VMs: a folder per clone. Its point is pinned first and its file "point" written
 * last, so that a clone that was cut is known by the lack of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/store_inside.h"

static const char pin_prefix[] = "clone.";

static const char *clone_path(struct ud_ctx *cx, const char *name, const char *file)
{
	return file ? ud_printf(cx->arena, "clone/%s/%s", name, file)
		    : ud_printf(cx->arena, "clone/%s", name);
}

static const char *pin_name(struct ud_ctx *cx, const char *name)
{
	return ud_printf(cx->arena, "%s%s", pin_prefix, name);
}

static enum ud_code check_name(struct ud_ctx *cx, const char *name)
{
	if (ud_disk_name_valid(name) && ud_disk_name_valid(pin_name(cx, name)))
		return UD_OK;
	return ud_fail(cx, UD_E_VALIDATION, "name", "%s is no name for a clone", name);
}

/* The point a whole clone stands on; NULL when there is none. */
static const char *point_of(struct ud_ctx *cx, ud_store *store, const char *name)
{
	const char *text = NULL;
	size_t n = 0;
	int rc = ud_beneath_read(
		cx, store->root, clone_path(cx, name, "point"), UD_DISK_NAME, &text, &n);

	return rc == 0 ? text : NULL;
}

/* Remove the pins of a clone, wherever they are. */
static int remove_pins(struct ud_ctx *cx, ud_store *store, const char *name)
{
	int rc = 0;

	for (size_t i = 0; i < store->count && rc == 0; i++) {
		const char *file = ud_printf(cx->arena, "pins/%s", pin_name(cx, name));

		rc = ud_beneath_remove(
			store->root, ud_store_point_path(cx, store->points[i].n, file));
	}
	return rc;
}

static int remove_clone(struct ud_ctx *cx, ud_store *store, const char *name)
{
	int rc = ud_beneath_remove(store->root, clone_path(cx, name, "point"));

	if (rc == 0)
		rc = ud_beneath_clear(store->root, clone_path(cx, name, NULL));
	if (rc == 0)
		rc = ud_beneath_sync(store->root, "clone");
	return rc == 0 ? remove_pins(cx, store, name) : rc;
}

static enum ud_code tidy_pins(struct ud_ctx *cx, ud_store *store, int64_t point)
{
	const char *folder = ud_store_point_path(cx, point, "pins");
	const char *const *pins = NULL;
	size_t n = 0;
	int rc = ud_beneath_list(cx, store->root, folder, &pins, &n);

	for (size_t i = 0; i < n && rc == 0; i++) {
		const char *path = ud_printf(cx->arena, "%s/%s", folder, pins[i]);
		size_t m = strlen(pin_prefix);

		if (strncmp(pins[i], pin_prefix, m) == 0 && !point_of(cx, store, pins[i] + m))
			rc = ud_beneath_remove(store->root, path);
		else if (strstr(pins[i], ".part"))
			rc = ud_beneath_remove(store->root, path);
	}
	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, folder);
}

enum ud_code ud_store_tidy_clones(struct ud_ctx *cx, ud_store *store)
{
	const char *const *names = NULL;
	size_t n = 0;
	int rc = ud_beneath_list(cx, store->root, "clone", &names, &n);

	for (size_t i = 0; i < n && rc == 0; i++)
		if (!point_of(cx, store, names[i]))
			rc = ud_beneath_clear(store->root, clone_path(cx, names[i], NULL));
	if (rc < 0)
		return ud_beneath_fail(cx, rc, "clone");
	for (size_t i = 0; i < store->count; i++)
		UD_TRY(tidy_pins(cx, store, store->points[i].n));
	return UD_OK;
}

/* Under layout. */
static enum ud_code describe(struct ud_ctx *cx, ud_store *store, const char *name,
	const struct ud_store_entry *e, struct ud_clone *ret)
{
	const struct ud_manifest_disk *disks = NULL;
	struct ud_manifest m = { 0 };
	size_t n = 0;

	UD_TRY(ud_store_manifest(cx, e, &m, &disks, &n));
	struct ud_clone_disk *out = ud_alloc(cx->arena, n * sizeof(*out));
	char *whole = realpath(store->path, NULL);

	for (size_t i = 0; i < n; i++)
		out[i] = (struct ud_clone_disk){ disks[i].name,
			ud_printf(cx->arena, "%s/clone/%s/%s.qcow2", whole ? whole : store->path,
				name, disks[i].name),
			disks[i].size_bytes };
	ud_free(whole);
	*ret = (struct ud_clone){ ud_strdup(cx->arena, name), ud_strdup(cx->arena, e->id), out, n };
	return UD_OK;
}

static int make_overlay(struct ud_ctx *cx, ud_store *store, const char *name,
	const struct ud_manifest_disk *d, int64_t n)
{
	const char *path = clone_path(cx, name, ud_printf(cx->arena, "%s.qcow2", d->name));
	int fd = ud_beneath_open(store->root, path, O_RDWR | O_CREAT | O_EXCL, 0600);
	int rc = fd < 0
		? fd
		: ud_qcow2_empty(fd, d->size_bytes,
			  ud_printf(cx->arena, "../../p/%06lld/%s.qcow2", (long long)n, d->name),
			  "qcow2");

	if (fd >= 0)
		close(fd);
	return rc;
}

static int make_clone(struct ud_ctx *cx, ud_store *store, const struct ud_store_entry *e,
	const char *name, const struct ud_manifest_disk *disks, size_t n)
{
	const char *pins = ud_store_point_path(cx, e->n, "pins");
	int rc = ud_beneath_make(store->root, pins);

	if (rc == 0)
		rc = ud_beneath_write(store->root,
			ud_printf(cx->arena, "%s/%s", pins, pin_name(cx, name)), "", 0);
	ud_store_stepped(store, "clone.pin");
	if (rc == 0)
		rc = ud_beneath_clear(store->root, clone_path(cx, name, NULL));
	if (rc == 0)
		rc = ud_beneath_make(store->root, clone_path(cx, name, NULL));
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = make_overlay(cx, store, name, &disks[i], e->n);
	ud_store_stepped(store, "clone.overlays");
	if (rc == 0)
		rc = ud_beneath_write(
			store->root, clone_path(cx, name, "point"), e->id, strlen(e->id));
	if (rc == 0)
		rc = ud_beneath_sync(store->root, "clone");
	ud_store_stepped(store, "clone.point");
	return rc;
}

/* Under layout. */
static enum ud_code make_on(
	struct ud_ctx *cx, ud_store *store, const char *id, const char *name, struct ud_clone *ret)
{
	const struct ud_store_entry *e = ud_store_find(store, id);
	const char *there = point_of(cx, store, name);
	const struct ud_manifest_disk *disks = NULL;
	struct ud_manifest m = { 0 };
	size_t n = 0;

	if (!e)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no point %s", id);
	if (there && strcmp(there, id) != 0)
		return ud_fail(cx, UD_E_CONFLICT, NULL, "%s stands on the point %s", name, there);
	if (there)
		return describe(cx, store, name, e, ret);
	if (e->bad)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "the point must not be used: %s", e->bad);
	UD_TRY(ud_store_manifest(cx, e, &m, &disks, &n));
	int rc = make_clone(cx, store, e, name, disks, n);

	if (rc == 0)
		return describe(cx, store, name, e, ret);
	enum ud_code code = ud_store_failed(cx, store, rc, clone_path(cx, name, NULL), true);

	rc = remove_clone(cx, store, name);
	return rc == -EIO ? ud_beneath_fail(cx, rc, name) : code;
}

enum ud_code ud_store_clone(
	struct ud_ctx *cx, ud_store *store, const char *id, const char *name, struct ud_clone *ret)
{
	UD_TRY(check_name(cx, name));
	pthread_mutex_lock(&store->layout);
	enum ud_code code = make_on(cx, store, id, name, ret);

	pthread_mutex_unlock(&store->layout);
	return code;
}

enum ud_code ud_store_clone_get(
	struct ud_ctx *cx, ud_store *store, const char *name, struct ud_clone *ret)
{
	UD_TRY(check_name(cx, name));
	pthread_mutex_lock(&store->layout);
	const char *id = point_of(cx, store, name);
	const struct ud_store_entry *e = id ? ud_store_find(store, id) : NULL;
	enum ud_code code = e ? describe(cx, store, name, e, ret)
			      : ud_fail(cx, UD_E_NOT_FOUND, NULL, "there is no clone %s", name);

	pthread_mutex_unlock(&store->layout);
	return code;
}

enum ud_code ud_store_clone_drop(struct ud_ctx *cx, ud_store *store, const char *name)
{
	UD_TRY(check_name(cx, name));
	pthread_mutex_lock(&store->layout);
	int rc = remove_clone(cx, store, name);

	pthread_mutex_unlock(&store->layout);
	return rc == 0 ? UD_OK : ud_beneath_fail(cx, rc, name);
}
