/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fence devices: set, asked, and in failovers under policy stonith. The device's program is the one
 * of tests/support/fence-agents.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db/inventory.h"
#include "support/stage.h"

static int begin(void **state)
{
	*state = stage_begin(2);
	return 0;
}

static const char *device_file(struct stage *s)
{
	return fmt(s->w, "%s/device", s->w->dir);
}

static int end(void **state)
{
	struct stage *s = *state;

	unlink(device_file(s));
	unlink(fmt(s->w, "%s.log", device_file(s)));
	stage_end(s);
	return 0;
}

static void set_power(struct stage *s, const char *power)
{
	FILE *f = fopen(device_file(s), "w");

	assert_non_null(f);
	fprintf(f, "%s\n", power);
	fclose(f);
}

/* How often the device was told this. */
static int told(struct stage *s, const char *action)
{
	FILE *f = fopen(fmt(s->w, "%s.log", device_file(s)), "r");
	char line[64];
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		n += strcmp(line, action) == 0;
	}
	if (f)
		fclose(f);
	return n;
}

static const char *device_path(struct stage *s)
{
	return fmt(s->w, "/v1/hosts/%s/fence-device", s->hosts[0].id);
}

static const char *device_body(struct stage *s, const char *more)
{
	return fmt(s->w,
		"{\"agent\":\"fence_ipmilan\",\"address\":\"192.0.2.7\",\"plug\":\"%s\"%s}",
		device_file(s), more);
}

static void set_device(struct stage *s, const char *power)
{
	set_power(s, power);
	expect(s->w, OPERATOR, "PUT", device_path(s),
		device_body(s, ",\"password\":\"open sesame\""), 200);
}

static void settle(struct stage *s)
{
	stage_settle(s);
	stage_wait_device(s);
	stage_pass(s, 2);
	stage_settle(s);
}

static enum ud_code apply_policy(struct ud_ctx *cx, void *data)
{
	(void)data;
	return ud_exec(cx, NULL, "UPDATE vms SET fencing_policy = 'stonith'", UD_NO_VALS);
}

static const char *outage(struct stage *s, int vms)
{
	world_write(s->w, apply_policy, NULL);
	stage_kill(s, 0);
	return stage_start(s, "unplanned", "site_outage", vms, "");
}

static void wants_person(struct stage *s, const char *run, const char *code)
{
	stage_wants(s, run, "waiting", "fencing");
	assert_string_equal(stage_text(s, run, "waiting_for.code"), code);
	assert_int_equal(stage_where(s, 0), -1);
	assert_int_equal(stage_count(s, "SELECT MAX(epoch) FROM vms"), 1);
}

static void a_device_is_set_and_its_password_never_read_back(void **state)
{
	struct stage *s = *state;

	expect(s->w, OPERATOR, "GET", device_path(s), NULL, 404);
	set_device(s, "on");
	struct reply r = expect(s->w, ENGINEER, "GET", device_path(s), NULL, 200);

	assert_string_equal(text_at(r.json, "host_power"), "unknown");
	assert_null(strstr(r.body, "sesame"));
	assert_null(strstr(r.body, "password"));
	assert_int_equal(
		stage_count(s, "SELECT COUNT(*) FROM fence_devices WHERE password LIKE '%sesame%'"),
		0);
	assert_int_equal(
		stage_count(s, "SELECT COUNT(*) FROM events WHERE data LIKE '%sesame%'"), 0);
	expect(s->w, ENGINEER, "PUT", device_path(s), device_body(s, ""), 403);
	expect(s->w, OWN_ADMIN, "GET", device_path(s), NULL, 403);
	expect(s->w, OPERATOR, "PUT", device_path(s),
		"{\"agent\":\"/bin/sh\",\"address\":\"192.0.2.7\"}", 422);
	expect(s->w, OPERATOR, "PUT", device_path(s),
		"{\"agent\":\"fence_apc\",\"address\":\"a\\naction=on\"}", 422);
	expect(s->w, OPERATOR, "PUT", device_path(s),
		device_body(s, ",\"username\":\"a\\nip=192.0.2.8\""), 422);
	expect(s->w, OPERATOR, "DELETE", device_path(s), NULL, 204);
	expect(s->w, OPERATOR, "DELETE", device_path(s), NULL, 404);
}

static void asking_it_switches_nothing(void **state)
{
	struct stage *s = *state;

	set_device(s, "on");
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/test", device_path(s)), NULL, 202);
	stage_wait_device(s);
	struct reply r = expect(s->w, ENGINEER, "GET", device_path(s), NULL, 200);

	assert_string_equal(text_at(r.json, "host_power"), "on");
	assert_int_equal(told(s, "off"), 0);
	/* the password goes where it was given for, and nowhere else */
	expect(s->w, OPERATOR, "PUT", device_path(s), device_body(s, ""), 200);
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/test", device_path(s)), NULL, 202);
	stage_wait_device(s);
	r = expect(s->w, ENGINEER, "GET", device_path(s), NULL, 200);
	assert_string_equal(text_at(r.json, "host_power"), "on");
	expect(s->w, OPERATOR, "PUT", device_path(s),
		device_body(s, ",\"username\":\"somebody-else\""), 200);
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/test", device_path(s)), NULL, 202);
	stage_wait_device(s);
	r = expect(s->w, ENGINEER, "GET", device_path(s), NULL, 200);
	assert_string_equal(text_at(r.json, "host_power"), "unknown");
	assert_non_null(strstr(text_at(r.json, "problem"), "wrong password"));
}

static void a_device_is_proof_and_nobody_need_state_anything(void **state)
{
	struct stage *s = *state;

	set_device(s, "on");
	const char *run = outage(s, 2);

	/* whoever approves it has been told what it does to others */
	assert_non_null(strstr(stage_run(s, run).body, "host_is_fenced"));
	settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	assert_int_equal(stage_where(s, 0), 1);
	assert_int_equal(stage_where(s, 1), 1);
	/* once for both VMs, and confirmed */
	assert_int_equal(told(s, "off"), 1);
	assert_int_equal(told(s, "status"), 2);
	assert_int_equal(stage_count(s, "SELECT COUNT(*) FROM hosts WHERE state = 'fenced'"), 1);
	assert_int_equal(
		stage_count(s, "SELECT COUNT(*) FROM workflows WHERE device_off_at > 0"), 2);
	/* it stays fenced when it is back, until a person has looked */
	stage_revive(s, 0);
	stage_settle(s);
	assert_int_equal(stage_count(s, "SELECT COUNT(*) FROM hosts WHERE state = 'fenced'"), 1);
	expect(s->w, OPERATOR, "POST", fmt(s->w, "/v1/hosts/%s/resume", s->hosts[0].id), NULL, 200);
}

static void what_is_not_known_to_be_off_is_not_fenced(void **state)
{
	static const char *const powers[] = { "broken", "stuck", "lying" };
	struct stage *s = *state;

	set_device(s, "broken");
	const char *run = outage(s, 1);

	for (size_t i = 0; i < UD_LEN(powers); i++) {
		set_power(s, powers[i]);
		settle(s);
		wants_person(s, run, "fence_unconfirmed");
		assert_non_null(strstr(stage_text(s, run, "waiting_for.text"),
			"The host is not known to be off: "));
		stage_press(s, ENGINEER, run,
			fmt(s->w, "steps/%lld/retry", (long long)stage_waiting_step(s, run)), "{}",
			200);
	}
	assert_int_equal(stage_count(s, "SELECT COUNT(*) FROM hosts WHERE state = 'fenced'"), 0);
	settle(s);
	wants_person(s, run, "fence_unconfirmed");
	/* mended meanwhile */
	set_power(s, "on");
	stage_press(s, ENGINEER, run,
		fmt(s->w, "steps/%lld/retry", (long long)stage_waiting_step(s, run)), "{}", 200);
	settle(s);
	stage_wants(s, run, "customer_validation", NULL);
}

static void without_a_device_two_people_are_asked(void **state)
{
	struct stage *s = *state;
	const char *run = outage(s, 1);

	assert_non_null(strstr(stage_run(s, run).body, "no_fence_device"));
	settle(s);
	wants_person(s, run, "no_fence_device");
	stage_attest(s, run, 0);
	settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	assert_int_equal(stage_where(s, 0), 1);
}

static void a_restarted_server_goes_on_with_it(void **state)
{
	struct stage *s = *state;

	set_device(s, "on");
	const char *run = outage(s, 1);

	stage_settle(s);
	world_restart(s->w);
	settle(s);
	settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	assert_true(told(s, "off") >= 1);
}

/* A host that answers but does not stop the VM: others run there, too. */
static void a_host_that_answers_is_not_switched_off(void **state)
{
	struct stage *s = *state;

	set_device(s, "on");
	world_write(s->w, apply_policy, NULL);
	s->fail_verb = "stop";
	s->fail_times = 9;
	const char *run = stage_start(s, "unplanned", "virus_attack", 1,
		fmt(s->w, "\"recovery_point_id\":\"%s\"", s->vms[0].point_id));

	settle(s);
	stage_wants(s, run, "waiting", "fencing");
	assert_string_equal(stage_text(s, run, "waiting_for.code"), "source_answers");
	assert_int_equal(told(s, "off"), 0);
}

/* ---- pools of Storage Spaces Direct ---- */

struct views {
	struct stage *s;
	const char *own, *near; /* states of lon-a and ams-d; NULL = of no cluster */
};

static enum ud_code tell_cluster(struct ud_ctx *cx, struct stage *s, int host, const char *states)
{
	const char *facts = "{\"hypervisor\":\"hyperv\"}";
	char a[16], d[16];

	if (states) {
		assert_int_equal(sscanf(states, "%15s %15s", a, d), 2);
		facts = fmt(s->w,
			"{\"hypervisor\":\"hyperv\",\"cluster\":{\"name\":\"hv-lon\",\"nodes\":["
			"{\"name\":\"LON-A\",\"state\":\"%s\"},{\"name\":\"LON-B\",\"state\":\"up\"},"
			"{\"name\":\"AMS-D\",\"state\":\"%s\"}]},"
			"\"spaces\":{\"pools\":[{\"name\":\"S2D\",\"health\":\"warning\"}]}}",
			a, d);
	}
	return ud_inventory_host(cx, s->hosts[host].id, facts);
}

static enum ud_code tell_views(struct ud_ctx *cx, void *data)
{
	const struct views *v = data;

	UD_TRY(tell_cluster(cx, v->s, 0, v->own));
	return tell_cluster(cx, v->s, 1, v->near);
}

/* What is in the way of this run under this code: "" = nothing, else "warns" or "bars". */
static const char *found(struct stage *s, const char *run, const char *code)
{
	json_t *b = json_object_get(stage_run(s, run).json, "blockers"), *one;
	size_t i;

	json_array_foreach(b, i, one) if (strcmp(text_at(one, "code"), code) ==
		0) return json_is_true(json_object_get(one, "warning"))
		? "warns"
		: "bars";
	return "";
}

/* The fence device would take a node from a pool that cannot miss it: no failover by that. */
static void a_node_that_its_pool_needs_is_not_switched_off(void **state)
{
	static const struct {
		const char *own, *near, *found;
	} rows[] = {
		{ "up up", "up up", "" },
		{ "up down", "up down", "bars" }, /* the neighbour sees it run */
		{ "up down", "down down", "" },   /* it is off already */
		{ "up down", NULL, "warns" },     /* who told that is silent now */
		{ NULL, "up down", "" },          /* it is in no cluster */
	};
	struct stage *s = *state;

	set_device(s, "on");
	world_write(s->w, apply_policy, NULL);
	stage_kill(s, 0);
	stage_pass(s, 120);
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct views v = { s, rows[i].own, rows[i].near };

		world_write(s->w, tell_views, &v);
		const char *headers[] = { fmt(s->w, "Idempotency-Key: pool-%zu", i), NULL };
		struct reply r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets",
			fmt(s->w,
				"{\"type\":\"failover\",\"failover\":{\"kind\":\"unplanned\",\"vm_ids\":[\"%s\"],"
				"\"reason_code\":\"site_outage\"}}",
				s->vms[0].id),
			headers);
		const char *ticket = text_at(r.json, "id");

		if (r.status != 201)
			fail_msg("%s", r.body);
		const char *code = found(s, text_at(r.json, "failover_id"), "pool_loses_quorum");

		if (strcmp(code, rows[i].found) != 0)
			fail_msg("row %zu: %s", i, code);
		r = call(s->w, LEAD, "POST", fmt(s->w, "/v1/tickets/%s/approve", ticket),
			fmt(s->w, "{\"plan_hash\":\"%s\"}", text_at(r.json, "plan_hash")), NULL);
		if (r.status != (strcmp(rows[i].found, "bars") == 0 ? 409 : 200))
			fail_msg("row %zu: %s", i, r.body);
		expect(s->w, LEAD, "POST", fmt(s->w, "/v1/tickets/%s/cancel", ticket), "{}", 200);
	}
	assert_int_equal(told(s, "off"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_device_is_set_and_its_password_never_read_back, begin, end),
		cmocka_unit_test_setup_teardown(asking_it_switches_nothing, begin, end),
		cmocka_unit_test_setup_teardown(
			a_device_is_proof_and_nobody_need_state_anything, begin, end),
		cmocka_unit_test_setup_teardown(
			what_is_not_known_to_be_off_is_not_fenced, begin, end),
		cmocka_unit_test_setup_teardown(without_a_device_two_people_are_asked, begin, end),
		cmocka_unit_test_setup_teardown(a_restarted_server_goes_on_with_it, begin, end),
		cmocka_unit_test_setup_teardown(
			a_host_that_answers_is_not_switched_off, begin, end),
		cmocka_unit_test_setup_teardown(
			a_node_that_its_pool_needs_is_not_switched_off, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
