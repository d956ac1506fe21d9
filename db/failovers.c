/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of failovers, and the pictures of their checks.
 */
#include "db/failovers.h"

#include "base/id.h"

static const char *const kind_names[] = { "test", "planned", "unplanned" };
const struct ud_enum ud_failover_kinds = { "failover_kind", kind_names, UD_LEN(kind_names) };
static const char *const state_names[] = { "awaiting_approval", "approved", "scheduled", "running",
	"waiting", "test_running", "customer_validation", "committed_unprotected", "protected",
	"closed_unprotected", "rolled_back", "failed", "solved" };
_Static_assert(UD_LEN(state_names) == UD_FAILOVER_STATE_COUNT, "a name for every state");
const struct ud_enum ud_failover_states = { "failover_state", state_names, UD_LEN(state_names) };
static const char *const point_policy_names[] = { "latest", "latest_app_consistent", "common",
	"chosen" };
const struct ud_enum ud_point_policies = { "point_policy", point_policy_names,
	UD_LEN(point_policy_names) };
static const char *const policy_names[] = { "none", "commit", "rollback" };
const struct ud_enum ud_commit_policies = { "commit_policy", policy_names, UD_LEN(policy_names) };
static const char *const validation_names[] = { "open", "pass", "fail", "timeout" };
const struct ud_enum ud_validations = { "validation", validation_names, UD_LEN(validation_names) };
static const char *const chain_names[] = { "unsaid", "keep", "reverse" };
const struct ud_enum ud_chains = { "chain", chain_names, UD_LEN(chain_names) };

const struct ud_failover_reason ud_failover_reasons[] = {
	{ "validate_replication", UD_FAILOVER_TEST, "Prove that the replica boots." },
	{ "train_personnel", UD_FAILOVER_TEST, "Train the people who would do it." },
	{ "test_recovery_plan", UD_FAILOVER_TEST, "Try a recovery plan." },
	{ "host_maintenance", UD_FAILOVER_PLANNED, "The primary's host is worked on." },
	{ "expected_power_outage", UD_FAILOVER_PLANNED, "The primary's site will lose power." },
	{ "natural_disaster_pending", UD_FAILOVER_PLANNED, "A disaster threatens the site." },
	{ "compliance_rotation", UD_FAILOVER_PLANNED, "Rules want the sites to take turns." },
	{ "failback", UD_FAILOVER_PLANNED, "The way home after an earlier failover." },
	{ "site_outage", UD_FAILOVER_UNPLANNED, "The primary's site is down." },
	{ "virus_attack", UD_FAILOVER_UNPLANNED, "The primary's data cannot be trusted." },
	{ NULL, 0, NULL },
};

enum { DAYS_14 = 14 * 86400, HOURS_4 = 4 * 3600, WEEK_MINUTES = 7 * 1440 };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_failover, ticket_id,            .flags = UD_SERVER, .about = "Ticket it belongs to."),
	UD_FIELD(ud_failover, kind,                 .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_failover_kinds, .about = "Test, planned or unplanned."),
	UD_FIELD(ud_failover, state,                .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_failover_states, .about = "Where the run stands: that of its slowest VM."),
	UD_FIELD(ud_failover, phase,                .flags = UD_SERVER | UD_BRIEF, .about = "Finer than the state: what is being done."),
	UD_FIELD(ud_failover, reason_code,          .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .about = "Why it was asked for."),
	UD_FIELD(ud_failover, plan_id,              .flags = UD_SERVER | UD_FILTER, .about = "Recovery plan that is run."),
	UD_FIELD(ud_failover, plan_version,         .flags = UD_SERVER | UD_NULLABLE, .about = "Version of the plan."),
	UD_FIELD(ud_failover, vm_ids,               .flags = UD_SERVER, .max = 500, .about = "VMs that are moved, in the order of the plan."),
	UD_FIELD(ud_failover, recovery_point_id,    .flags = UD_SERVER, .about = "Recovery point that was asked for; null = the newest."),
	UD_FIELD(ud_failover, scheduled_at,         .flags = UD_SERVER, .about = "When it is to begin."),
	UD_FIELD(ud_failover, window_ends_at,       .flags = UD_SERVER, .about = "Of a planned failover: when its VMs are to be back."),
	UD_FIELD(ud_failover, chain,                .flags = UD_SERVER, .values = &ud_chains, .about = "What becomes of an extended replica."),
	UD_FIELD(ud_failover, allow_hard_stop,      .flags = UD_SERVER, .about = "True when the guest may be switched off if it does not shut down."),
	UD_FIELD(ud_failover, acknowledge_latest,   .flags = UD_SERVER, .about = "True when the newest point is wanted after a virus attack."),
	UD_FIELD(ud_failover, commit_policy,        .flags = UD_SERVER, .values = &ud_commit_policies, .about = "What happens when nobody decides in time."),
	UD_FIELD(ud_failover, commit_minutes,       .flags = UD_SERVER | UD_NULLABLE, .max = WEEK_MINUTES, .about = "How long that time is."),
	UD_FIELD(ud_failover, max_duration_seconds, .flags = UD_SERVER, .max = DAYS_14, .standard = HOURS_4, .about = "When a test is cleaned up by itself."),
	UD_FIELD(ud_failover, checks,               .flags = UD_SERVER, .about = "Services and a program inside the guest that are looked at."),
	UD_FIELD(ud_failover, point_policy,         .flags = UD_SERVER, .values = &ud_point_policies, .about = "Which points VMs start from when none was asked for."),
	UD_FIELD(ud_failover, point_within_seconds, .flags = UD_SERVER | UD_NULLABLE, .about = "How far apart points of the policy common may lie."),
	UD_FIELD(ud_failover, groups,               .flags = UD_SERVER, .about = "Groups of the plan as approved: group, first_wave, last_wave, gate."),
	UD_FIELD(ud_failover, network_map,          .flags = UD_SERVER, .about = "Networks of the plan as approved; they go before the networks' own maps."),
	UD_FIELD(ud_failover, plan_hash,            .flags = UD_SERVER, .about = "Hash of what is approved."),
	UD_FIELD(ud_failover, plan,                 .flags = UD_SERVER, .about = "What is approved: VMs, hosts, replications, choices."),
	UD_FIELD(ud_failover, blockers,             .flags = UD_SERVER, .about = "What the dry run found."),
	UD_FIELD(ud_failover, predicted,            .flags = UD_SERVER, .about = "Predicted loss, time and downtime."),
	UD_FIELD(ud_failover, requested_by,         .flags = UD_SERVER, .about = "Who asked for it."),
	UD_FIELD(ud_failover, approved_at,          .flags = UD_SERVER, .about = "When the last approval came."),
	UD_FIELD(ud_failover, started_at,           .flags = UD_SERVER | UD_BRIEF, .about = "When it began."),
	UD_FIELD(ud_failover, ended_at,             .flags = UD_SERVER | UD_BRIEF, .about = "When it ended."),
	UD_FIELD(ud_failover, waiting_for,          .flags = UD_SERVER, .about = "Who must do what before it goes on: who, what, text, since, actions."),
	UD_FIELD(ud_failover, rpo_measured_seconds, .flags = UD_SERVER | UD_NULLABLE, .about = "Age of the point it was started from when the source was gone."),
	UD_FIELD(ud_failover, rto_measured_seconds, .flags = UD_SERVER | UD_NULLABLE, .about = "From the outage, or the stop of the guest, to the service."),
	UD_FIELD(ud_failover, downtime_seconds,     .flags = UD_SERVER | UD_NULLABLE, .about = "How long the guest did not serve."),
	UD_FIELD(ud_failover, data_loss,            .flags = UD_SERVER, .about = "None, or which changes are lost."),
	UD_FIELD(ud_failover, phases,               .flags = UD_SERVER, .about = "Milliseconds of each phase, and of machine and people apart."),
	UD_FIELD(ud_failover, verdict,              .flags = UD_SERVER | UD_BRIEF, .about = "Of the boot checks: passed, failed or inconclusive."),
	UD_FIELD(ud_failover, validation,           .flags = UD_SERVER, .values = &ud_validations, .about = "The customer's word on the result."),
	UD_FIELD(ud_failover, validation_notes,     .flags = UD_SERVER, .max = 4000, .about = "What the customer said."),
	UD_FIELD(ud_failover, validated_by,         .flags = UD_SERVER, .about = "Who said it."),
	UD_FIELD(ud_failover, commit_at,            .flags = UD_SERVER, .about = "When the timer decides."),
	UD_FIELD(ud_failover, test_ends_at,         .flags = UD_SERVER, .about = "When the test is cleaned up by itself."),
	UD_FIELD(ud_failover, operation_id,         .flags = UD_SERVER, .about = "Operation of the call that was made last."),
	UD_FIELD(ud_failover, steps,                .flags = UD_COMPUTED, .about = "Steps: n, vm_id, name, title (of a plan's own), phase, state, host_id, attempts, started_at, ended_at, error."),
	UD_FIELD(ud_failover, allowed_operations,   .flags = UD_COMPUTED, .about = "What you may do with it now."),
	UD_FIELD(ud_failover, blocked_operations,   .flags = UD_COMPUTED, .about = "What cannot be done now: op, reason_code, text, unblock_action, who."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "failover",
	.prefix = "flo",
	.table = "failovers",
	UD_SHAPE(ud_failover, fields),
	.about = "A run of a failover ticket." };
const struct ud_table ud_failovers = { .shape = &shape };

bool ud_failover_ended(const struct ud_failover *f)
{
	return f->state >= UD_FAILOVER_PROTECTED;
}

enum ud_code ud_failover_take(struct ud_ctx *cx, const char *id, struct ud_failover *ret)
{
	/* every tenant: the row is read with the scope below */
	UD_TRY(ud_exec(cx, NULL, "UPDATE failovers SET version = version WHERE id = $1",
		UD_VALS(ud_t(id))));
	return ud_row_get(cx, &ud_failovers, id, ret);
}

enum { BATCH = 100 };

static enum ud_code read_batch(struct ud_ctx *cx, const char *sql, const struct ud_val *vals,
	size_t n, struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	ret->items = ud_alloc(cx->arena, sizeof(char *) * BATCH);
	ret->count = 0;
	UD_TRY(ud_query(cx, &rows, sql, vals, n));
	UD_TRY(ud_next(cx, rows, &more));
	while (more && ret->count < BATCH) {
		ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_failovers_scheduled(struct ud_ctx *cx, struct ud_texts *ret)
{
	/* every tenant: the clock is the same for all */
	return read_batch(cx,
		"SELECT id FROM failovers WHERE state IN ('approved', 'scheduled')"
		" AND COALESCE(scheduled_at, 0) <= $1 ORDER BY id LIMIT 100",
		UD_VALS(ud_i(cx->now_ms)), ret);
}

enum ud_code ud_failovers_untold(struct ud_ctx *cx, struct ud_texts *ret)
{
	/* every tenant: tickets of all follow their runs */
	return read_batch(cx,
		"SELECT id FROM failovers WHERE told_state <> state ORDER BY id LIMIT 100",
		UD_NO_VALS, ret);
}

enum ud_code ud_failover_told(struct ud_ctx *cx, const struct ud_failover *f)
{
	/* every tenant: the run was read before */
	return ud_exec(cx, NULL, "UPDATE failovers SET told_state = $2 WHERE id = $1",
		UD_VALS(ud_t(f->row.id), ud_t(state_names[f->state])));
}

enum ud_code ud_failovers_past(struct ud_ctx *cx, const struct ud_failover *f, bool same_vms,
	struct ud_failover_past *ret, size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	struct ud_buf vms = { 0 };
	bool more = false;

	*ret_n = 0;
	ud_texts_write(&vms, &f->vm_ids);
	UD_TRY(ud_query(cx, &rows,
		"SELECT rto_measured_seconds, rpo_measured_seconds, predicted"
		" FROM failovers WHERE customer_id = $1 AND kind = $2"
		" AND rto_measured_seconds IS NOT NULL AND vm_ids = CASE WHEN $3 = 1 THEN $4"
		" ELSE vm_ids END ORDER BY id DESC LIMIT $5",
		UD_VALS(ud_t(f->row.customer_id), ud_t(kind_names[f->kind]), ud_i(same_vms),
			ud_t(ud_buf_take(cx->arena, &vms)), ud_i(UD_FAILOVERS_PAST))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret[(*ret_n)++] = (struct ud_failover_past){ ud_col_int(rows, 0),
			ud_col_int_or_none(rows, 1), ud_col_dup(cx, rows, 2) };
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_picture_add(struct ud_ctx *cx, const struct ud_failover *f, const char *workflow_id,
	const char *step, const char *sha256, const char *png)
{
	return ud_exec(cx, NULL,
		"INSERT INTO failover_pictures(id, customer_id, failover_id, workflow_id, step,"
		" created_at, sha256, png) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		UD_VALS(ud_t(ud_id_new(cx->arena, cx->env, cx->now_ms, "pic")),
			ud_t(f->row.customer_id), ud_t(f->row.id), ud_t(workflow_id), ud_t(step),
			ud_i(cx->now_ms), ud_t(sha256), ud_t(png)));
}

enum ud_code ud_picture_visit(
	struct ud_ctx *cx, const char *failover_id, ud_picture_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	/* every tenant: the caller has read the failover with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT workflow_id, step, created_at, sha256, png FROM failover_pictures"
		" WHERE failover_id = $1 ORDER BY id LIMIT 2000",
		UD_VALS(ud_t(failover_id))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		UD_TRY(visit(cx, data, ud_col_text(rows, 0), ud_col_text(rows, 1),
			ud_col_int(rows, 2), ud_col_text(rows, 3), ud_col_text(rows, 4)));
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}
