/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the check of evidence share.
 */
#ifndef BASE_EVIDENCE_INSIDE_H
#define BASE_EVIDENCE_INSIDE_H

#include <jansson.h>

#include "base/evidence.h"

/* Note something that is not as it was sealed or stated; the texts are not copied. */
void ud_evidence_find(struct ud_evidence_report *r, const char *where, const char *what);

/*
 * The statements of agents in a document (members "agents", "statements"; a document without them
 * is older than they are): each signature, to which command it belongs, and whether the numbers of
 * the record are those that were stated.
 */
void ud_evidence_statements(struct ud_ctx *cx, json_t *doc, struct ud_evidence_report *r);

#endif
