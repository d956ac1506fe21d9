/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of recovery points, and what agents' reports and pins need of them.
 */
#include "db/recovery_points.h"

static const char *const verified_names[] = { "never", "hash_ok", "boot_ok", "service_ok" };
const struct ud_enum ud_verified_levels = { "verified", verified_names, UD_LEN(verified_names) };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_recovery_point, replication_id,        .flags = UD_SERVER | UD_FILTER, .refers = "rpl", .about = "Replication that made it."),
	UD_FIELD(ud_recovery_point, vm_id,                 .flags = UD_SERVER | UD_FILTER, .refers = "vm", .about = "VM it is a point of."),
	UD_FIELD(ud_recovery_point, host_id,               .flags = UD_SERVER, .about = "Host it lies on."),
	UD_FIELD(ud_recovery_point, number,                .flags = UD_SERVER | UD_BRIEF, .about = "Number, growing by one."),
	UD_FIELD(ud_recovery_point, taken_at,              .flags = UD_SERVER | UD_FILTER | UD_SORT | UD_BRIEF, .about = "When it was taken, by the source host's clock."),
	UD_FIELD(ud_recovery_point, applied_at,            .flags = UD_SERVER, .about = "When the server learned that the target has it."),
	UD_FIELD(ud_recovery_point, state,                 .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_point_states, .about = "Where it stands; a corrupt one can never be used."),
	UD_FIELD(ud_recovery_point, consistency,           .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_consistencies, .about = "What the guest finds in it: as after a crash, or applications at rest."),
	UD_FIELD(ud_recovery_point, consistency_requested, .flags = UD_SERVER, .values = &ud_consistencies, .about = "What it was to be."),
	UD_FIELD(ud_recovery_point, consistency_reason,    .flags = UD_SERVER, .about = "Why it is less than was asked for."),
	UD_FIELD(ud_recovery_point, size_bytes,            .flags = UD_SERVER | UD_BRIEF, .about = "Bytes that changed since the point before."),
	UD_FIELD(ud_recovery_point, parent_point_id,       .flags = UD_SERVER, .about = "The point before; null = it stands on the base."),
	UD_FIELD(ud_recovery_point, roots,                 .flags = UD_SERVER, .about = "Merkle root per disk: what its content is proved with."),
	UD_FIELD(ud_recovery_point, epoch,                 .flags = UD_SERVER, .about = "Fencing epoch it was made in."),
	UD_FIELD(ud_recovery_point, pinned,                .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .about = "Kept until somebody unpins it."),
	UD_FIELD(ud_recovery_point, pin_note,              .flags = UD_SERVER, .about = "Why it is pinned."),
	UD_FIELD(ud_recovery_point, verified,              .flags = UD_SERVER | UD_BRIEF, .values = &ud_verified_levels, .about = "How far it was proved."),
	UD_FIELD(ud_recovery_point, verified_at,           .flags = UD_SERVER, .about = "When it was proved last."),
	UD_FIELD(ud_recovery_point, verified_text,         .flags = UD_SERVER, .about = "What was found then."),
	UD_FIELD(ud_recovery_point, allowed_operations,    .flags = UD_COMPUTED, .about = "What the caller may do with it now."),
	UD_FIELD(ud_recovery_point, blocked_operations,    .flags = UD_COMPUTED, .about = "What not, why, and what would help."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "recovery_point",
	.prefix = "rpt",
	.table = "recovery_points",
	UD_SHAPE(ud_recovery_point, fields),
	.about = "An instant that a VM can be brought back to." };
const struct ud_table ud_recovery_points = { .shape = &shape };

struct found {
	bool found;
	struct ud_recovery_point *row;
};

static enum ud_code take(struct ud_ctx *cx, void *data, const void *row)
{
	struct found *f = data;

	(void)cx;
	f->found = true;
	*f->row = *(const struct ud_recovery_point *)row;
	return UD_OK;
}

enum ud_code ud_recovery_point_find(
	struct ud_ctx *cx, const char *id, bool *ret_found, struct ud_recovery_point *ret)
{
	struct found f = { .row = ret };
	struct ud_list list = { .limit = 1 };
	bool more;

	ud_list_where(&list, "id", UD_OP_EQ, ud_t(id));
	UD_TRY(ud_row_list(cx, &ud_recovery_points, &list, take, &f, &more));
	*ret_found = f.found;
	return UD_OK;
}

enum ud_code ud_recovery_point_drop(struct ud_ctx *cx, const char *replication_id, const char *id)
{
	/* every tenant: a host holds points of several; the relation is the host's own */
	return ud_exec(cx, NULL,
		"DELETE FROM recovery_points WHERE id = $1 AND replication_id = $2",
		UD_VALS(ud_t(id), ud_t(replication_id)));
}

enum ud_code ud_recovery_points_drop_all(struct ud_ctx *cx, const char *replication_id)
{
	/* every tenant: the caller has read the replication with its scope */
	return ud_exec(cx, NULL, "DELETE FROM recovery_points WHERE replication_id = $1",
		UD_VALS(ud_t(replication_id)));
}

enum ud_code ud_recovery_point_newest(
	struct ud_ctx *cx, const char *replication_id, const char **ret_id)
{
	bool found = false;

	*ret_id = NULL;
	/* every tenant: the caller has read the replication with its scope */
	return ud_query_text(cx, &found, ret_id,
		"SELECT id FROM recovery_points"
		" WHERE replication_id = $1 AND state IN ('complete', 'verified')"
		" ORDER BY epoch DESC, number DESC, taken_at DESC LIMIT 1",
		UD_VALS(ud_t(replication_id)));
}

enum ud_code ud_recovery_points_usable(struct ud_ctx *cx, const char *replication_id,
	struct ud_recovery_point **ret, size_t *ret_n)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = ud_alloc(cx->arena, UD_POINTS_USABLE * sizeof(**ret));
	*ret_n = 0;
	/* every tenant: the caller has read the replication with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT id, taken_at, consistency FROM recovery_points"
		" WHERE replication_id = $1 AND state IN ('complete', 'verified')"
		" ORDER BY epoch DESC, number DESC, taken_at DESC LIMIT 300",
		UD_VALS(ud_t(replication_id))));
	UD_TRY(ud_next(cx, rows, &more));
	for (; more && *ret_n < UD_POINTS_USABLE; (*ret_n)++) {
		int consistency = ud_enum_index(&ud_consistencies, ud_col_text(rows, 2));
		struct ud_recovery_point *p = &(*ret)[*ret_n];

		p->row.id = ud_col_dup(cx, rows, 0);
		p->taken_at.ms = ud_col_int(rows, 1);
		p->consistency = consistency < 0 ? UD_CONSISTENCY_CRASH : (unsigned)consistency;
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum { PINNED_MAX = 1000 };

enum ud_code ud_recovery_points_pinned(
	struct ud_ctx *cx, const char *replication_id, struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = (struct ud_texts){ ud_alloc(cx->arena, PINNED_MAX * sizeof(char *)), 0 };
	/* every tenant: the caller has read the replication with its scope */
	UD_TRY(ud_query(cx, &rows,
		"SELECT id FROM recovery_points WHERE replication_id = $1 AND pinned = 1"
		" ORDER BY id LIMIT $2",
		UD_VALS(ud_t(replication_id), ud_i(PINNED_MAX))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}
