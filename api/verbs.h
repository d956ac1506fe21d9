/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What people may ask of VMs and hosts: one table each, from which come both what an object shows
 * (allowed_operations, blocked_operations) and what a call answers; they cannot disagree. And how a
 * call becomes a command with an operation behind it.
 */
#ifndef API_VERBS_H
#define API_VERBS_H

#include "db/hosts.h"
#include "db/operations.h"
#include "db/vms.h"
#include "server/http/http.h"

/* Why something cannot be done; op NULL = it can. */
struct ud_block {
	const char *op, *reason_code, *text;
	const char *unblock_action, *who; /* NULL = nothing helps, nobody can */
};
extern const struct ud_shape ud_block_shape;

/* One thing that may be asked of a VM. */
struct ud_vm_verb {
	const char *op;   /* name in allowed_operations; operationId "vms.<op>" */
	const char *verb; /* of the agent */
	uint32_t roles;
	uint32_t powers;        /* bits of enum ud_power in which it makes sense */
	const char *capability; /* driver slot that it needs */
	unsigned flags;
	const char *unblock; /* what helps against a wrong power */
};
enum ud_vm_verb_flags {
	/* the guest runs afterwards: not for replicas and old primaries */
	UD_VERB_RUNS = 1 << 0,
	UD_VERB_CHANGES = 1 << 1, /* one at a time */
	UD_VERB_GUEST = 1 << 2,   /* reaches into the guest */
	UD_VERB_DISKS = 1 << 3,   /* puts disks back: not while they are replicated */
};
extern const struct ud_vm_verb ud_vm_verbs[]; /* ended by a NULL op */

/* Fill allowed_operations and blocked_operations for the caller. */
enum ud_code ud_vm_complete(struct ud_ctx *cx, void *vm) UD_USE;
enum ud_code ud_host_complete(struct ud_ctx *cx, void *host) UD_USE;
/* May the caller do this with the VM now? UD_E_INVALID_STATE, UD_E_UNSUPPORTED, UD_E_ROLE_MISSING,
 * UD_E_NOT_ENTITLED, UD_E_VM_UNMANAGED with the sentence that blocked_operations has. */
enum ud_code ud_vm_may(struct ud_ctx *cx, const struct ud_vm *vm, const char *op) UD_USE;
enum ud_code ud_host_may(struct ud_ctx *cx, const struct ud_host *host, const char *op) UD_USE;

/* What an agent is to be told. */
struct ud_ask {
	const struct ud_vm *vm; /* NULL = the host itself */
	const char *host_id, *verb;
	const struct ud_shape *args_shape; /* NULL = no arguments */
	const void *args;
	int64_t timeout_seconds;
};
/* Store the command and its operation, and answer 202 with it. */
enum ud_code ud_ask_agent(struct ud_ctx *cx, struct ud_request *rq, const struct ud_ask *ask)
	UD_USE;
/* Answer 202 with an operation that was stored. */
enum ud_code ud_answer_operation(struct ud_ctx *cx, struct ud_request *rq, struct ud_operation *op)
	UD_USE;

#endif
