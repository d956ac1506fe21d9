/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fencing policy of a VM that is protected already, on both databases: who may change it, when
 * not, what its hosts are told, and from when on a lease is proof.
 */
#include <string.h>

#include "db/leases.h"
#include "support/stage.h"

static int begin(void **state)
{
	*state = stage_begin(1);
	return 0;
}

static int end(void **state)
{
	stage_end(*state);
	return 0;
}

static struct reply set(struct stage *s, enum who who, const char *policy, int status)
{
	return expect(s->w, who, "POST", fmt(s->w, "/v1/vms/%s/set-fencing-policy", s->vms[0].id),
		fmt(s->w, "{\"fencing_policy\":\"%s\"}", policy), status);
}

static struct reply shown(struct stage *s)
{
	return expect(
		s->w, LEAD, "GET", fmt(s->w, "/v1/vms/%s/fencing-policy", s->vms[0].id), NULL, 200);
}

static bool in_force(struct stage *s)
{
	struct reply r = shown(s);

	return json_is_true(json_object_get(r.json, "lease_in_force"));
}

static enum ud_code keep(struct ud_ctx *cx, void *data)
{
	struct stage *s = data;
	const struct ud_lease_ask ask = {
		.vm_id = s->vms[0].id, .epoch = 1, .purpose = UD_LEASE_KEEP, .guarded = true
	};
	struct ud_lease_word word;

	UD_TRY(ud_lease_grant(cx, s->hosts[0].id, true, 30, &ask, &word));
	assert_int_equal(word.verdict, UD_LEASE_GRANTED);
	return UD_OK;
}

/* Commands to a host that say so. */
static int64_t told(struct stage *s, int host, const char *policy)
{
	return stage_count(s,
		fmt(s->w,
			"SELECT COUNT(*) FROM commands WHERE host_id = '%s' AND verb = 'relation_set'"
			" AND payload LIKE '%%\"fencing_policy\":\"%s\"%%'",
			s->hosts[host].id, policy));
}

static void it_is_changed_and_both_hosts_are_told(void **state)
{
	struct stage *s = *state;

	assert_string_equal(text_at(shown(s).json, "fencing_policy"), "attest");
	set(s, OWN_ADMIN, "lease", 403);
	set(s, AUDITOR, "lease", 403);
	set(s, ENGINEER, "none", 422);
	set(s, ENGINEER, "attest", 200);
	assert_int_equal(told(s, 0, "lease"), 0);
	struct reply r = set(s, ENGINEER, "lease", 200);

	assert_string_equal(text_at(r.json, "fencing_policy"), "lease");
	assert_int_equal(told(s, 0, "lease"), 1);
	assert_int_equal(told(s, 1, "lease"), 1);
	assert_int_equal(
		stage_count(
			s, "SELECT COUNT(*) FROM events WHERE type = 'vm.fencing_policy_changed'"),
		1);
}

/* The row says lease at once; the host lives by it when it says so. */
static void a_lease_is_proof_only_once_the_host_lives_by_it(void **state)
{
	struct stage *s = *state;

	set(s, ENGINEER, "lease", 200);
	assert_false(in_force(s));
	world_write(s->w, keep, s);
	assert_true(in_force(s));
	set(s, ENGINEER, "stonith", 200);
	assert_false(in_force(s));
	set(s, ENGINEER, "lease", 200);
	assert_false(in_force(s));
}

static void not_while_a_run_goes_on(void **state)
{
	struct stage *s = *state;

	stage_start(s, "planned", "host_maintenance", 1, "");
	stage_round(s);
	set(s, ENGINEER, "lease", 409);
	stage_settle(s);
}

int main(void)
{
#define SCENE(test_) cmocka_unit_test_setup_teardown(test_, begin, end)
	const struct CMUnitTest tests[] = {
		SCENE(it_is_changed_and_both_hosts_are_told),
		SCENE(a_lease_is_proof_only_once_the_host_lives_by_it),
		SCENE(not_while_a_run_goes_on),
	};
#undef SCENE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
