/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extended leg: this host is a VM's replica and passes its points on to a third one. Nothing
 * is read from a VM: what lies between the point that was passed on last and the newest one is one
 * delta. The point passed on last is pinned in our store until a newer one is over there.
 *
 * In the relation's state, checkpoint and pending_checkpoint are points of our store here: those
 * that point_id and pending_point over there were made of. After a failover to this host the VM
 * itself is read (cycle.c), and they are checkpoints of libvirt's; where the two meet, hashes are
 * compared once.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/log.h"

static const char pin[] = "extended";

/* One point on its way. */
struct passing {
	struct ud_ctx *cx;
	struct ud_lv_relation *r, *first; /* this leg, and the one before it */
	ud_store *store;                  /* of the first, borrowed */
	struct ud_relation relation;
	struct ud_lv_state state;
	struct ud_stored_point newest; /* what is to be passed on */
	enum ud_ship how;
	const char *from, *parent; /* of our store; of the target's */
};

bool ud_lv_forwards(const struct ud_relation *relation)
{
	return relation->role == UD_RELATION_SOURCE && relation->leg == UD_LEG_EXTENDED;
}

enum ud_lv_onward ud_lv_onward(
	struct ud_lv *lv, const struct ud_relation *relation, struct ud_lv_relation **ret_first)
{
	struct ud_lv_relation *first = ud_lv_relation_of_vm(lv, relation->uuid);
	enum ud_lv_onward from = UD_LV_FROM_STORE;

	*ret_first = first;
	if (!first)
		return from;
	pthread_mutex_lock(&lv->book->lock);
	const struct ud_lv_state *s = &first->state;

	if (first->relation.role == UD_RELATION_SOURCE)
		from = s->displaced ? UD_LV_FROM_NOWHERE : UD_LV_FROM_VM;
	else if (*s->failed_over)
		from = s->committed ? UD_LV_FROM_VM : UD_LV_FROM_NOWHERE;
	else if (s->state == UD_REPLICATION_READY_FOR_SEED || s->seed)
		from = UD_LV_FROM_NOWHERE; /* turned round just now: its first point comes */
	pthread_mutex_unlock(&lv->book->lock);
	return from;
}

/* ---- the first leg's store ---- */

static struct ud_lv_relation *first_leg(struct ud_lv *lv, const char *uuid)
{
	struct ud_lv_relation *r = ud_lv_relation_of_vm(lv, uuid);

	if (!r)
		return NULL;
	pthread_mutex_lock(&lv->book->lock);
	bool fits = r->relation.role == UD_RELATION_TARGET && !*r->state.failed_over &&
		r->state.store > 0 && !r->state.seed;

	pthread_mutex_unlock(&lv->book->lock);
	return fits ? r : NULL;
}

/* It stays open until it is returned; who closes it stops us and waits. */
static enum ud_code borrow(struct passing *p)
{
	p->first = first_leg(p->r->lv, p->relation.uuid);
	if (!p->first)
		return ud_fail(p->cx, UD_E_INVALID_STATE, NULL,
			"This host has no replica of the VM that could be passed on.");
	pthread_mutex_lock(&p->first->work);
	enum ud_code code = ud_lv_store_open(p->cx, p->first);

	if (code == UD_OK) {
		pthread_mutex_lock(&p->r->lv->book->lock);
		p->store = p->first->store;
		p->first->borrowed++;
		pthread_mutex_unlock(&p->r->lv->book->lock);
	}
	pthread_mutex_unlock(&p->first->work);
	return code;
}

static void give_back(struct passing *p)
{
	struct ud_lv_book *book = p->r->lv->book;

	if (!p->store)
		return;
	pthread_mutex_lock(&book->lock);
	p->first->borrowed--;
	pthread_cond_broadcast(&book->moved);
	pthread_mutex_unlock(&book->lock);
	p->store = NULL;
}

/* ---- pins ---- */

struct pins {
	ud_store *store;
	const char *keep[2];
};

static enum ud_code drop_pin(struct ud_ctx *cx, void *data, const struct ud_stored_point *point)
{
	const struct pins *p = data;

	for (size_t i = 0; i < UD_LEN(p->keep); i++)
		if (p->keep[i] && strcmp(p->keep[i], point->point.id) == 0)
			return UD_OK;
	return point->pinned ? ud_store_unpin(cx, p->store, point->point.id, pin) : UD_OK;
}

/* Unpin all but these; NULL = none. */
static enum ud_code keep_pins(
	struct ud_ctx *cx, ud_store *store, const char *one, const char *other)
{
	struct pins p = { store, { one, other } };

	return ud_store_points(cx, store, drop_pin, &p);
}

enum ud_code ud_lv_forward_forget(struct ud_ctx *cx, ud_store *store)
{
	return keep_pins(cx, store, NULL, NULL);
}

/* ---- what to pass on ---- */

/* A point whose fate we do not know: the target does. */
static void settle(struct ud_lv_state *s, const struct ud_sender_have *have)
{
	if (*s->pending_point && strcmp(have->newest_id, s->pending_point) == 0) {
		s->checkpoint = s->pending_checkpoint;
		s->point_id = s->pending_point;
	}
	s->pending_checkpoint = s->pending_point = "";
}

static enum ud_code decide(struct passing *p)
{
	struct ud_lv_state *s = &p->state;
	struct ud_sender_have have = { 0 };
	struct ud_stored_point base = { 0 };

	UD_TRY(ud_lv_sender_ready(
		p->cx, p->r, &p->relation, &p->r->sender, &p->r->sender_generation));
	UD_TRY(ud_sender_have(p->cx, p->r->sender, &have));
	settle(s, &have);
	p->parent = have.newest_id;
	p->from = "";
	bool known = *s->checkpoint && !s->compare && strcmp(have.newest_id, s->point_id) == 0 &&
		ud_store_point(p->cx, p->store, s->checkpoint, &base) == UD_OK;

	ud_ctx_clear(p->cx);
	if (known && !*base.bad) {
		p->how = UD_SHIP_DELTA;
		p->from = s->checkpoint;
		return UD_OK;
	}
	p->how = *have.newest_id || have.seeded ? UD_SHIP_COMPARE : UD_SHIP_FULL;
	return UD_OK;
}

/* Remember what is begun, so that it is found again after a crash. */
static enum ud_code begin(struct passing *p, struct ud_manifest *ret)
{
	struct ud_lv_state *s = &p->state;
	const struct ud_manifest *newest = &p->newest.point;

	UD_TRY(ud_store_pin(p->cx, p->store, newest->id, pin));
	UD_TRY(keep_pins(p->cx, p->store, newest->id, *p->from ? p->from : NULL));
	*ret = (struct ud_manifest){ .id = ud_manifest_id(p->cx),
		.parent = p->parent,
		.replication_id = p->relation.replication_id,
		.vm_id = p->relation.vm_id,
		.epoch = p->relation.epoch,
		.taken_at = newest->taken_at,
		.requested = UD_CONSISTENCY_CRASH,
		.consistency = UD_CONSISTENCY_CRASH,
		.reason = "" };
	s->pending_point = ret->id;
	s->pending_checkpoint = newest->id;
	if (p->how != UD_SHIP_DELTA)
		s->state =
			p->how == UD_SHIP_FULL ? UD_REPLICATION_SEEDING : UD_REPLICATION_RESYNCING;
	return ud_lv_state_write(p->cx, p->r, s);
}

static enum ud_code read_stored(struct ud_ctx *cx, const struct ud_ship_file *f, const void **ret)
{
	const struct passing *p = f->from;
	const char *data = NULL;
	size_t n = 0;

	UD_TRY(ud_store_file(cx, p->store, p->newest.point.id, f->name, &data, &n));
	*ret = data;
	return UD_OK;
}

/* The files of the point go along: the definition, the firmware's variables. */
static enum ud_code files_of(struct passing *p, const struct ud_ship_file **ret, size_t *ret_n)
{
	const struct ud_manifest_file *files = NULL;
	size_t n = 0;

	UD_TRY(ud_manifest_files(p->cx, &p->newest.point, &files, &n));
	struct ud_ship_file *list = ud_alloc(p->cx->arena, sizeof(*list) * (n + 1));

	for (size_t i = 0; i < n; i++)
		list[i] = (struct ud_ship_file){ .name = files[i].name,
			.n = (size_t)files[i].bytes,
			.sha256 = files[i].sha256,
			.read = read_stored,
			.from = p };
	*ret = list;
	*ret_n = n;
	return UD_OK;
}

static enum ud_code accept(struct passing *p, const struct ud_shipped *shipped)
{
	struct ud_lv_state *s = &p->state;

	s->checkpoint = s->pending_checkpoint;
	s->point_id = shipped->point.id;
	s->pending_checkpoint = s->pending_point = "";
	s->compare = false;
	s->state = UD_REPLICATION_REPLICATING;
	s->bytes_sent += shipped->wire_bytes;
	UD_TRY(ud_lv_state_write(p->cx, p->r, s));
	return keep_pins(p->cx, p->store, s->checkpoint, NULL);
}

/* Its age goes on from when it was taken at the first host, whatever it waited for here. */
static enum ud_code pass_on(struct passing *p, struct ud_shipped *ret)
{
	UD_AUTO(ud_source) *source = NULL;
	struct ud_ship_job job = { .how = p->how };

	UD_TRY(begin(p, &job.point));
	UD_TRY(files_of(p, &job.files, &job.file_count));
	UD_TRY(ud_store_source(p->cx, p->store, p->from, p->newest.point.id, &source));
	job.source = source;
	job.taken_mono_ms =
		ud_mono_ms(p->cx->env) - ud_lv_point_age(p->cx, p->first, &p->newest.point);
	UD_TRY(ud_sender_ship(p->cx, p->r->sender, &job, ret));
	return accept(p, ret);
}

/* Our newest point is over there. When it was all that the first host had, so is what is there. */
static void note_confirmed(struct passing *p)
{
	struct ud_lv_book *book = p->r->lv->book;

	pthread_mutex_lock(&book->lock);
	bool all = strcmp(p->first->confirmed_id, p->newest.point.id) == 0;

	p->r->confirmed_mono_ms = all ? p->first->confirmed_mono_ms : 0;
	pthread_mutex_unlock(&book->lock);
}

static enum ud_code forward(struct passing *p, bool *ret_new, struct ud_shipped *ret)
{
	enum ud_code code = ud_store_newest(p->cx, p->store, &p->newest);

	*ret_new = false;
	if (code == UD_E_NOT_FOUND) { /* the first copy has not come yet */
		ud_ctx_clear(p->cx);
		return UD_OK;
	}
	UD_TRY(code);
	if (*p->newest.bad)
		return ud_fail(p->cx, UD_E_INVALID_STATE, NULL,
			"The newest point here is bad, and is not passed on: %s", p->newest.bad);
	UD_TRY(decide(p));
	if (p->how == UD_SHIP_DELTA && strcmp(p->from, p->newest.point.id) == 0) {
		ret->point = p->newest.point;
		ret->point.id = p->state.point_id;
		UD_TRY(ud_lv_state_write(p->cx, p->r, &p->state));
	} else {
		*ret_new = true;
		UD_TRY(pass_on(p, ret));
	}
	note_confirmed(p);
	return UD_OK;
}

enum ud_code ud_lv_forward(
	struct ud_ctx *cx, struct ud_lv_relation *r, bool *ret_new, struct ud_shipped *ret)
{
	struct passing p = { .cx = cx, .r = r };

	ud_lv_relation_read(cx, r, &p.relation, &p.state);
	UD_TRY(borrow(&p));
	enum ud_code code = forward(&p, ret_new, ret);

	give_back(&p);
	return code;
}

void ud_lv_forward_end(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	struct passing p = { .cx = cx, .r = r };
	UD_AUTO(ud_lv_domain) *d = NULL;

	ud_lv_relation_read(cx, r, &p.relation, &p.state);
	if (ud_lv_find(cx, r->lv, p.relation.uuid, &d) == UD_OK) {
		ud_lv_checkpoint_drop(d, p.state.checkpoint);
		ud_lv_checkpoint_drop(d, p.state.pending_checkpoint);
	}
	ud_ctx_clear(cx);
	if (borrow(&p) != UD_OK || ud_lv_forward_forget(cx, p.store) != UD_OK)
		ud_log(UD_LOG_INFO, "not_unpinned", "relation", r->id, "reason", cx->problem.detail,
			NULL);
	ud_ctx_clear(cx);
	give_back(&p);
}
