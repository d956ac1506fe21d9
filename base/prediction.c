/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order statistics, no model.
 */
#include "base/prediction.h"

#include <stdlib.h>

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void ud_predict(int64_t *values, size_t n, struct ud_prediction *ret)
{
	size_t j = (n + 1) * (100 - UD_PREDICTION_PERCENT) / 200;

	qsort(values, n, sizeof(*values), by_value);
	j = j ? j : 1;
	ret->low = values[j - 1];
	ret->high = values[n - j];
	ret->median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
	ret->percent = (int64_t)(100 * (n + 1 - 2 * j) / (n + 1));
}
