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
#include "support/hosts.h"

static const char uuid[] = "0d5ad4f1-41d3-4d85-9ad1-6d6b2a2f5a01";
static const char relation_id[] = "rpl_01jd0000000000000000000001";
static const char extended_id[] = "rpl_01jd0000000000000000000002";
enum {
	CYCLES = 20,
	CYCLES_LONG = 200,
	SAMPLE = 7, /* every so many points one is booted */
	RATE_RECORDS = 100,
	RATE_LOOK_MS = 1000,
	CYCLE_MS = 500,
	LATER_MS = 12000, /* two cycles */
	EVENT_MS = 120000,
	LOOK_MS = 100
};

struct scene {
	struct ud_ctx cx;
	struct guests guests;
	struct host a, b, c;
	int generation;
};

/* ---- work on a host ---- */

static enum ud_code do_define(struct host_inside *h, const char *in, const char **ret_out)
{
	return ud_hv_definition_import(h->cx, h->hv, in, ret_out);
}

static enum ud_code do_start(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_start(h->cx, h->hv, in, 0);
}

static enum ud_code do_shutdown(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_shutdown(h->cx, h->hv, in, 30000);
}

static enum ud_code do_power_off(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_power_off(h->cx, h->hv, in);
}

static enum ud_code do_power(struct host_inside *h, const char *in, const char **ret_out)
{
	enum ud_power power;
	const char *raw;
	enum ud_code code = ud_hv_power(h->cx, h->hv, in, &power, &raw);

	*ret_out = code == UD_OK ? ud_powers.names[power] : "none";
	ud_ctx_clear(h->cx);
	return UD_OK;
}

/* The guest's word on its disks: "verify: slots=4096 a=… clean". */
static enum ud_code do_verify(struct host_inside *h, const char *in, const char **ret_out)
{
	const char *words[] = { "verify" };
	struct ud_guest_program p = {
		.path = "/bin/guest", .arguments = { words, 1 }, .timeout_ms = 60000
	};
	struct ud_guest_ran ran = { 0 };

	UD_TRY(ud_hv_guest_run(h->cx, h->hv, in, &p, &ran));
	*ret_out = ran.output;
	return UD_OK;
}

static enum ud_code do_set(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_relation relation = { 0 };
	struct ud_relation_result result = { 0 };

	(void)ret_out;
	UD_TRY(ud_shape_read(h->cx, &ud_relation_shape, in, strlen(in), &relation));
	return ud_hv_relation_set(h->cx, h->hv, &relation, &result);
}

static enum ud_code add_report(
	struct ud_ctx *cx, void *data, const struct ud_replication_report *report)
{
	struct ud_buf *b = data;

	(void)cx;
	ud_shape_encode(b, &ud_replication_report_shape, report, NULL);
	return UD_OK;
}

static enum ud_code do_report(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_buf b = { 0 };

	(void)in;
	enum ud_code code = ud_hv_relations(h->cx, h->hv, add_report, &b);

	*ret_out = ud_strdup(h->cx->arena, ud_buf_text(&b));
	ud_buf_free(&b);
	return code;
}

/* One line per point, newest first: id, consistency asked for, state, bytes that changed, age,
 * roots. */
static enum ud_code add_point(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	(void)cx;
	ud_buf_printf(data, "%s %s %s %lld %lld %s\n", p->id, ud_consistencies.names[p->requested],
		ud_point_states.names[p->state], (long long)p->bytes, (long long)p->age_ms,
		p->roots.text);
	return UD_OK;
}

static enum ud_code do_points(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_buf b = { 0 };
	enum ud_code code = ud_hv_points(h->cx, h->hv, in, add_point, &b);

	*ret_out = ud_strdup(h->cx->arena, ud_buf_text(&b));
	ud_buf_free(&b);
	return code;
}

static enum ud_code do_prepare(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_point point = { 0 };

	UD_TRY(ud_hv_prepare(h->cx, h->hv, in, &point));
	*ret_out = point.id;
	return UD_OK;
}

static enum ud_code do_fail_over(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_hv_promotion up = { relation_id, in, { NULL } };
	struct ud_hv_promoted done = { 0 };

	UD_TRY(ud_hv_fail_over(h->cx, h->hv, &up, &done));
	*ret_out = done.roots.text;
	return UD_OK;
}

static enum ud_code do_displace(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_hv_displaced gone = { 0 };

	UD_TRY(ud_hv_displace(h->cx, h->hv, in, &gone));
	*ret_out = ud_printf(h->cx->arena, "%s %lld", gone.divergent ? gone.divergent : "none",
		(long long)gone.divergent_bytes);
	return UD_OK;
}

static enum ud_code do_complete(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_complete(h->cx, h->hv, in);
}

static enum ud_code do_cancel(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_cancel(h->cx, h->hv, in);
}

/* in: "RELATION POINT" */
static enum ud_code do_test_start(struct host_inside *h, const char *in, const char **ret_out)
{
	const char *relation = ud_strndup(h->cx->arena, in, strcspn(in, " "));
	struct ud_hv_test t = { "tst_1", relation, in + strlen(relation) + 1, "guest-test",
		{ NULL } };
	struct ud_hv_tested copy = { 0 };

	UD_TRY(ud_hv_test_start(h->cx, h->hv, &t, &copy));
	*ret_out = copy.uuid;
	return UD_OK;
}

static enum ud_code do_test_drop(struct host_inside *h, const char *in, const char **ret_out)
{
	(void)ret_out;
	return ud_hv_test_drop(h->cx, h->hv, in);
}

static enum ud_code do_drop(struct host_inside *h, const char *in, const char **ret_out)
{
	const struct ud_relation_drop drop = { .replication_id = in };
	struct ud_relation_result result = { 0 };

	(void)ret_out;
	return ud_hv_relation_drop(h->cx, h->hv, &drop, &result);
}

static enum ud_code add_blocker(struct ud_ctx *cx, void *data, const struct ud_blocker *b)
{
	(void)cx;
	ud_buf_printf(data, "%s%s ", b->code, b->warning ? "(warning)" : "");
	return UD_OK;
}

static enum ud_code do_check(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_texts none = { 0 };
	struct ud_buf b = { 0 };
	enum ud_code code = ud_hv_replica_check(h->cx, h->hv, in, &none, add_blocker, &b);

	*ret_out = ud_strdup(h->cx->arena, ud_buf_text(&b));
	ud_buf_free(&b);
	return code;
}

/* ---- the test's own words ---- */

static const char *fmt_relation(struct scene *s, const char *id, const struct host *peer,
	const char *role, const char *initial)
{
	return ud_printf(s->cx.arena,
		"{\"replication_id\":\"%s\",\"leg\":\"%s\","
		"\"vm_id\":\"vm_01jd0000000000000000000001\","
		"\"uuid\":\"%s\",\"role\":\"%s\",\"peer_host_id\":\"hst_peer\","
		"\"peer_agent_id\":\"%s\",\"peer_address\":\"127.0.0.1:%d\",\"epoch\":%d,"
		"\"schedule_interval_seconds\":5,\"recovery_points_kept\":4,"
		"\"app_consistent_every_hours\":1,\"initial\":%s,"
		"\"generation\":%d}",
		id, id == extended_id ? "extended" : "primary", uuid, role, peer->agent_id,
		peer->port, s->generation, initial, s->generation);
}

static void set(struct scene *s, struct host *source, struct host *target, const char *method)
{
	const char *initial = ud_printf(s->cx.arena, "{\"method\":\"%s\"}", method);

	s->generation++;
	host_must(&s->cx, target, do_set, fmt_relation(s, relation_id, source, "target", initial));
	host_must(&s->cx, source, do_set, fmt_relation(s, relation_id, target, "source", initial));
}

/* The id of a line of do_points; 0 = the newest. */
static const char *point_of(struct scene *s, struct host *target, const char *relation, int line)
{
	const char *text = host_must(&s->cx, target, do_points, relation);

	for (; line > 0 && *text; line--) {
		text = strchr(text, '\n');
		assert_non_null(text);
		text++;
	}
	return ud_strndup(s->cx.arena, text, strcspn(text, " \n"));
}

static const char *point_at(struct scene *s, struct host *target, int line)
{
	return point_of(s, target, relation_id, line);
}

/* Wait until another point than this one is the newest. */
static const char *next_of(
	struct scene *s, struct host *target, const char *relation, const char *last)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	for (;;) {
		const char *id = point_of(s, target, relation, 0);

		if (*id && strcmp(id, last) != 0)
			return id;
		if (ud_mono_ms(&ud_env_real) >= until)
			fail_msg("no point came; %s: %s; %s: %s", s->a.name,
				host_must(&s->cx, &s->a, do_report, ""), s->b.name,
				host_must(&s->cx, &s->b, do_report, ""));
		poll(NULL, 0, LOOK_MS);
	}
}

static const char *next_point(struct scene *s, struct host *target, const char *last)
{
	return next_of(s, target, relation_id, last);
}

/* Until the guest answers; its word. */
static const char *verify(struct scene *s, struct host *h, const char *vm)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;
	const char *out = NULL;

	while (host_do(&s->cx, h, do_verify, vm, &out) != UD_OK || !strstr(out, "verify:")) {
		if (ud_mono_ms(&ud_env_real) >= until)
			fail_msg("the guest does not answer: %s", out);
		poll(NULL, 0, LOOK_MS);
	}
	return out;
}

static void wants_clean(const char *verified)
{
	if (!strstr(verified, " clean"))
		fail_msg("%s", verified);
}

/* A number of the guest's word: "b". */
static long number(struct scene *s, const char *verified, const char *key)
{
	const char *at = strstr(verified, ud_printf(s->cx.arena, " %s=", key));

	assert_non_null(at);
	return strtol(strchr(at, '=') + 1, NULL, 10);
}

static bool is_power(struct scene *s, struct host *h, const char *power)
{
	return strcmp(host_must(&s->cx, h, do_power, uuid), power) == 0;
}

/* ---- the story ---- */

static void nothing_but_warnings_stand_in_the_way(void **state)
{
	struct scene *s = *state;

	assert_string_equal(host_must(&s->cx, &s->a, do_check, uuid), "direct_boot(warning) ");
}

/* Records that the guest writes in 100 s. */
static int64_t write_rate(struct scene *s)
{
	int64_t began = ud_mono_ms(&ud_env_real), now;
	long first = number(s, verify(s, &s->a, uuid), "b"), last;

	do {
		poll(NULL, 0, RATE_LOOK_MS);
		last = number(s, verify(s, &s->a, uuid), "b");
		now = ud_mono_ms(&ud_env_real);
	} while (last < first + RATE_RECORDS && now < began + EVENT_MS);
	return (last - first) * 100000 / (now - began);
}

/* A number of what the first host tells of its relation. */
static int64_t told(struct scene *s, const char *key)
{
	const char *at = strstr(
		host_must(&s->cx, &s->a, do_report, ""), ud_printf(s->cx.arena, "\"%s\":", key));

	assert_non_null(at);
	return strtoll(strchr(at, ':') + 1, NULL, 10);
}

struct soak {
	int points, booted, timed;
	int64_t changed, cycle_ms, worst_ms;
};

/* Count the points that came since *last, and put the newest there. */
static void tally(struct scene *s, struct soak *k, const char **last)
{
	const char *text = host_must(&s->cx, &s->b, do_points, relation_id);
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
static void boot_one(struct scene *s, struct soak *k, const char **last)
{
	const char *copy = host_must(&s->cx, &s->b, do_test_start,
		ud_printf(s->cx.arena, "%s %s", relation_id, point_at(s, &s->b, 1)));

	wants_clean(verify(s, &s->b, copy));
	tally(s, k, last); /* what it stands on keeps them all from being merged */
	host_must(&s->cx, &s->b, do_test_drop, "tst_1");
	k->booted++;
}

static void soak(struct scene *s, int cycles, struct soak *k)
{
	const char *last = next_point(s, &s->b, next_point(s, &s->b, ""));
	/* a frozen guest was asked for once; that point is merged away later */
	assert_non_null(
		strstr(host_must(&s->cx, &s->b, do_points, relation_id), " application complete"));
	int64_t sent = told(s, "bytes_sent"), missed = told(s, "cycles_missed");
	int sample = SAMPLE;

	while (k->points < cycles) {
		next_point(s, &s->b, last);
		tally(s, k, &last);
		int64_t ms = told(s, "last_cycle_ms");

		k->timed++;
		k->cycle_ms += ms;
		k->worst_ms = ms > k->worst_ms ? ms : k->worst_ms;
		if (k->points < sample)
			continue;
		sample += SAMPLE;
		boot_one(s, k, &last);
	}
	sent = told(s, "bytes_sent") - sent;
	print_message("# %d points, %d booted and clean; %lld KiB changed, %lld KiB on the wire; "
		      "cycles %lld ms on average, %lld at worst, %lld missed\n",
		k->points, k->booted, (long long)k->changed / 1024, (long long)sent / 1024,
		(long long)(k->cycle_ms / k->timed), (long long)k->worst_ms,
		(long long)(told(s, "cycles_missed") - missed));
	assert_true(2 * sent <= 3 * k->changed);
}

static void points_come_while_the_guest_writes(void **state)
{
	struct scene *s = *state;
	bool is_long = getenv("UD_TEST_LONG") != NULL;
	struct soak k = { 0 };

	host_must(&s->cx, &s->a, do_start, uuid);
	wants_clean(verify(s, &s->a, uuid));
	int64_t alone = write_rate(s);

	set(s, &s->a, &s->b, "network");
	soak(s, is_long ? CYCLES_LONG : CYCLES, &k);
	int64_t with = write_rate(s);

	wants_clean(verify(s, &s->a, uuid));
	print_message(
		"# the guest writes %lld.%02lld records a second alone, %lld.%02lld with it\n",
		(long long)alone / 100, (long long)alone % 100, (long long)with / 100,
		(long long)with % 100);
	if (is_long) {
		assert_true(k.cycle_ms / k.timed < CYCLE_MS);
		assert_true(100 * with >= 95 * alone);
	}
	assert_non_null(
		strstr(host_must(&s->cx, &s->a, do_report, ""), "\"state\":\"replicating\""));
}

static void a_copy_of_a_point_boots_and_is_clean_while_cycles_go_on(void **state)
{
	struct scene *s = *state;
	const char *newest = point_at(s, &s->b, 0);
	const char *copy = host_must(&s->cx, &s->b, do_test_start,
		ud_printf(s->cx.arena, "%s %s", relation_id, point_at(s, &s->b, 1)));

	wants_clean(verify(s, &s->b, copy));
	next_point(s, &s->b, newest);
	host_must(&s->cx, &s->b, do_test_drop, "tst_1");
	wants_clean(verify(s, &s->a, uuid));
}

/* The roots of the newest point of the third host are those of a point of the second. */
static void wants_same_roots(struct scene *s)
{
	const char *text = host_must(&s->cx, &s->c, do_points, extended_id);
	const char *roots = strchr(text, '{');

	assert_non_null(roots);
	roots = ud_strndup(s->cx.arena, roots, strcspn(roots, "\n"));
	/* the newest one that was passed on is pinned there */
	assert_non_null(strstr(host_must(&s->cx, &s->b, do_points, relation_id), roots));
}

/* Points are passed on as deltas, not before it is time, by a host that was killed, too; what
 * arrives boots. */
static void a_third_host_gets_them_from_the_second(void **state)
{
	struct scene *s = *state;

	char at[UD_TIME_TEXT];
	int64_t begin_ms = ud_now_ms(&ud_env_real) + LATER_MS;

	ud_time_format(begin_ms, at);
	const char *initial =
		ud_printf(s->cx.arena, "{\"method\":\"network\",\"start_at\":\"%s\"}", at);

	s->generation++;
	host_must(&s->cx, &s->c, do_set, fmt_relation(s, extended_id, &s->b, "target", initial));
	host_must(&s->cx, &s->b, do_set, fmt_relation(s, extended_id, &s->c, "source", initial));
	const char *first = next_of(s, &s->c, extended_id, "");

	assert_true(ud_now_ms(&ud_env_real) >= begin_ms);
	first = next_of(s, &s->c, extended_id, first);
	wants_same_roots(s);
	host_kill(&s->b);
	host_again(&s->cx, &s->b);
	set(s, &s->a, &s->b, "network"); /* its port is another one now */
	next_point(s, &s->b, point_at(s, &s->b, 0));
	next_of(s, &s->c, extended_id, next_of(s, &s->c, extended_id, first));
	const char *copy = host_must(&s->cx, &s->c, do_test_start,
		ud_printf(s->cx.arena, "%s %s", extended_id, point_of(s, &s->c, extended_id, 0)));

	wants_clean(verify(s, &s->c, copy));
	host_must(&s->cx, &s->c, do_test_drop, "tst_1");
	assert_null(strstr(host_must(&s->cx, &s->c, do_points, extended_id), "application"));
	host_must(&s->cx, &s->b, do_drop, extended_id);
	host_must(&s->cx, &s->c, do_drop, extended_id);
}

static void an_agent_that_is_killed_goes_on(void **state)
{
	struct scene *s = *state;
	const char *newest = point_at(s, &s->b, 0);

	host_kill(&s->a);
	host_again(&s->cx, &s->a);
	assert_true(is_power(s, &s->a, "running"));
	next_point(s, &s->b, newest);
}

static void a_failover_that_is_called_off_leaves_no_trace(void **state)
{
	struct scene *s = *state;
	const char *newest = point_at(s, &s->b, 0);

	host_must(&s->cx, &s->b, do_fail_over, newest);
	assert_true(is_power(s, &s->b, "paused"));
	host_must(&s->cx, &s->b, do_cancel, relation_id);
	assert_true(is_power(s, &s->b, "none"));
	next_point(s, &s->b, newest);
}

/* People have chosen the source of two that claimed the VM: what ran at the replica is kept, and it
 * gets a copy anew. */
static void a_replica_that_ran_and_was_given_up_begins_anew(void **state)
{
	struct scene *s = *state;
	const char *newest = point_at(s, &s->b, 0);

	host_must(&s->cx, &s->b, do_fail_over, newest);
	host_must(&s->cx, &s->b, do_power_off, uuid);
	host_must(&s->cx, &s->b, do_displace, uuid);
	assert_true(is_power(s, &s->b, "none"));
	set(s, &s->a, &s->b, "network");
	newest = next_point(s, &s->b, newest);
	const char *copy = host_must(
		&s->cx, &s->b, do_test_start, ud_printf(s->cx.arena, "%s %s", relation_id, newest));

	wants_clean(verify(s, &s->b, copy));
	host_must(&s->cx, &s->b, do_test_drop, "tst_1");
}

/* Planned: nothing is lost, and the way back moves differences only. */
static void planned_and_reverse(void **state)
{
	struct scene *s = *state;
	const char *before = verify(s, &s->a, uuid);

	host_must(&s->cx, &s->a, do_shutdown, uuid);
	const char *last = host_must(&s->cx, &s->a, do_prepare, relation_id);

	assert_string_equal(point_at(s, &s->b, 0), last);
	host_must(&s->cx, &s->b, do_fail_over, last);
	host_must(&s->cx, &s->b, do_start, uuid);
	assert_string_equal(host_must(&s->cx, &s->a, do_displace, uuid), "none 0");
	assert_true(is_power(s, &s->a, "none"));
	const char *after = verify(s, &s->b, uuid);

	wants_clean(after);
	assert_true(number(s, after, "b") >= number(s, before, "b"));
	host_must(&s->cx, &s->b, do_complete, relation_id);
	set(s, &s->b, &s->a, "reverse");
	next_point(s, &s->a, next_point(s, &s->a, ""));
	const char *copy = host_must(&s->cx, &s->a, do_test_start,
		ud_printf(s->cx.arena, "%s %s", relation_id, point_at(s, &s->a, 0)));

	wants_clean(verify(s, &s->a, copy));
	host_must(&s->cx, &s->a, do_test_drop, "tst_1");
}

/* Unplanned, back to the first host: the newest point is what there is. */
static void unplanned_from_a_point(void **state)
{
	struct scene *s = *state;

	host_must(&s->cx, &s->b, do_power_off, uuid);
	host_must(&s->cx, &s->a, do_fail_over, point_at(s, &s->a, 0));
	host_must(&s->cx, &s->a, do_start, uuid);
	wants_clean(verify(s, &s->a, uuid));
	const char *gone = host_must(&s->cx, &s->b, do_displace, uuid);

	/* what B wrote last may have come over before it was given up */
	assert_true(strstr(gone, "divergent-") || strcmp(gone, "none 0") == 0);
	host_must(&s->cx, &s->a, do_complete, relation_id);
	set(s, &s->a, &s->b, "reverse");
	next_point(s, &s->b, "");
}

/* ---- setting the scene ---- */

static int begin(void **state)
{
	struct scene *s = ud_malloc(sizeof(*s));

	s->cx = (struct ud_ctx){
		.arena = ud_arena_new(), .env = &ud_env_real, .now_ms = ud_now_ms(&ud_env_real)
	};
	struct ends_authority a = ends_authority(&s->cx);

	guests_begin(&s->cx, &s->guests);
	host_begin(&s->cx, &s->guests, &a, "a", "agt_a", &s->a);
	host_begin(&s->cx, &s->guests, &a, "b", "agt_b", &s->b);
	host_begin(&s->cx, &s->guests, &a, "c", "agt_c", &s->c);
	host_must(&s->cx, &s->a, do_define,
		guests_definition(&s->cx, &s->guests, "guest", uuid, "ud.pause=20"));
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;

	host_end(&s->a);
	host_end(&s->b);
	host_end(&s->c);
	guests_end(&s->cx, &s->guests);
	ud_arena_release(&s->cx.arena);
	ud_free(s);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_warnings_stand_in_the_way),
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
