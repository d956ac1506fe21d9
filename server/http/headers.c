/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of preferences, and the four parts of a trace. */
#include "server/http/headers.h"

#include <string.h>
#include <strings.h>

/* Where a part ends: at the character stop outside of quotes, or at the end. */
static const char *part_end(const char *p, const char *end, char stop)
{
	bool quoted = false;

	for (; p < end && (quoted || *p != stop); p++) {
		if (quoted && *p == '\\' && p + 1 < end)
			p++;
		else if (*p == '"')
			quoted = !quoted;
	}
	return p;
}

/* Without blanks around it. */
static const char *trimmed(ud_arena *arena, const char *p, const char *end)
{
	while (p < end && strchr(" \t", *p))
		p++;
	while (end > p && strchr(" \t", end[-1]))
		end--;
	return ud_strndup(arena, p, (size_t)(end - p));
}

/* "minimal" in quotes is minimal. */
static const char *unquoted(ud_arena *arena, const char *text)
{
	size_t n = strlen(text);

	return n >= 2 && text[0] == '"' && text[n - 1] == '"' ? ud_strndup(arena, text + 1, n - 2)
							      : text;
}

const char *ud_header_preference(ud_arena *arena, const char *text, size_t n, const char *name)
{
	const char *end = text + n;

	for (const char *p = text; p < end; p++) {
		const char *next = part_end(p, end, ','), *stop = part_end(p, next, ';'),
			   *equals = part_end(p, stop, '=');

		if (strcasecmp(trimmed(arena, p, equals), name) == 0)
			return equals == stop ? ""
					      : unquoted(arena, trimmed(arena, equals + 1, stop));
		p = next;
	}
	return NULL;
}

/* n lower-case hexadecimal digits, not all of them 0 when some are asked for. */
static bool hex(const char *p, size_t n, bool some)
{
	return strspn(p, "0123456789abcdef") >= n && (!some || strspn(p, "0") < n);
}

bool ud_header_trace(const char *t)
{
	enum { PARENT = 4 + UD_TRACE_ID, FLAGS = PARENT + UD_TRACE_PARENT + 1, END = FLAGS + 2 };

	if (strnlen(t, END) < END || !hex(t, 2, false) || strncmp(t, "ff", 2) == 0)
		return false;
	if (t[2] != '-' || t[PARENT - 1] != '-' || t[FLAGS - 1] != '-')
		return false;
	if (!hex(t + 3, UD_TRACE_ID, true) || !hex(t + PARENT, UD_TRACE_PARENT, true) ||
		!hex(t + FLAGS, 2, false))
		return false;
	return !t[END] || (t[END] == '-' && strncmp(t, "00", 2) != 0);
}
