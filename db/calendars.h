/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calendars of working time, and agreements on how soon tickets are answered and solved by them.
 */
#ifndef DB_CALENDARS_H
#define DB_CALENDARS_H

#include "base/calendar.h"
#include "db/tickets.h"

struct ud_calendar {
	struct ud_row row;
	const char *name, *time_zone;
	struct ud_texts monday, tuesday, wednesday, thursday, friday, saturday, sunday;
	struct ud_texts holidays;
};
extern const struct ud_table ud_calendars;

/* The calendar as rules to count by; every wrong field is reported. UD_E_VALIDATION,
 * UD_E_UNAVAILABLE when its zone is not there. */
enum ud_code ud_calendar_rules(
	struct ud_ctx *cx, const struct ud_calendar *c, struct ud_calendar_rules *ret) UD_USE;
/* The rules of a stored calendar, whoever's: tickets of a customer go by the provider's. */
enum ud_code ud_calendar_load(struct ud_ctx *cx, const char *id, struct ud_calendar_rules *ret)
	UD_USE;

struct ud_sla {
	struct ud_row row;
	const char *name, *calendar_id;
	int64_t low_response_seconds, low_resolve_seconds;
	int64_t normal_response_seconds, normal_resolve_seconds;
	int64_t high_response_seconds, high_resolve_seconds;
	int64_t urgent_response_seconds, urgent_resolve_seconds;
};
extern const struct ud_table ud_slas;

/* What was promised to a ticket. */
struct ud_promise {
	const char *sla_id, *calendar_id;
	int64_t sla_version;
	int64_t response_seconds, resolve_seconds; /* UD_NONE = nothing */
};
/* The customer's agreement, else the provider's standard one, for a severity. *ret_found false when
 * there is none. */
enum ud_code ud_sla_promise(struct ud_ctx *cx, const char *customer_id, unsigned severity,
	bool *ret_found, struct ud_promise *ret) UD_USE;

#endif
