/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The book of relations: set, kept on disk, found again, told. Each has a thread that wakes when
 * its next cycle is due; whoever else moves the relation takes its work lock.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"

enum { FILE_MAX = 1 << 20, TEND_MS = 30000, RETRY_MS = 5000, MEAN = 8 };

/* clang-format off */
static const struct ud_field state_fields[] = {
	UD_FIELD(ud_lv_state, state,              .values = &ud_replication_states, .about = "Where it stands."),
	UD_FIELD(ud_lv_state, checkpoint,         .about = "Checkpoint of the newest point."),
	UD_FIELD(ud_lv_state, point_id,           .about = "Newest point of the target."),
	UD_FIELD(ud_lv_state, pending_checkpoint, .about = "Checkpoint of a point whose fate is not known."),
	UD_FIELD(ud_lv_state, pending_point,      .about = "That point."),
	UD_FIELD(ud_lv_state, exported,           .about = "Point that lies on the medium and is not known to be taken in."),
	UD_FIELD(ud_lv_state, parted_point,       .about = "Point that both ends were the same at when they parted."),
	UD_FIELD(ud_lv_state, parted_checkpoint,  .about = "Checkpoint of it in this host's own disks."),
	UD_FIELD(ud_lv_state, compare,            .about = "Hashes are to be compared."),
	UD_FIELD(ud_lv_state, resync_at_ms,       .about = "Comparing is not to begin before."),
	UD_FIELD(ud_lv_state, n,                  .about = "Number for the next checkpoint."),
	UD_FIELD(ud_lv_state, app_at_ms,          .about = "When the last frozen point was taken."),
	UD_FIELD(ud_lv_state, store,              .about = "Number of the store's folder."),
	UD_FIELD(ud_lv_state, seed,               .about = "The store is filled from the displaced disks."),
	UD_FIELD(ud_lv_state, failed_over,        .about = "Point the VM was brought up from."),
	UD_FIELD(ud_lv_state, committed,          .about = "The failover is complete."),
	UD_FIELD(ud_lv_state, displaced,          .about = "The VM has left the hypervisor."),
	UD_FIELD(ud_lv_state, divergent,          .about = "Name of the displaced disks."),
	UD_FIELD(ud_lv_state, divergent_bytes,    .flags = UD_NULLABLE, .about = "Written there since the last point."),
	UD_FIELD(ud_lv_state, cycles,             .about = "Cycles that were due."),
	UD_FIELD(ud_lv_state, missed,             .about = "Cycles that did not come to pass."),
	UD_FIELD(ud_lv_state, bytes_sent,         .about = "Bytes on the wire."),
};
/* clang-format on */
const struct ud_shape ud_lv_state_shape = { UD_SHAPE(ud_lv_state, state_fields), .bare = true };

/* ---- on disk, and copies ---- */

static const char *encoded(struct ud_ctx *cx, const struct ud_shape *shape, const void *row)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, shape, row, NULL);
	const char *text = ud_strndup(cx->arena, b.data, b.len);

	ud_buf_free(&b);
	return text;
}

/* A copy of a row with its texts in another arena; what was valid once reads again. */
static void copy_row(struct ud_ctx *cx, const struct ud_shape *shape, const void *row,
	ud_arena *arena, void *ret)
{
	struct ud_ctx other = *cx;
	const char *text = encoded(cx, shape, row);

	other.arena = arena;
	if (ud_shape_read(&other, shape, text, strlen(text), ret) != UD_OK)
		ud_log(UD_LOG_ERROR, "relation_copy", "reason", other.problem.detail, NULL);
}

static enum ud_code store_row(struct ud_ctx *cx, const struct ud_lv_relation *r, const char *name,
	const struct ud_shape *shape, const void *row)
{
	const char *text = encoded(cx, shape, row);

	return ud_file_write(
		cx, ud_printf(cx->arena, "%s/%s", r->dir, name), text, strlen(text), 0600);
}

/* Put both into memory; under the book's lock. */
static void keep_rows(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, const struct ud_lv_state *state)
{
	ud_arena *fresh = ud_arena_new();
	struct ud_relation new_relation = { 0 };
	struct ud_lv_state new_state = { 0 };

	copy_row(cx, &ud_relation_shape, relation, fresh, &new_relation);
	copy_row(cx, &ud_lv_state_shape, state, fresh, &new_state);
	ud_arena_release(&r->arena);
	r->arena = fresh;
	r->relation = new_relation;
	r->state = new_state;
}

void ud_lv_relation_read(struct ud_ctx *cx, struct ud_lv_relation *r, struct ud_relation *ret,
	struct ud_lv_state *ret_state)
{
	struct ud_lv_book *book = r->lv->book;

	pthread_mutex_lock(&book->lock);
	copy_row(cx, &ud_relation_shape, &r->relation, cx->arena, ret);
	copy_row(cx, &ud_lv_state_shape, &r->state, cx->arena, ret_state);
	pthread_mutex_unlock(&book->lock);
}

enum ud_code ud_lv_state_write(
	struct ud_ctx *cx, struct ud_lv_relation *r, const struct ud_lv_state *state)
{
	struct ud_lv_book *book = r->lv->book;
	struct ud_relation relation = { 0 };

	UD_TRY(store_row(cx, r, "state.json", &ud_lv_state_shape, state));
	pthread_mutex_lock(&book->lock);
	copy_row(cx, &ud_relation_shape, &r->relation, cx->arena, &relation);
	keep_rows(cx, r, &relation, state);
	pthread_mutex_unlock(&book->lock);
	return UD_OK;
}

void ud_lv_relation_error(struct ud_lv_relation *r, const char *code, const char *detail)
{
	struct ud_lv_book *book = r->lv->book;

	pthread_mutex_lock(&book->lock);
	ud_free(r->error_code);
	ud_free(r->error_detail);
	r->error_code = ud_heap_strdup(code);
	r->error_detail = ud_heap_strdup(detail);
	pthread_mutex_unlock(&book->lock);
}

void ud_lv_relation_changed(struct ud_lv_relation *r)
{
	const struct ud_hv_replication *with = &r->lv->book->with;

	if (with->changed)
		with->changed(with->data, r->id);
}

/* ---- finding ---- */

static struct ud_lv_relation *find(struct ud_lv *lv, const char *id)
{
	struct ud_lv_relation *r;

	pthread_mutex_lock(&lv->book->lock);
	for (r = lv->book->relations; r && (r->gone || strcmp(r->id, id) != 0); r = r->next)
		;
	pthread_mutex_unlock(&lv->book->lock);
	return r;
}

enum ud_code ud_lv_relation_get(
	struct ud_ctx *cx, struct ud_lv *lv, const char *id, struct ud_lv_relation **ret)
{
	*ret = find(lv, id);
	return *ret ? UD_OK
		    : ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no relation %s here.", id);
}

struct ud_lv_relation *ud_lv_relation_of_vm(struct ud_lv *lv, const char *uuid)
{
	struct ud_lv_relation *r;

	pthread_mutex_lock(&lv->book->lock);
	for (r = lv->book->relations; r &&
		(r->gone || !r->relation.uuid || ud_lv_forwards(&r->relation) ||
			strcmp(r->relation.uuid, uuid) != 0);
		r = r->next)
		;
	pthread_mutex_unlock(&lv->book->lock);
	return r;
}

void ud_lv_content_changed(struct ud_ctx *cx, struct ud_lv *lv, const char *uuid)
{
	struct ud_lv_relation *r = ud_lv_relation_of_vm(lv, uuid);
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };

	if (!r)
		return;
	pthread_mutex_lock(&r->work);
	ud_lv_relation_read(cx, r, &relation, &state);
	state.compare = true;
	if (ud_lv_state_write(cx, r, &state) != UD_OK)
		ud_log(UD_LOG_ERROR, "relation_state", "relation", r->id, "reason",
			cx->problem.detail, NULL);
	pthread_mutex_unlock(&r->work);
}

/* ---- the thread of a relation ---- */

static void poke(struct ud_lv_relation *r)
{
	pthread_mutex_lock(&r->lv->book->lock);
	r->poked = true;
	pthread_cond_broadcast(&r->lv->book->moved);
	pthread_mutex_unlock(&r->lv->book->lock);
}

/* Wait until it is due or poked; false: it ends. */
static bool wait_due(struct ud_lv_relation *r)
{
	struct ud_lv_book *book = r->lv->book;

	pthread_mutex_lock(&book->lock);
	while (!r->ending && !r->poked) {
		int64_t left = r->next_due_mono_ms - ud_mono_ms(&ud_env_real);
		struct timespec until;

		if (left <= 0)
			break;
		ud_deadline(left, &until);
		pthread_cond_timedwait(&book->moved, &book->lock, &until);
	}
	bool go_on = !r->ending;

	r->poked = false;
	pthread_mutex_unlock(&book->lock);
	return go_on;
}

/* When the source is to begin its next cycle; one that came too late is begun at once, and those
 * in between are missed. *ret_missed: how many. */
static void plan_next(
	struct ud_lv_relation *r, int64_t interval_ms, bool failed, int64_t *ret_missed)
{
	struct ud_lv_book *book = r->lv->book;
	int64_t now = ud_mono_ms(&ud_env_real);

	pthread_mutex_lock(&book->lock);
	/* who was poked before its time counts from now */
	bool early = !r->next_due_mono_ms || r->next_due_mono_ms > now;
	int64_t due = (early ? now : r->next_due_mono_ms) + interval_ms;

	*ret_missed = due < now ? (now - due) / interval_ms : 0;
	r->next_due_mono_ms = due < now ? now : due;
	if (failed && r->next_due_mono_ms < now + RETRY_MS)
		r->next_due_mono_ms = now + (interval_ms < RETRY_MS ? interval_ms : RETRY_MS);
	pthread_mutex_unlock(&book->lock);
}

static void tell_failure(struct ud_ctx *cx, struct ud_lv_relation *r, enum ud_code code)
{
	const char *name = ud_error_info(code)->name;

	ud_log(UD_LOG_WARNING, "replication", "relation", r->id, "code", name, "reason",
		cx->problem.detail ? cx->problem.detail : "", NULL);
	ud_lv_relation_error(r, name, cx->problem.detail);
}

/* Count a cycle that has ended. */
static void count_cycle(struct ud_ctx *cx, struct ud_lv_relation *r,
	const struct ud_relation *relation, bool failed)
{
	struct ud_relation now = { 0 };
	struct ud_lv_state state = { 0 };
	int64_t missed = 0;

	plan_next(r, relation->schedule_interval_seconds * 1000, failed, &missed);
	ud_lv_relation_read(cx, r, &now, &state);
	state.cycles += 1 + missed;
	state.missed += missed + failed;
	if (ud_lv_state_write(cx, r, &state) != UD_OK)
		ud_log(UD_LOG_ERROR, "relation_state", "relation", r->id, "reason",
			cx->problem.detail, NULL);
}

static bool cycles_now(const struct ud_relation *relation, const struct ud_lv_state *state)
{
	return relation->state == UD_RELATION_ACTIVE && relation->role == UD_RELATION_SOURCE &&
		!*state->failed_over && !state->displaced;
}

enum ud_code ud_lv_initial_read(
	struct ud_ctx *cx, const struct ud_relation *relation, struct ud_relation_initial *ret)
{
	const char *text = relation->initial.text;

	if (!text)
		return UD_OK;
	return ud_shape_read(cx, &ud_relation_initial_shape, text, strlen(text), ret);
}

/* How long the first copy, or comparing anew, is still to wait; by this host's clock. */
static int64_t left_to_wait(
	struct ud_ctx *cx, const struct ud_relation *relation, const struct ud_lv_state *state)
{
	struct ud_relation_initial initial = { 0 };
	int64_t at = state->resync_at_ms;

	if (!*state->point_id && !*state->pending_point &&
		ud_lv_initial_read(cx, relation, &initial) == UD_OK && initial.start_at.ms > at)
		at = initial.start_at.ms;
	ud_ctx_clear(cx);
	return at - ud_now_ms(cx->env);
}

/* Ask again when it is time; the clock may be set meanwhile. */
static void wait_some(struct ud_lv_relation *r, int64_t ms)
{
	pthread_mutex_lock(&r->lv->book->lock);
	r->next_due_mono_ms = ud_mono_ms(&ud_env_real) + (ms < TEND_MS ? ms : TEND_MS);
	pthread_mutex_unlock(&r->lv->book->lock);
}

static void turn(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	int64_t missed;
	enum ud_code code;

	ud_lv_relation_read(cx, r, &relation, &state);
	if (cycles_now(&relation, &state)) {
		int64_t left = left_to_wait(cx, &relation, &state);

		if (left > 0) {
			wait_some(r, left);
			return;
		}
		code = ud_lv_cycle(cx, r, false, NULL);
		if (code != UD_OK)
			tell_failure(cx, r, code);
		else
			ud_lv_relation_error(r, NULL, NULL);
		ud_ctx_clear(cx);
		count_cycle(cx, r, &relation, code != UD_OK);
		ud_lv_relation_changed(r);
		return;
	}
	if (relation.role == UD_RELATION_TARGET && relation.state != UD_RELATION_REMOVED) {
		code = ud_lv_tend(cx, r);
		if (code != UD_OK)
			tell_failure(cx, r, code);
		else
			ud_lv_relation_error(r, NULL, NULL);
	}
	plan_next(r, TEND_MS, false, &missed);
}

static void *run(void *data)
{
	struct ud_lv_relation *r = data;

	while (wait_due(r)) {
		UD_AUTO(ud_arena) *arena = ud_arena_new();
		struct ud_ctx cx = { .arena = arena,
			.env = &ud_env_real,
			.now_ms = ud_now_ms(&ud_env_real),
			.request_id = r->id };

		pthread_mutex_lock(&r->work);
		turn(&cx, r);
		pthread_mutex_unlock(&r->work);
	}
	return NULL;
}

static enum ud_code begin_thread(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	if (r->thread_runs)
		return UD_OK;
	if (pthread_create(&r->thread, NULL, run, r) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	r->thread_runs = true;
	return UD_OK;
}

/* End what it does now and its thread. */
static void end_thread(struct ud_lv_relation *r)
{
	struct ud_lv_book *book = r->lv->book;

	pthread_mutex_lock(&book->lock);
	r->ending = true;
	if (r->sender)
		ud_sender_stop(r->sender);
	pthread_cond_broadcast(&book->moved);
	pthread_mutex_unlock(&book->lock);
	if (r->thread_runs)
		pthread_join(r->thread, NULL);
	r->thread_runs = false;
	r->ending = false;
}

/* ---- setting ---- */

static struct ud_lv_relation *new_relation(struct ud_ctx *cx, struct ud_lv *lv, const char *id)
{
	struct ud_lv_relation *r = ud_malloc(sizeof(*r));

	r->lv = lv;
	r->id = ud_heap_strdup(id);
	r->dir = ud_heap_strdup(ud_printf(cx->arena, "%s/relations/%s", lv->dir, id));
	r->latency_ms = r->last_cycle_ms = r->pending_bytes = UD_NONE;
	pthread_mutex_init(&r->work, NULL);
	pthread_mutex_init(&r->talk, NULL);
	return r;
}

static void add_to_book(struct ud_lv *lv, struct ud_lv_relation *r)
{
	pthread_mutex_lock(&lv->book->lock);
	r->next = lv->book->relations;
	lv->book->relations = r;
	pthread_mutex_unlock(&lv->book->lock);
}

static void free_relation(struct ud_lv_relation *r)
{
	ud_lv_store_close(r);
	ud_sender_release(&r->sender);
	ud_sender_release(&r->messenger);
	pthread_mutex_destroy(&r->work);
	pthread_mutex_destroy(&r->talk);
	ud_arena_release(&r->arena);
	ud_free(r->error_code);
	ud_free(r->error_detail);
	ud_free(r->id);
	ud_free(r->dir);
	ud_free(r);
}

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
	}
	if (relation->state == UD_RELATION_PAUSED)
		state.state = UD_REPLICATION_PAUSED;
	else if (relation->state == UD_RELATION_REMOVED)
		state.state = UD_REPLICATION_DISABLED;
	else if (state.state == UD_REPLICATION_PAUSED || state.state == UD_REPLICATION_DISABLED)
		state.state = resumed_state(relation, &state);
	UD_TRY(ud_lv_make_folder(cx, r->dir));
	UD_TRY(store_row(cx, r, "relation.json", &ud_relation_shape, relation));
	UD_TRY(store_row(cx, r, "state.json", &ud_lv_state_shape, &state));
	pthread_mutex_lock(&r->lv->book->lock);
	keep_rows(cx, r, relation, &state);
	pthread_mutex_unlock(&r->lv->book->lock);
	return UD_OK;
}

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
	struct ud_lv_relation *r = find(lv, relation->replication_id);

	if (r) {
		UD_TRY(set_known(cx, r, relation));
	} else {
		r = new_relation(cx, lv, relation->replication_id);
		enum ud_code code = write_new(cx, r, relation, true);

		if (code != UD_OK) {
			free_relation(r);
			return code;
		}
		add_to_book(lv, r);
	}
	UD_TRY(begin_thread(cx, r));
	poke(r);
	stands(cx, r, ret);
	return UD_OK;
}

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
	struct ud_lv_relation *r = find(lv, drop->replication_id);
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	enum ud_code code = UD_OK;

	*ret = (struct ud_relation_result){ .replication_id = drop->replication_id,
		.generation = UD_NONE,
		.state = UD_REPLICATION_DISABLED };
	if (!r)
		return UD_OK;
	end_thread(r);
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
		state.compare = true;
		state.exported = ""; /* a medium that was lost is written anew */
		state.resync_at_ms = resync->start_at.ms > 0 ? resync->start_at.ms : 0;
		state.state = UD_REPLICATION_RESYNCING;
		code = ud_lv_state_write(cx, r, &state);
	}
	pthread_mutex_unlock(&r->work);
	UD_TRY(code);
	poke(r);
	stands(cx, r, ret);
	return UD_OK;
}

/* ---- telling ---- */

/* As it was seen last, which may be older than it is. */
static int64_t age_seen(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	pthread_mutex_lock(&r->lv->book->lock);
	int64_t age = r->newest_mono_ms > 0 ? ud_mono_ms(cx->env) - r->newest_mono_ms : UD_NONE;

	pthread_mutex_unlock(&r->lv->book->lock);
	return age;
}

/* What the newest durable point's age is here; UD_NONE when there is none. */
static int64_t newest_age(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	struct ud_stored_point point = { 0 };
	int64_t age = UD_NONE;

	/* a seed or a merge may hold the work lock for long */
	if (pthread_mutex_trylock(&r->work) != 0)
		return age_seen(cx, r);
	if (r->store && ud_store_newest(cx, r->store, &point) == UD_OK)
		age = ud_lv_point_age(cx, r, &point.point);
	else
		ud_ctx_clear(cx);
	pthread_mutex_lock(&r->lv->book->lock);
	r->newest_mono_ms = age == UD_NONE ? 0 : ud_mono_ms(cx->env) - age;
	pthread_mutex_unlock(&r->lv->book->lock);
	pthread_mutex_unlock(&r->work);
	return age;
}

static void add_progress(struct ud_lv_relation *r, const struct ud_relation *relation,
	struct ud_replication_report *report)
{
	struct ud_lv_book *book = r->lv->book;
	struct ud_progress p = { 0 };

	pthread_mutex_lock(&book->lock);
	if (relation->role == UD_RELATION_SOURCE && r->sender)
		ud_sender_progress(r->sender, &p);
	else if (relation->role == UD_RELATION_TARGET && book->receiver)
		ud_receiver_progress(book->receiver, r->id, &p);
	report->last_cycle_ms = r->last_cycle_ms;
	report->latency_ms = r->latency_ms;
	/* what is resent after a cut counts as done twice */
	report->pending_bytes = !p.active      ? r->pending_bytes
		: p.total_bytes > p.done_bytes ? p.total_bytes - p.done_bytes
					       : 0;
	pthread_mutex_unlock(&book->lock);
	if (!p.active || p.total_bytes <= 0)
		return;
	report->progress_percent =
		p.done_bytes < p.total_bytes ? p.done_bytes * 100 / p.total_bytes : 100;
	report->eta_seconds = p.eta_seconds;
}

static enum ud_code tell(
	struct ud_ctx *cx, struct ud_lv_relation *r, ud_hv_related *visit, void *data)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	struct ud_replication_error error = { 0 };

	ud_lv_relation_read(cx, r, &relation, &state);
	struct ud_replication_report report = { .replication_id = r->id,
		.role = relation.role,
		.state = state.state,
		.raw = state.compare ? "hashes are to be compared"
				     : ud_replication_states.names[state.state],
		.generation = relation.generation,
		.progress_percent = UD_NONE,
		.eta_seconds = UD_NONE,
		.newest_point_age_ms = UD_NONE,
		.cycles_total = state.cycles,
		.cycles_missed = state.missed,
		.bytes_sent = state.bytes_sent };

	if (relation.role == UD_RELATION_TARGET)
		report.newest_point_age_ms = newest_age(cx, r);
	add_progress(r, &relation, &report);
	pthread_mutex_lock(&r->lv->book->lock);
	error.code = ud_strdup(cx->arena, r->error_code);
	error.detail = ud_strdup(cx->arena, r->error_detail);
	pthread_mutex_unlock(&r->lv->book->lock);
	if (error.code)
		report.error.text = encoded(cx, &ud_replication_error_shape, &error);
	return visit(cx, data, &report);
}

enum ud_code ud_lv_relations(struct ud_ctx *cx, struct ud_hv *hv, ud_hv_related *visit, void *data)
{
	struct ud_lv *lv = ud_lv_of(hv);

	pthread_mutex_lock(&lv->book->lock);
	struct ud_lv_relation *r = lv->book->relations;

	pthread_mutex_unlock(&lv->book->lock);
	for (; r; r = r->next)
		if (!r->gone)
			UD_TRY(tell(cx, r, visit, data));
	return UD_OK;
}

/* ---- taking up, and the end ---- */

struct names {
	struct ud_ctx *cx;
	const char *found[1024];
	size_t count;
};

static void take_name(void *data, const char *name)
{
	struct names *n = data;

	if (n->count < UD_LEN(n->found))
		n->found[n->count++] = ud_strdup(n->cx->arena, name);
}

/* A relation that an earlier process set. */
static enum ud_code load(struct ud_ctx *cx, struct ud_lv *lv, const char *id)
{
	struct ud_relation relation = { 0 };
	struct ud_lv_state state = { 0 };
	const char *text = NULL;
	size_t n;
	const char *dir = ud_printf(cx->arena, "%s/relations/%s", lv->dir, id);

	UD_TRY(ud_file_read(
		cx, ud_printf(cx->arena, "%s/relation.json", dir), FILE_MAX, &text, &n));
	UD_TRY(ud_shape_read(cx, &ud_relation_shape, text, n, &relation));
	UD_TRY(ud_file_read(cx, ud_printf(cx->arena, "%s/state.json", dir), FILE_MAX, &text, &n));
	UD_TRY(ud_shape_read(cx, &ud_lv_state_shape, text, n, &state));
	struct ud_lv_relation *r = new_relation(cx, lv, id);

	keep_rows(cx, r, &relation, &state);
	add_to_book(lv, r);
	return begin_thread(cx, r);
}

static void load_all(struct ud_ctx *cx, struct ud_lv *lv)
{
	struct names *names = ud_alloc(cx->arena, sizeof(*names));

	names->cx = cx;
	(void)cx->env->files->list(ud_printf(cx->arena, "%s/relations", lv->dir), take_name, names);
	for (size_t i = 0; i < names->count; i++) {
		if (find(lv, names->found[i]))
			continue;
		if (load(cx, lv, names->found[i]) != UD_OK)
			ud_log(UD_LOG_ERROR, "relation_not_read", "relation", names->found[i],
				"reason", cx->problem.detail, NULL);
		ud_ctx_clear(cx);
	}
	pthread_mutex_lock(&lv->book->lock);
	lv->book->loaded = true;
	pthread_mutex_unlock(&lv->book->lock);
}

bool ud_lv_relations_loaded(struct ud_lv *lv)
{
	pthread_mutex_lock(&lv->book->lock);
	bool loaded = lv->book->loaded;

	pthread_mutex_unlock(&lv->book->lock);
	return loaded;
}

static void keep_settings(struct ud_lv *lv, const struct ud_hv_replication *with)
{
	struct ud_lv_book *book = lv->book;
	ud_arena *fresh = ud_arena_new();

	pthread_mutex_lock(&book->lock);
	ud_arena_release(&book->arena);
	book->arena = fresh;
	book->with = *with;
	book->with.agent_id = ud_strdup(fresh, with->agent_id);
	book->with.listen = ud_strdup(fresh, with->listen);
	book->with.identity = ud_strdup(fresh, with->identity);
	book->with.root = ud_strdup(fresh, with->root);
	book->with.keytab = ud_strdup(fresh, with->keytab);
	book->with.media = ud_strdup(fresh, with->media);
	for (struct ud_lv_relation *r = book->relations; r; r = r->next)
		/* with the new credentials from the next cycle on */
		r->sender_generation = r->messenger_generation = 0;
	pthread_mutex_unlock(&book->lock);
}

enum ud_code ud_lv_replicate(
	struct ud_ctx *cx, struct ud_hv *hv, const struct ud_hv_replication *with, int *ret_port)
{
	struct ud_lv *lv = ud_lv_of(hv);
	struct ud_lv_book *book = lv->book;
	struct ud_receiver_settings settings = { .listen = with->listen,
		.peer = { .auth = UD_PEER_CERTIFICATE,
			.identity = with->identity,
			.root = with->root,
			.principal = ud_printf(cx->arena, "understudy/%s", with->agent_id),
			.keytab = with->keytab } };

	keep_settings(lv, with);
	ud_lv_receiver_calls(lv, &settings.calls);
	if (book->receiver)
		UD_TRY(ud_receiver_set_peer(cx, book->receiver, &settings.peer));
	else if (with->listen && *with->listen)
		UD_TRY(ud_receiver_open(cx, &settings, &book->receiver));
	book->port = book->receiver ? ud_receiver_port(book->receiver) : 0;
	load_all(cx, lv);
	*ret_port = book->port;
	return ud_lv_scrubs_begin(cx, lv);
}

void ud_lv_replication_end(struct ud_lv *lv)
{
	struct ud_lv_book *book = lv->book;

	ud_lv_scrubs_end(lv);
	for (struct ud_lv_relation *r = book->relations; r; r = r->next)
		end_thread(r);
	ud_receiver_release(&book->receiver);
	while (book->relations) {
		struct ud_lv_relation *r = book->relations;

		book->relations = r->next;
		free_relation(r);
	}
	ud_arena_release(&book->arena);
	pthread_cond_destroy(&book->moved);
	pthread_mutex_destroy(&book->lock);
	ud_free(book);
}
