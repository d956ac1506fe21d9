/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relations as commands. Hosts and agents are read as ourselves: a customer's replication stands on
 * the provider's hosts.
 */
#include "server/replication/relations.h"

#include <string.h>

#include "db/agents.h"
#include "db/events.h"
#include "db/hosts.h"
#include "db/leases.h"
#include "db/recovery_points.h"
#include "db/vms.h"
#include "server/agents/ca.h"

static const char *encoded(struct ud_ctx *cx, const struct ud_shape *shape, const void *row)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, shape, row, NULL);
	return ud_buf_take(cx->arena, &b);
}

/* ---- the relation of an end ---- */

static enum ud_code fill_peer(struct ud_ctx *cx, const char *host_id, struct ud_relation *ret)
{
	struct ud_agent agent = { 0 };
	bool found = false;

	UD_TRY(ud_agent_of_host(cx, host_id, &found, &agent));
	ret->peer_host_id = host_id;
	ret->peer_agent_id = found ? agent.row.id : "";
	return ud_host_replication_address(cx, host_id, &ret->peer_address);
}

static enum ud_code fill(struct ud_ctx *cx, const struct ud_replication *r,
	enum ud_relation_role role, struct ud_relation *ret)
{
	const struct ud_relation_initial initial = { r->initial_method, r->initial_start_at };
	struct ud_vm vm = { 0 };
	const char *policy;

	UD_TRY(ud_row_get(cx, &ud_vms, r->vm_id, &vm));
	*ret = (struct ud_relation){ .replication_id = r->row.id,
		.vm_id = r->vm_id,
		.uuid = vm.hypervisor_uuid ? vm.hypervisor_uuid : "",
		.role = role,
		.leg = r->leg,
		.state = r->wanted,
		.schedule_interval_seconds = r->schedule_interval_seconds,
		.recovery_points_kept = r->recovery_points_kept,
		.app_consistent_every_hours = r->app_consistent_every_hours,
		.compression = r->compression,
		.authentication = r->authentication,
		.rate_bytes_per_second = r->rate_bytes_per_second,
		.windows = r->windows,
		.excluded_disks = r->excluded_disk_ids,
		.initial.text = encoded(cx, &ud_relation_initial_shape, &initial),
		.generation = r->generation,
		.lease_seconds = 30 };
	UD_TRY(ud_vm_epoch(cx, r->vm_id, &ret->epoch, &policy));
	int known = ud_enum_index(&ud_fencing_policies, policy);

	UD_TRY(ud_vm_break_glass(cx, r->vm_id, &ret->break_glass));
	ret->fencing_policy = known > 0 ? (unsigned)known : UD_POLICY_ATTEST;
	UD_TRY(ud_recovery_points_pinned(cx, r->row.id, &ret->pinned_points));
	return fill_peer(
		cx, role == UD_RELATION_SOURCE ? r->target_host_id : r->source_host_id, ret);
}

enum ud_code ud_relation_of(struct ud_ctx *cx, const struct ud_replication *r,
	enum ud_relation_role role, struct ud_relation *ret)
{
	const struct ud_scope *asker = cx->scope, system = ud_scope_system("replication");

	cx->scope = &system;
	enum ud_code code = fill(cx, r, role, ret);

	cx->scope = asker;
	return code;
}

static const char *host_of(const struct ud_replication *r, enum ud_relation_role role)
{
	return role == UD_RELATION_SOURCE ? r->source_host_id : r->target_host_id;
}

enum ud_code ud_relation_command(struct ud_ctx *cx, const struct ud_commanding *c,
	const struct ud_replication *r, enum ud_relation_role role, const char *verb,
	const struct ud_shape *shape, const void *args, const char *operation_id)
{
	const struct ud_command_new command = { .host_id = host_of(r, role),
		.vm_id = r->vm_id,
		.verb = verb,
		.args = encoded(cx, shape, args),
		.operation_id = operation_id,
		.timeout_seconds = UD_RELATION_TIMEOUT_SECONDS,
		.wait_seconds = UD_RELATION_WAIT_SECONDS };
	int64_t seq;

	return ud_command_send(cx, c, &command, &seq);
}

enum ud_code ud_relation_send(struct ud_ctx *cx, const struct ud_commanding *c,
	const struct ud_replication *r, enum ud_relation_role role)
{
	struct ud_relation relation;

	UD_TRY(ud_relation_of(cx, r, role, &relation));
	if (c->lease_seconds)
		relation.lease_seconds = c->lease_seconds;
	return ud_relation_command(
		cx, c, r, role, UD_VERB_RELATION_SET, &ud_relation_shape, &relation, NULL);
}

enum ud_code ud_relation_send_both(
	struct ud_ctx *cx, const struct ud_commanding *c, const struct ud_replication *r)
{
	/* the target first: it must know what the source will send */
	UD_TRY(ud_relation_send(cx, c, r, UD_RELATION_TARGET));
	return ud_relation_send(cx, c, r, UD_RELATION_SOURCE);
}

/* ---- operations in steps ---- */

struct step {
	const char *name, *state, *host_id;
	struct ud_time started_at, ended_at;
};
/* clang-format off */
static const struct ud_field step_fields[] = {
	UD_FIELD(step, name),
	UD_FIELD(step, state),
	UD_FIELD(step, host_id),
	UD_FIELD(step, started_at),
	UD_FIELD(step, ended_at),
};
static const struct ud_shape step_shape = { UD_SHAPE(step, step_fields), .bare = true };

enum { STEPS_MAX = 3 };
static const struct {
	const char *kind;
	struct {
		const char *name;
		enum ud_relation_role role; /* who does it */
	} steps[STEPS_MAX];
} works[] = {
	[UD_WORK_SETUP] =  { "replication_setup",  { { "configure_target", UD_RELATION_TARGET }, { "configure_source", UD_RELATION_SOURCE }, { "initial_copy", UD_RELATION_SOURCE } } },
	[UD_WORK_RESYNC] = { "replication_resync", { { "ask_source", UD_RELATION_SOURCE }, { "copy", UD_RELATION_SOURCE } } },
	[UD_WORK_REMOVE] = { "replication_remove", { { "remove_source", UD_RELATION_SOURCE }, { "remove_target", UD_RELATION_TARGET } } },
	[UD_WORK_DELETE] = { "replica_deletion",   { { "delete_replica", UD_RELATION_TARGET } } },
};
/* clang-format on */

/* An operation of ours, opened for a change. */
struct following {
	bool open; /* there is one, and it has not ended */
	struct ud_operation old, op;
	enum ud_replication_work work;
	struct step *steps;
	size_t count, at; /* at: the step that is running */
};

static const char *steps_text(struct ud_ctx *cx, const struct step *steps, size_t n)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &step_shape, &steps[i], NULL);
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

static enum ud_code follow_inner(
	struct ud_ctx *cx, const struct ud_replication *r, struct following *f)
{
	memset(f, 0, sizeof(*f));
	if (!r->operation_id)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_operations, r->operation_id, &f->old));
	if (ud_operation_ended(&f->old))
		return UD_OK;
	f->op = f->old;
	while (f->work < UD_LEN(works) && strcmp(works[f->work].kind, f->op.kind) != 0)
		f->work++;
	f->open = f->work < UD_LEN(works);
	UD_TRY(ud_shape_read_list(
		cx, &step_shape, f->op.steps.text, STEPS_MAX, &f->steps, &f->count));
	while (f->at < f->count && strcmp(f->steps[f->at].state, "running") != 0)
		f->at++;
	return UD_OK;
}

static enum ud_code follow(struct ud_ctx *cx, const struct ud_replication *r, struct following *f)
{
	const struct ud_scope *asker = cx->scope, system = ud_scope_system("replication");

	cx->scope = &system;
	enum ud_code code = follow_inner(cx, r, f);

	cx->scope = asker;
	return code;
}

enum ud_code ud_replication_working(struct ud_ctx *cx, const struct ud_replication *r, bool *ret)
{
	struct following f;

	UD_TRY(follow(cx, r, &f));
	*ret = f.open;
	return UD_OK;
}

enum ud_code ud_replication_rested(
	struct ud_ctx *cx, const struct ud_replication *r, int64_t ms, bool *ret)
{
	struct following f;

	UD_TRY(follow(cx, r, &f));
	*ret = !f.open && (!r->operation_id || cx->now_ms - f.old.ended_at.ms >= ms);
	return UD_OK;
}

/* Store the operation; an end gets its event. */
static enum ud_code keep(struct ud_ctx *cx, struct following *f)
{
	f->op.steps.text = steps_text(cx, f->steps, f->count);
	if (ud_operation_ended(&f->op))
		f->op.ended_at.ms = cx->now_ms;
	UD_TRY(ud_row_update(cx, &ud_operations, &f->old, &f->op));
	if (!ud_operation_ended(&f->op))
		return UD_OK;
	return ud_event_add(
		cx, ud_operation_states.names[f->op.state], ud_operations.shape, &f->old, &f->op);
}

/* The running step has ended; the next one runs, or the operation has succeeded. */
static void next_step(struct ud_ctx *cx, struct following *f, const char *state)
{
	if (f->at < f->count) {
		f->steps[f->at].state = state;
		f->steps[f->at].ended_at.ms = cx->now_ms;
	}
	f->at++;
	if (f->at < f->count) {
		f->steps[f->at].state = "running";
		f->steps[f->at].started_at.ms = cx->now_ms;
		return;
	}
	f->op.state = UD_OPERATION_SUCCEEDED;
	f->op.progress_percent = 100;
}

static void fail_step(struct ud_ctx *cx, struct following *f, const char *error)
{
	if (f->at < f->count) {
		f->steps[f->at].state = "failed";
		f->steps[f->at].ended_at.ms = cx->now_ms;
	}
	f->op.state = UD_OPERATION_FAILED;
	f->op.error.text = error;
}

/* The command that the running step consists of, if it is one. */
static enum ud_code send_step(struct ud_ctx *cx, const struct ud_commanding *c,
	const struct ud_replication *r, enum ud_replication_work work, size_t at,
	const struct ud_relation_resync *resync)
{
	const struct ud_relation_drop drop = { .replication_id = r->row.id };

	if (work == UD_WORK_DELETE)
		return ud_relation_command(cx, c, r, UD_RELATION_TARGET, UD_VERB_RELATION_DROP,
			&ud_relation_drop_shape, &drop, NULL);
	if (work == UD_WORK_RESYNC)
		return at
			? UD_OK
			: ud_relation_command(cx, c, r, UD_RELATION_SOURCE, UD_VERB_RELATION_RESYNC,
				  &ud_relation_resync_shape, resync, NULL);
	if (at >= 2)
		return UD_OK;
	return ud_relation_send(cx, c, r, works[work].steps[at].role);
}

static enum ud_code make_operation(struct ud_ctx *cx, const struct ud_replication *r,
	enum ud_replication_work work, struct ud_operation *op)
{
	struct step steps[STEPS_MAX] = { 0 };
	size_t n = 0;

	for (; n < STEPS_MAX && works[work].steps[n].name; n++)
		steps[n] = (struct step){ .name = works[work].steps[n].name,
			.state = n ? "queued" : "running",
			.host_id = host_of(r, works[work].steps[n].role),
			.started_at.ms = n ? UD_NONE : cx->now_ms };
	*op = (struct ud_operation){ .row.customer_id = r->row.customer_id,
		.kind = works[work].kind,
		.state = UD_OPERATION_RUNNING,
		.requested_by = cx->scope->id,
		.steps.text = steps_text(cx, steps, n),
		.resource.text = ud_printf(
			cx->arena, "{\"object\":\"replication\",\"id\":\"%s\"}", r->row.id) };
	UD_TRY(ud_row_insert(cx, &ud_operations, op));
	return ud_event_add(cx, "created", ud_operations.shape, NULL, op);
}

enum ud_code ud_replication_begin(struct ud_ctx *cx, const struct ud_commanding *c,
	struct ud_replication *r, enum ud_replication_work work,
	const struct ud_relation_resync *resync, struct ud_operation *ret)
{
	struct following f;

	UD_TRY(follow(cx, r, &f));
	if (f.open && work != UD_WORK_REMOVE)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"Operation %s of this replication goes on.", f.op.row.id);
	if (f.open) {
		f.op.state = UD_OPERATION_CANCELED;
		UD_TRY(keep(cx, &f));
	}
	UD_TRY(make_operation(cx, r, work, ret));
	r->operation_id = ret->row.id;
	return send_step(cx, c, r, work, 0, resync);
}

/* ---- what hosts answer ---- */

static enum ud_code note_error(
	struct ud_ctx *cx, const struct ud_replication *r, const char *verb, const char *error)
{
	struct ud_replication now = *r;

	now.error.text = error;
	now.state = UD_REPLICATION_ERROR;
	now.state_since.ms = cx->now_ms;
	UD_TRY(ud_row_update(cx, &ud_replications, r, &now));
	return ud_event_add(cx, verb, ud_replications.shape, r, &now);
}

static const char *error_text(const struct ud_command_ended *c)
{
	return c->error ? c->error
			: "{\"code\":\"command_failed\",\"detail\":\"The host did not say why.\"}";
}

/* A step has failed. What is being removed goes on without the host that is silent: it is told when
 * it reports again. */
static enum ud_code step_failed(struct ud_ctx *cx, const struct ud_command_ended *c,
	const struct ud_replication *r, struct following *f)
{
	if (f->work == UD_WORK_REMOVE) {
		next_step(cx, f, "failed");
		UD_TRY(keep(cx, f));
		return f->at < f->count ? send_step(cx, c->commanding, r, f->work, f->at, NULL)
					: UD_OK;
	}
	fail_step(cx, f, error_text(c));
	UD_TRY(keep(cx, f));
	return f->work == UD_WORK_SETUP ? note_error(cx, r, "setup_failed", error_text(c)) : UD_OK;
}

static enum ud_code step_done(struct ud_ctx *cx, const struct ud_command_ended *c,
	const struct ud_replication *r, struct following *f)
{
	next_step(cx, f, "succeeded");
	UD_TRY(keep(cx, f));
	if (ud_operation_ended(&f->op))
		return UD_OK;
	return send_step(cx, c->commanding, r, f->work, f->at, NULL);
}

/* Is this the answer that the running step waits for? */
static bool awaited(const struct following *f, const struct ud_command_ended *c)
{
	return f->open && f->at < f->count && f->steps[f->at].host_id &&
		strcmp(f->steps[f->at].host_id, c->host_id) == 0 &&
		!(f->work < UD_WORK_REMOVE && f->at + 1 == f->count);
}

static enum ud_code ended(
	struct ud_ctx *cx, const struct ud_command_ended *c, const struct ud_replication *r)
{
	struct following f;

	UD_TRY(follow(cx, r, &f));
	if (awaited(&f, c))
		return c->state == UD_COMMAND_DONE ? step_done(cx, c, r, &f)
						   : step_failed(cx, c, r, &f);
	if (c->state == UD_COMMAND_DONE || c->state == UD_COMMAND_WITHDRAWN)
		return UD_OK;
	/* a change that did not arrive is sent again by the watch while it is wanted */
	return ud_event_add_plain(cx, "replication.command_failed", r->row.customer_id,
		"replication", r->row.id, error_text(c));
}

enum ud_code ud_relation_set_ended(struct ud_ctx *cx, const struct ud_command_ended *c)
{
	struct ud_relation relation = { 0 };
	struct ud_replication r = { 0 };
	bool found = false;

	if (!c->args ||
		ud_shape_read(cx, &ud_relation_shape, c->args, strlen(c->args), &relation) !=
			UD_OK) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(ud_replication_find(cx, relation.replication_id, &found, &r));
	/* an older word of ours is nobody's answer */
	if (!found || relation.generation < r.generation)
		return UD_OK;
	return ended(cx, c, &r);
}

enum ud_code ud_relation_resync_ended(struct ud_ctx *cx, const struct ud_command_ended *c)
{
	struct ud_relation_resync resync = { 0 };
	struct ud_replication r = { 0 };
	bool found = false;

	if (!c->args ||
		ud_shape_read(cx, &ud_relation_resync_shape, c->args, strlen(c->args), &resync) !=
			UD_OK) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(ud_replication_find(cx, resync.replication_id, &found, &r));
	return found ? ended(cx, c, &r) : UD_OK;
}

enum ud_code ud_relation_drop_ended(struct ud_ctx *cx, const struct ud_command_ended *c)
{
	struct ud_relation_drop drop = { 0 };
	struct ud_replication old = { 0 }, r;
	bool found = false;

	if (!c->args ||
		ud_shape_read(cx, &ud_relation_drop_shape, c->args, strlen(c->args), &drop) !=
			UD_OK) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(ud_replication_find(cx, drop.replication_id, &found, &old));
	if (!found)
		return UD_OK;
	UD_TRY(ended(cx, c, &old));
	if (c->state != UD_COMMAND_DONE || drop.keep_replica)
		return UD_OK;
	r = old;
	r.replica_deleted_at.ms = cx->now_ms;
	UD_TRY(ud_row_update(cx, &ud_replications, &old, &r));
	UD_TRY(ud_recovery_points_drop_all(cx, r.row.id));
	return ud_event_add(cx, "replica_deleted", ud_replications.shape, &old, &r);
}

enum ud_code ud_relation_test_ended(struct ud_ctx *cx, const struct ud_command_ended *c)
{
	struct ud_relation_tested t = { 0 };
	struct ud_operation old = { 0 }, op;

	if (!c->operation_id || !c->result ||
		ud_shape_read(cx, &ud_relation_tested_shape, c->result, strlen(c->result), &t) !=
			UD_OK) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(ud_row_get(cx, &ud_operations, c->operation_id, &old));
	op = old;
	op.steps.text = ud_printf(cx->arena,
		"[{\"name\":\"connect\",\"state\":\"%s\",\"result\":%s}]",
		t.reachable ? "succeeded" : "failed", encoded(cx, &ud_relation_tested_shape, &t));
	return ud_row_update(cx, &ud_operations, &old, &op);
}

/* ---- what the ends tell ---- */

/* How far the copy is, and whether it is complete. */
static void note_progress(
	const struct ud_replication *r, const struct ud_replication_ends *ends, struct following *f)
{
	const struct ud_replication_report *t = &ends->source.told;

	if (!ends->source.known || f->steps[f->at].started_at.ms > ends->source.observed_at.ms)
		return;
	if (t->progress_percent != UD_NONE)
		f->op.progress_percent = t->progress_percent;
	f->op.eta.ms = t->eta_seconds == UD_NONE
		? UD_NONE
		: ends->source.observed_at.ms + t->eta_seconds * 1000;
	(void)r;
}

enum ud_code ud_replication_followed(struct ud_ctx *cx, const struct ud_replication *r)
{
	struct ud_replication_ends ends;
	struct following f;

	UD_TRY(follow(cx, r, &f));
	if (!f.open || f.work >= UD_WORK_REMOVE || f.at + 1 != f.count)
		return UD_OK;
	UD_TRY(ud_replication_ends(cx, r, &ends));
	note_progress(r, &ends, &f);
	bool told = ends.source.known && f.steps[f.at].started_at.ms <= ends.source.observed_at.ms;

	if (told && r->state == UD_REPLICATION_REPLICATING)
		next_step(cx, &f, "succeeded");
	if (f.op.state == f.old.state && f.op.progress_percent == f.old.progress_percent)
		return UD_OK;
	enum ud_code code = keep(cx, &f);

	if (code != UD_E_STALE_VERSION)
		return code;
	/* the other end told something at the same time; the next report is soon */
	ud_ctx_clear(cx);
	return UD_OK;
}

/* ---- points ---- */

enum ud_code ud_point_verify_ended(struct ud_ctx *cx, const struct ud_command_ended *c)
{
	struct ud_point_verified v = { 0 };
	struct ud_recovery_point old = { 0 }, p;
	bool found = false;

	if (c->state != UD_COMMAND_DONE || !c->result ||
		ud_shape_read(cx, &ud_point_verified_shape, c->result, strlen(c->result), &v) !=
			UD_OK) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(ud_recovery_point_find(cx, v.point_id, &found, &old));
	if (!found || strcmp(old.host_id, c->host_id) != 0)
		return UD_OK;
	p = old;
	p.verified_at.ms = cx->now_ms;
	p.verified_text = v.text;
	if (v.intact && p.verified == UD_VERIFIED_NEVER)
		p.verified = UD_VERIFIED_HASH_OK;
	p.state = v.intact ? UD_POINT_VERIFIED : UD_POINT_CORRUPT;
	UD_TRY(ud_row_update(cx, &ud_recovery_points, &old, &p));
	return ud_event_add(
		cx, v.intact ? "verified" : "corrupted", ud_recovery_points.shape, &old, &p);
}

enum ud_code ud_point_ran(struct ud_ctx *cx, const char *id, enum ud_verified level)
{
	struct ud_recovery_point old = { 0 }, p;
	bool found = false;

	if (id)
		UD_TRY(ud_recovery_point_find(cx, id, &found, &old));
	if (!found || old.verified >= level)
		return UD_OK;
	p = old;
	p.verified = level;
	p.verified_at.ms = cx->now_ms;
	p.verified_text = level == UD_VERIFIED_SERVICE_OK
		? "A guest started from it, and what was looked at inside works."
		: "A guest started from it, and its agent answered.";
	enum ud_code code = ud_row_update(cx, &ud_recovery_points, &old, &p);

	if (code == UD_E_STALE_VERSION) { /* its host told of it just now: no harm to the check */
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(code);
	return ud_event_add(cx, "verified", ud_recovery_points.shape, &old, &p);
}

/* ---- the way back ---- */

enum ud_code ud_replication_reverse(
	struct ud_ctx *cx, const struct ud_commanding *c, struct ud_replication *r)
{
	const struct ud_replication old = *r;

	r->source_host_id = old.target_host_id;
	r->target_host_id = old.source_host_id;
	r->initial_method = UD_INITIAL_REVERSE;
	r->initial_start_at.ms = UD_NONE;
	r->wanted = UD_RELATION_ACTIVE;
	r->generation++;
	r->state = UD_REPLICATION_READY_FOR_SEED;
	r->state_since.ms = cx->now_ms;
	r->error.text = NULL;
	r->seeded_at.ms = UD_NONE;
	r->window_started_at.ms = cx->now_ms;
	r->window_cycles_total = r->window_cycles_missed = 0;
	/* what was told is about the other direction, and so are the points */
	UD_TRY(ud_replication_forget_ends(cx, r->row.id));
	UD_TRY(ud_recovery_points_drop_all(cx, r->row.id));
	UD_TRY(ud_row_update(cx, &ud_replications, &old, r));
	UD_TRY(ud_event_add(cx, "reversed", ud_replications.shape, &old, r));
	return ud_relation_send_both(cx, c, r);
}
