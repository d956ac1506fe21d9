/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The backup job of a cycle: begun with a new checkpoint, all disks at one moment and of a frozen
 * guest when that is due; watched while it is open; ended.
 */
#include <string.h>
#include <sys/statvfs.h>

#include "agent/drivers/libvirt/cycle.h"
#include "base/env.h"
#include "base/log.h"

enum {
	JOB_END_MS = 30000,
	NBD_MS = 30000,
	FREEZE_MS = 5000,
	WATCH_MS = 1000,
	HOUR_MS = 3600000,
	APP_AGAIN_MS = 30000 /* a guest that could not be frozen is asked again */
};
/* scratch: what the guest overwrites while a job is open; it may grow to the disks' size */
static const int64_t scratch_reserve = INT64_C(64) << 20;

/* ---- its end ---- */

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

/* ---- its begin ---- */

/* Which disks were added since the base was made? They have no bitmap of it, and are read whole. */
static void look_for_fresh(struct ud_lv_cycle *c)
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

static const char *backup_mode(struct ud_lv_cycle *c, const char *target)
{
	for (size_t i = 0; i < c->image_count; i++)
		if (strcmp(c->images[i].target, target) == 0 && c->fresh[i])
			return "backupmode='full'";
	return ud_printf(c->cx->arena, "backupmode='incremental' incremental='%s'", c->base);
}

/* Every disk is named, yes or no: that is how disks are left out. */
static const char *backup_xml(struct ud_lv_cycle *c)
{
	struct ud_buf b = { 0 };

	memset(c->fresh, 0, sizeof(c->fresh));
	if (c->base)
		look_for_fresh(c);
	ud_buf_puts(&b, "<domainbackup mode='pull'>");
	ud_buf_printf(&b, "<server transport='unix' socket='%s'/><disks>", c->socket);
	for (size_t i = 0; i < c->all_count; i++) {
		if (ud_lv_is_among(c->images, c->image_count, c->all[i]))
			ud_buf_printf(&b,
				"<disk name='%s' backup='yes' type='file' %s><scratch "
				"file='%s/%s'/></disk>",
				c->all[i], c->base ? backup_mode(c, c->all[i]) : "", c->scratch,
				c->all[i]);
		else
			ud_buf_printf(&b, "<disk name='%s' backup='no'/>", c->all[i]);
	}
	ud_buf_puts(&b, "</disks></domainbackup>");
	return ud_buf_take(c->cx->arena, &b);
}

/* Is a point of a frozen guest due? */
static bool app_due(struct ud_lv_cycle *c)
{
	int64_t hours = c->relation.app_consistent_every_hours;
	int64_t now = ud_now_ms(c->cx->env);

	return hours != UD_NONE && c->relation.leg == UD_LEG_PRIMARY &&
		ud_mono_ms(c->cx->env) >= c->r->app_again_mono_ms &&
		(now < c->state.app_at_ms || now - c->state.app_at_ms >= hours * HOUR_MS);
}

/* Begin the job, of a frozen guest when that is due. The thaw comes whatever happens. */
enum ud_code ud_lv_job_begin(struct ud_lv_cycle *c, bool *ret_broken)
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
	if (rc < 0)
		c->r->swept = 0; /* something may stand in the way */
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

/* ---- while it is open ---- */

static bool scratch_is_full(struct ud_lv_cycle *c)
{
	struct statvfs st;

	return statvfs(c->scratch, &st) == 0 &&
		(int64_t)(st.f_bavail * st.f_frsize) < scratch_reserve;
}

/* A full scratch file stops the guest. Before that the job is aborted; a guest that stands still
 * already goes on after it. */
static void *watch(void *data)
{
	struct ud_lv_cycle *c = data;
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

void ud_lv_job_watch(struct ud_lv_cycle *c)
{
	c->watched = pthread_create(&c->watcher, NULL, watch, c) == 0;
}

void ud_lv_job_watch_end(struct ud_lv_cycle *c)
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

enum ud_code ud_lv_job_source(struct ud_lv_cycle *c, ud_source **ret)
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
