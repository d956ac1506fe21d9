/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rule C: never work on a database that is older than one we saw.
 */
#include "db/engine/history.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/file.h"

enum { FILE_MAX = 256 };

struct history {
	char system[32]; /* of a PostgreSQL cluster; "-" for SQLite */
	long long timeline, generation;
};

/* The timeline is that of the log being written: the last checkpoint's may still be the old one
 * after a promotion. */
static enum ud_code read_cluster(struct ud_ctx *cx, struct history *ret)
{
	const char *text = "";
	bool found;

	UD_TRY(ud_query_text(cx, &found, &text,
		"SELECT system_identifier::text FROM pg_control_system()", UD_NO_VALS));
	snprintf(ret->system, sizeof(ret->system), "%s", text);
	UD_TRY(ud_query_text(cx, &found, &text,
		"SELECT SUBSTR(pg_walfile_name(pg_current_wal_lsn()), 1, 8)", UD_NO_VALS));
	ret->timeline = strtoll(text, NULL, 16);
	return UD_OK;
}

static enum ud_code read_database(struct ud_ctx *cx, struct history *ret)
{
	const char *text = "0";
	bool found;

	*ret = (struct history){ .system = "-" };
	if (cx->conn->engine == &ud_engine_postgresql)
		UD_TRY(read_cluster(cx, ret));
	UD_TRY(ud_query_text(cx, &found, &text,
		"SELECT value FROM installation WHERE key = 'generation'", UD_NO_VALS));
	ret->generation = strtoll(text, NULL, 10);
	return UD_OK;
}

static enum ud_code read_file(
	struct ud_ctx *cx, const char *path, bool *ret_there, struct history *ret)
{
	char *text = NULL;
	size_t n;
	int why = cx->env->files->read(path, FILE_MAX, &text, &n);

	*ret_there = why == 0;
	if (why == ENOENT)
		return UD_OK;
	if (why)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", path, strerror(why));
	int fields = sscanf(text, "%31s %lld %lld", ret->system, &ret->timeline, &ret->generation);

	ud_free(text);
	return fields == 3 ? UD_OK : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s is damaged", path);
}

static enum ud_code write_file(struct ud_ctx *cx, const char *path, const struct history *h)
{
	const char *text =
		ud_printf(cx->arena, "%s %lld %lld\n", h->system, h->timeline, h->generation);

	return ud_file_write(cx, path, text, strlen(text), 0600);
}

enum ud_code ud_history_check(struct ud_ctx *cx, const char *path)
{
	struct history now = { 0 }, seen = { 0 };
	bool there;

	UD_TRY(read_database(cx, &now));
	UD_TRY(read_file(cx, path, &there, &seen));
	if (!there)
		return write_file(cx, path, &now);
	bool same = strcmp(now.system, seen.system) == 0;

	if (now.generation < seen.generation)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"the database is of generation %lld, %s has seen %lld: this is an old copy",
			now.generation, path, seen.generation);
	if (!same && now.generation == seen.generation)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"this is another database than before (%s); remove the file only if nothing was lost on the way here",
			path);
	if (same && now.timeline < seen.timeline)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"the database is on timeline %lld, %s has seen %lld: this is an old primary",
			now.timeline, path, seen.timeline);
	if (same && now.timeline == seen.timeline && now.generation == seen.generation)
		return UD_OK;
	return write_file(cx, path, &now);
}

enum ud_code ud_history_generation(struct ud_ctx *cx, const char *path, int64_t *ret)
{
	struct history seen = { 0 };
	bool there;

	UD_TRY(read_file(cx, path, &there, &seen));
	*ret = seen.generation;
	return UD_OK;
}
