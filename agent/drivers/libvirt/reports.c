/* SPDX-License-Identifier: Apache-2.0 */
/* What the server is told of each relation: where it stands, how far it came, how old the newest
 * point is. */
#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"

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

/* How long ago the target's newest point was all that the VM has, as far as this end knows. */
static int64_t confirmed_age(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	pthread_mutex_lock(&r->lv->book->lock);
	int64_t at = r->confirmed_mono_ms;

	pthread_mutex_unlock(&r->lv->book->lock);
	return at > 0 ? ud_mono_ms(cx->env) - at : UD_NONE;
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

	report.newest_point_age_ms =
		relation.role == UD_RELATION_TARGET ? newest_age(cx, r) : confirmed_age(cx, r);
	add_progress(r, &relation, &report);
	pthread_mutex_lock(&r->lv->book->lock);
	error.code = ud_strdup(cx->arena, r->error_code);
	error.detail = ud_strdup(cx->arena, r->error_detail);
	pthread_mutex_unlock(&r->lv->book->lock);
	if (error.code)
		report.error.text = ud_lv_row_text(cx, &ud_replication_error_shape, &error);
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
