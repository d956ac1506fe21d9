/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field tables of the messages, and the signature over a command's bytes.
 */
#include "base/wire.h"

#include <string.h>

#include "base/crypto.h"
#include "base/statement.h"

static const char *const outcome_names[] = { "done", "refused", "failed", "unknown" };
const struct ud_enum ud_outcomes = { "outcome", outcome_names, UD_LEN(outcome_names) };

enum {
	ID = 30,
	UUID = 36,
	WORD = 64,
	HASH = 80,
	BOOT = 64,
	LIST = 1 << 18,
	HEADS = 1 << 19,
	RESULT = 900 << 10
};

/* clang-format off */
static const struct ud_field command_fields[] = {
	UD_FIELD(ud_wire_command, host_id,         .flags = UD_REQUIRED, .max = ID, .about = "Host that shall act."),
	UD_FIELD(ud_wire_command, subject_id,      .flags = UD_REQUIRED, .max = ID, .about = "VM or host that it is about."),
	UD_FIELD(ud_wire_command, uuid,            .max = UUID, .about = "The VM's UUID at the hypervisor."),
	UD_FIELD(ud_wire_command, seq,             .flags = UD_REQUIRED, .min = 1, .about = "Number, growing per subject."),
	UD_FIELD(ud_wire_command, epoch,           .flags = UD_REQUIRED, .min = 0, .about = "Fencing epoch of the VM."),
	UD_FIELD(ud_wire_command, verb,            .flags = UD_REQUIRED, .max = WORD, .about = "What to do."),
	UD_FIELD(ud_wire_command, args,            .about = "How to do it."),
	UD_FIELD(ud_wire_command, ticket_id,       .max = ID, .about = "Ticket behind it."),
	UD_FIELD(ud_wire_command, plan_hash,       .max = HASH, .about = "Hash of the approved plan."),
	UD_FIELD(ud_wire_command, timeout_seconds, .flags = UD_REQUIRED, .min = 1, .max = 86400, .about = "Time for doing it."),
};
static const struct ud_field signed_fields[] = {
	UD_FIELD(ud_wire_signed, payload,   .flags = UD_REQUIRED, .max = UD_WIRE_TEXT, .about = "The command's bytes."),
	UD_FIELD(ud_wire_signed, signature, .flags = UD_REQUIRED, .max = 100, .about = "Ed25519 over these bytes, base64url."),
};
static const struct ud_field poll_fields[] = {
	UD_FIELD(ud_wire_poll, agent_boot,    .flags = UD_REQUIRED, .max = BOOT, .about = "Chosen anew by each agent process."),
	UD_FIELD(ud_wire_poll, host_boot,     .flags = UD_REQUIRED, .max = BOOT, .about = "The machine's boot id."),
	UD_FIELD(ud_wire_poll, agent_version, .flags = UD_REQUIRED, .max = WORD, .about = "Version of the agent."),
	UD_FIELD(ud_wire_poll, working,       .max = LIST, .about = "Commands whose answers were not taken yet."),
	UD_FIELD(ud_wire_poll, heads,         .max = HEADS, .about = "Heads of the journal: ud_wire_head."),
};
static const struct ud_field head_fields[] = {
	UD_FIELD(ud_wire_head, subject_id, .flags = UD_REQUIRED, .max = ID, .about = "VM, or the host."),
	UD_FIELD(ud_wire_head, epoch,      .flags = UD_REQUIRED, .min = 0, .about = "Its epoch here."),
	UD_FIELD(ud_wire_head, seq,        .flags = UD_REQUIRED, .min = 0, .about = "Newest number taken."),
	UD_FIELD(ud_wire_head, role,       .flags = UD_REQUIRED, .max = WORD, .about = "Part this host plays."),
	UD_FIELD(ud_wire_head, breakglass, .about = "Promoted by break-glass, and not taken in yet."),
};
static const struct ud_field result_fields[] = {
	UD_FIELD(ud_wire_result, subject_id, .flags = UD_REQUIRED, .max = ID, .about = "VM or host of the command."),
	UD_FIELD(ud_wire_result, seq,        .flags = UD_REQUIRED, .min = 1, .about = "Number of the command."),
	UD_FIELD(ud_wire_result, outcome,    .flags = UD_REQUIRED, .values = &ud_outcomes, .about = "How it ended."),
	UD_FIELD(ud_wire_result, result,     .max = RESULT, .about = "What came out."),
	UD_FIELD(ud_wire_result, error,      .max = RESULT, .about = "Why it did not work."),
	UD_FIELD(ud_wire_result, agent_boot, .flags = UD_REQUIRED, .max = BOOT, .about = "Process that answers."),
	UD_FIELD(ud_wire_result, statement,  .max = UD_STATEMENT_MAX, .about = "What the agent saw, canonical JSON."),
	UD_FIELD(ud_wire_result, signature,  .max = UD_STATEMENT_SIGNATURE, .about = "Ed25519 of the agent over these bytes, base64url."),
};
static const struct ud_field key_fields[] = {
	UD_FIELD(ud_wire_key, public_key, .flags = UD_REQUIRED, .max = UD_STATEMENT_KEY_HEX, .about = "Ed25519 key, hex."),
};
static const struct ud_field progress_fields[] = {
	UD_FIELD(ud_wire_progress, subject_id, .flags = UD_REQUIRED, .max = ID, .about = "VM or host of the command."),
	UD_FIELD(ud_wire_progress, seq,        .flags = UD_REQUIRED, .min = 1, .about = "Number of the command."),
	UD_FIELD(ud_wire_progress, percent,    .flags = UD_REQUIRED, .min = 0, .max = 100, .about = "How much is done."),
	UD_FIELD(ud_wire_progress, steps,      .about = "Its steps."),
};
/* clang-format on */
const struct ud_shape ud_wire_command_shape = { UD_SHAPE(ud_wire_command, command_fields),
	.bare = true };
const struct ud_shape ud_wire_signed_shape = { UD_SHAPE(ud_wire_signed, signed_fields),
	.bare = true };
const struct ud_shape ud_wire_poll_shape = { UD_SHAPE(ud_wire_poll, poll_fields), .bare = true };
const struct ud_shape ud_wire_head_shape = { UD_SHAPE(ud_wire_head, head_fields), .bare = true };
const struct ud_shape ud_wire_result_shape = { UD_SHAPE(ud_wire_result, result_fields),
	.bare = true };
const struct ud_shape ud_wire_key_shape = { UD_SHAPE(ud_wire_key, key_fields), .bare = true };
const struct ud_shape ud_wire_progress_shape = { UD_SHAPE(ud_wire_progress, progress_fields),
	.bare = true };

const char *ud_wire_payload(struct ud_ctx *cx, const struct ud_wire_command *command)
{
	struct ud_buf b = { 0 };

	ud_shape_encode(&b, &ud_wire_command_shape, command, NULL);
	return ud_buf_take(cx->arena, &b);
}

const char *ud_wire_sign(ud_arena *arena, const unsigned char key[UD_SIGN_KEY], const char *payload)
{
	unsigned char signature[UD_SIGNATURE];

	ud_sign(key, payload, strlen(payload), signature);
	return ud_base64url(arena, signature, sizeof(signature));
}

enum ud_code ud_wire_open(struct ud_ctx *cx, const unsigned char public_key[UD_SIGN_PUBLIC],
	const struct ud_wire_signed *message, struct ud_wire_command *ret)
{
	size_t n = 0, length = strlen(message->payload);
	const unsigned char *signature = ud_base64url_decode(cx->arena, message->signature, &n);

	if (!signature || n != UD_SIGNATURE ||
		!ud_sign_verify(public_key, message->payload, length, signature))
		return ud_fail_field(cx, "signature", "wrong_signature",
			"The server's command key did not sign this command.");
	return ud_shape_read(cx, &ud_wire_command_shape, message->payload, length, ret);
}
