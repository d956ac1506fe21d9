/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A replica's VM: brought up from a point, called off, made final; a test's copy beside it; and the
 * other end, a former source that gives its VM up. The definition is the one the point brought,
 * reduced like any that comes from elsewhere, with the disks, networks and firmware of here.
 */
#include <stdio.h>
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rules.h"

#define ACTIVE "active"
#define COPY_URI "urn:understudy:copy"
enum { XML_MAX = 4 << 20, UUID_TEXT = 37, MAC_TEXT = 18 };

/* ---- the definition ---- */

static const struct ud_clone_disk *disk_of(const struct ud_clone *clone, const char *target)
{
	for (size_t i = 0; i < clone->disk_count; i++)
		if (strcmp(clone->disks[i].name, target) == 0)
			return &clone->disks[i];
	return NULL;
}

static void drop_node(xmlNodePtr node)
{
	if (!node)
		return;
	xmlUnlinkNode(node);
	xmlFreeNode(node);
}

/* The source of a disk becomes the clone's overlay, whatever it was. */
static void use_overlay(xmlNodePtr disk, const char *path)
{
	xmlNodePtr driver = ud_lv_child(disk, "driver");

	drop_node(ud_lv_child(disk, "source"));
	ud_lv_set(disk, "type", "file");
	ud_lv_set(ud_lv_add(disk, "source", NULL), "file", path);
	if (!driver)
		driver = ud_lv_add(disk, "driver", NULL);
	ud_lv_set(driver, "name", "qemu");
	ud_lv_set(driver, "type", "qcow2");
	ud_lv_set(driver, "discard", "unmap");
}

/* Disks of the point get their overlays; those that were left out, and media, are not here. */
static void place_disks(struct ud_ctx *cx, xmlNodePtr root, const struct ud_clone *clone)
{
	xmlNodePtr next;

	for (xmlNodePtr disk = ud_lv_child(root, "devices/disk"); disk; disk = next) {
		const char *target = ud_lv_attribute(cx, ud_lv_child(disk, "target"), "dev");
		const char *device = ud_lv_attribute(cx, disk, "device");
		const struct ud_clone_disk *here = target ? disk_of(clone, target) : NULL;

		next = ud_lv_next(disk);
		if (here)
			use_overlay(disk, here->path);
		else if (device && strcmp(device, "cdrom") == 0)
			drop_node(ud_lv_child(disk, "source"));
		else
			drop_node(disk);
	}
}

/* The network that a card is to have: NULL = none is named for it. "" = its cable is pulled. */
static const char *network_for(struct ud_ctx *cx, json_t *networks, const char *mac)
{
	size_t i;
	json_t *item;

	json_array_foreach(networks, i, item)
	{
		const char *is = json_string_value(json_object_get(item, "mac"));
		const char *network = json_string_value(json_object_get(item, "network"));

		if (is && mac && strcasecmp(is, mac) == 0)
			return ud_strdup(cx->arena, network ? network : "");
	}
	return NULL;
}

static void set_link(xmlNodePtr card, bool up)
{
	drop_node(ud_lv_child(card, "link"));
	ud_lv_set(ud_lv_add(card, "link", NULL), "state", up ? "up" : "down");
}

/* A cable that leads nowhere: what QEMU itself provides, and down. */
static void pull_cable(xmlNodePtr card)
{
	drop_node(ud_lv_child(card, "source"));
	ud_lv_set(card, "type", "user");
	set_link(card, false);
}

static void plug_in(struct ud_lv *lv, xmlNodePtr card, const char *network)
{
	virNetworkPtr known = virNetworkLookupByName(lv->conn, network);

	drop_node(ud_lv_child(card, "source"));
	ud_lv_set(card, "type", known ? "network" : "bridge");
	ud_lv_set(ud_lv_add(card, "source", NULL), known ? "network" : "bridge", network);
	set_link(card, true);
	if (known)
		virNetworkFree(known);
}

/* A test's copy has addresses of its own, and no cable that was not named. test_id NULL: it is the
 * VM itself. */
static enum ud_code place_cards(struct ud_ctx *cx, struct ud_lv *lv, xmlNodePtr root,
	const char *networks, const char *test_id)
{
	json_t *list = NULL;

	if (networks)
		UD_TRY(ud_json_parse(cx, networks, strlen(networks), UD_JSON_MEMBERS, &list));
	for (xmlNodePtr card = ud_lv_child(root, "devices/interface"); card;
		card = ud_lv_next(card)) {
		xmlNodePtr mac = ud_lv_child(card, "mac");
		const char *address = ud_lv_attribute(cx, mac, "address");
		const char *to = network_for(cx, list, address);

		if (to && *to)
			plug_in(lv, card, to);
		else if (to || test_id)
			pull_cable(card);
		if (test_id && address)
			ud_lv_set(mac, "address", ud_hv_test_mac(cx, test_id, address));
	}
	json_decref(list);
	return UD_OK;
}

/* Variables of the firmware, as they were at the point. */
static enum ud_code place_nvram(struct ud_ctx *cx, struct ud_lv_relation *r, xmlNodePtr root,
	const char *point_id, const char *name)
{
	xmlNodePtr nvram = ud_lv_child(root, "os/nvram");
	const char *data = NULL;
	size_t n = 0;

	if (!nvram)
		return UD_OK;
	enum ud_code code = ud_store_file(cx, r->store, point_id, "nvram.fd", &data, &n);

	if (code == UD_E_NOT_FOUND) {
		ud_ctx_clear(cx);
		xmlNodeSetContent(nvram, (const xmlChar *)"");
		return UD_OK;
	}
	UD_TRY(code);
	const char *path = ud_printf(cx->arena, "%s/nvram-%s.fd", r->dir, name);

	UD_TRY(ud_file_write(cx, path, data, n, 0600));
	xmlNodeSetContent(nvram, (const xmlChar *)path);
	return UD_OK;
}

/* The TPM's state, as it was at the point, for the VM that is about to be defined; one that came
 * without, or that this host cannot emulate, is taken out. */
static enum ud_code place_tpm(
	struct ud_ctx *cx, struct ud_lv_relation *r, xmlNodePtr root, const char *point_id)
{
	const char *uuid = ud_lv_content(cx, ud_lv_child(root, "uuid"));
	xmlNodePtr tpm = ud_lv_child(root, "devices/tpm");
	const char *data = NULL;
	size_t n = 0;

	if (!tpm)
		return UD_OK;
	enum ud_code code = ud_store_file(cx, r->store, point_id, UD_LV_TPM_FILE, &data, &n);
	bool none = code == UD_E_NOT_FOUND;

	if (none)
		ud_ctx_clear(cx);
	if (none || (code == UD_OK && !ud_lv_tpm_can(cx, r->lv))) {
		ud_log(UD_LOG_WARNING, "tpm_left_out", "vm", uuid, "reason",
			none ? "the point has no state of it" : "this host has no swtpm", NULL);
		drop_node(tpm);
		return UD_OK;
	}
	UD_TRY(code);
	return ud_lv_tpm_place(cx, r->lv, uuid, data, n);
}

/* The definition of a point, with the clone's disks; *ret is a reduced one. */
static enum ud_code definition_for(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_clone *clone, const char *networks, const char *test_id, ud_lv_doc **ret)
{
	UD_AUTO(ud_lv_doc) *given = NULL;
	const char *text = NULL, *dropped = NULL;
	size_t n = 0;

	UD_TRY(ud_store_file(cx, r->store, clone->point_id, "domain.xml", &text, &n));
	UD_TRY(ud_lv_read(cx, text, &given));
	xmlNodePtr root = xmlDocGetRootElement(given);
	const char *type = ud_lv_attribute(cx, root, "type");

	if (type && strcmp(type, "kvm") == 0 && strcmp(r->lv->accel, "kvm") != 0)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL,
			"The VM wants KVM, and KVM does not work on this host.");
	place_disks(cx, root, clone);
	UD_TRY(place_cards(cx, r->lv, root, networks, test_id));
	UD_TRY(place_nvram(cx, r, root, clone->point_id, clone->name));
	UD_TRY(ud_lv_boot_place(cx, r, root, clone->point_id, clone->name));
	return ud_lv_reduce(cx, ud_lv_text_of(cx, given), ret, &dropped);
}

static enum ud_code roots_of(
	struct ud_ctx *cx, const struct ud_manifest *point, struct ud_json *ret)
{
	const struct ud_manifest_disk *disks = NULL;
	struct ud_buf b = { 0 };
	size_t n = 0;
	bool first = true;

	UD_TRY(ud_manifest_disks(cx, point, &disks, &n));
	ud_buf_putc(&b, '{');
	for (size_t i = 0; i < n; i++) {
		ud_buf_key(&b, &first, disks[i].name);
		ud_buf_json(&b, disks[i].root);
	}
	ud_buf_putc(&b, '}');
	ret->text = ud_buf_take(cx->arena, &b);
	return UD_OK;
}

/* ---- failover ---- */

/* Define the VM when it is not, and start it standing still when it is off. */
static enum ud_code bring_up(struct ud_ctx *cx, struct ud_lv *lv, const char *uuid, const char *xml)
{
	UD_AUTO(ud_lv_domain) *d = NULL;

	if (ud_lv_find(cx, lv, uuid, &d) != UD_OK) {
		ud_ctx_clear(cx);
		d = virDomainDefineXMLFlags(lv->conn, xml, VIR_DOMAIN_DEFINE_VALIDATE);
		if (!d)
			return ud_lv_fail(cx, "define the VM");
	}
	if (virDomainIsActive(d) == 1)
		return UD_OK;
	if (virDomainCreateWithFlags(d, VIR_DOMAIN_START_PAUSED) < 0)
		return ud_lv_fail(cx, "start the VM standing still");
	return UD_OK;
}

/* A VM that is defined here has had its TPM's state, and may have written to it since. */
static enum ud_code place_new(
	struct ud_ctx *cx, struct ud_lv_relation *r, xmlNodePtr root, const char *point_id)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	const char *uuid = ud_lv_content(cx, ud_lv_child(root, "uuid"));

	if (ud_lv_find(cx, r->lv, uuid, &d) == UD_OK)
		return UD_OK;
	ud_ctx_clear(cx);
	return place_tpm(cx, r, root, point_id);
}

/* The former source goes on with its own disks. */
static enum ud_code bring_back(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, struct ud_lv_state *state)
{
	const char *text = "";
	size_t n;

	if (state->displaced)
		UD_TRY(ud_file_read(
			cx, ud_printf(cx->arena, "%s/former.xml", r->dir), XML_MAX, &text, &n));
	UD_TRY(bring_up(cx, r->lv, relation->uuid, text));
	state->displaced = false;
	state->divergent = "";
	return ud_lv_state_write(cx, r, state);
}

static enum ud_code fail_over(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	struct ud_stored_point point = { 0 };
	struct ud_clone clone = { 0 };
	UD_AUTO(ud_lv_doc) *doc = NULL;

	ud_lv_relation_read(cx, r, &relation, &state);
	if (relation.role == UD_RELATION_SOURCE && !promotion->point_id) {
		*ret = (struct ud_hv_promoted){ 0 };
		return bring_back(cx, r, &relation, &state);
	}
	/* it was brought up before, and goes on as it is */
	if (*state.failed_over && !promotion->point_id) {
		*ret = (struct ud_hv_promoted){ .point_id = state.failed_over };
		return bring_up(cx, r->lv, relation.uuid, "");
	}
	if (relation.role != UD_RELATION_TARGET || !promotion->point_id)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"This host is not the VM's replica, or no point was named.");
	if (*state.failed_over && strcmp(state.failed_over, promotion->point_id) != 0)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The VM was brought up from the point %s.", state.failed_over);
	UD_TRY(ud_lv_store_open(cx, r));
	UD_TRY(ud_store_point(cx, r->store, promotion->point_id, &point));
	if (*point.bad)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The point is bad: %s", point.bad);
	/* from here on nothing comes in any more, also after a crash */
	state.failed_over = promotion->point_id;
	state.state = UD_REPLICATION_FAILED_OVER_UNCOMMITTED;
	UD_TRY(ud_lv_state_write(cx, r, &state));
	ud_lv_cut(r);
	UD_TRY(ud_store_clone(cx, r->store, promotion->point_id, ACTIVE, &clone));
	UD_TRY(definition_for(cx, r, &clone, promotion->networks.text, NULL, &doc));
	UD_TRY(roots_of(cx, &point.point, &ret->roots));
	ret->point_id = point.point.id;
	UD_TRY(place_new(cx, r, xmlDocGetRootElement(doc), promotion->point_id));
	UD_TRY(bring_up(cx, r->lv, relation.uuid, ud_lv_text_of(cx, doc)));
	/* it stands still yet: what it writes from here on is recorded, for the way back */
	if (!*state.checkpoint) {
		ud_lv_parted_mark(cx, r, &relation, &state.checkpoint);
		UD_TRY(ud_lv_state_write(cx, r, &state));
	}
	return UD_OK;
}

enum ud_code ud_lv_fail_over(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_hv_promotion *promotion, struct ud_hv_promoted *ret)
{
	struct ud_lv_relation *r = NULL;

	UD_TRY(ud_lv_relation_get(cx, ud_lv_of(hv), promotion->replication_id, &r));
	pthread_mutex_lock(&r->work);
	enum ud_code code = fail_over(cx, r, promotion, ret);

	pthread_mutex_unlock(&r->work);
	ud_lv_relation_changed(r);
	return code;
}

static enum ud_code complete(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	ud_lv_relation_read(cx, r, &relation, &state);
	if (!*state.failed_over)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "Nothing was failed over.");
	UD_TRY(ud_lv_store_open(cx, r));
	UD_TRY(ud_lv_forward_forget(cx, r->store));
	UD_TRY(ud_store_drop_newer(cx, r->store, state.failed_over));
	state.committed = true;
	state.state = UD_REPLICATION_COMMITTED;
	return ud_lv_state_write(cx, r, &state);
}

enum ud_code ud_lv_complete(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id)
{
	struct ud_lv_relation *r = NULL;

	UD_TRY(ud_lv_relation_get(cx, ud_lv_of(hv), replication_id, &r));
	pthread_mutex_lock(&r->work);
	enum ud_code code = complete(cx, r);

	pthread_mutex_unlock(&r->work);
	ud_lv_relation_changed(r);
	return code;
}

/* Switch a VM off and take its definition away. */
static enum ud_code take_away(struct ud_ctx *cx, struct ud_lv *lv, const char *uuid)
{
	UD_AUTO(ud_lv_domain) *d = NULL;

	if (ud_lv_find(cx, lv, uuid, &d) != UD_OK) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	UD_TRY(ud_lv_power_off(cx, &lv->hv, uuid));
	return virDomainIsPersistent(d) == 1 ? ud_lv_undefine(cx, &lv->hv, uuid) : UD_OK;
}

static enum ud_code cancel(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	ud_lv_relation_read(cx, r, &relation, &state);
	if (state.committed)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The failover is complete.");
	if (!*state.failed_over || relation.role != UD_RELATION_TARGET)
		return UD_OK;
	UD_TRY(take_away(cx, r->lv, relation.uuid));
	ud_lv_tpm_clear(cx, r->lv, relation.uuid);
	UD_TRY(ud_lv_store_open(cx, r));
	UD_TRY(ud_store_clone_drop(cx, r->store, ACTIVE));
	state.failed_over = state.checkpoint = "";
	state.state = UD_REPLICATION_REPLICATING;
	return ud_lv_state_write(cx, r, &state);
}

enum ud_code ud_lv_cancel(struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id)
{
	struct ud_lv_relation *r = NULL;

	UD_TRY(ud_lv_relation_get(cx, ud_lv_of(hv), replication_id, &r));
	pthread_mutex_lock(&r->work);
	enum ud_code code = cancel(cx, r);

	pthread_mutex_unlock(&r->work);
	ud_lv_relation_changed(r);
	return code;
}

enum ud_code ud_lv_prepare(
	struct ud_ctx *cx, struct ud_hv *hv, const char *replication_id, struct ud_point *ret)
{
	struct ud_lv_relation *r = NULL;
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	UD_TRY(ud_lv_relation_get(cx, ud_lv_of(hv), replication_id, &r));
	pthread_mutex_lock(&r->work);
	enum ud_code code = ud_lv_cycle(cx, r, true, ret);

	if (code == UD_OK) {
		ud_lv_relation_read(cx, r, &relation, &state);
		state.state = UD_REPLICATION_PREPARED;
		code = ud_lv_state_write(cx, r, &state);
	}
	pthread_mutex_unlock(&r->work);
	ud_lv_relation_changed(r);
	return code;
}

/* ---- a former source ---- */

static enum ud_code add_dirty(
	struct ud_ctx *cx, void *data, int64_t offset, int64_t length, enum ud_extent_kind kind)
{
	(void)cx, (void)offset;
	if (kind != UD_EXTENT_CLEAN)
		*(int64_t *)data += length;
	return UD_OK;
}

/* What the disks hold beyond the target's newest point, by their bitmaps; UD_NONE: nobody knows. */
static int64_t own_bytes(struct ud_ctx *cx, struct ud_lv_relation *r, xmlNodePtr root,
	const struct ud_relation *relation, const struct ud_lv_state *state)
{
	UD_AUTO(ud_lv_images) *images = NULL;
	UD_AUTO(ud_source) *source = NULL;
	struct ud_lv_image disks[UD_LV_DISKS];
	int64_t bytes = 0;
	size_t n = 0;

	if (ud_lv_images_of(cx, root, &relation->excluded_disks, disks, &n) != UD_OK)
		n = 0;
	if (!state->compare && ud_lv_images_untouched(r->off_stamp, disks, n))
		return 0;
	if (!n || !*state->checkpoint || state->compare ||
		ud_lv_images_open(cx, r, disks, n, state->checkpoint, &images, &source) != UD_OK)
		bytes = UD_NONE;
	for (size_t i = 0; bytes != UD_NONE && i < n; i++)
		if (source->ops->extents(cx, source, i, false, add_dirty, &bytes) != UD_OK)
			bytes = UD_NONE;
	ud_ctx_clear(cx);
	return bytes;
}

static enum ud_code displace(
	struct ud_ctx *cx, struct ud_lv_relation *r, virDomainPtr d, struct ud_lv_state *state)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	struct ud_relation relation = { 0 };
	struct ud_lv_state old = { 0 };
	char *xml = virDomainGetXMLDesc(d, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE);

	if (!xml)
		return ud_lv_fail(cx, "read the VM's definition");
	const char *text = ud_lv_take(cx, xml);

	ud_lv_relation_read(cx, r, &relation, &old);
	UD_TRY(ud_lv_read(cx, text, &doc));
	state->divergent_bytes = own_bytes(cx, r, xmlDocGetRootElement(doc), &relation, state);
	state->divergent = state->divergent_bytes == 0
		? ""
		: ud_printf(cx->arena, "divergent-%lld", (long long)relation.epoch);
	UD_TRY(ud_file_write(
		cx, ud_printf(cx->arena, "%s/former.xml", r->dir), text, strlen(text), 0600));
	state->displaced = true;
	state->state = UD_REPLICATION_DISABLED;
	UD_TRY(ud_lv_state_write(cx, r, state));
	return ud_lv_undefine(cx, &r->lv->hv, relation.uuid);
}

enum ud_code ud_lv_displace(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_hv_displaced *ret)
{
	struct ud_lv *lv = ud_lv_of(hv);
	struct ud_lv_relation *r = ud_lv_relation_of_vm(lv, uuid);
	UD_AUTO(ud_lv_domain) *d = NULL;
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	if (!r && !ud_lv_relations_loaded(lv)) /* not to be taken for "it has none" */
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "The relations are not read yet.");
	if (!r)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "No relation of the VM is known here.");
	pthread_mutex_lock(&r->work);
	ud_lv_relation_read(cx, r, &relation, &state);
	enum ud_code code = ud_lv_find(cx, lv, uuid, &d);

	if (code == UD_OK && virDomainIsActive(d) == 1)
		code = ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is not off.");
	else if (code == UD_OK)
		code = displace(cx, r, d, &state);
	else if (code == UD_E_NOT_FOUND && state.displaced)
		code = UD_OK; /* done before */
	pthread_mutex_unlock(&r->work);
	UD_TRY(code);
	ud_ctx_clear(cx);
	ret->divergent = *state.divergent ? state.divergent : NULL;
	ret->divergent_bytes = state.divergent_bytes;
	ud_lv_relation_changed(r);
	return UD_OK;
}

/* ---- tests ---- */

/* The running copy of a test, or NULL. */
static virDomainPtr find_copy(struct ud_ctx *cx, struct ud_lv *lv, const char *test_id)
{
	virDomainPtr *all = NULL, found = NULL;
	int n = virConnectListAllDomains(lv->conn, &all, VIR_CONNECT_LIST_DOMAINS_ACTIVE);

	for (int i = 0; i < n; i++) {
		char *xml = virDomainGetMetadata(all[i], VIR_DOMAIN_METADATA_ELEMENT, COPY_URI, 0);
		UD_AUTO(ud_lv_doc) *doc = NULL;
		const char *is = NULL;

		if (xml && ud_lv_read(cx, ud_lv_take(cx, xml), &doc) == UD_OK)
			is = ud_lv_attribute(cx, xmlDocGetRootElement(doc), "test_id");
		if (is && !found && strcmp(is, test_id) == 0)
			found = all[i];
		else
			virDomainFree(all[i]);
	}
	ud_free(all);
	ud_ctx_clear(cx);
	return found;
}

static const char *new_uuid(struct ud_ctx *cx)
{
	unsigned char u[16];

	ud_random(cx->env, u, sizeof(u));
	u[6] = (u[6] & 0x0f) | 0x40; /* RFC 9562: version 4, variant 10 */
	u[8] = (u[8] & 0x3f) | 0x80;
	return ud_printf(cx->arena,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
		u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
		u[15]);
}

/* What makes the copy a copy: name, UUID, and a mark that the inventory reads. */
static void mark_copy(
	xmlNodePtr root, const struct ud_hv_test *test, const char *uuid, const char *of)
{
	xmlNodePtr metadata = ud_lv_add(root, "metadata", NULL);
	xmlNodePtr copy = xmlNewChild(metadata, NULL, (const xmlChar *)"copy", NULL);

	xmlSetNs(copy, xmlNewNs(copy, (const xmlChar *)COPY_URI, (const xmlChar *)"understudy"));
	ud_lv_set(copy, "test_id", test->test_id);
	ud_lv_set(copy, "test_of", of);
	xmlNodeSetContent(ud_lv_child(root, "uuid"), (const xmlChar *)uuid);
	xmlNodePtr name = ud_lv_child(root, "name");

	xmlNodeSetContent(name, NULL);
	xmlNodeAddContent(name, (const xmlChar *)(test->name ? test->name : test->test_id));
}

/* The copy's UUID is written down before anything is left in its name, so that it is found again
 * whatever becomes of us. */
static const char *uuid_note(struct ud_ctx *cx, struct ud_lv_relation *r, const char *test_id)
{
	return ud_printf(cx->arena, "%s/uuid-%s", r->dir, test_id);
}

static enum ud_code copy_uuid(
	struct ud_ctx *cx, struct ud_lv_relation *r, const char *test_id, const char **ret)
{
	const char *path = uuid_note(cx, r, test_id);
	size_t n = 0;

	if (ud_file_read(cx, path, UUID_TEXT, ret, &n) == UD_OK && !ud_rule_uuid(cx, *ret))
		return UD_OK;
	ud_ctx_clear(cx);
	*ret = new_uuid(cx);
	return ud_file_write(cx, path, *ret, strlen(*ret), 0600);
}

static void drop_copy_state(struct ud_ctx *cx, struct ud_lv_relation *r, const char *test_id)
{
	const char *path = uuid_note(cx, r, test_id), *uuid = NULL;
	size_t n = 0;

	if (ud_file_read(cx, path, UUID_TEXT, &uuid, &n) == UD_OK && !ud_rule_uuid(cx, uuid))
		ud_lv_tpm_clear(cx, r->lv, uuid);
	ud_ctx_clear(cx);
	(void)cx->env->files->remove(path);
}

static enum ud_code start_copy(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_hv_test *test, struct ud_hv_tested *ret)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	struct ud_stored_point point = { 0 };
	struct ud_clone clone = { 0 };
	UD_AUTO(ud_lv_doc) *doc = NULL;
	UD_AUTO(ud_lv_domain) *d = find_copy(cx, r->lv, test->test_id);
	char uuid[VIR_UUID_STRING_BUFLEN];

	ud_lv_relation_read(cx, r, &relation, &state);
	if (relation.role != UD_RELATION_TARGET)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "This host is not the VM's replica.");
	UD_TRY(ud_lv_store_open(cx, r));
	UD_TRY(ud_store_point(cx, r->store, test->point_id ? test->point_id : "", &point));
	UD_TRY(roots_of(cx, &point.point, &ret->roots));
	if (!d) {
		UD_TRY(ud_store_clone(cx, r->store, point.point.id, test->test_id, &clone));
		UD_TRY(definition_for(cx, r, &clone, test->networks.text, test->test_id, &doc));
		const char *own = NULL;

		UD_TRY(copy_uuid(cx, r, test->test_id, &own));
		mark_copy(xmlDocGetRootElement(doc), test, own, relation.uuid);
		UD_TRY(place_tpm(cx, r, xmlDocGetRootElement(doc), point.point.id));
		d = virDomainCreateXML(r->lv->conn, ud_lv_text_of(cx, doc), 0);
	}
	if (!d || virDomainGetUUIDString(d, uuid) < 0)
		return ud_lv_fail(cx, "start the test's copy");
	ret->uuid = ud_strdup(cx->arena, uuid);
	return UD_OK;
}

enum ud_code ud_lv_test_start(struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_test *test,
	struct ud_hv_tested *ret)
{
	struct ud_lv_relation *r = NULL;

	UD_TRY(ud_lv_relation_get(cx, ud_lv_of(hv), test->replication_id, &r));
	pthread_mutex_lock(&r->work);
	enum ud_code code = start_copy(cx, r, test, ret);

	pthread_mutex_unlock(&r->work);
	return code;
}

/* The overlays of a test in one relation's store, wherever they are. */
static enum ud_code drop_overlays(struct ud_ctx *cx, struct ud_lv_relation *r, const char *test_id)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	ud_lv_relation_read(cx, r, &relation, &state);
	if (relation.role != UD_RELATION_TARGET || state.store < 1)
		return UD_OK;
	UD_TRY(ud_lv_store_open(cx, r));
	(void)cx->env->files->remove(ud_printf(cx->arena, "%s/nvram-%s.fd", r->dir, test_id));
	ud_lv_boot_clear(cx, r, test_id);
	drop_copy_state(cx, r, test_id);
	return ud_store_clone_drop(cx, r->store, test_id);
}

enum ud_code ud_lv_test_drop(struct ud_ctx *cx, struct ud_hv *hv, const char *test_id)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = find_copy(cx, lv, test_id);

	if (d && virDomainDestroy(d) < 0 && virDomainIsActive(d) == 1)
		return ud_lv_fail(cx, "end the test's copy");
	pthread_mutex_lock(&lv->book->lock);
	struct ud_lv_relation *r = lv->book->relations;

	pthread_mutex_unlock(&lv->book->lock);
	for (; r; r = r->next) {
		if (r->gone)
			continue;
		pthread_mutex_lock(&r->work);
		enum ud_code code = drop_overlays(cx, r, test_id);

		pthread_mutex_unlock(&r->work);
		UD_TRY(code);
	}
	return UD_OK;
}
