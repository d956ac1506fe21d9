/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shorthands for the outer world, and a stopwatch.
 */
#include "base/env.h"

#include <stdlib.h>
#include <time.h>

int64_t ud_now_ms(const struct ud_env *env)
{
	return env->now_ms(env);
}

int64_t ud_mono_ms(const struct ud_env *env)
{
	return env->mono_ms(env);
}

void ud_mono_name(const struct ud_env *env, char ret[UD_CLOCK_NAME])
{
	env->mono_name(env, ret);
}

void ud_random(const struct ud_env *env, void *buf, size_t n)
{
	env->random(env, buf, n);
}

int64_t ud_stopwatch_us(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
		abort();
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}
