/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nth call of the database fails, for every n: what a write had done so far is gone with it,
 * the record agrees with the rows, and the next write works.
 */
#include <string.h>

#include "api/api.h"
#include "db/events.h"
#include "db/vms.h"
#include "support/harness.h"

enum { CALLS_MAX = 400 };

static int begin(void **state)
{
	*state = world_begin();
	return 0;
}

static int end(void **state)
{
	world_end(*state);
	return 0;
}

struct failing {
	struct world *w;
	enum ud_code (*story)(struct ud_ctx *cx, struct world *w);
	int64_t n; /* the call that fails */
};

static enum ud_code apply(struct ud_ctx *cx, void *data)
{
	struct failing *f = data;

	cx->conn->fail_after = f->n;
	enum ud_code code = f->story(cx, f->w);

	cx->conn->fail_after = 0;
	return code;
}

/* A machine comes, changes and goes again. */
static enum ud_code vm_story(struct ud_ctx *cx, struct world *w)
{
	static const struct ud_resource vms = { .table = &ud_vms };
	struct ud_given given = { .customer_id = true };
	struct ud_vm vm = { .name = "failing",
		.row.customer_id = w->own,
		.vcpus = UD_NONE,
		.memory_bytes = UD_NONE,
		.disk_bytes = UD_NONE };

	UD_TRY(ud_rest_store(cx, &vms, &given, &vm));
	struct ud_vm old = vm;

	vm.name = "failing-renamed";
	vm.row.customer_id = w->other;
	UD_TRY(ud_rest_change(cx, &vms, &given, "updated", &old, &vm));
	old = vm;
	vm.row.customer_id = w->own;
	return ud_rest_change(cx, &vms, &given, "updated", &old, &vm);
}

static int64_t count(struct world *w, const char *sql)
{
	int64_t n = 0;
	bool found;
	ud_conn *conn = NULL;

	assert_int_equal(ud_conn_open(&w->cx, w->url, UD_CONN_READ, &conn), UD_OK);
	w->cx.conn = conn;
	assert_int_equal(ud_query_int(&w->cx, &found, &n, sql, UD_NO_VALS), UD_OK);
	w->cx.conn = NULL;
	ud_conn_release(&conn);
	return n;
}

static void check_whole(struct world *w, int64_t done)
{
	struct reply r = expect(w, AUDITOR, "GET", "/v1/audit-records/verify", NULL, 200);

	assert_true(json_is_true(json_object_get(r.json, "intact")));
	assert_int_equal(count(w, "SELECT COUNT(*) FROM vms"), done);
	assert_int_equal(count(w, "SELECT COUNT(*) FROM events WHERE type = 'vm.created'"), done);
	assert_int_equal(
		count(w, "SELECT COUNT(*) FROM events WHERE type = 'vm.updated'"), 2 * done);
	assert_int_equal(
		count(w, "SELECT COUNT(*) FROM events WHERE type = 'vm.unassigned'"), 2 * done);
}

static void a_failing_call_leaves_nothing_half_done(void **state)
{
	struct world *w = *state;
	struct failing f = { .w = w, .story = vm_story };
	enum ud_code code = UD_E_UNAVAILABLE;

	for (f.n = 1; code != UD_OK; f.n++) {
		w->cx.now_ms = ud_now_ms(&w->env);
		code = ud_database_write(w->db, &w->cx, apply, &f);
		ud_ctx_clear(&w->cx);
		assert_true(code == UD_OK || code == UD_E_UNAVAILABLE);
		check_whole(w, code == UD_OK);
		assert_in_range(f.n, 1, CALLS_MAX);
	}
	assert_true(f.n > 15); /* there were that many calls to fail */
	f.n = 0;
	world_write(w, apply, &f);
	check_whole(w, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failing_call_leaves_nothing_half_done),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
