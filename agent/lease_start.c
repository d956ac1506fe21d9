/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starting with leave: asked for, stored, then the VM stands still until the guard holds it, then
 * it runs.
 */
#include <string.h>

#include "agent/lease_inside.h"
#include "base/env.h"
#include "base/log.h"

static enum ud_code may_start(struct ud_ctx *cx, const struct ud_journal_vm *vm)
{
	if (vm->role != UD_VM_ROLE_PRIMARY)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The VM is %s here: only a failover starts it.",
			ud_vm_roles.names[vm->role]);
	if (vm->hold)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"A failover has stopped the VM and holds it.");
	return UD_OK;
}

static enum ud_code granted(
	struct ud_ctx *cx, ud_leases *l, const struct ud_lease_round *r, const char *by)
{
	const struct ud_lease_word *w = &r->word[0];

	if (!w->vm_id)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"The VM may not run: the %s does not answer.", by);
	if (w->verdict == UD_LEASE_GRANTED)
		return UD_OK;
	const char *reason = w->reason ? w->reason : "it may not";

	if (w->verdict == UD_LEASE_SUPERSEDED)
		ud_lease_step_down(cx, l, r->vm[0].vm_id, w->epoch);
	return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM may not run: the %s says that %s.", by,
		reason);
}

/* Leave of the server, and of the peer where it counts. *ret_until: the end of the shorter one. */
static enum ud_code ask_start(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t *ret_until)
{
	struct ud_lease_round *r = ud_alloc(cx->arena, sizeof(*r));
	int64_t sent = 0, until;

	ud_lease_add_ask(r, vm, UD_LEASE_START);
	ud_lease_ask_server(cx, l, r);
	UD_TRY(granted(cx, l, r, "server"));
	until = r->sent_ms + r->word[0].seconds * 1000;
	if (vm->peer_start && !vm->fast_start) {
		r->word[0] = (struct ud_lease_word){ 0 };
		if (ud_lease_ask_peer(cx, l, r, 0, &sent) != UD_OK)
			ud_ctx_clear(cx);
		UD_TRY(granted(cx, l, r, "peer"));
		int64_t peers = sent + r->word[0].seconds * 1000;

		until = peers < until ? peers : until;
	}
	*ret_until = until;
	return UD_OK;
}

struct permit {
	const char *host_boot;
	int64_t epoch, until_ms;
	struct ud_journal_vm vm; /* as stored */
};

/* What was asked for may have changed since: the journal decides. */
static enum ud_code store_permit(
	struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	struct permit *p = data;

	if (!found || vm->epoch != p->epoch)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "The VM's epoch has changed meanwhile.");
	UD_TRY(may_start(cx, vm));
	vm->host_boot = p->host_boot;
	vm->permit_ms = p->until_ms;
	p->vm = *vm;
	return UD_OK;
}

/* It runs: the leave is used up, and so is the word that the peer was fenced. */
static enum ud_code store_started(
	struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm)
{
	const struct permit *p = data;

	if (!found || vm->epoch != p->epoch)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "The VM's epoch has changed meanwhile.");
	vm->permit_ms = UD_NONE;
	vm->fast_start = false;
	vm->wanted = true;
	vm->host_boot = p->host_boot;
	return UD_OK;
}

/* Where a crash would hurt; see ud_act_point. */
static enum ud_code point(struct ud_ctx *cx, const ud_leases *l, const char *name)
{
	if (l->s.dies && l->s.dies(l->s.dies_data, name))
		return ud_fail(cx, UD_E_OUTCOME_UNKNOWN, NULL, "died at %s", name);
	return UD_OK;
}

static enum ud_code resume_in_time(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t until_ms)
{
	ud_lease_note_until(l, vm->vm_id, until_ms);
	enum ud_code code = l->s.calls.arm(cx, l->s.calls.data, vm, until_ms);

	/* where VMs are no processes, no guard can hold them: only policy lease needs one */
	if (code == UD_E_UNSUPPORTED && vm->policy != UD_POLICY_LEASE) {
		ud_ctx_clear(cx);
		code = UD_OK;
	}
	UD_TRY(code);
	UD_TRY(point(cx, l, "guarded"));
	if (ud_mono_ms(l->env) >= until_ms)
		return ud_fail(cx, UD_E_NOT_IN_TIME, NULL,
			"The leave to start had ended before the VM was ready.");
	UD_TRY(ud_hv_resume(cx, *l->s.hv, vm->uuid));
	return point(cx, l, "running");
}

/*
 * It stands still until the guard holds it: should we be frozen from here on, it is ended before
 * anybody else is promoted. Then, under other policies than lease, the guard lets it go.
 */
static enum ud_code start_guarded(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t until_ms)
{
	if (vm->breakglass)
		return ud_hv_start(cx, *l->s.hv, vm->uuid, 0);
	UD_TRY(ud_hv_start(cx, *l->s.hv, vm->uuid, UD_START_PAUSED));
	UD_TRY(point(cx, l, "standing"));
	enum ud_code code = resume_in_time(cx, l, vm, until_ms);

	if (code == UD_OK && vm->policy != UD_POLICY_LEASE)
		code = l->s.calls.disarm(cx, l->s.calls.data, vm);
	if (code != UD_OK && code != UD_E_OUTCOME_UNKNOWN) {
		struct ud_problem why = cx->problem;

		if (ud_hv_power_off(cx, *l->s.hv, vm->uuid) != UD_OK)
			ud_log(UD_LOG_ERROR, "not_switched_off", "vm", vm->vm_id, NULL);
		cx->problem = why;
	}
	return code;
}

/* It got going, and the agent ended before it could say so: all it lacks is what comes after. */
static enum ud_code go_on(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, int64_t until_ms)
{
	if (vm->breakglass)
		return UD_OK;
	return vm->policy == UD_POLICY_LEASE ? ud_lease_put_off(cx, l, vm, until_ms)
					     : l->s.calls.disarm(cx, l->s.calls.data, vm);
}

enum ud_code ud_lease_power_of(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm, enum ud_power *ret)
{
	const char *raw = NULL;

	*ret = UD_POWER_UNKNOWN;
	return ud_hv_power(cx, *l->s.hv, vm->uuid, ret, &raw);
}

/* One at a time for each VM; false: somebody else is at it. */
bool ud_lease_begin_start(ud_leases *l, const char *vm_id)
{
	pthread_mutex_lock(&l->mutex);
	struct ud_lease_slot *s = ud_lease_slot_of(l, vm_id);
	bool ours = !s->starting;

	s->starting = true;
	pthread_mutex_unlock(&l->mutex);
	return ours;
}

void ud_lease_end_start(ud_leases *l, const char *vm_id, bool ran)
{
	pthread_mutex_lock(&l->mutex);
	struct ud_lease_slot *s = ud_lease_slot_of(l, vm_id);

	s->starting = false;
	s->ran |= ran;
	pthread_mutex_unlock(&l->mutex);
}

static enum ud_code start_permitted(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	struct permit p = { .host_boot = l->s.host_boot, .epoch = vm->epoch };
	enum ud_power power;

	UD_TRY(may_start(cx, vm));
	if (vm->breakglass) /* two people have said so, and the journal has it */
		p.until_ms = ud_mono_ms(l->env) + UD_LEASE_SECONDS * 1000;
	else
		UD_TRY(ask_start(cx, l, vm, &p.until_ms));
	UD_TRY(ud_journal_vm_change(cx, l->s.journal, vm->vm_id, store_permit, &p));
	UD_TRY(point(cx, l, "permitted"));
	UD_TRY(ud_lease_power_of(cx, l, vm, &power));
	UD_TRY(power == UD_POWER_RUNNING ? go_on(cx, l, &p.vm, p.until_ms)
					 : start_guarded(cx, l, &p.vm, p.until_ms));
	return ud_journal_vm_change(cx, l->s.journal, vm->vm_id, store_started, &p);
}

enum ud_code ud_lease_start_with_leave(
	struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	if (!ud_lease_begin_start(l, vm->vm_id))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is being started.");
	enum ud_code code = start_permitted(cx, l, vm);

	ud_lease_end_start(l, vm->vm_id, code == UD_OK);
	return code;
}

enum ud_code ud_leases_start(struct ud_ctx *cx, ud_leases *l, const char *vm_id)
{
	struct ud_journal_vm vm = { 0 };
	enum ud_power power;
	bool found = false;

	UD_TRY(ud_journal_vm_get(cx, l->s.journal, vm_id, &found, &vm));
	if (!found)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "The journal has no VM %s.", vm_id);
	UD_TRY(ud_lease_power_of(cx, l, &vm, &power));
	if (power == UD_POWER_RUNNING && vm.permit_ms == UD_NONE && !vm.fast_start)
		return may_start(cx, &vm);
	if (vm.role == UD_VM_ROLE_FREE)
		return ud_hv_start(cx, *l->s.hv, vm.uuid, 0);
	return ud_lease_start_with_leave(cx, l, &vm);
}

enum ud_code ud_leases_adopt(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	struct ud_lease_round *r = ud_alloc(cx->arena, sizeof(*r));

	ud_lease_add_ask(r, vm, UD_LEASE_KEEP);
	ud_lease_ask_server(cx, l, r);
	UD_TRY(granted(cx, l, r, "server"));
	return ud_lease_put_off(cx, l, vm, r->sent_ms + r->word[0].seconds * 1000);
}

void ud_leases_stopped(struct ud_ctx *cx, ud_leases *l, const struct ud_journal_vm *vm)
{
	if (vm->policy == UD_POLICY_LEASE)
		(void)!l->s.calls.disarm(cx, l->s.calls.data, vm);
	ud_ctx_clear(cx);
	pthread_mutex_lock(&l->mutex);
	ud_lease_slot_of(l, vm->vm_id)->ran = false;
	pthread_mutex_unlock(&l->mutex);
}
