/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The field table of evidence.
 */
#include "db/evidence.h"

/* clang-format off */
static const struct ud_field fields[] = {
	UD_FIELD(ud_evidence, failover_id, .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .about = "Run that it records."),
	UD_FIELD(ud_evidence, ticket_id,   .flags = UD_SERVER, .about = "Ticket of the run."),
	UD_FIELD(ud_evidence, kind,        .flags = UD_SERVER | UD_FILTER | UD_BRIEF, .values = &ud_failover_kinds, .about = "Test, planned or unplanned."),
	UD_FIELD(ud_evidence, verdict,     .flags = UD_SERVER | UD_BRIEF, .about = "Of the run's checks."),
	UD_FIELD(ud_evidence, sha256,      .flags = UD_SERVER, .about = "SHA-256 of the document."),
	UD_FIELD(ud_evidence, public_key,  .flags = UD_SERVER, .about = "Ed25519 key that it is sealed with, hex."),
	UD_FIELD(ud_evidence, size_bytes,  .flags = UD_SERVER | UD_BRIEF, .about = "Size of the document."),
};
/* clang-format on */
static const struct ud_shape shape = { .object = "evidence",
	.prefix = "evd",
	.table = "evidence",
	UD_SHAPE(ud_evidence, fields),
	.about = "The sealed record of a failover." };
const struct ud_table ud_evidence_table = { .shape = &shape };

enum { BATCH = 20 };

enum ud_code ud_evidence_missing(struct ud_ctx *cx, struct ud_texts *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = false;

	ret->items = ud_alloc(cx->arena, sizeof(char *) * BATCH);
	ret->count = 0;
	/* every tenant: records are made for all */
	UD_TRY(ud_query(cx, &rows,
		"SELECT f.id FROM failovers f WHERE f.ended_at IS NOT NULL"
		" AND f.started_at IS NOT NULL AND f.state IN ('protected', 'closed_unprotected',"
		" 'rolled_back', 'failed', 'solved') AND NOT EXISTS (SELECT 1 FROM evidence e WHERE e.failover_id = f.id)"
		" ORDER BY f.id LIMIT 20",
		UD_NO_VALS));
	UD_TRY(ud_next(cx, rows, &more));
	while (more && ret->count < BATCH) {
		ret->items[ret->count++] = ud_col_dup(cx, rows, 0);
		UD_TRY(ud_next(cx, rows, &more));
	}
	return UD_OK;
}

enum ud_code ud_evidence_of(
	struct ud_ctx *cx, const char *failover_id, bool *ret_found, struct ud_evidence *ret)
{
	const char *id = NULL;

	/* every tenant: the row is read with the scope below */
	UD_TRY(ud_query_text(cx, ret_found, &id, "SELECT id FROM evidence WHERE failover_id = $1",
		UD_VALS(ud_t(failover_id))));
	return *ret_found ? ud_row_get(cx, &ud_evidence_table, id, ret) : UD_OK;
}

enum ud_code ud_evidence_keep(struct ud_ctx *cx, const char *id, const char *bundle)
{
	/* every tenant: the row was made before in this transaction */
	return ud_exec(cx, NULL, "UPDATE evidence SET bundle = $2 WHERE id = $1",
		UD_VALS(ud_t(id), ud_t(bundle)));
}

enum ud_code ud_evidence_bundle(struct ud_ctx *cx, const struct ud_evidence *e, const char **ret)
{
	bool found = false;

	/* every tenant: the row was read with the caller's scope */
	UD_TRY(ud_query_text(cx, &found, ret, "SELECT bundle FROM evidence WHERE id = $1",
		UD_VALS(ud_t(e->row.id))));
	return found ? UD_OK : ud_fail(cx, UD_E_NOT_FOUND, NULL, "There is no such evidence.");
}
