/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The context: first argument of nearly every function. It carries the arena, the time of this
 * request or tick, the outer world (env), the scope and connection that only db/ looks at, and the
 * words of the last failure. One thread at a time.
 */
#ifndef BASE_CTX_H
#define BASE_CTX_H

#include "base/arena.h"
#include "base/error.h"

struct ud_env;
struct ud_scope;
struct ud_conn;

enum { UD_MAX_PROBLEMS = 16 };

/* One wrong field. */
struct ud_field_problem {
	const char *field;  /* "memory_bytes" or "disks/0/name"; the pointer is made from it */
	const char *rule;   /* short code: "required", "too_long", … */
	const char *detail; /* sentence for the caller */
};

/* What went wrong, for the one function that makes the answer. */
struct ud_problem {
	enum ud_code code;
	const char *detail;          /* sentence for the caller, or for the log at 500 and above */
	const char *remedy;          /* overrides the table's */
	int64_t retry_after_seconds; /* 0 = none */
	struct ud_field_problem fields[UD_MAX_PROBLEMS];
	size_t field_count;
};

struct ud_ctx {
	ud_arena *arena;
	const struct ud_env *env; /* clock, randomness, files: base/env.h */
	/* the one reading of the clock for this request or tick, UTC */
	int64_t now_ms;
	const char *request_id;       /* "req_…" or the job's id; for logs and problems */
	const struct ud_scope *scope; /* who asks, and whose rows it may see: db/scope.h */
	struct ud_conn *conn;         /* for db/ only */
	struct ud_problem problem;
};

/* Forget the last problem. */
void ud_ctx_clear(struct ud_ctx *cx);

/*
 * Record why the caller cannot have what it asked for and return code. field may be NULL; else it
 * names the wrong field and the sentence is filed under it with the code's name as rule. Text lives
 * in the arena.
 */
enum ud_code ud_fail(struct ud_ctx *cx, enum ud_code code, const char *field, const char *format,
	...) UD_PRINTF(4, 5);

/*
 * Record one wrong field and go on: decoding reports every field at once. The code is that of the
 * first one. After UD_MAX_PROBLEMS the rest is dropped. Always returns UD_E_VALIDATION.
 */
enum ud_code ud_fail_field(struct ud_ctx *cx, const char *field, const char *rule,
	const char *format, ...) UD_PRINTF(4, 5);

#endif
