/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The test guest's ring of records, on files: what it calls whole, torn, missing and old, and the
 * writer's verbs as they are called in the guest.
 */
#include "deploy/guest/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/context.h"

#define SLOTS 16

struct world {
	char folder[64];
	char first[96], second[96];
	int fd[2];
};

static int set_up(void **state)
{
	static struct world w;

	snprintf(w.folder, sizeof(w.folder), "/tmp/ud-ring.XXXXXX");
	assert_non_null(mkdtemp(w.folder));
	snprintf(w.first, sizeof(w.first), "%s/first", w.folder);
	snprintf(w.second, sizeof(w.second), "%s/second", w.folder);
	w.fd[0] = open(w.first, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	w.fd[1] = open(w.second, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(w.fd[0] >= 0 && w.fd[1] >= 0);
	*state = &w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	char lock[96];

	close(w->fd[0]);
	close(w->fd[1]);
	unlink(w->first);
	unlink(w->second);
	snprintf(lock, sizeof(lock), "%s/lock", w->folder);
	unlink(lock);
	return rmdir(w->folder);
}

static void put(int fd, uint64_t from, uint64_t to)
{
	static const uint64_t boot[2] = { 1, 2 };
	struct ud_ring_record r;

	for (uint64_t seq = from; seq <= to; seq++) {
		ud_ring_fill(&r, seq, SLOTS, 1700000000000, boot);
		assert_int_equal(ud_ring_put(fd, &r), 0);
	}
}

static struct ud_ring_state scan(int fd)
{
	struct ud_ring_state s = { 0 };

	assert_int_equal(ud_ring_scan(fd, SLOTS, &s), 0);
	return s;
}

static void expect(int fd, uint64_t last, uint64_t bad, uint64_t gaps)
{
	struct ud_ring_state s = scan(fd);

	assert_int_equal(s.last, last);
	assert_int_equal(s.bad, bad);
	assert_int_equal(s.gaps, gaps);
}

static void an_empty_file_is_clean(void **state)
{
	struct world *w = *state;
	struct ud_ring_state s = scan(w->fd[0]);

	expect(w->fd[0], 0, 0, 0);
	assert_int_equal(s.empty, SLOTS);
	assert_true(ud_ring_agree(&s, &s));
}

static void every_length_is_whole(void **state)
{
	struct world *w = *state;

	for (uint64_t seq = 1; seq <= 3 * SLOTS + 1; seq++) {
		put(w->fd[0], seq, seq);
		expect(w->fd[0], seq, 0, 0);
	}
}

static void any_changed_byte_is_found(void **state)
{
	struct world *w = *state;

	put(w->fd[0], 1, SLOTS + 3);
	for (off_t at = 0; at < SLOTS * UD_RING_BLOCK; at += 509) {
		unsigned char byte;

		assert_int_equal(pread(w->fd[0], &byte, 1, at), 1);
		byte ^= (unsigned char)(1 << at % 8);
		assert_int_equal(pwrite(w->fd[0], &byte, 1, at), 1);
		assert_int_equal(scan(w->fd[0]).bad, 1);
		byte ^= (unsigned char)(1 << at % 8);
		assert_int_equal(pwrite(w->fd[0], &byte, 1, at), 1);
	}
	expect(w->fd[0], SLOTS + 3, 0, 0);
}

/* A write that reached the disk by half: the new record's head, the old one's rest. */
static void a_torn_record_is_bad(void **state)
{
	struct world *w = *state;
	char old[UD_RING_BLOCK];

	put(w->fd[0], 1, SLOTS + 2);
	assert_int_equal(pread(w->fd[0], old, sizeof(old), 3 * UD_RING_BLOCK), sizeof(old));
	put(w->fd[0], SLOTS + 3, SLOTS + 3);
	assert_int_equal(pwrite(w->fd[0], old + 512, sizeof(old) - 512, 3 * UD_RING_BLOCK + 512),
		sizeof(old) - 512);
	expect(w->fd[0], SLOTS + 2, 1, 0);
}

static void a_record_left_out_is_a_gap(void **state)
{
	struct world *w = *state;

	put(w->fd[0], 1, 4);
	put(w->fd[0], 6, 7);
	expect(w->fd[0], 7, 0, 1);
	put(w->fd[0], 5, 5);
	expect(w->fd[0], 7, 0, 0);
	put(w->fd[0], 8, SLOTS);
	put(w->fd[0], SLOTS + 2, SLOTS + 2); /* slot 1 keeps its record of the round before */
	expect(w->fd[0], SLOTS + 2, 0, 1);
}

static void a_record_in_anothers_place_is_bad(void **state)
{
	struct world *w = *state;
	char block[UD_RING_BLOCK];

	put(w->fd[0], 1, 8);
	assert_int_equal(pread(w->fd[0], block, sizeof(block), 4 * UD_RING_BLOCK), sizeof(block));
	assert_int_equal(pwrite(w->fd[0], block, sizeof(block), 5 * UD_RING_BLOCK), sizeof(block));
	expect(w->fd[0], 8, 1, 0);
}

static void a_ring_of_another_size_is_bad(void **state)
{
	struct world *w = *state;
	struct ud_ring_state s = { 0 };

	put(w->fd[0], 1, 8);
	assert_int_equal(ud_ring_scan(w->fd[0], 2 * SLOTS, &s), 0);
	assert_int_equal(s.bad, 8);
	assert_int_equal(ud_ring_scan(w->fd[0], 0, &s), EINVAL);
	assert_int_equal(ud_ring_scan(w->fd[0], UD_RING_MAX_SLOTS + 1, &s), EINVAL);
}

static void the_first_may_lead_by_one(void **state)
{
	struct ud_ring_state a = { .last = 9 }, b = { .last = 9 }, torn = { .last = 9, .bad = 1 };

	(void)state;
	assert_true(ud_ring_agree(&a, &b));
	b.last = 8;
	assert_true(ud_ring_agree(&a, &b));
	assert_false(ud_ring_agree(&b, &a));
	b.last = 7;
	assert_false(ud_ring_agree(&a, &b));
	assert_false(ud_ring_agree(&a, &torn));
	assert_false(ud_ring_agree(&torn, &a));
}

static void patterns_are_known_again(void **state)
{
	struct world *w = *state;
	uint64_t blocks = 0;

	assert_int_equal(ud_ring_dirty(w->fd[0], UD_RING_BLOCK, 8 * UD_RING_BLOCK, 5), 0);
	assert_int_equal(ud_ring_differ(w->fd[0], UD_RING_BLOCK, 8 * UD_RING_BLOCK, 5, &blocks), 0);
	assert_int_equal(blocks, 0);
	assert_int_equal(ud_ring_differ(w->fd[0], UD_RING_BLOCK, 9 * UD_RING_BLOCK, 5, &blocks), 0);
	assert_int_equal(blocks, 1);
	assert_int_equal(ud_ring_differ(w->fd[0], UD_RING_BLOCK, 8 * UD_RING_BLOCK, 6, &blocks), 0);
	assert_int_equal(blocks, 8);
}

static void chance_stays_in_its_range(void **state)
{
	struct world *w = *state;

	put(w->fd[0], 1, SLOTS + 5);
	assert_int_equal(
		ud_ring_scatter(w->fd[0], SLOTS * UD_RING_BLOCK, 4 * UD_RING_BLOCK + 5, 200, 1), 0);
	expect(w->fd[0], SLOTS + 5, 0, 0);
	assert_int_equal(lseek(w->fd[0], 0, SEEK_END), (SLOTS + 4) * UD_RING_BLOCK);
	assert_int_equal(ud_ring_scatter(w->fd[0], 0, UD_RING_BLOCK - 1, 1, 1), EINVAL);
}

/* Run the writer as the guest does; its exit status. */
static int writer(struct world *w, const char *verb, const char *file, const char *one,
	const char *two, const char *three)
{
	char lock[96];
	int status = 0;
	pid_t pid;

	snprintf(lock, sizeof(lock), "%s/lock", w->folder);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		assert_non_null(freopen("/dev/null", "w", stdout));
		assert_non_null(freopen("/dev/null", "w", stderr));
		execl(UD_BINARY_DIR "/guest-writer", "writer", "-a", w->first, "-b", w->second,
			"-l", lock, "-s", "16", verb, file, one, two, three, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_verb_says_broken(void **state)
{
	struct world *w = *state;

	put(w->fd[0], 1, 5);
	put(w->fd[1], 1, 4);
	assert_int_equal(writer(w, "verify", NULL, NULL, NULL, NULL), 0);
	assert_int_equal(pwrite(w->fd[1], "x", 1, UD_RING_BLOCK + 77), 1);
	assert_int_equal(writer(w, "verify", NULL, NULL, NULL, NULL), 1);
	assert_int_equal(writer(w, "run", NULL, NULL, NULL, NULL), 1);
	expect(w->fd[0], 5, 0, 0);
}

static void the_verbs_spare_the_rings(void **state)
{
	struct world *w = *state;

	put(w->fd[0], 1, 5);
	put(w->fd[1], 1, 5);
	assert_int_equal(ftruncate(w->fd[1], 2 << 20), 0);
	assert_int_equal(writer(w, "dirty", w->first, "1", "1", "0"), 2);
	assert_int_equal(writer(w, "dirty", w->second, "1", "1", "0"), 2);
	assert_int_equal(writer(w, "dirty", w->second, "1", "1", "1"), 0);
	assert_int_equal(writer(w, "same", w->second, "1", "1", "1"), 0);
	assert_int_equal(writer(w, "rand4k", w->second, "300", "1099511627776", "1"), 0);
	assert_int_equal(writer(w, "same", w->second, "1", "1", "1"), 1);
	assert_int_equal(writer(w, "dirty", w->second, "-1", "1", "1"), 2);
	assert_int_equal(writer(w, "verify", NULL, NULL, NULL, NULL), 0);
	assert_int_equal(lseek(w->fd[1], 0, SEEK_END), 2 << 20);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_file_is_clean, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_length_is_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(any_changed_byte_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_record_is_bad, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_record_left_out_is_a_gap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_record_in_anothers_place_is_bad, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_ring_of_another_size_is_bad, set_up, tear_down),
		cmocka_unit_test(the_first_may_lead_by_one),
		cmocka_unit_test_setup_teardown(patterns_are_known_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(chance_stays_in_its_range, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_verb_says_broken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_verbs_spare_the_rings, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
