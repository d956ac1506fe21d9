/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The book of relations: what is kept of each, on disk and in memory, and how it is found. Rows are
 * read as copies, so that nobody holds the book's lock while thinking.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/file.h"
#include "base/log.h"

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

const char *ud_lv_row_text(struct ud_ctx *cx, const struct ud_shape *shape, const void *row)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, shape, row, NULL);
	return ud_buf_take(cx->arena, &b);
}

/* A copy of a row with its texts in another arena; what was valid once reads again. */
static void copy_row(struct ud_ctx *cx, const struct ud_shape *shape, const void *row,
	ud_arena *arena, void *ret)
{
	struct ud_ctx other = *cx;
	const char *text = ud_lv_row_text(cx, shape, row);

	other.arena = arena;
	if (ud_shape_read(&other, shape, text, strlen(text), ret) != UD_OK)
		ud_log(UD_LOG_ERROR, "relation_copy", "reason", other.problem.detail, NULL);
}

enum ud_code ud_lv_row_store(struct ud_ctx *cx, const struct ud_lv_relation *r, const char *name,
	const struct ud_shape *shape, const void *row)
{
	const char *text = ud_lv_row_text(cx, shape, row);

	return ud_file_write(
		cx, ud_printf(cx->arena, "%s/%s", r->dir, name), text, strlen(text), 0600);
}

/* Put both into memory; under the book's lock. */
void ud_lv_rows_keep(struct ud_ctx *cx, struct ud_lv_relation *r,
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

	UD_TRY(ud_lv_row_store(cx, r, "state.json", &ud_lv_state_shape, state));
	pthread_mutex_lock(&book->lock);
	copy_row(cx, &ud_relation_shape, &r->relation, cx->arena, &relation);
	ud_lv_rows_keep(cx, r, &relation, state);
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

/* ---- in the book ---- */

struct ud_lv_relation *ud_lv_relation_new(struct ud_ctx *cx, struct ud_lv *lv, const char *id)
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

void ud_lv_relation_add(struct ud_lv *lv, struct ud_lv_relation *r)
{
	pthread_mutex_lock(&lv->book->lock);
	r->next = lv->book->relations;
	lv->book->relations = r;
	pthread_mutex_unlock(&lv->book->lock);
}

void ud_lv_relation_free(struct ud_lv_relation *r)
{
	ud_lv_store_close(r);
	ud_sender_release(&r->sender);
	ud_sender_release(&r->messenger);
	for (size_t i = 0; i < UD_LV_BOOT_FILES; i++)
		ud_lv_boot_forget(&r->boot[i]);
	pthread_mutex_destroy(&r->work);
	pthread_mutex_destroy(&r->talk);
	ud_arena_release(&r->arena);
	ud_free(r->error_code);
	ud_free(r->error_detail);
	ud_free(r->id);
	ud_free(r->dir);
	ud_free(r);
}

struct ud_lv_relation *ud_lv_relation_find(struct ud_lv *lv, const char *id)
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
	*ret = ud_lv_relation_find(lv, id);
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
