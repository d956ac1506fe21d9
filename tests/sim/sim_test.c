/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failovers under faults, simulated (support/sim.h). By hand, for any number:
 *   UD_SIM_SEED=7 UD_SIM_FAULTS=1000000 build/gcc/tests/sim_sim_test
 * UD_SIM_LOG=1 prints what agents and server log. The ordinary run plays seeds 1 to 4.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/env.h"
#include "support/sim.h"

enum { ORDINARY = 4000, LONG = 100000, MUTANT_FAULTS = 20000 };

static int64_t number(const char *name, int64_t standard)
{
	const char *text = getenv(name);

	return text ? strtoll(text, NULL, 10) : standard;
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

static void nothing_breaks(void **state)
{
	uint64_t seed = (uint64_t)number("UD_SIM_SEED", 1);
	int64_t faults = number("UD_SIM_FAULTS", getenv("UD_TEST_LONG") ? LONG : ORDINARY);
	struct sim_score score = { 0 };
	int64_t began = ud_stopwatch_us();

	(void)state;
	while (score.all < faults) {
		const char *broken = sim_play(seed, 1000, SIM_SOUND, &score);

		if (broken)
			fail_msg("seed %llu: %s", (unsigned long long)seed, broken);
		seed++;
	}
	print(&score, ud_stopwatch_us() - began);
	/* a world in which nothing happens proves nothing */
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

	return cmocka_run_group_tests(tests, NULL, NULL);
}
