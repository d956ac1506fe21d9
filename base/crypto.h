/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few pieces of cryptography the house uses, each over OpenSSL's EVP or a published table. Not
 * for passwords (password.h) nor TLS. Any thread. A failing library aborts: nothing sensible could
 * follow.
 */
#ifndef BASE_CRYPTO_H
#define BASE_CRYPTO_H

#include "base/arena.h"
#include "base/env.h"

enum { UD_SHA256 = 32, UD_SHA256_HEX = 65, UD_SEAL_KEY = 32 };

/* SHA-256 (FIPS 180-4). */
void ud_sha256(const void *data, size_t n, unsigned char out[UD_SHA256]);
/* The same as lower-case hex with a NUL. */
void ud_sha256_hex(const void *data, size_t n, char out[UD_SHA256_HEX]);
/* HMAC-SHA-256 (RFC 2104). */
void ud_hmac_sha256(
	const void *key, size_t key_n, const void *data, size_t n, unsigned char out[UD_SHA256]);
/* HMAC-SHA-1, for TOTP alone (RFC 6238). */
void ud_hmac_sha1(const void *key, size_t key_n, const void *data, size_t n, unsigned char out[20]);
/* CRC-32 of IEEE 802.3. */
uint32_t ud_crc32(const void *data, size_t n);

/* Lower-case hex, in the arena. */
char *ud_hex(ud_arena *arena, const void *data, size_t n);
/* base64url without padding (RFC 4648 5), in the arena. */
char *ud_base64url(ud_arena *arena, const void *data, size_t n);
/* Back; NULL when the text is not base64url. *ret_n = bytes. */
unsigned char *ud_base64url_decode(ud_arena *arena, const char *text, size_t *ret_n);
/* Equal? Takes the same time wherever they differ. */
bool ud_equal(const void *a, const void *b, size_t n);
/* The same for texts; their lengths may show. */
bool ud_equal_text(const char *a, const char *b);

/*
 * Seal a text with AES-256-GCM (NIST SP 800-38D) under a fresh 96-bit nonce; about ties it to its
 * place (id of the row). base64url text of nonce, ciphertext and tag, in the arena.
 */
char *ud_seal(ud_arena *arena, const struct ud_env *env, const unsigned char key[UD_SEAL_KEY],
	const char *about, const char *text);
/* Open it again; NULL when key, place or text are not what was sealed. */
char *ud_unseal(ud_arena *arena, const unsigned char key[UD_SEAL_KEY], const char *about,
	const char *sealed);

#endif
