/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys belong to a principal, so two tenants never meet in one.
 */
#include "db/idempotency.h"

#include <string.h>

#include "base/buf.h"
#include "base/crypto.h"

const char *ud_idempotent_hash(struct ud_ctx *cx, const unsigned char *key, size_t key_n,
	const char *method, const char *target, const char *body, size_t n)
{
	struct ud_buf b = { 0 };
	unsigned char mac[UD_SHA256];

	ud_buf_printf(&b, "%s %s\n", method, target);
	if (cx->scope->on_behalf_of)
		ud_buf_printf(&b, "for %s\n", cx->scope->on_behalf_of);
	ud_buf_add(&b, body, n);
	ud_hmac_sha256(key, key_n, b.data, b.len, mac);
	ud_buf_free(&b);
	return ud_hex(cx->arena, mac, sizeof(mac));
}

static const char *principal(const struct ud_ctx *cx)
{
	return cx->scope->id ? cx->scope->id : "";
}

/* What a sealed answer is tied to: a row copied to another tenant, person, key or request stays
 * shut. */
static const char *place(const struct ud_ctx *cx, const struct ud_idempotent *row)
{
	const char *customer = cx->scope->customer_id;

	return ud_printf(cx->arena, "idempotency\n%s\n%s\n%s\n%s", customer ? customer : "",
		principal(cx), row->key, row->request_hash);
}

enum ud_code ud_idempotent_find(struct ud_ctx *cx, struct ud_idempotent *row, bool *ret_found)
{
	UD_AUTO(ud_rows) *rows = NULL;

	/* every tenant: the key is the principal's own */
	UD_TRY(ud_query(cx, &rows,
		"SELECT request_hash, status, headers, body FROM idempotency_keys"
		" WHERE principal_id = $1 AND key = $2",
		UD_VALS(ud_t(principal(cx)), ud_t(row->key))));
	UD_TRY(ud_next(cx, rows, ret_found));
	if (!*ret_found)
		return UD_OK;
	if (strcmp(ud_col_text(rows, 0), row->request_hash) != 0)
		return ud_fail(cx, UD_E_IDEMPOTENCY_KEY_IN_USE, NULL,
			"The key was used with another method, address or body.");
	row->status = ud_col_int(rows, 1);
	row->headers = ud_col_dup(cx, rows, 2);
	row->body = row->seal
		? ud_unseal(cx->arena, row->seal, place(cx, row), ud_col_text(rows, 3))
		: ud_col_dup(cx, rows, 3);
	if (!row->body)
		return ud_fail(cx, UD_E_EXPIRED, NULL,
			"The first answer held a secret and was sealed under another key of the installation.");
	return UD_OK;
}

enum ud_code ud_idempotent_store(struct ud_ctx *cx, const struct ud_idempotent *row)
{
	const char *body = row->seal
		? ud_seal(cx->arena, cx->env, row->seal, place(cx, row), row->body)
		: row->body;

	return ud_exec(cx, NULL,
		"INSERT INTO idempotency_keys(principal_id, key, customer_id, request_hash, status, headers, body, created_at)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
		UD_VALS(ud_t(principal(cx)), ud_t(row->key), ud_t(cx->scope->customer_id),
			ud_t(row->request_hash), ud_i(row->status), ud_t(row->headers), ud_t(body),
			ud_i(cx->now_ms)));
}

enum ud_code ud_idempotent_expire(struct ud_ctx *cx, int64_t before_ms, int64_t *ret_n)
{
	/* every tenant: housekeeping by age */
	return ud_exec(cx, ret_n, "DELETE FROM idempotency_keys WHERE created_at < $1",
		UD_VALS(ud_i(before_ms)));
}
