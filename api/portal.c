/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The portal's files. They are part of the program, compressed when it was built. Their address
 * holds a digest of them all, so a browser keeps them for ever and a new version is a new address;
 * the one page that every address under /app begins with is asked for each time.
 */
#include <string.h>
#include <strings.h>

#include "api/api.h"
#include "base/embed.h"
#include "server/http/server.h"

extern const struct ud_embedded ud_portal_files[];
extern const char ud_portal_files_hash[];

static const struct {
	const char *ending, *type;
} types[] = {
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".svg", "image/svg+xml" },
	{ ".html", "text/html; charset=utf-8" },
	{ ".woff2", "font/woff2" },
};

static const struct ud_embedded *find(const char *name)
{
	for (const struct ud_embedded *f = ud_portal_files; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static const char *type_of(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < UD_LEN(types); i++) {
		size_t k = strlen(types[i].ending);

		if (n > k && strcmp(name + n - k, types[i].ending) == 0)
			return types[i].type;
	}
	return NULL;
}

/* Does the caller take gzip? A weight of nothing is not looked for: who sends it gets gzip. */
static bool takes_gzip(const struct ud_request *rq)
{
	const char *accept = ud_request_header(rq, "Accept-Encoding");

	return accept && strcasestr(accept, "gzip");
}

static enum ud_code send_file(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *name = rq->arg[1], *type = type_of(name);
	const struct ud_embedded *f =
		strcmp(rq->arg[0], ud_portal_files_hash) == 0 ? find(name) : NULL;

	if (!f || !type)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no such file in this version.");
	if (takes_gzip(rq)) {
		f = find(ud_printf(cx->arena, "%s.gz", name));
		ud_answer_header(rq, "Content-Encoding", "gzip");
	}
	ud_buf_add(&rq->out, f->data, f->size);
	ud_answer_header(rq, "Vary", "Accept-Encoding");
	ud_answer_header(rq, "Cache-Control", "public, max-age=31536000, immutable");
	return ud_answer_text(cx, rq, 200, type);
}

/* The one page; {{hash}} in it becomes the files' digest, {{demo}} whether it is a demo's. What
 * stands behind ? is the page's own. */
static enum ud_code send_page(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *demo = rq->server->settings.demo ? "yes" : "no";
	const char *at = find("portal/index.html")->data, *next;

	for (size_t i = 0; i < rq->param_count; i++)
		rq->params[i].used = true;
	for (; (next = strstr(at, "{{")); at = strstr(next, "}}") + 2) {
		ud_buf_add(&rq->out, at, (size_t)(next - at));
		ud_buf_puts(
			&rq->out, strncmp(next, "{{demo}}", 8) == 0 ? demo : ud_portal_files_hash);
	}
	ud_buf_puts(&rq->out, at);
	ud_answer_header(rq, "ETag", ud_printf(cx->arena, "\"%s-%s\"", ud_portal_files_hash, demo));
	ud_answer_header(rq, "Cache-Control", "no-cache");
	return ud_answer_text(cx, rq, 200, "text/html; charset=utf-8");
}

static enum ud_code go_there(struct ud_ctx *cx, struct ud_request *rq)
{
	ud_answer_header(rq, "Location", "/app");
	return ud_answer_text(cx, rq, 303, "text/html; charset=utf-8");
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/",                      "portal.root", UD_ANYONE, NULL, UD_OUTSIDE | UD_HTML | UD_UNLISTED, .handle = go_there,  .about = "Go to the portal." },
	{ "GET", "/app",                   "portal",      UD_ANYONE, NULL, UD_OUTSIDE | UD_HTML | UD_UNLISTED, .handle = send_page, .about = "The portal." },
	{ "GET", "/app/{path*}",           "portal.page", UD_ANYONE, NULL, UD_OUTSIDE | UD_HTML | UD_UNLISTED, .handle = send_page, .about = "A page of the portal." },
	{ "GET", "/static/{hash}/{path*}", "portal.file", UD_ANYONE, NULL, UD_OUTSIDE | UD_HTML | UD_UNLISTED, .handle = send_file, .about = "A file of the portal." },
};
/* clang-format on */
const struct ud_routes ud_api_portal = { "Portal", rows, UD_LEN(rows) };
