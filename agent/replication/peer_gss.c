/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stream under Kerberos, by GSSAPI: both ends prove who they are to each other with tickets,
 * and every piece is protected against changes, loss and repetition. It is not encrypted, as with
 * Hyper-V. An agent's principal is "understudy/AGENT_ID" in the realm of both ends, so that a
 * stream names its peer as a certificate does.
 * On the wire: frames of a length (4 bytes, the highest first) and a token of GSSAPI. Their first
 * byte is always 0, which no TLS connection begins with.
 */
#include <errno.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/replication/peer_inside.h"

enum {
	LENGTH = 4,
	PIECE = 128 << 10,         /* of data, in one frame */
	FRAME = PIECE + (4 << 10), /* of a frame, its protection included */
	ROUNDS = 8,                /* of the beginning */
	PRINCIPAL = UD_PEER_NAME + 32
};

static const char service[] = "understudy/";
static const char ended[] = "Kerberos: the other end has ended it";

/* Krb5's flags of what a stream must have. */
static const OM_uint32 wanted =
	GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG;

/* What peers keep: who we are in full ("understudy/agt_a@REALM"), and where tickets lie. */
struct gss_own {
	char principal[PRINCIPAL];
	char cache[64]; /* in memory, of these peers alone */
};

/* A stream's part. */
struct gss {
	gss_ctx_id_t context;
	unsigned char *frame; /* that comes in */
	size_t have;          /* bytes of it that are here, its length included */
	gss_buffer_desc data; /* of the last whole frame */
	size_t taken;         /* of data */
};

static enum ud_code fail_gss(
	struct ud_ctx *cx, enum ud_code code, const char *what, OM_uint32 major, OM_uint32 minor)
{
	gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
	OM_uint32 ignored, more = 0;
	bool mechanism = minor != 0;

	if (GSS_ERROR(gss_display_status(&ignored, mechanism ? minor : major,
		    mechanism ? GSS_C_MECH_CODE : GSS_C_GSS_CODE, GSS_C_NO_OID, &more, &text)))
		return ud_fail(cx, code, NULL, "%s: no reason given", what);
	code = ud_fail(cx, code, NULL, "%s: %.*s", what, (int)text.length, (char *)text.value);
	gss_release_buffer(&ignored, &text);
	return code;
}

static bool import_name(const char *text, gss_name_t *ret)
{
	gss_buffer_desc b = { strlen(text), (void *)(uintptr_t)text };
	OM_uint32 minor;

	return gss_import_name(&minor, &b, GSS_KRB5_NT_PRINCIPAL_NAME, ret) == GSS_S_COMPLETE;
}

/* A name as people read it. */
static bool show_name(gss_name_t name, char ret[PRINCIPAL])
{
	gss_buffer_desc b = GSS_C_EMPTY_BUFFER;
	OM_uint32 minor;
	bool ok =
		gss_display_name(&minor, name, &b, NULL) == GSS_S_COMPLETE && b.length < PRINCIPAL;

	if (ok)
		snprintf(ret, PRINCIPAL, "%.*s", (int)b.length, (char *)b.value);
	gss_release_buffer(&minor, &b);
	return ok;
}

/* ---- credentials ---- */

/* Ours, to connect with (fetches tickets where there are none) or to be asked by. */
static OM_uint32 acquire(const struct ud_peer *p, const char *cache, bool server, OM_uint32 *minor,
	gss_cred_id_t *ret)
{
	gss_key_value_element_desc elements[] = {
		{ server ? "keytab" : "client_keytab", p->keytab }, { "ccache", cache }
	};
	gss_key_value_set_desc set = { server ? 1 : 2, elements };
	gss_OID_set_desc kerberos = { 1, (gss_OID)(uintptr_t)gss_mech_krb5 };
	gss_name_t name = GSS_C_NO_NAME;
	OM_uint32 ignored;

	*minor = 0;
	if (!import_name(p->principal, &name))
		return GSS_S_BAD_NAME;
	OM_uint32 major = gss_acquire_cred_from(minor, name, GSS_C_INDEFINITE, &kerberos,
		server ? GSS_C_ACCEPT : GSS_C_INITIATE, &set, ret, NULL, NULL);

	gss_release_name(&ignored, &name);
	return major;
}

/* Our name in full (the realm is what the system's configuration says), and is there a key for it?
 * GSSAPI would tell, too, but it leaks when there is none. */
static krb5_error_code look_up(krb5_context krb5, const struct ud_peer *p, char ret[PRINCIPAL])
{
	krb5_principal principal = NULL;
	krb5_keytab keys = NULL;
	krb5_keytab_entry entry;
	char *name = NULL;
	krb5_error_code rc = krb5_parse_name(krb5, p->principal, &principal);

	if (rc == 0)
		rc = krb5_unparse_name(krb5, principal, &name);
	if (rc == 0)
		snprintf(ret, PRINCIPAL, "%s", name);
	if (rc == 0)
		rc = krb5_kt_resolve(krb5, p->keytab, &keys);
	if (rc == 0)
		rc = krb5_kt_get_entry(krb5, keys, principal, 0, 0, &entry);
	if (rc == 0)
		krb5_free_keytab_entry_contents(krb5, &entry);
	if (keys)
		krb5_kt_close(krb5, keys);
	krb5_free_unparsed_name(krb5, name);
	krb5_free_principal(krb5, principal);
	return rc;
}

static enum ud_code gss_open(struct ud_ctx *cx, ud_peers *peers)
{
	const struct ud_peer *p = &peers->peer;
	struct gss_own *own = ud_malloc(sizeof(*own));
	krb5_context krb5 = NULL;
	enum ud_code code = UD_OK;

	*own = (struct gss_own){ 0 };
	peers->own = own;
	snprintf(own->cache, sizeof(own->cache), "MEMORY:understudy-%p", (void *)peers);
	if (!p->keytab || !*p->keytab || !p->principal)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL,
			"Kerberos: this agent has no key table ([replication] keytab)");
	if (krb5_init_context(&krb5) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "Kerberos: its configuration is wrong");
	krb5_error_code rc = look_up(krb5, p, own->principal);

	if (rc != 0) {
		const char *words = krb5_get_error_message(krb5, rc);

		code = ud_fail(cx, UD_E_UNAVAILABLE, NULL, "our key table: %s", words);
		krb5_free_error_message(krb5, words);
	}
	krb5_free_context(krb5);
	return code;
}

static void gss_release(ud_peers *peers)
{
	struct gss_own *own = peers->own;
	krb5_context krb5 = NULL;
	krb5_ccache cache = NULL;

	if (own && krb5_init_context(&krb5) == 0) {
		if (krb5_cc_resolve(krb5, own->cache, &cache) == 0)
			(void)krb5_cc_destroy(krb5, cache);
		krb5_free_context(krb5);
	}
	ud_free(own);
}

/* ---- frames ---- */

static int send_bytes(ud_stream *s, const unsigned char *data, size_t n, int64_t timeout_ms)
{
	while (n) {
		ssize_t put = send(s->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		int rc = put >= 0 || errno == EINTR ? 0
			: errno == EAGAIN           ? ud_stream_poll(s, POLLOUT, timeout_ms)
						    : errno;

		if (rc != 0)
			return rc;
		if (put > 0) {
			data += put;
			n -= (size_t)put;
		}
	}
	return 0;
}

static int send_frame(ud_stream *s, const gss_buffer_desc *token, int64_t timeout_ms)
{
	size_t n = token->length;
	const unsigned char length[LENGTH] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16),
		(unsigned char)(n >> 8), (unsigned char)n };
	int rc = send_bytes(s, length, LENGTH, timeout_ms);

	return rc != 0 ? rc : send_bytes(s, token->value, n, timeout_ms);
}

/* Bytes of the frame on its way; 0 = its length is not known yet, -1 = it is nonsense. */
static ssize_t frame_length(const struct gss *g)
{
	const unsigned char *f = g->frame;

	if (g->have < LENGTH)
		return 0;
	size_t n = (size_t)f[0] << 24 | (size_t)f[1] << 16 | (size_t)f[2] << 8 | f[3];

	return n == 0 || n > FRAME ? -1 : (ssize_t)n;
}

/* The next frame as a whole; what is there of it stays there when time is up. */
static int receive_frame(ud_stream *s, int64_t timeout_ms, gss_buffer_desc *ret)
{
	struct gss *g = s->own;

	for (;;) {
		ssize_t n = frame_length(g);

		if (n < 0)
			return EPROTO;
		if (n > 0 && g->have == LENGTH + (size_t)n) {
			*ret = (gss_buffer_desc){ (size_t)n, g->frame + LENGTH };
			g->have = 0;
			return 0;
		}
		ssize_t got =
			recv(s->fd, g->frame + g->have, LENGTH + (size_t)n - g->have, MSG_DONTWAIT);

		if (got == 0)
			return EPIPE;
		if (got > 0)
			g->have += (size_t)got;
		int rc = got > 0 || errno == EINTR ? 0
			: errno == EAGAIN          ? ud_stream_poll(s, POLLIN, timeout_ms)
						   : errno;

		if (rc != 0)
			return rc;
	}
}

/* ---- beginning ---- */

/* The peer is an agent of our realm. */
static enum ud_code name_peer(
	struct ud_ctx *cx, const struct gss_own *own, ud_stream *s, gss_name_t name)
{
	char text[PRINCIPAL] = "";
	const char *realm = strrchr(own->principal, '@');
	char *at = show_name(name, text) ? strrchr(text, '@') : NULL;
	const char *id = text + sizeof(service) - 1;

	if (!at || strcmp(at, realm) != 0 || strncmp(text, service, sizeof(service) - 1) != 0 ||
		strpbrk(id, "/\\") || at == id || strlen(id) >= sizeof(s->peer))
		return ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL,
			"the other end is %s, which is no agent of this realm",
			*text ? text : "nobody");
	snprintf(s->peer, sizeof(s->peer), "%.*s", (int)(at - id), id);
	return UD_OK;
}

struct beginning {
	gss_cred_id_t cred;
	gss_name_t peer; /* whom we want; then who it is */
	bool server;
	OM_uint32 flags, minor;
};

static OM_uint32 step(struct gss *g, struct beginning *b, gss_buffer_desc *in, gss_buffer_desc *out)
{
	if (b->server)
		return gss_accept_sec_context(&b->minor, &g->context, b->cred, in,
			GSS_C_NO_CHANNEL_BINDINGS, &b->peer, NULL, out, &b->flags, NULL, NULL);
	return gss_init_sec_context(&b->minor, b->cred, &g->context, b->peer,
		(gss_OID)(uintptr_t)gss_mech_krb5, wanted, GSS_C_INDEFINITE,
		GSS_C_NO_CHANNEL_BINDINGS, in, NULL, out, &b->flags, NULL);
}

/* Tokens there and back until both ends believe. */
static enum ud_code agree(struct ud_ctx *cx, ud_stream *s, struct beginning *b)
{
	OM_uint32 major = GSS_S_CONTINUE_NEEDED, ignored;

	for (int round = 0; major == GSS_S_CONTINUE_NEEDED && round < ROUNDS; round++) {
		gss_buffer_desc in = GSS_C_EMPTY_BUFFER, out = GSS_C_EMPTY_BUFFER;
		int rc = b->server || round > 0 ? receive_frame(s, s->timeout_ms, &in) : 0;

		/* who ends it here has said why to its own log */
		if (rc == EPIPE || rc == ECONNRESET)
			return ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL, "%s", ended);
		if (rc == 0)
			major = step(s->own, b, &in, &out);
		if (rc == 0 && out.length > 0)
			rc = send_frame(s, &out, s->timeout_ms);
		gss_release_buffer(&ignored, &out);
		if (rc != 0)
			return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "Kerberos: %s", strerror(rc));
	}
	if (major != GSS_S_COMPLETE)
		return fail_gss(cx, UD_E_CERTIFICATE_REFUSED, "Kerberos", major, b->minor);
	if ((b->flags & wanted) != wanted)
		return ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL,
			"Kerberos: the other end does not protect what it sends");
	return UD_OK;
}

static enum ud_code prepare(struct ud_ctx *cx, ud_peers *peers, struct beginning *b)
{
	const struct ud_peer *p = &peers->peer;
	const struct gss_own *own = peers->own;
	OM_uint32 minor, major = acquire(p, own->cache, b->server, &minor, &b->cred);

	if (GSS_ERROR(major))
		return fail_gss(cx, UD_E_UNAVAILABLE, "Kerberos", major, minor);
	if (b->server)
		return UD_OK;
	if (!p->agent_id)
		return ud_fail(cx, UD_E_VALIDATION, NULL, "Kerberos: whom to talk to is not said");
	if (!import_name(ud_printf(cx->arena, "%s%s%s", service, p->agent_id,
				 strrchr(own->principal, '@')),
		    &b->peer))
		return ud_fail(cx, UD_E_VALIDATION, NULL, "Kerberos: %s is no name", p->agent_id);
	return UD_OK;
}

static void gss_end(ud_stream *stream)
{
	struct gss *g = stream->own;
	OM_uint32 minor;

	if (!g)
		return;
	gss_release_buffer(&minor, &g->data);
	if (g->context != GSS_C_NO_CONTEXT)
		gss_delete_sec_context(&minor, &g->context, GSS_C_NO_BUFFER);
	ud_free(g->frame);
	ud_free(g);
}

/* ---- bytes ---- */

static int gss_send(ud_stream *stream, const unsigned char *data, size_t n, int64_t timeout_ms)
{
	struct gss *g = stream->own;
	int rc = 0;

	while (n && rc == 0) {
		gss_buffer_desc in = { n < PIECE ? n : PIECE, (void *)(uintptr_t)data };
		gss_buffer_desc out = GSS_C_EMPTY_BUFFER;
		OM_uint32 minor;

		if (gss_wrap(&minor, g->context, 0, GSS_C_QOP_DEFAULT, &in, NULL, &out) !=
			GSS_S_COMPLETE)
			return EPROTO;
		rc = send_frame(stream, &out, timeout_ms);
		gss_release_buffer(&minor, &out);
		data += in.length;
		n -= in.length;
	}
	return rc;
}

/* Old, doubled and missing pieces are told beside success; none of them may pass. */
static int gss_receive(
	ud_stream *stream, unsigned char *data, size_t n, int64_t timeout_ms, size_t *ret_n)
{
	struct gss *g = stream->own;
	OM_uint32 minor;

	while (g->taken == g->data.length) {
		gss_buffer_desc in = GSS_C_EMPTY_BUFFER;

		gss_release_buffer(&minor, &g->data);
		g->taken = 0;
		int rc = receive_frame(stream, timeout_ms, &in);

		if (rc != 0)
			return rc;
		if (gss_unwrap(&minor, g->context, &in, &g->data, NULL, NULL) != GSS_S_COMPLETE)
			return EPROTO;
	}
	*ret_n = g->data.length - g->taken < n ? g->data.length - g->taken : n;
	memcpy(data, (unsigned char *)g->data.value + g->taken, *ret_n);
	g->taken += *ret_n;
	return 0;
}

static bool gss_pending(ud_stream *stream)
{
	const struct gss *g = stream->own;

	return g->taken < g->data.length;
}

/* ---- both ends believe ---- */

/* Who listens says last that it takes the other one: without it a refusal would look like a bad
 * link to who connects. */
static enum ud_code welcome(struct ud_ctx *cx, ud_stream *s)
{
	int rc = gss_send(s, (const unsigned char *)"", 1, s->timeout_ms);

	return rc == 0 ? UD_OK : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "Kerberos: %s", strerror(rc));
}

static enum ud_code await_welcome(struct ud_ctx *cx, ud_stream *s)
{
	unsigned char byte;
	size_t n;
	int rc = gss_receive(s, &byte, 1, s->timeout_ms, &n);

	if (rc == EPIPE || rc == ECONNRESET)
		return ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL, "%s", ended);
	return rc == 0 ? UD_OK : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "Kerberos: %s", strerror(rc));
}

static enum ud_code gss_begin(struct ud_ctx *cx, ud_peers *peers, ud_stream *stream, bool server)
{
	struct beginning b = {
		.cred = GSS_C_NO_CREDENTIAL, .peer = GSS_C_NO_NAME, .server = server
	};
	struct gss *g = ud_malloc(sizeof(*g));
	OM_uint32 minor;

	*g = (struct gss){ .context = GSS_C_NO_CONTEXT, .frame = ud_malloc(LENGTH + FRAME) };
	stream->own = g;
	enum ud_code code = prepare(cx, peers, &b);

	if (code == UD_OK)
		code = agree(cx, stream, &b);
	if (code == UD_OK)
		code = name_peer(cx, peers->own, stream, b.peer);
	if (code == UD_OK)
		code = server ? welcome(cx, stream) : await_welcome(cx, stream);
	gss_release_name(&minor, &b.peer);
	gss_release_cred(&minor, &b.cred);
	return code;
}

const struct ud_wrap ud_wrap_gss = { gss_open, gss_release, gss_begin, gss_end, gss_send,
	gss_receive, gss_pending };
