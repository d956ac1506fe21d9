/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What server and agents say to each other about commands: JSON over mutual TLS, the agent always
 * opens the connection. A command is numbered per subject (a VM, or the host itself) and signed by
 * the server's command key over its exact bytes; an answer belongs to the number of the command it
 * answers and to no other. Inventory and figures have shapes of their own beside this file.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "base/shape.h"
#include "base/sign.h"

/* Seconds that a poll is held open, that a lease lasts by default, and between two reports. */
enum { UD_POLL_SECONDS = 25, UD_HEARTBEAT_SECONDS = 10, UD_WIRE_TEXT = 1 << 20 };

/* The one verb that makes a host a VM's owner: never given to an agent that may not promote. */
#define UD_VERB_PROMOTE "promote"

/* How a command ended. */
enum ud_outcome {
	UD_OUTCOME_DONE,    /* it took effect, now or before */
	UD_OUTCOME_REFUSED, /* it was not begun: number, epoch, signature or state forbid it */
	UD_OUTCOME_FAILED,  /* it was begun and did not work; error says why */
	/* begun, interrupted by a crash, and not of the kind that is repeated */
	UD_OUTCOME_UNKNOWN,
};
extern const struct ud_enum ud_outcomes;

/* What the server signs and the agent does. */
struct ud_wire_command {
	const char *host_id, *subject_id;  /* "hst_…"; "vm_…" or the host itself */
	const char *uuid;                  /* the VM's at the hypervisor; NULL for the host */
	int64_t seq;                       /* grows per subject, never reused */
	int64_t epoch;                     /* of the VM; 0 for the host */
	const char *verb;                  /* of the agent's closed list */
	struct ud_json args;               /* object of the verb's own shape */
	const char *ticket_id, *plan_hash; /* of failovers' steps */
	int64_t timeout_seconds;           /* for doing it, from when it is begun */
};
extern const struct ud_shape ud_wire_command_shape;

/* A command under way: its bytes and their signature in base64url. */
struct ud_wire_signed {
	const char *payload, *signature;
};
extern const struct ud_shape ud_wire_signed_shape;

/* POST /v1/agent/poll: who asks, and what it knows. */
struct ud_wire_poll {
	const char *agent_boot, *host_boot; /* of this process; of the machine */
	const char *agent_version;
	/* ["SUBJECT/SEQ"]: commands in its journal whose answer the server has not taken yet */
	struct ud_json working;
	/* list of ud_wire_head: what its journal has of each VM, and of the host itself */
	struct ud_json heads;
};
extern const struct ud_shape ud_wire_poll_shape;

/* The newest that a journal knows of a subject. A server that knows less was put back. */
struct ud_wire_head {
	const char *subject_id;
	int64_t epoch, seq; /* seq: the newest number taken */
	const char *role;   /* part the host plays for the VM; "free" for the host itself */
	bool breakglass;    /* the epoch was taken by break-glass, and no server has taken it in */
};
extern const struct ud_shape ud_wire_head_shape;
enum { UD_WIRE_HEADS = 2000 };

/* POST /v1/agent/result. */
struct ud_wire_result {
	const char *subject_id;
	int64_t seq;
	unsigned outcome; /* enum ud_outcome */
	struct ud_json result, error;
	const char *agent_boot;
	/* what the agent saw, signed with its own key (base/statement.h); NULL = it does not sign
	 */
	const char *statement, *signature;
};
extern const struct ud_shape ud_wire_result_shape;

/* POST /v1/agent/statement-key: the public half, hex, of the key that its statements are signed
 * with from now on. */
struct ud_wire_key {
	const char *public_key;
};
extern const struct ud_shape ud_wire_key_shape;

/* POST /v1/agent/progress: how far a long command is. Kept in memory, never a result. */
struct ud_wire_progress {
	const char *subject_id;
	int64_t seq, percent;
	struct ud_json steps;
};
extern const struct ud_shape ud_wire_progress_shape;

/* The bytes to sign: the command as JSON in the order of its fields. In cx->arena. */
const char *ud_wire_payload(struct ud_ctx *cx, const struct ud_wire_command *command);
/* Sign a payload; base64url in the arena. */
const char *ud_wire_sign(
	ud_arena *arena, const unsigned char key[UD_SIGN_KEY], const char *payload);
/*
 * Check the signature with the public key and read the command. UD_E_VALIDATION when the key's
 * owner did not sign these bytes, or they are no command.
 */
enum ud_code ud_wire_open(struct ud_ctx *cx, const unsigned char public_key[UD_SIGN_PUBLIC],
	const struct ud_wire_signed *message, struct ud_wire_command *ret) UD_USE;

#endif
