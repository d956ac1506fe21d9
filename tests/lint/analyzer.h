/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included first when clang-tidy reads our C, never by a compiler: it tells the analyser, which
 * sees one file at a time, that ud_fail returns the code it is given. What does not see base/, like
 * the guest's writer, has no ud_fail.
 */
#ifndef TESTS_LINT_ANALYZER_H
#define TESTS_LINT_ANALYZER_H

#if __has_include("base/ctx.h")
#include "base/ctx.h"

#define ud_fail(cx, code, ...) (ud_fail(cx, code, __VA_ARGS__), (code))
#endif

#endif
