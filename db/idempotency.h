/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers kept for repeated calls: one row per principal and Idempotency-Key, written in the
 * transaction of the change it answers.
 */
#ifndef DB_IDEMPOTENCY_H
#define DB_IDEMPOTENCY_H

#include "db/engine/engine.h"
#include "db/scope.h"

/* A key with the request it was used for, and the answer that was given. */
struct ud_idempotent {
	const char *key, *request_hash;
	/*
	 * Not NULL for answers that hold a secret: the body lies sealed under this key of
	 * UD_SEAL_KEY bytes, tied to tenant, principal, Idempotency-Key and request.
	 */
	const unsigned char *seal;
	int64_t status;
	const char *headers; /* "Name: value\n" each, no secrets; "" = none */
	const char *body;
};

/*
 * What makes two requests the same: method, target, body and the customer that staff act for, under
 * a MAC of the installation's key: the body may hold a password, and a plain hash of it in the
 * database would be cheap to guess at. In the arena.
 */
const char *ud_idempotent_hash(struct ud_ctx *cx, const unsigned char *key, size_t key_n,
	const char *method, const char *target, const char *body, size_t n);
/*
 * The kept answer for row->key of cx->scope's principal: fills status, headers and body.
 * *ret_found false when there is none; UD_E_IDEMPOTENCY_KEY_IN_USE when the key was used for
 * another request; UD_E_EXPIRED when the answer was sealed under another key of the installation.
 */
enum ud_code ud_idempotent_find(struct ud_ctx *cx, struct ud_idempotent *row, bool *ret_found)
	UD_USE;
/* Keep an answer, in the transaction of the change it answers. */
enum ud_code ud_idempotent_store(struct ud_ctx *cx, const struct ud_idempotent *row) UD_USE;
/* Forget what is older than an instant; *ret_n = how many. */
enum ud_code ud_idempotent_expire(struct ud_ctx *cx, int64_t before_ms, int64_t *ret_n) UD_USE;

#endif
