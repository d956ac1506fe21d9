/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host of the simulator: the agent's own parts, put together as agent/agent.c does, without its
 * threads and its sockets. What it says and hears goes through here, and may be lost here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/failover.h"
#include "base/log.h"
#include "base/replication.h"
#include "db/leases.h"
#include "server/replication/reports.h"
#include "support/bare.h"
#include "support/scripted_inside.h"
#include "support/sim_inside.h"

enum { BEAT_MS = 8000, REPORT_MS = 5000, CYCLE_MS = 5000, LATE_MS = 60000 };

bool sim_powered(const struct sim_host *h)
{
	return h->s->now_ms >= h->powered_at;
}

static bool alive(const struct sim_host *h)
{
	return h->runner && !atomic_load(&h->station.dead);
}

bool sim_reaches_server(const struct sim_host *h)
{
	return h->s->now_ms >= h->line_at && h->s->now_ms >= h->s->server_at;
}

bool sim_runs(const struct sim_host *h, int vm)
{
	return scripted_power(h->script, h->s->vm[vm].uuid) == UD_POWER_RUNNING;
}

static int vm_of(const struct sim *s, const char *uuid)
{
	int v = 0;

	while (strcmp(s->vm[v].uuid, uuid) != 0)
		v++;
	return v;
}

/* ---- its clocks ---- */

static int64_t host_mono(const struct ud_env *env)
{
	const struct sim_host *h = env->data;

	return h->s->now_ms + h->s->now_ms * h->rate_ppm / 1000000;
}

static int64_t host_now(const struct ud_env *env)
{
	const struct sim_host *h = env->data;

	return h->wall_ms + ud_now_ms(&h->s->env);
}

static void host_random(const struct ud_env *env, void *buf, size_t n)
{
	const struct sim_host *h = env->data;

	h->s->env.random(&h->s->env, buf, n);
}

static struct ud_ctx host_context(struct sim_host *h)
{
	return (struct ud_ctx){ .arena = h->s->arena,
		.env = &h->env,
		.now_ms = ud_now_ms(&h->env),
		.request_id = "host" };
}

/* ---- leases ---- */

struct asking {
	struct sim_host *h;
	const struct ud_wire_lease *ask;
	const char *words;
};

static enum ud_code grant_all(struct ud_ctx *cx, void *data)
{
	struct asking *a = data;
	struct ud_lease_ask *asks = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;

	UD_TRY(ud_shape_read_list(
		cx, &ud_lease_ask_shape, a->ask->asks.text, UD_LEASE_ASKS, &asks, &n));
	for (size_t i = 0; i < n; i++) {
		struct ud_lease_word w = { 0 };
		enum ud_code code =
			ud_lease_grant(cx, a->h->config.host_id, true, SIM_LEASE, &asks[i], &w);

		if (a->h->s->mutant == SIM_GRANTS_TO_ANYBODY && code == UD_OK)
			w = (struct ud_lease_word){ .vm_id = asks[i].vm_id,
				.verdict = UD_LEASE_GRANTED,
				.seconds = SIM_LEASE,
				.epoch = asks[i].epoch };
		ud_buf_putc(&b, i ? ',' : '[');
		ud_shape_encode(&b, &ud_lease_word_shape, &w, NULL);
		if (code != UD_OK) {
			ud_buf_free(&b);
			return code;
		}
	}
	ud_buf_puts(&b, n ? "]" : "[]");
	a->words = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

static bool take(bool *flag)
{
	bool was = *flag;

	*flag = false;
	return was;
}

static enum ud_code ask_server(
	struct ud_ctx *cx, void *data, const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	struct sim_host *h = data;
	struct asking a = { h, ask, NULL };

	if (!sim_reaches_server(h) || !alive(h) || sim_serve(h->s, grant_all, &a) != UD_OK ||
		take(&h->lose_grant))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "no answer");
	ret->nonce = ask->nonce;
	ret->words.text = ud_strdup(cx->arena, a.words);
	return UD_OK;
}

static bool peers_meet(const struct sim_host *h, const struct sim_host *other)
{
	return h->s->now_ms >= h->peers_at && h->s->now_ms >= other->peers_at && sim_powered(other);
}

static enum ud_code ask_peer(struct ud_ctx *cx, void *data, const char *vm_id,
	const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	struct sim_host *h = data, *other = &h->s->host[!h->n];
	const char *answer = NULL;
	struct ud_buf b = { 0 };

	if (!peers_meet(h, other) || !alive(other) || !alive(h))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "no answer");
	struct ud_ctx theirs = host_context(other);

	ud_shape_encode(&b, &ud_wire_lease_shape, ask, NULL);
	enum ud_code code =
		ud_leases_answer(&theirs, other->station.leases, vm_id, ud_buf_text(&b), &answer);

	ud_buf_free(&b);
	if (code != UD_OK)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "no answer");
	answer = ud_strdup(cx->arena, answer);
	return ud_shape_read(cx, &ud_wire_leases_shape, answer, strlen(answer), ret);
}

/* ---- the guard ---- */

static enum ud_code arm(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	struct sim_host *h = data;
	struct sim_guard *g = &h->guard[vm_of(h->s, vm->uuid)];

	if (scripted_power(h->script, vm->uuid) == UD_POWER_OFF)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "no process");
	if (!g->armed || g->killed || g->deadline_ms < deadline_ms)
		g->deadline_ms = deadline_ms;
	g->epoch = vm->epoch;
	g->armed = true;
	g->killed = false;
	return UD_OK;
}

static enum ud_code renew(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	struct sim_host *h = data;
	struct sim_guard *g = &h->guard[vm_of(h->s, vm->uuid)];

	if (!g->armed || g->killed)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "not armed");
	g->deadline_ms = deadline_ms > g->deadline_ms ? deadline_ms : g->deadline_ms;
	return UD_OK;
}

static enum ud_code disarm(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	struct sim_host *h = data;

	(void)cx;
	h->guard[vm_of(h->s, vm->uuid)].armed = false;
	return UD_OK;
}

static enum ud_code held(struct ud_ctx *cx, void *data, ud_lease_holding *each, void *each_data)
{
	struct sim_host *h = data;

	(void)cx;
	for (int v = 0; v < SIM_VMS; v++) {
		struct sim_guard *g = &h->guard[v];
		const char *uuid = h->s->vm[v].uuid;
		const struct ud_lease_held e = { uuid, g->epoch, g->deadline_ms, g->killed };

		/* a process that ended by itself is forgotten */
		if (!g->killed && scripted_power(h->script, uuid) == UD_POWER_OFF)
			g->armed = false;
		if (g->armed)
			each(each_data, &e);
	}
	return UD_OK;
}

static void guard_looks(struct sim_host *h)
{
	int64_t late = h->s->mutant == SIM_GUARD_LATE ? LATE_MS : 0;

	for (int v = 0; v < SIM_VMS; v++) {
		struct sim_guard *g = &h->guard[v];

		if (!g->armed || g->killed || ud_mono_ms(&h->env) < g->deadline_ms + late)
			continue;
		g->killed = true;
		sim_note(h->s, "guard of %d ends vm %d", h->n, v);
		scripted_set_power(h->script, h->s->vm[v].uuid, UD_POWER_OFF);
	}
}

/* ---- begin and end ---- */

static bool dies_now(struct sim_host *h, const char *what, const char *point)
{
	sim_look(h->s);
	if (!h->dies_at || --h->dies_at > 0)
		return false;
	sim_note(h->s, "agent %d dies in %s at %s", h->n, what, point);
	atomic_store(&h->station.dead, true);
	return true;
}

static bool dies(void *data, const struct ud_wire_command *command, const char *point)
{
	return dies_now(data, command->verb, point);
}

static bool dies_in_lease(void *data, const char *point)
{
	struct sim_host *h = data;

	return atomic_load(&h->station.dead) || dies_now(h, "lease", point);
}

static enum ud_code may_receive(struct ud_ctx *cx, void *data, const char *vm_id, int64_t epoch)
{
	struct sim_host *h = data;
	struct ud_journal_vm vm = { 0 };
	bool known = false;

	UD_TRY(ud_journal_vm_get(cx, h->station.journal, vm_id, &known, &vm));
	if (known && (vm.role == UD_VM_ROLE_PRIMARY || epoch < vm.epoch))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "not here");
	return UD_OK;
}

/* What a verb waits for goes by for the others, too; what befalls them waits. */
static void wait_inside(void *data, int64_t ms)
{
	struct sim_host *h = data;

	sim_pass(h->s, ms);
	for (int n = 0; n < SIM_HOSTS; n++) {
		struct sim_host *o = &h->s->host[n];
		struct ud_ctx cx = host_context(o);
		int64_t next;

		if (alive(o) && sim_powered(o) &&
			ud_leases_renew(&cx, o->station.leases, &next) != UD_OK)
			ud_ctx_clear(&cx);
	}
	sim_look(h->s);
}

/* The mutant: the newest point that there is stands for the last one. */
static enum ud_code take_first(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	const char **text = data;
	struct ud_buf b = { 0 };

	if (!*text) {
		ud_shape_encode(&b, &ud_point_shape, p, NULL);
		*text = ud_buf_take(cx->arena, &b);
	}
	return UD_OK;
}

static enum ud_code sync_nothing(struct ud_ctx *cx, struct ud_act *act)
{
	const struct ud_sync_args *a = act->args;
	struct ud_sync_result r = { 0 };

	UD_TRY(ud_hv_points(cx, act->station->hv, a->replication_id, take_first, &r.point.text));
	ud_act_leave(cx, act, &ud_sync_result_shape, &r);
	return UD_OK;
}

static const struct ud_verb *verbs(struct sim *s)
{
	struct ud_verb *mine;
	size_t n = 0;

	if (s->mutant != SIM_NO_FINAL_SYNC)
		return ud_agent_verbs;
	while (ud_agent_verbs[n].verb)
		n++;
	mine = ud_alloc(s->life, sizeof(*mine) * (n + 1));
	memcpy(mine, ud_agent_verbs, sizeof(*mine) * (n + 1));
	for (size_t i = 0; i < n; i++)
		if (strcmp(mine[i].verb, UD_VERB_SYNC) == 0)
			mine[i].run = sync_nothing;
	return mine;
}

static void agent_up(struct sim_host *h)
{
	struct ud_ctx cx = host_context(h);
	const struct ud_hv_replication with = {
		.agent_id = h->config.agent_id, .may_receive = may_receive, .data = h
	};
	const struct ud_lease_settings leases = { .calls = { ask_server, ask_peer, arm, renew,
							  disarm, held, h },
		.dies = dies_in_lease,
		.dies_data = h };
	const struct ud_runner_settings runner = {
		.station = &h->station, .verbs = verbs(h->s), .pass = wait_inside, .data = h
	};
	const struct bare b = { .station = &h->station,
		.env = &h->env,
		.journal = h->journal,
		.uri = scripted_uri(h->script),
		.host_boot = h->boot,
		.drivers = scripted_drivers,
		.with = &with,
		.leases = &leases,
		.runner = &runner };

	sim_must(&cx, bare_up(&cx, &b, &h->runner));
}

static void agent_down(struct sim_host *h)
{
	bare_down(&h->station, &h->runner);
}

void sim_agent_dies(struct sim_host *h, int64_t for_ms)
{
	agent_down(h);
	h->agent_at = h->s->now_ms + for_ms;
	h->dies_at = 0;
}

void sim_host_dies(struct sim_host *h, int64_t for_ms)
{
	sim_agent_dies(h, for_ms + sim_chance(h->s, 5000));
	h->powered_at = h->s->now_ms + for_ms;
	scripted_boot(h->script);
	memset(h->guard, 0, sizeof(h->guard));
	snprintf(h->boot, sizeof(h->boot), "boot-%d", ++h->boots);
}

void sim_host_begin(
	struct sim *s, int n, const char *host_id, const char *agent_id, const char *command_key)
{
	static int worlds;
	struct sim_host *h = &s->host[n];

	*h = (struct sim_host){ .s = s, .n = n, .env = s->env };
	h->rate_ppm = n ? 3000 : -3000;
	h->env.mono_ms = host_mono;
	h->env.now_ms = host_now;
	h->env.random = host_random;
	h->env.data = h;
	h->config = (struct ud_agent_config){
		.host_id = host_id, .agent_id = agent_id, .command_key = command_key
	};
	h->script = scripted_begin(ud_printf(s->life, "sim-%d", worlds++));
	scripted_agent(h->script, agent_id);
	h->journal = ud_printf(s->life, "%s/%d.db", s->dir, n);
	snprintf(h->boot, sizeof(h->boot), "boot-0");
	h->station.config = &h->config;
	h->station.env = &h->env;
	h->station.dies = dies;
	h->station.dies_data = h;
}

void sim_host_end(struct sim_host *h)
{
	agent_down(h);
	if (h->script)
		scripted_end(h->script);
}

void sim_pass(struct sim *s, int64_t ms)
{
	s->now_ms += ms;
	for (int n = 0; n < SIM_HOSTS; n++)
		guard_looks(&s->host[n]);
}

/* ---- what it says and hears ---- */

struct polling {
	struct sim_host *h;
	struct ud_wire_signed got[UD_COMMANDS_PER_POLL];
	size_t n;
	bool queued;
};

static enum ud_code consider(struct ud_ctx *cx, void *data, const struct ud_command_pending *c)
{
	struct polling *p = data;

	p->queued |= !c->delivered;
	if (p->n < UD_LEN(p->got))
		p->got[p->n++] = (struct ud_wire_signed){ ud_strdup(cx->arena, c->message.payload),
			ud_strdup(cx->arena, c->message.signature) };
	return UD_OK;
}

static enum ud_code apply_poll(struct ud_ctx *cx, void *data)
{
	struct polling *p = data;
	const char *host_id = p->h->config.host_id;

	UD_TRY(ud_command_visit(cx, host_id, consider, p));
	if (p->queued)
		UD_TRY(ud_command_deliver(
			cx, host_id, true, (struct ud_command_mark){ "sim", cx->now_ms }));
	if (p->h->s->now_ms < p->h->beat_at)
		return UD_OK;
	p->h->beat_at = p->h->s->now_ms + BEAT_MS;
	return ud_exec(cx, NULL, "UPDATE agents SET last_seen_at = $2 WHERE id = $1",
		UD_VALS(ud_t(p->h->config.agent_id), ud_i(cx->now_ms)));
}

static void offer(struct sim_host *h, const struct ud_wire_signed *m)
{
	struct ud_ctx cx = host_context(h);

	if (ud_runner_offer(&cx, h->runner, m, NULL) != UD_OK)
		fail_msg("a command was not taken: %s", cx.problem.detail);
}

static void poll(struct sim_host *h)
{
	struct polling p = { .h = h };

	if (!sim_reaches_server(h) || sim_serve(h->s, apply_poll, &p) != UD_OK)
		return;
	if (p.n && take(&h->lose_command))
		return;
	for (size_t i = 0; i < p.n; i++)
		offer(h, &p.got[i]);
	if (p.n && sim_one_in(h->s, 4))
		h->late = (struct ud_wire_signed){ ud_strdup(h->s->life, p.got[0].payload),
			ud_strdup(h->s->life, p.got[0].signature) };
}

struct answering {
	struct sim_host *h;
	const struct ud_wire_result *r;
	bool fresh;
};

static enum ud_code apply_answer(struct ud_ctx *cx, void *data)
{
	struct answering *a = data;

	return ud_command_answer(cx, &a->h->s->commanding, a->h->config.host_id, a->r, &a->fresh);
}

struct unsent {
	struct ud_wire_result r[UD_JOURNAL_PAGE];
	size_t n;
};

static const char *copy(ud_arena *arena, const char *text)
{
	return text ? ud_strdup(arena, text) : NULL;
}

static struct ud_wire_result copied(ud_arena *arena, const struct ud_wire_result *r)
{
	struct ud_wire_result c = *r;

	c.subject_id = copy(arena, r->subject_id);
	c.result.text = copy(arena, r->result.text);
	c.error.text = copy(arena, r->error.text);
	c.agent_boot = "sim";
	return c;
}

static enum ud_code collect(
	struct ud_ctx *cx, void *data, const char *payload, const struct ud_wire_result *r)
{
	struct unsent *u = data;

	(void)payload;
	u->r[u->n++] = copied(cx->arena, r);
	return UD_OK;
}

static void answer(struct sim_host *h)
{
	struct ud_ctx cx = host_context(h);
	struct unsent *u = ud_alloc(cx.arena, sizeof(*u));

	u->n = 0;
	sim_must(&cx, ud_journal_unsent(&cx, h->station.journal, collect, u));
	for (size_t i = 0; i < u->n; i++) {
		struct answering a = { h, &u->r[i], false };

		if (!sim_reaches_server(h) || take(&h->lose_answer) ||
			sim_serve(h->s, apply_answer, &a) != UD_OK)
			return;
		sim_note(h->s, "answer of %d: %lld %s %.30s", h->n, (long long)u->r[i].seq,
			ud_outcomes.names[u->r[i].outcome],
			u->r[i].error.text ? strstr(u->r[i].error.text, "\"detail\"") : "");
		if (sim_one_in(h->s, 4))
			h->answer = copied(h->s->life, &u->r[i]);
		if (take(&h->lose_ack))
			return;
		sim_must(&cx,
			ud_journal_sent(&cx, h->station.journal, u->r[i].subject_id, u->r[i].seq));
	}
}

struct reporting {
	struct sim_host *h;
	struct ud_buf items, points;
	size_t n, point_n;
};

static enum ud_code add_point(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	struct reporting *r = data;

	(void)cx;
	if (r->point_n < 3) {
		ud_buf_putc(&r->points, r->point_n++ ? ',' : '[');
		ud_shape_encode(&r->points, &ud_point_shape, p, NULL);
	}
	return UD_OK;
}

static enum ud_code add_relation(
	struct ud_ctx *cx, void *data, const struct ud_replication_report *report)
{
	struct reporting *r = data;
	struct ud_replication_report full = *report;
	struct scripted_relation *rel = r->h->script->relations;

	(void)cx;
	/* the hypervisor's lock is held by who calls */
	while (rel && (rel->gone || strcmp(rel->r.replication_id, full.replication_id) != 0))
		rel = rel->next;
	r->point_n = 0;
	r->points.len = 0;
	if (rel && full.role == UD_RELATION_TARGET)
		for (struct scripted_point *p = rel->points; p; p = p->next)
			if (!p->gone)
				UD_TRY(add_point(cx, r, &p->p));
	if (r->point_n) {
		ud_buf_putc(&r->points, ']');
		full.points.text = ud_buf_text(&r->points);
	}
	ud_buf_putc(&r->items, r->n++ ? ',' : '[');
	ud_shape_encode(&r->items, &ud_replication_report_shape, &full, NULL);
	return UD_OK;
}

struct telling {
	struct sim_host *h;
	struct ud_replication_reports in;
};

static enum ud_code apply_report(struct ud_ctx *cx, void *data)
{
	struct telling *t = data;
	struct ud_replication_acks acks;

	return ud_replication_take(cx, &t->h->s->commanding, t->h->config.host_id, &t->in, &acks);
}

static void report(struct sim_host *h)
{
	struct ud_ctx cx = host_context(h);
	struct reporting r = { .h = h };

	if (h->s->now_ms < h->report_at || !sim_reaches_server(h))
		return;
	h->report_at = h->s->now_ms + REPORT_MS;
	enum ud_code code = ud_hv_relations(&cx, h->station.hv, add_relation, &r);

	ud_buf_puts(&r.items, r.n ? "]" : "[]");
	if (code == UD_OK) {
		struct telling t = { h,
			{ .agent_boot = "sim",
				.listen = h->n ? "127.0.0.1:7001" : "127.0.0.1:7000",
				.items.text = ud_buf_text(&r.items) } };

		(void)!sim_serve(h->s, apply_report, &t);
	}
	ud_buf_free(&r.items);
	ud_buf_free(&r.points);
}

/* ---- by itself ---- */

static enum ud_code see_epoch(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	struct sim_host *h = data;
	int v = vm_of(h->s, vm->uuid);

	(void)cx;
	if (vm->epoch < h->epoch[v])
		sim_broken(h->s, "the epoch of VM %d fell in the journal of %d", v, h->n);
	h->epoch[v] = vm->epoch;
	return UD_OK;
}

static void work(struct sim_host *h)
{
	bool did = false;

	for (int i = 0; i < 20 && ud_runner_step(h->runner); i++) {
		sim_look(h->s);
		did = true;
	}
	if (did && alive(h)) {
		struct ud_ctx cx = host_context(h);

		sim_must(&cx, ud_journal_vm_visit(&cx, h->station.journal, see_epoch, h));
	}
}

static void tend(struct sim_host *h)
{
	struct ud_ctx cx = host_context(h);
	int64_t next;

	if (ud_leases_renew(&cx, h->station.leases, &next) != UD_OK)
		ud_ctx_clear(&cx);
	if (alive(h) && ud_leases_tend(&cx, h->station.leases, &next) != UD_OK)
		ud_ctx_clear(&cx);
	sim_look(h->s);
}

/* Guests write; every few seconds a point is made of it. */
static void replicate(struct sim_host *h)
{
	struct ud_ctx cx = host_context(h);
	struct sim *s = h->s;

	for (int v = 0; v < SIM_VMS; v++)
		if (sim_runs(h, v)) {
			scripted_write(h->script, s->vm[v].uuid);
			s->vm[v].written = scripted_content(h->script, s->vm[v].uuid);
		}
	if (!alive(h) || s->now_ms < h->cycle_at)
		return;
	h->cycle_at = s->now_ms + CYCLE_MS;
	for (int v = 0; v < SIM_VMS; v++)
		if (scripted_cycle(&cx, h->script, s->vm[v].replication_id) != UD_OK)
			ud_ctx_clear(&cx);
}

void sim_host_turn(struct sim_host *h)
{
	struct sim *s = h->s;

	scripted_cut(h->script, !sim_powered(h) || s->now_ms < h->peers_at || !alive(h));
	if (!sim_powered(h))
		return;
	replicate(h);
	if (!h->runner && s->now_ms >= h->agent_at) {
		agent_up(h);
		sim_note(s, "agent %d is there", h->n);
	}
	if (alive(h))
		tend(h);
	if (alive(h))
		poll(h);
	if (alive(h))
		work(h);
	if (alive(h))
		answer(h);
	if (alive(h))
		report(h);
	if (h->runner && !alive(h))
		sim_agent_dies(h, sim_chance(s, 20000));
}
