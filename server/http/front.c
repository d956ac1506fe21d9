/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What carriers call, and libmicrohttpd in particular: a request begins, its body arrives, it ends.
 * Never answers in the first call for a request without a body: the library would close the
 * connection after it. Everything that must hold before any handler (one Content-Length, one Host,
 * body bounds) is checked here.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/env.h"
#include "base/id.h"
#include "base/spool.h"
#include "server/events/stream.h"
#include "server/http/headers.h"
#include "server/http/io.h"
#include "server/http/waiters.h"

enum { WAITING_BYTES = 2048 };

static struct ud_connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void set_deadline(struct ud_io *io, int64_t after_ms)
{
	if (io->connection)
		io->connection->deadline_ms =
			after_ms ? ud_mono_ms(io->loop->server->env) + after_ms : 0;
}

static struct ud_io *io_new(struct ud_loop *loop)
{
	struct ud_io *io = loop->free_list;

	if (io) {
		loop->free_list = io->next;
		return io;
	}
	io = ud_malloc(sizeof(*io));
	/* thousands of agents wait at once, each with a request */
	io->rq.cx.arena =
		loop->server->settings.agents ? ud_arena_sized(WAITING_BYTES) : ud_arena_new();
	return io;
}

void ud_front_free(struct ud_io *io)
{
	ud_buf_free(&io->rq.body);
	ud_buf_free(&io->rq.out);
	ud_arena_release(&io->rq.cx.arena);
	ud_free(io);
}

/* A file stays when its row was stored, or nobody knows whether it was. */
static void end_upload(struct ud_request *rq)
{
	if (rq->upload && rq->upload_used && !rq->dry_run &&
		(rq->status / 100 == 2 ||
			rq->status == ud_error_info(UD_E_OUTCOME_UNKNOWN)->status))
		ud_spool_keep(rq->upload);
	ud_spool_release(&rq->upload);
}

/* Back to the free list with its memory kept. */
static void io_done(struct ud_io *io)
{
	struct ud_loop *loop = io->loop;
	ud_arena *arena = io->rq.cx.arena;
	struct ud_buf body = io->rq.body, out = io->rq.out;

	json_decref(io->rq.json);
	end_upload(&io->rq);
	if (io->rq.file_fd > 0)
		close(io->rq.file_fd);
	ud_arena_reset(arena);
	if (body.cap > 65536)
		ud_buf_free(&body);
	if (out.cap > 262144)
		ud_buf_free(&out);
	memset(io, 0, sizeof(*io));
	io->rq.cx.arena = arena;
	io->rq.body = (struct ud_buf){ body.data, 0, body.cap };
	io->rq.out = (struct ud_buf){ out.data, 0, out.cap };
	io->next = loop->free_list;
	loop->free_list = io;
	loop->busy--;
}

struct ud_io *ud_front_begin(
	struct ud_loop *loop, struct ud_connection *connection, const char *target)
{
	struct ud_io *io = io_new(loop);

	io->loop = loop;
	io->connection = connection;
	io->raw = ud_strdup(io->rq.cx.arena, target);
	loop->busy++;
	set_deadline(io, UD_HEADER_MS);
	return io;
}

/* The first thing the library tells of a request: its target as sent. */
void *ud_front_uri(void *cls, const char *uri, struct MHD_Connection *mhd)
{
	struct ud_io *io = ud_front_begin(cls, connection_of(mhd), uri);

	io->mhd = mhd;
	return io;
}

/* The library decodes nothing: it would cut the path at an escaped NUL. target.c does it by our
 * rules. */
size_t ud_front_unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
	(void)cls, (void)mhd;
	return strlen(text);
}

struct counts {
	int content_length, host, transfer_encoding;
	bool harmful;
};

/* A NUL or another control character in a header: parsers behind us would cut there (RFC 9110 5.5).
 */
static bool harmful(const char *value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (((unsigned char)value[i] < 32 && value[i] != '\t') || value[i] == 127)
			return true;
	return false;
}

static void count_header(
	void *data, const char *name, size_t name_n, const char *value, size_t value_n)
{
	struct counts *c = data;

	c->content_length += strcasecmp(name, "Content-Length") == 0;
	c->host += strcasecmp(name, "Host") == 0;
	c->transfer_encoding += strcasecmp(name, "Transfer-Encoding") == 0;
	c->harmful |= harmful(name, name_n) || harmful(value, value_n);
}

/* Uploads name their file; whether it is one is the route's to say. */
static bool may_upload(const struct ud_io *io)
{
	return strcmp(io->rq.method, "POST") == 0 && strstr(io->raw, "filename=");
}

/* A message that two parsers could read in two ways is refused (RFC 9112 6.3, 3.2). */
static enum ud_code check_framing(struct ud_io *io)
{
	struct ud_ctx *cx = &io->rq.cx;
	struct counts c = { 0 };

	io->loop->carrier->headers(io, count_header, &c);
	if (c.harmful)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "A header has a control character.");
	if (c.content_length > 1)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "Content-Length is given %d times.",
			c.content_length);
	if (c.content_length && c.transfer_encoding)
		return ud_fail(cx, UD_E_MALFORMED, NULL,
			"Content-Length and Transfer-Encoding exclude each other.");
	if (c.host > 1)
		return ud_fail(cx, UD_E_MALFORMED, NULL, "Host is given %d times.", c.host);
	const char *length = ud_request_header(&io->rq, "Content-Length");

	if (length && strlen(length) > 7 && !may_upload(io))
		return ud_fail(cx, UD_E_BODY_TOO_LARGE, NULL, "A body may have at most %d bytes.",
			UD_BODY_MAX);
	return UD_OK;
}

static const char *trace_parent(struct ud_io *io)
{
	const char *given = ud_request_header(&io->rq, "traceparent");

	return given && ud_header_trace(given) ? given : NULL;
}

/* Request id: the caller's when it is harmless, else its trace and place in that, else ours. */
static void name_request(struct ud_io *io)
{
	struct ud_ctx *cx = &io->rq.cx;
	const char *given = ud_request_header(&io->rq, "X-Request-Id"), *trace = trace_parent(io);
	size_t n = given ? strlen(given) : 0;

	if (trace)
		io->rq.trace_id = ud_strndup(cx->arena, trace + 3, UD_TRACE_ID);
	if (n && n <= 64 &&
		strspn(given,
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n)
		cx->request_id = ud_strdup(cx->arena, given);
	else if (trace)
		cx->request_id =
			ud_strndup(cx->arena, trace + 3, UD_TRACE_ID + 1 + UD_TRACE_PARENT);
	else
		cx->request_id = ud_id_new(cx->arena, cx->env, cx->now_ms, "req");
}

/*
 * Who is at the other end: the peer, or, when the peer is a proxy that we trust, whom that one saw
 * last (the last entry of X-Forwarded-For; those before it are anybody's word).
 */
static const char *caller_address(struct ud_io *io)
{
	/* the connection may end before the request does */
	const char *peer = ud_strdup(
			   io->rq.cx.arena, io->connection ? io->connection->address : ""),
		   *seen;
	bool trusted = ud_address_trusted(io->loop->server, *peer ? peer : "unix");
	const char *list = trusted ? ud_request_header(&io->rq, "X-Forwarded-For") : NULL;

	if (!list)
		return peer;
	seen = strrchr(list, ',') ? strrchr(list, ',') + 1 : list;
	seen += strspn(seen, " ");
	size_t n = strspn(seen, "0123456789abcdefABCDEF.:");

	return n && n < UD_ADDRESS_TEXT && !seen[n] ? ud_strdup(io->rq.cx.arena, seen) : peer;
}

static void begin(struct ud_io *io, const char *method)
{
	struct ud_request *rq = &io->rq;

	rq->server = io->loop->server;
	rq->io = io;
	rq->cx.env = rq->server->env;
	rq->cx.now_ms = ud_now_ms(rq->cx.env);
	rq->cx.scope = &rq->scope;
	rq->scope.factor_at_ms = UD_NONE;
	rq->scope.address = caller_address(io);
	rq->method = ud_strdup(rq->cx.arena, method);
	io->started_us = ud_stopwatch_us();
	name_request(io);
	set_deadline(io, UD_BODY_MS);
}

/* Headers are there. A refused message is answered at once, which closes it; false then. */
static bool take_head(struct ud_io *io, const char *method)
{
	begin(io, method);
	io->started = true;
	enum ud_code code = check_framing(io);

	if (code == UD_OK && may_upload(io))
		code = ud_dispatch_upload(io);
	if (code == UD_OK)
		return true;
	ud_answer_problem(&io->rq, code);
	io->finished = true;
	ud_answer_header(&io->rq, "Connection", "close");
	return false;
}

static void run(struct ud_io *io)
{
	set_deadline(io, UD_ANSWER_MS);
	ud_dispatch(io);
}

bool ud_front_whole(struct ud_io *io, const char *method)
{
	if (take_head(io, method))
		run(io);
	return io->finished;
}

/* A file may take its time, as long as it comes at a rate worth waiting for; what is too much is
 * swallowed, and the answer says why. */
static void take_file(struct ud_io *io, const char *data, size_t n)
{
	(void)ud_spool_add(io->rq.upload, data, n);
	set_deadline(io,
		UD_BODY_MS - (ud_mono_ms(io->loop->server->env) - io->upload_ms) +
			ud_spool_size(io->rq.upload) / UD_FILE_BYTES_PER_MS);
}

static enum MHD_Result take_body(struct ud_io *io, const char *upload, size_t *size)
{
	if (io->finished) {
		*size = 0;
		return MHD_YES;
	}
	if (io->rq.upload)
		take_file(io, upload, *size);
	else if (io->rq.body.len + *size > UD_BODY_MAX)
		io->too_large = true; /* swallow the rest; the answer says why */
	else
		ud_buf_add(&io->rq.body, upload, *size);
	*size = 0;
	return MHD_YES;
}

enum MHD_Result ud_front_handle(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **req)
{
	struct ud_io *io = *req;

	(void)cls, (void)mhd, (void)url, (void)version;
	if (!io)
		return MHD_NO;
	if (!io->started)
		return take_head(io, method) ? MHD_YES : ud_respond(io);
	if (*upload_size)
		return take_body(io, upload, upload_size);
	if (!io->finished)
		run(io);
	if (!io->finished)
		return MHD_YES; /* suspended; called again after the resume */
	end_upload(&io->rq);
	if (io->rq.file_size)
		set_deadline(io, UD_ANSWER_MS + io->rq.file_size / UD_FILE_BYTES_PER_MS);
	return ud_respond(io);
}

void ud_front_end(struct ud_io *io)
{
	if (io->rq.stream)
		ud_stream_end(&io->rq);
	set_deadline(io, UD_IDLE_MS);
	io_done(io);
}

void ud_front_completed(
	void *cls, struct MHD_Connection *mhd, void **req, enum MHD_RequestTerminationCode why)
{
	struct ud_io *io = *req;

	(void)cls, (void)mhd, (void)why;
	if (!io)
		return;
	*req = NULL;
	ud_front_end(io);
}

bool ud_front_leave(struct ud_io *io)
{
	if (!io->waiting_link ||
		(io->rq.wait_key && !ud_waiters_take(io->loop->server->waiters, io)))
		return false;
	*io->waiting_link = io->waiting_next;
	if (io->waiting_next)
		io->waiting_next->waiting_link = io->waiting_link;
	io->waiting_link = NULL;
	return true;
}

void ud_front_wake_waiting(struct ud_loop *loop, bool changed, int64_t now)
{
	/* those who go on waiting come to the front of the list, behind us */
	for (struct ud_io *io = loop->waiting, *next; io; io = next) {
		bool over = now >= io->rq.wait_until_ms;

		next = io->waiting_next;
		if ((!over && (!changed || io->rq.wait_key)) || !ud_front_leave(io))
			continue;
		if (over)
			io->rq.wait_until_ms = 0;
		ud_dispatch_again(io);
	}
}

const char *ud_request_header(const struct ud_request *rq, const char *name)
{
	return rq->io->loop->carrier->header(rq->io, name);
}

const char *ud_request_param(struct ud_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->param_count; i++)
		if (strcmp(rq->params[i].name, name) == 0) {
			rq->params[i].used = true;
			return rq->params[i].value;
		}
	return NULL;
}
