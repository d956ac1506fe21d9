/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log as a file: its first line names the heads of the chains and is sealed as evidence
 * is, then the records follow, chain by chain, one on a line in canonical form. Written by the
 * server, checked by anybody, offline: the hash of a record is made here for both.
 */
#ifndef BASE_AUDIT_H
#define BASE_AUDIT_H

#include <jansson.h>

#include "base/buf.h"
#include "base/evidence.h"

#define UD_AUDIT_SCHEMA "understudy.audit/2"
/* Of files from before records could be emptied; they are checked, never written. */
#define UD_AUDIT_SCHEMA_1 "understudy.audit/1"

/* What says in a customer's chain that its records were to be emptied, and that they are. These two
 * records stay as they were written. */
#define UD_ERASURE_BEGUN "customer.erasure_begun"
#define UD_ERASURE_ENDED "customer.erased"

/* One record. Texts may be NULL, but for id, type, previous_hash and hash. */
struct ud_audit_line {
	int64_t seq, created_at; /* place in its chain; milliseconds */
	const char *id, *customer_id, *type;
	const char *actor_kind, *actor_id, *actor_name, *on_behalf_of, *via, *address, *request_id;
	const char *subject_object, *subject_id;
	const char *data, *previous; /* JSON texts, as they were stored */
	const char *previous_hash, *hash;
	/* What may be forgotten (actor_name, address, data, previous) stands in the hash by its
	 * digest alone, which chance in front keeps from being guessed. An emptied record has the
	 * digest, without them and without salt; one from before this was so has neither. */
	const char *salt, *personal_digest;
};

/* The digest of what may be forgotten: SHA-256 over salt and the canonical text of those members,
 * in hex. */
const char *ud_audit_personal(struct ud_ctx *cx, const struct ud_audit_line *line);
/* The hash that a record must carry: SHA-256 over previous_hash and the canonical text of its
 * members, in hex; personal_digest stands for those that may be forgotten, where it is there. */
const char *ud_audit_hash(struct ud_ctx *cx, const struct ud_audit_line *line);
/* Does the record carry its hash, and its digest unless it was emptied? */
bool ud_audit_whole(struct ud_ctx *cx, const struct ud_audit_line *line);
/* Was the record emptied? */
bool ud_audit_emptied(const struct ud_audit_line *line);
/* Does the record say that its customer was to be erased? Without one in its chain no record there
 * may be empty. */
bool ud_audit_asks_erasure(const struct ud_audit_line *line);
#define UD_AUDIT_NOT_ASKED "It was emptied, and nobody has asked to have its customer erased."
/* Append the record as a line of the file, without an end of line. */
void ud_audit_line_write(struct ud_ctx *cx, struct ud_buf *out, const struct ud_audit_line *line);

/* A file while it is checked, line after line. */
struct ud_audit_check {
	struct ud_evidence_report *report; /* parts = chains, lines = records */
	ud_arena *keep;                    /* where the report's texts live */
	json_t *heads;
	size_t chain; /* number of the head whose records come now */
	int64_t seq, row;
	char hash[65];
	int64_t emptied; /* line of the chain's first record that was emptied, 0 = none */
	bool asked;      /* its erasure was asked for */
};

/* Is this the first line of such a file? For those that may be of several kinds. */
bool ud_audit_is(const char *text);
/*
 * Begin with the first line. known as for ud_evidence_verify. Never fails: what is wrong is a
 * finding, "line N" where it stands. Release with ud_audit_check_end.
 */
void ud_audit_check_begin(struct ud_ctx *cx, struct ud_audit_check *check, const char *text,
	size_t n, const char *const *known, size_t known_n, struct ud_evidence_report *report);
/* The next line, without its end. */
void ud_audit_check_line(
	struct ud_ctx *cx, struct ud_audit_check *check, const char *text, size_t n);
/* After the last line: what is missing behind it is found. */
void ud_audit_check_end(struct ud_ctx *cx, struct ud_audit_check *check);

#endif
