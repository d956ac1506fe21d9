/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of tickets: sent as they are and kept as they are, under their row's id, with their
 * SHA-256. They are given out to be saved, never to be shown: what is in them is somebody else's.
 */
#include <string.h>

#include "api/api.h"
#include "api/tickets.h"
#include "base/crypto.h"
#include "base/id.h"
#include "base/spool.h"
#include "db/events.h"
#include "db/ticket_parts.h"
#include "server/http/server.h"

enum { PER_TICKET = 100 };

static const struct ud_resource attachments = { .table = &ud_ticket_attachments,
	.parent_column = "ticket_id" };

static enum ud_code list(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket t = { 0 };

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	return ud_rest_list(cx, rq);
}

static enum ud_code read_visibility(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_ticket_attachment *a)
{
	const char *text = ud_request_param(rq, "visibility");
	int v = text ? ud_enum_index(&ud_visibilities, text) : UD_VISIBILITY_PUBLIC;

	if (v < 0)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "visibility",
			"visibility is public or internal.");
	a->visibility = (unsigned)v;
	return v == UD_VISIBILITY_INTERNAL ? ud_ticket_internal(cx) : UD_OK;
}

/* The file is put into its place before the row is stored: a row never misses its file. */
static enum ud_code prepare(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket_attachment *a = ud_alloc(cx->arena, sizeof(*a));
	struct ud_ticket t = { 0 };

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	UD_TRY(read_visibility(cx, rq, a));
	a->row.id = ud_id_new(cx->arena, cx->env, cx->now_ms, "tat");
	a->filename = ud_strdup(cx->arena, rq->filename);
	a->content_type = rq->upload_type;
	a->size_bytes = ud_spool_size(rq->upload);
	a->sha256 = ud_strdup(cx->arena, ud_spool_seal(rq->upload));
	rq->prepared = a;
	return ud_spool_finish(cx, rq->upload, a->row.id);
}

static enum ud_code create(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket_attachment a = *(const struct ud_ticket_attachment *)rq->prepared;
	struct ud_ticket t = { 0 };
	struct ud_ticket_verdict v;
	const struct ud_ticket_move *m = NULL;
	int64_t count = 0;

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	UD_TRY(ud_ticket_ask(cx, &t, UD_TICKET_COMMENT, &v, &m));
	if (v.code != UD_OK)
		return ud_fail(cx, v.code, NULL, "%s", v.text);
	UD_TRY(ud_attachments_count(cx, t.row.id, &count));
	if (count >= PER_TICKET)
		return ud_fail(
			cx, UD_E_EXHAUSTED, NULL, "A ticket has at most %d files.", PER_TICKET);
	a.ticket_id = t.row.id;
	a.row.customer_id = a.visibility == UD_VISIBILITY_INTERNAL ? NULL : t.row.customer_id;
	a.author_id = cx->scope->id;
	a.author_name = cx->scope->name;
	UD_TRY(ud_row_insert(cx, &ud_ticket_attachments, &a));
	UD_TRY(ud_event_add(cx, "created", ud_ticket_attachments.shape, NULL, &a));
	rq->upload_used = true;
	return ud_answer(cx, rq, ud_ticket_attachments.shape, &a);
}

static enum ud_code load(struct ud_ctx *cx, struct ud_request *rq, struct ud_ticket_attachment *ret)
{
	struct ud_ticket t = { 0 };

	UD_TRY(ud_row_get(cx, &ud_tickets, rq->arg[0], &t));
	UD_TRY(ud_row_get(cx, &ud_ticket_attachments, rq->arg[1], ret));
	return strcmp(ret->ticket_id, t.row.id) == 0
		? UD_OK
		: ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no ticket_attachment with this id.");
}

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_ticket_attachment a = { 0 };

	UD_TRY(load(cx, rq, &a));
	return ud_answer(cx, rq, ud_ticket_attachments.shape, &a);
}

static int nibble(char c)
{
	return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* Content-Digest (RFC 9530): plain base64 of the hash that is kept in hex. */
static const char *digest(struct ud_ctx *cx, const char *hex)
{
	unsigned char raw[UD_SHA256];

	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (unsigned char)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	char *text = ud_base64url(cx->arena, raw, sizeof(raw));

	for (char *p = text; *p; p++)
		*p = *p == '-' ? '+' : *p == '_' ? '/' : *p;
	return ud_printf(cx->arena, "sha-256=:%s=:", text); /* 32 bytes end in one = */
}

static enum ud_code download(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *folder = rq->server->settings.attachments;
	struct ud_ticket_attachment a = { 0 };
	int64_t size = 0;
	int fd = 0;

	UD_TRY(load(cx, rq, &a));
	if (!folder)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "This server keeps no files.");
	UD_TRY(ud_spool_read(cx, folder, a.row.id, &fd, &size));
	ud_answer_header(rq, "Content-Digest", digest(cx, a.sha256));
	return ud_answer_file(cx, rq, fd, size, a.filename);
}

enum { WRITE = UD_CUSTOMER_WRITE | UD_SUPPORT };

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/tickets/{id}/attachments",                         "tickets.attachments.list",     UD_PEOPLE, "tickets:read",  UD_LIST, .resource = &attachments, .handle = list, .about = "List the files of a ticket." },
	{ "POST", "/v1/tickets/{id}/attachments",                         "tickets.attachments.create",   WRITE,     "tickets:write", UD_WRITE | UD_SLOW | UD_UPLOAD, .status = 201, .resource = &attachments, .prepare = prepare, .handle = create, .about = "Attach a file, sent as it is, of 50 MiB at most; visibility=internal keeps it for the provider's people." },
	{ "GET",  "/v1/tickets/{id}/attachments/{attachment_id}",         "tickets.attachments.show",     UD_PEOPLE, "tickets:read",  0, .resource = &attachments, .handle = show, .about = "Show what is known of a file." },
	{ "GET",  "/v1/tickets/{id}/attachments/{attachment_id}/content", "tickets.attachments.download", UD_PEOPLE, "tickets:read",  UD_DOWNLOAD, .handle = download, .about = "Get a file." },
};
/* clang-format on */
const struct ud_routes ud_api_ticket_attachments = { "Attachments", rows, UD_LEN(rows) };
