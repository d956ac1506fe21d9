/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After a failover both hosts may have written to what was one disk. Each one's bitmap since the
 * point they parted at tells what; only the union of the two is read and compared on the way back.
 * Where either bitmap is lost, hashes of all are compared instead.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"

enum { XML_MAX = 4 << 20 };

/* ---- where the VM was brought up ---- */

static enum ud_code mark(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, struct ud_lv_state *state, const char **ret)
{
	UD_AUTO(ud_lv_domain) *d = NULL;
	UD_AUTO(ud_lv_doc) *doc = NULL;
	UD_AUTO(ud_lv_checkpoint) *made = NULL;
	struct ud_lv_image images[UD_LV_DISKS];
	const char *all[UD_LV_DISKS];
	size_t image_count = 0, all_count = 0;

	UD_TRY(ud_lv_find(cx, r->lv, relation->uuid, &d));
	UD_TRY(ud_lv_definition(cx, d, 0, &doc));
	xmlNodePtr root = xmlDocGetRootElement(doc);

	UD_TRY(ud_lv_images_of(cx, root, &relation->excluded_disks, images, &image_count));
	for (xmlNodePtr disk = ud_lv_child(root, "devices/disk"); disk; disk = ud_lv_next(disk)) {
		const char *target = ud_lv_attribute(cx, ud_lv_child(disk, "target"), "dev");

		if (target && all_count < UD_LV_DISKS)
			all[all_count++] = target;
	}
	const char *name = ud_lv_checkpoint_name(cx, state);

	made = virDomainCheckpointCreateXML(
		d, ud_lv_checkpoint_xml(cx, name, all, all_count, images, image_count), 0);
	if (!made)
		return ud_lv_fail(cx, "begin to record what the VM writes");
	*ret = name;
	return UD_OK;
}

void ud_lv_parted_mark(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, const char **ret_checkpoint)
{
	struct ud_relation now = { 0 };
	struct ud_lv_state state = { 0 };

	*ret_checkpoint = "";
	ud_lv_relation_read(cx, r, &now, &state);
	if (mark(cx, r, relation, &state, ret_checkpoint) != UD_OK)
		ud_log(UD_LOG_WARNING, "writes_not_recorded", "relation", r->id, "reason",
			cx->problem.detail, NULL);
	ud_ctx_clear(cx);
}

enum ud_code ud_lv_parted_union(
	struct ud_ctx *cx, struct ud_lv_relation *r, const char *point_id, ud_source **source)
{
	const struct ud_piece *pieces = NULL;
	ud_source *both = NULL;
	size_t n = 0;

	UD_TRY(ud_sender_changed(
		cx, r->sender, point_id, (*source)->disks, (*source)->disk_count, &pieces, &n));
	UD_TRY(ud_source_union(cx, source, pieces, n, &both));
	*source = both;
	return UD_OK;
}

/* ---- where it ran before ---- */

/* The checkpoint of ours that was taken with that point; NULL = none. */
static const char *checkpoint_of(const struct ud_lv_state *s, const char *point_id)
{
	if (*s->parted_checkpoint && strcmp(s->parted_point, point_id) == 0)
		return s->parted_checkpoint;
	if (*s->pending_checkpoint && strcmp(s->pending_point, point_id) == 0)
		return s->pending_checkpoint;
	return NULL;
}

static enum ud_code tell_changed(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, const char *checkpoint, const char *disk,
	ud_extent_visitor *visit, void *data)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	UD_AUTO(ud_lv_images) *images = NULL;
	UD_AUTO(ud_source) *source = NULL;
	struct ud_lv_image disks[UD_LV_DISKS];
	const char *text = NULL;
	size_t n = 0, at = 0;

	UD_TRY(ud_file_read(cx, ud_printf(cx->arena, "%s/former.xml", r->dir), XML_MAX, &text, &n));
	UD_TRY(ud_lv_read(cx, text, &doc));
	UD_TRY(ud_lv_images_of(
		cx, xmlDocGetRootElement(doc), &relation->excluded_disks, disks, &n));
	while (at < n && strcmp(disks[at].target, disk) != 0)
		at++;
	if (at == n)
		return ud_fail(cx, UD_E_CONFLICT, NULL, "There was no disk %s here.", disk);
	UD_TRY(ud_lv_images_open(cx, r, &disks[at], 1, checkpoint, &images, &source));
	return source->ops->extents(cx, source, 0, false, visit, data);
}

enum ud_code ud_lv_parted_changed(struct ud_ctx *cx, void *data, const char *replication_id,
	const char *point_id, ud_extent_visitor *visit, const char *disk, void *visit_data)
{
	struct ud_lv_relation *r = NULL;
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	UD_TRY(ud_lv_relation_get(cx, data, replication_id, &r));
	ud_lv_relation_read(cx, r, &relation, &state);
	const char *checkpoint = checkpoint_of(&state, point_id);

	if (relation.role != UD_RELATION_TARGET || !checkpoint)
		return ud_fail(cx, UD_E_CONFLICT, NULL,
			"What this host wrote since the point %s is not known.", point_id);
	/* without the work lock: who closes the store holds it, and waits for us */
	return tell_changed(cx, r, &relation, checkpoint, disk, visit, visit_data);
}
