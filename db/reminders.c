/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions to the rows, one statement each. Every tenant's, all of them: the clock is the same for
 * all.
 */
#include "db/reminders.h"

#define DAY_MS INT64_C(86400000)
enum { BATCH = 100 };

static const char *const names[] = { "window", "return", "week" };
_Static_assert(UD_LEN(names) == UD_REMINDER_COUNT, "a name for every reminder");

/* The VMs are still where the run has brought them. */
#define AWAY                                                             \
	"EXISTS (SELECT 1 FROM workflows w JOIN vms v ON v.id = w.vm_id" \
	" WHERE w.failover_id = f.id AND w.state IN ('done', 'waived')"  \
	" AND w.committed_at IS NOT NULL AND v.host_id = w.target_host_id)"
#define UNSAID(what) \
	"NOT EXISTS (SELECT 1 FROM reminders r WHERE r.failover_id = f.id AND r.what = '" what "')"

/* $1 = now; every tenant: see above */
static const char *const due_sql[] = {
	[UD_REMIND_WINDOW] = "SELECT f.id FROM failovers f WHERE f.window_ends_at <= $1"
			     " AND f.started_at IS NOT NULL AND (f.ended_at IS NULL OR " AWAY
			     ") AND " UNSAID("window") " ORDER BY f.id LIMIT 100",
	[UD_REMIND_RETURN] =
		"SELECT f.id FROM failovers f WHERE f.window_ends_at - 86400000 <= $1"
		" AND f.reason_code = 'compliance_rotation' AND f.state IN ('protected', 'solved')"
		" AND " AWAY " AND " UNSAID("return") " ORDER BY f.id LIMIT 100",
	[UD_REMIND_WEEK] =
		"SELECT f.id FROM failovers f WHERE f.state = 'committed_unprotected'"
		" AND COALESCE((SELECT r.told_at FROM reminders r WHERE r.failover_id = f.id"
		" AND r.what = 'week'), (SELECT MAX(w.committed_at) FROM workflows w"
		" WHERE w.failover_id = f.id)) + 604800000 <= $1 ORDER BY f.id LIMIT 100",
};

enum ud_code ud_reminders_due(struct ud_ctx *cx, enum ud_reminder what, struct ud_texts *ret)
{
	return ud_query_texts(cx, BATCH, ret, due_sql[what], UD_VALS(ud_i(cx->now_ms)));
}

enum ud_code ud_reminder_given(struct ud_ctx *cx, enum ud_reminder what, const char *failover_id)
{
	/* every tenant: the run was read before */
	return ud_exec(cx, NULL,
		"INSERT INTO reminders(failover_id, what, told_at) VALUES ($1, $2, $3)"
		" ON CONFLICT (failover_id, what) DO UPDATE SET told_at = excluded.told_at",
		UD_VALS(ud_t(failover_id), ud_t(names[what]), ud_i(cx->now_ms)));
}

/* ---- VMs ---- */

/* When a VM's last failover of kind $2 ended well, or its protection began. */
#define SINCE                                                                \
	"COALESCE((SELECT MAX(f.ended_at) FROM workflows w JOIN failovers f" \
	" ON f.id = w.failover_id WHERE w.vm_id = v.id AND f.kind = $2"      \
	" AND w.state = 'done' AND f.state IN ('protected', 'solved')"       \
	" AND (f.kind <> 'test' OR f.verdict = 'passed')), p.seeded_at)"
#define PROTECTED                                                           \
	"vms v JOIN replications p ON p.vm_id = v.id AND p.leg = 'primary'" \
	" AND p.wanted = 'active' AND p.seeded_at IS NOT NULL"

enum ud_code ud_drills_overdue(struct ud_ctx *cx, enum ud_failover_kind kind, int64_t days,
	struct ud_drill_due *ret, size_t *ret_count)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_count = 0;
	/* every tenant: see above */
	UD_TRY(ud_query(cx, &rows,
		"SELECT v.id, v.name, v.customer_id FROM " PROTECTED
		" WHERE v.customer_id IS NOT NULL AND " SINCE " + $3 <= $1"
		" AND NOT EXISTS (SELECT 1 FROM drill_notices n WHERE n.vm_id = v.id"
		" AND n.kind = $2 AND n.told_at > " SINCE ")"
		" AND NOT EXISTS (SELECT 1 FROM recovery_plans q WHERE $2 = 'test'"
		" AND q.customer_id = v.customer_id AND q.drill_interval_days IS NOT NULL"
		" AND q.members LIKE '%' || v.id || '%')"
		" ORDER BY v.customer_id, v.name, v.id LIMIT 200",
		UD_VALS(ud_i(cx->now_ms), ud_t(ud_failover_kinds.names[kind]),
			ud_i(days * DAY_MS))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more && *ret_count < UD_DRILLS_DUE) {
		ret[(*ret_count)++] = (struct ud_drill_due){ ud_col_dup(cx, rows, 0),
			ud_col_dup(cx, rows, 1), ud_col_dup(cx, rows, 2) };
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_drill_told(struct ud_ctx *cx, const struct ud_drill_due *due,
	enum ud_failover_kind kind, const char *ticket_id)
{
	/* every tenant: see above */
	return ud_exec(cx, NULL,
		"INSERT INTO drill_notices(vm_id, kind, customer_id, ticket_id, told_at)"
		" VALUES ($1, $2, $3, $4, $5) ON CONFLICT (vm_id, kind) DO UPDATE"
		" SET customer_id = excluded.customer_id, ticket_id = excluded.ticket_id,"
		" told_at = excluded.told_at, escalated_at = NULL",
		UD_VALS(ud_t(due->vm_id), ud_t(ud_failover_kinds.names[kind]),
			ud_t(due->customer_id), ud_t(ticket_id), ud_i(cx->now_ms)));
}

enum ud_code ud_drills_late(
	struct ud_ctx *cx, enum ud_failover_kind kind, int64_t days, struct ud_texts *ret)
{
	/* every tenant: see above */
	return ud_query_texts(cx, BATCH, ret,
		"SELECT DISTINCT n.ticket_id FROM " PROTECTED
		" JOIN drill_notices n ON n.vm_id = v.id WHERE n.kind = $2 AND n.escalated_at IS NULL"
		" AND n.told_at > " SINCE " AND " SINCE " + $3 <= $1 LIMIT 100",
		UD_VALS(ud_i(cx->now_ms), ud_t(ud_failover_kinds.names[kind]),
			ud_i(days * DAY_MS)));
}

enum ud_code ud_drill_escalated(struct ud_ctx *cx, const char *ticket_id)
{
	/* every tenant: see above */
	return ud_exec(cx, NULL, "UPDATE drill_notices SET escalated_at = $2 WHERE ticket_id = $1",
		UD_VALS(ud_t(ticket_id), ud_i(cx->now_ms)));
}
