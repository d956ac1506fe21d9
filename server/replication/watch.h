/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time does to replications: silence becomes "unknown", promises are broken, minutes go into
 * the ledger, words that did not arrive are said again. Rows of the table of ticks.
 */
#ifndef SERVER_REPLICATION_WATCH_H
#define SERVER_REPLICATION_WATCH_H

#include "db/commands.h"

/* The ledger is kept so long. */
enum { UD_LEDGER_DAYS = 35 };

/* Judge every relation anew; tell an end again what it has not heard. */
enum ud_code ud_replication_watch_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_replication_watch(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;
/* Write the minute that has ended, and forget the oldest. */
enum ud_code ud_replication_minute_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_replication_minute(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
