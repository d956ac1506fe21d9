/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files beneath one folder and nowhere else: every path is relative to the folder's descriptor, no
 * ".." and no link is ever followed (openat2). Functions return 0 (or a descriptor) or a negative
 * errno. Any thread.
 */
#ifndef AGENT_REPLICATION_BENEATH_H
#define AGENT_REPLICATION_BENEATH_H

#include "base/ctx.h"

/* The folder itself, made when it is not there; its parent must be. A descriptor. */
int ud_beneath_root(const char *path) UD_USE;
/* Open a file or folder beneath root; flags as of open(2). A descriptor. */
int ud_beneath_open(int root, const char *path, int flags, unsigned mode) UD_USE;
/* Make a folder; fine when it is there. */
int ud_beneath_make(int root, const char *path) UD_USE;
/* A second name for a file, in place of what had it. */
int ud_beneath_link(int root, const char *from, const char *to) UD_USE;
int ud_beneath_rename(int root, const char *from, const char *to) UD_USE;
/* Remove a file; fine when it is not there. */
int ud_beneath_remove(int root, const char *path) UD_USE;
/* Remove a folder with all in it; fine when it is not there. */
int ud_beneath_clear(int root, const char *path) UD_USE;
/* Sync a folder: the names in it are on the disk. */
int ud_beneath_sync(int root, const char *path) UD_USE;
/* True when something of that name is there. */
bool ud_beneath_exists(int root, const char *path);
/* Write a whole small file durably: beside, sync, rename, sync the folder. */
int ud_beneath_write(int root, const char *path, const void *data, size_t n) UD_USE;
/* Read a whole file of at most max bytes into the arena, NUL-terminated. -EFBIG when it is larger.
 */
int ud_beneath_read(struct ud_ctx *cx, int root, const char *path, size_t max, const char **ret,
	size_t *ret_n) UD_USE;
/* Names in a folder, in their order, in the arena; none when it is not there. */
int ud_beneath_list(struct ud_ctx *cx, int root, const char *path, const char *const **ret,
	size_t *ret_n) UD_USE;
/* All n bytes at a place of a file. 0 or a negative errno; -ENODATA when the file ends before. */
int ud_read_at(int fd, void *buf, size_t n, int64_t offset) UD_USE;
int ud_write_at(int fd, const void *buf, size_t n, int64_t offset) UD_USE;

/* A negative errno as a failure with the path in its words: UD_E_STORAGE_FULL, UD_E_NOT_FOUND, else
 * UD_E_UNAVAILABLE. */
enum ud_code ud_beneath_fail(struct ud_ctx *cx, int error, const char *path) UD_USE;

#endif
