/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other programs of a test's, with its environment and outputs. A test that has threads starts them
 * here and not by fork and exec: compiled for coverage, exec first writes the counts, which takes
 * memory, and where another thread was just taking some at the fork the copy waits for it for ever.
 */
#ifndef TESTS_SUPPORT_PROGRAMS_H
#define TESTS_SUPPORT_PROGRAMS_H

#include <sys/types.h>

/* Start argv[0], an absolute path; out is its standard output, -1 = ours. The test fails when it
 * does not start. Whoever starts must wait for the number it gets. */
pid_t program_start(const char *const *argv, int out);

/* The same to its end: its exit status, 128 after a signal. */
int program_run(const char *const *argv);

/* Wait for the end of one that was started: its exit status, 128 after a signal. */
int program_wait(pid_t pid);

/* Print what the threads of one that stands still do: name, state and where in the kernel. */
void program_describe(pid_t pid);

#endif
