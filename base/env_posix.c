/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real clock and the real randomness of a POSIX system.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/env.h"
#include "base/file.h"
#include "base/process.h"
#include "base/socket.h"

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	if (clock_gettime(id, &t) != 0)
		abort();
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t real_now(const struct ud_env *env)
{
	(void)env;
	return clock_ms(CLOCK_REALTIME);
}

static int64_t real_mono(const struct ud_env *env)
{
	(void)env;
	return clock_ms(CLOCK_BOOTTIME);
}

static void real_random(const struct ud_env *env, void *buf, size_t n)
{
	unsigned char *p = buf;

	(void)env;
	while (n) {
		ssize_t got = getrandom(p, n < 256 ? n : 256, 0);

		if (got < 0 && errno == EINTR)
			continue; /* before the system has gathered enough at boot */
		if (got < 0)
			abort();
		p += got;
		n -= (size_t)got;
	}
}

const struct ud_env ud_env_real = { .now_ms = real_now,
	.mono_ms = real_mono,
	.random = real_random,
	.files = &ud_files_real,
	.processes = &ud_processes_real,
	.sockets = &ud_sockets_real };
