/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of any shape: get, list, insert, update, delete, each with the tenant of cx->scope in the
 * statement. The statements are made from the shape's field table and are the same on both engines.
 * Aggregates with questions of their own have a file beside this one.
 *
 * Tenancy: a row is seen by its customer (customer_id) and by staff; a shape that is UD_SHARED also
 * shows the provider's rows (customer_id NULL) to every customer. Foreign rows answer
 * UD_E_NOT_FOUND.
 */
#ifndef DB_ROWS_H
#define DB_ROWS_H

#include "base/shape.h"
#include "db/engine/engine.h"
#include "db/scope.h"

enum ud_tenancy {
	UD_OWNED,  /* customers see their own rows */
	UD_SHARED, /* and those of the provider */
};

/* A stored kind of thing. */
struct ud_table {
	const struct ud_shape *shape;
	enum ud_tenancy tenancy;
	bool customer_required; /* customer_id must be set */
	bool soft;              /* delete sets deleted_at; such rows are seen by nobody */
};

/* Read one row by id. UD_E_NOT_FOUND also for another tenant's. Texts in cx->arena. */
enum ud_code ud_row_get(struct ud_ctx *cx, const struct ud_table *t, const char *id, void *ret_row)
	UD_USE;

/*
 * Store a new row: sets id, version 1, created_at and updated_at; customer_id of a tenant's scope
 * is forced to its own. References (field.refers) must exist and be visible: UD_E_VALIDATION naming
 * the field otherwise. UD_E_ALREADY_EXISTS names the field that clashes.
 */
enum ud_code ud_row_insert(struct ud_ctx *cx, const struct ud_table *t, void *row) UD_USE;

/*
 * Store a changed row where the version is still old->version: UD_E_STALE_VERSION otherwise. Sets
 * version + 1 and updated_at in *row.
 */
enum ud_code ud_row_update(
	struct ud_ctx *cx, const struct ud_table *t, const void *old_row, void *row) UD_USE;

/* Delete (or mark deleted) where the version is still that of row. UD_E_IN_USE when something
 * refers to it. */
enum ud_code ud_row_delete(struct ud_ctx *cx, const struct ud_table *t, const void *row) UD_USE;

/* One condition of a list. Several values of UD_EQ mean any of them. */
enum ud_op {
	UD_OP_EQ,
	UD_OP_NE,
	UD_OP_GTE,
	UD_OP_GT,
	UD_OP_LTE,
	UD_OP_LT,
	UD_OP_LABEL,
	UD_OP_CONTAINS,
	UD_OP_NULL,
	UD_OP_NOT_NULL
};
enum { UD_MAX_CONDITIONS = 12, UD_MAX_VALUES = 20, UD_MAX_SORT = 3, UD_LIST_MAX = 200 };

struct ud_condition {
	const char *column; /* from a shape, never from a caller's text */
	enum ud_op op;
	size_t count;
	struct ud_val values[UD_MAX_VALUES];
};

struct ud_sort {
	const char *column;
	bool descending;
};

/* What to list. Columns come from shapes; values are parameters. */
struct ud_list {
	struct ud_condition conditions[UD_MAX_CONDITIONS];
	size_t condition_count;
	struct ud_sort sort[UD_MAX_SORT]; /* id is always added as the last */
	size_t sort_count;
	struct ud_val after[UD_MAX_SORT + 1]; /* sort values and id of the last row seen */
	bool has_after;
	/* ?q=: looked for in UD_SEARCH fields, case-insensitive */
	const char *search;
	size_t limit; /* rows wanted, 1 to 200 */
};

/* Called for each row in order; the row and its texts are valid until it returns. */
typedef enum ud_code ud_row_visitor(struct ud_ctx *cx, void *data, const void *row);

/* Visit the first limit rows; *ret_more tells whether another one follows. */
enum ud_code ud_row_list(struct ud_ctx *cx, const struct ud_table *t, const struct ud_list *list,
	ud_row_visitor *visit, void *data, bool *ret_more) UD_USE;
/* How many rows the list has without limit and place. */
enum ud_code ud_row_count(struct ud_ctx *cx, const struct ud_table *t, const struct ud_list *list,
	int64_t *ret) UD_USE;

/* Add a condition of one value; aborts over UD_MAX_CONDITIONS (a bug: the parser bounds callers).
 */
void ud_list_where(struct ud_list *list, const char *column, enum ud_op op, struct ud_val value);

/* A number from 1 on per key, in the caller's transaction, without gaps among committed ones. */
enum ud_code ud_counter_next(struct ud_ctx *cx, const char *key, int64_t *ret) UD_USE;

#endif
