/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newest history of its database that a program has seen, kept in a small file beside its
 * configuration: PostgreSQL's system identifier and timeline, and our generation. An old primary
 * that somebody started by hand looks like any other; it is known by a timeline that is behind.
 */
#ifndef DB_ENGINE_HISTORY_H
#define DB_ENGINE_HISTORY_H

#include "db/engine/engine.h"

/*
 * Compare the database on cx->conn with the file at path, and write the file when the database is
 * newer. UD_E_UNAVAILABLE with words when it is older: a lower timeline or generation, or another
 * PostgreSQL cluster without a higher generation (understudyd restore raises it). A missing file
 * takes what is there. One thread at a time for a path.
 */
enum ud_code ud_history_check(struct ud_ctx *cx, const char *path) UD_USE;
/* The generation the file remembers; 0 when there is no file. UD_E_UNAVAILABLE when it cannot be
 * read. */
enum ud_code ud_history_generation(struct ud_ctx *cx, const char *path, int64_t *ret) UD_USE;

#endif
