/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel and initrd of a VM that boots from files of its host. They go with each point, in pieces,
 * and are sent again only when they have changed; a copy and a replica boot from files of their
 * own. What was found of a file is kept until it is another.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/drivers/libvirt/relation.h"
#include "agent/replication/beneath.h"
#include "base/env.h"
#include "base/file.h"

enum { PIECE = UD_MANIFEST_FILE };

static const char *const parts[UD_LV_BOOT_FILES] = { "kernel", "initrd" };

/* Where a definition says that the part lies; NULL = it has none. */
static const char *path_of(struct ud_ctx *cx, xmlNodePtr root, size_t i)
{
	const char *path =
		ud_lv_content(cx, ud_lv_child(root, ud_printf(cx->arena, "os/%s", parts[i])));

	return path && *path ? path : NULL;
}

static size_t pieces_of(const struct stat *st)
{
	return ((size_t)st->st_size + PIECE - 1) / PIECE;
}

bool ud_lv_boot_ships(struct ud_ctx *cx, xmlNodePtr kernel)
{
	xmlNodePtr root = xmlDocGetRootElement(kernel->doc);
	size_t pieces = 0;
	struct stat st;

	for (size_t i = 0; i < UD_LV_BOOT_FILES; i++) {
		const char *path = path_of(cx, root, i);

		if (!path)
			continue;
		if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || access(path, R_OK) != 0 ||
			pieces_of(&st) > UD_LV_BOOT_PIECES)
			return false;
		pieces += pieces_of(&st);
	}
	return pieces <= UD_LV_BOOT_PIECES;
}

void ud_lv_boot_forget(struct ud_lv_boot_file *file)
{
	if (file->open)
		close(file->fd);
	ud_free(file->sums);
	*file = (struct ud_lv_boot_file){ 0 };
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
		a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static size_t piece_bytes(const struct ud_lv_boot_file *file, size_t piece)
{
	int64_t left = file->st.st_size - (int64_t)piece * PIECE;

	return left < PIECE ? (size_t)left : PIECE;
}

static int sum_up(struct ud_lv_boot_file *file)
{
	unsigned char *data = ud_malloc(PIECE);
	int rc = 0;

	file->sums = ud_malloc((file->pieces + 1) * sizeof(*file->sums));
	for (size_t i = 0; i < file->pieces && rc == 0; i++) {
		size_t n = piece_bytes(file, i);

		rc = ud_read_at(file->fd, data, n, (int64_t)i * PIECE);
		if (rc == 0)
			ud_sha256_hex(data, n, file->sums[i]);
	}
	ud_free(data);
	return rc;
}

/* Look at the file again; false when it cannot go along. */
static bool look(struct ud_lv_boot_file *file, const char *path)
{
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
		pieces_of(&st) > UD_LV_BOOT_PIECES) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	if (file->open && is_same(&st, &file->st)) {
		close(fd);
		return true;
	}
	ud_lv_boot_forget(file);
	*file = (struct ud_lv_boot_file){
		.open = true, .fd = fd, .st = st, .pieces = pieces_of(&st)
	};
	return sum_up(file) == 0;
}

static enum ud_code read_piece(struct ud_ctx *cx, const struct ud_ship_file *f, const void **ret)
{
	const struct ud_lv_boot_file *file = f->from;
	void *data = ud_alloc(cx->arena, f->n);
	char sum[UD_SHA256_HEX];
	int rc = ud_read_at(file->fd, data, f->n, f->at);

	if (rc < 0)
		return ud_beneath_fail(cx, rc, f->name);
	ud_sha256_hex(data, f->n, sum);
	if (strcmp(sum, f->sha256) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "it is being written to");
	*ret = data;
	return UD_OK;
}

void ud_lv_boot_files(struct ud_ctx *cx, struct ud_lv_boot_file memory[UD_LV_BOOT_FILES],
	xmlNodePtr root, struct ud_ship_file *files, size_t *ret_n)
{
	size_t n = 0;

	for (size_t i = 0; i < UD_LV_BOOT_FILES; i++) {
		struct ud_lv_boot_file *file = &memory[i];

		if (!look(file, path_of(cx, root, i)) || n + file->pieces > UD_LV_BOOT_PIECES) {
			ud_lv_boot_forget(file);
			continue;
		}
		for (size_t k = 0; k < file->pieces; k++, n++)
			files[(*ret_n)++] = (struct ud_ship_file){
				.name = ud_printf(cx->arena, "%s.%zu", parts[i], k),
				.n = piece_bytes(file, k),
				.sha256 = file->sums[k],
				.read = read_piece,
				.from = file,
				.at = (int64_t)k * PIECE,
			};
	}
}

/* ---- at the other end ---- */

static const char *placed_path(
	struct ud_ctx *cx, const struct ud_lv_relation *r, size_t i, const char *name)
{
	return ud_printf(cx->arena, "%s/%s-%s", r->dir, parts[i], name);
}

/* Pieces of the point, one after the other; *ret_n of them. */
static enum ud_code join(struct ud_ctx *cx, struct ud_lv_relation *r, const char *point_id,
	size_t part, int fd, size_t *ret_n)
{
	for (*ret_n = 0; *ret_n < UD_LV_BOOT_PIECES; ++*ret_n) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx own = { .arena = arena, .env = cx->env };
		const char *data = NULL;
		size_t n = 0;
		enum ud_code code = ud_store_file(&own, r->store, point_id,
			ud_printf(arena, "%s.%zu", parts[part], *ret_n), &data, &n);

		if (code == UD_E_NOT_FOUND)
			return UD_OK;
		if (code != UD_OK)
			return ud_fail(cx, code, NULL, "%s", own.problem.detail);
		int rc = ud_write_at(fd, data, n, (int64_t)*ret_n * PIECE);

		if (rc < 0)
			return ud_beneath_fail(cx, rc, parts[part]);
	}
	return UD_OK;
}

/* The part as a file of its own, under a new name until it is whole; *ret NULL = the point has
 * none.
 */
static enum ud_code place_part(struct ud_ctx *cx, struct ud_lv_relation *r, const char *point_id,
	size_t part, const char *name, const char **ret)
{
	const char *path = placed_path(cx, r, part, name);
	const char *fresh = ud_printf(cx->arena, "%s.part", path);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	size_t pieces = 0;

	*ret = NULL;
	if (fd < 0)
		return ud_beneath_fail(cx, -errno, fresh);
	enum ud_code code = join(cx, r, point_id, part, fd, &pieces);

	if (code == UD_OK && pieces && (fsync(fd) != 0 || rename(fresh, path) != 0))
		code = ud_beneath_fail(cx, -errno, path);
	close(fd);
	if (code != UD_OK || !pieces)
		unlink(fresh);
	*ret = code == UD_OK && pieces ? path : NULL;
	return code;
}

/* A file that came without its content may be named only where such files lie: no guest is to read
 * another file of this host as its initrd. */
static enum ud_code check_own(struct ud_ctx *cx, const char *path)
{
	static const char *const folders[] = { "/boot/", "/usr/share/", "/var/lib/libvirt/boot/" };

	for (size_t i = 0; i < UD_LEN(folders); i++)
		if (strncmp(path, folders[i], strlen(folders[i])) == 0 && !strstr(path, "/../"))
			return UD_OK;
	return ud_fail(cx, UD_E_VALIDATION, NULL,
		"The point has no copy of %s, and only files below /boot, /usr/share and "
		"/var/lib/libvirt/boot are taken from this host.",
		path);
}

enum ud_code ud_lv_boot_place(struct ud_ctx *cx, struct ud_lv_relation *r, xmlNodePtr root,
	const char *point_id, const char *name)
{
	for (size_t i = 0; i < UD_LV_BOOT_FILES; i++) {
		const char *named = path_of(cx, root, i), *path = NULL;

		if (!named)
			continue;
		UD_TRY(place_part(cx, r, point_id, i, name, &path));
		if (!path) {
			UD_TRY(check_own(cx, named));
			continue;
		}
		xmlNodeSetContent(ud_lv_child(root, ud_printf(cx->arena, "os/%s", parts[i])),
			(const xmlChar *)path);
	}
	return UD_OK;
}

void ud_lv_boot_clear(struct ud_ctx *cx, const struct ud_lv_relation *r, const char *name)
{
	for (size_t i = 0; i < UD_LV_BOOT_FILES; i++)
		(void)cx->env->files->remove(placed_path(cx, r, i, name));
}
