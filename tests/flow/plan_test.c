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

/* The one change with this path; fails when there is none. */
static const json_t *change_at(const struct reply *r, const char *path)
{
	const json_t *list = json_object_get(r->json, "changes");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);

		if (strcmp(json_string_value(json_object_get(c, "path")), path) == 0)
			return c;
	}
	fail_msg("%s is not in %s", path, r->body);
	return NULL;
}

static int64_t version_at(struct stage *s, const char *path)
{
	struct reply r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);

	return json_integer_value(json_object_get(r.json, "version"));
}

/* Each change by its path, with both values; what stayed is not named. */
static void versions_are_compared(void **state)
{
	struct stage *s = *state;
	const char *headers[] = { "If-Match: *", NULL };
	const char *id = fmt(s->w, "%s", text_at(make(s, three(s), "", 201).json, "id"));
	const char *path = fmt(s->w, "/v1/recovery-plans/%s", id);
	int64_t first = version_at(s, path);
	const char *members = fmt(s->w, "[{\"vm_id\":\"%s\"},{\"vm_id\":\"%s\",\"group\":2}]",
		s->vms[0].id, s->vms[2].id);
	struct reply r = call(s->w, OWN_APPROVER, "PATCH", path,
		fmt(s->w,
			"{\"note\":\"moved\",\"members\":%s,\"groups\":[{\"group\":2,\"gate\":"
			"{\"level\":\"os\"}}]}",
			members),
		headers);

	assert_int_equal(r.status, 200);
	int64_t second = version_at(s, path);
	const char *diff = fmt(s->w, "%s/versions/%lld/diff", path, (long long)second);

	r = expect(s->w, OWN_VIEWER, "GET", diff, NULL, 200);
	assert_int_equal(json_integer_value(json_object_get(r.json, "against")), first);
	assert_string_equal(
		json_string_value(json_object_get(change_at(&r, "/note"), "to")), "moved");
	assert_true(json_is_null(json_object_get(change_at(&r, "/note"), "from")));
	const json_t *c = change_at(&r, fmt(s->w, "/members/%s/group", s->vms[2].id));

	assert_int_equal(json_integer_value(json_object_get(c, "from")), 1);
	assert_int_equal(json_integer_value(json_object_get(c, "to")), 2);
	c = change_at(&r, fmt(s->w, "/members/%s", s->vms[1].id));
	assert_true(json_is_object(json_object_get(c, "from")));
	assert_true(json_is_null(json_object_get(c, "to")));
	/* those that are in both changed places */
	c = change_at(&r, "/members");
	assert_string_equal(text_at(json_object_get(c, "from"), "0"), s->vms[2].id);
	assert_string_equal(text_at(json_object_get(c, "to"), "0"), s->vms[0].id);
	change_at(&r, "/groups");
	assert_int_equal(json_array_size(json_object_get(r.json, "changes")), 5);
	/* the other way round, with itself, the first one, one that never was */
	r = expect(s->w, OWN_VIEWER, "GET",
		fmt(s->w, "%s/versions/%lld/diff?against=%lld", path, (long long)first,
			(long long)second),
		NULL, 200);
	assert_string_equal(
		json_string_value(json_object_get(change_at(&r, "/note"), "from")), "moved");
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s?against=%lld", diff, (long long)second),
		NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "changes")), 0);
	r = expect(s->w, OWN_VIEWER, "GET",
		fmt(s->w, "%s/versions/%lld/diff", path, (long long)first), NULL, 200);
	assert_true(json_is_null(json_object_get(change_at(&r, "/name"), "from")));
	expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s/versions/99/diff", path), NULL, 404);
	expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s/versions/x/diff", path), NULL, 400);
	expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s?against=99", diff), NULL, 404);
	expect(s->w, OTHER_ADMIN, "GET", diff, NULL, 404);
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

/* ---- gates ---- */

/* A plan of three, one after the other, whose first group has this gate. */
static const char *gated(struct stage *s, const char *gate)
{
	const char *groups = fmt(s->w, ",\"groups\":[{\"group\":0,\"gate\":%s}]", gate);

	return fmt(s->w, "%s", text_at(make(s, three(s), groups, 201).json, "id"));
}

/* Did the run leave the VMs after the first alone? */
static void wants_the_rest_untouched(struct stage *s)
{
	assert_int_equal(stage_where(s, 0), 1);
	for (int i = 1; i < 3; i++)
		assert_int_equal(s->vms[i].at[1].starts, 0);
}

static void a_gate_is_said_by_field(void **state)
{
	struct stage *s = *state;
	static const struct {
		const char *groups, *rule;
	} rows[] = {
		{ "[{\"group\":0},{\"group\":0}]", "duplicate" },
		{ "[{\"group\":7}]", "not_found" },
		{ "[{\"gate\":{}}]", "required" },
		{ "[{\"group\":0,\"gate\":{\"level\":\"moon\"}}]", "not_allowed" },
		{ "[{\"group\":0,\"gate\":{\"on_fail\":\"pray\"}}]", "not_allowed" },
		{ "[{\"group\":0,\"gate\":{\"timeout_seconds\":1}}]", "out_of_range" },
	};

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r =
			make(s, three(s), fmt(s->w, ",\"groups\":%s", rows[i].groups), 422);

		if (strcmp(text_at(r.json, "errors.0.code"), rows[i].rule) != 0)
			fail_msg("%s: %s", rows[i].groups, r.body);
	}
	make(s, three(s), ",\"groups\":[{\"group\":0,\"wall\":1}]", 400);
	make(s, three(s), ",\"checks\":{\"moon\":1}", 400);
	/* what was not said stands there all the same, and is approved with the rest */
	const char *plan = gated(s, "{\"level\":\"os\"}");
	struct reply r = expect(
		s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/recovery-plans/%s", plan), NULL, 200);

	assert_string_equal(text_at(r.json, "groups.0.gate.level"), "os");
	assert_string_equal(text_at(r.json, "groups.0.gate.on_fail"), "pause");
	const char *run = run_plan(s, "test", "test_recovery_plan", plan);

	assert_string_equal(stage_text(s, run, "plan.groups.0.gate.level"), "os");
	assert_string_equal(stage_text(s, run, "groups.1.gate.level"), "probe");
}

/* Nothing is said of gates: a guest that does not come up holds those after it until people have
 * looked. */
static void a_guest_that_is_not_up_holds_the_next(void **state)
{
	struct stage *s = *state;
	const char *id = fmt(s->w, "%s", text_at(make(s, three(s), "", 201).json, "id"));

	s->vms[0].unseen = 1;
	const char *run = run_plan(s, "planned", "host_maintenance", id);

	stage_settle(s);
	stage_wants(s, run, "waiting", "verifying");
	assert_string_equal(stage_text(s, run, "waiting_for.code"), "gate_failed");
	assert_string_equal(stage_text(s, run, "waiting_for.what"), "check_power");
	assert_string_equal(stage_text(s, run, "waiting_for.actions.0"), "retry");
	assert_string_equal(stage_text(s, run, "waiting_for.actions.1"), "skip");
	wants_the_rest_untouched(s);
	stage_pass(s, 3600);
	stage_settle(s);
	wants_the_rest_untouched(s);
	stage_press(s, ENGINEER, run,
		fmt(s->w, "steps/%lld/retry", (long long)stage_waiting_step(s, run)), "{}", 200);
	stage_settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	assert_string_equal(stage_text(s, run, "verdict"), "passed");
	assert_true(s->vms[0].at[1].started < s->vms[1].at[1].started);
	assert_true(s->vms[1].at[1].started < s->vms[2].at[1].started);
}

/* People may go on without it; then the rest of its looks hold nobody, and it stays a failure. */
static void people_let_a_gate_pass(void **state)
{
	struct stage *s = *state;
	const char *run =
		run_plan(s, "planned", "host_maintenance", gated(s, "{\"on_fail\":\"pause\"}"));

	s->vms[0].unseen = 2;
	stage_settle(s);
	stage_wants(s, run, "waiting", NULL);
	stage_press(s, ENGINEER, run,
		fmt(s->w, "steps/%lld/skip", (long long)stage_waiting_step(s, run)),
		"{\"notes\":\"known, goes on\"}", 200);
	stage_settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	assert_string_equal(stage_text(s, run, "verdict"), "failed");
	assert_int_equal(s->vms[2].at[1].starts, 1);
}

static void a_gate_that_stops_is_not_passed(void **state)
{
	struct stage *s = *state;
	const char *run =
		run_plan(s, "planned", "host_maintenance", gated(s, "{\"on_fail\":\"stop\"}"));

	s->vms[0].unseen = 1;
	stage_settle(s);
	assert_string_equal(stage_text(s, run, "waiting_for.code"), "gate_shut");
	stage_press(s, ENGINEER, run,
		fmt(s->w, "steps/%lld/skip", (long long)stage_waiting_step(s, run)), "{}", 409);
	stage_press(s, ENGINEER, run, "cancel", "{}", 200);
	stage_settle(s);
	/* those that were held run where they were; the first holds nobody any more */
	assert_int_equal(stage_where(s, 0), 1);
	assert_int_equal(stage_where(s, 1), 0);
	assert_int_equal(stage_where(s, 2), 0);
	stage_wants(s, run, "customer_validation", NULL);
	assert_string_equal(stage_text(s, run, "verdict"), "failed");
}

static void a_gate_asks_for_its_level_only(void **state)
{
	struct stage *s = *state;
	const char *run =
		run_plan(s, "planned", "host_maintenance", gated(s, "{\"on_fail\":\"continue\"}"));

	s->vms[0].unseen = 1;
	stage_settle(s);
	stage_wants(s, run, "customer_validation", NULL);
	assert_string_equal(stage_text(s, run, "verdict"), "failed");
}

/* An unplanned one may also be rolled back while it is held. */
static void a_held_failover_can_be_rolled_back(void **state)
{
	struct stage *s = *state;
	const char *id = fmt(s->w, "%s", text_at(make(s, three(s), "", 201).json, "id"));

	stage_kill(s, 0);
	stage_pass(s, 120);
	s->vms[0].unseen = 1;
	const char *run = run_plan(s, "unplanned", "site_outage", id);

	stage_settle(s);
	for (int i = 0; i < 3; i++)
		stage_attest(s, run, i);
	stage_settle(s);
	assert_string_equal(stage_text(s, run, "waiting_for.code"), "gate_failed");
	assert_string_equal(stage_text(s, run, "waiting_for.actions.0"), "rollback");
	stage_press(s, ENGINEER, run, "rollback", "{}", 202);
	stage_settle(s);
	assert_int_equal(stage_where(s, 0), -1);
	for (int i = 1; i < 3; i++)
		assert_int_equal(s->vms[i].at[1].starts, 0);
}

/* Drills go in the same order, and nothing of those that were held is left behind. */
static void a_drill_keeps_the_order_too(void **state)
{
	struct stage *s = *state;
	const char *id = fmt(s->w, "%s", text_at(make(s, three(s), "", 201).json, "id"));

	s->vms[0].unseen = 1;
	const char *run = run_plan(s, "test", "test_recovery_plan", id);

	stage_settle(s);
	stage_wants(s, run, "waiting", "verifying");
	assert_true(s->vms[0].at[1].test);
	assert_false(s->vms[1].at[1].test);
	assert_false(s->vms[2].at[1].test);
	stage_press(s, OWN_OPERATOR, run, "cleanup-test", "{}", 202);
	stage_settle(s);
	for (int i = 0; i < 3; i++)
		assert_false(s->vms[i].at[1].test);
	stage_wants(s, run, "rolled_back", NULL);
}

/* ---- points ---- */

static const char *point(struct stage *s, const char *id, int age_s, const char *consistency)
{
	return fmt(s->w,
		"{\"id\":\"%s\",\"n\":7,\"taken_at\":\"2026-11-23T09:41:07Z\",\"age_ms\":%d,"
		"\"consistency\":\"%s\",\"requested\":\"crash\",\"bytes\":4096,\"roots\":{},"
		"\"epoch\":1,\"state\":\"complete\"}",
		id, age_s * 1000, consistency);
}

static const char *rpt(struct stage *s, const char *two)
{
	return fmt(s->w, "rpt_000000000000000000000000%s", two);
}

/* An unplanned run of a plan with this policy, from points that the replicas tell. */
static const char *lose_all(struct stage *s, const char *policy)
{
	const char *id = fmt(s->w, "%s", text_at(make(s, three(s), policy, 201).json, "id"));

	stage_kill(s, 0);
	stage_pass(s, 120);
	const char *run = run_plan(s, "unplanned", "site_outage", id);

	stage_settle(s);
	for (int i = 0; i < 3; i++)
		stage_attest(s, run, i);
	stage_settle(s);
	return run;
}

static int64_t started_from(struct stage *s, const char *point_id)
{
	return stage_count(s,
		fmt(s->w, "SELECT COUNT(*) FROM workflows WHERE recovery_point_id = '%s'",
			point_id));
}

/* The newest that lie together: an old point of one VM makes the others go back to its time. */
static void all_start_from_one_time(void **state)
{
	struct stage *s = *state;

	s->vms[0].told_points = fmt(s->w, "%s,%s", point(s, rpt(s, "a1"), 10, "crash"),
		point(s, rpt(s, "a2"), 310, "crash"));
	s->vms[1].told_points = fmt(s->w, "%s,%s", point(s, rpt(s, "b1"), 20, "crash"),
		point(s, rpt(s, "b2"), 320, "crash"));
	s->vms[2].told_points = point(s, rpt(s, "c2"), 300, "crash");
	const char *run = lose_all(s, ",\"point_policy\":\"common\",\"point_within_seconds\":60");

	stage_wants(s, run, "customer_validation", NULL);
	assert_int_equal(started_from(s, rpt(s, "a2")), 1);
	assert_int_equal(started_from(s, rpt(s, "b2")), 1);
	assert_int_equal(started_from(s, rpt(s, "c2")), 1);
}

static void none_starts_when_no_time_is_common(void **state)
{
	struct stage *s = *state;

	s->vms[2].told_points = point(s, rpt(s, "c2"), 3000, "crash");
	const char *run = lose_all(s, ",\"point_policy\":\"common\",\"point_within_seconds\":60");

	assert_string_equal(stage_text(s, run, "waiting_for.code"), "no_common_point");
	for (int i = 0; i < 3; i++)
		assert_int_equal(s->vms[i].at[1].starts, 0);
}

static void applications_agreed_to_the_point(void **state)
{
	struct stage *s = *state;

	for (int i = 0; i < 3; i++)
		s->vms[i].told_points =
			fmt(s->w, "%s,%s", point(s, rpt(s, fmt(s->w, "%d1", i)), 10, "crash"),
				point(s, rpt(s, fmt(s->w, "%d2", i)), 70, "application"));
	const char *run = lose_all(s, ",\"point_policy\":\"latest_app_consistent\"");

	stage_wants(s, run, "customer_validation", NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(started_from(s, rpt(s, fmt(s->w, "%d2", i))), 1);
}

/* Tests go by the points that are known, and a plan may want one to be chosen. */
static void the_policy_holds_for_tests(void **state)
{
	struct stage *s = *state;
	const char *id = fmt(s->w, "%s",
		text_at(make(s, three(s), ",\"point_policy\":\"latest_app_consistent\"", 201).json,
			"id"));
	const char *run = run_plan(s, "test", "test_recovery_plan", id);

	stage_settle(s);
	assert_string_equal(stage_text(s, run, "waiting_for.code"), "no_consistent_point");
	make(s, three(s), ",\"point_policy\":\"common\"", 422);
	make(s, three(s), ",\"point_within_seconds\":5", 422);
	id = fmt(s->w, "%s",
		text_at(make(s, three(s), ",\"point_policy\":\"chosen\"", 201).json, "id"));
	struct reply r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"test\",\"plan_id\":\"%s\","
			"\"reason_code\":\"test_recovery_plan\"}}",
			id),
		(const char *[]){ "Idempotency-Key: chosen", NULL });

	assert_int_equal(r.status, 201);
	r = expect(s->w, OWN_VIEWER, "GET",
		fmt(s->w, "/v1/failovers/%s", text_at(r.json, "failover_id")), NULL, 200);
	assert_non_null(strstr(r.body, "choose_point"));
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
		STORY(versions_are_compared),
		STORY(a_plan_keeps_its_order),
		STORY(one_that_is_stuck_holds_those_after_it),
		STORY(a_gate_is_said_by_field),
		STORY(a_guest_that_is_not_up_holds_the_next),
		STORY(people_let_a_gate_pass),
		STORY(a_gate_that_stops_is_not_passed),
		STORY(a_gate_asks_for_its_level_only),
		STORY(a_held_failover_can_be_rolled_back),
		STORY(a_drill_keeps_the_order_too),
		STORY(all_start_from_one_time),
		STORY(none_starts_when_no_time_is_common),
		STORY(applications_agreed_to_the_point),
		STORY(the_policy_holds_for_tests),
		STORY(an_overdue_drill_opens_a_ticket),
		cmocka_unit_test_setup_teardown(a_hundred_vms_go_together, begin_many, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
