/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables of a manifest, and the rules over several of its fields.
 */
#include "agent/replication/manifest.h"

#include <string.h>

#include "base/id.h"

static const char *const kind_names[] = {
	[UD_MANIFEST_FULL] = "full", [UD_MANIFEST_DELTA] = "delta", [UD_MANIFEST_RESYNC] = "resync"
};
const struct ud_enum ud_manifest_kinds = { "manifest_kind", kind_names, UD_LEN(kind_names) };

/* Names that the store gives itself, in the folder of a point. */
static const char *const reserved[] = { "manifest.json", "pins", "bad" };

bool ud_disk_name_valid(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	size_t n = strlen(name);

	if (n == 0 || n >= UD_DISK_NAME || name[0] == '.' || name[0] == '-')
		return false;
	return strspn(name, letters) == n && strstr(name, ".part") == NULL;
}

static const char *name_rule(struct ud_ctx *cx, const char *text)
{
	(void)cx;
	return ud_disk_name_valid(text) ? NULL : "A name has letters, digits, '.', '_' and '-'.";
}

static const char *root_rule(struct ud_ctx *cx, const char *text)
{
	(void)cx;
	size_t n = strlen(text);

	if (n == 0 || (n == UD_SHA256_HEX - 1 && strspn(text, "0123456789abcdef") == n))
		return NULL;
	return "A hash has 64 hex digits.";
}

static const char *parent_rule(struct ud_ctx *cx, const char *text)
{
	(void)cx;
	return !*text || ud_id_valid(text, "rpt") ? NULL
						  : "A parent is the id of a point, or empty.";
}

/* clang-format off */
static const struct ud_field disk_fields[] = {
	UD_FIELD(ud_manifest_disk, name,          .flags = UD_REQUIRED, .max = UD_DISK_NAME - 1, .rule = name_rule, .about = "Name of the disk inside the VM's definition."),
	UD_FIELD(ud_manifest_disk, size_bytes,    .flags = UD_REQUIRED, .min = 1, .max = UD_DISK_MAX, .about = "Size of the disk."),
	UD_FIELD(ud_manifest_disk, changed_bytes, .max = UD_DISK_MAX + UD_EXTENT, .about = "Bytes of its extents that this point holds."),
	UD_FIELD(ud_manifest_disk, root,          .max = 64, .rule = root_rule, .about = "Merkle root of the image."),
	UD_FIELD(ud_manifest_disk, parent_root,   .max = 64, .rule = root_rule, .about = "Merkle root of the image at the parent."),
};
static const struct ud_field file_fields[] = {
	UD_FIELD(ud_manifest_file, name,   .flags = UD_REQUIRED, .max = UD_DISK_NAME - 1, .rule = name_rule, .about = "Name of the file."),
	UD_FIELD(ud_manifest_file, bytes,  .max = UD_MANIFEST_FILE, .about = "Its size."),
	UD_FIELD(ud_manifest_file, sha256, .flags = UD_REQUIRED, .max = 64, .rule = root_rule, .about = "SHA-256 of its content."),
};
static const struct ud_field fields[] = {
	UD_FIELD(ud_manifest, id,             .flags = UD_REQUIRED, .refers = "rpt", .about = "Id of the point."),
	UD_FIELD(ud_manifest, n,              .about = "Number in its store."),
	UD_FIELD(ud_manifest, parent,         .max = 40, .rule = parent_rule, .about = "The point before; empty for the first."),
	UD_FIELD(ud_manifest, replication_id, .flags = UD_REQUIRED, .max = 64, .about = "The relation it came by."),
	UD_FIELD(ud_manifest, vm_id,          .flags = UD_REQUIRED, .max = 64, .about = "The VM."),
	UD_FIELD(ud_manifest, kind,           .flags = UD_REQUIRED, .values = &ud_manifest_kinds, .about = "What it holds."),
	UD_FIELD(ud_manifest, epoch,          .about = "Epoch of the VM when it was taken."),
	UD_FIELD(ud_manifest, taken_at,       .about = "When, by the source's clock."),
	UD_FIELD(ud_manifest, age_ms,         .about = "Its age when it was committed."),
	UD_FIELD(ud_manifest, requested,      .values = &ud_consistencies, .about = "Consistency that was asked for."),
	UD_FIELD(ud_manifest, consistency,    .values = &ud_consistencies, .about = "Consistency that it has."),
	UD_FIELD(ud_manifest, reason,         .max = 1000, .about = "Why it has less than was asked for."),
	UD_FIELD(ud_manifest, changed_bytes,  .about = "Bytes of all extents that it holds."),
	UD_FIELD(ud_manifest, disks,          .flags = UD_REQUIRED, .max = UD_MANIFEST_MAX, .about = "Its disks."),
	UD_FIELD(ud_manifest, files,          .max = UD_MANIFEST_MAX, .about = "Small files that belong to it."),
};
/* clang-format on */
const struct ud_shape ud_manifest_disk_shape = { .bare = true,
	UD_SHAPE(ud_manifest_disk, disk_fields) };
const struct ud_shape ud_manifest_file_shape = { .bare = true,
	UD_SHAPE(ud_manifest_file, file_fields) };
const struct ud_shape ud_manifest_shape = { .bare = true, UD_SHAPE(ud_manifest, fields) };

const char *ud_manifest_id(struct ud_ctx *cx)
{
	return ud_id_new(cx->arena, cx->env, ud_now_ms(cx->env), "rpt");
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static enum ud_code twins(struct ud_ctx *cx, const char *name)
{
	return ud_fail(cx, UD_E_VALIDATION, NULL, "the name %s stands twice in a manifest", name);
}

static bool is_reserved(const char *name)
{
	for (size_t i = 0; i < UD_LEN(reserved); i++)
		if (strcmp(name, reserved[i]) == 0)
			return true;
	return false;
}

enum ud_code ud_manifest_disks(struct ud_ctx *cx, const struct ud_manifest *manifest,
	const struct ud_manifest_disk **ret, size_t *ret_n)
{
	struct ud_manifest_disk *disks = NULL;
	size_t n = 0;

	UD_TRY(ud_shape_read_list(
		cx, &ud_manifest_disk_shape, manifest->disks.text, UD_MANIFEST_DISKS, &disks, &n));
	if (n == 0)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "a manifest has at least one disk");
	for (size_t i = 0; i < n; i++) {
		disks[i].root = or_empty(disks[i].root);
		disks[i].parent_root = or_empty(disks[i].parent_root);
		for (size_t k = 0; k < i; k++)
			if (strcmp(disks[i].name, disks[k].name) == 0)
				return twins(cx, disks[i].name);
	}
	*ret = disks;
	*ret_n = n;
	return UD_OK;
}

enum ud_code ud_manifest_files(struct ud_ctx *cx, const struct ud_manifest *manifest,
	const struct ud_manifest_file **ret, size_t *ret_n)
{
	const struct ud_manifest_disk *disks = NULL;
	struct ud_manifest_file *files = NULL;
	size_t n = 0, disk_count = 0;

	UD_TRY(ud_manifest_disks(cx, manifest, &disks, &disk_count));
	UD_TRY(ud_shape_read_list(
		cx, &ud_manifest_file_shape, manifest->files.text, UD_MANIFEST_FILES, &files, &n));
	for (size_t i = 0; i < n; i++) {
		const char *name = files[i].name;

		if (is_reserved(name))
			return ud_fail(cx, UD_E_VALIDATION, NULL,
				"%s is a name that the store keeps for itself", name);
		for (size_t k = 0; k < i; k++)
			if (strcmp(name, files[k].name) == 0)
				return twins(cx, name);
		for (size_t k = 0; k < disk_count; k++)
			if (strncmp(name, disks[k].name, strlen(disks[k].name)) == 0 &&
				name[strlen(disks[k].name)] == '.')
				return twins(cx, name);
	}
	*ret = files;
	*ret_n = n;
	return UD_OK;
}

/* A list of objects of a shape as JSON, in the arena. */
static struct ud_json list_text(
	struct ud_ctx *cx, const struct ud_shape *shape, const void *rows, size_t n)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, shape, (const char *)rows + i * shape->size, NULL);
	}
	ud_buf_putc(&b, ']');
	struct ud_json ret = { ud_strdup(cx->arena, ud_buf_text(&b)) };

	ud_buf_free(&b);
	return ret;
}

void ud_manifest_set_disks(struct ud_ctx *cx, struct ud_manifest *manifest,
	const struct ud_manifest_disk *disks, size_t n)
{
	manifest->disks = list_text(cx, &ud_manifest_disk_shape, disks, n);
}

void ud_manifest_set_files(struct ud_ctx *cx, struct ud_manifest *manifest,
	const struct ud_manifest_file *files, size_t n)
{
	manifest->files = list_text(cx, &ud_manifest_file_shape, files, n);
}

enum ud_code ud_manifest_read(
	struct ud_ctx *cx, const char *text, size_t n, struct ud_manifest *ret)
{
	struct ud_manifest m = { 0 };
	const struct ud_manifest_file *files = NULL;
	size_t file_count = 0;

	if (n > UD_MANIFEST_MAX)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "a manifest has at most %d bytes",
			UD_MANIFEST_MAX);
	UD_TRY(ud_shape_read(cx, &ud_manifest_shape, text, n, &m));
	m.parent = or_empty(m.parent);
	m.reason = or_empty(m.reason);
	UD_TRY(ud_manifest_files(cx, &m, &files, &file_count));
	if ((m.kind == UD_MANIFEST_DELTA) && !*m.parent)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "a delta has a parent");
	if (strcmp(m.parent, m.id) == 0)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "a point is not its own parent");
	*ret = m;
	return UD_OK;
}

const char *ud_manifest_text(struct ud_ctx *cx, const struct ud_manifest *manifest)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &ud_manifest_shape, manifest, NULL);
	return ud_buf_take(cx->arena, &b);
}

void ud_manifest_point(
	struct ud_ctx *cx, const struct ud_manifest *manifest, bool bad, struct ud_point *ret)
{
	const struct ud_manifest_disk *disks = NULL;
	struct ud_buf b = { 0 };
	bool first = true;
	size_t n = 0;

	*ret = (struct ud_point){ .id = manifest->id,
		.n = manifest->n,
		.taken_at = manifest->taken_at,
		.age_ms = manifest->age_ms,
		.consistency = manifest->consistency,
		.requested = manifest->requested,
		.reason = *manifest->reason ? manifest->reason : NULL,
		.bytes = manifest->changed_bytes,
		.parent = *manifest->parent ? manifest->parent : NULL,
		.epoch = manifest->epoch,
		.state = bad ? UD_POINT_CORRUPT : UD_POINT_COMPLETE };
	if (ud_manifest_disks(cx, manifest, &disks, &n) != UD_OK)
		ud_ctx_clear(cx);
	ud_buf_putc(&b, '{');
	for (size_t i = 0; i < n; i++) {
		ud_buf_key(&b, &first, disks[i].name);
		ud_buf_json(&b, disks[i].root);
	}
	ud_buf_putc(&b, '}');
	ret->roots.text = ud_buf_take(cx->arena, &b);
}
