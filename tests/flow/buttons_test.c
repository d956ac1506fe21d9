/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Honest buttons of runs: wherever a run stands, for everybody and for each operation, a call does
 * what allowed_operations and blocked_operations say. The calls are dry runs: the same checks, no
 * effect.
 */
#include <string.h>

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

static const struct {
	const char *name, *body;
	bool step; /* names one of the run's steps */
} operations[] = {
	{ "verify", "{\"result\":\"pass\"}" },
	{ "commit", "{}" },
	{ "rollback", "{}" },
	{ "reverse", "{}" },
	{ "cleanup-test", "{}" },
	{ "cancel", "{}" },
	{ "extend-commit-timer", "{\"minutes\":5}" },
	{ "retry", "{}", true },
	{ "skip", "{}", true },
	{ "confirm", "{}", true },
};

static const enum who people[] = { OPERATOR, LEAD, ENGINEER, AUDITOR, OWN_ADMIN, OWN_APPROVER,
	OWN_OPERATOR, OWN_VIEWER };

/* Compared so far: cells, of which allowed. */
static struct {
	int cells, allowed, stands;
} counted;

static bool has(json_t *list, const char *member, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
	{
		json_t *v = member ? json_object_get(one, member) : one;

		if (json_is_string(v) && strcmp(json_string_value(v), name) == 0)
			return true;
	}
	return false;
}

static int status_of(
	struct stage *s, enum who who, const char *run, const char *operation, const char *body)
{
	return call(s->w, who, "POST",
		fmt(s->w, "/v1/failovers/%s/%s?dry_run=true", run, operation), body, NULL)
		.status;
}

/* Does the call go through? Of steps one has to. */
static bool goes(struct stage *s, enum who who, const char *run, size_t op, json_t *steps)
{
	json_t *step;
	size_t i;
	int status;

	if (!operations[op].step) {
		status = status_of(s, who, run, operations[op].name, operations[op].body);
		assert_true(status == 200 || status == 403 || status == 409 || status == 422);
		return status == 200;
	}
	json_array_foreach(steps, i, step)
	{
		status = status_of(s, who, run,
			fmt(s->w, "steps/%lld/%s",
				(long long)json_integer_value(json_object_get(step, "n")),
				operations[op].name),
			"{}");
		assert_true(status == 200 || status == 403 || status == 409 || status == 422);
		if (status == 200)
			return true;
	}
	return false;
}

static void compare(struct stage *s, enum who who, const char *run)
{
	struct reply r = expect(s->w, who, "GET", fmt(s->w, "/v1/failovers/%s", run), NULL, 200);
	json_t *seen = json_deep_copy(r.json); /* replies live until the next call */
	json_t *may = json_object_get(seen, "allowed_operations");
	json_t *may_not = json_object_get(seen, "blocked_operations");

	for (size_t op = 0; op < UD_LEN(operations); op++) {
		const char *name = operations[op].name;
		bool listed = has(may, NULL, name);

		if (listed == has(may_not, "op", name))
			fail_msg("%s is listed %s for %s", name, listed ? "twice" : "nowhere",
				who_names[who]);
		if (goes(s, who, run, op, json_object_get(seen, "steps")) != listed)
			fail_msg("%s in %s/%s by %s: %s, and the call says otherwise", name,
				json_string_value(json_object_get(seen, "state")),
				json_string_value(json_object_get(seen, "phase")), who_names[who],
				listed ? "allowed" : "blocked");
		counted.cells++;
		counted.allowed += listed;
	}
	json_decref(seen);
}

static void compare_all(struct stage *s, const char *run)
{
	for (size_t i = 0; i < UD_LEN(people); i++)
		compare(s, people[i], run);
	expect(s->w, OTHER_ADMIN, "POST", fmt(s->w, "/v1/failovers/%s/cancel?dry_run=true", run),
		"{}", 404);
	counted.stands++;
}

/* On until nothing moves, looking wherever the run has come to stand anew. */
static void walk(struct stage *s, const char *run)
{
	const char *before = "";
	bool more = true;

	while (more) {
		struct reply r = stage_run(s, run);
		const char *stand = fmt(s->w, "%s %s %s %s", text_at(r.json, "state"),
			text_at(r.json, "phase"), text_at(r.json, "waiting_for.code"),
			text_at(r.json, "waiting_for.what"));

		if (strcmp(stand, before) != 0)
			compare_all(s, run);
		before = stand;
		more = stage_round(s) > 0;
	}
	stage_settle(s);
	compare_all(s, run);
}

static void of_a_test(struct stage *s)
{
	const char *run = stage_start(s, "test", "validate_replication", 1, "");

	walk(s, run);
	stage_press(s, OWN_OPERATOR, run, "verify", "{\"result\":\"pass\"}", 200);
	walk(s, run);
	stage_press(s, OWN_OPERATOR, run, "cleanup-test", "{}", 202);
	walk(s, run);
}

static void of_a_planned_failover(struct stage *s)
{
	s->fail_verb = "promote";
	s->fail_times = 1;
	const char *run = stage_start(s, "planned", "host_maintenance", 1, "");

	walk(s, run);
	stage_press(s, ENGINEER, run,
		fmt(s->w, "steps/%lld/retry", (long long)stage_waiting_step(s, run)), "{}", 200);
	walk(s, run);
	stage_press(s, OWN_APPROVER, run, "verify", "{\"result\":\"pass\"}", 200);
	walk(s, run);
}

static void of_an_unplanned_failover(struct stage *s)
{
	stage_kill(s, 1);
	const char *run = stage_start(s, "unplanned", "site_outage", 1, "");

	walk(s, run);
	stage_attest(s, run, 0);
	walk(s, run);
	stage_press(s, OWN_APPROVER, run, "verify", "{\"result\":\"pass\"}", 200);
	walk(s, run);
	stage_press(s, ENGINEER, run, "commit", "{}", 202);
	walk(s, run);
	stage_revive(s, 1);
	walk(s, run);
	stage_press(s, ENGINEER, run, "reverse", "{}", 202);
	walk(s, run);
}

static void of_one_that_is_called_off(struct stage *s)
{
	s->fail_verb = "sync";
	s->fail_times = 2;
	const char *run = stage_start(s, "planned", "host_maintenance", 1, "");

	walk(s, run);
}

static void calling_equals_what_is_listed(void **state)
{
	struct stage *s = *state;

	of_a_test(s);
	of_a_planned_failover(s);
	of_an_unplanned_failover(s);
	of_one_that_is_called_off(s);
	print_message("# %d stands, %d cells, %d of them allowed\n", counted.stands, counted.cells,
		counted.allowed);
	assert_true(counted.allowed > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(
		calling_equals_what_is_listed, begin, end) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
