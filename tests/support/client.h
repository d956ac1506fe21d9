/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small HTTP client for threads of their own: one connection, kept alive.
 */
#ifndef TESTS_SUPPORT_CLIENT_H
#define TESTS_SUPPORT_CLIENT_H

#include <jansson.h>

#include "base/buf.h"

struct client {
	void *curl;
	const char *base, *token; /* token NULL = none */
	struct ud_buf body;       /* of the last answer */
};

/* One call; the status, or 0 when no answer came. header: one more line or NULL. */
int client_call(struct client *c, const char *method, const char *path, const char *body,
	const char *header);
/* The last answer as JSON, to be released with json_decref; NULL when it is none. */
json_t *client_json(struct client *c);
/* Close the connection and release memory. */
void client_end(struct client *c);

#endif
