/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A VM as libvirt shows it: what runs by its live definition, what is stored by its hash.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/crypto.h"

enum { CHAIN_MAX = 64, HEADER = 104 };

/* A machine under the pen. */
struct look {
	struct ud_ctx *cx;
	struct ud_lv *lv;
	virDomainPtr d;
	xmlNodePtr root; /* of the live definition */
	struct ud_machine *m;
};

/* ---- disks ---- */

static uint64_t big_endian(const unsigned char *p, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | p[i];
	return v;
}

/* Path of the image below this one, from its qcow2 header; NULL = it is the last. The file is the
 * guest's to write, so nothing of it is believed beyond the bounds. */
static const char *below(struct ud_ctx *cx, const char *path)
{
	unsigned char h[HEADER];
	char name[PATH_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *found = NULL;

	if (fd < 0)
		return NULL;
	if (pread(fd, h, sizeof(h), 0) == (ssize_t)sizeof(h) && memcmp(h, "QFI\xfb", 4) == 0) {
		uint64_t offset = big_endian(h + 8, 8), n = big_endian(h + 16, 4);

		if (offset > 0 && offset < 1 << 20 && n > 0 && n < 1024 &&
			pread(fd, name, n, (off_t)offset) == (ssize_t)n) {
			name[n] = '\0';
			found = ud_strdup(cx->arena, name);
		}
	}
	close(fd);
	const char *slash = strrchr(path, '/');

	if (found && *found != '/' && slash)
		return ud_printf(cx->arena, "%.*s/%s", (int)(slash - path), path, found);
	return found;
}

/* Paths below a disk's image as a JSON list. */
static const char *chain_of(struct ud_ctx *cx, const char *path)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	path = path ? below(cx, path) : NULL;
	for (int i = 0; path && i < CHAIN_MAX; i++) {
		if (i > 0)
			ud_buf_putc(&b, ',');
		ud_buf_json(&b, path);
		path = below(cx, path);
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

/* A whole device of the host, not a volume made for VMs. */
static bool is_device_of_host(const char *path)
{
	static const char *const kinds[] = { "/dev/sd", "/dev/nvme", "/dev/vd", "/dev/hd",
		"/dev/dasd" };
	char real[PATH_MAX];

	if (!path || !realpath(path, real))
		return false;
	for (size_t i = 0; i < UD_LEN(kinds); i++)
		if (strncmp(real, kinds[i], strlen(kinds[i])) == 0)
			return true;
	return false;
}

static void see_disk(struct look *l, xmlNodePtr node, const char *target, struct ud_disk *disk)
{
	struct ud_ctx *cx = l->cx;
	const char *type = ud_lv_attribute(cx, node, "type");
	const char *device = ud_lv_attribute(cx, node, "device");
	const char *format = ud_lv_attribute(cx, ud_lv_child(node, "driver"), "type");
	const char *order = ud_lv_attribute(cx, ud_lv_child(node, "boot"), "order");
	bool block = type && strcmp(type, "block") == 0;
	virDomainBlockInfo info = { 0 };

	disk->target = target;
	disk->path = ud_lv_disk_path(cx, node);
	if (!disk->path && type && strcmp(type, "network") == 0)
		disk->path = ud_lv_attribute(cx, ud_lv_child(node, "source"), "name");
	disk->format = format ? format : "raw";
	disk->bus = ud_lv_attribute(cx, ud_lv_child(node, "target"), "bus");
	disk->virtual_bytes = disk->allocated_bytes = UD_NONE;
	if (ud_lv_look_begin(l->lv, l->m->uuid, true)) {
		if (virDomainGetBlockInfo(l->d, target, &info, 0) == 0) {
			disk->virtual_bytes = (int64_t)info.capacity;
			disk->allocated_bytes = (int64_t)info.allocation;
		}
		ud_lv_look_end(l->lv, l->m->uuid);
	}
	disk->chain.text = chain_of(cx, block ? NULL : disk->path);
	disk->shared = ud_lv_child(node, "shareable") != NULL;
	disk->passthrough =
		(device && strcmp(device, "lun") == 0) || (block && is_device_of_host(disk->path));
	disk->boot = order && strcmp(order, "1") == 0;
	disk->read_only = ud_lv_child(node, "readonly") != NULL;
}

static void see_disks(struct look *l)
{
	struct ud_buf b = { 0 };
	xmlNodePtr node = ud_lv_child(l->root, "devices/disk");

	l->m->disk_bytes = 0;
	ud_buf_putc(&b, '[');
	for (; node; node = ud_lv_next(node)) {
		struct ud_disk disk = { 0 };
		const char *target = ud_lv_disk_target(l->cx, node);

		if (!target)
			continue;
		see_disk(l, node, target, &disk);
		if (disk.virtual_bytes != UD_NONE)
			l->m->disk_bytes += disk.virtual_bytes;
		if (b.len > 1)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_disk_shape, &disk, NULL);
	}
	ud_buf_putc(&b, ']');
	l->m->disks.text = ud_buf_take(l->cx->arena, &b);
}

/* ---- cards ---- */

/* The addresses of a card as the guest tells them, with those of what it has made of it. */
static const char *addresses_of(struct ud_ctx *cx, const struct ud_lv_words *w, const char *mac)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; mac && i < w->card_count; i++) {
		if (strcasecmp(w->cards[i].mac, mac) != 0 || !*w->cards[i].addresses)
			continue;
		ud_buf_puts(&b, b.len > 1 ? "," : "");
		ud_buf_puts(&b, w->cards[i].addresses);
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

static void see_nics(struct look *l, const struct ud_lv_words *words)
{
	struct ud_ctx *cx = l->cx;
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (xmlNodePtr node = ud_lv_child(l->root, "devices/interface"); node;
		node = ud_lv_next(node)) {
		xmlNodePtr source = ud_lv_child(node, "source");
		const char *state = ud_lv_attribute(cx, ud_lv_child(node, "link"), "state");
		struct ud_nic nic = { .mac = ud_lv_attribute(
					      cx, ud_lv_child(node, "mac"), "address"),
			.model = ud_lv_attribute(cx, ud_lv_child(node, "model"), "type"),
			.kind = ud_lv_attribute(cx, node, "type"),
			.source = ud_lv_attribute(cx, source, "network"),
			.link_up = !state || strcmp(state, "down") != 0 };

		if (!nic.source)
			nic.source = ud_lv_attribute(cx, source, "bridge");
		if (!nic.source)
			nic.source = ud_lv_attribute(cx, source, "dev");
		nic.addresses.text = addresses_of(cx, words, nic.mac);
		if (b.len > 1)
			ud_buf_putc(&b, ',');
		ud_shape_encode(&b, &ud_nic_shape, &nic, NULL);
	}
	ud_buf_putc(&b, ']');
	l->m->nics.text = ud_buf_take(cx->arena, &b);
}

/* ---- the whole ---- */

enum ud_guest_agent ud_lv_agent_state(xmlNodePtr domain, struct ud_ctx *cx)
{
	for (xmlNodePtr c = ud_lv_child(domain, "devices/channel"); c; c = ud_lv_next(c)) {
		xmlNodePtr target = ud_lv_child(c, "target");
		const char *name = ud_lv_attribute(cx, target, "name");
		const char *state = ud_lv_attribute(cx, target, "state");

		if (name && strcmp(name, "org.qemu.guest_agent.0") == 0)
			return state && strcmp(state, "connected") == 0 ? UD_GUEST_CONNECTED
									: UD_GUEST_DISCONNECTED;
	}
	return UD_GUEST_NONE;
}

static int64_t in_bytes(struct ud_ctx *cx, xmlNodePtr node)
{
	const char *unit = ud_lv_attribute(cx, node, "unit");
	int64_t n = ud_lv_number(cx, node);

	/* libvirt writes KiB whatever it was given */
	return n == UD_NONE || (unit && strcmp(unit, "KiB") != 0) ? UD_NONE : n << 10;
}

static void see_definition(struct look *l)
{
	struct ud_ctx *cx = l->cx;
	struct ud_machine *m = l->m;
	xmlNodePtr type = ud_lv_child(l->root, "os/type");
	const char *firmware = ud_lv_attribute(cx, ud_lv_child(l->root, "os"), "firmware");
	const char *loader = ud_lv_attribute(cx, ud_lv_child(l->root, "os/loader"), "type");
	const char *domain = ud_lv_attribute(cx, l->root, "type");

	m->name = ud_lv_content(cx, ud_lv_child(l->root, "name"));
	m->vcpus = ud_lv_number(cx, ud_lv_child(l->root, "vcpu"));
	m->memory_bytes = in_bytes(cx, ud_lv_child(l->root, "memory"));
	m->machine_type = ud_lv_attribute(cx, type, "machine");
	m->firmware = (firmware && strcmp(firmware, "efi") == 0) ||
			(loader && strcmp(loader, "pflash") == 0)
		? UD_FIRMWARE_UEFI
		: UD_FIRMWARE_BIOS;
	m->accelerator = domain && strcmp(domain, "kvm") == 0 ? "kvm" : "tcg";
	m->guest_agent = ud_lv_agent_state(l->root, cx);
	m->test_of = ud_lv_attribute(cx, ud_lv_child(l->root, "metadata/copy"), "test_of");
}

static enum ud_code see(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d, struct ud_machine *ret)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	struct ud_machine m = { 0 };
	char uuid[VIR_UUID_STRING_BUFLEN], hash[UD_SHA256_HEX];
	enum ud_power power;
	int autostart = 0;

	if (virDomainGetUUIDString(d, uuid) < 0)
		return ud_lv_fail(cx, "read the VM's UUID");
	m.uuid = ud_strdup(cx->arena, uuid);
	UD_TRY(ud_lv_power(cx, d, &power, &m.power_raw));
	m.power = power;
	char *stored = virDomainGetXMLDesc(d, VIR_DOMAIN_XML_INACTIVE);

	if (!stored)
		return ud_lv_fail(cx, "read the VM's definition");
	const char *text = ud_lv_take(cx, stored);

	ud_sha256_hex(text, strlen(text), hash);
	m.definition_hash = ud_strdup(cx->arena, hash);
	UD_TRY(ud_lv_definition(cx, d, 0, &doc));
	struct look l = { cx, lv, d, xmlDocGetRootElement(doc), &m };

	see_definition(&l);
	see_disks(&l);
	struct ud_lv_words words = { 0 };

	ud_lv_words(cx, lv, d, uuid,
		m.guest_agent == UD_GUEST_CONNECTED && m.power == UD_POWER_RUNNING, &words);
	see_nics(&l, &words);
	m.guest_os = words.os;
	m.transient = virDomainIsPersistent(d) == 0;
	m.bars.text = ud_lv_bars(cx, l.root, text, m.transient);
	m.autostart = virDomainGetAutostart(d, &autostart) == 0 && autostart;
	*ret = m;
	return UD_OK;
}

enum ud_code ud_lv_machine(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_machine *ret)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	return see(cx, lv, d, ret);
}

enum ud_code ud_lv_inventory(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_visitor *visit, void *data)
{
	struct ud_lv *lv = ud_lv_of(hv);
	virDomainPtr *all = NULL;
	int n = virConnectListAllDomains(lv->conn, &all, 0);
	enum ud_code code = UD_OK;

	if (n < 0)
		return ud_lv_fail(cx, "list the VMs");
	for (int i = 0; i < n; i++) {
		struct ud_machine m = { 0 };

		if (code == UD_OK) {
			code = see(cx, lv, all[i], &m);
			if (code == UD_OK)
				code = visit(cx, data, &m);
			else if (code == UD_E_NOT_FOUND) /* it went away meanwhile */
				code = UD_OK;
		}
		virDomainFree(all[i]);
	}
	ud_free(all);
	return code;
}
