/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The close gate, point by point: each is seen to hold a ticket open, by name, and to let it go
 * once it is in order. And waivers: who signs them, what they let through, and that their day
 * comes.
 */
#include <string.h>

#include "support/stage.h"

static int keys;

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

/* A ticket with its run. */
struct asked {
	const char *id, *run;
};

/* Asked for by the operator, approved by both sides. */
static struct asked ask(struct stage *s, const char *kind, const char *reason)
{
	static const enum who both[] = { OWN_APPROVER, LEAD };
	const char *headers[] = { fmt(s->w, "Idempotency-Key: gate-%d", keys++), NULL };
	struct reply r = call(s->w, OWN_OPERATOR, "POST", "/v1/tickets",
		fmt(s->w,
			"{\"type\":\"failover\",\"failover\":{\"kind\":\"%s\",\"reason_code\":\"%s\",\"vm_ids\":[\"%s\"]}}",
			kind, reason, s->vms[0].id),
		headers);

	if (r.status != 201)
		fail_msg("%s", r.body);
	struct asked a = { fmt(s->w, "%s", text_at(r.json, "id")),
		fmt(s->w, "%s", text_at(r.json, "failover_id")) };
	const char *body = fmt(s->w, "{\"plan_hash\":\"%s\"}", text_at(r.json, "plan_hash"));

	for (size_t i = 0; i < (strcmp(kind, "test") == 0 ? 1 : UD_LEN(both)); i++)
		expect(s->w, both[i], "POST", fmt(s->w, "/v1/tickets/%s/approve", a.id), body, 200);
	stage_settle(s);
	return a;
}

static struct reply solve(struct stage *s, const struct asked *a)
{
	return call(s->w, ENGINEER, "POST", fmt(s->w, "/v1/tickets/%s/solve", a->id), "{}", NULL);
}

/* The ticket cannot be solved, and says so with these words. */
static void held(struct stage *s, const struct asked *a, const char *words)
{
	struct reply r = solve(s, a);

	expect_code(&r, 409, "invalid_state");
	if (!strstr(text_at(r.json, "detail"), words))
		fail_msg("wanted '%s': %s", words, r.body);
}

static void let_go(struct stage *s, const struct asked *a)
{
	struct reply r = solve(s, a);

	if (r.status != 200 || strcmp(text_at(r.json, "state"), "solved") != 0)
		fail_msg("it is held: %s", r.body);
}

static void ticket_is(struct stage *s, const struct asked *a, const char *state)
{
	struct reply r =
		expect(s->w, OWN_OPERATOR, "GET", fmt(s->w, "/v1/tickets/%s", a->id), NULL, 200);

	if (strcmp(text_at(r.json, "state"), state) != 0)
		fail_msg("wanted %s: %s", state, r.body);
}

static enum ud_code apply_sql(struct ud_ctx *cx, void *data)
{
	return ud_exec(cx, NULL, data, UD_NO_VALS);
}

static void sql(struct stage *s, const char *text)
{
	world_write(s->w, apply_sql, (void *)text);
}

static struct asked planned(struct stage *s)
{
	struct asked a = ask(s, "planned", "host_maintenance");

	stage_wants(s, a.run, "customer_validation", NULL);
	stage_press(s, OWN_APPROVER, a.run, "verify", "{\"result\":\"pass\"}", 200);
	stage_settle(s);
	stage_wants(s, a.run, "protected", NULL);
	return a;
}

/* ---- the points ---- */

static void a_test_vm_that_is_left_holds_it(void **state)
{
	struct stage *s = *state;
	struct asked a = ask(s, "test", "validate_replication");

	stage_wants(s, a.run, "test_running", NULL);
	held(s, &a, "The test VM is still there.");
	s->fail_verb = "test_drop";
	s->fail_times = 3;
	stage_press(s, OWN_OPERATOR, a.run, "cleanup-test", "{}", 202);
	stage_settle(s);
	stage_wants(s, a.run, "waiting", NULL);
	held(s, &a, "The test VM is still there.");
	stage_press(s, ENGINEER, a.run,
		fmt(s->w, "steps/%lld/retry", (long long)stage_waiting_step(s, a.run)), "{}", 200);
	stage_settle(s);
	world_tick(s->w);
	ticket_is(s, &a, "solved"); /* a drill that left nothing behind solves itself */
}

static void a_vm_that_does_not_replicate_holds_it(void **state)
{
	struct stage *s = *state;
	struct asked a = planned(s);

	sql(s, "UPDATE replications SET state = 'error'");
	held(s, &a, "The VM is not replicating, and no waiver of both sides holds.");
	sql(s, "UPDATE replications SET state = 'replicating'");
	let_go(s, &a);
}

static void a_source_that_did_not_step_down_holds_it(void **state)
{
	struct stage *s = *state;
	struct asked a = ask(s, "planned", "host_maintenance");

	s->fail_verb = "demote";
	sql(s, "UPDATE workflows SET demoted_at = NULL");
	stage_press(s, OWN_APPROVER, a.run, "verify", "{\"result\":\"pass\"}", 200);
	s->fail_times = 1000;
	sql(s, "UPDATE workflows SET demote_seq = NULL");
	stage_settle(s);
	held(s, &a, "The old primary has not confirmed that it is a replica now.");
	s->fail_times = 0;
	stage_pass(s, 60);
	stage_settle(s);
	stage_wants(s, a.run, "protected", NULL);
	let_go(s, &a);
}

/* An address of a block, kept for the VM. */
static const char *keep_address(struct stage *s, const char *purpose)
{
	struct reply block = expect(s->w, OPERATOR, "POST", "/v1/ip-blocks",
		fmt(s->w,
			"{\"prefix\":\"10.77.0.0/24\",\"kind\":\"private\",\"site_id\":\"%s\",\"customer_id\":\"%s\"}",
			s->site, s->w->own),
		201);
	struct reply r = expect(s->w, OPERATOR, "POST",
		fmt(s->w, "/v1/ip-blocks/%s/allocate-address", text_at(block.json, "id")),
		fmt(s->w, "{\"vm_id\":\"%s\",\"purpose\":\"%s\"}", s->vms[0].id, purpose), 201);

	return fmt(s->w, "%s", text_at(r.json, "id"));
}

static void move_address(struct stage *s, const char *id, const char *verb)
{
	expect(s->w, OPERATOR, "POST", fmt(s->w, "/v1/ip-addresses/%s/%s", id, verb), "{}", 200);
}

static void an_address_that_is_kept_holds_it(void **state)
{
	struct stage *s = *state;
	const char *address = keep_address(s, "failover_reserved");

	move_address(s, address, "reserve");
	struct asked a = planned(s);

	held(s, &a, "is still kept for the failover: assign or release it.");
	move_address(s, address, "assign");
	let_go(s, &a);
}

static void an_address_of_a_test_holds_it(void **state)
{
	struct stage *s = *state;
	struct asked a = ask(s, "test", "validate_replication");
	const char *address = keep_address(s, "test");

	stage_press(s, OWN_OPERATOR, a.run, "cleanup-test", "{}", 202);
	stage_settle(s);
	stage_wants(s, a.run, "solved", NULL);
	held(s, &a, "of the test was not released.");
	move_address(s, address, "release");
	let_go(s, &a);
}

static void a_record_that_is_not_sealed_holds_it(void **state)
{
	struct stage *s = *state;
	struct asked a = planned(s);

	sql(s, "DELETE FROM evidence");
	held(s, &a, "The record is not sealed yet.");
	world_tick(s->w);
	let_go(s, &a);
}

static void a_customer_who_said_nothing_holds_it(void **state)
{
	struct stage *s = *state;
	struct asked a = ask(s, "planned", "host_maintenance");

	stage_wants(s, a.run, "customer_validation", NULL);
	held(s, &a, "The VM's part of the run has not ended.");
	stage_press(s, ENGINEER, a.run, "commit", "{}", 409);
	stage_press(s, OWN_APPROVER, a.run, "verify", "{\"result\":\"pass\"}", 200);
	stage_settle(s);
	let_go(s, &a);
}

/* ---- waivers ---- */

/* An unplanned failover that is committed; the old primary's host stays away. */
static struct asked unprotected(struct stage *s)
{
	stage_kill(s, 0);
	struct asked a = ask(s, "unplanned", "site_outage");

	stage_attest(s, a.run, 0);
	stage_settle(s);
	stage_press(s, OWN_APPROVER, a.run, "verify", "{\"result\":\"pass\"}", 200);
	stage_press(s, ENGINEER, a.run, "commit", "{}", 202);
	stage_settle(s);
	stage_wants(s, a.run, "committed_unprotected", NULL);
	return a;
}

static struct reply sign(struct stage *s, enum who who, const struct asked *a, int64_t days)
{
	char at[UD_TIME_TEXT];

	ud_time_format(ud_now_ms(&s->w->env) + days * 86400000, at);
	return callf(s->w, who, "POST", fmt(s->w, "/v1/tickets/%s/waive", a->id),
		"{\"vm_id\":\"%s\",\"statement\":\"We live without a replica until then.\",\"expires_at\":\"%s\"}",
		s->vms[0].id, at);
}

static void both_sign(struct stage *s, const struct asked *a)
{
	assert_int_equal(sign(s, OWN_APPROVER, a, 30).status, 200);
	struct reply r = sign(s, LEAD, a, 7);

	assert_int_equal(r.status, 200);
	assert_true(json_is_true(json_object_get(r.json, "effective")));
	stage_settle(s);
	stage_wants(s, a->run, "closed_unprotected", "closed_unprotected");
}

static void a_waiver_takes_both_sides(void **state)
{
	struct stage *s = *state;
	struct asked a = unprotected(s);
	struct reply r;

	held(s, &a, "The VM is not replicating, and no waiver of both sides holds.");
	r = sign(s, OWN_OPERATOR, &a, 7);
	expect_code(&r, 403, "role_missing");
	r = sign(s, ENGINEER, &a, 7);
	expect_code(&r, 403, "role_missing");
	r = sign(s, OWN_APPROVER, &a, 91);
	expect_code(&r, 422, "validation_failed");
	r = sign(s, OWN_APPROVER, &a, 30);
	assert_int_equal(r.status, 200);
	assert_true(json_is_false(json_object_get(r.json, "effective")));
	r = sign(s, OWN_ADMIN, &a, 30); /* another person of the same side */
	expect_code(&r, 409, "invalid_state");
	stage_settle(s);
	stage_wants(s, a.run, "committed_unprotected", NULL);
	held(s, &a,
		"The VM is not replicating. The customer has signed a waiver; the provider has"
		" not.");
	r = sign(s, LEAD, &a, 7);
	assert_true(json_is_true(json_object_get(r.json, "effective")));
	stage_settle(s);
	stage_wants(s, a.run, "closed_unprotected", NULL);
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/tickets/%s/waivers", a.id), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2);
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/evidence/%s/bundle", a.run), NULL, 200);
	assert_non_null(strstr(r.body, "We live without a replica until then."));
	let_go(s, &a);
}

static void on_its_day_the_ticket_opens_again(void **state)
{
	struct stage *s = *state;
	struct asked a = unprotected(s);

	both_sign(s, &a);
	let_go(s, &a);
	stage_pass(s, 6 * 86400);
	stage_round(s);
	ticket_is(s, &a, "solved");
	/* the earlier of the two dates; solved for a week it has closed */
	stage_pass(s, 86400 + 60);
	stage_round(s);
	stage_pass(s, 20);
	stage_round(s);
	ticket_is(s, &a, "open");
	held(s, &a, "The VM is not replicating, and no waiver of both sides holds.");
	/* the host is back at last: demoted, and the relation turns round by itself */
	stage_revive(s, 0);
	stage_settle(s);
	stage_pass(s, 20);
	stage_settle(s);
	assert_int_equal(s->vms[0].at[0].starts, 0);
	assert_false(s->vms[0].at[0].primary);
	let_go(s, &a);
}

static void a_waiver_does_not_cover_a_source_that_answers(void **state)
{
	struct stage *s = *state;
	struct asked a = unprotected(s);

	s->hosts[0].quiet = true; /* its agent is seen, and does nothing */
	stage_revive(s, 0);
	both_sign(s, &a);
	held(s, &a, "The old primary has not confirmed that it is a replica now.");
	s->hosts[0].quiet = false;
	stage_settle(s);
	let_go(s, &a);
}

static void what_is_protected_needs_no_waiver(void **state)
{
	struct stage *s = *state;
	struct asked a = planned(s);
	struct reply r = sign(s, OWN_APPROVER, &a, 7);

	expect_code(&r, 409, "invalid_state");
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORY(a_test_vm_that_is_left_holds_it),
		STORY(a_vm_that_does_not_replicate_holds_it),
		STORY(a_source_that_did_not_step_down_holds_it),
		STORY(an_address_that_is_kept_holds_it),
		STORY(an_address_of_a_test_holds_it),
		STORY(a_record_that_is_not_sealed_holds_it),
		STORY(a_customer_who_said_nothing_holds_it),
		STORY(a_waiver_takes_both_sides),
		STORY(on_its_day_the_ticket_opens_again),
		STORY(a_waiver_does_not_cover_a_source_that_answers),
		STORY(what_is_protected_needs_no_waiver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
