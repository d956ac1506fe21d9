/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence: the record of a failover as one JSON document in canonical form (RFC 8785: members
 * sorted, no blanks, integers and texts alone), whose timeline is a chain of hashes, whose parts
 * have a digest each, and which is signed. Made by the server, checked by anybody, offline: both
 * are here, so that they cannot disagree.
 *
 * Members: "schema", "timeline" (list of objects), "pictures" (list of objects with "png" in
 * base64), "plan" (text) and "plan_hash"; "agents" (their public keys) and "statements" (what they
 * have signed, base/statement.h), against which the numbers of "steps", "vms" and "failover" are
 * checked; what else there is, is covered alike. Added here: "hash"
 * of each line of the timeline, "sha256" of each picture, "digests" (JSON pointer -> SHA-256) and
 * "seal".
 */
#ifndef BASE_EVIDENCE_H
#define BASE_EVIDENCE_H

#include "base/ctx.h"
#include "base/sign.h"

#define UD_EVIDENCE_SCHEMA "understudy.evidence/1"
enum { UD_EVIDENCE_MAX = 64 << 20, UD_EVIDENCE_FINDINGS = 64 };

/* The canonical form of a JSON text, in the arena. UD_E_MALFORMED. */
enum ud_code ud_canonical(struct ud_ctx *cx, const char *text, size_t n, const char **ret) UD_USE;

/* Complete and sign a document given as JSON text. The result is canonical, in the arena. */
enum ud_code ud_evidence_seal(struct ud_ctx *cx, const char *text,
	const unsigned char key[UD_SIGN_KEY], const char **ret) UD_USE;

/* Put "schema" and a seal alone into a document given as JSON text; what it covers is up to the
 * caller. The result is canonical, in the arena. */
enum ud_code ud_seal_make(struct ud_ctx *cx, const char *text, const char *schema,
	const unsigned char key[UD_SIGN_KEY], const char **ret) UD_USE;

/* Something that is not as it was sealed. */
struct ud_evidence_finding {
	const char *where; /* JSON pointer: "/timeline/4", "/pictures/1/png", "/seal/signature" */
	const char *what;  /* sentence */
};
struct ud_evidence_report {
	bool intact;
	const char *id, *public_key; /* of the seal, hex; NULL when it cannot be read */
	const char *sealed_at;
	int64_t parts, lines, pictures; /* that were compared */
	/* agents' answers that carry a valid signature of the agent, and those that do not */
	int64_t signed_answers, unsigned_answers;
	struct ud_evidence_finding findings[UD_EVIDENCE_FINDINGS];
	size_t count;
};
/*
 * Check every byte of a document. known: public keys that are believed, hex, or an empty list: then
 * a seal by any key counts, and the caller shows whose it is. Never fails: what cannot be read is a
 * finding.
 */
void ud_evidence_verify(struct ud_ctx *cx, const char *text, size_t n, const char *const *known,
	size_t known_n, struct ud_evidence_report *ret);
/* The same for a document of ud_seal_make: its form and its seal. */
void ud_seal_verify(struct ud_ctx *cx, const char *text, size_t n, const char *schema,
	const char *const *known, size_t known_n, struct ud_evidence_report *ret);

#endif
