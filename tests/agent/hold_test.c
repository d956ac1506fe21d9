/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot hold: what the journal says to a hypervisor that is about to start a VM's process.
 */
#include "agent/hold.h"

#include <string.h>

#include "base/env.h"
#include "support/context.h"

#define UUID "00000000-0000-4000-8000-000000000001"
#define VM "vm_01HZZZZZZZZZZZZZZZZZZZZZZZ"

enum { MINUTE = 60000 };

static ud_journal *open_journal(struct ud_ctx *cx)
{
	ud_journal *j = NULL;

	assert_int_equal(ud_journal_open(cx, context_path(cx, "journal.db"), &j), UD_OK);
	return j;
}

/* clang-format off */
static const struct {
	unsigned role;
	bool hold;
	int64_t permit_ms; /* from now; UD_NONE = none */
	const char *boot;
	bool may;
} rows[] = {
	{ UD_VM_ROLE_FREE,      false, UD_NONE, NULL,   true },
	{ UD_VM_ROLE_PRIMARY,   false, UD_NONE, "boot", false },
	{ UD_VM_ROLE_PRIMARY,   false, MINUTE,  "boot", true },
	{ UD_VM_ROLE_PRIMARY,   false, -MINUTE, "boot", false },
	{ UD_VM_ROLE_PRIMARY,   true,  MINUTE,  "boot", false },
	/* the leave of another boot: the clock began anew, and so must the question */
	{ UD_VM_ROLE_PRIMARY,   false, MINUTE,  "last", false },
	{ UD_VM_ROLE_PRIMARY,   false, MINUTE,  NULL,   false },
	{ UD_VM_ROLE_REPLICA,   false, MINUTE,  "boot", false },
	{ UD_VM_ROLE_DISPLACED, false, MINUTE,  "boot", false },
};
/* clang-format on */

static void only_a_permit_of_this_boot_lets_it_start(void **state)
{
	struct ud_ctx *cx = *state;
	ud_journal *j = open_journal(cx);
	int64_t now = ud_mono_ms(cx->env);

	assert_int_equal(ud_hold_judge(cx, j, UUID, "boot"), UD_OK); /* nobody's */
	for (size_t i = 0; i < UD_LEN(rows); i++) {
		const struct ud_journal_vm vm = { .vm_id = VM,
			.uuid = UUID,
			.epoch = 1,
			.role = rows[i].role,
			.policy = UD_POLICY_ATTEST,
			.hold = rows[i].hold,
			.lease_seconds = 30,
			.host_boot = rows[i].boot,
			.permit_ms =
				rows[i].permit_ms == UD_NONE ? UD_NONE : now + rows[i].permit_ms,
			.promised = UD_NONE,
			.granted = UD_NONE };

		assert_int_equal(ud_journal_vm_put(cx, j, &vm), UD_OK);
		enum ud_code code = ud_hold_judge(cx, j, UUID, "boot");

		if (code != (rows[i].may ? UD_OK : UD_E_INVALID_STATE))
			fail_msg("row %zu: %s", i, cx->problem.detail);
		ud_ctx_clear(cx);
		assert_int_equal(
			ud_hold_judge(cx, j, "00000000-0000-4000-8000-000000000002", "boot"),
			UD_OK);
	}
	ud_journal_release(&j);
}

static void a_pass_holds_for_its_boot_and_time_and_no_longer(void **state)
{
	struct ud_ctx *cx = *state;
	ud_journal *j = open_journal(cx);
	const struct ud_journal_vm vm = { .vm_id = VM,
		.uuid = UUID,
		.epoch = 1,
		.role = UD_VM_ROLE_PRIMARY,
		.policy = UD_POLICY_ATTEST,
		.lease_seconds = 30,
		.permit_ms = UD_NONE,
		.promised = UD_NONE,
		.granted = UD_NONE };

	assert_int_equal(ud_journal_vm_put(cx, j, &vm), UD_OK);
	assert_int_equal(ud_hold_pass(cx, j, VM, "boot", MINUTE), UD_OK);
	assert_int_equal(ud_hold_judge(cx, j, UUID, "boot"), UD_OK);
	assert_int_equal(ud_hold_judge(cx, j, UUID, "next"), UD_E_INVALID_STATE);
	assert_int_equal(ud_hold_judge(cx, j, UUID, ""), UD_E_INVALID_STATE);
	assert_int_equal(ud_hold_pass(cx, j, VM, "boot", -1), UD_OK);
	assert_int_equal(ud_hold_judge(cx, j, UUID, "boot"), UD_E_INVALID_STATE);
	assert_int_equal(ud_hold_pass(cx, j, VM, "boot", MINUTE), UD_OK);
	assert_int_equal(ud_hold_end(cx, j, VM), UD_OK);
	assert_int_equal(ud_hold_judge(cx, j, UUID, "boot"), UD_E_INVALID_STATE);
	ud_journal_release(&j);
}

static void the_definition_names_the_vm(void **state)
{
	struct ud_ctx *cx = *state;

	assert_string_equal(
		ud_hold_uuid(cx,
			"<domain type='kvm'>\n  <name>a &lt;uuid&gt;</name>\n  <uuid>" UUID
			"</uuid>\n</domain>"),
		UUID);
	assert_null(ud_hold_uuid(cx, ""));
	assert_null(ud_hold_uuid(cx, "<domain><uuid>" UUID));
	assert_null(ud_hold_uuid(cx, "<domain><uuid>../../etc</uuid></domain>"));
}

int main(void)
{
#define LIFE(test_) cmocka_unit_test_setup_teardown(test_, context_begin, context_end)
	const struct CMUnitTest tests[] = {
		LIFE(only_a_permit_of_this_boot_lets_it_start),
		LIFE(a_pass_holds_for_its_boot_and_time_and_no_longer),
		LIFE(the_definition_names_the_vm),
	};
#undef LIFE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
