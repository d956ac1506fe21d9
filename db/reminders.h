/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time asks of failovers: windows that are over, rotations that end, VMs that stay
 * unprotected, and VMs whose last failover of a kind is too long ago.
 */
#ifndef DB_REMINDERS_H
#define DB_REMINDERS_H

#include "db/failovers.h"

enum ud_reminder {
	UD_REMIND_WINDOW, /* the window of a planned failover is over, and its VMs are not back */
	UD_REMIND_RETURN, /* that of a rotation ends within a day */
	UD_REMIND_WEEK,   /* committed and unprotected for a week, or a week since it was asked */
	UD_REMINDER_COUNT
};

/* Ids of runs of which this is to be said now, a batch. Every tenant's. */
enum ud_code ud_reminders_due(struct ud_ctx *cx, enum ud_reminder what, struct ud_texts *ret)
	UD_USE;
/* It was said. */
enum ud_code ud_reminder_given(struct ud_ctx *cx, enum ud_reminder what, const char *failover_id)
	UD_USE;

/* A protected VM whose last failover of a kind (or its protection) is too long ago. */
struct ud_drill_due {
	const char *vm_id, *vm_name, *customer_id;
};
enum { UD_DRILLS_DUE = 200 };
/*
 * Those of which nobody was told since, by customer. Tests of VMs in a recovery plan with drills of
 * its own are the plan's. *ret holds UD_DRILLS_DUE.
 */
enum ud_code ud_drills_overdue(struct ud_ctx *cx, enum ud_failover_kind kind, int64_t days,
	struct ud_drill_due *ret, size_t *ret_count) UD_USE;
/* A ticket was opened for this VM. */
enum ud_code ud_drill_told(struct ud_ctx *cx, const struct ud_drill_due *due,
	enum ud_failover_kind kind, const char *ticket_id) UD_USE;
/* Tickets of VMs that are still overdue after so many days and were not escalated for it. */
enum ud_code ud_drills_late(
	struct ud_ctx *cx, enum ud_failover_kind kind, int64_t days, struct ud_texts *ret) UD_USE;
/* The ticket was escalated. */
enum ud_code ud_drill_escalated(struct ud_ctx *cx, const char *ticket_id) UD_USE;

#endif
