/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file that arrives piece by piece, with its SHA-256: written beside its place, put there when
 * all of it is on the disk, and gone when nobody keeps it. For uploads; whole small files are
 * file.h. POSIX alone.
 */
#ifndef BASE_SPOOL_H
#define BASE_SPOOL_H

#include "base/crypto.h"
#include "base/ctx.h"

typedef struct ud_spool ud_spool;

/* Begin a file of at most max bytes in a folder, which is made when it is not there.
 * UD_E_UNAVAILABLE with the reason. */
enum ud_code ud_spool_open(struct ud_ctx *cx, const char *folder, int64_t max, ud_spool **ret)
	UD_USE;
/* Append. False when it would be larger than max, or the disk has no more room; what comes after
 * that is dropped. */
bool ud_spool_add(ud_spool *s, const void *data, size_t n);
/* Bytes so far. */
int64_t ud_spool_size(const ud_spool *s);
/* All has come: the SHA-256 of it in hex, as long as the spool lives. Nothing is added after that.
 */
const char *ud_spool_seal(ud_spool *s);
/* Sync it and put it into its place, FOLDER/NAME. UD_E_BODY_TOO_LARGE, UD_E_STORAGE_FULL,
 * UD_E_UNAVAILABLE. Blocks as long as the disk does. */
enum ud_code ud_spool_finish(struct ud_ctx *cx, ud_spool *s, const char *name) UD_USE;
/* The file stays when the spool is released. */
void ud_spool_keep(ud_spool *s);
/* Takes NULL. */
void ud_spool_release(ud_spool **spool);

/* Open a kept file to read it; *ret_fd is the caller's. UD_E_NOT_FOUND when it is gone. */
enum ud_code ud_spool_read(struct ud_ctx *cx, const char *folder, const char *name, int *ret_fd,
	int64_t *ret_size) UD_USE;
/* Remove a kept file; one that is not there is fine. UD_E_UNAVAILABLE with the reason. */
enum ud_code ud_spool_remove(struct ud_ctx *cx, const char *folder, const char *name) UD_USE;

#endif
