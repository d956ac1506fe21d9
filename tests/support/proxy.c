/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling the proxy's own answers from the server's: the server's carry a request's id.
 */
#include "support/proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Counted over the program. */
static struct {
	int answers[PROXY_VIOLATION + 1];
} counts;

const char *proxy_url(void)
{
	return getenv("UD_TEST_PROXY");
}

void proxy_to(int port)
{
	static int last;
	const char *name = getenv("UD_TEST_TARGET");
	FILE *f = name && port != last ? fopen(name, "w") : NULL;

	if (!f)
		return;
	fprintf(f, "%d", port);
	fclose(f);
	last = port;
}

static void tell(void)
{
	printf("# proxy: %d answers as specified, %d requests refused by it and the server, "
	       "%d violations\n",
		counts.answers[PROXY_SERVER], counts.answers[PROXY_REFUSAL],
		counts.answers[PROXY_VIOLATION]);
}

static void count(int *what)
{
	static bool telling;

	if (!telling)
		atexit(tell);
	telling = true;
	(*what)++;
}

enum proxy_answer proxy_judge(const char *head, const char *body)
{
	enum proxy_answer a = strcasestr(head, "\nX-Request-Id:") ? PROXY_SERVER
		: strstr(body, "prism/errors#VIOLATIONS")         ? PROXY_VIOLATION
								  : PROXY_REFUSAL;

	count(&counts.answers[a]);
	return a;
}
