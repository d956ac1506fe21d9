/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hosts that claim one VM, on both databases: how it is seen, who settles it, and what becomes
 * of the loser.
 */
#include <string.h>

#include "db/leases.h"
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

/* What a host asks, and what it hears. */
struct asking {
	struct stage *s;
	int host;
	struct ud_lease_ask ask;
	struct ud_lease_word word;
	const char *event;
};

static enum ud_code apply_ask(struct ud_ctx *cx, void *data)
{
	struct asking *a = data;
	const char *host = a->s->hosts[a->host].id;

	UD_TRY(ud_lease_reconcile(cx, host, &a->ask, &a->event));
	return ud_lease_grant(cx, host, true, 30, &a->ask, &a->word);
}

static struct asking hears(struct stage *s, int host, int64_t epoch, bool breakglass)
{
	struct asking a = { .s = s,
		.host = host,
		.ask = { .vm_id = s->vms[0].id,
			.epoch = epoch,
			.purpose = UD_LEASE_KEEP,
			.breakglass = breakglass } };

	world_write(s->w, apply_ask, &a);
	return a;
}

/* Host 1 was promoted by its people, for a VM whose break-glass nobody allowed; host 0's copy is
 * off, but believes itself the primary. */
static void claim(struct stage *s, int64_t epoch)
{
	struct asking a;

	s->vms[0].at[0].running = false;
	s->vms[0].at[1] = (struct stage_copy){ .epoch = epoch, .primary = true, .running = true };
	a = hears(s, 1, epoch, true);
	assert_string_equal(a.event, "vm.epoch_conflict");
	assert_int_equal(a.word.verdict, UD_LEASE_REFUSED);
}

static const char *path(struct stage *s, const char *verb)
{
	return fmt(s->w, "/v1/vms/%s/%s", s->vms[0].id, verb);
}

static struct reply choose(struct stage *s, enum who who, const char *host, int status)
{
	return expect(s->w, who, "POST", path(s, "choose-owner"),
		fmt(s->w, "{\"host_id\":\"%s\",\"statement\":\"I have looked at both copies.\"}",
			host),
		status);
}

static void two_people_settle_it_and_the_loser_is_demoted(void **state)
{
	struct stage *s = *state;
	struct reply r;

	claim(s, 2);
	r = expect(s->w, ENGINEER, "GET", path(s, "owner-conflict"), NULL, 200);
	assert_true(json_is_true(json_object_get(r.json, "standing")));
	assert_string_equal(text_at(r.json, "owner_host_id"), s->hosts[0].id);
	assert_string_equal(text_at(r.json, "claims.0.host_id"), s->hosts[1].id);
	assert_int_equal(number_at(r.json, "claims.0.epoch"), 2);
	/* nobody is granted anything meanwhile, and nobody is told to step down */
	assert_int_equal(hears(s, 0, 1, false).word.verdict, UD_LEASE_REFUSED);
	choose(s, ENGINEER, s->hosts[1].id, 201);
	choose(s, ENGINEER, s->hosts[1].id, 409);
	assert_int_equal(stage_count(s, "SELECT epoch FROM vms"), 1);
	r = choose(s, LEAD, s->hosts[1].id, 201);
	assert_true(json_is_true(json_object_get(r.json, "effective")));
	assert_int_equal(stage_count(s, "SELECT epoch FROM vms"), 3);
	/* the winner is not told that its time is over before it hears of its new epoch */
	assert_int_equal(hears(s, 1, 2, true).word.verdict, UD_LEASE_REFUSED);
	assert_int_equal(hears(s, 0, 1, false).word.verdict, UD_LEASE_SUPERSEDED);
	stage_settle(s);
	assert_true(s->vms[0].at[1].primary && s->vms[0].at[1].running);
	assert_int_equal(s->vms[0].at[1].epoch, 3);
	assert_int_equal(s->vms[0].at[1].starts, 0);
	assert_false(s->vms[0].at[0].primary);
	assert_int_equal(s->vms[0].at[0].epoch, 3);
	assert_int_equal(hears(s, 1, 3, false).word.verdict, UD_LEASE_GRANTED);
	r = expect(s->w, AUDITOR, "GET", path(s, "owner-choices"), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 2);
	r = expect(s->w, AUDITOR, "GET", "/v1/events?limit=200", NULL, 200);
	assert_non_null(strstr(r.body, "vm.epoch_conflict_settled"));
	choose(s, OPERATOR, s->hosts[1].id, 409);
}

static void a_loser_that_claims_on_has_been_decided_about(void **state)
{
	struct stage *s = *state;
	struct asking a;

	claim(s, 2);
	choose(s, ENGINEER, s->hosts[0].id, 201);
	choose(s, LEAD, s->hosts[0].id, 201);
	a = hears(s, 1, 2, true);
	assert_null(a.event);
	assert_int_equal(a.word.verdict, UD_LEASE_SUPERSEDED);
	assert_int_equal(hears(s, 0, 1, false).word.verdict, UD_LEASE_REFUSED);
	stage_settle(s);
	assert_int_equal(stage_where(s, 0), 0);
	assert_int_equal(s->vms[0].at[0].epoch, 3);
	/* a claim that nobody has decided about is another conflict */
	a = hears(s, 1, 4, true);
	assert_string_equal(a.event, "vm.epoch_conflict");
}

static void two_who_disagree_wait_for_a_third(void **state)
{
	struct stage *s = *state;

	claim(s, 7);
	choose(s, ENGINEER, s->hosts[0].id, 201);
	choose(s, LEAD, s->hosts[1].id, 201);
	assert_int_equal(stage_count(s, "SELECT epoch FROM vms"), 1);
	choose(s, OPERATOR, s->hosts[1].id, 201);
	assert_int_equal(stage_count(s, "SELECT epoch FROM vms"), 8);
}

/* A failover that was under way is over: what it would have done belongs to another epoch. */
static void an_open_run_is_overtaken(void **state)
{
	struct stage *s = *state;
	const char *run;

	stage_kill(s, 0);
	run = stage_start(s, "unplanned", "site_outage", 1, "");
	stage_settle(s);
	stage_wants(s, run, "waiting", "fencing");
	claim(s, 2);
	choose(s, ENGINEER, s->hosts[1].id, 201);
	choose(s, LEAD, s->hosts[1].id, 201);
	stage_wants(s, run, "failed", "failed");
	assert_int_equal(
		stage_count(s, "SELECT COUNT(*) FROM workflows WHERE state = 'overtaken'"), 1);
	stage_settle(s);
	assert_int_equal(stage_where(s, 0), 1);
	assert_int_equal(s->vms[0].at[1].epoch, 3);
}

/* ---- which way the replication runs then ---- */

static int64_t runs_from(struct stage *s, int host)
{
	return stage_count(s,
		fmt(s->w,
			"SELECT COUNT(*) FROM replications WHERE source_host_id = '%s'"
			" AND target_host_id = '%s'",
			s->hosts[host].id, s->hosts[1 - host].id));
}

static int64_t orders(struct stage *s, const char *verb, int host)
{
	return stage_count(s,
		fmt(s->w, "SELECT COUNT(*) FROM commands WHERE verb = '%s' AND host_id = '%s'",
			verb, s->hosts[host].id));
}

/* Longer than anything of replication waits. */
static void wait_long(struct stage *s)
{
	for (int i = 0; i < 2; i++) {
		stage_pass(s, 200);
		stage_settle(s);
	}
}

static void the_replication_follows_the_choice(void **state)
{
	struct stage *s = *state;

	claim(s, 2);
	wait_long(s);
	assert_int_equal(runs_from(s, 0), 1);
	choose(s, ENGINEER, s->hosts[1].id, 201);
	choose(s, LEAD, s->hosts[1].id, 201);
	/* not before the loser has given up */
	s->hosts[0].quiet = true;
	wait_long(s);
	assert_int_equal(runs_from(s, 0), 1);
	s->hosts[0].quiet = false;
	wait_long(s);
	assert_int_equal(runs_from(s, 1), 1);
	assert_int_equal(orders(s, "demote", 0), 1);
	assert_int_equal(orders(s, "demote", 1), 0);
	assert_true(orders(s, "relation_set", 0) > 0 && orders(s, "relation_set", 1) > 0);
	assert_int_equal(
		stage_count(s, "SELECT COUNT(*) FROM replications WHERE generation = 3"), 1);
	assert_int_equal(stage_where(s, 0), 1);
}

static void a_demotion_that_fails_is_ordered_again(void **state)
{
	struct stage *s = *state;

	claim(s, 2);
	choose(s, ENGINEER, s->hosts[1].id, 201);
	s->fail_verb = "demote";
	s->fail_times = 1;
	choose(s, LEAD, s->hosts[1].id, 201);
	stage_settle(s);
	assert_int_equal(s->fail_times, 0);
	assert_int_equal(runs_from(s, 0), 1);
	assert_int_equal(orders(s, "demote", 0), 1);
	wait_long(s);
	assert_int_equal(runs_from(s, 1), 1);
	assert_int_equal(orders(s, "demote", 0), 2);
}

/* The direction is right already; both ends are told of the new epoch. */
static void the_choice_of_the_source_turns_nothing(void **state)
{
	struct stage *s = *state;

	s->reports = false;
	claim(s, 2);
	choose(s, ENGINEER, s->hosts[0].id, 201);
	choose(s, LEAD, s->hosts[0].id, 201);
	stage_settle(s);
	stage_pass(s, 12);
	stage_settle(s);
	assert_int_equal(runs_from(s, 0), 1);
	assert_true(orders(s, "relation_set", 0) > 0 && orders(s, "relation_set", 1) > 0);
	assert_int_equal(
		stage_count(s,
			"SELECT COUNT(*) FROM commands WHERE verb = 'relation_set' AND epoch <> 3"),
		0);
	assert_int_equal(stage_where(s, 0), 0);
}

static enum ud_code allow_break_glass(struct ud_ctx *cx, void *data)
{
	return ud_vm_break_glass_set(cx, ((struct stage *)data)->vms[0].id, true);
}

static void the_replication_follows_break_glass(void **state)
{
	struct stage *s = *state;
	struct asking a;

	world_write(s->w, allow_break_glass, s);
	stage_kill(s, 0);
	s->vms[0].at[1] = (struct stage_copy){ .epoch = 2, .primary = true, .running = true };
	a = hears(s, 1, 2, true);
	assert_string_equal(a.event, "vm.breakglass_adopted");
	assert_int_equal(a.word.verdict, UD_LEASE_GRANTED);
	wait_long(s);
	/* the order waits for the old primary's host, and there is one of it */
	assert_int_equal(runs_from(s, 0), 1);
	assert_int_equal(orders(s, "demote", 0), 1);
	stage_revive(s, 0);
	wait_long(s);
	assert_false(s->vms[0].at[0].primary);
	assert_int_equal(s->vms[0].at[0].epoch, 2);
	assert_int_equal(runs_from(s, 1), 1);
	assert_int_equal(orders(s, "demote", 0), 1);
	assert_int_equal(orders(s, "promote", 1), 0);
	assert_int_equal(stage_where(s, 0), 1);
}

/* A run turns it when people say so, and nobody before. */
static void a_run_turns_its_own_replication(void **state)
{
	struct stage *s = *state;
	const char *run;

	stage_kill(s, 0);
	run = stage_start(s, "unplanned", "site_outage", 1, "");
	stage_settle(s);
	stage_attest(s, run, 0);
	stage_settle(s);
	stage_press(s, OWN_APPROVER, run, "verify", "{\"result\":\"pass\"}", 200);
	stage_press(s, LEAD, run, "commit", "{}", 202);
	stage_settle(s);
	stage_revive(s, 0);
	wait_long(s);
	stage_wants(s, run, "committed_unprotected", "source_returned");
	assert_int_equal(runs_from(s, 0), 1);
	stage_press(s, LEAD, run, "reverse", "{}", 202);
	wait_long(s);
	assert_int_equal(runs_from(s, 1), 1);
}

static void not_everybody_and_not_anything_may_be_chosen(void **state)
{
	static const enum who others[] = { AUDITOR, OWN_ADMIN, OWN_APPROVER, OTHER_ADMIN };
	struct stage *s = *state;

	choose(s, LEAD, s->hosts[1].id, 409);
	claim(s, 2);
	for (size_t i = 0; i < UD_LEN(others); i++)
		choose(s, others[i], s->hosts[1].id, 403);
	choose(s, LEAD, s->hosts[2].id, 422);
	expect(s->w, OWN_ADMIN, "GET", path(s, "owner-conflict"), NULL, 403);
}

int main(void)
{
#define STAGE(test_) cmocka_unit_test_setup_teardown(test_, begin, end)
	const struct CMUnitTest tests[] = {
		STAGE(two_people_settle_it_and_the_loser_is_demoted),
		STAGE(a_loser_that_claims_on_has_been_decided_about),
		STAGE(two_who_disagree_wait_for_a_third),
		STAGE(an_open_run_is_overtaken),
		STAGE(the_replication_follows_the_choice),
		STAGE(a_demotion_that_fails_is_ordered_again),
		STAGE(the_choice_of_the_source_turns_nothing),
		STAGE(the_replication_follows_break_glass),
		STAGE(a_run_turns_its_own_replication),
		STAGE(not_everybody_and_not_anything_may_be_chosen),
	};
#undef STAGE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
