/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ticks of replication. Looking costs no commit: only what has changed is written.
 */
#include "server/replication/watch.h"

#include <string.h>

#include "db/events.h"
#include "db/replications.h"
#include "server/replication/judge.h"
#include "server/replication/relations.h"

enum { MINUTE_MS = 60000, DAY_MINUTES = 1440, RESYNC_REST_MS = 300000 };

struct watch {
	const struct ud_commanding *commanding; /* NULL = only look */
	bool due;
};

/* Has this end told lately that it works with something older than what is wanted? */
static bool behind(const struct ud_replication *r, const struct ud_replication_end *e, int64_t now)
{
	return e->known && now - e->observed_at.ms <= UD_REPLICATION_STALE_MS &&
		e->told.generation != UD_NONE && e->told.generation < r->generation;
}

/* Which ends must be told again. Nothing is said while words are on their way. */
static enum ud_code deaf(
	struct ud_ctx *cx, const struct ud_replication *r, bool *ret_source, bool *ret_target)
{
	struct ud_replication_ends ends;
	const char *verb, *operation;

	UD_TRY(ud_replication_ends(cx, r, &ends));
	*ret_source = behind(r, &ends.source, cx->now_ms);
	*ret_target = behind(r, &ends.target, cx->now_ms);
	if (!*ret_source && !*ret_target)
		return UD_OK;
	UD_TRY(ud_command_open(cx, r->vm_id, NULL, &verb, &operation));
	if (verb)
		*ret_source = *ret_target = false;
	return UD_OK;
}

/* Should it be resynchronised by itself? A failure is not repeated at once. */
static enum ud_code heals(struct ud_ctx *cx, const struct ud_replication *r, bool *ret)
{
	*ret = r->auto_resync && r->wanted == UD_RELATION_ACTIVE &&
		r->state == UD_REPLICATION_RESYNC_REQUIRED;
	return *ret ? ud_replication_rested(cx, r, RESYNC_REST_MS, ret) : UD_OK;
}

static enum ud_code heal(struct ud_ctx *cx, const struct ud_commanding *c, struct ud_replication *r)
{
	const struct ud_relation_resync resync = { .replication_id = r->row.id,
		.method = UD_RESYNC_AUTO };
	const struct ud_replication old = *r;
	struct ud_operation op;

	UD_TRY(ud_replication_begin(cx, c, r, UD_WORK_RESYNC, &resync, &op));
	UD_TRY(ud_row_update(cx, &ud_replications, &old, r));
	return ud_event_add(cx, "resync_requested", ud_replications.shape, &old, r);
}

static enum ud_code look(struct ud_ctx *cx, void *data, const void *row)
{
	struct watch *w = data;
	bool due = false, source = false, target = false, ill = false;

	if (w->due)
		return UD_OK;
	UD_TRY(ud_judge_due(cx, row, &due));
	UD_TRY(deaf(cx, row, &source, &target));
	UD_TRY(heals(cx, row, &ill));
	w->due = due || source || target || ill;
	return UD_OK;
}

static enum ud_code act(struct ud_ctx *cx, void *data, const void *row)
{
	const struct watch *w = data;
	struct ud_replication r = *(const struct ud_replication *)row;
	bool changed = false, source = false, target = false, ill = false;

	UD_TRY(ud_judge_store(cx, &r, &changed));
	UD_TRY(heals(cx, &r, &ill));
	if (ill)
		UD_TRY(heal(cx, w->commanding, &r));
	UD_TRY(deaf(cx, &r, &source, &target));
	if (target)
		UD_TRY(ud_relation_send(cx, w->commanding, &r, UD_RELATION_TARGET));
	if (source)
		UD_TRY(ud_relation_send(cx, w->commanding, &r, UD_RELATION_SOURCE));
	return UD_OK;
}

enum ud_code ud_replication_watch_due(struct ud_ctx *cx, bool *ret)
{
	struct watch w = { 0 };

	UD_TRY(ud_replications_live(cx, look, &w));
	*ret = w.due;
	return UD_OK;
}

enum ud_code ud_replication_watch(struct ud_ctx *cx, const struct ud_commanding *c)
{
	struct watch w = { .commanding = c };

	return ud_replications_live(cx, act, &w);
}

enum ud_code ud_replication_minute_due(struct ud_ctx *cx, bool *ret)
{
	return ud_minute_due(cx, cx->now_ms / MINUTE_MS, ret);
}

enum ud_code ud_replication_minute(struct ud_ctx *cx, const struct ud_commanding *c)
{
	int64_t minute = cx->now_ms / MINUTE_MS;

	(void)c;
	UD_TRY(ud_minute_add(cx, minute, UD_REPLICATION_STALE_MS));
	if (minute % 60)
		return UD_OK;
	return ud_minutes_expire(cx, minute - (int64_t)UD_LEDGER_DAYS * DAY_MINUTES);
}
