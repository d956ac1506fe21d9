/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The outer world as a table: clock and randomness here, files in file.h, programs in process.h,
 * sockets in socket.h. The real one is ud_env_real; a test hands in its own. Nothing else in base/
 * asks the operating system for these: what does stands in files named _posix.c, and the rest of
 * base/ and the agent's core compile for Windows, too (tests/lint: windows).
 */
#ifndef BASE_ENV_H
#define BASE_ENV_H

#include "base/ud.h"

struct ud_files;
struct ud_processes;
struct ud_sockets;

enum { UD_CLOCK_NAME = 96 };

struct ud_env {
	/* Wall clock, milliseconds since 1970 UTC. May jump. */
	int64_t (*now_ms)(const struct ud_env *env);
	/* Milliseconds since boot, suspended time included (CLOCK_BOOTTIME). Never goes back. */
	int64_t (*mono_ms)(const struct ud_env *env);
	/* which clock mono_ms counts by: one machine's, since one boot of it */
	void (*mono_name)(const struct ud_env *env, char ret[UD_CLOCK_NAME]);
	/* n bytes that nobody can guess. Aborts when the system has none. */
	void (*random)(const struct ud_env *env, void *buf, size_t n);
	const struct ud_files *files;
	const struct ud_processes *processes;
	const struct ud_sockets *sockets;
	void *data; /* of a test's own env */
};

/* The real world. Any thread. */
extern const struct ud_env ud_env_real;

/* Shorthands. Any thread. */
int64_t ud_now_ms(const struct ud_env *env);
int64_t ud_mono_ms(const struct ud_env *env);
void ud_mono_name(const struct ud_env *env, char ret[UD_CLOCK_NAME]);
void ud_random(const struct ud_env *env, void *buf, size_t n);
/* Microseconds of a steady clock, to measure what our own work takes; no decision hangs on it. Any
 * thread. */
int64_t ud_stopwatch_us(void);

/* The boot that this machine is in, as its system names it; a name of chance when nobody knows. Any
 * thread. */
void ud_boot_name(const struct ud_env *env, char ret[UD_CLOCK_NAME]);

/* Day of the week (0 = Monday) and minute of the day that this machine's clocks on the wall show at
 * an instant. Any thread. */
void ud_local_time(int64_t now_ms, int *ret_weekday, int *ret_minute);

struct timespec;
/* The instant some milliseconds from now, for pthread_cond_timedwait of a condition whose clock was
 * set to CLOCK_MONOTONIC. mingw-w64's threads know the wall clock alone and refuse to have it set;
 * there it is an instant of that, which they turn into a length of time at once. */
void ud_deadline(int64_t after_ms, struct timespec *ret);

#endif
