/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One row per VM and holder. A row carries the name of the clock it was granted by; whoever counts
 * by another clock takes the row over as if it had been granted the moment he first saw it.
 */
#include "db/leases.h"

#include <string.h>

#include "base/env.h"
#include "db/conflicts.h"

static const char *const gate_names[] = { "open", "keep", "shut", "recovering", "conflict" };
const struct ud_enum ud_lease_gates = { "lease_gate", gate_names, UD_LEN(gate_names) };

enum ud_code ud_lease_gate_set(struct ud_ctx *cx, const char *vm_id, enum ud_lease_gate gate)
{
	int64_t changes = 0;

	/* every tenant: the caller has read the VM with its scope */
	UD_TRY(ud_exec(cx, &changes, "UPDATE vms SET lease_gate = $2 WHERE id = $1",
		UD_VALS(ud_t(vm_id), ud_t(gate_names[gate]))));
	return changes == 1 ? UD_OK : ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no such VM.");
}

/* What decides about a grant. */
struct standing {
	bool found;
	int64_t epoch;
	const char *owner; /* host; NULL = none */
	unsigned gate;
	bool leased;      /* fencing policy lease */
	bool break_glass; /* allowed: a start needs the peer's leave */
};

static enum ud_code read_standing(struct ud_ctx *cx, const char *vm_id, struct standing *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;

	*ret = (struct standing){ 0 };
	/* every tenant: a host runs VMs of several */
	UD_TRY(ud_query(cx, &rows,
		"SELECT epoch, host_id, lease_gate, fencing_policy, break_glass FROM vms WHERE id = $1",
		UD_VALS(ud_t(vm_id))));
	UD_TRY(ud_next(cx, rows, &ret->found));
	if (!ret->found)
		return UD_OK;
	int gate = ud_enum_index(&ud_lease_gates, ud_col_text(rows, 2));

	ret->epoch = ud_col_int(rows, 0);
	ret->owner = ud_col_dup(cx, rows, 1);
	ret->leased = strcmp(ud_col_text(rows, 3), "lease") == 0;
	ret->break_glass = ud_col_int(rows, 4) != 0;
	ret->gate = gate < 0 ? UD_GATE_CONFLICT : (unsigned)gate;
	return UD_OK;
}

enum ud_code ud_lease_gate_get(struct ud_ctx *cx, const char *vm_id, enum ud_lease_gate *ret)
{
	struct standing s;

	UD_TRY(read_standing(cx, vm_id, &s));
	if (!s.found)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no such VM.");
	*ret = s.gate;
	return UD_OK;
}

enum ud_code ud_vm_break_glass(struct ud_ctx *cx, const char *vm_id, bool *ret)
{
	struct standing s;

	UD_TRY(read_standing(cx, vm_id, &s));
	*ret = s.break_glass;
	return UD_OK;
}

enum ud_code ud_vm_break_glass_set(struct ud_ctx *cx, const char *vm_id, bool on)
{
	/* every tenant: the caller has read the VM with its scope */
	return ud_exec(cx, NULL, "UPDATE vms SET break_glass = $2 WHERE id = $1",
		UD_VALS(ud_t(vm_id), ud_i(on)));
}

/* NULL when it may be granted. */
static const char *refusal(const struct standing *s, const char *host_id, bool may_start,
	const struct ud_lease_ask *ask)
{
	static const char *const reasons[] = {
		[UD_GATE_OPEN] = NULL,
		[UD_GATE_KEEP] = "a failover is stopping it",
		[UD_GATE_SHUT] = "a failover is taking it over",
		[UD_GATE_RECOVERING] = "the server was restored and has not heard all of its hosts",
		[UD_GATE_CONFLICT] = "two hosts claim it",
	};

	if (!s->owner || strcmp(s->owner, host_id) != 0)
		return "another host owns it";
	if (ask->epoch != s->epoch)
		return "its epoch is not the server's";
	if (ask->purpose == UD_LEASE_START && !may_start)
		return "the host's agent is quarantined";
	if (ask->purpose == UD_LEASE_START && s->break_glass && !ask->peer_start)
		return "the host has not heard yet that break-glass is allowed";
	if (s->gate == UD_GATE_KEEP && ask->purpose == UD_LEASE_KEEP)
		return NULL;
	return reasons[s->gate];
}

/* The next epoch is adopted; any other one is people's to decide about. */
enum ud_code ud_lease_reconcile(struct ud_ctx *cx, const char *host_id,
	const struct ud_lease_ask *ask, const char **ret_event)
{
	struct standing s;
	bool settled = false;

	*ret_event = NULL;
	UD_TRY(read_standing(cx, ask->vm_id, &s));
	if (!s.found || !ask->breakglass || s.gate == UD_GATE_RECOVERING)
		return UD_OK;
	if (ask->epoch == s.epoch && s.owner && strcmp(s.owner, host_id) == 0)
		return UD_OK; /* adopted before; the host has not heard it */
	if (s.gate == UD_GATE_CONFLICT)
		return ud_epoch_claim(cx, ask->vm_id, host_id, ask->epoch);
	UD_TRY(ud_epoch_claim_settled(cx, ask->vm_id, host_id, ask->epoch, &settled));
	if (settled)
		return UD_OK;
	bool adopt = s.break_glass && ask->epoch == s.epoch + 1;

	*ret_event = adopt ? "vm.breakglass_adopted" : "vm.epoch_conflict";
	if (!adopt) {
		UD_TRY(ud_epoch_claim(cx, ask->vm_id, host_id, ask->epoch));
		return ud_lease_gate_set(cx, ask->vm_id, UD_GATE_CONFLICT);
	}
	/* every tenant: a host runs VMs of several */
	return ud_exec(cx, NULL,
		"UPDATE vms SET epoch = $2, host_id = $3, lease_gate = 'open',"
		" version = version + 1, updated_at = $4 WHERE id = $1",
		UD_VALS(ud_t(ask->vm_id), ud_i(ask->epoch), ud_t(host_id), ud_i(cx->now_ms)));
}

static const char *clock_name(struct ud_ctx *cx)
{
	char *name = ud_alloc(cx->arena, UD_CLOCK_NAME);

	ud_mono_name(cx->env, name);
	return name;
}

/* The length of leases may have been set lower since: what was granted before is waited for. */
static enum ud_code store(struct ud_ctx *cx, const char *host_id, const struct ud_lease_ask *ask,
	int64_t lease_seconds)
{
	/* what nobody ends with its lease is waited out, and proves nothing (ud_lease_in_force) */
	unsigned purpose = ask->guarded ? ask->purpose : UD_LEASE_START;

	/* every tenant: a host runs VMs of several */
	return ud_exec(cx, NULL,
		"INSERT INTO leases(vm_id, host_id, epoch, purpose, clock, granted_ms, lease_seconds)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (vm_id, host_id) DO UPDATE SET"
		" epoch = $3, purpose = $4, clock = $5, granted_ms = $6, lease_seconds ="
		" CASE WHEN leases.clock <> $5 AND leases.lease_seconds > $7 THEN leases.lease_seconds"
		" WHEN leases.clock = $5 AND leases.granted_ms + leases.lease_seconds * 1000 > $6 + $7 * 1000"
		" THEN (leases.granted_ms + leases.lease_seconds * 1000 - $6 + 999) / 1000 ELSE $7 END",
		UD_VALS(ud_t(ask->vm_id), ud_t(host_id), ud_i(ask->epoch),
			ud_t(ud_lease_purposes.names[purpose]), ud_t(clock_name(cx)),
			ud_i(ud_mono_ms(cx->env)), ud_i(lease_seconds)));
}

enum ud_code ud_lease_grant(struct ud_ctx *cx, const char *host_id, bool may_start,
	int64_t lease_seconds, const struct ud_lease_ask *ask, struct ud_lease_word *ret)
{
	struct standing s;

	UD_TRY(read_standing(cx, ask->vm_id, &s));
	*ret = (struct ud_lease_word){
		.vm_id = ask->vm_id, .verdict = UD_LEASE_REFUSED, .epoch = s.epoch
	};
	if (!s.found) {
		ret->reason = "the server does not know it";
		return UD_OK;
	}
	/* its owner is told the newer epoch by a promotion, which is on its way */
	bool owns = s.owner && strcmp(s.owner, host_id) == 0;

	if (s.epoch > ask->epoch && s.gate < UD_GATE_RECOVERING && !owns) {
		ret->verdict = UD_LEASE_SUPERSEDED;
		ret->reason = "a newer epoch exists";
		return UD_OK;
	}
	ret->reason = refusal(&s, host_id, may_start, ask);
	if (ret->reason)
		return UD_OK;
	ret->verdict = UD_LEASE_GRANTED;
	ret->seconds = lease_seconds;
	/* without policy lease nobody stops at the end of one: there is nothing to wait for */
	if (!s.leased && ask->purpose == UD_LEASE_KEEP)
		return UD_OK;
	return store(cx, host_id, ask, lease_seconds);
}

enum ud_code ud_lease_in_force(struct ud_ctx *cx, const char *vm_id, const char *host_id, bool *ret)
{
	int64_t one;

	/* every tenant: the caller has read the VM with its scope */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM leases JOIN vms ON vms.id = leases.vm_id WHERE leases.vm_id = $1"
		" AND leases.host_id = $2 AND leases.epoch = vms.epoch AND leases.purpose = 'keep'"
		" AND vms.fencing_policy = 'lease'",
		UD_VALS(ud_t(vm_id), ud_t(host_id)));
}

enum ud_code ud_lease_policy_set(struct ud_ctx *cx, const char *vm_id, const char *policy)
{
	/* every tenant: the caller has read the VM with its scope */
	UD_TRY(ud_exec(cx, NULL, "UPDATE leases SET purpose = 'start' WHERE vm_id = $1",
		UD_VALS(ud_t(vm_id))));
	/* every tenant: the caller has read the VM with its scope */
	return ud_exec(cx, NULL,
		"UPDATE vms SET fencing_policy = $2, version = version + 1, updated_at = $3 WHERE id = $1",
		UD_VALS(ud_t(vm_id), ud_t(policy), ud_i(cx->now_ms)));
}

/* ---- waiting ---- */

/* Grants by another clock count from now on by ours. */
static enum ud_code take_over(
	struct ud_ctx *cx, const char *vm_id, const char *clock, int64_t now_ms)
{
	/* every tenant: the caller has read the VM with its scope */
	return ud_exec(cx, NULL,
		"UPDATE leases SET clock = $2, granted_ms = $3 WHERE vm_id = $1 AND clock <> $2",
		UD_VALS(ud_t(vm_id), ud_t(clock), ud_i(now_ms)));
}

enum ud_code ud_lease_wait(
	struct ud_ctx *cx, const char *vm_id, const char *but_host_id, int64_t *ret_ms)
{
	UD_AUTO(ud_rows) *rows = NULL;
	int64_t now = ud_mono_ms(cx->env), wait = 0;
	bool more = false;

	UD_TRY(take_over(cx, vm_id, clock_name(cx), now));
	/* every tenant: the caller has read the VM with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT granted_ms, lease_seconds FROM leases WHERE vm_id = $1 AND host_id <> $2 LIMIT 100",
		UD_VALS(ud_t(vm_id), ud_t(but_host_id ? but_host_id : ""))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		int64_t seconds = ud_col_int(rows, 1);
		int64_t left =
			ud_col_int(rows, 0) + seconds * 1000 + ud_lease_margin_ms(seconds) - now;

		wait = left > wait ? left : wait;
		UD_TRY(ud_next(cx, rows, &more));
	}
	*ret_ms = wait;
	return UD_OK;
}
