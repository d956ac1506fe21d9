/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of operations, claims and results.
 */
#include "db/operations.h"

static const char *const state_names[] = { "queued", "running", "waiting", "succeeded", "failed",
	"canceled" };
const struct ud_enum ud_operation_states = { "operation_state", state_names, UD_LEN(state_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_operation, kind,               .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .about = "What is being done."),
	UD_FIELD(ud_operation, state,              .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_operation_states, .about = "Where it stands."),
	UD_FIELD(ud_operation, progress_percent,   .flags = UD_SERVER | UD_BRIEF, .max = 100, .about = "How much is done."),
	UD_FIELD(ud_operation, eta,                .flags = UD_SERVER, .about = "When it should be done."),
	UD_FIELD(ud_operation, waiting_for,        .flags = UD_SERVER, .about = "Who must do what before it goes on."),
	UD_FIELD(ud_operation, steps,              .flags = UD_SERVER, .about = "Its steps, each with name, state, started_at and ended_at."),
	UD_FIELD(ud_operation, resource,           .flags = UD_SERVER, .about = "What it works on: object and id."),
	UD_FIELD(ud_operation, error,              .flags = UD_SERVER, .about = "The problem it failed with."),
	UD_FIELD(ud_operation, requested_by,       .flags = UD_SERVER, .about = "Who asked for it."),
	UD_FIELD(ud_operation, input,              .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_operation, result,             .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_operation, owner,              .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_operation, owned_until,        .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_operation, fence,              .flags = UD_SECRET | UD_SERVER),
	UD_FIELD(ud_operation, ended_at,           .flags = UD_SERVER | UD_BRIEF, .about = "When it ended."),
	UD_FIELD(ud_operation, output,             .flags = UD_COMPUTED, .about = "What came out of it; shown with the operation alone, not in lists."),
	UD_FIELD(ud_operation, allowed_operations, .flags = UD_COMPUTED, .about = "What may be done with it now."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "operation",
	.prefix = "op",
	.table = "operations",
	UD_SHAPE(ud_operation, fields),
	.about = "Work that outlasts its request." };
const struct ud_table ud_operations = { .shape = &shape };

bool ud_operation_ended(const struct ud_operation *op)
{
	return op->state >= UD_OPERATION_SUCCEEDED;
}

enum ud_code ud_operation_pending(struct ud_ctx *cx, bool *ret)
{
	int64_t one;

	/* every tenant: workers serve all */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM operations WHERE state = 'queued' OR (state = 'running' AND owned_until < $1) LIMIT 1",
		UD_VALS(ud_i(cx->now_ms)));
}

enum ud_code ud_operation_claim(struct ud_ctx *cx, const char *owner, int64_t lease_ms,
	bool *ret_found, struct ud_operation *ret)
{
	const char *id = NULL;

	/* every tenant: workers serve all */
	UD_TRY(ud_query_text(cx, ret_found, &id,
		"UPDATE operations SET state = 'running', owner = $1, owned_until = $3, fence = fence + 1,"
		" version = version + 1, updated_at = $2"
		" WHERE id = (SELECT id FROM operations WHERE state = 'queued' OR (state = 'running' AND owned_until < $2)"
		" ORDER BY id LIMIT 1) AND (state = 'queued' OR owned_until < $2) RETURNING id",
		UD_VALS(ud_t(owner), ud_i(cx->now_ms), ud_i(cx->now_ms + lease_ms))));
	return *ret_found ? ud_row_get(cx, &ud_operations, id, ret) : UD_OK;
}

enum ud_code ud_operation_store(struct ud_ctx *cx, const struct ud_operation *op, int64_t lease_ms)
{
	int64_t changes = 0;

	/* every tenant: workers serve all; the fence says whose turn it is */
	UD_TRY(ud_exec(cx, &changes,
		"UPDATE operations SET state = $3, progress_percent = $4, steps = $5, error = $6, result = $7, ended_at = $8,"
		" owned_until = $9, version = version + 1, updated_at = $10"
		" WHERE id = $1 AND fence = $2 AND state = 'running'",
		UD_VALS(ud_t(op->row.id), ud_i(op->fence), ud_t(state_names[op->state]),
			ud_i(op->progress_percent), ud_t(op->steps.text), ud_t(op->error.text),
			ud_t(op->result.text), ud_i(op->ended_at.ms), ud_i(cx->now_ms + lease_ms),
			ud_i(cx->now_ms))));
	return changes == 1 ? UD_OK
			    : ud_fail(cx, UD_E_STALE_VERSION, NULL,
				      "somebody else has operation %s", op->row.id);
}
