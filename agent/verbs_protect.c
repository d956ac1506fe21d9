/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What part this host plays for a VM, and by which policy: set by relations, or by a command of its
 * own, and changed by failovers alone once it is set.
 */
#include <string.h>

#include "agent/lease.h"
#include "agent/verbs.h"

static const unsigned roles_of[] = { UD_VM_ROLE_FREE, UD_VM_ROLE_PRIMARY, UD_VM_ROLE_REPLICA };
_Static_assert(UD_LEN(roles_of) == UD_PROTECT_REPLICA + 1, "a role for each");

/* The change of a row. */
struct protection {
	const struct ud_act *act;
	const struct ud_protect_args *args;
	bool wanted; /* it runs, when this host becomes its primary */
};

/* The roles that may follow without a failover. */
static enum ud_code may_become(
	struct ud_ctx *cx, const struct ud_act *act, unsigned from, unsigned to)
{
	if (from == to || from == UD_VM_ROLE_FREE)
		return UD_OK;
	if (to == UD_VM_ROLE_FREE && from != UD_VM_ROLE_DISPLACED)
		return UD_OK;
	if (from == UD_VM_ROLE_DISPLACED && to == UD_VM_ROLE_REPLICA)
		return UD_OK;
	return ud_fail(cx, UD_E_INVALID_STATE, NULL,
		"This host is %s for the VM: only a failover changes that (%s).",
		ud_vm_roles.names[from], act->command->verb);
}

static enum ud_code store(struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	const struct protection *p = data;
	unsigned role = roles_of[p->args->role];
	bool fresh = role == UD_VM_ROLE_PRIMARY && vm->role == UD_VM_ROLE_FREE;

	(void)found;
	UD_TRY(may_become(cx, p->act, vm->role, role));
	if (vm->role == UD_VM_ROLE_PRIMARY && p->act->command->epoch > vm->epoch)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The VM has a newer epoch: only a promotion brings it to its primary.");
	vm->uuid = p->act->command->uuid;
	vm->epoch = p->act->command->epoch;
	vm->role = role;
	vm->policy = role == UD_VM_ROLE_FREE ? UD_POLICY_NONE : p->args->policy;
	vm->lease_seconds = p->args->lease_seconds;
	vm->peer_start = p->args->break_glass;
	if (fresh) {
		vm->wanted = p->wanted;
		vm->host_boot = p->act->station->host_boot;
	}
	if (role != UD_VM_ROLE_PRIMARY)
		vm->hold = vm->wanted = vm->fast_start = vm->breakglass = false;
	return UD_OK;
}

/* Under policy lease the first lease comes before the policy. */
static enum ud_code lease_first(struct ud_ctx *cx, struct ud_act *act,
	const struct ud_protect_args *args, const struct ud_journal_vm *before)
{
	const struct ud_journal_vm vm = { .vm_id = act->command->subject_id,
		.uuid = act->command->uuid,
		.epoch = act->command->epoch,
		.policy = args->policy };

	if (args->role != UD_PROTECT_PRIMARY || args->policy != UD_POLICY_LEASE ||
		before->policy == UD_POLICY_LEASE)
		return UD_OK;
	return ud_leases_adopt(cx, act->station->leases, &vm);
}

static enum ud_code runs(struct ud_ctx *cx, struct ud_act *act, bool *ret)
{
	enum ud_power power = UD_POWER_UNKNOWN;
	const char *raw = NULL;
	enum ud_code code = ud_hv_power(cx, act->station->hv, act->command->uuid, &power, &raw);

	*ret = code == UD_OK && power == UD_POWER_RUNNING;
	if (code != UD_E_NOT_FOUND)
		return code;
	ud_ctx_clear(cx); /* a replica need not be known to the hypervisor */
	return UD_OK;
}

/* What lives by no lease any more is not to be ended with its last one. After a crash the row says
 * no longer that it had one. */
static void end_lease(struct ud_ctx *cx, struct ud_act *act, const struct ud_journal_vm *before)
{
	const struct ud_journal_vm vm = { .vm_id = act->command->subject_id,
		.uuid = act->command->uuid,
		.epoch = act->command->epoch,
		.policy = UD_POLICY_LEASE };

	if (before->policy == UD_POLICY_LEASE || act->again)
		ud_leases_stopped(cx, act->station->leases, &vm);
}

enum ud_code ud_act_protect(
	struct ud_ctx *cx, struct ud_act *act, const struct ud_protect_args *args)
{
	struct ud_station *s = act->station;
	struct protection p = { .act = act, .args = args };
	struct ud_journal_vm before = { 0 };
	bool found = false;

	UD_TRY(ud_journal_vm_get(cx, s->journal, act->command->subject_id, &found, &before));
	UD_TRY(may_become(cx, act, before.role, roles_of[args->role]));
	UD_TRY(runs(cx, act, &p.wanted));
	if (p.wanted)
		UD_TRY(lease_first(cx, act, args, &before));
	act->begun = true;
	UD_TRY(ud_act_point(cx, act, "leased"));
	UD_TRY(ud_journal_vm_change(cx, s->journal, act->command->subject_id, store, &p));
	UD_TRY(ud_act_point(cx, act, "protected"));
	if (args->role == UD_PROTECT_FREE || args->policy != UD_POLICY_LEASE)
		end_lease(cx, act, &before);
	/* boot hold: from now on nobody but we start it when the host boots */
	if (args->role != UD_PROTECT_PRIMARY || before.role == UD_VM_ROLE_PRIMARY)
		return UD_OK;
	return ud_hv_autostart(cx, s->hv, act->command->uuid, false);
}

enum ud_code ud_do_protect(struct ud_ctx *cx, struct ud_act *act)
{
	return ud_act_protect(cx, act, act->args);
}

/* ---- by relations ---- */

static const char *note_of(struct ud_ctx *cx, const char *replication_id)
{
	return ud_printf(cx->arena, "leg %s", replication_id);
}

enum ud_code ud_act_relate(
	struct ud_ctx *cx, struct ud_act *act, const struct ud_relation *relation)
{
	const struct ud_protect_args args = { .role = relation->role == UD_RELATION_SOURCE
			? UD_PROTECT_PRIMARY
			: UD_PROTECT_REPLICA,
		.policy = relation->fencing_policy,
		.lease_seconds = relation->lease_seconds,
		.break_glass = relation->break_glass };
	bool third = relation->leg == UD_LEG_EXTENDED;

	if (relation->state == UD_RELATION_REMOVED)
		return UD_OK;
	/* the second host passes on as what it is; the third is a replica that grants nobody */
	if (third && relation->role == UD_RELATION_SOURCE)
		return UD_OK;
	UD_TRY(ud_act_protect(cx, act, &args));
	if (!third)
		UD_TRY(ud_journal_note(cx, act->station->journal,
			ud_printf(cx->arena, UD_NOTE_RELATION, act->command->subject_id),
			relation->replication_id));
	return ud_journal_note(cx, act->station->journal, note_of(cx, relation->replication_id),
		ud_legs.names[relation->leg]);
}

enum ud_code ud_act_unrelate(struct ud_ctx *cx, struct ud_act *act, const char *replication_id)
{
	const struct ud_protect_args args = { .role = UD_PROTECT_FREE, .lease_seconds = 30 };
	const char *note = note_of(cx, replication_id), *leg = NULL;
	struct ud_journal_vm vm = { 0 };
	bool found = false;

	UD_TRY(ud_journal_noted(cx, act->station->journal, note, &leg));
	UD_TRY(ud_journal_vm_get(cx, act->station->journal, act->command->subject_id, &found, &vm));
	/* an old primary stays what it is: its disks may differ from everybody's */
	if (leg && found && vm.role != UD_VM_ROLE_DISPLACED && act->command->uuid)
		UD_TRY(ud_act_protect(cx, act, &args));
	return ud_journal_note(cx, act->station->journal, note, NULL);
}
