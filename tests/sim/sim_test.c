/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failovers under faults, simulated (support/sim.h). By hand, for any number:
 *   UD_SIM_SEED=7 UD_SIM_FAULTS=1000000 build/gcc/tests/sim_sim_test
 * UD_SIM_LOG=1 prints what happens, and what agents and server log. The ordinary run plays seeds 1
 * to 100, a thousand faults each. Seeds know nothing of each other: as many processes as there are
 * cores take one after the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/env.h"
#include "support/sim.h"

enum { ORDINARY = 100000, LONG = 1000000, OF_SEED = 1000, MUTANT_FAULTS = 20000, PLAYERS_MAX = 16 };

/* What the processes share. */
struct games {
	uint64_t first;
	int64_t seeds;
	_Atomic int64_t taken;
	struct player {
		struct sim_score score;
		pid_t pid;
		FILE *said;
	} player[PLAYERS_MAX];
	int players;
};
static struct games *games;
static int me; /* which player this process is */
static int64_t began_us;

static int64_t number(const char *name, int64_t standard)
{
	const char *text = getenv(name);

	return text ? strtoll(text, NULL, 10) : standard;
}

/* ---- one process ---- */

static void play_seeds(void **state)
{
	struct sim_score *score = &games->player[me].score;
	int64_t n;

	(void)state;
	while ((n = atomic_fetch_add(&games->taken, 1)) < games->seeds) {
		uint64_t seed = games->first + (uint64_t)n;
		const char *broken = sim_play(seed, OF_SEED, SIM_SOUND, score);

		if (broken)
			fail_msg("seed %llu: %s", (unsigned long long)seed, broken);
	}
}

static int player(const struct player *p)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(play_seeds) };

	dup2(fileno(p->said), STDOUT_FILENO);
	dup2(fileno(p->said), STDERR_FILENO);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	fflush(NULL);
	return failed;
}

static void begin_games(void)
{
	int64_t faults = number("UD_SIM_FAULTS", getenv("UD_TEST_LONG") ? LONG : ORDINARY);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	games = mmap(
		NULL, sizeof(*games), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (games == MAP_FAILED)
		abort();
	games->first = (uint64_t)number("UD_SIM_SEED", 1);
	games->seeds = (faults + OF_SEED - 1) / OF_SEED;
	games->players = cores < 1 ? 1 : cores > PLAYERS_MAX ? PLAYERS_MAX : (int)cores;
	began_us = ud_stopwatch_us();
	for (int i = 0; i < games->players; i++) {
		struct player *p = &games->player[i];

		p->said = tmpfile();
		pid_t pid = p->said ? fork() : -1;

		if (pid < 0)
			abort();
		if (pid == 0) {
			me = i;
			_exit(player(p));
		}
		p->pid = pid;
	}
}

/* ---- all of them ---- */

static void add(struct sim_score *to, const struct sim_score *from)
{
	for (int f = 0; f < SIM_FAULTS; f++)
		to->faults[f] += from->faults[f];
	to->all += from->all;
	to->events += from->events;
	to->runs += from->runs;
	to->to_target += from->to_target;
	to->called_off += from->called_off;
	to->rolled_back += from->rolled_back;
	to->tests += from->tests;
	to->helped += from->helped;
	to->virtual_ms += from->virtual_ms;
}

static void print(const struct sim_score *c, int64_t us)
{
	print_message(
		"# %lld faults in %lld runs (%lld to the replica, %lld rolled back, %lld called"
		" off, %lld tests), %lld events, %lld helped, %.1f days in %.0f s\n",
		(long long)c->all, (long long)c->runs, (long long)c->to_target,
		(long long)c->rolled_back, (long long)c->called_off, (long long)c->tests,
		(long long)c->events, (long long)c->helped, (double)c->virtual_ms / 86400000,
		(double)us / 1e6);
	for (int f = 0; f < SIM_FAULTS; f++)
		print_message("#   %-14s %lld\n", sim_fault_names[f], (long long)c->faults[f]);
}

static void print_said(FILE *said)
{
	char line[1024];

	rewind(said);
	while (fgets(line, sizeof(line), said))
		print_message("# %s", line);
}

static void nothing_breaks(void **state)
{
	struct sim_score score = { 0 };
	int failed = 0;

	(void)state;
	for (int i = 0; i < games->players; i++) {
		struct player *p = &games->player[i];
		int status = 0;

		assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
		if (status) {
			failed++;
			print_said(p->said);
		}
		add(&score, &p->score);
	}
	print(&score, ud_stopwatch_us() - began_us);
	assert_int_equal(failed, 0);
	/* a world in which nothing happens proves nothing */
	assert_true(score.all >= games->seeds * OF_SEED);
	assert_true(score.to_target > 0 && score.rolled_back > 0 && score.called_off > 0 &&
		score.tests > 0);
	for (int f = 0; f < SIM_FAULTS; f++)
		assert_true(score.faults[f] > 0);
}

static void sown_bugs_are_found(void **state)
{
	(void)state;
	for (int m = SIM_SOUND + 1; m < SIM_MUTANTS; m++) {
		struct sim_score score = { 0 };
		const char *broken =
			sim_play((uint64_t)(100 + m), MUTANT_FAULTS, (enum sim_mutant)m, &score);

		if (!broken)
			fail_msg("%s: not found in %lld faults", sim_mutant_names[m],
				(long long)score.all);
		print_message("# %s: found after %lld faults: %.60s\n", sim_mutant_names[m],
			(long long)score.all, broken);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_breaks),
		cmocka_unit_test(sown_bugs_are_found),
	};

	begin_games();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
