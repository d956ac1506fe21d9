/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of programs to be let in by a person (RFC 8628): found by the hash of the code that the
 * person types, or of the secret that the program keeps. They belong to no tenant: who asks is not
 * known before somebody has approved.
 */
#ifndef DB_DEVICES_H
#define DB_DEVICES_H

#include "base/shape.h"
#include "db/engine/engine.h"

enum ud_device_state { UD_DEVICE_PENDING, UD_DEVICE_APPROVED, UD_DEVICE_DENIED };

struct ud_device_request {
	const char *id, *client_name, *address;
	enum ud_device_state state;
	const char *user_id;    /* who approved, else NULL */
	struct ud_texts scopes; /* of the token to be made */
	int64_t created_at, expires_at, interval_seconds;
	int64_t polled_at; /* UD_NONE = never */
};

/* Store a new one under the hashes of its two codes; what is over is forgotten. */
enum ud_code ud_device_add(struct ud_ctx *cx, const struct ud_device_request *row,
	const char *device_hash, const char *code_hash) UD_USE;
/* One whose time is not up. *ret_found false when there is none. */
enum ud_code ud_device_by_code(struct ud_ctx *cx, const char *code_hash, bool *ret_found,
	struct ud_device_request *ret) UD_USE;
enum ud_code ud_device_by_secret(struct ud_ctx *cx, const char *device_hash, bool *ret_found,
	struct ud_device_request *ret) UD_USE;
/* How many are open, of an address and of all. */
enum ud_code ud_devices_open(struct ud_ctx *cx, const char *address, int64_t *ret, int64_t *ret_all)
	UD_USE;
/* Store state, user_id, scopes, interval_seconds and polled_at of one that nobody has answered.
 * *ret_done false when somebody was faster. */
enum ud_code ud_device_update(
	struct ud_ctx *cx, const struct ud_device_request *row, bool *ret_done) UD_USE;
/* Forget one. *ret_done false when somebody was faster. */
enum ud_code ud_device_delete(struct ud_ctx *cx, const char *id, bool *ret_done) UD_USE;

#endif
