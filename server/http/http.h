/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP machinery as handlers and route tables see it. A request meets one route row: the front
 * checks limits and form, auth makes the scope, the router checks roles and body, the handler
 * works, respond.c makes the answer. Knows no particular resource.
 */
#ifndef SERVER_HTTP_HTTP_H
#define SERVER_HTTP_HTTP_H

#include "base/buf.h"
#include "base/ctx.h"
#include "base/shape.h"
#include "db/engine/database.h"
#include "db/rows.h"
#include "db/scope.h"

struct ud_agent_identity;
struct ud_bearers;
struct ud_form;
struct ud_request;
struct ud_server;
struct ud_loop;

/*
 * A handler returns UD_OK after calling one of the ud_answer functions, or the code that ud_fail
 * recorded. It runs with cx->conn and cx->scope set: reads on a worker, writes on the writer inside
 * their transaction (they may run again, so they only use SQL and the arena).
 */
typedef enum ud_code ud_handler(struct ud_ctx *cx, struct ud_request *rq);

enum ud_route_flags {
	UD_WRITE = 1 << 0, /* the handler runs on the writer; method is not GET */
	/* prepare runs on the slow pool (password hashing): at most 4 at once */
	UD_SLOW = 1 << 1,
	UD_STEP_UP = 1 << 2,        /* people's sessions need a factor not older than 300 s */
	UD_KEY_REQUIRED = 1 << 3,   /* Idempotency-Key is required */
	UD_MATCH_REQUIRED = 1 << 4, /* If-Match is required (PATCH, PUT, DELETE) */
	UD_OUTSIDE = 1 << 5,        /* stands outside /v1 and outside the specification's tags */
	UD_FACTOR_EXEMPT = 1 << 6,  /* a staff session without a factor may call it to enrol one */
	UD_PERSON = 1 << 7,         /* refused to tokens of service accounts */
	/* its answer carries a secret: kept for idempotent replay under seal alone */
	UD_NO_BODY_LOG = 1 << 8,
	/* answers a list: limit, cursor, sort, fields, filters, q, count */
	UD_LIST = 1 << 9,
	UD_HTML = 1 << 10, /* errors and answers are pages for people */
	/* takes ?wait=seconds: the handler runs again on changes until it answers */
	UD_WAIT = 1 << 11,
	UD_STREAM = 1 << 12, /* the handler starts a stream */
	/*
	 * The body is a file as it is, at most UD_UPLOAD_MAX bytes, with ?filename=; it comes to
	 * the disk piece by piece after the caller was let in, and prepare (UD_SLOW) finds it in
	 * rq->upload. A handler that stores its row sets rq->upload_used.
	 */
	UD_UPLOAD = 1 << 14,
	UD_DOWNLOAD = 1 << 15, /* answers a file: ud_answer_file */
	UD_UNLISTED = 1 << 13, /* a page's file, not a call: not in the specification */
	UD_WHOLE = 1 << 16,    /* answers a list that comes whole, without pages */
	UD_BATCH = 1 << 17,    /* many calls in one (batch.h): the handler runs on the loop */
	/* RFC 6749: takes a form as well as JSON; problems carry error and error_description */
	UD_OAUTH = 1 << 18,
};

enum { UD_UPLOAD_MAX = 50 << 20 };

/* A resource that the general handlers of rest.h serve. */
struct ud_resource {
	const struct ud_table *table;
	/*
	 * A rule over several fields: pure, no database, no clock. old is NULL at creation. It
	 * calls ud_fail_field and returns its code. May be NULL.
	 */
	enum ud_code (*check)(struct ud_ctx *cx, const void *old_row, void *row);
	/*
	 * Rules that need the database, inside the write's transaction before the row is stored;
	 * row is NULL at deletion. May be NULL.
	 */
	enum ud_code (*before)(
		struct ud_ctx *cx, const struct ud_given *given, const void *old_row, void *row);
	/* Fill UD_COMPUTED members of a row about to be answered. May be NULL. */
	enum ud_code (*complete)(struct ud_ctx *cx, void *row);
	/* Column that lists are restricted to by the path's first argument ("block_id"), or NULL.
	 */
	const char *parent_column;
	/* Order of lists without ?sort=, as that parameter would say it; NULL = by id. */
	const char *order;
};

/* A query parameter of a route's own, for the specification and the command line. */
struct ud_parameter {
	const char *name, *type, *about; /* type: "string", "integer" */
};

struct ud_route {
	const char *method;
	const char *path;      /* "/v1/hosts/{id}" */
	const char *operation; /* operationId: "hosts.show" */
	uint32_t roles;        /* who may; 0 = forgotten, the table test refuses it */
	const char *scope;     /* a token needs it: "hosts:read"; NULL only with UD_ANYONE */
	unsigned flags;
	const struct ud_shape *body; /* NULL = the resource's for create and edit, else none */
	/* what a success carries; NULL = the resource's, or described by about */
	const struct ud_shape *answer;
	int status; /* of a success; 0 = 200 */
	const struct ud_resource *resource;
	/* of writes: parse, hash, check; runs before the writer, may read */
	ud_handler *prepare;
	ud_handler *handle;
	const char *about;                     /* one sentence for the specification */
	const struct ud_parameter *parameters; /* ended by a NULL name; NULL = none of its own */
	/*
	 * A row on its way out (RFC 9745, RFC 8594): Unix seconds of its deprecation and of its
	 * end, 12 months later at the earliest; 0 = neither.
	 */
	int64_t deprecated_at, sunset_at;
	/* of a success that is no JSON, for the specification; NULL = JSON, or what flags say */
	const char *media;
	/* what a success may carry instead of answer; NULL = nothing */
	const struct ud_shape *const *answer_else;
};

/* A part of the table: api/index.c lists them. */
struct ud_routes {
	const char *tag; /* "Hosts" */
	const struct ud_route *rows;
	size_t count;
};

/* The shape of a route's body, or NULL. */
const struct ud_shape *ud_route_body(const struct ud_route *r);
/* The shape of its answer (of each item for lists), or NULL. */
const struct ud_shape *ud_route_answer(const struct ud_route *r);
/* May its answer be left out on wish? An object's that can be read again, and no secret. */
bool ud_route_brief(const struct ud_route *r);

struct ud_param {
	const char *name, *value;
	bool used; /* somebody looked at it; what nobody looks at is unknown_parameter */
};

enum { UD_MAX_ARGS = 3, UD_MAX_PARAMS = 40, UD_MAX_HEADERS = 16 };

struct ud_header {
	const char *name, *value;
};

struct ud_request {
	struct ud_ctx cx;
	struct ud_server *server;
	const struct ud_route *route;
	const char *method, *path;
	const char *arg[UD_MAX_ARGS]; /* values of {…} in the path */
	struct ud_param params[UD_MAX_PARAMS];
	size_t param_count;
	struct ud_scope scope;
	const struct ud_agent_identity *agent; /* on the agents' port: who asks */
	struct ud_bearers *bearers;            /* of the loop */
	uint64_t commits;   /* the database's count before the snapshot it reads */
	struct ud_buf body; /* as received */
	json_t *json;       /* parsed, when the route takes a body */
	void *in;           /* decoded by route->body; zeroed for a PATCH (see rest.c) */
	struct ud_given given;
	void *prepared; /* what prepare hands to handle, in the arena */
	bool dry_run, minimal;
	const char *if_match, *if_none_match, *idempotency_key;
	const char *user_agent; /* at most 200 bytes */
	const char *trace_id;   /* of the caller's traceparent, or NULL */

	/* The answer */
	int status;
	struct ud_buf out;
	const char *content_type;
	struct ud_header headers[UD_MAX_HEADERS];
	size_t header_count;

	int64_t wait_until_ms; /* UD_WAIT: monotonic end of the wait; 0 = not waiting */
	/*
	 * With waiting: who wakes this one (ud_server_wake), in the arena; NULL = every commit.
	 * The handler sets both before it looks for news.
	 */
	const char *wait_key;
	uint64_t wakes; /* the count of wakes before the snapshot it reads */
	/* a write that is stored although the caller gets this problem (failed sign-in) */
	enum ud_code verdict;
	bool counted;            /* it is stored in a dry run, too: a secret was tried */
	bool waiting;            /* set by a handler: nothing to say yet, run me again */
	struct ud_spool *upload; /* UD_UPLOAD: what came */
	bool upload_used;
	const char *filename, *upload_type; /* as the caller named it, and its Content-Type */
	int file_fd;                        /* UD_DOWNLOAD: what goes; with file_size */
	int64_t file_size;
	struct ud_stream *stream; /* UD_STREAM */
	struct ud_form *form;     /* the call came from a form of the basic pages (forms.h) */
	struct ud_io *io;         /* of the front; nobody else's */
};

/* Value of a request header, case-insensitive, or NULL. Valid for the request. Worker only (not in
 * apply). */
const char *ud_request_header(const struct ud_request *rq, const char *name);
/* Value of a query parameter, or NULL; marks it as known. */
const char *ud_request_param(struct ud_request *rq, const char *name);

/* ---- answers (respond.c) ---- */

/* Answer with an object: 200, or the route's status; ETag from its version; Location at 201. */
enum ud_code ud_answer(struct ud_ctx *cx, struct ud_request *rq, const struct ud_shape *shape,
	const void *row) UD_USE;
/* Answer 204. */
enum ud_code ud_answer_none(struct ud_ctx *cx, struct ud_request *rq) UD_USE;
/* Answer with what the caller wrote into rq->out. */
enum ud_code ud_answer_text(
	struct ud_ctx *cx, struct ud_request *rq, int status, const char *content_type) UD_USE;
/* Answer with a file of so many bytes: takes the descriptor. name is told to browsers, which are to
 * save it and not to show it. */
enum ud_code ud_answer_file(
	struct ud_ctx *cx, struct ud_request *rq, int fd, int64_t size, const char *name) UD_USE;
/* Add a response header; the texts live in the arena or are constants. Dropped over UD_MAX_HEADERS.
 */
void ud_answer_header(struct ud_request *rq, const char *name, const char *value);
/* Turn the recorded problem into the answer (problem+json). Called once, by the front. */
void ud_answer_problem(struct ud_request *rq, enum ud_code code);

/*
 * If-Match against an object's version: UD_E_STALE_VERSION when it does not match, UD_OK for "*" or
 * when it was not sent.
 */
enum ud_code ud_check_match(struct ud_ctx *cx, const struct ud_request *rq, int64_t version) UD_USE;

#endif
