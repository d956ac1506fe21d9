/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the database itself in order? Whole files on SQLite, safe settings on PostgreSQL. For
 * understudyd doctor; the schema and what is in it are looked at elsewhere.
 */
#ifndef DB_ENGINE_HEALTH_H
#define DB_ENGINE_HEALTH_H

#include "db/engine/engine.h"

struct ud_finding {
	bool good;
	const char *what, *found; /* "integrity_check", "ok" */
};

enum { UD_FINDINGS_MAX = 8 };

struct ud_health {
	struct ud_finding findings[UD_FINDINGS_MAX];
	size_t count;
};

/* Look at the database on cx->conn. SQLite's checks read all of it. Texts in cx->arena. Codes as
 * queries. */
enum ud_code ud_health_check(struct ud_ctx *cx, struct ud_health *ret) UD_USE;

#endif
