/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands: what agents are told to do, one row each, numbered per subject (a VM, or a host for
 * what concerns the host itself). Delivered at least once, done once: the agent's journal knows the
 * numbers. A row ends by the agent's answer to its own number and in no other way, except that what
 * was never delivered expires or is withdrawn.
 */
#ifndef DB_COMMANDS_H
#define DB_COMMANDS_H

#include "base/wire.h"
#include "db/operations.h"

enum ud_command_state {
	UD_COMMAND_QUEUED,
	UD_COMMAND_DELIVERED,
	UD_COMMAND_DONE, /* from here on in the order of enum ud_outcome */
	UD_COMMAND_REFUSED,
	UD_COMMAND_FAILED,
	UD_COMMAND_UNKNOWN,
	UD_COMMAND_EXPIRED,
	UD_COMMAND_WITHDRAWN,
};
extern const struct ud_enum ud_command_states;

/* A command to be. Texts are not kept. */
struct ud_command_new {
	const char *host_id;
	const char *vm_id;       /* NULL = about the host itself */
	const char *verb, *args; /* args: JSON object or NULL */
	const char *ticket_id, *plan_hash, *operation_id;
	int64_t timeout_seconds; /* for doing it */
	int64_t wait_seconds;    /* for the host to fetch it; then it expires */
};

/*
 * Store a command under the next number of its subject, signed with the server's command key. The
 * caller has read the VM or host with its own scope. UD_E_NOT_FOUND when it is gone.
 */
enum ud_code ud_command_add(struct ud_ctx *cx, const unsigned char key[UD_SIGN_KEY],
	const struct ud_command_new *in, int64_t *ret_seq) UD_USE;

/* Is anything open for this subject? *ret_verb its verb and *ret_operation its operation, or NULL.
 */
enum ud_code ud_command_open(struct ud_ctx *cx, const char *subject_id, const char **ret_verb,
	const char **ret_operation) UD_USE;

/* An open command of a host, as it is sent. */
typedef enum ud_code ud_command_visitor(struct ud_ctx *cx, void *data, const char *subject_id,
	int64_t seq, const struct ud_wire_signed *message);
enum { UD_COMMANDS_PER_POLL = 32 };
/* Visit the open commands of a host in the order of their numbers, UD_COMMANDS_PER_POLL at most. */
enum ud_code ud_command_visit(
	struct ud_ctx *cx, const char *host_id, ud_command_visitor *visit, void *data) UD_USE;
/* Hosts that have something open that was not delivered: for waking their polls. */
enum ud_code ud_command_hosts(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;
/* Mark what a host was sent; its operation is running from now on. */
enum ud_code ud_command_delivered(
	struct ud_ctx *cx, const char *host_id, const char *subject_id, int64_t seq) UD_USE;

/*
 * Take an agent's answer: ends the command and the operation behind it. *ret_fresh false: the
 * command had ended before, or never was one of this host; nothing has changed then.
 */
enum ud_code ud_command_answer(struct ud_ctx *cx, const char *host_id,
	const struct ud_wire_result *answer, bool *ret_fresh) UD_USE;

/*
 * End what no agent fetched in time; their operations fail with host_unreachable. *ret = how many.
 */
enum ud_code ud_command_expire(struct ud_ctx *cx, int64_t *ret) UD_USE;
/* Is there anything to expire? A read. */
enum ud_code ud_command_overdue(struct ud_ctx *cx, bool *ret) UD_USE;
/* Withdraw an operation's commands that were not delivered; false when one was. */
enum ud_code ud_command_withdraw(struct ud_ctx *cx, const char *operation_id, bool *ret_withdrawn)
	UD_USE;

#endif
