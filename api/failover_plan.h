/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dry run of a failover: which VMs go where, what stands in the way, and what it will cost.
 * What comes out is the plan that people approve by its hash, and that the run is begun from.
 */
#ifndef API_FAILOVER_PLAN_H
#define API_FAILOVER_PLAN_H

#include "api/failovers.h"
#include "db/recovery_plans.h"
#include "server/workflow/workflow.h"

/* One VM of a plan, as it is approved. */
struct ud_plan_vm {
	const char *vm_id, *name, *replication_id, *source_host_id, *target_host_id;
	unsigned leg; /* enum ud_leg */
	const char *fencing_policy;
	int64_t boot_group, epoch;
};
extern const struct ud_shape ud_plan_vm_shape;

/* Take a recovery plan into a request: its VMs in their order, and what it says where the request
 * says nothing. */
enum ud_code ud_failover_of_plan(
	struct ud_ctx *cx, const struct ud_recovery_plan *p, struct ud_failover *f) UD_USE;
/* Plan anew: fills the plan, its hash, blockers and predictions of *f, whose request members are
 * set. *ret_blocked: one of the blockers is no warning. */
enum ud_code ud_failover_dry_run(struct ud_ctx *cx, struct ud_failover *f, bool *ret_blocked)
	UD_USE;
/* The members of a plan, for the engine. */
enum ud_code ud_failover_members(struct ud_ctx *cx, const struct ud_failover *f,
	struct ud_flow_member **ret, size_t *ret_n) UD_USE;

#endif
