/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of an INI file taken apart, for base/options.c. On POSIX systems inih does it; the Windows
 * build has its own, since what is left after the checks of options.c is two cases. One test runs
 * over both.
 */
#ifndef BASE_INI_H
#define BASE_INI_H

#include "base/ud.h"

/* The next line into buf as fgets would, without blanks in front; NULL at the end. */
typedef char *ud_ini_reader(char *buf, int size, void *stream);
/* A key with its value; 0 = stop telling what is wrong with later lines. */
typedef int ud_ini_handler(void *user, const char *section, const char *key, const char *value);

/* Read to the end: 0, or the number of the first line that could not be taken apart. A line that
 * begins with ; or # is a comment, so is the rest of a value from a ; after a blank. */
int ud_ini_read(ud_ini_reader *reader, void *stream, ud_ini_handler *handler, void *user);

#endif
