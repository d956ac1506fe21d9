/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verification by GnuTLS, with the key purpose: without it, a certificate made for servers would
 * pass as a client's. libmicrohttpd itself refuses nobody.
 */
#include "server/http/peer.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

#include "server/http/io.h"

static gnutls_session_t session_of(const struct ud_request *rq)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(rq->io->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info ? info->tls_session : NULL;
}

/* NULL when the chain leads to the authority we trust and is made for clients. */
static const char *refusal(gnutls_session_t session)
{
	gnutls_typed_vdata_st purpose = { .type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT };
	gnutls_certificate_credentials_t trust = NULL;
	unsigned status = 0;

	/* times are checked at each request, not once per connection */
	if (gnutls_credentials_get(session, GNUTLS_CRD_CERTIFICATE, (void **)&trust) != 0)
		return "there is nothing to check it against";
	gnutls_certificate_set_verify_flags(trust, GNUTLS_VERIFY_DISABLE_TIME_CHECKS);
	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) != 0)
		return "its chain cannot be checked";
	if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
		return "it was made for another purpose";
	return status ? "it does not come from our authority" : NULL;
}

static void look(struct ud_ctx *cx, const struct ud_request *rq, struct ud_peer *p)
{
	gnutls_session_t session = session_of(rq);
	struct ud_x509_info info = { 0 };
	unsigned n = 0;
	const gnutls_datum_t *sent = session ? gnutls_certificate_get_peers(session, &n) : NULL;

	if (!sent || !n)
		return;
	p->shown = true;
	p->refused = refusal(session);
	if (p->refused)
		return;
	if (ud_x509_read_der(cx, sent[0].data, sent[0].size, &info) != UD_OK) {
		ud_ctx_clear(cx);
		p->refused = "it cannot be read";
		return;
	}
	memcpy(p->spki_sha256, info.spki_sha256, sizeof(p->spki_sha256));
	memcpy(p->serial, info.serial, sizeof(p->serial));
	snprintf(p->name, sizeof(p->name), "%s", info.name);
	p->not_before_ms = info.not_before_ms;
	p->not_after_ms = info.not_after_ms;
}

const struct ud_peer *ud_request_peer(struct ud_ctx *cx, const struct ud_request *rq)
{
	struct ud_connection *c = rq->io->connection;

	if (!c->peer) {
		c->peer = ud_malloc(sizeof(*c->peer));
		look(cx, rq, c->peer);
	}
	return c->peer;
}
