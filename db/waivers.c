/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of waivers, and what stands of them.
 */
#include "db/waivers.h"

#include "db/approvals.h"

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_waiver, ticket_id,   .flags = UD_SERVER, .refers = "tkt", .about = "Ticket of the failover."),
	UD_FIELD(ud_waiver, vm_id,       .flags = UD_SERVER | UD_BRIEF, .refers = "vm", .about = "VM that stays unprotected."),
	UD_FIELD(ud_waiver, statement,   .flags = UD_SERVER | UD_BRIEF, .about = "Why that is accepted, in the words of that person."),
	UD_FIELD(ud_waiver, side,        .flags = UD_SERVER | UD_BRIEF, .values = &ud_sides, .about = "For whom."),
	UD_FIELD(ud_waiver, user_id,     .flags = UD_SERVER, .about = "By whom."),
	UD_FIELD(ud_waiver, user_name,   .flags = UD_SERVER | UD_BRIEF, .about = "Name of that person at that time."),
	UD_FIELD(ud_waiver, expires_at,  .flags = UD_SERVER | UD_BRIEF, .about = "Until when that person accepts it."),
	UD_FIELD(ud_waiver, effective,   .flags = UD_SERVER | UD_BRIEF, .about = "True when it was the second signature, that of the other side: from then on the waiver holds."),
	UD_FIELD(ud_waiver, holds_until, .flags = UD_SERVER | UD_BRIEF, .about = "Of the second signature: the earlier of the two dates; then the ticket opens again."),
	UD_FIELD(ud_waiver, ended_at,    .flags = UD_SERVER, .about = "Of the second signature: when its end was noted."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "waiver",
	.prefix = "wvr",
	.table = "waivers",
	UD_SHAPE(ud_waiver, fields),
	.about = "The signature of a person that a VM stays unprotected for a time." };
const struct ud_table ud_waiver_table = { .shape = &shape };

/* every tenant: the caller has read the ticket with its own scope */
enum ud_code ud_waiver_standing(
	struct ud_ctx *cx, const char *ticket_id, const char *vm_id, struct ud_waiver_standing *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool found = false;

	*ret = (struct ud_waiver_standing){ 0 };
	UD_TRY(ud_query_int(cx, &found, &ret->holds_until,
		"SELECT COALESCE(MAX(holds_until), 0) FROM waivers WHERE ticket_id = $1 AND vm_id = $2"
		" AND holds_until > $3",
		UD_VALS(ud_t(ticket_id), ud_t(vm_id), ud_i(cx->now_ms))));
	UD_TRY(ud_query(cx, &rows,
		"SELECT id, side, expires_at FROM waivers WHERE ticket_id = $1 AND vm_id = $2"
		" AND paired = 0 AND effective = 0 ORDER BY id DESC LIMIT 1",
		UD_VALS(ud_t(ticket_id), ud_t(vm_id))));
	UD_TRY(ud_next(cx, rows, &found));
	if (!found)
		return UD_OK;
	ret->waiting_id = ud_col_dup(cx, rows, 0);
	ret->waiting_side = (unsigned)ud_enum_index(&ud_sides, ud_col_text(rows, 1));
	ret->waiting_until = ud_col_int(rows, 2);
	return UD_OK;
}

/* every tenant: as above */
enum ud_code ud_waiver_paired(struct ud_ctx *cx, const char *id)
{
	return ud_exec(cx, NULL, "UPDATE waivers SET paired = 1 WHERE id = $1", UD_VALS(ud_t(id)));
}

enum { BATCH = 100 };

enum ud_code ud_waivers_over(struct ud_ctx *cx, struct ud_texts *ret)
{
	/* every tenant: the clock is the same for all */
	return ud_query_texts(cx, BATCH, ret,
		"SELECT id FROM waivers WHERE holds_until <= $1 AND ended_at IS NULL"
		" ORDER BY id LIMIT 100",
		UD_VALS(ud_i(cx->now_ms)));
}
