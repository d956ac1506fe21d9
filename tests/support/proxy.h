/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the harness by way of a proxy that knows the specification (`prism proxy --errors`,
 * tests/api/specification_test.sh): it refuses requests and answers that the specification does not
 * have. What it refuses by itself is asked of the server as well, which must refuse it, too. At the
 * end of a program one line tells what was counted.
 */
#ifndef TESTS_SUPPORT_PROXY_H
#define TESTS_SUPPORT_PROXY_H

#include <stdbool.h>

/* Where the proxy listens (UD_TEST_PROXY), or NULL: calls go straight to the server. */
const char *proxy_url(void);
/* From now on the proxy's calls go to this port of 127.0.0.1: a program may have several servers.
 */
void proxy_to(int port);

/* Whose an answer is that came through the proxy. */
enum proxy_answer {
	PROXY_SERVER,    /* the server's, and as the specification says */
	PROXY_REFUSAL,   /* the proxy's own: the request did not reach the server */
	PROXY_VIOLATION, /* the proxy's own: the server's answer is not in the specification */
};
/* Tell by the answer's head and body; counts it. */
enum proxy_answer proxy_judge(const char *head, const char *body);
#endif
