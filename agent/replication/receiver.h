/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes points in for all VMs of this host: one listener, one thread per connection up to a bound,
 * and a pool of workers that decompress, check and write. It owns no store: whoever runs it says
 * which store a relation has, and may say no.
 */
#ifndef AGENT_REPLICATION_RECEIVER_H
#define AGENT_REPLICATION_RECEIVER_H

#include "agent/replication/peer.h"
#include "agent/replication/sender.h"
#include "agent/replication/store.h"

typedef struct ud_receiver ud_receiver;

/* Who comes, and for what. */
struct ud_caller {
	const char *replication_id, *vm_id; /* as it says */
	const char *peer;                   /* its agent id, proved */
	enum ud_peer_auth auth;             /* by what */
};

struct ud_receiver_calls {
	/*
	 * The store of a relation for a peer that says it is its source. The store stays the
	 * callee's and open until closed is called for it. UD_E_NOT_FOUND, UD_E_INVALID_STATE
	 * (paused, not target); words go to the peer. Who cuts the relation waits for this call,
	 * too: it must not wait for them.
	 */
	enum ud_code (*store)(
		struct ud_ctx *cx, void *data, const struct ud_caller *caller, ud_store **ret);
	void (*closed)(void *data, const char *replication_id, ud_store *store);
	/* a point is durable; called after its commit, before the peer learns of it; may be NULL */
	void (*published)(void *data, const char *replication_id, const struct ud_manifest *point);
	/* the peer has looked, so long ago: that point, its newest here, was all it had; may be
	 * NULL
	 */
	void (*confirmed)(
		void *data, const char *replication_id, const char *point_id, int64_t age_ms);
	/* pieces that this host's own disk of the VM has changed since the point; NULL =
	 * unsupported
	 */
	enum ud_code (*changed)(struct ud_ctx *cx, void *data, const char *replication_id,
		const char *point_id, ud_extent_visitor *visit, const char *disk, void *visit_data);
	/* a peer's lease message; NULL = unsupported */
	enum ud_code (*lease)(struct ud_ctx *cx, void *data, const char *replication_id,
		const char *peer, const char *message, const char **ret_answer);
	void *data;
};

struct ud_receiver_settings {
	const char *listen; /* "A:P"; port 0 = any */
	struct ud_peer peer;
	struct ud_receiver_calls calls;
	int connections;    /* at once; 0 = 64 */
	int workers;        /* 0 = one per core, 8 at most */
	int64_t timeout_ms; /* a peer says nothing for so long: cut; 0 = 60 s */
};

/* Listen. UD_E_UNAVAILABLE. Settings are copied. */
enum ud_code ud_receiver_open(
	struct ud_ctx *cx, const struct ud_receiver_settings *settings, ud_receiver **ret) UD_USE;
/* Cut all connections and wait for their threads. */
void ud_receiver_release(ud_receiver **receiver);
/* The port it listens on. */
int ud_receiver_port(const ud_receiver *receiver);
/* Use new credentials for connections to come: the certificate was renewed. UD_E_UNAVAILABLE. */
enum ud_code ud_receiver_set_peer(
	struct ud_ctx *cx, ud_receiver *receiver, const struct ud_peer *peer) UD_USE;
/* Cut the connections of a relation and wait until they are gone, those that just ask for its store
 * included: before it is closed or the VM is promoted. Who asks later is not waited for: say no by
 * then. Any thread but a callback's. */
void ud_receiver_cut(ud_receiver *receiver, const char *replication_id);
/* How far a relation's incoming point has come; active false when there is none. Any thread. */
void ud_receiver_progress(
	ud_receiver *receiver, const char *replication_id, struct ud_progress *ret);

#endif
