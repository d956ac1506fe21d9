/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world in one thread: the server's engine on a database in memory's files, two hosts with the
 * agents' own runner, journal, verbs and leases, over a clock, a network, guards, people and
 * hypervisors that a seed moves. One failover follows the other, to and fro, while everything that
 * may break breaks. What may never be is looked at after each event.
 */
#ifndef TESTS_SUPPORT_SIM_H
#define TESTS_SUPPORT_SIM_H

#include <stdbool.h>
#include <stdint.h>

enum sim_fault {
	SIM_ANSWER_LOST,  /* an agent's answer does not reach the server */
	SIM_ACK_LOST,     /* it does, and the agent does not hear so */
	SIM_COMMAND_LOST, /* marked as delivered, and lost on the way */
	SIM_COMMAND_LATE, /* an old command arrives once more */
	SIM_ANSWER_LATE,  /* so does an old answer */
	SIM_GRANT_LOST,   /* a lease was granted, and the host does not hear so */
	SIM_NO_COMMIT,    /* the server dies before its commit */
	SIM_DISK,         /* a call to the server's database fails */
	SIM_SERVER_DOWN,  /* for some time; its machine may have booted meanwhile */
	SIM_AGENT_DIES,   /* at one of the next points of its work */
	SIM_HOST_DIES,    /* with its VMs and its guard; it boots some time later */
	SIM_LINE_CUT,     /* host and server */
	SIM_PEERS_CUT,    /* the hosts from each other */
	SIM_ALONE,        /* a host from everybody */
	SIM_HYPERVISOR,   /* a call to it fails, before or after its work */
	SIM_GUEST_DIES,
	SIM_WALL_CLOCK, /* of a host jumps */
	SIM_FAULTS
};
extern const char *const sim_fault_names[SIM_FAULTS];

/* Bugs sown on purpose: each must be found. */
enum sim_mutant {
	SIM_SOUND,
	SIM_NO_FINAL_SYNC,     /* the source answers "synced" with the point it had before */
	SIM_GUARD_LATE,        /* the lease guard ends a VM a minute after its lease */
	SIM_SILENCE_IS_PROOF,  /* a source that does not answer counts as off */
	SIM_GRANTS_TO_ANYBODY, /* the server grants leases whoever owns the epoch */
	SIM_MUTANTS
};
extern const char *const sim_mutant_names[SIM_MUTANTS];

/* What was played; added up over seeds. */
struct sim_score {
	int64_t faults[SIM_FAULTS];
	int64_t all, events, runs, to_target, called_off, rolled_back, tests, helped;
	int64_t virtual_ms;
};

/* Play a seed until so many faults have struck and the last run has ended. NULL, or what was
 * broken, as a text that lives until the next call. Anything else that goes wrong ends the test. */
const char *sim_play(
	uint64_t seed, int64_t faults, enum sim_mutant mutant, struct sim_score *score);

#endif
