/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fields in, page out.
 */
#include "server/http/forms.h"

#include <string.h>
#include <strings.h>

#include "base/crypto.h"
#include "server/http/server.h"
#include "server/http/target.h"

enum { FIELDS_MAX = 200 };
static const char prefix[] = "/basic/v1/";

const char *ud_form_token(struct ud_ctx *cx, const struct ud_server *server, const char *session_id)
{
	const char *about = ud_printf(cx->arena, "form %s", session_id);
	unsigned char mac[UD_SHA256];

	ud_hmac_sha256(server->keys.cursor, sizeof(server->keys.cursor), about, strlen(about), mac);
	return ud_base64url(cx->arena, mac, sizeof(mac));
}

/* ---- reading ---- */

/* Put a value into the tree by its name: "failover.kind", "failover.vm_ids[]". */
static void put(json_t *tree, char *name, const char *value)
{
	char *dot;

	while ((dot = strchr(name, '.'))) {
		*dot = 0;
		json_t *inner = json_object_get(tree, name);

		if (!json_is_object(inner))
			json_object_set_new(tree, name, inner = json_object());
		tree = inner;
		name = dot + 1;
	}
	size_t n = strlen(name);

	if (n < 3 || strcmp(name + n - 2, "[]") != 0) {
		json_object_set_new(tree, name, json_string(value));
		return;
	}
	name[n - 2] = 0;
	json_t *list = json_object_get(tree, name);

	if (!json_is_array(list))
		json_object_set_new(tree, name, list = json_array());
	json_array_append_new(list, json_string(value));
}

/* A field that is ours, not the call's. */
static bool own_field(struct ud_form *f, const char *name, const char *value)
{
	const struct {
		const char *name;
		const char **place;
	} own[] = { { "_csrf", &f->csrf }, { "_key", &f->key }, { "_then", &f->then },
		{ "_method", &f->method } };

	for (size_t i = 0; i < UD_LEN(own); i++)
		if (strcmp(own[i].name, name) == 0) {
			*own[i].place = value;
			return true;
		}
	return false;
}

/* One "name=value" of the body, decoded in place of the arena. */
static enum ud_code take_field(struct ud_ctx *cx, struct ud_form *f, json_t *tree, const char *text)
{
	struct ud_param pair[UD_MAX_PARAMS] = { 0 };
	size_t n = 0;

	UD_TRY(ud_target_query(cx, text, pair, &n));
	if (n == 0 || own_field(f, pair[0].name, pair[0].value) || !*pair[0].value)
		return UD_OK;
	put(tree, ud_strdup(cx->arena, pair[0].name), pair[0].value);
	return UD_OK;
}

static const char *body_text(struct ud_ctx *cx, const struct ud_request *rq)
{
	return ud_strndup(cx->arena, rq->body.len ? rq->body.data : "", rq->body.len);
}

/* The tree becomes the call's body, and is released. */
static void put_body(struct ud_request *rq, json_t *tree)
{
	char *text = json_dumps(tree, JSON_COMPACT);

	rq->body.len = 0;
	if (json_object_size(tree))
		ud_buf_puts(&rq->body, text);
	ud_free(text);
	json_decref(tree);
}

static enum ud_code take_fields(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_form *f, json_t *tree)
{
	const char *at = body_text(cx, rq);

	for (size_t n = 0; *at; n++) {
		size_t len = strcspn(at, "&");

		if (n == FIELDS_MAX)
			return ud_fail(cx, UD_E_MALFORMED, NULL, "A form has at most %d fields.",
				FIELDS_MAX);
		if (len)
			UD_TRY(take_field(cx, f, tree, ud_strndup(cx->arena, at, len)));
		at += len + (at[len] == '&');
	}
	return UD_OK;
}

enum ud_code ud_form_read(struct ud_request *rq)
{
	struct ud_ctx *cx = &rq->cx;
	const char *type = ud_request_header(rq, "Content-Type");

	if (strncmp(rq->path, prefix, strlen(prefix)) != 0 || strcmp(rq->method, "POST") != 0)
		return UD_OK;
	rq->form = ud_alloc(cx->arena, sizeof(*rq->form));
	*rq->form = (struct ud_form){ 0 };
	if (!type || strncasecmp(type, "application/x-www-form-urlencoded", 33) != 0)
		return ud_fail(cx, UD_E_UNSUPPORTED_MEDIA_TYPE, NULL, "A form is expected here.");
	json_t *tree = json_object();
	enum ud_code code = take_fields(cx, rq, rq->form, tree);

	put_body(rq, tree);
	rq->path += strlen("/basic");
	if (rq->form->method && strcmp(rq->form->method, "DELETE") == 0)
		rq->method = "DELETE";
	return code;
}

enum ud_code ud_form_body(struct ud_request *rq, const struct ud_shape *shape)
{
	struct ud_param fields[UD_MAX_PARAMS] = { 0 };
	size_t n = 0;

	/* a form is written as a query is, and that has no name twice */
	UD_TRY(ud_target_query(&rq->cx, body_text(&rq->cx, rq), fields, &n));
	json_t *tree = json_object();

	for (size_t i = 0; i < n; i++)
		if (*fields[i].value && ud_shape_find(shape, fields[i].name) >= 0)
			json_object_set_new(tree, fields[i].name, json_string(fields[i].value));
	put_body(rq, tree);
	return UD_OK;
}

/* ---- answering ---- */

void ud_page_text(struct ud_buf *b, const char *s)
{
	for (; s && *s; s++) {
		const char *entity = *s == '<' ? "&lt;"
			: *s == '>'            ? "&gt;"
			: *s == '&'            ? "&amp;"
			: *s == '"'            ? "&quot;"
					       : NULL;

		if (entity)
			ud_buf_puts(b, entity);
		else
			ud_buf_putc(b, *s);
	}
}

void ud_page_begin(struct ud_buf *b, const char *title, const char *hash)
{
	ud_buf_puts(b,
		"<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>");
	ud_page_text(b, title);
	ud_buf_puts(b, " · Understudy</title>");
	if (hash)
		ud_buf_printf(
			b, "<link rel=\"stylesheet\" href=\"/static/%s/portal/basic.css\">", hash);
	ud_buf_puts(b, "</head>\n<body><main><h1>");
	ud_page_text(b, title);
	ud_buf_puts(b, "</h1>\n");
}

void ud_page_end(struct ud_buf *b)
{
	ud_buf_puts(b, "</main></body></html>\n");
}

/* The page to go on with: one of ours, {id} replaced by the id that the answer has. */
static const char *next_page(struct ud_request *rq)
{
	const char *then = rq->form->then, *mark;
	json_error_t e;

	if (!then || strncmp(then, "/basic", 6) != 0 || strpbrk(then, "\r\n\\"))
		return "/basic/home";
	if (!(mark = strstr(then, "{id}")))
		return then;
	json_t *body = json_loadb(rq->out.len ? rq->out.data : "", rq->out.len, 0, &e);
	const char *id = json_string_value(json_object_get(body, "id"));
	const char *to = ud_printf(
		rq->cx.arena, "%.*s%s%s", (int)(mark - then), then, id ? id : "", mark + 4);

	json_decref(body);
	return to;
}

static void hidden(struct ud_buf *b, const char *name, const char *value)
{
	ud_buf_printf(b, "<input type=\"hidden\" name=\"%s\" value=\"", name);
	ud_page_text(b, value);
	ud_buf_puts(b, "\">");
}

/* Ask for the password, then back to the page with the button. */
static void confirm_form(struct ud_request *rq)
{
	struct ud_buf *b = &rq->out;

	ud_buf_puts(b, "<form method=\"post\" action=\"/basic/v1/me/step-up\">");
	hidden(b, "_csrf", ud_form_token(&rq->cx, rq->server, rq->scope.session_id));
	hidden(b, "_then",
		rq->form && rq->form->then && !strstr(rq->form->then, "{id}") ? rq->form->then
									      : "/basic/home");
	ud_buf_puts(b,
		"<label for=\"password\">Password</label><input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required>"
		"<label for=\"totp\">Code, where you have a second factor</label><input id=\"totp\" name=\"totp\" inputmode=\"numeric\" autocomplete=\"one-time-code\">"
		"<p>Then press the button on the page before once more.</p><button>Confirm</button></form>");
}

static void problem_page(struct ud_request *rq)
{
	const struct ud_problem *p = &rq->cx.problem;
	const struct ud_error_info *info = ud_error_info(p->code);
	struct ud_buf *b = &rq->out;

	b->len = 0;
	ud_page_begin(b, info->title, NULL);
	ud_buf_puts(b, "<p role=\"alert\">");
	ud_page_text(b, p->code < UD_E_INTERNAL && p->detail ? p->detail : info->title);
	ud_buf_puts(b, "</p><ul>");
	for (size_t i = 0; i < p->field_count && p->code < UD_E_INTERNAL; i++) {
		ud_buf_puts(b, "<li>");
		ud_page_text(b, p->fields[i].detail);
		ud_buf_puts(b, "</li>");
	}
	ud_buf_puts(b, "</ul><p>");
	ud_page_text(b, p->remedy ? p->remedy : info->remedy);
	ud_buf_puts(b, "</p>");
	if (p->code == UD_E_STEP_UP_REQUIRED && rq->scope.session_id)
		confirm_form(rq);
	ud_buf_printf(b,
		"<p><a href=\"/basic/home\">My protection</a> · <a href=\"/basic\">Sign in</a> · <code>%s</code></p>",
		info->name);
	ud_page_end(b);
	rq->content_type = "text/html; charset=utf-8";
}

static void go_to(struct ud_request *rq, const char *where)
{
	rq->out.len = 0;
	rq->status = 303;
	rq->content_type = NULL;
	ud_answer_header(rq, "Location", where);
}

/* Location and ETag of the call mean nothing to a browser that goes on. */
static void drop_header(struct ud_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->header_count; i++)
		if (strcmp(rq->headers[i].name, name) == 0)
			rq->headers[i] = rq->headers[--rq->header_count];
}

void ud_form_answer(struct ud_request *rq)
{
	bool page = !rq->form && rq->path && strncmp(rq->path, "/basic", 6) == 0;

	if (!rq->form && !page)
		return;
	/* without it a browser says "Origin: null" of its forms, and so nothing */
	ud_answer_header(rq, "Referrer-Policy", "same-origin");
	if (rq->status >= 400)
		problem_page(rq);
	else if (rq->form) {
		const char *next = next_page(rq);

		drop_header(rq, "Location");
		drop_header(rq, "ETag");
		go_to(rq, next);
	}
}
