/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of the past. They are asked for and planned by the rulebook's own functions; what hosts
 * would have done and measured is made up from the tables of steps.
 */
#include <string.h>

#include "api/failovers.h"
#include "api/ticket_run.h"
#include "db/approvals.h"
#include "db/demo.h"
#include "db/events.h"
#include "db/workflows.h"
#include "server/admin/demo.h"
#include "server/workflow/flow.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60000 };

static struct ud_demo_vm *vm_named(struct ud_demo *d, const char *id)
{
	size_t i = 0;

	while (strcmp(d->vms[i].id, id) != 0)
		i++;
	return &d->vms[i];
}

/* ---- asking ---- */

enum ud_code ud_demo_run_ask(struct ud_ctx *cx, struct ud_demo *d, const struct ud_demo_run *run,
	const char **ret_ticket_id)
{
	static const char *const what[] = { "Test of", "Planned failover of",
		"Unplanned failover of" };
	const struct ud_demo_customer *own = &d->customers[run->customer];
	const struct ud_recovery_plan *plan = &own->plans[run->plan];
	struct ud_scope scope;
	struct ud_ticket t = { 0 };
	void *request = NULL;

	ud_demo_act(cx, &scope, &own->people[UD_DEMO_OPERATOR], own->id);
	ud_shape_init(ud_tickets.shape, &t);
	t.row.customer_id = own->id;
	t.row.labels.text = UD_DEMO_LABELS;
	t.type = UD_TICKET_FAILOVER;
	t.severity = run->kind == UD_FAILOVER_UNPLANNED ? UD_SEVERITY_URGENT : UD_SEVERITY_NORMAL;
	t.subject = ud_printf(cx->arena, "%s %s", what[run->kind], plan->name);
	UD_TRY(ud_ticket_run_read(cx,
		ud_printf(cx->arena,
			"{\"kind\":\"%s\",\"reason_code\":\"%s\",\"plan_id\":\"%s\"%s}",
			ud_failover_kinds.names[run->kind], run->reason_code, plan->row.id,
			run->kind == UD_FAILOVER_TEST ? "" : ",\"chain\":\"reverse\""),
		&t, &request));
	UD_TRY(ud_ticket_open(cx, &t, request));
	*ret_ticket_id = t.row.id;
	return UD_OK;
}

/* ---- approving ---- */

static enum ud_code say_yes(struct ud_ctx *cx, const struct ud_ticket *t, unsigned side,
	const struct ud_demo_person *who, const char *note)
{
	struct ud_scope scope;
	struct ud_approval a = { .row.customer_id = t->row.customer_id,
		.ticket_id = t->row.id,
		.plan_hash = t->plan_hash,
		.decision = UD_DECISION_APPROVED,
		.side = side,
		.user_id = who->id,
		.user_name = who->name,
		.note = note,
		.expires_at.ms = cx->now_ms + 1440 * MINUTE_MS };

	ud_demo_act(cx, &scope, who, side == UD_SIDE_CUSTOMER ? t->row.customer_id : NULL);
	return ud_demo_put(cx, &ud_approvals, &a);
}

enum ud_code ud_demo_run_approve(
	struct ud_ctx *cx, struct ud_demo *d, const struct ud_demo_run *run, const char *ticket_id)
{
	const struct ud_demo_customer *own = &d->customers[run->customer];
	struct ud_scope system = ud_scope_system("demo-seed");
	struct ud_ticket old = { 0 }, t;

	cx->scope = &system;
	UD_TRY(ud_row_get(cx, &ud_tickets, ticket_id, &old));
	UD_TRY(say_yes(cx, &old, UD_SIDE_CUSTOMER, &own->people[UD_DEMO_APPROVER],
		"The business was told."));
	if (run->kind != UD_FAILOVER_TEST)
		UD_TRY(say_yes(cx, &old, UD_SIDE_STAFF, &d->staff[2], NULL));
	cx->scope = &system;
	t = old;
	t.approval = UD_APPROVAL_APPROVED;
	UD_TRY(ud_demo_change(cx, &ud_tickets, "approved", &old, &t));
	return ud_ticket_run_approved(cx, &t);
}

/* ---- what happened ---- */

/* Seconds that a step took. */
static int64_t took(struct ud_demo *d, const struct step *s)
{
	static const struct {
		const char *name;
		int64_t least, more;
	} times[] = { { "stop", 18, 30 }, { "sync", 4, 20 }, { "promote", 22, 40 },
		{ "test_start", 20, 40 }, { "check_guest_agent", 8, 20 },
		{ "check_services", 3, 10 }, { "check_script", 2, 10 },
		{ "test_running", 1200, 2400 }, { "validate", 600, 1500 }, { "fence", 30, 20 },
		{ "protect", 90, 200 }, { "cleanup", 4, 8 }, { "source_return", 4000, 9000 } };

	for (size_t i = 0; i < UD_LEN(times); i++)
		if (strcmp(times[i].name, s->name) == 0)
			return times[i].least + ud_demo_below(d, times[i].more);
	return 1;
}

struct telling {
	struct ud_demo *d;
	const struct ud_demo_run *run;
	struct ud_failover *f;
	struct ud_workflow w; /* the one that is told last */
	int64_t at;           /* where its clock stands */
	bool stop;
};

static bool served(const char *step)
{
	return strcmp(step, "check_guest_agent") == 0;
}

/* Does the story stop at this step, because the run stands there or because it failed? */
static bool stands_at(const struct ud_demo_run *run, const struct step *s)
{
	return !s->closes && s->state && s->state == run->end;
}

static enum ud_code tell_step(struct ud_ctx *cx, struct telling *t, const struct step *s, int64_t n)
{
	static const char not_there[] =
		"{\"code\":\"check_failed\",\"detail\":\"Service postgresql did not become active.\"}";
	bool wrong = t->run->failed && strcmp(s->name, "check_services") == 0 && t->w.position == 0;
	bool nothing_kept = strcmp(s->name, "set_addresses") == 0; /* for the demo's guests */
	struct ud_workflow_step step = { .n = n,
		.name = s->name,
		.phase = s->phase,
		.state = wrong         ? UD_STEP_FAILED
			: nothing_kept ? UD_STEP_SKIPPED
				       : UD_STEP_DONE,
		.host_id = s->host == SOURCE ? t->w.source_host_id
			: s->host == TARGET  ? t->w.target_host_id
					     : NULL,
		.seq = UD_NONE,
		.attempts = 1,
		.started_at.ms = t->at };

	if (wrong)
		step.error.text = not_there;
	t->stop = stands_at(t->run, s);
	if (t->stop)
		step.state = UD_STEP_RUNNING;
	else
		step.ended_at.ms = t->at += took(t->d, s) * SECOND_MS;
	if (served(s->name))
		t->w.serving_at.ms = t->at;
	if (strcmp(s->name, "commit_epoch") == 0)
		t->w.committed_at.ms = t->at;
	t->w.checks_failed += wrong;
	t->w.checks_passed += !wrong && strncmp(s->name, "check_", 6) == 0;
	t->w.step = s->name;
	t->w.log_n++;
	UD_TRY(ud_step_put(cx, &t->w, &step));
	return UD_OK;
}

static enum ud_code tell_workflow(struct ud_ctx *cx, struct telling *t, size_t i)
{
	const struct ud_demo_vm *vm = vm_named(t->d, t->f->vm_ids.items[i]);
	bool planned = t->run->kind == UD_FAILOVER_PLANNED;
	t->w = (struct ud_workflow){ .row.customer_id = t->f->row.customer_id,
		.row.labels.text = UD_DEMO_LABELS,
		.failover_id = t->f->row.id,
		.vm_id = vm->id,
		.position = (int64_t)i,
		.boot_group = (int64_t)i / 2,
		.kind = t->run->kind,
		.state = UD_WORKFLOW_RUNNING,
		.step = "done",
		.source_host_id = vm->source_id,
		.target_host_id = vm->target_id,
		.replication_id = vm->replication_id,
		.fencing_policy = "none",
		.seq = UD_NONE,
		.point_age_ms = planned ? UD_NONE : 9000 + ud_demo_below(t->d, 20000),
		.source_epoch = 1,
		.epoch = UD_NONE,
		.demote_seq = UD_NONE,
		.outage_at = t->f->started_at };

	t->at = t->f->started_at.ms + (int64_t)(i / 2) * 45 * SECOND_MS;
	UD_TRY(ud_row_insert(cx, &ud_workflows, &t->w));
	const struct ud_workflow before = t->w;
	int64_t n = 1;

	t->stop = false;
	for (const struct step *s = ud_flow_steps(t->run->kind); s->name && !t->stop; s++)
		if (!s->side)
			UD_TRY(tell_step(cx, t, s, n++));
	if (!t->stop) {
		t->w.state = UD_WORKFLOW_DONE;
		t->w.ended_at.ms = t->at;
	}
	return ud_row_update(cx, &ud_workflows, &before, &t->w);
}

/* ---- the run as a whole ---- */

static void measure(struct ud_ctx *cx, struct telling *t, int64_t serving_ms, int64_t ended_ms)
{
	struct ud_failover *f = t->f;
	int64_t rto = (serving_ms - f->started_at.ms) / SECOND_MS;

	f->rto_measured_seconds = rto;
	f->downtime_seconds = t->run->kind == UD_FAILOVER_TEST ? 0 : rto;
	f->rpo_measured_seconds =
		t->run->kind == UD_FAILOVER_PLANNED ? 0 : 9 + ud_demo_below(t->d, 20);
	f->data_loss = t->run->kind == UD_FAILOVER_UNPLANNED
		? ud_printf(cx->arena, "Changes of about the last %lld s are lost.",
			  (long long)f->rpo_measured_seconds)
		: "none";
	f->verdict = t->run->failed ? "failed" : "passed";
	int64_t machine_ms = serving_ms - f->started_at.ms, human_ms = ended_ms - serving_ms;

	f->phases.text = ud_printf(cx->arena, "{\"machine_ms\":%lld,\"human_ms\":%lld}",
		(long long)machine_ms, (long long)human_ms);
}

static void wait_for_customer(struct ud_ctx *cx, const struct ud_failover *f, const char **ret)
{
	char at[UD_TIME_TEXT];

	ud_time_format(cx->now_ms, at);
	*ret = ud_printf(cx->arena,
		"{\"who\":\"customer\",\"what\":\"%s\",\"code\":\"%s\",\"text\":\"%s\",\"since\":\"%s\",\"vm_id\":\"%s\",\"actions\":[\"verify\"]}",
		f->kind == UD_FAILOVER_TEST ? "test_running" : "validate", f->phase,
		f->kind == UD_FAILOVER_TEST ? "look at the test VM, then have it cleaned up"
					    : "verify: say whether the service works",
		at, f->vm_ids.items[0]);
}

static void decide(struct ud_ctx *cx, struct telling *t, int64_t ended_ms)
{
	const struct ud_demo_customer *own = &t->d->customers[t->run->customer];
	struct ud_failover *f = t->f;

	f->state = t->run->end;
	f->phase = ud_flow_step(f->kind, t->w.step)->phase;
	if (t->stop) {
		wait_for_customer(cx, f, &f->waiting_for.text);
		return;
	}
	f->ended_at.ms = ended_ms;
	f->validation = t->run->failed ? UD_VALIDATION_FAIL : UD_VALIDATION_PASS;
	f->validated_by = own->people[UD_DEMO_LEAD].id;
	f->validation_notes = t->run->failed
		? "The database did not come up; the drill is repeated."
		: "Orders can be entered and printed.";
}

static enum ud_code end_ticket(
	struct ud_ctx *cx, struct ud_demo *d, const struct ud_demo_run *run, const char *ticket_id)
{
	struct ud_scope scope;
	struct ud_ticket old = { 0 }, t;

	ud_demo_act(cx, &scope, &d->staff[2], NULL);
	UD_TRY(ud_row_get(cx, &ud_tickets, ticket_id, &old));
	t = old;
	t.assignee_id = d->staff[2].id;
	t.assignee_name = d->staff[2].name;
	t.waiting_since.ms = cx->now_ms;
	if (run->end == UD_FAILOVER_CUSTOMER_VALIDATION || run->end == UD_FAILOVER_TEST_RUNNING) {
		t.state = UD_TICKET_PENDING_CUSTOMER;
		UD_TRY(ud_ticket_run_clocks(cx, &old, &t));
		return ud_demo_change(cx, &ud_tickets, "run_asked", &old, &t);
	}
	t.state = UD_TICKET_SOLVED;
	t.resolution = UD_RESOLUTION_SOLVED;
	t.solved_at.ms = t.responded_at.ms = t.acknowledged_at.ms = cx->now_ms;
	UD_TRY(ud_ticket_run_clocks(cx, &old, &t));
	return ud_demo_change(cx, &ud_tickets, "solved", &old, &t);
}

enum ud_code ud_demo_run_end(
	struct ud_ctx *cx, struct ud_demo *d, const struct ud_demo_run *run, const char *ticket_id)
{
	struct ud_scope system = ud_scope_system("demo-seed");
	struct ud_ticket t = { 0 };
	struct ud_failover old = { 0 }, f;
	int64_t serving = 0, ended = 0;

	cx->scope = &system;
	UD_TRY(ud_row_get(cx, &ud_tickets, ticket_id, &t));
	UD_TRY(ud_row_get(cx, &ud_failovers, t.failover_id, &old));
	f = old;
	f.started_at.ms = f.approved_at.ms + 4 * SECOND_MS;
	struct telling telling = { .d = d, .run = run, .f = &f };

	for (size_t i = 0; i < f.vm_ids.count; i++) {
		UD_TRY(tell_workflow(cx, &telling, i));
		serving = telling.w.serving_at.ms > serving ? telling.w.serving_at.ms : serving;
		ended = telling.at > ended ? telling.at : ended;
	}
	measure(cx, &telling, serving, ended);
	decide(cx, &telling, ended);
	UD_TRY(ud_demo_change(cx, &ud_failovers, ud_failover_states.names[f.state], &old, &f));
	UD_TRY(ud_failover_told(cx, &f));
	return end_ticket(cx, d, run, ticket_id);
}
