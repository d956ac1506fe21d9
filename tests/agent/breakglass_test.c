/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Break-glass at the replica's host: what an envelope must be, what must be typed, and what comes
 * of it, until the server is back and the old primary too.
 */
#include "agent/breakglass.h"

#include <string.h>

#include "base/envelope.h"
#include "support/pair.h"

static struct ud_envelope fit(struct pair *p)
{
	return (struct ud_envelope){ .vm_id = PAIR_VM,
		.host_id = p->host[1].config.host_id,
		.epoch = 1,
		.issued_at.ms = p->cx->now_ms,
		.expires_at.ms = p->cx->now_ms + 1000,
		.issued_by = "usr_1" };
}

static enum ud_code use(
	struct pair *p, int host, const unsigned char *key, struct ud_envelope e, const char *words)
{
	const char *line = ud_envelope_write(p->cx, key, &e);
	struct ud_journal_vm vm = { 0 };

	return ud_breakglass(p->cx, &p->host[host].config, p->host[host].station.journal, PAIR_VM,
		line, words ? words : ud_breakglass_words(p->cx, PAIR_VM), &vm);
}

static void only_the_right_envelope_and_words_will_do(void **state)
{
	struct pair p;
	struct ud_envelope e;
	unsigned char foreign[UD_SIGN_KEY];
	struct ud_journal_vm vm = { 0 };

	pair_begin(&p, *state, UD_POLICY_ATTEST);
	ud_sign_key(p.cx->env, foreign);
	assert_int_equal(use(&p, 1, foreign, fit(&p), NULL), UD_E_VALIDATION);
	assert_int_equal(use(&p, 1, p.key, fit(&p), "yes"), UD_E_VALIDATION);
	assert_int_equal(use(&p, 1, p.key, fit(&p), ""), UD_E_VALIDATION);
	e = fit(&p);
	e.vm_id = "vm_other";
	assert_int_equal(use(&p, 1, p.key, e, NULL), UD_E_VALIDATION);
	e = fit(&p);
	e.host_id = "hst_other";
	assert_int_equal(use(&p, 1, p.key, e, NULL), UD_E_VALIDATION);
	e = fit(&p);
	e.expires_at.ms = p.cx->now_ms;
	assert_int_equal(use(&p, 1, p.key, e, NULL), UD_E_EXPIRED);
	e = fit(&p);
	e.epoch = 2;
	assert_int_equal(use(&p, 1, p.key, e, NULL), UD_E_INVALID_STATE);
	/* the primary itself needs none */
	e = fit(&p);
	e.host_id = p.host[0].config.host_id;
	assert_int_equal(use(&p, 0, p.key, e, NULL), UD_E_INVALID_STATE);
	/* and a command of the server is none, nor is any other text */
	static const char *const lines[] = { "", ".", "e30.e30", "no envelope", "a.b.c" };

	for (size_t i = 0; i < UD_LEN(lines); i++)
		assert_int_equal(
			ud_breakglass(p.cx, &p.host[1].config, p.host[1].station.journal, PAIR_VM,
				lines[i], ud_breakglass_words(p.cx, PAIR_VM), &vm),
			UD_E_VALIDATION);
	assert_int_equal(pair_row(&p, 1).role, UD_VM_ROLE_REPLICA);
	assert_int_equal(pair_row(&p, 1).epoch, 1);
	pair_end(&p);
}

static void the_replica_runs_until_the_server_takes_it_over(void **state)
{
	struct pair p;
	int64_t content;

	pair_begin(&p, *state, UD_POLICY_ATTEST);
	content = scripted_content(p.host[0].script, p.uuid);
	/* the server and the primary's machine are gone */
	p.host[0].line_cut = p.host[1].line_cut = p.peers_cut = true;
	scripted_set_power(p.host[0].script, p.uuid, UD_POWER_OFF);
	pair_look(&p, 1);
	assert_false(pair_runs(&p, 1));
	assert_int_equal(use(&p, 1, p.key, fit(&p), NULL), UD_OK);
	/* the agent may die meanwhile: the journal has it */
	pair_restart(&p, 1);
	pair_look(&p, 1);
	assert_true(pair_runs(&p, 1));
	assert_int_equal(scripted_content(p.host[1].script, p.uuid), content);
	assert_int_equal(pair_row(&p, 1).epoch, 2);
	assert_true(pair_row(&p, 1).breakglass);
	/* once is enough, and one envelope is good for one epoch */
	assert_int_equal(use(&p, 1, p.key, fit(&p), NULL), UD_E_INVALID_STATE);
	/* the old primary's machine boots, sees the server, and its peer does not answer */
	pair_boot(&p, 0);
	p.host[0].line_cut = false;
	pair_look(&p, 0);
	assert_false(pair_runs(&p, 0));
	/* the server hears of it and takes it in */
	p.host[1].line_cut = p.peers_cut = false;
	pair_pass(&p, 31000);
	pair_look(&p, 1);
	assert_int_equal(p.epoch, 2);
	assert_int_equal(p.owner, 1);
	assert_false(pair_row(&p, 1).breakglass);
	pair_pass(&p, 31000);
	pair_look(&p, 0);
	assert_int_equal(pair_row(&p, 0).role, UD_VM_ROLE_DISPLACED);
	assert_true(pair_runs(&p, 1));
	assert_int_equal(p.running_max, 1);
	pair_end(&p);
}

/* The server had moved the epoch when the envelope was used; people choose whose copy goes on. */
static void of_two_that_claim_it_people_choose_one(void **state)
{
	struct pair p;
	int64_t content;

	for (int winner = 0; winner < 2; winner++) {
		pair_begin(&p, *state, UD_POLICY_ATTEST);
		content = scripted_content(p.host[0].script, p.uuid);
		p.host[0].line_cut = p.host[1].line_cut = p.peers_cut = true;
		scripted_set_power(p.host[0].script, p.uuid, UD_POWER_OFF);
		assert_int_equal(use(&p, 1, p.key, fit(&p), NULL), UD_OK);
		pair_look(&p, 1);
		assert_true(pair_runs(&p, 1));
		if (winner == 0) /* its people say that it is the other one that counts */
			scripted_set_power(p.host[1].script, p.uuid, UD_POWER_OFF);
		p.host[0].line_cut = p.host[1].line_cut = p.peers_cut = false;
		p.epoch = 3;
		p.owner = winner;
		pair_done(&p, 1 - winner, "demote", "{\"keep_disk\":true}");
		pair_done(&p, winner, "promote",
			"{\"replication_id\":\"" PAIR_RELATION "\",\"peer_fenced\":true}");
		assert_int_equal(pair_row(&p, winner).epoch, 3);
		assert_int_equal(pair_row(&p, winner).role, UD_VM_ROLE_PRIMARY);
		assert_false(pair_row(&p, winner).breakglass);
		assert_int_equal(pair_row(&p, 1 - winner).role, UD_VM_ROLE_DISPLACED);
		for (int i = 0; i < 3; i++) {
			pair_look(&p, 0);
			pair_look(&p, 1);
			pair_pass(&p, 31000);
		}
		assert_true(pair_runs(&p, winner));
		assert_false(pair_runs(&p, 1 - winner));
		assert_int_equal(scripted_content(p.host[winner].script, p.uuid), content);
		assert_int_equal(p.running_max, 1);
		pair_end(&p);
	}
}

int main(void)
{
#define LIFE(test_) cmocka_unit_test_setup_teardown(test_, context_begin, context_end)
	const struct CMUnitTest tests[] = {
		LIFE(only_the_right_envelope_and_words_will_do),
		LIFE(the_replica_runs_until_the_server_takes_it_over),
		LIFE(of_two_that_claim_it_people_choose_one),
	};
#undef LIFE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
