/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field tables of calendars and agreements, and the one that counts for a customer.
 */
#include "db/calendars.h"

#include <stdlib.h>
#include <string.h>

#include "base/rules.h"

/* clang-format off */
static const struct ud_field calendar_fields[] = {
	UD_FIELD(ud_calendar, name,      .flags = UD_REQUIRED | UD_UNIQUE | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name of the calendar."),
	UD_FIELD(ud_calendar, time_zone, .flags = UD_REQUIRED | UD_BRIEF, .max = 64, .rule = ud_rule_time_zone, .about = "IANA time zone its hours are in."),
	UD_FIELD(ud_calendar, monday,    .flags = UD_BRIEF, .max = UD_HOURS_MAX, .about = "Working hours of Mondays, such as 08:00-12:30; 24:00 is the day's end."),
	UD_FIELD(ud_calendar, tuesday,   .max = UD_HOURS_MAX, .about = "Working hours of Tuesdays."),
	UD_FIELD(ud_calendar, wednesday, .max = UD_HOURS_MAX, .about = "Working hours of Wednesdays."),
	UD_FIELD(ud_calendar, thursday,  .max = UD_HOURS_MAX, .about = "Working hours of Thursdays."),
	UD_FIELD(ud_calendar, friday,    .max = UD_HOURS_MAX, .about = "Working hours of Fridays."),
	UD_FIELD(ud_calendar, saturday,  .max = UD_HOURS_MAX, .about = "Working hours of Saturdays."),
	UD_FIELD(ud_calendar, sunday,    .max = UD_HOURS_MAX, .about = "Working hours of Sundays."),
	UD_FIELD(ud_calendar, holidays,  .max = UD_HOLIDAYS_MAX, .about = "Days without working time, such as 2026-12-25."),
};
static const struct ud_shape calendar_shape = { .object = "calendar",
	.prefix = "cal",
	.table = "calendars",
	UD_SHAPE(ud_calendar, calendar_fields),
	.about = "Working time: hours of the week in a time zone, without holidays." };
const struct ud_table ud_calendars = { .shape = &calendar_shape, .tenancy = UD_SHARED };

enum { MOST = 366 * 86400 };
static const struct ud_field sla_fields[] = {
	UD_FIELD(ud_sla, name,                    .flags = UD_REQUIRED | UD_SEARCH | UD_SORT | UD_BRIEF, .max = 100, .rule = ud_rule_name, .about = "Name of the agreement."),
	UD_FIELD(ud_sla, calendar_id,             .flags = UD_REQUIRED | UD_FILTER | UD_BRIEF, .refers = "cal", .about = "Calendar whose working time its clocks count."),
	UD_FIELD(ud_sla, low_response_seconds,    .flags = UD_NULLABLE, .min = 60, .max = MOST, .about = "Until the first answer, severity low; null = nothing is promised."),
	UD_FIELD(ud_sla, low_resolve_seconds,     .flags = UD_NULLABLE, .min = 60, .max = MOST, .about = "Until it is solved, severity low."),
	UD_FIELD(ud_sla, normal_response_seconds, .flags = UD_NULLABLE | UD_BRIEF, .min = 60, .max = MOST, .about = "Until the first answer, severity normal."),
	UD_FIELD(ud_sla, normal_resolve_seconds,  .flags = UD_NULLABLE | UD_BRIEF, .min = 60, .max = MOST, .about = "Until it is solved, severity normal."),
	UD_FIELD(ud_sla, high_response_seconds,   .flags = UD_NULLABLE, .min = 60, .max = MOST, .about = "Until the first answer, severity high."),
	UD_FIELD(ud_sla, high_resolve_seconds,    .flags = UD_NULLABLE, .min = 60, .max = MOST, .about = "Until it is solved, severity high."),
	UD_FIELD(ud_sla, urgent_response_seconds, .flags = UD_NULLABLE | UD_BRIEF, .min = 60, .max = MOST, .about = "Until the first answer, severity urgent."),
	UD_FIELD(ud_sla, urgent_resolve_seconds,  .flags = UD_NULLABLE | UD_BRIEF, .min = 60, .max = MOST, .about = "Until it is solved, severity urgent."),
};
static const struct ud_shape sla_shape = { .object = "sla",
	.prefix = "sla",
	.table = "slas",
	UD_SHAPE(ud_sla, sla_fields),
	.about = "What is promised about tickets; one for each customer, and one of the provider's for all others." };
const struct ud_table ud_slas = { .shape = &sla_shape, .tenancy = UD_SHARED };
/* clang-format on */

static int by_day(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

enum ud_code ud_calendar_rules(
	struct ud_ctx *cx, const struct ud_calendar *c, struct ud_calendar_rules *ret)
{
	const struct ud_texts *const days[UD_WEEK] = { &c->monday, &c->tuesday, &c->wednesday,
		&c->thursday, &c->friday, &c->saturday, &c->sunday };
	static const char *const names[UD_WEEK] = { "monday", "tuesday", "wednesday", "thursday",
		"friday", "saturday", "sunday" };
	bool fine = true;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < UD_WEEK; i++)
		if (!ud_hours_read(days[i], ret->hours[i], &ret->counts[i])) {
			fine = false;
			ud_fail_field(cx, names[i], "format",
				"%s is a list of hours such as 08:00-12:30, one after the other.",
				names[i]);
		}
	for (size_t i = 0; i < c->holidays.count && i < UD_HOLIDAYS_MAX; i++)
		if (!ud_date_read(c->holidays.items[i], &ret->holidays[ret->holiday_count++])) {
			fine = false;
			ud_fail_field(cx, "holidays", "format",
				"holidays is a list of days such as 2026-12-25.");
		}
	if (!fine)
		return cx->problem.code;
	qsort(ret->holidays, ret->holiday_count, sizeof(*ret->holidays), by_day);
	return ud_zone_load(cx, c->time_zone, &ret->zone);
}

enum ud_code ud_calendar_load(struct ud_ctx *cx, const char *id, struct ud_calendar_rules *ret)
{
	struct ud_scope system = ud_scope_system("calendars");
	const struct ud_scope *before = cx->scope;
	struct ud_calendar c = { 0 };

	cx->scope = &system;
	enum ud_code code = ud_row_get(cx, &ud_calendars, id, &c);

	cx->scope = before;
	return code == UD_OK ? ud_calendar_rules(cx, &c, ret) : code;
}

enum ud_code ud_sla_promise(struct ud_ctx *cx, const char *customer_id, unsigned severity,
	bool *ret_found, struct ud_promise *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;

	UD_TRY(ud_query(cx, &rows,
		"SELECT id, version, calendar_id, low_response_seconds, low_resolve_seconds,"
		" normal_response_seconds, normal_resolve_seconds, high_response_seconds,"
		" high_resolve_seconds, urgent_response_seconds, urgent_resolve_seconds FROM slas"
		" WHERE COALESCE(customer_id, '') IN ($1, '')"
		" ORDER BY COALESCE(customer_id, '') DESC LIMIT 1",
		UD_VALS(ud_t(customer_id ? customer_id : ""))));
	UD_TRY(ud_next(cx, rows, ret_found));
	if (!*ret_found)
		return UD_OK;
	*ret = (struct ud_promise){ .sla_id = ud_col_dup(cx, rows, 0),
		.sla_version = ud_col_int(rows, 1),
		.calendar_id = ud_col_dup(cx, rows, 2),
		.response_seconds = ud_col_int_or_none(rows, 3 + 2 * (int)severity),
		.resolve_seconds = ud_col_int_or_none(rows, 4 + 2 * (int)severity) };
	return UD_OK;
}
