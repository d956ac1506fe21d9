/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints of VMs, as hosts told of them last. The hypervisor has them; these rows are what the
 * API shows.
 */
#ifndef DB_CHECKPOINTS_H
#define DB_CHECKPOINTS_H

#include "base/verbs.h"
#include "db/rows.h"

struct ud_checkpoint {
	struct ud_row row;
	const char *vm_id, *name;
	unsigned kind; /* enum ud_checkpoint_kind */
	const char *consistency, *reason;
	struct ud_time taken_at;
};
extern const struct ud_table ud_checkpoints;

/* The checkpoint of a VM with this name; *ret_found false = none. */
enum ud_code ud_checkpoint_named(struct ud_ctx *cx, const char *vm_id, const char *name,
	bool *ret_found, struct ud_checkpoint *ret) UD_USE;
/* Names that are known of a VM. */
enum ud_code ud_checkpoint_names(struct ud_ctx *cx, const char *vm_id, struct ud_texts *ret) UD_USE;

#endif
