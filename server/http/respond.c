/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where answers are made: objects, problems, headers. No handler writes an error.
 */
#include "server/http/respond.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/http/forms.h"
#include "server/http/io.h"
#include "server/http/pages.h"
#include "server/http/target.h"
#include "server/metrics/metrics.h"

void ud_answer_header(struct ud_request *rq, const char *name, const char *value)
{
	if (rq->header_count < UD_MAX_HEADERS)
		rq->headers[rq->header_count++] = (struct ud_header){ name, value };
}

static int success_status(const struct ud_request *rq)
{
	return rq->route->status ? rq->route->status : 200;
}

/* "/v1/hosts/hst_…": the collection a create was sent to, or for verbs that make something its own
 * collection. */
static const char *location(struct ud_ctx *cx, const struct ud_request *rq,
	const struct ud_shape *shape, const char *id)
{
	const char *operation = rq->route->operation, *end = strrchr(operation, '.');

	if (end && strcmp(end, ".create") == 0)
		return ud_printf(cx->arena, "%s/%s", rq->path, id);
	char *collection = ud_strdup(cx->arena, shape->table);

	for (char *p = collection; *p; p++)
		*p = *p == '_' ? '-' : *p;
	return ud_printf(cx->arena, "/v1/%s/%s", collection, id);
}

/* A name as RFC 6266 and RFC 8187 want it: plain where it can be, and in UTF-8 beside. */
static const char *disposition(struct ud_ctx *cx, const char *name)
{
	char *plain = ud_strdup(cx->arena, name);

	for (char *p = plain; *p; p++)
		if ((unsigned char)*p < 32 || (unsigned char)*p > 126 || strchr("\"\\%", *p))
			*p = '_';
	return ud_printf(cx->arena, "attachment; filename=\"%s\"; filename*=UTF-8''%s", plain,
		ud_percent(cx->arena, name));
}

enum ud_code ud_answer_file(
	struct ud_ctx *cx, struct ud_request *rq, int fd, int64_t size, const char *name)
{
	rq->file_fd = fd;
	rq->file_size = size;
	rq->status = 200;
	rq->content_type = "application/octet-stream";
	ud_answer_header(rq, "Content-Disposition", disposition(cx, name));
	return UD_OK;
}

/* Make {"id":… to {"dry_run":true,"id":… */
static void mark_dry_run(struct ud_request *rq)
{
	static const char mark[] = "\"dry_run\":true,";
	size_t n = sizeof(mark) - 1;

	ud_buf_need(&rq->out, n);
	memmove(rq->out.data + 1 + n, rq->out.data + 1, rq->out.len - 1);
	memcpy(rq->out.data + 1, mark, n);
	rq->out.len += n;
}

enum ud_code ud_answer(
	struct ud_ctx *cx, struct ud_request *rq, const struct ud_shape *shape, const void *row)
{
	struct ud_texts only = { 0 };
	const char *fields = ud_request_param(rq, "fields");

	rq->out.len = 0;
	rq->status = success_status(rq);
	rq->content_type = "application/json";
	if (fields)
		UD_TRY(ud_split_fields(cx, shape, fields, &only));
	ud_shape_encode(&rq->out, shape, row, fields ? &only : NULL);
	if (rq->dry_run) {
		rq->status = 200;
		mark_dry_run(rq);
		return UD_OK;
	}
	if (shape->bare)
		return UD_OK;
	const struct ud_row *common = row;

	ud_answer_header(rq, "ETag", ud_printf(cx->arena, "\"v%lld\"", (long long)common->version));
	if (rq->status == 201 && common->id)
		ud_answer_header(rq, "Location", location(cx, rq, shape, common->id));
	return UD_OK;
}

enum ud_code ud_answer_none(struct ud_ctx *cx, struct ud_request *rq)
{
	(void)cx;
	rq->out.len = 0;
	rq->status = 204;
	rq->content_type = NULL;
	return UD_OK;
}

enum ud_code ud_answer_text(
	struct ud_ctx *cx, struct ud_request *rq, int status, const char *content_type)
{
	(void)cx;
	rq->status = status;
	rq->content_type = content_type;
	return UD_OK;
}

/* Which fields ?fields= names; each must exist. */
enum ud_code ud_split_fields(
	struct ud_ctx *cx, const struct ud_shape *shape, const char *text, struct ud_texts *ret)
{
	static const char *const common[] = { "id", "object", "customer_id", "version",
		"created_at", "updated_at", "labels" };
	size_t n = 1;

	for (const char *p = text; *p; p++)
		n += *p == ',';
	ret->items = ud_alloc(cx->arena, n * sizeof(*ret->items));
	ret->count = 0;
	while (*text) {
		size_t len = strcspn(text, ",");
		const char *name = ud_strndup(cx->arena, text, len);
		bool known = ud_shape_find(shape, name) >= 0 &&
			!(shape->fields[ud_shape_find(shape, name)].flags & (UD_SECRET | UD_INPUT));

		for (size_t i = 0; i < UD_LEN(common) && !shape->bare; i++)
			known |= strcmp(common[i], name) == 0;
		if (!known)
			return ud_fail(cx, UD_E_PARAMETER_INVALID, "fields",
				"There is no field %s.", name);
		ret->items[ret->count++] = name;
		text += len + (text[len] == ',');
	}
	return UD_OK;
}

enum ud_code ud_check_match(struct ud_ctx *cx, const struct ud_request *rq, int64_t version)
{
	const char *m = rq->if_match;

	if (!m || strcmp(m, "*") == 0)
		return UD_OK;
	const char *tag = ud_printf(cx->arena, "\"v%lld\"", (long long)version);

	for (; *m; m += strcspn(m, ",") + (m[strcspn(m, ",")] == ',')) {
		m += strspn(m, " ");
		if (strncmp(m, tag, strlen(tag)) == 0 && strchr(" ,", m[strlen(tag)]))
			return UD_OK; /* strchr also finds the end */
	}
	return ud_fail(cx, UD_E_STALE_VERSION, NULL, "The object is at %s.", tag);
}

/* "/disks/0/name" from "disks/0/name". */
static void write_fields(struct ud_buf *b, struct ud_ctx *cx, const struct ud_problem *p)
{
	ud_buf_puts(b, ",\"errors\":[");
	for (size_t i = 0; i < p->field_count; i++) {
		const struct ud_field_problem *f = &p->fields[i];

		ud_buf_puts(b, i ? ",{\"pointer\":" : "{\"pointer\":");
		ud_buf_json(b, ud_printf(cx->arena, "/%s", f->field));
		ud_buf_puts(b, ",\"code\":");
		ud_buf_json(b, f->rule);
		ud_buf_puts(b, ",\"detail\":");
		ud_buf_json(b, f->detail);
		ud_buf_putc(b, '}');
	}
	ud_buf_putc(b, ']');
}

/* What RFC 6749 5.2 and RFC 8628 3.5 call it. */
static const char *oauth_error(enum ud_code code, const struct ud_error_info *info)
{
	static const enum ud_code same[] = { UD_E_AUTHORIZATION_PENDING, UD_E_SLOW_DOWN,
		UD_E_ACCESS_DENIED, UD_E_INVALID_CLIENT, UD_E_INVALID_SCOPE,
		UD_E_UNSUPPORTED_GRANT_TYPE };

	for (size_t i = 0; i < UD_LEN(same); i++)
		if (same[i] == code)
			return info->name;
	if (code == UD_E_EXPIRED)
		return "expired_token";
	if (info->status == 429)
		return "slow_down";
	return info->status < 500 ? "invalid_request" : "server_error";
}

static void write_problem(struct ud_request *rq, enum ud_code code,
	const struct ud_error_info *info, const char *detail)
{
	const struct ud_problem *p = &rq->cx.problem;
	const char *remedy = p->remedy ? p->remedy : info->remedy;
	struct ud_buf *b = &rq->out;

	b->len = 0;
	ud_buf_puts(b, "{\"type\":");
	ud_buf_json(b, ud_printf(rq->cx.arena, "%s/problems/%s", rq->server->base_url, info->name));
	ud_buf_puts(b, ",\"title\":");
	ud_buf_json(b, info->title);
	ud_buf_printf(b, ",\"status\":%d,\"code\":\"%s\",\"detail\":", info->status, info->name);
	ud_buf_json(b, detail);
	ud_buf_puts(b, ",\"instance\":");
	ud_buf_json(b, rq->path);
	ud_buf_puts(b, ",\"request_id\":");
	ud_buf_json(b, rq->cx.request_id);
	ud_buf_puts(b, info->retryable ? ",\"retryable\":true" : ",\"retryable\":false");
	if (remedy) {
		ud_buf_puts(b, ",\"remedy\":");
		ud_buf_json(b, remedy);
	}
	if (rq->route && rq->route->flags & UD_OAUTH) {
		ud_buf_printf(
			b, ",\"error\":\"%s\",\"error_description\":", oauth_error(code, info));
		ud_buf_json(b, detail);
	}
	if (p->field_count && code < UD_E_INTERNAL)
		write_fields(b, &rq->cx, p);
	ud_buf_putc(b, '}');
}

/* WWW-Authenticate (RFC 6750 3, RFC 9470 3, RFC 7617 2) and Retry-After. */
static void problem_headers(
	struct ud_request *rq, enum ud_code code, const struct ud_error_info *info)
{
	int64_t retry = rq->cx.problem.retry_after_seconds;

	if (code == UD_E_STEP_UP_REQUIRED)
		ud_answer_header(rq, "WWW-Authenticate",
			"Bearer error=\"insufficient_user_authentication\", acr_values=\"totp\", max_age=300");
	else if (code == UD_E_INVALID_CLIENT) /* RFC 6749 5.2: how it may be shown */
		ud_answer_header(rq, "WWW-Authenticate", "Basic realm=\"understudy\"");
	else if (info->status == 401)
		ud_answer_header(rq, "WWW-Authenticate", "Bearer realm=\"understudy\"");
	if (!retry && info->status == 503)
		retry = 1;
	if (retry)
		ud_answer_header(
			rq, "Retry-After", ud_printf(rq->cx.arena, "%lld", (long long)retry));
}

void ud_answer_problem(struct ud_request *rq, enum ud_code code)
{
	const struct ud_error_info *info = ud_error_info(code);
	const char *detail = rq->cx.problem.detail;

	if (code >= UD_E_INTERNAL) {
		ud_log(code == UD_E_INTERNAL ? UD_LOG_ERROR : UD_LOG_WARNING, "request_failed",
			"req", rq->cx.request_id, "code", info->name, "reason",
			detail ? detail : "", NULL);
		detail = info->title;
	}
	rq->status = info->status;
	rq->content_type = "application/problem+json";
	rq->header_count = code == UD_E_METHOD_NOT_ALLOWED ? rq->header_count : 0;
	problem_headers(rq, code, info);
	write_problem(rq, code, info, detail ? detail : info->title);
}

static bool has_header(const struct ud_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->header_count; i++)
		if (strcmp(rq->headers[i].name, name) == 0)
			return true;
	return false;
}

/* One that the answer has itself goes before ours. */
void ud_answer_headers(
	struct ud_io *io, void (*add)(void *to, const char *name, const char *value), void *to)
{
	static const struct ud_header fixed[] = {
		{ "Understudy-Version", UD_VERSION },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Content-Security-Policy",
			"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
			" font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none';"
			" require-trusted-types-for 'script'" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Opener-Policy", "same-origin" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
	};
	bool cache = false;

	for (size_t i = 0; i < UD_LEN(fixed); i++)
		if (!has_header(&io->rq, fixed[i].name))
			add(to, fixed[i].name, fixed[i].value);
	if (ud_server_tls(&io->rq.server->settings) ||
		strncmp(io->rq.server->base_url, "https:", 6) == 0)
		add(to, "Strict-Transport-Security", "max-age=31536000");
	add(to, "X-Request-Id", io->rq.cx.request_id);
	if (io->rq.content_type)
		add(to, "Content-Type", io->rq.content_type);
	for (size_t i = 0; i < io->rq.header_count; i++) {
		add(to, io->rq.headers[i].name, io->rq.headers[i].value);
		cache |= strcmp(io->rq.headers[i].name, "Cache-Control") == 0;
	}
	if (!cache)
		add(to, "Cache-Control", "no-store");
}

static void add_header(void *to, const char *name, const char *value)
{
	MHD_add_response_header(to, name, value);
}

/* IMF-fixdate (RFC 9110 5.6.7) of an instant in seconds. */
static const char *http_date(struct ud_ctx *cx, int64_t seconds)
{
	static const char *const days[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul",
		"Aug", "Sep", "Oct", "Nov", "Dec" };
	char t[UD_TIME_TEXT];

	ud_time_format(seconds * 1000, t);
	int month = (t[5] - '0') * 10 + t[6] - '0';

	return ud_printf(cx->arena, "%s, %.2s %s %.4s %.8s GMT", days[seconds / 86400 % 7], t + 8,
		months[month - 1], t, t + 11);
}

void ud_answer_deprecation(struct ud_request *rq)
{
	const struct ud_route *r = rq->route;

	if (!r || !r->deprecated_at)
		return;
	ud_answer_header(
		rq, "Deprecation", ud_printf(rq->cx.arena, "@%lld", (long long)r->deprecated_at));
	if (r->sunset_at)
		ud_answer_header(rq, "Sunset", http_date(&rq->cx, r->sunset_at));
}

/* The library closes the descriptor with the response. */
static struct MHD_Response *file_response(struct ud_request *rq)
{
	struct MHD_Response *response =
		MHD_create_response_from_fd64((uint64_t)rq->file_size, rq->file_fd);

	if (response)
		rq->file_fd = 0;
	return response;
}

enum MHD_Result ud_respond(struct ud_io *io)
{
	struct ud_request *rq = &io->rq;

	ud_form_answer(rq);
	/* out lives until the request has ended: the library need not copy it */
	struct MHD_Response *response = rq->stream ? ud_stream_response(rq)
		: rq->file_fd > 0
		? file_response(rq)
		: MHD_create_response_from_buffer(
			  rq->out.len, rq->out.len ? rq->out.data : "", MHD_RESPMEM_PERSISTENT);

	if (!response)
		return MHD_NO;
	ud_answer_deprecation(rq);
	ud_answer_headers(io, add_header, response);
	ud_metrics_request(rq->server->metrics, rq, io->started_us);
	enum MHD_Result queued = ud_queue_response(io->mhd, (unsigned)rq->status, response);

	MHD_destroy_response(response);
	return queued;
}
