/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is hashed is the hex of the HMAC, so that no password is cut at a NUL or by length.
 */
#include "base/password.h"

#include <sodium.h>
#include <string.h>
#include <strings.h>

#include "base/crypto.h"
#include "base/embed.h"

extern const struct ud_embedded ud_password_files[];

static const struct {
	unsigned long long operations;
	size_t memory;
	const char *nobody; /* salt and hash of zeros */
} costs[] = {
	[UD_COST_CUSTOMER] = { 2, 19456 * 1024,
		"$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
	[UD_COST_STAFF] = { 3, 65536 * 1024,
		"$argon2id$v=19$m=65536,t=3,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" },
};

/* Beginnings that guessers try first and that data/known-passwords.txt does not have; a password of
 * 12 or more that only continues one of them is refused. */
/* clang-format off */
static const char *const well_known[] = {
	"p@ssword", "pa$$word", "thisisapassword", "thisismypassword", "secretpassword",
	"strongpassword", "letmeinplease", "openthedoor", "admin", "adminpassword", "root",
	"rootpassword", "superuser", "changemenow", "changemeplease", "supersecret", "test",
	"testpassword", "guest", "demo", "qwertyuiopasdf", "qwertyazerty", "asdfasdfasdf",
	"asdf1234asdf", "zxcvbnmasdfgh", "qweasdzxcrty", "qwer1234asdf", "abcdefghijklmnop",
	"abcd1234abcd", "a1b2c3d4e5f6", "aabbccddeeff", "iloveyousomuch", "footballer",
	"maytheforcebewithyou", "mycomputer", "linux", "ubuntu", "debian", "vmware", "hyperv",
	"hypervisor", "failover", "understudy", "replication", "backupbackup", "datacenter",
	"datacentre", "cisco", "fortinet", "postgres", "postgresql", "mysql", "cloud", "azure",
	"iamthebest", "correcthorsebatterystaple", "lastpass", "keepass", "hello",
};
/* clang-format on */

static size_t length_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* How many different bytes: "aaaaaaaaaaaa" has one. */
static size_t variety(const char *s)
{
	bool seen[256] = { false };
	size_t n = 0;

	for (; *s; s++) {
		n += !seen[(unsigned char)*s];
		seen[(unsigned char)*s] = true;
	}
	return n;
}

/* Only digits and punctuation after a well-known beginning, or the beginning again. */
static bool continues(const char *rest, const char *start)
{
	size_t n = strlen(start);

	while (strncasecmp(rest, start, n) == 0)
		rest += n;
	return strspn(rest, "0123456789 !\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~") == strlen(rest);
}

/* <0, 0 or >0 as the text, in lower case, stands before, at or behind the line that begins here. */
static int compare(const char *text, size_t n, const char *line, const char *end)
{
	for (size_t i = 0; i < n; i++) {
		int ch = text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : (unsigned char)text[i];

		if (line + i == end || line[i] == '\n')
			return 1;
		if (ch != (unsigned char)line[i])
			return ch - (unsigned char)line[i];
	}
	return line + n == end || line[n] == '\n' ? 0 : -1;
}

/* Is it a line of data/known-passwords.txt? The file is sorted by bytes. */
static bool is_known(const char *text, size_t n)
{
	const char *start = ud_password_files[0].data;
	const char *low = start, *end = start + ud_password_files[0].size, *high = end;

	while (low < high) {
		const char *line = low + (high - low) / 2;

		while (line > low && line[-1] != '\n')
			line--;
		int order = compare(text, n, line, end);

		if (order == 0)
			return true;
		if (order < 0) {
			high = line;
			continue;
		}
		low = memchr(line, '\n', (size_t)(end - line));
		low = low ? low + 1 : end;
	}
	return false;
}

enum { KNOWN_MIN = 6 }; /* the shortest line of the file */

/* One of the known ones, or one that digits, punctuation or itself were put behind. */
static bool begins_known(const char *password)
{
	char start[UD_PASSWORD_MAX * 4 + 1];
	size_t n = strlen(password);

	for (size_t i = KNOWN_MIN; i <= n && i < sizeof(start); i++) {
		if (!is_known(password, i))
			continue;
		memcpy(start, password, i);
		start[i] = '\0';
		if (continues(password + i, start))
			return true;
	}
	return false;
}

const char *ud_password_rule(const char *password, const char *email)
{
	size_t n = length_of(password), local = email ? strcspn(email, "@") : 0;

	if (n < UD_PASSWORD_MIN)
		return "has at least 12 characters.";
	if (n > UD_PASSWORD_MAX)
		return "has at most 128 characters.";
	if (variety(password) < 5)
		return "repeats a few characters; choose a longer phrase.";
	for (size_t i = 0; i < UD_LEN(well_known); i++)
		if (strncasecmp(password, well_known[i], strlen(well_known[i])) == 0 &&
			continues(password + strlen(well_known[i]), well_known[i]))
			return "is one of those that guessers try first.";
	if (begins_known(password))
		return "is one of those that guessers try first.";
	if (local >= 4)
		for (const char *p = password; *p; p++)
			if (strncasecmp(p, email, local) == 0)
				return "contains the e-mail address.";
	return NULL;
}

static void peppered(
	const unsigned char pepper[UD_PEPPER], const char *password, char hex[UD_SHA256_HEX])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char mac[UD_SHA256];

	ud_hmac_sha256(pepper, UD_PEPPER, password, strlen(password), mac);
	for (size_t i = 0; i < sizeof(mac); i++) {
		hex[2 * i] = digits[mac[i] >> 4];
		hex[2 * i + 1] = digits[mac[i] & 15];
	}
	hex[UD_SHA256_HEX - 1] = 0;
}

enum ud_code ud_password_hash(struct ud_ctx *cx, const unsigned char pepper[UD_PEPPER],
	enum ud_password_cost cost, const char *password, const char **ret)
{
	char hex[UD_SHA256_HEX], *out = ud_alloc(cx->arena, crypto_pwhash_STRBYTES);

	peppered(pepper, password, hex);
	if (sodium_init() < 0 ||
		crypto_pwhash_str_alg(out, hex, sizeof(hex) - 1, costs[cost].operations,
			costs[cost].memory, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return ud_fail(cx, UD_E_OVERLOADED, NULL, "no memory to hash a password");
	*ret = out;
	return UD_OK;
}

bool ud_password_verify(
	const unsigned char pepper[UD_PEPPER], const char *hash, const char *password)
{
	char hex[UD_SHA256_HEX];

	peppered(pepper, password, hex);
	return sodium_init() >= 0 && crypto_pwhash_str_verify(hash, hex, sizeof(hex) - 1) == 0;
}

const char *ud_password_nobody(enum ud_password_cost cost)
{
	return costs[cost].nobody;
}

bool ud_password_outdated(const char *hash, enum ud_password_cost cost)
{
	return crypto_pwhash_str_needs_rehash(hash, costs[cost].operations, costs[cost].memory) !=
		0;
}
