/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two hosts and the little that decides between them: agents with journal, runner and leases on
 * hypervisors in memory, lease guards in memory, a clock of the test's, and a control plane of
 * three numbers that grants as the server does. Links can be cut, agents die at any point, machines
 * boot. For tests of the protocol: never two primaries, whatever happens.
 */
#ifndef TESTS_SUPPORT_PAIR_H
#define TESTS_SUPPORT_PAIR_H

#include "agent/lease.h"
#include "agent/runner.h"
#include "base/sign.h"
#include "support/context.h"
#include "support/scripted.h"

#define PAIR_VM "vm_01HZZZZZZZZZZZZZZZZZZZZZZZ"
#define PAIR_RELATION "rpl_01HZZZZZZZZZZZZZZZZZZZZZZ"

enum { PAIR_LEASE = 30, PAIR_LEASE_MS = 30000, PAIR_WAIT_MS = 45000 };

struct pair;

/* Who is killed at a moment. */
enum pair_victim { PAIR_AGENT, PAIR_GUARD, PAIR_VICTIMS };

struct host {
	struct pair *p;
	int n;            /* 0 or 1 */
	const char *name; /* "A", "B" */
	struct ud_agent_config config;
	struct scripted *script;
	struct ud_station station;
	struct ud_runner *runner;
	const char *journal; /* its path */
	int boots;
	char boot[32];
	bool line_cut; /* to the control plane */
	/* the guard's one entry; it outlives the agent */
	bool armed, killed;
	int64_t deadline_ms;
	/* dies at this point, counted from now on; 0 = never */
	int dies_at;
	const char *died_at;  /* words, or NULL */
	char died_words[160]; /* the arena is the test's thread's alone */
	/* see pair_strike */
	int moments, strike_at;
	enum pair_victim victim;
	const char *struck_at; /* NULL = it was not */
	bool closing; /* its journal is: what the dead tried to write is cleared away, not stored */
};

struct pair {
	struct ud_ctx *cx;
	struct ud_env env;
	_Atomic int64_t now_ms;
	unsigned char key[UD_SIGN_KEY];
	struct host host[2];
	const char *uuid;
	bool peers_cut;    /* the hosts' link to each other */
	atomic_int points; /* passed so far, on both */
	/* the control plane */
	int64_t epoch, seq;
	int owner;
	bool shut, keep_only;        /* the gate */
	int64_t granted_until_ms[2]; /* of all grants to each host, with their margin */
	enum ud_fencing_policy policy;
	atomic_int running_max; /* most VMs seen running at once */
	int64_t generation;
	bool stepped; /* agents have no threads: what they do is done in pair_settle */
};

/* An answer to a command. */
struct told {
	bool ended;
	unsigned outcome;
	const char *result, *error;
};

/* Host 0 protects the VM as primary, running; host 1 is its replica with one point. With policy
 * attest break-glass is allowed. */
void pair_begin(struct pair *p, struct ud_ctx *cx, enum ud_fencing_policy policy);
void pair_end(struct pair *p);
/* The same with agents without threads, where a verb that waits lets the test's time pass. */
void pair_begin_stepped(struct pair *p, struct ud_ctx *cx, enum ud_fencing_policy policy);

/* Hand a command to a host; its number. */
int64_t pair_send(struct pair *p, int host, const char *verb, const char *args);
/* The same bytes with another number and epoch than what is due. */
void pair_send_as(struct pair *p, int host, const char *verb, const char *args, int64_t seq,
	int64_t epoch, bool ticket);
/* Hand over a command again as pair_send_as does; the agent's own answer to that. Its subject is
 * the host where the verb is about one. */
enum ud_code pair_offer(struct pair *p, int host, const char *verb, const char *args, int64_t seq,
	int64_t epoch, bool ticket);
/* How a command stands on a host. */
struct told pair_told(struct pair *p, int host, int64_t seq);
/* Send and wait for the end; a host that dies meanwhile is started again. */
struct told pair_do(struct pair *p, int host, const char *verb, const char *args);
/* Fails the test unless it is done. */
void pair_done(struct pair *p, int host, const char *verb, const char *args);
/* Until nothing is under way on a host, or its agent is dead. */
void pair_settle(struct pair *p, int host);

/* Time goes on; guards do their work. */
void pair_pass(struct pair *p, int64_t ms);
/* Both of the agents' loops look once. */
void pair_look(struct pair *p, int host);
/* The agent is killed and started again; VMs and guard stay. */
void pair_restart(struct pair *p, int host);
bool pair_dead(const struct pair *p, int host);
/*
 * Moments of a host: before and after each call of its hypervisor that changes something, each call
 * of its guard, each question to a grantor, and whatever else the test takes for one by
 * pair_moment. From now on they are counted, and at the n-th (0 = none) agent or guard are killed.
 * What a killed agent still tries has no effect, nor has a look of its any answer.
 */
void pair_strike(struct pair *p, int host, enum pair_victim victim, int n);
/* One comes. False: the agent is dead. */
bool pair_moment(struct host *h, const char *what);
/* The machine goes down and comes up: VMs and guard are gone, the journal stays. */
void pair_boot(struct pair *p, int host);
bool pair_runs(const struct pair *p, int host);
/* Note how many VMs run now. */
void pair_watch(struct pair *p);
struct ud_journal_vm pair_row(struct pair *p, int host);
/* The newest point that a host has. */
const char *pair_newest(struct pair *p, int host);
/* A host's end of the relation, as the control plane would tell it. */
struct ud_relation pair_relation(struct pair *p, int host, enum ud_relation_role role);
/* Both ends of the relation anew, the owner being its source. */
void pair_relate(struct pair *p);
/* The epoch goes to another host. */
void pair_commit(struct pair *p, int owner);

#endif
