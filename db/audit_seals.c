/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Seals are the installation's: they name chains of all tenants, and nobody but its own people and
 * its hosts gets them.
 */
#include "db/audit_seals.h"

#include "base/audit_seal.h"

enum ud_code ud_audit_seals_due(struct ud_ctx *cx, bool *ret)
{
	int64_t one;

	/* every tenant: the log is sealed as a whole */
	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM log_heads WHERE customer_id <> '*' AND seq > sealed_seq LIMIT 1",
		UD_NO_VALS);
}

static enum ud_code visit_grown(struct ud_ctx *cx, ud_grown_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = true;

	/* every tenant: the log is sealed as a whole */
	UD_TRY(ud_query(cx, &rows,
		"SELECT customer_id, seq, hash FROM log_heads"
		" WHERE customer_id <> '*' AND seq > sealed_seq ORDER BY customer_id LIMIT $1",
		UD_VALS(ud_i(UD_AUDIT_SEAL_HEADS))));
	for (;;) {
		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			return UD_OK;
		UD_TRY(visit(cx, data, ud_col_dup(cx, rows, 0), ud_col_int(rows, 1),
			ud_col_dup(cx, rows, 2)));
	}
}

enum ud_code ud_audit_seals_grown(struct ud_ctx *cx, ud_grown_visitor *visit, void *data)
{
	UD_TRY(visit_grown(cx, visit, data));
	/* every tenant: those that were visited, since nobody else writes meanwhile */
	return ud_exec(cx, NULL,
		"UPDATE log_heads SET sealed_seq = seq WHERE customer_id IN"
		" (SELECT customer_id FROM log_heads WHERE customer_id <> '*' AND seq > sealed_seq"
		" ORDER BY customer_id LIMIT $1)",
		UD_VALS(ud_i(UD_AUDIT_SEAL_HEADS)));
}

#define COLUMNS "number, generation, sealed_at, digest, document"

static void read_row(struct ud_ctx *cx, const ud_rows *rows, struct ud_seal_row *ret)
{
	*ret = (struct ud_seal_row){ ud_col_int(rows, 0), ud_col_int(rows, 1), ud_col_int(rows, 2),
		ud_col_dup(cx, rows, 3), ud_col_dup(cx, rows, 4) };
}

static enum ud_code read_one(
	struct ud_ctx *cx, ud_rows *rows, bool *ret_found, struct ud_seal_row *ret)
{
	UD_TRY(ud_next(cx, rows, ret_found));
	if (*ret_found)
		read_row(cx, rows, ret);
	return UD_OK;
}

enum ud_code ud_audit_seal_last(struct ud_ctx *cx, bool *ret_found, struct ud_seal_row *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;

	/* every tenant: seals are the installation's */
	UD_TRY(ud_query(cx, &rows,
		"SELECT " COLUMNS " FROM audit_seals ORDER BY number DESC LIMIT 1", UD_NO_VALS));
	return read_one(cx, rows, ret_found, ret);
}

enum ud_code ud_audit_seal_get(
	struct ud_ctx *cx, int64_t number, bool *ret_found, struct ud_seal_row *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;

	/* every tenant: seals are the installation's */
	UD_TRY(ud_query(cx, &rows, "SELECT " COLUMNS " FROM audit_seals WHERE number = $1",
		UD_VALS(ud_i(number))));
	return read_one(cx, rows, ret_found, ret);
}

enum ud_code ud_audit_seal_before(struct ud_ctx *cx, int64_t generation, int64_t *ret)
{
	bool found;

	*ret = 0;
	/* every tenant: seals are the installation's */
	return ud_query_int(cx, &found, ret,
		"SELECT number - 1 FROM audit_seals WHERE generation >= $1"
		" ORDER BY generation, number LIMIT 1",
		UD_VALS(ud_i(generation)));
}

enum ud_code ud_audit_seal_add(struct ud_ctx *cx, const struct ud_seal_row *row)
{
	/* every tenant: seals are the installation's */
	return ud_exec(cx, NULL, "INSERT INTO audit_seals(" COLUMNS ") VALUES ($1, $2, $3, $4, $5)",
		UD_VALS(ud_i(row->number), ud_i(row->generation), ud_i(row->sealed_at),
			ud_t(row->digest), ud_t(row->document)));
}

enum ud_code ud_audit_seal_list(
	struct ud_ctx *cx, int64_t after, size_t limit, ud_seal_visitor *visit, void *data)
{
	UD_AUTO(ud_rows) *rows = NULL;
	bool more = true;

	/* every tenant: seals are the installation's */
	UD_TRY(ud_query(cx, &rows,
		"SELECT " COLUMNS " FROM audit_seals WHERE number > $1 ORDER BY number LIMIT $2",
		UD_VALS(ud_i(after), ud_i((int64_t)limit))));
	for (;;) {
		struct ud_seal_row row;

		UD_TRY(ud_next(cx, rows, &more));
		if (!more)
			return UD_OK;
		read_row(cx, rows, &row);
		UD_TRY(visit(cx, data, &row));
	}
}

enum ud_code ud_audit_seal_holds(
	struct ud_ctx *cx, const char *customer_id, int64_t seq, const char *hash, bool *ret)
{
	int64_t one;

	return ud_query_int(cx, ret, &one,
		"SELECT 1 FROM events WHERE COALESCE(customer_id, '') = $1 AND seq = $2 AND hash = $3",
		UD_VALS(ud_t(customer_id), ud_i(seq), ud_t(hash)));
}

enum ud_code ud_audit_seal_doubt(
	struct ud_ctx *cx, const char *host_id, int64_t number, const char *digest, bool *ret_new)
{
	int64_t changes = 0;

	/* every tenant: seals are the installation's */
	UD_TRY(ud_exec(cx, &changes,
		"INSERT INTO audit_seal_doubts(host_id, number, digest, told_at)"
		" VALUES ($1, $2, $3, $4) ON CONFLICT(host_id) DO NOTHING",
		UD_VALS(ud_t(host_id), ud_i(number), ud_t(digest), ud_i(cx->now_ms))));
	*ret_new = changes > 0;
	return UD_OK;
}
