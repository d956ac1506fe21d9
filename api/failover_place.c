/* SPDX-License-Identifier: Apache-2.0 */
/*
 * By what agents told last: facts of the host, of the VMs that run on it, and of those at its site.
 */
#include "api/failover_place.h"

#include <string.h>
#include <strings.h>

#include "base/failover.h"
#include "base/machine.h"
#include "db/inventory.h"
#include "db/network_maps.h"

/* One part of so many of a host's memory is its own. */
enum { OWN_PART = 16, MIB = 1 << 20 };

struct place {
	const struct ud_failover *f;
	const struct ud_plan_vm *vms;
	size_t n;
	ud_blocker_taker *take;
	void *data;
};

static void tell(const struct place *p, const char *vm_id, const char *code, const char *text,
	const char *fix)
{
	const struct ud_blocker b = { .code = code,
		.text = text,
		.fix = fix,
		.subject = vm_id,
		.warning = p->f->kind == UD_FAILOVER_UNPLANNED };

	p->take(p->data, &b);
}

static bool is_of_run(const struct place *p, const char *vm_id)
{
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->vms[i].vm_id, vm_id) == 0)
			return true;
	return false;
}

/* What cannot be read is not known. */
static bool read_facts(struct ud_ctx *cx, const struct ud_shape *shape, const char *text, void *ret)
{
	if (!text)
		return false;
	if (ud_shape_read(cx, shape, text, strlen(text), ret) == UD_OK)
		return true;
	ud_ctx_clear(cx);
	return false;
}

static int64_t memory_of(struct ud_ctx *cx, const char *facts)
{
	struct ud_machine m = { 0 };

	return read_facts(cx, &ud_machine_shape, facts, &m) && m.memory_bytes > 0 ? m.memory_bytes
										  : 0;
}

/* ---- memory ---- */

/* What is left for VMs; UD_NONE = not known. */
static enum ud_code find_left(
	struct ud_ctx *cx, const struct place *p, const char *host_id, int64_t *ret)
{
	struct ud_host_facts host = { 0 };
	struct ud_seen_vm *running = NULL;
	const char *facts = NULL;
	size_t n = 0;
	int64_t at;

	*ret = UD_NONE;
	UD_TRY(ud_inventory_host_facts(cx, host_id, &facts, &at));
	if (!read_facts(cx, &ud_host_facts_shape, facts, &host) || host.memory_bytes <= 0)
		return UD_OK;
	*ret = host.memory_bytes - host.memory_bytes / OWN_PART;
	UD_TRY(ud_inventory_running(cx, host_id, &running, &n));
	for (size_t i = 0; i < n; i++)
		if (!is_of_run(p, running[i].vm_id))
			*ret -= memory_of(cx, running[i].facts);
	return UD_OK;
}

/* What the run's VMs that come up on this host have. */
static enum ud_code find_needed(
	struct ud_ctx *cx, const struct place *p, const char *host_id, int64_t *ret)
{
	*ret = 0;
	for (size_t i = 0; i < p->n; i++) {
		const struct ud_plan_vm *vm = &p->vms[i];
		const char *facts = NULL;
		int64_t at;

		if (!vm->target_host_id || strcmp(vm->target_host_id, host_id) != 0)
			continue;
		UD_TRY(ud_inventory_vm_facts(cx, vm->vm_id, vm->source_host_id, &facts, &at));
		*ret += memory_of(cx, facts);
	}
	if (p->f->kind == UD_FAILOVER_TEST)
		*ret *= 2;
	return UD_OK;
}

static enum ud_code check_host(
	struct ud_ctx *cx, const struct place *p, const struct ud_plan_vm *vm)
{
	int64_t left, needed = 0;

	UD_TRY(find_left(cx, p, vm->target_host_id, &left));
	if (left == UD_NONE)
		return UD_OK;
	UD_TRY(find_needed(cx, p, vm->target_host_id, &needed));
	if (needed <= left)
		return UD_OK;
	tell(p, vm->vm_id, "target_memory_short",
		ud_printf(cx->arena,
			"The replica's host is %lld MiB of memory short: %lld MiB are needed%s,"
			" %lld MiB are left beside what runs there.",
			(long long)((needed - left + MIB - 1) / MIB), (long long)(needed / MIB),
			p->f->kind == UD_FAILOVER_TEST ? " for the test and, beside it, the real"
							 " failover"
						       : "",
			(long long)(left > 0 ? left / MIB : 0)),
		"Switch VMs off there, add memory to that host, or replicate to another one.");
	return UD_OK;
}

/* Each host once, at the first VM that comes up there. */
static enum ud_code check_memory(struct ud_ctx *cx, const struct place *p)
{
	for (size_t i = 0; i < p->n; i++) {
		bool seen = !p->vms[i].target_host_id;

		for (size_t k = 0; k < i && !seen; k++)
			seen = p->vms[k].target_host_id &&
				strcmp(p->vms[k].target_host_id, p->vms[i].target_host_id) == 0;
		if (!seen)
			UD_TRY(check_host(cx, p, &p->vms[i]));
	}
	return UD_OK;
}

/* ---- addresses ---- */

/* A card and the switch that it is connected to. */
struct connected {
	const char *mac, *network;
};
static const struct ud_field connected_fields[] = {
	UD_FIELD(connected, mac, .max = 64),
	UD_FIELD(connected, network, .max = 255),
};
static const struct ud_shape connected_shape = { UD_SHAPE(connected, connected_fields),
	.bare = true };

/* The cards of a VM as they are to be. */
struct cards {
	const struct ud_plan_vm *vm;
	struct ud_card_addresses *addresses;
	struct connected *connected;
	size_t n, connected_n;
};

static bool is_address(const char *told, const char *address)
{
	size_t n = strcspn(address, "/");

	return strncasecmp(told, address, n) == 0 && (!told[n] || told[n] == '/');
}

/* Has one of these cards the address, in the network of that switch? */
static bool has_address(
	struct ud_ctx *cx, const char *facts, const char *network, const char *address)
{
	struct ud_machine m = { 0 };
	struct ud_nic *nics = NULL;
	size_t n = 0;

	if (!read_facts(cx, &ud_machine_shape, facts, &m) || !m.nics.text)
		return false;
	if (ud_shape_read_list(cx, &ud_nic_shape, m.nics.text, UD_FAILOVER_CARDS, (void **)&nics,
		    &n) != UD_OK) {
		ud_ctx_clear(cx);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct ud_texts told = { 0 };

		if (!nics[i].source || strcmp(nics[i].source, network) != 0 ||
			!nics[i].addresses.text)
			continue;
		ud_texts_read(cx, nics[i].addresses.text, &told);
		for (size_t k = 0; k < told.count; k++)
			if (is_address(told.items[k], address))
				return true;
	}
	return false;
}

static void tell_conflict(struct ud_ctx *cx, const struct place *p, const struct cards *c,
	const char *mac, const char *address, const char *whose)
{
	tell(p, c->vm->vm_id, "ip_conflict",
		ud_printf(cx->arena, "%.*s, which card %s of %s is to have, is that of %s.",
			(int)strcspn(address, "/"), address, mac, c->vm->name, whose),
		"Keep another address for the card, or take it from what has it.");
}

static enum ud_code check_others(struct ud_ctx *cx, const struct place *p, const struct cards *c,
	const char *mac, const char *address)
{
	const char *network = NULL, *own = p->f->row.customer_id;
	struct ud_seen_vm *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < c->connected_n; i++)
		if (strcasecmp(c->connected[i].mac, mac) == 0)
			network = c->connected[i].network;
	if (!network)
		return UD_OK;
	UD_TRY(ud_inventory_telling(cx, c->vm->target_host_id,
		ud_strndup(cx->arena, address, strcspn(address, "/")), &found, &n));
	for (size_t i = 0; i < n; i++) {
		bool named = own && found[i].customer_id && strcmp(own, found[i].customer_id) == 0;

		if (is_of_run(p, found[i].vm_id) ||
			!has_address(cx, found[i].facts, network, address))
			continue;
		tell_conflict(cx, p, c, mac, address,
			named ? ud_printf(cx->arena, "the VM %s there", found[i].name)
			      : "another VM there");
		return UD_OK;
	}
	return UD_OK;
}

static enum ud_code check_card(struct ud_ctx *cx, const struct place *p, const struct cards *c,
	const struct ud_card_addresses *card)
{
	for (size_t i = 0; i < card->addresses.count; i++) {
		const char *address = card->addresses.items[i];
		bool router = false;

		for (size_t k = 0; k < card->gateways.count; k++)
			router |= is_address(card->gateways.items[k], address);
		if (router)
			tell_conflict(cx, p, c, card->mac, address, "its network's router");
		else
			UD_TRY(check_others(cx, p, c, card->mac, address));
	}
	return UD_OK;
}

static enum ud_code check_addresses(
	struct ud_ctx *cx, const struct place *p, const struct ud_plan_vm *vm)
{
	const struct ud_network_way way = { vm->vm_id, vm->source_host_id, vm->target_host_id,
		p->f->kind == UD_FAILOVER_TEST, p->f->network_map.text };
	struct ud_json addresses = { 0 }, connected = { 0 };
	struct cards c = { .vm = vm };
	struct ud_texts unmapped = { 0 };

	if (!vm->target_host_id)
		return UD_OK;
	UD_TRY(ud_network_map_addresses(cx, &way, &addresses));
	UD_TRY(ud_shape_read_list(cx, &ud_card_addresses_shape, addresses.text, UD_FAILOVER_CARDS,
		(void **)&c.addresses, &c.n));
	if (!c.n)
		return UD_OK;
	UD_TRY(ud_network_map_cards(cx, &way, &connected, &unmapped));
	UD_TRY(ud_shape_read_list(cx, &connected_shape, connected.text, UD_FAILOVER_CARDS,
		(void **)&c.connected, &c.connected_n));
	for (size_t i = 0; i < c.n; i++)
		UD_TRY(check_card(cx, p, &c, &c.addresses[i]));
	return UD_OK;
}

enum ud_code ud_failover_check_place(struct ud_ctx *cx, const struct ud_failover *f,
	const struct ud_plan_vm *vms, size_t n, ud_blocker_taker *take, void *data)
{
	const struct place p = { f, vms, n, take, data };

	UD_TRY(check_memory(cx, &p));
	for (size_t i = 0; i < n; i++)
		UD_TRY(check_addresses(cx, &p, &vms[i]));
	return UD_OK;
}
