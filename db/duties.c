/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per duty.
 */
#include "db/duties.h"

enum ud_code ud_duty_elsewhere(struct ud_ctx *cx, const char *name, const char *owner, bool *ret)
{
	int64_t one;

	/* every tenant: a duty is no tenant's */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM duties WHERE name = $1 AND owner <> $2 AND owned_until >= $3",
		UD_VALS(ud_t(name), ud_t(owner), ud_i(cx->now_ms)));
}

enum ud_code ud_duty_take(
	struct ud_ctx *cx, const char *name, const char *owner, int64_t claim_ms, bool *ret_mine)
{
	int64_t fence;

	/* every tenant: a duty is no tenant's */
	return ud_query_int(cx, ret_mine, &fence,
		"INSERT INTO duties(name, owner, owned_until, fence) VALUES ($1, $2, $4, 1)"
		" ON CONFLICT (name) DO UPDATE SET owner = $2, owned_until = $4,"
		" fence = duties.fence + CASE WHEN duties.owner = $2 THEN 0 ELSE 1 END"
		" WHERE duties.owner = $2 OR duties.owned_until < $3 RETURNING fence",
		UD_VALS(ud_t(name), ud_t(owner), ud_i(cx->now_ms), ud_i(cx->now_ms + claim_ms)));
}
