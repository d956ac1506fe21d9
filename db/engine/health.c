/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each finding is one query that answers one text, and what that text should be.
 */
#include "db/engine/health.h"

#include <string.h>

struct question {
	const struct ud_engine *engine;
	const char *what, *sql;
	const char *wanted; /* NULL: nothing is asked for, it is only told */
};

static const struct question questions[] = {
	{ &ud_engine_sqlite, "integrity_check", "PRAGMA integrity_check(1)", "ok" },
	{ &ud_engine_sqlite, "rows that refer to nothing",
		"SELECT CAST(COUNT(*) AS TEXT) FROM pragma_foreign_key_check", "0" },
	{ &ud_engine_postgresql, "data_checksums", "SHOW data_checksums", "on" },
	{ &ud_engine_postgresql, "fsync", "SHOW fsync", "on" },
	{ &ud_engine_postgresql, "full_page_writes", "SHOW full_page_writes", "on" },
	{ &ud_engine_postgresql, "invalid indexes",
		"SELECT COUNT(*)::text FROM pg_index WHERE NOT indisvalid", "0" },
	{ &ud_engine_postgresql, "synchronous_standby_names", "SHOW synchronous_standby_names",
		NULL },
};
_Static_assert(UD_LEN(questions) <= UD_FINDINGS_MAX, "room for all findings");

enum ud_code ud_health_check(struct ud_ctx *cx, struct ud_health *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < UD_LEN(questions); i++) {
		const struct question *q = &questions[i];
		const char *found = "";
		bool there;

		if (q->engine != cx->conn->engine)
			continue;
		UD_TRY(ud_query_text(cx, &there, &found, q->sql, UD_NO_VALS));
		ret->findings[ret->count++] = (struct ud_finding){
			.good = !q->wanted || strcmp(found, q->wanted) == 0,
			.what = q->what,
			.found = *found ? found : "none",
		};
	}
	return UD_OK;
}
