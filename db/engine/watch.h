/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells when other programs changed a PostgreSQL database, by looking twice a second. For
 * database.c alone.
 */
#ifndef DB_ENGINE_WATCH_H
#define DB_ENGINE_WATCH_H

#include "db/engine/database.h"

typedef struct ud_watch ud_watch;

/* Begin to look, on a thread and a connection of its own; changed runs on that thread. NULL when no
 * thread can be had. A database that is away is looked for again. */
ud_watch *ud_watch_start(
	ud_database *db, const struct ud_env *env, void (*changed)(ud_database *db));
/* Stop and wait for its end. Takes NULL; sets *watch to NULL. */
void ud_watch_release(ud_watch **watch);

#endif
