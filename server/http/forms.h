/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forms of the pages that do without JavaScript. A form posted to /basic/v1/… is the call POST
 * /v1/… with the form's fields as its body: one door for both, with the same roles, rules and
 * records. Its answer becomes a page: on success the browser is sent to the page that the form
 * names, else the problem is told in words. Pages themselves are written in api/basic.c.
 */
#ifndef SERVER_HTTP_FORMS_H
#define SERVER_HTTP_FORMS_H

#include "server/http/http.h"

/* What a form says beside its fields; texts of the request's arena. */
struct ud_form {
	const char *csrf;   /* _csrf: ud_form_token of the session */
	const char *key;    /* _key: Idempotency-Key, so that sending twice is once */
	const char *then;   /* _then: page to go to; {id} stands for the answer's id */
	const char *method; /* _method: DELETE; NULL = POST */
};

/*
 * Is this a form for a call? Then its fields are made a JSON body: "a.b" is a member b of a, "a[]"
 * an entry of a list, all values are texts and empty ones are left out; and the path is that of the
 * call. UD_E_MALFORMED, UD_E_UNSUPPORTED_MEDIA_TYPE. Before the route is looked for.
 */
enum ud_code ud_form_read(struct ud_request *rq) UD_USE;
/*
 * Of a UD_OAUTH route: make the body, which is a form, the JSON object that the call takes. Names
 * that the shape does not have are left out, as RFC 6749 3.2 wants it, and so are empty values.
 * UD_E_MALFORMED, also for a name that comes twice.
 */
enum ud_code ud_form_body(struct ud_request *rq, const struct ud_shape *shape) UD_USE;
/* The value of _csrf in a session's forms. */
const char *ud_form_token(
	struct ud_ctx *cx, const struct ud_server *server, const char *session_id);
/* Make a page of an answer to a form, and of a problem on a page below /basic. */
void ud_form_answer(struct ud_request *rq);

/* Begin and end a page; title in words. */
void ud_page_begin(struct ud_buf *b, const char *title, const char *hash);
void ud_page_end(struct ud_buf *b);
/* Append a text with what HTML wants escaped. NULL = nothing. */
void ud_page_text(struct ud_buf *b, const char *text);

#endif
