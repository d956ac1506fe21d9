/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real clock and the real randomness of a POSIX system.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

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

/* What a file of a few bytes says, or a link: up to the first line's end. */
static size_t read_word(const char *path, bool link, char *out, size_t n)
{
	ssize_t got = -1;

	if (link) {
		got = readlink(path, out, n - 1);
	} else {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (fd >= 0) {
			got = read(fd, out, n - 1);
			close(fd);
		}
	}
	out[got > 0 ? got : 0] = 0;
	out[strcspn(out, "\n")] = 0;
	return strlen(out);
}

void ud_boot_name(const struct ud_env *env, char ret[UD_CLOCK_NAME])
{
	unsigned char chance[16];

	if (read_word("/proc/sys/kernel/random/boot_id", false, ret, UD_CLOCK_NAME / 2))
		return;
	env->random(env, chance, sizeof(chance));
	for (size_t i = 0; i < sizeof(chance); i++)
		snprintf(ret + 2 * i, 3, "%02x", chance[i]);
}

/* The boot, and the time namespace, whose clock may stand elsewhere. */
static void real_mono_name(const struct ud_env *env, char ret[UD_CLOCK_NAME])
{
	ud_boot_name(env, ret);
	size_t n = strlen(ret);

	ret[n++] = ' ';
	read_word("/proc/self/ns/time", true, ret + n, UD_CLOCK_NAME - n);
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
	.mono_name = real_mono_name,
	.random = real_random,
	.files = &ud_files_real,
	.processes = &ud_processes_real,
	.sockets = &ud_sockets_real };

void ud_local_time(int64_t now_ms, int *ret_weekday, int *ret_minute)
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm = { 0 };

	if (!localtime_r(&t, &tm))
		abort();
	*ret_weekday = (tm.tm_wday + 6) % 7;
	*ret_minute = tm.tm_hour * 60 + tm.tm_min;
}

void ud_deadline(int64_t after_ms, struct timespec *ret)
{
	if (clock_gettime(CLOCK_MONOTONIC, ret) != 0)
		abort();
	int64_t ns = ret->tv_nsec + after_ms % 1000 * 1000000;

	ret->tv_sec += after_ms / 1000 + ns / 1000000000;
	ret->tv_nsec = ns % 1000000000;
}
