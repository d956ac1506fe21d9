/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dozen macros of the house and nothing else. Every file may include this one. A new
 * function-like macro goes here and nowhere else, and needs a reviewer's yes; only UD_TRY may
 * return.
 */
#ifndef BASE_UD_H
#define BASE_UD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Elements of an array. */
#define UD_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* The result must be used. */
#define UD_USE __attribute__((warn_unused_result))
/* printf-like: f = position of the format, a = of the first argument. Windows' own has no %zu. */
#ifdef _WIN32
#define UD_PRINTF(f, a) __attribute__((format(gnu_printf, f, a)))
#else
#define UD_PRINTF(f, a) __attribute__((format(printf, f, a)))
#endif
/* Pass an error on. */
#define UD_TRY(expr)                           \
	do {                                   \
		enum ud_code ud_try_ = (expr); \
		if (ud_try_ != UD_OK)          \
			return ud_try_;        \
	} while (0)
/* A handle that is released at the end of the scope by <type>_release(type **). */
#define UD_AUTO(type) __attribute__((cleanup(type##_release))) type
/* Hand a UD_AUTO handle over: yields it and forgets it. */
#define UD_TAKE(p)                       \
	__extension__({                  \
		__auto_type ud_p_ = (p); \
		(p) = NULL;              \
		ud_p_;                   \
	})
/* The structure that contains a member. */
#define UD_OUTER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
/* "No value" of a nullable integer or instant; 0 is a value. */
#define UD_NONE INT64_MIN

#endif
