/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the table of ticks (work.c): what failovers and protected VMs are reminded of.
 */
#ifndef API_REMINDERS_H
#define API_REMINDERS_H

#include "db/commands.h"

/* Windows that are over, rotations that return, and the weekly question of what is unprotected. */
enum ud_code ud_reminders_any(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_reminders_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

/* VMs whose test (31 days, escalated after 45) or planned failover (182 days) is overdue: a ticket
 * for each customer. */
enum ud_code ud_cadences_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_cadences_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
