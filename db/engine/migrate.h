/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forward-only migrations: NNNN_what.sql for both engines, NNNN_what.pg.sql beside it where
 * PostgreSQL must differ. Each runs once, in a transaction, and is remembered with its checksum.
 */
#ifndef DB_ENGINE_MIGRATE_H
#define DB_ENGINE_MIGRATE_H

#include "base/embed.h"
#include "db/engine/engine.h"

enum { UD_MIGRATIONS_MAX = 999 };

struct ud_migration {
	int64_t version;
	const char *name, *sql;
};

/* What is to be done, in order. */
struct ud_migration_plan {
	struct ud_migration pending[UD_MIGRATIONS_MAX];
	size_t count;
	int64_t current; /* version of the database */
};

/*
 * Compare the table with the database on cx->conn. UD_E_CONFLICT when an applied migration has
 * another checksum, or the database is newer than the program. files as made by ud_embed.
 * PostgreSQL also must sort in binary order.
 */
enum ud_code ud_migrate_plan(
	struct ud_ctx *cx, const struct ud_embedded *files, struct ud_migration_plan *ret) UD_USE;
/* Run the plan on cx->conn, which must be a connection that may write. Safe when several do it at
 * once. */
enum ud_code ud_migrate(struct ud_ctx *cx, const struct ud_embedded *files) UD_USE;

#endif
