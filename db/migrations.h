/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema's history, as files of migrations/ inside the program.
 */
#ifndef DB_MIGRATIONS_H
#define DB_MIGRATIONS_H

#include "base/embed.h"

extern const struct ud_embedded ud_migrations[];

#endif
