/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intervals of predictions: what they say of themselves is counted.
 */
#include "support/context.h"

#include "base/prediction.h"

enum { MOST = 60 };

/* Of n + 1 different values each one is the next one once; how many lie in the interval of the
 * others is what the interval says of itself. */
static void the_next_one_lies_in_it_as_often_as_said(void **state)
{
	int64_t all[MOST + 1], others[MOST];
	struct ud_prediction p;

	(void)state;
	for (size_t i = 0; i <= MOST; i++)
		all[i] = (int64_t)((i * 37) % 61) * (int64_t)((i * 37) % 61);
	for (size_t n = 1; n <= MOST; n++) {
		size_t held = 0;

		for (size_t next = 0; next <= n; next++) {
			for (size_t i = 0, k = 0; i <= n; i++)
				if (i != next)
					others[k++] = all[i];
			ud_predict(others, n, &p);
			held += all[next] > p.low && all[next] < p.high;
		}
		assert_int_equal(p.percent, 100 * held / (n + 1));
		assert_int_equal(n >= UD_PREDICTION_ENOUGH, p.percent >= UD_PREDICTION_PERCENT);
	}
}

static void outliers_leave_it_when_there_are_enough(void **state)
{
	int64_t values[39];
	struct ud_prediction p;

	(void)state;
	for (int i = 0; i < 39; i++)
		values[i] = 39 - i;
	values[0] = 100000;
	ud_predict(values, 39, &p);
	assert_int_equal(p.low, 2);
	assert_int_equal(p.high, 38);
	assert_int_equal(p.median, 20);
	assert_int_equal(p.percent, 90);
}

static void few_values_are_less_sure(void **state)
{
	int64_t values[] = { 90, 30 };
	struct ud_prediction p;

	(void)state;
	ud_predict(values, 2, &p);
	assert_int_equal(p.low, 30);
	assert_int_equal(p.high, 90);
	assert_int_equal(p.median, 60);
	assert_int_equal(p.percent, 33);
	ud_predict(values, 1, &p);
	assert_int_equal(p.low, 30);
	assert_int_equal(p.high, 30);
	assert_int_equal(p.percent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_one_lies_in_it_as_often_as_said),
		cmocka_unit_test(outliers_leave_it_when_there_are_enough),
		cmocka_unit_test(few_values_are_less_sure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
