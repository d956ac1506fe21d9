/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a waiting worker and its customer say to each other, for each server that is measured: ours
 * over HTTP, Redis, beanstalkd. A queue of its own for each worker.
 */
#ifndef TESTS_BENCH_AGENTS_WIRES_H
#define TESTS_BENCH_AGENTS_WIRES_H

#include "base/buf.h"

/* What a connection waits for. */
enum phase { HELLO, WAITING, DONE, BEAT, PUT, IDLE };

struct worker {
	int number;
	const char *host_id; /* ours */
	int64_t seq;         /* of the job it got; ours */
	char job[24];        /* its id; beanstalkd's */
};

struct wire {
	const char *name;
	bool tls;
	/* Write what the phase says; out is empty. HELLO may write nothing: then it is skipped. */
	void (*say)(struct ud_buf *out, enum phase phase, struct worker *w, const char *token);
	/* Length of the whole answer at the beginning of text, 0 = there is more to come, -1 = an
	 * error. *ret_job true: it brought a job; false while waiting: wait again. */
	int (*hear)(const char *text, enum phase phase, struct worker *w, bool *ret_job);
};

/* By name; NULL = unknown. */
const struct wire *wire_named(const char *name);

#endif
