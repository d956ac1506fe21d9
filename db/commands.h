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

struct ud_commanding;

/* How a command ended, for whoever goes on from there. Texts live in the context's arena. */
struct ud_command_ended {
	const char *host_id, *subject_id;
	int64_t seq;
	const char *verb, *ticket_id, *operation_id; /* the last two may be NULL */
	unsigned state;                              /* enum ud_command_state, done or above */
	const char *args, *result, *error;           /* JSON objects or NULL */
	const struct ud_commanding *commanding;      /* for the next command */
};

/*
 * What follows the end of a command (an answer, an expiry, a withdrawal), in its transaction: the
 * first row with its verb, and those with verb NULL, which are for all. It may run twice (a
 * deadlock), so it changes rows alone. Its error undoes the end, and the agent's answer comes
 * again: only for what may heal.
 */
struct ud_command_reaction {
	const char *verb;
	enum ud_code (*ended)(struct ud_ctx *cx, const struct ud_command_ended *c);
};

/* What it takes to command: handed to reactions and ticks, and made once per server. */
struct ud_commanding {
	/* of the installation: opens the command key */
	const unsigned char *seal;
	const struct ud_command_reaction *reactions; /* ended by a NULL function; NULL = none */
	int64_t lease_seconds;                       /* that hosts are granted; 0 = the standard */
};

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

/* Is anything open for this subject at a host (NULL = at any)? *ret_verb its verb and
 * *ret_operation its operation, or NULL. */
enum ud_code ud_command_open(struct ud_ctx *cx, const char *subject_id, const char *host_id,
	const char **ret_verb, const char **ret_operation) UD_USE;

/*
 * Whose mark a delivery bears: a server's life, and which of its commits. A mark counts once that
 * commit was acknowledged: only then is what it marked sure to outlive the database's machine.
 */
struct ud_command_mark {
	const char *by;
	int64_t n;
};

/* An open command of a host. */
struct ud_command_pending {
	const char *subject_id, *verb;
	int64_t seq;
	bool delivered;
	struct ud_command_mark mark;   /* of a delivered one */
	struct ud_wire_signed message; /* as it is sent */
};
typedef enum ud_code ud_command_visitor(
	struct ud_ctx *cx, void *data, const struct ud_command_pending *command);
enum { UD_COMMANDS_PER_POLL = 32, UD_COMMANDS_OPEN_MAX = 1000 };
/* Visit the open commands of a host in the order of their numbers, UD_COMMANDS_OPEN_MAX at most;
 * none of VMs that a restored server still holds (db/recovery.h), and so it is with deliveries. */
enum ud_code ud_command_visit(
	struct ud_ctx *cx, const char *host_id, ud_command_visitor *visit, void *data) UD_USE;
/* Hosts that have something open that was not delivered: for waking their polls. */
enum ud_code ud_command_hosts(struct ud_ctx *cx, struct ud_texts *ret) UD_USE;
/*
 * Mark all that a host is about to be sent, before it is sent: what was marked is never withdrawn
 * and never expires. Operations behind it are running from now on. What others marked is marked
 * anew. promotes false: leave out the commands that promote.
 */
enum ud_code ud_command_deliver(
	struct ud_ctx *cx, const char *host_id, bool promotes, struct ud_command_mark mark) UD_USE;
/* How far a command is: into its operation, without an event. What has ended stays as it is. */
enum ud_code ud_command_progress(
	struct ud_ctx *cx, const char *host_id, const struct ud_wire_progress *progress) UD_USE;

/*
 * Take an agent's answer: ends the command and the operation behind it, and runs the reactions.
 * *ret_fresh false: the command had ended before, or never was one of this host; nothing has
 * changed then.
 */
enum ud_code ud_command_answer(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *host_id, const struct ud_wire_result *answer, bool *ret_fresh) UD_USE;

/* The newest result of a verb that was done about a subject, whose caller has read it with its
 * scope; *ret NULL = there is none. */
enum ud_code ud_command_newest(struct ud_ctx *cx, const char *subject_id, const char *verb,
	const char **ret, int64_t *ret_at) UD_USE;

/* When a host was given a command: not later than it can have begun it. 0 = there is none. The
 * caller has read the subject. */
enum ud_code ud_command_given(struct ud_ctx *cx, const char *subject_id, int64_t seq,
	const char *host_id, int64_t *ret_ms) UD_USE;

/*
 * The newest command of a verb that a host was given about a subject under an epoch: its state, and
 * when it ended. *ret_found false = there was none. The caller has read the subject.
 */
enum ud_code ud_command_last(struct ud_ctx *cx, const struct ud_command_new *like, int64_t epoch,
	bool *ret_found, enum ud_command_state *ret, int64_t *ret_ended_at) UD_USE;

/* End what no agent fetched in time; their operations fail with host_unreachable. */
enum ud_code ud_command_expire(struct ud_ctx *cx, const struct ud_commanding *c) UD_USE;
/* Is there anything to expire? A read. */
enum ud_code ud_command_overdue(struct ud_ctx *cx, bool *ret) UD_USE;
/* Withdraw an operation's commands that were not delivered; false when one was, and then nothing
 * has changed. */
enum ud_code ud_command_withdraw(struct ud_ctx *cx, const struct ud_commanding *c,
	const char *operation_id, bool *ret_withdrawn) UD_USE;
/*
 * Nobody waits for this command any more: it is withdrawn, also when it was delivered, and an
 * answer that still comes is not fresh. No reaction runs. *ret_delivered: the host may be doing it.
 */
enum ud_code ud_command_supersede(
	struct ud_ctx *cx, const char *subject_id, int64_t seq, bool *ret_delivered) UD_USE;

#endif
