/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which table an id's prefix belongs to, and whether a reference may be made. A new resource that
 * others refer to is one row in references.c.
 */
#ifndef DB_REFERENCES_H
#define DB_REFERENCES_H

#include "db/engine/engine.h"

/*
 * Check that the row with this id exists, is visible to cx->scope, and belongs to customer_id or to
 * the provider (any owner when customer_id is NULL). *ret_fine becomes false, and the field's
 * problem is recorded, when not; it is left alone otherwise. The result is that of the query.
 */
enum ud_code ud_reference_check(struct ud_ctx *cx, const char *field, const char *prefix,
	const char *id, const char *customer_id, bool *ret_fine) UD_USE;

#endif
