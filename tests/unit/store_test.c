/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica's store: points in and out, merges, pins, clones, what is refused, and wrong bits.
 */
#include "agent/replication/store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/replication/beneath.h"
#include "agent/replication/tree.h"
#include "base/process.h"
#include "support/context.h"
#include "support/stores.h"

enum { MIB = 1 << 20, POINTS = 6, TWICE = 140 };

/* A store with points 1 to POINTS of a VM with two disks, and what each of them looked like. */
struct fixture {
	struct ud_ctx *cx;
	ud_store *store;
	struct ud_store_settings settings;
	struct disks *at[POINTS + 4]; /* 1.. */
	const char *id[POINTS + 4];
	int newest;
};

static void open_store(struct fixture *f)
{
	assert_int_equal(ud_store_open(f->cx, &f->settings, &f->store), UD_OK);
}

static void reopen(struct fixture *f)
{
	ud_store_release(&f->store);
	open_store(f);
}

/* The next state of the disks, dirty where it differs. */
static void stir(struct fixture *f)
{
	struct disks *d = f->newest ? disks_copy(f->at[f->newest]) : disks_new();

	if (!f->newest) {
		disks_add(d, "vda", 9 * MIB + 1024);
		disks_add(d, "vdb", 3 * MIB);
	}
	disks_clean(d);
	disks_stir(d, (uint64_t)f->newest + 100, 8);
	disks_zero(d, 0, f->newest * MIB, MIB / 2);
	if (f->newest == 2 || f->newest == 3) /* points 3 and 4 */
		disks_write(d, 0, TWICE * UD_EXTENT, 200, (uint64_t)f->newest);
	f->newest++;
	f->at[f->newest] = d;
	f->id[f->newest] = ud_manifest_id(f->cx);
}

static enum ud_code feed(struct fixture *f, int64_t epoch)
{
	const char *parent = f->newest > 1 ? f->id[f->newest - 1] : "";

	return stores_feed(f->cx, f->store, f->at[f->newest], f->id[f->newest], parent, epoch);
}

static int begin(void **state)
{
	struct fixture *f = ud_malloc(sizeof(*f));
	void *context = NULL;

	context_begin(&context);
	*f = (struct fixture){ .cx = context };
	f->settings.path = context_path(f->cx, "store");
	*state = f;
	open_store(f);
	return 0;
}

static int begin_with_points(void **state)
{
	begin(state);
	struct fixture *f = *state;

	while (f->newest < POINTS) {
		stir(f);
		if (feed(f, 3) != UD_OK)
			return -1;
	}
	return 0;
}

static int end(void **state)
{
	struct fixture *f = *state;
	void *context = f->cx;

	ud_store_release(&f->store);
	for (int i = 1; i <= f->newest; i++)
		disks_free(f->at[i]);
	ud_free(f);
	return context_end(&context);
}

static void check_points(struct fixture *f, int from, int to)
{
	assert_int_equal(stores_count(f->cx, f->store), to - from + 1);
	for (int i = from; i <= to; i++)
		stores_check(f->cx, f->store, f->id[i], f->at[i]);
}

/* QEMU sees in an overlay what the disk was. */
static void check_by_qemu(struct fixture *f, const char *path, const struct disk_in_memory *d)
{
	const char *raw = context_path(f->cx, "now.raw");
	const char *const argv[] = { "/usr/bin/qemu-img", "compare", "-f", "qcow2", "-F", "raw",
		path, raw, NULL };
	const struct ud_run run = { .argv = argv, .output_max = 4096, .timeout_ms = 60000 };
	struct ud_ran ran = { 0 };
	int fd = open(raw, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(ud_write_at(fd, d->data, (size_t)d->size, 0), 0);
	close(fd);
	assert_int_equal(ud_process_run(f->cx, &run, &ran), UD_OK);
	if (ran.status != 0)
		fail_msg("%s%s", ran.output, ran.error);
}

static void every_point_is_what_its_source_was(void **state)
{
	struct fixture *f = *state;

	check_points(f, 1, POINTS);
	reopen(f);
	check_points(f, 1, POINTS);
}

static void merging_changes_no_other_point(void **state)
{
	struct fixture *f = *state;
	size_t left = 0;

	for (int keep = POINTS - 1; keep >= 1; keep--) {
		assert_int_equal(ud_store_keep(f->cx, f->store, (size_t)keep, &left), UD_OK);
		assert_int_equal(left, keep);
		check_points(f, POINTS - keep + 1, POINTS);
		if (keep % 2)
			reopen(f);
	}
	/* at least one stays, and the next comes on top of it */
	assert_int_equal(ud_store_keep(f->cx, f->store, 0, &left), UD_OK);
	assert_int_equal(left, 1);
	stir(f);
	assert_int_equal(feed(f, 3), UD_OK);
	check_points(f, POINTS, POINTS + 1);
}

static void a_pin_keeps_its_point_and_all_newer_ones(void **state)
{
	struct fixture *f = *state;
	size_t left = 0;

	assert_int_equal(ud_store_pin(f->cx, f->store, f->id[3], "legal"), UD_OK);
	assert_int_equal(ud_store_pin(f->cx, f->store, f->id[3], "legal"), UD_OK);
	reopen(f);
	assert_int_equal(ud_store_keep(f->cx, f->store, 1, &left), UD_OK);
	assert_int_equal(left, 4);
	check_points(f, 3, POINTS);
	assert_int_equal(ud_store_drop_newer(f->cx, f->store, f->id[2]), UD_E_NOT_FOUND);
	assert_int_equal(ud_store_unpin(f->cx, f->store, f->id[3], "legal"), UD_OK);
	assert_int_equal(ud_store_keep(f->cx, f->store, 1, &left), UD_OK);
	assert_int_equal(left, 1);
	assert_int_equal(ud_store_pin(f->cx, f->store, f->id[3], "late"), UD_E_NOT_FOUND);
	assert_int_equal(ud_store_pin(f->cx, f->store, f->id[POINTS], "../x"), UD_E_VALIDATION);
}

static void newer_points_can_be_dropped(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(ud_store_pin(f->cx, f->store, f->id[5], "x"), UD_OK);
	assert_int_equal(ud_store_drop_newer(f->cx, f->store, f->id[3]), UD_E_IN_USE);
	assert_int_equal(ud_store_unpin(f->cx, f->store, f->id[5], "x"), UD_OK);
	assert_int_equal(ud_store_drop_newer(f->cx, f->store, f->id[3]), UD_OK);
	check_points(f, 1, 3);
	reopen(f);
	check_points(f, 1, 3);
	/* and the chain goes on from there */
	while (f->newest > 3)
		disks_free(f->at[f->newest--]);
	stir(f);
	assert_int_equal(feed(f, 4), UD_OK);
	check_points(f, 1, 4);
}

static void a_clone_is_the_point_for_qemu(void **state)
{
	struct fixture *f = *state;
	struct ud_clone clone = { 0 };
	size_t left = 0;

	assert_int_equal(ud_store_clone(f->cx, f->store, f->id[4], "tst_1", &clone), UD_OK);
	assert_int_equal(clone.disk_count, 2);
	for (int twice = 0; twice < 2; twice++) {
		for (size_t i = 0; i < 2; i++)
			check_by_qemu(f, clone.disks[i].path, &f->at[4]->disk[i]);
		/* what is below it is merged while it stands */
		assert_int_equal(ud_store_keep(f->cx, f->store, 1, &left), UD_OK);
		assert_int_equal(left, 3);
		reopen(f);
		assert_int_equal(ud_store_clone(f->cx, f->store, f->id[4], "tst_1", &clone), UD_OK);
	}
	assert_int_equal(ud_store_clone(f->cx, f->store, f->id[5], "tst_1", &clone), UD_E_CONFLICT);
	assert_int_equal(ud_store_clone_drop(f->cx, f->store, "tst_1"), UD_OK);
	assert_int_equal(ud_store_clone_drop(f->cx, f->store, "tst_1"), UD_OK);
	assert_int_equal(ud_store_clone_get(f->cx, f->store, "tst_1", &clone), UD_E_NOT_FOUND);
	assert_int_equal(ud_store_keep(f->cx, f->store, 1, &left), UD_OK);
	assert_int_equal(left, 1);
}

static enum ud_code refuse(struct ud_ctx *cx, void *data, int64_t epoch)
{
	(void)epoch;
	return *(bool *)data ? ud_fail(cx, UD_E_INVALID_STATE, NULL, "this host is primary")
			     : UD_OK;
}

static void what_does_not_continue_the_newest_point_is_refused(void **state)
{
	struct fixture *f = *state;
	struct ud_manifest m;
	ud_incoming *in = NULL;
	int64_t records = 0;

	stir(f);
	const struct disks *d = f->at[f->newest];
	const char *id = f->id[f->newest];

	/* an old epoch, an old parent, a foreign one, none, a point that is here */
	assert_int_equal(stores_feed(f->cx, f->store, d, id, f->id[POINTS], 2), UD_E_INVALID_STATE);
	assert_int_equal(stores_feed(f->cx, f->store, d, id, f->id[POINTS - 1], 3), UD_E_CONFLICT);
	assert_int_equal(
		stores_feed(f->cx, f->store, d, id, ud_manifest_id(f->cx), 3), UD_E_CONFLICT);
	assert_int_equal(stores_feed(f->cx, f->store, d, id, "", 3), UD_E_CONFLICT);
	assert_int_equal(stores_feed(f->cx, f->store, d, f->id[POINTS], f->id[POINTS - 1], 3),
		UD_E_ALREADY_EXISTS);
	/* a sender whose parent is another image */
	struct ud_manifest_disk other = { .name = "vda",
		.size_bytes = d->disk[0].size,
		.root = "",
		.parent_root = "0123456789012345678901234567890123456789012345678901234567890123" };

	m = stores_manifest(f->cx, d, id, f->id[POINTS], 3);
	ud_manifest_set_disks(f->cx, &m, &other, 1);
	assert_int_equal(ud_incoming_begin(f->cx, f->store, &m, "", &in, &records), UD_E_CONFLICT);
	/* a disk that shrank */
	other.parent_root = "";
	other.size_bytes -= 512;
	ud_manifest_set_disks(f->cx, &m, &other, 1);
	assert_int_equal(
		ud_incoming_begin(f->cx, f->store, &m, "", &in, &records), UD_E_VALIDATION);
	check_points(f, 1, POINTS);
	assert_int_equal(feed(f, 3), UD_OK);
	check_points(f, 1, POINTS + 1);
}

static void a_primary_takes_nothing_not_even_at_the_end(void **state)
{
	struct fixture *f = *state;
	struct ud_manifest m, stored;
	ud_incoming *in = NULL;
	bool primary = true;

	f->settings.gate = refuse;
	f->settings.gate_data = &primary;
	reopen(f);
	stir(f);
	assert_int_equal(feed(f, 3), UD_E_INVALID_STATE);
	primary = false;
	m = stores_manifest(f->cx, f->at[f->newest], f->id[f->newest], f->id[POINTS], 3);
	assert_int_equal(stores_begin(f->cx, f->store, f->at[f->newest], &m, &in), UD_OK);
	primary = true;
	assert_int_equal(ud_incoming_publish(f->cx, &in, &m, &stored), UD_E_INVALID_STATE);
	check_points(f, 1, POINTS);
	primary = false;
	assert_int_equal(feed(f, 3), UD_OK);
	check_points(f, 1, POINTS + 1);
}

static void a_wrong_root_is_no_point(void **state)
{
	struct fixture *f = *state;
	struct ud_manifest m, stored;
	ud_incoming *in = NULL;

	stir(f);
	/* roots of the state before: as if a dirty extent had been forgotten */
	m = stores_manifest(f->cx, f->at[POINTS], f->id[f->newest], f->id[POINTS], 3);
	assert_int_equal(stores_begin(f->cx, f->store, f->at[f->newest], &m, &in), UD_OK);
	assert_int_equal(ud_incoming_publish(f->cx, &in, &m, &stored), UD_E_CONFLICT);
	check_points(f, 1, POINTS);
	reopen(f);
	assert_int_equal(feed(f, 3), UD_OK);
	check_points(f, 1, POINTS + 1);
}

static void a_point_that_was_left_goes_on(void **state)
{
	struct fixture *f = *state;
	struct ud_manifest m, stored;
	ud_incoming *in = NULL, *other = NULL;
	int64_t records = 0;

	stir(f);
	m = stores_manifest(f->cx, f->at[f->newest], f->id[f->newest], f->id[POINTS], 3);
	assert_int_equal(stores_begin(f->cx, f->store, f->at[f->newest], &m, &in), UD_OK);
	ud_incoming_record(in);
	ud_incoming_record(in);
	assert_int_equal(ud_incoming_begin(f->cx, f->store, &m, "plan", &other, &records),
		UD_E_INVALID_STATE); /* one at a time */
	ud_incoming_leave(&in);
	assert_string_equal(ud_store_receiving(f->cx, f->store), f->id[f->newest]);
	assert_int_equal(ud_incoming_begin(f->cx, f->store, &m, "plan", &in, &records), UD_OK);
	assert_int_equal(records, 2);
	assert_int_equal(ud_incoming_publish(f->cx, &in, &m, &stored), UD_OK);
	check_points(f, 1, POINTS + 1);
}

static void a_disk_grows_and_another_is_added(void **state)
{
	struct fixture *f = *state;
	size_t left = 0;

	stir(f);
	disks_grow(f->at[f->newest], 1, 5 * MIB + 512);
	disks_write(f->at[f->newest], 1, 4 * MIB, MIB, 7);
	disks_add(f->at[f->newest], "vdc", 2 * MIB);
	disks_write(f->at[f->newest], 2, 70000, MIB, 8);
	assert_int_equal(feed(f, 3), UD_OK);
	stir(f);
	assert_int_equal(feed(f, 3), UD_OK);
	check_points(f, 1, POINTS + 2);
	reopen(f);
	check_points(f, 1, POINTS + 2);
	for (int keep = 3; keep >= 1; keep--) {
		assert_int_equal(ud_store_keep(f->cx, f->store, (size_t)keep, &left), UD_OK);
		check_points(f, POINTS + 3 - keep, POINTS + 2);
		reopen(f);
	}
	assert_int_equal(ud_store_keep(f->cx, f->store, 1, &left), UD_OK);
	stir(f);
	assert_int_equal(feed(f, 3), UD_OK);
	struct ud_clone clone = { 0 };

	assert_int_equal(ud_store_clone(f->cx, f->store, f->id[f->newest], "x", &clone), UD_OK);
	for (size_t i = 0; i < 3; i++)
		check_by_qemu(f, clone.disks[i].path, &f->at[f->newest]->disk[i]);
}

static void small_files_go_along(void **state)
{
	struct fixture *f = *state;
	struct ud_manifest m, stored;
	ud_incoming *in = NULL;
	const char *text = NULL;
	size_t n = 0;

	stir(f);
	m = stores_manifest(f->cx, f->at[1], f->id[1], "", 1);
	assert_int_equal(stores_begin(f->cx, f->store, f->at[1], &m, &in), UD_OK);
	assert_int_equal(ud_incoming_file(f->cx, in, "domain.xml", "<domain/>", 9), UD_OK);
	assert_int_equal(ud_incoming_file(f->cx, in, "../x", "y", 1), UD_E_VALIDATION);
	assert_int_equal(ud_incoming_publish(f->cx, &in, &m, &stored), UD_OK);
	reopen(f);
	assert_int_equal(ud_store_file(f->cx, f->store, f->id[1], "domain.xml", &text, &n), UD_OK);
	assert_string_equal(text, "<domain/>");
	assert_int_equal(
		ud_store_file(f->cx, f->store, f->id[1], "nvram", &text, &n), UD_E_NOT_FOUND);
	context_file(f->cx, "store/p/000001/domain.xml", "<domain>");
	assert_int_equal(ud_store_file(f->cx, f->store, f->id[1], "domain.xml", &text, &n),
		UD_E_UNAVAILABLE);
}

static int found_calls;

static enum ud_code scrub(struct fixture *f, struct ud_scrubbed *ret)
{
	const struct ud_scrub how = { 0 };

	return ud_store_scrub(f->cx, f->store, &how, ret);
}

/* Turn one bit of an extent's bytes in the file that holds it. */
static void flip(struct fixture *f, const char *path, int64_t offset)
{
	unsigned char byte = 0;
	int fd = open(context_path(f->cx, path), O_RDWR | O_CLOEXEC);

	assert_int_equal(ud_read_at(fd, &byte, 1, offset), 0);
	byte ^= 16;
	assert_int_equal(ud_write_at(fd, &byte, 1, offset), 0);
	close(fd);
}

/* An extent of vda that no point but the first has touched, and holds data. */
static int64_t untouched(struct fixture *f)
{
	const struct disk_in_memory *d = &f->at[1]->disk[0];

	for (int64_t e = 0; e < ud_extents(d->size) - 1; e++) {
		bool touched = ud_all_zero(d->data + e * UD_EXTENT, UD_EXTENT);

		for (int i = 2; i <= POINTS; i++)
			touched = touched || f->at[i]->disk[0].dirty[e];
		if (!touched)
			return e;
	}
	fail();
	return 0;
}

static void a_flipped_bit_in_the_base_is_found_and_repaired(void **state)
{
	struct fixture *f = *state;
	struct ud_scrubbed s = { 0 };
	struct ud_clone clone = { 0 };
	const struct ud_piece *wrong = NULL;
	int64_t e = untouched(f);
	size_t n = 0;

	assert_int_equal(scrub(f, &s), UD_OK);
	assert_int_equal(s.bad_extents, 0);
	assert_true(s.whole);
	int64_t all = s.extents;

	flip(f, "store/base/vda.raw", e * UD_EXTENT + 17);
	assert_int_equal(scrub(f, &s), UD_OK);
	assert_int_equal(s.bad_extents, 1);
	assert_int_equal(s.extents, all);
	assert_non_null(strstr(s.words, "base/vda.raw"));
	for (int again = 0; again < 2; again++) {
		for (int i = 1; i <= POINTS; i++)
			assert_int_equal(ud_store_clone(f->cx, f->store, f->id[i], "c", &clone),
				UD_E_INVALID_STATE);
		reopen(f); /* it is not forgotten */
	}
	assert_int_equal(ud_store_wrong(f->cx, f->store, &wrong, &n), UD_OK);
	assert_int_equal(n, 1);
	assert_int_equal(wrong[0].offset, e * UD_EXTENT);
	/* other bytes than those that belong there are not taken */
	assert_int_equal(ud_store_mend(f->cx, f->store, "vda", e,
				 f->at[POINTS]->disk[0].data + (e + 1) * UD_EXTENT),
		UD_E_CONFLICT);
	assert_int_equal(ud_store_mend(f->cx, f->store, "vda", e,
				 f->at[POINTS]->disk[0].data + e * UD_EXTENT),
		UD_OK);
	check_points(f, 1, POINTS);
	assert_int_equal(scrub(f, &s), UD_OK);
	assert_int_equal(s.bad_extents, 0);
}

/* A reading through, as its callbacks see it. */
struct reading {
	const struct fixture *f;
	int64_t left;
};

static bool enough(void *data, int64_t bytes_done)
{
	struct reading *r = data;

	(void)bytes_done;
	return --r->left > 0;
}

/* Whoever asks in the middle of it hears of what was found. */
static void count_found(void *data)
{
	const struct reading *r = data;

	assert_true(ud_store_is_wrong(r->f->store));
	found_calls++;
}

/* It stops after each slice, the store is opened anew between, and every extent is read once. */
static void a_scrub_goes_on_where_it_was_stopped(void **state)
{
	struct fixture *f = *state;
	struct ud_scrubbed s = { 0 };
	struct ud_stored_point p = { 0 };
	struct reading r = { .f = f };
	int64_t all, read = 0, runs = 0, bad = 0, e = untouched(f);

	assert_int_equal(scrub(f, &s), UD_OK);
	all = s.extents;
	assert_int_equal(ud_store_scrubbed_ms(f->cx, f->store), 0);
	flip(f, "store/base/vda.raw", e * UD_EXTENT + 17);
	found_calls = 0;
	do {
		const struct ud_scrub how = {
			.go_on = enough, .found = count_found, .data = &r, .resume = true
		};

		r.left = 1;
		assert_int_equal(ud_store_scrub(f->cx, f->store, &how, &s), UD_OK);
		read += s.extents;
		bad += s.bad_extents;
		runs++;
		assert_int_equal(ud_store_scrubbed_ms(f->cx, f->store) > 0, s.whole);
		if (bad) { /* the points that show it are bad long before the end */
			assert_int_equal(ud_store_newest(f->cx, f->store, &p), UD_OK);
			assert_string_not_equal(p.bad, "");
		}
		reopen(f);
		assert_true(runs < 1000);
	} while (!s.whole);
	assert_true(runs > 2);
	assert_int_equal(read, all);
	assert_int_equal(bad, 1);
	assert_int_equal(found_calls, 1);
	/* the next one begins at the beginning */
	r.left = INT64_MAX;
	const struct ud_scrub again = { .go_on = enough, .data = &r, .resume = true };

	assert_int_equal(ud_store_scrub(f->cx, f->store, &again, &s), UD_OK);
	assert_int_equal(s.extents, all);
}

/* Where a point's file has an extent, by its list of hashes. */
static int64_t place_of(struct fixture *f, const char *path, int64_t extent)
{
	int fd = open(context_path(f->cx, path), O_RDONLY | O_CLOEXEC);
	int64_t entry[7] = { 0 };

	assert_true(fd >= 0);
	for (int64_t at = 0; at == 0 || entry[0] != extent; at += (int64_t)sizeof(entry))
		assert_int_equal(ud_read_at(fd, entry, sizeof(entry), at), 0);
	close(fd);
	return entry[2];
}

/* A reading ends with hashes made anew, beside a point that is on its way. */
static void a_point_comes_in_while_all_is_read(void **state)
{
	struct fixture *f = *state;
	struct ud_manifest m, stored;
	struct ud_scrubbed s = { 0 };
	ud_incoming *in = NULL;

	stir(f);
	m = stores_manifest(f->cx, f->at[f->newest], f->id[f->newest], f->id[POINTS], 3);
	assert_int_equal(stores_begin(f->cx, f->store, f->at[f->newest], &m, &in), UD_OK);
	assert_int_equal(scrub(f, &s), UD_OK);
	assert_true(s.whole);
	assert_int_equal(ud_incoming_publish(f->cx, &in, &m, &stored), UD_OK);
	check_points(f, 1, POINTS + 1);
}

static void a_wrong_extent_harms_only_the_points_that_show_it(void **state)
{
	struct fixture *f = *state;
	struct ud_scrubbed s = { 0 };
	const struct ud_piece *wrong = NULL;
	struct ud_stored_point p = { 0 };
	size_t n = 0, left = 0;

	/* point 3 writes it, point 4 writes it again */
	flip(f, "store/p/000003/vda.qcow2", place_of(f, "store/p/000003/vda.sums", TWICE) + 99);
	assert_int_equal(scrub(f, &s), UD_OK);
	assert_int_equal(s.bad_extents, 1);
	for (int i = 1; i <= POINTS; i++) {
		assert_int_equal(ud_store_point(f->cx, f->store, f->id[i], &p), UD_OK);
		assert_int_equal(*p.bad != 0, i == 3);
	}
	assert_int_equal(ud_store_wrong(f->cx, f->store, &wrong, &n), UD_OK);
	assert_int_equal(n, 0); /* the newest does not show it: nothing can be asked for */
	/* merged away it is gone */
	assert_int_equal(ud_store_keep(f->cx, f->store, 2, &left), UD_OK);
	check_points(f, POINTS - 1, POINTS);
	assert_int_equal(scrub(f, &s), UD_OK);
	assert_int_equal(s.bad_extents, 0);
}

static void merging_finds_a_flipped_bit(void **state)
{
	struct fixture *f = *state;
	struct ud_stored_point p = { 0 };
	const char *words = "";
	size_t left = 0;

	flip(f, "store/p/000002/vda.qcow2", 2 * UD_EXTENT + 5);
	assert_int_equal(ud_store_keep(f->cx, f->store, POINTS - 2, &left), UD_OK);
	assert_int_equal(left, POINTS - 2);
	assert_int_equal(ud_store_point(f->cx, f->store, f->id[3], &p), UD_OK);
	words = p.bad;
	/* unless the third point wrote the same extent it shows the wrong bit now */
	bool same = stores_equal(f->cx, f->store, f->id[3], f->at[3]);

	assert_int_equal(*words == 0, same);
}

static void hashes_that_are_lost_are_made_again(void **state)
{
	struct fixture *f = *state;
	static const char *const trees[] = { "store/head/vda.tree", "store/base/vda.tree" };

	for (size_t i = 0; i < UD_LEN(trees); i++) {
		ud_store_release(&f->store);
		assert_int_equal(unlink(context_path(f->cx, trees[i])), 0);
		if (i == 1)
			assert_int_equal(unlink(context_path(f->cx, trees[0])), 0);
		open_store(f);
		check_points(f, 1, f->newest);
		stir(f);
		assert_int_equal(feed(f, 3), UD_OK);
		stores_check(f->cx, f->store, f->id[f->newest], f->at[f->newest]);
	}
}

static void leftovers_are_removed(void **state)
{
	struct fixture *f = *state;
	struct ud_clone clone = { 0 };
	size_t left = 0;

	assert_int_equal(ud_store_clone(f->cx, f->store, f->id[2], "half", &clone), UD_OK);
	ud_store_release(&f->store);
	assert_int_equal(unlink(context_path(f->cx, "store/clone/half/point")), 0);
	assert_int_equal(mkdir(context_path(f->cx, "store/p/000007"), 0700), 0);
	context_file(f->cx, "store/p/000007/vda.qcow2", "half");
	context_file(f->cx, "store/p/000007/manifest.json.part", "{");
	open_store(f);
	check_points(f, 1, POINTS);
	assert_int_equal(access(context_path(f->cx, "store/p/000007"), F_OK), -1);
	assert_int_equal(access(context_path(f->cx, "store/clone/half"), F_OK), -1);
	assert_int_equal(ud_store_keep(f->cx, f->store, 1, &left), UD_OK);
	assert_int_equal(left, 1); /* its pin is gone, too */
}

static void a_manifest_that_nobody_understands_stops_the_store(void **state)
{
	struct fixture *f = *state;
	const char *reason = NULL;

	ud_store_release(&f->store);
	context_file(f->cx, "store/p/000004/manifest.json", "{\"id\":");
	open_store(f);
	assert_int_equal(ud_store_state(f->cx, f->store, &reason), UD_STORE_FAILED);
	assert_non_null(strstr(reason, "p/000004/manifest.json"));
	stir(f);
	assert_int_equal(feed(f, 3), UD_E_INVALID_STATE);
	/* older points are good, newer ones lost their parent */
	for (int i = 1; i <= POINTS; i++) {
		struct ud_stored_point p = { 0 };

		if (i == 4)
			continue;
		assert_int_equal(ud_store_point(f->cx, f->store, f->id[i], &p), UD_OK);
		assert_int_equal(*p.bad != 0, i > 4);
		if (i < 4)
			stores_check(f->cx, f->store, f->id[i], f->at[i]);
	}
}

static void only_one_process_has_it(void **state)
{
	struct fixture *f = *state;
	ud_store *second = NULL;

	assert_int_equal(ud_store_open(f->cx, &f->settings, &second), UD_E_IN_USE);
}

static void below_its_reserve_nothing_comes_in(void **state)
{
	struct fixture *f = *state;
	const char *reason = NULL;

	ud_store_release(&f->store);
	f->settings.reserve_bytes = INT64_C(1) << 60;
	open_store(f);
	stir(f);
	assert_int_equal(feed(f, 3), UD_E_STORAGE_FULL);
	assert_int_equal(ud_store_state(f->cx, f->store, &reason), UD_STORE_FULL);
	check_points(f, 1, POINTS);
	ud_store_release(&f->store);
	f->settings.reserve_bytes = 0;
	open_store(f);
	assert_int_equal(feed(f, 3), UD_OK);
	assert_int_equal(ud_store_state(f->cx, f->store, &reason), UD_STORE_GOOD);
}

/* The file system takes no more: here a limit on the size of files stands in for it. */
static void a_full_disk_keeps_the_last_point(void **state)
{
	struct fixture *f = *state;
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	const char *reason = NULL;

	signal(SIGXFSZ, SIG_IGN);
	for (rlim_t limit = 0; limit < 40 * UD_EXTENT; limit += 5 * UD_EXTENT + 1000) {
		const struct rlimit small = { limit, RLIM_INFINITY };

		stir(f);
		disks_write(f->at[f->newest], 0, MIB, 4 * MIB, 77);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
		enum ud_code code = feed(f, 3);

		assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
		assert_int_equal(code, UD_E_STORAGE_FULL);
		assert_int_equal(ud_store_state(f->cx, f->store, &reason), UD_STORE_FULL);
		assert_int_equal(stores_count(f->cx, f->store), f->newest - 1);
		stores_check(f->cx, f->store, f->id[f->newest - 1], f->at[f->newest - 1]);
		assert_int_equal(feed(f, 3), UD_OK); /* there is room again */
		if (f->newest == POINTS + 3)
			return;
	}
}

static void deltas_between_points_are_a_source(void **state)
{
	struct fixture *f = *state;
	ud_source *source = NULL;
	struct ud_store_settings third = { .path = context_path(f->cx, "third") };
	ud_store *store = NULL;
	size_t left = 0;

	/* everything up to 2, then 2 to 5 in one: what a third host would get */
	assert_int_equal(ud_store_open(f->cx, &third, &store), UD_OK);
	assert_int_equal(ud_store_source(f->cx, f->store, "", f->id[2], &source), UD_OK);
	assert_int_equal(ud_store_seed(f->cx, store, source), UD_OK);
	ud_source_release(&source);
	assert_true(ud_store_seeded(store));
	assert_int_equal(ud_store_source(f->cx, f->store, f->id[2], f->id[5], &source), UD_OK);
	/* held: nothing of it is merged */
	assert_int_equal(ud_store_keep(f->cx, f->store, 1, &left), UD_OK);
	assert_int_equal(left, POINTS - 1);
	ud_source_release(&source);
	assert_int_equal(ud_store_keep(f->cx, f->store, 1, &left), UD_OK);
	assert_int_equal(left, 1);
	assert_int_equal(
		ud_store_source(f->cx, f->store, f->id[2], f->id[6], &source), UD_E_NOT_FOUND);
	ud_store_release(&store);
}

static void a_store_can_be_given_up(void **state)
{
	struct fixture *f = *state;
	struct ud_clone clone = { 0 };

	assert_int_equal(ud_store_clone(f->cx, f->store, f->id[2], "c", &clone), UD_OK);
	assert_int_equal(ud_store_clear(f->cx, f->store), UD_E_IN_USE);
	assert_int_equal(ud_store_clone_drop(f->cx, f->store, "c"), UD_OK);
	assert_int_equal(ud_store_clear(f->cx, f->store), UD_OK);
	assert_int_equal(stores_count(f->cx, f->store), 0);
	assert_int_equal(access(context_path(f->cx, "store/base/vda.raw"), F_OK), -1);
	reopen(f);
	assert_int_equal(stores_count(f->cx, f->store), 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin_with_points, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(every_point_is_what_its_source_was),
		CASE(merging_changes_no_other_point),
		CASE(a_pin_keeps_its_point_and_all_newer_ones),
		CASE(newer_points_can_be_dropped),
		CASE(a_clone_is_the_point_for_qemu),
		CASE(what_does_not_continue_the_newest_point_is_refused),
		CASE(a_primary_takes_nothing_not_even_at_the_end),
		CASE(a_wrong_root_is_no_point),
		CASE(a_point_that_was_left_goes_on),
		CASE(a_disk_grows_and_another_is_added),
		cmocka_unit_test_setup_teardown(small_files_go_along, begin, end),
		CASE(a_flipped_bit_in_the_base_is_found_and_repaired),
		CASE(a_scrub_goes_on_where_it_was_stopped),
		CASE(a_point_comes_in_while_all_is_read),
		CASE(a_wrong_extent_harms_only_the_points_that_show_it),
		CASE(merging_finds_a_flipped_bit),
		CASE(hashes_that_are_lost_are_made_again),
		CASE(leftovers_are_removed),
		CASE(a_manifest_that_nobody_understands_stops_the_store),
		CASE(only_one_process_has_it),
		CASE(below_its_reserve_nothing_comes_in),
		CASE(a_full_disk_keeps_the_last_point),
		CASE(deltas_between_points_are_a_source),
		CASE(a_store_can_be_given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
