/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host as libvirt and the kernel show it, and its figures. An embedded driver knows neither
 * pools nor networks; then the file system and the bridges stand for them.
 */
#include <dirent.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/env.h"
#include "base/file.h"

enum { SMALL = 1 << 20, MACHINES = 500 };

/* The first line of a small file, or NULL; never a failure. */
static const char *line_of(struct ud_ctx *cx, const char *path)
{
	const char *text;
	size_t n;

	if (ud_file_read(cx, path, SMALL, &text, &n) != UD_OK) {
		ud_ctx_clear(cx);
		return NULL;
	}
	return ud_strndup(cx->arena, text, strcspn(text, "\n"));
}

/* The value behind a line's beginning in a small file, without blanks and quotes. */
static const char *value_of(struct ud_ctx *cx, const char *path, const char *key)
{
	const char *text;
	size_t n;

	if (ud_file_read(cx, path, 4 * SMALL, &text, &n) != UD_OK) {
		ud_ctx_clear(cx);
		return NULL;
	}
	for (const char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (strncmp(at, key, strlen(key)) != 0)
			continue;
		at += strlen(key);
		at += strspn(at, " \t:=\"");
		return ud_strndup(cx->arena, at, strcspn(at, "\"\n"));
	}
	return NULL;
}

enum ud_code ud_lv_host_boot(struct ud_ctx *cx, const char **ret)
{
	*ret = line_of(cx, "/proc/sys/kernel/random/boot_id");
	return *ret ? UD_OK : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the host has no boot id");
}

/* ---- storage ---- */

static void add_pool(
	struct ud_buf *b, const char *name, const char *path, int64_t capacity, int64_t available)
{
	ud_buf_puts(b, b->len > 1 ? ",{\"name\":" : "{\"name\":");
	ud_buf_json(b, name);
	ud_buf_puts(b, ",\"path\":");
	ud_buf_json(b, path);
	ud_buf_printf(b, ",\"capacity_bytes\":%lld,\"available_bytes\":%lld}", (long long)capacity,
		(long long)available);
}

static void add_libvirt_pool(struct ud_ctx *cx, struct ud_buf *b, virStoragePoolPtr pool)
{
	virStoragePoolInfo info;
	UD_AUTO(ud_lv_doc) *doc = NULL;
	char *xml = virStoragePoolGetXMLDesc(pool, 0);

	if (!xml || virStoragePoolGetInfo(pool, &info) < 0) {
		ud_free(xml);
		return;
	}
	if (ud_lv_read(cx, ud_lv_take(cx, xml), &doc) != UD_OK) {
		ud_ctx_clear(cx);
		return;
	}
	add_pool(b, virStoragePoolGetName(pool),
		ud_lv_content(cx, ud_lv_child(xmlDocGetRootElement(doc), "target/path")),
		(int64_t)info.capacity, (int64_t)info.available);
}

static const char *pools_of(struct ud_ctx *cx, struct ud_lv *lv)
{
	struct ud_buf b = { 0 };
	virStoragePoolPtr *all = NULL;
	const char *folder = lv->root ? lv->root : "/var/lib/libvirt/images";
	struct statvfs st;
	int n = virConnectListAllStoragePools(
		lv->conn, &all, VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE);

	ud_buf_putc(&b, '[');
	for (int i = 0; i < n; i++) {
		add_libvirt_pool(cx, &b, all[i]);
		virStoragePoolFree(all[i]);
	}
	ud_free(all);
	if (n < 1 && statvfs(folder, &st) == 0)
		add_pool(&b, "files", folder, (int64_t)(st.f_blocks * st.f_frsize),
			(int64_t)(st.f_bavail * st.f_frsize));
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

/* ---- networks and teams ---- */

static void add_network(
	struct ud_buf *b, const char *name, const char *kind, const char *bridge, bool active)
{
	ud_buf_puts(b, b->len > 1 ? ",{\"name\":" : "{\"name\":");
	ud_buf_json(b, name);
	ud_buf_puts(b, ",\"kind\":");
	ud_buf_json(b, kind);
	ud_buf_puts(b, ",\"bridge\":");
	ud_buf_json(b, bridge);
	ud_buf_printf(b, ",\"active\":%s}", active ? "true" : "false");
}

typedef void with_interface(struct ud_ctx *cx, struct ud_buf *b, const char *name);

/* Each network interface of the host. */
static void each_interface(struct ud_ctx *cx, struct ud_buf *b, with_interface *with)
{
	DIR *folder = opendir("/sys/class/net");

	if (!folder)
		return;
	for (struct dirent *e; (e = readdir(folder));)
		if (e->d_name[0] != '.' && strlen(e->d_name) < IFNAMSIZ)
			with(cx, b, e->d_name);
	closedir(folder);
}

static const char *attribute_of(struct ud_ctx *cx, const char *name, const char *what)
{
	return line_of(cx, ud_printf(cx->arena, "/sys/class/net/%s/%s", name, what));
}

static void see_bridge(struct ud_ctx *cx, struct ud_buf *b, const char *name)
{
	const char *state = attribute_of(cx, name, "operstate");

	if (attribute_of(cx, name, "bridge/bridge_id"))
		add_network(b, name, "bridge", name, !state || strcmp(state, "down") != 0);
}

static const char *networks_of(struct ud_ctx *cx, struct ud_lv *lv)
{
	struct ud_buf b = { 0 };
	virNetworkPtr *all = NULL;
	int n = virConnectListAllNetworks(lv->conn, &all, 0);

	ud_buf_putc(&b, '[');
	for (int i = 0; i < n; i++) {
		char *bridge = virNetworkGetBridgeName(all[i]);

		add_network(&b, virNetworkGetName(all[i]), "network", bridge,
			virNetworkIsActive(all[i]) == 1);
		ud_free(bridge);
		virNetworkFree(all[i]);
	}
	ud_free(all);
	each_interface(cx, &b, see_bridge);
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

static void add_member(struct ud_ctx *cx, struct ud_buf *b, const char *name, bool first)
{
	const char *state = attribute_of(cx, name, "operstate");
	const char *speed = attribute_of(cx, name, "speed");

	ud_buf_puts(b, first ? "{\"name\":" : ",{\"name\":");
	ud_buf_json(b, name);
	ud_buf_printf(b, ",\"up\":%s,\"speed_mbps\":%ld}",
		state && strcmp(state, "up") == 0 ? "true" : "false",
		speed ? strtol(speed, NULL, 10) : 0);
}

static void see_team(struct ud_ctx *cx, struct ud_buf *b, const char *name)
{
	const char *members = attribute_of(cx, name, "bonding/slaves");
	const char *mode = attribute_of(cx, name, "bonding/mode");
	char *rest = NULL;

	if (!members || !mode)
		return;
	ud_buf_puts(b, b->len > 1 ? ",{\"name\":" : "{\"name\":");
	ud_buf_json(b, name);
	ud_buf_puts(b, ",\"mode\":");
	ud_buf_json(b, ud_strndup(cx->arena, mode, strcspn(mode, " ")));
	ud_buf_puts(b, ",\"members\":[");
	char *word = strtok_r(ud_strdup(cx->arena, members), " ", &rest);

	for (bool first = true; word; word = strtok_r(NULL, " ", &rest), first = false)
		add_member(cx, b, word, first);
	ud_buf_puts(b, "]}");
}

static const char *teams_of(struct ud_ctx *cx)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	each_interface(cx, &b, see_team);
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

/* ---- versions and machine types ---- */

static const char *version_text(struct ud_ctx *cx, unsigned long v)
{
	return ud_printf(cx->arena, "%lu.%lu.%lu", v / 1000000, v / 1000 % 1000, v % 1000);
}

static void add_machine_types(struct ud_ctx *cx, xmlNodePtr parent, struct ud_texts *types)
{
	for (xmlNodePtr m = ud_lv_child(parent, "machine"); m; m = ud_lv_next(m)) {
		const char *name = ud_lv_content(cx, m);
		bool twin = false;

		for (size_t i = 0; i < types->count; i++)
			twin = twin || strcmp(types->items[i], name) == 0;
		if (!twin && types->count < MACHINES)
			types->items[types->count++] = name;
	}
}

static enum ud_code see_capabilities(struct ud_ctx *cx, struct ud_lv *lv, struct ud_host_facts *f)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	char *xml = virConnectGetCapabilities(lv->conn);

	if (!xml)
		return ud_lv_fail(cx, "read the hypervisor's capabilities");
	UD_TRY(ud_lv_read(cx, ud_lv_take(cx, xml), &doc));
	xmlNodePtr root = xmlDocGetRootElement(doc);

	f->machine_types.items = ud_alloc(cx->arena, sizeof(char *) * MACHINES);
	for (xmlNodePtr g = ud_lv_child(root, "guest"); g; g = ud_lv_next(g)) {
		xmlNodePtr arch = ud_lv_child(g, "arch");
		const char *name = ud_lv_attribute(cx, arch, "name");

		if (name && strcmp(name, "x86_64") == 0)
			add_machine_types(cx, arch, &f->machine_types);
	}
	return UD_OK;
}

static enum ud_code see_versions(struct ud_ctx *cx, struct ud_lv *lv, struct ud_host_facts *f)
{
	unsigned long qemu = 0, libvirt = 0;
	struct ud_buf b = { 0 };

	if (virConnectGetVersion(lv->conn, &qemu) < 0 ||
		virConnectGetLibVersion(lv->conn, &libvirt) < 0)
		return ud_lv_fail(cx, "read the hypervisor's version");
	f->hypervisor_version = ud_printf(cx->arena, "QEMU %s, libvirt %s", version_text(cx, qemu),
		version_text(cx, libvirt));
	ud_buf_puts(&b, "{\"qemu\":");
	ud_buf_json(&b, version_text(cx, qemu));
	ud_buf_puts(&b, ",\"libvirt\":");
	ud_buf_json(&b, version_text(cx, libvirt));
	ud_buf_puts(&b, ",\"kernel\":");
	ud_buf_json(&b, line_of(cx, "/proc/sys/kernel/osrelease"));
	ud_buf_putc(&b, '}');
	f->versions.text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

enum ud_code ud_lv_facts(struct ud_ctx *cx, struct ud_hv *hv, struct ud_host_facts *ret)
{
	struct ud_lv *lv = ud_lv_of(hv);
	struct ud_host_facts f = { .hypervisor = "kvm" };
	virNodeInfo info;
	unsigned long long left = virNodeGetFreeMemory(lv->conn);
	const char *available = value_of(cx, "/proc/meminfo", "MemAvailable");

	if (virNodeGetInfo(lv->conn, &info) < 0)
		return ud_lv_fail(cx, "read the host's size");
	UD_TRY(see_versions(cx, lv, &f));
	UD_TRY(see_capabilities(cx, lv, &f));
	UD_TRY(ud_lv_host_boot(cx, &f.host_boot));
	f.os = value_of(cx, "/etc/os-release", "PRETTY_NAME");
	f.cpu_model = value_of(cx, "/proc/cpuinfo", "model name");
	f.accelerator = ud_strdup(cx->arena, lv->accel);
	f.cpu_count = info.cpus;
	f.memory_bytes = (int64_t)info.memory << 10;
	f.memory_free_bytes = available ? strtoll(available, NULL, 10) << 10 : (int64_t)left;
	f.pools.text = pools_of(cx, lv);
	f.networks.text = networks_of(cx, lv);
	f.teams.text = teams_of(cx);
	ud_hv_capabilities(cx, hv->driver, &f.capabilities);
	*ret = f;
	return UD_OK;
}

/* ---- figures ---- */

static int64_t number_of(struct ud_ctx *cx, virDomainStatsRecordPtr r, const char *name)
{
	unsigned long long u;
	long long s;

	(void)cx;
	if (virTypedParamsGetULLong(r->params, r->nparams, name, &u) == 1)
		return (int64_t)u;
	if (virTypedParamsGetLLong(r->params, r->nparams, name, &s) == 1)
		return s;
	return UD_NONE;
}

/* The sum of a figure over all disks or cards: "block.%u.rd.bytes". */
static int64_t sum_of(
	struct ud_ctx *cx, virDomainStatsRecordPtr r, const char *group, const char *figure)
{
	unsigned n = 0;
	int64_t sum = 0;

	if (virTypedParamsGetUInt(
		    r->params, r->nparams, ud_printf(cx->arena, "%s.count", group), &n) != 1)
		return UD_NONE;
	for (unsigned i = 0; i < n; i++) {
		int64_t v = number_of(cx, r, ud_printf(cx->arena, "%s.%u.%s", group, i, figure));

		sum += v == UD_NONE ? 0 : v;
	}
	return sum;
}

/* Figures of a VM's disks; unknown while one of its images is being made. */
static void sample_disks(
	struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, const char *uuid, struct ud_sample *s)
{
	virDomainPtr only[] = { d, NULL };
	virDomainStatsRecordPtr *all = NULL;

	s->disk_read_bytes = s->disk_write_bytes = s->disk_reads = s->disk_writes = UD_NONE;
	if (!ud_lv_look_begin(lv, uuid, false))
		return;
	int n = virDomainListGetStats(
		only, VIR_DOMAIN_STATS_BLOCK, &all, VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);

	ud_lv_look_end(lv, uuid);
	if (n < 1)
		return;
	s->disk_read_bytes = sum_of(cx, all[0], "block", "rd.bytes");
	s->disk_write_bytes = sum_of(cx, all[0], "block", "wr.bytes");
	s->disk_reads = sum_of(cx, all[0], "block", "rd.reqs");
	s->disk_writes = sum_of(cx, all[0], "block", "wr.reqs");
	virDomainStatsRecordListFree(all);
}

static enum ud_code sample_vm(struct ud_ctx *cx, struct ud_lv *lv, virDomainStatsRecordPtr r,
	ud_hv_sampled *visit, void *data)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	int state = 0;

	if (virTypedParamsGetInt(r->params, r->nparams, "state.state", &state) != 1 ||
		state == VIR_DOMAIN_SHUTOFF || virDomainGetUUIDString(r->dom, uuid) < 0)
		return UD_OK;
	int64_t rss = number_of(cx, r, "balloon.rss");
	struct ud_sample s = { .uuid = uuid,
		.taken_mono_ms = ud_mono_ms(cx->env),
		.cpu_ns = number_of(cx, r, "cpu.time"),
		.memory_used_bytes = rss == UD_NONE ? UD_NONE : rss << 10,
		.net_receive_bytes = sum_of(cx, r, "net", "rx.bytes"),
		.net_send_bytes = sum_of(cx, r, "net", "tx.bytes") };

	sample_disks(cx, lv, r->dom, uuid, &s);
	return visit(cx, data, &s);
}

static int64_t host_cpu_ns(struct ud_lv *lv)
{
	virNodeCPUStats all[16];
	int n = UD_LEN(all);
	int64_t ns = 0;

	if (virNodeGetCPUStats(lv->conn, VIR_NODE_CPU_STATS_ALL_CPUS, all, &n, 0) < 0)
		return UD_NONE;
	for (int i = 0; i < n; i++)
		if (strcmp(all[i].field, VIR_NODE_CPU_STATS_IDLE) != 0 &&
			strcmp(all[i].field, VIR_NODE_CPU_STATS_IOWAIT) != 0)
			ns += (int64_t)all[i].value;
	return ns;
}

static enum ud_code sample_host(
	struct ud_ctx *cx, struct ud_lv *lv, ud_hv_sampled *visit, void *data)
{
	const char *total = value_of(cx, "/proc/meminfo", "MemTotal");
	const char *available = value_of(cx, "/proc/meminfo", "MemAvailable");
	struct ud_sample s = { .taken_mono_ms = ud_mono_ms(cx->env),
		.cpu_ns = host_cpu_ns(lv),
		.memory_used_bytes = total && available
			? (strtoll(total, NULL, 10) - strtoll(available, NULL, 10)) << 10
			: UD_NONE,
		.disk_read_bytes = UD_NONE,
		.disk_write_bytes = UD_NONE,
		.disk_reads = UD_NONE,
		.disk_writes = UD_NONE,
		.net_receive_bytes = UD_NONE,
		.net_send_bytes = UD_NONE };

	return visit(cx, data, &s);
}

enum ud_code ud_lv_sample(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_sampled *visit, void *data)
{
	struct ud_lv *lv = ud_lv_of(hv);
	virDomainStatsRecordPtr *all = NULL;
	unsigned wanted = VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_CPU_TOTAL |
		VIR_DOMAIN_STATS_BALLOON | VIR_DOMAIN_STATS_INTERFACE;
	int n = virConnectGetAllDomainStats(lv->conn, wanted, &all,
		VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE |
			VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT);
	enum ud_code code = UD_OK;

	if (n < 0)
		return ud_lv_fail(cx, "read the VMs' figures");
	code = sample_host(cx, lv, visit, data);
	for (int i = 0; i < n && code == UD_OK; i++)
		code = sample_vm(cx, lv, all[i], visit, data);
	virDomainStatsRecordListFree(all);
	return code;
}
