/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream owns a buffer of text the client has not taken yet. The library asks for bytes; when
 * there are none the connection is suspended until the loop finds new records. A client that does
 * not read keeps at most one page of records in memory: the log is the queue.
 */
#include "server/events/stream.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/crypto.h"
#include "base/env.h"
#include "db/events.h"
#include "db/people.h"
#include "server/http/io.h"
#include "server/metrics/metrics.h"

enum { PAGE = 100, COMMENT_MS = 15000, CURSOR_MAC = 8 };

struct ud_stream {
	struct ud_stream *next, **link;
	struct ud_io *io;
	int64_t after; /* place of the last record sent */
	struct ud_texts types;
	struct ud_buf pending;
	size_t sent; /* bytes of pending that are gone */
	int64_t comment_ms;
	/* current: it has been at the end of the log once */
	bool suspended, ended, looked, current;
};

/* ---- cursors and encoding ---- */

static void cursor_mac(const struct ud_scope *scope, const struct ud_server *server, int64_t place,
	unsigned char mac[UD_SHA256])
{
	char text[96];
	int n = snprintf(text, sizeof(text), "event %s %lld",
		scope->customer_id ? scope->customer_id : "*", (long long)place);

	ud_hmac_sha256(server->keys.cursor, sizeof(server->keys.cursor), text, (size_t)n, mac);
}

/* Eight bytes of the place, and eight of a MAC that binds it to whose numbering it is. */
const char *ud_event_cursor(struct ud_ctx *cx, const struct ud_server *server, int64_t place)
{
	unsigned char raw[8 + CURSOR_MAC], mac[UD_SHA256];

	for (int i = 0; i < 8; i++)
		raw[i] = (unsigned char)((uint64_t)place >> (56 - 8 * i));
	cursor_mac(cx->scope, server, place, mac);
	memcpy(raw + 8, mac, CURSOR_MAC);
	return ud_base64url(cx->arena, raw, sizeof(raw));
}

enum ud_code ud_event_cursor_read(
	struct ud_ctx *cx, const struct ud_server *server, const char *text, int64_t *ret)
{
	size_t n = 0;
	unsigned char *raw = ud_base64url_decode(cx->arena, text, &n), mac[UD_SHA256];
	uint64_t place = 0;

	if (!raw || n != 8 + CURSOR_MAC)
		return ud_fail(cx, UD_E_CURSOR_INVALID, "after", "The cursor is not one of ours.");
	for (int i = 0; i < 8; i++)
		place = place << 8 | raw[i];
	cursor_mac(cx->scope, server, (int64_t)place, mac);
	if (!ud_equal(raw + 8, mac, CURSOR_MAC))
		return ud_fail(cx, UD_E_CURSOR_INVALID, "after", "The cursor is not one of ours.");
	*ret = (int64_t)place;
	return UD_OK;
}

static void member(struct ud_buf *b, bool *first, const char *key, const char *text)
{
	ud_buf_key(b, first, key);
	ud_buf_json(b, text);
}

static void raw_member(struct ud_buf *b, bool *first, const char *key, const char *json)
{
	ud_buf_key(b, first, key);
	ud_buf_puts(b, json ? json : "null");
}

void ud_event_encode(struct ud_ctx *cx, const struct ud_server *server, struct ud_buf *b,
	const struct ud_event *e)
{
	bool first = true, inner = true;

	ud_buf_putc(b, '{');
	member(b, &first, "id", e->id);
	member(b, &first, "object", "event");
	ud_buf_key(b, &first, "seq");
	ud_buf_int(b, e->seq);
	member(b, &first, "cursor", ud_event_cursor(cx, server, ud_event_place(cx->scope, e)));
	member(b, &first, "type", e->type);
	ud_buf_key(b, &first, "created_at");
	ud_buf_time(b, e->created_at);
	member(b, &first, "customer_id", e->customer_id);
	ud_buf_key(b, &first, "actor");
	ud_buf_putc(b, '{');
	member(b, &inner, "object", e->actor_kind);
	member(b, &inner, "id", e->actor_id);
	member(b, &inner, "name", e->actor_name);
	ud_buf_putc(b, '}');
	ud_buf_key(b, &first, "subject");
	inner = true;
	ud_buf_putc(b, '{');
	member(b, &inner, "object", e->subject_object);
	member(b, &inner, "id", e->subject_id);
	ud_buf_putc(b, '}');
	raw_member(b, &first, "data", e->data);
	raw_member(b, &first, "previous", e->previous);
	member(b, &first, "request_id", e->request_id);
	ud_buf_putc(b, '}');
}

/* ---- the stream ---- */

static enum ud_code add_record(struct ud_ctx *cx, void *data, const struct ud_event *e)
{
	struct ud_stream *s = data;
	struct ud_buf *b = &s->pending;

	s->after = ud_event_place(cx->scope, e);
	ud_buf_printf(b,
		"id: %s\nevent: %s\ndata: ", ud_event_cursor(cx, s->io->rq.server, s->after),
		e->type);
	ud_event_encode(cx, s->io->rq.server, b, e);
	ud_buf_puts(b, "\n\n");
	return UD_OK;
}

/* Read on in the log, with an arena of its own: the request's would grow for as long as the stream
 * lives. */
static void look(struct ud_stream *s)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = s->io->rq.cx;
	struct ud_event_query q = { .after = s->after, .types = &s->types, .limit = PAGE };
	bool more = false;

	cx.arena = arena;
	if (ud_read_begin(&cx, s->io->loop->reader) != UD_OK)
		return; /* the next tick tries again */
	enum ud_code code = ud_event_list(&cx, &q, add_record, s, &more);

	ud_read_end(&cx, s->io->loop->reader);
	s->looked = code == UD_OK && !more;
	if (!s->looked || s->current)
		return;
	ud_buf_puts(&s->pending, ": up to date\n\n");
	s->current = true;
}

/* A stream ends when the session or token it was opened with does. */
static bool still_allowed(struct ud_stream *s)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = s->io->rq.cx;
	const char *id = cx.scope->token_id ? cx.scope->token_id : cx.scope->session_id;
	bool alive = true;

	cx.arena = arena;
	cx.now_ms = ud_now_ms(cx.env);
	if (ud_read_begin(&cx, s->io->loop->reader) != UD_OK)
		return true; /* looked at again in a moment */
	if (ud_bearer_alive(&cx, id, &alive) != UD_OK)
		alive = true;
	ud_read_end(&cx, s->io->loop->reader);
	return alive;
}

static ssize_t give(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct ud_stream *s = cls;
	size_t left = s->pending.len - s->sent;

	(void)pos;
	if (s->io->connection)
		/* the library's own limit on inactivity ends a dead client */
		s->io->connection->deadline_ms = 0;
	if (!left && !s->looked && !s->ended) {
		s->pending.len = s->sent = 0;
		look(s);
		left = s->pending.len;
	}
	if (left) {
		size_t n = left < max ? left : max;

		memcpy(buf, s->pending.data + s->sent, n);
		s->sent += n;
		return (ssize_t)n;
	}
	if (s->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	s->suspended = true;
	MHD_suspend_connection(s->io->mhd);
	return 0;
}

/* A client that went away: nobody looks at a connection that sleeps until there is something to
 * say. */
static bool gone(const struct ud_stream *s)
{
	char byte;

	return s->io->connection &&
		recv(s->io->connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static size_t streams_of(const struct ud_server *server, const char *principal)
{
	size_t n = 0;

	for (size_t i = 0; i < server->loop_count; i++) {
		pthread_mutex_lock(&server->loops[i]->stream_mutex);
		for (struct ud_stream *s = server->loops[i]->stream_list; s; s = s->next)
			n += strcmp(s->io->rq.scope.id, principal) == 0 && !gone(s);
		pthread_mutex_unlock(&server->loops[i]->stream_mutex);
	}
	return n;
}

static void copy_types(struct ud_ctx *cx, struct ud_stream *s, const struct ud_texts *types)
{
	if (!types)
		return;
	s->types.items = ud_alloc(cx->arena, (types->count + 1) * sizeof(*types->items));
	for (size_t i = 0; i < types->count; i++)
		s->types.items[s->types.count++] = ud_strdup(cx->arena, types->items[i]);
}

enum ud_code ud_stream_begin(
	struct ud_ctx *cx, struct ud_request *rq, int64_t after, const struct ud_texts *types)
{
	size_t most = (size_t)rq->server->settings.streams_per_user;

	if (streams_of(rq->server, rq->scope.id) >= most)
		return ud_fail(cx, UD_E_RATE_LIMITED, NULL, "At most %zu streams at once.", most);
	struct ud_stream *s = ud_malloc(sizeof(*s));

	s->io = rq->io;
	s->after = after;
	copy_types(cx, s, types);
	s->comment_ms = ud_mono_ms(cx->env) + COMMENT_MS;
	/* where it begins: a client that lost it before anything happened comes back to there */
	ud_buf_printf(&s->pending, "retry: 2000\n: open\nid: %s\n\n",
		ud_event_cursor(cx, rq->server, after));
	struct ud_loop *loop = rq->io->loop;

	pthread_mutex_lock(&loop->stream_mutex);
	s->next = loop->stream_list;
	s->link = &loop->stream_list;
	if (s->next)
		s->next->link = &s->next;
	loop->stream_list = s;
	pthread_mutex_unlock(&loop->stream_mutex);
	rq->stream = s;
	rq->status = 200;
	rq->content_type = "text/event-stream";
	ud_metrics_streams(rq->server->metrics, 1);
	return UD_OK;
}

struct MHD_Response *ud_stream_response(struct ud_request *rq)
{
	return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, give, rq->stream, NULL);
}

void ud_stream_end(struct ud_request *rq)
{
	struct ud_stream *s = rq->stream;
	struct ud_loop *loop = rq->io->loop;

	pthread_mutex_lock(&loop->stream_mutex);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	pthread_mutex_unlock(&loop->stream_mutex);
	ud_buf_free(&s->pending);
	ud_free(s);
	rq->stream = NULL;
	ud_metrics_streams(rq->server->metrics, -1);
}

static void wake(struct ud_stream *s, bool changed, int64_t now)
{
	if (now == INT64_MAX)
		s->ended = true;
	if (!s->ended && (changed || now >= s->comment_ms) && !still_allowed(s))
		s->ended = true;
	s->looked &= !changed;
	if (!s->ended && now >= s->comment_ms) {
		ud_buf_puts(&s->pending, ": still here\n\n");
		s->comment_ms = now + COMMENT_MS;
	}
	if (!s->suspended || (s->looked && s->sent == s->pending.len && !s->ended))
		return;
	s->suspended = false;
	MHD_resume_connection(s->io->mhd);
}

void ud_streams_wake(struct ud_loop *loop, bool changed, int64_t now)
{
	for (struct ud_stream *s = loop->stream_list, *next; s; s = next) {
		next = s->next;
		wake(s, changed, now);
	}
}
