/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ed25519 signatures (RFC 8032) over OpenSSL: the server signs commands, agents check them. Any
 * thread. A failing library aborts.
 */
#ifndef BASE_SIGN_H
#define BASE_SIGN_H

#include "base/env.h"

enum { UD_SIGN_KEY = 32, UD_SIGN_PUBLIC = 32, UD_SIGNATURE = 64 };

/* A fresh private key. */
void ud_sign_key(const struct ud_env *env, unsigned char key[UD_SIGN_KEY]);
/* The public key that belongs to it. */
void ud_sign_public(const unsigned char key[UD_SIGN_KEY], unsigned char out[UD_SIGN_PUBLIC]);
/* Sign n bytes. The same bytes give the same signature. */
void ud_sign(const unsigned char key[UD_SIGN_KEY], const void *data, size_t n,
	unsigned char out[UD_SIGNATURE]);
/* True when the owner of the public key signed exactly these bytes. */
bool ud_sign_verify(const unsigned char public_key[UD_SIGN_PUBLIC], const void *data, size_t n,
	const unsigned char signature[UD_SIGNATURE]) UD_USE;
/* Overwrite a secret; the compiler may not leave it out. */
void ud_wipe(void *secret, size_t n);

#endif
