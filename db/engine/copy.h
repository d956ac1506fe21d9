/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each engine does for a backup. For backup.c alone.
 */
#ifndef DB_ENGINE_COPY_H
#define DB_ENGINE_COPY_H

#include "base/time.h"
#include "db/engine/engine.h"

/* The manifest; its field table is in backup.c. */
struct ud_copy_manifest {
	const char *engine;
	int64_t schema_version, generation;
	struct ud_time created_at;
	int64_t size_bytes;
	const char *sha256;
	int64_t events, users, customers; /* rows */
};

/* Fill in what the database on cx->conn says: version, generation and rows. */
enum ud_code ud_copy_describe(struct ud_ctx *cx, struct ud_copy_manifest *m) UD_USE;

/* Wait until a file, or the folder a file stands in, is on the disk. */
enum ud_code ud_copy_sync(struct ud_ctx *cx, const char *path) UD_USE;
enum ud_code ud_copy_sync_folder(struct ud_ctx *cx, const char *path) UD_USE;

struct ud_copier {
	/* Copy the database into a new file and check it; describes exactly what is in the copy. */
	enum ud_code (*save)(
		struct ud_ctx *cx, const char *url, const char *file, struct ud_copy_manifest *m);
	/* Put the file into an empty database with a generation above seen, set to recovery. */
	enum ud_code (*load)(struct ud_ctx *cx, const char *file, const char *url, int64_t seen);
};

extern const struct ud_copier ud_copier_sqlite, ud_copier_postgresql;

#endif
