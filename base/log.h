/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: one key=value line per request, job step and state move, on standard error (systemd's
 * journal takes it from there, priorities included). Never a secret, a token or a body. Any thread;
 * a line is one write.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/buf.h"

enum ud_log_level { UD_LOG_ERROR, UD_LOG_WARNING, UD_LOG_INFO, UD_LOG_DEBUG };

/* Lines above this level are dropped from now on. The standard is UD_LOG_INFO. */
void ud_log_set_level(enum ud_log_level level);
/* The level of a name ("error", "warning", "info", "debug"), or -1. */
int ud_log_level_named(const char *name);
/* Write a line: the event's name, then keys and values as pairs of texts, ended by NULL. Values are
 * quoted as needed. */
void ud_log(enum ud_log_level level, const char *event, ...) __attribute__((sentinel));

/* Keep the newest lines in memory from now on, at most so many bytes of them. Once, at start. */
void ud_log_keep(size_t bytes);
/* Append the newest kept lines, oldest first: at most so many lines and bytes. Any thread. */
void ud_log_tail(struct ud_buf *b, size_t lines, size_t bytes);

#endif
