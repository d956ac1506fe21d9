/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Passwords: argon2id (RFC 9106) by libsodium over HMAC-SHA-256 of the password under a pepper that
 * is not in the database. Hashing takes tens to hundreds of milliseconds: only on the slow pool.
 * Any thread.
 */
#ifndef BASE_PASSWORD_H
#define BASE_PASSWORD_H

#include "base/ctx.h"

enum { UD_PEPPER = 32, UD_PASSWORD_MIN = 12, UD_PASSWORD_MAX = 128 };

/* Cost: customers t=2, 19 MiB (37 ms measured); staff t=3, 64 MiB (314 ms measured). One lane. */
enum ud_password_cost { UD_COST_CUSTOMER, UD_COST_STAFF };

/* The rule that a new password breaks, or NULL: 12 to 128 characters, not well known, not made from
 * the e-mail. */
const char *ud_password_rule(const char *password, const char *email);
/* A PHC string in the arena. UD_E_OVERLOADED when there is no memory for the hash. */
enum ud_code ud_password_hash(struct ud_ctx *cx, const unsigned char pepper[UD_PEPPER],
	enum ud_password_cost cost, const char *password, const char **ret) UD_USE;
/* True when the password belongs to the hash. */
bool ud_password_verify(
	const unsigned char pepper[UD_PEPPER], const char *hash, const char *password);
/* A hash that no password has, to spend the same time on unknown accounts. */
const char *ud_password_nobody(enum ud_password_cost cost);
/* True when the hash was made at another cost than now wanted. */
bool ud_password_outdated(const char *hash, enum ud_password_cost cost);

#endif
