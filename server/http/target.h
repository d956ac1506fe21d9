/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The request target, taken apart: path rules and query string. Pure; fuzzed.
 */
#ifndef SERVER_HTTP_TARGET_H
#define SERVER_HTTP_TARGET_H

#include "server/http/http.h"

enum { UD_TARGET_MAX = 8192 };

/*
 * Check and decode a path: it starts with '/', has no empty, "." or ".." segment, no '\\', no
 * control character, and no escape of '/', NUL or control characters; escapes are decoded and must
 * give UTF-8. UD_E_MALFORMED naming the rule. The result lives in the arena.
 */
enum ud_code ud_target_path(struct ud_ctx *cx, const char *raw, size_t n, const char **ret) UD_USE;

/*
 * Take a query string apart ("a=1&b[gte]=2"): + is a space, escapes are decoded, no NUL or control
 * characters, at most UD_MAX_PARAMS, no name twice. UD_E_MALFORMED otherwise.
 */
enum ud_code ud_target_query(struct ud_ctx *cx, const char *raw,
	struct ud_param params[UD_MAX_PARAMS], size_t *ret_n) UD_USE;

/*
 * Match a decoded path against a route's ("/v1/hosts/{id}"); *arg gets the segments that {…} stand
 * for, in the arena; a last {name*} stands for all that is left, one segment or more. False, args
 * undefined, when it does not match.
 */
bool ud_target_match(
	struct ud_ctx *cx, const char *pattern, const char *path, const char *arg[UD_MAX_ARGS]);

/* The text with everything but unreserved characters (RFC 3986 2.3) escaped, in the arena. */
char *ud_percent(ud_arena *arena, const char *text);

#endif
