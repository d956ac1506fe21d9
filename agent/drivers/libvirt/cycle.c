/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cycle of a source: a backup job of libvirt's with a new checkpoint, all disks at one moment;
 * what is dirty since the checkpoint before is read over NBD and shipped; the job is ended. The old
 * checkpoint goes only when the target has the point, so that a cycle that fails loses nothing.
 *
 * Names are never used twice: ud-<generation of copies>-<number>. A bitmap that QEMU calls
 * inconsistent (it was killed, or the VM moved) costs all of ours; then hashes are compared.
 */
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/crypto.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"

#define PREFIX "ud-"
enum {
	JOB_END_MS = 30000,
	NBD_MS = 30000,
	FREEZE_MS = 5000,
	WATCH_MS = 1000,
	GUEST_MS = 60000, /* for a guest to boot as far as its agent */
	HOUR_MS = 3600000,
	APP_AGAIN_MS = 30000, /* a guest that could not be frozen is asked again */
	XML_DESC = VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE
};
/* scratch: what the guest overwrites while a job is open; it may grow to the disks' size */
static const int64_t scratch_reserve = INT64_C(64) << 20;

/* A cycle under way. */
struct cycle {
	struct ud_ctx *cx;
	struct ud_lv_relation *r;
	struct ud_lv *lv;
	virDomainPtr d;
	struct ud_relation relation;
	struct ud_lv_state state;
	struct ud_lv_image images[UD_LV_DISKS];
	size_t image_count;
	const char *all[UD_LV_DISKS]; /* targets of all disks, excluded ones, too */
	size_t all_count;
	const char *socket, *scratch;
	const char *checkpoint;  /* the new one */
	const char *base;        /* the one whose bitmap tells what is dirty; NULL = none does */
	bool fresh[UD_LV_DISKS]; /* by image: a disk that the base knows nothing of */
	const char *media;       /* folder that the point is written into; NULL = it is sent */
	bool missing;            /* the base is gone, and no bitmap is broken */
	bool waits;              /* for the medium to be taken in over there */
	bool gave_way;           /* to a call that starts the VM */
	enum ud_ship how;
	const char *parent;
	struct ud_manifest point;
	int64_t taken_mono_ms;
	int64_t begin_us, ship_us, end_us; /* what its parts took: the job's begin, and its end */
	/* watching the scratch files while the job is open */
	pthread_t watcher;
	bool watched, over; /* over: under the book's lock */
	bool cut_short;
};

static void stepped(struct cycle *c, const char *step)
{
	const struct ud_hv_replication *with = &c->lv->book->with;

	if (with->step)
		with->step(with->data, step);
}

/* ---- what is ours in libvirt ---- */

static bool is_ours(const char *name)
{
	return name && strncmp(name, PREFIX, strlen(PREFIX)) == 0;
}

/* Remove a bitmap of ours that has no checkpoint any more; a VM that is off keeps it in its images,
 * where it does no harm until the VM runs again. */
static void drop_bitmaps(struct ud_ctx *cx, virDomainPtr d)
{
	json_t *nodes = NULL, *node;
	size_t i, k;

	if (virDomainIsActive(d) != 1 ||
		ud_lv_qmp(cx, d, "query-named-block-nodes", "{\"flat\":true}", &nodes) != UD_OK) {
		ud_ctx_clear(cx);
		return;
	}
	json_array_foreach(nodes, i, node)
	{
		const char *name = json_string_value(json_object_get(node, "node-name"));
		json_t *bitmaps = json_object_get(node, "dirty-bitmaps"), *bitmap;

		json_array_foreach(bitmaps, k, bitmap)
		{
			const char *is = json_string_value(json_object_get(bitmap, "name"));
			json_t *answer = NULL;

			if (!is_ours(is) || !name)
				continue;
			if (ud_lv_qmp(cx, d, "block-dirty-bitmap-remove",
				    ud_printf(cx->arena, "{\"node\":\"%s\",\"name\":\"%s\"}", name,
					    is),
				    &answer) == UD_OK)
				json_decref(answer);
			ud_ctx_clear(cx);
		}
	}
	json_decref(nodes);
}

void ud_lv_checkpoints_drop(struct ud_ctx *cx, virDomainPtr d)
{
	virDomainCheckpointPtr *all = NULL;
	int n = virDomainListAllCheckpoints(d, &all, 0);

	for (int i = 0; i < n; i++) {
		/* a plain delete fails when the bitmap is gone, and on a VM that is off */
		if (is_ours(virDomainCheckpointGetName(all[i])) &&
			virDomainCheckpointDelete(all[i], 0) < 0)
			(void)virDomainCheckpointDelete(
				all[i], VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY);
		virDomainCheckpointFree(all[i]);
	}
	ud_free(all);
	drop_bitmaps(cx, d);
}

void ud_lv_checkpoint_drop(virDomainPtr d, const char *name)
{
	UD_AUTO(ud_lv_checkpoint) *c = NULL;

	if (!is_ours(name))
		return;
	c = virDomainCheckpointLookupByName(d, name, 0);
	if (c && virDomainCheckpointDelete(c, 0) < 0)
		(void)virDomainCheckpointDelete(c, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY);
}

/* ---- the job ---- */

static bool job_runs(virDomainPtr d)
{
	char *xml = virDomainBackupGetXMLDesc(d, 0);
	bool runs = xml != NULL;

	ud_free(xml);
	return runs;
}

/* The call returns before the job is gone; what comes next must not race with it. */
enum ud_code ud_lv_job_end(struct ud_ctx *cx, struct ud_lv *lv, virDomainPtr d)
{
	int64_t last = ud_mono_ms(cx->env) + JOB_END_MS;

	if (virDomainIsActive(d) != 1 || !job_runs(d))
		return UD_OK;
	(void)virDomainAbortJob(d); /* one that has just ended is no failure */
	for (;;) {
		size_t seen = ud_lv_events(lv);

		if (virDomainIsActive(d) != 1 || !job_runs(d))
			return UD_OK;
		if (ud_mono_ms(cx->env) >= last)
			return ud_fail(cx, UD_E_NOT_IN_TIME, NULL, "The backup job does not end.");
		ud_lv_wait_event(lv, seen, 100);
	}
}

static bool is_among(const struct ud_lv_image *images, size_t n, const char *target)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(images[i].target, target) == 0)
			return true;
	return false;
}

/* Which disks were added since the base was made? They have no bitmap of it, and are read whole. */
static void look_for_fresh(struct cycle *c)
{
	UD_AUTO(ud_lv_checkpoint) *base = virDomainCheckpointLookupByName(c->d, c->base, 0);
	char *xml = base ? virDomainCheckpointGetXMLDesc(base, 0) : NULL;
	UD_AUTO(ud_lv_doc) *doc = NULL;
	bool known[UD_LV_DISKS] = { false };

	if (!xml || ud_lv_read(c->cx, ud_lv_take(c->cx, xml), &doc) != UD_OK) {
		ud_ctx_clear(c->cx); /* the job will say what is wrong */
		return;
	}
	xmlNodePtr disk = ud_lv_child(xmlDocGetRootElement(doc), "disks/disk");

	for (; disk; disk = ud_lv_next(disk)) {
		const char *name = ud_lv_attribute(c->cx, disk, "name");
		const char *how = ud_lv_attribute(c->cx, disk, "checkpoint");

		for (size_t i = 0; name && how && i < c->image_count; i++)
			if (strcmp(c->images[i].target, name) == 0)
				known[i] = strcmp(how, "bitmap") == 0;
	}
	for (size_t i = 0; i < c->image_count; i++)
		c->fresh[i] = !known[i];
}

static const char *backup_mode(struct cycle *c, const char *target)
{
	for (size_t i = 0; i < c->image_count; i++)
		if (strcmp(c->images[i].target, target) == 0 && c->fresh[i])
			return "backupmode='full'";
	return ud_printf(c->cx->arena, "backupmode='incremental' incremental='%s'", c->base);
}

/* Every disk is named, yes or no: that is how disks are left out. */
static const char *backup_xml(struct cycle *c)
{
	struct ud_buf b = { 0 };

	memset(c->fresh, 0, sizeof(c->fresh));
	if (c->base)
		look_for_fresh(c);
	ud_buf_puts(&b, "<domainbackup mode='pull'>");
	ud_buf_printf(&b, "<server transport='unix' socket='%s'/><disks>", c->socket);
	for (size_t i = 0; i < c->all_count; i++) {
		if (is_among(c->images, c->image_count, c->all[i]))
			ud_buf_printf(&b,
				"<disk name='%s' backup='yes' type='file' %s><scratch "
				"file='%s/%s'/></disk>",
				c->all[i], c->base ? backup_mode(c, c->all[i]) : "", c->scratch,
				c->all[i]);
		else
			ud_buf_printf(&b, "<disk name='%s' backup='no'/>", c->all[i]);
	}
	ud_buf_puts(&b, "</disks></domainbackup>");
	const char *text = ud_strndup(c->cx->arena, b.data, b.len);

	ud_buf_free(&b);
	return text;
}

const char *ud_lv_checkpoint_xml(struct ud_ctx *cx, const char *name, const char *const *all,
	size_t all_count, const struct ud_lv_image *images, size_t image_count)
{
	struct ud_buf b = { 0 };

	ud_buf_printf(&b, "<domaincheckpoint><name>%s</name><disks>", name);
	for (size_t i = 0; i < all_count; i++)
		ud_buf_printf(&b, "<disk name='%s' checkpoint='%s'/>", all[i],
			is_among(images, image_count, all[i]) ? "bitmap" : "no");
	ud_buf_puts(&b, "</disks></domaincheckpoint>");
	const char *text = ud_strndup(cx->arena, b.data, b.len);

	ud_buf_free(&b);
	return text;
}

/* Is a point of a frozen guest due? */
static bool app_due(struct cycle *c)
{
	int64_t hours = c->relation.app_consistent_every_hours;
	int64_t now = ud_now_ms(c->cx->env);

	return hours != UD_NONE && c->relation.leg == UD_LEG_PRIMARY &&
		ud_mono_ms(c->cx->env) >= c->r->app_again_mono_ms &&
		(now < c->state.app_at_ms || now - c->state.app_at_ms >= hours * HOUR_MS);
}

/* Begin the job, of a frozen guest when that is due. The thaw comes whatever happens. */
static enum ud_code begin_job(struct cycle *c, bool *ret_broken)
{
	struct ud_ctx *cx = c->cx;
	bool app = app_due(c), frozen = false;
	const char *backup = backup_xml(c);
	const char *checkpoint = ud_lv_checkpoint_xml(
		cx, c->checkpoint, c->all, c->all_count, c->images, c->image_count);

	c->point.requested = app ? UD_CONSISTENCY_APPLICATION : UD_CONSISTENCY_CRASH;
	c->point.consistency = UD_CONSISTENCY_CRASH;
	c->point.reason = "";
	if (app) {
		frozen = ud_lv_freeze(cx, &c->lv->hv, c->relation.uuid, FREEZE_MS) == UD_OK;
		if (!frozen)
			c->point.reason = cx->problem.detail;
		ud_ctx_clear(cx);
	}
	ud_lv_make_begin(c->lv, c->relation.uuid);
	int64_t began_us = ud_stopwatch_us();
	unsigned flags = ud_lv_scratch_make(cx, c->scratch, c->images, c->image_count)
		? VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL
		: 0;
	int rc = virDomainBackupBegin(c->d, backup, checkpoint, flags);

	c->begin_us = ud_stopwatch_us() - began_us;

	ud_lv_make_end(c->lv, c->relation.uuid);
	enum ud_code code = rc < 0 ? ud_lv_fail(cx, "begin a backup job") : UD_OK;
	const virError *error = rc < 0 ? virGetLastError() : NULL;
	/* lost with the bitmaps of another relation of the VM; or with QEMU */
	c->missing = error && error->code == VIR_ERR_NO_DOMAIN_CHECKPOINT;
	bool broken = c->missing || (error && error->code == VIR_ERR_CHECKPOINT_INCONSISTENT);

	c->taken_mono_ms = ud_mono_ms(cx->env);
	c->point.taken_at.ms = ud_now_ms(cx->env);
	if (frozen && ud_lv_thaw(cx, &c->lv->hv, c->relation.uuid) == UD_OK)
		c->point.consistency = UD_CONSISTENCY_APPLICATION;
	else if (frozen)
		c->point.reason = "The guest was thawed too early.";
	if (app)
		c->r->app_again_mono_ms = c->taken_mono_ms + APP_AGAIN_MS;
	*ret_broken = broken;
	return code;
}

/* ---- watching ---- */

static bool scratch_is_full(struct cycle *c)
{
	struct statvfs st;

	return statvfs(c->scratch, &st) == 0 &&
		(int64_t)(st.f_bavail * st.f_frsize) < scratch_reserve;
}

/* A full scratch file stops the guest. Before that the job is aborted; a guest that stands still
 * already goes on after it. */
static void *watch(void *data)
{
	struct cycle *c = data;
	struct ud_lv_book *book = c->lv->book;
	struct timespec until;

	pthread_mutex_lock(&book->lock);
	while (!c->over) {
		pthread_mutex_unlock(&book->lock);
		int state = 0, reason = 0;
		bool stuck = virDomainGetState(c->d, &state, &reason, 0) == 0 &&
			state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;

		if (stuck || scratch_is_full(c)) {
			(void)virDomainAbortJob(c->d);
			if (stuck)
				(void)virDomainResume(c->d);
			pthread_mutex_lock(&book->lock);
			c->cut_short = true;
			ud_log(UD_LOG_WARNING, "cycle_cut_short", "relation", c->r->id, "reason",
				stuck ? "the guest stood still" : "no room for scratch files",
				NULL);
			break;
		}
		ud_deadline(WATCH_MS, &until);
		pthread_mutex_lock(&book->lock);
		if (!c->over)
			pthread_cond_timedwait(&book->moved, &book->lock, &until);
	}
	pthread_mutex_unlock(&book->lock);
	return NULL;
}

static void watch_end(struct cycle *c)
{
	if (!c->watched)
		return;
	pthread_mutex_lock(&c->lv->book->lock);
	c->over = true;
	pthread_cond_broadcast(&c->lv->book->moved);
	pthread_mutex_unlock(&c->lv->book->lock);
	pthread_join(c->watcher, NULL);
	c->watched = false;
}

/* ---- shipping ---- */

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
	UD_TRY(ud_json_parse(cx, text, strlen(text), &list));
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

/* A point whose fate we do not know: the target does. */
static enum ud_code settle_pending(struct cycle *c, const struct ud_sender_have *have)
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

static void take_way(struct cycle *c, enum ud_ship how)
{
	c->how = how;
	c->base = how == UD_SHIP_DELTA ? c->state.checkpoint
		: how == UD_SHIP_UNION ? c->state.parted_checkpoint
				       : NULL;
}

/* What is to be shipped, from what the target has. */
static enum ud_code decide(struct cycle *c)
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

/* The definition goes with every point, and the firmware's variables, which are no disk. */
static enum ud_code files_of(struct cycle *c, struct ud_ship_file files[2], size_t *ret_n)
{
	struct ud_ctx *cx = c->cx;
	UD_AUTO(ud_lv_doc) *doc = NULL;
	char *xml = virDomainGetXMLDesc(c->d, XML_DESC);

	if (!xml)
		return ud_lv_fail(cx, "read the VM's definition");
	const char *text = ud_lv_take(cx, xml);

	files[0] = (struct ud_ship_file){ "domain.xml", text, strlen(text) };
	*ret_n = 1;
	UD_TRY(ud_lv_read(cx, text, &doc));
	const char *nvram = ud_lv_content(cx, ud_lv_child(xmlDocGetRootElement(doc), "os/nvram"));
	char *data = NULL;
	size_t n = 0;

	if (nvram && *nvram && cx->env->files->read(nvram, UD_MANIFEST_FILE, &data, &n) == 0) {
		void *copy = ud_alloc(cx->arena, n + 1);

		memcpy(copy, data, n);
		ud_free(data);
		files[(*ret_n)++] = (struct ud_ship_file){ "nvram.fd", copy, n };
	}
	return UD_OK;
}

static enum ud_code ship(struct cycle *c, ud_source *source, struct ud_shipped *ret)
{
	struct ud_ship_file files[2];
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
static void mend(struct cycle *c, ud_source *source, const struct ud_shipped *shipped)
{
	int64_t n = 0;

	if (!shipped->wrong)
		return;
	enum ud_code code = ud_sender_repair(c->cx, c->r->sender, source, &n);

	ud_log(UD_LOG_WARNING, "replica_repaired", "relation", c->r->id, "extents",
		ud_printf(c->cx->arena, "%lld", (long long)n), "reason",
		code == UD_OK ? "" : c->cx->problem.detail, NULL);
	ud_ctx_clear(c->cx);
}

/* Both ends wrote by themselves: what either calls dirty; or hashes of all, where one cannot tell.
 */
static enum ud_code unite(struct cycle *c, ud_source **source)
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

static void new_point(struct cycle *c)
{
	c->point.id = ud_manifest_id(c->cx);
	c->point.parent = c->parent;
	c->point.replication_id = c->relation.replication_id;
	c->point.vm_id = c->relation.vm_id;
	c->point.epoch = c->relation.epoch;
}

/* The target has it: the old checkpoint can go. */
static enum ud_code accept(struct cycle *c, const struct ud_shipped *shipped)
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
	stepped(c, "cycle.accepted");
	if (c->d && strcmp(old, c->checkpoint) != 0)
		ud_lv_checkpoint_drop(c->d, old);
	if (c->d)
		ud_lv_checkpoint_drop(c->d, parted);
	stepped(c, "cycle.dropped");
	return UD_OK;
}

static enum ud_code nbd_source(struct cycle *c, ud_source **ret)
{
	struct ud_nbd_disk disks[UD_LV_DISKS];

	for (size_t i = 0; i < c->image_count; i++)
		disks[i] = (struct ud_nbd_disk){ .name = c->images[i].target,
			.socket_path = c->socket,
			.export_name = c->images[i].target,
			.bitmap = !c->base || c->fresh[i]
				? NULL
				: ud_printf(c->cx->arena, "qemu:dirty-bitmap:backup-%s",
					  c->images[i].target) };
	return ud_source_nbd(c->cx, disks, c->image_count, NBD_MS, ret);
}

/* With the job open: read and ship, under a watch. */
static enum ud_code move(struct cycle *c, struct ud_shipped *ret)
{
	UD_AUTO(ud_source) *source = NULL;

	c->watched = pthread_create(&c->watcher, NULL, watch, c) == 0;
	enum ud_code code = nbd_source(c, &source);

	if (code == UD_OK)
		code = unite(c, &source);
	if (code == UD_OK)
		code = ship(c, source, ret);
	if (code == UD_OK)
		mend(c, source, ret);
	watch_end(c);
	if (code != UD_OK && c->cut_short)
		return ud_fail(c->cx, UD_E_STORAGE_FULL, NULL,
			"The cycle was cut short: no room for what the guest writes meanwhile.");
	return code;
}

/* Forget all bitmaps: hashes are to be compared from the next cycle on. */
static enum ud_code forget_bitmaps(struct cycle *c)
{
	struct ud_lv_state *s = &c->state;

	ud_log(UD_LOG_WARNING, "bitmaps_lost", "relation", c->r->id, NULL);
	if (c->missing) { /* what others have is sound */
		ud_lv_checkpoint_drop(c->d, s->checkpoint);
		ud_lv_checkpoint_drop(c->d, s->pending_checkpoint);
		ud_lv_checkpoint_drop(c->d, s->parted_checkpoint);
	} else {
		ud_lv_checkpoints_drop(c->cx, c->d);
	}
	s->checkpoint = s->pending_checkpoint = s->pending_point = "";
	s->parted_checkpoint = s->parted_point = s->exported = "";
	s->compare = true;
	s->state = UD_REPLICATION_RESYNCING;
	return ud_lv_state_write(c->cx, c->r, s);
}

const char *ud_lv_checkpoint_name(struct ud_ctx *cx, struct ud_lv_state *state)
{
	unsigned char chance[4];

	ud_random(cx->env, chance, sizeof(chance));
	return ud_printf(
		cx->arena, PREFIX "%s-%lld", ud_hex(cx->arena, chance, 4), (long long)++state->n);
}

static enum ud_code name_checkpoint(struct cycle *c)
{
	c->checkpoint = ud_lv_checkpoint_name(c->cx, &c->state);
	c->state.pending_checkpoint = c->checkpoint;
	c->state.pending_point = c->point.id;
	if (c->how != UD_SHIP_DELTA)
		c->state.state =
			c->how == UD_SHIP_FULL ? UD_REPLICATION_SEEDING : UD_REPLICATION_RESYNCING;
	return ud_lv_state_write(c->cx, c->r, &c->state);
}

static bool guest_is_coming(struct cycle *c)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	int state = 0;
	bool ending;

	pthread_mutex_lock(&c->lv->book->lock);
	ending = c->r->ending;
	pthread_mutex_unlock(&c->lv->book->lock);
	return !ending && virDomainGetState(c->d, &state, NULL, 0) == 0 &&
		state == VIR_DOMAIN_RUNNING && ud_lv_definition(c->cx, c->d, 0, &doc) == UD_OK &&
		ud_lv_agent_state(xmlDocGetRootElement(doc), c->cx) == UD_GUEST_DISCONNECTED;
}

/*
 * Before a job that may be long: libvirt 9.0 hears of a guest agent that begins to listen by a job
 * of its own, which a backup does not let in, and gives up after 30 s. A guest that boots meanwhile
 * would have no agent until its next boot. So each boot is waited for once, for a while.
 */
static void await_guest(struct cycle *c)
{
	int64_t last = ud_mono_ms(c->cx->env) + GUEST_MS;
	unsigned id = virDomainGetID(c->d);

	if (c->how == UD_SHIP_DELTA || id == c->r->awaited)
		return;
	for (;;) {
		size_t seen = ud_lv_events(c->lv);

		if (!guest_is_coming(c) || ud_mono_ms(c->cx->env) >= last)
			break;
		ud_lv_wait_event(c->lv, seen, WATCH_MS);
	}
	ud_ctx_clear(c->cx);
	c->r->awaited = id;
}

/* A running VM. */
static enum ud_code online(struct cycle *c, struct ud_shipped *ret)
{
	bool broken = false;

	UD_TRY(ud_lv_job_end(c->cx, c->lv, c->d)); /* of a process before us */
	ud_lv_scratch_clear(c->cx, c->scratch);
	UD_TRY(decide(c));
	if (c->waits)
		return UD_OK;
	await_guest(c);
	new_point(c);
	UD_TRY(name_checkpoint(c));
	stepped(c, "cycle.named");
	enum ud_code code = begin_job(c, &broken);

	if (broken) {
		/* once more, now without bitmaps */
		UD_TRY(forget_bitmaps(c));
		ud_ctx_clear(c->cx);
		UD_TRY(decide(c));
		new_point(c);
		UD_TRY(name_checkpoint(c));
		code = begin_job(c, &broken);
	}
	UD_TRY(code);
	stepped(c, "cycle.job");
	int64_t began_us = ud_stopwatch_us();

	code = move(c, ret);
	c->ship_us = ud_stopwatch_us() - began_us;
	if (code == UD_OK)
		stepped(c, "cycle.shipped");
	if (code != UD_OK) {
		struct ud_problem first = c->cx->problem;

		enum ud_code ended = ud_lv_job_end(c->cx, c->lv, c->d);

		if (ended != UD_OK) /* the next cycle tries again */
			ud_log(UD_LOG_WARNING, "job_end", "relation", c->r->id, NULL);
		c->cx->problem = first;
	} else {
		began_us = ud_stopwatch_us();
		code = ud_lv_job_end(c->cx, c->lv, c->d);
		c->end_us = ud_stopwatch_us() - began_us;
	}
	ud_lv_scratch_clear(c->cx, c->scratch);
	UD_TRY(code);
	stepped(c, "cycle.ended");
	c->r->off_synced = false;
	return accept(c, ret);
}

/* A VM that is off: its images say themselves what is dirty since the checkpoint. No new one can be
 * made, so the old one stays the base, and later cycles ship a little more than they need. */
static enum ud_code of_images(struct cycle *c, struct ud_shipped *ret)
{
	UD_AUTO(ud_lv_images) *images = NULL;
	UD_AUTO(ud_source) *source = NULL;

	new_point(c);
	c->point.requested = c->point.consistency = UD_CONSISTENCY_CRASH;
	c->point.reason = "";
	c->checkpoint = c->state.checkpoint;
	c->taken_mono_ms = ud_mono_ms(c->cx->env);
	c->point.taken_at.ms = ud_now_ms(c->cx->env);
	const char *bitmap = c->base;
	enum ud_code code =
		ud_lv_images_open(c->cx, c->r, c->images, c->image_count, bitmap, &images, &source);

	if (code != UD_OK && bitmap) {
		/* QEMU was killed: the bitmap in the images is not to be trusted */
		ud_ctx_clear(c->cx);
		c->how = UD_SHIP_COMPARE;
		code = ud_lv_images_open(
			c->cx, c->r, c->images, c->image_count, NULL, &images, &source);
	}
	UD_TRY(code);
	UD_TRY(unite(c, &source));
	c->state.pending_checkpoint = c->checkpoint;
	c->state.pending_point = c->point.id;
	UD_TRY(ud_lv_state_write(c->cx, c->r, &c->state));
	UD_TRY(ship(c, source, ret));
	UD_TRY(accept(c, ret));
	c->r->off_synced = true;
	return UD_OK;
}

/* QEMU does not get images that are being read: who starts the VM stops us, and that is no failure.
 */
static enum ud_code offline(struct cycle *c, struct ud_shipped *ret)
{
	UD_TRY(decide(c));
	if (c->waits)
		return UD_OK;
	c->gave_way = !ud_lv_off_begin(c->r);
	if (c->gave_way)
		return UD_OK;
	enum ud_code code = of_images(c, ret);

	if (!ud_lv_off_end(c->r) || code != UD_E_UNAVAILABLE)
		return code;
	ud_log(UD_LOG_INFO, "cycle_gave_way", "relation", c->r->id, NULL);
	ud_ctx_clear(c->cx);
	c->gave_way = true;
	return UD_OK;
}

static enum ud_code look_at_disks(struct cycle *c)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;

	UD_TRY(ud_lv_definition(c->cx, c->d, 0, &doc));
	xmlNodePtr root = xmlDocGetRootElement(doc);

	for (xmlNodePtr disk = ud_lv_child(root, "devices/disk"); disk; disk = ud_lv_next(disk)) {
		const char *target = ud_lv_attribute(c->cx, ud_lv_child(disk, "target"), "dev");

		if (target && c->all_count < UD_LV_DISKS)
			c->all[c->all_count++] = target;
	}
	return ud_lv_images_of(
		c->cx, root, &c->relation.excluded_disks, c->images, &c->image_count);
}

static void remember(struct cycle *c, int64_t began_us, const struct ud_shipped *shipped)
{
	struct ud_lv_book *book = c->lv->book;
	int64_t ms = (ud_stopwatch_us() - began_us) / 1000;

	pthread_mutex_lock(&book->lock);
	c->r->last_cycle_ms = ms;
	c->r->latency_ms = c->r->latency_ms == UD_NONE ? ms : (c->r->latency_ms * 7 + ms) / 8;
	c->r->pending_bytes = 0;
	pthread_mutex_unlock(&book->lock);
	ud_log(UD_LOG_INFO, "cycle", "relation", c->r->id, "point", shipped->point.id, "ms",
		ud_printf(c->cx->arena, "%lld", (long long)ms), "parts",
		ud_printf(c->cx->arena, "begin=%lld,ship=%lld,end=%lld",
			(long long)c->begin_us / 1000, (long long)c->ship_us / 1000,
			(long long)c->end_us / 1000),
		"bytes", ud_printf(c->cx->arena, "%lld", (long long)shipped->point.changed_bytes),
		"wire", ud_printf(c->cx->arena, "%lld", (long long)shipped->wire_bytes), NULL);
}

/* The host in the middle: no VM, but points of its own store. */
static enum ud_code forward(struct cycle *c, int64_t began_us, struct ud_point *ret)
{
	struct ud_shipped shipped = { 0 };
	bool is_new = false;

	UD_TRY(ud_lv_forward(c->cx, c->r, &is_new, &shipped));
	if (is_new)
		remember(c, began_us, &shipped);
	if (ret)
		ud_manifest_point(c->cx, &shipped.point, false, ret);
	return UD_OK;
}

/* A leg that passed points of the store on until now: nothing it knows is a checkpoint of the VM.
 */
static enum ud_code begin_onward(struct cycle *c)
{
	struct ud_lv_state *s = &c->state;

	if ((is_ours(s->checkpoint) || !*s->checkpoint) &&
		(is_ours(s->pending_checkpoint) || !*s->pending_checkpoint))
		return UD_OK;
	s->checkpoint = s->pending_checkpoint = s->pending_point = "";
	s->compare = true;
	return ud_lv_state_write(c->cx, c->r, s);
}

/* A point of the VM itself. */
static enum ud_code of_vm(struct cycle *c, bool must_be_off, int64_t began_us, struct ud_point *ret)
{
	struct ud_ctx *cx = c->cx;
	struct ud_lv_relation *r = c->r;
	UD_AUTO(ud_lv_domain) *d = NULL;
	struct ud_shipped shipped = { 0 };

	c->socket = ud_printf(cx->arena, "%s/run/%.30s.sock", r->lv->dir, r->id);
	c->scratch = ud_printf(cx->arena, "%s/scratch", r->dir);
	UD_TRY(ud_lv_make_folder(cx, ud_printf(cx->arena, "%s/run", r->lv->dir)));
	UD_TRY(ud_lv_make_folder(cx, c->scratch));
	UD_TRY(ud_lv_find(cx, r->lv, c->relation.uuid, &d));
	c->d = d;
	UD_TRY(look_at_disks(c));
	bool active = virDomainIsActive(d) == 1;

	if (active && must_be_off)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is not off.");
	if (!active && !must_be_off && r->off_synced)
		return UD_OK; /* nothing can have changed */
	UD_TRY(active ? online(c, &shipped) : offline(c, &shipped));
	if (c->waits && must_be_off)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The first copy on the medium was not taken in yet.");
	if (c->gave_way && must_be_off)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The VM is being started.");
	if (c->waits || c->gave_way)
		return UD_OK;
	remember(c, began_us, &shipped);
	if (ret)
		ud_manifest_point(cx, &shipped.point, false, ret);
	return UD_OK;
}

/* The extended leg goes on by itself when the VM has come to this host, and when it has left it. */
static enum ud_code onward(struct cycle *c, int64_t began_us, struct ud_point *ret)
{
	struct ud_lv_relation *first = NULL;
	enum ud_lv_onward from = ud_lv_onward(c->lv, &c->relation, &first);

	if (from == UD_LV_FROM_STORE)
		return forward(c, began_us, ret);
	if (from == UD_LV_FROM_NOWHERE)
		return UD_OK;
	pthread_mutex_lock(&first->work);
	enum ud_code code = begin_onward(c);

	if (code == UD_OK)
		code = of_vm(c, false, began_us, ret);
	pthread_mutex_unlock(&first->work);
	return code;
}

enum ud_code ud_lv_cycle(
	struct ud_ctx *cx, struct ud_lv_relation *r, bool must_be_off, struct ud_point *ret)
{
	struct cycle c = { .cx = cx, .r = r, .lv = r->lv };
	int64_t began = ud_stopwatch_us();

	ud_lv_relation_read(cx, r, &c.relation, &c.state);
	return ud_lv_forwards(&c.relation) ? onward(&c, began, ret)
					   : of_vm(&c, must_be_off, began, ret);
}
