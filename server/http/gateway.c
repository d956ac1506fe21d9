/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agents' port: libevent with OpenSSL. libmicrohttpd walks through all that wait at each
 * answer, tries all handshakes at each turn, and does not see that who waits has hung up; with
 * 10,000 agents that is most of its work. Here who waits costs its memory and nothing else.
 * Everybody gets through the handshake, whatever certificate they show: a refusal is an answer
 * (server/agents/identity.c).
 */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/log.h"
#include "server/http/io.h"
#include "server/http/peer.h"
#include "server/http/respond.h"
#include "server/metrics/metrics.h"

enum { HEADERS_MAX = 16384, INACTIVE_SECONDS = 120, LAST_TURNS = 10 };

/* A stream keeps room for its next read; with what the library adds it makes a block of 1 KiB. */
enum { READ_BYTES = 960 };

struct ud_gateway {
	struct event_base *base;
	struct evhttp *http;
	struct evhttp_bound_socket *bound;
	struct event *wake, *tick;
	SSL_CTX *tls;
	int connection_index; /* of our connection among OpenSSL's data of its own */
};

/* ---- TLS ---- */

/* Whatever is wrong is told in the answer; the result keeps it. */
static int let_through(int fine, X509_STORE_CTX *store)
{
	(void)fine, (void)store;
	return 1;
}

static bool use_chain(SSL_CTX *tls, const char *pem)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *c = PEM_read_bio_X509(in, NULL, NULL, NULL);
	bool fine = c && SSL_CTX_use_certificate(tls, c) == 1;

	X509_free(c);
	while (fine && (c = PEM_read_bio_X509(in, NULL, NULL, NULL)))
		fine = SSL_CTX_add0_chain_cert(tls, c) == 1;
	BIO_free(in);
	return fine;
}

static bool use_key(SSL_CTX *tls, const char *pem)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
	bool fine = key && SSL_CTX_use_PrivateKey(tls, key) == 1;

	EVP_PKEY_free(key);
	BIO_free(in);
	return fine;
}

/* The authority for agents is trusted by itself, without the root above it. Times are checked at
 * each request, not once per connection. */
static bool trust(SSL_CTX *tls, const char *pem)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *c = PEM_read_bio_X509(in, NULL, NULL, NULL);
	X509_STORE *store = SSL_CTX_get_cert_store(tls);
	bool fine = c && X509_STORE_add_cert(store, c) == 1 && SSL_CTX_add_client_CA(tls, c) == 1;

	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME);
	X509_free(c);
	BIO_free(in);
	return fine;
}

static enum ud_code open_tls(struct ud_ctx *cx, const struct ud_server_settings *s, SSL_CTX **ret)
{
	static const char suites[] =
		"TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
	SSL_CTX *tls = *ret = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
	SSL_CTX_set_options(tls,
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			SSL_OP_NO_TICKET);
	/* who waits shall hold no buffers, and nobody is let in without a handshake */
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_num_tickets(tls, 0);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, let_through);
	if (SSL_CTX_set_ciphersuites(tls, suites) != 1 ||
		SSL_CTX_set_cipher_list(tls, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
		!use_chain(tls, s->tls_cert_text) || !use_key(tls, s->tls_key_text) ||
		!trust(tls, s->tls_trust_text))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the port's certificate is damaged");
	return UD_OK;
}

/* ---- connections ---- */

static void on_freed(
	void *parent, void *ours, CRYPTO_EX_DATA *all, int index, long number, void *data)
{
	(void)parent, (void)all, (void)index, (void)number, (void)data;
	if (ours)
		ud_connection_end(ours);
}

/* The library asks for each connection's stream before it gives the socket to it. */
static struct bufferevent *make_stream(struct event_base *base, void *data)
{
	struct ud_loop *loop = data;
	SSL *ssl = SSL_new(loop->gateway->tls);
	struct ud_connection *c = ud_connection_new(loop, -1);

	SSL_set_ex_data(ssl, loop->gateway->connection_index, c);
	c->stream = bufferevent_openssl_socket_new(
		base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_openssl_set_allow_dirty_shutdown(c->stream, 1);
	bufferevent_set_max_single_read(c->stream, READ_BYTES);
	return c->stream;
}

/* The newest connections stand at the front of the list. */
static void greet_new(struct ud_loop *loop)
{
	int one = 1;

	for (struct ud_connection *c = loop->connections; c && c->fd < 0; c = c->next) {
		c->fd = bufferevent_getfd(c->stream);
		if (c->fd < 0)
			return;
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (!ud_connection_count(c))
			shutdown(c->fd, SHUT_RDWR);
	}
}

/* ---- requests ---- */

static void disarm(struct ud_connection *c)
{
	if (c->hang_up)
		event_free(c->hang_up);
	c->hang_up = NULL;
}

/* The request goes with its connection; what works on it elsewhere comes back to an empty seat. */
static void on_close(struct evhttp_connection *evcon, void *data)
{
	struct ud_connection *c = data;
	struct ud_io *io = c->io;

	(void)evcon;
	disarm(c);
	c->io = NULL;
	if (!io)
		return;
	io->event = NULL;
	io->connection = NULL;
	io->gone = true;
	if (ud_front_leave(io))
		ud_front_end(io);
}

static void look_out(struct ud_connection *c, short what);

/* Is there nobody at the other end any more? */
static bool is_broken(evutil_socket_t fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && p.revents & (POLLERR | POLLHUP | POLLRDHUP);
}

static void on_hang_up(evutil_socket_t fd, short what, void *data)
{
	struct ud_connection *c = data;

	if (!(what & EV_CLOSED) && !is_broken(fd)) {
		look_out(c, EV_CLOSED); /* more is said before the answer: it is read after that */
		return;
	}
	evhttp_connection_free(evhttp_request_get_connection(c->io->event));
}

static void look_out(struct ud_connection *c, short what)
{
	disarm(c);
	c->hang_up = event_new(c->loop->gateway->base, c->fd, what, on_hang_up, c);
	event_add(c->hang_up, NULL);
}

static void add_header(void *to, const char *name, const char *value)
{
	evhttp_add_header(to, name, value);
}

static void answer(struct ud_io *io)
{
	struct evhttp_request *event = io->event;
	struct ud_request *rq = &io->rq;

	ud_answer_deprecation(rq);
	ud_answer_headers(io, add_header, evhttp_request_get_output_headers(event));
	ud_metrics_request(rq->server->metrics, rq, io->started_us);
	if (rq->out.len)
		evbuffer_add(evhttp_request_get_output_buffer(event), rq->out.data, rq->out.len);
	io->event = NULL;
	io->connection->io = NULL;
	evhttp_send_reply(event, rq->status, NULL, NULL);
	ud_front_end(io);
}

static const char *method_of(struct evhttp_request *event)
{
	static const struct {
		enum evhttp_cmd_type command;
		const char *name;
	} methods[] = {
		{ EVHTTP_REQ_GET, "GET" },
		{ EVHTTP_REQ_POST, "POST" },
		{ EVHTTP_REQ_PUT, "PUT" },
		{ EVHTTP_REQ_PATCH, "PATCH" },
		{ EVHTTP_REQ_DELETE, "DELETE" },
		{ EVHTTP_REQ_HEAD, "HEAD" },
	};

	for (size_t i = 0; i < UD_LEN(methods); i++)
		if (methods[i].command == evhttp_request_get_command(event))
			return methods[i].name;
	return "OPTIONS";
}

static void take_body(struct ud_io *io)
{
	struct evbuffer *in = evhttp_request_get_input_buffer(io->event);
	size_t n = evbuffer_get_length(in);

	if (n)
		ud_buf_add(&io->rq.body, evbuffer_pullup(in, -1), n);
	evbuffer_drain(in, n); /* its room is that of a whole record */
}

static void on_request(struct evhttp_request *event, void *data)
{
	struct ud_loop *loop = data;
	struct evhttp_connection *evcon = evhttp_request_get_connection(event);
	SSL *ssl = bufferevent_openssl_get_ssl(evhttp_connection_get_bufferevent(evcon));
	struct ud_connection *c = SSL_get_ex_data(ssl, loop->gateway->connection_index);
	struct ud_io *io = ud_front_begin(loop, c, evhttp_request_get_uri(event));

	io->event = event;
	c->io = io;
	evhttp_connection_set_closecb(evcon, on_close, c);
	take_body(io);
	if (ud_front_whole(io, method_of(event)))
		answer(io);
}

/* ---- the carrier ---- */

static void on_wake(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what;
	ud_loop_drain(data);
}

/* Ends the turn's sleep. */
static void on_tick(evutil_socket_t fd, short what, void *data)
{
	(void)fd, (void)what, (void)data;
}

static void tell(int severity, const char *text)
{
	ud_log(severity >= EVENT_LOG_ERR ? UD_LOG_ERROR : UD_LOG_DEBUG, "libevent", "text", text,
		NULL);
}

/* What a request changes of a socket's interest is undone before the loop sleeps again: nothing is
 * told to the system then. */
static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();

	event_config_set_flag(
		config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST);
	struct event_base *base = event_base_new_with_config(config);

	event_config_free(config);
	return base;
}

static enum ud_code start(struct ud_ctx *cx, struct ud_loop *loop, struct ud_gateway *g)
{
	static const struct timeval second = { 1, 0 };

	g->base = new_base();
	g->http = evhttp_new(g->base);
	g->wake = event_new(g->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake, loop);
	g->tick = event_new(g->base, -1, EV_PERSIST, on_tick, NULL);
	evhttp_set_bevcb(g->http, make_stream, loop);
	evhttp_set_gencb(g->http, on_request, loop);
	evhttp_set_allowed_methods(g->http,
		EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_PATCH |
			EVHTTP_REQ_DELETE | EVHTTP_REQ_HEAD | EVHTTP_REQ_OPTIONS);
	evhttp_set_max_headers_size(g->http, HEADERS_MAX);
	evhttp_set_max_body_size(g->http, UD_BODY_MAX);
	evhttp_set_timeout(g->http, INACTIVE_SECONDS);
	g->bound = evhttp_accept_socket_with_handle(g->http, loop->listen_fd);
	if (!g->bound || event_add(g->wake, NULL) != 0 || event_add(g->tick, &second) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the agents' port: %s", strerror(errno));
	loop->listen_fd = -1; /* the library's from here on */
	return UD_OK;
}

static enum ud_code gateway_open(struct ud_ctx *cx, struct ud_loop *loop)
{
	struct ud_gateway *g = loop->gateway = ud_malloc(sizeof(*g));

	event_set_log_callback(tell);
	g->connection_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, on_freed);
	UD_TRY(open_tls(cx, &loop->server->settings, &g->tls));
	return start(cx, loop, g);
}

static void gateway_close(struct ud_loop *loop)
{
	struct ud_gateway *g = loop->gateway;

	if (!g)
		return;
	/* the last answers are written by the loop, a turn after they were given */
	for (int i = 0; g->http && i < LAST_TURNS; i++)
		event_base_loop(g->base, EVLOOP_NONBLOCK);
	if (g->http)
		evhttp_free(g->http);
	if (g->wake)
		event_free(g->wake);
	if (g->tick)
		event_free(g->tick);
	if (g->base) {
		/* streams are freed by the loop, a moment after their connections */
		while (loop->connections && event_base_loop(g->base, EVLOOP_NONBLOCK) == 0)
			;
		event_base_free(g->base);
	}
	SSL_CTX_free(g->tls);
	ud_free(g);
	loop->gateway = NULL;
}

static void gateway_turn(struct ud_loop *loop)
{
	event_base_loop(loop->gateway->base, EVLOOP_ONCE);
	greet_new(loop);
}

static void gateway_work(struct ud_loop *loop)
{
	(void)loop; /* answers leave as they are resumed */
}

static void gateway_deafen(struct ud_loop *loop)
{
	evconnlistener_disable(evhttp_bound_socket_get_listener(loop->gateway->bound));
}

static void gateway_shut(struct ud_connection *c)
{
	shutdown(c->fd, SHUT_RDWR);
}

static const char *gateway_header(const struct ud_io *io, const char *name)
{
	return io->event ? evhttp_find_header(evhttp_request_get_input_headers(io->event), name)
			 : NULL;
}

static void gateway_headers(const struct ud_io *io, ud_header_visitor *visit, void *data)
{
	struct evkeyvalq *headers = evhttp_request_get_input_headers(io->event);

	for (struct evkeyval *h = headers->tqh_first; h; h = h->next.tqe_next)
		visit(data, h->key, strlen(h->key), h->value, strlen(h->value));
}

/* Whoever waits for news may wait long: a hang-up is looked out for. A connection that was reset
 * shows to the library as one that can be read, not as closed, and is told of for ever. */
static void gateway_suspend(struct ud_io *io)
{
	if (io->rq.waiting)
		look_out(io->connection, EV_CLOSED | EV_READ);
}

static void gateway_resume(struct ud_io *io)
{
	if (io->gone) {
		ud_front_end(io);
		return;
	}
	disarm(io->connection);
	answer(io);
}

static const char *refusal(long result)
{
	if (result == X509_V_OK)
		return NULL;
	return result == X509_V_ERR_INVALID_PURPOSE ? "it was made for another purpose"
						    : "it does not come from our authority";
}

static void gateway_peer(struct ud_ctx *cx, const struct ud_io *io, struct ud_peer *p)
{
	SSL *ssl = bufferevent_openssl_get_ssl(io->connection->stream);
	X509 *shown = SSL_get1_peer_certificate(ssl);
	struct ud_x509_info info = { 0 };
	unsigned char *der = NULL;
	int n = shown ? i2d_X509(shown, &der) : 0;

	X509_free(shown);
	if (n <= 0)
		return;
	p->shown = true;
	p->refused = refusal(SSL_get_verify_result(ssl));
	if (!p->refused && ud_x509_read_der(cx, der, (size_t)n, &info) != UD_OK) {
		ud_ctx_clear(cx);
		p->refused = "it cannot be read";
	}
	OPENSSL_free(der);
	if (!p->refused)
		ud_peer_fill(p, &info);
}

const struct ud_carrier ud_carrier_gateway = {
	.open = gateway_open,
	.close = gateway_close,
	.turn = gateway_turn,
	.work = gateway_work,
	.deafen = gateway_deafen,
	.shut = gateway_shut,
	.header = gateway_header,
	.headers = gateway_headers,
	.suspend = gateway_suspend,
	.resume = gateway_resume,
	.peer = gateway_peer,
};
