/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: connecting, and whole messages over whatever wraps them.
 */
#include "agent/replication/peer.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/replication/peer_inside.h"
#include "base/log.h"
#include "base/socket.h"

/* By enum ud_peer_auth. */
static const struct ud_wrap *const wraps[] = {
	[UD_PEER_CERTIFICATE] = &ud_wrap_tls,
	[UD_PEER_KERBEROS] = &ud_wrap_gss,
};

static struct ud_peer copy_peer(ud_arena *arena, const struct ud_peer *p)
{
	return (struct ud_peer){ .auth = p->auth,
		.identity = ud_strdup(arena, p->identity),
		.root = ud_strdup(arena, p->root),
		.agent_id = ud_strdup(arena, p->agent_id),
		.principal = ud_strdup(arena, p->principal),
		.keytab = ud_strdup(arena, p->keytab) };
}

/* Kerberos beside certificates. A key table that is wrong must not stop those. */
static ud_peers *open_kerberos(struct ud_ctx *cx, const struct ud_peer *peer)
{
	struct ud_peer also = *peer;
	ud_peers *p = NULL;

	if (peer->auth != UD_PEER_CERTIFICATE || !peer->keytab || !*peer->keytab)
		return NULL;
	also.auth = UD_PEER_KERBEROS;
	if (ud_peers_open(cx, &also, &p) != UD_OK) {
		ud_log(UD_LOG_WARNING, "replication.no_kerberos", "reason", cx->problem.detail,
			NULL);
		ud_ctx_clear(cx);
	}
	return p;
}

enum ud_code ud_peers_open(struct ud_ctx *cx, const struct ud_peer *peer, ud_peers **ret)
{
	if ((size_t)peer->auth >= UD_LEN(wraps))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "there is no such authentication");
	ud_peers *p = ud_malloc(sizeof(*p));

	*p = (ud_peers){ .wrap = wraps[peer->auth], .arena = ud_arena_new() };
	p->peer = copy_peer(p->arena, peer);
	enum ud_code code = p->wrap->open(cx, p);

	if (code == UD_OK)
		p->kerberos = open_kerberos(cx, peer);
	if (code != UD_OK)
		ud_peers_release(&p);
	else
		*ret = p;
	return code;
}

void ud_peers_release(ud_peers **peers)
{
	ud_peers *p = *peers;

	*peers = NULL;
	if (!p)
		return;
	ud_peers_release(&p->kerberos);
	p->wrap->release(p);
	ud_arena_release(&p->arena);
	ud_free(p);
}

static enum ud_code begin(struct ud_ctx *cx, ud_peers *peers, int fd, int64_t timeout_ms,
	bool server, ud_stream **ret)
{
	ud_stream *s = ud_malloc(sizeof(*s));
	const int yes = 1;

	*s = (ud_stream){
		.wrap = peers->wrap, .auth = peers->peer.auth, .fd = fd, .timeout_ms = timeout_ms
	};
	/* small answers wait for nobody; a Unix socket has no such option */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	enum ud_code code = peers->wrap->begin(cx, peers, s, server);

	if (code == UD_OK && peers->peer.agent_id && strcmp(s->peer, peers->peer.agent_id) != 0)
		code = ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL, "the other end is %s, not %s",
			s->peer, peers->peer.agent_id);
	if (code != UD_OK)
		ud_stream_release(&s);
	else
		*ret = s;
	return code;
}

enum ud_code ud_stream_connect(struct ud_ctx *cx, ud_peers *peers, const char *address,
	int64_t timeout_ms, ud_stream **ret)
{
	int fd = -1;
	int rc = cx->env->sockets->connect(address, timeout_ms, &fd);

	if (rc != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "%s: %s", address, strerror(rc));
	return begin(cx, peers, fd, timeout_ms, false, ret);
}

/* Which of both it speaks: its first byte tells. Nothing in time is left to TLS to complain of. */
static ud_peers *of_kind(ud_peers *peers, int fd, int64_t timeout_ms)
{
	ud_stream s = { .fd = fd };
	unsigned char first;

	if (!peers->kerberos || ud_stream_poll(&s, POLLIN, timeout_ms) != 0 ||
		recv(fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return peers;
	return first == 0 ? peers->kerberos : peers;
}

enum ud_code ud_stream_accept(
	struct ud_ctx *cx, ud_peers *peers, int fd, int64_t timeout_ms, ud_stream **ret)
{
	peers = of_kind(peers, fd, timeout_ms);
	return begin(cx, peers, fd, timeout_ms, true, ret);
}

void ud_stream_release(ud_stream **stream)
{
	ud_stream *s = *stream;

	*stream = NULL;
	if (!s)
		return;
	s->wrap->end(s);
	close(s->fd);
	ud_free(s);
}

const char *ud_stream_peer(const ud_stream *stream)
{
	return stream->peer;
}

enum ud_peer_auth ud_stream_auth(const ud_stream *stream)
{
	return stream->auth;
}

void ud_stream_cut(ud_stream *stream)
{
	shutdown(stream->fd, SHUT_RDWR);
}

int ud_stream_poll(ud_stream *stream, short events, int64_t timeout_ms)
{
	struct pollfd p = { stream->fd, events, 0 };
	int64_t end_us = ud_stopwatch_us() + timeout_ms * 1000;

	for (;;) {
		int64_t left = (end_us - ud_stopwatch_us() + 999) / 1000;
		int n = poll(&p, 1, left > 0 ? left < 60000 ? (int)left : 60000 : 0);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return errno;
		if (left <= 0)
			return ETIMEDOUT;
	}
}

int ud_stream_send(ud_stream *stream, const void *data, size_t n, int64_t timeout_ms)
{
	return n ? stream->wrap->send(stream, data, n, timeout_ms) : 0;
}

int ud_stream_receive(ud_stream *stream, void *data, size_t n, int64_t timeout_ms)
{
	unsigned char *p = data;

	while (n) {
		size_t got = 0;
		int rc = stream->wrap->receive(stream, p, n, timeout_ms, &got);

		if (rc != 0)
			return rc;
		p += got;
		n -= got;
	}
	return 0;
}

int ud_stream_wait(ud_stream *stream, int64_t timeout_ms)
{
	return stream->wrap->pending(stream) ? 0 : ud_stream_poll(stream, POLLIN, timeout_ms);
}
