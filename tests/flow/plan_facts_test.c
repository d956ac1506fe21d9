/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery plans and what they stand on: networks that a plan says for itself, and what makes a
 * verified plan one that has to be looked at again.
 */
#include <string.h>

#include "db/inventory.h"
#include "support/stage.h"

static int begin(void **state)
{
	*state = stage_begin(1);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

static const char *const any[] = { "If-Match: *", NULL };

/* A network of the stage's site, with a switch of its name. */
static const char *network(struct stage *s, enum who who, const char *name, const char *purpose)
{
	struct reply r = expect(s->w, who, "POST", "/v1/networks",
		fmt(s->w,
			"{\"name\":\"%s\",\"site_id\":\"%s\",\"purpose\":\"%s\",\"isolated\":%s%s}",
			name, s->site, purpose, strcmp(purpose, "test") == 0 ? "true" : "false",
			who == LEAD ? "" : fmt(s->w, ",\"customer_id\":\"%s\"", s->w->own)),
		201);

	return fmt(s->w, "%s", text_at(r.json, "id"));
}

/* The primary's host tells of the VM: one card in "front", and which definition it has. */
struct telling {
	struct stage *s;
	const char *definition, *host_facts;
};

static enum ud_code apply_tell(struct ud_ctx *cx, void *data)
{
	const struct telling *t = data;
	const char *text = ud_printf(cx->arena,
		"{\"uuid\":\"00000000-0000-4000-8000-000000000001\",\"name\":\"x\",\"power\":\"running\","
		"\"guest_agent\":\"connected\",\"memory_bytes\":1073741824,\"definition_hash\":\"%s\","
		"\"nics\":[{\"mac\":\"52:54:00:00:00:01\",\"source\":\"front\"}]}",
		t->definition);
	struct ud_machine m = { 0 };
	bool redefined;

	UD_TRY(ud_shape_read(cx, &ud_machine_shape, text, strlen(text), &m));
	UD_TRY(ud_inventory_seen(cx, t->s->vms[0].id, t->s->hosts[0].id, &m, &redefined));
	return ud_inventory_host(cx, t->s->hosts[1].id, t->host_facts);
}

#define RELEASE(n) "{\"hypervisor\":\"kvm\",\"hypervisor_version\":\"QEMU " n "\"}"

static void tell(struct stage *s, const char *definition, const char *host_facts)
{
	struct telling t = { s, definition, host_facts };

	world_write(s->w, apply_tell, &t);
}

static const char *make(struct stage *s)
{
	struct reply r = expect(s->w, OWN_APPROVER, "POST", "/v1/recovery-plans",
		fmt(s->w, "{\"name\":\"plan\",\"members\":[{\"vm_id\":\"%s\"}]}", s->vms[0].id),
		201);

	return fmt(s->w, "/v1/recovery-plans/%s", text_at(r.json, "id"));
}

static const char *entry(struct stage *s, const char *from, const char *real, const char *test)
{
	return fmt(s->w,
		"{\"network_id\":\"%s\",\"target_site_id\":\"%s\",\"real_network_id\":%s,"
		"\"test_network_id\":%s}",
		from, s->site, real ? fmt(s->w, "\"%s\"", real) : "null",
		test ? fmt(s->w, "\"%s\"", test) : "null");
}

static struct reply say(
	struct stage *s, enum who who, const char *plan, const char *entries, int status)
{
	struct reply r =
		call(s->w, who, "PATCH", plan, fmt(s->w, "{\"network_map\":%s}", entries), any);

	if (r.status != status)
		fail_msg("%d: %s", r.status, r.body);
	return r;
}

/* Who may say which networks, and what is no map. */
static void a_map_of_a_plan_has_rules(void **state)
{
	struct stage *s = *state;
	const char *from = network(s, LEAD, "front", "production");
	const char *theirs = network(s, LEAD, "theirs", "production");
	const char *own = network(s, LEAD, "own", "production");
	const char *bubble = network(s, LEAD, "bubble", "test");
	const char *plan = make(s);
	const char *customer = fmt(s->w, "{\"customer_id\":\"%s\"}", s->w->other);
	const char *one = entry(s, from, own, bubble);

	assert_int_equal(
		call(s->w, LEAD, "PATCH", fmt(s->w, "/v1/networks/%s", theirs), customer, any)
			.status,
		200);
	const struct {
		enum who who;
		const char *entries, *rule;
	} rows[] = {
		{ LEAD, "[{}]", "required" },
		{ LEAD, fmt(s->w, "[%s]", entry(s, from, NULL, NULL)), "required" },
		{ LEAD, fmt(s->w, "[%s]", entry(s, from, bubble, NULL)), "wrong_purpose" },
		{ LEAD, fmt(s->w, "[%s]", entry(s, from, own, own)), "wrong_purpose" },
		{ LEAD, fmt(s->w, "[%s]", entry(s, from, theirs, NULL)), "not_found" },
		{ LEAD, fmt(s->w, "[%s,%s]", one, one), "duplicate" },
		{ OWN_APPROVER, fmt(s->w, "[%s]", one), "not_allowed" },
	};

	for (size_t i = 0; i < UD_LEN(rows); i++)
		assert_string_equal(text_at(say(s, rows[i].who, plan, rows[i].entries, 422).json,
					    "errors.0.code"),
			rows[i].rule);
	customer = fmt(s->w, "{\"customer_id\":\"%s\"}", s->w->own);
	assert_int_equal(
		call(s->w, LEAD, "PATCH", fmt(s->w, "/v1/networks/%s", own), customer, any).status,
		200);
	say(s, OWN_APPROVER, plan, fmt(s->w, "[%s]", entry(s, from, own, NULL)), 200);
	say(s, LEAD, plan, fmt(s->w, "[%s]", one), 200);
	/* what stands there is nobody's change */
	assert_int_equal(
		call(s->w, OWN_APPROVER, "PATCH", plan, "{\"note\":\"seen\"}", any).status, 200);
	say(s, OWN_APPROVER, plan, "null", 200);
}

/* A command of a verb names this switch. */
static void sent(struct stage *s, const char *verb, const char *name)
{
	assert_int_equal(stage_count(s,
				 fmt(s->w,
					 "SELECT count(*) FROM commands WHERE verb = '%s'"
					 " AND payload LIKE '%%\"network\":\"%s\"%%'",
					 verb, name)),
		1);
}

static const char *run_plan(struct stage *s, const char *kind, const char *reason, const char *plan)
{
	const char *headers[] = { fmt(s->w, "Idempotency-Key: %s", kind), NULL };
	struct reply r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"%s\",\"plan_id\":\"%s\","
			"\"reason_code\":\"%s\"}}",
			kind, strrchr(plan, '/') + 1, reason),
		headers);

	if (r.status != 201)
		fail_msg("%s", r.body);
	const char *run = fmt(s->w, "%s", text_at(r.json, "failover_id"));

	stage_approve(s, run);
	stage_settle(s);
	return run;
}

/* Cards are plugged in as the plan says, in tests and for real, whatever the network says. */
static void a_run_takes_the_networks_of_its_plan(void **state)
{
	struct stage *s = *state;
	const char *from = network(s, LEAD, "front", "production");
	const char *usual = network(s, LEAD, "usual", "production");
	const char *special = network(s, LEAD, "special", "production");
	const char *bubble = network(s, LEAD, "bubble", "test");
	const char *plan = make(s);

	expect(s->w, LEAD, "PUT", fmt(s->w, "/v1/networks/%s/failover-map", from),
		fmt(s->w, "{\"entries\":[{\"target_site_id\":\"%s\",\"real_network_id\":\"%s\"}]}",
			s->site, usual),
		200);
	tell(s, "aa", RELEASE("7"));
	say(s, LEAD, plan, fmt(s->w, "[%s]", entry(s, from, special, bubble)), 200);
	const char *run = run_plan(s, "test", "validate_replication", plan);

	sent(s, "test_start", "bubble");
	assert_string_equal(stage_text(s, run, "network_map.0.real_network_id"), special);
	assert_string_equal(stage_text(s, run, "plan.network_map.0.test_network_id"), bubble);
	stage_press(s, OWN_OPERATOR, run, "cleanup-test", "{}", 202);
	stage_settle(s);
	run_plan(s, "planned", "host_maintenance", plan);
	sent(s, "promote", "special");
}

static void validate(struct stage *s, const char *plan)
{
	struct reply r =
		expect(s->w, OWN_APPROVER, "POST", fmt(s->w, "%s/validate", plan), "{}", 200);

	if (strcmp(text_at(r.json, "readiness"), "verified") != 0)
		fail_msg("%s", r.body);
}

static const char *readiness(struct stage *s, const char *path)
{
	return fmt(s->w, "%s",
		text_at(expect(s->w, OWN_VIEWER, "GET", path, NULL, 200).json, "readiness"));
}

static const char *because(struct stage *s, const char *path)
{
	return fmt(s->w, "%s",
		text_at(expect(s->w, OWN_VIEWER, "GET", path, NULL, 200).json, "stale_because.0"));
}

static void set(struct stage *s, const char *network_id, const char *to)
{
	expect(s->w, LEAD, "PUT", fmt(s->w, "/v1/networks/%s/failover-map", network_id),
		fmt(s->w, "{\"entries\":[{\"target_site_id\":\"%s\",\"real_network_id\":\"%s\"}]}",
			s->site, to),
		200);
}

static enum ud_code renew(struct ud_ctx *cx, void *data)
{
	const struct stage *s = data;

	return ud_exec(cx, NULL, "UPDATE agents SET certificate_serial = 'renewed' WHERE id = $1",
		UD_VALS(ud_t(s->hosts[1].agent_id)));
}

/* Seen at once by who asks, by everybody after some minutes, told once; and gone with a new look.
 */
static void wants_stale(struct stage *s, const char *plan, const char *reason, int64_t told)
{
	static const char count[] =
		"SELECT count(*) FROM events WHERE type = 'recovery_plan.stale'";
	const char *path = fmt(s->w, "%s/readiness", plan);

	assert_string_equal(readiness(s, plan), "verified");
	assert_string_equal(readiness(s, path), "stale");
	assert_string_equal(because(s, path), reason);
	stage_pass(s, 601);
	stage_settle(s);
	assert_string_equal(readiness(s, plan), "stale");
	assert_string_equal(because(s, plan), reason);
	assert_int_equal(stage_count(s, count), told);
	validate(s, plan);
	assert_string_equal(readiness(s, plan), "verified");
	assert_string_equal(because(s, plan), "");
}

static void what_a_plan_stands_on_makes_it_stale(void **state)
{
	struct stage *s = *state;
	const char *from = network(s, LEAD, "front", "production");
	const char *one = network(s, LEAD, "one", "production");
	const char *two = network(s, LEAD, "two", "production");
	const char *plan = make(s);

	set(s, from, one);
	tell(s, "aa", RELEASE("7"));
	validate(s, plan);
	/* time alone, and the same told once more, change nothing */
	stage_pass(s, 1300);
	tell(s, "aa", RELEASE("7"));
	stage_settle(s);
	assert_string_equal(readiness(s, plan), "verified");
	tell(s, "bb", RELEASE("7"));
	wants_stale(s, plan, "members", 1);
	tell(s, "bb", RELEASE("8"));
	wants_stale(s, plan, "hosts", 2);
	world_write(s->w, renew, s);
	wants_stale(s, plan, "certificates", 3);
	set(s, from, two);
	wants_stale(s, plan, "networks", 4);
	stage_pass(s, 31 * 86400);
	assert_string_equal(readiness(s, plan), "stale");
	assert_string_equal(because(s, plan), "age");
	assert_int_equal(
		call(s->w, OWN_APPROVER, "PATCH", plan, "{\"note\":\"new\"}", any).status, 200);
	assert_string_equal(because(s, plan), "plan");
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_map_of_a_plan_has_rules),
		STORY(a_run_takes_the_networks_of_its_plan),
		STORY(what_a_plan_stands_on_makes_it_stale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
