/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Hyper-V host has beside replication, from a call of the API to the cmdlets: server, agent
 * and driver as they are over a site in a box.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/agents.h"
#include "support/box.h"
#include "support/context.h"

enum { PATIENCE_MS = 60000 };
#define UUID "6ba7b810-9dad-41d1-80b4-00c04fd430c8"

struct scene {
	struct ud_ctx *cx;
	struct box box;
	struct world *w;
	struct port *p;
	struct agent *a;
	const char *host, *vm; /* paths of both */
};

static struct reply until(struct scene *s, const char *path, const char *member, const char *value)
{
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;
	struct reply r = { 0 };

	do {
		r = call(s->w, LEAD, "GET", path, NULL, NULL);
		if (r.status == 200 && strcmp(text_at(r.json, member), value) == 0)
			return r;
		poll(NULL, 0, 10); /* the event is a commit of another thread */
	} while (ud_mono_ms(&ud_env_real) < end_ms);
	fail_msg("%s of %s does not become %s: %s", member, path, value, r.body);
	return r;
}

/* What stands under a path: "teams.0.name". */
static json_t *json_path(json_t *json, const char *path)
{
	while (*path && json) {
		size_t n = strcspn(path, ".");
		char name[64];

		snprintf(name, sizeof(name), "%.*s", (int)n, path);
		json = json_is_array(json) ? json_array_get(json, strtoul(name, NULL, 10))
					   : json_object_get(json, name);
		path += n + (path[n] == '.');
	}
	return json;
}

/* A node of a cluster with a VM that is off, of our own customer. */
static int begin(void **state)
{
	static const char *const any[] = { "If-Match: *", NULL };
	struct scene *s = ud_malloc(sizeof(*s));
	void *cx = NULL;

	context_begin(&cx);
	*s = (struct scene){ .cx = cx };
	*state = s;
	box_begin(s->cx, &s->box);
	const char *uri = box_host(&s->box, "lon-a");

	box_host(&s->box, "lon-b");
	box_do(&s->box, "cluster", "hv-lon", "lon-a", "lon-b", NULL);
	box_do(&s->box, "vm", "lon-a", UUID, "sql-01", NULL);
	s->w = world_begin();
	s->p = port_begin(s->w, ud_agent_routes);
	const char *id = port_host(s->p);

	s->host = fmt(s->w, "/v1/hosts/%s", id);
	s->a = agent_begin(s->p, id, uri);
	struct reply r = until(s, "/v1/vms?q=sql-01", "data.0.power", "off");

	s->vm = fmt(s->w, "/v1/vms/%s", text_at(r.json, "data.0.id"));
	r = call(s->w, LEAD, "PATCH", s->vm, fmt(s->w, "{\"customer_id\":\"%s\"}", s->w->own), any);
	assert_int_equal(r.status, 200);
	until(s, s->host, "state", "active");
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;
	void *cx = s->cx;

	agent_end(s->a);
	port_end(s->p);
	world_end(s->w);
	box_end(&s->box);
	ud_free(s);
	return context_end(&cx);
}

/* Do something and wait for its end; the operation. */
static struct reply ended(
	struct scene *s, enum who who, const char *method, const char *path, const char *body)
{
	static const char *const any[] = { "If-Match: *", NULL };
	struct reply r = call(s->w, who, method, path, body, any);

	if (r.status != 202)
		fail_msg("%s: %s", path, r.body);
	const char *op = fmt(s->w, "/v1/operations/%s", text_at(r.json, "id"));
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;

	do
		r = expect(s->w, who, "GET", fmt(s->w, "%s?wait=10", op), NULL, 200);
	while (!*text_at(r.json, "ended_at") && ud_mono_ms(&ud_env_real) < end_ms);
	return r;
}

static struct reply succeeds(
	struct scene *s, enum who who, const char *method, const char *path, const char *body)
{
	struct reply r = ended(s, who, method, path, body);

	if (strcmp(text_at(r.json, "state"), "succeeded") != 0)
		fail_msg("%s: %s", path, r.body);
	return r;
}

/* It is seen so now, without waiting: the operation's end came after it. */
static void shows(struct scene *s, const char *path, const char *member, const char *value)
{
	struct reply r = expect(s->w, LEAD, "GET", path, NULL, 200);

	if (strcmp(text_at(r.json, member), value) != 0)
		fail_msg("%s of %s is not %s: %s", member, path, value, r.body);
}

/* The agent tells all it sees when it begins. */
static void tell_anew(struct scene *s)
{
	struct reply r = expect(s->w, LEAD, "GET", fmt(s->w, "%s/facts", s->host), NULL, 200);
	const char *before = fmt(s->w, "%s", text_at(r.json, "observed_at"));
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;

	agent_stop(s->a);
	s->w->clock_ms += 1000;
	s->w->mono_ms += 1000;
	agent_start(s->a);
	do {
		r = expect(s->w, LEAD, "GET", fmt(s->w, "%s/facts", s->host), NULL, 200);
		assert_true(ud_mono_ms(&ud_env_real) < end_ms);
		poll(NULL, 0, 10); /* the event is a commit of another thread */
	} while (strcmp(text_at(r.json, "observed_at"), before) == 0);
}

static struct reply part(struct scene *s, const char *name)
{
	return expect(s->w, AUDITOR, "GET", fmt(s->w, "%s/%s", s->host, name), NULL, 200);
}

static void wants(const struct reply *r, const char *path, const char *value)
{
	if (strcmp(text_at(r->json, path), value) != 0)
		fail_msg("%s is not %s: %s", path, value, r->body);
}

/* ---- hosts ---- */

/* How often the log says this of a part of the host, and that somebody was told each time. */
static int told_of(struct scene *s, const char *type, const char *name)
{
	struct reply r = expect(
		s->w, AUDITOR, "GET", fmt(s->w, "/v1/events?types=%s&limit=200", type), NULL, 200);
	json_t *e;
	size_t i;
	int n = 0;

	json_array_foreach(json_object_get(r.json, "data"), i, e) n +=
		strcmp(text_at(e, "data.name"), name) == 0;
	r = expect(s->w, LEAD, "GET", "/v1/me/notifications?limit=200", NULL, 200);
	json_array_foreach(json_object_get(r.json, "data"), i,
		e) if (n && strcmp(text_at(e, "event"), type) == 0) return n;
	assert_int_equal(n, 0);
	return n;
}

static void a_team_is_seen_changed_and_made(void **state)
{
	struct scene *s = *state;
	struct reply r = part(s, "teams");

	wants(&r, "teams.0.name", "External");
	wants(&r, "teams.0.load_balancing", "Dynamic");
	assert_true(json_is_true(json_path(r.json, "teams.0.members.1.up")));
	succeeds(s, ENGINEER, "POST", fmt(s->w, "%s/teams", s->host),
		"{\"name\":\"External\",\"load_balancing\":\"port\"}");
	succeeds(s, ENGINEER, "POST", fmt(s->w, "%s/teams", s->host),
		"{\"name\":\"Storage\",\"members\":[\"Adapter 3\",\"Adapter 4\"],\"load_balancing\":\"dynamic\"}");
	box_do(&s->box, "card_fails", "lon-a", NULL);
	tell_anew(s);
	r = part(s, "teams");
	wants(&r, "teams.0.load_balancing", "HyperVPort");
	assert_true(json_is_false(json_path(r.json, "teams.0.members.1.up")));
	assert_true(json_is_true(json_path(r.json, "teams.0.degraded")));
	wants(&r, "teams.1.name", "Storage");
	assert_int_equal(told_of(s, "host.team_degraded", "External"), 1);
	assert_int_equal(told_of(s, "host.team_whole", "External"), 0);
	/* of this card nobody tells anything */
	assert_true(json_is_null(json_path(r.json, "teams.1.members.1.up")));
	r = ended(s, ENGINEER, "POST", fmt(s->w, "%s/teams", s->host),
		"{\"name\":\"Nobody\",\"load_balancing\":\"port\"}");
	wants(&r, "error.code", "not_found");
	expect(s->w, OWN_ADMIN, "POST", fmt(s->w, "%s/teams", s->host),
		"{\"name\":\"External\",\"load_balancing\":\"port\"}", 403);
}

static void a_cluster_balances_as_it_is_told(void **state)
{
	struct scene *s = *state;
	struct reply r = part(s, "cluster");

	wants(&r, "cluster.name", "hv-lon");
	wants(&r, "cluster.balancer.mode", "always");
	wants(&r, "cluster.balancer.level", "low");
	wants(&r, "cluster.nodes.1.state", "up");
	wants(&r, "cluster.fault_domains.0.level", "site");
	wants(&r, "cluster.fault_domains.1.parent", "london");
	r = succeeds(s, ENGINEER, "POST", fmt(s->w, "%s/balance", s->host),
		"{\"mode\":\"on_join\",\"level\":\"high\"}");
	wants(&r, "output.mode", "on_join");
	wants(&r, "output.level", "high");
	tell_anew(s);
	r = part(s, "cluster");
	wants(&r, "cluster.balancer.mode", "on_join");
	wants(&r, "cluster.balancer.level", "high");
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/balance", s->host),
		"{\"mode\":\"sometimes\",\"level\":\"high\"}", 422);
	expect(s->w, AUDITOR, "POST", fmt(s->w, "%s/balance", s->host),
		"{\"mode\":\"off\",\"level\":\"high\"}", 403);
}

static void storage_and_its_paths_are_seen(void **state)
{
	struct scene *s = *state;
	struct reply r = part(s, "spaces");

	wants(&r, "spaces.pools.0.name", "S2D");
	wants(&r, "spaces.pools.0.health", "healthy");
	wants(&r, "spaces.volumes.0.resiliency", "Mirror");
	assert_int_equal(json_array_size(json_path(r.json, "spaces.disks")), 4);
	assert_int_equal(json_array_size(json_path(r.json, "spaces.jobs")), 0);
	r = part(s, "smb");
	assert_int_equal(json_array_size(json_object_get(r.json, "smb")), 2);
	assert_true(json_is_true(json_path(r.json, "smb.1.selected")));
	box_do(&s->box, "disk_fails", "lon-a", NULL);
	box_do(&s->box, "card_fails", "lon-a", NULL);
	tell_anew(s);
	r = part(s, "spaces");
	wants(&r, "spaces.pools.0.health", "warning");
	/* a word that nobody knows is no health */
	wants(&r, "spaces.disks.2.health", "unknown");
	wants(&r, "spaces.disks.1.health", "healthy");
	assert_int_equal(number_at(r.json, "spaces.jobs.0.percent"), 40);
	r = part(s, "smb");
	assert_true(json_is_true(json_path(r.json, "smb.1.failed")));
	assert_true(json_is_false(json_path(r.json, "smb.0.failed")));
	assert_int_equal(told_of(s, "host.storage_degraded", "S2D"), 1);
}

/* ---- VMs ---- */

static void a_vm_is_kept_from_attacking_its_host(void **state)
{
	struct scene *s = *state;
	const char *path = fmt(s->w, "%s/resource-protection", s->vm);

	succeeds(s, OWN_ADMIN, "PUT", path, "{\"cpu_percent\":100,\"host_protection\":true}");
	struct reply r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);

	assert_true(json_is_true(json_object_get(r.json, "host_protection")));
	assert_int_equal(number_at(r.json, "cpu_percent"), 100);
	/* it is changed with the VM off alone; what is so already is not touched */
	succeeds(s, OWN_ADMIN, "POST", fmt(s->w, "%s/start", s->vm), "{}");
	shows(s, s->vm, "power", "running");
	succeeds(s, OWN_ADMIN, "PUT", path, "{\"cpu_percent\":50,\"host_protection\":true}");
	r = ended(s, OWN_ADMIN, "PUT", path, "{\"host_protection\":false}");
	wants(&r, "error.code", "invalid_state");
}

static void an_old_definition_is_brought_up_once(void **state)
{
	struct scene *s = *state;

	box_do(&s->box, "set", "lon-a", UUID, "version", "\"5.0\"", NULL);
	tell_anew(s);
	struct reply r = expect(s->w, LEAD, "GET", fmt(s->w, "%s/facts", s->vm), NULL, 200);

	wants(&r, "machine_type", "generation 2, version 5.0");
	expect(s->w, OWN_ADMIN, "POST", fmt(s->w, "%s/upgrade", s->vm), "{}", 403);
	r = succeeds(s, ENGINEER, "POST", fmt(s->w, "%s/upgrade", s->vm), "{}");
	wants(&r, "output.version", "8.0");
	shows(s, fmt(s->w, "%s/facts", s->vm), "machine_type", "generation 2, version 8.0");
	succeeds(s, OWN_ADMIN, "POST", fmt(s->w, "%s/start", s->vm), "{}");
	shows(s, s->vm, "power", "running");
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/upgrade", s->vm), "{}", 409);
}

static void checkpoints_say_what_they_are(void **state)
{
	struct scene *s = *state;
	const char *path = fmt(s->w, "%s/checkpoints", s->vm);

	succeeds(s, OWN_ADMIN, "POST", fmt(s->w, "%s/start", s->vm), "{}");
	shows(s, s->vm, "power", "running");
	struct reply r =
		succeeds(s, OWN_ADMIN, "POST", path, "{\"name\":\"one\",\"kind\":\"production\"}");

	wants(&r, "output.consistency", "application");
	/* the guest cannot: a standard one is taken, and says so */
	box_do(&s->box, "set", "lon-a", UUID, "quiesces", "false", NULL);
	r = succeeds(s, OWN_ADMIN, "POST", path, "{\"name\":\"two\",\"kind\":\"production\"}");
	wants(&r, "output.consistency", "crash");
	assert_true(strlen(text_at(r.json, "output.reason")) > 0);
	r = succeeds(s, OWN_ADMIN, "POST", path, "{\"name\":\"three\",\"kind\":\"standard\"}");
	wants(&r, "output.kind", "standard");
}

static void programs_run_in_a_guest_without_a_network(void **state)
{
	struct scene *s = *state;

	succeeds(s, OWN_ADMIN, "POST", fmt(s->w, "%s/start", s->vm), "{}");
	shows(s, s->vm, "power", "running");
	struct reply r = ended(s, OWN_ADMIN, "POST", fmt(s->w, "%s/run", s->vm),
		"{\"program\":\"C:\\\\Windows\\\\System32\\\\hostname.exe\"}");

	/* nobody has laid a user of the guest down yet: which file is wanted is said */
	assert_non_null(strstr(r.body, "default.xml"));
	context_file(s->cx, "lon-a/guests/default.xml", "<Objs/>");
	box_do(&s->box, "set", "lon-a", UUID, "says", "\"sql-01\"", NULL);
	box_do(&s->box, "set", "lon-a", UUID, "status", "3", NULL);
	r = succeeds(s, OWN_ADMIN, "POST", fmt(s->w, "%s/run", s->vm),
		"{\"program\":\"C:\\\\Windows\\\\System32\\\\hostname.exe\"}");
	wants(&r, "output.output", "sql-01");
	assert_int_equal(number_at(r.json, "output.exit_status"), 3);
}

/* In the ordinary run one database hears all of it, the other one the first. */
static bool hears_all(void)
{
	const char *database = getenv("UD_TEST_DATABASE");

	return getenv("UD_TEST_LONG") || !database || strcmp(database, "sqlite") == 0;
}

int main(void)
{
	struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_team_is_seen_changed_and_made, begin, end),
		cmocka_unit_test_setup_teardown(a_cluster_balances_as_it_is_told, begin, end),
		cmocka_unit_test_setup_teardown(storage_and_its_paths_are_seen, begin, end),
		cmocka_unit_test_setup_teardown(a_vm_is_kept_from_attacking_its_host, begin, end),
		cmocka_unit_test_setup_teardown(an_old_definition_is_brought_up_once, begin, end),
		cmocka_unit_test_setup_teardown(checkpoints_say_what_they_are, begin, end),
		cmocka_unit_test_setup_teardown(
			programs_run_in_a_guest_without_a_network, begin, end),
	};

	for (size_t i = 1; i < UD_LEN(tests) && !hears_all(); i++)
		tests[i] = (struct CMUnitTest){ 0 };
	return cmocka_run_group_tests_name("hyperv", tests, NULL, NULL);
}
