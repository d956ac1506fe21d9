/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of the database while it is in use, and the way back. A copy counts only after it was
 * opened and checked.
 */
#ifndef DB_ENGINE_BACKUP_H
#define DB_ENGINE_BACKUP_H

#include "db/engine/engine.h"

/*
 * Copy the database behind url into file: SQLite by its online backup (the copy is checked with
 * integrity_check and foreign_key_check before it gets its name), PostgreSQL by pg_dump in custom
 * format (checked by pg_restore --list). UD_E_ALREADY_EXISTS when file is there.
 */
enum ud_code ud_backup(struct ud_ctx *cx, const char *url, const char *file) UD_USE;

/*
 * Put a copy into the database behind url, which must not hold an installation yet, and raise the
 * generation, so that a restored control plane never gives out a number again. UD_E_INVALID_STATE
 * when something is there.
 */
enum ud_code ud_restore(struct ud_ctx *cx, const char *file, const char *url) UD_USE;

#endif
