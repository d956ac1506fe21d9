/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Character classes and lengths; nothing here allocates but the path of a time zone.
 */
#include "base/rules.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

const char *ud_rule_email(struct ud_ctx *cx, const char *s)
{
	const char *at = strchr(s, '@');

	(void)cx;
	if (!at || at == s || at - s > 64 || strchr(at + 1, '@') || strpbrk(s, " \t\n\"<>(),;:\\"))
		return "is an e-mail address such as name@example.net.";
	const char *dot = strchr(at + 1, '.');

	if (!dot || dot == at + 1 || !dot[1] || strstr(at, "..") || s[strlen(s) - 1] == '.')
		return "is an e-mail address such as name@example.net.";
	return NULL;
}

const char *ud_rule_name(struct ud_ctx *cx, const char *s)
{
	size_t n = strlen(s);

	(void)cx;
	if (n && (s[0] == ' ' || s[n - 1] == ' '))
		return "has no space at its start or end.";
	return strpbrk(s, "\n\t") ? "is one line." : NULL;
}

const char *ud_rule_line(struct ud_ctx *cx, const char *s)
{
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "is one line without control characters.";
	return ud_rule_name(cx, s);
}

const char *ud_rule_word(struct ud_ctx *cx, const char *s)
{
	size_t n = strlen(s);

	(void)cx;
	if (!n || strspn(s, LOWER UPPER DIGITS "._:-") != n || strchr("._:-", s[0]))
		return "starts with a letter or digit and has letters, digits, '.', '_', ':' and '-'.";
	return NULL;
}

const char *ud_rule_host_name(struct ud_ctx *cx, const char *s)
{
	size_t n = strlen(s);

	(void)cx;
	if (n < 1 || n > 63 || strspn(s, LOWER UPPER DIGITS "._-") != n || strchr("._-", s[0]))
		return "starts with a letter or digit and has letters, digits, '.', '_' and '-', at most 63.";
	return NULL;
}

const char *ud_rule_code(struct ud_ctx *cx, const char *s)
{
	size_t n = strlen(s);

	(void)cx;
	if (n < 2 || n > 16 || strspn(s, LOWER DIGITS "-") != n || !strchr(LOWER, s[0]))
		return "starts with a-z and has a-z, 0-9 and '-', 2 to 16 in all.";
	return NULL;
}

/* True for a file in the format of RFC 8536; the database has folders and lists, too. */
static bool is_zone(struct ud_ctx *cx, const char *path)
{
	char *data = NULL;
	size_t n = 0;

	if (cx->env->files->read(path, 65536, &data, &n) != 0)
		return false;
	bool zone = n > 4 && memcmp(data, "TZif", 4) == 0;

	ud_free(data);
	return zone;
}

const char *ud_rule_time_zone(struct ud_ctx *cx, const char *s)
{
	static const char sentence[] = "is a time zone of the IANA database such as Europe/London.";
	size_t n = strlen(s);

	if (n == 0 || n > 64 || strspn(s, LOWER UPPER DIGITS "/_+-") != n || s[0] == '/' ||
		s[n - 1] == '/')
		return sentence;
	if (strcmp(s, "UTC") == 0 || access("/usr/share/zoneinfo", R_OK) != 0)
		return NULL; /* without the database the form is all that can be checked */
	return is_zone(cx, ud_printf(cx->arena, "/usr/share/zoneinfo/%s", s)) ? NULL : sentence;
}

const char *ud_rule_uuid(struct ud_ctx *cx, const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	(void)cx;
	for (size_t i = 0; i < sizeof(form); i++) {
		bool fits =
			form[i] == 'x' ? s[i] && strchr(DIGITS "abcdef", s[i]) : s[i] == form[i];

		if (!fits)
			return "is a UUID in lower case.";
	}
	return NULL;
}

const char *ud_rule_mac(struct ud_ctx *cx, const char *s)
{
	size_t n = strlen(s), i = 0;

	(void)cx;
	while (i < n && (i % 3 == 2 ? s[i] == ':' : strchr(DIGITS "abcdefABCDEF", s[i]) != NULL))
		i++;
	return n == 17 && i == n ? NULL : "is a MAC address such as 52:54:00:12:34:56.";
}

const char *ud_rule_endpoint(struct ud_ctx *cx, const char *s)
{
	static const char sentence[] = "is NAME:PORT, ADDRESS:PORT or [ADDRESS]:PORT.";
	const char *colon = strrchr(s, ':');
	size_t n = colon ? (size_t)(colon - s) : 0, digits = colon ? strlen(colon + 1) : 0;
	bool bracket = *s == '[' && n > 2 && s[n - 1] == ']';
	size_t fits = bracket ? 2 + strspn(s + 1, DIGITS "abcdefABCDEF:.")
			      : strspn(s, LOWER UPPER DIGITS ".-");

	(void)cx;
	if (!n || fits != n || digits < 1 || digits > 5 || strspn(colon + 1, DIGITS) != digits)
		return sentence;
	long port = strtol(colon + 1, NULL, 10);

	return port >= 1 && port <= 65535 ? NULL : sentence;
}

const char *ud_rule_scope(struct ud_ctx *cx, const char *s)
{
	size_t n = strspn(s, LOWER "-_");

	(void)cx;
	if (strcmp(s, "*") == 0)
		return NULL;
	if (n == 0 || s[n] != ':' || !s[n + 1])
		return "is * or RESOURCE:VERB such as hosts:read.";
	const char *verb = s + n + 1;

	if (strcmp(verb, "*") == 0 || strspn(verb, LOWER "-_") == strlen(verb))
		return NULL;
	return "is * or RESOURCE:VERB such as hosts:read.";
}
