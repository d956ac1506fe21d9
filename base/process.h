/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other programs, through a table that a test replaces. A program is a list of arguments, never a
 * line of text for a shell; it gets the environment it is given and nothing of ours, no descriptor
 * beyond 0 to 2, default signals, and a process group of its own, so that what it starts ends with
 * it. On Windows the group is a job, which also ends with us; there is no asking to end, so that
 * every signal kills; and variables without which nothing starts there (SystemRoot, TEMP …) are
 * handed down.
 */
#ifndef BASE_PROCESS_H
#define BASE_PROCESS_H

#include "base/ctx.h"
#include "base/env.h"

struct ud_program {
	const char *const *argv;        /* ended by NULL; argv[0] is an absolute path */
	const char *const *environment; /* "NAME=value", ended by NULL; NULL = empty */
	int in, out, err;               /* descriptors it gets; -1 = /dev/null */
};

struct ud_processes {
	/* 0 or an errno. Whoever starts must wait, or a zombie stays. */
	int (*start)(const struct ud_program *program, int *ret_pid);
	/* Wait for the end. *ret_status: its exit status, or 128 + signal. ETIMEDOUT: it still
	 * runs. */
	int (*wait)(int pid, int64_t timeout_ms, int *ret_status);
	/* Send a signal to it and all it started. ESRCH: nothing of it is left. */
	int (*kill)(int pid, int signal);
};

extern const struct ud_processes ud_processes_real;

struct ud_run {
	const char *const *argv;
	const char *const *environment;
	const void *input; /* its standard input, from a file in memory */
	size_t input_n;
	size_t output_max; /* bytes of each output that are kept */
	int64_t timeout_ms;
};

struct ud_ran {
	int status;                 /* exit status, or 128 + signal */
	const char *output, *error; /* what it wrote, in cx->arena, NUL-terminated */
	size_t output_n, error_n;
	bool cut; /* it wrote more than output_max */
};

/*
 * Run a program to its end: until it has closed both outputs and exited. UD_E_UNAVAILABLE with its
 * name when it cannot be started or takes longer than timeout_ms (then it has been killed); an exit
 * status other than 0 is no error here. Blocks: never on a loop, never inside a transaction.
 */
enum ud_code ud_process_run(struct ud_ctx *cx, const struct ud_run *run, struct ud_ran *ret) UD_USE;

/* Where the program that this is lies, in cx->arena. UD_E_UNAVAILABLE. */
enum ud_code ud_own_program(struct ud_ctx *cx, const char **ret) UD_USE;

#endif
