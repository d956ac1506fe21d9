/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents see and what the API shows of it, on both databases, with real agents on scripted
 * hypervisors.
 */
#include <poll.h>
#include <string.h>

#include "support/agents.h"
#include "support/scripted.h"

enum { PATIENCE_MS = 30000 };

struct scene {
	struct port *p;
	struct world *w;
	struct scripted *hv[2];
	struct agent *a[2];
	const char *host[2];
};

static int begin(void **state)
{
	static const char *const names[] = { "inventory-a", "inventory-b" };
	struct scene *s = ud_malloc(sizeof(*s));

	*state = s;
	s->w = world_begin();
	s->p = port_begin(s->w, ud_agent_routes);
	for (int i = 0; i < 2; i++) {
		s->hv[i] = scripted_begin(names[i]);
		s->host[i] = port_host(s->p);
	}
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;

	for (int i = 0; i < 2; i++) {
		if (s->a[i])
			agent_end(s->a[i]);
		scripted_end(s->hv[i]);
	}
	port_end(s->p);
	world_end(s->w);
	ud_free(s);
	return 0;
}

static void run(struct scene *s, int i)
{
	s->a[i] = agent_begin(s->p, s->host[i], scripted_uri(s->hv[i]));
}

/* Ask until a member has a value; fails after a while. */
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

/* The VM with a name, once it is there. */
static const char *vm_named(struct scene *s, const char *name)
{
	struct reply r = until(s, fmt(s->w, "/v1/vms?q=%s", name), "data.0.name", name);

	return text_at(r.json, "data.0.id");
}

static bool truth(const struct reply *r, const char *member)
{
	return json_is_true(json_object_get(r->json, member));
}

static int events(struct scene *s, const char *subject, const char *type)
{
	struct reply r = expect(s->w, AUDITOR, "GET",
		fmt(s->w, "/v1/events?subject_id=%s&types=%s&limit=200", subject, type), NULL, 200);

	return (int)json_array_size(json_object_get(r.json, "data"));
}

static void vms_appear_by_themselves(void **state)
{
	struct scene *s = *state;

	scripted_add(s->hv[0], scripted_uuid(s->hv[0], 1), "sql-01");
	scripted_add(s->hv[0], scripted_uuid(s->hv[0], 2), "Web server (old)");
	run(s, 0);
	const char *vm = vm_named(s, "sql-01");
	struct reply r = expect(s->w, LEAD, "GET", fmt(s->w, "/v1/vms/%s", vm), NULL, 200);

	assert_string_equal(text_at(r.json, "host_id"), s->host[0]);
	assert_string_equal(text_at(r.json, "hypervisor_uuid"), scripted_uuid(s->hv[0], 1));
	assert_true(json_is_null(json_object_get(r.json, "customer_id")));
	assert_string_equal(text_at(r.json, "power"), "off");
	assert_string_equal(text_at(r.json, "source"), "agent");
	assert_true(strlen(text_at(r.json, "observed_at")) > 0);
	assert_int_equal(number_at(r.json, "disk_bytes"), INT64_C(2) << 30);
	assert_int_equal(events(s, vm, "vm.discovered"), 1);
	vm_named(s, "Web-server--old-");
	/* nobody else's to see */
	expect(s->w, OWN_ADMIN, "GET", fmt(s->w, "/v1/vms/%s", vm), NULL, 404);
	until(s, fmt(s->w, "/v1/hosts/%s", s->host[0]), "state", "active");
	assert_int_equal(events(s, s->host[0], "host.active"), 1);
}

/* What facts has in one answer stands in lists of their own, and the VM's story beside. */
static void parts_are_lists(struct scene *s, const char *vm)
{
	struct reply facts = expect(s->w, OWN_ADMIN, "GET", fmt(s->w, "%s/facts", vm), NULL, 200);
	static const char *const lists[] = { "disks", "nics" };

	for (size_t i = 0; i < UD_LEN(lists); i++) {
		const char *path = fmt(s->w, "%s/%s", vm, lists[i]);
		struct reply r = expect(s->w, OWN_ADMIN, "GET", path, NULL, 200);

		assert_true(json_equal(
			json_object_get(r.json, "data"), json_object_get(facts.json, lists[i])));
		assert_true(json_array_size(json_object_get(r.json, "data")) > 0);
		expect(s->w, OTHER_ADMIN, "GET", path, NULL, 404);
	}
	struct reply r = expect(s->w, LEAD, "GET", fmt(s->w, "%s/timeline?limit=1", vm), NULL, 200);

	assert_string_equal(text_at(r.json, "data.0.subject.id"), strrchr(vm, '/') + 1);
	assert_true(json_is_true(json_object_get(r.json, "has_more")));
	r = expect(s->w, LEAD, "GET",
		fmt(s->w, "%s/timeline?cursor=%s", vm, text_at(r.json, "next_cursor")), NULL, 200);
	size_t n = json_array_size(json_object_get(r.json, "data"));

	assert_string_equal(text_at(json_array_get(json_object_get(r.json, "data"), n - 1), "type"),
		"vm.discovered");
	expect(s->w, OTHER_ADMIN, "GET", fmt(s->w, "%s/timeline", vm), NULL, 404);
}

/* What the host has and what runs there stands in its site's sums. */
static void the_site_has_room(struct scene *s)
{
	struct reply r =
		expect(s->w, LEAD, "GET", fmt(s->w, "/v1/hosts/%s", s->host[0]), NULL, 200);
	const char *path = fmt(s->w, "/v1/sites/%s/capacity", text_at(r.json, "site_id"));
	json_t *host = NULL;
	size_t i;

	r = expect(s->w, AUDITOR, "GET", path, NULL, 200);
	json_array_foreach(json_object_get(r.json, "hosts"), i,
		host) if (strcmp(text_at(host, "host_id"), s->host[0]) == 0) break;
	assert_non_null(host);
	assert_int_equal(number_at(host, "cpu_count"), 8);
	assert_int_equal(number_at(host, "memory_bytes"), INT64_C(64) << 30);
	assert_true(number_at(host, "storage_available_bytes") > 0);
	assert_int_equal(number_at(host, "vms_running"), 1);
	assert_int_equal(number_at(host, "memory_running_bytes"), INT64_C(1) << 30);
	assert_true(number_at(r.json, "memory_bytes") >= INT64_C(64) << 30);
	expect(s->w, OWN_ADMIN, "GET", path, NULL, 403);
}

static void an_assigned_vm_is_its_customers(void **state)
{
	static const char *const any[] = { "If-Match: *", NULL };
	struct scene *s = *state;

	scripted_add(s->hv[0], scripted_uuid(s->hv[0], 1), "sql-01");
	run(s, 0);
	const char *vm = vm_named(s, "sql-01"), *path = fmt(s->w, "/v1/vms/%s", vm);
	struct reply r = call(s->w, LEAD, "PATCH", path,
		fmt(s->w, "{\"customer_id\":\"%s\",\"managed\":true}", s->w->own), any);

	assert_int_equal(r.status, 200);
	scripted_set_power(s->hv[0], scripted_uuid(s->hv[0], 1), UD_POWER_RUNNING);
	r = until(s, path, "power", "running");
	assert_string_equal(text_at(r.json, "customer_id"), s->w->own);
	r = expect(s->w, OWN_ADMIN, "GET", path, NULL, 200);
	assert_string_equal(text_at(r.json, "power"), "running");
	assert_string_equal(text_at(r.json, "holder_host_id"), s->host[0]);
	parts_are_lists(s, path);
	the_site_has_room(s);
	expect(s->w, OTHER_ADMIN, "GET", path, NULL, 404);
	/* nobody but an agent observes */
	r = call(s->w, LEAD, "PATCH", path, "{\"power\":\"off\"}", any);
	assert_int_equal(r.status, 422);
}

static void changes_are_told_at_once(void **state)
{
	struct scene *s = *state;
	const char *uuid = scripted_uuid(s->hv[0], 1);

	scripted_add(s->hv[0], uuid, "sql-01");
	run(s, 0);
	const char *path = fmt(s->w, "/v1/vms/%s", vm_named(s, "sql-01"));
	int64_t began = ud_mono_ms(&ud_env_real);

	for (int i = 0; i < 5; i++) {
		scripted_set_power(s->hv[0], uuid, UD_POWER_RUNNING);
		until(s, path, "power", "running");
		scripted_set_power(s->hv[0], uuid, UD_POWER_OFF);
		until(s, path, "power", "off");
	}
	/* far quicker than ten turns of ten seconds */
	assert_true(ud_mono_ms(&ud_env_real) - began < 20000);
}

static void redefine(void *data, struct ud_machine *m)
{
	m->definition_hash = data;
	m->memory_bytes = INT64_C(3) << 30;
}

static void what_a_person_does_at_the_host_is_seen(void **state)
{
	struct scene *s = *state;
	const char *uuid = scripted_uuid(s->hv[0], 1);

	scripted_add(s->hv[0], uuid, "sql-01");
	run(s, 0);
	const char *vm = vm_named(s, "sql-01"), *path = fmt(s->w, "/v1/vms/%s", vm);

	scripted_change(s->hv[0], uuid, redefine, (void *)"another");
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;

	while (!events(s, vm, "vm.redefined") && ud_mono_ms(&ud_env_real) < end_ms)
		poll(NULL, 0, 5);
	assert_int_equal(events(s, vm, "vm.redefined"), 1);
	assert_int_equal(number_at(expect(s->w, LEAD, "GET", path, NULL, 200).json, "memory_bytes"),
		INT64_C(3) << 30);
	scripted_forget(s->hv[0], uuid);
	struct reply r = until(s, path, "power", "unknown");

	assert_true(truth(&r, "missing"));
	assert_int_equal(events(s, vm, "vm.disappeared"), 1);
	scripted_add(s->hv[0], uuid, "sql-01");
	r = until(s, path, "power", "off");
	assert_false(truth(&r, "missing"));
	assert_int_equal(events(s, vm, "vm.reappeared"), 1);
}

static void a_silent_host_is_unreachable_and_nothing_else_changes(void **state)
{
	struct scene *s = *state;
	const char *uuid = scripted_uuid(s->hv[0], 1);

	scripted_add(s->hv[0], uuid, "sql-01");
	scripted_set_power(s->hv[0], uuid, UD_POWER_RUNNING);
	run(s, 0);
	const char *path = fmt(s->w, "/v1/vms/%s", vm_named(s, "sql-01"));
	const char *host = fmt(s->w, "/v1/hosts/%s", s->host[0]);

	until(s, host, "state", "active");
	until(s, path, "power", "running");
	agent_stop(s->a[0]);
	world_tick(s->w);
	assert_string_equal(
		text_at(expect(s->w, LEAD, "GET", host, NULL, 200).json, "state"), "active");
	s->w->clock_ms += 31000;
	world_tick(s->w);
	struct reply r = expect(s->w, LEAD, "GET", host, NULL, 200);

	assert_string_equal(text_at(r.json, "state"), "unreachable");
	r = expect(s->w, LEAD, "GET", path, NULL, 200);
	assert_string_equal(text_at(r.json, "power"), "unknown");
	assert_string_equal(text_at(r.json, "power_last"), "running");
	assert_string_equal(text_at(r.json, "holder_host_id"), s->host[0]);
	assert_int_equal(scripted_power(s->hv[0], uuid), UD_POWER_RUNNING);
	assert_int_equal(events(s, s->host[0], "host.unreachable"), 1);
	/* once */
	world_tick(s->w);
	assert_int_equal(events(s, s->host[0], "host.unreachable"), 1);
	agent_start(s->a[0]);
	until(s, host, "state", "active");
	until(s, path, "power", "running");
}

static void two_that_run_one_vm_are_suspected(void **state)
{
	struct scene *s = *state;
	const char *uuid = scripted_uuid(s->hv[0], 1);

	scripted_add(s->hv[0], uuid, "sql-01");
	scripted_set_power(s->hv[0], uuid, UD_POWER_RUNNING);
	scripted_add(s->hv[1], uuid, "sql-01");
	run(s, 0);
	const char *vm = vm_named(s, "sql-01"), *path = fmt(s->w, "/v1/vms/%s", vm);

	until(s, path, "power", "running");
	run(s, 1);
	until(s, fmt(s->w, "/v1/hosts/%s", s->host[1]), "state", "active");
	struct reply r = expect(s->w, LEAD, "GET", path, NULL, 200);

	/* one record, which names the first host; a second one that is off is no harm */
	assert_string_equal(text_at(r.json, "host_id"), s->host[0]);
	assert_false(truth(&r, "split_brain_suspected"));
	r = expect(s->w, LEAD, "GET", "/v1/vms?q=sql-01&count=exact", NULL, 200);
	assert_int_equal(number_at(r.json, "total"), 1);
	scripted_set_power(s->hv[1], uuid, UD_POWER_RUNNING);
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;

	while (!events(s, vm, "vm.split_brain_suspected") && ud_mono_ms(&ud_env_real) < end_ms)
		poll(NULL, 0, 5);
	r = expect(s->w, LEAD, "GET", path, NULL, 200);
	assert_true(truth(&r, "split_brain_suspected"));
	scripted_set_power(s->hv[1], uuid, UD_POWER_OFF);
	while (!events(s, vm, "vm.split_brain_cleared") && ud_mono_ms(&ud_env_real) < end_ms)
		poll(NULL, 0, 5);
	r = expect(s->w, LEAD, "GET", path, NULL, 200);
	assert_false(truth(&r, "split_brain_suspected"));
}

static void an_unprotected_vm_is_followed_to_another_host(void **state)
{
	struct scene *s = *state;
	const char *uuid = scripted_uuid(s->hv[0], 1);

	scripted_add(s->hv[0], uuid, "sql-01");
	run(s, 0);
	const char *path = fmt(s->w, "/v1/vms/%s", vm_named(s, "sql-01"));

	scripted_forget(s->hv[0], uuid);
	until(s, path, "power", "unknown");
	scripted_add(s->hv[1], uuid, "sql-01");
	run(s, 1);
	until(s, path, "host_id", s->host[1]);
}

static void copy_of(void *data, struct ud_machine *m)
{
	m->test_of = data;
}

static void a_tests_copy_is_no_vm(void **state)
{
	struct scene *s = *state;
	const char *copy = scripted_uuid(s->hv[0], 2);

	scripted_add(s->hv[0], scripted_uuid(s->hv[0], 1), "sql-01");
	scripted_add(s->hv[0], copy, "sql-01-test");
	scripted_change(s->hv[0], copy, copy_of, (void *)scripted_uuid(s->hv[0], 1));
	run(s, 0);
	vm_named(s, "sql-01");
	until(s, fmt(s->w, "/v1/hosts/%s", s->host[0]), "state", "active");
	struct reply r = expect(s->w, LEAD, "GET", "/v1/vms?count=exact", NULL, 200);

	assert_int_equal(number_at(r.json, "total"), 1);
}

static void start_at_boot(void *data, struct ud_machine *m)
{
	(void)data;
	m->autostart = true;
}

static enum ud_code make_primary(struct ud_ctx *cx, void *vm)
{
	return ud_exec(
		cx, NULL, "UPDATE vms SET dr_role = 'primary' WHERE id = $1", UD_VALS(ud_t(vm)));
}

static void wait_for_autostart(struct scene *s, const char *vm, bool on)
{
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;
	struct reply r = { 0 };

	while (ud_mono_ms(&ud_env_real) < end_ms) {
		r = expect(s->w, LEAD, "GET", fmt(s->w, "/v1/vms/%s/facts", vm), NULL, 200);
		if (truth(&r, "autostart") == on)
			return;
		poll(NULL, 0, 5); /* the event is a commit of another thread */
	}
	fail_msg("autostart is not seen as %d: %s", on, r.body);
}

/* What the agent found is told with its next report. */
static void wait_for_event(struct scene *s, const char *subject, const char *type)
{
	int64_t end_ms = ud_mono_ms(&ud_env_real) + PATIENCE_MS;

	while (events(s, subject, type) == 0 && ud_mono_ms(&ud_env_real) < end_ms)
		poll(NULL, 0, 5);
	assert_int_equal(events(s, subject, type), 1);
}

/* Boot hold for what was protected long ago: the hypervisor is not to start it by itself. */
static void a_protected_vm_is_started_by_nobody_at_boot(void **state)
{
	struct scene *s = *state;
	const char *one = scripted_uuid(s->hv[0], 1), *other = scripted_uuid(s->hv[0], 2);

	scripted_add(s->hv[0], one, "sql-01");
	scripted_add(s->hv[0], other, "web-01");
	run(s, 0);
	const char *held = vm_named(s, "sql-01"), *theirs = vm_named(s, "web-01");
	struct ud_station *station = ud_agent_station(s->a[0]->run);
	const struct ud_journal_vm row = { .vm_id = held,
		.uuid = one,
		.epoch = 1,
		.role = UD_VM_ROLE_PRIMARY,
		.policy = UD_POLICY_ATTEST,
		.permit_ms = UD_NONE,
		.promised = UD_NONE,
		.granted = UD_NONE };

	assert_int_equal(ud_journal_vm_put(&s->w->cx, station->journal, &row), UD_OK);
	world_write(s->w, make_primary, (char *)held);
	/* the other one first: its change may be told together with this one's */
	scripted_change(s->hv[0], other, start_at_boot, NULL);
	wait_for_autostart(s, theirs, true);
	assert_int_equal(events(s, held, "vm.autostart_found"), 0);
	scripted_change(s->hv[0], one, start_at_boot, NULL);
	assert_true(scripted_await(s->hv[0], "autostart", 1));
	wait_for_event(s, held, "vm.autostart_found");
	wait_for_autostart(s, held, false);
	assert_int_equal(events(s, theirs, "vm.autostart_found"), 0);
	assert_int_equal(scripted_calls(s->hv[0], "autostart"), 1);
	wait_for_autostart(s, theirs, true);
}

static void many_vms_come_in_pages(void **state)
{
	enum { MANY = 60 };
	struct scene *s = *state;

	for (int i = 1; i <= MANY; i++)
		scripted_add(s->hv[0], scripted_uuid(s->hv[0], i), fmt(s->w, "vm-%02d", i));
	run(s, 0);
	until(s, fmt(s->w, "/v1/hosts/%s", s->host[0]), "state", "active");
	struct reply r = expect(s->w, LEAD, "GET", "/v1/vms?count=exact", NULL, 200);

	assert_int_equal(number_at(r.json, "total"), MANY);
}

/* Each VM has used its processors for a hundred years and one second more from sample to sample. */
static enum ud_code much_used(struct ud_ctx *cx, void *data)
{
	(void)data;
	for (int64_t i = 0; i < 2; i++)
		UD_TRY(ud_exec(cx, NULL,
			"INSERT INTO samples(vm_id, taken_at, mono_ms, cpu_ns) SELECT id, $1, $2, $3"
			" FROM vms",
			UD_VALS(ud_i(cx->now_ms - 60000 + i * 10000), ud_i(1000000 + i * 10000),
				ud_i(INT64_C(3155760000000000000) + i * 1000000000))));
	return UD_OK;
}

static void figures_of_a_host_are_told_however_long_its_vms_have_run(void **state)
{
	enum { VMS = 5 };
	struct scene *s = *state;

	for (int i = 1; i <= VMS; i++)
		scripted_add(s->hv[0], scripted_uuid(s->hv[0], i), fmt(s->w, "vm-%02d", i));
	run(s, 0);
	until(s, fmt(s->w, "/v1/hosts/%s", s->host[0]), "state", "active");
	until(s, "/v1/vms?q=vm-05", "data.0.name", "vm-05");
	world_write(s->w, much_used, NULL);
	struct reply r =
		expect(s->w, LEAD, "GET", fmt(s->w, "/v1/hosts/%s/metrics", s->host[0]), NULL, 200);

	assert_int_equal(number_at(r.json, "data.0.cpu_percent"), VMS * 10);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(vms_appear_by_themselves, begin, end),
		cmocka_unit_test_setup_teardown(an_assigned_vm_is_its_customers, begin, end),
		cmocka_unit_test_setup_teardown(changes_are_told_at_once, begin, end),
		cmocka_unit_test_setup_teardown(what_a_person_does_at_the_host_is_seen, begin, end),
		cmocka_unit_test_setup_teardown(
			a_silent_host_is_unreachable_and_nothing_else_changes, begin, end),
		cmocka_unit_test_setup_teardown(two_that_run_one_vm_are_suspected, begin, end),
		cmocka_unit_test_setup_teardown(
			an_unprotected_vm_is_followed_to_another_host, begin, end),
		cmocka_unit_test_setup_teardown(a_tests_copy_is_no_vm, begin, end),
		cmocka_unit_test_setup_teardown(
			a_protected_vm_is_started_by_nobody_at_boot, begin, end),
		cmocka_unit_test_setup_teardown(many_vms_come_in_pages, begin, end),
		cmocka_unit_test_setup_teardown(
			figures_of_a_host_are_told_however_long_its_vms_have_run, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
