/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Byte streams to other machines, through a table that a test replaces. Addresses are
 * "ADDRESS:PORT", "[ADDRESS]:PORT", ":PORT" (listening on all) or "unix:/PATH". Each call has a
 * deadline; none raises SIGPIPE. HTTP goes through libmicrohttpd and libcurl, not through here.
 */
#ifndef BASE_SOCKET_H
#define BASE_SOCKET_H

#include "base/env.h"

/* Every function: 0 or an errno; ETIMEDOUT when the deadline passed; EINVAL for what is no address.
 */
struct ud_sockets {
	/* *ret_port: the one chosen when PORT is 0; 0 for a Unix socket. */
	int (*listen)(const char *address, int *ret_fd, int *ret_port);
	/* Looks a name up first, which the deadline does not bound: give numbers where it matters.
	 */
	int (*connect)(const char *address, int64_t timeout_ms, int *ret_fd);
	int (*accept)(int fd, int64_t timeout_ms, int *ret_fd);
	/* All n bytes, or an error: then an unknown part of them has gone. */
	int (*send)(int fd, const void *data, size_t n, int64_t timeout_ms);
	/* What is there, at most n bytes, at least one; *ret_n = 0: the other side has ended. */
	int (*receive)(int fd, void *data, size_t n, int64_t timeout_ms, size_t *ret_n);
	void (*close)(int fd);
};

extern const struct ud_sockets ud_sockets_real;

#endif
