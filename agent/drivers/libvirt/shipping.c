/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cycle ships: which of deltas, union, hashes or all brings the target to what the VM is
 * now; the files that go with a point; and what is kept once the target has it.
 */
#include <string.h>

#include "agent/drivers/libvirt/cycle.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"

enum { XML_DESC = VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE };

/* ---- the sender ---- */

static enum ud_code windows_of(struct ud_ctx *cx, const struct ud_relation *relation,
	struct ud_transfer_window **ret, size_t *ret_n)
{
	const char *text = relation->windows.text;
	json_t *list = NULL, *item;
	enum ud_code code = UD_OK;
	size_t i;

	*ret_n = 0;
	if (!text)
		return UD_OK;
	UD_TRY(ud_json_parse(cx, text, strlen(text), UD_JSON_MEMBERS, &list));
	*ret = ud_alloc(cx->arena, sizeof(**ret) * (json_array_size(list) + 1));
	json_array_foreach(list, i, item)
	{
		struct ud_given given = { 0 };

		if (code == UD_OK)
			code = ud_shape_decode(cx, &ud_transfer_window_shape, UD_CREATE, item,
				&(*ret)[(*ret_n)++], &given);
	}
	json_decref(list);
	return code;
}

enum ud_code ud_lv_sender_ready(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, ud_sender **sender, int64_t *generation)
{
	struct ud_lv_book *book = r->lv->book;
	struct ud_transfer_window *windows = NULL;
	size_t window_count = 0;
	ud_sender *fresh = NULL, *old;

	if (*sender && *generation == relation->generation)
		return UD_OK;
	UD_TRY(windows_of(cx, relation, &windows, &window_count));
	struct ud_sender_settings settings = { .replication_id = r->id,
		.vm_id = relation->vm_id,
		.address = relation->peer_address,
		.peer = ud_lv_credentials(cx, r->lv, ud_lv_auth(relation)),
		.folder = ud_printf(cx->arena, "%s/sender", r->dir),
		.compression = (enum ud_compression)relation->compression,
		.rate_bytes_per_second = relation->rate_bytes_per_second,
		.windows = windows,
		.window_count = window_count };

	settings.peer.agent_id = relation->peer_agent_id;
	if (!settings.peer.identity)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "The agent has no identity yet.");
	UD_TRY(ud_sender_open(cx, &settings, &fresh));
	pthread_mutex_lock(&book->lock);
	old = *sender;
	*sender = fresh;
	*generation = relation->generation;
	pthread_mutex_unlock(&book->lock);
	ud_sender_release(&old);
	return UD_OK;
}

/* ---- what is to be shipped ---- */

/* A point whose fate we do not know: the target does. */
static enum ud_code settle_pending(struct ud_lv_cycle *c, const struct ud_sender_have *have)
{
	struct ud_lv_state *s = &c->state;

	if (!*s->pending_point)
		return UD_OK;
	s->exported = "";
	/* a point of a VM that is off has the checkpoint of the one before */
	bool own = strcmp(s->checkpoint, s->pending_checkpoint) != 0;

	if (strcmp(have->newest_id, s->pending_point) == 0) {
		if (c->d && own)
			ud_lv_checkpoint_drop(c->d, s->checkpoint);
		s->checkpoint = s->pending_checkpoint;
		s->point_id = s->pending_point;
	} else if (c->d && own) {
		ud_lv_checkpoint_drop(c->d, s->pending_checkpoint);
	}
	s->pending_point = s->pending_checkpoint = "";
	return ud_lv_state_write(c->cx, c->r, s);
}

/* How what the target has becomes what the VM is now. */
static enum ud_ship way_there(const struct ud_sender_have *have, const struct ud_lv_state *s)
{
	if (*have->newest_id && *s->checkpoint && !s->compare &&
		strcmp(have->newest_id, s->point_id) == 0)
		return UD_SHIP_DELTA;
	if (have->seeded && !*have->newest_id && *s->parted_checkpoint)
		return UD_SHIP_UNION;
	return *have->newest_id || have->seeded ? UD_SHIP_COMPARE : UD_SHIP_FULL;
}

static void take_way(struct ud_lv_cycle *c, enum ud_ship how)
{
	c->how = how;
	c->base = how == UD_SHIP_DELTA ? c->state.checkpoint
		: how == UD_SHIP_UNION ? c->state.parted_checkpoint
				       : NULL;
}

/* What is to be shipped, from what the target has. */
enum ud_code ud_lv_ship_decide(struct ud_lv_cycle *c)
{
	struct ud_sender_have have = { 0 };
	struct ud_lv_state *s = &c->state;

	UD_TRY(ud_lv_sender_ready(
		c->cx, c->r, &c->relation, &c->r->sender, &c->r->sender_generation));
	if (!*s->pending_point && *s->checkpoint && !s->compare) {
		take_way(c, UD_SHIP_DELTA);
		c->parent = s->point_id;
		return UD_OK;
	}
	UD_TRY(ud_sender_have(c->cx, c->r->sender, &have));
	c->waits = *s->exported && !*have.newest_id;
	if (c->waits)
		return UD_OK;
	UD_TRY(settle_pending(c, &have));
	c->parent = have.newest_id;
	take_way(c, way_there(&have, s));
	if (c->how != UD_SHIP_FULL || *s->point_id)
		return UD_OK;
	return ud_lv_media_wanted(c->cx, c->r, &c->relation, &c->media);
}

/* Both ends wrote by themselves: what either calls dirty; or hashes of all, where one cannot tell.
 */
enum ud_code ud_lv_ship_unite(struct ud_lv_cycle *c, ud_source **source)
{
	if (c->how != UD_SHIP_UNION)
		return UD_OK;
	enum ud_code code = ud_lv_parted_union(c->cx, c->r, c->state.parted_point, source);

	if (code == UD_OK || code == UD_E_UNAVAILABLE)
		return code;
	ud_log(UD_LOG_WARNING, "hashes_instead", "relation", c->r->id, "reason",
		c->cx->problem.detail, NULL);
	ud_ctx_clear(c->cx);
	c->how = UD_SHIP_COMPARE;
	return UD_OK;
}

void ud_lv_ship_point(struct ud_lv_cycle *c)
{
	c->point.id = ud_manifest_id(c->cx);
	c->point.parent = c->parent;
	c->point.replication_id = c->relation.replication_id;
	c->point.vm_id = c->relation.vm_id;
	c->point.epoch = c->relation.epoch;
}

/* ---- shipping ---- */

enum { FILES = 3 + UD_LV_BOOT_PIECES };

/* The definition goes with every point, and what is no disk: the firmware's variables, the state of
 * a TPM, kernel and initrd. */
static enum ud_code files_of(struct ud_lv_cycle *c, struct ud_ship_file files[FILES], size_t *ret_n)
{
	struct ud_ctx *cx = c->cx;
	UD_AUTO(ud_lv_doc) *doc = NULL;
	char *xml = virDomainGetXMLDesc(c->d, XML_DESC);

	if (!xml)
		return ud_lv_fail(cx, "read the VM's definition");
	const char *text = ud_lv_take(cx, xml);

	files[0] = (struct ud_ship_file){ .name = "domain.xml", .data = text, .n = strlen(text) };
	*ret_n = 1;
	UD_TRY(ud_lv_read(cx, text, &doc));
	const char *nvram = ud_lv_content(cx, ud_lv_child(xmlDocGetRootElement(doc), "os/nvram"));
	char *data = NULL;
	size_t n = 0;

	if (nvram && *nvram && cx->env->files->read(nvram, UD_MANIFEST_FILE, &data, &n) == 0) {
		void *copy = ud_alloc(cx->arena, n + 1);

		memcpy(copy, data, n);
		ud_free(data);
		files[(*ret_n)++] =
			(struct ud_ship_file){ .name = "nvram.fd", .data = copy, .n = n };
	}
	const char *state = NULL;

	UD_TRY(ud_lv_tpm_read(cx, c->r->lv, xmlDocGetRootElement(doc), &state, &n));
	if (n)
		files[(*ret_n)++] =
			(struct ud_ship_file){ .name = UD_LV_TPM_FILE, .data = state, .n = n };
	ud_lv_boot_files(cx, c->r->boot, xmlDocGetRootElement(doc), files, ret_n);
	return UD_OK;
}

enum ud_code ud_lv_ship(struct ud_lv_cycle *c, ud_source *source, struct ud_shipped *ret)
{
	struct ud_ship_file files[FILES];
	struct ud_ship_job job = { .point = c->point,
		.taken_mono_ms = c->taken_mono_ms,
		.how = c->how,
		.source = source,
		.files = files };

	UD_TRY(files_of(c, files, &job.file_count));
	if (c->media)
		return ud_sender_export(c->cx, c->r->sender, &job, c->media, ret);
	return ud_sender_ship(c->cx, c->r->sender, &job, ret);
}

/* What rotted over there is made good while the image of its newest point can still be read. The
 * point stands whatever comes of it. */
void ud_lv_ship_mend(struct ud_lv_cycle *c, ud_source *source, const struct ud_shipped *shipped)
{
	int64_t n = 0;

	if (!shipped->wrong)
		return;
	enum ud_code code = ud_sender_repair(c->cx, c->r->sender, source, &n);

	if (code == UD_OK && n == 0)
		return; /* what is wrong is in older points alone */
	ud_log(UD_LOG_WARNING, "replica_repaired", "relation", c->r->id, "extents",
		ud_printf(c->cx->arena, "%lld", (long long)n), "reason",
		code == UD_OK ? "" : c->cx->problem.detail, NULL);
	ud_ctx_clear(c->cx);
}

/* The target has it: the old checkpoint can go. */
enum ud_code ud_lv_ship_accept(struct ud_lv_cycle *c, const struct ud_shipped *shipped)
{
	struct ud_lv_state *s = &c->state;
	const char *old = s->checkpoint, *parted = s->parted_checkpoint;

	if (c->media) { /* it is not over there yet */
		s->exported = shipped->point.id;
		s->state = UD_REPLICATION_SEEDING;
		return ud_lv_state_write(c->cx, c->r, s);
	}
	s->parted_checkpoint = s->parted_point = "";
	s->checkpoint = c->checkpoint;
	s->point_id = shipped->point.id;
	s->pending_checkpoint = s->pending_point = "";
	s->compare = false;
	s->state = UD_REPLICATION_REPLICATING;
	s->bytes_sent += shipped->wire_bytes;
	if (c->point.consistency == UD_CONSISTENCY_APPLICATION)
		s->app_at_ms = c->point.taken_at.ms;
	UD_TRY(ud_lv_state_write(c->cx, c->r, s));
	ud_lv_cycle_step(c, "cycle.accepted");
	if (c->d && strcmp(old, c->checkpoint) != 0)
		ud_lv_checkpoint_drop(c->d, old);
	if (c->d)
		ud_lv_checkpoint_drop(c->d, parted);
	ud_lv_cycle_step(c, "cycle.dropped");
	return UD_OK;
}
