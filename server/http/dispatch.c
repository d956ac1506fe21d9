/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a complete request to its answer, in the one order that all requests go: target, route, who
 * asks, may it, headers, body, handler. Reads run here, on the loop's thread; writes go to the
 * writer and come back when they are durable. An answer that is stored for an Idempotency-Key is
 * stored in the write's own transaction.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/env.h"
#include "base/log.h"
#include "base/spool.h"
#include "db/idempotency.h"
#include "server/auth/auth.h"
#include "server/http/batch.h"
#include "server/http/forms.h"
#include "server/http/headers.h"
#include "server/http/io.h"
#include "server/http/limits.h"
#include "server/http/slow.h"
#include "server/http/target.h"
#include "server/http/waiters.h"

enum { WAIT_MAX_SECONDS = 25 };

static void finish(struct ud_io *io, enum ud_code code)
{
	if (code != UD_OK)
		ud_answer_problem(&io->rq, code);
	io->finished = true;
}

static enum ud_code parse_target(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;
	const char *raw = io->raw;
	size_t n = strcspn(raw, "?");

	/* for problems, until it is decoded */
	rq->path = ud_strndup(rq->cx.arena, raw, n < 200 ? n : 200);
	UD_TRY(ud_target_path(&rq->cx, raw, n, &rq->path));
	UD_TRY(ud_target_query(&rq->cx, raw[n] ? raw + n + 1 : NULL, rq->params, &rq->param_count));
	return ud_form_read(rq);
}

const char *ud_request_principal(const struct ud_request *rq)
{
	return rq->scope.token_id ? rq->scope.token_id
		: rq->scope.id    ? rq->scope.id
				  : rq->scope.address;
}

static enum ud_code check_rate(struct ud_request *rq)
{
	struct ud_ctx *cx = &rq->cx;
	struct ud_limit_state s =
		ud_limits_take(rq->server->limits, ud_request_principal(rq), ud_mono_ms(cx->env));

	if (!s.quota || (rq->route->roles & UD_ANYONE && s.allowed && !rq->scope.id))
		return UD_OK;
	ud_answer_header(rq, "RateLimit-Policy",
		ud_printf(cx->arena, "\"default\";q=%lld;w=%lld", (long long)s.quota,
			(long long)s.window_seconds));
	ud_answer_header(rq, "RateLimit",
		ud_printf(cx->arena, "\"default\";r=%lld;t=%lld", (long long)s.remaining,
			(long long)s.reset_seconds));
	if (s.allowed)
		return UD_OK;
	cx->problem.retry_after_seconds = s.reset_seconds ? s.reset_seconds : 1;
	return ud_fail(
		cx, UD_E_RATE_LIMITED, NULL, "At most %lld requests a minute.", (long long)s.quota);
}

/* A header's value when it fits into n printable ASCII characters. */
static enum ud_code bounded_header(
	struct ud_request *rq, const char *name, size_t max, const char **ret)
{
	const char *v = ud_request_header(rq, name);

	*ret = NULL;
	if (!v)
		return UD_OK;
	size_t n = strlen(v);

	for (size_t i = 0; i < n; i++)
		if (v[i] < 33 && v[i] != ' ')
			return ud_fail(&rq->cx, UD_E_PARAMETER_INVALID, name,
				"%s has a character that is not allowed.", name);
	if (n == 0 || n > max)
		return ud_fail(&rq->cx, UD_E_PARAMETER_INVALID, name, "%s has 1 to %zu characters.",
			name, max);
	*ret = ud_strdup(rq->cx.arena, v);
	return UD_OK;
}

struct preference {
	ud_arena *arena;
	const char *name, *value;
};

static void visit_prefer(
	void *data, const char *name, size_t name_n, const char *value, size_t value_n)
{
	struct preference *p = data;

	(void)name_n;
	if (!p->value && strcasecmp(name, "Prefer") == 0)
		p->value = ud_header_preference(p->arena, value, value_n, p->name);
}

/* What the caller's Prefer headers say of name, or NULL. */
static const char *preference(struct ud_request *rq, const char *name)
{
	struct preference p = { .arena = rq->cx.arena, .name = name };

	rq->io->loop->carrier->headers(rq->io, visit_prefer, &p);
	return p.value;
}

/* ?wait=SECONDS or Prefer: wait=SECONDS, at most 25. A preference that is no number is none. */
static enum ud_code read_wait(struct ud_request *rq)
{
	const char *text = ud_request_param(rq, "wait");
	char *end = NULL;

	if (!text) {
		text = preference(rq, "wait");
		text = text && *text && !text[strspn(text, "0123456789")] ? text : NULL;
	}
	if (!text)
		return UD_OK;
	long seconds = strtol(text, &end, 10);

	if (end == text || *end || seconds < 0)
		return ud_fail(
			&rq->cx, UD_E_PARAMETER_INVALID, "wait", "wait is a number of seconds.");
	if (seconds > WAIT_MAX_SECONDS)
		seconds = WAIT_MAX_SECONDS;
	if (seconds && !atomic_load(&rq->io->loop->stop))
		rq->wait_until_ms = ud_mono_ms(rq->cx.env) + seconds * 1000;
	return UD_OK;
}

/* At most n characters, what is not printable ASCII as '?'. */
static const char *printable(ud_arena *arena, const char *text, size_t n)
{
	char *copy = ud_strndup(arena, text, strnlen(text, n));

	for (char *p = copy; *p; p++)
		if (*p < 32 || *p == 127)
			*p = '?';
	return copy;
}

/* ?dry_run=, and what the row wants said beside the body. */
static enum ud_code check_demands(struct ud_request *rq)
{
	const char *dry = ud_request_param(rq, "dry_run");

	if (dry && strcmp(dry, "true") != 0 && strcmp(dry, "false") != 0)
		return ud_fail(
			&rq->cx, UD_E_PARAMETER_INVALID, "dry_run", "dry_run is true or false.");
	rq->dry_run |= dry && strcmp(dry, "true") == 0;
	if (rq->dry_run && !(rq->route->flags & UD_WRITE))
		return ud_fail(&rq->cx, UD_E_UNKNOWN_PARAMETER, "dry_run",
			"dry_run is for calls that change something.");
	if (rq->route->flags & UD_KEY_REQUIRED && !rq->idempotency_key)
		return ud_fail(&rq->cx, UD_E_IDEMPOTENCY_KEY_REQUIRED, NULL,
			"Idempotency-Key is missing.");
	if (rq->route->flags & UD_MATCH_REQUIRED && !rq->if_match)
		return ud_fail(&rq->cx, UD_E_PRECONDITION_REQUIRED, NULL, "If-Match is missing.");
	return UD_OK;
}

static enum ud_code read_headers(struct ud_request *rq)
{
	const char *agent = ud_request_header(rq, "User-Agent");

	rq->user_agent = agent ? printable(rq->cx.arena, agent, 200) : NULL;
	UD_TRY(bounded_header(rq, "If-Match", 255, &rq->if_match));
	UD_TRY(bounded_header(rq, "If-None-Match", 255, &rq->if_none_match));
	UD_TRY(bounded_header(rq, "Idempotency-Key", 255, &rq->idempotency_key));
	if (rq->form)
		rq->idempotency_key = rq->form->key;
	if (rq->route->roles & UD_ANYONE)
		rq->idempotency_key = NULL; /* keys are a principal's own, and here there is none */
	if (rq->route->flags & UD_WAIT)
		UD_TRY(read_wait(rq));
	if (ud_route_brief(rq->route) && !rq->form) {
		const char *wish = preference(rq, "return");

		rq->minimal = wish && strcasecmp(wish, "minimal") == 0;
	}
	return check_demands(rq);
}

static bool is_type(const char *header, const char *type)
{
	size_t n = strlen(type);

	return header && strncasecmp(header, type, n) == 0 && strchr("; ", header[n]);
}

static enum ud_code check_content_type(struct ud_request *rq)
{
	const char *type = ud_request_header(rq, "Content-Type");
	bool patch = strcmp(rq->route->method, "PATCH") == 0;

	if (rq->route->flags & UD_OAUTH && is_type(type, "application/x-www-form-urlencoded"))
		return ud_form_body(rq, ud_route_body(rq->route));
	if (rq->form || is_type(type, "application/json") ||
		(patch && is_type(type, "application/merge-patch+json")))
		return UD_OK;
	return ud_fail(&rq->cx, UD_E_UNSUPPORTED_MEDIA_TYPE, NULL, "Content-Type is %s.",
		type ? type : "missing");
}

/* PATCH bodies are decoded over the old object, later, by rest.c. */
static enum ud_code read_body(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;
	const struct ud_shape *shape = ud_route_body(rq->route);

	if (io->too_large)
		return ud_fail(&rq->cx, UD_E_BODY_TOO_LARGE, NULL,
			"A body may have at most %d bytes.", UD_BODY_MAX);
	if (rq->body.len)
		UD_TRY(check_content_type(rq));
	if (!shape) {
		if (!rq->body.len)
			return UD_OK;
		UD_TRY(ud_json_parse(
			&rq->cx, rq->body.data, rq->body.len, UD_JSON_MEMBERS, &rq->json));
		if (json_is_object(rq->json) && json_object_size(rq->json) == 0)
			return UD_OK;
		return ud_fail(&rq->cx, UD_E_UNKNOWN_FIELD, NULL, "This call takes no fields.");
	}
	if (!rq->body.len)
		return ud_fail(
			&rq->cx, UD_E_MALFORMED, NULL, "The call needs a JSON object as its body.");
	UD_TRY(ud_json_parse(&rq->cx, rq->body.data, rq->body.len,
		rq->route->flags & UD_BATCH ? UD_JSON_MANY : UD_JSON_MEMBERS, &rq->json));
	rq->in = ud_alloc(rq->cx.arena, shape->size);
	if (strcmp(rq->route->method, "PATCH") == 0)
		return UD_OK;
	return ud_shape_decode(&rq->cx, shape, UD_CREATE, rq->json, rq->in, &rq->given);
}

/* A parameter that nobody looked at is a mistake of the caller's. Lists look at theirs in list.c.
 */
static enum ud_code check_params(struct ud_request *rq)
{
	for (size_t i = 0; i < rq->param_count; i++)
		if (!rq->params[i].used && strcmp(rq->params[i].name, "fields") != 0)
			return ud_fail(&rq->cx, UD_E_UNKNOWN_PARAMETER, rq->params[i].name,
				"There is no parameter %s here.", rq->params[i].name);
	return UD_OK;
}

/* If-None-Match against the answer's ETag (RFC 9110 13.1.2): weak comparison. */
static void maybe_not_modified(struct ud_request *rq)
{
	const char *etag = NULL;

	if (!rq->if_none_match || rq->status != 200)
		return;
	for (size_t i = 0; i < rq->header_count; i++)
		if (strcmp(rq->headers[i].name, "ETag") == 0)
			etag = rq->headers[i].value;
	if (etag && (strcmp(rq->if_none_match, "*") == 0 || strstr(rq->if_none_match, etag))) {
		rq->status = 304;
		rq->out.len = 0;
		rq->content_type = NULL;
	}
}

static enum ud_code run_read(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;

	rq->waiting = false;
	UD_TRY(rq->route->handle(&rq->cx, rq));
	if (!rq->waiting)
		UD_TRY(check_params(rq));
	maybe_not_modified(rq);
	return UD_OK;
}

/* ---- writes ---- */

/* The row of the request's Idempotency-Key; answers with secrets lie sealed in it. */
static struct ud_idempotent key_row(const struct ud_io *io)
{
	const struct ud_request *rq = &io->rq;

	return (struct ud_idempotent){ .key = rq->idempotency_key,
		.request_hash = io->request_hash,
		.seal = rq->route->flags & UD_NO_BODY_LOG ? rq->server->keys.seal : NULL };
}

/* What an answer of an earlier call with the same key says. */
static enum ud_code replay(struct ud_request *rq, const struct ud_idempotent *old)
{
	rq->status = (int)old->status;
	rq->out.len = 0;
	ud_buf_puts(&rq->out, old->body);
	rq->content_type = rq->out.len ? "application/json" : NULL;
	for (const char *p = old->headers; *p; p += strcspn(p, "\n") + 1) {
		size_t name = strcspn(p, ":"), n = strcspn(p, "\n");

		ud_answer_header(rq, ud_strndup(rq->cx.arena, p, name),
			ud_strndup(rq->cx.arena, p + name + 2, n - name - 2));
	}
	ud_answer_header(rq, "Idempotency-Replayed", "true");
	return UD_OK;
}

/* Headers that belong to the answer's object. A cookie is none: whoever may repeat the call has it.
 */
static const char *kept_headers(const struct ud_request *rq)
{
	const char *all = "";

	for (size_t i = 0; i < rq->header_count; i++) {
		const struct ud_header *h = &rq->headers[i];

		if (strcmp(h->name, "Location") == 0 || strcmp(h->name, "ETag") == 0)
			all = ud_printf(rq->cx.arena, "%s%s: %s\n", all, h->name, h->value);
	}
	return all;
}

static enum ud_code remember(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;
	struct ud_idempotent row = key_row(io);

	row.status = rq->status;
	row.headers = kept_headers(rq);
	row.body = ud_strndup(rq->cx.arena, rq->out.data ? rq->out.data : "", rq->out.len);
	return ud_idempotent_store(&rq->cx, &row);
}

/* Runs on the writer, perhaps twice. */
static enum ud_code apply(struct ud_write *w)
{
	struct ud_io *io = UD_OUTER(w, struct ud_io, write);
	struct ud_request *rq = &io->rq;
	struct ud_idempotent old = key_row(io);
	bool found = false;

	ud_ctx_clear(&rq->cx);
	rq->out.len = 0;
	rq->header_count = io->header_mark;
	rq->verdict = UD_OK;
	rq->counted = rq->upload_used = io->dry_run_fine = false;
	if (rq->idempotency_key && !rq->dry_run)
		UD_TRY(ud_idempotent_find(&rq->cx, &old, &found));
	if (found)
		return replay(rq, &old);
	if (rq->upload)
		UD_TRY(check_params(rq));
	UD_TRY(rq->route->handle(&rq->cx, rq));
	if (rq->dry_run && !rq->counted) {
		io->dry_run_fine = true;
		return UD_E_CONFLICT; /* undoes the work; the answer stands */
	}
	return rq->idempotency_key && rq->verdict == UD_OK ? remember(io) : UD_OK;
}

/* Prefer: return=minimal (RFC 7240 4.2): done, and who wants the object knows where it is. What is
 * kept for a repeated call is whole: that one may want more. */
static void answer_minimal(struct ud_request *rq)
{
	if (!rq->minimal || rq->dry_run || (rq->status != 200 && rq->status != 201))
		return;
	rq->status = rq->status == 200 ? 204 : 201;
	rq->out.len = 0;
	rq->content_type = NULL;
	ud_answer_header(rq, "Preference-Applied", "return=minimal");
}

static void write_done(struct ud_write *w, enum ud_code code)
{
	struct ud_io *io = UD_OUTER(w, struct ud_io, write);

	if (io->dry_run_fine && code == UD_E_CONFLICT)
		code = UD_OK;
	if (code == UD_OK)
		code = io->rq.verdict;
	if (code != UD_OK)
		ud_answer_problem(&io->rq, code);
	else
		answer_minimal(&io->rq);
	ud_loop_finish(io);
}

static void suspend(struct ud_io *io)
{
	io->suspended = true;
	io->loop->carrier->suspend(io);
}

void ud_dispatch_post(struct ud_io *io)
{
	io->header_mark = io->rq.header_count;
	io->write = (struct ud_write){ .cx = &io->rq.cx, .apply = apply, .done = write_done };
	if (ud_database_post(io->rq.server->db, &io->write))
		return;
	ud_answer_problem(
		&io->rq, ud_fail(&io->rq.cx, UD_E_OVERLOADED, NULL, "too many writes are waiting"));
	ud_loop_finish(io);
}

static enum ud_code begin_write(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;

	if (!rq->upload) /* a file's are looked at by its prepare */
		UD_TRY(check_params(rq));
	if (rq->route->flags & UD_BATCH)
		return rq->route->handle(&rq->cx, rq);
	if (rq->upload) { /* what is hashed for a repeated call */
		rq->body.len = 0;
		ud_buf_puts(&rq->body, ud_spool_seal(rq->upload));
	}
	if (rq->idempotency_key)
		io->request_hash = ud_idempotent_hash(&rq->cx, rq->server->keys.cursor,
			sizeof(rq->server->keys.cursor), rq->method, io->raw, rq->body.data,
			rq->body.len);
	if (rq->route->flags & UD_SLOW)
		return UD_OK;
	return rq->route->prepare ? rq->route->prepare(&rq->cx, rq) : UD_OK;
}

/* ---- the order of things ---- */

/* What a snapshot may be older than is counted before it is taken. */
static enum ud_code read_begin(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;

	rq->commits = ud_database_commits(rq->server->db);
	rq->wakes = ud_waiters_count(rq->server->waiters);
	return ud_read_begin(&rq->cx, io->loop->reader);
}

/* Who asks, and may they? With a connection to read. */
static enum ud_code admit_caller(struct ud_request *rq)
{
	UD_TRY(ud_auth_scope(&rq->cx, rq));
	UD_TRY(check_rate(rq));
	UD_TRY(ud_auth_allow(&rq->cx, rq));
	return read_headers(rq);
}

/* A file's name: a name and no path. */
static enum ud_code read_filename(struct ud_request *rq)
{
	const char *name = ud_request_param(rq, "filename");

	if (!name || !*name || strlen(name) > 200 || strpbrk(name, "/\\") ||
		strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return ud_fail(&rq->cx, UD_E_PARAMETER_INVALID, "filename",
			"filename is a name of 1 to 200 bytes without / and \\.");
	for (const char *p = name; *p; p++)
		if ((unsigned char)*p < 32 || *p == 127)
			return ud_fail(&rq->cx, UD_E_PARAMETER_INVALID, "filename",
				"filename has a control character.");
	rq->filename = name;
	return UD_OK;
}

static enum ud_code begin_upload(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;
	const char *folder = rq->server->settings.attachments,
		   *length = ud_request_header(rq, "Content-Length");

	UD_TRY(read_filename(rq));
	if (!folder)
		return ud_fail(&rq->cx, UD_E_UNSUPPORTED, NULL, "This server takes no files.");
	if (length && (strlen(length) > 9 || atol(length) > UD_UPLOAD_MAX))
		return ud_fail(&rq->cx, UD_E_BODY_TOO_LARGE, NULL,
			"A file may have at most %d bytes.", UD_UPLOAD_MAX);
	const char *type = ud_request_header(rq, "Content-Type");

	rq->upload_type = type ? printable(rq->cx.arena, type, 100) : NULL;
	io->upload_ms = ud_mono_ms(rq->cx.env);
	return ud_spool_open(&rq->cx, folder, UD_UPLOAD_MAX, &rq->upload);
}

enum ud_code ud_dispatch_upload(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;

	rq->bearers = io->loop->bearers;
	UD_TRY(parse_target(io));
	rq->route = ud_route_find(&rq->cx, rq);
	if (!rq->route || !(rq->route->flags & UD_UPLOAD)) {
		ud_ctx_clear(&rq->cx); /* an ordinary call: looked at when all of it is there */
		rq->route = NULL;
		return UD_OK;
	}
	UD_TRY(read_begin(io));
	enum ud_code code = admit_caller(rq);

	ud_read_end(&rq->cx, io->loop->reader);
	return code == UD_OK ? begin_upload(io) : code;
}

/* Everything before the handler, with a connection to read. */
static enum ud_code admit(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;

	if (rq->upload)
		return begin_write(io); /* let in before the file came */
	rq->route = ud_route_find(&rq->cx, rq);
	if (!rq->route)
		return rq->cx.problem.code;
	if (rq->route->flags & UD_UPLOAD)
		return read_filename(rq);
	UD_TRY(admit_caller(rq));
	UD_TRY(read_body(io));
	return rq->route->flags & UD_WRITE ? begin_write(io) : run_read(io);
}

/* Only what changes something, and not by a file, stands in a batch. */
static enum ud_code admit_item(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;

	rq->route = ud_route_find(&rq->cx, rq);
	if (!rq->route)
		return rq->cx.problem.code;
	if (!(rq->route->flags & UD_WRITE) || rq->route->flags & (UD_BATCH | UD_UPLOAD) ||
		rq->route->roles & UD_ANYONE)
		return ud_fail_field(
			&rq->cx, "path", "not_in_batch", "%s stands alone.", rq->route->operation);
	UD_TRY(ud_auth_allow(&rq->cx, rq));
	UD_TRY(check_demands(rq));
	UD_TRY(read_body(io));
	return begin_write(io);
}

/* On to the writer, over the slow pool where the row says so. */
static void send_on(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;

	if (!(rq->route->flags & UD_SLOW)) {
		ud_dispatch_post(io);
	} else if (!ud_slow_post(rq->server->slow, io)) {
		ud_answer_problem(
			rq, ud_fail(&rq->cx, UD_E_OVERLOADED, NULL, "too many sign-ins at once"));
		ud_loop_finish(io);
	}
}

enum ud_code ud_dispatch_item(struct ud_io *io)
{
	UD_TRY(parse_target(io));
	UD_TRY(read_begin(io));
	enum ud_code code = admit_item(io);

	ud_read_end(&io->rq.cx, io->loop->reader);
	if (code == UD_OK)
		send_on(io);
	return code;
}

static void join_waiting(struct ud_io *io)
{
	struct ud_loop *loop = io->loop;

	io->waiting_next = loop->waiting;
	io->waiting_link = &loop->waiting;
	if (loop->waiting)
		loop->waiting->waiting_link = &io->waiting_next;
	loop->waiting = io;
}

static void leave_waiting(struct ud_io *io)
{
	if (!io->waiting_link)
		return;
	*io->waiting_link = io->waiting_next;
	if (io->waiting_next)
		io->waiting_next->waiting_link = io->waiting_link;
	io->waiting_link = NULL;
}

/* A long poll that has nothing to say goes to sleep until a change or its end. Suspended before
 * anybody may wake it: from then on it is another thread's to hand back. */
static bool sleep_again(struct ud_io *io, bool *ret_again)
{
	struct ud_request *rq = &io->rq;

	*ret_again = false;
	if (!rq->waiting || !rq->wait_until_ms)
		return false;
	if (!io->suspended)
		suspend(io);
	join_waiting(io);
	if (rq->wait_key && !ud_waiters_add(rq->server->waiters, io)) {
		leave_waiting(io);
		*ret_again = true;
	}
	return true;
}

void ud_dispatch(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;
	enum ud_code code = rq->upload ? UD_OK : parse_target(io);

	bool again = false;

	rq->bearers = io->loop->bearers;
	if (code == UD_OK)
		code = read_begin(io);
	if (code == UD_OK) {
		code = admit(io);
		ud_read_end(&rq->cx, io->loop->reader);
	}
	if (code != UD_OK) {
		finish(io, code);
	} else if (!(rq->route->flags & UD_WRITE)) {
		if (!sleep_again(io, &again))
			finish(io, UD_OK);
		else if (again)
			ud_loop_finish(io); /* not here, inside the library's call */
	} else {
		suspend(io);
		if (rq->route->flags & UD_BATCH)
			ud_batch_start(io);
		else
			send_on(io);
	}
}

/* Who waits may have lost its right meanwhile: on the agents' port that is asked again. */
static enum ud_code look_again(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;

	rq->cx.now_ms = ud_now_ms(rq->cx.env);
	rq->out.len = 0;
	rq->header_count = 0;
	if (atomic_load(&io->loop->stop))
		rq->wait_until_ms = 0; /* the server is going: say what there is */
	UD_TRY(read_begin(io));
	enum ud_code code = rq->server->settings.agents ? ud_auth_scope(&rq->cx, rq) : UD_OK;

	if (code == UD_OK)
		code = run_read(io);
	ud_read_end(&rq->cx, io->loop->reader);
	return code;
}

/* A waiting read looks again; anything else is a write that came back. Then the library may go on.
 */
void ud_dispatch_again(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;
	bool again = true;

	if (io->batch) {
		ud_batch_item_done(io);
		return;
	}
	leave_waiting(io);
	while (again && !io->gone && rq->route && !(rq->route->flags & UD_WRITE)) {
		enum ud_code code = look_again(io);

		again = false;
		if (code == UD_OK && sleep_again(io, &again) && !again)
			return;
		if (code != UD_OK)
			ud_answer_problem(rq, code);
	}
	io->finished = true;
	io->suspended = false;
	io->loop->carrier->resume(io);
}
