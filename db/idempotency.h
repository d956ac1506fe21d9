/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers kept for repeated calls: one row per principal and Idempotency-Key, written in the
 * transaction of the change it answers.
 */
#ifndef DB_IDEMPOTENCY_H
#define DB_IDEMPOTENCY_H

#include "db/engine/engine.h"
#include "db/scope.h"

struct ud_idempotent {
	const char *request_hash;
	int64_t status;
	const char *location; /* "" = none */
	const char *body;
};

/*
 * What makes two requests the same, method, target and body, under a MAC of the installation's key:
 * the body may hold a password, and a plain hash of it in the database would be cheap to guess at.
 * In the arena.
 */
const char *ud_idempotent_hash(struct ud_ctx *cx, const unsigned char *key, size_t key_n,
	const char *method, const char *target, const char *body, size_t n);
/*
 * The kept answer for a key of cx->scope's principal. *ret_found false when there is none;
 * UD_E_IDEMPOTENCY_KEY_IN_USE when it was used for another request.
 */
enum ud_code ud_idempotent_find(struct ud_ctx *cx, const char *key, const char *request_hash,
	bool *ret_found, struct ud_idempotent *ret) UD_USE;
enum ud_code ud_idempotent_store(
	struct ud_ctx *cx, const char *key, const struct ud_idempotent *row) UD_USE;
/* Forget what is older than an instant; *ret_n = how many. */
enum ud_code ud_idempotent_expire(struct ud_ctx *cx, int64_t before_ms, int64_t *ret_n) UD_USE;

#endif
