/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What proves that a source does not run: its own word, two people, the end of its lease, or a
 * fence device that says twice that its host is off. Never silence.
 */
#include <string.h>

#include "base/wire_identity.h"
#include "db/approvals.h"
#include "db/fence_devices.h"
#include "db/leases.h"
#include "db/operations.h"
#include "server/fencing/fencing.h"
#include "server/workflow/steps.h"

/* Statements of two people may have come before the run began: they count as those made during it.
 */
static enum ud_code count_statements(struct ud_ctx *cx, struct flow *fl)
{
	int64_t people = 0;
	bool mine;

	if (fl->w->attested_at.ms > 0)
		return UD_OK;
	UD_TRY(ud_attestations_count(cx, fl->f.ticket_id, fl->w->vm_id, &people, &mine));
	if (people >= 2)
		fl->w->attested_at.ms = cx->now_ms;
	return UD_OK;
}

/* One device is asked once for all VMs of a run that were on its host. */
static const char *asked_for_another(const struct flow *fl)
{
	for (size_t i = 0; i < fl->all.count; i++) {
		const struct ud_workflow *o = &fl->all.items[i];

		if (o != fl->w && o->fence_operation_id &&
			strcmp(o->source_host_id, fl->w->source_host_id) == 0)
			return o->fence_operation_id;
	}
	return NULL;
}

/* A host that answers runs other VMs, too: people stop this one there instead. */
static enum ud_code begin_off(struct ud_ctx *cx, struct flow *fl, enum found *ret)
{
	struct ud_workflow *w = fl->w;
	struct ud_fence_device d = { 0 };
	struct ud_operation op = { 0 };
	bool found = false, answers = false;
	int64_t last = 0;

	UD_TRY(ud_fence_device_of(cx, w->source_host_id, &found, &d));
	if (!found)
		return ud_flow_ask(fl, ret, "no_fence_device",
			"The primary's host has no fence device that could switch it off. Two people"
			" may state that the primary is off instead.",
			"support");
	UD_TRY(ud_flow_host_answers(cx, w->source_host_id, &answers, &last));
	if (answers)
		return ud_flow_ask(fl, ret, "source_answers",
			"The primary's host answers, but has not stopped the VM. Its fence device"
			" would switch off all that runs there. Two people may state that the"
			" primary is off instead.",
			"support");
	*ret = STAY;
	w->fence_operation_id = asked_for_another(fl);
	if (w->fence_operation_id)
		return UD_OK;
	UD_TRY(ud_fencing_begin(cx, UD_FENCE_OFF_KIND, w->source_host_id, &op));
	w->fence_operation_id = op.row.id;
	return ud_step_log(cx, w, "device_asked", w->source_host_id, UD_NONE, op.row.id);
}

static const char *why_not(struct ud_ctx *cx, const struct ud_operation *op)
{
	struct ud_wire_problem words = { 0 };
	const char *text = op->error.text;

	if (!text || ud_shape_read(cx, &ud_wire_problem_shape, text, strlen(text), &words) != UD_OK)
		ud_ctx_clear(cx);
	return words.detail ? words.detail : "It was called off.";
}

/* Off is what the device said twice; anything else is not. */
static enum ud_code by_device(struct ud_ctx *cx, struct flow *fl, enum found *ret)
{
	struct ud_workflow *w = fl->w;
	struct ud_operation op = { 0 };

	*ret = NEXT;
	if (w->device_off_at.ms > 0)
		return UD_OK;
	if (!w->fence_operation_id)
		return begin_off(cx, fl, ret);
	UD_TRY(ud_row_get(cx, &ud_operations, w->fence_operation_id, &op));
	*ret = STAY;
	if (!ud_operation_ended(&op))
		return UD_OK;
	if (op.state != UD_OPERATION_SUCCEEDED) {
		w->fence_operation_id = NULL; /* tried again it begins anew */
		return ud_flow_ask(fl, ret, "fence_unconfirmed",
			ud_printf(cx->arena,
				"No fence device has confirmed that the primary is off. %s Two"
				" people may state it instead.",
				why_not(cx, &op)),
			"support");
	}
	*ret = NEXT;
	w->device_off_at = op.ended_at;
	return ud_step_log(cx, w, "device_off", w->source_host_id, UD_NONE, op.row.id);
}

static enum ud_code by_policy(struct ud_ctx *cx, struct flow *fl, enum found *ret)
{
	const struct ud_workflow *w = fl->w;
	bool leased = false;

	UD_TRY(count_statements(cx, fl));

	*ret = NEXT;
	/* under policy lease the source ends by itself; not so when it never had a lease */
	UD_TRY(ud_lease_in_force(cx, w->vm_id, w->source_host_id, &leased));
	if (w->stopped_at.ms > 0 || leased)
		return UD_OK;
	if (w->attested_at.ms > 0)
		return UD_OK;
	if (strcmp(w->fencing_policy, "stonith") == 0)
		return by_device(cx, fl, ret);
	return ud_flow_ask(fl, ret, "attestation_needed",
		"Two people must state that the primary is off, and how they know"
		" (attest-down at the ticket).",
		"customer");
}

/* Proof that the source does not run: by its own word, by people, or by time; and in each case what
 * we have granted ourselves is waited out. */
enum ud_code ud_look_evidence(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	int64_t left = 0;

	(void)ret_jump;
	UD_TRY(by_policy(cx, fl, ret));
	if (*ret != NEXT)
		return UD_OK;
	UD_TRY(ud_lease_wait(cx, fl->w->vm_id, fl->w->target_host_id, &left));
	if (left <= 0)
		return UD_OK;
	fl->w->wake_at.ms = cx->now_ms + left;
	*ret = STAY;
	return UD_OK;
}
