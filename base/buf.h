/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer and the JSON writing that answers are made of: straight text, no tree.
 * Owned by its user; reused across requests by a worker. One thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/arena.h"

struct ud_buf {
	char *data; /* not NUL-terminated; use ud_buf_text for that */
	size_t len, cap;
};

/* Release the memory; the buffer is empty and usable again. */
void ud_buf_free(struct ud_buf *b);
/* Make room for n more bytes; aborts when there is none. */
void ud_buf_need(struct ud_buf *b, size_t n);
/* Append n bytes. */
void ud_buf_add(struct ud_buf *b, const void *data, size_t n);
/* Append a string without its NUL. */
void ud_buf_puts(struct ud_buf *b, const char *s);
/* Append one byte. */
void ud_buf_putc(struct ud_buf *b, char c);
/* Append formatted text. */
void ud_buf_printf(struct ud_buf *b, const char *format, ...) UD_PRINTF(2, 3);
/* Append a decimal integer. */
void ud_buf_int(struct ud_buf *b, int64_t v);
/* The content as a NUL-terminated string; valid until the next change. */
const char *ud_buf_text(struct ud_buf *b);
/* The content as a NUL-terminated string in the arena; the buffer is freed, and usable again. */
char *ud_buf_take(ud_arena *arena, struct ud_buf *b);

/* Append a JSON string with quotes and escapes; NULL gives null. Invalid UTF-8 becomes U+FFFD. */
void ud_buf_json(struct ud_buf *b, const char *s);
/* Append an instant as a quoted RFC 3339 UTC string with milliseconds; UD_NONE and 0 give null. */
void ud_buf_time(struct ud_buf *b, int64_t ms);
/* Append key and colon of a member, with a comma before it when *first is false; sets *first to
 * false. */
void ud_buf_key(struct ud_buf *b, bool *first, const char *key);

#endif
