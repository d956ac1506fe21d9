/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts and heartbeats. Observed members of a record are written here and nowhere else.
 */
#include "server/agents/inventory.h"

#include <ctype.h>
#include <string.h>

#include "base/wire_inventory.h"
#include "db/audit_seals.h"
#include "db/events.h"
#include "db/inventory.h"
#include "server/agents/agents.h"
#include "server/agents/identity.h"
#include "server/agents/routes.h"
#include "server/agents/troubles.h"

enum { DAY_MS = 24 * 3600 * 1000, NAME_MAX_LENGTH = 63 };

/* ---- a VM ---- */

static enum ud_code store_vm(
	struct ud_ctx *cx, const char *verb, const struct ud_vm *old, struct ud_vm *vm)
{
	UD_TRY(ud_row_update(cx, &ud_vms, old, vm));
	return ud_event_add(cx, verb, ud_vms.shape, old, vm);
}

/* The hypervisor's name as one of ours: other characters become dashes. */
static const char *name_of(struct ud_ctx *cx, const struct ud_machine *m)
{
	char *name = ud_strndup(cx->arena, m->name, strnlen(m->name, NAME_MAX_LENGTH));

	for (char *s = name; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("._-", *s))
			*s = '-';
	if (!isalnum((unsigned char)*name))
		return ud_printf(cx->arena, "vm-%.8s", m->uuid);
	return name;
}

static bool runs(unsigned power)
{
	return power == UD_POWER_RUNNING || power == UD_POWER_STARTING ||
		power == UD_POWER_CRITICAL;
}

/* What the host that the record names says of the VM. */
static void observe(
	struct ud_ctx *cx, struct ud_vm *vm, const char *host_id, const struct ud_machine *m)
{
	vm->power = m->power;
	vm->power_last = m->power;
	vm->power_raw = m->power_raw;
	vm->guest_agent = m->guest_agent;
	vm->holder_host_id = runs(m->power) ? host_id : NULL;
	vm->missing = false;
	vm->firmware = m->firmware;
	vm->vcpus = m->vcpus;
	vm->memory_bytes = m->memory_bytes;
	vm->disk_bytes = m->disk_bytes;
	if (m->guest_os)
		vm->guest_os = m->guest_os;
	vm->observed_at.ms = cx->now_ms;
	vm->source = "agent";
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool differs(const struct ud_vm *a, const struct ud_vm *b)
{
	return a->power != b->power || a->guest_agent != b->guest_agent ||
		a->missing != b->missing || a->firmware != b->firmware || a->vcpus != b->vcpus ||
		a->memory_bytes != b->memory_bytes || a->disk_bytes != b->disk_bytes ||
		!same_text(a->power_raw, b->power_raw) || !same_text(a->guest_os, b->guest_os) ||
		!same_text(a->host_id, b->host_id) ||
		!same_text(a->holder_host_id, b->holder_host_id);
}

static enum ud_code discover(
	struct ud_ctx *cx, const char *host_id, const struct ud_machine *m, const char **ret_id)
{
	struct ud_vm vm = { 0 };
	bool redefined;

	ud_shape_init(ud_vms.shape, &vm);
	vm.name = name_of(cx, m);
	vm.hypervisor_uuid = m->uuid;
	vm.host_id = host_id;
	vm.state = UD_VM_READY;
	observe(cx, &vm, host_id, m);
	UD_TRY(ud_row_insert(cx, &ud_vms, &vm));
	UD_TRY(ud_event_add(cx, "discovered", ud_vms.shape, NULL, &vm));
	*ret_id = vm.row.id;
	return ud_inventory_seen(cx, vm.row.id, host_id, m, &redefined);
}

/* Two that run at once outside a test: said once, and taken back when it is over. */
static enum ud_code watch_split(struct ud_ctx *cx, const char *vm_id)
{
	struct ud_vm old = { 0 };
	bool elsewhere = false;

	UD_TRY(ud_row_get(cx, &ud_vms, vm_id, &old));
	struct ud_vm vm = old;

	vm.split_brain_suspected = false;
	if (old.holder_host_id) {
		UD_TRY(ud_inventory_runs_elsewhere(cx, vm_id, old.holder_host_id, &elsewhere));
		vm.split_brain_suspected = elsewhere;
	}
	if (vm.split_brain_suspected == old.split_brain_suspected)
		return UD_OK;
	return store_vm(cx,
		vm.split_brain_suspected ? "split_brain_suspected" : "split_brain_cleared", &old,
		&vm);
}

static const char *verb_of(const struct ud_vm *old, const struct ud_vm *vm)
{
	if (!same_text(old->host_id, vm->host_id))
		return "moved";
	if (old->missing)
		return "reappeared";
	return old->power != vm->power ? "power_changed" : "observed";
}

/* The record follows the host it names; an unprotected VM that its host lost is followed to
 * whoever has it. */
static enum ud_code follow(
	struct ud_ctx *cx, const struct ud_vm *old, const char *host_id, const struct ud_machine *m)
{
	struct ud_vm vm = *old;
	bool there = false;

	if (old->host_id && strcmp(old->host_id, host_id) != 0) {
		if (old->dr_role != UD_DR_UNPROTECTED || old->epoch > 0)
			return UD_OK;
		UD_TRY(ud_inventory_on(cx, old->row.id, old->host_id, &there));
		if (there)
			return UD_OK;
	}
	vm.host_id = host_id;
	observe(cx, &vm, host_id, m);
	return differs(old, &vm) ? store_vm(cx, verb_of(old, &vm), old, &vm) : UD_OK;
}

static enum ud_code take_machine(struct ud_ctx *cx, const char *host_id, const struct ud_machine *m)
{
	struct ud_vm old = { 0 };
	bool found = false, redefined = false;
	const char *id = NULL;

	/* a test's copy is the test's, not a VM of its own */
	if (m->test_of)
		return UD_OK;
	UD_TRY(ud_inventory_vm(cx, m->uuid, &found, &old));
	if (!found)
		return discover(cx, host_id, m, &id);
	UD_TRY(ud_inventory_seen(cx, old.row.id, host_id, m, &redefined));
	if (redefined)
		UD_TRY(ud_event_add(cx, "redefined", ud_vms.shape, NULL, &old));
	/* the agent takes it off as soon as it sees it */
	if (m->autostart && old.dr_role != UD_DR_UNPROTECTED)
		UD_TRY(ud_event_add_plain(cx, "vm.autostart_found", old.row.customer_id, "vm",
			old.row.id, ud_printf(cx->arena, "{\"host_id\":\"%s\"}", host_id)));
	UD_TRY(follow(cx, &old, host_id, m));
	return watch_split(cx, old.row.id);
}

static enum ud_code lose_vm(struct ud_ctx *cx, const char *host_id, const char *vm_id)
{
	struct ud_vm old = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, vm_id, &old));
	if (old.host_id && strcmp(old.host_id, host_id) == 0 && !old.missing) {
		struct ud_vm vm = old;

		vm.missing = true;
		vm.power = UD_POWER_UNKNOWN;
		vm.power_raw = NULL;
		vm.holder_host_id = NULL;
		vm.observed_at.ms = cx->now_ms;
		UD_TRY(store_vm(cx, "disappeared", &old, &vm));
	}
	return watch_split(cx, vm_id);
}

/* ---- the host ---- */

static enum ud_code move_host(struct ud_ctx *cx, const struct ud_host *old, unsigned state)
{
	struct ud_host h = *old;

	h.state = state;
	h.state_before = old->state == UD_HOST_MAINTENANCE ? "maintenance" : NULL;
	UD_TRY(ud_row_update(cx, &ud_hosts, old, &h));
	return ud_event_add(cx, ud_host_states.names[state], ud_hosts.shape, old, &h);
}

/* Who tells is there. A host in quarantine or fenced stays so: a person or a proof put it there. */
static enum ud_code greet(struct ud_ctx *cx, const char *host_id)
{
	struct ud_host h = { 0 };

	UD_TRY(ud_inventory_heartbeat(cx, host_id, cx->now_ms));
	UD_TRY(ud_row_get(cx, &ud_hosts, host_id, &h));
	if (h.state == UD_HOST_UNREACHABLE)
		return move_host(cx, &h, h.state_before ? UD_HOST_MAINTENANCE : UD_HOST_ACTIVE);
	if (h.state == UD_HOST_DISCOVERED || h.state == UD_HOST_ENROLLED)
		return move_host(cx, &h, UD_HOST_ACTIVE);
	return UD_OK;
}

/* What a host tells of itself, compared with what it told before. */
static enum ud_code take_host(
	struct ud_ctx *cx, const char *host_id, const char *text, const struct ud_host_facts *now)
{
	struct ud_host_facts before = { 0 };
	struct ud_host h = { 0 };
	const char *old = NULL;
	int64_t observed_at;

	UD_TRY(ud_inventory_host_facts(cx, host_id, &old, &observed_at));
	if (old && strcmp(old, text) == 0)
		return ud_inventory_host(cx, host_id, text);
	/* what another release kept is compared with nothing */
	if (old && ud_shape_read(cx, &ud_host_facts_shape, old, strlen(old), &before) != UD_OK) {
		ud_ctx_clear(cx);
		old = NULL;
	}
	UD_TRY(ud_row_get(cx, &ud_hosts, host_id, &h));
	UD_TRY(ud_troubles_follow(cx, &h, old ? &before : NULL, now));
	return ud_inventory_host(cx, host_id, text);
}

static enum ud_code take_facts(struct ud_ctx *cx, const char *host_id,
	const struct ud_wire_facts *in, const struct ud_host_facts *host)
{
	struct ud_machine *machines = NULL;
	struct ud_texts gone = { 0 };
	size_t n = 0;

	UD_TRY(ud_shape_read_list(cx, &ud_machine_shape, in->machines.text, UD_FACTS_MACHINES,
		(void **)&machines, &n));
	if (in->host.text)
		UD_TRY(take_host(cx, host_id, in->host.text, host));
	for (size_t i = 0; i < n; i++)
		UD_TRY(take_machine(cx, host_id, &machines[i]));
	if (!in->complete)
		return UD_OK;
	UD_TRY(ud_inventory_gone(cx, host_id, &in->present, &gone));
	for (size_t i = 0; i < gone.count; i++)
		UD_TRY(lose_vm(cx, host_id, gone.items[i]));
	return greet(cx, host_id);
}

static enum ud_code facts(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_wire_facts *in = rq->in;
	struct ud_host_facts host = { 0 };

	if (in->host.text)
		UD_TRY(ud_shape_read(
			cx, &ud_host_facts_shape, in->host.text, strlen(in->host.text), &host));
	UD_TRY(take_facts(cx, rq->agent->host_id, in, &host));
	return ud_answer_none(cx, rq);
}

static enum ud_code add_seal(struct ud_ctx *cx, void *data, const struct ud_seal_row *row)
{
	const struct ud_wire_seal seal = { row->document };
	struct ud_buf *b = data;

	(void)cx;
	ud_buf_putc(b, b->len ? ',' : '[');
	ud_shape_encode(b, &ud_wire_seal_shape, &seal, NULL);
	return UD_OK;
}

/* Is the seal that the host keeps one of ours? That of a time before a restored copy may be
 * another; then the host gets those since, after *after. */
static enum ud_code find_seal(struct ud_ctx *cx, const struct ud_wire_heartbeat *in,
	const struct ud_seal_row *last, int64_t *after, bool *ret_fits)
{
	struct ud_seal_row row = { 0 };
	bool found = false;

	*after = in->seal_number;
	*ret_fits = true;
	if (in->seal_number <= 0 || !in->seal_digest)
		return UD_OK;
	UD_TRY(ud_audit_seal_get(cx, in->seal_number, &found, &row));
	if (found && strcmp(row.digest, in->seal_digest) == 0)
		return UD_OK;
	*ret_fits = last->generation > in->seal_generation;
	return *ret_fits ? ud_audit_seal_before(cx, in->seal_generation + 1, after) : UD_OK;
}

/* The seals after the one that the host keeps; one that does not fit ours is told of. */
static enum ud_code next_seals(struct ud_ctx *cx, const struct ud_request *rq,
	const struct ud_wire_heartbeat *in, struct ud_json *ret)
{
	struct ud_agents *agents = rq->server->settings.agents;
	struct ud_seal_row last = { 0 };
	struct ud_buf b = { 0 };
	bool any = false, fits = true;
	int64_t after = 0;

	UD_TRY(ud_audit_seal_last(cx, &any, &last));
	UD_TRY(find_seal(cx, in, &last, &after, &fits));
	if (!fits)
		ud_agents_doubt(agents, rq->agent->host_id, in->seal_number, in->seal_digest);
	else if (in->seal_refused)
		ud_agents_doubt(agents, rq->agent->host_id, in->seal_number, in->seal_refused);
	if (!fits || last.number <= after)
		return UD_OK;
	enum ud_code code = ud_audit_seal_list(cx, after, UD_HEARD_SEALS, add_seal, &b);

	ud_buf_puts(&b, b.len ? "]" : "[]");
	ret->text = ud_buf_take(cx->arena, &b);
	return code;
}

/* Cheap: it is kept in memory and stored with others'. */
static enum ud_code heartbeat(struct ud_ctx *cx, struct ud_request *rq)
{
	const struct ud_wire_heartbeat *in = rq->in;
	struct ud_wire_heard out = { 0 };
	struct ud_sample *samples = NULL;
	struct ud_host h = { 0 };
	size_t n = 0;

	UD_TRY(ud_shape_read_list(cx, &ud_sample_shape, in->samples.text, UD_HOST_MACHINES + 1,
		(void **)&samples, &n));
	UD_TRY(ud_row_get(cx, &ud_hosts, rq->agent->host_id, &h));
	/* until then what it said before counts for nothing */
	out.tell_all = h.state == UD_HOST_UNREACHABLE || h.state == UD_HOST_ENROLLED ||
		h.state == UD_HOST_DISCOVERED;
	if (!out.tell_all)
		ud_agents_heartbeat(
			rq->server->settings.agents, rq->agent->host_id, cx->now_ms, samples, n);
	UD_TRY(next_seals(cx, rq, in, &out.seals));
	return ud_answer(cx, rq, &ud_wire_heard_shape, &out);
}

/* ---- time ---- */

enum ud_code ud_hosts_silent(struct ud_ctx *cx, bool *ret)
{
	struct ud_texts hosts = { 0 };

	UD_TRY(ud_inventory_silent(cx, cx->now_ms - UD_SILENT_MS, &hosts));
	*ret = hosts.count > 0;
	return UD_OK;
}

/* What was seen last stays beside it; it is not shown as if it were so now. */
static enum ud_code forget_power(struct ud_ctx *cx, const char *vm_id)
{
	struct ud_vm old = { 0 };

	UD_TRY(ud_row_get(cx, &ud_vms, vm_id, &old));
	if (old.power == UD_POWER_UNKNOWN)
		return UD_OK;
	struct ud_vm vm = old;

	vm.power = UD_POWER_UNKNOWN;
	return store_vm(cx, "power_changed", &old, &vm);
}

enum ud_code ud_hosts_mark_silent(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct ud_texts hosts = { 0 };

	(void)c;
	UD_TRY(ud_inventory_silent(cx, cx->now_ms - UD_SILENT_MS, &hosts));
	for (size_t i = 0; i < hosts.count; i++) {
		struct ud_texts vms = { 0 };
		struct ud_host h = { 0 };

		UD_TRY(ud_row_get(cx, &ud_hosts, hosts.items[i], &h));
		UD_TRY(move_host(cx, &h, UD_HOST_UNREACHABLE));
		UD_TRY(ud_inventory_vms_of(cx, h.row.id, &vms));
		for (size_t k = 0; k < vms.count; k++)
			UD_TRY(forget_power(cx, vms.items[k]));
	}
	return UD_OK;
}

enum ud_code ud_samples_old(struct ud_ctx *cx, bool *ret)
{
	return ud_inventory_old(cx, cx->now_ms - DAY_MS, ret);
}

enum ud_code ud_samples_forget(struct ud_ctx *cx, const struct ud_commanding *c)
{
	(void)c;
	return ud_inventory_forget(cx, cx->now_ms - DAY_MS);
}

/* clang-format off */
static const struct ud_route rows[] = {
	{ "POST", "/v1/agent/facts",     "agent.facts",     UD_R(AGENT), "agent:write", UD_WRITE, &ud_wire_facts_shape, .status = 204, .handle = facts, .about = "Take what an agent sees of its host and VMs." },
	{ "POST", "/v1/agent/heartbeat", "agent.heartbeat", UD_R(AGENT), "agent:read",  0, &ud_wire_heartbeat_shape, &ud_wire_heard_shape, .handle = heartbeat, .about = "Take a sign of life with figures." },
};
/* clang-format on */
const struct ud_routes ud_agent_inventory = { "Inventory", rows, UD_LEN(rows) };
