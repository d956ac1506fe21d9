/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of one request, job step or tick: taken bit by bit, given back at once. Strings and rows
 * come from here and nobody frees them. Out of memory aborts, so inputs are bounded before they are
 * copied. One thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>

#include "base/ud.h"

typedef struct ud_arena ud_arena;

/* A new empty arena; release with ud_arena_release. Never NULL. */
ud_arena *ud_arena_new(void);
/* The same in blocks of so many bytes instead of 16 KiB: where thousands are kept at once. */
ud_arena *ud_arena_sized(size_t block);
/* Free the arena and all that came from it. Takes NULL. Sets *arena to NULL. */
void ud_arena_release(ud_arena **arena);
/* Forget everything but keep the first block for the next use. */
void ud_arena_reset(ud_arena *arena);

/* size bytes, zeroed, aligned for any type; lives as long as the arena. */
void *ud_alloc(ud_arena *arena, size_t size);
/* A copy of a string; NULL stays NULL. */
char *ud_strdup(ud_arena *arena, const char *s);
/* A NUL-terminated copy of n bytes; all n are read, whatever they are. */
char *ud_strndup(ud_arena *arena, const char *s, size_t n);
/* A formatted string. */
char *ud_printf(ud_arena *arena, const char *format, ...) UD_PRINTF(2, 3);
/* The same with a list of arguments. */
char *ud_vprintf(ud_arena *arena, const char *format, va_list ap);

/* Memory that outlives requests: aborts when there is none; release with ud_free. */
void *ud_malloc(size_t size);
/* Grow or shrink ud_malloc's memory; aborts when there is none. */
void *ud_realloc(void *p, size_t size);
/* A copy on the heap; release with ud_free. NULL stays NULL. */
char *ud_heap_strdup(const char *s);
/* Release what ud_malloc, ud_realloc, ud_heap_strdup, or a library for free() to take, gave. Takes
 * NULL. */
void ud_free(void *p);

#endif
