/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replication of a real guest between two hosts, each a process with a hypervisor of its own: the
 * guest writes all the time; points come every five seconds; a copy of one boots and finds its
 * disks in order; then planned failover, reverse, a lost agent, an unplanned failover, and one that
 * is called off. What a copy is worth is what the guest says of its own disks.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "support/context.h"
#include "support/hosts.h"

static const char uuid[] = "0d5ad4f1-41d3-4d85-9ad1-6d6b2a2f5a01";
static const char relation_id[] = "rpl_01jd0000000000000000000001";
enum { CYCLES = 3, CYCLES_LONG = 200, EVENT_MS = 120000, LOOK_MS = 100 };

struct scene {
	struct ud_ctx cx;
	struct guests guests;
	struct host a, b;
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

/* One line per point, newest first: id, consistency, state, age. */
static enum ud_code add_point(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	(void)cx;
	ud_buf_printf(data, "%s %s %s %lld\n", p->id, ud_consistencies.names[p->consistency],
		ud_point_states.names[p->state], (long long)p->age_ms);
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

static enum ud_code do_test_start(struct host_inside *h, const char *in, const char **ret_out)
{
	struct ud_hv_test t = { "tst_1", relation_id, in, "guest-test", { NULL } };
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

static const char *fmt_relation(
	struct scene *s, const struct host *peer, const char *role, const char *initial)
{
	return ud_printf(s->cx.arena,
		"{\"replication_id\":\"%s\",\"vm_id\":\"vm_01jd0000000000000000000001\","
		"\"uuid\":\"%s\",\"role\":\"%s\",\"peer_host_id\":\"hst_peer\","
		"\"peer_agent_id\":\"%s\",\"peer_address\":\"127.0.0.1:%d\",\"epoch\":%d,"
		"\"schedule_interval_seconds\":5,\"recovery_points_kept\":4,"
		"\"app_consistent_every_hours\":1,\"initial\":{\"method\":\"%s\"},"
		"\"generation\":%d}",
		relation_id, uuid, role, peer->agent_id, peer->port, s->generation, initial,
		s->generation);
}

static void set(struct scene *s, struct host *source, struct host *target, const char *initial)
{
	s->generation++;
	host_must(&s->cx, target, do_set, fmt_relation(s, source, "target", initial));
	host_must(&s->cx, source, do_set, fmt_relation(s, target, "source", initial));
}

/* The id of a line of do_points; 0 = the newest. */
static const char *point_at(struct scene *s, struct host *target, int line)
{
	const char *text = host_must(&s->cx, target, do_points, relation_id);

	for (; line > 0 && *text; line--) {
		text = strchr(text, '\n');
		assert_non_null(text);
		text++;
	}
	return ud_strndup(s->cx.arena, text, strcspn(text, " \n"));
}

/* Wait until another point than this one is the newest. */
static const char *next_point(struct scene *s, struct host *target, const char *last)
{
	int64_t until = ud_mono_ms(&ud_env_real) + EVENT_MS;

	for (;;) {
		const char *id = point_at(s, target, 0);

		if (*id && strcmp(id, last) != 0)
			return id;
		if (ud_mono_ms(&ud_env_real) >= until)
			fail_msg("no point came; %s: %s; %s: %s", s->a.name,
				host_must(&s->cx, &s->a, do_report, ""), s->b.name,
				host_must(&s->cx, &s->b, do_report, ""));
		poll(NULL, 0, LOOK_MS);
	}
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

static void points_come_while_the_guest_writes(void **state)
{
	struct scene *s = *state;
	int cycles = getenv("UD_TEST_LONG") ? CYCLES_LONG : CYCLES;
	const char *last = "";

	host_must(&s->cx, &s->a, do_start, uuid);
	wants_clean(verify(s, &s->a, uuid));
	set(s, &s->a, &s->b, "network");
	for (int i = 0; i <= cycles; i++)
		last = next_point(s, &s->b, last);
	assert_non_null(
		strstr(host_must(&s->cx, &s->a, do_report, ""), "\"state\":\"replicating\""));
	assert_non_null(
		strstr(host_must(&s->cx, &s->b, do_points, relation_id), " application complete"));
}

static void a_copy_of_a_point_boots_and_is_clean_while_cycles_go_on(void **state)
{
	struct scene *s = *state;
	const char *newest = point_at(s, &s->b, 0);
	const char *copy = host_must(&s->cx, &s->b, do_test_start, point_at(s, &s->b, 1));

	wants_clean(verify(s, &s->b, copy));
	next_point(s, &s->b, newest);
	host_must(&s->cx, &s->b, do_test_drop, "tst_1");
	wants_clean(verify(s, &s->a, uuid));
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
	const char *copy = host_must(&s->cx, &s->a, do_test_start, point_at(s, &s->a, 0));

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
		cmocka_unit_test(an_agent_that_is_killed_goes_on),
		cmocka_unit_test(a_failover_that_is_called_off_leaves_no_trace),
		cmocka_unit_test(planned_and_reverse),
		cmocka_unit_test(unplanned_from_a_point),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
