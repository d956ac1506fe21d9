/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See replicas.h.
 */
#include "support/replicas.h"

#include <poll.h>
#include <string.h>

#include "db/inventory.h"

#define DISKS                                                                                                           \
	"[{\"target\":\"vda\",\"path\":\"/d/a\",\"format\":\"qcow2\",\"virtual_bytes\":4000,\"allocated_bytes\":1000}," \
	"{\"target\":\"vdb\",\"path\":\"/d/b\",\"format\":\"qcow2\",\"virtual_bytes\":8000,\"allocated_bytes\":2000}]"

static const char host_facts[] =
	"{\"hypervisor\":\"kvm\",\"memory_free_bytes\":8589934592,"
	"\"pools\":[{\"name\":\"default\",\"path\":\"/p\",\"capacity_bytes\":100000,\"available_bytes\":50000}],"
	"\"accelerator\":\"tcg\",\"machine_types\":[\"pc-q35-7.2\",\"8.0\"],\"capabilities\":[\"relation_set\"]}";

/* Inventory, put where agents' reports would put it. */
struct facts {
	const char *host, *vm, *text;
};

static enum ud_code put_host_facts(struct ud_ctx *cx, void *data)
{
	const struct facts *f = data;

	return ud_inventory_host(cx, f->host, f->text);
}

static enum ud_code put_vm_facts(struct ud_ctx *cx, void *data)
{
	const struct facts *f = data;
	struct ud_machine m = { 0 };
	bool redefined;

	UD_TRY(ud_shape_read(cx, &ud_machine_shape, f->text, strlen(f->text), &m));
	return ud_inventory_seen(cx, f->vm, f->host, &m, &redefined);
}

static const char *make(struct world *w, const char *path, const char *body)
{
	return text_at(expect(w, LEAD, "POST", path, body, 201).json, "id");
}

static void add_host(struct scene *s, int i)
{
	static const char *const codes[] = { "lon", "ams", "par" };
	struct world *w = s->w;

	s->sites[i] = make(w, "/v1/sites",
		fmt(w, "{\"name\":\"%s\",\"code\":\"%s\",\"kind\":\"provider_dc\",\"time_zone\":\"UTC\"}",
			codes[i], codes[i]));
	s->agents[i] = port_enroll(s->p,
		make(w, "/v1/hosts",
			fmt(w, "{\"name\":\"%s-a\",\"hypervisor\":\"kvm\",\"site_id\":\"%s\"}",
				codes[i], s->sites[i])));
	struct facts f = { .host = s->agents[i].host_id, .text = host_facts };

	world_write(w, put_host_facts, &f);
}

static bool connected(struct scene *s, int i)
{
	struct reply r = expect(
		s->w, AUDITOR, "GET", fmt(s->w, "/v1/agents/%s", s->agents[i].id), NULL, 200);

	return json_is_true(json_object_get(r.json, "connected"));
}

void scene_seen(struct scene *s)
{
	static int runs;
	int64_t last = ud_mono_ms(&ud_env_real) + 60000;

	for (int i = 0; i < HOST_COUNT; i++) {
		/* another process of the agent is stored at once */
		s->agents[i].run = fmt(s->w, "%08x", ++runs);
		scene_report(s, i, "[]");
		while (!connected(s, i)) {
			assert_true(ud_mono_ms(&ud_env_real) < last);
			poll(NULL, 0, 2); /* until another thread has stored it */
		}
	}
}

int scene_setup(void **state)
{
	struct world *w = world_begin();
	struct scene *s = ud_alloc(w->arena, sizeof(*s));

	*state = s;
	s->w = w;
	s->p = port_begin(w, ud_agent_routes);
	for (int i = 0; i < HOST_COUNT; i++)
		add_host(s, i);
	s->subscription = make(w, "/v1/subscriptions",
		fmt(w, "{\"customer_id\":\"%s\",\"kind\":\"managed\",\"add_ons\":[\"hyperv_replica\",\"extended_replication\"]}",
			w->own));
	scene_seen(s);
	return 0;
}

int scene_teardown(void **state)
{
	struct scene *s = *state;
	struct world *w = s->w;

	port_end(s->p);
	world_end(w);
	return 0;
}

void scene_machine(struct scene *s, const char *vm, const char *members)
{
	struct facts f = { s->agents[HOST_A].host_id, vm,
		fmt(s->w,
			"{\"uuid\":\"0192f0c1-2345-4789-8abc-0123456789ab\",\"name\":\"x\",\"power\":\"running\","
			"\"guest_agent\":\"connected\",\"memory_bytes\":1073741824,%s}",
			members) };

	world_write(s->w, put_vm_facts, &f);
}

void scene_disks(struct scene *s, const char *vm, const char *disks)
{
	scene_machine(s, vm, fmt(s->w, "\"disks\":%s", disks));
}

const char *scene_vm(struct scene *s)
{
	int n = ++s->vms;

	s->vm = make(s->w, "/v1/vms",
		fmt(s->w,
			"{\"name\":\"sql-%02d\",\"customer_id\":\"%s\",\"host_id\":\"%s\","
			"\"hypervisor_uuid\":\"0192f0c1-2345-4789-8abc-%012d\"}",
			n, s->w->own, s->agents[HOST_A].host_id, n));
	scene_disks(s, s->vm, DISKS);
	return s->vm;
}

/* ---- commands ---- */

static struct reply poll_once(struct scene *s, int host, int wait)
{
	return port_call(s->p, &s->agents[host], "POST", fmt(s->w, "/v1/agent/poll?wait=%d", wait),
		"{\"agent_boot\":\"run\",\"host_boot\":\"boot\",\"agent_version\":\"0\",\"working\":[]}");
}

/* Of several commands the one about the newest VM. */
static json_t *payload_of(struct scene *s, json_t *commands)
{
	json_t *found = NULL, *item;
	size_t i;

	json_array_foreach(commands, i, item)
	{
		json_t *payload = json_loads(text_at(item, "payload"), 0, NULL);

		assert_non_null(payload);
		json_array_append_new(s->w->replies, payload);
		if (!found ||
			(strcmp(text_at(found, "subject_id"), s->vm) != 0 &&
				strcmp(text_at(payload, "subject_id"), s->vm) == 0))
			found = payload;
	}
	return found;
}

struct told scene_take(struct scene *s, int host)
{
	struct reply r = poll_once(s, host, 20);

	if (r.status != 200)
		fail_msg("host %d got no command: %d %s", host, r.status, r.body);
	json_t *payload = payload_of(s, json_object_get(r.json, "commands"));

	return (struct told){ text_at(payload, "subject_id"), text_at(payload, "verb"),
		number_at(payload, "seq"), number_at(payload, "epoch"),
		json_object_get(payload, "args") };
}

struct open_commands {
	const char *host_id;
	int64_t n;
};

static enum ud_code count_open(struct ud_ctx *cx, void *data)
{
	struct open_commands *o = data;
	bool found;

	/* every tenant: a test's own rows */
	return ud_query_int(cx, &found, &o->n,
		"SELECT COUNT(*) FROM commands WHERE host_id = $1 AND state IN ('queued', 'delivered')",
		UD_VALS(ud_t(o->host_id)));
}

bool scene_idle(struct scene *s, int host)
{
	struct open_commands o = { .host_id = s->agents[host].host_id };

	world_write(s->w, count_open, &o);
	return o.n == 0;
}

void scene_answer(struct scene *s, int host, const struct told *t, const char *outcome,
	const char *result, const char *error)
{
	struct reply r = port_call(s->p, &s->agents[host], "POST", "/v1/agent/result",
		fmt(s->w,
			"{\"subject_id\":\"%s\",\"seq\":%lld,\"outcome\":\"%s\",\"result\":%s,\"error\":%s,\"agent_boot\":\"run\"}",
			t->subject_id, (long long)t->seq, outcome, result ? result : "null",
			error ? error : "null"));

	if (r.status != 200 || !json_is_true(json_object_get(r.json, "fresh")))
		fail_msg("answer to %s: %d %s", t->verb, r.status, r.body);
}

struct told scene_do(struct scene *s, int host, const char *verb)
{
	struct told t = scene_take(s, host);

	assert_string_equal(t.verb, verb);
	scene_answer(s, host, &t, "done",
		fmt(s->w,
			"{\"replication_id\":\"%s\",\"generation\":%lld,\"state\":\"ready_for_seed\"}",
			text_at(t.args, "replication_id"),
			(long long)number_at(t.args, "generation")),
		NULL);
	return t;
}

/* ---- reports ---- */

struct reply scene_report(struct scene *s, int host, const char *items)
{
	struct reply r = port_call(s->p, &s->agents[host], "POST", "/v1/agent/replication",
		fmt(s->w, "{\"agent_boot\":\"run\",\"listen\":\"0.0.0.0:%d\",\"items\":%s}",
			8444 + host, items));

	if (r.status != 200)
		fail_msg("report of host %d: %d %s", host, r.status, r.body);
	return r;
}

const char *scene_item(struct scene *s, const char *replication, const char *role,
	const char *state, const char *more)
{
	return fmt(s->w, "{\"replication_id\":\"%s\",\"role\":\"%s\",\"state\":\"%s\"%s}",
		replication, role, state, more);
}

const char *scene_point(struct scene *s, const char *id, int n, int64_t taken_s, const char *more)
{
	char taken[UD_TIME_TEXT];

	ud_time_format(INT64_C(1795000000000) + taken_s * 1000, taken);
	return fmt(s->w,
		"{\"id\":\"%s\",\"n\":%d,\"taken_at\":\"%s\",\"age_ms\":1000,\"bytes\":%d%s}", id,
		n, taken, n * 1000, more);
}

/* ---- whole replications ---- */

/* Both hosts do what they are told, and then tell that it runs. */
static void bring_up(struct scene *s, const char *replication, int from, int to)
{
	scene_do(s, to, "relation_set");
	scene_do(s, from, "relation_set");
	scene_report(s, to,
		fmt(s->w, "[%s]",
			scene_item(s, replication, "target", "replicating",
				",\"generation\":1,\"newest_point_age_ms\":2000")));
	scene_report(s, from,
		fmt(s->w, "[%s]",
			scene_item(s, replication, "source", "replicating",
				",\"generation\":1,\"newest_point_age_ms\":3000,\"cycles_total\":10,"
				"\"cycles_missed\":0,\"latency_ms\":120,\"pending_bytes\":0,"
				"\"last_cycle_ms\":150,\"bytes_sent\":5000")));
}

static const char *made_by(struct scene *s, const struct reply *operation)
{
	struct reply r = expect(s->w, LEAD, "GET",
		fmt(s->w, "/v1/operations/%s", text_at(operation->json, "id")), NULL, 200);

	return text_at(r.json, "resource.id");
}

const char *scene_wish(struct scene *s, int target, const char *more)
{
	return fmt(s->w,
		"{\"target_host_id\":\"%s\",\"schedule_interval_seconds\":5,\"recovery_points_kept\":24,"
		"\"rpo_target_seconds\":60,\"rto_target_seconds\":900%s}",
		s->agents[target].host_id, more);
}

const char *scene_protect_path(struct scene *s, const char *query)
{
	return fmt(s->w, "/v1/vms/%s/replications%s", s->vm, query);
}

const char *scene_protect(struct scene *s, const char *vm)
{
	struct reply r = expect(s->w, LEAD, "POST", fmt(s->w, "/v1/vms/%s/replications", vm),
		scene_wish(s, HOST_B, ""), 202);
	const char *id = made_by(s, &r);

	bring_up(s, id, HOST_A, HOST_B);
	assert_string_equal(text_at(scene_show(s, LEAD, id), "state"), "replicating");
	return id;
}

const char *scene_extend(struct scene *s, const char *replication)
{
	struct reply r =
		expect(s->w, LEAD, "POST", fmt(s->w, "/v1/replications/%s/extend", replication),
			fmt(s->w, "{\"target_host_id\":\"%s\",\"schedule_interval_seconds\":300}",
				s->agents[HOST_C].host_id),
			202);
	const char *id = made_by(s, &r);

	bring_up(s, id, HOST_B, HOST_C);
	return id;
}

json_t *scene_show(struct scene *s, enum who who, const char *replication)
{
	return expect(s->w, who, "GET", fmt(s->w, "/v1/replications/%s", replication), NULL, 200)
		.json;
}

bool scene_told(struct scene *s, const char *subject, const char *type)
{
	struct reply r = expect(s->w, AUDITOR, "GET",
		fmt(s->w, "/v1/events?subject_id=%s&limit=200&types=%s", subject, type), NULL, 200);

	return json_array_size(json_object_get(r.json, "data")) > 0;
}
