/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What only SQLite has: checkpoints and the online backup work on its own handle. For db/engine
 * alone.
 */
#ifndef DB_ENGINE_SQLITE_H
#define DB_ENGINE_SQLITE_H

#include <sqlite3.h>

#include "db/engine/engine.h"

/* The library's handle of a connection, or NULL when it is not SQLite's. Same thread rule as the
 * connection. */
sqlite3 *ud_sqlite_handle(ud_conn *conn);

#endif
