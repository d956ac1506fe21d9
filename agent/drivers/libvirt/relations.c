/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Relations as the server sets them: new ones, changed ones, roles swapped, resynchronized,
 * dropped.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"

/* ---- what it begins with ---- */

/* The state a relation has when it is set for the first time, with its roles swapped, or after its
 * replica was demoted. */
static void begin_state(const struct ud_relation *relation,
	const struct ud_relation_initial *initial, const struct ud_lv_state *old,
	struct ud_lv_state *ret)
{
	*ret = (struct ud_lv_state){ .state = UD_REPLICATION_READY_FOR_SEED,
		.checkpoint = "",
		.point_id = "",
		.pending_checkpoint = "",
		.pending_point = "",
		.exported = "",
		.parted_point = "",
		.parted_checkpoint = "",
		.failed_over = "",
		.divergent = "",
		.divergent_bytes = UD_NONE,
		.store = old ? old->store : 0,
		.n = old ? old->n : 0 };
	bool reverse = old && initial->method == UD_INITIAL_REVERSE;

	if (relation->role == UD_RELATION_SOURCE) {
		ret->compare = initial->method == UD_INITIAL_REVERSE ||
			initial->method == UD_INITIAL_EXISTING;
		/* what the VM wrote since it was brought up from that point */
		if (reverse && *old->failed_over) {
			ret->parted_point = old->failed_over;
			ret->parted_checkpoint = old->checkpoint;
		}
		return;
	}
	ret->store++;
	/* what was brought up here and given up again is kept, and nothing is made of it */
	bool own = reverse && !*old->failed_over;

	ret->seed = own || initial->method == UD_INITIAL_EXISTING;
	/* what the VM wrote here since the target's last point */
	if (own && !old->compare) {
		ret->parted_point = old->point_id;
		ret->parted_checkpoint = old->checkpoint;
		/* whether the target has that one decides which of the two counts */
		ret->pending_point = old->pending_point;
		ret->pending_checkpoint = old->pending_checkpoint;
	}
}

/* May the roles be swapped now? A target-to-be must not have its VM any more; a source-to-be must
 * have brought it up. */
static enum ud_code may_turn(struct ud_ctx *cx, struct ud_lv *lv,
	const struct ud_relation *relation, const struct ud_lv_state *old)
{
	UD_AUTO(ud_lv_domain) *d = NULL;

	if (relation->role == UD_RELATION_SOURCE)
		return *old->failed_over ? UD_OK
					 : ud_fail(cx, UD_E_INVALID_STATE, NULL,
						   "The VM was not failed over to this host.");
	if (ud_lv_find(cx, lv, relation->uuid, &d) != UD_OK) {
		ud_ctx_clear(cx);
		return UD_OK;
	}
	return ud_fail(cx, UD_E_INVALID_STATE, NULL,
		"The VM is still defined on this host: it is to be a replica's.");
}

static enum ud_code check_new(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, bool *ret_turned)
{
	struct ud_relation old = { 0 };
	struct ud_lv_state state = { 0 };

	ud_lv_relation_read(cx, r, &old, &state);
	if (relation->generation < old.generation || relation->epoch < old.epoch)
		return ud_fail(cx, UD_E_CONFLICT, NULL,
			"Generation %lld of epoch %lld stands here; %lld of %lld is older.",
			(long long)old.generation, (long long)old.epoch,
			(long long)relation->generation, (long long)relation->epoch);
	/* a replica that was brought up and demoted begins anew as well */
	*ret_turned =
		old.role != relation->role || (old.role == UD_RELATION_TARGET && state.displaced);
	return *ret_turned ? may_turn(cx, r->lv, relation, &state) : UD_OK;
}

/* The word for a relation that goes on. */
static unsigned resumed_state(const struct ud_relation *relation, const struct ud_lv_state *state)
{
	if (*state->failed_over)
		return state->committed ? UD_REPLICATION_COMMITTED
					: UD_REPLICATION_FAILED_OVER_UNCOMMITTED;
	if (relation->role == UD_RELATION_SOURCE && !*state->point_id)
		return UD_REPLICATION_READY_FOR_SEED;
	return UD_REPLICATION_REPLICATING;
}

/* Nobody knows any more what the target has. */
static void forget_confirmed(struct ud_lv_relation *r)
{
	pthread_mutex_lock(&r->lv->book->lock);
	r->confirmed_mono_ms = 0;
	pthread_mutex_unlock(&r->lv->book->lock);
}

/* Write what is to be; under the work lock. */
static enum ud_code write_new(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_relation *relation, bool fresh)
{
	struct ud_relation_initial initial = { 0 };
	struct ud_relation old = { 0 };
	struct ud_lv_state state = { 0 };
	bool known = r->arena != NULL;

	UD_TRY(ud_lv_initial_read(cx, relation, &initial));
	if (known)
		ud_lv_relation_read(cx, r, &old, &state);
	if (fresh) {
		struct ud_lv_state before = state;

		begin_state(relation, &initial, known ? &before : NULL, &state);
		r->off_stamp = 0; /* another target, which has nothing yet */
		forget_confirmed(r);
	}
	if (relation->state == UD_RELATION_PAUSED)
		state.state = UD_REPLICATION_PAUSED;
	else if (relation->state == UD_RELATION_REMOVED)
		state.state = UD_REPLICATION_DISABLED;
	else if (state.state == UD_REPLICATION_PAUSED || state.state == UD_REPLICATION_DISABLED)
		state.state = resumed_state(relation, &state);
	UD_TRY(ud_lv_make_folder(cx, r->dir));
	UD_TRY(ud_lv_row_store(cx, r, "relation.json", &ud_relation_shape, relation));
	UD_TRY(ud_lv_row_store(cx, r, "state.json", &ud_lv_state_shape, &state));
	pthread_mutex_lock(&r->lv->book->lock);
	ud_lv_rows_keep(cx, r, relation, &state);
	pthread_mutex_unlock(&r->lv->book->lock);
	return UD_OK;
}

/* ---- setting ---- */

/* Remove our traces of a source's VM when it is not to be one any more. */
static void drop_traces(struct ud_ctx *cx, struct ud_lv *lv, const char *uuid)
{
	UD_AUTO(ud_lv_domain) *d = NULL;

	if (ud_lv_find(cx, lv, uuid, &d) == UD_OK)
		ud_lv_checkpoints_drop(cx, d);
	ud_ctx_clear(cx);
}

static enum ud_code set_known(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_relation *relation)
{
	bool turned = false;

	UD_TRY(check_new(cx, r, relation, &turned));
	if (turned || relation->state != UD_RELATION_ACTIVE) {
		/* what is under way is of no use any more */
		pthread_mutex_lock(&r->lv->book->lock);
		if (r->sender)
			ud_sender_stop(r->sender);
		if (!ud_lv_forwards(relation))
			ud_lv_forward_stop(r->lv->book, relation->uuid);
		pthread_mutex_unlock(&r->lv->book->lock);
	}
	pthread_mutex_lock(&r->work);
	if (turned)
		ud_lv_store_close(r);
	if (relation->state == UD_RELATION_REMOVED && relation->role == UD_RELATION_SOURCE &&
		!ud_lv_forwards(relation))
		drop_traces(cx, r->lv, relation->uuid);
	enum ud_code code = write_new(cx, r, relation, turned);

	pthread_mutex_unlock(&r->work);
	return code;
}

static void stands(struct ud_ctx *cx, struct ud_lv_relation *r, struct ud_relation_result *ret)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	ud_lv_relation_read(cx, r, &relation, &state);
	*ret = (struct ud_relation_result){ .replication_id = relation.replication_id,
		.generation = relation.generation,
		.state = state.state };
}

enum ud_code ud_lv_relation_set(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation *relation, struct ud_relation_result *ret)
{
	struct ud_lv *lv = ud_lv_of(hv);
	struct ud_lv_relation *r = ud_lv_relation_find(lv, relation->replication_id);

	if (r) {
		UD_TRY(set_known(cx, r, relation));
	} else {
		r = ud_lv_relation_new(cx, lv, relation->replication_id);
		enum ud_code code = write_new(cx, r, relation, true);

		if (code != UD_OK) {
			ud_lv_relation_free(r);
			return code;
		}
		ud_lv_relation_add(lv, r);
	}
	UD_TRY(ud_lv_relation_begin(cx, r));
	ud_lv_relation_poke(r);
	stands(cx, r, ret);
	return UD_OK;
}

/* ---- dropping, and comparing anew ---- */

/* Remove a folder's files, one level deep; what is in stores was removed by their own means. */
static void remove_files(struct ud_ctx *cx, const char *dir)
{
	static const char *const names[] = { "relation.json", "state.json", "former.xml" };

	for (size_t i = 0; i < UD_LEN(names); i++)
		(void)cx->env->files->remove(ud_printf(cx->arena, "%s/%s", dir, names[i]));
}

enum ud_code ud_lv_relation_drop(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_drop *drop, struct ud_relation_result *ret)
{
	struct ud_lv *lv = ud_lv_of(hv);
	struct ud_lv_relation *r = ud_lv_relation_find(lv, drop->replication_id);
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	enum ud_code code = UD_OK;

	*ret = (struct ud_relation_result){ .replication_id = drop->replication_id,
		.generation = UD_NONE,
		.state = UD_REPLICATION_DISABLED };
	if (!r)
		return UD_OK;
	ud_lv_relation_end(r);
	pthread_mutex_lock(&r->work);
	ud_lv_relation_read(cx, r, &relation, &state);
	if (ud_lv_forwards(&relation))
		ud_lv_forward_end(cx, r);
	else if (relation.role == UD_RELATION_SOURCE)
		drop_traces(cx, lv, relation.uuid);
	else if (!drop->keep_replica && state.store > 0 && !*state.failed_over)
		code = ud_lv_store_open(cx, r);
	if (code == UD_OK && r->store && !drop->keep_replica && !*state.failed_over) {
		ud_lv_cut(r);
		code = ud_store_clear(cx, r->store);
	}
	ud_lv_store_close(r);
	if (code == UD_OK) {
		remove_files(cx, r->dir);
		pthread_mutex_lock(&lv->book->lock);
		r->gone = true;
		pthread_mutex_unlock(&lv->book->lock);
	}
	pthread_mutex_unlock(&r->work);
	return code;
}

enum ud_code ud_lv_relation_resync(struct ud_ctx *cx, struct ud_hv *hv,
	const struct ud_relation_resync *resync, struct ud_relation_result *ret)
{
	struct ud_lv_relation *r = NULL;
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	enum ud_code code = UD_OK;

	UD_TRY(ud_lv_relation_get(cx, ud_lv_of(hv), resync->replication_id, &r));
	pthread_mutex_lock(&r->work);
	ud_lv_relation_read(cx, r, &relation, &state);
	if (relation.role == UD_RELATION_TARGET && resync->method == UD_RESYNC_FULL) {
		code = ud_lv_store_open(cx, r);
		if (code == UD_OK) {
			ud_lv_cut(r);
			code = ud_store_clear(cx, r->store);
		}
	} else if (relation.role == UD_RELATION_SOURCE && resync->method != UD_RESYNC_AUTO) {
		forget_confirmed(r);
		state.compare = true;
		state.exported = ""; /* a medium that was lost is written anew */
		state.resync_at_ms = resync->start_at.ms > 0 ? resync->start_at.ms : 0;
		state.state = UD_REPLICATION_RESYNCING;
		code = ud_lv_state_write(cx, r, &state);
	}
	pthread_mutex_unlock(&r->work);
	UD_TRY(code);
	ud_lv_relation_poke(r);
	stands(cx, r, ret);
	return UD_OK;
}
