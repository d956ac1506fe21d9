/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in the way of protecting a VM, told before anything is done: on both databases.
 */
#include <string.h>

#include "support/replicas.h"

static void a_dry_run_changes_nothing(void **state)
{
	struct scene *s = *state;

	scene_vm(s);
	struct reply r = expect(s->w, OWN_OPERATOR, "POST", scene_protect_path(s, "?dry_run=true"),
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

static void nobody_replicates_without_the_add_on(void **state)
{
	struct scene *s = *state;

	scene_vm(s);
	expect(s->w, LEAD, "POST", fmt(s->w, "/v1/subscriptions/%s/cancel", s->subscription), "{}",
		200);
	struct reply r = call(
		s->w, LEAD, "POST", scene_protect_path(s, ""), scene_wish(s, HOST_B, ""), NULL);

	expect_code(&r, 403, "not_entitled");
	assert_non_null(strstr(text_at(r.json, "detail"), "hyperv_replica"));
	r = expect(s->w, OWN_APPROVER, "POST", scene_protect_path(s, "?dry_run=true"),
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
	expect(s->w, LEAD, "POST", scene_protect_path(s, "?dry_run=true"),
		scene_wish(s, HOST_B, ""), 200);
}

/* The codes of a dry run, each with text and fix. */
static bool blocked_by(struct scene *s, const char *body, const char *code, bool *ret_possible)
{
	struct reply r =
		expect(s->w, LEAD, "POST", scene_protect_path(s, "?dry_run=true"), body, 200);
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
		{ "[{\"target\":\"vda\",\"format\":\"qcow2\",\"boot\":true},{\"target\":\"vdb\","
		  "\"format\":\"qcow2\"}]",
			",\"excluded_disk_ids\":[\"vda\"]", "boot_disk_excluded", false },
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
		bool found =
			blocked_by(s, scene_wish(s, HOST_B, rows[i].more), rows[i].code, &possible);

		if ((*rows[i].code && !found) || possible != rows[i].possible)
			fail_msg("row %zu: %s", i, rows[i].code);
	}
	scene_vm(s);
	assert_true(blocked_by(s, scene_wish(s, HOST_A, ""), "same_host", &possible));
	assert_false(possible);
	/* the call itself names them all */
	scene_disks(s, s->vm,
		"[{\"target\":\"vda\",\"format\":\"raw\"},{\"target\":\"vdb\",\"shared\":true}]");
	struct reply r = call(
		s->w, LEAD, "POST", scene_protect_path(s, ""), scene_wish(s, HOST_B, ""), NULL);

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
	assert_true(blocked_by(s, scene_wish(s, HOST_B, ""), "same_site", &possible));
	assert_false(possible);
	assert_true(
		blocked_by(s, scene_wish(s, HOST_B, ""), "target_agent_not_connected", &possible));
	assert_true(blocked_by(s, scene_wish(s, HOST_B, ""), "no_replication_address", &possible));
	expect(s->w, LEAD, "PATCH", fmt(s->w, "/v1/hosts/%s", near.host_id),
		"{\"replication_address\":\"nowhere\"}", 422);
	expect(s->w, LEAD, "PATCH", fmt(s->w, "/v1/hosts/%s", near.host_id),
		"{\"replication_address\":\"repl.example.net:9444\"}", 200);
	assert_false(blocked_by(s, scene_wish(s, HOST_B, ""), "no_replication_address", &possible));
	scene_seen(s);
	assert_false(
		blocked_by(s, scene_wish(s, HOST_B, ""), "target_agent_not_connected", &possible));
	assert_false(possible);
	/* waived, it is told nevertheless */
	assert_true(blocked_by(
		s, scene_wish(s, HOST_B, ",\"waivers\":[\"same_site\"]"), "same_site", &possible));
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
	assert_false(blocked_by(s, scene_wish(s, HOST_B, ""), "same_fault_domain", &possible));
	stands_in(s, near, there);
	assert_true(blocked_by(s, scene_wish(s, HOST_B, ""), "same_fault_domain", &possible));
	struct reply r = expect(s->w, LEAD, "POST", scene_protect_path(s, "?dry_run=true"),
		scene_wish(s, HOST_B, ""), 200);

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
			blocked_by(s, scene_wish(s, HOST_B, ""), "machine_type_unknown", &possible),
			!rows[i].fits);
		assert_int_equal(possible, rows[i].fits);
	}
}

/* What the hypervisor tells of the VM itself counts like what we see. */
static void what_the_hypervisor_sees_is_told(void **state)
{
	static const struct {
		const char *members, *code;
		bool possible;
	} rows[] = {
		{ "\"bars\":[{\"code\":\"virtual_fibre_channel\",\"text\":\"It has an adapter.\","
		  "\"fix\":\"Remove it.\"}],\"disks\":[{\"target\":\"vda\",\"format\":\"qcow2\"}]",
			"virtual_fibre_channel", false },
		{ "\"bars\":[{\"code\":\"tpm_state\",\"text\":\"It has a TPM.\",\"fix\":\"Keep keys.\","
		  "\"warning\":true}],\"disks\":[{\"target\":\"vda\",\"format\":\"qcow2\"}]",
			"tpm_state", true },
	};
	struct scene *s = *state;
	bool possible;

	scene_vm(s);
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		scene_machine(s, s->vm, rows[i].members);
		assert_true(blocked_by(s, scene_wish(s, HOST_B, ""), rows[i].code, &possible));
		assert_int_equal(possible, rows[i].possible);
	}
	scene_machine(s, s->vm, rows[0].members);
	struct reply r = call(
		s->w, LEAD, "POST", scene_protect_path(s, ""), scene_wish(s, HOST_B, ""), NULL);

	expect_code(&r, 422, "replication_blocked");
	assert_string_equal(text_at(r.json, "errors.0.code"), "virtual_fibre_channel");
}

/* Hosts here have no KVM. */
static void a_vm_that_wants_kvm_needs_it_there(void **state)
{
	static const struct {
		const char *accelerator;
		bool fits;
	} rows[] = { { "kvm", false }, { "tcg", true } };
	struct scene *s = *state;
	bool possible;

	scene_vm(s);
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		scene_machine(s, s->vm,
			fmt(s->w,
				"\"accelerator\":\"%s\",\"disks\":[{\"target\":\"vda\",\"format\":\"qcow2\"}]",
				rows[i].accelerator));
		assert_int_equal(blocked_by(s, scene_wish(s, HOST_B, ""), "kvm_missing", &possible),
			!rows[i].fits);
		assert_int_equal(possible, rows[i].fits);
	}
}

static void a_vm_is_copied_once(void **state)
{
	struct scene *s = *state;
	bool possible;

	scene_protect(s, scene_vm(s));
	assert_true(blocked_by(s, scene_wish(s, HOST_C, ""), "already_replicated", &possible));
	expect(s->w, LEAD, "POST", scene_protect_path(s, ""), scene_wish(s, HOST_C, ""), 422);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dry_run_changes_nothing),
		cmocka_unit_test(nobody_replicates_without_the_add_on),
		cmocka_unit_test(everything_in_the_way_is_told_at_once),
		cmocka_unit_test(a_host_of_the_same_site_needs_a_waiver),
		cmocka_unit_test(a_host_of_the_same_rack_needs_a_waiver),
		cmocka_unit_test(a_machine_that_is_too_new_is_named),
		cmocka_unit_test(what_the_hypervisor_sees_is_told),
		cmocka_unit_test(a_vm_that_wants_kvm_needs_it_there),
		cmocka_unit_test(a_vm_is_copied_once),
	};

	return cmocka_run_group_tests(tests, scene_setup, scene_teardown);
}
