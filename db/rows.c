/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements from field tables. Every one gets its tenant from where_visible; nothing else in the
 * house builds SQL. The statement's text is the same for the same question, so the cache of the
 * connection works.
 */
#include "db/rows.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "db/references.h"
#include "db/sql.h"

static bool stored(const struct ud_field *f)
{
	return !(f->flags & (UD_INPUT | UD_COMPUTED));
}

/* Columns of struct ud_row, in the order that read_row and row_vals use. */
static const char common_columns[] = "id, customer_id, version, created_at, updated_at, labels";

static void add_columns(struct ud_sql *s, const struct ud_shape *shape)
{
	ud_sql_add(s, common_columns);
	for (size_t i = 0; i < shape->field_count; i++) {
		if (!stored(&shape->fields[i]))
			continue;
		ud_sql_add(s, ", ");
		ud_sql_add(s, shape->fields[i].name);
	}
}

/* The condition that no statement goes without: the tenant's rows, and none that are deleted. */
static void where_visible(struct ud_sql *s, const struct ud_table *t, const struct ud_scope *scope)
{
	ud_sql_add(s, " WHERE ");
	if (!scope->customer_id) {
		ud_sql_add(s, "1 = 1");
	} else if (t->tenancy == UD_SHARED) {
		ud_sql_add(s, "(customer_id = ");
		ud_sql_val(s, ud_t(scope->customer_id));
		ud_sql_add(s, " OR customer_id IS NULL)");
	} else {
		ud_sql_add(s, "customer_id = ");
		ud_sql_val(s, ud_t(scope->customer_id));
	}
	if (t->soft)
		ud_sql_add(s, " AND deleted_at IS NULL");
}

static void read_field(
	struct ud_ctx *cx, const struct ud_field *f, const ud_rows *rows, int col, void *row)
{
	int index;

	switch (f->type) {
	case UD_TEXT:
		*ud_field_text(f, row) = ud_col_dup(cx, rows, col);
		break;
	case UD_INT:
		*ud_field_int(f, row) = ud_col_int_or_none(rows, col);
		break;
	case UD_BOOL:
		*ud_field_bool(f, row) = ud_col_int(rows, col) != 0;
		break;
	case UD_ENUM:
		index = ud_col_null(rows, col) ? 0
					       : ud_enum_index(f->values, ud_col_text(rows, col));
		*ud_field_enum(f, row) = index < 0 ? 0 : (unsigned)index;
		break;
	case UD_INSTANT:
		ud_field_time(f, row)->ms = ud_col_int_or_none(rows, col);
		break;
	case UD_JSON:
		ud_field_json(f, row)->text = ud_col_dup(cx, rows, col);
		break;
	case UD_TEXTS:
		ud_texts_read(cx, ud_col_text(rows, col), ud_field_texts(f, row));
		break;
	}
}

static void read_row(
	struct ud_ctx *cx, const struct ud_shape *shape, const ud_rows *rows, void *row)
{
	struct ud_row *common = row;
	int col = 6;

	memset(row, 0, shape->size);
	common->id = ud_col_dup(cx, rows, 0);
	common->customer_id = ud_col_dup(cx, rows, 1);
	common->version = ud_col_int(rows, 2);
	common->created_at.ms = ud_col_int(rows, 3);
	common->updated_at.ms = ud_col_int(rows, 4);
	common->labels.text = ud_col_dup(cx, rows, 5);
	for (size_t i = 0; i < shape->field_count; i++)
		if (stored(&shape->fields[i]))
			read_field(cx, &shape->fields[i], rows, col++, row);
}

static const char *texts_json(struct ud_ctx *cx, const struct ud_texts *texts)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < texts->count; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_buf_json(&b, texts->items[i]);
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

static struct ud_val field_val(struct ud_ctx *cx, const struct ud_field *f, const void *row)
{
	switch (f->type) {
	case UD_TEXT:
		return ud_t(*ud_field_text(f, row));
	case UD_INT:
		return ud_i(*ud_field_int(f, row));
	case UD_BOOL:
		return ud_i(*ud_field_bool(f, row));
	case UD_ENUM:
		return ud_t(f->values->names[*ud_field_enum(f, row)]);
	case UD_INSTANT:
		return ud_i(ud_field_time(f, row)->ms ? ud_field_time(f, row)->ms : UD_NONE);
	case UD_JSON:
		return ud_t(ud_field_json(f, row)->text);
	case UD_TEXTS:
		return ud_t(texts_json(cx, ud_field_texts(f, row)));
	}
	return ud_t(NULL);
}

static enum ud_code no_such(struct ud_ctx *cx, const struct ud_table *t)
{
	return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no %s with this id.", t->shape->object);
}

enum ud_code ud_row_get(struct ud_ctx *cx, const struct ud_table *t, const char *id, void *ret_row)
{
	UD_AUTO(ud_rows) *rows = NULL;
	struct ud_sql s;
	bool more = false;

	ud_sql_clear(&s);
	ud_sql_add(&s, "SELECT ");
	add_columns(&s, t->shape);
	ud_sql_add(&s, " FROM ");
	ud_sql_add(&s, t->shape->table);
	where_visible(&s, t, cx->scope);
	ud_sql_add(&s, " AND id = ");
	ud_sql_val(&s, ud_t(id));
	UD_TRY(ud_query(cx, &rows, s.text, s.vals, s.count));
	UD_TRY(ud_next(cx, rows, &more));
	if (!more)
		return no_such(cx, t);
	read_row(cx, t->shape, rows, ret_row);
	return UD_OK;
}

/* Words for a clash with a unique index: the engine's message names the columns. */
static enum ud_code explain_clash(struct ud_ctx *cx, const struct ud_shape *shape)
{
	const char *message = cx->problem.detail ? cx->problem.detail : "";

	for (size_t i = 0; i < shape->field_count; i++) {
		const struct ud_field *f = &shape->fields[i];

		if (!(f->flags & UD_UNIQUE) || !strstr(message, f->name))
			continue;
		ud_ctx_clear(cx);
		return ud_fail(cx, UD_E_ALREADY_EXISTS, f->name, "Another %s has this %s.",
			shape->object, f->name);
	}
	ud_ctx_clear(cx);
	return ud_fail(cx, UD_E_ALREADY_EXISTS, NULL, "This %s exists already.", shape->object);
}

static enum ud_code explain_write(
	struct ud_ctx *cx, const struct ud_shape *shape, enum ud_code code)
{
	if (code == UD_E_ALREADY_EXISTS)
		return explain_clash(cx, shape);
	if (code == UD_E_IN_USE) {
		ud_ctx_clear(cx);
		return ud_fail(cx, code, NULL, "Something still refers to this %s.", shape->object);
	}
	return code;
}

/* A tenant's row is its own, whatever the body said; staff name the customer or leave it out. */
static enum ud_code settle_customer(struct ud_ctx *cx, const struct ud_table *t, struct ud_row *row)
{
	if (cx->scope->customer_id)
		row->customer_id = cx->scope->customer_id;
	if (t->customer_required && !row->customer_id)
		return ud_fail_field(cx, "customer_id", "required", "customer_id is required.");
	return UD_OK;
}

/* Each reference that changed must exist, be visible, and belong to the same customer or the
 * provider. */
static enum ud_code check_references(
	struct ud_ctx *cx, const struct ud_table *t, const void *old_row, const void *row)
{
	const struct ud_row *common = row, *old_common = old_row;
	bool fine = true;

	if (common->customer_id &&
		(!old_row || !old_common->customer_id ||
			strcmp(old_common->customer_id, common->customer_id) != 0) &&
		strcmp(t->shape->prefix, "cus") != 0)
		UD_TRY(ud_reference_check(
			cx, "customer_id", "cus", common->customer_id, NULL, &fine));
	for (size_t i = 0; i < t->shape->field_count; i++) {
		const struct ud_field *f = &t->shape->fields[i];

		if (!f->refers || !stored(f) || !*ud_field_text(f, row) ||
			(old_row && ud_field_equal(f, old_row, row)))
			continue;
		UD_TRY(ud_reference_check(cx, f->name, f->refers, *ud_field_text(f, row),
			common->customer_id, &fine));
	}
	return fine ? UD_OK : cx->problem.code;
}

enum ud_code ud_row_insert(struct ud_ctx *cx, const struct ud_table *t, void *row)
{
	struct ud_row *common = row;
	struct ud_sql s;

	UD_TRY(settle_customer(cx, t, common));
	UD_TRY(check_references(cx, t, NULL, row));
	if (!common->id)
		common->id = ud_id_new(cx->arena, cx->env, cx->now_ms, t->shape->prefix);
	common->version = 1;
	common->created_at.ms = common->updated_at.ms = cx->now_ms;
	if (!common->labels.text)
		common->labels.text = "{}";
	ud_sql_clear(&s);
	ud_sql_add(&s, "INSERT INTO ");
	ud_sql_add(&s, t->shape->table);
	ud_sql_add(&s, "(");
	add_columns(&s, t->shape);
	ud_sql_add(&s, ") VALUES (");
	const struct ud_val first[] = { ud_t(common->id), ud_t(common->customer_id), ud_i(1),
		ud_i(cx->now_ms), ud_i(cx->now_ms), ud_t(common->labels.text) };

	for (size_t i = 0; i < UD_LEN(first); i++) {
		if (i)
			ud_sql_add(&s, ", ");
		ud_sql_val(&s, first[i]);
	}
	for (size_t i = 0; i < t->shape->field_count; i++) {
		if (!stored(&t->shape->fields[i]))
			continue;
		ud_sql_add(&s, ", ");
		ud_sql_val(&s, field_val(cx, &t->shape->fields[i], row));
	}
	ud_sql_add(&s, ")");
	return explain_write(cx, t->shape, ud_exec(cx, NULL, s.text, s.vals, s.count));
}

static enum ud_code stale(struct ud_ctx *cx, const struct ud_table *t)
{
	return ud_fail(cx, UD_E_STALE_VERSION, NULL, "Somebody else changed the %s meanwhile.",
		t->shape->object);
}

/* " WHERE id = … AND version = …" with the tenant. */
static void where_same(struct ud_sql *s, const struct ud_table *t, const struct ud_scope *scope,
	const struct ud_row *row)
{
	where_visible(s, t, scope);
	ud_sql_add(s, " AND id = ");
	ud_sql_val(s, ud_t(row->id));
	ud_sql_add(s, " AND version = ");
	ud_sql_val(s, ud_i(row->version));
}

enum ud_code ud_row_update(
	struct ud_ctx *cx, const struct ud_table *t, const void *old_row, void *row)
{
	const struct ud_row *old_common = old_row;
	struct ud_row *common = row;
	struct ud_sql s;
	int64_t changes = 0;

	if (t->customer_required && !common->customer_id)
		return ud_fail_field(cx, "customer_id", "required", "customer_id is required.");
	UD_TRY(check_references(cx, t, old_row, row));
	ud_sql_clear(&s);
	ud_sql_add(&s, "UPDATE ");
	ud_sql_add(&s, t->shape->table);
	ud_sql_add(&s, " SET customer_id = ");
	ud_sql_val(&s, ud_t(common->customer_id));
	ud_sql_add(&s, ", version = ");
	ud_sql_val(&s, ud_i(old_common->version + 1));
	ud_sql_add(&s, ", updated_at = ");
	ud_sql_val(&s, ud_i(cx->now_ms));
	ud_sql_add(&s, ", labels = ");
	ud_sql_val(&s, ud_t(common->labels.text ? common->labels.text : "{}"));
	for (size_t i = 0; i < t->shape->field_count; i++) {
		const struct ud_field *f = &t->shape->fields[i];

		if (!stored(f) || ud_field_equal(f, old_row, row))
			continue;
		ud_sql_add(&s, ", ");
		ud_sql_add(&s, f->name);
		ud_sql_add(&s, " = ");
		ud_sql_val(&s, field_val(cx, f, row));
	}
	where_same(&s, t, cx->scope, old_common);
	UD_TRY(explain_write(cx, t->shape, ud_exec(cx, &changes, s.text, s.vals, s.count)));
	if (changes != 1)
		return stale(cx, t);
	common->version = old_common->version + 1;
	common->updated_at.ms = cx->now_ms;
	return UD_OK;
}

enum ud_code ud_row_delete(struct ud_ctx *cx, const struct ud_table *t, const void *row)
{
	struct ud_sql s;
	int64_t changes = 0;

	ud_sql_clear(&s);
	ud_sql_add(&s, t->soft ? "UPDATE " : "DELETE FROM ");
	ud_sql_add(&s, t->shape->table);
	if (t->soft) {
		ud_sql_add(&s, " SET version = version + 1, deleted_at = ");
		ud_sql_val(&s, ud_i(cx->now_ms));
	}
	where_same(&s, t, cx->scope, row);
	UD_TRY(explain_write(cx, t->shape, ud_exec(cx, &changes, s.text, s.vals, s.count)));
	return changes == 1 ? UD_OK : stale(cx, t);
}

void ud_list_where(struct ud_list *list, const char *column, enum ud_op op, struct ud_val value)
{
	assert(list->condition_count < UD_MAX_CONDITIONS);
	struct ud_condition *c = &list->conditions[list->condition_count++];

	c->column = column;
	c->op = op;
	c->count = 1;
	c->values[0] = value;
}

/* Text for LIKE with its wildcards escaped, wrapped in %. */
static const char *like_pattern(struct ud_ctx *cx, const char *text)
{
	size_t n = strlen(text);
	char *p = ud_alloc(cx->arena, n * 2 + 3), *out = p;

	*p++ = '%';
	for (; *text; text++) {
		if (strchr("%_\\", *text))
			*p++ = '\\';
		*p++ = *text;
	}
	*p++ = '%';
	return out;
}

static void add_any_of(struct ud_sql *s, const struct ud_condition *c, const char *operator)
{
	ud_sql_add(s, c->column);
	ud_sql_add(s, operator);
	for (size_t i = 0; i < c->count; i++) {
		if (i)
			ud_sql_add(s, ", ");
		ud_sql_val(s, c->values[i]);
	}
	ud_sql_add(s, ")");
}

static void add_condition(struct ud_ctx *cx, struct ud_sql *s, const struct ud_condition *c)
{
	static const char *const operators[] = {
		[UD_OP_GTE] = " >= ",
		[UD_OP_GT] = " > ",
		[UD_OP_LTE] = " <= ",
		[UD_OP_LT] = " < ",
	};

	ud_sql_add(s, " AND ");
	switch (c->op) {
	case UD_OP_EQ:
		add_any_of(s, c, " IN (");
		break;
	case UD_OP_NE:
		add_any_of(s, c, " NOT IN (");
		break;
	case UD_OP_NULL:
		ud_sql_add(s, c->column);
		ud_sql_add(s, " IS NULL");
		break;
	case UD_OP_NOT_NULL:
		ud_sql_add(s, c->column);
		ud_sql_add(s, " IS NOT NULL");
		break;
	case UD_OP_LABEL:
	case UD_OP_CONTAINS:
		ud_sql_add(s, c->column);
		ud_sql_add(s, " LIKE ");
		ud_sql_val(s, ud_t(like_pattern(cx, c->values[0].s)));
		ud_sql_add(s, " ESCAPE '\\'");
		break;
	default:
		ud_sql_add(s, c->column);
		ud_sql_add(s, operators[c->op]);
		ud_sql_val(s, c->values[0]);
	}
}

static void add_search(
	struct ud_ctx *cx, struct ud_sql *s, const struct ud_shape *shape, const char *text)
{
	const char *pattern = like_pattern(cx, text), *glue = " AND (";

	for (size_t i = 0; i < shape->field_count; i++) {
		if (!(shape->fields[i].flags & UD_SEARCH))
			continue;
		ud_sql_add(s, glue);
		ud_sql_add(s, "LOWER(");
		ud_sql_add(s, shape->fields[i].name);
		ud_sql_add(s, ") LIKE LOWER(");
		ud_sql_val(s, ud_t(pattern));
		ud_sql_add(s, ") ESCAPE '\\'");
		glue = " OR ";
	}
	ud_sql_add(s, *glue == ' ' && glue[1] == 'O' ? ")" : " AND 1 = 0");
}

/* Keyset: (a > $1) OR (a = $1 AND (b < $2 OR …)); columns of a sort are never null. */
static void add_after(struct ud_sql *s, const struct ud_list *list)
{
	ud_sql_add(s, " AND (");
	for (size_t i = 0; i <= list->sort_count; i++) {
		bool last = i == list->sort_count;
		const char *column = last ? "id" : list->sort[i].column;
		bool down = list->sort_count && list->sort[last ? i - 1 : i].descending;

		ud_sql_add(s, column);
		ud_sql_add(s, down ? " < " : " > ");
		ud_sql_val(s, list->after[i]);
		if (last)
			break;
		ud_sql_add(s, " OR (");
		ud_sql_add(s, column);
		ud_sql_add(s, " = ");
		ud_sql_val(s, list->after[i]);
		ud_sql_add(s, " AND (");
	}
	for (size_t i = 0; i < list->sort_count; i++)
		ud_sql_add(s, "))");
	ud_sql_add(s, ")");
}

static void add_order(struct ud_sql *s, const struct ud_list *list)
{
	bool down = false;

	ud_sql_add(s, " ORDER BY ");
	for (size_t i = 0; i < list->sort_count; i++) {
		down = list->sort[i].descending;
		ud_sql_add(s, list->sort[i].column);
		ud_sql_add(s, down ? " DESC, " : ", ");
	}
	ud_sql_add(s, down ? "id DESC" : "id");
}

static void add_filters(
	struct ud_ctx *cx, struct ud_sql *s, const struct ud_table *t, const struct ud_list *list)
{
	where_visible(s, t, cx->scope);
	for (size_t i = 0; i < list->condition_count; i++)
		add_condition(cx, s, &list->conditions[i]);
	if (list->search)
		add_search(cx, s, t->shape, list->search);
}

enum ud_code ud_row_list(struct ud_ctx *cx, const struct ud_table *t, const struct ud_list *list,
	ud_row_visitor *visit, void *data, bool *ret_more)
{
	UD_AUTO(ud_rows) *rows = NULL;
	void *row = ud_alloc(cx->arena, t->shape->size);
	struct ud_sql s;
	bool more = true;

	ud_sql_clear(&s);
	ud_sql_add(&s, "SELECT ");
	add_columns(&s, t->shape);
	ud_sql_add(&s, " FROM ");
	ud_sql_add(&s, t->shape->table);
	add_filters(cx, &s, t, list);
	if (list->has_after)
		add_after(&s, list);
	add_order(&s, list);
	ud_sql_add(&s, " LIMIT ");
	ud_sql_val(&s, ud_i((int64_t)list->limit + 1));
	UD_TRY(ud_query(cx, &rows, s.text, s.vals, s.count));
	for (size_t n = 0; n < list->limit; n++) {
		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			break;
		read_row(cx, t->shape, rows, row);
		UD_TRY(visit(cx, data, row));
	}
	if (more)
		UD_TRY(ud_next(cx, rows, &more));
	*ret_more = more;
	return UD_OK;
}

enum ud_code ud_row_count(
	struct ud_ctx *cx, const struct ud_table *t, const struct ud_list *list, int64_t *ret)
{
	struct ud_sql s;
	bool found;

	ud_sql_clear(&s);
	ud_sql_add(&s, "SELECT COUNT(*) FROM ");
	ud_sql_add(&s, t->shape->table);
	add_filters(cx, &s, t, list);
	return ud_query_int(cx, &found, ret, s.text, s.vals, s.count);
}

/* every tenant: counters are named by their users, who put the tenant into the key */
enum ud_code ud_counter_next(struct ud_ctx *cx, const char *key, int64_t *ret)
{
	bool found;

	return ud_query_int(cx, &found, ret,
		"INSERT INTO counters(key, value) VALUES ($1, 1)"
		" ON CONFLICT(key) DO UPDATE SET value = counters.value + 1"
		" RETURNING value",
		UD_VALS(ud_t(key)));
}
