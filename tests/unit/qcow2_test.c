/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Point files: what the writer makes, judged by qemu-img, and what the reader refuses.
 */
#include "agent/replication/qcow2.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent/replication/beneath.h"
#include "agent/replication/tree.h"
#include "base/process.h"
#include "support/context.h"
#include "support/disks.h"

enum { MIB = 1 << 20 };

static int new_file(struct ud_ctx *cx, const char *name)
{
	int fd = open(context_path(cx, name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

/* Run qemu-img; its exit status. Its words are in *ret. */
static int qemu_img(struct ud_ctx *cx, const char *const *arguments, const char **ret)
{
	const char *argv[12] = { "/usr/bin/qemu-img" };
	struct ud_ran ran = { 0 };

	for (size_t i = 0; arguments[i]; i++)
		argv[i + 1] = arguments[i];
	const struct ud_run run = { .argv = argv, .output_max = 65536, .timeout_ms = 60000 };

	assert_int_equal(ud_process_run(cx, &run, &ran), UD_OK);
	*ret = ud_printf(cx->arena, "%s%s", ran.output, ran.error);
	return ran.status;
}

static void check(struct ud_ctx *cx, const char *path)
{
	const char *const arguments[] = { "check", "-f", "qcow2", path, NULL }, *words = NULL;

	if (qemu_img(cx, arguments, &words) != 0)
		fail_msg("%s", words);
	assert_non_null(strstr(words, "No errors were found"));
}

static void compare(struct ud_ctx *cx, const char *a, const char *a_format, const char *b)
{
	const char *const arguments[] = { "compare", "-f", a_format, "-F", "raw", a, b, NULL };
	const char *words = NULL;

	if (qemu_img(cx, arguments, &words) != 0)
		fail_msg("%s", words);
}

static void write_raw(const char *path, const struct disk_in_memory *d)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(ud_write_at(fd, d->data, (size_t)d->size, 0), 0);
	close(fd);
}

/* Write what is dirty of a disk as a point file; zeros as zero clusters. */
static void write_point(
	int fd, const struct disk_in_memory *d, const char *backing, const char *format)
{
	ud_qcow2_writer *w = NULL;

	assert_int_equal(ud_qcow2_begin(fd, d->size, &w), 0);
	for (int64_t e = 0; e * UD_EXTENT < d->size; e++) {
		const unsigned char *data = d->data + e * UD_EXTENT;

		if (!d->dirty[e])
			continue;
		if (ud_all_zero(data, UD_EXTENT))
			ud_qcow2_zero(w, e, 1);
		else
			assert_int_equal(ud_write_at(fd, data, UD_EXTENT, ud_qcow2_place(w, e)), 0);
	}
	int64_t before = lseek(fd, 0, SEEK_END), need = ud_qcow2_need(w);

	assert_int_equal(ud_qcow2_finish(w, backing, format), 0);
	assert_true(lseek(fd, 0, SEEK_END) - before <= need);
	ud_qcow2_writer_release(&w);
}

static void a_chain_of_points_is_the_disk(void **state)
{
	struct ud_ctx *cx = *state;
	struct disks *d = disks_new();
	const char *base = context_path(cx, "base.raw"), *backing = "base.raw", *format = "raw";

	disks_add(d, "vda", 700 * MIB + 512 * 3); /* more than one second level table */
	disks_stir(d, 1, 20);
	write_raw(base, &d->disk[0]);
	for (int n = 1; n <= 4; n++) {
		const char *name = ud_printf(cx->arena, "p%d.qcow2", n);
		int fd = new_file(cx, name);

		disks_clean(d);
		disks_stir(d, (uint64_t)n + 10, 12);
		disks_zero(d, 0, 3 * MIB * n, MIB);
		write_point(fd, &d->disk[0], backing, format);
		close(fd);
		check(cx, context_path(cx, name));
		backing = name;
		format = "qcow2";
	}
	write_raw(context_path(cx, "now.raw"), &d->disk[0]);
	compare(cx, context_path(cx, backing), "qcow2", context_path(cx, "now.raw"));
	disks_free(d);
}

struct seen {
	const struct disk_in_memory *disk;
	int fd;
	int64_t extents;
};

static int see(void *data, int64_t extent, int64_t count, int64_t place)
{
	struct seen *s = data;

	for (int64_t i = 0; i < count; i++, s->extents++) {
		const unsigned char *want = s->disk->data + (extent + i) * UD_EXTENT;
		unsigned char got[UD_EXTENT];

		assert_true(s->disk->dirty[extent + i]);
		if (place) {
			assert_int_equal(
				ud_read_at(s->fd, got, sizeof(got), place + i * UD_EXTENT), 0);
			assert_memory_equal(got, want, sizeof(got));
		} else {
			assert_true(ud_all_zero(want, UD_EXTENT));
		}
	}
	return 0;
}

static void the_reader_sees_what_was_written(void **state)
{
	struct ud_ctx *cx = *state;
	struct disks *d = disks_new();
	int fd = new_file(cx, "p.qcow2");
	ud_qcow2_reader *r = NULL;
	int64_t dirty = 0, place = 0;

	disks_add(d, "vda", 1100 * MIB);
	disks_stir(d, 5, 40);
	write_point(fd, &d->disk[0], "../000006/vda.qcow2", "qcow2");
	assert_int_equal(ud_qcow2_open(fd, &r), 0);
	assert_int_equal(ud_qcow2_size(r), 1100 * MIB);
	assert_string_equal(ud_qcow2_backing(r), "../000006/vda.qcow2");
	struct seen s = { &d->disk[0], fd, 0 };

	assert_int_equal(ud_qcow2_visit(r, see, &s), 0);
	for (int64_t e = 0; e < ud_extents(d->disk[0].size); e++) {
		dirty += d->disk[0].dirty[e];
		assert_int_equal(ud_qcow2_find(r, e, &place), 0);
		assert_int_equal(place >= 0, d->disk[0].dirty[e]);
	}
	assert_int_equal(s.extents, dirty);
	assert_int_equal(ud_qcow2_find(r, INT64_MAX, &place), 0);
	assert_int_equal(place, -1);
	ud_qcow2_reader_release(&r);
	close(fd);
	disks_free(d);
}

static void an_overlay_is_empty_and_can_move_to_another_base(void **state)
{
	struct ud_ctx *cx = *state;
	struct disks *d = disks_new();
	int fd = new_file(cx, "o.qcow2");
	ud_qcow2_reader *r = NULL;

	disks_add(d, "vda", 5 * MIB);
	disks_stir(d, 3, 9);
	write_raw(context_path(cx, "base.raw"), &d->disk[0]);
	assert_int_equal(ud_qcow2_empty(fd, 5 * MIB, "nowhere.qcow2", "qcow2"), 0);
	assert_int_equal(ud_qcow2_rebase(fd, "base.raw", "raw"), 0);
	check(cx, context_path(cx, "o.qcow2"));
	compare(cx, context_path(cx, "o.qcow2"), "qcow2", context_path(cx, "base.raw"));
	assert_int_equal(ud_qcow2_open(fd, &r), 0);
	assert_string_equal(ud_qcow2_backing(r), "base.raw");
	ud_qcow2_reader_release(&r);
	close(fd);
	disks_free(d);
}

static void a_second_write_of_an_extent_keeps_its_place(void **state)
{
	ud_qcow2_writer *w = NULL;
	int fd = new_file(*state, "p.qcow2");

	assert_int_equal(ud_qcow2_begin(fd, 5 * MIB, &w), 0);
	int64_t place = ud_qcow2_place(w, 7);

	assert_int_not_equal(ud_qcow2_place(w, 8), place);
	assert_int_equal(ud_qcow2_place(w, 7), place);
	ud_qcow2_writer_release(&w);
	close(fd);
}

/* A byte of the file to change, and why the reader must refuse it. */
static const struct {
	int64_t offset;
	unsigned char value;
	const char *why;
} refused[] = {
	{ 0, 0, "magic" },
	{ 7, 2, "version" },
	{ 15, 50, "backing name inside the header" },
	{ 18, 1, "backing name longer than it may be" },
	{ 23, 15, "cluster bits" },
	{ 25, 0xff, "size" },
	{ 31, 1, "size not in sectors" },
	{ 35, 1, "encrypted" },
	{ 39, 9, "length of the first level table" },
	{ 41, 1, "first level table far behind the end" },
	{ 46, 2, "first level table not aligned" },
	{ 63, 1, "snapshots" },
	{ 79, 1, "incompatible feature" },
	{ 99, 3, "refcount width" },
	{ 103, 112, "header length" },
	{ 65536 + 1, 1, "second level table far behind the end" },
	{ 65536 + 7, 1, "second level table not aligned" },
	{ 65536, 0xc0, "second level entry with an unknown flag" },
};

static void what_the_writer_does_not_make_is_refused(void **state)
{
	struct ud_ctx *cx = *state;
	struct disks *d = disks_new();

	disks_add(d, "vda", 5 * MIB);
	disks_stir(d, 3, 5);
	for (size_t i = 0; i < UD_LEN(refused); i++) {
		int fd = new_file(cx, "p.qcow2");
		ud_qcow2_reader *r = NULL;
		struct seen s = { &d->disk[0], fd, 0 };

		write_point(fd, &d->disk[0], "base.raw", "raw");
		assert_int_equal(ud_write_at(fd, &refused[i].value, 1, refused[i].offset), 0);
		int rc = ud_qcow2_open(fd, &r);

		if (rc == 0)
			rc = ud_qcow2_visit(r, see, &s);
		if (rc != -EBADMSG)
			fail_msg("%s: %d", refused[i].why, rc);
		ud_qcow2_reader_release(&r);
		close(fd);
	}
	disks_free(d);
}

static void a_file_that_was_cut_is_refused(void **state)
{
	struct ud_ctx *cx = *state;
	struct disks *d = disks_new();
	int fd = new_file(cx, "p.qcow2");

	disks_add(d, "vda", 5 * MIB);
	disks_stir(d, 3, 5);
	write_point(fd, &d->disk[0], "base.raw", "raw");
	for (off_t n = lseek(fd, 0, SEEK_END) - 3 * UD_EXTENT; n > 0; n -= UD_EXTENT / 2 + 1) {
		ud_qcow2_reader *r = NULL;
		struct seen s = { &d->disk[0], fd, 0 };

		assert_int_equal(ftruncate(fd, n), 0);
		int rc = ud_qcow2_open(fd, &r);

		if (rc == 0)
			rc = ud_qcow2_visit(r, see, &s);
		assert_int_equal(rc, -EBADMSG);
		ud_qcow2_reader_release(&r);
	}
	close(fd);
	disks_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_chain_of_points_is_the_disk, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			the_reader_sees_what_was_written, context_begin, context_end),
		cmocka_unit_test_setup_teardown(an_overlay_is_empty_and_can_move_to_another_base,
			context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_second_write_of_an_extent_keeps_its_place, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			what_the_writer_does_not_make_is_refused, context_begin, context_end),
		cmocka_unit_test_setup_teardown(
			a_file_that_was_cut_is_refused, context_begin, context_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
