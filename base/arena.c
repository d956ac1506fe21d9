/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arena of chained blocks. The first block is kept across resets so that a worker's steady state
 * allocates nothing. AddressSanitizer is told what is handed out, so that it sees a read past one
 * piece as it would with malloc. The one place, beside buf.c's growth through ud_realloc, that
 * calls malloc.
 */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

enum { BLOCK = 16 * 1024, ALIGN = 16 };

struct block {
	struct block *next;
	size_t size, used;
	_Alignas(ALIGN) char data[];
};

struct ud_arena {
	struct block *first, *last;
	size_t block;
};

static _Noreturn void out_of_memory(size_t size)
{
	fprintf(stderr, "out of memory: %zu bytes\n", size);
	abort();
}

void *ud_malloc(size_t size)
{
	void *p = calloc(1, size ? size : 1);

	if (!p)
		out_of_memory(size);
	return p;
}

void *ud_realloc(void *p, size_t size)
{
	void *q = realloc(p, size ? size : 1);

	if (!q)
		out_of_memory(size);
	return q;
}

void ud_free(void *p)
{
	free(p);
}

char *ud_heap_strdup(const char *s)
{
	if (!s)
		return NULL;
	size_t n = strlen(s) + 1;

	return memcpy(ud_malloc(n), s, n);
}

static struct block *block_new(size_t size)
{
	struct block *b = malloc(sizeof(*b) + size);

	if (!b)
		out_of_memory(size);
	b->next = NULL;
	b->size = size;
	b->used = 0;
	ASAN_POISON_MEMORY_REGION(b->data, size);
	return b;
}

ud_arena *ud_arena_new(void)
{
	return ud_arena_sized(BLOCK);
}

ud_arena *ud_arena_sized(size_t block)
{
	ud_arena *arena = ud_malloc(sizeof(*arena));

	arena->block = block;
	arena->first = arena->last = block_new(block);
	return arena;
}

static void free_chain(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		ASAN_UNPOISON_MEMORY_REGION(b->data, b->size);
		free(b);
		b = next;
	}
}

void ud_arena_release(ud_arena **arena)
{
	if (!*arena)
		return;
	free_chain((*arena)->first);
	free(*arena);
	*arena = NULL;
}

void ud_arena_reset(ud_arena *arena)
{
	free_chain(arena->first->next);
	arena->first->next = NULL;
	arena->first->used = 0;
	ASAN_POISON_MEMORY_REGION(arena->first->data, arena->first->size);
	arena->last = arena->first;
}

static void *take(ud_arena *arena, size_t size)
{
	size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);

	if (need < size)
		out_of_memory(size);
	if (arena->last->size - arena->last->used < need) {
		struct block *b = block_new(need > arena->block ? need : arena->block);

		arena->last->next = b;
		arena->last = b;
	}
	void *p = arena->last->data + arena->last->used;

	arena->last->used += need;
	ASAN_UNPOISON_MEMORY_REGION(p, size);
	return p;
}

void *ud_alloc(ud_arena *arena, size_t size)
{
	return memset(take(arena, size), 0, size);
}

char *ud_strndup(ud_arena *arena, const char *s, size_t n)
{
	char *copy = take(arena, n + 1);

	memcpy(copy, s, n);
	copy[n] = 0;
	return copy;
}

char *ud_strdup(ud_arena *arena, const char *s)
{
	return s ? ud_strndup(arena, s, strlen(s)) : NULL;
}

char *ud_vprintf(ud_arena *arena, const char *format, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, format, again);

	va_end(again);
	if (n < 0)
		abort();
	char *s = take(arena, (size_t)n + 1);

	vsnprintf(s, (size_t)n + 1, format, ap);
	return s;
}

char *ud_printf(ud_arena *arena, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	char *s = ud_vprintf(arena, format, ap);

	va_end(ap);
	return s;
}
