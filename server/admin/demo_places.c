/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who and where: six customers with accounts named after what they do, three sites, a KVM and a
 * Hyper-V world side by side, networks and addresses (of the ranges for documentation), VMs.
 */
#include <string.h>

#include "base/crypto.h"
#include "base/id.h"
#include "base/ip.h"
#include "db/addresses.h"
#include "db/agents.h"
#include "db/customers.h"
#include "db/demo.h"
#include "db/hosts.h"
#include "db/inventory.h"
#include "db/network_maps.h"
#include "db/networks.h"
#include "db/people.h"
#include "db/sites.h"
#include "db/subscriptions.h"
#include "server/admin/demo.h"

static const int64_t GIB = INT64_C(1) << 30, DAY_MINUTES = 1440;

/* ---- people ---- */

static enum ud_code add_person(struct ud_ctx *cx, const struct ud_demo *d, const char *customer_id,
	const char *email, const char *role, struct ud_demo_person *who)
{
	const char **roles = ud_alloc(cx->arena, sizeof(*roles));
	struct ud_user u = { .row.customer_id = customer_id,
		.email = email,
		.display_name = who->name,
		.state = UD_USER_ACTIVE,
		.role_names = { roles, 1 },
		.password_hash = d->password_hash };

	roles[0] = role;
	UD_TRY(ud_demo_put(cx, &ud_users, &u));
	who->id = u.row.id;
	who->roles = ud_role_bits(&u.role_names);
	return UD_OK;
}

static enum ud_code add_staff(struct ud_ctx *cx, struct ud_demo *d)
{
	static const struct {
		const char *account, *name, *role;
	} staff[UD_DEMO_STAFF] = { { "support-1", "Support desk 1", "support_agent" },
		{ "support-2", "Support desk 2", "support_agent" },
		{ "engineer", "Recovery engineer", "support_engineer" },
		{ "lead", "Support lead", "support_lead" } };

	for (size_t i = 0; i < UD_DEMO_STAFF; i++) {
		d->staff[i].name = staff[i].name;
		UD_TRY(add_person(cx, d, NULL,
			ud_printf(cx->arena, "%s@provider.example", staff[i].account),
			staff[i].role, &d->staff[i]));
	}
	return UD_OK;
}

/* The first three live on KVM, the others on Hyper-V. */
static const struct {
	const char *name, *domain, *prefix, *time_zone;
	unsigned kind;
} houses[UD_DEMO_CUSTOMERS] = {
	{ "Harbour Foods", "harbour-foods", "hf", "Europe/London", UD_SUBSCRIPTION_MANAGED },
	{ "Quay Books", "quay-books", "qb", "Europe/London", UD_SUBSCRIPTION_MANAGED },
	{ "Alder Energy", "alder-energy", "ae", "Europe/Dublin", UD_SUBSCRIPTION_UNMANAGED },
	{ "Linden Clinics", "linden-clinics", "lc", "Europe/Berlin", UD_SUBSCRIPTION_MANAGED },
	{ "Northgate Tools", "northgate-tools", "nt", "Europe/Berlin", UD_SUBSCRIPTION_MANAGED },
	{ "Meridian Freight", "meridian-freight", "mf", "Europe/Amsterdam",
		UD_SUBSCRIPTION_UNMANAGED },
};

static enum ud_code add_subscription(struct ud_ctx *cx, struct ud_demo *d, size_t i)
{
	static const char *bought[] = { "hyperv_replica", "extended_replication", "file_backup" };
	struct ud_subscription s = { .row.customer_id = d->customers[i].id,
		.kind = houses[i].kind,
		.add_ons = { bought, 2 + (i < 3) },
		.state = UD_SUBSCRIPTION_ACTIVE,
		.starts_at.ms = cx->now_ms };

	return ud_demo_put(cx, &ud_subscriptions, &s);
}

static enum ud_code add_customer(struct ud_ctx *cx, struct ud_demo *d, size_t i)
{
	static const struct {
		const char *account, *name, *role;
	} accounts[UD_DEMO_ACCOUNTS] = {
		[UD_DEMO_LEAD] = { "dr-lead", "Recovery lead", "customer_admin" },
		[UD_DEMO_APPROVER] = { "approver", "Approver", "customer_approver" },
		[UD_DEMO_OPERATOR] = { "operator", "Operator", "customer_operator" },
	};
	struct ud_demo_customer *own = &d->customers[i];
	struct ud_customer c = { .name = houses[i].name,
		.account_number = ud_printf(cx->arena, "DEMO-%zu", 1001 + i),
		.time_zone = houses[i].time_zone,
		.state = UD_CUSTOMER_ACTIVE };

	c.row.id = c.row.customer_id = ud_id_new(cx->arena, cx->env, cx->now_ms, "cus");
	UD_TRY(ud_demo_put(cx, &ud_customers, &c));
	own->id = c.row.id;
	own->name = c.name;
	own->prefix = houses[i].prefix;
	for (size_t k = 0; k < UD_DEMO_ACCOUNTS; k++) {
		own->people[k].name = accounts[k].name;
		UD_TRY(add_person(cx, d, own->id,
			ud_printf(
				cx->arena, "%s@%s.example", accounts[k].account, houses[i].domain),
			accounts[k].role, &own->people[k]));
	}
	return add_subscription(cx, d, i);
}

/* ---- places ---- */

static const struct {
	const char *name, *code, *time_zone;
} sites[UD_DEMO_SITES] = {
	[UD_DEMO_LONDON] = { "London", "lon", "Europe/London" },
	[UD_DEMO_AMSTERDAM] = { "Amsterdam", "ams", "Europe/Amsterdam" },
	[UD_DEMO_FRANKFURT] = { "Frankfurt", "fra", "Europe/Berlin" },
};
enum { HOSTS_EACH = UD_DEMO_HOSTS / UD_DEMO_SITES };

static enum ud_code add_agent(struct ud_ctx *cx, const struct ud_demo *d, const struct ud_host *h)
{
	char spki[UD_SHA256_HEX];
	struct ud_agent a = { .host_id = h->row.id,
		.state = UD_AGENT_ACTIVE,
		.may_promote = true,
		.agent_version = UD_VERSION,
		.certificate_serial = h->row.id + 4,
		.certificate_expires_at.ms = cx->now_ms + INT64_C(365) * 86400000,
		.confirmed = true,
		.address = "192.0.2.1",
		.last_seen_at.ms = d->until_ms };

	/* of no key: nobody can come as this agent */
	ud_sha256_hex(h->row.id, strlen(h->row.id), spki);
	a.spki_sha256 = spki;
	return ud_demo_put(cx, &ud_agents_table, &a);
}

/* London is KVM, Frankfurt Hyper-V, Amsterdam takes the copies of both. */
static unsigned hypervisor_of(size_t site, size_t n)
{
	if (site == UD_DEMO_AMSTERDAM)
		return n < HOSTS_EACH / 2 ? UD_HYPERVISOR_KVM : UD_HYPERVISOR_HYPERV;
	return site == UD_DEMO_LONDON ? UD_HYPERVISOR_KVM : UD_HYPERVISOR_HYPERV;
}

/* What a host tells of itself: teams, and a cluster with its storage where there is Hyper-V. */
static const char *told_by(struct ud_ctx *cx, const struct ud_host *h, const char *site)
{
	const char *common = ud_printf(cx->arena,
		"\"cpu_count\":%lld,\"memory_bytes\":%lld,\"memory_free_bytes\":%lld,"
		"\"pools\":[],\"networks\":[],\"machine_types\":[],\"capabilities\":[\"relation_set\"]",
		(long long)h->cpu_count, (long long)h->memory_bytes,
		(long long)(h->memory_bytes / 4));

	const int64_t room = 64 * 1024 * GIB, used = 24 * 1024 * GIB;

	if (h->hypervisor == UD_HYPERVISOR_KVM)
		return ud_printf(cx->arena,
			"{\"hypervisor\":\"kvm\",\"hypervisor_version\":\"QEMU 7.2.22, libvirt 9.0.0\","
			"\"os\":\"Debian GNU/Linux 12\",\"accelerator\":\"kvm\",\"teams\":[],%s}",
			common);
	return ud_printf(cx->arena,
		"{\"hypervisor\":\"hyperv\",\"hypervisor_version\":\"Hyper-V, module 2.0.0.0\","
		"\"os\":\"Microsoft Windows Server 2016 Datacenter\",\"accelerator\":\"hyperv\","
		"\"teams\":[{\"name\":\"External\",\"mode\":\"SwitchIndependent\","
		"\"load_balancing\":\"Dynamic\",\"members\":[{\"name\":\"Adapter 1\",\"up\":true},"
		"{\"name\":\"Adapter 2\",\"up\":true}],\"degraded\":false}],"
		"\"cluster\":{\"name\":\"hv-%s\",\"balancer\":{\"mode\":\"always\",\"level\":\"low\"},"
		"\"nodes\":[{\"name\":\"%s\",\"state\":\"up\"}],\"fault_domains\":[]},"
		"\"spaces\":{\"pools\":[{\"name\":\"S2D on hv-%s\",\"health\":\"healthy\","
		"\"capacity_bytes\":%lld,\"used_bytes\":%lld}],\"volumes\":[],\"disks\":[],\"jobs\":[]},"
		"%s}",
		site, h->name, site, (long long)room, (long long)used, common);
}

/* Told at the end of the history, as its last sign of life. */
static enum ud_code tell(
	struct ud_ctx *cx, const struct ud_demo *d, const struct ud_host *h, const char *site)
{
	int64_t now_ms = cx->now_ms;

	cx->now_ms = d->until_ms;
	enum ud_code code = ud_inventory_host(cx, h->row.id, told_by(cx, h, site));

	cx->now_ms = now_ms;
	return code;
}

static enum ud_code add_hosts(
	struct ud_ctx *cx, struct ud_demo *d, size_t site, const char *const racks[2])
{
	for (size_t n = 0; n < HOSTS_EACH; n++) {
		struct ud_host h = { .name = ud_printf(
					     cx->arena, "%s-%c", sites[site].code, (char)('a' + n)),
			.hypervisor = hypervisor_of(site, n),
			.site_id = d->site_ids[site],
			.fault_domain_id = racks[n % 2],
			.state = UD_HOST_ACTIVE,
			.memory_bytes = (n % 2 ? 512 : 384) * GIB,
			.cpu_count = n % 2 ? 96 : 64,
			.replication_listen = "0.0.0.0:8445",
			.heartbeat_at.ms = d->until_ms };

		/* one of them is being looked after */
		if (site == UD_DEMO_FRANKFURT && n == HOSTS_EACH - 1)
			h.state = UD_HOST_MAINTENANCE;
		UD_TRY(ud_demo_put(cx, &ud_hosts, &h));
		UD_TRY(add_agent(cx, d, &h));
		UD_TRY(tell(cx, d, &h, sites[site].code));
		d->host_ids[site * HOSTS_EACH + n] = h.row.id;
	}
	return UD_OK;
}

static enum ud_code add_network(struct ud_ctx *cx, struct ud_network *n)
{
	return ud_demo_put(cx, &ud_networks, n);
}

static enum ud_code add_site(struct ud_ctx *cx, struct ud_demo *d, size_t i)
{
	struct ud_site s = { .name = sites[i].name,
		.code = sites[i].code,
		.kind = UD_SITE_PROVIDER_DC,
		.time_zone = sites[i].time_zone,
		.state = UD_SITE_ACTIVE };
	const char *racks[2];

	UD_TRY(ud_demo_put(cx, &ud_sites, &s));
	d->site_ids[i] = s.row.id;
	for (size_t n = 0; n < UD_LEN(racks); n++) {
		struct ud_fault_domain rack = { .name = ud_printf(cx->arena, "Rack %zu", n + 1),
			.type = UD_DOMAIN_RACK,
			.site_id = s.row.id };

		UD_TRY(ud_demo_put(cx, &ud_fault_domains, &rack));
		racks[n] = rack.row.id;
	}
	struct ud_network test = { .name = "test",
		.site_id = s.row.id,
		.purpose = UD_NETWORK_TEST,
		.vlan = 900,
		.switch_name = "br-test",
		.isolated = true };
	struct ud_network copies = { .name = "replication",
		.site_id = s.row.id,
		.purpose = UD_NETWORK_REPLICATION,
		.vlan = 901,
		.switch_name = "br-repl" };

	UD_TRY(add_network(cx, &test));
	UD_TRY(add_network(cx, &copies));
	d->test_network_ids[i] = test.row.id;
	return add_hosts(cx, d, i, racks);
}

/* ---- networks and addresses of customers ---- */

static enum ud_code add_block(struct ud_ctx *cx, const char *prefix, struct ud_ip_block *b)
{
	char *hex = ud_alloc(cx->arena, 2 * UD_IP_HEX);
	struct ud_prefix p = { 0 };

	if (!ud_prefix_parse(prefix, &p))
		return ud_fail(cx, UD_E_INTERNAL, NULL, "%s is no prefix", prefix);
	ud_ip_hex(p.first, hex);
	ud_ip_hex(p.last, hex + UD_IP_HEX);
	b->prefix = prefix;
	b->first_hex = b->next_hex = hex;
	b->last_hex = hex + UD_IP_HEX;
	b->realm = b->kind == UD_BLOCK_PUBLIC ? "internet" : b->row.customer_id;
	return ud_demo_put(cx, &ud_ip_blocks, b);
}

static enum ud_code add_customer_networks(struct ud_ctx *cx, struct ud_demo *d, size_t i)
{
	struct ud_demo_customer *own = &d->customers[i];
	size_t home = i < UD_DEMO_CUSTOMERS / 2 ? UD_DEMO_LONDON : UD_DEMO_FRANKFURT;
	const char *ids[2];

	for (size_t n = 0; n < 2; n++) { /* at home, and where the copies are */
		struct ud_network net = { .row.customer_id = own->id,
			.name = ud_printf(cx->arena, "%s-production", own->prefix),
			.site_id = d->site_ids[n ? UD_DEMO_AMSTERDAM : home],
			.purpose = UD_NETWORK_PRODUCTION,
			.vlan = (int64_t)(100 + i),
			.switch_name = "br-prod" };

		UD_TRY(add_network(cx, &net));
		ids[n] = net.row.id;
	}
	own->production_id = ids[0];
	const struct ud_network_map_entry map = { d->site_ids[UD_DEMO_AMSTERDAM], ids[1],
		d->test_network_ids[UD_DEMO_AMSTERDAM] };

	return ud_network_map_set(cx, ids[0], &map, 1);
}

static enum ud_code add_address(struct ud_ctx *cx, const struct ud_ip_block *b, int64_t n,
	const char *vm_id, unsigned state)
{
	char *hex = ud_alloc(cx->arena, UD_IP_HEX), *text = ud_alloc(cx->arena, UD_IP_TEXT);
	ud_ip ip = ud_ip_unhex(b->first_hex) + (ud_ip)n;
	struct ud_ip_address a = { .row.customer_id = b->row.customer_id,
		.block_id = b->row.id,
		.state = state,
		.vm_id = vm_id };

	ud_ip_hex(ip, hex);
	ud_ip_format(ip, text);
	a.address = text;
	a.address_hex = hex;
	if (state == UD_ADDRESS_QUARANTINED)
		a.free_at.ms = cx->now_ms + (UD_DEMO_DAYS + 5) * INT64_C(86400000);
	return ud_demo_put(cx, &ud_ip_addresses, &a);
}

/* Every VM has an address inside; the first few one of the internet; some are laid aside. */
static enum ud_code add_addresses(struct ud_ctx *cx, struct ud_demo *d, size_t i)
{
	static const char *const ranges[3] = { "192.0.2", "198.51.100", "203.0.113" };
	struct ud_demo_customer *own = &d->customers[i];
	size_t home = i < UD_DEMO_CUSTOMERS / 2 ? UD_DEMO_LONDON : UD_DEMO_FRANKFURT;
	struct ud_ip_block inside = { .row.customer_id = own->id,
		.kind = UD_BLOCK_PRIVATE,
		.site_id = d->site_ids[home],
		.network_id = own->production_id,
		.gateway = ud_printf(cx->arena, "10.%zu.0.1", 20 + i) };
	struct ud_ip_block outside = {
		.row.customer_id = own->id, .kind = UD_BLOCK_PUBLIC, .site_id = d->site_ids[home]
	};

	UD_TRY(add_block(cx, ud_printf(cx->arena, "10.%zu.0.0/24", 20 + i), &inside));
	UD_TRY(add_block(
		cx, ud_printf(cx->arena, "%s.%zu/26", ranges[i / 2], 64 * (1 + i % 2)), &outside));
	for (size_t n = 0; n < UD_DEMO_VMS_EACH; n++)
		UD_TRY(add_address(cx, &inside, (int64_t)(10 + n),
			d->vms[i * UD_DEMO_VMS_EACH + n].id, UD_ADDRESS_ASSIGNED));
	for (size_t n = 0; n < 14; n++)
		UD_TRY(add_address(cx, &outside, (int64_t)(2 + n),
			n < 9 ? d->vms[i * UD_DEMO_VMS_EACH + n].id : NULL,
			n < 9            ? UD_ADDRESS_ASSIGNED
				: n < 11 ? UD_ADDRESS_RESERVED
					 : UD_ADDRESS_QUARANTINED));
	return UD_OK;
}

/* ---- VMs ---- */

static const struct {
	const char *role, *linux_os, *windows_os;
	int64_t vcpus, memory_gib, disk_gib;
} machines[] = {
	{ "sql", "Debian 12", "Windows Server 2022", 8, 64, 500 },
	{ "erp", "Debian 12", "Windows Server 2022", 8, 32, 200 },
	{ "app", "Debian 12", "Windows Server 2019", 4, 16, 80 },
	{ "web", "Debian 12", "Windows Server 2019", 2, 8, 40 },
	{ "file", "Debian 12", "Windows Server 2022", 4, 16, 2000 },
	{ "mail", "Debian 11", "Windows Server 2019", 4, 24, 600 },
	{ "dc", "Ubuntu 22.04", "Windows Server 2022", 2, 8, 60 },
	{ "print", "Debian 12", "Windows Server 2019", 1, 4, 40 },
	{ "queue", "Debian 12", "Windows Server 2022", 2, 8, 60 },
	{ "report", "Ubuntu 22.04", "Windows Server 2022", 4, 32, 300 },
};

/* A UUID of the eighth version: made, not of chance. */
static const char *uuid_of(struct ud_ctx *cx, struct ud_demo *d)
{
	return ud_printf(cx->arena, "%08llx-%04llx-8%03llx-9%03llx-%012llx",
		(unsigned long long)ud_demo_below(d, INT64_C(1) << 30),
		(unsigned long long)ud_demo_below(d, 1 << 16),
		(unsigned long long)ud_demo_below(d, 1 << 12),
		(unsigned long long)ud_demo_below(d, 1 << 12),
		(unsigned long long)ud_demo_below(d, INT64_C(1) << 30));
}

/* Where a VM of a customer stands, and where its copy goes: spread over the hosts of its world. */
static void place(struct ud_demo *d, size_t customer, size_t n, struct ud_demo_vm *vm)
{
	bool kvm = customer < UD_DEMO_CUSTOMERS / 2;
	size_t home = kvm ? UD_DEMO_LONDON : UD_DEMO_FRANKFURT, spread = kvm ? 8 : 7;
	size_t source = home * HOSTS_EACH + (customer * 3 + n) % spread;
	size_t target = UD_DEMO_AMSTERDAM * HOSTS_EACH + (kvm ? 0 : HOSTS_EACH / 2) +
		(customer + n) % (HOSTS_EACH / 2);

	vm->source_id = d->host_ids[source];
	vm->target_id = d->host_ids[target];
}

static enum ud_code add_vm(struct ud_ctx *cx, struct ud_demo *d, size_t customer, size_t n)
{
	struct ud_demo_vm *own = &d->vms[customer * UD_DEMO_VMS_EACH + n];
	size_t kind = n % UD_LEN(machines);
	bool kvm = customer < UD_DEMO_CUSTOMERS / 2, is_protected = n < UD_DEMO_PROTECTED_EACH;
	bool off = n == UD_DEMO_VMS_EACH - 1;
	unsigned power = off ? UD_POWER_OFF : UD_POWER_RUNNING;

	place(d, customer, n, own);
	struct ud_vm vm = { .row.customer_id = d->customers[customer].id,
		.name = ud_printf(cx->arena, "%s-%s-%02zu", d->customers[customer].prefix,
			machines[kind].role, n / UD_LEN(machines) + 1),
		.hypervisor_uuid = uuid_of(cx, d),
		.host_id = own->source_id,
		.managed = houses[customer].kind == UD_SUBSCRIPTION_MANAGED,
		.state = UD_VM_READY,
		.power = power,
		.desired_power = power,
		.power_last = power,
		.dr_role = is_protected ? UD_DR_PRIMARY : UD_DR_UNPROTECTED,
		.firmware = kvm && n % 3 ? UD_FIRMWARE_BIOS : UD_FIRMWARE_UEFI,
		.guest_os = kvm ? machines[kind].linux_os : machines[kind].windows_os,
		.vcpus = machines[kind].vcpus,
		.memory_bytes = machines[kind].memory_gib * GIB,
		.disk_bytes = machines[kind].disk_gib * GIB,
		.guest_agent = off ? UD_GUEST_UNKNOWN : UD_GUEST_CONNECTED,
		.holder_host_id = off ? NULL : own->source_id,
		.observed_at.ms = cx->now_ms,
		.source = "agent",
		.epoch = is_protected };

	UD_TRY(ud_demo_put(cx, &ud_vms, &vm));
	own->id = vm.row.id;
	own->name = vm.name;
	own->customer_id = vm.row.customer_id;
	return UD_OK;
}

enum ud_code ud_demo_places(struct ud_ctx *cx, struct ud_demo *d)
{
	cx->now_ms = ud_demo_ago(d, (UD_DEMO_DAYS + 1) * DAY_MINUTES);
	UD_TRY(add_staff(cx, d));
	for (size_t i = 0; i < UD_DEMO_SITES; i++)
		UD_TRY(add_site(cx, d, i));
	for (size_t i = 0; i < UD_DEMO_CUSTOMERS; i++) {
		UD_TRY(add_customer(cx, d, i));
		UD_TRY(add_customer_networks(cx, d, i));
		for (size_t n = 0; n < UD_DEMO_VMS_EACH; n++)
			UD_TRY(add_vm(cx, d, i, n));
		UD_TRY(add_addresses(cx, d, i));
	}
	return UD_OK;
}
