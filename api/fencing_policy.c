/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How it is made sure that a protected VM never runs twice, and how that is changed while it is
 * protected. A lease proves something only when the VM's host lives by it (db/leases.h), so the
 * hosts may learn of a change when they are there.
 */
#include <string.h>

#include "api/api.h"
#include "api/replications.h"
#include "db/events.h"
#include "db/leases.h"
#include "db/replications.h"
#include "db/vms.h"
#include "db/workflows.h"
#include "server/http/server.h"
#include "server/replication/relations.h"

static const char *const names[] = { "attest", "lease", "stonith" };
static const struct ud_enum policies = { "fencing_policy", names, UD_LEN(names) };

struct fencing {
	const char *vm_id, *fencing_policy;
	bool lease_in_force;
};
struct wish {
	unsigned fencing_policy;
};
/* clang-format off */
static const struct ud_field fencing_fields[] = {
	UD_FIELD(fencing, vm_id,          .about = "The VM."),
	UD_FIELD(fencing, fencing_policy, .about = "attest, lease or stonith; none when it is not protected."),
	UD_FIELD(fencing, lease_in_force, .about = "True: its host ends it with its lease, and time alone is proof."),
};
static const struct ud_field wish_fields[] = {
	UD_FIELD(wish, fencing_policy, .flags = UD_REQUIRED, .values = &policies, .about = "How it is made sure that the VM never runs twice."),
};
/* clang-format on */
static const struct ud_shape fencing_shape = {
	.object = "fencing", UD_SHAPE(fencing, fencing_fields), .bare = true
};
static const struct ud_shape wish_shape = { UD_SHAPE(wish, wish_fields), .bare = true };

static enum ud_code answer(struct ud_ctx *cx, struct ud_request *rq, const struct ud_vm *vm)
{
	struct fencing out = { .vm_id = vm->row.id };
	int64_t epoch;

	UD_TRY(ud_vm_epoch(cx, vm->row.id, &epoch, &out.fencing_policy));
	if (vm->host_id)
		UD_TRY(ud_lease_in_force(cx, vm->row.id, vm->host_id, &out.lease_in_force));
	return ud_answer(cx, rq, &fencing_shape, &out);
}

static enum ud_code show(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_vm vm = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	return answer(cx, rq, &vm);
}

static enum ud_code may_change(struct ud_ctx *cx, const struct ud_vm *vm)
{
	const char *id = NULL, *run = NULL;
	enum ud_lease_gate gate = UD_GATE_OPEN;

	if (vm->dr_role != UD_DR_PRIMARY)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is not protected.");
	UD_TRY(ud_workflow_of(cx, vm->row.id, UD_NONE, &id, &run));
	if (run)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"Run %s of this VM goes on: it was approved with the policy as it is.",
			run);
	UD_TRY(ud_lease_gate_get(cx, vm->row.id, &gate));
	if (gate != UD_GATE_OPEN)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "It is not settled which host has the VM.");
	return UD_OK;
}

static enum ud_code tell_hosts(
	struct ud_ctx *cx, struct ud_request *rq, const char *vm_id, enum ud_leg leg)
{
	struct ud_replication old = { 0 }, r;
	bool found = false;

	UD_TRY(ud_replication_of_vm(cx, vm_id, leg, &found, &old));
	if (!found)
		return UD_OK;
	r = old;
	r.generation++;
	UD_TRY(ud_row_update(cx, &ud_replications, &old, &r));
	return ud_relation_send_both(cx, &rq->server->commanding, &r);
}

static enum ud_code change(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct wish *in = rq->in;
	const char *before = NULL, *after = names[in->fencing_policy];
	struct ud_vm vm = { 0 };
	int64_t epoch;

	UD_TRY(ud_row_get(cx, &ud_vms, rq->arg[0], &vm));
	UD_TRY(may_change(cx, &vm));
	UD_TRY(ud_vm_epoch(cx, vm.row.id, &epoch, &before));
	if (strcmp(before, after) == 0)
		return answer(cx, rq, &vm);
	UD_TRY(ud_lease_policy_set(cx, vm.row.id, after));
	UD_TRY(tell_hosts(cx, rq, vm.row.id, UD_LEG_PRIMARY));
	UD_TRY(tell_hosts(cx, rq, vm.row.id, UD_LEG_EXTENDED));
	UD_TRY(ud_event_add_plain(cx, "vm.fencing_policy_changed", vm.row.customer_id, "vm",
		vm.row.id,
		ud_printf(cx->arena, "{\"fencing_policy\":\"%s\",\"before\":\"%s\"}", after,
			before)));
	return answer(cx, rq, &vm);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/vms/{id}/fencing-policy",     "vms.fencing-policy",     UD_PEOPLE,        "vms:read",  0, .answer = &fencing_shape, .handle = show, .about = "Show how it is made sure that a VM never runs twice." },
	{ "POST", "/v1/vms/{id}/set-fencing-policy", "vms.set-fencing-policy", UD_RPL_ENGINEERS, "vms:write", UD_WRITE, &wish_shape, &fencing_shape, .handle = change, .about = "Change the fencing policy of a protected VM; its hosts are told." },
};
/* clang-format on */
const struct ud_routes ud_api_fencing_policy = { "Fencing", rows, UD_LEN(rows) };
