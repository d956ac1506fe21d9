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

#define UD_AUDIT_SCHEMA "understudy.audit/1"

/* One record. Texts may be NULL, but for id, type, previous_hash and hash. */
struct ud_audit_line {
	int64_t seq, created_at; /* place in its chain; milliseconds */
	const char *id, *customer_id, *type;
	const char *actor_kind, *actor_id, *actor_name, *on_behalf_of, *via, *address, *request_id;
	const char *subject_object, *subject_id;
	const char *data, *previous; /* JSON texts, as they were stored */
	const char *previous_hash, *hash;
};

/* The hash that a record must carry: SHA-256 over previous_hash and the canonical text of its
 * members, in hex. */
const char *ud_audit_hash(struct ud_ctx *cx, const struct ud_audit_line *line);
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
