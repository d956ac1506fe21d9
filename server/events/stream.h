/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Event streams (server-sent events, HTML Living Standard 9.2) over one suspended connection each.
 * A stream reads the log after its place when something was committed, at most ten times a second;
 * every 15 s it sends a comment.
 */
#ifndef SERVER_EVENTS_STREAM_H
#define SERVER_EVENTS_STREAM_H

#include <microhttpd.h>

#include "db/events.h"
#include "server/http/http.h"

struct ud_stream;
struct ud_loop;

/*
 * Make the request a stream from a place of the log on, of some types (NULL = all).
 * UD_E_RATE_LIMITED when the principal has too many. Called by the handler; the front does the
 * rest.
 */
enum ud_code ud_stream_begin(struct ud_ctx *cx, struct ud_request *rq, int64_t after,
	const struct ud_texts *types) UD_USE;
/* The library's response for a stream. */
struct MHD_Response *ud_stream_response(struct ud_request *rq);
/* The connection is gone. */
void ud_stream_end(struct ud_request *rq);
/* Let the loop's streams look: changed = something was committed. mono_ms INT64_MAX ends them all.
 */
void ud_streams_wake(struct ud_loop *loop, bool changed, int64_t mono_ms);

/* One record as the API shows it, for the stream, the list and webhooks. */
void ud_event_encode(struct ud_ctx *cx, const struct ud_server *server, struct ud_buf *b,
	const struct ud_event *event);
/* The opaque resume point of a record for a scope, in the arena. */
const char *ud_event_cursor(struct ud_ctx *cx, const struct ud_server *server, int64_t place);
/* Back. UD_E_CURSOR_INVALID. */
enum ud_code ud_event_cursor_read(
	struct ud_ctx *cx, const struct ud_server *server, const char *text, int64_t *ret) UD_USE;

#endif
