/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real clock and the real randomness of Windows.
 */
#include <windows.h>

#include <bcrypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/env.h"
#include "base/file.h"
#include "base/process.h"
#include "base/socket.h"

/* Between 1601 and 1970, in steps of 100 ns. */
static const int64_t epoch = INT64_C(116444736000000000);

static int64_t real_now(const struct ud_env *env)
{
	FILETIME t;

	(void)env;
	GetSystemTimePreciseAsFileTime(&t);
	return (((int64_t)t.dwHighDateTime << 32 | t.dwLowDateTime) - epoch) / 10000;
}

/* Counts on while the machine sleeps. */
static int64_t real_mono(const struct ud_env *env)
{
	(void)env;
	return (int64_t)GetTickCount64();
}

static void random_hex(const struct ud_env *env, char *out, size_t bytes)
{
	unsigned char chance;

	for (size_t i = 0; i < bytes; i++) {
		env->random(env, &chance, 1);
		snprintf(out + 2 * i, 3, "%02x", chance);
	}
}

/*
 * Windows gives a boot no name. A volatile key of the registry is gone at the next one, so the
 * first of us to come writes a name there. Whoever may not, does not know it.
 */
static bool stored_name(const struct ud_env *env, char ret[33])
{
	HKEY key;
	DWORD n = 33, type = 0;

	if (RegCreateKeyExW(HKEY_LOCAL_MACHINE, L"SOFTWARE\\Understudy\\Boot", 0, NULL,
		    REG_OPTION_VOLATILE, KEY_QUERY_VALUE | KEY_SET_VALUE, NULL, &key, NULL) != 0)
		return false;
	bool known = RegQueryValueExA(key, "name", NULL, &type, (BYTE *)ret, &n) == 0 &&
		type == REG_SZ && n == 33;

	if (!known) {
		random_hex(env, ret, 16);
		known = RegSetValueExA(key, "name", 0, REG_SZ, (const BYTE *)ret, 33) == 0;
	}
	RegCloseKey(key);
	ret[32] = 0;
	return known;
}

void ud_boot_name(const struct ud_env *env, char ret[UD_CLOCK_NAME])
{
	HANDLE one = CreateMutexW(NULL, FALSE, L"Global\\understudy-boot");

	if (one)
		WaitForSingleObject(one, INFINITE);
	if (!stored_name(env, ret))
		random_hex(env, ret, 16);
	if (one) {
		ReleaseMutex(one);
		CloseHandle(one);
	}
}

static void real_random(const struct ud_env *env, void *buf, size_t n)
{
	(void)env;
	if (BCryptGenRandom(NULL, buf, (ULONG)n, BCRYPT_USE_SYSTEM_PREFERRED_RNG) != 0)
		abort();
}

const struct ud_env ud_env_real = { .now_ms = real_now,
	.mono_ms = real_mono,
	.mono_name = ud_boot_name,
	.random = real_random,
	.files = &ud_files_real,
	.processes = &ud_processes_real,
	.sockets = &ud_sockets_real };

void ud_local_time(int64_t now_ms, int *ret_weekday, int *ret_minute)
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm = { 0 };

	if (localtime_s(&tm, &t) != 0)
		abort();
	*ret_weekday = (tm.tm_wday + 6) % 7;
	*ret_minute = tm.tm_hour * 60 + tm.tm_min;
}

void ud_deadline(int64_t after_ms, struct timespec *ret)
{
	int64_t ms = real_now(&ud_env_real) + after_ms;

	ret->tv_sec = ms / 1000;
	ret->tv_nsec = (long)(ms % 1000 * 1000000);
}
