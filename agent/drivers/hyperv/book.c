/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The book of relations: one file each, with what the server wanted last and what Hyper-V does not
 * remember for us. Read anew each time: there are few, and what stands on the disk is the truth.
 */
#include <errno.h>
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"
#include "base/file.h"

enum { FILE_MAX = 1 << 18, OWN = 0600, NOTES_MAX = 1024 };

/* clang-format off */
static const struct ud_field note_fields[] = {
	UD_FIELD(ud_hy_note, replication_id, .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_note, relation,       .flags = UD_REQUIRED, .max = FILE_MAX),
	UD_FIELD(ud_hy_note, failed_over),
	UD_FIELD(ud_hy_note, planned),
	UD_FIELD(ud_hy_note, completed),
	UD_FIELD(ud_hy_note, displaced),
	UD_FIELD(ud_hy_note, final_id),
	UD_FIELD(ud_hy_note, final_at),
};
/* clang-format on */
const struct ud_shape ud_hy_note_shape = { UD_SHAPE(ud_hy_note, note_fields), .bare = true };

/* Ids come from the server and become names of files: nothing else than an id does. */
static enum ud_code path_of(
	struct ud_ctx *cx, struct ud_hv *hv, const char *folder, const char *id, const char **ret)
{
	for (const char *c = id; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789_", *c))
			return ud_fail(cx, UD_E_VALIDATION, NULL, "%s is no id.", id);
	*ret = ud_printf(cx->arena, "%s/%s/%s", ud_hy_of(hv)->dir, folder, id);
	return UD_OK;
}

/* Read a file that need not be there; *ret NULL. */
static enum ud_code read_file(
	struct ud_ctx *cx, struct ud_hv *hv, const char *path, const char **ret, size_t *ret_n)
{
	struct ud_hy *hy = ud_hy_of(hv);
	char *data = NULL;

	*ret = NULL;
	pthread_mutex_lock(&hy->book);
	int error = cx->env->files->read(path, FILE_MAX, &data, ret_n);

	pthread_mutex_unlock(&hy->book);
	if (error == ENOENT)
		return UD_OK;
	if (error)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "%s: %s", path, strerror(error));
	*ret = ud_strndup(cx->arena, data, *ret_n);
	ud_free(data);
	return UD_OK;
}

static enum ud_code write_file(
	struct ud_ctx *cx, struct ud_hv *hv, const char *path, const void *data, size_t n)
{
	struct ud_hy *hy = ud_hy_of(hv);

	pthread_mutex_lock(&hy->book);
	enum ud_code code = ud_file_write(cx, path, data, n, OWN);

	pthread_mutex_unlock(&hy->book);
	return code;
}

static enum ud_code read_note(struct ud_ctx *cx, struct ud_hv *hv, const char *path,
	bool *ret_found, struct ud_hy_note *ret)
{
	const char *text = NULL;
	size_t n = 0;

	*ret_found = false;
	UD_TRY(read_file(cx, hv, path, &text, &n));
	if (!text)
		return UD_OK;
	UD_TRY(ud_shape_read(cx, &ud_hy_note_shape, text, n, ret));
	*ret_found = true;
	return UD_OK;
}

enum ud_code ud_hy_note_find(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	bool *ret_found, struct ud_hy_note *ret, struct ud_relation *ret_relation)
{
	const char *path = NULL;

	UD_TRY(path_of(cx, hv, "relations", replication_id, &path));
	UD_TRY(read_note(cx, hv, path, ret_found, ret));
	if (!*ret_found)
		return UD_OK;
	return ud_shape_read(cx, &ud_relation_shape, ret->relation.text, strlen(ret->relation.text),
		ret_relation);
}

enum ud_code ud_hy_note_get(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id,
	struct ud_hy_note *ret, struct ud_relation *ret_relation)
{
	bool found = false;

	UD_TRY(ud_hy_note_find(cx, hv, replication_id, &found, ret, ret_relation));
	if (!found)
		return ud_fail(
			cx, UD_E_NOT_FOUND, NULL, "There is no relation %s.", replication_id);
	return UD_OK;
}

enum ud_code ud_hy_note_put(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hy_note *note)
{
	struct ud_buf b = { 0 };
	const char *path = NULL;

	UD_TRY(path_of(cx, hv, "relations", note->replication_id, &path));
	ud_shape_encode(&b, &ud_hy_note_shape, note, NULL);
	enum ud_code code = write_file(cx, hv, path, b.data, b.len);

	ud_buf_free(&b);
	return code;
}

void ud_hy_note_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id)
{
	struct ud_hy *hy = ud_hy_of(hv);
	const char *path = NULL;

	if (path_of(cx, hv, "relations", replication_id, &path) != UD_OK)
		return;
	pthread_mutex_lock(&hy->book);
	cx->env->files->remove(path);
	pthread_mutex_unlock(&hy->book);
}

struct names {
	ud_arena *arena;
	const char *items[NOTES_MAX];
	size_t n;
};

/* Files that are being written have a dot in their names. */
static void take_name(void *data, const char *name)
{
	struct names *names = data;

	if (!strchr(name, '.') && names->n < NOTES_MAX)
		names->items[names->n++] = ud_strdup(names->arena, name);
}

enum ud_code ud_hy_notes(
	struct ud_ctx *cx, struct ud_hv *hv, struct ud_hy_note **ret, size_t *ret_n)
{
	struct names *names = ud_alloc(cx->arena, sizeof(*names));
	struct ud_hy *hy = ud_hy_of(hv);
	const char *folder = ud_printf(cx->arena, "%s/relations", hy->dir);

	*names = (struct names){ .arena = cx->arena };
	pthread_mutex_lock(&hy->book);
	int error = cx->env->files->list(folder, take_name, names);

	pthread_mutex_unlock(&hy->book);
	if (error)
		return ud_fail(cx, UD_E_HYPERVISOR, NULL, "%s: %s", folder, strerror(error));
	*ret = ud_alloc(cx->arena, sizeof(**ret) * (names->n + 1));
	*ret_n = 0;
	for (size_t i = 0; i < names->n; i++) {
		bool found = false;

		UD_TRY(read_note(cx, hv, ud_printf(cx->arena, "%s/%s", folder, names->items[i]),
			&found, &(*ret)[*ret_n]));
		*ret_n += found;
	}
	return UD_OK;
}

enum ud_code ud_hy_note_of_vm(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	bool *ret_found, struct ud_hy_note *ret, struct ud_relation *ret_relation)
{
	struct ud_hy_note *notes = NULL;
	size_t n = 0;

	*ret_found = false;
	UD_TRY(ud_hy_notes(cx, hv, &notes, &n));
	for (size_t i = 0; i < n; i++) {
		struct ud_relation r = { 0 };

		UD_TRY(ud_shape_read(cx, &ud_relation_shape, notes[i].relation.text,
			strlen(notes[i].relation.text), &r));
		/* of two about a VM the first leg is the one that failovers go along */
		if (strcmp(r.uuid, uuid) != 0 || (*ret_found && r.leg == UD_LEG_EXTENDED))
			continue;
		*ret = notes[i];
		*ret_relation = r;
		*ret_found = true;
	}
	return UD_OK;
}

/* ---- tests ---- */

enum ud_code ud_hy_test_get(
	struct ud_ctx *cx, struct ud_hv *hv, const char *test_id, const char **ret_replication)
{
	const char *path = NULL;
	size_t n = 0;

	UD_TRY(path_of(cx, hv, "tests", test_id, &path));
	return read_file(cx, hv, path, ret_replication, &n);
}

enum ud_code ud_hy_test_put(
	struct ud_ctx *cx, struct ud_hv *hv, const char *test_id, const char *replication_id)
{
	const char *path = NULL;

	UD_TRY(path_of(cx, hv, "tests", test_id, &path));
	if (replication_id)
		return write_file(cx, hv, path, replication_id, strlen(replication_id));
	cx->env->files->remove(path);
	return UD_OK;
}
