/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What time brings to recovery plans.
 */
#ifndef API_RECOVERY_PLANS_H
#define API_RECOVERY_PLANS_H

#include "db/commands.h"
#include "db/recovery_plans.h"

/* A tick: drills that are overdue open a ticket. */
enum ud_code ud_drills_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_drills_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

/* A tick: verified plans that stand on something else now become stale; each is looked at every ten
 * minutes. */
enum ud_code ud_plans_stale_due(struct ud_ctx *cx, bool *ret) UD_USE;
enum ud_code ud_plans_stale_apply(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;

#endif
