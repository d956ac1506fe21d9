/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A relation runs from its VM's owner to the other host. Where people have moved the owner without
 * a run, by break-glass or by choosing one of two that claimed the VM, the relation follows: the
 * host that was the source is demoted, its disks are kept, and then the relation is turned round.
 */
#ifndef SERVER_REPLICATION_OWNER_H
#define SERVER_REPLICATION_OWNER_H

#include "db/commands.h"

/* The orders that stand until a host is there, for as long as anybody may wait. */
enum { UD_STANDING_SECONDS = 10 * 365 * 86400 };

/* Rows of the table of ticks. */
enum ud_code ud_replication_astray_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_replication_follow(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
