/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server and agents say about replication: what is written is read back, and bounds hold.
 */
#include "base/replication.h"

#include <string.h>

#include "support/context.h"

/* clang-format off */
static const char relation[] =
	"{\"replication_id\":\"rpl_01arz3ndektsv4rrffq69g5fav\",\"vm_id\":\"vm_01arz3ndektsv4rrffq69g5fav\","
	"\"uuid\":\"3f2b7a52-0000-4000-8000-000000000001\",\"role\":\"target\",\"leg\":\"extended\","
	"\"state\":\"paused\",\"peer_host_id\":\"hst_01arz3ndektsv4rrffq69g5fav\","
	"\"peer_agent_id\":\"agt_01arz3ndektsv4rrffq69g5fav\",\"peer_address\":\"192.0.2.7:8444\","
	"\"epoch\":281474976710657,\"schedule_interval_seconds\":5,\"recovery_points_kept\":24,"
	"\"app_consistent_every_hours\":null,\"compression\":\"zstd1\",\"authentication\":\"certificate\","
	"\"rate_bytes_per_second\":1048576,\"windows\":[{\"days\":[\"sat\"],\"from_minute\":0,"
	"\"rate_bytes_per_second\":null,\"until_minute\":360}],\"excluded_disks\":[\"vdb\"],"
	"\"pinned_points\":[],\"initial\":{\"method\":\"network\",\"start_at\":null},\"generation\":3,"
	"\"fencing_policy\":\"attest\",\"lease_seconds\":30,\"break_glass\":false}";
/* clang-format on */

static const char *encoded(struct ud_ctx *cx, const struct ud_shape *shape, const void *row)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, shape, row, NULL);
	return ud_buf_take(cx->arena, &b);
}

static void a_relation_is_read_as_it_was_written(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_relation r = { 0 };

	assert_int_equal(
		ud_shape_read(cx, &ud_relation_shape, relation, strlen(relation), &r), UD_OK);
	assert_int_equal(r.role, UD_RELATION_TARGET);
	assert_int_equal(r.leg, UD_LEG_EXTENDED);
	assert_true(r.epoch == (INT64_C(1) << 48) + 1);
	assert_true(r.app_consistent_every_hours == UD_NONE);
	assert_string_equal(encoded(cx, &ud_relation_shape, &r), relation);
}

static void windows_of_a_relation_are_a_list(void **state)
{
	struct ud_ctx *cx = *state;
	struct ud_relation r = { 0 };
	struct ud_transfer_window *w = NULL;
	size_t n = 0;

	assert_int_equal(
		ud_shape_read(cx, &ud_relation_shape, relation, strlen(relation), &r), UD_OK);
	assert_int_equal(
		ud_shape_read_list(cx, &ud_transfer_window_shape, r.windows.text, 1, &w, &n),
		UD_OK);
	assert_int_equal(n, 1);
	assert_string_equal(w[0].days.items[0], "sat");
	assert_int_equal(w[0].until_minute, 360);
	assert_true(w[0].rate_bytes_per_second == UD_NONE);
}

static void lists_have_bounds(void **state)
{
	static const struct {
		const char *text;
		enum ud_code code;
		size_t n;
	} rows[] = {
		{ NULL, UD_OK, 0 },
		{ "[]", UD_OK, 0 },
		{ "[{\"code\":\"a\"},{\"code\":\"b\",\"detail\":\"c\"}]", UD_OK, 2 },
		{ "[{\"code\":\"a\"},{\"code\":\"b\"},{\"code\":\"c\"}]", UD_E_VALIDATION, 0 },
		{ "{\"code\":\"a\"}", UD_E_VALIDATION, 0 },
		{ "[{}]", UD_E_VALIDATION, 0 },
		{ "[{\"code\":\"a\",\"more\":1}]", UD_E_UNKNOWN_FIELD, 0 },
		{ "[7]", UD_E_MALFORMED, 0 },
		{ "[", UD_E_MALFORMED, 0 },
	};
	struct ud_ctx *cx = *state;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct ud_replication_error *e = NULL;
		size_t n = 0;

		assert_int_equal(ud_shape_read_list(
					 cx, &ud_replication_error_shape, rows[i].text, 2, &e, &n),
			rows[i].code);
		assert_int_equal(n, rows[i].n);
	}
}

static void figures_that_are_not_told_are_not_zero(void **state)
{
	static const char text[] =
		"{\"replication_id\":\"rpl_x\",\"role\":\"source\",\"state\":\"seeding\"}";
	struct ud_ctx *cx = *state;
	struct ud_replication_report r = { 0 };

	assert_int_equal(
		ud_shape_read(cx, &ud_replication_report_shape, text, strlen(text), &r), UD_OK);
	assert_true(r.newest_point_age_ms == UD_NONE);
	assert_true(r.cycles_missed == UD_NONE);
	assert_true(r.generation == UD_NONE);
	assert_null(r.points.text);
}

static void no_age_is_negative(void **state)
{
	static const char text[] =
		"{\"replication_id\":\"rpl_x\",\"role\":\"target\",\"state\":\"replicating\",\"newest_point_age_ms\":-1}";
	struct ud_ctx *cx = *state;
	struct ud_replication_report r = { 0 };

	assert_int_equal(ud_shape_read(cx, &ud_replication_report_shape, text, strlen(text), &r),
		UD_E_VALIDATION);
	assert_non_null(context_problem(cx, "newest_point_age_ms", "out_of_range"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_relation_is_read_as_it_was_written),
		cmocka_unit_test(windows_of_a_relation_are_a_list),
		cmocka_unit_test(lists_have_bounds),
		cmocka_unit_test(figures_that_are_not_told_are_not_zero),
		cmocka_unit_test(no_age_is_negative),
	};

	return cmocka_run_group_tests(tests, context_begin, context_end);
}
