/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a statement together from constants of shapes: fixed room, no heap. For db/ alone.
 * Nothing a caller sent ever enters the text; values go into the parameters beside it.
 */
#ifndef DB_SQL_H
#define DB_SQL_H

#include "db/engine/engine.h"

enum { UD_SQL_TEXT = 16384, UD_SQL_VALS = 99 };

struct ud_sql {
	char text[UD_SQL_TEXT];
	size_t len;
	struct ud_val vals[UD_SQL_VALS];
	size_t count;
};

/* Start anew. */
void ud_sql_clear(struct ud_sql *s);
/* Append constant text; aborts when it does not fit (a bug: shapes are bounded). */
void ud_sql_add(struct ud_sql *s, const char *text);
/* Append "$n" for a new parameter. */
void ud_sql_val(struct ud_sql *s, struct ud_val v);

#endif
