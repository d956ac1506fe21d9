/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The closed list of what an agent does on command: one table of verbs. A verb's function does the
 * work on the runner's thread and may take its time; it runs again after a crash when its row says
 * that this does no harm, so it first looks whether its work is done. It never writes the answer
 * itself: the runner stores it in the journal and sends it until the server took it.
 */
#ifndef AGENT_VERBS_H
#define AGENT_VERBS_H

#include <stdatomic.h>

#include "agent/config.h"
#include "agent/driver.h"
#include "agent/journal.h"
#include "base/statement.h"

struct ud_leases;
struct ud_runner;
struct ud_replicator;

/* What verbs work with; as long as the agent. Parts an agent does not have are NULL. */
struct ud_station {
	const struct ud_agent_config *config;
	const struct ud_env *env;
	struct ud_hv *_Atomic hv; /* never NULL while it runs */
	ud_journal *journal;
	const char *host_boot;         /* of the machine */
	struct ud_leases *leases;      /* leave to run: agent/lease.h */
	struct ud_replicator *replica; /* agent/replicator.h */
	/* signs what it saw; NULL = it has none, and its answers go unsigned */
	const unsigned char *statement_key;
	/*
	 * Crash points, for tests; NULL in the program. It answers whether the agent ends at this
	 * point of a command: from then on it is dead, does nothing and stores nothing, as if
	 * killed.
	 */
	bool (*dies)(void *data, const struct ud_wire_command *command, const char *point);
	void *dies_data;
	_Atomic bool dead;
};

/* A command that is being done. */
struct ud_act {
	struct ud_station *station;
	const struct ud_wire_command *command;
	const void *args; /* by the verb's shape; NULL when it has none */
	/* it was begun before and the agent ended meanwhile: nobody knows how far it came */
	bool again;
	/* set before the first effect: what fails before is told as refused, after it as failed */
	bool begun;
	/* the agent ends meanwhile and the verb was broken off: no answer, it is done again */
	bool left;
	const char *result;             /* JSON object that it leaves, in the arena; NULL = {} */
	const struct ud_journal_vm *vm; /* stored in the answer's transaction when not NULL */
	struct ud_runner *runner;       /* for ud_act_progress */
	/* for its statement: when it was begun, by both clocks, and what was done when */
	int64_t began_ms, began_mono_ms;
	struct ud_statement_mark marks[UD_STATEMENT_MARKS];
	size_t mark_count;
};

typedef enum ud_code ud_verb_run(struct ud_ctx *cx, struct ud_act *act);

enum ud_verb_flags {
	/* the command may bring a higher epoch; others must carry the VM's own */
	UD_VERB_RAISES = 1 << 0,
	/* after a crash it is done again; else it is answered as unknown, unless look knows */
	UD_VERB_REPEATABLE = 1 << 1,
	/* a step of a failover: refused without a ticket and a plan's hash */
	UD_VERB_TICKET = 1 << 2,
	/* done even while a person must look at the agent first */
	UD_VERB_QUARANTINE = 1 << 3,
	/* about the host itself, not about a VM */
	UD_VERB_HOST = 1 << 4,
	/* when it is done, what is seen then is told before its answer is sent */
	UD_VERB_SEEN = 1 << 5,
};

struct ud_verb {
	const char *verb;
	const struct ud_shape *args; /* NULL = an empty object */
	unsigned flags;
	ud_verb_run *run;
	/* not repeatable and interrupted: UD_OK when the hypervisor shows that it was done */
	ud_verb_run *look;
};
/* All verbs, ended by a NULL verb. */
extern const struct ud_verb ud_agent_verbs[];
/* The row of a verb in a table, or NULL. */
const struct ud_verb *ud_verb_find(const struct ud_verb *table, const char *verb);

/*
 * A place between two steps where a crash would hurt: pass its code on. The runner has "taken"
 * (intent stored, nothing done), "done" (done, no answer stored) and "ended" (answer stored, not
 * sent). UD_E_UNAVAILABLE when the agent is to be dead.
 */
enum ud_code ud_act_point(struct ud_ctx *cx, struct ud_act *act, const char *point) UD_USE;
/* Leave a result of a shape. */
void ud_act_leave(
	struct ud_ctx *cx, struct ud_act *act, const struct ud_shape *shape, const void *result);
/*
 * Wait so long inside a verb. UD_E_UNAVAILABLE, to be passed on, when the agent ends meanwhile: the
 * verb, which must be repeatable, is done again by the next one.
 */
enum ud_code ud_act_wait(struct ud_ctx *cx, struct ud_act *act, int64_t ms) UD_USE;
/*
 * Is something waiting that a verb which takes long, and can be asked for again, must not hold up:
 * a failover's step for the same VM, or the agent's end? At its end no answer is given: the verb,
 * which must be repeatable, is done again by the next one. Any thread.
 */
bool ud_act_gives_way(struct ud_act *act);
/* Tell how far it is; steps: JSON list or NULL. Cheap: sent once a second at most. */
void ud_act_progress(struct ud_act *act, int64_t percent, const char *steps);
/*
 * May this VM be started here by hand? UD_E_INVALID_STATE with the reason for a replica, an old
 * primary, or one that a failover holds.
 */
enum ud_code ud_may_start(struct ud_ctx *cx, struct ud_act *act) UD_USE;

/* verbs_failover.c */
ud_verb_run ud_do_protect, ud_do_stop, ud_do_sync, ud_do_fence, ud_do_promote, ud_do_demote,
	ud_do_resume, ud_do_complete, ud_do_revert, ud_do_test_start, ud_do_test_drop;
struct ud_protect_args;
struct ud_relation;
/* Take the part for the command's VM that these words say; each step is idempotent. */
enum ud_code ud_act_protect(
	struct ud_ctx *cx, struct ud_act *act, const struct ud_protect_args *args) UD_USE;
/* A first copy's relation brings the VM's protection along, and takes it away when it is dropped;
 * that of a third copy leaves it as it is. */
enum ud_code ud_act_relate(
	struct ud_ctx *cx, struct ud_act *act, const struct ud_relation *relation) UD_USE;
enum ud_code ud_act_unrelate(struct ud_ctx *cx, struct ud_act *act, const char *replication_id)
	UD_USE;
/* verbs_script.c */
ud_verb_run ud_do_step_script;
/* verbs_check.c */
ud_verb_run ud_do_boot_check;
/* The UUID of a test's copy, from the journal; NULL = this host has no such test. */
enum ud_code ud_test_uuid(
	struct ud_ctx *cx, struct ud_act *act, const char *test_id, const char **ret) UD_USE;
/* verbs_addresses.c */
ud_verb_run ud_do_set_addresses;
/* verbs_power.c */
ud_verb_run ud_do_vm_start, ud_do_vm_shutdown, ud_do_vm_power_off, ud_do_vm_save, ud_do_vm_pause,
	ud_do_vm_resume, ud_do_vm_reset;
/* verbs_care.c */
ud_verb_run ud_do_vm_run, ud_do_vm_write_file, ud_do_vm_read_file, ud_do_vm_definition,
	ud_do_vm_diagnose, ud_do_vm_screenshot, ud_do_vm_limits, ud_do_checkpoint_create,
	ud_look_checkpoint_create, ud_do_checkpoint_list, ud_do_checkpoint_apply,
	ud_do_checkpoint_delete, ud_do_vm_upgrade, ud_do_host_diagnose, ud_do_host_logs,
	ud_do_host_balance, ud_do_host_team;

/* verbs_replication.c */
ud_verb_run ud_do_relation_set, ud_do_relation_resync, ud_do_relation_drop, ud_do_relation_test,
	ud_do_point_verify;

#endif
