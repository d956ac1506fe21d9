/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements about requests to be let in.
 */
#include "db/devices.h"

#include <string.h>

static const char *const states[] = { "pending", "approved", "denied" };

#define COLUMNS \
	"id, client_name, address, state, user_id, scopes, created_at, expires_at, interval_seconds, polled_at"

/* The scopes as the JSON list that ud_texts_read takes. */
static const char *scopes_text(struct ud_ctx *cx, const struct ud_texts *scopes)
{
	struct ud_buf b = { 0 };

	ud_buf_putc(&b, '[');
	for (size_t i = 0; i < scopes->count; i++) {
		if (i)
			ud_buf_putc(&b, ',');
		ud_buf_json(&b, scopes->items[i]);
	}
	ud_buf_putc(&b, ']');
	return ud_buf_take(cx->arena, &b);
}

enum ud_code ud_device_add(struct ud_ctx *cx, const struct ud_device_request *row,
	const char *device_hash, const char *code_hash)
{
	/* every tenant: what is over may go */
	UD_TRY(ud_exec(cx, NULL, "DELETE FROM device_requests WHERE expires_at < $1",
		UD_VALS(ud_i(cx->now_ms))));
	/* every tenant: whoever asks has none yet */
	return ud_exec(cx, NULL,
		"INSERT INTO device_requests(" COLUMNS ", device_hash, code_hash)"
		" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
		UD_VALS(ud_t(row->id), ud_t(row->client_name), ud_t(row->address),
			ud_t(states[row->state]), ud_t(row->user_id),
			ud_t(scopes_text(cx, &row->scopes)), ud_i(row->created_at),
			ud_i(row->expires_at), ud_i(row->interval_seconds), ud_i(row->polled_at),
			ud_t(device_hash), ud_t(code_hash)));
}

static enum ud_device_state state_of(const char *name)
{
	size_t i = 0;

	while (i + 1 < UD_LEN(states) && strcmp(states[i], name) != 0)
		i++;
	return (enum ud_device_state)i;
}

static enum ud_code read_one(struct ud_ctx *cx, const char *sql, const char *hash, bool *ret_found,
	struct ud_device_request *ret)
{
	UD_AUTO(ud_rows) *rows = NULL;

	UD_TRY(ud_query(cx, &rows, sql, UD_VALS(ud_t(hash), ud_i(cx->now_ms))));
	UD_TRY(ud_next(cx, rows, ret_found));
	if (!*ret_found)
		return UD_OK;
	*ret = (struct ud_device_request){ .id = ud_col_dup(cx, rows, 0),
		.client_name = ud_col_dup(cx, rows, 1),
		.address = ud_col_dup(cx, rows, 2),
		.state = state_of(ud_col_text(rows, 3)),
		.user_id = ud_col_dup(cx, rows, 4),
		.created_at = ud_col_int(rows, 6),
		.expires_at = ud_col_int(rows, 7),
		.interval_seconds = ud_col_int(rows, 8),
		.polled_at = ud_col_int_or_none(rows, 9) };
	ud_texts_read(cx, ud_col_text(rows, 5), &ret->scopes);
	return UD_OK;
}

enum ud_code ud_device_by_code(
	struct ud_ctx *cx, const char *code_hash, bool *ret_found, struct ud_device_request *ret)
{
	/* every tenant: it has none before somebody has approved */
	return read_one(cx,
		"SELECT " COLUMNS " FROM device_requests WHERE code_hash = $1 AND expires_at >= $2",
		code_hash, ret_found, ret);
}

enum ud_code ud_device_by_secret(
	struct ud_ctx *cx, const char *device_hash, bool *ret_found, struct ud_device_request *ret)
{
	/* every tenant: whoever shows a secret has no scope yet */
	return read_one(cx,
		"SELECT " COLUMNS
		" FROM device_requests WHERE device_hash = $1 AND expires_at >= $2",
		device_hash, ret_found, ret);
}

enum ud_code ud_devices_open(struct ud_ctx *cx, const char *address, int64_t *ret, int64_t *ret_all)
{
	bool found;

	/* every tenant: whoever asks has none yet */
	UD_TRY(ud_query_int(cx, &found, ret_all,
		"SELECT COUNT(*) FROM device_requests WHERE expires_at >= $1",
		UD_VALS(ud_i(cx->now_ms))));
	/* every tenant: as above */
	return ud_query_int(cx, &found, ret,
		"SELECT COUNT(*) FROM device_requests WHERE address = $1 AND expires_at >= $2",
		UD_VALS(ud_t(address), ud_i(cx->now_ms)));
}

enum ud_code ud_device_update(
	struct ud_ctx *cx, const struct ud_device_request *row, bool *ret_done)
{
	int64_t changes = 0;

	/* every tenant: found by a secret or a code just now */
	UD_TRY(ud_exec(cx, &changes,
		"UPDATE device_requests SET state = $1, user_id = $2, scopes = $3, interval_seconds = $4,"
		" polled_at = $5 WHERE id = $6 AND state = 'pending'",
		UD_VALS(ud_t(states[row->state]), ud_t(row->user_id),
			ud_t(scopes_text(cx, &row->scopes)), ud_i(row->interval_seconds),
			ud_i(row->polled_at), ud_t(row->id))));
	*ret_done = changes == 1;
	return UD_OK;
}

enum ud_code ud_device_delete(struct ud_ctx *cx, const char *id, bool *ret_done)
{
	int64_t changes = 0;

	/* every tenant: found by its secret just now */
	UD_TRY(ud_exec(
		cx, &changes, "DELETE FROM device_requests WHERE id = $1", UD_VALS(ud_t(id))));
	*ret_done = changes == 1;
	return UD_OK;
}
