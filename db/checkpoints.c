/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of checkpoints.
 */
#include "db/checkpoints.h"

enum { NAMES_MAX = 1000 };

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_checkpoint, vm_id,       .flags = UD_SERVER | UD_BRIEF, .refers = "vm", .about = "VM that it is of."),
	UD_FIELD(ud_checkpoint, name,        .flags = UD_SERVER | UD_BRIEF, .about = "Its name at the hypervisor."),
	UD_FIELD(ud_checkpoint, kind,        .flags = UD_SERVER | UD_BRIEF, .values = &ud_checkpoint_kinds, .about = "Disks of a frozen guest, or memory too."),
	UD_FIELD(ud_checkpoint, consistency, .flags = UD_SERVER | UD_BRIEF, .about = "What it got: crash or application."),
	UD_FIELD(ud_checkpoint, reason,      .flags = UD_SERVER, .about = "Why that is less than was asked for."),
	UD_FIELD(ud_checkpoint, taken_at,    .flags = UD_SERVER | UD_BRIEF, .about = "When the hypervisor took it."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "checkpoint",
	.prefix = "cpt",
	.table = "checkpoints",
	UD_SHAPE(ud_checkpoint, fields),
	.about = "A state that a VM can be put back to." };
const struct ud_table ud_checkpoints = { .shape = &shape };

enum ud_code ud_checkpoint_named(struct ud_ctx *cx, const char *vm_id, const char *name,
	bool *ret_found, struct ud_checkpoint *ret)
{
	const char *id = NULL;

	/* every tenant: the caller has read the VM, or speaks for its host */
	UD_TRY(ud_query_text(cx, ret_found, &id,
		"SELECT id FROM checkpoints WHERE vm_id = $1 AND name = $2",
		UD_VALS(ud_t(vm_id), ud_t(name))));
	return *ret_found ? ud_row_get(cx, &ud_checkpoints, id, ret) : UD_OK;
}

enum ud_code ud_checkpoint_names(struct ud_ctx *cx, const char *vm_id, struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	*ret = (struct ud_texts){ ud_alloc(cx->arena, NAMES_MAX * sizeof(char *)), 0 };
	/* every tenant: the caller speaks for the VM's host */
	UD_TRY(ud_query(cx, &rows, "SELECT name FROM checkpoints WHERE vm_id = $1 LIMIT $2",
		UD_VALS(ud_t(vm_id), ud_i(NAMES_MAX))));
	UD_TRY(ud_next(cx, rows, &more));
	while (more) {
		ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}
