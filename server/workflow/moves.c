/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps that write when they look: the commit of the epoch, orders that stand, and the relation
 * turned round. Each looks first whether it was done.
 */
#include <string.h>

#include "base/failover.h"
#include "base/replication.h"
#include "db/events.h"
#include "db/leases.h"
#include "db/replications.h"
#include "server/agents/ca.h"
#include "server/replication/owner.h"
#include "server/replication/relations.h"
#include "server/workflow/steps.h"

/* ---- the epoch ---- */

/* The VM belongs to this host from now on. A conflict is the step's failure, not the call's. */
static enum ud_code move_epoch(
	struct ud_ctx *cx, struct flow *fl, int64_t expected, const char *host_id, enum found *ret)
{
	struct ud_workflow *w = fl->w;
	enum ud_code code = ud_epoch_commit(cx, w->vm_id, expected, host_id, &w->epoch);

	*ret = NEXT;
	if (code == UD_E_CONFLICT) {
		ud_ctx_clear(cx);
		ud_flow_reason(fl, "epoch_moved",
			"The VM's epoch is not what this run began with: somebody else has moved it.",
			"support");
		*ret = FAIL;
		return UD_OK;
	}
	UD_TRY(code);
	w->committed_at.ms = cx->now_ms;
	UD_TRY(ud_lease_gate_set(cx, w->vm_id, UD_GATE_OPEN));
	return ud_event_add_plain(cx, "vm.epoch_committed", w->row.customer_id, "vm", w->vm_id,
		ud_printf(cx->arena, "{\"epoch\":%lld,\"host_id\":\"%s\",\"failover_id\":\"%s\"}",
			(long long)w->epoch, host_id, fl->f.row.id));
}

enum ud_code ud_look_commit_epoch(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	(void)ret_jump;
	return move_epoch(cx, fl, fl->w->source_epoch, fl->w->target_host_id, ret);
}

/* The same host once more, from another point. */
enum ud_code ud_look_commit_again(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	(void)ret_jump;
	return move_epoch(cx, fl, fl->w->epoch, fl->w->target_host_id, ret);
}

/* Forward to the former source: its replica was reverted, so nobody runs. */
enum ud_code ud_look_hand_back(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_workflow *w = fl->w;
	bool delivered = false;

	(void)ret_jump;
	if (w->demote_seq != UD_NONE && w->demoted_at.ms <= 0) {
		UD_TRY(ud_command_supersede(cx, w->vm_id, w->demote_seq, &delivered));
		w->demote_seq = UD_NONE;
	}
	return move_epoch(cx, fl, w->epoch, w->source_host_id, ret);
}

/* ---- the old primary ---- */

enum { DEMOTE_SECONDS = 300 };

/* An order that stands: it is fetched whenever the old primary's host comes back. */
static enum ud_code send_demote(struct ud_ctx *cx, struct flow *fl)
{
	struct ud_workflow *w = fl->w;
	const struct ud_command_new in = { .host_id = w->source_host_id,
		.vm_id = w->vm_id,
		.verb = UD_VERB_DEMOTE,
		.args = "{\"keep_disk\":true}",
		.ticket_id = fl->f.ticket_id,
		.plan_hash = fl->f.plan_hash,
		.timeout_seconds = DEMOTE_SECONDS,
		.wait_seconds = UD_STANDING_SECONDS };

	UD_TRY(ud_command_send(cx, fl->commanding, &in, &w->demote_seq));
	fl->step.host_id = w->source_host_id;
	fl->step.seq = w->demote_seq;
	fl->step.attempts++;
	UD_TRY(ud_step_put(cx, w, &fl->step));
	return ud_step_log(cx, w, "commanded", w->source_host_id, w->demote_seq, UD_VERB_DEMOTE);
}

enum ud_code ud_look_demote(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_workflow *w = fl->w;

	(void)ret_jump;
	if (w->demote_seq == UD_NONE)
		UD_TRY(send_demote(cx, fl));
	*ret = w->kind == UD_FAILOVER_UNPLANNED || w->demoted_at.ms > 0 ? NEXT : STAY;
	return UD_OK;
}

/* An order that the host could not carry out is given again. */
static enum ud_code order_again(struct ud_ctx *cx, struct flow *fl)
{
	if (fl->w->demoted_at.ms > 0 || fl->w->demote_seq != UD_NONE)
		return UD_OK;
	return send_demote(cx, fl);
}

enum ud_code ud_look_source_return(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	(void)ret_jump;
	UD_TRY(order_again(cx, fl));
	*ret = fl->w->demoted_at.ms > 0 ? NEXT : STAY;
	return UD_OK;
}

/* ---- the relation ---- */

/* Do both ends work with the relation as it is now? */
static enum ud_code both_know(
	struct ud_ctx *cx, const struct ud_replication *r, bool *ret, int64_t *ret_cycles)
{
	struct ud_replication_ends ends = { 0 };

	UD_TRY(ud_replication_ends(cx, r, &ends));
	*ret = ends.source.known && ends.target.known &&
		ends.source.told.generation == r->generation &&
		ends.target.told.generation == r->generation;
	*ret_cycles = ends.source.known && ends.source.told.cycles_total != UD_NONE
		? ends.source.told.cycles_total
		: 0;
	return UD_OK;
}

/* With "reverse" the way back is the one onward relation: the third copy stands still until
 * somebody resumes it, and then hashes are compared once. With "keep" it goes on from the new
 * primary. */
static enum ud_code stop_third(
	struct ud_ctx *cx, struct flow *fl, const struct ud_replication *first)
{
	struct ud_replication old = { 0 }, r;
	bool found = false;

	if (fl->f.chain != UD_CHAIN_REVERSE || first->leg != UD_LEG_PRIMARY)
		return UD_OK;
	UD_TRY(ud_replication_of_vm(cx, fl->w->vm_id, UD_LEG_EXTENDED, &found, &old));
	if (!found || old.wanted != UD_RELATION_ACTIVE)
		return UD_OK;
	r = old;
	r.wanted = UD_RELATION_PAUSED;
	r.generation++;
	UD_TRY(ud_row_update(cx, &ud_replications, &old, &r));
	UD_TRY(ud_event_add(cx, "paused", ud_replications.shape, &old, &r));
	return ud_relation_send_both(cx, fl->commanding, &r);
}

/* Turn the relation round, once, and see whether both ends have taken it. */
static enum ud_code turn_round(struct ud_ctx *cx, struct flow *fl, bool again, enum found *ret)
{
	struct ud_workflow *w = fl->w;
	struct ud_replication r = { 0 };
	bool found = false, know = false, turned;
	int64_t cycles;

	*ret = STAY;
	UD_TRY(ud_replication_find(cx, w->replication_id, &found, &r));
	if (!found || r.wanted == UD_RELATION_REMOVED) {
		ud_flow_reason(fl, "replication_removed",
			"The replication was removed; protect the VM anew.", "support");
		*ret = FAIL;
		return UD_OK;
	}
	turned = strcmp(r.source_host_id, w->target_host_id) == 0;
	if (!turned) {
		UD_TRY(stop_third(cx, fl, &r));
		UD_TRY(ud_replication_reverse(cx, fl->commanding, &r));
	}
	if (turned && again)
		UD_TRY(ud_relation_send_both(cx, fl->commanding, &r));
	w->reverse_pending = true;
	UD_TRY(both_know(cx, &r, &know, &cycles));
	if (!know)
		return UD_OK;
	w->reverse_pending = false;
	w->reversed_at.ms = cx->now_ms;
	*ret = NEXT;
	return UD_OK;
}

enum ud_code ud_look_reverse(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	(void)ret_jump;
	return turn_round(cx, fl, false, ret);
}

/* What was left undone is asked for again each time a try begins. */
enum ud_code ud_look_reprotect(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	(void)ret_jump;
	UD_TRY(order_again(cx, fl));
	if (fl->w->reversed_at.ms <= 0)
		return turn_round(cx, fl, fl->w->deadline_at.ms <= 0, ret);
	*ret = NEXT;
	return UD_OK;
}

enum { CYCLES = 2 };

enum ud_code ud_look_protected(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_replication r = { 0 };
	bool found = false, know = false;
	int64_t cycles = 0;

	(void)ret_jump;
	*ret = STAY;
	UD_TRY(order_again(cx, fl));
	UD_TRY(ud_replication_find(cx, fl->w->replication_id, &found, &r));
	if (!found)
		return UD_OK;
	UD_TRY(both_know(cx, &r, &know, &cycles));
	if (know && r.state == UD_REPLICATION_REPLICATING && cycles >= CYCLES &&
		fl->w->demoted_at.ms > 0)
		*ret = NEXT;
	return UD_OK;
}

/* After a roll-back the relation goes on as it was, under the new epoch. */
enum ud_code ud_look_relate(
	struct ud_ctx *cx, struct flow *fl, enum found *ret, const char **ret_jump)
{
	struct ud_replication old = { 0 }, r;
	bool found = false;

	(void)ret_jump;
	*ret = NEXT;
	UD_TRY(ud_replication_find(cx, fl->w->replication_id, &found, &old));
	if (!found || old.wanted == UD_RELATION_REMOVED)
		return UD_OK;
	r = old;
	r.generation++;
	UD_TRY(ud_row_update(cx, &ud_replications, &old, &r));
	return ud_relation_send_both(cx, fl->commanding, &r);
}
