/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements over the rows of a demo. They name the label, so that they never touch another row.
 */
#include "db/demo.h"

#include <string.h>

#include "db/installation.h"

enum { HOUR_MS = 3600 * 1000, TICK_MS = 30000 };

enum ud_code ud_demo_installation(struct ud_ctx *cx, bool *ret)
{
	const char *value = NULL;
	bool found = false;

	UD_TRY(ud_installation_get(cx, "demo", &found, &value));
	*ret = found && strcmp(value, "1") == 0;
	return UD_OK;
}

enum ud_code ud_demo_loaded(struct ud_ctx *cx, bool *ret)
{
	const char *value = NULL;

	return ud_installation_get(cx, "demo_seed", ret, &value);
}

enum ud_code ud_demo_keep_seed(struct ud_ctx *cx, int64_t seed)
{
	return ud_installation_set(cx, "demo_seed", ud_printf(cx->arena, "%lld", (long long)seed));
}

enum ud_code ud_demo_others(struct ud_ctx *cx, int64_t *ret)
{
	bool found;

	/* every tenant: one real customer is reason enough to keep a demo out */
	return ud_query_int(cx, &found, ret, "SELECT COUNT(*) FROM customers WHERE labels <> $1",
		UD_VALS(ud_t(UD_DEMO_LABELS)));
}

/*
 * A minute's age is between no time and one interval and a bit, by a number that looks like chance
 * and is none; while the copies stand still it grows by a minute each.
 */
enum ud_code ud_demo_minutes(struct ud_ctx *cx, const struct ud_demo_ledger *l)
{
	/* every tenant: rows that the caller has just made */
	return ud_exec(cx, NULL,
		"WITH RECURSIVE minutes(n) AS (SELECT CAST($3 AS BIGINT) UNION ALL"
		" SELECT n + 1 FROM minutes WHERE n + 1 < $4)"
		" INSERT INTO replication_minutes(replication_id, minute, customer_id, age_ms,"
		" target_seconds, state, cycles_total, cycles_missed, latency_ms, pending_bytes,"
		" bytes_sent)"
		" SELECT $1, n, $2,"
		" CASE WHEN n >= $7 AND n < $8 THEN (n - $7 + 1) * 60000 + $5 * 500"
		" ELSE 1500 + (n * 7919 % 1000) * $5 END,"
		" $6, CASE WHEN n >= $7 AND n < $8 THEN 'error' ELSE 'replicating' END,"
		" (n - $3) * 60 / $5, CASE WHEN n < $7 THEN 0 WHEN n < $8 THEN (n - $7) * 60 / $5"
		" ELSE ($8 - $7) * 60 / $5 END,"
		" 400 + n * 613 % 900, n * 15485863 % 4194304, (n - $3) * 1572864 FROM minutes",
		UD_VALS(ud_t(l->replication_id), ud_t(l->customer_id), ud_i(l->from),
			ud_i(l->until), ud_i(l->interval_seconds), ud_i(l->target_seconds),
			ud_i(l->broken_from), ud_i(l->broken_until)));
}

enum ud_code ud_demo_see(struct ud_ctx *cx, int64_t before_ms)
{
	/* every tenant: all people of the demo */
	return ud_exec(cx, NULL,
		"UPDATE notifications SET seen = 1 WHERE created_at < $1"
		" AND user_id IN (SELECT id FROM users WHERE labels = $2)",
		UD_VALS(ud_i(before_ms), ud_t(UD_DEMO_LABELS)));
}

static enum ud_code beat_hosts(struct ud_ctx *cx)
{
	/* every tenant: hosts and agents belong to none */
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE hosts SET heartbeat_at = $1"
		" WHERE labels = $2 AND state IN ('active', 'maintenance')",
		UD_VALS(ud_i(cx->now_ms), ud_t(UD_DEMO_LABELS))));
	/* every tenant: the same */
	return ud_exec(cx, NULL,
		"UPDATE agents SET last_seen_at = $1 WHERE labels = $2 AND host_id IN"
		" (SELECT id FROM hosts WHERE state IN ('active', 'maintenance'))",
		UD_VALS(ud_i(cx->now_ms), ud_t(UD_DEMO_LABELS)));
}

/*
 * Counters that grow by a steady part, a part that comes and goes with the tick, and a rest that
 * looks like chance. WAVE goes up and down by one with each tick, turning after half its ticks.
 */
#define WAVE(shift, ticks)                                                                    \
	"(CASE WHEN (n + k * " shift ") % " ticks " < " ticks " / 2"                          \
	" THEN (n + k * " shift ") % " ticks " ELSE " ticks " - (n + k * " shift ") % " ticks \
	" END)"

/* Figures of the VMs that run, for each tick after the newest one. */
static enum ud_code beat_vms(struct ud_ctx *cx)
{
	int64_t now = cx->now_ms / TICK_MS, from = now - HOUR_MS / TICK_MS, newest = 0;
	bool found;

	/* every tenant: VMs of the demo */
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE vms SET observed_at = $1 WHERE labels = $2 AND host_id IN"
		" (SELECT id FROM hosts WHERE state IN ('active', 'maintenance'))",
		UD_VALS(ud_i(cx->now_ms), ud_t(UD_DEMO_LABELS))));
	/* every tenant: an installation for a demo has no others */
	UD_TRY(ud_query_int(cx, &found, &newest, "SELECT MAX(taken_at) FROM samples", NULL, 0));
	newest /= TICK_MS;
	/* every tenant: VMs of the demo */
	return newest >= now
		? UD_OK
		: ud_exec(cx, NULL,
			  "WITH RECURSIVE ticks(n) AS (SELECT CAST($1 AS BIGINT) UNION ALL"
			  " SELECT n + 1 FROM ticks WHERE n < $2)"
			  " INSERT INTO samples(vm_id, taken_at, mono_ms, cpu_ns, memory_used_bytes,"
			  " disk_read_bytes, disk_write_bytes, disk_reads, disk_writes, net_receive_bytes,"
			  " net_send_bytes)"
			  " SELECT id, n * $3, n * $3,"
			  " (1 + k % 3) * (20 * n + 9 * " WAVE("17", "40") " + 5 * " WAVE("5",
				  "14") " + (n * 7919 + k) % 6) * 300000000,"
					" memory_bytes / 100 * (50 + k % 30 + (n / 4 + k) % 6),"
					" (3 * n + 2 * " WAVE("11",
						"50") ") * 4000000 + (n * 7919 + k) % 4 * 1000000,"
						      " (3 * n + 2 * " WAVE("3",
							      "24") ") * 6000000 + (n * 104729 + k) % 5 * 1000000,"
								    " (3 * n + 2 * " WAVE("11",
									    "50") ") * 250,"
										  " (3 * n + 2 * " WAVE(
											  "3",
											  "24") ") * 380,"
												" (4 * n + 3 * " WAVE(
													"23",
													"60") ") * 5000000 + (n * 7919 + k) % 6 * 900000,"
													      " (4 * n + 3 * " WAVE(
														      "7",
														      "36") ") * 8000000 + (n * 104729 + k) % 8 * 900000"
															    " FROM ticks CROSS JOIN (SELECT id, memory_bytes,"
															    " ROW_NUMBER() OVER (ORDER BY id) AS k FROM vms"
															    " WHERE labels = $4 AND power = 'running') AS running"
															    " WHERE n > 0 ON CONFLICT DO NOTHING",
			  UD_VALS(ud_i(newest + 1 > from ? newest + 1 : from), ud_i(now),
				  ud_i(TICK_MS), ud_t(UD_DEMO_LABELS)));
}

enum ud_code ud_demo_beat(struct ud_ctx *cx)
{
	UD_TRY(beat_hosts(cx));
	UD_TRY(beat_vms(cx));
	/* every tenant: ends of the demo's relations; those that work begin a cycle per interval */
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE replication_ends SET newest_point_age_ms = 1500 + (SELECT"
		" ($1 + r.created_at / 60000 * 7919) % (1000 * r.schedule_interval_seconds)"
		" FROM replications r WHERE r.id = replication_id),"
		" cycles_total = cycles_total + CASE WHEN $1 - observed_at > 60000 THEN 1 ELSE 0 END"
		" WHERE state = 'replicating' AND error IS NULL"
		" AND replication_id IN (SELECT id FROM replications WHERE labels = $2)",
		UD_VALS(ud_i(cx->now_ms), ud_t(UD_DEMO_LABELS))));
	/* every tenant: the others grow older */
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE replication_ends SET"
		" newest_point_age_ms = newest_point_age_ms + $1 - observed_at"
		" WHERE NOT (state = 'replicating' AND error IS NULL)"
		" AND replication_id IN (SELECT id FROM replications WHERE labels = $2)",
		UD_VALS(ud_i(cx->now_ms), ud_t(UD_DEMO_LABELS))));
	/* every tenant: all of them tell */
	return ud_exec(cx, NULL,
		"UPDATE replication_ends SET observed_at = $1"
		" WHERE replication_id IN (SELECT id FROM replications WHERE labels = $2)",
		UD_VALS(ud_i(cx->now_ms), ud_t(UD_DEMO_LABELS)));
}

static void read_stale(struct ud_ctx *cx, const ud_rows *rows, struct ud_demo_stale *s)
{
	*s = (struct ud_demo_stale){ .replication_id = ud_col_dup(cx, rows, 0),
		.customer_id = ud_col_dup(cx, rows, 1),
		.vm_id = ud_col_dup(cx, rows, 2),
		.host_id = ud_col_dup(cx, rows, 3),
		.newest_id = ud_col_dup(cx, rows, 4),
		.number = ud_col_int(rows, 5),
		.epoch = ud_col_int(rows, 6),
		.kept = ud_col_int(rows, 7) };
}

enum ud_code ud_demo_stale(struct ud_ctx *cx, size_t max, struct ud_demo_stale *ret, size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_n = 0;
	/* every tenant: the demo's relations that work */
	UD_TRY(ud_query(cx, &rows,
		"SELECT r.id, r.customer_id, r.vm_id, r.target_host_id, p.id, p.number, p.epoch,"
		" r.recovery_points_kept FROM replications r"
		" JOIN recovery_points p ON p.replication_id = r.id"
		" WHERE r.labels = $1 AND r.state = 'replicating' AND r.error IS NULL"
		" AND p.taken_at < $2 AND p.number ="
		" (SELECT MAX(q.number) FROM recovery_points q WHERE q.replication_id = r.id)"
		" ORDER BY r.id LIMIT 32",
		UD_VALS(ud_t(UD_DEMO_LABELS), ud_i(cx->now_ms - HOUR_MS))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more && *ret_n < max) {
		read_stale(cx, rows, &ret[(*ret_n)++]);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_demo_drop_points(
	struct ud_ctx *cx, const char *replication_id, int64_t up_to_number)
{
	/* every tenant: a relation of the demo */
	return ud_exec(cx, NULL,
		"DELETE FROM recovery_points WHERE replication_id = $1 AND number <= $2"
		" AND pinned = 0 AND labels = $3",
		UD_VALS(ud_t(replication_id), ud_i(up_to_number), ud_t(UD_DEMO_LABELS)));
}
