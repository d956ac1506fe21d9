/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Demo data in a database: what marks it, and the few statements that make much of it at once.
 * Every row of a demo carries the label demo. For server/admin (which loads it) and
 * server/replication (which keeps it moving); nothing of it is done to any other row.
 */
#ifndef DB_DEMO_H
#define DB_DEMO_H

#include "db/rows.h"

/* The labels of a demo's rows. */
#define UD_DEMO_LABELS "{\"demo\":\"true\"}"

/* Was the installation made for a demo? */
enum ud_code ud_demo_installation(struct ud_ctx *cx, bool *ret) UD_USE;
/* Was demo data loaded? */
enum ud_code ud_demo_loaded(struct ud_ctx *cx, bool *ret) UD_USE;
/* Remember the seed it was made from. UD_E_ALREADY_EXISTS when there is some. */
enum ud_code ud_demo_keep_seed(struct ud_ctx *cx, int64_t seed) UD_USE;
/* How many customers are not a demo's? */
enum ud_code ud_demo_others(struct ud_ctx *cx, int64_t *ret) UD_USE;

/* Minutes of a replication's ledger: what each was like follows from its number. */
struct ud_demo_ledger {
	const char *replication_id, *customer_id;
	int64_t from, until; /* minutes since 1970 */
	int64_t interval_seconds, target_seconds;
	int64_t broken_from, broken_until; /* the copies stood still meanwhile; 0 and 0 = never */
};
enum ud_code ud_demo_minutes(struct ud_ctx *cx, const struct ud_demo_ledger *l) UD_USE;

/* The people of a demo have seen what they were told before this instant. */
enum ud_code ud_demo_see(struct ud_ctx *cx, int64_t before_ms) UD_USE;

/* What the agents of a demo would tell now: signs of life, figures of VMs (of the last hour, when
 * there are none yet) and of copies that run, silence of those that do not. */
enum ud_code ud_demo_beat(struct ud_ctx *cx) UD_USE;
/* A copy of a demo whose newest point is older than an hour. */
struct ud_demo_stale {
	const char *replication_id, *customer_id, *vm_id, *host_id, *newest_id;
	int64_t number, epoch, kept;
};
/* Them, at most max. */
enum ud_code ud_demo_stale(struct ud_ctx *cx, size_t max, struct ud_demo_stale *ret, size_t *ret_n)
	UD_USE;
/* Forget a copy's points up to a number. */
enum ud_code ud_demo_drop_points(
	struct ud_ctx *cx, const char *replication_id, int64_t up_to_number) UD_USE;

#endif
