/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery points as agents tell them. A row lives as long as the point; what is merged or thrown
 * away is deleted, since a cycle of five seconds makes seventeen thousand a day.
 */
#ifndef DB_RECOVERY_POINTS_H
#define DB_RECOVERY_POINTS_H

#include "base/replication.h"
#include "db/rows.h"

enum ud_verified {
	UD_VERIFIED_NEVER,
	UD_VERIFIED_HASH_OK,
	UD_VERIFIED_BOOT_OK,
	UD_VERIFIED_SERVICE_OK
};
extern const struct ud_enum ud_verified_levels;

struct ud_recovery_point {
	struct ud_row row;
	const char *replication_id, *vm_id, *host_id; /* host: where it lies */
	int64_t number;
	struct ud_time taken_at;   /* by the source's clock */
	struct ud_time applied_at; /* when the server heard of it, minus nothing: for people */
	unsigned state;            /* enum ud_point_state */
	unsigned consistency, consistency_requested; /* enum ud_consistency */
	const char *consistency_reason;
	int64_t size_bytes;
	const char *parent_point_id;
	struct ud_json roots;
	int64_t epoch;
	bool pinned;
	const char *pin_note;
	unsigned verified; /* enum ud_verified */
	struct ud_time verified_at;
	const char *verified_text;
	struct ud_texts allowed_operations; /* computed */
	struct ud_json blocked_operations;
};
extern const struct ud_table ud_recovery_points;

/* A point by its id, or *ret_found false. */
enum ud_code ud_recovery_point_find(
	struct ud_ctx *cx, const char *id, bool *ret_found, struct ud_recovery_point *ret) UD_USE;
/* Delete a point of a relation; no matter when it is not there. */
enum ud_code ud_recovery_point_drop(struct ud_ctx *cx, const char *replication_id, const char *id)
	UD_USE;
/* Delete all points of a relation that were not made on this host. */
enum ud_code ud_recovery_points_drop_all(struct ud_ctx *cx, const char *replication_id) UD_USE;
/* The newest complete or verified point of a relation, by epoch and number: a host's clock may be
 * put back. *ret_id NULL = none. */
enum ud_code ud_recovery_point_newest(
	struct ud_ctx *cx, const char *replication_id, const char **ret_id) UD_USE;
/* The complete and verified points of a relation, newest first, at most UD_POINTS_USABLE. */
enum { UD_POINTS_USABLE = 300 };
enum ud_code ud_recovery_points_usable(struct ud_ctx *cx, const char *replication_id,
	struct ud_recovery_point **ret, size_t *ret_n) UD_USE;
/* Ids of the pinned points of a relation, at most 1000. */
enum ud_code ud_recovery_points_pinned(
	struct ud_ctx *cx, const char *replication_id, struct ud_texts *ret) UD_USE;

#endif
