/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the route row. The table is walked: with some hundred rows whose first bytes differ early
 * this costs less than a microsecond, and needs no second structure that could disagree with the
 * table.
 */
#include <string.h>

#include "server/http/io.h"
#include "server/http/target.h"

const struct ud_shape *ud_route_body(const struct ud_route *r)
{
	/* of a resource's own collection and objects the resource itself is the body; verbs stand
	 * below {id} */
	bool create = strcmp(r->method, "POST") == 0 && r->status == 201;
	bool whole = r->resource && (create || strcmp(r->method, "PATCH") == 0);

	if (r->flags & UD_UPLOAD)
		return NULL;
	return r->body ? r->body : whole ? r->resource->table->shape : NULL;
}

const struct ud_shape *ud_route_answer(const struct ud_route *r)
{
	return r->answer                          ? r->answer
		: r->resource && r->status != 204 ? r->resource->table->shape
						  : NULL;
}

bool ud_route_brief(const struct ud_route *r)
{
	const struct ud_shape *s = ud_route_answer(r);

	return r->flags & UD_WRITE && !(r->flags & UD_NO_BODY_LOG) && !(r->roles & UD_ANYONE) &&
		s && !s->bare && !r->answer_else &&
		(!r->status || r->status == 200 || r->status == 201);
}

/* HEAD is served by GET rows; the library leaves the body out. */
static bool method_matches(const struct ud_route *r, const char *method)
{
	return strcmp(r->method, method) == 0 ||
		(strcmp(method, "HEAD") == 0 && strcmp(r->method, "GET") == 0);
}

const struct ud_route *ud_route_find(struct ud_ctx *cx, struct ud_request *rq)
{
	const char *allow = NULL;

	for (const struct ud_routes *const *part = rq->server->routes; *part; part++) {
		for (size_t i = 0; i < (*part)->count; i++) {
			const struct ud_route *r = &(*part)->rows[i];

			memset(rq->arg, 0, sizeof(rq->arg));
			if (!ud_target_match(cx, r->path, rq->path, rq->arg))
				continue;
			if (method_matches(r, rq->method))
				return r;
			allow = allow ? ud_printf(cx->arena, "%s, %s", allow, r->method)
				      : r->method;
		}
	}
	if (!allow) {
		ud_fail(cx, UD_E_NOT_FOUND, NULL, "Nothing is at this address.");
		return NULL;
	}
	ud_answer_header(rq, "Allow", allow);
	ud_fail(cx, UD_E_METHOD_NOT_ALLOWED, NULL, "This address takes %s.", allow);
	return NULL;
}
