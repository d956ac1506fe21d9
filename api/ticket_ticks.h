/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows of the table of ticks (work.c) that are about tickets: pairs of "is anything due" and "do
 * it".
 */
#ifndef API_TICKET_TICKS_H
#define API_TICKET_TICKS_H

#include "server/jobs/ticks.h"

/* A clock ran out: the breach is noted once and the ticket escalated. */
enum ud_code ud_ticket_clocks_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_ticket_clocks_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;
/* What was laid aside until now. */
enum ud_code ud_ticket_snooze_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_ticket_snooze_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;
/* What was solved seven days ago closes. */
enum ud_code ud_ticket_grace_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_ticket_grace_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;
/* Notifications that were seen and are older than 90 days. */
enum ud_code ud_notifications_forget_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_notifications_forget_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;
/* Approvals that waited for others too long. */
enum ud_code ud_approvals_expiry_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_approvals_expiry_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
