/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the agent must not forget: per VM its epoch, role and hold; per command its number, what was
 * intended and how it ended. SQLite with an fsync per write, one file, one process. Beside db/ the
 * one place with SQL. Any thread; calls wait for each other.
 */
#ifndef AGENT_JOURNAL_H
#define AGENT_JOURNAL_H

#include "base/lease.h"
#include "base/wire.h"
#include "db/engine/engine.h"

typedef struct ud_journal ud_journal;

/* Open or make the journal. UD_E_UNAVAILABLE with the reason. */
enum ud_code ud_journal_open(struct ud_ctx *cx, const char *path, ud_journal **ret) UD_USE;
void ud_journal_release(ud_journal **journal);

/* Part this host plays for a VM. */
enum ud_vm_role {
	UD_VM_ROLE_FREE,      /* not protected: runs wherever it is told to */
	UD_VM_ROLE_PRIMARY,   /* may run here under the epoch */
	UD_VM_ROLE_REPLICA,   /* must not run here */
	UD_VM_ROLE_DISPLACED, /* an old primary whose epoch has passed: must not run */
};
extern const struct ud_enum ud_vm_roles;

struct ud_journal_vm {
	const char *vm_id, *uuid;
	int64_t epoch;
	int64_t seq;     /* the newest number taken; not stored by ud_journal_vm_put */
	unsigned role;   /* enum ud_vm_role */
	unsigned policy; /* enum ud_fencing_policy */
	bool hold;       /* stopped by a command: nobody but a command starts it again */
	bool wanted;     /* should run here: started by a command, or found running */
	int64_t lease_seconds;
	const char *host_boot; /* boot of the host under which it was last permitted to start */
	/* until when, by CLOCK_BOOTTIME of that boot, it may be started; UD_NONE = it may not */
	int64_t permit_ms;
	/* promise of a replica: no lease is granted to the peer for this epoch and older ones;
	 * UD_NONE = none was made */
	int64_t promised;
	/* newest epoch for which a lease was granted to the peer; UD_NONE = never */
	int64_t granted;
	bool peer_start; /* break-glass is allowed: a start needs the peer's leave, too */
	bool fast_start; /* promoted with the peer fenced: the server's leave is enough */
	bool breakglass; /* promoted by break-glass; the server has not taken that in yet */
};
extern const struct ud_shape ud_journal_vm_shape;

/* What is known of a VM; false and zeros when nothing is. */
enum ud_code ud_journal_vm_get(struct ud_ctx *cx, ud_journal *journal, const char *vm_id,
	bool *ret_found, struct ud_journal_vm *ret) UD_USE;
/* Store it. UD_E_CONFLICT when the epoch would fall. */
enum ud_code ud_journal_vm_put(
	struct ud_ctx *cx, ud_journal *journal, const struct ud_journal_vm *vm) UD_USE;
/*
 * Read a VM, let change alter it, store it: one transaction, so that nothing comes between. found
 * false: zeros but the id. change may refuse; then nothing is stored. UD_E_CONFLICT when the epoch
 * would fall.
 */
typedef enum ud_code ud_journal_change(
	struct ud_ctx *cx, void *data, bool found, struct ud_journal_vm *vm);
enum ud_code ud_journal_vm_change(struct ud_ctx *cx, ud_journal *journal, const char *vm_id,
	ud_journal_change *change, void *data) UD_USE;
/* All VMs, as a JSON array of ud_journal_vm_shape; rows are called for each when not NULL. */
typedef enum ud_code ud_journal_vm_visitor(
	struct ud_ctx *cx, void *data, const struct ud_journal_vm *vm);
enum ud_code ud_journal_vm_visit(
	struct ud_ctx *cx, ud_journal *journal, ud_journal_vm_visitor *visit, void *data) UD_USE;

/* The newest known of each subject that a command was ever taken for, or that the journal has as a
 * VM. */
typedef enum ud_code ud_journal_head_visitor(
	struct ud_ctx *cx, void *data, const struct ud_wire_head *head);
enum ud_code ud_journal_heads(
	struct ud_ctx *cx, ud_journal *journal, ud_journal_head_visitor *visit, void *data) UD_USE;

/* Name of the note that tells the first copy's relation of a VM. */
#define UD_NOTE_RELATION "relation of %s"
/* A word under a name, for ever; NULL forgets it. */
enum ud_code ud_journal_note(
	struct ud_ctx *cx, ud_journal *journal, const char *name, const char *word) UD_USE;
/* It, or NULL. */
enum ud_code ud_journal_noted(
	struct ud_ctx *cx, ud_journal *journal, const char *name, const char **ret_word) UD_USE;

/* What becomes of a command that arrives. */
enum ud_taken {
	UD_TAKEN_NEW,     /* the intent is stored: do it */
	UD_TAKEN_KNOWN,   /* it is under way already: nothing to do */
	UD_TAKEN_ENDED,   /* it has ended: its stored answer will be sent again */
	UD_TAKEN_REFUSED, /* ended at once: the epoch forbids it; the answer is stored */
	UD_TAKEN_STALE,   /* an old number that was never taken: dropped */
};
/*
 * Take a command: one transaction. raises: the verb may bring a higher epoch; other verbs must
 * carry the VM's own. payload: the command's bytes, kept for a restart.
 */
enum ud_code ud_journal_take(struct ud_ctx *cx, ud_journal *journal,
	const struct ud_wire_command *command, const char *payload, bool raises, enum ud_taken *ret)
	UD_USE;
/* Store how a command ended. vm, when not NULL: whether it is wanted here is stored in the same
 * transaction. */
enum ud_code ud_journal_end(struct ud_ctx *cx, ud_journal *journal,
	const struct ud_wire_command *command, const struct ud_wire_result *result,
	const struct ud_journal_vm *vm) UD_USE;

/* A command of the journal. payload for those under way, result for those that ended. */
typedef enum ud_code ud_journal_visitor(
	struct ud_ctx *cx, void *data, const char *payload, const struct ud_wire_result *result);
enum { UD_JOURNAL_PAGE = 64 };
/* Visit commands that were begun and have not ended, in the order of their numbers. */
enum ud_code ud_journal_working(
	struct ud_ctx *cx, ud_journal *journal, ud_journal_visitor *visit, void *data) UD_USE;
/* Visit ended commands whose answer the server has not taken yet, UD_JOURNAL_PAGE at most. */
enum ud_code ud_journal_unsent(
	struct ud_ctx *cx, ud_journal *journal, ud_journal_visitor *visit, void *data) UD_USE;
/*
 * The server has taken an answer. The number stays known for ever (seq of the VM); the newest 1,000
 * answers stay, to be sent again when asked for.
 */
enum ud_code ud_journal_sent(
	struct ud_ctx *cx, ud_journal *journal, const char *subject_id, int64_t seq) UD_USE;

#endif
