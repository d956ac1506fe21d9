/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What agents report of replications and what is made of it: who may tell what, points, ages,
 * health by Hyper-V's rules, promises broken and kept, the ledger; and that the buttons are honest.
 */
#include <stdio.h>
#include <string.h>

#include "api/replications.h"
#include "db/recovery_points.h"
#include "server/replication/judge.h"
#include "support/replicas.h"

static size_t size_at(json_t *json, const char *member)
{
	return json_array_size(json_object_get(json, member));
}

static bool is_null(json_t *json, const char *member)
{
	return json_is_null(json_object_get(json, member));
}

static bool lists(json_t *list, const char *text)
{
	json_t *item;
	size_t i;

	json_array_foreach(
		list, i, item) if (strcmp(json_string_value(item), text) == 0) return true;
	return false;
}

static const char *one(struct scene *s, const char *item)
{
	return fmt(s->w, "[%s]", item);
}

/* ---- who may tell what ---- */

static void only_the_ends_of_a_relation_speak_of_it(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));
	const char *point = scene_point(s, "rpt_00000000000000000000000001", 1, 1, "");
	/* a third host, and the target as if it were the source */
	const struct {
		int host;
		const char *role;
	} rows[] = { { HOST_C, "target" }, { HOST_C, "source" }, { HOST_B, "source" },
		{ HOST_A, "target" } };

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		struct reply r = scene_report(s, rows[i].host,
			one(s,
				scene_item(s, id, rows[i].role, "error",
					fmt(s->w, ",\"points\":[%s]", point))));

		assert_true(lists(json_object_get(r.json, "unknown"), id));
		assert_int_equal(size_at(r.json, "points"), 0);
	}
	assert_string_equal(text_at(scene_show(s, LEAD, id), "state"), "replicating");
	struct reply r = expect(
		s->w, LEAD, "GET", fmt(s->w, "/v1/replications/%s/recovery-points", id), NULL, 200);

	assert_int_equal(size_at(r.json, "data"), 0);
	assert_true(scene_idle(s, HOST_C));
}

static void what_nobody_knows_is_let_go(void **state)
{
	struct scene *s = *state;
	const char *item =
		scene_item(s, "rpl_00000000000000000000000000", "target", "replicating", "");
	struct reply r = scene_report(s, HOST_C, one(s, item));

	assert_true(lists(json_object_get(r.json, "unknown"), "rpl_00000000000000000000000000"));
	scene_report(s, HOST_C, one(s, item)); /* and is told once */
	struct told t = scene_take(s, HOST_C);

	assert_string_equal(t.verb, "relation_drop");
	assert_string_equal(t.subject_id, s->agents[HOST_C].host_id);
	assert_true(json_is_true(json_object_get(t.args, "keep_replica")));
	scene_answer(s, HOST_C, &t, "done", NULL, NULL);
	assert_true(scene_idle(s, HOST_C));
}

static void a_report_of_another_form_is_refused_whole(void **state)
{
	static const char *const bad[] = {
		"{\"agent_boot\":\"x\",\"items\":[{\"replication_id\":\"%s\",\"role\":\"source\",\"state\":\"lovely\"}]}",
		"{\"agent_boot\":\"x\",\"items\":[{\"replication_id\":\"%s\",\"role\":\"source\",\"state\":\"error\","
		"\"newest_point_age_ms\":-5}]}",
		"{\"agent_boot\":\"x\",\"items\":[{\"replication_id\":\"%s\",\"role\":\"source\",\"state\":\"error\","
		"\"error\":{\"words\":1}}]}",
		"{\"agent_boot\":\"x\",\"items\":[{\"replication_id\":\"%s\",\"role\":\"source\",\"state\":\"error\"},"
		"{\"role\":\"source\",\"state\":\"error\"}]}",
		"{\"agent_boot\":\"x\",\"items\":[{\"replication_id\":\"%s\",\"role\":\"source\",\"state\":\"error\","
		"\"points\":[{\"id\":\"rpt_nothing\",\"n\":1,\"taken_at\":\"2026-01-01T00:00:00Z\",\"age_ms\":1}]}]}",
		"{\"agent_boot\":\"x\",\"items\":\"%s\"}",
	};
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));

	for (size_t i = 0; i < UD_LEN(bad); i++) {
		/* the rows have one %s each */
		const char *cut = strstr(bad[i], "%s");
		struct reply r =
			port_call(s->p, &s->agents[HOST_A], "POST", "/v1/agent/replication",
				fmt(s->w, "%.*s%s%s", (int)(cut - bad[i]), bad[i], id, cut + 2));

		if (r.status != 422 && r.status != 400)
			fail_msg("%zu: %d %s", i, r.status, r.body);
	}
	assert_string_equal(text_at(scene_show(s, LEAD, id), "state"), "replicating");
}

/* ---- points ---- */

static void points_are_told_once_and_listed_newest_first(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));
	const char *first = "rpt_0000000000000000000000000a",
		   *second = "rpt_0000000000000000000000000b";
	const char *items = one(s,
		scene_item(s, id, "target", "replicating",
			fmt(s->w, ",\"newest_point_age_ms\":900,\"points\":[%s,%s,%s]",
				scene_point(s, first, 1, 10, ""),
				scene_point(s, second, 2, 15,
					",\"consistency\":\"crash\",\"requested\":\"application\","
					"\"reason\":\"The guest agent did not answer.\",\"roots\":{\"vda\":\"ab\"}"),
				scene_point(s, "rpt_0000000000000000000000000c", 3, 20,
					",\"state\":\"receiving\""))));

	for (int i = 0; i < 2; i++) { /* the acknowledgement was lost */
		struct reply r = scene_report(s, HOST_B, items);

		assert_int_equal(size_at(r.json, "points"), 2);
		assert_true(lists(json_object_get(r.json, "points"), first));
	}
	const char *path = fmt(s->w, "/v1/replications/%s/recovery-points", id);
	struct reply r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);

	assert_int_equal(size_at(r.json, "data"), 2);
	assert_string_equal(text_at(r.json, "data.0.id"), second);
	assert_string_equal(text_at(r.json, "data.0.object"), "recovery_point");
	assert_string_equal(text_at(r.json, "data.0.consistency"), "crash");
	assert_string_equal(text_at(r.json, "data.0.consistency_requested"), "application");
	assert_string_equal(text_at(r.json, "data.0.state"), "complete");
	assert_int_equal(number_at(r.json, "data.0.size_bytes"), 2000);
	assert_string_equal(text_at(r.json, "data.0.taken_at"), "2026-11-18T11:06:55.000Z");
	assert_string_equal(text_at(r.json, "data.0.roots.vda"), "ab");
	assert_string_equal(text_at(r.json, "data.1.id"), first);
	assert_true(scene_told(s, second, "recovery_point.consistency_reduced"));
	assert_false(scene_told(s, first, "recovery_point.*"));
	/* pages keep the order */
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s?limit=1", path), NULL, 200);
	r = expect(s->w, OWN_VIEWER, "GET",
		fmt(s->w, "%s?limit=1&cursor=%s", path, text_at(r.json, "next_cursor")), NULL, 200);
	assert_string_equal(text_at(r.json, "data.0.id"), first);
	expect(s->w, OTHER_VIEWER, "GET", path, NULL, 404);
	expect(s->w, OTHER_VIEWER, "GET", fmt(s->w, "/v1/recovery-points/%s", first), NULL, 404);
	/* another relation does not get at them */
	const char *other = scene_protect(s, scene_vm(s));

	r = scene_report(s, HOST_B,
		one(s,
			scene_item(s, other, "target", "replicating",
				fmt(s->w, ",\"points\":[%s],\"dropped\":[\"%s\"]",
					scene_point(s, first, 9, 1, ",\"state\":\"corrupt\""),
					first))));
	assert_int_equal(size_at(r.json, "points"), 0);
	/* the source does not say what is gone; the target does */
	scene_report(s, HOST_A,
		one(s,
			scene_item(s, id, "source", "replicating",
				fmt(s->w, ",\"dropped\":[\"%s\"]", first))));
	r = expect(s->w, LEAD, "GET", fmt(s->w, "/v1/recovery-points/%s", first), NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "complete");
	r = scene_report(s, HOST_B,
		one(s,
			scene_item(s, id, "target", "replicating",
				fmt(s->w, ",\"dropped\":[\"%s\"]", first))));
	assert_true(lists(json_object_get(r.json, "dropped"), first));
	expect(s->w, LEAD, "GET", fmt(s->w, "/v1/recovery-points/%s", first), NULL, 404);
}

struct newest {
	const char *replication_id, *id;
};

static enum ud_code find_newest(struct ud_ctx *cx, void *data)
{
	struct newest *n = data;

	UD_TRY(ud_recovery_point_newest(cx, n->replication_id, &n->id));
	n->id = ud_heap_strdup(n->id);
	return UD_OK;
}

/* The source's clock was put back between two points, and a later epoch counts anew. */
static void the_newest_is_so_by_number_and_not_by_clock(void **state)
{
	static const char *const ids[] = { "rpt_0000000000000000000000000p",
		"rpt_0000000000000000000000000q", "rpt_0000000000000000000000000r" };
	struct scene *s = *state;
	struct newest n = { .replication_id = scene_protect(s, scene_vm(s)) };
	const char *points[] = { scene_point(s, ids[0], 7, 3600, ",\"epoch\":1"),
		scene_point(s, ids[1], 8, 20, ",\"epoch\":1"),
		scene_point(s, ids[2], 1, 10, ",\"epoch\":2") };

	for (size_t i = 0; i < UD_LEN(ids); i++) {
		struct reply r = scene_report(s, HOST_B,
			one(s,
				scene_item(s, n.replication_id, "target", "replicating",
					fmt(s->w, ",\"points\":[%s]", points[i]))));

		assert_int_equal(size_at(r.json, "points"), 1);
		world_write(s->w, find_newest, &n);
		assert_string_equal(n.id, ids[i]);
		ud_free((char *)n.id);
	}
}

static void what_is_corrupt_stays_so(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)), *point = "rpt_0000000000000000000000000d";
	static const char *const told[] = { "", ",\"state\":\"corrupt\"",
		",\"state\":\"complete\"" };

	for (size_t i = 0; i < UD_LEN(told); i++)
		scene_report(s, HOST_B,
			one(s,
				scene_item(s, id, "target", "replicating",
					fmt(s->w, ",\"points\":[%s]",
						scene_point(s, point, 1, 1, told[i])))));
	struct reply r =
		expect(s->w, LEAD, "GET", fmt(s->w, "/v1/recovery-points/%s", point), NULL, 200);

	assert_string_equal(text_at(r.json, "state"), "corrupt");
	assert_true(scene_told(s, point, "recovery_point.corrupted"));
	assert_false(lists(json_object_get(r.json, "allowed_operations"), "pin"));
	r = expect(s->w, LEAD, "POST", fmt(s->w, "/v1/recovery-points/%s/pin", point), "{}", 409);
	assert_string_equal(text_at(r.json, "code"), "invalid_state");
}

static void a_pinned_point_is_named_to_the_hosts(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)), *point = "rpt_0000000000000000000000000e";
	const char *path = fmt(s->w, "/v1/recovery-points/%s", point);

	scene_report(s, HOST_B,
		one(s,
			scene_item(s, id, "target", "replicating",
				fmt(s->w, ",\"points\":[%s]", scene_point(s, point, 1, 1, "")))));
	expect(s->w, OWN_ADMIN, "POST", fmt(s->w, "%s/pin", path), "{}", 403);
	struct reply r = expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/pin", path),
		"{\"note\":\"before the upgrade\"}", 200);

	assert_true(json_is_true(json_object_get(r.json, "pinned")));
	assert_string_equal(text_at(r.json, "pin_note"), "before the upgrade");
	struct told t = scene_do(s, HOST_B, "relation_set");

	assert_string_equal(text_at(t.args, "pinned_points.0"), point);
	scene_do(s, HOST_A, "relation_set");
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/pin", path), "{}", 409);
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/unpin", path), "{}", 200);
	t = scene_do(s, HOST_B, "relation_set");
	assert_int_equal(size_at(t.args, "pinned_points"), 0);
	scene_do(s, HOST_A, "relation_set");
}

static void a_point_is_read_back(void **state)
{
	static const struct {
		const char *id, *intact, *state, *verified, *event;
	} rows[] = {
		{ "rpt_0000000000000000000000000f", "true", "verified", "hash_ok",
			"recovery_point.verified" },
		{ "rpt_0000000000000000000000000g", "false", "corrupt", "never",
			"recovery_point.corrupted" },
	};
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		scene_report(s, HOST_B,
			one(s,
				scene_item(s, id, "target", "replicating",
					fmt(s->w, ",\"points\":[%s]",
						scene_point(s, rows[i].id, 1, 1, "")))));
		const char *path = fmt(s->w, "/v1/recovery-points/%s", rows[i].id);
		struct reply r =
			expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/verify", path), "{}", 202);
		const char *op = fmt(s->w, "/v1/operations/%s", text_at(r.json, "id"));
		struct told t = scene_take(s, HOST_B);

		assert_string_equal(t.verb, "point_verify");
		assert_string_equal(text_at(t.args, "point_id"), rows[i].id);
		scene_answer(s, HOST_B, &t, "done",
			fmt(s->w, "{\"point_id\":\"%s\",\"intact\":%s,\"text\":\"Read back.\"}",
				rows[i].id, rows[i].intact),
			NULL);
		r = expect(s->w, LEAD, "GET", op, NULL, 200);
		assert_string_equal(text_at(r.json, "state"), "succeeded");
		r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
		assert_string_equal(text_at(r.json, "state"), rows[i].state);
		assert_string_equal(text_at(r.json, "verified"), rows[i].verified);
		assert_true(scene_told(s, rows[i].id, rows[i].event));
		/* being told again does not unprove it */
		scene_report(s, HOST_B,
			one(s,
				scene_item(s, id, "target", "replicating",
					fmt(s->w, ",\"points\":[%s]",
						scene_point(s, rows[i].id, 1, 1, "")))));
		r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
		assert_string_equal(text_at(r.json, "state"), rows[i].state);
	}
}

/* ---- ages ---- */

static void silence_is_unknown_and_never_health(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));
	json_t *shown = scene_show(s, OWN_VIEWER, id);

	assert_int_equal(number_at(shown, "rpo_measured_seconds"), 2);
	s->w->clock_ms += 10000;
	shown = scene_show(s, OWN_VIEWER, id);
	/* it grows by the server's own clock while nobody tells anything new */
	assert_in_range(number_at(shown, "rpo_measured_seconds"), 12, 14);
	assert_string_equal(text_at(shown, "state"), "replicating");
	s->w->clock_ms += 25000;
	shown = scene_show(s, OWN_VIEWER, id);
	assert_string_equal(text_at(shown, "state"), "unknown");
	assert_true(is_null(shown, "rpo_measured_seconds"));
	assert_in_range(number_at(shown, "rpo_at_most_seconds"), 37, 40);
	assert_string_equal(text_at(shown, "health"), "warning");
	assert_string_equal(text_at(shown, "health_reasons.0.code"), "not_told");
	/* lists are filtered by what was judged last: time does that, too */
	world_tick(s->w);
	struct reply r = expect(s->w, OWN_VIEWER, "GET",
		fmt(s->w, "/v1/replications?vm_id=%s&state=unknown", s->vm), NULL, 200);

	assert_int_equal(size_at(r.json, "data"), 1);
	assert_true(scene_told(s, id, "replication.health_changed"));
	scene_seen(s);
}

/* The clocks of hosts are nobody's measure. */
static void a_wrong_clock_of_a_host_changes_no_age(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));
	static const int64_t taken[] = { -900000000, 0, 900000000 };

	for (size_t i = 0; i < UD_LEN(taken); i++) {
		scene_report(s, HOST_B,
			one(s,
				scene_item(s, id, "target", "replicating",
					fmt(s->w, ",\"newest_point_age_ms\":7000,\"points\":[%s]",
						scene_point(s,
							fmt(s->w,
								"rpt_0000000000000000000000001%zu",
								i),
							1, taken[i], "")))));
		scene_report(s, HOST_A,
			one(s,
				scene_item(s, id, "source", "replicating",
					",\"newest_point_age_ms\":7500")));
		assert_int_equal(number_at(scene_show(s, LEAD, id), "rpo_measured_seconds"), 7);
	}
}

static void a_broken_promise_is_told_once_and_so_is_its_end(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)); /* promised: 60 s */
	static const struct {
		int64_t age_ms;
		bool broken;
	} rows[] = { { 59000, false }, { 61000, true }, { 58000, true }, { 61000, true },
		{ 53000, false }, { 59000, false } };

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		const char *more =
			fmt(s->w, ",\"newest_point_age_ms\":%lld", (long long)rows[i].age_ms);

		scene_report(s, HOST_B, one(s, scene_item(s, id, "target", "replicating", more)));
		scene_report(s, HOST_A, one(s, scene_item(s, id, "source", "replicating", more)));
		/* a tenth is to spare before it counts as kept again, so that it does not flap */
		if (is_null(scene_show(s, LEAD, id), "rpo_breached_at") == rows[i].broken)
			fail_msg("row %zu", i);
	}
	struct reply r = expect(s->w, AUDITOR, "GET",
		fmt(s->w,
			"/v1/events?subject_id=%s&types=replication.rpo_breached,replication.rpo_restored",
			id),
		NULL, 200);

	assert_int_equal(size_at(r.json, "data"), 2);
	assert_string_equal(text_at(r.json, "data.0.type"), "replication.rpo_breached");
	assert_string_equal(text_at(r.json, "data.1.type"), "replication.rpo_restored");
	/* silence breaks it, too */
	s->w->clock_ms += 61000;
	world_tick(s->w);
	assert_false(is_null(scene_show(s, LEAD, id), "rpo_breached_at"));
	scene_seen(s);
}

/* Its newest point is hours old over there, and its host sees that this is all there is. */
static void a_vm_that_is_off_breaks_no_promise(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)); /* promised: 60 s */
	static const struct {
		const char *source, *health;
		int64_t seconds;
		bool broken;
	} rows[] = { { ",\"newest_point_age_ms\":5000", "normal", 5, false },
		{ ",\"newest_point_age_ms\":61000", "normal", 61, true }, /* not seen any more */
		{ ",\"newest_point_age_ms\":5000", "normal", 5, false },
		{ "", "warning", 7200, true } };

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		scene_report(s, HOST_B,
			one(s,
				scene_item(s, id, "target", "replicating",
					",\"newest_point_age_ms\":7200000")));
		scene_report(s, HOST_A,
			one(s, scene_item(s, id, "source", "replicating", rows[i].source)));
		json_t *shown = scene_show(s, OWN_VIEWER, id);

		assert_in_range(number_at(shown, "rpo_measured_seconds"), rows[i].seconds,
			rows[i].seconds + 20);
		assert_string_equal(text_at(shown, "health"), rows[i].health);
		assert_int_equal(!is_null(shown, "rpo_breached_at"), rows[i].broken);
	}
	scene_seen(s);
}

/* ---- health ---- */

static void health_follows_the_rules_of_hyperv(void **state)
{
	static const struct {
		const char *source, *more, *target, *health, *reason;
	} rows[] = {
		{ "replicating", ",\"cycles_total\":110,\"cycles_missed\":20", "replicating",
			"normal", "" },
		{ "replicating", ",\"cycles_total\":110,\"cycles_missed\":21", "replicating",
			"warning", "cycles_missed" },
		{ "replicating", ",\"latency_ms\":300000", "replicating", "normal", "" },
		{ "replicating", ",\"latency_ms\":300001", "replicating", "warning", "latency" },
		{ "replicating", ",\"newest_point_age_ms\":3600001", "replicating", "warning",
			"no_recent_cycle" },
		{ "paused", "", "replicating", "warning", "paused" },
		{ "replicating", "", "paused", "critical", "paused_on_replica" },
		{ "error", "", "replicating", "critical", "cannot_send" },
		{ "replicating", "", "error", "critical", "cannot_send" },
		{ "resync_required", "", "replicating", "critical", "resync_required" },
		{ "disk_update_error", "", "replicating", "critical", "cannot_send" },
		{ "replicating", "", "failed_over_uncommitted", "warning",
			"failed_over_unprotected" },
		{ "error", "", "committed", "warning", "failed_over_unprotected" },
		{ "unknown", "", "replicating", "warning", "not_told" },
		{ "busy", ",\"raw\":\"Prepared for group reverse replication\"", "replicating",
			"normal", "" },
	};
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)); /* 10 cycles so far */
	const char *path = fmt(s->w, "/v1/replications/%s/health", id);

	expect(s->w, LEAD, "POST", fmt(s->w, "%s/reset", path), "{}", 200);
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		scene_report(s, HOST_B, one(s, scene_item(s, id, "target", rows[i].target, "")));
		scene_report(s, HOST_A,
			one(s, scene_item(s, id, "source", rows[i].source, rows[i].more)));
		struct reply r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);

		if (strcmp(text_at(r.json, "health"), rows[i].health) != 0 ||
			strcmp(text_at(r.json, "reasons.0.code"), rows[i].reason) != 0)
			fail_msg("row %zu: %s", i, r.body);
	}
}

static void the_window_of_health_begins_anew(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));
	const char *path = fmt(s->w, "/v1/replications/%s/health", id);
	struct reply r;

	scene_report(s, HOST_A,
		one(s,
			scene_item(s, id, "source", "replicating",
				",\"cycles_total\":100,\"cycles_missed\":50")));
	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_int_equal(number_at(r.json, "missed_percent"), 50);
	expect(s->w, OWN_ADMIN, "POST", fmt(s->w, "%s/reset", path), "{}", 403);
	r = expect(s->w, LEAD, "POST", fmt(s->w, "%s/reset", path), "{}", 200);
	assert_string_equal(text_at(r.json, "object"), "replication_health");
	assert_int_equal(number_at(r.json, "cycles_missed"), 0);
	assert_true(is_null(r.json, "missed_percent"));
	scene_report(s, HOST_A,
		one(s,
			scene_item(s, id, "source", "replicating",
				",\"cycles_total\":110,\"cycles_missed\":51")));
	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_int_equal(number_at(r.json, "cycles_total"), 10);
	assert_int_equal(number_at(r.json, "missed_percent"), 10);
	/* a counter that is smaller than before was started anew */
	scene_report(s, HOST_A,
		one(s,
			scene_item(s, id, "source", "replicating",
				",\"cycles_total\":4,\"cycles_missed\":2")));
	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_int_equal(number_at(r.json, "cycles_total"), 4);
	/* and so does time, every twelve hours from nine */
	s->w->clock_ms += 12 * 3600000;
	world_tick(s->w);
	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_int_equal(number_at(r.json, "cycles_total"), 0);
	assert_true(scene_told(s, id, "replication.health_reset"));
	scene_seen(s);
}

static void the_window_is_that_of_hyperv(void **state)
{
	(void)state;
	/* 1970-01-02T08:59:59Z, 09:00, 20:59:59, 21:00 */
	assert_int_equal(ud_health_window(118799000), 75600000);
	assert_int_equal(ud_health_window(118800000), 118800000);
	assert_int_equal(ud_health_window(161999000), 118800000);
	assert_int_equal(ud_health_window(162000000), 162000000);
}

/* ---- the ledger ---- */

static void every_minute_is_in_the_ledger(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));
	const char *path = fmt(s->w, "/v1/replications/%s/measurements", id);
	static const int64_t ages[] = { 5000, 30000, 90000, -1, 8000 };

	/* on a minute of its own, whatever the time is */
	s->w->clock_ms += 120000;
	for (size_t i = 0; i < UD_LEN(ages); i++) {
		if (ages[i] >= 0) {
			const char *more = fmt(s->w,
				",\"newest_point_age_ms\":%lld,\"cycles_total\":%zu,\"bytes_sent\":%zu",
				(long long)ages[i], 10 + 12 * i, 5000 + 100 * i);

			scene_report(s, HOST_B,
				one(s, scene_item(s, id, "target", "replicating", more)));
			scene_report(s, HOST_A,
				one(s, scene_item(s, id, "source", "replicating", more)));
		}
		world_tick(s->w);
		world_tick(s->w); /* a minute is written once */
		s->w->clock_ms += 60000;
	}
	struct reply r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);

	assert_string_equal(text_at(r.json, "object"), "replication_measurements");
	assert_int_equal(number_at(r.json, "bucket_seconds"), 60);
	assert_int_equal(number_at(r.json, "minutes_total"), 5);
	assert_int_equal(number_at(r.json, "minutes_kept"), 3);
	assert_int_equal(number_at(r.json, "minutes_broken"), 1);
	assert_int_equal(number_at(r.json, "minutes_unknown"), 1);
	assert_int_equal(number_at(r.json, "kept_permille"), 600);
	assert_in_range(number_at(r.json, "worst_rpo_seconds"), 90, 92);
	assert_int_equal(number_at(r.json, "cycles_total"), 48);
	assert_int_equal(number_at(r.json, "bytes_sent"), 400);
	assert_int_equal(size_at(r.json, "minutes"), 5);
	assert_in_range(number_at(r.json, "minutes.1.rpo_seconds"), 30, 32);
	assert_int_equal(number_at(r.json, "minutes.1.target_seconds"), 60);
	assert_true(is_null(json_array_get(json_object_get(r.json, "minutes"), 3), "rpo_seconds"));
	expect(s->w, OTHER_VIEWER, "GET", path, NULL, 404);
	expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s?from=yesterday", path), NULL, 400);
	expect(s->w, OWN_VIEWER, "GET",
		fmt(s->w, "%s?from=2026-01-01T00:00:00Z&until=2026-03-01T00:00:00Z", path), NULL,
		400);
	r = expect(s->w, OWN_VIEWER, "GET",
		fmt(s->w, "%s?from=2026-01-01T00:00:00Z&until=2026-01-31T00:00:00Z", path), NULL,
		200);
	assert_int_equal(number_at(r.json, "minutes_total"), 0);
	assert_int_equal(number_at(r.json, "bucket_seconds"), 1800);
	assert_true(is_null(r.json, "kept_permille"));
	scene_seen(s);
}

static void prometheus_learns_the_worst(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));

	scene_report(s, HOST_B,
		one(s,
			scene_item(s, id, "target", "replicating",
				",\"newest_point_age_ms\":86400000000")));
	scene_report(s, HOST_A,
		one(s,
			scene_item(s, id, "source", "replicating",
				",\"newest_point_age_ms\":86400000000")));
	struct reply r = call(s->w, NOBODY, "GET", "/metrics", NULL, NULL);

	assert_int_equal(r.status, 200);
	assert_non_null(strstr(r.body, "understudy_replications{state=\"replicating\"} "));
	assert_non_null(strstr(r.body, "\nunderstudy_replication_rpo_worst_seconds 86400000\n"));
	assert_non_null(strstr(r.body, "\nunderstudy_replications_rpo_breached "));
	assert_null(strstr(r.body, s->w->own));
}

/* ---- honest buttons ---- */

/* The route of an operation, by its row. */
static const struct ud_route *route_of(const char *name)
{
	for (const struct ud_routes *const *part = ud_api; *part; part++)
		for (size_t i = 0; i < (*part)->count; i++) {
			const struct ud_route *r = &(*part)->rows[i];
			char word[64] = "";

			if (strncmp(r->operation, "replications.", 13) != 0)
				continue;
			snprintf(word, sizeof(word), "%s", r->operation + 13);
			for (char *p = word; *p; p++)
				*p = *p == '-' ? '_' : *p;
			if (strcmp(word, name) == 0)
				return r;
		}
	fail_msg("no route for %s", name);
	return NULL;
}

static void the_table_of_operations_is_that_of_the_routes(void **state)
{
	(void)state;
	for (int op = 0; op < UD_RPL_OP_COUNT; op++)
		assert_int_equal(route_of(ud_replication_rules[op].name)->roles,
			ud_replication_rules[op].roles);
}

static const char *body_of(struct scene *s, enum ud_replication_op op)
{
	return op == UD_RPL_EXTEND
		? fmt(s->w, "{\"target_host_id\":\"%s\",\"schedule_interval_seconds\":300}",
			  s->agents[HOST_C].host_id)
		: "{}";
}

/* What the caller is shown of an operation: NULL = it is allowed, else why not. */
static const char *shown_reason(json_t *shown, const char *name)
{
	json_t *item;
	size_t i;

	if (lists(json_object_get(shown, "allowed_operations"), name))
		return NULL;
	json_array_foreach(json_object_get(shown, "blocked_operations"), i,
		item) if (strcmp(text_at(item, "op"), name) == 0)
	{
		assert_true(*text_at(item, "text"));
		assert_true(*text_at(item, "who"));
		return text_at(item, "reason_code");
	}
	fail_msg("%s is neither allowed nor blocked", name);
	return NULL;
}

static void press(struct scene *s, enum who who, const char *id, enum ud_replication_op op,
	const char *reason, const char *where)
{
	const char *headers[] = { "If-Match: *", NULL };
	const struct ud_route *route = route_of(ud_replication_rules[op].name);
	const char *brace = strchr(route->path, '{');
	const char *path = fmt(s->w, "%.*s%s%s?dry_run=true", (int)(brace - route->path),
		route->path, id, strchr(brace, '}') + 1);
	/* customers name hosts of their own alone: the button stands for what they may */
	bool customer = who >= OWN_ADMIN && op == UD_RPL_EXTEND;
	struct reply r = call(s->w, who, route->method, path,
		customer
			? fmt(s->w, "{\"target_site_id\":\"%s\",\"schedule_interval_seconds\":300}",
				  s->sites[HOST_C])
			: body_of(s, op),
		headers);

	if (!reason ? r.status / 100 != 2 : strcmp(text_at(r.json, "code"), reason) != 0)
		fail_msg("%s %s as %s: listed %s, got %d %s", ud_replication_rules[op].name, where,
			who_names[who], reason ? reason : "as allowed", r.status, r.body);
}

/* Bring a replication into a state, told by the end that may. */
static void put(struct scene *s, const char *id, int state)
{
	const char *name = ud_replication_states.names[state];
	bool targets = state >= UD_REPLICATION_FAILING_OVER && state <= UD_REPLICATION_FAILING_BACK;

	scene_report(s, HOST_A, one(s, scene_item(s, id, "source", targets ? "error" : name, "")));
	scene_report(
		s, HOST_B, one(s, scene_item(s, id, "target", targets ? name : "replicating", "")));
}

static void press_all(struct scene *s, const char *id, const char *where, size_t *cells)
{
	static const enum who whos[] = { LEAD, ENGINEER, OPERATOR, AUDITOR, OWN_ADMIN, OWN_APPROVER,
		OWN_OPERATOR, OWN_VIEWER };

	for (size_t i = 0; i < UD_LEN(whos); i++) {
		json_t *shown = scene_show(s, whos[i], id);

		for (int op = 0; op < UD_RPL_OP_COUNT; op++, ++*cells)
			press(s, whos[i], id, (enum ud_replication_op)op,
				shown_reason(shown, ud_replication_rules[op].name), where);
	}
}

static void calling_equals_what_is_listed(void **state)
{
	struct scene *s = *state;
	size_t cells = 0;
	const char *id = scene_protect(s, scene_vm(s));

	for (int st = 0; st < UD_REPLICATION_STATE_COUNT; st++) {
		put(s, id, st);
		press_all(s, id, ud_replication_states.names[st], &cells);
	}
	put(s, id, UD_REPLICATION_REPLICATING);
	expect(s->w, LEAD, "POST", fmt(s->w, "/v1/replications/%s/pause", id), "{}", 200);
	scene_do(s, HOST_B, "relation_set");
	scene_do(s, HOST_A, "relation_set");
	put(s, id, UD_REPLICATION_PAUSED);
	press_all(s, id, "paused by people", &cells);
	expect(s->w, LEAD, "POST", fmt(s->w, "/v1/replications/%s/resume", id), "{}", 200);
	scene_do(s, HOST_B, "relation_set");
	scene_do(s, HOST_A, "relation_set");
	put(s, id, UD_REPLICATION_REPLICATING);
	const char *third = scene_extend(s, id);

	press_all(s, id, "extended", &cells);
	press_all(s, third, "the extension", &cells);
	expect(s->w, LEAD, "POST", fmt(s->w, "/v1/replications/%s/remove", third), "{}", 202);
	scene_do(s, HOST_B, "relation_set");
	scene_do(s, HOST_C, "relation_set");
	press_all(s, third, "removed", &cells);
	expect(s->w, OWN_ADMIN, "POST", fmt(s->w, "/v1/replications/%s/agree-to-deletion", third),
		"{}", 200);
	press_all(s, third, "agreed", &cells);
	printf("# %zu cells\n", cells);
	assert_true(cells > 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_ends_of_a_relation_speak_of_it),
		cmocka_unit_test(what_nobody_knows_is_let_go),
		cmocka_unit_test(a_report_of_another_form_is_refused_whole),
		cmocka_unit_test(points_are_told_once_and_listed_newest_first),
		cmocka_unit_test(the_newest_is_so_by_number_and_not_by_clock),
		cmocka_unit_test(what_is_corrupt_stays_so),
		cmocka_unit_test(a_pinned_point_is_named_to_the_hosts),
		cmocka_unit_test(a_point_is_read_back),
		cmocka_unit_test(silence_is_unknown_and_never_health),
		cmocka_unit_test(a_wrong_clock_of_a_host_changes_no_age),
		cmocka_unit_test(a_broken_promise_is_told_once_and_so_is_its_end),
		cmocka_unit_test(a_vm_that_is_off_breaks_no_promise),
		cmocka_unit_test(health_follows_the_rules_of_hyperv),
		cmocka_unit_test(the_window_of_health_begins_anew),
		cmocka_unit_test(the_window_is_that_of_hyperv),
		cmocka_unit_test(every_minute_is_in_the_ledger),
		cmocka_unit_test(prometheus_learns_the_worst),
		cmocka_unit_test(the_table_of_operations_is_that_of_the_routes),
		cmocka_unit_test(calling_equals_what_is_listed),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
