/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may break between us and Hyper-V, through the workflow: server, agents and driver as they
 * are over a site in a box. Each row breaks one thing once; the run goes on by itself, or is undone
 * with the VM at its source, or waits for a person with the action that helps named, and then
 * helps.
 */
#include <stdlib.h>
#include <string.h>

#include "support/box.h"
#include "support/stage.h"

static int begin(void **state)
{
	*state = stage_begin_hyperv(1);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

/* How the run ends after the fault. */
enum outcome {
	BY_ITSELF, /* it goes on to the customer */
	UNDONE,    /* the VM runs at the source again, and another run goes through */
	A_PERSON   /* it waits; the action named is taken */
};

static const char *const a = "lon-a", *const b = "lon-b";

/* ---- calls that go wrong ---- */

struct call_fault {
	const char *name;
	int host; /* 0 the source, 1 the replica */
	const char *cmdlet, *fault, *times, *value;
	enum outcome outcome;
	const char *phase, *action; /* of one that waits */
	bool often;                 /* in the ordinary run, too */
};
/* clang-format off */
static const struct call_fault calls[] = {
	{ "shutting the guest down hangs",                0, "Stop-VM",          "hang",       "1", "",     UNDONE,    NULL, NULL, false },
	{ "preparing hangs",                              0, "Start-VMFailover", "hang",       "1", "",     BY_ITSELF, NULL, NULL, false },
	{ "preparing hangs after its work",               0, "Start-VMFailover", "hang_after", "1", "",     BY_ITSELF, NULL, NULL, false },
	{ "failing over hangs",                           1, "Start-VMFailover", "hang",       "1", "",     A_PERSON,  "failing_over", "retry", false },
	{ "failing over hangs after its work",            1, "Start-VMFailover", "hang_after", "1", "",     A_PERSON,  "failing_over", "retry", true },
	{ "starting hangs",                               1, "Start-VM",         "hang",       "1", "",     A_PERSON,  "failing_over", "retry", false },
	{ "the process is killed as it shuts down",       0, "Stop-VM",          "die",        "1", "",     UNDONE,    NULL, NULL, false },
	{ "the process is killed as it prepares",         0, "Start-VMFailover", "die",        "1", "",     BY_ITSELF, NULL, NULL, false },
	{ "the process is killed when it has prepared",   0, "Start-VMFailover", "die_after",  "1", "",     BY_ITSELF, NULL, NULL, false },
	{ "the process is killed twice as it prepares",   0, "Start-VMFailover", "die",        "2", "",     UNDONE,    NULL, NULL, true },
	{ "the process is killed as it fails over",       1, "Start-VMFailover", "die",        "1", "",     A_PERSON,  "failing_over", "retry", false },
	{ "the process is killed when it has failed over", 1, "Start-VMFailover", "die_after", "1", "",     A_PERSON,  "failing_over", "retry", false },
	{ "the process is killed when it has started",    1, "Start-VM",         "die_after",  "1", "",     A_PERSON,  "failing_over", "retry", false },
	{ "preparing takes half an hour",                 0, "Start-VMFailover", "slow",       "1", "1800", BY_ITSELF, NULL, NULL, false },
	{ "failing over takes five minutes",              1, "Start-VMFailover", "slow",       "1", "300",  BY_ITSELF, NULL, NULL, true },
	{ "looking takes half a minute, three times",     1, "Get-VM",           "slow",       "3", "30",   BY_ITSELF, NULL, NULL, false },
};
/* clang-format on */

static bool names_action(struct stage *s, const char *run, const char *action)
{
	json_t *list =
		json_object_get(json_object_get(stage_run(s, run).json, "waiting_for"), "actions");
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *op =
			json_is_object(item) ? text_at(item, "op") : json_string_value(item);

		if (op && strcmp(op, action) == 0)
			return true;
	}
	return false;
}

/* It waits for a person; the words and the action that helps are there. Taken, it goes on. */
static void a_person_helps(struct stage *s, const char *run, const char *phase, const char *action)
{
	stage_wants(s, run, "waiting", phase);
	assert_true(strlen(stage_text(s, run, "waiting_for.who")) > 0);
	assert_true(strlen(stage_text(s, run, "waiting_for.text")) > 0);
	if (!names_action(s, run, action))
		fail_msg("%s is not named: %s", action, stage_run(s, run).body);
	stage_press(s, ENGINEER, run,
		fmt(s->w, "steps/%lld/%s", (long long)stage_waiting_step(s, run), action), "{}",
		200);
	stage_settle(s);
}

/* What was broken is whole again: the same is asked for once more. */
static const char *another_run(struct stage *s)
{
	const char *run = stage_start(s, "planned", "host_maintenance", 1, "");

	stage_settle(s);
	return run;
}

static void wants_undone(struct stage *s, const char *run)
{
	stage_wants(s, run, "failed", "aborted");
	assert_int_equal(stage_where(s, 0), 0);
	assert_int_equal(stage_count(s, "SELECT epoch FROM vms"), 1);
}

static void wants_moved(struct stage *s, const char *run)
{
	stage_wants(s, run, "customer_validation", NULL);
	assert_int_equal(stage_where(s, 0), 1);
	assert_int_equal(stage_count(s, "SELECT epoch FROM vms"), 2);
	stage_press(s, OWN_APPROVER, run, "verify", "{\"result\":\"pass\"}", 200);
	stage_settle(s);
	stage_wants(s, run, "protected", NULL);
}

static void play_call(const struct call_fault *f)
{
	void *state = NULL;

	begin(&state);
	struct stage *s = state;

	print_message("# %s\n", f->name);
	box_do(stage_box(s), "fault", f->host ? b : a, f->cmdlet, f->fault, f->times, f->value,
		NULL);
	const char *run = another_run(s);

	if (f->outcome == A_PERSON)
		a_person_helps(s, run, f->phase, f->action);
	if (f->outcome == UNDONE) {
		wants_undone(s, run);
		run = another_run(s);
	}
	wants_moved(s, run);
	end(&state);
}

/* The ordinary run plays those of a kind once, and on one database; the long one all, on each. */
static bool chosen(bool often)
{
	const char *database = getenv("UD_TEST_DATABASE");

	return getenv("UD_TEST_LONG") || (often && (!database || strcmp(database, "sqlite") == 0));
}

static void calls_that_go_wrong(void **state)
{
	(void)state;
	for (size_t i = 0; i < UD_LEN(calls); i++)
		if (chosen(calls[i].often))
			play_call(&calls[i]);
}

/* ---- hosts, links, disks and certificates ---- */

static void cut(struct stage *s)
{
	box_do(stage_box(s), "cut", a, b, NULL);
}

static void mend(struct stage *s)
{
	box_do(stage_box(s), "mend", a, b, NULL);
}

static void fill(struct stage *s)
{
	box_do(stage_box(s), "host_set", b, "full", "true", NULL);
}

static void make_room(struct stage *s)
{
	box_do(stage_box(s), "host_set", b, "full", "false", NULL);
}

static void expire(struct stage *s)
{
	box_do(stage_box(s), "expire", a, NULL);
}

static void renew(struct stage *s)
{
	box_do(stage_box(s), "renew", a, NULL);
}

static void lose_replica(struct stage *s)
{
	stage_kill(s, 1);
}

static void bring_replica(struct stage *s)
{
	stage_revive(s, 1);
}

/* What stays broken until a person mends it: found before a run begins to do anything, or in its
 * midst. */
static const struct {
	const char *name;
	void (*break_it)(struct stage *s), (*mend_it)(struct stage *s);
	const char *state;    /* of the replication meanwhile */
	const char *at;       /* phase of the run at which it breaks */
	enum outcome outcome; /* of that run */
} lasting[] = {
	{ "the link is cut", cut, mend, "error", "final_sync", UNDONE },
	{ "the replica's disk is full", fill, make_room, "error", "final_sync", UNDONE },
	{ "the source's certificate has expired", expire, renew, "error", "final_sync", UNDONE },
	{ "the replica's host lost power", lose_replica, bring_replica, "unknown", "failing_over",
		A_PERSON },
};

static void cycles_go_by(struct stage *s, int n)
{
	for (int i = 0; i < n; i++) {
		stage_pass(s, 31);
		stage_settle(s);
	}
}

static const char *state_of_replication(struct stage *s)
{
	struct reply r = expect(s->w, LEAD, "GET",
		fmt(s->w, "/v1/replications/%s", s->vms[0].replication_id), NULL, 200);

	return fmt(s->w, "%s", text_at(r.json, "state"));
}

/* It is seen before anything is done, and the run goes on once it is mended. */
static void found_before_the_run(size_t i)
{
	void *state = NULL;

	begin(&state);
	struct stage *s = state;

	print_message("# %s, before\n", lasting[i].name);
	lasting[i].break_it(s);
	cycles_go_by(s, 3);
	assert_string_equal(state_of_replication(s), lasting[i].state);
	const char *run = another_run(s);

	stage_wants(s, run, "waiting", "precheck");
	assert_int_equal(stage_where(s, 0), 0);
	assert_int_equal(s->vms[0].at[0].stops, 0);
	lasting[i].mend_it(s);
	cycles_go_by(s, 3);
	assert_string_equal(state_of_replication(s), "replicating");
	a_person_helps(s, run, "precheck", "retry");
	wants_moved(s, run);
	end(&state);
}

/* The replica's host hears of no order before that. */
static void run_to(struct stage *s, const char *run, const char *phase)
{
	s->hosts[1].deaf = true;
	for (int i = 0; i < 40 && strcmp(stage_text(s, run, "phase"), phase) != 0; i++)
		if (!stage_round(s)) {
			stage_pass(s, 1);
			stage_tell(s);
		}
	assert_string_equal(stage_text(s, run, "phase"), phase);
	s->hosts[1].deaf = false;
}

/* It breaks when the VM is off at the source already. */
static void breaks_meanwhile(size_t i)
{
	void *state = NULL;

	begin(&state);
	struct stage *s = state;
	const char *run = stage_start(s, "planned", "host_maintenance", 1, "");

	print_message("# %s, at %s\n", lasting[i].name, lasting[i].at);
	run_to(s, run, lasting[i].at);
	lasting[i].break_it(s);
	for (int k = 0; k < 8; k++) { /* until the step's time is over */
		stage_settle(s);
		stage_pass(s, 120);
	}
	if (lasting[i].outcome == UNDONE)
		wants_undone(s, run);
	else
		stage_wants(s, run, "waiting", lasting[i].at);
	lasting[i].mend_it(s);
	cycles_go_by(s, 3);
	if (lasting[i].outcome == UNDONE)
		run = another_run(s);
	else
		a_person_helps(s, run, lasting[i].at, "retry");
	wants_moved(s, run);
	end(&state);
}

static void what_stays_broken_for_a_while(void **state)
{
	(void)state;
	for (size_t i = 0; i < UD_LEN(lasting); i++) {
		if (chosen(false))
			found_before_the_run(i);
		if (chosen(lasting[i].outcome == A_PERSON))
			breaks_meanwhile(i);
	}
}

static struct reply operation(struct stage *s, const char *op, const char *body)
{
	const char *path = fmt(s->w, "/v1/replications/%s/%s", s->vms[0].replication_id, op);
	struct reply r = expect(s->w, LEAD, "POST", path, body, 202);
	const char *id = fmt(s->w, "%s", text_at(r.json, "id"));

	cycles_go_by(s, 4);
	return expect(s->w, LEAD, "GET", fmt(s->w, "/v1/operations/%s", id), NULL, 200);
}

/* What a person who is told of an error asks first; it names the rule that is broken. */
static void the_rule_that_a_certificate_breaks_is_named(void **state)
{
	struct stage *s = *state;

	expire(s);
	cycles_go_by(s, 2);
	struct reply r = operation(s, "test-connection", "{}");

	if (!strstr(r.body, "is still valid"))
		fail_msg("%s", r.body);
	renew(s);
	r = operation(s, "test-connection", "{}");
	if (strstr(r.body, "is still valid"))
		fail_msg("%s", r.body);
}

/* The source is gone with its power: people state that it is off; or it comes back, and both ends
 * are compared by themselves. */
static void the_source_lost_power(void **state)
{
	struct stage *s = *state;

	stage_kill(s, 0);
	const char *run = stage_start(s, "unplanned", "site_outage", 1, "");

	stage_settle(s);
	stage_wants(s, run, "waiting", "fencing");
	if (!names_action(s, run, "attest-down"))
		fail_msg("%s", stage_run(s, run).body);
	stage_press(s, OWN_APPROVER, run, "cancel", "{}", 200);
	stage_settle(s);
	stage_wants(s, run, "rolled_back", "cancelled");
	stage_revive(s, 0);
	cycles_go_by(s, 4);
	assert_int_equal(
		stage_count(s, "SELECT COUNT(*) FROM commands WHERE verb = 'relation_resync'"), 1);
	assert_string_equal(state_of_replication(s), "replicating");
	assert_int_equal(stage_where(s, 0), 0);
	wants_moved(s, another_run(s));
}

/* ---- another language ---- */

static void a_host_that_speaks_german(void **state)
{
	struct stage *s = *state;

	box_do(stage_box(s), "world", "language", "\"de\"", NULL);
	box_do(stage_box(s), "fault", b, "Start-VMFailover", "error", "1", "OperationFailed", NULL);
	const char *run = another_run(s);

	stage_wants(s, run, "waiting", "failing_over");
	assert_non_null(strstr(stage_text(s, run, "waiting_for.text"), "Überprüfen"));
	a_person_helps(s, run, "failing_over", "retry");
	wants_moved(s, run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_that_go_wrong),
		cmocka_unit_test(what_stays_broken_for_a_while),
		cmocka_unit_test_setup_teardown(
			the_rule_that_a_certificate_breaks_is_named, begin, end),
		cmocka_unit_test_setup_teardown(the_source_lost_power, begin, end),
		cmocka_unit_test_setup_teardown(a_host_that_speaks_german, begin, end),
	};

	return cmocka_run_group_tests_name("hyperv_faults", tests, NULL, NULL);
}
