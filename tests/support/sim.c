/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator's world: its clock, its chance, its server, and what must hold at all times.
 */
#include "support/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/crypto.h"
#include "base/id.h"
#include "base/log.h"
#include "db/customers.h"
#include "db/engine/migrate.h"
#include "db/hosts.h"
#include "db/migrations.h"
#include "db/replications.h"
#include "db/sites.h"
#include "db/vms.h"
#include "server/agents/ca.h"
#include "server/replication/relations.h"
#include "support/sim_inside.h"

const char *const sim_fault_names[SIM_FAULTS] = { "answer lost", "ack lost", "command lost",
	"command late", "answer late", "grant lost", "no commit", "disk", "server down",
	"agent dies", "host dies", "line cut", "peers cut", "alone", "hypervisor", "guest dies",
	"wall clock" };
const char *const sim_mutant_names[SIM_MUTANTS] = { "sound", "no final sync", "guard late",
	"silence is proof", "grants to anybody" };

/* Any instant will do: the world's clock begins here. */
static const int64_t began_ms = INT64_C(1790000000000);

/* ---- chance ---- */

/* xorshift64*: the same decisions on every machine. */
static uint64_t next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(2685821657736338717);
}

int64_t sim_chance(struct sim *s, int64_t n)
{
	return (int64_t)((next(&s->chance) >> 16) % (uint64_t)n);
}

bool sim_one_in(struct sim *s, int64_t n)
{
	return sim_chance(s, n) == 0;
}

/* ---- the world as others see it ---- */

static int64_t server_now(const struct ud_env *env)
{
	return began_ms + ((const struct sim *)env->data)->now_ms;
}

static int64_t server_mono(const struct ud_env *env)
{
	return 1000000 + ((const struct sim *)env->data)->now_ms;
}

static void server_clock(const struct ud_env *env, char ret[UD_CLOCK_NAME])
{
	snprintf(ret, UD_CLOCK_NAME, "%s", ((const struct sim *)env->data)->clock);
}

static void fill(struct sim *s, void *buf, size_t n)
{
	unsigned char *to = buf;

	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)(next(&s->bytes) >> 32);
}

static void server_random(const struct ud_env *env, void *buf, size_t n)
{
	fill(env->data, buf, n);
}

/* ---- what is broken ---- */

void sim_note(struct sim *s, const char *format, ...)
{
	char *line = s->trail[s->steps++ % (int)UD_LEN(s->trail)];
	int n = snprintf(line, sizeof(s->trail[0]), "%lld ", (long long)s->now_ms);
	va_list ap;

	va_start(ap, format);
	vsnprintf(line + n, sizeof(s->trail[0]) - (size_t)n, format, ap);
	va_end(ap);
	if (getenv("UD_SIM_LOG"))
		print_error("%s\n", line);
}

void sim_broken(struct sim *s, const char *format, ...)
{
	int most = (int)UD_LEN(s->trail), first = s->steps > most ? s->steps - most : 0;
	va_list ap;
	int n;

	if (*s->broken)
		return;
	va_start(ap, format);
	n = vsnprintf(s->broken, sizeof(s->broken) / 2, format, ap);
	va_end(ap);
	for (int i = first; i < s->steps && n < (int)sizeof(s->broken) - 100; i++)
		n += snprintf(
			s->broken + n, sizeof(s->broken) - (size_t)n, "\n  %s", s->trail[i % most]);
}

void sim_must(struct ud_ctx *cx, enum ud_code code)
{
	if (code != UD_OK)
		fail_msg("%s: %s", ud_error_info(code)->name,
			cx->problem.detail ? cx->problem.detail : "");
}

/* One VM never executes on two hosts, and a planned failover loses nothing that was written. */
void sim_look(struct sim *s)
{
	s->score->events++;
	for (int v = 0; v < SIM_VMS; v++) {
		struct sim_vm *vm = &s->vm[v];
		bool a = sim_runs(&s->host[0], v), b = sim_runs(&s->host[1], v);
		int on = a ? 0 : b ? 1 : vm->on;

		if (a && b)
			sim_broken(s, "VM %d runs on both hosts", v);
		if (on == vm->on)
			continue;
		int64_t has = scripted_content(s->host[on].script, vm->uuid);

		sim_note(s, "vm %d runs on %d, has %lld of %lld", v, on, (long long)has,
			(long long)vm->written);
		if (s->about == v && s->kind == 1 && has != vm->written)
			sim_broken(s, "planned failover of VM %d: %lld written, %lld arrived", v,
				(long long)vm->written, (long long)has);
		vm->on = on;
		vm->written = has;
	}
}

/* ---- the server ---- */

struct ud_ctx sim_context(struct sim *s)
{
	return (struct ud_ctx){ .arena = s->arena,
		.env = &s->env,
		.now_ms = ud_now_ms(&s->env),
		.request_id = "sim",
		.scope = &s->scope,
		.conn = s->conn };
}

/* An epoch never falls, and has one owner. */
static enum ud_code look_at_epochs(struct ud_ctx *cx, struct sim *s)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	UD_TRY(ud_query(
		cx, &rows, "SELECT id, epoch, host_id FROM vms ORDER BY id LIMIT 10", UD_NO_VALS));
	UD_TRY(ud_next(cx, rows, &more));
	for (; more;) {
		const char *id = ud_col_text(rows, 0), *owner = ud_col_text(rows, 2);
		int64_t epoch = ud_col_int(rows, 1);

		for (int v = 0; v < SIM_VMS; v++) {
			struct sim_vm *vm = &s->vm[v];

			if (!vm->id || strcmp(vm->id, id) != 0)
				continue;
			if (epoch < vm->epoch)
				sim_broken(s, "the server's epoch of VM %d fell", v);
			if (epoch == vm->epoch && vm->owner && strcmp(vm->owner, owner) != 0)
				sim_broken(s, "epoch %lld of VM %d has two owners",
					(long long)epoch, v);
			if (epoch != vm->epoch) {
				sim_note(s, "vm %d epoch %lld owner %s", v, (long long)epoch,
					strcmp(owner, s->host[0].config.host_id) == 0 ? "0" : "1");
				vm->owner = strcmp(owner, s->host[0].config.host_id) == 0
					? s->host[0].config.host_id
					: s->host[1].config.host_id;
			}
			vm->epoch = epoch;
		}
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code sim_serve(
	struct sim *s, enum ud_code (*apply)(struct ud_ctx *cx, void *data), void *data)
{
	struct ud_ctx cx = sim_context(s);

	if (s->now_ms < s->server_at)
		return UD_E_UNAVAILABLE;
	sim_must(&cx, ud_begin(&cx, true));
	s->conn->fail_after = s->disk;
	s->disk = 0;
	enum ud_code code = apply(&cx, data);

	s->conn->fail_after = 0;
	if (code != UD_OK)
		sim_note(s, "the server: %.60s", cx.problem.detail ? cx.problem.detail : "");
	if (code != UD_OK || s->no_commit) {
		ud_rollback(&cx);
		s->no_commit = false;
		return code == UD_OK ? UD_E_UNAVAILABLE : code;
	}
	sim_must(&cx, ud_commit(&cx));
	sim_must(&cx, look_at_epochs(&cx, s));
	return UD_OK;
}

/* ---- begin and end ---- */

static enum ud_code add_agent(struct ud_ctx *cx, const char *host_id, const char *agent_id)
{
	return ud_exec(cx, NULL,
		"INSERT INTO agents(id, version, created_at, updated_at, labels, host_id, state,"
		" may_promote, certificate_serial, certificate_expires_at, spki_sha256, confirmed,"
		" runs, last_seen_at, address) VALUES ($1, 1, $2, $2, '{}', $3, 'active', 1, $1, $4,"
		" $1, 1, '[]', $2, '127.0.0.1')",
		UD_VALS(ud_t(agent_id), ud_i(cx->now_ms), ud_t(host_id),
			ud_i(cx->now_ms + INT64_C(3650) * 86400000)));
}

static enum ud_code add_host(
	struct ud_ctx *cx, struct sim *s, int n, const char *site_id, const char *key)
{
	struct ud_host host = { .name = n ? "b" : "a",
		.site_id = site_id,
		.state = UD_HOST_ACTIVE,
		.memory_bytes = UD_NONE,
		.cpu_count = UD_NONE };
	const char *agent_id = ud_id_new(s->life, cx->env, cx->now_ms, "agt");

	UD_TRY(ud_row_insert(cx, &ud_hosts, &host));
	UD_TRY(add_agent(cx, host.row.id, agent_id));
	sim_host_begin(s, n, ud_strdup(s->life, host.row.id), agent_id, key);
	return UD_OK;
}

static enum ud_code add_vm(struct ud_ctx *cx, struct sim *s, int n, const char *customer)
{
	struct sim_vm *v = &s->vm[n];
	struct ud_replication r = { 0 };

	v->uuid = scripted_uuid(s->host[0].script, n + 1);
	v->leased = n == 1;
	struct ud_vm vm = { .row.customer_id = customer,
		.name = ud_printf(cx->arena, "vm-%d", n),
		.hypervisor_uuid = v->uuid,
		.host_id = s->host[0].config.host_id,
		.state = UD_VM_READY,
		.power = UD_POWER_RUNNING,
		.dr_role = UD_DR_PRIMARY,
		.vcpus = 1,
		.memory_bytes = 1 << 28,
		.disk_bytes = 1 << 30 };

	UD_TRY(ud_row_insert(cx, &ud_vms, &vm));
	UD_TRY(ud_exec(cx, NULL, "UPDATE vms SET epoch = 1, fencing_policy = $2 WHERE id = $1",
		UD_VALS(ud_t(vm.row.id), ud_t(v->leased ? "lease" : "attest"))));
	ud_shape_init(ud_replications.shape, &r);
	r.row.customer_id = customer;
	r.vm_id = vm.row.id;
	r.source_host_id = s->host[0].config.host_id;
	r.target_host_id = s->host[1].config.host_id;
	r.wanted = UD_RELATION_ACTIVE;
	r.state = UD_REPLICATION_READY_FOR_SEED;
	r.state_since.ms = r.health_since.ms = r.window_started_at.ms = cx->now_ms;
	r.schedule_interval_seconds = 5;
	r.rpo_target_seconds = 60;
	r.rto_target_seconds = 600;
	r.recovery_points_kept = 4;
	r.window_cycles_total = r.window_cycles_missed = 0;
	r.generation = 1;
	UD_TRY(ud_row_insert(cx, &ud_replications, &r));
	v->id = ud_strdup(s->life, vm.row.id);
	v->replication_id = ud_strdup(s->life, r.row.id);
	v->owner = s->host[0].config.host_id;
	v->epoch = 1;
	scripted_add(s->host[0].script, v->uuid, vm.name);
	scripted_set_power(s->host[0].script, v->uuid, UD_POWER_RUNNING);
	return ud_relation_send_both(cx, &s->commanding, &r);
}

static enum ud_code populate(struct ud_ctx *cx, void *data)
{
	struct sim *s = data;
	struct ud_site site = { .name = "Here", .code = "here", .time_zone = "UTC" };
	struct ud_customer c = { .name = "Own Ltd",
		.account_number = "1",
		.time_zone = "UTC",
		.state = UD_CUSTOMER_ACTIVE };
	unsigned char key[UD_SIGN_KEY], public_key[UD_SIGN_PUBLIC];

	UD_TRY(ud_ca_ensure(cx, s->seal));
	UD_TRY(ud_command_key(cx, s->seal, key));
	ud_sign_public(key, public_key);
	UD_TRY(ud_row_insert(cx, &ud_sites, &site));
	c.row.id = c.row.customer_id = ud_id_new(cx->arena, cx->env, cx->now_ms, "cus");
	UD_TRY(ud_row_insert(cx, &ud_customers, &c));
	for (int n = 0; n < SIM_HOSTS; n++)
		UD_TRY(add_host(cx, s, n, site.row.id,
			ud_base64url(s->life, public_key, sizeof(public_key))));
	for (int n = 0; n < SIM_VMS; n++)
		UD_TRY(add_vm(cx, s, n, c.row.id));
	return UD_OK;
}

static void open_database(struct sim *s)
{
	struct ud_ctx cx = sim_context(s);
	const char *url = ud_printf(s->life, "sqlite:%s/server.db", s->dir);

	sim_must(&cx, ud_conn_open(&cx, url, UD_CONN_CREATE, &s->conn));
	cx.conn = s->conn;
	sim_must(&cx, ud_migrate(&cx, ud_migrations));
}

/* Where memory is a folder, files cost no disk; everything in them is synced as ever. */
static void make_folder(struct sim *s)
{
	snprintf(s->dir, sizeof(s->dir), "%s/understudy-sim.XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(s->dir));
}

struct sim *sim_begin(uint64_t seed, enum sim_mutant mutant, struct sim_score *score)
{
	struct sim *s = ud_malloc(sizeof(*s));

	*s = (struct sim){ .chance = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15),
		.bytes = (seed + 1) * UINT64_C(0xd1342543de82ef95),
		.mutant = mutant,
		.score = score,
		.life = ud_arena_new(),
		.arena = ud_arena_new(),
		.scope = ud_scope_system("sim"),
		.env = ud_env_real };
	s->env.now_ms = server_now;
	s->env.mono_ms = server_mono;
	s->env.mono_name = server_clock;
	s->env.random = server_random;
	s->env.data = s;
	snprintf(s->clock, sizeof(s->clock), "server-0");
	memset(s->seal, 7, sizeof(s->seal));
	s->commanding = (struct ud_commanding){
		.seal = s->seal, .reactions = ud_api_work.reactions, .lease_seconds = SIM_LEASE
	};
	s->about = -1;
	ud_log_set_level(getenv("UD_SIM_LOG") ? UD_LOG_INFO : UD_LOG_ERROR);
	make_folder(s);
	open_database(s);
	enum ud_code code = sim_serve(s, populate, s);

	assert_int_equal(code, UD_OK);
	return s;
}

void sim_end(struct sim *s)
{
	static const char *const files[] = { "server.db", "server.db-wal", "server.db-shm", "0.db",
		"0.db-wal", "0.db-shm", "1.db", "1.db-wal", "1.db-shm" };

	for (int n = 0; n < SIM_HOSTS; n++)
		sim_host_end(&s->host[n]);
	ud_conn_release(&s->conn);
	for (size_t i = 0; i < UD_LEN(files); i++)
		unlink(ud_printf(s->life, "%s/%s", s->dir, files[i]));
	rmdir(s->dir);
	s->score->virtual_ms += s->now_ms;
	ud_log_set_level(UD_LOG_INFO);
	ud_arena_release(&s->arena);
	ud_arena_release(&s->life);
	ud_free(s);
}
