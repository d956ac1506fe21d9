/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a certificate says is read once per connection; the carrier of its requests checks its
 * chain, with the key purpose: without it, a certificate made for servers would pass as a client's.
 */
#include "server/http/peer.h"

#include <stdio.h>
#include <string.h>

#include "server/http/io.h"

void ud_peer_fill(struct ud_peer *p, const struct ud_x509_info *info)
{
	memcpy(p->spki_sha256, info->spki_sha256, sizeof(p->spki_sha256));
	memcpy(p->serial, info->serial, sizeof(p->serial));
	snprintf(p->name, sizeof(p->name), "%s", info->name);
	p->not_before_ms = info->not_before_ms;
	p->not_after_ms = info->not_after_ms;
}

const struct ud_peer *ud_request_peer(struct ud_ctx *cx, const struct ud_request *rq)
{
	struct ud_connection *c = rq->io->connection;

	if (!c->peer) {
		c->peer = ud_malloc(sizeof(*c->peer));
		rq->io->loop->carrier->peer(cx, rq->io, c->peer);
	}
	return c->peer;
}
