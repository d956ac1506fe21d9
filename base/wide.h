/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Windows alone: texts are UTF-8 everywhere in this program, whatever code page the machine has;
 * its calls want UTF-16. And its errors as an errno.
 */
#ifndef BASE_WIDE_H
#define BASE_WIDE_H

#include "base/arena.h"

/* UTF-8 to UTF-16, from ud_malloc. What is not UTF-8 becomes U+FFFD, and is found nowhere. */
wchar_t *ud_wide(const char *text);
/* UTF-16 to UTF-8, from ud_malloc. */
char *ud_narrow(const wchar_t *text);
/* GetLastError() as an errno. */
int ud_windows_errno(void);
/* A command line that programs take apart into these arguments again, from ud_malloc. */
wchar_t *ud_command_line(const char *const *argv);
struct _SECURITY_ATTRIBUTES;
/* For a new file or folder that only the system, administrators and its owner may open. Give
 * lpSecurityDescriptor back with LocalFree. False: refused, GetLastError() says why. */
bool ud_private_to_owner(struct _SECURITY_ATTRIBUTES *ret);

#endif
