/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Query parameters of lists: filters by field, order, cursor, page size. Cursors bind filter and
 * order, carry the time they were made, and are authenticated; they hold only values the caller has
 * seen.
 */
#ifndef SERVER_HTTP_LIST_H
#define SERVER_HTTP_LIST_H

#include "server/http/http.h"

enum { UD_CURSOR_MS = 24 * 3600 * 1000 };

struct ud_page {
	struct ud_list list;
	struct ud_texts only; /* ?fields= */
	bool some_fields;
	bool count;          /* ?count=exact */
	const char *binding; /* what a cursor must match: filter and order */
};

/*
 * Read the parameters of a list over a table. UD_E_UNKNOWN_PARAMETER, UD_E_PARAMETER_INVALID,
 * UD_E_CURSOR_INVALID, UD_E_CURSOR_MISMATCH, UD_E_CURSOR_EXPIRED.
 */
enum ud_code ud_page_read(struct ud_ctx *cx, struct ud_request *rq, const struct ud_table *t,
	struct ud_page *ret) UD_USE;
/* The cursor that continues after a row, in the arena. */
const char *ud_page_cursor(struct ud_ctx *cx, const struct ud_request *rq, const struct ud_table *t,
	const struct ud_page *page, const void *row);
/*
 * Open and close a list answer around what the caller appends to rq->out: {"object":"list","data":[
 * … ],…}. next = cursor or NULL; total UD_NONE = not counted.
 */
void ud_page_open(struct ud_request *rq);
enum ud_code ud_page_close(
	struct ud_ctx *cx, struct ud_request *rq, const char *next, int64_t total) UD_USE;
/* ?limit=, 1 to 200, 50 when not given. */
enum ud_code ud_page_limit(struct ud_ctx *cx, struct ud_request *rq, size_t *ret) UD_USE;

#endif
