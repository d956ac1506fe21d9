/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sender and receiver over real connections: points arrive whole or not at all, whatever the link
 * does, and nobody but the right agent may talk.
 */
#include "agent/replication/sender.h"

#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/replication/tree.h"
#include "support/context.h"
#include "support/ends.h"

enum { MIB = 1 << 20 };

static void ship(struct ends *e, enum ud_ship how, struct ud_shipped *ret)
{
	if (ends_ship(e, how, ret) != UD_OK)
		fail_msg("%s", e->cx->problem.detail);
}

static void points_arrive_with_the_same_roots(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };
	const struct ud_manifest_disk *disks = NULL;
	char root[UD_SHA256_HEX];
	const char *text = NULL;
	size_t n = 0;

	ship(e, UD_SHIP_FULL, &s);
	for (uint64_t i = 0; i < 5; i++) {
		disks_stir(e->disks, 50 + i, 6);
		ship(e, UD_SHIP_DELTA, &s);
		assert_int_equal(ud_manifest_disks(e->cx, &s.point, &disks, &n), UD_OK);
		for (size_t k = 0; k < 2; k++) {
			disks_root(e->disks, k, root);
			assert_string_equal(disks[k].root, root);
		}
	}
	ends_check(e);
	assert_string_equal(e->peer, "agt_source");
	assert_int_equal(ud_store_file(e->cx, e->store, e->id[3], "domain.xml", &text, &n), UD_OK);
	assert_string_equal(text, "<domain/>");
}

/* A sender's word that this is all there is reaches the target, with how long ago it looked. */
static void what_is_confirmed_is_told(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	ship(e, UD_SHIP_FULL, &s);
	assert_int_equal(ud_sender_confirm(e->cx, e->sender, e->id[0], 1234), UD_OK);
	assert_string_equal(e->confirmed, ud_printf(e->cx->arena, "%s 1234", e->id[0]));
	disks_stir(e->disks, 5, 2);
	ship(e, UD_SHIP_DELTA, &s); /* the connection is of use as before */
	ends_check(e);
}

static void only_what_changed_travels(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	ship(e, UD_SHIP_FULL, &s);
	disks_write(e->disks, 0, 5 * UD_EXTENT + 7, 100, 9);
	disks_zero(e->disks, 0, 8 * MIB, 4 * MIB); /* a discard: much dirty, nothing to read */
	ship(e, UD_SHIP_DELTA, &s);
	assert_int_equal(s.read_bytes, UD_EXTENT);
	assert_true(s.wire_bytes < 2 * UD_EXTENT);
	assert_int_equal(s.point.changed_bytes, UD_EXTENT + 4 * MIB);
	ends_check(e);
}

static void stat_file(struct ends *e, int n, struct stat *ret)
{
	const char *path =
		ud_printf(e->cx->arena, "%s/p/%06d/domain.xml", e->store_settings.path, n);

	assert_int_equal(stat(path, ret), 0);
}

/* A file that is as it was is the parent's own; one that rotted there comes again. */
static void a_file_that_is_there_is_not_sent_again(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };
	struct stat first, second, third;
	const char *text = NULL;
	size_t n = 0;

	ship(e, UD_SHIP_FULL, &s);
	ship(e, UD_SHIP_DELTA, &s);
	stat_file(e, 1, &first);
	stat_file(e, 2, &second);
	assert_int_equal(first.st_ino, second.st_ino);
	assert_int_equal(
		truncate(ud_printf(e->cx->arena, "%s/p/000002/domain.xml", e->store_settings.path),
			3),
		0);
	ship(e, UD_SHIP_DELTA, &s);
	stat_file(e, 3, &third);
	assert_int_not_equal(second.st_ino, third.st_ino);
	assert_int_equal(ud_store_file(e->cx, e->store, e->id[2], "domain.xml", &text, &n), UD_OK);
	assert_int_equal(n, strlen("<domain/>"));
	assert_memory_equal(text, "<domain/>", n);
}

static void either_end_may_restart_between_points(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	ship(e, UD_SHIP_FULL, &s);
	for (uint64_t i = 0; i < 6; i++) {
		disks_stir(e->disks, 80 + i, 4);
		if (i % 2)
			ends_sender(e);
		if (i % 3)
			ends_restart_target(e);
		ship(e, UD_SHIP_DELTA, &s);
	}
	ends_check(e);
}

static void a_lost_answer_is_no_second_point(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 }, again = { 0 };

	ship(e, UD_SHIP_FULL, &s);
	disks_stir(e->disks, 3, 4);
	struct disks *before = disks_copy(e->disks);

	ship(e, UD_SHIP_DELTA, &s);
	/* as if the answer had not come: the same once more, by a sender that was restarted */
	const char *id = e->id[--e->points];

	disks_free(e->disks);
	disks_free(e->at[e->points]);
	e->disks = before;
	ends_sender(e);
	assert_int_equal(ends_ship_id(e, UD_SHIP_DELTA, id, &again), UD_OK);
	assert_string_equal(again.point.id, s.point.id);
	assert_int_equal(again.read_bytes, 0);
	disks_stir(e->disks, 4, 4);
	ship(e, UD_SHIP_DELTA, &s);
	ends_check(e);
}

static void a_cut_delta_goes_on_at_the_last_whole_chunk(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	e->settings.compression = UD_COMPRESSION_NONE;
	ends_sender(e);
	ship(e, UD_SHIP_FULL, &s);
	disks_write(e->disks, 0, 0, 20 * MIB, 11);
	const char *id = ud_manifest_id(e->cx);

	relay_set(e->relay, (struct relay_faults){ .cut_after = 11 * MIB });
	assert_int_equal(ends_ship_id(e, UD_SHIP_DELTA, id, &s), UD_E_UNAVAILABLE);
	struct ud_sender_have have = { 0 };

	/* the receiver learns of the cut in its own time */
	for (int i = 0; i < 2000 && !*ud_store_receiving(e->cx, e->store); i++)
		assert_int_equal(ud_sender_have(e->cx, e->sender, &have), UD_OK);
	assert_int_equal(ud_sender_have(e->cx, e->sender, &have), UD_OK);
	assert_string_equal(have.receiving_id, id);
	assert_string_equal(have.newest_id, e->id[0]);
	assert_int_equal(ends_ship_id(e, UD_SHIP_DELTA, id, &s), UD_OK);
	assert_true(s.resumed_bytes >= 8 * MIB);
	assert_true(s.wire_bytes < 13 * MIB);
	ends_check(e);
}

static void a_cut_full_copy_goes_on_by_hashes(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	e->settings.compression = UD_COMPRESSION_NONE;
	ends_sender(e);
	disks_write(e->disks, 0, 0, 20 * MIB, 12);
	relay_set(e->relay, (struct relay_faults){ .cut_after = 12 * MIB });
	assert_int_equal(ends_ship(e, UD_SHIP_FULL, &s), UD_E_UNAVAILABLE);
	ends_restart_target(e); /* hashes are reckoned from what is there */
	struct ud_sender_have have = { 0 };

	assert_int_equal(ud_sender_have(e->cx, e->sender, &have), UD_OK);
	assert_true(have.seeded);
	assert_string_equal(have.newest_id, "");
	disks_stir(e->disks, 77, 5); /* the VM went on: it is another image now */
	ship(e, UD_SHIP_FULL, &s);
	assert_true(s.wire_bytes < 16 * MIB);
	ends_check(e);
	disks_stir(e->disks, 78, 5);
	ship(e, UD_SHIP_DELTA, &s);
	ends_check(e);
}

static void comparing_finds_what_no_bitmap_tells(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	ship(e, UD_SHIP_FULL, &s);
	disks_write(e->disks, 0, 3 * MIB, 70000, 5);
	disks_zero(e->disks, 0, 6 * MIB, MIB);
	disks_write(e->disks, 1, 100, 10, 6);
	disks_clean(e->disks); /* bitmaps are lost, and so are the hashes */
	assert_int_equal(unlink(context_path(e->cx, "hashes/parent")), 0);
	ends_sender(e);
	disks_write(e->disks, 1, 0, 10, 7);
	assert_int_equal(ends_ship(e, UD_SHIP_DELTA, &s), UD_E_CONFLICT);
	ship(e, UD_SHIP_COMPARE, &s);
	assert_int_equal(s.point.kind, UD_MANIFEST_RESYNC);
	assert_true(s.wire_bytes < 2 * MIB);
	ends_check(e);
	disks_stir(e->disks, 8, 5);
	ship(e, UD_SHIP_DELTA, &s);
	ends_check(e);
}

static void an_old_copy_on_the_target_spares_the_full_one(void **state)
{
	struct ends *e = *state;
	ud_source *source = disks_source(e->disks, 0);
	struct ud_shipped s = { 0 };

	assert_int_equal(ud_store_seed(e->cx, e->store, source), UD_OK);
	ud_source_release(&source);
	disks_stir(e->disks, 21, 4);
	ship(e, UD_SHIP_COMPARE, &s);
	assert_true(s.wire_bytes < 2 * MIB);
	ends_check(e);
	disks_stir(e->disks, 22, 4);
	ship(e, UD_SHIP_DELTA, &s);
	ends_check(e);
}

static void external_media_carry_the_first_point(void **state)
{
	struct ends *e = *state;
	const char *folder = context_path(e->cx, "media");
	ud_source *source = disks_source(e->disks, 12);
	struct ud_ship_job job = { .point = { .id = ud_manifest_id(e->cx), .epoch = 1 },
		.how = UD_SHIP_FULL,
		.source = source };
	struct ud_shipped s = { 0 };

	/* it stops in the middle, and goes on */
	assert_int_equal(ud_sender_export(e->cx, e->sender, &job, folder, &s), UD_E_HYPERVISOR);
	assert_int_equal(ud_store_import(e->cx, e->store, folder), UD_E_NOT_FOUND);
	ud_source_release(&source);
	job.source = source = disks_source(e->disks, 0);
	assert_int_equal(ud_sender_export(e->cx, e->sender, &job, folder, &s), UD_OK);
	assert_true(s.resumed_bytes > 0);
	ud_source_release(&source);
	assert_int_equal(ud_store_import(e->cx, e->store, folder), UD_OK);
	e->at[0] = disks_copy(e->disks);
	e->id[e->points++] = job.point.id;
	ends_check(e);
	disks_clean(e->disks);
	disks_stir(e->disks, 31, 4);
	ship(e, UD_SHIP_DELTA, &s);
	ends_check(e);
}

static void a_turned_bit_on_the_link_harms_nothing(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	ship(e, UD_SHIP_FULL, &s);
	for (int64_t i = 1; i <= 6; i++) {
		disks_stir(e->disks, (uint64_t)i, 5);
		relay_set(e->relay, (struct relay_faults){ .corrupt_at = 20000 * i * i });
		while (ends_ship(e, UD_SHIP_DELTA, &s) != UD_OK)
			relay_set(e->relay, (struct relay_faults){ 0 });
		ends_check(e);
	}
}

static void a_stalled_link_times_out(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	ship(e, UD_SHIP_FULL, &s);
	e->settings.timeout_ms = 50;
	ends_sender(e);
	disks_stir(e->disks, 2, 5);
	relay_set(e->relay, (struct relay_faults){ .stall = true });
	assert_int_equal(ends_ship(e, UD_SHIP_DELTA, &s), UD_E_UNAVAILABLE);
	relay_set(e->relay, (struct relay_faults){ 0 });
	e->settings.timeout_ms = 20000;
	ends_sender(e);
	ship(e, UD_SHIP_DELTA, &s);
	ends_check(e);
}

static void a_source_that_fails_makes_no_point(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };
	ud_source *source;

	ship(e, UD_SHIP_FULL, &s);
	disks_write(e->disks, 0, 0, 9 * MIB, 3);
	source = disks_source(e->disks, 5);
	const struct ud_ship_job job = {
		.point = { .id = ud_manifest_id(e->cx), .parent = e->id[0], .epoch = 1 },
		.how = UD_SHIP_DELTA,
		.source = source
	};

	assert_int_equal(ud_sender_ship(e->cx, e->sender, &job, &s), UD_E_HYPERVISOR);
	assert_non_null(strstr(e->cx->problem.detail, "reading vda"));
	ud_source_release(&source);
	ends_check(e);
	ship(e, UD_SHIP_DELTA, &s);
	ends_check(e);
}

static void the_targets_refusal_comes_with_its_words(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	e->refuse = UD_E_INVALID_STATE;
	assert_int_equal(ends_ship(e, UD_SHIP_FULL, &s), UD_E_INVALID_STATE);
	assert_string_equal(e->cx->problem.detail, "the target: not now");
	e->refuse = UD_OK;
	ship(e, UD_SHIP_FULL, &s);
	/* a full target says so in the middle of the data */
	ud_receiver_cut(e->receiver, "rep_1");
	e->store_settings.reserve_bytes = INT64_C(1) << 60;
	ends_restart_target(e);
	disks_write(e->disks, 0, 0, 20 * MIB, 3);
	assert_int_equal(ends_ship(e, UD_SHIP_DELTA, &s), UD_E_STORAGE_FULL);
	e->store_settings.reserve_bytes = 0;
	ends_restart_target(e);
	ship(e, UD_SHIP_DELTA, &s);
	ends_check(e);
}

/* One who asks for the store, and one who wants all connections gone. */
struct asking {
	struct ends *e;
	pthread_mutex_t mutex;
	pthread_cond_t moved;
	bool asked, cut, early;
};

static void slow_answer(void *data)
{
	enum { LOOK_MS = 300 };
	struct asking *a = data;
	struct timespec until;

	pthread_mutex_lock(&a->mutex);
	a->asked = true;
	pthread_cond_broadcast(&a->moved);
	ud_deadline(LOOK_MS, &until);
	while (!a->cut && pthread_cond_timedwait(&a->moved, &a->mutex, &until) == 0)
		continue;
	a->early = a->cut;
	pthread_mutex_unlock(&a->mutex);
}

static void *cut_while_asked(void *data)
{
	struct asking *a = data;

	pthread_mutex_lock(&a->mutex);
	while (!a->asked)
		pthread_cond_wait(&a->moved, &a->mutex);
	pthread_mutex_unlock(&a->mutex);
	ud_receiver_cut(a->e->receiver, "rep_1");
	pthread_mutex_lock(&a->mutex);
	a->cut = true;
	pthread_cond_broadcast(&a->moved);
	pthread_mutex_unlock(&a->mutex);
	return NULL;
}

/* Else the store is closed under the feet of whoever was just given it. */
static void who_asks_for_the_store_is_waited_for(void **state)
{
	struct ends *e = *state;
	struct asking a = { .e = e, .mutex = PTHREAD_MUTEX_INITIALIZER };
	struct ud_sender_have have = { 0 };
	pthread_condattr_t attributes;
	pthread_t thread;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&a.moved, &attributes);
	e->asked = slow_answer;
	e->asked_data = &a;
	assert_int_equal(pthread_create(&thread, NULL, cut_while_asked, &a), 0);
	/* whether it comes through the cut is not what matters */
	(void)!ud_sender_have(e->cx, e->sender, &have);
	pthread_join(thread, NULL);
	assert_false(a.early);
	pthread_cond_destroy(&a.moved);
}

static void a_wrong_extent_is_repaired_from_the_source(void **state)
{
	struct ends *e = *state;
	const struct ud_scrub how = { 0 };
	struct ud_scrubbed found = { 0 };
	struct ud_shipped s = { 0 };
	int64_t n = 0;

	ship(e, UD_SHIP_FULL, &s);
	ud_source *source = disks_source(e->disks, 0);

	assert_int_equal(ud_sender_verify(e->cx, e->sender, source, 1000, &n), UD_OK);
	assert_int_equal(
		n, ud_extents(e->disks->disk[0].size) + ud_extents(e->disks->disk[1].size));
	/* the bytes on the disk rot; nobody told the store */
	FILE *f = fopen(context_path(e->cx, "replica/base/vda.raw"), "r+");

	for (long at = 3; at < 24 * MIB; at += 5 * MIB) {
		fseek(f, at, SEEK_SET);
		int c = fgetc(f);

		fseek(f, at, SEEK_SET);
		fputc(c ^ 1, f);
	}
	fclose(f);
	assert_int_equal(ud_store_scrub(e->cx, e->store, &how, &found), UD_OK);
	assert_int_equal(found.bad_extents, 5);
	assert_int_equal(ud_sender_repair(e->cx, e->sender, source, &n), UD_OK);
	assert_int_equal(n, 5);
	assert_int_equal(ud_store_scrub(e->cx, e->store, &how, &found), UD_OK);
	assert_int_equal(found.bad_extents, 0);
	ends_check(e);
	/* and a source that is another image is found out */
	disks_write(e->disks, 1, MIB, 1, 99);
	assert_int_equal(ud_sender_verify(e->cx, e->sender, source, 1000, &n), UD_E_CONFLICT);
	assert_non_null(strstr(e->cx->problem.detail, "extent 16 of vdb"));
	ud_source_release(&source);
}

static void peers_can_ask_other_things(void **state)
{
	struct ends *e = *state;
	const struct ud_piece *pieces = NULL;
	const struct ud_source_disk disks[] = { { "vdb", 1 }, { "vda", 1 } };
	const char *answer = NULL;
	size_t n = 0;

	assert_int_equal(ud_sender_lease(e->cx, e->sender, "hello", &answer), UD_OK);
	assert_string_equal(answer, "agt_source heard hello");
	assert_int_equal(
		ud_sender_changed(e->cx, e->sender, "rpt_x", disks, 2, &pieces, &n), UD_OK);
	assert_int_equal(n, 5000);
	assert_int_equal(pieces[4999].disk, 1);
	assert_int_equal(pieces[4999].offset, 4999 * 3 * 512);
}

static void the_way_back_ships_the_union(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };
	const struct ud_piece theirs[] = { { 0, MIB, 70000 }, { 0, INT64_C(1) << 40, 512 } };

	ship(e, UD_SHIP_FULL, &s);
	disks_write(e->disks, 1, 0, 10, 1);
	ud_source *source = disks_source(e->disks, 0), *both = NULL;

	assert_int_equal(ud_source_union(e->cx, &source, theirs, 2, &both), UD_OK);
	assert_null(source);
	const struct ud_ship_job job = {
		.point = { .id = ud_manifest_id(e->cx), .parent = e->id[0], .epoch = 1 },
		.how = UD_SHIP_DELTA,
		.source = both
	};

	assert_int_equal(ud_sender_ship(e->cx, e->sender, &job, &s), UD_OK);
	/* extents 16 and 17 of vda beside the one that was written */
	assert_int_equal(s.point.changed_bytes, 3 * UD_EXTENT);
	ud_source_release(&both);
	e->at[e->points] = disks_copy(e->disks);
	e->id[e->points++] = job.point.id;
	ends_check(e);
}

/* Both sides wrote by themselves after they parted. What either calls dirty is all that is read,
 * and what is the same there does not travel. */
static void after_a_parting_the_union_is_compared(void **state)
{
	struct ends *e = *state;
	const struct ud_piece theirs[] = { { 0, MIB, 70000 }, { 1, 0, 1000 } };
	struct disks *parted = disks_copy(e->disks);
	struct ud_shipped s = { 0 };

	disks_write(parted, 0, MIB, 70000, 41);
	disks_write(parted, 1, 0, 1000, 42);
	ud_source *source = disks_source(parted, 0), *both = NULL;

	assert_int_equal(ud_store_seed(e->cx, e->store, source), UD_OK);
	ud_source_release(&source);
	disks_free(parted);
	disks_clean(e->disks);
	disks_write(e->disks, 0, 5 * MIB, 10, 43);
	disks_zero(e->disks, 0, 9 * MIB, MIB);
	disks_write(e->disks, 1, 0, 1000, 42); /* the same at both ends */
	source = disks_source(e->disks, 0);
	assert_int_equal(ud_source_union(e->cx, &source, theirs, 2, &both), UD_OK);
	const struct ud_ship_job job = { .point = { .id = ud_manifest_id(e->cx), .epoch = 1 },
		.how = UD_SHIP_UNION,
		.source = both };

	if (ud_sender_ship(e->cx, e->sender, &job, &s) != UD_OK)
		fail_msg("%s", e->cx->problem.detail);
	ud_source_release(&both);
	/* two extents of theirs, one of ours, one of both; the discarded ones need no reading */
	assert_int_equal(s.read_bytes, 4 * UD_EXTENT);
	assert_true(s.wire_bytes < 4 * UD_EXTENT);
	assert_int_equal(s.point.kind, UD_MANIFEST_RESYNC);
	e->at[0] = disks_copy(e->disks);
	e->id[e->points++] = job.point.id;
	ends_check(e);
	disks_clean(e->disks);
	disks_stir(e->disks, 44, 5);
	ship(e, UD_SHIP_DELTA, &s);
	ends_check(e);
}

/* A third host: points of the second are forwarded, several in one where its schedule is slower. */
static void points_are_forwarded_to_a_third_host(void **state)
{
	struct ends *e = *state;
	static const int taken[] = { 0, 2, 5 }; /* points that the third host gets */
	ud_store *second = e->store;
	struct ud_shipped s = { 0 };

	ship(e, UD_SHIP_FULL, &s);
	for (uint64_t i = 0; i < 5; i++) {
		disks_stir(e->disks, 60 + i, 6);
		ship(e, UD_SHIP_DELTA, &s);
	}
	/* the receiver's relation leads to the third store from here on */
	struct ud_store_settings settings = { .path = context_path(e->cx, "third") };

	ud_receiver_cut(e->receiver, "rep_1");
	assert_int_equal(ud_store_open(e->cx, &settings, &e->store), UD_OK);
	e->settings.folder = context_path(e->cx, "hashes-of-the-second");
	ends_sender(e);
	for (size_t i = 0; i < UD_LEN(taken); i++) {
		const char *from = i ? e->id[taken[i - 1]] : "", *to = e->id[taken[i]];
		ud_source *source = NULL;

		assert_int_equal(ud_store_source(e->cx, second, from, to, &source), UD_OK);
		const struct ud_ship_job job = { .point = { .id = to, .parent = from, .epoch = 1 },
			.how = i ? UD_SHIP_DELTA : UD_SHIP_FULL,
			.source = source };

		assert_int_equal(ud_sender_ship(e->cx, e->sender, &job, &s), UD_OK);
		ud_source_release(&source);
	}
	assert_int_equal(stores_count(e->cx, e->store), UD_LEN(taken));
	for (size_t i = 0; i < UD_LEN(taken); i++)
		stores_check(e->cx, e->store, e->id[taken[i]], e->at[taken[i]]);
	ud_receiver_cut(e->receiver, "rep_1");
	ud_store_release(&second);
}

static void a_rate_is_kept(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };

	e->settings.compression = UD_COMPRESSION_NONE;
	ends_sender(e);
	ship(e, UD_SHIP_FULL, &s);
	disks_write(e->disks, 0, 0, 8 * MIB, 3);
	ud_sender_set_rate(e->sender, 16 * MIB, NULL, 0);
	ship(e, UD_SHIP_DELTA, &s);
	/* 8 MiB at 16 MiB/s, of which a quarter of a second is in the bucket */
	assert_true(s.duration_ms >= 200);
	ends_check(e);
}

/* ---- who may talk ---- */

/* A certificate on either end, and what comes of it. */
static void try_peer(struct ends *e, struct ud_peer peer, enum ud_code want)
{
	struct ud_sender_have have = { 0 };

	e->settings.peer = peer;
	ends_sender(e);
	e->peer[0] = 0;
	enum ud_code code = ud_sender_have(e->cx, e->sender, &have);

	if (code != want)
		fail_msg("%s: %s", ud_error_info(code)->name,
			e->cx->problem.detail ? e->cx->problem.detail : "");
	if (want != UD_OK)
		assert_string_equal(e->peer, ""); /* the receiver asked for no store */
}

static void nobody_but_an_agent_of_ours_may_talk(void **state)
{
	struct ends *e = *state;
	struct ud_ctx *cx = e->cx;
	struct ends_authority stranger = ends_authority(cx);
	const struct ud_peer good = e->settings.peer;
	struct ud_peer p = good;

	try_peer(e, good, UD_OK);
	/* signed by another root */
	p.identity = ends_identity(cx, &stranger, UD_X509_AGENT, "agt_source", 0);
	try_peer(e, p, UD_E_CERTIFICATE_REFUSED);
	/* of our root, but a server's */
	p.identity = ends_identity(cx, &e->authority, UD_X509_SERVER, "agt_source", 0);
	try_peer(e, p, UD_E_CERTIFICATE_REFUSED);
	/* an agent's that has expired */
	p.identity =
		ends_identity(cx, &e->authority, UD_X509_AGENT, "agt_source", cx->now_ms - 1000);
	try_peer(e, p, UD_E_CERTIFICATE_REFUSED);
	/* the target is another agent than the relation says */
	p = good;
	p.agent_id = "agt_other";
	try_peer(e, p, UD_E_CERTIFICATE_REFUSED);
	/* the target is of another installation: we trust another root */
	p = good;
	p.root = stranger.root;
	try_peer(e, p, UD_E_CERTIFICATE_REFUSED);
	try_peer(e, good, UD_OK);
}

static void a_renewed_certificate_is_used(void **state)
{
	struct ends *e = *state;
	struct ud_shipped s = { 0 };
	const struct ud_peer peer = { .identity = ends_identity(e->cx, &e->authority, UD_X509_AGENT,
					      "agt_renamed", 0),
		.root = e->authority.root };

	ship(e, UD_SHIP_FULL, &s);
	assert_int_equal(ud_receiver_set_peer(e->cx, e->receiver, &peer), UD_OK);
	/* the old connection goes on; a new one meets the new name */
	disks_stir(e->disks, 1, 2);
	ship(e, UD_SHIP_DELTA, &s);
	ends_sender(e);
	struct ud_sender_have have = { 0 };

	assert_int_equal(ud_sender_have(e->cx, e->sender, &have), UD_E_CERTIFICATE_REFUSED);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, ends_begin, ends_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(points_arrive_with_the_same_roots),
		CASE(what_is_confirmed_is_told),
		CASE(only_what_changed_travels),
		CASE(a_file_that_is_there_is_not_sent_again),
		CASE(either_end_may_restart_between_points),
		CASE(a_lost_answer_is_no_second_point),
		CASE(a_cut_delta_goes_on_at_the_last_whole_chunk),
		CASE(a_cut_full_copy_goes_on_by_hashes),
		CASE(comparing_finds_what_no_bitmap_tells),
		CASE(an_old_copy_on_the_target_spares_the_full_one),
		CASE(external_media_carry_the_first_point),
		CASE(a_turned_bit_on_the_link_harms_nothing),
		CASE(a_stalled_link_times_out),
		CASE(a_source_that_fails_makes_no_point),
		CASE(the_targets_refusal_comes_with_its_words),
		CASE(who_asks_for_the_store_is_waited_for),
		CASE(a_wrong_extent_is_repaired_from_the_source),
		CASE(peers_can_ask_other_things),
		CASE(the_way_back_ships_the_union),
		CASE(after_a_parting_the_union_is_compared),
		CASE(points_are_forwarded_to_a_third_host),
		CASE(a_rate_is_kept),
		CASE(nobody_but_an_agent_of_ours_may_talk),
		CASE(a_renewed_certificate_is_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
