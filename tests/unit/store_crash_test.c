/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store's process is killed at every step that is on the disk, and again while it recovers. What
 * is there afterwards is always points that were published, each of them byte for byte.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/replication/beneath.h"
#include "support/context.h"
#include "support/stores.h"

enum { MIB = 1 << 20, POINTS = 6, KILLED = 77, SAMPLE = 7 };

/* What the child has been told, shared with its parent. */
struct told {
	int published; /* points whose publishing returned */
	int dropping;  /* the newest are being dropped behind this one; 0 = not */
	int steps;
};

struct story {
	struct ud_ctx *cx;
	const char *path;
	struct disks *at[POINTS + 2];
	const char *id[POINTS + 2];
	struct told *told;
	int kill_at; /* step at which the child ends; 0 = never */
	int kills, double_kills, points;
};

static void step(void *data, const char *name)
{
	struct story *s = data;

	(void)name;
	if (++s->told->steps == s->kill_at)
		_exit(KILLED);
}

static int begin(void **state)
{
	struct story *s = ud_malloc(sizeof(*s));
	void *context = NULL;
	struct disks *d = disks_new();

	context_begin(&context);
	*s = (struct story){ .cx = context };
	disks_add(d, "vda", MIB + 1024);
	disks_add(d, "vdb", MIB / 2);
	for (int i = 1; i <= POINTS + 1; i++) {
		disks_clean(d);
		disks_stir(d, (uint64_t)i * 7, 4);
		s->at[i] = disks_copy(d);
		s->id[i] = ud_manifest_id(s->cx);
	}
	disks_free(d);
	s->told = mmap(
		NULL, sizeof(*s->told), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s->path = context_path(s->cx, "store");
	*state = s;
	return s->told == MAP_FAILED;
}

static int end(void **state)
{
	struct story *s = *state;
	void *context = s->cx;

	for (int i = 1; i <= POINTS + 1; i++)
		disks_free(s->at[i]);
	munmap(s->told, sizeof(*s->told));
	ud_free(s);
	return context_end(&context);
}

static enum ud_code feed(struct story *s, ud_store *store, int i)
{
	UD_TRY(stores_feed(s->cx, store, s->at[i], s->id[i], i > 1 ? s->id[i - 1] : "", 1));
	s->told->published = i;
	return UD_OK;
}

/* Everything that changes a store. */
static enum ud_code tell(struct story *s, ud_store *store)
{
	struct ud_clone clone;

	for (int i = 1; i <= 4; i++)
		UD_TRY(feed(s, store, i));
	UD_TRY(ud_store_keep(s->cx, store, 3, NULL));
	UD_TRY(ud_store_clone(s->cx, store, s->id[3], "test", &clone));
	UD_TRY(feed(s, store, 5));
	UD_TRY(ud_store_keep(s->cx, store, 1, NULL)); /* up to the clone's */
	UD_TRY(ud_store_clone_drop(s->cx, store, "test"));
	UD_TRY(feed(s, store, 6));
	s->told->dropping = 5;
	UD_TRY(ud_store_drop_newer(s->cx, store, s->id[5]));
	return ud_store_keep(s->cx, store, 1, NULL);
}

static enum ud_code open_store(struct story *s, ud_store **ret)
{
	const struct ud_store_settings settings = { .path = s->path, .step = step, .step_data = s };

	return ud_store_open(s->cx, &settings, ret);
}

/* Run what in a child that ends at the step; its exit status. */
static int run_child(
	struct story *s, enum ud_code (*what)(struct story *s, ud_store *store), int at)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		ud_store *store = NULL;

		s->kill_at = at;
		s->told->steps = 0;
		_exit(open_store(s, &store) != UD_OK || what(s, store) != UD_OK);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static enum ud_code check_one(struct ud_ctx *cx, void *data, const struct ud_stored_point *p)
{
	struct story *s = data;
	int i = 1;

	(void)cx;
	while (i <= POINTS && strcmp(s->id[i], p->point.id) != 0)
		i++;
	assert_true(i <= POINTS);
	assert_string_equal(p->bad, "");
	s->points++;
	return UD_OK;
}

/* The number of the newest point. */
static int newest(struct story *s, ud_store *store)
{
	struct ud_stored_point p = { 0 };

	if (ud_store_newest(s->cx, store, &p) != UD_OK)
		return 0;
	for (int i = 1; i <= POINTS; i++)
		if (strcmp(s->id[i], p.point.id) == 0)
			return i;
	fail();
	return 0;
}

/* What is there after a kill: published points alone, each right, and a store that goes on. */
static void check(struct story *s)
{
	ud_store *store = NULL;

	s->kill_at = 0;
	if (open_store(s, &store) != UD_OK)
		fail_msg("%s", s->cx->problem.detail);
	assert_int_equal(ud_store_points(s->cx, store, check_one, s), UD_OK);
	int n = newest(s, store), told = s->told->published;

	/* what was told is there; one more may be, whose word did not come through */
	if (s->told->dropping)
		assert_in_range(n, s->told->dropping, POINTS);
	else
		assert_in_range(n, told, told + 1);
	for (int i = 1; i <= n; i++) {
		struct ud_stored_point p = { 0 };

		if (ud_store_point(s->cx, store, s->id[i], &p) == UD_OK)
			stores_check(s->cx, store, s->id[i], s->at[i]);
	}
	/* a scrub finds nothing, a merge changes nothing, and the next point comes in */
	const struct ud_scrub how = { 0 };
	struct ud_scrubbed found = { 0 };

	assert_int_equal(ud_store_scrub(s->cx, store, &how, &found), UD_OK);
	assert_int_equal(found.bad_extents, 0);
	assert_int_equal(ud_store_clone_drop(s->cx, store, "test"), UD_OK);
	assert_int_equal(ud_store_keep(s->cx, store, 1, NULL), UD_OK);
	if (n)
		stores_check(s->cx, store, s->id[n], s->at[n]);
	assert_int_equal(feed(s, store, n + 1), UD_OK);
	stores_check(s->cx, store, s->id[n + 1], s->at[n + 1]);
	ud_store_release(&store);
}

static void clear(struct story *s)
{
	int root = ud_beneath_root(context_path(s->cx, "."));

	assert_int_equal(ud_beneath_clear(root, "store"), 0);
	close(root);
	*s->told = (struct told){ 0 };
}

static enum ud_code merge_again(struct story *s, ud_store *store)
{
	return ud_store_keep(s->cx, store, 1, NULL);
}

/* One kill; second: another while the store is opened and merged again. False when the story ended
 * before. */
static bool one(struct story *s, int at, int second)
{
	clear(s);
	int status = run_child(s, tell, at);

	if (status == 0)
		return false;
	assert_int_equal(status, KILLED);
	s->kills++;
	if (second && run_child(s, merge_again, second) == KILLED)
		s->double_kills++;
	check(s);
	return true;
}

/* A merge that is cut, and cut again, and again. */
static void a_merge_may_be_cut_as_often_as_it_likes(void **state)
{
	struct story *s = *state;
	ud_store *store = NULL;
	int status = KILLED, cuts = 0;

	assert_int_equal(open_store(s, &store), UD_OK);
	for (int i = 1; i <= 5; i++)
		assert_int_equal(feed(s, store, i), UD_OK);
	ud_store_release(&store);
	for (int at = 1; status == KILLED; at++, cuts += status == KILLED) {
		status = run_child(s, merge_again, at);
		assert_int_equal(open_store(s, &store), UD_OK);
		s->kill_at = 0;
		for (int i = 1; i <= 5; i++) {
			struct ud_stored_point p = { 0 };

			if (ud_store_point(s->cx, store, s->id[i], &p) == UD_OK)
				stores_check(s->cx, store, s->id[i], s->at[i]);
		}
		assert_int_equal(newest(s, store), 5);
		ud_store_release(&store);
	}
	assert_int_equal(status, 0);
	assert_true(cuts >= 5);
	printf("# merges cut: %d\n", cuts);
}

static void only_published_points_are_left(void **state)
{
	struct story *s = *state;
	bool all = getenv("UD_TEST_LONG") != NULL;
	int at = 1;

	/* chance decides nothing: the seed is the step */
	for (bool more = true; more; at += all ? 1 : SAMPLE)
		more = one(s, at, 0);
	for (int k = 2; k < at; k += all ? 1 : SAMPLE * 3)
		one(s, k, 1 + k % 9);
	printf("# kills: %d, of them during recovery again: %d; points checked: %d\n", s->kills,
		s->double_kills, s->points);
	assert_true(s->kills > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_published_points_are_left, begin, end),
		cmocka_unit_test_setup_teardown(
			a_merge_may_be_cut_as_often_as_it_likes, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
