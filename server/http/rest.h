/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers that serve any resource from its table: list, show, create, edit, delete. Events and
 * audit records are written by them. A resource needs handlers of its own only for verbs.
 */
#ifndef SERVER_HTTP_REST_H
#define SERVER_HTTP_REST_H

#include "server/http/http.h"

ud_handler ud_rest_list, ud_rest_show, ud_rest_create, ud_rest_edit, ud_rest_delete;

/* The five rows of an ordinary resource: where, its word in operations and scopes, one and many of
 * it in words, who sees, who changes. */
#define UD_REST_ROWS(path_, word_, one_, many_, see_, change_, resource_)                   \
	{ "GET", path_, word_ ".list", see_, word_ ":read", UD_LIST, .resource = resource_, \
		.handle = ud_rest_list, .about = "List " many_ "." },                       \
		{ "POST", path_, word_ ".create", change_, word_ ":write", UD_WRITE,        \
			.status = 201, .resource = resource_, .handle = ud_rest_create,     \
			.about = "Create " one_ "." },                                      \
		{ "GET", path_ "/{id}", word_ ".show", see_, word_ ":read", 0,              \
			.resource = resource_, .handle = ud_rest_show,                      \
			.about = "Show " one_ "." },                                        \
		{ "PATCH", path_ "/{id}", word_ ".edit", change_, word_ ":write",           \
			UD_WRITE | UD_MATCH_REQUIRED, .resource = resource_,                \
			.handle = ud_rest_edit, .about = "Change " one_ "." },              \
	{                                                                                   \
		"DELETE", path_ "/{id}", word_ ".delete", change_, word_ ":write",          \
			UD_WRITE | UD_MATCH_REQUIRED, .status = 204, .resource = resource_, \
						      .handle = ud_rest_delete,             \
						      .about = "Delete " one_ "."           \
	}

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
