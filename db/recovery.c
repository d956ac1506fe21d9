/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of hosts that are waited for, and of what they said. every tenant: all statements of this
 * file serve the installation.
 */
#include "db/recovery.h"

#include <string.h>

#include "db/conflicts.h"

enum { PAGE = 200, HOSTS = 1000, SKIP = 1 << 20 };

/* clang-format off */
static const struct ud_field host_fields[] = {
	UD_FIELD(ud_recovery_host, host_id,        .about = "Host that is waited for."),
	UD_FIELD(ud_recovery_host, name,           .about = "Its name."),
	UD_FIELD(ud_recovery_host, since,          .about = "Since when."),
	UD_FIELD(ud_recovery_host, heard_at,       .about = "When its agent told what its journal has; absent = not yet."),
	UD_FIELD(ud_recovery_host, stated_by_name, .about = "Who said first that it cannot be heard."),
	UD_FIELD(ud_recovery_host, waived_at,      .about = "When a second person said so: it is not waited for any more."),
	UD_FIELD(ud_recovery_host, waived_by_name, .about = "Who that was."),
};
/* clang-format on */
const struct ud_shape ud_recovery_host_shape = { UD_SHAPE(ud_recovery_host, host_fields),
	.bare = true };

/* ---- begin and end ---- */

enum ud_code ud_recovery_begin(struct ud_ctx *cx, bool *ret_begun)
{
	int64_t changes = 0;

	/* every tenant: it belongs to the installation */
	UD_TRY(ud_exec(cx, &changes,
		"UPDATE installation SET value = '2' WHERE key = 'recovery' AND value = '1'",
		UD_NO_VALS));
	*ret_begun = changes > 0;
	if (!*ret_begun)
		return UD_OK;
	/* every tenant: it belongs to the installation */
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE vms SET gate_before = lease_gate, lease_gate = 'recovering'"
		" WHERE lease_gate <> 'recovering'",
		UD_NO_VALS));
	/* every tenant: it belongs to the installation */
	UD_TRY(ud_exec(cx, NULL, "DELETE FROM recovery_heads", UD_NO_VALS));
	/* every tenant: it belongs to the installation */
	UD_TRY(ud_exec(cx, NULL, "DELETE FROM recovery_hosts", UD_NO_VALS));
	/* every tenant: who has no agent can neither be heard nor told anything */
	return ud_exec(cx, NULL,
		"INSERT INTO recovery_hosts(host_id, since) SELECT DISTINCT host_id, CAST($1 AS BIGINT)"
		" FROM agents"
		" WHERE state IN ('active', 'quarantined')",
		UD_VALS(ud_i(cx->now_ms)));
}

enum ud_code ud_recovery_on(struct ud_ctx *cx, bool *ret)
{
	int64_t one;

	/* every tenant: it belongs to the installation */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM installation WHERE key = 'recovery' AND value <> '0'", UD_NO_VALS);
}

enum ud_code ud_recovery_waits(struct ud_ctx *cx, bool *ret)
{
	int64_t one;

	/* every tenant: hosts carry VMs of several */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM recovery_hosts WHERE heard_at IS NULL AND waived_at IS NULL LIMIT 1",
		UD_NO_VALS);
}

enum ud_code ud_recovery_end(struct ud_ctx *cx, bool *ret_ended)
{
	int64_t changes = 0;

	/* every tenant: it belongs to the installation */
	UD_TRY(ud_exec(cx, &changes,
		"UPDATE installation SET value = '0' WHERE key = 'recovery' AND value = '2'"
		" AND NOT EXISTS (SELECT 1 FROM vms WHERE lease_gate = 'recovering')"
		" AND NOT EXISTS (SELECT 1 FROM recovery_hosts"
		" WHERE heard_at IS NULL AND waived_at IS NULL)",
		UD_NO_VALS));
	*ret_ended = changes > 0;
	return UD_OK;
}

/* ---- hearing ---- */

static bool claims(const struct ud_wire_head *h)
{
	return !h->breakglass && strcmp(h->role, "primary") == 0;
}

/* A primary of an epoch that is not ours, or not its. What break-glass took comes with its lease.
 */
static enum ud_code is_news(
	struct ud_ctx *cx, const char *host_id, const struct ud_wire_head *h, bool *ret)
{
	int64_t one;

	/* every tenant: hosts carry VMs of several */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM vms WHERE id = $1 AND lease_gate NOT IN ('recovering', 'conflict')"
		" AND (epoch < $2 OR cmd_seq < $3 OR (epoch = $2 AND host_id <> $4))",
		UD_VALS(ud_t(h->subject_id), ud_i(h->epoch), ud_i(h->seq), ud_t(host_id)));
}

enum ud_code ud_recovery_news(struct ud_ctx *cx, const char *host_id,
	const struct ud_wire_head *heads, size_t n, bool *ret)
{
	int64_t one;

	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_query_int(cx, ret, &one,
		"SELECT 1 FROM recovery_hosts WHERE host_id = $1 AND heard_at IS NULL",
		UD_VALS(ud_t(host_id))));
	for (size_t i = 0; i < n && !*ret; i++)
		if (claims(&heads[i]))
			UD_TRY(is_news(cx, host_id, &heads[i], ret));
	return UD_OK;
}

/* The VM's other hosts are asked as well; each answers with its next poll. */
static enum ud_code close_gate(struct ud_ctx *cx, const char *vm_id)
{
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE vms SET gate_before = lease_gate, lease_gate = 'recovering' WHERE id = $1",
		UD_VALS(ud_t(vm_id))));
	/* every tenant: hosts carry VMs of several */
	return ud_exec(cx, NULL,
		"INSERT INTO recovery_hosts(host_id, since) SELECT DISTINCT host_id, CAST($2 AS BIGINT)"
		" FROM agents"
		" WHERE state IN ('active', 'quarantined') AND (host_id IN"
		" (SELECT host_id FROM vms WHERE id = $1) OR host_id IN"
		" (SELECT source_host_id FROM replications WHERE vm_id = $1 AND wanted <> 'removed')"
		" OR host_id IN"
		" (SELECT target_host_id FROM replications WHERE vm_id = $1 AND wanted <> 'removed'))"
		" ON CONFLICT (host_id) DO UPDATE SET since = $2, heard_at = NULL, stated_by = NULL,"
		" stated_by_name = NULL, waived_at = NULL, waived_by_name = NULL",
		UD_VALS(ud_t(vm_id), ud_i(cx->now_ms)));
}

static enum ud_code keep_head(struct ud_ctx *cx, const char *host_id, const struct ud_wire_head *h)
{
	bool news = false;

	if (claims(h))
		UD_TRY(is_news(cx, host_id, h, &news));
	if (news)
		UD_TRY(close_gate(cx, h->subject_id));
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_exec(cx, NULL, "UPDATE vms SET cmd_seq = $2 WHERE id = $1 AND cmd_seq < $2",
		UD_VALS(ud_t(h->subject_id), ud_i(h->seq))));
	/* every tenant: its own number */
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE hosts SET cmd_seq = $2 WHERE id = $1 AND id = $3 AND cmd_seq < $2",
		UD_VALS(ud_t(h->subject_id), ud_i(h->seq), ud_t(host_id))));
	if (h->breakglass)
		return UD_OK;
	/* every tenant: hosts carry VMs of several */
	return ud_exec(cx, NULL,
		"INSERT INTO recovery_heads(vm_id, host_id, epoch, role)"
		" SELECT id, $2, CAST($3 AS BIGINT), $4 FROM vms WHERE id = $1 AND lease_gate = 'recovering'"
		" ON CONFLICT (vm_id, host_id) DO UPDATE SET epoch = $3, role = $4",
		UD_VALS(ud_t(h->subject_id), ud_t(host_id), ud_i(h->epoch), ud_t(h->role)));
}

enum ud_code ud_recovery_heard(
	struct ud_ctx *cx, const char *host_id, const struct ud_wire_head *heads, size_t n)
{
	for (size_t i = 0; i < n; i++)
		UD_TRY(keep_head(cx, host_id, &heads[i]));
	/* every tenant: hosts carry VMs of several */
	return ud_exec(cx, NULL,
		"UPDATE recovery_hosts SET heard_at = $2 WHERE host_id = $1 AND heard_at IS NULL",
		UD_VALS(ud_t(host_id), ud_i(cx->now_ms)));
}

/* ---- weighing ---- */

enum ud_code ud_recovery_ripe(
	struct ud_ctx *cx, const char *host_id, const char *after, struct ud_texts *ret_vms)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_vms = (struct ud_texts){ ud_alloc(cx->arena, PAGE * sizeof(char *)), 0 };
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_query(cx, &rows,
		"SELECT id FROM vms WHERE lease_gate = 'recovering' AND id > $1"
		" AND ($2 = '' OR host_id = $2 OR id IN"
		" (SELECT vm_id FROM recovery_heads WHERE host_id = $2) OR id IN"
		" (SELECT vm_id FROM replications WHERE wanted <> 'removed'"
		" AND (source_host_id = $2 OR target_host_id = $2)))"
		" AND NOT EXISTS (SELECT 1 FROM recovery_hosts h"
		" WHERE h.heard_at IS NULL AND h.waived_at IS NULL"
		" AND (h.host_id = vms.host_id OR h.host_id = vms.holder_host_id OR EXISTS"
		" (SELECT 1 FROM replications r WHERE r.vm_id = vms.id AND r.wanted <> 'removed'"
		" AND (r.source_host_id = h.host_id OR r.target_host_id = h.host_id))))"
		" ORDER BY id LIMIT 200",
		UD_VALS(ud_t(after), ud_t(host_id ? host_id : ""))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret_vms->items[ret_vms->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

static enum ud_code read_vm(struct ud_ctx *cx, const char *vm_id, struct ud_recovery_verdict *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool found = false;

	*ret = (struct ud_recovery_verdict){ 0 };
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_query(cx, &rows, "SELECT epoch, host_id, customer_id FROM vms WHERE id = $1",
		UD_VALS(ud_t(vm_id))));
	UD_TRY(ud_next(cx, rows, &found));
	if (!found)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no such VM.");
	ret->epoch = ret->newest = ud_col_int(rows, 0);
	ret->owner = ud_col_dup(cx, rows, 1);
	ret->customer_id = ud_col_dup(cx, rows, 2);
	return ud_next(cx, rows, &found);
}

enum ud_code ud_recovery_weigh(
	struct ud_ctx *cx, const char *vm_id, struct ud_recovery_verdict *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	const char *ours, *claimant = NULL;
	bool more = false;

	UD_TRY(read_vm(cx, vm_id, ret));
	ours = ret->owner;
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_query(cx, &rows,
		"SELECT epoch, host_id, role FROM recovery_heads WHERE vm_id = $1"
		" AND epoch >= $2 ORDER BY epoch DESC",
		UD_VALS(ud_t(vm_id), ud_i(ret->epoch))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more && ud_col_int(rows, 0) >= ret->newest) {
		ret->newest = ud_col_int(rows, 0);
		if (strcmp(ud_col_text(rows, 2), "primary") == 0) {
			claimant = ud_col_dup(cx, rows, 1);
			ret->contenders++;
		}
		UD_TRY(ud_next(cx, rows, &more));
	}
	/* under our own epoch the row says whose it is, and another who says so is a second one */
	if (ret->newest == ret->epoch && claimant && ours && strcmp(claimant, ours) != 0)
		ret->contenders = 2;
	if (ret->newest > ret->epoch || ret->contenders > 1)
		ret->owner = ret->contenders == 1 ? claimant : NULL;
	return UD_OK;
}

/* ---- settling ---- */

enum ud_code ud_recovery_open(struct ud_ctx *cx, const char *vm_id)
{
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_exec(cx, NULL, "UPDATE vms SET lease_gate = gate_before WHERE id = $1",
		UD_VALS(ud_t(vm_id))));
	/* a step whose answer came meanwhile was not moved by it: its time is up, and it is tried
	 * again. every tenant: hosts carry VMs of several */
	return ud_exec(cx, NULL,
		"UPDATE workflows SET deadline_at = $2, wake_at = $2 WHERE vm_id = $1"
		" AND state = 'running' AND seq IS NOT NULL AND NOT EXISTS"
		" (SELECT 1 FROM commands WHERE subject_id = $1 AND commands.seq = workflows.seq"
		" AND commands.state IN ('queued', 'delivered'))",
		UD_VALS(ud_t(vm_id), ud_i(cx->now_ms)));
}

enum ud_code ud_recovery_adopt(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, int64_t epoch)
{
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_exec(cx, NULL, "UPDATE epoch_claims SET settled = 1 WHERE vm_id = $1",
		UD_VALS(ud_t(vm_id))));
	/* every tenant: hosts carry VMs of several */
	return ud_exec(cx, NULL,
		"UPDATE vms SET epoch = $2, host_id = $3, lease_gate = 'open',"
		" version = version + 1, updated_at = $4 WHERE id = $1",
		UD_VALS(ud_t(vm_id), ud_i(epoch), ud_t(host_id), ud_i(cx->now_ms)));
}

enum ud_code ud_recovery_dispute(struct ud_ctx *cx, const char *vm_id, int64_t epoch)
{
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_exec(cx, NULL,
		"INSERT INTO epoch_claims(vm_id, host_id, epoch, claimed_at, settled)"
		" SELECT vm_id, host_id, epoch, CAST($3 AS BIGINT), 0 FROM recovery_heads"
		" WHERE vm_id = $1 AND epoch >= $2 ON CONFLICT (vm_id, host_id)"
		" DO UPDATE SET epoch = excluded.epoch, claimed_at = $3, settled = 0",
		UD_VALS(ud_t(vm_id), ud_i(epoch), ud_i(cx->now_ms))));
	return ud_lease_gate_set(cx, vm_id, UD_GATE_CONFLICT);
}

/* ---- people ---- */

enum ud_code ud_recovery_hosts(struct ud_ctx *cx, struct ud_recovery_host **ret, size_t *ret_n)
{
	struct ud_recovery_host *all = ud_alloc(cx->arena, HOSTS * sizeof(*all));
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = all;
	*ret_n = 0;
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_query(cx, &rows,
		"SELECT r.host_id, hosts.name, r.since, r.heard_at, r.waived_at, r.stated_by_name,"
		" r.waived_by_name FROM recovery_hosts r JOIN hosts ON hosts.id = r.host_id"
		" ORDER BY CASE WHEN r.heard_at IS NULL AND r.waived_at IS NULL THEN 0 ELSE 1 END,"
		" hosts.name LIMIT 1000",
		UD_NO_VALS));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		all[(*ret_n)++] = (struct ud_recovery_host){ .host_id = ud_col_dup(cx, rows, 0),
			.name = ud_col_dup(cx, rows, 1),
			.since.ms = ud_col_int(rows, 2),
			.heard_at.ms = ud_col_null(rows, 3) ? UD_NONE : ud_col_int(rows, 3),
			.waived_at.ms = ud_col_null(rows, 4) ? UD_NONE : ud_col_int(rows, 4),
			.stated_by_name = ud_col_dup(cx, rows, 5),
			.waived_by_name = ud_col_dup(cx, rows, 6) };
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_recovery_held(struct ud_ctx *cx, int64_t *ret)
{
	bool found;

	/* every tenant: a number, and no names */
	return ud_query_int(cx, &found, ret,
		"SELECT COUNT(*) FROM vms WHERE lease_gate = 'recovering'", UD_NO_VALS);
}

/* The second word. */
static enum ud_code go_on_without(struct ud_ctx *cx, const char *host_id)
{
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE recovery_hosts SET waived_at = $2, waived_by_name = $3 WHERE host_id = $1",
		UD_VALS(ud_t(host_id), ud_i(cx->now_ms), ud_t(cx->scope->name))));
	/* every tenant: any of them may have been the host's */
	return ud_exec(cx, NULL, "UPDATE vms SET epoch_skip = $1 WHERE lease_gate = 'recovering'",
		UD_VALS(ud_i(SKIP)));
}

enum ud_code ud_recovery_waive(struct ud_ctx *cx, const char *host_id, bool *ret_effective)
{
	const char *first = NULL;
	bool found = false;

	*ret_effective = false;
	/* every tenant: hosts carry VMs of several */
	UD_TRY(ud_query_text(cx, &found, &first,
		"SELECT COALESCE(stated_by, '') FROM recovery_hosts WHERE host_id = $1"
		" AND heard_at IS NULL AND waived_at IS NULL",
		UD_VALS(ud_t(host_id))));
	if (!found)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "This host is not waited for.");
	if (strcmp(first, cx->scope->id) == 0)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "You have said so; somebody else must, too.");
	*ret_effective = *first;
	if (*ret_effective)
		return go_on_without(cx, host_id);
	/* every tenant: hosts carry VMs of several */
	return ud_exec(cx, NULL,
		"UPDATE recovery_hosts SET stated_by = $2, stated_by_name = $3 WHERE host_id = $1",
		UD_VALS(ud_t(host_id), ud_t(cx->scope->id), ud_t(cx->scope->name)));
}
