/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the front: loops, connections and the life of a request. For server/http alone.
 */
#ifndef SERVER_HTTP_IO_H
#define SERVER_HTTP_IO_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "server/http/server.h"

enum { UD_BODY_MAX = 1 << 20, UD_ADDRESS_TEXT = 64 };

/* Absolute deadlines in milliseconds: the library's own timeout only knows inactivity. */
/* the least rate of files: 16 KB a second */
enum { UD_FILE_BYTES_PER_MS = 16 };
enum { UD_HEADER_MS = 10000, UD_BODY_MS = 30000, UD_ANSWER_MS = 60000, UD_IDLE_MS = 60000 };

struct ud_connection;
struct ud_io;
struct ud_loop;
struct ud_peer;

typedef void ud_header_visitor(
	void *data, const char *name, size_t name_n, const char *value, size_t value_n);

/*
 * What carries requests over sockets: libmicrohttpd, and on the agents' port libevent with OpenSSL
 * (gateway.c), where thousands wait at once. All of it on the loop's thread.
 */
struct ud_carrier {
	/* Begin and end listening. close may find less than open made. */
	enum ud_code (*open)(struct ud_ctx *cx, struct ud_loop *loop);
	void (*close)(struct ud_loop *loop);
	/* Sleep until something happens, and take in what did; a tick's time at most. */
	void (*turn)(struct ud_loop *loop);
	/* Let out what was resumed meanwhile. */
	void (*work)(struct ud_loop *loop);
	/* No new connections. */
	void (*deafen)(struct ud_loop *loop);
	/* End a connection that is past its deadline. */
	void (*shut)(struct ud_connection *connection);
	const char *(*header)(const struct ud_io *io, const char *name);
	void (*headers)(const struct ud_io *io, ud_header_visitor *visit, void *data);
	/* The request waits for another thread or for news; it goes on, and gets its answer. */
	void (*suspend)(struct ud_io *io);
	void (*resume)(struct ud_io *io);
	/* Which certificate was shown. */
	void (*peer)(struct ud_ctx *cx, const struct ud_io *io, struct ud_peer *ret);
};
extern const struct ud_carrier ud_carrier_library; /* loop.c */
extern const struct ud_carrier ud_carrier_gateway; /* gateway.c */

struct bufferevent;
struct event;
struct evhttp_request;
struct ud_gateway;

/* One connection; belongs to its loop's thread. */
struct ud_connection {
	struct ud_connection *next, **link;
	struct ud_loop *loop;
	int fd;
	int64_t deadline_ms;           /* monotonic; the reaper shuts the socket down */
	bool counted;                  /* against the per-address limit */
	struct ud_peer *peer;          /* the certificate it showed, once looked at */
	char address[UD_ADDRESS_TEXT]; /* the peer's, without port; "" for a Unix socket */
	/* of the gateway */
	struct bufferevent *stream;
	struct event *hang_up; /* while a request waits */
	struct ud_io *io;      /* the request that goes on */
};

/* The front's part of a request. */
struct ud_io {
	struct ud_request rq; /* first: a struct ud_io is its request */
	struct ud_io *next;   /* in the loop's queue or free list */
	struct ud_loop *loop;
	struct ud_connection *connection;
	struct MHD_Connection *mhd;
	struct evhttp_request *event; /* the gateway's instead of mhd */
	bool gone;                    /* whoever asked has hung up: nobody is answered */
	struct ud_write write;
	const char *raw; /* request target as sent */
	bool started;    /* the body is complete and work has begun */
	bool finished;   /* an answer lies ready */
	bool suspended;
	bool too_large;
	int64_t started_us;
	int64_t upload_ms; /* monotonic begin of a file */
	/* in the loop's list of waiters, and among those of its key (waiters.c) */
	struct ud_io *waiting_next, **waiting_link;
	struct ud_io *key_next, **key_link;
	struct ud_io *batch;      /* of an item: the call that it is a part of (batch.h) */
	const char *request_hash; /* with an Idempotency-Key */
	size_t header_mark;       /* headers set before the writer's turn */
	bool dry_run_fine;        /* the work was done and is to be undone */
};

/* A thread with a daemon. */
struct ud_loop {
	struct ud_server *server;
	const struct ud_carrier *carrier;
	size_t index;
	bool streams; /* the loop that streams get */
	pthread_t thread;
	bool running;
	int epoll_fd, wake_fd, listen_fd;
	struct MHD_Daemon *mhd;
	struct ud_gateway *gateway;
	ud_reader *reader;
	struct ud_bearers *bearers;
	struct ud_connection *connections;
	size_t connection_count;
	struct ud_io *free_list;
	size_t busy; /* requests begun and not ended */
	struct ud_io *waiting;
	/* changed by the loop's thread alone, under stream_mutex for others' looks */
	struct ud_stream *stream_list;
	pthread_mutex_t stream_mutex;
	pthread_mutex_t mutex; /* the three below */
	struct ud_io *done, **done_tail;
	int handed[256]; /* sockets from the other loops */
	size_t handed_count;
	_Atomic bool stop, changed;
	int64_t tick_ms, changed_ms;
};

/* limits by address: is this one exempt, or a proxy whose word counts? (loop.c) */
bool ud_address_local(const char *address);
bool ud_address_trusted(const struct ud_server *server, const char *address);

/* loop.c */
/* Make a loop that does nothing yet; *ret is to be released also after a failure. */
enum ud_code ud_loop_open(struct ud_ctx *cx, struct ud_server *server, size_t index, int listen_fd,
	bool streams, struct ud_loop **ret) UD_USE;
/* Let it accept and serve. */
enum ud_code ud_loop_start(struct ud_ctx *cx, struct ud_loop *loop) UD_USE;
void ud_loop_stop(struct ud_loop *loop);
/* Wait until it has stopped. */
void ud_loop_join(struct ud_loop *loop);
void ud_loop_release(struct ud_loop **loop);
/* Wake a loop; any thread. */
void ud_loop_wake(struct ud_loop *loop);
/* A request's work elsewhere is done: queue it for its loop. Any thread. */
void ud_loop_finish(struct ud_io *io);
/* For carriers: the wake_fd is readable; a connection comes and goes. */
void ud_loop_drain(struct ud_loop *loop);
struct ud_connection *ud_connection_new(struct ud_loop *loop, int fd);
/* Its address is known now; false = there are too many. */
bool ud_connection_count(struct ud_connection *connection);
void ud_connection_end(struct ud_connection *connection);
/* IMF-fixdate and the like are the carriers'; these are ours, for every answer (respond.c). */
void ud_answer_headers(
	struct ud_io *io, void (*add)(void *to, const char *name, const char *value), void *to);

/* front.c: a request of any carrier: it begins, it is whole, it has ended. */
struct ud_io *ud_front_begin(
	struct ud_loop *loop, struct ud_connection *connection, const char *target);
/* Run it; true = there is an answer, false = it was suspended. */
bool ud_front_whole(struct ud_io *io, const char *method);
void ud_front_end(struct ud_io *io);
/* Take a request out of those who wait; false when it does not wait, or is on its way back already.
 */
bool ud_front_leave(struct ud_io *io);
/* front.c: what the library calls. */
enum MHD_Result ud_front_handle(void *cls, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **req);
void ud_front_completed(
	void *cls, struct MHD_Connection *mhd, void **req, enum MHD_RequestTerminationCode why);
void *ud_front_uri(void *cls, const char *uri, struct MHD_Connection *mhd);
size_t ud_front_unescape(void *cls, struct MHD_Connection *mhd, char *text);
/* Run the handlers of waiting requests again, or end their wait. */
void ud_front_wake_waiting(struct ud_loop *loop, bool changed, int64_t mono_ms);
void ud_front_free(struct ud_io *io);

/* dispatch.c: from complete request to answer, or to the writer. */
void ud_dispatch(struct ud_io *io);
void ud_dispatch_again(struct ud_io *io);
/*
 * The headers of a request are there and it may be an upload (?filename=): when its route is one,
 * the caller is let in and the file begun before the body comes.
 */
enum ud_code ud_dispatch_upload(struct ud_io *io) UD_USE;
/*
 * An item of a batch: everything before its handler, with the batch's caller; then it is on its way
 * to the writer and comes back to ud_dispatch_again. An error when it is not.
 */
enum ud_code ud_dispatch_item(struct ud_io *io) UD_USE;
/* Whose requests are counted together: the token's, the principal's, else the address's. */
const char *ud_request_principal(const struct ud_request *rq);
/* Hand a prepared write to the writer. Any thread. */
void ud_dispatch_post(struct ud_io *io);

/* router.c */
/* The row for a method and path; NULL with UD_E_NOT_FOUND or UD_E_METHOD_NOT_ALLOWED recorded. */
const struct ud_route *ud_route_find(struct ud_ctx *cx, struct ud_request *rq);

/* accept.c */
/*
 * Open the listening socket; several for one TCP address share its port. first: none of ours is
 * there yet, so whoever listens there is somebody else, and UD_E_UNAVAILABLE says so.
 */
enum ud_code ud_listen(struct ud_ctx *cx, const char *where, bool first, int *ret_fd, int *ret_port)
	UD_USE;
/* Take waiting connections of a loop's listening socket. */
void ud_accept_all(struct ud_loop *loop);
/* Give one socket to the loop's daemon. */
void ud_accept_add(struct ud_loop *loop, int fd);

/* respond.c: hand the finished answer to the library. */
enum MHD_Result ud_respond(struct ud_io *io);

#endif
