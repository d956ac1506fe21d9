/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers that serve any resource from its table: list, show, create, edit, delete. Events and
 * audit records are written by them. A resource needs handlers of its own only for verbs.
 */
#ifndef SERVER_HTTP_REST_H
#define SERVER_HTTP_REST_H

#include "server/http/http.h"

ud_handler ud_rest_list, ud_rest_show, ud_rest_create, ud_rest_edit, ud_rest_delete;

/*
 * Store a new row of a resource with its event, from a handler of its own: check, before, insert,
 * event. UD_E_… of these.
 */
enum ud_code ud_rest_store(struct ud_ctx *cx, const struct ud_resource *res,
	const struct ud_given *given, void *row) UD_USE;
/* The same for a changed row. verb names the event ("updated", "suspended"). */
enum ud_code ud_rest_change(struct ud_ctx *cx, const struct ud_resource *res,
	const struct ud_given *given, const char *verb, const void *old_row, void *row) UD_USE;

#endif
