/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Definitions out and in. What comes in is another host's word: a new document is built from the
 * old one by a list of what is allowed, element by element and attribute by attribute. Whatever
 * reaches beyond the VM (devices of the host, sockets and files for devices, commands for QEMU,
 * hooks, credentials) is not on the list and is left out.
 */
#include <string.h>

#include "agent/drivers/libvirt/inside.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rules.h"

/* An element that may come in: its path, its attributes, and whether its text is taken. "*" as
 * attributes = all of them, "/" at the end of a path = with all that is inside. */
static const struct allowed {
	const char *path, *attributes;
	bool text;
} allowed[] = {
	/* path, attributes, text */
	{ "domain", "type", false },
	{ "domain/name", "", true },
	{ "domain/uuid", "", true },
	{ "domain/title", "", true },
	{ "domain/description", "", true },
	{ "domain/memory", "unit", true },
	{ "domain/currentMemory", "unit", true },
	{ "domain/vcpu", "placement current", true },
	{ "domain/iothreads", "", true },
	{ "domain/os", "firmware", false },
	{ "domain/os/type", "arch machine", true },
	{ "domain/os/loader", "readonly secure type", true },
	{ "domain/os/nvram", "template", true },
	{ "domain/os/kernel", "", true },
	{ "domain/os/initrd", "", true },
	{ "domain/os/cmdline", "", true },
	{ "domain/os/boot", "dev", false },
	{ "domain/os/bootmenu", "enable timeout", false },
	{ "domain/os/smbios", "mode", false },
	{ "domain/features/", "*", true },
	{ "domain/cpu/", "*", true },
	{ "domain/clock/", "*", false },
	{ "domain/on_poweroff", "", true },
	{ "domain/on_reboot", "", true },
	{ "domain/on_crash", "", true },
	{ "domain/pm/", "*", false },
	{ "domain/devices", "", false },
	{ "domain/devices/disk", "type device", false },
	{ "domain/devices/disk/driver", "name type cache io discard detect_zeroes queues", false },
	{ "domain/devices/disk/source", "file startupPolicy", false },
	{ "domain/devices/disk/target", "dev bus rotation_rate", false },
	{ "domain/devices/disk/iotune/", "", true },
	{ "domain/devices/disk/serial", "", true },
	{ "domain/devices/disk/wwn", "", true },
	{ "domain/devices/disk/boot", "order", false },
	{ "domain/devices/disk/readonly", "", false },
	{ "domain/devices/disk/address", "*", false },
	{ "domain/devices/controller", "type index model ports", false },
	{ "domain/devices/controller/model", "name", false },
	{ "domain/devices/controller/target", "chassis chassisNr port busNr", false },
	{ "domain/devices/controller/address", "*", false },
	{ "domain/devices/interface", "type", false },
	{ "domain/devices/interface/mac", "address", false },
	{ "domain/devices/interface/source", "bridge network portgroup address port", false },
	{ "domain/devices/interface/model", "type", false },
	{ "domain/devices/interface/mtu", "size", false },
	{ "domain/devices/interface/link", "state", false },
	{ "domain/devices/interface/boot", "order", false },
	{ "domain/devices/interface/address", "*", false },
	{ "domain/devices/channel", "type", false },
	{ "domain/devices/channel/target", "type name", false },
	{ "domain/devices/channel/address", "*", false },
	{ "domain/devices/input", "type bus", false },
	{ "domain/devices/input/address", "*", false },
	{ "domain/devices/video", "", false },
	{ "domain/devices/video/model", "type vram heads primary ram vgamem", false },
	{ "domain/devices/video/address", "*", false },
	{ "domain/devices/sound", "model", false },
	{ "domain/devices/sound/address", "*", false },
	{ "domain/devices/watchdog", "model action", false },
	{ "domain/devices/watchdog/address", "*", false },
	{ "domain/devices/memballoon", "model", false },
	{ "domain/devices/memballoon/address", "*", false },
	{ "domain/devices/tpm", "model", false },
	{ "domain/devices/tpm/backend", "type version persistent_state", false },
	{ "domain/devices/tpm/backend/active_pcr_banks/", "", false },
	{ "domain/devices/panic", "model", false },
	{ "domain/devices/panic/address", "*", false },
};

/* Values that an attribute or text of some elements must have; others are left out with the
 * element. */
static const struct bound {
	const char *path, *attribute; /* NULL = the text */
	const char *words;
} bounds[] = {
	{ "domain", "type", "kvm qemu" },
	{ "domain/devices/disk", "type", "file" },
	{ "domain/devices/disk", "device", "disk cdrom" },
	{ "domain/devices/interface", "type", "bridge network user mcast" },
	{ "domain/devices/channel", "type", "unix" },
	{ "domain/devices/channel/target", "name", "org.qemu.guest_agent.0" },
};

struct reducing {
	struct ud_ctx *cx;
	struct ud_buf dropped;
	size_t dropped_count;
};
enum { DROPPED_MAX = 50, DEEP_MAX = 24, PATH_TEXT = 512 };

static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; n && (at = strstr(at, word)); at += n)
		if ((at == words || at[-1] == ' ') && (at[n] == '\0' || at[n] == ' '))
			return true;
	return false;
}

static const struct allowed *rule_for(const char *path)
{
	for (size_t i = 0; i < UD_LEN(allowed); i++) {
		size_t n = strlen(allowed[i].path);
		bool deep = allowed[i].path[n - 1] == '/';

		if (strcmp(path, allowed[i].path) == 0 ||
			(deep && strncmp(path, allowed[i].path, n - 1) == 0 &&
				(path[n - 1] == '\0' || path[n - 1] == '/')))
			return &allowed[i];
	}
	return NULL;
}

static bool within_bounds(struct ud_ctx *cx, xmlNodePtr node, const char *path)
{
	if (strcmp(path, "domain/devices/tpm") == 0)
		return ud_lv_tpm_ships(cx, node);
	for (size_t i = 0; i < UD_LEN(bounds); i++) {
		if (strcmp(bounds[i].path, path) != 0)
			continue;
		const char *value = ud_lv_attribute(cx, node, bounds[i].attribute);

		if (value && !has_word(bounds[i].words, value))
			return false;
	}
	return true;
}

static void drop(struct reducing *r, const char *path)
{
	if (r->dropped_count++ < DROPPED_MAX)
		ud_buf_printf(&r->dropped, "%s%s", r->dropped.len ? ", " : "", path);
}

static void copy_attributes(struct ud_ctx *cx, xmlNodePtr from, xmlNodePtr to, const char *which)
{
	for (xmlAttrPtr a = from->properties; a; a = a->next) {
		const char *name = (const char *)a->name;

		if (!a->ns && (strcmp(which, "*") == 0 || has_word(which, name)))
			ud_lv_set(to, name, ud_lv_attribute(cx, from, name));
	}
}

/* The text directly inside, not that of the elements inside. */
static void copy_text(xmlNodePtr from, xmlNodePtr to)
{
	for (xmlNodePtr c = from->children; c; c = c->next)
		if (c->type == XML_TEXT_NODE && !xmlIsBlankNode(c))
			xmlNodeAddContent(to, c->content);
}

static void reduce_children(
	struct reducing *r, xmlNodePtr from, xmlNodePtr to, const char *path, int deep);

static void reduce_element(
	struct reducing *r, xmlNodePtr from, xmlNodePtr parent, const char *path, int deep)
{
	const struct allowed *rule = from->ns ? NULL : rule_for(path);

	if (!rule || deep > DEEP_MAX || strlen(path) > PATH_TEXT ||
		!within_bounds(r->cx, from, path)) {
		drop(r, path);
		return;
	}
	xmlNodePtr to = ud_lv_add(parent, (const char *)from->name, NULL);

	copy_attributes(r->cx, from, to, rule->attributes);
	if (rule->text)
		copy_text(from, to);
	reduce_children(r, from, to, path, deep + 1);
}

static void reduce_children(
	struct reducing *r, xmlNodePtr from, xmlNodePtr to, const char *path, int deep)
{
	for (xmlNodePtr c = from->children; c; c = c->next)
		if (c->type == XML_ELEMENT_NODE)
			reduce_element(r, c, to,
				ud_printf(r->cx->arena, "%s/%s", path, (const char *)c->name),
				deep);
}

/* A console and a source of chance that reach nothing but the guest itself. */
static void add_own_devices(xmlNodePtr devices)
{
	xmlNodePtr serial = ud_lv_add(devices, "serial", NULL);
	xmlNodePtr rng = ud_lv_add(devices, "rng", NULL);

	ud_lv_set(serial, "type", "pty");
	ud_lv_set(ud_lv_add(serial, "target", NULL), "port", "0");
	ud_lv_set(rng, "model", "virtio");
	ud_lv_set(ud_lv_add(rng, "backend", "/dev/urandom"), "model", "random");
}

/* Files that firmware and direct boot name lie where such files belong. */
static enum ud_code check_paths(struct ud_ctx *cx, xmlNodePtr root)
{
	const char *loader = ud_lv_content(cx, ud_lv_child(root, "os/loader"));
	const char *template = ud_lv_attribute(cx, ud_lv_child(root, "os/nvram"), "template");
	const char *const firmware[] = { loader, template };

	for (size_t i = 0; i < UD_LEN(firmware); i++)
		if (firmware[i] && *firmware[i] &&
			(strncmp(firmware[i], "/usr/share/", 11) != 0 ||
				strstr(firmware[i], "/../")))
			return ud_fail(cx, UD_E_VALIDATION, NULL,
				"The firmware %s is none of this host's.", firmware[i]);
	return UD_OK;
}

enum ud_code ud_lv_reduce(
	struct ud_ctx *cx, const char *text, ud_lv_doc **ret, const char **ret_dropped)
{
	UD_AUTO(ud_lv_doc) *old = NULL;
	UD_AUTO(ud_lv_doc) *new = xmlNewDoc((const xmlChar *)"1.0");
	struct reducing r = { .cx = cx };

	UD_TRY(ud_lv_read(cx, text, &old));
	xmlNodePtr from = xmlDocGetRootElement(old);

	if (strcmp((const char *)from->name, "domain") != 0 || !within_bounds(cx, from, "domain"))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "This is no VM's definition.");
	xmlNodePtr to = xmlNewNode(NULL, (const xmlChar *)"domain");

	xmlDocSetRootElement(new, to);
	copy_attributes(cx, from, to, "type");
	reduce_children(&r, from, to, "domain", 0);
	*ret_dropped = ud_buf_take(cx->arena, &r.dropped);
	const char *uuid = ud_lv_content(cx, ud_lv_child(to, "uuid"));
	const char *name = ud_lv_content(cx, ud_lv_child(to, "name"));

	if (!uuid || ud_rule_uuid(cx, uuid) || !name || !*name || strchr(name, '/'))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "The definition has no UUID or name.");
	UD_TRY(check_paths(cx, to));
	xmlNodePtr devices = ud_lv_child(to, "devices");

	if (!devices)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "The definition has no devices.");
	add_own_devices(devices);
	*ret = UD_TAKE(new);
	return UD_OK;
}

enum ud_code ud_lv_export(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char **ret)
{
	UD_AUTO(ud_lv_domain) *d = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	char *xml = virDomainGetXMLDesc(d, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);

	if (!xml)
		return ud_lv_fail(cx, "read the VM's definition");
	*ret = ud_lv_take(cx, xml);
	return UD_OK;
}

enum ud_code ud_lv_import(
	struct ud_ctx *cx, struct ud_hv *hv, const char *text, const char **ret_uuid)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_doc) *doc = NULL;
	UD_AUTO(ud_lv_domain) *there = NULL;
	UD_AUTO(ud_lv_domain) *d = NULL;
	const char *dropped = NULL;

	UD_TRY(ud_lv_reduce(cx, text, &doc, &dropped));
	const char *uuid = ud_lv_content(cx, ud_lv_child(xmlDocGetRootElement(doc), "uuid"));

	if (ud_lv_find(cx, lv, uuid, &there) == UD_OK)
		return ud_fail(cx, UD_E_ALREADY_EXISTS, NULL, "There is a VM %s.", uuid);
	ud_ctx_clear(cx);
	d = virDomainDefineXMLFlags(lv->conn, ud_lv_text_of(cx, doc), VIR_DOMAIN_DEFINE_VALIDATE);
	if (!d)
		return ud_lv_fail(cx, "define the VM");
	ud_log(UD_LOG_INFO, "definition_imported", "vm", uuid, "left_out", dropped, NULL);
	*ret_uuid = uuid;
	return UD_OK;
}

enum ud_code ud_lv_undefine(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	enum ud_power power = UD_POWER_UNKNOWN;
	const char *raw = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(ud_lv_power(cx, d, &power, &raw));
	if (power != UD_POWER_OFF && power != UD_POWER_SAVED)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is %s, not off.", raw);
	if (virDomainUndefineFlags(d,
		    VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
			    VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA |
			    VIR_DOMAIN_UNDEFINE_KEEP_NVRAM | VIR_DOMAIN_UNDEFINE_KEEP_TPM) < 0)
		return ud_lv_fail(cx, "undefine the VM");
	return UD_OK;
}
