/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time asks of failovers and of protected VMs: windows that are over, rotations that come
 * home, the weekly question, and drills that are overdue. Months pass in milliseconds.
 */
#include <string.h>

#include "support/stage.h"

enum { DAY = 86400, HOUR = 3600 };
static int keys;

static int begin(void **state)
{
	*state = stage_begin(2);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

static const char *instant(struct stage *s, int64_t seconds)
{
	char at[UD_TIME_TEXT];

	ud_time_format(ud_now_ms(&s->w->env) + seconds * 1000, at);
	return fmt(s->w, "%s", at);
}

/* A planned failover of the first VM by a ticket; more: further members of the request. */
static struct reply file(struct stage *s, const char *reason, const char *more)
{
	const char *headers[] = { fmt(s->w, "Idempotency-Key: window-%d", keys++), NULL };

	return call(s->w, OWN_OPERATOR, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"planned\",\"reason_code\":\"%s\",\"vm_ids\":[\"%s\"]%s}}",
			reason, s->vms[0].id, more),
		headers);
}

static void approve(struct stage *s, const char *id)
{
	static const enum who both[] = { OWN_APPROVER, LEAD };
	struct reply r =
		expect(s->w, OWN_OPERATOR, "GET", fmt(s->w, "/v1/tickets/%s", id), NULL, 200);
	const char *body = fmt(s->w, "{\"plan_hash\":\"%s\"}", text_at(r.json, "plan_hash"));

	for (size_t i = 0; i < UD_LEN(both); i++)
		expect(s->w, both[i], "POST", fmt(s->w, "/v1/tickets/%s/approve", id), body, 200);
	stage_settle(s);
}

/* Filed, approved and carried out; the ids of the ticket and of the run. */
static void carry_out(struct stage *s, const char *reason, const char *more, const char **ret_id,
	const char **ret_run)
{
	struct reply r = file(s, reason, more);

	if (r.status != 201)
		fail_msg("%s", r.body);
	*ret_id = fmt(s->w, "%s", text_at(r.json, "id"));
	*ret_run = fmt(s->w, "%s", text_at(r.json, "failover_id"));
	approve(s, *ret_id);
	stage_press(s, OWN_APPROVER, *ret_run, "verify", "{\"result\":\"pass\"}", 200);
	stage_settle(s);
	stage_wants(s, *ret_run, "protected", NULL);
}

static int64_t told(struct stage *s, const char *event)
{
	return stage_count(s,
		fmt(s->w, "SELECT COUNT(*) FROM notifications WHERE event = 'ticket.%s'", event));
}

static void a_window_that_is_over_is_told_once(void **state)
{
	struct stage *s = *state;
	const char *id, *run;
	struct reply r;

	r = file(s, "failback", fmt(s->w, ",\"window_ends_at\":\"%s\"", instant(s, HOUR)));
	expect_code(&r, 422, "validation_failed"); /* the way home does not come back */
	r = file(s, "host_maintenance", fmt(s->w, ",\"window_ends_at\":\"%s\"", instant(s, -HOUR)));
	expect_code(&r, 422, "validation_failed");
	carry_out(s, "host_maintenance",
		fmt(s->w, ",\"window_ends_at\":\"%s\"", instant(s, 4 * HOUR)), &id, &run);
	stage_pass(s, 3 * HOUR);
	stage_round(s);
	assert_int_equal(told(s, "window_over"), 0);
	stage_pass(s, HOUR);
	stage_round(s);
	stage_round(s);
	int64_t n = told(s, "window_over");

	assert_true(n > 0);
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/tickets/%s/history?limit=200", id), NULL,
		200);
	assert_non_null(strstr(r.body, "\"ticket.window_over\""));
	stage_pass(s, HOUR);
	stage_round(s);
	assert_int_equal(told(s, "window_over"), n);
}

static void who_is_back_in_time_is_not_warned(void **state)
{
	struct stage *s = *state;
	const char *id, *run;

	carry_out(s, "host_maintenance",
		fmt(s->w, ",\"window_ends_at\":\"%s\"", instant(s, 4 * HOUR)), &id, &run);
	carry_out(s, "failback", "", &id, &run);
	assert_int_equal(stage_where(s, 0), 0);
	stage_pass(s, 5 * HOUR);
	stage_round(s);
	assert_int_equal(told(s, "window_over"), 0);
}

static void a_rotation_asks_for_its_way_home(void **state)
{
	struct stage *s = *state;
	const char *id, *run, *ends = instant(s, 7 * DAY);
	const char *waiting = "/v1/tickets?type=failover&approval=awaiting";

	carry_out(
		s, "compliance_rotation", fmt(s->w, ",\"window_ends_at\":\"%s\"", ends), &id, &run);
	stage_pass(s, 5 * DAY);
	stage_round(s);
	struct reply r = expect(s->w, OWN_APPROVER, "GET", waiting, NULL, 200);

	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
	stage_pass(s, DAY + HOUR);
	stage_round(s);
	stage_round(s);
	r = expect(s->w, OWN_APPROVER, "GET", waiting, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 1);
	const char *home = fmt(s->w, "%s", text_at(r.json, "data.0.id"));

	stage_settle(s); /* replication tells of itself again */
	r = expect(s->w, OWN_APPROVER, "GET", fmt(s->w, "/v1/tickets/%s", home), NULL, 200);
	const char *back = fmt(s->w, "%s", text_at(r.json, "failover_id"));

	assert_string_equal(stage_text(s, back, "reason_code"), "failback");
	approve(s, home); /* it begins when the window ends, not before */
	stage_wants(s, back, "scheduled", NULL);
	assert_int_equal(stage_where(s, 0), 1);
	stage_pass(s, DAY);
	stage_settle(s);
	stage_press(s, OWN_APPROVER, back, "verify", "{\"result\":\"pass\"}", 200);
	stage_settle(s);
	stage_wants(s, back, "protected", NULL);
	assert_int_equal(stage_where(s, 0), 0);
}

static void what_stays_unprotected_is_asked_about_each_week(void **state)
{
	struct stage *s = *state;
	struct reply r;

	stage_kill(s, 0);
	const char *headers[] = { fmt(s->w, "Idempotency-Key: window-%d", keys++), NULL };

	r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"unplanned\",\"reason_code\":\"site_outage\",\"vm_ids\":[\"%s\"]}}",
			s->vms[0].id),
		headers);
	const char *id = fmt(s->w, "%s", text_at(r.json, "id"));
	const char *run = fmt(s->w, "%s", text_at(r.json, "failover_id"));

	approve(s, id);
	stage_attest(s, run, 0);
	stage_settle(s);
	stage_press(s, OWN_APPROVER, run, "verify", "{\"result\":\"pass\"}", 200);
	stage_press(s, ENGINEER, run, "commit", "{}", 202);
	stage_settle(s);
	stage_wants(s, run, "committed_unprotected", NULL);
	stage_pass(s, 6 * DAY);
	stage_round(s);
	assert_int_equal(told(s, "still_unprotected"), 0);
	stage_pass(s, DAY + HOUR);
	stage_round(s);
	stage_round(s);
	int64_t n = told(s, "still_unprotected");

	assert_true(n > 0);
	stage_pass(s, 7 * DAY);
	stage_round(s);
	assert_int_equal(told(s, "still_unprotected"), 2 * n);
	stage_revive(s, 0);
	stage_settle(s);
	stage_press(s, ENGINEER, run, "reverse", "{}", 202);
	stage_settle(s);
	stage_wants(s, run, "protected", NULL);
	stage_pass(s, 8 * DAY);
	stage_round(s);
	assert_int_equal(told(s, "still_unprotected"), 2 * n);
}

static void drill(struct stage *s, int vms)
{
	const char *run = stage_start(s, "test", "validate_replication", vms, "");

	stage_settle(s);
	stage_press(s, OWN_OPERATOR, run, "cleanup-test", "{}", 202);
	stage_settle(s);
	stage_wants(s, run, "solved", NULL);
}

/* How often it went up because the drill was late; clocks that run out are another event. */
static int escalations(struct stage *s, const char *path)
{
	struct reply r =
		expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s/history?limit=200", path), NULL, 200);
	int n = 0;

	for (const char *p = r.body; (p = strstr(p, "\"ticket.escalated\"")); p++)
		n++;
	return n;
}

static void a_vm_that_is_not_tested_for_a_month_has_a_ticket(void **state)
{
	static const char count[] =
		"SELECT COUNT(*) FROM tickets WHERE type = 'drill' AND subject LIKE 'A test%'";
	struct stage *s = *state;

	stage_pass(s, 30 * DAY);
	stage_round(s);
	assert_int_equal(stage_count(s, count), 0);
	drill(s, 1); /* of the first of both VMs */
	stage_pass(s, 2 * DAY);
	stage_round(s);
	stage_round(s);
	assert_int_equal(stage_count(s, count), 1);
	struct reply r = expect(s->w, OWN_VIEWER, "GET", "/v1/tickets?type=drill", NULL, 200);

	const char *path = fmt(s->w, "/v1/tickets/%s", text_at(r.json, "data.0.id"));

	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_string_equal(text_at(r.json, "subject"), "A test failover is overdue: 1 VM");
	assert_string_equal(text_at(r.json, "resource_ids.0"), s->vms[1].id);
	assert_non_null(strstr(text_at(r.json, "body"), s->vms[1].name));
	stage_pass(s, 12 * DAY);
	stage_round(s);
	assert_int_equal(escalations(s, path), 0);
	stage_pass(s, 2 * DAY); /* 46 days */
	stage_round(s);
	stage_round(s);
	assert_int_equal(escalations(s, path), 1);
	assert_int_equal(stage_count(s, count), 1);
	drill(s, 2); /* from here on both are tested again */
	stage_pass(s, 30 * DAY);
	stage_round(s);
	assert_int_equal(stage_count(s, count), 1);
	stage_pass(s, 2 * DAY);
	stage_round(s);
	assert_int_equal(stage_count(s, count), 2); /* one for both */
}

static enum ud_code long_ago(struct ud_ctx *cx, void *data)
{
	(void)data;
	return ud_exec(cx, NULL, "UPDATE replications SET seeded_at = $1",
		UD_VALS(ud_i(cx->now_ms - INT64_C(181) * DAY * 1000)));
}

static void half_a_year_without_a_planned_failover_has_one_too(void **state)
{
	static const char count[] =
		"SELECT COUNT(*) FROM tickets WHERE type = 'drill' AND subject LIKE 'A planned%'";
	struct stage *s = *state;
	const char *id, *run;

	/* tokens of people do not last so long: their protection began that long ago */
	world_write(s->w, long_ago, s);
	stage_round(s);
	assert_int_equal(stage_count(s, count), 0);
	carry_out(s, "host_maintenance", "", &id, &run);
	stage_pass(s, 2 * DAY);
	stage_round(s);
	stage_round(s);
	assert_int_equal(stage_count(s, count), 1);
	struct reply r = expect(
		s->w, OWN_VIEWER, "GET", "/v1/tickets?type=drill&sort=-created_at", NULL, 200);

	assert_non_null(strstr(r.body, "A planned failover is overdue: 1 VM\""));
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_window_that_is_over_is_told_once),
		STORY(who_is_back_in_time_is_not_warned),
		STORY(a_rotation_asks_for_its_way_home),
		STORY(what_stays_unprotected_is_asked_about_each_week),
		STORY(a_vm_that_is_not_tested_for_a_month_has_a_ticket),
		STORY(half_a_year_without_a_planned_failover_has_one_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
