/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table is walked each time: it is short.
 */
#include "support/batches.h"

#include <string.h>

#include "api/api.h"

size_t collection_length(const char *path)
{
	const char *end = strncmp(path, "/v1/", 4) == 0 ? strchr(path + 4, '/') : NULL;

	return end ? (size_t)(end - path) : strlen(path);
}

/* Calls that stand alone: about oneself, the installation or a record that is only looked at. */
static const char *const alone[] = { "/v1/me", "/v1/settings", "/v1/sessions", "/v1/oauth",
	"/v1/evidence", "/v1/audit-records" };

bool stands_alone(const struct ud_route *r)
{
	size_t n = collection_length(r->path);

	for (size_t i = 0; i < UD_LEN(alone); i++)
		if (strlen(alone[i]) == n && strncmp(r->path, alone[i], n) == 0)
			return true;
	return !(r->flags & UD_WRITE) || r->flags & (UD_BATCH | UD_UPLOAD) || r->roles & UD_ANYONE;
}

const struct ud_route *batch_of(const struct ud_route *r)
{
	size_t n = collection_length(r->path);

	if (stands_alone(r))
		return NULL;
	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++) {
			const struct ud_route *b = &(*part)->rows[i];

			if (b->flags & UD_BATCH && collection_length(b->path) == n &&
				strncmp(b->path, r->path, n) == 0)
				return b;
		}
	return NULL;
}
