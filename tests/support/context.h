/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A context for tests of one module: the real world's files and chance, a clock that stands still,
 * and a temporary folder for whoever asks. context_begin and context_end are cmocka's setup and
 * teardown; *state is a struct ud_ctx *.
 */
#ifndef TESTS_SUPPORT_CONTEXT_H
#define TESTS_SUPPORT_CONTEXT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/ctx.h"
#include "base/env.h"

enum { CONTEXT_NOW_MS = 1700000000 }; /* 1970-01-20T16:13:20Z */

int context_begin(void **state);
int context_end(void **state);
/* The path of NAME in the test's temporary folder, which context_end removes. */
const char *context_path(struct ud_ctx *cx, const char *name);
/* Write a file there; its path. */
const char *context_file(struct ud_ctx *cx, const char *name, const char *content);
/* The sentence filed under field and rule in the last problem, or NULL. */
const char *context_problem(struct ud_ctx *cx, const char *field, const char *rule);

#endif
