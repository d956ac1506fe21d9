/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding and matching; every byte is looked at once.
 */
#include "server/http/target.h"

#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decode n bytes into the arena; '+' stays unless plus. NULL when an escape is broken or gives a
 * control character. */
static char *decode(struct ud_ctx *cx, const char *s, size_t n, bool plus, const char *forbidden)
{
	char *out = ud_alloc(cx->arena, n + 1), *p = out;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '%') {
			int high = i + 1 < n ? hex(s[i + 1]) : -1,
			    low = i + 2 < n ? hex(s[i + 2]) : -1;

			if (high < 0 || low < 0)
				return NULL;
			c = (unsigned char)(high << 4 | low);
			if (strchr(forbidden, c))
				return NULL; /* also NUL: strchr finds the terminator */
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c < 32 || c == 127)
			return NULL;
		*p++ = (char)c;
	}
	return out;
}

/* True when the text is UTF-8: jansson's own check. */
static bool is_utf8(const char *s)
{
	json_t *j = json_string(s);

	json_decref(j);
	return j != NULL;
}

static enum ud_code bad(struct ud_ctx *cx, const char *rule)
{
	return ud_fail(cx, UD_E_MALFORMED, NULL, "%s", rule);
}

/* No empty, "." or ".." segment; a single slash at the end is an empty segment too. */
static const char *segment_rule(const char *path)
{
	for (const char *s = path; *s == '/';) {
		const char *end = s + 1 + strcspn(s + 1, "/");
		size_t n = (size_t)(end - s - 1);

		if (n == 0 && !(s == path && !*end))
			return "The path has an empty segment.";
		if ((n == 1 && s[1] == '.') || (n == 2 && s[1] == '.' && s[2] == '.'))
			return "The path has a '.' or '..' segment.";
		s = end;
	}
	return NULL;
}

enum ud_code ud_target_path(struct ud_ctx *cx, const char *raw, size_t n, const char **ret)
{
	if (n > UD_TARGET_MAX)
		return ud_fail(cx, UD_E_URI_TOO_LONG, NULL, "The path has more than %d bytes.",
			UD_TARGET_MAX);
	if (n == 0 || raw[0] != '/')
		return bad(cx, "The path does not start with '/'.");
	const char *path = decode(cx, raw, n, false, "/\\");

	if (!path || strchr(path, '\\') || !is_utf8(path))
		return bad(cx, "The path has a character or an escape that is not allowed.");
	const char *rule = segment_rule(path);

	if (rule)
		return bad(cx, rule);
	*ret = path;
	return UD_OK;
}

static enum ud_code add_param(
	struct ud_ctx *cx, struct ud_param *params, size_t *n, const char *s, size_t len)
{
	const char *eq = memchr(s, '=', len);
	size_t name_len = eq ? (size_t)(eq - s) : len;

	if (*n == UD_MAX_PARAMS)
		return bad(cx, "The query has too many parameters.");
	const char *name = decode(cx, s, name_len, true, "");
	const char *value = eq ? decode(cx, eq + 1, len - name_len - 1, true, "") : "";

	if (!name || !*name || !value || !is_utf8(name) || !is_utf8(value))
		return bad(cx, "The query has a character or an escape that is not allowed.");
	for (size_t i = 0; i < *n; i++)
		if (strcmp(params[i].name, name) == 0)
			return ud_fail(
				cx, UD_E_MALFORMED, name, "The parameter %s is given twice.", name);
	params[(*n)++] = (struct ud_param){ name, value, false };
	return UD_OK;
}

enum ud_code ud_target_query(
	struct ud_ctx *cx, const char *raw, struct ud_param params[UD_MAX_PARAMS], size_t *ret_n)
{
	size_t n = 0;

	while (raw && *raw) {
		size_t len = strcspn(raw, "&");

		if (len)
			UD_TRY(add_param(cx, params, &n, raw, len));
		raw += len + (raw[len] == '&');
	}
	*ret_n = n;
	return UD_OK;
}

bool ud_target_match(
	struct ud_ctx *cx, const char *pattern, const char *path, const char *arg[UD_MAX_ARGS])
{
	size_t args = 0;

	while (*pattern) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		/* {name*} takes the rest, slashes included */
		bool rest = pattern[strcspn(pattern, "*}")] == '*';
		size_t n = rest ? strlen(path) : strcspn(path, "/");

		if (n == 0 || args == UD_MAX_ARGS)
			return false;
		arg[args++] = ud_strndup(cx->arena, path, n);
		path += n;
		pattern += strcspn(pattern, "}") + 1;
	}
	return !*path;
}

char *ud_percent(ud_arena *arena, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	char *out = ud_alloc(arena, strlen(text) * 3 + 1), *p = out;

	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			strchr("-._~", c)) {
			*p++ = (char)c;
			continue;
		}
		*p++ = '%';
		*p++ = digits[c >> 4];
		*p++ = digits[c & 15];
	}
	return out;
}
