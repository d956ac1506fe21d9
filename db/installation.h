/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few things that hold for a database as a whole: its generation, and whether it is a demo.
 * Written when an installation is made. For server/admin.
 */
#ifndef DB_INSTALLATION_H
#define DB_INSTALLATION_H

#include "db/engine/engine.h"

/*
 * Take a migrated database for a new installation, within the caller's transaction.
 * UD_E_INVALID_STATE when people are in it already.
 */
enum ud_code ud_installation_begin(struct ud_ctx *cx, bool demo) UD_USE;

#endif
