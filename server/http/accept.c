/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listening and accepting. We accept ourselves, so that per-address limits hold before the library
 * sees a connection, and so that a connection that begins with the event stream can go to the loop
 * for streams: every suspended connection makes each wake-up of its daemon dearer. A stream on a
 * connection that served other requests before stays where it is; it works there as well.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/http/io.h"
#include "server/http/limits.h"

enum { BACKLOG = 4096, ACCEPT_AT_ONCE = 64 };

static void set_int(int fd, int level, int name, int value)
{
	/* an optimisation; fine without */
	(void)setsockopt(fd, level, name, &value, sizeof(value));
}

static enum ud_code listen_unix(struct ud_ctx *cx, const char *path, int *ret_fd)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(a.sun_path))
		return ud_fail(
			cx, UD_E_UNAVAILABLE, NULL, "%s: the path is too long for a socket", path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool taken = fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;

	if (taken)
		errno = EADDRINUSE;
	else
		unlink(path);
	if (fd < 0 || taken || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 ||
		listen(fd, BACKLOG) != 0) {
		if (fd >= 0)
			close(fd);
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", path, strerror(errno));
	}
	*ret_fd = fd;
	return UD_OK;
}

static int bound_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = { .v6 = { 0 } };
	socklen_t n = sizeof(a);

	if (getsockname(fd, &a.any, &n) != 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

/* Does somebody listen there? Only our own loops share a port; errno says why not. */
static bool is_taken(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return true;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	bool taken = bind(fd, ai->ai_addr, ai->ai_addrlen) != 0;
	int why = errno;

	close(fd);
	errno = why;
	return taken;
}

static int listen_at(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	set_int(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5);
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	int why = errno;

	close(fd);
	errno = why;
	return -1;
}

/* "host:port", "[v6]:port" or ":port" into two texts. */
static bool split_address(
	struct ud_ctx *cx, const char *where, const char **ret_host, const char **ret_port)
{
	const char *colon = strrchr(where, ':');
	size_t n = colon ? (size_t)(colon - where) : 0;

	if (!colon || !colon[1])
		return false;
	bool brackets = n >= 2 && where[0] == '[' && where[n - 1] == ']';

	*ret_host = n ? ud_strndup(cx->arena, where + brackets, n - 2 * brackets) : NULL;
	*ret_port = colon + 1;
	return true;
}

enum ud_code ud_listen(struct ud_ctx *cx, const char *where, bool first, int *ret_fd, int *ret_port)
{
	const char *host, *port;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV },
			*ai = NULL;

	*ret_port = 0;
	if (strncmp(where, "unix:", 5) == 0)
		return listen_unix(cx, where + 5, ret_fd);
	if (!split_address(cx, where, &host, &port))
		return ud_fail(
			cx, UD_E_UNAVAILABLE, NULL, "%s is not ADDRESS:PORT or unix:PATH", where);
	int rc = getaddrinfo(host, port, &hints, &ai);

	if (rc != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", where, gai_strerror(rc));
	*ret_fd = first && is_taken(ai) ? -1 : listen_at(ai);
	freeaddrinfo(ai);
	if (*ret_fd < 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", where, strerror(errno));
	*ret_port = bound_port(*ret_fd);
	return UD_OK;
}

/* True when the first bytes ask for the event stream. */
static bool wants_stream(int fd)
{
	static const char start[] = "GET /v1/events/stream";
	char seen[sizeof(start)];
	ssize_t n = recv(fd, seen, sizeof(start) - 1, MSG_PEEK | MSG_DONTWAIT);

	return n == (ssize_t)sizeof(start) - 1 && memcmp(seen, start, sizeof(start) - 1) == 0;
}

void ud_accept_add(struct ud_loop *loop, int fd)
{
	struct sockaddr_storage a;
	socklen_t n = sizeof(a);

	memset(&a, 0, sizeof(a));
	if (getpeername(fd, (struct sockaddr *)&a, &n) != 0) {
		close(fd);
		return;
	}
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	/* The library closes fd when it refuses it. */
	(void)MHD_add_connection(loop->mhd, fd, (struct sockaddr *)&a, n);
}

static void hand_over(struct ud_loop *to, int fd)
{
	pthread_mutex_lock(&to->mutex);
	bool room = to->handed_count < UD_LEN(to->handed);

	if (room)
		to->handed[to->handed_count++] = fd;
	pthread_mutex_unlock(&to->mutex);
	if (room)
		ud_loop_wake(to);
	else
		close(fd);
}

void ud_accept_all(struct ud_loop *loop)
{
	struct ud_server *s = loop->server;
	bool tls = ud_server_tls(&s->settings);

	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		int fd = accept4(loop->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		struct ud_loop *streams = s->loops[s->loop_count - 1];

		if (!tls && streams != loop && wants_stream(fd))
			hand_over(streams, fd);
		else
			ud_accept_add(loop, fd);
	}
}
