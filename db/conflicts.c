/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims and choices. Statements name the VM, which the caller has read with its scope.
 */
#include "db/conflicts.h"

/* clang-format off */
static const struct ud_field claim_fields[] = {
	UD_FIELD(ud_epoch_claim, host_id,    .about = "Host that claims the VM."),
	UD_FIELD(ud_epoch_claim, epoch,      .about = "Epoch that it claims it under."),
	UD_FIELD(ud_epoch_claim, claimed_at, .about = "When it did last."),
};
static const struct ud_field choice_fields[] = {
	UD_FIELD(ud_owner_choice, vm_id,     .flags = UD_SERVER, .refers = "vm", .about = "VM that two hosts claim."),
	UD_FIELD(ud_owner_choice, host_id,   .flags = UD_SERVER | UD_BRIEF, .about = "Host that is to have it."),
	UD_FIELD(ud_owner_choice, epoch,     .flags = UD_SERVER, .about = "Epoch of the VM during the conflict."),
	UD_FIELD(ud_owner_choice, statement, .flags = UD_SERVER | UD_BRIEF, .about = "Why, in that person's words."),
	UD_FIELD(ud_owner_choice, user_id,   .flags = UD_SERVER, .about = "Who."),
	UD_FIELD(ud_owner_choice, user_name, .flags = UD_SERVER | UD_BRIEF, .about = "Their name then."),
	UD_FIELD(ud_owner_choice, effective, .flags = UD_SERVER | UD_BRIEF, .about = "True: the second of two people, with whom it took effect."),
};
/* clang-format on */
const struct ud_shape ud_epoch_claim_shape = { UD_SHAPE(ud_epoch_claim, claim_fields),
	.bare = true };
static const struct ud_shape choice_shape = { .object = "owner_choice",
	.prefix = "och",
	.table = "owner_choices",
	UD_SHAPE(ud_owner_choice, choice_fields),
	.about = "Whom a person has chosen of two hosts that claim a VM." };
const struct ud_table ud_owner_choices = { .shape = &choice_shape };

enum ud_code ud_epoch_claim(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, int64_t epoch)
{
	/* every tenant: a host runs VMs of several */
	return ud_exec(cx, NULL,
		"INSERT INTO epoch_claims(vm_id, host_id, epoch, claimed_at, settled)"
		" VALUES ($1, $2, $3, $4, 0)"
		" ON CONFLICT (vm_id, host_id) DO UPDATE SET epoch = $3, claimed_at = $4, settled = 0",
		UD_VALS(ud_t(vm_id), ud_t(host_id), ud_i(epoch), ud_i(cx->now_ms)));
}

enum ud_code ud_epoch_claim_settled(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, int64_t epoch, bool *ret)
{
	int64_t one;

	/* every tenant: a host runs VMs of several */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM epoch_claims WHERE vm_id = $1 AND host_id = $2 AND epoch >= $3"
		" AND settled = 1",
		UD_VALS(ud_t(vm_id), ud_t(host_id), ud_i(epoch)));
}

enum ud_code ud_epoch_claims(struct ud_ctx *cx, const char *vm_id,
	struct ud_epoch_claim ret[UD_EPOCH_CLAIMS_MAX], size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret_n = 0;
	/* every tenant: the caller has read the VM with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT host_id, epoch, claimed_at FROM epoch_claims WHERE vm_id = $1"
		" AND settled = 0 ORDER BY host_id LIMIT 16",
		UD_VALS(ud_t(vm_id))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret[(*ret_n)++] = (struct ud_epoch_claim){ .host_id = ud_col_dup(cx, rows, 0),
			.epoch = ud_col_int(rows, 1),
			.claimed_at.ms = ud_col_int(rows, 2) };
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_owner_choices_count(struct ud_ctx *cx, const char *vm_id, int64_t epoch,
	const char *host_id, int64_t *ret_others, bool *ret_mine)
{
	int64_t one;
	bool found;

	/* every tenant: the caller has read the VM with its scope */
	UD_TRY(ud_query_int(cx, ret_mine, &one,
		"SELECT 1 FROM owner_choices WHERE vm_id = $1 AND epoch = $2 AND user_id = $3 LIMIT 1",
		UD_VALS(ud_t(vm_id), ud_i(epoch), ud_t(cx->scope->id))));
	return ud_query_int(cx, &found, ret_others,
		"SELECT COUNT(DISTINCT user_id) FROM owner_choices"
		" WHERE vm_id = $1 AND epoch = $2 AND host_id = $3 AND user_id <> $4",
		UD_VALS(ud_t(vm_id), ud_i(epoch), ud_t(host_id), ud_t(cx->scope->id)));
}

enum ud_code ud_owner_settle(
	struct ud_ctx *cx, const char *vm_id, const char *host_id, int64_t *epoch)
{
	bool found;

	/* every tenant: the caller has read the VM with its scope */
	UD_TRY(ud_exec(cx, NULL, "UPDATE epoch_claims SET settled = 1 WHERE vm_id = $1",
		UD_VALS(ud_t(vm_id))));
	/* every tenant: the caller has read the VM with its scope */
	return ud_query_int(cx, &found, epoch,
		"UPDATE vms SET epoch = $2 + epoch_skip, epoch_skip = 0, host_id = $3,"
		" lease_gate = 'open', version = version + 1, updated_at = $4 WHERE id = $1"
		" RETURNING epoch",
		UD_VALS(ud_t(vm_id), ud_i(*epoch), ud_t(host_id), ud_i(cx->now_ms)));
}
