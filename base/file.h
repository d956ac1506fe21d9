/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files through a table that a test replaces: whole files in, whole files out, durably. The real
 * one is in file_posix.c.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/ctx.h"
#include "base/env.h"

struct ud_files {
	/* 0 or an errno. *ret_data is NUL-terminated beyond *ret_n, from ud_malloc. EFBIG when
	 * larger than max. */
	int (*read)(const char *path, size_t max, char **ret_data, size_t *ret_n);
	/* Write beside, sync, rename, sync the folder: the old or the new content is there,
	 * whatever happens. */
	int (*write)(const char *path, const void *data, size_t n, unsigned mode);
	/* Make a folder; EEXIST when it is there. */
	int (*make_folder)(const char *path, unsigned mode);
	int (*remove)(const char *path);
	/* Call each for every name in a folder but . and .., in their order. */
	int (*list)(const char *folder, void (*each)(void *data, const char *name), void *data);
};

extern const struct ud_files ud_files_real;

/* Read a file of at most max bytes into the arena, NUL-terminated. UD_E_UNAVAILABLE with path and
 * reason. */
enum ud_code ud_file_read(
	struct ud_ctx *cx, const char *path, size_t max, const char **ret, size_t *ret_n) UD_USE;
/* Replace or make a file atomically and durably. UD_E_UNAVAILABLE, UD_E_STORAGE_FULL. */
enum ud_code ud_file_write(
	struct ud_ctx *cx, const char *path, const void *data, size_t n, unsigned mode) UD_USE;

/* Bytes of a path before its last part, the separator included; 0 = it has none. */
size_t ud_path_head(const char *path);

#endif
