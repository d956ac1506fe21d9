/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication between two hypervisors in memory, which tests of the agent and of failovers build
 * on: it must do what a driver is to do, and fail as it is told to.
 */
#include <string.h>

#include "support/context.h"
#include "support/scripted.h"

struct pair {
	struct ud_ctx *cx;
	struct scripted *a, *b;
	struct ud_hv *hv_a, *hv_b;
	const char *uuid;
};

static const char *const relation_id = "rpl_01";

static int begin_pair(void **state)
{
	struct pair *p = ud_malloc(sizeof(*p));
	void *cx = NULL;

	context_begin(&cx);
	*p = (struct pair){ .cx = cx, .a = scripted_begin("a"), .b = scripted_begin("b") };
	scripted_agent(p->a, "agt_a");
	scripted_agent(p->b, "agt_b");
	p->uuid = scripted_uuid(p->a, 1);
	scripted_add(p->a, p->uuid, "guest");
	*state = p;
	return ud_hv_open(p->cx, scripted_drivers, "scripted:a", NULL, NULL, &p->hv_a) == UD_OK &&
			ud_hv_open(p->cx, scripted_drivers, "scripted:b", NULL, NULL, &p->hv_b) ==
				UD_OK
		? 0
		: 1;
}

static int end_pair(void **state)
{
	struct pair *p = *state;
	void *cx = p->cx;

	ud_hv_close(&p->hv_a);
	ud_hv_close(&p->hv_b);
	scripted_end(p->a);
	scripted_end(p->b);
	ud_free(p);
	return context_end(&cx);
}

/* Set one end; from names the source's agent. */
static enum ud_code set_end(
	struct pair *p, struct ud_hv *hv, enum ud_relation_role role, int64_t generation)
{
	struct ud_relation r = { 0 };
	struct ud_relation_result result = { 0 };

	ud_shape_init(&ud_relation_shape, &r);
	r.replication_id = relation_id;
	r.vm_id = "vm_01";
	r.uuid = p->uuid;
	r.role = role;
	r.peer_host_id = "hst_peer";
	r.peer_agent_id = hv == p->hv_a ? "agt_b" : "agt_a";
	r.epoch = generation;
	r.schedule_interval_seconds = 5;
	r.recovery_points_kept = 2;
	r.generation = generation;
	return ud_hv_relation_set(p->cx, hv, &r, &result);
}

struct points {
	int count;
	char newest[64], oldest[64];
};

static enum ud_code take_point(struct ud_ctx *cx, void *data, const struct ud_point *point)
{
	struct points *ps = data;

	(void)cx;
	if (ps->count++ == 0)
		strncpy(ps->newest, point->id, sizeof(ps->newest) - 1);
	strncpy(ps->oldest, point->id, sizeof(ps->oldest) - 1);
	return UD_OK;
}

static struct points points_at(struct pair *p, struct ud_hv *hv)
{
	struct points ps = { 0 };

	assert_int_equal(ud_hv_points(p->cx, hv, relation_id, take_point, &ps), UD_OK);
	return ps;
}

static void both_ends_have_the_points_that_are_kept(void **state)
{
	struct pair *p = *state;

	assert_int_equal(set_end(p, p->hv_b, UD_RELATION_TARGET, 1), UD_OK);
	assert_int_equal(set_end(p, p->hv_a, UD_RELATION_SOURCE, 1), UD_OK);
	assert_int_equal(points_at(p, p->hv_b).count, 1);
	for (int i = 0; i < 4; i++) {
		scripted_write(p->a, p->uuid);
		assert_int_equal(scripted_cycle(p->cx, p->a, relation_id), UD_OK);
	}
	assert_int_equal(points_at(p, p->hv_b).count, 3);
	assert_string_equal(points_at(p, p->hv_a).newest, points_at(p, p->hv_b).newest);
	assert_int_equal(set_end(p, p->hv_a, UD_RELATION_SOURCE, 0), UD_E_CONFLICT);
	scripted_cut(p->a, true);
	assert_int_equal(scripted_cycle(p->cx, p->a, relation_id), UD_E_UNAVAILABLE);
	scripted_cut(p->a, false);
}

static void a_test_copy_comes_and_goes_beside_the_cycles(void **state)
{
	struct pair *p = *state;
	struct points ps = points_at(p, p->hv_b);
	struct ud_hv_test t = { "tst_1", relation_id, ps.oldest, "guest - Test", { NULL } };
	struct ud_hv_tested copy = { 0 }, again = { 0 };
	struct ud_machine m = { 0 };

	assert_int_equal(ud_hv_test_start(p->cx, p->hv_b, &t, &copy), UD_OK);
	assert_int_equal(ud_hv_test_start(p->cx, p->hv_b, &t, &again), UD_OK);
	assert_string_equal(copy.uuid, again.uuid);
	assert_int_equal(ud_hv_machine(p->cx, p->hv_b, copy.uuid, &m), UD_OK);
	assert_string_equal(m.test_of, p->uuid);
	assert_int_equal(m.power, UD_POWER_RUNNING);
	assert_int_equal(scripted_content(p->b, copy.uuid), 2);
	assert_int_equal(scripted_cycle(p->cx, p->a, relation_id), UD_OK);
	assert_int_equal(ud_hv_test_drop(p->cx, p->hv_b, "tst_1"), UD_OK);
	assert_int_equal(ud_hv_test_drop(p->cx, p->hv_b, "tst_1"), UD_OK);
	assert_int_equal(ud_hv_machine(p->cx, p->hv_b, copy.uuid, &m), UD_E_NOT_FOUND);
}

static void a_failover_is_called_off(void **state)
{
	struct pair *p = *state;
	struct points ps = points_at(p, p->hv_b);
	struct ud_hv_promotion up = { relation_id, ps.newest, { NULL } };
	struct ud_hv_promoted done = { 0 };

	assert_int_equal(ud_hv_fail_over(p->cx, p->hv_b, &up, &done), UD_OK);
	assert_int_equal(scripted_power(p->b, p->uuid), UD_POWER_PAUSED);
	assert_int_equal(ud_hv_start(p->cx, p->hv_b, p->uuid, 0), UD_OK);
	assert_int_equal(ud_hv_cancel(p->cx, p->hv_b, relation_id), UD_OK);
	assert_int_equal(scripted_power(p->b, p->uuid), UD_POWER_UNKNOWN);
}

static void a_planned_failover_loses_nothing_and_turns_round(void **state)
{
	struct pair *p = *state;
	struct ud_point last = { 0 };
	struct ud_hv_promoted done = { 0 };
	struct ud_hv_displaced gone = { 0 };

	assert_int_equal(ud_hv_start(p->cx, p->hv_a, p->uuid, 0), UD_OK);
	scripted_write(p->a, p->uuid);
	assert_int_equal(ud_hv_prepare(p->cx, p->hv_a, relation_id, &last), UD_E_INVALID_STATE);
	assert_int_equal(ud_hv_shutdown(p->cx, p->hv_a, p->uuid, 1000), UD_OK);
	assert_int_equal(ud_hv_prepare(p->cx, p->hv_a, relation_id, &last), UD_OK);
	struct ud_hv_promotion up = { relation_id, last.id, { NULL } };

	assert_int_equal(ud_hv_fail_over(p->cx, p->hv_b, &up, &done), UD_OK);
	assert_string_equal(done.point_id, last.id);
	assert_int_equal(ud_hv_start(p->cx, p->hv_b, p->uuid, 0), UD_OK);
	assert_int_equal(scripted_content(p->b, p->uuid), scripted_content(p->a, p->uuid));
	assert_int_equal(ud_hv_displace(p->cx, p->hv_a, p->uuid, &gone), UD_OK);
	assert_null(gone.divergent);
	assert_int_equal(scripted_power(p->a, p->uuid), UD_POWER_UNKNOWN);
	assert_int_equal(ud_hv_complete(p->cx, p->hv_b, relation_id), UD_OK);
	assert_int_equal(ud_hv_cancel(p->cx, p->hv_b, relation_id), UD_E_INVALID_STATE);
	assert_int_equal(set_end(p, p->hv_a, UD_RELATION_TARGET, 2), UD_OK);
	assert_int_equal(set_end(p, p->hv_b, UD_RELATION_SOURCE, 2), UD_OK);
	scripted_write(p->b, p->uuid);
	assert_int_equal(scripted_cycle(p->cx, p->b, relation_id), UD_OK);
	assert_string_equal(points_at(p, p->hv_a).newest, points_at(p, p->hv_b).newest);
}

static void what_is_to_fail_fails_and_is_remembered(void **state)
{
	struct pair *p = *state;

	scripted_fail(p->b, "pause", UD_E_HYPERVISOR, 1);
	assert_int_equal(ud_hv_pause(p->cx, p->hv_b, p->uuid), UD_E_HYPERVISOR);
	assert_int_equal(ud_hv_pause(p->cx, p->hv_b, p->uuid), UD_OK);
	scripted_fail_after(p->b, "resume", UD_E_NOT_IN_TIME, 1);
	assert_int_equal(ud_hv_resume(p->cx, p->hv_b, p->uuid), UD_E_NOT_IN_TIME);
	assert_int_equal(scripted_power(p->b, p->uuid), UD_POWER_RUNNING);
	assert_int_equal(scripted_calls(p->b, "pause"), 2);
	assert_true(scripted_await(p->b, "resume", 1));
	assert_non_null(strstr(scripted_log(p->b), "fail_over rpl_01\n"));
	scripted_forgive(p->b);
	assert_string_equal(scripted_log(p->b), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ends_have_the_points_that_are_kept),
		cmocka_unit_test(a_test_copy_comes_and_goes_beside_the_cycles),
		cmocka_unit_test(a_failover_is_called_off),
		cmocka_unit_test(a_planned_failover_loses_nothing_and_turns_round),
		cmocka_unit_test(what_is_to_fail_fails_and_is_remembered),
	};

	return cmocka_run_group_tests(tests, begin_pair, end_pair);
}
