/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waivers of protection: both sides sign that a VM stays unprotected until a date, and the ticket
 * may be solved; on that date it opens again.
 */
#ifndef API_WAIVERS_H
#define API_WAIVERS_H

#include "api/tickets.h"
#include "db/commands.h"

/* A guard of ticket_moves.c. */
ud_ticket_guard ud_may_waive;

/* A tick: waivers whose time is up open their tickets again. */
enum ud_code ud_waivers_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_waivers_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
