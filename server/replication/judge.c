/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each rule of health is a row; the state follows from which end may speak of what.
 */
#include "server/replication/judge.h"

#include <string.h>

#include "db/events.h"

#define S(state) (UINT32_C(1) << UD_REPLICATION_##state)
enum {
	/* after a failover the target alone knows */
	TARGETS = S(FAILING_OVER) | S(FAILED_OVER_UNCOMMITTED) | S(COMMITTED) | S(FAILING_BACK),
	/* what the target cannot do stops the source, whatever that says */
	STOPPED = S(ERROR) | S(RESYNC_REQUIRED) | S(DISK_UPDATE_ERROR) | S(PAUSED),
	RUNNING = S(READY_FOR_SEED) | S(SEEDING) | S(REPLICATING) | S(RESYNCING),
};

static const int64_t hour_ms = 3600000, latency_max_ms = 300000;

static bool in(unsigned state, uint32_t set)
{
	return (UINT32_C(1) << state & set) != 0;
}

static bool fresh(const struct ud_replication_end *e, int64_t now_ms)
{
	return e->known && now_ms - e->observed_at.ms <= UD_REPLICATION_STALE_MS;
}

static unsigned state_of(
	const struct ud_replication *r, const struct ud_replication_ends *ends, int64_t now_ms)
{
	bool s = fresh(&ends->source, now_ms), t = fresh(&ends->target, now_ms);
	unsigned source = ends->source.told.state, target = ends->target.told.state;

	if (r->wanted == UD_RELATION_REMOVED)
		return UD_REPLICATION_DISABLED;
	if (!ends->source.known && !ends->target.known)
		return r->error.text ? UD_REPLICATION_ERROR : UD_REPLICATION_READY_FOR_SEED;
	if (t && in(target, TARGETS))
		return target;
	if (!s)
		return t && in(target, STOPPED) ? target : UD_REPLICATION_UNKNOWN;
	return t && in(source, RUNNING) && in(target, STOPPED) ? target : source;
}

/* The age of the newest point is at most what an end told and the time since; the younger of two
 * such bounds holds. */
static void judge_rpo(
	const struct ud_replication_ends *ends, int64_t now_ms, struct ud_judgement *j)
{
	const struct ud_replication_end *const both[] = { &ends->source, &ends->target };

	j->rpo_known = false;
	j->rpo_at_most_ms = UD_NONE;
	for (size_t i = 0; i < UD_LEN(both); i++) {
		const struct ud_replication_end *e = both[i];

		if (!e->known || e->told.newest_point_age_ms == UD_NONE)
			continue;
		int64_t since = now_ms - e->observed_at.ms;
		int64_t age = e->told.newest_point_age_ms + (since > 0 ? since : 0);

		if (j->rpo_at_most_ms == UD_NONE || age < j->rpo_at_most_ms)
			j->rpo_at_most_ms = age;
		j->rpo_known |= fresh(e, now_ms);
	}
}

/* A counter that is smaller than at the window's begin was started anew. */
static int64_t in_window(int64_t now, int64_t base)
{
	if (now == UD_NONE)
		return UD_NONE;
	return now >= base ? now - base : now;
}

static void judge_cycles(const struct ud_replication *r, const struct ud_replication_ends *ends,
	struct ud_judgement *j)
{
	const struct ud_replication_report *t = &ends->source.told;
	bool known = ends->source.known;

	j->cycles_total = known ? in_window(t->cycles_total, r->window_cycles_total) : UD_NONE;
	j->cycles_missed = known ? in_window(t->cycles_missed, r->window_cycles_missed) : UD_NONE;
}

/* ---- health ---- */

struct facts {
	const struct ud_replication *r;
	const struct ud_replication_ends *ends;
	const struct ud_judgement *j;
	int64_t now_ms;
};

static bool cannot_send(const struct facts *f)
{
	return in(f->j->state, S(ERROR) | S(DISK_UPDATE_ERROR));
}

static bool must_resync(const struct facts *f)
{
	return in(f->j->state, S(RESYNC_REQUIRED) | S(RESYNC_PAUSED));
}

static bool paused_there(const struct facts *f)
{
	return fresh(&f->ends->target, f->now_ms) &&
		f->ends->target.told.state == UD_REPLICATION_PAUSED &&
		f->r->wanted != UD_RELATION_PAUSED;
}

static bool paused_here(const struct facts *f)
{
	return f->r->wanted == UD_RELATION_PAUSED || f->j->state == UD_REPLICATION_PAUSED;
}

static bool misses_cycles(const struct facts *f)
{
	const struct ud_judgement *j = f->j;

	return j->cycles_total > 0 && j->cycles_missed > 0 &&
		j->cycles_missed * 5 > j->cycles_total;
}

static bool no_point_for_an_hour(const struct facts *f)
{
	return f->j->rpo_at_most_ms != UD_NONE && f->j->rpo_at_most_ms > hour_ms;
}

static bool not_seeded(const struct facts *f)
{
	return !f->r->seeded_at.ms || f->r->seeded_at.ms == UD_NONE;
}

static bool not_reversed(const struct facts *f)
{
	return in(f->j->state, S(FAILED_OVER_UNCOMMITTED) | S(COMMITTED));
}

static bool slow(const struct facts *f)
{
	return f->ends->source.known && f->ends->source.told.latency_ms != UD_NONE &&
		f->ends->source.told.latency_ms > latency_max_ms;
}

static bool nobody_tells(const struct facts *f)
{
	return f->j->state == UD_REPLICATION_UNKNOWN;
}

/* clang-format off */
static const struct {
	const char *code;
	enum ud_replication_health health;
	bool (*holds)(const struct facts *f);
	const char *text;
} rules[] = {
	{ "cannot_send",              UD_HEALTH_CRITICAL, cannot_send,          "Changes cannot be sent to the replica." },
	{ "resync_required",          UD_HEALTH_CRITICAL, must_resync,          "The replica must be resynchronised before cycles go on." },
	{ "paused_on_replica",        UD_HEALTH_CRITICAL, paused_there,         "The replica's host has paused it." },
	{ "cycles_missed",            UD_HEALTH_WARNING,  misses_cycles,        "More than 20 % of the cycles of this window did not come to pass." },
	{ "no_recent_cycle",          UD_HEALTH_WARNING,  no_point_for_an_hour, "Nothing was sent for more than an hour." },
	{ "initial_copy_incomplete",  UD_HEALTH_WARNING,  not_seeded,           "The first full copy is not complete." },
	{ "failed_over_unprotected",  UD_HEALTH_WARNING,  not_reversed,         "The VM was failed over and is not replicated back." },
	{ "paused",                   UD_HEALTH_WARNING,  paused_here,          "Replication is paused." },
	{ "latency",                  UD_HEALTH_WARNING,  slow,                 "Cycles take more than five minutes on average." },
	{ "not_told",                 UD_HEALTH_WARNING,  nobody_tells,         "The hosts' agents have not reported lately." },
};
/* clang-format on */

static void judge_health(struct ud_ctx *cx, struct facts *f, struct ud_judgement *j)
{
	struct ud_buf b = { 0 };
	bool first = true;

	j->health =
		j->state == UD_REPLICATION_DISABLED ? UD_HEALTH_NOT_APPLICABLE : UD_HEALTH_NORMAL;
	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < UD_LEN(rules) && j->health != UD_HEALTH_NOT_APPLICABLE; i++) {
		if (!rules[i].holds(f))
			continue;
		j->health = rules[i].health > j->health ? rules[i].health : j->health;
		ud_buf_printf(&b, "%s{\"code\":\"%s\",\"text\":", first ? "" : ",", rules[i].code);
		ud_buf_json(&b, rules[i].text);
		ud_buf_putc(&b, '}');
		first = false;
	}
	ud_buf_putc(&b, ']');
	j->reasons.text = ud_buf_take(cx->arena, &b);
}

/* ---- the target of the agreement ---- */

/* What is breached is kept again only when there is a tenth to spare, so that it does not flap. */
static bool judge_breach(const struct ud_replication *r, const struct ud_judgement *j)
{
	bool was = r->rpo_breached_at.ms && r->rpo_breached_at.ms != UD_NONE;
	int64_t target_ms = r->rpo_target_seconds * 1000;

	if (r->wanted == UD_RELATION_REMOVED || !r->seeded_at.ms || r->seeded_at.ms == UD_NONE)
		return false;
	if (j->rpo_at_most_ms == UD_NONE)
		return was;
	return j->rpo_at_most_ms > (was ? target_ms / 10 * 9 : target_ms);
}

static const char *error_of(
	const struct ud_replication *r, const struct ud_replication_ends *ends, int64_t now_ms)
{
	if (fresh(&ends->source, now_ms) && ends->source.told.error.text)
		return ends->source.told.error.text;
	if (fresh(&ends->target, now_ms) && ends->target.told.error.text)
		return ends->target.told.error.text;
	/* what kept it from being set up stands until an end tells something */
	return ends->source.known || ends->target.known ? NULL : r->error.text;
}

void ud_judge(struct ud_ctx *cx, const struct ud_replication *r,
	const struct ud_replication_ends *ends, struct ud_judgement *ret)
{
	struct facts f = { r, ends, ret, cx->now_ms };

	*ret = (struct ud_judgement){ .state = state_of(r, ends, cx->now_ms),
		.error.text = error_of(r, ends, cx->now_ms) };
	judge_rpo(ends, cx->now_ms, ret);
	judge_cycles(r, ends, ret);
	judge_health(cx, &f, ret);
	ret->breached = judge_breach(r, ret);
}

static int64_t seconds(int64_t ms)
{
	return ms == UD_NONE ? UD_NONE : ms / 1000;
}

void ud_judge_show(struct ud_ctx *cx, const struct ud_replication_ends *ends,
	const struct ud_judgement *j, struct ud_replication *r)
{
	const struct ud_replication_end *s = &ends->source, *t = &ends->target;
	bool told = fresh(s, cx->now_ms);
	/* a full copy is told by the end that counts it */
	const struct ud_replication_report *p =
		t->known && t->told.progress_percent != UD_NONE && !told ? &t->told : &s->told;

	r->state = j->state;
	r->health = j->health;
	r->health_reasons = j->reasons;
	r->error = j->error;
	r->rpo_at_most_seconds = seconds(j->rpo_at_most_ms);
	r->rpo_measured_seconds = j->rpo_known ? r->rpo_at_most_seconds : UD_NONE;
	r->cycles_total = j->cycles_total;
	r->cycles_missed = j->cycles_missed;
	r->progress_percent = s->known || t->known ? p->progress_percent : UD_NONE;
	r->eta_seconds = s->known || t->known ? p->eta_seconds : UD_NONE;
	r->pending_bytes = told ? s->told.pending_bytes : UD_NONE;
	r->last_cycle_ms = s->known ? s->told.last_cycle_ms : UD_NONE;
	r->average_latency_ms = s->known ? s->told.latency_ms : UD_NONE;
	r->bytes_sent = s->known ? s->told.bytes_sent : UD_NONE;
	r->observed_at.ms =
		s->observed_at.ms > t->observed_at.ms ? s->observed_at.ms : t->observed_at.ms;
	r->raw = told && s->told.raw ? s->told.raw : t->told.raw;
}

int64_t ud_health_window(int64_t now_ms)
{
	int64_t window = 12 * hour_ms, since = 9 * hour_ms;

	return (now_ms - since) / window * window + since;
}

/* ---- keeping it ---- */

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool set(struct ud_time t)
{
	return t.ms && t.ms != UD_NONE;
}

/* The row as it is to be; *ret_window: the health's window is another. */
static void apply(struct ud_ctx *cx, const struct ud_replication_ends *ends,
	const struct ud_judgement *j, struct ud_replication *r, bool *ret_window)
{
	int64_t window = ud_health_window(cx->now_ms);

	if (j->state != r->state)
		r->state_since.ms = cx->now_ms;
	if (j->health != r->health)
		r->health_since.ms = cx->now_ms;
	r->state = j->state;
	r->health = j->health;
	r->health_reasons = j->reasons;
	r->error = j->error;
	if (j->breached != set(r->rpo_breached_at))
		r->rpo_breached_at.ms = j->breached ? cx->now_ms : UD_NONE;
	if (!set(r->seeded_at) && j->state == UD_REPLICATION_REPLICATING &&
		j->rpo_at_most_ms != UD_NONE)
		r->seeded_at.ms = cx->now_ms;
	*ret_window = window > r->window_started_at.ms;
	if (!*ret_window)
		return;
	r->window_started_at.ms = window;
	if (ends->source.known && ends->source.told.cycles_total != UD_NONE) {
		r->window_cycles_total = ends->source.told.cycles_total;
		r->window_cycles_missed = ends->source.told.cycles_missed == UD_NONE
			? 0
			: ends->source.told.cycles_missed;
	}
}

static bool differs(const struct ud_replication *a, const struct ud_replication *b)
{
	return a->state != b->state || a->health != b->health ||
		set(a->rpo_breached_at) != set(b->rpo_breached_at) ||
		set(a->seeded_at) != set(b->seeded_at) || !same(a->error.text, b->error.text) ||
		!same(a->health_reasons.text, b->health_reasons.text);
}

static enum ud_code tell(
	struct ud_ctx *cx, const struct ud_replication *old, const struct ud_replication *r)
{
	const struct {
		bool happened;
		const char *verb;
	} all[] = {
		{ !set(old->seeded_at) && set(r->seeded_at), "seeded" },
		{ old->state != r->state, "state_changed" },
		{ old->health != r->health, "health_changed" },
		{ !set(old->rpo_breached_at) && set(r->rpo_breached_at), "rpo_breached" },
		{ set(old->rpo_breached_at) && !set(r->rpo_breached_at), "rpo_restored" },
	};

	for (size_t i = 0; i < UD_LEN(all); i++)
		if (all[i].happened)
			UD_TRY(ud_event_add(cx, all[i].verb, ud_replications.shape, old, r));
	return UD_OK;
}

static enum ud_code judged(struct ud_ctx *cx, const struct ud_replication *old,
	struct ud_replication *ret, bool *window)
{
	struct ud_replication_ends ends;
	struct ud_judgement j;

	UD_TRY(ud_replication_ends(cx, old, &ends));
	ud_judge(cx, old, &ends, &j);
	*ret = *old;
	apply(cx, &ends, &j, ret, window);
	return UD_OK;
}

enum ud_code ud_judge_store(struct ud_ctx *cx, struct ud_replication *r, bool *ret_changed)
{
	const struct ud_replication old = *r;
	struct ud_replication now;
	bool window = false, again = false;

	UD_TRY(judged(cx, &old, &now, &window));
	if (now.seeded_at.ms != old.seeded_at.ms) /* health knows of it, too */
		UD_TRY(judged(cx, &now, &now, &again));
	*ret_changed = differs(&old, &now);
	if (window)
		UD_TRY(ud_replication_window(cx, &now));
	enum ud_code code = *ret_changed ? ud_row_update(cx, &ud_replications, &old, &now) : UD_OK;

	if (code == UD_E_STALE_VERSION) {
		/* another server has just judged it, or people changed it: the next look is soon */
		ud_ctx_clear(cx);
		*ret_changed = false;
		return UD_OK;
	}
	UD_TRY(code);
	if (*ret_changed)
		UD_TRY(tell(cx, &old, &now));
	*r = now;
	return UD_OK;
}

enum ud_code ud_judge_due(struct ud_ctx *cx, const struct ud_replication *r, bool *ret)
{
	struct ud_replication now;
	bool window = false;

	UD_TRY(judged(cx, r, &now, &window));
	*ret = window || differs(r, &now);
	return UD_OK;
}
