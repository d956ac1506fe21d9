/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls over libcurl, and what their answers mean to a script.
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli/cli.h"

static size_t collect(char *data, size_t size, size_t n, void *to)
{
	ud_buf_add(to, data, size * n);
	return size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *to)
{
	struct cli_reply *r = to;

	static const char attachment[] = "Content-Disposition: attachment";

	if (size * n >= sizeof(attachment) - 1 &&
		strncasecmp(data, attachment, sizeof(attachment) - 1) == 0)
		r->attachment = true;
	if (size * n > 6 && strncasecmp(data, "ETag: ", 6) == 0)
		snprintf(
			r->etag, sizeof(r->etag), "%.*s", (int)strcspn(data + 6, "\r\n"), data + 6);
	return size * n;
}

/* A text in single quotes for a shell. */
static void quoted(const char *s)
{
	putchar('\'');
	for (; *s; s++)
		if (*s == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*s);
	putchar('\'');
}

static void explain(const struct cli *c, const char *method, const char *path, const char *body,
	const char *header)
{
	printf("curl -sS -X %s ", method);
	quoted(ud_printf(c->cx.arena, "%s%s", c->url, path));
	if (c->token)
		fputs(" -H \"Authorization: Bearer $UNDERSTUDY_TOKEN\"", stdout);
	if (header) {
		fputs(" -H ", stdout);
		quoted(header);
	}
	if (body) {
		printf(" -H 'Content-Type: %s' --data ",
			strcmp(method, "PATCH") == 0 ? "application/merge-patch+json"
						     : "application/json");
		quoted(body);
	}
	putchar('\n');
}

static struct curl_slist *headers_of(
	const struct cli *c, const char *method, const char *body, const char *header)
{
	struct curl_slist *list = curl_slist_append(NULL, "Accept: application/json");
	struct cli *writable = (struct cli *)(uintptr_t)c;
	const char *behalf = ud_cli_flag(writable, "on-behalf-of");

	if (c->token)
		list = curl_slist_append(
			list, ud_printf(c->cx.arena, "Authorization: Bearer %s", c->token));
	if (body)
		list = curl_slist_append(list,
			strcmp(method, "PATCH") == 0 ? "Content-Type: application/merge-patch+json"
						     : "Content-Type: application/json");
	if (behalf)
		list = curl_slist_append(
			list, ud_printf(c->cx.arena, "Understudy-On-Behalf-Of: %s", behalf));
	return header ? curl_slist_append(list, header) : list;
}

static CURL *prepare(const struct cli *c, const char *method, const char *path, const char *body,
	struct curl_slist *list)
{
	CURL *h = curl_easy_init();

	curl_easy_setopt(h, CURLOPT_URL, ud_printf(c->cx.arena, "%s%s", c->url, path));
	curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(h, CURLOPT_USERAGENT, "understudy/" UD_VERSION);
	if (body)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, body);
	return h;
}

static void perform(struct cli *c, CURL *h, struct curl_slist *list, const char *method,
	const char *path, struct cli_reply *ret)
{
	long status = 0;

	*ret = (struct cli_reply){ 0 };
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &ret->body);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, ret);
	CURLcode rc = curl_easy_perform(h);

	if (rc == CURLE_OK)
		curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	else
		ud_cli_fail(CLI_UNREACHABLE, "%s: %s", c->url, curl_easy_strerror(rc));
	if (c->verbose)
		fprintf(stderr, "> %s %s%s\n< %ld\n", method, c->url, path, status);
	curl_slist_free_all(list);
	curl_easy_cleanup(h);
	ret->status = (int)status;
	ret->json = json_loads(ud_buf_text(&ret->body), JSON_DECODE_ANY, NULL);
}

bool ud_cli_call(struct cli *c, const char *method, const char *path, const char *body,
	const char *header, struct cli_reply *ret)
{
	if (c->explain && strcmp(method, "GET") != 0) {
		explain(c, method, path, body, header);
		return true;
	}
	struct curl_slist *list = headers_of(c, method, body, header);
	CURL *h = prepare(c, method, path, body, list);

	curl_easy_setopt(h, CURLOPT_TIMEOUT, 60L);
	perform(c, h, list, method, path, ret);
	return false;
}

void ud_cli_send(struct cli *c, const char *path, const char *data, size_t n, const char *header,
	struct cli_reply *ret)
{
	struct curl_slist *list = headers_of(c, "POST", NULL, header);
	CURL *h = prepare(c, "POST", path, NULL, list);

	list = curl_slist_append(list, "Content-Type: application/octet-stream");
	list = curl_slist_append(list, "Expect:");
	curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(h, CURLOPT_POSTFIELDS, data);
	curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)n);
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_LIMIT, 1024L); /* bytes a second, for a minute */
	curl_easy_setopt(h, CURLOPT_LOW_SPEED_TIME, 60L);
	perform(c, h, list, "POST", path, ret);
}

void ud_cli_reply_free(struct cli_reply *r)
{
	json_decref(r->json);
	ud_buf_free(&r->body);
	r->json = NULL;
}

static void say_problem(const struct cli_reply *r)
{
	json_t *errors = json_object_get(r->json, "errors"), *e;
	const char *detail = json_string_value(json_object_get(r->json, "detail"));
	const char *title = json_string_value(json_object_get(r->json, "title"));
	const char *remedy = json_string_value(json_object_get(r->json, "remedy"));
	size_t i;

	fprintf(stderr, "understudy: %s: %s\n", title ? title : "the call failed",
		detail ? detail : "");
	json_array_foreach(errors, i, e)
	{
		const char *pointer = json_string_value(json_object_get(e, "pointer"));
		const char *text = json_string_value(json_object_get(e, "detail"));

		if (!detail || !text || strcmp(detail, text) != 0)
			fprintf(stderr, "  %s: %s\n", pointer ? pointer : "", text ? text : "");
	}
	if (remedy)
		fprintf(stderr, "  %s\n", remedy);
}

int ud_cli_status_code(int status)
{
	static const struct {
		int status, code;
	} map[] = {
		{ 400, CLI_REFUSED },
		{ 401, CLI_NOT_ALLOWED },
		{ 403, CLI_NOT_ALLOWED },
		{ 404, CLI_NOT_FOUND },
		{ 408, CLI_UNREACHABLE },
		{ 409, CLI_CONFLICT },
		{ 410, CLI_CONFLICT },
		{ 412, CLI_CONFLICT },
		{ 422, CLI_REFUSED },
		{ 428, CLI_CONFLICT },
		{ 429, CLI_UNREACHABLE },
		{ 503, CLI_UNREACHABLE },
		{ 0, CLI_UNREACHABLE },
	};

	if (status >= 200 && status < 300)
		return CLI_DONE;
	for (size_t i = 0; i < UD_LEN(map); i++)
		if (map[i].status == status)
			return map[i].code;
	return CLI_UNEXPECTED;
}

int ud_cli_reply_code(const struct cli *c, const struct cli_reply *r)
{
	int code = ud_cli_status_code(r->status);

	(void)c;
	if (code != CLI_DONE && r->status)
		say_problem(r);
	return code;
}

struct following {
	struct cli *c;
	struct ud_buf rest;
	void (*line)(struct cli *c, const char *text);
};

static size_t on_text(char *data, size_t size, size_t n, void *to)
{
	struct following *f = to;
	char *end;

	ud_buf_add(&f->rest, data, size * n);
	while ((end = memchr(f->rest.data, '\n', f->rest.len))) {
		*end = 0;
		f->line(f->c, f->rest.data);
		f->rest.len -= (size_t)(end + 1 - f->rest.data);
		memmove(f->rest.data, end + 1, f->rest.len);
	}
	return size * n;
}

int ud_cli_follow(struct cli *c, const char *path, void (*line)(struct cli *c, const char *text))
{
	struct curl_slist *list = headers_of(c, "GET", NULL, NULL);
	CURL *h = prepare(c, "GET", path, NULL, list);
	struct following f = { .c = c, .line = line };
	long status = 0;

	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_text);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, &f);
	CURLcode rc = curl_easy_perform(h);

	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	curl_slist_free_all(list);
	curl_easy_cleanup(h);
	struct cli_reply r = { .status = (int)status,
		.json = json_loads(ud_buf_text(&f.rest), 0, NULL) };
	int code = status ? ud_cli_reply_code(c, &r)
			  : ud_cli_fail(CLI_UNREACHABLE, "%s: %s", c->url, curl_easy_strerror(rc));

	json_decref(r.json);
	ud_buf_free(&f.rest);
	return code;
}
