/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The certificate that the other end of a TLS connection showed. Says what it is and whether its
 * chain is believed; not whose it is now, nor whether its time is up: that is asked at every
 * request, with the request's clock.
 */
#ifndef SERVER_HTTP_PEER_H
#define SERVER_HTTP_PEER_H

#include "base/x509.h"
#include "server/http/http.h"

enum { UD_PEER_NAME = 65 };

struct ud_peer {
	bool shown;          /* there was one at all */
	const char *refused; /* why its chain is not believed; NULL = it is */
	char spki_sha256[UD_SHA256_HEX], serial[UD_SERIAL_HEX], name[UD_PEER_NAME];
	int64_t not_before_ms, not_after_ms;
};

/* What the request's connection showed; worked out once per connection and kept with it. On the
 * loop's thread. */
const struct ud_peer *ud_request_peer(struct ud_ctx *cx, const struct ud_request *rq);

/* Take over what it says. For carriers. */
void ud_peer_fill(struct ud_peer *peer, const struct ud_x509_info *info);

#endif
