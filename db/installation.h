/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few things that hold for a database as a whole: its generation, whether it is a demo, and the
 * sealed keys of its authority. For server/admin and server/agents.
 */
#ifndef DB_INSTALLATION_H
#define DB_INSTALLATION_H

#include "db/engine/engine.h"

/*
 * Take a migrated database for a new installation, within the caller's transaction.
 * UD_E_INVALID_STATE when people are in it already.
 */
enum ud_code ud_installation_begin(struct ud_ctx *cx, bool demo) UD_USE;
/* The value of a key; *ret_found false = it has none. */
enum ud_code ud_installation_get(
	struct ud_ctx *cx, const char *key, bool *ret_found, const char **ret) UD_USE;
/* Give a key its value, once: UD_E_ALREADY_EXISTS when it has one. */
enum ud_code ud_installation_set(struct ud_ctx *cx, const char *key, const char *value) UD_USE;
/* The manifest of the newest copy that understudyd backup has made (JSON). */
extern const char ud_installation_last_backup[];
/* Keep it in place of the one before; opens a transaction of its own. */
enum ud_code ud_installation_backed_up(struct ud_ctx *cx, const char *manifest) UD_USE;

#endif
