/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification and its reference page, as files inside the program.
 */
#include <string.h>

#include "api/answers.h"
#include "api/api.h"
#include "base/crypto.h"
#include "base/embed.h"

extern const struct ud_embedded ud_api_files[];

static const struct {
	const char *operation, *file, *type;
} files[] = {
	{ "openapi", "openapi.json", "application/json" },
	{ "docs", "index.html", "text/html; charset=utf-8" },
	{ "docs.script", "docs.js", "text/javascript; charset=utf-8" },
	{ "docs.style", "docs.css", "text/css; charset=utf-8" },
};

static enum ud_code send_file(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_embedded *f = ud_api_files;
	size_t i = 0;
	char hex[UD_SHA256_HEX];

	while (strcmp(files[i].operation, rq->route->operation) != 0)
		i++;
	while (strcmp(f->name, files[i].file) != 0)
		f++;
	ud_sha256_hex(f->data, f->size, hex);
	ud_buf_add(&rq->out, f->data, f->size);
	ud_answer_header(rq, "ETag", ud_printf(cx->arena, "\"%.32s\"", hex));
	ud_answer_header(rq, "Cache-Control", "no-cache");
	return ud_answer_text(cx, rq, 200, files[i].type);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET", "/openapi.json",  "openapi",     UD_ANYONE, NULL, UD_OUTSIDE, .answer = &ud_specification_shape, .handle = send_file, .about = "The specification of this API." },
	{ "GET", "/docs",          "docs",        UD_ANYONE, NULL, UD_OUTSIDE | UD_HTML, .handle = send_file, .about = "The reference page of this API." },
	{ "GET", "/docs/docs.js",  "docs.script", UD_ANYONE, NULL, UD_OUTSIDE | UD_HTML | UD_UNLISTED, .handle = send_file, .about = "Script of the reference page." },
	{ "GET", "/docs/docs.css", "docs.style",  UD_ANYONE, NULL, UD_OUTSIDE | UD_HTML | UD_UNLISTED, .handle = send_file, .about = "Style of the reference page." },
};
/* clang-format on */
const struct ud_routes ud_api_docs = { "Reference", rows, UD_LEN(rows) };
