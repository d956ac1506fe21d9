/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One function per rule; the table at the end is the list. A rule adds what it finds and never
 * stops the others: a person wants to see all of it at once.
 */
#include "api/preflight.h"

#include <string.h>

#include "db/inventory.h"
#include "db/sites.h"
#include "db/subscriptions.h"

enum { CONNECTED_MS = 60000, LISTED_MAX = 256 };

/* Site, rack, chassis, node, and what a tree of rows may hold by mistake. */
enum { DOMAINS_DEEP = 8 };

static const char *const waiver_names[] = { "same_site", "same_fault_domain" };
const struct ud_enum ud_waivers = { "waiver", waiver_names, UD_LEN(waiver_names) };

/* ---- adding ---- */

static struct ud_blocker *add(
	struct ud_preflight *p, const char *code, const char *text, const char *fix)
{
	static struct ud_blocker beyond;
	struct ud_blocker *b = p->count < UD_BLOCKERS_MAX ? &p->blockers[p->count++] : &beyond;

	*b = (struct ud_blocker){ .code = code, .text = text, .fix = fix };
	p->blocked = true;
	return b;
}

static void about(struct ud_preflight *p, const char *subject, const char *code, const char *text,
	const char *fix)
{
	add(p, code, text, fix)->subject = subject;
}

static void warn(struct ud_preflight *p, const char *code, const char *text, const char *fix)
{
	bool blocked = p->blocked;

	add(p, code, text, fix)->warning = true;
	p->blocked = blocked;
}

/* May be set aside; then it is still told, as a warning. */
static void waivable(struct ud_preflight *p, const char *code, const char *text, const char *fix)
{
	bool blocked = p->blocked, waived = false;
	struct ud_blocker *b = add(p, code, text, fix);

	for (size_t i = 0; i < p->waivers.count; i++)
		waived |= strcmp(p->waivers.items[i], code) == 0;
	b->waivable = true;
	b->warning = waived;
	if (waived)
		p->blocked = blocked;
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static bool extended(const struct ud_preflight *p)
{
	return p->wanted.leg == UD_LEG_EXTENDED;
}

static bool hyperv(const struct ud_preflight *p)
{
	return p->source.found && p->source.row.hypervisor == UD_HYPERVISOR_HYPERV;
}

/* ---- rules ---- */

static enum ud_code check_entitlement(struct ud_ctx *cx, struct ud_preflight *p)
{
	enum ud_add_on needed =
		extended(p) ? UD_ADD_ON_EXTENDED_REPLICATION : UD_ADD_ON_HYPERV_REPLICA;
	bool bought = false;

	if (!p->vm.row.customer_id) {
		about(p, p->vm.row.id, "vm_unassigned", "The VM belongs to no customer.",
			"Assign it to a customer first.");
		return UD_OK;
	}
	UD_TRY(ud_subscribed(cx, p->vm.row.customer_id, needed, &bought));
	if (bought)
		return UD_OK;
	p->not_entitled = true;
	about(p, ud_add_ons.names[needed], "not_entitled",
		ud_printf(cx->arena,
			"The customer has no subscription in force with the add-on %s.",
			ud_add_ons.names[needed]),
		"Add it to a subscription.");
	return UD_OK;
}

static enum ud_code check_vm(struct ud_ctx *cx, struct ud_preflight *p)
{
	const struct ud_vm *vm = &p->vm;

	(void)cx;
	if (vm->state != UD_VM_READY)
		add(p, "vm_not_ready", "The VM's record is not ready.",
			"Wait until the work on it has ended.");
	if (!vm->host_id)
		add(p, "vm_without_host", "It is not known which host the VM runs on.",
			"Enrol its host, so that its agent finds it.");
	if (!vm->hypervisor_uuid)
		add(p, "vm_without_uuid", "The hypervisor's UUID of the VM is not known.",
			"Enrol its host, so that its agent finds it.");
	if (p->has_machine && p->machine.transient)
		add(p, "vm_transient", "The hypervisor forgets the VM when it stops.",
			"Define it permanently.");
	return UD_OK;
}

static enum ud_code check_existing(struct ud_ctx *cx, struct ud_preflight *p)
{
	struct ud_replication other = { 0 };
	bool found = false;

	UD_TRY(ud_replication_of_vm(cx, p->vm.row.id, (enum ud_leg)p->wanted.leg, &found, &other));
	if (found)
		about(p, other.row.id, extended(p) ? "already_extended" : "already_replicated",
			"There is a replication of this kind for the VM.",
			"Remove that one first, or keep it.");
	return UD_OK;
}

static void check_host(struct ud_preflight *p, const struct ud_preflight_host *h, const char *id,
	const char *not_ready, const char *not_connected, const char *unsupported)
{
	bool ready = h->row.state == UD_HOST_ENROLLED || h->row.state == UD_HOST_ACTIVE;
	bool able = false;

	if (!h->found)
		return;
	if (!ready)
		about(p, id, not_ready, "The host is not ready for replication.",
			"Look at the host's state and resume it.");
	if (!h->has_agent) {
		about(p, id, not_connected, "The host's agent has not been heard of lately.",
			"Start the agent, or enrol the host.");
		return;
	}
	for (size_t i = 0; h->has_facts && i < h->facts.capabilities.count; i++)
		able |= strcmp(h->facts.capabilities.items[i], "relation_set") == 0;
	if (h->has_facts && !able)
		about(p, id, unsupported, "The host's hypervisor or agent cannot replicate.",
			"Update the agent, or choose another host.");
}

static enum ud_code check_hosts(struct ud_ctx *cx, struct ud_preflight *p)
{
	const char *address = NULL;

	check_host(p, &p->source, p->wanted.source_host_id, "source_host_not_ready",
		"source_agent_not_connected", "source_unsupported");
	if (!p->target.found) {
		add(p, "no_target_host", "No host of that site can take the copy.",
			"Name a host that is ready, or another site.");
		return UD_OK;
	}
	check_host(p, &p->target, p->wanted.target_host_id, "target_host_not_ready",
		"target_agent_not_connected", "target_unsupported");
	if (p->source.found && p->source.row.hypervisor != p->target.row.hypervisor)
		add(p, "hypervisor_mismatch", "The two hosts have different hypervisors.",
			"Choose a target with the hypervisor of the source.");
	UD_TRY(ud_host_replication_address(cx, p->wanted.target_host_id, &address));
	if (!address)
		about(p, p->wanted.target_host_id, "no_replication_address",
			"It is not known where the target takes replication.",
			"Set [replication] listen in its agent.conf, or replication_address of the host.");
	return UD_OK;
}

/* The domain and those it is part of, the narrowest first; a site is compared as a site. */
static enum ud_code domains_of(
	struct ud_ctx *cx, const char *id, struct ud_fault_domain *ret, size_t *ret_n)
{
	*ret_n = 0;
	while (id && *ret_n < DOMAINS_DEEP) {
		struct ud_fault_domain d = { 0 };

		UD_TRY(ud_row_get(cx, &ud_fault_domains, id, &d));
		if (d.type != UD_DOMAIN_SITE)
			ret[(*ret_n)++] = d;
		id = d.parent_id;
	}
	return UD_OK;
}

/* Two nodes of one chassis, or of one rack, fail together as well. */
static enum ud_code check_domains(
	struct ud_ctx *cx, struct ud_preflight *p, const struct ud_host *a, const struct ud_host *b)
{
	struct ud_fault_domain of_a[DOMAINS_DEEP], of_b[DOMAINS_DEEP];
	size_t n, m;

	UD_TRY(domains_of(cx, a->fault_domain_id, of_a, &n));
	UD_TRY(domains_of(cx, b->fault_domain_id, of_b, &m));
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < m; k++)
			if (same(of_a[i].row.id, of_b[k].row.id)) {
				waivable(p, "same_fault_domain",
					ud_printf(cx->arena,
						"Both hosts stand in one fault domain: %s %s.",
						ud_fault_domain_types.names[of_a[i].type],
						of_a[i].name),
					"Choose a host of another one, or waive same_fault_domain.");
				return UD_OK;
			}
	return UD_OK;
}

static enum ud_code check_placement(struct ud_ctx *cx, struct ud_preflight *p)
{
	const struct ud_host *s = &p->source.row, *t = &p->target.row;

	if (!p->source.found || !p->target.found)
		return UD_OK;
	if (same(s->row.id, t->row.id)) {
		add(p, "same_host", "The target is the host that the VM is on.",
			"Choose another host.");
		return UD_OK;
	}
	if (same(s->site_id, t->site_id))
		waivable(p, "same_site", "Both hosts stand in one site and can fail together.",
			"Choose a host of another site, or waive same_site.");
	return check_domains(cx, p, s, t);
}

/* The third host stands apart from the first, too. */
static enum ud_code check_first_host(struct ud_ctx *cx, struct ud_preflight *p)
{
	struct ud_host first = { 0 };

	if (!p->parent || !p->target.found)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_hosts, p->parent->source_host_id, &first));
	if (same(first.row.id, p->target.row.row.id))
		add(p, "same_host", "The target is the host that the VM is on.",
			"Choose a third host.");
	else if (same(first.site_id, p->target.row.site_id) &&
		!same(p->source.row.site_id, first.site_id))
		waivable(p, "same_site", "The third host stands in the first host's site.",
			"Choose a host of another site, or waive same_site.");
	return check_domains(cx, p, &first, &p->target.row);
}

static enum ud_code check_interval(struct ud_ctx *cx, struct ud_preflight *p)
{
	int64_t s = p->wanted.schedule_interval_seconds;

	if (hyperv(p) && s != 30 && s != 300 && s != 900)
		add(p, "interval_not_supported", "Hyper-V replicates every 30, 300 or 900 seconds.",
			"Choose one of these.");
	if (extended(p) && s < 300)
		add(p, "interval_not_supported",
			"An extended replica is brought up to date every 300 seconds at most.",
			"Choose 300 seconds or more.");
	if (extended(p) && s < p->parent->schedule_interval_seconds)
		add(p, "interval_not_supported",
			ud_printf(cx->arena,
				"An extended replica is not faster than the first leg (%lld seconds).",
				(long long)p->parent->schedule_interval_seconds),
			"Choose the first leg's interval or more.");
	if (p->wanted.rpo_target_seconds < s)
		warn(p, "target_tighter_than_interval",
			"The promised age is below the interval; it will be broken in every cycle.",
			"Choose a shorter interval, or promise less.");
	return UD_OK;
}

static enum ud_code check_points(struct ud_ctx *cx, struct ud_preflight *p)
{
	(void)cx;
	if (hyperv(p) && p->wanted.recovery_points_kept > 24)
		add(p, "points_not_supported", "Hyper-V keeps 24 additional points at most.",
			"Keep 24 or fewer.");
	if (extended(p) && p->wanted.app_consistent_every_hours != UD_NONE)
		add(p, "app_consistency_not_supported",
			"Points of an extended replica are crash-consistent.",
			"Leave app_consistent_every_hours out.");
	else if (p->wanted.app_consistent_every_hours != UD_NONE && p->has_machine &&
		p->machine.guest_agent != UD_GUEST_CONNECTED)
		warn(p, "guest_agent_missing",
			"The guest's agent is not connected: points will be crash-consistent.",
			"Install and start the guest agent.");
	if (p->wanted.authentication == UD_AUTHENTICATION_KERBEROS)
		warn(p, "not_encrypted", "With Kerberos the data is not encrypted on its way.",
			"Use certificates, unless the network is trusted.");
	return UD_OK;
}

static bool is_excluded(const struct ud_preflight *p, const char *target)
{
	for (size_t i = 0; i < p->wanted.excluded_disk_ids.count; i++)
		if (strcmp(p->wanted.excluded_disk_ids.items[i], target) == 0)
			return true;
	return false;
}

static void check_disk(struct ud_ctx *cx, struct ud_preflight *p, const struct ud_disk *d)
{
	static const char *const kvm[] = { "qcow2" }, *const hv[] = { "vhd", "vhdx", "avhdx" };
	const char *const *formats = hyperv(p) ? hv : kvm;
	bool fits = !d->format;

	for (size_t i = 0; i < (hyperv(p) ? UD_LEN(hv) : UD_LEN(kvm)); i++)
		fits |= same(d->format, formats[i]);
	if (d->shared)
		about(p, d->target, "shared_disk",
			ud_printf(cx->arena, "Disk %s is used by several VMs.", d->target),
			"Detach it, or leave it out with excluded_disk_ids.");
	else if (d->passthrough)
		about(p, d->target, "passthrough_disk",
			ud_printf(cx->arena, "Disk %s is a device of the host.", d->target),
			"Put it into an image, or leave it out with excluded_disk_ids.");
	else if (!fits)
		about(p, d->target, "unsupported_disk",
			ud_printf(cx->arena,
				"Disk %s has the format %s, which cannot be replicated.", d->target,
				d->format),
			"Convert it, or leave it out with excluded_disk_ids.");
}

static enum ud_code check_disks(struct ud_ctx *cx, struct ud_preflight *p)
{
	size_t copied = 0;

	if (!p->has_machine) {
		add(p, "inventory_unknown", "The VM's disks are not known.",
			"Wait for the inventory of its host.");
		return UD_OK;
	}
	for (size_t i = 0; i < p->disk_count; i++) {
		if (p->disks[i].boot && is_excluded(p, p->disks[i].target))
			about(p, p->disks[i].target, "boot_disk_excluded",
				"A replica without the disk that the guest boots from cannot "
				"start.",
				"Do not leave it out.");
		if (is_excluded(p, p->disks[i].target) || p->disks[i].read_only)
			continue;
		copied++;
		check_disk(cx, p, &p->disks[i]);
	}
	if (!copied)
		add(p, "nothing_to_copy", "No disk is left to be copied.",
			"Leave fewer disks out.");
	for (size_t i = 0; i < p->wanted.excluded_disk_ids.count; i++) {
		bool known = false;

		for (size_t k = 0; k < p->disk_count; k++)
			known |= same(p->disks[k].target, p->wanted.excluded_disk_ids.items[i]);
		if (!known)
			about(p, p->wanted.excluded_disk_ids.items[i], "unknown_disk",
				"The VM has no disk with this name.", "Look at the VM's disks.");
	}
	return UD_OK;
}

/* What the hypervisor sees in the VM itself. */
static enum ud_code check_bars(struct ud_ctx *cx, struct ud_preflight *p)
{
	struct ud_blocker *bars = NULL;
	size_t n = 0;

	if (!p->has_machine)
		return UD_OK;
	if (ud_shape_read_list(cx, &ud_blocker_shape, p->machine.bars.text, LISTED_MAX,
		    (void **)&bars, &n) != UD_OK)
		ud_ctx_clear(cx); /* what cannot be read is not known */
	for (size_t i = 0; i < n; i++)
		if (bars[i].warning)
			warn(p, bars[i].code, bars[i].text, bars[i].fix);
		else
			add(p, bars[i].code, bars[i].text, bars[i].fix);
	return UD_OK;
}

static enum ud_code check_room(struct ud_ctx *cx, struct ud_preflight *p)
{
	if (p->copy_bytes != UD_NONE && p->available_bytes != UD_NONE &&
		p->available_bytes < p->copy_bytes)
		about(p, p->wanted.target_host_id, "capacity",
			ud_printf(cx->arena, "The copy takes %lld bytes; the target has %lld.",
				(long long)p->copy_bytes, (long long)p->available_bytes),
			"Add storage to the target, or choose another host.");
	if (p->target.has_facts && p->target.facts.memory_free_bytes != UD_NONE && p->has_machine &&
		p->machine.memory_bytes != UD_NONE &&
		p->target.facts.memory_free_bytes < p->machine.memory_bytes)
		warn(p, "memory_low", "The target has too little free memory to run the VM now.",
			"Free memory there before a failover is needed.");
	return UD_OK;
}

static enum ud_code check_board(struct ud_ctx *cx, struct ud_preflight *p)
{
	if (!p->has_machine || !p->target.has_facts)
		return UD_OK;
	if (ud_machine_lacks_kvm(&p->machine, &p->target.facts))
		about(p, p->wanted.target_host_id, "kvm_missing",
			"The VM runs with KVM, which does not work on the target.",
			"Switch virtualization on in the target's firmware, or choose another host.");
	if (!ud_machine_fits(&p->machine, &p->target.facts))
		about(p, p->wanted.target_host_id, "machine_type_unknown",
			ud_printf(cx->arena, "The target cannot run machines of type %s.",
				p->machine.machine_type),
			"Bring the target's hypervisor to the release of the source's, or choose another"
			" host.");
	return UD_OK;
}

static enum ud_code (*const rules[])(struct ud_ctx *cx, struct ud_preflight *p) = {
	check_entitlement,
	check_vm,
	check_existing,
	check_hosts,
	check_placement,
	check_first_host,
	check_interval,
	check_points,
	check_disks,
	check_bars,
	check_board,
	check_room,
};

/* ---- what is known ---- */

/* An inventory that cannot be read is one that is not known. */
static bool read_text(struct ud_ctx *cx, const struct ud_shape *shape, const char *text, void *row)
{
	if (!text)
		return false;
	if (ud_shape_read(cx, shape, text, strlen(text), row) == UD_OK)
		return true;
	ud_ctx_clear(cx);
	return false;
}

static enum ud_code find_host(struct ud_ctx *cx, const char *id, struct ud_preflight_host *h)
{
	const char *text = NULL;
	int64_t at;

	if (!id)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_hosts, id, &h->row));
	h->found = true;
	UD_TRY(ud_agent_of_host(cx, id, &h->has_agent, &h->agent));
	h->has_agent = h->has_agent && h->agent.last_seen_at.ms != UD_NONE &&
		cx->now_ms - h->agent.last_seen_at.ms < CONNECTED_MS;
	UD_TRY(ud_inventory_host_facts(cx, id, &text, &at));
	h->has_facts = read_text(cx, &ud_host_facts_shape, text, &h->facts);
	return UD_OK;
}

struct pool {
	const char *name, *path;
	int64_t capacity_bytes, available_bytes;
};
static const struct ud_field pool_fields[] = {
	UD_FIELD(pool, name, .max = 255),
	UD_FIELD(pool, path, .max = 4096),
	UD_FIELD(pool, capacity_bytes, .flags = UD_NULLABLE),
	UD_FIELD(pool, available_bytes, .flags = UD_NULLABLE),
};
static const struct ud_shape pool_shape = { UD_SHAPE(pool, pool_fields), .bare = true };

static int64_t roomiest(struct ud_ctx *cx, const struct ud_preflight_host *h)
{
	struct pool *pools = NULL;
	int64_t most = UD_NONE;
	size_t n = 0;

	if (!h->has_facts ||
		ud_shape_read_list(cx, &pool_shape, h->facts.pools.text, LISTED_MAX, &pools, &n) !=
			UD_OK) {
		ud_ctx_clear(cx);
		return UD_NONE;
	}
	for (size_t i = 0; i < n; i++)
		most = pools[i].available_bytes > most ? pools[i].available_bytes : most;
	return most;
}

static void count_bytes(struct ud_preflight *p)
{
	p->copy_bytes = p->has_machine ? 0 : UD_NONE;
	for (size_t i = 0; i < p->disk_count; i++) {
		const struct ud_disk *d = &p->disks[i];

		if (is_excluded(p, d->target) || d->read_only)
			continue;
		p->copy_bytes += d->allocated_bytes != UD_NONE ? d->allocated_bytes
			: d->virtual_bytes != UD_NONE          ? d->virtual_bytes
							       : 0;
	}
}

static enum ud_code find_machine(struct ud_ctx *cx, struct ud_preflight *p)
{
	const char *text = NULL;
	int64_t at;

	if (p->vm.host_id)
		UD_TRY(ud_inventory_vm_facts(cx, p->vm.row.id, p->vm.host_id, &text, &at));
	p->has_machine = read_text(cx, &ud_machine_shape, text, &p->machine);
	if (p->has_machine &&
		ud_shape_read_list(cx, &ud_disk_shape, p->machine.disks.text, LISTED_MAX, &p->disks,
			&p->disk_count) != UD_OK) {
		ud_ctx_clear(cx);
		p->has_machine = false;
		p->disk_count = 0;
	}
	count_bytes(p);
	return UD_OK;
}

static enum ud_code find_all(struct ud_ctx *cx, struct ud_preflight *p)
{
	p->available_bytes = UD_NONE;
	UD_TRY(find_host(cx, p->wanted.source_host_id, &p->source));
	UD_TRY(find_host(cx, p->wanted.target_host_id, &p->target));
	UD_TRY(find_machine(cx, p));
	if (p->target.found)
		p->available_bytes = roomiest(cx, &p->target);
	for (size_t i = 0; i < UD_LEN(rules); i++)
		UD_TRY(rules[i](cx, p));
	return UD_OK;
}

enum ud_code ud_preflight_run(struct ud_ctx *cx, struct ud_preflight *p)
{
	const struct ud_scope *asker = cx->scope, system = ud_scope_system("preflight");

	cx->scope = &system;
	enum ud_code code = find_all(cx, p);

	cx->scope = asker;
	return code;
}

/* ---- choosing a host ---- */

struct choice {
	const struct ud_vm *vm;
	unsigned hypervisor;
	const char *best;
	int64_t room;
};

static enum ud_code weigh(struct ud_ctx *cx, void *data, const void *row)
{
	const struct ud_host *h = row;
	struct choice *c = data;
	struct ud_preflight_host known = { 0 };

	if (h->hypervisor != c->hypervisor || same(h->row.id, c->vm->host_id) ||
		(h->row.customer_id && !same(h->row.customer_id, c->vm->row.customer_id)) ||
		(h->state != UD_HOST_ENROLLED && h->state != UD_HOST_ACTIVE))
		return UD_OK;
	UD_TRY(find_host(cx, h->row.id, &known));
	int64_t room = roomiest(cx, &known);

	if (!known.has_agent || (c->best && room <= c->room))
		return UD_OK;
	c->best = ud_strdup(cx->arena, h->row.id);
	c->room = room;
	return UD_OK;
}

static enum ud_code choose(
	struct ud_ctx *cx, const struct ud_vm *vm, const char *site_id, const char **ret)
{
	struct choice c = { .vm = vm, .room = UD_NONE };
	struct ud_list list = { .limit = UD_LIST_MAX };
	struct ud_host source = { 0 };
	bool more;

	*ret = NULL;
	if (!vm->host_id)
		return UD_OK;
	UD_TRY(ud_row_get(cx, &ud_hosts, vm->host_id, &source));
	c.hypervisor = source.hypervisor;
	ud_list_where(&list, "site_id", UD_OP_EQ, ud_t(site_id));
	UD_TRY(ud_row_list(cx, &ud_hosts, &list, weigh, &c, &more));
	*ret = c.best;
	return UD_OK;
}

enum ud_code ud_preflight_choose(
	struct ud_ctx *cx, const struct ud_vm *vm, const char *site_id, const char **ret)
{
	const struct ud_scope *asker = cx->scope, system = ud_scope_system("preflight");

	cx->scope = &system;
	enum ud_code code = choose(cx, vm, site_id, ret);

	cx->scope = asker;
	return code;
}

/* ---- telling ---- */

const char *ud_preflight_json(struct ud_ctx *cx, const struct ud_preflight *p)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < p->count; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_blocker_shape, &p->blockers[i], NULL);
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

enum ud_code ud_preflight_fail(struct ud_ctx *cx, const struct ud_preflight *p)
{
	const struct ud_blocker *first = NULL;

	for (size_t i = 0; i < p->count; i++)
		if (!p->blockers[i].warning &&
			(!first || (p->not_entitled && same(p->blockers[i].code, "not_entitled"))))
			first = &p->blockers[i];
	enum ud_code code = p->not_entitled ? UD_E_NOT_ENTITLED : UD_E_REPLICATION_BLOCKED;

	ud_fail(cx, code, NULL, "%s", first ? first->text : "Something stands in the way.");
	if (first)
		cx->problem.remedy = first->fix;
	for (size_t i = 0; i < p->count; i++)
		if (!p->blockers[i].warning)
			ud_fail_field(cx,
				p->blockers[i].subject ? p->blockers[i].subject : "replication",
				p->blockers[i].code, "%s", p->blockers[i].text);
	return code;
}
