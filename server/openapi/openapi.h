/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The specification (OpenAPI 3.1), written from the route and field tables, and the schema of one
 * of them. Pure.
 */
#ifndef SERVER_OPENAPI_OPENAPI_H
#define SERVER_OPENAPI_OPENAPI_H

#include "server/http/http.h"

/* Append the whole document, indented, the same for the same tables. */
void ud_openapi_write(struct ud_ctx *cx, const struct ud_routes *const *routes, struct ud_buf *out);
/* Append the JSON Schema (2020-12) of what a new object of this shape may be. */
void ud_openapi_schema(const struct ud_shape *shape, struct ud_buf *out);

#endif
