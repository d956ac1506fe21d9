/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The matrix of crashes: every kind of run, and at each of its commands the server is killed, a
 * host dies and comes back, an agent is not heard for two minutes (it was killed, or its wire is
 * cut) while its VMs run on, an answer is lost after the work was done, the guest's QEMU dies, or
 * the hosts do not reach each other. Then whatever waits for a person gets the help that it names.
 * Every cell ends right, and no VM ever runs on two hosts. With UD_TEST_LONG all cells, else every
 * seventh, and on PostgreSQL about half as many.
 */
#include <stdlib.h>
#include <string.h>

#include "support/stage.h"

enum fault {
	SERVER,
	SOURCE_HOST,
	TARGET_HOST,
	SOURCE_AGENT,
	TARGET_AGENT,
	ANSWER,
	QEMU,
	LINK,
	FAULTS,
};
static const char *const fault_names[] = { "server", "source host", "target host", "source agent",
	"target agent", "answer", "qemu", "link" };

static const struct kind {
	const char *name, *kind, *reason;
	bool outage, rollback;
	int commands; /* that a run without faults takes, generously */
} kinds[] = {
	{ "test", "test", "validate_replication", false, false, 5 },
	{ "planned", "planned", "host_maintenance", false, false, 9 },
	{ "unplanned", "unplanned", "site_outage", true, false, 9 },
	{ "rolled back", "unplanned", "site_outage", true, true, 7 },
};
/* VMs of a stage, made afresh when each had a cell: every report tells of all of them. */
enum { CELLS = 8 };

/* What faults met, so that a matrix in which they strike at nothing is seen. */
static struct {
	int guests, deltas;
} met;

struct cell {
	const struct kind *kind;
	enum fault fault;
	int at;
};

static bool is(struct stage *s, const char *run, const char *state)
{
	return strcmp(stage_text(s, run, "state"), state) == 0;
}

static bool ended(struct stage *s, const char *run)
{
	return is(s, run, "solved") || is(s, run, "protected") || is(s, run, "failed") ||
		is(s, run, "rolled_back");
}

static void press(struct stage *s, const char *run, const char *op, const char *body)
{
	call(s->w, LEAD, "POST", fmt(s->w, "/v1/failovers/%s/%s", run, op), body, NULL);
}

/* What a person does who reads waiting_for. False: nothing is named. */
static bool help(struct stage *s, const struct cell *c, const char *run)
{
	struct reply r = stage_run(s, run);
	const char *state = text_at(r.json, "state");
	const char *code = text_at(r.json, "waiting_for.code");

	if (strcmp(state, "waiting") == 0) {
		if (!json_array_size(
			    json_object_get(json_object_get(r.json, "waiting_for"), "actions")))
			return false;
		if (strcmp(code, "attestation_needed") == 0)
			stage_attest(s, run, s->first);
		else if (strcmp(code, "source_answers") == 0)
			press(s, run, "cancel", "{}");
		else
			press(s, run,
				fmt(s->w, "steps/%lld/retry",
					(long long)stage_waiting_step(s, run)),
				"{}");
	} else if (strcmp(state, "test_running") == 0) {
		press(s, run, "cleanup-test", "{}");
	} else if (strcmp(state, "customer_validation") == 0) {
		stage_start_guest(s, s->first);
		press(s, run, "verify", "{\"result\":\"pass\"}");
		press(s, run, c->kind->rollback ? "rollback" : "commit", "{}");
	} else if (strcmp(state, "committed_unprotected") == 0) {
		press(s, run, "reverse", "{}");
	} else {
		stage_pass(s, 800); /* whatever is late is late now */
	}
	return true;
}

static void drive(struct stage *s, const struct cell *c, const char *run)
{
	for (int i = 0; i < 40 && !ended(s, run); i++) {
		stage_settle(s);
		if (!ended(s, run) && !help(s, c, run))
			fail_msg("%s, %s at %d: a dead end: %s", c->kind->name,
				fault_names[c->fault], c->at, stage_run(s, run).body);
	}
	if (!ended(s, run))
		fail_msg("%s, %s at %d: no end: %s", c->kind->name, fault_names[c->fault], c->at,
			stage_run(s, run).body);
}

static void strike(struct stage *s, const struct cell *c)
{
	switch (c->fault) {
	case SERVER:
		world_restart(s->w);
		stage_pass(s, 11);
		break;
	case SOURCE_HOST:
		stage_kill(s, 0);
		break;
	case TARGET_HOST:
		stage_kill(s, 1);
		break;
	case SOURCE_AGENT:
	case TARGET_AGENT:
		s->hosts[c->fault - SOURCE_AGENT].cut = true;
		s->reports = false;
		stage_pass(s, 120);
		break;
	case QEMU:
		met.guests += stage_kill_guest(s, s->first);
		break;
	case LINK:
		s->apart = true;
		break;
	default:
		break;
	}
}

static void mend(struct stage *s)
{
	met.deltas += s->missed;
	s->missed = 0;
	stage_revive(s, 0);
	stage_revive(s, 1);
	s->reports = true;
	s->apart = false;
}

static const char *start(struct stage *s, const struct cell *c)
{
	const char *run = stage_ask(s, c->kind->kind, c->kind->reason, 1, "");

	assert_non_null(run);
	stage_approve(s, run);
	return run;
}

/* Where the VM must be in the end, by the row that owns its epoch. */
static void check_end(struct stage *s, const struct cell *c, const char *run)
{
	const struct stage_vm *v = &s->vms[s->first];
	int64_t owner = stage_count(s,
		fmt(s->w, "SELECT COUNT(*) FROM vms WHERE id = '%s' AND host_id = '%s'", v->id,
			s->hosts[1].id));
	int where = stage_where(s, s->first);

	for (int h = 0; h < STAGE_HOSTS; h++)
		if (v->at[h].test)
			fail_msg("%s, %s at %d: a test copy is left: %s", c->kind->name,
				fault_names[c->fault], c->at, stage_run(s, run).body);
	/* a host that died has its VM off until its agent may start it: that is another's test */
	if (where >= 0 && where != (int)owner)
		fail_msg("%s, %s at %d: runs on %d, epoch is of %d: %s", c->kind->name,
			fault_names[c->fault], c->at, where, (int)owner, stage_run(s, run).body);
}

static void play(struct stage *s, const struct cell *c)
{
	if (c->kind->outage)
		stage_kill(s, 0);
	s->limit = s->answered + c->at;
	if (c->fault == ANSWER)
		s->lose = s->answered + c->at - 1;
	const char *run = start(s, c);

	for (int i = 0; i < 6 && s->answered < s->limit && !ended(s, run); i++) {
		stage_settle(s);
		if (s->answered < s->limit && !ended(s, run) && !is(s, run, "running"))
			help(s, c, run);
	}
	strike(s, c);
	s->limit = s->lose = -1;
	stage_settle(s);
	mend(s);
	drive(s, c, run);
	check_end(s, c, run);
	/* what was called off can be asked for again */
	if (!is(s, run, "failed") || c->kind->outage)
		return;
	if (stage_where(s, s->first) < 0)
		s->vms[s->first].at[0].running = true; /* its host's agent has started it */
	run = start(s, c);
	drive(s, c, run);
	if (is(s, run, "failed"))
		fail_msg("%s, %s at %d: the second try failed: %s", c->kind->name,
			fault_names[c->fault], c->at, stage_run(s, run).body);
	check_end(s, c, run);
}

/* Of the ordinary run: on PostgreSQL every other fault of a kind, and whatever kills guests. */
static bool chosen(size_t kind, int fault, bool few)
{
	return !few || (kind + (size_t)fault) % 2 == 0 || fault == QEMU;
}

static void every_cell_ends_right(void **state)
{
	const char *engine = getenv("UD_TEST_DATABASE");
	bool postgres = engine && strcmp(engine, "postgresql") == 0;
	int step = getenv("UD_TEST_LONG") ? 1 : postgres ? 11 : 7;
	bool few = postgres && step > 1;
	int played = 0;
	struct stage *s = *state;

	for (size_t k = 0; k < UD_LEN(kinds); k++)
		for (int f = 0; f < FAULTS; f++) {
			int of_row = 0;

			for (int at = 1 + (f + (int)k) % step;
				at <= kinds[k].commands && chosen(k, f, few); at += step) {
				struct cell c = { &kinds[k], (enum fault)f, at };

				if (s->first == s->count) { /* a fresh set of VMs */
					stage_end(s);
					*state = s = stage_begin(CELLS);
				}
				play(s, &c);
				s->first++;
				of_row++;
			}
			print_message(
				"# %-12s %-12s %d cells\n", kinds[k].name, fault_names[f], of_row);
			played += of_row;
		}
	print_message(
		"# %d cells, all at an end; guests killed: %d, final deltas cut: %d; VMs that ran "
		"on two hosts: %d\n",
		played, met.guests, met.deltas, s->overlapped);
	assert_true(met.guests > 0);
	assert_true(step > 1 || met.deltas > 0);
	assert_false(s->overlapped);
}

static int begin(void **state)
{
	*state = stage_begin(CELLS);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_cell_ends_right, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
