/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of the database while it is in use, and the way back. A copy counts only after it was
 * read back and checked. Beside FILE stands FILE.json, its manifest: engine, version of the schema,
 * generation, instant, size, SHA-256 and how many rows of a few tables it holds.
 */
#ifndef DB_ENGINE_BACKUP_H
#define DB_ENGINE_BACKUP_H

#include "db/engine/engine.h"

/*
 * Copy the database behind url into file: SQLite by its online backup (the copy is checked with
 * integrity_check and foreign_key_check before it gets its name), PostgreSQL by pg_dump in custom
 * format (the whole archive is read back by pg_restore). UD_E_ALREADY_EXISTS when file is there;
 * UD_E_UNAVAILABLE with the reason otherwise. The programs of PostgreSQL's client are looked for in
 * PATH.
 */
enum ud_code ud_backup(struct ud_ctx *cx, const char *url, const char *file) UD_USE;

/*
 * Put a copy into the database behind url, which must not hold an installation yet, and raise the
 * generation above both the copy's and the one that history remembers (db/engine/history.h; the
 * file may be missing), so that a restored control plane never gives out a number again, and set it
 * to recovery. All of it happens or none. UD_E_INVALID_STATE when something is there,
 * UD_E_UNAVAILABLE when the copy is not what its manifest says.
 */
enum ud_code ud_restore(struct ud_ctx *cx, const char *file, const char *url, const char *history)
	UD_USE;

#endif
