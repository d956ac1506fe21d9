/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Appending text and JSON. ud_buf_json copies runs of plain bytes at once and looks at single bytes
 * only where a quote, a control character or a non-ASCII byte stands.
 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"

void ud_buf_free(struct ud_buf *b)
{
	ud_free(b->data);
	*b = (struct ud_buf){ 0 };
}

void ud_buf_need(struct ud_buf *b, size_t n)
{
	if (b->cap - b->len >= n)
		return;
	size_t cap = b->cap ? b->cap : 512;

	while (cap - b->len < n)
		cap *= 2;
	b->data = ud_realloc(b->data, cap);
	b->cap = cap;
}

void ud_buf_add(struct ud_buf *b, const void *data, size_t n)
{
	if (!n)
		return;
	ud_buf_need(b, n);
	memcpy(b->data + b->len, data, n);
	b->len += n;
}

void ud_buf_puts(struct ud_buf *b, const char *s)
{
	ud_buf_add(b, s, strlen(s));
}

void ud_buf_putc(struct ud_buf *b, char c)
{
	ud_buf_need(b, 1);
	b->data[b->len++] = c;
}

void ud_buf_printf(struct ud_buf *b, const char *format, ...)
{
	va_list ap, again;

	va_start(ap, format);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, format, again);

	va_end(again);
	if (n > 0) {
		ud_buf_need(b, (size_t)n + 1);
		vsnprintf(b->data + b->len, (size_t)n + 1, format, ap);
		b->len += (size_t)n;
	}
	va_end(ap);
}

void ud_buf_int(struct ud_buf *b, int64_t v)
{
	char digits[24], *p = digits + sizeof(digits);
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		*--p = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		*--p = '-';
	ud_buf_add(b, p, (size_t)(digits + sizeof(digits) - p));
}

const char *ud_buf_text(struct ud_buf *b)
{
	ud_buf_need(b, 1);
	b->data[b->len] = 0;
	return b->data;
}

char *ud_buf_take(ud_arena *arena, struct ud_buf *b)
{
	char *text = ud_strndup(arena, b->data ? b->data : "", b->len);

	ud_buf_free(b);
	return text;
}

/* Bytes of a valid UTF-8 sequence at s, or 0. */
static size_t utf8_length(const unsigned char *s)
{
	size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	uint32_t cp = s[0] & (0xffU >> (n + 1));
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		cp = cp << 6 | (s[i] & 0x3f);
	}
	if (cp < least[n] || cp > 0x10ffff || (cp >= 0xd800 && cp <= 0xdfff))
		return 0;
	return n;
}

/* Append what stands for the special byte at s; returns how many bytes of s it covers. */
static size_t escape(struct ud_buf *b, const unsigned char *s)
{
	static const char names[32] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
	};

	if (s[0] >= 0x80) {
		size_t n = utf8_length(s);

		ud_buf_add(b, n ? (const void *)s : "\xef\xbf\xbd", n ? n : 3);
		return n ? n : 1;
	}
	if (s[0] == '"' || s[0] == '\\' || (s[0] < 32 && names[s[0]])) {
		ud_buf_putc(b, '\\');
		ud_buf_putc(b, s[0] < 32 ? names[s[0]] : (char)s[0]);
		return 1;
	}
	ud_buf_printf(b, "\\u%04x", s[0]);
	return 1;
}

void ud_buf_json(struct ud_buf *b, const char *s)
{
	if (!s) {
		ud_buf_add(b, "null", 4);
		return;
	}
	ud_buf_putc(b, '"');
	const unsigned char *p = (const unsigned char *)s;

	while (*p) {
		const unsigned char *run = p;

		while (*p >= 32 && *p < 0x7f && *p != '"' && *p != '\\')
			p++;
		ud_buf_add(b, run, (size_t)(p - run));
		if (*p)
			p += escape(b, p);
	}
	ud_buf_putc(b, '"');
}

void ud_buf_time(struct ud_buf *b, int64_t ms)
{
	char text[UD_TIME_TEXT];

	if (ms == UD_NONE || ms == 0) {
		ud_buf_add(b, "null", 4);
		return;
	}
	ud_buf_putc(b, '"');
	ud_buf_add(b, text, ud_time_format(ms, text));
	ud_buf_putc(b, '"');
}

void ud_buf_key(struct ud_buf *b, bool *first, const char *key)
{
	size_t n = strlen(key);

	ud_buf_need(b, n + 4);
	if (!*first)
		b->data[b->len++] = ',';
	*first = false;
	b->data[b->len++] = '"';
	memcpy(b->data + b->len, key, n);
	b->len += n;
	b->data[b->len++] = '"';
	b->data[b->len++] = ':';
}
