/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of the vendor's page on quorum, row by row: how many nodes a pool can miss.
 */
#include "support/context.h"

#include "base/pool_quorum.h"

/* A cluster in which the first `up` of `all` nodes run; node N is "nN". */
static struct ud_host_facts cluster(
	struct ud_arena *arena, size_t all, size_t up, const char *pools)
{
	const char *nodes = "";

	for (size_t i = 0; i < all; i++)
		nodes = ud_printf(arena, "%s%s{\"name\":\"n%zu\",\"state\":\"%s\"}", nodes,
			i ? "," : "", i, i < up ? "up" : "down");
	return (struct ud_host_facts){ .cluster.text = ud_printf(
					       arena, "{\"name\":\"c\",\"nodes\":[%s]}", nodes),
		.spaces.text = ud_printf(arena, "{\"pools\":[%s]}", pools) };
}

static void each_size_has_its_spare_nodes(void **state)
{
	static const struct {
		size_t all, up;
		enum ud_pool_fate fate;
	} rows[] = {
		{ 1, 1, UD_POOL_LOST },
		{ 2, 2, UD_POOL_NEEDS_WITNESS },
		{ 2, 1, UD_POOL_LOST },
		{ 3, 3, UD_POOL_SAFE },
		{ 3, 2, UD_POOL_LOST },
		{ 4, 4, UD_POOL_SAFE },
		{ 4, 3, UD_POOL_NEEDS_WITNESS },
		{ 4, 2, UD_POOL_LOST },
		{ 5, 5, UD_POOL_SAFE },
		{ 5, 4, UD_POOL_SAFE },
		{ 5, 3, UD_POOL_LOST },
		{ 16, 15, UD_POOL_SAFE },
		{ 16, 14, UD_POOL_LOST },
	};
	UD_AUTO(ud_arena) *arena = ud_arena_new();

	(void)state;
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct ud_host_facts f = cluster(arena, rows[i].all, rows[i].up, "{}");
		struct ud_pool_outlook o = ud_pool_outlook(&f, "N0");

		if (o.fate != rows[i].fate || o.all != rows[i].all || o.left != rows[i].up - 1)
			fail_msg("row %zu: fate %d, %zu of %zu", i, (int)o.fate, o.left, o.all);
	}
}

static void what_is_not_there_is_not_lost(void **state)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_host_facts f = cluster(arena, 3, 2, "{}");

	(void)state;
	assert_int_equal(ud_pool_outlook(&f, "n2").fate, UD_POOL_SAFE); /* off already */
	assert_int_equal(ud_pool_outlook(&f, "n9").fate, UD_POOL_SAFE);
	f = cluster(arena, 3, 2, "");
	assert_int_equal(ud_pool_outlook(&f, "n0").fate, UD_POOL_SAFE); /* no pool */
	f.spaces.text = f.cluster.text = "{";
	assert_int_equal(ud_pool_outlook(&f, "n0").fate, UD_POOL_SAFE);
	f.spaces.text = f.cluster.text = NULL;
	assert_int_equal(ud_pool_outlook(&f, "n0").fate, UD_POOL_SAFE);
}

static void a_paused_node_still_holds_its_disks(void **state)
{
	struct ud_host_facts f = { .spaces.text = "{\"pools\":[{}]}",
		.cluster.text = "{\"name\":\"c\",\"nodes\":[{\"name\":\"a\",\"state\":\"paused\"},"
				"{\"name\":\"b\",\"state\":\"joining\"},"
				"{\"name\":\"c\",\"state\":\"up\"}]}" };
	struct ud_pool_outlook o = ud_pool_outlook(&f, "a");

	(void)state;
	assert_int_equal(o.fate, UD_POOL_LOST);
	assert_int_equal(o.left, 1);
}

static void clusters_go_by_their_names(void **state)
{
	struct ud_host_facts a = { .cluster.text = "{\"name\":\"HV-LON\"}" },
			     b = { .cluster.text = "{\"name\":\"hv-lon\"}" },
			     c = { .cluster.text = "{\"name\":\"hv-ams\"}" }, none = { 0 };

	(void)state;
	assert_true(ud_same_cluster(&a, &b));
	assert_false(ud_same_cluster(&a, &c));
	assert_false(ud_same_cluster(&none, &none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_size_has_its_spare_nodes),
		cmocka_unit_test(what_is_not_there_is_not_lost),
		cmocka_unit_test(a_paused_node_still_holds_its_disks),
		cmocka_unit_test(clusters_go_by_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
