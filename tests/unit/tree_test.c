/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merkle trees against a reckoning in the plainest way, and lists of hashes.
 */
#include "agent/replication/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/beneath.h"
#include "support/context.h"
#include "support/disks.h"

enum { MIB = 1 << 20 };

static int folder(struct ud_ctx *cx)
{
	int root = ud_beneath_root(context_path(cx, "store"));

	assert_true(root >= 0);
	return root;
}

/* The sums of what is dirty, in a file. */
static int sums_of(struct ud_ctx *cx, int root, const struct disk_in_memory *d, const char *name)
{
	int fd = ud_beneath_open(root, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ud_sums *s = ud_sums_begin(fd);

	(void)cx;
	for (int64_t e = 0; e < ud_extents(d->size); e++) {
		struct ud_sum sum = { .extent = e, .count = 1 };

		if (!d->dirty[e])
			continue;
		ud_extent_hash(d->data + e * UD_EXTENT, sum.hash);
		sum.place = ud_all_zero(sum.hash, UD_SHA256) ? 0 : UD_EXTENT;
		assert_int_equal(ud_sums_add(s, &sum), 0);
	}
	assert_int_equal(ud_sums_finish(s), 0);
	ud_sums_release(&s);
	return fd;
}

static void roots_follow_the_disk(void **state)
{
	struct ud_ctx *cx = *state;
	int root = folder(cx);
	struct disks *d = disks_new();
	char want[UD_SHA256_HEX], got[UD_SHA256_HEX], before[UD_SHA256_HEX];
	ud_tree *t = NULL;

	disks_add(d, "vda", 40 * MIB + 1536);
	assert_int_equal(ud_tree_open(root, "t", d->disk[0].size, &t), 0);
	for (int round = 0; round < 12; round++) {
		disks_clean(d);
		if (round == 5) /* over the edge of a group, and to more levels */
			disks_grow(d, 0, 5000 * (int64_t)UD_EXTENT);
		disks_stir(d, (uint64_t)round, 10);
		disks_root(d, 0, want);
		int fd = sums_of(cx, root, &d->disk[0], "sums");

		assert_int_equal(ud_tree_root(t, before), 0);
		assert_int_equal(ud_tree_preview(t, d->disk[0].size, fd, got), 0);
		assert_string_equal(got, want);
		assert_int_equal(ud_tree_root(t, got), 0);
		assert_string_equal(got, before); /* a preview changes nothing */
		for (int twice = 0; twice < 2; twice++) {
			assert_int_equal(ud_tree_apply(t, d->disk[0].size, fd), 0);
			assert_int_equal(ud_tree_root(t, got), 0);
			assert_string_equal(got, want);
		}
		close(fd);
		assert_int_equal(ud_tree_commit(t, round + 1), 0);
		ud_tree_release(&t);
		assert_int_equal(ud_tree_open(root, "t", 0, &t), 0);
		assert_int_equal(ud_tree_number(t), round + 1);
		assert_int_equal(ud_tree_size(t), d->disk[0].size);
		assert_int_equal(ud_tree_root(t, got), 0);
		assert_string_equal(got, want);
	}
	ud_tree_release(&t);
	disks_free(d);
	close(root);
}

static void leaves_can_be_set_and_read(void **state)
{
	struct ud_ctx *cx = *state;
	int root = folder(cx);
	struct disks *d = disks_new();
	char want[UD_SHA256_HEX], got[UD_SHA256_HEX];
	unsigned char hashes[300 * UD_SHA256], read[300 * UD_SHA256];
	ud_tree *t = NULL;

	disks_add(d, "vda", 300 * (int64_t)UD_EXTENT);
	disks_stir(d, 9, 30);
	for (int64_t e = 0; e < 300; e++)
		ud_extent_hash(d->disk[0].data + e * UD_EXTENT, hashes + e * UD_SHA256);
	assert_int_equal(ud_tree_open(root, "t", d->disk[0].size, &t), 0);
	assert_int_equal(ud_tree_set(t, 0, 300, hashes), 0);
	disks_root(d, 0, want);
	assert_int_equal(ud_tree_root(t, got), 0);
	assert_string_equal(got, want);
	assert_int_equal(ud_tree_get(t, 0, 300, read), 0);
	assert_memory_equal(read, hashes, sizeof(hashes));
	disks_zero(d, 0, 200 * UD_EXTENT, 100 * UD_EXTENT);
	assert_int_equal(ud_tree_set(t, 200, 100, NULL), 0);
	disks_root(d, 0, want);
	assert_int_equal(ud_tree_root(t, got), 0);
	assert_string_equal(got, want);
	ud_tree_release(&t);
	disks_free(d);
	close(root);
}

static void a_disk_of_zeros_costs_a_header(void **state)
{
	struct ud_ctx *cx = *state;
	int root = folder(cx);
	char a[UD_SHA256_HEX], b[UD_SHA256_HEX];
	ud_tree *t = NULL;

	assert_int_equal(ud_tree_open(root, "a", INT64_C(1) << 40, &t), 0);
	assert_int_equal(ud_tree_root(t, a), 0);
	ud_tree_release(&t);
	assert_int_equal(ud_tree_open(root, "b", INT64_C(1) << 41, &t), 0);
	assert_int_equal(ud_tree_root(t, b), 0);
	ud_tree_release(&t);
	assert_string_not_equal(a, b); /* the size counts */
	close(root);
}

static void a_tree_that_is_not_ours_is_refused(void **state)
{
	struct ud_ctx *cx = *state;
	int root = folder(cx);
	ud_tree *t = NULL;

	assert_int_equal(ud_beneath_write(root, "t", "", 0), 0);
	assert_int_equal(ud_tree_open(root, "t", 0, &t), -EBADMSG);
	assert_int_equal(ud_beneath_write(root, "t", "UDTREE1 and so on, and more of it", 33), 0);
	assert_int_equal(ud_tree_open(root, "t", 0, &t), -EBADMSG);
	assert_int_equal(ud_tree_open(root, "none", 0, &t), -ENOENT);
	close(root);
}

static int count_sum(void *data, const struct ud_sum *sum)
{
	*(int64_t *)data += sum->count;
	return 0;
}

static void sums_ascend_and_stay_inside_the_disk(void **state)
{
	struct ud_ctx *cx = *state;
	int root = folder(cx), fd = ud_beneath_open(root, "sums", O_RDWR | O_CREAT, 0600);
	ud_sums *s = ud_sums_begin(fd);
	struct ud_sum sum = { .extent = 5, .count = 3 };
	int64_t seen = 0;

	assert_int_equal(ud_sums_add(s, &sum), 0);
	assert_int_equal(ud_sums_add(s, &sum), -EBADMSG); /* the same again */
	sum.extent = 7;
	assert_int_equal(ud_sums_add(s, &sum), -EBADMSG); /* overlaps */
	sum.extent = 8;
	sum.count = 0;
	assert_int_equal(ud_sums_add(s, &sum), -EBADMSG);
	sum.count = 2;
	assert_int_equal(ud_sums_add(s, &sum), 0);
	assert_int_equal(ud_sums_finish(s), 0);
	ud_sums_release(&s);
	assert_int_equal(ud_sums_visit(fd, 10, count_sum, &seen), 0);
	assert_int_equal(seen, 5);
	assert_int_equal(ud_sums_visit(fd, 9, count_sum, &seen), -EBADMSG);
	assert_int_equal(ud_write_at(fd, "x", 1, 2 * 56), 0);
	assert_int_equal(ud_sums_visit(fd, 10, count_sum, &seen), -EBADMSG);
	close(fd);
	close(root);
}

static void nothing_is_opened_outside_or_through_a_link(void **state)
{
	struct ud_ctx *cx = *state;
	int root = folder(cx);
	const char *text = NULL;
	size_t n = 0;

	context_file(cx, "secret", "x");
	assert_int_equal(symlink("../secret", context_path(cx, "store/link")), 0);
	assert_int_equal(symlink("..", context_path(cx, "store/up")), 0);
	assert_int_equal(ud_beneath_read(cx, root, "link", 10, &text, &n), -ELOOP);
	assert_int_equal(ud_beneath_read(cx, root, "up/secret", 10, &text, &n), -ELOOP);
	assert_int_equal(ud_beneath_read(cx, root, "../secret", 10, &text, &n), -EXDEV);
	assert_int_equal(ud_beneath_remove(root, "up/secret"), -ELOOP);
	assert_int_equal(ud_beneath_rename(root, "up/secret", "mine"), -ELOOP);
	assert_int_equal(ud_beneath_make(root, "up/folder"), -ELOOP);
	/* clearing removes the link, not what it names */
	assert_int_equal(ud_beneath_make(root, "f"), 0);
	assert_int_equal(symlink("../..", context_path(cx, "store/f/up")), 0);
	assert_int_equal(ud_beneath_clear(root, "f"), 0);
	assert_false(ud_beneath_exists(root, "f"));
	assert_int_equal(access(context_path(cx, "secret"), F_OK), 0);
	close(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(roots_follow_the_disk, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			leaves_can_be_set_and_read, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_disk_of_zeros_costs_a_header, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_tree_that_is_not_ours_is_refused, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			sums_ascend_and_stay_inside_the_disk, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			nothing_is_opened_outside_or_through_a_link, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
