/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements: what an agent saw while it did a command of a failover, as canonical JSON (RFC 8785),
 * signed with the agent's own Ed25519 key. The server keeps both as they came, and evidence carries
 * them, so that a measured number can be followed to the machine that measured it. A pure part of
 * both sides. Any thread.
 *
 * Members: "schema", "agent_id", "host_id", "subject_id", "command", "verb", "epoch", "ticket_id",
 * "outcome", "key" (public half, hex), "began_at" and "ended_at" (the host's wall clock), "took_ms"
 * (its steady clock), "again" (a crash cut the first try off; times are of this one), "marks"
 * (list of {"after_ms","point"}: when which part was done) and "facts" (what the verb answered).
 */
#ifndef BASE_STATEMENT_H
#define BASE_STATEMENT_H

#include <jansson.h>

#include "base/ctx.h"
#include "base/sign.h"

#define UD_STATEMENT_SCHEMA "understudy.statement/1"
enum {
	UD_STATEMENT_MARKS = 16,
	UD_STATEMENT_MAX = 256 << 10,
	UD_STATEMENT_KEY_HEX = 2 * UD_SIGN_PUBLIC,
	UD_STATEMENT_SIGNATURE = 100 /* at most, in base64url */
};

struct ud_statement_mark {
	const char *point;
	int64_t after_ms; /* since the beginning */
};

/* What is stated. */
struct ud_statement {
	const char *agent_id, *host_id, *subject_id;
	int64_t seq, epoch;
	const char *verb, *ticket_id, *outcome;
	bool again;
	int64_t began_ms, ended_ms, took_ms;
	struct ud_statement_mark marks[UD_STATEMENT_MARKS];
	size_t mark_count;
	const char *result; /* the answer, a JSON object; NULL = there is none */
};

/* What a server thinks of a statement. */
enum ud_statement_verdict {
	UD_STATEMENT_VALID,
	UD_STATEMENT_INVALID, /* there is one, and it is not the agent's word about this command */
	UD_STATEMENT_MISSING, /* the agent does not sign */
	UD_STATEMENT_VERDICTS
};
extern const char *const ud_statement_verdicts[UD_STATEMENT_VERDICTS];

/* Are answers to this verb stated? Those of failovers are. */
bool ud_statement_wanted(const char *verb);
/*
 * What of an answer is stated, in the canonical form of its values: pictures by their hash, of
 * points what they are called, how old they are and what state they are in. NULL when it is no JSON
 * object. The caller releases it (json_decref).
 */
json_t *ud_statement_facts(struct ud_ctx *cx, const char *verb, const char *result);

/* Write and sign it: canonical text, and the signature in base64url; in the arena.
 * UD_E_MALFORMED when the result is no JSON object, UD_E_BODY_TOO_LARGE. */
enum ud_code ud_statement_write(struct ud_ctx *cx, const unsigned char key[UD_SIGN_KEY],
	const struct ud_statement *in, const char **ret_text, const char **ret_signature) UD_USE;

/* Did the owner of this key (public half, hex) sign exactly this text? There is one way to write a
 * signature. */
bool ud_statement_signed(
	struct ud_ctx *cx, const char *key_hex, const char *text, const char *signature) UD_USE;

/*
 * Is a text the word of an agent about a command? Compared are agent_id, host_id, subject_id, seq
 * and verb of like; NULL or the sentence that says what is not so. *ret, when not NULL, is the
 * parsed statement, to be released by the caller; NULL when it cannot be read.
 */
const char *ud_statement_about(
	struct ud_ctx *cx, const char *text, const struct ud_statement *like, json_t **ret);

/* What a statement says of itself; texts in the arena, NULL and UD_NONE = it does not. */
struct ud_statement_told {
	const char *agent_id, *key;
	int64_t took_ms;
};
/*
 * Does a text state what was answered? Compared are host_id, subject_id, seq, verb, outcome and
 * result of like. NULL or the sentence that says what is not so; *ret is filled as far as the text
 * can be read.
 */
const char *ud_statement_answers(struct ud_ctx *cx, const char *text,
	const struct ud_statement *like, struct ud_statement_told *ret);

#endif
