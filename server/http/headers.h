/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What two request headers say. Pure: they get the header's text and nothing else.
 */
#ifndef SERVER_HTTP_HEADERS_H
#define SERVER_HTTP_HEADERS_H

#include "base/arena.h"

enum { UD_TRACE_ID = 32, UD_TRACE_PARENT = 16 };

/*
 * The value of a preference in a Prefer header's text of n bytes (RFC 7240 2), in the arena: ""
 * when it is said without one, NULL when it is not said. The first of several counts; parameters
 * behind ';' are passed over.
 */
const char *ud_header_preference(ud_arena *arena, const char *text, size_t n, const char *name);

/*
 * Is a traceparent well formed (W3C Trace Context 3.2)? UD_TRACE_ID hexadecimal digits stand at 3
 * and UD_TRACE_PARENT at 36 then. Versions to come may have more behind it.
 */
bool ud_header_trace(const char *text);

#endif
