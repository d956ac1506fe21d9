/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking the tables: every route has a policy and words, every field of a shape has words, every
 * filter and order of a list has an index.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/env.h"
#include "db/engine/migrate.h"
#include "db/migrations.h"
#include "support/batches.h"

static void each(void (*check)(const struct ud_route *r))
{
	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++)
			check(&(*part)->rows[i]);
}

static void check_policy(const struct ud_route *r)
{
	bool changes = strcmp(r->method, "GET") != 0, anyone = r->roles & UD_ANYONE;

	if (!r->roles || !r->handle || !r->about || !*r->about || !r->operation)
		fail_msg("%s %s lacks a policy, a handler or words", r->method, r->path);
	if (anyone == (r->scope != NULL))
		fail_msg("%s %s: a scope goes with roles, and only with them", r->method, r->path);
	if (changes != ((r->flags & UD_WRITE) != 0))
		fail_msg("%s %s: UD_WRITE is for what is not GET", r->method, r->path);
	if (r->flags & UD_SLOW && !r->prepare)
		fail_msg("%s %s: nothing to do on the slow pool", r->method, r->path);
	if ((strncmp(r->path, "/v1/", 4) == 0) == ((r->flags & UD_OUTSIDE) != 0))
		fail_msg("%s %s: only what is UD_OUTSIDE stands outside /v1", r->method, r->path);
	if (strcmp(r->method, "PATCH") == 0 && !(r->flags & UD_MATCH_REQUIRED))
		fail_msg("%s %s: a change needs If-Match", r->method, r->path);
	if (r->flags & UD_LIST && changes)
		fail_msg("%s %s: a list is a GET", r->method, r->path);
}

static void every_route_has_a_policy_and_words(void **state)
{
	(void)state;
	each(check_policy);
}

/*
 * A read-only role changes nothing of others. Checking a record is looking, though it is a POST,
 * and so is taking the log with a seal on it; a program is let in as oneself, as with one's tokens.
 */
static void check_readers(const struct ud_route *r)
{
	bool own = strncmp(r->path, "/v1/me", 6) == 0 ||
		strncmp(r->path, "/v1/sessions", 12) == 0 ||
		strncmp(r->path, "/v1/oauth/", 10) == 0 ||
		strcmp(r->operation, "evidence.verify") == 0 ||
		strcmp(r->operation, "audit-records.seal") == 0;

	if (r->flags & UD_WRITE && !(r->roles & UD_ANYONE) && !own &&
		r->roles & (UD_R(AUDITOR) | UD_R(CUSTOMER_VIEWER)))
		fail_msg("%s %s may be called by who only reads", r->method, r->path);
}

static void who_only_reads_changes_nothing(void **state)
{
	(void)state;
	each(check_readers);
}

static void no_two_routes_are_the_same(void **state)
{
	const struct ud_route *all[800];
	size_t n = 0;

	(void)state;
	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++)
			all[n++] = &(*part)->rows[i];
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (strcmp(all[i]->operation, all[j]->operation) == 0 ||
				(strcmp(all[i]->method, all[j]->method) == 0 &&
					strcmp(all[i]->path, all[j]->path) == 0))
				fail_msg("%s and %s", all[i]->operation, all[j]->operation);
	assert_true(n > 100);
}

/* ---- batches ---- */

/* Who may send one of a batch's items. */
static uint32_t roles_of_items(const struct ud_route *batch)
{
	uint32_t roles = 0;

	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++)
			if (batch_of(&(*part)->rows[i]) == batch)
				roles |= (*part)->rows[i].roles;
	return roles;
}

static void check_batch(const struct ud_route *r)
{
	if (r->flags & UD_BATCH && r->roles != roles_of_items(r))
		fail_msg("%s may be sent by %x, its items by %x", r->path, r->roles,
			roles_of_items(r));
	if (!stands_alone(r) && !batch_of(r))
		fail_msg("%s %s has no batch", r->method, r->path);
}

static void every_collection_has_a_batch_for_whom_it_is(void **state)
{
	(void)state;
	each(check_batch);
}

static void check_words(const struct ud_shape *s)
{
	for (size_t i = 0; s && i < s->field_count; i++) {
		const struct ud_field *f = &s->fields[i];

		if (!(f->flags & UD_SECRET) && (!f->about || !*f->about))
			fail_msg(
				"%s of %s has no words", f->name, s->object ? s->object : "a body");
		if (f->type == UD_ENUM && !f->values)
			fail_msg("%s of %s has no values", f->name,
				s->object ? s->object : "a body");
	}
}

static void check_shapes(const struct ud_route *r)
{
	check_words(ud_route_body(r));
	check_words(ud_route_answer(r));
}

static void every_field_has_words(void **state)
{
	(void)state;
	each(check_shapes);
}

static void every_code_has_a_row_of_its_own(void **state)
{
	(void)state;
	for (int i = 1; i < UD_CODE_COUNT; i++) {
		const struct ud_error_info *info = ud_error_info((enum ud_code)i);

		assert_non_null(info->name);
		assert_true(info->status >= 400);
		assert_int_equal(ud_error_by_name(info->name), i);
	}
}

/* ---- indexes ---- */

static struct ud_ctx *plan_cx;

/* SQLite's plan of a statement as one text. */
static const char *plan_of(const char *sql)
{
	UD_AUTO(ud_rows) *rows = NULL;
	const char *out = "";
	bool more = true;

	assert_int_equal(
		ud_query(plan_cx, &rows, ud_printf(plan_cx->arena, "EXPLAIN QUERY PLAN %s", sql),
			UD_NO_VALS),
		UD_OK);
	while (more) {
		assert_int_equal(ud_next(plan_cx, rows, &more), UD_OK);
		if (more)
			out = ud_printf(plan_cx->arena, "%s%s; ", out, ud_col_text(rows, 3));
	}
	return out;
}

static void check_filter(const struct ud_shape *s, const char *column, bool soft)
{
	const char *plan = plan_of(
		ud_printf(plan_cx->arena, "SELECT id FROM %s WHERE %s = 'x'%s ORDER BY id LIMIT 51",
			s->table, column, soft ? " AND deleted_at IS NULL" : ""));

	if (strstr(plan, "SCAN") && !strstr(plan, "USING"))
		fail_msg("%s.%s has no index: %s", s->table, column, plan);
	if (!strstr(plan, "SEARCH"))
		fail_msg("%s.%s has no index to search: %s", s->table, column, plan);
}

static void check_order(const struct ud_shape *s, const char *column)
{
	const char *plan = plan_of(ud_printf(
		plan_cx->arena, "SELECT id FROM %s ORDER BY %s, id LIMIT 51", s->table, column));

	if (strstr(plan, "TEMP B-TREE"))
		fail_msg("%s is sorted by %s without an index: %s", s->table, column, plan);
}

static void check_indexes(const struct ud_route *r)
{
	if (!(r->flags & UD_LIST) || !r->resource)
		return;
	const struct ud_shape *s = r->resource->table->shape;

	check_filter(s, "customer_id", r->resource->table->soft);
	check_filter(s, "created_at", r->resource->table->soft);
	check_filter(s, "updated_at", r->resource->table->soft);
	check_order(s, "created_at");
	check_order(s, "updated_at");
	for (size_t i = 0; i < s->field_count; i++) {
		if (s->fields[i].flags & UD_FILTER)
			check_filter(s, s->fields[i].name, r->resource->table->soft);
		if (s->fields[i].flags & UD_SORT)
			check_order(s, s->fields[i].name);
	}
}

static void every_filter_and_order_has_an_index(void **state)
{
	ud_arena *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	ud_conn *conn = NULL;

	(void)state;
	assert_int_equal(ud_conn_open(&cx, "sqlite::memory:", UD_CONN_CREATE, &conn), UD_OK);
	cx.conn = conn;
	assert_int_equal(ud_migrate(&cx, ud_migrations), UD_OK);
	plan_cx = &cx;
	each(check_indexes);
	ud_conn_release(&conn);
	ud_arena_release(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_route_has_a_policy_and_words),
		cmocka_unit_test(who_only_reads_changes_nothing),
		cmocka_unit_test(no_two_routes_are_the_same),
		cmocka_unit_test(every_collection_has_a_batch_for_whom_it_is),
		cmocka_unit_test(every_field_has_words),
		cmocka_unit_test(every_code_has_a_row_of_its_own),
		cmocka_unit_test(every_filter_and_order_has_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
