/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See pair.h.
 */
#include "support/pair.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/log.h"

enum { EVENT_MS = 20000 };

static int64_t pair_ms(const struct ud_env *env)
{
	const struct pair *p = env->data;

	return atomic_load(&p->now_ms);
}

static void must(struct ud_ctx *cx, enum ud_code code)
{
	if (code != UD_OK)
		fail_msg("%s: %s", ud_error_info(code)->name, cx->problem.detail);
}

bool pair_runs(const struct pair *p, int host)
{
	return scripted_power(p->host[host].script, p->uuid) == UD_POWER_RUNNING;
}

void pair_watch(struct pair *p)
{
	int n = pair_runs(p, 0) + pair_runs(p, 1), most = atomic_load(&p->running_max);

	while (n > most && !atomic_compare_exchange_weak(&p->running_max, &most, n))
		;
}

bool pair_dead(const struct pair *p, int host)
{
	return atomic_load(&p->host[host].station.dead);
}

/* ---- moments ---- */

bool pair_moment(struct host *h, const char *what)
{
	if (atomic_load(&h->station.dead))
		return false;
	h->moments++;
	if (!h->strike_at || h->moments != h->strike_at)
		return true;
	h->struck_at = what;
	if (h->victim == PAIR_AGENT)
		atomic_store(&h->station.dead, true);
	else /* with it goes what it held; who comes next starts another */
		h->armed = h->killed = false;
	return h->victim != PAIR_AGENT;
}

static enum ud_code moment(struct ud_ctx *cx, struct host *h, const char *what)
{
	return pair_moment(h, what) ? UD_OK
				    : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "died at %s", what);
}

/* Of the hypervisor; under its lock. */
static bool lives(void *data, const char *slot, enum scripted_when when)
{
	static const char *const names[] = {
		[SCRIPTED_BEFORE] = "before", [SCRIPTED_AFTER] = "after"
	};
	struct host *h = data;

	if (when == SCRIPTED_LOOKING)
		return !atomic_load(&h->station.dead);
	return pair_moment(h, ud_printf(h->p->cx->arena, "%s %s", names[when], slot));
}

void pair_strike(struct pair *p, int host, enum pair_victim victim, int n)
{
	struct host *h = &p->host[host];

	h->moments = 0;
	h->strike_at = n;
	h->victim = victim;
	h->struck_at = NULL;
	scripted_watch(h->script, lives, h);
}

/* ---- the control plane ---- */

/* As db/leases.c decides. */
static struct ud_lease_word decide(struct pair *p, int asker, const struct ud_lease_ask *ask)
{
	struct ud_lease_word w = {
		.vm_id = ask->vm_id, .verdict = UD_LEASE_REFUSED, .epoch = p->epoch
	};
	bool start = ask->purpose == UD_LEASE_START;

	w.reason = "it may not";
	if (ask->breakglass && ask->epoch == p->epoch + 1) {
		pair_commit(p, asker);
		w.epoch = p->epoch;
	}
	if (p->epoch > ask->epoch) {
		w.verdict = UD_LEASE_SUPERSEDED;
		return w;
	}
	if (p->owner != asker || ask->epoch != p->epoch || p->shut || (p->keep_only && start))
		return w;
	w.verdict = UD_LEASE_GRANTED;
	w.reason = NULL;
	w.seconds = PAIR_LEASE;
	if (start || p->policy == UD_POLICY_LEASE)
		p->granted_until_ms[asker] = p->now_ms + PAIR_WAIT_MS;
	return w;
}

static enum ud_code ask_server(
	struct ud_ctx *cx, void *data, const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	struct host *h = data;
	struct ud_lease_ask *asks = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;

	if (h->line_cut)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "no answer");
	UD_TRY(moment(cx, h, "before the server is asked"));
	UD_TRY(ud_shape_read_list(
		cx, &ud_lease_ask_shape, ask->asks.text, UD_LEASE_ASKS, &asks, &n));
	for (size_t i = 0; i < n; i++) {
		const struct ud_lease_word w = decide(h->p, h->n, &asks[i]);

		ud_buf_putc(&b, i ? ',' : '[');
		ud_shape_encode(&b, &ud_lease_word_shape, &w, NULL);
	}
	ud_buf_putc(&b, ']');
	ret->nonce = ask->nonce;
	ret->words.text = ud_buf_take(cx->arena, &b);
	return moment(cx, h, "after the server has answered");
}

static enum ud_code ask_peer(struct ud_ctx *cx, void *data, const char *vm_id,
	const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	struct host *h = data, *other = &h->p->host[!h->n];
	const char *answer = NULL;
	struct ud_buf b = { 0 };

	if (h->p->peers_cut || atomic_load(&other->station.dead) || !other->station.leases)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "no answer");
	UD_TRY(moment(cx, h, "before the peer is asked"));
	ud_shape_encode(&b, &ud_wire_lease_shape, ask, NULL);
	enum ud_code code =
		ud_leases_answer(cx, other->station.leases, vm_id, ud_buf_text(&b), &answer);

	ud_buf_free(&b);
	UD_TRY(code);
	UD_TRY(moment(cx, h, "after the peer has answered"));
	return ud_shape_read(cx, &ud_wire_leases_shape, answer, strlen(answer), ret);
}

/* ---- guards ---- */

static bool has_process(struct host *h)
{
	enum ud_power power = scripted_power(h->script, h->p->uuid);

	return power == UD_POWER_RUNNING || power == UD_POWER_PAUSED;
}

static enum ud_code arm(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	struct host *h = data;

	(void)vm;
	UD_TRY(moment(cx, h, "before the guard is armed"));
	if (!has_process(h))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "no process");
	h->deadline_ms = h->armed && !h->killed && h->deadline_ms > deadline_ms ? h->deadline_ms
										: deadline_ms;
	h->armed = true;
	h->killed = false;
	return moment(cx, h, "after the guard is armed");
}

static enum ud_code renew(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	struct host *h = data;

	(void)vm;
	UD_TRY(moment(cx, h, "before the guard is told a later end"));
	if (!h->armed || h->killed)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "not armed");
	h->deadline_ms = deadline_ms > h->deadline_ms ? deadline_ms : h->deadline_ms;
	return moment(cx, h, "after the guard is told a later end");
}

static enum ud_code disarm(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	struct host *h = data;

	(void)vm;
	UD_TRY(moment(cx, h, "before the guard lets go"));
	h->armed = false;
	return moment(cx, h, "after the guard has let go");
}

static enum ud_code held(struct ud_ctx *cx, void *data, ud_lease_holding *each, void *each_data)
{
	struct host *h = data;
	const struct ud_lease_held e = { h->p->uuid, 0, h->deadline_ms, h->killed };

	if (atomic_load(&h->station.dead))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "dead");
	/* a process that ended by itself is forgotten */
	if (h->armed && !h->killed && !has_process(h))
		h->armed = false;
	if (h->armed)
		each(each_data, &e);
	return UD_OK;
}

void pair_pass(struct pair *p, int64_t ms)
{
	atomic_fetch_add(&p->now_ms, ms);
	for (int i = 0; i < 2; i++) {
		struct host *h = &p->host[i];

		if (h->armed && !h->killed && p->now_ms >= h->deadline_ms) {
			h->killed = true;
			scripted_set_power(h->script, p->uuid, UD_POWER_OFF);
		}
	}
	pair_watch(p);
}

/* ---- agents ---- */

/* A host's n-th point from now on ends it. */
static bool dies_now(struct host *h, const char *verb, const char *point)
{
	pair_watch(h->p);
	atomic_fetch_add(&h->p->points, 1);
	if (!h->dies_at || --h->dies_at > 0)
		return false;
	snprintf(h->died_words, sizeof(h->died_words), "%s%s%s", verb, *verb ? ": " : "", point);
	h->died_at = h->died_words;
	atomic_store(&h->station.dead, true);
	return true;
}

static bool dies(void *data, const struct ud_wire_command *command, const char *point)
{
	struct host *h = data;

	return dies_now(h, command->verb, point);
}

static bool dies_in_lease(void *data, const char *point)
{
	struct host *h = data;

	return atomic_load(&h->station.dead) || dies_now(h, "", point);
}

static void wait_inside(void *data, int64_t ms)
{
	struct host *h = data;

	pair_pass(h->p, ms);
}

static void agent_up(struct host *h)
{
	struct ud_ctx *cx = h->p->cx;
	const struct ud_lease_settings leases = { .journal = NULL };
	struct ud_lease_settings l = leases;
	struct ud_hv *hv = NULL;

	must(cx, ud_journal_open(cx, h->journal, &h->station.journal));
	must(cx, ud_hv_open(cx, scripted_drivers, scripted_uri(h->script), NULL, NULL, &hv));
	h->station.hv = hv;
	h->station.host_boot = h->boot;
	l.journal = h->station.journal;
	l.hv = &h->station.hv;
	l.host_boot = h->boot;
	l.calls = (struct ud_lease_calls){ ask_server, ask_peer, arm, renew, disarm, held, h };
	l.dies = dies_in_lease;
	l.dies_data = h;
	atomic_store(&h->station.dead, false);
	h->station.leases = ud_leases_new(&h->p->env, &l);
	const struct ud_runner_settings settings = { .station = &h->station,
		.verbs = ud_agent_verbs,
		.pass = h->p->stepped ? wait_inside : NULL,
		.data = h };

	must(cx, ud_runner_start(cx, &settings, &h->runner));
}

static void agent_down(struct host *h)
{
	struct ud_hv *hv = h->station.hv;

	ud_runner_release(&h->runner);
	ud_leases_release(&h->station.leases);
	h->closing = true;
	ud_journal_release(&h->station.journal);
	h->closing = false;
	ud_hv_close(&hv);
}

void pair_restart(struct pair *p, int host)
{
	atomic_store(&p->host[host].station.dead, true); /* what runs stores nothing more */
	agent_down(&p->host[host]);
	agent_up(&p->host[host]);
}

void pair_boot(struct pair *p, int host)
{
	struct host *h = &p->host[host];

	atomic_store(&h->station.dead, true);
	agent_down(h);
	scripted_boot(h->script);
	h->armed = h->killed = false;
	snprintf(h->boot, sizeof(h->boot), "boot-%d", ++h->boots);
	agent_up(h);
}

void pair_look(struct pair *p, int host)
{
	struct host *h = &p->host[host];
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &p->env, .now_ms = p->cx->now_ms };
	int64_t next = 0;

	if (atomic_load(&h->station.dead))
		return;
	must(&cx, ud_leases_renew(&cx, h->station.leases, &next));
	must(&cx, ud_leases_tend(&cx, h->station.leases, &next));
	pair_watch(p);
}

struct ud_journal_vm pair_row(struct pair *p, int host)
{
	struct ud_journal_vm vm = { 0 };
	bool found = false;

	must(p->cx, ud_journal_vm_get(p->cx, p->host[host].station.journal, PAIR_VM, &found, &vm));
	return vm;
}

/* ---- commands ---- */

enum ud_code pair_offer(struct pair *p, int host, const char *verb, const char *args, int64_t seq,
	int64_t epoch, bool ticket)
{
	struct host *h = &p->host[host];
	bool of_host = ud_verb_find(ud_agent_verbs, verb)->flags & UD_VERB_HOST;
	const struct ud_wire_command c = { .host_id = h->config.host_id,
		.subject_id = of_host ? h->config.host_id : PAIR_VM,
		.uuid = of_host ? NULL : p->uuid,
		.seq = seq,
		.epoch = of_host ? 0 : epoch,
		.verb = verb,
		.args.text = args,
		.ticket_id = ticket ? "tkt_1" : NULL,
		.plan_hash = ticket ? "hash" : NULL,
		.timeout_seconds = 60 };
	const char *payload = ud_wire_payload(p->cx, &c);
	const struct ud_wire_signed m = { payload, ud_wire_sign(p->cx->arena, p->key, payload) };

	return ud_runner_offer(p->cx, h->runner, &m, NULL);
}

void pair_send_as(struct pair *p, int host, const char *verb, const char *args, int64_t seq,
	int64_t epoch, bool ticket)
{
	struct host *h = &p->host[host];

	if (!h->line_cut && !atomic_load(&h->station.dead))
		must(p->cx, pair_offer(p, host, verb, args, seq, epoch, ticket));
}

int64_t pair_send(struct pair *p, int host, const char *verb, const char *args)
{
	pair_send_as(p, host, verb, args, ++p->seq, p->epoch, true);
	return p->seq;
}

struct finding {
	int64_t seq;
	struct told told;
};

static enum ud_code find(
	struct ud_ctx *cx, void *data, const char *payload, const struct ud_wire_result *r)
{
	struct finding *f = data;

	(void)cx, (void)payload;
	if (r->seq == f->seq)
		f->told = (struct told){ true, r->outcome, r->result.text, r->error.text };
	return UD_OK;
}

struct told pair_told(struct pair *p, int host, int64_t seq)
{
	struct finding f = { .seq = seq };

	must(p->cx, ud_journal_unsent(p->cx, p->host[host].station.journal, find, &f));
	if (f.told.ended)
		must(p->cx, ud_journal_sent(p->cx, p->host[host].station.journal, PAIR_VM, seq));
	return f.told;
}

void pair_settle(struct pair *p, int host)
{
	struct host *h = &p->host[host];
	int64_t last = ud_mono_ms(&ud_env_real) + EVENT_MS;

	while (p->stepped && !atomic_load(&h->station.dead) && ud_runner_step(h->runner))
		;
	while (!p->stepped && ud_runner_busy(h->runner) && !atomic_load(&h->station.dead)) {
		if (ud_mono_ms(&ud_env_real) > last)
			fail_msg("%s does not come to an end", h->name);
		poll(NULL, 0, 1); /* the runner's thread is at it */
	}
	pair_watch(p);
}

struct told pair_do(struct pair *p, int host, const char *verb, const char *args)
{
	int64_t seq = ++p->seq, epoch = p->epoch;
	struct told t = { 0 };

	for (int i = 0; i < 4 && !t.ended; i++) {
		pair_send_as(p, host, verb, args, seq, epoch, true);
		pair_settle(p, host);
		if (pair_dead(p, host)) {
			pair_restart(p, host);
			pair_settle(p, host);
		}
		t = pair_told(p, host, seq);
	}
	return t;
}

void pair_done(struct pair *p, int host, const char *verb, const char *args)
{
	struct told t = pair_do(p, host, verb, args);

	if (!t.ended || t.outcome != UD_OUTCOME_DONE)
		fail_msg("%s of %s: %s %s (died at %s)", verb, p->host[host].name,
			t.ended ? ud_outcomes.names[t.outcome] : "no answer",
			t.error ? t.error : "",
			p->host[host].died_at ? p->host[host].died_at : "nothing");
}

void pair_commit(struct pair *p, int owner)
{
	p->epoch++;
	p->owner = owner;
	p->shut = p->keep_only = false;
}

struct newest {
	const char *id;
};

static enum ud_code take_newest(struct ud_ctx *cx, void *data, const struct ud_point *point)
{
	struct newest *n = data;

	if (!n->id)
		n->id = ud_strdup(cx->arena, point->id);
	return UD_OK;
}

const char *pair_newest(struct pair *p, int host)
{
	struct newest n = { 0 };

	must(p->cx, ud_hv_points(p->cx, p->host[host].station.hv, PAIR_RELATION, take_newest, &n));
	return n.id;
}

/* ---- begin and end ---- */

struct ud_relation pair_relation(struct pair *p, int host, enum ud_relation_role role)
{
	return (struct ud_relation){ .replication_id = PAIR_RELATION,
		.vm_id = PAIR_VM,
		.uuid = p->uuid,
		.role = role,
		.state = UD_RELATION_ACTIVE,
		.peer_host_id = p->host[!host].config.host_id,
		.peer_agent_id = p->host[!host].config.agent_id,
		.epoch = p->epoch,
		.schedule_interval_seconds = 30,
		.recovery_points_kept = 4,
		.app_consistent_every_hours = UD_NONE,
		.rate_bytes_per_second = UD_NONE,
		.initial.text = p->generation > 1 ? "{\"method\":\"reverse\"}" : NULL,
		.generation = p->generation,
		.fencing_policy = p->policy,
		.lease_seconds = PAIR_LEASE,
		.break_glass = p->policy == UD_POLICY_ATTEST };
}

static void relate(struct pair *p, int host, enum ud_relation_role role)
{
	const struct ud_relation r = pair_relation(p, host, role);
	struct ud_relation_result ret = { 0 };

	must(p->cx, ud_hv_relation_set(p->cx, p->host[host].station.hv, &r, &ret));
}

void pair_relate(struct pair *p)
{
	p->generation++;
	relate(p, !p->owner, UD_RELATION_TARGET);
	relate(p, p->owner, UD_RELATION_SOURCE);
}

static void host_begin(struct pair *p, int n, int world)
{
	static const char *const names[] = { "A", "B" };
	struct host *h = &p->host[n];
	ud_arena *arena = p->cx->arena;
	unsigned char public_key[UD_SIGN_PUBLIC];

	ud_sign_public(p->key, public_key);
	*h = (struct host){ .p = p, .n = n, .name = names[n] };
	h->config.host_id = ud_printf(arena, "hst_%s", names[n]);
	h->config.agent_id = ud_printf(arena, "agt_%d_%s", world, names[n]);
	h->config.command_key = ud_base64url(arena, public_key, sizeof(public_key));
	h->script = scripted_begin(ud_printf(arena, "pair-%d-%s", world, names[n]));
	scripted_agent(h->script, h->config.agent_id);
	h->journal = context_path(p->cx, ud_printf(arena, "journal-%d-%s", world, names[n]));
	snprintf(h->boot, sizeof(h->boot), "boot-0");
	h->station.config = &h->config;
	h->station.env = &p->env;
	h->station.dies = dies;
	h->station.dies_data = h;
	agent_up(h);
}

static void begin(struct pair *p, struct ud_ctx *cx, enum ud_fencing_policy policy, bool stepped)
{
	static int worlds;
	int world = worlds++;
	const char *args =
		ud_printf(cx->arena, "\"policy\":\"%s\",\"lease_seconds\":%d,\"break_glass\":%s}",
			ud_fencing_policies.names[policy], PAIR_LEASE,
			policy == UD_POLICY_ATTEST ? "true" : "false");

	*p = (struct pair){ .cx = cx,
		.env = *cx->env,
		.now_ms = 10000000,
		.epoch = 1,
		.policy = policy,
		.stepped = stepped };
	p->env.mono_ms = pair_ms;
	p->env.data = p;
	ud_log_set_level(UD_LOG_ERROR);
	ud_sign_key(cx->env, p->key);
	for (int i = 0; i < 2; i++)
		host_begin(p, i, world);
	p->uuid = scripted_uuid(p->host[0].script, 1);
	scripted_add(p->host[0].script, p->uuid, "db-1");
	scripted_set_power(p->host[0].script, p->uuid, UD_POWER_RUNNING);
	pair_done(p, 0, UD_VERB_PROTECT, ud_printf(cx->arena, "{\"role\":\"primary\",%s", args));
	pair_done(p, 1, UD_VERB_PROTECT, ud_printf(cx->arena, "{\"role\":\"replica\",%s", args));
	pair_relate(p);
	for (int i = 0; i < 2; i++)
		must(cx,
			ud_journal_note(cx, p->host[i].station.journal,
				ud_printf(cx->arena, UD_NOTE_RELATION, PAIR_VM), PAIR_RELATION));
	scripted_write(p->host[0].script, p->uuid);
	must(cx, scripted_cycle(cx, p->host[0].script, PAIR_RELATION));
	p->points = 0;
}

void pair_begin(struct pair *p, struct ud_ctx *cx, enum ud_fencing_policy policy)
{
	begin(p, cx, policy, false);
}

void pair_begin_stepped(struct pair *p, struct ud_ctx *cx, enum ud_fencing_policy policy)
{
	begin(p, cx, policy, true);
}

void pair_end(struct pair *p)
{
	for (int i = 0; i < 2; i++) {
		atomic_store(&p->host[i].station.dead, true);
		agent_down(&p->host[i]);
		scripted_end(p->host[i].script);
	}
	ud_log_set_level(UD_LOG_INFO);
}
