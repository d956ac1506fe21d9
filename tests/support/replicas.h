/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hosts with agents that speak for themselves, and a customer's VM to replicate between them: for
 * tests of replication on the server. The agents are clients with certificates on the real port;
 * what their hypervisors would do is told by the test.
 */
#ifndef TESTS_SUPPORT_REPLICAS_H
#define TESTS_SUPPORT_REPLICAS_H

#include "support/agents.h"

enum { HOST_A, HOST_B, HOST_C, HOST_COUNT }; /* in London, Amsterdam and Paris */

struct scene {
	struct port *p;
	struct world *w;
	const char *sites[HOST_COUNT], *subscription;
	struct shown agents[HOST_COUNT];
	const char *vm; /* of the customer "own", on host A; newest of scene_vm */
	int vms;        /* made so far */
};

/* cmocka's, for stories that share a world: three hosts whose agents have been seen and told their
 * inventory; the customer has both add-ons. *state is the scene. */
int scene_setup(void **state);
int scene_teardown(void **state);
/* Another VM on host A with disks vda and vdb; its id, also in s->vm. */
const char *scene_vm(struct scene *s);
/* Replace what is known of a VM on host A: the disks as JSON. */
void scene_disks(struct scene *s, const char *vm, const char *disks);
/* The same with other members of the machine: "\"disks\":[…]", "\"nics\":[…]". */
void scene_machine(struct scene *s, const char *vm, const char *members);
/* Let all agents be seen now; the clock may have moved. */
void scene_seen(struct scene *s);

/* A command as it came to an agent. */
struct told {
	const char *subject_id, *verb;
	int64_t seq, epoch;
	json_t *args;
};
/* The next command of a host; fails when none comes within some seconds. */
struct told scene_take(struct scene *s, int host);
/* True when the host has no open command. */
bool scene_idle(struct scene *s, int host);
/* Answer it: outcome "done", "failed", …; result and error are JSON objects or NULL. */
void scene_answer(struct scene *s, int host, const struct told *t, const char *outcome,
	const char *result, const char *error);
/* Take the next command, which must have this verb, and answer that it is done. */
struct told scene_do(struct scene *s, int host, const char *verb);

/* POST /v1/agent/replication with items as JSON; expects 200. */
struct reply scene_report(struct scene *s, int host, const char *items);
/* One item: what an end tells. more = further members, with a comma at their begin, or "". */
const char *scene_item(struct scene *s, const char *replication, const char *role,
	const char *state, const char *more);
/* A point as a member of "points": complete, crash-consistent unless more says otherwise. */
const char *scene_point(struct scene *s, const char *id, int n, int64_t taken_s, const char *more);

/* The body that asks to copy the VM to a host every 5 s; more as above. */
const char *scene_wish(struct scene *s, int target, const char *more);
/* Where s->vm is asked to be copied; query: "" or "?dry_run=true". */
const char *scene_protect_path(struct scene *s, const char *query);
/* Protect a VM from A to B and bring it to replicating; the replication's id. */
const char *scene_protect(struct scene *s, const char *vm);
/* Extend it to C and bring that to replicating, too; the id. */
const char *scene_extend(struct scene *s, const char *replication);
/* The replication as this caller sees it. */
json_t *scene_show(struct scene *s, enum who who, const char *replication);
/* Was this event told of an object? */
bool scene_told(struct scene *s, const char *subject, const char *type);

#endif
