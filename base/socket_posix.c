/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BSD sockets, all of them non-blocking, with poll for the deadlines.
 */
#include "base/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct place {
	struct sockaddr_storage address;
	socklen_t size;
};

static int unix_place(const char *path, struct place *ret)
{
	struct sockaddr_un *un = (struct sockaddr_un *)(void *)&ret->address;

	if (*path != '/' || strlen(path) >= sizeof(un->sun_path))
		return EINVAL;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	ret->size = sizeof(*un);
	return 0;
}

/* getaddrinfo would cut a greater number to 16 bits. */
static bool is_port(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n >= 1 && n <= 5 && !text[n] && strtol(text, NULL, 10) <= 65535;
}

static int internet_place(const char *text, bool passive, struct place *ret)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0) };
	const char *colon = strrchr(text, ':');
	struct addrinfo *found = NULL;
	char host[256];

	if (!colon || colon - text >= (long)sizeof(host) || !is_port(colon + 1))
		return EINVAL;
	bool brackets = text[0] == '[' && colon > text + 1 && colon[-1] == ']';

	if (!brackets && memchr(text, ':', (size_t)(colon - text)))
		return EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * brackets, text + brackets);
	if (getaddrinfo(*host ? host : NULL, colon + 1, &hints, &found) != 0)
		return EINVAL;
	memcpy(&ret->address, found->ai_addr, found->ai_addrlen);
	ret->size = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static int place_of(const char *text, bool passive, struct place *ret)
{
	*ret = (struct place){ 0 };
	return strncmp(text, "unix:", 5) == 0 ? unix_place(text + 5, ret)
					      : internet_place(text, passive, ret);
}

/* A new socket for the place. 0 or an errno. */
static int open_socket(const struct place *p, int *ret_fd)
{
	int fd = socket(p->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return errno;
	*ret_fd = fd;
	return 0;
}

static int wait_for(int fd, short events, int64_t timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, (int)(timeout_ms > INT32_MAX ? INT32_MAX : timeout_ms));
	} while (n < 0 && errno == EINTR);
	return n < 0 ? errno : n == 0 ? ETIMEDOUT : 0;
}

static int port_of(int fd)
{
	struct sockaddr_storage address = { 0 };
	socklen_t size = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
		return 0;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
	return address.ss_family == AF_INET6
		? ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port)
		: 0;
}

static int real_listen(const char *text, int *ret_fd, int *ret_port)
{
	struct place p;
	int fd = -1, one = 1, why = place_of(text, true, &p);

	if (why == 0)
		why = open_socket(&p, &fd);
	if (why)
		return why;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&p.address, p.size) != 0 || listen(fd, 128) != 0) {
		why = errno;
		close(fd);
		return why;
	}
	*ret_fd = fd;
	*ret_port = port_of(fd);
	return 0;
}

/* The end of a connect that is under way. */
static int connected(int fd, int64_t timeout_ms)
{
	int why = wait_for(fd, POLLOUT, timeout_ms), error = 0;
	socklen_t size = sizeof(error);

	if (why == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
		why = errno;
	return why ? why : error;
}

/* Small messages leave at once. A Unix socket has no such option and needs none. */
static void be_prompt(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int real_connect(const char *text, int64_t timeout_ms, int *ret_fd)
{
	struct place p;
	int fd = -1, why = place_of(text, false, &p);

	if (why == 0)
		why = open_socket(&p, &fd);
	if (why)
		return why;
	if (connect(fd, (struct sockaddr *)&p.address, p.size) != 0)
		why = errno == EINPROGRESS || errno == EINTR ? connected(fd, timeout_ms) : errno;
	if (why) {
		close(fd);
		return why;
	}
	be_prompt(fd);
	*ret_fd = fd;
	return 0;
}

static int real_accept(int fd, int64_t timeout_ms, int *ret_fd)
{
	int why = wait_for(fd, POLLIN, timeout_ms);

	if (why)
		return why;
	int one = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (one < 0)
		return errno;
	be_prompt(one);
	*ret_fd = one;
	return 0;
}

static int real_send(int fd, const void *data, size_t n, int64_t timeout_ms)
{
	int64_t end = ud_mono_ms(&ud_env_real) + timeout_ms;
	const char *p = data;

	while (n) {
		ssize_t put = send(fd, p, n, MSG_NOSIGNAL);

		if (put < 0 && errno == EAGAIN) {
			int64_t left = end - ud_mono_ms(&ud_env_real);
			int why = wait_for(fd, POLLOUT, left > 0 ? left : 0);

			if (why)
				return why;
			continue;
		}
		if (put < 0 && errno != EINTR)
			return errno;
		p += put > 0 ? put : 0;
		n -= put > 0 ? (size_t)put : 0;
	}
	return 0;
}

static int real_receive(int fd, void *data, size_t n, int64_t timeout_ms, size_t *ret_n)
{
	int why = wait_for(fd, POLLIN, timeout_ms);
	ssize_t got;

	if (why)
		return why;
	do {
		got = recv(fd, data, n, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno;
	*ret_n = (size_t)got;
	return 0;
}

static void real_close(int fd)
{
	close(fd);
}

const struct ud_sockets ud_sockets_real = { .listen = real_listen,
	.connect = real_connect,
	.accept = real_accept,
	.send = real_send,
	.receive = real_receive,
	.close = real_close };
