/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is looking at what just now, so that two people do not answer the same thing: in memory, for
 * 30 seconds after the last look, of this server alone. Any thread.
 */
#ifndef SERVER_HTTP_VIEWERS_H
#define SERVER_HTTP_VIEWERS_H

#include "base/ctx.h"

enum { UD_VIEWING_MS = 30000, UD_VIEWERS_MAX = 1024 };

struct ud_viewers;

struct ud_viewer {
	const char *id, *name; /* in the asker's arena */
	int64_t since_ms;      /* wall clock: the first look of this visit */
};

/* An empty memory. Release with ud_viewers_release, which takes NULL. */
struct ud_viewers *ud_viewers_new(void);
void ud_viewers_release(struct ud_viewers **viewers);
/*
 * Note that somebody (who NULL = nobody: only ask) looks at an object, and list who does, at most
 * max, the asker included. How many.
 */
size_t ud_viewers_look(struct ud_ctx *cx, struct ud_viewers *v, const char *object_id,
	const char *who, const char *name, struct ud_viewer *ret, size_t max);

#endif
