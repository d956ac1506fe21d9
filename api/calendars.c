/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calendars of working time and the agreements that count by them; and deadlines for whoever asks.
 */
#include "db/calendars.h"

#include <stdlib.h>
#include <string.h>

#include "api/api.h"

static enum ud_code before(
	struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row)
{
	struct ud_calendar_rules *rules = ud_alloc(cx->arena, sizeof(*rules));

	(void)given, (void)old_row;
	return row ? ud_calendar_rules(cx, row, rules) : UD_OK;
}

static const struct ud_resource calendars = { .table = &ud_calendars, .before = before };
static const struct ud_resource slas = { .table = &ud_slas };

/* A span of working time. */
struct span {
	const char *calendar_id;
	struct ud_time from, until;
	int64_t seconds;
};
/* clang-format off */
static const struct ud_field span_fields[] = {
	UD_FIELD(span, calendar_id, .about = "Calendar that was counted by."),
	UD_FIELD(span, from,        .about = "Begin of the span."),
	UD_FIELD(span, until,       .about = "Its end: when so many seconds of working time are over."),
	UD_FIELD(span, seconds,     .about = "Seconds of working time in it."),
};
static const struct ud_shape span_shape = { .object = "calendar_span", .bare = true,
	UD_SHAPE(span, span_fields), .about = "A span of working time." };
/* clang-format on */

static enum ud_code instant(
	struct ud_ctx *cx, struct ud_request *rq, const char *name, int64_t *ret, bool *ret_given)
{
	const char *text = ud_request_param(rq, name);

	*ret_given = text != NULL;
	if (text && !ud_time_parse(text, ret))
		return ud_fail(cx, UD_E_PARAMETER_INVALID, name,
			"%s is an instant such as 2026-11-23T09:41:07Z.", name);
	return UD_OK;
}

static enum ud_code count(struct ud_ctx *cx, struct ud_request *rq, int64_t *ret, bool *ret_given)
{
	const char *text = ud_request_param(rq, "seconds");
	char *end = NULL;

	*ret_given = text != NULL;
	if (!text)
		return UD_OK;
	*ret = strtoll(text, &end, 10);
	if (end == text || *end || *ret < 0 || *ret > INT64_C(366) * 86400)
		return ud_fail(cx, UD_E_PARAMETER_INVALID, "seconds",
			"seconds is between 0 and a year's.");
	return UD_OK;
}

/* ?from= and seconds= give until, from= and until= give seconds; without from it is now. */
static enum ud_code resolve(struct ud_ctx *cx, struct ud_request *rq)
{
	struct ud_calendar_rules *rules = ud_alloc(cx->arena, sizeof(*rules));
	struct ud_calendar c = { 0 };
	struct span s = { .from.ms = cx->now_ms };
	bool has_from, has_until, has_seconds;

	UD_TRY(ud_row_get(cx, &ud_calendars, rq->arg[0], &c));
	UD_TRY(instant(cx, rq, "from", &s.from.ms, &has_from));
	UD_TRY(instant(cx, rq, "until", &s.until.ms, &has_until));
	UD_TRY(count(cx, rq, &s.seconds, &has_seconds));
	if (has_until && has_seconds)
		return ud_fail(
			cx, UD_E_PARAMETER_INVALID, "until", "Send until or seconds, not both.");
	UD_TRY(ud_calendar_rules(cx, &c, rules));
	if (has_until)
		s.seconds = ud_calendar_between(rules, s.from.ms, s.until.ms);
	else if (!ud_calendar_due(rules, s.from.ms, s.seconds, &s.until.ms))
		return ud_fail(cx, UD_E_EXHAUSTED, NULL,
			"The calendar has not so much working time in ten years.");
	s.calendar_id = c.row.id;
	return ud_answer(cx, rq, &span_shape, &s);
}

enum { ARRANGE = UD_R(SUPPORT_LEAD) | UD_OPERATOR };

/* clang-format off */
static const struct ud_route rows[] = {
	UD_REST_ROWS("/v1/calendars", "calendars", "a calendar", "calendars", UD_PEOPLE, ARRANGE, &calendars),
	{ "GET", "/v1/calendars/{id}/resolve", "calendars.resolve", UD_PEOPLE, "calendars:read", 0, .answer = &span_shape, .handle = resolve, .about = "Count working time: from= and seconds= give the end, from= and until= the seconds." },
	UD_REST_ROWS("/v1/slas", "slas", "an agreement", "agreements on tickets", UD_PEOPLE, ARRANGE, &slas),
};
/* clang-format on */
const struct ud_routes ud_api_calendars = { "Calendars", rows, UD_LEN(rows) };
