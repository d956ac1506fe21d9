/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread and what carries its requests. With libmicrohttpd, driven from outside: our own epoll
 * watches the listening socket, the library's epoll descriptor and an eventfd. The library's own
 * threads stall when 128 events arrive at once, and a resume from another thread does not wake
 * them, so finished work is queued here and resumed by its own loop.
 */
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/env.h"
#include "base/file.h"
#include "server/auth/bearers.h"
#include "server/events/stream.h"
#include "server/http/io.h"
#include "server/http/limits.h"

enum { TICK_MS = 1000, STREAM_TICK_MS = 100, POOL_BYTES = 16384, STOP_MS = 10000 };

void ud_loop_wake(struct ud_loop *loop)
{
	uint64_t one = 1;

	if (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno != EAGAIN)
		abort(); /* an eventfd of ours cannot fail otherwise */
}

void ud_loop_finish(struct ud_io *io)
{
	struct ud_loop *loop = io->loop;

	pthread_mutex_lock(&loop->mutex);
	bool first = !loop->done;

	io->next = NULL;
	*loop->done_tail = io;
	loop->done_tail = &io->next;
	pthread_mutex_unlock(&loop->mutex);
	if (first)
		ud_loop_wake(loop);
}

void ud_loop_drain(struct ud_loop *loop)
{
	uint64_t ignored;
	int handed[UD_LEN(loop->handed)];

	if (read(loop->wake_fd, &ignored, sizeof(ignored)) < 0 && errno != EAGAIN)
		abort();
	pthread_mutex_lock(&loop->mutex);
	struct ud_io *io = loop->done;
	size_t n = loop->handed_count;

	memcpy(handed, loop->handed, n * sizeof(*handed));
	loop->handed_count = 0;
	loop->done = NULL;
	loop->done_tail = &loop->done;
	pthread_mutex_unlock(&loop->mutex);
	for (size_t i = 0; i < n; i++)
		ud_accept_add(loop, handed[i]);
	while (io) {
		struct ud_io *next = io->next;

		ud_dispatch_again(io);
		io = next;
	}
}

/* Shut down what is past its deadline; the library then notices and ends it. */
static void reap(struct ud_loop *loop, int64_t now)
{
	for (struct ud_connection *c = loop->connections; c; c = c->next)
		if (c->deadline_ms && now >= c->deadline_ms) {
			loop->carrier->shut(c);
			c->deadline_ms = 0;
		}
}

static void tick(struct ud_loop *loop)
{
	int64_t now = ud_mono_ms(loop->server->env);
	bool changed = false;

	/* Changes are told once per tick at most: a stream of commits costs a stream of events, not
	 * a storm. */
	if (atomic_load(&loop->changed) && now - loop->changed_ms >= STREAM_TICK_MS) {
		atomic_store(&loop->changed, false);
		loop->changed_ms = now;
		changed = true;
	}
	if (changed || now - loop->tick_ms >= TICK_MS) {
		ud_front_wake_waiting(loop, changed, now);
		ud_streams_wake(loop, changed, now);
	}
	if (now - loop->tick_ms >= TICK_MS) {
		loop->tick_ms = now;
		reap(loop, now);
	}
}

static int timeout_ms(struct ud_loop *loop)
{
	MHD_UNSIGNED_LONG_LONG library;
	int ms = atomic_load(&loop->changed) ? STREAM_TICK_MS : TICK_MS;

	if (MHD_get_timeout(loop->mhd, &library) == MHD_YES && library < (MHD_UNSIGNED_LONG_LONG)ms)
		ms = (int)library;
	return ms;
}

static bool finished(struct ud_loop *loop, int64_t stop_at)
{
	return atomic_load(&loop->stop) &&
		(loop->busy == 0 || ud_mono_ms(loop->server->env) >= stop_at);
}

/* The server is going: no new connections, waits and streams end. */
static void begin_stop(struct ud_loop *loop)
{
	loop->carrier->deafen(loop);
	ud_front_wake_waiting(loop, false, INT64_MAX);
	ud_streams_wake(loop, false, INT64_MAX);
}

static void *run(void *data)
{
	struct ud_loop *loop = data;
	int64_t stop_at = INT64_MAX;
	sigset_t pipe;

	/* OpenSSL raises it when the other end is gone; here that is an error of the call */
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, NULL);
	while (!finished(loop, stop_at)) {
		loop->carrier->turn(loop);
		if (atomic_load(&loop->stop) && stop_at == INT64_MAX) {
			stop_at = ud_mono_ms(loop->server->env) + STOP_MS;
			begin_stop(loop);
		}
		/* what the tick resumes is run now, not after the next sleep */
		tick(loop);
		loop->carrier->work(loop);
	}
	return NULL;
}

bool ud_address_local(const char *address)
{
	return !*address || strcmp(address, "127.0.0.1") == 0 || strcmp(address, "::1") == 0;
}

bool ud_address_trusted(const struct ud_server *server, const char *address)
{
	const char *list = server->settings.trusted_proxies;
	size_t n = strlen(address);

	for (; list && *list; list += strcspn(list, ",") + (list[strcspn(list, ",")] == ',')) {
		list += strspn(list, " ");
		if (n && strncmp(list, address, n) == 0 && strchr(", ", list[n]))
			return true; /* strchr also finds the end */
	}
	return false;
}

static bool exempt(const struct ud_server *s, const char *address)
{
	return ud_address_local(address) || ud_address_trusted(s, address);
}

static void address_text(int fd, char *text)
{
	union {
		struct sockaddr any;
		struct sockaddr_storage room;
	} a = { .any = { 0 } };
	socklen_t n = sizeof(a);

	*text = 0;
	if (getpeername(fd, &a.any, &n) != 0 || a.any.sa_family == AF_UNIX)
		return;
	if (getnameinfo(&a.any, n, text, UD_ADDRESS_TEXT, NULL, 0, NI_NUMERICHOST) != 0)
		*text = 0;
	if (strncmp(text, "::ffff:", 7) == 0)
		memmove(text, text + 7, strlen(text + 7) + 1);
}

struct ud_connection *ud_connection_new(struct ud_loop *loop, int fd)
{
	struct ud_connection *c = ud_malloc(sizeof(*c));

	c->loop = loop;
	c->fd = fd;
	c->deadline_ms = ud_mono_ms(loop->server->env) + UD_HEADER_MS;
	c->next = loop->connections;
	c->link = &loop->connections;
	if (c->next)
		c->next->link = &c->next;
	loop->connections = c;
	loop->connection_count++;
	return c;
}

bool ud_connection_count(struct ud_connection *c)
{
	struct ud_server *s = c->loop->server;

	address_text(c->fd, c->address);
	c->counted = ud_limits_connect(s->limits, c->address, exempt(s, c->address));
	return c->counted;
}

void ud_connection_end(struct ud_connection *c)
{
	struct ud_loop *loop = c->loop;

	if (c->counted)
		ud_limits_disconnect(
			loop->server->limits, c->address, exempt(loop->server, c->address));
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	loop->connection_count--;
	ud_free(c->peer);
	ud_free(c);
}

/* ---- libmicrohttpd ---- */

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
	enum MHD_ConnectionNotificationCode what)
{
	struct ud_connection *c = *context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		*context = c = ud_connection_new(cls,
			MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)
				->connect_fd);
		if (!ud_connection_count(c))
			shutdown(c->fd, SHUT_RDWR);
	} else if (c) {
		ud_connection_end(c);
		*context = NULL;
	}
}

/* Certificate and key as texts, from files unless they are texts already. */
static enum ud_code tls_texts(struct ud_ctx *cx, const struct ud_server_settings *s,
	const char **ret_cert, const char **ret_key)
{
	size_t n;

	*ret_cert = s->tls_cert_text;
	*ret_key = s->tls_key_text;
	if (s->tls_cert_text)
		return UD_OK;
	UD_TRY(ud_file_read(cx, s->tls_cert, 1 << 20, ret_cert, &n));
	return ud_file_read(cx, s->tls_key, 1 << 20, ret_key, &n);
}

/* What the library needs for TLS, or nothing. */
static enum ud_code tls_options(
	struct ud_ctx *cx, struct ud_loop *loop, struct MHD_OptionItem *items, unsigned *flags)
{
	static const char priorities[] =
		"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:"
		"-MAC-ALL:+AEAD:-RSA:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:%SERVER_PRECEDENCE";
	const struct ud_server_settings *s = &loop->server->settings;
	const char *cert, *key;

	items[0] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	if (!ud_server_tls(s))
		return UD_OK;
	UD_TRY(tls_texts(cx, s, &cert, &key));
	items[0] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)cert };
	items[1] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)key };
	items[2] = (struct MHD_OptionItem){ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)priorities };
	items[3] = (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
	*flags |= MHD_USE_TLS;
	return UD_OK;
}

static enum ud_code start_daemon(struct ud_ctx *cx, struct ud_loop *loop)
{
	unsigned flags =
		MHD_USE_EPOLL | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET;
	struct MHD_OptionItem tls[4];

	UD_TRY(tls_options(cx, loop, tls, &flags));
	loop->mhd = MHD_start_daemon(flags, 0, NULL, NULL, ud_front_handle, loop,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)loop->server->settings.connections, MHD_OPTION_CONNECTION_TIMEOUT, 120U,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, on_connection, loop,
		MHD_OPTION_NOTIFY_COMPLETED, ud_front_completed, loop, MHD_OPTION_URI_LOG_CALLBACK,
		ud_front_uri, loop, MHD_OPTION_UNESCAPE_CALLBACK, ud_front_unescape, loop,
		MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	return loop->mhd ? UD_OK
			 : ud_fail(cx, UD_E_UNAVAILABLE, NULL, "the HTTP library does not start");
}

static bool watch(struct ud_loop *loop, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return fd < 0 || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

static enum ud_code library_open(struct ud_ctx *cx, struct ud_loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	UD_TRY(start_daemon(cx, loop));
	int library = MHD_get_daemon_info(loop->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;

	if (!watch(loop, loop->listen_fd) || !watch(loop, loop->wake_fd) || !watch(loop, library))
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "epoll: %s", strerror(errno));
	return UD_OK;
}

static void library_close(struct ud_loop *loop)
{
	if (loop->mhd)
		MHD_stop_daemon(loop->mhd);
	if (loop->epoll_fd >= 0)
		close(loop->epoll_fd);
}

static void library_turn(struct ud_loop *loop)
{
	struct epoll_event events[8];
	int n = epoll_wait(loop->epoll_fd, events, UD_LEN(events), timeout_ms(loop));

	if (n < 0 && errno != EINTR)
		abort();
	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == loop->wake_fd)
			ud_loop_drain(loop);
		else if (events[i].data.fd == loop->listen_fd && !atomic_load(&loop->stop))
			ud_accept_all(loop);
	}
}

static void library_work(struct ud_loop *loop)
{
	MHD_run(loop->mhd);
}

static void library_deafen(struct ud_loop *loop)
{
	if (loop->listen_fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, loop->listen_fd, NULL);
}

/* The library then notices and ends it. */
static void library_shut(struct ud_connection *c)
{
	shutdown(c->fd, SHUT_RDWR);
}

static const char *library_header(const struct ud_io *io, const char *name)
{
	return MHD_lookup_connection_value(io->mhd, MHD_HEADER_KIND, name);
}

struct visit {
	ud_header_visitor *visit;
	void *data;
};

static enum MHD_Result visit_header(void *cls, enum MHD_ValueKind kind, const char *name,
	size_t name_n, const char *value, size_t value_n)
{
	struct visit *v = cls;

	(void)kind;
	v->visit(v->data, name, name_n, value, value_n);
	return MHD_YES;
}

static void library_headers(const struct ud_io *io, ud_header_visitor *visit, void *data)
{
	struct visit v = { visit, data };

	MHD_get_connection_values_n(io->mhd, MHD_HEADER_KIND, visit_header, &v);
}

static void library_suspend(struct ud_io *io)
{
	MHD_suspend_connection(io->mhd);
}

static void library_resume(struct ud_io *io)
{
	MHD_resume_connection(io->mhd);
}

/* Nobody is asked for one. */
static void library_peer(struct ud_ctx *cx, const struct ud_io *io, struct ud_peer *ret)
{
	(void)cx, (void)io, (void)ret;
}

const struct ud_carrier ud_carrier_library = {
	.open = library_open,
	.close = library_close,
	.turn = library_turn,
	.work = library_work,
	.deafen = library_deafen,
	.shut = library_shut,
	.header = library_header,
	.headers = library_headers,
	.suspend = library_suspend,
	.resume = library_resume,
	.peer = library_peer,
};

/* ---- start and end ---- */

enum ud_code ud_loop_open(struct ud_ctx *cx, struct ud_server *server, size_t index, int listen_fd,
	bool streams, struct ud_loop **ret)
{
	struct ud_loop *loop = ud_malloc(sizeof(*loop));

	*ret = loop;
	loop->server = server;
	loop->carrier = server->settings.agents ? &ud_carrier_gateway : &ud_carrier_library;
	loop->index = index;
	loop->streams = streams;
	loop->listen_fd = listen_fd;
	loop->epoll_fd = -1;
	loop->done_tail = &loop->done;
	loop->bearers = ud_bearers_new();
	pthread_mutex_init(&loop->mutex, NULL);
	pthread_mutex_init(&loop->stream_mutex, NULL);
	loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	UD_TRY(ud_reader_open(cx, server->db, &loop->reader));
	return loop->carrier->open(cx, loop);
}

enum ud_code ud_loop_start(struct ud_ctx *cx, struct ud_loop *loop)
{
	if (pthread_create(&loop->thread, NULL, run, loop) != 0)
		return ud_fail(cx, UD_E_UNAVAILABLE, NULL, "cannot start a thread");
	loop->running = true;
	return UD_OK;
}

void ud_loop_stop(struct ud_loop *loop)
{
	atomic_store(&loop->stop, true);
	ud_loop_wake(loop);
}

void ud_loop_join(struct ud_loop *loop)
{
	if (loop->running)
		pthread_join(loop->thread, NULL);
	loop->running = false;
}

void ud_loop_release(struct ud_loop **ploop)
{
	struct ud_loop *loop = *ploop;

	if (!loop)
		return;
	ud_loop_join(loop);
	loop->carrier->close(loop);
	for (size_t i = 0; i < loop->handed_count; i++)
		close(loop->handed[i]);
	while (loop->free_list) {
		struct ud_io *io = loop->free_list;

		loop->free_list = io->next;
		ud_front_free(io);
	}
	ud_reader_release(&loop->reader);
	ud_bearers_release(&loop->bearers);
	close(loop->wake_fd);
	if (loop->listen_fd >= 0)
		close(loop->listen_fd);
	pthread_mutex_destroy(&loop->mutex);
	pthread_mutex_destroy(&loop->stream_mutex);
	ud_free(loop);
	*ploop = NULL;
}
