/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread of a relation: it wakes when the next cycle of a source, or the care of a target, is
 * due, or when it is poked; counts what came to pass and what did not.
 */
#include <string.h>

#include "agent/drivers/libvirt/relation.h"
#include "base/env.h"
#include "base/log.h"

enum { TEND_MS = 30000, RETRY_MS = 5000 };

/* ---- when ---- */

void ud_lv_relation_poke(struct ud_lv_relation *r)
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

/* ---- a turn ---- */

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

/* ---- the thread ---- */

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

enum ud_code ud_lv_relation_begin(struct ud_ctx *cx, struct ud_lv_relation *r)
{
	if (r->thread_runs)
		return UD_OK;
	if (pthread_create(&r->thread, NULL, run, r) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	r->thread_runs = true;
	return UD_OK;
}

/* End what it does now and its thread. */
void ud_lv_relation_end(struct ud_lv_relation *r)
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
