/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports are tried by chance, so that programs side by side seldom try the same one.
 */
#include "support/ports.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/env.h"
#include "support/harness.h"

enum { LOWEST = 10000, COUNT = 22000, TRIES = 1000 };

static bool is_free(int port, int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons((unsigned short)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
	bool ret = bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	close(fd);
	return ret;
}

int free_port(void)
{
	for (int i = 0; i < TRIES; i++) {
		unsigned short chance;

		ud_random(&ud_env_real, &chance, sizeof(chance));
		int port = LOWEST + chance % COUNT;

		if (is_free(port, SOCK_STREAM) && is_free(port, SOCK_DGRAM))
			return port;
	}
	fail_msg("no port is free");
	return 0;
}
