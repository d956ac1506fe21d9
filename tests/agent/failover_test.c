/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of a failover on two hosts, against a control plane of three numbers (support/pair.h): each
 * kind from end to end, what each step refuses, every crash point of every step, and long runs of
 * chance. Nothing of it may ever leave two VMs running.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/failover.h"
#include "support/pair.h"

#define RELATION "{\"replication_id\":\"" PAIR_RELATION "\"}"

static bool thorough(void)
{
	return getenv("UD_TEST_LONG") != NULL;
}

static const char *promotion(struct pair *p, const char *point, bool fenced)
{
	if (!point)
		return ud_printf(p->cx->arena, "{\"replication_id\":\"%s\",\"peer_fenced\":true}",
			PAIR_RELATION);
	return ud_printf(p->cx->arena,
		"{\"replication_id\":\"%s\",\"point_id\":\"%s\",\"peer_fenced\":%s}", PAIR_RELATION,
		point, fenced ? "true" : "false");
}

static void one_runs(struct pair *p, int host)
{
	assert_true(pair_runs(p, host));
	assert_false(pair_runs(p, !host));
	assert_int_equal(p->running_max, 1);
}

/* ---- the kinds, from end to end ---- */

/* Each leaves the VM where it belongs; used for the plain run and for every crash. */
static void planned(struct pair *p)
{
	int64_t content = scripted_content(p->host[0].script, p->uuid);

	p->keep_only = true;
	pair_done(p, 0, UD_VERB_STOP, "{\"timeout_seconds\":60,\"hard\":false}");
	assert_false(pair_runs(p, 0));
	pair_look(p, 0); /* a hold is a hold: the agent's own loop starts nothing */
	assert_false(pair_runs(p, 0));
	pair_done(p, 0, UD_VERB_SYNC, RELATION);
	pair_commit(p, 1);
	pair_done(p, 1, UD_VERB_PROMOTE, promotion(p, pair_newest(p, 1), true));
	assert_int_equal(scripted_content(p->host[1].script, p->uuid), content);
	pair_done(p, 0, UD_VERB_DEMOTE, "{\"keep_disk\":true}");
	one_runs(p, 1);
	assert_int_equal(pair_row(p, 0).role, UD_VM_ROLE_DISPLACED);
	assert_int_equal(pair_row(p, 1).role, UD_VM_ROLE_PRIMARY);
	assert_int_equal(pair_row(p, 0).epoch, 2);
	assert_int_equal(pair_row(p, 1).epoch, 2);
	pair_done(p, 1, UD_VERB_COMPLETE, RELATION);
}

/* Wait the grants out as a failover does: its own by the clock, the replica's by the step. */
static void fence(struct pair *p)
{
	struct told t = { 0 };
	int64_t seq;

	p->shut = true;
	seq = pair_send(p, 1, UD_VERB_FENCE, RELATION);
	for (int i = 0; i < 300; i++) {
		pair_pass(p, 1000);
		for (int host = 0; host < 2; host++)
			pair_look(p, host);
		if (pair_dead(p, 1))
			pair_restart(p, 1);
		if (!t.ended)
			t = pair_told(p, 1, seq);
		if (t.ended && t.outcome != UD_OUTCOME_DONE)
			fail_msg("fence: %s", t.error);
		if (t.ended && p->now_ms >= p->granted_until_ms[0])
			return;
		if (p->now_ms >= p->granted_until_ms[0])
			pair_settle(p, 1);
	}
	fail_msg("the grants do not end");
}

/* The primary lives, but is cut off from everybody: its lease ends it. */
static void unplanned(struct pair *p)
{
	p->host[0].line_cut = p->peers_cut = true;
	fence(p);
	assert_false(pair_runs(p, 0));
	pair_commit(p, 1);
	pair_done(p, 1, UD_VERB_PROMOTE, promotion(p, pair_newest(p, 1), true));
	one_runs(p, 1);
	/* it comes back, and finds that its time is over */
	p->host[0].line_cut = p->peers_cut = false;
	pair_pass(p, 10000);
	pair_look(p, 0);
	assert_int_equal(pair_row(p, 0).role, UD_VM_ROLE_DISPLACED);
	pair_done(p, 0, UD_VERB_DEMOTE, "{\"keep_disk\":true}");
	one_runs(p, 1);
}

static void called_off(struct pair *p)
{
	p->keep_only = true;
	pair_done(p, 0, UD_VERB_STOP, "{\"timeout_seconds\":60,\"hard\":true}");
	pair_done(p, 0, UD_VERB_SYNC, RELATION);
	p->keep_only = false;
	pair_done(p, 0, UD_VERB_RESUME, NULL);
	one_runs(p, 0);
	assert_false(pair_row(p, 0).hold);
	assert_int_equal(pair_row(p, 0).epoch, 1);
}

/* Committed and called off all the same: forward to a third epoch, back at the first host. */
static void rolled_back(struct pair *p)
{
	p->keep_only = true;
	pair_done(p, 0, UD_VERB_STOP, "{\"timeout_seconds\":60,\"hard\":false}");
	pair_done(p, 0, UD_VERB_SYNC, RELATION);
	pair_commit(p, 1);
	pair_done(p, 1, UD_VERB_PROMOTE, promotion(p, pair_newest(p, 1), true));
	pair_done(p, 0, UD_VERB_DEMOTE, "{\"keep_disk\":true}");
	pair_done(p, 1, UD_VERB_REVERT, RELATION);
	assert_false(pair_runs(p, 1));
	pair_commit(p, 0);
	pair_done(p, 0, UD_VERB_PROMOTE, promotion(p, NULL, true));
	one_runs(p, 0);
	assert_int_equal(pair_row(p, 0).epoch, 3);
	assert_int_equal(pair_row(p, 1).role, UD_VM_ROLE_REPLICA);
}

#define CARDS                                                                                  \
	"{\"test_id\":\"tst_1\",\"wait_seconds\":0,\"cards\":[{\"mac\":\"52:54:00:00:00:01\"," \
	"\"addresses\":[\"192.0.2.7/24\"]},{\"mac\":\"52:54:00:00:00:02\","                    \
	"\"addresses\":[\"192.0.2.8/24\"]}]}"

/* The copy's own card is meant, by the address that it has in this test; each card is told. */
static void wants_addresses(struct pair *p, const char *point)
{
	struct told t = pair_do(p, 1, UD_VERB_TEST_START,
		ud_printf(p->cx->arena,
			"{\"test_id\":\"tst_1\",\"replication_id\":\"%s\",\"point_id\":\"%s\",\"name\":\"db-1 - Test\"}",
			PAIR_RELATION, point));
	const char *uuid = strstr(t.result, "\"uuid\":\"") + strlen("\"uuid\":\"");

	uuid = ud_strndup(p->cx->arena, uuid, strcspn(uuid, "\""));
	t = pair_do(p, 1, UD_VERB_SET_ADDRESSES, CARDS);
	assert_int_equal(t.outcome, UD_OUTCOME_DONE);
	assert_non_null(strstr(t.result, "The guest has no card with this MAC address."));
	assert_null(strstr(t.result, "\"already\""));
	scripted_says(p->host[1].script, uuid,
		ud_printf(p->cx->arena,
			"1: lo: <LOOPBACK,UP> link/loopback 00:00:00:00:00:00\n"
			"2: eth0@if7: <BROADCAST,UP> mtu 1500 link/ether %s brd ff:ff:ff:ff:ff:ff\n"
			"2: eth0    inet 192.0.2.7/24 brd 192.0.2.255 scope global eth0\n"
			"2: eth0    inet6 fe80::1/64 scope link\n",
			ud_hv_test_mac(p->cx, "tst_1", "52:54:00:00:00:01")),
		0);
	t = pair_do(p, 1, UD_VERB_SET_ADDRESSES, CARDS);
	assert_int_equal(t.outcome, UD_OUTCOME_DONE);
	const char *first = strstr(t.result, "\"outcome\":\"already\"");

	assert_non_null(first);
	assert_non_null(strstr(first, "\"mac\":\"52:54:00:00:00:02\""));
	assert_non_null(strstr(first, "\"outcome\":\"failed\""));
}

static void tried(struct pair *p)
{
	const char *point = pair_newest(p, 1);

	pair_done(p, 1, UD_VERB_TEST_START,
		ud_printf(p->cx->arena,
			"{\"test_id\":\"tst_1\",\"replication_id\":\"%s\",\"point_id\":\"%s\",\"name\":\"db-1 - Test\"}",
			PAIR_RELATION, point));
	struct told t = pair_do(p, 1, UD_VERB_BOOT_CHECK,
		"{\"level\":\"power\",\"test_id\":\"tst_1\",\"wait_seconds\":0}");

	assert_true(t.ended && t.outcome == UD_OUTCOME_DONE);
	assert_non_null(strstr(t.result, "\"passed\":true"));
	wants_addresses(p, point);
	one_runs(p, 0);
	pair_done(p, 1, UD_VERB_TEST_DROP, "{\"test_id\":\"tst_1\"}");
	t = pair_do(p, 1, UD_VERB_BOOT_CHECK,
		"{\"level\":\"power\",\"test_id\":\"tst_1\",\"wait_seconds\":0}");
	assert_int_equal(t.outcome, UD_OUTCOME_REFUSED);
	assert_int_equal(pair_row(p, 1).role, UD_VM_ROLE_REPLICA);
}

static const struct {
	const char *name;
	void (*run)(struct pair *p);
} kinds[] = { { "planned", planned }, { "unplanned", unplanned }, { "called off", called_off },
	{ "rolled back", rolled_back }, { "test", tried } };

static void each_kind_ends_where_it_should(void **state)
{
	for (size_t i = 0; i < UD_LEN(kinds); i++) {
		struct pair p;

		pair_begin(&p, *state, UD_POLICY_LEASE);
		kinds[i].run(&p);
		pair_end(&p);
	}
}

/* ---- crash points ---- */

/* One run with one host dying at its n-th point; false when it does not come that far. */
static bool crash(struct ud_ctx *cx, size_t kind, int host, int n)
{
	struct pair p;

	pair_begin(&p, cx, UD_POLICY_LEASE);
	p.host[host].dies_at = n;
	kinds[kind].run(&p);
	bool died = p.host[host].dies_at == 0 && p.host[host].died_at;

	pair_end(&p);
	return died;
}

/*
 * Each command is answered once and as done, each kind ends where it does without a crash, and
 * never do two VMs run: that is asserted inside. A host that dies is started again.
 */
static void every_crash_point_leads_to_the_same_end(void **state)
{
	int step = thorough() ? 1 : 4, crashes = 0;

	for (size_t kind = 0; kind < UD_LEN(kinds); kind++)
		for (int host = 0; host < 2; host++)
			for (int n = 1 + (int)(kind + (size_t)host) % step;
				crash(*state, kind, host, n); n += step)
				crashes++;
	printf("# %d crashes in %zu kinds of failover (%s): 0 double effects, 0 lost answers, 0 times two primaries\n",
		crashes, UD_LEN(kinds), thorough() ? "every point" : "each fourth point");
	assert_true(crashes > 15);
}

/* ---- what takes long ---- */

/* A proof may read for hours: a failover's step for the same VM does not wait for it. */
static void a_proof_gives_way_to_a_failover(void **state)
{
	struct pair p;

	pair_begin(&p, *state, UD_POLICY_LEASE);
	const char *point = pair_newest(&p, 1);
	const char *args = ud_printf(p.cx->arena, "{\"replication_id\":\"%s\",\"point_id\":\"%s\"}",
		PAIR_RELATION, point);

	scripted_patient(p.host[1].script);
	int64_t proof = pair_send(&p, 1, UD_VERB_POINT_VERIFY, args);

	assert_true(scripted_await(p.host[1].script, "point_verify", 1));
	int64_t step = pair_send(&p, 1, UD_VERB_TEST_START,
		ud_printf(p.cx->arena,
			"{\"test_id\":\"tst_1\",\"replication_id\":\"%s\",\"point_id\":\"%s\",\"name\":\"db-1 - Test\"}",
			PAIR_RELATION, point));

	pair_settle(&p, 1);
	struct told t = pair_told(&p, 1, proof);

	assert_true(t.ended && t.outcome == UD_OUTCOME_REFUSED);
	assert_non_null(strstr(t.error, "Something else had to be done."));
	t = pair_told(&p, 1, step);
	assert_true(t.ended && t.outcome == UD_OUTCOME_DONE);
	pair_end(&p);
}

/* And so does the agent's end: the next one reads it again. */
static void a_proof_does_not_keep_an_agent_from_ending(void **state)
{
	struct pair p;

	pair_begin(&p, *state, UD_POLICY_LEASE);
	const char *args = ud_printf(p.cx->arena, "{\"replication_id\":\"%s\",\"point_id\":\"%s\"}",
		PAIR_RELATION, pair_newest(&p, 1));

	scripted_patient(p.host[1].script);
	int64_t proof = pair_send(&p, 1, UD_VERB_POINT_VERIFY, args);

	assert_true(scripted_await(p.host[1].script, "point_verify", 1));
	pair_restart(&p, 1);
	assert_true(scripted_await(p.host[1].script, "point_verify", 2));
	assert_false(pair_told(&p, 1, proof).ended);
	pair_end(&p);
}

/* ---- refusals ---- */

static void refused(struct pair *p, int host, const char *verb, const char *args, const char *why)
{
	struct told t = pair_do(p, host, verb, args);

	if (!t.ended || t.outcome != UD_OUTCOME_REFUSED || !strstr(t.error, why))
		fail_msg("%s of %s, for %s: %s %s", verb, p->host[host].name, why,
			t.ended ? ud_outcomes.names[t.outcome] : "no answer",
			t.error ? t.error : "");
	pair_watch(p);
	assert_int_equal(p->running_max, 1);
}

static void steps_are_refused_in_the_wrong_role(void **state)
{
	struct pair p;
	const char *point;

	pair_begin(&p, *state, UD_POLICY_LEASE);
	point = pair_newest(&p, 1);
	refused(&p, 1, UD_VERB_STOP, "{\"timeout_seconds\":60,\"hard\":true}", "replica");
	refused(&p, 1, UD_VERB_SYNC, RELATION, "replica");
	refused(&p, 1, UD_VERB_RESUME, NULL, "replica");
	refused(&p, 1, UD_VERB_COMPLETE, RELATION, "replica");
	refused(&p, 0, UD_VERB_FENCE, RELATION, "primary");
	refused(&p, 0, UD_VERB_TEST_START,
		ud_printf(p.cx->arena,
			"{\"test_id\":\"tst_1\",\"replication_id\":\"%s\",\"point_id\":\"%s\",\"name\":\"t\"}",
			PAIR_RELATION, point),
		"primary");
	/* who owns the epoch is not demoted under it, and nobody is promoted within one */
	refused(&p, 0, UD_VERB_DEMOTE, "{\"keep_disk\":true}", "very epoch");
	refused(&p, 1, UD_VERB_PROMOTE, promotion(&p, point, true), "higher epoch");
	/* a delta of a VM that runs, or that nobody holds, is not the last one */
	refused(&p, 0, UD_VERB_SYNC, RELATION, "not held");
	pair_commit(&p, 1);
	/* a replica needs a point, the former source has none; disks are never thrown away here */
	refused(&p, 1, UD_VERB_PROMOTE, promotion(&p, NULL, true), "replica");
	refused(&p, 0, UD_VERB_PROMOTE, promotion(&p, point, true), "primary");
	refused(&p, 0, UD_VERB_DEMOTE, "{\"keep_disk\":false}", "kept");
	refused(&p, 0, UD_VERB_PROTECT,
		"{\"role\":\"replica\",\"policy\":\"attest\",\"lease_seconds\":30}", "primary");
	refused(&p, 1, UD_VERB_PROTECT,
		"{\"role\":\"primary\",\"policy\":\"attest\",\"lease_seconds\":30}", "replica");
	pair_end(&p);
}

static void steps_are_refused_without_ticket_and_plan(void **state)
{
	struct pair p;

	pair_begin(&p, *state, UD_POLICY_LEASE);
	for (const struct ud_failover_verb *v = ud_failover_verbs; v->verb; v++) {
		const struct ud_verb *row = ud_verb_find(ud_agent_verbs, v->verb);

		assert_non_null(row);
		assert_true(row->flags & UD_VERB_TICKET);
		assert_true(row->flags & UD_VERB_REPEATABLE);
		assert_int_equal(!!(row->flags & UD_VERB_RAISES), v->raises_epoch);
		assert_ptr_equal(row->args, v->args);
		pair_send_as(&p, 0, v->verb, NULL, ++p.seq, p.epoch, false);
		pair_settle(&p, 0);
		struct told t = pair_told(&p, 0, p.seq);

		assert_true(t.ended && t.outcome == UD_OUTCOME_REFUSED);
		assert_non_null(strstr(t.error, "ticket"));
	}
	assert_true(pair_runs(&p, 0));
	pair_end(&p);
}

static void quarantine_forbids_what_promotes(void **state)
{
	static const char *const allowed[] = { UD_VERB_STOP, UD_VERB_SYNC, UD_VERB_FENCE,
		UD_VERB_DEMOTE, UD_VERB_TEST_DROP, UD_VERB_BOOT_CHECK };
	struct pair p;

	for (const struct ud_failover_verb *v = ud_failover_verbs; v->verb; v++) {
		bool may = false;

		for (size_t i = 0; i < UD_LEN(allowed); i++)
			may |= strcmp(allowed[i], v->verb) == 0;
		assert_int_equal(
			!!(ud_verb_find(ud_agent_verbs, v->verb)->flags & UD_VERB_QUARANTINE), may);
	}
	pair_begin(&p, *state, UD_POLICY_LEASE);
	p.shut = true;
	pair_commit(&p, 1);
	ud_runner_quarantine(p.host[1].runner, true);
	refused(&p, 1, UD_VERB_PROMOTE, promotion(&p, pair_newest(&p, 1), true), "quarantine");
	assert_int_equal(pair_row(&p, 1).role, UD_VM_ROLE_REPLICA);
	pair_end(&p);
}

static void old_numbers_and_epochs_are_refused(void **state)
{
	struct pair p;
	int64_t old;
	struct told t;

	pair_begin(&p, *state, UD_POLICY_LEASE);
	old = p.seq;
	planned(&p);
	/* a late resume of an earlier attempt: dropped, with no answer of its own */
	pair_send_as(&p, 0, UD_VERB_RESUME, NULL, old + 1, 1, true);
	pair_settle(&p, 0);
	assert_false(pair_runs(&p, 0));
	/* a new number under an old epoch */
	pair_send_as(&p, 0, UD_VERB_RESUME, NULL, ++p.seq, 1, true);
	pair_settle(&p, 0);
	t = pair_told(&p, 0, p.seq);
	assert_true(t.ended && t.outcome == UD_OUTCOME_REFUSED);
	assert_non_null(strstr(t.error, "stale_epoch"));
	/* and under one that the host has not taken */
	pair_send_as(
		&p, 1, UD_VERB_STOP, "{\"timeout_seconds\":9,\"hard\":true}", ++p.seq, 9, true);
	pair_settle(&p, 1);
	t = pair_told(&p, 1, p.seq);
	assert_true(t.ended && t.outcome == UD_OUTCOME_REFUSED);
	assert_non_null(strstr(t.error, "unknown_epoch"));
	one_runs(&p, 1);
	pair_end(&p);
}

/* The server shuts the gate after the promotion was sent: it must not start. */
static void a_promotion_needs_leave_at_the_moment_it_starts(void **state)
{
	struct pair p;
	struct told t;

	pair_begin(&p, *state, UD_POLICY_LEASE);
	p.host[0].line_cut = p.peers_cut = true;
	fence(&p);
	pair_commit(&p, 1);
	pair_commit(&p, 0); /* called off by another epoch before it arrived */
	pair_send_as(
		&p, 1, UD_VERB_PROMOTE, promotion(&p, pair_newest(&p, 1), true), ++p.seq, 2, true);
	pair_settle(&p, 1);
	t = pair_told(&p, 1, p.seq);
	assert_true(t.ended && t.outcome == UD_OUTCOME_FAILED);
	assert_false(pair_runs(&p, 1));
	assert_int_equal(pair_row(&p, 1).role, UD_VM_ROLE_DISPLACED);
	pair_end(&p);
}

static void a_guest_that_does_not_obey_is_switched_off_only_when_asked(void **state)
{
	struct pair p;
	struct told t;

	pair_begin(&p, *state, UD_POLICY_LEASE);
	scripted_deaf(p.host[0].script, p.uuid, true);
	t = pair_do(&p, 0, UD_VERB_STOP, "{\"timeout_seconds\":1,\"hard\":false}");
	assert_int_equal(t.outcome, UD_OUTCOME_FAILED);
	assert_true(pair_runs(&p, 0));
	pair_done(&p, 0, UD_VERB_RESUME, NULL);
	t = pair_do(&p, 0, UD_VERB_STOP, "{\"timeout_seconds\":1,\"hard\":true}");
	assert_int_equal(t.outcome, UD_OUTCOME_DONE);
	assert_non_null(strstr(t.result, "\"forced\":true"));
	assert_false(pair_runs(&p, 0));
	pair_end(&p);
}

/* A demoted host that runs is switched off at once, and its disks are kept by name. */
static void a_second_primary_is_ended_and_its_disks_are_kept(void **state)
{
	struct pair p;
	struct told t;

	pair_begin(&p, *state, UD_POLICY_ATTEST);
	/* a wrong statement: the old primary runs on, cut off */
	p.host[0].line_cut = p.peers_cut = true;
	scripted_write(p.host[0].script, p.uuid);
	fence(&p);
	pair_commit(&p, 1);
	pair_done(&p, 1, UD_VERB_PROMOTE, promotion(&p, pair_newest(&p, 1), true));
	assert_int_equal(p.running_max, 2); /* as attest says it may happen */
	p.host[0].line_cut = p.peers_cut = false;
	t = pair_do(&p, 0, UD_VERB_DEMOTE, "{\"keep_disk\":true}");
	assert_int_equal(t.outcome, UD_OUTCOME_DONE);
	assert_non_null(strstr(t.result, "\"was_running\":true"));
	assert_non_null(strstr(t.result, "\"divergent\":\"divergent-"));
	assert_false(pair_runs(&p, 0));
	assert_true(pair_runs(&p, 1));
	pair_end(&p);
}

int main(void)
{
#define LIFE(test_) cmocka_unit_test_setup_teardown(test_, context_begin, context_end)
	const struct CMUnitTest tests[] = {
		LIFE(each_kind_ends_where_it_should),
		LIFE(steps_are_refused_in_the_wrong_role),
		LIFE(steps_are_refused_without_ticket_and_plan),
		LIFE(a_proof_gives_way_to_a_failover),
		LIFE(a_proof_does_not_keep_an_agent_from_ending),
		LIFE(quarantine_forbids_what_promotes),
		LIFE(old_numbers_and_epochs_are_refused),
		LIFE(a_promotion_needs_leave_at_the_moment_it_starts),
		LIFE(a_guest_that_does_not_obey_is_switched_off_only_when_asked),
		LIFE(a_second_primary_is_ended_and_its_disks_are_kept),
		LIFE(every_crash_point_leads_to_the_same_end),
	};
#undef LIFE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
