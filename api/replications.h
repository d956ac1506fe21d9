/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the rulebook that deal with replications share: who may do what in which state,
 * said once and asked for by listings and calls alike.
 */
#ifndef API_REPLICATIONS_H
#define API_REPLICATIONS_H

#include "api/api.h"
#include "db/replications.h"

enum ud_replication_op {
	UD_RPL_SEED,
	UD_RPL_PAUSE,
	UD_RPL_RESUME,
	UD_RPL_RESYNC,
	UD_RPL_TEST_CONNECTION,
	UD_RPL_EXTEND,
	UD_RPL_REVERSE,
	UD_RPL_REMOVE,
	UD_RPL_EDIT,
	UD_RPL_RESET_HEALTH,
	UD_RPL_AGREE,
	UD_RPL_DELETE_REPLICA,
	UD_RPL_OP_COUNT
};

/* Who may: the same sets stand in the routes, and a test compares them. */
enum {
	UD_RPL_CUSTOMERS = UD_STAFF_WRITE | UD_CUSTOMER_WRITE, /* with the add-on */
	UD_RPL_SUPPORT = UD_STAFF_WRITE,
	UD_RPL_APPROVERS = UD_R(CUSTOMER_APPROVER) | UD_R(CUSTOMER_ADMIN),
	UD_RPL_ENGINEERS = UD_OPERATOR | UD_R(SUPPORT_ENGINEER) | UD_R(SUPPORT_LEAD),
};

/* One row of the table of operations. */
struct ud_replication_rule {
	const char *name; /* as in allowed_operations, and after "replications." in its route */
	uint32_t roles;   /* of UD_RPL_… */
	uint32_t states;  /* 1 << enum ud_replication_state: where it may begin */
	bool seeded;      /* only after the first full copy */
	uint32_t wanted;  /* 1 << enum ud_relation_state that it may be in */
	const char *unblock, *who; /* what would make it possible, and who does that */
};
extern const struct ud_replication_rule ud_replication_rules[UD_RPL_OP_COUNT];

/*
 * May cx->scope do this with a replication as it is now? UD_OK, or UD_E_ROLE_MISSING,
 * UD_E_INVALID_STATE, UD_E_IN_USE, UD_E_NOT_ENTITLED with the sentence. The row must have been
 * completed (ud_replication_complete).
 */
enum ud_code ud_replication_may(
	struct ud_ctx *cx, const struct ud_replication *r, enum ud_replication_op op) UD_USE;
/* Judge a row as of now and fill its computed members. */
enum ud_code ud_replication_complete(struct ud_ctx *cx, void *row) UD_USE;
/* Read a replication with cx->scope for an operation, check the version when it was sent and
 * whether the operation may be: *ret_old as stored, *ret completed. */
enum ud_code ud_replication_open(struct ud_ctx *cx, struct ud_request *rq,
	enum ud_replication_op op, struct ud_replication *ret_old, struct ud_replication *ret)
	UD_USE;
/* Answer 202 with an operation that was just made. */
enum ud_code ud_replication_accepted(
	struct ud_ctx *cx, struct ud_request *rq, struct ud_operation *op) UD_USE;

/* How a VM is protected, for its own page: a JSON object, or NULL when it is not. The caller has
 * read the VM with its scope. */
enum ud_code ud_replication_summary(struct ud_ctx *cx, const char *vm_id, struct ud_json *ret)
	UD_USE;
/* Append the figures of all replications in Prometheus' text format. Nothing in them says whose
 * they are. */
enum ud_code ud_replications_metrics(struct ud_ctx *cx, struct ud_buf *out) UD_USE;

ud_handler ud_replications_create, ud_replications_extend;
extern const struct ud_shape ud_replication_new_shape, ud_replication_extend_shape;

#endif
