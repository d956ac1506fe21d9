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
		STAGE(not_everybody_and_not_anything_may_be_chosen),
	};
#undef STAGE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
