/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Thin wrappers; see crypto.h.
 */
#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

enum { NONCE = 12, TAG = 16 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

void ud_sha256(const void *data, size_t n, unsigned char out[UD_SHA256])
{
	must(EVP_Digest(n ? data : "", n, out, NULL, EVP_sha256(), NULL) == 1);
}

static void to_hex(const unsigned char *p, size_t n, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	*out = 0;
}

void ud_sha256_hex(const void *data, size_t n, char out[UD_SHA256_HEX])
{
	unsigned char raw[UD_SHA256];

	ud_sha256(data, n, raw);
	to_hex(raw, sizeof(raw), out);
}

void ud_hmac_sha256(
	const void *key, size_t key_n, const void *data, size_t n, unsigned char out[UD_SHA256])
{
	must(HMAC(EVP_sha256(), key, (int)key_n, data, n, out, NULL) != NULL);
}

void ud_hmac_sha1(const void *key, size_t key_n, const void *data, size_t n, unsigned char out[20])
{
	must(HMAC(EVP_sha1(), key, (int)key_n, data, n, out, NULL) != NULL);
}

uint32_t ud_crc32(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

char *ud_hex(ud_arena *arena, const void *data, size_t n)
{
	char *out = ud_alloc(arena, n * 2 + 1);

	to_hex(data, n, out);
	return out;
}

char *ud_base64url(ud_arena *arena, const void *data, size_t n)
{
	char *out = ud_alloc(arena, (n + 2) / 3 * 4 + 1);
	int len = EVP_EncodeBlock((unsigned char *)out, data, (int)n);

	for (int i = 0; i < len; i++)
		out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
	out[strcspn(out, "=")] = 0;
	return out;
}

unsigned char *ud_base64url_decode(ud_arena *arena, const char *text, size_t *ret_n)
{
	size_t n = strlen(text), pad = (4 - n % 4) % 4;
	char *copy = ud_alloc(arena, n + pad + 1);
	unsigned char *out = ud_alloc(arena, n + 4);

	if (pad == 3)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
			    text[i]))
			return NULL;
		copy[i] = text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i];
	}
	memset(copy + n, '=', pad);
	int len = n ? EVP_DecodeBlock(out, (const unsigned char *)copy, (int)(n + pad)) : 0;

	if (len < 0)
		return NULL;
	*ret_n = (size_t)len - pad;
	return out;
}

bool ud_equal(const void *a, const void *b, size_t n)
{
	return CRYPTO_memcmp(a, b, n) == 0;
}

bool ud_equal_text(const char *a, const char *b)
{
	return strlen(a) == strlen(b) && ud_equal(a, b, strlen(a));
}

char *ud_seal(ud_arena *arena, const struct ud_env *env, const unsigned char key[UD_SEAL_KEY],
	const char *about, const char *text)
{
	size_t n = strlen(text);
	unsigned char *out = ud_alloc(arena, NONCE + n + TAG);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	int len;

	ud_random(env, out, NONCE);
	must(c && EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, out) == 1);
	must(EVP_EncryptUpdate(c, NULL, &len, (const unsigned char *)about, (int)strlen(about)) ==
		1);
	must(EVP_EncryptUpdate(c, out + NONCE, &len, (const unsigned char *)text, (int)n) == 1);
	must(EVP_EncryptFinal_ex(c, out + NONCE + len, &len) == 1);
	must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, out + NONCE + n) == 1);
	EVP_CIPHER_CTX_free(c);
	return ud_base64url(arena, out, NONCE + n + TAG);
}

char *ud_unseal(ud_arena *arena, const unsigned char key[UD_SEAL_KEY], const char *about,
	const char *sealed)
{
	size_t n = 0;
	unsigned char *in = ud_base64url_decode(arena, sealed, &n);
	int len;

	if (!in || n < NONCE + TAG)
		return NULL;
	n -= NONCE + TAG;
	char *out = ud_alloc(arena, n + 1);
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();

	must(c && EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key, in) == 1);
	must(EVP_DecryptUpdate(c, NULL, &len, (const unsigned char *)about, (int)strlen(about)) ==
		1);
	must(EVP_DecryptUpdate(c, (unsigned char *)out, &len, in + NONCE, (int)n) == 1);
	must(EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, in + NONCE + n) == 1);
	bool genuine = EVP_DecryptFinal_ex(c, (unsigned char *)out + len, &len) == 1;

	EVP_CIPHER_CTX_free(c);
	return genuine ? out : NULL;
}
