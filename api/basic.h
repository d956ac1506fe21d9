/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pages without JavaScript have in common (api/basic.c), and the page of a ticket
 * (api/basic_ticket.c).
 */
#ifndef API_BASIC_H
#define API_BASIC_H

#include "server/http/http.h"

enum { UD_BASIC_ROWS = 100, UD_BASIC_KINDS = 3 };

/* Kinds of failovers in words, by enum ud_failover_kind. */
struct ud_basic_kind {
	const char *kind, *words;
	bool checked;
};
extern const struct ud_basic_kind ud_basic_kinds[UD_BASIC_KINDS];

/* Begin a page with its links, and end it: the answer. */
void ud_basic_begin(struct ud_request *rq, const char *title);
enum ud_code ud_basic_end(struct ud_ctx *cx, struct ud_request *rq) UD_USE;
/* A form's begin: where to (below /v1/), and what goes along unseen. then NULL = home. */
void ud_basic_form(struct ud_request *rq, const char *action, const char *then);
/* A word of the API for people: "pending_customer" without its underscores. */
const char *ud_basic_plain(struct ud_ctx *cx, const char *word);

/* The page of a ticket, a handler. */
enum ud_code ud_basic_ticket(struct ud_ctx *cx, struct ud_request *rq) UD_USE;

#endif
