/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be done with VMs and hosts: what an object lists and what a call answers are one, in
 * every state and for every role; and calls that reach real agents on scripted hypervisors.
 */
#include <poll.h>
#include <string.h>

#include "api/verbs.h"
#include "db/inventory.h"
#include "support/agents.h"
#include "support/scripted.h"

enum { PATIENCE_MS = 30000 };

struct scene {
	struct port *p;
	struct world *w;
	struct scripted *hv;
	struct agent *a;
	const char *host, *vm, *uuid;
	const char *elsewhere; /* another host */
};

static int begin(void **state)
{
	struct scene *s = ud_malloc(sizeof(*s));

	*state = s;
	s->w = world_begin();
	s->p = port_begin(s->w, ud_agent_routes);
	s->hv = scripted_begin("verbs");
	s->uuid = scripted_uuid(s->hv, 1);
	s->host = port_host(s->p);
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;

	if (s->a)
		agent_end(s->a);
	scripted_end(s->hv);
	port_end(s->p);
	world_end(s->w);
	ud_free(s);
	return 0;
}

static struct reply until(struct scene *s, const char *path, const char *member, const char *value)
{
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;
	struct reply r = { 0 };

	while (ud_mono_ms(&ud_env_real) < end_ms) {
		r = expect(s->w, LEAD, "GET", path, NULL, 200);
		if (strcmp(text_at(r.json, member), value) == 0)
			return r;
		poll(NULL, 0, 5); /* the event is a commit of another thread */
	}
	fail_msg("%s of %s does not become %s: %s", member, path, value, r.body);
	return r;
}

/* A VM of our own customer on a host that runs. */
static void run(struct scene *s)
{
	static const char *const any[] = { "If-Match: *", NULL };

	scripted_add(s->hv, s->uuid, "sql-01");
	s->a = agent_begin(s->p, s->host, scripted_uri(s->hv));
	struct reply r = until(s, "/v1/vms?q=sql-01", "data.0.power", "off");

	s->vm = text_at(r.json, "data.0.id");
	r = call(s->w, LEAD, "PATCH", fmt(s->w, "/v1/vms/%s", s->vm),
		fmt(s->w, "{\"customer_id\":\"%s\"}", s->w->own), any);
	assert_int_equal(r.status, 200);
	until(s, fmt(s->w, "/v1/hosts/%s", s->host), "state", "active");
}

/* Do something and wait for its end; the operation. */
static struct reply done(struct scene *s, enum who who, const char *path, const char *body)
{
	struct reply r = expect(s->w, who, "POST", path, body, 202);
	const char *op = text_at(r.json, "id");

	assert_string_equal(header_of(s->w, &r, "Location"), fmt(s->w, "/v1/operations/%s", op));
	for (int i = 0; i < 4; i++) {
		r = expect(s->w, who, "GET", fmt(s->w, "/v1/operations/%s?wait=10", op), NULL, 200);
		if (strlen(text_at(r.json, "ended_at")))
			return r;
	}
	fail_msg("it does not end: %s", r.body);
	return r;
}

static void succeeds(struct scene *s, enum who who, const char *path, const char *body)
{
	struct reply r = done(s, who, path, body);

	if (strcmp(text_at(r.json, "state"), "succeeded") != 0)
		fail_msg("%s: %s", path, r.body);
}

/* The VM is seen so now, without waiting. */
static struct reply is(struct scene *s, const char *path, const char *power)
{
	struct reply r = expect(s->w, LEAD, "GET", path, NULL, 200);

	assert_string_equal(text_at(r.json, "power"), power);
	return r;
}

static bool lists(json_t *json, const char *op)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(json, "allowed_operations"), i,
		item) if (strcmp(json_string_value(item), op) == 0) return true;
	return false;
}

static json_t *blocked(json_t *json, const char *op)
{
	json_t *item;
	size_t i;

	json_array_foreach(json_object_get(json, "blocked_operations"), i,
		item) if (strcmp(text_at(item, "op"), op) == 0) return item;
	return NULL;
}

/* ---- calls ---- */

static void a_customer_starts_and_stops_its_vm(void **state)
{
	struct scene *s = *state;

	run(s);
	const char *path = fmt(s->w, "/v1/vms/%s", s->vm);

	succeeds(s, OWN_OPERATOR, fmt(s->w, "%s/start", path), "{}");
	assert_int_equal(scripted_power(s->hv, s->uuid), UD_POWER_RUNNING);
	struct reply r = is(s, path, "running");

	assert_string_equal(text_at(r.json, "desired_power"), "running");
	assert_false(lists(r.json, "start"));
	assert_true(lists(r.json, "shutdown"));
	r = call(s->w, OWN_OPERATOR, "POST", fmt(s->w, "%s/start", path), "{}", NULL);
	expect_code(&r, 409, "invalid_state");
	succeeds(s, OWN_OPERATOR, fmt(s->w, "%s/pause", path), "{}");
	is(s, path, "paused");
	succeeds(s, OWN_OPERATOR, fmt(s->w, "%s/resume", path), "{}");
	is(s, path, "running");
	succeeds(s, LEAD, fmt(s->w, "%s/reset", path), "{}");
	succeeds(s, OWN_ADMIN, fmt(s->w, "%s/shutdown", path), "{\"timeout_seconds\":5}");
	is(s, path, "off");
	/* not for everybody */
	expect(s->w, OWN_VIEWER, "POST", fmt(s->w, "%s/start", path), "{}", 403);
	expect(s->w, AUDITOR, "POST", fmt(s->w, "%s/start", path), "{}", 403);
	expect(s->w, OTHER_ADMIN, "POST", fmt(s->w, "%s/start", path), "{}", 404);
	expect(s->w, NOBODY, "POST", fmt(s->w, "%s/start", path), "{}", 401);
}

/* However long a look takes: who hears that it is done can go on from there. */
static void an_operation_ends_with_what_is_seen(void **state)
{
	static const struct {
		const char *op, *power;
	} all[] = { { "start", "running" }, { "stop", "off" }, { "start", "running" },
		{ "reset", "running" }, { "pause", "paused" }, { "resume", "running" },
		{ "save", "saved" }, { "start", "running" }, { "shutdown", "off" } };
	struct scene *s = *state;

	run(s);
	const char *path = fmt(s->w, "/v1/vms/%s", s->vm);

	scripted_delay(s->hv, "inventory", 300);
	for (size_t i = 0; i < UD_LEN(all); i++) {
		succeeds(s, OWN_OPERATOR, fmt(s->w, "%s/%s", path, all[i].op), "{}");
		is(s, path, all[i].power);
	}
}

/* Six looks fail: the answer waits for the seventh. */
static void a_look_that_fails_is_made_anew(void **state)
{
	struct scene *s = *state;

	run(s);
	scripted_fail(s->hv, "inventory", UD_E_HYPERVISOR, 6);
	succeeds(s, OWN_OPERATOR, fmt(s->w, "/v1/vms/%s/start", s->vm), "{}");
	is(s, fmt(s->w, "/v1/vms/%s", s->vm), "running");
}

/* What is seen cannot be told: the answer comes all the same. */
static void an_answer_comes_when_nothing_can_be_seen(void **state)
{
	struct scene *s = *state;

	run(s);
	scripted_fail(s->hv, "inventory", UD_E_HYPERVISOR, -1);
	succeeds(s, OWN_OPERATOR, fmt(s->w, "/v1/vms/%s/start", s->vm), "{}");
	scripted_forgive(s->hv);
	until(s, fmt(s->w, "/v1/vms/%s", s->vm), "power", "running");
}

static void one_change_at_a_time(void **state)
{
	struct scene *s = *state;

	run(s);
	const char *path = fmt(s->w, "/v1/vms/%s", s->vm);

	scripted_hold(s->hv, "start");
	struct reply r = expect(s->w, OWN_OPERATOR, "POST", fmt(s->w, "%s/start", path), "{}", 202);
	const char *op = fmt(s->w, "/v1/operations/%s", text_at(r.json, "id"));

	assert_true(scripted_await(s->hv, "start", 1));
	r = call(s->w, OWN_OPERATOR, "POST", fmt(s->w, "%s/start", path), "{}", NULL);
	expect_code(&r, 409, "invalid_state");
	r = expect(s->w, OWN_OPERATOR, "GET", path, NULL, 200);
	assert_string_equal(text_at(blocked(r.json, "start"), "reason_code"), "busy");
	/* looking is always possible */
	assert_true(lists(r.json, "diagnose"));
	scripted_release(s->hv, "start");
	until(s, op, "state", "succeeded");
}

static enum ud_code order_elsewhere(struct ud_ctx *cx, void *data)
{
	struct scene *s = data;

	return ud_exec(cx, NULL,
		"INSERT INTO commands(subject_id, seq, host_id, verb, epoch, state, payload, signature,"
		" created_at, expires_at) VALUES($1, 0, $2, 'demote', 1, 'queued', '{}', '', $3, $4)",
		UD_VALS(ud_t(s->vm), ud_t(s->elsewhere), ud_i(cx->now_ms),
			ud_i(cx->now_ms + 3600000)));
}

/* An old primary that is away has a demotion before it: who has the VM now need not wait. */
static void what_another_host_is_to_do_keeps_nobody_waiting(void **state)
{
	struct scene *s = *state;

	run(s);
	s->elsewhere = port_host(s->p);
	world_write(s->w, order_elsewhere, s);
	struct reply r =
		expect(s->w, OWN_OPERATOR, "GET", fmt(s->w, "/v1/vms/%s", s->vm), NULL, 200);

	assert_true(lists(r.json, "start"));
}

static void what_came_out_is_shown_with_the_operation(void **state)
{
	struct scene *s = *state;

	run(s);
	const char *path = fmt(s->w, "/v1/vms/%s", s->vm);
	struct reply r = done(s, OWN_ADMIN, fmt(s->w, "%s/diagnose", path), "{}");

	assert_true(strlen(text_at(r.json, "output.text")) > 0);
	scripted_set_power(s->hv, s->uuid, UD_POWER_RUNNING);
	until(s, path, "power", "running");
	scripted_says(s->hv, s->uuid, "hello\n", 3);
	r = done(s, OWN_ADMIN, fmt(s->w, "%s/run", path),
		"{\"program\":\"/bin/echo\",\"arguments\":[\"hello\"]}");
	assert_string_equal(text_at(r.json, "output.output"), "hello\n");
	assert_int_equal(number_at(r.json, "output.exit_status"), 3);
	/* inside an unmanaged guest only its customer works */
	r = call(
		s->w, LEAD, "POST", fmt(s->w, "%s/run", path), "{\"program\":\"/bin/true\"}", NULL);
	expect_code(&r, 409, "vm_unmanaged");
	r = call(s->w, OWN_ADMIN, "GET", fmt(s->w, "%s/screenshot", path), NULL, NULL);
	assert_int_equal(r.status, 409);
	succeeds(s, OWN_ADMIN, fmt(s->w, "%s/screenshot", path), "{}");
	r = call(s->w, OWN_ADMIN, "GET", fmt(s->w, "%s/screenshot", path), NULL, NULL);
	assert_int_equal(r.status, 200);
	assert_memory_equal(r.body, "\x89PNG", 4);
}

static void checkpoints_are_taken_and_put_back(void **state)
{
	static const char *const any[] = { "If-Match: *", NULL };
	struct scene *s = *state;

	run(s);
	const char *path = fmt(s->w, "/v1/vms/%s/checkpoints", s->vm);

	succeeds(s, OWN_ADMIN, path, "{\"name\":\"before\"}");
	struct reply r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	const char *id = text_at(r.json, "data.0.id");

	assert_string_equal(text_at(r.json, "data.0.name"), "before");
	assert_true(strlen(text_at(r.json, "data.0.taken_at")) > 0);
	succeeds(s, OWN_ADMIN, fmt(s->w, "/v1/checkpoints/%s/apply", id), "{}");
	succeeds(s, OWN_ADMIN, fmt(s->w, "%s/refresh", path), "{}");
	expect(s->w, OTHER_ADMIN, "GET", fmt(s->w, "/v1/checkpoints/%s", id), NULL, 404);
	r = call(s->w, OWN_ADMIN, "DELETE", fmt(s->w, "/v1/checkpoints/%s", id), NULL, any);
	assert_int_equal(r.status, 202);
	until(s, fmt(s->w, "/v1/operations/%s", text_at(r.json, "id")), "state", "succeeded");
	expect(s->w, OWN_ADMIN, "GET", fmt(s->w, "/v1/checkpoints/%s", id), NULL, 404);
}

static void limits_are_set_and_read_back(void **state)
{
	static const char *const any[] = { "If-Match: *", NULL };
	struct scene *s = *state;

	run(s);
	const char *path = fmt(s->w, "/v1/vms/%s/resource-protection", s->vm);
	struct reply r = call(s->w, OWN_ADMIN, "PUT", path, "{\"cpu_percent\":50}", any);

	assert_int_equal(r.status, 202);
	until(s, fmt(s->w, "/v1/operations/%s", text_at(r.json, "id")), "state", "succeeded");
	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_int_equal(number_at(r.json, "cpu_percent"), 50);
	assert_true(json_is_null(json_object_get(r.json, "disk_iops")));
}

static void small_files_go_into_a_guest_and_come_back(void **state)
{
	struct scene *s = *state;

	run(s);
	const char *vm = fmt(s->w, "/v1/vms/%s", s->vm);

	succeeds(s, OWN_ADMIN, fmt(s->w, "%s/start", vm), "{}");
	succeeds(s, OWN_ADMIN, fmt(s->w, "%s/write-file", vm),
		"{\"path\":\"/run/x\",\"content\":\"aGVsbG8\"}");
	struct reply r = done(s, OWN_ADMIN, fmt(s->w, "%s/read-file", vm), "{\"path\":\"/run/x\"}");

	assert_string_equal(text_at(r.json, "output.content"), "aGVsbG8");
	r = call(s->w, OWN_VIEWER, "POST", fmt(s->w, "%s/read-file", vm),
		"{\"path\":\"/etc/shadow\"}", NULL);
	assert_int_equal(r.status, 403);
	r = done(s, ENGINEER, fmt(s->w, "%s/definition", vm), "{}");
	assert_true(strlen(text_at(r.json, "output.text")) > 0);
	r = call(s->w, OWN_ADMIN, "POST", fmt(s->w, "%s/definition", vm), "{}", NULL);
	assert_int_equal(r.status, 403);
}

static void hosts_tell_of_themselves(void **state)
{
	static const char *const parts[] = { "facts", "networks", "storage", "teams" };
	struct scene *s = *state;

	run(s);
	for (size_t i = 0; i < UD_LEN(parts); i++) {
		const char *path = fmt(s->w, "/v1/hosts/%s/%s", s->host, parts[i]);
		struct reply r = expect(s->w, AUDITOR, "GET", path, NULL, 200);

		assert_string_equal(text_at(r.json, "host_id"), s->host);
		assert_non_null(json_object_get(r.json, parts[i]));
		expect(s->w, OWN_ADMIN, "GET", path, NULL, 403);
	}
	struct reply r = done(s, ENGINEER, fmt(s->w, "/v1/hosts/%s/diagnose", s->host), "{}");

	assert_non_null(strstr(text_at(r.json, "output.text"), "== facts"));
	r = call(s->w, AUDITOR, "GET", fmt(s->w, "/v1/agents/%s/logs", s->a->shown.id), NULL, NULL);
	assert_int_equal(r.status, 409);
	succeeds(s, ENGINEER, fmt(s->w, "/v1/agents/%s/logs", s->a->shown.id), "{}");
	r = call(s->w, AUDITOR, "GET", fmt(s->w, "/v1/agents/%s/logs", s->a->shown.id), NULL, NULL);
	assert_int_equal(r.status, 200);
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/vms/%s/facts", s->vm), NULL, 200);
	assert_string_equal(text_at(r.json, "disks.0.target"), "vda");
	assert_string_equal(text_at(r.json, "disks.0.path"), "");
	r = expect(s->w, LEAD, "GET", fmt(s->w, "/v1/vms/%s/facts", s->vm), NULL, 200);
	assert_true(strlen(text_at(r.json, "disks.0.path")) > 0);
}

static void a_host_in_maintenance_starts_nothing(void **state)
{
	struct scene *s = *state;

	run(s);
	const char *host = fmt(s->w, "/v1/hosts/%s", s->host), *vm = fmt(s->w, "/v1/vms/%s", s->vm);

	succeeds(s, ENGINEER, fmt(s->w, "%s/drain", host), "{}");
	struct reply r = expect(s->w, OWN_ADMIN, "GET", vm, NULL, 200);

	assert_string_equal(text_at(blocked(r.json, "start"), "reason_code"), "host_draining");
	r = call(s->w, OWN_ADMIN, "POST", fmt(s->w, "%s/start", vm), "{}", NULL);
	expect_code(&r, 409, "invalid_state");
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/resume", host), "{}", 200);
	succeeds(s, OWN_ADMIN, fmt(s->w, "%s/start", vm), "{}");
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/quarantine", host), "{}", 200);
	r = expect(s->w, OWN_ADMIN, "GET", vm, NULL, 200);
	assert_string_equal(text_at(blocked(r.json, "start"), "reason_code"), "host_quarantined");
	expect(s->w, OWN_ADMIN, "POST", fmt(s->w, "%s/resume", host), "{}", 403);
}

static void the_topology_has_what_the_caller_may_see(void **state)
{
	struct scene *s = *state;

	run(s);
	struct reply r = expect(s->w, OWN_VIEWER, "GET", "/v1/topology", NULL, 200);

	assert_non_null(strstr(r.body, s->vm));
	assert_non_null(strstr(r.body, s->host));
	r = expect(s->w, OTHER_VIEWER, "GET", "/v1/topology", NULL, 200);
	assert_null(strstr(r.body, s->vm));
	assert_null(strstr(r.body, s->host));
	r = expect(s->w, AUDITOR, "GET", fmt(s->w, "/v1/vms/%s/topology", s->vm), NULL, 200);
	assert_string_equal(text_at(r.json, "sites.0.hosts.0.vms.0.id"), s->vm);
	expect(s->w, OTHER_VIEWER, "GET", fmt(s->w, "/v1/vms/%s/topology", s->vm), NULL, 404);
}

static void figures_become_rates(void **state)
{
	struct scene *s = *state;

	run(s);
	scripted_set_power(s->hv, s->uuid, UD_POWER_RUNNING);
	/* a heartbeat comes every ten seconds: the clock of the agents is moved, not waited for */
	const char *path = fmt(s->w, "/v1/vms/%s/metrics", s->vm);
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;
	struct reply r = { 0 };

	do {
		s->w->mono_ms += 10000;
		s->w->clock_ms += 10000;
		/* an event makes the reporter look at its clock */
		scripted_set_power(s->hv, s->uuid, UD_POWER_RUNNING);
		poll(NULL, 0, 50);
		r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	} while (!strlen(text_at(r.json, "data.0.taken_at")) && ud_mono_ms(&ud_env_real) < end_ms);
	assert_true(strlen(text_at(r.json, "data.0.taken_at")) > 0);
	expect(s->w, AUDITOR, "GET", fmt(s->w, "/v1/hosts/%s/metrics", s->host), NULL, 200);
}

/* ---- the table ---- */

struct setting {
	const char *vm, *host;
	const char *power, *role, *state;
	int managed, missing;
};

static enum ud_code set(struct ud_ctx *cx, void *data)
{
	const struct setting *x = data;

	UD_TRY(ud_exec(cx, NULL,
		"UPDATE vms SET power = $2, dr_role = $3, managed = $4, missing = $5 WHERE id = $1",
		UD_VALS(ud_t(x->vm), ud_t(x->power), ud_t(x->role), ud_i(x->managed),
			ud_i(x->missing))));
	return ud_exec(cx, NULL, "UPDATE hosts SET state = $2 WHERE id = $1",
		UD_VALS(ud_t(x->host), ud_t(x->state)));
}

/* Where each op is called, with what. */
static const struct {
	const char *op, *method, *path, *body;
} places[] = {
	{ "start", "POST", "start", "{}" },
	{ "shutdown", "POST", "shutdown", "{}" },
	{ "stop", "POST", "stop", "{}" },
	{ "save", "POST", "save", "{}" },
	{ "pause", "POST", "pause", "{}" },
	{ "resume", "POST", "resume", "{}" },
	{ "reset", "POST", "reset", "{}" },
	{ "run", "POST", "run", "{\"program\":\"/bin/true\"}" },
	{ "write_file", "POST", "write-file", "{\"path\":\"/run/x\",\"content\":\"eA\"}" },
	{ "read_file", "POST", "read-file", "{\"path\":\"/run/x\"}" },
	{ "definition", "POST", "definition", "{}" },
	{ "diagnose", "POST", "diagnose", "{}" },
	{ "screenshot", "POST", "screenshot", "{}" },
	{ "limit", "PUT", "resource-protection", "{}" },
	{ "upgrade", "POST", "upgrade", "{}" },
	{ "checkpoint", "POST", "checkpoints", "{\"name\":\"x\"}" },
	{ "checkpoint_list", "POST", "checkpoints/refresh", "{}" },
};

static void compare(struct scene *s, enum who who, const struct setting *x)
{
	static const char *const any[] = { "If-Match: *", NULL };
	struct reply shown = expect(s->w, who, "GET", fmt(s->w, "/v1/vms/%s", s->vm), NULL, 200);
	json_t *json = shown.json;

	for (size_t i = 0; i < UD_LEN(places); i++) {
		bool may = lists(json, places[i].op);
		json_t *why = blocked(json, places[i].op);
		struct reply r = call(s->w, who, places[i].method,
			fmt(s->w, "/v1/vms/%s/%s?dry_run=true", s->vm, places[i].path),
			places[i].body, any);

		if (may == (why != NULL))
			fail_msg("%s is listed twice or not at all", places[i].op);
		if ((r.status == 200) != may)
			fail_msg(
				"%s of a %s %s on a host that is %s, %s: listed %d, answered %d %s",
				places[i].op, x->power, x->role, x->state, who_names[who], may,
				r.status, r.body);
		if (why && r.status == 409)
			assert_string_equal(text_at(r.json, "detail"), text_at(why, "text"));
	}
}

static void what_is_listed_is_what_a_call_does(void **state)
{
	static const char *const powers[] = { "running", "off", "paused", "unknown", "saved" };
	static const char *const roles[] = { "unprotected", "primary", "replica", "displaced" };
	static const char *const states[] = { "active", "maintenance", "unreachable",
		"quarantined" };
	static const enum who callers[] = { OPERATOR, OWN_OPERATOR, OWN_VIEWER, AUDITOR };
	struct scene *s = *state;

	run(s);
	agent_stop(s->a); /* nobody changes it any more */
	for (size_t i = 0; i < UD_LEN(powers) * UD_LEN(roles) * UD_LEN(states); i++) {
		struct setting x = { .vm = s->vm,
			.host = s->host,
			.power = powers[i % UD_LEN(powers)],
			.role = roles[i / UD_LEN(powers) % UD_LEN(roles)],
			.state = states[i / UD_LEN(powers) / UD_LEN(roles)],
			.managed = (int)(i % 2),
			.missing = i % 17 == 0 };

		world_write(s->w, set, &x);
		compare(s, callers[i % UD_LEN(callers)], &x);
		if (getenv("UD_TEST_LONG"))
			for (size_t k = 0; k < UD_LEN(callers); k++)
				compare(s, callers[k], &x);
	}
}

static void every_verb_has_a_place(void **state)
{
	(void)state;
	for (const struct ud_vm_verb *v = ud_vm_verbs; v->op; v++) {
		bool found = strcmp(v->op, "checkpoint_apply") == 0 ||
			strcmp(v->op, "checkpoint_delete") == 0;

		for (size_t i = 0; i < UD_LEN(places); i++)
			found |= strcmp(places[i].op, v->op) == 0;
		if (!found)
			fail_msg("%s is called nowhere", v->op);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_customer_starts_and_stops_its_vm, begin, end),
		cmocka_unit_test_setup_teardown(an_operation_ends_with_what_is_seen, begin, end),
		cmocka_unit_test_setup_teardown(a_look_that_fails_is_made_anew, begin, end),
		cmocka_unit_test_setup_teardown(
			an_answer_comes_when_nothing_can_be_seen, begin, end),
		cmocka_unit_test_setup_teardown(one_change_at_a_time, begin, end),
		cmocka_unit_test_setup_teardown(
			what_another_host_is_to_do_keeps_nobody_waiting, begin, end),
		cmocka_unit_test_setup_teardown(
			what_came_out_is_shown_with_the_operation, begin, end),
		cmocka_unit_test_setup_teardown(checkpoints_are_taken_and_put_back, begin, end),
		cmocka_unit_test_setup_teardown(limits_are_set_and_read_back, begin, end),
		cmocka_unit_test_setup_teardown(
			small_files_go_into_a_guest_and_come_back, begin, end),
		cmocka_unit_test_setup_teardown(hosts_tell_of_themselves, begin, end),
		cmocka_unit_test_setup_teardown(a_host_in_maintenance_starts_nothing, begin, end),
		cmocka_unit_test_setup_teardown(
			the_topology_has_what_the_caller_may_see, begin, end),
		cmocka_unit_test_setup_teardown(figures_become_rates, begin, end),
		cmocka_unit_test_setup_teardown(what_is_listed_is_what_a_call_does, begin, end),
		cmocka_unit_test(every_verb_has_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
