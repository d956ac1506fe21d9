/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time-based one-time passwords (RFC 6238: SHA-1, six digits, steps of 30 s) and recovery codes.
 * Any thread.
 */
#ifndef BASE_TOTP_H
#define BASE_TOTP_H

#include "base/arena.h"
#include "base/env.h"

enum { UD_TOTP_SECRET = 20, UD_RECOVERY_CODES = 10 };

/* A fresh secret in base32 (RFC 4648 6), in the arena. */
char *ud_totp_secret(ud_arena *arena, const struct ud_env *env);
/* otpauth:// address for authenticators, in the arena. */
char *ud_totp_uri(ud_arena *arena, const char *account, const char *secret);
/*
 * The time step whose code this is, one step early or late accepted, or -1. Store it and accept
 * only greater ones: a code works once.
 */
int64_t ud_totp_match(const char *secret, const char *code, int64_t now_ms, int64_t last_step);
/* The code of a step: for tests and for clients. code gets six digits and a NUL. False: not a
 * secret. */
bool ud_totp_code(const char *secret, int64_t step, char code[7]);
/* A recovery code "xxxxx-xxxxx-xxxxx-xxxxx" (100 bits), in the arena. */
char *ud_recovery_code(ud_arena *arena, const struct ud_env *env);

#endif
