/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A target: the store of each relation, opened when it is needed; what the receiver asks; and the
 * care between points: filling a store from disks that are here, merging what is too old.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"

enum { RESERVE_MIB = 256, XML_MAX = 4 << 20, STOP_AGAIN_MS = 500, LOOK_MS = 50 };

/* ---- the store ---- */

/* The host's word on a delta: the relation's own epoch, and the journal. */
static enum ud_code gate(struct ud_ctx *cx, void *data, int64_t epoch)
{
	struct ud_lv_relation *r = data;
	struct ud_lv_book *book = r->lv->book;

	pthread_mutex_lock(&book->lock);
	int64_t least = r->relation.epoch;
	bool target = r->relation.role == UD_RELATION_TARGET && !*r->state.failed_over &&
		r->relation.state == UD_RELATION_ACTIVE;
	const char *vm_id = ud_strdup(cx->arena, r->relation.vm_id);
	struct ud_hv_replication with = book->with;

	pthread_mutex_unlock(&book->lock);
	if (!target)
		return ud_fail(
			cx, UD_E_INVALID_STATE, NULL, "This host takes no points of the VM.");
	if (epoch < least)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL, "The epoch %lld has passed.",
			(long long)epoch);
	return with.may_receive ? with.may_receive(cx, with.data, vm_id, epoch) : UD_OK;
}

enum ud_code ud_lv_store_open(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	ud_store *store = NULL;

	if (r->store)
		return UD_OK;
	ud_lv_relation_read(cx, r, &relation, &state);
	struct ud_store_settings settings = { .path = ud_printf(cx->arena, "%s/store-%lld", r->dir,
						      (long long)state.store),
		.reserve_bytes = (int64_t)RESERVE_MIB << 20,
		.gate = gate,
		.gate_data = r,
		.step = r->lv->book->with.step,
		.step_data = r->lv->book->with.data };

	UD_TRY(ud_store_open(cx, &settings, &store));
	pthread_mutex_lock(&r->lv->book->lock);
	r->store = store;
	pthread_mutex_unlock(&r->lv->book->lock);
	return UD_OK;
}

void ud_lv_forward_stop(struct ud_lv_book *book, const char *uuid)
{
	for (struct ud_lv_relation *o = book->relations; o; o = o->next)
		if (o->sender && ud_lv_forwards(&o->relation) &&
			strcmp(o->relation.uuid, uuid) == 0) {
			ud_sender_stop(o->sender);
			o->sender_generation = 0; /* a new one for the next cycle */
		}
}

ud_store *ud_lv_store_borrow(struct ud_lv_relation *r)
{
	pthread_mutex_lock(&r->lv->book->lock);
	ud_store *store = r->store;

	r->borrowed += store != NULL;
	pthread_mutex_unlock(&r->lv->book->lock);
	return store;
}

void ud_lv_store_return(struct ud_lv_relation *r)
{
	pthread_mutex_lock(&r->lv->book->lock);
	r->borrowed--;
	pthread_cond_broadcast(&r->lv->book->moved);
	pthread_mutex_unlock(&r->lv->book->lock);
}

/* Until nobody reads the store any more; one that was about to begin is stopped, too. Under the
 * book's lock. */
static void call_back(struct ud_lv_relation *r)
{
	struct ud_lv_book *book = r->lv->book;
	struct timespec until;

	while (r->borrowed > 0) {
		ud_lv_forward_stop(book, r->relation.uuid);
		ud_deadline(STOP_AGAIN_MS, &until);
		pthread_cond_timedwait(&book->moved, &book->lock, &until);
	}
}

static void set_closing(struct ud_lv_relation *r, bool closing)
{
	struct ud_lv_book *book = r->lv->book;

	pthread_mutex_lock(&book->lock);
	r->closing = closing;
	r->newest_mono_ms = 0; /* points may go with the store */
	pthread_cond_broadcast(&book->moved);
	pthread_mutex_unlock(&book->lock);
}

void ud_lv_cut(struct ud_lv_relation *r)
{
	set_closing(r, true);
	if (r->lv->book->receiver)
		ud_receiver_cut(r->lv->book->receiver, r->id);
	set_closing(r, false);
}

void ud_lv_store_close(struct ud_lv_relation *r)
{
	struct ud_lv_book *book = r->lv->book;

	if (!r->store)
		return;
	/* taken away first: who comes after the cut does not get it any more */
	pthread_mutex_lock(&book->lock);
	ud_store *store = UD_TAKE(r->store);

	pthread_mutex_unlock(&book->lock);
	ud_lv_cut(r);
	pthread_mutex_lock(&book->lock);
	call_back(r);
	pthread_mutex_unlock(&book->lock);
	ud_store_release(&store);
}

/* ---- the receiver's questions ---- */

/* Its store for a connection; opened when it is not. Whoever closes it holds the work lock and
 * waits for us, so that nobody waits for that lock here without looking up. */
static enum ud_code open_for(struct ud_ctx *cx, struct ud_lv_relation *r, ud_store **ret)
{
	struct ud_lv_book *book = r->lv->book;
	struct timespec until;

	for (;;) {
		bool mine = pthread_mutex_trylock(&r->work) == 0;
		enum ud_code code = mine ? ud_lv_store_open(cx, r) : UD_OK;

		pthread_mutex_lock(&book->lock);
		bool closing = !mine && r->closing;

		*ret = closing || code != UD_OK ? NULL : r->store;
		if (!mine && !closing && !*ret) {
			ud_deadline(LOOK_MS, &until);
			pthread_cond_timedwait(&book->moved, &book->lock, &until);
		}
		pthread_mutex_unlock(&book->lock);
		if (mine)
			pthread_mutex_unlock(&r->work);
		if (closing)
			return ud_fail(
				cx, UD_E_UNAVAILABLE, NULL, "The replica is just being closed.");
		if (mine || *ret)
			return code;
	}
}

static enum ud_code store_for(
	struct ud_ctx *cx, void *data, const struct ud_caller *caller, ud_store **ret)
{
	struct ud_lv *lv = data;
	struct ud_lv_relation *r = NULL;
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	UD_TRY(ud_lv_relation_get(cx, lv, caller->replication_id, &r));
	ud_lv_relation_read(cx, r, &relation, &state);
	if (strcmp(relation.peer_agent_id, caller->peer) != 0 ||
		strcmp(relation.vm_id, caller->vm_id) != 0)
		return ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no relation %s here.",
			caller->replication_id);
	if (caller->auth != ud_lv_auth(&relation))
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"This relation goes by %s, and nothing else.",
			ud_authentications.names[relation.authentication]);
	UD_TRY(gate(cx, r, relation.epoch));
	if (state.seed)
		return ud_fail(cx, UD_E_INVALID_STATE, NULL,
			"The disks that are here are being read first.");
	return open_for(cx, r, ret);
}

/* It stays open: ud_lv_store_close ends it when the relation does. */
static void closed(void *data, const char *replication_id, ud_store *store)
{
	(void)data, (void)replication_id, (void)store;
}

/* Under the book's lock. */
static void note_age(struct ud_lv_relation *r, const char *point_id, int64_t age_ms)
{
	struct ud_lv_point_age *a = &r->ages[r->age_count++ % UD_LV_POINT_AGES];

	strncpy(a->id, point_id, sizeof(a->id) - 1);
	a->id[sizeof(a->id) - 1] = '\0';
	a->taken_mono_ms = ud_mono_ms(&ud_env_real) - age_ms;
}

void ud_lv_note_age(struct ud_lv_relation *r, const char *point_id, int64_t age_ms)
{
	pthread_mutex_lock(&r->lv->book->lock);
	note_age(r, point_id, age_ms);
	pthread_mutex_unlock(&r->lv->book->lock);
}

static void published(void *data, const char *replication_id, const struct ud_manifest *point)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	struct ud_lv *lv = data;
	struct ud_lv_relation *r = NULL;

	if (ud_lv_relation_get(&cx, lv, replication_id, &r) != UD_OK)
		return;
	pthread_mutex_lock(&lv->book->lock);
	note_age(r, point->id, point->age_ms);
	r->newest_mono_ms = ud_mono_ms(&ud_env_real) - point->age_ms;
	r->poked = true; /* points may be too many now */
	pthread_cond_broadcast(&lv->book->moved);
	pthread_mutex_unlock(&lv->book->lock);
	ud_lv_relation_changed(r);
}

/* What is passed on from here counts from then, too. */
static void confirmed(void *data, const char *replication_id, const char *point_id, int64_t age_ms)
{
	UD_AUTO(ud_arena) *arena = ud_arena_new();
	struct ud_ctx cx = { .arena = arena, .env = &ud_env_real };
	struct ud_lv *lv = data;
	struct ud_lv_relation *r = NULL;

	if (ud_lv_relation_get(&cx, lv, replication_id, &r) != UD_OK)
		return;
	pthread_mutex_lock(&lv->book->lock);
	r->confirmed_mono_ms = ud_mono_ms(&ud_env_real) - age_ms;
	snprintf(r->confirmed_id, sizeof(r->confirmed_id), "%s", point_id);
	pthread_mutex_unlock(&lv->book->lock);
}

static enum ud_code lease(struct ud_ctx *cx, void *data, const char *replication_id,
	const char *peer, const char *message, const char **ret_answer)
{
	struct ud_lv *lv = data;
	struct ud_lv_relation *r = NULL;
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	struct ud_hv_replication with;

	UD_TRY(ud_lv_relation_get(cx, lv, replication_id, &r));
	ud_lv_relation_read(cx, r, &relation, &state);
	pthread_mutex_lock(&lv->book->lock);
	with = lv->book->with;
	pthread_mutex_unlock(&lv->book->lock);
	if (strcmp(relation.peer_agent_id, peer) != 0)
		return ud_fail(
			cx, UD_E_NOT_FOUND, NULL, "There is no relation %s here.", replication_id);
	if (!with.message)
		return ud_fail(cx, UD_E_UNSUPPORTED, NULL, "No messages are taken here.");
	return with.message(cx, with.data, relation.vm_id, peer, message, ret_answer);
}

void ud_lv_receiver_calls(struct ud_lv *lv, struct ud_receiver_calls *ret)
{
	*ret = (struct ud_receiver_calls){ .store = store_for,
		.closed = closed,
		.published = published,
		.confirmed = confirmed,
		.changed = ud_lv_parted_changed,
		.lease = lease,
		.data = lv };
}

/* ---- ages ---- */

int64_t ud_lv_point_age(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_manifest *point)
{
	struct ud_lv_book *book = r->lv->book;
	struct stat st;
	int64_t taken = UD_NONE;

	pthread_mutex_lock(&book->lock);
	for (size_t i = 0; i < UD_LV_POINT_AGES; i++)
		if (strcmp(r->ages[i].id, point->id) == 0)
			taken = r->ages[i].taken_mono_ms;
	pthread_mutex_unlock(&book->lock);
	if (taken != UD_NONE)
		return ud_mono_ms(cx->env) - taken;
	/* published before this process began: by this host's own wall clock, then and now */
	const char *path = ud_printf(cx->arena, "%s/p/%06lld/manifest.json",
		r->store ? ud_store_path(r->store) : r->dir, (long long)point->n);

	if (stat(path, &st) != 0)
		return point->age_ms;
	int64_t since = ud_now_ms(cx->env) - (int64_t)st.st_mtim.tv_sec * 1000 -
		st.st_mtim.tv_nsec / 1000000;

	return point->age_ms + (since > 0 ? since : 0);
}

/* ---- care ---- */

/* The disks of a former source. */
static enum ud_code former_images(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, struct ud_lv_image *ret, size_t *ret_n)
{
	UD_AUTO(ud_lv_doc) *doc = NULL;
	const char *text = NULL;
	size_t n;

	UD_TRY(ud_file_read(cx, ud_printf(cx->arena, "%s/former.xml", r->dir), XML_MAX, &text, &n));
	UD_TRY(ud_lv_read(cx, text, &doc));
	return ud_lv_images_of(
		cx, xmlDocGetRootElement(doc), &relation->excluded_disks, ret, ret_n);
}

/* A store that is to begin with disks that are here: a former source's, or a copy that was brought.
 */
static enum ud_code seed(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_relation *relation)
{
	UD_AUTO(ud_lv_images) *images = NULL;
	UD_AUTO(ud_source) *source = NULL;
	struct ud_relation_initial initial = { 0 };
	struct ud_lv_image disks[UD_LV_DISKS];
	size_t n = 0;

	UD_TRY(ud_lv_initial_read(cx, relation, &initial));
	if (initial.method == UD_INITIAL_EXISTING)
		UD_TRY(ud_lv_media_images(cx, r, disks, &n));
	else
		UD_TRY(former_images(cx, r, relation, disks, &n));
	UD_TRY(ud_lv_images_open(cx, r, disks, n, NULL, &images, &source));
	return ud_store_seed(cx, r->store, source);
}

static enum ud_code pin_all(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_relation *relation)
{
	for (size_t i = 0; i < relation->pinned_points.count; i++) {
		enum ud_code code =
			ud_store_pin(cx, r->store, relation->pinned_points.items[i], "server");

		if (code != UD_OK && code != UD_E_NOT_FOUND)
			return code;
	}
	ud_ctx_clear(cx);
	return UD_OK;
}

struct unpinning {
	struct ud_lv_relation *r;
	const struct ud_relation *relation;
};

static enum ud_code unpin_one(struct ud_ctx *cx, void *data, const struct ud_stored_point *point)
{
	struct unpinning *u = data;
	const struct ud_texts *pinned = &u->relation->pinned_points;

	if (!point->pinned)
		return UD_OK;
	for (size_t i = 0; i < pinned->count; i++)
		if (strcmp(pinned->items[i], point->point.id) == 0)
			return UD_OK;
	return ud_store_unpin(cx, u->r->store, point->point.id, "server");
}

enum ud_code ud_lv_tend(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	struct ud_stored_point newest = { 0 };

	ud_lv_relation_read(cx, r, &relation, &state);
	if (state.store < 1 || *state.failed_over)
		return UD_OK;
	UD_TRY(ud_lv_store_open(cx, r));
	if (state.seed) {
		UD_TRY(seed(cx, r, &relation));
		state.seed = false;
		UD_TRY(ud_lv_state_write(cx, r, &state));
		ud_lv_relation_changed(r);
		return UD_OK;
	}
	if (ud_store_newest(cx, r->store, &newest) != UD_OK) {
		ud_ctx_clear(cx);
		if (state.state == UD_REPLICATION_READY_FOR_SEED)
			UD_TRY(ud_lv_media_take(cx, r, &relation));
		if (ud_store_newest(cx, r->store, &newest) != UD_OK) {
			ud_ctx_clear(cx);
			return UD_OK;
		}
	}
	if (state.state == UD_REPLICATION_READY_FOR_SEED) {
		state.state = UD_REPLICATION_REPLICATING;
		UD_TRY(ud_lv_state_write(cx, r, &state));
	}
	struct unpinning u = { r, &relation };

	UD_TRY(pin_all(cx, r, &relation));
	UD_TRY(ud_store_points(cx, r->store, unpin_one, &u));
	return ud_store_keep(cx, r->store, (size_t)relation.recovery_points_kept + 1, NULL);
}
