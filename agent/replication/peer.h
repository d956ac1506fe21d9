/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream between two agents: TLS 1.3 over TCP, both ends with their agent certificates, or the
 * same stream wrapped by GSSAPI. It knows who the other end is, and nothing of what is said.
 * One thread at a time, but for ud_stream_cut.
 */
#ifndef AGENT_REPLICATION_PEER_H
#define AGENT_REPLICATION_PEER_H

#include "base/ctx.h"

enum { UD_PEER_MESSAGE = 32 << 10, UD_PEER_NAME = 128 };

enum ud_peer_auth { UD_PEER_CERTIFICATE, UD_PEER_KERBEROS };

/* Who we are and who the other one must be. Texts. */
struct ud_peer {
	enum ud_peer_auth auth;
	/* certificates: identity.pem (certificate, chain, key) and the installation's root */
	const char *identity, *root;
	/* id of the other agent, as its certificate or principal names it; a listener gives NULL
	 * and asks ud_stream_peer */
	const char *agent_id;
	/* Kerberos: our own principal ("understudy/AGENT_ID") and our key table. A listener with
	 * certificates that is given them, too, takes connections of both kinds */
	const char *principal, *keytab;
};

typedef struct ud_stream ud_stream;
typedef struct ud_peers ud_peers; /* credentials, read once and shared by streams */

/* Read the credentials. UD_E_UNAVAILABLE with what is wrong with them. peer is copied. */
enum ud_code ud_peers_open(struct ud_ctx *cx, const struct ud_peer *peer, ud_peers **ret) UD_USE;
void ud_peers_release(ud_peers **peers);

/*
 * Connect, agree on keys, check who it is. UD_E_UNAVAILABLE (no such place, no answer),
 * UD_E_CERTIFICATE_REFUSED (one end does not believe the other).
 */
enum ud_code ud_stream_connect(struct ud_ctx *cx, ud_peers *peers, const char *address,
	int64_t timeout_ms, ud_stream **ret) UD_USE;
/* The same for a connection that was accepted; takes the descriptor over, on failure, too. */
enum ud_code ud_stream_accept(
	struct ud_ctx *cx, ud_peers *peers, int fd, int64_t timeout_ms, ud_stream **ret) UD_USE;
void ud_stream_release(ud_stream **stream);
/* The other end's agent id, proved; valid as long as the stream. */
const char *ud_stream_peer(const ud_stream *stream);
/* By what it was proved. */
enum ud_peer_auth ud_stream_auth(const ud_stream *stream);
/* End both directions at once: whoever waits in it returns. Any thread. */
void ud_stream_cut(ud_stream *stream);

/* All n bytes, or an error: 0 or an errno. ETIMEDOUT when nothing moves for timeout_ms; EACCES when
 * the other end does not believe our certificate, which may show late. */
int ud_stream_send(ud_stream *stream, const void *data, size_t n, int64_t timeout_ms) UD_USE;
/* Exactly n bytes. EPIPE when the other end has ended. */
int ud_stream_receive(ud_stream *stream, void *data, size_t n, int64_t timeout_ms) UD_USE;

/* Wait until something to receive is there: 0, ETIMEDOUT, or an errno. */
int ud_stream_wait(ud_stream *stream, int64_t timeout_ms) UD_USE;

#endif
