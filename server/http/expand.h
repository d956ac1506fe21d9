/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ?expand=: the objects that an answer's ids name, beside the ids. "site" stands for site_id,
 * "vm.customer" for the customer of that VM; what may be expanded are the fields of the table that
 * refer to a resource with a page of its own, for whoever may read that.
 */
#ifndef SERVER_HTTP_EXPAND_H
#define SERVER_HTTP_EXPAND_H

#include "server/http/http.h"

enum { UD_EXPAND_MAX = 8 };

/* One name. */
struct ud_expansion {
	const char *name;             /* "site" */
	const struct ud_field *field; /* of the shape it stands in; NULL = customer_id */
	const struct ud_route *shows; /* who answers such an object alone */
	int parent;                   /* the one it stands inside of, or -1 */
};

struct ud_expand {
	struct ud_expansion wanted[UD_EXPAND_MAX];
	size_t count;
	struct ud_expanded *known; /* written already, in the arena */
};

/*
 * Read the parameter for answers of a shape; none gives count 0. UD_E_PARAMETER_INVALID for what
 * cannot be expanded, UD_E_ROLE_MISSING and UD_E_SCOPE_MISSING for what the caller may not read.
 */
enum ud_code ud_expand_read(struct ud_ctx *cx, struct ud_request *rq, const struct ud_shape *shape,
	struct ud_expand *ret) UD_USE;

/*
 * Put the objects that a row names into its JSON, which ends rq->out. null for an id that is not
 * set, and for what the caller does not see. The result is that of the queries.
 */
enum ud_code ud_expand_add(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_expand *expand, const void *row) UD_USE;

#endif
