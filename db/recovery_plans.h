/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery plans: which VMs go together, and in which order they start. Every version stays as it
 * was, since runs name the one they were approved with.
 */
#ifndef DB_RECOVERY_PLANS_H
#define DB_RECOVERY_PLANS_H

#include "db/failovers.h"

struct ud_recovery_plan {
	struct ud_row row;
	const char *name, *note;
	struct ud_json members; /* list of ud_plan_member */
	bool allow_hard_stop;
	unsigned commit_policy; /* enum ud_commit_policy */
	int64_t commit_minutes;
	struct ud_json checks;
	unsigned point_policy; /* enum ud_point_policy */
	int64_t point_within_seconds;
	struct ud_json groups;       /* db/plan_groups.h; NULL = nothing is said of any */
	struct ud_json network_map;  /* list of ud_plan_network; NULL = the networks' own maps */
	int64_t drill_interval_days; /* UD_NONE = no drills are due */
	struct ud_time verified_at;
	int64_t verified_version;
	struct ud_texts stale_because; /* of ud_stale_reasons; stored: what was seen since */
	/* computed */
	const char *readiness; /* unverified, verified, stale */
	struct ud_time last_drill_at, next_drill_due_at;
};
extern const struct ud_table ud_recovery_plans;
/* Why a plan that was verified has to be looked at again. */
extern const struct ud_enum ud_stale_reasons;

/* One VM of a plan. Groups start in their order; inside a group a VM starts after those it names.
 */
struct ud_plan_member {
	const char *vm_id;
	int64_t group;
	struct ud_texts after; /* ids of other members */
};
extern const struct ud_shape ud_plan_member_shape;
enum { UD_PLAN_MEMBERS = 500 };

/*
 * The members with the wave in which each starts, 0, 1, …, sorted by it. UD_E_VALIDATION naming
 * members: twice the same VM, a name that is no member, an order that runs in a circle or against
 * the groups.
 */
struct ud_plan_order {
	const char **vm_ids;
	int64_t *waves, *groups;
	size_t count;
};
enum ud_code ud_plan_order(struct ud_ctx *cx, const char *members, struct ud_plan_order *ret)
	UD_USE;

/*
 * The groups of a plan whose members give this order, written out with their standards. Errors:
 * UD_E_VALIDATION naming groups (named twice, no such group) or what of it is wrong.
 */
enum ud_code ud_plan_groups_check(
	struct ud_ctx *cx, const struct ud_plan_order *order, struct ud_json *groups) UD_USE;
/* The groups as a run has them: every group of the order, with its waves. */
enum ud_code ud_plan_groups_of_run(
	struct ud_ctx *cx, const struct ud_plan_order *order, struct ud_json *groups) UD_USE;

/* Keep a version as it is. */
enum ud_code ud_plan_version_add(struct ud_ctx *cx, const struct ud_recovery_plan *p) UD_USE;
typedef enum ud_code ud_plan_version_visitor(struct ud_ctx *cx, void *data, int64_t version,
	int64_t at, const char *by, const char *document);
/* Visit the versions of a plan, newest first, at most 200. */
enum ud_code ud_plan_versions(
	struct ud_ctx *cx, const char *plan_id, ud_plan_version_visitor *visit, void *data) UD_USE;
/*
 * The document of a version; *ret_document NULL = there is none. Also the number of the newest
 * version before it, or 0. The caller has read the plan with its scope.
 */
enum ud_code ud_plan_version_get(struct ud_ctx *cx, const char *plan_id, int64_t version,
	const char **ret_document, int64_t *ret_before) UD_USE;
/*
 * A plan was verified: what it stood on (api/plan_facts.h); NULL = it is not verified any more. And
 * that again, *ret NULL = there is none. The caller has read the plan with its scope.
 */
enum ud_code ud_plan_verified(struct ud_ctx *cx, const char *plan_id, const char *facts) UD_USE;
enum ud_code ud_plan_verified_facts(struct ud_ctx *cx, const char *plan_id, const char **ret)
	UD_USE;
/* Ids of plans that count as verified and were not compared with that since an instant, those
 * longest ago first, a handful. It was compared: what differs. No new version: runs are approved
 * for one. */
enum ud_code ud_plans_to_compare(struct ud_ctx *cx, int64_t before_ms, struct ud_texts *ret) UD_USE;
enum ud_code ud_plan_compared(
	struct ud_ctx *cx, const char *plan_id, const struct ud_texts *differs) UD_USE;
/* When a test of the plan last passed; 0 = never. */
enum ud_code ud_plan_last_drill(struct ud_ctx *cx, const char *plan_id, int64_t *ret_ms) UD_USE;
/* Ids of plans that have drills and were not told of being overdue for a day, a batch. */
enum ud_code ud_plans_with_drills(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;
/* It was told that its drill is overdue. */
enum ud_code ud_plan_told(struct ud_ctx *cx, const char *plan_id) UD_USE;

#endif
