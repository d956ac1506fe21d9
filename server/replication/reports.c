/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One item after the other, all in the caller's transaction. Nobody but the two ends of a relation
 * says anything about it.
 */
#include "server/replication/reports.h"

#include <string.h>

#include "db/events.h"
#include "db/recovery_points.h"
#include "server/agents/ca.h"
#include "server/replication/judge.h"
#include "server/replication/relations.h"

static void ack(struct ud_ctx *cx, struct ud_texts *list, size_t max, const char *id)
{
	if (!list->items)
		list->items = ud_alloc(cx->arena, max * sizeof(char *));
	if (list->count < max)
		list->items[list->count++] = id;
}

/* ---- points ---- */

static struct ud_recovery_point row_of(struct ud_ctx *cx, const struct ud_replication *r,
	const char *host_id, const struct ud_point *p)
{
	return (struct ud_recovery_point){ .row.id = p->id,
		.row.customer_id = r->row.customer_id,
		.replication_id = r->row.id,
		.vm_id = r->vm_id,
		.host_id = host_id,
		.number = p->n,
		.taken_at = p->taken_at,
		.applied_at.ms = cx->now_ms,
		.state = p->state,
		.consistency = p->consistency,
		.consistency_requested = p->requested,
		.consistency_reason = p->reason,
		.size_bytes = p->bytes,
		.parent_point_id = p->parent,
		.roots = p->roots,
		.epoch = p->epoch };
}

/* A point every few seconds is no news; one that is worth less than was asked for is. */
static enum ud_code add_point(
	struct ud_ctx *cx, const struct ud_recovery_point *told, bool *ret_stored)
{
	struct ud_recovery_point p = *told;

	UD_TRY(ud_row_insert(cx, &ud_recovery_points, &p));
	*ret_stored = true;
	if (p.state == UD_POINT_CORRUPT)
		return ud_event_add(cx, "corrupted", ud_recovery_points.shape, NULL, &p);
	if (p.consistency < p.consistency_requested)
		return ud_event_add(cx, "consistency_reduced", ud_recovery_points.shape, NULL, &p);
	return UD_OK;
}

/* What is corrupt stays so, and what was proved is not unproved by being told again. */
static unsigned merged_state(unsigned old, unsigned told)
{
	if (old == UD_POINT_CORRUPT || (old == UD_POINT_VERIFIED && told == UD_POINT_COMPLETE))
		return old;
	return told;
}

static enum ud_code change_point(struct ud_ctx *cx, const struct ud_recovery_point *old,
	const struct ud_recovery_point *told)
{
	struct ud_recovery_point p = *old;

	p.state = merged_state(old->state, told->state);
	if (p.state == old->state)
		return UD_OK;
	UD_TRY(ud_row_update(cx, &ud_recovery_points, old, &p));
	if (p.state != UD_POINT_CORRUPT)
		return UD_OK;
	return ud_event_add(cx, "corrupted", ud_recovery_points.shape, old, &p);
}

static enum ud_code take_point(struct ud_ctx *cx, const struct ud_replication *r,
	const char *host_id, const struct ud_point *p, bool *ret_stored)
{
	struct ud_recovery_point told = row_of(cx, r, r->target_host_id, p), old = { 0 };
	bool found = false;

	(void)host_id;
	*ret_stored = false;
	UD_TRY(ud_recovery_point_find(cx, p->id, &found, &old));
	if (!found)
		return add_point(cx, &told, ret_stored);
	/* an id that another relation has is not this one's to use */
	if (strcmp(old.replication_id, r->row.id) != 0)
		return UD_OK;
	*ret_stored = true;
	return change_point(cx, &old, &told);
}

static enum ud_code take_points(struct ud_ctx *cx, const struct ud_replication *r,
	const char *host_id, const struct ud_replication_report *item,
	struct ud_replication_acks *ret)
{
	struct ud_point *points = NULL;
	size_t n = 0;

	UD_TRY(ud_shape_read_list(
		cx, &ud_point_shape, item->points.text, UD_REPORT_POINTS, &points, &n));
	for (size_t i = 0; i < n; i++) {
		bool stored = false;

		/* half a point is nothing yet; a deleted one comes in dropped */
		if (points[i].state == UD_POINT_RECEIVING || points[i].state == UD_POINT_DELETED)
			continue;
		UD_TRY(take_point(cx, r, host_id, &points[i], &stored));
		if (stored)
			ack(cx, &ret->points, UD_REPORT_POINTS * UD_REPORT_RELATIONS, points[i].id);
	}
	return UD_OK;
}

/* Only the host that holds them knows that they are gone. */
static enum ud_code take_dropped(struct ud_ctx *cx, const struct ud_replication *r,
	const struct ud_replication_report *item, struct ud_replication_acks *ret)
{
	for (size_t i = 0; i < item->dropped.count; i++) {
		if (item->role == UD_RELATION_TARGET)
			UD_TRY(ud_recovery_point_drop(cx, r->row.id, item->dropped.items[i]));
		ack(cx, &ret->dropped, UD_REPORT_POINTS * UD_REPORT_RELATIONS,
			item->dropped.items[i]);
	}
	return UD_OK;
}

/* ---- relations ---- */

/* Is something on its way to this subject already? Then it is not told again. */
static enum ud_code is_told(struct ud_ctx *cx, const char *subject_id, bool *ret)
{
	const char *verb, *operation;

	UD_TRY(ud_command_open(cx, subject_id, NULL, &verb, &operation));
	*ret = verb != NULL;
	return UD_OK;
}

/* The host works on what nobody knows of: it lets go, and keeps its files. */
static enum ud_code let_go(struct ud_ctx *cx, const struct ud_commanding *c, const char *host_id,
	const char *replication_id)
{
	const struct ud_relation_drop drop = { replication_id, true };
	struct ud_buf b = { 0 };
	bool told = false;
	int64_t seq;

	UD_TRY(is_told(cx, host_id, &told));
	if (told)
		return UD_OK;
	ud_shape_encode(&b, &ud_relation_drop_shape, &drop, NULL);
	const struct ud_command_new command = { .host_id = host_id,
		.verb = UD_VERB_RELATION_DROP,
		.args = ud_strndup(cx->arena, b.data, b.len),
		.timeout_seconds = UD_RELATION_TIMEOUT_SECONDS,
		.wait_seconds = UD_RELATION_WAIT_SECONDS };

	ud_buf_free(&b);
	return ud_command_send(cx, c, &command, &seq);
}

static bool is_end(const struct ud_replication *r, const char *host_id, unsigned role)
{
	return strcmp(host_id,
		       role == UD_RELATION_SOURCE ? r->source_host_id : r->target_host_id) == 0;
}

/* It was removed, and this host has not heard of it. */
static enum ud_code remind(struct ud_ctx *cx, const struct ud_commanding *c,
	const struct ud_replication *r, const struct ud_replication_report *item)
{
	bool told = false;

	if (item->state == UD_REPLICATION_DISABLED)
		return UD_OK;
	UD_TRY(is_told(cx, r->vm_id, &told));
	return told ? UD_OK : ud_relation_send(cx, c, r, item->role);
}

static enum ud_code take_known(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *host_id, const struct ud_replication_report *item, struct ud_replication *r,
	struct ud_replication_acks *ret)
{
	bool changed = false;

	if (item->error.text) {
		struct ud_replication_error e;

		UD_TRY(ud_shape_read(cx, &ud_replication_error_shape, item->error.text,
			strlen(item->error.text), &e));
	}
	UD_TRY(take_points(cx, r, host_id, item, ret));
	UD_TRY(take_dropped(cx, r, item, ret));
	if (r->wanted == UD_RELATION_REMOVED)
		return remind(cx, c, r, item);
	/* what is told of an older relation is not about this one */
	if (item->generation != UD_NONE && item->generation < r->generation &&
		r->initial_method == UD_INITIAL_REVERSE)
		return UD_OK;
	UD_TRY(ud_replication_told(cx, host_id, item));
	UD_TRY(ud_judge_store(cx, r, &changed));
	return ud_replication_followed(cx, r);
}

static enum ud_code take_item(struct ud_ctx *cx, const struct ud_commanding *c, const char *host_id,
	const struct ud_replication_report *item, struct ud_replication_acks *ret)
{
	struct ud_replication r = { 0 };
	bool found = false;

	UD_TRY(ud_replication_find(cx, item->replication_id, &found, &r));
	if (found && is_end(&r, host_id, item->role))
		return take_known(cx, c, host_id, item, &r, ret);
	ack(cx, &ret->unknown, UD_REPORT_RELATIONS, item->replication_id);
	/* one that is another host's: roles were swapped, and its own relation_set is on its way */
	return found ? UD_OK : let_go(cx, c, host_id, item->replication_id);
}

enum ud_code ud_replication_take(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *host_id, const struct ud_replication_reports *in,
	struct ud_replication_acks *ret)
{
	struct ud_replication_report *items = NULL;
	size_t n = 0;
	bool changed = false;

	memset(ret, 0, sizeof(*ret));
	UD_TRY(ud_shape_read_list(
		cx, &ud_replication_report_shape, in->items.text, UD_REPORT_RELATIONS, &items, &n));
	UD_TRY(ud_host_listens(cx, host_id, in->listen, &changed));
	for (size_t i = 0; i < n; i++)
		UD_TRY(take_item(cx, c, host_id, &items[i], ret));
	return UD_OK;
}
