/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One cycle of a source: a backup job of libvirt's with a new checkpoint, all disks at one moment;
 * what is dirty since the checkpoint before is read over NBD and shipped; the job is ended. The old
 * checkpoint goes only when the target has the point, so that a cycle that fails loses nothing.
 *
 * A bitmap that QEMU calls inconsistent (it was killed, or the VM moved) costs all of ours; then
 * hashes are compared.
 */
#include <string.h>

#include "agent/drivers/libvirt/cycle.h"
#include "base/env.h"
#include "base/log.h"

enum {
	LOOK_MS = 1000,
	GUEST_MS = 60000 /* for a guest to boot as far as its agent */
};

void ud_lv_cycle_step(struct ud_lv_cycle *c, const char *step)
{
	const struct ud_hv_replication *with = &c->lv->book->with;

	if (with->step)
		with->step(with->data, step);
}

/* ---- a VM that runs ---- */

/* With the job open: read and ship, under a watch. */
static enum ud_code move(struct ud_lv_cycle *c, struct ud_shipped *ret)
{
	UD_AUTO(ud_source) *source = NULL;

	ud_lv_job_watch(c);
	enum ud_code code = ud_lv_job_source(c, &source);

	if (code == UD_OK)
		code = ud_lv_ship_unite(c, &source);
	if (code == UD_OK)
		code = ud_lv_ship(c, source, ret);
	if (code == UD_OK)
		ud_lv_ship_mend(c, source, ret);
	ud_lv_job_watch_end(c);
	if (code != UD_OK && c->cut_short)
		return ud_fail(c->cx, UD_E_STORAGE_FULL, NULL,
			"The cycle was cut short: no room for what the guest writes meanwhile.");
	return code;
}

/* Forget all bitmaps: hashes are to be compared from the next cycle on. */
static enum ud_code forget_bitmaps(struct ud_lv_cycle *c)
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

static enum ud_code name_checkpoint(struct ud_lv_cycle *c)
{
	c->checkpoint = ud_lv_checkpoint_name(c->cx, &c->state);
	c->state.pending_checkpoint = c->checkpoint;
	c->state.pending_point = c->point.id;
	if (c->how != UD_SHIP_DELTA)
		c->state.state =
			c->how == UD_SHIP_FULL ? UD_REPLICATION_SEEDING : UD_REPLICATION_RESYNCING;
	return ud_lv_state_write(c->cx, c->r, &c->state);
}

static bool guest_is_coming(struct ud_lv_cycle *c)
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
static void await_guest(struct ud_lv_cycle *c)
{
	int64_t last = ud_mono_ms(c->cx->env) + GUEST_MS;
	unsigned id = virDomainGetID(c->d);

	if (c->how == UD_SHIP_DELTA || id == c->r->awaited)
		return;
	for (;;) {
		size_t seen = ud_lv_events(c->lv);

		if (!guest_is_coming(c) || ud_mono_ms(c->cx->env) >= last)
			break;
		ud_lv_wait_event(c->lv, seen, LOOK_MS);
	}
	ud_ctx_clear(c->cx);
	c->r->awaited = id;
}

/* A running VM. */
static enum ud_code online(struct ud_lv_cycle *c, struct ud_shipped *ret)
{
	bool broken = false;

	UD_TRY(ud_lv_job_end(c->cx, c->lv, c->d)); /* of a process before us */
	if (c->r->swept != virDomainGetID(c->d))
		UD_TRY(ud_lv_leftovers_clear(c->cx, c->lv, c->d, c->relation.uuid));
	c->r->swept = virDomainGetID(c->d);
	ud_lv_scratch_clear(c->cx, c->scratch);
	UD_TRY(ud_lv_ship_decide(c));
	if (c->waits)
		return UD_OK;
	await_guest(c);
	ud_lv_ship_point(c);
	UD_TRY(name_checkpoint(c));
	ud_lv_cycle_step(c, "cycle.named");
	enum ud_code code = ud_lv_job_begin(c, &broken);

	if (broken) {
		/* once more, now without bitmaps */
		UD_TRY(forget_bitmaps(c));
		ud_ctx_clear(c->cx);
		UD_TRY(ud_lv_ship_decide(c));
		ud_lv_ship_point(c);
		UD_TRY(name_checkpoint(c));
		code = ud_lv_job_begin(c, &broken);
	}
	UD_TRY(code);
	ud_lv_cycle_step(c, "cycle.job");
	int64_t began_us = ud_stopwatch_us();

	code = move(c, ret);
	c->ship_us = ud_stopwatch_us() - began_us;
	if (code == UD_OK)
		ud_lv_cycle_step(c, "cycle.shipped");
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
	ud_lv_cycle_step(c, "cycle.ended");
	return ud_lv_ship_accept(c, ret);
}

/* ---- a VM that is off ---- */

/* A VM that is off: its images say themselves what is dirty since the checkpoint. No new one can be
 * made, so the old one stays the base, and later cycles ship a little more than they need. */
static enum ud_code of_images(struct ud_lv_cycle *c, struct ud_shipped *ret)
{
	UD_AUTO(ud_lv_images) *images = NULL;
	UD_AUTO(ud_source) *source = NULL;

	ud_lv_ship_point(c);
	c->point.requested = c->point.consistency = UD_CONSISTENCY_CRASH;
	c->point.reason = "";
	c->checkpoint = c->state.checkpoint;
	c->taken_mono_ms = ud_mono_ms(c->cx->env);
	c->point.taken_at.ms = ud_now_ms(c->cx->env);
	int64_t stamp = ud_lv_images_stamp(c->images, c->image_count);
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
	UD_TRY(ud_lv_ship_unite(c, &source));
	c->state.pending_checkpoint = c->checkpoint;
	c->state.pending_point = c->point.id;
	UD_TRY(ud_lv_state_write(c->cx, c->r, &c->state));
	UD_TRY(ud_lv_ship(c, source, ret));
	UD_TRY(ud_lv_ship_accept(c, ret));
	c->r->off_stamp = stamp;
	return UD_OK;
}

/* QEMU does not get images that are being read: who starts the VM stops us, and that is no failure.
 */
static enum ud_code offline(struct ud_lv_cycle *c, struct ud_shipped *ret)
{
	UD_TRY(ud_lv_ship_decide(c));
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

/* ---- one cycle ---- */

static enum ud_code look_at_disks(struct ud_lv_cycle *c)
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

static void remember(struct ud_lv_cycle *c, int64_t began_us, const struct ud_shipped *shipped)
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
static enum ud_code forward(struct ud_lv_cycle *c, int64_t began_us, struct ud_point *ret)
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
static enum ud_code begin_onward(struct ud_lv_cycle *c)
{
	struct ud_lv_state *s = &c->state;

	if ((ud_lv_is_ours(s->checkpoint) || !*s->checkpoint) &&
		(ud_lv_is_ours(s->pending_checkpoint) || !*s->pending_checkpoint))
		return UD_OK;
	s->checkpoint = s->pending_checkpoint = s->pending_point = "";
	s->compare = true;
	return ud_lv_state_write(c->cx, c->r, s);
}

/* A VM that is off, and whose images nobody wrote to since all was shipped: when the target still
 * has that point, it is what the VM is now, and counts from now. */
static enum ud_code confirm(struct ud_lv_cycle *c)
{
	struct ud_lv_relation *r = c->r;
	struct ud_sender_have have = { 0 };
	int64_t now = ud_mono_ms(c->cx->env);

	if (c->state.compare || !ud_lv_images_untouched(r->off_stamp, c->images, c->image_count))
		return UD_OK;
	UD_TRY(ud_lv_sender_ready(c->cx, r, &c->relation, &r->sender, &r->sender_generation));
	UD_TRY(ud_sender_have(c->cx, r->sender, &have));
	c->confirmed = strcmp(have.newest_id, c->state.point_id) == 0;
	pthread_mutex_lock(&r->lv->book->lock);
	r->confirmed_mono_ms = c->confirmed ? now : 0;
	pthread_mutex_unlock(&r->lv->book->lock);
	if (!c->confirmed)
		return UD_OK;
	/* who passes the point on goes by it */
	return ud_sender_confirm(c->cx, r->sender, have.newest_id, ud_mono_ms(c->cx->env) - now);
}

/* A point of the VM itself. */
static enum ud_code of_vm(
	struct ud_lv_cycle *c, bool must_be_off, int64_t began_us, struct ud_point *ret)
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
	if (active)
		r->off_stamp = 0; /* whatever becomes of this cycle */
	if (!active && !must_be_off)
		UD_TRY(confirm(c));
	if (c->confirmed)
		return UD_OK;
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
static enum ud_code onward(struct ud_lv_cycle *c, int64_t began_us, struct ud_point *ret)
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
	struct ud_lv_cycle c = { .cx = cx, .r = r, .lv = r->lv };
	int64_t began = ud_stopwatch_us();

	ud_lv_relation_read(cx, r, &c.relation, &c.state);
	return ud_lv_forwards(&c.relation) ? onward(&c, began, ret)
					   : of_vm(&c, must_be_off, began, ret);
}
