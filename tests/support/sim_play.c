/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What befalls the simulator's world: faults, and the people who ask for failovers and help when a
 * run waits for them. They know what they state: nobody attests of a VM that runs that it is off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/api.h"
#include "api/failovers.h"
#include "base/id.h"
#include "base/verbs.h"
#include "db/replications.h"
#include "db/vms.h"
#include "db/workflows.h"
#include "server/agents/ca.h"
#include "server/workflow/workflow.h"
#include "support/scripted_inside.h"
#include "support/sim_inside.h"

enum { WATCH_MS = 10000, MOMENTS_MAX = 4000, CALM_MOMENTS = 600, FAULTS_PER_WORLD = 1000 };

/* ---- faults ---- */

static void fault_at_host(struct sim *s, enum sim_fault f, struct sim_host *h)
{
	static const char *const slots[] = { "power_off", "shutdown", "start", "resume",
		"fail_over", "prepare", "displace", "cancel", "complete", "relation_set",
		"test_start", "test_drop", "points", "power", "relations" };
	int64_t long_ms = 2000 + sim_chance(s, sim_one_in(s, 4) ? 400000 : 60000);
	const char *slot = slots[sim_chance(s, UD_LEN(slots))];
	int v = (int)sim_chance(s, SIM_VMS);

	switch (f) {
	case SIM_ANSWER_LOST:
		h->lose_answer = true;
		return;
	case SIM_ACK_LOST:
		h->lose_ack = true;
		return;
	case SIM_COMMAND_LOST:
		h->lose_command = true;
		return;
	case SIM_GRANT_LOST:
		h->lose_grant = true;
		return;
	case SIM_AGENT_DIES:
		h->dies_at = 1 + (int)sim_chance(s, 6);
		return;
	case SIM_HOST_DIES:
		sim_host_dies(h, long_ms);
		return;
	case SIM_ALONE:
		h->peers_at = s->now_ms + long_ms;
		h->line_at = s->now_ms + long_ms;
		return;
	case SIM_LINE_CUT:
		h->line_at = s->now_ms + long_ms;
		return;
	case SIM_PEERS_CUT:
		h->peers_at = s->now_ms + long_ms;
		return;
	case SIM_HYPERVISOR:
		if (sim_one_in(s, 2))
			scripted_fail(h->script, slot, UD_E_HYPERVISOR, 1);
		else
			scripted_fail_after(h->script, slot, UD_E_HYPERVISOR, 1);
		return;
	case SIM_GUEST_DIES:
		if (sim_runs(h, v))
			scripted_set_power(h->script, s->vm[v].uuid, UD_POWER_OFF);
		return;
	default:
		h->wall_ms = sim_chance(s, 7200000) - 3600000;
	}
}

/* The network gives once more what it has kept. */
static enum ud_code answer_again(struct ud_ctx *cx, void *data)
{
	struct sim_host *h = data;
	bool fresh = false;

	UD_TRY(ud_command_answer(cx, &h->s->commanding, h->config.host_id, &h->answer, &fresh));
	if (fresh)
		sim_broken(h->s, "an old answer counted");
	return UD_OK;
}

static enum ud_code is_open(struct ud_ctx *cx, void *data)
{
	struct sim_host *h = data;
	bool found = false;
	int64_t n;

	/* one that the server still waits for is no old answer */
	UD_TRY(ud_query_int(cx, &found, &n,
		"SELECT 1 FROM commands WHERE subject_id = $1 AND seq = $2"
		" AND state IN ('queued', 'delivered')",
		UD_VALS(ud_t(h->answer.subject_id), ud_i(h->answer.seq))));
	if (found)
		h->answer.subject_id = NULL;
	return UD_OK;
}

static bool again(struct sim *s, enum sim_fault f, struct sim_host *h)
{
	if (f == SIM_COMMAND_LATE) {
		struct ud_ctx cx = sim_context(s);

		if (!h->late.payload || !h->runner || atomic_load(&h->station.dead))
			return false;
		sim_must(&cx, ud_runner_offer(&cx, h->runner, &h->late, NULL));
		return true;
	}
	if (h->answer.subject_id)
		(void)!sim_serve(s, is_open, h);
	return h->answer.subject_id && sim_serve(s, answer_again, h) == UD_OK;
}

static void server_dies(struct sim *s)
{
	s->server_at = s->now_ms + 500 + sim_chance(s, 40000);
	if (sim_one_in(s, 3))
		snprintf(s->clock, sizeof(s->clock), "server-%d", ++s->clocks);
}

static void strike(struct sim *s)
{
	enum sim_fault f = (enum sim_fault)sim_chance(s, SIM_FAULTS);
	struct sim_host *h = &s->host[sim_chance(s, SIM_HOSTS)];

	/* most of the time what hurts most is too much */
	if ((f == SIM_HOST_DIES || f == SIM_ALONE || f == SIM_SERVER_DOWN) && sim_one_in(s, 2))
		f = (enum sim_fault)sim_chance(s, SIM_FAULTS);
	if (f == SIM_COMMAND_LATE || f == SIM_ANSWER_LATE) {
		if (!again(s, f, h))
			return;
	} else if (f == SIM_NO_COMMIT) {
		s->no_commit = true;
	} else if (f == SIM_DISK) {
		s->disk = 1 + (int)sim_chance(s, 25);
	} else if (f == SIM_SERVER_DOWN) {
		server_dies(s);
	} else {
		fault_at_host(s, f, h);
	}
	sim_note(s, "fault %s at %d", sim_fault_names[f], h->n);
	s->score->faults[f]++;
	s->score->all++;
}

/* Everything is there again; what was lost stays lost. */
static void heal(struct sim *s)
{
	s->server_at = s->now_ms;
	s->no_commit = false;
	s->disk = 0;
	for (int n = 0; n < SIM_HOSTS; n++) {
		struct sim_host *h = &s->host[n];

		h->powered_at = h->powered_at < s->now_ms ? h->powered_at : s->now_ms;
		h->agent_at = h->line_at = h->peers_at = s->now_ms;
		h->dies_at = 0;
		h->lose_answer = h->lose_ack = h->lose_command = h->lose_grant = false;
		scripted_forgive(h->script);
	}
}

/* ---- moments ---- */

static enum ud_code apply_ticks(struct ud_ctx *cx, void *data)
{
	struct sim *s = data;
	bool watch = s->now_ms >= s->watch_at;

	if (watch)
		s->watch_at = s->now_ms + WATCH_MS;
	for (const struct ud_tick *t = ud_api_work.ticks; t->name; t++) {
		bool due = false;

		/* the rows that move failovers; the others look at what is not simulated */
		if (strcmp(t->name, "begin_failovers") != 0 &&
			strcmp(t->name, "move_failovers") != 0 &&
			strcmp(t->name, "expire_commands") != 0 &&
			!(watch && strcmp(t->name, "replications") == 0))
			continue;
		UD_TRY(t->due(cx, &due));
		if (due)
			UD_TRY(t->apply(cx, &s->commanding));
	}
	return UD_OK;
}

static void moment(struct sim *s, int64_t most_ms)
{
	int first = (int)sim_chance(s, SIM_HOSTS);

	ud_arena_release(&s->arena);
	s->arena = ud_arena_new();
	sim_pass(s, 200 + sim_chance(s, most_ms));
	sim_look(s);
	sim_host_turn(&s->host[first]);
	(void)!sim_serve(s, apply_ticks, s);
	sim_host_turn(&s->host[!first]);
}

/* ---- runs ---- */

struct asking {
	struct sim *s;
	const char *body;
};

static enum ud_code ask(struct ud_ctx *cx, void *data)
{
	struct asking *a = data;
	struct ud_failover_request rq = { 0 };
	struct ud_failover_planned planned = { 0 };

	UD_TRY(ud_shape_read(cx, &ud_failover_request_shape, a->body, strlen(a->body), &rq));
	UD_TRY(ud_failover_plan(
		cx, ud_id_new(cx->arena, cx->env, cx->now_ms, "tkt"), &rq, true, &planned));
	if (planned.blocked)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "%s", planned.blockers.text);
	UD_TRY(ud_failover_approved(cx, planned.failover_id));
	a->s->run = ud_strdup(a->s->life, planned.failover_id);
	return UD_OK;
}

struct standing {
	struct sim *s;
	struct ud_failover f;
	struct ud_workflow w;
	struct ud_replication r;
	int64_t step;
};

static enum ud_code read_run(struct ud_ctx *cx, void *data)
{
	struct standing *st = data;
	struct ud_workflow_list all = { 0 };
	struct ud_workflow_step step = { 0 };
	bool found = false;

	UD_TRY(ud_row_get(cx, &ud_failovers, st->s->run, &st->f));
	UD_TRY(ud_workflow_all(cx, st->s->run, &all));
	if (!all.count)
		return UD_OK;
	st->w = all.items[0];
	UD_TRY(ud_step_get(cx, &st->w, st->w.step, &found, &step));
	st->step = st->w.position * 100 + step.n;
	return UD_OK;
}

static bool run_ended(struct sim *s, struct standing *ret)
{
	*ret = (struct standing){ .s = s };
	return sim_serve(s, read_run, ret) == UD_OK &&
		(ud_failover_ended(&ret->f) || ret->f.state == UD_FAILOVER_PROTECTED ||
			(ret->w.row.id && ud_workflow_closed(&ret->w)));
}

struct pressing {
	struct sim *s;
	struct ud_flow_press press;
	bool pressed;
};

/* As the API does it: what may not be pressed is refused. */
static enum ud_code apply_press(struct ud_ctx *cx, void *data)
{
	struct pressing *p = data;
	struct ud_failover f = { 0 };
	struct ud_flow_block block;
	bool may = false;

	UD_TRY(ud_row_get(cx, &ud_failovers, p->s->run, &f));
	UD_TRY(ud_flow_may(cx, &f, p->press.op, p->press.step, &may, &block));
	p->pressed = may;
	return may ? ud_flow_press(cx, &p->s->commanding, p->s->run, &p->press) : UD_OK;
}

static bool press(struct sim *s, enum ud_flow_op op, int64_t step)
{
	struct pressing p = { s,
		{ .op = op,
			.step = step,
			.notes = "so it is",
			.validation = UD_VALIDATION_PASS,
			.minutes = 5 },
		false };

	if (sim_serve(s, apply_press, &p) != UD_OK || !p.pressed)
		return false;
	sim_note(s, "a person: %s", ud_flow_ops.names[op]);
	s->score->helped++;
	return true;
}

static enum ud_code apply_attest(struct ud_ctx *cx, void *data)
{
	struct sim *s = data;

	return ud_failover_attested(cx, s->run, s->vm[s->about].id);
}

static int host_of(const struct sim *s, const char *host_id)
{
	return strcmp(s->host[0].config.host_id, host_id) == 0 ? 0 : 1;
}

/* Two people look at the machine before they state anything. */
static bool attest(struct sim *s, const struct standing *st)
{
	bool off = !sim_runs(&s->host[host_of(s, st->w.source_host_id)], s->about);

	if (!off && s->mutant != SIM_SILENCE_IS_PROOF)
		return false;
	sim_note(s, "two people: it is off");
	s->score->helped++;
	return sim_serve(s, apply_attest, s) == UD_OK;
}

/* What a person does who reads waiting_for. */
static void help_waiting(struct sim *s, const struct standing *st)
{
	const char *code = st->w.reason_code ? st->w.reason_code : "";

	if (strcmp(code, "attestation_needed") == 0 && attest(s, st))
		return;
	if ((strcmp(code, "attestation_needed") == 0 || strcmp(code, "source_answers") == 0 ||
		    sim_one_in(s, 6)) &&
		press(s, UD_FLOW_CANCEL, 0))
		return;
	if (strcmp(st->w.step, "promote") == 0 && sim_one_in(s, 3) && press(s, UD_FLOW_ROLLBACK, 0))
		return;
	(void)!press(s, UD_FLOW_RETRY, st->step);
}

static void help(struct sim *s, const struct standing *st)
{
	switch (st->f.state) {
	case UD_FAILOVER_WAITING:
		help_waiting(s, st);
		return;
	case UD_FAILOVER_TEST_RUNNING:
		(void)!press(s, UD_FLOW_CLEANUP, 0);
		return;
	case UD_FAILOVER_CUSTOMER_VALIDATION:
		(void)!press(s, UD_FLOW_VERIFY, 0);
		(void)!press(s, sim_one_in(s, 3) ? UD_FLOW_ROLLBACK : UD_FLOW_COMMIT, 0);
		return;
	case UD_FAILOVER_COMMITTED_UNPROTECTED:
		(void)!press(s, UD_FLOW_REVERSE, 0);
		return;
	default:
		return;
	}
}

/* ---- between runs ---- */

static enum ud_code read_relation(struct ud_ctx *cx, void *data)
{
	struct standing *st = data;
	bool found = false;

	return ud_replication_find(cx, st->s->vm[st->s->about].replication_id, &found, &st->r);
}

/* An agent that ended while it started the VM may have left it standing: that is switched off. */
static enum ud_code start_vm(struct ud_ctx *cx, void *data)
{
	struct sim *s = data;
	const struct sim_host *h = &s->host[host_of(s, s->vm[s->about].owner)];
	bool stands = scripted_power(h->script, s->vm[s->about].uuid) == UD_POWER_PAUSED;
	const struct ud_command_new in = { .host_id = s->vm[s->about].owner,
		.vm_id = s->vm[s->about].id,
		.verb = stands ? UD_VERB_VM_POWER_OFF : UD_VERB_VM_START,
		.args = "{}",
		.timeout_seconds = 60,
		.wait_seconds = 60 };
	int64_t seq;

	return ud_command_send(cx, &s->commanding, &in, &seq);
}

/* After whatever has happened the VM can be brought to run where its epoch belongs, and be
 * protected again: else people would stand before it and could do nothing. */
static bool calm(struct sim *s)
{
	struct sim_vm *v = &s->vm[s->about];

	heal(s);
	for (int i = 0; i < CALM_MOMENTS && !*s->broken; i++) {
		struct standing st = { .s = s };

		moment(s, 1500);
		if (i < 5 || i % 5)
			continue;
		bool runs = sim_runs(&s->host[host_of(s, v->owner)], s->about);

		if (sim_serve(s, read_relation, &st) == UD_OK && runs &&
			st.r.state == UD_REPLICATION_REPLICATING &&
			strcmp(st.r.source_host_id, v->owner) == 0)
			return true;
		if (!runs && i % 50 == 0)
			(void)!sim_serve(s, start_vm, s);
	}
	sim_broken(s, "VM %d does not come back: %s where it belongs", s->about,
		sim_runs(&s->host[host_of(s, v->owner)], s->about) ? "it runs, unprotected,"
								   : "it does not run");
	return false;
}

static bool copy_is_left(struct sim *s)
{
	for (int n = 0; n < SIM_HOSTS; n++)
		for (struct scripted_vm *vm = s->host[n].script->vms; vm; vm = vm->next)
			if (vm->test_id && !vm->gone && vm->m.power != UD_POWER_OFF)
				return true;
	return false;
}

static void count_end(struct sim *s, const struct standing *st)
{
	if (s->kind == UD_FAILOVER_TEST)
		s->score->tests++;
	else if (st->w.state == UD_WORKFLOW_DONE)
		s->score->to_target++;
	else if (st->w.state == UD_WORKFLOW_ROLLED_BACK)
		s->score->rolled_back++;
	else
		s->score->called_off++;
	if (copy_is_left(s))
		sim_broken(s, "the run ended, and a test's copy is left");
}

/* Nobody is in the way any more: it must come to its end by what people are named to do. */
static void to_its_end(struct sim *s)
{
	struct standing st = { .s = s };

	heal(s);
	for (int i = 0; i < MOMENTS_MAX && !*s->broken; i++) {
		moment(s, i < 100 ? 1500 : 8000);
		if (i % 3)
			continue;
		if (run_ended(s, &st)) {
			count_end(s, &st);
			return;
		}
		if (st.f.row.id && i % 6 == 0)
			help(s, &st);
	}
	if (!*s->broken)
		sim_broken(s, "a dead end: state %s, step %s, %s: %s",
			ud_failover_states.names[st.f.state], st.w.step ? st.w.step : "",
			st.w.reason_code ? st.w.reason_code : "",
			st.w.reason_text ? st.w.reason_text : "");
}

/* The source dies, or is cut off from everybody, for a while that is longer than anybody waits. */
static void outage(struct sim *s, struct sim_host *source)
{
	int64_t ms = 120000 + sim_chance(s, 600000);
	enum sim_fault f = sim_one_in(s, 2) ? SIM_HOST_DIES : SIM_ALONE;

	if (f == SIM_HOST_DIES)
		sim_host_dies(source, ms);
	else
		source->line_at = source->peers_at = s->now_ms + ms;
	sim_note(s, "outage of %d: %s", source->n, sim_fault_names[f]);
	s->score->faults[f]++;
	s->score->all++;
	for (int i = 0; i < 80 && !*s->broken; i++)
		moment(s, 1500);
}

static void troubled(struct sim *s)
{
	int64_t moments = 5 + sim_chance(s, 60);
	struct standing st;

	for (int64_t i = 0; i < moments && !*s->broken; i++) {
		for (int64_t k = sim_chance(s, 4); k > 0; k--)
			strike(s);
		moment(s, sim_one_in(s, 20) ? 60000 : 1500);
		if (i % 4 == 0 && run_ended(s, &st))
			return;
		if (i % 4 == 0 && st.f.row.id && sim_one_in(s, 2))
			help(s, &st);
	}
}

static void one_run(struct sim *s)
{
	static const char *const reasons[] = { "validate_replication", "host_maintenance",
		"site_outage" };
	struct asking a = { .s = s };

	s->about = (int)sim_chance(s, SIM_VMS);
	s->run = NULL;
	s->kind = UD_FAILOVER_TEST;
	if (!calm(s))
		return;
	s->kind = sim_one_in(s, 6) ? UD_FAILOVER_TEST
		: sim_one_in(s, 2) ? UD_FAILOVER_PLANNED
				   : UD_FAILOVER_UNPLANNED;
	sim_note(s, "---- %s of vm %d", ud_failover_kinds.names[s->kind], s->about);
	if (s->kind == UD_FAILOVER_UNPLANNED)
		outage(s, &s->host[host_of(s, s->vm[s->about].owner)]);
	a.body = ud_printf(s->arena,
		"{\"kind\":\"%s\",\"reason_code\":\"%s\",\"vm_ids\":[\"%s\"],\"allow_hard_stop\":%s}",
		ud_failover_kinds.names[s->kind], reasons[s->kind], s->vm[s->about].id,
		sim_one_in(s, 2) ? "true" : "false");
	if (*s->broken || sim_serve(s, ask, &a) != UD_OK)
		return; /* the dry run has said why not; another one is asked for */
	s->score->runs++;
	troubled(s);
	to_its_end(s);
}

const char *sim_play(uint64_t seed, int64_t faults, enum sim_mutant mutant, struct sim_score *score)
{
	static char broken[sizeof(((struct sim *)0)->broken)];
	int64_t end = score->all + faults;

	*broken = 0;
	for (uint64_t world = 0; score->all < end && !*broken; world++) {
		struct sim *s = sim_begin(seed * 1000003 + world, mutant, score);
		int64_t last = score->all + FAULTS_PER_WORLD;

		while (score->all < end && score->all < last && !*s->broken)
			one_run(s);
		memcpy(broken, s->broken, sizeof(broken));
		sim_end(s);
	}
	return *broken ? broken : NULL;
}
