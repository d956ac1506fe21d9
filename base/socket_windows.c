/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Winsock, all sockets non-blocking, with select for the deadlines. A SOCKET fits into an int:
 * handles have 32 bits that count.
 */
#include <winsock2.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>
#include <ws2tcpip.h>

#include "base/socket.h"

struct place {
	struct sockaddr_storage address;
	int size;
};

static const struct {
	int theirs, ours;
} errors[] = {
	{ WSAEWOULDBLOCK, EAGAIN },
	{ WSAEINPROGRESS, EINPROGRESS },
	{ WSAETIMEDOUT, ETIMEDOUT },
	{ WSAECONNREFUSED, ECONNREFUSED },
	{ WSAECONNRESET, ECONNRESET },
	{ WSAECONNABORTED, ECONNABORTED },
	{ WSAEADDRINUSE, EADDRINUSE },
	{ WSAEADDRNOTAVAIL, EADDRNOTAVAIL },
	{ WSAENETUNREACH, ENETUNREACH },
	{ WSAEHOSTUNREACH, EHOSTUNREACH },
	{ WSAEACCES, EACCES },
	{ WSAEINVAL, EINVAL },
	{ WSAENOTSOCK, EBADF },
	{ WSAENOTCONN, ENOTCONN },
	{ WSAESHUTDOWN, EPIPE },
	{ WSAEMFILE, EMFILE },
};

static int to_errno(int theirs)
{
	for (size_t i = 0; i < UD_LEN(errors); i++)
		if (errors[i].theirs == theirs)
			return errors[i].ours;
	return EIO;
}

static int last_errno(void)
{
	return to_errno(WSAGetLastError());
}

static BOOL CALLBACK start_up(INIT_ONCE *once, void *data, void **context)
{
	WSADATA about;

	(void)once, (void)data, (void)context;
	return WSAStartup(MAKEWORD(2, 2), &about) == 0;
}

/* Winsock is asked to wake up once, by whoever comes first. */
static bool is_up(void)
{
	static INIT_ONCE once = INIT_ONCE_STATIC_INIT;

	return InitOnceExecuteOnce(&once, start_up, NULL, NULL);
}

/* getaddrinfo would cut a greater number to 16 bits. */
static bool is_port(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n >= 1 && n <= 5 && !text[n] && strtol(text, NULL, 10) <= 65535;
}

/* Sockets with a path are refused: no agent on Windows needs one. */
static int place_of(const char *text, bool passive, struct place *ret)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0) };
	const char *colon = strrchr(text, ':');
	struct addrinfo *found = NULL;
	char host[256];

	*ret = (struct place){ 0 };
	if (strncmp(text, "unix:", 5) == 0 || !colon || colon - text >= (long)sizeof(host) ||
		!is_port(colon + 1))
		return EINVAL;
	bool brackets = text[0] == '[' && colon > text + 1 && colon[-1] == ']';

	if (!brackets && memchr(text, ':', (size_t)(colon - text)))
		return EINVAL;
	snprintf(host, sizeof(host), "%.*s", (int)(colon - text) - 2 * brackets, text + brackets);
	if (!is_up() || getaddrinfo(*host ? host : NULL, colon + 1, &hints, &found) != 0)
		return EINVAL;
	memcpy(&ret->address, found->ai_addr, found->ai_addrlen);
	ret->size = (int)found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static void be_non_blocking(SOCKET s)
{
	u_long one = 1;

	ioctlsocket(s, FIONBIO, &one);
	SetHandleInformation((HANDLE)s, HANDLE_FLAG_INHERIT, 0);
}

static int open_socket(const struct place *p, SOCKET *ret)
{
	SOCKET s = socket(p->address.ss_family, SOCK_STREAM, IPPROTO_TCP);

	if (s == INVALID_SOCKET)
		return last_errno();
	be_non_blocking(s);
	*ret = s;
	return 0;
}

static int wait_for(SOCKET s, bool write, int64_t timeout_ms)
{
	struct timeval left = { .tv_sec = (long)(timeout_ms / 1000),
		.tv_usec = (long)(timeout_ms % 1000) * 1000 };
	fd_set ready, failed;

	FD_ZERO(&ready);
	FD_ZERO(&failed);
	FD_SET(s, &ready);
	FD_SET(s, &failed); /* a connect that was refused shows here alone */
	int n = select(0, write ? NULL : &ready, write ? &ready : NULL, &failed, &left);

	return n < 0 ? last_errno() : n == 0 ? ETIMEDOUT : 0;
}

static int port_of(SOCKET s)
{
	struct sockaddr_storage address = { 0 };
	int size = sizeof(address);

	if (getsockname(s, (struct sockaddr *)&address, &size) != 0)
		return 0;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
	return ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port);
}

static int real_listen(const char *text, int *ret_fd, int *ret_port)
{
	struct place p;
	SOCKET s = INVALID_SOCKET;
	int one = 1, why = place_of(text, true, &p);

	if (why == 0)
		why = open_socket(&p, &s);
	if (why)
		return why;
	/* nobody else may take the same port, as it is without being asked on other systems */
	setsockopt(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, (const char *)&one, sizeof(one));
	if (bind(s, (struct sockaddr *)&p.address, p.size) != 0 || listen(s, 128) != 0) {
		why = last_errno();
		closesocket(s);
		return why;
	}
	*ret_fd = (int)s;
	*ret_port = port_of(s);
	return 0;
}

/* The end of a connect that is under way. */
static int connected(SOCKET s, int64_t timeout_ms)
{
	int why = wait_for(s, true, timeout_ms), error = 0, size = sizeof(error);

	if (why == 0 && getsockopt(s, SOL_SOCKET, SO_ERROR, (char *)&error, &size) != 0)
		return last_errno();
	return why ? why : error ? to_errno(error) : 0;
}

/* Small messages leave at once. */
static void be_prompt(SOCKET s)
{
	int one = 1;

	setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (const char *)&one, sizeof(one));
}

static int real_connect(const char *text, int64_t timeout_ms, int *ret_fd)
{
	struct place p;
	SOCKET s = INVALID_SOCKET;
	int why = place_of(text, false, &p);

	if (why == 0)
		why = open_socket(&p, &s);
	if (why)
		return why;
	if (connect(s, (struct sockaddr *)&p.address, p.size) != 0)
		why = WSAGetLastError() == WSAEWOULDBLOCK ? connected(s, timeout_ms) : last_errno();
	if (why) {
		closesocket(s);
		return why;
	}
	be_prompt(s);
	*ret_fd = (int)s;
	return 0;
}

static int real_accept(int fd, int64_t timeout_ms, int *ret_fd)
{
	int why = wait_for((SOCKET)fd, false, timeout_ms);

	if (why)
		return why;
	SOCKET one = accept((SOCKET)fd, NULL, NULL);

	if (one == INVALID_SOCKET)
		return last_errno();
	be_non_blocking(one);
	be_prompt(one);
	*ret_fd = (int)one;
	return 0;
}

static int real_send(int fd, const void *data, size_t n, int64_t timeout_ms)
{
	int64_t end = ud_mono_ms(&ud_env_real) + timeout_ms;
	const char *p = data;

	while (n) {
		int put = send((SOCKET)fd, p, n > INT32_MAX ? INT32_MAX : (int)n, 0);

		if (put >= 0) {
			p += put;
			n -= (size_t)put;
			continue;
		}
		if (WSAGetLastError() != WSAEWOULDBLOCK)
			return last_errno();
		int64_t left = end - ud_mono_ms(&ud_env_real);
		int why = wait_for((SOCKET)fd, true, left > 0 ? left : 0);

		if (why)
			return why;
	}
	return 0;
}

static int real_receive(int fd, void *data, size_t n, int64_t timeout_ms, size_t *ret_n)
{
	int why = wait_for((SOCKET)fd, false, timeout_ms);

	if (why)
		return why;
	int got = recv((SOCKET)fd, data, n > INT32_MAX ? INT32_MAX : (int)n, 0);

	if (got < 0)
		return last_errno();
	*ret_n = (size_t)got;
	return 0;
}

static void real_close(int fd)
{
	closesocket((SOCKET)fd);
}

const struct ud_sockets ud_sockets_real = { .listen = real_listen,
	.connect = real_connect,
	.accept = real_accept,
	.send = real_send,
	.receive = real_receive,
	.close = real_close };
