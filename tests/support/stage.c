/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agents in a few lines: each answers from its copy of the VM, which keeps number, epoch, hold and
 * role as a journal would.
 */
#include "support/stage_inside.h"

#include <string.h>

#include "base/crypto.h"
#include "base/failover.h"
#include "base/id.h"
#include "base/replication.h"
#include "base/verbs.h"
#include "db/commands.h"
#include "db/events.h"
#include "db/hosts.h"
#include "db/recovery_points.h"
#include "db/replications.h"
#include "db/sites.h"
#include "db/statements.h"
#include "db/vms.h"
#include "db/workflows.h"
#include "server/agents/ca.h"
#include "server/agents/statements.h"
#include "server/replication/judge.h"
#include "server/replication/relations.h"

enum { ROUNDS_MAX = 400 };

const char *const stage_host_names[STAGE_HOSTS] = { "lon-a", "lon-b", "ams-c" };

/* ---- the set ---- */

static enum ud_code see_agents(struct ud_ctx *cx, void *data)
{
	struct stage *s = data;

	for (int h = 0; h < STAGE_HOSTS; h++)
		if (!s->hosts[h].down && !s->hosts[h].cut) {
			s->hosts[h].seen_ms = cx->now_ms;
			UD_TRY(ud_exec(cx, NULL,
				"UPDATE agents SET last_seen_at = $2 WHERE id = $1",
				UD_VALS(ud_t(s->hosts[h].agent_id), ud_i(cx->now_ms))));
		}
	return UD_OK;
}

void stage_key(int host, unsigned char key[UD_SIGN_KEY])
{
	memset(key, 'a' + host, UD_SIGN_KEY);
}

static enum ud_code tell_key(struct ud_ctx *cx, struct stage *s, int h)
{
	unsigned char key[UD_SIGN_KEY], public_key[UD_SIGN_PUBLIC];
	const struct ud_agent a = { .row.id = s->hosts[h].agent_id, .host_id = s->hosts[h].id };
	bool changed = false;

	stage_key(h, key);
	ud_sign_public(key, public_key);
	return ud_agent_key_set(
		cx, &a, ud_hex(cx->arena, public_key, sizeof(public_key)), &changed);
}

static enum ud_code add_host(struct ud_ctx *cx, struct stage *s, int h)
{
	struct ud_host host = { .name = stage_host_names[h],
		.site_id = s->site,
		.hypervisor = s->hyperv ? UD_HYPERVISOR_HYPERV : UD_HYPERVISOR_KVM,
		.state = UD_HOST_ACTIVE,
		.memory_bytes = UD_NONE,
		.cpu_count = UD_NONE };

	UD_TRY(ud_row_insert(cx, &ud_hosts, &host));
	s->hosts[h].id = host.row.id;
	s->hosts[h].agent_id = ud_id_new(s->w->arena, cx->env, cx->now_ms, "agt");
	UD_TRY(ud_exec(cx, NULL,
		"INSERT INTO agents(id, version, created_at, updated_at, labels, host_id, state,"
		" may_promote, certificate_serial, certificate_expires_at, spki_sha256, confirmed,"
		" runs, last_seen_at, address) VALUES ($1, 1, $2, $2, '{}', $3, 'active', 1, $1, $4,"
		" $1, 1, '[]', $2, '127.0.0.1')",
		UD_VALS(ud_t(s->hosts[h].agent_id), ud_i(cx->now_ms), ud_t(host.row.id),
			ud_i(cx->now_ms + INT64_C(90) * 86400000))));
	return tell_key(cx, s, h);
}

static enum ud_code add_point(struct ud_ctx *cx, struct stage *s, struct stage_vm *v, int host,
	const char *id, int64_t number)
{
	struct ud_recovery_point p = { .row.id = id,
		.row.customer_id = s->w->own,
		.replication_id = host == 2 ? v->onward_id : v->replication_id,
		.vm_id = v->id,
		.host_id = s->hosts[host].id,
		.number = number,
		.taken_at.ms = cx->now_ms - 12000,
		.applied_at.ms = cx->now_ms,
		.state = UD_POINT_COMPLETE,
		.size_bytes = 4096,
		.epoch = 1 };

	v->point_id = id;
	return ud_row_insert(cx, &ud_recovery_points, &p);
}

/* What both ends say of a relation as it stands now. */
static enum ud_code report(struct ud_ctx *cx, const struct stage_vm *v, const char *replication_id)
{
	struct ud_replication r = { 0 };
	bool found = false, changed;

	UD_TRY(ud_replication_find(cx, replication_id, &found, &r));
	for (int role = 0; found && role < 2; role++) {
		struct ud_replication_report t = { 0 };

		ud_shape_init(&ud_replication_report_shape, &t);
		t.replication_id = replication_id;
		t.role = (unsigned)role;
		t.state = r.wanted == UD_RELATION_PAUSED ? UD_REPLICATION_PAUSED
							 : UD_REPLICATION_REPLICATING;
		t.generation = r.generation;
		t.newest_point_age_ms = 12000;
		t.cycles_total = v->cycles;
		t.cycles_missed = 0;
		UD_TRY(ud_replication_told(
			cx, role == UD_RELATION_SOURCE ? r.source_host_id : r.target_host_id, &t));
	}
	if (!found)
		return UD_OK;
	UD_TRY(ud_judge_store(cx, &r, &changed));
	return ud_replication_followed(cx, &r);
}

static enum ud_code add_vm(struct ud_ctx *cx, struct stage *s, int n)
{
	struct stage_vm *v = &s->vms[n];
	struct ud_vm vm = { .row.customer_id = s->w->own,
		.name = fmt(s->w, "sql-%02d", n),
		.hypervisor_uuid = fmt(s->w, "00000000-0000-4000-8000-%012d", n + 1),
		.host_id = s->hosts[0].id,
		.state = UD_VM_READY,
		.power = UD_POWER_RUNNING,
		.dr_role = UD_DR_PRIMARY,
		.vcpus = 1,
		.memory_bytes = 1 << 28,
		.disk_bytes = 1 << 30 };
	struct ud_replication r = { 0 };

	UD_TRY(ud_row_insert(cx, &ud_vms, &vm));
	UD_TRY(ud_exec(cx, NULL,
		"UPDATE vms SET epoch = 1, fencing_policy = 'attest' WHERE id = $1",
		UD_VALS(ud_t(vm.row.id))));
	ud_shape_init(ud_replications.shape, &r);
	r.row.customer_id = s->w->own;
	r.vm_id = vm.row.id;
	r.source_host_id = s->hosts[0].id;
	r.target_host_id = s->hosts[1].id;
	r.wanted = UD_RELATION_ACTIVE;
	r.state = UD_REPLICATION_REPLICATING;
	r.state_since.ms = r.health_since.ms = r.window_started_at.ms = r.seeded_at.ms = cx->now_ms;
	r.schedule_interval_seconds = s->hyperv ? 30 : 5;
	r.rpo_target_seconds = 60;
	r.rto_target_seconds = 600;
	r.recovery_points_kept = s->hyperv ? 24 : 4;
	r.window_cycles_total = r.window_cycles_missed = 0;
	r.generation = 1;
	UD_TRY(ud_row_insert(cx, &ud_replications, &r));
	*v = (struct stage_vm){
		.id = vm.row.id, .name = vm.name, .replication_id = r.row.id, .cycles = 9
	};
	for (int h = 0; h < STAGE_HOSTS; h++)
		v->at[h] = (struct stage_copy){ .epoch = 1 };
	v->at[0].primary = v->at[0].running = true;
	if (s->hyperv) /* its agents tell of points by themselves */
		return UD_OK;
	UD_TRY(add_point(
		cx, s, v, 1, ud_id_new(s->w->arena, cx->env, cx->now_ms - 12000, "rpt"), 1));
	return report(cx, v, v->replication_id);
}

static enum ud_code set_up(struct ud_ctx *cx, void *data)
{
	struct stage *s = data;
	struct ud_site site = { .name = "London", .code = "lon", .time_zone = "UTC" };

	UD_TRY(ud_ca_ensure(cx, s->w->server->keys.seal));
	UD_TRY(ud_row_insert(cx, &ud_sites, &site));
	s->site = site.row.id;
	for (int h = 0; h < STAGE_HOSTS; h++)
		UD_TRY(add_host(cx, s, h));
	for (int n = 0; n < s->count; n++)
		UD_TRY(add_vm(cx, s, n));
	return UD_OK;
}

static struct stage *begin(int vms, bool hyperv)
{
	struct stage *s = ud_malloc(sizeof(*s));

	*s = (struct stage){ .w = world_begin(),
		.count = vms,
		.limit = -1,
		.lose = -1,
		.reports = true,
		.hyperv = hyperv };
	world_write(s->w, set_up, s);
	return s;
}

struct stage *stage_begin(int vms)
{
	return begin(vms, false);
}

struct stage *stage_begin_hyperv(int vms)
{
	struct stage *s = begin(vms, true);

	stage_site_begin(s);
	return s;
}

void stage_end(struct stage *s)
{
	bool overlapped = s->overlapped;

	if (s->hyperv)
		stage_site_end(s);
	world_end(s->w);
	ud_free(s);
	assert_false(overlapped);
}

/* ---- fence devices ---- */

static bool is_open(struct stage *s, const char *id)
{
	struct reply r = expect(
		s->w, OPERATOR, "GET", fmt(s->w, "/v1/operations/%s?wait=20", id), NULL, 200);
	const char *state = text_at(r.json, "state");

	return strcmp(state, "queued") == 0 || strcmp(state, "running") == 0;
}

void stage_wait_device(struct stage *s)
{
	int64_t end_ms = ud_now_ms(&ud_env_real) + 180000;
	struct reply r = expect(
		s->w, OPERATOR, "GET", "/v1/operations?limit=100&sort=-created_at", NULL, 200);
	json_t *list = json_object_get(r.json, "data"), *op;
	size_t i;

	json_array_foreach(list, i, op) while (
		(strncmp(text_at(op, "kind"), "fence_", 6) == 0 ||
			strcmp(text_at(op, "kind"), "plan_webhook") == 0) &&
		is_open(s, text_at(op, "id"))) assert_true(ud_now_ms(&ud_env_real) < end_ms);
}

/* ---- tickets ---- */

struct asking {
	struct stage *s;
	const char *body, *ticket;
	struct ud_failover_planned planned;
	enum ud_code code;
};

static enum ud_code apply_ask(struct ud_ctx *cx, void *data)
{
	struct asking *a = data;
	struct ud_failover_request rq = { 0 };

	UD_TRY(ud_shape_read(cx, &ud_failover_request_shape, a->body, strlen(a->body), &rq));
	return ud_failover_plan(cx, a->ticket, &rq, true, &a->planned);
}

const char *stage_ask(
	struct stage *s, const char *kind, const char *reason, int vms, const char *more)
{
	struct world *w = s->w;
	struct asking a = { .s = s };
	const char *ids = "";

	for (int i = 0; i < vms; i++)
		ids = fmt(w, "%s%s\"%s\"", ids, i ? "," : "", s->vms[s->first + i].id);
	w->cx.now_ms = ud_now_ms(&w->env);
	a.ticket = ud_id_new(w->arena, &w->env, w->cx.now_ms, "tkt");
	a.body = fmt(w, "{\"kind\":\"%s\",\"reason_code\":\"%s\",\"vm_ids\":[%s]%s%s}", kind,
		reason, ids, *more ? "," : "", more);
	ud_ctx_clear(&w->cx);
	return ud_database_write(w->db, &w->cx, apply_ask, &a) == UD_OK ? a.planned.failover_id
									: NULL;
}

struct deciding {
	const char *run, *vm;
};

static enum ud_code apply_approve(struct ud_ctx *cx, void *data)
{
	return ud_failover_approved(cx, ((struct deciding *)data)->run);
}

void stage_approve(struct stage *s, const char *run)
{
	struct deciding d = { .run = run };

	world_write(s->w, apply_approve, &d);
}

static enum ud_code apply_attest(struct ud_ctx *cx, void *data)
{
	struct deciding *d = data;

	return ud_failover_attested(cx, d->run, d->vm);
}

void stage_attest(struct stage *s, const char *run, int vm)
{
	struct deciding d = { run, s->vms[vm].id };

	world_write(s->w, apply_attest, &d);
}

const char *stage_start(
	struct stage *s, const char *kind, const char *reason, int vms, const char *more)
{
	const char *run = stage_ask(s, kind, reason, vms, more);

	assert_non_null(run);
	stage_approve(s, run);
	return run;
}

/* ---- agents ---- */

struct orders {
	struct stage_order items[256];
	size_t count;
};

static enum ud_code read_orders(struct ud_ctx *cx, void *data)
{
	struct orders *o = data;
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	o->count = 0;
	UD_TRY(ud_query(cx, &rows,
		"SELECT subject_id, host_id, verb, seq, epoch, payload, signature,"
		" COALESCE(delivered_at, created_at) FROM commands"
		" WHERE state IN ('queued', 'delivered') ORDER BY subject_id, seq LIMIT 256",
		UD_NO_VALS));
	UD_TRY(ud_next(cx, rows, &more));
	while (more && o->count < UD_LEN(o->items)) {
		struct ud_wire_command c = { 0 };
		const char *payload = ud_col_dup(cx, rows, 5);

		UD_TRY(ud_shape_read(cx, &ud_wire_command_shape, payload, strlen(payload), &c));
		o->items[o->count++] = (struct stage_order){ .vm_id = ud_col_dup(cx, rows, 0),
			.host_id = ud_col_dup(cx, rows, 1),
			.verb = ud_col_dup(cx, rows, 2),
			.seq = ud_col_int(rows, 3),
			.epoch = ud_col_int(rows, 4),
			.args = c.args.text,
			.payload = payload,
			.signature = ud_col_dup(cx, rows, 6),
			.given_ms = ud_col_int(rows, 7) };
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

/* What an agent does and says. */
struct act {
	struct stage *s;
	const struct stage_order *o;
	struct stage_vm *v;
	struct stage_copy *c;
	int host;
	const char *result, *error;
	enum ud_outcome outcome;
	bool fresh, again;
	int64_t now_ms; /* by the server's clock, as it answers */
};

static const char *now_text(struct act *a)
{
	char at[UD_TIME_TEXT];

	ud_time_format(a->s->w->cx.now_ms, at);
	return fmt(a->s->w, "%s", at);
}

static void run(struct act *a)
{
	for (int h = 0; h < STAGE_HOSTS; h++)
		if (h != a->host && a->v->at[h].running)
			a->s->overlapped = true;
	a->c->starts += !a->c->running;
	a->c->started = a->s->answered;
	a->c->running = true;
	a->c->hold = false;
}

static void refuse(struct act *a, const char *code)
{
	a->outcome = UD_OUTCOME_REFUSED;
	a->error =
		fmt(a->s->w, "{\"code\":\"%s\",\"detail\":\"The agent refuses: %s.\"}", code, code);
}

/* Twelve seconds old when its source was heard of last; it ages on, by the server's clock. */
static const char *point_json(struct act *a, const char *id)
{
	const struct stage_host *source = &a->s->hosts[0];
	int64_t age = 12000 + (source->down ? a->now_ms - source->seen_ms : 0);

	return fmt(a->s->w,
		"{\"id\":\"%s\",\"n\":7,\"taken_at\":\"%s\",\"age_ms\":%lld,\"consistency\":\"crash\","
		"\"requested\":\"crash\",\"bytes\":4096,\"roots\":{\"vda\":\"00ff\"},\"epoch\":1,"
		"\"state\":\"complete\"}",
		id, now_text(a), (long long)age);
}

static void let_fail(struct act *a, const char *code, const char *detail)
{
	a->outcome = UD_OUTCOME_FAILED;
	a->error = fmt(a->s->w,
		"{\"code\":\"%s\",\"status\":424,\"title\":\"t\",\"detail\":\"%s\"}", code, detail);
}

static enum ud_code do_sync(struct ud_ctx *cx, struct act *a)
{
	const char *id = ud_id_new(a->s->w->arena, cx->env, cx->now_ms, "rpt");

	if (a->s->apart) {
		a->s->missed++;
		let_fail(a, "unavailable", "The link to the replica's host: no route to host.");
		return UD_OK;
	}
	if (a->c->running) {
		refuse(a, "invalid_state");
		return UD_OK;
	}
	UD_TRY(add_point(cx, a->s, a->v, 1 - a->host, id, 7));
	a->result = fmt(a->s->w, "{\"point\":%s}", point_json(a, id));
	return UD_OK;
}

static void do_promote(struct act *a)
{
	if (a->o->epoch < a->c->epoch) {
		refuse(a, "conflict");
		return;
	}
	a->c->epoch = a->o->epoch;
	a->c->primary = true;
	run(a);
	a->result = fmt(a->s->w,
		"{\"point_id\":\"%s\",\"roots\":{\"vda\":\"00ff\"},\"started_at\":\"%s\"}",
		a->v->point_id, now_text(a));
}

static void do_demote(struct act *a)
{
	bool was = a->c->running;

	a->c->epoch = a->o->epoch;
	a->c->running = a->c->primary = a->c->hold = false;
	a->result = fmt(a->s->w,
		"{\"was_running\":%s,\"divergent\":\"divergent-1\",\"divergent_bytes\":0,"
		"\"stopped_at\":\"%s\"}",
		was ? "true" : "false", now_text(a));
}

static enum ud_code do_relation_set(struct ud_ctx *cx, struct act *a)
{
	struct ud_relation r = { 0 };

	UD_TRY(ud_shape_read(cx, &ud_relation_shape, a->o->args, strlen(a->o->args), &r));
	if (r.initial.text && strstr(r.initial.text, "reverse"))
		a->v->cycles = 0;
	a->c->epoch = r.epoch > a->c->epoch ? r.epoch : a->c->epoch;
	a->result = fmt(a->s->w,
		"{\"replication_id\":\"%s\",\"generation\":%lld,\"state\":\"replicating\"}",
		r.replication_id, (long long)r.generation);
	return UD_OK;
}

static enum ud_code perform(struct ud_ctx *cx, struct act *a)
{
	const char *verb = a->o->verb;

	a->result = "{}";
	if (strcmp(verb, UD_VERB_STOP) == 0) {
		a->c->stops += a->c->running;
		a->c->stopped = a->s->answered;
		a->c->running = false;
		a->c->hold = true;
		a->result = fmt(a->s->w, "{\"forced\":false,\"stopped_at\":\"%s\"}", now_text(a));
	} else if (strcmp(verb, UD_VERB_SYNC) == 0) {
		return do_sync(cx, a);
	} else if (strcmp(verb, UD_VERB_FENCE) == 0) {
		const char *points = a->s->told_points ? a->s->told_points
			: a->v->told_points            ? a->v->told_points
						       : point_json(a, a->v->point_id);

		a->result = fmt(a->s->w,
			"{\"points\":[%s],\"newest\":\"%s\",\"source_seen\":false,"
			"\"after_ms\":%lld}",
			points, a->v->point_id, (long long)(a->now_ms - a->o->given_ms));
	} else if (strcmp(verb, UD_VERB_PROMOTE) == 0) {
		do_promote(a);
	} else if (strcmp(verb, UD_VERB_DEMOTE) == 0) {
		do_demote(a);
	} else if (strcmp(verb, UD_VERB_RESUME) == 0) {
		if (a->c->primary)
			run(a);
		a->result = fmt(a->s->w, "{\"started_at\":\"%s\"}", now_text(a));
	} else if (strcmp(verb, UD_VERB_REVERT) == 0) {
		a->c->running = a->c->primary = false;
		a->result = fmt(a->s->w, "{\"stopped_at\":\"%s\"}", now_text(a));
	} else if (strcmp(verb, UD_VERB_TEST_START) == 0) {
		a->c->test = true;
		a->result = fmt(a->s->w,
			"{\"uuid\":\"00000000-0000-4000-9000-000000000001\",\"started_at\":\"%s\"}",
			now_text(a));
	} else if (strcmp(verb, UD_VERB_TEST_DROP) == 0) {
		a->c->test = false;
		a->result = "{\"left\":[]}";
	} else if (strcmp(verb, UD_VERB_BOOT_CHECK) == 0) {
		bool up = a->v->unseen <= 0 &&
			(strstr(a->o->args, "tst_") ? a->c->test : a->c->running);

		a->result = fmt(a->s->w,
			"{\"passed\":%s,\"skipped\":false,\"text\":\"looked\",\"screenshot\":\"iVBORw0KGgo=\","
			"\"seen_at\":\"%s\"}",
			up ? "true" : "false", now_text(a));
	} else if (strcmp(verb, UD_VERB_SET_ADDRESSES) == 0) {
		a->result = a->s->cards ? a->s->cards : "{\"cards\":[]}";
	} else if (strcmp(verb, UD_VERB_VM_RUN) == 0 || strcmp(verb, UD_VERB_STEP_SCRIPT) == 0) {
		a->result = fmt(a->s->w,
			"{\"exit_status\":%d,\"output\":\"It said so.\",\"error_output\":\"\"}",
			a->s->exits);
	} else if (strcmp(verb, UD_VERB_RELATION_SET) == 0) {
		return do_relation_set(cx, a);
	} else if (strcmp(verb, UD_VERB_RELATION_RESYNC) == 0) {
		a->result = fmt(a->s->w,
			"{\"replication_id\":\"%s\",\"generation\":1,\"state\":\"resyncing\"}",
			a->v->replication_id);
	}
	return UD_OK;
}

/* ---- statements ---- */

/* As the runner does. */
static enum ud_code sign(struct ud_ctx *cx, const struct act *a, struct ud_wire_result *r)
{
	unsigned char key[UD_SIGN_KEY];
	const struct ud_statement said = { .agent_id = a->s->hosts[a->host].agent_id,
		.host_id = a->o->host_id,
		.subject_id = a->o->vm_id,
		.seq = a->o->seq,
		.epoch = a->o->epoch,
		.verb = a->o->verb,
		.outcome = ud_outcomes.names[r->outcome],
		.began_ms = a->o->given_ms,
		.ended_ms = a->now_ms,
		.took_ms = a->now_ms - a->o->given_ms,
		.result = r->result.text };

	if (a->s->signatures == STAGE_UNSIGNED || !ud_statement_wanted(a->o->verb))
		return UD_OK;
	stage_key(a->s->signatures == STAGE_FORGED ? STAGE_HOSTS : a->host, key);
	return ud_statement_write(cx, key, &said, &r->statement, &r->signature);
}

static int64_t late(const struct stage *s, const struct stage_order *o)
{
	return strcmp(o->verb, UD_VERB_FENCE) == 0 ? s->late_ms : 0;
}

static enum ud_code apply_act(struct ud_ctx *cx, void *data)
{
	struct act *a = data;

	a->outcome = UD_OUTCOME_DONE;
	a->result = a->error = NULL;
	a->now_ms = cx->now_ms;
	if (a->o->seq == a->c->done_seq) {
		a->outcome = (enum ud_outcome)a->c->kept_outcome;
		a->result = a->c->kept_result;
		a->error = a->c->kept_error;
	} else if (a->s->fail_times > 0 && strcmp(a->s->fail_verb, a->o->verb) == 0) {
		let_fail(a, "hypervisor", "The hypervisor would not.");
	} else if (a->s->unknown_verb && strcmp(a->s->unknown_verb, a->o->verb) == 0) {
		a->outcome = UD_OUTCOME_UNKNOWN;
	} else if (a->o->seq < a->c->seq) {
		refuse(a, "stale");
	} else {
		UD_TRY(perform(cx, a));
	}
	if (a->s->lose == a->s->answered)
		return UD_OK;
	cx->now_ms += late(a->s, a->o);
	struct ud_wire_result r = { .subject_id = a->o->vm_id,
		.seq = a->o->seq,
		.outcome = a->outcome,
		.result.text = a->outcome == UD_OUTCOME_DONE ? a->result : NULL,
		.error.text = a->error,
		.agent_boot = "boot" };

	UD_TRY(sign(cx, a, &r));
	UD_TRY(ud_command_answer(cx, &a->s->w->server->commanding, a->o->host_id, &r, &a->fresh));
	if (a->fresh)
		UD_TRY(ud_statement_take(cx, a->o->host_id, &r));
	if (a->s->twice) /* it was lost on the way, the agent thinks */
		UD_TRY(ud_command_answer(
			cx, &a->s->w->server->commanding, a->o->host_id, &r, &a->again));
	return UD_OK;
}

static struct stage_vm *vm_of(struct stage *s, const char *id)
{
	for (int i = 0; i < s->count; i++)
		if (strcmp(s->vms[i].id, id) == 0)
			return &s->vms[i];
	return NULL;
}

static int host_of(const struct stage *s, const char *id)
{
	int h = 0;

	while (strcmp(s->hosts[h].id, id) != 0)
		h++;
	return h;
}

/* One order; false when nobody can answer it now. */
static bool obey(struct stage *s, const struct stage_order *o)
{
	struct act a = { .s = s, .o = o, .v = vm_of(s, o->vm_id), .host = host_of(s, o->host_id) };
	const struct stage_host *h = &s->hosts[a.host];

	if (h->down || h->cut || h->quiet || h->deaf || !a.v ||
		(s->limit >= 0 && s->answered >= s->limit))
		return false;
	if (s->hyperv) {
		stage_site_obey(s, o, a.host);
		return true;
	}
	a.c = &a.v->at[a.host];
	world_write(s->w, apply_act, &a);
	assert_false(a.again);
	s->w->clock_ms += late(s, o);
	s->w->mono_ms += late(s, o);
	if (s->fail_times > 0 && strcmp(s->fail_verb, o->verb) == 0)
		s->fail_times--;
	if (a.v->unseen > 0 && strcmp(o->verb, UD_VERB_BOOT_CHECK) == 0)
		a.v->unseen--;
	s->programs +=
		strcmp(o->verb, UD_VERB_VM_RUN) == 0 || strcmp(o->verb, UD_VERB_STEP_SCRIPT) == 0;
	a.c->seq = o->seq > a.c->seq ? o->seq : a.c->seq;
	a.c->done_seq = o->seq;
	a.c->kept_outcome = a.outcome;
	a.c->kept_result = a.result;
	a.c->kept_error = a.error;
	s->answered++;
	return true;
}

static enum ud_code apply_reports(struct ud_ctx *cx, void *data)
{
	struct stage *s = data;

	for (int i = 0; i < s->count; i++) {
		struct stage_vm *v = &s->vms[i];

		v->cycles++;
		UD_TRY(report(cx, v, v->replication_id));
		if (v->onward_id)
			UD_TRY(report(cx, v, v->onward_id));
	}
	return UD_OK;
}

void stage_tell(struct stage *s)
{
	if (s->hyperv)
		stage_site_report(s);
	else
		world_write(s->w, apply_reports, s);
}

int stage_round(struct stage *s)
{
	struct orders o = { 0 };

	if (s->restarts) {
		world_restart(s->w);
		stage_pass(s, 11); /* the duty of the one before has ended */
	}
	int done = (int)world_tick(s->w);

	if (s->hyperv)
		stage_site_round(s);
	world_write(s->w, read_orders, &o);
	for (size_t i = 0; i < o.count; i++)
		done += obey(s, &o.items[i]);
	return done;
}

/* Agents report by the clock: when the server rests, and now and then while it looks for what only
 * a report can say. Real ones take their time over it. */
static bool tells(const struct stage *s, int round, int still)
{
	return round % 10 == 9 || still == 1 || (still && !s->hyperv);
}

void stage_settle(struct stage *s)
{
	int still = 0;

	for (int i = 0; i < ROUNDS_MAX && still < 4; i++) {
		still = stage_round(s) ? 0 : still + 1;
		if (s->reports && !s->apart && tells(s, i, still) && !s->hosts[0].down &&
			!s->hosts[1].down)
			stage_tell(s);
		if (still)
			stage_pass(s, 2);
	}
}

void stage_pass(struct stage *s, int64_t seconds)
{
	s->w->clock_ms += seconds * 1000;
	s->w->mono_ms += seconds * 1000;
	world_write(s->w, see_agents, s);
}

void stage_kill(struct stage *s, int host)
{
	if (s->hyperv)
		stage_site_last_cycle(s, host);
	world_write(s->w, see_agents, s); /* it is heard of until now */
	s->hosts[host].down = true;
	for (int i = 0; i < s->count; i++)
		s->vms[i].at[host].running = s->vms[i].at[host].test = false;
	if (s->hyperv)
		stage_site_kill(s, host);
	stage_pass(s, 120);
}

void stage_revive(struct stage *s, int host)
{
	bool was_down = s->hosts[host].down;

	s->hosts[host].down = s->hosts[host].cut = false;
	if (s->hyperv && was_down)
		stage_site_revive(s, host);
	stage_pass(s, 1);
}

int stage_kill_guest(struct stage *s, int vm)
{
	int n = 0;

	for (int h = 0; h < STAGE_HOSTS; h++) {
		struct stage_copy *c = &s->vms[vm].at[h];

		n += c->running + c->test;
		c->running = c->test = false;
	}
	return n;
}

void stage_start_guest(struct stage *s, int vm)
{
	for (int h = 0; h < STAGE_HOSTS; h++) {
		struct stage_copy *c = &s->vms[vm].at[h];

		if (stage_where(s, vm) < 0 && c->primary && !c->hold && !s->hosts[h].down)
			c->running = true;
	}
}

/* ---- a third copy ---- */

struct extending {
	struct stage *s;
	struct stage_vm *v;
};

static enum ud_code apply_extend(struct ud_ctx *cx, void *data)
{
	const struct extending *e = data;
	struct stage *s = e->s;
	struct ud_replication r = { 0 }, old;
	struct ud_operation op;

	ud_shape_init(ud_replications.shape, &r);
	r.row.customer_id = s->w->own;
	r.vm_id = e->v->id;
	r.leg = UD_LEG_EXTENDED;
	r.parent_id = e->v->replication_id;
	r.source_host_id = s->hosts[1].id;
	r.target_host_id = s->hosts[2].id;
	r.wanted = UD_RELATION_ACTIVE;
	r.state = UD_REPLICATION_READY_FOR_SEED;
	r.state_since.ms = r.health_since.ms = r.window_started_at.ms = cx->now_ms;
	r.schedule_interval_seconds = 300;
	r.rpo_target_seconds = 900;
	r.rto_target_seconds = 600;
	r.recovery_points_kept = 4;
	r.window_cycles_total = r.window_cycles_missed = 0;
	r.generation = 1;
	UD_TRY(ud_row_insert(cx, &ud_replications, &r));
	e->v->onward_id = r.row.id;
	old = r;
	UD_TRY(ud_replication_begin(cx, &s->w->server->commanding, &r, UD_WORK_SETUP, NULL, &op));
	UD_TRY(ud_row_update(cx, &ud_replications, &old, &r));
	if (s->hyperv) /* its agents tell of points by themselves */
		return UD_OK;
	return add_point(cx, s, e->v, 2, ud_id_new(s->w->arena, cx->env, cx->now_ms, "rpt"), 1);
}

void stage_extend(struct stage *s, int vm)
{
	struct extending e = { s, &s->vms[vm] };

	e.v->point_id = NULL;
	world_write(s->w, apply_extend, &e);
	for (int i = 0; i < 8; i++) {
		stage_settle(s);
		stage_pass(s, 100); /* a copy and its cycles take their time */
		stage_tell(s);
	}
	assert_non_null(e.v->point_id);
}

/* ---- looking ---- */

struct reply stage_run(struct stage *s, const char *run_id)
{
	return expect(s->w, ENGINEER, "GET", fmt(s->w, "/v1/failovers/%s", run_id), NULL, 200);
}

const char *stage_text(struct stage *s, const char *run_id, const char *path)
{
	return fmt(s->w, "%s", text_at(stage_run(s, run_id).json, path));
}

void stage_wants(struct stage *s, const char *run_id, const char *state, const char *phase)
{
	struct reply r = stage_run(s, run_id);

	if (strcmp(text_at(r.json, "state"), state) != 0 ||
		(phase && strcmp(text_at(r.json, "phase"), phase) != 0))
		fail_msg("wanted %s/%s, waits for \"%s\": %s", state, phase ? phase : "",
			text_at(r.json, "waiting_for.text"), r.body);
}

struct reply stage_press(struct stage *s, enum who who, const char *run_id, const char *op,
	const char *body, int status)
{
	return expect(
		s->w, who, "POST", fmt(s->w, "/v1/failovers/%s/%s", run_id, op), body, status);
}

int64_t stage_waiting_step(struct stage *s, const char *run_id)
{
	json_t *steps = json_object_get(stage_run(s, run_id).json, "steps");
	size_t i;
	json_t *step;

	json_array_foreach(steps, i,
		step) if (strcmp(json_string_value(json_object_get(step, "state")), "waiting") ==
		0) return json_integer_value(json_object_get(step, "n"));
	return 0;
}

int stage_where(const struct stage *s, int vm)
{
	for (int h = 0; h < STAGE_HOSTS; h++)
		if (s->vms[vm].at[h].running)
			return h;
	return -1;
}

struct counting {
	const char *sql;
	int64_t n;
};

static enum ud_code apply_count(struct ud_ctx *cx, void *data)
{
	struct counting *c = data;
	bool found;

	return ud_query_int(cx, &found, &c->n, c->sql, UD_NO_VALS);
}

int64_t stage_count(struct stage *s, const char *sql)
{
	struct counting c = { sql, 0 };

	world_write(s->w, apply_count, &c);
	return c.n;
}
