/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host and its VMs as they stand: one batch for all of them, because starting a process and
 * loading the module costs more than asking.
 */
#include <string.h>

#include "agent/drivers/hyperv/inside.h"
#include "base/crypto.h"
#include "base/env.h"

enum { PATH = 4096, WORD = 255 };

/* ---- classes ---- */

/* clang-format off */
static const struct ud_field vm_fields[] = {
	UD_FIELD(ud_hy_vm, uuid,            .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_vm, name),
	UD_FIELD(ud_hy_vm, state),
	UD_FIELD(ud_hy_vm, version),
	UD_FIELD(ud_hy_vm, start_action),
	UD_FIELD(ud_hy_vm, heartbeat),
	UD_FIELD(ud_hy_vm, generation,      .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_vm, vcpus,           .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_vm, memory_startup,  .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_vm, memory_assigned, .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_vm, load,            .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_vm, uptime_ms,       .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_vm, clustered),
};
static const char *const vm_paths[] = { "Id", "Name", "State", "Version", "AutomaticStartAction", "Heartbeat",
	"Generation", "ProcessorCount", "MemoryStartup", "MemoryAssigned", "CPUUsage", "Uptime", "IsClustered" };
static const struct ud_field disk_fields[] = {
	UD_FIELD(ud_hy_disk, vm,           .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_disk, path,         .max = PATH),
	UD_FIELD(ud_hy_disk, controller),
	UD_FIELD(ud_hy_disk, number,       .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_disk, location,     .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_disk, disk_number,  .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_disk, maximum_iops, .flags = UD_NULLABLE),
	UD_FIELD(ud_hy_disk, shared),
};
static const char *const disk_paths[] = { "VMId", "Path", "ControllerType", "ControllerNumber", "ControllerLocation",
	"DiskNumber", "MaximumIOPS", "SupportPersistentReservations" };
static const struct ud_field nic_fields[] = {
	UD_FIELD(ud_hy_nic, vm,          .flags = UD_REQUIRED),
	UD_FIELD(ud_hy_nic, id,          .max = PATH),
	UD_FIELD(ud_hy_nic, mac),
	UD_FIELD(ud_hy_nic, switch_name),
	UD_FIELD(ud_hy_nic, name),
	UD_FIELD(ud_hy_nic, connected),
	UD_FIELD(ud_hy_nic, legacy),
	UD_FIELD(ud_hy_nic, addresses,   .max = UD_HY_LIST),
};
static const char *const nic_paths[] = { "VMId", "Id", "MacAddress", "SwitchName", "Name", "Connected", "IsLegacy",
	"IPAddresses" };

struct adapter { const char *vm; };
static const struct ud_field adapter_fields[] = { UD_FIELD(adapter, vm, .flags = UD_REQUIRED) };
static const char *const adapter_paths[] = { "VMId" };
struct host { const char *fqdn, *path; int64_t cpus, memory; struct ud_texts versions; };
static const struct ud_field host_fields[] = {
	UD_FIELD(host, fqdn),
	UD_FIELD(host, path,     .max = PATH),
	UD_FIELD(host, cpus,     .flags = UD_NULLABLE),
	UD_FIELD(host, memory,   .flags = UD_NULLABLE),
	UD_FIELD(host, versions, .max = UD_HY_LIST),
};
static const char *const host_paths[] = { "FullyQualifiedDomainName", "VirtualHardDiskPath", "LogicalProcessorCount",
	"MemoryCapacity", "SupportedVmVersions" };
struct vhd { const char *path, *format; int64_t size, file_size; };
static const struct ud_field vhd_fields[] = {
	UD_FIELD(vhd, path,      .max = PATH),
	UD_FIELD(vhd, format),
	UD_FIELD(vhd, size,      .flags = UD_NULLABLE),
	UD_FIELD(vhd, file_size, .flags = UD_NULLABLE),
};
static const char *const vhd_paths[] = { "Path", "VhdFormat", "Size", "FileSize" };
struct net { const char *name, *type; bool team; };
static const struct ud_field net_fields[] = {
	UD_FIELD(net, name),
	UD_FIELD(net, type),
	UD_FIELD(net, team),
};
static const char *const net_paths[] = { "Name", "SwitchType", "EmbeddedTeamingEnabled" };
struct team { const char *name, *mode, *algorithm; struct ud_texts members; };
static const struct ud_field team_fields[] = {
	UD_FIELD(team, name),
	UD_FIELD(team, mode),
	UD_FIELD(team, algorithm),
	UD_FIELD(team, members, .max = UD_HY_LIST),
};
static const char *const team_paths[] = { "Name", "TeamingMode", "LoadBalancingAlgorithm",
	"NetAdapterInterfaceDescription" };
struct card { const char *name, *status; };
static const struct ud_field card_fields[] = {
	UD_FIELD(card, name),
	UD_FIELD(card, status),
};
static const char *const card_paths[] = { "InterfaceDescription", "Status" };
struct os { const char *caption, *version; struct ud_time boot; int64_t free_kib; };
static const struct ud_field os_fields[] = {
	UD_FIELD(os, caption),
	UD_FIELD(os, version),
	UD_FIELD(os, boot),
	UD_FIELD(os, free_kib, .flags = UD_NULLABLE),
};
static const char *const os_paths[] = { "Caption", "Version", "LastBootUpTime", "FreePhysicalMemory" };
/* clang-format on */
#define SHAPE(name_, table_)                                            \
	{                                                               \
		UD_SHAPE(name_, table_), .object = #name_, .bare = true \
	}
static const struct ud_shape vm_shape = SHAPE(ud_hy_vm, vm_fields),
			     disk_shape = SHAPE(ud_hy_disk, disk_fields),
			     nic_shape = SHAPE(ud_hy_nic, nic_fields),
			     adapter_shape = SHAPE(adapter, adapter_fields),
			     host_shape = SHAPE(host, host_fields),
			     vhd_shape = SHAPE(vhd, vhd_fields), net_shape = SHAPE(net, net_fields),
			     team_shape = SHAPE(team, team_fields),
			     card_shape = SHAPE(card, card_fields), os_shape = SHAPE(os, os_fields);
const struct ud_hy_class ud_hy_vms = { &vm_shape, vm_paths };
const struct ud_hy_class ud_hy_disks = { &disk_shape, disk_paths };
const struct ud_hy_class ud_hy_nics = { &nic_shape, nic_paths };
static const struct ud_hy_class adapters = { &adapter_shape, adapter_paths };
static const struct ud_hy_class hosts = { &host_shape, host_paths };
static const struct ud_hy_class vhds = { &vhd_shape, vhd_paths };
static const struct ud_hy_class nets = { &net_shape, net_paths };
static const struct ud_hy_class teams = { &team_shape, team_paths };
static const struct ud_hy_class cards = { &card_shape, card_paths };
static const struct ud_hy_class systems = { &os_shape, os_paths };

static const char *lower(struct ud_ctx *cx, const char *text)
{
	char *copy = ud_strdup(cx->arena, text ? text : "");

	for (char *c = copy; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return copy;
}

const char *ud_hy_target(struct ud_ctx *cx, const struct ud_hy_disk *disk)
{
	return ud_printf(cx->arena, "%s%lld:%lld", lower(cx, disk->controller),
		(long long)disk->number, (long long)disk->location);
}

const char *ud_hy_mac(struct ud_ctx *cx, const char *mac)
{
	enum { DIGITS = 12 };
	const char *m = lower(cx, mac);

	if (strlen(m) != DIGITS)
		return m;
	return ud_printf(
		cx->arena, "%.2s:%.2s:%.2s:%.2s:%.2s:%.2s", m, m + 2, m + 4, m + 6, m + 8, m + 10);
}

/* ---- one VM out of the rows of all ---- */

struct seen {
	struct ud_hy_vm *vms;
	struct ud_hy_disk *disks;
	struct ud_hy_nic *nics;
	struct vhd *vhds;
	struct ud_hy_link *links;
	struct adapter *adapters; /* of Fibre Channel */
	size_t vm_n, disk_n, nic_n, vhd_n, link_n, adapter_n;
};

static const struct vhd *vhd_of(const struct seen *s, const char *path)
{
	for (size_t i = 0; path && i < s->vhd_n; i++)
		if (s->vhds[i].path && strcmp(s->vhds[i].path, path) == 0)
			return &s->vhds[i];
	return NULL;
}

static bool is_set(const char *path)
{
	size_t n = path ? strlen(path) : 0;

	return n > 5 && strcmp(path + n - 5, ".vhds") == 0;
}

static void add_disks(
	struct ud_ctx *cx, const struct seen *s, const struct ud_hy_vm *vm, struct ud_machine *ret)
{
	struct ud_buf b = { 0 };

	ret->disk_bytes = 0;
	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < s->disk_n; i++) {
		const struct ud_hy_disk *d = &s->disks[i];
		const struct vhd *v = vhd_of(s, d->path);

		if (strcmp(d->vm, vm->uuid) != 0)
			continue;
		struct ud_disk disk = { .target = ud_hy_target(cx, d),
			.path = d->path,
			.format = v ? lower(cx, v->format) : "vhdx",
			.bus = lower(cx, d->controller),
			.virtual_bytes = v ? v->size : UD_NONE,
			.allocated_bytes = v ? v->file_size : UD_NONE,
			.chain.text = "[]",
			.shared = d->shared || is_set(d->path),
			.passthrough = d->disk_number != UD_NONE,
			.boot = d->number == 0 && d->location == 0 };

		if (b.len > 1)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_disk_shape, &disk, NULL);
		ret->disk_bytes += v && v->size > 0 ? v->size : 0;
	}
	ud_buf_putc(&b, ']');
	ret->disks.text = ud_buf_take(cx->arena, &b);
}

static const char *list_of(struct ud_ctx *cx, const struct ud_texts *texts)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < texts->count; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_buf_json(&b, texts->items[i]);
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

static void add_nics(
	struct ud_ctx *cx, const struct seen *s, const struct ud_hy_vm *vm, struct ud_machine *ret)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < s->nic_n; i++) {
		const struct ud_hy_nic *n = &s->nics[i];

		if (strcmp(n->vm, vm->uuid) != 0)
			continue;
		struct ud_nic nic = { .mac = ud_hy_mac(cx, n->mac),
			.model = n->legacy ? "legacy" : "synthetic",
			.kind = "switch",
			.source = n->switch_name,
			.link_up = n->connected,
			.addresses.text = list_of(cx, &n->addresses) };

		if (b.len > 1)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_nic_shape, &nic, NULL);
	}
	ud_buf_putc(&b, ']');
	ret->nics.text = ud_buf_take(cx->arena, &b);
}

/* What of it, disks aside, Hyper-V cannot replicate. */
static void add_bars(
	struct ud_ctx *cx, const struct seen *s, const struct ud_hy_vm *vm, struct ud_machine *ret)
{
	static const struct ud_blocker bar = { .code = "virtual_fibre_channel",
		.text = "The VM has a virtual Fibre Channel adapter.",
		.fix = "Remove it." };
	struct ud_buf b = { 0 };
	bool has = false;

	for (size_t i = 0; i < s->adapter_n; i++)
		has |= strcmp(s->adapters[i].vm, vm->uuid) == 0;
	ud_buf_putc(&b, '[');
	if (has)
		ud_shape_encode(&b, &ud_blocker_shape, &bar, NULL);
	ud_buf_putc(&b, ']');
	ret->bars.text = ud_buf_take(cx->arena, &b);
}

/* What the VM is made of, so that a change of it shows. */
static const char *hash_of(struct ud_ctx *cx, const struct ud_hy_vm *vm, const struct seen *s)
{
	struct ud_buf b = { 0 };
	char *hex = ud_alloc(cx->arena, UD_SHA256_HEX);

	ud_buf_printf(&b, "%s %s %s %lld %lld %lld\n", vm->uuid, vm->name, vm->version,
		(long long)vm->generation, (long long)vm->vcpus, (long long)vm->memory_startup);
	for (size_t i = 0; i < s->disk_n; i++)
		if (strcmp(s->disks[i].vm, vm->uuid) == 0)
			ud_buf_printf(
				&b, "%s %s\n", ud_hy_target(cx, &s->disks[i]), s->disks[i].path);
	for (size_t i = 0; i < s->nic_n; i++)
		if (strcmp(s->nics[i].vm, vm->uuid) == 0)
			ud_buf_printf(&b, "%s %s\n", s->nics[i].mac, s->nics[i].switch_name);
	ud_sha256_hex(b.data, b.len, hex);
	ud_buf_free(&b);
	return hex;
}

static enum ud_guest_agent agent_of(const struct ud_hy_vm *vm)
{
	if (!vm->heartbeat || strcmp(vm->heartbeat, "Disabled") == 0)
		return UD_GUEST_NONE;
	return strncmp(vm->heartbeat, "Ok", 2) == 0 ? UD_GUEST_CONNECTED : UD_GUEST_DISCONNECTED;
}

static void fill(
	struct ud_ctx *cx, const struct seen *s, const struct ud_hy_vm *vm, struct ud_machine *ret)
{
	*ret = (struct ud_machine){ .uuid = vm->uuid,
		.name = vm->name ? vm->name : vm->uuid,
		.power = ud_hy_power_of(vm->state),
		.power_raw = vm->state ? vm->state : "",
		.vcpus = vm->vcpus,
		.memory_bytes = vm->memory_startup,
		.firmware = vm->generation == 2 ? UD_FIRMWARE_UEFI : UD_FIRMWARE_BIOS,
		.guest_agent = agent_of(vm),
		.machine_type = ud_printf(cx->arena, "generation %lld, version %s",
			(long long)vm->generation, vm->version ? vm->version : "not known"),
		.accelerator = "hyperv",
		.autostart = vm->start_action && strcmp(vm->start_action, "Nothing") != 0,
		.definition_hash = hash_of(cx, vm, s) };
	for (size_t i = 0; i < s->link_n; i++)
		if (s->links[i].test_vm && strcmp(s->links[i].test_vm, vm->uuid) == 0)
			ret->test_of = s->links[i].vm;
	add_disks(cx, s, vm, ret);
	add_nics(cx, s, vm, ret);
	add_bars(cx, s, vm, ret);
}

/* All VMs, or the one of that UUID, with their parts. */
static enum ud_code see(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct seen *ret)
{
	struct ud_hy_batch b;

	ud_hy_begin(cx, hv, &b);
	int vm_call = ud_hy_call(&b, "Get-VM", &ud_hy_vms);

	ud_hy_guid(&b, "Id", uuid);
	int disk_call = ud_hy_call(&b, "Get-VMHardDiskDrive", &ud_hy_disks);

	ud_hy_ref(&b, "VM", vm_call);
	int nic_call = ud_hy_call(&b, "Get-VMNetworkAdapter", &ud_hy_nics);

	ud_hy_ref(&b, "VM", vm_call);
	int adapter_call = ud_hy_call(&b, "Get-VMFibreChannelHba", &adapters);

	ud_hy_ref(&b, "VM", vm_call);
	int vhd_call = ud_hy_call(&b, "Get-VHD", &vhds);

	ud_hy_each(&b, "VMId", vm_call, "Id");
	ud_hy_optional(&b);
	int link_call = ud_hy_call(&b, "Get-VMReplication", &ud_hy_links);

	ud_hy_optional(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_rows(&b, vm_call, &ret->vms, &ret->vm_n));
	UD_TRY(ud_hy_rows(&b, disk_call, &ret->disks, &ret->disk_n));
	UD_TRY(ud_hy_rows(&b, nic_call, &ret->nics, &ret->nic_n));
	UD_TRY(ud_hy_rows(&b, adapter_call, &ret->adapters, &ret->adapter_n));
	UD_TRY(ud_hy_rows(&b, vhd_call, &ret->vhds, &ret->vhd_n));
	return ud_hy_rows(&b, link_call, &ret->links, &ret->link_n);
}

enum ud_code ud_hy_inventory(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_visitor *visit, void *data)
{
	struct seen s = { 0 };

	UD_TRY(see(cx, hv, NULL, &s));
	for (size_t i = 0; i < s.vm_n; i++) {
		struct ud_machine m;

		fill(cx, &s, &s.vms[i], &m);
		UD_TRY(visit(cx, data, &m));
	}
	return UD_OK;
}

enum ud_code ud_hy_machine(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_machine *ret)
{
	struct seen s = { 0 };

	UD_TRY(see(cx, hv, uuid, &s));
	if (s.vm_n == 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no VM %s.", uuid);
	fill(cx, &s, &s.vms[0], ret);
	return UD_OK;
}

enum ud_code ud_hy_definition(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
{
	struct ud_machine m = { 0 };
	struct ud_buf b = { 0 };

	UD_TRY(ud_hy_machine(cx, hv, uuid, &m));
	ud_shape_encode(&b, &ud_machine_shape, &m, NULL);
	*ret = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

/* ---- the host ---- */

static void add_networks(
	struct ud_ctx *cx, const struct net *rows, size_t n, struct ud_host_facts *ret)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n; i++) {
		ud_buf_puts(&b, i ? ",{\"name\":" : "{\"name\":");
		ud_buf_json(&b, rows[i].name);
		ud_buf_puts(&b, ",\"kind\":");
		ud_buf_json(&b, lower(cx, rows[i].type));
		ud_buf_puts(&b, ",\"bridge\":");
		ud_buf_json(&b, rows[i].name);
		ud_buf_puts(&b, ",\"active\":true}");
	}
	ud_buf_putc(&b, ']');
	ret->networks.text = ud_buf_take(cx->arena, &b);
}

/* A card whose state nobody tells is neither up nor down. */
static void add_member(
	struct ud_buf *b, const char *name, const struct card *all, size_t n, bool *degraded)
{
	const struct card *c = NULL;

	for (size_t i = 0; i < n; i++)
		if (all[i].name && strcmp(all[i].name, name) == 0)
			c = &all[i];
	ud_buf_puts(b, "{\"name\":");
	ud_buf_json(b, name);
	bool known = c && c->status, up = known && strcmp(c->status, "Up") == 0;

	ud_buf_puts(b, !known ? ",\"up\":null}" : up ? ",\"up\":true}" : ",\"up\":false}");
	*degraded = *degraded || !up;
}

static void add_teams(struct ud_ctx *cx, const struct team *rows, size_t n,
	const struct card *cards_of, size_t card_n, struct ud_host_facts *ret)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < n; i++) {
		ud_buf_puts(&b, i ? ",{\"name\":" : "{\"name\":");
		ud_buf_json(&b, rows[i].name);
		ud_buf_puts(&b, ",\"mode\":");
		ud_buf_json(&b, rows[i].mode);
		ud_buf_puts(&b, ",\"load_balancing\":");
		ud_buf_json(&b, rows[i].algorithm);
		ud_buf_puts(&b, ",\"members\":[");
		bool degraded = false;

		for (size_t k = 0; k < rows[i].members.count; k++) {
			ud_buf_puts(&b, k ? "," : "");
			add_member(&b, rows[i].members.items[k], cards_of, card_n, &degraded);
		}
		ud_buf_puts(&b, degraded ? "],\"degraded\":true}" : "],\"degraded\":false}");
	}
	ud_buf_putc(&b, ']');
	ret->teams.text = ud_buf_take(cx->arena, &b);
}

static const char *versions_of(
	struct ud_ctx *cx, const struct ud_hy_batch *b, const struct os *system)
{
	struct ud_buf out = { 0 };

	ud_buf_puts(&out, "{\"hyper-v module\":");
	ud_buf_json(&out, b->module);
	ud_buf_puts(&out, ",\"windows\":");
	ud_buf_json(&out, system->version);
	ud_buf_putc(&out, '}');
	return ud_buf_take(cx->arena, &out);
}

static void fill_facts(struct ud_ctx *cx, const struct ud_hy_batch *b, const struct host *h,
	const struct os *system, struct ud_host_facts *ret)
{
	char boot[UD_TIME_TEXT] = "";

	if (system->boot.ms > 0)
		ud_time_format(system->boot.ms, boot);
	ret->hypervisor = "hyperv";
	ret->hypervisor_version =
		ud_printf(cx->arena, "Hyper-V, module %s", b->module ? b->module : "not known");
	ret->os = system->caption;
	ret->accelerator = "hyperv";
	ret->host_boot = ud_strdup(cx->arena, boot);
	ret->cpu_count = h->cpus;
	ret->memory_bytes = h->memory;
	ret->memory_free_bytes = system->free_kib >= 0 ? system->free_kib << 10 : UD_NONE;
	ret->machine_types = h->versions;
	ret->versions.text = versions_of(cx, b, system);
	ret->pools.text = "[]";
}

enum ud_code ud_hy_facts(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret)
{
	struct ud_host_facts f = { 0 };
	struct host h = { .cpus = UD_NONE, .memory = UD_NONE };
	struct os system = { .free_kib = UD_NONE };
	struct net *net_rows = NULL;
	struct team *team_rows = NULL;
	struct card *card_rows = NULL;
	size_t net_n = 0, team_n = 0, card_n = 0;
	struct ud_hy_batch b;
	bool found = false;

	ud_hy_begin(cx, hv, &b);
	int host_call = ud_hy_call(&b, "Get-VMHost", &hosts);
	int os_call = ud_hy_call(&b, "Get-CimInstance", &systems);

	ud_hy_text(&b, "ClassName", "Win32_OperatingSystem");
	int net_call = ud_hy_call(&b, "Get-VMSwitch", &nets);
	int team_call = ud_hy_call(&b, "Get-VMSwitchTeam", &teams);

	ud_hy_optional(&b);
	int card_call = ud_hy_call(&b, "Get-NetAdapter", &cards);

	ud_hy_optional(&b);
	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, host_call, &found, &h));
	UD_TRY(ud_hy_row(&b, os_call, &found, &system));
	UD_TRY(ud_hy_rows(&b, net_call, &net_rows, &net_n));
	UD_TRY(ud_hy_rows(&b, team_call, &team_rows, &team_n));
	UD_TRY(ud_hy_rows(&b, card_call, &card_rows, &card_n));
	fill_facts(cx, &b, &h, &system, &f);
	add_networks(cx, net_rows, net_n, &f);
	add_teams(cx, team_rows, team_n, card_rows, card_n, &f);
	UD_TRY(ud_hy_surroundings(cx, hv, &f));
	ud_hv_capabilities(cx, hv->driver, &f.capabilities);
	*ret = f;
	return UD_OK;
}

/* ---- figures ---- */

static int64_t load_of(struct ud_hy *hy, const struct ud_hy_vm *vm, int64_t now_ms, int64_t cpus)
{
	enum { NS_PER_MS = 1000000, PERCENT = 100 };
	int64_t share = (vm->load > 0 ? vm->load : 0) * (cpus > 0 ? cpus : 1) * NS_PER_MS / PERCENT;

	pthread_mutex_lock(&hy->lock);
	struct ud_hy_load *l = hy->loads;

	while (l && strcmp(l->uuid, vm->uuid) != 0)
		l = l->next;
	if (!l) {
		l = ud_malloc(sizeof(*l));
		*l = (struct ud_hy_load){ .next = hy->loads,
			.at_ms = now_ms,
			.cpu_ns = share * (vm->uptime_ms > 0 ? vm->uptime_ms : 0) };
		strncpy(l->uuid, vm->uuid, sizeof(l->uuid) - 1);
		hy->loads = l;
	}
	l->cpu_ns += share * (now_ms - l->at_ms);
	l->at_ms = now_ms;
	int64_t total = l->cpu_ns;

	pthread_mutex_unlock(&hy->lock);
	return total;
}

enum ud_code ud_hy_sample(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_sampled *visit, void *data)
{
	struct host h = { .cpus = UD_NONE, .memory = UD_NONE };
	struct ud_hy_vm *vms = NULL;
	struct ud_hy_batch b;
	bool found = false;
	size_t n = 0;

	ud_hy_begin(cx, hv, &b);
	int host_call = ud_hy_call(&b, "Get-VMHost", &hosts);
	int vm_call = ud_hy_call(&b, "Get-VM", &ud_hy_vms);

	UD_TRY(ud_hy_run(&b, UD_HY_READ_MS));
	UD_TRY(ud_hy_row(&b, host_call, &found, &h));
	UD_TRY(ud_hy_rows(&b, vm_call, &vms, &n));
	for (size_t i = 0; i < n; i++) {
		struct ud_sample s = { 0 };

		if (ud_hy_power_of(vms[i].state) != UD_POWER_RUNNING)
			continue;
		ud_shape_init(&ud_sample_shape, &s);
		s.uuid = vms[i].uuid;
		s.taken_mono_ms = ud_mono_ms(cx->env);
		s.cpu_ns = load_of(ud_hy_of(hv), &vms[i], s.taken_mono_ms, h.cpus);
		s.memory_used_bytes = vms[i].memory_assigned;
		UD_TRY(visit(cx, data, &s));
	}
	return UD_OK;
}

enum ud_code ud_hy_diagnose(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
{
	struct ud_buf b = { 0 };
	struct seen s = { 0 };
	struct ud_machine m;

	UD_TRY(see(cx, hv, uuid, &s));
	if (s.vm_n == 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no VM %s.", uuid);
	fill(cx, &s, &s.vms[0], &m);
	ud_buf_printf(&b, "== state\n%s, heartbeat %s, %s\n", m.power_raw,
		s.vms[0].heartbeat ? s.vms[0].heartbeat : "not known", m.machine_type);
	ud_buf_printf(
		&b, "== disks\n%s\n== network\n%s\n== replication\n", m.disks.text, m.nics.text);
	for (size_t i = 0; i < s.link_n; i++)
		if (strcmp(s.links[i].vm, uuid) == 0)
			ud_buf_printf(&b, "%s %s: %s, %s, from %s to %s\n", s.links[i].relationship,
				s.links[i].mode, s.links[i].state, s.links[i].health,
				s.links[i].primary ? s.links[i].primary : "",
				s.links[i].replica ? s.links[i].replica : "");
	*ret = ud_buf_take(cx->arena, &b);
	return UD_OK;
}
