/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what agents tell to what the API shows: records of VMs appear, follow what is observed, and
 * become unknown when nobody tells any more. Silence of a host changes what is shown and nothing
 * else.
 */
#ifndef SERVER_AGENTS_INVENTORY_H
#define SERVER_AGENTS_INVENTORY_H

#include "server/jobs/ticks.h"

/* A host that was silent for so long is unreachable. */
enum { UD_SILENT_MS = 3 * UD_HEARTBEAT_SECONDS * 1000 };

/* Rows for the table of ticks: hosts that fell silent, and figures older than a day. */
enum ud_code ud_hosts_silent(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_hosts_mark_silent(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;
enum ud_code ud_samples_old(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_samples_forget(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
