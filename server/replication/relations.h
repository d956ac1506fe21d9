/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Telling hosts what a replication is to be: the relation of each end as a command, and operations
 * that follow setting up, resynchronising and removing one to their end. All functions write rows
 * alone and belong into the caller's transaction on the writer; they look at hosts and agents of
 * every tenant, the caller has read the replication with its own scope.
 */
#ifndef SERVER_REPLICATION_RELATIONS_H
#define SERVER_REPLICATION_RELATIONS_H

#include "db/commands.h"
#include "db/recovery_points.h"
#include "db/replications.h"

/* Time for a host to fetch a command, and to do it. */
enum { UD_RELATION_WAIT_SECONDS = 300, UD_RELATION_TIMEOUT_SECONDS = 300 };
/* A removed replica's disks are kept so long at least. */
enum { UD_REPLICA_KEPT_DAYS = 14 };

/* The relation as one end is told of it. */
enum ud_code ud_relation_of(struct ud_ctx *cx, const struct ud_replication *r,
	enum ud_relation_role role, struct ud_relation *ret) UD_USE;
/* Send relation_set to one end. */
enum ud_code ud_relation_send(struct ud_ctx *cx, const struct ud_commanding *c,
	const struct ud_replication *r, enum ud_relation_role role) UD_USE;
/* Send relation_set to both ends: something was changed, generation has grown. */
enum ud_code ud_relation_send_both(
	struct ud_ctx *cx, const struct ud_commanding *c, const struct ud_replication *r) UD_USE;
/* Send another verb about a relation to one end: its arguments as a row of a shape; operation_id
 * may be NULL. */
enum ud_code ud_relation_command(struct ud_ctx *cx, const struct ud_commanding *c,
	const struct ud_replication *r, enum ud_relation_role role, const char *verb,
	const struct ud_shape *shape, const void *args, const char *operation_id) UD_USE;

/* Work on a replication that its operation follows. */
enum ud_replication_work {
	UD_WORK_SETUP,  /* configure_target, configure_source, initial_copy */
	UD_WORK_RESYNC, /* ask_source, copy */
	UD_WORK_REMOVE, /* remove_source, remove_target; goes on without a host that is silent */
	UD_WORK_DELETE  /* delete_replica: of one that is removed */
};

/*
 * Begin work: makes its operation (running, asked for by cx->scope), sends the first command, and
 * keeps the operation's id in *r, which the caller stores. UD_E_INVALID_STATE when other work goes
 * on.
 */
enum ud_code ud_replication_begin(struct ud_ctx *cx, const struct ud_commanding *c,
	struct ud_replication *r, enum ud_replication_work work,
	const struct ud_relation_resync *resync, struct ud_operation *ret) UD_USE;
/* Is the operation of a replication under way? */
enum ud_code ud_replication_working(struct ud_ctx *cx, const struct ud_replication *r, bool *ret)
	UD_USE;
/* Is there no operation of it under way, nor one that ended less than so long ago? */
enum ud_code ud_replication_rested(
	struct ud_ctx *cx, const struct ud_replication *r, int64_t ms, bool *ret) UD_USE;
/* The ends have told something new: moves the operation on. */
enum ud_code ud_replication_followed(struct ud_ctx *cx, const struct ud_replication *r) UD_USE;

/* Reactions to the ends of relation_set and relation_resync. */
enum ud_code ud_relation_set_ended(struct ud_ctx *cx, const struct ud_command_ended *c) UD_USE;
enum ud_code ud_relation_resync_ended(struct ud_ctx *cx, const struct ud_command_ended *c) UD_USE;
/* Reaction to the end of relation_drop. */
enum ud_code ud_relation_drop_ended(struct ud_ctx *cx, const struct ud_command_ended *c) UD_USE;
/* Reaction to the end of relation_test: its operation tells what was found. */
enum ud_code ud_relation_test_ended(struct ud_ctx *cx, const struct ud_command_ended *c) UD_USE;
/* Reaction to the end of point_verify: the point's row learns what was found. */
enum ud_code ud_point_verify_ended(struct ud_ctx *cx, const struct ud_command_ended *c) UD_USE;
/* A guest that was started from a point was found to run so well; id NULL, or a point that is gone:
 * nothing. A lower level than is known changes nothing. */
enum ud_code ud_point_ran(struct ud_ctx *cx, const char *id, enum ud_verified level) UD_USE;

/*
 * Swap the ends of a replication whose VM now runs at its target, and tell both: what was the
 * target is the source from now on, and only what changed since is copied back. For the workflow of
 * failovers; an extended leg must have been dealt with. *r becomes the stored row.
 */
enum ud_code ud_replication_reverse(
	struct ud_ctx *cx, const struct ud_commanding *c, struct ud_replication *r) UD_USE;

#endif
