/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of replications, what their ends told, and what replication asks of VMs and
 * hosts.
 */
#include "db/replications.h"

#include <string.h>

static const char *const health_names[] = { "not_applicable", "normal", "warning", "critical" };
const struct ud_enum ud_replication_healths = { "replication_health", health_names,
	UD_LEN(health_names) };

enum { WINDOWS = 4096, DISKS = 64 };
static const int64_t rate_max = INT64_C(1) << 40;

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_replication, vm_id,                      .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .refers = "vm", .about = "VM that is copied."),
	UD_FIELD(ud_replication, leg,                        .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_legs, .about = "First copy, or the copy of a copy at a third host."),
	UD_FIELD(ud_replication, parent_id,                  .flags = UD_SERVER | UD_FILTER, .refers = "rpl", .about = "Of the extended leg: the replication that it continues."),
	UD_FIELD(ud_replication, policy_id,                  .flags = UD_SERVER | UD_FILTER, .refers = "pol", .about = "Policy it was made with."),
	UD_FIELD(ud_replication, source_host_id,             .flags = UD_SERVER | UD_FILTER, .about = "Host it is copied from."),
	UD_FIELD(ud_replication, target_host_id,             .flags = UD_SERVER | UD_FILTER, .about = "Host it is copied to."),
	UD_FIELD(ud_replication, wanted,                     .flags = UD_SERVER | UD_FILTER, .values = &ud_relation_states, .about = "What people want of it."),
	UD_FIELD(ud_replication, state,                      .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_replication_states, .about = "Where it stands, as both ends tell."),
	UD_FIELD(ud_replication, state_since,                .flags = UD_SERVER, .about = "Since when."),
	UD_FIELD(ud_replication, health,                     .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_replication_healths, .about = "Health by the rules of Hyper-V."),
	UD_FIELD(ud_replication, health_reasons,             .flags = UD_SERVER, .about = "Why it is not normal: code and text each."),
	UD_FIELD(ud_replication, schedule_interval_seconds,  .flags = UD_BRIEF, .min = 5, .max = 86400, .about = "Seconds from one cycle to the next."),
	UD_FIELD(ud_replication, rpo_target_seconds,         .min = 5, .max = 604800, .about = "Age of the newest recovery point that is promised."),
	UD_FIELD(ud_replication, rto_target_seconds,         .min = 1, .max = 604800, .about = "Time to be running again that is promised."),
	UD_FIELD(ud_replication, recovery_points_kept,       .max = 240, .about = "Points kept beside the newest."),
	UD_FIELD(ud_replication, app_consistent_every_hours, .flags = UD_NULLABLE, .min = 1, .max = 12, .about = "Hours between application-consistent points; null = none."),
	UD_FIELD(ud_replication, compression,                .values = &ud_compressions, .about = "Compression on the wire."),
	UD_FIELD(ud_replication, authentication,             .flags = UD_SERVER, .values = &ud_authentications, .about = "How the hosts know each other; data is encrypted with certificates alone."),
	UD_FIELD(ud_replication, rate_bytes_per_second,      .flags = UD_NULLABLE, .min = 1024, .max = rate_max, .about = "Bytes a second at most; null = no limit."),
	UD_FIELD(ud_replication, windows,                    .max = WINDOWS, .about = "Times at which it may send: days, from_minute, until_minute, rate_bytes_per_second; none = always."),
	UD_FIELD(ud_replication, excluded_disk_ids,          .flags = UD_SERVER, .max = DISKS, .about = "Disks that are not copied, by their names in the VM."),
	UD_FIELD(ud_replication, initial_method,             .flags = UD_SERVER, .values = &ud_initial_methods, .about = "How the first full copy comes to the target."),
	UD_FIELD(ud_replication, initial_start_at,           .flags = UD_SERVER, .about = "Not before; null = at once."),
	UD_FIELD(ud_replication, auto_resync,                .standard = 1, .about = "Resynchronise by itself when that is needed."),
	UD_FIELD(ud_replication, generation,                 .flags = UD_SERVER, .about = "Grows with each change that the hosts are told of."),
	UD_FIELD(ud_replication, error,                      .flags = UD_SERVER, .about = "What is wrong now: code and detail."),
	UD_FIELD(ud_replication, seeded_at,                  .flags = UD_SERVER, .about = "When the first full copy was complete."),
	UD_FIELD(ud_replication, rpo_breached_at,            .flags = UD_SERVER, .about = "Since when the newest point is older than promised; null = it is not."),
	UD_FIELD(ud_replication, health_since,               .flags = UD_SERVER, .about = "Since when the health is what it is."),
	UD_FIELD(ud_replication, window_started_at,          .flags = UD_SERVER, .about = "Begin of the window that the health's figures are of."),
	UD_FIELD(ud_replication, window_cycles_total,        .flags = UD_SERVER | UD_SECRET, .about = "The source's counter at its begin."),
	UD_FIELD(ud_replication, window_cycles_missed,       .flags = UD_SERVER | UD_SECRET, .about = "The same of missed ones."),
	UD_FIELD(ud_replication, operation_id,               .flags = UD_SERVER, .about = "Operation that sets it up."),
	UD_FIELD(ud_replication, removed_at,                 .flags = UD_SERVER, .about = "When it was removed."),
	UD_FIELD(ud_replication, replica_kept_until,         .flags = UD_SERVER, .about = "Until when the removed replica's disks are kept at least."),
	UD_FIELD(ud_replication, deletion_agreed_by,         .flags = UD_SERVER, .about = "Who of the customer agreed to the deletion of the removed replica's disks."),
	UD_FIELD(ud_replication, deletion_agreed_at,         .flags = UD_SERVER, .about = "When."),
	UD_FIELD(ud_replication, replica_deleted_at,         .flags = UD_SERVER, .about = "When they were deleted."),
	UD_FIELD(ud_replication, rpo_measured_seconds,       .flags = UD_COMPUTED | UD_NULLABLE | UD_BRIEF, .about = "Age of the newest durable recovery point, by the hosts' own clocks; null = nobody has told lately, or there is none."),
	UD_FIELD(ud_replication, rpo_at_most_seconds,        .flags = UD_COMPUTED | UD_NULLABLE, .about = "What that age is at most, from what was told last."),
	UD_FIELD(ud_replication, progress_percent,           .flags = UD_COMPUTED | UD_NULLABLE | UD_BRIEF, .about = "How much of a full copy or resynchronisation is done."),
	UD_FIELD(ud_replication, eta_seconds,                .flags = UD_COMPUTED | UD_NULLABLE, .about = "How long it will take yet."),
	UD_FIELD(ud_replication, pending_bytes,              .flags = UD_COMPUTED | UD_NULLABLE, .about = "Bytes waiting to be sent."),
	UD_FIELD(ud_replication, last_cycle_ms,              .flags = UD_COMPUTED | UD_NULLABLE, .about = "Duration of the last cycle."),
	UD_FIELD(ud_replication, average_latency_ms,         .flags = UD_COMPUTED | UD_NULLABLE, .about = "Mean time from a cycle's begin to its acknowledgement."),
	UD_FIELD(ud_replication, cycles_total,               .flags = UD_COMPUTED | UD_NULLABLE, .about = "Cycles that were due in the window."),
	UD_FIELD(ud_replication, cycles_missed,              .flags = UD_COMPUTED | UD_NULLABLE, .about = "Cycles of them that did not come to pass."),
	UD_FIELD(ud_replication, bytes_sent,                 .flags = UD_COMPUTED | UD_NULLABLE, .about = "Bytes on the wire since it was set up."),
	UD_FIELD(ud_replication, observed_at,                .flags = UD_COMPUTED, .about = "When an end told something last."),
	UD_FIELD(ud_replication, raw,                        .flags = UD_COMPUTED, .about = "The hypervisor's own words for the state."),
	UD_FIELD(ud_replication, allowed_operations,         .flags = UD_COMPUTED, .about = "What the caller may do with it now."),
	UD_FIELD(ud_replication, blocked_operations,         .flags = UD_COMPUTED, .about = "What not, why, and what would help."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "replication",
	.prefix = "rpl",
	.table = "replications",
	UD_SHAPE(ud_replication, fields),
	.about = "A VM's running copy at another host." };
const struct ud_table ud_replications = { .shape = &shape };

/* ---- what the ends told ---- */

static unsigned state_named(const char *name)
{
	int i = ud_enum_index(&ud_replication_states, name ? name : "");

	return i < 0 ? UD_REPLICATION_UNKNOWN : (unsigned)i;
}

static void read_end(struct ud_ctx *cx, const ud_rows *rows, struct ud_replication_end *e)
{
	struct ud_replication_report *t = &e->told;
	int64_t *const figures[] = { &t->generation, &t->progress_percent, &t->eta_seconds,
		&t->newest_point_age_ms, &t->pending_bytes, &t->last_cycle_ms, &t->cycles_total,
		&t->cycles_missed, &t->latency_ms, &t->bytes_sent };

	e->known = true;
	e->host_id = ud_col_dup(cx, rows, 1);
	e->observed_at.ms = ud_col_int(rows, 2);
	t->state = state_named(ud_col_text(rows, 3));
	t->raw = ud_col_dup(cx, rows, 4);
	t->error.text = ud_col_dup(cx, rows, 5);
	for (size_t i = 0; i < UD_LEN(figures); i++)
		*figures[i] = ud_col_int_or_none(rows, 6 + (int)i);
}

enum ud_code ud_replication_ends(
	struct ud_ctx *cx, const struct ud_replication *r, struct ud_replication_ends *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	memset(ret, 0, sizeof(*ret));
	/* every tenant: the caller has read the replication with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT role, host_id, observed_at, state, raw, error, generation, progress_percent,"
		" eta_seconds, newest_point_age_ms, pending_bytes, last_cycle_ms, cycles_total,"
		" cycles_missed, latency_ms, bytes_sent"
		" FROM replication_ends WHERE replication_id = $1",
		UD_VALS(ud_t(r->row.id))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		bool source = strcmp(ud_col_text(rows, 0), "source") == 0;
		const char *host = source ? r->source_host_id : r->target_host_id;

		if (strcmp(ud_col_text(rows, 1), host) == 0)
			read_end(cx, rows, source ? &ret->source : &ret->target);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_replication_told(
	struct ud_ctx *cx, const char *host_id, const struct ud_replication_report *t)
{
	/* every tenant: a host carries VMs of several; the relation is the host's own */
	return ud_exec(cx, NULL,
		"INSERT INTO replication_ends(replication_id, role, host_id, observed_at, state, raw,"
		" error, generation, progress_percent, eta_seconds, newest_point_age_ms,"
		" pending_bytes, last_cycle_ms, cycles_total, cycles_missed, latency_ms, bytes_sent)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
		" ON CONFLICT(replication_id, role) DO UPDATE SET host_id = excluded.host_id,"
		" observed_at = excluded.observed_at, state = excluded.state, raw = excluded.raw,"
		" error = excluded.error, generation = excluded.generation,"
		" progress_percent = excluded.progress_percent, eta_seconds = excluded.eta_seconds,"
		" newest_point_age_ms = excluded.newest_point_age_ms,"
		" pending_bytes = excluded.pending_bytes, last_cycle_ms = excluded.last_cycle_ms,"
		" cycles_total = excluded.cycles_total, cycles_missed = excluded.cycles_missed,"
		" latency_ms = excluded.latency_ms, bytes_sent = excluded.bytes_sent",
		UD_VALS(ud_t(t->replication_id), ud_t(ud_relation_roles.names[t->role]),
			ud_t(host_id), ud_i(cx->now_ms),
			ud_t(ud_replication_states.names[t->state]), ud_t(t->raw),
			ud_t(t->error.text), ud_i(t->generation), ud_i(t->progress_percent),
			ud_i(t->eta_seconds), ud_i(t->newest_point_age_ms), ud_i(t->pending_bytes),
			ud_i(t->last_cycle_ms), ud_i(t->cycles_total), ud_i(t->cycles_missed),
			ud_i(t->latency_ms), ud_i(t->bytes_sent)));
}

enum ud_code ud_replication_forget_ends(struct ud_ctx *cx, const char *replication_id)
{
	/* every tenant: the caller has read the replication with its scope */
	return ud_exec(cx, NULL, "DELETE FROM replication_ends WHERE replication_id = $1",
		UD_VALS(ud_t(replication_id)));
}

enum ud_code ud_replication_window(struct ud_ctx *cx, const struct ud_replication *r)
{
	/* every tenant: the caller has read the replication with its scope */
	return ud_exec(cx, NULL,
		"UPDATE replications SET window_started_at = $2, window_cycles_total = $3,"
		" window_cycles_missed = $4 WHERE id = $1",
		UD_VALS(ud_t(r->row.id), ud_i(r->window_started_at.ms),
			ud_i(r->window_cycles_total), ud_i(r->window_cycles_missed)));
}

/* ---- finding them ---- */

struct found {
	bool found;
	struct ud_replication *row;
};

static enum ud_code take(struct ud_ctx *cx, void *data, const void *row)
{
	struct found *f = data;

	(void)cx;
	f->found = true;
	*f->row = *(const struct ud_replication *)row;
	return UD_OK;
}

enum ud_code ud_replication_of_vm(struct ud_ctx *cx, const char *vm_id, enum ud_leg leg,
	bool *ret_found, struct ud_replication *ret)
{
	struct found f = { .row = ret };
	struct ud_list list = { .limit = 1 };
	bool more;

	ud_list_where(&list, "vm_id", UD_OP_EQ, ud_t(vm_id));
	ud_list_where(&list, "leg", UD_OP_EQ, ud_t(ud_legs.names[leg]));
	ud_list_where(&list, "wanted", UD_OP_NE, ud_t("removed"));
	UD_TRY(ud_row_list(cx, &ud_replications, &list, take, &f, &more));
	*ret_found = f.found;
	return UD_OK;
}

enum ud_code ud_replication_find(
	struct ud_ctx *cx, const char *id, bool *ret_found, struct ud_replication *ret)
{
	struct found f = { .row = ret };
	struct ud_list list = { .limit = 1 };
	bool more;

	ud_list_where(&list, "id", UD_OP_EQ, ud_t(id));
	UD_TRY(ud_row_list(cx, &ud_replications, &list, take, &f, &more));
	*ret_found = f.found;
	return UD_OK;
}

struct page {
	struct ud_replication *rows;
	size_t n;
};

static enum ud_code keep(struct ud_ctx *cx, void *data, const void *row)
{
	struct page *p = data;

	(void)cx;
	p->rows[p->n++] = *(const struct ud_replication *)row;
	return UD_OK;
}

/* A page is read to its end before its rows are visited: a visitor writes. */
enum ud_code ud_replications_live(struct ud_ctx *cx, ud_row_visitor *visit, void *data)
{
	struct page p = { ud_alloc(cx->arena, UD_LIST_MAX * sizeof(*p.rows)), 0 };
	bool more = true;

	for (const char *last = NULL; more;) {
		struct ud_list list = { .limit = UD_LIST_MAX, .has_after = last != NULL };

		ud_list_where(&list, "wanted", UD_OP_NE, ud_t("removed"));
		list.after[0] = ud_t(last);
		p.n = 0;
		UD_TRY(ud_row_list(cx, &ud_replications, &list, keep, &p, &more));
		for (size_t i = 0; i < p.n; i++)
			UD_TRY(visit(cx, data, &p.rows[i]));
		last = p.n ? p.rows[p.n - 1].row.id : NULL;
	}
	return UD_OK;
}

enum ud_code ud_replications_astray(struct ud_ctx *cx, struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = (struct ud_texts){ .items = ud_alloc(cx->arena, sizeof(char *) * UD_ASTRAY_MAX) };
	/* every tenant: epochs know none */
	UD_TRY(ud_query(cx, &rows,
		"SELECT r.id FROM replications r JOIN vms v ON v.id = r.vm_id"
		" WHERE r.wanted <> 'removed' AND r.leg = 'primary' AND r.target_host_id = v.host_id"
		" AND v.lease_gate = 'open' AND NOT EXISTS (SELECT 1 FROM workflows w"
		" WHERE w.vm_id = r.vm_id AND w.state IN ('running', 'waiting'))"
		" AND NOT EXISTS (SELECT 1 FROM replications e WHERE e.vm_id = r.vm_id"
		" AND e.leg = 'extended' AND e.wanted <> 'removed') ORDER BY r.id LIMIT 100",
		UD_NO_VALS));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

/* ---- what replication asks of VMs and hosts ---- */

static enum ud_code first_epoch(struct ud_ctx *cx, int64_t *ret)
{
	int64_t generation = 1;
	bool found;

	/* every tenant: the installation's */
	UD_TRY(ud_query_int(cx, &found, &generation,
		"SELECT CAST(value AS BIGINT) FROM installation WHERE key = 'generation'",
		UD_NO_VALS));
	*ret = ((found ? generation : 1) << 48) + 1;
	return UD_OK;
}

enum ud_code ud_vm_protect(
	struct ud_ctx *cx, const char *vm_id, const char *fencing_policy, int64_t *ret_epoch)
{
	int64_t first = 0;
	bool found = false;

	UD_TRY(first_epoch(cx, &first));
	/* every tenant: the caller has read the VM with its scope */
	UD_TRY(ud_query_int(cx, &found, ret_epoch,
		"UPDATE vms SET dr_role = 'primary', fencing_policy = $2,"
		" epoch = CASE WHEN epoch < $3 THEN $3 ELSE epoch END,"
		" version = version + 1, updated_at = $4 WHERE id = $1 RETURNING epoch",
		UD_VALS(ud_t(vm_id), ud_t(fencing_policy), ud_i(first), ud_i(cx->now_ms))));
	return found ? UD_OK : ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no vm with this id.");
}

enum ud_code ud_vm_unprotect(struct ud_ctx *cx, const char *vm_id)
{
	/* every tenant: the caller has read the VM with its scope. The epoch stays: it only grows
	 */
	return ud_exec(cx, NULL,
		"UPDATE vms SET dr_role = 'unprotected', fencing_policy = 'none',"
		" version = version + 1, updated_at = $2 WHERE id = $1",
		UD_VALS(ud_t(vm_id), ud_i(cx->now_ms)));
}

enum ud_code ud_vm_epoch(
	struct ud_ctx *cx, const char *vm_id, int64_t *ret_epoch, const char **ret_policy)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: the caller has read the VM with its scope */
	UD_TRY(ud_query(cx, &rows, "SELECT epoch, fencing_policy FROM vms WHERE id = $1",
		UD_VALS(ud_t(vm_id))));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no vm with this id.");
	*ret_epoch = ud_col_int(rows, 0);
	*ret_policy = ud_col_dup(cx, rows, 1);
	return UD_OK;
}

enum ud_code ud_host_listens(
	struct ud_ctx *cx, const char *host_id, const char *listen, bool *ret_changed)
{
	int64_t changes = 0;

	/* every tenant: the agent speaks for its own host */
	UD_TRY(ud_exec(cx, &changes,
		"UPDATE hosts SET replication_listen = $2 WHERE id = $1"
		" AND COALESCE(replication_listen, '') <> COALESCE($2, '')",
		UD_VALS(ud_t(host_id), ud_t(listen))));
	*ret_changed = changes > 0;
	return UD_OK;
}

/* Does the address part mean all addresses of the host? */
static bool is_any(const char *listen, const char *colon)
{
	static const char *const any[] = { "", "0.0.0.0", "[::]", "*" };

	for (size_t i = 0; i < UD_LEN(any); i++)
		if (strlen(any[i]) == (size_t)(colon - listen) &&
			strncmp(any[i], listen, strlen(any[i])) == 0)
			return true;
	return false;
}

enum ud_code ud_host_replication_address(struct ud_ctx *cx, const char *host_id, const char **ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = NULL;
	/* every tenant: the caller has read the host with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT h.replication_address, h.replication_listen, a.address FROM hosts h"
		" LEFT JOIN agents a ON a.host_id = h.id AND a.state IN ('active', 'quarantined')"
		" WHERE h.id = $1 LIMIT 1",
		UD_VALS(ud_t(host_id))));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more)
		return UD_OK;
	const char *said = ud_col_text(rows, 0), *listen = ud_col_text(rows, 1);
	const char *seen = ud_col_text(rows, 2), *colon = listen ? strrchr(listen, ':') : NULL;

	if (said && *said)
		*ret = ud_strdup(cx->arena, said);
	else if (colon && !is_any(listen, colon))
		*ret = ud_strdup(cx->arena, listen);
	else if (colon && seen && *seen)
		*ret = ud_printf(cx->arena, strchr(seen, ':') ? "[%s]%s" : "%s%s", seen, colon);
	return UD_OK;
}

/* ---- the ledger ---- */

enum ud_code ud_minute_due(struct ud_ctx *cx, int64_t minute, bool *ret)
{
	int64_t one;
	bool live = false, there = false;

	*ret = false;
	/* every tenant: the clock is the same for all */
	UD_TRY(ud_query_int(cx, &live, &one,
		"SELECT 1 FROM replications WHERE wanted IN ('active', 'paused')"
		" AND seeded_at IS NOT NULL LIMIT 1",
		UD_NO_VALS));
	if (!live)
		return UD_OK;
	/* every tenant: the clock is the same for all */
	UD_TRY(ud_query_int(cx, &there, &one,
		"SELECT 1 FROM replication_minutes WHERE minute = $1 LIMIT 1",
		UD_VALS(ud_i(minute))));
	*ret = !there;
	return UD_OK;
}

/*
 * The age now is what an end told plus the time since, both by the server's own clock. The younger
 * of the two ends' stands: each is a bound from above.
 */
enum ud_code ud_minute_add(struct ud_ctx *cx, int64_t minute, int64_t stale_ms)
{
	/* every tenant: the clock is the same for all */
	return ud_exec(cx, NULL,
		"INSERT INTO replication_minutes(replication_id, minute, customer_id, age_ms,"
		" target_seconds, state, cycles_total, cycles_missed, latency_ms, pending_bytes,"
		" bytes_sent)"
		" SELECT r.id, $1, r.customer_id, (SELECT MIN(e.newest_point_age_ms + $2 - e.observed_at)"
		" FROM replication_ends e WHERE e.replication_id = r.id AND e.observed_at >= $3),"
		" r.rpo_target_seconds, r.state, s.cycles_total, s.cycles_missed, s.latency_ms,"
		" s.pending_bytes, s.bytes_sent"
		" FROM replications r LEFT JOIN replication_ends s"
		" ON s.replication_id = r.id AND s.role = 'source' AND s.observed_at >= $3"
		" WHERE r.wanted IN ('active', 'paused') AND r.seeded_at IS NOT NULL"
		" ON CONFLICT(replication_id, minute) DO NOTHING",
		UD_VALS(ud_i(minute), ud_i(cx->now_ms), ud_i(cx->now_ms - stale_ms)));
}

enum ud_code ud_minutes_expire(struct ud_ctx *cx, int64_t before_minute)
{
	/* every tenant: housekeeping by age */
	return ud_exec(cx, NULL, "DELETE FROM replication_minutes WHERE minute < $1",
		UD_VALS(ud_i(before_minute)));
}

enum ud_code ud_minutes_visit(struct ud_ctx *cx, const char *replication_id, int64_t from,
	int64_t until, size_t limit, ud_minute_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: the caller has read the replication with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT minute, age_ms, target_seconds, state, cycles_total, cycles_missed, latency_ms,"
		" pending_bytes, bytes_sent FROM replication_minutes"
		" WHERE replication_id = $1 AND minute >= $2 AND minute < $3"
		" ORDER BY minute LIMIT $4",
		UD_VALS(ud_t(replication_id), ud_i(from), ud_i(until), ud_i((int64_t)limit))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		const struct ud_minute m = { .minute = ud_col_int(rows, 0),
			.age_ms = ud_col_int_or_none(rows, 1),
			.target_seconds = ud_col_int(rows, 2),
			.state = state_named(ud_col_text(rows, 3)),
			.cycles_total = ud_col_int_or_none(rows, 4),
			.cycles_missed = ud_col_int_or_none(rows, 5),
			.latency_ms = ud_col_int_or_none(rows, 6),
			.pending_bytes = ud_col_int_or_none(rows, 7),
			.bytes_sent = ud_col_int_or_none(rows, 8) };

		UD_TRY(visit(cx, data, &m));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

/* ---- figures ---- */

enum ud_code ud_replications_count(
	struct ud_ctx *cx, ud_replication_counted *counted, void *data, int64_t *ret_breached)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false, found;

	/* every tenant: figures of the installation */
	UD_TRY(ud_query_int(cx, &found, ret_breached,
		"SELECT COUNT(*) FROM replications WHERE wanted <> 'removed'"
		" AND rpo_breached_at IS NOT NULL",
		UD_NO_VALS));
	/* every tenant: figures of the installation */
	UD_TRY(ud_query(cx, &rows,
		"SELECT state, COUNT(*) FROM replications WHERE wanted <> 'removed'"
		" GROUP BY state ORDER BY state LIMIT 100",
		UD_NO_VALS));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		counted(data, ud_col_text(rows, 0), ud_col_int(rows, 1));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_replications_worst(struct ud_ctx *cx, int64_t *ret_age_ms)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_age_ms = UD_NONE;
	/* every tenant: figures of the installation */
	UD_TRY(ud_query(cx, &rows,
		"SELECT MAX(age) FROM (SELECT MIN(e.newest_point_age_ms + $1 - e.observed_at) AS age"
		" FROM replication_ends e JOIN replications r ON r.id = e.replication_id"
		" WHERE r.wanted <> 'removed' AND r.seeded_at IS NOT NULL"
		" AND e.newest_point_age_ms IS NOT NULL GROUP BY e.replication_id) AS ages",
		UD_VALS(ud_i(cx->now_ms))));
	UD_TRY(ud_next(cx, rows, &more));
	if (more)
		*ret_age_ms = ud_col_int_or_none(rows, 0);
	return UD_OK;
}
