/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replications by the API and the agents' port, on both databases: protecting step by step, what
 * the hosts are told and tell, what stands in the way, points, removal, the third host.
 */
#include <string.h>

#include "db/network_maps.h"
#include "support/replicas.h"

static int begin(void **state)
{
	*state = scene_begin(world_begin());
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;
	struct world *w = s->w;

	scene_end(s);
	world_end(w);
	return 0;
}

static const char *wish(struct scene *s, int target, const char *more)
{
	return fmt(s->w,
		"{\"target_host_id\":\"%s\",\"schedule_interval_seconds\":5,\"recovery_points_kept\":24,"
		"\"rpo_target_seconds\":60,\"rto_target_seconds\":900%s}",
		s->agents[target].host_id, more);
}

static const char *protect_path(struct scene *s, const char *query)
{
	return fmt(s->w, "/v1/vms/%s/replications%s", s->vm, query);
}

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

static void a_dry_run_changes_nothing(void **state)
{
	struct scene *s = *state;

	scene_vm(s);
	struct reply r = expect(s->w, OWN_OPERATOR, "POST", protect_path(s, "?dry_run=true"),
		fmt(s->w,
			"{\"target_site_id\":\"%s\",\"schedule_interval_seconds\":5,\"recovery_points_kept\":3,"
			"\"rpo_target_seconds\":60,\"rto_target_seconds\":900}",
			s->sites[HOST_B]),
		200);

	assert_string_equal(text_at(r.json, "object"), "replication_preflight");
	assert_true(json_is_true(json_object_get(r.json, "dry_run")));
	assert_true(json_is_true(json_object_get(r.json, "possible")));
	assert_int_equal(json_array_size(json_object_get(r.json, "blockers")), 0);
	assert_string_equal(text_at(r.json, "target_host_id"), s->agents[HOST_B].host_id);
	assert_int_equal(number_at(r.json, "copy_bytes"), 3000);
	assert_int_equal(number_at(r.json, "available_bytes"), 50000);
	r = expect(s->w, LEAD, "GET", fmt(s->w, "/v1/replications?vm_id=%s", s->vm), NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "data")), 0);
	r = expect(s->w, LEAD, "GET", fmt(s->w, "/v1/vms/%s", s->vm), NULL, 200);
	assert_string_equal(text_at(r.json, "dr_role"), "unprotected");
	assert_true(scene_idle(s, HOST_B));
}

static void a_vm_is_protected_step_by_step(void **state)
{
	struct scene *s = *state;
	const char *vm = scene_vm(s);
	struct reply r = expect(s->w, OWN_OPERATOR, "POST", protect_path(s, ""),
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

	assert_string_equal(t.verb, "relation_set");
	assert_string_equal(t.subject_id, vm);
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
	scene_answer(s, HOST_B, &t, "done", NULL, NULL);
	t = scene_do(s, HOST_A, "relation_set");
	assert_string_equal(text_at(t.args, "role"), "source");
	assert_string_equal(text_at(t.args, "peer_address"), "127.0.0.1:8445");
	r = expect(s->w, OWN_VIEWER, "GET", op, NULL, 200);
	wants_step(r.json, 1, "configure_source", "succeeded");
	wants_step(r.json, 2, "initial_copy", "running");
	/* the copy goes on */
	scene_report(s, HOST_A,
		fmt(s->w, "[%s]",
			scene_item(s, id, "source", "seeding",
				",\"progress_percent\":40,\"eta_seconds\":90")));
	r = expect(s->w, OWN_VIEWER, "GET", op, NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "running");
	assert_int_equal(number_at(r.json, "progress_percent"), 40);
	json_t *shown = scene_show(s, OWN_VIEWER, id);

	assert_string_equal(text_at(shown, "state"), "seeding");
	assert_int_equal(number_at(shown, "progress_percent"), 40);
	assert_int_equal(number_at(shown, "eta_seconds"), 90);
	assert_string_equal(text_at(shown, "health"), "warning");
	assert_string_equal(text_at(shown, "health_reasons.0.code"), "initial_copy_incomplete");
	assert_true(json_is_null(json_object_get(shown, "rpo_measured_seconds")));
	/* and is complete */
	scene_report(s, HOST_B,
		fmt(s->w, "[%s]",
			scene_item(
				s, id, "target", "replicating", ",\"newest_point_age_ms\":4200")));
	scene_report(s, HOST_A, fmt(s->w, "[%s]", scene_item(s, id, "source", "replicating", "")));
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "%s?wait=1", op), NULL, 200);
	assert_string_equal(text_at(r.json, "state"), "succeeded");
	assert_int_equal(number_at(r.json, "progress_percent"), 100);
	shown = scene_show(s, OWN_VIEWER, id);
	assert_string_equal(text_at(shown, "state"), "replicating");
	assert_string_equal(text_at(shown, "health"), "normal");
	assert_int_equal(number_at(shown, "rpo_measured_seconds"), 4);
	assert_int_equal(number_at(shown, "schedule_interval_seconds"), 5);
	assert_int_equal(number_at(shown, "rpo_target_seconds"), 60);
	r = expect(s->w, OWN_VIEWER, "GET", fmt(s->w, "/v1/vms/%s", vm), NULL, 200);
	assert_string_equal(text_at(r.json, "dr_role"), "primary");
	assert_string_equal(text_at(r.json, "protection.replication_id"), id);
	assert_string_equal(text_at(r.json, "protection.state"), "replicating");
	assert_string_equal(text_at(r.json, "protection.health"), "normal");
	assert_int_equal(number_at(r.json, "protection.rpo_measured_seconds"), 4);
	assert_string_equal(text_at(r.json, "protection.fencing_policy"), "lease");
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
	struct reply r = expect(s->w, LEAD, "POST", protect_path(s, ""), wish(s, HOST_B, ""), 202);
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

/* ---- what stands in the way ---- */

static void nobody_replicates_without_the_add_on(void **state)
{
	struct scene *s = *state;

	scene_vm(s);
	expect(s->w, LEAD, "POST", fmt(s->w, "/v1/subscriptions/%s/cancel", s->subscription), "{}",
		200);
	struct reply r = call(s->w, LEAD, "POST", protect_path(s, ""), wish(s, HOST_B, ""), NULL);

	expect_code(&r, 403, "not_entitled");
	assert_non_null(strstr(text_at(r.json, "detail"), "hyperv_replica"));
	r = expect(s->w, OWN_APPROVER, "POST", protect_path(s, "?dry_run=true"),
		fmt(s->w,
			"{\"target_site_id\":\"%s\",\"schedule_interval_seconds\":5,\"recovery_points_kept\":3,"
			"\"rpo_target_seconds\":60,\"rto_target_seconds\":900}",
			s->sites[HOST_B]),
		200);
	assert_string_equal(text_at(r.json, "blockers.0.code"), "not_entitled");
	r = expect(s->w, LEAD, "POST", "/v1/subscriptions",
		fmt(s->w,
			"{\"customer_id\":\"%s\",\"kind\":\"unmanaged\",\"add_ons\":[\"hyperv_replica\",\"extended_replication\"]}",
			s->w->own),
		201);
	s->subscription = text_at(r.json, "id");
	expect(s->w, LEAD, "POST", protect_path(s, "?dry_run=true"), wish(s, HOST_B, ""), 200);
}

/* The codes of a dry run, each with text and fix. */
static bool blocked_by(struct scene *s, const char *body, const char *code, bool *ret_possible)
{
	struct reply r = expect(s->w, LEAD, "POST", protect_path(s, "?dry_run=true"), body, 200);
	bool found = false;
	json_t *b;
	size_t i;

	json_array_foreach(json_object_get(r.json, "blockers"), i, b)
	{
		assert_true(*text_at(b, "text") && *text_at(b, "fix"));
		found |= strcmp(text_at(b, "code"), code) == 0;
	}
	*ret_possible = json_is_true(json_object_get(r.json, "possible"));
	return found;
}

static void everything_in_the_way_is_told_at_once(void **state)
{
	static const struct {
		const char *disks, *more, *code;
		bool possible;
	} rows[] = {
		{ "[{\"target\":\"vda\",\"format\":\"qcow2\",\"shared\":true}]", "", "shared_disk",
			false },
		{ "[{\"target\":\"vda\",\"format\":\"qcow2\",\"passthrough\":true}]", "",
			"passthrough_disk", false },
		{ "[{\"target\":\"vda\",\"format\":\"raw\"}]", "", "unsupported_disk", false },
		{ "[{\"target\":\"vda\",\"format\":\"qcow2\"},{\"target\":\"vdb\",\"format\":\"raw\"}]",
			",\"excluded_disk_ids\":[\"vdb\"]", "", true },
		{ "[{\"target\":\"vda\",\"format\":\"qcow2\"}]", ",\"excluded_disk_ids\":[\"vda\"]",
			"nothing_to_copy", false },
		{ "[{\"target\":\"vda\",\"format\":\"qcow2\"}]", ",\"excluded_disk_ids\":[\"vdz\"]",
			"unknown_disk", false },
		{ "[{\"target\":\"vda\",\"format\":\"qcow2\",\"allocated_bytes\":60000}]", "",
			"capacity", false },
		{ "[{\"target\":\"vda\",\"format\":\"qcow2\"}]", ",\"authentication\":\"kerberos\"",
			"not_encrypted", true },
		{ "[{\"target\":\"vda\",\"format\":\"qcow2\"}]", ",\"waivers\":[\"same_site\"]", "",
			true },
	};
	struct scene *s = *state;
	bool possible;

	for (size_t i = 0; i < UD_LEN(rows); i++) {
		scene_vm(s);
		scene_disks(s, s->vm, rows[i].disks);
		bool found = blocked_by(s, wish(s, HOST_B, rows[i].more), rows[i].code, &possible);

		if ((*rows[i].code && !found) || possible != rows[i].possible)
			fail_msg("row %zu: %s", i, rows[i].code);
	}
	scene_vm(s);
	assert_true(blocked_by(s, wish(s, HOST_A, ""), "same_host", &possible));
	assert_false(possible);
	/* the call itself names them all */
	scene_disks(s, s->vm,
		"[{\"target\":\"vda\",\"format\":\"raw\"},{\"target\":\"vdb\",\"shared\":true}]");
	struct reply r = call(s->w, LEAD, "POST", protect_path(s, ""), wish(s, HOST_B, ""), NULL);

	expect_code(&r, 422, "replication_blocked");
	assert_string_equal(text_at(r.json, "errors.0.code"), "unsupported_disk");
	assert_string_equal(text_at(r.json, "errors.0.pointer"), "/vda");
	assert_string_equal(text_at(r.json, "errors.1.code"), "shared_disk");
}

static void a_host_of_the_same_site_needs_a_waiver(void **state)
{
	struct scene *s = *state;
	bool possible;
	struct shown near = port_enroll(s->p,
		text_at(expect(s->w, LEAD, "POST", "/v1/hosts",
				fmt(s->w,
					"{\"name\":\"lon-b\",\"hypervisor\":\"kvm\",\"site_id\":\"%s\"}",
					s->sites[HOST_A]),
				201)
				.json,
			"id"));
	struct shown b = s->agents[HOST_B];

	scene_vm(s);
	s->agents[HOST_B] = near;
	assert_true(blocked_by(s, wish(s, HOST_B, ""), "same_site", &possible));
	assert_false(possible);
	assert_true(blocked_by(s, wish(s, HOST_B, ""), "target_agent_not_connected", &possible));
	assert_true(blocked_by(s, wish(s, HOST_B, ""), "no_replication_address", &possible));
	expect(s->w, LEAD, "PATCH", fmt(s->w, "/v1/hosts/%s", near.host_id),
		"{\"replication_address\":\"nowhere\"}", 422);
	expect(s->w, LEAD, "PATCH", fmt(s->w, "/v1/hosts/%s", near.host_id),
		"{\"replication_address\":\"repl.example.net:9444\"}", 200);
	assert_false(blocked_by(s, wish(s, HOST_B, ""), "no_replication_address", &possible));
	scene_seen(s);
	assert_false(blocked_by(s, wish(s, HOST_B, ""), "target_agent_not_connected", &possible));
	assert_false(possible);
	/* waived, it is told nevertheless */
	assert_true(blocked_by(
		s, wish(s, HOST_B, ",\"waivers\":[\"same_site\"]"), "same_site", &possible));
	assert_true(possible);
	s->agents[HOST_B] = b;
}

static const char *domain(struct scene *s, const char *type, const char *name, const char *parent)
{
	return text_at(
		expect(s->w, LEAD, "POST", "/v1/fault-domains",
			fmt(s->w,
				"{\"name\":\"%s\",\"type\":\"%s\",\"site_id\":\"%s\",\"parent_id\":%s}",
				name, type, s->sites[HOST_A],
				parent ? fmt(s->w, "\"%s\"", parent) : "null"),
			201)
			.json,
		"id");
}

static void stands_in(struct scene *s, const char *host, const char *id)
{
	expect(s->w, LEAD, "PATCH", fmt(s->w, "/v1/hosts/%s", host),
		fmt(s->w, "{\"fault_domain_id\":%s}", id ? fmt(s->w, "\"%s\"", id) : "null"), 200);
}

/* Hosts are nodes; what they share is a rack, further up. */
static void a_host_of_the_same_rack_needs_a_waiver(void **state)
{
	struct scene *s = *state;
	bool possible;
	const char *near = text_at(
		expect(s->w, LEAD, "POST", "/v1/hosts",
			fmt(s->w, "{\"name\":\"lon-c\",\"hypervisor\":\"kvm\",\"site_id\":\"%s\"}",
				s->sites[HOST_A]),
			201)
			.json,
		"id");
	const char *site = domain(s, "site", "London 1", NULL);
	const char *rack = domain(s, "rack", "R1", site), *other = domain(s, "rack", "R2", site);
	const char *chassis = domain(s, "chassis", "C1", rack);
	const char *here = domain(s, "node", "N1", chassis), *there = domain(s, "node", "N2", rack);
	const char *far = domain(s, "node", "N3", other);
	struct shown b = s->agents[HOST_B];

	scene_vm(s);
	s->agents[HOST_B].host_id = near;
	stands_in(s, s->agents[HOST_A].host_id, here);
	stands_in(s, near, far);
	assert_false(blocked_by(s, wish(s, HOST_B, ""), "same_fault_domain", &possible));
	stands_in(s, near, there);
	assert_true(blocked_by(s, wish(s, HOST_B, ""), "same_fault_domain", &possible));
	struct reply r = expect(
		s->w, LEAD, "POST", protect_path(s, "?dry_run=true"), wish(s, HOST_B, ""), 200);

	assert_non_null(strstr(r.body, "Both hosts stand in one fault domain: rack R1."));
	stands_in(s, s->agents[HOST_A].host_id, NULL);
	s->agents[HOST_B] = b;
}

/* A board that the target does not know: a type of QEMU's, or a version of Hyper-V's. */
static void a_machine_that_is_too_new_is_named(void **state)
{
	static const struct {
		const char *type;
		bool fits;
	} rows[] = {
		{ "pc-q35-7.2", true },
		{ "pc-q35-9.0", false },
		{ "generation 2, version 8.0", true },
		{ "generation 2, version 9.0", false },
	};
	struct scene *s = *state;
	bool possible;

	scene_vm(s);
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		scene_machine(s, s->vm,
			fmt(s->w,
				"\"machine_type\":\"%s\",\"disks\":[{\"target\":\"vda\",\"format\":\"qcow2\"}]",
				rows[i].type));
		assert_int_equal(
			blocked_by(s, wish(s, HOST_B, ""), "machine_type_unknown", &possible),
			!rows[i].fits);
		assert_int_equal(possible, rows[i].fits);
	}
}

static void a_vm_is_copied_once(void **state)
{
	struct scene *s = *state;
	bool possible;

	scene_protect(s, scene_vm(s));
	assert_true(blocked_by(s, wish(s, HOST_C, ""), "already_replicated", &possible));
	expect(s->w, LEAD, "POST", protect_path(s, ""), wish(s, HOST_C, ""), 422);
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
	r = call(s->w, LEAD, "POST", protect_path(s, ""),
		fmt(s->w, "{\"target_host_id\":\"%s\"}", s->agents[HOST_B].host_id), NULL);
	expect_code(&r, 422, "validation_failed");
	assert_int_equal(json_array_size(json_object_get(r.json, "errors")), 4);
	r = expect(s->w, LEAD, "POST", protect_path(s, ""),
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

/* ---- networks ---- */

static const char *network(struct scene *s, int site, const char *name, const char *purpose)
{
	return text_at(
		expect(s->w, LEAD, "POST", "/v1/networks",
			fmt(s->w,
				"{\"name\":\"%s\",\"site_id\":\"%s\",\"purpose\":\"%s\",\"isolated\":%s,"
				"\"switch_name\":\"br-%s\"}",
				name, s->sites[site], purpose,
				strcmp(purpose, "test") == 0 ? "true" : "false", name),
			201)
			.json,
		"id");
}

struct cards {
	struct scene *s;
	bool test;
	struct ud_json json;
	struct ud_texts unmapped;
};

static enum ud_code ask(struct ud_ctx *cx, void *data)
{
	struct cards *c = data;
	struct scene *s = c->s;

	UD_TRY(ud_network_map_cards(cx, s->vm, s->agents[HOST_A].host_id, s->agents[HOST_B].host_id,
		c->test, &c->json, &c->unmapped));
	c->json.text = ud_strdup(s->w->arena, c->json.text);
	return UD_OK;
}

static void a_map_says_where_cards_are_plugged_in(void **state)
{
	struct scene *s = *state;
	const char *front = network(s, HOST_A, "front", "production");
	const char *there = network(s, HOST_B, "front-b", "production");
	const char *bubble = network(s, HOST_B, "bubble-b", "test");
	const char *path = fmt(s->w, "/v1/networks/%s/failover-map", front);
	const char *format =
		"{\"entries\":[{\"target_site_id\":\"%s\",\"real_network_id\":\"%s\",\"test_network_id\":\"%s\"}]}";
	const char *b = s->sites[HOST_B];
	struct cards c = { .s = s };

	expect(s->w, LEAD, "PUT", path, fmt(s->w, format, b, bubble, bubble), 422);
	expect(s->w, LEAD, "PUT", path, fmt(s->w, format, b, there, there), 422);
	expect(s->w, LEAD, "PUT", path, fmt(s->w, format, s->sites[HOST_C], there, bubble), 422);
	expect(s->w, LEAD, "PUT", path, fmt(s->w, "{\"entries\":[{\"target_site_id\":\"%s\"}]}", b),
		422);
	expect(s->w, OWN_ADMIN, "PUT", path, fmt(s->w, format, b, there, bubble), 403);
	struct reply r = expect(s->w, LEAD, "PUT", path, fmt(s->w, format, b, there, bubble), 200);

	assert_string_equal(text_at(r.json, "object"), "failover_map");
	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_string_equal(text_at(r.json, "entries.0.real_network_id"), there);
	assert_string_equal(text_at(r.json, "entries.0.test_network_id"), bubble);
	scene_vm(s);
	scene_machine(s, s->vm,
		"\"nics\":[{\"mac\":\"52:54:00:00:00:01\",\"source\":\"br-front\"},"
		"{\"mac\":\"52:54:00:00:00:02\",\"source\":\"br-back\"}]");
	world_write(s->w, ask, &c);
	assert_string_equal(
		c.json.text, "[{\"mac\":\"52:54:00:00:00:01\",\"network\":\"br-front-b\"}]");
	assert_int_equal(c.unmapped.count, 1);
	c.test = true;
	world_write(s->w, ask, &c);
	assert_string_equal(
		c.json.text, "[{\"mac\":\"52:54:00:00:00:01\",\"network\":\"br-bubble-b\"}]");
	expect(s->w, LEAD, "DELETE", fmt(s->w, "/v1/networks/%s", there), NULL, 409);
	expect(s->w, LEAD, "PUT", path, "{}", 200);
	r = expect(s->w, OWN_VIEWER, "GET", path, NULL, 200);
	assert_int_equal(json_array_size(json_object_get(r.json, "entries")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dry_run_changes_nothing),
		cmocka_unit_test(a_vm_is_protected_step_by_step),
		cmocka_unit_test(a_host_that_refuses_ends_the_setup),
		cmocka_unit_test(nobody_replicates_without_the_add_on),
		cmocka_unit_test(everything_in_the_way_is_told_at_once),
		cmocka_unit_test(a_host_of_the_same_site_needs_a_waiver),
		cmocka_unit_test(a_host_of_the_same_rack_needs_a_waiver),
		cmocka_unit_test(a_machine_that_is_too_new_is_named),
		cmocka_unit_test(a_vm_is_copied_once),
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
		cmocka_unit_test(a_map_says_where_cards_are_plugged_in),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
