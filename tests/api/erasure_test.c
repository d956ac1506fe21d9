/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Forgetting a customer: refused while something of it is in use or its name is not said; then no
 * table holds a row or a text of it, and the chain of its log is whole as before.
 */
#include <string.h>

#include "db/erasure.h"
#include "support/tenants.h"

struct erasing {
	struct world *w;
	struct tenants t;
	const char *path; /* POST …/erase of the second customer */
};

static int begin(void **state)
{
	struct erasing *e = ud_malloc(sizeof(*e));

	e->w = world_begin();
	tenants_fill(&e->t, e->w);
	e->path = fmt(e->w, "/v1/customers/%s/erase", e->t.customer[SECOND]);
	*state = e;
	return 0;
}

static int end(void **state)
{
	struct erasing *e = *state;

	world_end(e->w);
	ud_free(e);
	return 0;
}

/* ---- looking into the database ---- */

struct found {
	const char *sql, *arg;
	struct ud_texts texts;
};

static enum ud_code ask(struct ud_ctx *cx, void *data)
{
	struct found *f = data;

	return ud_query_texts(cx, 2000, &f->texts, f->sql, &(struct ud_val){ 0 }, 0);
}

/* First column of a query. */
static struct ud_texts texts_of(struct world *w, const char *sql)
{
	struct found f = { .sql = sql };

	world_write(w, ask, &f);
	return f.texts;
}

static bool is_postgresql(const struct world *w)
{
	return strstr(w->url, "postgresql") != NULL;
}

/* "TABLE.COLUMN" of all columns of text (those of a name alone, if one is given). */
static struct ud_texts columns(struct world *w, const char *name)
{
	const char *only = name ? fmt(w, " AND c.name = '%s'", name) : "";

	if (is_postgresql(w))
		return texts_of(w,
			fmt(w,
				"SELECT table_name || '.' || c.name FROM (SELECT table_name,"
				" column_name AS name FROM information_schema.columns WHERE"
				" table_schema = current_schema() AND data_type = 'text') c"
				" WHERE 1 = 1%s ORDER BY 1",
				only));
	return texts_of(w,
		fmt(w,
			"SELECT m.name || '.' || c.name FROM sqlite_master m,"
			" pragma_table_info(m.name) c WHERE m.type = 'table' AND c.type = 'TEXT'%s"
			" ORDER BY 1",
			only));
}

static bool among(const char *text, const char *const *names)
{
	for (; *names; names++)
		if (strcmp(text, *names) == 0)
			return true;
	return false;
}

static bool is_erased(const char *table)
{
	for (size_t i = 0; ud_erasure_table(i); i++)
		if (strcmp(ud_erasure_table(i), table) == 0)
			return true;
	return false;
}

static void every_table_of_customers_is_known(void **state)
{
	/* the log and its heads; what must be the provider's before it begins; what goes last */
	static const char *const others[] = { "events", "log_heads", "erasures", "hosts", "sites",
		"fault_domains", "ip_blocks", "customers", NULL };
	struct erasing *e = *state;
	struct ud_texts all = columns(e->w, "customer_id");

	assert_true(all.count > 40);
	for (size_t i = 0; i < all.count; i++) {
		char *table = ud_strdup(e->w->arena, all.items[i]);

		*strchr(table, '.') = '\0';
		if (is_erased(table) == among(table, others))
			fail_msg("%s: say in db/erasure.c what becomes of its rows", table);
	}
}

/* ---- erasing ---- */

static enum ud_code run(struct ud_ctx *cx, void *data)
{
	return ud_exec(cx, NULL, data, UD_NO_VALS);
}

static void sql(struct world *w, const char *text)
{
	world_write(w, run, (void *)(uintptr_t)text);
}

/* End what is in use, as its people would over days. */
static void settle(struct erasing *e)
{
	static const char *const steps[] = {
		"UPDATE subscriptions SET state = 'ended' WHERE customer_id = '%s'",
		"UPDATE vms SET missing = 1 WHERE customer_id = '%s'",
		"UPDATE replications SET wanted = 'removed', replica_deleted_at = 1 WHERE customer_id = '%s'",
		"UPDATE ip_addresses SET state = 'quarantined', vm_id = NULL WHERE customer_id = '%s'",
		"UPDATE ip_blocks SET note = NULL, labels = '{}', customer_id = NULL WHERE customer_id = '%s'",
		"UPDATE tickets SET state = 'closed' WHERE customer_id = '%s'",
		"UPDATE failovers SET state = 'solved' WHERE customer_id = '%s'",
		"UPDATE operations SET state = 'succeeded' WHERE customer_id = '%s'",
		"UPDATE fence_devices SET labels = '{}', address = 'x', problem = 'x' WHERE customer_id = '%s'",
		"UPDATE agents SET labels = '{}', alarm = 'x', certificate_serial = 'x', spki_sha256 = id WHERE customer_id = '%s'",
		"UPDATE hosts SET labels = '{}', name = id, customer_id = NULL WHERE customer_id = '%s'",
		"UPDATE sites SET labels = '{}', address = 'x', name = id, code = id, customer_id = NULL WHERE customer_id = '%s'",
		"UPDATE fault_domains SET labels = '{}', name = id, customer_id = NULL WHERE customer_id = '%s'",
	};

	for (size_t i = 0; i < UD_LEN(steps); i++) {
		const char *id = e->t.customer[SECOND];
		struct ud_buf b = { 0 };
		const char *at = strstr(steps[i], "%s");

		ud_buf_add(&b, steps[i], (size_t)(at - steps[i]));
		ud_buf_puts(&b, id);
		ud_buf_puts(&b, at + 2);
		sql(e->w, ud_buf_take(e->w->arena, &b));
	}
}

static struct reply erase(struct erasing *e, enum who who, const char *name)
{
	return callf(e->w, who, "POST", e->path, "{\"name\":\"%s\"}", name);
}

static void what_is_in_use_is_not_erased(void **state)
{
	struct erasing *e = *state;
	const char *customer = fmt(e->w, "/v1/customers/%s", e->t.customer[SECOND]);
	struct reply r = expect(e->w, OPERATOR, "GET", customer, NULL, 200);
	const char *name = text_at(r.json, "name");

	r = erase(e, LEAD, name);
	assert_int_equal(r.status, 403);
	r = erase(e, OTHER_ADMIN, name);
	assert_int_equal(r.status, 403);
	r = erase(e, OPERATOR, name);
	expect_code(&r, 409, "invalid_state");
	expect(e->w, LEAD, "POST", fmt(e->w, "%s/suspend", customer), NULL, 200);
	r = erase(e, OPERATOR, "Somebody else");
	expect_code(&r, 422, "validation_failed");
	r = erase(e, OPERATOR, name);
	expect_code(&r, 409, "in_use");
	assert_non_null(strstr(text_at(r.json, "detail"), "VM that a host has"));
	assert_non_null(strstr(text_at(r.json, "detail"), "ticket"));
	assert_non_null(strstr(text_at(r.json, "detail"), "subscription"));
	/* nothing has happened */
	expect(e->w, OPERATOR, "GET", customer, NULL, 200);
	expect(e->w, OTHER_ADMIN, "GET", "/v1/me", NULL, 200);
	r = callf(e->w, OPERATOR, "POST",
		fmt(e->w, "/v1/customers/%s/erase", tenants_missing(&e->t, "cus")),
		"{\"name\":\"x\"}");
	expect_code(&r, 404, "not_found");
}

static void assert_no_trace(struct erasing *e)
{
	struct ud_texts all = columns(e->w, NULL);
	const char *id = e->t.customer[SECOND];

	assert_true(all.count > 300);
	for (size_t i = 0; i < all.count; i++) {
		char *table = ud_strdup(e->w->arena, all.items[i]), *column = strchr(table, '.');

		*column++ = '\0';
		struct ud_texts left = texts_of(e->w,
			fmt(e->w, "SELECT %s FROM %s WHERE %s LIKE '%%canary-%%'%s", column, table,
				column,
				strcmp(column, "customer_id") == 0 &&
						strcmp(table, "events") != 0 &&
						strcmp(table, "log_heads") != 0 &&
						strcmp(table, "erasures") != 0
					? fmt(e->w, " OR customer_id = '%s'", id)
					: ""));

		if (left.count)
			fail_msg("%s.%s still has %s", table, column, left.items[0]);
	}
}

static void assert_chain(struct erasing *e)
{
	struct reply r = expect(e->w, AUDITOR, "GET", "/v1/audit-records/verify", NULL, 200);

	if (!json_is_true(json_object_get(r.json, "intact")))
		fail_msg("%s", r.body);
}

/* Erase the second customer, which uses nothing any more, and wait for the end. */
static void erase_all(struct erasing *e)
{
	const char *customer = fmt(e->w, "/v1/customers/%s", e->t.customer[SECOND]);
	struct reply r = expect(e->w, OPERATOR, "GET", customer, NULL, 200);
	const char *name = text_at(r.json, "name");

	expect(e->w, LEAD, "POST", fmt(e->w, "%s/suspend", customer), NULL, 200);
	settle(e);
	assert_chain(e);
	r = erase(e, OPERATOR, name);
	assert_int_equal(r.status, 202);
	r = expect(e->w, OPERATOR, "GET",
		fmt(e->w, "/v1/operations/%s?wait=60", text_at(r.json, "id")), NULL, 200);
	if (strcmp(text_at(r.json, "state"), "succeeded") != 0)
		fail_msg("%s", r.body);
	assert_int_equal(number_at(r.json, "output.records_kept"), 0);
	r = erase(e, OPERATOR, name);
	expect_code(&r, 404, "not_found");
	assert_chain(e);
}

/* "TABLE COUNT" of the first customer's rows. */
static const char *rows_of_the_other(struct erasing *e)
{
	struct ud_texts all = columns(e->w, "customer_id");
	struct ud_buf b = { 0 };

	for (size_t i = 0; i < all.count; i++) {
		const char *table =
			fmt(e->w, "%.*s", (int)strcspn(all.items[i], "."), all.items[i]);

		ud_buf_puts(&b,
			texts_of(e->w,
				fmt(e->w,
					"SELECT '%s ' || COUNT(*) || ';' FROM %s WHERE customer_id = '%s'",
					table, table, e->t.customer[FIRST]))
				.items[0]);
	}
	return ud_buf_take(e->w->arena, &b);
}

static void nothing_is_left_of_an_erased_customer(void **state)
{
	struct erasing *e = *state;
	struct world *w = e->w;
	const char *id = e->t.customer[SECOND], *customer = fmt(w, "/v1/customers/%s", id);
	const char *ticket = fmt(w, "/v1/tickets/%s", tenants_id(&e->t, "tkt", SECOND));
	const char *others = rows_of_the_other(e);

	/* what staff say among themselves stands in the provider's chain */
	struct reply r = callf(w, LEAD, "POST", fmt(w, "%s/comments", ticket),
		"{\"body\":\"canary-among-us\",\"visibility\":\"internal\"}");

	assert_int_equal(r.status, 201);
	r = callf(w, LEAD, "POST", fmt(w, "%s/time-entries", ticket),
		"{\"minutes\":5,\"note\":\"canary-time\"}");
	assert_int_equal(r.status, 201);
	expect(w, LEAD, "PATCH", customer, "{\"labels\":{\"who\":\"canary-label\"}}", 200);
	erase_all(e);
	assert_no_trace(e);
	assert_string_equal(rows_of_the_other(e), others);
	expect(w, OPERATOR, "GET", customer, NULL, 404);
	expect(w, OTHER_ADMIN, "GET", "/v1/me", NULL, 401);
	expect(w, OWN_ADMIN, "GET", fmt(w, "/v1/customers/%s", e->t.customer[FIRST]), NULL, 200);
	r = expect(w, AUDITOR, "GET",
		fmt(w, "/v1/audit-records/export?limit=200&customer_id=%s", id), NULL, 200);
	assert_null(strstr(r.body, "canary"));
	assert_non_null(strstr(r.body, "customer.erased"));
}

/* What others' history refers to stays for them, without a word of the customer; and trees whose
 * leaves have the same name go, too. */
static void what_others_refer_to_stays_for_them(void **state)
{
	struct erasing *e = *state;
	struct world *w = e->w;
	const char *vm = tenants_id(&e->t, "vm", FIRST), *second = e->t.customer[SECOND];
	const char *run = fmt(w, "/v1/failovers/%s", tenants_id(&e->t, "flo", FIRST));

	for (int i = 0; i < 2; i++) {
		struct reply r = callf(w, LEAD, "POST", "/v1/ticket-categories",
			"{\"name\":\"Top %d\",\"customer_id\":\"%s\"}", i, second);

		assert_int_equal(r.status, 201);
		r = callf(w, LEAD, "POST", "/v1/ticket-categories",
			"{\"name\":\"Leaf\",\"customer_id\":\"%s\",\"parent_id\":\"%s\"}", second,
			text_at(r.json, "id"));
		assert_int_equal(r.status, 201);
	}
	sql(w,
		fmt(w, "UPDATE vms SET customer_id = '%s', name = 'canary-moved' WHERE id = '%s'",
			second, vm));
	erase_all(e);
	assert_string_equal(
		texts_of(w, fmt(w, "SELECT name FROM vms WHERE id = '%s'", vm)).items[0], vm);
	expect(w, OWN_ADMIN, "GET", run, NULL, 200);
	assert_int_equal(
		texts_of(w, "SELECT id FROM events WHERE salt IS NULL AND customer_id IS NULL")
			.count,
		0);
	assert_int_equal(texts_of(w,
				 fmt(w,
					 "SELECT id FROM events WHERE salt IS NULL"
					 " AND customer_id = '%s'",
					 e->t.customer[FIRST]))
				 .count,
		0);
}

/* One that waits for its turn, as others can be canceled. */
static void what_has_begun_is_not_called_off(void **state)
{
	struct erasing *e = *state;
	const char *id = "op_01jd0000000000000000000009",
		   *path = fmt(e->w, "/v1/operations/%s", id);

	sql(e->w,
		fmt(e->w,
			"INSERT INTO operations(id, version, created_at, updated_at, labels, kind,"
			" state, progress_percent, fence) VALUES ('%s', 1, 1, 1, '{}',"
			" 'customer_erasure', 'waiting', 0, 0)",
			id));
	struct reply r = expect(e->w, OPERATOR, "GET", path, NULL, 200);

	assert_int_equal(json_array_size(json_object_get(r.json, "allowed_operations")), 0);
	r = callf(e->w, OPERATOR, "POST", fmt(e->w, "%s/cancel", path), "{}");
	expect_code(&r, 409, "invalid_state");
	r = expect(e->w, OPERATOR, "GET", path, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "waiting");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_table_of_customers_is_known, begin, end),
		cmocka_unit_test_setup_teardown(what_is_in_use_is_not_erased, begin, end),
		cmocka_unit_test_setup_teardown(nothing_is_left_of_an_erased_customer, begin, end),
		cmocka_unit_test_setup_teardown(what_has_begun_is_not_called_off, begin, end),
		cmocka_unit_test_setup_teardown(what_others_refer_to_stays_for_them, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
