/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Hyper-V driver over a site in a box: relations from nothing to every kind of failover, and
 * what may go wrong on the way. Calls that Windows would not take fail the test at its end.
 */
#include <stdio.h>
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/env.h"
#include "support/box.h"
#include "support/context.h"

enum { PATIENCE_MS = 60000 };
#define VM "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
#define RELATION "rpl_01"
#define ONWARD "rpl_02"

/* Hosts A, B and C; the VM lies on A, running. */
struct scene {
	struct ud_ctx *cx;
	struct box box;
	struct ud_hv *hv[3];
	int64_t generation;
};

static const char *const names[] = { "lon-a", "lon-b", "ams-c" };

static int begin(void **state)
{
	struct scene *s = ud_malloc(sizeof(*s));
	void *cx = NULL;

	context_begin(&cx);
	*s = (struct scene){ .cx = cx };
	*state = s;
	box_begin(s->cx, &s->box);
	for (size_t i = 0; i < UD_LEN(names); i++)
		if (ud_hv_open(s->cx, box_drivers, box_host(&s->box, names[i]), NULL, NULL,
			    &s->hv[i]) != UD_OK)
			fail_msg("%s", s->cx->problem.detail);
	box_do(&s->box, "vm", names[0], VM, "sql-01", NULL);
	box_do(&s->box, "power", names[0], VM, "Running", NULL);
	box_do(&s->box, "world", "speed", "100", NULL);
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;
	void *cx = s->cx;

	for (size_t i = 0; i < UD_LEN(names); i++)
		ud_hv_close(&s->hv[i]);
	box_end(&s->box);
	ud_free(s);
	return context_end(&cx);
}

/* ---- relations ---- */

static struct ud_relation relation(
	struct scene *s, const char *id, enum ud_relation_role role, int peer, int64_t generation)
{
	struct ud_relation r = { 0 };

	ud_shape_init(&ud_relation_shape, &r);
	r.replication_id = id;
	r.vm_id = "vm_01";
	r.uuid = VM;
	r.role = role;
	r.peer_host_id = "hst_peer";
	r.peer_agent_id = "agt_peer";
	r.peer_address = ud_printf(s->cx->arena, "%s.example.test:443", names[peer]);
	r.epoch = generation;
	r.schedule_interval_seconds = 30;
	r.recovery_points_kept = 4;
	r.generation = generation;
	return r;
}

static void must(struct scene *s, enum ud_code code)
{
	if (code != UD_OK)
		fail_msg("%s", s->cx->problem.detail);
}

/* Set both ends, the target first; how: of the source's initial copy. */
static void relate(struct scene *s, int source, int target, enum ud_initial_method how)
{
	struct ud_relation_result result = { 0 };
	const char *initial =
		ud_printf(s->cx->arena, "{\"method\":\"%s\"}", ud_initial_methods.names[how]);
	struct ud_relation to = relation(s, RELATION, UD_RELATION_TARGET, source, ++s->generation);
	struct ud_relation from = relation(s, RELATION, UD_RELATION_SOURCE, target, s->generation);

	to.initial.text = from.initial.text = initial;
	must(s, ud_hv_relation_set(s->cx, s->hv[target], &to, &result));
	must(s, ud_hv_relation_set(s->cx, s->hv[source], &from, &result));
}

struct status {
	const char *id;
	bool found;
	enum ud_replication_state state;
	int64_t age_ms, missed, generation;
	bool error;
};

static enum ud_code take_status(
	struct ud_ctx *cx, void *data, const struct ud_replication_report *r)
{
	struct status *s = data;

	(void)cx;
	if (strcmp(r->replication_id, s->id) != 0)
		return UD_OK;
	s->found = true;
	s->state = r->state;
	s->age_ms = r->newest_point_age_ms;
	s->missed = r->cycles_missed;
	s->generation = r->generation;
	s->error = r->error.text;
	return UD_OK;
}

static struct status status_of(struct scene *s, int host, const char *id)
{
	struct status st = { .id = id };

	must(s, ud_hv_relations(s->cx, s->hv[host], take_status, &st));
	assert_true(st.found);
	return st;
}

static void until(struct scene *s, int host, const char *id, enum ud_replication_state state)
{
	int64_t last = ud_mono_ms(&ud_env_real) + PATIENCE_MS;

	while (status_of(s, host, id).state != state) {
		if (ud_mono_ms(&ud_env_real) > last)
			fail_msg("%s at %s is %s", id, names[host],
				ud_replication_states.names[status_of(s, host, id).state]);
		box_do(&s->box, "advance", "1", NULL);
	}
}

static void replicates(struct scene *s)
{
	relate(s, 0, 1, UD_INITIAL_NETWORK);
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	until(s, 1, RELATION, UD_REPLICATION_REPLICATING);
}

struct points {
	int count;
	char newest[64], second[64];
};

static enum ud_code take_point(struct ud_ctx *cx, void *data, const struct ud_point *p)
{
	struct points *ps = data;

	(void)cx;
	assert_int_equal(strlen(p->id), 30);
	if (ps->count == 0)
		strncpy(ps->newest, p->id, sizeof(ps->newest) - 1);
	if (ps->count++ == 1)
		strncpy(ps->second, p->id, sizeof(ps->second) - 1);
	return UD_OK;
}

static struct points points_at(struct scene *s, int host)
{
	struct points ps = { 0 };

	must(s, ud_hv_points(s->cx, s->hv[host], RELATION, take_point, &ps));
	return ps;
}

static void write_and_ship(struct scene *s, int host)
{
	box_do(&s->box, "write", names[host], VM, NULL);
	box_do(&s->box, "advance", "2", NULL);
}

static const char *content(struct scene *s, int host, const char *uuid)
{
	return box_do(&s->box, "content", names[host], uuid, NULL);
}

static const char *stands(struct scene *s, int host)
{
	return box_do(&s->box, "state", names[host], VM, NULL);
}

/* ---- stories ---- */

static void a_vm_replicates_from_nothing(void **state)
{
	struct scene *s = *state;

	replicates(s);
	for (int i = 0; i < 5; i++)
		write_and_ship(s, 0);
	struct points ps = points_at(s, 1);

	assert_true(ps.count > 2);
	assert_int_equal(points_at(s, 0).count, 0);
	assert_int_equal(status_of(s, 1, RELATION).generation, 1);
	/* the box's clock runs ahead of ours: no age is below zero */
	assert_true(status_of(s, 1, RELATION).age_ms >= 0);
	/* the replica cannot be started by anybody */
	assert_int_equal(ud_hv_start(s->cx, s->hv[1], VM, 0), UD_E_INVALID_STATE);
}

static void a_test_comes_and_goes_beside_the_cycles(void **state)
{
	struct scene *s = *state;
	struct ud_hv_tested copy = { 0 }, again = { 0 };
	struct ud_machine m = { 0 };

	replicates(s);
	for (int i = 0; i < 4; i++)
		write_and_ship(s, 0);
	struct points ps = points_at(s, 1);
	struct ud_hv_test t = { "tst_1", RELATION, ps.second, "sql-01 - Test",
		{ "[{\"mac\":\"00:15:5d:00:00:00\",\"network\":\"Test\"}]" } };

	must(s, ud_hv_test_start(s->cx, s->hv[1], &t, &copy));
	must(s, ud_hv_test_start(s->cx, s->hv[1], &t, &again));
	assert_string_equal(copy.uuid, again.uuid);
	must(s, ud_hv_machine(s->cx, s->hv[1], copy.uuid, &m));
	assert_int_equal(m.power, UD_POWER_RUNNING);
	assert_string_equal(m.test_of, VM);
	assert_non_null(strstr(m.nics.text, "\"source\":\"Test\""));
	const char *before = content(s, 1, copy.uuid);

	write_and_ship(s, 0);
	assert_string_equal(content(s, 1, copy.uuid), before);
	assert_int_equal(status_of(s, 1, RELATION).state, UD_REPLICATION_REPLICATING);
	t.test_id = "tst_2";
	assert_int_equal(ud_hv_test_start(s->cx, s->hv[1], &t, &again), UD_E_INVALID_STATE);
	must(s, ud_hv_test_drop(s->cx, s->hv[1], "tst_1"));
	must(s, ud_hv_test_drop(s->cx, s->hv[1], "tst_1"));
	assert_int_equal(ud_hv_machine(s->cx, s->hv[1], copy.uuid, &m), UD_E_NOT_FOUND);
	/* the newest state is replaced by each cycle; a test takes what took its place */
	t.test_id = "tst_3";
	t.point_id = ps.newest;
	must(s, ud_hv_test_start(s->cx, s->hv[1], &t, &copy));
	must(s, ud_hv_test_drop(s->cx, s->hv[1], "tst_3"));
}

/* Stopped, shipped, brought up over there. */
static struct ud_point planned(struct scene *s, int from, int to)
{
	struct ud_point last = { 0 };
	struct ud_hv_promoted done = { 0 };

	box_do(&s->box, "write", names[from], VM, NULL);
	assert_int_equal(ud_hv_prepare(s->cx, s->hv[from], RELATION, &last), UD_E_INVALID_STATE);
	must(s, ud_hv_shutdown(s->cx, s->hv[from], VM, PATIENCE_MS));
	must(s, ud_hv_prepare(s->cx, s->hv[from], RELATION, &last));
	struct ud_hv_promotion up = { RELATION, last.id, { NULL } };

	must(s, ud_hv_fail_over(s->cx, s->hv[to], &up, &done));
	must(s, ud_hv_fail_over(s->cx, s->hv[to], &up, &done));
	assert_string_equal(done.point_id, last.id);
	return last;
}

static void a_planned_failover_loses_nothing_and_turns_round(void **state)
{
	struct scene *s = *state;
	struct ud_hv_displaced gone = { 0 };

	replicates(s);
	for (int round = 0; round < 2; round++) {
		int from = round, to = 1 - round;

		planned(s, from, to);
		must(s, ud_hv_start(s->cx, s->hv[to], VM, 0));
		assert_string_equal(content(s, to, VM), content(s, from, VM));
		must(s, ud_hv_displace(s->cx, s->hv[from], VM, &gone));
		must(s, ud_hv_displace(s->cx, s->hv[from], VM, &gone));
		assert_null(gone.divergent);
		must(s, ud_hv_complete(s->cx, s->hv[to], RELATION));
		must(s, ud_hv_complete(s->cx, s->hv[to], RELATION));
		assert_int_equal(ud_hv_cancel(s->cx, s->hv[to], RELATION), UD_E_INVALID_STATE);
		assert_int_equal(status_of(s, to, RELATION).state, UD_REPLICATION_COMMITTED);
		relate(s, to, from, UD_INITIAL_REVERSE);
		until(s, to, RELATION, UD_REPLICATION_REPLICATING);
		until(s, from, RELATION, UD_REPLICATION_REPLICATING);
		write_and_ship(s, to);
		assert_int_equal(ud_hv_start(s->cx, s->hv[from], VM, 0), UD_E_INVALID_STATE);
	}
}

static void a_planned_failover_is_called_off(void **state)
{
	struct scene *s = *state;
	struct ud_point last = { 0 };

	replicates(s);
	/* before anything was brought up: the source is simply started */
	must(s, ud_hv_shutdown(s->cx, s->hv[0], VM, PATIENCE_MS));
	must(s, ud_hv_prepare(s->cx, s->hv[0], RELATION, &last));
	must(s, ud_hv_start(s->cx, s->hv[0], VM, 0));
	assert_string_equal(stands(s, 0), "Running Simple:Primary:Replicating");
	/* after it: the replica first */
	planned(s, 0, 1);
	must(s, ud_hv_start(s->cx, s->hv[1], VM, 0));
	must(s, ud_hv_cancel(s->cx, s->hv[1], RELATION));
	must(s, ud_hv_cancel(s->cx, s->hv[1], RELATION));
	must(s, ud_hv_start(s->cx, s->hv[0], VM, UD_START_PAUSED));
	must(s, ud_hv_resume(s->cx, s->hv[0], VM));
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	assert_string_equal(stands(s, 1), "Off Simple:Replica:Replicating");
}

/* The source is lost; the replica goes on from a point, and the source comes back. */
static void after_an_unplanned_failover_the_old_primary_returns(void **state)
{
	struct scene *s = *state;
	struct ud_hv_promoted done = { 0 };
	struct ud_hv_displaced gone = { 0 };

	replicates(s);
	for (int i = 0; i < 4; i++)
		write_and_ship(s, 0);
	box_do(&s->box, "write", names[0], VM, NULL); /* never shipped */
	box_do(&s->box, "power_loss", names[0], NULL);
	struct points ps = points_at(s, 1);
	struct ud_hv_promotion wrong_point = { RELATION, ps.second, { NULL } };
	struct ud_hv_promotion up = { RELATION, ps.newest, { NULL } };

	/* the wrong point first, taken back, and then the newest */
	must(s, ud_hv_fail_over(s->cx, s->hv[1], &wrong_point, &done));
	assert_int_equal(ud_hv_fail_over(s->cx, s->hv[1], &up, &done), UD_E_INVALID_STATE);
	must(s, ud_hv_cancel(s->cx, s->hv[1], RELATION));
	must(s, ud_hv_fail_over(s->cx, s->hv[1], &up, &done));
	must(s, ud_hv_start(s->cx, s->hv[1], VM, 0));
	must(s, ud_hv_complete(s->cx, s->hv[1], RELATION));
	assert_string_equal(stands(s, 1), "Running Simple:Replica:FailedOver");
	assert_int_equal(points_at(s, 1).count, 0);
	box_do(&s->box, "write", names[1], VM, "10", NULL);
	box_do(&s->box, "boot", names[0], NULL);
	must(s, ud_hv_displace(s->cx, s->hv[0], VM, &gone));
	assert_non_null(gone.divergent);
	assert_int_equal(ud_hv_start(s->cx, s->hv[0], VM, 0), UD_E_INVALID_STATE);
	relate(s, 1, 0, UD_INITIAL_REVERSE);
	until(s, 1, RELATION, UD_REPLICATION_REPLICATING);
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	write_and_ship(s, 1);
	struct ud_point last = planned(s, 1, 0);

	assert_non_null(last.id);
	assert_string_equal(content(s, 0, VM), content(s, 1, VM));
}

static void a_saved_old_primary_forgets_its_memory(void **state)
{
	struct scene *s = *state;
	struct ud_hv_promoted done = { 0 };
	struct ud_hv_displaced gone = { 0 };

	replicates(s);
	box_do(&s->box, "clean_stop", names[0], NULL);
	struct ud_hv_promotion up = { RELATION, points_at(s, 1).newest, { NULL } };

	must(s, ud_hv_fail_over(s->cx, s->hv[1], &up, &done));
	box_do(&s->box, "boot", names[0], NULL);
	assert_string_equal(stands(s, 0), "Saved Simple:Primary:Error");
	must(s, ud_hv_displace(s->cx, s->hv[0], VM, &gone));
	assert_string_equal(stands(s, 0), "Off Simple:Replica:WaitingForInitialReplication");
	/* it is called off after all: the old primary is freed, and goes on with its own disks */
	must(s, ud_hv_cancel(s->cx, s->hv[1], RELATION));
	up.point_id = NULL;
	must(s, ud_hv_fail_over(s->cx, s->hv[0], &up, &done));
	must(s, ud_hv_start(s->cx, s->hv[0], VM, 0));
	assert_string_equal(stands(s, 0), "Running ");
}

static void settings_pause_and_resynchronisation(void **state)
{
	struct scene *s = *state;
	struct ud_relation_result result = { 0 };
	struct ud_relation_resync resync = { RELATION, UD_RESYNC_AUTO, { UD_NONE } };

	replicates(s);
	struct ud_relation r = relation(s, RELATION, UD_RELATION_SOURCE, 1, ++s->generation);

	r.app_consistent_every_hours = 1;
	r.state = UD_RELATION_PAUSED;
	must(s, ud_hv_relation_set(s->cx, s->hv[0], &r, &result));
	assert_int_equal(result.state, UD_REPLICATION_PAUSED);
	must(s, ud_hv_relation_set(s->cx, s->hv[0], &r, &result));
	r.state = UD_RELATION_ACTIVE;
	r.generation = ++s->generation;
	must(s, ud_hv_relation_set(s->cx, s->hv[0], &r, &result));
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	r.generation = 1;
	assert_int_equal(ud_hv_relation_set(s->cx, s->hv[0], &r, &result), UD_E_CONFLICT);
	box_do(&s->box, "world", "hold_seed", "true", NULL);
	must(s, ud_hv_relation_resync(s->cx, s->hv[0], &resync, &result));
	assert_int_equal(result.state, UD_REPLICATION_RESYNCING);
	box_do(&s->box, "world", "hold_seed", "false", NULL);
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	box_do(&s->box, "link_set", names[0], VM, "state", "\"WaitingForStartResynchronize\"",
		NULL);
	assert_int_equal(status_of(s, 0, RELATION).state, UD_REPLICATION_RESYNC_REQUIRED);
	assert_true(status_of(s, 0, RELATION).error);
	must(s, ud_hv_relation_resync(s->cx, s->hv[0], &resync, &result));
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
}

static void what_hyper_v_does_not_do_is_refused_before_it_is_asked(void **state)
{
	struct scene *s = *state;
	struct ud_relation_result result = { 0 };
	struct ud_relation r = relation(s, RELATION, UD_RELATION_SOURCE, 1, 1);

	r.schedule_interval_seconds = 5;
	assert_int_equal(ud_hv_relation_set(s->cx, s->hv[0], &r, &result), UD_E_VALIDATION);
	r.schedule_interval_seconds = 30;
	r.recovery_points_kept = 25;
	assert_int_equal(ud_hv_relation_set(s->cx, s->hv[0], &r, &result), UD_E_VALIDATION);
	r.recovery_points_kept = 0;
	r.app_consistent_every_hours = 1;
	assert_int_equal(ud_hv_relation_set(s->cx, s->hv[0], &r, &result), UD_E_VALIDATION);
	r.recovery_points_kept = 4;
	r.leg = UD_LEG_EXTENDED;
	r.schedule_interval_seconds = 300;
	assert_int_equal(ud_hv_relation_set(s->cx, s->hv[0], &r, &result), UD_E_VALIDATION);
	r.app_consistent_every_hours = UD_NONE;
	r.schedule_interval_seconds = 30;
	assert_int_equal(ud_hv_relation_set(s->cx, s->hv[0], &r, &result), UD_E_VALIDATION);
	assert_string_equal(stands(s, 0), "Running ");
}

static void relate_by(struct scene *s, int peer, unsigned authentication)
{
	struct ud_relation_result result = { 0 };
	struct ud_relation to = relation(s, RELATION, UD_RELATION_TARGET, 0, ++s->generation);
	struct ud_relation from = relation(s, RELATION, UD_RELATION_SOURCE, peer, s->generation);

	to.authentication = from.authentication = authentication;
	must(s, ud_hv_relation_set(s->cx, s->hv[peer], &to, &result));
	must(s, ud_hv_relation_set(s->cx, s->hv[0], &from, &result));
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
}

/* In one domain no certificate is needed; what came in by one goes on beside it. */
static void hosts_of_a_domain_know_each_other(void **state)
{
	struct scene *s = *state;
	struct ud_relation_drop drop = { RELATION, true };
	struct ud_relation_result result = { 0 };

	replicates(s);
	for (int host = 0; host < 2; host++)
		must(s, ud_hv_relation_drop(s->cx, s->hv[host], &drop, &result));
	box_do(&s->box, "forget", names[1], VM, NULL);
	relate_by(s, 1, UD_AUTHENTICATION_KERBEROS);
	assert_string_equal(box_do(&s->box, "server", names[1], NULL), "CertificateAndKerberos");
	planned(s, 0, 1);
	assert_string_equal(content(s, 1, VM), content(s, 0, VM));
	/* a host that takes Kerberos alone never looks for certificates */
	box_do(&s->box, "host_set", names[2], "certificates", "[]", NULL);
	struct ud_relation to = relation(s, ONWARD, UD_RELATION_TARGET, 0, 1);

	to.authentication = UD_AUTHENTICATION_KERBEROS;
	must(s, ud_hv_relation_set(s->cx, s->hv[2], &to, &result));
	assert_string_equal(box_do(&s->box, "server", names[2], NULL), "Kerberos");
}

/* Written to a folder, carried over, taken in: nothing goes over the wire before that. */
static void a_first_copy_comes_on_media(void **state)
{
	struct scene *s = *state;
	const struct ud_hv_replication with = { .listen = "lon.example.test:443",
		.media = "E:\\copies" };
	int port = 0;

	for (int host = 0; host < 2; host++)
		must(s, ud_hv_replicate(s->cx, s->hv[host], &with, &port));
	box_do(&s->box, "write", names[0], VM, "5", NULL);
	relate(s, 0, 1, UD_INITIAL_EXTERNAL_MEDIA);
	box_do(&s->box, "advance", "10", NULL);
	assert_int_equal(status_of(s, 0, RELATION).state, UD_REPLICATION_SEEDING);
	/* told again before it is there: it is on its way */
	relate(s, 0, 1, UD_INITIAL_EXTERNAL_MEDIA);
	assert_int_equal(status_of(s, 0, RELATION).state, UD_REPLICATION_SEEDING);
	assert_int_equal(points_at(s, 1).count, 0);
	box_do(&s->box, "carry", names[0], names[1], NULL);
	relate(s, 0, 1, UD_INITIAL_EXTERNAL_MEDIA);
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	until(s, 1, RELATION, UD_REPLICATION_REPLICATING);
	/* done, it is not taken in a second time */
	relate(s, 0, 1, UD_INITIAL_EXTERNAL_MEDIA);
	const char *log = box_do(&s->box, "count", "Import-VMInitialReplication", NULL);

	assert_string_equal(log, "1");
	planned(s, 0, 1);
	assert_string_equal(content(s, 1, VM), content(s, 0, VM));
}

/* A copy of the VM lies at the replica already, restored from a backup: it becomes the replica. */
static void a_first_copy_is_there_already(void **state)
{
	struct scene *s = *state;

	box_do(&s->box, "vm", names[1], VM, "sql-01", NULL);
	relate(s, 0, 1, UD_INITIAL_EXISTING);
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	until(s, 1, RELATION, UD_REPLICATION_REPLICATING);
	/* it was said so: nothing is copied that is there */
	assert_string_equal(
		box_do(&s->box, "logged", "lon-a Start-VMInitialReplication -UseBackup", NULL),
		"1");
	planned(s, 0, 1);
	assert_string_equal(content(s, 1, VM), content(s, 0, VM));
}

static void a_first_copy_waits_for_its_time(void **state)
{
	struct scene *s = *state;
	struct ud_relation_result result = { 0 };
	struct ud_relation to = relation(s, RELATION, UD_RELATION_TARGET, 0, ++s->generation);
	struct ud_relation from = relation(s, RELATION, UD_RELATION_SOURCE, 1, s->generation);
	char at[UD_TIME_TEXT];

	ud_time_format(ud_now_ms(&ud_env_real) + 3600000, at);
	to.initial.text = from.initial.text =
		ud_printf(s->cx->arena, "{\"method\":\"network\",\"start_at\":\"%s\"}", at);
	must(s, ud_hv_relation_set(s->cx, s->hv[1], &to, &result));
	must(s, ud_hv_relation_set(s->cx, s->hv[0], &from, &result));
	box_do(&s->box, "advance", "1800", NULL);
	assert_int_equal(status_of(s, 0, RELATION).state, UD_REPLICATION_SEEDING);
	box_do(&s->box, "advance", "2000", NULL);
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
}

/* Hosts B and C are nodes of a cluster: replicas come in by its broker, which is made. */
static void a_cluster_receives_by_its_broker(void **state)
{
	struct scene *s = *state;
	struct ud_relation_result result = { 0 };
	struct ud_relation to = relation(s, RELATION, UD_RELATION_TARGET, 0, ++s->generation);
	struct ud_relation from = relation(s, RELATION, UD_RELATION_SOURCE, 1, s->generation);

	box_do(&s->box, "cluster", "hv-london-two", names[1], names[2], NULL);
	from.peer_address = "hv-london--hvrb.example.test:443";
	/* no certificate of the node bears the broker's name: said before anything is enabled */
	assert_int_equal(ud_hv_relation_set(s->cx, s->hv[1], &to, &result), UD_E_HYPERVISOR);
	assert_non_null(strstr(s->cx->problem.detail, "broker's"));
	assert_non_null(strstr(s->cx->problem.detail, "hv-london--hvrb.example.test"));
	box_do(&s->box, "certificate", names[1], "hv-london--hvrb.example.test", NULL);
	must(s, ud_hv_relation_set(s->cx, s->hv[1], &to, &result));
	must(s, ud_hv_relation_set(s->cx, s->hv[1], &to, &result));
	must(s, ud_hv_relation_set(s->cx, s->hv[0], &from, &result));
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	until(s, 1, RELATION, UD_REPLICATION_REPLICATING);
	assert_string_equal(box_do(&s->box, "count", "Add-ClusterGroup", NULL), "1");
	assert_string_equal(box_do(&s->box, "count", "Add-ClusterResource", NULL), "3");
	write_and_ship(s, 0);
	planned(s, 0, 1);
	assert_string_equal(content(s, 1, VM), content(s, 0, VM));
}

/* Killed at any of its calls, the next attempt completes what is there. */
static void a_broker_that_was_half_made_is_completed(void **state)
{
	static const char *const calls[] = { "Add-ClusterGroup", "Add-ClusterResource",
		"Set-ClusterParameter", "Add-ClusterResourceDependency", "Start-ClusterGroup" };
	struct scene *s = *state;
	const char *name = NULL;

	box_do(&s->box, "cluster", "hv-lon", names[1], names[2], NULL);
	for (size_t i = 0; i < UD_LEN(calls); i++) {
		box_do(&s->box, "fault", names[1], calls[i], "die_after", NULL);
		assert_int_equal(ud_hy_broker(s->cx, s->hv[1], &name), UD_E_HYPERVISOR);
	}
	must(s, ud_hy_broker(s->cx, s->hv[1], &name));
	assert_string_equal(name, "hv-lon-hvrb.example.test");
	assert_string_equal(box_do(&s->box, "count", "Add-ClusterGroup", NULL), "1");
	must(s, ud_hy_broker(s->cx, s->hv[0], &name));
	assert_null(name);
}

/* Numbers and words of a newer cluster or storage: unknown, and never healthy. */
static void what_a_cluster_says_beyond_our_words_is_unknown(void **state)
{
	char number[8];

	(void)state;
	for (int i = 0; i <= 40; i++) {
		snprintf(number, sizeof(number), "%d", i);
		assert_string_equal(ud_hy_health_of(number), "unknown");
		if (i > 2)
			assert_string_equal(ud_hy_balance_mode(i), "unknown");
		if (i < 1 || i > 3)
			assert_string_equal(ud_hy_balance_level(i), "unknown");
	}
	assert_string_equal(ud_hy_health_of(NULL), "unknown");
	assert_string_equal(ud_hy_health_of("healthy"), "unknown");
	assert_string_equal(ud_hy_health_of("Healthy"), "healthy");
	assert_string_equal(ud_hy_balance_mode(UD_NONE), "unknown");
}

/* What the VM's inventory says of that. */
static bool machine_says(struct scene *s, const char *words)
{
	struct ud_machine m = { 0 };

	must(s, ud_hv_machine(s->cx, s->hv[0], VM, &m));
	return strstr(m.disks.text, words) || strstr(m.bars.text, words);
}

static void what_cannot_be_copied_is_told(void **state)
{
	static const char adapter[] = "\"code\":\"virtual_fibre_channel\"",
			  shared[] = "\"shared\":true", device[] = "\"passthrough\":true";
	struct scene *s = *state;

	assert_false(machine_says(s, adapter) || machine_says(s, shared));
	box_do(&s->box, "disk", names[0], VM, "1", "shared", "true", NULL);
	box_do(&s->box, "set", names[0], VM, "hbas", "1", NULL);
	assert_true(machine_says(s, adapter) && machine_says(s, shared));
	assert_false(machine_says(s, device));
	box_do(&s->box, "disk", names[0], VM, "1", "shared", "false", NULL);
	box_do(&s->box, "disk", names[0], VM, "1", "disk_number", "3", NULL);
	assert_true(machine_says(s, device) && !machine_says(s, shared));
}

static void a_third_host_takes_over_when_both_are_gone(void **state)
{
	struct scene *s = *state;
	struct ud_relation_result result = { 0 };
	struct ud_hv_promoted done = { 0 };
	struct points ps = { 0 };

	replicates(s);
	struct ud_relation to = relation(s, ONWARD, UD_RELATION_TARGET, 1, 1);
	struct ud_relation from = relation(s, ONWARD, UD_RELATION_SOURCE, 2, 1);

	to.leg = from.leg = UD_LEG_EXTENDED;
	to.schedule_interval_seconds = from.schedule_interval_seconds = 300;
	must(s, ud_hv_relation_set(s->cx, s->hv[2], &to, &result));
	must(s, ud_hv_relation_set(s->cx, s->hv[1], &from, &result));
	until(s, 2, ONWARD, UD_REPLICATION_REPLICATING);
	until(s, 1, ONWARD, UD_REPLICATION_REPLICATING);
	assert_int_equal(status_of(s, 1, RELATION).state, UD_REPLICATION_REPLICATING);
	write_and_ship(s, 0);
	box_do(&s->box, "advance", "10", NULL);
	box_do(&s->box, "power_loss", names[0], NULL);
	box_do(&s->box, "power_loss", names[1], NULL);
	must(s, ud_hv_points(s->cx, s->hv[2], ONWARD, take_point, &ps));
	struct ud_hv_promotion up = { ONWARD, ps.newest, { NULL } };

	must(s, ud_hv_fail_over(s->cx, s->hv[2], &up, &done));
	must(s, ud_hv_start(s->cx, s->hv[2], VM, 0));
	assert_string_equal(content(s, 2, VM), content(s, 0, VM));
	must(s, ud_hv_complete(s->cx, s->hv[2], ONWARD));
}

static void a_relation_is_removed_on_both_sides(void **state)
{
	struct scene *s = *state;
	struct ud_relation_drop drop = { RELATION, true };
	struct ud_relation_result result = { 0 };

	replicates(s);
	for (int host = 0; host < 2; host++) {
		must(s, ud_hv_relation_drop(s->cx, s->hv[host], &drop, &result));
		must(s, ud_hv_relation_drop(s->cx, s->hv[host], &drop, &result));
	}
	assert_string_equal(stands(s, 0), "Running ");
	assert_string_equal(stands(s, 1), "Off ");
}

/* Whatever a newer module may say, in words or in numbers. */
static void what_is_not_known_is_never_healthy(void **state)
{
	char number[8];

	(void)state;
	for (int i = 0; i <= 40; i++) {
		snprintf(number, sizeof(number), "%d", i);
		assert_int_equal(ud_hy_state_of(number, "Normal"), UD_REPLICATION_UNKNOWN);
		assert_int_equal(ud_hy_state_of("Replicating", number), UD_REPLICATION_UNKNOWN);
		assert_int_equal(ud_hy_power_of(number), UD_POWER_UNKNOWN);
	}
	assert_int_equal(ud_hy_state_of(NULL, NULL), UD_REPLICATION_UNKNOWN);
	assert_int_equal(ud_hy_state_of("replicating", "Normal"), UD_REPLICATION_UNKNOWN);
	assert_int_equal(ud_hy_state_of("Replicating", "Normal"), UD_REPLICATION_REPLICATING);
	assert_int_equal(ud_hy_state_of("Replicating", "Critical"), UD_REPLICATION_ERROR);
	assert_int_equal(ud_hy_state_of("FiredrillInProgress", "Normal"), UD_REPLICATION_BUSY);
}

/* ---- faults ---- */

/* A process that dies after its work: done again, nothing is done twice. */
static void a_process_that_dies_loses_nothing(void **state)
{
	struct scene *s = *state;
	struct ud_point last = { 0 };
	struct ud_hv_promoted done = { 0 };

	replicates(s);
	must(s, ud_hv_shutdown(s->cx, s->hv[0], VM, PATIENCE_MS));
	box_do(&s->box, "fault", names[0], "Start-VMFailover", "die_after", NULL);
	assert_int_equal(ud_hv_prepare(s->cx, s->hv[0], RELATION, &last), UD_E_HYPERVISOR);
	must(s, ud_hv_prepare(s->cx, s->hv[0], RELATION, &last));
	struct ud_hv_promotion up = { RELATION, last.id, { NULL } };

	box_do(&s->box, "fault", names[1], "Start-VMFailover", "die", NULL);
	assert_int_equal(ud_hv_fail_over(s->cx, s->hv[1], &up, &done), UD_E_HYPERVISOR);
	box_do(&s->box, "fault", names[1], "Start-VMFailover", "die_after", NULL);
	assert_int_equal(ud_hv_fail_over(s->cx, s->hv[1], &up, &done), UD_E_HYPERVISOR);
	must(s, ud_hv_fail_over(s->cx, s->hv[1], &up, &done));
	assert_string_equal(done.point_id, last.id);
}

static void a_guest_that_does_not_listen_is_not_waited_for_for_ever(void **state)
{
	struct scene *s = *state;

	box_do(&s->box, "fault", names[0], "Stop-VM", "hang", NULL);
	assert_int_equal(ud_hv_shutdown(s->cx, s->hv[0], VM, 500), UD_E_NOT_IN_TIME);
	box_do(&s->box, "fault", names[0], "Stop-VM", "hang_after", NULL);
	must(s, ud_hv_shutdown(s->cx, s->hv[0], VM, 3000));
}

/* Ids and categories decide, whatever language the host speaks. */
static void a_host_that_speaks_german_is_understood(void **state)
{
	struct scene *s = *state;
	struct ud_machine m = { 0 };

	box_do(&s->box, "world", "language", "\"de\"", NULL);
	assert_int_equal(ud_hv_machine(s->cx, s->hv[1], VM, &m), UD_E_NOT_FOUND);
	assert_non_null(strstr(s->cx->problem.detail, "Überprüfen"));
	assert_int_equal(ud_hv_pause(s->cx, s->hv[0], VM), UD_OK);
	replicates(s);
	assert_int_equal(ud_hv_start(s->cx, s->hv[1], VM, 0), UD_E_INVALID_STATE);
}

static void a_lost_link_a_full_disk_and_an_old_certificate_show(void **state)
{
	struct scene *s = *state;
	struct ud_relation_test test = { RELATION, "agt_peer", "lon-b.example.test:443",
		UD_AUTHENTICATION_CERTIFICATE };
	struct ud_relation_tested tested = { 0 };

	replicates(s);
	must(s, ud_hv_relation_test(s->cx, s->hv[0], &test, &tested));
	assert_true(tested.reachable && tested.encrypted);
	box_do(&s->box, "cut", names[0], names[1], NULL);
	box_do(&s->box, "advance", "3", NULL);
	assert_int_equal(status_of(s, 0, RELATION).state, UD_REPLICATION_ERROR);
	assert_true(status_of(s, 0, RELATION).missed > 0);
	must(s, ud_hv_relation_test(s->cx, s->hv[0], &test, &tested));
	assert_false(tested.reachable);
	assert_string_equal(tested.code, "unavailable");
	box_do(&s->box, "mend", names[0], names[1], NULL);
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	box_do(&s->box, "host_set", names[1], "full", "true", NULL);
	box_do(&s->box, "advance", "3", NULL);
	assert_int_equal(status_of(s, 0, RELATION).state, UD_REPLICATION_ERROR);
	box_do(&s->box, "host_set", names[1], "full", "false", NULL);
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	box_do(&s->box, "expire", names[0], NULL);
	box_do(&s->box, "advance", "3", NULL);
	assert_int_equal(status_of(s, 0, RELATION).state, UD_REPLICATION_ERROR);
	must(s, ud_hv_relation_test(s->cx, s->hv[0], &test, &tested));
	assert_non_null(strstr(tested.text, "is still valid"));
}

/* An answer may take its time, as long as it comes before the deadline. */
static void a_slow_answer_is_waited_for(void **state)
{
	struct scene *s = *state;
	struct ud_machine m = { 0 };
	int64_t began = ud_mono_ms(&ud_env_real);

	box_do(&s->box, "fault", names[0], "Get-VM", "slow", "1", "1.5", NULL);
	must(s, ud_hv_machine(s->cx, s->hv[0], VM, &m));
	assert_true(ud_mono_ms(&ud_env_real) - began >= 1500);
	assert_int_equal(m.power, UD_POWER_RUNNING);
}

/* The replica's host goes and comes: its source says so meanwhile, and catches up by itself. */
static void a_replica_that_lost_power_is_caught_up_with(void **state)
{
	struct scene *s = *state;
	struct ud_relation_test test = { RELATION, "agt_peer", "lon-b.example.test:443",
		UD_AUTHENTICATION_CERTIFICATE };
	struct ud_relation_tested tested = { 0 };
	struct ud_point last = { 0 };

	replicates(s);
	box_do(&s->box, "power_loss", names[1], NULL);
	box_do(&s->box, "advance", "3", NULL);
	assert_int_equal(status_of(s, 0, RELATION).state, UD_REPLICATION_ERROR);
	must(s, ud_hv_relation_test(s->cx, s->hv[0], &test, &tested));
	assert_false(tested.reachable);
	/* nothing is prepared for a host that is not there */
	must(s, ud_hv_shutdown(s->cx, s->hv[0], VM, PATIENCE_MS));
	assert_int_equal(ud_hv_prepare(s->cx, s->hv[0], RELATION, &last), UD_E_INVALID_STATE);
	must(s, ud_hv_start(s->cx, s->hv[0], VM, 0));
	box_do(&s->box, "boot", names[1], NULL);
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
	assert_string_equal(stands(s, 1), "Off Simple:Replica:Replicating");
}

/* The source's host lost power: what its log has not is compared anew, on an order. */
static void a_source_that_lost_power_is_compared_anew(void **state)
{
	struct scene *s = *state;
	struct ud_relation_resync resync = { RELATION, UD_RESYNC_AUTO, { UD_NONE } };
	struct ud_relation_result result = { 0 };

	replicates(s);
	box_do(&s->box, "power_loss", names[0], NULL);
	box_do(&s->box, "boot", names[0], NULL);
	assert_int_equal(status_of(s, 0, RELATION).state, UD_REPLICATION_RESYNC_REQUIRED);
	assert_true(status_of(s, 0, RELATION).error);
	must(s, ud_hv_start(s->cx, s->hv[0], VM, 0));
	must(s, ud_hv_relation_resync(s->cx, s->hv[0], &resync, &result));
	until(s, 0, RELATION, UD_REPLICATION_REPLICATING);
}

/* Nobody else's words run with the agent's rights. */
static void a_script_that_was_changed_is_not_started(void **state)
{
	struct scene *s = *state;
	struct ud_machine m = { 0 };

	context_file(s->cx, "lon-a/invoke.ps1", "Get-VM | Remove-VM\n");
	assert_int_equal(ud_hv_machine(s->cx, s->hv[0], VM, &m), UD_E_HYPERVISOR);
	assert_non_null(strstr(s->cx->problem.detail, "is not started"));
}

/* ---- what a host is like ---- */

struct differences {
	int missing, beyond;
	char last[256];
};

static enum ud_code take_difference(struct ud_ctx *cx, void *data, const struct ud_hv_difference *d)
{
	struct differences *all = data;

	(void)cx;
	*(d->missing ? &all->missing : &all->beyond) += 1;
	snprintf(all->last, sizeof(all->last), "%s %s %s", d->kind, d->name,
		d->which ? d->which : "all");
	return UD_OK;
}

static struct differences differences_of(struct scene *s, size_t *ret_compared)
{
	struct differences all = { 0 };

	must(s, ud_hv_selftest(s->cx, s->hv[0], take_difference, &all, ret_compared));
	return all;
}

static void a_host_whose_names_differ_is_told_apart(void **state)
{
	struct scene *s = *state;
	struct differences all;
	size_t compared = 0;

	all = differences_of(s, &compared);
	assert_int_equal(all.missing + all.beyond, 0);
	assert_true(compared > 50);
	box_do(&s->box, "world", "names",
		"{\"VMReplicationState\": [\"Replicating\", \"Mirroring\"]}", NULL);
	all = differences_of(s, &compared);
	assert_int_equal(all.missing, 1);
	assert_int_equal(all.beyond, 1);
	assert_string_equal(all.last, "enum VMReplicationState Mirroring");
	box_do(&s->box, "world", "names", "{\"Set-VMReplication\": null}", NULL);
	all = differences_of(s, &compared);
	assert_int_equal(all.missing, 1);
	assert_string_equal(all.last, "cmdlet Set-VMReplication all");
	box_do(&s->box, "world", "names", "{\"VMHost\": [\"MemoryCapacity\"]}", NULL);
	all = differences_of(s, &compared);
	assert_string_equal(all.last, "object VMHost MemoryCapacity");
	/* nothing was changed */
	assert_string_equal(box_do(&s->box, "log", NULL), "");
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test_setup_teardown(a_vm_replicates_from_nothing, begin, end),
		cmocka_unit_test_setup_teardown(
			a_test_comes_and_goes_beside_the_cycles, begin, end),
		cmocka_unit_test_setup_teardown(
			a_planned_failover_loses_nothing_and_turns_round, begin, end),
		cmocka_unit_test_setup_teardown(a_planned_failover_is_called_off, begin, end),
		cmocka_unit_test_setup_teardown(
			after_an_unplanned_failover_the_old_primary_returns, begin, end),
		cmocka_unit_test_setup_teardown(a_saved_old_primary_forgets_its_memory, begin, end),
		cmocka_unit_test_setup_teardown(settings_pause_and_resynchronisation, begin, end),
		cmocka_unit_test_setup_teardown(
			what_hyper_v_does_not_do_is_refused_before_it_is_asked, begin, end),
		cmocka_unit_test_setup_teardown(hosts_of_a_domain_know_each_other, begin, end),
		cmocka_unit_test_setup_teardown(a_first_copy_comes_on_media, begin, end),
		cmocka_unit_test_setup_teardown(a_first_copy_is_there_already, begin, end),
		cmocka_unit_test_setup_teardown(a_first_copy_waits_for_its_time, begin, end),
		cmocka_unit_test_setup_teardown(a_cluster_receives_by_its_broker, begin, end),
		cmocka_unit_test_setup_teardown(
			a_broker_that_was_half_made_is_completed, begin, end),
		cmocka_unit_test(what_a_cluster_says_beyond_our_words_is_unknown),
		cmocka_unit_test_setup_teardown(what_cannot_be_copied_is_told, begin, end),
		cmocka_unit_test_setup_teardown(
			a_third_host_takes_over_when_both_are_gone, begin, end),
		cmocka_unit_test_setup_teardown(a_relation_is_removed_on_both_sides, begin, end),
		cmocka_unit_test(what_is_not_known_is_never_healthy),
		cmocka_unit_test_setup_teardown(a_process_that_dies_loses_nothing, begin, end),
		cmocka_unit_test_setup_teardown(
			a_guest_that_does_not_listen_is_not_waited_for_for_ever, begin, end),
		cmocka_unit_test_setup_teardown(
			a_host_that_speaks_german_is_understood, begin, end),
		cmocka_unit_test_setup_teardown(
			a_lost_link_a_full_disk_and_an_old_certificate_show, begin, end),
		cmocka_unit_test_setup_teardown(a_slow_answer_is_waited_for, begin, end),
		cmocka_unit_test_setup_teardown(
			a_replica_that_lost_power_is_caught_up_with, begin, end),
		cmocka_unit_test_setup_teardown(
			a_source_that_lost_power_is_compared_anew, begin, end),
		cmocka_unit_test_setup_teardown(
			a_script_that_was_changed_is_not_started, begin, end),
		cmocka_unit_test_setup_teardown(
			a_host_whose_names_differ_is_told_apart, begin, end),
	};

	return cmocka_run_group_tests_name("hyperv", cases, NULL, NULL);
}
