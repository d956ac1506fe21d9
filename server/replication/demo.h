/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A demo's hosts have no agents: what those would tell is made up here, so that its pictures move.
 * A row of the table of ticks; it finds nothing to do where no demo was loaded.
 */
#ifndef SERVER_REPLICATION_DEMO_H
#define SERVER_REPLICATION_DEMO_H

#include "db/commands.h"

/* Was a demo loaded? A read. */
enum ud_code ud_demo_due(struct ud_ctx *cx, bool *ret) UD_USE;
/* Let its figures go on to cx->now_ms. */
enum ud_code ud_demo_move(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
