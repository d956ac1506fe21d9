/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of things: ids are a prefix, '_' and a ULID (48 bits of milliseconds, 80 of chance) in
 * lower-case Crockford base32, 26 characters (github.com/ulid/spec). Secrets end in a CRC so that
 * scanners know a leak.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include "base/arena.h"
#include "base/env.h"

enum { UD_ULID_TEXT = 27 };

/* A new ULID text for the given instant. Two of one millisecond are ordered by chance. Any thread.
 */
void ud_ulid(const struct ud_env *env, int64_t now_ms, char text[UD_ULID_TEXT]);
/* "<prefix>_<ulid>" in the arena. Prefixes have 2 or 3 letters (vm, op, cus). */
char *ud_id_new(ud_arena *arena, const struct ud_env *env, int64_t now_ms, const char *prefix);
/* True when text is an id; with a prefix, one of that prefix. */
bool ud_id_valid(const char *text, const char *prefix);

/*
 * A new secret "<prefix>_<8 characters of id><43 characters of base62, 256 bits><6 of CRC-32>", for
 * example usp_. The CRC-32 (IEEE 802.3) covers everything before it, in base62.
 */
char *ud_secret_new(ud_arena *arena, const struct ud_env *env, const char *prefix);
/* True when text has the form and the CRC of a secret with this prefix. No statement on its
 * validity. */
bool ud_secret_formed(const char *text, const char *prefix);

#endif
