/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a stream, for its own files (peer*.c): what wraps the bytes.
 */
#ifndef AGENT_REPLICATION_PEER_INSIDE_H
#define AGENT_REPLICATION_PEER_INSIDE_H

#include <pthread.h>

#include "agent/replication/peer.h"

/* A way to wrap bytes. Functions return 0 or an errno, and wait with ud_stream_poll. */
struct ud_wrap {
	/* read the credentials into peers->own */
	enum ud_code (*open)(struct ud_ctx *cx, ud_peers *peers);
	void (*release)(ud_peers *peers);
	/* agree on keys; sets stream->peer and stream->own */
	enum ud_code (*begin)(struct ud_ctx *cx, ud_peers *peers, ud_stream *stream, bool server);
	void (*end)(ud_stream *stream);
	int (*send)(ud_stream *stream, const unsigned char *data, size_t n, int64_t timeout_ms);
	/* some bytes, at least one */
	int (*receive)(ud_stream *stream, unsigned char *data, size_t n, int64_t timeout_ms,
		size_t *ret_n);
	/* bytes that were received and not yet taken */
	bool (*pending)(ud_stream *stream);
};
extern const struct ud_wrap ud_wrap_tls, ud_wrap_gss;

struct ud_peers {
	const struct ud_wrap *wrap;
	ud_arena *arena;
	struct ud_peer peer; /* texts in the arena */
	void *own;
	ud_peers *kerberos; /* of a listener that has a key table as well; else NULL */
};

struct ud_stream {
	const struct ud_wrap *wrap;
	enum ud_peer_auth auth;
	int fd;
	int64_t timeout_ms; /* of the beginning */
	char peer[UD_PEER_NAME];
	void *own;
};

/* Wait for the descriptor: POLLIN or POLLOUT. 0, ETIMEDOUT or an errno. */
int ud_stream_poll(ud_stream *stream, short events, int64_t timeout_ms) UD_USE;

#endif
