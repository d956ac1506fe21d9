/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes next, judged by what came before and by nothing else: prediction intervals between two
 * values that were seen. Of n values and the next one, drawn from the same source in whatever
 * order, each of the n + 1 places is as likely for the next one; so it lies between the j-th least
 * and the j-th greatest with a probability of (n + 1 - 2 j) / (n + 1), whatever the distribution
 * (S. S. Wilks, "Determination of Sample Sizes for Setting Tolerance Limits", Annals of
 * Mathematical Statistics 12, 1941; G. J. Hahn and W. Q. Meeker, "Statistical Intervals", 1991,
 * distribution-free prediction intervals). Equal values only make it likelier. Values that drift
 * are not drawn from the same source: how many past predictions held is counted for that.
 */
#ifndef BASE_PREDICTION_H
#define BASE_PREDICTION_H

#include <stddef.h>
#include <stdint.h>

/* What is promised, as far as there are enough values: the least number of them is 19. */
enum { UD_PREDICTION_PERCENT = 90, UD_PREDICTION_ENOUGH = 19 };

struct ud_prediction {
	int64_t low, high, median; /* in the values' unit */
	int64_t percent; /* how likely the next one is to lie in it, at least; rounded down */
};

/*
 * Predict the next of n values (n > 0), which are sorted here. From 19 on it is the narrowest
 * interval of this kind that holds the next one with UD_PREDICTION_PERCENT; with fewer it reaches
 * from the least to the greatest, and percent says how little that is sure: 0 for a single value.
 */
void ud_predict(int64_t *values, size_t n, struct ud_prediction *ret);

#endif
