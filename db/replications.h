/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replications: what is wanted of a copy of a VM at another host, what each of its ends told last,
 * and the ledger of its recovery points' age. What follows from the ends (state, health) is judged
 * in server/replication and kept here, so that lists can be filtered by it.
 */
#ifndef DB_REPLICATIONS_H
#define DB_REPLICATIONS_H

#include "base/replication.h"
#include "db/rows.h"

/* As Hyper-V names them. */
enum ud_replication_health {
	UD_HEALTH_NOT_APPLICABLE,
	UD_HEALTH_NORMAL,
	UD_HEALTH_WARNING,
	UD_HEALTH_CRITICAL
};
extern const struct ud_enum ud_replication_healths;

struct ud_replication {
	struct ud_row row;
	const char *vm_id;
	unsigned leg;          /* enum ud_leg */
	const char *parent_id; /* of the extended leg: the first one */
	const char *policy_id; /* what it was made with */
	const char *source_host_id, *target_host_id;
	unsigned wanted; /* enum ud_relation_state */
	unsigned state;  /* enum ud_replication_state, judged */
	struct ud_time state_since;
	unsigned health;               /* enum ud_replication_health, judged */
	struct ud_json health_reasons; /* [{"code","text"}] */
	int64_t schedule_interval_seconds, rpo_target_seconds, rto_target_seconds;
	int64_t recovery_points_kept, app_consistent_every_hours;
	unsigned compression, authentication; /* of base/replication.h */
	int64_t rate_bytes_per_second;
	struct ud_json windows;
	struct ud_texts excluded_disk_ids;
	unsigned initial_method; /* enum ud_initial_method */
	struct ud_time initial_start_at;
	bool auto_resync;
	int64_t generation;             /* of what the ends are told */
	struct ud_json error;           /* {"code","detail"}: what is wrong now */
	struct ud_time seeded_at;       /* the first full copy was complete */
	struct ud_time rpo_breached_at; /* absent = the target is kept */
	struct ud_time health_since;
	struct ud_time window_started_at; /* of the health's figures */
	/* the source's counters when the window began */
	int64_t window_cycles_total, window_cycles_missed;
	const char *operation_id; /* that sets it up */
	struct ud_time removed_at, replica_kept_until;
	const char *deletion_agreed_by; /* who of the customer */
	struct ud_time deletion_agreed_at, replica_deleted_at;
	/* computed */
	int64_t rpo_measured_seconds; /* UD_NONE = unknown */
	int64_t rpo_at_most_seconds;  /* beside it when nobody has told lately */
	int64_t progress_percent, eta_seconds, pending_bytes, last_cycle_ms, average_latency_ms;
	int64_t cycles_total, cycles_missed, bytes_sent;
	struct ud_time observed_at;
	const char *raw;
	struct ud_texts allowed_operations;
	struct ud_json blocked_operations;
};
extern const struct ud_table ud_replications;

/* What one end told last. */
struct ud_replication_end {
	bool known; /* it has told something */
	const char *host_id;
	struct ud_time observed_at;        /* by the server's clock */
	struct ud_replication_report told; /* without points */
};
struct ud_replication_ends {
	struct ud_replication_end source, target;
};

/* What both ends told; those of other hosts than the relation's count as not known. The caller has
 * read the replication with its scope. */
enum ud_code ud_replication_ends(
	struct ud_ctx *cx, const struct ud_replication *r, struct ud_replication_ends *ret) UD_USE;
/* Keep what an end tells. */
enum ud_code ud_replication_told(
	struct ud_ctx *cx, const char *host_id, const struct ud_replication_report *report) UD_USE;
/* Forget what the ends told: their roles change. */
enum ud_code ud_replication_forget_ends(struct ud_ctx *cx, const char *replication_id) UD_USE;

/*
 * Store what was judged, without a new version: figures are not somebody's change. A change of
 * state or health comes with ud_row_update and an event instead.
 */
enum ud_code ud_replication_window(struct ud_ctx *cx, const struct ud_replication *r) UD_USE;

/* The live relation of a VM's leg. *ret_found false = none. */
enum ud_code ud_replication_of_vm(struct ud_ctx *cx, const char *vm_id, enum ud_leg leg,
	bool *ret_found, struct ud_replication *ret) UD_USE;
/* A replication by its id, or *ret_found false. */
enum ud_code ud_replication_find(
	struct ud_ctx *cx, const char *id, bool *ret_found, struct ud_replication *ret) UD_USE;

/* Visit the relations that are not removed, all of them, by id. */
enum ud_code ud_replications_live(struct ud_ctx *cx, ud_row_visitor *visit, void *data) UD_USE;
enum { UD_ASTRAY_MAX = 100 };
/*
 * Ids of relations that run against their VM's owner: it is the host that they copy to. Those that
 * a run is about, whose owner nobody knows for sure, or that have an extended leg are none of them.
 * Every tenant's, UD_ASTRAY_MAX at most.
 */
enum ud_code ud_replications_astray(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;

/* What replication changes of a VM: its part, its policy, and its first epoch, which never becomes
 * smaller. *ret_epoch = the epoch now. */
enum ud_code ud_vm_protect(struct ud_ctx *cx, const char *vm_id, const char *fencing_policy,
	int64_t *ret_epoch) UD_USE;
enum ud_code ud_vm_unprotect(struct ud_ctx *cx, const char *vm_id) UD_USE;
/* A VM's epoch and fencing policy. */
enum ud_code ud_vm_epoch(
	struct ud_ctx *cx, const char *vm_id, int64_t *ret_epoch, const char **ret_policy) UD_USE;

/* Keep where a host's agent takes replication (NULL = nowhere). *ret_changed: it is another. */
enum ud_code ud_host_listens(
	struct ud_ctx *cx, const char *host_id, const char *listen, bool *ret_changed) UD_USE;
/*
 * Where others reach a host's replication port: what people said, else what the agent told, with
 * the address that it was last seen at where it takes all. NULL = nowhere.
 */
enum ud_code ud_host_replication_address(struct ud_ctx *cx, const char *host_id, const char **ret)
	UD_USE;

/* ---- the ledger ---- */

/* Has this minute a row yet? A read. */
enum ud_code ud_minute_due(struct ud_ctx *cx, int64_t minute, bool *ret) UD_USE;
/* One row for each relation that has been seeded and is not removed. stale_ms: what an end told
 * longer ago is not known. */
enum ud_code ud_minute_add(struct ud_ctx *cx, int64_t minute, int64_t stale_ms) UD_USE;
/* Forget minutes before one. */
enum ud_code ud_minutes_expire(struct ud_ctx *cx, int64_t before_minute) UD_USE;

struct ud_minute {
	int64_t minute;                 /* since 1970 */
	int64_t age_ms, target_seconds; /* age UD_NONE = not known */
	unsigned state;                 /* enum ud_replication_state */
	int64_t cycles_total, cycles_missed, latency_ms, pending_bytes, bytes_sent;
};
typedef enum ud_code ud_minute_visitor(struct ud_ctx *cx, void *data, const struct ud_minute *m);
/* Visit a replication's minutes in [from, until), oldest first, at most limit. The caller has read
 * the replication with its scope. */
enum ud_code ud_minutes_visit(struct ud_ctx *cx, const char *replication_id, int64_t from,
	int64_t until, size_t limit, ud_minute_visitor *visit, void *data) UD_USE;

/* ---- figures for the metrics ---- */

/* Called for each state that some relation is in. */
typedef void ud_replication_counted(void *data, const char *state, int64_t n);
enum ud_code ud_replications_count(struct ud_ctx *cx, ud_replication_counted *counted, void *data,
	int64_t *ret_breached) UD_USE;
/* The largest age of a newest point among seeded relations as it is now; UD_NONE = there is none.
 */
enum ud_code ud_replications_worst(struct ud_ctx *cx, int64_t *ret_age_ms) UD_USE;

#endif
