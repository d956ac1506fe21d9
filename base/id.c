/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ULIDs and secrets.
 */
#include "base/id.h"

#include <string.h>

#include "base/crypto.h"

static const char base32[] = "0123456789abcdefghjkmnpqrstvwxyz"; /* Crockford's, lower case */
static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

enum { SECRET_ID = 8, SECRET_RANDOM = 43, SECRET_CRC = 6 };

void ud_ulid(const struct ud_env *env, int64_t now_ms, char text[UD_ULID_TEXT])
{
	unsigned char chance[16];

	ud_random(env, chance, sizeof(chance));
	for (int i = 9; i >= 0; i--, now_ms >>= 5)
		text[i] = base32[now_ms & 31];
	for (int i = 0; i < 16; i++)
		text[10 + i] = base32[chance[i] & 31];
	text[26] = 0;
}

char *ud_id_new(ud_arena *arena, const struct ud_env *env, int64_t now_ms, const char *prefix)
{
	size_t n = strlen(prefix);
	char *id = ud_alloc(arena, n + 1 + UD_ULID_TEXT);

	memcpy(id, prefix, n);
	id[n] = '_';
	ud_ulid(env, now_ms, id + n + 1);
	return id;
}

bool ud_id_valid(const char *text, const char *prefix)
{
	size_t n = strcspn(text, "_");

	if (prefix ? strlen(prefix) != n || strncmp(text, prefix, n) != 0
		   : n < 2 || n > 3 || strspn(text, "abcdefghijklmnopqrstuvwxyz") != n)
		return false;
	return text[n] == '_' && strlen(text + n + 1) == 26 && strspn(text + n + 1, base32) == 26;
}

/* n characters of base62 from chance; bytes that would favour some characters are thrown away. */
static void random62(const struct ud_env *env, char *out, size_t n)
{
	while (n) {
		unsigned char c;

		ud_random(env, &c, 1);
		if (c >= 248) /* 4 * 62 */
			continue;
		*out++ = base62[c % 62];
		n--;
	}
}

static void crc62(const char *text, size_t n, char out[SECRET_CRC])
{
	uint32_t crc = ud_crc32(text, n);

	for (int i = SECRET_CRC - 1; i >= 0; i--, crc /= 62)
		out[i] = base62[crc % 62];
}

char *ud_secret_new(ud_arena *arena, const struct ud_env *env, const char *prefix)
{
	size_t n = strlen(prefix), body = n + 1 + SECRET_ID + SECRET_RANDOM;
	char *s = ud_alloc(arena, body + SECRET_CRC + 1);

	memcpy(s, prefix, n);
	s[n] = '_';
	random62(env, s + n + 1, SECRET_ID + SECRET_RANDOM);
	crc62(s, body, s + body);
	return s;
}

bool ud_secret_formed(const char *text, const char *prefix)
{
	size_t n = strlen(prefix), body = n + 1 + SECRET_ID + SECRET_RANDOM;
	char crc[SECRET_CRC];

	if (strlen(text) != body + SECRET_CRC || strncmp(text, prefix, n) != 0 || text[n] != '_')
		return false;
	if (strspn(text + n + 1, base62) != body + SECRET_CRC - n - 1)
		return false;
	crc62(text, body, crc);
	return memcmp(crc, text + body, SECRET_CRC) == 0;
}
