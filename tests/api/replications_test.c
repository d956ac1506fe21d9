/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replications by the API and the agents' port, on both databases: protecting step by step, what
 * the hosts are told and tell, changes, removal, the third host.
 */
#include <string.h>

#include "support/replicas.h"

static const char *operation_path(struct scene *s, const struct reply *r)
{
	return fmt(s->w, "/v1/operations/%s", text_at(r->json, "id"));
}

static void wants_step(json_t *operation, size_t i, const char *name, const char *state)
{
	json_t *step = json_array_get(json_object_get(operation, "steps"), i);

	assert_string_equal(text_at(step, "name"), name);
	assert_string_equal(text_at(step, "state"), state);
}

/* ---- protecting ---- */

static void wants_target(struct scene *s, const struct told *told, const char *id)
{
	const struct told t = *told;

	assert_string_equal(t.verb, "relation_set");
	assert_string_equal(t.subject_id, s->vm);
	assert_true(t.epoch == (INT64_C(1) << 48) + 1);
	assert_string_equal(text_at(t.args, "replication_id"), id);
	assert_string_equal(text_at(t.args, "role"), "target");
	assert_string_equal(text_at(t.args, "leg"), "primary");
	assert_string_equal(text_at(t.args, "state"), "active");
	assert_string_equal(text_at(t.args, "peer_host_id"), s->agents[HOST_A].host_id);
	assert_string_equal(text_at(t.args, "peer_agent_id"), s->agents[HOST_A].id);
	assert_string_equal(text_at(t.args, "peer_address"), "127.0.0.1:8444");
	assert_int_equal(number_at(t.args, "schedule_interval_seconds"), 5);
	assert_int_equal(number_at(t.args, "recovery_points_kept"), 24);
	assert_int_equal(number_at(t.args, "app_consistent_every_hours"), 4);
	assert_string_equal(text_at(t.args, "compression"), "zstd1");
	assert_string_equal(text_at(t.args, "excluded_disks.0"), "vdb");
	assert_string_equal(text_at(t.args, "initial.method"), "network");
	assert_int_equal(number_at(t.args, "generation"), 1);
	assert_true(number_at(t.args, "epoch") == t.epoch);
}

static void the_copy_goes_on(struct scene *s, const char *id, const char *op)
{
	scene_report(s, HOST_A,
		fmt(s->w, "[%s]",
			scene_item(s, id, "source", "seeding",
				",\"progress_percent\":40,\"eta_seconds\":90")));
	struct reply r = expect(s->w, OWN_VIEWER, "GET", op, NULL, 200);

	assert_string_equal(text_at(r.json, "state"), "running");
	assert_int_equal(number_at(r.json, "progress_percent"), 40);
	json_t *shown = scene_show(s, OWN_VIEWER, id);

	assert_string_equal(text_at(shown, "state"), "seeding");
	assert_int_equal(number_at(shown, "progress_percent"), 40);
	assert_int_equal(number_at(shown, "eta_seconds"), 90);
	assert_string_equal(text_at(shown, "health"), "warning");
	assert_string_equal(text_at(shown, "health_reasons.0.code"), "initial_copy_incomplete");
	assert_true(json_is_null(json_object_get(shown, "rpo_measured_seconds")));
}

static void the_copy_is_complete(struct scene *s, const char *id, const char *op)
{
	scene_report(s, HOST_B,
		fmt(s->w, "[%s]",
			scene_item(
				s, id, "target", "replicating", ",\"newest_point_age_ms\":4200")));
	scene_report(s, HOST_A, fmt(s->w, "[%s]", scene_item(s, id, "source", "replicating", "")));
	struct reply r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s?wait=1", op), NULL, 200);

	assert_string_equal(text_at(r.json, "state"), "succeeded");
	assert_int_equal(number_at(r.json, "progress_percent"), 100);
	json_t *shown = scene_show(s, OWN_VIEWER, id);

	assert_string_equal(text_at(shown, "state"), "replicating");
	assert_string_equal(text_at(shown, "health"), "normal");
	assert_int_equal(number_at(shown, "rpo_measured_seconds"), 4);
	assert_int_equal(number_at(shown, "schedule_interval_seconds"), 5);
	assert_int_equal(number_at(shown, "rpo_target_seconds"), 60);
}

static void the_vm_is_protected(struct scene *s, const char *vm, const char *id)
{
	struct reply r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/vms/%s", vm), NULL, 200);

	assert_string_equal(text_at(r.json, "dr_role"), "primary");
	assert_string_equal(text_at(r.json, "protection.replication_id"), id);
	assert_string_equal(text_at(r.json, "protection.state"), "replicating");
	assert_string_equal(text_at(r.json, "protection.health"), "normal");
	assert_int_equal(number_at(r.json, "protection.rpo_measured_seconds"), 4);
	assert_string_equal(text_at(r.json, "protection.fencing_policy"), "lease");
}

/* VMs that are copied to the host's site. */
static int64_t copied_to(struct scene *s, int host)
{
	struct reply r = expect(
		s->w, LEAD, "GET", fmt(s->w, "/v1/sites/%s/capacity", s->sites[host]), NULL, 200);

	assert_int_equal(number_at(r.json, "storage_bytes"), 100000);
	return number_at(r.json, "vms_replicated");
}

static void a_vm_is_protected_step_by_step(void **state)
{
	struct scene *s = *state;
	const char *vm = scene_vm(s);
	int64_t before = copied_to(s, HOST_B);
	struct reply r = expect(s->w, OWN_OPERATOR, "POST", scene_protect_path(s, ""),
		fmt(s->w,
			"{\"target_site_id\":\"%s\",\"schedule_interval_seconds\":5,\"recovery_points_kept\":24,"
			"\"app_consistent_every_hours\":4,\"rpo_target_seconds\":60,\"rto_target_seconds\":900,"
			"\"excluded_disk_ids\":[\"vdb\"],\"compression\":\"zstd1\",\"authentication\":\"certificate\","
			"\"fencing_policy\":\"lease\"}",
			s->sites[HOST_B]),
		202);
	const char *op = operation_path(s, &r);

	assert_string_equal(header_of(s->w, &r, "Location"), op);
	assert_string_equal(text_at(r.json, "object"), "operation");
	assert_string_equal(text_at(r.json, "kind"), "replication_setup");
	assert_string_equal(text_at(r.json, "resource.object"), "replication");
	const char *id = text_at(r.json, "resource.id");

	wants_step(r.json, 0, "configure_target", "running");
	assert_true(scene_idle(s, HOST_A)); /* the target is first */
	struct told t = scene_take(s, HOST_B);

	wants_target(s, &t, id);
	scene_answer(s, HOST_B, &t, "done", NULL, NULL);
	t = scene_do(s, HOST_A, "relation_set");
	assert_string_equal(text_at(t.args, "role"), "source");
	assert_string_equal(text_at(t.args, "peer_address"), "127.0.0.1:8445");
	r = expect(s->w, OWN_VIEWER, "GET", op, NULL, 200);
	wants_step(r.json, 1, "configure_source", "succeeded");
	wants_step(r.json, 2, "initial_copy", "running");
	the_copy_goes_on(s, id, op);
	the_copy_is_complete(s, id, op);
	the_vm_is_protected(s, vm, id);
	assert_int_equal(copied_to(s, HOST_B), before + 1);
	assert_true(scene_told(s, id, "replication.created"));
	assert_true(scene_told(s, id, "replication.seeded"));
	assert_true(scene_told(s, id, "replication.state_changed"));
	assert_true(scene_told(s, vm, "vm.protected"));
	expect(s->w, OTHER_VIEWER, "GET", fmt(s->w, "/v1/replications/%s", id), NULL, 404);
}

static void a_host_that_refuses_ends_the_setup(void **state)
{
	struct scene *s = *state;

	scene_vm(s);
	struct reply r = expect(
		s->w, LEAD, "POST", scene_protect_path(s, ""), scene_wish(s, HOST_B, ""), 202);
	const char *op = operation_path(s, &r), *id = text_at(r.json, "resource.id");
	struct told t = scene_take(s, HOST_B);

	scene_answer(s, HOST_B, &t, "failed", NULL,
		"{\"code\":\"storage_full\",\"detail\":\"The store has no room.\"}");
	r = expect(s->w, LEAD, "GET", op, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "failed");
	assert_string_equal(text_at(r.json, "error.code"), "storage_full");
	wants_step(r.json, 0, "configure_target", "failed");
	wants_step(r.json, 1, "configure_source", "queued");
	json_t *shown = scene_show(s, LEAD, id);

	assert_string_equal(text_at(shown, "state"), "error");
	assert_string_equal(text_at(shown, "error.code"), "storage_full");
	assert_string_equal(text_at(shown, "health"), "critical");
	assert_true(scene_told(s, id, "replication.setup_failed"));
	/* and once more */
	r = expect(s->w, ENGINEER, "POST", fmt(s->w, "/v1/replications/%s/seed", id), "{}", 202);
	op = operation_path(s, &r);
	t = scene_do(s, HOST_B, "relation_set");
	assert_int_equal(number_at(t.args, "generation"), 2);
	r = expect(s->w, LEAD, "POST", fmt(s->w, "/v1/replications/%s/seed", id), "{}", 409);
	assert_string_equal(text_at(r.json, "code"), "invalid_state");
	/* the source is not there */
	s->w->clock_ms += 301000;
	world_tick(s->w);
	r = expect(s->w, LEAD, "GET", op, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "failed");
	wants_step(r.json, 1, "configure_source", "failed");
	scene_seen(s);
}

static void figures_come_from_a_policy_or_the_request(void **state)
{
	struct scene *s = *state;
	struct reply r = expect(s->w, ENGINEER, "POST", "/v1/policies",
		"{\"name\":\"gold\",\"schedule_interval_seconds\":30,\"rpo_target_seconds\":120,"
		"\"rto_target_seconds\":600,\"recovery_points_kept\":12,\"app_consistent_every_hours\":1,"
		"\"windows\":[{\"days\":[\"sat\",\"sun\"],\"until_minute\":1440}]}",
		201);
	const char *policy = text_at(r.json, "id");

	assert_string_equal(text_at(r.json, "object"), "policy");
	expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/policies/%s", policy), NULL, 200);
	expect(s->w, OWN_ADMIN, "DELETE", fmt(s->w, "/v1/policies/%s", policy), NULL, 403);
	expect(s->w, ENGINEER, "POST", "/v1/policies",
		"{\"name\":\"bad\",\"schedule_interval_seconds\":30,\"rpo_target_seconds\":120,"
		"\"rto_target_seconds\":600,\"windows\":[{\"days\":[\"someday\"],\"until_minute\":9}]}",
		422);
	scene_vm(s);
	r = call(s->w, LEAD, "POST", scene_protect_path(s, ""),
		fmt(s->w, "{\"target_host_id\":\"%s\"}", s->agents[HOST_B].host_id), NULL);
	expect_code(&r, 422, "validation_failed");
	assert_int_equal(json_array_size(json_object_get(r.json, "errors")), 4);
	r = expect(s->w, LEAD, "POST", scene_protect_path(s, ""),
		fmt(s->w,
			"{\"target_host_id\":\"%s\",\"policy_id\":\"%s\",\"recovery_points_kept\":6}",
			s->agents[HOST_B].host_id, policy),
		202);
	struct told t = scene_do(s, HOST_B, "relation_set");

	scene_do(s, HOST_A, "relation_set");
	assert_int_equal(number_at(t.args, "schedule_interval_seconds"), 30);
	assert_int_equal(number_at(t.args, "recovery_points_kept"), 6);
	assert_int_equal(number_at(t.args, "app_consistent_every_hours"), 1);
	assert_string_equal(text_at(t.args, "windows.0.days.1"), "sun");
	json_t *shown = scene_show(s, OWN_VIEWER, text_at(r.json, "resource.id"));

	assert_string_equal(text_at(shown, "policy_id"), policy);
	assert_int_equal(number_at(shown, "rpo_target_seconds"), 120);
	r = expect(s->w, LEAD, "DELETE", fmt(s->w, "/v1/policies/%s", policy), NULL, 409);
	assert_string_equal(text_at(r.json, "code"), "in_use");
}

/* ---- changing ---- */

static void a_pause_is_told_to_both_hosts(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)),
		   *path = fmt(s->w, "/v1/replications/%s", id);

	expect(s->w, OWN_VIEWER, "POST", fmt(s->w, "%s/pause", path), "{}", 403);
	expect(s->w, OTHER_ADMIN, "POST", fmt(s->w, "%s/pause", path), "{}", 404);
	struct reply r = expect(s->w, OWN_OPERATOR, "POST", fmt(s->w, "%s/pause", path), "{}", 200);

	assert_string_equal(text_at(r.json, "wanted"), "paused");
	assert_string_equal(text_at(r.json, "health"), "warning");
	struct told t = scene_do(s, HOST_B, "relation_set");

	assert_string_equal(text_at(t.args, "state"), "paused");
	assert_int_equal(number_at(t.args, "generation"), 2);
	t = scene_do(s, HOST_A, "relation_set");
	assert_string_equal(text_at(t.args, "state"), "paused");
	scene_report(s, HOST_A, fmt(s->w, "[%s]", scene_item(s, id, "source", "paused", "")));
	assert_string_equal(text_at(scene_show(s, LEAD, id), "state"), "paused");
	r = expect(s->w, LEAD, "POST", fmt(s->w, "%s/pause", path), "{}", 409);
	assert_string_equal(text_at(r.json, "code"), "invalid_state");
	expect(s->w, OWN_OPERATOR, "POST", fmt(s->w, "%s/resume", path), "{}", 200);
	assert_string_equal(text_at(scene_do(s, HOST_B, "relation_set").args, "state"), "active");
	scene_do(s, HOST_A, "relation_set");
	assert_true(scene_told(s, id, "replication.paused"));
	assert_true(scene_told(s, id, "replication.resumed"));
}

static void a_change_is_told_to_both_hosts(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)),
		   *path = fmt(s->w, "/v1/replications/%s", id);

	expect(s->w, OWN_ADMIN, "PATCH", path, "{\"schedule_interval_seconds\":300}", 403);
	expect(s->w, LEAD, "PATCH", path, "{\"state\":\"committed\"}", 422);
	expect(s->w, LEAD, "PATCH", path, "{\"windows\":[{\"from\":1}]}", 422);
	expect(s->w, LEAD, "PATCH", path, fmt(s->w, "{\"customer_id\":\"%s\"}", s->w->other), 422);
	struct reply r = expect(s->w, LEAD, "PATCH", path,
		"{\"schedule_interval_seconds\":15,\"rate_bytes_per_second\":1048576}", 200);

	assert_int_equal(number_at(r.json, "generation"), 2);
	struct told t = scene_do(s, HOST_B, "relation_set");

	assert_int_equal(number_at(t.args, "schedule_interval_seconds"), 15);
	assert_int_equal(number_at(t.args, "rate_bytes_per_second"), 1048576);
	scene_do(s, HOST_A, "relation_set");
}

static void what_a_host_has_not_heard_is_said_again(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));

	expect(s->w, LEAD, "PATCH", fmt(s->w, "/v1/replications/%s", id),
		"{\"recovery_points_kept\":3}", 200);
	scene_do(s, HOST_B, "relation_set");
	s->w->clock_ms += 301000; /* the source never fetched it */
	world_tick(s->w);
	assert_true(scene_idle(s, HOST_A));
	assert_true(scene_told(s, id, "replication.command_failed"));
	scene_report(s, HOST_A,
		fmt(s->w, "[%s]", scene_item(s, id, "source", "replicating", ",\"generation\":1")));
	world_tick(s->w);
	struct told t = scene_do(s, HOST_A, "relation_set");

	assert_int_equal(number_at(t.args, "generation"), 2);
	scene_report(s, HOST_A,
		fmt(s->w, "[%s]", scene_item(s, id, "source", "replicating", ",\"generation\":2")));
	world_tick(s->w);
	assert_true(scene_idle(s, HOST_A));
	scene_seen(s);
}

static void a_resync_is_followed_to_its_end(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));
	struct reply r = expect(s->w, ENGINEER, "POST", fmt(s->w, "/v1/replications/%s/resync", id),
		"{\"method\":\"hashes\"}", 202);
	const char *op = operation_path(s, &r);
	struct told t = scene_do(s, HOST_A, "relation_resync");

	assert_string_equal(text_at(t.args, "method"), "hashes");
	scene_report(s, HOST_A,
		fmt(s->w, "[%s]",
			scene_item(s, id, "source", "resyncing", ",\"progress_percent\":70")));
	r = expect(s->w, LEAD, "GET", op, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "running");
	wants_step(r.json, 1, "copy", "running");
	assert_int_equal(number_at(r.json, "progress_percent"), 70);
	expect(s->w, LEAD, "POST", fmt(s->w, "/v1/replications/%s/resync", id), "{}", 409);
	scene_report(s, HOST_A, fmt(s->w, "[%s]", scene_item(s, id, "source", "replicating", "")));
	r = expect(s->w, LEAD, "GET", op, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "succeeded");
}

static void a_broken_copy_heals_by_itself(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)),
		   *path = fmt(s->w, "/v1/replications/%s", id);
	const char *broken = fmt(s->w, "[%s]", scene_item(s, id, "source", "resync_required", ""));
	struct told t;

	expect(s->w, LEAD, "PATCH", path, "{\"auto_resync\":false}", 200);
	scene_do(s, HOST_B, "relation_set");
	scene_do(s, HOST_A, "relation_set");
	s->w->clock_ms += 301000; /* its setting up is long ago */
	scene_report(s, HOST_A, broken);
	world_tick(s->w);
	assert_true(scene_idle(s, HOST_A)); /* people have said not to */
	expect(s->w, LEAD, "PATCH", path, "{\"auto_resync\":true}", 200);
	scene_do(s, HOST_B, "relation_set");
	scene_do(s, HOST_A, "relation_set");
	scene_report(s, HOST_A, broken);
	world_tick(s->w);
	world_tick(s->w); /* and once is enough */
	t = scene_take(s, HOST_A);
	assert_string_equal(t.verb, "relation_resync");
	assert_string_equal(text_at(t.args, "method"), "auto");
	scene_answer(s, HOST_A, &t, "failed", NULL, "{\"code\":\"unreachable\"}");
	scene_report(s, HOST_A, broken);
	world_tick(s->w); /* a failure is not repeated at once */
	assert_true(scene_idle(s, HOST_A));
	s->w->clock_ms += 301000;
	scene_report(s, HOST_A, broken);
	world_tick(s->w);
	scene_do(s, HOST_A, "relation_resync");
	scene_report(s, HOST_A, fmt(s->w, "[%s]", scene_item(s, id, "source", "replicating", "")));
	assert_string_equal(text_at(scene_show(s, LEAD, id), "state"), "replicating");
	scene_seen(s);
}

static void a_connection_is_tested_by_the_source(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));
	struct reply r = expect(s->w, ENGINEER, "POST",
		fmt(s->w, "/v1/replications/%s/test-connection", id), "{}", 202);
	const char *op = operation_path(s, &r);
	struct told t = scene_take(s, HOST_A);

	assert_string_equal(t.verb, "relation_test");
	assert_string_equal(text_at(t.args, "peer_agent_id"), s->agents[HOST_B].id);
	assert_string_equal(text_at(t.args, "peer_address"), "127.0.0.1:8445");
	scene_answer(s, HOST_A, &t, "done",
		"{\"reachable\":false,\"code\":\"certificate_expired\",\"text\":\"Its time is up.\"}",
		NULL);
	r = expect(s->w, OWN_VIEWER, "GET", op, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "succeeded");
	wants_step(r.json, 0, "connect", "failed");
	assert_string_equal(text_at(r.json, "steps.0.result.code"), "certificate_expired");
}

/* ---- removing ---- */

static void a_removed_replication_is_told_to_both_hosts(void **state)
{
	struct scene *s = *state;
	const char *vm = scene_vm(s), *id = scene_protect(s, vm);
	const char *path = fmt(s->w, "/v1/replications/%s/remove", id);

	expect(s->w, OWN_ADMIN, "POST", path, "{}", 403);
	struct reply r = expect(s->w, ENGINEER, "POST", path, "{}", 202);
	const char *op = operation_path(s, &r);
	struct told t = scene_do(s, HOST_A, "relation_set");

	assert_string_equal(text_at(t.args, "state"), "removed");
	t = scene_do(s, HOST_B, "relation_set");
	assert_string_equal(text_at(t.args, "state"), "removed");
	r = expect(s->w, LEAD, "GET", op, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "succeeded");
	json_t *shown = scene_show(s, OWN_VIEWER, id);

	assert_string_equal(text_at(shown, "state"), "disabled");
	assert_string_equal(text_at(shown, "health"), "not_applicable");
	assert_true(*text_at(shown, "replica_kept_until"));
	assert_int_equal(json_array_size(json_object_get(shown, "allowed_operations")), 0);
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/vms/%s", vm), NULL, 200);
	assert_string_equal(text_at(r.json, "dr_role"), "unprotected");
	assert_true(json_is_null(json_object_get(r.json, "protection")));
	/* a host that goes on is told again, once */
	const char *item = scene_item(s, id, "target", "replicating", "");

	scene_report(s, HOST_B, fmt(s->w, "[%s]", item));
	scene_report(s, HOST_B, fmt(s->w, "[%s]", item));
	t = scene_do(s, HOST_B, "relation_set");
	assert_string_equal(text_at(t.args, "state"), "removed");
	assert_true(scene_idle(s, HOST_B));
	scene_report(s, HOST_B, fmt(s->w, "[%s]", scene_item(s, id, "target", "disabled", "")));
	assert_true(scene_idle(s, HOST_B));
	/* and the VM can be protected anew; its epoch does not begin again */
	scene_protect(s, vm);
}

static void a_replica_is_deleted_by_both_sides(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)),
		   *path = fmt(s->w, "/v1/replications/%s", id);

	expect(s->w, OWN_APPROVER, "POST", fmt(s->w, "%s/agree-to-deletion", path), "{}", 409);
	expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/remove", path), "{}", 202);
	scene_do(s, HOST_A, "relation_set");
	scene_do(s, HOST_B, "relation_set");
	struct reply r = call(s->w, LEAD, "POST", fmt(s->w, "%s/delete-replica", path), "{}", NULL);

	expect_code(&r, 409, "invalid_state"); /* the customer has not agreed */
	expect(s->w, OWN_OPERATOR, "POST", fmt(s->w, "%s/agree-to-deletion", path), "{}", 403);
	expect(s->w, LEAD, "POST", fmt(s->w, "%s/agree-to-deletion", path), "{}", 403);
	r = expect(s->w, OWN_APPROVER, "POST", fmt(s->w, "%s/agree-to-deletion", path), "{}", 200);
	assert_string_equal(text_at(r.json, "deletion_agreed_by"), s->w->principal[OWN_APPROVER]);
	r = call(s->w, ENGINEER, "POST", fmt(s->w, "%s/delete-replica", path), "{}", NULL);
	expect_code(&r, 403, "role_missing"); /* before its time */
	s->w->clock_ms += INT64_C(15) * 86400000;
	r = expect(s->w, ENGINEER, "POST", fmt(s->w, "%s/delete-replica", path), "{}", 202);
	const char *op = operation_path(s, &r);
	struct told t = scene_do(s, HOST_B, "relation_drop");

	assert_true(json_is_false(json_object_get(t.args, "keep_replica")));
	r = expect(s->w, LEAD, "GET", op, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "succeeded");
	assert_true(*text_at(scene_show(s, OWN_VIEWER, id), "replica_deleted_at"));
	assert_true(scene_told(s, id, "replication.replica_deleted"));
	expect(s->w, LEAD, "POST", fmt(s->w, "%s/delete-replica", path), "{}", 409);
	s->w->clock_ms -= INT64_C(15) * 86400000;
	scene_seen(s);
}

static void a_silent_host_does_not_keep_it_from_being_removed(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s));
	struct reply r = expect(
		s->w, ENGINEER, "POST", fmt(s->w, "/v1/replications/%s/remove", id), "{}", 202);
	const char *op = operation_path(s, &r);

	s->w->clock_ms += 301000;
	world_tick(s->w); /* the source never fetched it */
	scene_do(s, HOST_B, "relation_set");
	r = expect(s->w, LEAD, "GET", op, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "succeeded");
	wants_step(r.json, 0, "remove_source", "failed");
	wants_step(r.json, 1, "remove_target", "succeeded");
	/* it comes back */
	scene_seen(s);
	scene_report(s, HOST_A, fmt(s->w, "[%s]", scene_item(s, id, "source", "error", "")));
	scene_do(s, HOST_A, "relation_set");
}

/* ---- the third host ---- */

static void a_replica_is_copied_on(void **state)
{
	struct scene *s = *state;
	const char *id = scene_protect(s, scene_vm(s)),
		   *path = fmt(s->w, "/v1/replications/%s", id);
	const char *format = "{\"target_host_id\":\"%s\",\"schedule_interval_seconds\":%d}";
	const char *c = s->agents[HOST_C].host_id;
	struct reply r = call(
		s->w, LEAD, "POST", fmt(s->w, "%s/extend", path), fmt(s->w, format, c, 30), NULL);

	expect_code(&r, 422, "replication_blocked");
	assert_string_equal(text_at(r.json, "errors.0.code"), "interval_not_supported");
	r = call(s->w, LEAD, "POST", fmt(s->w, "%s/extend", path),
		fmt(s->w, format, s->agents[HOST_A].host_id, 300), NULL);
	expect_code(&r, 422, "replication_blocked");
	assert_string_equal(text_at(r.json, "errors.0.code"), "same_host");
	r = call(s->w, LEAD, "POST", fmt(s->w, "%s/extend", path),
		fmt(s->w,
			"{\"target_host_id\":\"%s\",\"schedule_interval_seconds\":300,\"app_consistent_every_hours\":1}",
			c),
		NULL);
	expect_code(&r, 400, "unknown_field");
	r = expect(s->w, LEAD, "POST", fmt(s->w, "%s/extend?dry_run=true", path),
		fmt(s->w, format, c, 300), 200);
	assert_true(json_is_true(json_object_get(r.json, "possible")));
	assert_string_equal(text_at(r.json, "leg"), "extended");
	assert_string_equal(text_at(r.json, "source_host_id"), s->agents[HOST_B].host_id);
	const char *third = scene_extend(s, id);
	json_t *shown = scene_show(s, OWN_VIEWER, third);

	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/vms/%s", s->vm), NULL, 200);
	assert_string_equal(text_at(r.json, "protection.extended.replication_id"), third);

	assert_string_equal(text_at(shown, "leg"), "extended");
	assert_string_equal(text_at(shown, "parent_id"), id);
	assert_true(json_is_null(json_object_get(shown, "app_consistent_every_hours")));
	/* the age is that of the first host's data, as the third one tells it */
	assert_int_equal(number_at(shown, "rpo_measured_seconds"), 2);
	r = expect(s->w, LEAD, "POST", fmt(s->w, "%s/remove", path), "{}", 409);
	assert_string_equal(text_at(r.json, "code"), "in_use");
	r = expect(
		s->w, LEAD, "POST", fmt(s->w, "%s/extend", path), fmt(s->w, format, c, 300), 409);
	expect(s->w, LEAD, "PATCH", fmt(s->w, "/v1/replications/%s", third),
		"{\"schedule_interval_seconds\":60}", 422);
	expect(s->w, LEAD, "PATCH", path, "{\"schedule_interval_seconds\":600}", 422);
	expect(s->w, LEAD, "PATCH", fmt(s->w, "/v1/replications/%s", third),
		"{\"app_consistent_every_hours\":2}", 422);
	expect(s->w, LEAD, "POST", fmt(s->w, "/v1/replications/%s/remove", third), "{}", 202);
	scene_do(s, HOST_B, "relation_set");
	scene_do(s, HOST_C, "relation_set");
	expect(s->w, LEAD, "POST", fmt(s->w, "%s/remove", path), "{}", 202);
	scene_do(s, HOST_A, "relation_set");
	scene_do(s, HOST_B, "relation_set");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vm_is_protected_step_by_step),
		cmocka_unit_test(a_host_that_refuses_ends_the_setup),
		cmocka_unit_test(figures_come_from_a_policy_or_the_request),
		cmocka_unit_test(a_pause_is_told_to_both_hosts),
		cmocka_unit_test(a_change_is_told_to_both_hosts),
		cmocka_unit_test(what_a_host_has_not_heard_is_said_again),
		cmocka_unit_test(a_resync_is_followed_to_its_end),
		cmocka_unit_test(a_broken_copy_heals_by_itself),
		cmocka_unit_test(a_connection_is_tested_by_the_source),
		cmocka_unit_test(a_removed_replication_is_told_to_both_hosts),
		cmocka_unit_test(a_replica_is_deleted_by_both_sides),
		cmocka_unit_test(a_silent_host_does_not_keep_it_from_being_removed),
		cmocka_unit_test(a_replica_is_copied_on),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
