/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that are part of the program: made into tables by cmake/embed.cmake.
 */
#ifndef BASE_EMBED_H
#define BASE_EMBED_H

#include <stddef.h>

/* One file; a table ends with a NULL name. data has a NUL behind its size bytes. */
struct ud_embedded {
	const char *name;
	const char *data;
	size_t size;
};

#endif
