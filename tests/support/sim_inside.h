/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the simulator share: the world (sim.c), its two hosts (sim_host.c), and what
 * befalls them (sim_play.c).
 */
#ifndef TESTS_SUPPORT_SIM_INSIDE_H
#define TESTS_SUPPORT_SIM_INSIDE_H

#include "agent/lease.h"
#include "agent/runner.h"
#include "base/crypto.h"
#include "db/scope.h"
#include "support/scripted.h"
#include "support/sim.h"

enum { SIM_HOSTS = 2, SIM_VMS = 2, SIM_LEASE = 30 };

struct sim;

/* The guard's entry for a VM; it outlives the agent, not the host. */
struct sim_guard {
	bool armed, killed;
	int64_t epoch, deadline_ms;
};

struct sim_host {
	struct sim *s;
	int n;
	struct ud_env env; /* its own clocks: others' go at other rates */
	int64_t wall_ms, rate_ppm;
	struct ud_agent_config config;
	struct scripted *script;
	struct ud_station station;
	struct ud_runner *runner; /* NULL: the agent does not run */
	const char *journal;
	char boot[32];
	int boots;
	struct sim_guard guard[SIM_VMS];
	/* it is there again, or reached again, from then on, by the world's clock */
	int64_t powered_at, agent_at, line_at, peers_at;
	int64_t beat_at, report_at, cycle_at;
	int dies_at; /* at the n-th point from now on; 0 = never */
	bool lose_answer, lose_ack, lose_command, lose_grant;
	int64_t epoch[SIM_VMS]; /* of its journal, as seen last */
	/* old messages on the network */
	struct ud_wire_signed late;
	struct ud_wire_result answer;
};

struct sim_vm {
	const char *id, *uuid, *replication_id;
	bool leased;
	int64_t written; /* what the guest was told is safe */
	int on;          /* host that ran it last */
	int64_t epoch;
	const char *owner;
};

struct sim {
	uint64_t chance, bytes; /* of decisions; of ids and nonces */
	enum sim_mutant mutant;
	struct sim_score *score;
	char broken[4096];      /* "" = nothing */
	ud_arena *life, *arena; /* as long as the world; as the moment */
	struct ud_env env;
	int64_t now_ms; /* since the world began */
	char clock[32]; /* of the server's machine */
	int clocks;
	char dir[48];
	struct ud_scope scope;
	ud_conn *conn;
	unsigned char seal[UD_SEAL_KEY];
	struct ud_commanding commanding;
	struct sim_host host[SIM_HOSTS];
	struct sim_vm vm[SIM_VMS];
	int64_t server_at, watch_at; /* the server is there from then on; looks at relations */
	bool no_commit;
	int disk; /* the n-th call from now on fails */
	/* the run at hand */
	const char *run;
	int about; /* VM */
	unsigned kind;
	char trail[40][80]; /* the last events, for the report of what was broken */
	int steps;
};

/* ---- sim.c ---- */

/* 0 to n - 1. */
int64_t sim_chance(struct sim *s, int64_t n);
bool sim_one_in(struct sim *s, int64_t n);
/* A line of the trail. */
void sim_note(struct sim *s, const char *format, ...) UD_PRINTF(2, 3);
/* The first thing that is broken is kept. */
void sim_broken(struct sim *s, const char *format, ...) UD_PRINTF(2, 3);
void sim_must(struct ud_ctx *cx, enum ud_code code);
struct ud_ctx sim_context(struct sim *s);
/* One transaction of the server; UD_E_UNAVAILABLE when it is not there or has died in it. */
enum ud_code sim_serve(
	struct sim *s, enum ud_code (*apply)(struct ud_ctx *cx, void *data), void *data);
/* Invariants that need no database. */
void sim_look(struct sim *s);
struct sim *sim_begin(uint64_t seed, enum sim_mutant mutant, struct sim_score *score);
void sim_end(struct sim *s);

/* ---- sim_host.c ---- */

bool sim_powered(const struct sim_host *h);
bool sim_reaches_server(const struct sim_host *h);
bool sim_runs(const struct sim_host *h, int vm);
void sim_host_begin(
	struct sim *s, int n, const char *host_id, const char *agent_id, const char *command_key);
void sim_host_end(struct sim_host *h);
/* The agent's process ends, or the machine. */
void sim_agent_dies(struct sim_host *h, int64_t for_ms);
void sim_host_dies(struct sim_host *h, int64_t for_ms);
/* Time goes on: guards do their work. */
void sim_pass(struct sim *s, int64_t ms);
/* All that a host does by itself, once. */
void sim_host_turn(struct sim_host *h);

#endif
