/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication of a real guest between three hosts, each a process with a hypervisor of its own: the
 * guest writes all the time; points come every five seconds, 20 of them (200 with UD_TEST_LONG);
 * copies of them boot and find their disks in order; the second host passes them on to a third;
 * then planned failover, reverse, a lost agent, an unplanned failover, and one that is called off.
 * What a copy is worth is what the guest says of its own disks. Figures are printed; the ones that
 * hang on the machine are asked for with UD_TEST_LONG only.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/time.h"
#include "support/context.h"
#include "support/trio.h"

enum {
	CYCLES = 10,
	CYCLES_LONG = 200,
	SAMPLE = 7,         /* every so many points one is booted */
	RATE_RECORDS = 100, /* in the long run so many times more, and so often */
	RATE_LONG = 6,
	RATE_LOOK_MS = 1000,
	AGE_LOOK_MS = 2, /* the age of a point is looked at so often */
	CYCLE_MS = 500,
	LATER_MS = 12000, /* two cycles */
	EVENT_MS = 120000
};

/* ---- the story ---- */

/* Kernel and initrd of the guest, which all hosts of this machine could read, are not there. */
static void hide_boot_files(struct trio *s, bool hidden)
{
	for (const char *name = "vmlinuz\0initrd.img\0"; *name; name += strlen(name) + 1) {
		const char *here = ud_printf(s->cx.arena, "%s/%s", s->guests.dir, name);
		const char *away = ud_printf(s->cx.arena, "%s.away", here);

		assert_int_equal(rename(hidden ? here : away, hidden ? away : here), 0);
	}
}

static void nothing_stands_in_the_way(void **state)
{
	struct trio *s = *state;

	hide_boot_files(s, true);
	assert_string_equal(
		host_must(&s->cx, &s->a, work_check, trio_uuid), "direct_boot(warning) ");
	hide_boot_files(s, false);
	assert_string_equal(host_must(&s->cx, &s->a, work_check, trio_uuid), "");
}

#define AGE "\"newest_point_age_ms\":"

struct soak {
	int points, booted, timed, untold;
	int64_t changed, cycle_ms, worst_ms;
};

/* Count the points that came since *last, and put the newest there. */
static void tally(struct trio *s, struct soak *k, const char **last)
{
	const char *text = host_must(&s->cx, &s->b, work_points, trio_id);
	const char *newest = ud_strndup(s->cx.arena, text, strcspn(text, " "));

	for (; *text && strncmp(text, *last, strlen(*last)) != 0; text = strchr(text, '\n') + 1) {
		const char *bytes = strstr(text, " complete ");

		assert_non_null(bytes);
		k->changed += strtoll(bytes + strlen(" complete "), NULL, 10);
		k->points++;
	}
	*last = newest;
}

/* Boot a point that is not the newest, while cycles go on. */
static void boot_one(struct trio *s, struct soak *k, const char **last)
{
	const char *copy = host_must(&s->cx, &s->b, work_test_start,
		ud_printf(s->cx.arena, "%s %s", trio_id, trio_point(s, &s->b, 1)));

	trio_wants_clean(trio_verify(s, &s->b, copy));
	tally(s, k, last); /* what it stands on keeps them all from being merged */
	host_must(&s->cx, &s->b, work_test_drop, "tst_1");
	k->booted++;
}

/* Until there is a point of a frozen guest: one is asked for at once, and again where the guest was
 * too busy. What others got less is printed. */
static const char *wants_application(struct trio *s)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;
	const char *last = "", *text = "";

	do {
		last = trio_next(s, &s->b, last);
		text = host_must(&s->cx, &s->b, work_points, trio_id);
		print_message("# %.*s\n", (int)strcspn(text, "\n"), text);
		if (ud_mono_ms(&ud_env_real) >= until)
			fail_msg("no point of a frozen guest: %s", text);
	} while (!strstr(text, " application complete"));
	return last;
}

/* Look at the age of the newest point until another one has come: it is told all the time, whatever
 * is being done to the older ones. */
static void watch_age(struct trio *s, struct soak *k)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS, before = 0, age = 0;

	for (; age >= before && ud_mono_ms(&ud_env_real) < until; poll(NULL, 0, AGE_LOOK_MS)) {
		const char *at = strstr(host_must(&s->cx, &s->b, work_report, ""), AGE);

		assert_non_null(at);
		before = age;
		k->untold += strncmp(at + strlen(AGE), "null", 4) == 0;
		age = strtoll(at + strlen(AGE), NULL, 10);
	}
}

static void soak(struct trio *s, int cycles, struct soak *k)
{
	const char *last = trio_next(s, &s->b, wants_application(s));
	int64_t sent = trio_told(s, &s->a, "bytes_sent"),
		missed = trio_told(s, &s->a, "cycles_missed");
	int sample = SAMPLE;

	while (k->points < cycles) {
		watch_age(s, k);
		trio_next(s, &s->b, last);
		tally(s, k, &last);
		int64_t ms = trio_told(s, &s->a, "last_cycle_ms");

		k->timed++;
		k->cycle_ms += ms;
		k->worst_ms = ms > k->worst_ms ? ms : k->worst_ms;
		if (k->points < sample)
			continue;
		sample += SAMPLE;
		boot_one(s, k, &last);
	}
	sent = trio_told(s, &s->a, "bytes_sent") - sent;
	print_message("# %d points, %d booted and clean; %lld KiB changed, %lld KiB on the wire; "
		      "cycles %lld ms on average, %lld at worst, %lld missed\n",
		k->points, k->booted, (long long)k->changed / 1024, (long long)sent / 1024,
		(long long)(k->cycle_ms / k->timed), (long long)k->worst_ms,
		(long long)(trio_told(s, &s->a, "cycles_missed") - missed));
	assert_true(2 * sent <= 3 * k->changed);
	assert_int_equal(k->untold, 0);
}

/* What the guest writes, and in which time. */
struct rate {
	int64_t records, ms;
};

/* Let it write so many records more. Looking costs the guest time, alike with and without cycles:
 * its rings are full by then. */
static void add_rate(struct trio *s, int records, struct rate *r)
{
	int64_t began = ud_mono_ms(&ud_env_real), now;
	long first = trio_number(s, trio_verify(s, &s->a, trio_uuid), "b"), last;

	do {
		poll(NULL, 0, RATE_LOOK_MS);
		last = trio_number(s, trio_verify(s, &s->a, trio_uuid), "b");
		now = ud_mono_ms(&ud_env_real);
	} while (last < first + records && now < began + EVENT_MS);
	r->records += last - first;
	r->ms += now - began;
}

static double per_second(const struct rate *r)
{
	return 1000.0 * (double)r->records / (double)r->ms;
}

/* By turns without cycles and with them, so that both meet the same guest and the same machine. */
static void compare_rates(struct trio *s, bool is_long)
{
	struct rate alone = { 0 }, with = { 0 };

	for (int i = 0; i < (is_long ? RATE_LONG : 1); i++) {
		trio_source_pauses(s, true);
		add_rate(s, is_long ? RATE_LONG * RATE_RECORDS : RATE_RECORDS, &alone);
		trio_source_pauses(s, false);
		add_rate(s, is_long ? RATE_LONG * RATE_RECORDS : RATE_RECORDS, &with);
	}
	print_message(
		"# the guest writes %.2f records a second alone (%lld), %.2f with it (%lld)\n",
		per_second(&alone), (long long)alone.records, per_second(&with),
		(long long)with.records);
	if (is_long)
		assert_true(per_second(&with) >= 0.95 * per_second(&alone));
}

static void points_come_while_the_guest_writes(void **state)
{
	struct trio *s = *state;
	bool is_long = getenv("UD_TEST_LONG") != NULL;
	struct soak k = { 0 };

	host_must(&s->cx, &s->a, work_start, trio_uuid);
	trio_wants_clean(trio_verify(s, &s->a, trio_uuid));
	trio_set(s, &s->a, &s->b, "network");
	soak(s, is_long ? CYCLES_LONG : CYCLES, &k);
	compare_rates(s, is_long);
	trio_wants_clean(trio_verify(s, &s->a, trio_uuid));
	if (is_long)
		assert_true(k.cycle_ms / k.timed < CYCLE_MS);
	assert_non_null(
		strstr(host_must(&s->cx, &s->a, work_report, ""), "\"state\":\"replicating\""));
}

/* Its card is to have this address, and that is what comes of it. */
static void card_is(struct trio *s, struct host *h, const char *vm, const char *test,
	const char *address, const char *outcome)
{
	const char *told = host_must(&s->cx, h, work_addresses,
		ud_printf(s->cx.arena, "%s %s 52:54:00:2F:5A:01 %s 192.0.2.1 192.0.2.2", vm, test,
			address));

	if (strncmp(told, outcome, strlen(outcome)) != 0)
		fail_msg("%s: %s", address, told);
}

/* A host has the guest's kernel and initrd for a clone. */
static void has_boot_files(struct trio *s, const struct host *h, const char *clone)
{
	for (const char *name = "kernel\0vmlinuz\0initrd\0initrd.img\0"; *name;) {
		const char *path = trio_file(s, h, ud_printf(s->cx.arena, "*/%s-%s", name, clone));

		name += strlen(name) + 1;
		const char *const compare[] = { "/usr/bin/cmp", path,
			ud_printf(s->cx.arena, "%s/%s", s->guests.dir, name), NULL };

		guests_run(&s->cx, compare);
		name += strlen(name) + 1;
	}
}

static void a_copy_of_a_point_boots_and_is_clean_while_cycles_go_on(void **state)
{
	struct trio *s = *state;
	const char *newest = trio_point(s, &s->b, 0), *older = trio_point(s, &s->b, 1);

	hide_boot_files(s, true);
	const char *without = trio_next(s, &s->b, trio_next(s, &s->b, newest)), *why = NULL;

	/* no guest of that point may name a file of this host that is no kernel's place */
	assert_int_equal(host_do(&s->cx, &s->b, work_test_start,
				 ud_printf(s->cx.arena, "%s %s", trio_id, without), &why),
		UD_E_VALIDATION);
	assert_non_null(strstr(why, "The point has no copy of "));
	host_must(&s->cx, &s->b, work_test_drop, "tst_1");
	const char *copy = host_must(
		&s->cx, &s->b, work_test_start, ud_printf(s->cx.arena, "%s %s", trio_id, older));

	hide_boot_files(s, false);

	trio_wants_clean(trio_verify(s, &s->b, copy));
	has_boot_files(s, &s->b, "tst_1");
	card_is(s, &s->b, copy, "tst_1", "192.0.2.7/24", "set");
	card_is(s, &s->b, copy, "tst_1", "192.0.2.7/24", "already");
	card_is(s, &s->b, copy, "tst_1", "192.0.2.8/24", "set"); /* and the other one is gone */
	card_is(s, &s->b, copy, "tst_1", "192.0.2.8/24", "already");
	card_is(s, &s->b, copy, "tst_2", "192.0.2.9/24", "failed The guest has no card");
	card_is(s, &s->b, copy, "tst_1", "192.0.2.9", "failed 192.0.2.9 is no address");
	trio_next(s, &s->b, newest);
	host_must(&s->cx, &s->b, work_test_drop, "tst_1");
	assert_string_equal(trio_file(s, &s->b, "*/kernel-tst_1"), "");
	trio_wants_clean(trio_verify(s, &s->a, trio_uuid));
}

/* The roots of the newest point of the third host are those of a point of the second. */
static void wants_same_roots(struct trio *s)
{
	const char *text = host_must(&s->cx, &s->c, work_points, trio_extended_id);
	const char *roots = strchr(text, '{');

	assert_non_null(roots);
	roots = ud_strndup(s->cx.arena, roots, strcspn(roots, "\n"));
	/* the newest one that was passed on is pinned there */
	assert_non_null(strstr(host_must(&s->cx, &s->b, work_points, trio_id), roots));
}

/* Points are passed on as deltas, not before it is time, by a host that was killed, too; what
 * arrives boots. */
static void a_third_host_gets_them_from_the_second(void **state)
{
	struct trio *s = *state;

	char at[UD_TIME_TEXT];
	int64_t begin_ms = ud_now_ms(&ud_env_real) + LATER_MS;

	ud_time_format(begin_ms, at);
	const char *initial =
		ud_printf(s->cx.arena, "{\"method\":\"network\",\"start_at\":\"%s\"}", at);

	s->generation++;
	host_must(&s->cx, &s->c, work_set,
		trio_relation(s, trio_extended_id, &s->b, "target", initial));
	host_must(&s->cx, &s->b, work_set,
		trio_relation(s, trio_extended_id, &s->c, "source", initial));
	const char *first = trio_next_of(s, &s->c, trio_extended_id, "");

	assert_true(ud_now_ms(&ud_env_real) >= begin_ms);
	first = trio_next_of(s, &s->c, trio_extended_id, first);
	wants_same_roots(s);
	host_kill(&s->b);
	host_again(&s->cx, &s->b);
	trio_set(s, &s->a, &s->b, "network"); /* its port is another one now */
	trio_next(s, &s->b, trio_point(s, &s->b, 0));
	trio_next_of(s, &s->c, trio_extended_id, trio_next_of(s, &s->c, trio_extended_id, first));
	const char *copy = host_must(&s->cx, &s->c, work_test_start,
		ud_printf(s->cx.arena, "%s %s", trio_extended_id,
			trio_point_of(s, &s->c, trio_extended_id, 0)));

	trio_wants_clean(trio_verify(s, &s->c, copy));
	has_boot_files(s, &s->c, "tst_1");
	host_must(&s->cx, &s->c, work_test_drop, "tst_1");
	assert_null(strstr(host_must(&s->cx, &s->c, work_points, trio_extended_id), "application"));
	host_must(&s->cx, &s->b, work_drop, trio_extended_id);
	host_must(&s->cx, &s->c, work_drop, trio_extended_id);
}

static void an_agent_that_is_killed_goes_on(void **state)
{
	struct trio *s = *state;
	const char *newest = trio_point(s, &s->b, 0);

	host_kill(&s->a);
	host_again(&s->cx, &s->a);
	assert_true(trio_is_power(s, &s->a, "running"));
	trio_next(s, &s->b, newest);
}

static void a_failover_that_is_called_off_leaves_no_trace(void **state)
{
	struct trio *s = *state;
	const char *newest = trio_point(s, &s->b, 0);

	host_must(&s->cx, &s->b, work_fail_over, newest);
	assert_true(trio_is_power(s, &s->b, "paused"));
	host_must(&s->cx, &s->b, work_cancel, trio_id);
	assert_true(trio_is_power(s, &s->b, "none"));
	trio_next(s, &s->b, newest);
}

/* People have chosen the source of two that claimed the VM: what ran at the replica is kept, and it
 * gets a copy anew. */
static void a_replica_that_ran_and_was_given_up_begins_anew(void **state)
{
	struct trio *s = *state;
	const char *newest = trio_point(s, &s->b, 0);

	host_must(&s->cx, &s->b, work_fail_over, newest);
	host_must(&s->cx, &s->b, work_power_off, trio_uuid);
	host_must(&s->cx, &s->b, work_displace, trio_uuid);
	assert_true(trio_is_power(s, &s->b, "none"));
	trio_set(s, &s->a, &s->b, "network");
	newest = trio_next(s, &s->b, newest);
	const char *copy = host_must(
		&s->cx, &s->b, work_test_start, ud_printf(s->cx.arena, "%s %s", trio_id, newest));

	trio_wants_clean(trio_verify(s, &s->b, copy));
	host_must(&s->cx, &s->b, work_test_drop, "tst_1");
}

/* Planned: nothing is lost, and the way back moves differences only. */
static void planned_and_reverse(void **state)
{
	struct trio *s = *state;
	const char *before = trio_verify(s, &s->a, trio_uuid);

	host_must(&s->cx, &s->a, work_shutdown, trio_uuid);
	const char *last = host_must(&s->cx, &s->a, work_prepare, trio_id);

	assert_string_equal(trio_point(s, &s->b, 0), last);
	host_must(&s->cx, &s->b, work_fail_over, last);
	host_must(&s->cx, &s->b, work_start, trio_uuid);
	assert_string_equal(host_must(&s->cx, &s->a, work_displace, trio_uuid), "none 0");
	assert_true(trio_is_power(s, &s->a, "none"));
	const char *after = trio_verify(s, &s->b, trio_uuid);

	trio_wants_clean(after);
	has_boot_files(s, &s->b, "active");
	assert_true(trio_number(s, after, "b") >= trio_number(s, before, "b"));
	host_must(&s->cx, &s->b, work_complete, trio_id);
	trio_set(s, &s->b, &s->a, "reverse");
	trio_next(s, &s->a, trio_next(s, &s->a, ""));
	const char *copy = host_must(&s->cx, &s->a, work_test_start,
		ud_printf(s->cx.arena, "%s %s", trio_id, trio_point(s, &s->a, 0)));

	trio_wants_clean(trio_verify(s, &s->a, copy));
	host_must(&s->cx, &s->a, work_test_drop, "tst_1");
}

/* Unplanned, back to the first host: the newest point is what there is. */
static void unplanned_from_a_point(void **state)
{
	struct trio *s = *state;

	host_must(&s->cx, &s->b, work_power_off, trio_uuid);
	host_must(&s->cx, &s->a, work_fail_over, trio_point(s, &s->a, 0));
	host_must(&s->cx, &s->a, work_start, trio_uuid);
	trio_wants_clean(trio_verify(s, &s->a, trio_uuid));
	const char *gone = host_must(&s->cx, &s->b, work_displace, trio_uuid);

	/* what B wrote last may have come over before it was given up */
	assert_true(strstr(gone, "divergent-") || strcmp(gone, "none 0") == 0);
	host_must(&s->cx, &s->a, work_complete, trio_id);
	trio_set(s, &s->a, &s->b, "reverse");
	trio_next(s, &s->b, "");
}

static int begin(void **state)
{
	*state = trio_begin("ud.pause=20");
	return 0;
}

static int end(void **state)
{
	trio_end(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_stands_in_the_way),
		cmocka_unit_test(points_come_while_the_guest_writes),
		cmocka_unit_test(a_copy_of_a_point_boots_and_is_clean_while_cycles_go_on),
		cmocka_unit_test(a_third_host_gets_them_from_the_second),
		cmocka_unit_test(an_agent_that_is_killed_goes_on),
		cmocka_unit_test(a_failover_that_is_called_off_leaves_no_trace),
		cmocka_unit_test(a_replica_that_ran_and_was_given_up_begins_anew),
		cmocka_unit_test(planned_and_reverse),
		cmocka_unit_test(unplanned_from_a_point),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
