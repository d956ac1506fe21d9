/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 6238 over RFC 4226's truncation.
 */
#include "base/totp.h"

#include <stdio.h>
#include <string.h>

#include "base/crypto.h"

enum { STEP_MS = 30000 };

static const char base32[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

char *ud_totp_secret(ud_arena *arena, const struct ud_env *env)
{
	unsigned char chance[32];
	char *s = ud_alloc(arena, 33);

	/* 5 bits of each: 160 in all, as RFC 4226 4 recommends */
	ud_random(env, chance, sizeof(chance));
	for (int i = 0; i < 32; i++)
		s[i] = base32[chance[i] & 31];
	return s;
}

char *ud_totp_uri(ud_arena *arena, const char *account, const char *secret)
{
	char *label = ud_alloc(arena, strlen(account) * 3 + 1), *p = label;

	for (const char *s = account; *s; s++) {
		bool plain = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') ||
			(*s >= '0' && *s <= '9') || strchr(".-_", *s);

		p += sprintf(p, plain ? "%c" : "%%%02X", plain ? *s : (unsigned char)*s);
	}
	return ud_printf(arena,
		"otpauth://totp/Understudy:%s?secret=%s&issuer=Understudy&algorithm=SHA1&digits=6&period=30",
		label, secret);
}

/* Bytes of a base32 secret; 0 when it is not one. */
static size_t decode32(const char *s, unsigned char out[64])
{
	uint64_t bits = 0;
	size_t n = 0, have = 0;

	for (; *s; s++) {
		const char *at = strchr(base32, *s);

		if (!at || n >= 64)
			return 0;
		bits = bits << 5 | (uint64_t)(at - base32);
		have += 5;
		if (have >= 8) {
			have -= 8;
			out[n++] = (unsigned char)(bits >> have);
		}
	}
	return n;
}

bool ud_totp_code(const char *secret, int64_t step, char code[7])
{
	unsigned char key[64], counter[8], mac[20];
	size_t n = decode32(secret, key);

	if (!n)
		return false;
	for (int i = 7; i >= 0; i--, step >>= 8)
		counter[i] = (unsigned char)step;
	ud_hmac_sha1(key, n, counter, sizeof(counter), mac);
	int at = mac[19] & 15;
	uint32_t v = ((uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
			     (uint32_t)mac[at + 2] << 8 | mac[at + 3]) %
		1000000;

	snprintf(code, 7, "%06u", v);
	return true;
}

int64_t ud_totp_match(const char *secret, const char *code, int64_t now_ms, int64_t last_step)
{
	int64_t now = now_ms / STEP_MS, found = -1;

	for (int64_t step = now - 1; step <= now + 1; step++) {
		char right[7];

		if (ud_totp_code(secret, step, right) && ud_equal_text(right, code) &&
			step > last_step && found < 0)
			found = step;
	}
	return found;
}

char *ud_recovery_code(ud_arena *arena, const struct ud_env *env)
{
	/* 32, without those that look alike */
	static const char letters[] = "123456789abcdefghjkmnpqrstuvwxyz";
	unsigned char chance[20];
	char *s = ud_alloc(arena, 24), *p = s;

	ud_random(env, chance, sizeof(chance));
	for (int i = 0; i < 20; i++) {
		if (i && i % 5 == 0)
			*p++ = '-';
		*p++ = letters[chance[i] & 31];
	}
	return s;
}
