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

#endif
