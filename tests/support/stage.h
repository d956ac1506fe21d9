/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stage for failovers: hosts, protected VMs with points, and agents played by the test, which
 * answer commands as the protocol wants (numbers, epochs, holds) straight into the database; or
 * real ones over a Hyper-V site in a box. They see to it that no VM ever runs on two hosts,
 * whatever a story does.
 */
#ifndef TESTS_SUPPORT_STAGE_H
#define TESTS_SUPPORT_STAGE_H

#include "api/failovers.h"
#include "support/harness.h"

enum { STAGE_HOSTS = 3, STAGE_VMS = 128 };

/* One VM on one host, as that host's journal has it. */
struct stage_copy {
	int64_t epoch, seq;
	bool running, hold, primary, test;
	int starts, stops;
	int64_t done_seq; /* the command whose outcome it has kept, and that */
	const char *kept_result, *kept_error;
	int kept_outcome;
	int started, stopped; /* how many commands had been answered then */
};
struct stage_vm {
	const char *id, *name, *replication_id, *point_id;
	const char *onward_id; /* the copy of the copy, where there is one: stage_extend */
	struct stage_copy at[STAGE_HOSTS];
	int64_t cycles;
	/* what fence tells of it, a list without brackets; NULL = its point */
	const char *told_points;
	int unseen; /* so many looks at its guest see nothing */
};
struct stage_host {
	const char *id, *agent_id;
	bool down;       /* nobody answers; its VMs do not run when it was killed */
	int64_t seen_ms; /* when it was heard of last, by the server's clock */
	bool cut;        /* it does not reach the server, but runs on */
	bool quiet;      /* it answers nothing although it is there */
	bool deaf;       /* orders do not reach it, though it tells of itself */
};

struct stage {
	struct world *w;
	const char *site;
	struct stage_host hosts[STAGE_HOSTS];
	struct stage_vm vms[STAGE_VMS];
	int count;
	/* the next so many commands of a verb fail, are refused, or are answered twice */
	const char *fail_verb;
	int fail_times;
	const char *cards;        /* the result of set_addresses; NULL = none were named */
	const char *unknown_verb; /* nobody knows what became of commands of this verb */
	int exits, programs;      /* of programs in guests: how they end, how many were begun */
	const char *told_points;  /* what fence tells instead of the points; NULL = those */
	bool twice;
	/* a fence's answer comes so much later than its points were read */
	int64_t late_ms;
	/* a fault of the hosts' statements: none are made, or another's key signs them */
	enum { STAGE_SIGNED, STAGE_UNSIGNED, STAGE_FORGED } signatures;
	/* commands answered so far, and a limit: then nobody answers any more (-1 = none) */
	int answered, limit;
	int lose;        /* this one is done, and its answer lost on the way (-1 = none) */
	int first;       /* runs are asked for VMs from this one on */
	bool overlapped; /* two hosts ran one VM at a time */
	bool restarts;   /* the server is killed and started before every round */
	bool reports;    /* replication is told as it goes on; the standard is yes */
	bool apart;      /* hosts do not reach each other: no cycle and no final delta ends */
	int missed;      /* final deltas that failed because of that */
	bool hyperv;     /* hosts are real agents over a Hyper-V site in a box */
	struct stage_site *site_in_a_box;
};

/* A world with vms VMs of the own customer, running on host 0 and replicated to host 1. */
struct stage *stage_begin(int vms);
/* The same, its hosts real agents on Hyper-V (tests/hyperv). The test's own hand on commands (lose,
 * limit) reaches only to their arrival. */
struct stage *stage_begin_hyperv(int vms);
void stage_end(struct stage *s);
/* The box of a stage on Hyper-V, at the stage's time: for what befalls its hosts. */
struct box *stage_box(struct stage *s);

/* Copy a VM's replica on to host 2, and wait until that replicates; point_id is a point of there
 * from then on. */
void stage_extend(struct stage *s, int vm);

/* Ask for a failover of VMs [0, vms), as the customer's operator would by a ticket; the id of the
 * run, or NULL with the problem in w->cx. more: further members of the request, or "". */
const char *stage_ask(
	struct stage *s, const char *kind, const char *reason, int vms, const char *more);
/* The last approval. */
void stage_approve(struct stage *s, const char *run);
/* Two people have stated that the source of a VM is off. */
void stage_attest(struct stage *s, const char *run, int vm);
/* ask and approve. */
const char *stage_start(
	struct stage *s, const char *kind, const char *reason, int vms, const char *more);

/* Let time and agents work until nothing moves any more. */
void stage_settle(struct stage *s);
/* One round: ticks, then every command that can be answered. How much was done. */
int stage_round(struct stage *s);
/* What agents say of replication, now. */
void stage_tell(struct stage *s);
/* Wait, with the clock as it is, until no work with a fence device and no call of a plan is open.
 */
void stage_wait_device(struct stage *s);
/* Time goes by; agents that are there are seen. */
void stage_pass(struct stage *s, int64_t seconds);
/* A host dies with its VMs; a host comes back, its VMs off but for what the hypervisor starts. */
void stage_kill(struct stage *s, int host);
void stage_revive(struct stage *s, int host);
/* The QEMU of a VM, and that of its test copy, die where they run; how many there were. */
int stage_kill_guest(struct stage *s, int vm);
/* Somebody starts a VM that runs nowhere: on the host whose journal lets it. */
void stage_start_guest(struct stage *s, int vm);

/* The run by the API; what it has under a path. */
struct reply stage_run(struct stage *s, const char *run);
const char *stage_text(struct stage *s, const char *run, const char *path);
/* Fail unless the run is in this state and phase (NULL = any). */
void stage_wants(struct stage *s, const char *run, const char *state, const char *phase);
/* Call an operation of the run; fails unless it answers with status. */
struct reply stage_press(struct stage *s, enum who who, const char *run, const char *op,
	const char *body, int status);
/* The number of the step that waits, in the list of steps. */
int64_t stage_waiting_step(struct stage *s, const char *run);
/* On which host does a VM run? -1 = on none. */
int stage_where(const struct stage *s, int vm);
/* How often an event was recorded. */
int64_t stage_count(struct stage *s, const char *sql);

#endif
