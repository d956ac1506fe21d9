/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first rows of a database.
 */
#include "db/installation.h"

/* every tenant: a database is in use when anybody is in it; the rest belongs to nobody */
enum ud_code ud_installation_begin(struct ud_ctx *cx, bool demo)
{
	int64_t people;
	bool found;

	UD_TRY(ud_query_int(cx, &found, &people, "SELECT COUNT(*) FROM users", UD_NO_VALS));
	if (people > 0)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "the database is in use already");
	return ud_exec(cx, NULL,
		"INSERT INTO installation(key, value) VALUES ('generation', '1'), ('demo', $1)",
		UD_VALS(ud_t(demo ? "1" : "0")));
}

enum ud_code ud_installation_get(
	struct ud_ctx *cx, const char *key, bool *ret_found, const char **ret)
{
	/* every tenant: it belongs to the installation */
	return ud_query_text(cx, ret_found, ret, "SELECT value FROM installation WHERE key = $1",
		UD_VALS(ud_t(key)));
}

enum ud_code ud_installation_set(struct ud_ctx *cx, const char *key, const char *value)
{
	/* every tenant: it belongs to the installation */
	return ud_exec(cx, NULL, "INSERT INTO installation(key, value) VALUES ($1, $2)",
		UD_VALS(ud_t(key), ud_t(value)));
}

const char ud_installation_last_backup[] = "last_backup";

enum ud_code ud_installation_backed_up(struct ud_ctx *cx, const char *manifest)
{
	UD_TRY(ud_begin(cx, true));
	/* every tenant: it belongs to the installation */
	enum ud_code code = ud_exec(cx, NULL,
		"INSERT INTO installation(key, value) VALUES ($1, $2)"
		" ON CONFLICT(key) DO UPDATE SET value = $2",
		UD_VALS(ud_t(ud_installation_last_backup), ud_t(manifest)));

	if (code == UD_OK)
		return ud_commit(cx);
	ud_rollback(cx);
	return code;
}
