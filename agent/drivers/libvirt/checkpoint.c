/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints a person can go back to. A standard one is libvirt's snapshot: memory and disks. A
 * production one is of the disks alone, of a frozen guest: internal snapshots of all qcow2 images
 * in one transaction of QEMU's, because this libvirt cannot go back to an external one. Its record
 * stands in the VM's metadata, so that it goes where the definition goes.
 */
#include <libvirt/libvirt-qemu.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/rules.h"

#define URI "urn:understudy:checkpoints"
#define KEY "understudy"
enum { FREEZE_MS = 5000, IMAGE_MS = 120000, CYCLE_MS = 60000, DISKS = 32 };

/* The images of a VM that hold its data. */
struct images {
	const char *target[DISKS], *path[DISKS];
	size_t count;
};

static enum ud_code images_of(struct ud_ctx *cx, virDomainPtr d, struct images *ret)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;

	UD_TRY(ud_lv_definition(cx, d, 0, &doc));
	xmlNodePtr disk = ud_lv_child(xmlDocGetRootElement(doc), "devices/disk");

	ret->count = 0;
	for (; disk; disk = ud_lv_next(disk)) {
		const char *target = ud_lv_disk_target(cx, disk);
		const char *format = ud_lv_attribute(cx, ud_lv_child(disk, "driver"), "type");

		if (!target || ud_lv_child(disk, "readonly"))
			continue;
		if (!format || strcmp(format, "qcow2") != 0 || ret->count == DISKS)
			return ud_fail(cx, UD_E_UNSUPPORTED, NULL,
				"Disk %s is no qcow2 image: no checkpoint of it.", target);
		ret->target[ret->count] = target;
		ret->path[ret->count++] = ud_lv_disk_path(cx, disk);
	}
	return UD_OK;
}

/* ---- the record ---- */

static enum ud_code read_records(struct ud_ctx *cx, virDomainPtr d, ud_lv_doc **ret)
{
	char *xml = virDomainGetMetadata(d, VIR_DOMAIN_METADATA_ELEMENT, URI, 0);

	return ud_lv_read(cx, xml ? ud_lv_take(cx, xml) : "<checkpoints/>", ret);
}

static enum ud_code write_records(struct ud_ctx *cx, virDomainPtr d, xmlDocPtr doc)
{
	unsigned flags = virDomainIsPersistent(d) == 1 ? VIR_DOMAIN_AFFECT_CONFIG : 0;
	xmlNodePtr root = xmlDocGetRootElement(doc);
	xmlBufferPtr text = xmlBufferCreate();

	if (virDomainIsActive(d) == 1)
		flags |= VIR_DOMAIN_AFFECT_LIVE;
	xmlNodeDump(text, doc, root, 0, 0);
	const char *xml = ud_strdup(cx->arena, (const char *)xmlBufferContent(text));

	xmlBufferFree(text);
	if (virDomainSetMetadata(d, VIR_DOMAIN_METADATA_ELEMENT, xml, KEY, URI, flags) < 0)
		return ud_lv_fail(cx, "record the checkpoint");
	return UD_OK;
}

static xmlNodePtr record_of(struct ud_ctx *cx, xmlDocPtr doc, const char *name)
{
	xmlNodePtr r = ud_lv_child(xmlDocGetRootElement(doc), "checkpoint");

	for (; r; r = ud_lv_next(r)) {
		const char *is = ud_lv_attribute(cx, r, "name");

		if (is && strcmp(is, name) == 0)
			return r;
	}
	return NULL;
}

static void info_of(struct ud_ctx *cx, xmlNodePtr r, struct ud_checkpoint_info *ret)
{
	const char *at = ud_lv_attribute(cx, r, "created_at");

	*ret = (struct ud_checkpoint_info){ .name = ud_lv_attribute(cx, r, "name"),
		.kind = ud_lv_attribute(cx, r, "kind"),
		.consistency = ud_lv_attribute(cx, r, "consistency"),
		.reason = ud_lv_attribute(cx, r, "reason") };
	if (!at || !ud_time_parse(at, &ret->created_at.ms))
		ret->created_at.ms = UD_NONE;
}

static enum ud_code add_record(
	struct ud_ctx *cx, virDomainPtr d, const struct ud_checkpoint_info *info)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	char at[UD_TIME_TEXT];

	UD_TRY(read_records(cx, d, &doc));
	xmlNodePtr r = ud_lv_add(xmlDocGetRootElement(doc), "checkpoint", NULL);

	ud_time_format(info->created_at.ms, at);
	ud_lv_set(r, "name", info->name);
	ud_lv_set(r, "kind", info->kind);
	ud_lv_set(r, "consistency", info->consistency);
	ud_lv_set(r, "created_at", at);
	if (info->reason)
		ud_lv_set(r, "reason", info->reason);
	return write_records(cx, d, doc);
}

/* ---- making ---- */

/* QEMU's name for the node of an image, as block jobs want it; NULL = it does not know it. */
static const char *node_of(struct ud_ctx *cx, json_t *blocks, const char *path)
{
	size_t i;
	json_t *block;

	json_array_foreach(blocks, i, block)
	{
		json_t *inserted = json_object_get(block, "inserted");
		const char *file = json_string_value(json_object_get(inserted, "file"));

		if (file && strcmp(file, path) == 0)
			return ud_strdup(cx->arena,
				json_string_value(json_object_get(inserted, "node-name")));
	}
	return NULL;
}

/* The nodes of all images. */
static enum ud_code nodes_of(
	struct ud_ctx *cx, virDomainPtr d, const struct images *images, const char *nodes[DISKS])
{
	json_t *blocks = NULL;
	enum ud_code code = UD_OK;

	UD_TRY(ud_lv_qmp(cx, d, "query-block", NULL, &blocks));
	for (size_t i = 0; i < images->count && code == UD_OK; i++) {
		nodes[i] = node_of(cx, blocks, images->path[i]);
		if (!nodes[i])
			code = ud_fail(cx, UD_E_HYPERVISOR, NULL, "QEMU does not know %s.",
				images->path[i]);
	}
	json_decref(blocks);
	return code;
}

/* One transaction of internal snapshots over all disks of a VM that runs. */
static enum ud_code snapshot_running(
	struct ud_ctx *cx, virDomainPtr d, const struct images *images, const char *name)
{
	const char *nodes[DISKS];
	struct ud_buf b = { 0 };
	json_t *answer = NULL;

	UD_TRY(nodes_of(cx, d, images, nodes));
	ud_buf_puts(&b, "{\"actions\":[");
	for (size_t i = 0; i < images->count; i++)
		ud_buf_printf(&b,
			"%s{\"type\":\"blockdev-snapshot-internal-sync\",\"data\":{\"device\":"
			"\"%s\",\"name\":\"%s\"}}",
			i ? "," : "", nodes[i], name);
	ud_buf_puts(&b, "]}");
	const char *args = ud_buf_take(cx->arena, &b);

	UD_TRY(ud_lv_qmp(cx, d, "transaction", args, &answer));
	json_decref(answer);
	return UD_OK;
}

static enum ud_code drop_running(
	struct ud_ctx *cx, virDomainPtr d, const struct images *images, const char *name)
{
	const char *nodes[DISKS];
	json_t *answer = NULL;

	UD_TRY(nodes_of(cx, d, images, nodes));
	for (size_t i = 0; i < images->count; i++) {
		UD_TRY(ud_lv_qmp(cx, d, "blockdev-snapshot-delete-internal-sync",
			ud_printf(cx->arena, "{\"device\":\"%s\",\"name\":\"%s\"}", nodes[i], name),
			&answer));
		json_decref(answer);
	}
	return UD_OK;
}

/* qemu-img snapshot over all images of a VM that is off: -c, -a, -d. */
static enum ud_code snapshot_off(
	struct ud_ctx *cx, const struct images *images, const char *action, const char *name)
{
	for (size_t i = 0; i < images->count; i++) {
		const char *const argv[] = { "/usr/bin/qemu-img", "snapshot", action, name,
			images->path[i], NULL };

		UD_TRY(ud_lv_run(cx, argv, IMAGE_MS, NULL));
	}
	return UD_OK;
}

/* The disks of a frozen guest, or of one that cannot be frozen, with the reason. */
static enum ud_code make_production(struct ud_ctx *cx, struct ud_hv *hv, virDomainPtr d,
	const char *uuid, struct ud_checkpoint_info *info)
{
	struct images images;

	UD_TRY(images_of(cx, d, &images));
	if (virDomainIsActive(d) != 1) {
		info->reason = "The VM was off.";
		return snapshot_off(cx, &images, "-c", info->name);
	}
	bool frozen = ud_lv_freeze(cx, hv, uuid, FREEZE_MS) == UD_OK;

	if (!frozen)
		info->reason = cx->problem.detail;
	enum ud_code code = snapshot_running(cx, d, &images, info->name);

	enum ud_code thawed = frozen ? ud_lv_thaw(cx, hv, uuid) : UD_E_INVALID_STATE;

	if (code != UD_OK)
		return code;
	if (thawed == UD_OK)
		info->consistency = "application";
	else
		info->reason = cx->problem.detail;
	ud_ctx_clear(cx);
	return UD_OK;
}

static enum ud_code make_standard(
	struct ud_ctx *cx, virDomainPtr d, const struct ud_checkpoint_info *info)
{
	UD_AUTO(ud_lv_snapshot) *snapshot = NULL;
	const char *xml = ud_printf(
		cx->arena, "<domainsnapshot><name>%s</name></domainsnapshot>", info->name);

	snapshot = virDomainSnapshotCreateXML(d, xml, 0);
	return snapshot ? UD_OK : ud_lv_fail(cx, "make the checkpoint");
}

static enum ud_code must_be_new(struct ud_ctx *cx, virDomainPtr d, const char *name)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	UD_AUTO(ud_lv_snapshot) *snapshot = virDomainSnapshotLookupByName(d, name, 0);

	UD_TRY(read_records(cx, d, &doc));
	if (snapshot || record_of(cx, doc, name))
		return ud_fail(cx, UD_E_ALREADY_EXISTS, NULL, "There is a checkpoint %s.", name);
	return UD_OK;
}

/* Over the nodes of a backup job QEMU takes no checkpoint: a cycle that runs ends first. *ret:
 * whose work lock is held then; NULL = the VM is not replicated. */
static enum ud_code wait_for_cycle(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, struct ud_lv_relation **ret)
{
	struct ud_lv_relation *r = ud_lv_relation_of_vm(ud_lv_of(hv), uuid);
	struct timespec until;

	ud_deadline(CYCLE_MS, &until);
	*ret = r;
	if (!r || pthread_mutex_clocklock(&r->work, CLOCK_MONOTONIC, &until) == 0)
		return UD_OK;
	*ret = NULL;
	return ud_fail(cx, UD_E_INVALID_STATE, NULL,
		"The VM is being copied just now. Ask again when that cycle has ended.");
}

static void let_cycles(struct ud_lv_relation *r)
{
	if (r)
		pthread_mutex_unlock(&r->work);
}

static enum ud_code create(struct ud_ctx *cx, struct ud_hv *hv, virDomainPtr d, const char *uuid,
	struct ud_checkpoint_info *info)
{
	UD_TRY(must_be_new(cx, d, info->name));
	if (strcmp(info->kind, "standard") == 0)
		return make_standard(cx, d, info);
	UD_TRY(make_production(cx, hv, d, uuid, info));
	return add_record(cx, d, info);
}

enum ud_code ud_lv_checkpoint_create(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	const char *name, const char *kind, struct ud_checkpoint_info *ret)
{
	struct ud_lv_relation *r = NULL;
	UD_AUTO(ud_lv_domain) *d = NULL;
	bool production = strcmp(kind, "production") == 0;
	struct ud_checkpoint_info info = { .name = name,
		.kind = production ? "production" : "standard",
		.consistency = "crash",
		.created_at = { ud_now_ms(cx->env) } };

	if (ud_rule_host_name(cx, name) || (!production && strcmp(kind, "standard") != 0))
		return ud_fail(cx, UD_E_VALIDATION, NULL,
			"No checkpoint is named %s or of kind %s.", name, kind);
	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(wait_for_cycle(cx, hv, uuid, &r));
	enum ud_code code = create(cx, hv, d, uuid, &info);

	let_cycles(r);
	*ret = info;
	return code;
}

/* ---- the others ---- */

static enum ud_code visit_snapshot(
	struct ud_ctx *cx, virDomainSnapshotPtr s, ud_hv_checkpointed *visit, void *data)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	char *xml = virDomainSnapshotGetXMLDesc(s, 0);

	if (!xml)
		return ud_lv_fail(cx, "read a checkpoint");
	UD_TRY(ud_lv_read(cx, ud_lv_take(cx, xml), &doc));
	int64_t at = ud_lv_number(cx, ud_lv_child(xmlDocGetRootElement(doc), "creationTime"));
	struct ud_checkpoint_info info = { .name = ud_strdup(
						   cx->arena, virDomainSnapshotGetName(s)),
		.kind = "standard",
		.consistency = "crash",
		.created_at = { at == UD_NONE ? UD_NONE : at * 1000 } };

	return visit(cx, data, &info);
}

enum ud_code ud_lv_checkpoint_list(struct ud_ctx *cx, struct ud_hv *hv, const char *uuid,
	ud_hv_checkpointed *visit, void *data)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	UD_AUTO(ud_lv_doc) *doc = NULL;
	virDomainSnapshotPtr *all = NULL;
	enum ud_code code = UD_OK;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(read_records(cx, d, &doc));
	xmlNodePtr r = ud_lv_child(xmlDocGetRootElement(doc), "checkpoint");

	for (; r; r = ud_lv_next(r)) {
		struct ud_checkpoint_info info;

		info_of(cx, r, &info);
		UD_TRY(visit(cx, data, &info));
	}
	int n = virDomainListAllSnapshots(d, &all, 0);

	for (int i = 0; i < n; i++) {
		if (code == UD_OK)
			code = visit_snapshot(cx, all[i], visit, data);
		virDomainSnapshotFree(all[i]);
	}
	ud_free(all);
	return n < 0 ? ud_lv_fail(cx, "list the checkpoints") : code;
}

enum ud_code ud_lv_checkpoint_apply(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name)
{
	struct ud_lv *lv = ud_lv_of(hv);
	UD_AUTO(ud_lv_domain) *d = NULL;
	UD_AUTO(ud_lv_doc) *doc = NULL;
	UD_AUTO(ud_lv_snapshot) *snapshot = NULL;
	struct images images;

	UD_TRY(ud_lv_find(cx, lv, uuid, &d));
	UD_TRY(read_records(cx, d, &doc));
	if (record_of(cx, doc, name)) {
		UD_TRY(ud_lv_power_off(cx, hv, uuid));
		UD_TRY(images_of(cx, d, &images));
		ud_lv_content_changed(cx, lv, uuid);
		return snapshot_off(cx, &images, "-a", name);
	}
	snapshot = virDomainSnapshotLookupByName(d, name, 0);
	if (!snapshot)
		return ud_lv_fail(cx, "find the checkpoint");
	ud_lv_content_changed(cx, lv, uuid);
	if (virDomainRevertToSnapshot(snapshot, VIR_DOMAIN_SNAPSHOT_REVERT_FORCE) < 0)
		return ud_lv_fail(cx, "go back to the checkpoint");
	return UD_OK;
}

static enum ud_code drop(struct ud_ctx *cx, virDomainPtr d, const char *name)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	UD_AUTO(ud_lv_snapshot) *snapshot = NULL;
	struct images images;

	UD_TRY(read_records(cx, d, &doc));
	xmlNodePtr r = record_of(cx, doc, name);

	if (r) {
		UD_TRY(images_of(cx, d, &images));
		if (virDomainIsActive(d) == 1)
			UD_TRY(drop_running(cx, d, &images, name));
		else
			UD_TRY(snapshot_off(cx, &images, "-d", name));
		xmlUnlinkNode(r);
		xmlFreeNode(r);
		return write_records(cx, d, doc);
	}
	snapshot = virDomainSnapshotLookupByName(d, name, 0);
	if (!snapshot)
		return ud_lv_fail(cx, "find the checkpoint");
	if (virDomainSnapshotDelete(snapshot, 0) < 0)
		return ud_lv_fail(cx, "delete the checkpoint");
	return UD_OK;
}

enum ud_code ud_lv_checkpoint_delete(
	struct ud_ctx *cx, struct ud_hv *hv, const char *uuid, const char *name)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	struct ud_lv_relation *r = NULL;

	UD_TRY(ud_lv_find(cx, ud_lv_of(hv), uuid, &d));
	UD_TRY(wait_for_cycle(cx, hv, uuid, &r));
	enum ud_code code = drop(cx, d, name);

	let_cycles(r);
	return code;
}
