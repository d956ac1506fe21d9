/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.3 with both ends' agent certificates. An agent's certificate is for clients, and that is
 * what either end asks of the other, whoever listened: a server's certificate, though of the same
 * root, is none of an agent. No tickets: every connection shows its certificate.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/replication/peer_inside.h"
#include "base/x509.h"

static const char suites[] = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384";

static enum ud_code fail_ssl(struct ud_ctx *cx, enum ud_code code, const char *what)
{
	unsigned long e = ERR_get_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return ud_fail(cx, code, NULL, "%s: %s", what, reason ? reason : "no reason given");
}

/* ---- credentials ---- */

/* The first certificate is ours, the others lead to the root; the key stands among them. */
static bool load_identity(SSL_CTX *ctx, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1), *again = BIO_new_mem_buf(pem, -1);
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = again ? PEM_read_bio_PrivateKey(again, NULL, NULL, NULL) : NULL;
	bool ok = cert && key && SSL_CTX_use_certificate(ctx, cert) == 1 &&
		SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;

	X509_free(cert);
	EVP_PKEY_free(key);
	while (ok && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		ok = SSL_CTX_add1_chain_cert(ctx, cert) == 1;
		X509_free(cert);
	}
	ERR_clear_error(); /* the end of the text is an error to PEM */
	BIO_free(bio);
	BIO_free(again);
	return ok;
}

static bool load_root(SSL_CTX *ctx, const char *pem)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	X509 *root = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	bool ok = root && X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), root) == 1;

	X509_free(root);
	BIO_free(bio);
	return ok;
}

static bool configure(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, 3);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_mode(ctx,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS);
	/* fewer calls of the kernel: several records at once */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, 128 << 10);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
		SSL_CTX_set_ciphersuites(ctx, suites) == 1 &&
		SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) == 1;
}

static enum ud_code tls_open(struct ud_ctx *cx, ud_peers *peers)
{
	const struct ud_peer *p = &peers->peer;
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());

	peers->own = ctx;
	if (!ctx || !configure(ctx))
		return fail_ssl(cx, UD_E_UNAVAILABLE, "TLS");
	if (!p->identity || !load_identity(ctx, p->identity))
		return fail_ssl(cx, UD_E_UNAVAILABLE, "our certificate and key");
	if (!p->root || !load_root(ctx, p->root))
		return fail_ssl(cx, UD_E_UNAVAILABLE, "the root certificate");
	return UD_OK;
}

static void tls_release(ud_peers *peers)
{
	SSL_CTX_free(peers->own);
}

/* ---- a socket for OpenSSL ---- */

/* OpenSSL's own raises SIGPIPE when the other end is gone. */
static int socket_result(BIO *bio, ssize_t n, bool writing)
{
	BIO_clear_retry_flags(bio);
	if (n >= 0)
		return (int)n;
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
		if (writing)
			BIO_set_retry_write(bio);
		else
			BIO_set_retry_read(bio);
	}
	return -1;
}

static int socket_write(BIO *bio, const char *data, int n)
{
	ud_stream *s = BIO_get_data(bio);

	return socket_result(bio, send(s->fd, data, (size_t)n, MSG_NOSIGNAL), true);
}

static int socket_read(BIO *bio, char *data, int n)
{
	ud_stream *s = BIO_get_data(bio);

	return socket_result(bio, recv(s->fd, data, (size_t)n, 0), false);
}

static long socket_control(BIO *bio, int command, long number, void *data)
{
	(void)bio;
	(void)number;
	(void)data;
	return command == BIO_CTRL_FLUSH;
}

/* A stream's part of TLS. */
struct tls {
	SSL *ssl;
	BIO_METHOD *method;
};

static SSL *ssl_of(ud_stream *stream)
{
	return ((struct tls *)stream->own)->ssl;
}

static bool make_tls(ud_stream *stream, SSL_CTX *ctx)
{
	struct tls *t = ud_malloc(sizeof(*t));

	*t = (struct tls){ SSL_new(ctx), BIO_meth_new(BIO_TYPE_SOCKET, "stream") };
	stream->own = t;
	if (!t->ssl || !t->method || !BIO_meth_set_write(t->method, socket_write) ||
		!BIO_meth_set_read(t->method, socket_read) ||
		!BIO_meth_set_ctrl(t->method, socket_control))
		return false;
	BIO *bio = BIO_new(t->method);

	if (!bio)
		return false;
	BIO_set_data(bio, stream);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	return true;
}

/* ---- beginning ---- */

/* Did the other end say that it does not believe our certificate? */
static bool is_refusal(unsigned long error)
{
	static const int alerts[] = { SSL_R_TLSV1_ALERT_UNKNOWN_CA,
		SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
		SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
		SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, SSL_R_TLSV1_ALERT_ACCESS_DENIED };

	for (size_t i = 0; i < UD_LEN(alerts); i++)
		if (ERR_GET_REASON(error) == alerts[i])
			return true;
	return false;
}

/* 0 = go on; else the call has failed for good. */
static int wait_ssl(ud_stream *s, int rc, int64_t timeout_ms)
{
	int saved = errno;

	switch (SSL_get_error(ssl_of(s), rc)) {
	case SSL_ERROR_WANT_READ:
		return ud_stream_poll(s, POLLIN, timeout_ms);
	case SSL_ERROR_WANT_WRITE:
		return ud_stream_poll(s, POLLOUT, timeout_ms);
	case SSL_ERROR_ZERO_RETURN:
		return EPIPE;
	case SSL_ERROR_SYSCALL:
		return saved ? saved : EPIPE;
	default:
		return is_refusal(ERR_peek_error()) ? EACCES : EPROTO;
	}
}

/* Whose certificate it is. */
static enum ud_code name_peer(struct ud_ctx *cx, ud_stream *s)
{
	X509 *cert = SSL_get1_peer_certificate(ssl_of(s));
	unsigned char *der = NULL;
	int n = cert ? i2d_X509(cert, &der) : -1;
	struct ud_x509_info info = { 0 };
	enum ud_code code = UD_OK;

	X509_free(cert);
	if (n > 0)
		code = ud_x509_read_der(cx, der, (size_t)n, &info);
	OPENSSL_free(der);
	if (n <= 0 || code != UD_OK || !*info.name || strlen(info.name) >= sizeof(s->peer))
		return ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL,
			"the other end's certificate names nobody");
	snprintf(s->peer, sizeof(s->peer), "%s", info.name);
	return UD_OK;
}

/* Why there is no stream: a certificate that one of both does not believe, or the link. */
static enum ud_code refused(struct ud_ctx *cx, ud_stream *s, int rc)
{
	long verify = SSL_get_verify_result(ssl_of(s));

	if (verify != X509_V_OK) {
		ERR_clear_error();
		return ud_fail(cx, UD_E_CERTIFICATE_REFUSED, NULL,
			"the other end's certificate: %s", X509_verify_cert_error_string(verify));
	}
	if (rc == EPROTO || rc == EACCES)
		return fail_ssl(cx, UD_E_CERTIFICATE_REFUSED, "no agreement on TLS");
	return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "TLS: %s", strerror(rc));
}

static enum ud_code tls_begin(struct ud_ctx *cx, ud_peers *peers, ud_stream *stream, bool server)
{
	int rc, error = 0;

	if (!make_tls(stream, peers->own))
		return fail_ssl(cx, UD_E_UNAVAILABLE, "TLS");
	SSL *ssl = ssl_of(stream);

	X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), (time_t)(ud_now_ms(cx->env) / 1000));
	if (server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	ERR_clear_error();
	while (error == 0 && (rc = SSL_do_handshake(ssl)) != 1)
		error = wait_ssl(stream, rc, stream->timeout_ms);
	if (error)
		return refused(cx, stream, error);
	return name_peer(cx, stream);
}

static void tls_end(ud_stream *stream)
{
	struct tls *t = stream->own;

	if (!t)
		return;
	ERR_clear_error();
	if (t->ssl && SSL_is_init_finished(t->ssl))
		SSL_shutdown(t->ssl); /* says goodbye when that needs no waiting */
	ERR_clear_error();
	SSL_free(t->ssl);
	BIO_meth_free(t->method);
	ud_free(t);
}

/* ---- bytes ---- */

static int tls_send(ud_stream *stream, const unsigned char *data, size_t n, int64_t timeout_ms)
{
	ERR_clear_error();
	while (n) {
		size_t put = 0;
		int rc = SSL_write_ex(ssl_of(stream), data, n, &put);

		if (rc != 1) {
			int error = wait_ssl(stream, rc, timeout_ms);

			if (error)
				return error;
		}
		data += put;
		n -= put;
	}
	return 0;
}

static int tls_receive(
	ud_stream *stream, unsigned char *data, size_t n, int64_t timeout_ms, size_t *ret_n)
{
	ERR_clear_error();
	for (;;) {
		int rc = SSL_read_ex(ssl_of(stream), data, n, ret_n);

		if (rc == 1)
			return 0;
		int error = wait_ssl(stream, rc, timeout_ms);

		if (error)
			return error;
	}
}

static bool tls_pending(ud_stream *stream)
{
	return SSL_has_pending(ssl_of(stream)) == 1;
}

const struct ud_wrap ud_wrap_tls = { tls_open, tls_release, tls_begin, tls_end, tls_send,
	tls_receive, tls_pending };
