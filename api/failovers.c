/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failovers as tickets ask for them: requests, plans and beginnings. What people do with a run
 * stands in failover_runs.c, what must be in order before its ticket is solved in close_gate.c.
 */
#include "api/failovers.h"

#include <string.h>

#include "api/api.h"
#include "api/failover_plan.h"
#include "db/events.h"
#include "db/recovery.h"
#include "db/recovery_points.h"
#include "db/vms.h"

enum { DAYS_14 = 14 * 86400, HOURS_4 = 4 * 3600, WEEK_MINUTES = 7 * 1440, VMS_MAX = 500 };

/* clang-format off */
static const struct ud_field request_fields[] = {
	UD_FIELD(ud_failover_request, kind,                 .flags = UD_REQUIRED, .values = &ud_failover_kinds, .about = "Test, planned or unplanned."),
	UD_FIELD(ud_failover_request, vm_ids,               .max = VMS_MAX, .about = "VMs to move; or plan_id."),
	UD_FIELD(ud_failover_request, plan_id,              .max = 40, .about = "Recovery plan to run; or vm_ids."),
	UD_FIELD(ud_failover_request, reason_code,          .flags = UD_REQUIRED, .max = 40, .about = "Why: one of the reasons of this kind."),
	UD_FIELD(ud_failover_request, recovery_point_id,    .max = 40, .about = "Recovery point of one VM; null = the newest."),
	UD_FIELD(ud_failover_request, scheduled_at,         .about = "When to begin; null = at the last approval."),
	UD_FIELD(ud_failover_request, window_ends_at,       .about = "Of a planned failover: when its VMs are to be back; people are warned when they are not. The way home of a compliance_rotation is asked for by itself, a day before."),
	UD_FIELD(ud_failover_request, chain,                .max = 8, .about = "keep or reverse, where the replica has an extended one."),
	UD_FIELD(ud_failover_request, allow_hard_stop,      .about = "True to switch the guest off when it does not shut down."),
	UD_FIELD(ud_failover_request, acknowledge_latest,   .about = "True to take the newest point after a virus attack."),
	UD_FIELD(ud_failover_request, commit_policy,        .max = 8, .about = "none, commit or rollback when nobody decides in time."),
	UD_FIELD(ud_failover_request, commit_minutes,       .flags = UD_NULLABLE, .min = 1, .max = WEEK_MINUTES, .about = "How long that time is."),
	UD_FIELD(ud_failover_request, max_duration_seconds, .min = 60, .max = DAYS_14, .standard = HOURS_4, .about = "When a test is cleaned up by itself."),
	UD_FIELD(ud_failover_request, checks,               .about = "Services, program and arguments to look at inside the guest."),
};
/* clang-format on */
const struct ud_shape ud_failover_request_shape = { UD_SHAPE(ud_failover_request, request_fields),
	.bare = true };

/* What may be looked at inside the guest. */
struct checks {
	struct ud_texts services, arguments;
	const char *program;
};
/* clang-format off */
static const struct ud_field checks_fields[] = {
	UD_FIELD(checks, services,  .max = 32),
	UD_FIELD(checks, program,   .max = 255),
	UD_FIELD(checks, arguments, .max = 32),
};
/* clang-format on */
static const struct ud_shape checks_shape = { UD_SHAPE(checks, checks_fields), .bare = true };

/* ---- requests ---- */

static enum ud_code check_reason(struct ud_ctx *cx, const struct ud_failover_request *rq)
{
	const struct ud_failover_reason *r = ud_failover_reasons;

	while (r->code && strcmp(r->code, rq->reason_code) != 0)
		r++;
	if (!r->code)
		return ud_fail_field(
			cx, "reason_code", "unknown_value", "reason_code is none of the reasons.");
	if (r->kind != rq->kind)
		return ud_fail_field(cx, "reason_code", "wrong_kind",
			"%s is a reason for a failover of kind %s.", r->code,
			ud_failover_kinds.names[r->kind]);
	return UD_OK;
}

static enum ud_code check_whom(struct ud_ctx *cx, const struct ud_failover_request *rq)
{
	if (!rq->plan_id && !rq->vm_ids.count)
		return ud_fail_field(cx, "vm_ids", "required", "Name VMs or a recovery plan.");
	if (rq->plan_id && rq->vm_ids.count)
		return ud_fail_field(
			cx, "plan_id", "not_allowed", "Name VMs or a recovery plan, not both.");
	for (size_t i = 0; i < rq->vm_ids.count; i++)
		for (size_t k = 0; k < i; k++)
			if (strcmp(rq->vm_ids.items[i], rq->vm_ids.items[k]) == 0)
				return ud_fail_field(
					cx, "vm_ids", "duplicate", "A VM is named twice.");
	if (rq->recovery_point_id && rq->vm_ids.count != 1)
		return ud_fail_field(cx, "recovery_point_id", "not_allowed",
			"A recovery point belongs to one VM.");
	return UD_OK;
}

static enum ud_code read_choice(struct ud_ctx *cx, const char *field, const struct ud_enum *values,
	const char *text, unsigned *ret)
{
	int i = text ? ud_enum_index(values, text) : 0;

	if (i < 0)
		return ud_fail_field(
			cx, field, "unknown_value", "%s is none of its values.", field);
	*ret = (unsigned)i;
	return UD_OK;
}

static enum ud_code check_timer(
	struct ud_ctx *cx, const struct ud_failover_request *rq, const struct ud_failover *f)
{
	if (f->commit_policy != UD_COMMIT_NONE && rq->commit_minutes == UD_NONE)
		return ud_fail_field(cx, "commit_minutes", "required",
			"Say after how many minutes the timer decides.");
	if (f->commit_policy == UD_COMMIT_ROLLBACK && f->kind != UD_FAILOVER_UNPLANNED)
		return ud_fail_field(cx, "commit_policy", "not_allowed",
			"Only an unplanned failover can be rolled back by its timer.");
	return UD_OK;
}

static enum ud_code check_window(struct ud_ctx *cx, const struct ud_failover_request *rq)
{
	int64_t begins = rq->scheduled_at.ms > cx->now_ms ? rq->scheduled_at.ms : cx->now_ms;

	if (rq->window_ends_at.ms <= 0)
		return UD_OK;
	if (rq->kind != UD_FAILOVER_PLANNED || strcmp(rq->reason_code, "failback") == 0)
		return ud_fail_field(cx, "window_ends_at", "not_allowed",
			"Only a planned failover that is to come back has a window.");
	return rq->window_ends_at.ms > begins
		? UD_OK
		: ud_fail_field(cx, "window_ends_at", "out_of_range",
			  "The window ends after the failover has begun.");
}

enum ud_code ud_failover_checks(struct ud_ctx *cx, struct ud_json *checks)
{
	struct checks c = { 0 };
	struct ud_buf b = { 0 };

	if (!checks->text)
		return UD_OK;
	UD_TRY(ud_shape_read(cx, &checks_shape, checks->text, strlen(checks->text), &c));
	ud_shape_encode(&b, &checks_shape, &c, NULL);
	checks->text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

/* The VMs that the caller sees, of one customer, and the point of one of them. */
static enum ud_code check_vms(struct ud_ctx *cx, struct ud_failover *f)
{
	struct ud_recovery_point p = { 0 };

	for (size_t i = 0; i < f->vm_ids.count; i++) {
		struct ud_vm vm = { 0 };

		if (ud_row_get(cx, &ud_vms, f->vm_ids.items[i], &vm) != UD_OK) {
			ud_ctx_clear(cx);
			return ud_fail_field(cx, "vm_ids", "not_found",
				"vm_ids names a VM that you cannot use here.");
		}
		if (!vm.row.customer_id)
			return ud_fail_field(cx, "vm_ids", "unassigned",
				"VM %s belongs to no customer yet.", vm.name);
		if (f->row.customer_id && strcmp(f->row.customer_id, vm.row.customer_id) != 0)
			return ud_fail_field(cx, "vm_ids", "several_customers",
				"The VMs belong to several customers.");
		f->row.customer_id = vm.row.customer_id;
	}
	if (f->recovery_point_id &&
		ud_row_get(cx, &ud_recovery_points, f->recovery_point_id, &p) != UD_OK) {
		ud_ctx_clear(cx);
		return ud_fail_field(cx, "recovery_point_id", "not_found",
			"recovery_point_id names nothing that you can use here.");
	}
	return UD_OK;
}

static enum ud_code take_plan(struct ud_ctx *cx, struct ud_failover *f)
{
	struct ud_recovery_plan p = { 0 };

	if (ud_row_get(cx, &ud_recovery_plans, f->plan_id, &p) != UD_OK) {
		ud_ctx_clear(cx);
		return ud_fail_field(
			cx, "plan_id", "not_found", "plan_id names nothing that you can use here.");
	}
	return ud_failover_of_plan(cx, &p, f);
}

static enum ud_code read_request(
	struct ud_ctx *cx, const struct ud_failover_request *rq, struct ud_failover *f)
{
	UD_TRY(check_reason(cx, rq));
	UD_TRY(check_whom(cx, rq));
	UD_TRY(check_window(cx, rq));
	f->kind = rq->kind;
	f->reason_code = rq->reason_code;
	f->plan_id = rq->plan_id;
	f->vm_ids = rq->vm_ids;
	f->recovery_point_id = rq->recovery_point_id;
	f->scheduled_at = rq->scheduled_at;
	f->window_ends_at = rq->window_ends_at;
	f->allow_hard_stop = rq->allow_hard_stop;
	f->acknowledge_latest = rq->acknowledge_latest;
	f->max_duration_seconds = rq->max_duration_seconds ? rq->max_duration_seconds : HOURS_4;
	f->commit_minutes = rq->commit_minutes;
	UD_TRY(read_choice(cx, "chain", &ud_chains, rq->chain, &f->chain));
	UD_TRY(read_choice(
		cx, "commit_policy", &ud_commit_policies, rq->commit_policy, &f->commit_policy));
	UD_TRY(check_timer(cx, rq, f));
	f->checks = rq->checks;
	UD_TRY(ud_failover_checks(cx, &f->checks));
	if (f->plan_id)
		UD_TRY(take_plan(cx, f));
	return check_vms(cx, f);
}

/* ---- plans ---- */

static void tell_planned(const struct ud_failover *f, bool blocked, struct ud_failover_planned *ret)
{
	*ret = (struct ud_failover_planned){ .failover_id = f->row.id,
		.customer_id = f->row.customer_id,
		.plan_hash = f->plan_hash,
		.kind = f->kind,
		.vm_ids = f->vm_ids,
		.blockers = f->blockers,
		.predicted = f->predicted,
		.blocked = blocked };
}

enum ud_code ud_failover_plan(struct ud_ctx *cx, const char *ticket_id,
	const struct ud_failover_request *request, bool store, struct ud_failover_planned *ret)
{
	struct ud_failover f = { 0 };
	bool blocked = false;

	ud_shape_init(ud_failovers.shape, &f);
	UD_TRY(read_request(cx, request, &f));
	f.ticket_id = ticket_id;
	f.state = UD_FAILOVER_AWAITING_APPROVAL;
	f.phase = "awaiting_approval";
	f.requested_by = cx->scope->id;
	UD_TRY(ud_failover_dry_run(cx, &f, &blocked));
	if (store) {
		UD_TRY(ud_row_insert(cx, &ud_failovers, &f));
		UD_TRY(ud_event_add(cx, "created", ud_failovers.shape, NULL, &f));
	}
	tell_planned(&f, blocked, ret);
	return UD_OK;
}

enum ud_code ud_failover_replan(struct ud_ctx *cx, const char *failover_id,
	struct ud_failover_planned *ret, bool *ret_changed)
{
	struct ud_failover old = { 0 }, f;
	bool blocked = false;

	UD_TRY(ud_failover_take(cx, failover_id, &old));
	if (old.state > UD_FAILOVER_SCHEDULED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The run has begun.");
	f = old;
	UD_TRY(ud_failover_dry_run(cx, &f, &blocked));
	*ret_changed = strcmp(f.plan_hash, old.plan_hash) != 0;
	if (*ret_changed) {
		f.state = UD_FAILOVER_AWAITING_APPROVAL;
		f.phase = "awaiting_approval";
		f.approved_at.ms = 0;
	}
	if (*ret_changed || strcmp(f.blockers.text, old.blockers.text) != 0 ||
		strcmp(f.predicted.text, old.predicted.text) != 0)
		UD_TRY(ud_row_update(cx, &ud_failovers, &old, &f));
	if (*ret_changed)
		UD_TRY(ud_event_add(cx, "plan_changed", ud_failovers.shape, &old, &f));
	tell_planned(&f, blocked, ret);
	return UD_OK;
}

/* ---- decisions ---- */

/* Move a run that has not begun. */
static enum ud_code move(struct ud_ctx *cx, const char *failover_id, unsigned state,
	const char *phase, const char *verb)
{
	struct ud_failover old = { 0 }, f;

	UD_TRY(ud_failover_take(cx, failover_id, &old));
	if (old.state > UD_FAILOVER_SCHEDULED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The run has begun.");
	f = old;
	f.state = state;
	f.phase = phase;
	if (state <= UD_FAILOVER_SCHEDULED)
		f.approved_at.ms = cx->now_ms;
	else
		f.ended_at.ms = cx->now_ms;
	UD_TRY(ud_row_update(cx, &ud_failovers, &old, &f));
	return ud_event_add(cx, verb, ud_failovers.shape, &old, &f);
}

enum ud_code ud_failover_approved(struct ud_ctx *cx, const char *failover_id)
{
	struct ud_failover f = { 0 };

	UD_TRY(ud_failover_take(cx, failover_id, &f));
	if (f.scheduled_at.ms > cx->now_ms)
		return move(cx, failover_id, UD_FAILOVER_SCHEDULED, "scheduled", "scheduled");
	return move(cx, failover_id, UD_FAILOVER_APPROVED, "approved", "approved");
}

enum ud_code ud_failover_dropped(struct ud_ctx *cx, const char *failover_id, const char *verb)
{
	return move(cx, failover_id, UD_FAILOVER_ROLLED_BACK, verb, verb);
}

enum ud_code ud_failover_attested(struct ud_ctx *cx, const char *failover_id, const char *vm_id)
{
	return ud_flow_attested(cx, failover_id, vm_id);
}

enum ud_code ud_failover_solved(struct ud_ctx *cx, const char *failover_id)
{
	struct ud_failover old = { 0 }, f;

	UD_TRY(ud_failover_take(cx, failover_id, &old));
	if (old.state == UD_FAILOVER_SOLVED)
		return UD_OK;
	if (!ud_failover_ended(&old))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The run has not ended.");
	if (old.state != UD_FAILOVER_PROTECTED)
		return UD_OK; /* rolled back and failed stay what they are */
	f = old;
	f.state = UD_FAILOVER_SOLVED;
	UD_TRY(ud_row_update(cx, &ud_failovers, &old, &f));
	return ud_event_add(cx, "solved", ud_failovers.shape, &old, &f);
}

/* ---- what begins by itself ---- */

enum ud_code ud_failovers_due(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts ids = { 0 };
	bool recovering = false;

	*ret = false;
	/* a restored server begins nothing before it has heard its hosts */
	UD_TRY(ud_recovery_on(cx, &recovering));
	if (recovering)
		return UD_OK;
	UD_TRY(ud_failovers_scheduled(cx, &ids));
	*ret = ids.count > 0;
	return UD_OK;
}

/* A run whose VMs are not to be had any more goes back to those who approved it. */
static enum ud_code give_back(struct ud_ctx *cx, const char *failover_id, const char *text)
{
	struct ud_failover old = { 0 }, f;
	struct ud_buf b = { 0 };
	char at[UD_TIME_TEXT];

	UD_TRY(ud_failover_take(cx, failover_id, &old));
	f = old;
	f.state = UD_FAILOVER_AWAITING_APPROVAL;
	f.phase = "plan_changed";
	f.approved_at.ms = 0;
	ud_time_format(cx->now_ms, at);
	ud_buf_puts(&b,
		"{\"who\":\"customer\",\"what\":\"approve\",\"code\":\"plan_changed\","
		"\"text\":");
	ud_buf_json(&b, text);
	ud_buf_printf(&b, ",\"since\":\"%s\",\"actions\":[\"approve\",\"reject\"]}", at);
	f.waiting_for.text = ud_buf_take(cx->arena, &b);
	UD_TRY(ud_row_update(cx, &ud_failovers, &old, &f));
	return ud_event_add(cx, "plan_changed", ud_failovers.shape, &old, &f);
}

static enum ud_code begin_one(
	struct ud_ctx *cx, const struct ud_commanding *c, const char *failover_id)
{
	struct ud_failover_planned planned;
	struct ud_flow_member *members = NULL;
	struct ud_failover f = { 0 };
	size_t n = 0;
	bool changed = false;

	UD_TRY(ud_failover_replan(cx, failover_id, &planned, &changed));
	if (changed)
		return give_back(cx, failover_id,
			"The plan is not what was approved any more; look at it again.");
	UD_TRY(ud_failover_take(cx, failover_id, &f));
	UD_TRY(ud_failover_members(cx, &f, &members, &n));
	for (size_t i = 0; i < n; i++) {
		const char *id = NULL, *run = NULL;

		UD_TRY(ud_workflow_of(cx, members[i].vm_id, UD_NONE, &id, &run));
		if (id)
			return move(cx, failover_id, UD_FAILOVER_FAILED, "vm_in_other_run",
				"not_begun");
	}
	return ud_flow_begin(cx, c, failover_id, members, n);
}

enum ud_code ud_failovers_begin(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts ids = { 0 };

	UD_TRY(ud_failovers_scheduled(cx, &ids));
	for (size_t i = 0; i < ids.count; i++)
		UD_TRY(begin_one(cx, c, ids.items[i]));
	return UD_OK;
}
