/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations: work that outlasts its request. Rows are claimed with a fence number, so of two
 * workers that believe to own one only the later can write.
 */
#ifndef DB_OPERATIONS_H
#define DB_OPERATIONS_H

#include "db/rows.h"

enum ud_operation_state {
	UD_OPERATION_QUEUED,
	UD_OPERATION_RUNNING,
	UD_OPERATION_WAITING,
	UD_OPERATION_SUCCEEDED,
	UD_OPERATION_FAILED,
	UD_OPERATION_CANCELED,
};
extern const struct ud_enum ud_operation_states;

struct ud_operation {
	struct ud_row row;
	const char *kind;
	unsigned state;
	int64_t progress_percent;
	struct ud_time eta;
	struct ud_json waiting_for, steps, resource, error;
	const char *requested_by;
	struct ud_json input, result;
	const char *owner;
	struct ud_time owned_until;
	int64_t fence;
	struct ud_time ended_at;
	struct ud_json output;              /* computed: what came out, for who may see it */
	struct ud_texts allowed_operations; /* computed */
};
extern const struct ud_table ud_operations;

/* True for succeeded, failed and canceled. */
bool ud_operation_ended(const struct ud_operation *op);

/* Is there anything to claim? A read: asking costs no commit. */
enum ud_code ud_operation_pending(struct ud_ctx *cx, bool *ret) UD_USE;
/* Claim the oldest operation of some kind that is queued, or whose worker's lease ran out.
 * *ret_found false = none. */
enum ud_code ud_operation_claim(struct ud_ctx *cx, const char *owner, int64_t lease_ms,
	bool *ret_found, struct ud_operation *ret) UD_USE;
/*
 * Store progress or an end where the fence is still op's: UD_E_STALE_VERSION when somebody else has
 * taken over, or the operation was canceled.
 */
enum ud_code ud_operation_store(struct ud_ctx *cx, const struct ud_operation *op, int64_t lease_ms)
	UD_USE;

#endif
