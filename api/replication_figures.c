/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures of a replication: its health with the numbers behind it, and the ledger of its newest
 * point's age, minute by minute.
 */
#include <string.h>

#include "api/replications.h"
#include "db/events.h"
#include "db/recovery_points.h"
#include "server/replication/judge.h"

/* ---- health ---- */

struct health {
	const char *replication_id;
	unsigned state, health;
	struct ud_json reasons;
	struct ud_time health_since, window_started_at;
	int64_t cycles_total, cycles_missed, missed_percent, average_latency_ms, last_cycle_ms;
	int64_t pending_bytes, bytes_sent, rpo_measured_seconds, rpo_at_most_seconds;
	struct ud_time observed_at;
};
/* clang-format off */
static const struct ud_field health_fields[] = {
	UD_FIELD(health, replication_id,       .about = "The replication."),
	UD_FIELD(health, state,                .values = &ud_replication_states, .about = "Where it stands."),
	UD_FIELD(health, health,               .values = &ud_replication_healths, .about = "Health by the rules of Hyper-V."),
	UD_FIELD(health, reasons,              .about = "Why it is not normal: code and text each."),
	UD_FIELD(health, health_since,         .about = "Since when."),
	UD_FIELD(health, window_started_at,    .about = "Begin of the window: every twelve hours from 09:00 UTC, or when it was reset."),
	UD_FIELD(health, cycles_total,         .flags = UD_NULLABLE, .about = "Cycles that were due in the window."),
	UD_FIELD(health, cycles_missed,        .flags = UD_NULLABLE, .about = "Cycles of them that did not come to pass."),
	UD_FIELD(health, missed_percent,       .flags = UD_NULLABLE, .about = "The same in hundredths; above 20 is a warning."),
	UD_FIELD(health, average_latency_ms,   .flags = UD_NULLABLE, .about = "Mean time from a cycle's begin to its acknowledgement; above five minutes is a warning."),
	UD_FIELD(health, last_cycle_ms,        .flags = UD_NULLABLE, .about = "Duration of the last cycle."),
	UD_FIELD(health, pending_bytes,        .flags = UD_NULLABLE, .about = "Bytes waiting to be sent."),
	UD_FIELD(health, bytes_sent,           .flags = UD_NULLABLE, .about = "Bytes on the wire since it was set up."),
	UD_FIELD(health, rpo_measured_seconds, .flags = UD_NULLABLE, .about = "Age of the newest durable point; null = unknown."),
	UD_FIELD(health, rpo_at_most_seconds,  .flags = UD_NULLABLE, .about = "What it is at most."),
	UD_FIELD(health, observed_at,          .about = "When an end told something last."),
};
/* clang-format on */
static const struct ud_shape health_shape = { .object = "replication_health",
	UD_SHAPE(health, health_fields),
	.bare = true,
	.about = "Health of a replication, with the figures behind it." };

static enum ud_code answer_health(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_replication *r)
{
	UD_TRY(ud_replication_complete(cx, r));
	const struct health out = { .replication_id = r->row.id,
		.state = r->state,
		.health = r->health,
		.reasons = r->health_reasons,
		.health_since = r->health_since,
		.window_started_at = r->window_started_at,
		.cycles_total = r->cycles_total,
		.cycles_missed = r->cycles_missed,
		.missed_percent = r->cycles_total > 0 && r->cycles_missed != UD_NONE
			? r->cycles_missed * 100 / r->cycles_total
			: UD_NONE,
		.average_latency_ms = r->average_latency_ms,
		.last_cycle_ms = r->last_cycle_ms,
		.pending_bytes = r->pending_bytes,
		.bytes_sent = r->bytes_sent,
		.rpo_measured_seconds = r->rpo_measured_seconds,
		.rpo_at_most_seconds = r->rpo_at_most_seconds,
		.observed_at = r->observed_at };

	return ud_answer(cx, rq, &health_shape, &out);
}

static enum ud_code health(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication r = { 0 };

	UD_TRY(ud_row_get(cx, &ud_replications, rq->arg[0], &r));
	return answer_health(cx, rq, &r);
}

static enum ud_code reset(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication old = { 0 }, r;
	struct ud_replication_ends ends;

	UD_TRY(ud_replication_open(cx, rq, UD_RPL_RESET_HEALTH, &old, &r));
	UD_TRY(ud_replication_ends(cx, &old, &ends));
	r = old;
	r.window_started_at.ms = cx->now_ms;
	if (ends.source.known && ends.source.told.cycles_total != UD_NONE)
		r.window_cycles_total = ends.source.told.cycles_total;
	if (ends.source.known && ends.source.told.cycles_missed != UD_NONE)
		r.window_cycles_missed = ends.source.told.cycles_missed;
	UD_TRY(ud_row_update(cx, &ud_replications, &old, &r));
	UD_TRY(ud_event_add(cx, "health_reset", ud_replications.shape, &old, &r));
	return answer_health(cx, rq, &r);
}

/* ---- the ledger ---- */

enum { MINUTE_MS = 60000, DAY_MINUTES = 1440, RANGE_MAX = 35 * DAY_MINUTES, ROWS_MAX = 1440 };

struct measurements {
	const char *replication_id;
	struct ud_time from, until;
	int64_t bucket_seconds;
	int64_t minutes_total, minutes_kept, minutes_broken, minutes_unknown;
	int64_t kept_permille, worst_rpo_seconds, average_rpo_seconds;
	int64_t cycles_total, cycles_missed, bytes_sent, worst_latency_ms;
	struct ud_json minutes;
};
/* clang-format off */
static const struct ud_field measurement_fields[] = {
	UD_FIELD(measurements, replication_id,      .about = "The replication."),
	UD_FIELD(measurements, from,                .about = "Begin of the range."),
	UD_FIELD(measurements, until,               .about = "End of the range, not part of it."),
	UD_FIELD(measurements, bucket_seconds,      .about = "What one entry of minutes stands for."),
	UD_FIELD(measurements, minutes_total,       .about = "Minutes of the ledger in the range."),
	UD_FIELD(measurements, minutes_kept,        .about = "Minutes in which the newest point was as young as promised."),
	UD_FIELD(measurements, minutes_broken,      .about = "Minutes in which it was older."),
	UD_FIELD(measurements, minutes_unknown,     .about = "Minutes of which nobody knows: not counted as kept."),
	UD_FIELD(measurements, kept_permille,       .flags = UD_NULLABLE, .about = "Kept of all, in thousandths."),
	UD_FIELD(measurements, worst_rpo_seconds,   .flags = UD_NULLABLE, .about = "Largest age measured."),
	UD_FIELD(measurements, average_rpo_seconds, .flags = UD_NULLABLE, .about = "Mean age measured."),
	UD_FIELD(measurements, cycles_total,        .flags = UD_NULLABLE, .about = "Cycles that were due in the range."),
	UD_FIELD(measurements, cycles_missed,       .flags = UD_NULLABLE, .about = "Cycles of them that did not come to pass."),
	UD_FIELD(measurements, bytes_sent,          .flags = UD_NULLABLE, .about = "Bytes on the wire in the range."),
	UD_FIELD(measurements, worst_latency_ms,    .flags = UD_NULLABLE, .about = "Largest mean duration of cycles."),
	UD_FIELD(measurements, minutes,             .about = "Entries with at, rpo_seconds (the worst; null = unknown), target_seconds and state."),
};
/* clang-format on */
static const struct ud_shape measurement_shape = { .object = "replication_measurements",
	UD_SHAPE(measurements, measurement_fields),
	.bare = true,
	.about = "How old the newest point was, minute by minute." };

/* Adding minutes up. */
struct sum {
	struct measurements *out;
	struct ud_buf b;
	int64_t bucket_minutes, ages, last_total, last_missed, last_bytes;
	struct ud_minute worst; /* of the bucket being filled; minute UD_NONE = none */
	bool unknown;
};

static void flush(struct sum *s)
{
	if (s->worst.minute == UD_NONE)
		return;
	if (s->b.len > 1)
		ud_buf_putc(&s->b, ',');
	ud_buf_puts(&s->b, "{\"at\":");
	ud_buf_time(&s->b, s->worst.minute * MINUTE_MS);
	ud_buf_puts(&s->b, ",\"rpo_seconds\":");
	if (s->unknown)
		ud_buf_puts(&s->b, "null");
	else
		ud_buf_int(&s->b, s->worst.age_ms / 1000);
	ud_buf_printf(&s->b, ",\"target_seconds\":%lld,\"state\":\"%s\"}",
		(long long)s->worst.target_seconds, ud_replication_states.names[s->worst.state]);
	s->worst.minute = UD_NONE;
}

/* Growth of a counter; one that shrank was started anew. */
static void grow(int64_t now, int64_t *last, int64_t *sum)
{
	if (now == UD_NONE)
		return;
	if (*sum == UD_NONE)
		*sum = 0;
	if (*last != UD_NONE)
		*sum += now >= *last ? now - *last : now;
	*last = now;
}

static void count(struct sum *s, const struct ud_minute *m)
{
	struct measurements *out = s->out;

	out->minutes_total++;
	grow(m->cycles_total, &s->last_total, &out->cycles_total);
	grow(m->cycles_missed, &s->last_missed, &out->cycles_missed);
	grow(m->bytes_sent, &s->last_bytes, &out->bytes_sent);
	if (m->latency_ms != UD_NONE && m->latency_ms > out->worst_latency_ms)
		out->worst_latency_ms = m->latency_ms;
	if (m->age_ms == UD_NONE) {
		out->minutes_unknown++;
		return;
	}
	if (m->age_ms <= m->target_seconds * 1000)
		out->minutes_kept++;
	else
		out->minutes_broken++;
	s->ages += m->age_ms / 1000;
	if (m->age_ms / 1000 > out->worst_rpo_seconds)
		out->worst_rpo_seconds = m->age_ms / 1000;
}

static enum ud_code add_minute(struct ud_ctx *cx, void *data, const struct ud_minute *m)
{
	struct sum *s = data;
	int64_t begin = m->minute / s->bucket_minutes * s->bucket_minutes;

	(void)cx;
	count(s, m);
	if (s->worst.minute != begin) {
		flush(s);
		s->worst = *m;
		s->worst.minute = begin;
		s->unknown = m->age_ms == UD_NONE;
		return UD_OK;
	}
	/* a bucket is as bad as its worst minute, and one that is not known is worse than all */
	s->unknown |= m->age_ms == UD_NONE;
	if (m->age_ms > s->worst.age_ms)
		s->worst.age_ms = m->age_ms;
	s->worst.state = m->state;
	return UD_OK;
}

static enum ud_code read_instant(
	struct ud_ctx *cx, struct ud_request *rq, const char *name, int64_t standard, int64_t *ret)
{
	const char *text = ud_request_param(rq, name);

	*ret = standard;
	if (text && !ud_time_parse(text, ret))
		return ud_fail(cx, UD_E_PARAMETER_INVALID, name,
			"%s is an instant such as 2026-11-23T09:41:07Z.", name);
	return UD_OK;
}

static enum ud_code read_range(struct ud_ctx *cx, struct ud_request *rq, struct measurements *m)
{
	UD_TRY(read_instant(cx, rq, "until", cx->now_ms, &m->until.ms));
	UD_TRY(read_instant(
		cx, rq, "from", m->until.ms - (int64_t)DAY_MINUTES * MINUTE_MS, &m->from.ms));
	int64_t minutes = (m->until.ms - m->from.ms) / MINUTE_MS;

	if (m->from.ms >= m->until.ms || minutes > RANGE_MAX)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "from",
			"from is before until, by 35 days at most.");
	m->bucket_seconds = (minutes + ROWS_MAX - 1) / ROWS_MAX * 60;
	if (!m->bucket_seconds)
		m->bucket_seconds = 60;
	return UD_OK;
}

static enum ud_code measure(struct ud_ctx *cx, struct sum *s)
{
	struct measurements *m = s->out;

	ud_buf_putc(&s->b, '[');
	UD_TRY(ud_minutes_visit(cx, m->replication_id, m->from.ms / MINUTE_MS,
		(m->until.ms + MINUTE_MS - 1) / MINUTE_MS, RANGE_MAX + 1, add_minute, s));
	flush(s);
	ud_buf_putc(&s->b, ']');
	int64_t known = m->minutes_kept + m->minutes_broken;

	m->average_rpo_seconds = known ? s->ages / known : UD_NONE;
	m->kept_permille = m->minutes_total ? m->minutes_kept * 1000 / m->minutes_total : UD_NONE;
	m->minutes.text = ud_strndup(cx->arena, s->b.data, s->b.len);
	return UD_OK;
}

static enum ud_code measurements(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_replication r = { 0 };
	struct measurements m = { .worst_rpo_seconds = UD_NONE,
		.cycles_total = UD_NONE,
		.cycles_missed = UD_NONE,
		.bytes_sent = UD_NONE,
		.worst_latency_ms = UD_NONE };
	struct sum s = { .out = &m,
		.worst.minute = UD_NONE,
		.last_total = UD_NONE,
		.last_missed = UD_NONE,
		.last_bytes = UD_NONE };

	UD_TRY(ud_row_get(cx, &ud_replications, rq->arg[0], &r));
	m.replication_id = r.row.id;
	UD_TRY(read_range(cx, rq, &m));
	s.bucket_minutes = m.bucket_seconds / 60;
	enum ud_code code = measure(cx, &s);

	ud_buf_free(&s.b);
	UD_TRY(code);
	return ud_answer(cx, rq, &measurement_shape, &m);
}

/* ---- on the VM's page ---- */

static void write_leg(struct ud_buf *b, const struct ud_replication *r,
	const struct ud_judgement *j, const char *newest)
{
	ud_buf_printf(b,
		"{\"replication_id\":\"%s\",\"target_host_id\":\"%s\",\"wanted\":\"%s\",\"state\":\"%s\","
		"\"health\":\"%s\",\"schedule_interval_seconds\":%lld,\"rpo_target_seconds\":%lld,"
		"\"rpo_breached\":%s,\"rpo_measured_seconds\":",
		r->row.id, r->target_host_id, ud_relation_states.names[r->wanted],
		ud_replication_states.names[j->state], ud_replication_healths.names[j->health],
		(long long)r->schedule_interval_seconds, (long long)r->rpo_target_seconds,
		j->breached ? "true" : "false");
	if (j->rpo_known)
		ud_buf_int(b, j->rpo_at_most_ms / 1000);
	else
		ud_buf_puts(b, "null");
	ud_buf_puts(b, ",\"newest_recovery_point_id\":");
	ud_buf_json(b, newest);
}

/* One leg as an object that is still open; false = there is none. */
static enum ud_code add_leg(
	struct ud_ctx *cx, const char *vm_id, enum ud_leg leg, struct ud_buf *b, bool *ret_found)
{
	struct ud_replication r = { 0 };
	struct ud_replication_ends ends;
	struct ud_judgement j;
	const char *newest = NULL;

	UD_TRY(ud_replication_of_vm(cx, vm_id, leg, ret_found, &r));
	if (!*ret_found)
		return UD_OK;
	UD_TRY(ud_replication_ends(cx, &r, &ends));
	UD_TRY(ud_recovery_point_newest(cx, r.row.id, &newest));
	ud_judge(cx, &r, &ends, &j);
	write_leg(b, &r, &j, newest);
	return UD_OK;
}

static enum ud_code write_summary(
	struct ud_ctx *cx, const char *vm_id, struct ud_buf *b, bool *ret_found)
{
	const char *policy = NULL;
	int64_t epoch;
	bool extended = false;

	UD_TRY(add_leg(cx, vm_id, UD_LEG_PRIMARY, b, ret_found));
	if (!*ret_found)
		return UD_OK;
	UD_TRY(ud_vm_epoch(cx, vm_id, &epoch, &policy));
	ud_buf_printf(b, ",\"fencing_policy\":\"%s\",\"extended\":", policy);
	UD_TRY(add_leg(cx, vm_id, UD_LEG_EXTENDED, b, &extended));
	ud_buf_puts(b, extended ? "}}" : "null}");
	return UD_OK;
}

enum ud_code ud_replication_summary(struct ud_ctx *cx, const char *vm_id, struct ud_json *ret)
{
	struct ud_buf b = { 0 };
	bool found = false;
	enum ud_code code = write_summary(cx, vm_id, &b, &found);

	ret->text = code == UD_OK && found ? ud_strndup(cx->arena, b.data, b.len) : NULL;
	ud_buf_free(&b);
	return code;
}

/* ---- metrics ---- */

static void write_head(struct ud_buf *b, const char *name, const char *help)
{
	ud_buf_printf(b, "# HELP understudy_%s %s\n# TYPE understudy_%s gauge\n", name, help, name);
}

static void write_state(void *data, const char *state, int64_t n)
{
	ud_buf_printf(data, "understudy_replications{state=\"%s\"} %lld\n", state, (long long)n);
}

enum ud_code ud_replications_metrics(struct ud_ctx *cx, struct ud_buf *out)
{
	int64_t breached = 0, worst = UD_NONE;

	write_head(out, "replications", "Replications by state.");
	UD_TRY(ud_replications_count(cx, write_state, out, &breached));
	write_head(out, "replications_rpo_breached",
		"Replications whose newest recovery point is older than promised.");
	ud_buf_printf(out, "understudy_replications_rpo_breached %lld\n", (long long)breached);
	UD_TRY(ud_replications_worst(cx, &worst));
	if (worst == UD_NONE)
		return UD_OK;
	write_head(out, "replication_rpo_worst_seconds",
		"Largest age of a replication's newest recovery point.");
	ud_buf_printf(
		out, "understudy_replication_rpo_worst_seconds %lld\n", (long long)(worst / 1000));
	return UD_OK;
}

static const struct ud_parameter range[] = {
	{ "from", "string", "Begin of the range; a day before until when not given." },
	{ "until", "string", "End of the range; now when not given." },
	{ NULL, NULL, NULL },
};

/* clang-format off */
static const struct ud_route rows[] = {
	{ "GET",  "/v1/replications/{id}/health",       "replications.health",       UD_PEOPLE,      "replications:read",  0, .answer = &health_shape, .handle = health, .about = "Tell the health of a replication, with the figures behind it." },
	{ "POST", "/v1/replications/{id}/health/reset", "replications.reset-health", UD_RPL_SUPPORT, "replications:write", UD_WRITE, .answer = &health_shape, .handle = reset, .about = "Begin the window of the health's figures anew." },
	{ "GET",  "/v1/replications/{id}/measurements", "replications.measurements", UD_PEOPLE,      "replications:read",  0, .answer = &measurement_shape, .handle = measurements, .parameters = range, .about = "Tell how old the newest point was between from and until, minute by minute." },
};
/* clang-format on */
const struct ud_routes ud_api_replication_figures = { "Replication figures", rows, UD_LEN(rows) };
