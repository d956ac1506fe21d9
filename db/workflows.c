/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of workflows. Statements without a tenant serve the engine, which works for all customers;
 * whoever comes from outside has read the failover with a scope of its own.
 */
#include "db/workflows.h"

#include <string.h>

static const char *const state_names[] = { "running", "waiting", "done", "aborted", "rolled_back",
	"failed", "overtaken", "waived" };
const struct ud_enum ud_workflow_states = { "workflow_state", state_names, UD_LEN(state_names) };
static const char *const step_names[] = { "pending", "running", "waiting", "done", "failed",
	"skipped", "undone" };
const struct ud_enum ud_step_states = { "step_state", step_names, UD_LEN(step_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_workflow, failover_id,       .flags = UD_SERVER),
	UD_FIELD(ud_workflow, vm_id,             .flags = UD_SERVER),
	UD_FIELD(ud_workflow, position,          .flags = UD_SERVER),
	UD_FIELD(ud_workflow, boot_group,        .flags = UD_SERVER),
	UD_FIELD(ud_workflow, kind,              .flags = UD_SERVER, .values = &ud_failover_kinds),
	UD_FIELD(ud_workflow, state,             .flags = UD_SERVER, .values = &ud_workflow_states),
	UD_FIELD(ud_workflow, step,              .flags = UD_SERVER),
	UD_FIELD(ud_workflow, source_host_id,    .flags = UD_SERVER),
	UD_FIELD(ud_workflow, target_host_id,    .flags = UD_SERVER),
	UD_FIELD(ud_workflow, replication_id,    .flags = UD_SERVER),
	UD_FIELD(ud_workflow, fencing_policy,    .flags = UD_SERVER),
	UD_FIELD(ud_workflow, seq,               .flags = UD_SERVER | UD_NULLABLE),
	UD_FIELD(ud_workflow, tries,             .flags = UD_SERVER),
	UD_FIELD(ud_workflow, wake_at,           .flags = UD_SERVER),
	UD_FIELD(ud_workflow, deadline_at,       .flags = UD_SERVER),
	UD_FIELD(ud_workflow, fence,             .flags = UD_SERVER),
	UD_FIELD(ud_workflow, log_n,             .flags = UD_SERVER),
	UD_FIELD(ud_workflow, reason_code,       .flags = UD_SERVER),
	UD_FIELD(ud_workflow, reason_text,       .flags = UD_SERVER),
	UD_FIELD(ud_workflow, waiting_on,        .flags = UD_SERVER),
	UD_FIELD(ud_workflow, waiting_since,     .flags = UD_SERVER),
	UD_FIELD(ud_workflow, recovery_point_id, .flags = UD_SERVER),
	UD_FIELD(ud_workflow, point_age_ms,      .flags = UD_SERVER | UD_NULLABLE),
	UD_FIELD(ud_workflow, point_taken_at,    .flags = UD_SERVER),
	UD_FIELD(ud_workflow, test_id,           .flags = UD_SERVER),
	UD_FIELD(ud_workflow, test_uuid,         .flags = UD_SERVER),
	UD_FIELD(ud_workflow, source_epoch,      .flags = UD_SERVER),
	UD_FIELD(ud_workflow, epoch,             .flags = UD_SERVER | UD_NULLABLE),
	UD_FIELD(ud_workflow, stop_sent,         .flags = UD_SERVER),
	UD_FIELD(ud_workflow, attested_at,       .flags = UD_SERVER),
	UD_FIELD(ud_workflow, fenced_at,         .flags = UD_SERVER),
	UD_FIELD(ud_workflow, committed_at,      .flags = UD_SERVER),
	UD_FIELD(ud_workflow, fence_operation_id, .flags = UD_SERVER),
	UD_FIELD(ud_workflow, device_off_at,     .flags = UD_SERVER),
	UD_FIELD(ud_workflow, demote_seq,        .flags = UD_SERVER | UD_NULLABLE),
	UD_FIELD(ud_workflow, demoted_at,        .flags = UD_SERVER),
	UD_FIELD(ud_workflow, divergent,         .flags = UD_SERVER),
	UD_FIELD(ud_workflow, reversed_at,       .flags = UD_SERVER),
	UD_FIELD(ud_workflow, reverse_pending,   .flags = UD_SERVER),
	UD_FIELD(ud_workflow, outage_at,         .flags = UD_SERVER),
	UD_FIELD(ud_workflow, stopped_at,        .flags = UD_SERVER),
	UD_FIELD(ud_workflow, serving_at,        .flags = UD_SERVER),
	UD_FIELD(ud_workflow, checks_passed,     .flags = UD_SERVER),
	UD_FIELD(ud_workflow, checks_failed,     .flags = UD_SERVER),
	UD_FIELD(ud_workflow, plan_operation_id, .flags = UD_SERVER),
	UD_FIELD(ud_workflow, plan_item,         .flags = UD_SERVER),
	UD_FIELD(ud_workflow, gate_open, .flags = UD_SERVER),
	UD_FIELD(ud_workflow, ended_at,          .flags = UD_SERVER),
};
/* clang-format on */
static const struct ud_shape shape = {
	.object = "workflow", .prefix = "wfl", .table = "workflows", UD_SHAPE(ud_workflow, fields)
};
const struct ud_table ud_workflows = { .shape = &shape };

bool ud_workflow_closed(const struct ud_workflow *w)
{
	return w->state >= UD_WORKFLOW_DONE;
}

/* Not of a VM whose hosts are still to be heard after a restore (db/recovery.h). */
#define UNHELD                                                                  \
	" AND NOT EXISTS (SELECT 1 FROM vms WHERE vms.id = workflows.vm_id AND" \
	" vms.lease_gate = 'recovering')"

enum ud_code ud_workflow_take(struct ud_ctx *cx, struct ud_workflow *w, bool *ret)
{
	/* every tenant: the caller has read the workflow with its scope */
	return ud_query_int(cx, ret, &w->fence,
		"UPDATE workflows SET fence = fence + 1 WHERE id = $1"
		" AND state IN ('running', 'waiting')" UNHELD " RETURNING fence",
		UD_VALS(ud_t(w->row.id)));
}

enum ud_code ud_workflow_of(struct ud_ctx *cx, const char *vm_id, int64_t seq, const char **ret_id,
	const char **ret_failover_id)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool found = false;

	*ret_id = *ret_failover_id = NULL;
	/* every tenant: agents belong to hosts, not customers */
	UD_TRY(ud_query(cx, &rows,
		"SELECT id, failover_id FROM workflows WHERE vm_id = $1"
		" AND (state IN ('running', 'waiting') OR demote_seq = $2)"
		" ORDER BY CASE WHEN demote_seq = $2 THEN 0 ELSE 1 END, id DESC LIMIT 1",
		UD_VALS(ud_t(vm_id), ud_i(seq))));
	UD_TRY(ud_next(cx, rows, &found));
	if (!found)
		return UD_OK;
	*ret_id = ud_col_dup(cx, rows, 0);
	*ret_failover_id = ud_col_dup(cx, rows, 1);
	return UD_OK;
}

enum ud_code ud_workflow_all(
	struct ud_ctx *cx, const char *failover_id, struct ud_workflow_list *ret)
{
	struct ud_texts ids = { 0 };

	/* every tenant: the caller has read the failover with its scope */
	UD_TRY(ud_query_texts(cx, UD_WORKFLOWS_MAX, &ids,
		"SELECT id FROM workflows WHERE failover_id = $1 ORDER BY position LIMIT 500",
		UD_VALS(ud_t(failover_id))));
	ret->items = ud_alloc(cx->arena, sizeof(*ret->items) * (ids.count + 1));
	ret->count = ids.count;
	for (size_t i = 0; i < ids.count; i++)
		UD_TRY(ud_row_get(cx, &ud_workflows, ids.items[i], &ret->items[i]));
	return UD_OK;
}

enum { DUE_MAX = 64 };

enum ud_code ud_workflow_due(struct ud_ctx *cx, struct ud_texts *ret)
{
	/* every tenant: the clock is the same for all */
	return ud_query_texts(cx, DUE_MAX, ret,
		"SELECT DISTINCT failover_id FROM workflows WHERE state IN ('running', 'waiting')"
		" AND wake_at <= $1" UNHELD " LIMIT 64",
		UD_VALS(ud_i(cx->now_ms)));
}

/* ---- steps ---- */

enum ud_code ud_step_put(
	struct ud_ctx *cx, const struct ud_workflow *w, const struct ud_workflow_step *s)
{
	return ud_exec(cx, NULL,
		"INSERT INTO workflow_steps(workflow_id, customer_id, n, name, phase, state, host_id,"
		" seq, attempts, started_at, ended_at, result, error, title)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
		" ON CONFLICT(workflow_id, n) DO UPDATE SET name = $4, phase = $5, state = $6,"
		" host_id = $7, seq = $8, attempts = $9, started_at = $10, ended_at = $11,"
		" result = $12, error = $13, title = $14",
		UD_VALS(ud_t(w->row.id), ud_t(w->row.customer_id), ud_i(s->n), ud_t(s->name),
			ud_t(s->phase), ud_t(step_names[s->state]), ud_t(s->host_id), ud_i(s->seq),
			ud_i(s->attempts), ud_i(s->started_at.ms ? s->started_at.ms : UD_NONE),
			ud_i(s->ended_at.ms ? s->ended_at.ms : UD_NONE), ud_t(s->result.text),
			ud_t(s->error.text), ud_t(s->title)));
}

/* workflow_id, vm_id, n, name, phase, state, host_id, seq, attempts, started_at, ended_at, result,
 * error, title */
static void read_step(struct ud_ctx *cx, const ud_rows *rows, struct ud_workflow_step *ret)
{
	int state = ud_enum_index(&ud_step_states, ud_col_text(rows, 5));

	*ret = (struct ud_workflow_step){ .workflow_id = ud_col_dup(cx, rows, 0),
		.vm_id = ud_col_dup(cx, rows, 1),
		.n = ud_col_int(rows, 2),
		.name = ud_col_dup(cx, rows, 3),
		.phase = ud_col_dup(cx, rows, 4),
		.state = state < 0 ? UD_STEP_PENDING : (unsigned)state,
		.host_id = ud_col_dup(cx, rows, 6),
		.seq = ud_col_int_or_none(rows, 7),
		.attempts = ud_col_int(rows, 8),
		.started_at.ms = ud_col_int_or_none(rows, 9),
		.ended_at.ms = ud_col_int_or_none(rows, 10),
		.result.text = ud_col_dup(cx, rows, 11),
		.error.text = ud_col_dup(cx, rows, 12),
		.title = ud_col_dup(cx, rows, 13),
		.took_ms = UD_NONE };
}

enum ud_code ud_step_get(struct ud_ctx *cx, const struct ud_workflow *w, const char *name,
	bool *ret_found, struct ud_workflow_step *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;

	/* every tenant: the workflow was read before */
	UD_TRY(ud_query(cx, &rows,
		"SELECT workflow_id, NULL, n, name, phase, state, host_id, seq, attempts, started_at,"
		" ended_at, result, error, title FROM workflow_steps WHERE workflow_id = $1 AND name = $2"
		" ORDER BY n DESC LIMIT 1",
		UD_VALS(ud_t(w->row.id), ud_t(name))));
	UD_TRY(ud_next(cx, rows, ret_found));
	if (*ret_found)
		read_step(cx, rows, ret);
	return UD_OK;
}

enum ud_code ud_step_next(struct ud_ctx *cx, const struct ud_workflow *w, int64_t *ret)
{
	bool found = false;

	*ret = 1;
	/* every tenant: the workflow was read before */
	return ud_query_int(cx, &found, ret,
		"SELECT MAX(n) + 1 FROM workflow_steps WHERE workflow_id = $1",
		UD_VALS(ud_t(w->row.id)));
}

enum ud_code ud_steps_skip(struct ud_ctx *cx, const struct ud_workflow *w)
{
	/* every tenant: the workflow was read before */
	return ud_exec(cx, NULL,
		"UPDATE workflow_steps SET state = 'skipped' WHERE workflow_id = $1"
		" AND state = 'pending'",
		UD_VALS(ud_t(w->row.id)));
}

enum ud_code ud_step_visit(
	struct ud_ctx *cx, const char *failover_id, ud_step_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: the caller has read the failover with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT s.workflow_id, w.vm_id, s.n, s.name, s.phase, s.state, s.host_id, s.seq,"
		" s.attempts, s.started_at, s.ended_at, s.result, s.error, s.title, t.verdict, t.took_ms"
		" FROM workflow_steps s JOIN workflows w ON w.id = s.workflow_id"
		" LEFT JOIN statements t ON t.subject_id = w.vm_id AND t.seq = s.seq"
		" AND t.host_id = s.host_id WHERE w.failover_id = $1"
		" ORDER BY w.position, s.n LIMIT 20000",
		UD_VALS(ud_t(failover_id))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		struct ud_workflow_step step;

		read_step(cx, rows, &step);
		step.signature = ud_col_dup(cx, rows, 14);
		step.took_ms = ud_col_int_or_none(rows, 15);
		UD_TRY(visit(cx, data, &step));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

/* ---- log ---- */

enum ud_code ud_step_log(struct ud_ctx *cx, struct ud_workflow *w, const char *event,
	const char *host_id, int64_t seq, const char *detail)
{
	w->log_n++;
	return ud_exec(cx, NULL,
		"INSERT INTO step_log(workflow_id, customer_id, n, step, event, seq, host_id,"
		" actor_id, detail, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
		UD_VALS(ud_t(w->row.id), ud_t(w->row.customer_id), ud_i(w->log_n), ud_t(w->step),
			ud_t(event), ud_i(seq), ud_t(host_id), ud_t(cx->scope->id), ud_t(detail),
			ud_i(cx->now_ms)));
}

enum ud_code ud_step_lines(
	struct ud_ctx *cx, const char *failover_id, ud_step_line_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: the caller has read the failover with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT l.workflow_id, w.vm_id, l.step, l.event, l.host_id, l.actor_id, l.detail,"
		" l.n, l.seq, l.at FROM step_log l JOIN workflows w ON w.id = l.workflow_id"
		" WHERE w.failover_id = $1 ORDER BY l.at, w.position, l.n LIMIT 20000",
		UD_VALS(ud_t(failover_id))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		struct ud_step_line line = { .workflow_id = ud_col_text(rows, 0),
			.vm_id = ud_col_text(rows, 1),
			.step = ud_col_text(rows, 2),
			.event = ud_col_text(rows, 3),
			.host_id = ud_col_text(rows, 4),
			.actor_id = ud_col_text(rows, 5),
			.detail = ud_col_text(rows, 6),
			.n = ud_col_int(rows, 7),
			.seq = ud_col_int_or_none(rows, 8),
			.at = ud_col_int(rows, 9) };

		UD_TRY(visit(cx, data, &line));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

/* ---- the VM and its hosts ---- */

enum ud_code ud_host_last_seen(struct ud_ctx *cx, const char *host_id, int64_t *ret_ms)
{
	bool found = false;

	/* every tenant: agents belong to hosts, not customers */
	return ud_query_int(cx, &found, ret_ms,
		"SELECT last_seen_at FROM agents WHERE host_id = $1"
		" AND state IN ('active', 'quarantined')",
		UD_VALS(ud_t(host_id)));
}

enum ud_code ud_epoch_commit(struct ud_ctx *cx, const char *vm_id, int64_t expected,
	const char *host_id, int64_t *ret_epoch)
{
	bool found = false;

	/* every tenant: the workflow of this VM was taken before */
	UD_TRY(ud_query_int(cx, &found, ret_epoch,
		"UPDATE vms SET epoch = epoch + 1 + epoch_skip, epoch_skip = 0, host_id = $3,"
		" version = version + 1, updated_at = $4 WHERE id = $1 AND epoch = $2 RETURNING epoch",
		UD_VALS(ud_t(vm_id), ud_i(expected), ud_t(host_id), ud_i(cx->now_ms))));
	return found ? UD_OK
		     : ud_fail(cx, UD_E_CONFLICT, NULL,
			       "The VM's epoch is not what this run began with.");
}
