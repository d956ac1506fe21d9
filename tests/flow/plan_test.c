/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery plans: their rules by the API, their order in runs, and a hundred VMs in one.
 */
#include <string.h>

#include "base/env.h"
#include "support/stage.h"

enum { MANY = 100 };

static int begin(void **state)
{
	*state = stage_begin(3);
	return 0;
}

static int begin_many(void **state)
{
	*state = stage_begin(MANY);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

static struct reply make(struct stage *s, const char *members, const char *more, int status)
{
	static int n;

	return expect(s->w, OWN_APPROVER, "POST", "/v1/recovery-plans",
		fmt(s->w, "{\"name\":\"plan %d\",\"members\":%s%s}", ++n, members, more), status);
}

/* Ask for a run of a plan by a ticket and approve it; the id of the run. */
static const char *run_plan(struct stage *s, const char *kind, const char *reason, const char *plan)
{
	const char *headers[] = { fmt(s->w, "Idempotency-Key: %s-%s", plan, kind), NULL };
	struct reply r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"%s\",\"plan_id\":\"%s\","
			"\"reason_code\":\"%s\"}}",
			kind, plan, reason),
		headers);

	if (r.status != 201)
		fail_msg("%s", r.body);
	const char *run = fmt(s->w, "%s", text_at(r.json, "failover_id"));

	stage_approve(s, run);
	return run;
}

static const char *three(struct stage *s)
{
	return fmt(s->w,
		"[{\"vm_id\":\"%s\",\"group\":1},{\"vm_id\":\"%s\",\"after\":[\"%s\"]},{\"vm_id\":\"%s\"}]",
		s->vms[2].id, s->vms[1].id, s->vms[0].id, s->vms[0].id);
}

static void an_order_that_cannot_be_is_refused(void **state)
{
	struct stage *s = *state;
	const char *a = s->vms[0].id, *b = s->vms[1].id;
	const struct {
		const char *members, *rule;
	} rows[] = {
		{ fmt(s->w,
			  "[{\"vm_id\":\"%s\",\"after\":[\"%s\"]},{\"vm_id\":\"%s\",\"after\":[\"%s\"]}]",
			  a, b, b, a),
			"cycle" },
		{ fmt(s->w, "[{\"vm_id\":\"%s\",\"after\":[\"%s\"]}]", a, a), "cycle" },
		{ fmt(s->w, "[{\"vm_id\":\"%s\"},{\"vm_id\":\"%s\"}]", a, a), "duplicate" },
		{ fmt(s->w, "[{\"vm_id\":\"%s\",\"after\":[\"%s\"]}]", a, b), "not_found" },
		{ fmt(s->w,
			  "[{\"vm_id\":\"%s\",\"after\":[\"%s\"]},{\"vm_id\":\"%s\",\"group\":1}]",
			  a, b, b),
			"order" },
		{ "[]", "required" },
		{ "[{\"vm_id\":\"vm_00000000000000000000000000\"}]", "not_found" },
	};

	for (size_t i = 0; i < UD_LEN(rows); i++)
		assert_string_equal(
			text_at(make(s, rows[i].members, "", 422).json, "errors.0.code"),
			rows[i].rule);
	make(s, fmt(s->w, "[{\"vm_id\":\"%s\"}]", a), ",\"commit_policy\":\"commit\"", 422);
}

static void versions_and_readiness_are_kept(void **state)
{
	struct stage *s = *state;
	const char *headers[] = { "If-Match: *", NULL };
	const char *id = fmt(s->w, "%s", text_at(make(s, three(s), "", 201).json, "id"));
	const char *path = fmt(s->w, "/v1/recovery-plans/%s", id);
	struct reply r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);

	assert_string_equal(text_at(r.json, "readiness"), "unverified");
	r = expect(s->w, OWN_APPROVER, "POST", fmt(s->w, "%s/validate", path), "{}", 200);
	assert_string_equal(text_at(r.json, "readiness"), "verified");
	r = call(s->w, OWN_APPROVER, "PATCH", path, "{\"note\":\"changed\"}", headers);
	assert_int_equal(r.status, 200);
	assert_string_equal(
		text_at(expect(s->w, OWN_VIEWER, "GET", path, NULL, 200).json, "readiness"),
		"stale");
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s/versions", path), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2);
	assert_string_equal(text_at(r.json, "data.0.document.note"), "changed");
	stage_kill(s, 1);
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s/readiness", path), NULL, 200);
	assert_true(json_is_true(json_object_get(r.json, "blocked")));
	assert_non_null(strstr(r.body, "target_unreachable"));
}

static void a_plan_keeps_its_order(void **state)
{
	struct stage *s = *state;
	const char *id = fmt(s->w, "%s", text_at(make(s, three(s), "", 201).json, "id"));
	const char *run = run_plan(s, "planned", "host_maintenance", id);

	stage_settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(stage_where(s, i), 1);
	/* stopped from the last to the first, started from the first to the last */
	assert_true(s->vms[2].at[0].stopped < s->vms[1].at[0].stopped);
	assert_true(s->vms[1].at[0].stopped < s->vms[0].at[0].stopped);
	assert_true(s->vms[0].at[1].started < s->vms[1].at[1].started);
	assert_true(s->vms[1].at[1].started < s->vms[2].at[1].started);
}

static void one_that_is_stuck_holds_those_after_it(void **state)
{
	struct stage *s = *state;
	const char *id = fmt(s->w, "%s", text_at(make(s, three(s), "", 201).json, "id"));

	s->fail_verb = "promote";
	s->fail_times = 1; /* the first VM's */
	const char *run = run_plan(s, "planned", "host_maintenance", id);

	stage_settle(s);
	stage_wants(s, run, "waiting", NULL);
	assert_int_equal(stage_where(s, 0), -1);
	assert_int_equal(stage_where(s, 1), -1);
	assert_int_equal(stage_where(s, 2), -1);
	for (int i = 0; i < 4; i++) {
		int64_t n = stage_waiting_step(s, run);

		if (!n)
			break;
		stage_press(
			s, ENGINEER, run, fmt(s->w, "steps/%lld/retry", (long long)n), "{}", 200);
		stage_settle(s);
	}
	stage_wants(s, run, "customer_validation", NULL);
	assert_true(s->vms[0].at[1].started < s->vms[1].at[1].started);
	assert_true(s->vms[1].at[1].started < s->vms[2].at[1].started);
}

static void an_overdue_drill_opens_a_ticket(void **state)
{
	struct stage *s = *state;
	const char *id = fmt(s->w, "%s",
		text_at(make(s, three(s), ",\"drill_interval_days\":31", 201).json, "id"));
	const char *count = "SELECT COUNT(*) FROM tickets WHERE type = 'drill'";

	stage_pass(s, 30 * 86400);
	stage_round(s);
	assert_int_equal(stage_count(s, count), 0);
	stage_pass(s, 2 * 86400);
	stage_round(s);
	stage_round(s);
	assert_int_equal(stage_count(s, count), 1);
	/* a drill that passed counts from then on */
	const char *run = run_plan(s, "test", "test_recovery_plan", id);

	stage_settle(s);
	stage_wants(s, run, "test_running", NULL);
	stage_press(s, OWN_OPERATOR, run, "cleanup-test", "{}", 202);
	stage_settle(s);
	stage_wants(s, run, "solved", NULL);
	struct reply r =
		expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/recovery-plans/%s", id), NULL, 200);

	assert_true(strlen(text_at(r.json, "last_drill_at")) > 0);
	stage_pass(s, 30 * 86400);
	stage_round(s);
	assert_int_equal(stage_count(s, count), 1);
}

static void a_hundred_vms_go_together(void **state)
{
	struct stage *s = *state;
	const char *members = "";

	for (int i = 0; i < MANY; i++)
		members = fmt(s->w, "%s%s{\"vm_id\":\"%s\",\"group\":%d}", members, i ? "," : "",
			s->vms[i].id, i * 4 / MANY);
	const char *id =
		fmt(s->w, "%s", text_at(make(s, fmt(s->w, "[%s]", members), "", 201).json, "id"));
	int64_t began = ud_mono_ms(&ud_env_real);
	const char *run = run_plan(s, "planned", "host_maintenance", id);
	int latest = 0;

	stage_settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	for (int g = 0; g < 4; g++) {
		int earliest = 1 << 30, last = 0;

		for (int i = g * MANY / 4; i < (g + 1) * MANY / 4; i++) {
			int started = s->vms[i].at[1].started;

			assert_int_equal(stage_where(s, i), 1);
			earliest = started < earliest ? started : earliest;
			last = started > last ? started : last;
		}
		assert_true(earliest > latest || g == 0);
		latest = last;
	}
	print_message("# %d VMs in 4 groups: %d commands in %lld ms\n", MANY, s->answered,
		(long long)(ud_mono_ms(&ud_env_real) - began));
}

#define STORY(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(an_order_that_cannot_be_is_refused),
		STORY(versions_and_readiness_are_kept),
		STORY(a_plan_keeps_its_order),
		STORY(one_that_is_stuck_holds_those_after_it),
		STORY(an_overdue_drill_opens_a_ticket),
		cmocka_unit_test_setup_teardown(a_hundred_vms_go_together, begin_many, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
