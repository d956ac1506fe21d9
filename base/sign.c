/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thin wrappers; see sign.h.
 */
#include "base/sign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

static void must(bool ok)
{
	if (!ok)
		abort();
}

static EVP_PKEY *private_key(const unsigned char key[UD_SIGN_KEY])
{
	EVP_PKEY *k = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key, UD_SIGN_KEY);

	must(k != NULL);
	return k;
}

void ud_sign_key(const struct ud_env *env, unsigned char key[UD_SIGN_KEY])
{
	ud_random(env, key, UD_SIGN_KEY);
}

void ud_sign_public(const unsigned char key[UD_SIGN_KEY], unsigned char out[UD_SIGN_PUBLIC])
{
	EVP_PKEY *k = private_key(key);
	size_t n = UD_SIGN_PUBLIC;

	must(EVP_PKEY_get_raw_public_key(k, out, &n) == 1 && n == UD_SIGN_PUBLIC);
	EVP_PKEY_free(k);
}

void ud_sign(const unsigned char key[UD_SIGN_KEY], const void *data, size_t n,
	unsigned char out[UD_SIGNATURE])
{
	EVP_PKEY *k = private_key(key);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	size_t size = UD_SIGNATURE;

	must(c && EVP_DigestSignInit(c, NULL, NULL, NULL, k) == 1);
	must(EVP_DigestSign(c, out, &size, n ? data : "", n) == 1 && size == UD_SIGNATURE);
	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
}

bool ud_sign_verify(const unsigned char public_key[UD_SIGN_PUBLIC], const void *data, size_t n,
	const unsigned char signature[UD_SIGNATURE])
{
	EVP_PKEY *k =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, UD_SIGN_PUBLIC);
	EVP_MD_CTX *c = EVP_MD_CTX_new();

	must(c != NULL);
	bool genuine = k && EVP_DigestVerifyInit(c, NULL, NULL, NULL, k) == 1 &&
		EVP_DigestVerify(c, signature, UD_SIGNATURE, n ? data : "", n) == 1;

	EVP_MD_CTX_free(c);
	EVP_PKEY_free(k);
	return genuine;
}

void ud_wipe(void *secret, size_t n)
{
	OPENSSL_cleanse(secret, n);
}
