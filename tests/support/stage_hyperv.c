/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stage's hosts as real agents: journal, runner, leases and the Hyper-V driver of each over one
 * site in a box. Orders come signed from the server's own rows and answers go back by its own way
 * in, so that a story cannot tell which hypervisor it plays on.
 */
#include <stdio.h>
#include <string.h>

#include "agent/lease.h"
#include "agent/runner.h"
#include "base/log.h"
#include "base/sign.h"
#include "db/leases.h"
#include "server/agents/ca.h"
#include "server/agents/statements.h"
#include "server/replication/reports.h"
#include "support/bare.h"
#include "support/box.h"
#include "support/context.h"
#include "support/stage_inside.h"

enum { LEASE_SECONDS = 30, SEED_SECONDS = 5, CYCLE_SECONDS = 31, CYCLES = 7, LOST_MS = 11200 };

struct site_host {
	struct stage *s;
	int n;
	const char *uri, *journal;
	struct ud_agent_config config;
	struct ud_station station;
	struct ud_runner *runner;
	unsigned char key[UD_SIGN_KEY]; /* of its statements */
	char boot[32];
	int boots;
};

struct stage_site {
	struct ud_ctx *cx; /* of the box: it lives as long as the stage */
	struct box box;
	struct ud_env env; /* of the agents: the world's, and PowerShell near by */
	struct site_host host[STAGE_HOSTS];
	const char *command_key;
	int64_t shift_ms; /* the site's clock, as it was last set */
};

static void must(struct ud_ctx *cx, enum ud_code code)
{
	if (code != UD_OK)
		fail_msg("%s: %s", ud_error_info(code)->name,
			cx->problem.detail ? cx->problem.detail : "");
}

static struct ud_ctx host_context(struct stage *s)
{
	return (struct ud_ctx){ .arena = s->w->arena,
		.env = &s->site_in_a_box->env,
		.now_ms = ud_now_ms(&s->w->env),
		.request_id = "host" };
}

/* The site's time is the world's. */
static struct box *box_of(struct stage *s)
{
	struct stage_site *site = s->site_in_a_box;

	if (site->shift_ms != s->w->clock_ms) {
		site->shift_ms = s->w->clock_ms;
		box_do(&site->box, "world", "offset", fmt(s->w, "%lld", (long long)site->shift_ms),
			NULL);
	}
	return &site->box;
}

struct box *stage_box(struct stage *s)
{
	return box_of(s);
}

static const char *uuid_of(struct stage *s, int vm)
{
	return fmt(s->w, "00000000-0000-4000-8000-%012d", vm + 1);
}

/* ---- leases ---- */

struct asking {
	struct site_host *h;
	const struct ud_wire_lease *ask;
	const char *words;
};

static enum ud_code grant_all(struct ud_ctx *cx, void *data)
{
	struct asking *a = data;
	struct ud_lease_ask *asks = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;
	enum ud_code code;

	UD_TRY(ud_shape_read_list(
		cx, &ud_lease_ask_shape, a->ask->asks.text, UD_LEASE_ASKS, &asks, &n));
	code = UD_OK;
	for (size_t i = 0; i < n && code == UD_OK; i++) {
		struct ud_lease_word w = { 0 };

		code = ud_lease_grant(cx, a->h->config.host_id, true, LEASE_SECONDS, &asks[i], &w);
		ud_buf_putc(&b, i ? ',' : '[');
		ud_shape_encode(&b, &ud_lease_word_shape, &w, NULL);
	}
	ud_buf_puts(&b, n ? "]" : "[]");
	a->words = ud_buf_take(a->h->s->w->arena, &b);
	return code;
}

static enum ud_code ask_server(
	struct ud_ctx *cx, void *data, const struct ud_wire_lease *ask, struct ud_wire_leases *ret)
{
	struct site_host *h = data;
	const struct stage_host *host = &h->s->hosts[h->n];
	struct asking a = { h, ask, NULL };

	if (host->cut || host->quiet)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "no answer");
	world_write(h->s->w, grant_all, &a);
	ret->nonce = ask->nonce;
	ret->words.text = a.words;
	return UD_OK;
}

/* Of the policies none needs a guard here. */
static enum ud_code arm(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm, int64_t deadline_ms)
{
	(void)cx, (void)data, (void)vm, (void)deadline_ms;
	return UD_OK;
}

static enum ud_code disarm(struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm)
{
	(void)cx, (void)data, (void)vm;
	return UD_OK;
}

static enum ud_code held(struct ud_ctx *cx, void *data, ud_lease_holding *each, void *each_data)
{
	(void)cx, (void)data, (void)each, (void)each_data;
	return UD_OK;
}

/* ---- agents ---- */

static void pass_world(void *data, int64_t ms)
{
	struct stage *s = data;

	s->w->clock_ms += ms;
	s->w->mono_ms += ms;
}

static void wait_inside(void *data, int64_t ms)
{
	pass_world(((struct site_host *)data)->s, ms);
}

static void agent_up(struct site_host *h)
{
	struct ud_ctx cx = host_context(h->s);
	const struct ud_hv_replication with = { .agent_id = h->config.agent_id,
		.listen = fmt(h->s->w, "%s.example.test:443", stage_host_names[h->n]) };
	const struct ud_lease_settings leases = { .calls = { ask_server, NULL, arm, arm, disarm,
							  held, h } };
	const struct ud_runner_settings runner = {
		.station = &h->station, .verbs = ud_agent_verbs, .pass = wait_inside, .data = h
	};
	const struct bare b = { .station = &h->station,
		.env = &h->s->site_in_a_box->env,
		.journal = h->journal,
		.uri = h->uri,
		.host_boot = h->boot,
		.drivers = box_drivers,
		.with = &with,
		.leases = &leases,
		.runner = &runner };

	must(&cx, bare_up(&cx, &b, &h->runner));
}

static void agent_down(struct site_host *h)
{
	bare_down(&h->station, &h->runner);
}

/* ---- what the test asserts on ---- */

static void look_at(struct stage *s, int vm, const char *seen)
{
	struct stage_vm *v = &s->vms[vm];
	int running = 0;

	/* for each host: does it run, and is there a test's copy? */
	for (int h = 0; h < STAGE_HOSTS; h++) {
		bool runs = seen[2 * h] == 'R';

		v->at[h].starts += runs && !v->at[h].running;
		v->at[h].stops += !runs && v->at[h].running && !s->hosts[h].down;
		v->at[h].running = runs;
		v->at[h].test = seen[2 * h + 1] == 't';
		running += runs;
	}
	s->overlapped = s->overlapped || running > 1;
}

static void look_at_journal(struct stage *s, int vm)
{
	struct ud_ctx cx = host_context(s);

	for (int h = 0; h < STAGE_HOSTS; h++) {
		struct site_host *host = &s->site_in_a_box->host[h];
		struct stage_copy *c = &s->vms[vm].at[h];
		struct ud_journal_vm row = { 0 };
		bool found = false;

		if (!host->runner)
			continue;
		must(&cx,
			ud_journal_vm_get(&cx, host->station.journal, s->vms[vm].id, &found, &row));
		c->primary = found && row.role == UD_VM_ROLE_PRIMARY;
		c->epoch = found ? row.epoch : c->epoch;
		c->hold = found && row.hold;
	}
}

static void look(struct stage *s)
{
	for (int vm = 0; vm < s->count; vm++) {
		look_at(s, vm, box_do(box_of(s), "seen", uuid_of(s, vm), NULL));
		look_at_journal(s, vm);
	}
}

/* ---- orders ---- */

/* The call of Hyper-V that stands for a verb that is to fail. */
static const struct {
	const char *verb, *cmdlet;
} faults[] = {
	{ UD_VERB_SYNC, "Start-VMFailover" },
	{ UD_VERB_PROMOTE, "Start-VMFailover" },
	{ UD_VERB_DEMOTE, "Set-VM" },
};

static bool break_it(struct stage *s, const struct stage_order *o, int host)
{
	bool found = false;

	if (s->fail_times <= 0 || strcmp(s->fail_verb, o->verb) != 0)
		return false;
	for (size_t i = 0; i < UD_LEN(faults); i++)
		if (strcmp(faults[i].verb, o->verb) == 0) {
			box_do(box_of(s), "fault", stage_host_names[host], faults[i].cmdlet,
				"error", "1", "OperationFailed", NULL);
			found = true;
		}
	assert_true(found);
	return true;
}

struct answering {
	struct site_host *h;
	struct ud_wire_result r;
	bool fresh, again;
};

static enum ud_code apply_answer(struct ud_ctx *cx, void *data)
{
	struct answering *a = data;
	const struct ud_commanding *c = &a->h->s->w->server->commanding;

	UD_TRY(ud_command_answer(cx, c, a->h->config.host_id, &a->r, &a->fresh));
	if (a->fresh)
		UD_TRY(ud_statement_take(cx, a->h->config.host_id, &a->r));
	if (a->h->s->twice) /* it was lost on the way, the agent thinks */
		UD_TRY(ud_command_answer(cx, c, a->h->config.host_id, &a->r, &a->again));
	return UD_OK;
}

static const char *kept(struct stage *s, const char *text)
{
	return text ? fmt(s->w, "%s", text) : NULL;
}

struct unsent {
	struct stage *s;
	struct ud_wire_result r[UD_JOURNAL_PAGE];
	size_t n;
};

static enum ud_code collect(
	struct ud_ctx *cx, void *data, const char *payload, const struct ud_wire_result *r)
{
	struct unsent *u = data;
	struct ud_wire_result *c = &u->r[u->n++];

	(void)cx, (void)payload;
	*c = *r;
	c->subject_id = kept(u->s, r->subject_id);
	c->result.text = kept(u->s, r->result.text);
	c->error.text = kept(u->s, r->error.text);
	c->statement = kept(u->s, r->statement);
	c->signature = kept(u->s, r->signature);
	c->agent_boot = "boot";
	return UD_OK;
}

static void answer_all(struct site_host *h)
{
	struct ud_ctx cx = host_context(h->s);
	struct unsent u = { .s = h->s };

	must(&cx, ud_journal_unsent(&cx, h->station.journal, collect, &u));
	for (size_t i = 0; i < u.n; i++) {
		struct answering a = { h, u.r[i], false, false };

		world_write(h->s->w, apply_answer, &a);
		assert_false(a.again);
		must(&cx, ud_journal_sent(&cx, h->station.journal, u.r[i].subject_id, u.r[i].seq));
		h->s->answered++;
	}
}

/* As the server does before a host's poll gets it. */
static enum ud_code mark_given(struct ud_ctx *cx, void *data)
{
	const struct stage_order *o = data;

	return ud_exec(cx, NULL,
		"UPDATE commands SET delivered_at = $4 WHERE subject_id = $1 AND seq = $2"
		" AND host_id = $3 AND delivered_at IS NULL",
		UD_VALS(ud_t(o->vm_id), ud_i(o->seq), ud_t(o->host_id), ud_i(cx->now_ms)));
}

void stage_site_obey(struct stage *s, const struct stage_order *o, int host)
{
	struct site_host *h = &s->site_in_a_box->host[host];
	struct ud_ctx cx = host_context(s);
	const struct ud_wire_signed m = { o->payload, o->signature };
	bool broken = break_it(s, o, host);

	struct stage_order order = *o;

	box_of(s);
	world_write(s->w, mark_given, &order);
	must(&cx, ud_runner_offer(&cx, h->runner, &m, NULL));
	while (ud_runner_step(h->runner))
		look(s);
	s->fail_times -= broken;
	if (strcmp(o->verb, UD_VERB_FENCE) == 0)
		pass_world(s, s->late_ms);
	answer_all(h);
	if (s->reports) /* of what has changed an agent tells at once */
		stage_site_report(s);
}

/* ---- what agents say of replication ---- */

struct reporting {
	struct stage *s;
	struct ud_buf items;
	const char *points[STAGE_VMS], *onward[STAGE_VMS]; /* of both legs */
	size_t n;
	struct ud_replication_reports in;
	const char *host_id;
};

struct pointing {
	struct ud_buf list;
	const char *second; /* a recovery point proper: it stays what it is */
	size_t n;
};

static enum ud_code add_point(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	struct pointing *ps = data;

	if (ps->n++ == 1)
		ps->second = ud_strdup(cx->arena, p->id);
	ud_buf_putc(&ps->list, ps->n > 1 ? ',' : '[');
	ud_shape_encode(&ps->list, &ud_point_shape, p, NULL);
	return UD_OK;
}

static const char *points_of(
	struct site_host *h, struct stage_vm *v, const char *replication_id, bool last_leg)
{
	struct ud_ctx cx = host_context(h->s);
	struct pointing ps = { 0 };

	if (!replication_id ||
		ud_hv_points(&cx, h->station.hv, replication_id, add_point, &ps) != UD_OK ||
		!ps.n) {
		ud_buf_free(&ps.list);
		return NULL;
	}
	ud_buf_putc(&ps.list, ']');
	const char *text = fmt(h->s->w, "%s", ud_buf_text(&ps.list));

	ud_buf_free(&ps.list);
	if (!v->point_id && ps.second && last_leg)
		v->point_id = ps.second;
	return text;
}

static bool is_id(const char *a, const char *b)
{
	return a && strcmp(a, b) == 0;
}

static enum ud_code add_relation(
	struct ud_ctx *cx, void *data, const struct ud_replication_report *report)
{
	struct reporting *r = data;
	struct ud_replication_report full = *report;

	(void)cx;
	for (int i = 0; i < r->s->count; i++) {
		if (is_id(r->s->vms[i].replication_id, full.replication_id))
			full.points.text = r->points[i];
		if (is_id(r->s->vms[i].onward_id, full.replication_id))
			full.points.text = r->onward[i];
	}
	ud_buf_putc(&r->items, r->n++ ? ',' : '[');
	ud_shape_encode(&r->items, &ud_replication_report_shape, &full, NULL);
	return UD_OK;
}

static enum ud_code apply_report(struct ud_ctx *cx, void *data)
{
	struct reporting *r = data;
	struct ud_replication_acks acks;

	return ud_replication_take(cx, &r->s->w->server->commanding, r->host_id, &r->in, &acks);
}

static bool is_there(const struct stage *s, int host)
{
	const struct stage_host *h = &s->hosts[host];

	return s->site_in_a_box->host[host].runner && !h->down && !h->cut && !h->quiet;
}

void stage_site_report(struct stage *s)
{
	struct ud_ctx cx = host_context(s);

	box_of(s);
	for (int n = 0; n < STAGE_HOSTS; n++) {
		struct site_host *h = &s->site_in_a_box->host[n];
		struct reporting r = { .s = s, .host_id = h->config.host_id };

		if (!is_there(s, n))
			continue;
		for (int i = 0; i < s->count; i++) {
			struct stage_vm *v = &s->vms[i];

			r.points[i] = points_of(h, v, v->replication_id, !v->onward_id);
			r.onward[i] = points_of(h, v, v->onward_id, true);
		}
		must(&cx, ud_hv_relations(&cx, h->station.hv, add_relation, &r));
		ud_buf_puts(&r.items, r.n ? "]" : "[]");
		r.in = (struct ud_replication_reports){ .agent_boot = "boot",
			.listen = fmt(s->w, "%s.example.test:443", stage_host_names[n]),
			.items.text = ud_buf_text(&r.items) };
		world_write(s->w, apply_report, &r);
		ud_buf_free(&r.items);
	}
}

/* ---- by itself ---- */

void stage_site_round(struct stage *s)
{
	for (int n = 0; n < STAGE_HOSTS; n++) {
		struct site_host *h = &s->site_in_a_box->host[n];
		struct ud_ctx cx = host_context(s);
		int64_t next;

		/* one that has booted may start again what ran before */
		if (!h->runner || h->boots == 0)
			continue;
		box_of(s);
		if (ud_leases_tend(&cx, h->station.leases, &next) != UD_OK)
			ud_ctx_clear(&cx);
	}
	look(s);
}

void stage_site_last_cycle(struct stage *s, int host)
{
	agent_down(&s->site_in_a_box->host[host]);
	for (int i = 0; i < s->count; i++)
		box_do(box_of(s), "last_cycle", uuid_of(s, i), fmt(s->w, "%d", LOST_MS), NULL);
}

void stage_site_kill(struct stage *s, int host)
{
	box_do(box_of(s), "power_loss", stage_host_names[host], NULL);
	look(s);
}

void stage_site_revive(struct stage *s, int host)
{
	struct site_host *h = &s->site_in_a_box->host[host];

	box_do(box_of(s), "boot", stage_host_names[host], NULL);
	snprintf(h->boot, sizeof(h->boot), "boot-%d", ++h->boots);
	agent_up(h);
}

/* ---- begin and end ---- */

static enum ud_code read_key(struct ud_ctx *cx, void *data)
{
	unsigned char key[UD_SIGN_KEY], out[UD_SIGN_PUBLIC];
	struct stage *s = data;

	UD_TRY(ud_command_key(cx, s->w->server->keys.seal, key));
	ud_sign_public(key, out);
	s->site_in_a_box->command_key = ud_base64url(s->w->arena, out, sizeof(out));
	return UD_OK;
}

static void begin_host(struct stage *s, int n)
{
	struct stage_site *site = s->site_in_a_box;
	struct site_host *h = &site->host[n];
	const char *name = stage_host_names[n];

	*h = (struct site_host){ .s = s, .n = n, .uri = box_host(&site->box, name) };
	h->config = (struct ud_agent_config){ .host_id = s->hosts[n].id,
		.agent_id = s->hosts[n].agent_id,
		.command_key = site->command_key };
	h->journal = context_path(site->cx, ud_printf(site->cx->arena, "journal-%s", name));
	snprintf(h->boot, sizeof(h->boot), "boot-0");
	h->station.config = &h->config;
	stage_key(n, h->key);
	h->station.statement_key = h->key;
	h->station.env = &s->site_in_a_box->env;
	agent_up(h);
}

/* What the journal of a host has kept of the VM's protection. */
static void protect(struct stage *s, int vm, int host)
{
	struct site_host *h = &s->site_in_a_box->host[host];
	struct ud_ctx cx = host_context(s);
	const struct ud_journal_vm row = { .vm_id = s->vms[vm].id,
		.uuid = uuid_of(s, vm),
		.epoch = 1,
		.role = host ? UD_VM_ROLE_REPLICA : UD_VM_ROLE_PRIMARY,
		.policy = UD_POLICY_ATTEST,
		.wanted = host == 0,
		.lease_seconds = LEASE_SECONDS,
		.host_boot = h->boot,
		.permit_ms = UD_NONE,
		.promised = UD_NONE,
		.granted = UD_NONE };

	must(&cx, ud_journal_vm_put(&cx, h->station.journal, &row));
	must(&cx,
		ud_journal_note(&cx, h->station.journal, fmt(s->w, UD_NOTE_RELATION, s->vms[vm].id),
			s->vms[vm].replication_id));
}

static void relate(struct stage *s, int vm, int host)
{
	struct site_host *h = &s->site_in_a_box->host[host];
	struct ud_ctx cx = host_context(s);
	struct ud_relation_result result = { 0 };
	struct ud_relation r = { 0 };

	ud_shape_init(&ud_relation_shape, &r);
	r.replication_id = s->vms[vm].replication_id;
	r.vm_id = s->vms[vm].id;
	r.uuid = uuid_of(s, vm);
	r.role = host ? UD_RELATION_TARGET : UD_RELATION_SOURCE;
	r.peer_host_id = s->hosts[1 - host].id;
	r.peer_agent_id = s->hosts[1 - host].agent_id;
	r.peer_address = fmt(s->w, "%s.example.test:443", stage_host_names[1 - host]);
	r.epoch = r.generation = 1;
	r.schedule_interval_seconds = 30;
	r.recovery_points_kept = 24;
	must(&cx, ud_hv_relation_set(&cx, h->station.hv, &r, &result));
}

static void begin_vm(struct stage *s, int vm)
{
	struct box *b = box_of(s);

	box_do(b, "vm", stage_host_names[0], uuid_of(s, vm), s->vms[vm].name, NULL);
	box_do(b, "power", stage_host_names[0], uuid_of(s, vm), "Running", NULL);
	for (int host = 0; host < 2; host++)
		protect(s, vm, host);
	for (int host = 2; host-- > 0;)
		relate(s, vm, host);
	for (int h = 0; h < STAGE_HOSTS; h++)
		s->vms[vm].at[h].running = h == 0;
	s->vms[vm].point_id = NULL;
}

void stage_site_begin(struct stage *s)
{
	struct stage_site *site = ud_malloc(sizeof(*site));
	void *cx = NULL;

	context_begin(&cx);
	*site = (struct stage_site){ .cx = cx };
	s->site_in_a_box = site;
	ud_log_set_level(UD_LOG_ERROR);
	world_write(s->w, read_key, s);
	box_begin(site->cx, &site->box);
	site->env = s->w->env;
	site->env.processes = box_near(&site->box, pass_world, s);
	for (int n = 0; n < STAGE_HOSTS; n++)
		begin_host(s, n);
	for (int vm = 0; vm < s->count; vm++)
		begin_vm(s, vm);
	stage_pass(s, SEED_SECONDS);
	for (int i = 0; i < CYCLES; i++) {
		for (int vm = 0; vm < s->count; vm++)
			box_do(box_of(s), "write", stage_host_names[0], uuid_of(s, vm), NULL);
		stage_pass(s, CYCLE_SECONDS);
	}
	stage_site_report(s);
	look(s);
	for (int vm = 0; vm < s->count; vm++)
		assert_non_null(s->vms[vm].point_id);
}

void stage_site_end(struct stage *s)
{
	struct stage_site *site = s->site_in_a_box;
	void *cx = site->cx;

	for (int n = 0; n < STAGE_HOSTS; n++)
		agent_down(&site->host[n]);
	box_end(&site->box);
	context_end(&cx);
	ud_free(site);
	ud_log_set_level(UD_LOG_INFO);
}
